//! L-BFGS for smooth deterministic objectives (Nocedal and Wright 2006, algorithms 7.4 and 7.5) with a bracketing line
//! search for the strong Wolfe conditions.
//!
//! Why not a library: argmin's L-BFGS asks for value and gradient apart (each costs a full evaluation here) and once
//! more after every search, stores pairs without a test of their curvature, loses its place when a search fails, and
//! its line searches have no notion of a value that is not finite. All of these are ordinary in fitting a program.

use std::collections::VecDeque;
use std::ops::ControlFlow;

/// Sufficient decrease and curvature of the Wolfe conditions.
const DECREASE: f64 = 1e-4;
const CURVATURE: f64 = 0.9;
/// Trial steps of one search. Each shrinks the bracket by a tenth at least.
const TRIALS: usize = 60;
/// Iterations without a lower value or gradient, beyond rounding, after which the fit is given up.
const PATIENCE: usize = 30;

/// The length and the tolerance of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Pairs of steps and gradient changes kept. Beyond twice the number of parameters more do not help; below it,
    /// ill-conditioned objectives need many more iterations.
    pub memory: usize,
    /// Converged when max |gradient| ≤ `tolerance`·max(1, |value|).
    pub tolerance: f64,
    /// The most iterations.
    pub iterations: usize,
    /// The most evaluations; the search that reaches it is finished first.
    pub evaluations: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { memory: 100, tolerance: 1e-8, iterations: 10_000, evaluations: 100_000 }
    }
}

/// The state of a run: at the start, and after each iteration.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Iterations done.
    pub iteration: usize,
    /// Evaluations done.
    pub evaluations: usize,
    /// The objective.
    pub value: f64,
    /// max |gradient|
    pub gradient_norm: f64,
    /// The parameters.
    pub x: &'a [f64],
}

/// The reason for which a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The gradient is within tolerance.
    Converged,
    /// No progress beyond rounding can be made, though the gradient is above the tolerance.
    Stalled(Rounding),
    /// The iterations or the evaluations are used up.
    MaxIterations,
    /// The observer asked for an end.
    Cancelled,
    /// The value or the gradient at the start is not finite.
    NonFiniteStart,
}

/// The quantity that reached the level of rounding first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// The steps: they no longer change the parameters.
    Step,
    /// The values: they no longer tell up from down.
    Value,
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The parameters.
    pub x: Vec<f64>,
    /// The objective there.
    pub value: f64,
    /// max |gradient| there.
    pub gradient_norm: f64,
    /// Iterations done.
    pub iterations: usize,
    /// Evaluations done.
    pub evaluations: usize,
    /// The reason for which it ended.
    pub reason: Reason,
}

