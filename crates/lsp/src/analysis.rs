//! What is known of an open text: its names, what is wrong with it, what it means.

use std::path::Path;
use std::sync::{Arc, Mutex};

use fe_check::{Occurrence, Program};
use fe_objective::Objective;
use fe_pipeline::{Error, Headers, ReadOptions, Text};
use fe_syntax::ast::Ast;
use fe_syntax::{Diagnostic, Span};
use lsp_types::Uri;

use crate::position::{self, Lines};

/// An open text.
pub struct Document {
    pub text: Text,
    pub lines: Lines,
    pub ast: Ast,
    pub names: Vec<Occurrence>,
    /// What the compiler says of it.
    pub said: Vec<Diagnostic>,
    /// Why it is refused, where that has no place in it.
    pub refused: Option<String>,
    /// What it means, where it means something.
    pub program: Option<Program>,
    pub objective: Option<Objective>,
    /// What it meant when it last meant something.
    pub last: Option<Program>,
    understood: bool,
}

impl Document {
    pub fn new(uri: &Uri, source: String) -> Self {
        let file = position::path(uri.as_str());
        let text = match &file {
            Some(file) => Text::of_file(file, source),
            None => Text::in_memory(uri.as_str(), source, Path::new(".")),
        };
        let ast = fe_syntax::parse(&text.source).ast;
        let names = fe_check::occurrences(&ast);
        let lines = Lines::of(&text.source);
        Self {
            text,
            lines,
            ast,
            names,
            said: vec![],
            refused: None,
            program: None,
            objective: None,
            last: None,
            understood: false,
        }
    }

    /// The text after a change, which remembers what the one before meant.
    pub fn changed(self, uri: &Uri, source: String) -> Self {
        Self { last: self.program.or(self.last), ..Self::new(uri, source) }
    }

    /// That it is to be understood anew.
    pub fn forget(&mut self) {
        self.understood = false;
    }

    /// Checks and derives it, if that was not done; whether it was done now. `headers` are of the files that texts have read before.
    pub fn understand(&mut self, headers: &Arc<Mutex<Headers>>) -> bool {
        if self.understood {
            return false;
        }
        self.understood = true;
        (self.program, self.objective, self.refused) = (None, None, None);
        let found =
            fe_pipeline::load(&self.text, &ReadOptions { headers: Some(headers.clone()), ..ReadOptions::default() });
        let (program, warnings) = match found {
            Ok(loaded) => (loaded.program, loaded.warnings),
            Err(error) => {
                self.said = self.of(error);
                return true;
            }
        };
        match fe_pipeline::derive(&program, &self.text) {
            Ok(objective) => {
                self.said = warnings;
                self.objective = Some(objective);
            }
            Err(error) => self.said = self.of(error).into_iter().chain(warnings).collect(),
        }
        self.program = Some(program);
        true
    }

    /// An error at its places; one without any is kept apart.
    fn of(&mut self, error: Error) -> Vec<Diagnostic> {
        match error {
            Error::Program(said) | Error::Data(said) | Error::Fit(said) => said,
            other => {
                self.refused = Some(other.brief());
                vec![]
            }
        }
    }

    /// The name that stands at a byte.
    pub fn name_at(&self, byte: usize) -> Option<&Occurrence> {
        self.names.iter().find(|o| o.span.start <= byte && byte <= o.span.end)
    }

    /// Where a name is declared.
    pub fn declaration(&self, name: &str) -> Option<&Occurrence> {
        self.names.iter().find(|o| o.declared && o.name == name)
    }

    /// The slice of a span.
    pub fn slice(&self, span: Span) -> &str {
        self.text.source.get(span.start..span.end).unwrap_or_default()
    }
}
