//! Importance weights of fitted guides, whose tail shape is known.

use fe_train::{Fit, Response};

use crate::support::{close, fitted};

/// A Gaussian guide of a Gaussian posterior: all weights are equal, there is no tail.
#[test]
fn an_exact_guide_has_level_weights() {
    let fit = fitted("data y[N] = [0.3, 2, -1]\nlatent m ~ Normal(0, 1)\nobserve y ~ Normal(m, 1)\n");
    assert!(fit.posterior.khat.unwrap() < 0.0, "{:?}", fit.posterior.khat);
    assert!(fit.posterior.effective.unwrap() > 0.999);
}

/// Two standard normals whose sum is observed four times, a mean-field guide of both. With c = 4/σ² the posterior's
/// precision is I + c·11ᵀ; the guide's variances are 1/(1 + c), those of the posterior (1 + c)/(1 + 2c).
fn sum_observed(sigma: f64) -> Fit {
    fitted(&format!(
        "data y[N] = [0.5, 0.7, 0.3, 0.9]\nlatent a ~ Normal(0, 1)\nlatent b ~ Normal(0, 1)\n\
         guide a, b ~ MeanField()\nobserve y ~ Normal(a + b, {sigma:?})\n"
    ))
}

/// Along (1, −1) the posterior's precision is 1 and the guide's is 1 + c: log w = ½ χ² c/(1 + c) there, whose tail is of
/// shape c/(1 + c).
#[test]
fn a_guide_that_is_too_narrow_has_the_known_shape() {
    // c = 1, and c = 4.
    for (sigma, shape) in [(2.0, 0.5), (1.0, 0.8)] {
        let fit = sum_observed(sigma);
        let khat = fit.posterior.khat.unwrap();
        assert!((khat - shape).abs() < 0.15, "{sigma}: {khat}, not {shape}");
        // The lattice over the two finds the posterior however narrow the guide is.
        assert!(fit.posterior.khat_wide.unwrap() < 0.5 && fit.posterior.effective_wide.unwrap() > 0.9);
        let c = 4.0 / (sigma * sigma);
        let whole = ((1.0f64 + c) / (1.0 + 2.0 * c)).sqrt();
        close(fit.posterior.resampled.as_ref().unwrap()[0].sd[0], whole, 0.01);
    }
}

#[test]
fn reweighting_and_linear_response_find_what_the_guide_leaves_out() {
    let fit = sum_observed(2.0);
    let c = 1.0f64;
    let (own, whole) = ((1.0 / (1.0 + c)).sqrt(), ((1.0 + c) / (1.0 + 2.0 * c)).sqrt());
    close(fit.posterior.guide[0].sd[0], own, 1e-3);
    let resampled = &fit.posterior.resampled.as_ref().unwrap()[0];
    assert!((resampled.sd[0] - whole).abs() < 0.03, "{} {whole}", resampled.sd[0]);
    let Some(Response::Worst(worst)) = &fit.checks.response else { panic!("{:?}", fit.checks.response) };
    close(worst.factor, whole / own, 1e-4);
}

/// Leave-one-out under an exact guide of a normal mean: each row's predictive density is that of a normal.
#[test]
fn leave_one_out_in_closed_form() {
    let y = [0.3, 2.0, -1.0, 0.8, 1.1];
    let fit = fitted(&format!("data y[N] = {y:?}\nlatent m ~ Normal(0, 1)\nobserve y ~ Normal(m, 1)\n"));
    let loo = fit.draws.loo().unwrap();
    let others = |k: usize| y.iter().enumerate().filter(move |(j, _)| *j != k).map(|(_, v)| v).sum::<f64>();
    for (k, &x) in y.iter().enumerate() {
        // m | the other four is N(sum/5, 1/5), and y | m adds 1.
        let (mean, variance) = (others(k) / 5.0, 1.2f64);
        let expected = -0.5 * (2.0 * std::f64::consts::PI * variance).ln() - (x - mean).powi(2) / (2.0 * variance);
        assert!((loo.rows[k] - expected).abs() < 0.02, "{k}: {} {expected}", loo.rows[k]);
    }
    assert_eq!(loo.unreliable, 0);
}
