//! Samplers: in distribution, and in their derivatives.

use std::collections::HashMap;
use std::f64::consts::PI;

use crate::common::{CASES, Case, close, evaluate};
use fe_distribution::{Sampling, Support, family};
use fe_graph::{Axis, AxisId, Graph, Indicator, InputId, NodeId, Site};
use rand::SeedableRng;
use statrs::distribution::ContinuousCDF;

const DRAWS: usize = 20_000;

struct Pathwise {
    g: Graph,
    feed: HashMap<InputId, Vec<f64>>,
    args: Vec<NodeId>,
    ids: Vec<InputId>,
    draw: NodeId,
}

/// A sampler over `draws` samples, at a temperature; `None` where the family has none.
fn pathwise(case: Case, draws: usize, temperature: f64, indicator: Indicator) -> Option<Pathwise> {
    let mut g = Graph::new();
    g.set_extent(AxisId::SAMPLE, draws);
    let mut feed = HashMap::new();
    let args = case.inputs(&mut g, &mut feed);
    let mut ids: Vec<InputId> = feed.keys().copied().collect();
    ids.sort_unstable();
    let how = Sampling { temperature: g.constant(temperature), indicator };
    let draw = case.family().sample(&mut g, &args, Site::named(case.name), &[Axis::SAMPLE], &how)?;
    assert_eq!(g.axes_of(draw), [Axis::SAMPLE]);
    Some(Pathwise { g, feed, args, ids, draw })
}

/// P(z ≤ x) at many points, by the graph where it is closed and by statrs where not.
fn distribution_function(case: Case, x: &[f64]) -> Vec<f64> {
    let a = case.args;
    match case.name {
        "StudentT" => {
            let t = statrs::distribution::StudentsT::new(a[1], a[2], a[0]).unwrap();
            x.iter().map(|&x| t.cdf(x)).collect()
        }
        "Gamma" => x.iter().map(|&x| statrs::function::gamma::gamma_lr(a[0], a[1] * x)).collect(),
        "InverseGamma" => x.iter().map(|&x| statrs::function::gamma::gamma_ur(a[0], a[1] / x)).collect(),
        "ChiSquared" => x.iter().map(|&x| statrs::function::gamma::gamma_lr(0.5 * a[0], 0.5 * x)).collect(),
        "VonMises" => {
            let density = |t: f64| (a[1] * ((t - a[0]).cos() - 1.0)).exp();
            let upto = |end: f64| {
                let n = 4000;
                let h = (end + PI) / f64::from(n);
                (0..n).map(|j| h * density(-PI + h * (f64::from(j) + 0.5))).sum::<f64>()
            };
            x.iter().map(|&x| upto(x) / upto(PI)).collect()
        }
        "Beta" => x.iter().map(|&x| statrs::function::beta::beta_reg(a[0], a[1], x.min(1.0))).collect(),
        _ => {
            let mut g = Graph::new();
            let mut feed = HashMap::new();
            let axis = Axis::plain(g.add_axis("X", x.len()));
            let (id, node) = g.input("x", &[axis]);
            feed.insert(id, x.to_vec());
            let args = case.inputs(&mut g, &mut feed);
            let cdf = case.family().cdf(&mut g, node, &args).unwrap();
            evaluate(&g, &[cdf], &feed, 0).remove(0)
        }
    }
}

/// The Kolmogorov–Smirnov test at a level of 1e-4, or for discrete families the χ² test of cells with ten expected
/// draws or more.
fn check(what: &str, case: Case, mut draws: Vec<f64>) {
    let n = draws.len() as f64;
    assert!(draws.iter().all(|&z| case.support().contains_value(z)), "{what}: {case:?} left its support");
    if case.is_discrete() {
        let mut statistic = 0.0;
        let mut cells = 0.0;
        for point in case.points(&[]).iter().filter(|p| p.weight * n >= 10.0) {
            let found = draws.iter().filter(|&&z| z == point.z).count() as f64;
            statistic += (found - n * point.weight).powi(2) / (n * point.weight);
            cells += 1.0;
        }
        let limit = cells + 4.0 * f64::sqrt(2.0 * cells) + 4.0;
        assert!(statistic < limit, "{what}: {case:?} has χ² = {statistic} in {cells} cells");
        return;
    }
    draws.sort_by(f64::total_cmp);
    let distance = distribution_function(case, &draws)
        .iter()
        .enumerate()
        .fold(0.0f64, |d, (k, &p)| d.max((p - k as f64 / n).abs()).max((p - (k as f64 + 1.0) / n).abs()));
    assert!(distance < 2.23 / n.sqrt(), "{what}: {case:?} has a distance of {distance}");
}

#[test]
fn host_draws_follow_their_distribution() {
    for &case in CASES {
        let mut rng = rand::rngs::StdRng::seed_from_u64(7);
        let draws = (0..DRAWS).map(|_| case.family().draw(case.args, &mut rng).unwrap()).collect();
        check("host", case, draws);
    }
}

