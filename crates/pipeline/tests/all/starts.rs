//! Starts side by side: the same numbers as one after another.

use fe_pipeline::{FitOptions, ReadOptions, Text, prepare};

use super::Quiet;

const SWING: &str = "\
dim T = 20
param a[T] = smooth(1)
let omega[0] = 0
let theta[0] = 3.141592653589793
for t in T {
  let omega[t+1] = omega[t] + 0.05 * (15 * sin(theta[t]) + 6 * tanh(a[t]))
  let theta[t+1] = theta[t] + 0.05 * omega[t+1]
  loss swing = 2 * (1 - cos(theta[t+1])) + 0.1 * omega[t+1]^2 + 0.004 * tanh(a[t])^2
}
train { starts = 7 }
";

#[test]
fn starts_side_by_side_end_where_they_end_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("swing.fe");
    std::fs::write(&file, SWING).unwrap();
    let text = Text::read(file.to_str().unwrap()).unwrap();
    let on = |threads: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let prepared = prepare(&text, &ReadOptions::default(), &FitOptions::default()).unwrap();
            let document = prepared.document(&prepared.fit(None, &mut Quiet).unwrap()).unwrap();
            let starts = serde_json::to_string(&document.verdict.starts).unwrap();
            (document.account.free_energy.to_bits(), starts, serde_json::to_string(&document.params).unwrap())
        })
    };
    let alone = on(1);
    assert!(alone.1.contains("\"count\":7"), "{}", alone.1);
    for threads in [2, 3, 8] {
        assert_eq!(on(threads), alone, "{threads} threads");
    }
}
