//! Draws on the host: of likelihoods given draws of the guide, and of a whole program from its priors.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use fe_check::{Latent, Program};
use fe_distribution::Distribution;
use fe_graph::noise::{Element, Stream};
use fe_graph::{Axis, AxisId, ExecutionError, Executor, Feed, Graph, InputId, NodeId, Op, Tensor};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::bijector::Bijector;
use crate::drawing::{draw, stride};
use crate::problem::{Problem, Setting, Values};
use crate::sampled::Drawn;
use crate::streams::{Outside, Purpose};

/// The most numbers drawn at a time.
const MOST: usize = 100_000_000;

/// The reason for which nothing could be drawn.
#[derive(Debug, thiserror::Error)]
pub enum PredictiveError {
    /// A run failed.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// A distribution has no draws, or not with these arguments.
    #[error("`{name}` cannot be drawn from {family}: {why}")]
    Undrawable {
        /// The variable that was to be drawn.
        name: String,
        /// Its family.
        family: &'static str,
        /// The reason.
        why: String,
    },
    /// Too many numbers.
    #[error("{0} draws of `{1}` are more than {MOST} numbers; ask for fewer")]
    TooMany(usize, String),
}

/// A generator of its own for each name, so that what is drawn of one does not follow what else is drawn.
fn generator(seed: u64, of: Outside) -> ChaCha8Rng {
    let mut stream = Stream::new(of.key(seed, Purpose::Predictive.step(0)), Element { row: 0, rest: 0 });
    let mut bytes = [0u8; 32];
    for chunk in bytes.chunks_exact_mut(4) {
        let word = (stream.uniform() * f64::from(u32::MAX)) as u32;
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    let mut rng = ChaCha8Rng::from_seed(bytes);
    let _ = rng.next_u32();
    rng
}

fn named(g: &Graph, name: &str, axes: &[Axis], count: usize, tensor: Tensor) -> Drawn {
    let sorted = fe_graph::axis::sorted(axes);
    let place = |a: &Axis| sorted.iter().position(|s| s == a).map(|k| k + 1);
    let order: Vec<usize> = std::iter::once(0).chain(axes.iter().filter_map(place)).collect();
    let tensor = tensor.permuted(&order).unwrap_or(tensor);
    debug_assert_eq!(tensor.shape.first(), Some(&count));
    Drawn {
        name: name.to_owned(),
        axes: axes.iter().map(|&a| g.axis_name(a)).collect(),
        shape: tensor.shape.iter().skip(1).copied().collect(),
        values: tensor.values,
    }
}

/// New data for each of so many draws of the fitted guide.
///
/// # Errors
/// Where a likelihood cannot be drawn from.
pub fn posterior_predictive(
    problem: &Problem,
    values: &Values,
    extra: &HashMap<InputId, Arc<Tensor>>,
    count: usize,
) -> Result<Vec<Drawn>, PredictiveError> {
    let o = problem.objective;
    let rows = Arc::new((0..o.row.map_or(0, |r| r.rows) as u64).collect::<Vec<_>>());
    let mut list = vec![];
    for predicted in &o.report.predictive {
        let axes = fe_graph::axis::union(&[Axis::SAMPLE], &fe_graph::axis::sorted(&predicted.axes));
        let extent = |a: Axis| if a == Axis::SAMPLE { count } else { o.graph.extent_of(a.id) };
        if axes.iter().map(|&a| extent(a)).fold(1usize, usize::saturating_mul) > MOST {
            return Err(PredictiveError::TooMany(count, predicted.name.clone()));
        }
        let mut compiled = problem.compile(&predicted.distribution.args)?;
        let setting = Setting { extra: extra.clone(), ..Setting::reporting(Purpose::Predictive.step(0), count) };
        let found = compiled.run(&problem.feed(values, &rows, &setting))?;
        let args: Vec<(Vec<Axis>, &Tensor)> =
            predicted.distribution.args.iter().map(|&n| o.graph.axes_of(n).to_vec()).zip(&found).collect();
        let mut rng = generator(problem.seed, Outside::Predictive(&predicted.name));
        let drawn = draw(&predicted.name, &predicted.distribution, &args, &axes, &extent, &mut rng)?;
        let tensor = Tensor { shape: axes.iter().map(|&a| extent(a)).collect(), values: drawn };
        list.push(named(&o.graph, &predicted.name, &predicted.axes, count, tensor));
    }
    Ok(list)
}

/// The draws of a prior predictive run.
#[derive(Debug, Default)]
pub struct Prior {
    /// Draws of the latents from their priors.
    pub latents: Vec<Drawn>,
    /// And of the data given them.
    pub predictive: Vec<Drawn>,
}

/// A program's own graph with every latent as an input that has draws.
struct Simulation<'a> {
    program: &'a Program,
    g: Graph,
    executor: &'a dyn Executor,
    feed: Feed,
    /// The input that stands for each latent.
    inputs: Vec<(InputId, NodeId)>,
    replaced: HashMap<NodeId, NodeId>,
    count: usize,
    seed: u64,
}

