//! Why the way from a program to its report ends early.

use fe_syntax::Diagnostic;

/// What is wrong, by kind. Diagnostics point at places of the program.
#[derive(Clone, Debug)]
pub enum Error {
    /// The program is wrong.
    Program(Vec<Diagnostic>),
    /// What the caller asks for cannot be had of this program or run.
    Request(String),
    /// One of the caller's options is wrong: a sentence that begins with its name, without the name.
    Option(OptionName, String),
    /// The data are wrong or missing: diagnostics at their readers.
    Data(Vec<Diagnostic>),
    /// The fit failed: what, and where in the program.
    Fit(Vec<Diagnostic>),
    /// The program is no text.
    Text(String),
    /// A file could not be read or written.
    Io(String),
    /// A fault of the compiler.
    Internal(String),
}

impl Error {
    /// What is wrong at places of the program.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Self::Program(d) | Self::Data(d) | Self::Fit(d) => d,
            Self::Request(_) | Self::Option(..) | Self::Text(_) | Self::Io(_) | Self::Internal(_) => &[],
        }
    }

    /// In a few words, where there is no room for the place.
    pub fn brief(&self) -> String {
        match self {
            Self::Program(d) | Self::Data(d) | Self::Fit(d) => d.first().map(|d| d.message.clone()).unwrap_or_default(),
            Self::Request(message) | Self::Text(message) | Self::Io(message) => message.clone(),
            Self::Option(option, said) => format!("{option} {said}"),
            Self::Internal(message) => fault(message).trim().to_owned(),
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.brief())
    }
}

impl std::error::Error for Error {}

/// An option that a caller may give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionName {
    /// Files in the place of those that the program reads.
    Data,
    /// Values of `const`s and `dim`s.
    Set,
    /// What is swept, and over which values.
    Over,
    /// How many seeds are fitted.
    Seeds,
    /// How many threads work.
    Threads,
    /// The probability that an interval holds.
    Interval,
    /// Steps beyond the end of chains.
    Ahead,
}

impl std::fmt::Display for OptionName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Data => "data",
            Self::Set => "set",
            Self::Over => "over",
            Self::Seeds => "seeds",
            Self::Threads => "threads",
            Self::Interval => "interval",
            Self::Ahead => "ahead",
        })
    }
}

/// What is said of a fault of the compiler.
pub fn fault(message: &str) -> String {
    format!("a fault of the compiler itself: {message}\nplease report it, with the program and the command\n")
}
