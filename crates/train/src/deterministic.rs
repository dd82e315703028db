//! L-BFGS on an objective that repeats: one without noise, or one whose noise is a fixed set of draws (sample average
//! approximation; Giordano, Ingram and Broderick, 2024).

use std::ops::ControlFlow;

use fe_graph::ExecutionError;

use crate::bounds::Multipliers;
use crate::checkpoint::{Course, State, Way};
use crate::descent::Steps;
use crate::estimates;
use crate::fit::{Checks, FitError, Fitted, Monitor};
use crate::journal::Journal;
use crate::lbfgs::{self, Curvature, Outcome, Reason};
use crate::moments::{Moments, change};
use crate::problem::{Problem, Setting, Values};
use crate::qmc::{fixed_draws, noise_sites};
use crate::saa::{Kept, Memory, SaaObjective, Stop};
use crate::starting::{Begun, begin};
use crate::starts::Unfinished;
use crate::streams::{FixedSet, Purpose};
use crate::trace::TracePoint;
use crate::{recentred, redraws, response, starts};

/// Numbers that pairs of steps may take, of many parameters.
const MEMORY: usize = 10_000_000;

/// A gradient this small, relative to the objective, is as good as none where rounding ends the search.
const ROUNDING: f64 = 1e-5;

/// A flow can bend toward the fixed draws themselves, without end and for next to nothing: its fit ends when so many
/// iterations have brought less than this, relative to the objective.
const LEVEL: f64 = 1e-5;
const SPAN: usize = 20;

/// Draws are enough where twice as many move a mean by less than this many standard deviations, and a standard deviation by
/// less than this part.
const MOVED: f64 = 0.02;

/// Iterations after which a large fit goes on in coordinates of its own.
const LEG: usize = 30;

/// A minimum that only tells whether draws are enough is sought to this part of that.
const ROUGHLY: f64 = 0.1;

fn is_level(values: &[f64]) -> bool {
    let now = values.last().copied().unwrap_or(f64::NAN);
    values.iter().rev().nth(SPAN).is_some_and(|before| before - now < LEVEL * now.abs().max(1.0))
}

/// The terms on which a fit is made.
pub(crate) struct Terms {
    /// Most iterations.
    pub iterations: u64,
    /// Size of the fixed set of draws; 0 without noise.
    pub draws: usize,
    /// The size that it may grow to.
    pub most: usize,
    /// Number of starts that the program asks for.
    pub starts: Option<usize>,
}

/// Minimises from some values, or from the program's start; gives the values, the start of its guides, and the checks
/// of the minimum.
///
/// # Errors
/// When a run fails, or no start has a finite objective.
pub(crate) fn run<'a>(
    problem: &'a Problem<'a>,
    terms: &'a Terms,
    from: Option<Values>,
    course: Course<'a>,
) -> Result<Fitted, FitError> {
    let (mut minimizer, begun) = match placed(problem, terms, from, course)? {
        Placed::Ended(fitted) => return Ok(*fitted),
        Placed::Begun(minimizer, begun) => (minimizer, begun),
    };
    let (mut minimum, bounded) = minimizer.settle(&begun.values)?;
    let checks = minimizer.check(&begun.values, &mut minimum)?;
    Ok(minimizer.finish(begun.notes, minimum, bounded, checks))
}

/// A fit that stands at its first minimum, if it was reached.
pub(crate) struct First {
    pub minimum: Option<(Values, Setting)>,
    pub state: State,
}

/// The first minimum of a large fit, with the fewest draws, if it is reached, and where the fit stands then. `None` of other fits.
///
/// # Errors
/// As [`run`].
pub(crate) fn first<'a>(
    problem: &'a Problem<'a>,
    terms: &'a Terms,
    from: Option<Values>,
    course: Course<'a>,
) -> Result<Option<First>, FitError> {
    if terms.iterations == 0 || !recentres(problem, terms, terms.draws) {
        return Ok(None);
    }
    let Placed::Begun(minimizer, begun) = placed(problem, terms, from, course)? else { return Ok(None) };
    let mut minimizer = *minimizer;
    let minimum = minimizer.first(&begun.values)?;
    let reached = minimum.outcome.reason == Reason::Converged;
    let minimum = reached.then_some((minimum.values, minimizer.setting));
    Ok(Some(First { minimum, state: minimizer.objective.pause() }))
}

