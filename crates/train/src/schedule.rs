//! Numbers that change over a run: the learning rate, a temperature, the weight of the rate.

use std::f64::consts::PI;

/// A number as a function of how much of the run is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// The same throughout.
    Constant(f64),
    /// A straight line from `from` to `to` over the first `until` of the run, then `to`.
    Ramp {
        /// At the start.
        from: f64,
        /// From the fraction `until` on.
        to: f64,
        /// Fraction of the run at which `to` is reached.
        until: f64,
    },
    /// Half a cosine from `from` to `to` over the whole run.
    Cosine {
        /// At the start.
        from: f64,
        /// At the end.
        to: f64,
    },
}

impl Schedule {
    /// The value when the fraction `progress` of the run is done; outside of [0, 1] it is that at the nearer end.
    pub fn value(&self, progress: f64) -> f64 {
        let progress = progress.clamp(0.0, 1.0);
        match *self {
            Schedule::Constant(value) => value,
            Schedule::Ramp { to, until, .. } if progress >= until => to,
            Schedule::Ramp { from, to, until } => from + (to - from) * (progress / until),
            Schedule::Cosine { from, to } => to + (from - to) * 0.5 * (1.0 + (PI * progress).cos()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule::{Constant, Cosine, Ramp};

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-15, "{a} {b}");
    }

    #[test]
    fn follow_their_formulas() {
        close(Constant(3.0).value(0.7), 3.0);
        let ramp = Ramp { from: 0.1, to: 1.0, until: 0.5 };
        close(ramp.value(0.0), 0.1);
        close(ramp.value(0.25), 0.55);
        close(ramp.value(0.5), 1.0);
        close(ramp.value(0.9), 1.0);
        let cosine = Cosine { from: 2.0, to: 1.0 };
        close(cosine.value(0.0), 2.0);
        close(cosine.value(1.0 / 3.0), 1.75);
        close(cosine.value(0.5), 1.5);
        close(cosine.value(1.0), 1.0);
    }

    #[test]
    fn ends_hold_outside_and_an_instant_ramp_is_a_constant() {
        let ramp = Ramp { from: 0.0, to: 1.0, until: 0.5 };
        close(ramp.value(-1.0), 0.0);
        close(ramp.value(2.0), 1.0);
        close(Ramp { from: 0.0, to: 1.0, until: 0.0 }.value(0.0), 1.0);
    }
}
