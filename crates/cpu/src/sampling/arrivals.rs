//! Relaxed Poisson counts by arrivals. Most elements have no arrival that counts, and are done after one draw; the
//! others go to a pool, where each pass accounts for two arrivals of each, and those that are done leave. So the cost
//! follows the mean rate, and a unit with a high rate holds one lane.

use fe_graph::Indicator;
use fe_graph::noise::{MAX_RATE, NoiseKey};

use super::LANES;
use super::indicator::Curve;
use super::pool::{Group, Lane, ORDERS, Ones, Pool, pick, put};
use super::standard::exponential;
use super::words::{Generator, Places};
use crate::isa::{Isa, vectorized};
use crate::math::Real;

/// So few elements are finished one by one, the lanes being blocks of one stream.
const FEW: usize = 2;

/// The memory of [`arrivals`]. Its first use allocates, later ones do not.
#[derive(Clone, Debug, Default)]
pub struct ArrivalScratch<T> {
    pool: Pool<T>,
}

/// Σᵢ Dᵏ g((1 − tᵢ)/τ), tᵢ = sᵢ/λ: the relaxed Poisson count (k = 0) and its derivatives in log λ, for each k of
/// `orders` into its place of `outs`. `log_rate` and each of `outs` are [row, rest], as in [`super::noise`]. A NaN
/// rate gives NaN, one above [`MAX_RATE`] ∞.
#[allow(clippy::too_many_arguments)]
pub fn arrivals<T: Real>(
    isa: Isa,
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
    if temperature.to_f64().is_nan() {
        return outs.iter_mut().for_each(|out| out.fill(temperature));
    }
    let (generator, curve) = (Generator::new(key), Curve::new(indicator, temperature));
    let mut task = Task { isa, generator, curve, orders, outs, pool: &mut scratch.pool };
    task.pool.clear();
    let (mut new, mut places) = (Beginning::new(), Places::new(rows, width));
    for (start, log_rate) in (0..).step_by(LANES).zip(log_rate.chunks(LANES)) {
        places.next(&mut new.rest, &mut new.row);
        task.begin(start, log_rate, &mut new);
        while !task.pool.has_room() {
            task.pass();
        }
    }
    while task.pool.len() > FEW {
        task.pass();
    }
    task.finish();
}

struct Task<'a, 'b, T> {
    isa: Isa,
    generator: Generator,
    curve: Curve<T>,
    orders: &'a [u8],
    outs: &'a mut [&'b mut [T]],
    pool: &'a mut Pool<T>,
}

impl<T: Real> Task<'_, '_, T> {
    /// Draws for up to `LANES` new elements, and takes up those with an arrival in the window. There must be room.
    fn begin(&mut self, start: usize, log_rate: &[T], new: &mut Beginning<T>) {
        if log_rate.len() < LANES {
            // Lanes without an element have rate 0.
            new.log_rate.fill(T::from_f64(f64::NEG_INFINITY));
        }
        for (to, from) in new.log_rate.iter_mut().zip(log_rate) {
            *to = *from;
        }
        let taken = begin(self.isa, &self.generator, &self.curve, new);
        for out in self.outs.iter_mut() {
            for (out, blank) in out.iter_mut().skip(start).zip(&new.blank).take(log_rate.len()) {
                *out = *blank;
            }
        }
        for k in Ones::of([taken]) {
            self.pool.push(Lane {
                at: start + k,
                row: pick(&new.row, k),
                rest: pick(&new.rest, k),
                block: 1,
                rate: pick(&new.rate, k).to_f64(),
                sum: 0.0,
                gap: pick(&new.gap, k),
                words: new.words.each_ref().map(|w| pick(w, k)),
                totals: [0.0; ORDERS],
            });
        }
    }

