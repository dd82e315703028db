//! Element-wise functions. Common ones are computed in the tensor's own precision; the rest in f64 by
//! [`fe_graph::special`].

use fe_graph::{Axis, Binary, Unary, special};
use num_traits::Zero;

use super::walk::Run;
use super::{Element, Named, fill, size, slice, strided, walk};
use crate::fault::Fault;

/// Elements a thread takes at once: a few cache lines of work against the cost of handing it out.
const PIECE: usize = 1 << 14;
/// The same where an element costs a hundred times more.
const COSTLY_PIECE: usize = 1 << 9;

/// Applies an element-wise function.
pub fn unary<T: Element>(op: Unary, x: Named) -> Result<Vec<T>, Fault> {
    let one = T::of(1.0);
    let zero = <T as Zero>::zero();
    macro_rules! map {
        ($f:expr) => {
            map1::<T>(x, PIECE, $f)
        };
    }
    match op {
        Unary::Neg => map!(|v: T| -v),
        Unary::Exp => map!(|v: T| v.exp()),
        Unary::Log => map!(|v: T| v.ln()),
        Unary::Log1p => map!(|v: T| v.ln_1p()),
        Unary::Expm1 => map!(|v: T| v.exp_m1()),
        Unary::Sqrt => map!(|v: T| v.sqrt()),
        Unary::Square => map!(|v: T| v * v),
        Unary::Recip => map!(|v: T| one / v),
        Unary::Abs => map!(|v: T| v.abs()),
        Unary::Step => map!(|v: T| if v > zero { one } else { zero }),
        Unary::Relu => map!(|v: T| if v <= zero { zero } else { v }),
        Unary::Tanh => map!(|v: T| v.tanh()),
        Unary::Sigmoid => map!(|v: T| {
            let e = (-v.abs()).exp();
            if v >= zero { one / (one + e) } else { e / (one + e) }
        }),
        Unary::Softplus => {
            map!(|v: T| (if v <= zero { zero } else { v }) + (-v.abs()).exp().ln_1p())
        }
        Unary::Sin => map!(|v: T| v.sin()),
        Unary::Cos => map!(|v: T| v.cos()),
        Unary::Atan => map!(|v: T| v.atan()),
        Unary::Floor => map!(|v: T| v.floor()),
        Unary::Sign
        | Unary::Erf
        | Unary::NormalCdf
        | Unary::LogNormalCdf
        | Unary::LogGamma
        | Unary::Polygamma(_)
        | Unary::LogBesselI(_) => map1::<T>(x, COSTLY_PIECE, |v: T| T::of(special::unary(op, v.wide()))),
    }
}

/// Applies an element-wise function of two tensors.
pub fn binary<T: Element>(op: Binary, a: Named, b: Named, axes: &[Axis], dims: &[usize]) -> Result<Vec<T>, Fault> {
    let truth = |t: bool| if t { T::of(1.0) } else { <T as Zero>::zero() };
    macro_rules! map {
        ($f:expr) => {
            map2::<T>(a, b, axes, dims, PIECE, $f)
        };
    }
    match op {
        Binary::Add => map!(|x: T, y: T| x + y),
        Binary::Sub => map!(|x: T, y: T| x - y),
        Binary::Mul => map!(|x: T, y: T| x * y),
        Binary::Div => map!(|x: T, y: T| x / y),
        Binary::Pow => map!(|x: T, y: T| x.powf(y)),
        // NaN wins.
        Binary::Max => map!(|x: T, y: T| if x > y || x.is_nan() { x } else { y }),
        Binary::Min => map!(|x: T, y: T| if x < y || x.is_nan() { x } else { y }),
        Binary::Less => map!(|x: T, y: T| truth(x < y)),
        Binary::LessEqual => map!(|x: T, y: T| truth(x <= y)),
        Binary::Equal => map!(|x: T, y: T| truth(x == y)),
        Binary::LogGammaQuantile
        | Binary::LogGammaQuantileSlope
        | Binary::GammaScore
        | Binary::VonMisesQuantile
        | Binary::VonMisesQuantileSlope => {
            map2::<T>(a, b, axes, dims, COSTLY_PIECE, |x: T, y: T| T::of(special::binary(op, x.wide(), y.wide())))
        }
    }
}

