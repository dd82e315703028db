//! Relaxed Poisson counts by arrivals. Most elements have no arrival that counts, and are done after one draw; the
//! others go to a pool, where each pass accounts for two arrivals of each, and those that are done leave. So the cost
//! follows the mean rate, and a unit with a high rate holds one lane.

use fe_graph::Indicator;
use fe_graph::noise::{MAX_ORDER, MAX_RATE, NoiseKey};

use super::indicator::Curve;
use super::standard::exponential;
use super::words::{Generator, Places};
use super::{LANES, SHORT};
use crate::isa::vectorized;
use crate::math::Real;

/// Groups of `LANES` elements in the pool.
const GROUPS: usize = 512 / LANES;

/// Orders of derivative there are.
const ORDERS: usize = MAX_ORDER as usize + 1;

/// So few elements are finished one by one, the lanes being blocks of one stream.
const FEW: usize = 8;

vectorized!(
    /// Σᵢ Dᵏ g((1 − tᵢ)/τ), tᵢ = sᵢ/λ: the relaxed Poisson count (k = 0) and its derivatives in log λ, for each k of
    /// `orders` into its place of `outs`. `log_rate` and each of `outs` are [row, rest], as in [`super::noise`]. A NaN
    /// rate gives NaN, one above [`MAX_RATE`] ∞.
    pub fn arrivals<T: Real>(
        key: NoiseKey,
        indicator: Indicator,
        orders: &[u8],
        temperature: T,
        log_rate: &[T],
        rows: &[u64],
        width: usize,
        outs: &mut [&mut [T]],
        scratch: &mut ArrivalScratch<T>,
    ) = arrivals_body
);

/// The elements whose arrivals still count. Its first use allocates, later ones do not.
#[derive(Clone, Debug, Default)]
pub struct ArrivalScratch<T> {
    groups: Vec<Group<T>>,
    /// How many elements there are. They fill the groups in turn.
    len: usize,
}

/// One element of the pool.
#[derive(Clone, Copy)]
struct Lane<T> {
    /// Which element of the tensor.
    at: usize,
    /// The stream, and its next block.
    row: u64,
    rest: u64,
    block: u64,
    rate: f64,
    /// The sum of the gaps accounted for: the last arrival's time times the rate.
    sum: f64,
    /// The next gap, and the words of the one after it.
    gap: T,
    words: [u32; 2],
    /// By order of derivative.
    totals: [f64; ORDERS],
}

/// `LANES` of them, by field.
#[derive(Clone, Debug)]
struct Group<T> {
    at: [usize; LANES],
    row: [u64; LANES],
    rest: [u64; LANES],
    block: [u64; LANES],
    rate: [f64; LANES],
    sum: [f64; LANES],
    gap: [T; LANES],
    words: [[u32; LANES]; 2],
    totals: [[f64; LANES]; ORDERS],
}

