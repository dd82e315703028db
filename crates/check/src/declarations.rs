//! `data`, `param`, `let`, `latent`, `loss`.

use fe_distribution::{Modifier, Support};
use fe_graph::Axis;
use fe_syntax::Span;
use fe_syntax::ast::{Declaration, Expr, ExprKind, Name};

use crate::checker::Checker;
use crate::distributions::Drawn;
use crate::kind::Kind;
use crate::messages;
use crate::program::{Data, Init, Loss, Named, Param};
use crate::range::Range;
use crate::reads::{bare, expression_reads};
use crate::scope::nearest;
use crate::source::Header;
use crate::tables::compared_level;
use crate::types::Declared;
use crate::value::{Along, Level, Value, along};

/// The most elements of one parameter.
const MOST_ELEMENTS: usize = 1 << 31;

impl<'a> Checker<'a> {
    /// `data x[N, D] : unit = idx("…") / 255`
    pub fn datum(&mut self, d: &'a Declaration) -> Value {
        let name = &d.target.name;
        let axes = self.target_axes(&d.target);
        // Without a header nothing is known of levels; why there is none is said elsewhere.
        self.said.incomplete |= self.headers.is_some() && self.header_of(d).is_none();
        let ty = d.ty.as_ref().map(|t| self.declared_type(t));
        let source = self.source(d);
        if let Some((call, _)) = &source {
            self.found.sources.push(call.clone());
        }
        let (Some(axes), Some((call, whole))) = (axes, source) else { return Value::poison(name.span) };
        match self.header_of(d) {
            Some(header) => {
                let fits = self.fit_header(d, &axes, &header, call.span);
                let typed = self.fit_levels(d, ty.and_then(|t| t), &header, whole);
                if !fits || !typed {
                    return Value::poison(name.span);
                }
            }
            None => self.said.incomplete = true,
        }
        let ty = match ty {
            Some(None) => return Value::poison(name.span),
            Some(Some(ty)) => Some(ty),
            None => None,
        };
        let order: Vec<Axis> = axes.iter().map(|a| a.0).collect();
        let (input, node) = self.graph.input(&name.value, &order);
        let range = Range::REAL;
        let raw = Value { axes: axes.clone(), ..Value::scalar(node, range, Level::Data, whole) };
        let value = match (compared_level(d, whole), self.header_of(d)) {
            (Some(compared), Some(header)) => self.level_as_truth(&raw, &header, compared, d.value.span),
            (Some(_), None) => Value::poison(d.value.span),
            _ => {
                self.source_value = Some((whole, raw));
                let value = self.expression(&d.value, None);
                self.source_value = None;
                value
            }
        };
        let value = self.fit_axes(value, &axes, &name.value, d.target.span);
        if value.poison {
            return Value::poison(name.span);
        }
        if value.level > Level::Data {
            return self.fail(messages::data_reads(&name.value, value.span), name.span);
        }
        let support = ty.map_or(Support::Real, |t| t.support);
        let place = d.ty.as_ref().map_or(name.span, |t| t.span);
        if !self.lies_along(&name.value, support, &order, place) {
            return Value::poison(name.span);
        }
        let optional = d.ty.as_ref().is_some_and(|t| t.optional);
        let number = self.found.data.len();
        self.found.data.push(Data {
            name: name.value.clone(),
            input,
            axes: order.clone(),
            node: value.node,
            support,
            optional,
            index: ty.and_then(|t| t.index),
            for_holdout: false,
            span: name.span,
        });
        let range = if ty.is_some() { Range::of(support) } else { value.range };
        Value {
            axes,
            along: along(support, &order),
            index: ty.and_then(|t| t.index),
            datum: Some(number),
            ..Value::scalar(value.node, range, Level::Data, name.span)
        }
    }

