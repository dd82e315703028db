//! Cells of a ledger: numbers of a kind, words and intervals, each with its tone. How a number is written is decided
//! here, for all renderers.

use crate::figures::{NONE, count, fixed, percent, quantity, significant};

/// The tone of a text; colour and weight follow from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing.
    #[default]
    Plain,
    /// It is what one looks for.
    Strong,
    /// It is beside the point.
    Faint,
    /// It is as it should be.
    Good,
    /// It is to be doubted.
    Doubtful,
    /// It is wrong.
    Bad,
}

/// A run of text in one tone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub(crate) text: String,
    pub(crate) tone: Tone,
}

impl Span {
    /// Control characters, which could move the cursor or change the terminal, become spaces.
    pub fn new(text: impl AsRef<str>, tone: Tone) -> Self {
        let text = text.as_ref().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self { text, tone }
    }

    /// A text that stands for itself.
    pub fn plain(text: impl AsRef<str>) -> Self {
        Self::new(text, Tone::Plain)
    }

    /// A text beside the point.
    pub fn faint(text: impl AsRef<str>) -> Self {
        Self::new(text, Tone::Faint)
    }

    /// A text that one looks for.
    pub fn strong(text: impl AsRef<str>) -> Self {
        Self::new(text, Tone::Strong)
    }
}

/// A space at which no line is broken.
pub(crate) const NO_BREAK: &str = "\u{a0}";

/// The room that a table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// A terminal of 80 columns or so.
    Narrow,
    /// A wide terminal.
    Roomy,
    /// A page, which scrolls.
    Page,
}

/// A number of a kind, which says its unit and with how many digits it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Nats, with so many decimals: those of its column add up as they are written.
    Nats(f64, usize),
    /// Bits, in the same way.
    Bits(f64, usize),
    /// A standard error in the unit of the figure before it.
    Error(f64),
    /// Nats of one part among parts of any size.
    Part(f64),
    /// Spikes.
    Spikes(f64),
    /// A quotient: spikes per unit, nats per spike.
    Ratio(f64),
    /// The slope of a curve, or a bound of it.
    Slope(f64),
    /// A fraction as a percentage.
    Percent(f64),
    /// A fraction with three decimals: a sparsity, R².
    Fraction(f64),
    /// An amount of a unit that has a price.
    Price(f64),
    /// The price of a spike, as the program states it.
    Stated(f64),
    /// A number without a unit, with so many decimals.
    Fixed(f64, usize),
    /// A figure of a posterior, with so many decimals, or by its own size.
    Drawn(f64, Option<usize>),
}

impl Number {
    /// The number as it is written, without its unit.
    pub fn text(self) -> String {
        match self {
            Self::Nats(value, decimals) | Self::Bits(value, decimals) | Self::Fixed(value, decimals) => {
                fixed(value, decimals)
            }
            Self::Error(value) => significant(value, 2),
            Self::Part(value) | Self::Spikes(value) | Self::Slope(value) => significant(value, 4),
            Self::Ratio(value) => significant(value, 3),
            Self::Percent(value) => percent(value),
            Self::Fraction(value) => fixed(value, 3),
            Self::Price(value) => quantity(value, 4),
            Self::Stated(value) => format!("{value:e}").replace('-', "−"),
            Self::Drawn(value, _) if value.is_nan() => NONE.into(),
            Self::Drawn(value, Some(decimals)) => fixed(value, decimals),
            Self::Drawn(value, None) => significant(value, 4),
        }
    }

    /// The unit that the heading of its column must say; none of what says it itself or has none.
    pub fn unit(self) -> Option<&'static str> {
        match self {
            Self::Nats(..) | Self::Part(_) => Some("nats"),
            Self::Bits(..) => Some("bits"),
            Self::Spikes(_) => Some("spikes"),
            _ => None,
        }
    }

    fn value(self) -> f64 {
        match self {
            Self::Nats(value, _) | Self::Bits(value, _) | Self::Fixed(value, _) | Self::Drawn(value, _) => value,
            Self::Error(value)
            | Self::Part(value)
            | Self::Spikes(value)
            | Self::Ratio(value)
            | Self::Slope(value)
            | Self::Percent(value)
            | Self::Fraction(value)
            | Self::Price(value)
            | Self::Stated(value) => value,
        }
    }
}

/// An interval and a point in it, as parts of a scale from 0 to 1 that the rows of one array share.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Interval {
    /// The beginning of the interval.
    pub from: f64,
    /// The point.
    pub at: f64,
    /// The end of the interval.
    pub to: f64,
    /// The place of zero, if the scale reaches it.
    pub zero: Option<f64>,
}

/// The content of a cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nothing: the figure has no meaning here.
    #[default]
    Empty,
    /// A number.
    Number(Number),
    /// A difference, with its sign.
    Difference(Number),
    /// So many of so many.
    Share {
        /// The part.
        part: u64,
        /// The whole.
        of: u64,
    },
    /// Words.
    Text(String),
    /// A state: alone in a terminal, and under the heading that a page has for it.
    State(&'static str, &'static str),
    /// An interval.
    Interval(Interval),
}

/// A cell of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// Its content.
    pub value: Value,
    /// Its tone.
    pub tone: Tone,
}

impl Cell {
    /// Nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Value::Text(text.into()).into()
    }

    /// A figure that may have no meaning here, and then leaves its cell empty.
    pub fn of(value: Option<f64>, kind: impl FnOnce(f64) -> Number) -> Self {
        value.map_or_else(Self::empty, |value| kind(value).into())
    }

    /// A figure that was not computed where it is none, which is said.
    pub(crate) fn known(value: Option<f64>, kind: impl FnOnce(f64) -> Number) -> Self {
        value.map_or_else(|| Self::text(NONE), |value| kind(value).into())
    }

    /// A figure that is empty unless it is finite.
    pub(crate) fn finite(value: f64, kind: impl FnOnce(f64) -> Number) -> Self {
        Self::of(Some(value).filter(|v| v.is_finite()), kind)
    }

    /// The cell in another tone.
    #[must_use]
    pub fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    /// The text in so much room; an interval is drawn, and has none.
    pub(crate) fn written(&self, room: Room) -> String {
        match &self.value {
            Value::Empty | Value::Interval(_) => String::new(),
            Value::Number(number) => number.text(),
            Value::Difference(number) if number.value() > 0.0 => format!("+{}", number.text()),
            Value::Difference(number) => number.text(),
            Value::Share { part, of } if room == Room::Narrow => format!("{}/{}", count(*part), count(*of)),
            Value::Share { part, of } => format!("{} of {}", count(*part), count(*of)),
            Value::Text(text) => text.clone(),
            Value::State(_, under_heading) if room == Room::Page => (*under_heading).to_owned(),
            Value::State(alone, _) => (*alone).to_owned(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match &self.value {
            Value::Empty => true,
            Value::Text(text) => text.is_empty(),
            _ => false,
        }
    }
}

impl From<Value> for Cell {
    fn from(value: Value) -> Self {
        Self { value, tone: Tone::Plain }
    }
}

impl From<Number> for Cell {
    fn from(number: Number) -> Self {
        Value::Number(number).into()
    }
}
