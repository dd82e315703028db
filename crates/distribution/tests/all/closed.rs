//! Densities, moments, entropies, divergences, distribution functions and Fisher information against quadrature, series
//! and another library.

use std::collections::HashMap;
use std::f64::consts::PI;

use crate::common::{CASES, Case, close, evaluate, scalar};
use fe_distribution::{Statistic, Support, families};
use fe_graph::Graph;
use statrs::distribution::{Continuous, ContinuousCDF, Discrete};

use statrs::function::beta::ln_beta;
const TOLERANCE: f64 = 1e-10;

fn statistic(of: Statistic, z: f64) -> f64 {
    match of {
        Statistic::Value => z,
        Statistic::Log => z.ln(),
        Statistic::LogOneMinus => (-z).ln_1p(),
        Statistic::Exp => z.exp(),
        Statistic::ExpNegative => (-z).exp(),
        Statistic::Recip => z.recip(),
        Statistic::Square => z * z,
        Statistic::Relu => z.max(0.0),
    }
}

#[test]
fn densities_add_up_to_one() {
    for case in CASES {
        close(&format!("{case:?}"), case.expect(&[], |_| 1.0), 1.0, TOLERANCE);
    }
}

/// log p by statrs.
fn reference(case: Case, x: f64) -> Option<f64> {
    use statrs::distribution as d;
    let a = case.args;
    Some(match case.name {
        "Normal" => d::Normal::new(a[0], a[1]).unwrap().ln_pdf(x),
        "LogNormal" => d::LogNormal::new(a[0], a[1]).unwrap().ln_pdf(x),
        "HalfNormal" => 2f64.ln() + d::Normal::new(0.0, a[0]).unwrap().ln_pdf(x),
        "HalfCauchy" => 2f64.ln() + d::Cauchy::new(0.0, a[0]).unwrap().ln_pdf(x),
        "Cauchy" => d::Cauchy::new(a[0], a[1]).unwrap().ln_pdf(x),
        "StudentT" => d::StudentsT::new(a[1], a[2], a[0]).unwrap().ln_pdf(x),
        "Laplace" => d::Laplace::new(a[0], a[1]).unwrap().ln_pdf(x),
        "Exponential" => d::Exp::new(a[0]).unwrap().ln_pdf(x),
        "Gamma" => d::Gamma::new(a[0], a[1]).unwrap().ln_pdf(x),
        "Beta" => d::Beta::new(a[0], a[1]).unwrap().ln_pdf(x),
        "Uniform" => d::Uniform::new(a[0], a[1]).unwrap().ln_pdf(x),
        "Bernoulli" => d::Bernoulli::new(a[0]).unwrap().ln_pmf(x as u64),
        "Poisson" => d::Poisson::new(a[0]).unwrap().ln_pmf(x as u64),
        "Logistic" => {
            let z = ((x - a[0]) / a[1]).abs();
            -z - 2.0 * (-z).exp().ln_1p() - a[1].ln()
        }
        "Gumbel" => d::Gumbel::new(a[0], a[1]).unwrap().ln_pdf(x),
        "InverseGamma" => d::InverseGamma::new(a[0], a[1]).unwrap().ln_pdf(x),
        "ChiSquared" => d::ChiSquared::new(a[0]).unwrap().ln_pdf(x),
        "Weibull" => d::Weibull::new(a[0], a[1]).unwrap().ln_pdf(x),
        "Pareto" => d::Pareto::new(a[1], a[0]).unwrap().ln_pdf(x),
        "VonMises" => {
            // The rectangle rule is exact on the circle.
            let turns = 4096;
            let height = |j: i32| (a[1] * ((f64::from(j) * 2.0 * PI / f64::from(turns)).cos() - 1.0)).exp();
            let whole: f64 = (0..turns).map(height).sum::<f64>() * 2.0 * PI / f64::from(turns);
            a[1] * ((x - a[0]).cos() - 1.0) - whole.ln()
        }
        "Binomial" => d::Binomial::new(a[1], a[0] as u64).unwrap().ln_pmf(x as u64),
        "BetaBinomial" if x > a[0] => f64::NEG_INFINITY,
        "BetaBinomial" => {
            statrs::function::factorial::ln_binomial(a[0] as u64, x as u64) + ln_beta(x + a[1], a[0] - x + a[2])
                - ln_beta(a[1], a[2])
        }
        "ZeroInflatedPoisson" => {
            let p = (1.0 - a[1]) * d::Poisson::new(a[0]).unwrap().ln_pmf(x as u64).exp();
            if x == 0.0 { (a[1] + p).ln() } else { (1.0 - a[1]).ln() + d::Poisson::new(a[0]).unwrap().ln_pmf(x as u64) }
        }
        "NegativeBinomial" => d::NegativeBinomial::new(a[1], a[1] / (a[1] + a[0])).unwrap().ln_pmf(x as u64),
        "Geometric" => d::Geometric::new(a[0]).unwrap().ln_pmf(x as u64 + 1),
        _ => return None,
    })
}

