//! A plan made ready: its work with places in memory, divided in tasks, run by threads in step.

use std::ops::Range;
use std::sync::Mutex;

use fe_graph::plan::{Cost, Load, PANEL, Phase, Plan, Product, Region, View, Work};
use fe_graph::{Axis, ExecutionError};

use crate::arena::Arena;
use crate::factor::BoundFactor;
use crate::index::{Gather, Overlay, Scatter};
use crate::isa::Isa;
use crate::math::Real;
use crate::product::{BoundProduct, Workspace};
use crate::random::{BoundArrivals, BoundNoise, Key};
use crate::region::{BLOCK, BoundRegion};
use crate::sampling::ArrivalScratch;
use crate::scan::{BoundScan, Setting};
use crate::tape::{self, Tape};
use crate::team::{Barrier, divide};

/// Multiplications of a tile of a large product, about: enough that dividing costs nothing.
const TILE: usize = 1 << 21;

/// Tiles of a product, at most. Fixed, so that no number depends on how many threads there are.
const TILES: usize = 8;

/// Rows of a tile, about, at least: each tile copies the right operand for itself.
const TILE_ROWS: usize = 128;

/// Work that costs less than this, in additions, is not worth a second thread.
const WORTH_DIVIDING: f64 = 200_000.0;

enum Kernel<T> {
    Region(BoundRegion<T>),
    Product(BoundProduct),
    Noise(BoundNoise),
    Arrivals(BoundArrivals),
    Gather(Gather),
    Scatter(Scatter),
    Overlay(Overlay),
    Factor(BoundFactor),
    Scan(Box<Mutex<BoundScan<T>>>),
    Tape(Tape<T>),
}

/// Work that one thread does without waiting.
struct Task<T> {
    kernels: Vec<Kernel<T>>,
    cost: f64,
}

struct Stage<T> {
    /// Panels, which stay with a thread.
    panels: Vec<Task<T>>,
    /// The rest.
    others: Vec<Task<T>>,
    /// For each thread, its tasks: the panels' numbers first, then the others'.
    shares: Vec<Vec<usize>>,
}

impl<T> Stage<T> {
    fn kernels(&self) -> impl Iterator<Item = &Kernel<T>> {
        self.panels.iter().chain(&self.others).flat_map(|t| &t.kernels)
    }
}

/// Memory of one thread.
pub struct Scratch<T> {
    registers: Vec<T>,
    arrivals: ArrivalScratch<T>,
    totals: Vec<f64>,
    places: Vec<usize>,
    sums: Vec<f64>,
    workspace: Workspace,
}

/// A plan with its work bound to memory.
pub struct Program<T> {
    pub plan: Plan,
    steady: Vec<Stage<T>>,
    stages: Vec<Stage<T>>,
    registers: usize,
    sums: usize,
    /// Whether there are products.
    multiplies: bool,
    /// Elements of memory: the plan's, and the tapes' own after it.
    pub memory: usize,
    /// The number of threads that the shares are for.
    threads: usize,
    /// Additions of one run, about.
    pub cost: f64,
    isa: Isa,
}

/// A part of a program's phases.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Values that follow from steady inputs.
    Steady,
    /// Values that change at every run.
    Step,
}

fn price(cost: Cost) -> f64 {
    // A matrix product's additions run in vectors of sixteen or so; a loop's cost more for their loads and stores.
    cost.product_flops as f64 / 2.0 + cost.element_flops as f64 * 2.0 + cost.moved as f64
}

impl<T> Scratch<T> {
    /// Entries of sampled counts that products looked at, and how many of them were not 0.
    pub fn met(&self) -> (u64, u64) {
        (self.workspace.entries, self.workspace.spikes)
    }
}

