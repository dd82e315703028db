//! What a caller may wish of how a program is read and fitted.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

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
    /// Headers of files that were read before, for a caller that reads a program again and again; `None` reads each anew.
    pub headers: Option<Arc<Mutex<fe_data::Headers>>>,
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
    /// Bytes of memory that it may take; what the machine, or its control group, has where none are said.
    pub memory: Option<u64>,
}

impl Default for FitOptions {
    fn default() -> Self {
        let device = "cpu".into();
        Self { seed: None, steps: None, epochs: None, precision: None, executor: None, device, memory: None }
    }
}

/// Bytes: `8GB`, `500 MB`, `64GiB`, or a number of them.
///
/// # Errors
/// When it is none of these.
pub fn bytes(text: &str) -> Result<u64, String> {
    let unread = || format!("`{text}` is no size of memory: write `8GB`, `500MB` or `64GiB`");
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len()));
    let unit = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" | "k" => 1e3,
        "mb" | "m" => 1e6,
        "gb" | "g" => 1e9,
        "tb" | "t" => 1e12,
        "kib" => 1024.0,
        "mib" => f64::from(1u32 << 20),
        "gib" => f64::from(1u32 << 30),
        "tib" => 1024.0 * f64::from(1u32 << 30),
        _ => return Err(unread()),
    };
    let number: f64 = number.trim().parse().map_err(|_| unread())?;
    // A float becomes an integer by saturation.
    let found = (number * unit) as u64;
    if number.is_finite() && found > 0 { Ok(found) } else { Err(unread()) }
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

/// Below this many numbers of data and parameters together, f64 is the default.
const DOUBLE_BELOW: usize = 100_000;

impl Precision {
    /// That of a fit of so many numbers of data and parameters, where none is asked for.
    pub(crate) fn of(numbers: usize, by_lbfgs: bool) -> Self {
        // A line search cannot see past single precision.
        if numbers < DOUBLE_BELOW || by_lbfgs { Self::F64 } else { Self::F32 }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_memory() {
        for (text, size) in [("8GB", 8_000_000_000), ("1.5 gb", 1_500_000_000), ("64GiB", 64 << 30), ("500", 500)] {
            assert_eq!(bytes(text), Ok(size));
        }
        for wrong in ["", "GB", "-1GB", "8XB", "nan", "infGB", "0", "1e9"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
