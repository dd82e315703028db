//! Syntax tree to program: names, axes, supports, guides; elaboration into graph expressions.
//!
//! [`sources`] says which files a program reads; with their headers, [`check`] understands it. Both are total: whatever
//! is wrong comes back as diagnostics, every independent mistake once, and what stands on a mistake is silent.

mod arrays;
mod axes;
mod axis_table;
mod chains;
mod checker;
mod codes;
mod constants;
mod cutpoints;
mod data;
mod declarations;
mod distributions;
mod estimators;
mod expression;
mod followers;
mod forward;
mod functions;
mod guide;
mod guides;
mod importance;
mod imputed;
mod indexing;
mod inlined;
mod kind;
mod labels;
mod latents;
mod layers;
mod lists;
mod loops;
mod messages;
mod mixed;
mod names;
mod nuts;
mod objective;
mod observes;
mod polynomial;
mod program;
mod range;
mod reads;
mod recurrences;
mod refine;
mod refinement;
mod scope;
mod source;
mod tables;
mod text;
mod train;
mod types;
mod value;
mod warnings;
mod wrappers;

use std::collections::HashMap;

use fe_syntax::Diagnostic;
use fe_syntax::ast::Ast;

pub use checker::Checked;
pub use codes::CODES;
pub use guide::{Guide, JointKind, Sees};
pub use names::{Occurrence, Vocabulary, label_at, occurrences, vocabulary};
pub use program::*;
pub use reads::{bare, offset_of, parts};
pub use refinement::{DescentRule, Refinement, StepSize, Through};
pub use source::*;

use crate::checker::Checker;

/// Which files a program reads, in order of declaration. The diagnostics are those that concern readers; [`check`]
/// reports them too.
pub fn sources(ast: &Ast, overrides: &Overrides) -> (Vec<SourceCall>, Vec<Diagnostic>) {
    let mut checker = Checker::new(ast, None, overrides);
    checker.make_axes();
    checker.declarations();
    let mut calls = checker.found.sources;
    calls.sort_by_key(|c| c.span);
    let mut diagnostics = checker.said.diagnostics;
    diagnostics.retain(|d| d.code.starts_with("E06"));
    diagnostics.sort_by_key(|d| d.span());
    (calls, diagnostics)
}

/// Understands a program. `headers` holds what is known of each datum's file, by the datum's name; where one is
/// missing, why was said elsewhere, and there is no program. `default_name` names a model that does not name itself.
pub fn check(ast: &Ast, headers: &HashMap<String, Header>, overrides: &Overrides, default_name: &str) -> Checked {
    let with_followers = followers::as_latents(ast);
    Checker::new(with_followers.as_ref().unwrap_or(ast), Some(headers), overrides).program(default_name)
}
