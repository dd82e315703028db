//! Zeros, ends of supports, extreme arguments, categories, and data that are expectations.

use std::collections::HashMap;

use crate::common::{CASES, Case, close, evaluate, scalar};
use fe_distribution::{Distribution, Statistic, Support, families, family};
use fe_graph::{Axis, Binary, Graph, InputId, NodeId, Op, Unary};

/// The log density at x with its derivative in every argument, arguments being inputs.
fn value_and_slopes(name: &str, x: f64, args: &[f64]) -> Vec<f64> {
    let mut g = Graph::new();
    let mut feed: HashMap<InputId, Vec<f64>> = HashMap::new();
    let mut input = |g: &mut Graph, v: f64| {
        let (id, node) = g.input("value", &[]);
        feed.insert(id, vec![v]);
        node
    };
    let x = input(&mut g, x);
    let args: Vec<NodeId> = args.iter().map(|&a| input(&mut g, a)).collect();
    let density = family(name).unwrap().log_density(&mut g, x, &args, None);
    let slopes = g.gradient(density, &args).unwrap();
    let outputs: Vec<NodeId> = std::iter::once(density).chain(slopes).collect();
    evaluate(&g, &outputs, &feed, 0).into_iter().map(|v| v[0]).collect()
}

#[test]
fn nothing_times_the_log_of_nothing_is_nothing() {
    assert_eq!(value_and_slopes("Poisson", 0.0, &[0.0]), [0.0, -1.0]);
    assert_eq!(value_and_slopes("Poisson", 2.0, &[0.0])[0], f64::NEG_INFINITY);
    assert_eq!(value_and_slopes("Bernoulli", 1.0, &[1.0]), [0.0, 1.0]);
    assert_eq!(value_and_slopes("Bernoulli", 0.0, &[0.0]), [0.0, -1.0]);
    assert_eq!(value_and_slopes("Bernoulli", 1.0, &[0.0])[0], f64::NEG_INFINITY);
    let gamma = value_and_slopes("Gamma", 0.0, &[1.0, 2.0]);
    close("an exponential at 0", gamma[0], 2f64.ln(), 1e-15);
    for x in [0.0, 1.0] {
        assert_eq!(value_and_slopes("Beta", x, &[1.0, 1.0])[0], 0.0);
    }
}

/// Where an exponent is 0, the slope in it is the log that it multiplies.
#[test]
fn an_exponent_of_nothing_keeps_its_slope() {
    let euler = 0.577_215_664_901_532_9;
    let gamma = value_and_slopes("Gamma", 0.3, &[1.0, 2.0]);
    close("Gamma in its shape", gamma[1], 0.3f64.ln() + 2f64.ln() + euler, 1e-14);
    let beta = value_and_slopes("Beta", 0.3, &[1.0, 1.0]);
    close("Beta in a", beta[1], 0.3f64.ln() + 1.0, 1e-14);
    close("Beta in b", beta[2], 0.7f64.ln() + 1.0, 1e-14);
    let weibull = value_and_slopes("Weibull", 0.3, &[1.0, 1.0]);
    close("Weibull in its shape", weibull[1], 1.0 + 0.3f64.ln() * 0.7, 1e-14);
}

#[test]
fn slopes_of_densities_agree_with_differences() {
    for &case in CASES {
        let x = match case.support() {
            Support::Bool | Support::Count => 1.0,
            support => support.constrain_value(0.37).unwrap(),
        };
        let found = value_and_slopes(case.name, x, case.args);
        for k in 0..case.args.len() {
            let h = 1e-5 * case.args[k].abs().max(0.01);
            let at = |shift: f64| {
                let mut args = case.args.to_vec();
                args[k] += shift;
                value_and_slopes(case.name, x, &args)[0]
            };
            let numeric = (at(h) - at(-h)) / (2.0 * h);
            let error = (found[k + 1] - numeric).abs();
            assert!(error < 1e-6 * numeric.abs().max(1.0), "{case:?}, argument {k}: {} {numeric}", found[k + 1]);
        }
    }
}

