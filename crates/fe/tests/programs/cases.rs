//! Models that were asked for in public, with answers computed independently: `# reference: NAME[k] = MEAN ± SD` of the k-th
//! element, row-major. In the table that the report names as the one to read, means lie within a tenth of a standard deviation
//! and standard deviations within 10 %; or the verdict says that it cannot be trusted, where `# held: or flagged` allows that.

use serde_json::Value;

use crate::fits::{Options, Program, document};
use crate::trials::{Tier, Trials};

/// A scalar of a posterior.
struct Reference {
    name: String,
    place: usize,
    mean: f64,
    sd: f64,
}

fn reference(line: &str) -> Option<Reference> {
    let (what, answer) = line.strip_prefix("# reference: ")?.split_once(" = ")?;
    let (name, place) = what.trim_end_matches(']').split_once('[')?;
    let (mean, sd) = answer.split_once(" ± ")?;
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("a number in {line}"));
    Some(Reference { name: name.into(), place: place.parse().unwrap(), mean: number(mean), sd: number(sd) })
}

/// The numbers of an array, row-major.
fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap_or(f64::NAN)],
    }
}

fn hold(program: &Program, seed: u64) {
    let references: Vec<Reference> = program.source.lines().filter_map(reference).collect();
    let may_be_flagged = program.source.contains("# held: or flagged");
    assert!(!references.is_empty() && (may_be_flagged || program.source.contains("# held: right")), "{}", program.name);
    let fit = document(program, &Options::seed(seed));
    let trusted = fit["verdict"]["trusted"] == true;
    if !trusted && may_be_flagged {
        return;
    }
    assert!(trusted, "seed {seed}: {}", fit["verdict"]);
    let resampled = &fit["posterior_resampled"];
    let table = if resampled.is_null() { &fit["posterior"] } else { resampled };
    for Reference { name, place, mean, sd } in references {
        let own = |key: &str| numbers(&table[&name][key])[place];
        let (off, wider) = ((own("mean") - mean) / sd, own("sd") / sd - 1.0);
        assert!(off.abs() <= 0.1, "seed {seed}: the mean of {name}[{place}] is {off:.3} sd off");
        assert!(wider.abs() <= 0.1, "seed {seed}: the sd of {name}[{place}] is off by {wider:.3}");
    }
}

/// Each program with three seeds, all but the first in a full run.
pub fn trials(trials: &mut Trials) {
    for program in Program::all_of("tests/cases") {
        for seed in 0..3 {
            let own = program.clone();
            let tier = Tier::of(program.slow() || seed > 0);
            trials.add(format!("cases::{}::seed {seed}", program.name), tier, move || hold(&own, seed));
        }
    }
}
