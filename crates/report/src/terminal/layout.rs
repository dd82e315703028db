//! Lines of toned text, and tables of them, within a width.
//!
//! Table crates (comfy-table, tabled) neither put decimal points under each other nor leave out a column that is empty nor
//! shorten names before figures, and textwrap breaks plain text, not runs of several tones: all that would be left to them
//! is the padding of a cell. The width of characters is unicode-width's.

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use crate::figures::elide;
use crate::ledger::{NO_BREAK, Span, Tone};

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Faint => Style::new().dimmed(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Doubtful => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
        }
    }
}

impl Span {
    fn width(&self) -> usize {
        self.text.width()
    }
}

/// Text as it grows, line by line.
pub(crate) struct Page {
    pub(crate) width: usize,
    colour: bool,
    text: String,
}

impl Page {
    pub(crate) fn new(width: usize, colour: bool) -> Self {
        Self { width, colour, text: String::new() }
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    pub(crate) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// One line as it is, however long, without the spaces at its end; no-break spaces have done their duty.
    fn line(&mut self, spans: &[Span]) {
        let used = spans.iter().rposition(|span| !span.text.trim_end().is_empty()).map_or(0, |last| last + 1);
        for (place, span) in spans.iter().take(used).enumerate() {
            let text = span.text.replace(NO_BREAK, " ");
            let text = if place + 1 == used { text.trim_end() } else { &text };
            if self.colour && span.tone != Tone::Plain && !text.trim().is_empty() {
                let style = span.tone.style();
                // Padding stays outside the style.
                let word = text.trim();
                let (before, after) = text.split_once(word).unwrap_or_default();
                self.text.push_str(&format!("{before}{style}{word}{style:#}{after}"));
            } else {
                self.text.push_str(text);
            }
        }
        self.text.push('\n');
    }

    /// Text behind `lead`, broken between words; it begins at column `indent`, as do the lines after the first. Words
    /// of two spans are set apart only where one of them says so by a space.
    pub(crate) fn paragraph(&mut self, lead: Span, indent: usize, spans: &[Span]) {
        let padding = " ".repeat(indent.saturating_sub(lead.width()));
        let mut used = lead.width() + padding.width();
        let mut line = vec![lead, Span::plain(padding)];
        let (mut begun, mut room) = (false, true);
        for span in spans {
            for (place, word) in span.text.split(' ').enumerate() {
                room |= place > 0;
                if word.is_empty() {
                    continue;
                }
                let gap = if begun && room { " " } else { "" };
                if begun && room && used + gap.len() + word.width() > self.width {
                    self.line(&line);
                    line = vec![Span::plain(" ".repeat(indent)), Span::new(word, span.tone)];
                    used = indent + word.width();
                } else {
                    used += gap.len() + word.width();
                    match line.last_mut() {
                        Some(last) if last.tone == span.tone => last.text.extend([gap, word]),
                        _ => line.extend([Span::plain(gap), Span::new(word, span.tone)]),
                    }
                }
                (begun, room) = (true, false);
            }
        }
        self.line(&line);
    }

    pub(crate) fn table(&mut self, table: &Table) {
        for line in table.lines(self.width) {
            self.line(&line);
        }
    }
}

/// The alignment of a column's cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
    /// Decimal points under each other.
    Point,
    /// Left, and broken into lines where the page ends; the last column only.
    Wrap,
}

enum Row {
    Head(Vec<Span>),
    Body(Vec<Span>),
    Remark(Span),
    Rule,
}

/// A table. A column whose body is empty is left out, with its heading.
pub(crate) struct Table {
    align: Vec<Align>,
    rows: Vec<Row>,
}

/// Spaces between columns where there is room, and where there is not.
const GAPS: [usize; 2] = [3, 2];

/// The narrowest that a wrapped column gets.
const NARROWEST: usize = 16;

/// The narrowest that labels get, with the two columns that they are set in.
const NARROWEST_LABEL: usize = 10;

