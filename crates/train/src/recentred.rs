//! A Gaussian guide made the start of its own fit: u⁰ ← u⁰ + C m, C ← C L, m ← 0, L ← I. The guide is the same, and in these
//! coordinates the free energy of a posterior that it fits is nearly ½ m² + ½ ‖L‖² − log |L|: round, whatever the posterior's
//! scales and correlations, so that a few steps lead from the minimum with some draws to that with others.

use std::collections::HashMap;
use std::sync::Arc;

use fe_check::JointKind;
use fe_graph::{InputId, Tensor};

use fe_objective::Joint;

use crate::problem::{Problem, Values};

/// The name of what holds L of a guide that this is known of: a mean-field or a full-rank Gaussian.
fn spread(joint: &Joint) -> Option<&'static str> {
    match joint.kind {
        JointKind::FullRank => Some("scale"),
        JointKind::MeanField => Some("log_scale"),
        JointKind::LowRank { .. } | JointKind::Flow { .. } | JointKind::Laplace => None,
    }
}

/// Whether all parameters are those of such guides.
pub(crate) fn suits(problem: &Problem) -> bool {
    let o = problem.objective;
    o.parameters.len() == 2 * o.guides.joints.len() && o.guides.joints.iter().all(|j| spread(j).is_some())
}

/// The values after that, with the inputs of guides changed to what they then are. `None`, and nothing changed, where a guide is
/// of another kind.
pub(crate) fn recentred(
    problem: &Problem,
    values: &Values,
    extra: &mut HashMap<InputId, Arc<Tensor>>,
) -> Option<Values> {
    let o = problem.objective;
    let mut found = HashMap::new();
    for joint in &o.guides.joints {
        let own = |name: &str| {
            let whole = format!("{}.{name}", joint.name);
            o.parameters.iter().position(|p| p.name == whole).and_then(|k| values.get(k))
        };
        let (start, scale) = (extra.get(&joint.start)?, extra.get(&joint.preconditioner)?);
        let (location, factor) = moved(joint, (&start.values, &scale.values), (own("mean")?, own(spread(joint)?)?));
        found.insert(joint.start, Arc::new(Tensor { shape: start.shape.clone(), values: location }));
        found.insert(joint.preconditioner, Arc::new(Tensor { shape: scale.shape.clone(), values: factor }));
    }
    extra.extend(found);
    Some(values.iter().map(|v| vec![0.0; v.len()]).collect())
}

/// u⁰ + C m and C L, with C a lower triangle or a diagonal and L as the guide's parameters say it.
fn moved(joint: &Joint, (start, scale): (&[f64], &[f64]), (mean, spread): (&[f64], &[f64])) -> (Vec<f64>, Vec<f64>) {
    let d = joint.dimension;
    if joint.is_diagonal() {
        let location = start.iter().zip(scale).zip(mean).map(|((u, c), m)| u + c * m).collect();
        return (location, scale.iter().zip(spread).map(|(c, l)| c * l.exp()).collect());
    }
    // L: the strict lower triangle as it is, the diagonal through exp.
    let lower = |k: usize, j: usize| {
        let raw = spread.get(k * d + j).copied().unwrap_or(0.0);
        if k == j { raw.exp() } else { raw }
    };
    let (mut location, mut factor) = (start.to_vec(), vec![0.0; d * d]);
    for (i, row) in scale.chunks(d.max(1)).enumerate() {
        let along = row.iter().take(i + 1).zip(mean).map(|(c, m)| c * m).sum::<f64>();
        location.iter_mut().skip(i).take(1).for_each(|u| *u += along);
        for (j, out) in factor.iter_mut().skip(i * d).take(i + 1).enumerate() {
            *out = row.iter().enumerate().take(i + 1).skip(j).map(|(k, c)| c * lower(k, j)).sum();
        }
    }
    (location, factor)
}
