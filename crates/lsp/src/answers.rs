//! Answers about a text that is understood.

use std::collections::HashMap;

use fe_check::Program;
use fe_graph::{Axis, AxisId};
use fe_objective::{Objective, Term, TermKind};
use fe_syntax::Severity;
use fe_syntax::ast::StatementKind;
use lsp_types::{
    CodeLens, Command, DiagnosticRelatedInformation, DiagnosticSeverity, DocumentSymbol, Hover, HoverContents,
    Location, MarkupContent, MarkupKind, NumberOrString, Position, SymbolKind, TextEdit, Uri, WorkspaceEdit,
};

use crate::analysis::Document;

/// What the compiler says, as an editor takes it.
pub fn diagnostics(uri: &Uri, document: &Document) -> Vec<lsp_types::Diagnostic> {
    let source = &document.text.source;
    let one = |d: &fe_syntax::Diagnostic| {
        let help = d.help.as_ref().map(|h| format!("\nhelp: {h}")).unwrap_or_default();
        let related = d.labels.iter().skip(1).map(|l| DiagnosticRelatedInformation {
            location: Location { uri: uri.clone(), range: document.lines.range(source, l.span) },
            message: l.message.clone(),
        });
        lsp_types::Diagnostic {
            range: document.lines.range(source, d.span()),
            severity: Some(match d.severity {
                Severity::Error => DiagnosticSeverity::ERROR,
                Severity::Warning => DiagnosticSeverity::WARNING,
            }),
            code: Some(NumberOrString::String(d.code.to_owned())),
            source: Some("fe".to_owned()),
            message: format!("{}{help}", d.message),
            related_information: Some(related.collect()),
            ..lsp_types::Diagnostic::default()
        }
    };
    let refused = document.refused.iter().map(|message| lsp_types::Diagnostic {
        severity: Some(DiagnosticSeverity::ERROR),
        source: Some("fe".to_owned()),
        message: message.clone(),
        ..lsp_types::Diagnostic::default()
    });
    document.said.iter().map(one).chain(refused).collect()
}

/// What stands under the cursor: its axes and what its values are, its guide, how its term is estimated; of a word of the
/// language, what it does.
pub fn hover(document: &Document, at: Position) -> Option<Hover> {
    let byte = document.lines.byte(&document.text.source, at);
    let found = document.name_at(byte)?;
    let own = match (&document.program, document.declaration(&found.name)) {
        (Some(program), Some(_)) => described(program, document.objective.as_ref(), &found.name),
        _ => None,
    };
    let declared = || {
        let declared = document.declaration(&found.name)?;
        let statement = document
            .ast
            .statements
            .iter()
            .find(|s| s.span.start <= declared.span.start && declared.span.end <= s.span.end)?;
        Some(format!("```fe\n{}\n```", document.slice(statement.span)))
    };
    let value = own.or_else(declared).or_else(|| of_language(&found.name))?;
    let range = Some(document.lines.range(&document.text.source, found.span));
    Some(Hover { contents: HoverContents::Markup(MarkupContent { kind: MarkupKind::Markdown, value }), range })
}

/// `[N = 150, D = 4]`
fn axes(program: &Program, axes: &[Axis]) -> String {
    let one = |a: &Axis| format!("{} = {}", program.graph.axis_name(*a), program.graph.extent_of(a.id));
    if axes.is_empty() { String::new() } else { format!("[{}]", axes.iter().map(one).collect::<Vec<_>>().join(", ")) }
}

fn axis_of(program: &Program, name: &str) -> Option<AxisId> {
    let all = program.data.iter().flat_map(|d| d.axes.iter().map(|a| a.id).chain(d.index));
    let all = all.chain(program.latents.iter().flat_map(|l| l.axes.iter().map(|a| a.id)));
    all.chain(program.params.iter().flat_map(|p| p.axes.iter().map(|a| a.id)))
        .find(|a| program.graph.axis_name(Axis::plain(*a)) == name)
}

fn described(program: &Program, objective: Option<&Objective>, name: &str) -> Option<String> {
    let mut lines = vec![];
    if let Some(data) = program.data.iter().find(|d| d.name == name) {
        let missing = if data.optional { ", some may be missing" } else { "" };
        lines.push(format!("`data {name}{}`: {}{missing}", axes(program, &data.axes), data.support.describe()));
    } else if let Some(param) = program.params.iter().find(|p| p.name == name) {
        lines.push(format!("`param {name}{}`: {}", axes(program, &param.axes), param.support.describe()));
    } else if let Some(latent) = program.latents.iter().find(|l| l.name == name) {
        let of = latent.prior.family.name();
        lines.push(format!("`latent {name}{}` ~ {of}", axes(program, &latent.axes)));
    } else if let Some(of) = program.lets.iter().find(|l| l.name == name) {
        lines.push(format!("`let {name}{}`", axes(program, &of.axes)));
    } else if let Some(axis) = axis_of(program, name) {
        lines.push(format!("`{name}`: an axis of {} elements", program.graph.extent_of(axis)));
        if let Some(labels) = program.labels.get(&axis) {
            let mut shown: Vec<&str> = labels.iter().take(12).map(String::as_str).collect();
            if labels.len() > shown.len() {
                shown.push("…");
            }
            lines.push(shown.join(", "));
        }
    }
    if let Some(objective) = objective {
        let guide = objective.guides.latents.iter().find(|l| l.name == name);
        lines.extend(guide.map(|l| format!("guide: {}", l.guide)));
        lines.extend(objective.terms.iter().filter(|t| t.name == name).map(term));
    }
    (!lines.is_empty()).then(|| lines.join("\n\n"))
}