/// Minimises `objective`, which gives value and gradient, from `start`. A value or gradient that is not finite, minus
/// infinity too, counts as infinitely high: the line search steps back from it. `observe` sees every iterate and may
/// end the run. An error of the objective ends it at once.
pub fn minimize<E>(
    objective: impl FnMut(&[f64]) -> Result<(f64, Vec<f64>), E>,
    start: Vec<f64>,
    options: &Options,
    observe: impl FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Outcome, E> {
    minimize_with(&mut Curvature::default(), objective, start, options, observe)
}

/// As [`minimize`], with what another run learned of the curvature of an objective much like this one, to which it adds.
pub fn minimize_with<E>(
    pairs: &mut Curvature,
    mut objective: impl FnMut(&[f64]) -> Result<(f64, Vec<f64>), E>,
    start: Vec<f64>,
    options: &Options,
    mut observe: impl FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Outcome, E> {
    let mut evaluations = 0;
    let mut evaluate = |x: Vec<f64>| -> Result<Point, E> {
        evaluations += 1;
        let (value, gradient) = objective(&x)?;
        Ok(Point { x, value, gradient, evaluations })
    };
    let mut point = evaluate(start)?;
    if !point.is_finite() {
        return Ok(point.outcome(0, Reason::NonFiniteStart));
    }
    let (mut best_value, mut best_gradient, mut fruitless) = (point.value, point.gradient_norm(), 0);
    let mut iteration = 0;
    loop {
        let gradient_norm = point.gradient_norm();
        let (value, x) = (point.value, point.x.as_slice());
        let end = observe(Progress { iteration, evaluations: point.evaluations, value, gradient_norm, x }).is_break();
        if end {
            return Ok(point.outcome(iteration, Reason::Cancelled));
        }
        if gradient_norm <= options.tolerance * value.abs().max(1.0) {
            return Ok(point.outcome(iteration, Reason::Converged));
        }
        if fruitless >= PATIENCE {
            return Ok(point.outcome(iteration, Reason::Stalled(Rounding::Value)));
        }
        if iteration >= options.iterations || point.evaluations >= options.evaluations {
            return Ok(point.outcome(iteration, Reason::MaxIterations));
        }
        let mut found = Err(Rounding::Value);
        if let Some(direction) = pairs.direction(&point.gradient) {
            found = search(&mut evaluate, &point, &direction)?;
        }
        if found.is_err() {
            // The memory may be at fault: forget it and go down the gradient, one unit at first.
            pairs.kept.clear();
            let direction: Vec<f64> = point.gradient.iter().map(|g| -g / gradient_norm).collect();
            found = search(&mut evaluate, &point, &direction)?;
        }
        let next = match found {
            Ok(next) => next,
            Err(rounding) => return Ok(point.outcome(iteration, Reason::Stalled(rounding))),
        };
        iteration += 1;
        pairs.push(&point, &next, options.memory);
        let lower = next.value < best_value - 4.0 * f64::EPSILON * best_value.abs();
        let flatter = next.gradient_norm() < 0.9 * best_gradient;
        fruitless = if lower || flatter { 0 } else { fruitless + 1 };
        best_value = best_value.min(next.value);
        best_gradient = best_gradient.min(next.gradient_norm());
        point = next;
    }
}

/// A place where the objective has been evaluated.
struct Point {
    x: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
    /// Evaluations done up to and with this one.
    evaluations: usize,
}

impl Point {
    fn is_finite(&self) -> bool {
        self.value.is_finite() && self.gradient.len() == self.x.len() && self.gradient.iter().all(|g| g.is_finite())
    }

    fn gradient_norm(&self) -> f64 {
        self.gradient.iter().fold(0.0, |m, g| if g.is_nan() { f64::NAN } else { g.abs().max(m) })
    }

    fn outcome(self, iterations: usize, reason: Reason) -> Outcome {
        let gradient_norm = self.gradient_norm();
        Outcome { x: self.x, value: self.value, gradient_norm, iterations, evaluations: self.evaluations, reason }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// y ← y + scale·x
fn add(y: &mut [f64], scale: f64, x: &[f64]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += scale * x);
}

/// A step s, the change y of the gradient along it, and s·y > 0.
#[derive(Clone, Debug)]
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    product: f64,
}

/// What a run has learned of the curvature: its last steps, and how the gradient changed along each.
#[derive(Clone, Debug, Default)]
pub struct Curvature {
    kept: VecDeque<Pair>,
}

impl Curvature {
    fn push(&mut self, from: &Point, to: &Point, memory: usize) {
        let (step, change) = (difference(&to.x, &from.x), difference(&to.gradient, &from.gradient));
        let product = dot(&step, &change);
        let size = (dot(&step, &step) * dot(&change, &change)).sqrt();
        // Below this the curvature is rounding noise, or negative: a search that ended without the Wolfe conditions.
        if product.is_finite() && product > 1e-14 * size && product > 0.0 {
            self.kept.push_back(Pair { step, change, product });
        }
        while self.kept.len() > memory {
            self.kept.pop_front();
        }
    }

    /// −H·gradient by the two-loop recursion; `None` with nothing kept or where it does not go down.
    fn direction(&self, gradient: &[f64]) -> Option<Vec<f64>> {
        let last = self.kept.back()?;
        let mut r: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut weights = Vec::with_capacity(self.kept.len());
        for pair in self.kept.iter().rev() {
            let weight = dot(&pair.step, &r) / pair.product;
            add(&mut r, -weight, &pair.change);
            weights.push(weight);
        }
        let scale = last.product / dot(&last.change, &last.change);
        r.iter_mut().for_each(|r| *r *= scale);
        for (pair, weight) in self.kept.iter().zip(weights.iter().rev()) {
            let beta = dot(&pair.change, &r) / pair.product;
            add(&mut r, weight - beta, &pair.step);
        }
        let slope = dot(&r, gradient);
        (slope.is_finite() && slope < 0.0).then_some(r)
    }
}

/// The objective along the line, at one step.
#[derive(Clone, Copy)]
struct Sample {
    step: f64,
    value: f64,
    slope: f64,
}

/// The far end of a bracket.
enum Far {
    /// Not bracketed yet.
    Open,
    /// The value is not finite there.
    Wall(f64),
    /// Higher, or rising.
    Up(Sample),
}

/// Finds a point on the line through `origin` along `direction` that meets the strong Wolfe conditions, or the
/// approximate ones of Hager and Zhang (2005), which go by slopes alone where values differ by rounding. Where neither
/// can be met, as at a cliff, the lowest point found serves; `Err` where there is no lower one.
///
/// The bracket: `near` has a negative slope and is low enough, `far` is too high, rising or not finite. So a minimum
/// lies between, and halving when interpolation is slow makes the search finite.
fn search<E>(
    evaluate: &mut impl FnMut(Vec<f64>) -> Result<Point, E>,
    origin: &Point,
    direction: &[f64],
) -> Result<Result<Point, Rounding>, E> {
    let start = Sample { step: 0.0, value: origin.value, slope: dot(direction, &origin.gradient) };
    // The rounding error of sums of many terms.
    let noise = 1e-10 * start.value.abs() + 1e-14;
    let (mut before, mut near, mut far) = (start, start, Far::Open);
    let mut best: Option<Point> = None;
    let mut step = 1.0;
    let mut width = f64::INFINITY;
    for _ in 0..TRIALS {
        let mut x = origin.x.clone();
        add(&mut x, step, direction);
        if x == origin.x {
            return Ok(best.ok_or(Rounding::Step));
        }
        let point = evaluate(x)?;
        let here = Sample { step, value: point.value, slope: dot(direction, &point.gradient) };
        if !point.is_finite() || !here.slope.is_finite() {
            far = Far::Wall(step);
        } else {
            let rise = here.value - start.value;
            let low = rise <= DECREASE * step * start.slope;
            let wolfe = low && here.slope.abs() <= CURVATURE * start.slope.abs();
            let approximate = rise <= noise
                && here.slope >= CURVATURE * start.slope
                && here.slope <= (2.0 * DECREASE - 1.0) * start.slope;
            if wolfe || approximate {
                return Ok(Ok(point));
            }
            let high = rise > DECREASE * step * start.slope + noise || here.value > near.value + noise;
            if low && best.as_ref().is_none_or(|best| point.value < best.value) {
                best = Some(point);
            }
            if high || here.slope >= 0.0 {
                far = Far::Up(here);
            } else {
                (before, near) = (near, here);
            }
        }
        step = match far {
            Far::Open => extrapolate(before, near),
            Far::Wall(wall) => near.step + (wall - near.step) * if near.step > 0.0 { 0.5 } else { 0.1 },
            Far::Up(up) => {
                let shrunk = up.step - near.step;
                let slow = shrunk > 0.66 * width;
                width = shrunk;
                if slow { near.step + 0.5 * shrunk } else { interpolate(near, up, noise) }
            }
        };
        let end = match far {
            Far::Open => f64::INFINITY,
            Far::Wall(wall) => wall,
            Far::Up(up) => up.step,
        };
        if !(step > near.step && step < end && step.is_finite()) {
            break;
        }
    }
    Ok(best.ok_or(Rounding::Value))
}

/// Farther out, where the slope would vanish if it went on changing as it did, within 2 to 10 times the step.
fn extrapolate(before: Sample, near: Sample) -> f64 {
    let secant = near.step - near.slope * (near.step - before.step) / (near.slope - before.slope);
    let (least, most) = (2.0 * near.step, 10.0 * near.step);
    if secant > near.step { secant.clamp(least, most) } else { most }
}

/// The minimum of the cubic through both ends (Nocedal and Wright 2006, equation 3.59), or where values differ by
/// rounding only, the zero of the slopes' secant; kept a tenth of the bracket away from its ends.
fn interpolate(near: Sample, far: Sample, noise: f64) -> f64 {
    let width = far.step - near.step;
    let offset = if (far.value - near.value).abs() <= noise && far.slope > 0.0 {
        width * near.slope / (near.slope - far.slope)
    } else {
        let mean = near.slope + far.slope - 3.0 * (near.value - far.value) / (near.step - far.step);
        let root = (mean * mean - near.slope * far.slope).sqrt();
        width - width * (far.slope + root - mean) / (far.slope - near.slope + 2.0 * root)
    };
    near.step + if offset.is_finite() { offset.clamp(0.1 * width, 0.9 * width) } else { 0.5 * width }
}

#[cfg(test)]
#[path = "lbfgs_tests.rs"]
mod tests;
