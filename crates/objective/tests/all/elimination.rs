//! Latents that are integrated out: the evidence given the others, its derivatives, and the conditional's moments, against
//! the joint Gaussian worked out here with dense matrices.

use fe_objective::{Estimator, GuideKind, Structure};
use fe_testing::{Model, Point, model};
use nalgebra::{DMatrix, DVector};

/// Data that look like data.
fn numbers(count: usize, phase: f64) -> Vec<f64> {
    (0..count).map(|k| ((k * k) as f64 * 0.7 + phase).sin() + 0.3 * (k as f64 * 1.3).cos()).collect()
}

fn list(values: &[f64]) -> String {
    values.iter().map(|v| format!("{v:?}")).collect::<Vec<_>>().join(", ")
}

/// −log N(y; mean, covariance).
fn surprise(y: &[f64], mean: f64, covariance: &DMatrix<f64>) -> f64 {
    let deviation = DVector::from_iterator(y.len(), y.iter().map(|v| v - mean));
    let factor = covariance.clone().cholesky().unwrap();
    let square = deviation.dot(&factor.solve(&deviation));
    let log_det: f64 = factor.l().diagonal().iter().map(|v| 2.0 * v.ln()).sum();
    0.5 * (square + log_det + y.len() as f64 * (2.0 * std::f64::consts::PI).ln())
}

/// −log of a half-normal density of a scale, and of its derivative in the scale's logarithm.
fn half_normal(u: f64, scale: f64) -> f64 {
    let s = u.exp();
    0.5 * (s / scale).powi(2) + scale.ln() + 0.5 * (std::f64::consts::PI / 2.0).ln() - u
}

/// A point at which the guide of what is drawn is as good as fixed.
fn fixed(model: &Model, u: &[f64]) -> Point {
    let joint = &model.objective.guides.joints[0];
    assert_eq!(joint.dimension, u.len());
    let mut point = model.start();
    point.set(model, joint.start, u);
    let narrow: Vec<f64> = (0..u.len() * u.len()).map(|k| if k % (u.len() + 1) == 0 { 1e-9 } else { 0.0 }).collect();
    point.set(model, joint.preconditioner, &narrow);
    point
}

/// Holds a program to −log p(y | θ) at a few θ, all of whose scales have the prior HalfNormal(2): the landscape of the guide
/// with its gradient, the terms' sum, and the gradient of what is minimised.
fn holds(source: &str, names: &[&str], expected: &dyn Fn(&[f64]) -> f64) -> Model {
    let model = model(source);
    let dimension = model.objective.guides.joints[0].dimension;
    let eliminated = model.objective.guides.latents.iter().filter(|l| matches!(l.guide, GuideKind::Eliminated { .. }));
    assert_eq!(eliminated.map(|l| l.name.as_str()).collect::<Vec<_>>(), names);
    for k in 0..3 {
        let u: Vec<f64> = (0..dimension).map(|j| 0.4 * ((k * 3 + j) as f64).sin() - 0.3).collect();
        let scales: Vec<f64> = u.iter().map(|u| u.exp()).collect();
        let prior: f64 = u.iter().map(|&u| half_normal(u, 2.0)).sum();
        let given = expected(&scales);
        let landscape = &model.objective.guides.joints[0].landscape;
        let mut point = fixed(&model, &u);
        let mut energy = |u: &[f64]| {
            point.set(&model, landscape.point, u);
            model.number(&point, landscape.potential)
        };
        let found = energy(&u);
        assert!((found - given - prior).abs() < 1e-8, "{found}, not {}", given + prior);
        let slope: Vec<f64> = (0..dimension)
            .map(|j| {
                let mut moved = |by: f64| {
                    let mut at = u.clone();
                    at[j] += by;
                    energy(&at)
                };
                (moved(1e-5) - moved(-1e-5)) / 2e-5
            })
            .collect();
        point.set(&model, landscape.point, &u);
        for (a, b) in model.at(&point, &[landscape.gradient])[0].values.iter().zip(&slope) {
            assert!((a - b).abs() < 1e-6 * (1.0 + b.abs()), "{a}, by differences {b}");
        }
        // Second derivatives by differences of first ones.
        for j in 0..dimension {
            let direction: Vec<f64> = (0..dimension).map(|i| f64::from(u8::from(i == j))).collect();
            point.set(&model, landscape.direction, &direction);
            let product = model.at(&point, &[landscape.product]).remove(0).values;
            let mut gradient = |by: f64| {
                let mut at = u.clone();
                at[j] += by;
                point.set(&model, landscape.point, &at);
                model.at(&point, &[landscape.gradient]).remove(0).values
            };
            let (above, below) = (gradient(1e-5), gradient(-1e-5));
            point.set(&model, landscape.point, &u);
            for ((a, x), y) in product.iter().zip(above).zip(below) {
                let b = (x - y) / 2e-5;
                assert!((a - b).abs() < 1e-5 * (1.0 + b.abs()), "{a}, by differences {b}");
            }
        }
        // Rates of what is integrated out and distortions: together −log p(y | θ).
        let parts = model.objective.terms.iter().filter(|t| t.estimator == Estimator::Elimination);
        let total: f64 = parts.map(|t| model.number(&point, t.sum)).sum();
        assert!((total - given).abs() < 1e-6, "{total}, not {given}");
        let wide = Point { samples: 3, ..model.start() };
        let (gradient, differences) = (model.gradient(&wide), model.differences(&wide, 1e-5));
        for (a, b) in gradient.iter().zip(&differences).flat_map(|(a, b)| a.values.iter().zip(&b.values)) {
            assert!((a - b).abs() < 1e-6 * (1.0 + b.abs()), "{a}, by differences {b}");
        }
    }
    model
}

