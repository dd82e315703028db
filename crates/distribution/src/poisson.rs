//! Poisson(rate).

use fe_graph::{Axis, Binary, Graph, Indicator, NodeId, Site};
use rand::Rng;
use rand_distr::Distribution;
use statrs::function::gamma::checked_gamma_ur;

use crate::distribution::Distribution as Of;
use crate::expr::{Expr, Formula, formula};
use crate::family::{
    Alternative, Family, FreeForm, KlText, LikelihoodText, Natural, Parameter, Sampling, Statistic, exactly,
};
use crate::support::Support;

/// The Poisson distribution. A rate made by exp(u) is worked with through u.
#[derive(Debug)]
pub(crate) struct Poisson;

impl Family for Poisson {
    fn name(&self) -> &'static str {
        "Poisson"
    }

    fn summary(&self) -> &'static str {
        "counts whose mean and variance are the rate; the family of spikes"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["pois", "poiss", "poi"]
    }

    fn linked(&self) -> &'static [(&'static str, &'static str)] {
        &[("poisson_log", "Poisson(exp(…))"), ("poisson_log_glm", "Poisson(exp(x @ w + b))")]
    }

    fn counts_arrivals(&self) -> bool {
        true
    }

    fn free_form(&self) -> Option<FreeForm> {
        Some(FreeForm::LogRate)
    }

    fn kl_text(&self) -> Option<KlText> {
        let summand = "λ log(λ/r) − λ + r";
        Some(KlText { summand, legend: |z| format!("λ = E_q[{z}], r = E_p[{z}]") })
    }

    fn likelihood_text(&self) -> Option<LikelihoodText> {
        Some(LikelihoodText {
            formula: "Σ E λ − x E log λ + log x!",
            call: "Poisson(λ)",
            why: Some("E λ and E log λ are known"),
        })
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] = &[Parameter::new("rate", Support::Positive)];
        ALL
    }

    fn alternatives(&self) -> &'static [Alternative] {
        const ALL: &[Alternative] = &[Alternative {
            parameters: &[Parameter::new("log_rate", Support::Real)],
            canonical: |g, args| vec![formula(g, args, |[u]| u.exp())],
        }];
        ALL
    }

    fn natural(&self) -> Option<Natural> {
        Some(Natural {
            coordinates: |g, args| vec![formula(g, args, |[rate]: [Expr; 1]| rate.log())],
            direction: |g, args, slopes, _| {
                let &[Some(slope)] = slopes else { return None };
                Some(vec![Some(formula(g, &[args, &[slope]].concat(), |[_, slope]: [Expr; 2]| slope))])
            },
            text: "the information of the log rate is the rate",
        })
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::Count)
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], _event: Option<Axis>) -> NodeId {
        formula(g, &[&[x], args].concat(), |[x, rate]| x * rate.log_weighted(x) - rate - (x + 1.0).lgamma())
    }

    fn expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<1> = match of {
            Statistic::Value | Statistic::Relu => |[rate]| rate,
            Statistic::Square => |[rate]| rate + rate.square(),
            Statistic::Exp => |[rate]| (1f64.exp_m1() * rate).exp(),
            Statistic::ExpNegative => |[rate]| ((-1f64).exp_m1() * rate).exp(),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn variance(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        // With a = eᶜ − 1: Var[e^{cz}] = e^{λa(a + 2)} (1 − e^{−λa²}), of which no factor overflows alone.
        let of_exp =
            |a: f64, g: &mut Graph| formula(g, args, |[rate]| (a * (a + 2.0) * rate).exp() * -(-a * a * rate).expm1());
        Some(match of {
            Statistic::Value | Statistic::Relu => formula(g, args, |[rate]| rate),
            Statistic::Square => formula(g, args, |[rate]| rate + 6.0 * rate.square() + 4.0 * rate.square() * rate),
            Statistic::Exp => of_exp(1f64.exp_m1(), g),
            Statistic::ExpNegative => of_exp((-1f64).exp_m1(), g),
            _ => return None,
        })
    }

    fn kl(&self, g: &mut Graph, args: &[NodeId], prior: &dyn Family, prior_args: &[NodeId]) -> Option<NodeId> {
        if prior.name() != self.name() {
            return None;
        }
        // λ (log λ − log r − 1) + r, which is r f(λ/r) of arXiv 2405.14473, and r at λ = 0.
        Some(formula(g, &[args, prior_args].concat(), |[rate, r]| {
            rate * (rate.log_sloped(rate) - r.log_sloped(rate) - 1.0) + r
        }))
    }

    fn sample(&self, g: &mut Graph, args: &[NodeId], site: Site, axes: &[Axis], how: &Sampling) -> Option<NodeId> {
        let log_rate = formula(g, args, |[rate]| rate.log());
        Some(g.arrivals(log_rate, how.temperature, 0, how.indicator, site, axes))
    }

    fn median(&self, args: &[f64]) -> Option<f64> {
        let [rate] = exactly(args)?;
        if !(rate >= 0.0 && rate.is_finite()) {
            return None;
        }
        // Right nearly always (Choi 1994), and put right below where the distribution function is at hand.
        let guess = (rate + 1.0 / 3.0 - 0.02 / rate.max(0.1)).floor().max(0.0);
        if rate == 0.0 || rate > 1e6 {
            return Some(guess);
        }
        let reaches = |k: f64| checked_gamma_ur(k + 1.0, rate).is_ok_and(|p| p >= 0.5);
        Some(match (reaches(guess), guess > 0.0 && reaches(guess - 1.0)) {
            (true, true) => guess - 1.0,
            (true, false) => guess,
            (false, _) => guess + 1.0,
        })
    }

    /// The count is at most k where the (k + 1)th arrival comes after the end, and that comes as a Gamma(k + 1) variable.
    fn log_cdf(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, &[&[x], args].concat(), |[x, rate]| {
            let below = x.less(x.number(-0.5));
            below.select(x.number(f64::NEG_INFINITY), (-arrival_score(x, rate)).log_normal_cdf())
        }))
    }

    fn log_survival(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, &[&[x], args].concat(), |[x, rate]| {
            let below = x.less(x.number(-0.5));
            below.select(x.number(0.0), arrival_score(x, rate).log_normal_cdf())
        }))
    }

    fn fisher(&self, g: &mut Graph, args: &[NodeId]) -> Option<Vec<NodeId>> {
        Some(vec![formula(g, args, |[rate]| rate.recip())])
    }

    fn discrete_sample(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        site: Site,
        axes: &[Axis],
        _event: Option<Axis>,
    ) -> Option<NodeId> {
        let log_rate = formula(g, args, |[rate]| rate.log());
        Some(exact_counts(g, log_rate, site, axes))
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let [rate] = exactly(args)?;
        if rate == 0.0 {
            return Some(0.0);
        }
        Some(rand_distr::Poisson::new(rate).ok()?.sample(rng))
    }
}

