//! What is legal but doubtful.

use fe_syntax::Severity;
use fe_syntax::ast::{BinaryOperator, Expr, ExprKind, Statement, StatementKind};

use crate::checker::Checker;
use crate::distributions::Drawn;
use crate::kind::Kind;
use crate::messages;
use crate::reads::{bare, expression_reads, offset_of, parts, statement_reads};
use crate::value::{Level, Value};

impl<'a> Checker<'a> {
    /// Names that nothing reads. Where a statement did not parse, or names something unknown, it may be the one that
    /// does.
    pub fn warn(&mut self) {
        if self.scope.broken || self.said.incomplete || self.said.aimless || !self.said.unknown.is_empty() {
            return;
        }
        // A loop that needs mending may be about to look back.
        if !self.said.diagnostics.iter().any(|d| d.severity == Severity::Error) {
            self.needless_loops();
        }
        let read = self.names_read();
        let modelled = self.names_modelled();
        for name in self.scope.order.clone() {
            let Some(entry) = self.scope.get(name) else { continue };
            let unread = !read.contains(name);
            match entry.kind {
                Kind::Latent if !modelled.contains(&name) => {
                    self.report(messages::unread_latent(name, entry.span));
                }
                // A value computed from latents is for the posterior table, and one from params for that of estimates.
                Kind::Let if unread => {
                    let row = self.row.map(|r| fe_graph::Axis::plain(r.axis));
                    let told = |v: &Value| {
                        v.level == Level::Random || v.level == Level::Free && !row.is_some_and(|r| v.has(r))
                    };
                    if self.values.get(name).is_some_and(|v| !v.poison && !told(v)) {
                        self.report(messages::unused(name, "let", entry.span));
                    }
                }
                Kind::Dim if unread => self.report(messages::unused(name, "dim", entry.span)),
                Kind::Const if unread => self.report(messages::unused(name, "const", entry.span)),
                Kind::Data if unread => self.report(messages::unused(name, "data", entry.span)),
                Kind::Param if unread => self.report(messages::unused(name, "param", entry.span)),
                Kind::Fn if unread => self.report(messages::unused(name, "fn", entry.span)),
                _ => {}
            }
        }
    }

    /// Loops over observations in which each position is by itself.
    fn needless_loops(&mut self) {
        for statement in &self.ast.statements {
            let StatementKind::For { variable, axis, from: None, body } = &statement.kind else { continue };
            let observes = body.iter().any(|s| matches!(s.kind, StatementKind::Observe { .. }));
            if observes && !body.iter().any(|s| looks_elsewhere(s, &variable.value)) {
                self.report(messages::needless_loop(&axis.name.value, axis.name.span));
            }
        }
    }

