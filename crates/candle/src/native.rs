//! Operations by candle's own kernels, for devices other than the CPU. On the CPU our loops are faster, sum in f64, and
//! use one thread pool. What candle lacks (see [`compute`]) is copied to the host, computed there and copied back; the
//! random generators are always on the host, so that a device draws the same numbers.

use candle_core::{D, Tensor};
use fe_graph::{Axis, Binary, Op, Unary};

use crate::fault::Fault;
use crate::kernel::Named;

/// A tensor with a dimension for each axis of the result, 1 where it lacks the axis.
fn aligned(x: Named, axes: &[Axis]) -> Result<Tensor, Fault> {
    let dims: Vec<usize> = axes.iter().map(|&a| x.extent(a)).collect();
    Ok(x.tensor.reshape(dims)?)
}

/// The result by candle alone; `None` for Log1p, Expm1, Step, Sigmoid, Softplus, Atan, the normal distribution
/// functions, log Γ and its derivatives, quantiles, gathers, scatters and randomness.
pub fn compute(op: &Op, operands: &[Named], axes: &[Axis], dims: &[usize]) -> Result<Option<Tensor>, Fault> {
    Ok(Some(match (op, operands) {
        (Op::Unary(op), &[Named { tensor: x, .. }]) => match op {
            Unary::Neg => x.neg()?,
            Unary::Exp => x.exp()?,
            Unary::Log => x.log()?,
            Unary::Sqrt => x.sqrt()?,
            Unary::Square => x.sqr()?,
            Unary::Recip => x.recip()?,
            Unary::Abs => x.abs()?,
            Unary::Sign => x.sign()?,
            Unary::Relu => x.relu()?,
            Unary::Tanh => x.tanh()?,
            Unary::Sin => x.sin()?,
            Unary::Cos => x.cos()?,
            Unary::Floor => x.floor()?,
            Unary::Erf => x.erf()?,
            _ => return Ok(None),
        },
        (Op::Binary(op), &[a, b]) => {
            let (a, b) = (aligned(a, axes)?, aligned(b, axes)?);
            let dtype = a.dtype();
            match op {
                Binary::Add => a.broadcast_add(&b)?,
                Binary::Sub => a.broadcast_sub(&b)?,
                Binary::Mul => a.broadcast_mul(&b)?,
                Binary::Div => a.broadcast_div(&b)?,
                Binary::Pow => a.broadcast_pow(&b)?,
                Binary::Max => a.broadcast_maximum(&b)?,
                Binary::Min => a.broadcast_minimum(&b)?,
                Binary::Less => a.broadcast_lt(&b)?.to_dtype(dtype)?,
                Binary::LessEqual => a.broadcast_le(&b)?.to_dtype(dtype)?,
                Binary::Equal => a.broadcast_eq(&b)?.to_dtype(dtype)?,
                Binary::LogGammaQuantile
                | Binary::LogGammaQuantileSlope
                | Binary::GammaScore
                | Binary::VonMisesQuantile
                | Binary::VonMisesQuantileSlope => return Ok(None),
            }
        }
        (Op::Select, &[c, a, b]) => {
            let [c, a, b] = [aligned(c, axes)?, aligned(a, axes)?, aligned(b, axes)?];
            let (c, a, b) = (c.broadcast_as(dims)?, a.broadcast_as(dims)?, b.broadcast_as(dims)?);
            c.ne(&c.zeros_like()?)?.where_cond(&a, &b)?
        }
        (Op::Sum(over), &[x]) => x.tensor.sum(places(x, over))?,
        (Op::Max(over), &[x]) => {
            // candle takes one dimension at a time: bring those that go to the end and flatten them.
            let gone = places(x, over);
            let kept: Vec<usize> = (0..x.axes.len()).filter(|k| !gone.contains(k)).collect();
            let moved = x.tensor.permute([kept, gone].concat())?.contiguous()?;
            moved.flatten_from(dims.len())?.max(D::Minus1)?
        }
        _ => return Ok(None),
    }))
}

fn places(x: Named, axes: &[Axis]) -> Vec<usize> {
    axes.iter().filter_map(|a| x.axes.iter().position(|b| a == b)).collect()
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use fe_graph::AxisId;

    use super::*;
    use crate::kernel::{elementwise, reduce};

    /// candle's results are those of our loops: so other devices compute what the CPU does.
    #[test]
    fn candle_agrees_with_our_loops() {
        let [a, b, c] = [1, 2, 3].map(|k| Axis::plain(AxisId(k)));
        let random = |dims: &[usize]| (Tensor::rand(0.2f64, 2.0, dims, &Device::Cpu).unwrap() - 0.7).unwrap();
        let (x, y, z) = (random(&[4, 3]), random(&[3, 5]), random(&[4, 3, 5]));
        let x = Named { tensor: &x, axes: &[a, b] };
        let y = Named { tensor: &y, axes: &[b, c] };
        let z = Named { tensor: &z, axes: &[a, b, c] };
        let all = [a, b, c];
        let check = |op: Op, operands: &[Named], axes: &[Axis], dims: &[usize], expected: Vec<f64>| {
            let found = compute(&op, operands, axes, dims).unwrap().unwrap();
            assert_eq!((found.dims(), found.dtype()), (dims, DType::F64), "{op:?}");
            for (f, e) in found.flatten_all().unwrap().to_vec1::<f64>().unwrap().iter().zip(expected) {
                assert!((f - e).abs() <= 1e-12 * e.abs() || f.is_nan() && e.is_nan(), "{op:?}: {f}, not {e}");
            }
        };
        use Unary::*;
        for op in [Neg, Exp, Log, Sqrt, Square, Recip, Abs, Sign, Relu, Tanh, Sin, Cos, Floor, Erf] {
            check(Op::Unary(op), &[x], x.axes, &[4, 3], elementwise::unary(op, x).unwrap());
        }
        use Binary::*;
        for op in [Add, Sub, Mul, Div, Pow, Max, Min, Less, LessEqual, Equal] {
            let expected = elementwise::binary(op, x, y, &all, &[4, 3, 5]).unwrap();
            check(Op::Binary(op), &[x, y], &all, &[4, 3, 5], expected);
        }
        let floor = x.tensor.floor().unwrap();
        let condition = Named { tensor: &floor, ..x };
        let expected = elementwise::select([condition, y, z], &all, &[4, 3, 5]).unwrap();
        check(Op::Select, &[condition, y, z], &all, &[4, 3, 5], expected);
        for over in [vec![a], vec![b], vec![a, c], vec![a, b, c]] {
            let kept = fe_graph::axis::difference(&all, &over);
            let dims: Vec<usize> = kept.iter().map(|&k| z.extent(k)).collect();
            let [sum, max] = [reduce::Fold::Sum, reduce::Fold::Max].map(|f| reduce::reduce(f, z, &over).unwrap());
            check(Op::Sum(over.clone()), &[z], &kept, &dims, sum);
            check(Op::Max(over.clone()), &[z], &kept, &dims, max);
        }
    }
}
