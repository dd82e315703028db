//! States that move together, against their moves written out.

use std::collections::{HashMap, HashSet};

use crate::naive::evaluate;
use fe_graph::{Axis, Feed, Graph, NodeId, NoiseKind, Site, State, Tensor};

/// Two states over K: a ← tanh(w a + b), b ← b − a/(1 + moves).
struct Pair {
    graph: Graph,
    along: Axis,
    states: Vec<State>,
    w: NodeId,
    count: NodeId,
    feed: Feed,
}

fn pair() -> Pair {
    let mut g = Graph::new();
    let (k, along) = (Axis::plain(g.add_axis("K", 3)), Axis::plain(g.add_axis("moves", 5)));
    let (a, b) = (g.input("a", &[k]).1, g.input("b", &[k]).1);
    let (w_input, w) = g.input("w", &[k]);
    let (from_input, from) = g.input("from", &[k]);
    let count = g.input("count", &[]).1;
    let product = g.mul(w, a);
    let sum = g.add(product, b);
    let next = g.tanh(sum);
    let divisor = g.shift(count, 1.0);
    let part = g.div(a, divisor);
    let rest = g.sub(b, part);
    let states = vec![State { stand_in: a, from, next }, State { stand_in: b, from: w, next: rest }];
    let mut feed = Feed::default();
    for (input, values) in [(w_input, vec![0.5, -0.3, 0.9]), (from_input, vec![0.1, 0.2, -0.4])] {
        feed.inputs.insert(input, std::sync::Arc::new(Tensor { shape: vec![3], values }));
    }
    Pair { graph: g, along, states, w, count, feed }
}

#[test]
fn moves_are_those_written_out() {
    let mut p = pair();
    let watched = p.states[0].next;
    let found = p.graph.iterate(p.along, &p.states, &[watched], &HashSet::new(), Some(p.count));
    let (mut a, mut b, mut seen) = (p.states[0].from, p.states[1].from, vec![]);
    for step in 0..5 {
        let now = p.graph.constant(f64::from(step));
        let at = HashMap::from([(p.states[0].stand_in, a), (p.states[1].stand_in, b), (p.count, now)]);
        let next = p.graph.substitute(&[p.states[0].next, p.states[1].next], &at);
        (a, b) = (next[0], next[1]);
        seen.push(a);
    }
    let values = evaluate(&p.graph, &[found.last[0], a, found.last[1], b], &p.feed);
    let close = |x: &Tensor, y: &Tensor| {
        for (x, y) in x.values.iter().zip(&y.values) {
            assert!((x - y).abs() < 1e-14, "{x} {y}");
        }
    };
    close(&values[0], &values[1]);
    close(&values[2], &values[3]);
    for (step, node) in seen.into_iter().enumerate() {
        let one = p.graph.pick(found.watched[0], p.along, step);
        let values = evaluate(&p.graph, &[one, node], &p.feed);
        close(&values[0], &values[1]);
    }
    // Derivatives run back through the moves.
    let of = |g: &mut Graph, n: NodeId, w: NodeId| {
        let square = g.square(n);
        let total = g.sum_all_but(square, &[]);
        g.gradient(total, &[w]).unwrap()[0]
    };
    let slopes = [of(&mut p.graph, found.last[0], p.w), of(&mut p.graph, a, p.w)];
    let values = evaluate(&p.graph, &slopes, &p.feed);
    close(&values[0], &values[1]);
}

/// Noise that is fresh differs from move to move; other noise is drawn once.
#[test]
fn fresh_noise_is_drawn_at_each_move() {
    let mut g = Graph::new();
    let (k, along) = (Axis::plain(g.add_axis("K", 4)), Axis::plain(g.add_axis("moves", 3)));
    let a = g.input("a", &[k]).1;
    let noise = g.noise(NoiseKind::Normal, Site::named("e"), &[k]);
    let next = g.add(a, noise);
    let from = g.full(0.0, &[k]);
    let state = [State { stand_in: a, from, next }];
    let fresh = g.noise_of(&[next]);
    assert_eq!(fresh, HashSet::from([noise]));
    let anew = g.iterate(along, &state, &[next], &fresh, None);
    let once = g.iterate(along, &state, &[next], &HashSet::new(), None);
    let values = evaluate(&g, &[anew.watched[0], once.watched[0], noise], &Feed::default());
    let along_first =
        |t: &Tensor, step: usize, k: usize| t.values[if t.shape[0] == 3 { 4 * step + k } else { 3 * k + step }];
    for k in 0..4 {
        let steps = |t: &Tensor| [along_first(t, 0, k), along_first(t, 1, k), along_first(t, 2, k)];
        let (anew, once) = (steps(&values[0]), steps(&values[1]));
        assert!((once[2] - 3.0 * values[2].values[k]).abs() < 1e-12);
        assert!((anew[1] - 2.0 * anew[0]).abs() > 1e-6);
    }
}
