//! Vector families, whose densities are shared out among the elements: by quadrature on the unconstrained scale, which
//! holds the stick-breaking map and its volume to account at once.

use std::collections::HashMap;

use crate::common::{close, evaluate};
use fe_distribution::{Distribution, Statistic, Support, family};
use fe_graph::{Axis, Graph, NodeId, Tensor};

/// Points per side of the quadrature.
const SIDE: usize = 261;

/// A Dirichlet over three shares, and a grid on its unconstrained scale.
struct Shares {
    g: Graph,
    axis: Axis,
    z: NodeId,
    feed: HashMap<fe_graph::InputId, Vec<f64>>,
    area: f64,
    volume: NodeId,
}

fn shares() -> Shares {
    let mut g = Graph::new();
    let axis = Axis::plain(g.add_axis("K", 3));
    let free = Axis::plain(g.add_axis("free", 2));
    let points = Axis::plain(g.add_axis("P", SIDE * SIDE));
    let (id, u) = g.input("u", &[free, points]);
    let (z, jacobian) = Support::break_stick(&mut g, u, free, axis);
    let volume = g.sum(jacobian, &[free]);
    let at = |k: usize| -26.0 + 52.0 / (SIDE - 1) as f64 * k as f64;
    let first = (0..SIDE * SIDE).map(|p| at(p / SIDE));
    let second = (0..SIDE * SIDE).map(|p| at(p % SIDE));
    let feed = HashMap::from([(id, first.chain(second).collect())]);
    Shares { g, axis, z, feed, area: (52.0 / (SIDE - 1) as f64).powi(2), volume }
}

fn dirichlet(s: &mut Shares, a: [f64; 3]) -> Distribution {
    let args = vec![s.g.literal(Tensor::new(vec![3], a.to_vec()).unwrap(), &[s.axis])];
    let mut d = Distribution::new(family("Dirichlet").unwrap(), args);
    d.event = Some(s.axis);
    d
}

#[test]
fn a_stick_breaks_into_shares() {
    let mut g = Graph::new();
    let axis = Axis::plain(g.add_axis("K", 4));
    let free = Axis::plain(g.add_axis("free", 3));
    let (id, u) = g.input("u", &[free]);
    let (z, jacobian) = Support::break_stick(&mut g, u, free, axis);
    let at = |u: [f64; 3]| {
        let mut v = evaluate(&g, &[z, jacobian], &HashMap::from([(id, u.to_vec())]), 0);
        let j = v.remove(1);
        (v.remove(0), j)
    };
    for share in at([0.0; 3]).0 {
        close("even", share, 0.25, 1e-15);
    }
    let u = [0.4, -1.3, 2.2];
    let (z, jacobian) = at(u);
    close("total", z.iter().sum(), 1.0, 1e-14);
    // The first three shares over u by central differences: triangular.
    let mut log_determinant = 0.0;
    for k in 0..3 {
        let moved = |by: f64| {
            let mut u = u;
            u[k] += by;
            at(u).0
        };
        let (up, down) = (moved(1e-6), moved(-1e-6));
        for j in 0..k {
            assert_eq!(up[j], down[j]);
        }
        log_determinant += ((up[k] - down[k]) / 2e-6).ln();
    }
    close("log determinant", jacobian.iter().sum(), log_determinant, 1e-8);
}

#[test]
fn a_dirichlet_is_what_quadrature_says() {
    for (a, b) in [([1.0, 1.0, 1.0], [2.0, 0.7, 1.5]), ([0.8, 2.5, 4.0], [1.0, 1.0, 3.0])] {
        let mut s = shares();
        let (q, p) = (dirichlet(&mut s, a), dirichlet(&mut s, b));
        let z = s.z;
        let (log_q, log_p) = (q.log_density(&mut s.g, z).unwrap(), p.log_density(&mut s.g, z).unwrap());
        let axis = s.axis;
        let (log_q, log_p) = (s.g.sum(log_q, &[axis]), s.g.sum(log_p, &[axis]));
        let mut nodes = vec![log_q, log_p, s.volume, z];
        for statistic in [Statistic::Value, Statistic::Square, Statistic::Log] {
            nodes.push(q.expectation(&mut s.g, statistic).unwrap());
        }
        let (entropy, kl) = (q.entropy(&mut s.g).unwrap(), q.kl(&mut s.g, &p).unwrap());
        nodes.extend([entropy, kl]);
        let v = evaluate(&s.g, &nodes, &s.feed, 0);
        let points = SIDE * SIDE;
        let mass: Vec<f64> = (0..points).map(|i| (v[0][i] + v[2][i]).exp() * s.area).collect();
        close("mass", mass.iter().sum(), 1.0, 1e-7);
        for k in 0..3 {
            let share = |i: usize| v[3][k * points + i];
            let mean = |f: &dyn Fn(f64) -> f64| (0..points).map(|i| mass[i] * f(share(i))).sum::<f64>();
            close("E z", mean(&|z| z), v[4][k], 1e-7);
            close("E z²", mean(&|z| z * z), v[5][k], 1e-7);
            close("E log z", mean(&|z| z.ln()), v[6][k], 1e-6);
        }
        let entropy: f64 = (0..points).map(|i| -mass[i] * v[0][i]).sum();
        close("entropy", v[7].iter().sum(), entropy, 1e-6);
        let kl: f64 = (0..points).map(|i| mass[i] * (v[0][i] - v[1][i])).sum();
        close("KL", v[8].iter().sum(), kl, 1e-6);
    }
}

/// A matrix over (axis, axis').
fn matrix(g: &mut Graph, axis: Axis, rows: [[f64; 2]; 2]) -> NodeId {
    let values = rows.concat();
    g.literal(Tensor::new(vec![2, 2], values).unwrap(), &[axis, axis.primed()])
}

