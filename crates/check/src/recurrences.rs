//! `let`s of a loop that read one another's past, written backward (`s[t]` from `s[t-1]`) or forward (`s[t+1]` from
//! `s[t]`, from a start `s[0]`): together they become one loop, [`fe_graph::Graph::recur`].

use std::collections::HashMap;

use fe_distribution::Support;
use fe_graph::{Axis, NodeId, Recurrence};
use fe_syntax::Span;
use fe_syntax::ast::{Declaration, Expr, ExprKind, Statement, StatementKind};

use crate::checker::Checker;
use crate::loops::Loop;
use crate::messages;
use crate::range::Range;
use crate::reads::{bare, offset_of, parts, present_reads};
use crate::value::{Level, Value};

/// One of the `let`s.
struct Member<'a> {
    name: &'a str,
    declaration: &'a Declaration,
    /// The loop as it is for this one: of one that is written forward, along the axis that is longer by its start.
    chain: Option<Loop>,
    /// What one that is written forward starts from.
    start: Option<Value>,
}

impl Member<'_> {
    fn is_forward(&self) -> bool {
        self.start.is_some()
    }
}

/// Members of a recurrence that are read earlier.
struct Assumed<'a> {
    stand_ins: HashMap<&'a str, NodeId>,
    values: HashMap<&'a str, Value>,
}

impl<'a> Checker<'a> {
    /// `let`s of a loop that read one another's past, worked out together.
    pub fn recurrence(&mut self, names: &[&'a str], around: &'a Statement) {
        let mut members: Vec<(&'a str, &'a Declaration)> = vec![];
        for &name in names {
            if let Some(entry) = self.scope.get(name)
                && let StatementKind::Let(d) = &entry.statement.kind
            {
                members.push((name, d));
            }
        }
        let done = self.within(around.into(), |c| {
            let all: Option<Vec<Member>> = members.into_iter().map(|(name, d)| c.member(name, d)).collect();
            all.and_then(|all| c.recurrence_within(all))
        });
        if done.flatten().is_none() {
            for &name in names {
                self.values.insert(name, Value::poison(Span::default()));
            }
        }
    }

    /// A member with its start.
    fn member(&mut self, name: &'a str, d: &'a Declaration) -> Option<Member<'a>> {
        let ahead = self.ahead(&d.target)?;
        let Some(chain) = ahead else {
            return Some(Member { name, declaration: d, chain: self.loops.current.clone(), start: None });
        };
        let start = self.start_of(name, &d.target)?;
        let StatementKind::Let(first) = &start.kind else { return None };
        let rest = self.rest_of_start(&d.target, &first.target, first.ty.as_ref())?;
        let around = self.loops.current.take();
        let order: Vec<Axis> = rest.iter().map(|a| a.0).collect();
        let before = self.enter(start.span);
        let value = self.at_site(format!("{name}.start"), |c| c.expression(&first.value, Some(&order)));
        let value = self.fit_axes(value, &rest, name, first.target.span);
        self.leave(before);
        self.loops.current = around;
        (!value.poison).then_some(Member { name, declaration: d, chain: Some(chain), start: Some(value) })
    }

