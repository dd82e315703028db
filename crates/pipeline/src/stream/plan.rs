//! A plan that is made anew at each line, beginning with the last one moved by a position.

use std::sync::Arc;

use fe_graph::Tensor;
use fe_objective::{Objective, Parameter};
use fe_syntax::ast::StatementKind;
use fe_train::{Known, Values};

use super::lines;
use super::step::{Action, Step, StepCode};
use super::{Given, Row, Silent, Taken};
use crate::error::Error;
use crate::finished::Finished;
use crate::fit::failed;
use crate::prepare::Prepared;
use crate::text::Text;

/// How a plan is made anew.
#[derive(Clone, Copy, Debug)]
pub struct PlanOptions {
    /// The most iterations at a line.
    pub steps: usize,
    /// Starts that are compared at a line: the last plan, and as many but one of the program's own.
    pub starts: usize,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self { steps: 50, starts: 2 }
    }
}

/// A program whose parameters are fitted again at each line, from where they were.
pub struct Plan {
    prepared: Prepared,
    text: Text,
    /// The axis of its loop.
    axis: String,
    taken: Vec<Taken>,
    values: Option<Values>,
    options: PlanOptions,
    line: u64,
}

impl Plan {
    /// Before the first line, at which a finished run begins at its plan, and a program that is prepared makes its first one as
    /// its `train` says.
    ///
    /// # Errors
    /// When the program has rows, or no loop.
    pub fn open(text: &Text, prepared: Prepared, from: Option<&Finished>, options: PlanOptions) -> Result<Self, Error> {
        let loops = fe_syntax::parse(&text.source).ast.statements;
        let axis = loops.iter().find_map(|s| match &s.kind {
            StatementKind::For { axis, .. } => Some(axis.name.value.clone()),
            _ => None,
        });
        let Some(axis) = axis.filter(|_| prepared.program.row.is_none()) else {
            return Err(Error::Request(format!(
                "{} is no plan: one has a loop and no rows; a program with rows is streamed without --plan",
                prepared.program.name
            )));
        };
        let program = &prepared.program;
        let taken = program
            .data
            .iter()
            .map(|d| Taken {
                name: d.name.clone(),
                shape: d.axes.iter().map(|a| program.graph.extent_of(a.id)).collect(),
                optional: true,
                levels: None,
                columns: vec![],
            })
            .collect();
        let values = match from {
            Some(run) => Some(run.values(&prepared.problem()?)?),
            None => None,
        };
        Ok(Self { prepared, text: text.clone(), axis, taken, values, options, line: 0 })
    }

    /// What lines may give: any of the program's data; the rest stays as it was.
    pub fn taken(&self) -> &[Taken] {
        &self.taken
    }

    /// The program, for messages.
    pub fn text(&self) -> &Text {
        &self.text
    }

