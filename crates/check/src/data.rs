//! Readers: which file a `data` declaration asks for, and whether its header fits what is declared.

use fe_syntax::Span;
use fe_syntax::ast::{Argument, Declaration, Expr, ExprKind, Name, UnaryOperator};

use crate::axes::extents;
use crate::checker::Checker;
use crate::messages;
use crate::reads::{bare, parts};
use crate::scope::nearest;
use crate::source::{Channels, Header, Reader, SourceCall, TableFormat};
use crate::tables::{Piped, TABLES, stage_in};

/// All readers.
pub(crate) const READERS: [&str; 11] =
    ["npy", "npz", "csv", "parquet", "arrow", "json", "idx", "images", "patches", "bars", "normal_draws"];

/// Readers of other libraries, and ours.
const READER_HABITS: [(&str, &str); 13] = [
    ("read_csv", "csv"),
    ("read_parquet", "parquet"),
    ("feather", "arrow"),
    ("read_feather", "arrow"),
    ("ipc", "arrow"),
    ("read", "csv"),
    ("tsv", "csv"),
    ("load", "npy"),
    ("loadtxt", "csv"),
    ("numpy", "npy"),
    ("mnist", "idx"),
    ("image", "images"),
    ("randn", "normal_draws"),
];

/// What a reader takes.
#[derive(Clone, Copy, PartialEq)]
enum Takes {
    Text,
    Number,
    Count,
    Truth,
    Condition,
}

struct Spec {
    name: &'static str,
    takes: Takes,
    required: bool,
}

const fn spec(name: &'static str, takes: Takes, required: bool) -> Spec {
    Spec { name, takes, required }
}

const PATH: Spec = spec("path", Takes::Text, true);

fn arguments_of(reader: &str) -> &'static [Spec] {
    match reader {
        "csv" | "parquet" | "arrow" => const { &[PATH, spec("where", Takes::Condition, false)] },
        "npz" => const { &[PATH, spec("array", Takes::Text, false)] },
        "json" => const { &[PATH, spec("field", Takes::Text, false)] },
        "patches" => {
            const {
                &[
                    PATH,
                    spec("size", Takes::Count, true),
                    spec("count", Takes::Count, true),
                    spec("seed", Takes::Count, false),
                    spec("array", Takes::Text, false),
                    spec("images", Takes::Count, false),
                    spec("border", Takes::Count, false),
                    spec("color", Takes::Truth, false),
                    spec("frames", Takes::Count, false),
                    spec("drift", Takes::Number, false),
                ]
            }
        }
        "bars" => {
            const {
                &[
                    spec("size", Takes::Count, true),
                    spec("angles", Takes::Count, true),
                    spec("frames", Takes::Count, true),
                    spec("width", Takes::Number, false),
                    spec("blank", Takes::Count, false),
                ]
            }
        }
        "normal_draws" => {
            const {
                &[
                    spec("mean", Takes::Number, true),
                    spec("sd", Takes::Number, true),
                    spec("count", Takes::Count, true),
                    spec("seed", Takes::Count, false),
                ]
            }
        }
        "images" => const { &[PATH, spec("color", Takes::Truth, false)] },
        _ => const { &[PATH] },
    }
}

/// How a reader is called.
pub(crate) fn usage(reader: &str) -> &'static str {
    match reader {
        "npy" => "npy(\"x.npy\")",
        "npz" => "npz(\"x.npz\", \"array\")",
        "csv" => "csv(\"table.csv\", \"column\")",
        "parquet" => "parquet(\"table.parquet\", \"column\")",
        "arrow" => "arrow(\"table.arrow\", \"column\")",
        "json" => "json(\"data.json\", \"field\")",
        "idx" => "idx(\"digits.idx.gz\")",
        "images" => "images(\"folder/*.png\")",
        "patches" => "patches(\"folder/*.png\", size = 16, count = 10_000)",
        "bars" => "bars(size = 16, angles = 36, frames = 100, width = 0.2, blank = 60)",
        _ => "normal_draws(0, 1, count = 1000)",
    }
}

/// Where a declaration's source stands in its expression.
pub(crate) struct FoundReader<'e> {
    /// The reader with its stages.
    pub whole: &'e Expr,
    reader: &'e Name,
    arguments: &'e [Argument],
    call: Span,
    stages: Vec<(Piped<'e>, Span)>,
}

/// What was given to a reader: its arguments by slot, further columns, and whether nothing was wrong.
struct Given<'e> {
    slots: Vec<Option<&'e Expr>>,
    columns: Vec<&'e Expr>,
    good: bool,
}

/// The word that stands where a reader would, of data that the caller gives.
const INPUT: &str = "input";

