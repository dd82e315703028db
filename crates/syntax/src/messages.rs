//! The text of every diagnostic of this phase. One function, one code; codes are never reused.

use crate::diagnostic::Diagnostic;
use crate::span::Span;

fn error(code: &'static str, message: impl Into<String>, span: Span, label: impl Into<String>) -> Diagnostic {
    Diagnostic::error(code, message, span, label)
}

// Characters and pieces of other languages: E0001 to E0029.

pub fn unknown_character(span: Span, character: char) -> Diagnostic {
    let message = format!("the character `{}` is not part of the language", character.escape_debug());
    let found = error("E0001", message, span, "not understood");
    match character {
        '|' => found.help("a pipe is `|>`, and the logical or is the word `or`"),
        '$' => found.help("columns of a file are read by name, as in `csv(\"file.csv\", \"column\")`"),
        '²' | '³' => found.help("write a power with `^`, as in `x^2`"),
        '₀'..='₉' => found.help("write digits of a name on the line, as in `x0`"),
        '∑' | 'Σ' => found.help("write `sum(e, N)`"),
        '√' => found.help("write `sqrt(e)`"),
        '∞' => found.help("leave the bound away: types such as `positive` have no upper end"),
        _ => found.help("remove it; a comment, which may hold anything, starts with `#`"),
    }
}

pub fn look_alike(span: Span, character: char, meant: &str) -> Diagnostic {
    let message = format!("`{character}` is not the operator `{meant}`, though it looks like it");
    error("E0002", message, span, "a different character").help(format!("write `{meant}`"))
}

pub fn curly_quotes(span: Span, inner: &str) -> Diagnostic {
    error("E0003", "text stands in straight double quotes, not in typographic ones", span, "typographic quotes")
        .help(format!("write \"{inner}\""))
}

pub fn single_quotes(span: Span, inner: &str) -> Diagnostic {
    error("E0004", "text stands in double quotes", span, "single quotes")
        .help(format!("write \"{inner}\"; a single quote is the prime of an axis, as in `F[S, S']`"))
}

pub fn lone_quote(span: Span) -> Diagnostic {
    error("E0005", "this quote neither follows a name nor has a partner on its line", span, "opens here")
        .help("text stands in double quotes, as in \"file.csv\"; a prime touches its axis, as in `S'`")
}

pub fn unterminated_text(span: Span) -> Diagnostic {
    error("E0006", "this text has no closing quote", span, "opens here and runs to the end of the line")
        .help("end it with `\"` on the same line")
}

pub fn prime_after_bracket(span: Span) -> Diagnostic {
    error("E0007", "a prime belongs to the name of an axis, not to an expression", span, "no axis stands here")
        .help("a transposed matrix is `transpose(W)`; a second copy of an axis is `x[N']`")
}

pub fn double_star(span: Span) -> Diagnostic {
    error("E0008", "a power is written `^`", span, "not an operator here").help("write `x^2` in place of `x**2`")
}

pub fn double_slash(span: Span) -> Diagnostic {
    error("E0009", "`//` is neither a comment nor a division", span, "not an operator here")
        .help("a comment starts with `#`, and a division is `/`")
}

pub fn block_comment(span: Span) -> Diagnostic {
    error("E0010", "there are no block comments", span, "opens here").help("start each line of the comment with `#`")
}

pub fn semicolon(span: Span, count: usize) -> Diagnostic {
    let found = error("E0011", "statements are not separated by semicolons", span, "not needed");
    if count > 1 {
        found.help(format!("remove all {count} of them: every statement opens with its keyword"))
    } else {
        found.help("remove it: every statement opens with its keyword")
    }
}

pub fn walrus(span: Span) -> Diagnostic {
    error("E0012", "a definition is written with `=`", span, "write `=`")
        .help("`let x = …` names a value, `latent z ~ …` declares a distribution")
}

pub fn update(span: Span, written: &str) -> Diagnostic {
    let message = format!("nothing can be updated, so there is no `{written}`");
    error("E0013", message, span, "names are defined once").help(
        "define a new name with `let`; a term of the objective is added by `loss name = …`, and a state that changes by \
         a chain, `for t in T { … }`",
    )
}

pub fn word_operator(span: Span, written: &str, word: &str) -> Diagnostic {
    let message = format!("`{written}` is written `{word}`");
    error("E0014", message, span, format!("write `{word}`"))
        .help("the logical operators are the words `and`, `or` and `not`")
}

