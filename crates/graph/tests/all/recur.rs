//! Recurrences as loops: what is refused, what stays outside, and loops that become one.

use std::collections::HashSet;

use fe_graph::{Axis, Binary, Graph, NodeId, Recurrence};

fn earlier(g: &mut Graph, x: NodeId, axis: Axis, by: f64) -> NodeId {
    let (iota, by, zero) = (g.iota(axis), g.constant(-by), g.constant(0.0));
    let index = g.add(iota, by);
    let index = g.binary(Binary::Max, index, zero);
    g.gather(x, index, axis)
}

#[test]
fn what_mixes_positions_is_refused() {
    let mut g = Graph::new();
    let t = Axis::plain(g.add_axis("T", 4));
    let (_, x) = g.input("x", &[t]);
    let lag = earlier(&mut g, x, t, 1.0);
    let total = g.sum(lag, &[t]);
    let value = g.add(lag, total);
    let mixed = g.recur(t, &[Recurrence { stand_in: x, value }]).unwrap_err();
    assert_eq!(mixed, total);
}

#[test]
fn what_reads_its_own_present_is_refused() {
    let mut g = Graph::new();
    let t = Axis::plain(g.add_axis("T", 4));
    let (_, x) = g.input("x", &[t]);
    let value = g.exp(x);
    assert!(g.recur(t, &[Recurrence { stand_in: x, value }]).is_err());
}

#[test]
fn what_does_not_depend_on_the_past_stays_outside() {
    let mut g = Graph::new();
    let t = Axis::plain(g.add_axis("T", 4));
    let ((_, x), (_, a), (_, y)) = (g.input("x", &[t]), g.input("a", &[]), g.input("y", &[t]));
    let squared = g.square(x);
    let lag = earlier(&mut g, y, t, 1.0);
    let part = g.mul(a, lag);
    let value = g.add(squared, part);
    let out = g.recur(t, &[Recurrence { stand_in: y, value }]).unwrap().values[0];
    assert_eq!(g.axes_of(out), [t]);
    let scan = g.node(out).inputs[0];
    let parts = g.scan_of(scan).unwrap();
    assert_eq!((parts.scanned, parts.constants), (vec![squared], vec![a]));
    // One product and one sum.
    assert_eq!(parts.scan.body.reachable(&parts.scan.stacked).len(), 5);
}

#[test]
fn a_loop_that_reads_another_becomes_a_part_of_it() {
    let mut g = Graph::new();
    let t = Axis::plain(g.add_axis("T", 4));
    let ((_, a), (_, s), (_, noise)) = (g.input("a", &[t]), g.input("s", &[t]), g.input("noise", &[t]));
    let (a_before, s_before) = (earlier(&mut g, a, t, 1.0), earlier(&mut g, s, t, 1.0));
    let next = g.add(a_before, s_before);
    let state = g.recur(t, &[Recurrence { stand_in: s, value: next }]).unwrap().values[0];
    let action = g.add(state, noise);
    let stepped = g.recur(t, &[Recurrence { stand_in: a, value: action }]).unwrap();
    assert_eq!(stepped.inlined.len(), 1);
    assert_eq!(stepped.inlined[0].0, state);
    let scan = g.node(stepped.values[0]).inputs[0];
    assert_eq!(g.node(stepped.inlined[0].1).inputs[0], scan);
    assert!(!g.depends_on(scan, &HashSet::from([a])));
    assert_eq!(g.scan_of(scan).unwrap().scanned, vec![noise]);
}
