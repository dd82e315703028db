//! `fe explain E0403`: the page of one message, from `docs/diagnostics.md`, which the command carries in itself.

use std::path::Path;

use crate::failure::Failure;
use crate::output;

/// The documentation of all messages.
const PAGE: &str = include_str!("../../../docs/diagnostics.md");
/// Columns of the printed page. Messages are rendered to about that width, and are not wrapped.
const WIDTH: usize = 100;
/// How many codes are offered in place of one that does not exist.
const OFFERED: usize = 3;

/// The code that a word stands for, if it looks like one and is no file: `E0403`, and `e403` too.
pub fn asked(word: &str) -> Option<String> {
    let mut characters = word.chars();
    let phase = characters.next()?.to_ascii_uppercase();
    let number = characters.as_str();
    let looks_like_one =
        matches!(phase, 'E' | 'W' | 'D' | 'R') && !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
    (looks_like_one && !Path::new(word).exists()).then(|| format!("{phase}{number:0>4}"))
}

/// Prints what the documentation says of a code.
///
/// # Errors
/// When no message has it.
pub fn explain(code: &str) -> Result<(), Failure> {
    match entries().find(|e| e.code == code) {
        Some(entry) => output::out(&entry.print()),
        None => Err(Failure::Usage(unknown(code))),
    }
}

/// One message of the page.
struct Entry {
    code: &'static str,
    /// The lines below its heading.
    body: Vec<&'static str>,
}

/// The messages of the page, in its order.
fn entries() -> impl Iterator<Item = Entry> {
    let mut all: Vec<Entry> = vec![];
    let (mut fenced, mut inside) = (false, false);
    for line in PAGE.lines() {
        fenced ^= line.starts_with("```");
        if !fenced && line.starts_with('#') {
            inside = line.starts_with("### ");
            if let Some(code) = line.strip_prefix("### ") {
                all.push(Entry { code, body: vec![] });
            }
        } else if let (true, Some(entry)) = (inside, all.last_mut()) {
            entry.body.push(line);
        }
    }
    all.into_iter()
}

impl Entry {
    /// The title, which opens the entry in bold.
    fn title(&self) -> String {
        self.paragraphs()
            .next()
            .and_then(|p| Some(p.strip_prefix("**")?.split_once(".** ")?.0.to_owned()))
            .unwrap_or_default()
    }

    /// Runs of lines that blank lines part, each in one; of fenced text only the opening line.
    fn paragraphs(&self) -> impl Iterator<Item = String> {
        self.body.split(|line| line.is_empty()).map(|lines| lines.join(" ")).filter(|p| !p.is_empty())
    }

    /// As text for a terminal.
    fn print(&self) -> String {
        let mut page = format!("{}: {}\n", self.code, self.title());
        let mut paragraph = String::new();
        let mut fenced = false;
        for line in self.body.iter().chain([&""]) {
            if line.starts_with("```") {
                page += if fenced { "" } else { "\n" };
                fenced = !fenced;
            } else if fenced {
                page += format!("    {line}").trim_end();
                page.push('\n');
            } else if line.is_empty() && !paragraph.is_empty() {
                let text = paragraph.split_once(".** ").map_or(paragraph.as_str(), |(_, rest)| rest);
                page.push('\n');
                page += &wrapped(&without_links(text));
                paragraph.clear();
            } else if !line.is_empty() {
                paragraph += if paragraph.is_empty() { "" } else { " " };
                paragraph += line;
            }
        }
        page
    }
}

/// A link by its text alone.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        let Some((_, behind)) = after.split_once(')') else { break };
        plain += &before.replacen('[', "", 1);
        rest = behind;
    }
    plain + rest
}

/// Words in lines of at most [`WIDTH`].
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > WIDTH {
            lines.push('\n');
            column = 0;
        }
        if column > 0 {
            lines.push(' ');
            column += 1;
        }
        lines += word;
        column += length;
    }
    lines + "\n"
}

/// What is said where no message has a code: those whose codes are nearest.
fn unknown(code: &str) -> String {
    let number = |code: &str| code.get(1..).and_then(|n| n.parse::<u64>().ok()).unwrap_or(u64::MAX);
    let mut near: Vec<Entry> = entries().filter(|e| e.code.get(..1) == code.get(..1)).collect();
    near.sort_by_key(|e| (strsim::levenshtein(e.code, code), number(e.code).abs_diff(number(code))));
    near.truncate(OFFERED);
    near.sort_by_key(|e| e.code);
    let near: Vec<String> = near.iter().map(|e| format!("\n  {}  {}", e.code, e.title())).collect();
    format!("no message has the code {code}; near it are{}", near.concat())
}
