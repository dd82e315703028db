//! The descent as `fe explain` tells it.

use std::fmt::Write;

use fe_check::{DescentRule, Guide, Latent, Program, Refinement, StepSize, Through};
use fe_distribution::Support;

use super::descent::Descent;
use crate::objective::{Objective, TermKind};

/// The lines of `fe explain` on what is refined; none where nothing is.
pub(crate) fn explained(program: &Program, o: &Objective) -> Vec<String> {
    let Some(descent) = &o.descent else { return vec![] };
    let mut lines = vec![];
    for r in &program.refinements {
        let Some(latent) = program.latents.get(r.latent) else { continue };
        let by = match (&latent.guide, r.rule) {
            (Guide::Stated(q), DescentRule::NaturalGradient) => {
                let text = q.family.natural().map_or("", |n| n.text);
                format!("natural gradient of {}: {text}", q.family.name())
            }
            (_, DescentRule::Proximal) => format!("proximal gradient: {} = prox({})", latent.name, r.name),
            _ => "gradient".into(),
        };
        let mut steps = String::new();
        let _ = write!(steps, "{} of {}, {} step{}", r.name, latent.name, r.steps, if r.steps == 1 { "" } else { "s" });
        lines.push(steps);
        lines.push(format!("  by {by}"));
        lines.push(format!("  {}", law(r.rule, &r.name, &latent.name)));
        let step = match r.step {
            StepSize::Chosen => {
                "1.8 / (1 + λ), λ the largest curvature over rows, found anew as the model changes".into()
            }
            StepSize::Stated(fe_check::Schedule::Constant(v)) => format!("{v}"),
            StepSize::Stated(_) => "by its schedule".into(),
            StepSize::Fitted(_) => "fitted".into(),
        };
        let limit = r.limit.map_or("no limit".to_owned(), |l| format!("no element moves by more than {l} in a step"));
        lines.push(format!("  step η:   {step}; {limit}"));
        if r.guard {
            lines.push("  guard:    each row halves its own step until its F falls, ten times at most".into());
        }
        lines.push(format!("  messages: {}", messages(o, descent, r, latent)));
        let held = match (descent.spiking, r.through) {
            (true, Through::All | Through::Last(_)) => "; the draws in messages are held, which is a bias of it",
            _ => "",
        };
        lines.push(format!("  gradient: {}{held}", outer(r.through)));
    }
    lines
}

/// Where the messages to a state come from.
fn messages(o: &Objective, descent: &Descent, r: &Refinement, latent: &Latent) -> String {
    let sampled = o.terms.iter().any(|t| t.kind != TermKind::Rate && t.estimator.is_sampled());
    let when = match descent.spiking {
        true => format!("{} drawn anew in each step", r.samples.unwrap_or(1)),
        false => "drawn once, for all steps".into(),
    };
    match (sampled, descent.spiking, latent.support) {
        (true, _, Support::Count) => {
            format!("the effect of one more spike, f(z + 1) − f(z), without bias; counts are {when}")
        }
        (true, _, _) => format!("slopes at draws of their own, without bias; {when}"),
        (false, true, _) => format!("the effect of one more spike, without bias as the cost is quadratic; {when}"),
        (false, false, _) => "the closed form of F, differentiated in the mean".into(),
    }
}

fn law(rule: DescentRule, state: &str, latent: &str) -> String {
    match rule {
        DescentRule::NaturalGradient => {
            format!("{state} ← {state} − η F⁻¹ ∂J/∂{state}, which is −η ∂J/∂E[{latent}] for a natural parameter")
        }
        DescentRule::Gradient => format!("{state} ← {state} − η ∂J/∂{state}"),
        DescentRule::Proximal => format!("{state} ← {state} − η (∂D/∂{latent} + {state} − {latent})"),
    }
}

fn outer(through: Through) -> String {
    match through {
        Through::None => {
            "none runs back through the steps, which is exact once they have settled (envelope theorem)".into()
        }
        Through::Last(n) => format!("runs back through the last {n} steps, whose states are kept"),
        Through::All => "runs back through all steps, whose states are kept".into(),
    }
}
