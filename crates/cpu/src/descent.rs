//! Descents without leaving the plan: parameters, their memory and the data stay in place, and every thread runs every
//! step of a call.

#![allow(unsafe_code)]

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use fe_graph::descent::{Advance, Descending, Descent, Move, Rule};
use fe_graph::plan::{Plan, View, permutation};
use fe_graph::{Axis, ExecutionError, Graph, InputId, Origin, Tensor};

use crate::arena::Arena;
use crate::executor::{Loaded, conditions, together};
use crate::index::read_out;
use crate::isa::Isa;
use crate::math::Real;
use crate::optimizer::{self, Stride};
use crate::program::{Part, Scratch};
use crate::random::Key;
use crate::region::start_of;
use crate::team::Barrier;

/// Elements updated at a time, and over which a norm is summed: fixed, so that no number depends on the threads.
const CHUNK: usize = 1 << 13;

/// Rows that are fetched ahead of the one that is copied.
const AHEAD: usize = 16;

/// Asks for a cache line and the next one.
#[inline(always)]
fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        for line in [0, 64] {
            // SAFETY: an address that is fetched ahead is never read, wherever it points.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast::<i8>().wrapping_add(line)) };
        }
    }
    let _ = at;
}

/// A piece of a parameter, with its gradient and its memory.
#[derive(Clone, Copy, Debug)]
struct Piece {
    parameter: usize,
    gradient: usize,
    memory: usize,
    len: usize,
}

/// Data of which each batch takes some rows.
struct Table<T> {
    values: Arena<T>,
    /// Elements of a row.
    width: usize,
    /// Where the batch's rows go.
    into: usize,
}

/// A parameter's place and how it is laid out.
struct Placed {
    start: usize,
    size: usize,
    /// Extents over sorted axes, and the order in which the layout has them.
    shape: Vec<usize>,
    order: Vec<usize>,
    /// The value of a parameter that nothing depends on, which stays.
    idle: Option<Vec<f64>>,
}

/// A descent on this machine's cores.
pub struct CpuDescent<T> {
    loaded: Loaded<T>,
    isa: Isa,
    rule: Rule,
    clip: Option<f64>,
    seed: u64,
    outputs: Vec<(View, Vec<(Axis, usize)>)>,
    scalars: Vec<usize>,
    parameters: Vec<Placed>,
    pieces: Vec<Piece>,
    /// Pieces updated by the thread that has just made their gradient, by the number of its task in the last stage.
    fused: HashMap<usize, Vec<Piece>>,
    tables: Vec<Table<T>>,
    /// The optimiser's two memories.
    memory: [Arena<T>; 2],
    /// Squares of each piece's gradient.
    squares: Arena<f64>,
    batch: usize,
    made: u64,
}

/// Pieces of [`CHUNK`] elements.
fn chunks(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    range.clone().step_by(CHUNK).map(move |at| at..range.end.min(at + CHUNK))
}

fn backend(message: &str) -> ExecutionError {
    ExecutionError::Backend { message: message.into(), origin: Origin::default() }
}

