//! Noise and the Poisson sampler, from the counter-based streams of [`fe_graph::noise`].

use std::ops::Range;

use fe_graph::noise::{Element as Place, NoiseKey, Stream, arrivals_of_orders};
use fe_graph::{Axis, Indicator, NoiseKind};
use rayon::prelude::*;

use super::walk::Run;
use super::{Element, Named, fill, size, slice, strided, walk, zeros};
use crate::fault::Fault;

/// Elements a thread takes at once.
const PIECE: usize = 1 << 10;

/// Numbers the elements of a tensor for the generator.
pub struct Places<'a> {
    rows: Option<&'a [u64]>,
    extent: usize,
    inner: usize,
    count: usize,
}

impl<'a> Places<'a> {
    /// For a tensor over `axes`. Where it has the row axis, an element's row is its number in the data, and the other
    /// axes count, row-major; else all axes count and the row is 0.
    pub fn new(axes: &[Axis], dims: &[usize], rows: Option<(Axis, &'a [u64])>) -> Result<Self, Fault> {
        let count = size(dims)?;
        let found = rows.and_then(|(axis, numbers)| Some((axes.iter().position(|&a| a == axis)?, numbers)));
        let places = match found {
            Some((k, numbers)) => {
                let inner = dims.iter().skip(k + 1).product();
                let extent = dims.get(k).copied().unwrap_or(1);
                if numbers.len() != extent {
                    let given = numbers.len();
                    return Err(Fault::Message(format!("{given} row numbers were given for {extent} rows")));
                }
                Self { rows: Some(numbers), extent, inner, count }
            }
            None => Self { rows: None, extent: 1, inner: count, count },
        };
        if u32::try_from(count.checked_div(places.extent).unwrap_or(0)).is_err() {
            return Err(Fault::from("a noise tensor has more than 2³² elements a row"));
        }
        Ok(places)
    }

    /// The generator's names of consecutive elements.
    fn of(&self, elements: Range<usize>) -> impl Iterator<Item = Place> {
        let (extent, inner) = (self.extent.max(1), self.inner.max(1));
        elements.map(move |k| {
            let (block, i) = (k / inner, k % inner);
            let (outer, r) = (block / extent, block % extent);
            let row = self.rows.and_then(|n| n.get(r).copied()).unwrap_or(0);
            Place { row, rest: (outer * inner + i) as u32 }
        })
    }
}

/// Standard noise.
pub fn noise<T: Element>(kind: NoiseKind, key: NoiseKey, places: &Places) -> Result<Vec<T>, Fault> {
    fill(places.count, PIECE, |start, out| {
        let elements = start..start + out.len();
        out.iter_mut().zip(places.of(elements)).for_each(|(r, p)| *r = T::of(Stream::new(key, p).draw(kind)));
    })
}

/// The relaxed Poisson counts and their derivatives, of each of the `orders`, for log rates and temperatures: all from
/// one pass over the arrivals.
pub fn arrivals<T: Element>(
    operands: [Named; 2],
    orders: &[u8],
    indicator: Indicator,
    key: NoiseKey,
    places: &Places,
    axes: &[Axis],
    dims: &[usize],
) -> Result<Vec<Vec<T>>, Fault> {
    let walk = walk(operands, axes, dims);
    let guards = operands.map(|x| x.tensor.storage_and_layout());
    let [(sr, lr), (st, lt)] = &guards;
    let (rates, temperatures) = (slice::<T>(sr, lr)?, slice::<T>(st, lt)?);
    let mut results: Vec<Vec<T>> = orders.iter().map(|_| zeros(places.count)).collect::<Result<_, _>>()?;
    // Piece k of every result, together.
    let mut pieces: Vec<Vec<&mut [T]>> = vec![];
    for result in &mut results {
        for (k, part) in result.chunks_mut(PIECE).enumerate() {
            match pieces.get_mut(k) {
                Some(piece) => piece.push(part),
                None => pieces.push(vec![part]),
            }
        }
    }
    pieces.par_iter_mut().enumerate().for_each(|(k, piece)| {
        let (start, len) = (k * PIECE, piece.first().map_or(0, |p| p.len()));
        let mut totals = vec![0.0; orders.len()];
        walk.runs(start, len, |Run { at, len, offsets: [i, j], steps: [s, t] }| {
            let given = strided(rates, i, s, len).zip(strided(temperatures, j, t, len));
            let elements = places.of(start + at..start + at + len);
            for (k, (element, (rate, tau))) in (at..).zip(elements.zip(given)) {
                let mut stream = Stream::new(key, element);
                arrivals_of_orders(&mut stream, rate.wide(), tau.wide(), orders, indicator, &mut totals);
                for (part, &total) in piece.iter_mut().zip(&totals) {
                    if let Some(r) = part.get_mut(k) {
                        *r = T::of(total);
                    }
                }
            }
        });
    });
    Ok(results)
}
