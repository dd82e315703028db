//! An objective bound to its data: the feed of the executor for any set of rows.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use fe_check::Schedule;
use fe_graph::{Axis, AxisId, Compiled, ExecutionError, Executor, Feed, Graph, InputId, NodeId, Site, Tensor};
use fe_objective::{Objective, Parameter, Start};

use crate::bijector::Bijector;
use crate::sizes::Sizes;

/// The current value of every parameter, each row-major over its sorted axes, on the unconstrained scale.
pub type Values = Vec<Vec<f64>>;

/// An objective, its data, and which rows are trained on.
pub struct Problem<'a> {
    /// The objective.
    pub objective: &'a Objective,
    /// The executor.
    pub executor: &'a dyn Executor,
    /// Rows of the data that are trained on.
    pub train: Arc<Vec<u64>>,
    /// Rows held out.
    pub heldout: Arc<Vec<u64>>,
    /// The seed of every draw.
    pub seed: u64,
    /// Rows that an earlier fit was trained on, of which none are here.
    trained: Option<usize>,
    data: HashMap<InputId, Arc<Tensor>>,
    training_data: HashMap<InputId, Arc<Tensor>>,
}

/// The part of a finished fit that is kept for rows that it has not seen.
pub struct Kept {
    /// Rows that it was trained on.
    pub trained: usize,
    /// Statistics of those rows, by name; see [`Problem::statistics`].
    pub statistics: HashMap<String, Tensor>,
}

/// What was compiled of one objective's values of data alone, to be run again on other data.
#[derive(Default)]
pub struct Ready {
    compiled: HashMap<InputId, Box<dyn Compiled>>,
}

/// The setting of a run: all that it needs besides parameters and data.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// The key of its noise; see [`crate::streams::Purpose`].
    pub step: u64,
    /// Monte Carlo samples.
    pub samples: usize,
    /// Temperature of relaxed counts.
    pub temperature: f64,
    /// Fraction of the fit done, for schedules.
    pub progress: f64,
    /// Draws in place of noise.
    pub draws: HashMap<Site, Arc<Tensor>>,
    /// Further inputs.
    pub extra: HashMap<InputId, Arc<Tensor>>,
}

impl Setting {
    /// For figures: temperature 0, schedules at their end.
    pub fn reporting(step: u64, samples: usize) -> Self {
        Self { step, samples, progress: 1.0, ..Self::default() }
    }

    /// A further input that is a number; NaN where it is not there.
    pub(crate) fn scalar(&self, input: InputId) -> f64 {
        self.extra.get(&input).map_or(f64::NAN, |t| t.item())
    }
}

impl<'a> Problem<'a> {
    /// Binds data to an objective; `data` holds a tensor, row-major over the input's sorted axes, for each data input.
    ///
    /// # Errors
    /// When a value of data alone cannot be computed.
    pub fn new(
        objective: &'a Objective,
        executor: &'a dyn Executor,
        data: HashMap<InputId, Arc<Tensor>>,
        split: (Vec<u64>, Vec<u64>),
        seed: u64,
    ) -> Result<Self, ExecutionError> {
        Self::bound(objective, executor, data, split, seed, None, &mut Ready::default())
    }

    /// Binds rows that a finished fit has not seen, all of them held out; statistics are those of its own rows.
    ///
    /// # Errors
    /// When a value of data alone cannot be computed.
    pub fn of_new_rows(
        objective: &'a Objective,
        executor: &'a dyn Executor,
        data: HashMap<InputId, Arc<Tensor>>,
        kept: &Kept,
        seed: u64,
    ) -> Result<Self, ExecutionError> {
        Self::of_new_rows_again(objective, executor, data, kept, seed, &mut Ready::default())
    }

    /// As [`Problem::of_new_rows`], many times over: what data alone decide is compiled once.
    ///
    /// # Errors
    /// As there.
    pub fn of_new_rows_again(
        objective: &'a Objective,
        executor: &'a dyn Executor,
        data: HashMap<InputId, Arc<Tensor>>,
        kept: &Kept,
        seed: u64,
        ready: &mut Ready,
    ) -> Result<Self, ExecutionError> {
        let rows = objective.row.map_or(0, |r| r.rows) as u64;
        Self::bound(objective, executor, data, (vec![], (0..rows).collect()), seed, Some(kept), ready)
    }

