//! The Laplace start of a Gaussian Markov chain: the mode of its potential along the steps, with the curvature there.
//!
//! The Hessian is block tridiagonal (or banded, where terms reach further back), so a few products with directions that
//! are spread over distant steps give all its blocks. Eliminating from the last step backward turns it into the chain
//! u_t = A_t u_{t−1} + L_t ε_t: with S_t = H_tt − H_{t+1,t}ᵀ S_{t+1}⁻¹ H_{t+1,t}, A_t = −S_t⁻¹ H_{t,t−1} and
//! L_t L_tᵀ = S_t⁻¹.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use fe_graph::noise::philox;
use fe_graph::{Axis, ExecutionError, InputId, Tensor};
use fe_objective::Chain;

use crate::lbfgs;
use crate::markov::{ChainShape, Markov};
use crate::potential::{DRAWS, Potential, PotentialNodes};
use crate::problem::{Problem, Values, to_sorted};

/// Probes by random signs, where the scalars of a step are fitted as chains of their own and may yet depend on each
/// other.
const SIGNS: u32 = 4;

/// Iterations of the search for a mode.
const ITERATIONS: usize = 300;

/// A start of a chain guide: the states it starts at, and the chain of its deviations.
#[derive(Clone, Debug)]
pub(crate) struct ChainStart {
    location: Vec<f64>,
    map: Markov,
    /// Its origin, in words.
    pub from: &'static str,
}

impl ChainStart {
    /// The prior's medians, with unit scale.
    pub fn median(problem: &Problem, chain: &Chain) -> Self {
        let shape = ChainShape::of(problem, chain);
        let step: Vec<f64> = chain.blocks.iter().flat_map(|b| std::iter::repeat_n(b.median, b.length)).collect();
        let location = std::iter::repeat_n(step, shape.steps).flatten().collect();
        Self { location, map: Markov::unit(shape), from: "the prior's median, unit scale" }
    }

    /// Puts it among the inputs of the objective.
    pub fn feed(&self, problem: &Problem, chain: &Chain, extra: &mut HashMap<InputId, Arc<Tensor>>) {
        let g = &problem.objective.graph;
        let whitening = self.map.whitening().unwrap_or_else(|| Markov::unit(self.map.shape).scale);
        let mut put = |input: InputId, axes: &[Axis], values: &[f64]| {
            let sorted = fe_graph::axis::sorted(axes);
            let shape = sorted.iter().map(|a| g.extent_of(a.id)).collect();
            let values = to_sorted(g, axes, values.to_vec());
            extra.insert(input, Arc::new(Tensor { shape, values }));
        };
        put(chain.start, &chain.axes, &self.location);
        put(chain.transition, &chain.square, &self.map.transition);
        put(chain.scale, &chain.square, &self.map.scale);
        put(chain.whitening, &chain.square, &whitening);
    }
}

/// The candidate starts of a chain, best guess last; other Gaussian guides stand where `fitted` has them.
///
/// # Errors
/// When a run fails.
pub(crate) fn candidates(
    problem: &Problem,
    chain: &Chain,
    values: &Values,
    fitted: &HashMap<InputId, Arc<Tensor>>,
) -> Result<Vec<ChainStart>, ExecutionError> {
    let shape = ChainShape::of(problem, chain);
    let first = ChainStart::median(problem, chain);
    let median = first.location.clone();
    let start =
        |location: &[f64], map: &Markov, from| ChainStart { location: location.to_vec(), map: map.clone(), from };
    let mut list = vec![first];
    let l = &chain.landscape;
    if !l.known {
        return Ok(list);
    }
    let nodes = PotentialNodes {
        axes: &chain.axes,
        point: l.point,
        direction: l.direction,
        value: l.potential,
        gradient: l.gradient,
        product: l.product,
    };
    let samples = if l.alone { 1 } else { DRAWS };
    let potential = Potential::new(problem, nodes, values, fitted, samples)?;
    let mut hessian = BandedHessian { chain, shape, potential };
    let Some(at_median) = hessian.chain(&median)? else { return Ok(list) };
    list.push(start(&median, &at_median, "the prior's median and the curvature there"));
    if let Some(mode) = hessian.mode(&median, &at_median)?
        && let Some(map) = hessian.chain(&mode)?
    {
        list.push(start(&mode, &map, "the mode found from the prior's median, and the curvature there"));
    }
    Ok(list)
}

