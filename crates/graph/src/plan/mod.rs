//! Planning: what is computed when, in which loop, and where it is kept, for given extents.
//!
//! One axis, the rows of a batch or the Monte Carlo samples, is cut into a fixed number of panels. What is computed for
//! each row runs panel by panel; what is not runs once; large products without rows run in tiles. A [`Phase`] holds
//! work of all three kinds that can run at the same time, and phases follow one another. Element-wise operations and
//! the sums at their ends are fused to [`Region`]s. Renamed, broadcast, reshaped and sliced values are views and cost
//! nothing.
//!
//! A plan depends on the graph and on the extents only, never on the number of threads: so neither do the numbers.

mod fuse;
mod lower;
mod memory;
mod schedule;
mod show;
mod view;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use crate::axis::Axis;
use crate::graph::{Graph, InputId, NodeId};
use crate::op::{Binary, Factor, Indicator, NoiseKind, Origin, Site, Unary};
use crate::scan::Scan;
use crate::tensor::Tensor;

pub use memory::permutation;
pub use show::Cost;
pub use view::{Dim, View};

/// A place in [`Plan::buffers`].
pub type BufferId = usize;

/// The conditions of the runs that a plan is made for.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// The extent of every axis of the graph.
    pub extents: Vec<usize>,
    /// The axis of data rows.
    pub rows: Option<Axis>,
    /// Sites whose draws are given.
    pub drawn: HashSet<Site>,
    /// Inputs that stay the same from run to run; what follows from them alone is computed when they change.
    pub steady: HashSet<InputId>,
    /// Whether given draws stay the same too.
    pub steady_draws: bool,
    /// Products with counts run over zeros too.
    pub dense: bool,
    /// Outputs that are wanted in memory of their own, contiguous over all their axes.
    pub whole: HashSet<NodeId>,
    /// Nothing is divided in panels: the plan runs on one thread inside of another.
    pub undivided: bool,
    /// An axis that is laid out before others, as those of loops are.
    pub first: Option<Axis>,
}

/// Contiguous memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffer {
    /// Elements.
    pub size: usize,
    /// Place of the first element in the arena, in elements.
    pub start: usize,
    /// Numbers it holds from the beginning.
    pub content: Option<Arc<Tensor>>,
    /// The origin of its values.
    pub origin: Origin,
}

/// The place of a tensor that is given, row-major over `axes`.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot<K> {
    /// The input or the site.
    pub key: K,
    /// As reported.
    pub name: String,
    /// Its axes, sorted, in which order it is given.
    pub sorted: Vec<Axis>,
    /// The order in which it is laid out, without axes of extent 1: the parallel axis first, then those of loops.
    pub axes: Vec<Axis>,
    /// Whether it was said to stay the same.
    pub steady: bool,
    /// The buffer.
    pub buffer: BufferId,
    /// Its origin in the program.
    pub origin: Origin,
}

/// An element-wise operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Map {
    /// The operand itself, laid out anew.
    Copy,
    /// Of one operand.
    Unary(Unary),
    /// Of two.
    Binary(Binary),
    /// Second operand where the first is not 0, else the third.
    Select,
}

/// A way of folding values to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fold {
    /// Σ
    Sum,
    /// max
    Max,
}

/// An operand that a region reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Load {
    /// The same number everywhere.
    Number(f64),
    /// A view whose dimensions are among those of the region's space.
    View(View),
}

/// One instruction of a region. Operands are numbered: the loads first, then the instructions.
#[derive(Clone, Debug, PartialEq)]
pub struct Instruction {
    /// The operation.
    pub map: Map,
    /// Its operands.
    pub operands: Vec<usize>,
}

/// A fold at the end of a region.
#[derive(Clone, Debug, PartialEq)]
pub struct Folding {
    /// The operand folded.
    pub value: usize,
    /// How.
    pub fold: Fold,
    /// The last dimensions of the space go, or else the first; how many.
    pub last: bool,
    /// Number of dimensions that are folded.
    pub count: usize,
    /// The result, over the dimensions that stay. In a panel's fold over its rows it has the panel axis.
    pub into: View,
}