pub fn modulo(span: Span) -> Diagnostic {
    error("E0015", "there is no modulo operator", span, "only a number may carry `%`").help("`10%` is a tenth")
}

pub fn arrow(span: Span, written: &str) -> Diagnostic {
    let message = format!("there is no `{written}`");
    error("E0016", message, span, "not an operator here")
        .help("a function is `fn f(x) = …`, and a value is passed on by `|>`")
}

pub fn dot(span: Span) -> Diagnostic {
    error("E0017", "there are no methods, fields or modules", span, "nothing can be reached by a dot")
        .help("call the function: `mean(x)` in place of `x.mean()`, `transpose(x)` in place of `x.T`, `Normal` in place of `dist.Normal`")
}

pub fn backslash(span: Span) -> Diagnostic {
    error("E0018", "a line needs no mark to go on", span, "not needed")
        .help("remove it: a statement ends where the next keyword stands")
}

pub fn number_suffix(span: Span, digits: &str, suffix: &str) -> Diagnostic {
    let message = format!("`{digits}{suffix}` is not a number");
    let found = error("E0019", message, span, "digits run into other characters");
    match suffix {
        "nat" | "nats" | "bit" | "bits" | "spike" | "spikes" => {
            found.help(format!("a unit stands apart: `{digits} {suffix}`"))
        }
        _ if suffix.starts_with(['.', '_', 'e', 'E']) => {
            found.help("numbers look like `12`, `0.5`, `2.4e-9` and `100_000`")
        }
        _ if suffix.starts_with(['x', 'X', 'b', 'o']) && digits == "0" => {
            found.help("numbers are decimal, as in `255`")
        }
        _ => found.help(format!("a product is `{digits} * {suffix}`, and a name starts with a letter")),
    }
}

pub fn number_too_large(span: Span) -> Diagnostic {
    error("E0020", "this number is beyond what 64 bits can hold", span, "larger than 1.8e308")
        .help("write a smaller number, or leave the bound away where none is meant")
}

pub fn invisible(span: Span, character: char) -> Diagnostic {
    let message = format!("an invisible character (U+{:04X}) stands here", u32::from(character));
    error("E0021", message, span, "invisible").help("remove it, or type an ordinary space in its place")
}

pub fn triple_quotes(span: Span) -> Diagnostic {
    error("E0022", "text does not stand in triple quotes", span, "opens here")
        .help("a comment starts with `#`, and text stands between two `\"` on one line")
}

// Words and structure: E0030 to E0049.

pub fn capital_boolean(span: Span, written: &str, meant: &str) -> Diagnostic {
    let message = format!("`{written}` is written `{meant}`");
    error("E0030", message, span, format!("write `{meant}`"))
}

pub fn none(span: Span, written: &str) -> Diagnostic {
    let message = format!("there is no `{written}`");
    error("E0031", message, span, "no such value")
        .help("leave out what is not given; missing data are allowed by a type such as `real?`")
}

pub fn reserved_word(span: Span, word: &str) -> Diagnostic {
    let message = format!("`{word}` is a reserved word and cannot be a name");
    error("E0032", message, span, "reserved").help(format!("choose another name, such as `{word}_`"))
}

pub fn misspelt_keyword(span: Span, written: &str, keyword: &str) -> Diagnostic {
    let message = format!("no statement begins with `{written}`; did you mean `{keyword}`?");
    error("E0033", message, span, format!("read as `{keyword}`"))
}

pub fn brace_not_closed(span: Span, train: bool) -> Diagnostic {
    let what = if train { "train" } else { "for" };
    error("E0034", format!("the block of this `{what}` is never closed"), span, "opens here")
        .help("close it with `}` before the next statement")
}

pub fn closes_nothing(span: Span, written: &str) -> Diagnostic {
    error("E0035", format!("this `{written}` closes nothing"), span, "nothing is open here")
        .help("remove it, or add what it should close")
}

pub fn no_blocks(span: Span) -> Diagnostic {
    error("E0036", "only `for` and `train` have blocks in braces", span, "this block was skipped").help(
        "write each declaration as a statement of its own, in any order: `data y[N] = …`, `latent mu ~ …`, `observe y ~ …`; \
         a function is `fn f(x) = …`",
    )
}

pub fn too_deep(span: Span, limit: usize) -> Diagnostic {
    let message = format!("this expression nests more than {limit} operators and brackets");
    error("E0037", message, span, "too deep from here on").help("name its parts with `let`")
}

