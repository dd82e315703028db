//! Relaxed Poisson counts by arrivals. Most elements have no arrival that counts, and are done after one draw; the
//! others go to a pool, where each pass accounts for two arrivals of each, and those that are done leave. So the cost
//! follows the mean rate, and a unit with a high rate holds one lane.

use fe_graph::Indicator;
use fe_graph::noise::{MAX_RATE, NoiseKey};

use super::indicator::Curve;
use super::standard::exponential;
use super::words::{Generator, LANES, Lanes, Places};
use crate::isa::vectorized;
use crate::math::Real;

/// Elements the pool holds.
const POOL: usize = 512;

/// So few elements are finished one by one, the lanes being blocks of one stream.
const FEW: usize = 4;

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

/// The elements whose arrivals still count, each field by lanes. Its first use allocates, later ones do not.
#[derive(Clone, Debug, Default)]
pub struct ArrivalScratch<T> {
    /// How many there are.
    len: usize,
    /// Which elements of the tensor.
    at: Vec<usize>,
    /// The next block of its stream, and the stream.
    block: Vec<u64>,
    rest: Vec<u64>,
    row: Vec<u64>,
    rate: Vec<f64>,
    /// The sum of the gaps accounted for: the last arrival times the rate.
    sum: Vec<f64>,
    /// The two gaps drawn and not yet accounted for.
    gaps: [Vec<T>; 2],
    /// For each order.
    totals: Vec<Vec<f64>>,
    /// Lanes that stay and lanes that leave.
    chosen: [Vec<u32>; 2],
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
    scratch.empty(orders.len());
    let mut places = Places::new(rows, width);
    for (k, log_rate) in log_rate.chunks(LANES).enumerate() {
        scratch.begin::<FMA>(&task, k * LANES, log_rate, &mut places, outs);
        while scratch.len + LANES > POOL {
            scratch.pass::<FMA>(&task, outs);
        }
    }
    while scratch.len > FEW {
        scratch.pass::<FMA>(&task, outs);
    }
    for lane in 0..scratch.len {
        scratch.finish::<FMA>(&task, lane, outs);
    }
}

impl<T: Real> Task<'_, T> {
    /// The two gaps of a block of each lane's stream.
    #[inline(always)]
    fn gaps<const FMA: bool>(&self, block: &Lanes, rest: &Lanes, row: &Lanes) -> [[T; LANES]; 2] {
        let [a, b, c, d] = &self.generator.words(block, rest, row);
        [gaps::<T, FMA>(a, b), gaps::<T, FMA>(c, d)]
    }

    /// v = (1 − t)/τ of arrivals at s = λt, and where they cannot count, the largest v at which that is so.
    #[inline(always)]
    fn leads(&self, sum: &[f64; LANES], rate: &[f64; LANES]) -> [T; LANES] {
        let mut v = [T::ZERO; LANES];
        for (v, (sum, rate)) in v.iter_mut().zip(sum.iter().zip(rate)) {
            let lead = T::from_f64(rate - sum) / (T::from_f64(*rate) * self.curve.scale);
            *v = if lead > self.curve.least { lead } else { self.curve.least };
        }
        v
    }
}

#[inline(always)]
fn gaps<T: Real, const FMA: bool>(high: &[u32; LANES], low: &[u32; LANES]) -> [T; LANES] {
    let mut gaps = [T::ZERO; LANES];
    for (gap, (high, low)) in gaps.iter_mut().zip(high.iter().zip(low)) {
        *gap = exponential::<T, FMA>([*high, *low]);
    }
    gaps
}

impl<T: Real> ArrivalScratch<T> {
    /// Makes room for the pool, and leaves no element in it.
    fn empty(&mut self, orders: usize) {
        self.len = 0;
        self.at.resize(POOL, 0);
        for lanes in [&mut self.block, &mut self.rest, &mut self.row] {
            lanes.resize(POOL, 0);
        }
        for lanes in [&mut self.rate, &mut self.sum] {
            lanes.resize(POOL, 0.0);
        }
        for lanes in &mut self.gaps {
            lanes.resize(POOL, T::ZERO);
        }
        for lanes in &mut self.chosen {
            lanes.resize(POOL + 1, 0);
        }
        self.totals.resize_with(self.totals.len().max(orders), || vec![0.0; POOL]);
    }

