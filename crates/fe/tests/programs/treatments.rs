//! The same program treated differently gives the same numbers: one thread or two, laid out anew, in single precision to a
//! stated bound, and by both executors.

use std::path::Path;
use std::sync::Arc;

use fe_pipeline::{ExecutorKind, Precision};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{at, root};
use crate::fits::{Options, Program, document, explained, figures, fit, shared};
use crate::trials::{Tier, Trials, full};

/// A program and how it is run, whatever the treatment.
struct Subject {
    program: Program,
    options: Options,
    tier: Tier,
    /// Holds the data that stand in for the program's own.
    _folder: Arc<TempDir>,
}

/// Programs of the gallery, whose headers say nothing of it, that are slow, and codes that are like others of the everyday run.
const SLOW: [&str; 9] = [
    "regulator",
    "conv_vae",
    "metabolic_relu",
    "metabolic_poisson",
    "relu_vae",
    "gaussian_vae",
    "collapse",
    "homeostasis",
    "colour_patches",
];

/// Programs whose free energy single precision finds and whose distortion and rate it does not, each by itself.
const FLAT: [&str; 1] = ["angle_at_the_cut"];

/// The first digits of the gallery's as a file, of so many pixels each way, every so many of the digit's own.
fn few_digits(folder: &Path, side: usize, every: usize) -> String {
    const WHOLE: usize = 28;
    let path = root().join("examples/data/digits.idx.gz");
    let source = fe_data::Source { reader: fe_data::Reader::Idx { path }, stages: vec![] };
    let digits = fe_data::load(&source).unwrap();
    assert_eq!(digits.shape[1..].iter().product::<usize>(), WHOLE * WHOLE);
    let (count, pixels) = (200, side * side);
    let margin = (WHOLE - every * side) / 2;
    let mut bytes = vec![0, 0, 8, 2];
    bytes.extend([count, pixels].iter().flat_map(|&n| u32::try_from(n).unwrap().to_be_bytes()));
    for digit in digits.values.chunks(WHOLE * WHOLE).take(count) {
        let place = |i: usize| (margin + every * (i / side)) * WHOLE + margin + every * (i % side);
        bytes.extend((0..pixels).map(|i| digit[place(i)] as u8));
    }
    let file = folder.join(format!("digits{side}.idx"));
    std::fs::write(&file, bytes).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Programs that are derived here and not fitted: their figures take 131,072 draws of networks of many layers, minutes each
/// where windows are laid out. Their layers are held to both executors and precisions by the conformance suite.
const DERIVED: [&str; 2] = ["conv_poisson", "conv_residual"];

/// What programs of digits have in the place of wide layers.
const NARROWER: [(&str, &str); 2] = [("dense(256)", "dense(24)"), ("dense(128)", "dense(16)")];

/// What those have besides that convolve pictures of 28 × 28.
const SMALLER: [(&str, &str); 6] =
    [("28, 28", "8, 8"), ("7, 7", "2, 2"), ("(32)", "(2)"), ("(3136", "(16"), ("(64", "(4"), ("[64", "[4")];

/// Programs of known answer, and the gallery: less data, narrower layers and few steps where it is large. The slow ones first.
fn subjects() -> Vec<Arc<Subject>> {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let (coarse, small) = (few_digits(folder.path(), 7, 4), few_digits(folder.path(), 8, 3));
    let (exact, gallery) = (Program::all_of("tests/exact"), Program::all_of("examples"));
    let subject = |mut program: Program, slow: bool| {
        let tier = Tier::of(slow);
        let mut options = Options::default();
        if program.source.contains("train {") {
            options.steps = Some(20);
        }
        if program.source.contains("patches(") {
            let fewer =
                program.source.replace("count = 40_000", "count = 1_000").replace("count = 4_000", "count = 500");
            let fewer = fewer.replace("patches_in_all = 100_000", "patches_in_all = 2_000");
            assert_ne!(fewer, program.source, "{} takes other patches", program.name);
            program.source = fewer;
        }
        if program.source.contains("idx(") && !DERIVED.contains(&program.name.as_str()) {
            let pictures = program.source.contains("conv(");
            let changes = NARROWER.iter().chain(SMALLER.iter().filter(|_| pictures));
            let narrower = changes.fold(program.source.clone(), |text, (wide, narrow)| text.replace(wide, narrow));
            assert_ne!(narrower, program.source, "{} has other layers", program.name);
            program.source = narrower;
            options.data.push(format!("x={}", if pictures { &small } else { &coarse }));
        }
        Arc::new(Subject { program, options, tier, _folder: Arc::clone(&folder) })
    };
    let exact = exact.into_iter().map(|p| (p.slow(), p));
    let gallery = gallery.into_iter().map(|p| (SLOW.contains(&p.name.as_str()), p));
    let mut subjects: Vec<_> = exact.chain(gallery).map(|(slow, p)| subject(p, slow)).collect();
    subjects.sort_by_key(|s| s.tier == Tier::Everyday);
    subjects
}

/// The fit on one thread, which every treatment is compared with, is made once.
fn two_threads(subject: &Subject) {
    let one = shared(&subject.program, &subject.options).lasting();
    let two = fit(&subject.program, &Options { threads: 2, ..subject.options.clone() }).lasting();
    assert_eq!(one, two);
}

/// Without its comments and with its statements on one line, then laid out: the same derivation, and the same graph of the
/// objective, from which all else follows.
fn laid_out_anew(subject: &Subject) {
    let source = &subject.program.source;
    let squeezed: Vec<&str> = source.lines().map(|l| l.split('#').next().unwrap().trim()).collect();
    let formatted = fe_syntax::format(&squeezed.join(" ")).unwrap();
    assert_ne!(&formatted, source);
    let other = subject.program.with(formatted);
    assert_eq!(explained(&subject.program, &subject.options), explained(&other, &subject.options));
}

/// Figures of the objective in two documents, and how far apart they are, over the free energy and one.
fn apart(found: &Value, reference: &Value) -> Vec<(&'static str, f64)> {
    let scale = 1.0 + at(reference, "free_energy").abs();
    ["free_energy", "distortion", "rate", "objective_value"]
        .map(|figure| (figure, (at(found, figure) - at(reference, figure)).abs() / scale))
        .to_vec()
}

/// Single precision keeps seven digits, and sums over rows and steps of training lose up to three of them: every figure
/// of the objective agrees within 1e-4 of the free energy and one.
fn both_precisions(subject: &Subject) {
    let unasked = shared(&subject.program, &subject.options);
    let executor = unasked.document["executor"].as_str().unwrap();
    let other = if executor.ends_with("f64") { Precision::F32 } else { Precision::F64 };
    let other = document(&subject.program, &Options { precision: Some(other), ..subject.options.clone() });
    let (single, double) =
        if executor.ends_with("f64") { (&other, &unasked.document) } else { (&unasked.document, &other) };
    // Where a minimum is flat, its place is off by the root of what the free energy is, and the two parts of that with it.
    let parts = !FLAT.contains(&subject.program.name.as_str());
    for (figure, off) in apart(single, double) {
        let whole = ["free_energy", "objective_value"].contains(&figure);
        assert!(off < 1e-4 || !(whole || parts), "{figure} is off by {off:e}");
    }
}

/// Both executors compute the same objective and its gradient, and take the same twenty steps, to the rounding of f64. The full
/// run has both read the posterior too, which takes longer than the steps.
fn both_executors(subject: &Subject) {
    let by = |executor| Options {
        executor: Some(executor),
        precision: Some(Precision::F64),
        steps: Some(20),
        ..subject.options.clone()
    };
    let [planned, reference] = [ExecutorKind::Cpu, ExecutorKind::Candle].map(|executor| match full() {
        true => document(&subject.program, &by(executor)),
        false => figures(&subject.program, &by(executor)),
    });
    for (figure, off) in apart(&planned, &reference) {
        assert!(off < 1e-8, "{figure} is off by {off:e}");
    }
}

/// What a treatment holds a program to.
type Treatment = fn(&Subject);

/// Each program by each treatment. Those of one program are not neighbours, or they would wait for its fit together.
pub fn trials(trials: &mut Trials) {
    let of_fits: [(&str, Treatment); 3] =
        [("two threads", two_threads), ("both precisions", both_precisions), ("both executors", both_executors)];
    let of_derivations: [(&str, Treatment); 1] = [("laid out anew", laid_out_anew)];
    let subjects = subjects();
    let fitted: Vec<_> = subjects.iter().filter(|s| !DERIVED.contains(&s.program.name.as_str())).cloned().collect();
    for (treatments, subjects) in [(&of_fits[..], &fitted), (&of_derivations[..], &subjects)] {
        for &(treatment, check) in treatments {
            for subject in subjects {
                let name = format!("treatments::{}::{treatment}", subject.program.name);
                let subject = Arc::clone(subject);
                trials.add(name, subject.tier, move || check(&subject));
            }
        }
    }
}