    /// What stands in for each member that is read earlier, and what is assumed of it.
    fn assumptions(&mut self, members: &[Member<'a>], around: &Loop) -> Option<Assumed<'a>> {
        let variable = &around.variable;
        let mut assumed = Assumed { stand_ins: HashMap::new(), values: HashMap::new() };
        for member in members {
            let (name, d) = (member.name, member.declaration);
            if !member.is_forward() && !members.iter().any(|m| reads_earlier(&m.declaration.value, name, variable)) {
                continue;
            }
            let chain = member.chain.clone()?;
            let along = chain.axis;
            self.loops.current = Some(chain);
            let axes = self.target_axes(&d.target);
            self.loops.current = Some(around.clone());
            let axes = axes?;
            let order: Vec<Axis> = axes.iter().map(|a| a.0).collect();
            if !order.contains(&along) {
                self.report(messages::lag_of_a_local(name, d.target.span, variable));
                return None;
            }
            let (_, stand_in) = self.graph.input(name, &order);
            // What its type says of a position, it says of those before.
            let range = match d.ty.as_ref().map(|t| (t.name.value.as_str(), t.arguments.is_empty())) {
                Some(("positive", true)) if !member.is_forward() => Range::POSITIVE,
                Some(("unit", true)) if !member.is_forward() => Range::of(Support::Unit),
                // Others are taken for positive until that proves wrong.
                _ => Range::POSITIVE,
            };
            let value = Value { axes, ..Value::scalar(stand_in, range, Level::Random, d.target.span) };
            assumed.values.insert(name, value);
            assumed.stand_ins.insert(name, stand_in);
        }
        Some(assumed)
    }

    /// Members, each after those it reads at the same position.
    fn in_order(&mut self, mut members: Vec<Member<'a>>, variable: &str) -> Option<Vec<Member<'a>>> {
        let forward: Vec<&str> = members.iter().filter(|m| m.is_forward()).map(|m| m.name).collect();
        let past = |name: &str, offset: i64| offset < i64::from(forward.contains(&name));
        let mut ordered: Vec<Member<'a>> = vec![];
        while !members.is_empty() {
            let waiting: Vec<&str> = members.iter().map(|m| m.name).collect();
            let ready = members.iter().position(|m| {
                let mut reads = vec![];
                present_reads(&m.declaration.value, variable, &past, &mut reads);
                !reads.iter().any(|r| waiting.contains(r))
            });
            let Some(ready) = ready else {
                let spans: Vec<(&str, Span)> =
                    members.iter().map(|m| (m.name, m.declaration.target.name.span)).collect();
                self.report(messages::cycle(&spans));
                return None;
            };
            ordered.push(members.remove(ready));
        }
        Some(ordered)
    }

    fn recurrence_within(&mut self, members: Vec<Member<'a>>) -> Option<()> {
        let around = self.loops.current.clone()?;
        let variable = around.variable.clone();
        let Assumed { stand_ins, values: mut assumed } = self.assumptions(&members, &around)?;
        let ordered = self.in_order(members, &variable)?;
        let (first, params, said) = (self.found.lets.len(), self.found.params.len(), self.said.diagnostics.len());
        // By induction: what is positive wherever its past is, is positive. Of any other past nothing is known.
        let values = loop {
            for (name, value) in &assumed {
                self.values.insert(name, value.clone());
            }
            let values = self.definitions_in_order(&ordered, &around);
            if values.iter().any(|v| v.1.poison) {
                return None;
            }
            let unproved = |(name, v): &&(&str, Value)| {
                assumed.get(*name).is_some_and(|a| a.range == Range::POSITIVE) && !v.range.within(Support::Positive)
            };
            let unproved: Vec<&str> = values.iter().filter(unproved).map(|v| v.0).collect();
            if unproved.is_empty() || self.said.diagnostics.len() > said {
                break values;
            }
            for name in unproved {
                assumed.entry(name).and_modify(|a| a.range = Range::REAL);
            }
            self.found.lets.truncate(first);
            self.found.params.truncate(params);
        };
        let recurrences: Vec<Recurrence> = values
            .iter()
            .map(|(name, v)| {
                let value = self.graph.broadcast(v.node, &v.order());
                // One that no one reads earlier stands for itself.
                Recurrence { stand_in: stand_ins.get(*name).copied().unwrap_or(value), value }
            })
            .collect();
        let places = ordered.iter().map(|m| m.declaration.target.span.to(m.declaration.value.span));
        let before = self.enter(places.reduce(Span::to).unwrap_or_default());
        let along = ordered.iter().find_map(|m| m.chain.as_ref()).map_or(around.axis, |c| c.axis);
        let stepped = self.graph.recur(along, &recurrences);
        self.leave(before);
        let nodes = match stepped {
            Ok(stepped) => stepped.values,
            Err(node) => {
                let at = self.graph.origin_of(node);
                let place = self.found.origins.get(at.0 as usize).copied().unwrap_or_default();
                self.report(messages::mixes_positions(place, &variable));
                return None;
            }
        };
        for ((name, value), node) in values.into_iter().zip(nodes) {
            if let Some(named) = self.found.lets.iter_mut().skip(first).find(|l| l.name == name) {
                named.node = node;
            }
            self.values.insert(name, Value { node, ..value });
        }
        Some(())
    }

    /// What each is, given what stands for the others' past.
    fn definitions_in_order(&mut self, ordered: &[Member<'a>], around: &Loop) -> Vec<(&'a str, Value)> {
        let mut values = vec![];
        for member in ordered {
            let before = self.enter(member.declaration.target.span);
            self.loops.current = member.chain.clone();
            let mut value = self.definition(member.declaration);
            if let (Some(start), false) = (&member.start, value.poison) {
                value.node = self.after_start(start.node, value.node);
                value.range = value.range.hull(start.range);
                value.level = value.level.max(start.level);
            }
            self.loops.current = Some(around.clone());
            self.leave(before);
            self.values.insert(member.name, value.clone());
            values.push((member.name, value));
        }
        values
    }
}

/// Whether an expression reads a name at an earlier position.
fn reads_earlier(e: &Expr, name: &str, variable: &str) -> bool {
    let own = match e.kind.as_ref() {
        ExprKind::Index { value, indices } if matches!(bare(value).kind.as_ref(), ExprKind::Name(n) if n == name) => {
            indices.iter().any(|i| offset_of(i, variable).is_some_and(|o| o < 0))
        }
        _ => false,
    };
    own || parts(e).into_iter().any(|p| reads_earlier(p, name, variable))
}
