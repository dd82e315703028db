data {
  int<lower=0> n;
  vector[n] year;
  array[n] int<lower=0> C;
}
parameters {
  real<lower=-20, upper=20> alpha;
  real<lower=-10, upper=10> beta1;
  real<lower=-10, upper=10> beta2;
  real<lower=-10, upper=10> beta3;
}
model {
  C ~ poisson_log(alpha + beta1 * year + beta2 * year .^ 2 + beta3 * year .^ 3);
}
