//! Descents against their recurrences written out, against closed forms, and their gradients against differences.

use fe_testing::{Model, Point, model};

const X: [[f64; 4]; 2] = [[0.9, -0.4, 0.3, 1.2], [-0.7, 0.8, 0.1, -0.2]];
const W: [[f64; 4]; 3] = [[0.8, -0.3, 0.2, 0.5], [-0.2, 0.6, 0.1, 0.4], [0.3, 0.1, -0.7, 0.2]];
const U: [f64; 3] = [-0.4, 0.2, -1.1];

const DATA: &str = "\
dim K = 3
data x[N, D] = [[0.9, -0.4, 0.3, 1.2], [-0.7, 0.8, 0.1, -0.2]]
data W[K, D] = [[0.8, -0.3, 0.2, 0.5], [-0.2, 0.6, 0.1, 0.4], [0.3, 0.1, -0.7, 0.2]]
data u[K] = [-0.4, 0.2, -1.1]
";
const LIKELIHOOD: &str = "observe x ~ Normal(z @ W, sqrt(0.5))\n";

fn of(text: &str) -> Model {
    model(&format!("{DATA}{text}{LIKELIHOOD}"))
}

/// The last value of a state, as declared, [N, K].
fn last(model: &Model, point: &Point, state: usize) -> Vec<f64> {
    let descent = model.objective.descent.as_ref().unwrap();
    model.at(point, &[descent.states[state].last]).remove(0).values
}

fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= tolerance * e.abs().max(1.0), "{found:?}\n{expected:?}");
    }
}

/// W (x − m W)/σ² of a row, σ² = ½.
fn pull(row: usize, m: &[f64]) -> Vec<f64> {
    let rest: Vec<f64> = (0..4).map(|d| X[row][d] - (0..3).map(|k| m[k] * W[k][d]).sum::<f64>()).collect();
    (0..3).map(|k| 2.0 * (0..4).map(|d| W[k][d] * rest[d]).sum::<f64>()).collect()
}

/// ½ ‖w‖²/σ²
fn half_length(k: usize) -> f64 {
    W[k].iter().map(|w| w * w).sum()
}

/// Every row moved by a step so many times.
fn moved(start: impl Fn(usize) -> f64, steps: usize, step: impl Fn(usize, &[f64]) -> Vec<f64>) -> Vec<f64> {
    let mut all = vec![];
    for row in 0..2 {
        let mut v: Vec<f64> = (0..3).map(&start).collect();
        for _ in 0..steps {
            v = step(row, &v);
        }
        all.extend(v);
    }
    all
}

fn exp(v: &[f64]) -> Vec<f64> {
    v.iter().map(|v| v.exp()).collect()
}

/// v ← v + η [W(x − λW)/σ² − ½‖w‖²/σ² − c − (v − u)] with a price c on spikes, softly limited.
fn spikes(row: usize, v: &[f64], eta: f64, price: f64, limit: Option<f64>) -> Vec<f64> {
    let pull = pull(row, &exp(v));
    let by = |k: usize| {
        let raw = eta * (pull[k] - half_length(k) - price - (v[k] - U[k]));
        limit.map_or(raw, |l| l * (raw / l).tanh())
    };
    (0..3).map(|k| v[k] + by(k)).collect()
}

const POISSON: &str = "latent z[N, K] ~ Poisson(exp(u))\nguide z ~ Poisson(exp(v))\n";

#[test]
fn spiking_codes_follow_the_law() {
    for (options, limit) in [("limit = none", None), ("limit = 0.2", Some(0.2)), ("guard = false", Some(1.0))] {
        let refine = format!("refine v[N, K] from u over 16 steps by natural_gradient(step = 0.05, {options})\n");
        let m = of(&format!("{POISSON}{refine}"));
        let expected = moved(|k| U[k], 16, |row, v| spikes(row, v, 0.05, 0.0, limit));
        close(&last(&m, &m.start(), 0), &expected, 1e-13);
    }
}

