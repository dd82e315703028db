//! `guide * ~ NUTS()`: chains in the place of a guide.

use fe_syntax::Span;
use fe_syntax::ast::{Argument, Expr, ExprKind, GuideBody, Statement};

use crate::checker::Checker;
use crate::messages;
use crate::program::Nuts;
use crate::reads::bare;

/// What is taken where nothing is said.
const DRAWS: usize = 1000;
const WARMUP: usize = 1000;
const CHAINS: usize = 4;

/// The least of each: below, mixing cannot be told.
const LEAST: usize = 100;
const FEWEST_CHAINS: usize = 2;

/// The most draws of all chains together.
const MOST: usize = 1_000_000;

/// The arguments of `NUTS(…)`, and where it stands; `None` of another guide.
pub(crate) fn called(e: &Expr) -> Option<(&[Argument], Span)> {
    match bare(e).kind.as_ref() {
        ExprKind::Call { function, arguments } if function.value == "NUTS" => Some((arguments, function.span)),
        _ => None,
    }
}

impl Checker<'_> {
    /// Takes over what `guide *` says of chains; whether it says anything of them.
    pub(crate) fn nuts(&mut self, statement: &Statement, body: &GuideBody) -> bool {
        let GuideBody::Distribution(e) = body else { return false };
        let Some((arguments, span)) = called(e) else { return false };
        let mut nuts = Nuts { draws: DRAWS, warmup: WARMUP, chains: CHAINS, span: statement.span };
        for argument in arguments {
            let (slot, least) = match argument.name.as_ref().map(|n| n.value.as_str()) {
                Some("draws") => (&mut nuts.draws, LEAST),
                Some("warmup") => (&mut nuts.warmup, LEAST),
                Some("chains") => (&mut nuts.chains, FEWEST_CHAINS),
                _ => {
                    self.report(messages::nuts_argument(argument.value.span));
                    return true;
                }
            };
            let what = argument.name.as_ref().map_or_else(String::new, |n| format!("`{}`", n.value));
            match self.whole_number(&argument.value, &what, least) {
                Some(number) => *slot = number,
                None => return true,
            }
        }
        let all = nuts.chains.saturating_mul(nuts.draws.saturating_add(nuts.warmup));
        if all > MOST {
            self.report(messages::nuts_too_long(span, all, MOST));
            return true;
        }
        self.found.nuts = Some(nuts);
        true
    }
}
