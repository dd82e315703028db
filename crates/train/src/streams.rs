//! The register of noise: every stream of random numbers of a fit, and of what is drawn from it, has its name here, and
//! no two share a number.
//!
//! A number is a function of (seed, site, step) and of its element (`fe_graph::noise`). There are three kinds of
//! streams: noise of a graph, whose sites are the program's and whose steps are divided by [`Purpose`]; numbers drawn
//! outside of any graph, which have sites of their own ([`Outside`]); and fixed sets of quasi-random draws, which a
//! seed scrambles ([`FixedSet`]).

use std::ops::Range;

use fe_graph::Site;
use fe_graph::noise::NoiseKey;

/// Reasons for which a graph is run with noise. Each has steps of its own, so that a reported figure never reuses noise
/// that the fit was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Steps of the fit; the step numbered 0 is also that of the Laplace start.
    Training,
    /// Figures: terms, rates, sparsity.
    Figures,
    /// The posterior table.
    Table,
    /// Moments by which two fits of one guide are compared.
    Moments,
    /// Draws of the guide that are written to files.
    Draws,
    /// Draws of the guide for leave-one-out cross-validation.
    LeaveOneOut,
    /// Draws of new data.
    Predictive,
    /// The refit of parameters of held-out rows.
    Refit,
    /// Draws of exact conditionals at the points of Markov chains.
    Chains,
    /// The curvature by which the steps of a descent are chosen.
    Curvature,
    /// What a guide says of rows.
    Codes,
    /// Lines of a stream, each a step.
    Lines,
}

/// The steps `first`, `first + every`, … below `end`.
struct Steps {
    first: u64,
    every: u64,
    end: u64,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Training,
        Self::Figures,
        Self::Table,
        Self::Moments,
        Self::Draws,
        Self::LeaveOneOut,
        Self::Predictive,
        Self::Refit,
        Self::Chains,
        Self::Curvature,
        Self::Codes,
        Self::Lines,
    ];

    const fn steps(self) -> Steps {
        let (Range { start, end }, (offset, every)) = match self {
            Self::Training => (0..1 << 40, (0, 1)),
            Self::Figures => (1 << 40..1 << 41, (0, 1)),
            Self::Table => (1 << 41..(1 << 41) + (1 << 20), (0, 1)),
            Self::Moments => ((1 << 41) + (1 << 20)..1 << 42, (0, 1)),
            // The even and the odd steps of one range.
            Self::Draws => (1 << 42..1 << 43, (0, 2)),
            Self::LeaveOneOut => (1 << 42..1 << 43, (1, 2)),
            Self::Predictive => (1 << 43..1 << 44, (0, 1)),
            Self::Refit => (1 << 44..1 << 45, (0, 1)),
            Self::Chains => (1 << 45..1 << 46, (0, 1)),
            Self::Curvature => (1 << 46..1 << 47, (0, 1)),
            Self::Codes => (1 << 47..1 << 48, (0, 1)),
            Self::Lines => (1 << 48..1 << 49, (0, 1)),
        };
        Steps { first: start + offset, every, end }
    }

    /// The step that keys the noise of run number `pass` for this purpose.
    pub const fn step(self, pass: u64) -> u64 {
        let Steps { first, every, end } = self.steps();
        let step = first.saturating_add(pass.saturating_mul(every));
        debug_assert!(step < end, "a purpose has run out of steps");
        step
    }
}

