//! The table of families.

use fe_graph::{Axis, Graph, Indicator, NodeId, Site};

use crate::distribution::Distribution;
use crate::family::{Family, Parameter, Sampling, Statistic};
use crate::support::Support;

const FAMILIES: &[&dyn Family] = &[
    &crate::normal::Normal,
    &crate::log_normal::LogNormal,
    &crate::half_normal::HalfNormal,
    &crate::half_cauchy::HalfCauchy,
    &crate::cauchy::Cauchy,
    &crate::student_t::StudentT,
    &crate::laplace::Laplace,
    &crate::logistic::Logistic,
    &crate::gumbel::Gumbel,
    &crate::exponential::Exponential,
    &crate::gamma::Gamma,
    &crate::inverse_gamma::InverseGamma,
    &crate::chi_squared::ChiSquared,
    &crate::weibull::Weibull,
    &crate::pareto::Pareto,
    &crate::beta::Beta,
    &crate::von_mises::VonMises,
    &crate::uniform::Uniform,
    &crate::flat::Flat,
    &crate::bernoulli::Bernoulli,
    &crate::binomial::Binomial,
    &crate::beta_binomial::BetaBinomial,
    &crate::poisson::Poisson,
    &crate::zero_inflated_poisson::ZeroInflatedPoisson,
    &crate::negative_binomial::NegativeBinomial,
    &crate::geometric::Geometric,
    &crate::categorical::Categorical,
    &crate::ordered::LOGISTIC,
    &crate::ordered::PROBIT,
    &crate::dirichlet::Dirichlet,
    &crate::multivariate_normal::MultivariateNormal,
    &crate::multinomial::Multinomial,
    &crate::dirichlet_multinomial::DirichletMultinomial,
    &crate::one_hot::OneHot,
    &crate::lkj::Lkj,
    &crate::wishart::Wishart,
    &crate::inverse_wishart::InverseWishart,
    &crate::log_density::LogDensity,
];

/// All families.
pub fn families() -> &'static [&'static dyn Family] {
    FAMILIES
}

/// The family of a name: `Normal`.
pub fn family(name: &str) -> Option<&'static dyn Family> {
    families().iter().copied().find(|f| f.name() == name)
}

/// The family that other languages give a name, in lower case.
pub fn called_elsewhere(name: &str) -> Option<&'static dyn Family> {
    families().iter().copied().find(|f| f.synonyms().contains(&name))
}

/// The family of Gaussians on the unconstrained scale of a support.
pub fn gaussian_on(support: Support) -> Option<&'static dyn Family> {
    families().iter().copied().find(|f| f.gaussian_on() == Some(support))
}

/// A family with arguments that suit it, to find out which of its formulas are closed.
fn example(g: &mut Graph, family: &dyn Family) -> Vec<NodeId> {
    let value = |(k, p): (usize, &Parameter)| match p.support {
        Support::Positive => 3.0,
        Support::Unit | Support::Simplex => 0.5,
        _ => k as f64,
    };
    family.parameters().iter().enumerate().map(value).map(|v| g.constant(v)).collect()
}

/// The families as a Markdown table: arguments, other parameterizations, support, and what is closed, for
/// constant arguments. It is worked out from the families themselves.
pub fn table() -> String {
    let mut text = String::from(
        "| Family | By name | Support | Meaning | Differentiable draws | Truncated by a type | Closed expectations | Closed KL to |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for family in families() {
        text.push_str(&row(*family));
    }
    text
}

fn row(family: &'static dyn Family) -> String {
    let mut g = Graph::new();
    let args = example(&mut g, family);
    let event = family.is_vector().then(|| Axis::plain(g.add_axis("K", 3)));
    let own = Distribution { event, ..Distribution::new(family, args.clone()) };
    let signature = format!("`{}({})`", family.name(), names(family.parameters()));
    let by_name: Vec<String> = family.alternatives().iter().map(|a| format!("`{}`", names(a.parameters))).collect();
    let support = match (family.category_axis_argument(), family.support(&[])) {
        (Some(_), _) if family.categories(1) > 1 => "indices, one more than the axis has".into(),
        (Some(_), _) => "indices of the axis".into(),
        (None, None) if family.is_written_out() => "whatever the data are".into(),
        (None, Some(support)) => support.describe(),
        (None, None) => "numbers between ends that its arguments set".into(),
    };
    let how = Sampling { temperature: g.constant(0.0), indicator: Indicator::Cubic };
    let sampled = own.sample(&mut g, Site(0), &event.into_iter().collect::<Vec<_>>(), &how).is_some();
    let cut = family.log_mass(&mut g, 0.25, 0.75, &args).is_some();
    let mut closed: Vec<&str> =
        Statistic::ALL.into_iter().filter(|&s| own.expectation(&mut g, s).is_some()).map(Statistic::formula).collect();
    if own.entropy(&mut g).is_some() || family.category_axis_argument().is_some() {
        closed.push("H");
    }
    let mut priors = vec![];
    for prior in families() {
        let prior_args = example(&mut g, *prior);
        let categories = family.category_axis_argument().is_some() && family.name() == prior.name();
        let prior_event = event.filter(|_| prior.is_vector());
        let other = Distribution { event: prior_event, ..Distribution::new(*prior, prior_args) };
        if categories || own.kl(&mut g, &other).is_some() {
            priors.push(prior.name());
        }
    }
    let yes = |b: bool| if b { "yes" } else { "" };
    let cells = [
        signature,
        by_name.join(", "),
        support,
        family.summary().into(),
        yes(sampled).into(),
        yes(cut).into(),
        closed.join(", "),
        priors.join(", "),
    ];
    format!("| {} |\n", cells.join(" | "))
}

fn names(parameters: &[Parameter]) -> String {
    let one = |p: &Parameter| match p.default {
        Some(value) => format!("{} = {value}", p.name),
        None => p.name.into(),
    };
    parameters.iter().map(one).collect::<Vec<_>>().join(", ")
}
