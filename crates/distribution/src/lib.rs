//! Probability families as graph expressions, one file each.
//!
//! A [`Family`] gives its log density, moments, entropy, divergences, sampler and Fisher information as nodes of a
//! [`fe_graph::Graph`]; a [`Distribution`] is a family with its arguments, perhaps restricted by a type. Arguments may
//! carry any axes: everything here is element-wise, except along the category axis of `Categorical`. To add a family,
//! write its file and add its line to the table in `families.rs`.

mod arrays;
mod dirichlet;
mod distribution;
mod expr;
mod families;
mod family;
mod support;

mod bernoulli;
mod beta;
mod beta_binomial;
mod binomial;
mod categorical;
mod cauchy;
mod chi_squared;
mod dirichlet_multinomial;
mod exponential;
mod flat;
mod gamma;
mod geometric;
mod gumbel;
mod half_cauchy;
mod half_normal;
mod inverse_gamma;
mod inverse_wishart;
mod laplace;
mod lkj;
mod log_density;
mod log_normal;
mod logistic;
mod modifier;
mod multinomial;
mod multivariate_normal;
mod negative_binomial;
mod normal;
mod one_hot;
mod ordered;
mod pareto;
mod poisson;
mod student_t;
mod uniform;
mod von_mises;
mod weibull;
mod wishart;
mod zero_inflated_poisson;

pub use categorical::{draw_category, pick};
pub use distribution::Distribution;
pub use families::{called_elsewhere, families, family, gaussian_on, table};
pub use family::{Alternative, Family, FreeForm, FromNormal, KlText, LikelihoodText, Parameter, Sampling, Statistic};
pub use modifier::{Cut, Modifier};
pub use poisson::{PoissonRate, poisson_rate};
pub use support::Support;
