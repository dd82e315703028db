//! The ledger as a reader sees it, at two widths, with and without colour.

use crate::fits;
use fe_report::{Document, terminal};
use unicode_width::UnicodeWidthStr;

/// Escape sequences as something that can be read in a snapshot: `‹1›bold‹0›`.
fn visible(text: &str) -> String {
    let mut shown = String::new();
    for (place, piece) in text.split("\u{1b}[").enumerate() {
        match piece.split_once('m') {
            Some((code, rest)) if place > 0 => shown.push_str(&format!("‹{code}›{rest}")),
            _ => shown.push_str(piece),
        }
    }
    shown
}

fn without_colour(text: &str) -> String {
    let mut pieces = text.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + piece.split_once('m').unwrap().1)
}

#[test]
fn ledgers() {
    for (name, document) in fits::all() {
        for width in [80, 120] {
            insta::assert_snapshot!(format!("{name}_{width}"), terminal(&document, width, false));
            insta::assert_snapshot!(format!("{name}_{width}_colour"), visible(&terminal(&document, width, true)));
        }
    }
}

#[test]
fn lines_fit_the_page_and_colour_moves_nothing() {
    for (name, document) in fits::all() {
        for width in [80, 100, 120, 200] {
            let text = terminal(&document, width, false);
            assert_eq!(without_colour(&terminal(&document, width, true)), text);
            for line in text.lines() {
                assert!(line.width() <= width.min(120), "{name} at {width}: {line}");
                assert_eq!(line, line.trim_end());
            }
        }
    }
}

#[test]
fn an_empty_document_is_reported_all_the_same() {
    let text = terminal(&Document::default(), 0, true);
    assert!(text.contains("not converged"));
    assert!(text.contains("F = D + R"));
}

/// A document with every number the same.
fn extreme(value: f64, whole: u64) -> Document {
    let mut document = fits::metered();
    document.heldout = fits::poisson_vae().heldout;
    document.constraints = fits::failing().constraints;
    let mut json = serde_json::to_value(&document).unwrap();
    fn fill(json: &mut serde_json::Value, value: f64, whole: u64) {
        match json {
            serde_json::Value::Number(number) => {
                *json = if number.is_f64() { value.into() } else { whole.into() };
            }
            serde_json::Value::Array(list) => list.iter_mut().for_each(|json| fill(json, value, whole)),
            serde_json::Value::Object(map) => map.values_mut().for_each(|json| fill(json, value, whole)),
            _ => {}
        }
    }
    fill(&mut json, value, whole);
    json["schema"] = 1.into();
    serde_json::from_value(json).unwrap()
}

#[test]
fn any_number_is_reported() {
    for value in [f64::NAN, 0.0, -0.0, 5e-324, 1e-9, -1e-3, 0.999_999_9, 123_456.789, -1e9, 1e15, f64::MAX] {
        for whole in [0, 1, 1_000_000, u64::MAX] {
            let document = extreme(value, whole);
            let text = terminal(&document, 80, false);
            assert!(text.contains("F = D + R"));
            assert_eq!(without_colour(&terminal(&document, 80, true)), text);
        }
    }
}

#[test]
fn long_names_give_way_to_figures() {
    let mut document = fits::poisson_vae();
    let z = document.latents.swap_remove("z").unwrap();
    document.latents.insert("spikes_of_the_first_layer".into(), z);
    let text = terminal(&document, 80, false);
    assert!(text.lines().all(|line| line.width() <= 80), "{text}");
    assert!(text.contains("  spike…layer "), "{text}");
}

/// k̂ alone condemns no guide: it is of the shape of the largest weights, whatever their size.
#[test]
fn level_weights_with_a_long_tail_are_told_from_a_bad_guide() {
    let mut document = fits::eight_schools();
    document.verdict.khat = Some(1.08);
    for (effective, misses, words) in [
        (
            Some(0.996),
            false,
            "k̂ 1.08, 99.6 % of draws effective: the guide is close to the posterior where its draws fall",
        ),
        (Some(0.42), true, "k̂ 1.08, 42.0 % of draws effective: the guide misses the posterior"),
        (None, true, "k̂ 1.08: the guide misses the posterior"),
    ] {
        document.verdict.effective = effective;
        assert_eq!(document.verdict.misses(), misses);
        let text = terminal(&document, 120, false);
        let text: Vec<&str> = text.split_whitespace().collect();
        assert!(text.join(" ").contains(&words.replace('\u{a0}', " ")), "{words}");
    }
}
