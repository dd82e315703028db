//! Each program under `tests/phases` in every form it takes: tokens, syntax tree, objective, graph.

use std::collections::HashMap;
use std::fmt::Write;

use fe_check::{Header, Overrides, Reader};

use crate::common::snapshots;
use crate::fits::Program;
use crate::trials::{Tier, Trials};

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

/// Each program's forms, against the reviewed page.
pub fn trials(trials: &mut Trials) {
    for program in Program::all_of("tests/phases") {
        trials.add(format!("phases::{}", program.name), Tier::Everyday, move || {
            let settings = snapshots("tests/phases", &program.source);
            settings.bind(|| insta::assert_snapshot!(program.name.clone(), forms(&program.source, &program.name)));
        });
    }
}
