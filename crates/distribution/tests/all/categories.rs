//! Ratings between cutpoints, links of probabilities, counts with Dirichlet shares, vectors with gaps, and a log density
//! that is given: against definitions, enumeration, margins by hand, and references of 40 digits.

use std::collections::HashMap;

use crate::common::{close, evaluate, scalar};
use fe_distribution::{Distribution, Modifier, family};
use fe_graph::{Axis, Graph, NodeId, Tensor};

/// A vector along an axis.
fn vector(g: &mut Graph, axis: Axis, values: &[f64]) -> NodeId {
    g.literal(Tensor::new(vec![values.len()], values.to_vec()).unwrap(), &[axis])
}

/// log p of every rating, and its slopes in the location and the cutpoints summed over ratings with weights.
fn ratings(name: &str, location: f64, cutpoints: &[f64]) -> Vec<f64> {
    let mut g = Graph::new();
    let count = cutpoints.len() + 1;
    let (axis, points) = (Axis::plain(g.add_axis("C", cutpoints.len())), Axis::plain(g.add_axis("P", count)));
    let (id, x) = g.input("x", &[points]);
    let args = vec![g.constant(location), vector(&mut g, axis, cutpoints)];
    let mut d = Distribution::new(family(name).unwrap(), args);
    d.event = Some(axis);
    let density = d.log_density(&mut g, x).unwrap();
    evaluate(&g, &[density], &HashMap::from([(id, (0..count).map(|k| k as f64).collect())]), 0).remove(0)
}

#[test]
fn ratings_have_the_probabilities_of_their_intervals() {
    let c = [-1.5, 0.25, 2.0];
    let references: [(&str, f64, [f64; 4]); 4] = [
        ("OrderedLogistic", 0.3, [-1.952977610526074, -1.0623241252329072, -1.0271325440930992, -1.8677860293862658]),
        (
            "OrderedLogistic",
            20.0,
            [-21.500000000459906, -19.940886869800025, -18.1908868845701, -1.5229979628736488e-08],
        ),
        ("OrderedProbit", 0.3, [-3.3261737963785936, -0.811635996360972, -0.7436547982410668, -3.1107960975524813]),
        ("OrderedProbit", 20.0, [-235.114143222833, -198.93588948907095, -165.8123732507142, 0.0]),
    ];
    for (name, location, expected) in references {
        let found = ratings(name, location, &c);
        let mirrored = ratings(name, -location, &c.map(|c| -c).into_iter().rev().collect::<Vec<_>>());
        for (k, &e) in expected.iter().enumerate() {
            close(&format!("{name} at {location}, rating {k}"), found[k], e, 2e-12);
            close(&format!("{name} at {location}, mirrored {k}"), mirrored[3 - k], e, 2e-12);
        }
        close("mass", found.iter().map(|l| l.exp()).sum(), 1.0, 1e-13);
    }
    // Cutpoints that nearly touch.
    let narrow = [0.0, 2f64.powi(-30)];
    close("narrow", ratings("OrderedLogistic", 0.5, &narrow)[1], -22.242569385044526, 1e-12);
    close("narrow", ratings("OrderedProbit", 0.5, &narrow)[1], -21.8383539497702, 1e-8);
    // One cutpoint is a coin.
    let coin = ratings("OrderedLogistic", 0.7, &[0.0]);
    close("coin", coin[1], -(-0.7f64).exp().ln_1p(), 1e-14);
}

