//! The fits of a sweep: what each is, which begins where another ended, and a fit at its place in a directory.

use std::path::{Path, PathBuf};
use std::time::Instant;

use fe_check::ObjectiveSpec;
use fe_report::Document;
use fe_train::Values;
use indexmap::IndexMap;
use serde_json::{Value, json};

use super::over::Over;
use crate::cli::{FitArgs, ProgramArgs};
use crate::data::Shared;
use crate::directory;
use crate::failure::Failure;
use crate::finished::Finished;
use crate::fitting::{self, Fitted, Prepared};
use crate::program::Text;
use crate::progress::Silent;

/// One fit to be made.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its values, by name.
    pub at: IndexMap<String, f64>,
    /// As for `--set`.
    pub set: Vec<String>,
    /// Its run directory.
    pub folder: PathBuf,
    /// Which curve it lies on.
    pub curve: usize,
    /// The point of its curve at whose end it may begin. Fixed by the order of the values alone, so that the numbers do not
    /// depend on which fit ends first.
    pub parent: Option<usize>,
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
            let set: Vec<String> = chosen.iter().map(|(o, v)| o.set(*v)).collect();
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
    /// How it is read, apart from what is swept.
    pub program: &'a ProgramArgs,
    /// How it is fitted.
    pub fit: &'a FitArgs,
    /// The data.
    pub shared: Shared,
    /// Whether what is finished is kept.
    pub resume: bool,
    /// All of them.
    pub places: Vec<Place>,
}

/// What is kept of a point in its `run.json`, beside what a run has there.
const SWEEP: &str = "sweep";

/// What is written last to a run directory: where it is, all is.
const LAST: &str = "fit.json";

impl Context<'_> {
    fn prepare(&self, place: &Place) -> Result<(Prepared, Value), Failure> {
        let mut arguments = self.program.clone();
        arguments.set.extend(place.set.iter().cloned());
        let prepared = fitting::prepare_with(self.text, &arguments, self.fit, &self.shared)?;
        let mut identity = prepared.identity(self.text, &arguments, self.fit);
        if let Some(map) = identity.as_object_mut() {
            map.insert(SWEEP.into(), json!({ "began": self.parent(place, &prepared).map(|p| p.set.join(", ")) }));
        }
        Ok((prepared, identity))
    }

    /// Where a fit begins, if not by itself.
    fn parent(&self, place: &Place, prepared: &Prepared) -> Option<&Place> {
        place.parent.and_then(|p| self.places.get(p)).filter(|_| prepared.can_go_on())
    }

    /// Makes the fit of a place; `None` where it was interrupted.
    pub fn make(&self, place: &Place) -> Result<Option<Made>, Failure> {
        let started = Instant::now();
        let (prepared, identity) = self.prepare(place)?;
        if self.resume
            && let Some(made) = self.found(place, &prepared, &identity)
        {
            return Ok(Some(made));
        }
        let mut notes = vec![];
        // A parent that could not be fitted leaves a point to begin by itself.
        let from = match self.parent(place, &prepared).filter(|p| p.folder.join(LAST).exists()) {
            Some(parent) => {
                notes.push(format!("began where the fit at {} ended", parent.set.join(", ")));
                Some(ended(&parent.folder, &prepared)?)
            }
            None => None,
        };
        let fitted = prepared.fit(from, &mut Silent)?;
        if fitted.fit.interrupted {
            return Ok(None);
        }
        self.keep(place, &prepared, fitted, identity, notes, None, started).map(Some)
    }

    /// The parameters that a place's fit ended with, for a fit of another place of the same shape.
    pub fn ended(&self, place: &Place) -> Result<Values, Failure> {
        let (prepared, _) = self.prepare(place)?;
        ended(&place.folder, &prepared)
    }

    /// Fits a place further, from parameters that were the end of the fit at `whence`; `None` where that ends no lower,
    /// or was interrupted, and what was there is left.
    pub fn further(&self, place: &Place, made: &Made, from: Values, whence: &str) -> Result<Option<Made>, Failure> {
        let started = Instant::now();
        let (prepared, identity) = self.prepare(place)?;
        let fitted = prepared.fit(Some(from), &mut Silent)?;
        let (before, now) = (made.document.objective_value, fitted.fit.figures.objective);
        if fitted.fit.interrupted || now >= before {
            return Ok(None);
        }
        let mut notes = made.notes.clone();
        notes.push(format!("trained further, from where the fit at {whence} ended: {before:.6} became {now:.6}"));
        self.keep(place, &prepared, fitted, identity, notes, Some(&made.document), started).map(Some)
    }

    /// Writes a fit to its directory; `before` is what it goes on from.
    #[allow(clippy::too_many_arguments)]
    fn keep(
        &self,
        place: &Place,
        prepared: &Prepared,
        mut fitted: Fitted,
        identity: Value,
        notes: Vec<String>,
        before: Option<&Document>,
        started: Instant,
    ) -> Result<Made, Failure> {
        let mut document = prepared.document(&fitted)?;
        document.verdict.notes.extend(notes.iter().cloned());
        document.seconds += before.map_or(0.0, |d| d.seconds);
        document.steps += before.map_or(0, |d| d.steps);
        // The data are the same at every point, and not small.
        fitted.fit.draws.observed.clear();
        let mut run_json = prepared.about(&fitted, identity);
        if let Some(sweep) = run_json.get_mut(SWEEP).and_then(Value::as_object_mut) {
            sweep.insert("notes".into(), json!(notes));
        }
        let run = directory::Run {
            source: &self.text.source,
            run_json,
            program: fitted.program,
            fit: &fitted.fit,
            document: &document,
            problem: &fitted.problem,
            statistics: &prepared.arrays.statistics,
        };
        directory::create(&place.folder)?;
        directory::write(&place.folder, &run)?;
        let objective = fitted.program.objective.clone();
        Ok(Made { document, objective, notes, found: false, seconds: started.elapsed().as_secs_f64() })
    }

    /// The fit of a place, where its directory holds one of this very program, with these options and data.
    fn found(&self, place: &Place, prepared: &Prepared, identity: &Value) -> Option<Made> {
        let read = |name: &str| std::fs::read(place.folder.join(name)).ok();
        let about: Value = serde_json::from_slice(&read("run.json")?).ok()?;
        let same = identity.as_object()?.iter().all(|(key, value)| match key.as_str() {
            SWEEP => about.get(SWEEP).and_then(|s| s.get("began")) == value.get("began"),
            key => about.get(key) == Some(value),
        });
        if !same || read("model.fe")? != self.text.source.as_bytes() {
            return None;
        }
        let document: Document = serde_json::from_slice(&read(LAST)?).ok()?;
        let notes = about.get(SWEEP)?.get("notes").and_then(Value::as_array).into_iter().flatten();
        let notes = notes.filter_map(|n| n.as_str().map(str::to_owned)).collect();
        let objective = prepared.program.objective.clone();
        Some(Made { document, objective, notes, found: true, seconds: 0.0 })
    }
}

/// The parameters that a run ended with.
fn ended(folder: &Path, prepared: &Prepared) -> Result<Values, Failure> {
    let run = Finished::read(folder)?;
    let problem = prepared.problem()?;
    problem.objective.parameters.iter().map(|p| run.parameter(&problem, p)).collect()
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
