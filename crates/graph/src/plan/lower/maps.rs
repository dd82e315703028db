//! Element-wise operations: made once for equal operands, and worked out at once on numbers.

use std::sync::Arc;

use super::{Lowering, Operation, Value};
use crate::op::{Binary, Real, Unary};
use crate::plan::Map;
use crate::plan::view::View;
use crate::special;
use crate::tensor::Tensor;

/// An element-wise operation on its operands: equal keys are one stored value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct MapKey {
    map: Map,
    operands: Vec<OperandKey>,
}

/// An operand as part of a key. All numbers that are none are one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum OperandKey {
    Number(Real),
    View(View),
}

impl MapKey {
    fn new(map: Map, operands: &[Value]) -> Self {
        let key = |operand: &Value| match operand {
            Value::Number(v) => OperandKey::Number(Real(if v.is_nan() { f64::NAN } else { *v })),
            Value::View(view) => OperandKey::View(view.clone()),
        };
        Self { map, operands: operands.iter().map(key).collect() }
    }
}

impl Lowering<'_> {
    pub(super) fn map(&mut self, map: Map, operands: &[Value]) -> Value {
        let numbers: Vec<f64> =
            operands.iter().filter_map(|o| if let Value::Number(v) = o { Some(*v) } else { None }).collect();
        if numbers.len() == operands.len() {
            return Value::Number(evaluate(map, &numbers));
        }
        let neutral = |op: Binary, place: usize| match (op, operands.get(place)) {
            (Binary::Add, Some(Value::Number(v))) => *v == 0.0,
            (Binary::Sub, Some(Value::Number(v))) => place == 1 && *v == 0.0,
            (Binary::Mul, Some(Value::Number(v))) => *v == 1.0,
            (Binary::Div, Some(Value::Number(v))) => place == 1 && *v == 1.0,
            _ => false,
        };
        if let (Map::Binary(op), [a, b]) = (map, operands) {
            if neutral(op, 1) {
                return a.clone();
            }
            if neutral(op, 0) {
                return b.clone();
            }
        }
        if let Some(list) = self.constant_list(map, operands) {
            return list;
        }
        let key = MapKey::new(map, operands);
        if let Some(known) = self.maps.get(&key) {
            return known.clone();
        }
        let mut axes = vec![];
        for o in operands {
            axes.extend(self.axes_of(o));
        }
        let axes = self.layout(&axes);
        let class = self.class_of(&axes);
        let id = self.push(Operation::Map(map), operands.to_vec(), axes, class);
        let value = self.whole(id);
        self.maps.insert(key, value.clone());
        value
    }

    /// A function of a list that is part of the program, and of numbers: positions moved along, for the most part.
    fn constant_list(&mut self, map: Map, operands: &[Value]) -> Option<Value> {
        let view = operands.iter().find_map(Value::view)?;
        let node = self.nodes.get(view.buffer)?;
        let Operation::Literal(list) = &node.operation else { return None };
        let (list, axes) = (list.clone(), node.axes.clone());
        let [(axis, extent)] = *axes.as_slice() else { return None };
        let same = |o: &Value| o.view().is_none_or(|v| v == view);
        if list.len() != extent || view.size() != extent || view.stride(axis) != 1 || !operands.iter().all(same) {
            return None;
        }
        let at =
            |v: f64| -> Vec<f64> { operands.iter().map(|o| if let Value::Number(n) = o { *n } else { v }).collect() };
        let values = list.values.iter().map(|&v| evaluate(map, &at(v))).collect();
        let list = Operation::Literal(Arc::new(Tensor { shape: vec![extent], values }));
        Some(self.given(list, &[axis]))
    }
}

/// An element-wise operation on numbers.
fn evaluate(map: Map, operands: &[f64]) -> f64 {
    match (map, operands) {
        (Map::Copy, &[a]) => a,
        (Map::Unary(op), &[a]) => special::unary(op, a),
        (Map::Binary(op), &[a, b]) => special::binary(op, a, b),
        (Map::Select, &[c, a, b]) => {
            if c != 0.0 {
                a
            } else {
                b
            }
        }
        _ => f64::NAN,
    }
}

/// Rough cost of an element-wise operation, in additions.
pub fn cost(map: Map) -> usize {
    match map {
        Map::Unary(
            Unary::Neg | Unary::Square | Unary::Abs | Unary::Sign | Unary::Step | Unary::Relu | Unary::Floor,
        )
        | Map::Copy
        | Map::Select => 1,
        Map::Unary(Unary::Recip | Unary::Sqrt) | Map::Binary(Binary::Div) => 4,
        Map::Unary(
            Unary::LogGamma
            | Unary::Polygamma(_)
            | Unary::Erf
            | Unary::NormalCdf
            | Unary::LogNormalCdf
            | Unary::LogBesselI(_),
        )
        | Map::Binary(Binary::Pow) => 60,
        Map::Binary(op) if op.is_quantile() || op == Binary::GammaScore => 1000,
        Map::Unary(_) => 15,
        Map::Binary(_) => 1,
    }
}
