//! Values and gradients of objectives against independent ways to the same number: formulas worked out by hand, sums and
//! integrals done here, and finite differences.

use fe_objective::{DrawGradient, Estimator, Objective, Remainder};
use fe_testing::{Model, Point, model};

const LOG_2PI: f64 = 1.837_877_066_409_345_5;

const PATHWISE: Estimator = Estimator::Draws { gradient: DrawGradient::Pathwise, entropy_exact: false };

fn estimators(objective: &Objective) -> Vec<Estimator> {
    objective.terms.iter().map(|t| t.estimator).collect()
}

fn close(found: f64, expected: f64, within: f64) {
    assert!((found - expected).abs() <= within * expected.abs().max(1.0), "{found}, not {expected}");
}

/// The gradient nodes against central differences of the value, along fixed noise.
fn slopes_agree(model: &Model, point: &Point) {
    let (gradient, differences) = (model.gradient(point), model.differences(point, 1e-5));
    for ((parameter, slope), difference) in model.objective.parameters.iter().zip(&gradient).zip(&differences) {
        for (a, b) in slope.values.iter().zip(&difference.values) {
            assert!((a - b).abs() < 1e-6 * (1.0 + b.abs()), "{}: {a}, by differences {b}", parameter.name);
        }
    }
}

/// log N(x; m, s).
fn log_normal(x: f64, m: f64, s: f64) -> f64 {
    -0.5 * ((x - m) / s).powi(2) - s.ln() - 0.5 * LOG_2PI
}

/// E f(z) for z ~ N(m, s), by the midpoint rule.
fn normal_mean(m: f64, s: f64, f: impl Fn(f64) -> f64) -> f64 {
    let n = 20_000;
    let h = 20.0 / f64::from(n);
    let at = |k: i32| -10.0 + h * (f64::from(k) + 0.5);
    (0..n).map(|k| h * log_normal(at(k), 0.0, 1.0).exp() * f(m + s * at(k))).sum()
}

#[test]
fn a_normal_model_is_in_closed_form() {
    let model = model(
        "param m = 0\nparam u = 0\nlatent z ~ Normal(1, 2)\ndim N = 2\ndata y[N] = [0.5, -1.5]\nguide z ~ Normal(m, exp(u))\nobserve y ~ Normal(z, 1.5)\n",
    );
    assert_eq!(estimators(&model.objective), [Estimator::ClosedForm, Estimator::ClosedForm]);
    let mut point = model.start();
    let (m, u) = (0.3, -0.4);
    point.put(model.parameter("m"), m);
    point.put(model.parameter("u"), u);
    let s = f64::exp(u);
    let rate = 0.5 * (((m - 1.0) / 2.0).powi(2) + s * s / 4.0 - 1.0 - (s * s / 4.0).ln());
    let cost = |y: f64| -log_normal(y, m, 1.5) + 0.5 * s * s / (1.5 * 1.5);
    let (z, y) = (model.objective.terms[0].sum, model.objective.terms[1].sum);
    close(model.number(&point, z), rate, 1e-12);
    close(model.number(&point, y), cost(0.5) + cost(-1.5), 1e-12);
    close(model.value(&point), (rate + cost(0.5) + cost(-1.5)) / 2.0, 1e-12);
    slopes_agree(&model, &point);
}

#[test]
fn a_count_against_a_count_is_in_closed_form() {
    let model = model(
        "param v = 0\nlatent z ~ Poisson(2)\ndim N = 1\ndata y[N] = [1.5]\nguide z ~ Poisson(exp(v))\nobserve y ~ Normal(z, 1)\n",
    );
    assert_eq!(estimators(&model.objective), [Estimator::ClosedForm, Estimator::ClosedForm]);
    let mut point = model.start();
    point.put(model.parameter("v"), 0.2);
    let rate = f64::exp(0.2);
    let kl = rate * (rate / 2.0).ln() - rate + 2.0;
    let cost = 0.5 * ((1.5 - rate).powi(2) + rate) + 0.5 * LOG_2PI;
    close(model.value(&point), kl + cost, 1e-12);
    close(model.number(&point, model.objective.spikes[0].sum), rate, 1e-12);
    slopes_agree(&model, &point);
}

