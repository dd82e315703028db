//! A report as one HTML file that stands alone: no address outside it, no script, the reader's own fonts. It is read in
//! light and dark, on a telephone, and on paper.
//!
//! A [`Page`] is plain data, and knows nothing of fits; [`run_page`] makes that of a run. Every text in it is escaped.

mod highlight;
mod ledger;
mod posterior;
mod run;
mod sweep;
mod verdict;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::chart::{self, Chart, Histogram};
use crate::picture::Picture;

pub use run::{RunPage, run_page};
pub use sweep::sweep_page;

const STYLE: &str = include_str!("style.css");

/// Nothing may be fetched, whatever stands in the page.
const POLICY: &str =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Pixels that a small picture is magnified to, about, and by how much at most.
const MAGNIFIED: (usize, usize) = (520, 6);

/// A page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Its title.
    pub title: String,
    /// What stands under the title.
    pub subtitle: String,
    /// Its sections.
    pub sections: Vec<Section>,
    /// Its last line.
    pub footer: String,
}

/// A section.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// Its title.
    pub title: String,
    /// What is in it.
    pub blocks: Vec<Block>,
}

/// A part of a section.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// A paragraph.
    Prose(String),
    /// What the reader must not miss: a few words, and what they mean.
    Notice(Mood, String, String),
    /// Figures in large type.
    Headline(Vec<Headline>),
    /// A table.
    Table(Table),
    /// Charts, side by side where there is room.
    Charts(Vec<Drawing>),
    /// Pictures, side by side where there is room.
    Pictures(Vec<Pictured>),
    /// Names and what they stand for.
    Facts(Vec<(String, String)>),
    /// Text as it stands.
    Listing(String),
    /// A program, with the numbers of its lines.
    Program(String),
}

/// What a text says of its matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// Nothing.
    #[default]
    Plain,
    /// It is as it should be.
    Good,
    /// It is to be doubted.
    Doubtful,
    /// It is wrong.
    Bad,
}

/// A figure in large type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Headline {
    /// What it is.
    pub name: String,
    /// The figure.
    pub value: String,
    /// Its unit, or what to hold beside it.
    pub unit: String,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// What it holds.
    pub caption: String,
    /// The columns after the first, which names the rows. One without a cell that is filled is left out.
    pub columns: Vec<(String, Kind)>,
    /// Its rows.
    pub rows: Vec<Row>,
    /// What is said below it.
    pub remarks: Vec<String>,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Numbers, whose right ends stand under each other.
    #[default]
    Figure,
    /// Words.
    Word,
    /// Sentences.
    Prose,
}

/// A row of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// A cell for each column.
    pub cells: Vec<Cell>,
    /// Whether it is a sum over rows before it.
    pub sum: bool,
    /// Whether it stands out.
    pub strong: bool,
}

/// A cell of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Text.
    Text(String),
    /// Text with a mood.
    Said(Mood, String),
    /// An interval and a point in it, as parts of the width from 0 to 1.
    Interval {
        /// Where the interval begins.
        from: f64,
        /// The point.
        at: f64,
        /// Where it ends.
        to: f64,
    },
}

/// A chart of any kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Drawing {
    /// Lines.
    Lines(Chart),
    /// A histogram.
    Histogram(Histogram),
}

/// A picture with what it shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Pictured {
    /// What it is called.
    pub name: String,
    /// What it shows.
    pub caption: String,
    /// The picture.
    pub picture: Picture,
}

impl Table {
    /// An empty table.
    pub fn new<S: Into<String>>(caption: &str, columns: impl IntoIterator<Item = (S, Kind)>) -> Self {
        let columns = columns.into_iter().map(|(name, kind)| (name.into(), kind)).collect();
        Self { caption: caption.into(), columns, ..Self::default() }
    }

    /// Adds a row.
    pub fn row(&mut self, name: impl Into<String>, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(Row::new(name, cells));
    }
}

impl Row {
    /// A row.
    pub fn new(name: impl Into<String>, cells: impl IntoIterator<Item = Cell>) -> Self {
        Self { name: name.into(), cells: cells.into_iter().collect(), ..Self::default() }
    }

    /// A row that is a sum of those before it.
    pub fn sum(name: impl Into<String>, cells: impl IntoIterator<Item = Cell>) -> Self {
        Self { sum: true, ..Self::new(name, cells) }
    }

    /// The row, standing out.
    pub fn strong(self) -> Self {
        Self { strong: true, ..self }
    }

    fn classes(&self, first: bool) -> String {
        let classes = [("sum", self.sum), ("first", self.sum && first), ("strong", self.strong)];
        classes.iter().filter(|c| c.1).map(|c| c.0).collect::<Vec<_>>().join(" ")
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl Cell {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) | Self::Said(_, text) if text.is_empty())
    }
}

impl Mood {
    fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Doubtful => "doubtful",
            Self::Bad => "bad",
        }
    }
}