    /// Draws for up to `LANES` new elements, and takes up those with an arrival in the window. There must be room.
    #[inline(always)]
    fn begin<const FMA: bool>(
        &mut self,
        task: &Task<T>,
        start: usize,
        log_rate: &[T],
        places: &mut Places,
        outs: &mut [&mut [T]],
    ) {
        let (mut rest, mut row, mut rate) = ([0; LANES], [0; LANES], [T::ZERO; LANES]);
        places.next(&mut rest, &mut row);
        // Lanes without an element have log λ = −∞.
        let mut logs = [T::from_f64(f64::NEG_INFINITY); LANES];
        for (log, given) in logs.iter_mut().zip(log_rate) {
            *log = *given;
        }
        for (rate, log) in rate.iter_mut().zip(&logs) {
            *rate = log.exp::<FMA>();
        }
        let gaps = task.gaps::<FMA>(&[0; LANES], &rest, &row);
        let [first, _] = &gaps;
        let (window, most) = (T::from_f64(task.curve.window), T::from_f64(MAX_RATE));
        let (mut hits, mut blank) = ([0; LANES], [T::ZERO; LANES]);
        for ((hit, blank), (rate, gap)) in hits.iter_mut().zip(&mut blank).zip(rate.iter().zip(first)) {
            *hit = u32::from((*gap < window * *rate) & (*rate <= most));
            let blank_of_rate = if *rate > most { T::from_f64(f64::INFINITY) } else { T::ZERO };
            *blank = if *rate >= T::ZERO { blank_of_rate } else { *rate };
        }
        for out in outs.iter_mut() {
            for (out, blank) in out.iter_mut().skip(start).zip(&blank).take(log_rate.len()) {
                *out = *blank;
            }
        }
        let mut found = [0; LANES + 1];
        let mut count = 0;
        for (lane, hit) in (0..).zip(&hits) {
            if let Some(slot) = found.get_mut(count) {
                *slot = lane;
            }
            count += *hit as usize;
        }
        let found = found.get(..count).unwrap_or_default();
        let [first, second] = &gaps;
        let [gap1, gap2] = &mut self.gaps;
        let from = self.len;
        gather(gap1, from, found, |k| pick(first, k));
        gather(gap2, from, found, |k| pick(second, k));
        gather(&mut self.at, from, found, |k| start + k);
        gather(&mut self.block, from, found, |_| 1);
        gather(&mut self.rest, from, found, |k| pick(&rest, k));
        gather(&mut self.row, from, found, |k| pick(&row, k));
        gather(&mut self.rate, from, found, |k| pick(&rate, k).to_f64());
        gather(&mut self.sum, from, found, |_| 0.0);
        self.totals.iter_mut().for_each(|t| gather(t, from, found, |_| 0.0));
        self.len += count;
    }

    /// Accounts for the two gaps of each element, lets those that are done leave if they are many, and draws again.
    #[inline(always)]
    fn pass<const FMA: bool>(&mut self, task: &Task<T>, outs: &mut [&mut [T]]) {
        let mut alive = 0;
        let [gap1, gap2] = &mut self.gaps;
        let gaps = gap1.as_chunks().0.iter().zip(gap2.as_chunks().0);
        let sums = self.sum.as_chunks_mut().0.iter_mut().zip(self.rate.as_chunks().0);
        for (k, ((sum, rate), (gap1, gap2))) in sums.zip(gaps).enumerate().take(self.len.div_ceil(LANES)) {
            let before = sum;
            let (first, second) = sums_after(before, gap1, gap2);
            let v = [task.leads(&first, rate), task.leads(&second, rate)];
            for (order, totals) in task.orders.iter().zip(&mut self.totals) {
                if let Some(totals) = totals.as_chunks_mut().0.get_mut(k) {
                    task.curve.add::<FMA, LANES>(*order, &v, totals);
                }
            }
            let mut here = 0;
            for (sum, rate) in second.iter().zip(rate).take(self.len - k * LANES) {
                here += u64::from(*sum < task.curve.window * *rate);
            }
            alive += here as usize;
            *before = second;
        }
        if (self.len - alive) * 8 >= self.len {
            self.compact(task, outs);
        }
        let [gap1, gap2] = &mut self.gaps;
        let gaps = gap1.as_chunks_mut().0.iter_mut().zip(gap2.as_chunks_mut().0);
        let streams = self.rest.as_chunks().0.iter().zip(self.row.as_chunks().0);
        let blocks = self.block.as_chunks_mut().0.iter_mut();
        for ((block, (rest, row)), (gap1, gap2)) in blocks.zip(streams).zip(gaps).take(self.len.div_ceil(LANES)) {
            [*gap1, *gap2] = task.gaps::<FMA>(block, rest, row);
            block.iter_mut().for_each(|b| *b = b.wrapping_add(1));
        }
    }