#[test]
fn densities_agree_with_statrs() {
    for &case in CASES {
        let support = case.support();
        let values: Vec<f64> = match support {
            Support::Bool => vec![0.0, 1.0],
            Support::Count => [0.0, 1.0, 2.0, 7.0, 150.0, 900.0].to_vec(),
            _ => [-3.0, -0.7, 0.0, 0.4, 2.2].iter().filter_map(|&u| support.constrain_value(u)).collect(),
        };
        for (x, found) in values.iter().zip(case.log_density(&values)) {
            let expected = reference(case, *x).unwrap();
            assert!(
                found == expected || (found - expected).abs() <= TOLERANCE * expected.abs().max(1.0),
                "{case:?} at {x}: {found} {expected}"
            );
        }
    }
}

#[test]
fn expectations_and_variances_agree_with_integrals() {
    let mut checked = 0;
    for case in CASES {
        for of in Statistic::ALL {
            let mut g = Graph::new();
            let args = case.constants(&mut g);
            let mean = case.family().expectation(&mut g, of, &args);
            let variance = case.family().variance(&mut g, of, &args);
            if mean.is_none() {
                assert!(variance.is_none(), "{case:?}: a variance of {of:?} without its mean");
                continue;
            }
            let (mean, what) = (scalar(&g, mean.unwrap()), format!("{case:?}, {of:?}"));
            close(&what, mean, case.expect(&[0.0], |p| statistic(of, p.z)), TOLERANCE);
            checked += 1;
            if let Some(variance) = variance {
                let expected = case.expect(&[0.0], |p| (statistic(of, p.z) - mean).powi(2));
                close(&format!("variance of {what}"), scalar(&g, variance), expected, TOLERANCE);
            }
        }
    }
    assert!(checked > 90, "only {checked} expectations are closed");
}

#[test]
fn every_family_with_a_mean_has_its_variance() {
    for case in CASES {
        let mut g = Graph::new();
        let args = case.constants(&mut g);
        let mean = case.family().expectation(&mut g, Statistic::Value, &args).is_some();
        let variance = case.family().variance(&mut g, Statistic::Value, &args).is_some();
        assert_eq!(mean, variance, "{case:?}");
    }
}

/// Var[max(z, 0)] keeps its accuracy where nearly everything, or nearly nothing, is rectified.
#[test]
fn the_variance_of_a_rectified_normal_is_accurate_far_out() {
    let of = |m: f64, s: f64| {
        let mut g = Graph::new();
        let args = [g.constant(m), g.constant(s)];
        let family = fe_distribution::family("Normal").unwrap();
        let v = family.variance(&mut g, Statistic::Relu, &args).unwrap();
        scalar(&g, v)
    };
    close("all pass", of(1e6, 1e-3), 1e-6, 1e-12);
    // Eight sds below 0, by quadrature.
    let integral = {
        let case = Case { name: "Normal", args: &[-8.0, 1.0] };
        let second = case.expect(&[0.0], |p| p.z.max(0.0).powi(2));
        let first = case.expect(&[0.0], |p| p.z.max(0.0));
        second - first * first
    };
    assert!((of(-8.0, 1.0) / integral - 1.0).abs() < 1e-9);
    assert_eq!(of(-1e3, 1.0), 0.0);
}

#[test]
fn entropies_agree_with_integrals() {
    for case in CASES {
        let mut g = Graph::new();
        let args = case.constants(&mut g);
        let Some(entropy) = case.family().entropy(&mut g, &args) else {
            let without = ["Poisson", "Binomial", "BetaBinomial", "ZeroInflatedPoisson", "NegativeBinomial"];
            assert!(without.contains(&case.name), "{case:?}");
            continue;
        };
        close(&format!("{case:?}"), scalar(&g, entropy), case.expect(&[], |p| -p.log_p), TOLERANCE);
    }
}

