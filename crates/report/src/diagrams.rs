//! `diagrams.json`: the numbers behind the diagrams of a page that are made of draws, which are not kept otherwise.

use serde::{Deserialize, Serialize};

use crate::page::Panels;

/// The number of the form in which diagrams are written.
pub const DIAGRAMS_SCHEMA: u32 = 1;

/// Diagrams of a fit, as points, bars and bands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Diagrams {
    /// [`DIAGRAMS_SCHEMA`].
    pub schema: u32,
    /// The mark of their run.
    pub run: String,
    /// The fit beside the data: over what predicts them, data drawn anew, residuals, calibration.
    pub fit: Vec<Panels>,
    /// What is known of global values: densities, pairs.
    pub globals: Vec<Panels>,
}