/// The tensor's values, row-major.
pub fn materialise<T: Element>(x: Named) -> Result<Vec<T>, Fault> {
    map1(x, PIECE, |v| v)
}

fn map1<T: Element>(x: Named, piece: usize, f: impl Fn(T) -> T + Sync) -> Result<Vec<T>, Fault> {
    let dims = x.tensor.dims();
    let walk = walk([x], x.axes, dims);
    let (storage, layout) = x.tensor.storage_and_layout();
    let data = slice::<T>(&storage, layout)?;
    fill(size(dims)?, piece, |start, out| {
        walk.runs(start, out.len(), |Run { at, len, offsets: [o], steps: [s] }| {
            let Some(out) = out.get_mut(at..at + len) else { return };
            match (s, data.get(o..o + len)) {
                (1, Some(x)) => out.iter_mut().zip(x).for_each(|(r, &x)| *r = f(x)),
                _ => out.iter_mut().zip(strided(data, o, s, len)).for_each(|(r, x)| *r = f(x)),
            }
        });
    })
}

fn map2<T: Element>(
    a: Named,
    b: Named,
    axes: &[Axis],
    dims: &[usize],
    piece: usize,
    f: impl Fn(T, T) -> T + Sync,
) -> Result<Vec<T>, Fault> {
    let walk = walk([a, b], axes, dims);
    let ((sa, la), (sb, lb)) = (a.tensor.storage_and_layout(), b.tensor.storage_and_layout());
    let (xs, ys) = (slice::<T>(&sa, la)?, slice::<T>(&sb, lb)?);
    fill(size(dims)?, piece, |start, out| {
        walk.runs(start, out.len(), |Run { at, len, offsets: [i, j], steps: [s, t] }| {
            let Some(out) = out.get_mut(at..at + len) else { return };
            match (s, t, xs.get(i..i + len), ys.get(j..j + len), xs.get(i), ys.get(j)) {
                (1, 1, Some(x), Some(y), ..) => {
                    out.iter_mut().zip(x).zip(y).for_each(|((r, &x), &y)| *r = f(x, y));
                }
                (1, 0, Some(x), _, _, Some(&y)) => out.iter_mut().zip(x).for_each(|(r, &x)| *r = f(x, y)),
                (0, 1, _, Some(y), Some(&x), _) => out.iter_mut().zip(y).for_each(|(r, &y)| *r = f(x, y)),
                _ => {
                    let pairs = strided(xs, i, s, len).zip(strided(ys, j, t, len));
                    out.iter_mut().zip(pairs).for_each(|(r, (x, y))| *r = f(x, y));
                }
            }
        });
    })
}

/// The second operand where the first is not 0, else the third.
pub fn select<T: Element>(operands: [Named; 3], axes: &[Axis], dims: &[usize]) -> Result<Vec<T>, Fault> {
    let walk = walk(operands, axes, dims);
    let guards = operands.map(|x| x.tensor.storage_and_layout());
    let [(sc, lc), (sa, la), (sb, lb)] = &guards;
    let (cs, xs, ys) = (slice::<T>(sc, lc)?, slice::<T>(sa, la)?, slice::<T>(sb, lb)?);
    let zero = <T as Zero>::zero();
    fill(size(dims)?, PIECE, |start, out| {
        walk.runs(start, out.len(), |Run { at, len, offsets: [h, i, j], steps: [r, s, t] }| {
            let Some(out) = out.get_mut(at..at + len) else { return };
            let pairs = strided(xs, i, s, len).zip(strided(ys, j, t, len));
            for ((out, c), (x, y)) in out.iter_mut().zip(strided(cs, h, r, len)).zip(pairs) {
                *out = if c != zero { x } else { y };
            }
        });
    })
}