impl<T: Real> CpuDescent<T> {
    /// Plans a descent.
    ///
    /// # Errors
    /// When an input is missing or misshapen, or there is not the memory.
    pub fn new(graph: &Graph, descent: &Descent, isa: Isa, sparse: bool) -> Result<Self, ExecutionError> {
        let mut feed = descent.feed.clone();
        let mut conditions = conditions(graph, &feed);
        let rows = conditions.rows;
        let extent = |a: &Axis| conditions.extents.get(a.id.0 as usize).copied().unwrap_or(1);
        let moving: HashMap<InputId, usize> = descent.parameters.iter().enumerate().map(|(k, p)| (p.0, k)).collect();
        // What has rows is given whole, and a batch takes some of them.
        let carries_rows = |id: &InputId| {
            graph.input_info(*id).is_some_and(|i| i.axes.iter().any(|a| Some(*a) == rows)) && !moving.contains_key(id)
        };
        let batch = rows.map_or(1, |r| extent(&r));
        let mut wide: HashMap<InputId, Arc<Tensor>> = HashMap::new();
        for (id, tensor) in &descent.feed.inputs {
            if carries_rows(id) && tensor.shape.first() != Some(&batch) {
                wide.insert(*id, tensor.clone());
                let mut shape = tensor.shape.clone();
                if let Some(first) = shape.first_mut() {
                    *first = batch;
                }
                feed.inputs.insert(*id, Arc::new(Tensor::full(shape, 0.0)));
            }
        }
        let steady =
            |id: &&InputId| !wide.contains_key(id) && !descent.scalars.contains(id) && !moving.contains_key(id);
        let fixed = feed.inputs.keys().filter(steady).copied().collect();
        conditions.steady = fixed;
        conditions.steady_draws = true;
        conditions.dense = !sparse;
        conditions.whole = descent.parameters.iter().map(|p| p.1).chain(descent.outputs.iter().copied()).collect();
        for (id, _, values) in &descent.parameters {
            let axes = graph.input_info(*id).map(|i| i.axes.clone()).unwrap_or_default();
            let shape = axes.iter().map(|a| conditions.extents.get(a.id.0 as usize).copied().unwrap_or(1)).collect();
            feed.inputs.insert(*id, Arc::new(Tensor { shape, values: values.clone() }));
        }
        for id in &descent.scalars {
            feed.inputs.entry(*id).or_insert_with(|| Arc::new(Tensor::scalar(0.0)));
        }
        let mut nodes = descent.outputs.clone();
        nodes.extend(descent.parameters.iter().map(|p| p.1));
        let plan = Plan::new(graph, &nodes, &conditions);
        let mut loaded = Loaded::<T>::new(plan, &conditions, isa)?;
        loaded.feed(&feed)?;
        let plan = &loaded.program.plan;
        let slot = |id: &InputId| plan.inputs.iter().find(|s| s.key == *id);
        let start = |buffer: usize| plan.buffers.get(buffer).map_or(0, |b| b.start);
        let with_extents = |axes: &[Axis]| -> Vec<(Axis, usize)> {
            axes.iter().map(|a| (*a, plan.extents.get(a.id.0 as usize).copied().unwrap_or(1))).collect()
        };
        let shape_of = |axes: &[Axis]| -> Vec<usize> { with_extents(axes).iter().map(|a| a.1).collect() };
        let (mut parameters, mut pieces, mut memory) = (vec![], vec![], 0);
        let mut fused: HashMap<usize, Vec<Piece>> = HashMap::new();
        // A gradient that is the last stage's product moves its parameter at once, while it is in the cache: where
        // nothing else in that stage reads the parameter, and no norm has to be known first.
        let products = if descent.clip.is_none() { loaded.program.last_products() } else { vec![] };
        let last = plan.phases.last();
        for ((id, node, values), gradient) in
            descent.parameters.iter().zip(plan.outputs.iter().skip(descent.outputs.len()))
        {
            let Some(slot) = slot(id) else {
                let (shape, idle) = (shape_of(graph.axes_of(*node)), Some(values.clone()));
                parameters.push(Placed { start: 0, size: 0, shape, order: vec![], idle });
                continue;
            };
            let placed = Placed {
                start: start(slot.buffer),
                size: values.len(),
                shape: shape_of(&slot.sorted),
                order: permutation(&slot.sorted, &slot.axes),
                idle: None,
            };
            if gradient.size() != placed.size {
                return Err(backend("a gradient does not have its parameter's shape"));
            }
            let from = start_of(plan, gradient);
            let piece = |range: Range<usize>| Piece {
                parameter: placed.start + range.start,
                gradient: from + range.start,
                memory: memory + range.start,
                len: range.len(),
            };
            let within = |r: &Range<usize>| r.start >= from && r.end <= from + placed.size;
            let tiles: Vec<_> = products.iter().filter(|(_, r)| within(r)).collect();
            let covered = tiles.iter().map(|(_, r)| r.len()).sum::<usize>() == placed.size;
            if covered && last.is_some_and(|p| !p.reads(slot.buffer)) {
                for (task, range) in tiles {
                    let pieces = chunks(range.start - from..range.end - from).map(piece);
                    fused.entry(*task).or_default().extend(pieces);
                }
            } else {
                pieces.extend(chunks(0..placed.size).map(piece));
            }
            memory += placed.size.next_multiple_of(16);
            parameters.push(placed);
        }
        let room =
            |n: usize| Arena::new(n).ok_or_else(|| backend("there is not the memory for the data and the optimiser"));
        let mut tables = vec![];
        for slot in &plan.inputs {
            let Some(tensor) = wide.get(&slot.key) else { continue };
            let width = tensor.shape.iter().skip(1).product();
            let mut values = room(tensor.len())?;
            for (slot, &v) in values.all().iter_mut().zip(&tensor.values) {
                *slot = T::from_f64(v);
            }
            tables.push(Table { values, width, into: start(slot.buffer) });
        }
        let outputs = plan
            .outputs
            .iter()
            .zip(&descent.outputs)
            .map(|(view, &node)| (view.clone(), with_extents(graph.axes_of(node))))
            .collect();
        let scalars = descent.scalars.iter().map(|id| slot(id).map_or(usize::MAX, |s| start(s.buffer))).collect();
        let memory = [room(memory)?, room(if matches!(descent.rule, Rule::Sgd { .. }) { 0 } else { memory })?];
        let squares = Arena::new(pieces.len()).ok_or_else(|| backend("there is not the memory for the optimiser"))?;
        Ok(Self {
            loaded,
            isa,
            rule: descent.rule,
            clip: descent.clip,
            seed: feed.seed,
            outputs,
            scalars,
            parameters,
            pieces,
            fused,
            tables,
            memory,
            squares,
            batch,
            made: 0,
        })
    }