fn structures(model: &Model) -> Vec<Structure> {
    let of = |g| if let GuideKind::Eliminated { structure } = g { Some(structure) } else { None };
    model.objective.guides.latents.iter().filter_map(|l| of(l.guide)).collect()
}

/// Draws of a reported value at a fixed θ, against a mean and a covariance.
fn draws_agree(model: &Model, u: &[f64], name: &str, mean: &DVector<f64>, covariance: &DMatrix<f64>) {
    let reported = model.objective.report.posterior.iter().find(|r| r.name == name).unwrap();
    let count = 40_000;
    let point = Point { samples: count, ..fixed(model, u) };
    let drawn = model.at(&point, &[reported.node]).remove(0).values;
    let n = mean.len();
    let draws = DMatrix::from_row_slice(count, n, &drawn);
    let found = draws.row_mean().transpose();
    let mut centred = draws;
    for mut row in centred.row_iter_mut() {
        row -= found.transpose();
    }
    let spread = centred.transpose() * &centred / count as f64;
    for i in 0..n {
        let sd = covariance[(i, i)].sqrt();
        assert!(
            (found[i] - mean[i]).abs() < 5.0 * sd / (count as f64).sqrt(),
            "{name}[{i}]: {}, not {}",
            found[i],
            mean[i]
        );
        for j in 0..n {
            let scale = sd * covariance[(j, j)].sqrt();
            let off = (spread[(i, j)] - covariance[(i, j)]).abs() / scale;
            assert!(off < 0.04, "{name}[{i}, {j}]: {}, not {}", spread[(i, j)], covariance[(i, j)]);
        }
    }
}

const OF: [usize; 7] = [0, 2, 1, 0, 2, 2, 1];

#[test]
fn groups_about_a_common_mean() {
    let y = numbers(7, 0.1);
    let source = format!(
        "dim J = 3\ndata of[N] : index(J) = [{}]\ndata y[N] = [{}]\nlatent mu ~ Normal(0.5, 3)\nlatent s ~ HalfNormal(2)\nlatent a[J] ~ Normal(mu, s)\nobserve y ~ Normal(a[of], 0.7)\n",
        OF.map(|k| k.to_string()).join(", "),
        list(&y)
    );
    let covariance = |s: f64| {
        DMatrix::from_fn(7, 7, |i, j| 9.0 + if OF[i] == OF[j] { s * s } else { 0.0 } + if i == j { 0.49 } else { 0.0 })
    };
    let model = holds(&source, &["mu", "a"], &|s| surprise(&y, 0.5, &covariance(s[0])));
    assert_eq!(structures(&model), [Structure::Apart { elements: 1 }, Structure::Apart { elements: 3 }]);
    // a given y: by conditioning.
    let s: f64 = 0.8;
    let with = DMatrix::from_fn(3, 7, |j, n| 9.0 + if OF[n] == j { s * s } else { 0.0 });
    let own = DMatrix::from_fn(3, 3, |i, j| 9.0 + if i == j { s * s } else { 0.0 });
    let gain = &with * covariance(s).try_inverse().unwrap();
    let deviation = DVector::from_iterator(7, y.iter().map(|v| v - 0.5));
    let mean = DVector::from_element(3, 0.5) + &gain * deviation;
    draws_agree(&model, &[s.ln()], "a", &mean, &(own - gain * with.transpose()));
}

