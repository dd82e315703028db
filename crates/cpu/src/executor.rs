//! The executor: plans for the extents it meets, and keeps what it can between runs.

#![allow(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, Weak};

use fe_graph::plan::{Conditions, Plan, Slot, permutation};
use fe_graph::training::{Trainer, TrainingLoop};
use fe_graph::{
    Axis, Compiled, ExecutionError, Executor, Feed, Graph, InputId, NodeId, NonFinite, Op, Origin, Site, Tensor, trace,
};

use crate::arena::Arena;
use crate::index::read_out;
use crate::isa::Isa;
use crate::math::Real;
use crate::program::{Part, Program, Scratch};
use crate::random::Key;
use crate::scan::{self, Setting};
use crate::team::Barrier;
use crate::training_loop::CpuTrainer;

/// The numbers that a graph is run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats; long sums are carried in 64 bits.
    F32,
    /// 64-bit floats.
    F64,
}

/// Runs graphs by plans, on this machine's cores.
#[derive(Clone, Copy, Debug)]
pub struct CpuExecutor {
    precision: Precision,
    isa: Isa,
    sparse: bool,
}

impl CpuExecutor {
    /// An executor with the best instructions of this processor.
    pub fn new(precision: Precision) -> Self {
        Self { precision, isa: Isa::detect(), sparse: true }
    }

    /// Whether a training loop's products with few spikes run on the spikes alone, as they do where nothing is said.
    #[must_use]
    pub fn with_sparse(self, sparse: bool) -> Self {
        Self { sparse, ..self }
    }

    /// An executor that keeps to some instructions, where the processor has them.
    #[must_use]
    pub fn with_isa(self, isa: Isa) -> Self {
        if Isa::available().contains(&isa) { Self { isa, ..self } } else { self }
    }
}

impl Executor for CpuExecutor {
    fn name(&self) -> String {
        match self.precision {
            Precision::F32 => "cpu f32".into(),
            Precision::F64 => "cpu f64".into(),
        }
    }

    fn compile(&self, graph: &Graph, outputs: &[NodeId]) -> Result<Box<dyn Compiled>, ExecutionError> {
        let (graph, outputs) = (Arc::new(graph.clone()), outputs.to_vec());
        Ok(match self.precision {
            Precision::F32 => Box::new(Session::<f32>::new(graph, outputs, self.isa, false)),
            Precision::F64 => Box::new(Session::<f64>::new(graph, outputs, self.isa, false)),
        })
    }

    fn train(&self, graph: &Graph, training: &TrainingLoop) -> Result<Option<Box<dyn Trainer>>, ExecutionError> {
        Ok(Some(match self.precision {
            Precision::F32 => Box::new(CpuTrainer::<f32>::new(graph, training, self.isa, self.sparse)?),
            Precision::F64 => Box::new(CpuTrainer::<f64>::new(graph, training, self.isa, self.sparse)?),
        }))
    }
}

/// A plan in memory.
pub(crate) struct Loaded<T> {
    pub program: Program<T>,
    pub arena: Arena<T>,
    pub scratch: Vec<Scratch<T>>,
    pub rows: Vec<u64>,
    inputs: HashMap<InputId, Weak<Tensor>>,
    draws: HashMap<Site, Weak<Tensor>>,
    /// Whether what follows from steady inputs is there.
    pub ready: bool,
    /// Whether it was planned in knowledge of what stays.
    settled: bool,
}

/// The inputs and the draws of a run.
type Last = (HashMap<InputId, Weak<Tensor>>, HashMap<Site, Weak<Tensor>>);

/// Outputs of a graph, and the plans made for them.
struct Session<T> {
    graph: Arc<Graph>,
    outputs: Vec<NodeId>,
    isa: Isa,
    /// Whether runs keep to the thread that asks for them: inside of other work, whose threads wait.
    alone: bool,
    loaded: Vec<(Conditions, Loaded<T>)>,
    /// The inputs and draws of the last run, to see which stay.
    last: Option<Last>,
}

/// Plans kept: one for the batches, one for the evaluation of all rows, and room for others.
const KEPT: usize = 4;

