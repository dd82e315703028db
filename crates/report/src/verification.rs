//! `verify.json`: a finished fit held to long chains of a sampler.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::figures::{count, decimals, duration, fixed, plural};
use crate::ledger::{Cell, Column, Label, Number, Room, Span, Table, Tone, Value};
use crate::nested::{Nested, number};
use crate::terminal::layout::Page;

/// The number of this form of the record.
pub const VERIFICATION_SCHEMA: u32 = 1;

/// Means that differ by less than this many standard deviations, and standard deviations whose logarithms do, are near enough
/// whatever the errors.
const MEANS: f64 = 0.1;
const SDS: f64 = 0.05;

/// Elements of an array that are all shown, and how many are where it has more.
const WHOLE: usize = 12;
const SHOWN: usize = 8;

/// A fit beside chains.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// The number of the form it was written in, [`VERIFICATION_SCHEMA`].
    pub schema: u32,
    /// The model's name.
    pub model: String,
    /// Its title, when it states one.
    pub title: Option<String>,
    /// The run directory.
    pub run: String,
    /// The version of the compiler.
    pub fe_version: String,
    /// The seed of the chains.
    pub seed: u64,
    /// The table that was held to them: of the guide's draws, or resampled.
    pub held: Held,
    /// The chains.
    pub chains: Chains,
    /// By how many standard errors a number has to differ for one among so many to be no accident.
    #[serde(with = "number")]
    pub limit: f64,
    /// What came of it.
    pub outcome: Outcome,
    /// What the chains have not reached; empty where they have mixed.
    pub open: Vec<String>,
    /// The numbers that differ.
    pub differing: Vec<String>,
    /// Every value of the table.
    pub values: IndexMap<String, Verified>,
}

/// The table that is the one to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// `posterior`: draws of the guide.
    #[default]
    Posterior,
    /// `posterior_resampled`: the same, reweighted.
    PosteriorResampled,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The chains have mixed, and no number differs.
    Agrees,
    /// The chains have mixed, and some number differs.
    Differs,
    /// The chains have not mixed.
    #[default]
    NotSettled,
}

/// The chains that a fit is held to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Chains {
    /// How many.
    pub count: u64,
    /// Steps of adaptation, of each.
    pub warmup: u64,
    /// Draws of each.
    pub draws: u64,
    /// Dimensions that they moved in.
    pub dimension: u64,
    /// Trajectories that ran away.
    pub divergences: u64,
    /// Leapfrog steps of all draws.
    pub leapfrogs: u64,
    /// Wall-clock seconds, of the adaptation and of reading the draws too.
    #[serde(with = "number")]
    pub seconds: f64,
}

/// A value by the fit and by the chains; arrays as declared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verified {
    /// The fit's mean.
    pub mean: Nested,
    /// The fit's standard deviation.
    pub sd: Nested,
    /// The mean by the chains.
    pub chains_mean: Nested,
    /// Their standard deviation.
    pub chains_sd: Nested,
    /// Monte Carlo standard error of that mean.
    pub mean_error: Nested,
    /// And of that standard deviation.
    pub sd_error: Nested,
    /// Split R̂ of ranks.
    pub rhat: Nested,
    /// Effective draws in the bulk.
    pub bulk: Nested,
    /// Effective draws in the tails.
    pub tail: Nested,
}

/// An element of a value.
#[derive(Clone, Copy, Debug)]
struct Element {
    mean: f64,
    sd: f64,
    chains_mean: f64,
    chains_sd: f64,
    mean_error: f64,
    sd_error: f64,
    rhat: f64,
    effective: f64,
}

impl Element {
    /// By how many standard deviations the fit's mean is off.
    fn mean_off(&self) -> f64 {
        if self.chains_sd > 0.0 { (self.mean - self.chains_mean) / self.chains_sd } else { 0.0 }
    }

    /// By how many standard errors.
    fn mean_errors(&self) -> f64 {
        if self.chains_sd > 0.0 { (self.mean - self.chains_mean) / self.mean_error } else { 0.0 }
    }

