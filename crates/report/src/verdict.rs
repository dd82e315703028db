//! Whether a fit can be relied on: what was checked, and what speaks against it.

use serde::{Deserialize, Serialize};

use crate::nested::number;

/// Whether the fit can be relied on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether the convergence test passed.
    pub converged: bool,
    /// Whether the fit can be relied on: it converged, and every latent in the table was held to something that could have
    /// failed and did not. None where some were held to nothing, which `unchecked` names.
    #[serde(default)]
    pub trusted: Option<bool>,
    /// The convergence test and its outcome, in words that follow "converged:" or "not converged:".
    #[serde(default)]
    pub test: Option<String>,
    /// The Pareto shape k̂ of the importance weights of guide to posterior; none where it was not computed.
    pub khat: Option<f64>,
    /// The same of a wider proposal, a Student t with the guide's location and scale; none where it was not asked.
    #[serde(default)]
    pub khat_wide: Option<f64>,
    /// The effective fraction of the guide's draws under those weights.
    #[serde(default)]
    pub effective: Option<f64>,
    /// The same of the wider proposal.
    #[serde(default)]
    pub effective_wide: Option<f64>,
    /// Whether other starts end at the same minimum; none where one was made.
    #[serde(default)]
    pub starts: Option<Starts>,
    /// The change of the guide under other draws; none where nothing was held fixed.
    #[serde(default)]
    pub draws: Option<Redraws>,
    /// The standard deviation that a mean-field guide understates, by linear response; none without such a guide, or
    /// where it was not computed.
    #[serde(default)]
    pub mean_field: Option<MeanField>,
    /// The standard deviation that differs most between the guide and the resampled table; none without one.
    #[serde(default)]
    pub departure: Option<Departure>,
    /// The largest difference between the tables by the guide's weights and by the wider proposal's; none where not both can
    /// be used.
    #[serde(default)]
    pub disagreement: Option<Disagreement>,
    /// Latents in the table whose guide was held to nothing.
    #[serde(default)]
    pub unchecked: Vec<String>,
    /// Counts that were summed to a largest value which the posterior reaches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cut_off: Vec<CutOff>,
    /// Notes for the reader.
    pub notes: Vec<String>,
}

/// A count whose sum ends where its posterior does not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CutOff {
    /// The latent.
    pub of: String,
    /// The largest value that was summed.
    pub largest: u64,
    /// The posterior probability of that value.
    #[serde(with = "number")]
    pub probability: f64,
}

/// A standard deviation of the guide that reweighted draws correct.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Departure {
    /// The element: `beta[1]`.
    pub of: String,
    /// The guide's over the resampled one.
    #[serde(with = "number")]
    pub factor: f64,
}

/// The largest differences between two tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Disagreement {
    /// Of means, in standard deviations.
    #[serde(with = "number")]
    pub means: f64,
    /// Of the logarithms of standard deviations.
    #[serde(with = "number")]
    pub sds: f64,
}

/// The agreement of several starts of a fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Starts {
    /// The number of starts.
    pub count: u64,
    /// The number that ended at the lowest objective, the one that was kept included.
    pub agreeing: u64,
    /// The number that were ended on their way.
    pub unfinished: u64,
    /// The largest difference among those that agree, nats over all rows.
    #[serde(with = "number")]
    pub spread: f64,
    /// The most by which others ended higher, nats over all rows.
    pub higher: Option<f64>,
    /// Whether those that agree lie more than a standard deviation apart: optima of equal depth.
    pub apart: bool,
}

/// The change of a guide when it is fitted to other draws: the largest of any latent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Redraws {
    /// The number of draws in a set.
    pub count: u64,
    /// Change of a mean, in standard deviations.
    #[serde(with = "number")]
    pub means: f64,
    /// Change of the logarithm of a standard deviation.
    #[serde(with = "number")]
    pub sds: f64,
}

/// The standard deviation that a mean-field guide understates most.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MeanField {
    /// The element: `beta[1]`.
    pub worst: String,
    /// The factor, on the unconstrained scale.
    #[serde(with = "number")]
    pub factor: f64,
}

/// Other draws that move a mean by more standard deviations than this, or a standard deviation by more than this part,
/// leave too large an error.
const REDRAW_LIMIT: f64 = 0.1;

impl Redraws {
    /// Whether the draws are too few.
    pub fn too_few(&self) -> bool {
        !(self.means <= REDRAW_LIMIT && self.sds <= REDRAW_LIMIT)
    }
}

impl Starts {
    /// Whether the lowest minimum was found once only, and others higher up.
    pub fn alone(&self) -> bool {
        self.agreeing < 2 && self.higher.is_some()
    }
}

/// Linear response that finds a standard deviation understated by more than this factor speaks against the guide.
const UNDERSTATED: f64 = 1.1;

/// A standard deviation of the guide that differs from the resampled one by more than this part is too far from it.
const DEPARTS: f64 = 0.15;

