//! Calls: functions of the program, built-in functions, layers.

use fe_distribution::Support;
use fe_graph::{Axis, Unary};
use fe_syntax::Span;
use fe_syntax::ast::{Argument, Expr, ExprKind, Name};

use crate::checker::Checker;
use crate::kind::Kind;
use crate::layers::{Called, Layer};
use crate::messages;
use crate::program::Init;
use crate::range::{Ends, Range};
use crate::reads::bare;
use crate::scope::nearest;
use crate::value::{Along, Level, Value};

/// An argument: an expression, or the value that a pipe brings.
#[derive(Clone, Debug)]
pub(crate) enum Input<'e> {
    Value(Value),
    Expr(&'e Expr),
    Named(&'e Name, &'e Expr),
}

impl<'e> From<&'e Argument> for Input<'e> {
    fn from(a: &'e Argument) -> Self {
        match &a.name {
            Some(name) => Input::Named(name, &a.value),
            None => Input::Expr(&a.value),
        }
    }
}

impl Input<'_> {
    pub fn span(&self) -> Span {
        match self {
            Input::Value(v) => v.span,
            Input::Expr(e) => e.span,
            Input::Named(n, e) => n.span.to(e.span),
        }
    }
}

/// Element-wise functions of one argument.
const ELEMENTWISE: [(&str, Unary); 17] = [
    ("exp", Unary::Exp),
    ("log", Unary::Log),
    ("log1p", Unary::Log1p),
    ("expm1", Unary::Expm1),
    ("sqrt", Unary::Sqrt),
    ("abs", Unary::Abs),
    ("sign", Unary::Sign),
    ("relu", Unary::Relu),
    ("tanh", Unary::Tanh),
    ("sigmoid", Unary::Sigmoid),
    ("softplus", Unary::Softplus),
    ("sin", Unary::Sin),
    ("cos", Unary::Cos),
    ("floor", Unary::Floor),
    ("erf", Unary::Erf),
    ("Phi", Unary::NormalCdf),
    ("lgamma", Unary::LogGamma),
];

/// The others but layers, with how they are called.
const OTHERS: [(&str, &str); 27] = [
    ("round", "round(x)"),
    ("ceil", "ceil(x)"),
    ("sd", "sd(x, D)"),
    ("log_softmax", "log_softmax(x, D)"),
    ("arange", "arange(N)"),
    ("dot", "dot(a, b)"),
    ("solve", "solve(A, b)"),
    ("silu", "silu(x)"),
    ("logit", "logit(p)"),
    ("digamma", "digamma(x)"),
    ("sum", "sum(x, D)"),
    ("mean", "mean(x, D)"),
    ("max", "max(x, D) or max(a, b)"),
    ("min", "min(x, D) or min(a, b)"),
    ("softmax", "softmax(x, D)"),
    ("logsumexp", "logsumexp(x, D)"),
    ("transpose", "transpose(x)"),
    ("eye", "eye(N)"),
    ("diag", "diag(x)"),
    ("onehot", "onehot(x, K)"),
    ("cholesky", "cholesky(x)"),
    ("slice", "slice(x, N, start, end)"),
    ("concat", "concat(a, b, K)"),
    ("normal", "normal(0, 0.05)"),
    ("uniform", "uniform(-1, 1)"),
    ("smooth", "smooth(1)"),
    ("standardize", "standardize"),
];

