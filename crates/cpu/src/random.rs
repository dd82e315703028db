//! Noise and counts with their places in memory.

#![allow(unsafe_code)]

use std::ops::Range;

use fe_graph::noise::{Element, NoiseKey, Stream, arrivals_of_orders};
use fe_graph::plan::{Plan, View};
use fe_graph::{Axis, Indicator, NoiseKind, Site};

use crate::arena::Arena;
use crate::isa::Isa;
use crate::math::Real;
use crate::region::start_of;
use crate::sampling::{self, ArrivalScratch};

/// Most orders of derivative that are sampled at once.
const ORDERS: usize = fe_graph::noise::MAX_ORDER as usize + 1;

/// The key of the noise of a run.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    /// The run's seed.
    pub seed: u64,
    /// Asks for fresh noise.
    pub step: u64,
    /// The number of each row of the batch.
    pub rows: &'a [u64],
}

impl Key<'_> {
    fn of(&self, site: Site) -> NoiseKey {
        NoiseKey { seed: self.seed, site, step: self.step }
    }
}

/// The elements of the generator that a contiguous tensor draws.
#[derive(Clone, Debug)]
enum Elements {
    /// Rows come first: these rows of the batch, so many elements each.
    Rows(Range<usize>, usize),
    /// Row 0 alone.
    One,
    /// Rows come after samples: extents before them, of them, and after them.
    Within([usize; 3]),
}

impl Elements {
    fn of(view: &View, rows: Option<Axis>, panel: Option<&Range<usize>>) -> Self {
        let Some(place) = rows.and_then(|r| view.dims.iter().position(|d| d.axis == r)) else { return Self::One };
        let extent = view.dims.get(place).map_or(1, |d| d.extent);
        let size = |dims: &[fe_graph::plan::Dim]| dims.iter().map(|d| d.extent).product::<usize>();
        let before = size(view.dims.get(..place).unwrap_or_default());
        let after = size(view.dims.get(place + 1..).unwrap_or_default());
        if before == 1 {
            return Self::Rows(panel.cloned().unwrap_or(0..extent), after);
        }
        Self::Within([before, extent, after])
    }

    /// Calls with the row number and the rest of each element, in order.
    fn each(&self, [before, extent, after]: [usize; 3], key: &Key, mut visit: impl FnMut(usize, Element)) {
        for b in 0..before {
            for r in 0..extent {
                let row = key.rows.get(r).copied().unwrap_or(r as u64);
                for a in 0..after {
                    visit((b * extent + r) * after + a, Element { row, rest: (b * after + a) as u32 });
                }
            }
        }
    }
}

/// Standard noise.
#[derive(Clone, Debug)]
pub struct BoundNoise {
    kind: NoiseKind,
    site: Site,
    elements: Elements,
    into: usize,
    size: usize,
}

impl BoundNoise {
    /// Places noise; the view is that of the panel, and follows on itself.
    pub fn bind(
        plan: &Plan,
        (kind, site): (NoiseKind, Site),
        into: &View,
        rows: Option<Axis>,
        panel: Option<&Range<usize>>,
    ) -> Self {
        Self { kind, site, elements: Elements::of(into, rows, panel), into: start_of(plan, into), size: into.size() }
    }

    /// Draws it.
    pub fn run<T: Real>(&self, isa: Isa, arena: &Arena<T>, key: &Key) {
        // SAFETY: the result is this task's own (see `Arena`).
        let out = unsafe { arena.write(self.into, self.size) };
        let of = key.of(self.site);
        match &self.elements {
            Elements::Rows(range, width) => {
                if let Some(rows) = key.rows.get(range.clone()) {
                    sampling::noise(isa, of, self.kind, rows, *width, out);
                }
            }
            Elements::One => sampling::noise(isa, of, self.kind, &[0], self.size, out),
            Elements::Within(extents) => self.elements.each(*extents, key, |at, element| {
                if let Some(o) = out.get_mut(at) {
                    *o = T::from_f64(Stream::new(of, element).draw(self.kind));
                }
            }),
        }
    }
}

/// Poisson counts.
#[derive(Clone, Debug)]
pub struct BoundArrivals {
    indicator: Indicator,
    site: Site,
    elements: Elements,
    rate: usize,
    temperature: usize,
    orders: Vec<u8>,
    into: Vec<usize>,
    size: usize,
}

impl BoundArrivals {
    /// Places a sampler whose views are those of the panel.
    pub fn bind(
        plan: &Plan,
        (indicator, site): (Indicator, Site),
        (rate, temperature): (&View, &View),
        into: &[(u8, View)],
        rows: Option<Axis>,
        panel: Option<&Range<usize>>,
    ) -> Self {
        Self {
            indicator,
            site,
            elements: Elements::of(rate, rows, panel),
            rate: start_of(plan, rate),
            temperature: start_of(plan, temperature),
            orders: into.iter().map(|o| o.0).collect(),
            into: into.iter().map(|o| start_of(plan, &o.1)).collect(),
            size: rate.size(),
        }
    }

    /// Draws them.
    pub fn run<T: Real>(&self, isa: Isa, arena: &Arena<T>, key: &Key, scratch: &mut ArrivalScratch<T>) {
        // SAFETY: operands are not written meanwhile; the results are this task's own and lie apart (see `Arena`).
        let (rate, temperature) = unsafe { (arena.read(self.rate, self.size), arena.read(self.temperature, 1)) };
        let temperature = temperature.first().copied().unwrap_or_default();
        let mut outs: [&mut [T]; ORDERS] = Default::default();
        for (out, &at) in outs.iter_mut().zip(&self.into) {
            // SAFETY: as above.
            *out = unsafe { arena.write(at, self.size) };
        }
        let Some(outs) = outs.get_mut(..self.orders.len()) else { return };
        let (of, orders) = (key.of(self.site), &self.orders);
        match &self.elements {
            Elements::Rows(range, width) => {
                if let Some(rows) = key.rows.get(range.clone()) {
                    sampling::arrivals(isa, of, self.indicator, orders, temperature, rate, rows, *width, outs, scratch);
                }
            }
            Elements::One => {
                sampling::arrivals(isa, of, self.indicator, orders, temperature, rate, &[0], self.size, outs, scratch);
            }
            Elements::Within(extents) => {
                let mut totals = [0.0; ORDERS];
                let Some(totals) = totals.get_mut(..orders.len()) else { return };
                self.elements.each(*extents, key, |at, element| {
                    let eta = rate.get(at).map_or(f64::NAN, |v| v.to_f64());
                    let mut stream = Stream::new(of, element);
                    arrivals_of_orders(&mut stream, eta, temperature.to_f64(), orders, self.indicator, totals);
                    for (out, &total) in outs.iter_mut().zip(totals.iter()) {
                        if let Some(o) = out.get_mut(at) {
                            *o = T::from_f64(total);
                        }
                    }
                });
            }
        }
    }
}