/// The effective fraction of the wider proposal's draws from which its table stands by itself, however far the guide's is.
const AMPLE: f64 = 0.25;

/// Above this fraction of effective draws the weights are level: good, whatever the shape of the largest.
const LEVEL: f64 = 0.95;

impl Verdict {
    /// Whether the fit can be relied on: `Some(false)` where something that was checked speaks against it, `None` where nothing
    /// does but something in the table was held to nothing.
    pub fn judged(&self) -> Option<bool> {
        if !self.converged || !self.faults().is_empty() {
            return Some(false);
        }
        self.unchecked.is_empty().then_some(true)
    }

    /// The faults of the fit, each with what to try.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = vec![];
        if self.misses() {
            faults.push(
                "the guide misses part of the posterior (k̂ > 0.7, or less than a tenth of its draws effective): do not \
                 rely on its table; try another parameterization"
                    .into(),
            );
        }
        if let Some(MeanField { worst, factor }) =
            self.mean_field.as_ref().filter(|m| m.factor > UNDERSTATED && !self.stands())
        {
            faults.push(format!(
                "the guide holds elements for independent that are not, and understates the standard deviation of {worst} \
                 by a factor of {factor:.2}: state a joint guide over it and what it hangs together with, as `FullRank()`"
            ));
        }
        if let Some(Departure { of, factor }) = self.departure.as_ref().filter(|_| self.departs()) {
            faults.push(format!(
                "the guide's standard deviation of {of} is {factor:.2} times that of its reweighted draws, which may lack \
                 what the guide never reaches: try a `Flow(layers = 4)`, or another parameterization"
            ));
        }
        if self.disagreement.is_some_and(|d| d.means > 0.1 || d.sds > 0.1) {
            faults.push(
                "reweighted draws of the guide and of a wider proposal disagree: part of the posterior lies where the guide \
                 hardly draws; try another parameterization, or more `starts`"
                    .into(),
            );
        }
        for CutOff { of, largest, probability } in &self.cut_off {
            faults.push(format!(
                "`{of}` was summed from 0 to {largest}, and the posterior goes on there (probability {probability:.1e}): \
                 state its prior closer, or write `by guide` behind it"
            ));
        }
        if self.starts.is_some_and(|s| s.alone()) {
            faults.push("no other start found this minimum, and there may be lower ones: try more `starts`".into());
        }
        if self.draws.is_some_and(|d| d.too_few()) {
            faults.push("the fixed draws are too few for this guide: raise `samples`".into());
        }
        faults
    }

    /// That some latents were held to nothing, where they were.
    pub fn omission(&self) -> Option<String> {
        let named: Vec<String> = self.unchecked.iter().map(|n| format!("`{n}`")).collect();
        (!named.is_empty()).then(|| {
            format!(
                "not checked: the guide of {} was held to nothing, so that its table may be wrong without a sign of it",
                named.join(", ")
            )
        })
    }

    /// Whether the guide's own weights can be used, by k̂ (Vehtari et al., 2024) and by how many draws they leave. Where the
    /// largest are all equal, as those of counts are, k̂ says nothing.
    pub(crate) fn resampled(&self) -> bool {
        let told = self.khat.is_some_and(|k| k <= 0.7 && k > f64::NEG_INFINITY) || self.level();
        self.khat.is_some() && told && self.effective.is_none_or(|e| e >= 0.1)
    }

    /// Whether those of the wider proposal can be used.
    pub(crate) fn corrected(&self) -> bool {
        let level = self.effective_wide.is_some_and(|e| e >= LEVEL);
        let ample = self.khat_wide.is_some_and(|k| k <= 0.7) && self.effective_wide.is_some_and(|e| e >= 0.5);
        level || ample || self.khat_wide.is_some_and(|k| k <= 0.5) && self.effective_wide.is_none_or(|e| e >= 0.1)
    }

    /// Whether the weights are level. With e the effective fraction, |E_p f − E_q f| ≤ sd_q(f) √(1/e − 1), as far as the
    /// draws reach.
    pub(crate) fn level(&self) -> bool {
        self.effective.is_some_and(|e| e >= LEVEL)
    }

    /// Whether the guide is known to miss part of the posterior: its weights have a heavy tail, and are not level.
    pub fn misses(&self) -> bool {
        self.khat.is_some() && !self.resampled() && !self.corrected()
    }

    /// Whether a standard deviation of the guide is far from the resampled one, and nothing but the guide's own draws stands
    /// behind that.
    fn departs(&self) -> bool {
        let far = self.departure.as_ref().is_some_and(|d| (d.factor - 1.0).abs() > DEPARTS);
        far && !self.stands()
    }

    /// Whether the table from the wider proposal stands by itself.
    fn stands(&self) -> bool {
        self.corrected() && self.effective_wide.is_some_and(|e| e >= AMPLE)
    }
}
