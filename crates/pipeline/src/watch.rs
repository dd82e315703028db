//! What a caller sees of work while it goes on, and how it ends it early.

use fe_syntax::Diagnostic;
use fe_train::Monitor;

use crate::text::Text;

/// Watches work, and may end it. Everything but the end may be left unseen.
pub trait Watch: Sync {
    /// Warnings of a program, before it is fitted.
    fn warnings(&self, _text: &Text, _warnings: &[Diagnostic]) {}

    /// Something the user should know now.
    fn note(&self, _line: &str) {}

    /// Something that makes the figures mean less than they seem to.
    fn warn(&self, line: &str) {
        self.note(&format!("warning: {line}"));
    }

    /// A fit among a few begins: what watches it.
    fn fit(&self) -> Box<dyn Monitor + '_> {
        Box::new(Unseen(self))
    }

    /// So many fits begin, side by side.
    fn fits(&self, _total: usize) {}

    /// One of many fits is done; the line says which, and how it ended.
    fn done(&self, _line: &str) {}

    /// Whether the user wants an end: what runs is finished with what it has.
    fn stopped(&self) -> bool {
        false
    }
}

/// Nobody watches.
pub struct Unwatched;

impl Watch for Unwatched {}

/// A fit that is not shown, and ends with the work that it is a part of.
pub(crate) struct Unseen<'a, W: Watch + ?Sized>(pub &'a W);

impl<W: Watch + ?Sized> Monitor for Unseen<'_, W> {
    fn step(&mut self, _: u64, _: Option<u64>, _: f64) -> bool {
        !self.0.stopped()
    }

    fn note(&mut self, _: &str) {}
}
