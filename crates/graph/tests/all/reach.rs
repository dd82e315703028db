//! How far along an axis a node reads another.

use fe_graph::{Axis, Binary, Graph, NodeId, Reach, Recurrence};

/// An index along an axis, moved.
fn moved(g: &mut Graph, axis: Axis, by: f64) -> NodeId {
    let (iota, by, zero) = (g.iota(axis), g.constant(by), g.constant(0.0));
    let index = g.add(iota, by);
    g.binary(Binary::Max, index, zero)
}

#[test]
fn lags_add_up() {
    let mut g = Graph::new();
    let t = Axis::plain(g.add_axis("T", 5));
    let ((_, a), (_, b)) = (g.input("a", &[t]), g.input("b", &[t]));
    let (back, on) = (moved(&mut g, t, -2.0), moved(&mut g, t, 1.0));
    let earlier = g.gather(a, back, t);
    let later = g.gather(earlier, on, t);
    let sum = g.add(later, b);
    assert_eq!(g.reach(earlier, a, t), Reach::UpTo(-2));
    assert_eq!(g.reach(sum, a, t), Reach::UpTo(-1));
    assert_eq!(g.reach(sum, b, t), Reach::UpTo(0));
    assert_eq!(g.reach(earlier, b, t), Reach::Nowhere);
    let total = g.sum(sum, &[t]);
    assert_eq!(g.reach(total, b, t), Reach::Anywhere);
    let spread = g.add(total, a);
    assert_eq!(g.reach(spread, b, t), Reach::Anywhere);
}

#[test]
fn through_a_loop_the_past_of_what_it_steps_through_is_read() {
    let mut g = Graph::new();
    let t = Axis::plain(g.add_axis("T", 5));
    let ((_, a), (_, s)) = (g.input("a", &[t]), g.input("s", &[t]));
    let back = moved(&mut g, t, -1.0);
    let (a_before, s_before) = (g.gather(a, back, t), g.gather(s, back, t));
    let value = g.add(a_before, s_before);
    let state = g.recur(t, &[Recurrence { stand_in: s, value }]).unwrap().values[0];
    assert_eq!(g.reach(state, a, t), Reach::UpTo(-1));
    let value = g.add(a, s_before);
    let present = g.recur(t, &[Recurrence { stand_in: s, value }]).unwrap().values[0];
    assert_eq!(g.reach(present, a, t), Reach::UpTo(0));
}
