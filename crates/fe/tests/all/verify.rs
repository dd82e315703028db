//! `fe verify`: a finished fit held to chains.

use std::path::Path;

use crate::common::*;
use serde_json::Value;

/// A folder with the fit of a program in `fit`.
fn fitted(program: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.fe"), program).unwrap();
    done(folder.path(), &["run", "model.fe", "--quiet", "--out", "fit"]);
    folder
}

/// The exit code of the command, and what it says on standard error.
fn ended(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = run(folder, arguments);
    (code(&output), stderr(&output))
}

fn verified(folder: &Path, further: &[&str]) -> Value {
    let arguments = [&["verify", "fit", "--json"], further].concat();
    serde_json::from_str(&done(folder, &arguments)).unwrap()
}

const SCHOOLS: &str = "data y[J] = [28, 8, -3, 7, -1, 1, 18, 12]\ndata sigma[J] = [15, 10, 16, 11, 9, 11, 10, 18]\n\
                       latent mu ~ Normal(0, 5)\nlatent tau ~ HalfCauchy(5)\nlatent theta[J] ~ Normal(mu, tau)\n\
                       observe y ~ Normal(theta, sigma)\n";

#[test]
fn a_right_fit_agrees_and_its_files_say_so() {
    let folder = fitted(SCHOOLS);
    let found = verified(folder.path(), &["--strict", "--threads", "1"]);
    assert_eq!((&found["outcome"], &found["schema"]), (&"agrees".into(), &1.into()));
    assert_eq!(found["held"], "posterior_resampled");
    // The effects and their mean are integrated out.
    assert_eq!(found["chains"]["dimension"], 1);
    let near = |name: &str, mean: f64, sd: f64| {
        let value = &found["values"][name];
        assert!(
            (at(value, "chains_mean") - mean).abs() < 0.06 * sd && (at(value, "chains_sd") / sd - 1.0).abs() < 0.08
        );
    };
    near("mu", 4.41, 3.31);
    near("tau", 3.60, 3.20);
    let page = std::fs::read_to_string(folder.path().join("fit/report.html")).unwrap();
    assert!(page.contains("Held to NUTS"));
    let draws = std::fs::read(folder.path().join("fit/verify.nc")).unwrap();
    assert!(draws.len() > 4000 * 8);
    // The same numbers at any number of threads; seconds alone are others.
    let mut again = verified(folder.path(), &["--threads", "2"]);
    again["chains"]["seconds"] = found["chains"]["seconds"].clone();
    assert_eq!(again, found);
    // The page is written again with it, and a new fit has none.
    done(folder.path(), &["report", "fit"]);
    assert!(std::fs::read_to_string(folder.path().join("fit/report.html")).unwrap().contains("Held to NUTS"));
    done(folder.path(), &["run", "model.fe", "--quiet", "--out", "fit", "--seed", "3"]);
    assert!(!folder.path().join("fit/verify.json").exists() && !folder.path().join("fit/verify.nc").exists());
}

/// Seventy standard normals, too many for a proposal of their own, whose sum is observed, under a guide that holds them for
/// independent: with c the precision of the sum's observations, its standard deviations are 1/√(1 + c), and those of the
/// posterior √(1 − c/(1 + 70 c)).
#[test]
fn a_wrong_fit_differs_and_is_said_to() {
    let program = "dim K = 70\ndata y[N] = [0.5, 0.7, 0.3, 0.9]\nlatent w[K] ~ Normal(0, 1)\nguide w ~ MeanField()\n\
                   observe y ~ Normal(sum(w, K), 0.4)\n";
    let folder = fitted(program);
    let found = verified(folder.path(), &[]);
    let c: f64 = 4.0 / 0.16;
    let (own, whole) = ((1.0 + c).sqrt().recip(), (1.0 - c / (1.0 + 70.0 * c)).sqrt());
    let values = &found["values"]["w"];
    assert_eq!((&found["outcome"], &found["held"]), (&"differs".into(), &"posterior".into()));
    for k in 0..70 {
        assert!((values["sd"][k].as_f64().unwrap() / own - 1.0).abs() < 0.05);
        assert!((values["chains_sd"][k].as_f64().unwrap() / whole - 1.0).abs() < 0.08);
    }
    assert!(found["differing"].as_array().unwrap().contains(&"sd of w[3]".into()));
    let (status, errors) = ended(folder.path(), &["verify", "fit", "--strict"]);
    assert_eq!(status, 5, "{errors}");
    assert!(errors.starts_with("fe: differs: sd of w[0]"), "{errors}");
}

