//! L-BFGS on an objective that repeats: one without noise, or one whose noise is a fixed set of draws (sample-average
//! approximation; Giordano, Ingram and Broderick, 2024).

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use fe_graph::noise::{Element, NoiseKey, Stream};
use fe_graph::special::{log_gamma, log_normal_cdf, normal_cdf};
use fe_graph::{Axis, ExecutionError, NodeId, NoiseKind, Op, Site, Tensor};
use fe_objective::{Joint, Objective, TermKind};

use crate::bounds::Multipliers;
use crate::chains;
use crate::curvature::{self, Anchor};
use crate::draws::normal_draws;
use crate::fit::{Checks, FitError, Fitted, Monitor, TracePoint, locate};
use crate::lbfgs::{self, Outcome, Reason};
use crate::problem::{Problem, Setting, Values};
use crate::repeating::Repeating;
use crate::{redraws, response, starts};

/// How often a start that is not finite is drawn again.
const ATTEMPTS: u64 = 10;

/// Numbers that pairs of steps may take, of many parameters.
const MEMORY: usize = 10_000_000;

/// A gradient this small, relative to the objective, is as good as none where rounding ends the search.
const ROUNDING: f64 = 1e-5;

/// A flow can bend toward the fixed draws themselves, without end and for next to nothing: its descent ends when so many
/// iterations have brought less than this, relative to the objective.
const LEVEL: f64 = 1e-5;
const SPAN: usize = 20;

fn is_level(values: &[f64]) -> bool {
    let now = values.last().copied().unwrap_or(f64::NAN);
    values.iter().rev().nth(SPAN).is_some_and(|before| before - now < LEVEL * now.abs().max(1.0))
}

/// A source of noise in an objective.
pub(crate) struct NoiseSite {
    pub site: Site,
    /// Its distribution; none for the arrivals of relaxed counts, which keep their own noise.
    kind: Option<NoiseKind>,
    /// Axes without samples.
    axes: Vec<Axis>,
    /// Elements a sample.
    pub size: usize,
}

/// The sources of noise of an objective.
pub(crate) fn noise_sites(o: &Objective) -> Vec<NoiseSite> {
    noise_sites_of(o, &[o.minimised.value])
}

/// The sources of noise of some of an objective's nodes.
pub(crate) fn noise_sites_of(o: &Objective, nodes: &[NodeId]) -> Vec<NoiseSite> {
    let mut sites = vec![];
    let mut seen = HashSet::new();
    for id in o.graph.reachable(nodes) {
        let (site, kind) = match o.graph.node(id).op {
            Op::Noise { kind, site } => (site, Some(kind)),
            Op::Arrivals { site, .. } => (site, None),
            _ => continue,
        };
        if seen.insert(site) {
            let axes = o.axes_without_samples(id);
            let size = axes.iter().map(|a| o.graph.extent_of(a.id)).product();
            sites.push(NoiseSite { site, kind, axes, size });
        }
    }
    sites
}

fn extent(problem: &Problem, axis: Axis) -> usize {
    match problem.objective.row {
        Some(r) if r.axis == axis.id => problem.train.len(),
        _ => problem.objective.graph.extent_of(axis.id),
    }
}

/// One fixed set of draws for all sites together: quasi-random normals whose mean and covariance are exact, mapped to the
/// kind of each site. Relaxed counts keep the noise of step 0.
pub(crate) fn fixed_draws(
    problem: &Problem,
    sites: Vec<NoiseSite>,
    count: usize,
    seed: u64,
) -> Option<HashMap<Site, Arc<Tensor>>> {
    let sites: Vec<(NoiseSite, NoiseKind)> = sites
        .into_iter()
        .filter_map(|s| s.kind.map(|k| (s, k)))
        .map(|(s, k)| {
            let size = s.axes.iter().map(|a| extent(problem, *a)).product();
            (NoiseSite { size, ..s }, k)
        })
        .collect();
    let total: usize = sites.iter().map(|s| s.0.size).sum();
    if total == 0 {
        return Some(HashMap::new());
    }
    let all = normal_draws(count, total, seed)?;
    let mut map = HashMap::new();
    let mut start = 0;
    for (s, kind) in sites {
        let mapped = |z: f64| match kind {
            NoiseKind::Normal => z,
            NoiseKind::Uniform => normal_cdf(z),
            NoiseKind::Exponential => -log_normal_cdf(z),
        };
        let values =
            all.chunks(total).flat_map(|row| row.iter().skip(start).take(s.size).map(|&z| mapped(z))).collect();
        let shape = std::iter::once(count).chain(s.axes.iter().map(|a| extent(problem, *a))).collect();
        map.insert(s.site, Arc::new(Tensor { shape, values }));
        start += s.size;
    }
    Some(map)
}

