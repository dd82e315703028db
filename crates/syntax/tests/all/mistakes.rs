//! Programs that people would really get wrong, and what they are told.

use fe_syntax::{Span, dump, parse};
use std::fmt::Write;

/// `line:column` of a place, and its text.
fn place(text: &str, span: Span) -> String {
    let before = &text[..span.start];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("{line}:{column} {:?}", &text[span.start..span.end])
}

fn shown(text: &str) -> String {
    let parsed = parse(text);
    let mut out = String::new();
    for diagnostic in &parsed.diagnostics {
        writeln!(out, "{} {}", diagnostic.code, diagnostic.message).unwrap();
        for label in &diagnostic.labels {
            writeln!(out, "  at {}: {}", place(text, label.span), label.message).unwrap();
        }
        if let Some(help) = &diagnostic.help {
            writeln!(out, "  help: {help}").unwrap();
        }
    }
    writeln!(out, "{}", dump(&parsed.ast)).unwrap();
    out
}

#[test]
fn every_mistake_is_explained() {
    let mut out = String::new();
    for program in include_str!("mistakes.txt").split("\n---\n") {
        let told = shown(program);
        assert!(told.starts_with('E'), "nothing was said of: {program}");
        writeln!(out, "=====\n{}\n-----\n{told}", program.trim_end()).unwrap();
    }
    insta::assert_snapshot!(out);
}

#[test]
fn one_mistake_gives_one_error() {
    let codes = |text: &str| parse(text).diagnostics.iter().map(|it| it.code).collect::<Vec<_>>();
    assert_eq!(codes("let x = (a + b\nlet y = 3"), ["E0038"]);
    assert_eq!(codes("let x = 3;\nlet y = 4;"), ["E0011"]);
    assert_eq!(codes("data = 3\nlet y = 4"), ["E0058"]);
    assert_eq!(codes("for (t in 1:T) {\n  let s[t] = 3\n}\nlet y = 2"), ["E0061"]);
    assert_eq!(codes("for t in T {\n  let s[t] = 3\ndim K = 3"), ["E0034"]);
    assert_eq!(codes("parameters {\n  real mu\n  real tau\n}\nlet y = 2"), ["E0036"]);
    assert_eq!(codes("def f(x):\n    y = x * 2\n    return y\nlet y = 2"), ["E0033"]);
}

#[test]
fn independent_mistakes_give_an_error_each() {
    let text = "let x = (a\nlatent z = Normal(0, 1)\nlatnt w ~ Normal(0, 1)\nlet q = 0 < w < 1\nlet p = 3";
    let parsed = parse(text);
    let codes: Vec<_> = parsed.diagnostics.iter().map(|it| it.code).collect();
    assert_eq!(codes, ["E0038", "E0053", "E0033", "E0080"]);
    assert_eq!(
        dump(&parsed.ast),
        "(broken let x)\n(broken latent z)\n(latent w ~ (Normal 0 1))\n(broken let q)\n(let p = 3)\n"
    );
}

#[test]
fn depth_is_limited_and_never_overflows() {
    let long = 100_000;
    let inputs = [
        format!("let x = {}a", "-".repeat(long)),
        format!("let x = {}a", "not ".repeat(long)),
        format!("let x = a{}", "^a".repeat(long)),
        format!("let x = a{}", " + a".repeat(long)),
        format!("let x = a{}", " |> f".repeat(long)),
        format!("let x = a{}", "[a]".repeat(long)),
        format!("let x = {}a{}", "(".repeat(long), ")".repeat(long)),
        format!("let x = {}a{}", "f(".repeat(long), ")".repeat(long)),
        format!("let x = {}a{}", "[".repeat(long), "]".repeat(long)),
        format!("let x = {}a{}", "(".repeat(long), " + a)".repeat(long)),
        format!("let x = {}a", "if a then b else ".repeat(long)),
        format!("let x = {}a{}", "if ".repeat(long), " then b else c".repeat(long)),
    ];
    for text in inputs {
        let parsed = parse(&text);
        let codes: Vec<_> = parsed.diagnostics.iter().map(|it| it.code).collect();
        assert_eq!(codes, ["E0037"], "{}", &text[..40]);
        assert_eq!(dump(&parsed.ast), "(broken let x)\n");
    }
    parse(&"for t in T { ".repeat(long));
    parse(&"{".repeat(long));
    parse(&"}".repeat(long));
    parse(&"(".repeat(long));
    parse(&"x = 3\n".repeat(long / 10));
    parse(&"let let\n".repeat(long / 10));
    // Width is not depth.
    let list = format!("let x = [{}1]", "-1, ".repeat(long));
    assert!(parse(&list).diagnostics.is_empty());
    assert!(fe_syntax::format(&list).is_ok());
    let within = format!("let x = {}a{}", "(".repeat(190), ")".repeat(190));
    assert!(fe_syntax::format(&within).is_ok());
}
