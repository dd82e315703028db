//! Draws of one distribution on the host, given its arguments.

use fe_distribution::{Cut, Distribution, Modifier, Support, draw_category};
use fe_graph::{Axis, Tensor};
use rand::rngs::ChaCha8Rng;

use crate::predictive::PredictiveError;

/// Tries before a draw inside a restriction is given up.
const TRIES: usize = 100_000;

/// An argument of a distribution at every place of a result.
struct Argument<'a> {
    values: &'a [f64],
    /// For each axis of the result, how far one step moves.
    strides: Vec<usize>,
    /// The same along the axis of categories, components, or of the vector, and along its primed copy.
    along: usize,
    across: usize,
}

/// The number of places that a step along an axis moves in a tensor over `own`, which is row-major.
pub(crate) fn stride(own: &[Axis], extent: &dyn Fn(Axis) -> usize, axis: Axis) -> usize {
    match own.iter().position(|&a| a == axis) {
        Some(k) => own.iter().skip(k + 1).map(|&a| extent(a)).product(),
        None => 0,
    }
}

/// A distribution that is drawn from, over (at least) some axes.
struct Drawing<'a> {
    name: &'a str,
    d: &'a Distribution,
    arguments: Vec<Argument<'a>>,
    /// Axes that are drawn one place at a time, with their extents and the steps that they make in the result.
    outer: Vec<Outer>,
    /// Elements along the axis of categories, components, or of the vector.
    count: usize,
    /// Arguments of the family itself; those of modifiers follow.
    own: usize,
    mixed: bool,
}

/// An axis that is drawn one place at a time.
struct Outer {
    extent: usize,
    /// The step that it makes in the result.
    step: usize,
    /// Its place among the axes of the result.
    axis: usize,
}

/// The axes of one draw: a vector's, or a matrix's rows and columns.
#[derive(Clone, Copy)]
struct Event {
    vector: Option<Axis>,
    column: Option<Axis>,
}

impl Event {
    fn of(d: &Distribution) -> Self {
        let vector = d.event.filter(|_| d.family.is_vector());
        // A matrix is drawn along its rows and columns at once.
        Self { vector, column: vector.filter(|_| d.family.is_matrix()).map(Axis::primed) }
    }

    fn holds(self, axis: Axis) -> bool {
        Some(axis) == self.vector || Some(axis) == self.column
    }
}