#[test]
fn slopes_of_ratings_agree_with_differences_everywhere() {
    for name in ["OrderedLogistic", "OrderedProbit"] {
        for location in [-30.0, -1.0, 0.4, 30.0] {
            for rating in 0..4 {
                let mut g = Graph::new();
                let axis = Axis::plain(g.add_axis("C", 3));
                let (l, eta) = g.input("location", &[]);
                let (c, cutpoints) = g.input("cutpoints", &[axis]);
                let x = g.constant(f64::from(rating));
                let mut d = Distribution::new(family(name).unwrap(), vec![eta, cutpoints]);
                d.event = Some(axis);
                let density = d.log_density(&mut g, x).unwrap();
                let slopes = g.gradient(density, &[eta, cutpoints]).unwrap();
                let at = |v: [f64; 4]| {
                    let feed = HashMap::from([(l, vec![v[0]]), (c, v[1..].to_vec())]);
                    evaluate(&g, &[density, slopes[0], slopes[1]], &feed, 0)
                };
                let here = [location, -1.5, 0.25, 2.0];
                let found = at(here);
                let own = [&found[1][..], &found[2]].concat();
                for k in 0..4 {
                    let (mut up, mut down) = (here, here);
                    (up[k], down[k]) = (here[k] + 1e-5, here[k] - 1e-5);
                    let numeric = (at(up)[0][0] - at(down)[0][0]) / 2e-5;
                    let error = (own[k] - numeric).abs();
                    assert!(
                        error < 2e-5 * numeric.abs().max(1.0),
                        "{name} {location} {rating} {k}: {} {numeric}",
                        own[k]
                    );
                }
            }
        }
    }
}

/// log p and log(1 − p) of a coin whose probability is linked to x, and their slopes.
fn coin(g: &mut Graph, x: NodeId, prob: NodeId) -> Vec<NodeId> {
    let mut nodes = vec![];
    for side in [1.0, 0.0] {
        let side = g.constant(side);
        let density = family("Bernoulli").unwrap().log_density(g, side, &[prob], None);
        let slope = g.gradient(density, &[x]).unwrap();
        nodes.extend([density, slope[0]]);
    }
    nodes
}

#[test]
fn probabilities_by_links_lose_nothing_in_their_tails() {
    let by_name = |argument: &str, v: f64| {
        let mut g = Graph::new();
        let (id, x) = g.input("x", &[]);
        let alternatives = family("Bernoulli").unwrap().alternatives();
        let link = alternatives.iter().find(|a| a.parameters[0].name == argument).unwrap();
        let prob = (link.canonical)(&mut g, &[x])[0];
        let nodes = coin(&mut g, x, prob);
        let values = evaluate(&g, &nodes, &HashMap::from([(id, vec![v])]), 0);
        values.into_iter().map(|v| v[0]).collect::<Vec<_>>()
    };
    // x, log p, log(1 − p)
    for (v, yes, no) in [
        (-40.0, -40.0, -4.248354255291589e-18),
        (-3.0, -3.0247902549765606, -0.049787068367863944),
        (1.5, -0.011378779845083259, -4.4816890703380645),
        (4.0, -1.9423376049564018e-24, -54.598150033144236),
        (-600.0, -600.0, 0.0),
        (40.0, 0.0, -(40f64.exp())),
    ] {
        let found = by_name("cloglog", v);
        close(&format!("cloglog {v}"), found[0], yes, 1e-13);
        close(&format!("cloglog {v}, other"), found[2], no, 1e-13);
        assert!(found.iter().all(|f| f.is_finite()), "{v}: {found:?}");
        // d/dx of log p: eˣ e^{−eˣ}/(1 − e^{−eˣ}); of log(1 − p): −eˣ.
        let e = v.exp();
        close(
            "slope",
            found[1],
            if v > 20.0 {
                0.0
            } else if v < -20.0 {
                1.0
            } else {
                e / e.exp_m1()
            },
            1e-12,
        );
        close("other slope", found[3], -e, 1e-13);
    }
    for (v, yes, no) in [(-30.0, -454.3212439563432, 0.0), (8.0, -6.220960574271786e-16, -35.01343715991455)] {
        let found = by_name("probit", v);
        close(&format!("probit {v}"), found[0], yes, 1e-13);
        close(&format!("probit {v}, other"), found[2], no, 1e-13);
        assert!(found.iter().all(|f| f.is_finite()), "{v}: {found:?}");
        let other = by_name("probit", -v);
        close("mirrored", other[2], yes, 1e-13);
    }
}

