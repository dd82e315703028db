//! No text panics the front end: programs of the gallery and of the tests, damaged at random, through parser, checker and
//! derivation, with the headers of their data.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::common::*;
use fe_check::{Columns, Header, Overrides, Reader};
use fe_objective::Underivable;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::FileFailurePersistence;

/// Sound programs, and the wrong ones, which lie near other branches.
static PROGRAMS: LazyLock<Vec<String>> = LazyLock::new(|| {
    ["examples", "tests/exact", "tests/phases", "tests/errors"]
        .into_iter()
        .flat_map(programs)
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect()
});

/// Words that mean something where they may land.
const WORDS: &[&str] = &[
    "x",
    "z",
    "N",
    "K",
    "D",
    "N'",
    "mu",
    "beta",
    "0",
    "1",
    "-1",
    "0.5",
    "1e308",
    "1e-308",
    "1_000_000_000",
    "10%",
    "20 bits",
    "5 spikes",
    "latent",
    "guide",
    "observe",
    "param",
    "let",
    "data",
    "loss",
    "meter",
    "minimize",
    "train",
    "Normal",
    "Poisson",
    "Gamma",
    "Beta",
    "Bernoulli",
    "Categorical",
    "HalfCauchy",
    "Uniform",
    "Flat",
    "FullRank()",
    "MeanField()",
    "LowRank(2)",
    "Flow()",
    "iwae(k = 4)",
    "renyi(alpha = 0.5, k = 4)",
    "point",
    "prior",
    "dense(K)",
    "dense(3)",
    "relu",
    "exp",
    "log",
    "softmax",
    "sum",
    "mean",
    "transpose",
    "eye",
    "rate",
    "distortion",
    "energy",
    "count",
    "positive",
    "unit",
    "simplex",
    "ordered",
    "index(K)",
    "real?",
    "if x > 0 then 1 else 0",
    "subject to",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    "=",
    "~",
    "+",
    "-",
    "*",
    "/",
    "@",
    "^",
    "|>",
    "<=",
    "==",
    "'",
    "\"x\"",
    "# ",
    "\n",
    "λ",
];

/// What is known of the data: their shapes where they stand in the program, and a shape of the declared rank elsewhere.
fn headers(source: &str, overrides: &Overrides) -> HashMap<String, Header> {
    let parsed = fe_syntax::parse(source);
    let (calls, _) = fe_check::sources(&parsed.ast, overrides);
    let header = |reader: Reader| {
        let shape = match reader {
            Reader::Input => vec![8],
            Reader::Numbers { shape, .. } => shape,
            Reader::Table { columns: Columns::Named(c), .. } if c.len() > 1 => vec![8, c.len()],
            Reader::Table { .. } | Reader::Json { .. } => vec![8],
            Reader::Patches { size, count, moving: None, .. } => vec![count, size.saturating_mul(size)],
            Reader::Patches { size, count, moving: Some((frames, _)), .. } => {
                vec![count, frames, size.saturating_mul(size)]
            }
            Reader::Bars { size, angles, frames, blank, .. } => {
                vec![angles, frames.saturating_add(blank), size.saturating_mul(size)]
            }
            Reader::NormalDraws { count, .. } => vec![count],
            Reader::Idx { .. } | Reader::Images { .. } => vec![8, 28, 28],
            Reader::Npy { .. } | Reader::Npz { .. } => vec![8, 3],
        };
        Header { shape, ..Header::default() }
    };
    calls.into_iter().map(|call| (call.data, header(call.reader))).collect()
}

/// All that must hold of any text.
fn holds(source: &str) -> Result<(), TestCaseError> {
    let overrides = Overrides::default();
    let parsed = fe_syntax::parse(source);
    let checked = fe_check::check(&parsed.ast, &headers(source, &overrides), &overrides, "model");
    for diagnostic in parsed.diagnostics.iter().chain(&checked.diagnostics) {
        for label in &diagnostic.labels {
            let place = source.get(label.span.start..label.span.end);
            prop_assert!(place.is_some(), "{diagnostic:?}\n{source}");
        }
    }
    let Some(program) = checked.program else { return Ok(()) };
    prop_assert!(parsed.diagnostics.is_empty() || !source.is_empty());
    match fe_objective::derive(&program, source) {
        Ok(objective) => {
            let page = fe_objective::explain(&program, &objective, source);
            prop_assert!(page.contains("F = "), "{page}\n{source}");
        }
        Err(Underivable::Refused { message, help, .. }) => {
            prop_assert!(!message.is_empty() && !help.is_empty(), "{message}: {help}\n{source}");
        }
        Err(fault) => prop_assert!(false, "{fault:?}\n{source}"),
    }
    Ok(())
}

/// A change of one place: words of the program, by their order, replaced, doubled, removed or exchanged.
#[derive(Clone, Debug)]
enum Edit {
    Replace(Index, &'static str),
    Insert(Index, &'static str),
    Remove(Index),
    Exchange(Index, Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (any::<Index>(), select(WORDS)).prop_map(|(at, word)| Edit::Replace(at, word)),
        2 => (any::<Index>(), select(WORDS)).prop_map(|(at, word)| Edit::Insert(at, word)),
        2 => any::<Index>().prop_map(Edit::Remove),
        3 => (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Edit::Exchange(a, b)),
    ]
}

/// The pieces of a text: names and numbers, runs of white space, and single characters.
fn pieces(text: &str) -> Vec<String> {
    let kind = |c: char| match c {
        c if c.is_alphanumeric() || c == '_' || c == '.' => 0,
        c if c.is_whitespace() => 1,
        _ => 2,
    };
    let mut pieces: Vec<String> = vec![];
    let mut last = 2;
    for c in text.chars() {
        match pieces.last_mut() {
            Some(piece) if kind(c) == last && last < 2 => piece.push(c),
            _ => pieces.push(c.to_string()),
        }
        last = kind(c);
    }
    pieces
}

fn edited(text: &str, edits: &[Edit]) -> String {
    let mut pieces = pieces(text);
    for edit in edits {
        if pieces.is_empty() {
            break;
        }
        let length = pieces.len();
        match edit {
            Edit::Replace(at, word) => pieces[at.index(length)] = (*word).to_owned(),
            Edit::Insert(at, word) => pieces.insert(at.index(length), format!(" {word} ")),
            Edit::Remove(at) => drop(pieces.remove(at.index(length))),
            Edit::Exchange(a, b) => pieces.swap(a.index(length), b.index(length)),
        }
    }
    pieces.concat()
}

#[test]
fn programs_as_they_are() {
    for source in PROGRAMS.iter() {
        holds(source).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1500,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/front.regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn damaged_programs(program in any::<Index>(), edits in prop::collection::vec(edit(), 1..5)) {
        holds(&edited(program.get::<String>(PROGRAMS.as_slice()), &edits))?;
    }
}
