//! The constructors simplify, and substitution rebuilds: neither may change a value.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::naive::{Case, Random, each};
use fe_graph::{Axis, AxisId, Binary, Graph, InputId, NodeId, Op, Tensor, Unary, axis, special};

/// An expression as it was written.
enum Written {
    Number(f64),
    Leaf(InputId, Vec<Axis>),
    Unary(Unary, Box<Written>),
    Binary(Binary, Box<Written>, Box<Written>),
    Select(Box<Written>, Box<Written>, Box<Written>),
    Sum(Vec<Axis>, Box<Written>),
    Max(Vec<Axis>, Box<Written>),
    Contract(Vec<Axis>, Box<Written>, Box<Written>),
    Broadcast(Vec<Axis>, Box<Written>),
}

use Written as W;

impl Written {
    fn axes(&self) -> Vec<Axis> {
        match self {
            W::Number(_) => vec![],
            W::Leaf(_, axes) => axes.clone(),
            W::Unary(_, x) => x.axes(),
            W::Binary(_, x, y) => axis::union(&x.axes(), &y.axes()),
            W::Select(c, x, y) => axis::union(&c.axes(), &axis::union(&x.axes(), &y.axes())),
            W::Sum(over, x) | W::Max(over, x) => axis::difference(&x.axes(), over),
            W::Contract(over, x, y) => axis::difference(&axis::union(&x.axes(), &y.axes()), over),
            W::Broadcast(added, x) => axis::union(&x.axes(), added),
        }
    }

    /// The value, by definition. Clears `finite` where any part of the expression is not finite: a simpler form may
    /// then differ, exp(log x) at x < 0 for one.
    fn value(&self, case: &Case, env: &HashMap<Axis, usize>, finite: &Cell<bool>) -> f64 {
        let value = self.raw(case, env, finite);
        finite.set(finite.get() && value.is_finite());
        value
    }

    fn raw(&self, case: &Case, env: &HashMap<Axis, usize>, finite: &Cell<bool>) -> f64 {
        let extent = |a: Axis| case.graph.extent_of(a.id);
        let over = |axes: &[Axis], start: f64, f: &dyn Fn(f64, &HashMap<Axis, usize>) -> f64| {
            let mut total = start;
            each(axes, &extent, &mut env.clone(), &mut |env| total = f(total, env));
            total
        };
        match self {
            W::Number(v) => *v,
            W::Leaf(id, axes) => case.feed.inputs[id].values[axes.iter().fold(0, |at, &a| at * extent(a) + env[&a])],
            W::Unary(op, x) => special::unary(*op, x.value(case, env, finite)),
            W::Binary(op, x, y) => special::binary(*op, x.value(case, env, finite), y.value(case, env, finite)),
            W::Select(c, x, y) => {
                if c.value(case, env, finite) != 0.0 {
                    x.value(case, env, finite)
                } else {
                    y.value(case, env, finite)
                }
            }
            W::Sum(axes, x) => over(axes, 0.0, &|t, e| t + x.value(case, e, finite)),
            W::Max(axes, x) => over(axes, f64::NEG_INFINITY, &|t, e| t.max(x.value(case, e, finite))),
            W::Contract(axes, x, y) => over(axes, 0.0, &|t, e| t + x.value(case, e, finite) * y.value(case, e, finite)),
            W::Broadcast(_, x) => x.value(case, env, finite),
        }
    }

    fn build(&self, g: &mut Graph) -> NodeId {
        match self {
            W::Number(v) => g.constant(*v),
            W::Leaf(id, _) => g.input_node(*id),
            W::Unary(op, x) => {
                let x = x.build(g);
                g.unary(*op, x)
            }
            W::Binary(op, x, y) => {
                let (x, y) = (x.build(g), y.build(g));
                g.binary(*op, x, y)
            }
            W::Select(c, x, y) => {
                let (c, x, y) = (c.build(g), x.build(g), y.build(g));
                g.select(c, x, y)
            }
            W::Sum(axes, x) => {
                let x = x.build(g);
                g.sum(x, axes)
            }
            W::Max(axes, x) => {
                let x = x.build(g);
                g.max(x, axes)
            }
            W::Contract(axes, x, y) => {
                let (x, y) = (x.build(g), y.build(g));
                g.contract(x, y, axes)
            }
            W::Broadcast(axes, x) => {
                let x = x.build(g);
                g.broadcast(x, axes)
            }
        }
    }
}

