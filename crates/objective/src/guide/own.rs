//! Guides of single latents: a stated family, a family with free parameters, a point, the prior.

use std::collections::HashSet;

use fe_check::{Guide, Latent};
use fe_distribution::{Distribution, FreeForm, Support, gaussian_on};
use fe_graph::{NodeId, Site, axis};

use crate::guide::builder::Builder;
use crate::guide::types::{Posterior, Vector};
use crate::messages;
use crate::objective::Underivable;

/// Builds the guide of a latent that shares none.
pub(crate) fn build(b: &mut Builder, latent: &Latent, mean_field: bool) -> Result<Posterior, Underivable> {
    let span = latent.guide_span.unwrap_or(latent.span);
    Ok(match &latent.guide {
        Guide::Stated(d) => {
            stated(b, latent, d);
            Posterior::Family(d.clone())
        }
        Guide::Prior => Posterior::Prior(latent.prior.clone()),
        Guide::PointAt(node) => {
            b.done.replaced.insert(latent.node, *node);
            Posterior::Point
        }
        Guide::Point => {
            point(b, latent).ok_or_else(|| messages::fault(off_scale(latent), span))?;
            Posterior::Point
        }
        Guide::Exact(_) => Posterior::Enumerated,
        Guide::Default if latent.support.is_discrete() && latent.support != Support::Count => Posterior::Enumerated,
        Guide::Default | Guide::Joint { .. } | Guide::Tridiagonal { .. } => {
            let family = own_family(b, latent, mean_field);
            family
                .map(Posterior::Family)
                .ok_or_else(|| messages::no_default_guide(&latent.name, latent.prior.family, span))?
        }
    })
}

/// Puts an affine function of a standard normal vector, whose expectations then are known, in the place of a vector that
/// is one.
fn stated(b: &mut Builder, latent: &Latent, d: &Distribution) {
    let own = HashSet::from([latent.node]);
    let alone = !d.args.iter().any(|&a| b.g.depends_on(a, &own));
    let (Some(axis), Some(map), true) = (d.event, d.family.affine_in_normal(), alone) else { return };
    let axes = axis::sorted(&latent.axes);
    let (_, node) = b.g.input(&format!("{}.noise", latent.name), &axes);
    b.done.vectors.push(Vector { node, site: Site::named(&latent.name), axes });
    let z = map(b.g, &d.args, axis, node).unwrap_or(node);
    b.done.replaced.insert(latent.node, z);
}

/// What is said of a latent that the checker should not have let through.
pub(crate) fn off_scale(latent: &Latent) -> String {
    format!("`{}` has no unconstrained scale", latent.name)
}

/// A free value in the latent's place; `None` where it has no unconstrained scale.
fn point(b: &mut Builder, latent: &Latent) -> Option<NodeId> {
    let start = b.free_median(latent);
    let own = latent.support.free_axes(b.g, &latent.axes);
    let u = b.free(format!("{}.point", latent.name), &own, start);
    let (z, _) = latent.support.constrain_along(b.g, u, &own, &latent.axes)?;
    b.done.replaced.insert(latent.node, z);
    Some(z)
}

/// A family with free parameters for each element. It starts at the prior where the prior's arguments are not random.
fn own_family(b: &mut Builder, latent: &Latent, mean_field: bool) -> Option<Distribution> {
    let latents: HashSet<NodeId> = b.program.latents.iter().map(|l| l.node).collect();
    let prior = &latent.prior;
    let bare = prior.restricted.is_none() && prior.modifiers.is_empty();
    let at_prior = bare && !prior.args.iter().any(|&a| b.g.depends_on(a, &latents));
    let name = |what: &str| format!("{}.guide.{what}", latent.name);
    let gaussian = prior.family.gaussian_on().is_some();
    let family = match prior.family.free_form() {
        Some(FreeForm::LogRate) => {
            let v = b.free(name("log_rate"), &latent.axes, 0.0);
            let rate = *prior.args.first()?;
            let log_rate = if at_prior {
                let r = b.g.log(rate);
                b.g.add(r, v)
            } else {
                v
            };
            return Some(Distribution::new(prior.family, vec![b.g.exp(log_rate)]));
        }
        Some(FreeForm::LocationScale) if bare && (gaussian || !mean_field) => prior.family,
        Some(FreeForm::LocationScale) | None => gaussian_on(latent.support)?,
    };
    let matched = family.name() == prior.family.name() && at_prior;
    let start = if matched { 0.0 } else { b.free_median(latent) };
    let mut location = b.free(name("location"), &latent.axes, start);
    let log_scale = b.free(name("log_scale"), &latent.axes, 0.0);
    let mut scale = b.g.exp(log_scale);
    if matched && let &[m, s] = prior.args.as_slice() {
        let offset = b.g.mul(s, location);
        location = b.g.add(m, offset);
        scale = b.g.mul(s, scale);
    }
    Some(Distribution::new(family, vec![location, scale]))
}
