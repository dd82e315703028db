//! The derived objective: terms, their estimators, and one graph to run.

use fe_check::{Functional, JointKind, Nuts, Row, Schedule, ShowStyle};
use fe_distribution::{Distribution, PoissonRate, Support};
use fe_graph::{Axis, Graph, InputId, NodeId, Origin, Site};
use fe_syntax::Span;

use crate::estimator::Estimator;
use crate::guide::kind::GuideKind;
use crate::pulled_back::PulledBack;
use crate::refinement::Descent;

/// A free energy ready to be fitted. Every node belongs to `graph`.
#[derive(Clone, Debug)]
pub struct Objective {
    /// All expressions.
    pub graph: Graph,
    /// The axis of data rows.
    pub row: Option<Row>,
    /// What is optimised: the program's parameters, then the guides'.
    pub parameters: Vec<Parameter>,
    /// Values of data alone, computed once at load.
    pub prepared: Vec<Prepared>,
    /// The terms of the free energy.
    pub terms: Vec<Term>,
    /// Expected counts, one entry for each count latent.
    pub spikes: Vec<Spikes>,
    /// What is minimised, its gradient, and what it is subject to.
    pub minimised: Minimised,
    /// The guides of all latents.
    pub guides: Guides,
    /// What is reported besides the terms.
    pub report: ReportNodes,
    /// The descent that refines guides, where there is one.
    pub descent: Option<Descent>,
    /// The posterior over the guide's noise, where that is normal and of few numbers.
    pub density: Option<PulledBack>,
    /// The chains whose draws stand for the posterior, where the program asks for some.
    pub sampled: Option<Sampled>,
    /// Whether an improper prior leaves the free energy known up to a constant only.
    pub up_to_constant: bool,
    /// What the compiler decided, in sentences.
    pub notes: Vec<String>,
}

/// Chains in the place of a guide's draws.
#[derive(Clone, Debug)]
pub struct Sampled {
    /// What they move in.
    pub density: PulledBack,
    /// How many and how long they are.
    pub nuts: Nuts,
}

/// What is minimised, its gradient, and what it is subject to.
#[derive(Clone, Debug)]
pub struct Minimised {
    /// What is minimised, as weights of functionals.
    pub spec: Vec<(Schedule, Functional)>,
    /// Scalars that change in the course of the fit.
    pub controls: Vec<(InputId, Schedule)>,
    /// What it is subject to.
    pub bounds: Vec<Bound>,
    /// What is minimised in place of that sum, where it is a bound from importance weights.
    pub importance: Option<ImportanceBound>,
    /// The temperature of relaxed counts; 0 whenever figures are reported.
    pub temperature: InputId,
    /// How the temperature goes in training.
    pub temperature_schedule: Schedule,
    /// The input that is 0 wherever anything is computed from the program but what is minimised, which has it as 1.
    pub training: Option<InputId>,
    /// 1 / the number of training rows, which scales what belongs to the whole data.
    pub per_row: InputId,
    /// What is minimised, per row.
    pub value: NodeId,
    /// Its gradient, one node for each parameter.
    pub gradient: Vec<NodeId>,
    /// What `information` is of, with its values.
    pub gains: Vec<Gain>,
    /// How bounds are met.
    pub pricing: Pricing,
    /// Whether the objective has no noise in it.
    pub deterministic: bool,
    /// Whether part of the gradient is the score function's: then it is not the slope of the value along fixed noise.
    pub scored: bool,
}

/// The mutual information of two finite latents under the guide, given what is chosen.
#[derive(Clone, Debug)]
pub struct Gain {
    /// The names of the two.
    pub of: [String; 2],
    /// Nats, summed over rows.
    pub sum: NodeId,
    /// Whether it is a sum over rows.
    pub local: bool,
}

/// How the bounds of an objective are met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pricing {
    /// By an augmented Lagrangian: multipliers and penalties.
    Augmented,
    /// By multipliers alone, without penalties, since exact guides follow them: what is bounded falls with its multiplier.
    Dual,
}

