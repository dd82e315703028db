//! `docs/diagnostics.md` is made from the tables of codes in each crate and from the snapshots of what is said, and
//! `fe explain` prints it. `UPDATE_DOCS=1 cargo pages` writes the page.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::common::*;

const INTRODUCTION: &str = r#"# Messages

This page is made by a test from the tables of codes and from what `fe` says of the programs in
[tests/errors](../tests/errors). `fe explain E0403` prints the entry of one code.

Every message has a code that never changes its meaning. `E` is an error of the program, `W` a warning, `D` an error of
the data, `R` an error at run time. A message points at every place involved, the first being where the mistake lies,
and says what to do. One run reports every independent mistake, and is silent about what merely follows from one.
`fe check --json` prints messages as data:

    { "file": …, "diagnostics": [ { "code": "E0205", "severity": "error", "message": …, "help": …,
        "labels": [ { "message": …, "start": 0, "end": 4, "line": 1, "column": 1, "end_line": 1, "end_column": 5 } ] } ] }

`start` and `end` are bytes; lines and columns count from 1, columns in characters.
"#;

/// The sections of the page: how their codes begin, their heading, and what holds for all of them.
const SECTIONS: &[(&str, &str, &str)] = &[
    ("E00", "Characters, words and structure", ""),
    ("E01", "Names, calls and numbers", "E0113 and E0114 are mistakes of the command line: exit code 2, and no place."),
    ("E02", "Axes and sizes", ""),
    ("E03", "Distributions, types and starts", ""),
    ("E04", "Guides, latents and likelihoods", ""),
    ("E05", "Objective and training", ""),
    ("E06", "Readers", ""),
    ("E07", "In the language, and not in this version", ""),
    ("E08", "Derivation and fitting", ""),
    ("W", "Warnings", "The program is fitted all the same."),
    ("D", "Data", "Exit code 3."),
    (
        "R",
        "At run time",
        "Exit code 4, except R0002 and those of `fe eval` and `fe stream`, which are errors of the data; R0020 has 1.",
    ),
];

/// A code, its title, and its explanation.
type Code = (&'static str, &'static str, &'static str);

/// Every code of every phase, in order. A crate with codes of its own is one line here.
fn codes() -> Vec<Code> {
    let mut all = fe_syntax::CODES.to_vec();
    all.extend(fe_check::CODES.iter());
    all.extend(fe_data::CODES.iter().map(|&(kind, title, about)| (kind.code(), title, about)));
    all.extend(fe_objective::CODES);
    all.extend(fe_pipeline::CODES);
    all.sort_by_key(|c| c.0);
    all
}

/// What was said once: the program's path in the repository, where it is kept, and the messages.
struct Example {
    program: Option<PathBuf>,
    said: String,
}

/// Snapshots of messages: of the programs in `tests/errors`, and of data that are wrong.
fn examples() -> Vec<Example> {
    let mut all: Vec<Example> = programs("tests/errors")
        .into_iter()
        .map(|program| {
            let said = snapshot(&root().join(format!("tests/errors/snapshots/{}.snap", stem(&program))));
            let said = said.split_once("\n\n").expect("an exit code and what is said").1.to_owned();
            Example { program: Some(program), said }
        })
        .collect();
    let mut data = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"));
    data.retain(|p| p.extension().is_some_and(|e| e == "snap"));
    data.sort();
    all.extend(data.iter().map(|p| Example { program: None, said: snapshot(p) }).filter(|e| said_of(e).is_some()));
    all
}

fn snapshot(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.splitn(3, "---\n").nth(2).expect("a snapshot has a head").trim_matches('\n').to_owned()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    entries.flat_map(|p| if p.is_dir() { files(&p) } else { vec![p] }).collect()
}

/// The code of the first message of an example.
fn said_of(example: &Example) -> Option<&str> {
    let (code, _) = example.said.strip_prefix('[')?.split_once(']')?;
    is_code(code).then_some(code)
}

fn is_code(word: &str) -> bool {
    word.len() == 5 && word.starts_with(['E', 'W', 'D', 'R']) && word.chars().skip(1).all(|c| c.is_ascii_digit())
}

/// The page as it should be.
fn page() -> String {
    let (codes, examples) = (codes(), examples());
    let mut page = INTRODUCTION.to_owned();
    for (beginning, heading, about) in SECTIONS {
        page += &format!("\n## {heading}\n");
        if !about.is_empty() {
            page += &format!("\n{about}\n");
        }
        for code in codes.iter().filter(|c| c.0.starts_with(beginning)) {
            page += &entry(code, &examples);
        }
    }
    page
}

fn entry(&(code, title, about): &Code, examples: &[Example]) -> String {
    let capital: String = title.chars().take(1).flat_map(char::to_uppercase).chain(title.chars().skip(1)).collect();
    let mut entry = format!("\n### {code}\n\n{}", wrapped(&format!("**{capital}.** {about}")));
    let Some(example) = example_of(code, examples) else { return entry };
    if let Some(path) = &example.program {
        let file = format!("tests/errors/{}.fe", stem(path));
        let program = std::fs::read_to_string(path).unwrap();
        entry += &format!("\n[{file}](../{file})\n\n```text\n{}\n```\n", program.trim_end());
    }
    entry + &format!("\nWhat is said:\n\n```text\n{}\n```\n", example.said)
}

/// The shortest: it shows the mistake with the least beside it.
fn example_of<'e>(code: &str, examples: &'e [Example]) -> Option<&'e Example> {
    let fitting = examples.iter().filter(|e| said_of(e) == Some(code));
    fitting.min_by_key(|e| (e.program.is_none(), e.said.matches("\n[").count(), e.said.len()))
}

