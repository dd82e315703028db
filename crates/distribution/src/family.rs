//! What a probability family knows of itself.

use std::fmt::Debug;

use fe_graph::axis;
use fe_graph::{Axis, Graph, Indicator, NodeId, NoiseKind, Site};
use rand::Rng;

use crate::expr::formula;
use crate::support::Support;

/// One argument of a family.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// As the user writes it: `sd`.
    pub name: &'static str,
    /// What its elements must be.
    pub support: Support,
    /// What it is when left out.
    pub default: Option<f64>,
}

impl Parameter {
    /// A parameter that must be given.
    pub const fn new(name: &'static str, support: Support) -> Self {
        Self { name, support, default: None }
    }

    /// A parameter that may be left out.
    pub(crate) const fn or(self, default: f64) -> Self {
        Self { default: Some(default), ..self }
    }
}

/// Another parameterization, chosen by its argument names only.
#[derive(Clone, Copy, Debug)]
pub struct Alternative {
    /// Its arguments, in the order that `canonical` takes them.
    pub parameters: &'static [Parameter],
    /// The canonical arguments, from these.
    pub canonical: fn(&mut Graph, &[NodeId]) -> Vec<NodeId>,
}

/// A function of a value, whose expectation and variance a family may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Statistic {
    /// z
    Value,
    /// log z
    Log,
    /// log(1 − z)
    LogOneMinus,
    /// eᶻ
    Exp,
    /// e⁻ᶻ
    ExpNegative,
    /// 1/z
    Recip,
    /// z²
    Square,
    /// max(z, 0)
    Relu,
}

impl Statistic {
    /// All of them.
    pub const ALL: [Statistic; 8] = [
        Statistic::Value,
        Statistic::Log,
        Statistic::LogOneMinus,
        Statistic::Exp,
        Statistic::ExpNegative,
        Statistic::Recip,
        Statistic::Square,
        Statistic::Relu,
    ];

    /// As a formula in z.
    pub fn formula(self) -> &'static str {
        match self {
            Statistic::Value => "z",
            Statistic::Log => "log z",
            Statistic::LogOneMinus => "log(1 − z)",
            Statistic::Exp => "eᶻ",
            Statistic::ExpNegative => "e⁻ᶻ",
            Statistic::Recip => "1/z",
            Statistic::Square => "z²",
            Statistic::Relu => "max(z, 0)",
        }
    }
}

/// How counts are relaxed where they are sampled.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    /// τ of [`fe_graph::Op::Arrivals`]; 0 gives exact counts.
    pub temperature: NodeId,
    /// What an arrival near the end of the window counts.
    pub indicator: Indicator,
}

/// A guide of a family's own with free parameters for each element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreeForm {
    /// A rate e^v, relative to the prior's where that is fixed.
    LogRate,
    /// A location and the logarithm of a scale, relative to the prior's where these are fixed.
    LocationScale,
}

/// A value as an affine function of a standard normal vector: from the arguments, the axis of the vector, and the noise.
pub type FromNormal = fn(&mut Graph, &[NodeId], Axis, NodeId) -> Option<NodeId>;

/// A family's metric. Coordinates are functions of its arguments in which a guide is usually written (the log of a rate);
/// the gradient in the arguments is known exactly where that in the coordinates may have underflowed.
#[derive(Clone, Copy, Debug)]
pub struct Natural {
    /// The coordinates, from the arguments.
    pub coordinates: fn(&mut Graph, &[NodeId]) -> Vec<NodeId>,
    /// F⁻¹ ∂J/∂c for each coordinate c, from the arguments, ∂J in those arguments that move, and the axis of categories.
    /// `None` for what does not move; nothing where what moves has no known metric.
    pub direction: Direction,
    /// The metric in words, for `fe explain`.
    pub text: &'static str,
}

/// A direction, from the arguments, the slopes in those that move, and the axis of categories.
pub type Direction = fn(&mut Graph, &[NodeId], &[Option<NodeId>], Option<Axis>) -> Option<Vec<Option<NodeId>>>;

