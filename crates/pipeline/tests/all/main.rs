//! From a text to a document and back from its directory, without a command line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod large;
mod resume;
mod starts;
mod stream;
mod stream_beliefs;
mod stream_choices;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use fe_data::{Element, InMemory};
use fe_pipeline::{
    Assignment, Error, Finished, FitOptions, OptionName, Prepared, ReadOptions, RunRecord, Text, Unwatched, directory,
    evaluate, on_threads, prepare, rewrite, sample, sweep,
};
use fe_train::Monitor;

/// A Gaussian mean with a known variance: posterior N(Σy / (n + 1/25), 1 / (n + 1/25)).
const MEAN: &str = "\
data y[N] = csv(\"y.csv\", \"y\")
latent mu ~ Normal(0, 5)
observe y ~ Normal(mu, 1)
";

const Y: [f64; 5] = [0.5, 1.5, -0.25, 2.0, 1.25];

struct Quiet;

impl Monitor for Quiet {
    fn step(&mut self, _: u64, _: Option<u64>, _: f64) -> bool {
        true
    }

    fn note(&mut self, _: &str) {}
}

fn text(folder: &Path, source: &str) -> Text {
    let file = folder.join("mean.fe");
    std::fs::write(&file, source).unwrap();
    Text::read(file.to_str().unwrap()).unwrap()
}

fn table(folder: &Path, values: &[f64]) {
    let rows: Vec<String> = values.iter().map(f64::to_string).collect();
    std::fs::write(folder.join("y.csv"), format!("y\n{}\n", rows.join("\n"))).unwrap();
}

fn fitted_mean(prepared: &Prepared) -> (f64, f64) {
    let fitted = prepared.fit(None, &mut Quiet).unwrap();
    let document = prepared.document(&fitted).unwrap();
    let mu = document.posterior.get("mu").unwrap();
    (mu.mean.values()[0], mu.sd.values()[0])
}

fn in_memory(values: &[f64]) -> ReadOptions {
    let array = Arc::new(InMemory::real(vec![values.len()], values.to_vec()));
    ReadOptions { arrays: HashMap::from([("y".to_owned(), array)]), ..ReadOptions::default() }
}

#[test]
fn arrays_of_the_caller_and_files_give_the_same_fit_and_the_exact_posterior() {
    let folder = tempfile::tempdir().unwrap();
    table(folder.path(), &Y);
    let text = text(folder.path(), MEAN);
    let of_file = fitted_mean(&prepare(&text, &ReadOptions::default(), &FitOptions::default()).unwrap());
    std::fs::remove_file(folder.path().join("y.csv")).unwrap();
    let of_memory = fitted_mean(&prepare(&text, &in_memory(&Y), &FitOptions::default()).unwrap());
    assert_eq!(of_file, of_memory);
    let precision = Y.len() as f64 + 1.0 / 25.0;
    let exact = (Y.iter().sum::<f64>() / precision, precision.sqrt().recip());
    assert!((of_file.0 - exact.0).abs() < 1e-6 && (of_file.1 - exact.1).abs() < 1e-6, "{of_file:?}, not {exact:?}");
}

#[test]
fn arrays_of_the_caller_are_checked_as_files_are() {
    let folder = tempfile::tempdir().unwrap();
    let text = text(folder.path(), MEAN);
    let refused = |reading: &ReadOptions| match prepare(&text, reading, &FitOptions::default()) {
        Err(Error::Data(d)) => d[0].code.to_owned(),
        other => panic!("{:?}", other.map(|_| ())),
    };
    assert_eq!(refused(&in_memory(&[1.0, f64::INFINITY])), "D0016");
    assert_eq!(refused(&in_memory(&[])), "D0004");
    let of = |array: InMemory| ReadOptions {
        arrays: HashMap::from([("y".into(), Arc::new(array))]),
        ..ReadOptions::default()
    };
    assert_eq!(refused(&of(InMemory::real(vec![3], vec![1.0]))), "D0020");
    let text_without_levels = InMemory { element: Element::Text, ..InMemory::real(vec![1], vec![0.0]) };
    assert_eq!(refused(&of(text_without_levels)), "D0020");
    let unknown = ReadOptions {
        arrays: HashMap::from([("x".into(), Arc::new(InMemory::real(vec![1], vec![0.0])))]),
        ..in_memory(&Y)
    };
    assert!(
        matches!(prepare(&text, &unknown, &FitOptions::default()), Err(Error::Option(OptionName::Data, m)) if m.contains("no data called `x`"))
    );
}

