//! The text of every diagnostic of this phase. One function, one message; codes are never reused. A message is one
//! sentence without a full stop, its labels are short phrases, and its help says what to do.

mod axes;
mod chains;
mod data;
mod guides;
mod later;
mod layers;
mod names;
mod objective;
mod refine;
mod types;
mod warnings;

pub use axes::*;
pub use chains::*;
pub use data::*;
pub use guides::*;
pub use later::*;
pub use layers::*;
pub use names::*;
pub use objective::*;
pub use refine::*;
pub use types::*;
pub use warnings::*;

use fe_syntax::{Diagnostic, Span};

fn error(code: &'static str, message: impl Into<String>, span: Span, label: impl Into<String>) -> Diagnostic {
    Diagnostic::error(code, message, span, label)
}

/// The nearest known word, or else general advice.
fn did_you_mean(found: Diagnostic, near: Option<&str>, otherwise: &str) -> Diagnostic {
    match near {
        Some(near) => found.help(format!("did you mean `{near}`?")),
        None => found.help(otherwise),
    }
}

/// `a, b and c`
fn list_of(items: &[impl AsRef<str>], word: &str) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} {word} {}", first.join(", "), last.as_ref())
        }
    }
}
