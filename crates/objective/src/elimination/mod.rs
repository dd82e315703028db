//! Elimination: latents that are Gaussian given a few others are integrated out exactly, as finite latents are.
//!
//! Let θ be the latents that a block z depends on (scales, correlations, loadings), and U(z; θ) = −log p(z, data | θ) the
//! part of −log p that reads z. Where U is quadratic in z, with gradient g at 0 and Hessian H (both functions of θ alone),
//!
//! z | θ, data ~ N(m, H⁻¹),   m = −H⁻¹ g,   −log p(data | θ) = U(m) + ½ log |H| − (d/2) log 2π.
//!
//! So θ alone keeps a guide, and the guide of z is this conditional: expectations over z are closed given draws of θ. Several
//! blocks are taken one after another, each from what the ones before it leave, which is quadratic still. H is had by
//! putting unit vectors into the gradient; how the elements of z hang together ([`reads`]) says how many are needed: one
//! for elements apart from each other, three for a chain, one for each element of what is left. Where there is no chain U is
//! first written out as a quadratic ([`expanded`]), so that stages after the first do not read the rows again.
//!
//! Elements that are apart from each other and not Gaussian are integrated at points ([`points`]), which the sums over
//! finite latents take for values. Chains and vectors of groups whose likelihood is log-concave keep a guide that follows θ, the
//! Gaussian at their mode ([`around`]).

mod around;
mod block;
mod build;
mod chain;
mod convex;
mod expanded;
mod located;
mod plan;
mod points;
mod reads;

use fe_check::{Functional, Program, Schedule};
use fe_graph::{Axis, NodeId, Site};

use crate::guide::types::Motion;

pub(crate) use build::build;
pub(crate) use plan::{Plan, Stage, plan};
pub(crate) use points::Points;

/// Latents that were integrated out together, as they stand in the graph.
#[derive(Clone, Debug)]
pub(crate) struct Eliminated {
    /// What is random of it: standard normal numbers, and of a chain its deviation.
    pub primitives: Vec<NodeId>,
    /// The site of its noise, and the axes of that.
    pub site: Site,
    pub axes: Vec<Axis>,
    /// Of a chain, how its deviation follows from the noise.
    pub motion: Option<Motion>,
    /// log q(z | θ) over all of it, for derivatives of second order in θ.
    pub log_density: NodeId,
}

/// How the elements of latents that are integrated out together hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// Each element by itself.
    Apart {
        /// How many.
        elements: usize,
    },
    /// Blocks of elements, each by its own matrix.
    Blocks {
        /// How many.
        blocks: usize,
        /// Elements of each.
        width: usize,
    },
    /// Each element by itself, at points: its likelihood is not quadratic.
    Points {
        /// How many elements.
        elements: usize,
    },
    /// A chain along the steps of a loop.
    Chain {
        /// How many steps.
        steps: usize,
        /// Scalars of each step that hang together.
        width: usize,
        /// Chains side by side.
        chains: usize,
    },
}

/// Whether the objective is distortion + rate: what is left of a guide that is the exact conditional has no derivative then.
pub(crate) fn weighs_all_the_same(program: &Program) -> bool {
    let one = |(w, f): &(Schedule, Functional)| {
        *w == Schedule::Constant(1.0) && matches!(f, Functional::Distortion(None) | Functional::Rate(None))
    };
    program.objective.terms.len() == 2 && program.objective.terms.iter().all(one)
}

/// The product of the extents of some axes.
pub(crate) fn elements(g: &fe_graph::Graph, axes: &[Axis]) -> usize {
    axes.iter().map(|a| g.extent_of(a.id)).fold(1, usize::saturating_mul)
}