/// The indent of a rule.
const INDENT: usize = 2;

impl Table {
    /// A table whose first heading is the title of its section.
    pub(crate) fn new(title: &str, columns: &[(&str, Align)]) -> Self {
        let mut head = vec![Span::strong(title)];
        head.extend(columns.iter().map(|(name, _)| Span::faint(name)));
        let align = std::iter::once(Align::Left).chain(columns.iter().map(|&(_, align)| align)).collect();
        Self { align, rows: vec![Row::Head(head)] }
    }

    /// A row: its label, set in under the title, and its cells.
    pub(crate) fn row(&mut self, label: &Span, cells: impl IntoIterator<Item = Span>) {
        let label = Span::new(format!("{}{}", " ".repeat(INDENT), label.text), label.tone);
        self.rows.push(Row::Body(std::iter::once(label).chain(cells).collect()));
    }

    /// A line across the columns, which may be wider than they are.
    pub(crate) fn remark(&mut self, text: Span) {
        self.rows.push(Row::Remark(text));
    }

    pub(crate) fn rule(&mut self) {
        self.rows.push(Row::Rule);
    }

    fn body(&self) -> impl Iterator<Item = &Vec<Span>> {
        self.rows.iter().filter_map(|row| if let Row::Body(cells) = row { Some(cells) } else { None })
    }

    /// Each column's width of the part after the decimal point, and its whole width; 0 for one that is left out.
    fn columns(&self) -> Vec<(usize, usize)> {
        let mut columns = Vec::with_capacity(self.align.len());
        for (place, &align) in self.align.iter().enumerate() {
            let cells = || self.body().filter_map(move |cells| cells.get(place)).filter(|cell| cell.width() > 0);
            let fraction = if align == Align::Point { cells().map(fraction).max().unwrap_or(0) } else { 0 };
            let body = cells().map(|cell| cell.width() + missing(cell, align, fraction)).max().unwrap_or(0);
            let head =
                self.rows.iter().filter_map(|row| if let Row::Head(cells) = row { cells.get(place) } else { None });
            let head = head.map(Span::width).max().unwrap_or(0);
            columns.push((fraction, if body == 0 { 0 } else { body.max(head) }));
        }
        columns
    }

    /// Columns taken by the table: with the wider gaps, and with the narrower.
    pub(crate) fn widths(&self) -> [usize; 2] {
        GAPS.map(|gap| total(&self.columns(), gap))
    }

    /// The lines of the table.
    fn lines(&self, page: usize) -> Vec<Vec<Span>> {
        let mut columns = self.columns();
        let wraps = self.align.last() == Some(&Align::Wrap);
        // A wrapped column gives way before the gaps do, as far as it can.
        let natural = |gap: usize| {
            let last = columns.last().map_or(0, |column| column.1);
            total(&columns, gap) - if wraps { last.saturating_sub(NARROWEST) } else { 0 }
        };
        let gap = GAPS.into_iter().find(|&gap| natural(gap) <= page).unwrap_or(GAPS[1]);
        if wraps && total(&columns, gap) > page {
            let over = total(&columns, gap) - page;
            if let Some(last) = columns.last_mut() {
                last.1 = last.1.saturating_sub(over).max(NARROWEST.min(last.1));
            }
        }
        let over = total(&columns, gap).saturating_sub(page);
        if let Some((_, label)) = columns.first_mut() {
            *label = label.saturating_sub(over).max(self.narrowest_label()).min(*label);
        }
        let mut lines = Vec::new();
        for row in &self.rows {
            match row {
                Row::Rule => {
                    let length = total(&columns, gap).saturating_sub(INDENT);
                    lines.push(vec![Span::plain(" ".repeat(INDENT)), Span::faint("─".repeat(length))]);
                }
                Row::Remark(text) => lines.push(vec![Span::plain(" ".repeat(INDENT)), text.clone()]),
                Row::Head(cells) => lines.extend(self.set(cells, &columns, gap, false)),
                Row::Body(cells) => lines.extend(self.set(cells, &columns, gap, true)),
            }
        }
        lines
    }