pub fn bracket_not_closed(open: Span, bracket: &str, end: Span, close: &str) -> Diagnostic {
    let found = error("E0038", format!("this `{bracket}` is never closed"), open, "opens here")
        .help(format!("close it with `{close}`"));
    if end == open { found } else { found.and(end, format!("`{close}` is missing at the latest behind this")) }
}

pub fn bracket_mismatch(found: Span, written: &str, open: Span, close: &str) -> Diagnostic {
    error("E0039", format!("`{written}` stands where `{close}` should"), found, format!("expected `{close}`"))
        .and(open, "opens here")
}

pub fn not_inside_chain(span: Span, keyword: &str) -> Diagnostic {
    let found = error("E0040", format!("`{keyword}` cannot stand inside `for`"), span, "inside a chain");
    if keyword == "for" {
        found.help("a chain runs over one axis; give what depends on another axis that axis in its bracket")
    } else {
        found.help("move it out of the braces; inside stand `let`, `latent`, `guide`, `refine`, `observe` and `loss`")
    }
}

// Statements: E0050 to E0079.

pub fn no_statement(span: Span) -> Diagnostic {
    error("E0050", "every statement opens with its keyword", span, "no keyword opens this")
        .help("name a value with `let`, declare a quantity with `data`, `param` or `latent`, or remove this")
}

pub fn stray_line(span: Span, message: String, help: String) -> Diagnostic {
    error("E0051", message, span, "no keyword opens this line").help(help)
}

pub fn import(span: Span) -> Diagnostic {
    error("E0052", "there is nothing to import", span, "not a statement")
        .help("remove it: every distribution and function is known by its name")
}

pub fn tilde_wanted(span: Span, keyword: &str, target: &str) -> Diagnostic {
    let message = format!("`{keyword}` takes its distribution behind `~`, not `=`");
    let found = error("E0053", message, span, "write `~`");
    if keyword == "guide" {
        found.help(format!("write `guide {target} ~ Normal(m, s)`; behind `=` stands `point` or `prior` alone"))
    } else {
        found.help(format!("write `{keyword} {target} ~ …`; a value that is computed is `let {target} = …`"))
    }
}

pub fn equals_wanted(span: Span, keyword: &str, target: &str) -> Diagnostic {
    error("E0054", format!("a `{keyword}` is defined with `=`, not `~`"), span, "write `=`").help(format!(
        "write `{keyword} {target} = …`; what has a distribution is `latent {target} ~ …` or `observe {target} ~ …`"
    ))
}

pub fn left_arrow(span: Span, wanted: &str) -> Diagnostic {
    error("E0055", "there is no `<-`", span, format!("write `{wanted}`"))
        .help("a value is defined with `=`, and a distribution is given with `~`")
}

pub fn missing_sign(span: Span, sign: &str, written: &str, found: &str) -> Diagnostic {
    let message = format!("`{sign}` is missing behind `{written}`");
    error("E0056", message, span, format!("`{sign}` stands before this"))
        .help(format!("write `{written} {sign} {found}`"))
}

pub fn says_nothing(span: Span, keyword: &str, target: &str) -> Diagnostic {
    let (message, help) = match keyword {
        "data" => (
            "this `data` does not say where it comes from",
            format!("write `data {target} = csv(\"file.csv\", \"column\")` or another reader"),
        ),
        "param" => (
            "this `param` does not say how it starts",
            format!("write `param {target} = 0` or `param {target} = normal(0, 0.1)`"),
        ),
        "latent" => ("this `latent` has no prior", format!("write `latent {target} ~ Normal(0, 1)`")),
        "observe" => ("this `observe` has no likelihood", format!("write `observe {target} ~ Normal(m, s)`")),
        "guide" => {
            ("this `guide` has no distribution", format!("write `guide {target} ~ Normal(m, s)`, or leave it out"))
        }
        "dim" => (
            "this `dim` has no size",
            format!("write `dim {target} = 10`; the axes of data need no `dim`, their sizes are read from the file"),
        ),
        _ => ("this statement has no value", format!("write `{keyword} {target} = …`")),
    };
    error("E0057", message, span, "ends here").help(help)
}

