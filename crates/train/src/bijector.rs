//! The bijector between a parameter's unconstrained scale, on which it is fitted, and the program's, and its start
//! there.

use fe_check::Init;
use fe_distribution::Support;
use fe_graph::noise::{Element, NoiseKey, Stream};
use fe_graph::{Axis, Graph, Tensor};

use crate::problem::{from_sorted, to_sorted};
use crate::streams::Outside;

/// A parameter's bijector: its support, its axes as declared, and those of its input, which may be others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bijector<'a> {
    pub support: Support,
    pub axes: &'a [Axis],
    pub free: &'a [Axis],
}

impl Bijector<'_> {
    /// Elements on the program's scale, and how many of them lie along the last axis.
    fn size(&self, g: &Graph) -> (usize, usize) {
        let extents: Vec<usize> = self.axes.iter().map(|a| g.extent_of(a.id)).collect();
        (extents.iter().product(), extents.last().copied().unwrap_or(1))
    }

    /// Unconstrained numbers over the input's sorted axes, of values in the declared order. NaN where they are none of
    /// the type.
    pub fn unconstrain(&self, g: &Graph, values: &[f64]) -> Vec<f64> {
        let (_, last) = self.size(g);
        let count = self.support.free_elements(g, self.axes);
        let u = match self.support.rank() {
            0 => values.iter().map(|&v| self.support.unconstrain(v).unwrap_or(v)).collect(),
            _ => self.support.unconstrain_values(values, last).unwrap_or_else(|| vec![f64::NAN; count]),
        };
        to_sorted(g, self.free, u)
    }

    /// Values in the declared order, at unconstrained numbers over the input's sorted axes.
    pub fn constrain(&self, g: &Graph, u: &[f64]) -> Tensor {
        let u = from_sorted(g, self.free, u.to_vec());
        let (size, last) = self.size(g);
        if self.support.rank() == 0 {
            let values = u.values.iter().map(|&u| self.support.constrain_value(u).unwrap_or(u)).collect();
            return Tensor { values, ..u };
        }
        let values = self.support.constrain_values(&u.values, last, size).unwrap_or_else(|| vec![f64::NAN; size]);
        Tensor { shape: self.axes.iter().map(|a| g.extent_of(a.id)).collect(), values }
    }

    /// The unconstrained start of the parameter of a name; `attempt` asks for other random ones.
    pub fn start(&self, g: &Graph, init: &Init, name: &str, seed: u64, attempt: u64) -> Vec<f64> {
        let (size, last) = self.size(g);
        let key = Outside::Start(name).key(seed, attempt);
        // Drawn in the order declared, so that the file of parameters is filled in its own order.
        let draw = |sample: &dyn Fn(&mut Stream) -> f64| -> Vec<f64> {
            let draws = (0..size as u64).map(|row| sample(&mut Stream::new(key, Element { row, rest: 0 }))).collect();
            self.support.of_draws(draws, last)
        };
        let values = match init {
            Init::Constant(v) => self.support.of_number(*v, last, size),
            Init::Values(v) => v.clone(),
            Init::Normal { mean, sd } => draw(&|s| mean + sd * s.normal()),
            Init::Smooth { sd } => {
                let length = self.axes.first().map_or(1, |a| g.extent_of(a.id)).max(1);
                self.support.of_draws(smooth(key, length, size / length, *sd), last)
            }
            Init::Uniform { low, high } => draw(&|s| low + (high - low) * s.uniform()),
        };
        self.unconstrain(g, &values)
    }
}

/// The most turns of a smooth start over its whole length, and the fewest.
const TURNS: (f64, f64) = (0.5, 4.5);

/// Curves side by side, each a slow wave of random frequency and phase, √2 sd sin(2π f (t + ½)/T + φ), whose mean square is
/// sd²: a search of plans among such finds what pays by resonance, which white noise does not.
fn smooth(key: NoiseKey, length: usize, curves: usize, sd: f64) -> Vec<f64> {
    let turn = 2.0 * std::f64::consts::PI;
    let wave = |curve: usize| {
        let mut stream = Stream::new(key, Element { row: 0, rest: u32::try_from(curve).unwrap_or(u32::MAX) });
        (TURNS.0 + (TURNS.1 - TURNS.0) * stream.uniform(), turn * stream.uniform())
    };
    let element = |t: usize, curve: usize| -> f64 {
        let (frequency, phase) = wave(curve);
        sd * 2.0f64.sqrt() * (turn * frequency * (t as f64 + 0.5) / length as f64 + phase).sin()
    };
    (0..length).flat_map(|t| (0..curves).map(move |c| (t, c))).map(|(t, c)| element(t, c)).collect()
}
