//! Streams of exact choices, against dynamic programming written out.

use fe_pipeline::stream::{Given, Online, Row, Step, StreamOptions};
use fe_pipeline::{Error, ReadOptions, Text};
use fe_train::Known;

fn open(program: &str, seed: u64) -> Result<Online, Error> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.fe");
    std::fs::write(&file, program).unwrap();
    let text = Text::read(file.to_str().unwrap()).unwrap();
    Online::unfitted(&text, &ReadOptions::default(), StreamOptions { seed: Some(seed), ..StreamOptions::default() })
}

fn row(name: &str, value: f64) -> Row {
    [(name.to_owned(), Given::Numbers(vec![value]))].into_iter().collect()
}

fn shares(step: &Step) -> &[f64] {
    match &step.codes[0].known {
        Known::Probabilities { of, .. } => of,
        Known::Moments { .. } => panic!("no probabilities"),
    }
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-10, "{a} and {b}");
}

/// A walk on four places toward the last one; a step goes astray with probability .2.
const WALK: &str = "\
dim T = 3
dim S = 4
dim A = 2
let even[A] = [0.3, 0.7]
let lands[S, A, S'] = [[[1, 0, 0, 0], [0, 1, 0, 0]], [[1, 0, 0, 0], [0, 0, 1, 0]], [[0, 1, 0, 0], [0, 0, 0, 1]],
  [[0, 0, 1, 0], [0, 0, 0, 1]]]
let P[S, A, S'] = 0.8 * lands + 0.2 / 4
let begin[S] = [1, 0, 0, 0]
let cost[S] = [2, 1.5, 1, 0]
latent s[0] ~ Categorical(begin)
for t in T {
  latent a[t] : index(A) ~ Categorical(even)
  guide a[t] = exact
  latent s[t+1] : index(S) ~ Categorical(P[s[t], a[t]])
  loss paid = cost[s[t]] + 0.1 * a[t]
}
guide s = prior
loss end = 3 * cost[s[T]]
minimize distortion + 0.5 * rate
";

/// What is to come in each state with so many steps left, and the policy there.
fn planned(left: usize) -> Vec<(f64, [f64; 2])> {
    let cost = [2.0, 1.5, 1.0, 0.0];
    if left == 0 {
        return cost.iter().map(|c| (3.0 * c, [0.0; 2])).collect();
    }
    let next = planned(left - 1);
    let mean = next.iter().map(|n| n.0).sum::<f64>() / 4.0;
    let each = |s: usize| {
        let lands = [s.saturating_sub(1), (s + 1).min(3)];
        let v = |a: usize| cost[s] + 0.1 * a as f64 + 0.8 * next[lands[a]].0 + 0.2 * mean;
        let z = 0.3 * (-v(0) / 0.5).exp() + 0.7 * (-v(1) / 0.5).exp();
        (-0.5 * z.ln(), [0.3 * (-v(0) / 0.5).exp() / z, 0.7 * (-v(1) / 0.5).exp() / z])
    };
    (0..4).map(each).collect()
}

#[test]
fn a_choice_is_that_of_the_state_which_a_line_gives() {
    let mut stream = open(WALK, 1).unwrap();
    assert_eq!(stream.taken().iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["s"]);
    for (t, s) in [2, 0, 3].into_iter().enumerate() {
        let step = stream.step(&row("s", s as f64)).unwrap();
        let (value, policy) = planned(3 - t)[s];
        close(step.free_energy, value);
        close(shares(&step)[0], policy[0]);
        close(shares(&step)[1], policy[1]);
        close(step.rate, (0..2).map(|a| policy[a] * (policy[a] / [0.3, 0.7][a]).ln()).sum());
        let drawn = step.action[0].values[0];
        assert!(step.action[0].name == "a" && (drawn == 0.0 || drawn == 1.0));
    }
    let ended = stream.step(&row("s", 0.0)).unwrap_err();
    assert!(ended.brief().contains("nothing is left to choose"), "{ended}");
}

/// Draws follow the probabilities, and the seed.
#[test]
fn draws_are_those_of_the_policy() {
    let (mut taken, count) = (0.0, 400);
    for seed in 0..count {
        taken += f64::from(fe_train::choose("a", seed, 0, &[0.25, 0.75]) as u32);
        assert_eq!(fe_train::choose("a", seed, 3, &[0.5, 0.5]), fe_train::choose("a", seed, 3, &[0.5, 0.5]));
        assert_eq!(fe_train::choose("a", seed, 1, &[0.0, 1.0, 0.0]), 1);
    }
    let share = taken / count as f64;
    // Four standard errors.
    assert!((share - 0.75).abs() < 4.0 * (0.75 * 0.25 / count as f64).sqrt(), "{share}");
}

const TIGER: &str = "\
dim T = 2
dim S = 2
dim A = 3
dim O = 2
let half[S] = 1 / S
let third[A] = 1 / A
let P[S, A, S'] = [[[1, 0], [0.5, 0.5], [0.5, 0.5]], [[0, 1], [0.5, 0.5], [0.5, 0.5]]]
let hears[S, A, O] = [[[0.85, 0.15], [0.5, 0.5], [0.5, 0.5]], [[0.15, 0.85], [0.5, 0.5], [0.5, 0.5]]]
let cost[S, A] = [[1, 100, -10], [1, -10, 100]]
for t in T {
  latent s[t] : index(S) ~ Categorical(if t == 0 then half else P[s[t-1], a[t-1]])
  latent a[t] : index(A) ~ Categorical(third)
  latent o[t] : index(O) ~ Categorical(hears[s[t], a[t]])
  loss paid = cost[s[t], a[t]]
}
guide s, o = prior
guide a = exact(o)
minimize distortion + 30 * rate(a)
";

/// What was heard is remembered: the second choice is that of the belief.
#[test]
fn a_choice_remembers_what_was_seen_and_done() {
    let mut seen = [false; 2];
    for seed in 0..12 {
        for heard in [0usize, 1] {
            let mut stream = open(TIGER, seed).unwrap();
            let first = stream.step(&Row::new()).unwrap();
            let a = first.action[0].values[0];
            let second = stream.step(&row("o", heard as f64)).unwrap();
            // The belief that the tiger is left.
            let b = if a == 0.0 { [0.85, 0.15][heard] } else { 0.5 };
            let v: [f64; 3] = [1.0, 100.0 * b - 10.0 * (1.0 - b), 100.0 * (1.0 - b) - 10.0 * b];
            let z: f64 = v.iter().map(|v| (-v / 30.0f64).exp()).sum();
            for (found, v) in shares(&second).iter().zip(v) {
                close(*found, (-v / 30.0).exp() / z);
            }
            let rate = v.iter().map(|v| (-v / 30.0).exp() / z * (-v / 30.0 - (z / 3.0).ln())).sum();
            close(second.rate, rate);
            close(second.free_energy, rate);
            seen[usize::from(a == 0.0)] = true;
        }
    }
    assert_eq!(seen, [true; 2]);
}

#[test]
fn what_a_choice_lacks_is_named() {
    let said = |row: Row| open(WALK, 0).unwrap().step(&row).unwrap_err();
    assert!(said(Row::new()).brief().contains("`a` sees `s[0]` here, which no line has given"));
    assert!(said(row("s", 4.0)).brief().contains("`s` is no value that it can have"));
    assert!(said(row("x", 0.0)).brief().contains("a line of this program gives no `x`"));
}
