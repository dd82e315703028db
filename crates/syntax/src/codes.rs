//! The codes of this phase, as the documentation explains them.

/// Code, title and explanation, in order.
pub const CODES: &[(&str, &str, &str)] = &[
    (
        "E0001",
        "a character that is not part of the language",
        "The language is made of letters, digits and a few operators, and this character is none of them. It often \
         comes with a copied formula, or from another language; write the word or operator that the message names. A \
         comment, behind `#`, may hold anything.",
    ),
    (
        "E0002",
        "a character that looks like an operator and is another",
        "Minus signs, stars and tildes have look-alikes in Unicode, which word processors and web pages put in their \
         place. Type the ASCII character.",
    ),
    (
        "E0003",
        "typographic quotes",
        "Quotes that curl come from a word processor. Text stands between two straight double quotes.",
    ),
    (
        "E0004",
        "single quotes around text",
        "A single quote is the prime of an axis here, as in `F[S, S']`, so it cannot enclose text. Use double quotes.",
    ),
    (
        "E0005",
        "a quote without a partner",
        "A single quote either touches the name of an axis, as its prime, or was meant to enclose text. This one does \
         neither: move it to its axis, or write double quotes.",
    ),
    ("E0006", "a text without its closing quote", "A text ends on the line on which it begins. Close it with `\"`."),
    (
        "E0007",
        "a prime behind an expression",
        "A prime makes a second copy of an axis, and so belongs to the name of one. A transposed matrix is \
         `transpose(W)`.",
    ),
    ("E0008", "`**` for a power", "As in mathematics on one line, a power is written `^`: `x^2`."),
    (
        "E0009",
        "`//`",
        "In other languages `//` opens a comment, or divides and rounds down. Here a comment starts with `#`, and a \
         division is `/`.",
    ),
    (
        "E0010",
        "a block comment",
        "A comment starts with `#` and ends with its line; there is none that runs over several lines.",
    ),
    (
        "E0011",
        "a semicolon",
        "Every statement opens with its keyword, so nothing needs to end it. Remove the semicolons.",
    ),
    ("E0012", "`:=`", "`=` defines a value and `~` gives a distribution; there is no third sign."),
    (
        "E0013",
        "an update, such as `+=`",
        "A name means one thing in the whole program, and statements may come in any order, so nothing can be \
         updated. Define a new name; add to the objective by a `loss`; let a state change along a chain, `for t in T \
         { … }`.",
    ),
    ("E0014", "a logical operator in symbols", "The logical operators are words: `and`, `or`, `not`."),
    ("E0015", "a modulo", "`%` makes a number a hundredth, as in `holdout = 10%`, and there is no modulo."),
    (
        "E0016",
        "an arrow, such as `=>`",
        "Other languages write functions and assignments with arrows. Here a function is `fn f(x) = …`, and a value \
         is passed on by `|>`.",
    ),
    (
        "E0017",
        "a dot between names",
        "There are no objects, modules or methods, so nothing is reached by a dot. Call the function with the value \
         as its argument: `mean(x)`, `transpose(x)`, `Normal(0, 1)`.",
    ),
    (
        "E0018",
        "a backslash at the end of a line",
        "A statement ends where the next keyword stands, so a line needs no mark to go on. Remove the backslash.",
    ),
    (
        "E0019",
        "digits that run into other characters",
        "Digits run straight into letters or points, and the whole is no number. Put an operator or a space between \
         them, or write the number in one of the forms `12`, `0.5`, `2.4e-9`, `100_000`.",
    ),
    (
        "E0020",
        "a number beyond 64 bits",
        "Numbers are held in 64 bits, which end at 1.8e308. A bound that is meant to be infinite is left away.",
    ),
    (
        "E0021",
        "an invisible character",
        "Spaces of no width and other invisible characters come with copied text. They would make two names that look \
         alike differ; remove them.",
    ),
    (
        "E0022",
        "triple quotes",
        "Triple quotes open documentation in Python. A comment starts with `#`; a title stands behind the model's \
         name in double quotes.",
    ),
    ("E0030", "`True` or `False` in capitals", "The truth values are `true` and `false`."),
    (
        "E0031",
        "`None`, `null` and the like",
        "There is no value for what is not given: leave the argument out. Missing data are declared by a type, as in \
         `data x[N] : real? = …`.",
    ),
    (
        "E0032",
        "a reserved word as a name",
        "This word belongs to the language, in this version or one to come, and so cannot be a name. Choose another.",
    ),
    (
        "E0033",
        "a misspelt keyword",
        "No keyword is written like this, though one is close. The statement is read as if that were meant, so that \
         the rest is checked too.",
    ),
    (
        "E0034",
        "a block that is never closed",
        "A `for` or `train` opens a block with `{`, and the next statement comes before its `}`. Close it.",
    ),
    (
        "E0035",
        "a bracket that closes nothing",
        "A bracket is closed that was never opened. Remove it, or add its partner.",
    ),
    (
        "E0036",
        "a block where there is none",
        "Only `for` and `train` have blocks. Programs of Stan are divided in blocks by what is declared in them; here \
         the keyword of each statement says that.",
    ),
    (
        "E0037",
        "an expression that nests too deeply",
        "The expression is nested deeper than any that is written by hand, and is refused to keep the compiler from \
         running out of stack. Name parts of it with `let`.",
    ),
    (
        "E0038",
        "a bracket that is never closed",
        "A bracket is opened and the statement ends without its partner. The message shows where it is opened, and \
         the latest place where it could be closed.",
    ),
    (
        "E0039",
        "one bracket closed by another",
        "Brackets close in the order in which they were opened, each by its own kind.",
    ),
    (
        "E0040",
        "a statement that cannot stand inside `for`",
        "A chain, `for t in T { … }`, says how one step follows from those before it: `let`, `latent`, `guide`, \
         `observe` and `loss` stand inside. What belongs to the whole program stands outside.",
    ),
    (
        "E0050",
        "a statement without its keyword",
        "A statement says by its first word what it declares: `data`, `param`, `latent`, `let`, `observe` and so on. \
         Without it an expression would be computed for nothing.",
    ),
    (
        "E0051",
        "a line without a keyword",
        "The line looks like a statement of another language. The message says which of ours it may stand for.",
    ),
    ("E0052", "an import", "There are no modules: every distribution, function and reader is known by its name."),
    (
        "E0053",
        "`=` where `~` is due",
        "Behind the name of what is random stands `~`; `=` is for what is computed. `guide` alone may have `=`, with \
         `point` or `prior` behind it.",
    ),
    (
        "E0054",
        "`~` where `=` is due",
        "Only `latent`, `observe` and `guide` have distributions. What is read, computed or fitted as a number stands \
         behind `=`.",
    ),
    ("E0055", "`<-`", "R assigns with `<-`. Here a value is defined with `=`, and a distribution is given with `~`."),
    (
        "E0056",
        "a sign left out behind a name",
        "A value or distribution follows the name directly. Put `=` or `~` between them.",
    ),
    (
        "E0057",
        "a declaration that says nothing",
        "The declaration ends before it says where data come from, how a `param` starts, or what is drawn. Complete \
         it, or remove it.",
    ),
    (
        "E0058",
        "a statement without its name",
        "The keyword wants a name behind it, under which the rest of the program can speak of what is declared.",
    ),
    (
        "E0059",
        "a type before the name",
        "Types stand behind names and a colon, `param s : positive = 1`, not before them as in C or Stan.",
    ),
    (
        "E0060",
        "axes in round brackets",
        "Round brackets call functions, square brackets hold axes: `latent z[N, K] ~ …`.",
    ),
    (
        "E0061",
        "the head of a chain",
        "A chain runs over a named axis, all of it, or from a later step: `for t in T { … }`, `for t in T from 5 { … \
         }`. There are no ranges of numbers.",
    ),
    (
        "E0062",
        "a colon that opens a body",
        "A colon stands only before a type. Blocks stand in braces, and a function's body behind `=`.",
    ),
    (
        "E0063",
        "a comma between statements",
        "The next keyword ends a statement. Remove the comma; what follows it needs a keyword of its own.",
    ),
    ("E0064", "a comma in `train`", "The entries of `train` are told apart by their names. Remove the commas."),
    ("E0065", "a function without its brackets", "A function's parameters stand in round brackets behind its name."),
    (
        "E0066",
        "a meter of an expression",
        "A meter reports on a quantity under its name, so the expression needs one: define it with `let`, then write \
         `meter` and the name.",
    ),
    (
        "E0080",
        "chained comparisons",
        "`a < b < c` would compare a truth value with c. Join two comparisons with `and`.",
    ),
    (
        "E0081",
        "`=` inside an expression",
        "Inside an expression `==` compares. A single `=` only follows the name that a statement defines, or the name \
         of an argument.",
    ),
    (
        "E0082",
        "an `if` without a branch",
        "`if` makes a value, and so needs one for either case: `if c then a else b`.",
    ),
    ("E0083", "a branch without its `if`", "A `then` or `else` stands here without the `if` that it would belong to."),
    (
        "E0084",
        "an `if` inside an operation",
        "Without parentheses it could not be seen where the last branch ends: `a + (if c then x else y)`.",
    ),
    (
        "E0085",
        "a `not` as an operand",
        "`not` binds more loosely than comparisons, so as an operand of one it needs parentheses.",
    ),
    ("E0086", "`? :`", "The choice of C, `c ? a : b`, is written `if c then a else b`."),
    (
        "E0087",
        "a range with a colon",
        "There are no ranges `a:b`. A part of an axis is `slice(x, N, 0, 100)`, and an axis that is taken whole need \
         not be written.",
    ),
    ("E0088", "a nameless function", "A function always has a name: `fn f(x) = …`, at the top of the program."),
    (
        "E0089",
        "an unknown unit",
        "The word behind a number is none of the units `nats`, `bits` and `spikes`. A product needs its `*`.",
    ),
    (
        "E0090",
        "an operator left out between two values",
        "Two values stand side by side. Put an operator or a comma between them, or open the second with a keyword.",
    ),
    (
        "E0091",
        "a value left out",
        "An operator, bracket or comma stands where a value is due. Write the value, or remove the operator that \
         waits for it.",
    ),
    (
        "E0092",
        "a statement that ends before its value",
        "The statement ends while an operator still waits for its value.",
    ),
    ("E0093", "an empty bracket", "An empty bracket says nothing. Write what should stand in it, or leave it away."),
    ("E0094", "a comma that nothing follows", "A comma announces one more element, and none follows."),
    (
        "E0095",
        "a pipe behind an operator",
        "`a + b |> f` could mean `(a + b) |> f` or `a + (b |> f)`. Parentheses say which.",
    ),
    (
        "E0096",
        "an operator behind a pipe",
        "`x |> f + 1` could pass x to `f`, or to `f + 1`. Put parentheses around the pipe.",
    ),
    ("E0097", "`elif` and the like", "A further case is written `else if`."),
    (
        "E0098",
        "a `for` inside an expression",
        "Operations run over whole axes, so a loop inside an expression is not needed: `sum(x^2, N)` in place of a \
         sum over a loop.",
    ),
    (
        "E0099",
        "something else than what is due here",
        "The text is understood up to this place, and what stands here cannot go on. The message says what could.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::CODES;

    /// Those listed are those that are said.
    #[test]
    fn the_table_is_complete() {
        let is_code = |w: &&str| w.len() == 5 && w.starts_with('E') && w.chars().skip(1).all(|c| c.is_ascii_digit());
        let said: BTreeSet<&str> = include_str!("messages.rs").split('"').filter(is_code).collect();
        let listed: Vec<&str> = CODES.iter().map(|c| c.0).collect();
        assert_eq!(said.into_iter().collect::<Vec<_>>(), listed);
    }
}