/// Whether guides are made their own start now and then: where an evaluation is large. Other starts, which are made where it is
/// small, are told by the first coordinates.
fn recentres(problem: &Problem, terms: &Terms, draws: usize) -> bool {
    let size = problem.sizes().evaluation(draws);
    draws > 0 && starts::count(problem, terms.starts, size) == 1 && recentred::suits(problem)
}

/// A fit that can be minimised, or one whose start is its end.
enum Placed<'a> {
    Begun(Box<Minimizer<'a>>, Begun),
    Ended(Box<Fitted>),
}

fn placed<'a>(
    problem: &'a Problem<'a>,
    terms: &'a Terms,
    from: Option<Values>,
    course: Course<'a>,
) -> Result<Placed<'a>, FitError> {
    let Course { monitor, keeper, earlier, started } = course;
    let multipliers = Multipliers::new(problem.objective);
    let mut setting = setting(problem, terms, &multipliers)?;
    if let Some(mut steps) = Steps::new(problem)? {
        let values = from.clone().unwrap_or_else(|| problem.start(0));
        steps.choose(problem, &values, 0, &mut setting)?;
    }
    let earlier = match earlier {
        Some(State(Way::Minimum(journal))) => *journal,
        _ => Journal::default(),
    };
    let mut objective = SaaObjective::new(problem, Kept { journal: earlier, keeper, started })?;
    let begun = begin(problem, &mut objective, from, &setting)?;
    if let Some(fitted) = without_steps(problem, terms, &mut objective, &begun)? {
        return Ok(Placed::Ended(Box::new(fitted)));
    }
    let minimizer = Minimizer::new(problem, terms, objective, multipliers, &begun, monitor);
    Ok(Placed::Begun(Box::new(minimizer), begun))
}

/// The setting of every evaluation, but for the start of guides.
fn setting(problem: &Problem, terms: &Terms, multipliers: &Multipliers) -> Result<Setting, FitError> {
    let o = problem.objective;
    let mut setting = Setting::reporting(Purpose::Training.step(0), terms.draws.max(1));
    setting.temperature = problem.temperature(1.0);
    if terms.draws > 0 {
        setting.draws = fixed_draws(problem, noise_sites(o), terms.draws, FixedSet::Fit).ok_or_else(|| {
            FitError::Unsuited(format!("{} draws are too few for this guide; raise `samples`", terms.draws))
        })?;
    }
    multipliers.feed(o, &mut setting.extra);
    Ok(setting)
}

/// The fit where its start is its end: a guide at its mode without parameters, or no iterations asked for.
fn without_steps(
    problem: &Problem,
    terms: &Terms,
    objective: &mut SaaObjective,
    begun: &Begun,
) -> Result<Option<Fitted>, ExecutionError> {
    let fitted = |steps, converged, test| Fitted {
        steps,
        converged,
        test,
        notes: begun.notes.clone(),
        draws: terms.draws,
        ..Fitted::new(begun.values.clone(), &begun.setting)
    };
    if let (true, Some(mode)) = (problem.objective.parameters.is_empty(), begun.mode) {
        let limit = ROUNDING * objective.value(&begun.values, &begun.setting)?.abs().max(1.0);
        let (gradient, iterations) = (mode.gradient, mode.iterations);
        let test = format!("largest gradient {gradient:.1e} at the mode after {iterations} iterations");
        return Ok(Some(fitted(iterations as u64, gradient <= limit, test)));
    }
    Ok((terms.iterations == 0).then(|| fitted(0, false, "no steps were asked for".into())))
}

