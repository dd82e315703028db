//! From small work to a tape.

use std::collections::HashMap;

use fe_graph::plan::{Fold, Folding, Load, Map, Plan, Product, Region, View, Work};
use fe_graph::{Axis, Binary, Unary};

use super::{Folded, Instruction, LANES, Multiplied, Op, Operand, Rows, Tape};
use crate::math::Real;
use crate::region::start_of;

/// Elements of a loop's space, at most.
const ELEMENTS: usize = 1024;

/// Multiplications of a product, at most.
const MULTIPLICATIONS: usize = 1 << 15;

/// Elements that a room of so many takes: a vector that begins inside of it ends inside.
fn room(size: usize) -> usize {
    (size.max(1) + LANES - 1).next_multiple_of(LANES)
}

struct Compiler<'a, T> {
    plan: &'a Plan,
    tape: Tape<T>,
    /// The place of the next register.
    next: usize,
    /// Registers that are free, by their size.
    free: HashMap<usize, Vec<usize>>,
    /// The places of numbers.
    numbers: HashMap<u64, usize>,
    /// The places where elements of these places stand together; a single one stands in all lanes.
    picked: HashMap<Vec<u32>, usize>,
}

/// The value of a load or an instruction: an operand, and the register that is free after its last use.
#[derive(Clone, Copy)]
struct Value {
    operand: Operand,
    register: Option<usize>,
}

/// A value in a register that is still read.
struct Kept {
    number: usize,
    length: usize,
}

/// The instruction that reads each value of a region last; never where it is folded or stored.
fn last_uses(region: &Region) -> Option<Vec<usize>> {
    let mut last_use = vec![0; region.loads.len() + region.code.len()];
    for (k, instruction) in region.code.iter().enumerate() {
        for &o in &instruction.operands {
            *last_use.get_mut(o)? = k;
        }
    }
    for &value in region.folds.iter().map(|f| &f.value).chain(region.stores.iter().map(|s| &s.0)) {
        *last_use.get_mut(value)? = usize::MAX;
    }
    Some(last_use)
}

/// The longest tape that the work begins with, whose registers begin at `memory`, and how much of the work it is.
pub fn compile<T: Real>(plan: &Plan, works: &[Work], memory: usize) -> Option<(Tape<T>, usize)> {
    let tape = Tape {
        code: vec![],
        places: vec![],
        functions: vec![],
        rows: vec![],
        folds: vec![],
        products: vec![],
        numbers: vec![],
        reach: plan.arena,
    };
    let (free, numbers, picked) = (HashMap::new(), HashMap::new(), HashMap::new());
    let mut compiler = Compiler { plan, tape, next: memory, free, numbers, picked };
    let done = works.iter().take_while(|w| compiler.work(w).is_some()).count();
    compiler.tape.reach = compiler.next.max(plan.arena);
    (done > 0).then_some((compiler.tape, done))
}

/// The elements of a view over some axes, row-major, as distances from its first.
fn distances(view: &View, space: &[(Axis, usize)]) -> Vec<usize> {
    let mut all = vec![0];
    for &(axis, extent) in space {
        let stride = view.stride(axis);
        all = all.iter().flat_map(|&at| (0..extent).map(move |k| at + k * stride)).collect();
    }
    all
}

fn follows(distances: &[usize]) -> bool {
    distances.iter().enumerate().all(|(k, &d)| k == d)
}

/// Places as rows of at most a vector, each filled with one element or following in memory.
fn rows(places: &[usize], into: usize) -> Option<Rows> {
    let &from = places.first()?;
    let filled = places.get(1) == Some(&from);
    let follows = |run: &[usize]| run.windows(2).all(|w| matches!(w, [a, b] if *b == *a + usize::from(!filled)));
    let width = (1..=places.len()).rev().find(|&n| follows(places.get(..n).unwrap_or_default()))?;
    let step = places.get(width).map_or(0, |next| next.wrapping_sub(from));
    let row =
        |(k, run): (usize, &[usize])| follows(run) && run.first() == Some(&from.wrapping_add(k.wrapping_mul(step)));
    let even = width > 1 && width <= LANES && places.len().is_multiple_of(width) && step < usize::MAX / 2;
    (even && places.chunks(width).enumerate().all(row)).then_some(Rows {
        from,
        into,
        rows: places.len() / width,
        width,
        step,
        filled,
    })
}

