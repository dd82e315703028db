//! E0100 to E0199: names, structure, calls of functions.

/// Code, title and explanation, in order.
pub const CODES: &[(&str, &str, &str)] = &[
    (
        "E0100",
        "a name declared twice",
        "Axes and values share one set of names, and each name means one thing in the whole program. Rename one of \
         the two.",
    ),
    (
        "E0101",
        "declarations in a circle",
        "Statements may come in any order, but each must be computable from others. Here each of several waits for \
         the next, in a circle. What follows its own past is a chain: `for t in T { let s[t] = … s[t-1] … }`.",
    ),
    (
        "E0102",
        "an unknown name",
        "The name is used and nowhere declared. Where a declared name is close, it is suggested.",
    ),
    (
        "E0103",
        "an unknown function",
        "The name is called like a function, and no function has it. Functions are those of the reference, and your \
         own, declared by `fn`. Some of NumPy's and Stan's go by other names here, and the message says which.",
    ),
    (
        "E0104",
        "a function used as a value",
        "A function is no value that could be added or passed around. Call it, or pipe a value into it.",
    ),
    (
        "E0105",
        "a value called like a function",
        "A value is followed by round brackets. An element is picked with square ones, `m[area]`, and a product needs \
         its `*`.",
    ),
    (
        "E0106",
        "a wrong number of arguments",
        "The function takes another number of arguments. The message shows how it is called.",
    ),
    (
        "E0107",
        "an argument by a name that the function does not have",
        "The function has no argument of that name. Reductions name their axis, `sum(x, D)`, in place of a numbered \
         `axis = 1`.",
    ),
    (
        "E0108",
        "too many calls of functions",
        "Every call of a function is written out where it stands, so functions that call functions multiply. Past the \
         limit the program is refused, before memory is exhausted.",
    ),
    (
        "E0109",
        "an expression that nests too deeply",
        "After functions are written out, the expression is nested too deeply. Name parts of it with `let`.",
    ),
    (
        "E0110",
        "a pipe into something that is no function",
        "`x |> f` passes x to `f` as its first argument, so a function's name or call stands behind the pipe.",
    ),
    (
        "E0111",
        "a text where a value is due",
        "Text names files, columns and titles, and has no numerical value. Names of the program stand without quotes.",
    ),
    (
        "E0112",
        "a statement that may stand once, twice",
        "A program has one `model`, one `minimize` and one `train`. Keep one of the two.",
    ),
    (
        "E0113",
        "--set of something that is no const or dim",
        "`--set` replaces the value of a `const` or the size of a `dim`. This name is neither. It is a mistake of the \
         command line, so the exit code is 2.",
    ),
    (
        "E0114",
        "--set to something that is no number",
        "The value behind `--set NAME=` is no number. It is a mistake of the command line, so the exit code is 2.",
    ),
    (
        "E0115",
        "a number that is not known at compile time",
        "Sizes, types, schedules and bounds are fixed before anything is fitted, so only numbers, `const`s and sizes \
         of axes may stand in them.",
    ),
    (
        "E0116",
        "a number that is not finite",
        "A number that is known at compile time came out infinite or not a number. Look for a division by zero or a \
         logarithm of zero.",
    ),
    (
        "E0117",
        "a number that is not whole",
        "What counts something is a whole number: a size, a batch, a number of steps.",
    ),
    ("E0118", "a number that is not positive", "The quantity has a meaning only above 0."),
    ("E0119", "a division by zero", "The divisor is known to be 0."),
    (
        "E0120",
        "a distribution used as a value",
        "A distribution is not a number. Give the random quantity a name with `latent z ~ …`, and use `z`.",
    ),
    (
        "E0121",
        "a starting draw used as a value",
        "`normal(…)` and `uniform(…)` in lower case draw where a `param` starts, and stand nowhere else.",
    ),
    (
        "E0122",
        "preprocessing that is not behind a reader",
        "`whiten`, `standardize` and the like take their statistics from the training rows when a file is read, so \
         they stand directly behind a reader.",
    ),
    (
        "E0123",
        "a reader outside of data",
        "Files are read by `data` declarations alone, so that all that a program depends on is seen at its top.",
    ),
    ("E0124", "a condition that is not true or false", "A condition must be a comparison or another truth value."),
    (
        "E0125",
        "nothing observed and nothing lost",
        "A free energy needs data, or a cost. Without an `observe` or a `loss` every guide would just become its \
         prior.",
    ),
    (
        "E0126",
        "a primed value",
        "A prime makes a second copy of an axis, and this name is used as a value. A matrix over an axis and its copy \
         is `F[S, S']`.",
    ),
    (
        "E0127",
        "a meter of something that is no let or latent",
        "A meter reports on values that are computed or inferred, that is, on a `let` or a `latent`.",
    ),
    (
        "E0128",
        "an unknown picture",
        "`show … as` takes one of a few kinds of pictures. The message suggests the nearest.",
    ),
    (
        "E0129",
        "a picture whose sizes do not fit",
        "A picture of h × w pixels shows an array whose last axis holds h · w numbers. A map of h × w cells is of a choice \
         that sees a state of h · w values.",
    ),
    ("E0130", "a price of something that is no spike", "A `price` says what a spike costs; nothing else has one."),
    (
        "E0131",
        "a price without a unit of its own",
        "A price converts spikes to a unit of your own, such as ATP, which is named behind the number. Nats per spike \
         are a weight of `energy` in `minimize`.",
    ),
    ("E0132", "a price that is not positive", "A price of zero or less would report nothing, or a gain."),
    (
        "E0133",
        "an unknown argument of a distribution",
        "The distribution has no argument of this name in any of its forms. The message lists the forms.",
    ),
    (
        "E0134",
        "arguments of different parameterizations",
        "A distribution may be given in several forms, such as `Normal(mean, sd)` and `Normal(mean, variance = v)`. \
         These arguments belong to different ones.",
    ),
    (
        "E0135",
        "too many arguments of a distribution",
        "The distribution takes fewer arguments. How many are drawn is not an argument: sizes stand on the left, as \
         axes.",
    ),
    ("E0136", "a missing argument of a distribution", "The distribution lacks an argument that has no default."),
    ("E0137", "an argument given twice", "An argument is given by place and by name, or twice by name."),
    ("E0138", "a program without statements", "The file is empty, or holds comments alone."),
    (
        "E0139",
        "words of another place",
        "`where` stands before the condition of `holdout`, and `all but` before the columns that a reader leaves out.",
    ),
];
