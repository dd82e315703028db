//! `by …`: how the gradient through a latent is estimated, where the program says so.

use fe_distribution::Support;
use fe_graph::Indicator;
use fe_syntax::Span;
use fe_syntax::ast::Name;

use crate::checker::Checker;
use crate::messages;
use crate::program::{Estimator, Guide, Latent};
use crate::scope::nearest;

/// Estimators by name.
const ESTIMATORS: [(&str, Estimator); 9] = [
    ("cubic", Estimator::Relaxed(Indicator::Cubic)),
    ("linear", Estimator::Relaxed(Indicator::Linear)),
    ("quintic", Estimator::Relaxed(Indicator::Quintic)),
    ("cosine", Estimator::Relaxed(Indicator::Cosine)),
    ("sigmoid", Estimator::Relaxed(Indicator::Sigmoid)),
    ("gumbel_softmax", Estimator::GumbelSoftmax),
    ("score", Estimator::Score),
    ("enumeration", Estimator::Enumeration),
    ("implicit", Estimator::Implicit),
];

/// Families whose draws have implicit gradients.
const IMPLICIT: [&str; 6] = ["Gamma", "InverseGamma", "ChiSquared", "Beta", "Dirichlet", "VonMises"];

impl Checker<'_> {
    /// `by cubic`
    pub fn estimator(&mut self, by: &Name, support: Support) -> Option<(Estimator, Span)> {
        if by.value == "quadrature" {
            self.report(messages::estimator_later(&by.value, by.span));
            return None;
        }
        let Some(&(_, estimator)) = ESTIMATORS.iter().find(|e| e.0 == by.value) else {
            let near = nearest(&by.value, ESTIMATORS.iter().map(|e| e.0));
            self.report(messages::unknown_estimator(&by.value, by.span, near));
            return None;
        };
        let relaxes = matches!(estimator, Estimator::Relaxed(_) | Estimator::GumbelSoftmax);
        if relaxes && support != Support::Count {
            self.report(messages::indicator_without_counts(&by.value, by.span));
            return None;
        }
        Some((estimator, by.span))
    }

    /// Each estimator that was asked for suits its latent's guide, which may be stated elsewhere.
    pub fn estimators_fit(&mut self) {
        let mut unfit = vec![];
        for latent in &self.latents {
            let Some((estimator, span)) = latent.estimator else { continue };
            if let Some((wants, help)) = misfit(estimator, latent) {
                unfit.push(messages::estimator_of_other_guide(&latent.name, span, &wants, help, latent.guide_span));
            }
        }
        for message in unfit {
            self.report(message);
        }
    }
}

/// What an estimator wants and does not have, and what to do.
fn misfit(estimator: Estimator, latent: &Latent) -> Option<(String, &'static str)> {
    let own_family = matches!(latent.guide, Guide::Default) && latent.support == Support::Count;
    let family = match &latent.guide {
        Guide::Stated(d) => Some(d.family.name()),
        Guide::Prior => Some(latent.prior.family.name()),
        _ => own_family.then(|| latent.prior.family.name()),
    };
    let has = family.unwrap_or("no distribution of its own");
    let finite = matches!(latent.support, Support::Bool | Support::Index(_));
    match estimator {
        Estimator::Relaxed(_) if family != Some("Poisson") => Some((
            format!("relaxes the arrivals of a Poisson guide, and this one has {has}"),
            "use `by gumbel_softmax` or `by score`",
        )),
        Estimator::GumbelSoftmax if family.is_none() => Some((
            format!("relaxes the counts of a guide, and this one has {has}"),
            "state a guide, as in `Poisson(λ)`",
        )),
        Estimator::Score if family.is_none() => Some((
            format!("takes a guide that is a distribution, and this one has {has}"),
            "state one: `guide z ~ …`; what is left to the compiler has better estimators",
        )),
        Estimator::Enumeration if !finite => Some((
            "sums over the values of a Categorical or Bernoulli latent, and this one has more".into(),
            "leave it away: the best estimator that applies is taken",
        )),
        Estimator::Implicit if !family.is_some_and(|f| IMPLICIT.contains(&f)) => Some((
            format!("differentiates draws of Gamma, Beta, Dirichlet and VonMises guides, and this one has {has}"),
            "leave it away: the best estimator that applies is taken",
        )),
        _ => None,
    }
}