/// The coordinates of a location and a scale: the location, and the log of the scale.
pub(crate) fn location_and_log_scale(g: &mut Graph, args: &[NodeId]) -> Vec<NodeId> {
    args.iter().enumerate().map(|(k, &a)| if k == 0 { a } else { g.log(a) }).collect()
}

/// The direction in these, where the information is 1/s² and `of_log_scale`.
pub(crate) fn location_scale_direction(
    g: &mut Graph,
    args: &[NodeId],
    slopes: &[Option<NodeId>],
    of_log_scale: f64,
) -> Option<Vec<Option<NodeId>>> {
    let (&[_, scale], &[location, spread]) = (args, slopes) else { return None };
    let location = location.map(|slope| {
        let variance = g.square(scale);
        g.mul(variance, slope)
    });
    let log_scale = spread.map(|slope| {
        let part = g.scale(scale, 1.0 / of_log_scale);
        g.mul(part, slope)
    });
    Some(vec![location, log_scale])
}

/// A proximal map, from v, w and the arguments.
pub type Proximal = fn(&mut Graph, NodeId, NodeId, &[NodeId]) -> NodeId;

/// The divergence between two of a family in paper notation.
#[derive(Clone, Copy, Debug)]
pub struct KlText {
    /// Of one element.
    pub summand: &'static str,
    /// What its letters stand for, given the name of the latent.
    pub legend: fn(&str) -> String,
}

/// The expected −log likelihood of data x in paper notation.
#[derive(Clone, Copy, Debug)]
pub struct LikelihoodText {
    /// Over all elements.
    pub formula: &'static str,
    /// The family with the letters of the formula: `Normal(m, s)`.
    pub call: &'static str,
    /// Why it is known, where more can be said than that the log density is linear in known statistics.
    pub why: Option<&'static str>,
}

/// A probability family. `args` are the canonical arguments, one node each, in the order of
/// [`Family::parameters`]. What is `None` has no closed form here.
pub trait Family: Debug + Send + Sync {
    /// As the user writes it: `Normal`.
    fn name(&self) -> &'static str;

    /// One line for the docs.
    fn summary(&self) -> &'static str;

