//! From a region of a plan to its places in memory.

use fe_graph::plan::{Load, Map, Plan, Region, View};

use super::copies::{SHORT, offset};
use super::{BLOCK, BoundFold, BoundInstruction, BoundRegion, Fill, Filling, LONG, Location, RowLoad, start_of};
use crate::math::Real;

/// The space of a region, neighbouring dimensions merged where every view steps through them evenly.
struct Merged {
    dims: Vec<usize>,
    /// The strides of each load along them; 0 of a number.
    strides: Vec<Vec<usize>>,
}

impl Merged {
    fn new(region: &Region) -> Self {
        let space = &region.space;
        let views: Vec<Option<&View>> =
            region.loads.iter().map(|l| if let Load::View(v) = l { Some(v) } else { None }).collect();
        // The boundaries that folds need stay.
        let mut boundary = vec![false; space.len() + 1];
        for f in &region.folds {
            boundary[if f.last { space.len() - f.count } else { f.count }] = true;
        }
        let mut dims: Vec<usize> = vec![];
        let mut strides: Vec<Vec<usize>> = vec![vec![]; views.len()];
        for (k, &(axis, extent)) in space.iter().enumerate() {
            let steps: Vec<usize> = views.iter().map(|v| v.map_or(0, |v| v.stride(axis))).collect();
            let merge = !dims.is_empty()
                && !boundary[k]
                && strides.iter().zip(&steps).all(|(s, &inner)| s.last().copied() == Some(inner * extent));
            if merge {
                if let Some(d) = dims.last_mut() {
                    *d *= extent;
                }
                for (s, &inner) in strides.iter_mut().zip(&steps) {
                    if let Some(last) = s.last_mut() {
                        *last = inner;
                    }
                }
            } else {
                dims.push(extent);
                for (s, &step) in strides.iter_mut().zip(&steps) {
                    s.push(step);
                }
            }
        }
        Self { dims, strides }
    }

    /// The strides of a buffer of its own.
    fn natural(&self) -> Vec<usize> {
        let mut steps = vec![1; self.dims.len()];
        for k in (0..self.dims.len().saturating_sub(1)).rev() {
            steps[k] = steps[k + 1] * self.dims[k + 1];
        }
        steps
    }
}

/// Elements that are filled by a list of offsets, at most.
const LISTED: usize = 128;

/// A run of elements, or of rows that follow one another evenly, that is worth a copy of its own.
const RUN: usize = 16;

/// The filling of a register from a strided view, neighbouring dimensions merged where this view steps through them evenly.
fn merged<T>(start: usize, dims: &[usize], strides: &[usize]) -> Filling<T> {
    let (mut own, mut steps): (Vec<usize>, Vec<usize>) = (vec![], vec![]);
    for (&extent, &step) in dims.iter().zip(strides) {
        match (own.last_mut(), steps.last_mut()) {
            (Some(n), Some(outer)) if *outer == step * extent => (*n, *outer) = (*n * extent, step),
            _ => {
                own.push(extent);
                steps.push(step);
            }
        }
    }
    let inner = own.last().copied().unwrap_or(1);
    let next = own.iter().rev().nth(1).copied().unwrap_or(1);
    let mut taken = own.len();
    let mut group = 1;
    while taken > 0 && group * own[taken - 1] <= LISTED {
        taken -= 1;
        group *= own[taken];
    }
    // What is copied in runs, or by even short rows, is so; and what no list says is.
    let runs = inner >= RUN || (inner <= SHORT && next >= RUN);
    if runs || own.len() - taken < 2 {
        return Filling::Merged { start, dims: own, strides: steps };
    }
    let (within, outside) = (own.split_off(taken), own);
    let (inner, by) = (steps.split_off(taken), steps);
    let last = within.last().copied().unwrap_or(1);
    let step = inner.last().copied().unwrap_or(0);
    let offsets: Vec<usize> = (0..group).map(|k| offset(&within, &inner, k / last) + k % last * step).collect();
    let span = offsets.iter().max().map_or(0, |m| m + 1);
    Filling::Grouped { start, offsets, span, dims: outside, strides: by }
}

/// A region on its way to its places in memory.
struct Binding<'a, T> {
    plan: &'a Plan,
    region: &'a Region,
    bound: BoundRegion<T>,
    /// The location of every value so far: loads, then results of the code.
    locations: Vec<Location>,
    registers: Registers,
    /// Whether every view so far is a whole buffer.
    whole: bool,
}

impl<T: Real> BoundRegion<T> {
    /// Places a region; its views are already those of the panel, and `space` has the panel's extents.
    pub fn bind(plan: &Plan, region: &Region) -> Self {
        let merged = Merged::new(region);
        let natural = merged.natural();
        let inner = merged.dims.last().copied().unwrap_or(1);
        let follows = |(s, load): (&Vec<usize>, &Load)| {
            matches!(load, Load::Number(_)) || *s == natural || s.iter().all(|&x| x == 0)
        };
        let all_follow = merged.strides.iter().zip(&region.loads).all(follows);
        let bound = Self {
            dims: merged.dims,
            size: region.space.iter().map(|a| a.1).product(),
            constants: vec![],
            fills: vec![],
            rows: vec![],
            instructions: vec![],
            folds: vec![],
            by_rows: inner >= LONG && !all_follow,
            rounded: false,
            registers: 0,
            sums: 0,
        };
        let mut binding =
            Binding { plan, region, bound, locations: vec![], registers: Registers::default(), whole: true };
        for (load, strides) in region.loads.iter().zip(merged.strides) {
            let location = binding.load(load, strides, &natural);
            binding.locations.push(location);
        }
        binding.code();
        binding.folds();
        let Binding { mut bound, registers, whole, .. } = binding;
        bound.registers = registers.count;
        bound.rounded = whole && !bound.by_rows;
        bound
    }
}