/// Streams of numbers that are drawn outside of any graph. Their sites are names that no source of noise of a program
/// can have: they hold a space, or are among [`Site::OUTSIDE`], or are those of data, which are no latents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside<'a> {
    /// The choice of rows that are held out.
    Holdout,
    /// The order of the rows in an epoch.
    Batches,
    /// Random values that a parameter starts at, by its name.
    Start(&'a str),
    /// The place of a parameter at another start of a fit.
    AnotherStart(&'a str),
    /// Signs of directions that probe the diagonal of a Hessian.
    DiagonalSigns,
    /// Scales of a Student t proposal.
    WiderProposal,
    /// Draws of a proposal that is moved toward the posterior: those that are weighed, and those that move it.
    Proposal,
    /// The order of draws that are chosen by their weights.
    Resampled,
    /// The start and the steps of a Markov chain, by its number.
    Chain,
    /// A latent's prior.
    Prior(&'a str),
    /// One step of the prior of a latent along a chain.
    PriorStep(&'a str, usize),
    /// Data given draws of the prior.
    PriorPredictive(&'a str),
    /// Data given draws of the fitted guide.
    Predictive(&'a str),
    /// Data at new rows, given draws of the fitted guide.
    NewRows(&'a str),
    /// A choice at a line of a stream.
    Choice(&'a str),
}

impl Outside<'_> {
    fn site(self) -> Site {
        match self {
            Self::Holdout => Site::outside("holdout"),
            Self::Batches => Site::outside("batches"),
            Self::Start(name) => Site::outside(&format!("start of {name}")),
            Self::AnotherStart(name) => Site::outside(&format!("another start of {name}")),
            Self::DiagonalSigns => Site::outside("signs for a diagonal"),
            Self::WiderProposal => Site::outside("wider proposal"),
            Self::Proposal => Site::outside("proposal"),
            Self::Resampled => Site::outside("resampled"),
            Self::Chain => Site::outside("Markov chain"),
            Self::Prior(name) => Site::outside(&format!("prior {name}")),
            Self::PriorStep(name, step) => Site::outside(&format!("prior {name} {step}")),
            Self::PriorPredictive(name) => Site::outside(&format!("predictive {name}")),
            Self::Predictive(name) => Site::outside(name),
            Self::NewRows(name) => Site::outside(&format!("new rows {name}")),
            Self::Choice(name) => Site::outside(&format!("choice {name}")),
        }
    }

    /// The key of the part with this number: an epoch, an attempt, a probe.
    pub fn key(self, seed: u64, number: u64) -> NoiseKey {
        NoiseKey { seed, site: self.site(), step: number }
    }
}

/// Sets of quasi-random draws that are held fixed in place of noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FixedSet {
    /// The draws that a guide is fitted to.
    Fit,
    /// Draws that it is fitted to again, to see how far that moves it; numbered from 1.
    Redraw(u64),
    /// Readings of a fitted guide: its table, its moments, and leave-one-out.
    Reading,
    /// Starts of searches for modes.
    Modes,
}

impl FixedSet {
    /// The seed of its scrambling.
    pub fn seed(self, seed: u64) -> u64 {
        seed ^ match self {
            Self::Fit => 0,
            Self::Redraw(set) => set << 48,
            Self::Reading => 0x7461_626c_6500_0000,
            Self::Modes => 0x6d6f_6465_7300_0000,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Two progressions of steps meet where their ranges do and their offsets agree on a common stride.
    fn overlap(a: &Steps, b: &Steps) -> bool {
        let within = a.first.max(b.first) < a.end.min(b.end);
        let stride = if a.every == b.every { a.every } else { 1 };
        within && a.first.abs_diff(b.first).is_multiple_of(stride)
    }

    #[test]
    fn no_two_purposes_share_a_step() {
        for (k, a) in Purpose::ALL.iter().enumerate() {
            let steps = a.steps();
            assert!(steps.every > 0 && steps.first < steps.end, "{a:?}");
            // Enough for the longest use: the steps of a fit, or the passes over draws and rows.
            assert!((steps.end - steps.first) / steps.every >= 1 << 20, "{a:?}");
            for b in Purpose::ALL.iter().skip(k + 1) {
                assert!(!overlap(&steps, &b.steps()), "{a:?} {b:?}");
            }
        }
        assert!(overlap(&Purpose::Draws.steps(), &Steps { first: (1 << 42) + 6, every: 2, end: 1 << 43 }));
    }

    #[test]
    fn no_two_streams_outside_of_graphs_share_a_site() {
        let names = ["z", "x", "holdout", "batches", "start", "0"];
        let of = |name| {
            [
                Outside::Start(name),
                Outside::AnotherStart(name),
                Outside::Prior(name),
                Outside::PriorStep(name, 0),
                Outside::PriorStep(name, 1),
                Outside::PriorPredictive(name),
                Outside::NewRows(name),
                Outside::Choice(name),
            ]
        };
        let mut streams: Vec<Outside> = names.into_iter().flat_map(of).collect();
        streams.extend([
            Outside::Holdout,
            Outside::Batches,
            Outside::DiagonalSigns,
            Outside::WiderProposal,
            Outside::Chain,
        ]);
        let sites: HashSet<Site> = streams.iter().map(|s| s.site()).collect();
        assert_eq!(sites.len(), streams.len());
        // Nor with a latent, whatever its name.
        for latent in names {
            assert!(!sites.contains(&Site::named(latent)), "{latent}");
        }
        // Data are no latents, so their names are free.
        assert!(!sites.contains(&Outside::Predictive("x").site()));
    }

    #[test]
    fn no_two_fixed_sets_share_a_seed() {
        let sets = [FixedSet::Fit, FixedSet::Redraw(1), FixedSet::Redraw(2), FixedSet::Reading];
        for seed in [0, 1, 7, 1 << 20] {
            let seeds: HashSet<u64> = sets.iter().map(|s| s.seed(seed)).collect();
            assert_eq!(seeds.len(), sets.len());
        }
    }
}