    /// The plan from what a line gives.
    ///
    /// # Errors
    /// When the line is not like the data, or the fit fails.
    pub fn step(&mut self, row: &Row) -> Result<Step, Error> {
        lines::known(&self.taken, row, &self.text)?;
        for taken in &self.taken.clone() {
            let Some(given) = row.get(&taken.name) else { continue };
            self.replace(taken, given)?;
        }
        let failing = |e| failed(e, &self.prepared.program, &self.prepared.objective);
        let problem = self.prepared.problem()?;
        let mut train = self.prepared.program.train.clone();
        let from = self.values.take().map(|v| moved(&self.prepared.objective, &problem, &self.axis, v, self.line > 0));
        if from.is_some() {
            train.starts = Some(self.options.starts.max(1));
            train.steps = Some(self.options.steps);
            train.epochs = None;
        }
        let made = fe_train::minimise(&problem, &train, from, &mut Silent, &mut fe_train::Unkept).map_err(failing)?;
        let end = made.end();
        let o = &self.prepared.objective;
        let wanted: Vec<_> = o.report.readouts.iter().filter(|r| self.latent(&r.name)).collect();
        let codes = fe_train::codes(&problem, &end.values, end.extra.clone(), &wanted).map_err(failing)?;
        let mut action = vec![];
        for parameter in o.parameters.iter().filter(|p| self.prepared.program.params.iter().any(|q| q.name == p.name)) {
            let Some(value) = end.values.get(o.parameters.iter().position(|p| p.name == parameter.name).unwrap_or(0))
            else {
                continue;
            };
            let whole = problem.declared_value(parameter, value);
            if let Some(place) = along(o, parameter, &self.axis) {
                action.push(first(&parameter.name, &whole.shape, &whole.values, place));
            }
        }
        let mut told = vec![];
        for code in codes.codes {
            let Some(place) = code.axes.iter().position(|a| *a == self.axis) else { continue };
            if let Known::Moments { mean, sd } = &code.known {
                let (mean, sd) =
                    (first(&code.name, &code.shape, mean, place), first(&code.name, &code.shape, sd, place));
                let known = Known::Moments { mean: mean.values.clone(), sd: sd.values };
                told.push(StepCode { name: code.name.clone(), shape: mean.shape.clone(), known, draw: None });
                action.push(mean);
            }
        }
        let figures = end.figures;
        let step = Step {
            line: self.line,
            free_energy: figures.free_energy,
            free_energy_se: None,
            distortion: figures.distortion,
            rate: figures.rate,
            spikes: figures.spikes,
            codes: told,
            action,
        };
        self.values = Some(end.values);
        self.line += 1;
        Ok(step)
    }

    fn latent(&self, name: &str) -> bool {
        self.prepared.program.latents.iter().any(|l| l.name == name)
    }

    fn replace(&mut self, taken: &Taken, given: &Given) -> Result<(), Error> {
        let program = &self.prepared.program;
        let Some(data) = program.data.iter().find(|d| d.name == taken.name) else { return Ok(()) };
        let values = lines::numbers(taken, given, &self.text, data.span)?;
        let shape = fe_graph::axis::sorted(&data.axes).iter().map(|a| program.graph.extent_of(a.id)).collect();
        let values = fe_train::to_sorted(&program.graph, &data.axes, values);
        let input = data.input;
        self.prepared.arrays.tensors.insert(input, Arc::new(Tensor { shape, values }));
        Ok(())
    }
}

/// The place of the loop's axis among a parameter's.
fn along(o: &Objective, parameter: &Parameter, axis: &str) -> Option<usize> {
    parameter.axes.iter().position(|a| o.graph.axis(a.id).is_some_and(|x| x.name == axis))
}

/// The plan moved by one position; its last one is kept twice.
fn moved(o: &Objective, problem: &fe_train::Problem, axis: &str, values: Values, by_one: bool) -> Values {
    if !by_one {
        return values;
    }
    let shifted = o.parameters.iter().zip(values).map(|(parameter, value)| {
        let Some(place) = along(o, parameter, axis) else { return value };
        let mut whole = problem.declared_value(parameter, &value);
        let extent = whole.shape.get(place).copied().unwrap_or(1);
        let inner: usize = whole.shape.iter().skip(place + 1).product();
        let before = whole.values.clone();
        for (k, slot) in whole.values.iter_mut().enumerate() {
            let at = (k / inner.max(1)) % extent.max(1);
            if at + 1 < extent {
                *slot = before.get(k + inner).copied().unwrap_or(*slot);
            }
        }
        problem.unconstrained_value(parameter, &whole.values)
    });
    shifted.collect()
}

/// The first position of an array along one of its axes.
fn first(name: &str, shape: &[usize], values: &[f64], place: usize) -> Action {
    let extent = shape.get(place).copied().unwrap_or(1);
    let inner: usize = shape.iter().skip(place + 1).product();
    let kept =
        values.iter().enumerate().filter(|(k, _)| (k / inner.max(1)).is_multiple_of(extent.max(1))).map(|(_, v)| *v);
    let shape = shape.iter().enumerate().filter(|(k, _)| *k != place).map(|(_, n)| *n).collect();
    Action { name: name.to_owned(), shape, values: kept.collect() }
}