    /// One thread's part in updating the parameters.
    fn update(&self, thread: usize, threads: usize, stride: Stride) -> bool {
        let count = self.pieces.len();
        let own = thread * count / threads..(thread + 1) * count / threads;
        self.move_pieces(self.pieces.get(own).unwrap_or_default(), stride)
    }

    /// Updates some pieces. Whether their gradients were finite.
    fn move_pieces(&self, pieces: &[Piece], stride: Stride) -> bool {
        let arena = &self.loaded.arena;
        let mut finite = true;
        for piece in pieces {
            let second = if matches!(self.rule, Rule::Sgd { .. }) { 0 } else { piece.len };
            // SAFETY: pieces do not overlap, and each is one thread's: its share, or what follows a product that this
            // thread has just made. A barrier parts the update from what reads the parameter, for a stage with
            // something that reads it has none of its pieces.
            let (parameter, gradient, first, second) = unsafe {
                (
                    arena.write(piece.parameter, piece.len),
                    arena.read(piece.gradient, piece.len),
                    self.memory[0].write(piece.memory, piece.len),
                    self.memory[1].write(if second == 0 { 0 } else { piece.memory }, second),
                )
            };
            finite &= optimizer::update(self.isa, self.rule, stride, parameter, gradient, first, second);
        }
        finite
    }

    /// What the gradient is multiplied by so that its norm is at most the limit; all threads call it.
    fn scale(&self, thread: usize, threads: usize, barrier: &Barrier) -> f64 {
        let Some(limit) = self.clip else { return 1.0 };
        let count = self.pieces.len();
        let own = thread * count / threads..(thread + 1) * count / threads;
        for k in own {
            let Some(piece) = self.pieces.get(k) else { continue };
            // SAFETY: gradients are not written now, and each square is one thread's.
            let (gradient, square) =
                unsafe { (self.loaded.arena.read(piece.gradient, piece.len), self.squares.write(k, 1)) };
            square.fill(optimizer::square(self.isa, gradient));
        }
        barrier.wait();
        // SAFETY: written before the barrier, and not again before the next one.
        let norm = unsafe { self.squares.read(0, count) }.iter().sum::<f64>().sqrt();
        if norm.is_finite() && norm > limit { limit / norm } else { 1.0 }
    }

