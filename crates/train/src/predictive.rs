//! Draws on the host: of likelihoods given draws of the guide, and of a whole program from its priors.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use fe_check::{Latent, Program};
use fe_distribution::{Distribution, Statistic};
use fe_graph::noise::{Element, Stream};
use fe_graph::{Axis, AxisId, ExecutionError, Executor, Feed, Graph, InputId, NodeId, Op, Tensor};
use fe_objective::{Readout, ReadoutOf, WithStatistics};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::bijector::Bijector;
use crate::drawing::{draw, stride};
use crate::problem::{Problem, Setting, Values, from_sorted};
use crate::reading::Reading;
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

/// New data for each of so many draws: of the posterior, where these are given and all that a likelihood reads is among them,
/// else of the fitted guide.
///
/// # Errors
/// Where a likelihood cannot be drawn from.
pub fn posterior_predictive(
    problem: &Problem,
    (values, extra): (&Values, &HashMap<InputId, Arc<Tensor>>),
    posterior: Option<(usize, &[Drawn])>,
    count: usize,
) -> Result<NewData, PredictiveError> {
    let o = problem.objective;
    let rows = Arc::new((0..o.row.map_or(0, |r| r.rows) as u64).collect::<Vec<_>>());
    let given = posterior.and_then(|(all, draws)| Given::of(problem, (all, draws), count));
    let mut extra = extra.clone();
    extra.extend(given.iter().flat_map(|g| g.inputs.clone()));
    let setting = Setting { extra, ..Setting::reporting(Purpose::Predictive.step(0), count) };
    let mut drawn = vec![];
    for (k, predicted) in o.report.predictive.iter().enumerate() {
        let axes = fe_graph::axis::union(&[Axis::SAMPLE], &fe_graph::axis::sorted(&predicted.axes));
        let extent = |a: Axis| if a == Axis::SAMPLE { count } else { o.graph.extent_of(a.id) };
        if axes.iter().map(|&a| extent(a)).fold(1usize, usize::saturating_mul) > MOST {
            return Err(PredictiveError::TooMany(count, predicted.name.clone()));
        }
        let guided = || (&o.graph, predicted.distribution.args.as_slice());
        let (graph, nodes) =
            given.as_ref().and_then(|g| Some((&g.graph, g.args.get(k)?.as_slice()))).unwrap_or_else(guided);
        let mut compiled = problem.executor.compile(graph, nodes)?;
        let found = compiled.run(&problem.feed(values, &rows, &setting))?;
        let args: Vec<(Vec<Axis>, &Tensor)> = nodes.iter().map(|&n| graph.axes_of(n).to_vec()).zip(&found).collect();
        let mut rng = generator(problem.seed, Outside::Predictive(&predicted.name));
        let numbers = draw(&predicted.name, &predicted.distribution, &args, &axes, &extent, &mut rng)?;
        let tensor = Tensor { shape: axes.iter().map(|&a| extent(a)).collect(), values: numbers };
        drawn.push(named(&o.graph, &predicted.name, &predicted.axes, count, tensor));
    }
    Ok(NewData { drawn, of_posterior: given.is_some() })
}

/// Data drawn anew.
#[derive(Clone, Debug, PartialEq)]
pub struct NewData {
    /// What is observed, at each draw.
    pub drawn: Vec<Drawn>,
    /// Whether the draws behind it are those of the posterior that were given, evenly spread; else they are the guide's.
    pub of_posterior: bool,
}

/// The likelihoods of an objective as they follow from draws of the posterior.
struct Given {
    /// The objective's graph, with inputs for these draws.
    graph: Graph,
    /// The arguments of each likelihood.
    args: Vec<Vec<NodeId>>,
    inputs: HashMap<InputId, Arc<Tensor>>,
}