    /// The logarithm of the fit's standard deviation over that of the chains.
    fn sd_off(&self) -> f64 {
        if self.chains_sd > 0.0 { (self.sd / self.chains_sd).ln() } else { 0.0 }
    }

    /// By how many standard errors.
    fn sd_errors(&self) -> f64 {
        if self.chains_sd > 0.0 { (self.sd - self.chains_sd) / self.sd_error } else { 0.0 }
    }

    fn mean_differs(&self, limit: f64) -> bool {
        beyond(self.mean_off(), MEANS) && beyond(self.mean_errors(), limit)
    }

    fn sd_differs(&self, limit: f64) -> bool {
        beyond(self.sd_off(), SDS) && beyond(self.sd_errors(), limit)
    }
}

/// Whether a difference is larger; one that is no number is.
fn beyond(difference: f64, limit: f64) -> bool {
    difference.is_nan() || difference.abs() > limit
}

impl Verified {
    fn element(&self, k: usize) -> Element {
        let at = |of: &Nested| of.values().get(k).copied().unwrap_or(f64::NAN);
        Element {
            mean: at(&self.mean),
            sd: at(&self.sd),
            chains_mean: at(&self.chains_mean),
            chains_sd: at(&self.chains_sd),
            mean_error: at(&self.mean_error),
            sd_error: at(&self.sd_error),
            rhat: at(&self.rhat),
            effective: at(&self.bulk).min(at(&self.tail)),
        }
    }

    fn size(&self) -> usize {
        self.chains_mean.values().len()
    }
}

impl Verification {
    /// Judges the values: each mean has to be within a tenth of a standard deviation of the chains', and each standard
    /// deviation within 5 %, or else within what the chains' own errors explain.
    #[must_use]
    pub fn judged(mut self) -> Self {
        self.differing.clear();
        for (name, value) in &self.values {
            for k in 0..value.size() {
                let (element, place) = (value.element(k), value.chains_mean.place(k));
                if element.mean_differs(self.limit) {
                    self.differing.push(format!("mean of {name}{place}"));
                }
                if element.sd_differs(self.limit) {
                    self.differing.push(format!("sd of {name}{place}"));
                }
            }
        }
        self.outcome = match (self.open.is_empty(), self.differing.is_empty()) {
            (false, _) => Outcome::NotSettled,
            (true, true) => Outcome::Agrees,
            (true, false) => Outcome::Differs,
        };
        self
    }

    /// The outcome in a sentence.
    pub fn sentence(&self) -> String {
        match self.outcome {
            Outcome::Agrees => {
                let numbers = 2 * self.values.values().map(Verified::size).sum::<usize>() as u64;
                format!("agrees: none of {} differs", plural(numbers, "number"))
            }
            Outcome::Differs => {
                let (shown, rest) = self.differing.split_at(self.differing.len().min(4));
                let more =
                    if rest.is_empty() { String::new() } else { format!(" and {} more", count(rest.len() as u64)) };
                format!("differs: {}{more}", shown.join(", "))
            }
            Outcome::NotSettled => {
                format!("not settled: the chains have not mixed, and say nothing of the fit: {}", self.open.join("; "))
            }
        }
    }

    /// The table, of every value.
    pub(crate) fn table(&self) -> Table {
        let columns = [
            Column::point("mean"),
            Column::point("sd"),
            Column::point("NUTS").roomy("NUTS mean"),
            Column::point("sd").roomy("NUTS sd"),
            Column::point("Δ/sd").page("mean off, in sd"),
            Column::point("Δ/se").page("in standard errors").from(Room::Roomy),
            Column::right("sd off"),
            Column::point("sd/se").page("in standard errors").from(Room::Roomy),
            Column::point("R̂"),
            Column::right("ess"),
            Column::word(""),
        ];
        let mut table = Table::new("verified", "The table of the fit beside NUTS", columns).explained(
            "Means are off by standard deviations of the posterior and by standard errors of the chains; standard deviations \
             in per cent. The smaller of the effective draws in the bulk and in the tails is shown.",
        );
        for (name, value) in &self.values {
            let size = value.size();
            let elements: Vec<Element> = (0..size).map(|k| value.element(k)).collect();
            for k in self.shown(&elements) {
                if let Some(element) = elements.get(k) {
                    table.row(Label::Element(name.clone(), value.chains_mean.place(k)), self.cells(element));
                }
            }
            if size > WHOLE {
                table.remark_on(&format!("… {} more of ", count((size - SHOWN) as u64)), name, " in verify.json");
            }
        }
        table
    }