pub fn missing_name(span: Span, keyword: &str, found: &str) -> Diagnostic {
    let message = format!("`{keyword}` is followed by a name, not by {found}");
    let help = match keyword {
        "model" => "write `model name \"title\"`",
        "meter" => "name the expression with `let` first, then write `meter name`",
        "observe" => "name the expression with `let` or read it with `data` first, then write `observe name ~ …`",
        "latent" => "write `latent z ~ Normal(0, 1)`",
        "guide" => "write `guide z ~ …`, or `guide * ~ …` for all latents",
        "for" => "write `for t in T { … }`",
        "refine" => "write `refine v[N, K] from u over 16 steps`",
        "fn" => "write `fn f(x) = …`",
        "dim" => "write `dim K = 10`",
        "loss" => "write `loss cost = …`; several losses are told apart by their names",
        _ => {
            return error("E0058", message, span, "a name is due here").help(format!("write `{keyword} name = …`"));
        }
    };
    error("E0058", message, span, "a name is due here").help(help)
}

pub fn type_first(span: Span, keyword: &str, ty: &str, name: &str) -> Diagnostic {
    let join = if keyword == "latent" { "~" } else { "=" };
    error("E0059", "a type stands behind the name, not before it", span, "a type")
        .help(format!("write `{keyword} {name} : {ty} {join} …`"))
}

pub fn round_axes(span: Span, keyword: &str, name: &str) -> Diagnostic {
    let found = error("E0060", "axes stand in square brackets", span, "round bracket");
    if keyword == "let" {
        found.help(format!("an array is `let {name}[N] = …`, and a function is `fn {name}(x) = …`"))
    } else {
        found.help(format!("write `{keyword} {name}[N] …`"))
    }
}

pub fn loop_head(span: Span) -> Diagnostic {
    error("E0061", "a chain runs over a named axis", span, "not the head of a chain").help(
        "arrays need no loop: `observe y ~ Normal(m, s)` is about every element; where one follows from the one before it, write \
         `for t in T { … }` with `dim T = 50` or an axis of the data; steps count from 0, and `for t in T from 5` starts later",
    )
}

pub fn block_colon(span: Span) -> Diagnostic {
    error("E0062", "no colon opens a block or a body", span, "a colon only precedes a type")
        .help("write `for t in T { … }`, `fn f(x) = …` or `if c then a else b`")
}

pub fn comma_between_statements(span: Span) -> Diagnostic {
    error("E0063", "statements are not separated by commas", span, "the statement ends before this")
        .help("remove it, and open what follows with its own keyword")
}

pub fn comma_in_train(span: Span) -> Diagnostic {
    error("E0064", "the entries of `train` are not separated by commas", span, "not needed")
        .help("remove it: write `train { batch = 100  epochs = 20 }`")
}

pub fn function_head(span: Span) -> Diagnostic {
    error("E0065", "a function's parameters stand in round brackets", span, "`(` is due before this")
        .help("write `fn f(x) = …`")
}

pub fn meter_expression(span: Span) -> Diagnostic {
    error("E0066", "`meter` takes a name, not an expression", span, "more than a name")
        .help("name the expression with `let` first, then write `meter name`")
}

// Expressions: E0080 to E0099.

pub fn chained_comparison(span: Span, first: Span, written: &str) -> Diagnostic {
    error("E0080", "comparisons cannot be chained", span, "a second comparison")
        .and(first, "the first one")
        .help(format!("join two comparisons: `a {written} b and b {written} c`"))
}

pub fn equals_in_expression(span: Span) -> Diagnostic {
    error("E0081", "`=` cannot stand inside an expression", span, "not a comparison")
        .help("write `==` to compare; `=` only follows the name that a statement defines")
}

pub fn missing_branch(span: Span, word: &str, place: Span) -> Diagnostic {
    error("E0082", format!("this `if` has no `{word}`"), span, "begins here")
        .and(place, format!("`{word}` is missing at the latest behind this"))
        .help("write `if condition then a else b`; both branches are needed")
}

pub fn branch_without_if(span: Span, word: &str) -> Diagnostic {
    error("E0083", format!("this `{word}` belongs to no `if`"), span, "no `if` is open here")
        .help("write `if condition then a else b`")
}

pub fn bare_if(span: Span) -> Diagnostic {
    error("E0084", "an `if` that is part of an operation needs parentheses", span, "not at the start of an expression")
        .help("write `a + (if c then x else y)`")
}

pub fn bare_not(span: Span) -> Diagnostic {
    error("E0085", "a `not` that is an operand needs parentheses", span, "binds more loosely than what precedes it")
        .help("write `a == (not b)`")
}

pub fn ternary(span: Span) -> Diagnostic {
    error("E0086", "a choice is written `if c then a else b`", span, "not an operator here")
        .help("the condition comes first, then both branches")
}

pub fn slice(span: Span) -> Diagnostic {
    error("E0087", "there are no ranges with a colon", span, "a colon only precedes a type")
        .help("a part of an axis is `slice(x, N, 0, 100)`; an axis that is taken whole need not be written")
}

