//! An interpreter of graphs in f64, quadrature, and cases, for the tests of every family.
#![allow(dead_code)]

use std::collections::HashMap;

use fe_distribution::{Family, Support, family};
use fe_graph::axis::Axis;
use fe_graph::noise::{Element, NoiseKey, Stream, arrivals};
use fe_graph::{Graph, InputId, NodeId, Op, Real, special};

/// The values of nodes, row-major over their axes; extents are the graph's nominal ones, and noise comes from `seed`.
pub fn evaluate(g: &Graph, outputs: &[NodeId], inputs: &HashMap<InputId, Vec<f64>>, seed: u64) -> Vec<Vec<f64>> {
    let mut known: HashMap<NodeId, Vec<f64>> = HashMap::new();
    for id in g.reachable(outputs) {
        let values = Evaluation { g, known: &known, inputs, seed }.node(id);
        known.insert(id, values);
    }
    outputs.iter().map(|o| known[o].clone()).collect()
}

/// The value of a node without inputs or axes.
pub fn scalar(g: &Graph, node: NodeId) -> f64 {
    evaluate(g, &[node], &HashMap::new(), 0)[0][0]
}

struct Evaluation<'a> {
    g: &'a Graph,
    known: &'a HashMap<NodeId, Vec<f64>>,
    inputs: &'a HashMap<InputId, Vec<f64>>,
    seed: u64,
}

impl Evaluation<'_> {
    fn extents(&self, axes: &[Axis]) -> Vec<usize> {
        axes.iter().map(|a| self.g.extent_of(a.id)).collect()
    }

    fn places(&self, axes: &[Axis]) -> Vec<HashMap<Axis, usize>> {
        let mut all = vec![HashMap::new()];
        for (&axis, extent) in axes.iter().zip(self.extents(axes)) {
            all = all
                .into_iter()
                .flat_map(|place: HashMap<Axis, usize>| {
                    (0..extent).map(move |k| {
                        let mut next = place.clone();
                        next.insert(axis, k);
                        next
                    })
                })
                .collect();
        }
        all
    }

    /// The element of a node at a place that has all its axes.
    fn at(&self, id: NodeId, place: &HashMap<Axis, usize>) -> f64 {
        let axes = self.g.axes_of(id);
        self.known[&id][self.flat(axes, place)]
    }

    fn flat(&self, axes: &[Axis], place: &HashMap<Axis, usize>) -> usize {
        axes.iter().zip(self.extents(axes)).fold(0, |at, (a, extent)| at * extent + place[a])
    }

    fn node(&self, id: NodeId) -> Vec<f64> {
        let node = self.g.node(id);
        let x = |k: usize| node.inputs[k];
        let places = self.places(&node.axes);
        let each = |f: &dyn Fn(&HashMap<Axis, usize>) -> f64| places.iter().map(f).collect::<Vec<f64>>();
        let stream = |site, rest: usize| {
            let key = NoiseKey { seed: self.seed, site, step: 0 };
            Stream::new(key, Element { row: 0, rest: rest as u32 })
        };
        let over = |axes: &[Axis], f: &dyn Fn(&HashMap<Axis, usize>) -> f64, fold: &dyn Fn(f64, f64) -> f64| {
            let inner = self.places(axes);
            each(&|p| {
                let whole = |q: &HashMap<Axis, usize>| p.iter().chain(q).map(|(a, k)| (*a, *k)).collect();
                // A sum over no elements is 0.
                inner.iter().map(|q| f(&whole(q))).reduce(fold).unwrap_or(0.0)
            })
        };
        match &node.op {
            Op::Constant(Real(v)) => vec![*v],
            Op::Literal(t) => t.values.clone(),
            Op::Input(i) => self.inputs[i].clone(),
            Op::Noise { kind, site } => (0..places.len()).map(|k| stream(*site, k).draw(*kind)).collect(),
            Op::Extent(a) => vec![self.g.extent_of(*a) as f64],
            Op::Iota => (0..places.len()).map(|k| k as f64).collect(),
            Op::Unary(op) => each(&|p| special::unary(*op, self.at(x(0), p))),
            Op::Binary(op) => each(&|p| special::binary(*op, self.at(x(0), p), self.at(x(1), p))),
            Op::Select => each(&|p| self.at(if self.at(x(0), p) != 0.0 { x(1) } else { x(2) }, p)),
            Op::Sum(axes) => over(axes, &|p| self.at(x(0), p), &|a, b| a + b),
            Op::Max(axes) => over(axes, &|p| self.at(x(0), p), &f64::max),
            Op::Contract(axes) => over(axes, &|p| self.at(x(0), p) * self.at(x(1), p), &|a, b| a + b),
            Op::Broadcast(_) | Op::Stop => each(&|p| self.at(x(0), p)),
            Op::Rename(pairs) => each(&|p| {
                let back = |a: &Axis| pairs.iter().find(|x| x.1 == *a).map_or(*a, |x| x.0);
                self.at(x(0), &p.iter().map(|(a, k)| (back(a), *k)).collect())
            }),
            Op::Gather { axis } => each(&|p| {
                let mut q = p.clone();
                q.insert(*axis, self.at(x(1), p) as usize);
                self.at(x(0), &q)
            }),
            Op::ScatterAdd { axis, over } => {
                let mut sums = vec![0.0; places.len()];
                for mut p in self.places(self.g.axes_of(x(0))) {
                    let u = self.at(x(0), &p);
                    let index = self.at(x(1), &p) as usize;
                    p.retain(|a, _| !over.contains(a));
                    p.insert(*axis, index);
                    sums[self.flat(&node.axes, &p)] += u;
                }
                sums
            }
            Op::Arrivals { order, indicator, site } => places
                .iter()
                .enumerate()
                .map(|(k, p)| {
                    let (rate, temperature) = (self.at(x(0), p), self.at(x(1), p));
                    arrivals(&mut stream(*site, k), rate, temperature, *order, *indicator)
                })
                .collect(),
            // Matrices without further axes, row-major: what the factors are is held to account in `fe-graph`.
            Op::Factor { kind, row, column } => {
                assert_eq!(node.axes, [*row, *column]);
                let mut values: Vec<f64> = places.iter().map(|p| self.at(x(0), p)).collect();
                fe_graph::matrix::factorize(*kind, self.g.extent_of(row.id), &mut values);
                values
            }
            op => panic!("the tests do not evaluate {op:?}"),
        }
    }
}

