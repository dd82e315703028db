//! The start of a fit: parameters as declared or drawn, and every Gaussian guide and chain at the one of its Laplace
//! starts that has the lowest objective.

use std::sync::Arc;

use fe_graph::{Axis, ExecutionError};
use fe_objective::{Joint, ModeSearch, Objective, Start};

use crate::chains::{self, ChainStart};
use crate::fit::{FitError, locate};
use crate::laplace::{self, LaplaceStart, Reached};
use crate::problem::{Problem, Setting, Values};
use crate::saa::SaaObjective;

/// The number of times that a start is drawn again where it is not finite.
pub(crate) const ATTEMPTS: u64 = 10;

/// Parts of their width that joint guides are tried at, one after the other, where the objective is not finite: of an
/// exponential of a scale no draw may lie far out, and a guide grows as wide as it is to be in the fit.
const WIDTHS: [f64; 5] = [1.0, 0.3, 0.1, 0.03, 0.01];

/// A start at which the objective is finite.
pub(crate) struct Begun {
    pub values: Values,
    /// The setting that was given, with the start of all guides.
    pub setting: Setting,
    /// The search for the mode of a guide that stays there.
    pub mode: Option<Reached>,
    /// Notes for the user.
    pub notes: Vec<String>,
}

/// A note of starts that were of no use.
pub(crate) fn drawn_again(attempts: u64) -> Option<String> {
    (attempts > 0)
        .then(|| format!("the free energy was not finite at the first {attempts} starts, which were drawn again"))
}

/// A note of guides that were made narrower than their start.
fn made_narrower(part: f64) -> Option<String> {
    (part < 1.0)
        .then(|| format!("the free energy was not finite at the guides' start: they started at {part} of its width"))
}

/// A note of where a chain started, if there is one.
pub(crate) fn chain_started(from: &str) -> Option<String> {
    (!from.is_empty()).then(|| format!("the guide of the chain started at {from}"))
}

/// Starts at some values, else at the program's; random ones are drawn again where the objective is not finite.
///
/// # Errors
/// When a run fails, or no start is found.
pub(crate) fn begin(
    problem: &Problem,
    objective: &mut SaaObjective,
    from: Option<Values>,
    setting: &Setting,
) -> Result<Begun, FitError> {
    let o = problem.objective;
    let random = o.parameters.iter().any(|p| matches!(p.start, Start::Declared(_)));
    let mut values = from.unwrap_or_else(|| problem.start(0));
    let (mut mode, mut attempt) = (None, 0);
    loop {
        let candidates = Candidates::new(problem, &values, setting)?;
        mode = candidates.mode(o).or(mode);
        let value_at = &mut |s: &Setting| objective.value(&values, s);
        for part in WIDTHS {
            if let Some(best) = candidates.narrowed(o, part).best(o, value_at)? {
                let notes = best.notes(o).into_iter().chain(drawn_again(attempt)).chain(made_narrower(part)).collect();
                let mut setting = best.setting;
                seek_modes(problem, &values, &mut setting)?;
                return Ok(Begun { values, setting, mode, notes });
            }
            // A chain's width goes by its own curvature, and that of a Laplace guide is its answer.
            if o.guides.joints.iter().all(Joint::is_laplace) {
                break;
            }
        }
        if attempt == ATTEMPTS || !random {
            return Err(not_finite(problem, &values, setting)?);
        }
        attempt += 1;
        values = problem.start(attempt);
    }
}

/// Has searches for conditional modes begin where they end at the means of all guides: draws of these lie about them, and so do
/// their modes.
fn seek_modes(problem: &Problem, values: &Values, setting: &mut Setting) -> Result<(), ExecutionError> {
    let row = problem.objective.row.map(|r| Axis::plain(r.axis));
    for ModeSearch { start, at_means } in &problem.objective.guides.modes {
        let Some(node) = *at_means else { continue };
        // Rows are taken some at a time.
        if row.is_some_and(|r| problem.objective.graph.has_axis(node, r)) {
            continue;
        }
        let alone = Setting { extra: setting.extra.clone(), ..Setting::reporting(setting.step, 1) };
        let found = problem.compile(&[node])?.run(&problem.feed(values, &problem.train, &alone))?;
        if let Some(mode) = found.into_iter().next().filter(|t| t.values.iter().all(|v| v.is_finite())) {
            setting.extra.insert(*start, Arc::new(mode));
        }
    }
    Ok(())
}

/// The error of a start that is not finite, with its place.
fn not_finite(problem: &Problem, values: &Values, setting: &Setting) -> Result<FitError, ExecutionError> {
    let mut setting = setting.clone();
    if let Some((s, _)) = starts_of_chains(problem, values, &setting)?.first() {
        setting = s.clone();
    }
    for joint in &problem.objective.guides.joints {
        if let Some(first) = laplace::candidates(problem, joint, values, &setting.extra)?.first() {
            first.feed(joint, &mut setting.extra);
        }
    }
    Ok(locate(problem, values, &setting, 0))
}