#[test]
fn a_uniform_density_ends_where_its_arguments_say() {
    assert_eq!(value_and_slopes("Uniform", 3.0, &[0.0, 2.0])[0], f64::NEG_INFINITY);
    assert_eq!(value_and_slopes("Uniform", -1.0, &[0.0, 2.0])[0], f64::NEG_INFINITY);
    close("inside", value_and_slopes("Uniform", 2.0, &[0.0, 2.0])[0], -(2f64.ln()), 1e-15);
}

/// Bernoulli by logits: x l − softplus(l), for data that are expectations too.
#[test]
fn logits_are_never_rounded_to_probabilities() {
    let family = family("Bernoulli").unwrap();
    for l in [-800.0, -50.0, -1.0, 0.0, 0.3, 50.0, 800.0] {
        let mut g = Graph::new();
        let (id, logits) = g.input("logits", &[]);
        let p = (family.alternatives()[0].canonical)(&mut g, &[logits]);
        let (id_q, other) = g.input("prior logits", &[]);
        let r = (family.alternatives()[0].canonical)(&mut g, &[other]);
        let feed = HashMap::from([(id, vec![l]), (id_q, vec![-l])]);
        for x in [0.0, 0.25, 1.0] {
            let data = g.constant(x);
            let density = family.log_density(&mut g, data, &p, None);
            let slope = g.gradient(density, &[logits]).unwrap()[0];
            let values = evaluate(&g, &[density, slope], &feed, 0);
            let expected = x * l - fe_graph::special::softplus(l);
            close(&format!("log p({x}) at {l}"), values[0][0], expected, 1e-15);
            close("its slope", values[1][0], x - fe_graph::special::sigmoid(l), 1e-14);
        }
        let kl = family.kl(&mut g, &p, family, &r).unwrap();
        let entropy = family.entropy(&mut g, &p).unwrap();
        let variance = family.variance(&mut g, Statistic::Value, &p).unwrap();
        let values = evaluate(&g, &[kl, entropy, variance], &feed, 0);
        close("KL", values[0][0], 2.0 * l * (l / 2.0).tanh() / 2.0, 1e-13);
        assert!(values.iter().all(|v| v[0].is_finite() && v[0] >= 0.0), "{values:?}");
        assert!(l.abs() > 700.0 || values[1][0] > 0.0 && values[2][0] > 0.0);
    }
    let entropy_at_fifty = 51.0 * (-50f64).exp();
    let mut g = Graph::new();
    let (id, logits) = g.input("logits", &[]);
    let p = (family.alternatives()[0].canonical)(&mut g, &[logits]);
    let entropy = family.entropy(&mut g, &p).unwrap();
    let found = evaluate(&g, &[entropy], &HashMap::from([(id, vec![50.0])]), 0)[0][0];
    assert!((found / entropy_at_fifty - 1.0).abs() < 1e-12);
}

/// The divergences of plain probabilities at their ends.
#[test]
fn certain_coins_have_finite_divergences() {
    let family = family("Bernoulli").unwrap();
    let kl = |p: f64, r: f64| {
        let mut g = Graph::new();
        let args = [g.constant(p), g.constant(r)];
        let kl = family.kl(&mut g, &args[..1], family, &args[1..]).unwrap();
        scalar(&g, kl)
    };
    close("1 from 0.25", kl(1.0, 0.25), 4f64.ln(), 1e-15);
    close("0 from 0.25", kl(0.0, 0.25), (4f64 / 3.0).ln(), 1e-15);
    assert_eq!(kl(1.0, 1.0), 0.0);
    assert_eq!(kl(0.5, 0.0), f64::INFINITY);
}

