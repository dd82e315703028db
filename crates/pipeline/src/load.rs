//! From a file to a checked program: text, data headers, diagnostics.

use std::collections::HashMap;
use std::path::PathBuf;

use fe_check::{Columns, Overrides, Program, Reader, Rows, SourceCall};
use fe_data::DataError;
use fe_objective::Underivable;
use fe_syntax::{Diagnostic, Parsed, Severity, Span};

use crate::error::{Error, OptionName};
use crate::options::ReadOptions;
use crate::sources::{self, in_memory, source};
use crate::text::Text;

/// A checked program.
pub struct Loaded {
    /// The program.
    pub program: Program,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
    /// The data it reads: the call in the text, and the source with its path resolved; none for numbers written in the
    /// program.
    pub sources: Vec<(SourceCall, Option<fe_data::Source>)>,
    /// The headers of the data, by name.
    pub headers: HashMap<String, fe_check::Header>,
    /// Where decoded data are kept from run to run.
    pub cache: Option<PathBuf>,
}

/// Parses, reads the headers of the data, and checks.
pub fn load(text: &Text, options: &ReadOptions) -> Result<Loaded, Error> {
    load_with(text, options, &HashMap::new())
}

/// As [`load`], with the headers of some data known: their files are not looked at.
pub fn load_with(
    text: &Text,
    options: &ReadOptions,
    known: &HashMap<String, fe_check::Header>,
) -> Result<Loaded, Error> {
    load_parsed(fe_syntax::parse(&text.source), text, options, known, Rows::Unknown)
}

/// As [`load_with`], of a program that was read already.
pub(crate) fn load_parsed(
    parsed: Parsed,
    text: &Text,
    options: &ReadOptions,
    known: &HashMap<String, fe_check::Header>,
    rows: Rows,
) -> Result<Loaded, Error> {
    let replaced: HashMap<&str, &str> = options.data.iter().map(|a| (a.name.as_str(), a.value.as_str())).collect();
    let set = options.set.iter().map(|a| (a.name.clone(), a.value.clone())).collect();
    let overrides = Overrides { set, rows };
    let (calls, mut diagnostics) = fe_check::sources(&parsed.ast, &overrides);
    let given = options.data.iter().map(|a| &a.name).chain(options.arrays.keys());
    if let Some(name) = given.into_iter().find(|n| !calls.iter().any(|c| c.data == **n)) {
        let known: Vec<&str> = calls.iter().map(|c| c.data.as_str()).collect();
        return Err(Error::Option(
            OptionName::Data,
            format!(
                "{name}=…: the program has no data called `{name}`; it reads {}",
                if known.is_empty() { "none".into() } else { known.join(", ") }
            ),
        ));
    }
    let mut headers = known.clone();
    let mut sources = vec![];
    let mut broken = vec![];
    for call in calls {
        let array = options.arrays.get(&call.data);
        if let (Some(_), Reader::Table { rows: Some(_), .. }) = (array, &call.reader) {
            return Err(Error::Option(
                OptionName::Data,
                format!(
                    "{}: the program chooses rows of its file by `where`, which an array does not have: choose them before",
                    call.data
                ),
            ));
        }
        let source = match array {
            Some(array) => Some(in_memory(&call, array.clone())),
            None => match (&call.reader, replaced.get(call.data.as_str())) {
                (Reader::Input, Some(path)) => Some(sources::given(&call, path)?),
                // The caller may know what it is like, where no numbers are needed.
                (Reader::Input, None) if !known.contains_key(&call.data) => {
                    broken.push(not_given(&call));
                    sources.push((call, None));
                    continue;
                }
                (_, replaced) => source(&call, &text.folder, replaced.copied()),
            },
        };
        let Some(source) = source else {
            if let Reader::Numbers { shape, .. } = &call.reader {
                let header = fe_check::Header { shape: shape.clone(), ..fe_check::Header::default() };
                headers.insert(call.data.clone(), header);
            }
            sources.push((call, None));
            continue;
        };
        if known.contains_key(&call.data) {
            sources.push((call, Some(source)));
            continue;
        }
        let header = match options.headers.as_ref().and_then(|h| h.lock().ok()) {
            Some(mut known) => known.of(&source),
            None => fe_data::header(&source),
        };
        match header {
            Ok(h) => {
                let integer = !matches!(h.element, fe_data::Element::Real);
                let fe_data::Header { shape, levels, columns, .. } = h;
                headers.insert(call.data.clone(), fe_check::Header { shape, levels, columns, integer });
            }
            Err(e) => broken.push(data_diagnostic(&e, &call)),
        }
        sources.push((call, Some(source)));
    }
    let checked = fe_check::check(&parsed.ast, &headers, &overrides, &text.stem);
    let mut all = parsed.diagnostics;
    all.append(&mut diagnostics);
    for d in checked.diagnostics {
        if !all.contains(&d) {
            all.push(d);
        }
    }
    if let Some(d) = checked.wrong_overrides.first() {
        let help = d.help.as_deref().map(|h| format!("; {h}")).unwrap_or_default();
        return Err(Error::Option(OptionName::Set, format!("{}{help}", d.message)));
    }
    all.sort_by_key(|d| (d.span(), d.code));
    let wrong = all.iter().any(|d| d.severity == Severity::Error);
    if wrong {
        all.append(&mut broken);
        return Err(Error::Program(all));
    }
    if !broken.is_empty() {
        return Err(Error::Data(broken));
    }
    match checked.program {
        Some(program) => Ok(Loaded { program, warnings: all, sources, headers, cache: options.cache.clone() }),
        None => Err(Error::Internal("a program without errors was not compiled".into())),
    }
}

