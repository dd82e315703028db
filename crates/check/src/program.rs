//! What a checked program means: names resolved, axes and supports known, expressions elaborated into one graph.

use std::collections::HashMap;

use fe_distribution::{Distribution, Support};
use fe_graph::{Axis, AxisId, Graph, Indicator, InputId, NodeId};
use fe_syntax::Span;

use crate::guide::Guide;
use crate::refinement::Refinement;

/// A program that can be fitted.
#[derive(Clone, Debug)]
pub struct Program {
    /// The model's name; the file's stem when it states none.
    pub name: String,
    /// Its title.
    pub title: Option<String>,
    /// Every expression of the program. A latent stands in it as an input; what replaces it depends on the estimator.
    pub graph: Graph,
    /// The axis of data rows.
    pub row: Option<Row>,
    /// Observed inputs.
    pub data: Vec<Data>,
    /// Free parameters, those of layers included, named by site.
    pub params: Vec<Param>,
    /// Latents in order of declaration.
    pub latents: Vec<Latent>,
    /// States of descents, in order of declaration.
    pub refinements: Vec<Refinement>,
    /// `guide * ~ NUTS()`: the chains whose draws stand for the posterior, where the program asks for some.
    pub nuts: Option<Nuts>,
    /// Likelihoods.
    pub observes: Vec<Observe>,
    /// Losses.
    pub losses: Vec<Loss>,
    /// `let` values, for tables and meters.
    pub lets: Vec<Named>,
    /// Names to be metered.
    pub meters: Vec<Named>,
    /// Pictures for the report.
    pub shows: Vec<Show>,
    /// Units in which spikes are priced.
    pub prices: Vec<Price>,
    /// What is minimised.
    pub objective: ObjectiveSpec,
    /// How it is fitted.
    pub train: TrainSpec,
    /// The input that is 1 in what is minimised and 0 in every figure, and its node, where a layer asks for it.
    pub training: Option<(InputId, NodeId)>,
    /// Names of the elements of axes: levels of text, and columns of tables.
    pub labels: HashMap<AxisId, Vec<String>>,
    /// The span behind each [`fe_graph::Origin`]; origin 0 is the whole program.
    pub origins: Vec<Span>,
}

/// Chains of the no-U-turn sampler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nuts {
    /// Draws of each chain.
    pub draws: usize,
    /// Steps of adaptation before them.
    pub warmup: usize,
    /// Chains.
    pub chains: usize,
    /// The statement.
    pub span: Span,
}

/// The row axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which axis.
    pub axis: AxisId,
    /// How many rows the data have.
    pub rows: usize,
}

/// One `data` declaration.
#[derive(Clone, Debug)]
pub struct Data {
    /// The name declared.
    pub name: String,
    /// The input that receives the file's array.
    pub input: InputId,
    /// The declared axes, in the order of the file's array, which is flattened to fit.
    pub axes: Vec<Axis>,
    /// The value the name stands for: the input, or an expression of it (`/ 255`).
    pub node: NodeId,
    /// What its values must be, checked while loading on the value of `node`.
    pub support: Support,
    /// Whether values may be missing: NaN then.
    pub optional: bool,
    /// The axis that its values count along, of an index.
    pub index: Option<AxisId>,
    /// Whether nothing but the condition of `holdout` reads it.
    pub for_holdout: bool,
    /// The declaration's name.
    pub span: Span,
}

/// One free parameter.
#[derive(Clone, Debug)]
pub struct Param {
    /// The name declared, or the site of a layer's weight (`z.guide.dense.2.weight`).
    pub name: String,
    /// The input that receives the value, on the unconstrained scale.
    pub input: InputId,
    /// Its axes as declared.
    pub axes: Vec<Axis>,
    /// Axes of the input: [`fe_distribution::Support::free_axes`] of these.
    pub free: Vec<Axis>,
    /// The value on the program's scale.
    pub node: NodeId,
    /// Its type, whose unconstrained scale it is searched on.
    pub support: Support,
    /// How it starts, on the program's scale.
    pub init: Init,
    /// Where it is declared.
    pub span: Span,
}

/// How a parameter starts.
#[derive(Clone, Debug, PartialEq)]
pub enum Init {
    /// The same number everywhere; of a matrix' type, on the diagonal.
    Constant(f64),
    /// These numbers, row-major over the declared axes.
    Values(Vec<f64>),
    /// `normal(mean, sd)`
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation.
        sd: f64,
    },
    /// `smooth(sd)`: a slow wave along the first axis, of random frequency and phase and that root mean square.
    Smooth {
        /// Standard deviation.
        sd: f64,
    },
    /// `uniform(low, high)`
    Uniform {
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
}