/// Where `input` stands in an expression.
fn input_in(e: &Expr) -> Option<&Expr> {
    let mut stack = vec![e];
    while let Some(e) = stack.pop() {
        if matches!(e.kind.as_ref(), ExprKind::Name(name) if name == INPUT) {
            return Some(e);
        }
        stack.extend(parts(e));
    }
    None
}

/// The reader call in an expression, outermost first, and every further one.
pub(crate) fn find(e: &Expr) -> Vec<FoundReader<'_>> {
    let mut found = vec![];
    let mut stack = vec![e];
    while let Some(e) = stack.pop() {
        match source_in(e) {
            Some(source) => found.push(source),
            None => stack.extend(parts(e).into_iter().rev()),
        }
    }
    found
}

/// A reader call, or one with stages piped behind it.
fn source_in(e: &Expr) -> Option<FoundReader<'_>> {
    let mut stages = vec![];
    let mut at = bare(e);
    while let ExprKind::Pipe { value, into } = at.kind.as_ref() {
        stages.push((stage_in(into)?, into.span));
        at = bare(value);
    }
    stages.reverse();
    let ExprKind::Call { function, arguments } = at.kind.as_ref() else { return None };
    let file = arguments.iter().any(|a| matches!(a.value.kind.as_ref(), ExprKind::Text(_)));
    (READERS.contains(&function.value.as_str()) || file).then_some(FoundReader {
        whole: e,
        reader: function,
        arguments,
        call: at.span,
        stages,
    })
}

/// The shape of data that are written in the program: of lists, or of one number where no axes are declared.
fn written_shape(d: &Declaration) -> Option<Vec<usize>> {
    let number = |e: &Expr| matches!(bare(e).kind.as_ref(), ExprKind::Number { .. });
    let one = match bare(&d.value).kind.as_ref() {
        ExprKind::Unary { operator, operand } => operator.value == UnaryOperator::Negate && number(operand),
        _ => number(&d.value),
    };
    if one && d.target.axes.is_none() { Some(vec![]) } else { list_shape(&d.value) }
}

/// The shape of nested lists, by their first elements.
fn list_shape(e: &Expr) -> Option<Vec<usize>> {
    let mut shape = vec![];
    let mut at = bare(e);
    while let ExprKind::List(items) = at.kind.as_ref() {
        shape.push(items.len());
        at = bare(items.first()?);
    }
    (!shape.is_empty()).then_some(shape)
}

impl<'a> Checker<'a> {
    /// What is known of a datum's file; of numbers in the program, everything.
    pub fn header_of(&self, d: &Declaration) -> Option<Header> {
        if let Some(shape) = written_shape(d) {
            return Some(Header { shape, ..Header::default() });
        }
        self.headers?.get(&d.target.name.value).cloned()
    }

    /// What a declaration asks for, and the part of its expression that does.
    pub fn source(&mut self, d: &'a Declaration) -> Option<(SourceCall, Span)> {
        let name = d.target.name.value.clone();
        if written_shape(d).is_some() {
            let (values, shape) = self.numbers(&d.value)?;
            let span = d.value.span;
            let (reader, rank) = (Reader::Numbers { shape, values }, d.target.axes.iter().flatten().count());
            return Some((SourceCall { data: name, reader, rank, stages: vec![], span, path_span: span }, span));
        }
        if matches!(d.value.kind.as_ref(), ExprKind::Error) {
            self.said.incomplete = true;
            return None;
        }
        let rank = d.target.axes.iter().flatten().count();
        let mut all = find(&d.value).into_iter();
        let Some(found) = all.next() else {
            if let Some(input) = input_in(&d.value).filter(|_| self.scope.get(INPUT).is_none()) {
                let (whole, stages) = self.staged(&d.value, input)?;
                let (reader, span) = (Reader::Input, input.span);
                return Some((SourceCall { data: name, reader, rank, stages, span, path_span: span }, whole));
            }
            let text = matches!(bare(&d.value).kind.as_ref(), ExprKind::Text(_));
            self.report(messages::no_reader(&name, d.value.span, text));
            return None;
        };
        if let Some(second) = all.next() {
            self.report(messages::two_readers(&name, second.call, found.call));
            return None;
        }
        let reader = self.reader(&found)?;
        let stages: Vec<_> = found.stages.iter().map(|(s, place)| Some((self.stage(s, *place)?, *place))).collect();
        let stages = stages.into_iter().collect::<Option<Vec<_>>>()?;
        let path = found.arguments.iter().find(|a| matches!(a.value.kind.as_ref(), ExprKind::Text(_)));
        let call = SourceCall {
            data: name,
            reader,
            rank,
            stages,
            span: found.call,
            path_span: path.map_or(found.call, |p| p.value.span),
        };
        Some((call, found.whole.span))
    }

