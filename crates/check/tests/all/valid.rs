//! Programs that must be understood without a word.

use crate::common::*;

const VALID: &[(&str, &str)] = &[
    (
        "varying intercepts",
        r#"
data county[N] : index(J) = csv("radon.csv", "county")
data floor[N] = csv("radon.csv", "floor")
data y[N] = csv("radon.csv", "log_radon")
latent mu ~ Normal(0, 1)
latent tau ~ HalfNormal(1)
latent a[J] ~ Normal(mu, tau)
latent b ~ Normal(0, 1)
latent sigma ~ HalfNormal(1)
observe y ~ Normal(a[county] + b * floor, sigma)
"#,
    ),
    (
        "gaussian process",
        r#"
data t[N] = [0.0, 0.5, 1.0]
data y[N] = [1.0, 0.5, 0.2]
param scale : positive = 1
let K[N, N'] = exp(-0.5 * (t[N] - t[N'])^2 / scale^2) + 0.01 * eye(N)
latent w[N] ~ Normal(0, 1)
observe y ~ Normal(w @ K, 0.1)
"#,
    ),
    (
        "functions and their parameters",
        r#"
data x[N, D] = npy("x.npy")
data y[N] : bool = csv("y.csv", "y")
fn block(h) = h |> dense(64) |> silu
fn mlp(h, K) = dense(block(block(h)), K)
latent s ~ HalfNormal(1)
param bias = 0
let logit_y[N] = sum(mlp(x, 1), 1) + bias
observe y ~ Bernoulli(logits = s * logit_y)
"#,
    ),
    (
        "softmax regression",
        r#"
dim K = 3
data x[N, D] = npy("x.npy")
data c[N] : index(K) = csv("y.csv", "class")
latent W[D, K] ~ Normal(0, 1)
observe c ~ Categorical(softmax(x @ W, K))
"#,
    ),
    (
        "logits",
        r#"
dim K = 3
data x[N, D] = npy("x.npy")
data c[N] : index(K) = csv("y.csv", "class")
latent W[D, K] ~ Normal(0, 1)
observe c ~ Categorical(logits = x @ W)
"#,
    ),
    (
        "restricted priors and guides",
        r#"
data x[N] = csv("x.csv", "x")
latent m : real(0, 20) ~ Normal(10, 5)
latent tau : positive ~ Cauchy(0, 2.5)
latent p ~ Beta(2, 2)
latent l ~ Uniform(-3, 3)
guide m, tau ~ FullRank()
guide p = point
guide l ~ MeanField()
observe x ~ StudentT(4, m + l * p, tau)
"#,
    ),
    (
        "prices, meters, energy",
        r#"
dim K = 4
data x[N, D] = npy("x.npy")
param u[K] = uniform(-2, -1)
param W[K, D] = normal(0, 0.1)
latent z[N, K] ~ Poisson(exp(u)) by quintic
guide z ~ Poisson(exp(u + (x |> dense(K)))) by linear
let rate_of = mean(z, K)
meter z
meter rate_of
price spike = 2.4e9 ATP
observe x ~ Normal(z @ W, 1)
minimize distortion + ramp(0, 1, until = 0.5) * rate(z) + 0.02 * energy
train { optimizer = sgd(lr = cosine(0.01, 0), momentum = 0.9)  batch = 10  steps = 100  holdout = 10%  clip = 5  samples = 2  seed = 3  temperature = ramp(1, 0.05) }
show W as images[3, 4]
"#,
    ),
    (
        "conditions and comparisons",
        r#"
data x[N] = csv("x.csv", "x")
const robust = 1
latent m ~ Normal(0, 1)
let late = x > 0 and not (x > 10) or x == 0
let y = if robust == 1 then (if late then m else 2 * m) else undefined
observe x ~ Normal(y, 1)
"#,
    ),
    (
        "lists, transposes, slices",
        r#"
dim S = 2
data x[N, D] = npy("x.npy")
let F[S, S'] = [[1, 0], [0.1, 1]]
let G[D] = mean(x, N)
let start[S] = [0, 1]
latent s[N, S] ~ Normal(start, 1)
param A[D, S] = 0.1
let r = s @ F @ transpose(A)
let head = slice(G, D, 0, 4)
latent b[4] ~ Normal(head, 1)
observe x ~ Normal(r + sum(b), 1)
loss prior = sum(diag(F) * start, S)
"#,
    ),
    (
        "an index of an element",
        r#"
data y[N] = csv("x.csv", "y")
data u[N] = csv("x.csv", "u")
dim B = 3
latent b[B] ~ Flat()
latent s ~ HalfCauchy(2.5)
observe y ~ Normal(b[0] + b[1] * u + b[2] * u^2, s)
"#,
    ),
    (
        "statements in any order",
        r#"
observe y ~ Normal(theta, sigma)
let theta = mu + tau * eta
latent eta[J] ~ Normal(0, 1)
latent tau ~ HalfCauchy(scale)
const scale = 2 * five
const five = 5
latent mu ~ Normal(0, 5)
data sigma[J] = csv("schools.csv", "sigma")
data y[J] = csv("schools.csv", "y")
"#,
    ),
    (
        "a loss and a stated prior",
        r#"
data x[N] = csv("x.csv", "x")
latent a[N] ~ Normal(0, 1)
latent s[N] ~ Normal(a, 0.1)
guide s = prior
loss cost = (s - x)^2
minimize distortion + rate(a)
"#,
    ),
    (
        "a column with an axis of its own",
        r#"
data x[N, 1] = csv("x.csv", "x")
data y[N] = csv("x.csv", "y")
latent s ~ HalfNormal(1)
observe y ~ Normal(sum(x |> dense(8) |> tanh |> dense(1), 1), s)
"#,
    ),
    (
        "Greek",
        r#"
data x[N] = csv("x.csv", "x")
latent μ ~ Normal(0, 1)
latent σ ~ HalfNormal(1)
observe x ~ Normal(μ, σ)
"#,
    ),
    (
        "every latent at once",
        r#"
data x[N] = csv("x.csv", "x")
latent m ~ Normal(0, 1)
latent s ~ HalfNormal(1)
guide * ~ MeanField()
observe x ~ Normal(m, s)
"#,
    ),
    (
        "observed through a let",
        r#"
data x[N] = csv("x.csv", "x")
let lx = log(x)
latent m ~ Normal(0, 1)
observe lx ~ Normal(m, 1)
train { batch = 10 }
"#,
    ),
    (
        "soft bounds",
        r#"
dim K = 16
data x[N, D] = npy("patches.npy")
param u[K]    = uniform(-4, -2)
param E[D, K] = normal(0, 0.05)
param W[K, D] = normal(0, 0.05)
let gain = 10 - softplus(10 - x @ E)
let log_rate = 5 - softplus(5 - (u + gain))
latent z[N, K] ~ Poisson(exp(u))
guide  z ~ Poisson(exp(log_rate))
observe x ~ Normal(z @ W, sqrt(0.5))
minimize free_energy
"#,
    ),
];

#[test]
fn valid_programs_pass_in_silence() {
    let mut wrong = String::new();
    for (name, text) in VALID {
        let checked = checked(text);
        if !checked.diagnostics.is_empty() || checked.program.is_none() {
            wrong.push_str(&format!("=== {name}\n{}", rendered(text, &checked.diagnostics)));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
