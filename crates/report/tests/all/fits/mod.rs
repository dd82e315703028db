//! Fits to report, with figures of the size that such fits have.

use fe_report::{
    Account, Constraint, Document, HeldOut, Latent, MeanField, Meter, Nested, Price, RateSplit, Redraws, SCHEMA,
    Starts, Summary, Term, TermKind, Units, Verdict,
};

fn term(name: &str, kind: TermKind, nats: f64, estimator: &str, reason: &str) -> Term {
    Term { name: name.into(), kind, nats, estimator: estimator.into(), reason: reason.into(), ..Term::default() }
}

/// Fills in the totals, as sums of the terms.
fn total(mut document: Document) -> Document {
    let sum = |rate: bool| -> f64 {
        let terms = document.terms.iter().filter(|term| (term.kind != TermKind::Distortion) == rate);
        terms.map(|term| term.nats).sum()
    };
    let (distortion, rate) = (sum(false), sum(true));
    document.account = Account { free_energy: distortion + rate, distortion, rate, ..document.account };
    for term in &mut document.terms {
        term.bits = term.nats / std::f64::consts::LN_2;
        term.energy = document.latents.get(&term.name).and_then(|latent| latent.energy);
    }
    for latent in document.latents.values_mut() {
        latent.rate_bits = latent.rate / std::f64::consts::LN_2;
    }
    let mut priors = document.latents.values().filter_map(|latent| latent.prior_energy).peekable();
    document.account.prior_energy = priors.peek().is_some().then(|| priors.sum());
    document.account.free_energy_total = Some(document.account.free_energy * document.rows as f64);
    if document.objective.is_empty() {
        document.objective = "distortion + rate".into();
        document.objective_value = document.account.free_energy;
    }
    document.fe_version = "0.1.0".into();
    document.schema = SCHEMA;
    document
}

/// The summary of Normals with these means and standard deviations.
fn normal(mean: &[f64], sd: &[f64]) -> Summary {
    let quantile = |z: f64| -> Vec<f64> { mean.iter().zip(sd).map(|(mean, sd)| mean + z * sd).collect() };
    let array = |values: Vec<f64>| if let [value] = values[..] { value.into() } else { Nested::from(values) };
    Summary {
        axes: vec![],
        mean: array(mean.to_vec()),
        sd: array(sd.to_vec()),
        q05: array(quantile(-1.644_854)),
        q50: array(mean.to_vec()),
        q95: array(quantile(1.644_854)),
    }
}

fn schools(wider: f64) -> indexmap::IndexMap<String, Summary> {
    let tau = Summary {
        axes: vec![],
        mean: 3.18.into(),
        sd: (2.84 * wider).into(),
        q05: (0.512 / wider).into(),
        q50: 2.36.into(),
        q95: (8.41 * wider).into(),
    };
    let eta = [0.392, 0.001, -0.203, -0.031, -0.361, -0.217, 0.348, 0.053];
    let theta = [6.18, 4.92, 3.91, 4.77, 3.59, 4.01, 6.31, 4.87];
    let sd = [5.51, 4.64, 5.27, 4.76, 4.61, 4.82, 5.02, 5.31].map(|sd| sd * wider);
    [
        ("mu", normal(&[4.41], &[3.27 * wider])),
        ("tau", tau),
        ("eta", normal(&eta, &[0.94, 0.87, 0.93, 0.88, 0.88, 0.89, 0.88, 0.94])),
        ("theta", normal(&theta, &sd)),
    ]
    .into_iter()
    .map(|(name, summary)| (name.to_owned(), summary))
    .collect()
}

/// Globals in a full-rank guide, sampled, k̂ near 0.6.
pub fn eight_schools() -> Document {
    let change = "change of variables of a joint Gaussian";
    let latent = |rate, dimension| Latent { rate, dimension, ..Latent::default() };
    total(Document {
        model: "eight_schools".into(),
        rows: 1,
        steps: 84,
        seconds: 0.213,
        optimizer: Some("L-BFGS".into()),
        executor: Some("candle cpu f64".into()),
        threads: Some(2),
        account: Account { free_energy_se: Some(0.0071), ..Account::default() },
        terms: vec![
            Term {
                se: Some(0.0052),
                ..term("y", TermKind::Distortion, 29.338_21, "pathwise", "mean is mu + tau * eta")
            },
            term("mu", TermKind::Rate, 0.471_34, "closed form", "Normal to Normal"),
            Term { se: Some(0.0031), ..term("tau", TermKind::Rate, 0.602_18, "pathwise", change) },
            Term { se: Some(0.0038), ..term("eta", TermKind::Rate, 1.109_46, "pathwise", change) },
        ],
        latents: [("mu", latent(0.471_34, 1)), ("tau", latent(0.602_18, 1)), ("eta", latent(1.109_46, 8))]
            .into_iter()
            .map(|(name, latent)| (name.to_owned(), latent))
            .collect(),
        posterior: schools(1.0),
        posterior_resampled: Some(schools(1.07)),
        verdict: Verdict {
            trusted: Some(true),
            converged: true,
            test: Some("gradient norm 3.1e-9, below 1e-8, on 256 fixed draws".into()),
            khat: Some(0.604),
            effective: Some(0.713),
            starts: Some(Starts { count: 4, agreeing: 4, within: 0.000_31, ..Starts::default() }),
            draws: Some(Redraws { count: 256, means: 0.012_4, sds: 0.009_1 }),
            ..Verdict::default()
        },
        ..Document::default()
    })
}