/// Agreement to a relative tolerance.
#[track_caller]
pub fn close(what: &str, found: f64, expected: f64, tolerance: f64) {
    let error = (found - expected).abs();
    assert!(
        error <= tolerance * expected.abs() + 1e-13 || found == expected,
        "{what}: {found} is not {expected} (difference {error:e})"
    );
}

/// A family and the numbers it is tried at.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub name: &'static str,
    pub args: &'static [f64],
}

impl Case {
    pub fn family(self) -> &'static dyn Family {
        family(self.name).unwrap()
    }

    pub fn support(self) -> Support {
        let known: Vec<Option<f64>> = self.args.iter().map(|&a| Some(a)).collect();
        self.family().support(&known).unwrap()
    }

    pub fn is_discrete(self) -> bool {
        self.support().is_discrete()
    }

    /// The arguments as constants of a graph.
    pub fn constants(self, g: &mut Graph) -> Vec<NodeId> {
        self.args.iter().map(|&a| g.constant(a)).collect()
    }

    /// The arguments as inputs of a graph, with their values.
    pub fn inputs(self, g: &mut Graph, feed: &mut HashMap<InputId, Vec<f64>>) -> Vec<NodeId> {
        let mut one = |&value: &f64| {
            let (id, node) = g.input("argument", &[]);
            feed.insert(id, vec![value]);
            node
        };
        self.args.iter().map(&mut one).collect()
    }

    /// log p at many values, through the graph, with the arguments as inputs.
    pub fn log_density(self, values: &[f64]) -> Vec<f64> {
        let mut g = Graph::new();
        let mut feed = HashMap::new();
        let axis = Axis::plain(g.add_axis("X", values.len()));
        let (x, node) = g.input("x", &[axis]);
        feed.insert(x, values.to_vec());
        let args = self.inputs(&mut g, &mut feed);
        let density = self.family().log_density(&mut g, node, &args, None);
        let density = g.broadcast(density, &[axis]);
        evaluate(&g, &[density], &feed, 0).remove(0)
    }

    /// Points z of the support with log p(z) and a weight, such that Σ weight · f(z) ≈ E[f(z)]. Exact enumeration for
    /// discrete families; else double-exponential quadrature on the unconstrained scale, in pieces that end at the
    /// median and at `kinks`.
    pub fn points(self, kinks: &[f64]) -> Vec<Point> {
        if self.is_discrete() {
            let last = match self.support() {
                Support::Bool => 1.0,
                _ => match self.name {
                    "Binomial" | "BetaBinomial" => self.args[0],
                    "Geometric" => 200.0,
                    _ => 160.0 + self.args[0] + 40.0 * self.args[0].sqrt(),
                },
            };
            let values: Vec<f64> = (0..=last as usize).map(|k| k as f64).collect();
            let log_p = self.log_density(&values);
            return values.iter().zip(log_p).map(|(&z, log_p)| Point { z, log_p, weight: log_p.exp() }).collect();
        }
        let support = self.support();
        let median = self.family().median(self.args).unwrap();
        let centre = support.unconstrain(median).unwrap();
        let mut ends: Vec<f64> = kinks.iter().filter_map(|&z| support.unconstrain(z)).chain([centre]).collect();
        ends.sort_by(f64::total_cmp);
        ends.dedup();
        let rule = pieces(&ends, self.scale(centre));
        let u: Vec<f64> = rule.iter().map(|r| r.0).collect();
        // z and log |dz/du| as the graph computes them, and log p of that very expression.
        let mut g = Graph::new();
        let mut feed = HashMap::new();
        let axis = Axis::plain(g.add_axis("U", u.len()));
        let (input, node) = g.input("u", &[axis]);
        feed.insert(input, u);
        let args = self.inputs(&mut g, &mut feed);
        let (z, jacobian) = support.constrain(&mut g, node).unwrap();
        let density = self.family().log_density(&mut g, z, &args, None);
        let outputs: Vec<NodeId> = [z, jacobian, density].iter().map(|&n| g.broadcast(n, &[axis])).collect();
        let values = evaluate(&g, &outputs, &feed, 0);
        rule.iter()
            .enumerate()
            .map(|(k, r)| {
                let log_p = values[2][k];
                Point { z: values[0][k], log_p, weight: r.1 * (log_p + values[1][k]).exp() }
            })
            .filter(|p| p.weight > 1e-150)
            .collect()
    }

    /// How far from the centre, on the unconstrained scale, the density has fallen.
    fn scale(self, centre: f64) -> f64 {
        let support = self.support();
        let log_p = |u: f64| {
            let h = 1e-6 * u.abs().max(1.0);
            let z = support.constrain_value(u).unwrap();
            let slope = (support.constrain_value(u + h).unwrap() - support.constrain_value(u - h).unwrap()) / (2.0 * h);
            self.log_density(&[z])[0] + slope.abs().ln()
        };
        let top = log_p(centre);
        let mut s = 1e-6;
        while s < 1e6 && log_p(centre + s) > top - 0.5 && log_p(centre - s) > top - 0.5 {
            s *= 2.0;
        }
        s
    }

    /// E[f(z)] with z and log p(z) given.
    pub fn expect(self, kinks: &[f64], f: impl Fn(&Point) -> f64) -> f64 {
        self.points(kinks).iter().map(|p| p.weight * f(p)).sum()
    }
}

