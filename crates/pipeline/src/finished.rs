//! A finished run, read back from its directory: to what was prepared, and to where the fit ended.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fe_check::Program;
use fe_data::{InMemory, Statistic};
use fe_graph::{InputId, Tensor};
use fe_objective::{Objective, Parameter};
use fe_report::{DIAGRAMS_SCHEMA, Diagrams, Document, TraceRow, VERIFICATION_SCHEMA, Verification, read_trace};
use fe_train::{Problem, Values};

use crate::data::{Arrays, Remembered};
use crate::directory::{self, RUN_KEY, statistic_names};
use crate::error::Error;
use crate::executor;
use crate::load::{self, Loaded};
use crate::options::{Assignment, ExecutorKind, Precision, ReadOptions};
use crate::prepare::{Prepared, derive};
use crate::record::RunRecord;
use crate::text::Text;

/// What a run directory says of its fit.
#[derive(Clone)]
pub struct Finished {
    /// The program, its paths relative to where it was when it was run.
    pub text: Text,
    /// What the run was made from.
    pub record: RunRecord,
    /// Where it is.
    pub folder: PathBuf,
    /// What its paths are relative to; empty for where this process runs.
    pub place: PathBuf,
    /// `params.safetensors`
    pub(crate) parameters: Vec<u8>,
    /// Arrays of the caller's that the fit was made with.
    pub(crate) arrays: HashMap<String, Arc<InMemory>>,
}

/// Where a fit ended: all that evaluates it, draws from it and shows it, beside the problem that it solves.
#[derive(Clone, Debug)]
pub struct Solution {
    /// The parameters, on the unconstrained scale, in the order of the objective's.
    pub values: Values,
    /// What was set before the fit of joint guides, by the input that takes it.
    pub preconditioners: HashMap<InputId, Arc<Tensor>>,
}

