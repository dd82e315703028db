//! `train { … }`.

use fe_graph::{Axis, InputId, Op};
use fe_syntax::Span;
use fe_syntax::ast::{Clause, Expr, ExprKind, Name, Statement, StatementKind, TrainEntry};

use crate::checker::Checker;
use crate::expression::compares;
use crate::messages;
use crate::program::{Holdout, OptimizerKind, Schedule, TrainSpec};
use crate::reads::{bare, statement_reads};
use crate::scope::nearest;
use crate::source::Stage;
use crate::value::Level;

pub(crate) const KEYS: [&str; 11] =
    ["optimizer", "lr", "batch", "epochs", "steps", "samples", "starts", "seed", "holdout", "temperature", "clip"];

/// Keys of other libraries, and ours.
const KEY_HABITS: [(&str, &str); 17] = [
    ("batch_size", "batch"),
    ("minibatch", "batch"),
    ("learning_rate", "lr"),
    ("rate", "lr"),
    ("epoch", "epochs"),
    ("iterations", "steps"),
    ("iters", "steps"),
    ("num_steps", "steps"),
    ("n_samples", "samples"),
    ("num_samples", "samples"),
    ("restarts", "starts"),
    ("num_restarts", "starts"),
    ("random_seed", "seed"),
    ("validation", "holdout"),
    ("val_split", "holdout"),
    ("tau", "temperature"),
    ("grad_clip", "clip"),
];

const OPTIMIZERS: [(&str, OptimizerKind); 4] = [
    ("adam", OptimizerKind::Adam),
    ("adamax", OptimizerKind::Adamax),
    ("sgd", OptimizerKind::Sgd),
    ("lbfgs", OptimizerKind::Lbfgs),
];

impl<'a> Checker<'a> {
    /// How a program is fitted.
    pub fn train(&mut self, statement: Option<&'a Statement>) -> TrainSpec {
        let mut spec = TrainSpec::default();
        let Some((statement, entries)) = statement.and_then(|s| match &s.kind {
            StatementKind::Train { entries } => Some((s, entries)),
            _ => None,
        }) else {
            return spec;
        };
        spec.span = Some(statement.span);
        let mut seen: Vec<(&str, Span)> = vec![];
        for entry in entries {
            let key = entry.key.value.as_str();
            if let Some((_, first)) = seen.iter().find(|s| s.0 == key) {
                self.report(messages::train_key_twice(key, entry.key.span, *first));
                continue;
            }
            seen.push((key, entry.key.span.to(entry.value.span)));
            self.entry(&mut spec, entry);
        }
        let place = |key: &str| seen.iter().find(|s| s.0 == key).map(|s| s.1);
        if let (Some(epochs), Some(steps)) = (place("epochs"), place("steps")) {
            self.report(messages::epochs_and_steps(steps, epochs));
        }
        for key in ["batch", "holdout"] {
            if let (Some(span), None) = (place(key), self.row) {
                self.report(messages::rows_needed(key, span, self.row_conflict));
            }
        }
        if let (Some(span), Some(OptimizerKind::Lbfgs)) = (place("batch"), spec.optimizer) {
            self.report(messages::lbfgs_in_batches(span, place("optimizer").unwrap_or(span)));
        }
        if let (Some(batch), Some(span), Some(row)) = (spec.batch, place("batch"), self.row) {
            let held = spec.holdout.and_then(Holdout::share).unwrap_or(0.0);
            let left = row.rows - (row.rows as f64 * held).round() as usize;
            let known = self.axes.entry(row.axis).cloned().filter(|e| e.size.is_some());
            if let (Some(entry), true) = (known, batch > left) {
                let name = self.graph.axis_name(fe_graph::Axis::plain(row.axis));
                self.report(messages::batch_too_large(span, batch, &name, left, row.rows, entry.stated));
            }
        }
        spec
    }

    fn entry(&mut self, spec: &mut TrainSpec, entry: &TrainEntry) {
        let (key, value) = (&entry.key, &entry.value);
        match key.value.as_str() {
            "optimizer" => self.optimizer(spec, value),
            "lr" => {
                if let Some(lr) = self.positive_schedule(value, "`lr`") {
                    spec.lr = Some(lr);
                }
            }
            "batch" => spec.batch = self.whole_number(value, "`batch`", 1),
            "epochs" => spec.epochs = self.whole_number(value, "`epochs`", 1),
            "steps" => spec.steps = self.whole_number(value, "`steps`", 1),
            "samples" => spec.samples = self.whole_number(value, "`samples`", 1),
            "starts" => spec.starts = self.whole_number(value, "`starts`", 1),
            "seed" => spec.seed = self.whole_number(value, "`seed`", 0).map(|v| v as u64),
            "holdout" => {
                if let ExprKind::Clause { word: Clause::Where, operand } = value.kind.as_ref() {
                    spec.holdout = self.rows_held_out(operand);
                    return;
                }
                if matches!(bare(value).kind.as_ref(), ExprKind::Binary { operator, .. } if compares(operator.value)) {
                    self.report(messages::holdout_without_where(value.span, &crate::text::written(value)));
                    return;
                }
                let Some(v) = self.plain_number(value, "`holdout`") else { return };
                if v > 0.0 && v < 1.0 {
                    spec.holdout = Some(Holdout::Share(v));
                } else {
                    self.report(messages::holdout_fraction(value.span, v));
                }
            }
            "temperature" => spec.temperature = self.positive_schedule(value, "`temperature`"),
            "clip" => {
                let Some(v) = self.plain_number(value, "`clip`") else { return };
                if v > 0.0 {
                    spec.clip = Some(v);
                } else {
                    self.report(messages::must_be_positive("`clip`", value.span, v));
                }
            }
            other => {
                let habit = KEY_HABITS.iter().find(|h| h.0 == other).map(|h| h.1);
                let near = habit.or_else(|| nearest(other, KEYS));
                self.report(messages::unknown_train_key(other, key.span, near, &KEYS));
            }
        }
    }

