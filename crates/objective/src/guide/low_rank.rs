//! A Gaussian whose covariance is diagonal plus one of low rank: u = u⁰ + C(m + Vη + Dε), C and D diagonal, V of few
//! columns, η ~ N(0, I) and ε ~ N(0, I). No matrix over all its dimensions is ever made.

use fe_check::Init;
use fe_distribution::Support;
use fe_graph::{Axis, Graph, NodeId, Site, Tensor};

use crate::guide::builder::Builder;
use crate::guide::types::{Conditional, Frame, Vector, over_block};
use crate::objective::{Block, Parameter, Start};

/// The spread of the loadings at their start, over all factors: at 0 itself no factor would know where to go.
const START: f64 = 0.1;

/// V and η.
pub(crate) struct LowRank {
    /// Vη.
    pub spread: NodeId,
    /// W = D⁻¹V, over (dimension, factor).
    loadings: NodeId,
    /// η.
    factors: NodeId,
    axis: Axis,
    rank: usize,
}

impl LowRank {
    pub fn new(b: &mut Builder, frame: &Frame, rank: usize, scale: NodeId) -> Self {
        let (g, done) = (&mut *b.g, &mut b.done);
        let name = &frame.name;
        let axis = Axis::plain(g.add_axis(&format!("{name} factor"), rank));
        let axes = vec![frame.along, axis];
        let (input, loadings) = g.input(&format!("{name}.loadings"), &axes);
        done.parameters.push(Parameter {
            name: format!("{name}.loadings"),
            input,
            free: axes.clone(),
            axes,
            support: Support::Real,
            start: Start::Declared(Init::Normal { mean: 0.0, sd: START / (rank as f64).sqrt() }),
            local: false,
        });
        let (_, factors) = g.input(&format!("{name}.factors"), &[axis]);
        done.vectors.push(Vector { node: factors, site: Site::named(&format!("{name}.factors")), axes: vec![axis] });
        let spread = g.contract(loadings, factors, &[axis]);
        let loadings = g.div(loadings, scale);
        Self { spread, loadings, factors, axis, rank }
    }

    /// Each block given those before it. With W and y = Wη + ε those rows that belong to the first blocks, S = I + WᵀW and
    /// a = Wᵀy, their covariance has the determinant |C D|² |S| (matrix determinant lemma), and the standardised residual the
    /// squared length yᵀy − aᵀS⁻¹a (Woodbury). What the last block adds to either is its own share.
    pub fn conditionals(
        &self,
        g: &mut Graph,
        frame: &Frame,
        blocks: &[Block],
        noise: NodeId,
        log_scale: NodeId,
    ) -> Vec<Conditional> {
        let (along, row, column) = (frame.along, self.axis, self.axis.primed());
        let shared = g.contract(self.loadings, self.factors, &[self.axis]);
        let y = g.add(shared, noise);
        let square = g.square(y);
        let mut unit = vec![0.0; self.rank * self.rank];
        unit.iter_mut().step_by(self.rank + 1).for_each(|v| *v = 1.0);
        let mut s = g.literal(Tensor { shape: vec![self.rank, self.rank], values: unit }, &[row, column]);
        let zero = g.constant(0.0);
        let (mut a, mut explained, mut log_det) = (zero, zero, zero);
        let mut list = vec![];
        for block in blocks {
            let part = Axis::plain(g.add_axis(&format!("{} elements", block.name), block.length));
            let w = g.slice(self.loadings, along, block.start, part);
            let own = g.slice(y, along, block.start, part);
            let turned = g.rename(w, &[(row, column)]);
            let gram = g.contract(w, turned, &[part]);
            s = g.add(s, gram);
            let more = g.contract(w, own, &[part]);
            a = g.add(a, more);
            let lower = g.cholesky(s, row, column);
            let inverse = g.triangular_inverse(lower, row, column);
            let across = g.rename(a, &[(row, column)]);
            let solved = g.contract(inverse, across, &[column]);
            let solved = g.square(solved);
            let explained_now = g.sum(solved, &[row]);
            let diagonal = g.diagonal(lower, row, column);
            let logs = g.log(diagonal);
            let log_det_now = g.sum(logs, &[row]);
            let (gained, grown) = (g.sub(explained_now, explained), g.sub(log_det_now, log_det));
            let (length, scale) = (over_block(g, frame, block, square), over_block(g, frame, block, log_scale));
            list.push(Conditional { square: g.sub(length, gained), log_scale: g.add(scale, grown) });
            (explained, log_det) = (explained_now, log_det_now);
        }
        list
    }
}
