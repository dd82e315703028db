//! Programs whose answer is known in closed form: the lines `# expect: PATH = VALUE within TOLERANCE` and
//! `# above: PATH = VALUE by at most TOLERANCE` of their headers, held against `fit.json`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;

/// What a header line claims of a fit.
struct Claim {
    path: String,
    value: f64,
    tolerance: f64,
    /// The figure is a bound: it must not lie below the value.
    above: bool,
}

fn claim(line: &str) -> Option<Claim> {
    let (text, between, above) = match (line.strip_prefix("# expect: "), line.strip_prefix("# above: ")) {
        (Some(text), _) => (text, " within ", false),
        (_, Some(text)) => (text, " by at most ", true),
        _ => return None,
    };
    let (path, rest) = text.split_once(" = ").expect("PATH = VALUE");
    let (value, tolerance) = rest.split_once(between).unwrap_or_else(|| panic!("`{between}` in {line}"));
    Some(Claim { path: path.into(), value: value.parse().unwrap(), tolerance: tolerance.parse().unwrap(), above })
}

#[test]
fn every_answer_that_is_known() {
    let folder = root().join("tests/exact");
    for path in programs("tests/exact") {
        let source = std::fs::read_to_string(&path).unwrap();
        let claims: Vec<Claim> = source.lines().filter_map(claim).collect();
        assert!(!claims.is_empty(), "{} claims nothing", path.display());
        for seed in ["0", "1"] {
            let fit = fit(&folder, &[path.to_str().unwrap(), "--seed", seed]);
            assert_eq!(fit["verdict"]["converged"], true, "{} with seed {seed}", path.display());
            for claim in &claims {
                let figure = at(&fit, &claim.path);
                let over = figure - claim.value;
                // What is a bound in theory may fall short by its own sampling error.
                let least =
                    if claim.above { -3.0 * fit["free_energy_se"].as_f64().unwrap_or(0.0) } else { -claim.tolerance };
                assert!(
                    (least..=claim.tolerance).contains(&over),
                    "{} with seed {seed}: {} is {figure}, and {} is claimed: {over:e} over",
                    path.display(),
                    claim.path,
                    claim.value,
                );
            }
        }
    }
}
