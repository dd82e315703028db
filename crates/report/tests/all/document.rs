//! `fit.json`, the trace and the files.

use crate::fits;
use fe_report::{Document, Nested, Summary, TraceRow, json, trace_csv, write_atomically};
use serde_json::Value;

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The keys of the contract in its order; others may stand between them.
fn assert_keys(value: &Value, contract: &str) {
    let contract: Vec<&str> = contract.split_whitespace().collect();
    let found: Vec<&str> = keys(value).into_iter().filter(|key| contract.contains(key)).collect();
    assert_eq!(found, contract);
}

#[test]
fn keys_are_those_of_the_contract() {
    let written = |document: &Document| serde_json::from_str::<Value>(&json(document)).unwrap();
    for (_, document) in fits::all() {
        let value = written(&document);
        assert_keys(
            &value,
            "model fe_version seed rows steps seconds objective objective_value schema free_energy distortion rate \
             rate_bits free_energy_total energy heldout terms latents meters constraints posterior \
             posterior_resampled verdict",
        );
        for term in value["terms"].as_array().unwrap() {
            assert_keys(term, "name kind nats se estimator reason biased");
        }
        assert_keys(&value["verdict"], "converged khat effective notes");
    }
    let counts = written(&fits::poisson_vae());
    assert_keys(&counts["heldout"], "free_energy distortion rate energy r2");
    assert_keys(
        &counts["latents"]["z"],
        "rate energy prior_energy nats_per_spike zeros lifetime_sparsity population_sparsity active of",
    );
    assert_eq!(counts["posterior_resampled"], Value::Null);
    assert_eq!(counts["verdict"]["khat"], Value::Null);
    assert_eq!(counts["terms"][0]["kind"], "distortion");
    let schools = written(&fits::eight_schools());
    assert_eq!(keys(&schools["posterior"]), ["mu", "tau", "eta", "theta"]);
    assert_keys(&schools["posterior"]["mu"], "mean sd q05 q50 q95");
    assert_eq!(schools["posterior"]["mu"]["mean"], 4.41);
    assert_eq!(schools["posterior"]["theta"]["mean"].as_array().unwrap().len(), 8);
    assert_eq!(schools["energy"], Value::Null);
    assert_eq!(schools["heldout"], Value::Null);
    assert_eq!(schools["latents"]["mu"]["energy"], Value::Null);
    let metered = written(&fits::metered());
    assert_keys(&metered["meters"]["a"], "mean zeros lifetime_sparsity population_sparsity");
    assert_eq!(metered["posterior"]["decoder_weights_of_the_second_layer"]["sd"][19][29], 0.0021);
    assert_keys(&written(&fits::failing())["constraints"][0], "expr value multiplier met");
}

#[test]
fn a_document_is_read_back_as_it_was() {
    for (name, document) in fits::all() {
        let text = json(&document);
        let read: Document = serde_json::from_str(&text).unwrap();
        assert_eq!(json(&read), text, "{name}");
        if name != "failing" {
            // That one holds NaN, which equals nothing.
            assert_eq!(read, document, "{name}");
        }
    }
}

#[test]
fn a_run_without_the_later_fields_is_read() {
    let mut value: Value = serde_json::from_str(&json(&fits::poisson_vae())).unwrap();
    let fields = value.as_object_mut().unwrap();
    for later in ["title", "optimizer", "executor", "threads", "free_energy_se", "local_rate", "global_rate"] {
        fields.remove(later).unwrap();
    }
    fields.remove("up_to_constant").unwrap();
    fields.insert("of_a_later_version".into(), Value::Bool(true));
    let read: Document = serde_json::from_value(value).unwrap();
    assert_eq!(read.terms, fits::poisson_vae().terms);
}

#[test]
fn numbers_that_are_not_finite_are_null() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut document = fits::poisson_vae();
        (document.account.free_energy, document.account.energy) = (value, Some(value));
        document.terms[0].nats = value;
        document.posterior.insert("w".into(), Summary { mean: vec![1.0, value].into(), ..Summary::default() });
        let written: Value = serde_json::from_str(&json(&document)).unwrap();
        assert_eq!(written["free_energy"], Value::Null);
        assert_eq!(written["energy"], Value::Null);
        assert_eq!(written["terms"][0]["nats"], Value::Null);
        assert_eq!(written["posterior"]["w"]["mean"], serde_json::json!([1.0, null]));
        assert_eq!(written["posterior"]["w"]["sd"], Value::Null);
        let read: Document = serde_json::from_str(&json(&document)).unwrap();
        assert!(read.account.free_energy.is_nan() && read.terms[0].nats.is_nan());
        assert_eq!(read.account.energy, None);
        assert!(read.posterior["w"].mean.values()[1].is_nan());
    }
}