fn term(of: &Term) -> String {
    let kind = match of.kind {
        TermKind::Rate if of.penalty => "penalty",
        TermKind::Rate => "rate",
        TermKind::Distortion => "distortion",
        TermKind::Loss => "loss",
    };
    let because = if of.reason.is_empty() { String::new() } else { format!(", because {}", of.reason) };
    let bias = of.bias.as_ref().map(|b| format!("; bias: {b}")).unwrap_or_default();
    format!("{kind}: estimated by {}{because}{bias}", of.estimator)
}

/// Families, functions and readers.
fn of_language(name: &str) -> Option<String> {
    if let Some(family) = fe_distribution::family(name) {
        return Some(format!("`{}`: {}", crate::completion::signature(family), family.summary()));
    }
    let known = fe_check::vocabulary();
    let function = known.functions.into_iter().find(|f| f.0 == name).map(|f| f.1);
    let reader = known.readers.into_iter().find(|r| r.0 == name).map(|r| r.1.to_owned());
    function.or(reader).map(|usage| format!("`{usage}`"))
}

/// Where the name under the cursor is declared.
pub fn definition(uri: &Uri, document: &Document, at: Position) -> Option<Location> {
    let byte = document.lines.byte(&document.text.source, at);
    let declared = document.declaration(&document.name_at(byte)?.name)?;
    Some(Location { uri: uri.clone(), range: document.lines.range(&document.text.source, declared.span) })
}

/// Everywhere the name under the cursor stands.
pub fn references(uri: &Uri, document: &Document, at: Position) -> Vec<Location> {
    let byte = document.lines.byte(&document.text.source, at);
    let Some(name) = document.name_at(byte).map(|o| o.name.clone()) else { return vec![] };
    let range = |span| document.lines.range(&document.text.source, span);
    let same = document.names.iter().filter(|o| o.name == name);
    same.map(|o| Location { uri: uri.clone(), range: range(o.span) }).collect()
}

/// The same program with another name; only of what it declares.
pub fn rename(uri: &Uri, document: &Document, at: Position, to: &str) -> Option<WorkspaceEdit> {
    let byte = document.lines.byte(&document.text.source, at);
    document.declaration(&document.name_at(byte)?.name)?;
    let edit = |l: Location| TextEdit { range: l.range, new_text: to.to_owned() };
    let edits = references(uri, document, at).into_iter().map(edit).collect();
    // Addresses are keys by their text alone; the form of the answer asks for them.
    #[allow(clippy::mutable_key_type)]
    let changes = HashMap::from([(uri.clone(), edits)]);
    Some(WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() })
}

/// The declarations, for an outline.
pub fn symbols(document: &Document) -> Vec<DocumentSymbol> {
    let source = &document.text.source;
    let one = |s: &fe_syntax::ast::Statement| {
        let (name, kind, word) = match &s.kind {
            StatementKind::Dim { name, .. } => (name, SymbolKind::TYPE_PARAMETER, "dim"),
            StatementKind::Const { name, .. } => (name, SymbolKind::CONSTANT, "const"),
            StatementKind::Data(d) => (&d.target.name, SymbolKind::ARRAY, "data"),
            StatementKind::Param(d) => (&d.target.name, SymbolKind::FIELD, "param"),
            StatementKind::Let(d) => (&d.target.name, SymbolKind::VARIABLE, "let"),
            StatementKind::Latent { target, .. } => (&target.name, SymbolKind::VARIABLE, "latent"),
            StatementKind::Loss { name, .. } => (name, SymbolKind::EVENT, "loss"),
            StatementKind::Fn { name, .. } => (name, SymbolKind::FUNCTION, "fn"),
            _ => return None,
        };
        // A field that is no longer used has to be there all the same.
        #[allow(deprecated)]
        Some(DocumentSymbol {
            name: name.value.clone(),
            detail: Some(word.to_owned()),
            kind,
            tags: None,
            deprecated: None,
            range: document.lines.range(source, s.span),
            selection_range: document.lines.range(source, name.span),
            children: None,
        })
    };
    document.ast.statements.iter().filter_map(one).collect()
}

/// The whole text in the canonical layout; nothing where it does not parse.
pub fn formatted(document: &Document) -> Option<Vec<TextEdit>> {
    let source = &document.text.source;
    let new_text = fe_syntax::format(source).ok()?;
    let range = document.lines.range(source, fe_syntax::Span::new(0, source.len()));
    Some(if new_text == *source { vec![] } else { vec![TextEdit { range, new_text }] })
}

/// What can be done with the program, above its first line: the editor runs `fe.run` and the like.
pub fn lenses(uri: &Uri, document: &Document) -> Vec<CodeLens> {
    let start = document.ast.statements.first().map_or(0, |s| s.span.start);
    let range = document.lines.range(&document.text.source, fe_syntax::Span::new(start, start));
    let lens = |(title, command): (&str, &str)| CodeLens {
        range,
        command: Some(Command {
            title: title.to_owned(),
            command: command.to_owned(),
            arguments: Some(vec![serde_json::Value::String(uri.as_str().to_owned())]),
        }),
        data: None,
    };
    [("Fit", "fe.run"), ("Explain", "fe.explain")].into_iter().map(lens).collect()
}
