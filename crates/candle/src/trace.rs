//! Finds where a value first stopped being finite.
//!
//! The graph is evaluated node by node, everything kept. From the first non-finite element of each output the way is
//! followed back: from an element to the first operand that is not finite at the matching place (or, for a sum, in the
//! elements summed), until all are finite. So an infinity that a later choice or maximum masks is never blamed. Of the
//! nodes so found, the first in order of evaluation is reported.

use std::collections::HashMap;

use candle_core::Tensor;
use fe_graph::{Axis, AxisInfo, ExecutionError, InputId, NonFinite, Op};

use crate::fault::Fault;
use crate::plan::{self, Action, Context, Plan, Step, Value};

/// An element: a node's place in the plan, and the position along each axis.
type Place = (usize, HashMap<Axis, usize>);

/// The first non-finite value that reaches an output, if any.
pub fn first_non_finite(
    plan: &mut Plan,
    context: &Context,
    inputs: &HashMap<InputId, Tensor>,
    names: &[AxisInfo],
) -> Result<Option<NonFinite>, ExecutionError> {
    plan.forget();
    let evaluated = plan.run(context, inputs, true);
    let found = evaluated.and_then(|_| {
        let mut trace = Trace { plan, context, names, host: HashMap::new() };
        trace.first().map_err(|fault| fault.at(fe_graph::Origin::default()))
    });
    plan.forget();
    found
}

struct Trace<'a> {
    plan: &'a mut Plan,
    context: &'a Context<'a>,
    names: &'a [AxisInfo],
    /// Values copied to the host.
    host: HashMap<usize, fe_graph::Tensor>,
}