    /// A column of text is an index.
    fn fit_levels(&mut self, d: &Declaration, ty: Option<Declared>, header: &Header, source: Span) -> bool {
        let Some(levels) = &header.levels else { return true };
        if compared_level(d, source).is_some() {
            return true;
        }
        match ty {
            Some(Declared { index: Some(axis), .. }) => {
                let size = self.graph.extent_of(axis);
                // Several columns may have levels of one axis.
                let levels = self.labels.get(&axis).map_or(levels.len(), Vec::len);
                if size == levels {
                    return true;
                }
                let (axis_name, entry) = (self.graph.axis_name(Axis::plain(axis)), self.axes.entry(axis).cloned());
                let place = d.ty.as_ref().map_or(source, |t| t.span);
                let stated = entry.map(|e| e.stated);
                self.report(messages::level_count(&d.target.name.value, place, &axis_name, levels, size, stated));
                false
            }
            Some(ty) => {
                let place = d.ty.as_ref().map_or(source, |t| t.span);
                self.report(match ty.support {
                    Support::Bool => messages::text_as_truth(&d.target.name.value, place, source, levels),
                    _ => messages::text_data(&d.target.name.value, place, source, levels),
                });
                false
            }
            // A type that was wrong has been reported.
            None if d.ty.is_some() => true,
            None => {
                self.report(messages::text_data(&d.target.name.value, d.target.span, source, levels));
                false
            }
        }
    }

    /// Data of text, 1 where they are at a level.
    fn level_as_truth(&mut self, raw: &Value, header: &Header, compared: (&str, Span, bool), span: Span) -> Value {
        let (text, place, same) = compared;
        let Some(levels) = &header.levels else {
            return self.fail(messages::text_against_number(place, raw.span), span);
        };
        let Some(k) = levels.iter().position(|l| l == text) else {
            let near = nearest(text, levels.iter().map(String::as_str)).map(str::to_owned);
            let known = [("the column".to_owned(), levels.clone())];
            return self.fail(messages::unknown_label(text, place, near.as_deref(), &known), span);
        };
        let level = self.graph.constant(k as f64);
        let equal = self.graph.equal(raw.node, level);
        let one = self.graph.constant(1.0);
        let node = if same { equal } else { self.graph.sub(one, equal) };
        raw.derived(node, Range::TRUTH, span)
    }

    /// `param W[K, D] = normal(0, 0.05)`
    pub fn param(&mut self, d: &'a Declaration) -> Value {
        let name = &d.target.name;
        let axes = self.target_axes(&d.target);
        let ty = d.ty.as_ref().map(|t| (t.span, self.plain_type(t)));
        let init = self.init(d, axes.as_deref());
        let (Some(axes), Some(init)) = (axes, init) else { return Value::poison(name.span) };
        let support = match ty {
            None => Support::Real,
            Some((_, None)) => return Value::poison(name.span),
            Some((place, Some(ty))) => match ty.support {
                s if s.is_discrete() => {
                    return self.fail(messages::discrete_param(&name.value, place, s), name.span);
                }
                s => s,
            },
        };
        let order: Vec<Axis> = axes.iter().map(|a| a.0).collect();
        let size = order.iter().try_fold(1usize, |n, a| n.checked_mul(self.graph.extent_of(a.id)));
        if size.is_none_or(|n| n > MOST_ELEMENTS) {
            return self.fail(messages::param_too_large(&name.value, d.target.span), name.span);
        }
        let place = ty.map_or(name.span, |t| t.0);
        if !self.lies_along(&name.value, support, &order, place) {
            return Value::poison(name.span);
        }
        let row = self.row.map(|r| Axis::plain(r.axis));
        let tied = order.iter().rev().take(support.rank()).find(|&&a| Some(a) == row);
        if let Some(&axis) = tied {
            let axis = self.graph.axis_name(axis);
            return self.fail(messages::vector_type_over_rows(&name.value, support, place, &axis), name.span);
        }
        let fits = match support.rank() {
            0 => self.init_within(d, &init, support),
            _ => self.init_is_value(d.value.span, &init, support, &order, place),
        };
        if !fits {
            return Value::poison(name.span);
        }
        let free = support.free_axes(&mut self.graph, &order);
        let (input, raw) = self.graph.input(&name.value, &free);
        let node = support.constrain_along(&mut self.graph, raw, &free, &order).map_or(raw, |c| c.0);
        let along = along(support, &order);
        self.found.params.push(Param {
            name: name.value.clone(),
            input,
            axes: order,
            free,
            node,
            support,
            init,
            span: name.span,
        });
        Value { axes, along, ..Value::scalar(node, Range::interior(support), Level::Free, name.span) }
    }