#[test]
fn finite_latents_are_summed_out() {
    let model = model(
        "param a = 0\ndim N = 2\nlatent c[N] ~ Bernoulli(0.3)\ndata y[N] = [0.4, 2.5]\nobserve y ~ Normal(a + 3 * c, 1)\n",
    );
    let summed = Estimator::Enumeration(Remainder::Closed);
    assert_eq!(estimators(&model.objective), [summed, summed]);
    let mut point = model.start();
    point.put(model.parameter("a"), 0.25);
    let evidence = |y: f64| 0.7 * log_normal(y, 0.25, 1.0).exp() + 0.3 * log_normal(y, 3.25, 1.0).exp();
    let total = -evidence(0.4).ln() - evidence(2.5).ln();
    let sum: f64 = model.objective.terms.iter().map(|t| model.number(&point, t.sum)).sum();
    close(sum, total, 1e-12);
    slopes_agree(&model, &point);
}

#[test]
fn a_point_is_charged_its_prior() {
    let model =
        model("latent z ~ Normal(1, 2)\ndim N = 1\ndata y[N] = [0.5]\nguide z = point\nobserve y ~ Normal(z, 1)\n");
    assert_eq!(estimators(&model.objective), [Estimator::Exact, Estimator::Exact]);
    assert!(model.objective.terms[0].penalty);
    let mut point = model.start();
    point.put(model.parameter("z.point"), 0.8);
    close(model.value(&point), -log_normal(0.8, 1.0, 2.0) - log_normal(0.5, 0.8, 1.0), 1e-12);
    slopes_agree(&model, &point);
}

#[test]
fn smooth_functions_of_one_normal_are_taken_by_quadrature() {
    let model = model(
        "param m = 0\nparam u = 0\nlatent z ~ Normal(0, 1)\ndim N = 1\ndata y[N] = [1]\nguide z ~ Normal(m, exp(u))\nobserve y ~ Bernoulli(sigmoid(z))\n",
    );
    assert_eq!(estimators(&model.objective), [Estimator::ClosedForm, Estimator::Quadrature]);
    let mut point = model.start();
    point.put(model.parameter("m"), 0.3);
    point.put(model.parameter("u"), -0.5);
    let expected = normal_mean(0.3, f64::exp(-0.5), |z| (-z).exp().ln_1p());
    close(model.number(&point, model.objective.terms[1].sum), expected, 1e-6);
    slopes_agree(&model, &point);
}

/// Along fixed noise the value's slope is its gradient, for every guide that is drawn by a path.
#[test]
fn pathwise_gradients_are_the_slopes_along_fixed_noise() {
    let guides = ["FullRank()", "MeanField()", "LowRank(1)", "Flow(layers = 1)", "Laplace()"];
    for guide in guides {
        let model = model(&format!(
            "latent a ~ Normal(0, 1)\nlatent s ~ HalfNormal(1)\ndim N = 3\ndata y[N] = [0.5, 1.5, -1]\n\
             guide a, s ~ {guide}\nobserve y ~ StudentT(4, 0.5 * a, s)\n"
        ));
        let found = estimators(&model.objective);
        assert_eq!(found.last(), Some(&PATHWISE), "{guide}: {found:?}");
        // A flow bends the noise behind every rate.
        let rates = if guide.starts_with("Flow") { PATHWISE } else { Estimator::ClosedForm };
        assert!(found.iter().take(2).all(|e| *e == rates), "{guide}: {found:?}");
        let mut point = model.start();
        point.samples = 3;
        point.scatter(&model);
        slopes_agree(&model, &point);
    }
}

#[test]
fn the_slope_of_a_chain_is_its_gradient() {
    let model = model(
        "dim T = 5\ndata y[T] = [0.1, 0.5, 0.2, -0.4, 0.3]\nfor t in T {\n  latent s[t] ~ Normal(if t == 0 then 0 else 0.9 * s[t-1], 0.5)\n  observe y[t] ~ StudentT(4, s[t], 0.3)\n}\nguide s ~ Tridiagonal()\n",
    );
    let mut point = model.start();
    point.samples = 2;
    point.scatter(&model);
    slopes_agree(&model, &point);
}