    /// What other languages call it, in lower case.
    fn synonyms(&self) -> &'static [&'static str] {
        &[]
    }

    /// Names elsewhere of which a link is part, in lower case, and how each is written here.
    fn linked(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// The canonical arguments, in order.
    fn parameters(&self) -> &'static [Parameter];

    /// Other parameterizations.
    fn alternatives(&self) -> &'static [Alternative] {
        &[]
    }

    /// Where the values lie, given the values of those arguments that are constant. `None` where that depends on
    /// the others.
    fn support(&self, args: &[Option<f64>]) -> Option<Support>;

    /// The argument whose last declared axis is the axis of categories, which is then given as `event`.
    fn category_axis_argument(&self) -> Option<usize> {
        None
    }

    /// The argument that the elements of a vector add up to, where they have to.
    fn total_argument(&self) -> Option<usize> {
        None
    }

    /// Whether a value is a vector along the last declared axis, which is then given as `event`. Densities, entropies and
    /// divergences are shared out among its elements: their sums along the axis are meant.
    fn is_vector(&self) -> bool {
        self.is_matrix()
    }

    /// Whether a value is a square matrix over the last two declared axes, of which the second is the primed copy of the
    /// first, which is then given as `event`. Such a family is a vector family too, whose shares lie on the diagonal.
    fn is_matrix(&self) -> bool {
        false
    }

    /// Whether its density is not normalised.
    fn is_improper(&self) -> bool {
        false
    }

    /// Whether its values are names: their mean says nothing.
    fn is_nominal(&self) -> bool {
        false
    }

    /// Whether its values are angles, of which π is next to −π.
    fn is_circular(&self) -> bool {
        false
    }

    /// Whether its values lie on one side of 0, which is not an argument, as they do of families with a location elsewhere.
    fn starts_at_zero(&self) -> bool {
        false
    }

    /// Whether it is a likelihood only: no latent has it for a prior or a guide.
    fn is_of_data(&self) -> bool {
        false
    }

    /// Whether its argument is its log density, so that it has no draws.
    fn is_written_out(&self) -> bool {
        false
    }

    /// How many values it has, of one whose argument along the event's axis has so many elements.
    fn categories(&self, extent: usize) -> usize {
        extent
    }

    /// log p of the elements of a vector that are not NaN, the others integrated out, shared out among those there are.
    fn observed_log_density(&self, _g: &mut Graph, _x: NodeId, _args: &[NodeId], _event: Axis) -> Option<NodeId> {
        None
    }

    /// Whether its two arguments are the ends between which its values lie.
    fn lies_between_arguments(&self) -> bool {
        false
    }

    /// Whether a value is a number of arrivals, which can be relaxed.
    fn counts_arrivals(&self) -> bool {
        false
    }

    /// Whether its draws have the implicit derivative of a quantile function.
    fn draws_implicitly(&self) -> bool {
        false
    }

    /// Expectations of its values, where data may be these.
    fn expectations(&self) -> Option<Support> {
        None
    }

    /// The family of the index that a one-hot vector stands for, with the same arguments.
    fn as_index(&self) -> Option<&'static dyn Family> {
        None
    }

    /// The support on whose unconstrained scale it is the Gaussian.
    fn gaussian_on(&self) -> Option<Support> {
        None
    }

    /// Of a vector family, its value from a standard normal vector.
    fn affine_in_normal(&self) -> Option<FromNormal> {
        None
    }

    /// How a guide of this family has free parameters, where a latent with a prior of this family gets one.
    fn free_form(&self) -> Option<FreeForm> {
        None
    }

    /// [`Family::kl`] to another of this family.
    fn kl_text(&self) -> Option<KlText> {
        None
    }

    /// The expected −log likelihood in closed form.
    fn likelihood_text(&self) -> Option<LikelihoodText> {
        None
    }

    /// log p(x), or the log probability of x, over the axes of x and of the arguments. That x lies in the support is
    /// not checked again, unless the support moves with the arguments.
    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], event: Option<Axis>) -> NodeId;

    /// E[s(z)], over the axes of the arguments.
    fn expectation(&self, _g: &mut Graph, _of: Statistic, _args: &[NodeId]) -> Option<NodeId> {
        None
    }

    /// Var[s(z)], over the axes of the arguments.
    fn variance(&self, _g: &mut Graph, _of: Statistic, _args: &[NodeId]) -> Option<NodeId> {
        None
    }

    /// −E[log p(z)] in nats, over the axes of the arguments.
    fn entropy(&self, _g: &mut Graph, _args: &[NodeId]) -> Option<NodeId> {
        None
    }

    /// E_q[log p(z)] in nats, for p of this family and z drawn from q, over the axes of both's arguments.
    fn expected_log_density(
        &self,
        _g: &mut Graph,
        _args: &[NodeId],
        _q: &dyn Family,
        _q_args: &[NodeId],
    ) -> Option<NodeId> {
        None
    }

    /// KL(self ‖ prior) in nats, over the axes of both's arguments. Where it is infinite, or either support is unknown,
    /// `None`.
    fn kl(&self, _g: &mut Graph, _args: &[NodeId], _prior: &dyn Family, _prior_args: &[NodeId]) -> Option<NodeId> {
        None
    }

    /// A draw over `axes` and those of the arguments, differentiable in the arguments. Elements are independent.
    fn sample(&self, _g: &mut Graph, _args: &[NodeId], _site: Site, _axes: &[Axis], _how: &Sampling) -> Option<NodeId> {
        None
    }

    /// A draw over `axes` and those of the arguments, of counts or categories that have no pathwise draw. It is a step function
    /// of the arguments, so that its derivatives say nothing. Elements are independent.
    fn discrete_sample(
        &self,
        _g: &mut Graph,
        _args: &[NodeId],
        _site: Site,
        _axes: &[Axis],
        _event: Option<Axis>,
    ) -> Option<NodeId> {
        None
    }

    /// The places of a location and a scale among the arguments, where a value is location + scale · u for a u of this
    /// family with these at 0 and 1; of `LogNormal` its log is, for a standard Normal u.
    fn location_scale(&self) -> Option<[usize; 2]> {
        None
    }

    /// Where a fit starts: the median; for `Flat`, 0. `None` for invalid arguments.
    fn median(&self, _args: &[f64]) -> Option<f64> {
        None
    }

    /// P(z ≤ x), over the axes of x and of the arguments.
    fn cdf(&self, _g: &mut Graph, _x: NodeId, _args: &[NodeId]) -> Option<NodeId> {
        None
    }

    /// log P(z ≤ x); probabilities below 1e-30 count as that. Of counts up to a constant, the sum of their probabilities.
    fn log_cdf(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        let Some(p) = self.cdf(g, x, args) else { return log_upto(self, g, x, args) };
        let least = g.constant(1e-30);
        let p = g.binary(fe_graph::Binary::Max, p, least);
        Some(g.log(p))
    }

    /// log P(z > x); probabilities below 1e-30 count as that.
    fn log_survival(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        let Some(p) = self.cdf(g, x, args) else {
            let below = log_upto(self, g, x, args)?;
            return Some(formula(g, &[below], |[l]| (-l.expm1()).log()));
        };
        let (one, least) = (g.constant(1.0), g.constant(1e-30));
        let rest = g.sub(one, p);
        let rest = g.binary(fe_graph::Binary::Max, rest, least);
        Some(g.log(rest))
    }

    /// log P(low < z < high), over the axes of the arguments; an end may be infinite. By it a truncated density is
    /// normalised. 0 where nothing is cut off.
    fn log_mass(&self, g: &mut Graph, low: f64, high: f64, args: &[NodeId]) -> Option<NodeId> {
        let (low, high) = cut(self.support(&constants(g, args)), low, high);
        let mut cdf_at = |end: Option<f64>| match end {
            None => Some(None),
            Some(end) => {
                let end = g.constant(end);
                self.cdf(g, end, args).map(Some)
            }
        };
        let (below, upto) = (cdf_at(low)?, cdf_at(high)?);
        Some(match (below, upto) {
            (None, None) => g.constant(0.0),
            (None, Some(u)) => g.log(u),
            (Some(l), None) => formula(g, &[l], |[l]| (-l).log1p()),
            (Some(l), Some(u)) => formula(g, &[l, u], |[l, u]| (u - l).log()),
        })
    }

    /// [`Family::expectation`] of a vector family.
    fn vector_expectation(&self, _g: &mut Graph, _of: Statistic, _args: &[NodeId], _event: Axis) -> Option<NodeId> {
        None
    }

    /// [`Family::entropy`] of a vector family, shared out among the elements.
    fn vector_entropy(&self, _g: &mut Graph, _args: &[NodeId], _event: Axis) -> Option<NodeId> {
        None
    }

    /// [`Family::kl`] of a vector family, shared out among the elements.
    fn vector_kl(
        &self,
        _g: &mut Graph,
        _args: &[NodeId],
        _prior: &dyn Family,
        _prior_args: &[NodeId],
        _event: Axis,
    ) -> Option<NodeId> {
        None
    }

    /// [`Family::sample`] of a vector family.
    fn vector_sample(
        &self,
        _g: &mut Graph,
        _args: &[NodeId],
        _site: Site,
        _axes: &[Axis],
        _how: &Sampling,
        _event: Axis,
    ) -> Option<NodeId> {
        None
    }

    /// The steepest direction in the metric of its Fisher information, for descents.
    fn natural(&self) -> Option<Natural> {
        None
    }

    /// The proximal map of w times its −log density: argmin over a of ½ (a − v)² − w log p(a).
    fn proximal(&self) -> Option<Proximal> {
        None
    }

    /// The diagonal of the Fisher information, one node for each argument.
    fn fisher(&self, _g: &mut Graph, _args: &[NodeId]) -> Option<Vec<NodeId>> {
        None
    }

    /// A draw of a vector, or of a matrix row by row, on the host. `args` are the arguments as vectors of the event's
    /// length, or as matrices row by row.
    fn draw_vector(&self, _args: &[Vec<f64>], _rng: &mut dyn Rng) -> Option<Vec<f64>> {
        None
    }

    /// A draw on the host, for prior predictive values and tests. For `Categorical`, `args` are the weights. `None` for
    /// invalid arguments and improper families.
    fn draw(&self, _args: &[f64], _rng: &mut dyn Rng) -> Option<f64> {
        None
    }
}