impl Finished {
    /// Reads a run directory.
    ///
    /// # Errors
    /// When a file of it is missing or damaged.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        directory::whole(folder)?;
        let bytes = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path)
                .map_err(|e| Error::Io(format!("{} cannot be read: {e}; is it a finished run?", path.display())))
        };
        let source = String::from_utf8(bytes(directory::PROGRAM)?)
            .map_err(|_| Error::Io(format!("{} is damaged", folder.join(directory::PROGRAM).display())))?;
        let record = RunRecord::read(folder)?;
        let mut text = Text::of_file(&record.identity.program, source);
        let place = record.place.as_ref().map(|p| p.found(folder, &text.file)).unwrap_or_default();
        if !place.as_os_str().is_empty() {
            text.folder = place.join(text.folder.strip_prefix(".").unwrap_or(&text.folder));
        }
        let (parameters, folder) = (bytes(directory::PARAMETERS)?, folder.to_owned());
        let read = Self { text, record, folder, place, parameters, arrays: HashMap::new() };
        let (_, header) = safetensors::SafeTensors::read_metadata(&read.parameters)
            .map_err(|e| read.damaged(directory::PARAMETERS, &e))?;
        let mark = header.metadata().as_ref().and_then(|m| m.get(RUN_KEY));
        read.same_run(directory::PARAMETERS, mark.map_or("", String::as_str))?;
        Ok(read)
    }

    /// A run that was just made, with the arrays of the caller's that it read; nothing of it need be written.
    ///
    /// # Errors
    /// When its parameters cannot be saved.
    pub fn of(
        run: &directory::Run,
        text: &Text,
        arrays: HashMap<String, Arc<InMemory>>,
        folder: &Path,
    ) -> Result<Self, Error> {
        let (record, parameters) =
            (run.record.clone(), directory::parameters(run.fitted, run.statistics, &run.record.run)?);
        let (text, folder, place) = (text.clone(), folder.to_owned(), PathBuf::new());
        Ok(Self { text, record, folder, place, parameters, arrays })
    }

    /// The program as it was understood: with the data it had, whose files are not looked at, and fitted as long as it was.
    ///
    /// # Errors
    /// When this version of the language understands it otherwise.
    pub fn load(&self) -> Result<Loaded, Error> {
        self.load_with(&[])
    }

    /// How the program was read, with other files or arrays for some of its data, and other values of `const`s.
    pub(crate) fn reading_with(&self, new: &ReadOptions) -> ReadOptions {
        let given = |name: &String| new.arrays.contains_key(name) || new.data.iter().any(|d| d.name == *name);
        let mut reading = self.record.identity.options.reading(&self.place);
        reading.data.retain(|old| !given(&old.name));
        reading.arrays = self.arrays.clone();
        reading.arrays.retain(|old, _| !given(old));
        reading.data.extend(new.data.iter().cloned());
        reading.arrays.extend(new.arrays.iter().map(|(name, array)| (name.clone(), array.clone())));
        reading.set.extend(new.set.iter().cloned());
        reading.cache.clone_from(&new.cache);
        reading
    }

    /// As [`Finished::load`], with other values of `const`s and `dim`s.
    ///
    /// # Errors
    /// As there.
    pub fn load_with(&self, set: &[Assignment]) -> Result<Loaded, Error> {
        let headers = self.record.headers(&self.folder)?;
        let reading = self.reading_with(&ReadOptions { set: set.to_vec(), ..ReadOptions::default() });
        let mut loaded = load::load_with(&self.text, &reading, &headers)?;
        self.record.identity.options.apply(&mut loaded.program.train);
        Ok(loaded)
    }

    /// The objective that was fitted; it changes what the program says of latents that were fitted as written.
    ///
    /// # Errors
    /// When it cannot be derived any more.
    pub fn derive(&self, program: &mut Program) -> Result<Objective, Error> {
        load::centre(program, &self.record.centred);
        derive(program, &self.text)
    }

    /// What was fitted, with its data as they are now, in double precision.
    ///
    /// # Errors
    /// When the program is understood otherwise now, or its data cannot be read.
    pub fn prepare(&self) -> Result<Prepared, Error> {
        let mut loaded = self.load()?;
        let objective = self.derive(&mut loaded.program)?;
        self.prepare_with(loaded, objective)
    }

    /// As [`Finished::prepare`], of a program and its objective that are at hand.
    ///
    /// # Errors
    /// When its data cannot be read.
    pub fn prepare_with(&self, loaded: Loaded, objective: Objective) -> Result<Prepared, Error> {
        let executor = executor::open(Some(ExecutorKind::Cpu), Precision::F64, "cpu")?;
        Prepared::of_objective(loaded, objective, self.record.identity.seed, executor)
    }

    /// What the fit knows of its data that new ones are to be seen with: statistics and levels, by name.
    pub fn remembered(&self) -> Remembered {
        let mut remembered = Remembered::default();
        for of in &self.record.levels {
            remembered.levels.insert(of.name.clone(), of.levels.clone());
        }
        for data in &self.record.identity.data {
            let (mean, sd) = statistic_names(&data.name);
            if let (Ok(mean), Ok(sd)) = (self.array(&mean), self.array(&sd)) {
                let pairs = mean.values.into_iter().zip(sd.values);
                let statistics = pairs.map(|(mean, sd)| Statistic { mean, sd }).collect();
                remembered.statistics.insert(data.name.clone(), statistics);
            }
        }
        remembered
    }

    /// A saved array, in its declared order.
    ///
    /// # Errors
    /// When there is none of this name, or the file is damaged.
    pub fn array(&self, name: &str) -> Result<Tensor, Error> {
        let path = self.folder.join(directory::PARAMETERS);
        let unread = |e: &dyn std::fmt::Display| Error::Io(format!("{}: `{name}`: {e}", path.display()));
        let saved = safetensors::SafeTensors::deserialize(&self.parameters).map_err(|e| unread(&e))?;
        let view = saved.tensor(name).map_err(|e| unread(&e))?;
        let values: Vec<f64> =
            view.data().chunks_exact(8).filter_map(|b| Some(f64::from_le_bytes(b.try_into().ok()?))).collect();
        Ok(Tensor { shape: view.shape().to_vec(), values })
    }

    /// A fitted parameter, as a fit has it.
    ///
    /// # Errors
    /// As [`Finished::array`].
    pub fn parameter(&self, problem: &Problem, parameter: &Parameter) -> Result<Vec<f64>, Error> {
        Ok(problem.unconstrained_value(parameter, &self.array(&parameter.name)?.values))
    }

    /// The parameters that the fit ended with, for a problem of the same shape.
    ///
    /// # Errors
    /// As [`Finished::array`].
    pub fn values(&self, problem: &Problem) -> Result<Values, Error> {
        problem.objective.parameters.iter().map(|p| self.parameter(problem, p)).collect()
    }

    /// What stays fixed of joint guides: their Laplace starts and preconditioners.
    ///
    /// # Errors
    /// As [`Finished::array`].
    pub fn preconditioners(&self, objective: &Objective) -> Result<HashMap<InputId, Arc<Tensor>>, Error> {
        fe_train::preconditioners(objective, |name| self.array(name))
    }

    /// Where the fit of this problem ended.
    ///
    /// # Errors
    /// As [`Finished::array`].
    pub fn solution(&self, problem: &Problem) -> Result<Solution, Error> {
        Ok(Solution { values: self.values(problem)?, preconditioners: self.preconditioners(problem.objective)? })
    }

    /// What was reported.
    ///
    /// # Errors
    /// When `fit.json` is missing or damaged.
    pub fn document(&self) -> Result<Document, Error> {
        let document: Document =
            serde_json::from_str(&self.text_of(directory::FIT)?).map_err(|e| self.damaged(directory::FIT, &e))?;
        self.same_run(directory::FIT, &document.run)?;
        Ok(document)
    }

    /// Writes a file beside those of the run, which must still be the one that was read.
    ///
    /// # Errors
    /// When another run has taken its place, or the file cannot be written.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        match RunRecord::read(&self.folder)?.run == self.record.run {
            true => directory::put(&self.folder.join(name), bytes),
            false => {
                let folder = self.folder.display();
                Err(Error::Io(format!("another run has taken the place of {folder}: {name} is not written there")))
            }
        }
    }

    /// Holds a file to be of this run, by the mark that it carries.
    fn same_run(&self, name: &str, mark: &str) -> Result<(), Error> {
        match mark.is_empty() || self.record.run.is_empty() || mark == self.record.run {
            true => Ok(()),
            false => Err(Error::Io(format!(
                "{} mixes two runs: its {name} is not of the run of its run.json; run the program again",
                self.folder.display()
            ))),
        }
    }

    /// The course of the fit.
    ///
    /// # Errors
    /// When `trace.csv` is missing or damaged.
    pub fn trace(&self) -> Result<Vec<TraceRow>, Error> {
        read_trace(&self.text_of(directory::TRACE)?).map_err(|e| self.damaged(directory::TRACE, &e))
    }

    /// The numbers behind the diagrams of its page; none of a run that was made before there were any.
    ///
    /// # Errors
    /// When `diagrams.json` is damaged, of another run, or a later version wrote it.
    pub fn diagrams(&self) -> Result<Option<Diagrams>, Error> {
        if !self.folder.join(directory::DIAGRAMS).exists() {
            return Ok(None);
        }
        let text = self.text_of(directory::DIAGRAMS)?;
        let found: Diagrams = serde_json::from_str(&text).map_err(|e| self.damaged(directory::DIAGRAMS, &e))?;
        self.same_run(directory::DIAGRAMS, &found.run)?;
        match found.schema <= DIAGRAMS_SCHEMA {
            true => Ok(Some(found)),
            false => Err(self.damaged(directory::DIAGRAMS, &"it was written by a later version of fe")),
        }
    }

    /// What came of holding it to chains, where that was done.
    ///
    /// # Errors
    /// When `verify.json` is damaged, or a later version wrote it.
    pub fn verification(&self) -> Result<Option<Verification>, Error> {
        if !self.folder.join(directory::VERIFICATION).exists() {
            return Ok(None);
        }
        let text = self.text_of(directory::VERIFICATION)?;
        let found: Verification = serde_json::from_str(&text).map_err(|e| self.damaged(directory::VERIFICATION, &e))?;
        match found.schema <= VERIFICATION_SCHEMA {
            true => Ok(Some(found)),
            false => Err(self.damaged(directory::VERIFICATION, &"it was written by a later version of fe")),
        }
    }

    fn text_of(&self, name: &str) -> Result<String, Error> {
        let path = self.folder.join(name);
        std::fs::read_to_string(&path).map_err(|e| Error::Io(format!("{} cannot be read: {e}", path.display())))
    }

    fn damaged(&self, name: &str, e: &dyn std::fmt::Display) -> Error {
        Error::Io(format!("{} is damaged: {e}", self.folder.join(name).display()))
    }

    /// The first of the data that are not those of the fit.
    pub fn changed(&self, arrays: &Arrays) -> Option<String> {
        let hash = |name: &str| self.record.identity.data.iter().find(|d| d.name == name).map(|d| d.sha256.as_str());
        arrays.hashes.iter().find(|(name, now)| hash(name) != Some(now)).map(|(name, _)| name.clone())
    }
}