/// The guides of all latents.
#[derive(Clone, Debug, Default)]
pub struct Guides {
    /// What the ledger is computed from, one entry for each latent.
    pub latents: Vec<LatentNodes>,
    /// Joint guides over latents.
    pub joints: Vec<Joint>,
    /// Gaussian Markov chains of latents.
    pub chains: Vec<Chain>,
    /// Latents fitted as location + scale · u, which could be fitted as they are written.
    pub non_centred: Vec<String>,
    /// Sites of the noise of latents that are integrated out given all else.
    pub eliminated: Vec<Site>,
    /// Searches for modes of what is taken by the Gaussian there, given all else.
    pub modes: Vec<ModeSearch>,
    /// Latents without the row axis that are summed or integrated out: what is known of them follows from all rows together,
    /// so that rows cannot be taken some at a time.
    pub of_all_rows: Vec<String>,
    /// Latents whose chance is kept where losses depend on it and nothing is observed: the other guides are then controllers,
    /// and no posterior.
    pub kept: Vec<String>,
}

/// A search for the mode of some latents given all others, which every draw of these makes for itself.
#[derive(Clone, Copy, Debug)]
pub struct ModeSearch {
    /// Where it begins: 0 if nothing better is known.
    pub start: InputId,
    /// Where it ends at the means of all Gaussian guides, if they are all that it hangs on.
    pub at_means: Option<NodeId>,
}

/// What is reported besides the terms.
#[derive(Clone, Debug, Default)]
pub struct ReportNodes {
    /// Sampled values of meters.
    pub meters: Vec<Reported>,
    /// Sampled values for the posterior table: latents that are not local to a batch, and what follows from them.
    pub posterior: Vec<Reported>,
    /// For each real-valued likelihood with rows: what was observed and its mean, the latents at their means.
    pub decoded: Vec<(NodeId, NodeId)>,
    /// What is shown as pictures, the latents at their guides' means.
    pub shown: Vec<Shown>,
    /// log p(x, z) − log q(z) for each sample, where every latent was sampled once for all rows.
    pub log_weight: Option<NodeId>,
    /// log p of each row given the shared latents, where the rows depend on nothing else; finite latents summed out.
    pub pointwise: Option<NodeId>,
    /// What is observed, as data.
    pub observed: Vec<Reported>,
    /// Likelihoods with their arguments drawn, where they can be.
    pub predictive: Vec<Predicted>,
    /// Counts that are summed up to a largest value.
    pub beyond: Vec<Beyond>,
    /// Latents that are integrated at points.
    pub spaced: Vec<Spaced>,
    /// By how much the last turn of a loop raises what is minimised, where finite latents are summed out in time order.
    pub last_turn: Option<NodeId>,
    /// How exact guides choose, where finite latents are summed out in time order.
    pub choices: Vec<Choice>,
    /// `let`s that follow from params and data alone, and have no rows.
    pub functions: Vec<Reported>,
    /// What the guide says of each latent and each `let`, for any rows.
    pub readouts: Vec<Readout>,
    /// Losses of each position of a loop, with the latents drawn.
    pub losses: Vec<Reported>,
}

/// What a guide says of a latent, or of a `let`.
#[derive(Clone, Debug)]
pub struct Readout {
    /// Its name.
    pub name: String,
    /// Its axes as declared.
    pub axes: Vec<Axis>,
    /// What is known.
    pub of: ReadoutOf,
}

/// The form in which a guide says it. Nodes have the sample axis where they depend on draws.
#[derive(Clone, Copy, Debug)]
pub enum ReadoutOf {
    /// A value.
    Value {
        /// A draw of it.
        draw: NodeId,
        /// Its mean and variance given draws of all else, where they are known.
        given: Option<(NodeId, NodeId)>,
    },
    /// One of finitely many values, which are summed over.
    Finite {
        /// The probability of each, over the axes and that of the values.
        probabilities: NodeId,
        /// The axis of the values.
        values: Axis,
        /// A draw of it together with all else, where there is one.
        draw: Option<NodeId>,
    },
}

/// What a sum over counts leaves out.
#[derive(Clone, Debug)]
pub struct Beyond {
    /// The latent.
    pub name: String,
    /// The largest value that is summed.
    pub largest: usize,
    /// The posterior probability of that value, of each element; has the sample axis where it depends on draws.
    pub probability: NodeId,
}

