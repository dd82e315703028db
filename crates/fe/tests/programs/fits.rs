//! One way in which every trial fits a program.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use serde_json::Value;

use crate::common::{code, programs, root, stderr, stdout, stem, with_input};

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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Options {
    pub seed: Option<u64>,
    pub steps: Option<usize>,
    pub threads: usize,
    pub precision: Option<&'static str>,
    pub executor: Option<&'static str>,
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

/// What a fit leaves: `fit.json`, and the bytes of its parameters.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub document: Value,
    pub parameters: Vec<u8>,
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

/// Fits a program, which must go well.
pub fn fit(program: &Program, options: &Options) -> Outcome {
    let out = tempfile::tempdir().unwrap();
    let given = |name: &'static str, value: Option<String>| value.into_iter().flat_map(move |v| [name.to_owned(), v]);
    let mut arguments: Vec<String> =
        ["run", "-", "--quiet", "--out", out.path().to_str().unwrap()].map(str::to_owned).to_vec();
    arguments.extend(given("--threads", Some(options.threads.to_string())));
    arguments.extend(given("--seed", options.seed.map(|s| s.to_string())));
    arguments.extend(given("--steps", options.steps.map(|s| s.to_string())));
    arguments.extend(given("--precision", options.precision.map(str::to_owned)));
    arguments.extend(given("--executor", options.executor.map(str::to_owned)));
    options.set.iter().for_each(|pair| arguments.extend(given("--set", Some(pair.clone()))));
    options.data.iter().for_each(|pair| arguments.extend(given("--data", Some(pair.clone()))));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = with_input(&program.folder, &arguments, &program.source);
    assert_eq!(code(&output), 0, "{} with {options:?}: {}", program.name, stderr(&output));
    let read = |name: &str| std::fs::read(out.path().join(name)).unwrap();
    let document: Value = serde_json::from_slice(&read("fit.json")).unwrap();
    assert!(!document["terms"].as_array().unwrap().is_empty(), "{} was fitted to nothing", program.name);
    Outcome { document, parameters: read("params.safetensors") }
}

/// Fits that several trials look at.
type Shared = Mutex<HashMap<(Program, Options), Arc<OnceLock<Arc<Outcome>>>>>;

/// As [`fit`], and once for all trials that ask the same.
pub fn shared(program: &Program, options: &Options) -> Arc<Outcome> {
    static FITS: LazyLock<Shared> = LazyLock::new(Shared::default);
    let place = {
        let mut fits = FITS.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(fits.entry((program.clone(), options.clone())).or_default())
    };
    Arc::clone(place.get_or_init(|| Arc::new(fit(program, options))))
}

/// As [`fit`], of which only the document is wanted.
pub fn document(program: &Program, options: &Options) -> Value {
    fit(program, options).document
}

/// How the objective of a program was derived, and its graph, without white space.
pub fn explained(program: &Program, options: &Options) -> String {
    let mut arguments = vec!["explain", "-", "--graph"];
    options.set.iter().for_each(|pair| arguments.extend(["--set", pair]));
    options.data.iter().for_each(|pair| arguments.extend(["--data", pair]));
    let output = with_input(&program.folder, &arguments, &program.source);
    assert_eq!(code(&output), 0, "{}: {}", program.name, stderr(&output));
    stdout(&output).split_whitespace().collect()
}
