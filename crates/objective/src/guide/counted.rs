//! Counts without an end that are summed out all the same: up to a largest value, beyond which the prior holds next to
//! nothing. How much of the posterior lies there is reported ([`crate::Beyond`]), and held to account by the verdict.

use std::collections::{HashMap, HashSet};

use fe_check::{Guide, Latent, Program};
use fe_distribution::{Distribution, Statistic, Support};
use fe_graph::{Graph, NodeId};

use crate::elimination::{elements, weighs_all_the_same};

/// The largest value where the prior does not say: its arguments are random without moments, or data.
const OPEN: usize = 255;

/// The largest value that sums go to; a prior that reaches further is left to a guide.
const MOST: usize = 511;

/// Values are left out where the log of their probability lies this far below that of the likeliest.
const DEPTH: f64 = 80.0;

/// Random arguments of a prior are taken this many standard deviations off their means.
const SPREAD: f64 = 6.0;

/// The most values that all elements have together.
const TABLE: usize = 1 << 18;

/// Counts that are summed out, each with its largest value: those left to the compiler, that a likelihood reads and no loss
/// does. Whether the program reads them one by one is found out when they are summed.
pub(crate) fn counted(g: &Graph, program: &Program) -> HashMap<usize, usize> {
    let train = &program.train;
    let batched = train.batch.is_some() || train.holdout.is_some();
    let other = program.objective.importance.is_some() || !program.objective.bounds.is_empty();
    if batched || other || !weighs_all_the_same(program) {
        return HashMap::new();
    }
    // What is tried leaves nothing behind in the graph.
    let mut scratch = g.clone();
    let own = |(_, l): &(usize, &Latent)| {
        matches!(l.guide, Guide::Default) && l.support == Support::Count && !l.in_guide && l.estimator.is_none()
    };
    let counts = program.latents.iter().enumerate().filter(own);
    let suited = counts.filter(|(_, l)| {
        let of = HashSet::from([l.node]);
        let reads = |nodes: &[NodeId]| nodes.iter().any(|&n| g.depends_on(n, &of));
        let seen = program.observes.iter().any(|o| reads(&o.distribution.args))
            || program.latents.iter().any(|other| reads(&other.prior.args));
        seen && !program.losses.iter().any(|loss| reads(&[loss.node]))
    });
    let mut found = HashMap::new();
    for (k, latent) in suited {
        if let Some(largest) = largest(&mut scratch, program, &latent.prior)
            && elements(g, &latent.axes).saturating_mul(largest + 1) <= TABLE
        {
            found.insert(k, largest);
        }
    }
    found
}

/// The value beyond which a prior holds next to nothing; none where that is too far.
fn largest(g: &mut Graph, program: &Program, prior: &Distribution) -> Option<usize> {
    let mut reach: Option<usize> = None;
    for sds in [0.0, SPREAD, -SPREAD] {
        let places = places(g, program, sds);
        let args = g.substitute(&prior.args, &places);
        if args.iter().any(|&a| g.constant_value(a).is_none()) {
            return Some(OPEN);
        }
        let at = Distribution { args, ..prior.clone() };
        reach = reach.max(Some(end(g, &at)?));
    }
    reach
}

/// Constants in the place of latents whose priors have moments that are numbers, so many standard deviations off their means.
fn places(g: &mut Graph, program: &Program, sds: f64) -> HashMap<NodeId, NodeId> {
    let mut places = HashMap::new();
    for latent in &program.latents {
        let args = g.substitute(&latent.prior.args, &places);
        let prior = Distribution { args, ..latent.prior.clone() };
        let moments = (prior.expectation(g, Statistic::Value), prior.variance(g, Statistic::Value));
        let (Some(mean), Some(variance)) = moments else { continue };
        let (Some(mean), Some(variance)) = (g.constant_value(mean), g.constant_value(variance)) else { continue };
        let (least, greatest) = latent.support.bounds();
        let place = mean + sds * variance.sqrt();
        // Inside of the support, by a part of the way to its end.
        let place = if place <= least { least + 0.01 * (mean - least) } else { place };
        let place = if place >= greatest { greatest - 0.01 * (greatest - mean) } else { place };
        if place.is_finite() {
            let place = g.constant(place);
            places.insert(latent.node, place);
        }
    }
    places
}

/// The last value within [`DEPTH`] of the likeliest; none where values do not fall off so far up to [`MOST`].
fn end(g: &mut Graph, prior: &Distribution) -> Option<usize> {
    let mut likeliest = f64::NEG_INFINITY;
    for n in 0..=MOST {
        let value = g.constant(n as f64);
        let density = prior.log_density(g, value)?;
        let log_p = g.constant_value(density)?;
        likeliest = likeliest.max(log_p);
        if log_p < likeliest - DEPTH {
            return Some(n);
        }
    }
    None
}