/// A fit with what would be written of it.
fn run_of<T>(text: &Text, reading: &ReadOptions, with: impl FnOnce(&directory::Run) -> T) -> T {
    let fitting = FitOptions::default();
    let prepared = prepare(text, reading, &fitting).unwrap();
    let fitted = prepared.fit(None, &mut Quiet).unwrap();
    let mut document = prepared.document(&fitted).unwrap();
    let record = prepared.record(&fitted, prepared.identity(text, reading, &fitting, None));
    document.run.clone_from(&record.run);
    with(&directory::Run {
        source: &text.source,
        record: &record,
        fitted: &fitted,
        document: &document,
        statistics: &prepared.arrays.statistics,
    })
}

/// Writes a run of the mean's program and gives where it ended.
fn written(folder: &Path, text: &Text, reading: &ReadOptions) -> Vec<Vec<f64>> {
    run_of(text, reading, |run| {
        run.write(directory::Writing::begin(folder).unwrap()).unwrap();
        run.fitted.solution().values
    })
}

/// Data that are drawn anew follow the draws of the posterior beside them: where the guide was weighed, where effects were
/// integrated out, and where chains were run.
#[test]
fn data_drawn_anew_follow_the_posterior_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let effects = "data y[N] = csv(\"y.csv\", \"y\")\nlatent s ~ HalfNormal(1)\nlatent mu ~ Normal(0, 5)\n\
                   latent e[N] ~ Normal(0, s)\nobserve y ~ StudentT(5, mu + e, 0.5)\n";
    let chains = format!("{MEAN}guide * ~ NUTS(draws = 500, warmup = 200, chains = 2)\n");
    for (source, latents) in [(effects, &["mu", "e"][..]), (&chains, &["mu"])] {
        let groups = run_of(&text(folder.path(), source), &in_memory(&Y), directory::groups);
        let group = |name: &str| groups.iter().find(|g| g.name == name).unwrap();
        let (posterior, new) = (group("posterior"), group("posterior_predictive"));
        assert!(new.attributes.iter().any(|(_, v)| v.contains("draws of the posterior group")), "{:?}", new.attributes);
        let all = posterior.draws * posterior.chains;
        let mean = |draw: usize, row: usize| -> f64 {
            let of = |name: &&str| {
                let values = &posterior.arrays.iter().find(|a| a.name == **name).unwrap().values;
                let width = values.len() / all;
                values[draw * width + row % width]
            };
            latents.iter().map(of).sum()
        };
        let y = &new.arrays[0].values;
        assert_eq!(y.len(), new.draws * Y.len());
        // About the means of each row: were they drawn given others, there would be none, within 0.02.
        let expected: Vec<f64> = (0..y.len()).map(|k| mean(k / Y.len() * all / new.draws, k % Y.len())).collect();
        let centred = |of: &[f64]| -> Vec<f64> {
            let own = |row: usize| of.iter().skip(row).step_by(Y.len()).sum::<f64>() / new.draws as f64;
            let means: Vec<f64> = (0..Y.len()).map(own).collect();
            of.iter().enumerate().map(|(k, v)| v - means[k % Y.len()]).collect()
        };
        let (y, expected) = (centred(y), centred(&expected));
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let correlation = product(&y, &expected) / (product(&y, &y) * product(&expected, &expected)).sqrt();
        assert!(correlation > 0.25, "{source}: {correlation}");
    }
}

