//! Whether a fit can be relied on: what was checked, and what speaks against it.

use serde::{Deserialize, Serialize};

use crate::nested::number;

/// Whether the fit can be relied on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether the convergence test passed.
    pub converged: bool,
    /// Whether it was ended from outside, before it would have.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// Whether the fit can be relied on: it converged, and every latent in the table was held to something that could have
    /// failed and did not. None where some were held to nothing, which `unchecked` names.
    #[serde(default)]
    pub trusted: Option<bool>,
    /// The convergence test and its outcome, in words that follow "converged:" or "not converged:".
    #[serde(default)]
    pub test: Option<String>,
    /// The Pareto shape k̂ of the importance weights of guide to posterior; none where it was not computed.
    pub khat: Option<f64>,
    /// The same of a wider proposal, a lattice or a mixture that was moved toward the posterior; none where it was not asked.
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
    /// The modes of the posterior; none where they were not looked for.
    #[serde(default)]
    pub modes: Option<Modes>,
    /// The standard deviation that cannot be had from the draws behind the table; none where all can.
    #[serde(default)]
    pub heavy: Option<Heavy>,
    /// Counts that were summed to a largest value which the posterior reaches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cut_off: Vec<CutOff>,
    /// Latents that are integrated at points which are too far apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coarse: Vec<Coarse>,
    /// The chains that stand for the guide's draws; none where the posterior is the guide's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nuts: Option<Nuts>,
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

/// A latent whose density has edges between the points at which it is integrated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Coarse {
    /// The latent.
    pub of: String,
    /// About how far off the log evidence is, in nats.
    #[serde(with = "number")]
    pub nats: f64,
}

/// A standard deviation that rests on few draws far out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Heavy {
    /// The element: `beta[1]`.
    pub of: String,
    /// k̂ of the squared distance from the mean, under the weights.
    #[serde(with = "number")]
    pub khat: f64,
}

/// What a search for modes from wide starts found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Modes {
    /// How many.
    pub count: u64,
    /// The share of the mass of those where the guide is not, by the Laplace approximation.
    #[serde(with = "number")]
    pub elsewhere: f64,
}

/// Chains of NUTS, and how they mixed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Nuts {
    /// How many.
    pub chains: u64,
    /// Draws of each.
    pub draws: u64,
    /// Steps of adaptation before them.
    pub warmup: u64,
    /// Dimensions that they moved in.
    pub dimension: u64,
    /// Trajectories that ran away.
    pub divergences: u64,
    /// The largest split R̂ of any number of the table.
    #[serde(with = "number")]
    pub rhat: f64,
    /// The least effective draws of any, in the bulk.
    #[serde(with = "number")]
    pub bulk: f64,
    /// And in the tails.
    #[serde(with = "number")]
    pub tail: f64,
    /// What speaks against them; empty where they have mixed.
    pub open: Vec<String>,
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
    #[serde(with = "number", rename = "spread")]
    pub within: f64,
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

/// A share in words.
pub(crate) fn share(part: f64) -> String {
    if part > 0.999 {
        "nearly all".into()
    } else if part < 0.001 {
        "next to nothing".into()
    } else {
        format!("{:.1} %", 100.0 * part)
    }
}

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

/// The share of the mass that modes may have where the guide is not.
const ELSEWHERE: f64 = 0.01;

/// The effective fraction of the wider proposal's draws from which its table stands by itself, however far the guide's is.
const AMPLE: f64 = 0.6;

/// Up to this k̂ weights have a variance (Vehtari et al., 2024).
const VARIANCE: f64 = 0.5;

/// A guide and a wider proposal that are both near: k̂ of the guide's weights up to this, and the parts of either's draws that are
/// effective. None of the eight small programs that fell by chance and were trusted and wrong had both as near.
const NEAR: (f64, f64, f64) = (0.8, 0.5, 0.8);

/// Above this fraction of effective draws the weights are level: good, whatever the shape of the largest.
const LEVEL: f64 = 0.95;

