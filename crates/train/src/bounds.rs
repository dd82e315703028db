//! Bounds on functionals: a multiplier each, by the method of multipliers where the objective repeats (Nocedal and
//! Wright 2006, algorithm 17.4), and by dual ascent on its logarithm over a moving average where it is noisy (Rezende
//! and Viola 2018).

use std::collections::HashMap;
use std::sync::Arc;

use fe_graph::{InputId, Tensor};
use fe_objective::{Objective, Pricing};
use serde::{Deserialize, Serialize};

/// The first multiplier of a bound in nats: one of its nats is worth a nat of the objective.
const FIRST: f64 = 1.0;

/// The first multiplier of spikes, which are many and cheap.
const FIRST_SPIKE: f64 = 0.05;

/// A bound is reached when it is missed by less than this, relative to itself.
const CLOSE: f64 = 1e-6;

/// The most rounds of the method of multipliers.
const ROUNDS: usize = 40;

/// A penalty beyond this says that a bound cannot be met: its value is as low as it goes.
const STEEPEST: f64 = 1e10;

/// By how much the penalty grows where a round has not brought a bound much nearer.
const GROWTH: f64 = 4.0;

/// Fraction of the miss that a round has to remove.
const PROGRESS: f64 = 0.25;

/// Weight of a new step in the moving average of a bounded value.
const FRESH: f64 = 0.05;

/// The distance that the logarithm of a multiplier can go in a whole fit at a miss of the bound's own size.
const REACH: f64 = 50.0;

/// The amount that a miss of the bound's own size adds to the logarithm at once, which damps the swings of ascent
/// alone.
const PROMPT: f64 = 3.0;

/// Logarithms of multipliers stay within this.
const FARTHEST: f64 = 30.0;

/// The end of a bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounded {
    /// The value that was reached, per row: nats, or spikes.
    pub value: f64,
    /// The multiplier: nats of the objective for each of these.
    pub multiplier: f64,
    /// Whether the bound holds.
    pub met: bool,
}

fn first(bound: &fe_objective::Bound) -> f64 {
    if bound.stated.unit == "spikes" { FIRST_SPIKE } else { FIRST }
}

fn scale(limit: f64) -> f64 {
    limit.abs().max(1e-3)
}

fn feed(extra: &mut HashMap<InputId, Arc<Tensor>>, input: InputId, value: f64) {
    extra.insert(input, Arc::new(Tensor::scalar(value)));
}

/// The multipliers of an objective that repeats.
pub(crate) struct Multipliers {
    prices: Vec<Price>,
    rounds: usize,
}

struct Price {
    limit: f64,
    multiplier: f64,
    penalty: f64,
    miss: f64,
    /// The search for the multiplier, where exact guides follow it and a penalty would only move them.
    bracket: Option<Bracket>,
}

/// Logarithms of multipliers between which a bound is met, each with its excess: what is bounded falls with its multiplier.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Bracket {
    /// The excess here is above 0.
    low: Option<(f64, f64)>,
    /// Here it is below.
    high: Option<(f64, f64)>,
}

impl Bracket {
    /// The next logarithm to try: four times as much, or as little, until the bound lies between two, then where a straight
    /// line through these meets it. An end that stays counts half as much each time (the Illinois rule).
    fn next(&mut self, at: f64, excess: f64) -> f64 {
        const STEP: f64 = 1.3862943611198906;
        if excess > 0.0 {
            let stays = self.low.is_some();
            self.low = Some((at, excess));
            self.high = self.high.map(|(x, e)| (x, if stays { 0.5 * e } else { e }));
        } else {
            let stays = self.high.is_some();
            self.high = Some((at, excess));
            self.low = self.low.map(|(x, e)| (x, if stays { 0.5 * e } else { e }));
        }
        match (self.low, self.high) {
            (Some((a, above)), Some((b, below))) if above - below > 0.0 => {
                let share = (above / (above - below)).clamp(0.02, 0.98);
                a + share * (b - a)
            }
            (Some((a, _)), _) => a + STEP,
            (None, Some((b, _))) => b - STEP,
            (None, None) => at,
        }
    }
}