/// The operation of a loop; none where it is a longer function.
fn op(map: Map) -> Option<Op> {
    Some(match map {
        Map::Copy => Op::Copy,
        Map::Select => Op::Select,
        Map::Unary(Unary::Neg) => Op::Neg,
        Map::Unary(Unary::Square) => Op::Square,
        Map::Unary(Unary::Recip) => Op::Recip,
        Map::Unary(Unary::Sqrt) => Op::Sqrt,
        Map::Unary(Unary::Abs) => Op::Abs,
        Map::Unary(Unary::Step) => Op::Step,
        Map::Unary(Unary::Relu) => Op::Relu,
        Map::Binary(Binary::Add) => Op::Add,
        Map::Binary(Binary::Sub) => Op::Sub,
        Map::Binary(Binary::Mul) => Op::Mul,
        Map::Binary(Binary::Div) => Op::Div,
        Map::Binary(Binary::Max) => Op::Max,
        Map::Binary(Binary::Min) => Op::Min,
        Map::Binary(Binary::Less) => Op::Less,
        Map::Binary(Binary::LessEqual) => Op::LessEqual,
        Map::Binary(Binary::Equal) => Op::Equal,
        Map::Unary(_) | Map::Binary(_) => return None,
    })
}

impl<T: Real> Compiler<'_, T> {
    fn work(&mut self, work: &Work) -> Option<()> {
        match work {
            Work::Region(region) => self.region(region),
            Work::Product(product) => self.product(product),
            Work::Gather { from, index, axis, extent, into, .. } => {
                let space: Vec<_> = into.dims.iter().map(|d| (d.axis, d.extent)).collect();
                let picks = self.constant(index)?;
                let (size, start) = (into.size(), start_of(self.plan, from));
                let mut rest = from.clone();
                rest.dims.retain(|d| d.axis != *axis);
                let (of_from, of_index) = (distances(&rest, &space), distances(index, &space));
                if size > ELEMENTS || !follows(&distances(into, &space)) {
                    return None;
                }
                let mut places = vec![];
                for (at, pick) in of_from.iter().zip(of_index) {
                    let k = picks.get(index.offset + pick).copied().filter(|k| *k < *extent)?;
                    places.push(start + at + k * from.stride(*axis));
                }
                self.pick_into(&places, start_of(self.plan, into))
            }
            Work::Scatter { from, index, axis, extent, over, into, .. } => {
                let mut space: Vec<_> = from.dims.iter().map(|d| (d.axis, d.extent)).collect();
                for d in index.dims.iter().filter(|d| from.dim(d.axis).is_none()) {
                    space.push((d.axis, d.extent));
                }
                let picks = self.constant(index)?;
                let axes: Vec<_> = into.dims.iter().map(|d| (d.axis, d.extent)).collect();
                if into.size() > ELEMENTS || !follows(&distances(into, &axes)) {
                    return None;
                }
                let mut kept = into.clone();
                kept.dims.retain(|d| !over.contains(&d.axis));
                let mut source: Vec<Option<usize>> = vec![None; into.size()];
                let places = distances(from, &space).into_iter().zip(distances(index, &space));
                for ((of_from, of_index), of_into) in places.zip(distances(&kept, &space)) {
                    let k = picks.get(index.offset + of_index).copied().filter(|k| *k < *extent)?;
                    let slot = source.get_mut(of_into + k * into.stride(*axis))?;
                    // Several terms are added up elsewhere.
                    if slot.replace(start_of(self.plan, from) + of_from).is_some() {
                        return None;
                    }
                }
                let zero = self.number(0.0);
                let places: Vec<usize> = source.into_iter().map(|s| s.unwrap_or(zero)).collect();
                self.pick_into(&places, start_of(self.plan, into))
            }
            Work::Overlay { from, onto, into } => {
                let space: Vec<_> = from.dims.iter().map(|d| (d.axis, d.extent)).collect();
                let axes: Vec<_> = into.dims.iter().map(|d| (d.axis, d.extent)).collect();
                if into.size() > ELEMENTS || !follows(&distances(into, &axes)) {
                    return None;
                }
                let mut source: Vec<Option<usize>> = vec![None; into.size()];
                let before = onto.offset.checked_sub(into.offset)?;
                for (of_from, of_into) in distances(from, &space).into_iter().zip(distances(onto, &space)) {
                    // Several terms are added up elsewhere.
                    if source.get_mut(before + of_into)?.replace(start_of(self.plan, from) + of_from).is_some() {
                        return None;
                    }
                }
                let zero = self.number(0.0);
                let places: Vec<usize> = source.into_iter().map(|s| s.unwrap_or(zero)).collect();
                self.pick_into(&places, start_of(self.plan, into))
            }
            _ => None,
        }
    }

    /// The values of an index that is part of the program.
    fn constant(&self, index: &View) -> Option<Vec<usize>> {
        let content = self.plan.buffers.get(index.buffer)?.content.as_ref()?;
        let whole = |&v: &f64| (v >= 0.0 && v.fract() == 0.0).then_some(v as usize);
        content.values.iter().map(whole).collect()
    }

    fn take(&mut self, size: usize) -> usize {
        let room = room(size);
        if let Some(at) = self.free.get_mut(&room).and_then(Vec::pop) {
            return at;
        }
        let at = self.next;
        self.next += room;
        at
    }

    fn number(&mut self, value: f64) -> usize {
        if let Some(&at) = self.numbers.get(&value.to_bits()) {
            return at;
        }
        let at = self.next;
        self.next += room(1);
        self.numbers.insert(value.to_bits(), at);
        self.tape.numbers.push((at, T::from_f64(value)));
        at
    }

    /// Forgets copies of what is written now.
    fn written(&mut self, from: usize, size: usize) {
        let inside = |&p: &u32| (from..from + size).contains(&(p as usize));
        self.picked.retain(|places, _| !places.iter().any(inside));
    }

    fn pick_into(&mut self, places: &[usize], into: usize) -> Option<()> {
        self.written(into, places.len());
        let zero = self.numbers.get(&0f64.to_bits()).copied();
        let some = || places.iter().filter(|p| Some(**p) != zero);
        let first = some().min().copied().unwrap_or(0);
        if places.len() > 1 && some().all(|p| p - first < LANES) {
            let list = self.tape.places.len();
            let last = places.last()?;
            let rounded = places.len().next_multiple_of(LANES);
            for place in places.iter().chain(std::iter::repeat_n(last, rounded - places.len())) {
                let lane = if Some(*place) == zero { LANES } else { place - first };
                self.tape.places.push(u32::try_from(lane).ok()?);
            }
            self.push(Op::Permute, into, first, rounded / LANES, list)?;
            return Some(());
        }
        if let Some(rows) = rows(places, into) {
            self.tape.rows.push(rows);
            self.push(Op::Rows, into, 0, 0, self.tape.rows.len() - 1)?;
            return Some(());
        }
        let list = self.tape.places.len();
        for &place in places {
            self.tape.places.push(u32::try_from(place).ok()?);
        }
        self.push(Op::Pick, into, 0, places.len(), list)
    }

    /// Some places next to one another.
    fn picked(&mut self, places: Vec<usize>) -> Option<usize> {
        let key = places.iter().map(|&p| u32::try_from(p).ok()).collect::<Option<Vec<u32>>>()?;
        if let Some(&at) = self.picked.get(&key) {
            return Some(at);
        }
        let into = self.take(places.len());
        if let &[from] = places.as_slice() {
            self.push(Op::Spread, into, from, 1, 0)?;
        } else {
            self.pick_into(&places, into)?;
        }
        self.picked.insert(key, into);
        Some(into)
    }

    fn push(&mut self, op: Op, into: usize, from: usize, count: usize, extra: usize) -> Option<()> {
        let number = |x: usize| u32::try_from(x).ok();
        let (into, at, count, extra) = (number(into)?, [number(from)?, 0, 0], number(count)?, number(extra)?);
        self.tape.code.push(Instruction { op, into, at, step: [0; 3], count, extra });
        Some(())
    }

    fn push_map(&mut self, map: Map, into: usize, operands: [Operand; 3], vectors: usize) -> Option<()> {
        let number = |x: usize| u32::try_from(x).ok();
        let extra = self.tape.functions.len();
        let op = op(map).unwrap_or_else(|| {
            self.tape.functions.push(map);
            Op::Function
        });
        let [a, b, c] = operands;
        let at = [number(a.at)?, number(b.at)?, number(c.at)?];
        let step = [number(a.step)?, number(b.step)?, number(c.step)?];
        let (into, count, extra) = (number(into)?, number(vectors)?, number(extra)?);
        self.tape.code.push(Instruction { op, into, at, step, count, extra });
        Some(())
    }

    /// A value laid out in full.
    fn spread_out(&mut self, operand: Operand, size: usize) -> Option<Operand> {
        if operand.step == LANES || size == 1 {
            return Some(operand);
        }
        let at = self.take(size);
        self.push_map(Map::Copy, at, [operand; 3], size.div_ceil(LANES))?;
        Some(Operand { at, step: LANES })
    }

    fn region(&mut self, region: &Region) -> Option<()> {
        let size = region.space.iter().fold(1usize, |n, a| n.saturating_mul(a.1));
        // Checked before anything is written: a region is taken whole or not at all.
        if size == 0 || size > ELEMENTS || !self.takes(region) {
            return None;
        }
        let mut values = region.loads.iter().map(|load| self.load(load, &region.space)).collect::<Option<Vec<_>>>()?;
        let last_use = last_uses(region)?;
        let mut kept = vec![];
        for k in 0..region.code.len() {
            let number = region.loads.len() + k;
            let (value, length) = self.instruction(region, k, size, &values)?;
            values.push(value);
            if value.register.is_some() {
                kept.push(Kept { number, length });
            }
            let (over, rest) = kept.into_iter().partition(|x| last_use.get(x.number) == Some(&k) && x.number != number);
            kept = rest;
            self.release(over, &values);
        }
        self.stores(region, size, &values)?;
        for f in &region.folds {
            self.fold(region, f, size, values.get(f.value)?.operand)?;
        }
        self.release(kept, &values);
        Some(())
    }

    /// Whether all that a region reads and stores lies in buffers, and what it stores fills them.
    fn takes(&self, region: &Region) -> bool {
        let views = region.loads.iter().filter_map(|l| if let Load::View(v) = l { Some(v) } else { None });
        let stores = region.stores.iter().map(|s| &s.1).chain(region.folds.iter().map(|f| &f.into));
        let fills = |v: &View| v.offset == 0 && self.plan.buffers.get(v.buffer).is_some_and(|b| b.size == v.size());
        views.chain(stores.clone()).all(|v| v.buffer < self.plan.buffers.len()) && stores.clone().all(fills)
    }

    fn load(&mut self, load: &Load, space: &[(Axis, usize)]) -> Option<Value> {
        let operand = match load {
            Load::Number(v) => Operand { at: self.number(*v), step: 0 },
            Load::View(view) => {
                let start = start_of(self.plan, view);
                let distances = distances(view, space);
                if distances.iter().all(|&d| d == 0) {
                    Operand { at: self.picked(vec![start])?, step: 0 }
                } else if follows(&distances) {
                    Operand { at: start, step: LANES }
                } else {
                    Operand { at: self.picked(distances.iter().map(|d| start + d).collect())?, step: LANES }
                }
            }
        };
        Some(Value { operand, register: None })
    }

    /// Instruction number `k` of a region: its value, and the length of that. A value that is stored is computed in its
    /// place.
    fn instruction(&mut self, region: &Region, k: usize, size: usize, values: &[Value]) -> Option<(Value, usize)> {
        let instruction = region.code.get(k)?;
        let mut operands = [Operand::default(); 3];
        for (slot, &o) in operands.iter_mut().zip(&instruction.operands) {
            *slot = values.get(o)?.operand;
        }
        let used = instruction.operands.len().min(3);
        let same = operands.iter().take(used).all(|o| o.step == 0);
        if op(instruction.map).is_none() && !same {
            for slot in operands.iter_mut().take(used) {
                *slot = self.spread_out(*slot, size)?;
            }
        }
        // Operands that are not used are read as the first.
        let first = operands.first().copied().unwrap_or_default();
        operands.iter_mut().skip(used).for_each(|o| *o = first);
        let (length, step) = if same { (1, 0) } else { (size, LANES) };
        let store = region.stores.iter().find(|s| s.0 == region.loads.len() + k);
        let value = match store {
            Some((_, view)) if !same || size == 1 => {
                let at = start_of(self.plan, view);
                self.written(at, size);
                Value { operand: Operand { at, step }, register: None }
            }
            _ => {
                let at = self.take(length);
                Value { operand: Operand { at, step }, register: Some(at) }
            }
        };
        self.push_map(instruction.map, value.operand.at, operands, length.div_ceil(LANES))?;
        if size == 1 && store.is_some() {
            self.stands(value.operand.at);
        }
        Some((value, length))
    }

    /// Copies of what is stored and was not computed in its place.
    fn stores(&mut self, region: &Region, size: usize, values: &[Value]) -> Option<()> {
        for (value, view) in &region.stores {
            let (from, at) = (values.get(*value)?.operand, start_of(self.plan, view));
            if from.at != at {
                self.written(at, size);
                self.push_map(Map::Copy, at, [from; 3], size.div_ceil(LANES))?;
                if size == 1 {
                    self.stands(at);
                }
            }
        }
        Some(())
    }

    fn fold(&mut self, region: &Region, f: &Folding, size: usize, operand: Operand) -> Option<()> {
        let space = &region.space;
        let operand = self.spread_out(operand, size)?;
        let (fold, into) = (f.fold, start_of(self.plan, &f.into));
        let split = if f.last { space.len() - f.count.min(space.len()) } else { f.count };
        let inner: usize = space.iter().skip(split).map(|a| a.1).product();
        let (results, terms) = if f.last { (size / inner, inner) } else { (inner, size / inner) };
        self.written(into, results);
        if results == 1 {
            let op = if fold == Fold::Sum { Op::Sum } else { Op::Largest };
            self.push(op, into, operand.at, terms, 0)?;
            self.stands(into);
        } else {
            let (from, along) = (operand.at, f.last);
            self.tape.folds.push(Folded { fold, from, into, results, terms, along });
            self.push(Op::Fold, into, from, 0, self.tape.folds.len() - 1)?;
        }
        Some(())
    }

    /// Registers that are not read any more.
    fn release(&mut self, over: Vec<Kept>, values: &[Value]) {
        for Kept { number, length } in over {
            if let Some(at) = values.get(number).and_then(|v| v.register) {
                self.free.entry(room(length)).or_default().push(at);
            }
        }
    }

    /// The scalar at this place stands in all lanes there.
    fn stands(&mut self, at: usize) {
        if let Ok(place) = u32::try_from(at) {
            self.picked.insert(vec![place], at);
        }
    }

    fn product(&mut self, p: &Product) -> Option<()> {
        let size = p.m.extent.saturating_mul(p.n.extent).saturating_mul(p.k.extent);
        if size == 0 || size > MULTIPLICATIONS || !p.outer.is_empty() || !p.summed.is_empty() {
            return None;
        }
        let [left, right, into] = [&p.left, &p.right, &p.into].map(|v| start_of(self.plan, v));
        let whole = self.plan.buffers.get(p.into.buffer).is_some_and(|b| b.size == p.into.size()) && p.into.offset == 0;
        // Columns are lanes: those along which the result follows, the longer where both do.
        let follows = |l: &fe_graph::plan::Loop| l.extent == 1 || l.strides[2] == 1;
        let turned = follows(&p.m) && (!follows(&p.n) || p.m.extent > p.n.extent);
        if !whole || !(follows(&p.m) || follows(&p.n)) {
            return None;
        }
        let (rows, columns, of_rows, of_columns, left, right) =
            if turned { (&p.n, &p.m, 1, 0, right, left) } else { (&p.m, &p.n, 0, 1, left, right) };
        let at = |l: &fe_graph::plan::Loop, k: usize| l.strides.get(k).copied().unwrap_or(0);
        let (mut right, mut right_step) = (right, at(&p.k, of_columns));
        if columns.extent > 1 && at(columns, of_columns) != 1 {
            // Laid out so that columns follow.
            let step = columns.extent.next_multiple_of(LANES);
            let (from, down, along) = (right, right_step, at(columns, of_columns));
            let last = columns.extent - 1;
            let row = |k: usize| (0..step).map(move |c| from + k * down + c.min(last) * along);
            right = self.picked((0..p.k.extent).flat_map(row).collect())?;
            right_step = step;
        }
        self.written(into, p.into.size());
        self.tape.products.push(Multiplied {
            left,
            right,
            into,
            rows: rows.extent,
            columns: columns.extent,
            terms: p.k.extent,
            strides: [at(rows, of_rows), at(&p.k, of_rows), right_step, at(rows, 2)],
        });
        self.push(Op::Multiply, into, left, 0, self.tape.products.len() - 1)
    }
}