#[test]
fn arrays_are_nested_lists() {
    let array = Nested::new(vec![2, 1, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
    let text = serde_json::to_string(&array).unwrap();
    assert_eq!(text, "[[[1.0,2.0,3.0]],[[4.0,5.0,6.0]]]");
    assert_eq!(serde_json::from_str::<Nested>(&text).unwrap(), array);
    assert_eq!(serde_json::from_str::<Nested>("[[1, 2], [3, 4]]").unwrap().shape(), [2, 2]);
    assert_eq!(serde_json::from_str::<Nested>("-3").unwrap(), Nested::scalar(-3.0));

    let empty = Nested::new(vec![2, 0], vec![]).unwrap();
    assert_eq!(serde_json::to_string(&empty).unwrap(), "[]");
    assert_eq!(serde_json::from_str::<Nested>("[]").unwrap(), empty);
}

#[test]
fn what_is_no_array_is_refused() {
    assert!(Nested::new(vec![2, 3], vec![0.0; 5]).is_err());
    assert!(Nested::new(vec![usize::MAX, 2], vec![]).is_err());
    assert!(Nested::new(vec![1; 33], vec![0.0]).is_err());
    for text in [
        "[[1], [2, 3]]",
        "[1, [2]]",
        "\"1\"",
        "{}",
        &"[".repeat(100_000),
        &format!("{}1{}", "[".repeat(40), "]".repeat(40)),
    ] {
        assert!(serde_json::from_str::<Nested>(text).is_err());
    }
}

#[test]
fn the_trace_is_a_table() {
    let rows = [
        TraceRow { step: 0, seconds: 0.0, free_energy: Some(256.5), ..TraceRow::default() },
        TraceRow {
            step: 100,
            seconds: 0.125,
            free_energy: Some(0.1 + 0.2),
            distortion: Some(1e-9),
            rate: Some(f64::NAN),
            energy: Some(43.0),
            heldout_free_energy: Some(-1e300),
        },
    ];
    assert_eq!(
        trace_csv(&rows),
        "step,seconds,free_energy,distortion,rate,energy,heldout_free_energy\n\
         0,0.0,256.5,,,,\n\
         100,0.125,0.30000000000000004,1e-9,NaN,43.0,-1e300\n"
    );
    assert_eq!(trace_csv(&[]).lines().count(), 1);
}

#[test]
fn files_are_replaced_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fit.json");
    write_atomically(&path, "one").unwrap();
    write_atomically(&path, "another").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "another");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left aside");
    let plain = folder.path().join("plain");
    std::fs::write(&plain, "").unwrap();
    let permissions = |path| std::fs::metadata(path).unwrap().permissions();
    assert_eq!(permissions(&path), permissions(&plain), "permissions are those of any file");

    assert!(write_atomically(folder.path().join("missing/fit.json"), "").is_err());
    // What cannot be replaced stays, and what was written aside goes.
    let occupied = folder.path().join("occupied");
    std::fs::create_dir(&occupied).unwrap();
    assert!(write_atomically(&occupied, "x").is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn the_text_is_indented_with_numbers_side_by_side() {
    let text = json(&fits::eight_schools());
    assert!(text.starts_with("{\n  \"model\": \"eight_schools\",\n  \"title\": null,\n"));
    assert!(text.contains(
        "\n    \"theta\": {\n      \"mean\": [6.18, 4.92, 3.91, 4.77, 3.59, 4.01, 6.31, 4.87],\n      \"sd\": ["
    ));
    assert!(text.contains("\n  \"terms\": [\n    {\n      \"name\": \"y\",\n"));
    assert!(text.contains("\n    },\n    {\n      \"name\": \"mu\",\n"));
    assert!(text.contains("\n  \"meters\": {},\n  \"constraints\": [],\n"));
    assert!(text.contains(
        "    \"khat\": 0.604,\n    \"khat_wide\": null,\n    \"effective\": 0.713,\n    \"effective_wide\": null,\n    \"starts\": {\n      \"count\": 4,\n"
    ));
    assert!(text.ends_with("    \"mean_field\": null,\n    \"departure\": null,\n    \"disagreement\": null,\n    \"unchecked\": [],\n    \"modes\": null,\n    \"heavy\": null,\n    \"notes\": []\n  }\n}\n"));
    let text = json(&fits::failing());
    assert!(text.contains("\n    \"notes\": [\n      \"the bound on rate"));
    assert!(text.contains("\"mean\": [123456.7, -0.0015, null],\n"));
    let text = json(&fits::metered());
    assert!(text.contains("\"sd\": [\n        [0.0021, 0.0021,"));
}
