//! The documentation is run. In README.md, CONTRIBUTING.md, CHANGELOG.md, docs/*.md and docs/studies/*.md:
//!
//! - a block marked `fe` is a whole program, and `fe check` accepts it; `fe NAME.fe` also saves it under that name for the
//!   transcripts below it on the page; `fe wrong NAME.fe` is saved and must not be accepted;
//! - a block marked `fe fragment` is a part of a program, and parses;
//! - a block marked `console` is a transcript: each line `$ fe …` is run beside the programs of the page and a copy of
//!   `examples`, and what it prints must be what follows, `…` standing for lines left out.
//!
//! Numbers in transcripts may differ by 2 % or by two units of the last digit, times and counts of iterations by more.
//! `UPDATE_DOCS=1 cargo test --workspace --test all docs` rewrites transcripts that differ and in which nothing is
//! left out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Mutex;

use tempfile::TempDir;

use crate::common::{root, with_input};

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// README.md, CONTRIBUTING.md, CHANGELOG.md, and every page of docs and docs/studies.
fn pages() -> Vec<PathBuf> {
    let folders = ["docs", "docs/studies"].map(|f| std::fs::read_dir(root().join(f)).unwrap());
    let mut pages: Vec<PathBuf> = folders.into_iter().flatten().map(|e| e.unwrap().path()).collect();
    pages.retain(|p| p.extension().is_some_and(|e| e == "md"));
    pages.extend(["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name)));
    pages.sort();
    pages
}

/// A fenced block: the words behind its fence, its lines, and the line of the page on which they begin, from 0.
struct Block {
    info: String,
    lines: Vec<String>,
    start: usize,
}

impl Block {
    fn text(&self) -> String {
        self.lines.iter().map(|l| format!("{l}\n")).collect()
    }
}

fn blocks(page: &str) -> Vec<Block> {
    let mut all = vec![];
    let mut open: Option<Block> = None;
    for (number, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => open = Some(Block { info: info.trim().to_owned(), lines: vec![], start: number + 1 }),
            (Some(_), Some(_)) => all.extend(open.take()),
            (None, Some(block)) => block.lines.push(line.to_owned()),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    all
}

/// A folder in which a reader of the page would sit: a copy of `examples`, and the page's programs.
fn desk() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&root().join("examples"), &folder.path().join("examples"));
    folder
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            if entry.file_name() != "runs" {
                copy(&entry.path(), &target);
            }
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn printed(output: &Output) -> Vec<String> {
    let both = [&output.stderr[..], &output.stdout[..]].concat();
    let text = String::from_utf8(both).unwrap();
    // Progress, which a slow machine prints and a fast one does not.
    let progress = |l: &&str| l.starts_with("step ") && l.contains("objective");
    text.lines().filter(|l| !progress(l)).map(|l| l.trim_end().to_owned()).collect()
}

/// Runs the programs and the transcripts of a page; gives what is wrong there.
fn wrong_on(page: &Path) -> Vec<String> {
    let mut wrong = vec![];
    let name = page.file_name().unwrap().to_string_lossy().into_owned();
    let text = read(page);
    let folder = desk();
    let mut rewritten: Vec<(Block, Vec<String>)> = vec![];
    for block in blocks(&text) {
        let words: Vec<&str> = block.info.split_whitespace().collect();
        let place = format!("{name}:{}", block.start);
        match words.as_slice() {
            ["fe", "fragment"] => {
                let output = with_input(folder.path(), &["fmt", "-"], &block.text());
                if !output.status.success() {
                    wrong.push(format!("{place}: does not parse\n{}", printed(&output).join("\n")));
                }
            }
            ["fe", rest @ ..] => {
                let accepted = rest.first() != Some(&"wrong");
                let output = with_input(folder.path(), &["check", "-"], &block.text());
                if output.status.success() != accepted {
                    let verb = if accepted { "refused" } else { "accepted" };
                    wrong.push(format!("{place}: {verb}\n{}", printed(&output).join("\n")));
                }
                if let Some(file) = rest.last().filter(|f| f.ends_with(".fe")) {
                    std::fs::write(folder.path().join(file), block.text()).unwrap();
                }
            }
            ["console"] => {
                let now = transcript(folder.path(), &block.lines, &place, &mut wrong);
                rewritten.push((block, now));
            }
            _ => {}
        }
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        update(page, &text, &rewritten);
    }
    wrong
}

/// Runs the programs and the transcripts of every page.
#[test]
fn every_block_of_the_documentation_runs() {
    // Two at a time, the longest first, so that the end is not spent waiting for one.
    let mut pages = pages();
    pages.sort_by_key(|page| std::cmp::Reverse(std::fs::metadata(page).map_or(0, |m| m.len())));
    let (pages, wrong) = (Mutex::new(pages.into_iter()), Mutex::new(vec![]));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(page) = pages.lock().ok().and_then(|mut pages| pages.next()) {
                    let found = wrong_on(&page);
                    wrong.lock().unwrap().extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Runs a transcript's commands; gives the transcript as it would be now.
fn transcript(folder: &Path, lines: &[String], place: &str, wrong: &mut Vec<String>) -> Vec<String> {
    let mut now = vec![];
    let mut rest = lines;
    while let Some((command, after)) = rest.split_first() {
        let words: Vec<&str> = command.split_whitespace().collect();
        let arguments = match words.as_slice() {
            ["$", "fe", arguments @ ..] | ["$", "cargo", "run", "--", arguments @ ..] => arguments,
            _ => panic!("{place}: a transcript begins with a command `$ fe …`, not with `{command}`"),
        };
        let length = after.iter().position(|l| l.starts_with("$ ")).unwrap_or(after.len());
        let (expected, next) = after.split_at(length);
        let actual = printed(&with_input(folder, arguments, ""));
        now.push(command.clone());
        if alike(expected, &actual) {
            now.extend_from_slice(expected);
        } else {
            wrong.push(format!(
                "{place}: `{command}` prints\n{}\nand the page says\n{}",
                actual.join("\n"),
                expected.join("\n")
            ));
            now.extend(actual);
        }
        rest = next;
    }
    now
}

fn update(page: &Path, text: &str, rewritten: &[(Block, Vec<String>)]) {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (block, now) in rewritten.iter().rev() {
        let whole = !block.lines.iter().any(|l| l.trim() == "…");
        if whole {
            lines.splice(block.start..block.start + block.lines.len(), now.iter().cloned());
        }
    }
    let new: String = lines.iter().map(|l| format!("{l}\n")).collect();
    if new != text {
        std::fs::write(page, new).unwrap();
    }
}

/// Whether lines are as expected; a line `…` stands for any number of lines.
fn alike(expected: &[String], actual: &[String]) -> bool {
    match expected.split_first() {
        None => actual.is_empty(),
        Some((first, rest)) if first.trim() == "…" => (0..=actual.len()).any(|skip| alike(rest, &actual[skip..])),
        Some((first, rest)) => {
            actual.split_first().is_some_and(|(line, others)| same_line(first, line) && alike(rest, others))
        }
    }
}

/// Word by word, without rules and pictures.
fn same_line(expected: &str, actual: &str) -> bool {
    let words = |line: &str| -> Vec<String> {
        let plain: String = line.chars().map(|c| if "─│┼●╭╰┬╯┤·".contains(c) { ' ' } else { c }).collect();
        plain.split_whitespace().map(str::to_owned).collect()
    };
    let (e, a) = (words(expected), words(actual));
    let unsteady = |k: usize| e.get(k + 1).is_some_and(|w| ["s", "threads", "steps", "iterations"].contains(&&**w));
    e.len() == a.len()
        && e.iter()
            .zip(&a)
            .enumerate()
            .all(|(k, (x, y))| x == y || number(x).zip(number(y)).is_some_and(|(x, y)| unsteady(k) || near(x, y)))
}

/// A number as printed, and how many digits stand behind its point; none of what is written with an exponent.
#[derive(Clone, Copy)]
struct Printed {
    value: f64,
    digits: Option<i32>,
}

fn number(word: &str) -> Option<Printed> {
    let plain = word.trim_end_matches([',', ';', ':', ')', '%']).replace('−', "-").replace(',', "");
    let value = plain.parse().ok()?;
    let digits = plain.split_once('.').map_or(0, |(_, d)| d.len() as i32);
    Some(Printed { value, digits: (!plain.contains('e')).then_some(digits) })
}

fn near(x: Printed, y: Printed) -> bool {
    let (Some(a), Some(b)) = (x.digits, y.digits) else { return true };
    let unit = 10f64.powi(-a.min(b));
    (x.value - y.value).abs() <= (0.02 * x.value.abs().max(y.value.abs())).max(2.01 * unit)
}

#[test]
fn transcripts_are_compared_with_care() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let same = |a: &str, b: &str| alike(&lines(a), &lines(b));
    assert!(same("a\n…\nd", "a\nb\nc\nd"));
    assert!(same("…", ""));
    assert!(!same("a\n…\nd", "a\nb\nc"));
    assert!(!same("a", "a\nb"));
    assert!(same("F = 2.4490 nats, 0.00 s · 2 threads", "F = 2.4489 nats, 3.11 s · 16 threads"));
    assert!(same("mean −0.070 ──●──", "mean −0.071 ─●──"));
    assert!(same("largest gradient 6.9e-9 ≤ 3.9e-8", "largest gradient 1.2e-10 ≤ 3.9e-8"));
    assert!(!same("F = 2.4490", "F = 2.5490"));
    assert!(!same("rate 0.138 closed form", "rate 0.138 pathwise"));
}

/// What stands in single backticks in a text.
fn quoted(text: &str) -> BTreeSet<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_field_of_fit_json_is_described() {
    let folder = desk();
    let mut fields = BTreeSet::new();
    let runs: [&[&str]; 3] = [
        &["run", "examples/relu_vae.fe", "--steps", "1", "--json", "--quiet"],
        &["run", "examples/eight_schools.fe", "--steps", "1", "--json", "--quiet"],
        &["run", "examples/kidscore.fe", "--json", "--quiet"],
    ];
    for arguments in runs {
        let output = with_input(folder.path(), arguments, "");
        let fit: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let object = |v: &serde_json::Value| v.as_object().cloned().unwrap_or_default();
        fields.extend(object(&fit).keys().cloned());
        for part in ["heldout", "verdict", "loo"] {
            fields.extend(object(&fit[part]).keys().cloned());
        }
        for part in ["latents", "meters", "posterior"] {
            fields.extend(object(&fit[part]).values().flat_map(|v| object(v).keys().cloned().collect::<Vec<_>>()));
        }
        fields.extend(
            fit["terms"].as_array().unwrap().iter().flat_map(|t| object(t).keys().cloned().collect::<Vec<_>>()),
        );
    }
    assert!(fields.len() > 40);
    let page = read(&root().join("docs/language.md"));
    let page: String = page.split("### fit.json").skip(1).collect();
    let described = quoted(&page);
    let missing: Vec<&String> = fields.iter().filter(|f| !described.contains(f.as_str())).collect();
    assert!(missing.is_empty(), "docs/language.md does not describe {missing:?}");
}

/// Text is wrapped, so that a change of a sentence is a change of its lines. Tables and blocks are not.
#[test]
fn pages_are_wrapped() {
    let mut wide = vec![];
    for page in pages() {
        let mut fenced = false;
        for (number, line) in read(&page).lines().enumerate() {
            fenced ^= line.trim_start().starts_with("```");
            let exempt = fenced || line.starts_with('|') || line.starts_with("    ");
            if !exempt && line.chars().count() > 120 {
                wide.push(format!("{}:{}", page.display(), number + 1));
            }
        }
    }
    assert!(wide.is_empty(), "lines of more than 120 columns:\n{}", wide.join("\n"));
}

#[test]
fn links_lead_somewhere() {
    for page in pages() {
        let text = read(&page);
        for target in text.split("](").skip(1).filter_map(|t| t.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") {
                assert!(page.parent().unwrap().join(file).exists(), "{}: {target}", page.display());
            }
        }
    }
}

/// Every file below a folder, by its path.
fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    entries.flat_map(|p| if p.is_dir() { files(&p) } else { vec![p.to_string_lossy().into_owned()] }).collect()
}

/// A file or folder that a page names in backticks is there: by its path from the top of the repository, or, of the
/// crates' sources, by the end of it. The history of changes may name what is gone.
#[test]
fn named_files_exist() {
    let sources = files(&root().join("crates"));
    let top = ["crates/", "docs/", "examples/", "grammar/", "tests/", "bench/", ".ci/"];
    let mut missing = vec![];
    for page in pages().into_iter().filter(|p| !p.ends_with("CHANGELOG.md")) {
        let text = read(&page);
        let prose: String = text.split("```").step_by(2).collect();
        for name in quoted(&prose).into_iter().filter(|n| !n.contains(['*', ' ', '…'])) {
            let at_the_top = top.iter().any(|folder| name.starts_with(folder)) && root().join(name).exists();
            let known = if name.ends_with(".rs") && !name.starts_with("crates/") {
                sources.iter().any(|s| s.ends_with(&format!("/{name}")))
            } else {
                at_the_top || !top.iter().any(|folder| name.starts_with(folder))
            };
            if !known {
                missing.push(format!("{}: `{name}`", page.display()));
            }
        }
    }
    assert!(missing.is_empty(), "these are not there:\n{}", missing.join("\n"));
}

#[test]
fn the_gallery_is_in_the_readme() {
    let readme = read(&root().join("README.md"));
    for path in std::fs::read_dir(root().join("examples")).unwrap().map(|e| e.unwrap().path()) {
        if path.extension().is_some_and(|e| e == "fe") {
            let link = format!("examples/{}", path.file_name().unwrap().to_string_lossy());
            assert!(readme.contains(&link), "README.md does not name {link}");
        }
    }
}
