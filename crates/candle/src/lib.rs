//! Runs a graph on candle tensors: the portable and reference executor.
//!
//! candle keeps the tensors, their views and their matrix products. Element-wise functions, reductions, indexing and
//! randomness are loops of our own on the CPU: candle lacks several of them, sums f32 in f32, and would bring a second
//! thread pool. On other devices candle's operations are used where it has them (`native`).
//!
//! Threads are those of the rayon pool that [`Compiled::run`] is called in (the global one unless told otherwise);
//! matrix products use as many of them as `RAYON_NUM_THREADS` says, or one for each core. The numbers do not depend on
//! it.

mod backend;
mod fault;
mod kernel;
mod looping;
mod native;
mod operation;
mod plan;
mod trace;

use std::collections::HashMap;
use std::sync::{Arc, Once, Weak};

use candle_core::Tensor;
use fe_graph::{Axis, Compiled, ExecutionError, Executor, Feed, Graph, InputId, NodeId, NonFinite, Op, Origin, Site};

use backend::Backend;
use plan::{Action, Context, Plan};

/// The numbers that a graph is run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats; sums are accumulated in 64 bits.
    F32,
    /// 64-bit floats.
    F64,
}

/// Compiles graphs to candle tensors.
#[derive(Clone, Debug)]
pub struct CandleExecutor {
    backend: Backend,
}

impl CandleExecutor {
    /// An executor on a device: `cpu`, or, in a build with the feature `cuda`, `cuda` or `cuda:1`.
    ///
    /// # Errors
    /// Where there is no such device, or not in this build.
    pub fn new(precision: Precision, device: &str) -> Result<Self, ExecutionError> {
        keep_freed_memory();
        Ok(Self { backend: Backend::open(precision, device)? })
    }
}

/// Tensors come and go at every operation. glibc hands large blocks back to the system at once, and the page faults of
/// fetching them anew cost as much as the arithmetic; after a block of nearly 32 MiB was freed it keeps blocks of up to
/// that size. Elsewhere this does nothing.
fn keep_freed_memory() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(std::hint::black_box(Vec::<u8>::with_capacity((32 << 20) - (64 << 10)))));
}

impl Executor for CandleExecutor {
    fn name(&self) -> String {
        let precision = match self.backend.precision {
            Precision::F32 => "f32",
            Precision::F64 => "f64",
        };
        match self.backend.name.as_str() {
            "cpu" => format!("candle {precision}"),
            device => format!("candle {precision} on {device}"),
        }
    }

    fn compile(&self, graph: &Graph, outputs: &[NodeId]) -> Result<Box<dyn Compiled>, ExecutionError> {
        let plan = Plan::compile(graph, outputs);
        let mut inputs = vec![];
        for instruction in &plan.instructions {
            if let Action::Op(Op::Input(id)) = instruction.action {
                let name = graph.input_info(id).map_or_else(|| "?".into(), |i| i.name.clone());
                inputs.push(Input { id, name, axes: instruction.axes.clone(), origin: instruction.origin });
            }
        }
        Ok(Box::new(Program {
            backend: self.backend.clone(),
            sites: plan.sites(),
            plan,
            inputs,
            uploaded: Uploads::default(),
            draws: Uploads::default(),
            rows: None,
        }))
    }
}

/// An input that the outputs need.
struct Input {
    id: InputId,
    name: String,
    axes: Vec<Axis>,
    origin: Origin,
}

/// A plan with what it keeps of the last feed.
struct Program {
    backend: Backend,
    plan: Plan,
    inputs: Vec<Input>,
    sites: Vec<Site>,
    uploaded: Uploads<InputId>,
    draws: Uploads<Site>,
    /// The row numbers of the last feed, and how often they have changed.
    rows: Option<(Arc<Vec<u64>>, u64)>,
}

/// Device copies of host tensors, kept while the same `Arc` is fed.
struct Uploads<K> {
    /// Weak, which still keeps the address from being used again.
    sources: HashMap<K, Weak<fe_graph::Tensor>>,
    tensors: HashMap<K, Tensor>,
}

impl<K> Default for Uploads<K> {
    fn default() -> Self {
        Self { sources: HashMap::new(), tensors: HashMap::new() }
    }
}

impl<K: std::hash::Hash + Eq + Copy> Uploads<K> {
    /// Brings the device copy up to date.
    fn update(
        &mut self,
        key: K,
        source: &Arc<fe_graph::Tensor>,
        backend: &Backend,
        origin: Origin,
    ) -> Result<(), ExecutionError> {
        let same = self.sources.get(&key).is_some_and(|s| std::ptr::eq(s.as_ptr(), Arc::as_ptr(source)));
        if !(same && self.tensors.contains_key(&key)) {
            let tensor = backend.upload(source).map_err(|fault| fault.at(origin))?;
            self.sources.insert(key, Arc::downgrade(source));
            self.tensors.insert(key, tensor);
        }
        Ok(())
    }
}

impl Program {
    /// Checks and uploads what is fed, then calls `f` with the plan.
    fn fed<R>(
        &mut self,
        feed: &Feed,
        f: impl FnOnce(&mut Plan, &Context, &HashMap<InputId, Tensor>) -> Result<R, ExecutionError>,
    ) -> Result<R, ExecutionError> {
        let mut extents: Vec<usize> = self.plan.graph.axes().iter().map(|a| a.extent).collect();
        for (axis, &extent) in &feed.extents {
            if let Some(slot) = extents.get_mut(axis.0 as usize) {
                *slot = extent;
            }
        }
        for input in &self.inputs {
            let Some(source) = feed.inputs.get(&input.id) else {
                return Err(ExecutionError::MissingInput(input.name.clone()));
            };
            let expected: Vec<usize> =
                input.axes.iter().map(|a| extents.get(a.id.0 as usize).copied().unwrap_or(1)).collect();
            if expected != source.shape {
                let found = source.shape.clone();
                return Err(ExecutionError::Shape { name: input.name.clone(), expected, found });
            }
            self.uploaded.update(input.id, source, &self.backend, input.origin)?;
        }
        self.draws.tensors.retain(|site, _| feed.draws.contains_key(site));
        for (&site, source) in feed.draws.iter().filter(|(s, _)| self.sites.contains(s)) {
            self.draws.update(site, source, &self.backend, Origin::default())?;
        }
        let rows = feed.rows.as_ref().map(|(id, numbers)| {
            let (last, stamp) = self.rows.take().unwrap_or_else(|| (numbers.clone(), 0));
            let stamp = if last == *numbers { stamp } else { stamp + 1 };
            self.rows = Some((numbers.clone(), stamp));
            (Axis::plain(*id), numbers.as_slice(), stamp)
        });
        let context = Context {
            backend: &self.backend,
            extents: &extents,
            seed: feed.seed,
            step: feed.step,
            rows,
            draws: &self.draws.tensors,
        };
        f(&mut self.plan, &context, &self.uploaded.tensors)
    }
}

impl Compiled for Program {
    fn run(&mut self, feed: &Feed) -> Result<Vec<fe_graph::Tensor>, ExecutionError> {
        let backend = self.backend.clone();
        self.fed(feed, |plan, context, inputs| {
            let outputs = plan.run(context, inputs, false)?;
            outputs.iter().map(|t| backend.download(t).map_err(|fault| fault.at(Origin::default()))).collect()
        })
    }

    fn first_non_finite(&mut self, feed: &Feed) -> Result<Option<NonFinite>, ExecutionError> {
        self.fed(feed, trace::first_non_finite)
    }
}
