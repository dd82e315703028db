//! The frame of a chart: title, legend, axes with ticks and labels, a note.

use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::PathElement;
use plotters::prelude::SVGBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, IntoFont, TRANSPARENT, TextStyle};
use serde::{Deserialize, Serialize};
use unicode_width::UnicodeWidthStr;

use super::paint::{self, Paint};
use super::scale::Scale;

/// Units of the drawing in a pixel: plotters places everything at whole numbers.
pub(super) const UNIT: i32 = 4;

/// Pixels of a drawing across, and of its data up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// One that stands by itself.
    #[default]
    Full,
    /// One of many of a kind, side by side.
    Small,
}

impl Format {
    fn width(self) -> i32 {
        match self {
            Self::Full => 440,
            Self::Small => 220,
        }
    }

    fn height(self) -> i32 {
        match self {
            Self::Full => 210,
            Self::Small => 110,
        }
    }

    /// Whether the ticks of a scale stand apart along it.
    pub(super) fn has_room_for(self, scale: &Scale) -> bool {
        let letters = scale.count() * (scale.longest() + 2);
        letters as f64 * LETTER < f64::from(self.width()) * 0.9
    }

    /// About so many ticks along, and up.
    pub(super) fn ticks(self) -> (usize, usize) {
        match self {
            Self::Full => (6, 5),
            Self::Small => (4, 3),
        }
    }
}

/// Pixels of a line of text.
const LINE: i32 = 18;

/// Pixels of a label's letters, and their mean width.
const LETTERS: f64 = 12.0;
const LETTER: f64 = 6.6;

/// The same of a title's letters.
const BOLD: f64 = 8.2;

/// Pixels between the chart and its edge.
const EDGE: i32 = 10;

/// Pixels of a line in the legend.
const SWATCH: i32 = 20;

pub(super) type Failed = DrawingAreaErrorKind<std::io::Error>;

/// The frame.
pub(super) struct Frame<'a> {
    pub title: &'a str,
    /// The scales of x and y.
    pub labels: (&'a str, &'a str),
    /// Colour, name, and whether the line is dashed.
    pub legend: Vec<(Paint, &'a str, bool)>,
    /// Which series are dashed.
    pub dashed: Vec<bool>,
    /// Remarks.
    pub note: Option<String>,
    pub x: Scale,
    pub y: Scale,
    pub format: Format,
}