/// Chains that may not be long enough say nothing of the fit.
#[test]
fn chains_that_are_too_short_settle_nothing() {
    let folder = fitted(SCHOOLS);
    let (status, errors) = ended(folder.path(), &["verify", "fit", "--strict", "--draws", "50"]);
    assert_eq!(status, 5, "{errors}");
    assert!(errors.contains("not settled") && errors.contains("are effective in the bulk"), "{errors}");
}

#[test]
fn what_has_no_posterior_is_refused_with_the_reason() {
    for (program, code, words) in [
        ("data y[N] = [1, 2]\nlatent m ~ Normal(0, 1)\nguide m = point\nobserve y ~ Normal(m, 1)\n", "E0832", "point"),
        (
            "data y[N] = [1, 2]\nlatent z[N] ~ Normal(0, 1)\nguide z ~ Normal(0.4 * y, 0.5)\nobserve y ~ Normal(z, 1)\n\
             train { batch = 1  steps = 2 }\n",
            "E0830",
            "batches",
        ),
        (
            "data y[N] = [1, 2]\nlatent m ~ Normal(0, 1)\nguide m ~ Normal(1, 0.5)\nobserve y ~ Normal(m, 1)\n\
             minimize distortion + 0.5 * rate\n",
            "E0831",
            "not `distortion + rate`",
        ),
        (
            "data y[N] = [1, 2]\nlatent k[N] ~ Poisson(1)\nguide k ~ Poisson(exp(0.1 * y))\nobserve y ~ Normal(k, 1)\n",
            "E0833",
            "discrete",
        ),
        ("data y[N] = [1, 0]\nlatent k[N] ~ Bernoulli(0.4)\nobserve y ~ Normal(k, 1)\n", "E0834", "nothing is left"),
        (
            "dim D = 2\ndata y[N] = [1, 2]\nlet C[D, D'] = [[1, 0], [0, 1]]\nlatent S[D, D'] ~ Wishart(4, C)\n\
             latent m ~ Normal(0, 1)\nguide S ~ Wishart(4, C)\nobserve y ~ Normal(m^3, 1)\n",
            "E0835",
            "smooth function",
        ),
        (
            "data y[T] : count = [1, 0, 2, 4, 1, 3]\nlatent s ~ HalfNormal(1)\nfor t in T {\n  latent w[t] ~ Normal(if t == 0 \
             then 0 else w[t-1], if t == 0 then 1 else s)\n  observe y[t] ~ Poisson(exp(w[t]))\n}\n",
            "E0845",
            "at its mode",
        ),
    ] {
        let folder = fitted(program);
        let (status, errors) = ended(folder.path(), &["verify", "fit"]);
        assert_eq!(status, 1, "{errors}");
        assert!(errors.contains(code) && errors.contains(words), "{errors}");
        insta::assert_snapshot!(format!("refused_{code}"), errors);
    }
}

#[test]
fn data_that_have_changed_and_folders_that_are_no_run_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("y.csv"), "y\n1\n2\n").unwrap();
    let program =
        "data y[N] = csv(\"y.csv\", \"y\")\nlatent m ~ Normal(0, 1)\nguide m ~ FullRank()\nobserve y ~ Normal(m, 1)\n";
    std::fs::write(path.join("model.fe"), program).unwrap();
    done(path, &["run", "model.fe", "--quiet", "--out", "fit"]);
    std::fs::write(path.join("y.csv"), "y\n1\n3\n").unwrap();
    let (status, errors) = ended(path, &["verify", "fit"]);
    assert_eq!(status, 2);
    assert!(errors.contains("the data `y` have changed since the fit"), "{errors}");
    let (status, errors) = ended(path, &["verify", "nowhere"]);
    assert_eq!(status, 2);
    assert!(errors.contains("is it a finished run?"), "{errors}");
}

