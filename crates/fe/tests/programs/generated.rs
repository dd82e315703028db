//! Small programs that nobody wrote: one to three latents of any family, that hang on each other as they fall, under likelihoods and
//! guides that fall as well. Each is held to a sum over a fine grid of everything in f64, whose densities are written here: where
//! its fit is trusted, evidence and table are right; its free energy lies above −log evidence in any case.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::common::root;
use crate::fits::{Options, Program, document};
use crate::trials::{Tier, Trials};

/// Programs with every `cargo test`, and in a full run.
const EVERYDAY: u64 = 24;
const ALL: u64 = 240;

/// From this one on, guides stand in blocks where there are two latents or more that have one.
const IN_BLOCKS: u64 = 200;

/// How many programs are asked for by `FE_GENERATED`.
pub fn asked() -> Option<u64> {
    std::env::var("FE_GENERATED").ok().and_then(|n| n.parse().ok())
}

/// Points of the grid along each dimension, by the number of latents.
const POINTS: [usize; 3] = [4001, 301, 81];

/// Means within this many standard deviations, and these within this part.
const TOLERANCE: f64 = 0.1;

/// The least standard deviation that these are parts of.
const ROUNDING: f64 = 1e-7;

/// The share of programs that may be flagged, and by how many of its standard errors more are, of those that have run so far.
const ERRORS: f64 = 3.0;
const FLAGGED: f64 = 0.2;

/// Numbers from a seed (SplitMix64).
pub struct Dice(u64);

impl Dice {
    pub fn of_seed(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }

    pub fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.uniform()).ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    fn poisson(&mut self, rate: f64) -> f64 {
        let (mut n, mut left) = (0.0, rate);
        loop {
            left += (1.0 - self.uniform()).ln();
            if left < 0.0 || n > 200.0 {
                return n;
            }
            n += 1.0;
        }
    }
}

/// An expression in the latents before it.
#[derive(Clone)]
enum Expr {
    Number(f64),
    Latent(usize),
    Sum(Box<Expr>, Box<Expr>),
    Product(Box<Expr>, Box<Expr>),
    Square(Box<Expr>),
    Exp(Box<Expr>),
}

impl Expr {
    fn at(&self, z: &[f64]) -> f64 {
        match self {
            Self::Number(v) => *v,
            Self::Latent(k) => z[*k],
            Self::Sum(a, b) => a.at(z) + b.at(z),
            Self::Product(a, b) => a.at(z) * b.at(z),
            Self::Square(a) => a.at(z).powi(2),
            Self::Exp(a) => a.at(z).exp(),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Number(v) => format!("{v}"),
            Self::Latent(k) => name(*k).into(),
            Self::Sum(a, b) => format!("({} + {})", a.text(), b.text()),
            Self::Product(a, b) => format!("({} * {})", a.text(), b.text()),
            Self::Square(a) => format!("({})^2", a.text()),
            Self::Exp(a) => format!("exp({})", a.text()),
        }
    }
}

fn name(k: usize) -> &'static str {
    ["a", "b", "c"][k]
}

/// A prior: its arguments may hang on latents before it.
#[derive(Clone)]
enum Prior {
    Normal(Expr, Expr),
    LogNormal(Expr, f64),
    HalfNormal(f64),
    Gamma(i32, f64),
    Beta(i32, i32),
    Poisson(Expr),
    Bernoulli(f64),
}

/// The scale on which the grid is even.
#[derive(Clone, Copy, PartialEq)]
enum Scale {
    Line,
    Log,
    Logit,
    Counts(usize),
}

fn log_factorial(n: f64) -> f64 {
    (1..=n as usize).map(|k| (k as f64).ln()).sum()
}

fn log_normal(x: f64, m: f64, s: f64) -> f64 {
    -0.5 * ((x - m) / s).powi(2) - s.ln() - 0.5 * std::f64::consts::TAU.ln()
}

impl Prior {
    fn text(&self) -> String {
        match self {
            Self::Normal(m, s) => format!("Normal({}, {})", m.text(), s.text()),
            Self::LogNormal(m, s) => format!("LogNormal({}, {s})", m.text()),
            Self::HalfNormal(s) => format!("HalfNormal({s})"),
            Self::Gamma(k, r) => format!("Gamma({k}, {r})"),
            Self::Beta(a, b) => format!("Beta({a}, {b})"),
            Self::Poisson(r) => format!("Poisson({})", r.text()),
            Self::Bernoulli(p) => format!("Bernoulli({p})"),
        }
    }