#[test]
fn a_multivariate_normal_is_what_its_formula_says() {
    let mut g = Graph::new();
    let axis = Axis::plain(g.add_axis("K", 2));
    let vector = |g: &mut Graph, v: [f64; 2]| g.literal(Tensor::new(vec![2], v.to_vec()).unwrap(), &[axis]);
    // Σ, Σ⁻¹ and its lower factor by hand: Σ = [[2, 0.6], [0.6, 0.5]], det = 0.64.
    let (m, x) = (vector(&mut g, [0.3, -1.0]), vector(&mut g, [1.1, -0.4]));
    let covariance = matrix(&mut g, axis, [[2.0, 0.6], [0.6, 0.5]]);
    let precision = matrix(&mut g, axis, [[0.5 / 0.64, -0.6 / 0.64], [-0.6 / 0.64, 2.0 / 0.64]]);
    let l = [[2f64.sqrt(), 99.0], [0.6 / 2f64.sqrt(), (0.5 - 0.18f64).sqrt()]];
    let lower = matrix(&mut g, axis, l);
    let normal = family("MultivariateNormal").unwrap();
    let alternatives = normal.alternatives();
    let mut forms = vec![vec![m, covariance]];
    for (alternative, given) in alternatives.iter().zip([precision, lower]) {
        forms.push((alternative.canonical)(&mut g, &[m, given]));
    }
    let (d0, d1): (f64, f64) = (0.8, 0.6);
    let form = (0.5 * d0 * d0 - 1.2 * d0 * d1 + 2.0 * d1 * d1) / 0.64;
    let log_density = -0.5 * form - 0.5 * 0.64f64.ln() - (2.0 * std::f64::consts::PI).ln();
    let entropy = 1.0 + (2.0 * std::f64::consts::PI).ln() + 0.5 * 0.64f64.ln();
    for args in &forms {
        let mut d = Distribution::new(normal, args.clone());
        d.event = Some(axis);
        let found = d.log_density(&mut g, x).unwrap();
        let h = d.entropy(&mut g).unwrap();
        let square = d.expectation(&mut g, Statistic::Square).unwrap();
        let v = evaluate(&g, &[found, h, square], &HashMap::new(), 0);
        close("log density", v[0].iter().sum(), log_density, 1e-12);
        close("entropy", v[1].iter().sum(), entropy, 1e-12);
        close("E z²", v[2][0], 0.09 + 2.0, 1e-12);
    }
    // KL(q ‖ p) = ½ (tr Σp⁻¹Σq + gᵀ Σp⁻¹ g − 2 + log det Σp/det Σq), p with covariance [[1, −0.2], [−0.2, 0.8]].
    let (other, wide) = (vector(&mut g, [0.0, 0.5]), matrix(&mut g, axis, [[1.0, -0.2], [-0.2, 0.8]]));
    let mut q = Distribution::new(normal, forms.swap_remove(0));
    let mut p = Distribution::new(normal, vec![other, wide]);
    (q.event, p.event) = (Some(axis), Some(axis));
    let kl = q.kl(&mut g, &p).unwrap();
    let det: f64 = 0.76;
    let inverse = |a: f64, b: f64, c: f64| (0.8 * a + 0.4 * b + c) / det;
    let trace = inverse(2.0, 0.6, 0.5);
    let (g0, g1): (f64, f64) = (0.3, -1.5);
    let gap = inverse(g0 * g0, g0 * g1, g1 * g1);
    let expected = 0.5 * (trace + gap - 2.0 + (det / 0.64f64).ln());
    close("KL", evaluate(&g, &[kl], &HashMap::new(), 0)[0].iter().sum(), expected, 1e-12);
}

#[test]
fn all_outcomes_of_a_multinomial_add_up_to_one() {
    let (n, probs) = (4usize, [0.2, 0.5, 0.3]);
    let mut g = Graph::new();
    let axis = Axis::plain(g.add_axis("K", 3));
    let outcomes: Vec<[usize; 3]> = (0..=n).flat_map(|a| (0..=n - a).map(move |b| [a, b, n - a - b])).collect();
    let points = Axis::plain(g.add_axis("P", outcomes.len()));
    let (id, x) = g.input("x", &[axis, points]);
    let trials = g.constant(n as f64);
    let shares = g.literal(Tensor::new(vec![3], probs.to_vec()).unwrap(), &[axis]);
    let mut d = Distribution::new(family("Multinomial").unwrap(), vec![trials, shares]);
    d.event = Some(axis);
    let density = d.log_density(&mut g, x).unwrap();
    let density = g.sum(density, &[axis]);
    let mean = d.expectation(&mut g, Statistic::Value).unwrap();
    let values = (0..3).flat_map(|k| outcomes.iter().map(move |o| o[k] as f64)).collect();
    let found = evaluate(&g, &[density, mean], &HashMap::from([(id, values)]), 0);
    let mass: Vec<f64> = found[0].iter().map(|l| l.exp()).collect();
    close("mass", mass.iter().sum(), 1.0, 1e-13);
    let factorial = |k: usize| (1..=k).map(|i| i as f64).product::<f64>();
    for (o, m) in outcomes.iter().zip(&mass) {
        let ways = factorial(n) / o.iter().map(|&k| factorial(k)).product::<f64>();
        close("one", *m, ways * o.iter().zip(probs).map(|(&k, p)| p.powi(k as i32)).product::<f64>(), 1e-12);
    }
    for k in 0..3 {
        let by_sum: f64 = outcomes.iter().zip(&mass).map(|(o, m)| o[k] as f64 * m).sum();
        close("mean", found[1][k], by_sum, 1e-12);
    }
}