impl<T: Real> Program<T> {
    /// Binds a plan.
    ///
    /// # Errors
    /// When the body of a loop cannot be set up.
    pub fn new(plan: Plan, setting: Setting) -> Result<Self, ExecutionError> {
        let (memory, isa) = (plan.arena, setting.isa);
        let mut program = Self {
            plan,
            steady: vec![],
            stages: vec![],
            registers: 0,
            sums: 0,
            multiplies: false,
            memory,
            threads: 0,
            cost: 0.0,
            isa,
        };
        program.cost = program.plan.phases.iter().map(|p| price(p.cost())).sum();
        for (phases, steady) in [(&program.plan.steady, true), (&program.plan.phases, false)] {
            let mut stages = vec![];
            for phase in phases {
                stages.push(stage(&program.plan, phase, setting, &mut program.memory)?);
            }
            for kernel in stages.iter().flat_map(Stage::kernels) {
                match kernel {
                    Kernel::Region(region) => {
                        program.registers = program.registers.max(region.registers);
                        program.sums = program.sums.max(region.sums);
                    }
                    Kernel::Product(_) => program.multiplies = true,
                    _ => {}
                }
            }
            if steady {
                program.steady = stages;
            } else {
                program.stages = stages;
            }
        }
        Ok(program)
    }

    /// Puts the numbers that work reads into memory.
    pub fn settle(&self, memory: &mut [T]) {
        for buffer in &self.plan.buffers {
            let content = buffer.content.iter().flat_map(|c| &c.values);
            for (slot, &v) in memory.iter_mut().skip(buffer.start).take(buffer.size).zip(content) {
                *slot = T::from_f64(v);
            }
        }
        for kernel in self.steady.iter().chain(&self.stages).flat_map(Stage::kernels) {
            if let Kernel::Tape(tape) = kernel {
                tape.settle(memory);
            }
        }
    }

    /// The number of these threads that are worth waking.
    pub fn useful_threads(&self, threads: usize) -> usize {
        if self.cost < WORTH_DIVIDING { 1 } else { threads.max(1) }
    }

    /// Divides the work among threads; the numbers do not depend on it.
    pub fn divide(&mut self, threads: usize) {
        if self.threads == threads {
            return;
        }
        self.threads = threads;
        for stage in self.steady.iter_mut().chain(&mut self.stages) {
            let costs = |tasks: &[Task<T>]| tasks.iter().map(|t| t.cost).collect::<Vec<_>>();
            stage.shares = divide(&costs(&stage.panels), &costs(&stage.others), threads);
        }
    }

    /// Memory for a thread.
    pub fn scratch(&self) -> Scratch<T> {
        Scratch {
            registers: vec![T::ZERO; self.registers * BLOCK],
            arrivals: ArrivalScratch::default(),
            totals: vec![],
            places: vec![],
            sums: vec![0.0; self.sums],
            workspace: if self.multiplies { Workspace::new() } else { Workspace::default() },
        }
    }

    /// The tasks of the last stage that are one product each, by number, with the places of their results.
    pub fn last_products(&self) -> Vec<(usize, Range<usize>)> {
        let Some(stage) = self.stages.last() else { return vec![] };
        let numbered = stage.panels.iter().chain(&stage.others).enumerate();
        let product = |task: &Task<T>| match task.kernels.as_slice() {
            [Kernel::Product(p)] => p.result(),
            _ => None,
        };
        numbered.filter_map(|(k, task)| Some((k, product(task)?))).collect()
    }

    /// One thread's share of a part; all threads call it. The first failure is left in `failure`. `done` is told the
    /// number of each task of the last stage, right after it.
    #[allow(clippy::too_many_arguments)]
    pub fn run(
        &self,
        part: Part,
        thread: usize,
        arena: &Arena<T>,
        key: &Key,
        scratch: &mut Scratch<T>,
        barrier: &Barrier,
        failure: &Mutex<Option<ExecutionError>>,
        mut done: impl FnMut(usize),
    ) {
        let stages = if part == Part::Steady { &self.steady } else { &self.stages };
        for (k, stage) in stages.iter().enumerate() {
            for &number in stage.shares.get(thread).map_or(&[][..], Vec::as_slice) {
                let task =
                    stage.panels.get(number).or_else(|| stage.others.get(number.wrapping_sub(stage.panels.len())));
                for kernel in task.iter().flat_map(|t| &t.kernels) {
                    if let Err(e) = self.kernel(kernel, arena, key, scratch)
                        && let Ok(mut slot) = failure.lock()
                    {
                        slot.get_or_insert(e);
                    }
                }
                if k + 1 == stages.len() {
                    done(number);
                }
            }
            barrier.wait();
        }
    }