impl<'a> Drawing<'a> {
    fn new(
        name: &'a str,
        d: &'a Distribution,
        args: &'a [(Vec<Axis>, &'a Tensor)],
        axes: &[Axis],
        extent: &dyn Fn(Axis) -> usize,
    ) -> Self {
        let event = Event::of(d);
        let mixture = d.modifiers.iter().find_map(|m| if let Modifier::Mixture(axis) = m { Some(*axis) } else { None });
        let inner = mixture.or(d.event);
        let argument = |(own, tensor): &'a (Vec<Axis>, &'a Tensor)| Argument {
            values: &tensor.values,
            strides: axes.iter().map(|&a| if event.holds(a) { 0 } else { stride(own, extent, a) }).collect(),
            along: inner.map_or(0, |a| stride(own, extent, a)),
            across: inner.map_or(0, |a| stride(own, extent, a.primed())),
        };
        let outer = axes.iter().enumerate().filter(|(_, a)| !event.holds(**a));
        Self {
            name,
            d,
            arguments: args.iter().map(argument).collect(),
            outer: outer.map(|(k, &a)| Outer { extent: extent(a), step: stride(axes, extent, a), axis: k }).collect(),
            count: inner.map_or(1, extent),
            own: d.own_args().len(),
            mixed: mixture.is_some(),
        }
    }

    fn undrawable(&self, why: &str) -> PredictiveError {
        PredictiveError::Undrawable { name: self.name.to_owned(), family: self.d.family.name(), why: why.to_owned() }
    }

    /// The number of draws.
    fn total(&self) -> usize {
        self.outer.iter().map(|o| o.extent).product()
    }

    /// Goes on to the next place; the last axis is the fastest.
    fn advance(&self, place: &mut [usize]) {
        for (p, outer) in place.iter_mut().zip(&self.outer).rev() {
            *p += 1;
            if *p < outer.extent {
                break;
            }
            *p = 0;
        }
    }

    /// The first element of a draw in the result.
    fn start(&self, place: &[usize]) -> usize {
        self.outer.iter().zip(place).map(|(o, p)| o.step * p).sum()
    }

    /// The first element of an argument at a place.
    fn at(&self, argument: &Argument, place: &[usize]) -> usize {
        let stride = |o: &Outer| argument.strides.get(o.axis).copied().unwrap_or(0);
        self.outer.iter().zip(place).map(|(o, p)| stride(o) * p).sum()
    }

    fn element(&self, argument: &Argument, place: &[usize], k: usize) -> f64 {
        argument.values.get(self.at(argument, place) + k * argument.along).copied().unwrap_or(f64::NAN)
    }

    /// A vector or a matrix, row-major.
    fn vector(&self, place: &[usize], rng: &mut ChaCha8Rng) -> Result<Vec<f64>, PredictiveError> {
        let whole: Vec<Vec<f64>> = self
            .arguments
            .iter()
            .take(self.own)
            .map(|a| {
                let columns = if a.across == 0 { 1 } else { self.count };
                let start = self.at(a, place);
                let all = (0..self.count).flat_map(|i| (0..columns).map(move |j| (i, j)));
                let cell = |(i, j)| a.values.get(start + i * a.along + j * a.across).copied().unwrap_or(f64::NAN);
                all.map(cell).collect()
            })
            .collect();
        self.d.family.draw_vector(&whole, rng).ok_or_else(|| self.undrawable("it has no draws here"))
    }

    /// The family's arguments at a place: those of one component, drawn by its weight, where it is a mixture.
    fn numbers(&self, place: &[usize], rng: &mut ChaCha8Rng) -> Result<Vec<f64>, PredictiveError> {
        let all = |a: &Argument| -> Vec<f64> { (0..self.count).map(|k| self.element(a, place, k)).collect() };
        if let (Some(_), Some(categories)) = (self.d.event, self.d.family.category_axis_argument()) {
            // All of the argument along the categories, and one of each other.
            let one = |(k, a)| if k == categories { all(a) } else { vec![self.element(a, place, 0)] };
            return Ok(self.arguments.iter().take(self.own).enumerate().flat_map(one).collect());
        }
        let component = match self.arguments.get(self.own).filter(|_| self.mixed) {
            Some(weights) => {
                draw_category(&all(weights), rng).ok_or_else(|| self.undrawable("its weights are no shares"))?
            }
            None => 0,
        };
        Ok(self.arguments.iter().take(self.own).map(|a| self.element(a, place, component)).collect())
    }

    /// Whether a value lies between the ends of a truncation.
    fn between(&self, value: f64, place: &[usize]) -> bool {
        let mut after = self.own;
        self.d.modifiers.iter().all(|modifier| {
            let end = |k: usize| self.arguments.get(after + k).map_or(f64::NAN, |a| self.element(a, place, 0));
            let inside = match modifier {
                Modifier::Truncated(Cut::Below) => end(0) <= value,
                Modifier::Truncated(Cut::Above) => value <= end(0),
                Modifier::Truncated(Cut::Both) => end(0) <= value && value <= end(1),
                _ => true,
            };
            after += modifier.arguments();
            inside
        })
    }

    /// A number inside the type that it is restricted to, then censored.
    fn number(&self, place: &[usize], rng: &mut ChaCha8Rng) -> Result<f64, PredictiveError> {
        let numbers = self.numbers(place, rng)?;
        let mut value = None;
        for _ in 0..TRIES {
            let v = self.d.family.draw(&numbers, rng);
            let v = v.ok_or_else(|| self.undrawable(&format!("arguments {numbers:?}")))?;
            let allowed = self.d.restricted.is_none_or(|to| to == Support::Ordered || to.contains_value(v));
            if allowed && self.between(v, place) {
                value = Some(v);
                break;
            }
        }
        let mut value = value.ok_or_else(|| self.undrawable("next to none of it lies inside its type"))?;
        let mut after = self.own;
        for modifier in &self.d.modifiers {
            let end = self.arguments.get(after).map(|a| self.element(a, place, 0));
            value = match (modifier, end) {
                (Modifier::CensoredBelow, Some(end)) => value.max(end),
                (Modifier::CensoredAbove, Some(end)) => value.min(end),
                _ => value,
            };
            after += modifier.arguments();
        }
        Ok(value)
    }
}

/// Draws of a distribution over (at least) `axes`, sorted, the draws first among them, given its arguments over their
/// own.
///
/// # Errors
/// Where it has no draws.
pub(crate) fn draw(
    name: &str,
    d: &Distribution,
    args: &[(Vec<Axis>, &Tensor)],
    axes: &[Axis],
    extent: &dyn Fn(Axis) -> usize,
    rng: &mut ChaCha8Rng,
) -> Result<Vec<f64>, PredictiveError> {
    let drawing = Drawing::new(name, d, args, axes, extent);
    let Event { vector, column } = Event::of(d);
    let step_along = |a: Option<Axis>| a.map_or(0, |a| stride(axes, extent, a));
    let (vector_step, column_step) = (step_along(vector), step_along(column));
    let columns = column.map_or(1, extent).max(1);
    let mut result = vec![0.0; axes.iter().map(|&a| extent(a)).product()];
    let mut place = vec![0usize; drawing.outer.len()];
    for _ in 0..drawing.total() {
        let to = drawing.start(&place);
        let drawn = match vector {
            Some(_) => drawing.vector(&place, rng)?,
            None => vec![drawing.number(&place, rng)?],
        };
        for (k, v) in drawn.into_iter().enumerate() {
            if let Some(slot) = result.get_mut(to + k / columns * vector_step + k % columns * column_step) {
                *slot = v;
            }
        }
        drawing.advance(&mut place);
    }
    if let (Some(Support::Ordered), Some(along)) = (d.restricted, d.event) {
        sort_along(&mut result, stride(axes, extent, along), extent(along));
    }
    Ok(result)
}

/// Puts elements along one axis in order.
fn sort_along(values: &mut [f64], step: usize, count: usize) {
    for start in 0..values.len() {
        if step == 0 || !(start / step).is_multiple_of(count) {
            continue;
        }
        let mut run: Vec<f64> = values.iter().skip(start).step_by(step).take(count).copied().collect();
        run.sort_by(f64::total_cmp);
        for (slot, v) in values.iter_mut().skip(start).step_by(step).zip(run) {
            *slot = v;
        }
    }
}