/// With rate = eᵘ nothing but u, eᵘ and constants of the data is computed.
#[test]
fn a_log_rate_goes_straight_into_the_density() {
    let mut g = Graph::new();
    let ((_, u), (_, x)) = (g.input("u", &[]), g.input("x", &[]));
    let rate = g.exp(u);
    let density = family("Poisson").unwrap().log_density(&mut g, x, &[rate], None);
    let logs = g.reachable(&[density]).into_iter().filter(|&n| g.node(n).op == Op::Unary(Unary::Log)).count();
    assert_eq!(logs, 0, "{}", g.dump(&[density]));
    let product = g.mul(x, u);
    assert!(g.reachable(&[density]).contains(&product));
    // A rate with an exposure keeps its exponential unevaluated in the log, and guards against an exposure of 0.
    let (_, exposure) = g.input("exposure", &[]);
    let scaled = g.mul(exposure, rate);
    let density = family("Poisson").unwrap().log_density(&mut g, x, &[scaled], None);
    assert!(g.reachable(&[density]).iter().any(|&n| g.node(n).op == Op::Binary(Binary::Equal)));
}

fn categorical(g: &mut Graph, axis: Axis, values: &[f64], by_logits: bool) -> Distribution {
    let tensor = fe_graph::Tensor::new(vec![values.len()], values.to_vec()).unwrap();
    let node = g.literal(tensor, &[axis]);
    let family = family("Categorical").unwrap();
    let args = if by_logits { (family.alternatives()[0].canonical)(g, &[node]) } else { vec![node] };
    Distribution { event: Some(axis), ..Distribution::new(family, args) }
}

#[test]
fn categories_by_enumeration() {
    let mut g = Graph::new();
    let axis = Axis::plain(g.add_axis("K", 4));
    let probs = [0.1f64, 0.2, 0.3, 0.4];
    let other = [0.25f64, 0.5, 0.125, 0.125];
    let q = categorical(&mut g, axis, &probs, false);
    let logits: Vec<f64> = other.iter().map(|p| p.ln() + 700.0).collect();
    let p = categorical(&mut g, axis, &logits, true);
    assert_eq!(q.support(&g), Some(Support::Index(4)));
    assert!(q.can_restrict(&g, Support::Index(4)) && !q.can_restrict(&g, Support::Index(3)));
    for k in 0..4 {
        let x = g.constant(k as f64);
        let (a, b) = (q.log_density(&mut g, x).unwrap(), p.log_density(&mut g, x).unwrap());
        close("probs", scalar(&g, a), probs[k].ln(), 1e-13);
        close("logits", scalar(&g, b), other[k].ln(), 1e-12);
    }
    let (entropy, kl) = (q.entropy(&mut g).unwrap(), q.kl(&mut g, &p).unwrap());
    close("entropy", scalar(&g, entropy), -probs.iter().map(|p| p * p.ln()).sum::<f64>(), 1e-13);
    let expected = probs.iter().zip(other).map(|(q, p)| q * (q / p).ln()).sum();
    close("KL", scalar(&g, kl), expected, 1e-11);
    // A category that cannot be: its log is −∞, what is weighted by it is 0.
    let sure = categorical(&mut g, axis, &[0.0, 1.0, 0.0, 0.0], false);
    let (entropy, kl) = (sure.entropy(&mut g).unwrap(), sure.kl(&mut g, &p).unwrap());
    assert_eq!(scalar(&g, entropy), 0.0);
    close("KL of a sure thing", scalar(&g, kl), 2f64.ln(), 1e-12);
}

#[test]
fn flat_is_one_everywhere() {
    let mut g = Graph::new();
    let axis = Axis::plain(g.add_axis("K", 3));
    let (_, x) = g.input("x", &[axis]);
    let flat = family("Flat").unwrap();
    let density = flat.log_density(&mut g, x, &[], None);
    assert_eq!(g.axes_of(density), [axis]);
    assert_eq!(g.constant_value(density), Some(0.0));
    let normal = Case { name: "Normal", args: &[1.0, 2.0] };
    let args = normal.constants(&mut g);
    let kl = normal.family().kl(&mut g, &args, flat, &[]).unwrap();
    let entropy = normal.family().entropy(&mut g, &args).unwrap();
    assert_eq!(scalar(&g, kl), -scalar(&g, entropy));
    let poisson = Case { name: "Poisson", args: &[1.0] };
    let args = poisson.constants(&mut g);
    assert!(poisson.family().kl(&mut g, &args, flat, &[]).is_none());
}

