//! Loops: the body is a program of its own, run once for each position.

#![allow(unsafe_code)]

use std::collections::HashMap;
use std::sync::Arc;

use fe_graph::noise::step_within;
use fe_graph::plan::{Plan, View};
use fe_graph::{Axis, AxisId, Compiled, ExecutionError, Executor, Feed, InputId, Scan, Tensor};

use crate::arena::Arena;
use crate::index::read_out;
use crate::math::Real;
use crate::random::Key;
use crate::region::start_of;

/// A loop with its places in memory. Steps go through tensors in f64, for no program of today's language has loops.
pub struct BoundScan {
    scan: Arc<Scan>,
    body: Box<dyn Compiled>,
    plan: Plan,
    operands: Vec<View>,
    into: Vec<(usize, View)>,
    rows: Option<AxisId>,
    extents: HashMap<AxisId, usize>,
}

impl BoundScan {
    /// Places a loop.
    ///
    /// # Errors
    /// When its body cannot be set up.
    pub fn bind(
        plan: &Plan,
        scan: &Arc<Scan>,
        operands: &[View],
        into: &[(usize, View)],
        rows: Option<Axis>,
    ) -> Result<Self, ExecutionError> {
        let outputs: Vec<_> = scan.carries.iter().map(|c| c.1).chain(scan.stacked.iter().copied()).collect();
        let body = crate::CpuExecutor::new(crate::Precision::F64).compile(&scan.body, &outputs)?;
        let number = |k: usize| AxisId(u32::try_from(k).unwrap_or(u32::MAX));
        let extents = plan.extents.iter().enumerate().map(|(k, &e)| (number(k), e)).collect();
        Ok(Self {
            scan: scan.clone(),
            body,
            plan: plan.clone(),
            operands: operands.to_vec(),
            into: into.to_vec(),
            rows: rows.map(|r| r.id),
            extents,
        })
    }

    fn axes(&self, axes: &[Axis]) -> Vec<(Axis, usize)> {
        axes.iter().map(|&a| (a, self.extents.get(&a.id).copied().unwrap_or(1))).collect()
    }

    fn tensor<T: Real>(&self, arena: &Arena<T>, view: &View, axes: &[Axis]) -> Arc<Tensor> {
        let axes = self.axes(axes);
        let values = read_out(&self.plan, arena, view, &axes);
        Arc::new(Tensor { shape: axes.iter().map(|a| a.1).collect(), values })
    }

    /// Runs it.
    ///
    /// # Errors
    /// As its body.
    pub fn run<T: Real>(&mut self, arena: &Arena<T>, key: &Key) -> Result<(), ExecutionError> {
        let scan = self.scan.clone();
        let axes_of = |input: InputId| scan.body.input_info(input).map(|i| i.axes.clone()).unwrap_or_default();
        let mut operands = self.operands.iter();
        let mut carries: Vec<Arc<Tensor>> = vec![];
        for (&(input, _), view) in scan.carries.iter().zip(operands.by_ref()) {
            carries.push(self.tensor(arena, view, &axes_of(input)));
        }
        let scanned: Vec<&View> = operands.by_ref().take(scan.slices.len()).collect();
        let mut feed = Feed { seed: key.seed, extents: self.extents.clone(), ..Feed::default() };
        if let Some(rows) = self.rows {
            feed.rows = Some((rows, Arc::new(key.rows.to_vec())));
        }
        for (&input, view) in scan.constants.iter().zip(operands) {
            feed.inputs.insert(input, self.tensor(arena, view, &axes_of(input)));
        }
        let count = self.extents.get(&scan.axis.id).copied().unwrap_or(1);
        let positions: Vec<usize> = if scan.reverse { (0..count).rev().collect() } else { (0..count).collect() };
        for position in positions {
            for (&(input, _), carry) in scan.carries.iter().zip(&carries) {
                feed.inputs.insert(input, carry.clone());
            }
            for (&input, view) in scan.slices.iter().zip(&scanned) {
                feed.inputs.insert(input, self.tensor(arena, &view.at(scan.axis, position), &axes_of(input)));
            }
            if let Some(time) = scan.time {
                feed.inputs.insert(time, Arc::new(Tensor::scalar(position as f64)));
            }
            feed.step = step_within(key.step, position as u64);
            let results: Vec<Arc<Tensor>> = self.body.run(&feed)?.into_iter().map(Arc::new).collect();
            let (stacked, before) = (scan.carries.len(), scan.carries.len() + scan.stacked.len());
            for (k, view) in &self.into {
                let (value, axes) = if *k < stacked {
                    continue;
                } else if *k < before {
                    let node = scan.stacked.get(k - stacked).copied();
                    (results.get(*k), node.map(|n| scan.body.axes_of(n).to_vec()).unwrap_or_default())
                } else {
                    let input = scan.carries.get(k - before).map(|c| c.0);
                    (carries.get(k - before), input.map(axes_of).unwrap_or_default())
                };
                if let Some(value) = value {
                    self.write(arena, &view.at(scan.axis, position), value, &axes);
                }
            }
            carries = results.into_iter().take(stacked).collect();
        }
        for (k, view) in &self.into {
            if let (Some(value), Some(&(input, _))) = (carries.get(*k), scan.carries.get(*k)) {
                self.write(arena, view, value, &axes_of(input));
            }
        }
        Ok(())
    }

    /// Writes a tensor over sorted axes to a view.
    fn write<T: Real>(&self, arena: &Arena<T>, view: &View, value: &Tensor, axes: &[Axis]) {
        let start = start_of(&self.plan, view);
        let axes = self.axes(axes);
        let mut index = vec![0usize; axes.len()];
        for &v in &value.values {
            let at: usize = axes.iter().zip(&index).map(|(a, i)| view.stride(a.0) * i).sum();
            // SAFETY: the results of a loop are its own (see `Arena`).
            unsafe { arena.write(start + at, 1) }.fill(T::from_f64(v));
            for (i, a) in index.iter_mut().zip(&axes).rev() {
                *i += 1;
                if *i < a.1 {
                    break;
                }
                *i = 0;
            }
        }
    }
}