/// How far a sum over points is from the integral.
#[derive(Clone, Debug)]
pub struct Spaced {
    /// The latent.
    pub name: String,
    /// The sum over every second point relative to the sum over all, less 1, of each element; has the sample axis where it
    /// depends on draws.
    pub coarser: NodeId,
}

/// One optimised tensor.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name in `params.safetensors`.
    pub name: String,
    /// The input that receives it, on the unconstrained scale.
    pub input: InputId,
    /// Axes in the order it is saved in, on the program's scale.
    pub axes: Vec<Axis>,
    /// Axes of the input, in the order that goes with `axes`: others where a vector or a matrix takes another count of
    /// numbers than it has elements.
    pub free: Vec<Axis>,
    /// Its scale in the program.
    pub support: Support,
    /// How it starts.
    pub start: Start,
    /// Whether it has the row axis, so that a batch touches only its own rows.
    pub local: bool,
}

/// How a parameter starts.
#[derive(Clone, Debug)]
pub enum Start {
    /// As the program says, on the program's scale.
    Declared(fe_check::Init),
    /// The same number everywhere, on the unconstrained scale.
    Constant(f64),
}

/// A value of data alone.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The input that receives it.
    pub input: InputId,
    /// What computes it.
    pub node: NodeId,
    /// Whether it is a statistic of the training rows; otherwise it has one value for each row or does not depend on rows.
    pub statistic: bool,
}

/// Which functional a term belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermKind {
    /// Of a latent.
    Rate,
    /// −log likelihood.
    Distortion,
    /// A named loss.
    Loss,
}

/// One term of the free energy.
#[derive(Clone, Debug)]
pub struct Term {
    /// The latent, what is observed, or the loss.
    pub name: String,
    /// Its functional.
    pub kind: TermKind,
    /// The statement.
    pub span: Span,
    /// Nats, summed over the rows of the batch; has the sample axis where it is sampled.
    pub sum: NodeId,
    /// Whether it is a sum over rows, to be scaled with the batch.
    pub local: bool,
    /// A rate that is −log p at a point: a penalty and not information.
    pub penalty: bool,
    /// The estimator chosen.
    pub estimator: Estimator,
    /// Why it was chosen.
    pub reason: String,
    /// The term in paper notation, one or more lines.
    pub formula: String,
    /// The bias of its gradient in training, with its size.
    pub bias: Option<String>,
}

/// A bound from importance weights.
#[derive(Clone, Copy, Debug)]
pub struct ImportanceBound {
    /// Nats, summed over the rows of the batch; has the sample axis.
    pub sum: NodeId,
    /// Whether it is a sum over rows, each with its own weights.
    pub local: bool,
    /// Nats of what belongs to no row and is not random, beside a sum over rows.
    pub rest: NodeId,
    /// Draws under the logarithm.
    pub draws: usize,
}

/// Expected counts of a latent.
#[derive(Clone, Debug)]
pub struct Spikes {
    /// The latent.
    pub name: String,
    /// Σ z over the rows of the batch, expected or sampled.
    pub sum: NodeId,
    /// Whether it is a sum over rows.
    pub local: bool,
}

/// A bound on functionals, priced in the objective by a multiplier that the fit finds.
#[derive(Clone, Debug)]
pub struct Bound {
    /// As the program states it.
    pub stated: fe_check::Bound,
    /// What is bounded, per row: nats, or spikes.
    pub value: NodeId,
    /// Input: the multiplier μ, nats for each unit of `value`.
    pub multiplier: InputId,
    /// Input: the weight ρ of the squared excess; 0 leaves the plain price μ (value − limit).
    pub penalty: InputId,
}

/// A joint guide over several latents on the unconstrained scale: u = u⁰ + C(m + Lε), ε ~ N(0, I), or with factors or a flow
/// in the place of Lε. The Laplace start u⁰ and the preconditioner C are set before the fit; the rest is learned.
#[derive(Clone, Debug)]
pub struct Joint {
    /// What the names of its inputs and parameters begin with.
    pub name: String,
    /// The axis of the vector and its size.
    pub axis: Axis,
    /// How many scalars.
    pub dimension: usize,
    /// What is fitted of it. A Laplace guide's m and L stay 0 and I: u⁰ is the mode then, and C the factor of the
    /// inverse Hessian there.
    pub kind: JointKind,
    /// The latents and their places in the vector.
    pub blocks: Vec<Block>,
    /// Input: the Laplace start u⁰, over `axis`.
    pub start: InputId,
    /// Input: C, lower triangular over (`axis`, primed `axis`), or its diagonal over `axis`.
    pub preconditioner: InputId,
    /// The noise site of ε, over (sample, `axis`).
    pub site: Site,
    /// The log joint density as a function of u. Where it is not alone it has no mode worth looking for.
    pub landscape: Landscape,
}

