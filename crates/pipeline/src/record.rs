//! `run.json`: what a run was made from, typed. It is written and read here alone.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use fe_check::{Header, TrainSpec};
use serde::{Deserialize, Serialize};

use crate::data::Arrays;
use crate::error::Error;
use crate::options::{Assignment, Precision, ReadOptions};
use crate::timings::Spent;

/// The file.
pub const FILE: &str = "run.json";

/// The number of this form of the record. Runs from before it was counted have 0.
pub const SCHEMA: u32 = 1;

/// Everything that `run.json` holds: enough to make the fit again, and to see new data as it saw its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The number of the form it was written in.
    #[serde(default)]
    pub schema: u32,
    /// The mark of the run, which its other files carry too: made from what was run and where that ended. Runs from before it
    /// was kept have none.
    #[serde(default)]
    pub run: String,
    /// What decides the numbers of the fit.
    #[serde(flatten)]
    pub identity: Identity,
    /// What its paths are relative to; none of a run that was never in a folder, and of those from before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Threads that it ran on.
    pub threads: usize,
    /// The method, in words.
    pub method: String,
    /// Latents that were fitted as written, and not as location + scale · u.
    pub centred: Vec<String>,
    /// Where the time went.
    pub seconds: Seconds,
    /// Rows trained on.
    pub rows: usize,
    /// Levels of text columns.
    pub levels: Vec<Levels>,
}

/// The folder that a run was made from, to which the paths of its program and of its data are relative, unless they are absolute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// As the machine has it.
    pub absolute: PathBuf,
    /// As seen from the folder of the run, so that a project can be moved as a whole.
    pub relative: PathBuf,
}

impl Place {
    /// This folder, for a run in another one. `None` where the system does not say where they are.
    pub fn here(run: &Path) -> Option<Self> {
        let absolute = std::env::current_dir().ok()?;
        let run = std::path::absolute(run).ok()?;
        let parts = |p: &Path| p.components().map(|c| PathBuf::from(c.as_os_str())).collect::<Vec<_>>();
        let (to, from) = (parts(&absolute), parts(&run));
        let shared = to.iter().zip(&from).take_while(|(a, b)| a == b).count();
        let up = from.iter().skip(shared).map(|_| PathBuf::from(".."));
        let relative = up.chain(to.into_iter().skip(shared)).collect();
        Some(Self { absolute, relative })
    }

    /// Where it is now, for a run in some folder: here, where it was, or where it has been moved to with the run; of these, the first
    /// that has the program. Empty where that is here, so that messages name files as they were called.
    pub fn found(&self, run: &Path, program: &str) -> PathBuf {
        let here = std::env::current_dir().is_ok_and(|here| here == self.absolute);
        let moved = run.join(&self.relative);
        match here {
            true => PathBuf::new(),
            false if !self.absolute.join(program).exists() && moved.join(program).exists() => moved,
            false => self.absolute.clone(),
        }
    }
}

/// What decides the numbers of a fit: two runs in which these agree are the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The version that ran it.
    pub fe_version: String,
    /// The program's file, as it was called.
    pub program: String,
    /// The seed.
    pub seed: u64,
    /// What ran the graph: `cpu, f64`.
    pub executor: String,
    /// The options that change numbers.
    pub options: RunOptions,
    /// The data, by declaration.
    pub data: Vec<DataRecord>,
    /// Of a sweep's point: how it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<SweepRecord>,
}

/// Options of a run that change numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunOptions {
    /// Files in the place of those that the program reads.
    pub data: Vec<Assignment>,
    /// Values of `const`s and `dim`s.
    pub set: Vec<Assignment>,
    /// Steps, where the caller chose them.
    pub steps: Option<usize>,
    /// Epochs, where the caller chose them.
    pub epochs: Option<usize>,
    /// The precision that was chosen.
    pub precision: Precision,
    /// Where it ran.
    pub device: String,
}

/// What is known of an array: enough to understand the program without its file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataRecord {
    /// The data declaration.
    pub name: String,
    /// SHA-256 of what was read.
    pub sha256: String,
    /// Its header, where it was read from a file.
    #[serde(flatten)]
    pub header: Option<HeaderRecord>,
}

/// The header of an array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeaderRecord {
    /// Sizes of its axes.
    pub shape: Vec<usize>,
    /// Whether it holds whole numbers.
    pub whole_numbers: bool,
    /// The number of its levels, of text.
    pub level_count: Option<usize>,
    /// Names of its columns, of a table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}

