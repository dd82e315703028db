//! The claims of the programs that infer by descent.

use std::path::Path;

use serde_json::Value;

use crate::common::{at, done, root};
use crate::fits::{Options, Program, document};
use crate::trials::{Tier, Trials, claims};

/// ½ D log π at D = 64, and the normaliser of σ² = ½: what F holds beside SSE + KL.
const CONSTANT: f64 = 36.632;

fn fitted(program: &str) -> Value {
    document(&Program::named(&format!("examples/descent/{program}")), &Options::default())
}

/// No step raises F, and the last makes next to nothing of the fall.
fn settles(fit: &Value) {
    let refinement = &fit["refinement"];
    assert_eq!(refinement["rises"], 0, "{refinement}");
    assert!(at(fit, "refinement.last_fall") < 1e-3, "{refinement}");
}

/// R² after the last step.
fn r2(fit: &Value) -> f64 {
    fit["refinement"]["trace"].as_array().unwrap().last().unwrap()["r2"].as_f64().unwrap()
}

fn iterative_poisson() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("run");
    let run = folder.to_str().unwrap();
    let model = root().join("examples/descent/iterative_poisson.fe");
    done(&root(), &["run", model.to_str().unwrap(), "--quiet", "--threads", "1", "--out", run]);
    let fit: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("fit.json")).unwrap()).unwrap();
    settles(&fit);
    let sixteen = at(&fit, "heldout.free_energy");
    assert!(sixteen - CONSTANT < 53.1, "{sixteen}");
    for steps in ["64", "1000"] {
        let trace = out.path().join("trace.csv");
        let set = format!("T={steps}");
        let said = done(&root(), &["eval", run, "--set", &set, "--trace", trace.to_str().unwrap(), "--json"]);
        let evaluation: Value = serde_json::from_str(&said).unwrap();
        assert!((at(&evaluation, "free_energy") - sixteen).abs() < 0.02, "{steps}: {evaluation}");
        let lines = std::fs::read_to_string(trace).unwrap().lines().count();
        assert_eq!(lines, steps.parse::<usize>().unwrap() + 2);
    }
}

fn befond() {
    let fit = fitted("befond");
    settles(&fit);
    assert!(r2(&fit) > 0.55, "{}", r2(&fit));
    assert!(fit["terms"].as_array().unwrap().iter().all(|t| t["se"].is_null()));
}

fn iterative_gaussian() {
    let fit = fitted("iterative_gaussian");
    settles(&fit);
    assert!(r2(&fit) > 0.7, "{}", r2(&fit));
}

fn iterative_relu() {
    let fit = fitted("iterative_relu");
    settles(&fit);
    assert!(fit["terms"].as_array().unwrap().iter().all(|t| t["se"].is_null()));
    let zeros = at(&fit, "meters.active.zeros");
    assert!((0.5..0.65).contains(&zeros), "{zeros}");
}

fn predictive_coding() {
    let fit = fitted("predictive_coding");
    settles(&fit);
    assert!(r2(&fit) > 0.9, "{}", r2(&fit));
}

fn lca() {
    let fit = fitted("lca");
    settles(&fit);
    let last = fit["refinement"]["trace"].as_array().unwrap().last().unwrap();
    assert!(last["zeros"].as_f64().unwrap() > 0.6 && r2(&fit) > 0.6, "{last}");
}

fn convolutional_poisson() {
    let fit = fitted("convolutional_poisson");
    settles(&fit);
    assert!(fit["terms"].as_array().unwrap().iter().all(|t| t["estimator"] == "closed form" && t["se"].is_null()));
}

fn convolutional_lca() {
    let fit = fitted("convolutional_lca");
    settles(&fit);
    assert!(r2(&fit) > 0.8, "{}", r2(&fit));
    assert!(fit["terms"].as_array().unwrap().iter().all(|t| t["se"].is_null()));
}

fn hybrid() {
    let fit = fitted("hybrid");
    assert_eq!(fit["refinement"]["rises"], 0);
    let trace = fit["refinement"]["trace"].as_array().unwrap();
    let fall = trace[0]["free_energy"].as_f64().unwrap() - trace.last().unwrap()["free_energy"].as_f64().unwrap();
    assert!(fall > 1.0, "{trace:?}");
}

