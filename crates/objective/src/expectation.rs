//! Exact expectations, recognised from the graph.
//!
//! The primitives are the independent random nodes: a latent whose guide has fixed arguments, or the standard normal
//! vector behind a joint Gaussian. Expectations pass through everything linear, split over independent factors, and end
//! at E[a²] = E[a]² + Var[a], at registered statistics of a family, and at exp or relu of something Gaussian. What is
//! not covered is reported as blocked at a node, so that the user can be told why a term is sampled.

use std::collections::{BTreeSet, HashMap};

use fe_distribution::Support;
use fe_graph::{Axis, Graph, NodeId};

use crate::degree::{Degree, Degrees};
use crate::law::Law;
use crate::quadrature::Rule;

/// A variance, and the axes along which different elements depend on different primitives (and so are independent).
#[derive(Clone, Debug)]
pub(crate) struct Variance {
    pub value: NodeId,
    pub independent: Vec<Axis>,
}

/// Takes expectations over the primitives.
pub(crate) struct Expectation {
    pub(crate) laws: HashMap<NodeId, Law>,
    random: HashMap<NodeId, BTreeSet<NodeId>>,
    pub(crate) means: HashMap<NodeId, Option<NodeId>>,
    pub(crate) variances: HashMap<NodeId, Option<Variance>>,
    degrees: Degrees,
    /// The axis of rows, of which a batch holds some.
    pub(crate) row: Option<Axis>,
    /// The first node whose expectation is not known.
    pub blocked: Option<NodeId>,
    /// Whether quadrature is worth its points, and its rule once it was used.
    pub(crate) quadrature: bool,
    pub rule: Option<Rule>,
}

impl Expectation {
    pub fn new(laws: HashMap<NodeId, Law>, row: Option<Axis>, quadrature: bool) -> Self {
        Self {
            laws,
            row,
            degrees: Degrees::default(),
            random: HashMap::new(),
            means: HashMap::new(),
            variances: HashMap::new(),
            blocked: None,
            quadrature,
            rule: None,
        }
    }

    /// How a primitive is distributed.
    pub fn law(&self, id: NodeId) -> Option<Law> {
        self.laws.get(&id).cloned()
    }

    /// The primitives a node depends on.
    pub fn primitives(&mut self, g: &Graph, id: NodeId) -> BTreeSet<NodeId> {
        if !self.random.contains_key(&id) {
            for n in g.reachable(&[id]) {
                if self.random.contains_key(&n) {
                    continue;
                }
                let mut set = BTreeSet::new();
                if self.laws.contains_key(&n) {
                    set.insert(n);
                }
                for i in &g.node(n).inputs {
                    set.extend(self.random.get(i).into_iter().flatten().copied());
                }
                self.random.insert(n, set);
            }
        }
        self.random.get(&id).cloned().unwrap_or_default()
    }

    pub(crate) fn fixed(&mut self, g: &Graph, id: NodeId) -> bool {
        self.primitives(g, id).is_empty()
    }

    pub(crate) fn independent(&mut self, g: &Graph, a: NodeId, b: NodeId) -> bool {
        let pa = self.primitives(g, a);
        self.primitives(g, b).is_disjoint(&pa)
    }

    /// Whether a node is affine in the primitives.
    pub(crate) fn affine(&mut self, g: &Graph, id: NodeId) -> bool {
        let laws = &self.laws;
        let primitive =
            |n: NodeId| laws.get(&n).map(|law| if matches!(law, Law::Opaque) { Degree::Other } else { Degree::Affine });
        self.degrees.of(g, id, &primitive) <= Degree::Affine
    }

    /// Whether a node is affine in normal primitives, and so normal itself.
    pub(crate) fn gaussian(&mut self, g: &Graph, id: NodeId) -> bool {
        let normal = self.primitives(g, id).iter().all(|p| match self.laws.get(p) {
            Some(Law::StandardNormal | Law::Chain(_)) => true,
            Some(Law::Family(d)) => d.family.gaussian_on() == Some(Support::Real) && d.restricted.is_none(),
            _ => false,
        });
        normal && self.affine(g, id)
    }

    /// Whether anything is a Gaussian chain.
    pub fn has_chains(&self) -> bool {
        self.laws.values().any(|law| matches!(law, Law::Chain(_)))
    }

    /// Mean and variance of a node that is affine in Gaussian chains and in nothing else that is random.
    pub fn normal_by_chains(&mut self, g: &mut Graph, id: NodeId) -> Option<(NodeId, NodeId)> {
        let primitives = self.primitives(g, id);
        let chained = primitives.iter().all(|p| matches!(self.laws.get(p), Some(Law::Chain(_))));
        if primitives.is_empty() || !chained || !self.affine(g, id) {
            return None;
        }
        Some((self.mean(g, id)?, self.variance(g, id)?.value))
    }
}

/// Mean and variance of max(a, 0) for a ~ N(m, v): E = m Φ(m/s) + s φ(m/s), E² = (m² + v) Φ(m/s) + m s φ(m/s).
pub(crate) fn rectified(g: &mut Graph, m: NodeId, v: NodeId) -> (NodeId, NodeId) {
    let s = g.sqrt(v);
    let t = g.div(m, s);
    let cdf = g.normal_cdf(t);
    let l = g.log_normal_pdf(t);
    let pdf = g.exp(l);
    let (a, b) = (g.mul(m, cdf), g.mul(s, pdf));
    let mean = g.add(a, b);
    let square = g.square(m);
    let second = g.add(square, v);
    let second = g.mul(second, cdf);
    let cross = g.mul(m, b);
    let second = g.add(second, cross);
    let squared = g.square(mean);
    (mean, g.sub(second, squared))
}
