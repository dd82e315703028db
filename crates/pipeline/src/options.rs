//! What a caller may wish of how a program is read and fitted.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// `NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub struct Assignment {
    /// What is assigned to.
    pub name: String,
    /// What is assigned, as text.
    pub value: String,
}

impl Assignment {
    /// Reads `NAME=VALUE`; `None` where there is no `=`.
    pub fn parse(text: &str) -> Option<Self> {
        text.split_once('=').map(|(name, value)| Self::new(name.trim(), value.trim()))
    }

    /// That this name has this value.
    pub fn new(name: &str, value: &str) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

impl fmt::Display for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

impl From<Assignment> for String {
    fn from(assignment: Assignment) -> Self {
        assignment.to_string()
    }
}

impl From<String> for Assignment {
    /// A text without `=`, which no run writes, assigns nothing to what it names.
    fn from(text: String) -> Self {
        Self::parse(&text).unwrap_or_else(|| Self::new(&text, ""))
    }
}

/// How a program is read.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// Files in the place of those that data declarations read, by name of the data; relative to the working directory.
    pub data: Vec<Assignment>,
    /// Values of `const`s and `dim`s, by name.
    pub set: Vec<Assignment>,
    /// Arrays of the caller in the place of what data declarations read, by name of the data.
    pub arrays: HashMap<String, Arc<fe_data::InMemory>>,
    /// The folder where decoded data are kept from run to run; `None` keeps nothing.
    pub cache: Option<PathBuf>,
}

/// How a program is fitted. What is left out is the program's own, or decided by the size of the problem.
#[derive(Clone, Debug)]
pub struct FitOptions {
    /// Seed of starts, draws, batches and the hold-out split.
    pub seed: Option<u64>,
    /// Steps of the optimizer; 0 reports the start.
    pub steps: Option<usize>,
    /// Passes over the data.
    pub epochs: Option<usize>,
    /// Precision of the computation.
    pub precision: Option<Precision>,
    /// What runs the graph.
    pub executor: Option<ExecutorKind>,
    /// Where it runs: `cpu`, or `cuda:0` in a build with CUDA.
    pub device: String,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self { seed: None, steps: None, epochs: None, precision: None, executor: None, device: "cpu".into() }
    }
}

/// Floating-point precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single.
    F32,
    /// Double.
    F64,
}

impl Precision {
    /// `f32` or `f64`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }
}

/// Executors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutorKind {
    /// A plan for this machine's cores.
    Cpu,
    /// candle tensors: portable, the reference.
    Candle,
}
