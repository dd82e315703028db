//! No input panics: programs with pieces cut out, doubled, exchanged and taken from other programs.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use crate::common::ALL;
use fe_check::{CODES, Header, Overrides, check, sources};
use fe_syntax::{Severity, parse};
use proptest::prelude::*;

/// Words, numbers and signs, with their spaces.
fn pieces(text: &str) -> Vec<String> {
    let mut out: Vec<String> = vec![];
    let mut word = false;
    for c in text.chars() {
        let part = c.is_alphanumeric() || c == '_' || c == '.';
        match out.last_mut() {
            Some(last) if part && word => last.push(c),
            _ => out.push(c.to_string()),
        }
        word = part;
    }
    out
}

/// What is cut up: sound programs, and wrong ones.
static CORPUS: LazyLock<Vec<String>> = LazyLock::new(corpus);

fn corpus() -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/errors");
    let files = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let mut texts: Vec<String> = ALL.iter().map(|t| (*t).to_owned()).collect();
    let mut wrong: Vec<String> = files
        .filter(|p| p.extension().is_some_and(|e| e == "fe"))
        .map(|p| std::fs::read_to_string(p).unwrap())
        .collect();
    wrong.sort();
    texts.extend(wrong);
    texts
}

/// Checks a program of any kind; what comes back is consistent.
fn survive(text: &str, size: usize) {
    let parsed = parse(text);
    let (calls, _) = sources(&parsed.ast, &Overrides::default());
    let headers: HashMap<String, Header> =
        calls.into_iter().map(|c| (c.data, Header { shape: vec![size, 4, 4], ..Header::default() })).collect();
    for set in [vec![], vec![("K".to_owned(), "2".to_owned()), ("beta".to_owned(), "x".to_owned())]] {
        let checked = check(&parsed.ast, &headers, &Overrides { set, ..Overrides::default() }, "fuzz");
        let known: BTreeSet<&str> = CODES.iter().map(|c| c.0).collect();
        let said = || checked.diagnostics.iter().chain(&checked.wrong_overrides);
        for d in said() {
            assert!(known.contains(d.code), "{}", d.code);
            assert!(!d.message.is_empty() && d.help.is_some(), "{} says not what to do", d.code);
            assert!(!d.message.ends_with('.'), "{}", d.message);
            for l in &d.labels {
                assert!(l.span.start <= l.span.end && l.span.end <= text.len(), "{}", d.message);
            }
        }
        let errors = said().any(|d| d.severity == Severity::Error);
        assert!(!(errors && checked.program.is_some()));
        // Nothing is refused in silence, unless the parser has spoken.
        if checked.program.is_none() && parsed.diagnostics.is_empty() && headers.len() == checked_data(text) {
            assert!(errors, "refused without a word:\n{text}");
        }
    }
}

fn checked_data(text: &str) -> usize {
    let ast = parse(text).ast;
    ast.statements.iter().filter(|s| matches!(s.kind, fe_syntax::ast::StatementKind::Data(_))).count()
}

#[derive(Clone, Debug)]
enum Edit {
    Cut(usize, usize),
    Double(usize),
    Swap(usize, usize),
    Take(usize, usize, usize),
    Insert(usize, usize),
}

const TOKENS: [&str; 40] = [
    "(",
    ")",
    "[",
    "]",
    ",",
    "@",
    "'",
    "~",
    "=",
    " |> ",
    " latent ",
    " data ",
    " let ",
    " guide ",
    " if ",
    " then ",
    " else ",
    "0",
    "-1",
    "1e308",
    "N",
    "K",
    "x",
    "z",
    "Normal",
    "Poisson",
    " for t in N { ",
    " } ",
    " minimize ",
    " rate ",
    " energy ",
    " <= ",
    " 5 bits ",
    "dense",
    "\"a\"",
    "^",
    " : positive ",
    " : index(K) ",
    "sum",
    " fn f(a) = ",
];

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let n = 0..400usize;
    let one = prop_oneof![
        (n.clone(), 1..6usize).prop_map(|(a, k)| Edit::Cut(a, k)),
        n.clone().prop_map(Edit::Double),
        (n.clone(), n.clone()).prop_map(|(a, b)| Edit::Swap(a, b)),
        (n.clone(), 0..200usize, n.clone()).prop_map(|(a, t, b)| Edit::Take(a, t, b)),
        (n, 0..TOKENS.len()).prop_map(|(a, k)| Edit::Insert(a, k)),
    ];
    proptest::collection::vec(one, 1..6)
}

