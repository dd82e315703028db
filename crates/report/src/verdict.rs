//! Whether a fit can be relied on: what was checked, and what speaks against it.

use serde::{Deserialize, Serialize};

use crate::nested::number;

/// Whether the fit can be relied on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether the convergence test passed.
    pub converged: bool,
    /// Whether the fit can be relied on: it converged, the guide is not known to miss part of the posterior, another
    /// start found the same minimum where several were made, and other draws hardly move it.
    #[serde(default)]
    pub trusted: bool,
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
    /// Notes for the reader.
    pub notes: Vec<String>,
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

impl Verdict {
    /// Whether nothing that was checked speaks against the fit.
    pub fn holds(&self) -> bool {
        let checked = !self.starts.is_some_and(|s| s.alone()) && !self.draws.is_some_and(|d| d.too_few());
        self.converged && !self.misses() && checked
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
        if self.starts.is_some_and(|s| s.alone()) {
            faults.push("no other start found this minimum, and there may be lower ones: try more `starts`".into());
        }
        if self.draws.is_some_and(|d| d.too_few()) {
            faults.push("the fixed draws are too few for this guide: raise `samples`".into());
        }
        faults
    }

    /// Whether the importance weights can be used, by k̂ (Vehtari et al., 2024) and by how many draws they leave.
    pub(crate) fn resampled(&self) -> bool {
        self.khat.is_some_and(|k| k <= 0.7) && self.effective.is_none_or(|e| e >= 0.1)
    }

    /// Whether those of the wider proposal can be used.
    pub(crate) fn corrected(&self) -> bool {
        self.khat_wide.is_some_and(|k| k <= 0.5) && self.effective_wide.is_none_or(|e| e >= 0.1)
    }

    /// Whether the weights are so level that, as far as the draws reach, no mean of the posterior is more than a tenth
    /// of the guide's standard deviation away: |E_p f − E_q f| ≤ sd_q(f) √(1/e − 1) with e the effective fraction.
    pub(crate) fn level(&self) -> bool {
        self.effective.is_some_and(|e| e >= 0.99)
    }

    /// Whether the guide is known to miss part of the posterior: its weights have a heavy tail, and are not level.
    pub fn misses(&self) -> bool {
        self.khat.is_some() && !self.resampled() && !self.level() && !self.corrected()
    }
}