#[test]
fn crossed_effects() {
    let (rows, columns) = (3, 4);
    let y = numbers(rows * columns, 0.4);
    let table: Vec<String> = y.chunks(columns).map(|row| format!("[{}]", list(row))).collect();
    let source = format!(
        "data y[I, J] = [{}]\nlatent s ~ HalfNormal(2)\nlatent t ~ HalfNormal(2)\nlatent e ~ HalfNormal(2)\nlatent m ~ Normal(0, 1)\nlatent a[I] ~ Normal(0, s)\nlatent b[J] ~ Normal(m, t)\nobserve y ~ Normal(a + b, e)\n",
        table.join(", ")
    );
    let covariance = |s: &[f64]| {
        DMatrix::from_fn(rows * columns, rows * columns, |x, y| {
            let (row, column) = (x / columns == y / columns, x % columns == y % columns);
            let part = |same: bool, v: f64| if same { v * v } else { 0.0 };
            1.0 + part(row, s[0]) + part(column, s[1]) + part(x == y, s[2])
        })
    };
    let model = holds(&source, &["m", "a", "b"], &|s| surprise(&y, 0.0, &covariance(s)));
    let blocks = Structure::Blocks { blocks: 1, width: 3 };
    assert_eq!(structures(&model), [Structure::Apart { elements: 1 }, blocks, Structure::Apart { elements: 4 }]);
}

#[test]
fn slopes_of_groups_that_are_correlated() {
    let y = numbers(7, 0.9);
    let x = numbers(7, 2.2);
    let source = format!(
        "dim J = 3\ndim P = 2\ndata of[N] : index(J) = [{}]\ndata x[N] = [{}]\ndata y[N] = [{}]\nlatent s ~ HalfNormal(2)\nlatent e ~ HalfNormal(2)\nlet C[P, P'] = [[1, 0.4], [0.4, 0.5]]\nlatent b[J, P] ~ MultivariateNormal(0, s^2 * C)\nlet slope[J] = b[J] @ [0, 1]\nlet level[J] = b[J] @ [1, 0]\nobserve y ~ Normal(level[of] + slope[of] * x, e)\n",
        OF.map(|k| k.to_string()).join(", "),
        list(&x),
        list(&y)
    );
    let source = source.replace("b[J] @ [0, 1]", "sum(b * one, P)").replace("b[J] @ [1, 0]", "sum(b * zero, P)");
    let source = source.replace("let slope", "let one[P] = [0, 1]\nlet zero[P] = [1, 0]\nlet slope");
    let covariance = |s: &[f64]| {
        DMatrix::from_fn(7, 7, |i, j| {
            let together = 1.0 + 0.4 * (x[i] + x[j]) + 0.5 * x[i] * x[j];
            (if OF[i] == OF[j] { s[0] * s[0] * together } else { 0.0 }) + if i == j { s[1] * s[1] } else { 0.0 }
        })
    };
    let model = holds(&source, &["b"], &|s| surprise(&y, 0.0, &covariance(s)));
    assert_eq!(structures(&model), [Structure::Blocks { blocks: 3, width: 2 }]);
}

#[test]
fn a_gaussian_process_of_unknown_length() {
    let (x, y) = (numbers(6, 1.7), numbers(6, 0.2));
    let source = format!(
        "data x[N] = [{}]\ndata y[N] = [{}]\nlatent l ~ HalfNormal(2)\nlatent e ~ HalfNormal(2)\nlet K[N, N'] = exp(-(x - x[N'])^2 / (2 * l^2)) + 0.01 * eye(N)\nlatent f[N] ~ MultivariateNormal(0.3, K)\nobserve y ~ Normal(f, e)\n",
        list(&x),
        list(&y)
    );
    let kernel = |l: f64| {
        DMatrix::from_fn(6, 6, |i, j| (-0.5 * ((x[i] - x[j]) / l).powi(2)).exp() + if i == j { 0.01 } else { 0.0 })
    };
    let covariance = |s: &[f64]| kernel(s[0]) + DMatrix::identity(6, 6) * (s[1] * s[1]);
    let model = holds(&source, &["f"], &|s| surprise(&y, 0.3, &covariance(s)));
    assert_eq!(structures(&model), [Structure::Blocks { blocks: 1, width: 6 }]);
    let theta = [0.9, 0.4];
    let gain = kernel(theta[0]) * covariance(&theta).try_inverse().unwrap();
    let deviation = DVector::from_iterator(6, y.iter().map(|v| v - 0.3));
    let mean = DVector::from_element(6, 0.3) + &gain * deviation;
    let left = kernel(theta[0]) - &gain * kernel(theta[0]);
    draws_agree(&model, &[theta[0].ln(), theta[1].ln()], "f", &mean, &left);
}