    /// The elements of an array that are shown: those that differ first.
    fn shown(&self, elements: &[Element]) -> Vec<usize> {
        if elements.len() <= WHOLE {
            return (0..elements.len()).collect();
        }
        let differs = |e: &Element| e.mean_differs(self.limit) || e.sd_differs(self.limit);
        let mut order: Vec<(bool, usize)> = elements.iter().enumerate().map(|(k, e)| (!differs(e), k)).collect();
        order.sort_unstable();
        let mut shown: Vec<usize> = order.into_iter().take(SHOWN).map(|(_, k)| k).collect();
        shown.sort_unstable();
        shown
    }

    fn cells(&self, e: &Element) -> Vec<Cell> {
        let places = (1e-6..1e9).contains(&e.chains_sd).then(|| decimals(e.chains_sd, 3));
        let drawn = |value: f64| Cell::from(Number::Drawn(value, places));
        let signed = |value: f64, places: usize, wrong: bool| {
            let cell = Cell::from(Value::Difference(Number::Fixed(value, places)));
            if wrong { cell.toned(Tone::Bad) } else { cell }
        };
        // Chains that have not mixed say nothing.
        let settled = self.open.is_empty();
        let (mean, sd) = (settled && e.mean_differs(self.limit), settled && e.sd_differs(self.limit));
        let of_sd = Cell::from(Value::Difference(Number::Percent(e.sd_off().exp_m1())));
        let words = match (mean, sd) {
            (false, false) => "",
            (true, false) => "mean differs",
            (false, true) => "sd differs",
            (true, true) => "both differ",
        };
        vec![
            drawn(e.mean),
            drawn(e.sd),
            drawn(e.chains_mean),
            drawn(e.chains_sd),
            signed(e.mean_off(), 2, mean),
            signed(e.mean_errors(), 1, mean),
            if sd { of_sd.toned(Tone::Bad) } else { of_sd },
            signed(e.sd_errors(), 1, sd),
            Number::Fixed(e.rhat, 3).into(),
            Cell::text(if e.effective.is_finite() { count(e.effective.round().max(0.0) as u64) } else { "–".into() }),
            Cell::text(words).toned(Tone::Bad),
        ]
    }

    /// The chains, in words.
    pub(crate) fn facts(&self) -> Vec<String> {
        let c = &self.chains;
        vec![
            format!("{} of {} after {}", plural(c.count, "chain"), plural(c.draws, "draw"), count(c.warmup)),
            plural(c.dimension, "dimension"),
            plural(c.divergences, "divergence"),
            duration(c.seconds),
        ]
    }
}

/// A verification within `width` columns (taken as 60 to 120), with ANSI colour if asked for.
pub fn verification_terminal(verification: &Verification, width: usize, colour: bool) -> String {
    let mut page = Page::within(width, colour);
    page.heading(&verification.model, verification.title.as_deref());
    page.facts(&verification.facts());
    page.blank();
    page.ledger(&verification.table());
    page.blank();
    let tone = match verification.outcome {
        Outcome::Agrees => Tone::Good,
        Outcome::Differs => Tone::Bad,
        Outcome::NotSettled => Tone::Doubtful,
    };
    page.labelled("verdict", &[Span::new(verification.sentence(), tone)]);
    let held = match verification.held {
        Held::Posterior => "the guide's own table",
        Held::PosteriorResampled => "the resampled table",
    };
    let limit = fixed(verification.limit, 1);
    page.labelled(
        "note",
        &[Span::plain(format!(
            "{held} is held to the chains; a mean differs where it is off by more than {MEANS} sd and {limit} standard errors, \
             a standard deviation by more than 5 % and as many"
        ))],
    );
    page.into_text()
}
