//! `fe compare`: two programs fitted to the same data with the same seeds, side by side.

use std::path::Path;

use fe_check::Overrides;
use fe_graph::Axis;
use fe_objective::TermKind;
use fe_report::{
    Comparison, Errors, PairOfFits, SideFit, compared, comparison_terminal, standard_error, write_atomically,
};
use fe_syntax::ast::StatementKind;
use fe_train::{Figures, Rows};

use crate::cli::{CompareArgs, FitArgs, ProgramArgs};
use crate::failure::Failure;
use crate::fitting::{self, Fitted, Prepared};
use crate::program::{self, Text};
use crate::run::width;
use crate::{directory, output, progress, render};

/// The most rows that are compared one by one: of more, as many at even distances.
const MOST_ROWS: usize = 4096;

/// A failure, and the program that it is about.
pub type Blamed = Box<(Failure, Option<Text>)>;

/// One of the two programs, and how it is read.
struct Given {
    text: Text,
    args: ProgramArgs,
}

/// Two programs of one seed, fitted.
struct Fits<'a> {
    a: (Fitted<'a>, Rows),
    b: (Fitted<'a>, Rows),
}

/// Runs the command.
pub fn compare(args: &CompareArgs) -> Result<(), Blamed> {
    let of_none = |failure| Box::new((failure, None));
    let of = |given: &Given| {
        let text = given.text.clone();
        move |failure| Box::new((failure, Some(text)))
    };
    let [a, b] = given(args).map_err(of_none)?;
    if args.seeds == 0 {
        return Err(of_none(Failure::Usage("--seeds takes a number from 1".into())));
    }
    if let Some(folder) = &args.out {
        directory::create(folder).map_err(of_none)?;
    }
    let mut report = Comparison { fe_version: env!("CARGO_PKG_VERSION").into(), ..Comparison::default() };
    let mut pairs = vec![];
    let mut first_seed = args.fit.seed;
    for number in 0..args.seeds {
        let options = FitArgs { seed: first_seed.map(|s| s.wrapping_add(number)), ..args.fit.clone() };
        let prepared_a = fitting::prepare(&a.text, &a.args, &options).map_err(of(&a))?;
        // Where none is given, the first program's holds for both.
        let seed = prepared_a.seed;
        first_seed = first_seed.or(Some(seed));
        let options = FitArgs { seed: Some(seed), ..options };
        let prepared_b = fitting::prepare(&b.text, &b.args, &options).map_err(of(&b))?;
        if number == 0 && !args.quiet {
            for (given, prepared) in [(&a, &prepared_a), (&b, &prepared_b)] {
                let colour = render::colour_on_stderr();
                output::err(&render::text(&given.text.file, &given.text.source, &prepared.warnings, colour));
            }
        }
        let fitted_a = fit(&prepared_a, &a.text, seed, args.quiet).map_err(of(&a))?;
        let fitted_b = fit(&prepared_b, &b.text, seed, args.quiet).map_err(of(&b))?;
        let fits = Fits { a: fitted_a, b: fitted_b };
        let unlike = unlike(&prepared_a, &prepared_b);
        pairs.push(pair([(&a, &prepared_a), (&b, &prepared_b)], &fits, seed, unlike, &mut report).map_err(of_none)?);
        if progress::stopped() {
            report.notes.push("interrupted: these are the figures of what there was".into());
            break;
        }
    }
    report.figures = compared(&pairs);
    if !report.paired && report.rows > 0 {
        report.notes.push("the errors of differences are those of two samples of rows, not of rows one by one".into());
    }
    finish(&report, args).map_err(of_none)
}

/// Both programs, with those of the options that are theirs.
fn given(args: &CompareArgs) -> Result<[Given; 2], Failure> {
    if [&args.a, &args.b].into_iter().all(|model| model == "-") {
        return Err(Failure::Usage("standard input can be read once: one of the programs must be a file".into()));
    }
    let mut both = [&args.a, &args.b].map(|model| {
        Text::read(model)
            .map(|text| Given { text, args: ProgramArgs { model: model.clone(), data: vec![], set: vec![] } })
    });
    for (options, what, form) in [(&args.set, "set", "VALUE"), (&args.data, "data", "FILE")] {
        for (option, (name, _)) in options.iter().zip(program::pairs(options, what, form)?) {
            let mut known = false;
            for given in both.iter_mut().flatten() {
                if names(&given.text, what).contains(&name) {
                    let list = if what == "set" { &mut given.args.set } else { &mut given.args.data };
                    list.push(option.clone());
                    known = true;
                }
            }
            if !known && both.iter().all(Result::is_ok) {
                let kind = if what == "set" { "`const` or `dim`" } else { "data" };
                return Err(Failure::Usage(format!("--{what} {option}: neither program has {kind} called `{name}`")));
            }
        }
    }
    let [a, b] = both;
    Ok([a?, b?])
}

/// What of a program an option may name: its constants and sizes, or its data.
fn names(text: &Text, what: &str) -> Vec<String> {
    let ast = fe_syntax::parse(&text.source).ast;
    if what == "data" {
        return fe_check::sources(&ast, &Overrides::default()).0.into_iter().map(|call| call.data).collect();
    }
    let named = |kind: &StatementKind| match kind {
        StatementKind::Const { name, .. } | StatementKind::Dim { name, .. } => Some(name.value.clone()),
        _ => None,
    };
    ast.statements.iter().filter_map(|s| named(&s.kind)).collect()
}

/// Fits a program, and looks at its rows one by one.
fn fit<'a>(prepared: &'a Prepared, text: &Text, seed: u64, quiet: bool) -> Result<(Fitted<'a>, Rows), Failure> {
    if !quiet {
        output::err(&format!("fitting {}, seed {seed}\n", text.file));
    }
    let mut display = progress::Progress::new(quiet);
    let result = prepared.fit(None, &mut display);
    display.finish();
    let fitted = result?;
    let rows = fe_train::rows(&fitted.problem, &fitted.fit, MOST_ROWS)
        .map_err(|e| fitting::failed(e, fitted.program, fitted.problem.objective))?;
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
    unlike: Option<String>,
    report: &mut Comparison,
) -> Result<PairOfFits, Failure> {
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
            output::err(&format!("warning: {warning}\n"));
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
fn over_rows(a: &Rows, b: &Rows, paired: bool) -> [Option<f64>; 4] {
    let (a, b) = (&a.by_row, &b.by_row);
    let of = |a: Option<&Vec<f64>>, b: Option<&Vec<f64>>| {
        let (a, b) = (a?, b?);
        if paired {
            let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| b - a).collect();
            return standard_error(&differences);
        }
        Some(standard_error(a)?.hypot(standard_error(b)?))
    };
    [
        of(Some(&a.free_energy), Some(&b.free_energy)),
        of(Some(&a.distortion), Some(&b.distortion)),
        of(Some(&a.rate), Some(&b.rate)),
        of(a.energy.as_ref(), b.energy.as_ref()),
    ]
}

