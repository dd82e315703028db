//! No input panics, and what is laid out keeps its tree and its comments.

use fe_syntax::ast::Statement;
use fe_syntax::{dump, dump_tokens, format, parse};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::FileFailurePersistence;

const PROGRAMS: [&str; 5] = [
    include_str!("programs/statements.fe"),
    include_str!("programs/regulator.fe"),
    include_str!("programs/layout.fe"),
    include_str!("programs/poisson_vae.fe"),
    include_str!("programs/gaussian_vae.fe"),
];

const PIECES: &[&str] = &[
    "model", "dim", "const", "data", "param", "let", "latent", "guide", "observe", "loss", "meter", "for", "refine",
    "minimize", "train", "show", "fn", "price", "if", "then", "else", "and", "or", "not", "in", "by", "from", "over",
    "steps", "subject", "to", "as", "x", "N", "λ", "latnt", "import", "True", "None", "lambda", "1", "0.5", "1e9",
    "12ab", "bits", "%", "'", "\"a\"", "\"", "'b'", "“c”", "|>", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/",
    "@", "^", "=", "~", ":", ",", "?", "(", ")", "[", "]", "{", "}", ";", "**", "//", "/*", "*/", ":=", "+=", "&&",
    "||", "!", "->", ".", "\\", "$", "−", "²", "\n", "\n\n", "  ", "# c\n", "\"\"\"", "|", "\u{200B}", "\r\n",
];

/// Everything that must hold of any text.
fn holds(text: &str) -> Result<(), TestCaseError> {
    let parsed = parse(text);
    for diagnostic in &parsed.diagnostics {
        prop_assert!(!diagnostic.labels.is_empty() && !diagnostic.message.is_empty());
        for label in &diagnostic.labels {
            prop_assert!(text.get(label.span.start..label.span.end).is_some(), "{:?} in {:?}", label, text);
        }
    }
    for statement in &parsed.ast.statements {
        within(statement, text)?;
    }
    dump_tokens(text);
    match format(text) {
        Err(errors) => prop_assert_eq!(errors, parsed.diagnostics),
        Ok(once) => {
            prop_assert_eq!(&format(&once).expect("what was laid out parses"), &once);
            prop_assert_eq!(dump(&parse(&once).ast), dump(&parsed.ast));
            prop_assert_eq!(comments(&once), comments(text));
            prop_assert!(!once.contains("\n\n\n") && !once.contains(" \n"));
        }
    }
    Ok(())
}

fn within(statement: &Statement, text: &str) -> Result<(), TestCaseError> {
    prop_assert!(text.get(statement.span.start..statement.span.end).is_some(), "{:?} in {:?}", statement, text);
    Ok(())
}

/// The comments of a program that parses, in order.
fn comments(text: &str) -> Vec<String> {
    let in_text = |line: &str, at: usize| line[..at].matches('"').count() % 2 == 1;
    let start = |line: &str| line.match_indices('#').map(|(at, _)| at).find(|at| !in_text(line, *at));
    text.lines().filter_map(|line| start(line).map(|at| line[at..].trim_end().to_owned())).collect()
}

/// An expression of the language.
fn expression() -> impl Strategy<Value = String> {
    let atom = select(
        &[
            "x",
            "N",
            "by",
            "3",
            "0.5",
            "20 bits",
            "10%",
            "\"t # t\"",
            "S'",
            "S''",
            "w[K', K'', N']",
            "x[t-1]",
            "as[1, 2]",
        ][..],
    );
    atom.prop_map(str::to_owned).prop_recursive(5, 40, 3, |inner| {
        let operator = select(&["+", "-", "*", "/", "@"][..]);
        let relation = select(&["==", "<=", ">"][..]);
        let word = select(&["and", "or"][..]);
        let operand = inner.clone().prop_map(|it| format!("({it})"));
        prop_oneof![
            (operand.clone(), operator.clone(), operand.clone()).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
            (operand.clone(), operator, operand.clone()).prop_map(|(a, o, b)| format!("-{a} {o} {b}^2 {o} {a}^-x")),
            (operand.clone(), relation, operand.clone()).prop_map(|(a, o, b)| format!("not {a} {o} {b}")),
            (operand.clone(), word, operand.clone()).prop_map(|(a, o, b)| format!("{a} {o} not {b}")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("if {a} then {b} else {c}")),
            (operand.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} |> f |> g({b}, key = {b})")),
            (operand, inner.clone()).prop_map(|(a, b)| format!("{a}[{b}, N']")),
            prop::collection::vec(inner, 1..12).prop_map(|all| format!("[{}]", all.join(", "))),
        ]
    })
}