/// The largest count up to which probabilities are added up.
const MOST_COUNTS: f64 = 2_000.0;

/// log P(z ≤ x) of counts and a constant x, by their probabilities.
fn log_upto<F: Family + ?Sized>(family: &F, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
    let last = g.constant_value(x).filter(|&k| k <= MOST_COUNTS)?.floor();
    if family.support(&constants(g, args)) != Some(Support::Count) || family.is_vector() {
        return None;
    }
    if last < 0.0 {
        return Some(g.constant(f64::NEG_INFINITY));
    }
    let each = Axis::plain(g.add_axis("counts", last as usize + 1));
    let count = g.iota(each);
    let density = family.log_density(g, count, args, None);
    Some(g.logsumexp(density, &[each]))
}

/// The values of those arguments that are constant.
pub(crate) fn constants(g: &Graph, args: &[NodeId]) -> Vec<Option<f64>> {
    args.iter().map(|&a| g.constant_value(a)).collect()
}

/// The value of argument k, when it is constant.
pub(crate) fn constant_argument(g: &Graph, args: &[NodeId], k: usize) -> Option<f64> {
    args.get(k).and_then(|&a| g.constant_value(a))
}

/// The ends of a range that cut something off a support; an unknown support may be cut anywhere.
pub(crate) fn cut(support: Option<Support>, low: f64, high: f64) -> (Option<f64>, Option<f64>) {
    let (least, greatest) = support.unwrap_or(Support::Real).bounds();
    ((low > least).then_some(low), (high < greatest).then_some(high))
}

