//! Two programs fitted to the same data with the same seeds, side by side.

use std::path::Path;

use fe_check::Overrides;
use fe_graph::Axis;
use fe_objective::TermKind;
use fe_report::{Comparison, Errors, PairOfFits, PartErrors, SideFit, compared, standard_error};
use fe_syntax::ast::{Ast, StatementKind};
use fe_train::{Figures, Rows};

use crate::directory;
use crate::error::{Error, OptionName};
use crate::fit::{Fitted, failed};
use crate::options::{Assignment, FitOptions, ReadOptions};
use crate::prepare::{Prepared, prepare};
use crate::text::Text;
use crate::watch::Watch;

/// The most rows that are compared one by one: of more, as many at even distances.
const MOST_ROWS: usize = 4096;

/// One of the two programs, and how it is read.
pub struct Given {
    /// The program.
    pub text: Text,
    /// How it is read.
    pub reading: ReadOptions,
}

/// Which of the two programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first.
    A,
    /// The second, whose figures are compared with the first's.
    B,
}

/// What is wrong, and with which program, where it is with one.
#[derive(Debug)]
pub struct Blamed {
    /// What.
    pub error: Error,
    /// Of whom.
    pub side: Option<Side>,
}

/// Two programs of one seed, fitted.
struct Fits<'a> {
    a: (Fitted<'a>, Rows),
    b: (Fitted<'a>, Rows),
}

/// Two programs, with those of the options that are theirs: a name must be one of either.
///
/// # Errors
/// When an option names nothing of either program.
pub fn given([a, b]: [Text; 2], reading: &ReadOptions) -> Result<[Given; 2], Error> {
    let sets = [&a, &b].map(|text| constants(&fe_syntax::parse(&text.source).ast));
    let data = [&a, &b].map(|text| read_by(&fe_syntax::parse(&text.source).ast));
    let own = |all: &[Assignment], names: &[String]| -> Vec<Assignment> {
        all.iter().filter(|a| names.contains(&a.name)).cloned().collect()
    };
    for (options, known, option, kind) in
        [(&reading.set, &sets, OptionName::Set, "`const` or `dim`"), (&reading.data, &data, OptionName::Data, "data")]
    {
        if let Some(stray) = options.iter().find(|o| !known.iter().any(|names| names.contains(&o.name))) {
            let name = &stray.name;
            return Err(Error::Option(option, format!("{stray}: neither program has {kind} called `{name}`")));
        }
    }
    let [sets_a, sets_b] = sets.map(|names| own(&reading.set, &names));
    let [data_a, data_b] = data.map(|names| own(&reading.data, &names));
    let of = |text, set, data| Given { text, reading: ReadOptions { set, data, ..reading.clone() } };
    Ok([of(a, sets_a, data_a), of(b, sets_b, data_b)])
}

fn read_by(ast: &Ast) -> Vec<String> {
    fe_check::sources(ast, &Overrides::default()).0.into_iter().map(|call| call.data).collect()
}

fn constants(ast: &Ast) -> Vec<String> {
    let named = |kind: &StatementKind| match kind {
        StatementKind::Const { name, .. } | StatementKind::Dim { name, .. } => Some(name.value.clone()),
        _ => None,
    };
    ast.statements.iter().filter_map(|s| named(&s.kind)).collect()
}

/// Fits both with so many seeds, one after another, and compares them.
///
/// # Errors
/// When a program, its data or its fit go wrong.
pub fn compare([a, b]: [&Given; 2], fitting: &FitOptions, seeds: u64, watch: &dyn Watch) -> Result<Comparison, Blamed> {
    let of = |side: Option<Side>| move |error| Blamed { error, side };
    let (of_a, of_b) = (of(Some(Side::A)), of(Some(Side::B)));
    if seeds == 0 {
        return Err(of(None)(Error::Option(OptionName::Seeds, "takes a number from 1".into())));
    }
    let mut report = Comparison { fe_version: env!("CARGO_PKG_VERSION").into(), ..Comparison::default() };
    let mut pairs = vec![];
    let mut first_seed = fitting.seed;
    for number in 0..seeds {
        let options = FitOptions { seed: first_seed.map(|s| s.wrapping_add(number)), ..fitting.clone() };
        let prepared_a = prepare(&a.text, &a.reading, &options).map_err(of_a)?;
        // Where none is given, the first program's holds for both.
        let seed = prepared_a.seed;
        first_seed = first_seed.or(Some(seed));
        let options = FitOptions { seed: Some(seed), ..options };
        let prepared_b = prepare(&b.text, &b.reading, &options).map_err(of_b)?;
        if number == 0 {
            watch.warnings(&a.text, &prepared_a.warnings);
            watch.warnings(&b.text, &prepared_b.warnings);
        }
        let fitted_a = fit(&prepared_a, &a.text, seed, watch).map_err(of_a)?;
        let fitted_b = fit(&prepared_b, &b.text, seed, watch).map_err(of_b)?;
        let fits = Fits { a: fitted_a, b: fitted_b };
        let sides = [(a, &prepared_a), (b, &prepared_b)];
        pairs.push(pair(sides, &fits, seed, watch, &mut report).map_err(of(None))?);
        if watch.stopped() {
            report.notes.push("interrupted: these are the figures of what there was".into());
            break;
        }
    }
    report.figures = compared(&pairs);
    if !report.paired && report.rows > 0 {
        report.notes.push("the errors of differences are those of two samples of rows, not of rows one by one".into());
    }
    Ok(report)
}

/// Fits a program, and looks at its rows one by one.
fn fit<'a>(prepared: &'a Prepared, text: &Text, seed: u64, watch: &dyn Watch) -> Result<(Fitted<'a>, Rows), Error> {
    watch.note(&format!("fitting {}, seed {seed}", text.file));
    let fitted = prepared.fit(None, watch.fit().as_mut())?;
    let rows = fe_train::rows(&fitted.problem, &fitted.fit, MOST_ROWS)
        .map_err(|e| failed(e, fitted.program, fitted.problem.objective))?;
    Ok((fitted, rows))
}

