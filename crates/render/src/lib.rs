//! Diagnostics as text, by ariadne, or as JSON. The only place that turns them into either.

mod excerpt;

use std::borrow::Cow;

use ariadne::{CharSet, Color, Config, IndexType, Label, Report, ReportKind, Source};
use fe_syntax::{Diagnostic, Severity};
use serde_json::json;

use self::excerpt::Excerpt;

/// Places of one message that are drawn, at most: the drawing takes time with their square, and nobody reads more.
const PLACES: usize = 12;

/// Messages of one file that are drawn, at most: whoever has more begins with these.
const MESSAGES: usize = 30;

/// The diagnostics of one file as text.
pub fn text(file: &str, source: &str, diagnostics: &[Diagnostic], colour: bool) -> String {
    let mut out = Vec::new();
    let (file, source) = (&*visible(file), &*visible(source));
    let mut whole = (file, Source::from(source));
    for d in diagnostics.iter().take(MESSAGES) {
        let excerpt = Excerpt::of(source, d);
        let (source, place) = excerpt.as_ref().map_or((source, None), |e| (e.text.as_str(), Some(e)));
        let (kind, main) = match d.severity {
            Severity::Error => (ReportKind::Error, Color::Red),
            Severity::Warning => (ReportKind::Warning, Color::Yellow),
        };
        let clamp = |span: fe_syntax::Span| {
            let [start, end] = [span.start, span.end].map(|at| place.map_or(at, |e| e.place(at)).min(source.len()));
            (file, start..end.max(start))
        };
        let config = Config::new().with_color(colour).with_index_type(IndexType::Byte).with_char_set(CharSet::Unicode);
        let mut report = Report::build(kind, clamp(d.span()))
            .with_config(config)
            .with_code(d.code)
            .with_message(visible(&d.message));
        // In order of place, so that one excerpt holds them all; the first label is the one that is meant.
        let mut labels: Vec<_> = d.labels.iter().enumerate().take(PLACES).collect();
        labels.sort_by_key(|(_, label)| label.span);
        for (k, label) in labels {
            let colour = if k == 0 { main } else { Color::Cyan };
            report = report
                .with_label(Label::new(clamp(label.span)).with_message(visible(&label.message)).with_color(colour));
        }
        if let Some(more) = d.labels.len().checked_sub(PLACES).filter(|more| *more > 0) {
            report = report.with_note(format!("and {more} more such place{}", if more == 1 { "" } else { "s" }));
        }
        if let Some(help) = &d.help {
            report = report.with_help(visible(help));
        }
        // Writing into memory cannot fail.
        let _ = match place {
            None => report.finish().write(&mut whole, &mut out),
            Some(excerpt) => {
                let mut drawn = Vec::new();
                let written = report.finish().write((file, Source::from(source)), &mut drawn);
                out.extend(excerpt.told(&String::from_utf8_lossy(&drawn), d.span().start).into_bytes());
                written
            }
        };
    }
    let text = String::from_utf8_lossy(&out);
    let more = diagnostics.len().saturating_sub(MESSAGES);
    let rest =
        if more > 0 { format!("and {more} more message{}\n", if more == 1 { "" } else { "s" }) } else { String::new() };
    text.lines().map(|line| format!("{}\n", line.trim_end())).chain([rest]).collect()
}

/// A text with a mark of as many bytes for each character that a terminal would obey in place of showing it: what is control, or
/// turns the direction of what follows.
fn visible(text: &str) -> Cow<'_, str> {
    let mark = |c: char| match c {
        '\n' | '\t' | '\r' => None,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Some('\u{fffd}'),
        c if c.is_control() => Some(if c.len_utf8() == 1 { '?' } else { '\u{bf}' }),
        _ => None,
    };
    match text.contains(|c| mark(c).is_some()) {
        false => Cow::Borrowed(text),
        true => Cow::Owned(text.chars().map(|c| mark(c).unwrap_or(c)).collect()),
    }
}

/// The diagnostics of one file as JSON, for editors.
pub fn json(file: &str, source: &str, diagnostics: &[Diagnostic]) -> serde_json::Value {
    let list: Vec<serde_json::Value> = diagnostics
        .iter()
        .map(|d| {
            let labels: Vec<serde_json::Value> = d
                .labels
                .iter()
                .map(|l| {
                    let ((line, column), (end_line, end_column)) =
                        (position(source, l.span.start), position(source, l.span.end));
                    json!({
                        "message": l.message, "start": l.span.start, "end": l.span.end, "line": line, "column": column,
                        "end_line": end_line, "end_column": end_column,
                    })
                })
                .collect();
            let severity = match d.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            json!({ "code": d.code, "severity": severity, "message": d.message, "help": d.help, "labels": labels })
        })
        .collect();
    json!({ "file": file, "diagnostics": list })
}

/// Line and column of a byte, both from 1, columns in characters.
pub fn position(source: &str, byte: usize) -> (usize, usize) {
    let before = source.get(..byte.min(source.len())).unwrap_or(source);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
    (line, column)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
