//! One operation on tensors.

use candle_core::{Device, Tensor};
use fe_graph::{Axis, Op};

use crate::Precision;
use crate::fault::Fault;
use crate::kernel::random::Places;
use crate::kernel::reduce::Fold;
use crate::kernel::{Element, Named, contract, elementwise, index, random, reduce};
use crate::native;
use crate::plan::Context;

/// The result of an operation, its dimensions in the order of `axes`. It may be a view of an operand.
pub fn apply(op: &Op, operands: &[Named], axes: &[Axis], dims: &[usize], context: &Context) -> Result<Tensor, Fault> {
    match context.backend.precision {
        Precision::F32 => typed::<f32>(op, operands, axes, dims, context),
        Precision::F64 => typed::<f64>(op, operands, axes, dims, context),
    }
}

fn typed<T: Element>(
    op: &Op,
    operands: &[Named],
    axes: &[Axis],
    dims: &[usize],
    context: &Context,
) -> Result<Tensor, Fault> {
    match (op, operands) {
        (Op::Stop, &[x]) => return Ok(x.tensor.clone()),
        (Op::Broadcast(_), &[x]) => {
            let mut tensor = x.tensor.clone();
            for (k, axis) in axes.iter().enumerate() {
                if !x.axes.contains(axis) {
                    tensor = tensor.unsqueeze(k)?;
                }
            }
            return Ok(tensor.broadcast_as(dims)?);
        }
        (Op::Rename(pairs), &[x]) => {
            let renamed: Vec<Axis> =
                x.axes.iter().map(|a| pairs.iter().find(|(from, _)| from == a).map_or(*a, |(_, to)| *to)).collect();
            return ordered(x.tensor, &renamed, axes);
        }
        (Op::Reshape { from, to }, &[x]) => return reshape(x, from, to, axes, context),
        (Op::Arrivals { order, .. }, _) => {
            let found = typed_arrivals::<T>(op, &[*order], operands, axes, dims, context)?;
            return found.into_iter().next().ok_or_else(|| Fault::from("nothing was sampled"));
        }
        (Op::Contract(over), &[a, b]) => return contract::contract::<T>(a, b, over, axes),
        (Op::Gather { axis }, &[x, index]) if index.axes.is_empty() && context.backend.device.is_cpu() => {
            return pick(x, index, *axis, context);
        }
        _ => {}
    }
    let device = &context.backend.device;
    if device.is_cpu() {
        return on_host::<T>(op, operands, axes, dims, context);
    }
    if let Some(tensor) = native::compute(op, operands, axes, dims)? {
        return Ok(tensor);
    }
    let host: Vec<Tensor> = operands.iter().map(|x| x.tensor.to_device(&Device::Cpu)).collect::<Result<_, _>>()?;
    let host: Vec<Named> = host.iter().zip(operands).map(|(tensor, x)| Named { tensor, axes: x.axes }).collect();
    Ok(on_host::<T>(op, &host, axes, dims, context)?.to_device(device)?)
}

/// Operations that make new values, in host memory.
fn on_host<T: Element>(
    op: &Op,
    operands: &[Named],
    axes: &[Axis],
    dims: &[usize],
    context: &Context,
) -> Result<Tensor, Fault> {
    let values: Vec<T> = match (op, operands) {
        (Op::Unary(op), &[x]) => elementwise::unary(*op, x)?,
        (Op::Binary(op), &[a, b]) => elementwise::binary(*op, a, b, axes, dims)?,
        (Op::Select, &[c, a, b]) => elementwise::select([c, a, b], axes, dims)?,
        (Op::Sum(over), &[x]) => reduce::reduce(Fold::Sum, x, over)?,
        (Op::Max(over), &[x]) => reduce::reduce(Fold::Max, x, over)?,
        (Op::Gather { axis }, &[x, index]) => {
            exact_places::<T>(x.extent(*axis))?;
            index::gather(x, index, *axis, axes, dims)?
        }
        (Op::ScatterAdd { axis, over }, &[u, index]) => {
            exact_places::<T>(context.extent(axis.id))?;
            index::scatter_add(u, index, *axis, over, axes, dims)?
        }
        (Op::Factor { kind, row, column }, &[x]) => {
            let rest: Vec<Axis> = axes.iter().copied().filter(|a| a != row && a != column).collect();
            let now = [rest.as_slice(), &[*row, *column]].concat();
            let lined = ordered(x.tensor, x.axes, &now)?.contiguous()?;
            let mut values: Vec<f64> = lined.flatten_all()?.to_vec1::<T>()?.into_iter().map(Element::wide).collect();
            fe_graph::matrix::factorize(*kind, x.extent(*row), &mut values);
            let values: Vec<T> = values.into_iter().map(T::of).collect();
            let factors = Tensor::from_vec(values, lined.dims(), &Device::Cpu)?;
            return ordered(&factors, &now, axes);
        }
        (Op::Noise { kind, site }, _) => match context.draws.get(site) {
            Some(given) => return draws(given, 0, dims),
            None => random::noise(*kind, context.key(*site), &places(axes, dims, context)?)?,
        },
        _ => return Err(Fault::Message(format!("the graph is malformed at {op:?}"))),
    };
    Ok(Tensor::from_vec(values, dims, &Device::Cpu)?)
}

