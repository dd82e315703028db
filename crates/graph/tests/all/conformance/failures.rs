//! What goes wrong is said, with its place, and never panics.

use std::collections::HashMap;
use std::sync::Arc;

use crate::naive::Case;
use fe_graph::{
    Axis, AxisId, Compiled, ExecutionError, Executor, Feed, Graph, Indicator, NodeId, NoiseKind, NonFinite, Origin,
    Scan, Site, Tensor, Unary,
};

use super::{Precision, executor};

fn compile(graph: &Graph, outputs: &[NodeId]) -> Box<dyn Compiled> {
    executor(Precision::F64).compile(graph, outputs).unwrap()
}

fn trace(case: &Case, outputs: &[NodeId]) -> Option<NonFinite> {
    compile(&case.graph, outputs).first_non_finite(&case.feed).unwrap()
}

#[test]
fn inputs_are_checked() {
    let mut case = Case::new(0);
    let a = case.axis("A", 3);
    let (id, x) = case.input("weights", &[a], 0.0, 1.0);
    let unused = case.graph.input("unused", &[a]).1;
    let y = case.graph.exp(x);
    let _ = case.graph.exp(unused);
    let mut program = compile(&case.graph, &[y]);
    let missing = program.run(&Feed::default()).unwrap_err();
    assert_eq!(missing, ExecutionError::MissingInput("weights".into()));
    case.feed.inputs.insert(id, Arc::new(Tensor::full(vec![2], 0.0)));
    let shape = program.run(&case.feed).unwrap_err();
    assert_eq!(shape, ExecutionError::Shape { name: "weights".into(), expected: vec![3], found: vec![2] });
    case.feed.inputs.insert(id, Arc::new(Tensor { shape: vec![3], values: vec![1.0] }));
    assert!(matches!(program.run(&case.feed), Err(ExecutionError::Backend { .. })));
    case.feed.inputs.insert(id, Arc::new(Tensor::full(vec![3], 0.0)));
    assert_eq!(program.run(&case.feed).unwrap()[0].values, [1.0; 3]);
}