fn spiking() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("run");
    let run = folder.to_str().unwrap();
    let model = root().join("examples/descent/spiking.fe");
    done(&root(), &["run", model.to_str().unwrap(), "--quiet", "--threads", "1", "--out", run]);
    let sixteen: Value = serde_json::from_str(&done(&root(), &["eval", run, "--json"])).unwrap();
    let long: Value = serde_json::from_str(&done(&root(), &["eval", run, "--set", "T=1000", "--json"])).unwrap();
    let (sixteen, long) = (at(&sixteen, "free_energy"), at(&long, "free_energy"));
    assert!(long.is_finite() && long < sixteen + 1.0, "{sixteen} {long}");
}

fn budget() {
    let fit = fitted("budget");
    assert_eq!(fit["constraints"][0]["met"], true);
    assert!(at(&fit, "energy") <= 20.05, "{}", at(&fit, "energy"));
}

fn online() {
    let fit = fitted("online");
    assert!(fit["terms"].as_array().unwrap().iter().all(|t| t["se"].is_null()));
    let sum: f64 = fit["terms"].as_array().unwrap().iter().map(|t| t["nats"].as_f64().unwrap()).sum();
    assert!((sum - at(&fit, "free_energy")).abs() < 1e-6 * sum);
    // A picture that is known costs less than one that is not.
    let start = document(&Program::named("examples/descent/online"), &Options { steps: Some(0), ..Options::default() });
    assert!(at(&fit, "free_energy") < at(&start, "free_energy") - 10.0);
}

/// What units of bar.fe do while a bar crosses the field.
struct Seen {
    /// The share of units whose largest mean rate over directions is more than twice the least.
    tuned: f64,
    /// The share of these that prefer the orientation of their own atom, within 20°.
    own: f64,
    /// Σ r exp(2πiθ/180°) over Σ r, in the mean over units.
    selectivity: f64,
    /// Frames by which the median unit follows what drives it, in the direction that it is driven by most.
    lag: usize,
    /// Of the frame, in the mean over frames with light.
    r2: f64,
}

const DIRECTIONS: usize = 36;
const BLANK: usize = 60;
const FRAMES: usize = 100;
const UNITS: usize = 256;
const PIXELS: usize = 256;

/// The bar as its reader's documentation has it, each frame to mean 0, times 3.
fn bars() -> Vec<f64> {
    let place = |k: usize| (k as f64 + 0.5) / 16.0 - 0.5;
    let mut all = vec![];
    for angle in 0..DIRECTIONS {
        let (sine, cosine) = (10.0 * angle as f64).to_radians().sin_cos();
        for frame in 0..FRAMES {
            let middle = (0.5f64.sqrt() + 0.1) * (2.0 * (frame as f64 + 0.5) / 100.0 - 1.0);
            let light = |k: usize| {
                let at = place(k % 16) * cosine + place(k / 16) * sine - middle;
                (((at + 1.0 / 32.0).min(0.1) - (at - 1.0 / 32.0).max(-0.1)) * 16.0).max(0.0)
            };
            let frame: Vec<f64> = (0..PIXELS).map(light).collect();
            let mean = frame.iter().sum::<f64>() / PIXELS as f64;
            all.extend(frame.iter().map(|v| 3.0 * (v - mean)));
        }
    }
    all
}

fn correlation(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let (a, b) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let cross: f64 = x.iter().zip(y).map(|(x, y)| (x - a) * (y - b)).sum();
    let (vx, vy): (f64, f64) = (x.iter().map(|x| (x - a).powi(2)).sum(), y.iter().map(|y| (y - b).powi(2)).sum());
    cross / (vx * vy).sqrt().max(1e-300)
}

