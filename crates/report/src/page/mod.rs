//! A report as one HTML file that stands alone: no address outside it, no script, the reader's own fonts. It is read in
//! light and dark, on a telephone, and on paper.
//!
//! A [`Page`] is plain data, and knows nothing of fits; [`run_page`] makes that of a run. Every text in it is escaped.

mod highlight;
mod ledger;
mod pictures;
mod run;
mod sweep;
mod table;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::{Deserialize, Serialize};

use crate::chart::{self, Chart, Histogram};
use crate::ledger::{Table, Tone};
use crate::picture::Picture;

pub use pictures::PictureFile;
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
    /// The facts under the title.
    pub facts: Vec<String>,
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
    /// Its parts.
    pub blocks: Vec<Block>,
}

/// A part of a section.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// A paragraph.
    Prose(String),
    /// A notice that the reader must not miss: a few words, and their meaning.
    Notice(Tone, String, String),
    /// Figures in large type.
    Headline(Vec<Headline>),
    /// A table.
    Table(Table),
    /// Charts, side by side where there is room.
    Charts(Vec<Drawing>),
    /// Small charts of one kind, side by side, and what they show.
    Panels(Panels),
    /// Pictures, side by side where there is room.
    Pictures(Vec<Pictured>),
    /// Names and what they stand for.
    Facts(Vec<Fact>),
    /// Text as it stands.
    Listing(String),
    /// A program, with the numbers of its lines.
    Program(String),
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

/// A name and what it stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fact {
    /// The name.
    pub name: String,
    /// The meaning of the name.
    pub text: String,
    /// An explanation for a newcomer.
    pub note: Option<String>,
}

/// A chart of any kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Drawing {
    /// Lines.
    Lines(Chart),
    /// A histogram.
    Histogram(Histogram),
}

/// Small charts of one kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Panels {
    /// What they show, for a reader of the paper that they stand in.
    pub caption: String,
    /// The charts.
    pub drawings: Vec<Drawing>,
}

/// A picture with what it shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Pictured {
    /// Its name.
    pub name: String,
    /// What it shows.
    pub caption: String,
    /// The picture.
    pub picture: Picture,
}

impl From<(String, String)> for Fact {
    fn from((name, text): (String, String)) -> Self {
        Self { name, text, note: None }
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
                        @if !self.facts.is_empty() { (facts(&self.facts)) }
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

/// Facts side by side; lines are broken between them, after the point.
fn facts(facts: &[String]) -> Markup {
    let last = facts.len().saturating_sub(1);
    html! {
        p {
            @for (k, fact) in facts.iter().enumerate() {
                span class="fact" { (fact) @if k < last { " ·" } } " "
            }
        }
    }
}

impl Block {
    fn markup(&self) -> Markup {
        match self {
            Self::Prose(text) => html! { p { (text) } },
            Self::Notice(tone, word, text) => html! {
                p class=(format!("notice {}", tone.class())) { b { (word) } @if !text.is_empty() { " " (text) } }
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
                div class="charts" { @for drawing in drawings { (PreEscaped(drawing.draw(false))) } }
            },
            Self::Panels(panels) => panels.markup(),
            Self::Pictures(pictures) => html! {
                div class="pictures" { @for picture in pictures { (picture.markup()) } }
            },
            Self::Facts(facts) => html! {
                dl class="facts" {
                    @for Fact { name, text, note } in facts {
                        dt { (name) }
                        dd { (text) @if let Some(note) = note { p class="note" { (note) } } }
                    }
                }
            },
            Self::Listing(text) => html! { pre tabindex="0" { code { (text) } } },
            Self::Program(source) => html! { pre class="program" tabindex="0" { code { (highlight::lines(source)) } } },
        }
    }
}

impl Drawing {
    fn draw(&self, alone: bool) -> String {
        match self {
            Self::Lines(chart) => chart.draw(alone),
            Self::Histogram(histogram) => histogram.draw(alone),
        }
    }

    /// What its file is called after: a small chart with two names is one of a pair.
    fn file_title(&self) -> String {
        match self {
            Self::Lines(Chart { format: chart::Format::Small, x, y, .. })
                if !x.label.is_empty() && !y.label.is_empty() =>
            {
                format!("{} against {}", y.label, x.label)
            }
            Self::Lines(chart) if chart.format == chart::Format::Small => format!("density of {}", chart.title),
            Self::Lines(chart) => chart.title.clone(),
            Self::Histogram(histogram) => histogram.title.clone(),
        }
    }
}

impl Panels {
    fn markup(&self) -> Markup {
        let small = self.drawings.iter().all(|d| matches!(d, Drawing::Lines(c) if c.format == chart::Format::Small));
        html! {
            figure class="panels" {
                div class=(if small { "charts small" } else { "charts" }) {
                    @for drawing in &self.drawings { (PreEscaped(drawing.draw(false))) }
                }
                figcaption { (self.caption) }
            }
        }
    }
}

impl Pictured {
    /// Pixels of the screen for one of the picture.
    fn magnified(&self) -> usize {
        (MAGNIFIED.0 / self.picture.width.max(1)).clamp(1, MAGNIFIED.1)
    }

    fn markup(&self) -> Markup {
        let Picture { uri, width, height, scale } = &self.picture;
        let times = self.magnified();
        html! {
            figure {
                img src=(uri) width=(width * times) height=(height * times) alt=(format!("{}: {}", self.name, self.caption));
                figcaption { b { (self.name) } " · " (self.caption) "; " (scale) }
            }
        }
    }
}