    /// `holdout = where split == "test"`: a condition of data alone, over the rows.
    fn rows_held_out(&mut self, condition: &Expr) -> Option<Holdout> {
        let value = self.expression(condition, None);
        if value.poison {
            return None;
        }
        // Without rows there is nothing to hold out, which is said elsewhere.
        let row = Axis::plain(self.row?.axis);
        if value.level > Level::Data || value.order() != [row] {
            let (row, have) = (self.graph.axis_name(row), self.axis_names(&value.order()));
            self.report(messages::holdout_of_what(condition.span, &row, (value.level <= Level::Data).then_some(&have)));
            return None;
        }
        let value = self.truth(value)?;
        let reached = self.graph.reachable(&[value.node]);
        let inputs: Vec<InputId> = reached
            .into_iter()
            .filter_map(|n| match self.graph.node(n).op {
                Op::Input(input) => Some(input),
                _ => None,
            })
            .collect();
        let scaled = |name: &str| {
            let of = self.found.sources.iter().find(|s| s.data == name);
            of.is_some_and(|s| s.stages.iter().any(|s| s.0 == Stage::Standardize))
        };
        if let Some(data) = self.found.data.iter().find(|d| inputs.contains(&d.input) && scaled(&d.name)) {
            self.report(messages::holdout_of_scaled(condition.span, &data.name, data.span));
            return None;
        }
        let ast = self.ast;
        let others = ast.statements.iter().filter(|s| !matches!(s.kind, StatementKind::Train { .. }));
        let read: Vec<&str> = others
            .flat_map(|s| statement_reads(s).into_iter().filter(|r| !self.scope.declares(r.0, s)))
            .map(|r| r.0)
            .collect();
        for data in self.found.data.iter_mut().filter(|d| inputs.contains(&d.input)) {
            data.for_holdout = !read.contains(&data.name.as_str());
        }
        Some(Holdout::Where(value.node))
    }

    pub fn positive_schedule(&mut self, e: &Expr, what: &str) -> Option<Schedule> {
        let schedule = self.schedule(e, what)??;
        let (from, to) = match schedule {
            Schedule::Constant(v) => (v, v),
            Schedule::Ramp { from, to, .. } | Schedule::Cosine { from, to } => (from, to),
        };
        // It may end at 0, where a fit ends.
        if from.max(to) <= 0.0 || from.min(to) < 0.0 {
            self.report(messages::must_be_positive(what, e.span, from.min(to)));
            return None;
        }
        Some(schedule)
    }

    fn optimizer(&mut self, spec: &mut TrainSpec, e: &Expr) {
        let (name, arguments) = match bare(e).kind.as_ref() {
            ExprKind::Name(name) => (Name::new(name.clone(), e.span), &[][..]),
            ExprKind::Call { function, arguments } => (function.clone(), arguments.as_slice()),
            ExprKind::Error => {
                self.said.incomplete = true;
                return;
            }
            ExprKind::Text(text) => {
                self.report(messages::quoted_optimizer(text, e.span));
                return;
            }
            _ => {
                self.report(messages::unknown_optimizer("", e.span, None));
                return;
            }
        };
        let Some(&(_, kind)) = OPTIMIZERS.iter().find(|o| o.0 == name.value) else {
            let lower = name.value.to_lowercase().replace(['-', '_'], "");
            let near = OPTIMIZERS.iter().map(|o| o.0).find(|o| *o == lower);
            let near = near.or_else(|| nearest(&name.value, OPTIMIZERS.iter().map(|o| o.0)));
            self.report(messages::unknown_optimizer(&name.value, name.span, near));
            return;
        };
        spec.optimizer = Some(kind);
        let keys: &[&str] = if kind == OptimizerKind::Sgd { &["lr", "momentum"] } else { &["lr"] };
        for (k, argument) in arguments.iter().enumerate() {
            let key = match &argument.name {
                Some(key) => key.value.as_str(),
                None => keys.get(k).copied().unwrap_or(""),
            };
            match key {
                "lr" => {
                    if spec.lr.is_some() {
                        self.report(messages::lr_twice(argument.value.span));
                    }
                    spec.lr = self.positive_schedule(&argument.value, "`lr`").or(spec.lr);
                }
                "momentum" if kind == OptimizerKind::Sgd => {
                    let Some(v) = self.plain_number(&argument.value, "`momentum`") else { continue };
                    if (0.0..1.0).contains(&v) {
                        spec.momentum = Some(v);
                    } else {
                        self.report(messages::momentum_range(argument.value.span, v));
                    }
                }
                other => {
                    let span = argument.name.as_ref().map_or(argument.value.span, |n| n.span);
                    self.report(messages::optimizer_argument(&name.value, other, span, keys));
                }
            }
        }
    }
}