    /// Copies this thread's rows of the batch.
    fn take_rows(&self, thread: usize, threads: usize, rows: &[u64]) {
        let own = thread * rows.len() / threads..(thread + 1) * rows.len() / threads;
        for table in &self.tables {
            for k in own.clone() {
                let row = rows.get(k).map_or(0, |&r| r as usize);
                // Rows lie anywhere: the ones that come are fetched while this one is copied.
                if let Some(&ahead) = rows.get(k + AHEAD) {
                    prefetch(table.values.pointer(ahead as usize * table.width));
                }
                // SAFETY: data are not written; rows of the batch do not overlap, and each is one thread's.
                unsafe {
                    let from = table.values.read(row * table.width, table.width);
                    self.loaded.arena.write(table.into + k * table.width, table.width).copy_from_slice(from);
                }
            }
        }
    }

    /// Makes moves until one is not finite. Returns how many were made and whether all were.
    fn run(&mut self, moves: &[Move], outputs: &mut Vec<f64>) -> Result<(usize, bool), ExecutionError> {
        for m in moves {
            if m.scalars.len() != self.scalars.len() {
                return Err(backend("a step lacks a scalar"));
            }
            let rows = m.rows.as_ref().map_or(0, |r| r.len());
            if !self.tables.is_empty() && rows != self.batch {
                return Err(backend("a batch has another number of rows than was planned for"));
            }
            if let Some(rows) = &m.rows {
                let inside = |t: &Table<T>| rows.iter().all(|&r| (r as usize + 1) * t.width <= t.values.len());
                if !self.tables.iter().all(inside) {
                    return Err(backend("a batch has a row that the data lack"));
                }
            }
        }
        let threads = self.loaded.program.useful_threads(rayon::current_num_threads());
        self.loaded.program.divide(threads);
        self.loaded.prepare(threads);
        let mut scratch = std::mem::take(&mut self.loaded.scratch);
        let failure = Mutex::new(None);
        let barrier = Barrier::new(threads);
        let (good, ready) = (AtomicBool::new(true), self.loaded.ready);
        let collected = Mutex::new((outputs, 0usize));
        let this = &*self;
        together(&mut scratch, threads, |thread, scratch: &mut Scratch<T>| {
            let program = &this.loaded.program;
            let arena = &this.loaded.arena;
            for (k, m) in moves.iter().enumerate() {
                let rows: &[u64] = m.rows.as_ref().map_or(&this.loaded.rows, |r| r.as_slice());
                let key = Key { seed: this.seed, step: m.step, rows };
                if thread == 0 {
                    for (&at, &value) in this.scalars.iter().zip(&m.scalars).filter(|s| *s.0 != usize::MAX) {
                        // SAFETY: the other threads wait at the barrier below.
                        unsafe { arena.write(at, 1) }.fill(T::from_f64(value));
                    }
                }
                this.take_rows(thread, threads, rows);
                barrier.wait();
                if k == 0 && !ready {
                    program.run(Part::Steady, thread, arena, &key, scratch, &barrier, &failure, |_| {});
                }
                let count = this.made + k as u64 + 1;
                program.run(Part::Step, thread, arena, &key, scratch, &barrier, &failure, |task| {
                    if let Some(pieces) = this.fused.get(&task)
                        && !this.move_pieces(pieces, Stride::new(m.rate, count, 1.0))
                    {
                        good.store(false, Ordering::Relaxed);
                    }
                });
                if thread == 0
                    && let Ok(mut collected) = collected.lock()
                {
                    let mut finite = true;
                    for (view, axes) in &this.outputs {
                        let from = collected.0.len();
                        if axes.is_empty() {
                            // SAFETY: no one writes outputs now.
                            let value = unsafe { arena.read(start_of(&program.plan, view), 1) };
                            collected.0.extend(value.iter().map(|v| v.to_f64()));
                        } else {
                            collected.0.extend(read_out(&program.plan, arena, view, axes));
                        }
                        finite &= collected.0.iter().skip(from).all(|v| v.is_finite());
                    }
                    if !finite {
                        good.store(false, Ordering::Relaxed);
                    }
                }
                let scale = this.scale(thread, threads, &barrier);
                let stride = Stride::new(m.rate, count, scale);
                if !this.update(thread, threads, stride) {
                    good.store(false, Ordering::Relaxed);
                }
                barrier.wait();
                let failed = failure.lock().is_ok_and(|f| f.is_some());
                if !good.load(Ordering::Relaxed) || failed {
                    break;
                }
                if thread == 0
                    && let Ok(mut collected) = collected.lock()
                {
                    collected.1 += 1;
                }
                // A flag set in the next step must not be seen in this one.
                barrier.wait();
            }
        });
        let made = collected.into_inner().map_or(0, |c| c.1);
        self.loaded.scratch = scratch;
        self.loaded.ready = true;
        if let Some(e) = failure.into_inner().ok().flatten() {
            return Err(e);
        }
        let finite = good.into_inner();
        self.made += made as u64;
        Ok((made, finite))
    }