#[test]
fn a_regression_of_unknown_noise() {
    let (x, y) = (numbers(15, 1.1), numbers(5, 0.6));
    let rows: Vec<String> = x.chunks(3).map(|row| format!("[{}]", list(row))).collect();
    let source = format!(
        "data x[N, K] = [{}]\ndata y[N] = [{}]\nlatent e ~ HalfNormal(2)\nlatent w[K] ~ Normal(0, 1.5)\nobserve y ~ Normal(x @ w, e)\n",
        rows.join(", "),
        list(&y)
    );
    let design = DMatrix::from_row_slice(5, 3, &x);
    let covariance = |s: &[f64]| &design * design.transpose() * 2.25 + DMatrix::identity(5, 5) * (s[0] * s[0]);
    holds(&source, &["w"], &|s| surprise(&y, 0.0, &covariance(s)));
}

/// The covariance of a walk at two steps: of its start and of each step since.
fn walk(i: usize, j: usize, start: f64, step: f64) -> f64 {
    start * start + i.min(j) as f64 * step * step
}

#[test]
fn a_level_that_drifts() {
    let y = numbers(8, 0.3);
    let source = format!(
        "data y[T] = [{}]\nlatent s ~ HalfNormal(2)\nlatent e ~ HalfNormal(2)\nlatent shift ~ Normal(0, 2)\nfor t in T {{\n  latent w[t] ~ Normal(if t == 0 then 0 else w[t-1], if t == 0 then 1.3 else s)\n  observe y[t] ~ Normal(w[t] + shift, e)\n}}\n",
        list(&y)
    );
    let covariance =
        |s: &[f64]| DMatrix::from_fn(8, 8, |i, j| 4.0 + walk(i, j, 1.3, s[0]) + if i == j { s[1] * s[1] } else { 0.0 });
    let model = holds(&source, &["shift", "w"], &|s| surprise(&y, 0.0, &covariance(s)));
    let chain = Structure::Chain { steps: 8, width: 1, chains: 1 };
    assert_eq!(structures(&model), [Structure::Apart { elements: 1 }, chain]);
    let theta = [0.6, 0.9];
    let own = DMatrix::from_fn(8, 8, |i, j| walk(i, j, 1.3, theta[0]));
    let gain = &own * covariance(&theta).try_inverse().unwrap();
    let mean = &gain * DVector::from_row_slice(&y);
    draws_agree(&model, &[theta[0].ln(), theta[1].ln()], "w", &mean, &(&own - &gain * &own));
}

#[test]
fn two_latents_of_one_loop_and_steps_that_were_not_seen() {
    let y = numbers(7, 0.8);
    let source = format!(
        "data y[T] = [{}]\nlatent s ~ HalfNormal(2)\nlatent r ~ HalfNormal(2)\nfor t in T {{\n  latent slope[t] ~ Normal(if t == 0 then 0 else slope[t-1], if t == 0 then 0.5 else r)\n  latent level[t] ~ Normal(if t == 0 then 0 else level[t-1] + slope[t-1], if t == 0 then 1 else s)\n  observe y[t] ~ Normal(level[t], 0.4)\n}}\n",
        list(&y)
    );
    let covariance = |s: &[f64]| {
        // Every source of noise, with its weight in the level of each step.
        let mut weights: Vec<(f64, Vec<f64>)> = vec![];
        for k in 0..7 {
            let level = (0..7).map(|t| f64::from(u8::from(t >= k))).collect();
            weights.push((if k == 0 { 1.0 } else { s[0] }, level));
            let slope = (0..7).map(|t| (t as f64 - k as f64).max(0.0)).collect();
            weights.push((if k == 0 { 0.5 } else { s[1] }, slope));
        }
        DMatrix::from_fn(7, 7, |i, j| {
            weights.iter().map(|(sd, w)| sd * sd * w[i] * w[j]).sum::<f64>() + if i == j { 0.16 } else { 0.0 }
        })
    };
    let model = holds(&source, &["slope", "level"], &|s| surprise(&y, 0.0, &covariance(s)));
    assert_eq!(structures(&model)[0], Structure::Chain { steps: 7, width: 2, chains: 1 });
}

