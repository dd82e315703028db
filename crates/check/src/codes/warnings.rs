//! W0100 to W0199: legal but doubtful.

/// Code, title and explanation, in order.
pub const CODES: &[(&str, &str, &str)] = &[
    (
        "W0101",
        "a name that is never used",
        "A `data`, `param`, `let` or `latent` that nothing reads changes nothing. It is often a misspelt name \
         elsewhere.",
    ),
    (
        "W0102",
        "a latent that no data depend on",
        "Nothing that is observed or lost depends on this latent, so its posterior is its prior.",
    ),
    (
        "W0103",
        "a variance where a standard deviation is due",
        "Some languages give a normal distribution by its variance or precision. Here the second argument is the \
         standard deviation; a name that looks like a variance is pointed out. `variance = v` says that one is meant.",
    ),
    (
        "W0104",
        "a rate that can overflow",
        "An exponential of what grows without end can overflow early in a fit. Bound what stands inside, or use \
         `softplus`.",
    ),
    (
        "W0105",
        "a matrix of all columns that holds other data too",
        "A table read without names is a matrix of all its columns of numbers, and one of them is other data of the \
         program: a response among its own predictors, perhaps. `all but` leaves columns out.",
    ),
    (
        "W0106",
        "a loop in which nothing looks back",
        "A loop is a chain: what it runs over is one whole, whose positions depend on one another, and so is no axis of rows that \
         could be taken in batches, left out one at a time, or predicted anew. Where no position looks at another, the same \
         statements without the loop say the same, and rows are rows.",
    ),
    (
        "W0107",
        "an index compared with the size of its axis",
        "The name of an axis, used as a value, is its size. An index counts from 0 to one less, and is never equal to it. A level is \
         written by its name, in quotes, or by its number.",
    ),
];
