//! The objective and its gradient on all training rows, for a minimiser: compiled once, run at many points. Noise is a
//! fixed set of draws, so that it is the same function each time (sample average approximation, SAA).

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use fe_graph::{Axis, Compiled, ExecutionError, NodeId, Tensor};
use fe_objective::{GuideKind, Objective};

use crate::checkpoint::{Keeper, Moment, State, Way};
use crate::journal::{Ended, Iteration, Journal};
use crate::lbfgs::{self, Curvature, Options, Origin, Outcome, Progress};
use crate::problem::{Problem, Setting, Values};
use crate::reading::part;
use crate::sizes::Sizes;

/// Numbers of the largest value that a pass computes, where latents are summed at every draw: many arrays of that size, which
/// should stay near the core.
const BUDGET: usize = 1 << 18;

/// The same where a mode is sought at every draw, by many more arrays.
const SOUGHT: usize = 1 << 16;

/// The fewest draws of a pass, where nothing is summed or sought at each.
const FEWEST: usize = 64;

/// The most draws of a pass over what is compiled.
fn most(sizes: Sizes, outputs: &[NodeId]) -> usize {
    let o = sizes.o;
    let apart = o.minimised.importance.is_none() && !o.minimised.scored && o.minimised.bounds.is_empty();
    let guide = |of: fn(GuideKind) -> bool| apart && o.guides.latents.iter().any(|l| of(l.guide));
    match (guide(GuideKind::is_summed), guide(GuideKind::is_at_mode)) {
        (false, false) => (BUDGET / sizes.largest(outputs)).max(FEWEST),
        (true, _) => (BUDGET / sizes.largest(outputs)).max(1),
        (false, true) => (SOUGHT / sizes.largest(outputs)).max(1),
    }
}

/// The number of passes of equal size for so many draws.
fn passes(draws: usize, most: usize) -> usize {
    let least = draws.div_ceil(most).max(1);
    (least..=draws.max(1)).find(|n| draws.is_multiple_of(*n)).unwrap_or(1)
}

/// What an evaluation gives: the objective, its gradient, the sums of terms and of spikes, and values that are bounded.
fn outputs(o: &Objective) -> Vec<NodeId> {
    let mut outputs = vec![o.minimised.value];
    outputs.extend(&o.minimised.gradient);
    outputs.extend(o.terms.iter().map(|t| t.sum));
    outputs.extend(o.spikes.iter().map(|e| e.sum));
    outputs.extend(o.minimised.bounds.iter().map(|b| b.value));
    outputs
}

/// The draws of a pass of an evaluation with so many.
pub(crate) fn draws_of_pass(sizes: Sizes, draws: usize) -> usize {
    draws / passes(draws, most(sizes, &outputs(sizes.o)))
}

/// A compiled objective that is the same function at every evaluation.
pub(crate) struct SaaObjective<'a> {
    problem: &'a Problem<'a>,
    compiled: Box<dyn Compiled>,
    outputs: Vec<NodeId>,
    /// The most draws of a pass.
    most: usize,
    /// The sums of terms and spikes, and the values that are bounded, at the last point that was run.
    pub sums: Vec<Tensor>,
    kept: Kept<'a>,
    /// Minimisations made.
    made: usize,
    /// Where the fit stood when it was ended from outside: nothing is kept after that.
    left: Option<Journal>,
}

/// What is kept of the minimisations of a fit, and by whom.
pub(crate) struct Kept<'a> {
    /// Those of an earlier fit that this one goes on from, and then its own.
    pub journal: Journal,
    pub keeper: &'a mut dyn Keeper,
    /// When the fit began.
    pub started: Instant,
}

/// What is known of the curvature where a minimisation begins.
pub(crate) enum Memory<'a> {
    /// It adds to it what it learns, for those that follow.
    Lasting(&'a mut Curvature),
    /// Its own alone.
    Passing(Curvature),
}

impl Memory<'_> {
    fn curvature(&mut self) -> &mut Curvature {
        match self {
            Self::Lasting(curvature) => curvature,
            Self::Passing(curvature) => curvature,
        }
    }
}

/// Why an observer ends a minimisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The whole fit is to end.
    Interrupted,
    /// It is good enough.
    Enough,
}

impl<'a> SaaObjective<'a> {
    /// Compiles.
    ///
    /// # Errors
    /// When the executor cannot.
    pub fn new(problem: &'a Problem<'a>, kept: Kept<'a>) -> Result<Self, ExecutionError> {
        let outputs = outputs(problem.objective);
        let most = most(problem.sizes(), &outputs);
        let compiled = problem.compile(&outputs)?;
        Ok(Self { problem, compiled, outputs, most, sums: vec![], kept, made: 0, left: None })
    }