#[test]
fn many_chains_in_one_program_and_a_vector_that_turns() {
    let y = numbers(12, 1.9);
    let table = |width: usize| y.chunks(width).map(|row| format!("[{}]", list(row))).collect::<Vec<_>>().join(", ");
    // Apart: three walks of four steps.
    let source = format!(
        "data y[T, J] = [{}]\nlatent s ~ HalfNormal(2)\nfor t in T {{\n  latent w[t, J] ~ Normal(if t == 0 then 0 else w[t-1], if t == 0 then 1 else s)\n  observe y[t] ~ Normal(w[t], 0.5)\n}}\n",
        table(3)
    );
    let covariance = |s: &[f64]| {
        DMatrix::from_fn(12, 12, |a, b| {
            let own = if a % 3 == b % 3 { walk(a / 3, b / 3, 1.0, s[0]) } else { 0.0 };
            own + if a == b { 0.25 } else { 0.0 }
        })
    };
    let model = holds(&source, &["w"], &|s| surprise(&y, 0.0, &covariance(s)));
    assert_eq!(structures(&model), [Structure::Chain { steps: 4, width: 1, chains: 3 }]);
    // Together: a vector of two that turns, for six steps.
    let source = format!(
        "dim S = 2\ndata y[T, S] = [{}]\nlatent s ~ HalfNormal(2)\nlet A[S, S'] = [[0.8, -0.5], [0.5, 0.8]]\nfor t in T {{\n  latent w[t, S] ~ Normal(if t == 0 then 0 else w[t-1] @ A, if t == 0 then 1 else s)\n  observe y[t] ~ Normal(w[t], 0.5)\n}}\n",
        table(2)
    );
    let covariance = |s: &[f64]| {
        let turn = DMatrix::from_row_slice(2, 2, &[0.8, -0.5, 0.5, 0.8]).transpose();
        let mut maps = vec![];
        for t in 0..6_i32 {
            // Weights of the noise of step k in step t.
            maps.push((0..=t).map(|k| turn.pow(u32::try_from(t - k).unwrap())).collect::<Vec<_>>());
        }
        DMatrix::from_fn(12, 12, |a, b| {
            let mut total = if a == b { 0.25 } else { 0.0 };
            for (k, (x, z)) in maps[a / 2].iter().zip(&maps[b / 2]).enumerate() {
                let sd = if k == 0 { 1.0 } else { s[0] };
                total += sd * sd * (x.row(a % 2) * z.row(b % 2).transpose())[(0, 0)];
            }
            total
        })
    };
    let model = holds(&source, &["w"], &|s| surprise(&y, 0.0, &covariance(s)));
    assert_eq!(structures(&model), [Structure::Chain { steps: 6, width: 2, chains: 1 }]);
}

