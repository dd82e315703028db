//! From a fit to the document that is reported.

use std::f64::consts::LN_2;

use fe_check::Program;
use fe_objective::{Objective, TermKind};
use fe_report as report;
use fe_train::referee::ByChains;
use fe_train::{Estimate, Fit, Posterior, Response, StandardErrors, Summary};

use crate::error::Error;
use crate::gaps::AllGaps;

/// Facts of the document besides the fit's own figures.
pub struct Setting<'a> {
    /// The seed.
    pub seed: u64,
    /// The executor: `candle, cpu, f32`.
    pub executor: String,
    /// Threads.
    pub threads: usize,
    /// Notes from loading.
    pub notes: Vec<String>,
    /// Draws held fixed in the fit; 0 without.
    pub draws: usize,
    /// The levels of text that axes run over.
    pub labels: report::Labels,
    /// The cells that latents fill in.
    pub gaps: &'a AllGaps,
    /// Each row left out in turn, where that can be had.
    pub loo: Option<fe_train::Loo>,
}

/// The document of a fit.
///
/// # Errors
/// When its figures do not add up.
pub fn document(
    program: &Program,
    objective: &Objective,
    fit: &Fit,
    setting: Setting<'_>,
) -> Result<report::Document, Error> {
    // Executors are named with their precision.
    let single = setting.executor.ends_with("f32");
    let f = &fit.figures;
    let mut notes = objective.notes.clone();
    notes.extend(setting.notes);
    notes.extend(fit.notes.iter().cloned());
    if fit.interrupted {
        notes.push("the fit was interrupted: these are the figures of what it had".into());
    }
    if !program.prices.is_empty() && f.spikes.is_none() {
        notes.push("a spike has a price, and no latent counts spikes: there is nothing to pay".into());
    }
    notes.extend(unmoved(program, fit));
    let document = report::Document {
        model: program.name.clone(),
        title: program.title.clone(),
        fe_version: env!("CARGO_PKG_VERSION").into(),
        seed: setting.seed,
        rows: f.rows as u64,
        steps: fit.steps,
        seconds: fit.seconds,
        optimizer: Some(fit.method.clone()),
        executor: Some(setting.executor),
        threads: Some(setting.threads as u64),
        nonzero_fraction: fit.nonzero_fraction,
        objective: program.objective.text.clone(),
        objective_value: f.objective,
        schema: report::SCHEMA,
        run: String::new(),
        account: report::Account {
            up_to_constant: objective.up_to_constant,
            ..account(objective, f).over(f.rows as u64)
        },
        prices: prices(program, objective, fit),
        heldout: fit
            .heldout
            .as_ref()
            .map(|h| report::HeldOut { rows: Some(h.rows as u64), account: account(objective, h) }),
        terms: terms(objective, f),
        latents: f.latents.iter().map(|l| (l.name.clone(), latent(l))).collect(),
        meters: f
            .meters
            .iter()
            .map(|m| {
                let meter = report::Meter {
                    mean: m.mean,
                    zeros: m.zeros,
                    lifetime_sparsity: m.lifetime,
                    population_sparsity: m.population,
                };
                (m.name.clone(), meter)
            })
            .collect(),
        constraints: objective
            .minimised
            .bounds
            .iter()
            .zip(&fit.bounds)
            .map(|(b, reached)| constraint(b, reached))
            .collect(),
        params: fit.estimates.iter().filter(|e| listed(e)).map(estimate).collect(),
        params_in_file: in_file(objective, fit),
        params_without_errors: match &fit.checks.errors {
            Some(StandardErrors::NotComputed(why)) => Some(why.clone()),
            Some(StandardErrors::Known(_)) | None => None,
        },
        posterior: fit.posterior.guide.iter().map(|s| summary(objective, setting.gaps, s)).collect(),
        posterior_resampled: fit
            .posterior
            .resampled
            .as_ref()
            .map(|r| r.iter().map(|s| summary(objective, setting.gaps, s)).collect()),
        log_evidence: fit.posterior.log_evidence.map(|(value, se)| report::LogEvidence { value, se }),
        refinement: fit.refined.as_ref().map(refinement),
        labels: setting.labels,
        loo: setting.loo.map(leave_one_out),
        verdict: verdict(fit, setting.draws, notes),
    };
    // A ledger that does not add up is not written.
    report::balance(&document, single).map_err(|e| Error::Internal(e.to_string()))?;
    Ok(document)
}