    /// The objective, nats per row, and its gradient, all parameters one behind the other.
    ///
    /// # Errors
    /// When a run fails.
    pub fn at(&mut self, values: &Values, setting: &Setting) -> Result<(f64, Vec<f64>), ExecutionError> {
        let parameters = &self.problem.objective.parameters;
        let results = self.run(values, setting)?;
        let value = results.first().map_or(f64::NAN, Tensor::item);
        let gradients = parameters.iter().zip(results.iter().skip(1));
        let gradient = gradients.flat_map(|(p, t)| self.problem.whole_gradient(p, t)).collect();
        self.sums = results.into_iter().skip(1 + parameters.len()).collect();
        Ok((value, gradient))
    }

    /// What is compiled: means over the draws, from passes of equal size where one would be large.
    fn run(&mut self, values: &Values, setting: &Setting) -> Result<Vec<Tensor>, ExecutionError> {
        let (problem, rows) = (self.problem, &self.problem.train);
        let passes = passes(setting.samples, self.most);
        if passes == 1 || setting.draws.is_empty() {
            return self.compiled.run(&problem.feed(values, rows, setting));
        }
        let each = setting.samples / passes;
        let mut whole: Vec<Tensor> = vec![];
        for pass in 0..passes {
            let draws = setting.draws.iter().map(|(&site, t)| (site, Arc::new(part(t, pass * each, each)))).collect();
            let own = Setting { draws, samples: each, ..setting.clone() };
            let results = self.compiled.run(&problem.feed(values, rows, &own))?;
            if pass == 0 {
                whole = results;
                continue;
            }
            for ((sum, own), &node) in whole.iter_mut().zip(results).zip(&self.outputs) {
                if problem.objective.graph.has_axis(node, Axis::SAMPLE) {
                    sum.values.extend(own.values);
                } else {
                    sum.values.iter_mut().zip(own.values).for_each(|(s, v)| *s += v);
                }
            }
        }
        for (sum, &node) in whole.iter_mut().zip(&self.outputs) {
            if problem.objective.graph.has_axis(node, Axis::SAMPLE) {
                sum.shape.iter_mut().take(1).for_each(|n| *n = setting.samples);
            } else {
                sum.values.iter_mut().for_each(|v| *v /= passes as f64);
            }
        }
        Ok(whole)
    }

    /// The values that are bounded, at the last point that was run.
    pub fn bounded(&self) -> Vec<f64> {
        let o = self.problem.objective;
        self.sums.iter().skip(o.terms.len() + o.spikes.len()).map(Tensor::item).collect()
    }

    /// The objective alone.
    ///
    /// # Errors
    /// When a run fails.
    pub fn value(&mut self, values: &Values, setting: &Setting) -> Result<f64, ExecutionError> {
        Ok(self.at(values, setting)?.0)
    }

