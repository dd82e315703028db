//! L-BFGS through a compiled program, on objectives whose minimum is known.

use crate::support::{close, fitted, parameter};

/// Σ ½ aₖ (wₖ − cₖ)² with curvatures from 1 to 10⁶: the minimum is c.
#[test]
fn an_ill_conditioned_quadratic() {
    let fit = fitted(
        "dim K = 4\nlet a[K] = [1, 100, 10000, 1000000]\nlet c[K] = [3, -2, 0.5, 7]\nparam w[K] = 0\n\
         loss l = sum(0.5 * a * (w - c)^2, K)\n",
    );
    for (found, expected) in parameter(&fit, 0).into_iter().zip([3.0, -2.0, 0.5, 7.0]) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
    assert!(fit.converged, "{}", fit.test);
    assert!(fit.figures.free_energy.abs() < 1e-9, "{}", fit.figures.free_energy);
}

/// ½ wᵀ H w − b w with H = [[2, 1], [1, 3]], b = (1, −2): w = H⁻¹ b = (1, −1), and the value there is −½ bᵀ w.
#[test]
fn a_quadratic_whose_parameters_pull_at_each_other() {
    let fit = fitted("param u = 5\nparam v = -3\nloss l = u^2 + u * v + 1.5 * v^2 - u + 2 * v\n");
    let (u, v) = (parameter(&fit, 0)[0], parameter(&fit, 1)[0]);
    assert!((u - 1.0).abs() < 1e-6 && (v + 1.0).abs() < 1e-6, "{u} {v}");
    assert!((fit.figures.free_energy + 1.5).abs() < 1e-10, "{}", fit.figures.free_energy);
}

/// The mean of normal data is where their likelihood is highest, whatever the rows.
#[test]
fn the_likelihood_of_normal_data() {
    let fit = fitted("data y[N] = [1, 4, 2, 9, 5]\nparam m = 0\nparam s : positive = 1\nobserve y ~ Normal(m, s)\n");
    let (mean, sd) = (4.2, 7.76f64.sqrt());
    assert!((parameter(&fit, 0)[0] - mean).abs() < 1e-6);
    close(fit.figures.distortion, 0.5 * (2.0 * std::f64::consts::PI).ln() + sd.ln() + 0.5, 1e-9);
    // ½ log 2πs² + ½ a row.
    let expected = 0.5 * (2.0 * std::f64::consts::PI * 7.76).ln() + 0.5;
    assert!((fit.figures.free_energy - expected).abs() < 1e-9);
}

/// What bounds the descent is said, with the gradient that is left.
#[test]
fn a_fit_that_runs_out_of_iterations_has_not_converged() {
    let fit = fitted("param u = -1.2\nparam v = 1\nloss l = 100 * (v - u^2)^2 + (1 - u)^2\ntrain { steps = 3 }\n");
    assert!(!fit.converged && fit.steps == 3, "{}", fit.test);
    assert!(fit.test.starts_with("largest gradient"), "{}", fit.test);
    let whole = fitted("param u = -1.2\nparam v = 1\nloss l = 100 * (v - u^2)^2 + (1 - u)^2\n");
    assert!(whole.converged, "{}", whole.test);
    assert!((parameter(&whole, 0)[0] - 1.0).abs() < 1e-5 && (parameter(&whole, 1)[0] - 1.0).abs() < 1e-5);
}

/// Two valleys of different depth, the start in the higher one: another start finds the lower.
#[test]
fn a_lower_minimum_that_another_start_finds_is_kept() {
    let fit =
        fitted("param u = normal(2, 0.1)\nloss l = (u^2 - 4)^2 + 0.5 * u\ntrain { starts = 8  optimizer = lbfgs }\n");
    let starts = fit.checks.starts.expect("several starts were made");
    assert_eq!(starts.count, 8);
    // d/du = 4u (u² − 4) + ½ = 0 near ±2.
    let u = parameter(&fit, 0)[0];
    assert!((4.0 * u * (u * u - 4.0) + 0.5).abs() < 1e-5, "{u}");
}
