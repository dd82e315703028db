//! Lines that open with no keyword: what people write there out of habit, and what is written here.

use crate::diagnostic::Diagnostic;
use crate::messages;
use crate::span::Span;
use crate::token::Token;

/// Says what a line that begins with `word` should be; `next` is the token behind it.
pub fn explain(word: &str, span: Span, next: Option<Token>) -> Diagnostic {
    if matches!(word, "import" | "using" | "library" | "require") {
        return messages::import(span);
    }
    let (message, help) = known(word).map_or_else(
        || (format!("no statement begins with `{word}`"), by_sign(word, next)),
        |(message, help)| (message.to_owned(), help.to_owned()),
    );
    messages::stray_line(span, message, help)
}

/// Words with a meaning in other languages.
fn known(word: &str) -> Option<(&'static str, &'static str)> {
    Some(match word {
        "real" | "int" | "vector" | "row_vector" | "matrix" | "array" | "float" | "double" => (
            "a declaration opens with its role, not with its type",
            "write `latent mu ~ …`, `data y[N] = …` or `param w = …`; a type follows the name, as in `latent s : positive ~ …`",
        ),
        "target" => (
            "there is no `target` to add to",
            "write `observe y ~ …` for a likelihood and `loss name = …` for any other cost, in nats",
        ),
        "while" | "class" | "with" | "try" | "switch" | "repeat" => (
            "a program states a model and gives no orders",
            "state what is latent, observed and lost; the only loop is the chain `for t in T { … }`",
        ),
        "print" | "println" | "summary" => (
            "a program prints nothing by itself",
            "`fe run` reports every latent; add a named expression with `meter name`",
        ),
        "maximize" | "maximise" => (
            "an objective is minimized",
            "write `minimize distortion + rate`; the free energy is minus the evidence bound",
        ),
        _ => return None,
    })
}

/// What to write, by the sign behind the first word.
fn by_sign(word: &str, next: Option<Token>) -> String {
    match next {
        Some(Token::Tilde) => format!(
            "write `latent {word} ~ …` for an unknown and `observe {word} ~ …` for data; a formula such as `y ~ x + g` is \
             written out, `observe y ~ Normal(a + b * x + c[g], s)`, each coefficient a `param` or a `latent`"
        ),
        Some(Token::Equals | Token::Less) => format!(
            "write `let {word} = …` for a value, `param {word} = …` for a free parameter, `const {word} = …` for a number"
        ),
        _ => "statements open with `data`, `param`, `let`, `latent`, `guide`, `observe`, `loss` or another keyword"
            .to_owned(),
    }
}
