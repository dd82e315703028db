//! Which layers there are, and how one is called.

use fe_syntax::Span;
use fe_syntax::ast::Name;

/// A layer of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Layer {
    /// A linear map of the last axis, and a bias.
    Dense,
    /// Sums over windows of a picture.
    Conv,
    /// The transpose of a convolution.
    Deconv,
    /// Means of squares of a picture, or of all of it.
    Pool,
    /// Maxima of squares of a picture.
    MaxPool,
    /// Each element of a picture many times.
    Upsample,
    /// All axes but the rows' in one.
    Flatten,
    /// Mean 0 and variance 1 in groups of channels.
    Norm,
    /// A share left out in training.
    Dropout,
    /// A function many times over, with parameters of its own each time.
    Repeat,
}

impl Layer {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Dense,
        Self::Conv,
        Self::Deconv,
        Self::Pool,
        Self::MaxPool,
        Self::Upsample,
        Self::Flatten,
        Self::Norm,
        Self::Dropout,
        Self::Repeat,
    ];

    /// The layer of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|layer| layer.name() == name)
    }

    /// Its name in programs.
    pub fn name(self) -> &'static str {
        self.usage().split('(').next().unwrap_or_default()
    }

    /// How it is called.
    pub fn usage(self) -> &'static str {
        match self {
            Self::Dense => "dense(64)",
            Self::Conv => "conv(32, kernel = 3, stride = 1)",
            Self::Deconv => "deconv(32, kernel = 4, stride = 2)",
            Self::Pool => "pool(2)",
            Self::MaxPool => "max_pool(2)",
            Self::Upsample => "upsample(2)",
            Self::Flatten => "flatten",
            Self::Norm => "norm(groups = 8)",
            Self::Dropout => "dropout(0.1)",
            Self::Repeat => "repeat(8, block)",
        }
    }
}

/// A layer where it is called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Called {
    /// Which.
    pub layer: Layer,
    /// Its name in the text.
    pub at: Span,
    /// The whole call, with what is piped into it.
    pub span: Span,
}

impl Called {
    /// The call of a function that is a layer.
    pub fn of(function: &Name, span: Span) -> Option<Self> {
        Some(Self { layer: Layer::named(&function.value)?, at: function.span, span })
    }

    /// The layer's name.
    pub fn name(self) -> &'static str {
        self.layer.name()
    }
}