    fn scale(&self) -> Scale {
        match self {
            Self::Normal(..) => Scale::Line,
            Self::LogNormal(..) | Self::HalfNormal(_) | Self::Gamma(..) => Scale::Log,
            Self::Beta(..) => Scale::Logit,
            Self::Poisson(_) => Scale::Counts(80),
            Self::Bernoulli(_) => Scale::Counts(2),
        }
    }

    /// log p(x), with the latents before it in `z`.
    fn log_density(&self, x: f64, z: &[f64]) -> f64 {
        match self {
            Self::Normal(m, s) => log_normal(x, m.at(z), s.at(z)),
            Self::LogNormal(m, s) => log_normal(x.ln(), m.at(z), *s) - x.ln(),
            Self::HalfNormal(s) => log_normal(x, 0.0, *s) + 2f64.ln(),
            Self::Gamma(k, r) => {
                let k = f64::from(*k);
                k * r.ln() + (k - 1.0) * x.ln() - r * x - log_factorial(k - 1.0)
            }
            Self::Beta(a, b) => {
                let (a, b) = (f64::from(*a), f64::from(*b));
                let constant = log_factorial(a + b - 1.0) - log_factorial(a - 1.0) - log_factorial(b - 1.0);
                constant + (a - 1.0) * x.ln() + (b - 1.0) * (-x).ln_1p()
            }
            Self::Poisson(r) => x * r.at(z).ln() - r.at(z) - log_factorial(x),
            Self::Bernoulli(p) => {
                if x > 0.5 {
                    p.ln()
                } else {
                    (-p).ln_1p()
                }
            }
        }
    }

    fn draw(&self, dice: &mut Dice, z: &[f64]) -> f64 {
        match self {
            Self::Normal(m, s) => m.at(z) + s.at(z) * dice.normal(),
            Self::LogNormal(m, s) => (m.at(z) + s * dice.normal()).exp(),
            Self::HalfNormal(s) => (s * dice.normal()).abs().max(0.05),
            Self::Gamma(k, r) => (0..*k).map(|_| -(1.0 - dice.uniform()).ln() / r).sum::<f64>().max(0.05),
            Self::Beta(a, b) => {
                let mut sum = |n: i32| (0..n).map(|_| -(1.0 - dice.uniform()).ln()).sum::<f64>();
                let (a, b) = (sum(*a), sum(*b));
                (a / (a + b)).clamp(0.02, 0.98)
            }
            Self::Poisson(r) => dice.poisson(r.at(z)),
            Self::Bernoulli(p) => f64::from(dice.uniform() < *p),
        }
    }
}

/// A likelihood of some data.
#[derive(Clone)]
enum Likelihood {
    Normal(Expr, Expr),
    Poisson(Expr),
    Bernoulli(Expr),
}

impl Likelihood {
    fn text(&self) -> (String, &'static str) {
        match self {
            Self::Normal(m, s) => (format!("Normal({}, {})", m.text(), s.text()), ""),
            Self::Poisson(r) => (format!("Poisson({})", r.text()), " : count"),
            Self::Bernoulli(l) => (format!("Bernoulli(logits = {})", l.text()), " : bool"),
        }
    }

    fn log_density(&self, y: f64, z: &[f64]) -> f64 {
        match self {
            Self::Normal(m, s) => log_normal(y, m.at(z), s.at(z)),
            Self::Poisson(r) => y * r.at(z).ln() - r.at(z) - log_factorial(y),
            Self::Bernoulli(l) => {
                let l = if y > 0.5 { l.at(z) } else { -l.at(z) };
                if l > 0.0 { -(-l).exp().ln_1p() } else { l - l.exp().ln_1p() }
            }
        }
    }

    fn draw(&self, dice: &mut Dice, z: &[f64]) -> f64 {
        match self {
            Self::Normal(m, s) => ((m.at(z) + s.at(z) * dice.normal()) * 1000.0).round() / 1000.0,
            Self::Poisson(r) => dice.poisson(r.at(z).min(60.0)),
            Self::Bernoulli(l) => f64::from(dice.uniform() < 1.0 / (1.0 + (-l.at(z)).exp())),
        }
    }
}