/// In what the data of two programs differ: arrays with rows that bear one name and hold other numbers, or nothing that both
/// read. `None` where the rows are the same; either may read more of them than the other.
fn unlike(a: &Prepared, b: &Prepared) -> Option<String> {
    let arrays = |p: &Prepared| -> Vec<(String, Vec<u64>)> {
        let row = p.program.row.map(|r| Axis::plain(r.axis));
        let with_rows = p.program.data.iter().filter(|d| row.is_none() || d.axes.first() == row.as_ref());
        let bits = |d: &fe_check::Data| -> Vec<u64> {
            let tensor = p.arrays.tensors.get(&d.input);
            tensor.map(|t| t.values.iter().map(|v| v.to_bits()).collect()).unwrap_or_default()
        };
        with_rows.map(|d| (d.name.clone(), bits(d))).collect()
    };
    let (of_a, of_b) = (arrays(a), arrays(b));
    let other: Vec<&str> = of_a
        .iter()
        .filter(|(name, values)| of_b.iter().any(|(n, v)| n == name && v != values))
        .map(|(name, _)| name.as_str())
        .collect();
    if !other.is_empty() {
        return Some(format!("`{}` of A is not that of B", other.join("`, `")));
    }
    let common = of_a.iter().any(|(_, values)| of_b.iter().any(|(_, v)| v == values));
    let nothing = of_a.is_empty() && of_b.is_empty();
    (!common && !nothing).then(|| "no array of A is one of B".into())
}

