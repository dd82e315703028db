//! `by …`: how the gradient through a latent is estimated, where the program says so.

use fe_distribution::Support;
use fe_graph::Indicator;
use fe_syntax::Span;
use fe_syntax::ast::Name;

use crate::checker::Checker;
use crate::guide::Guide;
use crate::messages;
use crate::program::{GradientEstimator, Latent};
use crate::scope::nearest;

/// Estimators by name.
const ESTIMATORS: [(&str, GradientEstimator); 9] = [
    ("cubic", GradientEstimator::Relaxed(Indicator::Cubic)),
    ("linear", GradientEstimator::Relaxed(Indicator::Linear)),
    ("quintic", GradientEstimator::Relaxed(Indicator::Quintic)),
    ("cosine", GradientEstimator::Relaxed(Indicator::Cosine)),
    ("sigmoid", GradientEstimator::Relaxed(Indicator::Sigmoid)),
    ("gumbel_softmax", GradientEstimator::GumbelSoftmax),
    ("score", GradientEstimator::Score),
    ("enumeration", GradientEstimator::Enumeration),
    ("implicit", GradientEstimator::Implicit),
];

impl Checker<'_> {
    /// `by cubic`
    pub fn estimator(&mut self, by: &Name, support: Support) -> Option<(GradientEstimator, Span)> {
        if by.value == "quadrature" {
            self.report(messages::estimator_later(&by.value, by.span));
            return None;
        }
        let Some(&(_, estimator)) = ESTIMATORS.iter().find(|e| e.0 == by.value) else {
            let near = nearest(&by.value, ESTIMATORS.iter().map(|e| e.0));
            self.report(messages::unknown_estimator(&by.value, by.span, near));
            return None;
        };
        let relaxes = matches!(estimator, GradientEstimator::Relaxed(_) | GradientEstimator::GumbelSoftmax);
        if relaxes && support != Support::Count {
            self.report(messages::indicator_without_counts(&by.value, by.span));
            return None;
        }
        Some((estimator, by.span))
    }

    /// Each estimator that was asked for suits its latent's guide, which may be stated elsewhere.
    pub fn estimators_fit(&mut self) {
        let mut unfit = vec![];
        for latent in &self.found.latents {
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
fn misfit(estimator: GradientEstimator, latent: &Latent) -> Option<(String, &'static str)> {
    let own_family = matches!(latent.guide, Guide::Default) && latent.support == Support::Count;
    let family = match &latent.guide {
        Guide::Stated(d) => Some(d.family),
        Guide::Prior => Some(latent.prior.family),
        _ => own_family.then_some(latent.prior.family),
    };
    let has = family.map_or("no distribution of its own", |f| f.name());
    let finite = matches!(latent.support, Support::Bool | Support::Index(_));
    match estimator {
        GradientEstimator::Relaxed(_) if !family.is_some_and(|f| f.counts_arrivals()) => Some((
            format!("relaxes the arrivals of a Poisson guide, and this one has {has}"),
            "use `by gumbel_softmax` or `by score`",
        )),
        GradientEstimator::GumbelSoftmax if family.is_none() => Some((
            format!("relaxes the counts of a guide, and this one has {has}"),
            "state a guide, as in `Poisson(λ)`",
        )),
        GradientEstimator::Score if family.is_none() => Some((
            format!("takes a guide that is a distribution, and this one has {has}"),
            "state one: `guide z ~ …`; what is left to the compiler has better estimators",
        )),
        GradientEstimator::Enumeration if !finite => Some((
            "sums over the values of a Categorical or Bernoulli latent, and this one has more".into(),
            "leave it away: the best estimator that applies is taken",
        )),
        GradientEstimator::Implicit if !family.is_some_and(|f| f.draws_implicitly()) => Some((
            format!("differentiates draws of Gamma, Beta, Dirichlet and VonMises guides, and this one has {has}"),
            "leave it away: the best estimator that applies is taken",
        )),
        _ => None,
    }
}
