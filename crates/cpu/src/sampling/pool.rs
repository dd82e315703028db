//! The elements whose arrivals still count, by field in groups of lanes.

use fe_graph::noise::MAX_ORDER;

use super::LANES;
use crate::math::Real;

/// Groups there are room for.
const GROUPS: usize = 8;

/// Orders of derivative there are.
pub(super) const ORDERS: usize = MAX_ORDER as usize + 1;

/// One element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lane<T> {
    /// Its place in the tensor.
    pub(super) at: usize,
    /// The stream, and its next block.
    pub(super) row: u64,
    pub(super) rest: u64,
    pub(super) block: u64,
    pub(super) rate: f64,
    /// The sum of the gaps accounted for: the last arrival's time times the rate.
    pub(super) sum: f64,
    /// The next gap, and the words of the one after it.
    pub(super) gap: T,
    pub(super) words: [u32; 2],
    /// By order of derivative.
    pub(super) totals: [f64; ORDERS],
}

/// `LANES` of them.
#[derive(Clone, Debug)]
pub(super) struct Group<T> {
    pub(super) at: [usize; LANES],
    pub(super) row: [u64; LANES],
    pub(super) rest: [u64; LANES],
    pub(super) block: [u64; LANES],
    pub(super) rate: [f64; LANES],
    pub(super) sum: [f64; LANES],
    pub(super) gap: [T; LANES],
    pub(super) words: [[u32; LANES]; 2],
    pub(super) totals: [[f64; LANES]; ORDERS],
}

impl<T: Real> Group<T> {
    pub(super) fn new() -> Self {
        Self {
            at: [0; LANES],
            row: [0; LANES],
            rest: [0; LANES],
            block: [0; LANES],
            rate: [0.0; LANES],
            sum: [0.0; LANES],
            gap: [T::ZERO; LANES],
            words: [[0; LANES]; 2],
            totals: [[0.0; LANES]; ORDERS],
        }
    }

    #[inline]
    pub(super) fn get(&self, k: usize) -> Lane<T> {
        Lane {
            at: pick(&self.at, k),
            row: pick(&self.row, k),
            rest: pick(&self.rest, k),
            block: pick(&self.block, k),
            rate: pick(&self.rate, k),
            sum: pick(&self.sum, k),
            gap: pick(&self.gap, k),
            words: self.words.each_ref().map(|w| pick(w, k)),
            totals: self.totals.each_ref().map(|t| pick(t, k)),
        }
    }

    #[inline]
    fn set(&mut self, k: usize, lane: Lane<T>) {
        put(&mut self.at, k, lane.at);
        put(&mut self.row, k, lane.row);
        put(&mut self.rest, k, lane.rest);
        put(&mut self.block, k, lane.block);
        put(&mut self.rate, k, lane.rate);
        put(&mut self.sum, k, lane.sum);
        put(&mut self.gap, k, lane.gap);
        for (words, word) in self.words.iter_mut().zip(lane.words) {
            put(words, k, word);
        }
        for (totals, total) in self.totals.iter_mut().zip(lane.totals) {
            put(totals, k, total);
        }
    }
}

/// Up to `GROUPS · LANES` elements. They fill the groups in turn.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool<T> {
    groups: Vec<Group<T>>,
    len: usize,
}

impl<T: Real> Pool<T> {
    pub(super) fn clear(&mut self) {
        self.groups.resize_with(GROUPS, Group::new);
        self.len = 0;
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Is there room for `LANES` more?
    pub(super) fn has_room(&self) -> bool {
        self.len <= (GROUPS - 1) * LANES
    }

    #[inline]
    pub(super) fn push(&mut self, lane: Lane<T>) {
        self.set(self.len, lane);
        self.len += 1;
    }

    #[inline]
    fn set(&mut self, k: usize, lane: Lane<T>) {
        if let Some(group) = self.groups.get_mut(k / LANES) {
            group.set(k % LANES, lane);
        }
    }

    pub(super) fn get(&self, k: usize) -> Option<Lane<T>> {
        Some(self.groups.get(k / LANES)?.get(k % LANES))
    }

    /// The last element, taken out.
    pub(super) fn pop(&mut self) -> Option<Lane<T>> {
        self.len = self.len.checked_sub(1)?;
        self.get(self.len)
    }

    /// A group that holds no element, where there is one.
    pub(super) fn spare(&mut self) -> Option<&mut Group<T>> {
        self.groups.get_mut(self.len.div_ceil(LANES))
    }

    /// The groups that hold elements.
    pub(super) fn groups(&mut self) -> impl Iterator<Item = &mut Group<T>> {
        self.groups.iter_mut().take(self.len.div_ceil(LANES))
    }

    /// Asks of each group which lanes are done, a bit each, shows them to `leave`, and closes the gaps they leave.
    pub(super) fn retain(&mut self, mut done: impl FnMut(&mut Group<T>) -> u64, mut leave: impl FnMut(&Group<T>, u64)) {
        let mut kept = [0; GROUPS];
        for ((group, kept), start) in self.groups.iter_mut().zip(&mut kept).zip((0..self.len).step_by(LANES)) {
            let held = first_bits(self.len - start);
            let done = done(group) & held;
            *kept = held & !done;
            leave(group, done);
        }
        // Those kept beyond the new length go to the places of those dropped below it.
        self.len = kept.iter().map(|k| k.count_ones() as usize).sum();
        let (mut dropped, mut beyond) = (kept, kept);
        for ((dropped, beyond), start) in dropped.iter_mut().zip(&mut beyond).zip((0..).step_by(LANES)) {
            let below = first_bits(self.len.saturating_sub(start));
            (*dropped, *beyond) = (below & !*dropped, *beyond & !below);
        }
        for (to, from) in Ones::of(dropped).zip(Ones::of(beyond)) {
            if let Some(lane) = self.get(from) {
                self.set(to, lane);
            }
        }
    }
}

/// The lowest `n` bits of a group's.
#[inline]
fn first_bits(n: usize) -> u64 {
    if n < LANES { (1 << n) - 1 } else { u64::MAX }
}

/// The places of the bits that are set, group after group.
pub(super) struct Ones<const N: usize> {
    masks: [u64; N],
    group: usize,
}

impl<const N: usize> Ones<N> {
    pub(super) fn of(masks: [u64; N]) -> Self {
        Self { masks, group: 0 }
    }
}

impl<const N: usize> Iterator for Ones<N> {
    type Item = usize;
    #[inline]
    fn next(&mut self) -> Option<usize> {
        loop {
            let mask = self.masks.get_mut(self.group)?;
            if *mask != 0 {
                let k = self.group * LANES + mask.trailing_zeros() as usize;
                *mask &= *mask - 1;
                return Some(k);
            }
            self.group += 1;
        }
    }
}

#[inline]
pub(super) fn pick<X: Copy + Default>(x: &[X], k: usize) -> X {
    x.get(k).copied().unwrap_or_default()
}

#[inline]
pub(super) fn put<X>(x: &mut [X], k: usize, value: X) {
    if let Some(x) = x.get_mut(k) {
        *x = value;
    }
}
