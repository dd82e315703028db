//! Which latents share a joint guide: those that say so, and, by default, all small continuous ones.

use std::collections::HashSet;

use fe_check::{Guide, JointKind, Latent};

use crate::elimination;
use crate::guide::builder::Builder;
use crate::guide::chains::Members;
use crate::guide::types::FULL_RANK_LIMIT;
use crate::messages;
use crate::objective::Underivable;

/// The most scalars that a stated full-rank guide may have: its matrix then has 2²⁴ numbers.
const DENSE_LIMIT: usize = 1 << 12;

/// Latents that share a joint guide.
pub(crate) struct Set {
    /// The number of the statement, where latents of several statements with the same number belong together.
    group: Option<usize>,
    pub kind: JointKind,
    pub latents: Vec<usize>,
}

/// What guide each latent outside of chains is to have.
pub(crate) struct Plan {
    pub joint: Vec<Set>,
    /// Latents whose guide is a Gaussian for each element by itself.
    pub mean_field: HashSet<usize>,
}

impl Plan {
    pub fn new(b: &mut Builder, chained: &[Members], eliminated: &elimination::Plan) -> Self {
        let mut in_loops: HashSet<usize> = chained.iter().flat_map(|m| m.latents.iter().copied()).collect();
        in_loops.extend(eliminated.latents());
        let mut plan = Self { joint: vec![], mean_field: HashSet::new() };
        plan.by_default(b, &in_loops);
        plan.stated(b);
        plan
    }

    /// One full-rank Gaussian over what is left to the compiler and has no rows apart, where it is small enough.
    fn by_default(&mut self, b: &mut Builder, in_loops: &HashSet<usize>) {
        let row = b.program.row;
        let unstated = |l: &Latent| matches!(l.guide, Guide::Default) && !l.support.is_discrete();
        let joinable = b.numbers(|k, l| !in_loops.contains(&k) && unstated(l) && !b.stands_alone(l));
        let mut group = vec![];
        if b.size(&joinable) <= FULL_RANK_LIMIT {
            group = joinable;
        } else {
            let global = b.numbers(|k, l| joinable.contains(&k) && !l.is_local(row));
            let size = b.size(&global);
            if size <= FULL_RANK_LIMIT {
                group = global;
            } else {
                b.done.notes.push(format!(
                    "the {size} global dimensions are more than {FULL_RANK_LIMIT}: their guide is a mean-field Gaussian, \
                     which understates standard deviations where the posterior is correlated"
                ));
                self.mean_field.extend(global);
            }
        }
        if !group.is_empty() {
            self.joint.push(Set { group: None, kind: JointKind::FullRank, latents: group });
        }
    }

    /// Joint guides as the program states them, each statement by itself; but all latents of `MeanField()` together, and
    /// all of `Laplace()`.
    fn stated(&mut self, b: &Builder) {
        let (mut independent, mut at_mode) = (vec![], vec![]);
        for (k, latent) in b.program.latents.iter().enumerate() {
            let Guide::Joint { kind, group } = latent.guide else { continue };
            match kind {
                JointKind::MeanField => independent.push(k),
                JointKind::Laplace => at_mode.push(k),
                JointKind::FullRank | JointKind::LowRank { .. } | JointKind::Flow { .. } => {
                    match self.joint.iter_mut().find(|set| set.group == Some(group)) {
                        Some(set) => set.latents.push(k),
                        None => self.joint.push(Set { group: Some(group), kind, latents: vec![k] }),
                    }
                }
            }
        }
        // Few independent scalars start together, at a mode and with the curvature there.
        let apart = |k: &usize| b.program.latents.get(*k).is_some_and(|l| b.stands_alone(l));
        if !independent.is_empty() && b.size(&independent) <= FULL_RANK_LIMIT && !independent.iter().any(apart) {
            self.joint.push(Set { group: None, kind: JointKind::MeanField, latents: independent });
        } else {
            self.mean_field.extend(independent);
        }
        if !at_mode.is_empty() {
            self.joint.push(Set { group: None, kind: JointKind::Laplace, latents: at_mode });
        }
    }

    /// Whether every joint guide is small enough for its matrix, and over latents that may share one.
    ///
    /// # Errors
    /// Where one is not.
    pub fn fits(&self, b: &Builder) -> Result<(), Underivable> {
        for set in &self.joint {
            let latents = || set.latents.iter().filter_map(|&k| b.program.latents.get(k));
            let span = latents().next().and_then(|l| l.guide_span).unwrap_or_default();
            let (what, limit) = match set.kind {
                JointKind::Laplace => ("a Laplace guide", FULL_RANK_LIMIT),
                JointKind::Flow { .. } => ("a flow", FULL_RANK_LIMIT),
                JointKind::FullRank => ("a full-rank guide", DENSE_LIMIT),
                JointKind::LowRank { .. } | JointKind::MeanField => ("a low-rank guide", usize::MAX),
            };
            let dimensions = b.size(&set.latents);
            if dimensions > limit {
                return Err(messages::guide_too_large(what, dimensions, limit, span));
            }
            if latents().any(|l| b.stands_alone(l)) {
                return Err(messages::rows_stand_alone(what, b.program.objective.importance.is_some(), span));
            }
        }
        Ok(())
    }
}

impl Builder<'_> {
    /// Whether a latent has rows that are taken one by one, or weighed one by one: these share no guide.
    fn stands_alone(&self, latent: &Latent) -> bool {
        let train = &self.program.train;
        let apart = self.program.objective.importance.is_some() || train.batch.is_some() || train.holdout.is_some();
        apart && latent.is_local(self.program.row)
    }

    /// The numbers of some latents.
    fn numbers(&self, of: impl Fn(usize, &Latent) -> bool) -> Vec<usize> {
        self.program.latents.iter().enumerate().filter(|(k, l)| of(*k, l)).map(|(k, _)| k).collect()
    }

    /// How many scalars latents have on the unconstrained scale.
    fn size(&self, latents: &[usize]) -> usize {
        let latents = latents.iter().filter_map(|&k| self.program.latents.get(k));
        latents.map(|l| l.support.free_elements(self.g, &l.axes)).fold(0, usize::saturating_add)
    }
}