#[test]
fn divergences_agree_with_integrals() {
    let mut pairs = std::collections::BTreeSet::new();
    for q in CASES {
        for p in CASES {
            let mut g = Graph::new();
            let (args, prior_args) = (q.constants(&mut g), p.constants(&mut g));
            let Some(kl) = q.family().kl(&mut g, &args, p.family(), &prior_args) else { continue };
            pairs.insert((q.name, p.name));
            let points = q.points(&[p.family().median(p.args).unwrap()]);
            let values: Vec<f64> = points.iter().map(|point| point.z).collect();
            let log_p = p.log_density(&values);
            let expected: f64 = points.iter().zip(log_p).map(|(q, log_p)| q.weight * (q.log_p - log_p)).sum();
            let found = scalar(&g, kl);
            let what = format!("KL({q:?} ‖ {p:?})");
            // Rounding of the integrand, whose terms may be far larger than their sum.
            assert!((found - expected).abs() <= TOLERANCE * expected.abs().max(1.0), "{what}: {found} {expected}");
            assert!(found >= -1e-12, "{what} = {found}");
        }
    }
    for same in ["Normal", "LogNormal", "HalfNormal", "HalfCauchy", "Cauchy", "Laplace", "Exponential", "Gamma"] {
        assert!(pairs.contains(&(same, same)), "{same}");
    }
    for same in ["Beta", "Uniform", "Bernoulli", "Poisson"] {
        assert!(pairs.contains(&(same, same)), "{same}");
    }
    for pair in [
        ("Normal", "Laplace"),
        ("Laplace", "Normal"),
        ("Gamma", "Exponential"),
        ("Exponential", "Gamma"),
        ("LogNormal", "Gamma"),
        ("LogNormal", "HalfNormal"),
        ("Beta", "Uniform"),
        ("StudentT", "Normal"),
    ] {
        assert!(pairs.contains(&pair), "{pair:?}");
    }
    for never in [("Normal", "HalfNormal"), ("Poisson", "Normal"), ("Normal", "Uniform"), ("Exponential", "Beta")] {
        assert!(!pairs.contains(&never), "{never:?} is infinite");
    }
}

/// KL(Pois(λ) ‖ Pois(r)) = r f(λ/r), f(y) = 1 − y + y log y, with the values and limits of arXiv 2405.14473.
#[test]
fn the_poisson_divergence_is_the_rate_times_a_function_of_the_gain() {
    let kl = |rate: f64, r: f64| {
        let mut g = Graph::new();
        let mut feed = HashMap::new();
        let case = Case { name: "Poisson", args: &[] };
        let mut input = |v: f64| {
            let (id, node) = g.input("log rate", &[]);
            feed.insert(id, vec![v.ln()]);
            g.exp(node)
        };
        let (q, p) = (input(rate), input(r));
        let node = case.family().kl(&mut g, &[q], case.family(), &[p]).unwrap();
        evaluate(&g, &[node], &feed, 0)[0][0]
    };
    for (y, f) in [(0.5, 0.1534), (2.0, 0.3863), (5.0, 4.047), (10.0, 14.03)] {
        assert!((kl(3.0 * y, 3.0) / 3.0 - f).abs() < 0.005, "{y}");
    }
    close("silence costs the prior rate", kl(1e-300, 0.7), 0.7, 1e-14);
    let plain = {
        let mut g = Graph::new();
        let (zero, r) = (g.constant(0.0), g.constant(0.7));
        let family = fe_distribution::family("Poisson").unwrap();
        let node = family.kl(&mut g, &[zero], family, &[r]).unwrap();
        scalar(&g, node)
    };
    assert_eq!(plain, 0.7);
}

#[test]
fn distribution_functions_agree_with_integrals_and_medians_halve_them() {
    let mut without = std::collections::BTreeSet::new();
    for case in CASES.iter().filter(|c| !c.is_discrete()) {
        let median = case.family().median(case.args).unwrap();
        let below = |end: f64| case.expect(&[end], |p| f64::from(u8::from(p.z < end)));
        close(&format!("median of {case:?}"), below(median), 0.5, TOLERANCE);
        for u in [-1.3, -0.2, 0.9] {
            let x = case.support().constrain_value(u).unwrap();
            let mut g = Graph::new();
            let args = case.constants(&mut g);
            let node = g.constant(x);
            match case.family().cdf(&mut g, node, &args) {
                Some(cdf) => close(&format!("{case:?} below {x}"), scalar(&g, cdf), below(x), TOLERANCE),
                None => drop(without.insert(case.name)),
            }
        }
    }
    assert_eq!(without.into_iter().collect::<Vec<_>>(), ["Beta", "StudentT", "VonMises"]);
}

