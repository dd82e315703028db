//! Tables of typed cells, which know neither terminal nor page.

use super::cell::{Cell, Room, Tone};
use crate::document::TermKind;

/// The kind of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Numbers, with their decimal points under each other.
    #[default]
    Point,
    /// Numbers with their units, with their right ends under each other.
    Right,
    /// Words.
    Word,
    /// Sentences, broken into lines; in a terminal the last column only.
    Prose,
    /// Reasons for the words of the column before: in a terminal set behind these after a colon, where there is room.
    Reason,
}

/// A column: its heading, in as many words as there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    pub(crate) kind: Kind,
    pub(crate) from: Room,
    narrow: &'static str,
    roomy: Option<&'static str>,
    page: Option<&'static str>,
}

impl Column {
    /// A column with this heading.
    pub const fn new(heading: &'static str, kind: Kind) -> Self {
        Self { kind, from: Room::Narrow, narrow: heading, roomy: None, page: None }
    }

    /// A column of numbers.
    pub const fn point(heading: &'static str) -> Self {
        Self::new(heading, Kind::Point)
    }

    /// A column of numbers with their units.
    pub const fn right(heading: &'static str) -> Self {
        Self::new(heading, Kind::Right)
    }

    /// A column of words.
    pub const fn word(heading: &'static str) -> Self {
        Self::new(heading, Kind::Word)
    }

    /// The column with this heading from a wide terminal on.
    #[must_use]
    pub const fn roomy(self, heading: &'static str) -> Self {
        Self { roomy: Some(heading), ..self }
    }

    /// The column with this heading on a page.
    #[must_use]
    pub const fn page(self, heading: &'static str) -> Self {
        Self { page: Some(heading), ..self }
    }

    /// The column, where there is so much room.
    #[must_use]
    pub const fn from(self, from: Room) -> Self {
        Self { from, ..self }
    }

    pub(crate) fn heading(&self, room: Room) -> &'static str {
        let roomy = self.roomy.unwrap_or(self.narrow);
        match room {
            Room::Narrow => self.narrow,
            Room::Roomy => roomy,
            Room::Page => self.page.unwrap_or(roomy),
        }
    }
}

/// The label of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Label {
    /// A name of the program, which may be long.
    Name(String),
    /// A term of the free energy: its kind and its name.
    Term(TermKind, String),
    /// An element of an array: the array's name, and the place.
    Element(String, String),
    /// Words.
    Text(String),
    /// The same in a terminal's few words, and in those of a page.
    Told(String, String),
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub(crate) label: Label,
    pub(crate) tone: Tone,
    pub(crate) cells: Vec<Cell>,
    pub(crate) sum: bool,
}

impl Row {
    /// A row.
    pub fn new(label: Label, cells: impl IntoIterator<Item = Cell>) -> Self {
        Self { label, tone: Tone::Plain, cells: cells.into_iter().collect(), sum: false }
    }

    /// A row that is a sum over rows before it.
    pub fn sum(label: Label, cells: impl IntoIterator<Item = Cell>) -> Self {
        Self { sum: true, ..Self::new(label, cells) }
    }

    /// The row with its label, and the first of its figures, standing out.
    #[must_use]
    pub fn strong(self) -> Self {
        let mut row = Self { tone: Tone::Strong, ..self };
        if let Some(cell) = row.cells.first_mut() {
            cell.tone = Tone::Strong;
        }
        row
    }
}

/// A remark below the rows that a table has so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remark {
    pub(crate) after: usize,
    before: String,
    name: String,
    rest: String,
}

impl Remark {
    /// The text, with the name in it, if there is one, made to fit.
    pub(crate) fn text(&self, fit: impl Fn(&str) -> String) -> String {
        format!("{}{}{}", self.before, fit(&self.name), self.rest)
    }
}

/// A table. A column without a cell that is filled is left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub(crate) title: String,
    pub(crate) caption: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Row>,
    pub(crate) remarks: Vec<Remark>,
    pub(crate) notes: Vec<&'static str>,
    pub(crate) ruled: bool,
}

impl Table {
    /// An empty table: its title in a terminal, its caption on a page, and the columns after the first, which names the
    /// rows.
    pub fn new(
        title: impl Into<String>,
        caption: impl Into<String>,
        columns: impl IntoIterator<Item = Column>,
    ) -> Self {
        let columns = columns.into_iter().collect();
        Self { title: title.into(), caption: caption.into(), columns, ..Self::default() }
    }

    /// The table with a rule above its sums.
    #[must_use]
    pub fn ruled(self) -> Self {
        Self { ruled: true, ..self }
    }

    /// The table with what a newcomer must know to read it, which a page has room for.
    #[must_use]
    pub fn explained(mut self, note: &'static str) -> Self {
        self.notes.push(note);
        self
    }

    /// Adds a row.
    pub fn row(&mut self, label: Label, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(Row::new(label, cells));
    }

    /// Says something below the rows that are there.
    pub fn remark(&mut self, text: impl Into<String>) {
        let (name, rest) = (String::new(), String::new());
        self.remarks.push(Remark { after: self.rows.len(), before: text.into(), name, rest });
    }

    /// Says something there of what has a name.
    pub(crate) fn remark_on(&mut self, before: &str, name: &str, rest: &str) {
        let (before, name, rest) = (before.into(), name.into(), rest.into());
        self.remarks.push(Remark { after: self.rows.len(), before, name, rest });
    }
}