    /// `input` with the stages piped behind it, and where they end.
    fn staged(&mut self, e: &'a Expr, input: &'a Expr) -> Option<(Span, Vec<(crate::source::Stage, Span)>)> {
        let mut pipes = vec![];
        let mut stack = vec![e];
        while let Some(at) = stack.pop() {
            if let ExprKind::Pipe { value, into } = at.kind.as_ref() {
                pipes.push((at.span, bare(value).span, into));
            }
            stack.extend(parts(at));
        }
        let (mut whole, mut stages) = (input.span, vec![]);
        while let Some((span, _, into)) = pipes.iter().find(|p| p.1 == whole) {
            let Some(piped) = stage_in(into) else { break };
            stages.push((self.stage(&piped, into.span)?, into.span));
            whole = *span;
        }
        Some((whole, stages))
    }

    fn reader(&mut self, found: &FoundReader) -> Option<Reader> {
        let name = found.reader.value.as_str();
        if !READERS.contains(&name) {
            let habit = READER_HABITS.iter().find(|h| h.0 == name.to_lowercase()).map(|h| h.1);
            let near = habit.or_else(|| nearest(name, READERS));
            self.report(messages::unknown_reader(name, found.reader.span, near));
            return None;
        }
        let specs = arguments_of(name);
        let Given { slots: given, columns, mut good } = self.given_to(found, specs)?;
        let mut texts: Vec<Option<String>> = vec![];
        let mut numbers: Vec<Option<f64>> = vec![];
        let mut rows = None;
        for (spec, value) in specs.iter().zip(&given) {
            let (mut text, mut number) = (None, None);
            if let Some(e) = value {
                if spec.takes == Takes::Text {
                    text = self.text_argument(name, spec.name, e);
                    good &= text.is_some();
                } else if spec.takes == Takes::Condition {
                    rows = self.rows_where(e);
                    good &= rows.is_some();
                } else {
                    number = self.number_argument(name, spec, e);
                    good &= number.is_some();
                }
            }
            texts.push(text);
            numbers.push(number);
        }
        let columns = self.columns(name, &columns);
        if !good {
            return None;
        }
        let named = |n: &str| specs.iter().position(|s| s.name == n);
        let text = |n: &str| named(n).and_then(|k| texts.get(k).cloned().flatten());
        let number = |n: &str| named(n).and_then(|k| numbers.get(k).copied().flatten());
        let count = |n: &str| number(n).map(|v| v as usize);
        let path = text("path").unwrap_or_default();
        let seed = number("seed").map_or(0, |v| v as u64);
        if number("drift").is_some() && number("frames").is_none() {
            self.report(messages::reader_missing(name, "frames", found.call, "patches(…, frames = 16, drift = 0.7)"));
            return None;
        }
        let channels = if number("color") == Some(1.0) { Channels::Color } else { Channels::Grey };
        Some(match name {
            "npy" => Reader::Npy { path },
            "npz" => Reader::Npz { path, array: text("array") },
            "csv" => Reader::Table { path, format: TableFormat::Text, columns: columns?, rows },
            "parquet" => Reader::Table { path, format: TableFormat::Parquet, columns: columns?, rows },
            "arrow" => Reader::Table { path, format: TableFormat::Arrow, columns: columns?, rows },
            "json" => Reader::Json { path, field: text("field") },
            "idx" => Reader::Idx { path },
            "images" => Reader::Images { path, channels },
            "patches" => Reader::Patches {
                path,
                array: text("array"),
                images: count("images"),
                channels,
                border: count("border").unwrap_or(0),
                size: count("size")?,
                count: count("count")?,
                seed,
                moving: count("frames").map(|frames| (frames, number("drift").unwrap_or(1.0))),
            },
            "bars" => Reader::Bars {
                size: count("size")?,
                angles: count("angles")?,
                frames: count("frames")?,
                width: number("width").unwrap_or(0.2),
                blank: count("blank").unwrap_or(0),
            },
            _ => Reader::NormalDraws { mean: number("mean")?, sd: number("sd")?, count: count("count")?, seed },
        })
    }