/// Elements of data, of arguments, and of their union.
#[test]
fn densities_carry_the_axes_of_values_and_arguments() {
    for family in families().iter().filter(|f| f.category_axis_argument().is_none() && !f.is_vector()) {
        let mut g = Graph::new();
        let (n, k) = (Axis::plain(g.add_axis("N", 2)), Axis::plain(g.add_axis("K", 3)));
        let (_, x) = g.input("x", &[n]);
        let args: Vec<NodeId> = family.parameters().iter().map(|p| g.input(p.name, &[k]).1).collect();
        let density = family.log_density(&mut g, x, &args, None);
        let expected: &[Axis] = if args.is_empty() { &[n] } else { &[n, k] };
        assert_eq!(g.axes_of(density), expected, "{}", family.name());
        // Moments and the rest go by the arguments alone.
        for of in Statistic::ALL {
            for node in
                [family.expectation(&mut g, of, &args), family.variance(&mut g, of, &args)].into_iter().flatten()
            {
                assert_eq!(g.axes_of(node), [k], "{} {of:?}", family.name());
            }
        }
        let entropy = family.entropy(&mut g, &args);
        let information = family.fisher(&mut g, &args).unwrap_or_default();
        for node in entropy.into_iter().chain(information) {
            assert_eq!(g.axes_of(node), [k], "{}", family.name());
        }
        assert!(family.fisher(&mut g, &args).is_none_or(|f| f.len() == args.len()));
    }
    // A uniform density with fixed ends still has one value for each element.
    let mut g = Graph::new();
    let n = Axis::plain(g.add_axis("N", 2));
    let (_, x) = g.input("x", &[n]);
    let ends = [g.constant(0.0), g.constant(2.0)];
    let density = family("Uniform").unwrap().log_density(&mut g, x, &ends, None);
    assert_eq!(g.axes_of(density), [n]);
}

const EXTREMES: &[Case] = &[
    Case { name: "Normal", args: &[0.0, 1e-8] },
    Case { name: "Normal", args: &[1e4, 1e4] },
    Case { name: "LogNormal", args: &[-20.0, 1e-8] },
    Case { name: "LogNormal", args: &[5.0, 3.0] },
    Case { name: "HalfNormal", args: &[1e-8] },
    Case { name: "HalfNormal", args: &[20.0] },
    Case { name: "HalfCauchy", args: &[1e-8] },
    Case { name: "HalfCauchy", args: &[1e4] },
    Case { name: "Cauchy", args: &[1e4, 1e-8] },
    Case { name: "StudentT", args: &[2.1, 0.0, 1e-8] },
    Case { name: "StudentT", args: &[1e4, 3.0, 1e4] },
    Case { name: "Laplace", args: &[-1e4, 1e-8] },
    Case { name: "Laplace", args: &[0.0, 1e4] },
    Case { name: "Exponential", args: &[1e-8] },
    Case { name: "Exponential", args: &[1e4] },
    Case { name: "Gamma", args: &[1e-3, 1e-8] },
    Case { name: "Gamma", args: &[1e4, 1e4] },
    Case { name: "Beta", args: &[1e-3, 1e-3] },
    Case { name: "Beta", args: &[1e4, 1e4] },
    Case { name: "Uniform", args: &[0.0, 1e-8] },
    Case { name: "Uniform", args: &[0.0, 1e4] },
    Case { name: "Bernoulli", args: &[1e-12] },
    Case { name: "Bernoulli", args: &[1.0] },
    Case { name: "Poisson", args: &[1e-12] },
    Case { name: "Poisson", args: &[1e4] },
];

