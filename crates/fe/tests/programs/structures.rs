//! Programs of some structure that fall by chance, each held to an exact answer that is worked out here: chains of Gaussians to the
//! filter and the smoother, finite chains to the sum over all paths, groups under an unknown scale to a sum over a grid, control to
//! dynamic programming, descents to their recurrence, and bounds to the exponential family that meets them.

use std::fmt::Write as _;

use serde_json::Value;

use crate::common::root;
use crate::fits::{Options, Program, document};
use crate::generated::Dice;
use crate::trials::{Tier, Trials};

/// Programs of each kind with every `cargo test`, and in a full run; `FE_GENERATED` sets how many there are.
const EVERYDAY: u64 = 2;
const ALL: u64 = 40;

/// What is closed agrees to this part of itself.
const EXACT: f64 = 1e-6;

/// A kind of program: from a seed to a fit that is held to its answer.
type Kind = fn(&mut Dice);

const KINDS: [(&str, Kind); 7] = [
    ("walks", walk),
    ("walks_of_unknown_scale", walk_of_unknown_scale),
    ("paths", paths),
    ("groups", groups),
    ("control", control),
    ("descents", descent),
    ("bounds", bound),
];

fn fitted(source: &str) -> Value {
    document(&Program { name: "structure".into(), source: source.into(), folder: root() }, &Options::default())
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// A number of three digits behind the point, in a range.
fn between(dice: &mut Dice, low: f64, high: f64) -> f64 {
    ((low + (high - low) * dice.uniform()) * 1000.0).round() / 1000.0
}

fn list(values: &[f64]) -> String {
    format!("[{}]", values.iter().map(f64::to_string).collect::<Vec<_>>().join(", "))
}

fn rows(values: &[Vec<f64>]) -> String {
    format!("[{}]", values.iter().map(|row| list(row)).collect::<Vec<_>>().join(", "))
}

/// Probabilities, of three digits, that add up to 1.
fn shares(dice: &mut Dice, count: usize) -> Vec<f64> {
    let parts: Vec<f64> = (0..count).map(|_| 0.1 + dice.uniform()).collect();
    let total: f64 = parts.iter().sum();
    let mut shares: Vec<f64> = parts.iter().map(|p| (p / total * 1000.0).round() / 1000.0).collect();
    let rest: f64 = shares.iter().skip(1).sum();
    shares[0] = ((1.0 - rest) * 1000.0).round() / 1000.0;
    shares
}

#[track_caller]
fn close(what: &str, found: f64, expected: f64, tolerance: f64, source: &str) {
    let off = (found - expected).abs();
    assert!(off <= tolerance * expected.abs().max(1.0), "{what} is {found} and not {expected}\n{source}");
}

fn log_normal(x: f64, m: f64, variance: f64) -> f64 {
    -0.5 * ((x - m).powi(2) / variance + variance.ln() + std::f64::consts::TAU.ln())
}

/// A chain of Gaussians: s_t ~ N(a s_{t−1}, q²), y_t ~ N(c s_t, r²), s_0 ~ N(0, q²).
struct Walk {
    a: f64,
    q: f64,
    c: f64,
    r: f64,
    y: Vec<f64>,
}

impl Walk {
    fn new(dice: &mut Dice) -> Self {
        let a = dice.of(&[0.5, 0.9, 1.0, -0.6]);
        let (q, c, r) = (between(dice, 0.3, 1.2), between(dice, 0.5, 2.0), between(dice, 0.2, 1.0));
        let mut s = 0.0;
        let y = (0..2 + dice.below(8)).map(|_| {
            s = a * s + q * dice.normal();
            ((c * s + r * dice.normal()) * 1000.0).round() / 1000.0
        });
        let y = y.collect();
        Self { a, q, c, r, y }
    }

    fn text(&self, head: &str, q: &str) -> String {
        let Self { a, c, r, y, .. } = self;
        format!(
            "data y[T] = {}\n{head}for t in T {{\n  latent s[t] ~ Normal(if t == 0 then 0 else {a} * s[t-1], {q})\n  \
             observe y[t] ~ Normal({c} * s[t], {r})\n}}\n",
            list(y)
        )
    }

    /// log evidence at a scale, by the filter, and the moments of every state, by the smoother (Rauch, Tung and Striebel, 1965).
    fn smoothed(&self, q: f64) -> (f64, Vec<(f64, f64)>) {
        let Self { a, c, r, y, .. } = self;
        let (mut m, mut v, mut evidence) = (0.0, q * q, 0.0);
        let (mut predicted, mut filtered) = (vec![], vec![]);
        for (t, y) in y.iter().enumerate() {
            if t > 0 {
                (m, v) = (a * m, a * a * v + q * q);
            }
            predicted.push((m, v));
            let seen = c * c * v + r * r;
            evidence += log_normal(*y, c * m, seen);
            let gain = v * c / seen;
            (m, v) = (m + gain * (y - c * m), v - gain * c * v);
            filtered.push((m, v));
        }
        let mut moments = filtered.clone();
        for t in (0..y.len() - 1).rev() {
            let back = filtered[t].1 * a / predicted[t + 1].1;
            moments[t].0 += back * (moments[t + 1].0 - predicted[t + 1].0);
            moments[t].1 += back * back * (moments[t + 1].1 - predicted[t + 1].1);
        }
        (evidence, moments)
    }
}

fn walk(dice: &mut Dice) {
    let walk = Walk::new(dice);
    let source = walk.text("", &walk.q.to_string());
    let (evidence, moments) = walk.smoothed(walk.q);
    let fit = fitted(&source);
    close("F", number(&fit["free_energy_total"]), -evidence, EXACT, &source);
    for (t, (mean, variance)) in moments.into_iter().enumerate() {
        close(&format!("the mean of s[{t}]"), number(&fit["posterior"]["s"]["mean"][t]), mean, 1e-4, &source);
        close(&format!("the sd of s[{t}]"), number(&fit["posterior"]["s"]["sd"][t]), variance.sqrt(), 1e-4, &source);
    }
}

/// A grid over the logarithm of a scale, with the logarithm of prior density and width.
fn scales(log_prior: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    const POINTS: usize = 4001;
    let (low, high) = (-9.0, 12.0);
    let h = (high - low) / (POINTS - 1) as f64;
    let at = |k: usize| low + h * k as f64;
    (0..POINTS).map(|k| (at(k).exp(), log_prior(at(k).exp()) + at(k) + h.ln())).collect()
}

/// log of the sum of weights, and the weighted means of some values.
fn summed(points: &[(f64, Vec<f64>)]) -> (f64, Vec<f64>) {
    let most = points.iter().map(|p| p.0).fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = points.iter().map(|p| (p.0 - most).exp()).sum();
    let width = points.first().map_or(0, |p| p.1.len());
    let mean = |k: usize| points.iter().map(|(l, v)| (l - most).exp() * v[k]).sum::<f64>() / total;
    (most + total.ln(), (0..width).map(mean).collect())
}

/// A density of a scale, in the program and as a number.
fn scale_prior(dice: &mut Dice) -> (String, Box<dyn Fn(f64) -> f64>) {
    let s = dice.of(&[0.5, 1.0, 2.0]);
    match dice.below(3) {
        0 => (format!("HalfNormal({s})"), Box::new(move |x| log_normal(x, 0.0, s * s) + 2f64.ln())),
        1 => (format!("Exponential({s})"), Box::new(move |x| s.ln() - s * x)),
        _ => (format!("LogNormal(0, {s})"), Box::new(move |x: f64| log_normal(x.ln(), 0.0, s * s) - x.ln())),
    }
}

/// Holds a fit over eliminated latents to the evidence and moments of what is left; what is flagged need not be right.
fn held(fit: &Value, evidence: f64, moments: &[(&str, f64, f64)], source: &str) {
    let (free, se) = (number(&fit["free_energy_total"]), fit["free_energy_se"].as_f64().unwrap_or(0.0));
    let rows = number(&fit["rows"]).max(1.0);
    let least = -evidence - 1e-3 - 5.0 * se * rows;
    assert!(free >= least, "F {free} lies below −log evidence {}\n{source}", -evidence);
    if fit["verdict"]["trusted"] != true {
        return;
    }
    if let Some(found) = fit["log_evidence"]["value"].as_f64() {
        let error = 0.03 + 5.0 * number(&fit["log_evidence"]["se"]);
        assert!((found - evidence).abs() < error, "log evidence {found} and not {evidence}\n{source}");
    }
    let table = if fit["posterior_resampled"].is_null() { &fit["posterior"] } else { &fit["posterior_resampled"] };
    for (name, mean, sd) in moments {
        let own = (number(&table[*name]["mean"]), number(&table[*name]["sd"]));
        let right = (own.0 - mean).abs() <= 0.1 * sd && (own.1 / sd - 1.0).abs() <= 0.1;
        assert!(right, "{name} is {own:?} and not {:?}: {}\n{source}", (mean, sd), fit["verdict"]);
    }
}

fn walk_of_unknown_scale(dice: &mut Dice) {
    let walk = Walk::new(dice);
    let (text, log_prior) = scale_prior(dice);
    let source = walk.text(&format!("latent q ~ {text}\n"), "q");
    let points: Vec<_> =
        scales(log_prior).into_iter().map(|(q, log)| (log + walk.smoothed(q).0, vec![q, q * q])).collect();
    let (evidence, of) = summed(&points);
    held(&fitted(&source), evidence, &[("q", of[0], (of[1] - of[0] * of[0]).sqrt())], &source);
}

/// A finite chain, summed over all its paths.
fn paths(dice: &mut Dice) {
    let (k, t) = (2 + dice.below(2), 2 + dice.below(5));
    let start = shares(dice, k);
    let moves: Vec<Vec<f64>> = (0..k).map(|_| shares(dice, k)).collect();
    let means: Vec<f64> = (0..k).map(|_| between(dice, -2.0, 2.0)).collect();
    let sd = between(dice, 0.5, 1.5);
    let x: Vec<f64> = (0..t).map(|_| between(dice, -2.5, 2.5)).collect();
    let source = format!(
        "dim K = {k}\ndata x[T] = {}\nlet m[K] = {}\nlet P[K, K'] = {}\nlet start[K] = {}\nfor t in T {{\n  \
         latent s[t] : index(K) ~ Categorical(if t == 0 then start else P[s[t-1]])\n  \
         observe x[t] ~ Normal(m[s[t]], {sd})\n}}\n",
        list(&x),
        list(&means),
        rows(&moves),
        list(&start)
    );
    let mut points = vec![];
    for code in 0..k.pow(t as u32) {
        let path: Vec<usize> = (0..t).map(|place| code / k.pow(place as u32) % k).collect();
        let along: f64 = path.windows(2).map(|w| moves[w[0]][w[1]].ln()).sum();
        let seen: f64 = path.iter().zip(&x).map(|(&s, &x)| log_normal(x, means[s], sd * sd)).sum();
        let is = path.iter().flat_map(|&s| (0..k).map(move |v| f64::from(u8::from(s == v)))).collect();
        points.push((start[path[0]].ln() + along + seen, is));
    }
    let (evidence, probabilities) = summed(&points);
    let fit = fitted(&source);
    close("F", number(&fit["free_energy_total"]), -evidence, EXACT, &source);
    for (place, p) in probabilities.into_iter().enumerate() {
        let found = number(&fit["posterior"]["P(s)"]["mean"][place / k][place % k]);
        close(&format!("P(s[{}] = {})", place / k, place % k), found, p, EXACT, &source);
    }
}

/// Means of groups about a common one, whose scale is unknown: y ~ N(0, (σ² + τ²) I + m² 11ᵀ) given τ.
fn groups(dice: &mut Dice) {
    let (sd, wide) = (between(dice, 0.4, 1.5), between(dice, 0.5, 3.0));
    let y: Vec<f64> = (0..3 + dice.below(5)).map(|_| between(dice, -3.0, 3.0)).collect();
    let (text, log_prior) = scale_prior(dice);
    let source = format!(
        "data y[J] = {}\nlatent tau ~ {text}\nlatent mu ~ Normal(0, {wide})\nlatent theta[J] ~ Normal(mu, tau)\n\
         observe y ~ Normal(theta, {sd})\n",
        list(&y)
    );
    let (n, sum) = (y.len() as f64, y.iter().sum::<f64>());
    let squares: f64 = y.iter().map(|y| y * y).sum();
    let given = |(tau, log): (f64, f64)| {
        // By the determinant lemma and the inverse of a matrix and a rank of one.
        let own = sd * sd + tau * tau;
        let all = own + n * wide * wide;
        let determinant = (n - 1.0) * own.ln() + all.ln();
        let square = squares / own - wide * wide * sum * sum / (own * all);
        let evidence = -0.5 * (square + determinant + n * std::f64::consts::TAU.ln());
        let (mean, variance) = (wide * wide * sum / all, wide * wide * own / all);
        (log + evidence, vec![tau, tau * tau, mean, variance + mean * mean])
    };
    let points: Vec<_> = scales(log_prior).into_iter().map(given).collect();
    let (evidence, of) = summed(&points);
    let sd = |k: usize| (of[k + 1] - of[k] * of[k]).sqrt();
    held(&fitted(&source), evidence, &[("tau", of[0], sd(0)), ("mu", of[2], sd(2))], &source);
}

/// Actions that are chosen and states that chance decides, or that are bent toward success: the value of each state by dynamic
/// programming from the end (Todorov, 2009; Levine, 2018).
fn control(dice: &mut Dice) {
    let (states, actions, t) = (2 + dice.below(3), 2 + dice.below(2), 1 + dice.below(5));
    let passive = shares(dice, actions);
    let start = shares(dice, states);
    let lands: Vec<Vec<Vec<f64>>> = (0..actions).map(|_| (0..states).map(|_| shares(dice, states)).collect()).collect();
    let cost: Vec<f64> = (0..states).map(|_| between(dice, 0.0, 3.0)).collect();
    let inferred = dice.below(2) == 0;
    let written: Vec<String> = lands.iter().map(|m| rows(m)).collect();
    let source = format!(
        "dim T = {t}\ndim S = {states}\ndim A = {actions}\nlet P[A, S, S'] = [{}]\nlet c[S] = {}\nlet passive[A] = {}\n\
         let start[S] = {}\nlatent s[0] ~ Categorical(start)\nfor t in T {{\n  \
         latent a[t] : index(A) ~ Categorical(passive)\n  guide a[t] = exact\n  \
         latent s[t+1] : index(S) ~ Categorical(P[a[t], s[t]])\n  loss steps = c[s[t]]\n}}\nguide s = {}\n",
        written.join(", "),
        list(&cost),
        list(&passive),
        list(&start),
        if inferred { "exact" } else { "prior" }
    );
    let mut value = vec![0.0; states];
    for _ in 0..t {
        let next = |s: usize| {
            let worth = |a: usize| -> f64 {
                let chances = lands[a][s].iter().zip(&value);
                match inferred {
                    true => chances.map(|(p, v)| p * f64::exp(-v)).sum(),
                    false => (-chances.map(|(p, v)| p * v).sum::<f64>()).exp(),
                }
            };
            cost[s] - passive.iter().enumerate().map(|(a, p)| p * worth(a)).sum::<f64>().ln()
        };
        value = (0..states).map(next).collect();
    }
    let expected = match inferred {
        true => -start.iter().zip(&value).map(|(p, v)| p * (-v).exp()).sum::<f64>().ln(),
        false => start.iter().zip(&value).map(|(p, v)| p * v).sum(),
    };
    close("F", number(&fitted(&source)["free_energy_total"]), expected, EXACT, &source);
}

/// Codes that go down F a few steps, beside the same steps written out.
fn descent(dice: &mut Dice) {
    let (n, k, d, steps) = (1 + dice.below(4), 1 + dice.below(3), 1 + dice.below(4), 1 + dice.below(12));
    let (sd, noise, step) = (between(dice, 0.3, 1.5), between(dice, 0.7, 1.5), between(dice, 0.02, 0.15));
    let x: Vec<Vec<f64>> = (0..n).map(|_| (0..d).map(|_| between(dice, -2.0, 2.0)).collect()).collect();
    let a: Vec<Vec<f64>> = (0..k).map(|_| (0..d).map(|_| between(dice, -1.0, 1.0)).collect()).collect();
    let source = format!(
        "dim K = {k}\ndata x[N, D] = {}\nlet a[K, D] = {}\nlatent z[N, K] ~ Normal(0, 1)\n\
         refine v[N, K] from 0 over {steps} steps by gradient(step = {step}, limit = none)\nguide z ~ Normal(v, {sd})\n\
         observe x ~ Normal(z @ a, {noise})\n",
        rows(&x),
        rows(&a)
    );
    let precision = 1.0 / (noise * noise);
    let short = |x: &[f64], v: &[f64]| -> Vec<f64> {
        (0..d).map(|j| x[j] - v.iter().zip(&a).map(|(v, a)| v * a[j]).sum::<f64>()).collect()
    };
    let mut expected = 0.0;
    for x in &x {
        let mut v = vec![0.0; k];
        for _ in 0..steps {
            let short = short(x, &v);
            let pull = |i: usize| short.iter().zip(&a[i]).map(|(e, a)| e * a).sum::<f64>() * precision;
            v = (0..k).map(|i| v[i] - step * (v[i] - pull(i))).collect();
        }
        let rate: f64 = v.iter().map(|v| 0.5 * (v * v + sd * sd - 1.0) - sd.ln()).sum();
        let spread: f64 = a.iter().flatten().map(|a| sd * sd * a * a).sum();
        let missed: f64 = short(x, &v).iter().map(|e| e * e).sum();
        let constant = d as f64 * (noise.ln() + 0.5 * std::f64::consts::TAU.ln());
        expected += rate + 0.5 * precision * (missed + spread) + constant;
    }
    close("F", number(&fitted(&source)["free_energy_total"]), expected, EXACT, &source);
}

/// The least distortion at a rate, under a fixed prior over letters: q ∝ p exp(−λ d), at the λ whose rate is the bound.
fn bound(dice: &mut Dice) {
    let (letters, codes) = (2 + dice.below(3), 2 + dice.below(3));
    let prior = shares(dice, codes);
    let cost: Vec<Vec<f64>> = (0..letters).map(|_| (0..codes).map(|_| between(dice, 0.0, 4.0)).collect()).collect();
    let x: Vec<f64> = (0..4 + dice.below(8)).map(|_| dice.below(letters) as f64).collect();
    let of = |l: f64| {
        let (mut rate, mut distortion) = (0.0, 0.0);
        for &letter in &x {
            let own = &cost[letter as usize];
            let weights: Vec<f64> = own.iter().zip(&prior).map(|(d, p)| p * (-l * d).exp()).collect();
            let total: f64 = weights.iter().sum();
            for ((w, d), p) in weights.iter().zip(own).zip(&prior) {
                let q = w / total;
                distortion += q * d / x.len() as f64;
                rate += if q > 0.0 { q * (q / p).ln() / x.len() as f64 } else { 0.0 };
            }
        }
        (rate, distortion)
    };
    // A bound between nothing and the rate of always choosing the best.
    let limit = (of(30.0).0 * between(dice, 0.2, 0.7) * 1000.0).round() / 1000.0;
    if limit < 0.01 {
        return;
    }
    let (mut low, mut high) = (0.0, 30.0);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if of(middle).0 > limit { high = middle } else { low = middle }
    }
    let mut source = format!("dim A = {letters}\ndim B = {codes}\ndata x[N] : index(A) = {}\n", list(&x));
    writeln!(source, "let cost[A, B] = {}\nlet p[B] = {}\nparam h[A, B] = normal(0, 1)", rows(&cost), list(&prior))
        .unwrap();
    source.push_str("latent z[N] : index(B) ~ Categorical(p)\nguide z ~ Categorical(softmax(h[x], B))\n");
    writeln!(source, "let row = cost[x]\nloss d = row[z]\nminimize distortion subject to rate <= {limit} nats")
        .unwrap();
    let fit = fitted(&source);
    let stated = &fit["constraints"][0];
    assert_eq!(stated["met"], true, "{stated}\n{source}");
    close("the rate", number(&fit["rate"]), limit, 1e-4, &source);
    close("the distortion", number(&fit["distortion"]), of(low).1, 1e-4, &source);
    close("the multiplier", number(&stated["multiplier"]), 1.0 / low, 1e-2, &source);
}

/// Every program by itself.
pub fn trials(trials: &mut Trials) {
    let all = crate::generated::asked().unwrap_or(ALL);
    for (name, kind) in KINDS {
        for seed in 0..all {
            trials.add(format!("structures::{name}::{seed}"), Tier::of(seed >= EVERYDAY), move || {
                kind(&mut Dice::of_seed(seed ^ (name.len() as u64 * 0x9e37_79b9)));
            });
        }
    }
}
