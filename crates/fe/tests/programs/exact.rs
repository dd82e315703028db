//! Programs whose answer is known in closed form: the lines `# expect: PATH = VALUE within TOLERANCE` and
//! `# above: PATH = VALUE by at most TOLERANCE` of their headers, held against `fit.json`.

use crate::common::at;
use crate::fits::{Options, Outcome, Program, shared};
use crate::trials::{Tier, Trials};

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

/// Holds a fit to every claim of its program's header.
fn hold(program: &Program, fit: &Outcome) {
    let claims: Vec<Claim> = program.source.lines().filter_map(claim).collect();
    assert!(!claims.is_empty(), "{} claims nothing", program.name);
    let fit = &fit.document;
    assert_eq!(fit["verdict"]["converged"], true);
    for claim in &claims {
        let figure = at(fit, &claim.path);
        let over = figure - claim.value;
        // What is a bound in theory may fall short by its own sampling error.
        let least = if claim.above { -3.0 * fit["free_energy_se"].as_f64().unwrap_or(0.0) } else { -claim.tolerance };
        assert!(
            (least..=claim.tolerance).contains(&over),
            "{} is {figure}, and {} is claimed: {over:e} over",
            claim.path,
            claim.value,
        );
    }
}

/// Each program with two seeds, the slow ones first.
pub fn trials(trials: &mut Trials) {
    let mut programs = Program::all_of("tests/exact");
    programs.sort_by_key(|p| !p.slow());
    for seed in [0, 1] {
        for program in &programs {
            let program = program.clone();
            let (name, tier) = (format!("exact::{}::seed {seed}", program.name), Tier::of(program.slow()));
            // The fit with seed 0, which is also what programs are fitted with unasked, is what treatments compare with.
            let options = if seed == 0 { Options::default() } else { Options::seed(seed) };
            trials.add(name, tier, move || {
                let fit = shared(&program, &options);
                assert_eq!(fit.document["seed"], seed);
                hold(&program, &fit);
            });
        }
    }
}