/// Dimensions of a table's noise, at most, for it to be drawn evenly.
const EVEN: usize = 64;

/// Draws spread evenly, of all noise of some nodes.
pub(crate) struct EvenDraws {
    /// For each site its draws, samples first.
    pub draws: HashMap<Site, Arc<Tensor>>,
    /// Whether all of it is standard normal.
    pub all_normal: bool,
}

/// Draws for the table of some nodes, spread evenly: so many that a guide's own means and standard deviations come out
/// exactly where they are linear in the noise. `None` where the noise is of many dimensions, or relaxed counts'.
pub(crate) fn even_draws(problem: &Problem, nodes: &[NodeId], count: usize) -> Option<EvenDraws> {
    let sites = noise_sites_of(problem.objective, nodes);
    let size = |s: &NoiseSite| s.axes.iter().map(|a| extent(problem, *a)).fold(1usize, usize::saturating_mul);
    let total = sites.iter().map(size).fold(0usize, usize::saturating_add);
    if total == 0 || total > EVEN || sites.iter().any(|s| s.kind.is_none()) {
        return None;
    }
    let all_normal = sites.iter().all(|s| s.kind == Some(NoiseKind::Normal));
    // Not the draws that the guide was fitted to.
    let draws = fixed_draws(problem, sites, count, problem.seed ^ 0x7461_626c_6500_0000)?;
    Some(EvenDraws { draws, all_normal })
}

/// Degrees of freedom of the wider proposal.
const WIDE: u32 = 5;

impl EvenDraws {
    /// The draws of a multivariate Student t: each sample divided by √(χ²/ν); and for each sample
    /// log N(ε) − log t(ε), by which the weights of the normal draws become those of the t.
    pub fn widened(&self, seed: u64) -> (Self, Vec<f64>) {
        let nu = f64::from(WIDE);
        let count = self.draws.values().next().and_then(|t| t.shape.first().copied()).unwrap_or(0);
        let key = NoiseKey { seed, site: Site::named("wider proposal"), step: 0 };
        let factors: Vec<f64> = (0..count as u64)
            .map(|row| {
                let mut stream = Stream::new(key, Element { row, rest: 0 });
                let chi: f64 = (0..WIDE).map(|_| stream.normal().powi(2)).sum();
                (nu / chi).sqrt()
            })
            .collect();
        let (mut squares, mut dimensions) = (vec![0.0; count], 0.0);
        let mut draws = HashMap::new();
        for (&site, tensor) in &self.draws {
            let width = tensor.values.len() / count.max(1);
            dimensions += width as f64;
            let mut wide = tensor.as_ref().clone();
            let samples = wide.values.chunks_mut(width.max(1));
            for ((sample, factor), square) in samples.zip(&factors).zip(&mut squares) {
                for v in sample {
                    *v *= factor;
                    *square += *v * *v;
                }
            }
            draws.insert(site, Arc::new(wide));
        }
        let d = dimensions;
        let constant = 0.5 * d * (nu / 2.0).ln() + log_gamma(0.5 * nu) - log_gamma(0.5 * (nu + d));
        let correction = squares.iter().map(|s| constant - 0.5 * s + 0.5 * (nu + d) * (s / nu).ln_1p()).collect();
        (Self { draws, all_normal: false }, correction)
    }
}

