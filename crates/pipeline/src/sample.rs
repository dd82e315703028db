//! Draws from a program's priors, or new data from a finished fit.

use std::path::{Path, PathBuf};

use fe_report::{Array, Group, csv, inference_data, npz};
use fe_train::Drawn;

use crate::error::Error;
use crate::finished::Finished;
use crate::load;
use crate::options::{ExecutorKind, Precision, ReadOptions};
use crate::text::Text;
use crate::{data, directory, executor};

/// Draws as ArviZ groups them.
pub struct Sample {
    /// How many.
    pub count: usize,
    /// What was drawn.
    pub groups: Vec<Group>,
    /// Where they are written when nothing else is said.
    pub default: PathBuf,
    /// What is to be known of them.
    pub note: Option<String>,
}

impl Sample {
    fn of(count: usize, lists: Vec<(&str, Vec<Drawn>)>, default: PathBuf) -> Self {
        let array = |d: Drawn| Array { name: d.name, axes: d.axes, shape: d.shape, values: d.values };
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        let group = |(name, list): (&str, Vec<Drawn>)| Group {
            name: name.into(),
            draws: count,
            chains: 1,
            arrays: list.into_iter().map(array).collect(),
            ..Group::default()
        };
        Self { count, groups: lists.map(group).collect(), default, note: None }
    }

    /// Writes the draws as NetCDF, npz or csv, as the file's ending says.
    ///
    /// # Errors
    /// When the ending is another, or the file cannot be written.
    pub fn write(&self, out: &Path) -> Result<(), Error> {
        let extension = out.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        let unwritten = |e: &dyn std::fmt::Display| Error::Io(format!("{} cannot be written: {e}", out.display()));
        let arrays: Vec<Array> = self.groups.iter().flat_map(|g| g.arrays.iter().cloned()).collect();
        let bytes = match extension.as_str() {
            "nc" => inference_data(&self.groups).map_err(|e| unwritten(&e))?,
            "npz" => npz(&arrays, self.count).map_err(|e| unwritten(&e))?,
            "csv" => csv(&arrays, self.count).into_bytes(),
            _ => return Err(Error::Request(format!("{}: draws are written as .nc, .npz or .csv", out.display()))),
        };
        directory::put(out, &bytes)
    }
}

pub(crate) fn undrawn(e: fe_train::PredictiveError) -> Error {
    match e {
        fe_train::PredictiveError::Execution(e) => Error::Internal(e.to_string()),
        other => Error::Request(other.to_string()),
    }
}

/// Latents from their priors, and data given them. The seed is the program's where none is given.
///
/// # Errors
/// When the program or its data are wrong, or a prior cannot be drawn from.
pub fn prior(text: &Text, reading: &ReadOptions, seed: Option<u64>, count: usize) -> Result<Sample, Error> {
    let loaded = load::load(text, reading)?;
    let program = loaded.program;
    let rows: Vec<u64> = (0..program.row.map_or(0, |r| r.rows) as u64).collect();
    let arrays = data::load(&program, &loaded.sources, &rows, loaded.cache.as_deref())?;
    let executor = executor::open(Some(ExecutorKind::Cpu), Precision::F64, "cpu")?;
    let seed = seed.or(program.train.seed).unwrap_or(0);
    let drawn = fe_train::prior_predictive(&program, executor.as_ref(), &arrays.tensors, seed, count);
    let drawn = drawn.map_err(undrawn)?;
    let lists = vec![("prior", drawn.latents), ("prior_predictive", drawn.predictive)];
    Ok(Sample::of(count, lists, PathBuf::from(format!("{}_prior.nc", program.name))))
}

/// New data given draws of a fitted guide. The seed is the run's where none is given.
///
/// # Errors
/// When the run's data cannot be read as they were, or no likelihood has draws.
pub fn posterior(run: &Finished, seed: Option<u64>, count: usize) -> Result<Sample, Error> {
    let prepared = run.prepare()?;
    let problem = prepared.problem_with(seed.unwrap_or(prepared.seed))?;
    let end = run.solution(&problem)?;
    let end = (&end.values, &end.preconditioners);
    let drawn = fe_train::posterior_predictive(&problem, end, None, count).map_err(undrawn)?.drawn;
    if drawn.is_empty() {
        return Err(Error::Request(format!(
            "{}: no likelihood of this program has draws: a guide that it depends on has none, or its log density is \
             written out",
            run.folder.display()
        )));
    }
    let mut sample = Sample::of(count, vec![("posterior_predictive", drawn)], run.folder.join("predictive.nc"));
    for group in &mut sample.groups {
        group.attributes.push(("draws_of".to_owned(), "data drawn anew, given draws of the fitted guide".to_owned()));
    }
    // A fit in memory has its document with its caller.
    let document = if run.folder.join(directory::FIT).exists() { Some(run.document()?) } else { None };
    let other = document.and_then(|d| match (d.verdict.nuts.is_some(), d.posterior_resampled.is_some()) {
        (true, _) => Some("of chains"),
        (_, true) => Some("chosen by importance weights"),
        _ => None,
    });
    sample.note = other.map(|other| {
        format!(
            "data are drawn given draws of the fitted guide; the table to read is from draws {other}, and \
             posterior_predictive in posterior.nc is given those"
        )
    });
    Ok(sample)
}
