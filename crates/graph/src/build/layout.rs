//! Constructors of nodes that move elements and compute nothing: renamed and reshaped axes, picks and their transposes.

use crate::axis::{self, Axis};
use crate::graph::{Graph, NodeId};
use crate::op::{Binary, Op, Real};

/// Windows that step along one axis, as those of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// The axis.
    pub axis: Axis,
    /// The axis with what the windows see before and after it, as long as they reach together; itself where that is all.
    pub padded: Axis,
    /// The windows.
    pub position: Axis,
    /// The places in a window.
    pub offset: Axis,
    /// From one window to the next.
    pub stride: usize,
    /// Places that the first window sees before the axis.
    pub before: usize,
}

/// An index that counts evenly: Σ step · position + start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counting {
    /// Axes, each once, and their steps.
    pub steps: Vec<(Axis, usize)>,
    /// Where it begins.
    pub start: usize,
}

impl Counting {
    /// Of windows, the axis of places in a window: that of the shortest steps, and among these the shortest. `None` where
    /// there is only one axis.
    pub fn within(&self, extent: impl Fn(Axis) -> usize) -> Option<Axis> {
        if self.steps.len() < 2 {
            return None;
        }
        self.steps.iter().min_by_key(|&&(a, step)| (step, extent(a), std::cmp::Reverse(a))).map(|s| s.0)
    }
}

impl Graph {
    /// Renames axes, all at once; a pair whose source the operand lacks is ignored. The targets must be free.
    pub fn rename(&mut self, x: NodeId, pairs: &[(Axis, Axis)]) -> NodeId {
        let pairs: Vec<(Axis, Axis)> =
            pairs.iter().copied().filter(|&(from, to)| from != to && self.has_axis(x, from)).collect();
        if pairs.is_empty() {
            return x;
        }
        let node = self.node(x).clone();
        let moved = |a: Axis| pairs.iter().find(|p| p.0 == a).map_or(a, |p| p.1);
        let axes = axis::sorted(&node.axes.iter().map(|&a| moved(a)).collect::<Vec<_>>());
        if let (Op::Broadcast(added), &[inner]) = (&node.op, node.inputs.as_slice()) {
            let added: Vec<Axis> = added.iter().map(|&a| moved(a)).collect();
            let inner = self.rename(inner, &pairs);
            return self.broadcast(inner, &added);
        }
        self.push(Op::Rename(pairs), vec![x], axes)
    }

    /// Lays the elements over `from` out over `to`; both lists are slowest first and hold as many elements.
    pub fn reshape(&mut self, x: NodeId, from: &[Axis], to: &[Axis]) -> NodeId {
        if from == to {
            return x;
        }
        let x = self.broadcast(x, from);
        let axes = axis::union(&axis::difference(self.axes_of(x), from), to);
        self.push(Op::Reshape { from: from.to_vec(), to: to.to_vec() }, vec![x], axes)
    }

    /// Picks along `axis` of x by an index tensor; see [`Op::Gather`].
    pub fn gather(&mut self, x: NodeId, index: NodeId, axis: Axis) -> NodeId {
        if !self.has_axis(x, axis) {
            let axes = axis::union(self.axes_of(x), self.axes_of(index));
            return self.broadcast_to(x, &axes);
        }
        let rest = axis::difference(self.axes_of(x), &[axis]);
        let axes = axis::union(&rest, self.axes_of(index));
        self.push(Op::Gather { axis }, vec![x, index], axes)
    }

    /// The transpose of [`Graph::gather`]; see [`Op::ScatterAdd`].
    pub fn scatter_add(&mut self, u: NodeId, index: NodeId, axis: Axis, over: &[Axis]) -> NodeId {
        let needed = axis::union(over, self.axes_of(index));
        let u = self.broadcast(u, &needed);
        let axes = axis::union(&axis::difference(self.axes_of(u), over), &[axis]);
        self.push(Op::ScatterAdd { axis, over: axis::sorted(over) }, vec![u, index], axes)
    }

    /// The index Σ step · position + start along axes.
    pub fn counting(&mut self, along: &[(Axis, usize)], start: usize) -> NodeId {
        let mut index = self.constant(start as f64);
        for &(axis, step) in along {
            let place = self.iota(axis);
            let place = self.scale(place, step as f64);
            index = self.add(index, place);
        }
        index
    }

