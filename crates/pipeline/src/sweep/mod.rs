//! Many fits of one program, side by side, with the certificate of their curves.

mod claims;
mod over;
mod points;
mod shard;
mod side_by_side;
mod weights;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fe_report::{Page, Pair, Point, Sweep, certificate, sweep_csv, sweep_page, sweep_pictures};
use sha2::{Digest, Sha256};

use self::over::Over;
use self::points::{Context, Made, Place, places};
use self::side_by_side::{Crew, side_by_side};
use crate::data::Shared;
use crate::directory::{self, PAGE, PROGRAM};
use crate::error::{Error, OptionName};
use crate::options::{FitOptions, ReadOptions};
use crate::prepare::prepare_with;
use crate::text::Text;
use crate::watch::Watch;

pub use self::shard::{Shard, Share, Unfitted, share};

/// What is written last to a sweep's directory.
const SWEEP: &str = "sweep.json";

/// A place's fit: made, or why not; `None` where it was interrupted, or not begun.
type Outcome = Option<Result<Made, String>>;

/// What is swept, and how.
#[derive(Clone, Debug)]
pub struct SweepOptions {
    /// `NAME=VALUES`, once or twice. The first runs along a curve.
    pub over: Vec<String>,
    /// How the program is read, apart from what is swept.
    pub reading: ReadOptions,
    /// How it is fitted.
    pub fitting: FitOptions,
    /// Fits made at a time; as many as there are threads where none is said.
    pub jobs: Option<usize>,
    /// Whether points that are finished in the directory are kept.
    pub resume: bool,
    /// The time between two checkpoints of a point's fit.
    pub checkpoint: Duration,
    /// Rounds in which points are trained further that the certificate shows not to have converged.
    pub certify: usize,
    /// The sweep's directory; `runs/NAME-sweep` where none is said.
    pub folder: Option<PathBuf>,
}

/// Makes the fits of a sweep and writes its directory; gives what came of it, and where it is.
///
/// # Errors
/// When the program or the options are wrong, or the directory cannot be written. A fit that fails is a point that says so.
pub fn sweep(text: &Text, options: &SweepOptions, watch: &dyn Watch) -> Result<(Sweep, PathBuf), Error> {
    let started = Instant::now();
    let Begun { over, context, crew, begin_together, folder, model, title, .. } = begin(text, options, watch)?;
    // Held to the end, so that no other sweep writes there, and what one that was killed was writing aside is gone.
    let _held = directory::Writing::begin(&folder)?;
    if let [first, ..] = claims::live(&folder).as_slice() {
        let at = folder.display();
        return Err(Error::Io(format!(
            "shards still work in {at}, on {first}; when they have ended, --resume collects them"
        )));
    }
    let before = if options.resume { earlier(&folder) } else { 0.0 };
    watch.fits(context.places.len());
    let mut outcomes = made(&context, crew, begin_together)?;
    for round in 0..options.certify {
        let (_, pairs) = certified(&over, &context.places, &outcomes);
        if watch.stopped() || !certify(&context, (&over, &pairs), round, crew, &mut outcomes)? {
            break;
        }
    }

    let (of, pairs) = certified(&over, &context.places, &outcomes);
    let notes = notes(begin_together, &outcomes, of.as_ref().err());
    let objective = outcomes.iter().flatten().flatten().map(|m| m.document.objective.clone()).next();
    let report = Sweep {
        model,
        title,
        fe_version: env!("CARGO_PKG_VERSION").into(),
        objective: objective.unwrap_or_default(),
        over: over.iter().map(|o| o.name.clone()).collect(),
        units: over.iter().map(|o| o.unit.clone()).collect(),
        seconds: before + started.elapsed().as_secs_f64(),
        jobs: crew.jobs as u64,
        threads: crew.threads as u64,
        points: context.places.iter().zip(&outcomes).filter_map(|(p, o)| Some(point(p, o.as_ref()?))).collect(),
        certifies: of.ok(),
        certificate: pairs,
        notes,
    };
    write(&folder, &report, &text.source)?;
    if !watch.stopped() {
        claims::forget(&folder);
    }
    Ok((report, folder))
}

/// A sweep that is about to be made.
struct Begun<'a> {
    over: Vec<Over>,
    context: Context<'a>,
    crew: Crew,
    /// Whether fits begin where others ended.
    begin_together: bool,
    folder: PathBuf,
    model: String,
    title: Option<String>,
    /// What tells its fits from those of other programs, options and data; not what is swept, of which there may be more later.
    key: String,
}

/// Reads the program and its data, so that what is wrong with them is found before anything is fitted.
fn begin<'a>(text: &'a Text, options: &'a SweepOptions, watch: &'a dyn Watch) -> Result<Begun<'a>, Error> {
    let over = swept(text, options)?;
    let shared = Shared::default();
    let mut first = options.reading.clone();
    first.set.extend(over.iter().filter_map(|o| o.values.first().map(|v| o.set(*v))));
    let prepared = prepare_with(text, &first, &options.fitting, &shared)?;
    watch.warnings(text, &prepared.warnings);
    let (model, title) = (prepared.program.name.clone(), prepared.program.title.clone());
    let folder = options.folder.clone().unwrap_or_else(|| PathBuf::from("runs").join(format!("{model}-sweep")));
    let begin_together = prepared.can_go_on() && over.first().is_some_and(|o| !o.is_dim);
    let identity = prepared.identity(text, &options.reading, &options.fitting, None);
    let identity = serde_json::to_string(&identity).map_err(|e| Error::Internal(e.to_string()))?;
    let names = over.iter().map(|o| o.name.as_str()).collect::<Vec<_>>().join(",");
    let hash = Sha256::digest(format!("{identity}\n{names}\n{}", text.source));
    let key = hash.iter().take(8).map(|b| format!("{b:02x}")).collect();
    let context = Context { text, options, shared, places: places(&over, &folder), watch };
    let cores = rayon::current_num_threads();
    let jobs = options.jobs.unwrap_or(cores).clamp(1, context.places.len().max(1));
    let crew = Crew { jobs, threads: (cores / jobs).max(1) };
    Ok(Begun { over, context, crew, begin_together, folder, model, title, key })
}

