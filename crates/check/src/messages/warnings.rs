//! W0100 to W0199: legal but doubtful.

use fe_syntax::{Diagnostic, Span};

pub fn unused(name: &str, word: &str, span: Span) -> Diagnostic {
    Diagnostic::warning("W0101", format!("`{name}` is never used"), span, format!("this {word} changes nothing"))
        .help("remove it, or use it")
}

pub fn unread_latent(name: &str, span: Span) -> Diagnostic {
    Diagnostic::warning(
        "W0102",
        format!("no data depend on the latent `{name}`: it keeps its prior"),
        span,
        "nothing reads it",
    )
    .help("use it in an `observe`, a `loss`, or another latent's prior, or remove it")
}

pub fn variance_as_sd(family: &str, parameter: &str, span: Span, written: &str, variance: bool) -> Diagnostic {
    let found = Diagnostic::warning(
        "W0103",
        format!("`{family}` takes a standard deviation, and `{written}` looks like a variance"),
        span,
        format!("used as the {parameter}"),
    );
    if variance {
        return found.help(format!("if it is a variance, say so by name: `{family}(…, variance = {written})`"));
    }
    found.help(format!("if it is a variance, write `sqrt({written})`"))
}

pub fn rate_overflow(family: &str, parameter: &str, span: Span, inner: Span, what: &str) -> Diagnostic {
    Diagnostic::warning("W0104", format!("the {parameter} of this `{family}` can overflow"), span, "an exponential")
        .and(inner, format!("of {what}, which grows without end"))
        .help("bound what stands inside, as in `exp(5 - softplus(5 - a))`, or use `softplus(…)`")
}

pub fn needless_loop(axis: &str, span: Span) -> Diagnostic {
    Diagnostic::warning("W0106", "nothing in this loop looks at another position", span, "needs no loop")
        .help(format!(
            "write its statements by themselves, as `observe y ~ Normal(m, s)`, which is about every element: along `{axis}` there are \
             no batches and no leave-one-out while it is the axis of a loop"
        ))
}

pub fn size_as_level(axis: &str, span: Span, index: Span) -> Diagnostic {
    Diagnostic::warning(
        "W0107",
        format!("`{axis}` is a number here, the size of the axis, and no level has it"),
        span,
        "a size",
    )
    .and(index, format!("counts along `{axis}` from 0, and is never that"))
    .help("compare with a level by its name, `== \"control\"`, or by its number, `== 0`")
}

pub fn column_taken_along(name: &str, span: Span, column: &str, other: &str, read: Span) -> Diagnostic {
    Diagnostic::warning(
        "W0105",
        format!("`{name}` takes the column `{column}` along, which `{other}` is"),
        span,
        "all columns",
    )
    .and(read, format!("`{column}` is read here"))
    .help(format!("leave it out, `csv(…, all but \"{column}\")`, or name the columns"))
}
