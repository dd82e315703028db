//! The estimators of a Poisson count's gradient, side by side, as `fe explain` prints them.

use fe_check::{GradientEstimator, Guide, Latent, Program};
use fe_distribution::Family;
use fe_graph::Indicator;

use crate::objective::Objective;
use crate::relaxed::{self, Moments};

/// Indicators, best known first.
const INDICATORS: [Indicator; 5] =
    [Indicator::Cubic, Indicator::Linear, Indicator::Quintic, Indicator::Cosine, Indicator::Sigmoid];

/// Rates at which the moments of a softmax over counts are given.
const RATES: [f64; 2] = [0.5, 3.0];

/// The table's columns behind the names: mean, variance, variance of the slope.
const WIDTHS: [usize; 4] = [19, 11, 28, 0];

/// A line for each estimator that could stand behind a Poisson latent; nothing where there is none.
pub(crate) fn side_by_side(program: &Program, objective: &Objective) -> Vec<String> {
    let counts: Vec<&Latent> =
        program.latents.iter().filter(|l| guide_family(l).is_some_and(|f| f.counts_arrivals())).collect();
    if counts.is_empty() {
        return vec![];
    }
    let tau = objective.minimised.temperature_schedule.last();
    let names: Vec<&str> = counts.iter().map(|l| l.name.as_str()).collect();
    let mut lines = vec![
        format!("a count z with rate λ, as training may draw {} at τ = {tau}", names.join(", ")),
        line(["", "mean", "variance", "variance of dz/d log λ"].map(str::to_owned)),
    ];
    let marked = |estimator: GradientEstimator| {
        let name = format!("by {}", word(estimator));
        let chosen =
            counts.iter().any(|l| l.estimator.map_or(GradientEstimator::Relaxed(l.indicator()), |e| e.0) == estimator);
        if chosen { format!("{name} *") } else { name }
    };
    for indicator in INDICATORS {
        let [mean, variance, slope] = relaxed_count(indicator, tau);
        lines.push(line([marked(GradientEstimator::Relaxed(indicator)), mean, variance, slope]));
    }
    let softened: Vec<String> = RATES
        .iter()
        .map(|&rate| {
            let (mean, variance) = if tau > 0.0 { relaxed::softmax_moments(rate, tau) } else { (rate, rate) };
            format!("{mean:.3} and {variance:.3} at λ = {rate}")
        })
        .collect();
    let softened = format!("no closed form; by quadrature {}", softened.join(", "));
    lines.push(format!("  {:<width$}{softened}", marked(GradientEstimator::GumbelSoftmax), width = WIDTHS[0]));
    let exact = "λ, exact".to_owned();
    lines.push(line([
        marked(GradientEstimator::Score),
        exact.clone(),
        exact,
        "λ + 2λ² + λ²/(S − 1), S samples".into(),
    ]));
    let drawn = objective.terms.iter().any(|t| t.bias.is_some()) || objective.minimised.scored;
    lines.push("  sigmoid: the mean is λ(1 + τ log(1 + e^(−1/τ))), and the variance that less λ τ σ(1/τ)".into());
    lines.push(match drawn {
        true => {
            "  * is taken; the mean of dz/d log λ is that of z, so its bias is that of a mean count's gradient".into()
        }
        false => "  * would be taken; no term draws a count, and the gradient has no bias".into(),
    });
    lines
}

fn line(cells: [String; 4]) -> String {
    let padded: String = cells.iter().zip(WIDTHS).map(|(cell, width)| format!("{cell:<width$}")).collect();
    format!("  {}", padded.trim_end())
}

/// The word behind `by`.
fn word(estimator: GradientEstimator) -> String {
    match estimator {
        GradientEstimator::Relaxed(indicator) => format!("{indicator:?}").to_lowercase(),
        GradientEstimator::GumbelSoftmax => "gumbel_softmax".into(),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// The family of a count's guide, of its own.
fn guide_family(latent: &Latent) -> Option<&'static dyn Family> {
    let family = match &latent.guide {
        Guide::Stated(d) => d.family,
        Guide::Prior | Guide::Default => latent.prior.family,
        _ => return None,
    };
    (latent.support == fe_distribution::Support::Count).then_some(family)
}

/// Mean, variance and variance of the slope of relaxed arrivals: the formula, and its value at τ.
fn relaxed_count(indicator: Indicator, tau: f64) -> [String; 3] {
    let Moments { mean, variance, slope_variance } = relaxed::moments(indicator, tau);
    let slope = if tau > 0.0 { format!("{slope_variance:.3} λ") } else { "none: counts are exact".into() };
    match relaxed::compact(indicator) {
        Some(c) if tau <= 1.0 => ["λ, exact".into(), format!("λ(1 − {}) = {variance:.3} λ", c.short), slope],
        Some(_) => [format!("{mean:.3} λ"), format!("{variance:.3} λ"), slope],
        None => [format!("{mean:.3} λ"), format!("{variance:.3} λ"), slope],
    }
}
