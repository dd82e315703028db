//! What a fit needs in memory, foreseen before anything is laid out.
//!
//! Counted is what must stand in memory as it is, whatever the executor fuses: data, parameters and the optimiser's history of
//! them, noise, tables, factors, products, and what loops keep. Less than that no plan takes.

use std::collections::HashSet;

use fe_check::Program;
use fe_graph::{Axis, AxisId, Graph, Node, NodeId, Op};
use fe_objective::Objective;
use fe_syntax::{Diagnostic, Span};

use crate::error::Error;

/// Numbers of one value, at most, that are reckoned in a step: at a billion a second, more take ten minutes.
const MOST: u64 = 500_000_000_000;

/// Bytes of a number, and the copies of all parameters that the optimiser keeps: of L-BFGS 10 pairs of steps and slopes in
/// double precision and a few more, else gradients and two moments in single precision.
fn kept(by_lbfgs: bool) -> (u64, u64) {
    if by_lbfgs { (8, 24) } else { (4, 4) }
}

/// Refuses a fit that needs more than there is.
///
/// # Errors
/// Where what it needs at least is more than the bytes that are said, or else than the memory of this machine, with the largest array of it; and where one value
/// has more numbers than could be reckoned in any time.
pub fn foresee(program: &Program, objective: &Objective, by_lbfgs: bool, said: Option<u64>) -> Result<(), Error> {
    let (bytes_each, copies_kept) = kept(by_lbfgs);
    let extents = Extents::new(program);
    let g = &objective.graph;
    let roots: Vec<NodeId> = objective.terms.iter().map(|t| t.sum).chain([objective.minimised.value]).collect();
    let parameters: HashSet<_> = objective.parameters.iter().map(|p| p.input).collect();
    let (mut total, mut largest) = (0u64, (0u64, None));
    for id in g.reachable(&roots) {
        let node = g.node(id);
        let numbers = extents.numbers(g, node);
        if numbers > MOST && !matches!(node.op, Op::Broadcast(_)) {
            let message =
                format!("{} has {}: no step over it ends in any time", name(node, g), extents.said(g, node, numbers));
            return Err(refused(program, node, message));
        }
        let copies = match &node.op {
            Op::Input(input) if parameters.contains(input) => copies_kept,
            Op::Input(_) | Op::Literal(_) | Op::Iota | Op::Noise { .. } | Op::Arrivals { .. } => 1,
            Op::Contract(_) | Op::Factor { .. } => 1,
            // What a loop keeps of each turn, and its slope.
            Op::Output(_) => 2,
            _ => 0,
        };
        let bytes = numbers.saturating_mul(copies).saturating_mul(bytes_each);
        total = total.saturating_add(bytes);
        if bytes > largest.0 {
            largest = (bytes, Some((node, numbers)));
        }
    }
    let of = match said {
        Some(bytes) => format!("the {} of `--memory`", size(bytes)),
        None => "the memory of this machine".to_owned(),
    };
    match (said.or_else(memory), largest.1) {
        (Some(most), Some((node, numbers))) if total > most => {
            let what = extents.said(g, node, numbers);
            let message = format!("a fit needs {} at least, more than {of}: {} has {what}", size(total), name(node, g));
            Err(refused(program, node, message))
        }
        _ => Ok(()),
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

    fn numbers(&self, g: &Graph, node: &Node) -> u64 {
        let lengths = node.axes.iter().map(|&a| u64::try_from(self.of(g, a)).unwrap_or(u64::MAX));
        lengths.fold(1, u64::saturating_mul)
    }

    /// `4,000,000 numbers, 2,000 of K by 2,000 of K`; `1,000,000 of K`
    fn said(&self, g: &Graph, node: &Node, numbers: u64) -> String {
        let axis = |&a: &Axis| {
            let length = grouped(u64::try_from(self.of(g, a)).unwrap_or(u64::MAX));
            match g.axis(a.id) {
                Some(info) if a.id != AxisId::SAMPLE => format!("{length} of {}", info.name),
                _ => format!("{length} draws"),
            }
        };
        let counted = |a: &&Axis| a.id != AxisId::SAMPLE || self.draws > 1;
        let by: Vec<String> = node.axes.iter().filter(counted).map(axis).collect();
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

fn refused(program: &Program, node: &Node, message: String) -> Error {
    let span = program.origins.get(node.origin.0 as usize).copied().unwrap_or(Span::new(0, 0));
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
