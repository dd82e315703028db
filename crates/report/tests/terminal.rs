//! The ledger as a reader sees it, at two widths, with and without colour.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod fits;

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