/// One number for each group: the integral over each by a fine sum done here.
#[test]
fn groups_whose_likelihood_is_not_gaussian() {
    type Surprise = fn(f64, f64) -> f64;
    let counts = [0.0, 3.0, 11.0, 1.0, 0.0, 2.0, 40.0];
    let flips = [1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0];
    let poisson: Surprise = |y, a| a.exp() - y * a + (1..=y as u32).map(|k| f64::from(k).ln()).sum::<f64>();
    let bernoulli: Surprise = |y, a| (1.0 + a.exp()).ln() - y * a;
    // Not convex: two modes where the rows of a group differ.
    // The density of Student's t with 3 degrees of freedom is 2/(π√3) (1 + x²/3)⁻².
    let student: Surprise =
        |y, a| 2.0 * (1.0 + (y - a).powi(2) / 3.0).ln() - (2.0 / (std::f64::consts::PI * 3f64.sqrt())).ln();
    let apart = [-1.0, 2.5, 0.2, 2.0, 1.1, -1.5, 0.4];
    let cases = [
        (": count", "Poisson(exp(a[of]))", counts, poisson),
        (": bool", "Bernoulli(logits = a[of])", flips, bernoulli),
        ("", "StudentT(3, a[of], 1)", apart, student),
    ];
    for (kind, likelihood, y, surprise) in cases {
        let source = format!(
            "dim J = 3\ndata of[N] : index(J) = [{}]\ndata y[N] {kind} = [{}]\nlatent s ~ HalfNormal(2)\nlatent a[J] ~ Normal(0.3, s)\nobserve y ~ {likelihood}\n",
            OF.map(|k| k.to_string()).join(", "),
            y.map(|v| v.to_string()).join(", ")
        );
        let model = model(&source);
        assert_eq!(structures(&model), [Structure::Points { elements: 3 }]);
        for u in [-4.0, -1.5, 0.0, 1.2] {
            let s = f64::exp(u);
            let mut given = 0.0;
            for j in 0..3 {
                let h = s / 400.0;
                let density = |a: f64| {
                    let rows = (0..7).filter(|&n| OF[n] == j).map(|n| surprise(y[n], a)).sum::<f64>();
                    (-rows - 0.5 * ((a - 0.3) / s).powi(2)).exp() / (s * (2.0 * std::f64::consts::PI).sqrt())
                };
                let total: f64 = (-8000..=8000).map(|k| h * density(0.3 + f64::from(k) * h)).sum();
                given -= total.ln();
            }
            let landscape = &model.objective.guides.joints[0].landscape;
            let mut point = fixed(&model, &[u]);
            point.set(&model, landscape.point, &[u]);
            let (found, expected) = (model.number(&point, landscape.potential), given + half_normal(u, 2.0));
            assert!((found - expected).abs() < 1e-6, "{likelihood} at {s}: {found}, not {expected}");
            let total: f64 = model.objective.terms[1..].iter().map(|t| model.number(&point, t.sum)).sum();
            assert!((total - given).abs() < 1e-6, "{likelihood} at {s}: {total}, not {given}");
        }
        let wide = Point { samples: 3, ..model.start() };
        let (gradient, differences) = (model.gradient(&wide), model.differences(&wide, 1e-5));
        for (a, b) in gradient.iter().zip(&differences).flat_map(|(a, b)| a.values.iter().zip(&b.values)) {
            assert!((a - b).abs() < 1e-6 * (1.0 + b.abs()), "{a}, by differences {b}");
        }
    }
}

#[test]
fn what_is_not_quadratic_stays_in_the_guide() {
    let kept = |source: &str| {
        let model = model(source);
        model.objective.guides.latents.iter().all(|l| !matches!(l.guide, GuideKind::Eliminated { .. }))
    };
    let data = "data y[N] = [0.3, 0.8]\nlatent s ~ HalfNormal(2)\n";
    assert!(kept(&format!("{data}latent a ~ StudentT(4, 0, s)\nobserve y ~ Normal(a, 1)\n")));
    assert!(kept(&format!("{data}latent a ~ Normal(0, s)\nobserve y ~ Normal(exp(a), 1)\n")));
    assert!(kept(&format!("{data}latent a ~ Normal(0, s) by guide\nobserve y ~ Normal(a, 1)\n")));
    assert!(kept(&format!(
        "{data}latent a ~ Normal(0, s)\nobserve y ~ Normal(a, 1)\nminimize distortion + 2 * rate\n"
    )));
    assert!(!kept(&format!("{data}latent a ~ Normal(0, s)\nobserve y ~ Normal(a, 1)\n")));
    // A sum over points is no integral of what has a kink.
    assert!(kept(&format!("{data}latent a[N] ~ Normal(0, s)\nobserve y ~ Normal(relu(a), 1)\n")));
    assert!(!kept(&format!("{data}latent a[N] ~ Normal(0, s)\nobserve y ~ Normal(exp(a), 1)\n")));
    // Where nothing that it depends on is drawn, the free energy is closed already.
    assert!(kept("data y[N] = [0.3, 0.8]\nlatent a ~ Normal(0, 1)\nobserve y ~ Normal(a, 1)\n"));
}

/// Chains and vectors of groups with a log-concave likelihood: −log p at the mode and the Hessian there, worked out here by Newton's
/// method on dense matrices; its gradient and that of what is minimised by differences; and the weights of its draws, whose mean is
/// the evidence.
mod at_the_mode {
    use super::*;

    /// −log p(z, y | θ) of one latent vector, its gradient and its Hessian.
    type Energy<'e> = dyn Fn(&DVector<f64>) -> (f64, DVector<f64>, DMatrix<f64>) + 'e;