/// The cost of the spikes in each unit that has a price.
fn prices(program: &Program, objective: &Objective, fit: &Fit) -> Vec<report::Price> {
    let f = &fit.figures;
    let Some(spikes) = f.spikes else { return vec![] };
    let counts = |name: &String| objective.spikes.iter().any(|e| e.name == *name);
    let of_counts = objective.terms.iter().zip(&f.terms).filter(|(t, _)| t.kind == TermKind::Rate && counts(&t.name));
    let rate: f64 = of_counts.map(|(_, v)| v.nats).sum();
    let held = fit.heldout.as_ref();
    let priced = |p: &fe_check::Price| report::Price {
        unit: p.unit.clone(),
        per_spike: p.value,
        per_row: spikes * p.value,
        prior_per_row: f.prior_spikes.map(|e| e * p.value),
        per_bit: (rate > 0.0).then(|| spikes * p.value * LN_2 / rate),
        heldout_per_row: held.and_then(|h| h.spikes).map(|e| e * p.value),
    };
    program.prices.iter().map(priced).collect()
}

fn constraint(bound: &fe_objective::Bound, reached: &fe_train::Bounded) -> report::Constraint {
    let stated = &bound.stated;
    report::Constraint {
        expr: stated.text.clone(),
        value: reached.value / stated.scale,
        unit: stated.unit.clone(),
        multiplier: reached.multiplier * stated.scale,
        met: reached.met,
    }
}

/// The course of a descent, after 0, 1, 2, 4, … steps.
pub fn refinement(refined: &fe_train::Refined) -> report::Refinement {
    let listed = report::listed_steps(refined.steps);
    let percept = refined.settled.and_then(|s| refined.trace.get(s)).and_then(|s| s.cumulative);
    report::Refinement {
        steps: refined.steps as u64,
        step: refined.step.iter().map(|(name, size)| report::StateStep { name: name.clone(), size: *size }).collect(),
        rho: refined.curvature.map(|c| c - 1.0),
        limited: refined.limited,
        settled: refined.settled.map(|s| s as u64),
        last_fall: refined.last_fall,
        rises: refined.rises as u64,
        percept_spikes: percept,
        trace: refined.trace.iter().filter(|s| listed.contains(&s.step)).map(refined_step).collect(),
    }
}

/// One step of a descent.
pub fn refined_step(step: &fe_train::RefinedAt) -> report::RefinedStep {
    report::RefinedStep {
        step: step.step as u64,
        free_energy: step.free_energy,
        distortion: step.distortion,
        rate: step.rate,
        spikes: step.spikes,
        cumulative_spikes: step.cumulative,
        zeros: step.zeros,
        r2: step.r2,
    }
}

fn leave_one_out(loo: fe_train::Loo) -> report::LeaveOneOut {
    let nested =
        |v: Vec<f64>| report::Nested::new(vec![v.len()], v).unwrap_or_else(|_| report::Nested::scalar(f64::NAN));
    report::LeaveOneOut {
        elpd: loo.elpd,
        se: loo.se,
        p_loo: loo.p_loo,
        unreliable: loo.unreliable as u64,
        rows: nested(loo.rows),
        khat: nested(loo.khat),
    }
}

fn nuts(found: &ByChains) -> report::Nuts {
    let worst = found.worst();
    report::Nuts {
        chains: found.lengths.chains as u64,
        draws: found.lengths.draws as u64,
        warmup: found.lengths.warmup as u64,
        dimension: found.dimension as u64,
        divergences: found.divergences as u64,
        rhat: worst.rhat,
        bulk: worst.bulk,
        tail: worst.tail,
        open: found.open.clone(),
    }
}

/// A rate over all rows, in nats, up to which nothing has been learned.
const NOTHING: f64 = 1e-6;

/// Latents about which the data say nothing: as where logits are the same for all choices, whatever the latent is.
fn unmoved(program: &Program, fit: &Fit) -> Option<String> {
    let asked = !program.observes.is_empty() || !program.losses.is_empty();
    let left = |name: &str| {
        let free = |l: &fe_check::Latent| l.name == name && matches!(l.guide, fe_check::Guide::Default);
        program.latents.iter().any(free)
    };
    let rows = fit.figures.rows.max(1) as f64;
    let idle = |l: &&fe_train::LatentFigure| !l.local && l.rate.abs() * rows <= NOTHING && left(&l.name);
    let names: Vec<String> = fit.figures.latents.iter().filter(idle).map(|l| format!("`{}`", l.name)).collect();
    (asked && fit.converged && !names.is_empty()).then(|| {
        let (whose, prior) =
            if names.len() == 1 { ("its posterior is its", "prior") } else { ("their posteriors are their", "priors") };
        let which = names.join(", ");
        format!(
            "the data say nothing about {which}: {whose} {prior}; look whether what is observed depends on it as meant"
        )
    })
}

