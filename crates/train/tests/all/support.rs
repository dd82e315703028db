//! Programs whose data are written in them, compiled and fitted on the planned executor in double precision.

use std::collections::HashMap;
use std::sync::Arc;

use fe_check::{Header, Overrides, Program, Reader};
use fe_cpu::{CpuExecutor, Precision};
use fe_graph::{InputId, Tensor};
use fe_objective::Objective;
use fe_train::{Fit, Monitor, Problem, Values};

/// Watches without a word.
pub struct Silent;

impl Monitor for Silent {
    fn step(&mut self, _: u64, _: Option<u64>, _: f64) -> bool {
        true
    }

    fn note(&mut self, _: &str) {}
}

/// A program with its data.
pub struct Bound {
    pub program: Program,
    pub objective: Objective,
    tensors: HashMap<InputId, Arc<Tensor>>,
    executor: CpuExecutor,
}

impl Bound {
    pub fn new(source: &str) -> Self {
        let parsed = fe_syntax::parse(source);
        assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
        let (calls, found) = fe_check::sources(&parsed.ast, &Overrides::default());
        assert!(found.is_empty(), "{found:?}");
        let (mut headers, mut data) = (HashMap::new(), HashMap::new());
        for call in calls {
            let Reader::Numbers { shape, values } = call.reader else { panic!("only numbers in the program") };
            headers.insert(call.data.clone(), Header { shape, ..Header::default() });
            data.insert(call.data, values);
        }
        let checked = fe_check::check(&parsed.ast, &headers, &Overrides::default(), "test");
        let program = checked.program.unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
        let objective = fe_objective::derive(&program, source).unwrap_or_else(|e| panic!("{e:?}"));
        let mut tensors = HashMap::new();
        for d in &program.data {
            let values = fe_train::to_sorted(&program.graph, &d.axes, data[&d.name].clone());
            let shape = fe_graph::axis::sorted(&d.axes).iter().map(|a| program.graph.extent_of(a.id)).collect();
            tensors.insert(d.input, Arc::new(Tensor { shape, values }));
        }
        Self { program, objective, tensors, executor: CpuExecutor::new(Precision::F64) }
    }

    pub fn problem(&self) -> Problem<'_> {
        let rows = self.program.row.map_or(0, |r| r.rows);
        let split = fe_train::split(rows, self.program.train.holdout, 0).unwrap();
        Problem::new(&self.objective, &self.executor, self.tensors.clone(), split, 0).unwrap()
    }

    pub fn fit(&self, from: Option<Values>) -> Fit {
        fe_train::fit(&self.problem(), &self.program.train, from, &mut Silent).unwrap()
    }
}

/// The fit of a program.
pub fn fitted(source: &str) -> Fit {
    Bound::new(source).fit(None)
}

/// A parameter's unconstrained values.
pub fn parameter(fit: &Fit, place: usize) -> Vec<f64> {
    fit.values[place].clone()
}

#[track_caller]
pub fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance * expected.abs().max(1.0), "{found}, not {expected}");
}