    /// Minimises from some values, with what is known of the curvature; `observe` is shown each iteration, and may end it. In a
    /// fit that goes on, what was minimised before is not made again: its iterations are shown, and it ends where it ended, or
    /// goes on where it stood.
    ///
    /// # Errors
    /// When a run fails.
    pub fn minimize(
        &mut self,
        (start, mut memory): (&Values, Memory),
        setting: &Setting,
        options: &Options,
        mut observe: impl FnMut(&Iteration) -> ControlFlow<Stop>,
    ) -> Result<(Values, Outcome), ExecutionError> {
        let number = self.made;
        self.made += 1;
        let mut journal = std::mem::take(&mut self.kept.journal);
        if let Some(Ended { course, outcome }) = journal.ended.get(number) {
            let stops = course.iter().map(&mut observe).filter(|s| *s == ControlFlow::Break(Stop::Interrupted)).count();
            if stops > 0 && self.left.is_none() {
                // It stands where it stood.
                self.kept.keeper.keep(State(Way::Minimum(Box::new(journal.clone()))), Moment::Interrupted);
                self.left = Some(journal.clone());
            }
            if let (Memory::Lasting(curvature), Some((of, left))) = (&mut memory, &journal.curvature)
                && *of == number
            {
                curvature.clone_from(left);
            }
            let ended = (unflatten(&outcome.x, start), outcome.clone());
            self.kept.journal = journal;
            return Ok(ended);
        }
        // The iteration at which it stands is shown by the run itself, which may end there.
        let mut again = journal.open.is_some().then(|| journal.course.pop()).flatten();
        journal.course.iter().for_each(|i| _ = observe(i));
        let origin = journal.open.take().map_or_else(|| Origin::Start(flatten(start)), Origin::Standing);
        let mut left = None;
        let this = std::cell::RefCell::new(&mut *self);
        let outcome = lbfgs::minimize_with(
            memory.curvature(),
            |x: &[f64]| this.borrow_mut().at(&unflatten(x, start), setting),
            origin,
            options,
            |now| {
                let this = &mut *this.borrow_mut();
                let iteration = again.take().unwrap_or_else(|| this.iteration(&now));
                let stop = observe(&iteration);
                journal.course.push(iteration);
                let interrupted = matches!(stop, ControlFlow::Break(Stop::Interrupted));
                if this.left.is_none() && (interrupted || this.kept.keeper.due()) {
                    let seconds = this.kept.started.elapsed().as_secs_f64();
                    let state = Journal { open: Some(now.standing()), seconds, ..journal.clone() };
                    left = interrupted.then(|| state.clone());
                    let moment = if interrupted { Moment::Interrupted } else { Moment::Due };
                    this.kept.keeper.keep(State(Way::Minimum(Box::new(state))), moment);
                }
                if interrupted && left.is_none() {
                    left.clone_from(&this.left);
                }
                stop.map_break(|_| ())
            },
        )?;
        if left.is_some() {
            // What comes is made in haste, and is not what a fit that goes on makes.
            self.left = left;
            journal.course.clear();
        } else {
            let course = std::mem::take(&mut journal.course);
            journal.ended.push(Ended { course, outcome: outcome.clone() });
            if let Memory::Lasting(curvature) = memory {
                journal.curvature = Some((number, curvature.clone()));
            }
        }
        self.kept.journal = journal;
        Ok((unflatten(&outcome.x, start), outcome))
    }

    /// When the fit began.
    pub fn started(&self) -> Instant {
        self.kept.started
    }

    /// Whether the journal ends with what was minimised last, so that what comes next is not in it.
    pub fn is_at_end(&self) -> bool {
        let Journal { ended, course, open, .. } = &self.kept.journal;
        self.left.is_none() && ended.len() == self.made && course.is_empty() && open.is_none()
    }

    /// Takes minimisations that were made elsewhere for those that come next, each without lasting memory.
    pub fn foretell(&mut self, ended: Vec<Ended>) {
        self.kept.journal.ended.extend(ended);
    }

    /// The minimisation that ended last, taken out of the journal.
    pub fn take_ended(&mut self) -> Option<Ended> {
        self.made = 0;
        self.kept.journal.ended.pop()
    }

    /// Keeps all that was minimised: the fit has ended.
    pub fn end(self) {
        if self.left.is_none() {
            let state = self.state();
            self.kept.keeper.keep(state, Moment::Ended);
        }
    }

    /// Keeps all that was minimised so far, and gives it; where the fit was ended from outside, what was kept then.
    pub fn pause(mut self) -> State {
        if let Some(left) = self.left.take() {
            return State(Way::Minimum(Box::new(left)));
        }
        let state = self.state();
        self.kept.keeper.keep(state.clone(), Moment::Due);
        state
    }

    fn state(&self) -> State {
        let seconds = self.kept.started.elapsed().as_secs_f64();
        State(Way::Minimum(Box::new(Journal { seconds, ..self.kept.journal.clone() })))
    }

    fn iteration(&self, now: &Progress) -> Iteration {
        let mean = |sum: &Tensor| sum.values.iter().sum::<f64>() / sum.values.len().max(1) as f64;
        Iteration {
            iteration: now.iteration,
            evaluations: now.evaluations,
            value: now.value,
            gradient_norm: now.gradient_norm,
            means: self.sums.iter().map(mean).collect(),
            seconds: self.kept.started.elapsed().as_secs_f64(),
        }
    }
}

/// All parameters one behind the other.
pub(crate) fn flatten(values: &Values) -> Vec<f64> {
    values.iter().flatten().copied().collect()
}

/// Such a list taken apart as `like` is.
pub(crate) fn unflatten(flat: &[f64], like: &Values) -> Values {
    let mut rest = flat;
    like.iter()
        .map(|v| {
            let (head, tail) = rest.split_at(v.len().min(rest.len()));
            rest = tail;
            head.to_vec()
        })
        .collect()
}