/// What the report says of one seed's fits.
fn pair(
    sides: [(&Given, &Prepared); 2],
    fits: &Fits,
    seed: u64,
    watch: &dyn Watch,
    report: &mut Comparison,
) -> Result<PairOfFits, Error> {
    let unlike = unlike(sides[0].1, sides[1].1);
    let mut documents = vec![];
    let both = [(&mut report.a, &fits.a.0), (&mut report.b, &fits.b.0)];
    for ((given, prepared), (side, fitted)) in sides.into_iter().zip(both) {
        let document = prepared.document(fitted)?;
        let fit =
            SideFit { seed, steps: document.steps, seconds: document.seconds, converged: document.verdict.converged };
        side.fits.push(fit);
        (side.program, side.model) = (given.text.file.clone(), document.model.clone());
        side.objective = document.objective.clone();
        documents.push(document);
    }
    let (rows_a, rows_b) = (&fits.a.1, &fits.b.1);
    let paired = unlike.is_none() && rows_a.rows == rows_b.rows && rows_a.heldout == rows_b.heldout;
    let problem = &fits.a.0.problem;
    if report.seeds.is_empty() {
        report.paired = paired;
        if let Some(how) = &unlike {
            let warning = format!("the programs read different data: {how}; their free energies cannot be compared");
            watch.warn(&warning);
            report.notes.push(warning);
        } else if !paired {
            report.notes.push("the programs hold out different rows: state the same `holdout` in both".into());
        }
    }
    report.heldout = rows_a.heldout || rows_b.heldout;
    report.rows = rows_a.rows.len().min(rows_b.rows.len()) as u64;
    report.of_rows = if rows_a.heldout { problem.heldout.len() } else { problem.train.len() } as u64;
    report.seeds.push(seed);
    let errors = Errors { rows: over_rows(rows_a, rows_b, paired), draws: over_draws(fits, report.heldout) };
    let mut documents = documents.into_iter();
    Ok(PairOfFits { a: documents.next().unwrap_or_default(), b: documents.next().unwrap_or_default(), errors })
}

/// Standard errors over rows of the differences of F, D, R and the energy: of the differences row by row where both saw the
/// same rows, else of two samples.
fn over_rows(a: &Rows, b: &Rows, paired: bool) -> PartErrors {
    let (a, b) = (&a.by_row, &b.by_row);
    let of = |a: Option<&Vec<f64>>, b: Option<&Vec<f64>>| {
        let (a, b) = (a?, b?);
        if paired {
            let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| b - a).collect();
            return standard_error(&differences);
        }
        Some(standard_error(a)?.hypot(standard_error(b)?))
    };
    PartErrors {
        free_energy: of(Some(&a.free_energy), Some(&b.free_energy)),
        distortion: of(Some(&a.distortion), Some(&b.distortion)),
        rate: of(Some(&a.rate), Some(&b.rate)),
        energy: of(a.spikes.as_ref(), b.spikes.as_ref()),
    }
}

/// Standard errors of the differences of F, D and R from the draws that figures are taken with; none where neither program
/// is sampled.
fn over_draws(fits: &Fits, heldout: bool) -> PartErrors {
    let of = |(fitted, _): &(Fitted, Rows)| {
        let figures: Option<&Figures> = if heldout { fitted.fit.heldout.as_ref() } else { Some(&fitted.fit.figures) };
        let Some(f) = figures else { return PartErrors::default() };
        let part = |rate: bool| {
            let terms = fitted.problem.objective.terms.iter().zip(&f.terms);
            let own = terms.filter(|(t, _)| (t.kind == TermKind::Rate) == rate);
            let squares: Vec<f64> = own.filter_map(|(_, v)| v.se).map(|se| se * se).collect();
            (!squares.is_empty()).then(|| squares.iter().sum::<f64>().sqrt())
        };
        PartErrors { free_energy: f.se, distortion: part(false), rate: part(true), energy: None }
    };
    let (a, b) = (of(&fits.a), of(&fits.b));
    let both = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (None, None) => None,
        (a, b) => Some(a.unwrap_or(0.0).hypot(b.unwrap_or(0.0))),
    };
    PartErrors {
        free_energy: both(a.free_energy, b.free_energy),
        distortion: both(a.distortion, b.distortion),
        rate: both(a.rate, b.rate),
        energy: None,
    }
}

/// Writes `compare.json` and `compare.csv` into a folder.
///
/// # Errors
/// When a file cannot be written.
pub fn write(folder: &Path, report: &Comparison) -> Result<(), Error> {
    for (name, text) in [("compare.csv", report.csv()), ("compare.json", fe_report::json(report))] {
        directory::put(&folder.join(name), text.as_bytes())?;
    }
    Ok(())
}