impl Init {
    /// What a start can be drawn by, as a program calls it.
    pub(crate) const DRAWS: [&str; 3] = ["normal", "uniform", "smooth"];
}

/// One latent.
#[derive(Clone, Debug)]
pub struct Latent {
    /// The name declared.
    pub name: String,
    /// The input that stands for its value.
    pub input: InputId,
    /// The node of that input.
    pub node: NodeId,
    /// Its axes as declared.
    pub axes: Vec<Axis>,
    /// The axis of the steps, where it is declared in a loop.
    pub chain: Option<Axis>,
    /// The support of its prior, after its type.
    pub support: Support,
    /// Its prior.
    pub prior: Distribution,
    /// Its approximate posterior.
    pub guide: Guide,
    /// Whether it is fitted as it is written, and never as location + scale · u.
    pub centred: bool,
    /// Whether it stays in the guide where it could be integrated out.
    pub in_guide: bool,
    /// How the gradient through it is estimated, where the program says so, and where it does.
    pub estimator: Option<(GradientEstimator, Span)>,
    /// The declaration's name.
    pub span: Span,
    /// The guide's statement, when there is one.
    pub guide_span: Option<Span>,
    /// The data whose gaps it fills: where they have a value, it stands for nothing.
    pub fills: Option<InputId>,
}

impl Latent {
    /// Whether it has the row axis: its terms are then scaled with the batch.
    pub fn is_local(&self, row: Option<Row>) -> bool {
        row.is_some_and(|r| self.axes.contains(&Axis::plain(r.axis)))
    }

    /// What an arrival counts where its counts are relaxed.
    pub fn indicator(&self) -> Indicator {
        match self.estimator {
            Some((GradientEstimator::Relaxed(indicator), _)) => indicator,
            _ => Indicator::Cubic,
        }
    }
}

/// An estimator of the gradient through a latent, where a choice is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GradientEstimator {
    /// Poisson arrivals, relaxed by an indicator.
    Relaxed(Indicator),
    /// Counts as a softmax over their values.
    GumbelSoftmax,
    /// The score function.
    Score,
    /// A sum over all values.
    Enumeration,
    /// The quantile function and its implicit derivatives.
    Implicit,
}

/// One likelihood.
#[derive(Clone, Debug)]
pub struct Observe {
    /// What is observed, as reported.
    pub name: String,
    /// The observed value.
    pub value: NodeId,
    /// Its distribution.
    pub distribution: Distribution,
    /// The axes of the observed value, as declared.
    pub axes: Vec<Axis>,
    /// The statement.
    pub span: Span,
}

/// One loss: nats, summed over every axis but the row's.
#[derive(Clone, Debug)]
pub struct Loss {
    /// Its name.
    pub name: String,
    /// Its value per element.
    pub node: NodeId,
    /// The statement.
    pub span: Span,
}

/// A named expression.
#[derive(Clone, Debug)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its value.
    pub node: NodeId,
    /// Its axes, as declared or as they came.
    pub axes: Vec<Axis>,
    /// Where it stands.
    pub span: Span,
}

/// A picture: `show W as images[16, 16]`.
#[derive(Clone, Debug)]
pub struct Show {
    /// What is shown.
    pub value: Named,
    /// As what.
    pub style: ShowStyle,
    /// Its sizes.
    pub sizes: Vec<usize>,
}

/// As what something is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShowStyle {
    /// `images[16, 16]`: the last axis of a value is an image.
    Images,
    /// `map[5, 9]`: what is to come and what is chosen, over a state whose values are the cells of a grid, row by row.
    Map,
}

/// `price spike = 2.4e9 ATP`
#[derive(Clone, Debug, PartialEq)]
pub struct Price {
    /// How many units one spike costs.
    pub value: f64,
    /// The unit.
    pub unit: String,
}

/// A number that may change in the course of a fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// Always the same.
    Constant(f64),
    /// `ramp(from, to, until = 0.5)`: linear until that fraction of the fit, then `to`.
    Ramp {
        /// At the start.
        from: f64,
        /// From `until` on.
        to: f64,
        /// Fraction of the fit.
        until: f64,
    },
    /// `cosine(from, to)`: half a cosine over the whole fit.
    Cosine {
        /// At the start.
        from: f64,
        /// At the end.
        to: f64,
    },
}