/// The probability may be spelled out, or its rest may be.
#[test]
fn written_out_links_are_the_links() {
    let mut g = Graph::new();
    let (id, x) = g.input("x", &[]);
    let one = g.constant(1.0);
    let mut probs = vec![];
    let phi = g.normal_cdf(x);
    probs.push(g.sub(one, phi));
    let e = g.exp(x);
    let e = g.neg(e);
    probs.push(g.exp(e));
    let rest = g.sub(one, probs[1]);
    probs.push(rest);
    let sigmoid = g.sigmoid(x);
    probs.push(g.sub(one, sigmoid));
    let nodes: Vec<NodeId> = probs.into_iter().flat_map(|p| coin(&mut g, x, p)).collect();
    for v in [-20.0, 0.3, 3.0] {
        let found = evaluate(&g, &nodes, &HashMap::from([(id, vec![v])]), 0);
        assert!(found.iter().all(|f| f[0].is_finite()), "{v}: {found:?}");
        // Yes of one is no of the other.
        close("loglog", found[4][0], found[10][0], 1e-15);
        close("cloglog", found[6][0], found[8][0], 1e-15);
        close("sigmoid", found[12][0], -(v + (-v).exp().ln_1p()), 1e-14);
    }
}

#[test]
fn all_outcomes_of_a_dirichlet_multinomial_add_up_to_one() {
    let (n, a) = (5usize, [0.7, 2.0, 1.3]);
    let mut g = Graph::new();
    let axis = Axis::plain(g.add_axis("K", 3));
    let outcomes: Vec<[usize; 3]> = (0..=n).flat_map(|a| (0..=n - a).map(move |b| [a, b, n - a - b])).collect();
    let points = Axis::plain(g.add_axis("P", outcomes.len()));
    let (id, x) = g.input("x", &[axis, points]);
    let args = vec![g.constant(n as f64), vector(&mut g, axis, &a)];
    let mut d = Distribution::new(family("DirichletMultinomial").unwrap(), args);
    d.event = Some(axis);
    let density = d.log_density(&mut g, x).unwrap();
    let density = g.sum(density, &[axis]);
    let mean = d.expectation(&mut g, fe_distribution::Statistic::Value).unwrap();
    let values = (0..3).flat_map(|k| outcomes.iter().map(move |o| o[k] as f64)).collect();
    let found = evaluate(&g, &[density, mean], &HashMap::from([(id, values)]), 0);
    let mass: Vec<f64> = found[0].iter().map(|l| l.exp()).collect();
    close("mass", mass.iter().sum(), 1.0, 1e-13);
    // Pólya's urn: outcomes one after another, each as likely as a share of what is in the urn.
    let ways = |o: &[usize; 3]| {
        let factorial = |k: usize| (1..=k).map(|i| i as f64).product::<f64>();
        factorial(n) / o.iter().map(|&k| factorial(k)).product::<f64>()
    };
    for (o, m) in outcomes.iter().zip(&mass) {
        let (mut p, mut drawn) = (ways(o), 0);
        for (k, &count) in o.iter().enumerate() {
            for i in 0..count {
                p *= (a[k] + i as f64) / (4.0 + drawn as f64);
                drawn += 1;
            }
        }
        close("one", *m, p, 1e-12);
    }
    for k in 0..3 {
        let by_sum: f64 = outcomes.iter().zip(&mass).map(|(o, m)| o[k] as f64 * m).sum();
        close("mean", found[1][k], by_sum, 1e-12);
    }
}