/// The end of a run of the minimiser.
struct Minimum {
    values: Values,
    outcome: Outcome,
}

/// A fit on its way.
struct Minimizer<'a> {
    problem: &'a Problem<'a>,
    terms: &'a Terms,
    objective: SaaObjective<'a>,
    multipliers: Multipliers,
    setting: Setting,
    /// The size of the fixed set of draws.
    draws: usize,
    options: lbfgs::Options,
    /// What the runs so far know of the objective's curvature, which is nearly the same for any draws.
    curvature: Curvature,
    monitor: &'a mut dyn Monitor,
    trace: Vec<TracePoint>,
    /// Iterations done.
    done: u64,
    interrupted: bool,
    /// Whether the last run ended because a flow no longer falls.
    level: bool,
    notes: Vec<String>,
}

impl<'a> Minimizer<'a> {
    fn new(
        problem: &'a Problem<'a>,
        terms: &'a Terms,
        objective: SaaObjective<'a>,
        multipliers: Multipliers,
        begun: &Begun,
        monitor: &'a mut dyn Monitor,
    ) -> Self {
        let default = lbfgs::Options::default();
        let size: usize = begun.values.iter().map(Vec::len).sum();
        let options = lbfgs::Options {
            iterations: usize::try_from(terms.iterations).unwrap_or(usize::MAX),
            memory: (MEMORY / size.max(1)).clamp(10, default.memory),
            ..default
        };
        Self {
            problem,
            terms,
            objective,
            multipliers,
            setting: begun.setting.clone(),
            draws: terms.draws,
            options,
            curvature: Curvature::default(),
            monitor,
            trace: vec![],
            done: 0,
            interrupted: false,
            level: false,
            notes: vec![],
        }
    }

    /// The minimum with as many draws as it needs, and whether bounds are met there.
    fn settle(&mut self, start: &Values) -> Result<(Minimum, bool), ExecutionError> {
        let tight = self.options.tolerance;
        let mut minimum = self.first(start)?;
        let bounded = self.meet_bounds(&mut minimum)?;
        self.grow(&mut minimum)?;
        if self.options.tolerance > tight && minimum.outcome.reason == Reason::Converged {
            self.options.tolerance = tight;
            minimum = self.minimize(&minimum.values)?;
        }
        self.options.tolerance = tight;
        Ok((minimum, bounded))
    }

    /// The minimum with the fewest draws, to the tolerance of minima on the way.
    fn first(&mut self, start: &Values) -> Result<Minimum, ExecutionError> {
        if self.recentres() {
            let value = self.objective.value(start, &self.setting)?;
            self.options.tolerance = self.rough(value).unwrap_or(self.options.tolerance);
        }
        self.descend(start)
    }

    /// The tolerance of minima on the way to as many draws as are needed: in coordinates in which guides are round the gradient of
    /// all rows is the distance to the minimum, in standard deviations.
    fn rough(&self, value: f64) -> Option<f64> {
        let grows = self.draws < self.terms.most && self.problem.objective.minimised.bounds.is_empty();
        let rough = ROUGHLY * MOVED / self.problem.training_rows() as f64 / value.abs().max(1.0);
        (grows && rough > self.options.tolerance).then_some(rough)
    }

    /// The first minimum. Where an evaluation is large, every few iterations the guides are made their own start: the first one
    /// may know nothing of the posterior's scales, by which a search of many numbers is slow.
    fn descend(&mut self, start: &Values) -> Result<Minimum, ExecutionError> {
        let (whole, mut from) = (self.options.iterations, start.clone());
        loop {
            if self.recentres() {
                self.options.iterations = whole.min(self.done as usize + LEG);
            }
            let mut minimum = self.minimize(&from)?;
            self.options.iterations = whole;
            let on = minimum.outcome.reason == Reason::MaxIterations && (self.done as usize) < whole;
            if !(on && self.recentre(&mut minimum)) {
                return Ok(minimum);
            }
            from = minimum.values;
        }
    }

