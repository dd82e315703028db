//! The trace of a fit: its course, written down from time to time.

use fe_graph::NodeId;
use fe_objective::TermKind;
use serde::{Deserialize, Serialize};

use crate::engine::elements;
use crate::problem::{Problem, Setting};

/// One line of the trace.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct TracePoint {
    /// Steps done.
    pub step: u64,
    /// Seconds since the start.
    pub seconds: f64,
    /// Per training row, as estimated in training.
    pub free_energy: f64,
    /// Per training row.
    pub distortion: f64,
    /// Per training row.
    pub rate: f64,
    /// Spikes per training row, with counts.
    pub spikes: Option<f64>,
    /// On held-out rows, where it was taken.
    pub heldout: Option<f64>,
}

/// The sums of terms, then of spikes, among the outputs of a step: how many numbers each has.
pub(crate) struct Sizes(Vec<usize>);

impl Sizes {
    /// For a problem whose sums are scalars, or one number for each sample.
    pub fn new(problem: &Problem, samples: usize) -> Self {
        let o = problem.objective;
        let base = Setting { samples, ..Setting::default() };
        let size = |id: NodeId| elements(problem, id, &base, problem.training_rows());
        Self(o.terms.iter().map(|t| size(t.sum)).chain(o.spikes.iter().map(|e| size(e.sum))).collect())
    }

    /// The sums in turn, from the outputs of a step, of which the objective is the first.
    pub fn split<'a>(&self, outputs: &'a [f64]) -> impl Iterator<Item = &'a [f64]> {
        let mut rest = outputs.get(1..).unwrap_or_default();
        self.0.iter().map(move |&size| {
            let (sums, after) = rest.split_at(size.min(rest.len()));
            rest = after;
            sums
        })
    }
}

impl TracePoint {
    /// The point after a step on so many rows, from the sums of terms, then of spikes.
    pub(crate) fn new<'a>(
        problem: &Problem,
        step: u64,
        seconds: f64,
        sums: impl IntoIterator<Item = &'a [f64]>,
        rows: usize,
    ) -> Self {
        let o = problem.objective;
        let mut point = Self { step, seconds, ..Self::default() };
        let mut sums = sums.into_iter();
        let mut next = |local: bool| {
            let own = sums.next().unwrap_or_default();
            let mean = own.iter().sum::<f64>() / own.len().max(1) as f64;
            mean / if local { rows.max(1) } else { problem.training_rows() } as f64
        };
        for term in &o.terms {
            let value = next(term.local);
            match term.kind {
                TermKind::Rate => point.rate += value,
                TermKind::Distortion | TermKind::Loss => point.distortion += value,
            }
        }
        point.free_energy = point.rate + point.distortion;
        if !o.spikes.is_empty() {
            point.spikes = Some(o.spikes.iter().map(|e| next(e.local)).sum());
        }
        point
    }
}

/// Averages of the steps since the last point of the trace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Window {
    count: f64,
    sum: TracePoint,
}

impl Window {
    pub fn add(&mut self, p: &TracePoint) {
        self.count += 1.0;
        self.sum.step = p.step;
        self.sum.seconds = p.seconds;
        self.sum.free_energy += p.free_energy;
        self.sum.distortion += p.distortion;
        self.sum.rate += p.rate;
        if let Some(e) = p.spikes {
            self.sum.spikes = Some(self.sum.spikes.unwrap_or(0.0) + e);
        }
    }

    pub fn take(&mut self) -> TracePoint {
        let n = self.count.max(1.0);
        let s = std::mem::take(self).sum;
        TracePoint {
            free_energy: s.free_energy / n,
            distortion: s.distortion / n,
            rate: s.rate / n,
            spikes: s.spikes.map(|e| e / n),
            ..s
        }
    }
}