impl<T: Real> Binding<'_, T> {
    /// Takes note of a view that may be less than a buffer.
    fn note(&mut self, view: &View) {
        let buffer = self.plan.buffers.get(view.buffer);
        self.whole &= view.offset == 0 && buffer.is_some_and(|b| b.size == self.bound.size);
    }

    /// A register that is filled once.
    fn constant(&mut self, filling: Filling<T>) -> Location {
        let register = self.registers.take();
        self.bound.constants.push(Fill { register, filling });
        Location::Register(register)
    }

    fn load(&mut self, load: &Load, strides: Vec<usize>, natural: &[usize]) -> Location {
        let view = match load {
            Load::Number(v) => return self.constant(Filling::Number(T::from_f64(*v))),
            Load::View(view) => view,
        };
        let start = start_of(self.plan, view);
        if strides.iter().all(|&s| s == 0) {
            return self.constant(Filling::Same(start));
        }
        if strides == natural {
            self.note(view);
            return Location::Memory(start);
        }
        if self.bound.by_rows && strides.last() == Some(&1) {
            self.bound.rows.push(RowLoad { start, strides });
            return Location::Row(self.bound.rows.len() - 1);
        }
        let register = self.registers.take();
        let filling = if self.bound.size <= BLOCK && !self.bound.by_rows {
            let (dims, last) = (&self.bound.dims, strides.last().unwrap_or(&0));
            let inner = dims.last().copied().unwrap_or(1);
            let offsets: Vec<usize> =
                (0..self.bound.size).map(|k| offset(dims, &strides, k / inner) + k % inner * last).collect();
            let span = offsets.iter().max().map_or(0, |m| m + 1);
            Filling::Listed { start, offsets, span }
        } else if self.bound.by_rows {
            Filling::Strided { start, strides }
        } else {
            merged(start, &self.bound.dims, &strides)
        };
        self.bound.fills.push(Fill { register, filling });
        Location::Register(register)
    }

    /// The instruction that reads each value last; never where it is folded or stored.
    fn last_uses(&self) -> Vec<usize> {
        let mut last_use = vec![0usize; self.region.loads.len() + self.region.code.len()];
        for (k, i) in self.region.code.iter().enumerate() {
            for &o in &i.operands {
                last_use[o] = k;
            }
        }
        for f in &self.region.folds {
            last_use[f.value] = usize::MAX;
        }
        for s in &self.region.stores {
            last_use[s.0] = usize::MAX;
        }
        last_use
    }

    /// The instructions. A value that is stored is computed in its place; others in registers, freed after their last
    /// use.
    fn code(&mut self) {
        let (region, loads, fixed) = (self.region, self.region.loads.len(), self.registers.count);
        let last_use = self.last_uses();
        let mut stored: Vec<Option<usize>> = vec![None; loads + region.code.len()];
        let mut copies = vec![];
        for (value, view) in &region.stores {
            self.note(view);
            let start = start_of(self.plan, view);
            if *value >= loads && stored[*value].is_none() {
                stored[*value] = Some(start);
            } else {
                copies.push((*value, start));
            }
        }
        for (k, instruction) in region.code.iter().enumerate() {
            let of = |i: usize| instruction.operands.get(i).map_or(Location::Register(0), |&o| self.locations[o]);
            let first = of(0);
            let operand = |i: usize| if i < instruction.operands.len() { of(i) } else { first };
            let operands = [first, operand(1), operand(2)];
            let into = match stored[loads + k] {
                Some(start) => Location::Memory(start),
                None => Location::Register(self.registers.take()),
            };
            self.bound.instructions.push(BoundInstruction { map: instruction.map, operands, into });
            self.locations.push(into);
            for &o in &instruction.operands {
                if let Location::Register(r) = self.locations[o]
                    && r >= fixed
                    && last_use[o] == k
                {
                    self.registers.free(r);
                }
            }
        }
        for (value, start) in copies {
            let from = self.locations[value];
            self.bound.instructions.push(BoundInstruction {
                map: Map::Copy,
                operands: [from; 3],
                into: Location::Memory(start),
            });
        }
    }

    fn folds(&mut self) {
        let space = &self.region.space;
        for f in &self.region.folds {
            let split = if f.last { space.len() - f.count } else { f.count };
            let group: usize = space.iter().skip(split).map(|a| a.1).product();
            let sums = self.bound.sums;
            self.bound.sums += if f.last { 0 } else { group };
            self.bound.folds.push(BoundFold {
                sums,
                value: self.locations[f.value],
                fold: f.fold,
                last: f.last,
                group,
                into: start_of(self.plan, &f.into),
                results: if f.last { space.iter().take(split).map(|a| a.1).product() } else { group },
            });
        }
    }
}

/// Registers in use and free ones.
#[derive(Default)]
struct Registers {
    free: Vec<usize>,
    count: usize,
}

impl Registers {
    fn take(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.count += 1;
            self.count - 1
        })
    }

    fn free(&mut self, register: usize) {
        if !self.free.contains(&register) {
            self.free.push(register);
        }
    }
}