impl Schedule {
    /// The value at a fraction of the fit, 0 at its start and 1 at its end.
    pub fn at(self, progress: f64) -> f64 {
        match self {
            Self::Constant(v) => v,
            Self::Ramp { from, to, until } => {
                let t = if until > 0.0 { (progress / until).min(1.0) } else { 1.0 };
                from + (to - from) * t
            }
            Self::Cosine { from, to } => to + (from - to) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
        }
    }

    /// Its last value, which every reported figure uses.
    pub fn last(self) -> f64 {
        self.at(1.0)
    }
}

/// What an objective is built from.
#[derive(Clone, Debug, PartialEq)]
pub enum Functional {
    /// Expected −log likelihood plus losses; of one `observe` or `loss` when named.
    Distortion(Option<String>),
    /// KL from prior to guide; of one latent when named.
    Rate(Option<String>),
    /// Expected counts; of one latent when named.
    Energy(Option<String>),
    /// The mutual information of two finite latents under the guide, given what is chosen. It is a gain: what it weighs is
    /// taken off.
    Information(String, String),
}

/// A bound from importance weights w = p(x, z)/q(z) of k draws: −(1/(1 − α)) E log (1/k) Σ w^{1−α}.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Importance {
    /// The order α of the Rényi divergence; 0 for `iwae`.
    pub alpha: f64,
    /// Draws under the logarithm.
    pub draws: usize,
}

/// A weighted sum of functionals.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectiveSpec {
    /// The sum; distortion + rate where a bound from importance weights is minimised in its place.
    pub terms: Vec<(Schedule, Functional)>,
    /// `iwae(k = 8)`, `renyi(alpha = 0.5, k = 8)`
    pub importance: Option<Importance>,
    /// What it is subject to.
    pub bounds: Vec<Bound>,
    /// As written, or `distortion + rate`.
    pub text: String,
    /// The statement, when there is one.
    pub span: Option<Span>,
}

/// A bound of the objective: `rate <= 20 bits`.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// What is bounded, as weights of functionals, per row.
    pub terms: Vec<(f64, Functional)>,
    /// The most that it may be: nats, or spikes.
    pub limit: f64,
    /// Its unit as written.
    pub unit: String,
    /// Nats in one of that unit; 1 for spikes.
    pub scale: f64,
    /// As written.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

impl Default for ObjectiveSpec {
    fn default() -> Self {
        Self {
            terms: vec![
                (Schedule::Constant(1.0), Functional::Distortion(None)),
                (Schedule::Constant(1.0), Functional::Rate(None)),
            ],
            importance: None,
            bounds: vec![],
            text: "distortion + rate".into(),
            span: None,
        }
    }
}

/// The optimizers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptimizerKind {
    /// Adam.
    Adam,
    /// Adamax.
    Adamax,
    /// Stochastic gradient descent.
    Sgd,
    /// Limited-memory BFGS on the whole data.
    Lbfgs,
}

/// Which rows are held out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Holdout {
    /// So large a part, drawn.
    Share(f64),
    /// Those at which a value of data alone, over the rows, is not 0.
    Where(NodeId),
}

impl Holdout {
    /// The part that is drawn.
    pub fn share(self) -> Option<f64> {
        match self {
            Self::Share(share) => Some(share),
            Self::Where(_) => None,
        }
    }
}

/// How a program is fitted; what is `None` was not said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainSpec {
    /// The optimizer.
    pub optimizer: Option<OptimizerKind>,
    /// Its step size.
    pub lr: Option<Schedule>,
    /// Momentum, of `sgd` only.
    pub momentum: Option<f64>,
    /// Rows in a batch.
    pub batch: Option<usize>,
    /// Passes over the data.
    pub epochs: Option<usize>,
    /// Steps; excludes `epochs`.
    pub steps: Option<usize>,
    /// Monte Carlo samples per step.
    pub samples: Option<usize>,
    /// Starts that are compared.
    pub starts: Option<usize>,
    /// The seed.
    pub seed: Option<u64>,
    /// Rows held out.
    pub holdout: Option<Holdout>,
    /// Temperature of relaxed counts.
    pub temperature: Option<Schedule>,
    /// Largest norm of the gradient.
    pub clip: Option<f64>,
    /// The block.
    pub span: Option<Span>,
}