/// What becomes of rates `[direction, blank + frame, unit]` and atoms `[unit, pixel]`.
fn seen(rates: &[f64], atoms: &[f64]) -> Seen {
    let frames = bars();
    let frame = |a: usize, t: usize| &frames[(a * FRAMES + t) * PIXELS..][..PIXELS];
    let rate = |a: usize, t: usize, k: usize| rates[(a * (BLANK + FRAMES) + BLANK + t) * UNITS + k];
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let most = |of: &dyn Fn(usize) -> f64| (0..DIRECTIONS).max_by(|&a, &b| of(a).total_cmp(&of(b))).unwrap();
    let (mut tuned, mut own, mut selectivity, mut lags) = (0.0, 0.0, 0.0, vec![]);
    for k in 0..UNITS {
        let mean: Vec<f64> =
            (0..DIRECTIONS).map(|a| (0..FRAMES).map(|t| rate(a, t, k)).sum::<f64>() / FRAMES as f64).collect();
        let atom = &atoms[k * PIXELS..][..PIXELS];
        let drive: Vec<Vec<f64>> =
            (0..DIRECTIONS).map(|a| (0..FRAMES).map(|t| dot(frame(a, t), atom)).collect()).collect();
        let driven = most(&|a| drive[a].iter().copied().fold(0.0, f64::max));
        let preferred = most(&|a| mean[a]);
        // Orientations are the same after half a turn.
        let off = (10.0 * (preferred as f64 - driven as f64) + 90.0).rem_euclid(180.0) - 90.0;
        let (high, low) = mean.iter().fold((0.0f64, f64::INFINITY), |(h, l), &m| (h.max(m), l.min(m)));
        if high > 2.0 * low {
            tuned += 1.0;
            own += f64::from(u8::from(off.abs() <= 20.0));
        }
        let (mut re, mut im) = (0.0, 0.0);
        for (a, m) in mean.iter().enumerate() {
            let (s, c) = (20.0 * a as f64).to_radians().sin_cos();
            (re, im) = (re + m * c, im + m * s);
        }
        selectivity += f64::hypot(re, im) / mean.iter().sum::<f64>() / UNITS as f64;
        let of: Vec<f64> = (0..FRAMES).map(|t| rate(driven, t, k)).collect();
        let at = |lag: usize| correlation(&drive[driven][..FRAMES - lag], &of[lag..]);
        lags.push((0..=20).max_by(|&a, &b| at(a).total_cmp(&at(b))).unwrap());
    }
    lags.sort_unstable();
    let (mut r2, mut lit) = (0.0, 0.0);
    for a in 0..DIRECTIONS {
        for t in 0..FRAMES {
            let seen = frame(a, t);
            let total = dot(seen, seen);
            if total < 1e-6 {
                continue;
            }
            let mut rest = seen.to_vec();
            for k in 0..UNITS {
                let z = rate(a, t, k);
                rest.iter_mut().zip(&atoms[k * PIXELS..]).for_each(|(r, w)| *r -= z * w);
            }
            (r2, lit) = (r2 + 1.0 - dot(&rest, &rest) / total, lit + 1.0);
        }
    }
    let units = UNITS as f64;
    Seen { tuned: tuned / units, own: own / tuned, selectivity, lag: lags[UNITS / 2], r2: r2 / lit }
}

/// An array of NumPy.
fn npy(shape: &[usize], values: &[u8]) -> Vec<u8> {
    let shape: String = shape.iter().map(|n| format!("{n}, ")).collect();
    let mut head = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({shape}), }}");
    while (head.len() + 11) % 64 != 0 {
        head.push(' ');
    }
    head.push('\n');
    let length = u16::try_from(head.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00".as_slice(), &length, head.as_bytes(), values].concat()
}

fn bar() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path();
    let at_path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let model = root().join("examples/descent/still.fe");
    done(&root(), &["run", model.to_str().unwrap(), "--quiet", "--out", &at_path("still")]);
    let fit: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("still/fit.json")).unwrap()).unwrap();
    let start = document(&Program::named("examples/descent/still"), &Options { steps: Some(0), ..Options::default() });
    // Sixteen frames.
    assert!(at(&fit, "free_energy") < at(&start, "free_energy") - 16.0 * 30.0);

    let bytes = std::fs::read(folder.join("still/params.safetensors")).unwrap();
    let saved = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut atoms = vec![];
    for (name, file) in [("u", "rates.npy"), ("W", "dictionary.npy")] {
        let tensor = saved.tensor(name).unwrap();
        std::fs::write(folder.join(file), npy(tensor.shape(), tensor.data())).unwrap();
        atoms = tensor.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect();
    }
    std::fs::copy(root().join("examples/descent/bar.fe"), folder.join("bar.fe")).unwrap();
    let look = |retention: &str| {
        let (run, codes) = (format!("bar_{retention}"), format!("bar_{retention}.npz"));
        let set = format!("retention={retention}");
        done(folder, &["run", "bar.fe", "--quiet", "--steps", "0", "--set", &set, "--out", &run]);
        done(folder, &["codes", &run, "--latent", "z", "--out", &codes]);
        let mut archive = zip::ZipArchive::new(std::fs::File::open(folder.join(codes)).unwrap()).unwrap();
        let mut bytes = vec![];
        std::io::Read::read_to_end(&mut archive.by_name("z_mean.npy").unwrap(), &mut bytes).unwrap();
        let head = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let rates: Vec<f64> =
            bytes[head..].chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect();
        let seen = seen(&rates, &atoms);
        eprintln!(
            "retention {retention}: tuned {:.3}, own {:.3}, selectivity {:.3}, lag {}, R² {:.3}",
            seen.tuned, seen.own, seen.selectivity, seen.lag, seen.r2
        );
        seen
    };
    let (all, most, none) = (look("1"), look("0.9"), look("0"));
    assert!(all.tuned >= 0.7 && none.tuned < 0.5);
    assert!(all.own >= 0.7 && all.selectivity > none.selectivity + 0.2);
    assert!((1..=6).contains(&all.lag));
    assert!(most.r2 >= all.r2 + 0.3);
}