/// Arguments as an array, when there are just N.
pub(crate) fn exactly<const N: usize>(args: &[f64]) -> Option<[f64; N]> {
    args.try_into().ok()
}

/// Noise over `axes` and those of the arguments.
pub(crate) fn noise(g: &mut Graph, kind: NoiseKind, site: Site, axes: &[Axis], args: &[NodeId]) -> NodeId {
    let all = args.iter().fold(axes.to_vec(), |all, &a| axis::union(&all, g.axes_of(a)));
    g.noise(kind, site, &all)
}

/// A second source of noise for the same site.
pub(crate) fn twin(site: Site) -> Site {
    Site(site.0.rotate_left(32) ^ 0x9e37_79b9_7f4a_7c15)
}

/// KL(q ‖ p) = −H[q] − E_q[log p], where both are closed and q's support lies in p's.
pub(crate) fn divergence(
    g: &mut Graph,
    q: &dyn Family,
    q_args: &[NodeId],
    p: &dyn Family,
    p_args: &[NodeId],
) -> Option<NodeId> {
    let inner = q.support(&constants(g, q_args))?;
    let outer = p.support(&constants(g, p_args))?;
    if !outer.contains(inner) || outer.is_discrete() != inner.is_discrete() {
        return None;
    }
    let entropy = q.entropy(g, q_args)?;
    let expected = p.expected_log_density(g, p_args, q, q_args)?;
    Some(formula(g, &[entropy, expected], |[h, e]| -h - e))
}
