//! What may be written at a place.

use fe_distribution::{Family, families};
use fe_graph::Axis;
use fe_syntax::ast::StatementKind;
use lsp_types::{CompletionItem, CompletionItemKind, Position};

use crate::analysis::Document;

/// Words that open statements.
const STATEMENTS: [&str; 18] = [
    "model", "dim", "const", "data", "param", "let", "latent", "guide", "observe", "loss", "meter", "price", "for",
    "refine", "minimize", "train", "show", "fn",
];

/// `Normal(mean, sd)`
pub fn signature(family: &dyn Family) -> String {
    let names: Vec<&str> = family.parameters().iter().map(|p| p.name).collect();
    format!("{}({})", family.name(), names.join(", "))
}

/// What may stand at a place: names of elements in quotes behind a bracket, distributions behind `~`, types behind `:`, keys in a
/// `train` block, keywords where a line begins, and else names, functions, readers and distributions.
pub fn items(document: &Document, at: Position) -> Vec<CompletionItem> {
    let source = &document.text.source;
    let byte = document.lines.byte(source, at);
    let before = source.get(..byte).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    let stem = line.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_');
    let lead = stem.trim_end();
    if line.matches('"').count() % 2 == 1 {
        return labels(document, byte, line);
    }
    let known = fe_check::vocabulary();
    if lead.ends_with('~') {
        return families().iter().map(|f| family(*f)).collect();
    }
    if lead.ends_with(':') {
        return known.types.iter().map(|t| item(t, CompletionItemKind::TYPE_PARAMETER, "type")).collect();
    }
    let train = document.ast.statements.iter().find(|s| s.span.start < byte && byte <= s.span.end);
    if train.is_some_and(|s| matches!(s.kind, StatementKind::Train { .. })) && !lead.ends_with('=') {
        return known.train.iter().map(|k| item(k, CompletionItemKind::PROPERTY, "key of `train`")).collect();
    }
    if lead.is_empty() {
        return STATEMENTS.iter().map(|s| item(s, CompletionItemKind::KEYWORD, "statement")).collect();
    }
    let mut all: Vec<CompletionItem> = vec![];
    let mut declared: Vec<&str> = document.names.iter().filter(|o| o.declared).map(|o| o.name.as_str()).collect();
    declared.sort_unstable();
    declared.dedup();
    all.extend(declared.into_iter().map(|name| item(name, CompletionItemKind::VARIABLE, "of this program")));
    all.extend(known.functions.iter().map(|(name, usage)| item(name, CompletionItemKind::FUNCTION, usage)));
    if line.trim_start().starts_with("data") {
        all.extend(known.readers.iter().map(|(name, usage)| item(name, CompletionItemKind::FUNCTION, usage)));
    }
    all.extend(families().iter().map(|f| family(*f)));
    all
}

fn item(label: &str, kind: CompletionItemKind, detail: &str) -> CompletionItem {
    CompletionItem {
        label: label.to_owned(),
        kind: Some(kind),
        detail: Some(detail.to_owned()),
        ..CompletionItem::default()
    }
}

fn family(of: &dyn Family) -> CompletionItem {
    let summary = lsp_types::Documentation::String(of.summary().to_owned());
    CompletionItem { documentation: Some(summary), ..item(of.name(), CompletionItemKind::CLASS, &signature(of)) }
}

/// Levels and columns that name elements of what is indexed, or of all axes where that is not known.
fn labels(document: &Document, byte: usize, line: &str) -> Vec<CompletionItem> {
    // A name that is half written is none, and its program means nothing yet.
    let Some(program) = document.program.as_ref().or(document.last.as_ref()) else { return vec![] };
    let indexed = fe_check::label_at(&document.ast, byte).or_else(|| {
        let stem = line.rsplit_once('"')?.0.trim_end().strip_suffix('[')?;
        let name: String = stem.chars().rev().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        Some(name.chars().rev().collect())
    });
    let axes: Option<Vec<Axis>> = indexed.and_then(|name| {
        let latent = program.latents.iter().find(|l| l.name == name).map(|l| l.axes.clone());
        let param = || program.params.iter().find(|p| p.name == name).map(|p| p.axes.clone());
        let of = || program.lets.iter().find(|l| l.name == name).map(|l| l.axes.clone());
        let data = || program.data.iter().find(|d| d.name == name).map(|d| d.axes.clone());
        latent.or_else(param).or_else(of).or_else(data)
    });
    let mut all = vec![];
    for (axis, labels) in &program.labels {
        if axes.as_ref().is_none_or(|axes| axes.iter().any(|a| a.id == *axis)) {
            let name = program.graph.axis_name(Axis::plain(*axis));
            all.extend(labels.iter().map(|l| item(l, CompletionItemKind::ENUM_MEMBER, &format!("of {name}"))));
        }
    }
    all
}