    fn bound(
        objective: &'a Objective,
        executor: &'a dyn Executor,
        data: HashMap<InputId, Arc<Tensor>>,
        (train, heldout): (Vec<u64>, Vec<u64>),
        seed: u64,
        kept: Option<&Kept>,
        ready: &mut Ready,
    ) -> Result<Self, ExecutionError> {
        let mut problem = Self {
            objective,
            executor,
            train: Arc::new(train),
            heldout: Arc::new(heldout),
            seed,
            trained: kept.map(|k| k.trained),
            data,
            training_data: HashMap::new(),
        };
        for search in &objective.guides.modes {
            problem.data.insert(search.start, Arc::new(zeros(&objective.graph, search.start)));
        }
        problem.select_training_rows();
        // Statistics see the training rows, everything else all rows; each may read the ones before it.
        for prepared in &objective.prepared {
            let known =
                kept.filter(|_| prepared.statistic).and_then(|k| k.statistics.get(problem.name_of(prepared.input)));
            if let Some(value) = known {
                problem.data.insert(prepared.input, Arc::new(value.clone()));
                problem.select_training_rows();
                continue;
            }
            let compiled = match ready.compiled.entry(prepared.input) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => place.insert(executor.compile(&objective.graph, &[prepared.node])?),
            };
            let feed = if prepared.statistic {
                problem.feed(&[], &problem.train.clone(), &Setting::default())
            } else {
                problem.feed(&[], &Arc::new(problem.all_rows()), &Setting::default())
            };
            if let Some(value) = compiled.run(&feed)?.into_iter().next() {
                problem.data.insert(prepared.input, Arc::new(value));
                problem.select_training_rows();
            }
        }
        Ok(problem)
    }

    fn name_of(&self, input: InputId) -> &str {
        self.objective.graph.input_info(input).map_or("", |i| i.name.as_str())
    }

    /// The statistics of the training rows that the program takes, by name, each over its sorted axes: what new rows
    /// are to be seen with.
    pub fn statistics(&self) -> Vec<(String, Tensor)> {
        let taken = self.objective.prepared.iter().filter(|p| p.statistic);
        taken
            .filter_map(|p| Some((self.name_of(p.input).to_owned(), self.data.get(&p.input)?.as_ref().clone())))
            .collect()
    }

    fn row_axis(&self) -> Option<AxisId> {
        self.objective.row.map(|r| r.axis)
    }

    fn all_rows(&self) -> Vec<u64> {
        let n = self.objective.row.map_or(0, |r| r.rows);
        (0..n as u64).collect()
    }

    fn select_training_rows(&mut self) {
        let all = self.train.len() == self.objective.row.map_or(0, |r| r.rows);
        self.training_data = if all { self.data.clone() } else { self.rows_of(&self.train) };
    }

    fn carries_rows(&self, input: InputId) -> bool {
        let axis = self.row_axis().map(Axis::plain);
        self.objective.graph.input_info(input).is_some_and(|i| axis.is_some_and(|a| i.axes.contains(&a)))
    }

    /// Some rows of every tensor that has rows. The row axis is sorted first, so a row is one run of numbers.
    fn rows_of(&self, rows: &[u64]) -> HashMap<InputId, Arc<Tensor>> {
        self.data
            .iter()
            .map(|(&input, tensor)| {
                if self.carries_rows(input) {
                    (input, Arc::new(take_rows(tensor, rows)))
                } else {
                    (input, tensor.clone())
                }
            })
            .collect()
    }

    /// The rows of a datum that are trained on, row-major over its sorted axes.
    pub fn training_data(&self, input: InputId) -> Option<&Tensor> {
        self.training_data.get(&input).map(Arc::as_ref)
    }

    /// Prepares nodes of the objective for running.
    ///
    /// # Errors
    /// When the executor cannot.
    pub fn compile(&self, outputs: &[NodeId]) -> Result<Box<dyn Compiled>, ExecutionError> {
        self.executor.compile(&self.objective.graph, outputs)
    }

    /// Rows that are trained on, or were; 1 without rows.
    pub fn training_rows(&self) -> usize {
        self.trained.unwrap_or(self.train.len()).max(1)
    }

    /// What decides how much is computed.
    pub(crate) fn sizes(&self) -> Sizes<'a> {
        Sizes { o: self.objective, rows: self.training_rows() }
    }

    /// The feed of a run on some rows.
    pub fn feed(&self, values: &[Vec<f64>], rows: &Arc<Vec<u64>>, setting: &Setting) -> Feed {
        let mut feed = Feed { seed: self.seed, step: setting.step, draws: setting.draws.clone(), ..Feed::default() };
        feed.extents.insert(AxisId::SAMPLE, setting.samples.max(1));
        if let Some(axis) = self.row_axis() {
            feed.extents.insert(axis, rows.len());
            feed.rows = Some((axis, rows.clone()));
        }
        feed.inputs = if Arc::ptr_eq(rows, &self.train) || self.row_axis().is_none() {
            self.training_data.clone()
        } else {
            self.rows_of(rows)
        };
        for (parameter, value) in self.objective.parameters.iter().zip(values) {
            let shape = self.shape(parameter);
            let whole = Tensor { shape, values: value.clone() };
            let all = rows.len() == self.objective.row.map_or(0, |r| r.rows);
            let tensor = if parameter.local && !all { take_rows(&whole, rows) } else { whole };
            feed.inputs.insert(parameter.input, Arc::new(tensor));
        }
        let mut scalar = |input: InputId, v: f64| {
            feed.inputs.insert(input, Arc::new(Tensor::scalar(v)));
        };
        scalar(self.objective.minimised.temperature, setting.temperature);
        scalar(self.objective.minimised.per_row, 1.0 / self.training_rows() as f64);
        if let Some(training) = self.objective.minimised.training {
            scalar(training, 0.0);
        }
        for &(input, schedule) in &self.objective.minimised.controls {
            scalar(input, schedule.at(setting.progress));
        }
        for (input, tensor) in &setting.extra {
            feed.inputs.insert(*input, tensor.clone());
        }
        feed
    }

    /// The part of the feed that stays fixed in a training loop on batches of so many rows: with all rows trained on,
    /// those; else the rows of all data, of which each step takes some.
    pub fn training_feed(&self, setting: &Setting, batch: usize) -> Feed {
        let mut feed = Feed { seed: self.seed, draws: setting.draws.clone(), ..Feed::default() };
        feed.extents.insert(AxisId::SAMPLE, setting.samples.max(1));
        let whole = batch == self.training_rows();
        if let Some(axis) = self.row_axis() {
            let rows = if whole { self.train.clone() } else { Arc::new(vec![0; batch]) };
            feed.extents.insert(axis, batch);
            feed.rows = Some((axis, rows));
        }
        feed.inputs = if whole { self.training_data.clone() } else { self.data.clone() };
        feed.inputs
            .insert(self.objective.minimised.per_row, Arc::new(Tensor::scalar(1.0 / self.training_rows() as f64)));
        if let Some(training) = self.objective.minimised.training {
            feed.inputs.insert(training, Arc::new(Tensor::scalar(0.0)));
        }
        for (input, tensor) in &setting.extra {
            feed.inputs.insert(*input, tensor.clone());
        }
        feed
    }

    /// The extents of a parameter's input over its sorted axes.
    pub fn shape(&self, parameter: &Parameter) -> Vec<usize> {
        let axes = fe_graph::axis::sorted(&parameter.free);
        axes.iter().map(|a| self.objective.graph.extent_of(a.id)).collect()
    }

    /// The gradient of a whole parameter from that of the training rows: 0 at rows held out.
    pub fn whole_gradient(&self, parameter: &Parameter, gradient: &Tensor) -> Vec<f64> {
        let rows = self.objective.row.map_or(0, |r| r.rows);
        if !parameter.local || self.train.len() == rows {
            return gradient.values.clone();
        }
        let width: usize = gradient.shape.iter().skip(1).product();
        let mut whole = vec![0.0; rows.saturating_mul(width)];
        for (&row, from) in self.train.iter().zip(gradient.values.chunks(width.max(1))) {
            let start = (row as usize).saturating_mul(width);
            if let Some(to) = whole.get_mut(start..start.saturating_add(width)) {
                to.copy_from_slice(from);
            }
        }
        whole
    }

    /// The temperature at a fraction of the fit.
    pub fn temperature(&self, progress: f64) -> f64 {
        Schedule::at(self.objective.minimised.temperature_schedule, progress)
    }

    /// Starting values; `attempt` asks for other random ones.
    pub fn start(&self, attempt: u64) -> Values {
        self.objective.parameters.iter().map(|p| self.start_of(p, attempt)).collect()
    }

    fn start_of(&self, parameter: &Parameter, attempt: u64) -> Vec<f64> {
        let g = &self.objective.graph;
        match &parameter.start {
            Start::Constant(v) => vec![*v; parameter.free.iter().map(|a| g.extent_of(a.id)).product()],
            Start::Declared(init) => bijector(parameter).start(g, init, &parameter.name, self.seed, attempt),
        }
    }

    /// A parameter on the program's scale, in its declared order, as it is saved.
    pub fn declared_value(&self, parameter: &Parameter, value: &[f64]) -> Tensor {
        bijector(parameter).constrain(&self.objective.graph, value)
    }

    /// The unconstrained values of a parameter saved on the program's scale, in its declared order.
    pub fn unconstrained_value(&self, parameter: &Parameter, saved: &[f64]) -> Vec<f64> {
        unconstrained_value(&self.objective.graph, parameter, saved)
    }
}

