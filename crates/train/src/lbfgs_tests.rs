use super::*;
use std::convert::Infallible;

type Value = Result<(f64, Vec<f64>), Infallible>;

fn run(f: impl FnMut(&[f64]) -> Value, start: &[f64], options: &Options) -> Outcome {
    let outcome = minimize(f, start.to_vec(), options, |_| ControlFlow::Continue(())).unwrap();
    println!(
        "{:?} value {:e} gradient {:e} iterations {} evaluations {}",
        outcome.reason, outcome.value, outcome.gradient_norm, outcome.iterations, outcome.evaluations
    );
    outcome
}

fn quadratic(scales: Vec<f64>) -> impl Fn(&[f64]) -> Value {
    move |x| {
        let value = x.iter().zip(&scales).map(|(x, s)| 0.5 * s * (x - 1.0) * (x - 1.0)).sum();
        Ok((value, x.iter().zip(&scales).map(|(x, s)| s * (x - 1.0)).collect()))
    }
}

fn rosenbrock(x: &[f64]) -> Value {
    let (mut value, mut gradient) = (0.0, vec![0.0; x.len()]);
    for i in 0..x.len() - 1 {
        let (a, b) = (x[i + 1] - x[i] * x[i], 1.0 - x[i]);
        value += 100.0 * a * a + b * b;
        gradient[i] += -400.0 * a * x[i] - 2.0 * b;
        gradient[i + 1] += 200.0 * a;
    }
    Ok((value, gradient))
}

#[test]
fn quadratics_of_any_condition() {
    for n in [1, 2, 10, 60] {
        for exponent in [0.0, 2.0, 4.0, 6.0, 8.0] {
            let scales: Vec<f64> =
                (0..n).map(|i| 10f64.powf(exponent * i as f64 / (n - 1).max(1) as f64 - exponent / 2.0)).collect();
            let start: Vec<f64> = (0..n).map(|i| 3.0 * ((i + 1) as f64).sin()).collect();
            let options = Options { tolerance: 1e-10, ..Options::default() };
            print!("n {n} cond 1e{exponent}: ");
            let outcome = run(quadratic(scales.clone()), &start, &options);
            assert_eq!(outcome.reason, Reason::Converged);
            for (x, s) in outcome.x.iter().zip(scales) {
                assert!((x - 1.0).abs() <= 1.1e-10 / s, "{x} {s}");
            }
        }
    }
}

#[test]
fn rosenbrock_in_many_dimensions() {
    for n in [2, 3, 10, 30, 100] {
        let start: Vec<f64> = (0..n).map(|i| if i % 2 == 0 { -1.2 } else { 1.0 }).collect();
        print!("n {n}: ");
        let outcome = run(rosenbrock, &start, &Options { tolerance: 1e-9, ..Options::default() });
        assert_eq!(outcome.reason, Reason::Converged);
        // The second minimum, near (−1, 1, …), is a minimum too.
        assert!(outcome.value < 1e-15 || (outcome.value - 3.98).abs() < 0.1);
        if outcome.value < 1e-15 {
            assert!(outcome.x.iter().all(|x| (x - 1.0).abs() < 1e-7));
        }
    }
}

#[test]
fn an_offset_of_the_value_does_not_hide_the_minimum() {
    // Values near the minimum are all equal in f64; only slopes are left to go by.
    for offset in [-1e6, 1e3, 1e8] {
        let f = |x: &[f64]| rosenbrock(x).map(|(v, g)| (v + offset, g));
        let outcome =
            run(f, &[-1.2, 1.0, -1.2, 1.0], &Options { tolerance: 1e-8 / f64::abs(offset), ..Options::default() });
        assert_eq!(outcome.reason, Reason::Converged);
        assert!(outcome.x.iter().all(|x| (x - 1.0).abs() < 1e-7));
    }
}

#[test]
fn a_barrier_is_backed_away_from() {
    // Σ x − Σ log x: minimum at 1, infinite or NaN at x ≤ 0.
    for wall in [f64::INFINITY, f64::NAN, f64::NEG_INFINITY] {
        let f = |x: &[f64]| -> Value {
            if x.iter().any(|&x| x <= 0.0) {
                return Ok((wall, vec![f64::NAN; x.len()]));
            }
            Ok((x.iter().map(|x| x - x.ln()).sum(), x.iter().map(|x| 1.0 - 1.0 / x).collect()))
        };
        let outcome = run(f, &[1e-6, 50.0, 1e4, 1.0], &Options { tolerance: 1e-11, ..Options::default() });
        assert_eq!(outcome.reason, Reason::Converged);
        assert!(outcome.x.iter().all(|x| (x - 1.0).abs() < 1e-8), "{:?}", outcome.x);
    }
}

