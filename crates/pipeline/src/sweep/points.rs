//! The fits of a sweep: what each is, which begins where another ended, and a fit at its place in a directory.

use std::path::{Path, PathBuf};
use std::time::Instant;

use fe_check::ObjectiveSpec;
use fe_report::Document;
use fe_train::Values;
use indexmap::IndexMap;

use super::SweepOptions;
use super::over::Over;
use crate::checkpoint::Checkpoints;
use crate::data::Shared;
use crate::directory::{self, Writing};
use crate::error::Error;
use crate::finished::Finished;
use crate::fit::Fitted;
use crate::options::Assignment;
use crate::prepare::{Prepared, prepare_with};
use crate::record::{Identity, SweepRecord};
use crate::text::Text;
use crate::watch::{Unseen, Watch};

/// One fit to be made.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its values, by name.
    pub at: IndexMap<String, f64>,
    /// What is set.
    pub set: Vec<Assignment>,
    /// Its run directory.
    pub folder: PathBuf,
    /// Which curve it lies on.
    pub curve: usize,
    /// The point of its curve at whose end it may begin. Fixed by the order of the values alone, so that the numbers do not
    /// depend on which fit ends first.
    pub parent: Option<usize>,
}

impl Place {
    /// What is set there, as text.
    pub fn name(&self) -> String {
        self.set.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// The name of its run directory.
    pub fn file_name(&self) -> String {
        self.folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

/// A fit that was made, or found.
#[derive(Clone, Debug)]
pub struct Made {
    /// What is reported of it.
    pub document: Document,
    /// What it minimised.
    pub objective: ObjectiveSpec,
    /// Where it began, and what was done further.
    pub notes: Vec<String>,
    /// Whether it was found in its directory.
    pub found: bool,
    /// Seconds, all told; 0 for one that was found.
    pub seconds: f64,
}

/// Every combination, the first variable running fastest.
pub fn places(over: &[Over], folder: &Path) -> Vec<Place> {
    let Some(first) = over.first() else { return vec![] };
    let single = [f64::NAN];
    let seconds = over.get(1).map_or(single.as_slice(), |o| o.values.as_slice());
    let mut places = vec![];
    for (curve, &second) in seconds.iter().enumerate() {
        let start = places.len();
        let parents = parents(first.values.len());
        for (&value, parent) in first.values.iter().zip(parents) {
            let chosen: Vec<(&Over, f64)> = over.iter().zip([value, second]).collect();
            let set: Vec<Assignment> = chosen.iter().map(|(o, v)| o.set(*v)).collect();
            let at = chosen.iter().map(|(o, v)| (o.name.clone(), *v)).collect();
            let parent = parent.filter(|_| !first.is_dim).map(|p| start + p);
            let name = chosen.iter().map(|(o, v)| format!("{}={v}", o.name)).collect::<Vec<_>>().join(",");
            places.push(Place { at, set, folder: folder.join(name), curve, parent });
        }
    }
    places
}

/// Where each of so many points in a row begins: the middle one by itself, and those in the middle of what is left to
/// either side of it at that one, and so on. As many as there are cores can be made at a time, each from a near one.
fn parents(count: usize) -> Vec<Option<usize>> {
    let mut parents = vec![None; count];
    let mut open = vec![(0, count, None)];
    while let Some((from, to, parent)) = open.pop() {
        if from >= to {
            continue;
        }
        let middle = usize::midpoint(from, to - 1);
        if let Some(place) = parents.get_mut(middle) {
            *place = parent;
        }
        open.push((from, middle, Some(middle)));
        open.push((middle + 1, to, Some(middle)));
    }
    parents
}

/// What all fits of a sweep share.
pub struct Context<'a> {
    /// The program.
    pub text: &'a Text,
    /// How it is read and fitted, apart from what is swept.
    pub options: &'a SweepOptions,
    /// The data.
    pub shared: Shared,
    /// All of them.
    pub places: Vec<Place>,
    /// Who watches.
    pub watch: &'a dyn Watch,
}

/// What was prepared for a place's fit, and what decides its numbers.
struct Ready {
    prepared: Prepared,
    identity: Identity,
    started: Instant,
}

/// What came before a fit that is kept.
struct Past<'a> {
    /// Where it began, and what was done.
    notes: Vec<String>,
    /// The fit that it goes on from, of the same place.
    document: Option<&'a Document>,
}

impl Context<'_> {
    /// Says of a place's fit how it ended.
    pub fn say(&self, place: &Place, what: &str) {
        self.watch.done(&format!("{}: {what}", place.name()));
    }

    fn prepare(&self, place: &Place) -> Result<Ready, Error> {
        let started = Instant::now();
        let mut reading = self.options.reading.clone();
        reading.set.extend(place.set.iter().cloned());
        let prepared = prepare_with(self.text, &reading, &self.options.fitting, &self.shared)?;
        let began = self.parent(place, &prepared).map(Place::name);
        let sweep = SweepRecord { began, notes: vec![] };
        let identity = prepared.identity(self.text, &reading, &self.options.fitting, Some(sweep));
        Ok(Ready { prepared, identity, started })
    }