fn verdict(fit: &Fit, draws: usize, mut notes: Vec<String>) -> report::Verdict {
    let Posterior { khat, khat_wide, effective, effective_wide, disagreement, departure, .. } = &fit.posterior;
    let (khat, khat_wide, effective, effective_wide) = (*khat, *khat_wide, *effective, *effective_wide);
    let mean_field = match &fit.checks.response {
        Some(Response::Worst(worst)) => Some(understated(worst)),
        Some(Response::NotComputed(why)) => {
            notes.push(format!(
                "by how much the mean-field guide understates standard deviations was not computed: {why}"
            ));
            None
        }
        None => None,
    };
    let mut verdict = report::Verdict {
        converged: fit.converged,
        interrupted: fit.interrupted,
        trusted: None,
        test: Some(fit.test.clone()),
        khat,
        khat_wide,
        effective,
        effective_wide,
        starts: fit.checks.starts.as_ref().map(starts),
        draws: fit.checks.draws.map(|c| report::Redraws { count: draws as u64, means: c.means, sds: c.sds }),
        mean_field,
        departure: departure.as_ref().map(|d| report::Departure { of: element(&d.name, &d.index), factor: d.factor }),
        disagreement: disagreement.map(|c| report::Disagreement { means: c.means, sds: c.sds }),
        unchecked: fit.checks.unchecked.clone(),
        modes: fit.posterior.modes.map(|m| report::Modes { count: m.count as u64, elsewhere: m.elsewhere }),
        heavy: fit.posterior.heavy.as_ref().map(|h| report::Heavy { of: element(&h.name, &h.index), khat: h.khat }),
        cut_off: fit.checks.cut_off.iter().map(cut_off).collect(),
        coarse: fit.checks.coarse.iter().map(|c| report::Coarse { of: c.name.clone(), nats: c.nats }).collect(),
        nuts: fit.chains.as_ref().map(nuts),
        notes,
    };
    verdict.trusted = verdict.judged();
    let faults = verdict.faults().into_iter().chain(verdict.omission()).collect::<Vec<_>>();
    verdict.notes.extend(faults);
    verdict
}

fn cut_off(c: &fe_train::CutOff) -> report::CutOff {
    report::CutOff { of: c.name.clone(), largest: c.largest as u64, probability: c.probability }
}

fn starts(s: &fe_train::Starts) -> report::Starts {
    report::Starts {
        count: s.count as u64,
        agreeing: s.agreeing as u64,
        unfinished: s.unfinished as u64,
        within: s.within,
        higher: s.higher,
        apart: s.apart,
    }
}

fn understated(worst: &fe_train::Understated) -> report::MeanField {
    report::MeanField { worst: element(&worst.name, &worst.index), factor: worst.factor }
}

/// An element as it is named: `beta[1]`.
fn element(name: &str, index: &[usize]) -> String {
    let index: Vec<String> = index.iter().map(usize::to_string).collect();
    let index = if index.is_empty() { String::new() } else { format!("[{}]", index.join(", ")) };
    format!("{name}{index}")
}

/// The account of some rows, by what they come to under an objective.
pub fn account(objective: &Objective, f: &fe_train::Figures) -> report::Account {
    let shared = objective.terms.iter().any(|t| t.kind == TermKind::Rate && !t.local);
    let split = objective.row.is_some() && shared;
    report::Account {
        free_energy: f.free_energy,
        free_energy_se: f.se,
        distortion: f.distortion,
        rate: f.rate,
        local_rate: split.then_some(f.local_rate),
        global_rate: split.then_some(f.rate - f.local_rate),
        energy: f.spikes,
        prior_energy: f.prior_spikes,
        r2: f.r2,
        ..report::Account::default()
    }
}

