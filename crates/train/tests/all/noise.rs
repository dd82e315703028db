//! Streams of noise: what is reported does not depend on what else was drawn.

use fe_train::streams::Purpose;

use crate::support::fitted;

/// The same program twice is the same to the last bit.
#[test]
fn a_fit_repeats() {
    let source = "data y[N] = [1, 2, 0]\nlatent z[N] ~ Poisson(1)\nobserve y ~ Normal(tanh(z), 1)\n\
                  train { optimizer = adam(lr = 0.05)  steps = 30 }\n";
    let (a, b) = (fitted(source), fitted(source));
    assert_eq!(a.values, b.values);
    assert_eq!(a.figures, b.figures);
    assert_eq!(a.posterior, b.posterior);
    assert_eq!(a.draws, b.draws);
}

#[test]
fn steps_of_one_purpose_are_its_own() {
    let some: Vec<u64> = Purpose::ALL.iter().flat_map(|p| (0..1000).map(|pass| p.step(pass))).collect();
    let distinct: std::collections::HashSet<u64> = some.iter().copied().collect();
    assert_eq!(distinct.len(), some.len());
}