fn same(kept: Option<&Weak<Tensor>>, given: &Arc<Tensor>) -> bool {
    // A weak pointer keeps the address from being used again.
    kept.is_some_and(|k| std::ptr::eq(k.as_ptr(), Arc::as_ptr(given)))
}

impl<T: Real> Session<T> {
    fn new(graph: Arc<Graph>, outputs: Vec<NodeId>, isa: Isa, alone: bool) -> Self {
        Self { graph, outputs, isa, alone, loaded: vec![], last: None }
    }

    /// The conditions to plan for. Inputs that have not changed since the run before are taken to be steady; should
    /// they change all the same, what follows from them is computed again.
    fn conditions(&self, feed: &Feed) -> Conditions {
        let mut conditions = conditions(&self.graph, feed);
        if let Some((inputs, draws)) = &self.last {
            let unchanged = feed.inputs.iter().filter(|(k, t)| same(inputs.get(k), t)).map(|(k, _)| *k);
            conditions.steady = unchanged.collect();
            conditions.steady_draws = feed.draws.iter().all(|(k, t)| same(draws.get(k), t));
        }
        conditions
    }

    fn loaded(&mut self, feed: &Feed) -> Result<&mut Loaded<T>, ExecutionError> {
        let conditions = self.conditions(feed);
        let fits = |c: &Conditions| {
            c.extents == conditions.extents && c.rows == conditions.rows && c.drawn == conditions.drawn
        };
        let found = self.loaded.iter().position(|(c, _)| fits(c));
        // The first plan knows nothing of what stays; the second run plans anew, once.
        let settled = self.last.is_some();
        let at = match found.filter(|&k| self.loaded.get(k).is_some_and(|l| l.1.settled || !settled)) {
            Some(k) => k,
            None => {
                if let Some(k) = found {
                    self.loaded.remove(k);
                } else if self.loaded.len() >= KEPT {
                    self.loaded.remove(0);
                }
                let plan = Plan::new(&self.graph, &self.outputs, &conditions);
                let mut loaded = Loaded::new(plan, &conditions, self.isa)?;
                loaded.settled = settled;
                self.loaded.push((conditions, loaded));
                self.loaded.len() - 1
            }
        };
        match self.loaded.get_mut(at) {
            Some((_, loaded)) => Ok(loaded),
            None => Err(ExecutionError::Backend { message: "a plan was lost".into(), origin: Origin::default() }),
        }
    }
}

/// Extents and rows of a feed.
pub(crate) fn conditions(graph: &Graph, feed: &Feed) -> Conditions {
    let mut extents: Vec<usize> = graph.axes().iter().map(|a| a.extent).collect();
    for (axis, &extent) in &feed.extents {
        if let Some(slot) = extents.get_mut(axis.0 as usize) {
            *slot = extent;
        }
    }
    Conditions {
        extents,
        rows: feed.rows.as_ref().map(|r| Axis::plain(r.0)),
        drawn: feed.draws.keys().copied().collect::<HashSet<_>>(),
        ..Conditions::default()
    }
}

/// Whether a tensor has as many values as its shape says.
fn whole(tensor: &Tensor, origin: Origin) -> Result<(), ExecutionError> {
    let size = tensor.shape.iter().fold(1usize, |n, &d| n.saturating_mul(d));
    if size == tensor.len() {
        return Ok(());
    }
    let message = format!("a tensor of shape {:?} has {} values", tensor.shape, tensor.len());
    Err(ExecutionError::Backend { message, origin })
}

/// A tensor in the order of the layout.
fn lay_out<T: Real, K>(slot: &Slot<K>, tensor: &Tensor, out: &mut [T]) {
    let order = permutation(&slot.sorted, &slot.axes);
    let mut fill = |values: &[f64]| {
        for (o, &v) in out.iter_mut().zip(values) {
            *o = T::from_f64(v);
        }
    };
    if order.is_sorted() {
        return fill(&tensor.values);
    }
    if let Some(permuted) = tensor.permuted(&order) {
        fill(&permuted.values);
    }
}

