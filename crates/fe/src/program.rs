//! From a file to a checked program: text, data headers, diagnostics.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use fe_check::{Overrides, Program, Reader, SourceCall, Stage};
use fe_data::DataError;
use fe_syntax::{Diagnostic, Severity, Span};

use crate::cli::ProgramArgs;
use crate::failure::Failure;

/// The codes of overrides that name nothing or are no number: the command line is wrong, and not the program.
const WRONG_SET: [&str; 2] = ["E0113", "E0114"];

/// A program's text and what is called by it.
#[derive(Clone)]
pub struct Text {
    /// As shown in messages.
    pub file: String,
    /// The text.
    pub source: String,
    /// The folder that paths in it are relative to.
    pub folder: PathBuf,
    /// The model's name where the program states none.
    pub stem: String,
}

impl Text {
    /// Reads a program, from standard input when it is called `-`.
    pub fn read(model: &str) -> Result<Self, Failure> {
        if model == "-" {
            let mut source = String::new();
            std::io::stdin()
                .read_to_string(&mut source)
                .map_err(|e| Failure::Io(format!("standard input cannot be read: {e}")))?;
            return Ok(Self { file: "<stdin>".into(), source, folder: PathBuf::from("."), stem: "model".into() });
        }
        let path = Path::new(model);
        let bytes = std::fs::read(path).map_err(|e| Failure::Io(format!("{model} cannot be read: {e}")))?;
        let source = String::from_utf8(bytes).map_err(|_| Failure::Io(format!("{model} is not UTF-8 text")))?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        let stem = path.file_stem().map_or_else(|| "model".into(), |s| s.to_string_lossy().into_owned());
        Ok(Self { file: model.to_owned(), source, folder, stem })
    }
}

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
}

/// `NAME=VALUE` of an option, taken apart.
pub fn pairs(given: &[String], what: &str, form: &str) -> Result<Vec<(String, String)>, Failure> {
    given
        .iter()
        .map(|s| {
            s.split_once('=')
                .map(|(a, b)| (a.trim().to_owned(), b.trim().to_owned()))
                .ok_or_else(|| Failure::Usage(format!("--{what} takes NAME={form}, not `{s}`")))
        })
        .collect()
}

/// Parses, reads the headers of the data, and checks.
pub fn load(text: &Text, args: &ProgramArgs) -> Result<Loaded, Failure> {
    load_with(text, args, &HashMap::new())
}

/// As [`load`], with the headers of some data known: their files are not looked at.
pub fn load_with(
    text: &Text,
    args: &ProgramArgs,
    known: &HashMap<String, fe_check::Header>,
) -> Result<Loaded, Failure> {
    let set = pairs(&args.set, "set", "VALUE")?;
    let replaced: HashMap<String, String> = pairs(&args.data, "data", "FILE")?.into_iter().collect();
    let overrides = Overrides { set };
    let parsed = fe_syntax::parse(&text.source);
    let (calls, mut diagnostics) = fe_check::sources(&parsed.ast, &overrides);
    if let Some(name) = replaced.keys().find(|n| !calls.iter().any(|c| c.data == **n)) {
        let known: Vec<&str> = calls.iter().map(|c| c.data.as_str()).collect();
        return Err(Failure::Usage(format!(
            "--data {name}=…: the program has no data called `{name}`; it reads {}",
            if known.is_empty() { "none".into() } else { known.join(", ") }
        )));
    }
    let mut headers = known.clone();
    let mut sources = vec![];
    let mut broken = vec![];
    for call in calls {
        let Some(source) = source(&call, &text.folder, replaced.get(&call.data).map(String::as_str)) else {
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
        match fe_data::header(&source) {
            Ok(h) => {
                let integer = !matches!(h.element, fe_data::Element::Real);
                headers.insert(call.data.clone(), fe_check::Header { shape: h.shape, levels: h.levels, integer });
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
    if let Some(d) = all.iter().find(|d| WRONG_SET.contains(&d.code)) {
        let help = d.help.as_deref().map(|h| format!("; {h}")).unwrap_or_default();
        return Err(Failure::Usage(format!("{}{help}", d.message)));
    }
    all.sort_by_key(|d| (d.span(), d.code));
    let wrong = all.iter().any(|d| d.severity == Severity::Error);
    if wrong {
        all.append(&mut broken);
        return Err(Failure::Program(all));
    }
    if !broken.is_empty() {
        return Err(Failure::Data(broken));
    }
    match checked.program {
        Some(program) => Ok(Loaded { program, warnings: all, sources, headers }),
        None => Err(Failure::Internal("a program without errors was not compiled".into())),
    }
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

/// The reader with its path resolved; none for numbers written in the program.
fn source(call: &SourceCall, folder: &Path, replaced: Option<&str>) -> Option<fe_data::Source> {
    // A path given on the command line is relative to where the command runs.
    let at = |path: &str| replaced.map_or_else(|| folder.join(path), PathBuf::from);
    let reader = match &call.reader {
        Reader::Npy { path } => fe_data::Reader::Npy { path: at(path) },
        Reader::Npz { path, array } => fe_data::Reader::Npz { path: at(path), array: array.clone() },
        Reader::Csv { path, columns } => fe_data::Reader::Csv { path: at(path), columns: columns.clone() },
        Reader::Json { path, field } => fe_data::Reader::Json { path: at(path), field: field.clone() },
        Reader::Idx { path } => fe_data::Reader::Idx { path: at(path) },
        Reader::Images { path } => fe_data::Reader::Images { pattern: at(path) },
        Reader::Patches { path, array, images, border, size, count, seed } => fe_data::Reader::Patches {
            pattern: at(path),
            array: array.clone(),
            images: *images,
            size: *size,
            count: *count,
            seed: *seed,
            border: *border,
        },
        Reader::NormalDraws { mean, sd, count, seed } => {
            fe_data::Reader::NormalDraws { mean: *mean, sd: *sd, count: *count, seed: *seed }
        }
        Reader::Numbers { .. } => return None,
    };
    let stages = call
        .stages
        .iter()
        .map(|s| match s.0 {
            Stage::Whiten => fe_data::Stage::Whiten,
            Stage::Standardize => fe_data::Stage::Standardize,
        })
        .collect();
    Some(fe_data::Source { reader, stages })
}

/// A failed derivation as a diagnostic.
pub fn underivable(e: fe_objective::Underivable) -> Diagnostic {
    let span = if e.span == Span::default() { Span::new(0, 0) } else { e.span };
    Diagnostic::error("E0800", e.message, span, "this").help(e.help)
}

/// Has some latents fitted as they are written, and never as location + scale · u.
pub fn centre(program: &mut Program, names: &[String]) {
    for latent in program.latents.iter_mut().filter(|l| names.contains(&l.name)) {
        latent.centred = true;
    }
}

/// Which of two fits was kept, that with latents as location + scale · u or as written, by what was minimised.
pub fn choice(names: &[String], non_centred: f64, centred: f64) -> String {
    let names = names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    let (kept, low, high) = match centred < non_centred {
        true => ("as written", centred, non_centred),
        false => ("as location + scale · u", non_centred, centred),
    };
    format!(
        "{names}: fitted both as written and as location + scale · u; kept {kept}, {low:.4} against {high:.4} a row"
    )
}
