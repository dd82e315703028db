//! A sweep as a table, pictures, a page, and text.

use fe_report::{
    Account, Document, HeldOut, Latent, Pair, Point, Sweep, Verdict, Weighed, certificate, json, sweep_csv, sweep_page,
    sweep_pictures, sweep_terminal,
};
use indexmap::IndexMap;

/// Two curves of D(R) = K e^(−2R), with spikes; the second has a point that is too high by 0.2 nats, and one that failed.
fn sweep() -> Sweep {
    let mut points = vec![];
    let mut pairs = vec![];
    for k in [1.0, 2.0] {
        let mut curve = vec![];
        for beta in [0.1, 0.2, 0.4] {
            let at = IndexMap::from([("rate".to_owned(), beta), ("K".to_owned(), k)]);
            let empty = Point::new(at, format!("runs/source-sweep/rate={beta},K={k}"));
            if (beta, k) == (0.4, 2.0) {
                points.push(empty.failed("the free energy stopped being finite at step 3".into()));
                continue;
            }
            let rate = -0.5 * (beta / (2.0 * k)).ln();
            let wrong = if (beta, k) == (0.2, 2.0) { 0.2 } else { 0.0 };
            let distortion = k * (-2.0 * rate).exp() + wrong;
            curve.push(Weighed { at: beta, weight: beta, of: rate, rest: distortion, se: 0.0, weight_error: 0.0 });
            let latent = Latent {
                rate,
                energy: Some(4.0 * rate),
                prior_energy: Some(3.0),
                nats_per_spike: Some(0.25),
                zeros: Some(1.0 - rate / 3.0),
                active: Some(8),
                of: Some(8),
                ..Latent::default()
            };
            let held = Account { free_energy: distortion + rate + 0.01, ..Account::default() };
            let document = Document {
                account: Account {
                    free_energy: distortion + rate,
                    distortion,
                    rate,
                    energy: Some(4.0 * rate),
                    prior_energy: Some(3.0),
                    ..Account::default()
                },
                objective_value: distortion + beta * rate,
                seconds: 1.5,
                heldout: Some(HeldOut { account: held, ..HeldOut::default() }),
                latents: IndexMap::from([("z".to_owned(), latent)]),
                verdict: Verdict { converged: wrong == 0.0, ..Verdict::default() },
                ..Document::default()
            };
            points.push(empty.of(&document));
        }
        pairs.extend(certificate(&curve).into_iter().map(|p| Pair { along: Some(k), ..p }));
    }
    Sweep {
        model: "source".into(),
        title: Some("A <source> & its code".into()),
        fe_version: "0.1.0".into(),
        objective: "distortion + rate * rate(z)".into(),
        over: vec!["rate".into(), "K".into()],
        units: vec![None, None],
        seconds: 4.25,
        jobs: 2,
        threads: 1,
        points,
        certifies: Some("−Δdistortion/Δrate(z)".into()),
        certificate: pairs,
        notes: vec!["fits begin where a neighbour's ended".into()],
    }
}

#[test]
fn as_text() {
    insta::assert_snapshot!(sweep_terminal(&sweep(), 100, false));
}

#[test]
fn as_a_table() {
    insta::assert_snapshot!(sweep_csv(&sweep()).unwrap());
}

#[test]
fn as_json_and_back() {
    let sweep = sweep();
    let text = json(&sweep);
    let back: Sweep = serde_json::from_str(&text).unwrap();
    // What is not finite is null, and null is no number: compared as text.
    assert_eq!(json(&back), text);
    // A swept name that is also a figure's gives way to it, and stays in `at`.
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let first = &value["points"][0];
    assert_eq!((&first["at"]["rate"], &first["K"]), (&serde_json::json!(0.1), &serde_json::json!(1.0)));
    assert!((first["rate"].as_f64().unwrap() + 0.5 * 0.05_f64.ln()).abs() < 1e-12);
}

#[test]
fn as_pictures() {
    let pictures = sweep_pictures(&sweep());
    let names: Vec<&str> = pictures.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["distortion.svg", "energy.svg", "sparsity.svg", "activity.svg"]);
    for (_, chart) in &pictures {
        // The failed point has no place.
        let lengths: Vec<usize> = chart.series.iter().map(|s| s.points.len()).collect();
        assert_eq!(lengths, [3, 2]);
        assert_eq!(chart.series[1].name, "K = 2");
    }
    // Without counts there is no energy to draw.
    let mut silent = sweep();
    for p in &mut silent.points {
        p.account.energy = None;
        p.latents.clear();
    }
    assert_eq!(sweep_pictures(&silent).len(), 1);
}

#[test]
fn as_a_page() {
    let page = sweep_page(&sweep(), "# <script>alert(1)</script>\nconst rate = 1").html();
    assert!(page.contains("A &lt;source&gt; &amp; its code") && !page.contains("<script"), "{page}");
    for said in
        ["violated by 1 of 3 pairs", "is beaten by", "stopped being finite at step 3", "<svg", "rate = 0.1, K = 2"]
    {
        assert!(page.contains(said), "{said}");
    }
}