/// Functions of other languages, and what is written here.
const HABITS: [(&str, &str); 39] = [
    ("rint", "it is called `round(x)`"),
    ("nint", "it is called `round(x)`"),
    ("matmul", "a product that sums over an axis is written `a @ b`"),
    ("mm", "a product that sums over an axis is written `a @ b`"),
    ("einsum", "a product that sums over an axis is written `a @ b`, or `sum(a * b, S)`"),
    ("ln", "the natural logarithm is `log(x)`"),
    ("pow", "a power is written `a ^ b`"),
    ("square", "a power is written `x ^ 2`"),
    ("logistic", "it is called `sigmoid(x)`"),
    ("expit", "it is called `sigmoid(x)`"),
    ("inv_logit", "it is called `sigmoid(x)`"),
    ("gammaln", "it is called `lgamma(x)`"),
    ("fabs", "it is called `abs(x)`"),
    ("maximum", "it is called `max(a, b)`"),
    ("minimum", "it is called `min(a, b)`"),
    ("clip", "write `min(max(x, low), high)`"),
    ("clamp", "write `min(max(x, low), high)`"),
    ("where", "write `if condition then a else b`"),
    ("ifelse", "write `if condition then a else b`"),
    ("if_else", "write `if condition then a else b`"),
    ("log_sum_exp", "it is called `logsumexp(x, D)`"),
    ("inv", "a system of equations is solved by `solve(A, b)`, and the inverse of A is `solve(A, eye(N))`"),
    ("swish", "it is called `silu(x)`"),
    ("linear", "an affine layer is `dense(64)`"),
    ("conv2d", "a convolution is `conv(32, kernel = 3)`"),
    ("conv_transpose", "the transpose of a convolution is `deconv(32, kernel = 4, stride = 2)`"),
    ("convtranspose2d", "the transpose of a convolution is `deconv(32, kernel = 4, stride = 2)`"),
    ("avg_pool", "means of squares are `pool(2)`"),
    (
        "batch_norm",
        "a mean over the rows of a batch would couple them: write `norm(groups = 8)`, of each row by itself",
    ),
    ("batchnorm", "a mean over the rows of a batch would couple them: write `norm(groups = 8)`, of each row by itself"),
    ("group_norm", "write `norm(groups = 8)`"),
    ("layer_norm", "write `norm(1)`"),
    ("reshape", "axes are named anew by `x |> as[3, 32, 32]`"),
    ("zeros", "a number fits every axis: write `0`"),
    ("ones", "a number fits every axis: write `1`"),
    ("rep_vector", "a number fits every axis: write the number"),
    ("range", "the numbers 0, 1, 2, … along an axis are `arange(N)`"),
    ("normal_cdf", "it is called `Phi(x)`"),
    ("std", "it is called `sd(x, D)`, and divides by n − 1"),
];

/// Functions of other languages that count elements.
const LENGTHS: [&str; 8] = ["len", "length", "size", "nrow", "ncol", "rows", "cols", "num_elements"];

/// Whether a name is a function's.
pub(crate) fn is_function(name: &str) -> bool {
    function_names().any(|known| known == name)
}

pub(crate) fn function_names() -> impl Iterator<Item = &'static str> {
    let layers = Layer::ALL.into_iter().map(Layer::name);
    ELEMENTWISE.iter().map(|f| f.0).chain(OTHERS.iter().map(|f| f.0)).chain(layers)
}

impl<'a> Checker<'a> {
    /// The value of a call.
    pub fn call(&mut self, function: &Name, inputs: Vec<Input>, span: Span) -> Value {
        let name = function.value.as_str();
        if let Some(entry) = self.scope.get(name) {
            match entry.kind {
                Kind::Fn => return self.inlined(function, inputs, span),
                Kind::Unknown => return Value::poison(span),
                _ if !is_function(name) => {
                    self.elaborate_all(&inputs);
                    return self.fail(messages::call_of_value(name, entry.kind, function.span, entry.span), span);
                }
                _ => {}
            }
        }
        if let Some(&(_, op)) = ELEMENTWISE.iter().find(|f| f.0 == name) {
            let Some([x]) = self.exactly(function, inputs, span) else { return Value::poison(span) };
            let range = elementwise_range(op, x.range);
            return if x.poison { Value::poison(span) } else { self.elementwise(op, &x, range, span) };
        }
        if let Some(called) = Called::of(function, span) {
            return self.layer(called, inputs);
        }
        match name {
            "sum" | "mean" | "sd" | "max" | "min" | "softmax" | "log_softmax" | "logsumexp" => {
                self.reduction(function, inputs, span)
            }
            "arange" => self.arange(function, inputs, span),
            "dot" => self.dot(function, inputs, span),
            "solve" => self.solve(function, inputs, span),
            "silu" | "logit" | "digamma" | "round" | "ceil" => self.composite(function, inputs, span),
            "transpose" => self.transpose(function, inputs, span),
            "cholesky" => self.cholesky(function, inputs, span),
            "eye" | "diag" => self.diagonal(function, inputs, span),
            "onehot" => self.onehot(function, inputs, span),
            "slice" => self.slice(function, inputs, span),
            "concat" => self.concat(function, inputs, span),
            _ => {
                let first = inputs.first().map(|i| self.input(i));
                self.elaborate_all(inputs.get(1..).unwrap_or_default());
                self.unknown_function(function, first, span)
            }
        }
    }

