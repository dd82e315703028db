//! A fit beside chains: what is judged, and how it is shown.

use fe_report::{Chains, Held, Nested, Outcome, Verification, Verified, json, verification_terminal};
use indexmap::IndexMap;

fn list(values: &[f64]) -> Nested {
    let shape = if values.len() == 1 { vec![] } else { vec![values.len()] };
    Nested::new(shape, values.to_vec()).unwrap()
}

/// A value whose chains have means and standard deviations that are known to a fiftieth.
fn value(fit: &[(f64, f64)], chains: &[(f64, f64)]) -> Verified {
    let of = |pairs: &[(f64, f64)], at: fn(&(f64, f64)) -> f64| list(&pairs.iter().map(at).collect::<Vec<_>>());
    Verified {
        mean: of(fit, |p| p.0),
        sd: of(fit, |p| p.1),
        chains_mean: of(chains, |p| p.0),
        chains_sd: of(chains, |p| p.1),
        mean_error: of(chains, |p| p.1 / 50.0),
        sd_error: of(chains, |p| p.1 / 70.0),
        rhat: of(chains, |_| 1.0012),
        bulk: of(chains, |_| 2511.0),
        tail: of(chains, |_| 2204.0),
    }
}

fn verification(values: Vec<(&str, Verified)>, open: &[&str]) -> Verification {
    Verification {
        schema: fe_report::VERIFICATION_SCHEMA,
        model: "schools".into(),
        run: "runs/schools".into(),
        fe_version: "0.1.0".into(),
        held: Held::PosteriorResampled,
        chains: Chains {
            count: 4,
            warmup: 1000,
            draws: 1000,
            dimension: 10,
            divergences: 3,
            leapfrogs: 30_121,
            seconds: 1.42,
        },
        limit: 4.1,
        open: open.iter().map(|o| (*o).to_owned()).collect(),
        values: values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<IndexMap<_, _>>(),
        ..Verification::default()
    }
    .judged()
}

fn right() -> Vec<(&'static str, Verified)> {
    let tau = value(&[(3.61, 3.18)], &[(3.60, 3.20)]);
    let theta: Vec<(f64, f64)> = (0..15).map(|k| (4.0 + 0.3 * f64::from(k), 5.0 + 0.1 * f64::from(k))).collect();
    vec![("mu", value(&[(4.38, 3.30)], &[(4.41, 3.31)])), ("tau", tau), ("theta", value(&theta, &theta))]
}

fn wrong() -> Vec<(&'static str, Verified)> {
    let mut values = right();
    values[1].1 = value(&[(2.1, 1.4)], &[(3.60, 3.20)]);
    let theta: Vec<(f64, f64)> = (0..15).map(|k| (4.0, if k == 13 { 2.0 } else { 5.0 })).collect();
    values[2].1 = value(&theta, &[(4.0, 5.0); 15]);
    values
}

#[test]
fn a_table_at_two_widths() {
    let unmixed = &["R̂ reaches 1.093, and 1.01 is wanted", "38 of 4000 trajectories diverged"][..];
    for (name, found) in [
        ("agrees", verification(right(), &[])),
        ("differs", verification(wrong(), &[])),
        ("not_settled", verification(wrong(), unmixed)),
    ] {
        for width in [80, 120] {
            let text = verification_terminal(&found, width, false);
            assert!(text.lines().all(|l| unicode_width::UnicodeWidthStr::width(l) <= width), "{text}");
            insta::assert_snapshot!(format!("{name}_{width}"), text);
        }
        let again: Verification = serde_json::from_str(&json(&found)).unwrap();
        assert_eq!(again, found);
    }
}

#[test]
fn a_number_differs_beyond_its_error_and_beyond_what_matters() {
    let judged = |fit: (f64, f64)| verification(vec![("z", value(&[fit], &[(0.0, 1.0)]))], &[]);
    // The mean's error is 1/50 and that of the standard deviation 1/70; 4.1 of them are 0.082 and 0.059.
    for fit in [(0.0, 1.0), (0.09, 1.0), (0.0, 1.04), (0.0, 0.96), (-0.099, 0.96)] {
        assert_eq!(judged(fit).outcome, Outcome::Agrees, "{fit:?}");
    }
    assert_eq!(judged((0.11, 1.0)).differing, ["mean of z"]);
    assert_eq!(judged((0.0, 0.94)).differing, ["sd of z"]);
    assert_eq!(judged((f64::NAN, f64::NAN)).differing, ["mean of z", "sd of z"]);
    // Nothing varies.
    let fixed = verification(vec![("z", value(&[(2.0, 0.0)], &[(2.0, 0.0)]))], &[]);
    assert_eq!(fixed.outcome, Outcome::Agrees);
}
