//! The codes of what goes wrong between a program and its fit, as the documentation explains them.

/// Code, title and explanation, in order.
pub const CODES: &[(&str, &str, &str)] = &[
    (
        "E0801",
        "a way of fitting that the objective does not allow",
        "The method of fitting that the program asks for does not go with its objective, as L-BFGS does not with \
         fresh noise at every step.",
    ),
    (
        "E0850",
        "more than a machine holds, or than it could reckon",
        "Before anything is laid out, what a fit needs at least is added up: data, parameters and what the optimiser keeps \
         of them, noise, tables, products, what loops keep. Where that is more than the memory of the machine, or where one \
         value has more numbers than could be reckoned in a step, the largest array is named.",
    ),
    (
        "D0030",
        "a file that does not match its header",
        "The header, which the program was checked with, and the contents of the file disagree: it was probably \
         changed or cut in between.",
    ),
    (
        "D0031",
        "a value outside its type or its likelihood's support",
        "A value lies outside of the declared type, or where the likelihood cannot draw it, as 2.5 under a `Poisson` \
         does. The message names its place.",
    ),
    (
        "D0032",
        "a value beyond the ends of its truncation",
        "A truncated likelihood has no density beyond its ends, so that no fit could explain such a value. What is not to \
         count has the weight 0, `Weighted(Truncated(…), w)`, or is left out of the file.",
    ),
    (
        "D0033",
        "data that the caller gives, and did not",
        "`input` stands for data that come from outside of the program: a file of the command's `--data`, or an array from \
         Python.",
    ),
    (
        "D0034",
        "counts that do not add up to their trials",
        "Under a `Multinomial` or `DirichletMultinomial` the counts of a vector add up to the number of trials. Where that is \
         stated or computed from data, each row is held to it: with another total, the density would be of other trials than \
         were made, and the evidence wrong.",
    ),
    (
        "R0001",
        "a free energy that stopped being finite: the term, the step, the operation, its place and its operands",
        "The free energy became infinite or undefined in the course of the fit. The step is run again, operation by \
         operation, to find the first value that is not finite: the message names the term, the step, the place and \
         the operands. Often a smaller step size, a bounded rate or standardised predictors help.",
    ),
    (
        "R0002",
        "an index outside its axis",
        "An index computed from data points outside of its axis. It is an error of the data, so the exit code is 3.",
    ),
    (
        "R0010",
        "new data of another width or kind than those that the fit was made with",
        "`fe eval` takes a finished fit to new rows, which must have the widths and types of the old ones. Exit code \
         3.",
    ),
    (
        "R0011",
        "new data whose numbers of rows differ",
        "All arrays of new rows have the same number of rows. Exit code 3.",
    ),
    (
        "R0012",
        "a level of new text that the fit has not seen",
        "A column of text holds a level that was not among those of the fit, which has no parameter for it. Exit code \
         3.",
    ),
    (
        "R0020",
        "a program that does not go line by line",
        "`fe stream` makes one turn of the program's loop for each line. What reads all positions at once, a latent whose past \
         is not known, or a guide that is one for all rows of the fit has no part in a single turn. A guide that is stated from \
         what a line gives, or refined with the last posterior as the next prior, has one.",
    ),
    (
        "R0021",
        "a line of a stream that is not like the data",
        "A line gives each of the data that have rows or run along the loop, with as many numbers as a row of the fit had, and \
         may give the states that are written ahead. Exit code 3.",
    ),
];
