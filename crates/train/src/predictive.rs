//! Draws on the host: of likelihoods given draws of the guide, and of a whole program from its priors.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use fe_check::{Latent, Program};
use fe_distribution::{Distribution, Modifier, Support, draw_category};
use fe_graph::noise::{Element, NoiseKey, Stream};
use fe_graph::{Axis, AxisId, ExecutionError, Executor, Feed, Graph, InputId, NodeId, Op, Site, Tensor};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::problem::{Problem, Setting, Values};
use crate::sampled::Drawn;
use crate::scales::Scales;

/// Tries before a draw inside a restriction is given up.
const TRIES: usize = 100_000;

/// Steps from here on are for these draws.
const STEP: u64 = 1 << 43;

/// The most numbers drawn at a time.
const MOST: usize = 100_000_000;

/// Why nothing could be drawn.
#[derive(Debug, thiserror::Error)]
pub enum PredictiveError {
    /// A run failed.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// A distribution has no draws, or not with these arguments.
    #[error("`{name}` cannot be drawn from {family}: {why}")]
    Undrawable {
        /// What was to be drawn.
        name: String,
        /// Its family.
        family: &'static str,
        /// Why.
        why: String,
    },
    /// Too many numbers.
    #[error("{0} draws of `{1}` are more than {MOST} numbers; ask for fewer")]
    TooMany(usize, String),
}

/// An argument of a distribution at every place of a result.
struct Argument<'a> {
    values: &'a [f64],
    /// For each axis of the result, how far one step moves.
    strides: Vec<usize>,
    /// The same along the axis of categories, components, or of the vector, and along its primed copy.
    along: usize,
    across: usize,
}

/// How many places a step along an axis moves in a tensor over `own`, which is row-major.
fn stride(own: &[Axis], extent: &dyn Fn(Axis) -> usize, axis: Axis) -> usize {
    match own.iter().position(|&a| a == axis) {
        Some(k) => own.iter().skip(k + 1).map(|&a| extent(a)).product(),
        None => 0,
    }
}

/// Draws of a distribution over (at least) `axes`, sorted, the draws first among them, given its arguments over their own.
fn draw(
    name: &str,
    d: &Distribution,
    args: &[(Vec<Axis>, &Tensor)],
    axes: &[Axis],
    extent: &dyn Fn(Axis) -> usize,
    rng: &mut ChaCha8Rng,
) -> Result<Vec<f64>, PredictiveError> {
    let undrawable =
        |why: &str| PredictiveError::Undrawable { name: name.to_owned(), family: d.family.name(), why: why.to_owned() };
    let mixture = d.modifiers.iter().find_map(|m| if let Modifier::Mixture(axis) = m { Some(*axis) } else { None });
    let vector = d.event.filter(|_| d.family.is_vector());
    // A matrix is drawn along its rows and columns at once.
    let column = vector.filter(|_| d.family.is_matrix()).map(Axis::primed);
    let within = |a: &Axis| Some(*a) == vector || Some(*a) == column;
    let inner = mixture.or(d.event);
    let bound: Vec<Argument> = args
        .iter()
        .map(|(own, tensor)| Argument {
            values: &tensor.values,
            strides: axes.iter().map(|&a| if within(&a) { 0 } else { stride(own, extent, a) }).collect(),
            along: inner.map_or(0, |a| stride(own, extent, a)),
            across: inner.map_or(0, |a| stride(own, extent, a.primed())),
        })
        .collect();
    let outer: Vec<Axis> = axes.iter().copied().filter(|a| !within(a)).collect();
    let count = inner.map_or(1, extent);
    let own = d.own_args().len();
    let mut result = vec![0.0; axes.iter().map(|&a| extent(a)).product()];
    let steps: Vec<usize> = outer.iter().map(|&a| stride(axes, extent, a)).collect();
    let step_along = |a: Option<Axis>| a.map_or(0, |a| stride(axes, extent, a));
    let (vector_step, column_step) = (step_along(vector), step_along(column));
    let columns = column.map_or(1, extent).max(1);
    let mut place = vec![0usize; outer.len()];
    let total: usize = outer.iter().map(|&a| extent(a)).product();
    for _ in 0..total {
        let at = |a: &Argument| -> usize {
            let strides = axes.iter().zip(&a.strides).filter(|(x, _)| !within(x)).map(|(_, s)| s);
            strides.zip(&place).map(|(s, p)| s * p).sum()
        };
        let element = |a: &Argument, k: usize| a.values.get(at(a) + k * a.along).copied().unwrap_or(f64::NAN);
        let to: usize = steps.iter().zip(&place).map(|(s, p)| s * p).sum();
        if vector.is_some() {
            let whole: Vec<Vec<f64>> = bound
                .iter()
                .take(own)
                .map(|a| {
                    let columns = if a.across == 0 { 1 } else { count };
                    let cell = |i: usize, j: usize| at(a) + i * a.along + j * a.across;
                    let all = (0..count).flat_map(|i| (0..columns).map(move |j| (i, j)));
                    all.map(|(i, j)| a.values.get(cell(i, j)).copied().unwrap_or(f64::NAN)).collect()
                })
                .collect();
            let drawn = d.family.draw_vector(&whole, rng).ok_or_else(|| undrawable("it has no draws here"))?;
            for (k, v) in drawn.into_iter().enumerate() {
                if let Some(slot) = result.get_mut(to + k / columns * vector_step + k % columns * column_step) {
                    *slot = v;
                }
            }
        } else {
            let numbers: Vec<f64> = if d.event.is_some() && d.family.category_axis_argument().is_some() {
                bound.first().map(|a| (0..count).map(|k| element(a, k)).collect()).unwrap_or_default()
            } else {
                let weights = bound.get(own).filter(|_| mixture.is_some());
                let k = match weights {
                    Some(w) => {
                        let shares: Vec<f64> = (0..count).map(|k| element(w, k)).collect();
                        draw_category(&shares, rng).ok_or_else(|| undrawable("its weights are no shares"))?
                    }
                    None => 0,
                };
                bound.iter().take(own).map(|a| element(a, k)).collect()
            };
            let mut value = None;
            for _ in 0..TRIES {
                let v = d.family.draw(&numbers, rng).ok_or_else(|| undrawable(&format!("arguments {numbers:?}")))?;
                if d.restricted.is_none_or(|to| to == Support::Ordered || to.contains_value(v)) {
                    value = Some(v);
                    break;
                }
            }
            let mut value = value.ok_or_else(|| undrawable("next to none of it lies inside its type"))?;
            let mut after = own;
            for modifier in &d.modifiers {
                let end = bound.get(after).map(|a| element(a, 0));
                value = match (modifier, end) {
                    (Modifier::CensoredBelow, Some(end)) => value.max(end),
                    (Modifier::CensoredAbove, Some(end)) => value.min(end),
                    _ => value,
                };
                after += modifier.arguments();
            }
            if let Some(slot) = result.get_mut(to) {
                *slot = value;
            }
        }
        for (p, &a) in place.iter_mut().zip(&outer).rev() {
            *p += 1;
            if *p < extent(a) {
                break;
            }
            *p = 0;
        }
    }
    if let (Some(Support::Ordered), Some(along)) = (d.restricted, d.event) {
        sort_along(&mut result, stride(axes, extent, along), extent(along));
    }
    Ok(result)
}