impl Frame<'_> {
    /// The whole chart; `plot` draws the data.
    pub fn draw(
        self,
        alone: bool,
        plot: impl FnOnce(&mut ChartContext<SVGBackend, Cartesian2d<Scale, Scale>>) -> Result<(), Failed>,
    ) -> String {
        let mut drawn = String::new();
        let (width, plot_height) = (self.format.width(), self.format.height());
        let head = self.head();
        let foot: Vec<Line> = self
            .note
            .iter()
            .flat_map(|n| wrapped(n, width - 2 * EDGE, LETTER))
            .map(|text| Line::text(text, false))
            .collect();
        let height = EDGE
            + LINE * (head.len() + foot.len()) as i32
            + 8
            + plot_height
            + 2 * LINE
            + if foot.is_empty() { 12 } else { 18 };
        let outcome = self.onto(&mut drawn, height, &head, &foot, plot);
        let body = match outcome {
            Ok(()) => {
                let inside = drawn.split_once('>').map_or("", |(_, rest)| rest);
                paint::themed(inside.trim_end().trim_end_matches("</svg>"), &self.dashed)
            }
            // Writing to a string does not fail; what cannot happen is at least not hidden.
            Err(e) => format!("<text y=\"{}\">{}</text>", 20 * UNIT, escaped(&format!("not drawn: {e}"))),
        };
        let style = if alone { format!("<style>{}</style>", paint::alone()) } else { String::new() };
        let title = escaped(self.title);
        format!(
            "<svg class=\"fe-chart\" role=\"img\" aria-label=\"{title}\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {} {}\" xmlns=\"http://www.w3.org/2000/svg\">{style}{body}</svg>\n",
            width * UNIT,
            height * UNIT,
        )
    }

    fn onto(
        &self,
        drawn: &mut String,
        height: i32,
        head: &[Line],
        foot: &[Line],
        plot: impl FnOnce(&mut ChartContext<SVGBackend, Cartesian2d<Scale, Scale>>) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        let size = ((self.format.width() * UNIT) as u32, (height * UNIT) as u32);
        let root = SVGBackend::with_string(drawn, size).into_drawing_area();
        root.fill(&Paint::Paper.colour())?;
        for (k, line) in head.iter().enumerate() {
            line.draw(&root, EDGE + LINE * k as i32)?;
        }
        for (k, line) in foot.iter().enumerate() {
            line.draw(&root, height - 4 - LINE * (foot.len() - k) as i32)?;
        }
        let top = EDGE + LINE * head.len() as i32 + 4;
        let bottom = if foot.is_empty() { 6 } else { LINE * foot.len() as i32 + 10 };
        let body = root.margin(top * UNIT, bottom * UNIT, 0, 0);
        let left = (self.y.longest() as f64 * LETTER) as i32 + 10;
        let small = font(Paint::Faint, false);
        let mut chart = ChartBuilder::on(&body)
            .margin_left(EDGE * UNIT / 2)
            .margin_right(18 * UNIT)
            .margin_top(2 * UNIT)
            .x_label_area_size((if self.labels.0.is_empty() { LINE } else { 2 * LINE } + 2) * UNIT)
            .y_label_area_size(left * UNIT)
            .build_cartesian_2d(self.x.clone(), self.y.clone())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(Paint::Grid.line(1))
            .axis_style(Paint::Axis.line(1))
            .label_style(small.clone())
            .axis_desc_style(small)
            .set_all_tick_mark_size(3 * UNIT)
            .x_label_formatter(&|&v| self.x.label(v))
            .y_label_formatter(&|&v| self.y.label(v))
            .x_desc(clean(self.labels.0))
            .draw()?;
        plot(&mut chart)?;
        root.present()
    }

    /// Title, legend, and the label of y, which stands upright over its axis.
    fn head(&self) -> Vec<Line> {
        let width = self.format.width();
        let room = width - 2 * EDGE;
        let mut lines: Vec<Line> = wrapped(self.title, room, BOLD).into_iter().map(|t| Line::text(t, true)).collect();
        let mut row = Line::default();
        let mut at = EDGE;
        for &(paint, name, _) in &self.legend {
            let name = clean(&crate::figures::elide(name, 44));
            let taken = SWATCH + 6 + (name.width() as f64 * LETTER) as i32 + 14;
            if at + taken > width - EDGE && !row.entries.is_empty() {
                lines.push(std::mem::take(&mut row));
                at = EDGE;
            }
            row.entries.push(Entry { at, paint: Some(paint), text: name, strong: false });
            at += taken;
        }
        if !row.entries.is_empty() {
            lines.push(row);
        }
        lines.extend(wrapped(self.labels.1, room, LETTER).into_iter().map(|t| Line::text(t, false)));
        lines
    }
}

/// A piece of text at a place of its line, after a stroke in its colour where it is a name in the legend.
struct Entry {
    at: i32,
    paint: Option<Paint>,
    text: String,
    strong: bool,
}

/// A line of text.
#[derive(Default)]
struct Line {
    entries: Vec<Entry>,
}

impl Line {
    fn text(text: String, strong: bool) -> Self {
        Self { entries: vec![Entry { at: EDGE, paint: None, text, strong }] }
    }

    fn draw(&self, root: &DrawingArea<SVGBackend, Shift>, top: i32) -> Result<(), Failed> {
        for entry in &self.entries {
            let mut at = entry.at;
            if let Some(paint) = entry.paint {
                let y = (top + 7) * UNIT;
                root.draw(&PathElement::new([(at * UNIT, y), ((at + SWATCH) * UNIT, y)], paint.line(2)))?;
                at += SWATCH + 6;
            }
            let style = font(if entry.strong { Paint::Ink } else { Paint::Faint }, entry.strong);
            let style = style.pos(Pos::new(HPos::Left, VPos::Top));
            root.draw_text(&entry.text, &style, (at * UNIT, top * UNIT))?;
        }
        Ok(())
    }
}

fn font(paint: Paint, strong: bool) -> TextStyle<'static> {
    // plotters divides by 1.24 what it writes.
    let size = (if strong { LETTERS + 1.5 } else { LETTERS }) * 1.24 * f64::from(UNIT);
    let font = ("sans-serif", size).into_font().style(if strong { FontStyle::Bold } else { FontStyle::Normal });
    font.color(&paint.colour())
}

/// Lines of words within so many pixels.
fn wrapped(text: &str, room: i32, letter: f64) -> Vec<String> {
    let letters = (f64::from(room) / letter) as usize;
    let mut lines: Vec<String> = vec![];
    for word in clean(text).split_whitespace() {
        match lines.last_mut().filter(|l| l.width() + 1 + word.width() <= letters) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(crate::figures::elide(word, letters)),
        }
    }
    lines
}

/// A text without characters that XML has no place for.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

fn escaped(text: &str) -> String {
    clean(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
