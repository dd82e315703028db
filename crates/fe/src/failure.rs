//! Why a command ends otherwise than well, and its exit code.

use fe_pipeline::{Error, Text, fault};
use fe_syntax::{Diagnostic, Severity};

/// A failure, by kind; each kind has one exit code.
#[derive(Debug)]
pub enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// What the pipeline found wrong, at places of this program where it is known.
    Pipeline(Error, Option<Box<Text>>),
    /// Some of many fits failed.
    Fits(String),
    /// With `--strict`: a fit that is not to be relied on, and why.
    Unconverged(String),
    /// Files are not in the canonical layout.
    Unformatted,
    /// Diagnostics were said already; the code that they end with.
    Said(u8),
    /// Standard output or a file of the command's own could not be written.
    Io(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Pipeline(error, None)
    }
}

/// Has an error point at places of a program.
pub fn at(text: &Text) -> impl Fn(Error) -> Failure {
    |error| Failure::Pipeline(error, Some(Box::new(text.clone())))
}

impl Failure {
    /// The command line is wrong in this way.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Pipeline(error, _) => code(error),
            Self::Unformatted => 1,
            Self::Usage(_) | Self::Io(_) => 2,
            Self::Fits(_) => 4,
            Self::Unconverged(_) => 5,
            Self::Said(code) => *code,
        }
    }

    /// What is wrong at places of a program.
    pub fn diagnostics(&self) -> Option<(&Text, &[Diagnostic])> {
        match self {
            Self::Pipeline(error, Some(text)) => Some((text, error.diagnostics())),
            _ => None,
        }
    }

    /// What is said below the diagnostics: lines, or nothing.
    pub fn message(&self) -> String {
        match self {
            Self::Pipeline(error @ (Error::Program(_) | Error::Data(_) | Error::Fit(_)), _) => {
                match error.diagnostics().iter().filter(|d| d.severity == Severity::Error).count() {
                    0 | 1 => String::new(),
                    errors => format!("{errors} errors\n"),
                }
            }
            Self::Pipeline(Error::Internal(message), _) => format!("fe: {}", fault(message)),
            Self::Pipeline(Error::Option(option, said), _) => format!("fe: --{option} {said}\n"),
            Self::Pipeline(Error::Request(message) | Error::Text(message) | Error::Io(message), _) => {
                format!("fe: {message}\n")
            }
            Self::Usage(message) | Self::Io(message) => format!("fe: {message}\n"),
            Self::Unconverged(test) | Self::Fits(test) => format!("fe: {test}\n"),
            Self::Unformatted | Self::Said(_) => String::new(),
        }
    }
}

/// The exit code of an error of the pipeline.
pub fn code(error: &Error) -> u8 {
    match error {
        Error::Program(_) | Error::Text(_) => 1,
        Error::Request(_) | Error::Option(..) | Error::Io(_) => 2,
        Error::Data(_) => 3,
        Error::Fit(_) => 4,
        Error::Internal(_) => 70,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_the_compiler_says_so_and_asks_for_a_report() {
        let failure = Failure::from(Error::Internal("an input was not given".into()));
        assert_eq!(failure.code(), 70);
        assert_eq!(
            failure.message(),
            "fe: a fault of the compiler itself: an input was not given\nplease report it, with the program and the command\n"
        );
    }
}