/// Of data with gaps the missing cells are told, under their rows, and none that is there: by the guide and by chains.
#[test]
fn gaps_are_told_of_and_nothing_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let program = "data x[N, D] : real? = csv(\"x.csv\", \"a\", \"b\")\nlatent m[D] ~ Normal(0, 1)\nobserve x ~ Normal(m, 0.8)\n\
                   data y[N] = csv(\"x.csv\", \"y\")\nlet d[D] = [0.5, -0.5]\nobserve y ~ Normal(x @ d, 0.3)\n";
    std::fs::write(folder.path().join("x.csv"), "a,b,y\n0.4,1,0.3\nNA,0.2,0.7\n-1,NA,-0.4\n0.9,0.1,0.2\n").unwrap();
    for program in [program.to_owned(), format!("{program}guide * ~ NUTS(draws = 200, warmup = 200, chains = 2)\n")] {
        let text = text(folder.path(), &program);
        let (document, groups) =
            run_of(&text, &ReadOptions::default(), |run| (run.document.clone(), directory::groups(run)));
        let told = document.posterior.get("x_missing").unwrap();
        assert_eq!(told.axes, ["x_missing_N_D"]);
        assert_eq!(document.labels["x_missing_N_D"], ["1, a", "2, b"]);
        let posterior = groups.iter().find(|g| g.name == "posterior").unwrap();
        let drawn = posterior.arrays.iter().find(|a| a.name == "x_missing").unwrap();
        let draws = posterior.draws * posterior.chains;
        assert_eq!((drawn.shape.as_slice(), drawn.values.len()), (&[2][..], 2 * draws));
        assert_eq!(posterior.labels["x_missing_N_D"], ["1, a", "2, b"]);
        for (k, exact) in exact_gaps().into_iter().enumerate() {
            if posterior.chains == 1 {
                assert!((told.mean.values()[k] - exact).abs() < 1e-5, "{k}: {:?}, not {exact}", told.mean);
            }
            // Of 400 draws of a chain, four standard errors.
            let mean = drawn.values.iter().skip(k).step_by(2).sum::<f64>() / draws as f64;
            assert!((mean - exact).abs() < 0.12, "{k}: {mean}, not {exact}");
        }
    }
}

/// Means of the gaps above: by least squares, m of each column and the missing cell of its other row.
fn exact_gaps() -> [f64; 2] {
    let (own, error) = (0.8f64.powi(-2), 0.3f64.powi(-2));
    // What is there of each column, the cell beside the gap, and y: the gap is worth s y, where a counts + and b −.
    let columns = [(0.4 - 1.0 + 0.9, 0.2, 0.7, 1.0), (1.0 + 0.2 + 0.1, -1.0, -0.4, -1.0)];
    columns.map(|(sum, beside, y, sign)| {
        // (1 + 4 own) m = own (sum + z), and (own + error/4) z = own m + error/2 · sign (y + sign · beside / 2).
        let (p, q) = (own / (1.0 + 4.0 * own), own + error / 4.0);
        let right = error / 2.0 * sign * (y + sign * beside / 2.0);
        (own * p * sum + right) / (q - own * p)
    })
}

#[test]
fn a_finished_run_is_read_back_to_where_its_fit_ended() {
    let folder = tempfile::tempdir().unwrap();
    table(folder.path(), &Y);
    let text = text(folder.path(), MEAN);
    let run = folder.path().join("run");
    let values = written(&run, &text, &ReadOptions::default());
    let finished = Finished::read(&run).unwrap();
    let prepared = finished.prepare().unwrap();
    let problem = prepared.problem().unwrap();
    let again = finished.solution(&problem).unwrap().values;
    for (was, is) in values.iter().flatten().zip(again.iter().flatten()) {
        assert!((was - is).abs() <= 1e-15 * was.abs().max(1.0), "{was} became {is}");
    }
    assert_eq!(finished.document().unwrap().rows, Y.len() as u64);
    assert_eq!(finished.changed(&prepared.arrays), None);
    let (page, _) = rewrite(&run).unwrap();
    assert!(std::fs::read_to_string(page).unwrap().contains("Derivation"));
    let drawn = sample::posterior(&finished, None, 10).unwrap();
    assert_eq!(drawn.groups[0].arrays[0].shape, [Y.len()]);
    // New rows from memory: −log of the predictive density is what F bounds.
    let evaluation = evaluate(&finished, &in_memory(&[0.5, 1.0])).unwrap().evaluation;
    assert_eq!(evaluation.rows, 2);
    table(folder.path(), &[1.0; 5]);
    assert_eq!(finished.changed(&finished.prepare().unwrap().arrays).as_deref(), Some("y"));
}