/// Fused element-wise operations over one space, in one pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// The axes looped over, outermost first.
    pub space: Vec<(Axis, usize)>,
    /// Operands that are read.
    pub loads: Vec<Load>,
    /// Instructions, in order.
    pub code: Vec<Instruction>,
    /// Operands that are stored: value and place, contiguous over the space.
    pub stores: Vec<(usize, View)>,
    /// Values that are folded.
    pub folds: Vec<Folding>,
}

/// One group of axes of a matrix product, the innermost last; strides in the left operand, the right, and the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loop {
    /// The axis; of merged axes, the outermost.
    pub axis: Axis,
    /// Iterations.
    pub extent: usize,
    /// Strides in left, right and result; 0 where it lacks the axis.
    pub strides: [usize; 3],
}

/// Σ of products over shared axes: result[batch, m, n] = Σₖ left[batch, m, k] · right[batch, n, k].
#[derive(Clone, Debug, PartialEq)]
pub struct Product {
    /// Left operand.
    pub left: View,
    /// Right operand.
    pub right: View,
    /// The place of the result.
    pub into: View,
    /// Axes of both operands and the result, and those of either side that could not be merged.
    pub outer: Vec<Loop>,
    /// Summed axes that could not be merged.
    pub summed: Vec<Loop>,
    /// Rows of the result.
    pub m: Loop,
    /// Columns of the result.
    pub n: Loop,
    /// Summed.
    pub k: Loop,
    /// The left operand is a sampled count, most of it exactly 0.
    pub sparse: bool,
    /// Laid out as the result, which is used only where this is not 0.
    pub mask: Option<View>,
}

/// One piece of work.
#[derive(Clone, Debug)]
pub enum Work {
    /// A fused loop.
    Region(Region),
    /// A matrix product.
    Product(Product),
    /// Standard noise over a contiguous view.
    Noise {
        /// Its distribution.
        kind: NoiseKind,
        /// Its name.
        site: Site,
        /// The place of the result.
        into: View,
    },
    /// Poisson counts by arrivals, and their derivatives.
    Arrivals {
        /// g
        indicator: Indicator,
        /// Its name.
        site: Site,
        /// Log rates, laid out as the results.
        rate: View,
        /// The temperature, of no axes.
        temperature: View,
        /// For each order its result, all laid out alike.
        into: Vec<(u8, View)>,
    },
    /// Picks along an axis.
    Gather {
        /// x
        from: View,
        /// The index.
        index: View,
        /// The axis of x.
        axis: Axis,
        /// Its extent.
        extent: usize,
        /// The place of the result.
        into: View,
        /// Its origin in the program.
        origin: Origin,
    },
    /// Adds at an index along an axis of the result.
    Scatter {
        /// u
        from: View,
        /// The index.
        index: View,
        /// The axis of the result.
        axis: Axis,
        /// Its extent.
        extent: usize,
        /// Axes of u summed away.
        over: Vec<Axis>,
        /// The place of the result.
        into: View,
        /// Its origin in the program.
        origin: Origin,
    },
    /// Adds what lies one over another.
    Overlay {
        /// What is added.
        from: View,
        /// Its places in the result, over its own axes.
        onto: View,
        /// The place of the result.
        into: View,
    },
    /// Matrices replaced by their factors.
    Factor {
        /// Which.
        kind: Factor,
        /// Rows.
        row: Axis,
        /// Columns.
        column: Axis,
        /// The matrices.
        from: View,
        /// The places of the results.
        into: View,
    },
    /// A loop.
    Scan {
        /// Its body.
        scan: Arc<Scan>,
        /// Carries, then scanned tensors, then constants.
        operands: Vec<View>,
        /// The results that are used.
        into: Vec<(usize, View)>,
    },
}

/// Work that can run at the same time.
#[derive(Clone, Debug, Default)]
pub struct Phase {
    /// For each panel of rows, in this order.
    pub rows: Vec<Work>,
    /// Once, in this order.
    pub once: Vec<Work>,
    /// Products in tiles of their rows, each independent of the others.
    pub tiled: Vec<Product>,
}

