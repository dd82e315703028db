//! Chains of NUTS against posteriors that are known.

use std::collections::HashMap;
use std::sync::Arc;

use fe_graph::Tensor;
use fe_objective::PulledBack;
use fe_train::nuts::{self, Lengths, OneChain};
use fe_train::referee::{ByChains, Demands, by_chains};
use fe_train::{Fit, Setting};

use crate::support::Bound;

/// A program that was fitted, and the density that chains move in.
struct Fitted {
    bound: Bound,
    density: PulledBack,
    fit: Fit,
    setting: Setting,
}

fn fitted(source: &str) -> Fitted {
    let mut bound = Bound::new(source);
    let density = bound.pull_back();
    let fit = bound.fit(None);
    let named: HashMap<&str, &Tensor> = fit.preconditioners.iter().map(|(name, t)| (name.as_str(), t)).collect();
    let extra = fe_train::preconditioners(bound.objective(), |name| named.get(name).map(|t| (*t).clone()).ok_or(()));
    let setting = Setting { extra: extra.unwrap(), ..Setting::default() };
    Fitted { bound, density, fit, setting }
}

impl Fitted {
    fn by_chains(&self) -> ByChains {
        let problem = self.bound.problem();
        by_chains(&problem, &self.fit.values, &self.setting, &self.density, Demands::default()).unwrap()
    }

    fn chains(&self, lengths: Lengths) -> Vec<OneChain> {
        nuts::chains(&self.bound.problem(), &self.fit.values, &self.setting, &self.density, lengths).unwrap()
    }

    /// The log density and its gradient at a point.
    fn at(&self, point: &[f64]) -> (f64, Vec<f64>) {
        let problem = self.bound.problem();
        let mut feed = problem.feed(&self.fit.values, &problem.train, &self.setting);
        let mut rest = point;
        for noise in &self.density.noise {
            let shape: Vec<usize> = noise.axes.iter().map(|a| self.bound.objective().graph.extent_of(a.id)).collect();
            let (own, others) = rest.split_at(shape.iter().product());
            rest = others;
            let shape = std::iter::once(1).chain(shape).collect();
            feed.inputs.insert(noise.input, Arc::new(Tensor { shape, values: own.to_vec() }));
        }
        let outputs: Vec<_> = std::iter::once(self.density.value).chain(self.density.gradient.clone()).collect();
        let mut results = problem.compile(&outputs).unwrap().run(&feed).unwrap().into_iter();
        (results.next().unwrap().item(), results.flat_map(|t| t.values).collect())
    }
}

/// The mean and the standard deviation of an element, each within so many of its standard errors.
#[track_caller]
fn holds(found: &ByChains, (name, k): (&str, usize), mean: f64, sd: f64) {
    assert_eq!(found.open, Vec::<String>::new());
    let place = found.table.iter().position(|s| s.name == name).unwrap();
    let (table, quality) = (&found.table[place], &found.quality[place]);
    for (found, error, expected) in [(table.mean[k], quality.mean[k], mean), (table.sd[k], quality.sd[k], sd)] {
        assert!(error < 0.08 * sd, "{name}: an error of {error}");
        assert!((found - expected).abs() < 4.0 * error + 1e-12, "{name}: {found} ± {error}, not {expected}");
    }
}

/// Two standard normals whose sum is observed four times, under a guide that holds them for independent: with c = 4/σ² the
/// posterior's variances are (1 + c)/(1 + 2c), and its means c ȳ/(1 + 2c).
const SUM: &str = "data y[N] = [0.5, 0.7, 0.3, 0.9]\nlatent a ~ Normal(0, 1)\nlatent b ~ Normal(0, 1)\n\
                   guide a, b ~ MeanField()\nobserve y ~ Normal(a + b, 1)\n";

#[test]
fn a_gaussian_under_a_guide_that_is_too_narrow() {
    let found = fitted(SUM).by_chains();
    let c = 4.0f64;
    for name in ["a", "b"] {
        holds(&found, (name, 0), c * 0.6 / (1.0 + 2.0 * c), ((1.0 + c) / (1.0 + 2.0 * c)).sqrt());
    }
}