impl<T: Real> Group<T> {
    fn new() -> Self {
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

    #[inline(always)]
    fn get(&self, k: usize) -> Lane<T> {
        let ([high, low], [t0, t1, t2, t3]) = (&self.words, &self.totals);
        Lane {
            at: pick(&self.at, k),
            row: pick(&self.row, k),
            rest: pick(&self.rest, k),
            block: pick(&self.block, k),
            rate: pick(&self.rate, k),
            sum: pick(&self.sum, k),
            gap: pick(&self.gap, k),
            words: [pick(high, k), pick(low, k)],
            totals: [pick(t0, k), pick(t1, k), pick(t2, k), pick(t3, k)],
        }
    }

    #[inline(always)]
    fn set(&mut self, k: usize, lane: Lane<T>) {
        let [high, low] = &mut self.words;
        put(&mut self.at, k, lane.at);
        put(&mut self.row, k, lane.row);
        put(&mut self.rest, k, lane.rest);
        put(&mut self.block, k, lane.block);
        put(&mut self.rate, k, lane.rate);
        put(&mut self.sum, k, lane.sum);
        put(&mut self.gap, k, lane.gap);
        let [first, second] = lane.words;
        put(high, k, first);
        put(low, k, second);
        for (totals, total) in self.totals.iter_mut().zip(lane.totals) {
            put(totals, k, total);
        }
    }

    /// Accounts for the next two gaps of every lane. Returns which lanes are done, a bit each.
    #[inline(always)]
    fn account<const FMA: bool>(&mut self, task: &Task<T>) -> u64 {
        let [high, low] = &self.words;
        let (first, second) = sums_after(&self.sum, &self.gap, &gaps::<T, FMA, _>(high, low));
        task.count::<FMA, LANES>([&first, &second], &self.rate, &mut self.totals);
        self.sum = second;
        let mut done = [0; LANES];
        for (done, (sum, rate)) in done.iter_mut().zip(second.iter().zip(&self.rate)) {
            *done = u8::from(*sum >= task.curve.window * *rate);
        }
        mask(&done)
    }

    /// Writes the totals of these lanes.
    #[inline(always)]
    fn write(&self, lanes: u64, task: &Task<T>, outs: &mut [&mut [T]]) {
        for (out, order) in outs.iter_mut().zip(task.orders) {
            if let Some(totals) = self.totals.get(usize::from(*order)) {
                for k in Ones::of([lanes]) {
                    put(out, pick(&self.at, k), T::from_f64(pick(totals, k)));
                }
            }
        }
    }

    /// Draws the next two gaps of every lane.
    #[inline(always)]
    fn draw<const FMA: bool>(&mut self, task: &Task<T>) {
        let [a, b, c, d] = task.generator.words(&self.block, &self.rest, &self.row);
        self.gap = gaps::<T, FMA, _>(&a, &b);
        self.words = [c, d];
        for block in &mut self.block {
            *block = block.wrapping_add(1);
        }
    }
}

/// What one call does with every element.
struct Task<'a, T> {
    generator: Generator,
    curve: Curve<T>,
    orders: &'a [u8],
}

#[allow(clippy::too_many_arguments)]
#[inline(always)]
fn arrivals_body<T: Real, const FMA: bool>(
    key: NoiseKey,
    indicator: Indicator,
    orders: &[u8],
    temperature: T,
    log_rate: &[T],
    rows: &[u64],
    width: usize,
    outs: &mut [&mut [T]],
    scratch: &mut ArrivalScratch<T>,
) {
    let task = Task { generator: Generator::new(key), curve: Curve::new(indicator, temperature), orders };
    if temperature.to_f64().is_nan() {
        return outs.iter_mut().for_each(|out| out.fill(temperature));
    }
    scratch.len = 0;
    scratch.groups.resize_with(GROUPS, Group::new);
    let mut places = Places::new(rows, width);
    for (start, log_rate) in (0..).step_by(LANES).zip(log_rate.chunks(LANES)) {
        if log_rate.len() <= SHORT {
            scratch.begin::<FMA, SHORT>(&task, start, log_rate, &mut places, outs);
        } else {
            scratch.begin::<FMA, LANES>(&task, start, log_rate, &mut places, outs);
        }
        while scratch.len > (GROUPS - 1) * LANES {
            scratch.pass::<FMA>(&task, outs);
        }
    }
    while scratch.len > FEW {
        scratch.pass::<FMA>(&task, outs);
    }
    for k in 0..scratch.len {
        if let Some(lane) = scratch.groups.first().map(|group| group.get(k)) {
            task.finish::<FMA>(lane, outs);
        }
    }
}

