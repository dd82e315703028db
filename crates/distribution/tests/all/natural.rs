//! Metrics against the mean square of scores, and proximal maps against a search.

use std::collections::HashMap;

use fe_distribution::{Family, families, family};
use fe_graph::{Axis, Graph};

use crate::common::evaluate;

/// Arguments, each with the derivative of the argument in its coordinate: 1, of a log the argument, of a logit p (1 − p).
type Case = (&'static str, &'static [f64], fn(f64) -> [f64; 2]);

const LOG: fn(f64) -> [f64; 2] = |a| [a, a];
const CASES: [Case; 9] = [
    ("Poisson", &[1.7], LOG),
    ("Exponential", &[1.3], LOG),
    ("HalfNormal", &[0.7], LOG),
    ("Bernoulli", &[0.3], |p| [p * (1.0 - p); 2]),
    ("Normal", &[0.4, 0.8], |a| [1.0, a]),
    ("LogNormal", &[0.4, 0.8], |a| [1.0, a]),
    ("Laplace", &[0.4, 0.8], |a| [1.0, a]),
    ("Gamma", &[2.3, 1.4], LOG),
    ("NegativeBinomial", &[2.0, 3.0], |a| [a, 1.0]),
];

/// Values that carry all of a family's mass, and their weights.
fn grid(of: &dyn Family) -> (Vec<f64>, f64) {
    match of.name() {
        "Poisson" | "NegativeBinomial" => ((0..120).map(f64::from).collect(), 1.0),
        "Bernoulli" => (vec![0.0, 1.0], 1.0),
        "Normal" | "Laplace" => ((0..400_000).map(|k| -20.0 + 1e-4 * (f64::from(k) + 0.5)).collect(), 1e-4),
        // Its tail is long: up to seven standard deviations of the logarithm.
        "LogNormal" => ((0..600_000).map(|k| 1e-3 * (f64::from(k) + 0.5)).collect(), 1e-3),
        _ => ((0..600_000).map(|k| 1e-4 * (f64::from(k) + 0.5)).collect(), 1e-4),
    }
}

/// E[∂ log p/∂cᵢ ∂ log p/∂cⱼ], scores by the graph's own derivative.
fn information(of: &dyn Family, args: &[f64], slopes: &[f64]) -> Vec<Vec<f64>> {
    let (values, width) = grid(of);
    let mut g = Graph::new();
    let along = Axis::plain(g.add_axis("x", values.len()));
    let (x, node) = g.input("x", &[along]);
    let inputs: Vec<_> = (0..args.len()).map(|k| g.input(&format!("a{k}"), &[along])).collect();
    let nodes: Vec<_> = inputs.iter().map(|i| i.1).collect();
    let density = of.log_density(&mut g, node, &nodes, None);
    let total = g.sum_all_but(density, &[]);
    let mut outputs = g.gradient(total, &nodes).unwrap();
    outputs.push(density);
    let mut feed: HashMap<_, _> = inputs.iter().zip(args).map(|(i, &a)| (i.0, vec![a; values.len()])).collect();
    feed.insert(x, values);
    let mut found = evaluate(&g, &outputs, &feed, 0);
    let density = found.pop().unwrap();
    let product = |i: usize, j: usize| {
        let parts = density.iter().zip(&found[i]).zip(&found[j]);
        slopes[i] * slopes[j] * width * parts.map(|((l, a), b)| l.exp() * a * b).sum::<f64>()
    };
    (0..args.len()).map(|i| (0..args.len()).map(|j| product(i, j)).collect()).collect()
}

/// The direction of these slopes in the arguments.
fn direction(of: &dyn Family, args: &[f64], slopes: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut g = Graph::new();
    let nodes: Vec<_> = args.iter().map(|&a| g.constant(a)).collect();
    let given: Vec<_> = slopes.iter().map(|s| s.map(|s| g.constant(s))).collect();
    let found = (of.natural().unwrap().direction)(&mut g, &nodes, &given, None).unwrap();
    found.into_iter().map(|n| n.map(|n| evaluate(&g, &[n], &HashMap::new(), 0)[0][0])).collect()
}

#[test]
fn directions_solve_for_the_slope() {
    std::thread::scope(|scope| {
        for half in CASES.chunks(CASES.len().div_ceil(2)) {
            scope.spawn(|| directions_of(half));
        }
    });
}

