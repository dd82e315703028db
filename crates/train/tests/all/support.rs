//! Programs whose data are written in them, compiled and fitted on the planned executor in double precision.

use fe_check::Program;
use fe_cpu::{CpuExecutor, Precision};
use fe_objective::Objective;
use fe_testing::Model;
use fe_train::{Fit, Monitor, Problem, Values};

/// Watches without a word.
pub struct Silent;

impl Monitor for Silent {
    fn step(&mut self, _: u64, _: Option<u64>, _: f64) -> bool {
        true
    }

    fn note(&mut self, _: &str) {}
}

/// A program with its data, and what runs it.
pub struct Bound {
    model: Model,
    executor: CpuExecutor,
}

impl Bound {
    pub fn new(source: &str) -> Self {
        Self { model: fe_testing::model(source), executor: CpuExecutor::new(Precision::F64) }
    }

    pub fn program(&self) -> &Program {
        &self.model.program
    }

    pub fn objective(&self) -> &Objective {
        &self.model.objective
    }

    /// Builds the density that chains move in.
    pub fn pull_back(&mut self) -> fe_objective::PulledBack {
        self.model.objective.pull_back(&self.model.program).unwrap()
    }

    pub fn problem(&self) -> Problem<'_> {
        let rows = self.program().row.map_or(0, |r| r.rows);
        let split = fe_train::split(rows, self.program().train.holdout.and_then(|h| h.share()), 0).unwrap();
        Problem::new(self.objective(), &self.executor, self.model.data.clone(), split, 0).unwrap()
    }

    pub fn fit(&self, from: Option<Values>) -> Fit {
        fe_train::fit(&self.problem(), &self.program().train, from, &mut Silent).unwrap()
    }
}

/// The fit of a program.
pub fn fitted(source: &str) -> Fit {
    Bound::new(source).fit(None)
}

/// The figures of a program at its start.
pub fn at_start(source: &str) -> Fit {
    let mut bound = Bound::new(source);
    bound.model.program.train.steps = Some(0);
    bound.fit(None)
}

/// A parameter's unconstrained values.
pub fn parameter(fit: &Fit, place: usize) -> Vec<f64> {
    fit.values[place].clone()
}

#[track_caller]
pub fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance * expected.abs().max(1.0), "{found}, not {expected}");
}