/// A program as it fell.
struct Fallen {
    latents: Vec<Prior>,
    likelihoods: Vec<(Likelihood, Vec<f64>)>,
    /// What stands behind a latent, or below all.
    by_guide: Option<usize>,
    guide: Option<&'static str>,
    /// Guides of their own: how many of the first latents each next one holds.
    blocks: Vec<(usize, &'static str)>,
}

/// A number that any latent may stand in, from those before.
fn real(dice: &mut Dice, latents: &[Prior]) -> Expr {
    let number = Expr::Number(dice.of(&[-0.5, 0.5, 1.0]));
    if latents.is_empty() {
        return number;
    }
    let one = Expr::Latent(dice.below(latents.len()));
    let other = Expr::Latent(dice.below(latents.len()));
    match dice.below(6) {
        0 => Expr::Sum(Box::new(one), Box::new(number)),
        1 => Expr::Product(Box::new(number), Box::new(one)),
        2 => Expr::Sum(Box::new(one), Box::new(other)),
        3 => Expr::Product(Box::new(one), Box::new(other)),
        4 if matches!(latents[0].scale(), Scale::Line) => Expr::Square(Box::new(Expr::Latent(0))),
        _ => one,
    }
}

/// A number above 0: a constant, or a latent that is.
fn positive(dice: &mut Dice, latents: &[Prior], constants: &[f64]) -> Expr {
    let suits: Vec<usize> = (0..latents.len()).filter(|&k| latents[k].scale() == Scale::Log).collect();
    match dice.below(2) {
        0 if !suits.is_empty() => Expr::Latent(dice.of(&suits)),
        _ => Expr::Number(dice.of(constants)),
    }
}

fn prior(dice: &mut Dice, before: &[Prior]) -> Prior {
    match dice.below(9) {
        0..3 => {
            let location = if before.is_empty() { Expr::Number(0.0) } else { real(dice, before) };
            Prior::Normal(location, positive(dice, before, &[0.5, 1.0, 2.0]))
        }
        3 => Prior::LogNormal(Expr::Number(dice.of(&[-0.5, 0.0, 0.5])), 0.6),
        4 => Prior::HalfNormal(dice.of(&[0.7, 1.5])),
        5 => Prior::Gamma(dice.of(&[2, 3]), dice.of(&[1.0, 2.0])),
        6 => Prior::Beta(dice.of(&[1, 2, 4]), 2),
        7 => Prior::Poisson(positive(dice, before, &[0.5, 1.0, 4.0])),
        _ => Prior::Bernoulli(dice.of(&[0.3, 0.5])),
    }
}

fn likelihood(dice: &mut Dice, latents: &[Prior]) -> Likelihood {
    let location = real(dice, latents);
    match dice.below(4) {
        0 => {
            // Of a square, exp has no expectation.
            let one = Box::new(Expr::Latent(dice.below(latents.len())));
            Likelihood::Poisson(Expr::Exp(Box::new(Expr::Product(Box::new(Expr::Number(0.5)), one))))
        }
        1 => Likelihood::Bernoulli(location),
        _ => Likelihood::Normal(location, positive(dice, latents, &[0.4, 1.0])),
    }
}

impl Fallen {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::of_seed(seed);
        let count = 1 + dice.below(3);
        let mut latents: Vec<Prior> = vec![];
        for _ in 0..count {
            let next = prior(&mut dice, &latents);
            latents.push(next);
        }
        let mut z = vec![];
        for latent in &latents {
            let x = latent.draw(&mut dice, &z);
            z.push(x);
        }
        let likelihoods = (0..1 + dice.below(2)).map(|_| {
            let of = likelihood(&mut dice, &latents);
            let data = (0..2 + dice.below(3)).map(|_| of.draw(&mut dice, &z)).collect();
            (of, data)
        });
        let likelihoods = likelihoods.collect();
        let discrete = latents.iter().any(|l| matches!(l.scale(), Scale::Counts(_)));
        let by_guide = (dice.below(4) == 0 && !discrete).then(|| dice.below(count));
        let guide =
            (dice.below(4) == 0 && !discrete && by_guide.is_none()).then(|| dice.of(&["FullRank", "MeanField"]));
        let mut fallen = Self { latents, likelihoods, by_guide, guide, blocks: vec![] };
        if seed >= IN_BLOCKS && count > 1 && !discrete {
            (fallen.by_guide, fallen.guide) = (None, None);
            let first = 1 + dice.below(count - 1);
            // A rank of 1 is low where there are two dimensions.
            let kinds = ["FullRank", "MeanField", "Flow", "LowRank"];
            let mut block = |n: usize| (n, dice.of(if n > 1 { &kinds[..] } else { &kinds[..3] }));
            fallen.blocks = vec![block(first), block(count - first)];
        }
        fallen
    }