fn directions_of(cases: &[Case]) {
    for &(name, args, chain) in cases {
        let of = family(name).unwrap();
        let slopes: Vec<f64> = args.iter().enumerate().map(|(k, &a)| chain(a)[k]).collect();
        let information = information(of, args, &slopes);
        let given = [0.7, -1.3];
        let alone: Vec<Vec<usize>> = match name {
            "NegativeBinomial" => vec![vec![0]],
            _ if args.len() == 2 => vec![vec![0], vec![1], vec![0, 1]],
            _ => vec![vec![0]],
        };
        for moving in alone {
            let stated: Vec<Option<f64>> = (0..args.len()).map(|k| moving.contains(&k).then_some(given[k])).collect();
            let found = direction(of, args, &stated);
            for &i in &moving {
                // F d = ∂J/∂c over what moves.
                let image: f64 = moving.iter().map(|&j| information[i][j] * found[j].unwrap()).sum();
                let wanted = slopes[i] * given[i];
                assert!((image - wanted).abs() < 2e-4 * wanted.abs(), "{name} {moving:?}: {image} for {wanted}");
            }
            assert!((0..args.len()).all(|k| found[k].is_some() == moving.contains(&k)));
        }
    }
}

/// Of weights w the direction is F⁺ ∂J/∂ log w: diag p − p pᵀ takes it back to the slope.
#[test]
fn directions_of_categories_solve_for_the_slope() {
    let (weights, slopes) = ([0.4, 1.0, 0.6], [0.7, -1.3, 0.2]);
    let mut g = Graph::new();
    let axis = Axis::plain(g.add_axis("K", 3));
    let (w, node) = g.input("w", &[axis]);
    let (s, slope) = g.input("s", &[axis]);
    let natural = family("Categorical").unwrap().natural().unwrap();
    let found = (natural.direction)(&mut g, &[node], &[Some(slope)], Some(axis)).unwrap()[0].unwrap();
    // Slopes of what depends on shares alone: they have no part along the weights.
    let total: f64 = weights.iter().sum();
    let along: f64 = weights.iter().zip(&slopes).map(|(w, s)| w * s).sum::<f64>() / total;
    let centred: Vec<f64> = slopes.iter().map(|s| s - along).collect();
    let feed = HashMap::from([(w, weights.to_vec()), (s, centred.clone())]);
    let d = evaluate(&g, &[found], &feed, 0).remove(0);
    let p: Vec<f64> = weights.iter().map(|w| w / total).collect();
    let mean: f64 = p.iter().zip(&d).map(|(p, d)| p * d).sum();
    for k in 0..3 {
        assert!((p[k] * (d[k] - mean) - weights[k] * centred[k]).abs() < 1e-14);
    }
}

#[test]
fn proximal_maps_minimise() {
    for of in families() {
        let Some(map) = of.proximal() else { continue };
        let args: Vec<f64> = if of.parameters().len() == 2 { vec![0.3, 0.8] } else { vec![0.8] };
        for v in [-2.0, -0.4, 0.2, 0.5, 1.7] {
            for w in [0.3, 1.0, 2.5] {
                let cost = |a: f64| {
                    let mut g = Graph::new();
                    let nodes: Vec<_> = args.iter().map(|&a| g.constant(a)).collect();
                    let x = g.constant(a);
                    let density = of.log_density(&mut g, x, &nodes, None);
                    0.5 * (a - v).powi(2) - w * evaluate(&g, &[density], &HashMap::new(), 0)[0][0]
                };
                let mut g = Graph::new();
                let nodes: Vec<_> = args.iter().map(|&a| g.constant(a)).collect();
                let (at, weight) = (g.constant(v), g.constant(w));
                let node = map(&mut g, at, weight, &nodes);
                let found = evaluate(&g, &[node], &HashMap::new(), 0)[0][0];
                let least = of.support(&[None, None]).unwrap().bounds().0;
                for by in [-0.3, -1e-3, 1e-3, 0.3] {
                    let other = (found + by).max(least);
                    assert!(cost(found) <= cost(other) + 1e-12, "{} at {v}, {w}: {found}, {other}", of.name());
                }
            }
        }
    }
}