/// SSE/2σ² at the mean, ½‖w‖²/σ² for each spike, and the rate: what a row of the Poisson code descends, its constant dropped.
fn row_energy(row: usize, v: &[f64]) -> f64 {
    let rate = exp(v);
    let rest = (0..4).map(|d| X[row][d] - (0..3).map(|k| rate[k] * W[k][d]).sum::<f64>());
    let sse: f64 = rest.map(|r| r * r).sum();
    sse + (0..3).map(|k| rate[k] * (half_length(k) + v[k] - U[k] - 1.0)).sum::<f64>()
}

/// With a guard each row halves its own step, at a step that is far too long for some.
#[test]
fn a_guard_is_each_rows_own() {
    let refine = "refine v[N, K] from u over 12 steps by natural_gradient(step = 1.1, limit = none, guard = true)\n";
    let m = of(&format!("{POISSON}{refine}"));
    let mut halved = [0, 0];
    let expected: Vec<f64> = (0..2)
        .flat_map(|row| {
            let mut v = U.to_vec();
            for _ in 0..12 {
                let whole = spikes(row, &v, 1.1, 0.0, None);
                let by = |share: f64| -> Vec<f64> { (0..3).map(|k| v[k] + share * (whole[k] - v[k])).collect() };
                let before = row_energy(row, &v);
                let to = (0..=10).map(|h| by(0.5f64.powi(h))).find(|to| row_energy(row, to) < before);
                halved[row] += usize::from(row_energy(row, &whole) >= before);
                v = to.unwrap_or(v);
            }
            v
        })
        .collect();
    assert!(halved[0] > halved[1] && halved[1] > 0, "rows that are held at steps of their own: {halved:?}");
    close(&last(&m, &m.start(), 0), &expected, 1e-9);
}

/// A decoder that leaves no closed form: E f(z + eᵢ) − f(z), over what counts may be.
#[test]
fn one_more_spike_through_a_bent_decoder() {
    const DRAWS: usize = 60_000;
    let m = model(&format!(
        "dim K = 2\ndata x[N, D] = [[0.9, -0.4], [0.2, 0.5]]\ndata W[K, D] = [[0.8, -0.3], [-0.2, 0.6]]\ndata u[K] = [-0.4, 0.2]\n\
         latent z[N, K] ~ Poisson(exp(u))\nguide z ~ Poisson(exp(v))\n\
         refine v[N, K] from 0.5 over 1 steps by natural_gradient(step = 0.1, limit = none, samples = {DRAWS})\n\
         observe x ~ Normal(tanh(z @ W), 0.5)\n"
    ));
    let (x, w, u, v) = ([[0.9, -0.4], [0.2, 0.5]], [[0.8, -0.3], [-0.2, 0.6]], [-0.4, 0.2], 0.5f64);
    let cost = |row: usize, z: [f64; 2]| -> f64 {
        let rest = (0..2).map(|d| x[row][d] - (0..2).map(|k| z[k] * w[k][d]).sum::<f64>().tanh());
        rest.map(|r| 2.0 * r * r).sum()
    };
    let rate = v.exp();
    let mut chance = vec![(-rate).exp()];
    for n in 1..40 {
        chance.push(chance[n - 1] * rate / n as f64);
    }
    let found = last(&m, &m.start(), 0);
    for row in 0..2 {
        for k in 0..2 {
            let (mut mean, mut square) = (0.0, 0.0);
            for (a, pa) in chance.iter().enumerate() {
                for (b, pb) in chance.iter().enumerate() {
                    let z = [a as f64, b as f64];
                    let mut more = z;
                    more[k] += 1.0;
                    let effect = cost(row, more) - cost(row, z);
                    mean += pa * pb * effect;
                    square += pa * pb * effect * effect;
                }
            }
            let expected = v - 0.1 * (mean + v - u[k]);
            let error = 0.1 * ((square - mean * mean) / DRAWS as f64).sqrt();
            let by = found[2 * row + k] - expected;
            assert!(by.abs() < 4.0 * error, "{by} at an error of {error}");
        }
    }
}