impl Given {
    /// `count` of `all` draws. `None` where the likelihoods read what is not among them, or where they are of fewer rows.
    fn of(problem: &Problem, (all, draws): (usize, &[Drawn]), count: usize) -> Option<Self> {
        let o = problem.objective;
        let mut graph = o.graph.clone();
        let (mut inputs, mut replaced) = (HashMap::new(), HashMap::new());
        for drawn in draws {
            let reported = o.report.posterior.iter().find(|r| r.name == drawn.name)?;
            let sorted = fe_graph::axis::sorted(&reported.axes);
            let width: usize = sorted.iter().map(|a| graph.extent_of(a.id)).product();
            if all == 0 || drawn.values.len() != all * width {
                return None;
            }
            let some = (0..count).flat_map(|k| drawn.values.iter().skip(k * all / count.max(1) * width).take(width));
            let shape = std::iter::once(count).chain(reported.axes.iter().map(|a| graph.extent_of(a.id))).collect();
            let tensor = Tensor { shape, values: some.copied().collect() };
            let place = |a: &Axis| reported.axes.iter().position(|r| r == a).map(|k| k + 1);
            let order: Vec<usize> = std::iter::once(0).chain(sorted.iter().filter_map(place)).collect();
            let (input, node) = graph.input(&drawn.name, &fe_graph::axis::union(&[Axis::SAMPLE], &sorted));
            inputs.insert(input, Arc::new(tensor.permuted(&order)?));
            replaced.insert(reported.node, node);
        }
        let predictive = &o.report.predictive;
        let args: Vec<Vec<NodeId>> =
            predictive.iter().map(|p| graph.substitute(&p.distribution.args, &replaced)).collect();
        let random = |n: &NodeId| matches!(graph.node(*n).op, Op::Noise { .. } | Op::Arrivals { .. });
        let whole = !graph.reachable(&args.concat()).iter().any(random);
        whole.then_some(Self { graph, args, inputs })
    }
}

/// Draws of latents from the fitted guide, all of one draw together. A latent without draws is left out.
///
/// # Errors
/// When a run fails.
pub fn known_draws(
    problem: &Problem,
    values: &Values,
    extra: &HashMap<InputId, Arc<Tensor>>,
    wanted: &[&Readout],
    count: usize,
) -> Result<Vec<KnownDraws>, PredictiveError> {
    let draw = |r: &Readout| match r.of {
        ReadoutOf::Value { draw, .. } => Some(draw),
        ReadoutOf::Finite { draw, .. } => draw,
    };
    let drawn: Vec<(&Readout, NodeId)> = wanted.iter().filter_map(|r| Some((*r, draw(r)?))).collect();
    let outputs: Vec<NodeId> = drawn.iter().map(|d| d.1).collect();
    let mut compiled = problem.compile(&outputs)?;
    let reading = Reading { purpose: Purpose::Predictive, count, matched: None };
    let found = reading.collect(problem, values, extra, &mut *compiled, &outputs)?;
    let g = &problem.objective.graph;
    let known = |((readout, _), values): (&(&Readout, NodeId), Vec<f64>)| {
        let extents = fe_graph::axis::sorted(&readout.axes).into_iter().map(|a| g.extent_of(a.id));
        let shape = std::iter::once(count).chain(extents).collect();
        KnownDraws { latent: readout.name.clone(), draws: Tensor { shape, values } }
    };
    Ok(drawn.iter().zip(found).map(known).collect())
}

/// The draws of a prior predictive run.
#[derive(Debug, Default)]
pub struct Prior {
    /// Draws of the latents from their priors.
    pub latents: Vec<Drawn>,
    /// And of the data given them.
    pub predictive: Vec<Drawn>,
}

/// Draws of a fitted guide that a prediction stands on.
#[derive(Clone, Debug)]
pub struct KnownDraws {
    /// The latent.
    pub latent: String,
    /// Over (draw, its sorted axes), with the extents that the fit had.
    pub draws: Tensor,
}

/// What a prediction is made from: a program on rows, groups or steps that its fit has not seen.
pub struct Predicting<'a> {
    /// The program, with the extents of what is predicted.
    pub program: &'a Program,
    /// Its graph with these extents, and statistics of the fit's rows as inputs.
    pub statistics: WithStatistics,
    /// Data, statistics and the program's parameters on the unconstrained scale.
    pub inputs: HashMap<InputId, Arc<Tensor>>,
    /// Draws of what the fit knows. Other latents, and elements beyond these, are drawn from their priors.
    pub known: Vec<KnownDraws>,
    /// How many draws there are.
    pub count: usize,
    /// The seed of what is drawn further.
    pub seed: u64,
}