/// Latents and data from the program's priors; its parameters are as `data` gives them, on the unconstrained scale, and
/// else at their start. Data of which only the log density is given are left out.
///
/// # Errors
/// Where a distribution cannot be drawn from, as `Flat` cannot.
pub fn prior_predictive(
    program: &Program,
    executor: &dyn Executor,
    data: &HashMap<InputId, Arc<Tensor>>,
    seed: u64,
    count: usize,
) -> Result<Prior, PredictiveError> {
    let mut g = program.graph.clone();
    let mut feed = Feed { inputs: data.clone(), seed, step: Purpose::Predictive.step(0), ..Feed::default() };
    feed.extents.insert(AxisId::SAMPLE, count);
    for param in program.params.iter().filter(|p| !data.contains_key(&p.input)) {
        let shape = fe_graph::axis::sorted(&param.free).iter().map(|a| g.extent_of(a.id)).collect();
        let bijector = Bijector { support: param.support, axes: &param.axes, free: &param.free };
        let values = bijector.start(&g, &param.init, &param.name, seed, 0);
        feed.inputs.insert(param.input, Arc::new(Tensor { shape, values }));
    }
    let (mut inputs, mut replaced) = (vec![], HashMap::new());
    if let Some((_, training)) = program.training {
        replaced.insert(training, g.constant(0.0));
    }
    for latent in &program.latents {
        let axes = fe_graph::axis::union(&[Axis::SAMPLE], &fe_graph::axis::sorted(&latent.axes));
        let (input, node) = g.input(&latent.name, &axes);
        inputs.push((input, node));
        replaced.insert(latent.node, node);
    }
    let mut s = Simulation { program, g, executor, feed, inputs, replaced, count, seed };
    s.latents()?;
    let mut prior = Prior::default();
    for (latent, (input, _)) in program.latents.iter().zip(&s.inputs) {
        if let Some(tensor) = s.feed.inputs.get(input) {
            prior.latents.push(named(&s.g, &latent.name, &latent.axes, count, tensor.as_ref().clone()));
        }
    }
    for observe in program.observes.iter().filter(|o| !o.distribution.family.is_written_out()) {
        let mut rng = generator(seed, Outside::PriorPredictive(&observe.name));
        let tensor = s.drawn(&observe.name, &observe.distribution, &observe.axes, &mut rng)?;
        prior.predictive.push(named(&s.g, &observe.name, &observe.axes, count, tensor));
    }
    Ok(prior)
}