pub fn lambda(span: Span) -> Diagnostic {
    error("E0088", "there are no nameless functions", span, "not a keyword here").help("name it: `fn f(x) = x + 1`")
}

pub fn unknown_unit(span: Span, number: &str, word: &str) -> Diagnostic {
    error("E0089", format!("`{word}` is no unit"), span, "stands behind a number")
        .help(format!("the units are `nats`, `bits` and `spikes`; a product is `{number} * {word}`"))
}

pub fn missing_operator(span: Span, before: Span, listed: bool) -> Diagnostic {
    let message = if listed {
        "a comma or an operator is missing between two values"
    } else {
        "an operator is missing between two values"
    };
    let found = error("E0090", message, span, "the second value").and(before, "the first value ends here");
    if listed {
        found.help("write `a, b` or `a * b`")
    } else {
        found.help("write `a * b`; a new statement opens with its keyword")
    }
}

pub fn value_missing(span: Span, found: &str) -> Diagnostic {
    error("E0091", format!("a value is missing before {found}"), span, "a value is due before this")
        .help("a value is a number, a name, a call, a list in `[ ]` or an expression in `( )`")
}

pub fn value_missing_at_end(span: Span) -> Diagnostic {
    error("E0092", "this statement ends before its value", span, "a value is due behind this")
        .help("add the value, or remove what asks for it")
}

pub fn empty_list(span: Span) -> Diagnostic {
    error("E0093", "this bracket is empty", span, "something is due before it")
        .help("write the axes, indices or values, or leave the bracket away")
}

pub fn trailing_comma(span: Span) -> Diagnostic {
    error("E0094", "nothing follows this comma", span, "closes or follows too early")
        .help("remove the comma, or add what should follow it")
}

pub fn pipe_after_operator(
    pipe: Span,
    operator: Span,
    left: &str,
    written: &str,
    right: &str,
    into: &str,
) -> Diagnostic {
    let found =
        error("E0095", "this can be read in two ways", pipe, "passes on either the last operand or everything before")
            .and(operator, "an operator without parentheses");
    if short(&[left, right, into]) {
        found.help(format!("write `({left} {written} {right}) |> {into}` or `{left} {written} ({right} |> {into})`"))
    } else {
        found.help(format!(
            "put parentheses around all that stands before `|>`, or around the operand behind `{written}` together with the pipe"
        ))
    }
}

pub fn operator_after_pipe(operator: Span, pipe: Span, piped: &str, rest: &str) -> Diagnostic {
    let found =
        error("E0096", "behind `|>` stands a function, not an operation", operator, "an operator without parentheses")
            .and(pipe, "passes a value on");
    if short(&[piped, rest]) {
        found.help(format!("write `({piped}) {rest}`"))
    } else {
        found.help("put parentheses around the pipe, with the value it passes on and its function")
    }
}

/// Whether a message is about the characters alone; a line that opens with no keyword makes those idle.
pub fn is_lexical(diagnostic: &Diagnostic) -> bool {
    diagnostic.code < "E0030" && diagnostic.code != "E0011"
}

/// Whether a message says that a line opens with no keyword.
pub fn is_stray(diagnostic: &Diagnostic) -> bool {
    matches!(diagnostic.code, "E0051" | "E0052")
}

/// Whether pieces of the source are short enough to be repeated in a sentence.
fn short(pieces: &[&str]) -> bool {
    pieces.iter().map(|piece| piece.len()).sum::<usize>() <= 60
        && pieces.iter().all(|piece| !piece.contains(['\n', '#']))
}

pub fn else_if(span: Span, written: &str) -> Diagnostic {
    error("E0097", format!("`{written}` is written `else if`"), span, "write `else if`")
        .help("write `if a then x else if b then y else z`")
}

pub fn comprehension(span: Span) -> Diagnostic {
    error("E0098", "no `for` stands inside an expression", span, "not the start of a chain")
        .help("operations run over whole axes by themselves: write `sum(x^2, N)` in place of a sum over a loop")
}

pub fn bounded_type(span: Span) -> Diagnostic {
    error("E0099", "a type has no bounds in `< >`", span, "not expected")
        .help("bounds are part of the type: `positive`, `unit`, or `real(0, 10)`, as in `param s : positive = 1`")
}

pub fn unexpected(span: Span, found: &str, expected: &str) -> Diagnostic {
    error("E0099", format!("{expected} is due here, not {found}"), span, format!("expected {expected}"))
}