impl Trace<'_> {
    fn first(&mut self) -> Result<Option<NonFinite>, Fault> {
        let mut earliest: Option<Place> = None;
        for output in self.plan.outputs.clone() {
            if let Some(start) = self.search(output, &HashMap::new())? {
                let place = self.back(start)?;
                if earliest.as_ref().is_none_or(|e| place.0 < e.0) {
                    earliest = Some(place);
                }
            }
        }
        earliest.map(|place| self.report(place)).transpose()
    }

    fn step(&self, k: usize) -> Result<&Step, Fault> {
        self.plan.steps.get(k).ok_or_else(|| Fault::from("a node is missing"))
    }

    fn value(&mut self, k: usize) -> Result<Option<&fe_graph::Tensor>, Fault> {
        if !self.host.contains_key(&k) {
            let Some(Some(Value::Tensor(tensor))) = self.plan.values.get(k) else { return Ok(None) };
            let tensor = self.context.backend.download(tensor)?;
            self.host.insert(k, tensor);
        }
        Ok(self.host.get(&k))
    }

    /// The first non-finite element of a node among those at `fixed` along its axes.
    fn search(&mut self, k: usize, fixed: &HashMap<Axis, usize>) -> Result<Option<Place>, Fault> {
        let axes = self.step(k)?.axes.clone();
        let Some(tensor) = self.value(k)? else { return Ok(None) };
        for (at, _) in tensor.values.iter().enumerate().filter(|(_, v)| !v.is_finite()) {
            let place = unravel(at, &axes, &tensor.shape);
            if axes.iter().all(|a| fixed.get(a).is_none_or(|p| place.get(a) == Some(p))) {
                return Ok(Some((k, place)));
            }
        }
        Ok(None)
    }

    /// The element of a node at a place that names all its axes.
    fn at(&mut self, k: usize, place: &HashMap<Axis, usize>) -> Result<Option<f64>, Fault> {
        let axes = self.step(k)?.axes.clone();
        if !axes.iter().all(|a| place.contains_key(a)) {
            return Ok(None);
        }
        let Some(tensor) = self.value(k)? else { return Ok(None) };
        let at = ravel(place, &axes, &tensor.shape);
        Ok(tensor.values.get(at).copied())
    }

    /// Follows a non-finite element to the node that made it.
    fn back(&mut self, start: Place) -> Result<Place, Fault> {
        let mut here = start;
        // Operands precede their node, so this ends.
        while let Some(before) = self.cause(&here)? {
            here = before;
        }
        Ok(here)
    }

    /// A non-finite element that an element was computed from.
    fn cause(&mut self, (k, place): &Place) -> Result<Option<Place>, Fault> {
        let step = self.step(*k)?;
        let inputs = step.inputs.clone();
        let (axes, own) = (step.input_axes.clone(), step.axes.clone());
        let operand = |n: usize| inputs.get(n).copied().ok_or_else(|| Fault::from("an operand is missing"));
        let Action::Op(op) = &step.action else { return Ok(None) };
        match op.clone() {
            Op::Select => {
                let condition = self.at(operand(0)?, place)?.unwrap_or(f64::NAN);
                self.search(operand(if condition != 0.0 { 1 } else { 2 })?, place)
            }
            Op::Rename(pairs) => {
                let back = |a: &Axis| pairs.iter().find(|p| p.1 == *a).map_or(*a, |p| p.0);
                let place = place.iter().map(|(a, &p)| (back(a), p)).collect();
                self.search(operand(0)?, &place)
            }
            Op::Reshape { from, to } => {
                let linear = ravel(place, &to, &self.context.dims(&to));
                let mut fixed = place.clone();
                fixed.retain(|a, _| !to.contains(a));
                fixed.extend(unravel(linear, &from, &self.context.dims(&from)));
                self.search(operand(0)?, &fixed)
            }
            Op::Gather { axis } => {
                let index = self.at(operand(1)?, place)?.unwrap_or(0.0);
                let mut fixed = place.clone();
                fixed.insert(axis, index as usize);
                self.search(operand(0)?, &fixed)
            }
            Op::ScatterAdd { axis, over } => {
                // The elements of u that fell here: those whose index is this position.
                let wanted = place.get(&axis).copied();
                let mut fixed = place.clone();
                fixed.retain(|a, _| own.contains(a) && *a != axis && !over.contains(a));
                let (u, index) = (operand(0)?, operand(1)?);
                let u_axes = axes.first().cloned().unwrap_or_default();
                let Some(values) = self.value(u)?.cloned() else { return Ok(None) };
                for (at, _) in values.values.iter().enumerate().filter(|(_, v)| !v.is_finite()) {
                    let candidate = unravel(at, &u_axes, &values.shape);
                    let fits = fixed.iter().all(|(a, p)| candidate.get(a).is_none_or(|q| q == p));
                    if fits && self.at(index, &candidate)?.map(|v| v as usize) == wanted {
                        return Ok(Some((u, candidate)));
                    }
                }
                Ok(None)
            }
            Op::Output(_) => {
                // Through a loop places are not matched: any operand that is not finite is the cause.
                let operands = self.step(operand(0)?)?.inputs.clone();
                for k in operands {
                    if let Some(found) = self.search(k, &HashMap::new())? {
                        return Ok(Some(found));
                    }
                }
                Ok(None)
            }
            _ => {
                for k in inputs {
                    if let Some(found) = self.search(k, place)? {
                        return Ok(Some(found));
                    }
                }
                Ok(None)
            }
        }
    }

    fn report(&mut self, (k, place): Place) -> Result<NonFinite, Fault> {
        if let Some(inside) = self.inside_loop(k)? {
            return Ok(inside);
        }
        let value = self.at(k, &place)?.unwrap_or(f64::NAN);
        let mut operands = vec![];
        for input in self.step(k)?.inputs.clone() {
            operands.extend(self.at(input, &place)?);
        }
        let step = self.step(k)?;
        let index = step.axes.iter().map(|a| (self.name(*a), place.get(a).copied().unwrap_or(0))).collect();
        Ok(NonFinite { node: step.node, origin: step.origin, index, value, operation: step.label.clone(), operands })
    }

    /// Where the node is a result of a loop: the value's cause in the loop's body, its position in the loop first.
    fn inside_loop(&mut self, k: usize) -> Result<Option<NonFinite>, Fault> {
        let (Action::Op(Op::Output(_)), Some(&scan)) = (&self.step(k)?.action, self.step(k)?.inputs.first()) else {
            return Ok(None);
        };
        let (context, names) = (*self.context, self.names);
        let Plan { steps, values, .. } = &mut *self.plan;
        let Some(Step { action: Action::Loop(body), inputs, input_axes, node, .. }) = steps.get_mut(scan) else {
            return Ok(None);
        };
        let operands = plan::tensors(inputs, values)?;
        let axis = body.axis;
        let mut found = None;
        body.each(&context, &operands, input_axes, |this, turn| {
            let inside = first_non_finite(&mut this.body, turn.context, turn.inputs, names)?;
            found = inside.map(|inside| (turn.position, inside));
            Ok(found.is_none())
        })?;
        let node = *node;
        Ok(found.map(|(position, mut inside)| {
            inside.index.insert(0, (self.name(axis), position));
            NonFinite { node, ..inside }
        }))
    }

    fn name(&self, axis: Axis) -> String {
        let name = self.names.get(axis.id.0 as usize).map_or("?", |a| a.name.as_str());
        format!("{name}{}", "'".repeat(usize::from(axis.primes)))
    }
}

fn unravel(at: usize, axes: &[Axis], dims: &[usize]) -> HashMap<Axis, usize> {
    let mut left = at;
    let mut place = HashMap::new();
    for (&a, &d) in axes.iter().zip(dims).rev() {
        place.insert(a, left % d.max(1));
        left /= d.max(1);
    }
    place
}

fn ravel(place: &HashMap<Axis, usize>, axes: &[Axis], dims: &[usize]) -> usize {
    axes.iter().zip(dims).fold(0, |at, (a, &d)| at * d + place.get(a).copied().unwrap_or(0))
}