    /// Accounts for two gaps of each element, writes and drops those that are done, and draws for the others.
    fn pass(&mut self) {
        let Self { isa, generator, curve, orders, outs, pool } = self;
        let write = |group: &Group<T>, lanes: u64| {
            for (out, order) in outs.iter_mut().zip(*orders) {
                if let Some(totals) = group.totals.get(usize::from(*order)) {
                    for k in Ones::of([lanes]) {
                        put(out, pick(&group.at, k), T::from_f64(pick(totals, k)));
                    }
                }
            }
        };
        pool.retain(|group| account(*isa, curve, orders, group), write);
        for group in pool.groups() {
            draw(*isa, generator, group);
        }
    }

    /// Follows each element to its end, the lanes being consecutive blocks of its stream.
    fn finish(&mut self) {
        let Self { isa, generator, curve, orders, outs, pool } = self;
        while let Some(mut lane) = pool.pop() {
            let Some(group) = pool.spare() else { return };
            (group.row, group.rest, group.rate) = ([lane.row; LANES], [lane.rest; LANES], [lane.rate; LANES]);
            while lane.sum < curve.window * lane.rate {
                // The block that is drawn and not accounted for is drawn again.
                for (to, k) in group.block.iter_mut().zip(0..) {
                    *to = lane.block.wrapping_add(k).wrapping_sub(1);
                }
                lane.block = lane.block.wrapping_add(LANES as u64);
                draw(*isa, generator, group);
                let mut after = [T::ZERO; LANES];
                gaps(*isa, &group.words, &mut after);
                for (sum, (gap, after)) in group.sum.iter_mut().zip(group.gap.iter().zip(&after)) {
                    *sum = lane.sum;
                    lane.sum = (lane.sum + gap.to_f64()) + after.to_f64();
                }
                group.totals = [[0.0; LANES]; ORDERS];
                account(*isa, curve, orders, group);
                for (total, added) in lane.totals.iter_mut().zip(&group.totals) {
                    added.iter().for_each(|x| *total += x);
                }
            }
            for (out, order) in outs.iter_mut().zip(*orders) {
                put(out, lane.at, T::from_f64(pick(&lane.totals, usize::from(*order))));
            }
        }
    }
}

/// The first draws of new elements.
struct Beginning<T> {
    log_rate: [T; LANES],
    rest: [u64; LANES],
    row: [u64; LANES],
    rate: [T; LANES],
    /// The first gap, and the words of the second.
    gap: [T; LANES],
    words: [[u32; LANES]; 2],
    /// The count where no arrival counts, and where the rate is not one.
    blank: [T; LANES],
}

impl<T: Real> Beginning<T> {
    fn new() -> Self {
        let zeros = [T::ZERO; LANES];
        let (log_rate, rate, gap, blank) = (zeros, zeros, zeros, zeros);
        Self { log_rate, rest: [0; LANES], row: [0; LANES], rate, gap, words: [[0; LANES]; 2], blank }
    }
}

vectorized!(
    /// Draws the first block of each stream. Returns which elements have an arrival in the window, a bit each.
    fn begin<T: Real>(generator: &Generator, curve: &Curve<T>, new: &mut Beginning<T>) -> u64 = begin_body
);

#[inline(always)]
fn begin_body<T: Real, const FMA: bool>(generator: &Generator, curve: &Curve<T>, new: &mut Beginning<T>) -> u64 {
    for (rate, log) in new.rate.iter_mut().zip(&new.log_rate) {
        *rate = log.exp::<FMA>();
    }
    let [a, b, c, d] = generator.words(&[0; LANES], &new.rest, &new.row);
    gaps_body::<T, FMA>(&[a, b], &mut new.gap);
    new.words = [c, d];
    let (window, most) = (T::from_f64(curve.window), T::from_f64(MAX_RATE));
    let mut taken = [0; LANES];
    for ((taken, blank), (rate, gap)) in taken.iter_mut().zip(&mut new.blank).zip(new.rate.iter().zip(&new.gap)) {
        *taken = u8::from((*gap < window * *rate) & (*rate <= most));
        let blank_of_rate = if *rate > most { T::from_f64(f64::INFINITY) } else { T::ZERO };
        *blank = if *rate >= T::ZERO { blank_of_rate } else { *rate };
    }
    mask(&taken)
}

