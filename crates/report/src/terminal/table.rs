//! Tables of a ledger, laid out for a terminal.

use super::NAME;
use super::layout::{self, Align};
use crate::figures::elide;
use crate::ledger::{Cell, Column, Interval, Kind, Label, Room, Row, Span, Table, Tone, Value};

/// The width from which on there is room for longer headings, and for the reason beside each estimator.
const ROOMY: usize = 110;

/// The room that a page of this width has.
pub(crate) fn room(width: usize) -> Room {
    if width >= ROOMY { Room::Roomy } else { Room::Narrow }
}

impl Table {
    /// The table in so much room, with intervals drawn over `plot` columns, or not at all where that is 0.
    pub(crate) fn laid(&self, room: Room, plot: usize) -> layout::Table {
        let columns: Vec<(usize, &Column)> = self.columns.iter().enumerate().filter(|(_, c)| c.stands(room)).collect();
        let headings: Vec<(&str, Align)> = columns.iter().map(|(_, c)| (c.heading(room), c.kind.align())).collect();
        let mut laid = layout::Table::new(&self.title, &headings);
        let mut ruled = !self.ruled;
        for (place, row) in self.rows.iter().enumerate() {
            if row.sum && !ruled {
                laid.rule();
                ruled = true;
            }
            let cells =
                columns.iter().filter_map(|&(k, _)| row.cells.get(k).map(|cell| self.set(row, k, cell, room, plot)));
            laid.row(&row.label.span(row.tone), cells);
            for remark in self.remarks.iter().filter(|remark| remark.after == place + 1) {
                laid.remark(Span::faint(remark.text(|name| elide(name, NAME))));
            }
        }
        laid
    }

    /// A cell, with the reason that follows it where there is room.
    fn set(&self, row: &Row, column: usize, cell: &Cell, room: Room, plot: usize) -> Span {
        let mut text = match &cell.value {
            Value::Interval(interval) => interval.drawn(plot),
            _ => cell.written(room),
        };
        let next = self.columns.get(column + 1).filter(|next| next.kind == Kind::Reason && room >= Room::Roomy);
        let reason = next.and_then(|_| row.cells.get(column + 1)).filter(|reason| !reason.is_empty());
        if let Some(reason) = reason {
            text = format!("{text}: {}", reason.written(room));
        }
        Span::new(text, cell.tone)
    }
}

impl Column {
    /// Whether it is a column of its own in a terminal with so much room.
    fn stands(&self, room: Room) -> bool {
        self.kind != Kind::Reason && room >= self.from
    }
}

impl Kind {
    fn align(self) -> Align {
        match self {
            Self::Point => Align::Point,
            Self::Right => Align::Right,
            Self::Word => Align::Left,
            Self::Prose | Self::Reason => Align::Wrap,
        }
    }
}

impl Label {
    /// The label; a long name loses its middle.
    fn span(&self, tone: Tone) -> Span {
        let text = match self {
            Self::Name(name) => elide(name, NAME),
            Self::Term(kind, name) => format!("{:<10}  {}", kind.word(), elide(name, NAME)),
            Self::Element(name, place) => format!("{}{place}", elide(name, NAME)),
            Self::Text(text) | Self::Told(text, _) => text.clone(),
        };
        Span::new(text, tone)
    }
}

impl Interval {
    /// The interval as a line over so many columns.
    fn drawn(&self, columns: usize) -> String {
        let last = columns.saturating_sub(1);
        // The conversion saturates, and takes NaN to 0.
        let column = |part: f64| ((part * last as f64).round() as usize).min(last);
        let (from, median, to) = (column(self.from), column(self.at), column(self.to));
        let zero = self.zero.map(column);
        let draw = |column| match (column == median, (from..=to).contains(&column), Some(column) == zero) {
            (true, _, _) => '●',
            (_, true, true) => '┼',
            (_, true, false) => '─',
            (_, false, true) => '┊',
            (_, false, false) => ' ',
        };
        (0..columns).map(draw).collect()
    }
}
