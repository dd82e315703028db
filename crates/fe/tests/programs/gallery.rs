//! Every claim in the header of every program of the gallery.

use serde_json::{Number, Value, json};

use crate::common::{at, done, root};
use crate::fits::{Options, Program, document};
use crate::trials::{Tier, Trials, claims};

/// Fits a program of the gallery.
fn example(program: &str, options: &Options) -> Value {
    document(&Program::named(&format!("examples/{program}")), options)
}

/// As [`example`], of a fit that is to be relied on.
fn strict(program: &str, options: &Options) -> Value {
    let fit = example(program, options);
    assert_eq!((&fit["verdict"]["converged"], &fit["verdict"]["trusted"]), (&true.into(), &true.into()), "{program}");
    fit
}

fn explained(program: &str) -> String {
    done(&root().join("examples"), &["explain", &format!("{program}.fe")])
}

fn term<'a>(fit: &'a Value, name: &str, kind: &str) -> &'a Value {
    let terms = fit["terms"].as_array().unwrap();
    terms.iter().find(|t| t["name"] == name && t["kind"] == kind).unwrap_or_else(|| panic!("no {kind} of {name}"))
}

/// Every term is exact: closed form, without a standard error and without bias.
fn closed(fit: &Value) {
    for t in fit["terms"].as_array().unwrap() {
        assert_eq!(
            (&t["estimator"], &t["se"], &t["biased"]),
            (&json!("closed form"), &Value::Null, &json!(false)),
            "{t}"
        );
    }
    assert_eq!(fit["free_energy_se"], Value::Null);
}

fn eight_schools() {
    // By quadrature, bench/reference_eight_schools.py: the best of one full-rank Gaussian over everything, and −log evidence;
    // the reference moments are posteriordb's.
    const OF_ONE_GAUSSIAN: f64 = 31.53401;
    const EVIDENCE: f64 = 31.31135;
    const MU: (f64, f64) = (4.41, 3.31);
    const TAU: (f64, f64) = (3.60, 3.20);
    for seed in 0..5 {
        let fit = strict("eight_schools", &Options::seed(seed));
        for (name, (mean, sd)) in [("mu", MU), ("tau", TAU)] {
            let off = (at(&fit, &format!("posterior_resampled.{name}.mean")) - mean) / sd;
            assert!(off.abs() < 0.1, "seed {seed}: {name} is {off:.3} sd off");
            let wider = at(&fit, &format!("posterior_resampled.{name}.sd")) / sd - 1.0;
            assert!(wider.abs() < 0.05, "seed {seed}: the sd of {name} is off by {wider:.3}");
        }
        let evidence = at(&fit, "log_evidence.value");
        assert!((evidence + EVIDENCE).abs() < 0.01, "seed {seed}: {evidence}");
        let total = at(&fit, "free_energy_total");
        assert!(total > EVIDENCE && total < OF_ONE_GAUSSIAN - 0.1, "seed {seed}: {total}");
    }
    let text = explained("eight_schools");
    assert!(text.contains("tau : full-rank Gaussian, 1 dimension"), "{text}");
    assert!(text.contains("eta[J] : the exact conditional, by elimination: 8 Gaussians apart"), "{text}");
}

/// Means within 0.1 sd and standard deviations within 5 % of the references `(path, mean, sd)`, on three seeds.
fn agrees(program: &str, references: &[(&str, Option<usize>, f64, f64)]) {
    for seed in 0..3 {
        let fit = strict(program, &Options::seed(seed));
        for &(name, place, mean, sd) in references {
            let figure = |key: &str| match place {
                Some(k) => at(&fit, &format!("posterior.{name}.{key}.{k}")),
                None => at(&fit, &format!("posterior.{name}.{key}")),
            };
            let off = (figure("mean") - mean) / sd;
            assert!(off.abs() < 0.1, "seed {seed}: the mean of {name} {place:?} is {off:.3} sd off");
            let wider = figure("sd") / sd - 1.0;
            assert!(wider.abs() < 0.05, "seed {seed}: the sd of {name} {place:?} is off by {wider:.3}");
        }
    }
}

fn glm_poisson() {
    // GLM_Poisson_Data-GLM_Poisson_model: Stan 2.35 NUTS, 4 chains of 5000 draws after 1000 of warm-up.
    let references = [
        ("alpha", None, 4.284494, 0.0292132),
        ("beta1", None, 1.245467, 0.0442497),
        ("beta2", None, 0.0694507, 0.0234167),
        ("beta3", None, -0.2293679, 0.0230797),
    ];
    agrees("glm_poisson", &references);
}

fn kidscore() {
    // posteriordb's reference draws of kidiq-kidscore_momhsiq, 10,000 of them.
    let references = [
        ("beta", Some(0), 25.794115, 5.8606207),
        ("beta", Some(1), 5.9874319, 2.2160194),
        ("beta", Some(2), 0.5629938, 0.0604656),
        ("sigma", None, 18.139194, 0.6185264),
    ];
    agrees("kidscore", &references);
}