    /// So that mistakes inside the arguments of a wrong call are reported too.
    fn elaborate_all(&mut self, inputs: &[Input]) {
        for input in inputs {
            match input {
                Input::Expr(e) | Input::Named(_, e) => {
                    if !matches!(bare(e).kind.as_ref(), ExprKind::List(_) | ExprKind::Text(_)) {
                        self.expression(e, None);
                    }
                }
                Input::Value(_) => {}
            }
        }
    }

    fn unknown_function(&mut self, function: &Name, first: Option<Value>, span: Span) -> Value {
        let name = function.value.as_str();
        if LENGTHS.contains(&name) {
            let axes = first.map(|v| v.order()).unwrap_or_default();
            let axis = if name.starts_with("nc") || name == "cols" { axes.last() } else { axes.first() };
            let axis = axis.map(|&a| self.graph.axis_name(a));
            return self.fail(messages::length_habit(name, function.span, axis.as_deref()), span);
        }
        if let Some(family) = fe_distribution::family(name) {
            return self.fail(messages::distribution_as_value(family.name(), function.span), span);
        }
        if Init::DRAWS.contains(&name) {
            return self.fail(messages::draw_as_value(name, function.span), span);
        }
        if matches!(name, "standardize" | "whiten") {
            return self.fail(messages::stage_as_function(name, function.span), span);
        }
        if crate::data::READERS.contains(&name) {
            return self.fail(messages::reader_as_value(name, function.span), span);
        }
        if !self.said.unknown.insert(format!("{name}(")) {
            return Value::poison(span);
        }
        if let Some((_, instead)) = HABITS.iter().find(|h| h.0 == name.to_lowercase()) {
            return self.fail(messages::function_habit(name, function.span, instead), span);
        }
        let own = self.scope.names(|k| k == Kind::Fn);
        let known: Vec<&str> = function_names().map(|f| -> &str { f }).chain(own).collect();
        let near = nearest(name, known).map(str::to_owned);
        self.fail(messages::unknown_function(name, function.span, near.as_deref()), span)
    }

    /// The value of one argument.
    pub fn input(&mut self, input: &Input) -> Value {
        match input {
            Input::Value(v) => v.clone(),
            Input::Expr(e) | Input::Named(_, e) => self.expression(e, None),
        }
    }

    /// Just so many unnamed arguments.
    pub fn exactly<const N: usize>(&mut self, function: &Name, inputs: Vec<Input>, span: Span) -> Option<[Value; N]> {
        let values: Vec<Value> = inputs.iter().map(|i| self.input(i)).collect();
        if let Some(Input::Named(name, _)) = inputs.iter().find(|i| matches!(i, Input::Named(..))) {
            self.report(messages::named_argument(&function.value, &name.value, name.span, usage(&function.value)));
            return None;
        }
        let given = values.len();
        match values.try_into() {
            Ok(values) => Some(values),
            Err(_) => {
                let extra = inputs.get(N).map(Input::span);
                self.report(messages::arity(&function.value, N, given, extra.unwrap_or(span), usage(&function.value)));
                None
            }
        }
    }

    fn composite(&mut self, function: &Name, inputs: Vec<Input>, span: Span) -> Value {
        let Some([x]) = self.exactly(function, inputs, span) else { return Value::poison(span) };
        if x.poison {
            return x;
        }
        match function.value.as_str() {
            "silu" => {
                let gate = self.graph.sigmoid(x.node);
                let node = self.graph.mul(x.node, gate);
                x.derived(node, Range { low: -0.279, ..x.range.hull(Range::point(0.0)) }, span)
            }
            "logit" => {
                let one = self.graph.constant(1.0);
                let rest = self.graph.sub(one, x.node);
                let (a, b) = (self.graph.log(x.node), self.graph.log(rest));
                let node = self.graph.sub(a, b);
                x.derived(node, Range::REAL, span)
            }
            "round" => {
                let half = self.graph.constant(0.5);
                let above = self.graph.add(x.node, half);
                let node = self.graph.unary(Unary::Floor, above);
                x.derived(node, steps(x.range, |v| (v + 0.5).floor()), span)
            }
            "ceil" => {
                let below = self.graph.neg(x.node);
                let floor = self.graph.unary(Unary::Floor, below);
                let node = self.graph.neg(floor);
                x.derived(node, steps(x.range, f64::ceil), span)
            }
            _ => {
                let node = self.graph.unary(Unary::Polygamma(0), x.node);
                x.derived(node, Range::REAL, span)
            }
        }
    }