    fn source(&self) -> String {
        let mut text = String::new();
        for (k, (of, data)) in self.likelihoods.iter().enumerate() {
            let (_, kind) = of.text();
            let data: Vec<String> = data.iter().map(f64::to_string).collect();
            writeln!(text, "data y{k}[N{k}]{kind} = [{}]", data.join(", ")).unwrap();
        }
        for (k, latent) in self.latents.iter().enumerate() {
            let behind = if self.by_guide == Some(k) { " by guide" } else { "" };
            writeln!(text, "latent {} ~ {}{behind}", name(k), latent.text()).unwrap();
        }
        for (k, (of, _)) in self.likelihoods.iter().enumerate() {
            writeln!(text, "observe y{k} ~ {}", of.text().0).unwrap();
        }
        if let Some(guide) = self.guide {
            let names: Vec<&str> = (0..self.latents.len()).map(name).collect();
            writeln!(text, "guide {} ~ {guide}()", names.join(", ")).unwrap();
        }
        let mut names = (0..self.latents.len()).map(name);
        for (count, guide) in &self.blocks {
            let block: Vec<&str> = names.by_ref().take(*count).collect();
            let guide = if *guide == "LowRank" { "LowRank(rank = 1)".to_owned() } else { format!("{guide}()") };
            writeln!(text, "guide {} ~ {guide}", block.join(", ")).unwrap();
        }
        text
    }

    fn log_joint(&self, z: &[f64]) -> f64 {
        let prior: f64 = self.latents.iter().enumerate().map(|(k, l)| l.log_density(z[k], &z[..k])).sum();
        let data = self.likelihoods.iter().flat_map(|(of, data)| data.iter().map(|&y| of.log_density(y, z)));
        prior + data.sum::<f64>()
    }

    /// The ends between which a latent lies on its scale: of a normal one, in its own standard deviations from its own mean.
    fn ends(&self, k: usize) -> (f64, f64) {
        match self.latents[k].scale() {
            Scale::Line => (-9.0, 9.0),
            Scale::Log => (-9.0, 4.0),
            Scale::Logit => (-12.0, 12.0),
            Scale::Counts(n) => (0.0, (n - 1) as f64),
        }
    }

    /// Even places between ends, each with the logarithm of the distance to the next.
    fn grid(&self, k: usize, (low, high): (f64, f64), count: usize) -> Vec<(f64, f64)> {
        if let Scale::Counts(_) = self.latents[k].scale() {
            return (low as usize..=high as usize).map(|v| (v as f64, 0.0)).collect();
        }
        let h = (high - low) / (count - 1) as f64;
        (0..count).map(|i| (low + h * i as f64, h.ln())).collect()
    }

    /// The value at a place, and log of its slope there.
    fn value(&self, k: usize, u: f64, z: &[f64]) -> (f64, f64) {
        match (&self.latents[k], self.latents[k].scale()) {
            (Prior::Normal(m, s), _) => (m.at(z) + s.at(z) * u, s.at(z).ln()),
            (_, Scale::Log) => (u.exp(), u),
            (_, Scale::Logit) => {
                let logistic = |u: f64| 1.0 / (1.0 + (-u).exp());
                (logistic(u), logistic(u).ln() + logistic(-u).ln())
            }
            _ => (u, 0.0),
        }
    }

    /// log evidence, and mean and standard deviation of each latent; none where a finer grid says something else.
    fn exactly(&self) -> Option<(f64, Vec<(f64, f64)>)> {
        let count = POINTS[self.latents.len() - 1];
        let mut ends: Vec<(f64, f64)> = (0..self.latents.len()).map(|k| self.ends(k)).collect();
        let mut found = vec![];
        // The grid closes in on where the posterior is.
        for count in [count, count, count * 4 / 3] {
            let grids: Vec<_> = ends.iter().enumerate().map(|(k, &e)| self.grid(k, e, count)).collect();
            let (evidence, moments, reach) = self.summed(&grids);
            ends = reach;
            found.push((evidence, moments));
        }
        let [.., (before, first), (evidence, moments)] = found.as_slice() else { return None };
        let same =
            |(a, b): (&(f64, f64), &(f64, f64))| (a.0 - b.0).abs() < 0.01 * b.1 && (a.1 / b.1 - 1.0).abs() < 0.01;
        let settled = (before - evidence).abs() < 1e-3 && first.iter().zip(moments).all(same);
        settled.then(|| (*evidence, moments.clone()))
    }

