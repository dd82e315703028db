//! Why a command ends otherwise than well, and its exit code.

use fe_syntax::Diagnostic;

/// A failure, by kind; each kind has one exit code.
#[derive(Debug)]
pub enum Failure {
    /// The program is wrong: diagnostics.
    Program(Vec<Diagnostic>),
    /// The command line is wrong.
    Usage(String),
    /// The data are wrong or missing: diagnostics at their readers.
    Data(Vec<Diagnostic>),
    /// The fit failed: a message, and where in the program.
    Fit(Diagnostic),
    /// With `--strict`: no convergence verdict.
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
            Self::Fit(_) => 4,
            Self::Unconverged(_) => 5,
            Self::Internal(_) => 70,
        }
    }
}
