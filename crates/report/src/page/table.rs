//! Tables of a ledger as HTML.

use maud::{Markup, html};

use crate::ledger::{Cell, Column, Interval, Kind, Label, Room, Row, Table, Tone, Value};

impl Table {
    /// The table, with what is said of it below.
    pub(super) fn markup(&self) -> Markup {
        let filled = |k: usize| self.rows.iter().any(|r| r.cells.get(k).is_some_and(|cell| !cell.is_empty()));
        let columns: Vec<(usize, &Column)> = self.columns.iter().enumerate().filter(|(k, _)| filled(*k)).collect();
        // The first sum after rows that are none has a rule above it.
        let first = |k: usize| k > 0 && self.rows.get(k - 1).is_some_and(|before| !before.sum);
        html! {
            div class="scroll" tabindex="0" role="region" aria-label=(self.caption) {
                table {
                    caption { (self.caption) }
                    thead {
                        tr {
                            td {}
                            @for (_, column) in &columns {
                                th scope="col" class=(column.kind.class()) { (column.heading(Room::Page)) }
                            }
                        }
                    }
                    tbody {
                        @for (at, row) in self.rows.iter().enumerate() {
                            tr class=(row.classes(first(at))) {
                                th scope="row" { (row.label.on_page()) }
                                @for (k, column) in &columns {
                                    td class=(column.kind.class()) {
                                        @if let Some(cell) = row.cells.get(*k) { (cell.markup()) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            @for remark in &self.remarks { p { (remark.text(str::to_owned)) } }
            @for note in &self.notes { p class="note" { (note) } }
        }
    }
}

impl Row {
    fn classes(&self, first: bool) -> String {
        let classes = [("sum", self.sum), ("first", self.sum && first), ("strong", self.tone == Tone::Strong)];
        classes.iter().filter(|c| c.1).map(|c| c.0).collect::<Vec<_>>().join(" ")
    }
}

impl Label {
    fn on_page(&self) -> String {
        match self {
            Self::Name(text) | Self::Text(text) | Self::Told(_, text) => text.clone(),
            Self::Term(kind, name) => format!("{} {name}", kind.word()),
            Self::Element(name, place) => format!("{name}{place}"),
        }
    }
}

impl Kind {
    fn class(self) -> &'static str {
        match self {
            Self::Point | Self::Right => "figure",
            Self::Word | Self::Prose => "word-column",
            Self::Reason => "prose",
        }
    }
}

impl Tone {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Strong => "strong",
            Self::Faint => "faint",
            Self::Good => "good",
            Self::Doubtful => "doubtful",
            Self::Bad => "bad",
        }
    }
}

impl Cell {
    fn markup(&self) -> Markup {
        if let Value::Interval(interval) = &self.value {
            return interval.markup();
        }
        let text = self.written(Room::Page);
        // Strong and faint cells stand out or back by their row or their column.
        match self.tone {
            Tone::Plain | Tone::Strong | Tone::Faint => html! { (text) },
            tone => html! { span class=(tone.class()) { (text) } },
        }
    }
}

impl Interval {
    fn markup(&self) -> Markup {
        let percent = |part: f64| format!("{:.2}%", 100.0 * part.clamp(0.0, 1.0));
        let Self { from, at, to, .. } = *self;
        html! {
            span class="interval" aria-hidden="true" {
                i style=(format!("left:{};width:{}", percent(from), percent(to - from))) {}
                b style=(format!("left:{}", percent(at))) {}
            }
        }
    }
}
