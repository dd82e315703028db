//! The programs of the language's definition, synthetic headers, and diagnostics as plain text.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::HashMap;

use fe_check::{Checked, Columns, Header, Overrides, Program, Reader, check, sources};
use fe_syntax::{Diagnostic, parse};

pub const EIGHT_SCHOOLS: &str = r#"model eight_schools
dim J = 8
data y[J]     = csv("eight_schools.csv", "y")
data sigma[J] = csv("eight_schools.csv", "sigma")

latent mu  ~ Normal(0, 5)
latent tau ~ HalfCauchy(5)
latent eta[J] ~ Normal(0, 1)
let theta = mu + tau * eta

observe y ~ Normal(theta, sigma)
"#;

pub const POISSON_VAE: &str = r#"model poisson_vae "A spiking code for natural images"
dim K = 512
data x[N, D] = patches("natural/*.png", size = 16, count = 100_000, seed = 0) |> whiten

param u[K]    = uniform(-6, -4)
param E[D, K] = normal(0, 0.05)
param W[K, D] = normal(0, 0.05)

latent z[N, K] ~ Poisson(exp(u))
guide  z ~ Poisson(exp(u + x @ E))
observe x ~ Normal(z @ W, 1)

train { optimizer = adamax(lr = 0.005)  batch = 1000  epochs = 200 }
show W as images[16, 16]
"#;

pub const RELU_VAE: &str = r#"model relu_vae
dim K = 512
data x[N, D] = patches("natural/*.png", size = 16, count = 100_000, seed = 0) |> whiten
param E[D, K] = normal(0, 0.05)
param W[K, D] = normal(0, 0.05)
param Q[D, K] = normal(0, 0.01)
latent z[N, K] ~ Normal(0, 1)
guide  z ~ Normal(x @ E, exp(x @ Q))
let a = relu(z)
meter a
observe x ~ Normal(a @ W, 1)
train { optimizer = adamax(lr = 0.005)  batch = 1000  epochs = 200 }
"#;

pub const DEEP: &str = r#"dim Z = 32
data x[N, D] : unit = idx("digits.idx.gz") / 255
let h = x |> dense(512) |> silu |> dense(256) |> silu
latent z[N, Z] ~ Normal(0, 1)
guide  z ~ Normal(h |> dense(Z), exp(h |> dense(Z)))
observe x ~ Bernoulli(logits = z |> dense(256) |> silu |> dense(512) |> silu |> dense(D))
"#;

pub const DESCENT: &str = r#"dim K = 512
data x[N, D] = patches("natural/*.png", size = 16, count = 100_000, seed = 0) |> whiten
param u[K]    = uniform(-6, -4)
param W[K, D] = normal(0, 0.05)
param c = 0
latent z[N, K] ~ Poisson(exp(u))
guide z ~ Poisson(exp(v))
refine v[N, K] from u over 16 steps by natural_gradient
observe x ~ Normal(z @ W, exp(c))
"#;

pub const MIXTURE: &str = r#"dim K = 3
data x[N] = csv("waiting.csv", "minutes")
latent w[K] : simplex ~ Dirichlet(1)
latent m[K] : ordered ~ Normal(60, 30)
latent s[K] ~ HalfNormal(20)
latent c[N] : index(K) ~ Categorical(w)
observe x ~ Normal(m[c], s[c])
"#;

pub const WALK: &str = r#"data y[T, C] : count = npy("spikes.npy")
dim S = 4
param L[S, C] = normal(0, 0.3)
param b[C] = 0
for t in T {
  latent s[t, S] ~ Normal(if t == 0 then 0 else 0.95 * s[t-1], 0.3)
  observe y[t] ~ Poisson(exp(s[t] @ L + b))
}
"#;

