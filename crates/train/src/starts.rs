//! Several starts: whether a minimum is found again from elsewhere.

use std::ops::ControlFlow;

use fe_check::Init;
use fe_graph::ExecutionError;
use fe_graph::noise::{Element, Stream};
use fe_objective::Start;

use crate::deterministic::verdict;
use crate::lbfgs::{Curvature, Options};
use crate::moments::{Moments, change};
use crate::problem::{Problem, Setting, Values};
use crate::saa::{Memory, SaaObjective, Stop};
use crate::side_by_side;
use crate::streams::Outside;

/// Starts, the first included, where nothing is said and an evaluation is small.
const STARTS: usize = 4;

/// The most numbers that an evaluation may compute for more than one start to be made unasked.
const SMALL: usize = 1_000_000;

/// Distances of other starts from the first, in units of the width that guides start with; further starts repeat these.
const DISTANCES: [f64; 3] = [3.0, 9.0, 27.0];

/// The number of times that a start whose objective is not finite is moved half-way to the first.
const HALVINGS: usize = 30;

/// Starts that agree end within so many nats, over all rows together.
const AGREEMENT: f64 = 0.01;

/// A minimum is compared when its gradient is this small, relative to the objective.
const TOLERANCE: f64 = 1e-6;

/// Iterations of a start that is compared.
const ITERATIONS: usize = 500;

/// Guides this many standard deviations apart are in different places.
const APART: f64 = 1.0;

/// The outcome of several starts.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Starts {
    /// The number of starts.
    pub count: usize,
    /// Starts that ended at the lowest objective, the one that was kept included.
    pub agreeing: usize,
    /// Starts that were still on their way when they were ended.
    pub unfinished: usize,
    /// The largest difference among those that agree, nats over all rows.
    pub within: f64,
    /// The most by which the others ended higher, nats over all rows.
    pub higher: Option<f64>,
    /// Whether those that agree lie far apart: optima of equal depth.
    pub apart: bool,
}

/// What becomes of a start that has not converged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfinished {
    /// It is dropped: it may be on its way to where the objective has no bottom.
    Dropped,
    /// It is gone on with if it is the lowest: the program asks for a search.
    Kept,
}

/// The number of starts that are made: as the program says, or several where an evaluation is small.
pub(crate) fn count(problem: &Problem, stated: Option<usize>, evaluation: usize) -> usize {
    let movable = problem.objective.parameters.iter().any(|p| p.is_location() || matches!(p.start, Start::Declared(_)));
    match stated {
        _ if !movable => 1,
        Some(n) => n,
        None if evaluation <= SMALL => STARTS,
        None => 1,
    }
}

/// Start number `k` > 0: parameters drawn again, and guides placed elsewhere.
fn elsewhere(problem: &Problem, first: &Values, k: usize) -> Values {
    let drawn = problem.start(k as u64);
    let distance = DISTANCES.get((k - 1) % DISTANCES.len()).copied().unwrap_or(1.0);
    let parameters = problem.objective.parameters.iter().zip(first.iter().zip(drawn));
    parameters
        .map(|(p, (first, drawn))| {
            let reach = match &p.start {
                Start::Declared(Init::Normal { .. } | Init::Uniform { .. } | Init::Smooth { .. }) => return drawn,
                Start::Declared(_) => 1.0,
                Start::Constant(_) if p.is_location() => distance,
                Start::Constant(_) => return first.clone(),
            };
            let key = Outside::AnotherStart(&p.name).key(problem.seed, k as u64);
            let draw = |row: usize| Stream::new(key, Element { row: row as u64, rest: 0 }).normal();
            first.iter().enumerate().map(|(row, v)| v + reach * draw(row)).collect()
        })
        .collect()
}

