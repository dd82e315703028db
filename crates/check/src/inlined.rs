//! Functions of the program, whose bodies are put in the place of their calls: values, and distributions.

use std::collections::HashMap;

use fe_distribution::Family;
use fe_graph::{Axis, AxisId};
use fe_syntax::Span;
use fe_syntax::ast::{Argument, Expr, ExprKind, Name, StatementKind};

use crate::checker::Checker;
use crate::distributions::Drawn;
use crate::functions::Input;
use crate::kind::{Kind, Role};
use crate::messages;
use crate::reads::bare;
use crate::value::Value;

/// How many calls of the program's own functions may be inlined.
const MOST_CALLS: usize = 5_000;

/// How many functions may stand for one another where only the family of a distribution is asked for.
const MOST_ALIASES: usize = 64;

impl<'a> Checker<'a> {
    /// The value of a call.
    pub fn inlined(&mut self, function: &Name, inputs: Vec<Input>, span: Span) -> Value {
        let values: Vec<Value> = inputs.iter().map(|i| self.input(i)).collect();
        let named = inputs.iter().find_map(|i| if let Input::Named(n, _) = i { Some(*n) } else { None });
        let found = self.inside(function, (values, named), span, |c, body| c.expression(body, None));
        found.unwrap_or_else(|| Value::poison(span))
    }

    /// The distribution that a call of one of the program's functions is; `None` where it is no such call.
    pub fn inlined_distribution(
        &mut self,
        e: &Expr,
        left: &[(Axis, Span)],
        categories: Option<AxisId>,
        role: Role,
    ) -> Option<Option<Drawn>> {
        let (function, arguments) = self.own_call(e)?;
        let order: Vec<Axis> = left.iter().map(|a| a.0).collect();
        let hint = (!order.is_empty()).then_some(order.as_slice());
        let values: Vec<Value> = arguments.iter().map(|a| self.expression(&a.value, hint)).collect();
        let named = arguments.iter().find_map(|a| a.name.as_ref());
        let drawn = self.inside(function, (values, named), e.span, |c, body| {
            c.distribution(body, left, categories, role).map(|drawn| Drawn { span: e.span, ..drawn })
        });
        Some(drawn.flatten())
    }

    /// A call of one of the program's functions.
    fn own_call<'e>(&self, e: &'e Expr) -> Option<(&'e Name, &'e [Argument])> {
        let ExprKind::Call { function, arguments } = bare(e).kind.as_ref() else { return None };
        let known = fe_distribution::family(&function.value).is_some();
        let own = self.scope.get(&function.value).is_some_and(|entry| entry.kind == Kind::Fn);
        (own && !known).then_some((function, arguments))
    }

    /// The family that a distribution is of, as far as its text says, through functions of the program.
    pub fn family_written(&self, e: &Expr) -> Option<&'static dyn Family> {
        let mut at = e;
        for _ in 0..MOST_ALIASES {
            let ExprKind::Call { function, .. } = bare(at).kind.as_ref() else { return None };
            if let Some(family) = fe_distribution::family(&function.value) {
                return Some(family);
            }
            let StatementKind::Fn { body, .. } = &self.scope.get(&function.value)?.statement.kind else { return None };
            at = body;
        }
        None
    }

    /// What `then` makes of the body of a function, its parameters being the values given; `None` where the call is wrong,
    /// which is said.
    fn inside<T>(
        &mut self,
        function: &Name,
        (values, named): (Vec<Value>, Option<&Name>),
        span: Span,
        then: impl FnOnce(&mut Self, &'a Expr) -> T,
    ) -> Option<T> {
        let StatementKind::Fn { name, parameters, body } = &self.scope.get(&function.value)?.statement.kind else {
            return None;
        };
        if self.said.cyclic.contains(function.value.as_str()) {
            return None;
        }
        if let Some(named) = named {
            self.report(messages::fn_named_argument(&name.value, named));
            return None;
        }
        if values.len() != parameters.len() {
            let names: Vec<&str> = parameters.iter().map(|p| p.value.as_str()).collect();
            self.report(messages::fn_arity(&name.value, &names, values.len(), span, name.span));
            return None;
        }
        self.inlining.inlined += 1;
        if self.inlining.inlined > MOST_CALLS {
            if self.inlining.inlined == MOST_CALLS + 1 {
                self.report(messages::too_many_calls(span, MOST_CALLS));
            }
            return None;
        }
        let locals: HashMap<String, Value> = parameters.iter().map(|p| p.value.clone()).zip(values).collect();
        self.inlining.locals.push(locals);
        self.inlining.calls.push(span);
        let found = then(self, body);
        self.inlining.calls.pop();
        self.inlining.locals.pop();
        Some(found)
    }
}