    /// A node as an index that counts evenly, where it is one.
    pub fn counted(&self, id: NodeId) -> Option<Counting> {
        let node = self.node(id);
        let whole = |v: f64| (v >= 0.0 && v.fract() == 0.0 && v < u32::MAX.into()).then_some(v as usize);
        match (&node.op, node.inputs.as_slice()) {
            (Op::Constant(Real(v)), _) => Some(Counting { steps: vec![], start: whole(*v)? }),
            (Op::Iota, _) => Some(Counting { steps: vec![(*node.axes.first()?, 1)], start: 0 }),
            (Op::Binary(Binary::Add), &[a, b]) => {
                let (mut a, b) = (self.counted(a)?, self.counted(b)?);
                if b.steps.iter().any(|s| a.steps.iter().any(|t| t.0 == s.0)) {
                    return None;
                }
                a.steps.extend(b.steps);
                Some(Counting { start: a.start + b.start, ..a })
            }
            (Op::Binary(Binary::Mul), &[k, x]) => {
                let (k, of) = (whole(self.constant_value(k)?)?, self.counted(x)?);
                let steps = of.steps.into_iter().map(|(a, step)| (a, step * k)).collect();
                Some(Counting { steps, start: of.start * k })
            }
            _ => None,
        }
    }

    /// What windows along an axis see: x at `stride · position + offset − before`, over position and offset in place of
    /// the axis; 0 outside.
    pub fn windows(&mut self, x: NodeId, w: &Windows) -> NodeId {
        let x = self.broadcast(x, &[w.axis]);
        let padded = if w.padded == w.axis {
            x
        } else {
            let place = self.counting(&[(w.axis, 1)], w.before);
            self.scatter_add(x, place, w.padded, &[w.axis])
        };
        let index = self.counting(&[(w.position, w.stride), (w.offset, 1)], 0);
        self.gather(padded, index, w.padded)
    }

    /// The transpose of [`Graph::windows`]: the sum of what windows lay on each place of the axis. What they lay outside
    /// is left out.
    pub fn overlaid(&mut self, y: NodeId, w: &Windows) -> NodeId {
        let index = self.counting(&[(w.position, w.stride), (w.offset, 1)], 0);
        let padded = self.scatter_add(y, index, w.padded, &[w.position, w.offset]);
        if w.padded == w.axis {
            return padded;
        }
        let place = self.counting(&[(w.axis, 1)], w.before);
        self.gather(padded, place, w.padded)
    }

    /// The element at a fixed position along an axis.
    pub fn pick(&mut self, x: NodeId, axis: Axis, at: usize) -> NodeId {
        let index = self.constant(at as f64);
        self.gather(x, index, axis)
    }

    /// Elements `start..start + extent(to)` along an axis, over a new axis.
    pub fn slice(&mut self, x: NodeId, axis: Axis, start: usize, to: Axis) -> NodeId {
        let iota = self.iota(to);
        let offset = self.constant(start as f64);
        let index = self.add(iota, offset);
        self.gather(x, index, axis)
    }

    /// x[i, i] over `along`, where `across` is as long.
    pub fn diagonal(&mut self, x: NodeId, along: Axis, across: Axis) -> NodeId {
        let index = self.iota(along);
        self.gather(x, index, across)
    }

    /// A square of zeros over `along` and `across`, with x on its diagonal.
    pub fn on_diagonal(&mut self, x: NodeId, along: Axis, across: Axis) -> NodeId {
        let index = self.iota(along);
        self.scatter_add(x, index, across, &[])
    }

    /// Two tensors one behind the other along a new axis whose extent is the sum of theirs.
    pub fn concat(&mut self, a: (NodeId, Axis), b: (NodeId, Axis), to: Axis) -> NodeId {
        let (mut parts, mut start) = (vec![], 0usize);
        for (x, along) in [a, b] {
            let x = self.broadcast(x, &[along]);
            let iota = self.iota(along);
            let offset = self.constant(start as f64);
            let index = self.add(iota, offset);
            parts.push(self.scatter_add(x, index, to, &[along]));
            start += self.extent_of(along.id);
        }
        parts.into_iter().reduce(|x, y| self.add(x, y)).unwrap_or(a.0)
    }
}