/// Where the guide is the posterior, the density is that of its noise times the evidence, and the chains say so.
#[test]
fn the_density_is_the_evidence_times_that_of_the_noise() {
    let fitted = fitted(
        "data y[N] = [0.3, 2, -1]\nlatent m ~ Normal(0, 1)\nguide m ~ Normal(1.3 / 4, 0.5)\nobserve y ~ Normal(m, 1)\n",
    );
    // y ~ N(0, I + 11ᵀ): determinant 4, and yᵀ(I − 11ᵀ/4)y = 5.09 − 1.3²/4.
    let evidence = -1.5 * (2.0 * std::f64::consts::PI).ln() - 0.5 * 4f64.ln() - 0.5 * (5.09 - 1.69 / 4.0);
    let chains = fitted.chains(Lengths { chains: 2, warmup: 100, draws: 50 });
    for chain in &chains {
        for (point, step) in chain.points.iter().zip(&chain.transitions) {
            let normal = -0.5 * point * point - 0.5 * (2.0 * std::f64::consts::PI).ln();
            assert!((step.log_density - evidence - normal).abs() < 1e-9);
            assert!(step.energy >= -step.log_density - 1e-9 && step.acceptance > 0.0 && step.acceptance <= 1.0);
        }
    }
}

/// Gamma(2, 1) and counts 3, 1, 4, 2: Gamma(12, 5), by a Gamma guide, whose draws are quantiles, and by the default one.
#[test]
fn a_conjugate_rate_by_two_guides() {
    let model = "data y[N] : count = [3, 1, 4, 2]\nlatent r ~ Gamma(2, 1)\nobserve y ~ Poisson(r)\n";
    for guide in ["", "param a = 1\nparam b = 0\nguide r ~ Gamma(exp(a), exp(b))\n"] {
        let found = fitted(&format!("{model}{guide}")).by_chains();
        holds(&found, ("r", 0), 12.0 / 5.0, 12f64.sqrt() / 5.0);
    }
}

/// A probability, by the counts of a Beta(1 + 3, 1 + 1).
#[test]
fn a_conjugate_probability() {
    let found = fitted("data y[N] = [1, 1, 0, 1]\nlatent p ~ Beta(1, 1)\nobserve y ~ Bernoulli(p)\n").by_chains();
    holds(&found, ("p", 0), 4.0 / 6.0, (4.0 * 2.0 / (36.0 * 7.0f64)).sqrt());
}

const SCHOOLS: &str = "data y[J] = [28, 8, -3, 7, -1, 1, 18, 12]\ndata sigma[J] = [15, 10, 16, 11, 9, 11, 10, 18]\n\
                       latent mu ~ Normal(0, 5)\nlatent tau ~ HalfCauchy(5)\n";

/// The reference posterior of eight schools, by long NUTS runs: mu 4.41 ± 3.31, tau 3.60 ± 3.20. Effects that are integrated
/// out leave one dimension; standard effects in the guide leave ten.
#[test]
fn eight_schools_integrated_out_and_in_the_guide() {
    let around = format!("{SCHOOLS}latent theta[J] ~ Normal(mu, tau)\nobserve y ~ Normal(theta, sigma)\n");
    let standard = format!(
        "{SCHOOLS}latent eta[J] ~ Normal(0, 1)\nlet theta = mu + tau * eta\nguide mu, tau, eta ~ FullRank()\n\
         observe y ~ Normal(theta, sigma)\n"
    );
    for (program, dimension) in [(around, 1), (standard, 10)] {
        let found = fitted(&program).by_chains();
        assert_eq!((found.dimension, &found.open), (dimension, &vec![]));
        let near = |name: &str, mean: f64, sd: f64| {
            let table = found.table.iter().find(|s| s.name == name).unwrap();
            let off = ((table.mean[0] - mean).abs() / sd, (table.sd[0] / sd - 1.0).abs());
            assert!(off.0 < 0.06 && off.1 < 0.08, "{dimension}: {name} {} ± {}", table.mean[0], table.sd[0]);
        };
        near("mu", 4.41, 3.31);
        near("tau", 3.60, 3.20);
        near("theta", 6.15, 5.6);
    }
}

