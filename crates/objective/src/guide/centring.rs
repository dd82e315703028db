//! Automatic non-centring: a latent of a location–scale family whose scale is another latent is fitted as location +
//! scale · u, u being standard a priori. A Gaussian over u and the scale follows the funnel that the latent and its scale
//! make together, which no Gaussian over these two does (Papaspiliopoulos, Roberts and Sköld, 2007). The free energy of a
//! guide does not depend on the coordinates it is stated in; only the family of guides does.

use std::collections::{HashMap, HashSet};

use fe_check::{Guide, Latent, Program};
use fe_distribution::{Distribution, Support, gaussian_on};
use fe_graph::{Graph, NodeId, axis};

/// A latent as a function of its standardised u.
pub(crate) struct Standardised {
    /// Its value.
    pub value: NodeId,
    /// log |dz/du|, over its axes.
    pub log_jacobian: NodeId,
    /// log p(u) = log p(z) + log |dz/du|, over its axes.
    pub log_prior: NodeId,
}

/// Which members of a joint Gaussian are non-centred: those left to the compiler whose scale follows from other members, and
/// whose prior reads nothing else that is random.
pub(crate) fn candidates(g: &Graph, program: &Program, members: &[usize]) -> Vec<usize> {
    let node = |k: usize| program.latents.get(k).map(|l| l.node);
    let inside: HashSet<NodeId> = members.iter().filter_map(|&k| node(k)).collect();
    let outside: HashSet<NodeId> = program.latents.iter().map(|l| l.node).filter(|n| !inside.contains(n)).collect();
    let suits = |k: usize| {
        let Some(l) = program.latents.get(k) else { return false };
        let plain = l.prior.modifiers.is_empty() && l.prior.restricted.is_none();
        let Some(scale) = l.prior.family.location_scale().and_then(|[_, s]| l.prior.args.get(s).copied()) else {
            return false;
        };
        // Its own past among its parents makes it a chain, which is fitted as it is.
        let own: HashSet<NodeId> = outside.iter().copied().chain([l.node]).collect();
        plain
            && !l.centred
            && matches!(l.guide, Guide::Default)
            && g.depends_on(scale, &inside)
            && !l.prior.args.iter().any(|&a| g.depends_on(a, &own))
    };
    members.iter().copied().filter(|&k| suits(k)).collect()
}

/// The median of a latent's standardised u, where its prior's other arguments are numbers; else 0.
pub(crate) fn median(g: &Graph, latent: &Latent) -> f64 {
    let known = || {
        let [location, scale] = latent.prior.family.location_scale()?;
        let standard = |(k, &a): (usize, &NodeId)| match k {
            k if k == location => Some(0.0),
            k if k == scale => Some(1.0),
            _ => g.constant_value(a),
        };
        let args: Vec<f64> = latent.prior.args.iter().enumerate().map(standard).collect::<Option<_>>()?;
        latent.prior.family.median(&args).and_then(|m| latent.support.unconstrain(m))
    };
    known().unwrap_or(0.0)
}

/// A latent at a standardised u, its parents being in place.
pub(crate) fn standardised(
    g: &mut Graph,
    latent: &Latent,
    u: NodeId,
    replaced: &HashMap<NodeId, NodeId>,
) -> Option<Standardised> {
    let axes = axis::sorted(&latent.axes);
    let [location, scale] = latent.prior.family.location_scale()?;
    let mut args = g.substitute(&latent.prior.args, replaced);
    let (m, s) = (*args.get(location)?, *args.get(scale)?);
    *args.get_mut(location)? = g.constant(0.0);
    *args.get_mut(scale)? = g.constant(1.0);
    let deviation = g.mul(s, u);
    let on_line = g.add(m, deviation);
    let log_scale = g.log(s);
    let (value, log_jacobian, standard) = match latent.support {
        Support::Positive => (g.exp(on_line), g.add(log_scale, on_line), gaussian_on(Support::Real)?),
        _ => (on_line, log_scale, latent.prior.family),
    };
    let log_prior = Distribution::new(standard, args).log_density(g, u)?;
    Some(Standardised {
        value,
        log_jacobian: g.broadcast(log_jacobian, &axes),
        log_prior: g.broadcast(log_prior, &axes),
    })
}
