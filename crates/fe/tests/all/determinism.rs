//! The same seed gives the same files: the whole of each run but its times, ten times over, at any number of threads.

use crate::common::{done, full};
use crate::nothing_lost::lasting;

/// Programs of each kind: L-BFGS over fixed draws, elimination, sums, noisy steps in batches, chains, a guide by blocks.
const PROGRAMS: [(&str, &str); 6] = [
    (
        "draws",
        "data y[N] = [1.5, 2, 4]\nlatent s ~ HalfNormal(1)\nlatent m ~ Normal(0, 3)\nobserve y ~ StudentT(4, m, s)\n",
    ),
    (
        "elimination",
        "data y[N] = [1.5, 2, 4]\nlatent s ~ Gamma(2, 1)\nlatent m[N] ~ Normal(0, s)\nobserve y ~ Normal(m, 1)\n",
    ),
    (
        "sums",
        "data y[N] = [1, 2, 14, 15]\ndim K = 2\nlatent m[K] ~ Normal(0, 10)\n\
         latent p[K] ~ Dirichlet(1)\nlatent z[N] : index(K) ~ Categorical(p)\nobserve y ~ Normal(m[z], 1)\n",
    ),
    (
        "batches",
        "data y[N] = normal_draws(1, 2, count = 300)\nlatent z[N] ~ Normal(0, 1)\nparam w = 0.5\n\
         observe y ~ Normal(w * z, 1)\nguide z ~ Normal(0.3 * y, 0.5)\n\
         train { optimizer = adam  batch = 50  steps = 60  samples = 2 }\n",
    ),
    (
        "chains",
        "data y[N] = [1, 2, 4]\nlatent s ~ HalfNormal(1)\nlatent m ~ Normal(0, 1)\nobserve y ~ Normal(m, s)\n\
         guide * ~ NUTS(draws = 100, warmup = 100, chains = 2)\n",
    ),
    (
        "blocks",
        "data y[N] = [1, 2, 4]\nlatent a ~ Normal(0, 1)\nlatent b ~ Gamma(2, 1)\nlatent c ~ Normal(a, 1)\n\
         observe y ~ Normal(a * b + c, 1)\nguide a, b ~ FullRank()\nguide c ~ MeanField()\n",
    ),
];

#[test]
fn the_whole_of_a_run_is_the_same_at_any_threads() {
    let folder = tempfile::tempdir().unwrap();
    let (programs, runs) = if full() { (&PROGRAMS[..], 10) } else { (&PROGRAMS[..1], 2) };
    for (name, program) in programs {
        let file = format!("{name}.fe");
        std::fs::write(folder.path().join(&file), program).unwrap();
        let mut first = None;
        for run in 0..runs {
            let threads = ["1", "2", "3", "5", "8"][run % 5];
            done(folder.path(), &["run", &file, "--quiet", "--force", "--threads", threads, "--out", "run"]);
            let mut files = lasting(&folder.path().join("run"));
            let fit = files.get_mut("fit.json").unwrap();
            let mut document: serde_json::Value = serde_json::from_slice(fit).unwrap();
            document.as_object_mut().unwrap().remove("threads");
            *fit = document.to_string().into_bytes();
            let first = first.get_or_insert_with(|| files.clone());
            for (file, bytes) in &files {
                assert!(first.get(file) == Some(bytes), "{file} of `{name}` differs at {threads} threads");
            }
        }
    }
}