    /// What a step changes, to come back to.
    fn snapshot(&mut self) -> (Vec<Vec<T>>, [Vec<T>; 2], u64) {
        let arena = self.loaded.arena.all();
        let take = |p: &Placed| arena.get(p.start..p.start.saturating_add(p.size)).unwrap_or_default().to_vec();
        let values = self.parameters.iter().map(take).collect();
        let [first, second] = &mut self.memory;
        (values, [first.all().to_vec(), second.all().to_vec()], self.made)
    }

    fn restore(&mut self, (values, memory, made): (Vec<Vec<T>>, [Vec<T>; 2], u64)) {
        let arena = self.loaded.arena.all();
        for (p, v) in self.parameters.iter().zip(&values) {
            if let Some(slot) = arena.get_mut(p.start..p.start.saturating_add(v.len())) {
                slot.copy_from_slice(v);
            }
        }
        for (arena, kept) in self.memory.iter_mut().zip(&memory) {
            arena.all().copy_from_slice(kept);
        }
        self.made = made;
    }
}

impl<T: Real> Descending for CpuDescent<T> {
    fn advance(&mut self, moves: &[Move]) -> Result<Advance, ExecutionError> {
        let before = self.snapshot();
        let width: usize = self.outputs.iter().map(|o| o.1.iter().map(|a| a.1).product::<usize>()).sum();
        let mut outputs = Vec::with_capacity(width * moves.len());
        let (made, finite) = self.run(moves, &mut outputs)?;
        if !finite {
            // Noise is keyed and sums have one order, so the steps before come out the same again.
            self.restore(before);
            self.run(moves.get(..made).unwrap_or_default(), &mut vec![])?;
        }
        Ok(Advance { made, outputs, finite })
    }

    fn values(&self) -> Vec<Vec<f64>> {
        let read = |p: &Placed| {
            if let Some(values) = &p.idle {
                return values.clone();
            }
            // SAFETY: no step is being made.
            let values: Vec<f64> =
                unsafe { self.loaded.arena.read(p.start, p.size) }.iter().map(|v| v.to_f64()).collect();
            if p.order.is_sorted() {
                return values;
            }
            // From the layout back to sorted axes.
            let shape: Vec<usize> = p.order.iter().filter_map(|&k| p.shape.get(k).copied()).collect();
            let mut back = vec![0; p.order.len()];
            for (k, &o) in p.order.iter().enumerate() {
                if let Some(slot) = back.get_mut(o) {
                    *slot = k;
                }
            }
            let tensor = Tensor { shape, values };
            tensor.permuted(&back).map_or(tensor.values, |t| t.values)
        };
        self.parameters.iter().map(read).collect()
    }