/// Puts elements along one axis in order.
fn sort_along(values: &mut [f64], step: usize, count: usize) {
    for start in 0..values.len() {
        if step == 0 || !(start / step).is_multiple_of(count) {
            continue;
        }
        let mut run: Vec<f64> = values.iter().skip(start).step_by(step).take(count).copied().collect();
        run.sort_by(f64::total_cmp);
        for (slot, v) in values.iter_mut().skip(start).step_by(step).zip(run) {
            *slot = v;
        }
    }
}

/// A generator of its own for each name, so that what is drawn of one does not follow what else is drawn.
fn generator(seed: u64, name: &str) -> ChaCha8Rng {
    let mut stream = Stream::new(NoiseKey { seed, site: Site::named(name), step: STEP }, Element { row: 0, rest: 0 });
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
        let setting = Setting { extra: extra.clone(), ..Setting::reporting(STEP, count) };
        let found = compiled.run(&problem.feed(values, &rows, &setting))?;
        let args: Vec<(Vec<Axis>, &Tensor)> =
            predicted.distribution.args.iter().map(|&n| o.graph.axes_of(n).to_vec()).zip(&found).collect();
        let mut rng = generator(problem.seed, &predicted.name);
        let drawn = draw(&predicted.name, &predicted.distribution, &args, &axes, &extent, &mut rng)?;
        let tensor = Tensor { shape: axes.iter().map(|&a| extent(a)).collect(), values: drawn };
        list.push(named(&o.graph, &predicted.name, &predicted.axes, count, tensor));
    }
    Ok(list)
}

/// What a prior predictive run gives.
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
    /// What stands for each latent.
    inputs: Vec<(InputId, NodeId)>,
    replaced: HashMap<NodeId, NodeId>,
    count: usize,
    seed: u64,
}

/// Latents and data from the program's priors; its parameters are as `data` gives them, on the unconstrained scale, and
/// else at their start.
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
    let mut feed = Feed { inputs: data.clone(), seed, step: STEP, ..Feed::default() };
    feed.extents.insert(AxisId::SAMPLE, count);
    for param in program.params.iter().filter(|p| !data.contains_key(&p.input)) {
        let shape = fe_graph::axis::sorted(&param.free).iter().map(|a| g.extent_of(a.id)).collect();
        let scales = Scales { support: param.support, axes: &param.axes, free: &param.free };
        let values = scales.start(&g, &param.init, &param.name, seed, 0);
        feed.inputs.insert(param.input, Arc::new(Tensor { shape, values }));
    }
    let (mut inputs, mut replaced) = (vec![], HashMap::new());
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
    for observe in &program.observes {
        let mut rng = generator(seed, &format!("predictive {}", observe.name));
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
                let mut rng = generator(self.seed, &format!("prior {}", latent.name));
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
                let mut rng = generator(self.seed, &format!("prior {} {step}", latent.name));
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