impl Page {
    /// The file.
    pub fn html(&self) -> String {
        let contents = self.sections.len() > 2;
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) (PreEscaped(chart::style())) }
                }
                body {
                    header {
                        h1 { (self.title) }
                        @if !self.subtitle.is_empty() { p { (self.subtitle) } }
                    }
                    @if contents {
                        nav aria-label="Contents" {
                            ul {
                                @for (k, section) in self.sections.iter().enumerate() {
                                    li { a href=(format!("#s{k}")) { (section.title) } }
                                }
                            }
                        }
                    }
                    main {
                        @for (k, section) in self.sections.iter().enumerate() {
                            section {
                                h2 id=(format!("s{k}")) { (section.title) }
                                @for block in &section.blocks { (block.markup()) }
                            }
                        }
                    }
                    @if !self.footer.is_empty() { footer { (self.footer) } }
                }
            }
        }
        .into_string()
    }
}

impl Block {
    fn markup(&self) -> Markup {
        match self {
            Self::Prose(text) => html! { p { (text) } },
            Self::Notice(mood, word, text) => html! {
                p class=(format!("notice {}", mood.class())) { b { (word) } @if !text.is_empty() { " " (text) } }
            },
            Self::Headline(figures) => html! {
                dl class="headline" {
                    @for figure in figures {
                        div {
                            dt { (figure.name) }
                            dd class="value" { (figure.value) }
                            @if !figure.unit.is_empty() { dd class="unit" { (figure.unit) } }
                        }
                    }
                }
            },
            Self::Table(table) => table.markup(),
            Self::Charts(drawings) => html! {
                div class="charts" { @for drawing in drawings { (PreEscaped(drawing.svg())) } }
            },
            Self::Pictures(pictures) => html! {
                div class="pictures" { @for picture in pictures { (picture.markup()) } }
            },
            Self::Facts(facts) => html! {
                dl class="facts" { @for (name, text) in facts { dt { (name) } dd { (text) } } }
            },
            Self::Listing(text) => html! { pre tabindex="0" { code { (text) } } },
            Self::Program(source) => html! { pre class="program" tabindex="0" { code { (highlight::lines(source)) } } },
        }
    }
}

impl Drawing {
    fn svg(&self) -> String {
        match self {
            Self::Lines(chart) => chart.draw(false),
            Self::Histogram(histogram) => histogram.draw(false),
        }
    }
}

impl Pictured {
    fn markup(&self) -> Markup {
        let Picture { uri, width, height, scale } = &self.picture;
        let times = (MAGNIFIED.0 / (*width).max(1)).clamp(1, MAGNIFIED.1);
        html! {
            figure {
                img src=(uri) width=(width * times) height=(height * times) alt=(format!("{}: {}", self.name, self.caption));
                figcaption { b { (self.name) } " · " (self.caption) "; " (scale) }
            }
        }
    }
}

impl Table {
    fn markup(&self) -> Markup {
        let filled = |k: usize| self.rows.iter().any(|r| r.cells.get(k).is_some_and(|c| !c.is_empty()));
        let columns: Vec<(usize, &str, Kind)> =
            self.columns.iter().enumerate().filter(|(k, _)| filled(*k)).map(|(k, c)| (k, c.0.as_str(), c.1)).collect();
        // The first sum after rows that are none has a rule above it.
        let first = |k: usize| k > 0 && self.rows.get(k - 1).is_some_and(|before| !before.sum);
        html! {
            div class="scroll" tabindex="0" role="region" aria-label=(self.caption) {
                table {
                    caption { (self.caption) }
                    thead {
                        tr {
                            td {}
                            @for (_, name, kind) in &columns { th scope="col" class=(kind.class()) { (name) } }
                        }
                    }
                    tbody {
                        @for (at, row) in self.rows.iter().enumerate() {
                            tr class=(row.classes(first(at))) {
                                th scope="row" { (row.name) }
                                @for (k, _, kind) in &columns {
                                    td class=(kind.class()) { @if let Some(cell) = row.cells.get(*k) { (cell.markup()) } }
                                }
                            }
                        }
                    }
                }
            }
            @for remark in &self.remarks { p { (remark) } }
        }
    }
}

impl Kind {
    fn class(self) -> &'static str {
        match self {
            Self::Figure => "figure",
            Self::Word => "word-column",
            Self::Prose => "prose",
        }
    }
}

impl Cell {
    fn markup(&self) -> Markup {
        let percent = |part: f64| format!("{:.2}%", 100.0 * part.clamp(0.0, 1.0));
        match self {
            Self::Text(text) => html! { (text) },
            Self::Said(mood, text) => html! { span class=(mood.class()) { (text) } },
            Self::Interval { from, at, to } if [from, at, to].iter().all(|v| v.is_finite()) => html! {
                span class="interval" aria-hidden="true" {
                    i style=(format!("left:{};width:{}", percent(*from), percent(to - from))) {}
                    b style=(format!("left:{}", percent(*at))) {}
                }
            },
            Self::Interval { .. } => html! {},
        }
    }
}
