//! The plan of a training step, as `fe explain --plan` shows it.

use fe_graph::plan::{Conditions, Plan};
use fe_graph::{Axis, AxisId};
use fe_objective::Objective;

use crate::method::Method;
use crate::saa;
use crate::sizes::Sizes;

/// The length of every axis in a pass of so many draws and rows.
pub(crate) fn extents(o: &Objective, draws: usize, rows: usize) -> Vec<usize> {
    let mut extents: Vec<usize> = o.graph.axes().iter().map(|a| a.extent).collect();
    let mut set = |axis: AxisId, extent: usize| {
        if let Some(slot) = extents.get_mut(axis.0 as usize) {
            *slot = extent;
        }
    };
    set(AxisId::SAMPLE, draws);
    if let Some(row) = o.row {
        set(row.axis, rows);
    }
    extents
}

/// The plan of a step of a fit on so many rows: the objective and its gradient, by the planned executor.
pub fn plan(o: &Objective, method: &Method, rows: usize) -> Plan {
    let (samples, batch) = match method {
        // A few at a time, where many would be large.
        Method::Lbfgs { draws: 0, .. } => (1, rows),
        Method::Lbfgs { draws, .. } => (saa::draws_of_pass(Sizes { o, rows: rows.max(1) }, *draws), rows),
        Method::Steps(s) => (s.samples, s.batch),
    };
    let row = o.row.map(|r| Axis::plain(r.axis));
    let changes = |input: &fe_graph::InputId| {
        *input == o.minimised.temperature
            || o.minimised.controls.iter().any(|c| c.0 == *input)
            || o.parameters.iter().any(|p| p.input == *input)
            || batch < rows && o.graph.input_info(*input).is_some_and(|i| i.axes.iter().any(|a| Some(*a) == row))
    };
    let all = (0..o.graph.inputs().len()).filter_map(|k| u32::try_from(k).ok().map(fe_graph::InputId));
    let drawn = match method {
        Method::Lbfgs { .. } => crate::qmc::noise_sites(o).iter().map(|s| s.site).collect(),
        Method::Steps(_) => std::collections::HashSet::new(),
    };
    let conditions = Conditions {
        extents: extents(o, samples, batch),
        rows: row,
        drawn,
        steady: all.filter(|i| !changes(i)).collect(),
        steady_draws: true,
        whole: o.minimised.gradient.iter().copied().collect(),
        ..Conditions::default()
    };
    let outputs: Vec<_> = std::iter::once(o.minimised.value).chain(o.minimised.gradient.iter().copied()).collect();
    Plan::new(&o.graph, &outputs, &conditions)
}
