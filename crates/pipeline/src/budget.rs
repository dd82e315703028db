//! What a fit needs in memory, foreseen before anything is laid out.
//!
//! Counted first is what must stand in memory as it is, whatever the executor fuses: data, parameters and the optimiser's history
//! of them, noise, tables, factors, products, and what loops keep. Less than that no plan takes. Where that is a good part of what
//! there is, the step, the figures and the draws are planned, and what the largest of these takes counts in the place of what it
//! is made of.

use std::collections::HashSet;

use fe_check::Program;
use fe_graph::{Axis, AxisId, Graph, InputId, Node, NodeId, Op};
use fe_objective::Objective;
use fe_syntax::{Diagnostic, Span};
use fe_train::{Part, Taken};

use crate::directory;
use crate::error::Error;
use crate::options::Precision;

/// Numbers of one value, at most, that are reckoned in a step: at a billion a second, more take ten minutes.
const MOST: u64 = 500_000_000_000;

/// Numbers that are reckoned in the time that a turn of a loop takes beside its work.
const TURN: u64 = 1000;

/// Where what is counted is more than this part of what there is, a step is planned.
const PART: u64 = 64;

/// Bytes of a number, and the copies of all parameters that the optimiser keeps: of L-BFGS 10 pairs of steps and slopes in
/// double precision and a few more, else gradients and two moments in single precision.
fn kept(by_lbfgs: bool) -> (u64, u64) {
    if by_lbfgs { (8, 24) } else { (4, 4) }
}

/// Bytes of a number as it is read, and of the number of a row.
const READ: u64 = 8;

/// Copies of a number on its way to a file: of the draws, in the variable that is made of them, in the file as it is laid out, and
/// in its bytes, which grow by doubling.
const WRITTEN: u64 = 5;

/// Refuses a fit that needs more than there is.
///
/// # Errors
/// Where what it needs at least is more than the bytes that are said, or else than the memory of this machine, with the largest
/// array of it; and where one value has more numbers, or a loop more turns, than could be reckoned in any time.
pub fn foresee(
    program: &Program,
    objective: &Objective,
    by_lbfgs: bool,
    (precision, said): (Option<Precision>, Option<u64>),
) -> Result<(), Error> {
    let Needed { mut total, largest, .. } = needed(program, objective, by_lbfgs)?;
    let Some(most) = said.or_else(memory) else { return Ok(()) };
    if total <= most && total > most / PART {
        total = total.max(foreseen(program, objective, by_lbfgs, precision)?.total());
    }
    let of = match said {
        Some(bytes) => format!("the {} of `--memory`", size(bytes)),
        None => "the memory of this machine".to_owned(),
    };
    match largest {
        Some(largest) if total > most => {
            let message = format!("a fit needs {} at least, more than {of}: {}", size(total), largest.said);
            Err(refused(largest.span, message))
        }
        _ => Ok(()),
    }
}

/// Bytes that a run takes which has next to nothing to keep: its code, so far as it is used, stacks, and tables of libraries.
const PROCESS: u64 = 24_000_000;

/// What a fit and its report are foreseen to take, in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreseen {
    /// What any run takes.
    pub process: u64,
    /// Data as they are read, and parameters with what the optimiser keeps of them: from the first step to the end.
    pub lasting: u64,
    /// What each part takes beside that, one after the other.
    pub parts: Vec<(Part, u64)>,
}

impl Foreseen {
    /// The most that stands in memory at once.
    pub fn total(&self) -> u64 {
        self.process.saturating_add(self.lasting).saturating_add(self.parts.iter().map(|p| p.1).max().unwrap_or(0))
    }
}

/// Foresees what a fit and its report take, by planning each part.
///
/// # Errors
/// Where a step is more than could be reckoned in any time.
pub fn foreseen(
    program: &Program,
    objective: &Objective,
    by_lbfgs: bool,
    precision: Option<Precision>,
) -> Result<Foreseen, Error> {
    let Needed { fixed, numbers, .. } = needed(program, objective, by_lbfgs)?;
    let bytes_each = match precision.unwrap_or_else(|| Precision::of(numbers, by_lbfgs)) {
        Precision::F64 => 8,
        Precision::F32 => 4,
    };
    let rows = program.row.map_or(1, |r| r.rows);
    // A method that does not suit is refused by the fit.
    let method = fe_train::method(objective, &program.train, rows).ok();
    let taken = method.map(|(method, _)| fe_train::footprint(objective, &method, rows));
    let bytes = |t: &Taken| {
        let planned = t.planned.saturating_mul(bytes_each);
        (t.part, planned.saturating_add(t.kept.saturating_mul(READ)))
    };
    let mut parts: Vec<(Part, u64)> = taken.iter().flatten().map(bytes).collect();
    let (reported, filed) = fe_train::reported(objective, rows);
    let predicted = directory::predicted(program, objective).map_or(0, |(count, each)| count.saturating_mul(each));
    let written = filed.saturating_add(predicted as u64).saturating_add(directory::constants(program));
    parts.push((Part::Files, reported.saturating_add(written.saturating_mul(WRITTEN)).saturating_mul(READ)));
    Ok(Foreseen { process: PROCESS, lasting: fixed, parts })
}

