use fe_syntax::{Diagnostic, Span};

use super::*;

fn told(source: &str, at: usize, length: usize) -> String {
    let span = Span { start: at, end: at + length };
    text("a.fe", source, &[Diagnostic::error("E0102", "there is no `y`", span, "not declared")], false)
}

#[test]
fn a_long_line_is_drawn_around_what_is_meant_and_its_column_is_the_source_s() {
    let before = "x + ".repeat(200);
    let source = format!("first\nlet s = {before}y{}\nlast\n", " + x".repeat(200));
    let at = source.find('y').unwrap();
    let said = told(&source, at, 1);
    assert!(said.contains(&format!("[ a.fe:2:{} ]", 8 + before.len() + 1)), "{said}");
    assert!(said.contains("x + x + y + x"), "{said}");
    let longest = said.lines().map(|l| l.chars().count()).max().unwrap();
    assert!(longest < 160, "{longest}: {said}");
    // The mark stands under the name.
    let lines: Vec<Vec<char>> = said.lines().map(|l| l.chars().collect()).collect();
    let line = lines.iter().position(|l| l.contains(&'y') && l.contains(&'x')).unwrap();
    let column = lines[line].iter().position(|c| *c == 'y').unwrap();
    assert!(matches!(lines[line + 1][column], '┬' | '─'), "{said}");
}

#[test]
fn places_of_an_excerpt_are_those_of_the_source() {
    let source = format!("é{} here {} there\n", "é".repeat(300), "é".repeat(300));
    let (here, there) = (source.find("here").unwrap(), source.find("there").unwrap());
    let span = |at: usize, n: usize| Span { start: at, end: at + n };
    let d = Diagnostic::error("E0001", "two", span(here, 4), "one").and(span(there, 5), "other");
    let excerpt = Excerpt::of(&source, &d).unwrap();
    for (at, word) in [(here, "here"), (there, "there")] {
        assert_eq!(excerpt.text.get(excerpt.place(at)..excerpt.place(at) + word.len()), Some(word));
    }
    assert!(excerpt.text.len() < 700, "{}", excerpt.text.len());
    assert!(Excerpt::of("short", &d).is_none());
}

#[test]
fn nothing_is_obeyed() {
    let said = told("let \u{1b}[31mz = y\u{202e}\u{9b}\n", 13, 1);
    assert!(!said.contains(['\u{1b}', '\u{202e}', '\u{9b}']), "{said}");
    assert!(said.contains("let ?[31mz = y\u{fffd}\u{bf}"), "{said}");
}

#[test]
fn thousands_of_messages_are_not_all_drawn() {
    let source = "y ".repeat(5000);
    let all: Vec<Diagnostic> = (0..5000)
        .map(|k| Diagnostic::error("E0102", "there is no `y`", Span { start: 2 * k, end: 2 * k + 1 }, "here"))
        .collect();
    let said = text("a.fe", &source, &all, false);
    assert_eq!(said.matches("E0102").count(), MESSAGES);
    assert!(said.ends_with("and 4970 more messages\n"), "{said}");
}