    /// Reductions over named axes; left out, the last axis, and never the row axis.
    fn reduction(&mut self, function: &Name, inputs: Vec<Input>, span: Span) -> Value {
        let name = function.value.as_str();
        let Some((first, rest)) = inputs.split_first() else {
            return self.fail(messages::arity(name, 1, 0, span, usage(name)), span);
        };
        if let Some(Input::Named(argument, _)) = inputs.iter().find(|i| matches!(i, Input::Named(..))) {
            self.elaborate_all(&inputs);
            return self.fail(messages::reduction_keyword(name, &argument.value, argument.span), span);
        }
        let x = self.input(first);
        let mut over: Vec<(Axis, Span)> = vec![];
        let mut elementwise = None;
        for input in rest {
            let axis = match input {
                Input::Expr(e) if self.can_only_be_an_axis(e) => match self.axis(bare(e)) {
                    Some(axis) => Some(axis),
                    None => return Value::poison(span),
                },
                other => {
                    let value = self.input(other);
                    if value.poison && value.axis.is_none() {
                        return Value::poison(span);
                    }
                    let axis = value.axis.or_else(|| self.size_as_axis(name, &value, &x));
                    if axis.is_none() {
                        elementwise = Some(value);
                    }
                    axis
                }
            };
            over.extend(axis.map(|a| (a, input.span())));
        }
        if x.poison {
            return x;
        }
        if let Some(other) = elementwise {
            if matches!(name, "max" | "min") && rest.len() == 1 {
                return self.extremum(name, x, other, span);
            }
            let have = self.axis_names(&x.order());
            return self.fail(messages::reduction_axis(name, other.span, &have), span);
        }
        if over.is_empty() {
            let row = self.row.map(|r| Axis::plain(r.axis));
            match x.axes.last() {
                None => return self.fail(messages::reduce_scalar(name, x.span), span),
                Some(&(axis, _)) if Some(axis) == row => {
                    let axis = self.graph.axis_name(axis);
                    return self.fail(messages::reduce_rows(name, x.span, &axis), span);
                }
                Some(&(axis, place)) => over.push((axis, place)),
            }
        }
        for &(axis, place) in &over {
            if !x.has(axis) {
                let (missing, have) = (self.graph.axis_name(axis), self.axis_names(&x.order()));
                return self.fail(messages::no_such_axis(&missing, place, &have, x.span), span);
            }
        }
        self.reduced(name, &x, &over, span)
    }

    /// A primed name, a quoted one, or one that is not declared.
    fn can_only_be_an_axis(&self, e: &Expr) -> bool {
        match bare(e).kind.as_ref() {
            ExprKind::Primed { .. } | ExprKind::Text(_) => true,
            ExprKind::Name(name) => {
                let local = self.inlining.locals.last().is_some_and(|l| l.contains_key(name));
                !local && self.scope.get(name).is_none() && name != "pi"
            }
            _ => false,
        }
    }

    /// The axis of `x` that a size names: `sum(x, 64)`. Between a number and an axis, `max` and `min` take the number.
    fn size_as_axis(&self, function: &str, size: &Value, x: &Value) -> Option<Axis> {
        let number = self.graph.constant_value(size.node).filter(|_| !matches!(function, "max" | "min"))?;
        let entry = self.axes.table.get(&crate::axes::whole_size(number)?.to_string())?;
        Some(Axis::plain(entry.id)).filter(|&a| x.has(a))
    }

