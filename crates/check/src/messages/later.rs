//! E0700 to E0799: what the language has, and this version does not lower yet.

use fe_syntax::{Diagnostic, Span};

use super::error;

fn later(code: &'static str, what: &str, span: Span, help: impl Into<String>) -> Diagnostic {
    error(code, format!("{what} not compiled in this version"), span, "not in this version").help(help)
}

pub fn estimator_later(name: &str, span: Span) -> Diagnostic {
    later(
        "E0703",
        &format!("`by {name}` is"),
        span,
        "leave it away: it is taken by itself where a term depends on one Gaussian number for each element",
    )
}

pub fn ordered_off_the_line_later(span: Span) -> Diagnostic {
    later("E0705", "a latent off the real line of type `ordered` is", span, "use an unordered array")
}

pub fn family_later(name: &str, span: Span) -> Diagnostic {
    later(
        "E0710",
        &format!("the distribution `{name}` is"),
        span,
        "see the list of distributions in the documentation, or write its −log density as a `loss`",
    )
}
