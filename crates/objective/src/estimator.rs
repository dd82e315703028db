//! How a term of the free energy is had: exactly, by a sum over values, or by draws.

use std::fmt;

/// The estimator of a term. Its text is that of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Estimator {
    /// Nothing in the term is random.
    Exact,
    /// The expectation is a formula.
    ClosedForm,
    /// The formula holds given other latents, and those are drawn.
    ClosedFormGivenDraws,
    /// Gauss–Hermite quadrature over one Gaussian number for each element.
    Quadrature,
    /// A sum over all values of finite latents.
    Enumeration(Remainder),
    /// In closed form given other latents, by the exact conditional; those are drawn.
    Elimination,
    /// In closed form given other latents, by the Gaussian at the mode given them; those are drawn.
    AtMode,
    /// A mean over draws of the guide.
    Draws {
        /// The derivative that the draws have.
        gradient: DrawGradient,
        /// Whether the entropy of the guide, which is part of the term, is a formula still.
        entropy_exact: bool,
    },
}

/// What is left of an expectation once finite latents are summed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remainder {
    /// Nothing, or a closed form.
    Closed,
    /// Quadrature.
    Quadrature,
    /// Draws of what the summed latents depend on.
    DrawnParents,
    /// Draws of other latents.
    Drawn,
}

/// The derivative that draws have in the guide's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DrawGradient {
    /// That of the draw as a function of noise.
    Pathwise,
    /// The same, of some through the implicit derivative of a quantile function.
    Implicit,
    /// Of some the score function.
    Score,
}

impl Estimator {
    /// Whether the value has noise.
    pub fn is_sampled(self) -> bool {
        match self {
            Self::Exact | Self::ClosedForm | Self::Quadrature => false,
            Self::Enumeration(rest) => matches!(rest, Remainder::DrawnParents | Remainder::Drawn),
            Self::ClosedFormGivenDraws | Self::Elimination | Self::AtMode | Self::Draws { .. } => true,
        }
    }

    /// As the ledger names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::ClosedForm => "closed form",
            Self::ClosedFormGivenDraws => "closed form, parents sampled",
            Self::Quadrature => "quadrature",
            Self::Elimination => "elimination, parents sampled",
            Self::AtMode => "nested Laplace, parents sampled",
            Self::Enumeration(Remainder::Closed) => "enumeration",
            Self::Enumeration(Remainder::Quadrature) => "enumeration, quadrature",
            Self::Enumeration(Remainder::DrawnParents) => "enumeration, parents sampled",
            Self::Enumeration(Remainder::Drawn) => "enumeration, the rest sampled",
            Self::Draws { gradient, entropy_exact } => match (gradient, entropy_exact) {
                (DrawGradient::Pathwise, false) => "pathwise",
                (DrawGradient::Pathwise, true) => "pathwise, entropy exact",
                (DrawGradient::Implicit, false) => "pathwise, implicit",
                (DrawGradient::Implicit, true) => "pathwise, implicit; entropy exact",
                (DrawGradient::Score, false) => "score function",
                (DrawGradient::Score, true) => "score function, entropy exact",
            },
        }
    }
}

impl fmt::Display for Estimator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
