//! Vectors of counts that are observed add up to the trials that their likelihood has: a density of counts does not look at that
//! again, and would be of another number of trials.

use std::collections::HashSet;
use std::sync::Arc;

use fe_check::{Observe, Program};
use fe_graph::{Axis, ExecutionError, Feed, InputId, NodeId, Op, Tensor};
use fe_syntax::Diagnostic;

use crate::data::Arrays;
use crate::error::Error;
use crate::executor;
use crate::options::Precision;

/// Totals are whole numbers, of which doubles hold those that are counted exactly.
const APART: f64 = 0.5;

/// Holds observed totals to stated trials, where both are known from data alone.
///
/// # Errors
/// The first total that is another number than the trials.
pub(crate) fn check(program: &Program, arrays: &Arrays) -> Result<(), Error> {
    let data: HashSet<InputId> = program.data.iter().map(|d| d.input).collect();
    let mut wrong = vec![];
    for observe in &program.observes {
        let of = &observe.distribution;
        let trials = of.family.total_argument().and_then(|k| of.own_args().get(k).copied());
        let (Some(trials), Some(event)) = (trials, of.event) else { continue };
        let reached = program.graph.reachable(&[trials, observe.value]);
        let known = |id: &NodeId| match program.graph.node(*id).op {
            Op::Input(input) => data.contains(&input),
            Op::Noise { .. } | Op::Arrivals { .. } => false,
            _ => true,
        };
        if reached.iter().all(known) {
            wrong.extend(mismatch(program, arrays, observe, (trials, event))?);
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::Data(wrong)) }
}

/// What is said of a total that differs, if one does.
fn mismatch(
    program: &Program,
    arrays: &Arrays,
    observe: &Observe,
    (trials, event): (NodeId, Axis),
) -> Result<Option<Diagnostic>, Error> {
    let mut g = program.graph.clone();
    let total = g.sum(observe.value, &[event]);
    let axes: Vec<Axis> = g.axes_of(total).to_vec();
    let trials = g.broadcast(trials, &axes);
    let executor = executor::open(None, Precision::F64, "cpu")?;
    let internal = |e: ExecutionError| Error::Internal(e.to_string());
    let mut compiled = executor.compile(&g, &[total, trials]).map_err(internal)?;
    let mut feed = Feed { inputs: arrays.tensors.clone(), ..Feed::default() };
    if let Some(row) = program.row {
        feed.extents.insert(row.axis, row.rows);
        feed.rows = Some((row.axis, Arc::new((0..row.rows as u64).collect())));
    }
    let found = compiled.run(&feed).map_err(internal)?;
    let [totals, trials] = found.as_slice() else { return Ok(None) };
    // A cell that is missing makes its total unknown.
    let differs = |(t, n): (&f64, &f64)| (t - n).abs() > APART;
    let Some(k) = totals.values.iter().zip(&trials.values).position(differs) else { return Ok(None) };
    let at = |t: &Tensor| t.values.get(k).copied().unwrap_or(f64::NAN);
    let message = format!(
        "`{}` adds up to {} at {}, and `{}` has {} trials there",
        observe.name,
        at(totals),
        place(program, &axes, &totals.shape, k),
        observe.distribution.family.name(),
        at(trials)
    );
    let help =
        format!("write the totals of the data for the trials, as in `sum({}, {})`", observe.name, g.axis_name(event));
    Ok(Some(Diagnostic::error("D0034", message, observe.span, "of so many trials").help(help)))
}

/// The place of an element along some axes.
fn place(program: &Program, axes: &[Axis], shape: &[usize], element: usize) -> String {
    let (mut rest, mut parts) = (element, vec![]);
    for (axis, extent) in axes.iter().zip(shape).rev() {
        parts.push(format!("{} = {}", program.graph.axis_name(*axis), rest % extent.max(&1)));
        rest /= extent.max(&1);
    }
    parts.reverse();
    if parts.is_empty() { "its only value".into() } else { parts.join(", ") }
}