    /// How a parameter starts.
    fn init(&mut self, d: &Declaration, axes: Option<&[(Axis, Span)]>) -> Option<Init> {
        let e = bare(&d.value);
        match e.kind.as_ref() {
            ExprKind::Error => {
                self.said.incomplete = true;
                None
            }
            ExprKind::Call { function, arguments } if Init::DRAWS.contains(&function.value.as_str()) => {
                let names: &[&str] = match function.value.as_str() {
                    "normal" => &["mean", "sd"],
                    "smooth" => &["sd"],
                    _ => &["low", "high"],
                };
                let mut values = vec![None; names.len()];
                for (k, argument) in arguments.iter().enumerate() {
                    let slot = match &argument.name {
                        Some(key) => names.iter().position(|n| *n == key.value),
                        None => Some(k),
                    };
                    let what = format!("an argument of `{}`", function.value);
                    let number = self.plain_number(&argument.value, &what);
                    match slot.and_then(|s| values.get_mut(s)) {
                        Some(place) => *place = Some(number?),
                        None => {
                            self.report(messages::init_arguments(function, argument.value.span));
                            return None;
                        }
                    }
                }
                let (a, b) = match *values.as_slice() {
                    [Some(sd)] => (0.0, sd),
                    [Some(a), Some(b)] => (a, b),
                    _ => {
                        self.report(messages::init_arguments(function, e.span));
                        return None;
                    }
                };
                if function.value == "smooth" {
                    if b < 0.0 {
                        self.report(messages::init_sd(e.span, b));
                        return None;
                    }
                    if axes?.is_empty() {
                        self.report(messages::smooth_number(function));
                        return None;
                    }
                    Some(Init::Smooth { sd: b })
                } else if function.value == "normal" {
                    if b < 0.0 {
                        self.report(messages::init_sd(e.span, b));
                        return None;
                    }
                    Some(Init::Normal { mean: a, sd: b })
                } else {
                    if a > b {
                        self.report(messages::init_ends(e.span, a, b));
                        return None;
                    }
                    Some(Init::Uniform { low: a, high: b })
                }
            }
            ExprKind::Call { function, .. } if fe_distribution::family(&function.value).is_some() => {
                self.report(messages::param_distribution(&d.target.name.value, function));
                None
            }
            ExprKind::List(_) => {
                let axes = axes?;
                let (values, shape) = self.numbers(e)?;
                let wanted: Vec<usize> = axes.iter().map(|a| self.graph.extent_of(a.0.id)).collect();
                if shape != wanted {
                    self.report(messages::init_shape(&d.target.name.value, e.span, &shape, &wanted, d.target.span));
                    return None;
                }
                Some(Init::Values(values))
            }
            ExprKind::Call { function, .. } if crate::data::READERS.contains(&function.value.as_str()) => {
                self.report(messages::reader_as_value(&function.value, function.span));
                None
            }
            _ => Some(Init::Constant(self.plain_number(&d.value, "the start of a param")?)),
        }
    }

    /// The start of a vector or a matrix is one of its type.
    fn init_is_value(&mut self, span: Span, init: &Init, support: Support, axes: &[Axis], ty: Span) -> bool {
        let n = axes.last().map_or(1, |a| self.graph.extent_of(a.id));
        let values = match init {
            Init::Values(values) => values.clone(),
            Init::Constant(v) => support.of_number(*v, n, axes.iter().map(|a| self.graph.extent_of(a.id)).product()),
            Init::Uniform { low, .. } if support == Support::Simplex && *low >= 0.0 => return true,
            Init::Uniform { .. } | Init::Normal { .. } if support == Support::Ordered => return true,
            Init::Uniform { .. } | Init::Normal { .. } | Init::Smooth { .. } => {
                self.report(messages::drawn_start(span, support, ty));
                return false;
            }
        };
        let outside = support.first_outside(&values, n);
        if support == Support::Simplex
            && let Some(one) = outside.and_then(|k| values.chunks(n.max(1)).nth(k))
            && one.iter().all(|v| *v >= 0.0)
        {
            self.report(messages::unnormalised_start(span, one.iter().sum(), ty));
            return false;
        }
        let inner = outside.is_none() && support.unconstrain_values(&values, n).is_some();
        if !inner {
            self.report(messages::start_of_no_value(span, support, ty));
        }
        inner
    }

