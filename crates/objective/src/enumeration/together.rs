//! Elements of a finite latent that some term mixes, summed over their joint values: all subsets of a few indicators, say.
//! They are then one latent, whose values are numbered with the first element going round fastest.

use fe_graph::{Axis, Graph, NodeId, Tensor};

/// The most joint values: those of twelve indicators.
pub(crate) const JOINT_LIMIT: usize = 1 << 12;

/// The joint values of elements.
#[derive(Clone, Debug)]
pub(crate) struct Together {
    /// The axes along which elements are taken together.
    pub axes: Vec<Axis>,
    /// The axis of joint values.
    pub values: Axis,
    /// The value of each element at each of them, over both.
    pub table: NodeId,
    /// How many elements there are.
    elements: usize,
    /// How many values one has.
    each: usize,
}

/// How many joint values elements along some axes have; `None` beyond the limit.
pub(crate) fn joint_values(g: &Graph, axes: &[Axis], each: usize) -> Option<usize> {
    let elements: usize = axes.iter().map(|a| g.extent_of(a.id)).fold(1, usize::saturating_mul);
    let count = each.checked_pow(u32::try_from(elements).ok()?)?;
    (count <= JOINT_LIMIT).then_some(count)
}

impl Together {
    /// Of a latent of this name, whose elements have so many values each.
    pub fn new(g: &mut Graph, name: &str, axes: &[Axis], each: usize) -> Option<Self> {
        let count = joint_values(g, axes, each)?;
        let shape: Vec<usize> = axes.iter().map(|a| g.extent_of(a.id)).collect();
        let elements: usize = shape.iter().product();
        let values = Axis::plain(g.add_axis(&format!("joint values of {name}"), count));
        let value = |element: u32, joint: usize| (joint / each.pow(element).max(1) % each.max(1)) as f64;
        let all = (0..elements as u32).flat_map(|e| (0..count).map(move |j| (e, j))).map(|(e, j)| value(e, j));
        let tensor = Tensor { shape: [shape.as_slice(), &[count]].concat(), values: all.collect() };
        let table = g.literal(tensor, &[axes, &[values]].concat());
        Some(Self { axes: axes.to_vec(), values, table, elements, each })
    }

    /// The probability of each value of each element, along an axis of its own, from those of joint values.
    pub fn marginals(&self, g: &mut Graph, shares: NodeId, single: Axis) -> NodeId {
        let value = g.iota(single);
        let has = g.equal(self.table, value);
        g.contract(shares, has, &[self.values])
    }

    /// E log q of each element given those before it and what else the probabilities go over but `plates`; together they are that
    /// of all.
    pub fn entropies(&self, g: &mut Graph, shares: NodeId, plates: &[Axis]) -> NodeId {
        let shape: Vec<usize> = self.axes.iter().map(|a| g.extent_of(a.id)).collect();
        let (mut total, mut before) = (g.full(0.0, &self.axes), self.expected_log(g, shares, 0, plates));
        for element in 0..self.elements {
            let both = self.expected_log(g, shares, element + 1, plates);
            let own = g.sub(both, before);
            before = both;
            let at = (0..self.elements).map(|e| f64::from(u8::from(e == element))).collect();
            let at = g.literal(Tensor { shape: shape.clone(), values: at }, &self.axes);
            let part = g.mul(at, own);
            total = g.add(total, part);
        }
        total
    }

    /// Σ p log p of the first so many elements, with what else the probabilities go over but `plates`.
    fn expected_log(&self, g: &mut Graph, shares: NodeId, elements: usize, plates: &[Axis]) -> NodeId {
        let low = self.each.pow(elements as u32);
        let later = g.extent_of(self.values.id) / low.max(1);
        let (later, first) = (Axis::plain(g.add_axis("later", later)), Axis::plain(g.add_axis("first", low)));
        let apart = g.reshape(shares, &[self.values], &[later, first]);
        let (p, least) = (g.sum(apart, &[later]), g.constant(1e-30));
        let p = g.binary(fe_graph::Binary::Max, p, least);
        let log = g.log(p);
        let product = g.mul(p, log);
        g.sum_to(product, plates)
    }

    /// The value of each element at a joint value.
    pub fn taken(&self, g: &mut Graph, place: NodeId) -> NodeId {
        g.gather(self.table, place, self.values)
    }
}