/// Weights, prices and the multipliers of bounds belong to what is descended.
#[test]
fn prices_drain_the_potential() {
    let refine = "refine v[N, K] from u over 9 steps by natural_gradient(step = 0.05)\n";
    let m = of(&format!("{POISSON}{refine}minimize distortion + rate + 0.3 * energy\n"));
    let expected = moved(|k| U[k], 9, |row, v| spikes(row, v, 0.05, 0.3, Some(1.0)));
    close(&last(&m, &m.start(), 0), &expected, 1e-13);
    let m = of(&format!("{POISSON}{refine}minimize distortion + rate subject to energy <= 2 spikes\n"));
    let mut point = m.start();
    point.put(m.objective.minimised.bounds[0].multiplier, 0.7);
    let expected = moved(|k| U[k], 9, |row, v| spikes(row, v, 0.05, 0.7, Some(1.0)));
    close(&last(&m, &point, 0), &expected, 1e-13);
    let m = of(&format!("{POISSON}{refine}minimize distortion + 4 * rate\n"));
    let expected = moved(
        |k| U[k],
        9,
        |row, v| {
            let pull = pull(row, &exp(v));
            (0..3).map(|k| v[k] + (0.05 * (pull[k] - half_length(k) - 4.0 * (v[k] - U[k]))).tanh()).collect()
        },
    );
    close(&last(&m, &m.start(), 0), &expected, 1e-13);
}

/// The slope is that in the mean: at a rate of 1e-30 nothing is lost of it.
#[test]
fn silent_units_wake_to_full_precision() {
    let m = model(
        "dim K = 2\ndata x[N, D] = [[0, 0]]\ndata W[K, D] = [[0, 0], [0, 0]]\nlatent z[N, K] ~ Poisson(exp(-1))\n\
         guide z ~ Poisson(exp(v))\nrefine v[N, K] from -69.07755278982137 over 1 steps by natural_gradient(step = 0.1, limit = none)\n\
         observe x ~ Normal(z @ W, 1)\n",
    );
    close(&last(&m, &m.start(), 0), &[-69.07755278982137 + 0.1 * 68.07755278982137; 2], 1e-15);
}

#[test]
fn binary_codes_follow_the_law() {
    let m = of("latent z[N, K] ~ Bernoulli(sigmoid(u))\nguide z ~ Bernoulli(logits = v)\n\
         refine v[N, K] from u over 12 steps by natural_gradient(step = 0.2, limit = none)\n");
    let expected = moved(
        |k| U[k],
        12,
        |row, v| {
            let r: Vec<f64> = v.iter().map(|v| 1.0 / (1.0 + (-v).exp())).collect();
            let pull = pull(row, &r);
            (0..3).map(|k| v[k] + 0.2 * (pull[k] - half_length(k) * (1.0 - 2.0 * r[k]) - (v[k] - U[k]))).collect()
        },
    );
    close(&last(&m, &m.start(), 0), &expected, 1e-12);
}

/// At a probability that rounds to 0 or to 1 the slope is still that in the mean.
#[test]
fn saturated_units_keep_their_slope() {
    let m = model(
        "dim K = 2\ndata x[N, D] = [[0, 0]]\ndata W[K, D] = [[0, 0], [0, 0]]\ndata v0[K] = [-45, 60]\n\
         latent z[N, K] ~ Bernoulli(sigmoid(-1))\nguide z ~ Bernoulli(logits = v)\n\
         refine v[N, K] from v0 over 1 steps by natural_gradient(step = 0.1, limit = none)\nobserve x ~ Normal(z @ W, 1)\n",
    );
    close(&last(&m, &m.start(), 0), &[-45.0 + 0.1 * 44.0, 60.0 - 0.1 * 61.0], 1e-14);
}

const GAUSSIAN: &str = "latent z[N, K] ~ Normal(0, 1)\n";