    /// Names that anything but a guide, a meter or a picture reads.
    fn names_modelled(&self) -> Vec<&'a str> {
        let ast = self.ast;
        let mut names = vec![];
        let reads = |s: &'a Statement, names: &mut Vec<&'a str>| {
            let apart = matches!(
                s.kind,
                StatementKind::Guide { .. }
                    | StatementKind::Meter { .. }
                    | StatementKind::Show { .. }
                    | StatementKind::Minimize { .. }
            );
            if !apart {
                names.extend(statement_reads(s).into_iter().map(|r| r.0).filter(|n| !self.scope.declares(n, s)));
            }
        };
        for statement in &ast.statements {
            reads(statement, &mut names);
        }
        names
    }

    /// A variance where a standard deviation is due.
    pub fn variance_warning(&mut self, drawn: &Drawn) {
        let family = drawn.distribution.family.name();
        let Some((parameter, _, e)) = drawn.args.iter().find(|a| a.0.name == "sd") else { return };
        let e = bare(e);
        let squared = match e.kind.as_ref() {
            ExprKind::Binary { operator, right, .. } if operator.value == BinaryOperator::Power => {
                matches!(bare(right).kind.as_ref(), ExprKind::Number { value, .. } if *value == 2.0)
            }
            ExprKind::Name(name) => variance_name(name),
            _ => false,
        };
        if squared {
            let variance = drawn
                .distribution
                .family
                .alternatives()
                .iter()
                .any(|a| a.parameters.iter().any(|p| p.name == "variance"));
            self.report(messages::variance_as_sd(family, parameter.name, e.span, &crate::text::written(e), variance));
        }
    }

    /// A rate that overflows: an exponential of an exponential, or of a square of what has no bound.
    pub fn overflow_warning(&mut self, drawn: &Drawn) {
        for (parameter, value, e) in &drawn.args {
            let ExprKind::Call { function, arguments } = bare(e).kind.as_ref() else { continue };
            let rate = matches!(parameter.name, "rate" | "mean" | "sd" | "scale") && function.value == "exp";
            let open = value.level >= Level::Free && value.range.high.is_infinite();
            let (true, [one], true) = (rate, arguments.as_slice(), open) else { continue };
            if let Some((inner, what)) = self.explosive(&one.value) {
                let family = drawn.distribution.family.name();
                self.report(messages::rate_overflow(family, parameter.name, e.span, inner, what));
            }
        }
    }

    /// The part of an exponent that itself grows faster than linearly in parameters or latents.
    fn explosive(&self, e: &Expr) -> Option<(fe_syntax::Span, &'static str)> {
        let mut stack = vec![e];
        while let Some(e) = stack.pop() {
            let reads = |e: &Expr, level: Level| {
                let mut reads = vec![];
                expression_reads(e, &mut reads);
                reads.iter().any(|r| self.values.get(r.0).is_some_and(|v| v.level >= level))
            };
            match e.kind.as_ref() {
                ExprKind::Call { function, arguments }
                    if function.value == "exp" && arguments.iter().any(|a| reads(&a.value, Level::Free)) =>
                {
                    return Some((e.span, "an exponential"));
                }
                ExprKind::Call { function, .. }
                    if matches!(
                        function.value.as_str(),
                        "tanh" | "sigmoid" | "min" | "softplus" | "log" | "log1p" | "relu" | "dense" | "softmax"
                    ) =>
                {
                    continue;
                }
                ExprKind::Binary { operator, left, right } if operator.value == BinaryOperator::Power => {
                    let steep = matches!(bare(right).kind.as_ref(), ExprKind::Number { value, .. } if *value >= 2.0);
                    if steep && reads(left, Level::Random) {
                        return Some((e.span, "a power"));
                    }
                }
                _ => {}
            }
            stack.extend(crate::reads::parts(e));
        }
        None
    }
}

/// Whether a name says that it is a variance.
fn variance_name(name: &str) -> bool {
    let lower = name.to_lowercase();
    lower.split('_').any(|w| matches!(w, "var" | "variance" | "sigma2" | "sigmasq" | "s2" | "σ2" | "sd2"))
        || lower.ends_with("variance")
        || lower.ends_with("_sq")
        || lower.ends_with("²")
}

/// Whether a statement of a loop does anything with the loop's variable but to stand at its position, or may.
fn looks_elsewhere(statement: &Statement, variable: &str) -> bool {
    let (target, value) = match &statement.kind {
        StatementKind::Let(d) => (&d.target, &d.value),
        StatementKind::Latent { target, prior, .. } => (target, prior),
        StatementKind::Observe { target, distribution } => (target, distribution),
        _ => return true,
    };
    let here = |e: &&Expr| offset_of(e, variable) != Some(0);
    let mut stack: Vec<&Expr> = target.axes.iter().flatten().filter(here).collect();
    stack.push(value);
    while let Some(e) = stack.pop() {
        match e.kind.as_ref() {
            ExprKind::Name(name) if name == variable => return true,
            ExprKind::Index { value, indices } => {
                stack.push(value);
                stack.extend(indices.iter().filter(here));
            }
            _ => stack.extend(parts(e)),
        }
    }
    false
}