/// Counts, closed forms, a price on spikes by way of a bound, held-out rows.
pub fn poisson_vae() -> Document {
    let z = Latent {
        rate: 29.482_11,
        energy: Some(43.1874),
        prior_energy: Some(42.9021),
        nats_per_spike: Some(29.482_11 / 43.1874),
        zeros: Some(0.931_27),
        lifetime_sparsity: Some(0.789_64),
        population_sparsity: Some(0.812_31),
        active: Some(504),
        of: Some(512),
        local: true,
        dimension: 512,
        split: Some(RateSplit {
            log_ratio: 29.482_11 + 43.1874 - 42.9021,
            minus_spikes: -43.1874,
            prior_spikes: 42.9021,
            mean_f: 29.482_11 / 42.9021,
            suppressed: 8.482_11,
            excited: 21.0,
        }),
        units: Some(Units {
            rate: Some(vec![29.482_11 / 512.0; 512]),
            energy: Some(vec![43.1874 / 512.0; 512]),
            prior: Some(vec![42.9021 / 512.0; 512]),
        }),
        ..Latent::default()
    };
    let price = |unit: &str, per_spike: f64| Price {
        unit: unit.into(),
        per_spike,
        per_row: 43.1874 * per_spike,
        prior_per_row: Some(42.9021 * per_spike),
        per_bit: Some(43.1874 * per_spike * std::f64::consts::LN_2 / 29.482_11),
        heldout_per_row: Some(43.2209 * per_spike),
    };
    total(Document {
        model: "poisson_vae".into(),
        title: Some("A spiking code for natural images".into()),
        rows: 100_000,
        steps: 20_000,
        seconds: 612.4,
        optimizer: Some("adamax".into()),
        executor: Some("candle cpu f32".into()),
        threads: Some(2),
        objective: "distortion + rate".into(),
        objective_value: 167.202_45,
        account: Account { energy: Some(43.1874), ..Account::default() },
        prices: vec![price("ATP", 2.4e9), price("J", 1.2e-10)],
        heldout: Some(HeldOut {
            rows: Some(10_000),
            account: Account {
                free_energy: 168.413_87,
                distortion: 138.902_55,
                rate: 29.511_32,
                energy: Some(43.2209),
                prior_energy: Some(42.9021),
                r2: Some(0.4123),
                ..Account::default()
            },
        }),
        terms: vec![
            term("x", TermKind::Distortion, 137.720_34, "closed form", "Normal likelihood, mean linear in z"),
            term("z", TermKind::Rate, 29.482_11, "closed form", "Poisson to Poisson"),
        ],
        latents: [("z".to_owned(), z)].into_iter().collect(),
        verdict: Verdict {
            trusted: Some(true),
            converged: true,
            test: Some("all 200 epochs run; F fell by 0.02 nats in the last 20".into()),
            ..Verdict::default()
        },
        ..Document::default()
    })
}

