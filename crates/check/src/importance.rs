//! `minimize iwae(k = 8)` and `minimize renyi(alpha = 0.5, k = 8)`: bounds from importance weights.

use std::collections::HashMap;

use fe_distribution::Support;
use fe_graph::Axis;
use fe_syntax::Span;
use fe_syntax::ast::{Argument, Expr, ExprKind, Name};

use crate::checker::Checker;
use crate::guide::Guide;
use crate::messages;
use crate::program::{Importance, Latent};
use crate::reads::bare;

/// The bounds by name.
pub const IMPORTANCE: [&str; 2] = ["iwae", "renyi"];

/// An objective that is one of them.
pub fn importance_call(e: &Expr) -> Option<(&Name, &[Argument])> {
    match bare(e).kind.as_ref() {
        ExprKind::Call { function, arguments } if IMPORTANCE.contains(&function.value.as_str()) => {
            Some((function, arguments))
        }
        _ => None,
    }
}

impl Checker<'_> {
    /// The bound with its arguments, where the program has weights to take it from.
    pub fn importance(&mut self, function: &Name, arguments: &[Argument], span: Span) -> Option<Importance> {
        let word = function.value.as_str();
        let keys: &[&str] = if word == "iwae" { &["k"] } else { &["alpha", "k"] };
        let mut given: HashMap<&str, &Expr> = HashMap::new();
        for (at, argument) in arguments.iter().enumerate() {
            let key = match &argument.name {
                Some(name) => keys.iter().find(|k| **k == name.value),
                None => keys.get(at),
            };
            if key.and_then(|k| given.insert(k, &argument.value)).is_some() || key.is_none() {
                self.report(messages::importance_arguments(word, argument.value.span));
                return None;
            }
        }
        let (Some(k), true) = (given.get("k"), given.len() == keys.len()) else {
            self.report(messages::importance_arguments(word, span));
            return None;
        };
        let draws = self.whole_number(k, "`k`", 1);
        let mut alpha = 0.0;
        if let Some(e) = given.get("alpha") {
            alpha = self.plain_number(e, "`alpha`")?;
            if alpha < 0.0 || alpha == 1.0 {
                self.report(messages::renyi_order(e.span, alpha));
                return None;
            }
        }
        self.has_weights(function);
        Some(Importance { alpha, draws: draws? })
    }

    /// Importance weights need latents with a density, all of which belong to a row or none.
    fn has_weights(&mut self, function: &Name) {
        let word = function.value.as_str();
        let finite = |l: &Latent| l.support.is_discrete() && l.support != Support::Count;
        let summed = |l: &Latent| finite(l) && matches!(l.guide, Guide::Default);
        let count = self.found.latents.iter().find(|l| l.support.is_discrete() && !summed(l));
        if let Some((name, span)) = count.map(|l| (l.name.clone(), l.span)) {
            self.report(messages::importance_of_counts(word, function.span, &name, span));
            return;
        }
        let row = self.row.map(|r| Axis::plain(r.axis));
        let local = |l: &&Latent| row.is_some_and(|r| l.axes.contains(&r));
        let drawn = || self.found.latents.iter().filter(|l| !matches!(l.guide, Guide::Point | Guide::PointAt(_)));
        let (one, other) = (drawn().find(local), drawn().find(|l| !local(l)));
        match (one, other) {
            (Some(a), Some(b)) => {
                let (a, b) = ((a.name.clone(), a.span), (b.name.clone(), b.span));
                self.report(messages::importance_mixed(word, function.span, &a, &b));
            }
            (None, Some(_)) => {
                if let Some(batch) = self.batch {
                    self.report(messages::importance_in_batches(word, function.span, batch));
                }
            }
            _ => {}
        }
    }
}
