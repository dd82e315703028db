//! The text of `fit.json` and of an evaluation.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

/// The text of a [`Document`](crate::Document), `fit.json`, or of an [`Evaluation`](crate::Evaluation): indented, a
/// list of numbers on one line, ending in a newline, keys in the order of the fields.
pub fn json(document: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    let written = document.serialize(&mut Serializer::with_formatter(&mut bytes, Layout::default()));
    // Keys are strings, numbers are finite or null, and a Vec takes any byte: there is nothing here to fail.
    let text = written.map_err(|error| error.to_string());
    let text = text.and_then(|()| String::from_utf8(bytes).map_err(|error| error.to_string()));
    text.unwrap_or_else(|error| serde_json::json!({ "error": error }).to_string()) + "\n"
}

/// The last content of the innermost open bracket.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Last {
    #[default]
    Nothing,
    Number,
    /// A value on a line of its own.
    Line,
}

/// Two spaces a level, and numbers of a list beside each other.
#[derive(Default)]
struct Layout {
    depth: usize,
    last: Last,
    /// Whether an element of a list that is about to be written is the first; its kind decides whether it goes on a
    /// line of its own.
    element: Option<bool>,
}

impl Layout {
    fn new_line<W: ?Sized + Write>(&self, writer: &mut W) -> io::Result<()> {
        write!(writer, "\n{:1$}", "", 2 * self.depth)
    }

    fn number<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.last = Last::Number;
        if self.element.take() == Some(false) { writer.write_all(b" ") } else { Ok(()) }
    }

    fn line<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.last = Last::Line;
        if self.element.take().is_some() { self.new_line(writer) } else { Ok(()) }
    }

    fn open<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.line(writer)?;
        self.depth += 1;
        self.last = Last::Nothing;
        writer.write_all(bracket)
    }

    fn close<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth = self.depth.saturating_sub(1);
        if self.last == Last::Line {
            self.new_line(writer)?;
        }
        self.last = Last::Line;
        writer.write_all(bracket)
    }

    fn comma<W: ?Sized + Write>(writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b",") }
    }
}

impl Formatter for Layout {
    fn write_null<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.number(writer)?;
        CompactFormatter.write_null(writer)
    }

    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        self.number(writer)?;
        CompactFormatter.write_f64(writer, value)
    }

    fn begin_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.line(writer)?;
        CompactFormatter.begin_string(writer)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"[")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.element = Some(first);
        Self::comma(writer, first)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"]")
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"{")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        Self::comma(writer, first)?;
        self.new_line(writer)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.last = Last::Line;
        Ok(())
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"}")
    }
}