/// Standard errors of the differences of F, D and R from the draws that figures are taken with; none where neither program
/// is sampled.
fn over_draws(fits: &Fits, heldout: bool) -> [Option<f64>; 3] {
    let of = |(fitted, _): &(Fitted, Rows)| -> [Option<f64>; 3] {
        let figures: Option<&Figures> = if heldout { fitted.fit.heldout.as_ref() } else { Some(&fitted.fit.figures) };
        let Some(f) = figures else { return [None; 3] };
        let part = |rate: bool| {
            let terms = fitted.problem.objective.terms.iter().zip(&f.terms);
            let own = terms.filter(|(t, _)| (t.kind == TermKind::Rate) == rate);
            let squares: Vec<f64> = own.filter_map(|(_, v)| v.se).map(|se| se * se).collect();
            (!squares.is_empty()).then(|| squares.iter().sum::<f64>().sqrt())
        };
        [f.se, part(false), part(true)]
    };
    let (a, b) = (of(&fits.a), of(&fits.b));
    let both = |(a, b): (Option<f64>, Option<f64>)| match (a, b) {
        (None, None) => None,
        (a, b) => Some(a.unwrap_or(0.0).hypot(b.unwrap_or(0.0))),
    };
    let ([fa, da, ra], [fb, db, rb]) = (a, b);
    [(fa, fb), (da, db), (ra, rb)].map(both)
}

/// Writes and prints.
fn finish(report: &Comparison, args: &CompareArgs) -> Result<(), Failure> {
    if let Some(folder) = &args.out {
        write(folder, report)?;
    }
    if args.json {
        output::out(&fe_report::json(report))?;
    } else if !args.quiet {
        let mut text = comparison_terminal(report, width(), render::colour_on_stdout());
        if let Some(folder) = &args.out {
            text.push_str(&format!("\nsaved in {}\n", folder.display()));
        }
        output::out(&text)?;
    }
    let fits = report.a.fits.iter().chain(&report.b.fits);
    let unconverged = fits.filter(|f| !f.converged).count();
    if args.strict && unconverged > 0 {
        let all = report.a.fits.len() + report.b.fits.len();
        return Err(Failure::Unconverged(format!("{unconverged} of {all} fits have not converged")));
    }
    Ok(())
}

/// Writes `compare.json` and `compare.csv`.
fn write(folder: &Path, report: &Comparison) -> Result<(), Failure> {
    for (name, text) in [("compare.csv", report.csv()), ("compare.json", fe_report::json(report))] {
        let path = folder.join(name);
        write_atomically(&path, text).map_err(|e| Failure::Io(format!("{} cannot be written: {e}", path.display())))?;
    }
    Ok(())
}