/// A control with a meter, a global weight, a β, and a second, sampled and biased layer.
pub fn metered() -> Document {
    let layer = |rate, energy: Option<f64>, active, of| Latent {
        rate,
        energy,
        prior_energy: energy.map(|spikes| 1.3 * spikes),
        nats_per_spike: energy.map(|spikes| rate / spikes),
        zeros: Some(if energy.is_some() { 0.874_1 } else { 0.0 }),
        lifetime_sparsity: Some(0.682),
        population_sparsity: Some(0.701),
        active: Some(active),
        of: Some(of),
        local: true,
        dimension: of,
        ..Latent::default()
    };
    let rows = 60_000.0;
    let mut weight = normal(&vec![0.013; 600], &vec![0.0021; 600]);
    let grid = |values: &Nested| Nested::new(vec![20, 30], values.values().to_vec()).unwrap();
    for array in [&mut weight.mean, &mut weight.sd, &mut weight.q05, &mut weight.q50, &mut weight.q95] {
        *array = grid(array);
    }
    let mut document = total(Document {
        model: "relu_vae".into(),
        title: Some("A rectified Gaussian code, and spikes above it".into()),
        rows: 60_000,
        steps: 12_000,
        seconds: 8142.0,
        executor: Some("candle cpu f32".into()),
        threads: Some(1),
        objective: "distortion + 4 * rate".into(),
        objective_value: 253.914,
        account: Account { energy: Some(7.4412), free_energy_se: Some(0.031), ..Account::default() },
        terms: vec![
            Term {
                se: Some(0.031),
                biased: true,
                bias: Some("the spikes' variance is short by 9τ/35 = 10.3 % at τ = 0.4; their mean is exact".into()),
                ..term(
                    "x",
                    TermKind::Distortion,
                    94.113_8,
                    "pathwise, cubic arrival times",
                    "the decoder is not linear in s, so no closed form is known",
                )
            },
            term("z", TermKind::Rate, 36.004_1, "closed form", "Normal to Normal"),
            term("s", TermKind::Rate, 3.890_2, "closed form", "Poisson to Poisson"),
            term(
                "decoder_weights_of_the_second_layer",
                TermKind::Rate,
                3400.2 / rows,
                "closed form",
                "Normal to Normal",
            ),
        ],
        latents: [
            ("z", layer(36.004_1, None, 118, 128)),
            ("s", layer(3.890_2, Some(7.4412), 31, 32)),
            (
                "decoder_weights_of_the_second_layer",
                Latent { rate: 3400.2 / rows, dimension: 600, ..Latent::default() },
            ),
        ]
        .into_iter()
        .map(|(name, latent)| (name.to_owned(), latent))
        .collect(),
        meters: [
            (
                "a",
                Meter {
                    mean: 0.3987,
                    zeros: 0.5012,
                    lifetime_sparsity: Some(0.6821),
                    population_sparsity: Some(0.6704),
                },
            ),
            ("gain", Meter { mean: 1.52, zeros: 0.0, lifetime_sparsity: Some(0.113), population_sparsity: None }),
        ]
        .into_iter()
        .map(|(name, meter)| (name.to_owned(), meter))
        .collect(),
        posterior: [("decoder_weights_of_the_second_layer".to_owned(), weight)].into_iter().collect(),
        verdict: Verdict {
            trusted: Some(true),
            converged: true,
            test: Some("F moved by less than its standard error over the last 2000 steps".into()),
            mean_field: Some(MeanField { worst: "decoder_weights_of_the_second_layer[3, 17]".into(), factor: 1.804 }),
            starts: Some(Starts { count: 4, agreeing: 2, apart: true, higher: Some(3.21), ..Starts::default() }),
            ..Verdict::default()
        },
        ..Document::default()
    });
    document.account.local_rate = Some(36.004_1 + 3.890_2);
    document.account.global_rate = Some(3400.2 / rows);
    document
}

/// A fit that fails: not converged, a bound not met, k̂ too high, a flat prior and a point.
pub fn failing() -> Document {
    total(Document {
        model: "waiting".into(),
        seed: 7,
        rows: 272,
        steps: 500,
        seconds: 3.02,
        optimizer: Some("adam".into()),
        executor: Some("candle cpu f64".into()),
        threads: Some(2),
        account: Account { up_to_constant: true, ..Account::default() },
        objective: "distortion".into(),
        objective_value: 4.0331,
        terms: vec![
            term("minutes", TermKind::Distortion, 4.033_1, "quadrature", "depends on one Gaussian scalar per element"),
            term("slope", TermKind::Rate, 0.012_4, "closed form", "Normal to Normal"),
            term("noise", TermKind::Penalty, 0.003_9, "exact", "a point guide"),
        ],
        constraints: vec![
            Constraint {
                expr: "rate <= 0.01 nats".into(),
                value: 0.0163,
                unit: "nats".into(),
                multiplier: 81.2,
                met: false,
            },
            Constraint {
                expr: "distortion <= 6 bits".into(),
                value: 5.8185,
                unit: "bits".into(),
                multiplier: 0.0,
                met: true,
            },
        ],
        posterior: [
            ("slope".to_owned(), normal(&[10.73], &[0.314])),
            ("noise".to_owned(), normal(&[5.9141], &[0.0])),
            ("offset".to_owned(), normal(&[123_456.7, -0.001_5, f64::NAN], &[21.3, 0.000_4, f64::NAN])),
        ]
        .into_iter()
        .collect(),
        verdict: Verdict {
            trusted: Some(true),
            converged: false,
            test: Some("F still falls by 0.04 nats per 100 steps".into()),
            khat: Some(0.93),
            effective: Some(0.3127),
            starts: Some(Starts { count: 4, agreeing: 1, unfinished: 1, higher: Some(0.52), ..Starts::default() }),
            draws: Some(Redraws { count: 1024, means: 0.31, sds: 0.084 }),
            notes: vec!["the bound on rate cannot be met: 0.0163 nats is the least that was reached".into()],
            ..Verdict::default()
        },
        ..Document::default()
    })
}

/// Every document, by name.
pub fn all() -> [(&'static str, Document); 4] {
    [("eight_schools", eight_schools()), ("poisson_vae", poisson_vae()), ("metered", metered()), ("failing", failing())]
}