impl Work {
    /// The buffers that it reads.
    pub fn operands(&self) -> Vec<&View> {
        match self {
            Self::Region(r) => {
                r.loads.iter().filter_map(|l| if let Load::View(v) = l { Some(v) } else { None }).collect()
            }
            Self::Product(p) => [&p.left, &p.right].into_iter().chain(&p.mask).collect(),
            Self::Noise { .. } => vec![],
            Self::Arrivals { rate, temperature, .. } => vec![rate, temperature],
            Self::Gather { from, index, .. } | Self::Scatter { from, index, .. } => vec![from, index],
            Self::Overlay { from, .. } | Self::Factor { from, .. } => vec![from],
            Self::Scan { operands, .. } => operands.iter().collect(),
        }
    }
}

impl Phase {
    /// Whether anything in it reads a buffer.
    pub fn reads(&self, buffer: BufferId) -> bool {
        let tiled = self.tiled.iter().flat_map(|p| [&p.left, &p.right].into_iter().chain(&p.mask));
        let works = self.rows.iter().chain(&self.once).flat_map(Work::operands);
        works.chain(tiled).any(|v| v.buffer == buffer)
    }
}

/// A plan.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The extent of every axis of the graph.
    pub extents: Vec<usize>,
    /// The axis cut into panels, and its pieces.
    pub parallel: Option<(Axis, Vec<Range<usize>>)>,
    /// Memory.
    pub buffers: Vec<Buffer>,
    /// Elements of all buffers.
    pub arena: usize,
    /// The places of inputs.
    pub inputs: Vec<Slot<InputId>>,
    /// The places of draws that are given.
    pub draws: Vec<Slot<Site>>,
    /// Work that is done when steady inputs change.
    pub steady: Vec<Phase>,
    /// Work that is done at every run.
    pub phases: Vec<Phase>,
    /// The places of the outputs.
    pub outputs: Vec<View>,
}

/// The axis of panels: it numbers the pieces of the parallel axis, and no graph has it.
pub const PANEL: Axis = Axis { id: crate::axis::AxisId(u32::MAX), primes: 0 };

/// Rows of a panel, at least.
const PANEL_ROWS: usize = 64;

/// Panels, at most. Fixed, so that sums over panels are the same at any number of threads.
const PANELS: usize = 8;

/// Lanes of a vector. Buffers start at multiples of this many elements, a cache line of f32, and own what lies beyond
/// them up to the end of a vector that begins with their last element.
pub const ALIGNMENT: usize = 16;

/// Folds of one region, at most.
pub const FOLDS: usize = 32;

/// The axis that work is divided over: the longer one of samples and data rows, where it is worth dividing.
fn parallel_axis(conditions: &Conditions) -> Option<(Axis, Vec<Range<usize>>)> {
    let extent = |a: Axis| conditions.extents.get(a.id.0 as usize).copied().unwrap_or(1);
    let samples = (Axis::SAMPLE, extent(Axis::SAMPLE));
    let rows = conditions.rows.map_or((Axis::SAMPLE, 0), |a| (a, extent(a)));
    let (axis, count) = if rows.1 >= samples.1 { rows } else { samples };
    if count < PANEL_ROWS || conditions.undivided {
        return None;
    }
    let panels = (count / PANEL_ROWS).next_multiple_of(2).min(PANELS);
    Some((axis, (0..panels).map(|k| k * count / panels..(k + 1) * count / panels).collect()))
}

impl Plan {
    /// Plans some outputs of a graph.
    pub fn new(graph: &Graph, outputs: &[NodeId], conditions: &Conditions) -> Self {
        let parallel = parallel_axis(conditions);
        let lowered = lower::lower(graph, outputs, conditions, parallel.as_ref());
        let levels = schedule::levels(&lowered);
        let groups = fuse::fuse(&lowered, &levels);
        memory::assign(graph, &lowered, &levels, groups, conditions, parallel)
    }
}