fn source_coding() {
    // The second moment of the program's own sample.
    let reader = fe_data::Reader::NormalDraws { mean: 0.0, sd: 1.0, count: 100_000, seed: 0 };
    let sample = fe_data::load(&fe_data::Source { reader, stages: vec![] }).unwrap().values;
    let moment = sample.iter().map(|x| x * x).sum::<f64>() / sample.len() as f64;
    for beta in [0.1_f64, 0.5, 1.5] {
        let fit = strict("source_coding", &Options::default().set(format!("beta={beta}")));
        closed(&fit);
        let (distortion, rate) = (at(&fit, "distortion"), at(&fit, "rate"));
        let bound = moment * 2.0_f64.powf(-2.0 * at(&fit, "rate_bits"));
        assert!((distortion - bound).abs() < 1e-5, "β = {beta}: {distortion} at {rate} nats, and the bound is {bound}");
        assert!((distortion - beta / 2.0).abs() < 1e-5, "β = {beta}: D = {distortion}");
        assert!((rate - 0.5 * (2.0 * moment / beta).ln()).abs() < 1e-5, "β = {beta}: R = {rate}");
    }
}

fn poisson_vae() {
    let explanation = explained("poisson_vae");
    assert!(explanation.contains("the objective is deterministic: no sampling, no gradient noise"), "{explanation}");
    let fit = example("poisson_vae", &Options::default());
    closed(&fit);
    assert_eq!((&fit["latents"]["z"]["active"], &fit["latents"]["z"]["of"]), (&json!(128), &json!(128)));
    let r2 = at(&fit, "heldout.r2");
    assert!(r2 > 0.35, "R² {r2}");
    let silent = example("poisson_vae", &Options::default().set("beta=8"));
    let zeros = at(&silent, "latents.z.zeros");
    assert!(zeros > 0.85, "zeros {zeros}");
}

/// A third of the programs' steps: both claims hold as early.
fn relu_vae_and_the_poisson_code() {
    assert!(explained("relu_vae").contains("the objective is deterministic: no sampling, no gradient noise"));
    let mut poisson = vec![];
    for beta in ["0.1", "0.5", "1", "2", "8"] {
        let options = Options::default().set(format!("beta={beta}")).steps(1000);
        let relu = example("relu_vae", &options);
        closed(&relu);
        let zeros = at(&relu, "meters.a.zeros");
        assert!((0.45..=0.55).contains(&zeros), "β = {beta}: zeros {zeros}");
        poisson.push(at(&example("poisson_vae", &options), "latents.z.zeros"));
    }
    assert!(poisson.windows(2).all(|pair| pair[0] < pair[1]), "{poisson:?}");
    assert!(poisson[4] > 0.85, "{poisson:?}");
}

fn gaussian_vae() {
    let fit = example("gaussian_vae", &Options::default());
    let held_out = at(&fit, "heldout.free_energy");
    assert!(held_out < 135.0, "held-out F {held_out}");
    assert_eq!(term(&fit, "z", "rate")["estimator"], "closed form");
    assert_eq!(term(&fit, "z", "rate")["se"], Value::Null);
    let x = term(&fit, "x", "distortion");
    assert_eq!((&x["estimator"], &x["biased"]), (&json!("pathwise"), &json!(false)));
    assert!(x["se"].as_f64().unwrap() > 0.0);
    let explanation = explained("gaussian_vae");
    assert_eq!(explanation.matches("bias:      none").count(), 2, "{explanation}");
}

fn poisson_vae_mnist() {
    let fit = example("poisson_vae_mnist", &Options::default());
    let held_out = at(&fit, "heldout.free_energy");
    assert!(held_out < 165.0, "held-out F {held_out}");
    let zeros = at(&fit, "latents.z.zeros");
    assert!(zeros > 0.5, "zeros {zeros}");
    assert_eq!(term(&fit, "z", "rate")["estimator"], "closed form");
    let x = term(&fit, "x", "distortion");
    assert_eq!((&x["estimator"], &x["biased"]), (&json!("pathwise"), &json!(true)));
    assert!(x["se"].as_f64().unwrap() > 0.0);
    // 9 · 0.4 / 35 = 10.3 %
    let bias = "training relaxes counts (cubic, τ = 0.4): their mean is exact, their variance short by 9τ/35 = 10.3 %";
    assert!(x["bias"].as_str().unwrap().contains(bias), "{x}");
    assert!(explained("poisson_vae_mnist").contains(bias));
}

/// The Bernoulli term alone is sampled, and there are so many parameters.
fn sampled_in_one_term(program: &str, parameters: &str) -> String {
    let text = explained(program);
    let count = |what: &str| text.matches(&format!("estimator: {what}")).count();
    assert_eq!((count("closed form"), count("pathwise")), (1, 1), "{text}");
    assert!(text.contains(&format!("{parameters} parameters in")), "{text}");
    text
}

fn conv_vae() {
    sampled_in_one_term("conv_vae", "565409");
    let fit = example("conv_vae", &Options::default());
    let held_out = at(&fit, "heldout.free_energy");
    assert!(held_out < 200.0, "held-out F {held_out}");
}

fn conv_residual() {
    sampled_in_one_term("conv_residual", "115441");
}

