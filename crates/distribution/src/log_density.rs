//! LogDensity(value).

use fe_graph::{Axis, Graph, NodeId};

use crate::family::{Family, Parameter};
use crate::support::Support;

/// A likelihood that the program writes out: its argument is log p of each datum, in nats.
#[derive(Debug)]
pub(crate) struct LogDensity;

impl Family for LogDensity {
    fn name(&self) -> &'static str {
        "LogDensity"
    }

    fn summary(&self) -> &'static str {
        "data of which log p is given in nats, normalised by whoever writes it"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["potential", "customdist", "densitydist", "factor"]
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] = &[Parameter::new("value", Support::Real)];
        ALL
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        None
    }

    fn is_of_data(&self) -> bool {
        true
    }

    fn is_written_out(&self) -> bool {
        true
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], _event: Option<Axis>) -> NodeId {
        let &[value] = args else { return g.constant(f64::NAN) };
        let axes = g.axes_of(x).to_vec();
        g.broadcast(value, &axes)
    }
}