pub const CONTROL: &str = r#"dim T = 50  dim S = 2  dim A = 1
param gain[S, A] = normal(0, 0.1)
param v[A] = 0
let F[S, S'] = [[1, 0], [0.1, 1]]
let G[A, S]  = [[0.005, 0.1]]
for t in T {
  let s[t, S] = if t == 0 then [1, 0] else s[t-1] @ F + a[t-1] @ G
  latent a[t, A] ~ Normal(0, 3.1622777)
  guide  a[t] ~ Normal(s[t] @ gain, exp(v))
  loss cost = 0.5 * s[t]^2
}
"#;

pub const SOURCE_CODING: &str = r#"data x[N] = normal_draws(0, 1, count = 100_000)
latent z[N] ~ Normal(0, 1)
param g = 1  param h = 0  param c = 1
guide  z ~ Normal(g * x, exp(h))
loss   d = (x - c * z)^2
minimize distortion + 0.5 * rate
"#;

pub const ALL: [&str; 9] = [EIGHT_SCHOOLS, POISSON_VAE, RELU_VAE, DEEP, DESCENT, MIXTURE, WALK, CONTROL, SOURCE_CODING];

/// Headers for the files of these programs.
pub fn headers(text: &str) -> HashMap<String, Header> {
    let ast = parse(text).ast;
    let (calls, _) = sources(&ast, &Overrides::default());
    let shape = |reader: &Reader| match reader {
        Reader::Table { path, .. } if path.contains("schools") => vec![8],
        Reader::Table { columns: Columns::Named(c), .. } if c.len() > 1 => vec![434, c.len()],
        Reader::Table { path, .. } if path == "y.csv" => vec![600],
        Reader::Table { .. } => vec![272],
        Reader::Idx { .. } => vec![10_000, 28, 28],
        Reader::Npy { .. } => vec![600, 12],
        Reader::Patches { size, count, moving: None, .. } => vec![*count, size * size],
        Reader::Patches { size, count, moving: Some((frames, _)), .. } => vec![*count, *frames, size * size],
        Reader::Bars { size, angles, frames, blank, .. } => vec![*angles, frames + blank, size * size],
        Reader::NormalDraws { count, .. } => vec![*count],
        _ => vec![100, 16],
    };
    calls
        .iter()
        .map(|c| {
            let levels = match &c.reader {
                Reader::Table { columns: Columns::Named(c), .. } if c.iter().any(|c| c == "county") => {
                    Some((0..85).map(|k| format!("county {k}")).collect())
                }
                _ => None,
            };
            (c.data.clone(), Header { shape: shape(&c.reader), levels, ..Header::default() })
        })
        .collect()
}

pub fn checked(text: &str) -> Checked {
    checked_with(text, &Overrides::default())
}

pub fn checked_with(text: &str, overrides: &Overrides) -> Checked {
    let parsed = parse(text);
    let mut checked = check(&parsed.ast, &headers(text), overrides, "program");
    checked.diagnostics.splice(0..0, parsed.diagnostics);
    checked
}

/// A program that must be free of diagnostics.
pub fn program(text: &str) -> Program {
    let checked = checked(text);
    assert!(checked.diagnostics.is_empty(), "{}", rendered(text, &checked.diagnostics));
    checked.program.expect("a program without diagnostics")
}

/// Codes of all diagnostics, in order.
pub fn codes(text: &str) -> Vec<&'static str> {
    checked(text).diagnostics.iter().map(|d| d.code).collect()
}

/// Diagnostics as they would be read, without colour.
pub fn rendered(text: &str, diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for d in diagnostics {
        out.push_str(&format!("{} {}\n", d.code, d.message));
        for label in &d.labels {
            let before = &text[..label.span.start.min(text.len())];
            let line = before.matches('\n').count() + 1;
            let start = before.rfind('\n').map_or(0, |p| p + 1);
            let source = text[start..].lines().next().unwrap_or_default();
            let column = before[start..].chars().count();
            let width = text.get(label.span.start..label.span.end).unwrap_or("").chars().count().max(1);
            out.push_str(&format!(
                "  {line:>3} | {source}\n      | {}{} {}\n",
                " ".repeat(column),
                "^".repeat(width),
                label.message
            ));
        }
        if let Some(help) = &d.help {
            out.push_str(&format!("  help: {help}\n"));
        }
        out.push('\n');
    }
    out
}
