//! Syntax tree to program: names, axes, supports, guides; elaboration into graph expressions.

mod program;
mod source;

pub use program::*;
pub use source::*;