/// What a data declaration asks of a caller in the place of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sought {
    /// What its reader names: columns, an array, a field; nothing where it names none.
    Named(Vec<String>),
    /// All columns of numbers but these.
    AllBut(Vec<String>),
}

/// The data that a program reads, each with what its reader asks for. Nothing is opened.
pub fn sources(text: &Text, options: &ReadOptions) -> Vec<(String, Sought)> {
    let set = options.set.iter().map(|a| (a.name.clone(), a.value.clone())).collect();
    let parsed = fe_syntax::parse(&text.source);
    let (calls, _) = fe_check::sources(&parsed.ast, &Overrides { set, ..Overrides::default() });
    let names = |reader: Reader| match reader {
        Reader::Table { columns: Columns::Named(columns), .. } => Sought::Named(columns),
        Reader::Table { columns: Columns::AllBut(columns), .. } => Sought::AllBut(columns),
        Reader::Npz { array: name, .. } | Reader::Json { field: name, .. } => Sought::Named(name.into_iter().collect()),
        _ => Sought::Named(vec![]),
    };
    let made = |r: &Reader| matches!(r, Reader::Numbers { .. } | Reader::NormalDraws { .. } | Reader::Bars { .. });
    let read = calls.into_iter().filter(|c| !made(&c.reader));
    read.map(|c| (c.data, names(c.reader))).collect()
}

/// Data that the caller was to give.
fn not_given(call: &SourceCall) -> Diagnostic {
    let message = format!("`{}` is given by who runs the program, and was not", call.data);
    Diagnostic::error("D0033", message, call.span, "`input`").help(format!(
        "give it: `--data {}=FILE`, an .npy, .npz, .csv, .parquet, .arrow or .json; from Python by its name",
        call.data
    ))
}

/// A data error at the reader that met it.
pub fn data_diagnostic(e: &DataError, call: &SourceCall) -> Diagnostic {
    let place = match (&e.file, &e.place) {
        (Some(f), Some(p)) => format!("{}, {p}", f.display()),
        (Some(f), None) => f.display().to_string(),
        (None, Some(p)) => p.to_string(),
        (None, None) => format!("the data of `{}`", call.data),
    };
    let d = Diagnostic::error(e.kind.code(), e.message.clone(), call.path_span, place);
    match &e.help {
        Some(h) => d.help(h.clone()),
        None => d,
    }
}

/// A failed derivation as what ends the way.
pub fn underivable(e: Underivable) -> Error {
    match e {
        Underivable::Refused { code, message, span, help } => {
            let span = if span == Span::default() { Span::new(0, 0) } else { span };
            Error::Program(vec![Diagnostic::error(code, message, span, "this").help(help)])
        }
        Underivable::Fault { message, span } => {
            Error::Internal(format!("{message} (at {} to {} of the program)", span.start, span.end))
        }
    }
}

/// Has some latents fitted as they are written, and never as location + scale · u.
pub fn centre(program: &mut Program, names: &[String]) {
    for latent in program.latents.iter_mut().filter(|l| names.contains(&l.name)) {
        latent.centred = true;
    }
}