    fn density(&self) -> Option<f64> {
        let met = self.loaded.scratch.iter().map(Scratch::met);
        let (entries, spikes) = met.fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        (entries > 0).then(|| spikes as f64 / entries as f64)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use fe_graph::Feed;

    use super::*;

    /// Two layers; the second's weights are read on the way back, the gradients of both are products.
    fn network(clip: Option<f64>) -> (Graph, Descent) {
        let (rows, wide, narrow) = (256, 300, 130);
        let mut g = Graph::new();
        let axis = |g: &mut Graph, name: &str, extent| Axis { id: g.add_axis(name, extent), primes: 0 };
        let (n, d) = (axis(&mut g, "N", rows), axis(&mut g, "D", wide));
        let (h, k) = (axis(&mut g, "H", wide), axis(&mut g, "K", narrow));
        let (x_id, x) = g.input("x", &[n, d]);
        let (u_id, u) = g.input("u", &[d, h]);
        let (v_id, v) = g.input("v", &[h, k]);
        let hidden = g.contract(x, u, &[d]);
        let hidden = g.tanh(hidden);
        let out = g.contract(hidden, v, &[h]);
        let square = g.square(out);
        let value = g.sum_all_but(square, &[]);
        let gradient = g.gradient(value, &[u, v]).unwrap();
        let numbers =
            |size: usize, by: f64| (0..size).map(|i| ((i * 37 % 101) as f64 / 50.5 - 1.0) * by).collect::<Vec<_>>();
        let mut feed = Feed { seed: 3, ..Feed::default() };
        feed.inputs.insert(x_id, Arc::new(Tensor::new(vec![rows, wide], numbers(rows * wide, 1.0)).unwrap()));
        feed.extents.insert(n.id, rows);
        feed.rows = Some((n.id, Arc::new((0..rows as u64).collect())));
        let parameters =
            vec![(u_id, gradient[0], numbers(wide * wide, 0.05)), (v_id, gradient[1], numbers(wide * narrow, 0.05))];
        let descent = Descent { outputs: vec![value], parameters, scalars: vec![], rule: Rule::Adam, clip, feed };
        (g, descent)
    }

    #[test]
    fn a_parameter_moved_with_its_gradient_goes_where_it_does_otherwise() {
        fn course<T: Real>(clip: Option<f64>) -> (Vec<f64>, Vec<Vec<f64>>, usize) {
            let (graph, descent) = network(clip);
            let mut descent = CpuDescent::<T>::new(&graph, &descent, Isa::detect(), true).unwrap();
            let moves: Vec<Move> = (0..20).map(|step| Move { step, rate: 1e-3, scalars: vec![], rows: None }).collect();
            let advance = descent.advance(&moves).unwrap();
            let fused = descent.fused.values().flatten().map(|p| p.len).sum();
            (advance.outputs, descent.values(), fused)
        }
        fn agree<T: Real>() {
            // A limit that no norm reaches scales nothing, and every gradient waits for it.
            let (at_once, apart) = (course::<T>(None), course::<T>(Some(1e30)));
            assert_eq!((at_once.2, apart.2), (300 * 300 + 300 * 130, 0));
            assert_eq!((at_once.0, at_once.1), (apart.0, apart.1));
        }
        agree::<f32>();
        agree::<f64>();
    }

    #[test]
    fn a_step_that_is_not_finite_is_taken_back() {
        let (graph, descent) = network(None);
        let mut engine = CpuDescent::<f32>::new(&graph, &descent, Isa::detect(), true).unwrap();
        let step = |step, rate| Move { step, rate, scalars: vec![], rows: None };
        engine.advance(&[step(0, 1e-3)]).unwrap();
        let good = engine.values();
        // So long a step that the next gradient overflows.
        let advance = engine.advance(&[step(1, 1e30), step(2, 1e-3)]).unwrap();
        assert!(!advance.finite && advance.made <= 1);
        if advance.made == 0 {
            assert_eq!(engine.values(), good);
        }
        assert!(engine.values().iter().flatten().all(|v| v.is_finite()));
    }
}