/// Means and standard deviations, element by element.
pub type Moments = (Vec<f64>, Vec<f64>);

/// What is predicted of one observed variable.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictive {
    /// Draws.
    pub drawn: Drawn,
    /// The mean and standard deviation of each element, with those of the likelihood taken exactly given each draw of the
    /// latents, where they are known.
    pub moments: Option<Moments>,
    /// Whether values are names of categories, of which there are so many.
    pub categories: Option<usize>,
}

/// Latents from their priors, and data given them.
///
/// # Errors
/// Where a distribution cannot be drawn from.
pub fn predict(of: Predicting, executor: &dyn Executor) -> Result<Vec<Predictive>, PredictiveError> {
    let Predicting { program, statistics, inputs, known, count, seed } = of;
    let WithStatistics { graph, replaced, .. } = statistics;
    let mut s = Simulation::new(program, (graph, replaced), executor, inputs, (seed, count));
    s.known = known.into_iter().map(|k| (k.latent, k.draws)).collect();
    s.latents()?;
    let mut list = vec![];
    for observe in program.observes.iter().filter(|o| !o.distribution.family.is_written_out()) {
        let mut rng = generator(seed, Outside::NewRows(&observe.name));
        let tensor = s.drawn(&observe.name, &observe.distribution, &observe.axes, &mut rng)?;
        let nominal = observe.distribution.family.is_nominal();
        let categories = tensor.values.iter().copied().fold(0.0, f64::max) as usize + 1;
        let moments = if nominal { None } else { s.moments(&observe.distribution, &observe.axes)? };
        let drawn = named(&s.g, &observe.name, &observe.axes, count, tensor);
        list.push(Predictive { drawn, moments, categories: nominal.then_some(categories) });
    }
    Ok(list)
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
    /// Draws that are not from priors, by latent.
    known: HashMap<String, Tensor>,
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
    let graph = (program.graph.clone(), HashMap::new());
    let mut s = Simulation::new(program, graph, executor, data.clone(), (seed, count));
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

impl<'a> Simulation<'a> {
    /// A program with its data; parameters that are not among the inputs are at their start.
    fn new(
        program: &'a Program,
        (mut g, mut replaced): (Graph, HashMap<NodeId, NodeId>),
        executor: &'a dyn Executor,
        data: HashMap<InputId, Arc<Tensor>>,
        (seed, count): (u64, usize),
    ) -> Self {
        let mut feed = Feed { inputs: data, seed, step: Purpose::Predictive.step(0), ..Feed::default() };
        feed.extents.insert(AxisId::SAMPLE, count);
        for param in &program.params {
            if feed.inputs.contains_key(&param.input) {
                continue;
            }
            let shape = fe_graph::axis::sorted(&param.free).iter().map(|a| g.extent_of(a.id)).collect();
            let bijector = Bijector { support: param.support, axes: &param.axes, free: &param.free };
            let values = bijector.start(&g, &param.init, &param.name, seed, 0);
            feed.inputs.insert(param.input, Arc::new(Tensor { shape, values }));
        }
        if let Some((_, training)) = program.training {
            replaced.insert(training, g.constant(0.0));
        }
        let mut inputs = vec![];
        for latent in &program.latents {
            let axes = fe_graph::axis::union(&[Axis::SAMPLE], &fe_graph::axis::sorted(&latent.axes));
            let (input, node) = g.input(&latent.name, &axes);
            inputs.push((input, node));
            replaced.insert(latent.node, node);
        }
        Self { program, g, executor, feed, inputs, replaced, known: HashMap::new(), count, seed }
    }

    /// Mean and standard deviation of each element as declared, by the law of total variance over the draws of the latents.
    /// `None` where a family does not have its own.
    fn moments(&mut self, d: &Distribution, declared: &[Axis]) -> Result<Option<Moments>, PredictiveError> {
        let d = Distribution { args: self.g.substitute(&d.args, &self.replaced), ..d.clone() };
        let mean = d.expectation(&mut self.g, Statistic::Value);
        let Some((mean, variance)) = mean.zip(d.variance(&mut self.g, Statistic::Value)) else { return Ok(None) };
        let axes = fe_graph::axis::union(&[Axis::SAMPLE], &fe_graph::axis::sorted(declared));
        let nodes = [mean, variance].map(|n| self.g.broadcast(n, &axes));
        let found = self.executor.compile(&self.g, &nodes)?.run(&self.feed)?;
        let [means, variances] = found.as_slice() else { return Ok(None) };
        let size = means.values.len() / self.count.max(1);
        let count = self.count.max(1) as f64;
        let mut sums = vec![(0.0, 0.0); size];
        for row in means.values.chunks(size.max(1)) {
            sums.iter_mut().zip(row).for_each(|(s, v)| s.0 += v / count);
        }
        for (row, own) in means.values.chunks(size.max(1)).zip(variances.values.chunks(size.max(1))) {
            for ((s, v), own) in sums.iter_mut().zip(row).zip(own) {
                s.1 += ((v - s.0).powi(2) + own) / count;
            }
        }
        let (mean, sd): (Vec<f64>, Vec<f64>) = sums.into_iter().map(|(m, v)| (m, v.max(0.0).sqrt())).unzip();
        let of = |values| from_sorted(&self.g, declared, values).values;
        Ok(Some((of(mean), of(sd))))
    }

    /// Puts the draws that are known in the place of others, element by element. Whether they are all there are.
    fn overlay(&self, k: usize, tensor: &mut Tensor) -> bool {
        let latent = self.program.latents.get(k);
        let Some(known) = latent.and_then(|l| self.known.get(&l.name)) else { return false };
        if known.shape == tensor.shape {
            tensor.values.clone_from(&known.values);
            return true;
        }
        for (flat, v) in known.values.iter().enumerate() {
            let (mut rest, mut at, mut stride) = (flat, 0, 1);
            for (own, all) in known.shape.iter().rev().zip(tensor.shape.iter().rev()) {
                at += rest % own.max(&1) * stride;
                rest /= own.max(&1);
                stride *= all;
            }
            if let Some(slot) = tensor.values.get_mut(at) {
                *slot = *v;
            }
        }
        false
    }

    /// Whether every element of a latent is known.
    fn is_known(&self, k: usize) -> bool {
        let Some(latent) = self.program.latents.get(k) else { return false };
        let axes = fe_graph::axis::union(&[Axis::SAMPLE], &fe_graph::axis::sorted(&latent.axes));
        let shape: Vec<usize> = axes.iter().map(|&a| self.extent(a)).collect();
        self.known.get(&latent.name).is_some_and(|t| t.shape == shape)
    }

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
        let mut waiting = vec![];
        for k in 0..program.latents.len() {
            match self.is_known(k) {
                true => {
                    let tensor = program.latents.get(k).and_then(|l| self.known.get(&l.name)).cloned();
                    self.put(k, tensor.unwrap_or_default());
                }
                false => waiting.push(k),
            }
        }
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
                let mut tensor = self.drawn(&latent.name, &latent.prior, &latent.axes, &mut rng)?;
                self.overlay(k, &mut tensor);
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
            let mut tensor = Tensor { shape, values };
            self.overlay(k, &mut tensor);
            self.put(k, tensor);
        }
        // Steps that are all known need not be drawn.
        let along = |k: usize, latent: &Latent| {
            let place = fe_graph::axis::sorted(&latent.axes).iter().position(|a| *a == axis);
            let known = self.known.get(&latent.name)?.shape.get(place? + 1).copied()?;
            let whole = self.others_are_whole(k, axis);
            whole.then_some(known)
        };
        let first = latents.iter().map(|&(k, l)| along(k, l).unwrap_or(0)).min().unwrap_or(0);
        for step in first..length {
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
                self.overlay(k, &mut tensor);
                self.put(k, tensor);
            }
        }
        Ok(())
    }

    /// Whether the draws that are known of a latent hold all of its axes but this one.
    fn others_are_whole(&self, k: usize, but: Axis) -> bool {
        let Some(latent) = self.program.latents.get(k) else { return false };
        let Some(known) = self.known.get(&latent.name) else { return false };
        let axes = fe_graph::axis::sorted(&latent.axes);
        axes.iter().zip(known.shape.iter().skip(1)).all(|(&a, &n)| a == but || n == self.extent(a))
    }
}
