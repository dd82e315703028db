//! `fe sweep`: many fits of one program, side by side, with the certificate of their curves.

mod over;
mod points;
mod side_by_side;
mod weights;

use std::path::{Path, PathBuf};
use std::time::Instant;

use fe_report::{
    Pair, Point, Sweep, certificate, sweep_csv, sweep_page, sweep_pictures, sweep_terminal, write_atomically,
};

use self::over::Over;
use self::points::{Context, Made, Place, places};
use self::side_by_side::side_by_side;
use crate::cli::SweepArgs;
use crate::data::Shared;
use crate::directory::PAGE;
use crate::failure::Failure;
use crate::program::{self, Text};
use crate::progress::{Points, stopped};
use crate::run::width;
use crate::{directory, fitting, output, render};

/// What is written last to a sweep's directory.
const SWEEP: &str = "sweep.json";

/// A place's fit: made, or why not; `None` where it was interrupted, or not begun.
type Outcome = Option<Result<Made, String>>;

/// Runs the command.
pub fn sweep(text: &Text, args: &SweepArgs) -> Result<(), Failure> {
    let started = Instant::now();
    let over = swept(text, args)?;
    // What is wrong with the program is found before anything is fitted.
    let shared = Shared::default();
    let mut first = args.program.clone();
    first.set.extend(over.iter().filter_map(|o| o.values.first().map(|v| o.set(*v))));
    let prepared = fitting::prepare_with(text, &first, &args.fit, &shared)?;
    if !args.quiet {
        output::err(&render::text(&text.file, &text.source, &prepared.warnings, render::colour_on_stderr()));
    }
    let (model, title) = (prepared.program.name.clone(), prepared.program.title.clone());
    let folder = args.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(format!("{model}-sweep")));
    directory::create(&folder)?;
    let before = if args.resume { earlier(&folder) } else { 0.0 };
    let begin_together = prepared.can_go_on() && over.first().is_some_and(|o| !o.is_dim);
    drop(prepared);

    let places = places(&over, &folder);
    let context =
        Context { text, program: &args.program, fit: &args.fit, shared, resume: args.resume, places: places.clone() };
    let cores = rayon::current_num_threads();
    let jobs = args.jobs.unwrap_or(cores).clamp(1, places.len().max(1));
    let threads = (cores / jobs).max(1);
    let display = Points::new(places.len(), args.quiet);
    let say = |place: &Place, what: &str| display.done(&format!("{}: {what}", place.set.join(", ")));
    let all: Vec<usize> = (0..places.len()).collect();
    let parent = |k: usize| places.get(k).and_then(|p| p.parent).filter(|_| begin_together);
    let made = side_by_side(&all, parent, (jobs, threads), |k| {
        let place = places.get(k)?;
        let outcome = context.make(place);
        match &outcome {
            Ok(Some(made)) => say(place, &brief(made)),
            Ok(None) => {}
            Err(e) => say(place, &format!("failed: {}", e.brief())),
        }
        outcome.map_err(|e| e.brief()).transpose()
    })?;
    let mut outcomes: Vec<Outcome> = places.iter().map(|_| None).collect();
    for (k, outcome) in made {
        if let Some(place) = outcomes.get_mut(k) {
            *place = outcome;
        }
    }
    let mut notes = vec![];
    if begin_together {
        notes.push("fits begin where a neighbour's ended: a minimum is sought on all rows, from a near one".to_owned());
    }
    let rounds = args.certify.unwrap_or(0);
    for round in 0..rounds {
        let (_, pairs) = certified(&over, &places, &outcomes);
        if stopped() || !certify(&context, (&over, &pairs), round, (jobs, threads), &mut outcomes, &say)? {
            break;
        }
    }
    display.finish();

    let unfinished = outcomes.iter().filter(|o| o.is_none()).count();
    if unfinished > 0 {
        notes.push(format!(
            "interrupted: {} of {} fits are done; the same command with --resume goes on",
            places.len() - unfinished,
            places.len()
        ));
    }
    let (of, pairs) = certified(&over, &places, &outcomes);
    let certifies = match of {
        Ok(words) => Some(words),
        Err(why) => {
            notes.push(format!("no certificate: {why}"));
            None
        }
    };
    let objective = outcomes.iter().flatten().flatten().map(|m| m.document.objective.clone()).next();
    let report = Sweep {
        model,
        title,
        fe_version: env!("CARGO_PKG_VERSION").into(),
        objective: objective.unwrap_or_default(),
        over: over.iter().map(|o| o.name.clone()).collect(),
        units: over.iter().map(|o| o.unit.clone()).collect(),
        seconds: before + started.elapsed().as_secs_f64(),
        jobs: jobs as u64,
        threads: threads as u64,
        points: places.iter().zip(&outcomes).filter_map(|(p, o)| Some(point(p, o.as_ref()?))).collect(),
        certifies,
        certificate: pairs,
        notes,
    };
    write(&folder, &report, &text.source)?;
    if args.json {
        output::out(&fe_report::json(&report))?;
    } else if !args.quiet {
        let table = sweep_terminal(&report, width(), render::colour_on_stdout());
        output::out(&format!("{table}\nsaved in {}\n", folder.display()))?;
    }
    ending(&report, args.strict)
}