impl<T: Real> Loaded<T> {
    /// Room for a plan, with what it holds from the beginning.
    pub fn new(plan: Plan, conditions: &Conditions, isa: Isa) -> Result<Self, ExecutionError> {
        let largest = plan.buffers.iter().max_by_key(|b| b.size);
        let origin = largest.map(|b| b.origin).unwrap_or_default();
        let room = |count: usize| {
            let message = format!("there is not the memory for {count} numbers");
            Arena::new(count).ok_or(ExecutionError::Backend { message, origin })
        };
        // Before anything is reckoned that could overflow.
        room(plan.arena)?;
        let program = Program::new(plan, Setting { rows: conditions.rows, isa })?;
        let mut arena = room(program.memory)?;
        program.settle(arena.all());
        let (inputs, draws) = (HashMap::new(), HashMap::new());
        Ok(Self { program, arena, scratch: vec![], rows: vec![], inputs, draws, ready: false, settled: false })
    }

    /// Takes over what is fed, as far as it is new.
    pub fn feed(&mut self, feed: &Feed) -> Result<(), ExecutionError> {
        let plan = &self.program.plan;
        let extent = |a: &Axis| plan.extents.get(a.id.0 as usize).copied().unwrap_or(1);
        let arena = self.arena.all();
        for slot in &plan.inputs {
            let Some(tensor) = feed.inputs.get(&slot.key) else {
                return Err(ExecutionError::MissingInput(slot.name.clone()));
            };
            let expected: Vec<usize> = slot.sorted.iter().map(extent).collect();
            if expected != tensor.shape {
                let (name, found) = (slot.name.clone(), tensor.shape.clone());
                return Err(ExecutionError::Shape { name, expected, found });
            }
            whole(tensor, slot.origin)?;
            if !same(self.inputs.get(&slot.key), tensor) {
                let buffer = plan.buffers.get(slot.buffer).map_or(0..0, |b| b.start..b.start + b.size);
                lay_out(slot, tensor, arena.get_mut(buffer).unwrap_or_default());
                self.inputs.insert(slot.key, Arc::downgrade(tensor));
                self.ready &= !slot.steady;
            }
        }
        for slot in &plan.draws {
            let Some(tensor) = feed.draws.get(&slot.key) else { continue };
            let expected: Vec<usize> = slot.sorted.iter().map(extent).collect();
            if expected != tensor.shape {
                let message = format!("the draws of a site have shape {:?}, not {expected:?}", tensor.shape);
                return Err(ExecutionError::Backend { message, origin: slot.origin });
            }
            whole(tensor, slot.origin)?;
            if !same(self.draws.get(&slot.key), tensor) {
                let buffer = plan.buffers.get(slot.buffer).map_or(0..0, |b| b.start..b.start + b.size);
                lay_out(slot, tensor, arena.get_mut(buffer).unwrap_or_default());
                self.draws.insert(slot.key, Arc::downgrade(tensor));
                self.ready &= !slot.steady;
            }
        }
        self.rows.clear();
        if let Some((axis, rows)) = &feed.rows {
            let count = extent(&Axis::plain(*axis));
            if rows.len() != count {
                let message = format!("{} row numbers were given for {count} rows", rows.len());
                return Err(ExecutionError::Backend { message, origin: Origin::default() });
            }
            self.rows.extend(rows.iter());
        }
        Ok(())
    }

    /// Memory for so many threads.
    pub fn prepare(&mut self, threads: usize) {
        while self.scratch.len() < threads {
            self.scratch.push(self.program.scratch());
        }
    }

    fn run(&mut self, feed: &Feed, alone: bool) -> Result<(), ExecutionError> {
        self.feed(feed)?;
        let threads = if alone { 1 } else { self.program.useful_threads(rayon::current_num_threads()) };
        self.program.divide(threads);
        self.prepare(threads);
        let failure = Mutex::new(None);
        let barrier = Barrier::new(threads);
        let key = Key { seed: feed.seed, step: feed.step, rows: &self.rows };
        let (program, arena, ready) = (&self.program, &self.arena, self.ready);
        let work = |thread: usize, scratch: &mut Scratch<T>| {
            if !ready {
                program.run(Part::Steady, thread, arena, &key, scratch, &barrier, &failure, |_| {});
            }
            program.run(Part::Step, thread, arena, &key, scratch, &barrier, &failure, |_| {});
        };
        together(&mut self.scratch, threads, work);
        if let Ok(mut slot) = failure.lock()
            && let Some(e) = slot.take()
        {
            return Err(e);
        }
        self.ready = true;
        Ok(())
    }