/// At extreme arguments nothing is NaN: not a density, not a moment, not a divergence, not their slopes.
#[test]
fn extreme_arguments_give_numbers() {
    for &case in EXTREMES {
        let mut g = Graph::new();
        let mut feed = HashMap::new();
        let args = if case.name == "StudentT" { case.constants(&mut g) } else { case.inputs(&mut g, &mut feed) };
        let family = case.family();
        let median = family.median(case.args).unwrap();
        assert!(median.is_finite() && case.support().contains_value(median), "{case:?}: median {median}");
        let x = g.constant(median);
        let mut nodes = vec![("density", family.log_density(&mut g, x, &args, None))];
        for of in [Statistic::Value, Statistic::Square, Statistic::Relu, Statistic::ExpNegative] {
            nodes.extend(family.expectation(&mut g, of, &args).map(|n| ("expectation", n)));
            nodes.extend(family.variance(&mut g, of, &args).map(|n| ("variance", n)));
        }
        nodes.extend(family.entropy(&mut g, &args).map(|n| ("entropy", n)));
        nodes.extend(family.cdf(&mut g, x, &args).map(|n| ("cdf", n)));
        for &prior in EXTREMES.iter().chain(CASES) {
            let prior_args = prior.constants(&mut g);
            nodes.extend(family.kl(&mut g, &args, prior.family(), &prior_args).map(|n| ("KL", n)));
        }
        for (what, node) in nodes {
            let slopes = g.gradient(node, &args).unwrap();
            let outputs: Vec<NodeId> = std::iter::once(node).chain(slopes).collect();
            for (k, values) in evaluate(&g, &outputs, &feed, 0).into_iter().enumerate() {
                assert!(!values[0].is_nan(), "{case:?}: {what}, output {k}\n{}", g.dump(&[node]));
            }
        }
    }
}

#[test]
fn equal_arguments_have_no_divergence() {
    for &case in CASES.iter().chain(EXTREMES) {
        let mut g = Graph::new();
        let args = case.constants(&mut g);
        if let Some(kl) = case.family().kl(&mut g, &args, case.family(), &args) {
            // Terms of the size of a log Γ cancel to rounding.
            let size = case.args.iter().fold(1.0f64, |s, a| s.max(a.abs() * a.abs().max(2.0).ln()));
            let found = scalar(&g, kl);
            assert!(found.abs() <= 1e-14 * size, "{case:?}: {found}");
        }
    }
}

/// Differences of log Γ are exact far out, where the two have nothing but rounding, and the same on both sides of where the form
/// changes.
#[test]
fn rising_factorials_far_out() {
    let log_gamma = fe_graph::special::log_gamma;
    for r in [1e-3, 0.7, 15.9, 16.0, 16.1, 40.0, 300.0] {
        for x in [0.0, 1.0, 5.0, 60.0] {
            let m: f64 = 3.0;
            let ways = log_gamma(x + r) - log_gamma(r) - log_gamma(x + 1.0);
            let expected = ways - r * (m / r).ln_1p() + x * (m.ln() - (m + r).ln());
            let found = value_and_slopes("NegativeBinomial", x, &[m, r])[0];
            close("NegativeBinomial", found, expected, 1e-11);
        }
    }
    let poisson = value_and_slopes("Poisson", 5.0, &[3.0])[0];
    let binomial = value_and_slopes("Binomial", 7.0, &[20.0, 0.25])[0];
    for far in [1e10, 1e14, 1e17, 1e60] {
        let found = value_and_slopes("NegativeBinomial", 5.0, &[3.0, far]);
        close("NegativeBinomial far out", found[0], poisson, 1e-8);
        assert!(found[2].abs() < 1e-8, "{found:?}");
        let found = value_and_slopes("BetaBinomial", 7.0, &[20.0, far, 3.0 * far])[0];
        close("BetaBinomial far out", found, binomial, 1e-8);
    }
}