/// What is swept, of names that the program has.
fn swept(text: &Text, args: &SweepArgs) -> Result<Vec<Over>, Failure> {
    let parsed = fe_syntax::parse(&text.source);
    let over = args.over.iter().map(|given| over::parse(given, &parsed.ast)).collect::<Result<Vec<_>, _>>()?;
    let set = program::pairs(&args.program.set, "set", "VALUE")?;
    match over.as_slice() {
        [a, b] if a.name == b.name => Err(Failure::Usage(format!("`{}` is swept twice: give it one --over", a.name))),
        [_] | [_, _] => match over.iter().find(|o| set.iter().any(|(name, _)| *name == o.name)) {
            Some(o) => Err(Failure::Usage(format!("`{}` is both swept and set: leave out --set {0}", o.name))),
            None => Ok(over),
        },
        more => Err(Failure::Usage(format!("one or two names can be swept at a time, not {}", more.len()))),
    }
}

/// Seconds that the same sweep took before it was resumed.
fn earlier(folder: &Path) -> f64 {
    let text = std::fs::read(folder.join(SWEEP)).ok();
    let sweep: Option<Sweep> = text.and_then(|t| serde_json::from_slice(&t).ok());
    sweep.map_or(0.0, |s| s.seconds)
}

fn brief(made: &Made) -> String {
    let d = &made.document;
    let energy = d.account.energy.map(|e| format!(", {e:.4} spikes")).unwrap_or_default();
    let took = if made.found { "done before".to_owned() } else { format!("{:.1} s", made.seconds) };
    let converged = if d.verdict.converged { "" } else { ", not converged" };
    format!("D {:.4}, R {:.4}{energy}{converged} ({took})", d.account.distortion, d.account.rate)
}

fn point(place: &Place, outcome: &Result<Made, String>) -> Point {
    let empty = Point::new(place.at.clone(), place.folder.display().to_string());
    match outcome {
        Ok(made) => Point { notes: made.notes.clone(), ..empty.of(&made.document) },
        Err(why) => empty.failed(why.clone()),
    }
}

/// What the certificate compares, or why there is none; and what it says of each curve.
fn certified(over: &[Over], places: &[Place], outcomes: &[Outcome]) -> (Result<String, String>, Vec<Pair>) {
    let Some(first) = over.first() else { return (Err("nothing is swept".into()), vec![]) };
    let mut of = Err("there are no two fits to compare".into());
    let mut pairs = vec![];
    for curve in 0..=places.iter().map(|p| p.curve).max().unwrap_or(0) {
        let on = |(p, o): (&Place, &Outcome)| match o {
            Some(Ok(made)) if p.curve == curve => Some((p.at.clone(), made.clone())),
            _ => None,
        };
        let points: Vec<_> = places.iter().zip(outcomes).filter_map(on).collect();
        if points.len() < 2 {
            continue;
        }
        let objectives: Vec<_> = points.iter().map(|(_, made)| &made.objective).collect();
        match weights::varying(&objectives) {
            Err(why) => of = Err(why),
            Ok(varying) => {
                let weighed = points.iter().filter_map(|(at, made)| {
                    weights::weighed(*at.get(&first.name)?, &made.objective, &made.document, varying)
                });
                let along = over.get(1).and_then(|o| points.first()?.0.get(&o.name).copied());
                pairs.extend(certificate(&weighed.collect::<Vec<_>>()).into_iter().map(|p| Pair { along, ..p }));
                of = Ok(objectives.first().map(|o| weights::words(o, varying)).unwrap_or_default());
            }
        }
    }
    (of, pairs)
}

