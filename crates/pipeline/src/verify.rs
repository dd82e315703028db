//! A finished fit held to long chains of NUTS.

use std::time::Instant;

use fe_report::{
    Array, Chains, Group, Held, Nested, Summary, VERIFICATION_SCHEMA, Verification, Verified, inference_data, json,
};
use fe_train::nuts::Transition;
use fe_train::referee::{ByChains, Demands, Quality, by_chains};
use fe_train::{Drawn, Setting};

use crate::directory;
use crate::error::Error;
use crate::finished::Finished;
use crate::gaps::AllGaps;
use crate::load::underivable;
use crate::page;

/// What the caller wants of the chains.
#[derive(Clone, Copy, Debug, Default)]
pub struct Referee {
    /// The seed [default: the run's].
    pub seed: Option<u64>,
    /// How long the chains are, and what they must reach.
    pub demands: Demands,
}

/// Runs chains on what elimination and enumeration leave of a run's posterior, holds its table to them, and writes
/// `verify.json`, `verify.nc` and the page.
///
/// # Errors
/// When the program has no posterior that a chain could move in, its data have changed, or a file cannot be read or written.
pub fn verify(run: &Finished, referee: Referee) -> Result<Verification, Error> {
    let started = Instant::now();
    let document = run.document()?;
    let mut prepared = run.prepare()?;
    if let Some(changed) = run.changed(&prepared.arrays) {
        return Err(Error::Request(format!(
            "{}: the data `{changed}` have changed since the fit: run the program again",
            run.folder.display()
        )));
    }
    let density = prepared.objective.pull_back(&prepared.program).map_err(underivable)?;
    let seed = referee.seed.unwrap_or(prepared.seed);
    let problem = prepared.problem_with(seed)?;
    let end = run.solution(&problem)?;
    let fitted = Setting { extra: end.preconditioners, ..Setting::default() };
    let found = by_chains(&problem, &end.values, &fitted, &density, referee.demands)
        .map_err(|e| Error::Request(format!("{}: {e}", run.folder.display())))?;
    let (held, table) = match &document.posterior_resampled {
        Some(resampled) => (Held::PosteriorResampled, resampled),
        None => (Held::Posterior, &document.posterior),
    };
    let gaps = AllGaps::of(&prepared.program, &prepared.arrays);
    let pairs = found.table.iter().zip(&found.quality);
    let values: Vec<(String, Verified)> = pairs
        .filter_map(|(s, quality)| {
            let quality = gaps.quality(&s.name, &s.shape, quality);
            Some((s.name.clone(), verified(table.get(&s.name)?, &gaps.summary(s), &quality)))
        })
        .collect();
    let numbers = 2 * values.iter().map(|(_, v)| v.mean.values().len()).sum::<usize>();
    let verification = Verification {
        schema: VERIFICATION_SCHEMA,
        model: document.model.clone(),
        title: document.title.clone(),
        run: run.folder.display().to_string(),
        fe_version: env!("CARGO_PKG_VERSION").into(),
        seed,
        held,
        chains: chains(&found, started.elapsed().as_secs_f64()),
        limit: fe_train::referee::limit(numbers),
        open: found.open.clone(),
        values: values.into_iter().collect(),
        ..Verification::default()
    }
    .judged();
    let draws = inference_data(&groups(&found, &gaps))
        .map_err(|e| Error::Io(format!("{} cannot be written: {e}", run.folder.join(directory::CHAINS).display())))?;
    run.put(directory::CHAINS, &draws)?;
    run.put(directory::VERIFICATION, json(&verification).as_bytes())?;
    page::rewrite(&run.folder)?;
    Ok(verification)
}

fn chains(found: &ByChains, seconds: f64) -> Chains {
    Chains {
        count: found.lengths.chains as u64,
        warmup: found.lengths.warmup as u64,
        draws: found.lengths.draws as u64,
        dimension: found.dimension as u64,
        divergences: found.divergences as u64,
        leapfrogs: found.transitions.iter().flatten().map(|s| s.steps).sum(),
        seconds,
    }
}

/// A value of the fit's table beside the chains'.
fn verified(fit: &Summary, by_chains: &fe_train::Summary, quality: &Quality) -> Verified {
    let nested =
        |v: &[f64]| Nested::new(by_chains.shape.clone(), v.to_vec()).unwrap_or_else(|_| Nested::scalar(f64::NAN));
    Verified {
        mean: fit.mean.clone(),
        sd: fit.sd.clone(),
        chains_mean: nested(&by_chains.mean),
        chains_sd: nested(&by_chains.sd),
        mean_error: nested(&quality.mean),
        sd_error: nested(&quality.sd),
        rhat: nested(&quality.rhat),
        bulk: nested(&quality.bulk),
        tail: nested(&quality.tail),
    }
}

/// Draws, and what the sampler says of them, as ArviZ has them.
pub(crate) fn groups(found: &ByChains, gaps: &AllGaps) -> Vec<Group> {
    let (chains, draws) = (found.lengths.chains, found.lengths.draws);
    let array = |d: &Drawn| Array {
        name: d.name.clone(),
        axes: d.axes.clone(),
        shape: d.shape.clone(),
        values: d.values.clone(),
    };
    let about = vec![
        ("inference_library".to_owned(), "fe, by nuts-rs".to_owned()),
        ("draws_of".to_owned(), "Markov chains of NUTS, in the noise of the fitted guide".to_owned()),
    ];
    let statistic = |name: &str, of: &dyn Fn(&Transition) -> f64| Array {
        name: name.into(),
        values: found.transitions.iter().flatten().map(of).collect(),
        ..Array::default()
    };
    let statistics = vec![
        statistic("lp", &|s| s.log_density),
        statistic("energy", &|s| s.energy),
        statistic("tree_depth", &|s| s.depth as f64),
        statistic("n_steps", &|s| s.steps as f64),
        statistic("acceptance_rate", &|s| s.acceptance),
        statistic("step_size", &|s| s.step_size),
        statistic("diverging", &|s| f64::from(u8::from(s.diverging))),
    ];
    let group = |name: &str, arrays: Vec<Array>, attributes| Group {
        name: name.into(),
        draws,
        chains,
        arrays,
        attributes,
        ..Group::default()
    };
    vec![
        group("posterior", found.draws.iter().map(|d| gaps.array(array(d))).collect(), about),
        group("sample_stats", statistics, vec![("tuning".to_owned(), found.lengths.warmup.to_string())]),
    ]
}