impl Verdict {
    /// Whether the fit can be relied on: `Some(false)` where something that was checked speaks against it, `None` where nothing
    /// does but something in the table was held to nothing.
    pub fn judged(&self) -> Option<bool> {
        if let Some(nuts) = &self.nuts {
            // Chains move in what sums leave, and have these as they are.
            return Some(nuts.open.is_empty() && self.coarse.is_empty() && self.cut_off.is_empty());
        }
        if !self.converged || !self.faults().is_empty() {
            return Some(false);
        }
        self.unchecked.is_empty().then_some(true)
    }

    /// The faults of the fit, each with what to try.
    pub fn faults(&self) -> Vec<String> {
        if let Some(nuts) = &self.nuts {
            let against = nuts.open.join("; ");
            let fault = format!(
                "the chains have not mixed, and their table is not to be relied on: {against}; try more `draws` and `warmup`, or \
                 write what varies with a scale out, `let a = m + s * u` with `u ~ Normal(0, 1)`"
            );
            return if nuts.open.is_empty() { vec![] } else { vec![fault] };
        }
        let mut faults = vec![];
        if self.misses() {
            faults.push(
                "the guide misses part of the posterior (k̂ > 0.7, or less than a tenth of its draws effective): do not \
                 rely on its table; take the posterior by chains, `guide * ~ NUTS()`, or write what varies with a scale out, `let a = \
                 m + s * u` with `u ~ Normal(0, 1)`"
                    .into(),
            );
        }
        if let Some(MeanField { worst, factor }) =
            self.mean_field.as_ref().filter(|m| m.factor > UNDERSTATED && !self.corrected())
        {
            faults.push(format!(
                "the guide holds elements for independent that are not, and understates the standard deviation of {worst} \
                 by a factor of {factor:.2}: state a joint guide over it and what it hangs together with, as `FullRank()`"
            ));
        }
        if let Some(Departure { of, factor }) = self.departure.as_ref().filter(|_| self.departs()) {
            faults.push(format!(
                "the guide's standard deviation of {of} is {factor:.2} times that of its reweighted draws, which may lack \
                 what the guide never reaches: try a `Flow(layers = 4)`, or take the posterior by chains, `guide * ~ NUTS()`"
            ));
        }
        if self.unheld() {
            faults.push(
                "neither the weights of the guide's draws nor those of a wider proposal have a variance (k̂ > 0.5): part of the \
                 posterior lies far out; take it by chains, `guide * ~ NUTS()`, or try a `Flow(layers = 4)`"
                    .into(),
            );
        }
        let level = self.effective_wide.is_some_and(|e| e >= LEVEL);
        let corrected = level || self.corrected() && self.khat_wide.is_none_or(|k| k <= VARIANCE);
        if self.disagreement.is_some_and(|d| d.means > 0.1 || d.sds > 0.1) && !self.elsewhere() && !corrected {
            faults.push(
                "reweighted draws of the guide and of a wider proposal disagree: part of the posterior lies where the guide \
                 hardly draws; take the posterior by chains, `guide * ~ NUTS()`, or try more `starts`"
                    .into(),
            );
        }
        if let Some(Modes { count, elsewhere }) = self.modes.filter(|m| m.elsewhere > ELSEWHERE && !self.corrected()) {
            faults.push(format!(
                "the posterior has {count} modes, and where the guide is not lie {} of their mass: break their symmetry, as by \
                 an `ordered` vector, or state priors that leave one",
                share(elsewhere)
            ));
        }
        if let Some(Heavy { of, khat }) = &self.heavy {
            faults.push(format!(
                "the mean and standard deviation of {of} rest on few draws far out (k̂ {khat:.1} of its square), and may not \
                 exist: read its quantiles, or state a prior of lighter tails"
            ));
        }
        for CutOff { of, largest, probability } in &self.cut_off {
            faults.push(format!(
                "`{of}` was summed from 0 to {largest}, and the posterior goes on there (probability {probability:.1e}): \
                 state its prior closer, or write `by guide` behind it"
            ));
        }
        for Coarse { of, nats } in &self.coarse {
            faults.push(format!(
                "the points at which `{of}` is integrated are too far apart for how steep its likelihood is (log evidence off by \
                 some {nats:.1e} nats), for chains too: write `by guide` behind it"
            ));
        }
        if self.starts.is_some_and(|s| s.alone()) && !self.corrected() {
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

    /// Whether those of the wider proposal can be used by themselves: where few of its draws are effective, it may have missed as
    /// much as the guide has, and no k̂ tells.
    pub(crate) fn corrected(&self) -> bool {
        let level = self.effective_wide.is_some_and(|e| e >= LEVEL);
        level || self.khat_wide.is_some_and(|k| k <= 0.7) && self.effective_wide.is_some_and(|e| e >= AMPLE)
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

    /// Whether neither the guide's weights nor those of a wider proposal have a variance, though one of them can be used, and not
    /// both are near: of small programs that fall by chance, those that are wrong by a tenth and more are among these.
    fn unheld(&self) -> bool {
        let holds = |khat: f64, effective: Option<f64>| khat <= VARIANCE || effective.is_some_and(|e| e >= LEVEL);
        let both = self.khat.zip(self.khat_wide);
        let neither = both.is_some_and(|(own, wide)| !holds(own, self.effective) && !holds(wide, self.effective_wide));
        neither && !self.near() && !self.misses()
    }

    /// Whether two proposals that differ are both so near to the posterior that no part of it can be far from either.
    fn near(&self) -> bool {
        let (khat, own, wide) = NEAR;
        let least = |effective: Option<f64>, most: f64| effective.is_some_and(|e| e >= most);
        self.khat.is_some_and(|k| k <= khat) && least(self.effective, own) && least(self.effective_wide, wide)
    }

    /// Whether a standard deviation of the guide is far from the resampled one, and nothing but the guide's own draws stands
    /// behind that.
    fn departs(&self) -> bool {
        let far = self.departure.as_ref().is_some_and(|d| (d.factor - 1.0).abs() > DEPARTS);
        far && !self.corrected()
    }

    /// Whether the posterior has modes where the guide is not.
    pub(crate) fn elsewhere(&self) -> bool {
        self.modes.is_some_and(|m| m.elsewhere > ELSEWHERE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fit that nothing speaks against, by these weights: k̂ and the effective part of the guide's, then of the wider proposal's.
    fn weighed([khat, effective, khat_wide, effective_wide]: [f64; 4]) -> Verdict {
        let (khat, effective) = (Some(khat), Some(effective));
        let (khat_wide, effective_wide) = (Some(khat_wide), Some(effective_wide));
        Verdict { converged: true, khat, effective, khat_wide, effective_wide, ..Verdict::default() }
    }

    #[test]
    fn sums_that_are_no_integrals_are_not_trusted_by_chains_either() {
        let coarse = vec![Coarse { of: "th".into(), nats: 0.1 }];
        for nuts in [None, Some(Nuts::default())] {
            let right = Verdict { nuts, ..weighed([0.3, 0.9, 0.1, 0.9]) };
            assert_eq!(right.judged(), Some(true));
            assert_eq!(Verdict { coarse: coarse.clone(), ..right }.judged(), Some(false));
        }
    }

    #[test]
    fn two_proposals_that_are_near_hold_a_fit() {
        // Late entry, and three of the small programs that were trusted and wrong.
        assert_eq!(weighed([0.76, 0.57, 0.57, 0.9]).judged(), Some(true));
        for wrong in [[0.84, 0.44, 0.52, 0.84], [0.68, 0.11, 0.504, 0.75], [1.54, 0.2, 0.65, 0.91]] {
            assert_eq!(weighed(wrong).judged(), Some(false), "{wrong:?}");
        }
    }

    #[test]
    fn level_weights_stand_by_themselves() {
        let disagreement = Some(Disagreement { means: 0.03, sds: 0.2 });
        assert_eq!(Verdict { disagreement, ..weighed([0.66, 0.44, 0.68, 0.96]) }.judged(), Some(true));
        assert_eq!(Verdict { disagreement, ..weighed([0.66, 0.44, 0.68, 0.9]) }.judged(), Some(false));
    }
}
