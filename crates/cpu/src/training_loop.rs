//! Training loops without leaving the plan: parameters, their memory and the data stay in place, and every thread runs
//! every step of a call.

#![allow(unsafe_code)]

mod placement;

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use fe_graph::plan::{Plan, View};
use fe_graph::training::{Advance, Rule, Trainer, TrainerState, TrainingLoop, TrainingStep};
use fe_graph::{Axis, ExecutionError, Graph, Origin, Tensor};

use self::placement::{Inputs, Piece, Placed, Placement, Table, room, slot, start_of_buffer, tables, with_extents};
use crate::arena::Arena;
use crate::executor::{Loaded, together};
use crate::index::read_out;
use crate::isa::Isa;
use crate::math::Real;
use crate::optimizer::{self, Stride};
use crate::program::{Part, Scratch};
use crate::random::Key;
use crate::region::start_of;
use crate::team::Barrier;

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

/// A training loop on this machine's cores.
pub struct CpuTrainer<T> {
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
    /// Sampled counts that products met before this loop went on from a state, and those of them that were not 0.
    counts: [u64; 2],
}

fn backend(message: &str) -> ExecutionError {
    ExecutionError::Backend { message: message.into(), origin: Origin::default() }
}

impl<T: Real> CpuTrainer<T> {
    /// Plans a training loop.
    ///
    /// # Errors
    /// When an input is missing or misshapen, or there is not the memory.
    pub fn new(graph: &Graph, training: &TrainingLoop, isa: Isa, sparse: bool) -> Result<Self, ExecutionError> {
        let Inputs { conditions, feed, wide, batch } = Inputs::new(graph, training, sparse);
        let mut nodes = training.outputs.clone();
        nodes.extend(training.parameters.iter().map(|p| p.1));
        let mut loaded = Loaded::<T>::new(Plan::new(graph, &nodes, &conditions), &conditions, isa)?;
        loaded.feed(&feed)?;
        let plan = &loaded.program.plan;
        // With a limit the norm has to be known before anything moves.
        let products = if training.clip.is_none() { loaded.program.last_products() } else { vec![] };
        let Placement { parameters, pieces, fused, memory } = Placement::new(graph, training, plan, &products)?;
        let tables = tables(plan, &wide)?;
        let outputs = plan
            .outputs
            .iter()
            .zip(&training.outputs)
            .map(|(view, &node)| (view.clone(), with_extents(plan, graph.axes_of(node))))
            .collect();
        let place = |id| slot(plan, id).map_or(usize::MAX, |s| start_of_buffer(plan, s.buffer));
        let scalars = training.scalars.iter().map(place).collect();
        let memory = [room(memory)?, room(if matches!(training.rule, Rule::Sgd { .. }) { 0 } else { memory })?];
        let squares = Arena::new(pieces.len()).ok_or_else(|| backend("there is not the memory for the optimiser"))?;
        Ok(Self {
            isa,
            rule: training.rule,
            clip: training.clip,
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
            counts: [0; 2],
            loaded,
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

    /// The factor that brings the norm of the gradient to the limit at most; all threads call it.
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

    /// Makes steps until one is not finite. Returns how many were made, and whether all were.
    fn run(&mut self, steps: &[TrainingStep], outputs: &mut Vec<f64>) -> Result<(usize, bool), ExecutionError> {
        for step in steps {
            if step.scalars.len() != self.scalars.len() {
                return Err(backend("a step lacks a scalar"));
            }
            let rows = step.rows.as_ref().map_or(0, |r| r.len());
            if !self.tables.is_empty() && rows != self.batch {
                return Err(backend("a batch has another number of rows than was planned for"));
            }
            if let Some(rows) = &step.rows {
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
            for (k, step) in steps.iter().enumerate() {
                let rows: &[u64] = step.rows.as_ref().map_or(&this.loaded.rows, |r| r.as_slice());
                let key = Key { seed: this.seed, step: step.step, rows };
                if thread == 0 {
                    for (&at, &value) in this.scalars.iter().zip(&step.scalars).filter(|s| *s.0 != usize::MAX) {
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
                        && !this.move_pieces(pieces, Stride::new(step.rate, count, 1.0))
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
                let stride = Stride::new(step.rate, count, scale);
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

    /// A copy of all that a step changes, to come back to.
    fn snapshot(&mut self) -> (Vec<Vec<T>>, [Vec<T>; 2], u64) {
        let arena = self.loaded.arena.all();
        let take = |p: &Placed| arena.get(p.start..p.start.saturating_add(p.size)).unwrap_or_default().to_vec();
        let values = self.parameters.iter().map(take).collect();
        let [first, second] = &mut self.memory;
        (values, [first.all().to_vec(), second.all().to_vec()], self.made)
    }

    fn take_back(&mut self, (values, memory, made): (Vec<Vec<T>>, [Vec<T>; 2], u64)) {
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

    /// Sampled counts that products have met, and those of them that were not 0.
    fn counted(&self) -> [u64; 2] {
        let met = self.loaded.scratch.iter().map(Scratch::met);
        met.fold(self.counts, |[entries, spikes], met| [entries.wrapping_add(met.0), spikes.wrapping_add(met.1)])
    }
}

impl<T: Real> Trainer for CpuTrainer<T> {
    fn advance(&mut self, steps: &[TrainingStep]) -> Result<Advance, ExecutionError> {
        let before = self.snapshot();
        let width: usize = self.outputs.iter().map(|o| o.1.iter().map(|a| a.1).product::<usize>()).sum();
        let mut outputs = Vec::with_capacity(width * steps.len());
        let (made, finite) = self.run(steps, &mut outputs)?;
        if !finite {
            // Noise is keyed and sums have one order, so the steps before come out the same again.
            self.take_back(before);
            self.run(steps.get(..made).unwrap_or_default(), &mut vec![])?;
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

    fn state(&mut self) -> TrainerState {
        let counts = self.counted();
        let (values, [first, second], made) = self.snapshot();
        // What has fewer digits comes back from 64 bits as it was.
        let wide = |part: &Vec<T>| part.iter().map(|v| v.to_f64()).collect();
        TrainerState { values: values.iter().map(wide).collect(), memory: [wide(&first), wide(&second)], made, counts }
    }

    fn restore(&mut self, state: &TrainerState) -> Result<(), ExecutionError> {
        let (values, memory, _) = self.snapshot();
        let lengths = |parts: &[Vec<T>]| parts.iter().map(Vec::len).collect::<Vec<_>>();
        let given = |parts: &[Vec<f64>]| parts.iter().map(Vec::len).collect::<Vec<_>>();
        if lengths(&values) != given(&state.values) || lengths(&memory) != given(&state.memory) {
            return Err(backend("the state is not of this training loop"));
        }
        let narrow = |part: &Vec<f64>| part.iter().map(|&v| T::from_f64(v)).collect();
        let [first, second] = &state.memory;
        let memory = [narrow(first), narrow(second)];
        self.take_back((state.values.iter().map(narrow).collect(), memory, state.made));
        // Those that this loop has met by itself are in the state's already.
        self.counts = [0; 2];
        let ([entries, spikes], [all, of_them]) = (self.counted(), state.counts);
        self.counts = [all.wrapping_sub(entries), of_them.wrapping_sub(spikes)];
        Ok(())
    }

    fn nonzero_fraction(&self) -> Option<f64> {
        let [entries, spikes] = self.counted();
        (entries > 0).then(|| spikes as f64 / entries as f64)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::sync::Arc;

    use fe_graph::Feed;

    use super::*;

    /// Two layers; the second's weights are read on the way back, the gradients of both are products.
    fn network(clip: Option<f64>) -> (Graph, TrainingLoop) {
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
        let training = TrainingLoop { outputs: vec![value], parameters, scalars: vec![], rule: Rule::Adam, clip, feed };
        (g, training)
    }

    #[test]
    fn a_parameter_moved_with_its_gradient_goes_where_it_does_otherwise() {
        fn course<T: Real>(clip: Option<f64>) -> (Vec<f64>, Vec<Vec<f64>>, usize) {
            let (graph, training) = network(clip);
            let mut training = CpuTrainer::<T>::new(&graph, &training, Isa::detect(), true).unwrap();
            let steps: Vec<TrainingStep> =
                (0..20).map(|step| TrainingStep { step, rate: 1e-3, scalars: vec![], rows: None }).collect();
            let advance = training.advance(&steps).unwrap();
            let fused = training.fused.values().flatten().map(|p| p.len).sum();
            (advance.outputs, training.values(), fused)
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
        let (graph, training) = network(None);
        let mut engine = CpuTrainer::<f32>::new(&graph, &training, Isa::detect(), true).unwrap();
        let step = |step, rate| TrainingStep { step, rate, scalars: vec![], rows: None };
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
