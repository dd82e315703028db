//! Split R̂, effective sample sizes and standard errors against those of ArviZ.

use fe_train::mixing::{Mixing, standard_error};

/// Autoregressive chains of sums of twelve uniform numbers, which can be made alike anywhere.
fn chain(seed: u64, rho: f64, shift: f64, scale: f64) -> Vec<f64> {
    let mut state = seed;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / 2f64.powi(53)
    };
    let mut x = 0.0;
    let step = |_| {
        let mut sum = 0.0;
        for _ in 0..12 {
            sum += uniform();
        }
        x = rho * x + (sum - 6.0);
        shift + scale * x
    };
    (0..250).map(step).collect()
}

fn chains(first: u64, rho: f64, shift: f64, widening: f64) -> Vec<Vec<f64>> {
    (0..4u32).map(|k| chain(first + u64::from(k), rho, shift * f64::from(k), 1.0 + widening * f64::from(k))).collect()
}

/// Figures of ArviZ 0.23: `rhat(method="rank")`, `ess(method="bulk")`, `ess(method="tail")`, and sd/√`ess(method="mean")`.
#[test]
fn figures_are_those_of_arviz() {
    let whole = chains(51, 0.4, 0.0, 0.0).into_iter().map(|c| c.into_iter().map(f64::floor).collect()).collect();
    let cases = [
        (chains(1, 0.5, 0.0, 0.0), [1.0027325451616345, 374.3572781633314, 537.327481224961, 0.060211520990161874]),
        (chains(11, 0.97, 0.0, 0.0), [1.096168246906821, 33.85543098279345, 58.57579623266511, 0.5264724480272377]),
        (chains(21, 0.3, 0.4, 0.0), [1.1041796482863069, 27.87176935077128, 475.989643891339, 0.22311425356386003]),
        (chains(31, 0.0, 0.0, 1.0), [1.1569681878513483, 917.7299415642011, 299.7831187818084, 0.08919931573985995]),
        (chains(41, -0.6, 0.0, 0.0), [1.001456708666468, 3000.0, 978.947742759772, 0.022595957572743148]),
        (whole, [1.003805536978571, 477.95302244244726, 568.5831639613573, 0.05305913120786936]),
    ];
    for (chains, expected) in cases {
        let Mixing { rhat, bulk, tail } = Mixing::of(&chains);
        for (found, expected) in [rhat, bulk, tail, standard_error(&chains)].into_iter().zip(expected) {
            assert!((found / expected - 1.0).abs() < 1e-6, "{found}, not {expected}");
        }
    }
}

#[test]
fn what_never_changes_has_mixed_and_what_is_not_finite_has_not() {
    let same = Mixing::of(&vec![vec![2.5; 100]; 4]);
    assert_eq!(same, Mixing { rhat: 1.0, bulk: 400.0, tail: 400.0 });
    assert_eq!(standard_error(&vec![vec![2.5; 100]; 4]), 0.0);
    let mut broken = chains(1, 0.0, 0.0, 0.0);
    broken[0][3] = f64::NAN;
    // Neither can be taken for a good one.
    let (rhat, error) = (Mixing::of(&broken).rhat, standard_error(&broken));
    assert!(rhat.is_nan() || rhat > 1.01 || error.is_nan(), "{rhat} {error}");
}