    /// One run of L-BFGS, with what is left of the iterations.
    fn minimize(&mut self, start: &Values) -> Result<Minimum, ExecutionError> {
        let flow = self.problem.objective.guides.joints.iter().any(|j| j.is_flow());
        let before = self.done;
        let left = self.options.iterations.saturating_sub(before as usize);
        let options = lbfgs::Options { iterations: left, ..self.options };
        let rows = self.problem.training_rows();
        let mut so_far = vec![];
        let (values, outcome) =
            self.objective.minimize((start, Memory::Lasting(&mut self.curvature)), &self.setting, &options, |now| {
                self.done = before + now.iteration as u64;
                let means = now.means.iter().map(std::slice::from_ref);
                self.trace.push(TracePoint::new(self.problem, self.done, now.seconds, means, rows));
                self.interrupted = !self.monitor.step(self.done, None, now.value);
                so_far.push(now.value);
                self.level = flow && is_level(&so_far);
                match (self.interrupted, self.level) {
                    (true, _) => ControlFlow::Break(Stop::Interrupted),
                    (false, true) => ControlFlow::Break(Stop::Enough),
                    (false, false) => ControlFlow::Continue(()),
                }
            })?;
        Ok(Minimum { values, outcome })
    }

    /// With bounds, one minimum for each set of multipliers. Whether the multipliers have settled.
    fn meet_bounds(&mut self, minimum: &mut Minimum) -> Result<bool, ExecutionError> {
        let o = self.problem.objective;
        let mut settled = o.minimised.bounds.is_empty();
        while !settled && (self.level || !matches!(minimum.outcome.reason, Reason::Cancelled | Reason::MaxIterations)) {
            self.objective.at(&minimum.values, &self.setting)?;
            settled = !self.multipliers.update(&self.objective.bounded());
            self.multipliers.feed(o, &mut self.setting.extra);
            if !settled {
                *minimum = self.minimize(&minimum.values)?;
            }
        }
        Ok(settled)
    }

    /// Twice as many draws, until that moves no moment of a latent by more than [`MOVED`]: the many-draw objective is
    /// minimised from next to its minimum. Where no moments tell, the most at once.
    fn grow(&mut self, minimum: &mut Minimum) -> Result<(), ExecutionError> {
        let mut moments = Moments::new(self.problem)?;
        while self.draws > 0 && self.draws < self.terms.most && !self.interrupted {
            let next = if moments.is_some() { 2 * self.draws } else { self.terms.most };
            let sites = noise_sites(self.problem.objective);
            let Some(draws) = fixed_draws(self.problem, sites, next, FixedSet::Fit) else { return Ok(()) };
            let mut place = || moments.as_mut().map(|m| m.at(&minimum.values, &self.setting.extra)).transpose();
            let before = place()?;
            self.recentre(minimum);
            (self.setting.draws, self.setting.samples, self.draws) = (draws, next, next);
            *minimum = self.minimize(&minimum.values)?;
            let Some((moments, before)) = moments.as_mut().zip(before) else { continue };
            let moved = change(&before, &[moments.at(&minimum.values, &self.setting.extra)?]);
            if moved.means <= MOVED && moved.sds <= MOVED {
                return Ok(());
            }
        }
        Ok(())
    }

    fn recentres(&self) -> bool {
        recentres(self.problem, self.terms, self.draws)
    }

    /// Goes on in coordinates in which the guides are round, where that is done. Whether it is.
    fn recentre(&mut self, minimum: &mut Minimum) -> bool {
        let found =
            self.recentres().then(|| recentred::recentred(self.problem, &minimum.values, &mut self.setting.extra));
        let Some(values) = found.flatten() else { return false };
        minimum.values = values;
        self.curvature = Curvature::round(1.0 / self.problem.training_rows() as f64);
        true
    }

