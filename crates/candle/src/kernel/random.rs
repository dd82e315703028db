//! Noise and the Poisson sampler, from the counter-based streams of [`fe_graph::noise`].

use std::ops::Range;

use fe_graph::noise::{Element as Place, NoiseKey, Stream, arrivals as sample};
use fe_graph::{Axis, Indicator, NoiseKind};

use super::walk::Run;
use super::{Element, Named, fill, size, slice, strided, walk};
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

/// The relaxed Poisson counts, or a derivative of theirs, for log rates and temperatures.
pub fn arrivals<T: Element>(
    operands: [Named; 2],
    (order, indicator): (u8, Indicator),
    key: NoiseKey,
    places: &Places,
    axes: &[Axis],
    dims: &[usize],
) -> Result<Vec<T>, Fault> {
    let walk = walk(operands, axes, dims);
    let guards = operands.map(|x| x.tensor.storage_and_layout());
    let [(sr, lr), (st, lt)] = &guards;
    let (rates, temperatures) = (slice::<T>(sr, lr)?, slice::<T>(st, lt)?);
    fill(places.count, PIECE, |start, out| {
        walk.runs(start, out.len(), |Run { at, len, offsets: [i, j], steps: [s, t] }| {
            let Some(out) = out.get_mut(at..at + len) else { return };
            let given = strided(rates, i, s, len).zip(strided(temperatures, j, t, len));
            for ((r, place), (rate, tau)) in out.iter_mut().zip(places.of(start + at..start + at + len)).zip(given) {
                *r = T::of(sample(&mut Stream::new(key, place), rate.wide(), tau.wide(), order, indicator));
            }
        });
    })
}