/// A Gaussian Markov chain on the unconstrained scale, along the steps of a loop: u_t = m_t + A_t (u_{t−1} − m_{t−1}) +
/// L_t ε_t. Its Laplace start u⁰, A⁰, L⁰ and W_t = (chol P⁰_{t−1})⁻¹ are set before the fit, P⁰ being the covariances that follow
/// from A⁰ and L⁰; m, A and L are learned relative to them.
#[derive(Clone, Debug)]
pub struct Chain {
    /// Axes of u: the steps, then the scalars of a step where there are several.
    pub axes: Vec<Axis>,
    /// Axes of A, L and W: the steps, rows and columns; or those of u where the scalars of a step are independent.
    pub square: Vec<Axis>,
    /// The latents and their places in a step.
    pub blocks: Vec<Block>,
    /// How many steps back any term reads: the Hessian has as many blocks beside its diagonal.
    pub reach: usize,
    /// Input: u⁰, over `axes`.
    pub start: InputId,
    /// Input: A⁰, over `square`; 0 at the first step.
    pub transition: InputId,
    /// Input: L⁰, over `square`.
    pub scale: InputId,
    /// Input: W, over `square`; it has no say at the first step.
    pub whitening: InputId,
    /// The log joint density as a function of u.
    pub landscape: Landscape,
}

/// The potential along the vector of a Gaussian guide, for its start and its preconditioner.
#[derive(Clone, Debug)]
pub struct Landscape {
    /// Input: a point u, of which `potential`, `gradient` and `product` are functions.
    pub point: InputId,
    /// The potential −log p(x, z(u)) − log |dz/du|, up to terms that do not depend on u.
    pub potential: NodeId,
    /// Its gradient in u.
    pub gradient: NodeId,
    /// Input: a direction v.
    pub direction: InputId,
    /// The Hessian of `potential` times v.
    pub product: NodeId,
    /// Whether the potential can be evaluated.
    pub known: bool,
    /// Whether nothing else is random in it; otherwise it is an average over draws.
    pub alone: bool,
}

/// One latent of a joint guide.
#[derive(Clone, Debug)]
pub struct Block {
    /// The latent.
    pub name: String,
    /// First place in the vector.
    pub start: usize,
    /// How many places.
    pub length: usize,
    /// The median of its prior on the unconstrained scale, when it is a number.
    pub median: f64,
}

/// What the ledger needs of a latent.
#[derive(Clone, Debug)]
pub struct LatentNodes {
    /// Its name.
    pub name: String,
    /// Its axes as declared.
    pub axes: Vec<Axis>,
    /// Whether it has the row axis.
    pub local: bool,
    /// Whether it counts spikes.
    pub count: bool,
    /// A sample, with the sample axis; counts are exact at temperature 0.
    pub sample: NodeId,
    /// The rate of each element, when it is known element by element.
    pub rate: Option<NodeId>,
    /// The guide's mean count of each element.
    pub mean: Option<NodeId>,
    /// The prior's mean count of each element.
    pub prior_mean: Option<NodeId>,
    /// The parts of the rate, of a Poisson guide against a Poisson prior. Each is summed over the rows of the batch, and
    /// has the sample axis where the rate is sampled.
    pub split: Option<PoissonRate>,
    /// Its guide.
    pub guide: GuideKind,
}

/// A named sampled value.
#[derive(Clone, Debug)]
pub struct Reported {
    /// Its name.
    pub name: String,
    /// Its axes as declared.
    pub axes: Vec<Axis>,
    /// Its value, with the sample axis where it is random.
    pub node: NodeId,
    /// Its mean and standard deviation, where it is normal by a chain: the draws of one are too many to be spread evenly.
    pub normal: Option<(NodeId, NodeId)>,
    /// Its mean and variance given draws of all that is not integrated out, where they are known: of less noise than draws.
    pub given: Option<(NodeId, NodeId)>,
}