/// The unconstrained values of a parameter saved on the program's scale, in its declared order.
pub fn unconstrained_value(g: &Graph, parameter: &Parameter, saved: &[f64]) -> Vec<f64> {
    bijector(parameter).unconstrain(g, saved)
}

/// A program's parameter on the unconstrained scale, over its input's sorted axes, from values on the program's scale as
/// declared.
pub fn unconstrained(g: &Graph, param: &fe_check::Param, saved: &[f64]) -> Tensor {
    let of = Bijector { support: param.support, axes: &param.axes, free: &param.free };
    let shape = fe_graph::axis::sorted(&param.free).iter().map(|a| g.extent_of(a.id)).collect();
    Tensor { shape, values: of.unconstrain(g, saved) }
}

fn bijector(parameter: &Parameter) -> Bijector<'_> {
    Bijector { support: parameter.support, axes: &parameter.axes, free: &parameter.free }
}

/// What an input takes, all 0.
fn zeros(g: &fe_graph::Graph, input: InputId) -> Tensor {
    let axes = g.input_info(input).map(|i| i.axes.as_slice()).unwrap_or_default();
    let shape: Vec<usize> = axes.iter().map(|a| g.extent_of(a.id)).collect();
    Tensor { values: vec![0.0; shape.iter().product()], shape }
}