/// Bytes that a fit needs at least.
struct Needed {
    total: u64,
    /// Those outside a step: data as they are read, and what the optimiser keeps.
    fixed: u64,
    /// Numbers of data and parameters.
    numbers: usize,
    largest: Option<Largest>,
}

/// The array that takes the most.
struct Largest {
    bytes: u64,
    /// `w` has 4 numbers, 2 of K by 2 of K
    said: String,
    span: Span,
}

fn needed(program: &Program, objective: &Objective, by_lbfgs: bool) -> Result<Needed, Error> {
    let extents = Extents::new(program);
    let (bytes_each, copies_kept) = kept(by_lbfgs);
    let g = &objective.graph;
    let reports = &objective.report;
    let reported = [&reports.meters, &reports.functions, &reports.posterior].into_iter().flatten().map(|r| r.node);
    let terms = objective.terms.iter().map(|t| t.sum);
    let roots: Vec<NodeId> = terms.chain([objective.minimised.value]).chain(reported).collect();
    let parameters: HashSet<InputId> = objective.parameters.iter().map(|p| p.input).collect();
    let inputs: HashSet<InputId> = program.data.iter().map(|d| d.input).collect();
    let rows = program.row.map_or(0, |r| r.rows as u64);
    let data = data_numbers(program);
    // Of data whose rows are held out in part, those that are trained on stand by themselves too.
    let copies = if program.train.holdout.is_some() { 2 } else { 1 };
    let mut fixed = rows.saturating_add(data.saturating_mul(copies)).saturating_mul(READ);
    let mut largest: Option<Largest> = None;
    let mut larger = |bytes: u64, said: &dyn Fn() -> String, span: Span| {
        if bytes > largest.as_ref().map_or(0, |l| l.bytes) {
            largest = Some(Largest { bytes, said: said(), span });
        }
    };
    let reached = g.reachable(&roots);
    // Parameters that no term reads have their starts all the same.
    let read: HashSet<InputId> = reached.iter().filter_map(|id| input_of(g, *id)).collect();
    for p in objective.parameters.iter().filter(|p| !read.contains(&p.input)) {
        let numbers = extents.product(g, &p.free);
        let bytes = numbers.saturating_mul(copies_kept * bytes_each);
        fixed = fixed.saturating_add(bytes);
        larger(bytes, &|| format!("`{}` has {}", p.name, extents.said(g, &p.free, numbers)), Span::default());
    }
    let mut total = fixed;
    let mut counted: u64 = data;
    for id in reached {
        let node = g.node(id);
        let span = program.origins.get(node.origin.0 as usize).copied().unwrap_or_default();
        let numbers = extents.product(g, &node.axes);
        let said = || format!("{} has {}", name(node, g), extents.said(g, &node.axes, numbers));
        if numbers > MOST && !matches!(node.op, Op::Broadcast(_)) {
            return Err(refused(span, format!("{}: no step over it ends in any time", said())));
        }
        if let Op::Scan(scan) = &node.op {
            let turns = extents.of(g, scan.0.axis) as u64;
            if turns.saturating_mul(TURN) > MOST {
                let message = format!("a loop of {} turns: no step over it ends in any time", grouped(turns));
                return Err(refused(span, message));
            }
        }
        let (outside, copies) = match &node.op {
            Op::Input(input) if parameters.contains(input) => (numbers.saturating_mul(copies_kept * bytes_each), 0),
            Op::Input(input) if inputs.contains(input) => (0, 1),
            Op::Input(_) | Op::Literal(_) | Op::Iota | Op::Noise { .. } | Op::Arrivals { .. } => (0, 1),
            Op::Contract(_) | Op::Factor { .. } => (0, 1),
            // What a loop keeps of each turn, and its slope.
            Op::Output(_) => (0, 2),
            _ => (0, 0),
        };
        fixed = fixed.saturating_add(outside);
        counted = counted.saturating_add(if outside > 0 { numbers } else { 0 });
        let bytes = numbers.saturating_mul(copies * bytes_each).saturating_add(outside);
        total = total.saturating_add(bytes);
        larger(bytes, &said, span);
    }
    Ok(Needed { total, fixed, numbers: usize::try_from(counted).unwrap_or(usize::MAX), largest })
}

