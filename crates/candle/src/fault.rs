//! Errors while a node is computed, before it is known which.

use fe_graph::{ExecutionError, Origin};

/// A failure without its place in the program.
#[derive(Debug)]
pub enum Fault {
    /// Something to be told to the user.
    Message(String),
    /// An index outside its axis.
    Index {
        /// The index.
        value: f64,
        /// The extent of the axis.
        extent: usize,
    },
    /// A failure that knows its place: inside a loop.
    Placed(ExecutionError),
}

impl Fault {
    /// The failure of a node that came from `origin`.
    pub fn at(self, origin: Origin) -> ExecutionError {
        match self {
            Fault::Message(message) => ExecutionError::Backend { message, origin },
            Fault::Index { value, extent } => ExecutionError::Index { origin, value, extent },
            Fault::Placed(error) => error,
        }
    }
}

impl From<&str> for Fault {
    fn from(message: &str) -> Self {
        Fault::Message(message.into())
    }
}

impl From<candle_core::Error> for Fault {
    fn from(error: candle_core::Error) -> Self {
        Fault::Message(error.to_string().lines().next().unwrap_or_default().into())
    }
}

impl From<ExecutionError> for Fault {
    fn from(error: ExecutionError) -> Self {
        Fault::Placed(error)
    }
}