impl Simulation<'_> {
    fn extent(&self, a: Axis) -> usize {
        if a == Axis::SAMPLE { self.count } else { self.g.extent_of(a.id) }
    }

    /// Draws over the declared axes, given what is fed by now.
    fn drawn(
        &mut self,
        name: &str,
        d: &Distribution,
        declared: &[Axis],
        rng: &mut ChaCha8Rng,
    ) -> Result<Tensor, PredictiveError> {
        let d = Distribution { args: self.g.substitute(&d.args, &self.replaced), ..d.clone() };
        let axes = fe_graph::axis::union(&[Axis::SAMPLE], &fe_graph::axis::sorted(declared));
        let shape: Vec<usize> = axes.iter().map(|&a| self.extent(a)).collect();
        if shape.iter().copied().fold(1usize, usize::saturating_mul) > MOST {
            return Err(PredictiveError::TooMany(self.count, name.to_owned()));
        }
        let found = self.executor.compile(&self.g, &d.args)?.run(&self.feed)?;
        let args: Vec<(Vec<Axis>, &Tensor)> = d.args.iter().map(|&n| self.g.axes_of(n).to_vec()).zip(&found).collect();
        let values = draw(name, &d, &args, &axes, &|a| self.extent(a), rng)?;
        Ok(Tensor { shape, values })
    }

    /// Every latent after those its prior reads; those of a chain, which read their past, a step at a time.
    fn latents(&mut self) -> Result<(), PredictiveError> {
        let program = self.program;
        let mut waiting: Vec<usize> = (0..program.latents.len()).collect();
        while !waiting.is_empty() {
            let open: HashSet<NodeId> =
                waiting.iter().filter_map(|&k| program.latents.get(k)).map(|l| l.node).collect();
            let free = |k: &usize| {
                program
                    .latents
                    .get(*k)
                    .is_some_and(|l| !l.prior.args.iter().any(|&a| program.graph.depends_on(a, &open)))
            };
            if let Some(at) = waiting.iter().position(free) {
                let k = waiting.remove(at);
                let Some(latent) = program.latents.get(k) else { continue };
                let mut rng = generator(self.seed, Outside::Prior(&latent.name));
                let tensor = self.drawn(&latent.name, &latent.prior, &latent.axes, &mut rng)?;
                self.put(k, tensor);
                continue;
            }
            // Those that wait for their own past go together, the ones that wait for them after.
            let chain: Vec<usize> = waiting.iter().copied().filter(|&k| self.lags(k, &open)).collect();
            let chain = if chain.is_empty() { waiting.clone() } else { chain };
            self.chain(&chain)?;
            waiting.retain(|k| !chain.contains(k));
        }
        Ok(())
    }

    fn put(&mut self, k: usize, tensor: Tensor) {
        if let Some(&(input, _)) = self.inputs.get(k) {
            self.feed.inputs.insert(input, Arc::new(tensor));
        }
    }

    /// The axis along which a latent's prior, or one it waits for, reads an earlier step.
    fn lags(&self, k: usize, open: &HashSet<NodeId>) -> bool {
        self.program.latents.get(k).is_some_and(|l| self.steps(l).is_some() && open.contains(&l.node))
    }

    fn steps(&self, latent: &Latent) -> Option<Axis> {
        let nodes: HashSet<NodeId> = self.program.latents.iter().map(|l| l.node).collect();
        let g = &self.program.graph;
        g.reachable(&latent.prior.args).into_iter().find_map(|n| match (&g.node(n).op, g.node(n).inputs.as_slice()) {
            (Op::Gather { axis }, &[x, _]) if nodes.contains(&x) && latent.axes.contains(axis) => Some(*axis),
            _ => None,
        })
    }

    /// Latents that read one another's past: at each step their priors are worked out from the steps before.
    fn chain(&mut self, members: &[usize]) -> Result<(), PredictiveError> {
        let program = self.program;
        let latents: Vec<(usize, &Latent)> =
            members.iter().filter_map(|&k| program.latents.get(k).map(|l| (k, l))).collect();
        let Some(axis) = latents.iter().find_map(|(_, l)| self.steps(l)) else { return Ok(()) };
        let length = self.extent(axis);
        for &(k, latent) in &latents {
            let axes = fe_graph::axis::union(&[Axis::SAMPLE], &fe_graph::axis::sorted(&latent.axes));
            let shape: Vec<usize> = axes.iter().map(|&a| self.extent(a)).collect();
            let values = vec![0.0; shape.iter().product()];
            self.put(k, Tensor { shape, values });
        }
        for step in 0..length {
            for &(k, latent) in &latents {
                let mut rng = generator(self.seed, Outside::PriorStep(&latent.name, step));
                let fresh = self.drawn(&latent.name, &latent.prior, &latent.axes, &mut rng)?;
                let axes = fe_graph::axis::union(&[Axis::SAMPLE], &fe_graph::axis::sorted(&latent.axes));
                let along = stride(&axes, &|a| self.extent(a), axis);
                let Some((input, _)) = self.inputs.get(k).copied() else { continue };
                let Some(before) = self.feed.inputs.get(&input) else { continue };
                let mut tensor = before.as_ref().clone();
                for (at, (slot, v)) in tensor.values.iter_mut().zip(fresh.values).enumerate() {
                    if along == 0 || (at / along) % length == step {
                        *slot = v;
                    }
                }
                self.put(k, tensor);
            }
        }
        Ok(())
    }
}
