//! Where time and memory of a run go: one clock, which is in one stage at a time.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fe_train::Monitor;
use serde::{Deserialize, Serialize};

/// A part of a run that is timed on its own, in the order in which they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The program is read and checked, against the headers of its data.
    Checking,
    /// Its objective is derived.
    Derivation,
    /// Its data are read.
    Reading,
    /// Data are bound and plans made, up to the end of the first step that is told of.
    FirstStep,
    /// Steps, other starts, and what is checked of the minimum.
    Fit,
    /// Figures over all rows, those held out too.
    Evaluation,
    /// The posterior table: draws under their weights, k̂, resampling.
    Checks,
    /// Draws for files and for leave-one-out.
    Draws,
    /// Leave-one-out of each row.
    LeaveOneOut,
    /// `fit.json`.
    Document,
    /// `posterior.nc`, `trace.csv` and parameters, as they are written.
    Tables,
    /// The page.
    Page,
    /// Files on their way to the disk.
    Writing,
    /// What belongs to no other stage.
    Other,
}

impl Stage {
    /// Its name, as a reader has it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Checking => "checking",
            Self::Derivation => "derivation",
            Self::Reading => "reading data",
            Self::FirstStep => "plans, first step",
            Self::Fit => "fit",
            Self::Evaluation => "evaluation",
            Self::Checks => "posterior, checks",
            Self::Draws => "posterior draws",
            Self::LeaveOneOut => "leave-one-out",
            Self::Document => "document",
            Self::Tables => "tables",
            Self::Page => "page",
            Self::Writing => "writing",
            Self::Other => "other",
        }
    }
}

/// What one stage took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// The stage.
    pub stage: Stage,
    /// Seconds.
    pub seconds: f64,
    /// The most memory that the process had had when the stage was last left, in bytes, where the system says so. Runs from
    /// before it was kept have none.
    #[serde(default)]
    pub peak: Option<u64>,
}

/// The most memory that this process has had so far, in bytes, where the system says so.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// A clock that is in one stage from its start on, and in the next when that begins: stages add up to the whole.
#[derive(Debug)]
pub struct Clock(Mutex<Running>);

#[derive(Debug)]
struct Running {
    since: Instant,
    stage: Stage,
    spent: BTreeMap<Stage, (Duration, Option<u64>)>,
}

impl Running {
    fn enter(&mut self, stage: Stage) {
        let now = Instant::now();
        let (time, highest) = self.spent.entry(self.stage).or_default();
        *time += now.duration_since(self.since);
        *highest = peak();
        (self.since, self.stage) = (now, stage);
    }
}

impl Clock {
    /// A clock that starts now.
    pub fn start(stage: Stage) -> Self {
        Self(Mutex::new(Running { since: Instant::now(), stage, spent: BTreeMap::new() }))
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the stage that it is in and begins another, or the same one again.
    pub fn enter(&self, stage: Stage) {
        self.running().enter(stage);
    }

    /// The time so far of each stage that there was, in order. They add up to the time since the start.
    pub fn spent(&self) -> Vec<Spent> {
        let mut running = self.running();
        let stage = running.stage;
        running.enter(stage);
        let spent = |(&stage, &(time, peak)): (&Stage, &(Duration, Option<u64>))| {
            let seconds = time.as_secs_f64();
            Spent { stage, seconds, peak }
        };
        running.spent.iter().map(spent).collect()
    }

    /// The time so far of some stages, in seconds.
    pub(crate) fn seconds(&self, of: &[Stage]) -> f64 {
        self.spent().iter().filter(|s| of.contains(&s.stage)).map(|s| s.seconds).sum()
    }

    /// A monitor that is told what another one is, and moves the clock.
    pub(crate) fn watching<'a>(&'a self, monitor: &'a mut dyn Monitor) -> Timed<'a> {
        Timed { clock: self, monitor, stepped: false }
    }
}

/// A fit that is timed as it is watched.
pub(crate) struct Timed<'a> {
    clock: &'a Clock,
    monitor: &'a mut dyn Monitor,
    stepped: bool,
}

impl Monitor for Timed<'_> {
    fn step(&mut self, done: u64, total: Option<u64>, objective: f64) -> bool {
        if !std::mem::replace(&mut self.stepped, true) {
            self.clock.enter(Stage::Fit);
        }
        self.monitor.step(done, total, objective)
    }

    fn draw(&mut self, done: u64, total: u64) -> bool {
        self.monitor.draw(done, total)
    }

    fn ended(&mut self) {
        self.stepped = false;
        self.clock.enter(Stage::Evaluation);
        self.monitor.ended();
    }

    fn note(&mut self, text: &str) {
        self.monitor.note(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_add_up_to_the_whole() {
        let began = Instant::now();
        let clock = Clock::start(Stage::Checking);
        for stage in [Stage::Fit, Stage::Other, Stage::Fit, Stage::Page] {
            clock.enter(stage);
            std::hint::black_box((0..10_000).map(f64::from).sum::<f64>());
        }
        let spent = clock.spent();
        let stages: Vec<Stage> = spent.iter().map(|s| s.stage).collect();
        assert_eq!(stages, [Stage::Checking, Stage::Fit, Stage::Page, Stage::Other]);
        assert!(spent.iter().all(|s| s.seconds >= 0.0) && clock.seconds(&[Stage::Fit]) > 0.0);
        let total: f64 = spent.iter().map(|s| s.seconds).sum();
        assert!(total > 0.0 && total <= began.elapsed().as_secs_f64() + 1e-9);
    }

    #[test]
    fn names_are_written_as_they_are_read() {
        let spent = Spent { stage: Stage::LeaveOneOut, seconds: 0.5, peak: Some(1024) };
        let text = serde_json::to_string(&spent).unwrap();
        assert_eq!(text, r#"{"stage":"leave_one_out","seconds":0.5,"peak":1024}"#);
        assert_eq!(serde_json::from_str::<Spent>(&text).unwrap(), spent);
    }
}
