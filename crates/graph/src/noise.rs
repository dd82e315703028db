//! Counter-based randomness. A number is a pure function of (seed, site, step) and of its element: the sample, the
//! row's number in the data, and the place within the row. So it is the same at any thread count, batch order or
//! executor. The generator is Philox4x32-10 (Salmon et al., SC 2011).

use crate::op::{Indicator, NoiseKind, Site};

/// The key of a draw, besides its element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoiseKey {
    /// The run's seed.
    pub seed: u64,
    /// The site's name.
    pub site: Site,
    /// The step of a fit, or any other counter: each number has noise of its own.
    pub step: u64,
}

/// An element of a noise tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    /// The row's number in the data; 0 without rows.
    pub row: u64,
    /// Position over the other axes, row-major, samples first.
    pub rest: u32,
}

/// A stream of 32-bit words belonging to one element.
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    counter: [u32; 4],
    block: [u32; 4],
    used: usize,
}

#[inline]
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The step that keys noise inside a loop at a position: the step outside, mixed with the position. A loop and its
/// derivative, which runs the other way, so draw the same numbers.
pub fn step_within(step: u64, position: u64) -> u64 {
    mix(mix(step) ^ position)
}

#[inline]
fn halves(x: u64) -> (u32, u32) {
    ((x >> 32) as u32, x as u32)
}

/// One block of Philox4x32 with ten rounds.
#[inline]
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            key = [key[0].wrapping_add(0x9e37_79b9), key[1].wrapping_add(0xbb67_ae85)];
        }
        let (h0, l0) = halves(u64::from(counter[0]) * 0xd251_1f53);
        let (h1, l1) = halves(u64::from(counter[2]) * 0xcd9e_8d57);
        counter = [h1 ^ counter[1] ^ key[0], l1, h0 ^ counter[3] ^ key[1], l0];
    }
    counter
}

impl Stream {
    /// The stream of an element.
    #[inline]
    pub fn new(key: NoiseKey, element: Element) -> Self {
        let (k1, k0) = halves(mix(mix(mix(key.seed) ^ key.site.0) ^ key.step));
        let (row_high, row_low) = halves(element.row);
        Self { key: [k0, k1], counter: [0, element.rest, row_low, row_high], block: [0; 4], used: 4 }
    }

    #[inline]
    fn word(&mut self) -> u32 {
        if self.used >= 4 {
            self.block = philox(self.counter, self.key);
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        let word = self.block.get(self.used).copied().unwrap_or(0);
        self.used += 1;
        word
    }

    /// Uniform on (0, 1), never 0 or 1, with 53 bits.
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        let (a, b) = (u64::from(self.word() >> 5), u64::from(self.word() >> 6));
        ((a * 67_108_864 + b) as f64 + 0.5) / 9_007_199_254_740_992.0
    }

    /// Exponential with rate 1.
    #[inline]
    pub fn exponential(&mut self) -> f64 {
        -self.uniform().ln()
    }

    /// Standard normal (Box–Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (2.0 * self.exponential()).sqrt();
        radius * (2.0 * std::f64::consts::PI * self.uniform()).cos()
    }

    /// One standard draw.
    pub fn draw(&mut self, kind: NoiseKind) -> f64 {
        match kind {
            NoiseKind::Normal => self.normal(),
            NoiseKind::Uniform => self.uniform(),
            NoiseKind::Exponential => self.exponential(),
        }
    }
}

/// The largest Poisson rate that is sampled by arrivals; beyond it the count is reported as infinite, which ends the
/// fit with the place named.
pub const MAX_RATE: f64 = 1e7;

/// The highest order of derivative of the Poisson sampler.
pub const MAX_ORDER: u8 = 3;

/// Σᵢ Dᵏ g((1 − tᵢ)/τ), tᵢ = sᵢ/λ: the relaxed Poisson count (k = 0) and its derivatives in log λ. It stops at the
/// first arrival that cannot count, so its cost follows the rate.
#[inline]
pub fn arrivals(stream: &mut Stream, log_rate: f64, temperature: f64, order: u8, indicator: Indicator) -> f64 {
    let mut total = [0.0];
    arrivals_of_orders(stream, log_rate, temperature, &[order], indicator, &mut total);
    let [total] = total;
    total
}

