//! How what is random in a graph is distributed.

use fe_distribution::Distribution;

use crate::markov::ChainLaw;

/// How a primitive is distributed.
#[derive(Clone, Debug)]
pub(crate) enum Law {
    /// Independent elements of a family whose arguments are not random.
    Family(Distribution),
    /// Independent standard normals.
    StandardNormal,
    /// A Gaussian chain's deviation from its mean.
    Chain(ChainLaw),
    /// Random, but not to be integrated here: its guide's arguments are random themselves.
    Opaque,
}
