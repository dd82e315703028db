//! Tails, truncation and censoring: against sums, integrals and another library.

use crate::common::{CASES, Case, close, evaluate};
use fe_distribution::{Cut, Distribution, Modifier, family};
use fe_graph::{Graph, NodeId};
use statrs::distribution::{ContinuousCDF, DiscreteCDF};
use std::collections::HashMap;

/// log P(z ≤ x) and log P(z > x), and their slopes in every argument against differences.
fn tails(name: &str, x: f64, args: &[f64]) -> [f64; 2] {
    let mut g = Graph::new();
    let mut feed = HashMap::new();
    let mut ids = vec![];
    let nodes: Vec<NodeId> = args
        .iter()
        .map(|&v| {
            let (id, node) = g.input("argument", &[]);
            feed.insert(id, vec![v]);
            ids.push(id);
            node
        })
        .collect();
    let end = g.constant(x);
    let f = family(name).unwrap();
    let both = [f.log_cdf(&mut g, end, &nodes).unwrap(), f.log_survival(&mut g, end, &nodes).unwrap()];
    let values = |feed: &_| -> Vec<f64> { evaluate(&g, &both, feed, 0).into_iter().map(|v| v[0]).collect() };
    let found = values(&feed);
    for (side, &tail) in both.iter().enumerate() {
        let mut own = g.clone();
        let slopes = own.gradient(tail, &nodes).unwrap();
        let slopes = evaluate(&own, &slopes, &feed, 0);
        for (k, id) in ids.iter().enumerate() {
            let h = 1e-5 * args[k].max(0.1);
            let at = |shift: f64| {
                let mut moved = feed.clone();
                moved.insert(*id, vec![args[k] + shift]);
                values(&moved)[side]
            };
            let numeric = (at(h) - at(-h)) / (2.0 * h);
            let error = (slopes[k][0] - numeric).abs();
            assert!(error < 2e-6 * numeric.abs().max(1.0), "{name} {args:?} at {x}, {k}: {} {numeric}", slopes[k][0]);
        }
    }
    [found[0], found[1]]
}

#[test]
fn tails_agree_with_statrs() {
    for (a, r) in [(0.4, 2.0), (3.5, 2.0), (60.0, 7.0)] {
        let other = statrs::distribution::Gamma::new(a, r).unwrap();
        for x in [0.05, 0.8, 2.0, 9.0] {
            let [below, above] = tails("Gamma", x, &[a, r]);
            let (p, q) = (other.cdf(x), other.sf(x));
            if p > 1e-12 {
                close(&format!("Gamma {a} below {x}"), below.exp(), p, 1e-9);
            }
            if q > 1e-12 {
                close(&format!("Gamma {a} above {x}"), above.exp(), q, 1e-9);
            }
            assert!(below.is_finite() && above.is_finite());
            let [inverse_below, inverse_above] = tails("InverseGamma", 1.0 / x, &[a, r]);
            close("inverse", inverse_below, above, 1e-10);
            close("inverse", inverse_above, below, 1e-10);
        }
    }
    for rate in [0.3, 4.0, 90.0] {
        let other = statrs::distribution::Poisson::new(rate).unwrap();
        for k in [0u32, 1, 5, 80, 140] {
            let [below, above] = tails("Poisson", f64::from(k), &[rate]);
            let (p, q) = (other.cdf(u64::from(k)), other.sf(u64::from(k)));
            if p > 1e-12 {
                close(&format!("Poisson {rate} up to {k}"), below.exp(), p, 1e-9);
            }
            if q > 1e-12 {
                close(&format!("Poisson {rate} above {k}"), above.exp(), q, 1e-9);
            }
        }
    }
    let far = tails("Gamma", 400.0, &[2.0, 1.0])[1];
    close("far out", far, -400.0 + 401f64.ln(), 1e-12);
    let none = tails("Poisson", 0.0, &[700.0])[0];
    close("no arrival", none, -700.0, 1e-12);
}