fn statement() -> impl Strategy<Value = String> {
    let inside = |e: BoxedStrategy<String>| {
        prop_oneof![
            e.clone().prop_map(|e| format!("let h[N, K'] : real(0, {e})? = {e}")),
            e.clone().prop_map(|e| format!("latent z[t+1] : positive ~ Normal({e}, 1) by score")),
            e.clone().prop_map(|e| format!("guide z, w[t] ~ Gamma({e}, rate = {e})")),
            e.clone().prop_map(|e| format!("observe x ~ {e}")),
            e.prop_map(|e| format!("loss cost[N, 3] = {e}")),
        ]
    };
    let plain = inside(expression().boxed()).boxed();
    let e = expression().boxed();
    prop_oneof![
        plain.clone(),
        e.clone().prop_map(|e| format!("data x[N] = {e} dim K = {e}")),
        e.clone().prop_map(|e| format!("param w = {e} const c = 3 meter w")),
        (e.clone(), e.clone()).prop_map(|(a, b)| format!("minimize {a} subject to {b}, {a}")),
        (e.clone(), e.clone()).prop_map(|(a, b)| format!("train {{ batch = {a} lr = {b} epochs = 3 }}")),
        (e.clone(), e.clone())
            .prop_map(|(a, b)| format!("refine v[N] from {a} over {b} steps by m(average = true, s = {a})")),
        e.clone().prop_map(|e| format!("show {e} as images[{e}, 16] guide w = point guide * ~ Laplace()")),
        e.prop_map(|e| format!("fn f(a, b) = {e}")),
        prop::collection::vec(plain, 0..3).prop_map(|all| format!("for t in T from 2 {{ {} }}", all.join(" "))),
    ]
}

/// The same program with its white space replaced.
fn respaced(text: &str, spaces: &[&str]) -> String {
    let mut out = String::new();
    let mut spaces = spaces.iter().cycle();
    let mut quoted = false;
    for character in text.chars() {
        quoted ^= character == '"';
        if character == ' ' && !quoted {
            out.push_str(spaces.next().unwrap());
        } else {
            out.push(character);
        }
    }
    out
}

#[test]
fn the_corpus() {
    for (_, program) in crate::programs_in("corpus") {
        holds(&program).unwrap();
    }
    for program in include_str!("mistakes.txt").split("\n---\n") {
        holds(program).unwrap();
    }
}

/// Inputs of each property: as many as `FE_FUZZ` says, in a full run 12,000, else 256.
fn cases() -> u32 {
    let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty() && v != "0" && v != "false");
    let said = std::env::var("FE_FUZZ").ok().and_then(|n| n.parse().ok());
    said.unwrap_or(if set("FE_FULL") || set("CI") { 12_000 } else { 256 })
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/properties.regressions"))),
        cases: cases(),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_text(text in any::<String>()) {
        holds(&text)?;
    }

    #[test]
    fn any_printable_text(text in "[ -~\n]{0,200}") {
        holds(&text)?;
    }

    #[test]
    fn any_pieces(pieces in prop::collection::vec((select(PIECES), any::<bool>()), 0..60)) {
        let text: String = pieces.iter().map(|(piece, space)| format!("{piece}{}", if *space { " " } else { "" })).collect();
        holds(&text)?;
    }

    #[test]
    fn damaged_programs(
        program in select(&PROGRAMS[..]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, select(PIECES)), 1..6),
    ) {
        let mut characters: Vec<char> = program.chars().collect();
        for (place, length, piece) in edits {
            let start = place.index(characters.len());
            let end = (start + length).min(characters.len());
            characters.splice(start..end, piece.chars());
        }
        let text: String = characters.into_iter().collect();
        holds(&text)?;
    }

    #[test]
    fn sound_programs(
        statements in prop::collection::vec(statement(), 1..5),
        spaces in prop::collection::vec(select(&[" ", " ", " ", "\n", "\n\n\n", "  # c\n", "\n# own\n", "\n\n# a\n\n\n# b\n\n"][..]), 1..20),
    ) {
        let text = respaced(&statements.join(" "), &spaces);
        prop_assert_eq!(parse(&text).diagnostics, []);
        holds(&text)?;
    }
}
