//! An objective at given parameters.

use std::collections::HashMap;
use std::sync::Arc;

use fe_cpu::{CpuExecutor, Precision};
use fe_graph::{AxisId, Executor, Feed, InputId, NodeId, Tensor};
use fe_objective::{Chain, Joint, Start};

use crate::Model;

/// All that an objective's value follows from. It starts where every parameter starts at its constant, or at 0; joint
/// guides and chains start at 0 and have unit scale, schedules are at their end, and relaxed counts are exact.
#[derive(Clone, Debug)]
pub struct Point {
    /// A tensor for each input but those of the data.
    pub inputs: HashMap<InputId, Arc<Tensor>>,
    /// Monte Carlo samples.
    pub samples: usize,
    /// The seed of all noise.
    pub seed: u64,
}

impl Model {
    /// Where everything starts; see [`Point`].
    pub fn start(&self) -> Point {
        let o = &self.objective;
        let mut point = Point { inputs: HashMap::new(), samples: 1, seed: 0 };
        for parameter in &o.parameters {
            let value = if let Start::Constant(v) = parameter.start { v } else { 0.0 };
            point.fill(self, parameter.input, value);
        }
        point.put(o.minimised.temperature, 0.0);
        if let Some(training) = o.minimised.training {
            point.put(training, 0.0);
        }
        let rows = o.row.map_or(1, |r| r.rows.max(1));
        point.put(o.minimised.per_row, 1.0 / rows as f64);
        for &(input, schedule) in &o.minimised.controls {
            point.put(input, schedule.last());
        }
        for bound in &o.minimised.bounds {
            point.put(bound.multiplier, 0.0);
            point.put(bound.penalty, 0.0);
        }
        for Joint { start, preconditioner, .. } in &o.guides.joints {
            point.fill(self, *start, 0.0);
            point.unit(self, *preconditioner);
        }
        for search in &o.guides.modes {
            point.fill(self, search.start, 0.0);
        }
        for Chain { start, transition, scale, whitening, .. } in &o.guides.chains {
            point.fill(self, *start, 0.0);
            point.fill(self, *transition, 0.0);
            point.unit(self, *scale);
            point.unit(self, *whitening);
        }
        point
    }

    /// The input of a parameter, by its name in `params.safetensors`.
    ///
    /// # Panics
    /// Where there is none of that name.
    pub fn parameter(&self, name: &str) -> InputId {
        let names: Vec<&str> = self.objective.parameters.iter().map(|p| p.name.as_str()).collect();
        let found = self.objective.parameters.iter().find(|p| p.name == name);
        found.unwrap_or_else(|| panic!("no parameter is called `{name}`: there are {names:?}")).input
    }

    /// Values of nodes at a point, in double precision.
    pub fn at(&self, point: &Point, nodes: &[NodeId]) -> Vec<Tensor> {
        let mut inputs = self.data.clone();
        inputs.extend(point.inputs.iter().map(|(&input, value)| (input, value.clone())));
        for prepared in &self.objective.prepared {
            let value = self.run(inputs.clone(), point, &[prepared.node]).remove(0);
            inputs.insert(prepared.input, Arc::new(value));
        }
        self.run(inputs, point, nodes)
    }

    /// The value of a node that is one number, or the mean of its samples.
    pub fn number(&self, point: &Point, node: NodeId) -> f64 {
        let value = self.at(point, &[node]).remove(0);
        value.values.iter().sum::<f64>() / value.values.len().max(1) as f64
    }

    /// What is minimised, per row.
    pub fn value(&self, point: &Point) -> f64 {
        self.number(point, self.objective.minimised.value)
    }

    /// The gradient in every parameter.
    pub fn gradient(&self, point: &Point) -> Vec<Tensor> {
        self.at(point, &self.objective.minimised.gradient)
    }

    /// Central differences of what is minimised, in every parameter, along fixed noise.
    pub fn differences(&self, point: &Point, step: f64) -> Vec<Tensor> {
        let mut list = vec![];
        for parameter in &self.objective.parameters {
            let value = point.inputs.get(&parameter.input).map_or_else(|| Tensor::scalar(0.0), |t| t.as_ref().clone());
            let slope = |k: usize| {
                let moved = |by: f64| {
                    let (mut at, mut value) = (point.clone(), value.clone());
                    value.values.iter_mut().skip(k).take(1).for_each(|v| *v += by);
                    at.inputs.insert(parameter.input, Arc::new(value));
                    self.value(&at)
                };
                (moved(step) - moved(-step)) / (2.0 * step)
            };
            let values = (0..value.values.len()).map(slope).collect();
            list.push(Tensor { shape: value.shape.clone(), values });
        }
        list
    }

    fn run(&self, inputs: HashMap<InputId, Arc<Tensor>>, point: &Point, nodes: &[NodeId]) -> Vec<Tensor> {
        let mut feed = Feed { inputs, seed: point.seed, ..Feed::default() };
        feed.extents.insert(AxisId::SAMPLE, point.samples.max(1));
        if let Some(row) = self.objective.row {
            feed.extents.insert(row.axis, row.rows);
            feed.rows = Some((row.axis, Arc::new((0..row.rows as u64).collect())));
        }
        let mut compiled = CpuExecutor::new(Precision::F64).compile(&self.objective.graph, nodes).unwrap();
        compiled.run(&feed).unwrap()
    }

    fn shape(&self, input: InputId) -> Vec<usize> {
        let axes = self.objective.graph.input_info(input).map_or(&[][..], |i| &i.axes);
        axes.iter().map(|a| self.objective.graph.extent_of(a.id)).collect()
    }
}

impl Point {
    /// Gives an input these numbers, row-major over its sorted axes.
    pub fn set(&mut self, model: &Model, input: InputId, values: &[f64]) {
        let tensor = Tensor { shape: model.shape(input), values: values.to_vec() };
        self.inputs.insert(input, Arc::new(tensor));
    }

    /// Gives a scalar input a number.
    pub fn put(&mut self, input: InputId, value: f64) {
        self.inputs.insert(input, Arc::new(Tensor::scalar(value)));
    }

    /// Gives every parameter numbers of its own, the same in every run: those of a start without structure.
    pub fn scatter(&mut self, model: &Model) {
        let mut count = 0;
        for parameter in &model.objective.parameters {
            let size: usize = model.shape(parameter.input).iter().product();
            let numbers: Vec<f64> = (count..count + size).map(|k| 0.4 * (1.0 + 1.7 * k as f64).sin()).collect();
            self.set(model, parameter.input, &numbers);
            count += size;
        }
    }

    fn fill(&mut self, model: &Model, input: InputId, value: f64) {
        let shape = model.shape(input);
        let values = vec![value; shape.iter().product()];
        self.inputs.insert(input, Arc::new(Tensor { shape, values }));
    }

    /// 1 on the diagonal of the last two axes where one is the prime of the other, else everywhere.
    fn unit(&mut self, model: &Model, input: InputId) {
        let axes = model.objective.graph.input_info(input).map_or(vec![], |i| i.axes.clone());
        let shape = model.shape(input);
        let size: usize = shape.iter().product();
        let square = matches!(axes.as_slice(), [.., row, column] if *column == row.primed());
        let n = shape.last().copied().unwrap_or(1).max(1);
        let on = |k: usize| !square || (k % (n * n)).is_multiple_of(n + 1);
        let values = (0..size).map(|k| f64::from(u8::from(on(k)))).collect();
        self.inputs.insert(input, Arc::new(Tensor { shape, values }));
    }
}
