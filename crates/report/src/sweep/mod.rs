//! Many fits of one program: `sweep.json`, a tidy table, a summary for a terminal.

mod certificate;
mod ledger;
mod pictures;
mod table;
mod terminal;

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize};

pub use certificate::{FLOOR, Pair, Weighed, certificate};
pub(crate) use ledger::{pairs, points, verdict, zeros};
pub use pictures::sweep_pictures;
pub use table::sweep_csv;
pub use terminal::sweep_terminal;

use crate::account::{self, Account};
use crate::document::{Document, HeldOut, Latent, Meter};
use crate::nested::number;

/// The outcome of a sweep: `sweep.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// The model's name.
    pub model: String,
    /// Its title, when it states one.
    #[serde(default)]
    pub title: Option<String>,
    /// The version of the compiler.
    pub fe_version: String,
    /// The objective, as written.
    pub objective: String,
    /// The names that were swept; the first runs along a curve.
    pub over: Vec<String>,
    /// Their units, where they have one.
    pub units: Vec<Option<String>>,
    /// Wall-clock seconds of the whole, over all sessions that it took.
    #[serde(with = "number")]
    pub seconds: f64,
    /// Points fitted at a time.
    pub jobs: u64,
    /// Threads of each.
    pub threads: u64,
    /// The fits, the curve's variable running fastest.
    pub points: Vec<Point>,
    /// The slope that the certificate compares: `−Δ(rest)/Δ(rate)`; none where nothing can be compared, which a note
    /// explains.
    pub certifies: Option<String>,
    /// Neighbours along each curve.
    pub certificate: Vec<Pair>,
    /// Notes for the user.
    pub notes: Vec<String>,
}

/// One fit of a sweep. Figures are those of its `fit.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The values of what was swept, by name, unless a name is one of the other keys; `at` has them all.
    #[serde(flatten, deserialize_with = "swept")]
    pub named: IndexMap<String, f64>,
    /// The values of what was swept, by name.
    pub at: IndexMap<String, f64>,
    /// Its run directory.
    pub run: String,
    /// Why there is no fit; figures are then null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// The free energy and its parts.
    #[serde(flatten, serialize_with = "account::of_point", deserialize_with = "account::read_of_point")]
    pub account: Account,
    /// The value of the objective.
    #[serde(with = "number")]
    pub objective_value: f64,
    /// Whether the fit converged.
    pub converged: bool,
    /// Seconds of fitting.
    #[serde(with = "number")]
    pub seconds: f64,
    /// The bounds, where there are any: what was reached, its multiplier, whether it was met.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<crate::document::Constraint>,
    /// The account of rows that the fit did not see.
    pub heldout: Option<HeldOut>,
    /// Each latent's code.
    pub latents: IndexMap<String, Latent>,
    /// Each metered expression's.
    pub meters: IndexMap<String, Meter>,
    /// Notes on where the fit began, and on what was done further.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Reads what was swept from among all that is flattened into a point.
fn swept<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IndexMap<String, f64>, D::Error> {
    let all = IndexMap::<String, serde_json::Value>::deserialize(deserializer)?;
    let own = all.into_iter().filter(|(name, _)| !KEYS.contains(&name.as_str()));
    Ok(own.filter_map(|(name, value)| Some((name, value.as_f64()?))).collect())
}

/// Keys of a point that a swept name may not take.
const KEYS: [&str; 16] = [
    "at",
    "run",
    "failed",
    "free_energy",
    "distortion",
    "rate",
    "energy",
    "prior_energy",
    "objective_value",
    "converged",
    "seconds",
    "constraints",
    "heldout",
    "latents",
    "meters",
    "notes",
];

impl Point {
    /// A point at these values, of this run.
    pub fn new(at: IndexMap<String, f64>, run: String) -> Self {
        let named = at.iter().filter(|(n, _)| !KEYS.contains(&n.as_str())).map(|(n, v)| (n.clone(), *v)).collect();
        Self { named, at, run, ..Self::default() }
    }

    /// The figures of its fit.
    #[must_use]
    pub fn of(self, document: &Document) -> Self {
        let d = document;
        Self {
            account: d.account,
            objective_value: d.objective_value,
            converged: d.verdict.converged,
            seconds: d.seconds,
            constraints: d.constraints.clone(),
            heldout: d.heldout.clone(),
            // Single units are in the run's own document.
            latents: d.latents.iter().map(|(n, l)| (n.clone(), Latent { units: None, ..l.clone() })).collect(),
            meters: d.meters.clone(),
            ..self
        }
    }

    /// A point that could not be fitted.
    #[must_use]
    pub fn failed(self, why: String) -> Self {
        let (objective_value, seconds) = (f64::NAN, f64::NAN);
        Self { failed: Some(why), account: Account::unknown(), objective_value, seconds, ..self }
    }
}

impl Sweep {
    /// A value with its name and unit.
    pub(crate) fn said(&self, name: &str, value: f64) -> String {
        let unit = self.over.iter().position(|o| o == name).and_then(|k| self.units.get(k)?.clone());
        format!("{name} = {value}{}", unit.map(|u| format!(" {u}")).unwrap_or_default())
    }

    /// The swept names with their values at a point.
    pub(crate) fn place(&self, point: &Point) -> String {
        point.at.iter().map(|(name, value)| self.said(name, *value)).collect::<Vec<_>>().join(", ")
    }

    /// Two neighbours: `beta = 1 to 2, K = 32`.
    pub(crate) fn neighbours(&self, pair: &Pair) -> String {
        let first = self.over.first().map_or("", String::as_str);
        let along = self.over.get(1).zip(pair.along).map(|(name, value)| format!(", {}", self.said(name, value)));
        format!("{} to {}{}", self.said(first, pair.from), pair.to, along.unwrap_or_default())
    }

    /// Neighbours that cannot both be optima.
    pub fn violations(&self) -> impl Iterator<Item = &Pair> {
        self.certificate.iter().filter(|p| p.holds == Some(false))
    }
}
