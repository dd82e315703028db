//! Colours by their role. plotters draws each in a colour that stands for the role; [`themed`] puts the class of the
//! role and its light colour in the place of it.

use plotters::style::{Color, RGBColor, ShapeStyle};

use super::frame::UNIT;

/// The role of a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    /// Titles.
    Ink,
    /// Labels.
    Faint,
    /// Lines at ticks.
    Grid,
    /// Lines of the axes.
    Axis,
    /// The paper under everything.
    Paper,
    /// A series, by its place.
    Series(usize),
}

/// Name, light and dark colour of the roles; colours of series have contrast with the paper, and are told apart with
/// colour vision deficiencies by lightness too.
const ROLES: [(&str, &str, &str); 5] = [
    ("ink", "#1b1f24", "#e6e8eb"),
    ("faint", "#57606a", "#a3abb5"),
    ("grid", "#e3e7eb", "#31363d"),
    ("axis", "#8c959f", "#6b747f"),
    ("paper", "#ffffff", "#15181c"),
];

/// Light and dark colours of series.
const SERIES: [(&str, &str); 8] = [
    ("#0969b3", "#6cb6ff"),
    ("#b8470c", "#ff9a5c"),
    ("#1d7f4e", "#62cf95"),
    ("#8b3fb0", "#d3a0f5"),
    ("#8a6a00", "#e3c14f"),
    ("#b82360", "#ff8ab3"),
    ("#2b7380", "#79d4e0"),
    ("#555b63", "#b9c0c9"),
];

/// Strokes of the series past each eighth, whose colours come again; the second is also what `dashed` means.
const DASHES: [&str; 3] = ["", "20 14", "6 12"];

impl Paint {
    /// The colour that stands for the role while plotters draws.
    pub fn colour(self) -> RGBColor {
        match self {
            Self::Ink => RGBColor(1, 0, 0),
            Self::Faint => RGBColor(1, 0, 1),
            Self::Grid => RGBColor(1, 0, 2),
            Self::Axis => RGBColor(1, 0, 3),
            Self::Paper => RGBColor(1, 0, 4),
            Self::Series(k) => RGBColor(2, (k / 256 % 256) as u8, (k % 256) as u8),
        }
    }

    /// A line of so many pixels.
    pub fn line(self, width: u32) -> ShapeStyle {
        ShapeStyle::from(self.colour()).stroke_width(width * UNIT as u32)
    }

    /// A thin line that does not hide what it crosses.
    pub fn faint(self) -> ShapeStyle {
        ShapeStyle::from(self.colour().mix(0.5)).stroke_width(UNIT as u32)
    }

    /// Filled, so that what lies behind shows through.
    pub fn shade(self) -> ShapeStyle {
        ShapeStyle::from(self.colour().mix(0.2)).filled()
    }

    /// Filled, lighter than what is drawn over it.
    pub fn bar(self) -> ShapeStyle {
        ShapeStyle::from(self.colour().mix(0.45)).filled()
    }

    /// Filled.
    pub fn area(self) -> ShapeStyle {
        ShapeStyle::from(self.colour()).filled()
    }
}

/// The attributes for one that plotters wrote: `fill` or `stroke` in a colour that stands for a role.
fn attributes(attribute: &str, hex: &str, dashed: &[bool]) -> Option<String> {
    let number = |range: std::ops::Range<usize>| usize::from_str_radix(hex.get(range)?, 16).ok();
    let (kind, place) = (number(0..2)?, number(2..6)?);
    if kind == 1 {
        let (name, light, _) = ROLES.get(place)?;
        return Some(format!("class=\"{name}\" {attribute}=\"{light}\""));
    }
    let colour = place % SERIES.len();
    let (light, _) = SERIES.get(colour)?;
    if attribute == "fill" {
        return Some(format!("class=\"f{colour}\" fill=\"{light}\""));
    }
    let again = (place / SERIES.len()) % DASHES.len();
    let dash = if dashed.get(place) == Some(&true) { again.max(1) } else { again };
    let dash = DASHES.get(dash).filter(|d| !d.is_empty()).map(|d| format!(" stroke-dasharray=\"{d}\""));
    Some(format!("class=\"l{colour}\" stroke=\"{light}\"{}", dash.unwrap_or_default()))
}

/// A drawing of plotters, with classes and light colours in the place of colours that stand for roles.
pub(super) fn themed(drawn: &str, dashed: &[bool]) -> String {
    let mut text = String::with_capacity(drawn.len() * 5 / 4);
    let mut rest = drawn;
    while let Some((before, after)) = rest.split_once("=\"#") {
        let (kept, attribute) = before.rsplit_once(' ').unwrap_or(("", before));
        let (hex, tail) = after.split_once('"').unwrap_or((after, ""));
        text.push_str(kept);
        text.push(' ');
        text.push_str(&attributes(attribute, hex, dashed).unwrap_or_else(|| format!("{attribute}=\"#{hex}\"")));
        rest = tail;
    }
    text.push_str(rest);
    text
}

/// Letters and lines of every chart.
const LETTERS: &str = ".fe-chart text{font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",Arial,sans-serif;\
                       font-variant-numeric:tabular-nums}.fe-chart polyline{stroke-linejoin:round}";

/// The style sheet of a chart that is a file by itself: its colours are its attributes, light ones, since it is put on paper and
/// on slides.
pub(super) fn alone() -> &'static str {
    LETTERS
}

/// The style sheet of all charts of a page, in light and dark.
pub(crate) fn style() -> String {
    let list = |dark: bool| -> String {
        let roles = ROLES.iter().map(|(name, light, night)| (format!("c-{name}"), if dark { night } else { light }));
        let series =
            SERIES.iter().enumerate().map(|(k, (light, night))| (format!("c-{k}"), if dark { night } else { light }));
        roles.chain(series).map(|(name, colour)| format!("--{name}:{colour};")).collect()
    };
    let mut css = format!(
        ".fe-chart{{{}}}@media screen and (prefers-color-scheme:dark){{.fe-chart{{{}}}}}{LETTERS}",
        list(false),
        list(true)
    );
    for (name, _, _) in ROLES {
        let what = if matches!(name, "grid" | "axis") { "stroke" } else { "fill" };
        css.push_str(&format!(".fe-chart .{name}{{{what}:var(--c-{name})}}"));
    }
    for k in 0..SERIES.len() {
        css.push_str(&format!(".fe-chart .l{k}{{stroke:var(--c-{k})}}.fe-chart .f{k}{{fill:var(--c-{k})}}"));
    }
    css
}