    /// The start lies inside the type.
    fn init_within(&mut self, d: &Declaration, init: &Init, support: Support) -> bool {
        let (low, high) = support.bounds();
        let inside = |v: f64| low < v && v < high || support == Support::Real;
        let outside = match init {
            Init::Constant(v) => (!inside(*v)).then_some(*v),
            Init::Values(all) => all.iter().copied().find(|&v| !inside(v)),
            Init::Uniform { low: a, high: b } => {
                let (a_out, b_out) = (*a < low, *b > high);
                if a_out { Some(*a) } else { b_out.then_some(*b) }
            }
            // A Normal draw may fall anywhere.
            Init::Normal { .. } | Init::Smooth { .. } => {
                if support != Support::Real {
                    self.report(messages::init_normal_outside(d.value.span, support));
                    return false;
                }
                None
            }
        };
        let Some(v) = outside else { return true };
        self.report(messages::init_outside(d.value.span, v, support, d.ty.as_ref().map(|t| t.span)));
        false
    }

    /// `let h[N, K] = …`
    pub fn definition(&mut self, d: &'a Declaration) -> Value {
        let name = &d.target.name;
        let declared = d.target.axes.as_ref().map(|_| self.target_axes(&d.target));
        let ty = d.ty.as_ref().map(|t| self.plain_type(t));
        let hint: Option<Vec<Axis>> = declared.clone().flatten().map(|axes| axes.iter().map(|a| a.0).collect());
        if let ExprKind::Call { function, .. } = bare(&d.value).kind.as_ref()
            && fe_distribution::family(&function.value).is_some()
            && self.scope.get(&function.value).is_none()
        {
            let (target, family) = (&name.value, function.value.as_str());
            return self.fail(messages::let_distribution(target, family, function.span, d.value.span), name.span);
        }
        self.axes_unknown = matches!(declared, Some(None));
        let mut value = self.at_site(name.value.clone(), |c| c.expression(&d.value, hint.as_deref()));
        self.axes_unknown = false;
        value = match declared {
            Some(Some(axes)) => {
                let mut value = self.fit_axes(value, &axes, &name.value, d.target.span);
                if !value.poison {
                    // The declared order counts, and axes it lacks are repeated along.
                    let order: Vec<Axis> = axes.iter().map(|a| a.0).collect();
                    // 1/K for each of K: the shares are equal.
                    let equal = self.graph.constant_value(value.node).zip(order.last());
                    let equal = equal.filter(|(c, k)| (c * self.graph.extent_of(k.id) as f64 - 1.0).abs() < 1e-9);
                    value.along = equal.map(|(_, &k)| Along::Simplex(k)).or(value.along);
                    value.node = self.graph.broadcast(value.node, &order);
                    value.axes = axes;
                }
                value
            }
            Some(None) => Value::poison(name.span),
            None => self.drop_primes(value),
        };
        if value.poison || matches!(ty, Some(None)) {
            return Value::poison(name.span);
        }
        if let Some(Some(ty)) = ty {
            let fits = value.range.within(ty.support) || value.level == Level::Data || ty.index.is_some();
            let vector = ty.support.rank() > 0;
            if !fits && !vector {
                let place = d.ty.as_ref().map_or(d.value.span, |t| t.span);
                let message = messages::let_type(&name.value, place, ty.support, value.span, value.range);
                return self.fail(message, name.span);
            }
            value.index = ty.index.or(value.index);
            let known = along(ty.support, &value.order());
            if vector && (known.is_none() || known != value.along) && value.level != Level::Data {
                let place = d.ty.as_ref().map_or(d.value.span, |t| t.span);
                return self.fail(messages::let_vector_type(&name.value, place, ty.support, value.span), name.span);
            }
            if !vector {
                value.range = Range::of(ty.support);
            }
        }
        // What a loop does not declare over its steps is local to one.
        if self.loops.current.as_ref().is_none_or(|c| value.has(c.axis) && d.target.axes.is_some()) {
            self.found.lets.push(Named {
                name: name.value.clone(),
                node: value.node,
                axes: value.order(),
                span: name.span,
            });
        }
        Value { axis: None, span: name.span, ..value }
    }