#[test]
fn a_record_is_one_form_with_its_number() {
    let folder = tempfile::tempdir().unwrap();
    table(folder.path(), &Y);
    let text = text(folder.path(), MEAN);
    let run = folder.path().join("run");
    written(&run, &text, &ReadOptions { set: vec![], ..ReadOptions::default() });
    let record = RunRecord::read(&run).unwrap();
    let path = run.join("run.json");
    let json = std::fs::read_to_string(&path).unwrap();
    assert!(json.starts_with("{\n  \"schema\": 1,\n"), "{json}");
    assert_eq!(record.text().unwrap(), json);
    // A run from before the form was numbered is read as it is.
    std::fs::write(&path, json.replace("  \"schema\": 1,\n", "")).unwrap();
    assert_eq!(RunRecord { schema: 1, ..RunRecord::read(&run).unwrap() }, record);
    std::fs::write(&path, json.replace("\"schema\": 1", "\"schema\": 99")).unwrap();
    assert!(matches!(RunRecord::read(&run), Err(Error::Io(m)) if m.contains("later version")));
    std::fs::write(&path, "{").unwrap();
    assert!(matches!(RunRecord::read(&run), Err(Error::Io(m)) if m.contains("damaged")));
}

#[test]
fn work_runs_on_the_threads_asked_for() {
    for n in [1, 3] {
        assert_eq!(on_threads(Some(n), rayon::current_num_threads).unwrap(), n);
    }
    assert!(on_threads(None, rayon::current_num_threads).unwrap() >= 1);
    assert!(on_threads(Some(0), || ()).is_err());
}

#[test]
fn a_sweep_goes_over_arrays_of_the_caller() {
    let folder = tempfile::tempdir().unwrap();
    let source = format!("const scale = 5\n{}", MEAN.replace("Normal(0, 5)", "Normal(0, scale)"));
    let text = text(folder.path(), &source);
    let options = sweep::SweepOptions {
        checkpoint: std::time::Duration::MAX,
        over: vec!["scale=1,5".into()],
        reading: in_memory(&Y),
        fitting: FitOptions::default(),
        jobs: None,
        resume: false,
        certify: 0,
        folder: Some(folder.path().join("sweep")),
    };
    let (report, at) = sweep::sweep(&text, &options, &Unwatched).unwrap();
    assert_eq!(report.points.len(), 2);
    // −log evidence of y given the prior's scale: y ~ N(0, I + scale² 11ᵀ).
    for (point, scale) in report.points.iter().zip([1.0f64, 5.0]) {
        let n = Y.len() as f64;
        let (sum, squares) = (Y.iter().sum::<f64>(), Y.iter().map(|y| y * y).sum::<f64>());
        let s2 = scale * scale;
        let evidence =
            0.5 * (n * std::f64::consts::TAU.ln() + (n * s2).ln_1p() + squares - s2 * sum * sum / (n * s2 + 1.0));
        assert!(
            (point.account.free_energy - evidence / n).abs() < 1e-9,
            "{} and {}",
            point.account.free_energy,
            evidence / n
        );
    }
    assert!(at.join("sweep.json").exists());
    assert_eq!(Assignment::parse("a = 2"), Some(Assignment::new("a", "2")));
}
