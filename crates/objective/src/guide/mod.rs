//! From what the program says of a guide to random nodes: stated families, families with free parameters, joint
//! guides on the unconstrained scale, points, and the prior itself.

mod angles;
pub(crate) mod autoregressive;
pub(crate) mod builder;
mod centring;
pub(crate) mod chains;
pub(crate) mod counted;
mod flow;
mod groups;
pub(crate) mod kind;
mod laws;
mod low_rank;
mod own;
mod plan;
pub(crate) mod types;

use std::collections::HashMap;

use fe_check::{Init, Latent, Program};
use fe_graph::{Axis, Graph, NodeId};

use crate::elimination;
use crate::guide::builder::Builder;
use crate::guide::kind::GuideKind;
use crate::guide::plan::Plan;
use crate::guide::types::{Carrier, Posterior, Realised};
use crate::objective::{Parameter, Start, Underivable};
use crate::sequence::{self, Called};

/// What the derivation tries of latents that are read one by one: whether they are shows when they are summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// To integrate elements at points.
    pub points: bool,
    /// To sum counts up to a largest value.
    pub counts: bool,
    /// To sum finite latents out in time order, whatever their guides.
    pub in_turn: bool,
}

impl Attempt {
    /// What is tried, from the most exact to the one whose failure is the program's.
    pub fn all(program: &Program) -> Vec<Self> {
        let one = |points, counts| Self { points, counts, in_turn: false };
        let in_turn = Self { in_turn: true, ..one(false, false) };
        let plain = [one(true, true), one(false, true), one(true, false), one(false, false)];
        match sequence::called(program) {
            Called::Never => plain.to_vec(),
            Called::Tried => std::iter::once(in_turn).chain(plain).collect(),
            Called::Must { conditional: true } => plain.into_iter().chain([in_turn]).collect(),
            Called::Must { conditional: false } => vec![in_turn],
        }
    }
}

/// Chooses and builds the guide of every latent; `statistics` take the place of nodes of the program.
pub(crate) fn realise(
    g: &mut Graph,
    program: &Program,
    statistics: &HashMap<NodeId, NodeId>,
    attempt: Attempt,
) -> Result<Realised, Underivable> {
    let mut b = Builder { g, program, done: Realised::default(), built: HashMap::new() };
    // What is integrated out first, then chains: what is part of one is no longer free for the others.
    let eliminated = elimination::plan(b.g, program, attempt.points);
    if attempt.in_turn {
        b.done.in_turn = sequence::turns(program);
    }
    if attempt.counts {
        b.done.counts = counted::counted(b.g, program);
    }
    let mut chained = chains::stated(program)?;
    chained.extend(chains::by_default(b.g, program, &eliminated, &mut b.done.notes));
    let plan = Plan::new(&mut b, &chained, &eliminated);
    plan.fits(&b)?;
    chains::build(&mut b, &chained)?;
    for (number, set) in plan.joint.iter().enumerate() {
        groups::build_group(&mut b, number, set.kind, &set.latents)?;
    }
    for (k, latent) in program.latents.iter().enumerate() {
        let before = b.g.set_origin(b.g.origin_of(latent.node));
        let mean_field = plan.mean_field.contains(&k);
        let posterior = match b.built.remove(&k) {
            Some(joint) => joint,
            // Until all that they depend on is in place.
            None if eliminated.holds(k) => Posterior::Point,
            None if b.done.counts.contains_key(&k) || b.done.in_turn.contains_key(&k) => Posterior::Enumerated,
            None => own::build(&mut b, latent, mean_field)?,
        };
        b.g.set_origin(before);
        let kind = match b.done.in_turn.get(&k) {
            Some(&turn) => GuideKind::InTurn { turn },
            None => b.kind(&posterior, latent, mean_field),
        };
        b.done.kinds.push(kind);
        b.done.posteriors.push(posterior);
    }
    autoregressive::draw_together(&mut b)?;
    if !eliminated.is_empty() {
        b.done.replaced.extend(statistics);
        for (k, posterior, kind) in elimination::build(&mut b, &eliminated)? {
            if let (Some(own), Some(kept)) = (b.done.posteriors.get_mut(k), b.done.kinds.get_mut(k)) {
                (*own, *kept) = (posterior, kind);
            }
        }
    }
    Ok(b.done)
}

impl Builder<'_> {
    /// A built guide as it is reported.
    fn kind(&self, posterior: &Posterior, latent: &Latent, mean_field: bool) -> GuideKind {
        match posterior {
            Posterior::Family(d) if matches!(latent.guide, fe_check::Guide::Stated(_)) => {
                GuideKind::Stated { family: d.family.name() }
            }
            Posterior::Family(d) if mean_field => GuideKind::MeanField { family: d.family.name() },
            Posterior::Family(d) => {
                let elements = latent.axes.iter().map(|a| self.g.extent_of(a.id)).fold(1, usize::saturating_mul);
                GuideKind::Free { family: d.family.name(), elements }
            }
            Posterior::Joint(part) => {
                match part.of {
                    Carrier::Chain(chain) => {
                        self.done.chains.get(chain).map_or(GuideKind::Prior, |c| chains::kind(self.g, c))
                    }
                    Carrier::Conditional | Carrier::Around => GuideKind::Prior,
                    Carrier::Group(group) => self.done.groups.get(group).map_or(GuideKind::Prior, |x| {
                        GuideKind::Joint { kind: x.kind, dimension: x.dimension, non_centred: part.log_prior.is_some() }
                    }),
                }
            }
            Posterior::Point => GuideKind::Point,
            Posterior::Enumerated => GuideKind::Enumeration,
            Posterior::Prior(_) => GuideKind::Prior,
        }
    }
}

/// The start of a program's parameter.
pub(crate) fn declared(program: &Program) -> Vec<Parameter> {
    let row = program.row;
    program
        .params
        .iter()
        .map(|p| Parameter {
            name: p.name.clone(),
            input: p.input,
            axes: p.axes.clone(),
            free: p.free.clone(),
            support: p.support,
            start: Start::Declared(Init::clone(&p.init)),
            local: row.is_some_and(|r| p.axes.contains(&Axis::plain(r.axis))),
        })
        .collect()
}