    fn reduced(&mut self, name: &str, x: &Value, over: &[(Axis, Span)], span: Span) -> Value {
        let axes: Vec<Axis> = over.iter().map(|a| a.0).collect();
        if name == "sd" && axes.iter().map(|a| self.graph.extent_of(a.id)).product::<usize>() < 2 {
            let known = axes.iter().all(|a| self.axes.entry(a.id).is_some_and(|e| e.size.is_some()));
            if known {
                return self.fail(messages::sd_of_one(x.span), span);
            }
        }
        let rows = self.row.is_some_and(|r| axes.contains(&Axis::plain(r.axis)));
        if let (true, Some(batch), true) = (rows, self.batch, x.level >= Level::Free) {
            return self.fail(messages::rows_in_a_batch(name, span, batch), span);
        }
        let g = &mut self.graph;
        let (node, range, along) = match name {
            "sum" => (g.sum(x.node, &axes), x.range.sum(), None),
            "mean" => (g.mean(x.node, &axes), x.range.mean(), None),
            "max" => (g.max(x.node, &axes), x.range, None),
            "min" => {
                let n = g.neg(x.node);
                let m = g.max(n, &axes);
                (g.neg(m), x.range, None)
            }
            "logsumexp" => (g.logsumexp(x.node, &axes), Range::REAL, None),
            "log_softmax" => {
                let total = g.logsumexp(x.node, &axes);
                (g.sub(x.node, total), Range { high: 0.0, ..Range::REAL }, None)
            }
            "sd" => {
                let mean = g.mean(x.node, &axes);
                let off = g.sub(x.node, mean);
                let square = g.unary(Unary::Square, off);
                let total = g.sum(square, &axes);
                // The extent is looked up when the graph runs: a batch or new rows have another.
                let count = axes.iter().fold(None, |n, a| {
                    let extent = g.extent(a.id);
                    Some(n.map_or(extent, |n| g.mul(n, extent)))
                });
                let one = g.constant(1.0);
                let count = count.unwrap_or(one);
                let free = g.sub(count, one);
                let variance = g.div(total, free);
                (g.unary(Unary::Sqrt, variance), Range::POSITIVE, None)
            }
            _ => {
                let along = axes.first().filter(|_| axes.len() == 1).map(|&a| Along::Simplex(a));
                (g.softmax(x.node, &axes), Range::of(Support::Simplex), along)
            }
        };
        let mut value = x.derived(node, range, span);
        value.along = along;
        if !matches!(name, "softmax" | "log_softmax") {
            value.axes.retain(|a| !axes.contains(&a.0));
            value = self.drop_primes(value);
        }
        value
    }

    fn extremum(&mut self, name: &str, a: Value, b: Value, span: Span) -> Value {
        if b.poison {
            return b;
        }
        let (op, range) = if name == "max" {
            (fe_graph::Binary::Max, a.range.max(b.range))
        } else {
            (fe_graph::Binary::Min, a.range.min(b.range))
        };
        let node = self.graph.binary(op, a.node, b.node);
        Value { axes: a.joined(&b), ..Value::scalar(node, range, a.level.max(b.level), span) }
    }
}

/// The range of what goes up in steps: at its ends it is what it is beside them.
fn steps(x: Range, f: impl Fn(f64) -> f64) -> Range {
    Range { whole: true, ..Range { open: Ends::default(), ..x }.monotone(f) }
}

/// How a function is called.
pub(crate) fn usage(name: &str) -> String {
    let layer = Layer::named(name).map(Layer::usage);
    let known = layer.or_else(|| OTHERS.iter().find(|f| f.0 == name).map(|f| f.1));
    known.map_or_else(|| format!("{name}(x)"), str::to_owned)
}

fn elementwise_range(op: Unary, x: Range) -> Range {
    match op {
        Unary::Exp => x.exp(),
        Unary::Log if x.low > 0.0 => x.monotone(f64::ln),
        Unary::Log if x.low >= 0.0 && x.high <= 1.0 => Range { high: 0.0, ..Range::REAL },
        Unary::Log1p if x.low >= 0.0 => Range { zero: x.zero, ..x.monotone(f64::ln_1p) },
        Unary::Expm1 => x.monotone(f64::exp_m1),
        Unary::Sqrt => x.power(Some(0.5)),
        Unary::Abs => x.abs(),
        Unary::Relu => x.max(Range::point(0.0)),
        Unary::Tanh | Unary::Erf => Range { zero: x.zero, ..Range::CORRELATION },
        Unary::Sigmoid | Unary::NormalCdf => Range::PROPER_SHARE,
        Unary::Softplus => Range::POSITIVE,
        Unary::Sign => Range { low: -1.0, high: 1.0, zero: x.zero, whole: true, ..Range::REAL },
        Unary::Sin | Unary::Cos => Range { low: -1.0, high: 1.0, ..Range::REAL },
        Unary::Floor => steps(x, f64::floor),
        _ => Range::REAL,
    }
}