/// The mean-field closed form: m = (I + W Wᵀ/σ²)⁻¹ W x/σ², s² = 1/(1 + ‖w‖²/σ²).
#[test]
fn gaussian_codes_end_at_the_closed_form() {
    let m = of(&format!(
        "{GAUSSIAN}guide z ~ Normal(m, exp(l))\n\
         refine m[N, K] from 0 over 600 steps by natural_gradient(step = 0.3)\n\
         refine l[N, K] from 0 over 600 steps by natural_gradient(step = 0.3)\n"
    ));
    let (mean, log_sd) = (last(&m, &m.start(), 0), last(&m, &m.start(), 1));
    for row in 0..2 {
        // At the end the pull and the prior are level.
        let own = &mean[3 * row..3 * row + 3];
        close(&pull(row, own), own, 1e-10);
        for k in 0..3 {
            let s2 = 1.0 / (1.0 + 2.0 * half_length(k));
            close(&[(2.0 * log_sd[3 * row + k]).exp()], &[s2], 1e-10);
        }
    }
}

/// Predictive coding is the mean of the Gaussian code at a fixed scale, at every step.
#[test]
fn predictive_coding_is_the_gaussian_mean() {
    for steps in [1, 2, 5, 40] {
        let plain = of(&format!(
            "{GAUSSIAN}guide z ~ Normal(v, 0.5)\nrefine v[N, K] from 0 over {steps} steps by gradient(step = 0.05, limit = none)\n"
        ));
        let natural = of(&format!(
            "{GAUSSIAN}guide z ~ Normal(v, 0.5)\n\
             refine v[N, K] from 0 over {steps} steps by natural_gradient(step = 0.2, limit = none)\n"
        ));
        let expected = moved(
            |_| 0.0,
            steps,
            |row, v| {
                let pull = pull(row, v);
                (0..3).map(|k| v[k] + 0.05 * (pull[k] - v[k])).collect()
            },
        );
        close(&last(&plain, &plain.start(), 0), &expected, 1e-13);
        close(&last(&natural, &natural.start(), 0), &expected, 1e-12);
    }
}

/// v ← v + η [W(x − aW)/σ² − (v − a)], a the soft threshold of v (Rozell et al. 2008).
#[test]
fn competing_units_follow_the_law() {
    for (prior, threshold) in [("Laplace(0, 2)", 0.5), ("Laplace(0, 1)", 1.0)] {
        let m = model(&format!(
            "{DATA}latent a[N, K] ~ {prior}\nguide a = point(v)\n\
             refine v[N, K] from 0 over 60 steps by proximal(step = 0.1, limit = none)\nobserve x ~ Normal(a @ W, sqrt(0.5))\n"
        ));
        let expected = moved(
            |_| 0.0,
            60,
            |row, v| {
                let a: Vec<f64> = v.iter().map(|v| v.signum() * (v.abs() - threshold).max(0.0)).collect();
                let pull = pull(row, &a);
                (0..3).map(|k| v[k] + 0.1 * (pull[k] - (v[k] - a[k]))).collect()
            },
        );
        close(&last(&m, &m.start(), 0), &expected, 1e-13);
    }
}

/// A drawn message is the effect of one more spike: its mean over draws is the closed slope.
#[test]
fn drawn_messages_are_right_on_average() {
    let drawn = of(&format!(
        "{POISSON}refine v[N, K] from u over 1 steps by natural_gradient(step = 0.05, samples = 100_000, limit = none)\n"
    ));
    let closed =
        of(&format!("{POISSON}refine v[N, K] from u over 1 steps by natural_gradient(step = 0.05, limit = none)\n"));
    let (found, expected) = (last(&drawn, &drawn.start(), 0), last(&closed, &closed.start(), 0));
    // The sd of a message is that of Σ_j (W Wᵀ)_kj z_j/σ², below 2 here.
    for (f, e) in found.iter().zip(&expected) {
        assert!((f - e).abs() < 4.0 * 0.05 * 2.0 / (1e5f64).sqrt() && f != e, "{found:?} {expected:?}");
    }
    // Each step draws anew.
    let two = of(&format!(
        "{POISSON}refine v[N, K] from u over 2 steps by natural_gradient(step = 0.05, samples = 1, limit = none)\n"
    ));
    let one = of(&format!(
        "{POISSON}refine v[N, K] from u over 1 steps by natural_gradient(step = 0.05, samples = 1, limit = none)\n"
    ));
    let mut point = one.start();
    point.seed = 3;
    assert_ne!(last(&one, &point, 0), last(&one, &one.start(), 0));
    assert!(last(&two, &two.start(), 0).iter().all(|v| v.is_finite()));
}

