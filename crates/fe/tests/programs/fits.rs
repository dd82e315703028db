//! One way in which every trial fits a program: by the library under the command line, in this process.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use fe_pipeline::{
    Assignment, ExecutorKind, FitOptions, Precision, Prepared, ReadOptions, Text, derive, explanation, load,
    on_threads, prepare,
};
use fe_train::{Monitor, Unkept};
use serde_json::{Value, json};

use crate::common::{programs, root, stem};

/// A program and where its data are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    /// What trials call it.
    pub name: String,
    /// Its text.
    pub source: String,
    /// The folder that paths in it are relative to.
    pub folder: PathBuf,
}

impl Program {
    /// A file of the repository, without its ending.
    pub fn named(path: &str) -> Self {
        Self::read(&root().join(format!("{path}.fe")))
    }

    fn read(path: &Path) -> Self {
        let source = std::fs::read_to_string(path).unwrap();
        Self { name: stem(path), source, folder: path.parent().unwrap().to_owned() }
    }

    /// The programs of a folder.
    pub fn all_of(folder: &str) -> Vec<Self> {
        programs(folder).iter().map(|path| Self::read(path)).collect()
    }

    /// The program with another text.
    pub fn with(&self, source: impl Into<String>) -> Self {
        Self { source: source.into(), ..self.clone() }
    }

    /// What its header says behind `# KEY: `.
    pub fn header(&self, key: &str) -> Option<&str> {
        self.source.lines().find_map(|line| line.strip_prefix("# ")?.strip_prefix(key)?.strip_prefix(": "))
    }

    /// Whether its header says `# slow: …`.
    pub fn slow(&self) -> bool {
        self.header("slow").is_some()
    }
}

/// How a program is fitted: on one thread, where nothing else is said.
#[derive(Clone, Debug)]
pub struct Options {
    pub seed: Option<u64>,
    pub steps: Option<usize>,
    pub threads: usize,
    pub precision: Option<Precision>,
    pub executor: Option<ExecutorKind>,
    /// `NAME=VALUE` of `const`s and `dim`s.
    pub set: Vec<String>,
    /// `NAME=FILE` of data.
    pub data: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: None, steps: None, threads: 1, precision: None, executor: None, set: vec![], data: vec![] }
    }
}

impl Options {
    pub fn seed(seed: u64) -> Self {
        Self { seed: Some(seed), ..Self::default() }
    }

    pub fn steps(self, steps: usize) -> Self {
        Self { steps: Some(steps), ..self }
    }

    pub fn set(mut self, pair: impl Into<String>) -> Self {
        self.set.push(pair.into());
        self
    }
}

/// What a fit leaves: `fit.json`, and the bits of its parameters with what was placed before the first step.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub document: Value,
    pub parameters: Vec<(String, Vec<u64>)>,
}

impl Outcome {
    /// The outcome without what may differ between two runs.
    pub fn lasting(&self) -> Self {
        let mut document = self.document.clone();
        for volatile in ["seconds", "threads"] {
            assert!(document.as_object_mut().unwrap().remove(volatile).is_some(), "no {volatile}");
        }
        Self { document, parameters: self.parameters.clone() }
    }
}

/// Nobody watches.
struct Silent;

impl Monitor for Silent {
    fn step(&mut self, _: u64, _: Option<u64>, _: f64) -> bool {
        true
    }

    fn note(&mut self, _: &str) {}
}

impl Program {
    fn text(&self) -> Text {
        let (file, stem) = (format!("{}.fe", self.name), self.name.clone());
        Text { file, source: self.source.clone(), folder: self.folder.clone(), stem }
    }
}

impl Options {
    fn reading(&self) -> ReadOptions {
        let pairs = |given: &[String]| given.iter().map(|pair| Assignment::parse(pair).unwrap()).collect();
        ReadOptions { data: pairs(&self.data), set: pairs(&self.set), ..ReadOptions::default() }
    }