/// Ten reference posteriors, of which two everyday: the fits agree with their chains, and the chains with posteriordb's long runs
/// of 10,000 draws, within three standard errors of both.
#[test]
fn reference_posteriors_agree() {
    let all = [
        "eight_schools_noncentered",
        "GLM_Poisson",
        "eight_schools_centered",
        "kidscore_momiq",
        "arK",
        "kidscore_momhsiq",
        "logearn_height",
        "sblrc_blr",
        "nes2000",
        "gp_regr",
    ];
    let full = ["FE_FULL", "CI"].iter().any(|name| std::env::var_os(name).is_some());
    let programs = root().join("tests/posteriors");
    let references = std::fs::read_to_string(programs.join("reference/posteriors.json")).unwrap();
    let references: Value = serde_json::from_str(&references).unwrap();
    for name in &all[..if full { all.len() } else { 2 }] {
        let folder = tempfile::tempdir().unwrap();
        let program = programs.join(format!("{name}.fe"));
        let source = std::fs::read_to_string(&program).unwrap();
        done(folder.path(), &["run", &program.display().to_string(), "--quiet", "--out", "fit"]);
        let found = verified(folder.path(), &[]);
        assert_eq!(found["outcome"], "agrees", "{name}: {} {}", found["differing"], found["open"]);
        let reference = source.lines().find_map(|l| l.strip_prefix("# reference: ")).unwrap();
        for (scalar, expected) in references[reference].as_object().unwrap() {
            let (value, place) = scalar.split_once('[').map_or((scalar.as_str(), None), |(value, rest)| {
                (value, Some(rest.trim_end_matches(']').parse::<usize>().unwrap() - 1))
            });
            let read = |what: &str| {
                let array = &found["values"][value][what];
                place.map_or(array, |k| &array[k]).as_f64().unwrap()
            };
            let (mean, sd) = (at(expected, "mean"), at(expected, "sd"));
            let error = read("mean_error").hypot(sd / 100.0);
            let off = (read("chains_mean") - mean).abs();
            assert!(off < 3.0 * error, "{name}: {scalar} is off by {off}, and its error is {error}");
        }
    }
}

/// `guide * ~ NUTS()`: table, draws, leave-one-out and verdict are those of the chains; F is the guide's.
#[test]
fn the_posterior_is_taken_by_chains_where_the_program_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let program = format!("{SCHOOLS}guide * ~ NUTS(draws = 2000, chains = 3)\n");
    std::fs::write(folder.path().join("model.fe"), program).unwrap();
    let ledger = done(folder.path(), &["run", "model.fe", "--strict", "--out", "fit"]);
    assert!(ledger.contains("from NUTS") && ledger.contains("3 chains of 2000 draws in 1 dimension"), "{ledger}");
    let fit = std::fs::read_to_string(folder.path().join("fit/fit.json")).unwrap();
    let fit: Value = serde_json::from_str(&fit).unwrap();
    let tau = &fit["posterior_resampled"]["tau"];
    assert!((at(tau, "mean") - 3.60).abs() < 0.06 * 3.2 && (at(tau, "sd") / 3.2 - 1.0).abs() < 0.08, "{tau}");
    let verdict = &fit["verdict"];
    assert_eq!((&verdict["trusted"], &verdict["khat"]), (&true.into(), &Value::Null));
    assert!(at(&verdict["nuts"], "rhat") <= 1.01 && at(&verdict["nuts"], "bulk") >= 400.0);
    // A row's leave-one-out is that of level weights.
    let explained = done(folder.path(), &["explain", "model.fe"]);
    assert!(explained.contains("the posterior is taken by NUTS: 3 chains of 2000 draws"), "{explained}");
    let same = fitted(SCHOOLS);
    let other = std::fs::read_to_string(same.path().join("fit/fit.json")).unwrap();
    let other: Value = serde_json::from_str(&other).unwrap();
    assert_eq!(fit["free_energy"], other["free_energy"]);
}