    /// `loss mse = …`
    pub fn loss(&mut self, name: &Name, axes: &'a [fe_syntax::ast::AxisRef], value: &'a Expr, span: Span) -> Value {
        let declared = if axes.is_empty() { None } else { Some(self.axis_refs(axes)) };
        let hint: Option<Vec<Axis>> = declared.clone().flatten().map(|axes| axes.iter().map(|a| a.0).collect());
        let mut result = self.at_site(name.value.clone(), |c| c.expression(value, hint.as_deref()));
        result = match declared {
            Some(Some(axes)) => self.fit_axes(result, &axes, &name.value, name.span),
            Some(None) => Value::poison(name.span),
            None => self.drop_primes(result),
        };
        if result.poison {
            return Value::poison(name.span);
        }
        if matches!(&result.unit, Some(unit) if *unit != fe_syntax::ast::Unit::Nats) {
            return self.fail(messages::loss_unit(result.span), name.span);
        }
        self.found.losses.push(Loss { name: name.value.clone(), node: result.node, span });
        Value { axis: None, unit: None, span: name.span, ..result }
    }

    /// No argument of a distribution brings an axis that the left side lacks; its category axis apart.
    pub fn axes_fit(&mut self, drawn: &Drawn, left: &[(Axis, Span)], name: &str, place: Span) -> bool {
        let mut extra: Vec<(String, Span)> = vec![];
        for (_, value, _) in &drawn.args {
            for &(axis, came) in &value.axes {
                let event = drawn.distribution.event;
                let vector = drawn.distribution.family.is_vector() && event.map(Axis::primed) == Some(axis);
                let mixed = drawn.distribution.modifiers.contains(&Modifier::Mixture(axis));
                let known = left.iter().any(|l| l.0 == axis) || event == Some(axis) || vector || mixed;
                let name = self.graph.axis_name(axis);
                if !known && !extra.iter().any(|e| e.0 == name) {
                    extra.push((name, came));
                }
            }
        }
        if extra.is_empty() {
            return true;
        }
        let have = self.axis_names(&left.iter().map(|a| a.0).collect::<Vec<_>>());
        let picked = self.picked(drawn, &extra, left);
        let picked = picked.as_ref().map(|(array, index)| (array.as_str(), index.as_str()));
        self.report(messages::extra_axes(name, place, &have, &extra, picked, drawn.span));
        false
    }

    /// The array of an argument that brings an axis too many, and data that count along that axis for each element on the left.
    fn picked(&self, drawn: &Drawn, extra: &[(String, Span)], left: &[(Axis, Span)]) -> Option<(String, String)> {
        let [(axis, came)] = extra else { return None };
        let mut reads = vec![];
        drawn.args.iter().for_each(|(_, _, e)| expression_reads(e, &mut reads));
        let (array, _) = reads.into_iter().find(|r| r.1 == *came)?;
        let counts = |v: &Value| {
            let along = v.index.is_some_and(|id| self.graph.axis_name(Axis::plain(id)) == *axis);
            along && v.axes.iter().all(|a| left.iter().any(|l| l.0 == a.0))
        };
        let data = self.scope.order.iter().filter(|n| self.scope.get(n).is_some_and(|e| e.kind == Kind::Data));
        let index = data.copied().find(|n| self.values.get(*n).is_some_and(counts))?;
        Some((array.to_owned(), index.to_owned()))
    }
}