    /// All work of a part on this thread, for a program inside of another one.
    ///
    /// # Errors
    /// The first failure of its work.
    pub fn run_alone(
        &self,
        part: Part,
        arena: &Arena<T>,
        key: &Key,
        scratch: &mut Scratch<T>,
    ) -> Result<(), ExecutionError> {
        let stages = if part == Part::Steady { &self.steady } else { &self.stages };
        stages.iter().flat_map(Stage::kernels).try_for_each(|kernel| self.kernel(kernel, arena, key, scratch))
    }

    fn kernel(
        &self,
        kernel: &Kernel<T>,
        arena: &Arena<T>,
        key: &Key,
        scratch: &mut Scratch<T>,
    ) -> Result<(), ExecutionError> {
        match kernel {
            Kernel::Region(r) => r.run(self.isa, arena, &mut scratch.registers, &mut scratch.sums),
            Kernel::Product(p) => p.run(self.isa, arena, &mut scratch.workspace),
            Kernel::Tape(t) => t.run(self.isa, arena),
            Kernel::Noise(n) => n.run(self.isa, arena, key),
            Kernel::Arrivals(a) => a.run(self.isa, arena, key, &mut scratch.arrivals),
            Kernel::Gather(g) => g.run(arena, &mut scratch.totals, &mut scratch.places)?,
            Kernel::Scatter(s) => s.run(arena, &mut scratch.totals, &mut scratch.places)?,
            Kernel::Overlay(o) => o.run(arena),
            Kernel::Factor(f) => f.run(arena, &mut scratch.totals),
            Kernel::Scan(scan) => {
                if let Ok(mut scan) = scan.lock() {
                    scan.run(arena, key)?;
                }
            }
        }
        Ok(())
    }
}

/// A panel of the parallel axis.
struct Panel<'a> {
    axis: Axis,
    number: usize,
    rows: &'a Range<usize>,
    /// Rows of all panels.
    all: usize,
}

impl Panel<'_> {
    fn view(&self, view: &View) -> View {
        let mut view = view.range(self.axis, self.rows);
        if view.dim(PANEL).is_some() {
            view = view.at(PANEL, self.number);
        }
        view
    }

    fn region(&self, region: &Region) -> Region {
        let mut region = region.clone();
        for (axis, extent) in &mut region.space {
            if *axis == self.axis {
                *extent = self.rows.len();
            }
        }
        for load in &mut region.loads {
            if let Load::View(view) = load {
                *view = self.view(view);
            }
        }
        for store in &mut region.stores {
            store.1 = self.view(&store.1);
        }
        for fold in &mut region.folds {
            fold.into = self.view(&fold.into);
        }
        region
    }

    fn product(&self, product: &Product) -> Product {
        let mut product = product.clone();
        product.left = self.view(&product.left);
        product.right = self.view(&product.right);
        product.into = self.view(&product.into);
        product.mask = product.mask.as_ref().map(|m| self.view(m));
        let Product { outer, summed, m, n, k, .. } = &mut product;
        for l in outer.iter_mut().chain(summed).chain([m, n, k]).filter(|l| l.axis == self.axis) {
            l.extent = l.extent / self.all.max(1) * self.rows.len();
        }
        product
    }
}