/// Numbers of all data, rows that are held out too.
fn data_numbers(program: &Program) -> u64 {
    let extent = |a: &Axis| u64::try_from(program.graph.extent_of(a.id)).unwrap_or(u64::MAX);
    let numbers = program.data.iter().map(|d| d.axes.iter().map(extent).fold(1, u64::saturating_mul));
    numbers.fold(0, u64::saturating_add)
}

fn input_of(g: &Graph, id: NodeId) -> Option<InputId> {
    match g.node(id).op {
        Op::Input(input) => Some(input),
        _ => None,
    }
}

/// The lengths of axes in a step of the fit.
struct Extents {
    row: Option<(AxisId, usize)>,
    draws: usize,
}

impl Extents {
    fn new(program: &Program) -> Self {
        let row = program.row.map(|r| (r.axis, program.train.batch.map_or(r.rows, |b| b.min(r.rows))));
        Self { row, draws: program.train.samples.unwrap_or(1) }
    }

    fn of(&self, g: &Graph, axis: Axis) -> usize {
        match self.row {
            _ if axis.id == AxisId::SAMPLE => self.draws,
            Some((row, length)) if axis.id == row => length,
            _ => g.extent_of(axis.id),
        }
    }

    fn product(&self, g: &Graph, axes: &[Axis]) -> u64 {
        let lengths = axes.iter().map(|&a| u64::try_from(self.of(g, a)).unwrap_or(u64::MAX));
        lengths.fold(1, u64::saturating_mul)
    }

    /// `4,000,000 numbers, 2,000 of K by 2,000 of K`; `1,000,000 of K`
    fn said(&self, g: &Graph, axes: &[Axis], numbers: u64) -> String {
        let axis = |&a: &Axis| {
            let length = grouped(u64::try_from(self.of(g, a)).unwrap_or(u64::MAX));
            match g.axis(a.id) {
                Some(info) if a.id != AxisId::SAMPLE => format!("{length} of {}", info.name),
                _ => format!("{length} draws"),
            }
        };
        let counted = |a: &&Axis| a.id != AxisId::SAMPLE || self.draws > 1;
        let by: Vec<String> = axes.iter().filter(counted).map(axis).collect();
        match by.as_slice() {
            [] | [_] => by.concat(),
            _ => format!("{} numbers, {}", grouped(numbers), by.join(" by ")),
        }
    }
}

/// What an array is called in a message.
fn name(node: &Node, g: &Graph) -> String {
    match &node.op {
        Op::Input(input) => g.input_info(*input).map_or("an array".into(), |i| format!("`{}`", i.name)),
        Op::Noise { .. } | Op::Arrivals { .. } => "what is drawn here".into(),
        Op::Output(_) => "what is kept of a loop".into(),
        _ => "what is computed here".into(),
    }
}

fn refused(span: Span, message: String) -> Error {
    let help = "make an axis shorter, take fewer draws, or train in batches";
    Error::Program(vec![Diagnostic::error("E0850", message, span, "here").help(help)])
}

/// `8.0 GB`
fn size(bytes: u64) -> String {
    let (mut size, mut unit) = (bytes as f64, "B");
    for next in ["kB", "MB", "GB", "TB", "PB", "EB"] {
        if size >= 1000.0 {
            (size, unit) = (size / 1000.0, next);
        }
    }
    format!("{size:.1} {unit}")
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut said = String::new();
    for (k, digit) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            said.push(',');
        }
        said.push(digit);
    }
    said
}

/// Bytes of memory that a process may have here: of the machine, or of its control group where that is less. `None` where the
/// system does not say.
fn memory() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let machine = read("/proc/meminfo").and_then(|text| {
        let line = text.lines().find_map(|l| l.strip_prefix("MemTotal:").map(str::to_owned))?;
        let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kilobytes.checked_mul(1024)
    });
    let group = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limits = group.iter().filter_map(|p| read(p)?.trim().parse().ok());
    machine.into_iter().chain(limits).min()
}
