//! Stochastic steps through a compiled program, against the rule worked out by hand.

use fe_train::Method;

use crate::support::{Bound, fitted, parameter};

const QUADRATIC: &str = "param w = 3\nloss l = 0.5 * (w - 1)^2\n";

fn after(steps: usize, optimizer: &str) -> f64 {
    let fit = fitted(&format!("{QUADRATIC}train {{ optimizer = {optimizer}  steps = {steps} }}\n"));
    parameter(&fit, 0)[0]
}

/// The gradient at 3 is 2. Corrected for bias, Adam's first step is rate · g/(|g| + ε), whatever the gradient.
#[test]
fn one_step_of_adam() {
    let w = after(1, "adam(lr = 0.1)");
    assert!((w - (3.0 - 0.1 * 2.0 / (2.0 + 1e-8))).abs() < 1e-12, "{w}");
}

#[test]
fn steps_of_adam_by_hand() {
    let (mut w, mut m, mut v) = (3.0f64, 0.0, 0.0);
    for t in 1..=5 {
        let g = w - 1.0;
        m = 0.9 * m + 0.1 * g;
        v = 0.999 * v + 0.001 * g * g;
        let (mean, square) = (m / (1.0 - 0.9f64.powi(t)), v / (1.0 - 0.999f64.powi(t)));
        w -= 0.1 * mean / (square.sqrt() + 1e-8);
    }
    assert!((after(5, "adam(lr = 0.1)") - w).abs() < 1e-9);
}

#[test]
fn steps_of_gradient_descent_with_momentum() {
    let (mut w, mut v) = (3.0f64, 0.0);
    for _ in 0..4 {
        v = 0.5 * v + (w - 1.0);
        w -= 0.1 * v;
    }
    assert!((after(4, "sgd(lr = 0.1, momentum = 0.5)") - w).abs() < 1e-12);
}

/// A batch's gradient is that of all rows where they are alike, and a fit goes on where another ended.
#[test]
fn batches_of_equal_rows_and_going_on() {
    let program = |batch: usize| {
        format!(
            "data x[N] = [2, 2, 2, 2, 2, 2]\nparam w = 0\nobserve x ~ Normal(w, 1)\n\
             train {{ optimizer = sgd(lr = 0.5)  steps = 3  batch = {batch} }}\n"
        )
    };
    // w ← w + ½ (2 − w) three times.
    for batch in [1, 2, 6] {
        let w = parameter(&fitted(&program(batch)), 0)[0];
        assert!((w - 1.75).abs() < 1e-12, "{batch}: {w}");
    }
    let bound = Bound::new(&program(2));
    let first = bound.fit(None);
    let second = bound.fit(Some(first.values.clone()));
    assert!((parameter(&second, 0)[0] - 1.96875).abs() < 1e-12);
}

#[test]
fn a_long_level_fit_converges_and_a_falling_one_does_not() {
    let level = fitted(&format!("{QUADRATIC}train {{ optimizer = sgd(lr = 0.5)  steps = 2000 }}\n"));
    assert!(level.converged && level.test.contains("level within"), "{}", level.test);
    let falling = fitted(&format!("{QUADRATIC}train {{ optimizer = sgd(lr = 0.0005)  steps = 2000 }}\n"));
    assert!(!falling.converged && falling.test.contains("still falling"), "{}", falling.test);
    let short = fitted(&format!("{QUADRATIC}train {{ optimizer = sgd(lr = 0.5)  steps = 10 }}\n"));
    assert!(!short.converged && short.test.contains("too few"), "{}", short.test);
}

/// Without a word, what is small and repeats is fitted by L-BFGS; batches, schedules and scores are not.
#[test]
fn the_choice_of_a_method() {
    let method = |train: &str| {
        let bound = Bound::new(&format!(
            "data y[N] = [1, 2, 3, 4]\nlatent m ~ Normal(0, 1)\nobserve y ~ Normal(m, 1)\n{train}\n"
        ));
        fe_train::method(bound.objective(), &bound.program().train, 4).map(|m| m.0)
    };
    assert!(matches!(method(""), Ok(Method::Lbfgs { draws: 0, .. })));
    assert!(matches!(method("train { batch = 4 }"), Ok(Method::Lbfgs { .. })));
    let Ok(Method::Steps(steps)) = method("train { batch = 2  epochs = 3 }") else { panic!("batches need steps") };
    assert_eq!((steps.batch, steps.steps, steps.samples), (2, Some(6), 1));
    assert!(method("train { batch = 2  starts = 3 }").is_err());
}