/// Minimises; gives the values, the anchors of joint guides in its setting, and what checks made of them. `stated` is
/// the number of starts that the program asks for; `from` takes the place of the first.
pub(crate) fn run(
    problem: &Problem,
    (iterations, count): (u64, usize),
    (from, stated): (Option<Values>, Option<usize>),
    monitor: &mut dyn Monitor,
    started: Instant,
) -> Result<Fitted, FitError> {
    let o = problem.objective;
    let mut notes = vec![];
    let mut setting = Setting::reporting(0, count.max(1));
    setting.temperature = problem.temperature(1.0);
    if count > 0 {
        setting.draws = fixed_draws(problem, noise_sites(o), count, problem.seed)
            .ok_or_else(|| FitError::Unsuited(format!("{count} draws are too few for this guide; raise `samples`")))?;
    }
    let mut multipliers = Multipliers::new(o);
    multipliers.feed(o, &mut setting.extra);
    let mut repeating = Repeating::new(problem)?;

    // The start: parameters, then the best of the candidate anchors.
    let mut attempt = 0;
    let mut values = from.unwrap_or_else(|| problem.start(0));
    let mut mode = None;
    loop {
        let of_chains = start_of_chains(problem, &values, &setting)?;
        let fitted = of_chains.last().map(|s| s.0.extra.clone()).unwrap_or_default();
        let mut candidates = vec![];
        for joint in &o.guides.joints {
            let anchors = curvature::candidates(problem, joint, &values, &fitted)?;
            if joint.is_laplace() && anchors.is_empty() {
                let message = "a Laplace guide needs a mode, and none was found from the prior's median";
                return Err(FitError::Unsuited(format!("{message}; use `FullRank()`")));
            }
            mode = anchors.iter().filter(|_| joint.is_laplace()).find_map(|a| a.gradient).or(mode);
            candidates.push(anchors);
        }
        let mut best: Option<Start> = None;
        for (s, of_chain) in of_chains {
            let mut try_at = |s: &Setting| repeating.value(&values, s);
            let found = best_anchors(&o.guides.joints, &candidates, s, &mut try_at)?;
            if found.value.is_finite() && best.as_ref().is_none_or(|b| found.value < b.value) {
                best = Some(Start { of_chain, ..found });
            }
        }
        match best {
            Some(Start { setting: s, from, of_chain, .. }) => {
                setting = s;
                if !of_chain.is_empty() {
                    notes.push(format!("the guide of the chain started at {of_chain}"));
                }
                notes.extend(o.guides.joints.iter().zip(from).map(|(joint, from)| curvature::started(joint, from)));
                break;
            }
            None if attempt < ATTEMPTS
                && o.parameters.iter().any(|p| matches!(p.start, fe_objective::Start::Declared(_))) =>
            {
                attempt += 1;
                values = problem.start(attempt);
            }
            None => {
                let mut setting = setting.clone();
                if let Some((s, _)) = start_of_chains(problem, &values, &setting)?.first() {
                    setting = s.clone();
                }
                for joint in &o.guides.joints {
                    if let Some(a) = curvature::candidates(problem, joint, &values, &setting.extra)?.first() {
                        a.feed(joint, &mut setting.extra);
                    }
                }
                return Err(locate(problem, &values, &setting, 0));
            }
        }
    }
    if attempt > 0 {
        notes.push(format!("the free energy was not finite at the first {attempt} starts, which were drawn again"));
    }
    if let (true, Some((gradient, iterations))) = (o.parameters.is_empty(), mode) {
        let limit = ROUNDING * repeating.value(&values, &setting)?.abs().max(1.0);
        let test = format!("largest gradient {gradient:.1e} at the mode after {iterations} iterations");
        return Ok(finished(values, iterations as u64, gradient <= limit, test, false, notes, vec![], setting));
    }
    if iterations == 0 {
        return Ok(finished(values, 0, false, "no steps were asked for".into(), false, notes, vec![], setting));
    }

    let mut trace: Vec<TracePoint> = vec![];
    let mut interrupted = false;
    let level = std::cell::Cell::new(false);
    let flow = o.guides.joints.iter().any(|j| j.is_flow());
    let default = lbfgs::Options::default();
    let size: usize = values.iter().map(Vec::len).sum();
    let options = lbfgs::Options {
        iterations: usize::try_from(iterations).unwrap_or(usize::MAX),
        memory: (MEMORY / size.max(1)).clamp(10, default.memory),
        ..default
    };
    let (first, mut done) = (values.clone(), 0);
    let mut minimize = |repeating: &mut Repeating, start: &Values, setting: &Setting, monitor: &mut dyn Monitor| {
        let before = done;
        let options = lbfgs::Options { iterations: options.iterations.saturating_sub(before as usize), ..options };
        let mut so_far = vec![];
        repeating.minimize(start, setting, &options, |now, sums| {
            done = before + now.iteration as u64;
            let seconds = started.elapsed().as_secs_f64();
            trace.push(trace_point(problem, done, seconds, sums));
            interrupted = !monitor.step(done, None, now.value);
            so_far.push(now.value);
            level.set(flow && is_level(&so_far));
            if interrupted || level.get() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    };
    let (mut values, mut outcome) = minimize(&mut repeating, &values, &setting, monitor)?;
    // With bounds, one minimum for each set of multipliers.
    let mut bounded = o.minimised.bounds.is_empty();
    let ended = |outcome: &Outcome| !level.get() && matches!(outcome.reason, Reason::Cancelled | Reason::MaxIterations);
    while !bounded && !ended(&outcome) {
        repeating.at(&values, &setting)?;
        bounded = !multipliers.update(&repeating.bounded());
        multipliers.feed(o, &mut setting.extra);
        if !bounded {
            (values, outcome) = minimize(&mut repeating, &values, &setting, monitor)?;
        }
    }
    let mut checks = Checks::default();
    if verdict(&outcome, options.tolerance).0 {
        let size = starts::evaluation(problem, count);
        let going = |value: f64| monitor.step(outcome.iterations as u64, None, value);
        let number = starts::count(problem, stated, size);
        if number > 1
            && let Some((found, lower)) =
                starts::compare(&mut repeating, problem, (&first, &values), &setting, number, going)?
        {
            checks.starts = Some(found);
            if let Some(lower) = lower {
                (values, outcome) = minimize(&mut repeating, &lower, &setting, monitor)?;
                notes.push("another start ended lower than the first, and was kept".into());
            }
        }
        let going = |value: f64| monitor.step(outcome.iterations as u64, None, value);
        checks.draws = redraws::change_of_draws(&mut repeating, problem, &values, &setting, count, going)?;
        checks.response = response::response(&mut repeating, problem, &values, &setting, size)?;
    }
    let (converged, test) = if level.get() {
        let limit = LEVEL * outcome.value.abs().max(1.0);
        (true, format!("the objective fell by less than {limit:.1e} in the last {SPAN} of {done} iterations"))
    } else {
        verdict(&Outcome { iterations: done as usize, ..outcome }, options.tolerance)
    };
    let fitted = finished(values, done, converged && bounded, test, interrupted, notes, trace, setting);
    Ok(Fitted { checks, ..fitted })
}

/// A start of all guides, and where it was taken from.
struct Start {
    value: f64,
    setting: Setting,
    from: Vec<&'static str>,
    of_chain: &'static str,
}

/// The start of each joint guide that has the lowest objective, one guide after another, the others staying where they are:
/// at first at their first candidate.
fn best_anchors(
    joints: &[Joint],
    candidates: &[Vec<Anchor>],
    mut now: Setting,
    value_at: &mut dyn FnMut(&Setting) -> Result<f64, ExecutionError>,
) -> Result<Start, ExecutionError> {
    for (joint, anchors) in joints.iter().zip(candidates) {
        if let Some(first) = anchors.first() {
            first.feed(joint, &mut now.extra);
        }
    }
    let mut lowest = value_at(&now)?;
    let mut chosen = vec![];
    for (joint, anchors) in joints.iter().zip(candidates) {
        let mut from = anchors.first().map_or("", |a| a.from);
        for anchor in anchors.iter().skip(1) {
            let mut other = now.clone();
            anchor.feed(joint, &mut other.extra);
            let f = value_at(&other)?;
            if f.is_finite() && (f < lowest || !lowest.is_finite()) {
                (lowest, now, from) = (f, other, anchor.from);
            }
        }
        chosen.push(from);
    }
    Ok(Start { value: lowest, setting: now, from: chosen, of_chain: "" })
}

/// A setting with the anchors of chains, for each of their candidates, best guess last; joint guides stand at their
/// medians meanwhile.
pub(crate) fn start_of_chains(
    problem: &Problem,
    values: &Values,
    setting: &Setting,
) -> Result<Vec<(Setting, &'static str)>, ExecutionError> {
    let o = problem.objective;
    let mut fitted = setting.extra.clone();
    for joint in &o.guides.joints {
        curvature::Anchor::median(joint).feed(joint, &mut fitted);
    }
    let mut settings = vec![(setting.clone(), "")];
    for chain in &o.guides.chains {
        let anchors = chains::candidates(problem, chain, values, &fitted)?;
        if let Some(best) = anchors.last() {
            best.feed(problem, chain, &mut fitted);
        }
        let with = |(s, _): (Setting, &'static str)| {
            anchors.iter().map(move |a| {
                let mut s = s.clone();
                a.feed(problem, chain, &mut s.extra);
                (s, a.from)
            })
        };
        settings = settings.into_iter().flat_map(with).collect();
    }
    Ok(settings)
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

#[allow(clippy::too_many_arguments)]
fn finished(
    values: Values,
    steps: u64,
    converged: bool,
    test: String,
    interrupted: bool,
    notes: Vec<String>,
    trace: Vec<TracePoint>,
    setting: Setting,
) -> Fitted {
    let extra = Setting { extra: setting.extra, ..Setting::default() };
    Fitted {
        values,
        steps,
        converged,
        test,
        interrupted,
        notes,
        trace,
        density: None,
        extra,
        checks: Checks::default(),
    }
}

/// The sums of terms and energies of one evaluation, per row.
pub(crate) fn trace_point(problem: &Problem, step: u64, seconds: f64, sums: &[Tensor]) -> TracePoint {
    trace_point_of(problem, step, seconds, sums, problem.training_rows())
}

/// As [`trace_point`], for a batch of so many rows.
pub(crate) fn trace_point_of(problem: &Problem, step: u64, seconds: f64, sums: &[Tensor], rows: usize) -> TracePoint {
    let o = problem.objective;
    let mut point = TracePoint { step, seconds, ..TracePoint::default() };
    let per_row = |local: bool, t: &Tensor| {
        let mean = t.values.iter().sum::<f64>() / t.len().max(1) as f64;
        mean / if local { rows.max(1) as f64 } else { problem.training_rows() as f64 }
    };
    for (term, sum) in o.terms.iter().zip(sums) {
        match term.kind {
            TermKind::Rate => point.rate += per_row(term.local, sum),
            _ => point.distortion += per_row(term.local, sum),
        }
    }
    point.free_energy = point.rate + point.distortion;
    if !o.energies.is_empty() {
        point.energy =
            Some(o.energies.iter().zip(sums.iter().skip(o.terms.len())).map(|(e, t)| per_row(e.local, t)).sum());
    }
    point
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wider_proposal_weighs_back_to_the_normal() {
        let (count, d) = (1 << 13, 3);
        let values = normal_draws(count, d, 5).unwrap();
        let tensor = Arc::new(Tensor { shape: vec![count, d], values });
        let draws = EvenDraws { draws: HashMap::from([(Site::named("a"), tensor)]), all_normal: true };
        let (wide, correction) = draws.widened(1);
        let values = &wide.draws[&Site::named("a")].values;
        // E_t[N/t] = 1, E_t[N/t x²] = 1, E_t[N/t x⁴] = 3; and without weights the t's own variance ν/(ν − 2).
        let mean = |f: &dyn Fn(f64) -> f64| -> f64 {
            let samples = values.chunks(d).zip(&correction);
            samples.map(|(x, c)| c.exp() * f(x[0])).sum::<f64>() / count as f64
        };
        for (found, expected) in [(mean(&|_| 1.0), 1.0), (mean(&|x| x * x), 1.0), (mean(&|x| x.powi(4)), 3.0)] {
            assert!((found - expected).abs() < 0.05 * expected, "{found} {expected}");
        }
        let variance = values.iter().map(|x| x * x).sum::<f64>() / values.len() as f64;
        assert!((variance - 5.0 / 3.0).abs() < 0.1, "{variance}");
    }
}
