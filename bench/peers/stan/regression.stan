// A linear regression. scale_prior: 0 flat, 1 half-Cauchy(2.5), 2 half-Normal(10). coefficient_sd: 0 flat.
data {
  int<lower=0> N;
  int<lower=0> D;
  matrix[N, D] X;
  vector[N] y;
  int<lower=0, upper=2> scale_prior;
  real<lower=0> coefficient_sd;
}
parameters {
  vector[D] beta;
  real<lower=0> sigma;
}
model {
  if (coefficient_sd > 0) beta ~ normal(0, coefficient_sd);
  if (scale_prior == 1) sigma ~ cauchy(0, 2.5);
  if (scale_prior == 2) sigma ~ normal(0, 10);
  y ~ normal(X * beta, sigma);
}