#[test]
fn implicit_draws_have_the_slope_of_their_quantile() {
    let model = model(
        "param a = 0\nparam b = 0\nlatent r ~ LogNormal(0, 1)\ndim N = 1\ndata y[N] = [2]\nguide r ~ Gamma(exp(a), exp(b))\nobserve y ~ StudentT(4, r, 1)\n",
    );
    let implicit = |e: &Estimator| matches!(e, Estimator::Draws { gradient: DrawGradient::Implicit, .. });
    assert!(estimators(&model.objective).iter().any(implicit));
    let mut point = model.start();
    point.samples = 4;
    point.put(model.parameter("a"), 0.7);
    point.put(model.parameter("b"), 0.2);
    slopes_agree(&model, &point);
}

/// The score function's gradient over many samples, within five standard errors of the exact one.
#[test]
fn the_score_function_is_unbiased() {
    let text = |by: &str| {
        format!(
            "param h = 0\nlatent c ~ Bernoulli(0.3) by {by}\ndim N = 1\ndata y[N] = [2]\nguide c ~ Bernoulli(sigmoid(h))\nobserve y ~ StudentT(4, 3 * c, 1)\n"
        )
    };
    let (score, exact) = (model(&text("score")), model(&text("enumeration")));
    let of_score = Estimator::Draws { gradient: DrawGradient::Score, entropy_exact: false };
    assert_eq!(estimators(&score.objective)[1], of_score);
    assert!(score.objective.minimised.scored);
    let at = |model: &Model, seed: u64| {
        let mut point = model.start();
        point.put(model.parameter("h"), 0.4);
        (point.samples, point.seed) = (64, seed);
        model.gradient(&point)[0].values[0]
    };
    let drawn: Vec<f64> = (0..64).map(|seed| at(&score, seed)).collect();
    let mean = drawn.iter().sum::<f64>() / 64.0;
    let variance = drawn.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / 63.0;
    let error = (variance / 64.0).sqrt();
    let expected = at(&exact, 0);
    assert!((mean - expected).abs() < 5.0 * error, "{mean} ± {error}, not {expected}");
    assert!(error < 0.1, "{error}");
}

#[test]
fn a_bound_from_importance_weights_has_its_own_slope() {
    let model = model(
        "param m = 0\nparam u = 0\nlatent z ~ Normal(0, 1)\ndim N = 1\ndata y[N] = [0.5]\nguide z ~ Normal(m, exp(u))\nobserve y ~ Normal(z, 1)\nminimize iwae(k = 4)\n",
    );
    let mut point = model.start();
    point.put(model.parameter("m"), 0.2);
    point.samples = 3;
    slopes_agree(&model, &point);
    // At the exact posterior every weight is the evidence.
    point.put(model.parameter("m"), 0.25);
    point.put(model.parameter("u"), 0.5f64.sqrt().ln());
    close(model.value(&point), -log_normal(0.5, 0.0, 2f64.sqrt()), 1e-10);
}

#[test]
fn a_bound_is_priced_by_its_multiplier() {
    let model = model(
        "param m = 0\nlatent z ~ Normal(0, 1)\ndim N = 1\ndata y[N] = [0.5]\nguide z ~ Normal(m, 0.5)\nobserve y ~ Normal(z, 1)\nminimize distortion subject to rate <= 0.1 nats\n",
    );
    let bound = &model.objective.minimised.bounds[0];
    let mut point = model.start();
    point.put(model.parameter("m"), 0.7);
    let (multiplier, penalty) = (bound.multiplier, bound.penalty);
    let free = model.value(&point);
    let excess = model.number(&point, bound.value) - 0.1;
    assert!(excess > 0.0);
    point.put(multiplier, 1.5);
    close(model.value(&point) - free, 1.5 * excess, 1e-12);
    point.put(penalty, 2.0);
    close(model.value(&point) - free, ((1.5 + 2.0 * excess).powi(2) - 1.5f64.powi(2)) / 4.0, 1e-12);
    slopes_agree(&model, &point);
}

/// A uniform number, of a generator of the test's own: Knuth's MMIX.
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 11) as f64 / (1u64 << 53) as f64
}

