//! The codes of errors in data, as the documentation explains them.

use crate::Kind;

/// Kind, title and explanation, in the order of their codes.
pub const CODES: &[(Kind, &str, &str)] = &[
    (
        Kind::FileNotFound,
        "the file does not exist",
        "No file is found under the path, which is relative to the folder of the program.",
    ),
    (Kind::NotAFile, "the path names a directory, a pipe or a device", "A reader opens ordinary files."),
    (
        Kind::Unreadable,
        "the operating system refused to read the file",
        "The file exists, and may not be read, or reading it failed.",
    ),
    (Kind::Empty, "the file, or the array in it, holds nothing", "There is no element to read."),
    (
        Kind::Pattern,
        "a pattern matches no file, or several where one is due",
        "A pattern with `*` is matched when the program is read. Some readers take every file that matches, others \
         need exactly one.",
    ),
    (
        Kind::Format,
        "the file is not in the format its reader reads",
        "The beginning of the file is not that of its format. Check the name, and whether a download brought a page \
         of HTML in its place.",
    ),
    (
        Kind::Truncated,
        "the file ends before what its header announces",
        "The file is cut short: it was probably copied or downloaded in part.",
    ),
    (
        Kind::TrailingBytes,
        "the file goes on after what its header announces",
        "More follows than the header announces, so one of the two is wrong.",
    ),
    (
        Kind::ElementType,
        "elements of a type that is not a number (object, complex, string, …)",
        "Only numbers are read. Save the array as floats or integers; text in a csv file may be levels of an `index`.",
    ),
    (
        Kind::TooLarge,
        "sizes that overflow, that the file cannot hold, or that are a decompression bomb",
        "Every size is checked against what the file can hold before memory is taken.",
    ),
    (
        Kind::UnknownName,
        "no column, key or array has the name asked for",
        "The message lists the names that there are.",
    ),
    (
        Kind::Ambiguous,
        "several arrays or columns fit, and the program must say which",
        "Several arrays or columns are in the file. Name one, as the reader's second argument.",
    ),
    (
        Kind::Ragged,
        "rows or nested arrays of different lengths",
        "The rows of a table, or the lists of an array, are not all of one length.",
    ),
    (
        Kind::MixedTypes,
        "numbers and something else in one column or array",
        "Most cells of the column are numbers and at least one is not: the message names the cell. A mark for missing \
         values is one of those that the language reference lists, with a type such as `real?`.",
    ),
    (
        Kind::Missing,
        "a missing value where none is allowed",
        "The cell is empty or marked as missing. Declare the data with `?`, as in `real?`, where a missing value \
         should drop its own likelihood; otherwise remove the row.",
    ),
    (
        Kind::NonFinite,
        "a value that is not finite",
        "An infinite or undefined number would make the free energy one too.",
    ),
    (Kind::Encoding, "text that is not UTF-8", "Save the file as UTF-8."),
    (
        Kind::ImageSizes,
        "images of different sizes in one array",
        "All images of one array have the same height and width.",
    ),
    (
        Kind::PatchTooLarge,
        "a patch, or a border, that does not fit into an image",
        "The patches are larger than an image, less its border.",
    ),
    (
        Kind::Argument,
        "an argument of a reader outside its range",
        "The reader understands the argument, and its value is outside of what it may be.",
    ),
    (
        Kind::Stage,
        "a preprocessing stage where it has no meaning",
        "The preprocessing does not apply to what the reader gives: patches are whitened, rows are standardised.",
    ),
    (
        Kind::Constant,
        "a column, or every patch, without any variation",
        "Standardising divides by the standard deviation, and this one is 0. Remove the column.",
    ),
    (
        Kind::Level,
        "values that are no categories, or a level that the order stated lacks",
        "`categories` takes texts and whole numbers. Where it states the levels in their order, it states all of them.",
    ),
    (
        Kind::Date,
        "what should be a date and is none",
        "`days` reads dates in the form 2020-01-31, with or without a time of day behind them.",
    ),
];

#[cfg(test)]
mod tests {
    use super::CODES;

    /// Every kind is listed: its documentation begins with its code.
    #[test]
    fn the_table_is_complete() {
        let kinds = include_str!("error.rs").lines().filter_map(|l| l.trim().strip_prefix("/// D0"));
        let stated: Vec<String> = kinds.filter_map(|l| Some(format!("D0{}", l.split_once(':')?.0))).collect();
        let listed: Vec<&str> = CODES.iter().map(|c| c.0.code()).collect();
        assert_eq!(stated, listed);
    }
}