impl Multipliers {
    pub fn new(o: &Objective) -> Self {
        let price = |b: &fe_objective::Bound| {
            let limit = b.stated.limit;
            let (bracket, penalty) = match o.minimised.pricing {
                Pricing::Augmented => (None, first(b) / scale(limit)),
                Pricing::Dual => (Some(Bracket::default()), 0.0),
            };
            Price { limit, multiplier: first(b), penalty, miss: f64::INFINITY, bracket }
        };
        Self { prices: o.minimised.bounds.iter().map(price).collect(), rounds: 0 }
    }

    /// As inputs of the objective.
    pub fn feed(&self, o: &Objective, extra: &mut HashMap<InputId, Arc<Tensor>>) {
        for (bound, price) in o.minimised.bounds.iter().zip(&self.prices) {
            feed(extra, bound.multiplier, price.multiplier);
            feed(extra, bound.penalty, price.penalty);
        }
    }

    /// Moves them by the values that a minimum has reached. `true` where another round may bring it nearer to the
    /// bounds.
    pub fn update(&mut self, reached: &[f64]) -> bool {
        self.rounds += 1;
        let mut again = false;
        for (price, value) in self.prices.iter_mut().zip(reached) {
            let excess = value - price.limit;
            if let Some(bracket) = &mut price.bracket {
                let idle = excess < 0.0 && price.multiplier <= (-FARTHEST).exp();
                let steep = price.multiplier >= FARTHEST.exp();
                if excess.abs() > CLOSE * scale(price.limit) && !idle && !steep {
                    price.multiplier = bracket.next(price.multiplier.ln(), excess).exp();
                    again = true;
                }
                continue;
            }
            // A bound that is not needed has a multiplier of 0 and room to spare.
            let miss = excess.max(-price.multiplier / price.penalty).abs();
            price.multiplier = (price.multiplier + price.penalty * excess).max(0.0);
            if miss <= CLOSE * scale(price.limit) {
                continue;
            }
            again |= price.penalty < STEEPEST / scale(price.limit);
            if miss > PROGRESS * price.miss {
                price.penalty *= GROWTH;
            }
            price.miss = miss;
        }
        again && self.rounds < ROUNDS
    }
}

/// The multipliers of a noisy objective.
pub(crate) struct DualAscent {
    prices: Vec<Dual>,
    rate: f64,
}

/// A multiplier on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Dual {
    limit: f64,
    log: f64,
    average: Option<f64>,
}

impl Dual {
    /// The excess of the moving average over the limit, relative to it.
    fn miss(&self) -> f64 {
        self.average.map_or(0.0, |a| ((a - self.limit) / scale(self.limit)).clamp(-1.0, 1.0))
    }

    fn price(&self) -> f64 {
        (self.log + PROMPT * self.miss()).exp()
    }
}

impl DualAscent {
    /// For a fit of so many steps.
    pub fn new(o: &Objective, steps: u64) -> Self {
        let dual = |b: &fe_objective::Bound| Dual { limit: b.stated.limit, log: first(b).ln(), average: None };
        Self { prices: o.minimised.bounds.iter().map(dual).collect(), rate: REACH / steps.max(1) as f64 }
    }

    /// Where they stand.
    pub fn standing(&self) -> Vec<Dual> {
        self.prices.clone()
    }

    /// Goes on from where those of the same bounds stood.
    pub fn stand(&mut self, prices: Vec<Dual>) {
        self.prices = prices;
    }

    /// As inputs of the objective.
    pub fn feed(&self, o: &Objective, extra: &mut HashMap<InputId, Arc<Tensor>>) {
        for (bound, price) in o.minimised.bounds.iter().zip(&self.prices) {
            feed(extra, bound.multiplier, price.price());
            feed(extra, bound.penalty, 0.0);
        }
    }

    /// Moves them by the values that a step has reached.
    pub fn update(&mut self, reached: &[f64]) {
        for (price, &value) in self.prices.iter_mut().zip(reached) {
            let before = price.average.unwrap_or(value);
            price.average = Some(before + FRESH * (value - before));
            price.log = (price.log + self.rate * price.miss()).clamp(-FARTHEST, FARTHEST);
        }
    }
}

/// The miss of a bound that still counts as met, relative to itself.
pub(crate) fn tolerance(deterministic: bool) -> f64 {
    if deterministic { 1e-3 } else { 2e-2 }
}