/// How an exact guide chooses, as tables over what it sees.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The latent.
    pub name: String,
    /// Where it stands.
    pub when: When,
    /// What it sees, each with the axis of its values.
    pub sees: Vec<Seen>,
    /// The axis of the latent's own values.
    pub values: Axis,
    /// The probability of each value, over what it sees.
    pub probabilities: NodeId,
    /// What is to come before it is drawn, to the end of the loop, rates weighed, over what it sees. None where tables go over all
    /// that was seen and done: there what was paid before hangs together with it.
    pub to_come: Option<NodeId>,
    /// Nats of the choice itself, over what it sees.
    pub rate: NodeId,
}

impl Choice {
    /// The axis of the loop in its tables, where they have one.
    pub fn axis(&self) -> Option<Axis> {
        match self.when {
            When::Along(axis) => Some(axis),
            When::At(_) | When::Once => None,
        }
    }

    /// The axes of what is to come, in the order of what it sees, behind that of the loop.
    pub fn seen_axes(&self) -> Vec<Axis> {
        self.axis().into_iter().chain(self.sees.iter().map(|s| s.values)).collect()
    }
}

/// Where a choice stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At every position of a loop: its tables have this axis too.
    Along(Axis),
    /// At one position.
    At(usize),
    /// Outside of loops.
    Once,
}

/// An element that a choice sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The latent.
    pub name: String,
    /// Which element of it.
    pub element: SeenElement,
    /// The axis of its values in the tables.
    pub values: Axis,
}

/// Which element of a latent a choice sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeenElement {
    /// So many positions earlier than the choice; 0 is its own.
    Back(usize),
    /// That of a position.
    At(usize),
    /// It has but one.
    Only,
}

/// An expression shown as images.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The expression as written.
    pub name: String,
    /// Its axes as declared; the last, or the last ones together, are one image, row-major.
    pub axes: Vec<Axis>,
    /// Its value; none where it depends on a latent whose mean is not known.
    pub node: Option<NodeId>,
    /// As what it is shown.
    pub style: ShowStyle,
    /// Rows and columns of an image, behind 3 where it is in colour; of a map.
    pub sizes: Vec<usize>,
}

/// A likelihood given draws of the guide.
#[derive(Clone, Debug)]
pub struct Predicted {
    /// What is observed.
    pub name: String,
    /// Its axes as declared.
    pub axes: Vec<Axis>,
    /// Its distribution, whose arguments have the sample axis where they are random.
    pub distribution: Distribution,
}

/// Why there is no free energy of a program.
#[derive(Clone, Debug, PartialEq)]
pub enum Underivable {
    /// It cannot be derived.
    Refused {
        /// One of [`crate::CODES`].
        code: &'static str,
        /// What is in the way.
        message: String,
        /// Where.
        span: Span,
        /// What to do.
        help: String,
    },
    /// It should have been: a fault of the compiler.
    Fault {
        /// What failed.
        message: String,
        /// Where.
        span: Span,
    },
}

impl Joint {
    /// Whether C is diagonal, and given as such.
    pub fn is_diagonal(&self) -> bool {
        self.kind.is_diagonal()
    }

    /// Whether it bends its noise: it takes more draws to fit then.
    pub fn is_flow(&self) -> bool {
        matches!(self.kind, JointKind::Flow { .. })
    }

    /// Whether nothing of it is fitted beyond the mode and the curvature there.
    pub fn is_laplace(&self) -> bool {
        self.kind == JointKind::Laplace
    }

    /// The extents of C as it is given.
    pub fn scale_shape(&self) -> Vec<usize> {
        if self.is_diagonal() { vec![self.dimension] } else { vec![self.dimension; 2] }
    }
}

impl Objective {
    /// The axis of the elements, without samples.
    pub fn axes_without_samples(&self, node: NodeId) -> Vec<Axis> {
        fe_graph::axis::difference(self.graph.axes_of(node), &[Axis::SAMPLE])
    }

    /// The origin of a node, for messages.
    pub fn origin(&self, node: NodeId) -> Origin {
        self.graph.origin_of(node)
    }
}