/// log p of values under modifiers with constant ends.
fn modified(case: Case, modifiers: &[(Modifier, &[f64])], values: &[f64]) -> Vec<f64> {
    let mut g = Graph::new();
    let mut d = Distribution::new(case.family(), case.constants(&mut g));
    for (modifier, ends) in modifiers {
        let ends: Vec<NodeId> = ends.iter().map(|&v| g.constant(v)).collect();
        d.modify(*modifier, &ends);
    }
    let axis = fe_graph::Axis::plain(g.add_axis("X", values.len()));
    let (id, x) = g.input("x", &[axis]);
    let density = d.log_density(&mut g, x).unwrap();
    let density = g.broadcast(density, &[axis]);
    evaluate(&g, &[density], &HashMap::from([(id, values.to_vec())]), 0).remove(0)
}

#[test]
fn counts_between_ends_add_up_to_one() {
    let mut tried = 0;
    for &case in CASES.iter().filter(|c| c.is_discrete() && c.name != "Bernoulli") {
        for (cut, ends, low, high) in
            [(Cut::Below, &[1.0][..], 1, 900), (Cut::Above, &[4.0][..], 0, 4), (Cut::Both, &[1.0, 4.0][..], 1, 4)]
        {
            let values: Vec<f64> = (0..=high + 1).map(f64::from).collect();
            let log_p = modified(case, &[(Modifier::Truncated(cut), ends)], &values);
            let mass: f64 = log_p.iter().map(|l| l.exp()).sum();
            let what = format!("{case:?} {ends:?}");
            // Where next to nothing is left, little is known of it.
            let plain: Vec<f64> = case.log_density(&values);
            let left: f64 = plain
                .iter()
                .zip(&values)
                .filter(|(_, v)| **v >= f64::from(low) && **v <= f64::from(high))
                .map(|(l, _)| l.exp())
                .sum();
            if left > 1e-9 {
                close(&what, mass, 1.0, 1e-7);
                tried += 1;
            }
            assert!(log_p[0] == f64::NEG_INFINITY || low == 0, "{what}: {}", log_p[0]);
        }
    }
    assert!(tried > 15, "{tried}");
}

#[test]
fn what_is_cut_twice_is_what_quadrature_says() {
    // A Gamma above 0.5, of which what reaches 2 is not told apart; and the other way round, which is the same.
    let case = Case { name: "Gamma", args: &[3.5, 2.0] };
    let (cut, limit) = (Modifier::Truncated(Cut::Below), Modifier::CensoredAbove);
    let values = [0.7, 1.9, 2.0];
    let inner = modified(case, &[(cut, &[0.5]), (limit, &[2.0])], &values);
    let outer = modified(case, &[(limit, &[2.0]), (cut, &[0.5])], &values);
    let above = |end: f64| case.expect(&[end], |p| f64::from(u8::from(p.z > end)));
    let plain = case.log_density(&values);
    for k in 0..2 {
        close("told", inner[k], plain[k] - above(0.5).ln(), 1e-9);
    }
    close("beyond", inner[2], (above(2.0) / above(0.5)).ln(), 1e-9);
    assert_eq!(inner, outer);
    // Truncated above too: what is beyond the limit ends there.
    let both = modified(case, &[(Modifier::Truncated(Cut::Both), &[0.5, 3.0]), (limit, &[2.0])], &values);
    close("between", both[2], ((above(2.0) - above(3.0)) / (above(0.5) - above(3.0))).ln(), 1e-9);
}

#[test]
fn a_weight_of_nothing_leaves_out_what_cannot_be() {
    let case = Case { name: "Poisson", args: &[2.0] };
    let cut = (Modifier::Truncated(Cut::Below), &[1.0][..]);
    assert_eq!(modified(case, &[cut, (Modifier::Weighted, &[0.0])], &[0.0]), [0.0]);
    let half = modified(case, &[cut, (Modifier::Weighted, &[0.5])], &[3.0])[0];
    close("half", half, 0.5 * modified(case, &[cut], &[3.0])[0], 1e-15);
}