/// The end of each bound, from the values that were reached over all training rows.
pub(crate) fn bounded(
    o: &Objective,
    reached: &[f64],
    extra: &HashMap<InputId, Arc<Tensor>>,
    tolerance: f64,
) -> Vec<Bounded> {
    let pairs = o.minimised.bounds.iter().zip(reached);
    pairs
        .map(|(b, &value)| {
            let multiplier = extra.get(&b.multiplier).map_or(f64::NAN, |t| t.item());
            Bounded { value, multiplier, met: value <= b.stated.limit + tolerance * scale(b.stated.limit) }
        })
        .collect()
}

/// Notes of bounds that were not met.
pub(crate) fn unmet(o: &Objective, bounded: &[Bounded]) -> Vec<String> {
    let pairs = o.minimised.bounds.iter().zip(bounded).filter(|(_, b)| !b.met);
    pairs
        .map(|(b, reached)| {
            format!(
                "`{}` was not met: the least that was reached is {:.4} {}",
                b.stated.text,
                reached.value / b.stated.scale,
                b.stated.unit
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// min (x − 3)² subject to x ≤ 1, each round solved exactly: the multiplier is 4.
    #[test]
    fn the_multiplier_of_a_parabola() {
        let price = Price { limit: 1.0, multiplier: FIRST, penalty: 1.0, miss: f64::INFINITY, bracket: None };
        let mut multipliers = Multipliers { prices: vec![price], rounds: 0 };
        let mut x = f64::NAN;
        for _ in 0..100 {
            let Price { multiplier, penalty, .. } = multipliers.prices[0];
            // 2 (x − 3) + μ + ρ (x − 1) = 0
            x = (6.0 - multiplier + penalty) / (2.0 + penalty);
            if !multipliers.update(&[x]) {
                break;
            }
        }
        assert!((x - 1.0).abs() < 1e-5, "{x}");
        assert!((multipliers.prices[0].multiplier - 4.0).abs() < 1e-4);
    }

    /// 3/(1 + μ) ≤ 1 by multipliers alone: μ is 2.
    #[test]
    fn a_multiplier_that_is_searched() {
        let price = Price {
            limit: 1.0,
            multiplier: FIRST,
            penalty: 0.0,
            miss: f64::INFINITY,
            bracket: Some(Bracket::default()),
        };
        let mut multipliers = Multipliers { prices: vec![price], rounds: 0 };
        let value = |m: &Multipliers| 3.0 / (1.0 + m.prices[0].multiplier);
        let mut at = value(&multipliers);
        while multipliers.update(&[at]) {
            at = value(&multipliers);
        }
        assert!((multipliers.prices[0].multiplier - 2.0).abs() < 1e-5);
        assert!(multipliers.rounds < 20);
    }

    /// A bound with room to spare has a multiplier of 0.
    #[test]
    fn an_idle_bound() {
        let price = Price { limit: 5.0, multiplier: FIRST, penalty: 0.2, miss: f64::INFINITY, bracket: None };
        let mut multipliers = Multipliers { prices: vec![price], rounds: 0 };
        while multipliers.update(&[3.0]) {}
        assert_eq!(multipliers.prices[0].multiplier, 0.0);
        assert!(multipliers.rounds < 20);
    }

    /// A bound that cannot be met ends, with a steep penalty.
    #[test]
    fn an_impossible_bound() {
        let price = Price { limit: 1.0, multiplier: FIRST, penalty: 1.0, miss: f64::INFINITY, bracket: None };
        let mut multipliers = Multipliers { prices: vec![price], rounds: 0 };
        while multipliers.update(&[2.0]) {}
        assert!(multipliers.rounds <= ROUNDS);
    }

    /// Dual ascent on x(μ) = 3 − μ/2, noisy, settles at x = 1, μ = 4.
    #[test]
    fn dual_ascent_settles() {
        let steps = 3000;
        let mut dual =
            DualAscent { prices: vec![Dual { limit: 1.0, log: 0.0, average: None }], rate: REACH / steps as f64 };
        for step in 0..steps {
            let noise = 0.3 * f64::from(step % 7 - 3);
            let x = 3.0 - 0.5 * dual.prices[0].price();
            dual.update(&[x + noise]);
        }
        assert!((dual.prices[0].log.exp() - 4.0).abs() < 0.1, "{}", dual.prices[0].log.exp());
    }
}
