//! The potential of a Gaussian guide, −log p(x, z(u)) − log |dz/du|, as a function of the guide's vector u: its value,
//! its gradient, and products of its Hessian, by which the Laplace start is found.

use std::collections::HashMap;
use std::sync::Arc;

use fe_graph::{Axis, Compiled, ExecutionError, InputId, NodeId, Tensor};

use crate::problem::{Problem, Setting, Values, from_sorted, to_sorted};
use crate::streams::Purpose;

/// Draws of what else is random, over which a potential is averaged.
pub(crate) const DRAWS: usize = 16;

/// The nodes and inputs of a potential in its objective.
pub(crate) struct PotentialNodes<'a> {
    /// Axes of u as declared.
    pub axes: &'a [Axis],
    pub point: InputId,
    pub direction: InputId,
    pub value: NodeId,
    pub gradient: NodeId,
    /// The Hessian at the point times the direction.
    pub product: NodeId,
}

/// A compiled potential, all else that it depends on held fixed.
pub(crate) struct Potential<'a> {
    problem: &'a Problem<'a>,
    nodes: PotentialNodes<'a>,
    values: &'a Values,
    setting: Setting,
    value: Box<dyn Compiled>,
    product: Box<dyn Compiled>,
}

impl<'a> Potential<'a> {
    /// Compiles it; other Gaussian guides stand where `fitted` has them.
    ///
    /// # Errors
    /// When the executor cannot.
    pub fn new(
        problem: &'a Problem<'a>,
        nodes: PotentialNodes<'a>,
        values: &'a Values,
        fitted: &HashMap<InputId, Arc<Tensor>>,
        samples: usize,
    ) -> Result<Self, ExecutionError> {
        let setting = Setting { extra: fitted.clone(), ..Setting::reporting(Purpose::Training.step(0), samples) };
        let value = problem.compile(&[nodes.value, nodes.gradient])?;
        let product = problem.compile(&[nodes.product])?;
        Ok(Self { problem, nodes, values, setting, value, product })
    }

    fn put(&mut self, input: InputId, vector: &[f64]) {
        let g = &self.problem.objective.graph;
        let shape = fe_graph::axis::sorted(self.nodes.axes).iter().map(|a| g.extent_of(a.id)).collect();
        let values = to_sorted(g, self.nodes.axes, vector.to_vec());
        self.setting.extra.insert(input, Arc::new(Tensor { shape, values }));
    }

    fn declared(&self, tensor: Tensor) -> Vec<f64> {
        from_sorted(&self.problem.objective.graph, self.nodes.axes, tensor.values).values
    }

    /// Its value and its gradient at a point.
    ///
    /// # Errors
    /// When a run fails.
    pub fn at(&mut self, point: &[f64]) -> Result<(f64, Vec<f64>), ExecutionError> {
        self.put(self.nodes.point, point);
        let feed = self.problem.feed(self.values, &self.problem.train, &self.setting);
        let mut results = self.value.run(&feed)?.into_iter();
        let value = results.next().map_or(f64::NAN, |t| t.item());
        Ok((value, results.next().map(|t| self.declared(t)).unwrap_or_default()))
    }

    /// Its Hessian at a point times a direction.
    ///
    /// # Errors
    /// When a run fails.
    pub fn times(&mut self, point: &[f64], direction: &[f64]) -> Result<Vec<f64>, ExecutionError> {
        self.put(self.nodes.point, point);
        self.put(self.nodes.direction, direction);
        let feed = self.problem.feed(self.values, &self.problem.train, &self.setting);
        let result = self.product.run(&feed)?.into_iter().next().unwrap_or_default();
        Ok(self.declared(result))
    }
}
