//! By what the points of a curve were weighed: what its certificate compares.

use fe_check::{Functional, ObjectiveSpec};
use fe_report::{Document, TermKind, Weighed};

/// How well the multiplier of a bound is known: to the tolerance at which the bound counts as met.
const MULTIPLIER: f64 = 0.02;

/// What differs between the objectives of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Varying {
    /// The weight of one summand.
    Weight(usize),
    /// The limit of one bound: its multiplier is the weight that the optimum would have had.
    Limit(usize),
}

/// The one thing that differs between these objectives, or why there is none.
pub fn varying(objectives: &[&ObjectiveSpec]) -> Result<Varying, String> {
    let Some((first, others)) = objectives.split_first() else { return Err("there are no fits".into()) };
    if first.importance.is_some() {
        return Err("a bound from importance weights is no sum of distortion and rate".into());
    }
    let differing = |differs: &dyn Fn(usize, &ObjectiveSpec) -> bool, count: usize| -> Vec<usize> {
        (0..count).filter(|&k| others.iter().any(|o| differs(k, o))).collect()
    };
    let weight = |o: &ObjectiveSpec, k: usize| o.terms.get(k).map(|t| t.0.at(1.0));
    let limit = |o: &ObjectiveSpec, k: usize| o.bounds.get(k).map(|b| b.limit);
    let weights = differing(&|k, o| weight(o, k) != weight(first, k), first.terms.len());
    let limits = differing(&|k, o| limit(o, k) != limit(first, k), first.bounds.len());
    match (weights.as_slice(), limits.as_slice(), first.bounds.len()) {
        (&[one], [], 0) => Ok(Varying::Weight(one)),
        ([], &[one], 1) => Ok(Varying::Limit(one)),
        ([], [], _) => Err("what was swept is no weight of the objective, and no limit of a bound".into()),
        _ => Err("more than one weight or bound differs along a curve".into()),
    }
}

/// What is compared, in words: `−Δ(the rest)/Δ(rate)`.
pub fn words(o: &ObjectiveSpec, varying: Varying) -> String {
    let of = match varying {
        Varying::Weight(k) => o.terms.get(k).map(|t| name(&t.1)).unwrap_or_default(),
        Varying::Limit(k) => o.bounds.get(k).map(|b| b.text.clone()).unwrap_or_default(),
    };
    let of = of.split("<=").next().map(str::trim).unwrap_or_default().to_owned();
    let skipped = |k: usize| varying == Varying::Weight(k);
    let rest: Vec<String> = o.terms.iter().enumerate().filter(|(k, _)| !skipped(*k)).map(|(_, t)| name(&t.1)).collect();
    match rest.as_slice() {
        [one] => format!("−Δ{one}/Δ{of}"),
        rest => format!("−Δ({})/Δ{of}", rest.join(" + ")),
    }
}

fn name(f: &Functional) -> String {
    let (what, of) = match f {
        Functional::Distortion(of) => ("distortion", of),
        Functional::Rate(of) => ("rate", of),
        Functional::Energy(of) => ("energy", of),
        Functional::Information(one, other) => return format!("information({one}, {other})"),
    };
    of.as_ref().map_or_else(|| what.to_owned(), |n| format!("{what}({n})"))
}

/// A point of a curve, from what was reported of its fit.
pub fn weighed(at: f64, o: &ObjectiveSpec, document: &Document, varying: Varying) -> Option<Weighed> {
    let se = |weight: f64| {
        let of_terms: f64 = document.terms.iter().filter_map(|t| t.se).map(|se| se * se).sum();
        of_terms.sqrt() * weight.abs().max(1.0)
    };
    match varying {
        Varying::Weight(k) => {
            let (weight, functional) = o.terms.get(k)?;
            let weight = weight.at(1.0);
            let of = value(functional, document)?;
            let rest = document.objective_value - weight * of;
            Some(Weighed { at, weight, of, rest, se: se(weight), weight_error: 0.0 })
        }
        Varying::Limit(k) => {
            let bound = document.constraints.get(k)?;
            let (weight, of) = (bound.multiplier, bound.value);
            Some(Weighed { at, weight, of, rest: document.objective_value, se: se(weight), weight_error: MULTIPLIER })
        }
    }
}

fn value(f: &Functional, d: &Document) -> Option<f64> {
    let term = |name: &str, rate: bool| {
        let mut of = d.terms.iter().filter(|t| t.name == name && rate == (t.kind != TermKind::Distortion));
        of.next().map(|t| t.nats)
    };
    match f {
        Functional::Distortion(None) => Some(d.account.distortion),
        Functional::Distortion(Some(n)) => term(n, false),
        Functional::Rate(None) => Some(d.account.rate),
        Functional::Rate(Some(n)) => term(n, true),
        Functional::Energy(None) => d.account.energy,
        Functional::Energy(Some(n)) => d.latents.get(n)?.energy,
        // What it was is not reported apart from the objective.
        Functional::Information(..) => None,
    }
}