    /// log of the sum over a grid, the moments, and the ends of where it is not e⁻³⁰ below the highest.
    #[expect(clippy::type_complexity, reason = "three answers of one sum")]
    fn summed(&self, grids: &[Vec<(f64, f64)>]) -> (f64, Vec<(f64, f64)>, Vec<(f64, f64)>) {
        let mut place = vec![0; grids.len()];
        let mut found: Vec<(f64, Vec<f64>, Vec<usize>)> = vec![];
        'all: loop {
            let (mut z, mut log) = (vec![], 0.0);
            for (k, (&i, grid)) in place.iter().zip(grids).enumerate() {
                let (value, slope) = self.value(k, grid[i].0, &z);
                z.push(value);
                log += slope + grid[i].1;
            }
            log += self.log_joint(&z);
            if log > -100.0 {
                found.push((log, z, place.clone()));
            }
            for k in 0..place.len() {
                place[k] += 1;
                if place[k] < grids[k].len() {
                    continue 'all;
                }
                place[k] = 0;
            }
            break;
        }
        let most = found.iter().map(|f| f.0).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = found.iter().map(|f| (f.0 - most).exp()).sum();
        let mean =
            |of: &dyn Fn(&[f64]) -> f64| found.iter().map(|(l, z, _)| (l - most).exp() * of(z)).sum::<f64>() / total;
        let moments = (0..grids.len()).map(|k| {
            let first = mean(&|z| z[k]);
            (first, mean(&|z| (z[k] - first).powi(2)).sqrt())
        });
        let moments = moments.collect();
        let near = || found.iter().filter(|f| f.0 > most - 30.0);
        let reach = grids.iter().enumerate().map(|(k, grid)| {
            let low = near().map(|f| f.2[k]).min().unwrap_or(0).saturating_sub(1);
            let high = near().map(|f| f.2[k]).max().unwrap_or(0) + 1;
            (grid[low].0, grid[high.min(grid.len() - 1)].0)
        });
        (most + total.ln(), moments, reach.collect())
    }
}

/// Whether each program was trusted, of those that were fitted.
type Verdicts = Arc<Mutex<Vec<bool>>>;

fn hold(seed: u64, verdicts: &Verdicts) {
    let fallen = Fallen::new(seed);
    let source = fallen.source();
    let Some((evidence, moments)) = fallen.exactly() else { return };
    let program = Program { name: format!("generated_{seed}"), source: source.clone(), folder: root() };
    let fit = document(&program, &Options::default());
    let number = |v: &Value| v.as_f64().unwrap_or(f64::NAN);
    let (free, se) = (number(&fit["free_energy_total"]), fit["free_energy_se"].as_f64().unwrap_or(0.0));
    let rows = number(&fit["rows"]).max(1.0);
    let least = -evidence - 1e-3 - 5.0 * se * rows;
    assert!(free >= least, "F {free} lies below −log evidence {}\n{source}", -evidence);
    let trusted = fit["verdict"]["trusted"] == true;
    verdicts.lock().unwrap_or_else(PoisonError::into_inner).push(trusted);
    if !trusted {
        return;
    }
    if let Some(found) = fit["log_evidence"]["value"].as_f64() {
        let error = 0.03 + 5.0 * number(&fit["log_evidence"]["se"]);
        assert!((found - evidence).abs() < error, "log evidence {found} and not {evidence}\n{source}");
    }
    let table = if fit["posterior_resampled"].is_null() { &fit["posterior"] } else { &fit["posterior_resampled"] };
    for (k, (mean, sd)) in moments.iter().enumerate() {
        let own = if matches!(fallen.latents[k], Prior::Bernoulli(_)) {
            let p = number(&table[format!("P({})", name(k))]["mean"][1]);
            (p, (p * (1.0 - p)).sqrt())
        } else {
            (number(&table[name(k)]["mean"]), number(&table[name(k)]["sd"]))
        };
        // What is next to certain is known to rounding: of one that is, 1 − p is 0.
        let scale = sd.max(ROUNDING);
        let right = (own.0 - mean).abs() <= TOLERANCE * scale && (own.1 - sd).abs() <= TOLERANCE * scale;
        assert!(right, "{} is {own:?} and not {:?}: {}\n{source}", name(k), (mean, sd), fit["verdict"]);
    }
}

/// Each program by itself, and at the end how many were trusted.
pub fn trials(trials: &mut Trials) {
    let verdicts = Verdicts::default();
    for seed in 0..asked().unwrap_or(ALL) {
        let own = Arc::clone(&verdicts);
        trials.add(format!("generated::{seed}"), Tier::of(seed >= EVERYDAY), move || {
            hold(seed, &own);
            let all = own.lock().unwrap_or_else(PoisonError::into_inner);
            let flagged = all.iter().filter(|t| !**t).count();
            // Held where enough of them have run to tell.
            if all.len() as u64 >= EVERYDAY {
                let (count, share) = (all.len() as f64, FLAGGED);
                let most = share * count + ERRORS * (share * (1.0 - share) * count).sqrt();
                assert!(flagged as f64 <= most, "{flagged} of {} were flagged", all.len());
            }
        });
    }
}
