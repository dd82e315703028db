//! Diagnostics as text, by ariadne, or as JSON. The only place that turns them into either.

use ariadne::{CharSet, Color, Config, IndexType, Label, Report, ReportKind, Source};
use fe_syntax::{Diagnostic, Severity};
use serde_json::json;

/// Places of one message that are drawn, at most: the drawing takes time with their square, and nobody reads more.
const PLACES: usize = 12;

/// The diagnostics of one file as text.
pub fn text(file: &str, source: &str, diagnostics: &[Diagnostic], colour: bool) -> String {
    let mut out = Vec::new();
    for d in diagnostics {
        let (kind, main) = match d.severity {
            Severity::Error => (ReportKind::Error, Color::Red),
            Severity::Warning => (ReportKind::Warning, Color::Yellow),
        };
        let clamp = |span: fe_syntax::Span| {
            let start = span.start.min(source.len());
            (file, start..span.end.clamp(start, source.len()))
        };
        let config = Config::new().with_color(colour).with_index_type(IndexType::Byte).with_char_set(CharSet::Unicode);
        let mut report =
            Report::build(kind, clamp(d.span())).with_config(config).with_code(d.code).with_message(&d.message);
        // In order of place, so that one excerpt holds them all; the first label is the one that is meant.
        let mut labels: Vec<_> = d.labels.iter().enumerate().take(PLACES).collect();
        labels.sort_by_key(|(_, label)| label.span);
        for (k, label) in labels {
            let colour = if k == 0 { main } else { Color::Cyan };
            report = report.with_label(Label::new(clamp(label.span)).with_message(&label.message).with_color(colour));
        }
        if let Some(more) = d.labels.len().checked_sub(PLACES).filter(|more| *more > 0) {
            report = report.with_note(format!("and {more} more such place{}", if more == 1 { "" } else { "s" }));
        }
        if let Some(help) = &d.help {
            report = report.with_help(help);
        }
        // Writing into memory cannot fail.
        let _ = report.finish().write((file, Source::from(source)), &mut out);
    }
    let text = String::from_utf8_lossy(&out);
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
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