impl<T: Real> Task<'_, T> {
    /// Adds to the totals what two arrivals of each lane add, at s = λt.
    #[inline(always)]
    fn count<const FMA: bool, const N: usize>(
        &self,
        [first, second]: [&[f64; N]; 2],
        rate: &[f64; N],
        totals: &mut [[f64; N]; ORDERS],
    ) {
        let v = [self.leads(first, rate), self.leads(second, rate)];
        for (order, totals) in (0..).zip(totals) {
            if self.orders.contains(&order) {
                self.curve.add::<FMA, N>(order, &v, totals);
            }
        }
    }

    /// v = (1 − t)/τ of arrivals, and where they cannot count, the largest v at which that is so.
    #[inline(always)]
    fn leads<const N: usize>(&self, sum: &[f64; N], rate: &[f64; N]) -> [T; N] {
        let mut v = [T::ZERO; N];
        for (v, (sum, rate)) in v.iter_mut().zip(sum.iter().zip(rate)) {
            let lead = T::from_f64(rate - sum) / (T::from_f64(*rate) * self.curve.scale);
            *v = if lead > self.curve.least { lead } else { self.curve.least };
        }
        v
    }

    /// Follows one element to its end, the lanes being consecutive blocks of its stream.
    #[inline(always)]
    fn finish<const FMA: bool>(&self, mut lane: Lane<T>, outs: &mut [&mut [T]]) {
        let (rest, row, rate) = ([lane.rest; SHORT], [lane.row; SHORT], [lane.rate; SHORT]);
        // The block that is drawn and not accounted for is drawn again.
        let mut block = [lane.block.wrapping_sub(1); SHORT];
        for (block, k) in block.iter_mut().zip(0..) {
            *block = block.wrapping_add(k);
        }
        while lane.sum < self.curve.window * lane.rate {
            let [a, b, c, d] = self.generator.words(&block, &rest, &row);
            let (gap1, gap2) = (gaps::<T, FMA, _>(&a, &b), gaps::<T, FMA, _>(&c, &d));
            let (mut first, mut second) = ([0.0; SHORT], [0.0; SHORT]);
            for ((first, second), (gap1, gap2)) in first.iter_mut().zip(&mut second).zip(gap1.iter().zip(&gap2)) {
                *first = lane.sum + gap1.to_f64();
                *second = *first + gap2.to_f64();
                lane.sum = *second;
            }
            let mut added = [[0.0; SHORT]; ORDERS];
            self.count::<FMA, SHORT>([&first, &second], &rate, &mut added);
            for (total, added) in lane.totals.iter_mut().zip(&added) {
                added.iter().for_each(|x| *total += x);
            }
            for block in &mut block {
                *block = block.wrapping_add(SHORT as u64);
            }
        }
        for (out, order) in outs.iter_mut().zip(self.orders) {
            if let (Some(out), Some(total)) = (out.get_mut(lane.at), lane.totals.get(usize::from(*order))) {
                *out = T::from_f64(*total);
            }
        }
    }
}

impl<T: Real> ArrivalScratch<T> {
    /// Draws for up to N new elements, and takes up those with an arrival in the window. There must be room.
    #[inline(always)]
    fn begin<const FMA: bool, const N: usize>(
        &mut self,
        task: &Task<T>,
        start: usize,
        log_rate: &[T],
        places: &mut Places,
        outs: &mut [&mut [T]],
    ) {
        let (mut rest, mut row, mut rate) = ([0; N], [0; N], [T::ZERO; N]);
        places.next(&mut rest, &mut row);
        // Lanes without an element have log λ = −∞.
        let mut logs = [T::from_f64(f64::NEG_INFINITY); N];
        for (log, given) in logs.iter_mut().zip(log_rate) {
            *log = *given;
        }
        for (rate, log) in rate.iter_mut().zip(&logs) {
            *rate = log.exp::<FMA>();
        }
        let [a, b, high, low] = task.generator.words(&[0; N], &rest, &row);
        let gap = gaps::<T, FMA, _>(&a, &b);
        let (window, most) = (T::from_f64(task.curve.window), T::from_f64(MAX_RATE));
        let (mut taken, mut blank) = ([0; N], [T::ZERO; N]);
        for ((taken, blank), (rate, gap)) in taken.iter_mut().zip(&mut blank).zip(rate.iter().zip(&gap)) {
            *taken = u8::from((*gap < window * *rate) & (*rate <= most));
            let blank_of_rate = if *rate > most { T::from_f64(f64::INFINITY) } else { T::ZERO };
            *blank = if *rate >= T::ZERO { blank_of_rate } else { *rate };
        }
        for out in outs.iter_mut() {
            for (out, blank) in out.iter_mut().skip(start).zip(&blank).take(log_rate.len()) {
                *out = *blank;
            }
        }
        for k in Ones::of([mask(&taken)]) {
            let lane = Lane {
                at: start + k,
                row: pick(&row, k),
                rest: pick(&rest, k),
                block: 1,
                rate: pick(&rate, k).to_f64(),
                sum: 0.0,
                gap: pick(&gap, k),
                words: [pick(&high, k), pick(&low, k)],
                totals: [0.0; ORDERS],
            };
            self.set(self.len, lane);
            self.len += 1;
        }
    }