/// Classes that are summed out leave the density of all else: chains see the sum, and its table the probabilities. Two
/// components of known width and one unknown place, by quadrature.
#[test]
fn what_is_summed_out_is_summed_in_the_chains() {
    let y = [0.4f64, 2.3, 1.8, -0.2];
    let program = format!(
        "data y[N] = {y:?}\nlatent m ~ Normal(0, 2)\nlatent k[N] ~ Bernoulli(0.4)\nobserve y ~ Normal(k * m, 0.5)\n"
    );
    let found = fitted(&program).by_chains();
    let normal = |x: f64, m: f64, s: f64| (-0.5 * ((x - m) / s).powi(2)).exp() / s;
    let (mut total, mut first, mut second) = (0.0, 0.0, 0.0);
    for step in -40_000..=40_000 {
        let m = f64::from(step) * 5e-4;
        let likelihood: f64 = y.iter().map(|&x| 0.4 * normal(x, m, 0.5) + 0.6 * normal(x, 0.0, 0.5)).product();
        let w = likelihood * normal(m, 0.0, 2.0);
        (total, first, second) = (total + w, first + w * m, second + w * m * m);
    }
    let mean = first / total;
    holds(&found, ("m", 0), mean, (second / total - mean * mean).sqrt());
}

#[test]
fn the_gradient_is_the_slope() {
    let schools = format!("{SCHOOLS}latent theta[J] ~ Normal(mu, tau) by guide\nobserve y ~ Normal(theta, sigma)\n");
    let counts = "data y[N] : count = [3, 1, 4, 2]\nlatent r ~ Gamma(2, 1)\nparam a = 1\nguide r ~ Gamma(exp(a), 2)\n\
                  observe y ~ Poisson(r)\n";
    let eliminated = schools.replace(" by guide", "");
    let at_points = "data y[N] : count = [3, 1, 4, 2]\nlatent m ~ Normal(0, 1)\nlatent s ~ HalfNormal(1)\n\
                     latent e[N] ~ Normal(0, s)\nobserve y ~ Poisson(exp(m + e))\n";
    let chain = "data y[T] = [0.4, 0.9, 0.2, -0.5, -0.1]\nlatent s ~ HalfNormal(1)\nlatent r ~ Normal(0, 1)\n\
                 for t in T {\n  latent x[t] ~ Normal(if t == 0 then 0 else r * x[t-1], s)\n  observe y[t] ~ Normal(x[t], 0.5)\n}\n";
    for program in [SUM, &schools, counts, &eliminated, at_points, chain] {
        let fitted = fitted(program);
        let dimension = nuts::dimension(&fitted.bound.problem(), &fitted.density);
        let point: Vec<f64> = (0..dimension).map(|k| (1.3 * k as f64 + 0.4).sin()).collect();
        let (_, gradient) = fitted.at(&point);
        assert_eq!(gradient.len(), dimension);
        for (k, slope) in gradient.iter().enumerate() {
            let moved = |by: f64| {
                let mut point = point.clone();
                point[k] += by;
                fitted.at(&point).0
            };
            let expected = (moved(1e-4) - moved(-1e-4)) / 2e-4;
            assert!((slope - expected).abs() < 1e-6 * expected.abs().max(1.0), "{k}: {slope}, not {expected}");
        }
    }
}

/// Longer chains begin with the shorter ones, and no number depends on the threads.
#[test]
fn chains_repeat_at_any_number_of_threads_and_go_on_as_they_began() {
    let fitted = fitted(SUM);
    let lengths = Lengths { chains: 3, warmup: 60, draws: 40 };
    let on = |threads: usize, lengths| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fitted.chains(lengths))
    };
    let (one, three) = (on(1, lengths), on(3, lengths));
    assert_eq!(one, three);
    assert_ne!(one[0], one[1]);
    let longer = on(2, Lengths { draws: 90, ..lengths });
    for (long, short) in longer.iter().zip(&one) {
        assert_eq!(long.points[..short.points.len()], short.points);
        assert_eq!(long.transitions.len(), 90);
    }
}