    /// Writes the totals of the elements that are done, and closes the gaps they leave.
    #[inline(always)]
    fn compact(&mut self, task: &Task<T>, outs: &mut [&mut [T]]) {
        let [stay, leave] = &mut self.chosen;
        let (mut staying, mut leaving) = (0, 0);
        for (lane, (sum, rate)) in (0..).zip(self.sum.iter().zip(&self.rate)).take(self.len) {
            let done = *sum >= task.curve.window * *rate;
            if let (Some(stay), Some(leave)) = (stay.get_mut(staying), leave.get_mut(leaving)) {
                (*stay, *leave) = (lane, lane);
            }
            staying += usize::from(!done);
            leaving += usize::from(done);
        }
        let (stay, leave) = (stay.get(..staying).unwrap_or_default(), leave.get(..leaving).unwrap_or_default());
        for (out, totals) in outs.iter_mut().zip(&self.totals) {
            for &lane in leave {
                let (at, total) = (self.at.get(lane as usize), totals.get(lane as usize));
                if let Some((out, total)) = at.and_then(|&at| out.get_mut(at)).zip(total) {
                    *out = T::from_f64(*total);
                }
            }
        }
        close(&mut self.at, stay);
        close(&mut self.block, stay);
        close(&mut self.rest, stay);
        close(&mut self.row, stay);
        close(&mut self.rate, stay);
        close(&mut self.sum, stay);
        self.totals.iter_mut().for_each(|t| close(t, stay));
        self.len = staying;
    }

    /// Follows one element to its end, the lanes being consecutive blocks of its stream.
    #[inline(always)]
    fn finish<const FMA: bool>(&mut self, task: &Task<T>, lane: usize, outs: &mut [&mut [T]]) {
        let [rest, row] = [&self.rest, &self.row].map(|x| [pick(x, lane); LANES]);
        let (rate, mut sum) = ([pick(&self.rate, lane); LANES], pick(&self.sum, lane));
        // The gaps that are drawn and not accounted for are drawn again.
        let next = pick(&self.block, lane).saturating_sub(1);
        let mut block: Lanes = std::array::from_fn(|k| next.wrapping_add(k as u64));
        let mut added = [0.0; LANES];
        while rate.first().is_some_and(|rate| sum < task.curve.window * rate) {
            let [gap1, gap2] = task.gaps::<FMA>(&block, &rest, &row);
            let (mut first, mut second) = ([0.0; LANES], [0.0; LANES]);
            for ((first, second), (gap1, gap2)) in first.iter_mut().zip(&mut second).zip(gap1.iter().zip(&gap2)) {
                *first = sum + gap1.to_f64();
                *second = *first + gap2.to_f64();
                sum = *second;
            }
            let v = [task.leads(&first, &rate), task.leads(&second, &rate)];
            for (order, totals) in task.orders.iter().zip(&mut self.totals) {
                added.fill(0.0);
                task.curve.add::<FMA, LANES>(*order, &v, &mut added);
                if let Some(total) = totals.get_mut(lane) {
                    added.iter().for_each(|x| *total += x);
                }
            }
            block.iter_mut().for_each(|b| *b = b.wrapping_add(LANES as u64));
        }
        for (out, totals) in outs.iter_mut().zip(&self.totals) {
            if let Some(out) = out.get_mut(pick(&self.at, lane)) {
                *out = T::from_f64(pick(totals, lane));
            }
        }
    }
}

/// The sums after the first and the second gap.
#[inline(always)]
fn sums_after<T: Real>(sum: &[f64; LANES], gap1: &[T; LANES], gap2: &[T; LANES]) -> ([f64; LANES], [f64; LANES]) {
    let (mut first, mut second) = ([0.0; LANES], [0.0; LANES]);
    for ((first, second), (sum, (gap1, gap2))) in
        first.iter_mut().zip(&mut second).zip(sum.iter().zip(gap1.iter().zip(gap2)))
    {
        *first = *sum + gap1.to_f64();
        *second = *first + gap2.to_f64();
    }
    (first, second)
}

#[inline(always)]
fn pick<X: Copy + Default>(x: &[X], k: usize) -> X {
    x.get(k).copied().unwrap_or_default()
}

/// Appends `of(k)` for each lane k of `found` after the first `len` of `x`.
#[inline(always)]
fn gather<X>(x: &mut [X], len: usize, found: &[u32], of: impl Fn(usize) -> X) {
    for (x, k) in x.iter_mut().skip(len).zip(found) {
        *x = of(*k as usize);
    }
}

/// Moves the lanes that stay, which ascend, to the front.
#[inline(always)]
fn close<X: Copy + Default>(x: &mut [X], stay: &[u32]) {
    for (to, from) in stay.iter().enumerate() {
        let moved = pick(x, *from as usize);
        if let Some(x) = x.get_mut(to) {
            *x = moved;
        }
    }
}
