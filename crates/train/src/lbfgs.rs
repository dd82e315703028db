//! L-BFGS for smooth deterministic objectives (Nocedal and Wright 2006, algorithms 7.4 and 7.5) with a bracketing line
//! search for the strong Wolfe conditions.
//!
//! Why not a library: argmin's L-BFGS asks for value and gradient apart (each costs a full evaluation here) and once
//! more after every search, stores pairs without a test of their curvature, loses its place when a search fails, and
//! its line searches have no notion of a value that is not finite. All of these are ordinary in fitting a program.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

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
    /// All else that is to come from here.
    whole: (&'a Walk, usize, &'a Curvature),
}

impl<'a> Progress<'a> {
    fn of(walk: &'a Walk, evaluations: usize, curvature: &'a Curvature) -> Self {
        let Walk { point, iteration, .. } = walk;
        Self {
            iteration: *iteration,
            evaluations: point.evaluations,
            value: point.value,
            gradient_norm: point.gradient_norm(),
            x: &point.x,
            whole: (walk, evaluations, curvature),
        }
    }

    /// Where the run stands, to be gone on from.
    pub fn standing(&self) -> Standing {
        let (walk, evaluations, curvature) = self.whole;
        Standing { walk: walk.clone(), evaluations, curvature: curvature.clone() }
    }
}

/// The reason for which a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rounding {
    /// The steps: they no longer change the parameters.
    Step,
    /// The values: they no longer tell up from down.
    Value,
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    minimize_with(&mut Curvature::default(), objective, Origin::Start(start), options, observe)
}

/// Where a run begins.
#[derive(Clone, Debug)]
pub enum Origin {
    /// At some parameters.
    Start(Vec<f64>),
    /// Where another run of the same objective stood.
    Standing(Standing),
}

/// Where a run stands after an iteration: all that those to come depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    walk: Walk,
    evaluations: usize,
    curvature: Curvature,
}

/// A run on its way, but for what it knows of the curvature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Walk {
    point: Point,
    iteration: usize,
    best_value: f64,
    best_gradient: f64,
    /// Iterations since either of these became better.
    fruitless: usize,
}

impl Walk {
    fn from(point: Point) -> Self {
        let (best_value, best_gradient) = (point.value, point.gradient_norm());
        Self { point, iteration: 0, best_value, best_gradient, fruitless: 0 }
    }

    /// Goes on to the end of a search.
    fn go(&mut self, next: Point) {
        self.iteration += 1;
        let lower = next.value < self.best_value - 4.0 * f64::EPSILON * self.best_value.abs();
        let flatter = next.gradient_norm() < 0.9 * self.best_gradient;
        self.fruitless = if lower || flatter { 0 } else { self.fruitless + 1 };
        self.best_value = self.best_value.min(next.value);
        self.best_gradient = self.best_gradient.min(next.gradient_norm());
        self.point = next;
    }

    fn end(self, reason: Reason) -> Outcome {
        let Self { point, iteration, .. } = self;
        let gradient_norm = point.gradient_norm();
        let Point { x, value, evaluations, .. } = point;
        Outcome { x, value, gradient_norm, iterations: iteration, evaluations, reason }
    }

    /// Why the run is over here, if it is.
    fn over(&self, options: &Options) -> Option<Reason> {
        let (point, value) = (&self.point, self.point.value);
        if point.gradient_norm() <= options.tolerance * value.abs().max(1.0) {
            return Some(Reason::Converged);
        }
        if self.fruitless >= PATIENCE {
            return Some(Reason::Stalled(Rounding::Value));
        }
        (self.iteration >= options.iterations || point.evaluations >= options.evaluations)
            .then_some(Reason::MaxIterations)
    }
}

/// As [`minimize`], with what another run learned of the curvature of an objective much like this one, to which it adds. A run
/// that goes on shows its observer the iteration at which it stands, and those to come.
pub fn minimize_with<E>(
    pairs: &mut Curvature,
    mut objective: impl FnMut(&[f64]) -> Result<(f64, Vec<f64>), E>,
    origin: Origin,
    options: &Options,
    mut observe: impl FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Outcome, E> {
    let (start, mut evaluations) = match origin {
        Origin::Start(x) => (Err(x), 0),
        Origin::Standing(Standing { walk, evaluations, curvature }) => {
            *pairs = curvature;
            (Ok(walk), evaluations)
        }
    };
    let mut evaluate = |x: Vec<f64>, evaluations: &mut usize| -> Result<Point, E> {
        *evaluations += 1;
        let (value, gradient) = objective(&x)?;
        Ok(Point { x, value, gradient, evaluations: *evaluations })
    };
    let mut walk = match start {
        Ok(walk) => walk,
        Err(x) => Walk::from(evaluate(x, &mut evaluations)?),
    };
    if !walk.point.is_finite() {
        return Ok(walk.end(Reason::NonFiniteStart));
    }
    loop {
        if observe(Progress::of(&walk, evaluations, pairs)).is_break() {
            return Ok(walk.end(Reason::Cancelled));
        }
        if let Some(reason) = walk.over(options) {
            return Ok(walk.end(reason));
        }
        let mut found = Err(Rounding::Value);
        let mut evaluate = |x| evaluate(x, &mut evaluations);
        if let Some(direction) = pairs.direction(&walk.point.gradient) {
            found = search(&mut evaluate, &walk.point, &direction)?;
        }
        if found.is_err() {
            // The memory may be at fault: forget it and go down the gradient, one unit at first.
            *pairs = Curvature::default();
            let norm = walk.point.gradient_norm();
            let direction: Vec<f64> = walk.point.gradient.iter().map(|g| -g / norm).collect();
            found = search(&mut evaluate, &walk.point, &direction)?;
        }
        match found {
            Ok(next) => {
                pairs.push(&walk.point, &next, options.memory);
                walk.go(next);
            }
            Err(rounding) => return Ok(walk.end(Reason::Stalled(rounding))),
        }
    }
}

/// A place where the objective has been evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    product: f64,
}

/// What a run has learned of the curvature: its last steps, and how the gradient changed along each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Curvature {
    kept: VecDeque<Pair>,
    /// The length of a step for a unit of gradient where nothing is learned yet; a step of one unit where it is not known.
    at_first: Option<f64>,
}

impl Curvature {
    /// Of an objective that is nearly round, of this curvature.
    pub fn round(curvature: f64) -> Self {
        Self { kept: VecDeque::new(), at_first: Some(curvature.recip()) }
    }

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

    /// −H·gradient by the two-loop recursion; `None` with nothing known or where it does not go down.
    fn direction(&self, gradient: &[f64]) -> Option<Vec<f64>> {
        let learned = self.kept.back().map(|last| last.product / dot(&last.change, &last.change));
        let scale = learned.or(self.at_first)?;
        let mut r: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut weights = Vec::with_capacity(self.kept.len());
        for pair in self.kept.iter().rev() {
            let weight = dot(&pair.step, &r) / pair.product;
            add(&mut r, -weight, &pair.change);
            weights.push(weight);
        }
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
