//! E0600 to E0699: data and their readers.

/// Code, title and explanation, in order.
pub const CODES: &[(&str, &str, &str)] = &[
    (
        "E0600",
        "data without a reader",
        "`data` says where its values come from: a reader with a file, or a list of numbers. What is computed from \
         data is a `let`.",
    ),
    ("E0601", "data with two readers", "Each `data` declaration reads one file. Read two, and join them in a `let`."),
    ("E0602", "an unknown reader", "No reader has this name."),
    ("E0603", "an unknown argument of a reader", "The reader has no such argument. The message lists those it has."),
    ("E0604", "too many arguments of a reader", "The reader takes fewer arguments."),
    ("E0605", "a missing argument of a reader", "The reader lacks an argument, such as its file or column."),
    (
        "E0606",
        "an argument of a reader that is no text",
        "Files, columns and fields are named by text in double quotes.",
    ),
    (
        "E0607",
        "a reader that needs the size of another file",
        "Arguments of readers are known before any file is read, so they cannot depend on sizes that a file gives.",
    ),
    ("E0608", "an array declared as a single number", "The file holds an array, and the name has no axes."),
    (
        "E0609",
        "more axes than the file has dimensions",
        "An array has at least as many dimensions as its declaration has axes. More of them flatten into the last \
         axis.",
    ),
    (
        "E0610",
        "sizes that differ",
        "All arrays that share an axis have the same size along it. Either the data are not what they seem, or these \
         are two axes and need two names.",
    ),
    ("E0611", "data without elements", "The file has no rows, or no columns, along this axis."),
    (
        "E0612",
        "text where numbers are due",
        "A column of text is read as levels, numbered from 0 in their order, where it is declared as an `index`; or as \
         yes and no, where it is compared with the level that is yes.",
    ),
    (
        "E0613",
        "a text column with another number of levels",
        "An axis that a column of text counts along has one element for each level.",
    ),
    ("E0614", "data that depend on what is fitted", "Data are fixed before the fit. Compute with them in a `let`."),
    ("E0615", "a switch that is neither on nor off", "The argument is `true` or `false`, written so, without quotes."),
    (
        "E0616",
        "days without the date that they are counted from",
        "A column of dates becomes numbers by the date that counts as 0, so that new rows are counted from the same.",
    ),
    ("E0617", "a level stated twice", "`categories` states each level once, in the order of their numbers."),
    (
        "E0618",
        "a level that is no text",
        "`categories` takes the levels in their order, as texts or numbers. Without any they are sorted.",
    ),
    (
        "E0619",
        "a condition of a reader without quotes",
        "A reader's condition is about columns of its file, whatever the program calls them: so it is a text.",
    ),
    ("E0620", "a condition of a reader that cannot be read", "The message says what is wrong with its text."),
    (
        "E0621",
        "a condition of a reader that compares nothing",
        "A condition compares columns with numbers or texts, and joins comparisons by `and`, `or` and `not`.",
    ),
];