vectorized!(
    /// Draws the next two gaps of every lane.
    fn draw<T: Real>(generator: &Generator, group: &mut Group<T>) = draw_body
);

#[inline(always)]
fn draw_body<T: Real, const FMA: bool>(generator: &Generator, group: &mut Group<T>) {
    let [a, b, c, d] = generator.words(&group.block, &group.rest, &group.row);
    gaps_body::<T, FMA>(&[a, b], &mut group.gap);
    group.words = [c, d];
    for block in &mut group.block {
        *block = block.wrapping_add(1);
    }
}

vectorized!(
    /// The gaps that words give.
    fn gaps<T: Real>(words: &[[u32; LANES]; 2], gaps: &mut [T; LANES]) = gaps_body
);

#[inline(always)]
fn gaps_body<T: Real, const FMA: bool>([high, low]: &[[u32; LANES]; 2], gaps: &mut [T; LANES]) {
    for (gap, (high, low)) in gaps.iter_mut().zip(high.iter().zip(low)) {
        *gap = exponential::<T, FMA>([*high, *low]);
    }
}

vectorized!(
    /// Accounts for the next two gaps of every lane. Returns which lanes are done, a bit each.
    fn account<T: Real>(curve: &Curve<T>, orders: &[u8], group: &mut Group<T>) -> u64 = account_body
);

#[inline(always)]
fn account_body<T: Real, const FMA: bool>(curve: &Curve<T>, orders: &[u8], group: &mut Group<T>) -> u64 {
    let mut after = [T::ZERO; LANES];
    gaps_body::<T, FMA>(&group.words, &mut after);
    let (mut first, mut second) = ([0.0; LANES], [0.0; LANES]);
    let gaps = group.gap.iter().zip(&after);
    for ((first, second), (sum, (gap, after))) in first.iter_mut().zip(&mut second).zip(group.sum.iter().zip(gaps)) {
        *first = *sum + gap.to_f64();
        *second = *first + after.to_f64();
    }
    group.sum = second;
    let v = [leads(curve, &first, &group.rate), leads(curve, &second, &group.rate)];
    for (order, totals) in (0_u8..).zip(&mut group.totals) {
        let mut asked = false;
        for given in orders {
            asked |= *given == order;
        }
        if asked {
            curve.add::<FMA>(order, &v, totals);
        }
    }
    let mut done = [0; LANES];
    for (done, (sum, rate)) in done.iter_mut().zip(second.iter().zip(&group.rate)) {
        *done = u8::from(*sum >= curve.window * *rate);
    }
    mask(&done)
}

/// v = (1 − t)/τ of arrivals at s = λt, and where they cannot count, the largest v at which that is so.
#[inline(always)]
fn leads<T: Real>(curve: &Curve<T>, sum: &[f64; LANES], rate: &[f64; LANES]) -> [T; LANES] {
    let mut v = [T::ZERO; LANES];
    for (v, (sum, rate)) in v.iter_mut().zip(sum.iter().zip(rate)) {
        let lead = T::from_f64(rate - sum) / (T::from_f64(*rate) * curve.scale);
        *v = if lead > curve.least { lead } else { curve.least };
    }
    v
}

/// The bytes, 0 or 1, as bits.
#[inline(always)]
fn mask(bytes: &[u8; LANES]) -> u64 {
    let (eights, _) = bytes.as_chunks();
    let mut mask = 0;
    for (eight, shift) in eights.iter().zip((0..).step_by(8)) {
        // The product moves the lowest bit of byte i to bit 56 + i.
        mask |= (u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) << shift;
    }
    mask
}