    fn outputs(&self, graph: &Graph, nodes: &[NodeId]) -> Result<Vec<Tensor>, ExecutionError> {
        let plan = &self.program.plan;
        let extent = |a: &Axis| plan.extents.get(a.id.0 as usize).copied().unwrap_or(1);
        let read = |(view, &node): (_, &NodeId)| {
            let axes: Vec<(Axis, usize)> = graph.axes_of(node).iter().map(|a| (*a, extent(a))).collect();
            let shape: Vec<usize> = axes.iter().map(|a| a.1).collect();
            let size = shape.iter().fold(1usize, |n, &d| n.saturating_mul(d));
            if size > Arena::<f64>::MOST {
                let message = format!("there is not the memory for {size} numbers");
                return Err(ExecutionError::Backend { message, origin: graph.node(node).origin });
            }
            Ok(Tensor { shape, values: read_out(plan, &self.arena, view, &axes) })
        };
        plan.outputs.iter().zip(nodes).map(read).collect()
    }
}

/// Runs `work` on so many threads of this pool at once, each with its own scratch.
pub(crate) fn together<S: Send>(scratch: &mut [S], threads: usize, work: impl Fn(usize, &mut S) + Sync) {
    if threads < 2 {
        if let Some(first) = scratch.first_mut() {
            work(0, first);
        }
        return;
    }
    let slots: Vec<Mutex<&mut S>> = scratch.iter_mut().map(Mutex::new).collect();
    rayon::broadcast(|context| {
        let thread = context.index();
        if let Some(slot) = slots.get(thread).filter(|_| thread < threads)
            && let Ok(mut scratch) = slot.lock()
        {
            work(thread, &mut scratch);
        }
    });
}

impl<T: Real> Compiled for Session<T> {
    fn run(&mut self, feed: &Feed) -> Result<Vec<Tensor>, ExecutionError> {
        let (graph, outputs) = (self.graph.clone(), self.outputs.clone());
        let alone = self.alone;
        let loaded = self.loaded(feed)?;
        loaded.run(feed, alone)?;
        let results = loaded.outputs(&graph, &outputs)?;
        let weak = |t: &Arc<Tensor>| Arc::downgrade(t);
        self.last = Some((
            feed.inputs.iter().map(|(k, t)| (*k, weak(t))).collect(),
            feed.draws.iter().map(|(k, t)| (*k, weak(t))).collect(),
        ));
        Ok(results)
    }

    fn first_non_finite(&mut self, feed: &Feed) -> Result<Option<NonFinite>, ExecutionError> {
        // Every node is asked for, so that nothing is fused away; noise is keyed, so it repeats.
        let is_value = |id: &NodeId| !matches!(self.graph.node(*id).op, Op::Scan(_));
        let nodes: Vec<NodeId> = self.graph.reachable(&self.outputs).into_iter().filter(is_value).collect();
        let conditions = conditions(&self.graph, feed);
        let plan = Plan::new(&self.graph, &nodes, &conditions);
        let mut loaded = Loaded::<T>::new(plan, &conditions, self.isa)?;
        loaded.run(feed, self.alone)?;
        let values = nodes.iter().copied().zip(loaded.outputs(&self.graph, &nodes)?).collect();
        match trace::first_non_finite(&self.graph, &self.outputs, &values) {
            Some(found) if matches!(self.graph.node(found.node).op, Op::Output(_)) => {
                // The body in this precision: what overflows here need not elsewhere.
                let ready = |body: &Graph, outputs| -> Box<dyn Compiled> {
                    Box::new(Session::<T>::new(Arc::new(body.clone()), outputs, self.isa, true))
                };
                let extents = &conditions.extents;
                let inside = scan::first_non_finite(&self.graph, found.node, &values, feed, extents, ready)?;
                Ok(inside.or(Some(found)))
            }
            found => Ok(found),
        }
    }
}
