//! What names stand for, and what distributions are needed for.

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Dim,
    /// An axis that first appears in `data`.
    DataAxis,
    Const,
    Data,
    Param,
    Let,
    Latent,
    /// The state of a descent.
    State,
    Loss,
    Fn,
    /// Declared inside something that is not lowered yet, or by a statement that did not parse.
    Unknown,
}

impl Kind {
    /// With its article, for messages.
    pub fn describe(self) -> &'static str {
        match self {
            Kind::Dim | Kind::DataAxis => "an axis",
            Kind::Const => "a const",
            Kind::Data => "data",
            Kind::Param => "a param",
            Kind::Let => "a let",
            Kind::Latent => "a latent",
            Kind::State => "a refined state",
            Kind::Loss => "a loss",
            Kind::Fn => "a function",
            Kind::Unknown => "a name",
        }
    }
}

/// What a distribution is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Prior,
    Guide,
    Likelihood,
}
