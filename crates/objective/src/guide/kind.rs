//! The guide of a latent as it was chosen, and its text.

use std::fmt;

use fe_check::JointKind;

use crate::elimination::Structure;
use crate::formula::plural;

/// Why latents share a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainReason {
    /// The prior links their steps.
    Prior,
    /// The program states it.
    Stated,
}

/// The guide of a latent as it was chosen; its text says all that `fe explain` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuideKind {
    /// A distribution that the program states.
    Stated {
        /// Its family.
        family: &'static str,
    },
    /// A family with free parameters for each element.
    Free {
        /// The family.
        family: &'static str,
        /// How many elements.
        elements: usize,
    },
    /// Independent elements of a location–scale family on the unconstrained scale.
    MeanField {
        /// The family.
        family: &'static str,
    },
    /// A part of a joint guide.
    Joint {
        /// What is fitted of it.
        kind: JointKind,
        /// How many scalars it holds.
        dimension: usize,
        /// Whether this latent is fitted as location + scale · u.
        non_centred: bool,
    },
    /// A part of a Gaussian Markov chain.
    Chain {
        /// How many steps.
        steps: usize,
        /// Scalars of a step.
        width: usize,
        /// Whether the scalars of a step are correlated.
        blocks: bool,
        /// Why.
        reason: ChainReason,
    },
    /// A point.
    Point,
    /// The exact conditional of a finite latent.
    Enumeration,
    /// A finite latent that is summed out in time order.
    InTurn {
        /// How.
        turn: Turn,
    },
    /// The exact conditional given others, which is Gaussian.
    Eliminated {
        /// How its elements hang together.
        structure: Structure,
    },
    /// The Gaussian at the mode given others, which follows them.
    AtMode {
        /// How its elements hang together.
        structure: Structure,
    },
    /// The prior.
    Prior,
}

/// How a finite latent is summed out in time order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// By its own chance.
    Chance,
    /// By the best of all functions of what it sees.
    Best(Sight),
    /// By a guide that the program states.
    Stated {
        /// Its family.
        family: &'static str,
    },
}

/// What a choice sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// All that is declared before it.
    All,
    /// Some latents that are named, and its own past.
    Some,
    /// Its own past alone.
    Nothing,
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Chance => f.write_str("prior, summed over in time order"),
            Self::Best(Sight::All) => f.write_str("the best of all functions of what comes before it, in time order"),
            Self::Best(Sight::Some) => {
                f.write_str("the best of all functions of what it is said to see and of its past, in time order")
            }
            Self::Best(Sight::Nothing) => f.write_str("the best of all sequences, seeing nothing but its past"),
            Self::Stated { family } => write!(f, "{family}, as stated, summed over in time order"),
        }
    }
}

impl GuideKind {
    /// Whether it is the posterior given all other latents, and no approximation.
    pub fn is_exact(self) -> bool {
        matches!(self, Self::Enumeration | Self::Eliminated { .. } | Self::InTurn { .. })
    }

    /// Whether it is the Gaussian at the mode given others: an approximation, whose draws have weights.
    pub fn is_at_mode(self) -> bool {
        matches!(self, Self::AtMode { .. })
    }

    /// Whether it is summed over values or points.
    pub fn is_summed(self) -> bool {
        matches!(self, Self::Enumeration | Self::Eliminated { structure: Structure::Points { .. } })
    }
}

impl fmt::Display for GuideKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Stated { family } => write!(f, "{family}, as stated"),
            Self::MeanField { family } => write!(f, "mean-field {family}"),
            Self::Free { family, elements } => write!(f, "{family} with free parameters for each of {elements}"),
            Self::Joint { kind, dimension, non_centred } => {
                let form = if non_centred { "; non-centred, as location + scale · u" } else { "" };
                write!(f, "{kind}, {}{form}", plural(dimension, "dimension"))
            }
            Self::Chain { steps, width, blocks, reason } => {
                let (steps, reason) = (plural(steps, "step"), reason_text(reason));
                match (blocks, width) {
                    (true, _) => write!(f, "Gaussian with block-tridiagonal precision, {steps} of {width}, {reason}"),
                    (false, 2..) => {
                        write!(f, "{width} independent Gaussians with tridiagonal precision, {steps}, {reason}")
                    }
                    (false, _) => write!(f, "Gaussian with tridiagonal precision, {steps}, {reason}"),
                }
            }
            Self::Point => f.write_str("point"),
            Self::Enumeration => f.write_str("the exact conditional, by enumeration"),
            Self::InTurn { turn } => turn.fmt(f),
            Self::Eliminated { structure } => {
                let of = structure_text(structure);
                write!(f, "the exact conditional, by elimination: {of}")
            }
            Self::AtMode { structure } => {
                let of = structure_text(structure);
                write!(f, "the Gaussian at its mode given the others: {of}")
            }
            Self::Prior => f.write_str("prior"),
        }
    }
}

fn reason_text(reason: ChainReason) -> &'static str {
    match reason {
        ChainReason::Prior => "as the prior links steps",
        ChainReason::Stated => "as stated",
    }
}

fn structure_text(structure: Structure) -> String {
    match structure {
        Structure::Apart { elements: 1 } => "one Gaussian".into(),
        Structure::Apart { elements } => format!("{elements} Gaussians apart"),
        Structure::Points { elements } => format!("{} at points, each by itself", plural(elements, "element")),
        Structure::Blocks { blocks: 1, width } => format!("a Gaussian of {}", plural(width, "dimension")),
        Structure::Blocks { blocks, width } => format!("{blocks} Gaussians of {} each", plural(width, "dimension")),
        Structure::Chain { steps, width: 1, chains: 1 } => format!("a Gaussian chain of {}", plural(steps, "step")),
        Structure::Chain { steps, width: 1, chains } => {
            format!("{} of {}", plural(chains, "Gaussian chain"), plural(steps, "step"))
        }
        Structure::Chain { steps, width, .. } => {
            format!("a Gaussian chain of {}, {width} scalars each", plural(steps, "step"))
        }
    }
}