/// Every fit, in the order of the places.
fn made(context: &Context, crew: Crew, begin_together: bool) -> Result<Vec<Outcome>, Error> {
    let places = &context.places;
    let all: Vec<usize> = (0..places.len()).collect();
    let parent = |k: usize| places.get(k).and_then(|p| p.parent).filter(|_| begin_together);
    let stopped = || context.watch.stopped();
    let made = side_by_side(&all, parent, crew, &stopped, |k| {
        let place = places.get(k)?;
        let outcome = context.make(place);
        match &outcome {
            Ok(Some(made)) => context.say(place, &brief(made)),
            Ok(None) => {}
            Err(e) => context.say(place, &format!("failed: {}", e.brief())),
        }
        outcome.map_err(|e| e.brief()).transpose()
    })?;
    let mut outcomes: Vec<Outcome> = places.iter().map(|_| None).collect();
    for (k, outcome) in made {
        if let Some(place) = outcomes.get_mut(k) {
            *place = outcome;
        }
    }
    Ok(outcomes)
}

/// What the user should know of a sweep.
fn notes(begin_together: bool, outcomes: &[Outcome], uncertified: Option<&String>) -> Vec<String> {
    let mut notes = vec![];
    if begin_together {
        notes.push("fits begin where a neighbour's ended: a minimum is sought on all rows, from a near one".to_owned());
    }
    let unfinished = outcomes.iter().filter(|o| o.is_none()).count();
    if unfinished > 0 {
        notes.push(format!(
            "interrupted: {} of {} fits are done; a sweep that is resumed keeps them",
            outcomes.len() - unfinished,
            outcomes.len()
        ));
    }
    notes.extend(uncertified.map(|why| format!("no certificate: {why}")));
    notes
}

/// What is swept, of names that the program has.
fn swept(text: &Text, options: &SweepOptions) -> Result<Vec<Over>, Error> {
    let parsed = fe_syntax::parse(&text.source);
    let over = options.over.iter().map(|given| over::parse(given, &parsed.ast)).collect::<Result<Vec<_>, _>>()?;
    let set = &options.reading.set;
    match over.as_slice() {
        [a, b] if a.name == b.name => {
            Err(Error::Option(OptionName::Over, format!("takes a name once, and `{}` is swept twice", a.name)))
        }
        [_] | [_, _] => match over.iter().find(|o| set.iter().any(|a| a.name == o.name)) {
            Some(o) => Err(Error::Option(OptionName::Set, format!("{}: `{0}` is both swept and set", o.name))),
            None => Ok(over),
        },
        more => Err(Error::Request(format!("one or two names can be swept at a time, not {}", more.len()))),
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
    crew: Crew,
    outcomes: &mut [Outcome],
) -> Result<bool, Error> {
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
        work.push((k, context.ended(place)?, place.name()));
    }
    let todo: Vec<usize> = work.iter().map(|w| w.0).collect();
    let before: &[Outcome] = outcomes;
    let found = side_by_side(
        &todo,
        |_| None,
        crew,
        &|| context.watch.stopped(),
        |k| {
            let (_, from, whence) = work.iter().find(|w| w.0 == k)?;
            let (place, Some(Ok(made))) = (context.places.get(k)?, before.get(k)?) else { return None };
            let outcome = context.further(place, made, from.clone(), whence);
            let lower = match &outcome {
                Ok(Some(now)) => format!("trained further: {}", brief(now)),
                Ok(None) => "trained further, and no lower".into(),
                Err(e) => format!("training further failed: {}", e.brief()),
            };
            context.say(place, &lower);
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
fn write(folder: &Path, report: &Sweep, source: &str) -> Result<(), Error> {
    let put = |name: &str, text: String| directory::put(&folder.join(name), text.as_bytes());
    let csv = sweep_csv(report).map_err(|e| Error::Internal(format!("the table cannot be written: {e}")))?;
    put("sweep.csv", csv)?;
    for (name, picture) in sweep_pictures(report) {
        put(name, picture.svg())?;
    }
    put(PROGRAM, source.to_owned())?;
    put(PAGE, sweep_page(report, source).html())?;
    put(SWEEP, fe_report::json(report))
}

/// Writes the page of a finished sweep again, where the directory is one; gives where it is, and what is on it.
///
/// # Errors
/// When a file of the sweep is damaged, or the page cannot be written.
pub fn rewrite(folder: &Path) -> Result<Option<(PathBuf, Page)>, Error> {
    let unread = |name: &str, e: &dyn std::fmt::Display| {
        Error::Io(format!("{} cannot be read: {e}", folder.join(name).display()))
    };
    let Ok(text) = std::fs::read(folder.join(SWEEP)) else { return Ok(None) };
    let sweep: Sweep = serde_json::from_slice(&text).map_err(|e| unread(SWEEP, &e))?;
    let source = std::fs::read_to_string(folder.join(PROGRAM)).map_err(|e| unread(PROGRAM, &e))?;
    let path = folder.join(PAGE);
    let page = sweep_page(&sweep, &source);
    directory::put(&path, page.html().as_bytes())?;
    Ok(Some((path, page)))
}