/// Words in lines of at most 120 columns.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().unwrap();
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > 120 {
            lines.push(word.to_owned());
        } else {
            *last += if last.is_empty() { "" } else { " " };
            *last += word;
        }
    }
    lines.join("\n") + "\n"
}

#[test]
fn the_page_is_made_from_the_codes() {
    let (path, page) = (root().join("docs/diagnostics.md"), page());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    let differs = written.lines().zip(page.lines()).position(|(a, b)| a != b);
    let line = differs.unwrap_or(written.lines().count().min(page.lines().count())) + 1;
    assert!(written == page, "docs/diagnostics.md:{line} differs: UPDATE_DOCS=1 cargo pages");
}

/// Each code is listed once, says something, and has a section; those listed are those that are said.
#[test]
fn every_code_is_explained() {
    let codes = codes();
    let listed: Vec<&str> = codes.iter().map(|c| c.0).collect();
    assert!(listed.windows(2).all(|w| w[0] < w[1]), "a code is listed twice");
    for (code, title, about) in &codes {
        assert!(is_code(code) && !title.is_empty() && about.ends_with('.'), "{code} {title}: {about}");
        assert_eq!(SECTIONS.iter().filter(|s| code.starts_with(s.0)).count(), 1, "{code} has no section");
    }
    let mut sources = files(&root().join("crates"));
    sources.retain(|p| p.extension().is_some_and(|e| e == "rs") && p.components().any(|c| c.as_os_str() == "src"));
    let text: String = sources.iter().map(|p| std::fs::read_to_string(p).unwrap()).collect();
    let said: BTreeSet<&str> = text.split('"').filter(|w| is_code(w)).collect();
    assert_eq!(said.into_iter().collect::<Vec<_>>(), listed);
}

/// Codes of which no program alone is an example: of the command line, and of files that are damaged, change, or are rare.
const WITHOUT_EXAMPLE: &[&str] =
    &["D0003", "D0008", "D0012", "D0018", "D0020", "D0030", "E0113", "E0114", "E0611", "R0012", "R0020", "R0021"];

#[test]
fn every_other_code_has_an_example() {
    let examples = examples();
    let codes = codes().into_iter().map(|c| c.0);
    let without: Vec<&str> = codes.filter(|code| example_of(code, &examples).is_none()).collect();
    assert_eq!(without, WITHOUT_EXAMPLE);
}

#[test]
fn a_code_is_explained_with_an_example() {
    let folder = tempfile::tempdir().unwrap();
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!("explain_a_code", done(folder.path(), &["explain", "E0403"]));
    });
    assert_eq!(done(folder.path(), &["explain", "e403"]), done(folder.path(), &["explain", "E0403"]));
    for code in ["E0008", "W0101", "D0015", "R0001"] {
        assert!(done(folder.path(), &["explain", code]).starts_with(&format!("{code}: ")));
    }
}

#[test]
fn an_unknown_code_brings_near_ones() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["explain", "E0419"]);
    assert_eq!((code(&output), stdout(&output)), (2, String::new()));
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!("explain_an_unknown_code", stderr(&output));
    });
}

#[test]
fn a_file_named_like_a_code_is_a_program() {
    let folder = tempfile::tempdir().unwrap();
    let program = "data x[N] = [1.0, 2.0]\nlatent m ~ Normal(0, 1)\nobserve x ~ Normal(m, 1)\n";
    std::fs::write(folder.path().join("E0403"), program).unwrap();
    assert!(done(folder.path(), &["explain", "E0403"]).contains("guides\n"));
}