fn conv_poisson() {
    let text = sampled_in_one_term("conv_poisson", "665825");
    assert!(text.contains("their mean is exact, their variance short by 9τ/35 = 10.3 %"), "{text}");
}

fn conv_sparse() {
    assert!(explained("conv_sparse").contains("the objective is deterministic: no sampling, no gradient noise"));
    let fit = example("conv_sparse", &Options::default());
    closed(&fit);
    let zeros = at(&fit, "latents.z.zeros");
    assert!(zeros > 0.5, "zeros {zeros}");
}

fn colour_patches() {
    assert!(explained("colour_patches").contains("the objective is deterministic: no sampling, no gradient noise"));
    let fit = example("colour_patches", &Options::default());
    closed(&fit);
    let explained = at(&fit, "heldout.r2");
    assert!(explained > 0.7, "R² {explained}");
    let colourful = at(&fit, "meters.colourful.mean");
    assert!(colourful < 0.05, "{colourful} of the atoms are in colour");
}

fn regulator() {
    // −log Z of the quadratic form, by a determinant; the first gain of the Riccati recursion, and the standard deviation of
    // the first action, (R + B'PB)^(−½).
    const EVIDENCE: f64 = 11.046894001482592;
    const FIRST: (f64, f64) = (-2.7623415147190156, 2.7623503901196127);
    let fit = strict("regulator", &Options::default());
    closed(&fit);
    assert!((at(&fit, "free_energy_total") - EVIDENCE).abs() < 1e-6, "{}", fit["free_energy_total"]);
    let (mean, sd) = (at(&fit, "posterior.a.mean.0"), at(&fit, "posterior.a.sd.0"));
    assert!((mean - FIRST.0).abs() < 1e-4 && (sd - FIRST.1).abs() < 1e-3, "{mean} {sd}");
}

/// Rounds every number, standard errors to two digits and all else to four, and takes out what differs between machines.
fn settle(key: &str, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for machine in ["seconds", "threads", "executor", "fe_version"] {
                fields.shift_remove(machine);
            }
            // Hundreds of numbers, one of which is always near the edge of its last digit.
            fields.shift_remove("units");
            // The tail of weights that are level is that of the last bits.
            if fields.get("effective").and_then(Value::as_f64).is_some_and(|e| e > 0.999) {
                fields.shift_remove("khat");
            }
            fields.iter_mut().for_each(|(k, v)| settle(k, v));
        }
        Value::Array(items) => items.iter_mut().for_each(|v| settle(key, v)),
        Value::Number(n) if !n.is_i64() && !n.is_u64() => {
            let digits = if matches!(key, "se" | "free_energy_se") { 1 } else { 3 };
            let rounded: f64 = format!("{:.digits$e}", n.as_f64().unwrap()).parse().unwrap();
            *n = Number::from_f64(rounded).unwrap();
        }
        // The figures of a test of convergence hang on the last bits.
        Value::String(text) if key == "test" => {
            let word = |w: &str| if w.contains(|c: char| c.is_ascii_digit()) { "#".to_owned() } else { w.to_owned() };
            *text = text.split(' ').map(word).collect::<Vec<_>>().join(" ");
        }
        _ => {}
    }
}

/// The programs that L-BFGS fits in no time.
const QUICK: [&str; 5] = ["eight_schools", "glm_poisson", "kidscore", "regulator", "source_coding"];

/// L-BFGS runs to its end, stochastic fits for 20 steps.
fn short_run(program: &Program) {
    let name = program.name.as_str();
    let quick = QUICK.contains(&name);
    let options = match name {
        _ if quick => Options::default(),
        "metabolic_poisson" | "metabolic_relu" => Options::default().steps(20).set("patches_in_all=4000"),
        _ => Options::default().steps(20),
    };
    let mut fit = document(program, &options);
    settle("", &mut fit);
    if quick {
        fit.as_object_mut().unwrap().shift_remove("steps");
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!(format!("short_{name}"), serde_json::to_string_pretty(&fit).unwrap()));
}

/// The programs whose first steps take long.
const SLOW: [&str; 3] = ["regulator", "gaussian_vae", "poisson_vae_mnist"];

/// Networks whose figures over all digits take minutes. The treatments run them, narrower and on few digits.
const NETWORKS: [&str; 3] = ["conv_vae", "conv_residual", "conv_poisson"];

/// Every claim; and every program, run shortly.
pub fn trials(trials: &mut Trials) {
    claims!(trials, Tier::Slow, relu_vae_and_the_poisson_code, poisson_vae, poisson_vae_mnist, gaussian_vae, regulator);
    claims!(trials, Tier::Slow, conv_vae, conv_sparse, colour_patches);
    claims!(trials, Tier::Everyday, conv_residual, conv_poisson);
    claims!(trials, Tier::Everyday, eight_schools, glm_poisson, kidscore, source_coding);
    for program in Program::all_of("examples").into_iter().filter(|p| !NETWORKS.contains(&p.name.as_str())) {
        let tier = Tier::of(SLOW.contains(&program.name.as_str()));
        trials.add(format!("gallery::{}::short run", program.name), tier, move || short_run(&program));
    }
}