#[test]
fn distribution_functions_are_0_or_1_off_the_support() {
    for case in CASES.iter().filter(|c| !c.is_discrete()) {
        let (low, high) = case.support().bounds();
        for (x, expected) in [(low - 1.0, 0.0), (high + 1.0, 1.0)].into_iter().filter(|e| e.0.is_finite()) {
            let mut g = Graph::new();
            let mut feed = HashMap::new();
            let (id, node) = g.input("x", &[]);
            feed.insert(id, vec![x]);
            let args = case.constants(&mut g);
            if let Some(cdf) = case.family().cdf(&mut g, node, &args) {
                assert_eq!(evaluate(&g, &[cdf], &feed, 0)[0][0], expected, "{case:?}");
            }
        }
    }
}

#[test]
fn discrete_medians_halve_the_mass() {
    for rate in [0.0, 0.1, 0.69, 0.70, 1.0, 1.67, 1.68, 3.7, 10.0, 10.67, 10.69, 99.5, 1234.5] {
        let family = fe_distribution::family("Poisson").unwrap();
        let m = family.median(&[rate]).unwrap();
        let pmf = |k: f64| (k * f64::ln(rate) - rate - statrs::function::gamma::ln_gamma(k + 1.0)).exp();
        let upto = |last: f64| -> f64 { (0..=last as usize).map(|k| pmf(k as f64)).sum() };
        if rate > 0.0 {
            assert!(upto(m) >= 0.5 && (m == 0.0 || upto(m - 1.0) < 0.5), "rate {rate}: {m}");
        } else {
            assert_eq!(m, 0.0);
        }
    }
    assert_eq!(fe_distribution::family("Flat").unwrap().median(&[]), Some(0.0));
}

#[test]
fn medians_are_finite_or_absent_for_any_argument() {
    let odd = [f64::NAN, -1.0, 0.0, 1e-12, 1e-3, 1.0, 1e4, 1e7, 1e300, f64::INFINITY];
    for family in families() {
        for a in odd {
            for b in odd {
                for args in [vec![], vec![a], vec![a, b], vec![a, b, a]] {
                    let _ = family.median(&args);
                    let _ = family.support(&args.iter().map(|&a| Some(a)).collect::<Vec<_>>());
                }
            }
        }
    }
    let gamma = fe_distribution::family("Gamma").unwrap();
    close("a wide gamma", gamma.median(&[1e7, 1.0]).unwrap(), 1e7 - 1.0 / 3.0, 1e-9);
    let reference = statrs::distribution::Gamma::new(9e5, 1.0).unwrap().cdf(gamma.median(&[9e5, 1.0]).unwrap());
    assert!((reference - 0.5).abs() < 1e-8);
}

#[test]
fn fisher_information_is_the_variance_of_the_score() {
    for case in CASES {
        let mut g = Graph::new();
        let args = case.constants(&mut g);
        let Some(information) = case.family().fisher(&mut g, &args) else {
            let without = ["Uniform", "Pareto", "Binomial", "BetaBinomial", "ZeroInflatedPoisson", "NegativeBinomial"];
            assert!(without.contains(&case.name), "{case:?}");
            continue;
        };
        assert_eq!(information.len(), args.len());
        for (k, &node) in information.iter().enumerate() {
            // ∂ log p/∂θ at the points of the integral, by the graph's own derivative.
            let points = case.points(&[]);
            let score = scores(*case, &points.iter().map(|p| p.z).collect::<Vec<_>>(), k);
            let expected: f64 = points.iter().zip(score).map(|(p, s)| p.weight * s * s).sum();
            close(&format!("{case:?}, argument {k}"), scalar(&g, node), expected, 1e-9);
        }
    }
}

fn scores(case: Case, values: &[f64], k: usize) -> Vec<f64> {
    let mut g = Graph::new();
    let mut feed = HashMap::new();
    let axis = fe_graph::Axis::plain(g.add_axis("X", values.len()));
    let (x, node) = g.input("x", &[axis]);
    feed.insert(x, values.to_vec());
    let mut args = case.inputs(&mut g, &mut feed);
    // Spread over the axis, so that each value has its own score.
    let (id, own) = g.input("argument", &[axis]);
    feed.insert(id, vec![case.args[k]; values.len()]);
    args[k] = own;
    let density = case.family().log_density(&mut g, node, &args, None);
    let score = g.gradient(density, &[own]).unwrap();
    evaluate(&g, &score, &feed, 0).remove(0)
}