fn bind<T: Real>(
    plan: &Plan,
    work: &Work,
    setting: Setting,
    panel: Option<&Panel>,
) -> Result<Kernel<T>, ExecutionError> {
    let rows = setting.rows;
    let view = |v: &View| panel.map_or_else(|| v.clone(), |p| p.view(v));
    let range = panel.filter(|p| Some(p.axis) == rows).map(|p| p.rows);
    Ok(match work {
        Work::Region(r) => Kernel::Region(BoundRegion::bind(plan, &panel.map_or_else(|| r.clone(), |p| p.region(r)))),
        Work::Product(p) => {
            Kernel::Product(BoundProduct::bind(plan, &panel.map_or_else(|| p.clone(), |x| x.product(p))))
        }
        Work::Noise { kind, site, into } => {
            Kernel::Noise(BoundNoise::bind(plan, (*kind, *site), &view(into), rows, range))
        }
        Work::Arrivals { indicator, site, rate, temperature, into } => {
            let into: Vec<(u8, View)> = into.iter().map(|(k, v)| (*k, view(v))).collect();
            let operands = (&view(rate), &view(temperature));
            Kernel::Arrivals(BoundArrivals::bind(plan, (*indicator, *site), operands, &into, rows, range))
        }
        Work::Gather { from, index, axis, extent, into, origin } => {
            // Rows picked along the parallel axis itself are never divided.
            Kernel::Gather(Gather::bind(plan, &view(from), &view(index), *axis, *extent, &view(into), *origin))
        }
        Work::Scatter { from, index, axis, extent, over, into, origin } => {
            let (from, index, into) = (view(from), view(index), view(into));
            Kernel::Scatter(Scatter::bind(plan, &from, &index, (*axis, *extent), over, &into, *origin))
        }
        Work::Overlay { from, onto, into } => {
            Kernel::Overlay(Overlay::bind(plan, &view(from), &view(onto), &view(into)))
        }
        Work::Factor { kind, row, column, from, into } => {
            Kernel::Factor(BoundFactor::bind(plan, *kind, (*row, *column), from, into))
        }
        Work::Scan { scan, operands, into } => {
            let operands: Vec<View> = operands.iter().map(view).collect();
            let into: Vec<(usize, View)> = into.iter().map(|(k, v)| (*k, view(v))).collect();
            let panel = panel.map(|p| (p.axis, p.rows));
            Kernel::Scan(Box::new(Mutex::new(BoundScan::bind(plan, scan, &operands, &into, setting, panel)?)))
        }
    })
}

/// Work that runs once, small work one after another as tapes, whose registers begin at `memory`.
fn once<T: Real>(
    plan: &Plan,
    works: &[Work],
    setting: Setting,
    memory: &mut usize,
) -> Result<Vec<Kernel<T>>, ExecutionError> {
    let (mut kernels, mut rest) = (vec![], works);
    while let Some((first, after)) = rest.split_first() {
        if let Some((tape, done)) = tape::compile(plan, rest, *memory) {
            *memory = tape.reach();
            kernels.push(Kernel::Tape(tape));
            rest = rest.get(done..).unwrap_or_default();
        } else {
            kernels.push(bind(plan, first, setting, None)?);
            rest = after;
        }
    }
    Ok(kernels)
}

fn stage<T: Real>(
    plan: &Plan,
    phase: &Phase,
    setting: Setting,
    memory: &mut usize,
) -> Result<Stage<T>, ExecutionError> {
    let mut stage = Stage { panels: vec![], others: vec![], shares: vec![] };
    if let (Some((axis, ranges)), false) = (&plan.parallel, phase.rows.is_empty()) {
        let all = ranges.last().map_or(0, |r| r.end);
        let total: f64 = phase.rows.iter().map(|w| price(w.cost())).sum();
        for (number, range) in ranges.iter().enumerate() {
            let panel = Panel { axis: *axis, number, rows: range, all };
            let kernels: Result<Vec<_>, _> = phase.rows.iter().map(|w| bind(plan, w, setting, Some(&panel))).collect();
            let cost = total * range.len() as f64 / all.max(1) as f64;
            stage.panels.push(Task { kernels: kernels?, cost });
        }
    }
    if !phase.once.is_empty() {
        let cost = phase.once.iter().map(|w| price(w.cost())).sum();
        stage.others.push(Task { kernels: once(plan, &phase.once, setting, memory)?, cost });
    }
    for product in &phase.tiled {
        let whole = BoundProduct::bind(plan, product);
        let m = whole.height();
        let tiles = (whole.size() / TILE).min(m / TILE_ROWS).clamp(1, TILES);
        for k in 0..tiles {
            let tile = whole.rows(&(k * m / tiles..(k + 1) * m / tiles));
            let cost = tile.size() as f64;
            stage.others.push(Task { kernels: vec![Kernel::Product(tile)], cost });
        }
    }
    Ok(stage)
}
