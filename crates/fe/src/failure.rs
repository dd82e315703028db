//! Why a command ends otherwise than well, and its exit code.

use fe_syntax::{Diagnostic, Severity};

/// A failure, by kind; each kind has one exit code.
#[derive(Debug)]
pub enum Failure {
    /// The program is wrong: diagnostics.
    Program(Vec<Diagnostic>),
    /// The command line is wrong.
    Usage(String),
    /// The data are wrong or missing: diagnostics at their readers.
    Data(Vec<Diagnostic>),
    /// The fit failed: what, and where in the program.
    Fit(Vec<Diagnostic>),
    /// Some of many fits failed.
    Fits(String),
    /// With `--strict`: a fit that is not to be relied on, and why.
    Unconverged(String),
    /// Files are not in the canonical layout.
    Unformatted,
    /// A file could not be read or written.
    Io(String),
    /// A fault of the compiler.
    Internal(String),
}

impl Failure {
    /// The same failure, its diagnostics said already.
    pub fn silenced(self) -> Self {
        match self {
            Self::Program(_) => Self::Program(vec![]),
            Self::Data(_) => Self::Data(vec![]),
            other => other,
        }
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Program(_) | Self::Unformatted => 1,
            Self::Usage(_) | Self::Io(_) => 2,
            Self::Data(_) => 3,
            Self::Fit(_) | Self::Fits(_) => 4,
            Self::Unconverged(_) => 5,
            Self::Internal(_) => 70,
        }
    }

    /// What is wrong at places of the program.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Self::Program(d) | Self::Data(d) | Self::Fit(d) => d,
            _ => &[],
        }
    }

    /// In a few words, where there is no room for the place.
    pub fn brief(&self) -> String {
        match self.diagnostics() {
            [] => self.message().trim().trim_start_matches("fe: ").to_owned(),
            [first, ..] => first.message.clone(),
        }
    }

    /// What is said below the diagnostics: lines, or nothing.
    pub fn message(&self) -> String {
        match self {
            Self::Program(d) | Self::Data(d) | Self::Fit(d) => {
                match d.iter().filter(|d| d.severity == Severity::Error).count() {
                    0 | 1 => String::new(),
                    errors => format!("{errors} errors\n"),
                }
            }
            Self::Usage(message) | Self::Io(message) => format!("fe: {message}\n"),
            Self::Unconverged(test) | Self::Fits(test) => format!("fe: {test}\n"),
            Self::Internal(message) => fault(message),
            Self::Unformatted => String::new(),
        }
    }
}

/// What is said of a fault of the compiler.
pub fn fault(message: &str) -> String {
    format!("fe: a fault of the compiler itself: {message}\nplease report it, with the program and the command\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_the_compiler_says_so_and_asks_for_a_report() {
        let failure = Failure::Internal("an input was not given".into());
        assert_eq!(failure.code(), 70);
        assert_eq!(
            failure.message(),
            "fe: a fault of the compiler itself: an input was not given\nplease report it, with the program and the command\n"
        );
    }
}