#[test]
fn pathwise_draws_follow_their_distribution() {
    let mut without = std::collections::BTreeSet::new();
    for &case in CASES {
        match pathwise(case, DRAWS, 0.0, Indicator::Cubic) {
            Some(p) => check("pathwise", case, evaluate(&p.g, &[p.draw], &p.feed, 11).remove(0)),
            None => drop(without.insert(case.name)),
        }
    }
    let expected = ["Bernoulli", "BetaBinomial", "Binomial", "Geometric", "NegativeBinomial", "ZeroInflatedPoisson"];
    assert_eq!(without.into_iter().collect::<Vec<_>>(), expected);
}

/// Draws without a derivative, of every count and of weights of categories.
#[test]
fn discrete_draws_follow_their_distribution() {
    let axes = [Axis::SAMPLE];
    for &case in CASES.iter().filter(|c| c.is_discrete()) {
        let mut g = Graph::new();
        g.set_extent(AxisId::SAMPLE, DRAWS);
        let mut feed = HashMap::new();
        let counted = ["Binomial", "BetaBinomial"].contains(&case.name);
        let args = if counted { case.constants(&mut g) } else { case.inputs(&mut g, &mut feed) };
        let drawn = case.family().discrete_sample(&mut g, &args, Site::named(case.name), &axes, None).unwrap();
        check("discrete", case, evaluate(&g, &[drawn], &feed, 5).remove(0));
    }
    let mut g = Graph::new();
    g.set_extent(AxisId::SAMPLE, DRAWS);
    let k = Axis::plain(g.add_axis("K", 4));
    let (input, weights) = g.input("weights", &[k]);
    let drawn = family("Categorical").unwrap().discrete_sample(&mut g, &[weights], Site(3), &axes, Some(k)).unwrap();
    let weights = vec![1.0, 0.0, 3.0, 6.0];
    let draws = evaluate(&g, &[drawn], &HashMap::from([(input, weights.clone())]), 2).remove(0);
    for (value, weight) in weights.into_iter().enumerate() {
        let count = draws.iter().filter(|&&z| z == value as f64).count() as f64;
        let expected = DRAWS as f64 * weight / 10.0;
        assert!((count - expected).abs() <= 4.0 * expected.sqrt(), "{value}: {count}, not {expected}");
    }
    // The number of trials has to be known beforehand.
    let (_, trials) = g.input("trials", &[]);
    let half = g.constant(0.5);
    assert!(family("Binomial").unwrap().discrete_sample(&mut g, &[trials, half], Site(3), &axes, None).is_none());
}

/// Shares of a Dirichlet draw: their sums, means and variances, and that small concentrations stay finite.
#[test]
fn shares_are_drawn_by_their_concentrations() {
    let mut g = Graph::new();
    g.set_extent(AxisId::SAMPLE, DRAWS);
    let k = Axis::plain(g.add_axis("K", 3));
    let (input, a) = g.input("a", &[k]);
    let how = Sampling { temperature: g.constant(0.0), indicator: Indicator::Cubic };
    let axes = [Axis::SAMPLE, k];
    let z = family("Dirichlet").unwrap().vector_sample(&mut g, &[a], Site(9), &axes, &how, k).unwrap();
    let log = g.log(z);
    for shapes in [[0.5, 2.0, 4.5], [0.01, 0.02, 0.03]] {
        let values = evaluate(&g, &[z, log], &HashMap::from([(input, shapes.to_vec())]), 4);
        assert!(values[1].iter().all(|v| v.is_finite()), "log shares are known where shares underflow");
        let total: f64 = shapes.iter().sum();
        for (j, shape) in shapes.iter().enumerate() {
            let share: Vec<f64> = values[0].chunks(3).map(|row| row[j]).collect();
            let n = share.len() as f64;
            let mean = share.iter().sum::<f64>() / n;
            let variance = share.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
            let p = shape / total;
            let exact = p * (1.0 - p) / (total + 1.0);
            assert!((mean - p).abs() < 4.0 * (exact / n).sqrt(), "{shapes:?} {j}: mean {mean}, not {p}");
            assert!((variance / exact - 1.0).abs() < 0.08, "{shapes:?} {j}: variance {variance}, not {exact}");
        }
        assert!(values[0].chunks(3).all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-12));
    }
}