#[test]
fn indices_are_checked() {
    for (bad, extent) in [(3.0, 3), (-1.0, 3), (0.5, 3), (f64::NAN, 3), (f64::INFINITY, 3)] {
        for scalar in [false, true] {
            let mut case = Case::new(0);
            let (j, n) = (case.axis("J", 3), case.axis("N", 2));
            let x = case.input("x", &[j], 0.0, 1.0).1;
            let axes = if scalar { vec![] } else { vec![n] };
            let values = if scalar { vec![bad] } else { vec![1.0, bad] };
            let shape = axes.iter().map(|_| 2).collect();
            let index = case.graph.literal(Tensor::new(shape, values).unwrap(), &axes);
            case.graph.set_origin(Origin(7));
            let picked = case.graph.gather(x, index, j);
            let u = case.graph.noise(NoiseKind::Normal, Site(1), &[n]);
            let scattered = case.graph.scatter_add(u, index, j, &[n]);
            for out in [picked, scattered] {
                match compile(&case.graph, &[out]).run(&case.feed).unwrap_err() {
                    ExecutionError::Index { origin, value, extent: e } => {
                        assert!(value == bad || value.is_nan() && bad.is_nan());
                        assert_eq!((origin, e), (Origin(7), extent));
                    }
                    other => panic!("{other}"),
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_addressed_is_an_error() {
    let mut case = Case::new(0);
    let (a, b) = (case.axis("A", 1 << 40), case.axis("B", 1 << 40));
    case.graph.set_origin(Origin(3));
    let e = case.graph.noise(NoiseKind::Normal, Site(1), &[a, b]);
    let huge = case.graph.noise(NoiseKind::Normal, Site(1), &[a]);
    let wide = case.graph.constant(1.0);
    let wide = case.graph.broadcast(wide, &[a, b]);
    let wide = case.graph.stop(wide);
    let x = case.graph.noise(NoiseKind::Normal, Site(1), &[]);
    let wide = case.graph.unary(Unary::Exp, wide);
    let wide = case.graph.mul(wide, x);
    let wide = case.graph.broadcast(wide, &[b]);
    for out in [e, huge, wide] {
        match compile(&case.graph, &[out]).run(&case.feed).unwrap_err() {
            ExecutionError::Backend { origin, message } => {
                assert_eq!(origin, Origin(3), "{message}");
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn row_numbers_and_draws_are_checked() {
    let mut case = Case::new(0);
    let n = case.axis("N", 3);
    let e = case.graph.noise(NoiseKind::Normal, Site(1), &[n]);
    let mut program = compile(&case.graph, &[e]);
    let rows = Feed { rows: Some((n.id, Arc::new(vec![1, 2]))), ..Feed::default() };
    assert!(matches!(program.run(&rows), Err(ExecutionError::Backend { .. })));
    let draws = Feed { draws: HashMap::from([(Site(1), Arc::new(Tensor::full(vec![4], 0.0)))]), ..Feed::default() };
    assert!(matches!(program.run(&draws), Err(ExecutionError::Backend { .. })));
    assert_eq!(program.run(&Feed::default()).unwrap()[0].len(), 3);
}

/// Axes of no places: sums are 0, maxima −∞, everything else is empty.
#[test]
fn empty_axes() {
    let mut case = Case::new(0);
    let (a, b, c) = (case.axis("A", 0), case.axis("B", 2), case.axis("C", 0));
    let x = case.input("x", &[a, b], 0.0, 1.0).1;
    let y = case.input("y", &[b, c], 0.0, 1.0).1;
    let z = case.input("z", &[a], 0.0, 1.0).1;
    let g = &mut case.graph;
    let zero = g.constant(0.0);
    let outputs = [
        g.exp(x),
        g.add(x, y),
        g.sum(x, &[a]),
        g.sum(x, &[b]),
        g.sum(x, &[a, b]),
        g.max(x, &[b]),
        g.contract(x, z, &[a]),
        g.contract(x, y, &[b]),
        g.contract(x, x, &[a, b]),
        g.noise(NoiseKind::Normal, Site(1), &[a, b]),
        g.arrivals(x, zero, 0, Indicator::Cubic, Site(2), &[a, b]),
        g.softmax(x, &[b]),
        g.iota(a),
    ];
    for out in outputs {
        let found = compile(&case.graph, &[out]).run(&case.feed).unwrap();
        assert_eq!(found, case.values(&[out]), "{}", case.graph.dump(&[out]));
    }
    let top = case.graph.max(x, &[a]);
    assert_eq!(compile(&case.graph, &[top]).run(&case.feed).unwrap()[0].values, [f64::NEG_INFINITY; 2]);
}

#[test]
fn the_first_non_finite_value_is_found() {
    let mut case = Case::new(0);
    let (n, k) = (case.axis("N", 2), case.axis("K", 3));
    let (id, x) = case.input("x", &[n, k], 0.5, 1.0);
    case.graph.set_origin(Origin(1));
    let shifted = case.graph.shift(x, 2.0);
    let back = case.graph.shift(shifted, -2.0);
    case.graph.set_origin(Origin(2));
    let l = case.graph.log(back);
    case.graph.set_origin(Origin(3));
    let total = case.graph.sum(l, &[k]);
    let outputs = [case.graph.gradient(total, &[x]).unwrap()[0], total];
    assert_eq!(trace(&case, &outputs), None);
    let mut values = case.feed.inputs[&id].as_ref().clone();
    values.values[4] = 0.0;
    case.feed.inputs.insert(id, Arc::new(values));
    let found = trace(&case, &[total]).unwrap();
    assert_eq!((found.node, found.origin, found.value), (l, Origin(2), f64::NEG_INFINITY));
    assert_eq!(found.index, [("N".to_string(), 1), ("K".to_string(), 1)]);
    assert_eq!((found.operation.as_str(), found.operands.as_slice()), ("log", [0.0].as_slice()));
    // Data that is not finite is its own source.
    let mut values = case.feed.inputs[&id].as_ref().clone();
    values.values[2] = f64::NAN;
    case.feed.inputs.insert(id, Arc::new(values));
    let found = trace(&case, &[total]).unwrap();
    assert_eq!((found.operation.as_str(), found.node), ("input x", x));
}

#[test]
fn a_masked_infinity_is_not_blamed() {
    let mut case = Case::new(0);
    let n = case.axis("N", 3);
    let x = case.graph.literal(Tensor::new(vec![3], vec![-1.0, 0.0, 800.0]).unwrap(), &[n]);
    let l = case.graph.log(x);
    let zero = case.graph.constant(0.0);
    let positive = case.graph.less(zero, x);
    let safe = case.graph.select(positive, l, zero);
    let total = case.graph.sum(safe, &[n]);
    assert_eq!(trace(&case, &[total]), None);
    // Another value overflows, after the masked one in order of evaluation.
    case.graph.set_origin(Origin(5));
    let e = case.graph.exp(x);
    let both = case.graph.add(safe, e);
    let total = case.graph.sum(both, &[n]);
    let found = trace(&case, &[total]).unwrap();
    assert_eq!((found.node, found.origin), (e, Origin(5)));
    assert_eq!((found.value, found.operands.as_slice()), (f64::INFINITY, [800.0].as_slice()));
    assert_eq!(found.index, [("N".to_string(), 2)]);
}

/// Through every layout, the place is followed.
#[test]
fn places_are_followed() {
    let mut case = Case::new(0);
    let (a, b, c, d) = (case.axis("A", 2), case.axis("B", 3), case.axis("C", 6), case.axis("D", 4));
    let x = case.graph.literal(Tensor::new(vec![2, 3], vec![1.0, 2.0, 3.0, 4.0, 0.0, 6.0]).unwrap(), &[a, b]);
    let r = case.graph.recip(x);
    let index = case.graph.literal(Tensor::new(vec![4], vec![2.0, 1.0, 0.0, 2.0]).unwrap(), &[d]);
    let weights = case.input("w", &[b], 0.5, 1.0).1;
    let g = &mut case.graph;
    let gathered = g.gather(r, index, b);
    let outputs = [
        g.rename(r, &[(a, a.primed())]),
        g.reshape(r, &[b, a], &[c]),
        gathered,
        g.scatter_add(gathered, index, b, &[d]),
        g.sum(r, &[a]),
        g.max(r, &[b]),
        g.contract(r, weights, &[b]),
        g.broadcast(r, &[d]),
        g.stop(r),
        g.pick(r, b, 1),
        g.concat((r, b), (r, b), c),
        g.logsumexp(r, &[b]),
    ];
    for out in outputs {
        let found = trace(&case, &[out]).unwrap();
        assert_eq!(found.node, r, "{}", case.graph.dump(&[out]));
        assert_eq!(found.index, [("A".to_string(), 1), ("B".to_string(), 1)]);
        assert_eq!((found.value, found.operands.as_slice()), (f64::INFINITY, [0.0].as_slice()));
    }
}

#[test]
fn an_excessive_rate_is_named() {
    let mut case = Case::new(0);
    let k = case.axis("K", 2);
    let rate = case.graph.literal(Tensor::new(vec![2], vec![1.0, 20.0]).unwrap(), &[k]);
    let tau = case.graph.constant(0.4);
    let z = case.graph.arrivals(rate, tau, 0, Indicator::Cubic, Site(1), &[Axis::SAMPLE, k]);
    case.feed.extents.insert(AxisId::SAMPLE, 2);
    let total = case.graph.sum(z, &[k]);
    let found = trace(&case, &[total]).unwrap();
    assert_eq!((found.node, found.value), (z, f64::INFINITY));
    assert_eq!(found.index, [("sample".to_string(), 0), ("K".to_string(), 1)]);
    assert_eq!(found.operands, [20.0, 0.4]);
}

/// In a loop the position comes first, and the origin is that of the body's node.
#[test]
fn loops_are_looked_into() {
    let mut case = Case::new(0);
    let (t, k) = (case.axis("T", 4), case.axis("K", 2));
    let start = case.input("h", &[k], 1.0, 1.1).1;
    let mut body = Graph::with_axes_of(&case.graph);
    let (h_id, h) = body.input("h", &[k]);
    let (t_id, now) = body.input("t", &[]);
    let shifted = body.shift(now, -2.0);
    body.set_origin(Origin(9));
    let inverse = body.recip(shifted);
    body.set_origin(Origin(10));
    let next = body.mul(h, inverse);
    let scan = Scan {
        body,
        axis: t,
        reverse: false,
        carries: vec![(h_id, next)],
        slices: vec![],
        constants: vec![],
        time: Some(t_id),
        stacked: vec![],
    };
    let results = case.graph.scan(scan, &[start], &[], &[]);
    let total = case.graph.sum(results[0], &[k]);
    let found = trace(&case, &[total]).unwrap();
    let scan = case.graph.node(results[0]).inputs[0];
    assert_eq!((found.node, found.origin, found.operation.as_str()), (scan, Origin(9), "recip"));
    assert_eq!(found.index, [("T".to_string(), 2)]);
    // An infinite start is not the loop's fault.
    let infinite = case.graph.literal(Tensor::full(vec![2], f64::INFINITY), &[k]);
    let replaced = case.graph.substitute(&[total], &HashMap::from([(start, infinite)]))[0];
    assert_eq!(trace(&case, &[replaced]).unwrap().node, infinite);
}
