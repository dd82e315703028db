//! Autoregressive guides, which read their latents' own past or one another's: the latents are drawn together, a position
//! at a time.

use std::collections::{BTreeSet, HashMap, HashSet};

use fe_check::{Latent, Program};
use fe_distribution::{Distribution, Support};
use fe_graph::{Axis, Graph, NodeId, Op, Recurrence, Site, axis};

use crate::guide::builder::Builder;
use crate::guide::types::{Autoregressive, Posterior, Realised, Vector};
use crate::messages;
use crate::objective::Underivable;

/// The latents' own distributions that read a random value: of a stated guide, and of one that is the prior.
fn own(posterior: &Posterior) -> Option<&Distribution> {
    match posterior {
        Posterior::Family(d) | Posterior::Prior(d) => Some(d),
        _ => None,
    }
}

/// Finds the latents whose guides read one another, and puts affine functions of standard normal vectors in the place of
/// those that are all normal.
pub(crate) fn draw_together(b: &mut Builder) -> Result<(), Underivable> {
    let program = b.program;
    find(b)?;
    for one in b.done.loops.clone() {
        let normal = |&k: &usize| {
            let d = b.done.posteriors.get(k).and_then(own);
            d.is_some_and(|d| {
                d.family.gaussian_on() == Some(Support::Real) && d.restricted.is_none() && d.modifiers.is_empty()
            })
        };
        if one.members.iter().all(normal) {
            let mut values = vec![];
            for &k in &one.members {
                let (Some(latent), Some(posterior)) = (program.latents.get(k), b.done.posteriors.get(k)) else {
                    continue;
                };
                let Some(&[mean, sd]) = own(posterior).map(|d| d.args.as_slice()) else { continue };
                let before = b.g.set_origin(b.g.origin_of(latent.node));
                let noise = noise(b, latent);
                let deviation = b.g.mul(sd, noise);
                values.push((k, b.g.add(mean, deviation)));
                b.g.set_origin(before);
            }
            let stepped = one.step(b.g, program, &values)?;
            b.done.replaced.extend(stepped);
        }
    }
    // What a loop reads may be replaced too, and what that reads.
    for _ in 0..b.done.loops.len() {
        let given = b.done.replaced.clone();
        for value in b.done.replaced.values_mut() {
            *value = b.g.substitute(&[*value], &given).first().copied().unwrap_or(*value);
        }
    }
    Ok(())
}

/// Finds the latents whose guides read one another.
fn find(b: &mut Builder) -> Result<(), Underivable> {
    let (g, program, done) = (&*b.g, b.program, &mut b.done);
    let nodes: HashMap<NodeId, usize> = program.latents.iter().enumerate().map(|(k, l)| (l.node, k)).collect();
    let reads: Vec<BTreeSet<usize>> = done
        .posteriors
        .iter()
        .zip(&program.latents)
        .map(|(posterior, latent)| match own(posterior).filter(|_| !done.replaced.contains_key(&latent.node)) {
            Some(d) => g.reachable(&d.args).iter().filter_map(|n| nodes.get(n).copied()).collect(),
            None => BTreeSet::new(),
        })
        .collect();
    let reached: Vec<BTreeSet<usize>> = (0..reads.len())
        .map(|from| {
            let (mut seen, mut stack) = (BTreeSet::new(), vec![from]);
            while let Some(k) = stack.pop() {
                stack.extend(reads.get(k).into_iter().flatten().copied().filter(|&n| seen.insert(n)));
            }
            seen
        })
        .collect();
    let leads = |a: usize, b: usize| reached.get(a).is_some_and(|r| r.contains(&b));
    let mut taken: BTreeSet<usize> = BTreeSet::new();
    for k in 0..reads.len() {
        if taken.contains(&k) || !leads(k, k) {
            continue;
        }
        let members: Vec<usize> = (k..reads.len()).filter(|&j| leads(k, j) && leads(j, k)).collect();
        taken.extend(&members);
        let Some(axis) = steps(g, program, done, &members) else { return Err(circle(program, &members)) };
        done.loops.push(Autoregressive { axis, members });
    }
    Ok(())
}

/// The axis along which members read one another's past.
fn steps(g: &Graph, program: &Program, done: &Realised, members: &[usize]) -> Option<Axis> {
    let latents: Vec<&Latent> = members.iter().filter_map(|&k| program.latents.get(k)).collect();
    let nodes: HashSet<NodeId> = latents.iter().map(|l| l.node).collect();
    let args: Vec<NodeId> =
        members.iter().filter_map(|&k| own(done.posteriors.get(k)?)).flat_map(|d| d.args.clone()).collect();
    g.reachable(&args).into_iter().find_map(|n| match (&g.node(n).op, g.node(n).inputs.as_slice()) {
        (Op::Gather { axis }, &[x, index]) => {
            let back = g.shift_of(index).is_some_and(|(_, by)| by < 0);
            (back && latents.iter().any(|l| l.axes.contains(axis)) && g.depends_on(x, &nodes)).then_some(*axis)
        }
        _ => None,
    })
}

/// Standard normal numbers for each element of a latent: one vector, so that expectations along it are known, but for a
/// latent with rows, of which a batch holds some.
fn noise(b: &mut Builder, latent: &Latent) -> NodeId {
    let (g, done) = (&mut *b.g, &mut b.done);
    let site = Site::named(&latent.name);
    let axes = axis::sorted(&latent.axes);
    let name = format!("{}.noise", latent.name);
    if axes.len() == 1 || latent.is_local(b.program.row) {
        let (_, node) = g.input(&name, &axes);
        done.vectors.push(Vector { node, site, axes });
        return node;
    }
    let size = axes.iter().map(|a| g.extent_of(a.id)).fold(1, usize::saturating_mul);
    let flat = Axis::plain(g.add_axis(&name, size));
    let (_, node) = g.input(&name, &[flat]);
    done.vectors.push(Vector { node, site, axes: vec![flat] });
    g.reshape(node, &[flat], &axes)
}

impl Autoregressive {
    /// What takes the place of the members, given the value of each at a position as an expression of their values before;
    /// and of loops that read them.
    pub(crate) fn step(
        &self,
        g: &mut Graph,
        program: &Program,
        values: &[(usize, NodeId)],
    ) -> Result<Vec<(NodeId, NodeId)>, Underivable> {
        let latents: Vec<&Latent> = values.iter().filter_map(|&(k, _)| program.latents.get(k)).collect();
        let mut recurrences = vec![];
        for (latent, &(_, value)) in latents.iter().zip(values) {
            recurrences.push(Recurrence { stand_in: latent.node, value: g.broadcast(value, &latent.axes) });
        }
        let first = latents.first().map_or_else(Default::default, |l| l.span);
        let stepped = g.recur(self.axis, &recurrences).map_err(|node| {
            let names: Vec<&str> = latents.iter().map(|l| l.name.as_str()).collect();
            let place = program.origins.get(g.origin_of(node).0 as usize).copied().filter(|p| p.end > p.start);
            messages::not_step_by_step(&names, place.unwrap_or(first))
        })?;
        let own = latents.iter().map(|l| l.node).zip(stepped.values);
        Ok(own.chain(stepped.inlined).collect())
    }
}

/// Guides that read each other, and no axis along which one comes before the other. The checker lets a guide read what is
/// declared before, and in a loop what is drawn before.
pub(crate) fn circle(program: &Program, members: &[usize]) -> Underivable {
    let span = members.first().and_then(|&k| program.latents.get(k)).map(|l| l.span).unwrap_or_default();
    messages::fault("guides read each other in a circle", span)
}