fn edited(texts: &[String], which: usize, edits: &[Edit]) -> String {
    let mut parts = pieces(&texts[which % texts.len()]);
    for edit in edits {
        if parts.is_empty() {
            break;
        }
        let n = parts.len();
        match *edit {
            Edit::Cut(a, k) => drop(parts.drain(a % n..(a % n + k).min(n))),
            Edit::Double(a) => parts.insert(a % n, parts[a % n].clone()),
            Edit::Swap(a, b) => parts.swap(a % n, b % n),
            Edit::Take(a, t, b) => {
                let other = pieces(&texts[t % texts.len()]);
                parts.insert(a % n, other[b % other.len()].clone());
            }
            Edit::Insert(a, k) => parts.insert(a % n, TOKENS[k].to_owned()),
        }
    }
    parts.concat()
}

/// Inputs: as many as `FE_FUZZ` says, in a full run 40,000, else 3,000.
fn cases() -> u32 {
    let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty() && v != "0" && v != "false");
    let said = std::env::var("FE_FUZZ").ok().and_then(|n| n.parse().ok());
    said.unwrap_or(if set("FE_FULL") || set("CI") { 40_000 } else { 3000 })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutations_survive(which in 0..CORPUS.len(), edits in edits(), size in 0..12usize) {
        survive(&edited(&CORPUS, which, &edits), size);
    }
}

/// Depth, length and multiplication without end.
#[test]
fn extremes_survive() {
    let data = "data x[N] = csv(\"x.csv\", \"x\")\nobserve x ~ Normal(y, 1)\n";
    let deep = |open: &str, close: &str, n: usize| format!("{data}let y = {}1{}", open.repeat(n), close.repeat(n));
    for n in [10, 140, 160, 1000, 20_000] {
        survive(&deep("(", ")", n), 3);
        survive(&deep("-", "", n), 3);
        survive(&deep("exp(", ")", n), 3);
        survive(&deep("[", "]", n), 3);
        survive(&deep("1 + (", ")", n), 3);
        survive(&deep("if 1 then 1 else ", "", n), 3);
        survive(&deep("1 ^ ", "", n), 3);
        survive(&format!("{data}let y = 1{}", " + 1".repeat(n)), 3);
        survive(&format!("{data}let y = x{}", " |> exp".repeat(n)), 3);
        survive(&format!("{data}let y = x{}", "[N]".repeat(n)), 3);
        survive(&format!("{data}minimize distortion{}", " + rate".repeat(n)), 3);
        survive(&format!("{data}minimize {}distortion{}", "2 * (".repeat(n), ")".repeat(n)), 3);
        survive(&format!("{data}data z[{}] = {}1{}", "N, ".repeat(n), "[".repeat(n), "]".repeat(n)), 3);
    }
    let chain: String = (0..3000).map(|k| format!("let a{k} = a{} + 1\n", k + 1)).collect();
    survive(&format!("{data}{chain}let a3000 = 0\nlet y = a0"), 3);
    let doubling: String = (1..60).map(|k| format!("fn f{k}(a) = f{}(f{}(a))\n", k - 1, k - 1)).collect();
    survive(&format!("{data}fn f0(a) = a + 1\n{doubling}let y = f59(1)"), 3);
    let nested: String = (1..3000).map(|k| format!("fn f{k}(a) = f{}(a)\n", k - 1)).collect();
    survive(&format!("{data}fn f0(a) = a + 1\n{nested}let y = f2999(1)"), 3);
    survive("", 3);
    survive(&format!("{data}dim K = 2147483647\nparam y[K, K'] = 0"), 3);
    survive(&format!("{data}let y = 1e308 * 1e308 * 1e308 / 0 ^ -1"), 3);
}
