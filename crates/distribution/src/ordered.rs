//! OrderedLogistic(location, cutpoints) and OrderedProbit(location, cutpoints).

use fe_graph::{Axis, Graph, NodeId};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

use crate::expr::{Expr, formula};
use crate::family::{Family, Parameter};
use crate::support::Support;

const PARAMETERS: &[Parameter] =
    &[Parameter::new("location", Support::Real), Parameter::new("cutpoints", Support::Ordered)];

/// In which interval between cutpoints a number around a location lies: ratings, by cumulative links.
#[derive(Debug)]
pub(crate) struct Ordered {
    name: &'static str,
    summary: &'static str,
    synonyms: &'static [&'static str],
    /// log F(a), of a distribution that is symmetric around 0.
    log_below: for<'s> fn(Expr<'s>) -> Expr<'s>,
    /// log(F(a) − F(b)) for a > b.
    log_between: for<'s> fn(Expr<'s>, Expr<'s>) -> Expr<'s>,
    /// A draw of that distribution.
    standard: fn(&mut dyn Rng) -> f64,
}

/// A logistic number.
pub(crate) const LOGISTIC: Ordered = Ordered {
    name: "OrderedLogistic",
    summary: "ratings by cumulative logits: P(x ≤ k) = sigmoid(cutpoints_k − location)",
    synonyms: &["ordered_logistic", "cumulative", "orderedlogit"],
    log_below: |a| -(-a).softplus(),
    // σ(a) − σ(b) = σ(a) σ(−b) (1 − e^{b − a})
    log_between: |a, b| -(-a).softplus() - b.softplus() + (-(b - a).expm1()).log(),
    standard: |rng| {
        let u: f64 = rng.random();
        (u / (1.0 - u)).ln()
    },
};

/// A normal number of sd 1.
pub(crate) const PROBIT: Ordered = Ordered {
    name: "OrderedProbit",
    summary: "ratings by cumulative probits: P(x ≤ k) = Phi(cutpoints_k − location)",
    synonyms: &["ordered_probit"],
    log_below: |a| a.log_normal_cdf(),
    // Φ(a) − Φ(b) = Φ(a) Φ(−b) − Φ(−a) Φ(b), of which the second is the smaller by a known factor, on either side.
    log_between: |a, b| {
        let (left, right) = (a.log_normal_cdf(), (-b).log_normal_cdf());
        let ratio = (-a).log_normal_cdf() + b.log_normal_cdf() - left - right;
        left + right + (-ratio.expm1()).log()
    },
    standard: |rng| StandardNormal.sample(rng),
};

/// log p of indices of intervals: below the first cutpoint, between two, above the last.
fn log_density(g: &mut Graph, x: NodeId, args: &[NodeId], event: Option<Axis>, of: &Ordered) -> NodeId {
    let (Some(axis), &[location, cutpoints]) = (event, args) else { return g.constant(f64::NAN) };
    let count = g.extent_of(axis.id);
    let last = count.saturating_sub(1) as f64;
    // Cutpoints beyond the ends are not there; others stand in for them, and do not count.
    let upper = formula(g, &[x], |[x]| x.min(last).max(0.0));
    let lower = formula(g, &[x], |[x]| (x - 1.0).min(last).max(0.0));
    let (upper, lower) = (g.gather(cutpoints, upper, axis), g.gather(cutpoints, lower, axis));
    formula(g, &[x, location, upper, lower], |[x, location, upper, lower]| {
        let (first, beyond) = (x.less(x.number(0.5)), x.number(last + 0.5).less(x));
        let (a, b) = (upper - location, lower - location);
        let (below, above) = ((of.log_below)(a), (of.log_below)(-b));
        let ends = first.select(below, above);
        let outside = first + beyond;
        // At the ends both are the same cutpoint, whose distance has no log.
        let between = (of.log_between)(outside.select(b + 1.0, a), b);
        outside.select(ends, between)
    })
}

/// The interval that a number around the location falls into. `args` are the location and the cutpoints.
fn interval(args: &[f64], standard: f64) -> Option<f64> {
    let (location, cutpoints) = args.split_first()?;
    let value = location + standard;
    (value.is_finite() && cutpoints.iter().all(|c| c.is_finite()))
        .then(|| cutpoints.iter().filter(|&&c| c < value).count() as f64)
}

impl Family for Ordered {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    fn synonyms(&self) -> &'static [&'static str] {
        self.synonyms
    }

    fn is_nominal(&self) -> bool {
        true
    }

    fn is_of_data(&self) -> bool {
        true
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        None
    }

    fn category_axis_argument(&self) -> Option<usize> {
        Some(1)
    }

    fn categories(&self, extent: usize) -> usize {
        extent.saturating_add(1)
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], event: Option<Axis>) -> NodeId {
        log_density(g, x, args, event, self)
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        interval(args, (self.standard)(rng))
    }
}