const FREE: &str = "\
dim K = 3
data x[N, D] = [[0.9, -0.4, 0.3, 1.2], [-0.7, 0.8, 0.1, -0.2]]
param W[K, D] = normal(0, 1)
param u[K] = 0
latent z[N, K] ~ Poisson(exp(u))
guide z ~ Poisson(exp(v))
observe x ~ Normal(z @ W, sqrt(0.5))
";

fn slopes_hold(m: &Model, tolerance: f64) {
    let mut point = m.start();
    point.scatter(m);
    for (found, expected) in m.gradient(&point).iter().zip(m.differences(&point, 1e-5)) {
        close(&found.values, &expected.values, tolerance);
    }
}

#[test]
fn gradients_run_back_through_the_steps() {
    for options in ["through = all", "through = all, average = true", "step = learned"] {
        let step = if options.contains("step") { "" } else { "step = 0.05, " };
        let m = model(&format!("{FREE}refine v[N, K] from u over 7 steps by natural_gradient({step}{options})\n"));
        slopes_hold(&m, 1e-7);
    }
    // An encoder's start is fitted through the steps without a word.
    let m = model(&format!(
        "{FREE}param E[D, K] = normal(0, 1)\nrefine v[N, K] from u + x @ E over 4 steps by natural_gradient(step = 0.05)\n"
    ));
    slopes_hold(&m, 1e-7);
}

/// Where the descent has settled, no gradient through it is needed (envelope theorem), and that of a few steps is the same.
#[test]
fn a_settled_descent_needs_no_gradient_through_it() {
    let with = |through: &str| {
        model(&format!(
            "{FREE}refine v[N, K] from u over 400 steps by natural_gradient(step = 0.1, through = {through})\n"
        ))
    };
    let (none, all, three) = (with("none"), with("all"), with("3"));
    let mut point = none.start();
    point.scatter(&none);
    let expected = all.gradient(&point);
    for m in [&none, &three] {
        for (found, expected) in m.gradient(&point).iter().zip(&expected) {
            close(&found.values, &expected.values, 1e-6);
        }
    }
    // Where it has not, they differ.
    let short =
        model(&format!("{FREE}refine v[N, K] from u over 2 steps by natural_gradient(step = 0.1, through = none)\n"));
    let far =
        model(&format!("{FREE}refine v[N, K] from u over 2 steps by natural_gradient(step = 0.1, through = all)\n"));
    let (a, b) = (short.gradient(&point), far.gradient(&point));
    assert!(a[0].values.iter().zip(&b[0].values).any(|(a, b)| (a - b).abs() > 1e-3));
}

/// The mean over the steps, and the trace whose last entry is what is minimised.
#[test]
fn traces_add_up() {
    let refine = |options: &str| {
        format!("{POISSON}refine v[N, K] from u over 5 steps by natural_gradient(step = 0.05{options})\n")
    };
    let m = of(&refine(""));
    let trace = &m.objective.descent.as_ref().unwrap().trace;
    let steps = m.at(&m.start(), &trace.terms);
    let total: Vec<f64> = (0..6).map(|s| steps.iter().map(|t| t.values[s]).sum::<f64>() / 2.0).collect();
    close(&[total[5]], &[m.value(&m.start())], 1e-12);
    assert!(total.windows(2).all(|w| w[1] < w[0]), "{total:?}");
    let averaged = of(&refine(", average = true"));
    close(&[averaged.value(&averaged.start())], &[total[1..].iter().sum::<f64>() / 5.0], 1e-12);
    // Zeros: the mean of e^{−λ} at each step; spikes: Σ λ.
    let watched = m.at(&m.start(), &[trace.zeros[0], trace.spikes[0]]);
    let v = moved(|k| U[k], 5, |row, v| spikes(row, v, 0.05, 0.0, Some(1.0)));
    let zeros = v.iter().map(|v| (-v.exp()).exp()).sum::<f64>() / 3.0;
    close(&[watched[0].values[5], watched[1].values[5]], &[zeros, v.iter().map(|v| v.exp()).sum()], 1e-12);
}