/// The terms and their figures.
pub fn terms(objective: &Objective, f: &fe_train::Figures) -> Vec<report::Term> {
    let spikes = |t: &fe_objective::Term| {
        let mut own = objective.spikes.iter().zip(&f.spikes_by_latent).filter(|(e, _)| e.name == t.name);
        own.next().filter(|_| t.kind == TermKind::Rate).map(|(_, &v)| v)
    };
    objective.terms.iter().zip(&f.terms).map(|(t, v)| term(t, v, spikes(t))).collect()
}

fn term(t: &fe_objective::Term, v: &fe_train::TermFigure, spikes: Option<f64>) -> report::Term {
    let kind = match t.kind {
        TermKind::Rate if t.penalty => report::TermKind::Penalty,
        TermKind::Rate => report::TermKind::Rate,
        TermKind::Distortion | TermKind::Loss => report::TermKind::Distortion,
    };
    report::Term {
        name: t.name.clone(),
        kind,
        nats: v.nats,
        bits: v.nats / LN_2,
        energy: spikes,
        se: v.se,
        estimator: t.estimator.to_string(),
        reason: t.reason.clone(),
        biased: t.bias.is_some(),
        bias: t.bias.clone(),
    }
}

fn latent(l: &fe_train::LatentFigure) -> report::Latent {
    report::Latent {
        rate: l.rate,
        rate_bits: l.rate / LN_2,
        energy: l.spikes,
        prior_energy: l.prior_spikes,
        nats_per_spike: l.spikes.map(|e| l.rate / e).filter(|v| v.is_finite()),
        zeros: l.zeros,
        lifetime_sparsity: l.lifetime,
        population_sparsity: l.population,
        active: l.active.map(|a| a as u64),
        of: l.active.map(|_| l.units as u64),
        local: l.local,
        dimension: l.units as u64,
        split: l.split.map(|s| report::RateSplit {
            log_ratio: s.log_ratio,
            minus_spikes: -s.spikes,
            prior_spikes: s.prior,
            mean_f: l.rate / s.prior,
            suppressed: s.suppressed,
            excited: s.excited,
        }),
        units: l.by_unit.as_ref().filter(|_| (2..=report::Units::MOST).contains(&l.units)).map(|u| report::Units {
            rate: u.rate.clone(),
            energy: u.spikes.clone(),
            prior: u.prior.clone(),
        }),
    }
}

fn listed(e: &Estimate) -> bool {
    e.values.len() <= report::Estimate::MOST
}

fn estimate(e: &Estimate) -> (String, report::Estimate) {
    let nested = |v: &Vec<f64>| report::Nested::new(e.shape.clone(), v.clone()).unwrap_or_default();
    (
        e.name.clone(),
        report::Estimate { axes: e.axes.clone(), value: nested(&e.values), se: e.errors.as_ref().map(nested) },
    )
}

/// What of the program is fitted and not listed: large parameters, and weights of layers.
fn in_file(objective: &Objective, fit: &Fit) -> Vec<report::InFile> {
    let large = fit.estimates.iter().filter(|e| !listed(e)).map(|e| e.name.as_str()).collect::<Vec<_>>();
    let of_program = |p: &&fe_objective::Parameter| match p.is_declared() {
        true => large.contains(&p.name.as_str()),
        false => matches!(p.start, fe_objective::Start::Declared(_)),
    };
    let shape = |p: &fe_objective::Parameter| p.axes.iter().map(|a| objective.graph.extent_of(a.id) as u64).collect();
    let parameters = objective.parameters.iter().filter(of_program);
    parameters.map(|p| report::InFile { name: p.name.clone(), shape: shape(p) }).collect()
}

fn summary(objective: &Objective, gaps: &AllGaps, s: &Summary) -> (String, report::Summary) {
    let reported = objective.report.posterior.iter().find(|r| r.name == s.name);
    let axes = reported.map_or_else(Vec::new, |r| r.axes.iter().map(|&a| objective.graph.axis_name(a)).collect());
    let (axes, s) = (gaps.axes(&s.name, &s.shape).unwrap_or(axes), gaps.summary(s));
    let nested = |v: &[f64]| {
        report::Nested::new(s.shape.clone(), v.to_vec()).unwrap_or_else(|_| report::Nested::scalar(f64::NAN))
    };
    let summary = report::Summary {
        axes,
        mean: nested(&s.mean),
        sd: nested(&s.sd),
        q05: nested(&s.q05),
        q50: nested(&s.q50),
        q95: nested(&s.q95),
    };
    (s.name.clone(), summary)
}