    /// U(m) + ½ log |H| − (d/2) log 2π.
    fn laplace(dimension: usize, energy: &Energy) -> f64 {
        let mut z = DVector::zeros(dimension);
        for _ in 0..100 {
            let (value, gradient, hessian) = energy(&z);
            let step = hessian.cholesky().unwrap().solve(&gradient);
            let part = (0..30).map(|k| 0.5f64.powi(k)).find(|p| energy(&(&z - &step * *p)).0 <= value).unwrap();
            z -= step * part;
        }
        let (value, gradient, hessian) = energy(&z);
        assert!(gradient.amax() < 1e-9);
        let log_det: f64 = hessian.cholesky().unwrap().l().diagonal().iter().map(|v| 2.0 * v.ln()).sum();
        value + 0.5 * log_det - 0.5 * dimension as f64 * (2.0 * std::f64::consts::PI).ln()
    }

    /// Adds a Gaussian prior of zero mean.
    fn with_prior(
        covariance: &DMatrix<f64>,
        likelihood: impl Fn(usize, f64) -> (f64, f64, f64),
        read: impl Fn(&DVector<f64>) -> Vec<(usize, f64)>,
        slopes: &DMatrix<f64>,
        z: &DVector<f64>,
    ) -> (f64, DVector<f64>, DMatrix<f64>) {
        let precision = covariance.clone().try_inverse().unwrap();
        let log_det: f64 = covariance.clone().cholesky().unwrap().l().diagonal().iter().map(|v| v.ln()).sum();
        let mut value =
            0.5 * z.dot(&(&precision * z)) + log_det + 0.5 * z.len() as f64 * (2.0 * std::f64::consts::PI).ln();
        let mut gradient = &precision * z;
        let mut hessian = precision;
        for (row, at) in read(z) {
            let (v, first, second) = likelihood(row, at);
            let own = slopes.row(row).transpose();
            value += v;
            gradient += &own * first;
            hessian += &own * own.transpose() * second;
        }
        (value, gradient, hessian)
    }

    fn holds_at_mode(source: &str, expected: &dyn Fn(&[f64]) -> f64) -> Model {
        let model = model(source);
        let dimension = model.objective.guides.joints[0].dimension;
        assert!(model.objective.guides.latents.iter().any(|l| l.guide.is_at_mode()));
        for k in 0..3 {
            let u: Vec<f64> = (0..dimension).map(|j| 0.4 * ((k * 3 + j) as f64).sin() - 0.3).collect();
            let scales: Vec<f64> = u.iter().map(|u| u.exp()).collect();
            let prior: f64 = u.iter().map(|&u| half_normal(u, 2.0)).sum();
            let given = expected(&scales);
            let landscape = &model.objective.guides.joints[0].landscape;
            let mut point = fixed(&model, &u);
            let mut energy = |u: &[f64]| {
                point.set(&model, landscape.point, u);
                model.number(&point, landscape.potential)
            };
            let found = energy(&u);
            assert!((found - given - prior).abs() < 1e-8, "{found}, not {}", given + prior);
            let slope: Vec<f64> = (0..dimension)
                .map(|j| {
                    let mut moved = |by: f64| {
                        let mut at = u.clone();
                        at[j] += by;
                        energy(&at)
                    };
                    (moved(1e-5) - moved(-1e-5)) / 2e-5
                })
                .collect();
            point.set(&model, landscape.point, &u);
            for (a, b) in model.at(&point, &[landscape.gradient])[0].values.iter().zip(&slope) {
                assert!((a - b).abs() < 1e-6 * (1.0 + b.abs()), "{a}, by differences {b}");
            }
        }
        let wide = Point { samples: 3, ..model.start() };
        let (gradient, differences) = (model.gradient(&wide), model.differences(&wide, 1e-5));
        for (a, b) in gradient.iter().zip(&differences).flat_map(|(a, b)| a.values.iter().zip(&b.values)) {
            assert!((a - b).abs() < 1e-5 * (1.0 + b.abs()), "{a}, by differences {b}");
        }
        model
    }

    fn log_factorial(y: f64) -> f64 {
        (1..=y as u32).map(|k| f64::from(k).ln()).sum()
    }