#[test]
fn linear_programme_behind_a_barrier() {
    // c·x·1e4 − log(1 − x²) per coordinate; x solves 1e4 c (1 − x²) + 2x = 0.
    let c = [1.0, -0.5, 0.01];
    let f = |x: &[f64]| -> Value {
        let value = x.iter().zip(c).map(|(x, c)| 1e4 * c * x - (1.0 - x * x).ln()).sum();
        Ok((value, x.iter().zip(c).map(|(x, c)| 1e4 * c + 2.0 * x / (1.0 - x * x)).collect()))
    };
    let outcome = run(f, &[0.0; 3], &Options { tolerance: 1e-12, ..Options::default() });
    for (x, c) in outcome.x.iter().zip(c) {
        let a = 1e4 * c;
        let exact = (1.0 - (1.0 + a * a).sqrt()) / a;
        assert!((x - exact).abs() < 1e-8, "{x} {exact}");
    }
}

#[test]
fn funnel() {
    // v²/18 + n·v/2 + Σ x² e^(−v)/2: the mode is x = 0, v = −9n/2.
    for n in [1, 2, 3] {
        let f = |x: &[f64]| -> Value {
            let (v, rest) = (x[0], &x[1..]);
            let (precision, squares) = ((-v).exp(), rest.iter().map(|x| x * x).sum::<f64>());
            let mut gradient = vec![v / 9.0 + 0.5 * n as f64 - 0.5 * squares * precision];
            gradient.extend(rest.iter().map(|x| x * precision));
            Ok((v * v / 18.0 + 0.5 * n as f64 * v + 0.5 * squares * precision, gradient))
        };
        let mut start = vec![2.0; n + 1];
        start[1] = -3.0;
        let outcome = run(f, &start, &Options::default());
        assert_eq!(outcome.reason, Reason::Converged);
        assert!((outcome.x[0] + 4.5 * n as f64).abs() < 1e-6, "{:?}", outcome.x);
    }
}

#[test]
fn flat_directions_stay_where_they_are() {
    let f = |x: &[f64]| -> Value {
        let d = x[0] + x[1] - 3.0;
        Ok((d * d + d.powi(4), vec![2.0 * d + 4.0 * d.powi(3), 2.0 * d + 4.0 * d.powi(3), 0.0]))
    };
    let outcome = run(f, &[5.0, 7.0, 11.0], &Options::default());
    assert_eq!(outcome.reason, Reason::Converged);
    assert!((outcome.x[0] + outcome.x[1] - 3.0).abs() < 1e-8);
    assert!((outcome.x[0] - outcome.x[1] + 2.0).abs() < 1e-12);
    assert_eq!(outcome.x[2], 11.0);
    let constant = run(|x| Ok((1.0, vec![0.0; x.len()])), &[1.0, 2.0], &Options::default());
    assert_eq!((constant.reason, constant.iterations), (Reason::Converged, 0));
    assert_eq!(run(|_| Ok((1.0, vec![])), &[], &Options::default()).reason, Reason::Converged);
}

/// A million rows of a Bernoulli, by its logit: N (log(1 + eˣ) − p x), lowest at logit p.
#[test]
fn log_partition_function() {
    let (n, p) = (1e6, 0.2f64);
    let f =
        |x: &[f64]| -> Value { Ok((n * (x[0].exp().ln_1p() - p * x[0]), vec![n * (1.0 / (1.0 + (-x[0]).exp()) - p)])) };
    let outcome = run(f, &[300.0], &Options { tolerance: 1e-12, ..Options::default() });
    assert!((outcome.x[0] - (p / (1.0 - p)).ln()).abs() < 1e-8);
}

#[test]
fn extreme_scales_of_value_and_step() {
    for scale in [1e-6, 1e6, 1e12, 1e100] {
        let f = |x: &[f64]| rosenbrock(x).map(|(v, g)| (v * scale, g.iter().map(|g| g * scale).collect()));
        let outcome = run(f, &[-1.2, 1.0], &Options { tolerance: 1e-9 * f64::min(scale, 1.0), ..Options::default() });
        assert!(outcome.x.iter().all(|x| (x - 1.0).abs() < 1e-6), "{scale} {:?}", outcome.x);
    }
    // The minimum is a million units away, or a millionth.
    for far in [1e6, 1e-6] {
        let f = |x: &[f64]| -> Value { Ok(((x[0] - far).powi(2), vec![2.0 * (x[0] - far)])) };
        assert!((run(f, &[0.0], &Options { tolerance: 1e-12, ..Options::default() }).x[0] / far - 1.0).abs() < 1e-5);
    }
}

#[test]
fn a_kink_and_a_cliff_stall() {
    let kink = |x: &[f64]| -> Value { Ok((x[0].abs(), vec![x[0].signum()])) };
    let outcome = run(kink, &[0.3], &Options::default());
    assert!(matches!(outcome.reason, Reason::Stalled(_)), "{:?}", outcome.reason);
    assert!(outcome.x[0].abs() < 1e-9);
    let cliff = |x: &[f64]| -> Value { Ok(if x[0] < 1.0 { (-x[0], vec![-1.0]) } else { (f64::INFINITY, vec![0.0]) }) };
    let outcome = run(cliff, &[0.0], &Options::default());
    assert!(matches!(outcome.reason, Reason::Stalled(_)), "{:?}", outcome.reason);
    assert!((outcome.x[0] - 1.0).abs() < 1e-9);
}