    fn fitting(&self) -> FitOptions {
        let Self { seed, steps, precision, executor, .. } = *self;
        FitOptions { seed, steps, precision, executor, ..FitOptions::default() }
    }
}

/// Fits what is prepared.
fn solve(prepared: &Prepared) -> Result<Outcome, fe_pipeline::Error> {
    let fitted = prepared.fit(None, &mut Silent)?;
    let document = fe_report::json(&prepared.document(&fitted)?);
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect();
    let names = fitted.problem.objective.parameters.iter().map(|p| p.name.clone());
    let mut parameters: Vec<(String, Vec<u64>)> = names.zip(fitted.fit.values.iter().map(|v| bits(v))).collect();
    parameters.extend(fitted.fit.preconditioners.iter().map(|(name, tensor)| (name.clone(), bits(&tensor.values))));
    parameters.extend(fitted.problem.statistics().into_iter().map(|(name, tensor)| (name, bits(&tensor.values))));
    Ok(Outcome { document: serde_json::from_str(&document).unwrap(), parameters })
}

/// Fits a program, which must go well.
pub fn fit(program: &Program, options: &Options) -> Outcome {
    let work = || solve(&prepare(&program.text(), &options.reading(), &options.fitting())?);
    let outcome = on_threads(Some(options.threads), work).and_then(|outcome| outcome);
    let outcome = outcome.unwrap_or_else(|e| panic!("{} with {options:?}: {e:?}", program.name));
    assert!(!outcome.document["terms"].as_array().unwrap().is_empty(), "{} was fitted to nothing", program.name);
    outcome
}

/// Fits that several trials look at, by program and by what is written of the options.
type Shared = Mutex<HashMap<(Program, String), Arc<OnceLock<Arc<Outcome>>>>>;

/// As [`fit`], and once for all trials that ask the same.
pub fn shared(program: &Program, options: &Options) -> Arc<Outcome> {
    static FITS: LazyLock<Shared> = LazyLock::new(Shared::default);
    let place = {
        let mut fits = FITS.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(fits.entry((program.clone(), format!("{options:?}"))).or_default())
    };
    Arc::clone(place.get_or_init(|| Arc::new(fit(program, options))))
}

/// As [`fit`], of which only the document is wanted.
pub fn document(program: &Program, options: &Options) -> Value {
    fit(program, options).document
}

/// The figures of a program's objective at the end of its fit, whose posterior is not read, by their names in `fit.json`.
pub fn figures(program: &Program, options: &Options) -> Value {
    let work = || {
        let prepared = prepare(&program.text(), &options.reading(), &options.fitting())?;
        let problem = prepared.problem()?;
        let fitted = fe_train::minimise(&problem, &prepared.program.train, None, &mut Silent, &mut Unkept);
        let fitted = fitted.map_err(|e| fe_pipeline::Error::Internal(e.to_string()))?;
        let f = fitted.figures();
        let (free_energy, distortion, rate, objective_value) = (f.free_energy, f.distortion, f.rate, f.objective);
        Ok::<_, fe_pipeline::Error>(json!({
            "free_energy": free_energy, "distortion": distortion, "rate": rate, "objective_value": objective_value,
        }))
    };
    let found = on_threads(Some(options.threads), work).and_then(|found| found);
    found.unwrap_or_else(|e| panic!("{} with {options:?}: {e:?}", program.name))
}

/// How the objective of a program was derived and is fitted, and its graph and its gradient's, without white space.
pub fn explained(program: &Program, options: &Options) -> String {
    let text = program.text();
    let work = || {
        let loaded = load(&text, &options.reading())?;
        let objective = derive(&loaded.program, &text)?;
        let roots = [&[objective.minimised.value], objective.minimised.gradient.as_slice()].concat();
        let page = explanation(&loaded.program, &objective, &text.source);
        Ok::<_, fe_pipeline::Error>(page + &objective.graph.dump(&roots))
    };
    let page = on_threads(Some(1), work).and_then(|page| page);
    page.unwrap_or_else(|e| panic!("{}: {e:?}", program.name)).split_whitespace().collect()
}