/// Random expressions, dense in what the simplifier looks for.
fn write(random: &mut Random, leaves: &[(InputId, Vec<Axis>)], axes: &[Axis], depth: usize) -> Written {
    use Unary::*;
    if depth == 0 {
        let numbers = [0.0, 1.0, -1.0, 2.0, 0.5, 3.0];
        return match random.below(3) {
            0 => W::Number(numbers[random.below(numbers.len())]),
            _ => {
                let (id, axes) = &leaves[random.below(leaves.len())];
                W::Leaf(*id, axes.clone())
            }
        };
    }
    let inner = |random: &mut Random| {
        let less = 1 + random.below(2).min(depth - 1);
        Box::new(write(random, leaves, axes, depth - less))
    };
    let some = |random: &mut Random| -> Vec<Axis> { axes.iter().copied().filter(|_| random.below(2) == 0).collect() };
    match random.below(12) {
        0..5 => {
            let all = [
                Neg, Neg, Exp, Exp, Log, Log, Log1p, Expm1, Sqrt, Square, Square, Recip, Recip, Abs, Sigmoid, Softplus,
            ];
            W::Unary(all[random.below(all.len())], inner(random))
        }
        5..9 => {
            use Binary::*;
            let all = [Add, Add, Sub, Sub, Mul, Mul, Mul, Div, Div, Pow, Max, Min, Less, LessEqual, Equal];
            W::Binary(all[random.below(all.len())], inner(random), inner(random))
        }
        9 => {
            let x = inner(random);
            let over = axis::intersection(&some(random), &x.axes());
            if random.below(4) == 0 { W::Max(over, x) } else { W::Sum(over, x) }
        }
        10 => {
            let (x, y) = (inner(random), inner(random));
            let over = axis::intersection(&some(random), &axis::union(&x.axes(), &y.axes()));
            W::Contract(over, x, y)
        }
        _ => {
            if random.below(3) == 0 {
                W::Select(inner(random), inner(random), inner(random))
            } else {
                W::Broadcast(some(random), inner(random))
            }
        }
    }
}

fn written(seed: u64, depth: usize) -> (Case, Written, Vec<(InputId, Vec<Axis>)>) {
    let mut case = Case::new(seed);
    let (a, b, c) = (case.axis("A", 2), case.axis("B", 3), case.axis("C", 2));
    let mut leaves = vec![];
    for axes in [vec![], vec![a], vec![a, b], vec![b, c]] {
        let (id, _) = case.input("x", &axes, 0.3, 1.7);
        leaves.push((id, axes));
    }
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9) + 5);
    let written = write(&mut random, &leaves, &[a, b, c], depth);
    (case, written, leaves)
}