/// The same for several orders k at once, each in its place of `totals`.
pub fn arrivals_of_orders(
    stream: &mut Stream,
    log_rate: f64,
    temperature: f64,
    orders: &[u8],
    indicator: Indicator,
    totals: &mut [f64],
) {
    totals.fill(0.0);
    let rate = log_rate.exp();
    if rate.is_nan() || temperature.is_nan() {
        return totals.fill(f64::NAN);
    }
    if rate > MAX_RATE {
        return totals.fill(f64::INFINITY);
    }
    let reach = match indicator {
        Indicator::Sigmoid => 40.0,
        _ => 1.0,
    };
    let window = 1.0 + reach * temperature.max(0.0);
    let mut s = 0.0;
    loop {
        s += stream.exponential();
        let t = s / rate;
        if t.is_nan() || t >= window {
            return;
        }
        for (total, &order) in totals.iter_mut().zip(orders) {
            *total += match (temperature > 0.0, order) {
                (true, _) => counted(indicator, order, t, temperature),
                (false, 0) => 1.0,
                (false, _) => 0.0,
            };
        }
    }
}

/// Dᵏ g((1 − t)/τ) with D = −t d/dt.
fn counted(indicator: Indicator, order: u8, t: f64, temperature: f64) -> f64 {
    let g = |k| indicator_derivative(indicator, k, (1.0 - t) / temperature);
    // d/dt g((1 − t)/τ) = −g′/τ, and with x = t/τ: D = x g′, D² = −x g′ + x² g″, D³ = x g′ − 3x² g″ + x³ g‴.
    let x = t / temperature;
    match order {
        0 => g(0),
        1 => x * g(1),
        2 => -x * g(1) + x * x * g(2),
        3 => x * g(1) - 3.0 * x * x * g(2) + x * x * x * g(3),
        _ => f64::NAN,
    }
}

/// The k-th derivative of the indicator in v.
pub fn indicator_derivative(indicator: Indicator, k: u8, v: f64) -> f64 {
    if indicator == Indicator::Sigmoid {
        let p = crate::special::sigmoid(v);
        let d = p * (1.0 - p);
        return match k {
            0 => p,
            1 => d,
            2 => d * (1.0 - 2.0 * p),
            3 => d * (1.0 - 6.0 * p + 6.0 * p * p),
            _ => f64::NAN,
        };
    }
    let u = 0.5 * v + 0.5;
    if u <= 0.0 {
        return 0.0;
    }
    if u >= 1.0 {
        return if k == 0 { 1.0 } else { 0.0 };
    }
    let slope = match (indicator, k) {
        (Indicator::Linear, 0) => u,
        (Indicator::Linear, 1) => 1.0,
        (Indicator::Linear, _) => 0.0,
        (Indicator::Cubic, 0) => u * u * (3.0 - 2.0 * u),
        (Indicator::Cubic, 1) => 6.0 * u * (1.0 - u),
        (Indicator::Cubic, 2) => 6.0 - 12.0 * u,
        (Indicator::Cubic, 3) => -12.0,
        (Indicator::Quintic, 0) => u * u * u * (10.0 + u * (6.0 * u - 15.0)),
        (Indicator::Quintic, 1) => 30.0 * u * u * (1.0 - u) * (1.0 - u),
        (Indicator::Quintic, 2) => 60.0 * u * (1.0 + u * (2.0 * u - 3.0)),
        (Indicator::Quintic, 3) => 60.0 + 360.0 * u * (u - 1.0),
        (Indicator::Cosine, _) => cosine_derivative(k, u),
        _ => f64::NAN,
    };
    // du/dv = ½
    [1.0, 0.5, 0.25, 0.125].get(usize::from(k)).map_or(f64::NAN, |half| half * slope)
}

/// The k-th derivative of ½(1 − cos πu). Not inlined, for its sine would be computed for every indicator.
#[inline(never)]
fn cosine_derivative(k: u8, u: f64) -> f64 {
    let pi = std::f64::consts::PI;
    match k {
        0 => 0.5 * (1.0 - (pi * u).cos()),
        1 => 0.5 * pi * (pi * u).sin(),
        2 => 0.5 * pi * pi * (pi * u).cos(),
        3 => -0.5 * pi * pi * pi * (pi * u).sin(),
        _ => f64::NAN,
    }
}