    /// Where a fit begins, if not by itself.
    fn parent(&self, place: &Place, prepared: &Prepared) -> Option<&Place> {
        place.parent.and_then(|p| self.places.get(p)).filter(|_| prepared.can_go_on())
    }

    /// Makes the fit of a place; `None` where it was interrupted.
    pub fn make(&self, place: &Place) -> Result<Option<Made>, Error> {
        let ready = self.prepare(place)?;
        if self.options.resume
            && let Some(made) = self.found(place, &ready)
        {
            return Ok(Some(made));
        }
        let mut notes = vec![];
        // A parent that could not be fitted leaves a point to begin by itself.
        let from = match self.parent(place, &ready.prepared).filter(|p| p.folder.join(directory::FIT).exists()) {
            Some(parent) => {
                notes.push(format!("began where the fit at {} ended", parent.name()));
                Some(ended(&parent.folder, &ready.prepared)?)
            }
            None => None,
        };
        let mut writing = Writing::begin(&place.folder)?;
        let every = self.options.checkpoint;
        let mut checkpoints = Checkpoints::new(&mut writing, &self.text.source, &ready.identity, every)?;
        match self.options.resume {
            true => _ = checkpoints.resume(),
            false => checkpoints.forget()?,
        }
        let fitted = ready.prepared.fit_kept(from, &mut Unseen(self.watch), &mut checkpoints)?;
        notes.extend(checkpoints.failure().map(|e| format!("its state could not be kept as it went: {e}")));
        if fitted.fit.interrupted {
            return Ok(None);
        }
        self.keep(writing, &ready, fitted, Past { notes, document: None }).map(Some)
    }

    /// The parameters that a place's fit ended with, for a fit of another place of the same shape.
    pub fn ended(&self, place: &Place) -> Result<Values, Error> {
        ended(&place.folder, &self.prepare(place)?.prepared)
    }

    /// Fits a place further, from parameters that were the end of the fit at `whence`; `None` where that ends no lower,
    /// or was interrupted, and what was there is left.
    pub fn further(&self, place: &Place, made: &Made, from: Values, whence: &str) -> Result<Option<Made>, Error> {
        let ready = self.prepare(place)?;
        let writing = Writing::begin(&place.folder)?;
        let fitted = ready.prepared.fit(Some(from), &mut Unseen(self.watch))?;
        let (before, now) = (made.document.objective_value, fitted.fit.figures.objective);
        if fitted.fit.interrupted || now >= before {
            return Ok(None);
        }
        let mut notes = made.notes.clone();
        notes.push(format!("trained further, from where the fit at {whence} ended: {before:.6} became {now:.6}"));
        self.keep(writing, &ready, fitted, Past { notes, document: Some(&made.document) }).map(Some)
    }

    /// Writes a fit to its directory.
    fn keep(&self, writing: Writing, ready: &Ready, mut fitted: Fitted, past: Past) -> Result<Made, Error> {
        let prepared = &ready.prepared;
        let notes = past.notes;
        let mut document = prepared.document(&fitted)?;
        document.verdict.notes.extend(notes.iter().cloned());
        document.seconds += past.document.map_or(0.0, |d| d.seconds);
        document.steps += past.document.map_or(0, |d| d.steps);
        // The data are the same at every point, and not small.
        fitted.fit.draws.observed.clear();
        let mut record = prepared.record(&fitted, ready.identity.clone());
        if let Some(sweep) = &mut record.identity.sweep {
            sweep.notes = notes.clone();
        }
        document.run.clone_from(&record.run);
        let run = directory::Run {
            source: &self.text.source,
            record: &record,
            fitted: &fitted,
            document: &document,
            statistics: &prepared.arrays.statistics,
        };
        run.write(writing)?;
        let objective = fitted.program.objective.clone();
        Ok(Made { document, objective, notes, found: false, seconds: ready.started.elapsed().as_secs_f64() })
    }

    /// The fit of a place, where its directory holds one of this very program, with these options and data.
    fn found(&self, place: &Place, ready: &Ready) -> Option<Made> {
        let run = Finished::read(&place.folder).ok()?;
        let mut identity = run.record.identity.clone();
        let notes = identity.sweep.as_mut().map(|s| std::mem::take(&mut s.notes))?;
        if identity != ready.identity || run.text.source != self.text.source {
            return None;
        }
        let document = run.document().ok()?;
        let objective = ready.prepared.program.objective.clone();
        Some(Made { document, objective, notes, found: true, seconds: 0.0 })
    }
}

/// The parameters that a run ended with.
fn ended(folder: &Path, prepared: &Prepared) -> Result<Values, Error> {
    Finished::read(folder)?.values(&prepared.problem()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_hangs_on_an_earlier_one_and_one_on_none() {
        for count in 1..20 {
            let parents = parents(count);
            assert_eq!(parents.iter().filter(|p| p.is_none()).count(), 1, "{parents:?}");
            for start in 0..count {
                let mut at = start;
                for _ in 0..count {
                    at = parents[at].unwrap_or(at);
                }
                assert_eq!(at, usize::midpoint(0, count - 1), "{parents:?}");
            }
        }
    }
}