fn take_rows(tensor: &Tensor, rows: &[u64]) -> Tensor {
    let width: usize = tensor.shape.iter().skip(1).product();
    let mut values = Vec::with_capacity(rows.len().saturating_mul(width));
    for &row in rows {
        let start = (row as usize).saturating_mul(width);
        if let Some(row) = tensor.values.get(start..start.saturating_add(width)) {
            values.extend_from_slice(row);
        }
    }
    let mut shape = tensor.shape.clone();
    if let Some(first) = shape.first_mut() {
        *first = rows.len();
    }
    Tensor { shape, values }
}

/// Values over axes in the order declared, put into sorted order.
pub fn to_sorted(g: &Graph, declared: &[Axis], values: Vec<f64>) -> Vec<f64> {
    let shape = declared.iter().map(|a| g.extent_of(a.id)).collect();
    let sorted = fe_graph::axis::sorted(declared);
    let order: Vec<usize> = sorted.iter().filter_map(|a| declared.iter().position(|d| d == a)).collect();
    let tensor = Tensor { shape, values };
    tensor.permuted(&order).map_or(tensor.values, |t| t.values)
}

/// Values over sorted axes, put into the order declared.
pub fn from_sorted(g: &Graph, declared: &[Axis], values: Vec<f64>) -> Tensor {
    let sorted = fe_graph::axis::sorted(declared);
    let shape = sorted.iter().map(|a| g.extent_of(a.id)).collect();
    let order: Vec<usize> = declared.iter().filter_map(|a| sorted.iter().position(|s| s == a)).collect();
    let tensor = Tensor { shape, values };
    tensor.permuted(&order).unwrap_or(tensor)
}