/// Trains the points further that others beat at their own weight: in the first round from where they ended, after that
/// from where the other ended, which is lower already. Gives whether any got lower.
fn certify(
    context: &Context,
    (over, pairs): (&[Over], &[Pair]),
    round: usize,
    crew: (usize, usize),
    outcomes: &mut [Outcome],
    say: &(impl Fn(&Place, &str) + Sync),
) -> Result<bool, Failure> {
    let names: Vec<&str> = over.iter().map(|o| o.name.as_str()).collect();
    let find = |value: f64, along: Option<f64>| {
        context.places.iter().position(|p| {
            let at = |k: usize| names.get(k).and_then(|n| p.at.get(*n).copied());
            at(0) == Some(value) && at(1) == along
        })
    };
    // Each once, for the larger of its violations. All begin at what there was before this round.
    let mut worst: Vec<&Pair> = pairs.iter().filter(|p| p.holds == Some(false)).collect();
    worst.sort_by(|a, b| b.violation.partial_cmp(&a.violation).unwrap_or(std::cmp::Ordering::Equal));
    let mut work = vec![];
    for pair in worst {
        let Some(beaten) = pair.beaten else { continue };
        let other = if beaten == pair.from { pair.to } else { pair.from };
        let same_shape = over.first().is_some_and(|o| !o.is_dim);
        let whence = if round == 0 || !same_shape { beaten } else { other };
        let (Some(k), Some(from)) = (find(beaten, pair.along), find(whence, pair.along)) else { continue };
        let (Some(place), false) = (context.places.get(from), work.iter().any(|(w, _, _)| *w == k)) else { continue };
        work.push((k, context.ended(place)?, place.set.join(", ")));
    }
    let todo: Vec<usize> = work.iter().map(|w| w.0).collect();
    let before: &[Outcome] = outcomes;
    let found = side_by_side(
        &todo,
        |_| None,
        crew,
        |k| {
            let (_, from, whence) = work.iter().find(|w| w.0 == k)?;
            let (place, Some(Ok(made))) = (context.places.get(k)?, before.get(k)?) else { return None };
            let outcome = context.further(place, made, from.clone(), whence);
            let lower = match &outcome {
                Ok(Some(now)) => format!("trained further: {}", brief(now)),
                Ok(None) => "trained further, and no lower".into(),
                Err(e) => format!("training further failed: {}", e.brief()),
            };
            say(place, &lower);
            outcome.ok().flatten()
        },
    )?;
    let mut any = round == 0 && !todo.is_empty();
    for (k, made) in found {
        if let (Some(made), Some(outcome)) = (made, outcomes.get_mut(k)) {
            any = true;
            *outcome = Some(Ok(made));
        }
    }
    Ok(any)
}

/// Writes the program, `sweep.csv`, the pictures, the page and `sweep.json`.
fn write(folder: &Path, report: &Sweep, source: &str) -> Result<(), Failure> {
    let put = |name: &str, text: String| {
        let path = folder.join(name);
        write_atomically(&path, text).map_err(|e| Failure::Io(format!("{} cannot be written: {e}", path.display())))
    };
    let csv = sweep_csv(report).map_err(|e| Failure::Internal(format!("the table cannot be written: {e}")))?;
    put("sweep.csv", csv)?;
    for (name, picture) in sweep_pictures(report) {
        put(name, picture.svg())?;
    }
    put("model.fe", source.to_owned())?;
    put(PAGE, sweep_page(report, source).html())?;
    put(SWEEP, fe_report::json(report))
}

/// Writes the page of a finished sweep again, where the directory is one; gives where it is.
pub fn rewrite(folder: &Path) -> Result<Option<PathBuf>, Failure> {
    let unread = |name: &str, e: &dyn std::fmt::Display| {
        Failure::Io(format!("{} cannot be read: {e}", folder.join(name).display()))
    };
    let Ok(text) = std::fs::read(folder.join(SWEEP)) else { return Ok(None) };
    let sweep: Sweep = serde_json::from_slice(&text).map_err(|e| unread(SWEEP, &e))?;
    let source = std::fs::read_to_string(folder.join("model.fe")).map_err(|e| unread("model.fe", &e))?;
    let path = folder.join(PAGE);
    write_atomically(&path, sweep_page(&sweep, &source).html())
        .map_err(|e| Failure::Io(format!("{} cannot be written: {e}", path.display())))?;
    Ok(Some(path))
}

/// How the command ends.
fn ending(report: &Sweep, strict: bool) -> Result<(), Failure> {
    let failed = report.points.iter().filter(|p| p.failed.is_some()).count();
    if failed > 0 {
        return Err(Failure::Fits(format!("{failed} of {} fits failed", report.points.len())));
    }
    let (unconverged, broken) = (report.points.iter().filter(|p| !p.converged).count(), report.violations().count());
    if strict && unconverged + broken > 0 {
        return Err(Failure::Unconverged(format!(
            "{unconverged} of {} fits have not converged; {broken} of {} pairs violate the certificate",
            report.points.len(),
            report.certificate.len()
        )));
    }
    Ok(())
}