    /// The width that the column of labels keeps when the others need its room.
    fn narrowest_label(&self) -> usize {
        let title = self.rows.iter().find_map(|row| if let Row::Head(cells) = row { cells.first() } else { None });
        title.map_or(0, Span::width).max(NARROWEST_LABEL)
    }

    /// One row, as several lines where its last cell is broken.
    fn set(&self, cells: &[Span], columns: &[(usize, usize)], gap: usize, points: bool) -> Vec<Vec<Span>> {
        let mut line = Vec::new();
        let mut more = Vec::new();
        let mut used = 0;
        for ((cell, &align), &(fraction, width)) in cells.iter().zip(&self.align).zip(columns) {
            if width == 0 {
                continue;
            }
            if !line.is_empty() {
                line.push(Span::plain(" ".repeat(gap)));
                used += gap;
            }
            let mut cell = cell.clone();
            if line.is_empty() {
                let name = cell.text.trim_start();
                let indent = cell.text.len() - name.len();
                cell.text = " ".repeat(indent) + &elide(name, width.saturating_sub(indent));
            }
            if align == Align::Wrap {
                let mut pieces = wrap(&cell.text, width).into_iter();
                cell.text = pieces.next().unwrap_or_default();
                more.extend(pieces.map(|piece| vec![Span::plain(" ".repeat(used)), Span::new(piece, cell.tone)]));
            }
            if points {
                cell.text.push_str(&" ".repeat(missing(&cell, align, fraction)));
            }
            let padding = " ".repeat(width.saturating_sub(cell.width()));
            match align {
                Align::Left | Align::Wrap => cell.text.push_str(&padding),
                Align::Right | Align::Point => cell.text.insert_str(0, &padding),
            }
            line.push(cell);
            used += width;
        }
        let mut lines = vec![line];
        lines.extend(more);
        lines
    }
}

/// Width of a number from its decimal point on.
fn fraction(cell: &Span) -> usize {
    cell.text.find('.').and_then(|point| cell.text.get(point..)).map_or(0, UnicodeWidthStr::width)
}

/// The spaces to the right of a cell that put its decimal point under the others.
fn missing(cell: &Span, align: Align, fraction_width: usize) -> usize {
    if align == Align::Point { fraction_width.saturating_sub(fraction(cell)) } else { 0 }
}

fn total(columns: &[(usize, usize)], gap: usize) -> usize {
    let shown = columns.iter().filter(|column| column.1 > 0).count();
    columns.iter().map(|column| column.1).sum::<usize>() + gap * shown.saturating_sub(1)
}

/// Text broken between words into lines no wider than this, except for a longer word.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_stand_under_each_other_and_empty_columns_go() {
        let mut table = Table::new("t", &[("empty", Align::Left), ("x", Align::Point), ("why", Align::Wrap)]);
        for (name, x, why) in [("a", "1.5", "short"), ("b", "−12", ""), ("c", "0.125", "of several words")] {
            table.row(&Span::plain(name), [Span::plain(""), Span::plain(x), Span::plain(why)]);
        }
        let mut page = Page::new(34, false);
        page.table(&table);
        let text = page.into_text();
        assert_eq!(text, "t           x   why\n  a     1.5     short\n  b   −12\n  c     0.125   of several words\n");
    }

    #[test]
    fn paragraphs_break_between_words_only() {
        let mut page = Page::new(17, true);
        page.paragraph(Span::plain("x"), 3, &[Span::plain("one two"), Span::faint("; three four")]);
        assert_eq!(page.into_text(), "x  one two\u{1b}[2m; three\u{1b}[0m\n   \u{1b}[2mfour\u{1b}[0m\n");
    }

    #[test]
    fn a_terminal_is_not_given_control_characters() {
        assert_eq!(Span::plain("a\u{1b}[2Jb\n").text, "a [2Jb ");
    }
}