/// The slope's own slope at the last state, in the metric: of one unit, 1 + λ ‖w‖²/σ²; the largest over rows.
#[test]
fn curvature_is_that_of_the_worst_row() {
    let m = model(
        "dim K = 1\ndata x[N, D] = [[0.9, -0.4], [3, -2]]\ndata W[K, D] = [[0.8, -0.3]]\nlatent z[N, K] ~ Poisson(0.7)\n\
         guide z ~ Poisson(exp(v))\nrefine v[N, K] from log(0.7) over 20 steps by natural_gradient(step = 0.1)\n\
         observe x ~ Normal(z @ W, sqrt(0.5))\n",
    );
    let descent = m.objective.descent.as_ref().unwrap();
    let v = last(&m, &m.start(), 0);
    let rate = v.iter().map(|v| v.exp()).fold(0.0, f64::max);
    close(&[m.number(&m.start(), descent.curvature)], &[1.0 + rate * 2.0 * (0.8f64.powi(2) + 0.3f64.powi(2))], 1e-10);
}

/// With the last posterior as the next prior, each frame's descent starts from it: v_t ← p_t + η [… − (v − p_t)].
#[test]
fn online_descents_carry_their_posteriors() {
    let m = model(
        "dim K = 3\ndata x[N, T, D] = [[[0.9, -0.4, 0.3, 1.2], [0.9, -0.4, 0.3, 1.2], [0.1, 0.4, 0.3, 0.2]]]\n\
         data W[K, D] = [[0.8, -0.3, 0.2, 0.5], [-0.2, 0.6, 0.1, 0.4], [0.3, 0.1, -0.7, 0.2]]\ndata u[K] = [-0.4, 0.2, -1.1]\n\
         for t in T {\n  let p[N, t, K] = if t == 0 then u else v[t-1]\n  latent z[N, t, K] ~ Poisson(exp(p[t]))\n\
         guide z[t] ~ Poisson(exp(v[t]))\n  refine v[N, t, K] from p[t] over 2 steps by natural_gradient(step = 0.05)\n\
         observe x[t] ~ Normal(z[t] @ W, sqrt(0.5))\n}\n",
    );
    let frames = [X[0], X[0], [0.1, 0.4, 0.3, 0.2]];
    let (mut prior, mut expected, mut total) = (U.to_vec(), vec![], 0.0);
    for frame in frames {
        let mut v = prior.clone();
        for _ in 0..2 {
            let rate = exp(&v);
            let rest: Vec<f64> = (0..4).map(|d| frame[d] - (0..3).map(|k| rate[k] * W[k][d]).sum::<f64>()).collect();
            v = (0..3)
                .map(|k| {
                    let pull = 2.0 * (0..4).map(|d| W[k][d] * rest[d]).sum::<f64>();
                    v[k] + (0.05 * (pull - half_length(k) - (v[k] - prior[k]))).tanh()
                })
                .collect();
        }
        let rate = exp(&v);
        total += (0..3)
            .map(|k| rate[k] * (v[k] - prior[k]) - rate[k] + prior[k].exp() + rate[k] * half_length(k))
            .sum::<f64>();
        let rest = (0..4).map(|d| (frame[d] - (0..3).map(|k| rate[k] * W[k][d]).sum::<f64>()).powi(2));
        total += rest.sum::<f64>() + 2.0 * std::f64::consts::PI.ln();
        expected.extend(&v);
        prior = v;
    }
    // Over sorted axes the units come before the frames.
    let by_unit: Vec<f64> = (0..3).flat_map(|k| (0..3).map(move |t| 3 * t + k)).map(|i| expected[i]).collect();
    close(&last(&m, &m.start(), 0), &by_unit, 1e-12);
    close(&[m.value(&m.start())], &[total], 1e-12);
}
