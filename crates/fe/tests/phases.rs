//! Each program under `tests/phases` in every form it takes: tokens, syntax tree, objective, graph.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::collections::HashMap;
use std::fmt::Write;

use common::*;
use fe_check::{Header, Overrides, Reader};

/// Every form of a program whose data stand in it.
fn forms(source: &str, name: &str) -> String {
    let mut page = String::new();
    let mut section = |title: &str, text: &str| write!(page, "── {title}\n{}\n\n", text.trim_end()).unwrap();
    section("tokens", &fe_syntax::dump_tokens(source));
    let parsed = fe_syntax::parse(source);
    assert_eq!(parsed.diagnostics, []);
    section("syntax tree", &fe_syntax::dump(&parsed.ast));

    let overrides = Overrides::default();
    let (calls, diagnostics) = fe_check::sources(&parsed.ast, &overrides);
    assert_eq!(diagnostics, []);
    let headers: HashMap<String, Header> = calls
        .into_iter()
        .map(|call| match call.reader {
            Reader::Numbers { shape, .. } => (call.data, Header { shape, ..Header::default() }),
            other => panic!("{other:?} needs a file"),
        })
        .collect();
    let checked = fe_check::check(&parsed.ast, &headers, &overrides, name);
    assert_eq!(checked.diagnostics, []);
    let program = checked.program.unwrap();
    let objective = fe_objective::derive(&program, source).unwrap();
    section("objective", &fe_objective::explain(&program, &objective, source));
    section("graph", &objective.graph.dump(&[objective.minimised.value]));
    page
}

#[test]
fn every_form() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(root().join("tests/phases/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for path in programs("tests/phases") {
        let source = std::fs::read_to_string(&path).unwrap();
        settings.set_description(source.lines().next().unwrap().trim_start_matches("# "));
        settings.bind(|| insta::assert_snapshot!(stem(&path), forms(&source, &stem(&path))));
    }
}