/// The same draws at shifted arguments: the derivative is that of the path.
#[test]
fn derivatives_of_draws_are_those_of_their_paths() {
    for &case in CASES {
        let Some(mut p) = pathwise(case, 40, 0.5, Indicator::Quintic) else { continue };
        let args = p.args.clone();
        let slopes = p.g.gradient(p.draw, &args).unwrap();
        let found: Vec<f64> = evaluate(&p.g, &slopes, &p.feed, 3).into_iter().map(|v| v[0]).collect();
        for (k, found) in found.into_iter().enumerate() {
            let h = 1e-5 * case.args[k].abs().max(0.01);
            let mut total = |shift: f64| {
                p.feed.insert(p.ids[k], vec![case.args[k] + shift]);
                evaluate(&p.g, &[p.draw], &p.feed, 3)[0].iter().sum::<f64>()
            };
            let numeric = (total(h) - total(-h)) / (2.0 * h);
            total(0.0);
            let size = numeric.abs().max(1.0);
            assert!((found - numeric).abs() < 1e-5 * size, "{case:?}, argument {k}: {found} {numeric}");
        }
    }
}

/// Moments of the relaxed counts, in closed form by Campbell's theorem (arXiv 2602.03896).
#[test]
fn relaxed_counts_have_the_moments_of_campbells_theorem() {
    let n = 60_000;
    let rate = 3.0;
    for (indicator, temperature, kappa) in [(Indicator::Cubic, 0.4, 9.0 / 35.0), (Indicator::Linear, 0.4, 1.0 / 3.0)] {
        let p = pathwise(Case { name: "Poisson", args: &[3.0] }, n, temperature, indicator).unwrap();
        let draws = evaluate(&p.g, &[p.draw], &p.feed, 5).remove(0);
        let mean = draws.iter().sum::<f64>() / n as f64;
        let variance = draws.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / n as f64;
        assert!((mean / rate - 1.0).abs() < 0.01, "{indicator:?}: mean {mean}");
        assert!(
            (variance / (rate * (1.0 - kappa * temperature)) - 1.0).abs() < 0.02,
            "{indicator:?}: variance {variance}"
        );
    }
}

#[test]
fn draws_spread_over_the_axes_of_the_arguments() {
    let mut g = Graph::new();
    let k = Axis::plain(g.add_axis("K", 3));
    let (mean, m) = g.input("mean", &[k]);
    let s = g.constant(1.0);
    let how = Sampling { temperature: g.constant(0.0), indicator: Indicator::Cubic };
    g.set_extent(AxisId::SAMPLE, 2);
    for name in ["Normal", "Laplace", "Cauchy", "LogNormal"] {
        let z = family(name).unwrap().sample(&mut g, &[m, s], Site(1), &[Axis::SAMPLE], &how).unwrap();
        assert_eq!(g.axes_of(z), [Axis::SAMPLE, k], "{name}");
        let values = evaluate(&g, &[z], &HashMap::from([(mean, vec![0.0; 3])]), 1).remove(0);
        let distinct: std::collections::BTreeSet<u64> = values.iter().map(|v| v.to_bits()).collect();
        assert_eq!(distinct.len(), 6, "{name}: elements are independent");
    }
}

#[test]
fn categories_are_drawn_by_weight() {
    let family = family("Categorical").unwrap();
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let weights = [1.0, 0.0, 3.0, 6.0];
    let mut counts = [0.0; 4];
    for _ in 0..DRAWS {
        counts[family.draw(&weights, &mut rng).unwrap() as usize] += 1.0;
    }
    for (count, weight) in counts.into_iter().zip(weights) {
        let expected = DRAWS as f64 * weight / 10.0;
        assert!((count - expected).abs() <= 4.0 * expected.sqrt(), "{counts:?}");
    }
}

#[test]
fn invalid_arguments_are_not_drawn_from() {
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let draw = |name: &str, args: &[f64], rng: &mut rand::rngs::StdRng| family(name).unwrap().draw(args, rng);
    for (name, args) in [
        ("Normal", &[0.0][..]),
        ("Normal", &[0.0, f64::NAN]),
        ("Gamma", &[-1.0, 1.0]),
        ("Gamma", &[1.0, 0.0]),
        ("Beta", &[0.0, 1.0]),
        ("Poisson", &[-1.0]),
        ("Poisson", &[f64::INFINITY]),
        ("Bernoulli", &[1.5]),
        ("Uniform", &[1.0, 1.0]),
        ("Laplace", &[0.0, -1.0]),
        ("StudentT", &[0.0, 0.0, 1.0]),
        ("Exponential", &[-2.0]),
        ("Categorical", &[]),
        ("Categorical", &[0.0, 0.0]),
        ("Categorical", &[1.0, -1.0]),
        ("Flat", &[]),
    ] {
        assert_eq!(draw(name, args, &mut rng), None, "{name} {args:?}");
    }
    assert_eq!(draw("Poisson", &[0.0], &mut rng), Some(0.0));
    assert!(Support::Positive.contains_value(draw("HalfNormal", &[2.0], &mut rng).unwrap()));
    close("a degenerate normal", draw("Normal", &[3.0, 0.0], &mut rng).unwrap(), 3.0, 0.0);
}