/// Params of a run as arrays of NumPy beside it.
fn saved_params(folder: &Path, run: &str, names: &[&str]) {
    let bytes = std::fs::read(folder.join(run).join("params.safetensors")).unwrap();
    let saved = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    for name in names {
        let tensor = saved.tensor(name).unwrap();
        std::fs::write(folder.join(format!("{name}.npy")), npy(tensor.shape(), tensor.data())).unwrap();
    }
}

/// The study of docs/studies/descent.md on the photographs at hand: descent on the dictionary of an encoder.
fn frozen() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path();
    for (part, names) in [
        ("heldout", ["kodim20", "kodim23"].as_slice()),
        ("train", &["kodim02", "kodim03", "kodim07", "kodim09", "kodim10", "kodim12", "kodim15", "kodim16"]),
    ] {
        let to = folder.join("photographs").join(part);
        std::fs::create_dir_all(&to).unwrap();
        for name in names {
            let file = format!("{name}.png");
            std::fs::copy(root().join("examples/data/natural").join(&file), to.join(&file)).unwrap();
        }
    }
    for name in ["amortised", "encoder", "frozen", "plain"] {
        let file = format!("{name}.fe");
        let mut text = std::fs::read_to_string(root().join("docs/studies/descent").join(&file)).unwrap();
        for part in ["train", "heldout"] {
            let archive = format!("\"photographs.npz\", array = \"{part}\"");
            text = text.replace(&archive, &format!("\"photographs/{part}/*.png\""));
        }
        assert!(!text.contains("photographs.npz"));
        std::fs::write(folder.join(&file), text).unwrap();
    }
    done(folder, &["run", "amortised.fe", "--quiet", "--out", "amortised"]);
    saved_params(folder, "amortised", &["u", "W", "E"]);
    let found = |program: &str, set: &[&str]| {
        let steps = ["run", program, "--quiet", "--steps", "0", "--out", "held"];
        let set: Vec<&str> = set.iter().flat_map(|s| ["--set", *s]).collect();
        done(folder, &[steps.as_slice(), &set].concat());
        let text = std::fs::read_to_string(folder.join("held/fit.json")).unwrap();
        at(&serde_json::from_str::<Value>(&text).unwrap(), "free_energy")
    };
    let encoder = found("encoder.fe", &[]);
    let falling = |size: &str| {
        let counts = ["T=1", "T=4", "T=16", "T=64", "T=256"];
        let all: Vec<f64> = counts.iter().map(|t| found("frozen.fe", &[t, size])).collect();
        assert!(all.windows(2).all(|w| w[1] <= w[0] + 1e-9), "{size}: {all:?}");
        all
    };
    let (short, long) = (falling("size=0.05"), falling("size=0.2"));
    eprintln!("encoder {encoder:.3}, by steps of .05 {short:.3?}, of .2 {long:.3?}");
    assert!((short[4] - long[4]).abs() < 1e-3);
    assert!(short[4] < encoder - 0.7);
    // By plain gradients what is silent hardly moves.
    assert!(found("plain.fe", &["T=64", "size=0.2"]) > long[2] + 0.03);
}

pub fn trials(trials: &mut Trials) {
    claims!(
        trials,
        Tier::Slow,
        iterative_poisson,
        befond,
        iterative_gaussian,
        iterative_relu,
        predictive_coding,
        lca,
        convolutional_poisson,
        convolutional_lca,
        hybrid,
        spiking,
        budget,
        online,
        bar,
        frozen
    );
}