/// Twelve uniform numbers less 6, which have mean 0 and variance 1.
fn twelve(state: &mut u64) -> f64 {
    (0..12).map(|_| uniform(state)).sum::<f64>() - 6.0
}

/// A Poisson count: how many uniform numbers have a product above e^−mean (Knuth).
fn count(state: &mut u64, mean: f64) -> f64 {
    let mut product = uniform(state);
    let mut counted = 0.0;
    while product > (-mean).exp() {
        product *= uniform(state);
        counted += 1.0;
    }
    counted
}

/// What 2 × 2 kernels of 4 × 4 lay on a picture of 4 × 4, a step of 2 apart, one place outside of it on each side.
fn laid(z: &[f64], kernels: &[f64], power: i32) -> [f64; 16] {
    let mut picture = [0.0; 16];
    for (c, (p, q)) in (0..2).flat_map(|c| (0..4).map(move |at| (c, (at / 2, at % 2)))) {
        for (i, j) in (0..16).map(|at| (at / 4, at % 4)) {
            let (y, x) = (2 * p + i, 2 * q + j);
            if (1..5).contains(&y) && (1..5).contains(&x) {
                let weight = kernels[c * 16 + i * 4 + j];
                picture[(y - 1) * 4 + x - 1] += z[c * 4 + p * 2 + q] * weight.powi(power);
            }
        }
    }
    picture
}

/// E‖x − deconv z‖² is ‖x − deconv E z‖² + Σ Var z · (squares of the part of the kernel that fits), by the formula and by
/// draws: of normal codes and of counts.
#[test]
fn a_linear_deconv_keeps_its_closed_form() {
    let x: Vec<f64> = (0..16).map(|k| (0.7 * f64::from(k)).cos()).collect();
    let written: Vec<String> = x.iter().map(f64::to_string).collect();
    let program = |prior: &str, guide: &str| {
        format!(
            "dim K = 2\ndim H = 2\ndim W = 2\ndata x[N, D] = [[{}]]\nparam v[K, H, W] = 0\n\
             latent z[N, K, H, W] ~ {prior}\nguide z ~ {guide}\n\
             observe x ~ Normal(z |> deconv(1, kernel = 4, stride = 2) |> as[D], 0.8)\n",
            written.join(", ")
        )
    };
    for (prior, guide) in [("Normal(0, 1)", "Normal(v, 0.6)"), ("Poisson(0.7)", "Poisson(exp(v))")] {
        let model = model(&program(prior, guide));
        assert_eq!(estimators(&model.objective), [Estimator::ClosedForm, Estimator::ClosedForm], "{guide}");
        let mut point = model.start();
        point.scatter(&model);
        let of = |name: &str| point.inputs[&model.parameter(name)].values.clone();
        let (v, kernels, bias) = (of("v"), of("x.observe.deconv.1.weight"), of("x.observe.deconv.1.bias")[0]);
        let counts = prior.starts_with("Poisson");
        let means: Vec<f64> = v.iter().map(|v| if counts { v.exp() } else { *v }).collect();
        let variances: Vec<f64> = means.iter().map(|m| if counts { *m } else { 0.36 }).collect();
        let (center, spread) = (laid(&means, &kernels, 1), laid(&variances, &kernels, 2));
        let cost = |error: f64| 0.5 * error / 0.64 + 16.0 * (0.8f64.ln() + 0.5 * LOG_2PI);
        let squares = |mean: &[f64; 16]| x.iter().zip(mean).map(|(x, m)| (x - m - bias).powi(2)).sum::<f64>();
        let found = model.number(&point, model.objective.terms[1].sum);
        close(found, cost(squares(&center) + spread.iter().sum::<f64>()), 1e-12);
        slopes_agree(&model, &point);
        let mut state = 5;
        let draws: Vec<f64> = (0..20_000)
            .map(|_| {
                let draw = |m: &f64| if counts { count(&mut state, *m) } else { m + 0.6 * twelve(&mut state) };
                let z: Vec<f64> = means.iter().map(draw).collect();
                cost(squares(&laid(&z, &kernels, 1)))
            })
            .collect();
        let n = draws.len() as f64;
        let mean = draws.iter().sum::<f64>() / n;
        let error = (draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n * n)).sqrt();
        assert!((found - mean).abs() < 3.0 * error, "{found}, and {mean} ± {error} by draws");
    }
}

