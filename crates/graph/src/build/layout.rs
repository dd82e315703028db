//! Constructors of nodes that move elements and compute nothing: renamed and reshaped axes, picks and their transposes.

use crate::axis::{self, Axis};
use crate::graph::{Graph, NodeId};
use crate::op::Op;

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