    /// Checks of a minimum that was found from `first`; a lower one that another start finds takes its place.
    fn check(&mut self, first: &Values, minimum: &mut Minimum) -> Result<Checks, ExecutionError> {
        let mut checks = Checks::default();
        // Starts that the program asks for are made whatever became of the first: plans are searched so.
        if !verdict(&minimum.outcome, self.options.tolerance).0 && self.terms.starts.is_none() {
            return Ok(checks);
        }
        let (problem, count) = (self.problem, self.draws);
        let size = problem.sizes().evaluation(count);
        let number = starts::count(problem, self.terms.starts, size);
        let iterations = minimum.outcome.iterations as u64;
        if number > 1
            && let Some((found, lower)) = starts::compare(
                &mut self.objective,
                problem,
                (first, &minimum.values),
                &self.setting,
                (number, if self.terms.starts.is_some() { Unfinished::Kept } else { Unfinished::Dropped }),
                |value| {
                    self.interrupted = !self.monitor.step(iterations, None, value);
                    !self.interrupted
                },
            )?
        {
            checks.starts = Some(found);
            if let Some(lower) = lower {
                self.curvature = Curvature::default();
                // With as many iterations as the first had.
                self.options.iterations = self.options.iterations.saturating_add(self.done as usize);
                *minimum = self.minimize(&lower)?;
                self.notes.push("another start ended lower than the first, and was kept".into());
            }
        }
        let iterations = minimum.outcome.iterations as u64;
        let going = |value: f64| {
            self.interrupted = !self.monitor.step(iterations, None, value);
            !self.interrupted
        };
        let Minimum { values, .. } = &*minimum;
        checks.draws = redraws::change_of_draws(
            &mut self.objective,
            problem,
            (values, &self.curvature),
            &self.setting,
            count,
            going,
        )?;
        checks.response = response::response(&mut self.objective, problem, values, &self.setting, size)?;
        checks.errors = estimates::standard_errors(&mut self.objective, problem, values, &self.setting, size)?;
        Ok(checks)
    }

    fn finish(self, notes: Vec<String>, minimum: Minimum, bounded: bool, checks: Checks) -> Fitted {
        let (done, outcome) = (self.done, minimum.outcome);
        let (converged, test) = if self.level {
            let limit = LEVEL * outcome.value.abs().max(1.0);
            (true, format!("the objective fell by less than {limit:.1e} in the last {SPAN} of {done} iterations"))
        } else {
            verdict(&Outcome { iterations: done as usize, ..outcome }, self.options.tolerance)
        };
        self.objective.end();
        Fitted {
            steps: done,
            converged: converged && bounded,
            test,
            interrupted: self.interrupted,
            notes: notes.into_iter().chain(self.notes).collect(),
            trace: self.trace,
            checks,
            draws: self.draws,
            ..Fitted::new(minimum.values, &self.setting)
        }
    }
}

/// Whether a run converged, and by which test. At the level of rounding it has, where the gradient is small too.
pub(crate) fn verdict(outcome: &Outcome, tolerance: f64) -> (bool, String) {
    let limit = tolerance * outcome.value.abs().max(1.0);
    let norm = outcome.gradient_norm;
    let after = format!("after {} iterations", outcome.iterations);
    match outcome.reason {
        Reason::Converged => (true, format!("largest gradient {norm:.1e} ≤ {limit:.1e} {after}")),
        Reason::Stalled(_) => {
            let near = norm <= ROUNDING * outcome.value.abs().max(1.0);
            (near, format!("no further progress beyond rounding {after}, largest gradient {norm:.1e}"))
        }
        Reason::MaxIterations => (false, format!("largest gradient {norm:.1e} > {limit:.1e} {after}")),
        Reason::Cancelled => (false, format!("ended {after}, largest gradient {norm:.1e}")),
        Reason::NonFiniteStart => (false, "the start is not finite".into()),
    }
}