/// The potential of a chain, whose Hessian is taken band by band.
struct BandedHessian<'a> {
    chain: &'a Chain,
    shape: ChainShape,
    potential: Potential<'a>,
}

/// The blocks of a Hessian, each row-major over (step, chain, row, column).
struct Bands {
    diagonal: Vec<f64>,
    /// The block of each step and the one before it.
    below: Vec<f64>,
}

/// One product with the Hessian: the steps that are probed, and by which of their scalars.
#[derive(Clone, Copy)]
struct Probe {
    /// The first step, and how far apart the others are: so far that no two meet in one block.
    first: usize,
    apart: usize,
    column: usize,
    /// The number of its pattern of signs, and how many patterns there are.
    round: u32,
    rounds: u32,
}

impl Probe {
    /// The sign of a step and a chain: a fixed pattern, the same for every seed.
    fn sign(self, step: usize, chain: usize) -> f64 {
        if self.rounds == 1 {
            return 1.0;
        }
        let [bits, ..] = philox([step as u32, chain as u32, self.round, 0], [0, 0]);
        if bits & 1 == 0 { 1.0 } else { -1.0 }
    }

    /// The steps and chains that are probed.
    fn places(self, shape: ChainShape) -> impl Iterator<Item = (usize, usize)> {
        let steps = (self.first..shape.steps).step_by(self.apart);
        steps.flat_map(move |step| (0..shape.chains).map(move |chain| (step, chain)))
    }

    fn direction(self, shape: ChainShape) -> Vec<f64> {
        let mut direction = vec![0.0; shape.steps * shape.width()];
        for (step, chain) in self.places(shape) {
            if let Some(v) = direction.get_mut(step * shape.width() + chain * shape.size + self.column) {
                *v = self.sign(step, chain);
            }
        }
        direction
    }
}

impl Bands {
    fn new(shape: ChainShape) -> Self {
        Self { diagonal: vec![0.0; shape.blocks()], below: vec![0.0; shape.blocks()] }
    }

    /// Adds the columns that a product with the Hessian tells.
    fn add(&mut self, shape: ChainShape, probe: Probe, product: &[f64]) {
        let ChainShape { chains, size, .. } = shape;
        for (step, chain) in probe.places(shape) {
            let weight = probe.sign(step, chain) / f64::from(probe.rounds);
            for row in 0..size {
                let place = ((step * chains + chain) * size + row) * size + probe.column;
                let take = |at: usize| product.get(at * shape.width() + chain * size + row).copied().unwrap_or(0.0);
                if let Some(slot) = self.diagonal.get_mut(place) {
                    *slot += weight * take(step);
                }
                if let Some(slot) = self.below.get_mut(place + chains * size * size) {
                    *slot += weight * take(step + 1);
                }
            }
        }
    }
}

impl BandedHessian<'_> {
    /// The mode, searched in the coordinates of a chain that has the curvature at the start. `None` where it is not
    /// finite.
    fn mode(&mut self, start: &[f64], map: &Markov) -> Result<Option<Vec<f64>>, ExecutionError> {
        let options = lbfgs::Options { iterations: ITERATIONS, memory: 20, ..lbfgs::Options::default() };
        let moved = |x: &[f64]| -> Vec<f64> { map.states(x).iter().zip(start).map(|(a, b)| a + b).collect() };
        let outcome = lbfgs::minimize(
            |x| {
                let (value, gradient) = self.potential.at(&moved(x))?;
                Ok::<_, ExecutionError>((value, map.pull_back(&gradient)))
            },
            vec![0.0; start.len()],
            &options,
            |_| ControlFlow::Continue(()),
        )?;
        let mode = moved(&outcome.x);
        Ok((outcome.value.is_finite() && mode.iter().all(|v| v.is_finite())).then_some(mode))
    }

    /// The chain whose precision is the Hessian at a point.
    fn chain(&mut self, point: &[f64]) -> Result<Option<Markov>, ExecutionError> {
        let shape = self.shape;
        let mut bands = Bands::new(shape);
        let apart = (2 * self.chain.reach + 1).min(shape.steps);
        let rounds = if shape.chains > 1 { SIGNS } else { 1 };
        for first in 0..apart {
            for column in 0..shape.size {
                for round in 0..rounds {
                    let probe = Probe { first, apart, column, round, rounds };
                    let product = self.potential.times(point, &probe.direction(shape))?;
                    bands.add(shape, probe, &product);
                }
            }
        }
        Ok(Markov::from_precision(shape, &bands.diagonal, &bands.below))
    }
}
