//! The layout of statements.

use super::expression::named;
use super::layout::Doc;
use super::writer::Writer;
use crate::ast::{AxisRef, Declaration, Expr, ExprKind, GuideBody, Name, Statement, StatementKind, Target, Type};

impl<'s> Writer<'_, 's> {
    /// The statements of a program or a block, each on a line.
    pub fn statements(&mut self, all: &[Statement]) -> Vec<Doc<'s>> {
        let mut parts = Vec::new();
        for (i, statement) in all.iter().enumerate() {
            parts.push(Doc::Hard);
            self.lead(i == 0, &mut parts);
            parts.push(self.statement(&statement.kind));
            parts.push(Doc::Hard);
        }
        parts
    }

    /// The value of a statement, indented if a comment put it on a line of its own.
    fn value(&mut self, value: &Expr) -> Doc<'s> {
        let displaced = self.displaced();
        let value = self.expr(value);
        if displaced { Doc::indent(vec![value]) } else { value }
    }

    /// ` = value`, or the same with another sign or word.
    fn meaning(&mut self, value: &Expr) -> Doc<'s> {
        Doc::Join(vec![Doc::Space, self.word(), Doc::Space, self.value(value)])
    }

    fn by(&mut self, by: Option<&Name>) -> Doc<'s> {
        match by {
            Some(_) => Doc::indent(vec![Doc::Line(" "), self.token(), Doc::Space, self.token()]),
            None => Doc::Join(Vec::new()),
        }
    }

    fn statement(&mut self, kind: &StatementKind) -> Doc<'s> {
        let mut parts = vec![self.keyword()];
        match kind {
            StatementKind::Model { title, .. } => {
                parts.push(self.word());
                if title.is_some() {
                    parts.extend([Doc::Space, self.word()]);
                }
            }
            StatementKind::Dim { size: value, .. } | StatementKind::Const { value, .. } => {
                parts.extend([self.word(), self.meaning(value)]);
            }
            StatementKind::Data(it) | StatementKind::Param(it) | StatementKind::Let(it) => {
                parts.push(self.declaration(it));
            }
            StatementKind::Latent { target, ty, prior, by } => parts.extend([
                self.target(target),
                self.annotation(ty.as_ref()),
                self.meaning(prior),
                self.by(by.as_ref()),
            ]),
            StatementKind::Guide { targets, body, by, .. } => {
                parts.extend([self.guided(targets), self.guide_body(body), self.by(by.as_ref())])
            }
            StatementKind::Observe { target, distribution } => {
                parts.extend([self.target(target), self.meaning(distribution)])
            }
            StatementKind::Loss { axes, value, .. } => {
                parts.extend([self.word(), self.axes(axes), self.meaning(value)]);
            }
            StatementKind::Meter { .. } => parts.push(self.word()),
            StatementKind::Price { value, unit, .. } => {
                parts.extend([self.word(), self.meaning(value)]);
                if unit.is_some() {
                    parts.extend([Doc::Space, self.word()]);
                }
            }
            StatementKind::For { axis, from, body, .. } => return self.chain(parts, axis, from.as_ref(), body),
            StatementKind::Refine { target, from, steps, by, average } => {
                parts.push(self.target(target));
                parts.push(Doc::indent(vec![self.clause(from), self.clause(steps), Doc::Space, self.token()]));
                if let Some(by) = by {
                    parts.push(self.method(by, average.as_ref()));
                }
            }
            StatementKind::Minimize { objective, bounds } => {
                parts.push(self.value(objective));
                parts.push(self.bounds(bounds));
            }
            StatementKind::Train { entries } => {
                parts.push(self.word());
                let mut inside = Vec::new();
                for (i, entry) in entries.iter().enumerate() {
                    inside.push(Doc::Line(if i == 0 { " " } else { "  " }));
                    inside.extend([self.token(), self.meaning(&entry.value)]);
                }
                self.lead_inside(entries.is_empty(), &mut inside);
                let close = Doc::Line(if entries.is_empty() { "" } else { " " });
                parts.extend([Doc::indent(inside), close, self.token()]);
            }
            StatementKind::Show { value, sizes, .. } => {
                parts.push(self.value(value));
                parts.extend([Doc::Space, self.word(), Doc::Space, self.word()]);
                parts.push(self.indices(sizes));
            }
            StatementKind::Fn { parameters, body, .. } => {
                parts.extend([self.word(), self.word()]);
                for i in 0..parameters.len() {
                    if i > 0 {
                        parts.extend([self.word(), Doc::Space]);
                    }
                    parts.push(self.word());
                }
                parts.extend([self.word(), self.meaning(body)]);
            }
            // A program with broken statements is not laid out.
            StatementKind::Broken { .. } => {}
        }
        Doc::group(parts)
    }

    fn declaration(&mut self, it: &Declaration) -> Doc<'s> {
        Doc::Join(vec![self.target(&it.target), self.annotation(it.ty.as_ref()), self.meaning(&it.value)])
    }

    fn target(&mut self, it: &Target) -> Doc<'s> {
        let name = self.word();
        let axes = self.indices(it.axes.as_deref().unwrap_or_default());
        Doc::Join(vec![name, axes])
    }

    fn annotation(&mut self, ty: Option<&Type>) -> Doc<'s> {
        let Some(ty) = ty else {
            return Doc::Join(Vec::new());
        };
        let mut parts = vec![Doc::Space, self.word(), Doc::Space, self.word()];
        if !ty.arguments.is_empty() {
            let arguments: Vec<_> = ty.arguments.iter().map(|value| (value, false)).collect();
            parts.push(self.bracket(&arguments, false));
        }
        if ty.optional {
            parts.push(self.word());
        }
        Doc::Join(parts)
    }

    fn guided(&mut self, targets: &[Target]) -> Doc<'s> {
        if targets.is_empty() {
            return self.word();
        }
        let mut parts = Vec::new();
        for (i, it) in targets.iter().enumerate() {
            if i > 0 {
                parts.extend([self.word(), Doc::Space]);
            }
            parts.push(self.target(it));
        }
        Doc::Join(parts)
    }

    fn guide_body(&mut self, body: &GuideBody) -> Doc<'s> {
        match body {
            GuideBody::Distribution(value) => self.meaning(value),
            GuideBody::Call(value) => self.meaning(value),
            GuideBody::Word(_) => Doc::Join(vec![Doc::Space, self.word(), Doc::Space, self.word()]),
        }
    }

    fn axis(&mut self, axis: &AxisRef) -> Doc<'s> {
        self.tokens(usize::from(axis.primes).saturating_add(1))
    }

    fn axes(&mut self, axes: &[AxisRef]) -> Doc<'s> {
        if axes.is_empty() {
            return Doc::Join(Vec::new());
        }
        let mut parts = vec![self.word()];
        for (i, axis) in axes.iter().enumerate() {
            if i > 0 {
                parts.extend([self.word(), Doc::Space]);
            }
            parts.push(self.axis(axis));
        }
        parts.push(self.word());
        Doc::Join(parts)
    }

    fn chain(&mut self, mut head: Vec<Doc<'s>>, axis: &AxisRef, from: Option<&Expr>, body: &[Statement]) -> Doc<'s> {
        head.extend([self.word(), Doc::Space, self.word(), Doc::Space, self.axis(axis)]);
        if let Some(from) = from {
            head.push(self.meaning(from));
        }
        head.extend([Doc::Space, self.word()]);
        let mut inside = self.statements(body);
        self.lead_inside(body.is_empty(), &mut inside);
        let empty = inside.is_empty();
        let mut parts = vec![Doc::group(head), Doc::indent(inside)];
        if !empty {
            parts.push(Doc::Hard);
        }
        parts.push(self.token());
        Doc::Join(parts)
    }

    fn method(&mut self, by: &Expr, average: Option<&Expr>) -> Doc<'s> {
        let mut parts = vec![Doc::Line(" "), self.token(), Doc::Space, self.token()];
        if let ExprKind::Call { arguments, .. } = &*by.kind {
            let mut all: Vec<_> = arguments.iter().map(named).collect();
            // The tree keeps `average` apart; it goes back to where it was written.
            all.extend(average.map(|value| (value, true)));
            all.sort_by_key(|(value, _)| value.span.start);
            parts.push(self.bracket(&all, false));
        }
        Doc::indent(parts)
    }

    fn bounds(&mut self, bounds: &[Expr]) -> Doc<'s> {
        let mut parts = Vec::new();
        for (i, bound) in bounds.iter().enumerate() {
            if i == 0 {
                parts.extend([Doc::Line(" "), self.token(), Doc::Space, self.token(), Doc::Space]);
            } else {
                parts.extend([self.token(), Doc::group(vec![Doc::Line(" ")])]);
            }
            parts.push(self.expr(bound));
        }
        Doc::indent(parts)
    }
}