/// The standard normal number that stands for the time 1 among those of the (k + 1)th arrival.
fn arrival_score<'s>(k: Expr<'s>, rate: Expr<'s>) -> Expr<'s> {
    (k.max(0.0) + 1.0).binary(Binary::GammaScore, rate.log())
}

/// Counts of arrivals as they are, not relaxed, over `axes` and those of the log rate.
pub(crate) fn exact_counts(g: &mut Graph, log_rate: NodeId, site: Site, axes: &[Axis]) -> NodeId {
    let zero = g.constant(0.0);
    g.arrivals(log_rate, zero, 0, Indicator::Cubic, site, axes)
}

/// The rate of each element of a Poisson latent with a Poisson prior, by what its spikes say and what they cost:
/// KL(Poisson(λ) ‖ Poisson(r)) = λ log(λ/r) − λ + r.
#[derive(Clone, Copy, Debug)]
pub struct PoissonRate {
    /// λ log(λ/r), nats.
    pub log_ratio: NodeId,
    /// λ, spikes under the guide.
    pub spikes: NodeId,
    /// r, spikes under the prior.
    pub prior: NodeId,
    /// The divergence where λ < r, else 0, nats.
    pub suppressed: NodeId,
    /// The divergence where λ ≥ r, else 0, nats.
    pub excited: NodeId,
}

impl PoissonRate {
    /// The parts in the order of the fields.
    pub fn parts(&self) -> [NodeId; 5] {
        [self.log_ratio, self.spikes, self.prior, self.suppressed, self.excited]
    }
}

impl From<[NodeId; 5]> for PoissonRate {
    fn from([log_ratio, spikes, prior, suppressed, excited]: [NodeId; 5]) -> Self {
        Self { log_ratio, spikes, prior, suppressed, excited }
    }
}

/// Splits KL(q ‖ p); `None` where either is no Poisson distribution on all counts.
pub fn poisson_rate(g: &mut Graph, q: &Of, p: &Of) -> Option<PoissonRate> {
    if [q, p].iter().any(|d| d.family.name() != Poisson.name() || d.is_cut(g)) {
        return None;
    }
    let args = [q.args.as_slice(), &p.args].concat();
    let kl = q.kl(g, p)?;
    let log_ratio = formula(g, &args, |[rate, r]| rate * (rate.log_sloped(rate) - r.log_sloped(rate)));
    let (spikes, prior) = (formula(g, &args, |[rate, _]| rate), formula(g, &args, |[_, r]| r));
    let below = g.less(spikes, prior);
    let suppressed = g.mul(below, kl);
    let excited = g.sub(kl, suppressed);
    Some(PoissonRate { log_ratio, spikes, prior, suppressed, excited })
}