/// Start number `k` > 0, moved toward the first until its objective is finite.
///
/// # Errors
/// When a run fails.
pub(crate) fn placed(
    objective: &mut SaaObjective,
    problem: &Problem,
    first: &Values,
    setting: &Setting,
    k: usize,
) -> Result<Values, ExecutionError> {
    let mut start = elsewhere(problem, first, k);
    for _ in 0..HALVINGS {
        let (value, gradient) = objective.at(&start, setting)?;
        if value.is_finite() && gradient.iter().all(|g| g.is_finite()) {
            break;
        }
        start = halfway(&start, first);
    }
    Ok(start)
}

/// Half-way from one set of values to another.
fn halfway(from: &Values, to: &Values) -> Values {
    let mean = |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).map(|(a, b)| 0.5 * (a + b)).collect();
    from.iter().zip(to).map(mean).collect()
}

/// Minimises again from elsewhere, and compares with a minimum that was found from `first`. Gives what came of it, and
/// the values of a lower minimum where there is one. `None` where it was interrupted.
///
/// # Errors
/// When a run fails.
pub(crate) fn compare(
    objective: &mut SaaObjective,
    problem: &Problem,
    (first, found): (&Values, &Values),
    setting: &Setting,
    (count, unfinished_ones): (usize, Unfinished),
    mut going: impl FnMut(f64) -> bool,
) -> Result<Option<(Starts, Option<Values>)>, ExecutionError> {
    let rows = problem.training_rows() as f64;
    let options = Options { tolerance: TOLERANCE, iterations: ITERATIONS, ..Options::default() };
    let mut ends = vec![(objective.value(found, setting)? * rows, found.clone())];
    let mut unfinished = 0;
    let mut on_its_way: Option<(f64, Values)> = None;
    if problem.sizes().evaluation(setting.samples) <= SMALL {
        side_by_side::made(objective, (problem, first), setting, &options, count, &mut going)?;
    }
    for k in 1..count {
        let start = placed(objective, problem, first, setting, k)?;
        let mut interrupted = false;
        let (values, outcome) =
            objective.minimize((&start, Memory::Passing(Curvature::default())), setting, &options, |now| {
                interrupted = !going(now.value);
                if interrupted { ControlFlow::Break(Stop::Interrupted) } else { ControlFlow::Continue(()) }
            })?;
        if interrupted {
            return Ok(None);
        }
        if verdict(&outcome, TOLERANCE).0 {
            ends.push((outcome.value * rows, values));
        } else {
            // One that is on its way says nothing of agreement, but may be lower already.
            unfinished += 1;
            let value = outcome.value * rows;
            let lower = on_its_way.as_ref().is_none_or(|(least, _)| value < *least);
            if lower && unfinished_ones == Unfinished::Kept {
                on_its_way = Some((value, values));
            }
        }
    }
    let best = ends.iter().enumerate().min_by(|a, b| a.1.0.total_cmp(&b.1.0)).map_or(0, |(k, _)| k);
    let Some((lowest, at_best)) = ends.get(best).cloned() else { return Ok(None) };
    let mut result = Starts { count, unfinished, ..Starts::default() };
    let mut moments = Moments::new(problem)?;
    let place = match &mut moments {
        Some(m) => Some(m.at(&at_best, &setting.extra)?),
        None => None,
    };
    for (value, values) in &ends {
        let above = value - lowest;
        if above > AGREEMENT {
            result.higher = Some(result.higher.unwrap_or(0.0).max(above));
            continue;
        }
        result.agreeing += 1;
        result.within = result.within.max(above);
        if let (Some(m), Some(place)) = (&mut moments, &place) {
            result.apart |= change(place, &[m.at(values, &setting.extra)?]).means > APART;
        }
    }
    if let Some((value, values)) = on_its_way.filter(|(value, _)| *value < lowest - AGREEMENT) {
        result.higher = Some(result.higher.unwrap_or(0.0).max(lowest - value));
        return Ok(Some((result, Some(values))));
    }
    let first_value = ends.first().map_or(lowest, |e| e.0);
    Ok(Some((result, (first_value - lowest > AGREEMENT).then_some(at_best))))
}