/// All starts that are compared.
struct Candidates {
    /// Of the chains: a setting each, and its origin.
    chains: Vec<(Setting, &'static str)>,
    /// Of each joint guide.
    joints: Vec<Vec<LaplaceStart>>,
}

/// A start of all guides, and its origin.
struct GuideStart {
    value: f64,
    setting: Setting,
    of_joints: Vec<&'static str>,
    of_chains: &'static str,
}

impl Candidates {
    fn new(problem: &Problem, values: &Values, setting: &Setting) -> Result<Self, FitError> {
        let chains = starts_of_chains(problem, values, setting)?;
        let mut fitted = chains.last().map(|s| s.0.extra.clone()).unwrap_or_default();
        // Other guides stand at their medians while one is placed.
        for joint in &problem.objective.guides.joints {
            LaplaceStart::median(joint).feed(joint, &mut fitted);
        }
        let mut joints = vec![];
        for joint in &problem.objective.guides.joints {
            let starts = laplace::candidates(problem, joint, values, &fitted)?;
            if joint.is_laplace() && starts.is_empty() {
                let message = "a Laplace guide needs a mode, and none was found from the prior's median";
                return Err(FitError::Unsuited(format!("{message}; use `FullRank()`")));
            }
            joints.push(starts);
        }
        Ok(Self { chains, joints })
    }

    /// The same places, with a part of the width of joint guides.
    fn narrowed(&self, o: &Objective, part: f64) -> Self {
        let joints = o.guides.joints.iter().zip(&self.joints).map(|(joint, starts)| match joint.is_laplace() {
            true => starts.clone(),
            false => starts.iter().map(|s| s.narrowed(part)).collect(),
        });
        Self { chains: self.chains.clone(), joints: joints.collect() }
    }

    /// The search for the mode of the last guide that stays at its mode.
    fn mode(&self, o: &Objective) -> Option<Reached> {
        let fixed = o.guides.joints.iter().zip(&self.joints).filter(|(joint, _)| joint.is_laplace());
        fixed.filter_map(|(_, starts)| starts.iter().find_map(|s| s.mode)).next_back()
    }

    /// The start with the lowest finite objective, if one is finite.
    fn best(
        self,
        o: &Objective,
        value_at: &mut dyn FnMut(&Setting) -> Result<f64, ExecutionError>,
    ) -> Result<Option<GuideStart>, ExecutionError> {
        let mut best: Option<GuideStart> = None;
        for (setting, of_chains) in self.chains {
            let found = best_of_joints(&o.guides.joints, &self.joints, setting, value_at)?;
            if found.value.is_finite() && best.as_ref().is_none_or(|b| found.value < b.value) {
                best = Some(GuideStart { of_chains, ..found });
            }
        }
        Ok(best)
    }
}

impl GuideStart {
    fn notes(&self, o: &Objective) -> Vec<String> {
        let joints = o.guides.joints.iter().zip(&self.of_joints).map(|(joint, from)| laplace::started(joint, from));
        chain_started(self.of_chains).into_iter().chain(joints).collect()
    }
}

/// The start of each joint guide that has the lowest objective, one guide after another, the others staying where they
/// are: at first at their first candidate.
fn best_of_joints(
    joints: &[Joint],
    candidates: &[Vec<LaplaceStart>],
    mut now: Setting,
    value_at: &mut dyn FnMut(&Setting) -> Result<f64, ExecutionError>,
) -> Result<GuideStart, ExecutionError> {
    for (joint, starts) in joints.iter().zip(candidates) {
        if let Some(first) = starts.first() {
            first.feed(joint, &mut now.extra);
        }
    }
    let mut lowest = value_at(&now)?;
    let mut of_joints = vec![];
    for (joint, starts) in joints.iter().zip(candidates) {
        let mut from = starts.first().map_or("", |s| s.from);
        for start in starts.iter().skip(1) {
            let mut other = now.clone();
            start.feed(joint, &mut other.extra);
            let value = value_at(&other)?;
            if value.is_finite() && (value < lowest || !lowest.is_finite()) {
                (lowest, now, from) = (value, other, start.from);
            }
        }
        of_joints.push(from);
    }
    Ok(GuideStart { value: lowest, setting: now, of_joints, of_chains: "" })
}

/// A setting with the start of chains, for each of their candidates, best guess last; joint guides stand at their
/// medians meanwhile.
///
/// # Errors
/// When a run fails.
pub(crate) fn starts_of_chains(
    problem: &Problem,
    values: &Values,
    setting: &Setting,
) -> Result<Vec<(Setting, &'static str)>, ExecutionError> {
    let o = problem.objective;
    let mut fitted = setting.extra.clone();
    for joint in &o.guides.joints {
        LaplaceStart::median(joint).feed(joint, &mut fitted);
    }
    // And chains, while another is placed.
    for chain in &o.guides.chains {
        ChainStart::median(problem, chain).feed(problem, chain, &mut fitted);
    }
    let mut settings = vec![(setting.clone(), "")];
    for chain in &o.guides.chains {
        let starts = chains::candidates(problem, chain, values, &fitted)?;
        if let Some(best) = starts.last() {
            best.feed(problem, chain, &mut fitted);
        }
        let with = |(s, _): (Setting, &'static str)| {
            starts.iter().map(move |start| {
                let mut s = s.clone();
                start.feed(problem, chain, &mut s.extra);
                (s, start.from)
            })
        };
        settings = settings.into_iter().flat_map(with).collect();
    }
    Ok(settings)
}