/// The Poisson sampler's results of several orders, from the same arrivals.
pub fn arrivals(
    op: &Op,
    orders: &[u8],
    operands: &[Named],
    axes: &[Axis],
    dims: &[usize],
    context: &Context,
) -> Result<Vec<Tensor>, Fault> {
    match context.backend.precision {
        Precision::F32 => typed_arrivals::<f32>(op, orders, operands, axes, dims, context),
        Precision::F64 => typed_arrivals::<f64>(op, orders, operands, axes, dims, context),
    }
}

fn typed_arrivals<T: Element>(
    op: &Op,
    orders: &[u8],
    operands: &[Named],
    axes: &[Axis],
    dims: &[usize],
    context: &Context,
) -> Result<Vec<Tensor>, Fault> {
    let (Op::Arrivals { indicator, site, .. }, &[rate, temperature]) = (op, operands) else {
        return Err(Fault::from("a sampler needs a rate and a temperature"));
    };
    if let Some(given) = context.draws.get(site) {
        return orders.iter().map(|&order| draws(given, order, dims)).collect();
    }
    let [rates, temperatures] = [rate, temperature].map(|x| x.tensor.to_device(&Device::Cpu));
    let (rates, temperatures) = (rates?, temperatures?);
    let operands = [Named { tensor: &rates, ..rate }, Named { tensor: &temperatures, ..temperature }];
    let places = places(axes, dims, context)?;
    let key = context.key(*site);
    let results = random::arrivals::<T>(operands, orders, *indicator, key, &places, axes, dims)?;
    let device = &context.backend.device;
    results.into_iter().map(|values| Ok(Tensor::from_vec(values, dims, device)?)).collect()
}

fn places<'a>(axes: &[Axis], dims: &[usize], context: &Context<'a>) -> Result<Places<'a>, Fault> {
    Places::new(axes, dims, context.rows.map(|(axis, numbers, _)| (axis, numbers)))
}

/// Given draws in the place of noise. A count that is given does not change with its rate.
fn draws(given: &Tensor, order: u8, dims: &[usize]) -> Result<Tensor, Fault> {
    if given.dims() != dims {
        let found = given.dims();
        return Err(Fault::Message(format!("the draws of a site have shape {found:?}, not {dims:?}")));
    }
    Ok(if order == 0 { given.clone() } else { given.zeros_like()? })
}

/// Reorders dimensions named `now` to the order of `axes`.
fn ordered(tensor: &Tensor, now: &[Axis], axes: &[Axis]) -> Result<Tensor, Fault> {
    let order: Vec<usize> = axes.iter().filter_map(|a| now.iter().position(|b| a == b)).collect();
    Ok(if order.is_sorted() { tensor.clone() } else { tensor.permute(order)? })
}

fn reshape(x: Named, from: &[Axis], to: &[Axis], axes: &[Axis], context: &Context) -> Result<Tensor, Fault> {
    let untouched: Vec<Axis> = x.axes.iter().copied().filter(|a| !from.contains(a)).collect();
    // Where the axes already lie side by side in order, nothing moves.
    let first = from.first().and_then(|a| x.axes.iter().position(|b| a == b)).unwrap_or(untouched.len());
    let (before, after) = untouched.split_at(first.min(untouched.len()));
    let now = [before, from, after].concat();
    let then = [before, to, after].concat();
    let moved = ordered(x.tensor, x.axes, &now)?;
    let (had, wants) = (moved.elem_count(), context.dims(&then));
    if wants.iter().product::<usize>() != had {
        return Err(Fault::Message(format!("{had} elements cannot be laid out as {wants:?}")));
    }
    ordered(&moved.reshape(wants)?, &then, axes)
}

/// Picks one place along an axis, as a view.
fn pick(x: Named, index: Named, axis: Axis, context: &Context) -> Result<Tensor, Fault> {
    let at = index::place(context.backend.download(index.tensor)?.item(), x.extent(axis))?;
    let Some(k) = x.axes.iter().position(|&a| a == axis) else { return Ok(x.tensor.clone()) };
    Ok(x.tensor.narrow(k, at, 1)?.squeeze(k)?)
}

/// Whether the numbers can name every place along an axis.
fn exact_places<T: Element>(extent: usize) -> Result<(), Fault> {
    // The first whole number whose successor is missing.
    let limit = 2.0 / <T as num_traits::Float>::epsilon().wide();
    if extent as f64 > limit {
        return Err(Fault::Message(format!("an axis of {extent} places cannot be indexed in this precision; use f64")));
    }
    Ok(())
}