#[test]
fn simplification_keeps_values() {
    let (mut compared, mut simplified) = (0, 0);
    for seed in 0..30_000 {
        let (mut case, written, _) = written(seed, 2 + seed as usize % 4);
        let node = written.build(&mut case.graph);
        let axes = written.axes();
        assert_eq!(case.graph.axes_of(node), axes, "seed {seed}: the axes");
        let found = case.values(&[node]).remove(0);
        let mut expected = vec![];
        let extent = |a: Axis| case.graph.extent_of(a.id);
        each(&axes, &extent, &mut HashMap::new(), &mut |env| {
            let finite = Cell::new(true);
            expected.push((written.value(&case, env, &finite), finite.get()));
        });
        simplified += usize::from(matches!(case.graph.node(node).op, Op::Broadcast(_) | Op::Constant(_)));
        for (f, (e, finite)) in found.values.iter().zip(expected) {
            if finite && e.abs() < 1e8 {
                assert!(
                    (f - e).abs() <= 1e-8 * (1.0 + e.abs()),
                    "seed {seed}: {f}, not {e}\n{}",
                    case.graph.dump(&[node])
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 10_000 && simplified > 1000, "{compared} {simplified}");
}

/// Equal expressions are one node, and operands that commute do so.
#[test]
fn equal_expressions_are_shared() {
    let mut case = Case::new(0);
    let a = case.axis("A", 2);
    let (x, y) = (case.input("x", &[a], 0.0, 1.0).1, case.input("y", &[], 0.0, 1.0).1);
    let g = &mut case.graph;
    assert_eq!(g.mul(x, y), g.mul(y, x));
    let s = g.add(x, y);
    let t = g.add(y, x);
    assert_eq!(g.exp(s), g.exp(t));
    let wide = g.broadcast(y, &[a]);
    assert_eq!(g.add(x, wide), s);
}

/// A sample axis that enters by substitution gives what each sample gives alone.
#[test]
fn samples_enter_by_substitution() {
    let samples = 3;
    for seed in 0..1500 {
        let (mut case, written, leaves) = written(seed, 2 + seed as usize % 3);
        let root = written.build(&mut case.graph);
        let mut replaced = HashMap::new();
        let mut sampled = vec![];
        for (id, axes) in leaves.iter().skip(1) {
            let whole = [vec![Axis::SAMPLE], axes.clone()].concat();
            let (many, node) = case.graph.input("many", &whole);
            let mut shape = vec![samples];
            shape.extend(axes.iter().map(|a| case.graph.extent_of(a.id)));
            let values = case.random.tensor(&shape, 0.3, 1.7);
            replaced.insert(case.graph.input_node(*id), node);
            sampled.push((*id, many, values));
        }
        let many = case.graph.substitute(&[root], &replaced)[0];
        case.feed.extents.insert(AxisId::SAMPLE, samples);
        for (_, many, values) in &sampled {
            case.feed.inputs.insert(*many, Arc::new(values.clone()));
        }
        let together = case.values(&[many]).remove(0);
        let has_samples = case.graph.has_axis(many, Axis::SAMPLE);
        for k in 0..samples {
            for (one, _, values) in &sampled {
                let size = values.len() / samples;
                let alone = Tensor::new(values.shape[1..].to_vec(), values.values[k * size..(k + 1) * size].to_vec());
                case.feed.inputs.insert(*one, Arc::new(alone.unwrap()));
            }
            let alone = case.values(&[root]).remove(0);
            let start = if has_samples { k * alone.len() } else { 0 };
            for (a, t) in alone.values.iter().zip(&together.values[start..]) {
                let same = a == t || !a.is_finite() || (a - t).abs() <= 1e-9 * (1.0 + a.abs());
                assert!(same, "seed {seed}: {t}, alone {a}\n{}", case.graph.dump(&[many]));
            }
        }
    }
}

/// Gathers, scatters and layouts carry a sample axis along, too.
#[test]
fn samples_pass_through_layouts() {
    let mut case = Case::new(3);
    let (j, k, n, d) = (case.axis("J", 3), case.axis("K", 2), case.axis("N", 4), case.axis("D", 6));
    let x = case.input("x", &[j, k], 0.3, 1.7);
    let index = Tensor::new(vec![4], vec![2.0, 0.0, 2.0, 1.0]).unwrap();
    let index = case.graph.literal(index, &[n]);
    let g = &mut case.graph;
    let picked = g.gather(x.1, index, j);
    let outputs = [
        picked,
        g.scatter_add(picked, index, j, &[n]),
        g.reshape(x.1, &[j, k], &[d]),
        g.reshape(x.1, &[k, j], &[d]),
        g.rename(x.1, &[(j, j.primed())]),
        g.max(x.1, &[k]),
        g.log_softmax(x.1, &[j]),
        g.pick(x.1, j, 1),
        g.concat((x.1, j), (x.1, j), d),
    ];
    let (many, node) = case.graph.input("many", &[Axis::SAMPLE, j, k]);
    let values = case.random.tensor(&[3, 3, 2], 0.3, 1.7);
    case.feed.extents.insert(AxisId::SAMPLE, 3);
    case.feed.inputs.insert(many, Arc::new(values.clone()));
    let all = case.graph.substitute(&outputs, &HashMap::from([(x.1, node)]));
    let together = case.values(&all);
    for sample in 0..3 {
        let alone = Tensor::new(vec![3, 2], values.values[sample * 6..(sample + 1) * 6].to_vec()).unwrap();
        case.feed.inputs.insert(x.0, Arc::new(alone));
        for (one, all) in case.values(&outputs).iter().zip(&together) {
            assert_eq!(one.values, all.values[sample * one.len()..(sample + 1) * one.len()]);
        }
    }
}

#[test]
fn a_contraction_with_an_identity_is_a_new_name() {
    let mut g = Graph::new();
    let [a, b, c] = ["A", "B", "C"].map(|name| Axis { id: g.add_axis(name, 2), primes: 0 });
    let x = g.input("x", &[a, b]).1;
    let tensor = |values: [f64; 4]| Tensor::new(vec![2, 2], values.to_vec()).unwrap();
    let identity = g.literal(tensor([1.0, 0.0, 0.0, 1.0]), &[b, c]);
    let renamed = g.rename(x, &[(b, c)]);
    assert_eq!(g.contract(x, identity, &[b]), renamed);
    assert_eq!(g.contract(identity, x, &[b]), renamed);
    // A matrix that is not the identity, and an axis that x has already, stay products.
    let other = g.literal(tensor([1.0, 0.0, 0.5, 1.0]), &[b, c]);
    let with_a = g.literal(tensor([1.0, 0.0, 0.0, 1.0]), &[a, b]);
    for factor in [other, with_a] {
        let product = g.contract(x, factor, &[b]);
        assert!(matches!(g.node(product).op, Op::Contract(_)));
    }
}