/// A linear convolution of a latent picture is a sum of independent parts, whatever windows overlap.
#[test]
fn a_linear_conv_keeps_its_closed_form() {
    let model = model(
        "dim K = 1\ndim H = 3\ndim W = 3\ndata x[N, D] = [[1, -2, 0.5, 0.3, 0.1, -1, 2, 0.7, 1.5]]\nparam v[K, H, W] = 0\n\
         latent z[N, K, H, W] ~ Normal(0, 1)\nguide z ~ Normal(v, 0.6)\n\
         observe x ~ Normal(z |> conv(1, kernel = 3) |> as[D], 1)\n",
    );
    assert_eq!(estimators(&model.objective), [Estimator::ClosedForm, Estimator::ClosedForm]);
    let mut point = model.start();
    point.scatter(&model);
    let of = |name: &str| point.inputs[&model.parameter(name)].values.clone();
    let (v, kernel, bias) = (of("v"), of("x.observe.conv.1.weight"), of("x.observe.conv.1.bias")[0]);
    let x = [1.0, -2.0, 0.5, 0.3, 0.1, -1.0, 2.0, 0.7, 1.5];
    let mut expected = 4.5 * LOG_2PI;
    for (y, at) in (0..9usize).map(|k| (k, (k / 3, k % 3))) {
        let (mut mean, mut variance) = (bias, 0.0);
        for (i, j) in (0..9).map(|k| (k / 3, k % 3)) {
            let (h, w) = (at.0 + i, at.1 + j);
            if (1..4).contains(&h) && (1..4).contains(&w) {
                mean += v[(h - 1) * 3 + w - 1] * kernel[i * 3 + j];
                variance += 0.36 * kernel[i * 3 + j].powi(2);
            }
        }
        expected += 0.5 * ((x[y] - mean).powi(2) + variance);
    }
    close(model.number(&point, model.objective.terms[1].sum), expected, 1e-12);
    slopes_agree(&model, &point);
}

/// Dropout is on in what is minimised, where each element is 0 or doubled, and off in every term that is reported.
#[test]
fn dropout_is_of_the_training_alone() {
    let model = model(
        "dim N = 3\ndata x[N, D] = [[1, 2], [3, 4], [5, 6]]\ndata y[N] = [1, 2, 3]\nparam w[D] = 1\n\
         latent z ~ Normal(0, 1)\nguide z = point\nobserve y ~ Normal(z + (x |> dropout(0.5)) @ w, 1)\n",
    );
    let mut point = model.start();
    point.put(model.parameter("z.point"), 0.25);
    point.set(&model, model.parameter("w"), &[1.0, 1.0]);
    let cost = |error: f64| 0.5 * error * error + 0.5 * LOG_2PI;
    let whole: f64 = [(1.0, 3.0), (2.0, 7.0), (3.0, 11.0)].iter().map(|(y, sum)| cost(y - 0.25 - sum)).sum();
    close(model.number(&point, model.objective.terms[1].sum), whole, 1e-12);
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..40 {
        point.seed = seed;
        let minimised = 3.0 * model.value(&point) - cost(0.25);
        let found = (0..64).find(|mask| {
            let kept = |k: usize, v: f64| if mask >> k & 1 == 1 { 2.0 * v } else { 0.0 };
            let rows = [(1.0, 1.0, 2.0), (2.0, 3.0, 4.0), (3.0, 5.0, 6.0)];
            let terms = rows.iter().enumerate();
            let total: f64 = terms.map(|(n, (y, a, b))| cost(y - 0.25 - kept(2 * n, *a) - kept(2 * n + 1, *b))).sum();
            (total - minimised).abs() < 1e-9 * total.abs()
        });
        seen.insert(found.unwrap_or_else(|| panic!("{minimised} is of no mask")));
        slopes_agree(&model, &point);
    }
    assert!(seen.len() > 20, "{seen:?}");
}