    /// A reader's arguments, put to what it takes; `None` where there are too many.
    fn given_to<'e>(&mut self, found: &FoundReader<'e>, specs: &[Spec]) -> Option<Given<'e>> {
        let name = found.reader.value.as_str();
        let mut given: Vec<Option<&Expr>> = specs.iter().map(|_| None).collect();
        let mut columns = vec![];
        let mut good = true;
        let mut place = 0;
        for argument in found.arguments {
            let slot = match &argument.name {
                Some(key) => match specs.iter().position(|s| s.name == key.value) {
                    Some(slot) => slot,
                    None => {
                        let near = nearest(&key.value, specs.iter().map(|s| s.name));
                        let known: Vec<&str> = specs.iter().map(|s| s.name).collect();
                        let table = TABLES.contains(&name);
                        let known = if table { vec!["path", "columns", "where"] } else { known };
                        self.report(messages::reader_argument(name, key, near, &known, usage(name)));
                        good = false;
                        continue;
                    }
                },
                // Behind the path of a table stand its columns.
                None if place > 0 && TABLES.contains(&name) => specs.len(),
                None => {
                    place += 1;
                    place - 1
                }
            };
            match given.get_mut(slot) {
                Some(empty @ None) => *empty = Some(&argument.value),
                Some(Some(first)) => {
                    let (first, what) = (first.span, specs.get(slot).map_or("", |s| s.name));
                    self.report(messages::argument_twice(name, what, argument.value.span, first));
                    good = false;
                }
                None if TABLES.contains(&name) => columns.push(&argument.value),
                None => {
                    self.report(messages::reader_too_many(name, argument.value.span, usage(name)));
                    return None;
                }
            }
        }
        for (spec, value) in specs.iter().zip(&given) {
            if spec.required && value.is_none() {
                // An unknown name may be this one, misspelt.
                if !good {
                    continue;
                }
                self.report(messages::reader_missing(name, spec.name, found.call, usage(name)));
                good = false;
            }
        }
        Some(Given { slots: given, columns, good })
    }

    pub(crate) fn text_argument(&mut self, reader: &str, what: &str, e: &Expr) -> Option<String> {
        match bare(e).kind.as_ref() {
            ExprKind::Text(text) => Some(text.clone()),
            ExprKind::Error => {
                self.said.incomplete = true;
                None
            }
            _ => {
                self.report(messages::reader_text(reader, what, e.span));
                None
            }
        }
    }

    fn number_argument(&mut self, reader: &str, spec: &Spec, e: &Expr) -> Option<f64> {
        if let Some((axis, place)) = self.reads_a_file_size(e) {
            self.report(messages::size_before_reading(&axis, place, e.span));
            return None;
        }
        let what = format!("`{}` of `{reader}`", spec.name);
        if spec.takes == Takes::Truth {
            return match bare(e).kind.as_ref() {
                ExprKind::Name(word) if word == "true" => Some(1.0),
                ExprKind::Name(word) if word == "false" => Some(0.0),
                _ => {
                    self.report(messages::reader_truth(reader, spec.name, e.span));
                    None
                }
            };
        }
        if spec.takes == Takes::Number {
            let v = self.plain_number(e, &what)?;
            if spec.name == "sd" && v < 0.0 {
                self.report(messages::must_be_positive(&what, e.span, v));
                return None;
            }
            return Some(v);
        }
        let least = usize::from(!matches!(spec.name, "seed" | "border" | "blank"));
        self.whole_number(e, &what, least).map(|v| v as f64)
    }

    /// Compares a header with the axes declared; says what does not fit.
    pub fn fit_header(
        &mut self,
        d: &Declaration,
        axes: &[(fe_graph::Axis, Span)],
        header: &Header,
        source: Span,
    ) -> bool {
        let name = &d.target.name;
        let shape = &header.shape;
        let sizes = match extents(shape, axes.len()) {
            Some(sizes) => sizes,
            None if axes.is_empty() => {
                self.report(messages::array_without_axes(&name.value, name.span, shape, source));
                return false;
            }
            // An axis of size 1 needs no dimension of its own.
            None => {
                let missing = axes.get(shape.len()..).unwrap_or_default();
                let one = |a: &(fe_graph::Axis, Span)| {
                    self.axes.entry(a.0.id).is_some_and(|e| !e.from_file && e.size == Some(1))
                };
                if !missing.iter().all(one) {
                    let declared = self.axis_names(&axes.iter().map(|a| a.0).collect::<Vec<_>>());
                    self.report(messages::too_few_dimensions(&name.value, d.target.span, &declared, shape, source));
                    return false;
                }
                let mut sizes = shape.clone();
                sizes.resize(axes.len(), 1);
                sizes
            }
        };
        let mut good = true;
        for (k, (&(axis, place), &size)) in axes.iter().zip(&sizes).enumerate() {
            let Some(entry) = self.axes.entry(axis.id).cloned() else { continue };
            if let Some(stated) = entry.size.filter(|&s| s != size) {
                let axis_name = self.graph.axis_name(fe_graph::Axis::plain(axis.id));
                let flat = k + 1 == axes.len() && shape.len() > axes.len();
                let flat = flat.then(|| shape.get(k..).unwrap_or_default().to_vec());
                let message =
                    messages::size_mismatch(&name.value, &axis_name, place, size, stated, &entry, flat.as_deref());
                self.report(message);
                good = false;
            }
            if size == 0 {
                self.report(messages::empty_data(&name.value, place));
                good = false;
            }
        }
        good
    }
}
