//! Approximate posteriors, as a program states them.

use std::fmt;

use fe_distribution::Distribution;
use fe_graph::NodeId;

/// Names of guides over several latents, where they differ from those of distributions.
pub(crate) const JOINT: [&str; 6] = ["FullRank", "MeanField", "LowRank", "Flow", "Tridiagonal", "NUTS"];

/// An approximate posterior, as a program states it.
#[derive(Clone, Debug)]
pub enum Guide {
    /// Not stated: the compiler chooses.
    Default,
    /// `guide z ~ Normal(m, s)`
    Stated(Distribution),
    /// `guide mu, tau ~ FullRank()`: one guide over several latents on the unconstrained scale.
    Joint {
        /// What is fitted of it.
        kind: JointKind,
        /// Latents with the same number share it.
        group: usize,
    },
    /// `guide s ~ Tridiagonal()`: a Gaussian Markov chain on the unconstrained scale.
    Tridiagonal {
        /// Latents with the same number share it.
        group: usize,
    },
    /// `= point`: maximum a posteriori.
    Point,
    /// `= point(v)`: a point that a state of a descent stands for.
    PointAt(NodeId),
    /// `= prior`: the model's own dynamics.
    Prior,
    /// `= exact`, `= exact(o)`, `= exact()`: of a finite latent, the best of all functions of what it sees.
    Exact(Sees),
}

/// What the exact guide of a finite latent may depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sees {
    /// All that is declared before it, along a loop up to its own position: the state of its chain.
    Everything,
    /// These latents, by their nodes, as far as they are declared before it; and its own past.
    Only(Vec<NodeId>),
}

impl Guide {
    /// As a program calls it, of those that are called like a distribution.
    pub fn word(&self) -> Option<&'static str> {
        match self {
            Self::Joint { kind, .. } => Some(kind.word()),
            Self::Tridiagonal { .. } => Some("Tridiagonal"),
            Self::Default | Self::Stated(_) | Self::Point | Self::PointAt(_) | Self::Prior | Self::Exact(_) => None,
        }
    }
}

/// What is fitted of a joint guide u = u⁰ + C(m + Lε).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JointKind {
    /// Mean and covariance of a Gaussian.
    FullRank,
    /// Mean and variances.
    MeanField,
    /// Nothing: it is at the mode, with the curvature there.
    Laplace,
    /// Mean, variances and factors.
    LowRank {
        /// How many factors.
        rank: usize,
    },
    /// Mean, covariance, and a normalising flow below them.
    Flow {
        /// Its layers.
        layers: usize,
    },
}

impl JointKind {
    /// As a program calls it.
    pub fn word(self) -> &'static str {
        match self {
            Self::FullRank => "FullRank",
            Self::MeanField => "MeanField",
            Self::Laplace => "Laplace",
            Self::LowRank { .. } => "LowRank",
            Self::Flow { .. } => "Flow",
        }
    }

    /// Whether C is diagonal, and given as such.
    pub fn is_diagonal(self) -> bool {
        match self {
            Self::MeanField | Self::LowRank { .. } => true,
            Self::FullRank | Self::Laplace | Self::Flow { .. } => false,
        }
    }
}

impl fmt::Display for JointKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = |number: usize| if number == 1 { "" } else { "s" };
        match *self {
            Self::FullRank => f.write_str("full-rank Gaussian"),
            Self::MeanField => f.write_str("mean-field Gaussian"),
            Self::Laplace => f.write_str("Gaussian at the mode, by the curvature there"),
            Self::LowRank { rank } => write!(f, "Gaussian of {rank} factor{} plus a diagonal", s(rank)),
            Self::Flow { layers } => write!(f, "flow of {layers} layer{}", s(layers)),
        }
    }
}
