//! Two programs fitted to the same data, side by side.

mod figures;
mod terminal;

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::document::Document;
use crate::nested::number;

pub use figures::{compared, standard_error};
pub use terminal::comparison_terminal;

/// The outcome of `fe compare`: every figure of two programs, and their differences B − A.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The version of the compiler.
    pub fe_version: String,
    /// The first program.
    pub a: Side,
    /// The second.
    pub b: Side,
    /// The seeds that both were fitted with; figures are means over them.
    pub seeds: Vec<u64>,
    /// Rows that were compared one by one, of each seed.
    pub rows: u64,
    /// The whole.
    pub of_rows: u64,
    /// Whether these were held out.
    pub heldout: bool,
    /// Whether both programs saw the same rows, so that errors are those of differences row by row.
    pub paired: bool,
    /// The figures.
    pub figures: Vec<Compared>,
    /// Notes for the reader.
    pub notes: Vec<String>,
}

/// One of two programs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// Its file.
    pub program: String,
    /// The model's name.
    pub model: String,
    /// Its objective.
    pub objective: String,
    /// Its fits, one for each seed.
    pub fits: Vec<SideFit>,
}

/// One fit of a side.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SideFit {
    /// The seed.
    pub seed: u64,
    /// Steps taken.
    pub steps: u64,
    /// Seconds of the fit.
    #[serde(with = "number")]
    pub seconds: f64,
    /// Whether it converged.
    pub converged: bool,
}

/// A figure of both programs. It is none where a program has no such figure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// The group that it belongs to: `held out`, `training`, `code`, `fit`.
    pub of: String,
    /// Its name, as in `fit.json`; of a code with the name of the latent or meter: `z.zeros`, or `z|a.zeros` of two.
    pub name: String,
    /// Its unit, empty of fractions.
    pub unit: String,
    /// Of the first program.
    pub a: Option<f64>,
    /// Of the second.
    pub b: Option<f64>,
    /// B − A.
    pub difference: Option<f64>,
    /// Standard error of the difference, from `se_rows` and `se_draws`.
    pub se: Option<f64>,
    /// Its part from the rows, which are a sample of all that there might be.
    pub se_rows: Option<f64>,
    /// Its part from the Monte Carlo draws that figures are taken with.
    pub se_draws: Option<f64>,
    /// Standard error of the difference over seeds; none of a single seed.
    pub se_seeds: Option<f64>,
}

/// Standard errors of differences of one pair of fits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Errors {
    /// Errors over rows.
    pub rows: PartErrors,
    /// Errors over draws.
    pub draws: PartErrors,
}

/// Standard errors of the parts of an account, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PartErrors {
    /// The error of F.
    pub free_energy: Option<f64>,
    /// The error of D.
    pub distortion: Option<f64>,
    /// The error of R, nats.
    pub rate: Option<f64>,
    /// The error of the spikes.
    pub energy: Option<f64>,
}

/// Two fits with one seed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PairOfFits {
    /// Of the first program.
    pub a: Document,
    /// Of the second.
    pub b: Document,
    /// The errors of held-out figures, where there are any, else of those of training rows.
    pub errors: Errors,
}

impl Comparison {
    /// A table with a header line: `of,name,unit,a,b,difference,se,se_rows,se_draws,se_seeds`. Numbers are written in
    /// the fewest digits that read back the same; what is none is an empty cell.
    pub fn csv(&self) -> String {
        let mut text = String::from("of,name,unit,a,b,difference,se,se_rows,se_draws,se_seeds\n");
        for f in &self.figures {
            // Names are those of a program and of this page: letters, digits, points and bars. Writing to a string
            // cannot fail.
            let _ = write!(text, "{},{},{}", f.of, f.name, f.unit);
            for value in [f.a, f.b, f.difference, f.se, f.se_rows, f.se_draws, f.se_seeds] {
                let _ = match value.filter(|v| v.is_finite()) {
                    Some(value) => write!(text, ",{value:?}"),
                    None => write!(text, ","),
                };
            }
            text.push('\n');
        }
        text
    }
}