#[test]
fn noise_in_the_value_stalls_rather_than_loops() {
    let mut calls = 0u64;
    let f = |x: &[f64]| -> Value {
        calls += 1;
        let jitter = 1e-5 * ((calls * 7919) as f64).sin();
        Ok((x[0] * x[0] + 1.0 + jitter, vec![2.0 * x[0] + 0.1 * jitter.abs() + 1e-6]))
    };
    let outcome = run(f, &[4.0], &Options { tolerance: 1e-12, ..Options::default() });
    assert!(matches!(outcome.reason, Reason::Stalled(_)), "{:?}", outcome.reason);
    assert!(outcome.iterations < 200);
}

#[test]
fn limits_and_cancellation() {
    let options = Options { iterations: 3, ..Options::default() };
    let outcome = run(rosenbrock, &[-1.2, 1.0], &options);
    assert_eq!((outcome.reason, outcome.iterations), (Reason::MaxIterations, 3));
    let options = Options { evaluations: 7, ..Options::default() };
    let outcome = run(rosenbrock, &[-1.2, 1.0], &options);
    assert!(outcome.reason == Reason::MaxIterations && outcome.evaluations <= 7 + TRIALS);
    let mut seen = Vec::new();
    let outcome = minimize(rosenbrock, vec![-1.2, 1.0], &Options::default(), |progress| {
        seen.push(progress.value);
        if progress.iteration == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .unwrap();
    assert_eq!((outcome.reason, outcome.iterations, seen.len()), (Reason::Cancelled, 5, 6));
    assert!(seen.windows(2).all(|w| w[1] < w[0]));
    assert_eq!(outcome.value, seen[5]);
}

#[test]
fn non_finite_starts_and_errors_are_reported() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(run(|_| Ok((bad, vec![0.0])), &[0.0], &Options::default()).reason, Reason::NonFiniteStart);
        assert_eq!(run(|_| Ok((0.0, vec![bad])), &[0.0], &Options::default()).reason, Reason::NonFiniteStart);
    }
    assert_eq!(run(|_| Ok((0.0, vec![])), &[0.0], &Options::default()).reason, Reason::NonFiniteStart);
    let mut calls = 0;
    let outcome = minimize(
        |x: &[f64]| {
            calls += 1;
            if calls > 4 { Err("stopped") } else { Ok((x[0] * x[0], vec![2.0 * x[0]])) }
        },
        vec![1e9],
        &Options { tolerance: 0.0, ..Options::default() },
        |_| ControlFlow::Continue(()),
    );
    assert_eq!(outcome, Err("stopped"));
}

#[test]
fn random_walls_never_panic() {
    // A surface torn by NaN and infinities in a pattern; the run must end, at a finite value no higher than the start.
    for seed in 0..200u32 {
        let torn = |x: &[f64]| -> Value {
            let (v, g) = rosenbrock(x)?;
            let cell = x.iter().fold(seed, |h, x| h.wrapping_mul(31).wrapping_add((x * 3.0).floor() as i32 as u32));
            Ok(match cell.wrapping_mul(2_654_435_761) >> 29 {
                0 => (f64::NAN, g),
                1 => (f64::INFINITY, g),
                2 => (v, vec![f64::NAN; x.len()]),
                _ => (v, g),
            })
        };
        let start = [0.1 * f64::from(seed) - 10.0, 1.0, 2.0];
        let options = Options { iterations: 200, ..Options::default() };
        let outcome = minimize(torn, start.to_vec(), &options, |_| ControlFlow::Continue(())).unwrap();
        assert!(outcome.reason == Reason::NonFiniteStart || outcome.value <= rosenbrock(&start).unwrap().0);
    }
}

#[test]
fn what_another_run_learned_of_the_curvature_saves_most_iterations() {
    let scales: Vec<f64> = (0..20).map(|i| 10f64.powf(0.2 * f64::from(i))).collect();
    let near: Vec<f64> = scales.iter().enumerate().map(|(i, s)| s * (1.0 + 0.02 * (i as f64).sin())).collect();
    let options = Options { tolerance: 1e-9, ..Options::default() };
    let mut learned = Curvature::default();
    let with = |learned: &mut Curvature, scales: &[f64], from: f64| {
        minimize_with(learned, quadratic(scales.to_vec()), Origin::Start(vec![from; 20]), &options, |_| {
            ControlFlow::Continue(())
        })
        .unwrap()
    };
    with(&mut learned, &scales, 0.0);
    let anew = with(&mut Curvature::default(), &near, 0.9);
    let again = with(&mut learned, &near, 0.9);
    assert_eq!((anew.reason, again.reason), (Reason::Converged, Reason::Converged));
    assert!(3 * again.evaluations < anew.evaluations, "{} {}", again.evaluations, anew.evaluations);
    for (x, s) in again.x.iter().zip(near) {
        assert!((x - 1.0).abs() <= 1.1e-9 / s * anew.value.abs().max(1.0), "{x}");
    }
}