/// A point of a quadrature rule or of an enumeration.
pub struct Point {
    pub z: f64,
    pub log_p: f64,
    pub weight: f64,
}

/// Double-exponential rules on the pieces between the ends and out to ±∞: (abscissa, weight).
fn pieces(ends: &[f64], scale: f64) -> Vec<(f64, f64)> {
    let half_pi = std::f64::consts::FRAC_PI_2;
    let (h, n) = (1.0 / 48.0, 216);
    let mut rule = vec![];
    for k in -n..=n {
        let t = h * f64::from(k);
        let (e, slope) = (half_pi * t.sinh(), h * half_pi * t.cosh());
        let out = scale * e.exp();
        rule.push((ends[0] - out, slope * out));
        rule.push((ends[ends.len() - 1] + out, slope * out));
        for pair in ends.windows(2) {
            let half = 0.5 * (pair[1] - pair[0]);
            // The distance to the nearer end, without cancellation.
            let near = 2.0 * half / (1.0 + (2.0 * e.abs()).exp());
            let u = if e < 0.0 { pair[0] + near } else { pair[1] - near };
            rule.push((u, half * slope / e.cosh().powi(2)));
        }
    }
    rule.retain(|r| r.1.is_finite() && r.1 > 0.0);
    rule
}

/// Every family at several arguments; `Flat` and `Categorical` have tests of their own.
pub const CASES: &[Case] = &[
    Case { name: "Normal", args: &[0.0, 1.0] },
    Case { name: "Normal", args: &[1.5, 0.3] },
    Case { name: "Normal", args: &[-4.0, 2.5] },
    Case { name: "LogNormal", args: &[0.3, 0.7] },
    Case { name: "LogNormal", args: &[-2.0, 0.1] },
    Case { name: "HalfNormal", args: &[1.7] },
    Case { name: "HalfNormal", args: &[0.05] },
    Case { name: "HalfCauchy", args: &[2.5] },
    Case { name: "Cauchy", args: &[-1.0, 0.4] },
    Case { name: "StudentT", args: &[5.5, 0.7, 2.0] },
    Case { name: "StudentT", args: &[2.5, -1.0, 0.3] },
    Case { name: "Laplace", args: &[0.8, 0.5] },
    Case { name: "Laplace", args: &[-1.1, 2.0] },
    Case { name: "Exponential", args: &[0.2] },
    Case { name: "Exponential", args: &[7.0] },
    Case { name: "Gamma", args: &[3.5, 2.0] },
    Case { name: "Gamma", args: &[0.6, 0.1] },
    Case { name: "Gamma", args: &[250.0, 30.0] },
    Case { name: "Beta", args: &[2.5, 4.0] },
    Case { name: "Beta", args: &[0.5, 0.7] },
    Case { name: "Uniform", args: &[-1.0, 3.0] },
    Case { name: "Uniform", args: &[0.0, 1.0] },
    Case { name: "Uniform", args: &[2.0, 2.5] },
    Case { name: "Bernoulli", args: &[0.3] },
    Case { name: "Poisson", args: &[0.02] },
    Case { name: "Poisson", args: &[3.7] },
    Case { name: "Poisson", args: &[148.0] },
    Case { name: "Logistic", args: &[0.7, 0.4] },
    Case { name: "Logistic", args: &[-2.0, 1.5] },
    Case { name: "Gumbel", args: &[0.5, 0.8] },
    Case { name: "Gumbel", args: &[-1.0, 2.0] },
    Case { name: "InverseGamma", args: &[4.5, 2.0] },
    Case { name: "InverseGamma", args: &[0.8, 3.0] },
    Case { name: "ChiSquared", args: &[3.0] },
    Case { name: "ChiSquared", args: &[40.0] },
    Case { name: "Weibull", args: &[1.7, 2.0] },
    Case { name: "Weibull", args: &[0.8, 0.5] },
    Case { name: "Pareto", args: &[3.0, 1.5] },
    Case { name: "Pareto", args: &[0.9, 0.2] },
    Case { name: "VonMises", args: &[0.4, 2.0] },
    Case { name: "VonMises", args: &[-1.2, 55.0] },
    Case { name: "Binomial", args: &[12.0, 0.3] },
    Case { name: "BetaBinomial", args: &[9.0, 1.5, 0.7] },
    Case { name: "ZeroInflatedPoisson", args: &[3.2, 0.25] },
    Case { name: "NegativeBinomial", args: &[4.0, 1.7] },
    Case { name: "NegativeBinomial", args: &[0.3, 12.0] },
    Case { name: "Geometric", args: &[0.35] },
];