#[test]
fn a_vector_with_gaps_has_the_density_of_its_margin() {
    let mut g = Graph::new();
    let axis = Axis::plain(g.add_axis("K", 3));
    let m = [0.3, -1.0, 2.0];
    let s = [[2.0, 0.6, -0.3], [0.6, 0.5, 0.1], [-0.3, 0.1, 1.5]];
    let (id, values) = g.input("x", &[axis]);
    let (mean_id, mean) = g.input("mean", &[axis]);
    let covariance = g.literal(Tensor::new(vec![3, 3], s.concat()).unwrap(), &[axis, axis.primed()]);
    let mut whole = Distribution::new(family("MultivariateNormal").unwrap(), vec![mean, covariance]);
    whole.event = Some(axis);
    let mut parts = whole.clone();
    parts.modify(Modifier::Missing, &[]);
    let (density, plain) = (parts.log_density(&mut g, values).unwrap(), whole.log_density(&mut g, values).unwrap());
    let (density, plain) = (g.sum(density, &[axis]), g.sum(plain, &[axis]));
    let slope = g.gradient(density, &[mean]).unwrap()[0];
    let at = |x: [f64; 3], m: [f64; 3]| {
        let feed = HashMap::from([(id, x.to_vec()), (mean_id, m.to_vec())]);
        evaluate(&g, &[density, slope, plain], &feed, 0)
    };
    let (nan, log_two_pi) = (f64::NAN, (2.0 * std::f64::consts::PI).ln());
    // Elements 0 and 2 by the formula of two.
    let (d0, d2): (f64, f64) = (0.8, 0.5);
    let det: f64 = 2.0 * 1.5 - 0.09;
    let form = (1.5 * d0 * d0 + 0.6 * d0 * d2 + 2.0 * d2 * d2) / det;
    close("two", at([1.1, nan, 2.5], m)[0][0], -0.5 * form - 0.5 * det.ln() - log_two_pi, 1e-13);
    let one = -0.5 * 0.36 / 0.5 - 0.5 * 0.5f64.ln() - 0.5 * log_two_pi;
    close("one", at([nan, -0.4, nan], m)[0][0], one, 1e-13);
    close("none", at([nan; 3], m)[0][0], 0.0, 1e-15);
    let all = at([1.1, -0.4, 2.5], m);
    close("all", all[0][0], all[2][0], 1e-13);
    for x in [[1.1, -0.4, 2.5], [1.1, nan, 2.5], [nan, -0.4, nan], [nan; 3]] {
        let found = at(x, m)[1].clone();
        for k in 0..3 {
            let (mut up, mut down) = (m, m);
            (up[k], down[k]) = (m[k] + 1e-5, m[k] - 1e-5);
            let numeric = (at(x, up)[0][0] - at(x, down)[0][0]) / 2e-5;
            assert!((found[k] - numeric).abs() < 1e-8, "{x:?} {k}: {} {numeric}", found[k]);
        }
    }
}

#[test]
fn an_angle_of_no_concentration_is_uniform() {
    let mut g = Graph::new();
    let (zero, x) = (g.constant(0.0), g.constant(1.3));
    let circle = family("VonMises").unwrap();
    let density = circle.log_density(&mut g, x, &[zero, zero], None);
    close("density", scalar(&g, density), -(2.0 * std::f64::consts::PI).ln(), 1e-15);
    let entropy = circle.entropy(&mut g, &[zero, zero]).unwrap();
    close("entropy", scalar(&g, entropy), (2.0 * std::f64::consts::PI).ln(), 1e-15);
    assert_eq!(circle.median(&[0.0, 0.0]).map(|m| m.abs() < 1e-12), Some(true));
    let mut rng = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(1);
    assert!(circle.draw(&[0.0, 0.0], &mut rng).is_some());
}

#[test]
fn a_log_density_is_what_is_given() {
    let mut g = Graph::new();
    let rows = Axis::plain(g.add_axis("N", 2));
    let (x, value) = (vector(&mut g, rows, &[5.0, 6.0]), vector(&mut g, rows, &[-0.3, 1.2]));
    let d = Distribution::new(family("LogDensity").unwrap(), vec![value]);
    assert_eq!(d.support(&g), None);
    let density = d.log_density(&mut g, x).unwrap();
    assert_eq!(evaluate(&g, &[density], &HashMap::new(), 0)[0], [-0.3, 1.2]);
}