/// How a point of a sweep was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SweepRecord {
    /// The point at whose end it began.
    pub began: Option<String>,
    /// What was done further.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Seconds of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seconds {
    /// Reading the data.
    pub data: f64,
    /// Whether any of them came from the cache.
    pub data_cached: bool,
    /// To the first step that is known to be made, reading apart.
    pub first_step_without_data: Option<f64>,
    /// Of each stage, up to the writing of this record: files on their way to the disk are not among them. Runs from before
    /// they were timed have none.
    #[serde(default)]
    pub stages: Vec<Spent>,
}

/// Levels of a text column, in the order of their indices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Levels {
    /// The data declaration.
    pub name: String,
    /// The levels.
    pub levels: Vec<String>,
}

impl DataRecord {
    /// What is known of the arrays of a program.
    pub fn of(arrays: &Arrays, headers: &HashMap<String, Header>) -> Vec<Self> {
        let header = |h: &Header| HeaderRecord {
            shape: h.shape.clone(),
            whole_numbers: h.integer,
            level_count: h.levels.as_ref().map(Vec::len),
            columns: h.columns.clone(),
        };
        let record = |(name, sha256): &(String, String)| Self {
            name: name.clone(),
            sha256: sha256.clone(),
            header: headers.get(name).map(header),
        };
        arrays.hashes.iter().map(record).collect()
    }
}

impl RunOptions {
    /// How the program was read, with files where they are now. Arrays that the caller had in memory are not kept.
    pub fn reading(&self, place: &Path) -> ReadOptions {
        let at = |file: &Assignment| {
            let value = place.join(&file.value).to_string_lossy().into_owned();
            Assignment { name: file.name.clone(), value }
        };
        ReadOptions { data: self.data.iter().map(at).collect(), set: self.set.clone(), ..ReadOptions::default() }
    }

    /// Puts the length that was asked for in the place of what the program says.
    pub fn apply(&self, train: &mut TrainSpec) {
        if self.steps.is_some() || self.epochs.is_some() {
            (train.steps, train.epochs) = (self.steps, self.epochs);
        }
    }
}

impl RunRecord {
    /// Reads the record of a run directory.
    ///
    /// # Errors
    /// When there is none, when it is damaged, or when a later version wrote it.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE);
        let bytes = std::fs::read(&path)
            .map_err(|e| Error::Io(format!("{} cannot be read: {e}; is it a finished run?", path.display())))?;
        let damaged = |e: serde_json::Error| Error::Io(format!("{} is damaged: {e}", path.display()));
        // The number of the form comes first: what follows may have changed with it.
        let Numbered { schema } = serde_json::from_slice(&bytes).map_err(damaged)?;
        if schema > SCHEMA {
            return Err(Error::Io(format!(
                "{} was written by a later version of fe, in form {schema}; this one reads up to {SCHEMA}",
                path.display()
            )));
        }
        serde_json::from_slice(&bytes).map_err(damaged)
    }

    /// The record as text.
    ///
    /// # Errors
    /// When it cannot be written as JSON, which no record of a run is.
    pub fn text(&self) -> Result<String, Error> {
        let json = serde_json::to_string_pretty(self).map_err(|e| Error::Internal(format!("{FILE}: {e}")))?;
        Ok(json + "\n")
    }

    /// The headers of the data that were read from files.
    ///
    /// # Errors
    /// When the run is from a version that did not keep them.
    pub fn headers(&self, folder: &Path) -> Result<HashMap<String, Header>, Error> {
        let header = |record: &DataRecord| {
            let h = record.header.as_ref()?;
            let levels = self.levels.iter().find(|l| l.name == record.name).map(|l| l.levels.clone());
            // Of text that is compared at once no levels are kept: nothing counts along them.
            let levels = h.level_count.map(|_| levels.unwrap_or_default());
            let (shape, columns) = (h.shape.clone(), h.columns.clone());
            Some((record.name.clone(), Header { shape, levels, columns, integer: h.whole_numbers }))
        };
        self.identity.data.iter().map(header).collect::<Option<_>>().ok_or_else(|| {
            let path = folder.join(FILE);
            Error::Io(format!("{} does not say what its data were like: run the program again", path.display()))
        })
    }
}

/// The one field that every form has.
#[derive(Deserialize)]
struct Numbered {
    #[serde(default)]
    schema: u32,
}