    #[test]
    fn counts_of_a_walk_and_noise_whose_size_drifts() {
        let counts = [2.0, 0.0, 1.0, 4.0, 7.0, 3.0];
        let list = |v: &[f64]| v.iter().map(|v| v.to_string()).collect::<Vec<_>>().join(", ");
        let source = format!(
            "data y[T] : count = [{}]\nlatent s ~ HalfNormal(2)\nfor t in T {{\n  latent w[t] ~ Normal(if t == 0 then 0 else w[t-1], if t == 0 then 1.3 else s)\n  observe y[t] ~ Poisson(exp(w[t]))\n}}\n",
            list(&counts)
        );
        let each = |z: &DVector<f64>| z.iter().copied().enumerate().collect::<Vec<_>>();
        let unit = DMatrix::identity(6, 6);
        let model = holds_at_mode(&source, &|s| {
            let covariance = DMatrix::from_fn(6, 6, |i, j| walk(i, j, 1.3, s[0]));
            let poisson = |row: usize, a: f64| {
                (a.exp() - counts[row] * a + log_factorial(counts[row]), a.exp() - counts[row], a.exp())
            };
            laplace(6, &|z| with_prior(&covariance, poisson, each, &unit, z))
        });
        // The evidence given s: the mean weight of draws, against a sum over a fine grid, step by step.
        let s = 0.7;
        let grid: Vec<f64> = (-600..=600).map(|k| f64::from(k) * 0.02).collect();
        let normal = |x: f64, sd: f64| (-0.5 * (x / sd).powi(2)).exp() / (sd * (2.0 * std::f64::consts::PI).sqrt());
        let seen = |t: usize, w: f64| (counts[t] * w - w.exp() - log_factorial(counts[t])).exp();
        let mut forward: Vec<f64> = grid.iter().map(|&w| normal(w, 1.3) * seen(0, w)).collect();
        for t in 1..6 {
            forward = grid
                .iter()
                .map(|&w| {
                    let sum: f64 = grid.iter().zip(&forward).map(|(&b, f)| normal(w - b, s) * f * 0.02).sum();
                    sum * seen(t, w)
                })
                .collect();
        }
        let exact = forward.iter().sum::<f64>() * 0.02;
        let weight = model.objective.report.log_weight.unwrap();
        let reported = model.objective.report.posterior.iter().find(|r| r.name == "s").unwrap().node;
        let point = Point { samples: 4000, ..fixed(&model, &[f64::ln(s)]) };
        let found = model.at(&point, &[weight, reported]);
        // Less the density of the guide, which is as good as a point: a normal of width 1e-9.
        let ratios: Vec<f64> = found[0]
            .values
            .iter()
            .zip(&found[1].values)
            .map(|(log, own)| {
                let off = (own.ln() - s.ln()) / 1e-9;
                let guide = -0.5 * off * off - 1e-9f64.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln();
                (log + guide + half_normal(s.ln(), 2.0) - exact.ln()).exp()
            })
            .collect();
        let count = ratios.len() as f64;
        let mean = ratios.iter().sum::<f64>() / count;
        let sd = (ratios.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / count).sqrt();
        assert!(sd < 0.3, "{sd}");
        assert!((mean - 1.0).abs() < 5.0 * sd / count.sqrt(), "{mean} ± {}", sd / count.sqrt());
    }

    #[test]
    fn vectors_of_groups_and_logits() {
        let flips = [1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0];
        let x = numbers(7, 2.2);
        let source = format!(
            "dim J = 3\ndata of[N] : index(J) = [{}]\ndata x[N] = [{}]\ndata y[N] : bool = [{}]\nlatent s ~ HalfNormal(2)\nlatent r ~ HalfNormal(2)\nlatent a[J] ~ Normal(0, s)\nlatent b[J] ~ Normal(0, r)\nobserve y ~ Bernoulli(logits = a[of] + b[of] * x)\n",
            OF.map(|k| k.to_string()).join(", "),
            list(&x),
            flips.map(|v| v.to_string()).join(", ")
        );
        // z = (a, b)
        let slopes = DMatrix::from_fn(7, 6, |n, k| match k {
            k if k == OF[n] => 1.0,
            k if k == 3 + OF[n] => x[n],
            _ => 0.0,
        });
        let read = |z: &DVector<f64>| (0..7).map(|n| (n, (slopes.row(n) * z)[0])).collect::<Vec<_>>();
        holds_at_mode(&source, &|s| {
            let covariance =
                DMatrix::from_fn(6, 6, |i, j| if i == j { if i < 3 { s[0] * s[0] } else { s[1] * s[1] } } else { 0.0 });
            let bernoulli = |row: usize, a: f64| {
                let p = 1.0 / (1.0 + (-a).exp());
                ((1.0 + a.exp()).ln() - flips[row] * a, p - flips[row], p * (1.0 - p))
            };
            laplace(6, &|z| with_prior(&covariance, bernoulli, read, &slopes, z))
        });
    }
}