    /// Accounts for two gaps of each element, writes and drops those that are done, and draws for the others.
    #[inline(always)]
    fn pass<const FMA: bool>(&mut self, task: &Task<T>, outs: &mut [&mut [T]]) {
        let mut kept = [0; GROUPS];
        for ((group, kept), start) in self.groups.iter_mut().zip(&mut kept).zip((0..self.len).step_by(LANES)) {
            let held = first_bits(self.len - start);
            let done = group.account::<FMA>(task) & held;
            *kept = held & !done;
            group.write(done, task, outs);
        }
        // Those kept beyond the new length go to the places of those dropped below it.
        self.len = kept.iter().map(|k| k.count_ones() as usize).sum();
        let (mut dropped, mut beyond) = (kept, kept);
        for ((dropped, beyond), start) in dropped.iter_mut().zip(&mut beyond).zip((0..).step_by(LANES)) {
            let below = first_bits(self.len.saturating_sub(start));
            (*dropped, *beyond) = (below & !*dropped, *beyond & !below);
        }
        for (to, from) in Ones::of(dropped).zip(Ones::of(beyond)) {
            if let Some(lane) = self.groups.get(from / LANES).map(|group| group.get(from % LANES)) {
                self.set(to, lane);
            }
        }
        for group in self.groups.iter_mut().take(self.len.div_ceil(LANES)) {
            group.draw::<FMA>(task);
        }
    }

    #[inline(always)]
    fn set(&mut self, k: usize, lane: Lane<T>) {
        if let Some(group) = self.groups.get_mut(k / LANES) {
            group.set(k % LANES, lane);
        }
    }
}

#[inline(always)]
fn gaps<T: Real, const FMA: bool, const N: usize>(high: &[u32; N], low: &[u32; N]) -> [T; N] {
    let mut gaps = [T::ZERO; N];
    for (gap, (high, low)) in gaps.iter_mut().zip(high.iter().zip(low)) {
        *gap = exponential::<T, FMA>([*high, *low]);
    }
    gaps
}

/// The sums after the first and the second gap.
#[inline(always)]
fn sums_after<T: Real>(sum: &[f64; LANES], gap1: &[T; LANES], gap2: &[T; LANES]) -> ([f64; LANES], [f64; LANES]) {
    let (mut first, mut second) = ([0.0; LANES], [0.0; LANES]);
    let gaps = gap1.iter().zip(gap2);
    for ((first, second), (sum, (gap1, gap2))) in first.iter_mut().zip(&mut second).zip(sum.iter().zip(gaps)) {
        *first = *sum + gap1.to_f64();
        *second = *first + gap2.to_f64();
    }
    (first, second)
}

/// The bytes, 0 or 1, as bits.
#[inline(always)]
fn mask<const N: usize>(bytes: &[u8; N]) -> u64 {
    let (eights, _) = bytes.as_chunks();
    let mut mask = 0;
    for (eight, shift) in eights.iter().zip((0..).step_by(8)) {
        // The product moves the lowest bit of byte i to bit 56 + i.
        mask |= (u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) << shift;
    }
    mask
}

/// The lowest `n` bits of a group's.
#[inline(always)]
fn first_bits(n: usize) -> u64 {
    if n < LANES { (1 << n) - 1 } else { u64::MAX }
}

/// The places of the bits that are set, group after group.
struct Ones<const N: usize> {
    masks: [u64; N],
    group: usize,
}

impl<const N: usize> Ones<N> {
    #[inline(always)]
    fn of(masks: [u64; N]) -> Self {
        Self { masks, group: 0 }
    }
}

impl<const N: usize> Iterator for Ones<N> {
    type Item = usize;
    #[inline(always)]
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

#[inline(always)]
fn pick<X: Copy + Default>(x: &[X], k: usize) -> X {
    x.get(k).copied().unwrap_or_default()
}

#[inline(always)]
fn put<X>(x: &mut [X], k: usize, value: X) {
    if let Some(x) = x.get_mut(k) {
        *x = value;
    }
}
