//! The diagrams of a page, held to what they must show of data whose law is known.

use std::cell::Cell;
use std::path::Path;

use crate::common::*;
use fe_report::{Chart, Diagrams, Drawing, Format, Panels};

/// Uniform numbers that look like chance: xorshift64* (Vigna, ACM TOMS 42:30, 2016).
struct Uniform(Cell<u64>);

impl Uniform {
    fn next(&self) -> f64 {
        let mut x = self.0.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0.set(x);
        (x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// By the transform of Box and Muller.
    fn normal(&self) -> f64 {
        (-2.0 * (1.0 - self.next()).ln()).sqrt() * (2.0 * std::f64::consts::PI * self.next()).cos()
    }

    fn poisson(&self, rate: f64) -> f64 {
        let (mut left, mut count) = (self.next(), 0.0);
        while left > (-rate).exp() {
            left *= self.next();
            count += 1.0;
        }
        count
    }
}

fn table(folder: &Path, head: &str, rows: impl Iterator<Item = String>) {
    std::fs::write(folder.join("d.csv"), format!("{head}\n{}\n", rows.collect::<Vec<_>>().join("\n"))).unwrap();
}

/// A page but for the line on k̂ of a guide that is exact: −∞ is no number of JSON, and lost in `fit.json`.
fn again(page: &str) -> String {
    match page.split_once("<dt>Pareto k̂</dt>") {
        Some((before, after)) if after.starts_with("<dd>k̂ −∞") => {
            format!("{before}{}", after.split_once("</dd>").unwrap().1)
        }
        _ => page.to_owned(),
    }
}

/// The diagrams of a program's fit, whose page is written again as it was, and which are all files.
fn diagrams(folder: &Path, program: &str) -> Diagrams {
    std::fs::write(folder.join("m.fe"), program).unwrap();
    done(folder, &["run", "m.fe", "--quiet", "--out", "run"]);
    let page = || std::fs::read_to_string(folder.join("run/report.html")).unwrap();
    let before = page();
    let said = done(folder, &["report", "run", "--pictures"]);
    assert!(again(&page()) == again(&before), "the page is another");
    assert!(said.contains(&format!("{} pictures", before.matches("<svg").count())), "{said}");
    assert!(before.len() < 1_000_000, "{}", before.len());
    serde_json::from_str(&std::fs::read_to_string(folder.join("run/diagrams.json")).unwrap()).unwrap()
}

fn charts(panels: &[Panels]) -> Vec<&Chart> {
    let drawings = panels.iter().flat_map(|p| &p.drawings);
    drawings.filter_map(|d| if let Drawing::Lines(chart) = d { Some(chart) } else { None }).collect()
}

fn titled<'a>(panels: &'a [Panels], title: &str) -> &'a Chart {
    let all = charts(panels);
    let titles: Vec<&str> = all.iter().map(|c| c.title.as_str()).collect();
    all.iter().find(|c| c.title == title).unwrap_or_else(|| panic!("no {title:?} in {titles:?}"))
}

fn normal(x: f64, mean: f64, sd: f64) -> f64 {
    (-0.5 * ((x - mean) / sd).powi(2)).exp() / (sd * (2.0 * std::f64::consts::PI).sqrt())
}

#[test]
fn a_density_is_that_of_the_posterior_beside_its_prior() {
    let folder = tempfile::tempdir().unwrap();
    let y = [0.5, 1.5, -0.25, 2.0, 1.25];
    table(folder.path(), "y", y.iter().map(f64::to_string));
    let program = "data y[N] = csv(\"d.csv\", \"y\")\nlatent mu ~ Normal(0, 5)\nobserve y ~ Normal(mu, 1)\n";
    let found = diagrams(folder.path(), program);
    let chart = titled(&found.globals, "mu");
    assert_eq!(chart.format, Format::Small);
    let precision = y.len() as f64 + 1.0 / 25.0;
    let (mean, sd) = (y.iter().sum::<f64>() / precision, precision.sqrt().recip());
    let mut area = 0.0;
    for bar in &chart.bars.bars {
        let (width, middle) = (bar.to - bar.from, 0.5 * (bar.from + bar.to));
        area += width * bar.height;
        // 2000 draws: five standard errors of a bin's share, and the curvature of the density within it.
        let share = normal(middle, mean, sd) * width;
        let error = 5.0 * (share.max(1e-3) / 2000.0).sqrt() + 0.02 * share;
        assert!((bar.height * width - share).abs() < error, "{bar:?} is not {share} ± {error}");
    }
    assert!((0.985..=1.0 + 1e-9).contains(&area), "{area}");
    let prior = &chart.series[0];
    assert_eq!((prior.name.as_str(), prior.points.len()), ("prior", 81));
    for &(x, height) in &prior.points {
        assert!((height - normal(x, 0.0, 5.0)).abs() < 1e-12);
    }
    // One value has no pairs.
    assert_eq!(charts(&found.globals).len(), 1);
}

#[test]
fn a_fit_over_its_data_has_bands_that_hold_nine_of_ten_and_level_residuals() {
    let folder = tempfile::tempdir().unwrap();
    let chance = Uniform(Cell::new(7));
    let rows: Vec<(f64, f64)> =
        (0..400).map(|_| 4.0 * chance.next()).map(|x| (x, 1.0 - 2.0 * x + 0.5 * chance.normal())).collect();
    table(folder.path(), "x,y", rows.iter().map(|(x, y)| format!("{x},{y}")));
    let program = "\
data x[N] = csv(\"d.csv\", \"x\")
data y[N] = csv(\"d.csv\", \"y\")
latent a ~ Normal(0, 5)
latent b ~ Normal(0, 5)
latent s ~ HalfNormal(2)
observe y ~ Normal(a + b * x, s)
";
    let found = diagrams(folder.path(), program);
    let fit = titled(&found.fit, "y over x");
    let (observed, predicted) = (&fit.series[0], &fit.series[1]);
    assert_eq!(observed.points.len(), 400);
    assert!(predicted.points.is_sorted_by(|a, b| a.0 <= b.0) && predicted.points.len() <= 250);
    let mut inside = 0;
    for (&(x, mean), &(low, high)) in predicted.points.iter().zip(&predicted.band) {
        let truth = 1.0 - 2.0 * x;
        // A mean of 500 draws of sd ½ about a line that is known to ±0.08.
        assert!((mean - truth).abs() < 0.2, "{mean} at {x}");
        assert!(((high - low) / (2.0 * 1.645 * 0.5) - 1.0).abs() < 0.25, "{low} to {high}");
        let y = rows.iter().find(|r| r.0 == x).unwrap().1;
        inside += usize::from((low..=high).contains(&y));
    }
    let share = inside as f64 / predicted.points.len() as f64;
    // Three standard errors of a share of 200 rows.
    assert!((share - 0.9).abs() < 0.064, "{share}");

    let residuals = &titled(&found.fit, "Residuals of y").series[0].points;
    let outside = residuals.iter().filter(|r| r.1.abs() > 2.0).count() as f64 / 400.0;
    assert!((outside - 0.0455).abs() < 0.032, "{outside}");
    let mean = residuals.iter().map(|r| r.1).sum::<f64>() / 400.0;
    let square = residuals.iter().map(|r| r.1 * r.1).sum::<f64>() / 400.0;
    assert!(mean.abs() < 0.05 && (square - 1.0).abs() < 0.15, "{mean}, {square}");

    // Slope and level of x in 0 to 4: −mean(x) / √mean(x²).
    let n = rows.len() as f64;
    let (first, second) = (rows.iter().map(|r| r.0).sum::<f64>() / n, rows.iter().map(|r| r.0 * r.0).sum::<f64>() / n);
    let exact = -first / second.sqrt();
    let pair = charts(&found.globals).into_iter().find(|c| c.x.label == "a" && c.y.label == "b").unwrap();
    let r: f64 = pair.title.trim_start_matches("r = ").replace('−', "-").parse().unwrap();
    assert!((r - exact).abs() < 0.03, "{r}, not {exact}");
    assert!(pair.series[0].points.len() <= 150);
}

#[test]
fn counts_are_bars_with_intervals_and_their_ranks_are_level() {
    let folder = tempfile::tempdir().unwrap();
    let chance = Uniform(Cell::new(11));
    let rows: Vec<(f64, f64)> =
        (0..600).map(|_| chance.normal()).map(|x| (x, chance.poisson((0.6 + 0.5 * x).exp()))).collect();
    table(folder.path(), "x,y", rows.iter().map(|(x, y)| format!("{x},{y}")));
    let program = "\
data x[N] = csv(\"d.csv\", \"x\")
data y[N] : count = csv(\"d.csv\", \"y\")
latent a ~ Normal(0, 2)
latent b ~ Normal(0, 2)
observe y ~ Poisson(exp(a + b * x))
";
    let found = diagrams(folder.path(), program);
    let anew = titled(&found.fit, "y and data drawn anew");
    assert!(anew.x.counts);
    let mut held = 0;
    for (k, bar) in anew.bars.bars.iter().enumerate() {
        assert_eq!((bar.from, bar.to), (k as f64 - 0.5, k as f64 + 0.5));
        let share = rows.iter().filter(|r| r.1 == k as f64).count() as f64 / 600.0;
        assert!((bar.height - share).abs() < 1e-12);
        let at = anew.series[0].points.iter().position(|p| p.0 == k as f64);
        held += usize::from(at.is_none_or(|at| {
            let (low, high) = anew.series[0].whiskers[at];
            (low..=high).contains(&share)
        }));
    }
    let bars = anew.bars.bars.len();
    assert!(bars >= 8 && held + 3 >= bars, "{held} of {bars}");
    let ranks = titled(&found.fit, "Ranks of y among data drawn anew");
    assert_eq!(ranks.bars.bars.len(), 10);
    // A tenth each, within four standard errors.
    let off = ranks.bars.bars.iter().map(|b| (b.height - 0.1).abs()).fold(0.0, f64::max);
    assert!(off < 4.0 * (0.09f64 / 600.0).sqrt(), "{off}");
    assert!(titled(&found.fit, "y over x").y.counts);
}

#[test]
fn yes_and_no_are_calibrated_where_the_model_is_right_and_not_where_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let chance = Uniform(Cell::new(13));
    let rows: Vec<(f64, u8)> = (0..800)
        .map(|_| 6.0 * chance.next() - 3.0)
        .map(|x| (x, u8::from(chance.next() < 1.0 / (1.0 + (0.3 - 1.5 * x).exp()))))
        .collect();
    table(folder.path(), "x,y", rows.iter().map(|(x, y)| format!("{x},{y}")));
    let program = |logit: &str| {
        format!(
            "data x[N] = csv(\"d.csv\", \"x\")\ndata y[N] : bool = csv(\"d.csv\", \"y\")\n\
             latent a ~ Normal(0, 3)\nlatent b ~ Normal(0, 3)\nobserve y ~ Bernoulli(logits = {logit})\n"
        )
    };
    let outside = |found: &Diagrams| {
        let chart = titled(&found.fit, "Calibration of y");
        let (came, expected) = (&chart.series[0], &chart.series[1]);
        assert_eq!(came.points.len(), 10);
        let off = came.points.iter().zip(&expected.whiskers);
        off.filter(|(p, band)| !(band.0..=band.1).contains(&p.1)).count()
    };
    let right = diagrams(folder.path(), &program("a + b * x"));
    assert!(outside(&right) <= 3, "{}", outside(&right));
    assert_eq!(charts(&right.fit).len(), 1);
    // A slope that is taken to be four times what it is: small probabilities come true too often, and large ones too seldom.
    let wrong = diagrams(folder.path(), &program("a + 0.001 * b + 6 * x"));
    assert!(outside(&wrong) >= 4, "{}", outside(&wrong));
}

/// Ratings of three levels by cutpoints: each level has its calibration under its name, which holds where the model does, and not
/// with a slope that is taken to be four times what it is.
#[test]
fn categories_are_calibrated_each_where_the_model_is_right_and_not_where_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let chance = Uniform(Cell::new(29));
    let rows = (0..900).map(|_| 6.0 * chance.next() - 3.0).map(|x| {
        let u = chance.next();
        let at = 1.5 * x + (u / (1.0 - u)).ln();
        format!("{x},{}", ["bad", "fair", "good"][usize::from(at > -1.0) + usize::from(at > 1.5)])
    });
    table(folder.path(), "x,y", rows.collect::<Vec<_>>().into_iter());
    let program = |location: &str| {
        format!(
            "data x[N] = csv(\"d.csv\", \"x\")\ndata y[N] : index(R) = csv(\"d.csv\", \"y\")\ndim C = 2\n\
             latent cut[C] : ordered ~ Normal(0, 5)\nlatent b ~ Normal(0, 3)\nobserve y ~ OrderedLogistic({location}, cut)\n"
        )
    };
    let outside = |found: &Diagrams| {
        let chart = titled(&found.fit, "Calibration of y by category");
        let names: Vec<&str> = chart.series.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["bad", "fair", "good", "as predicted, 90 %"]);
        let expected = &chart.series[3];
        assert_eq!((chart.series[0].points.len(), expected.points.len()), (5, 15));
        let band = |x: f64| {
            let at = expected.points.iter().position(|p| p.0 == x).unwrap();
            expected.whiskers[at]
        };
        let marks = chart.series[..3].iter().flat_map(|s| &s.points);
        marks.filter(|p| !(band(p.0).0..=band(p.0).1).contains(&p.1)).count()
    };
    let right = diagrams(folder.path(), &program("b * x"));
    assert!(outside(&right) <= 4, "{}", outside(&right));
    let wrong = diagrams(folder.path(), &program("0.001 * b + 6 * x"));
    assert!(outside(&wrong) >= 7, "{}", outside(&wrong));
    // Bars bear the levels' names too.
    let bars = titled(&right.fit, "y and data drawn anew");
    assert!(format!("{:?}", bars.x).contains("fair"), "{:?}", bars.x);
}

/// Levels have curves of their own, an index its names, and large arrays are left to the tables.
#[test]
fn levels_have_names_and_large_arrays_are_left_to_tables() {
    let folder = tempfile::tempdir().unwrap();
    let chance = Uniform(Cell::new(17));
    let name = |k: usize| ["low", "high"][k % 2];
    let rows = (0..60).map(|k| (k, chance.next(), chance.normal()));
    let rows: Vec<String> = rows.map(|(k, x, e)| format!("{},u{},{x},{}", name(k), k % 20, x + 0.2 * e)).collect();
    table(folder.path(), "g,u,x,y", rows.into_iter());
    let program = "\
data g[N] : index(G) = csv(\"d.csv\", \"g\")
data x[N] = csv(\"d.csv\", \"x\")
data y[N] = csv(\"d.csv\", \"y\")
latent a[G] ~ Normal(0, 5)
observe y ~ Normal(a[g] + x, 0.2)
";
    let found = diagrams(folder.path(), program);
    let names: Vec<&str> = titled(&found.fit, "y over x").series.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["high", "low", "high, predicted", "low, predicted"]);
    let titles: Vec<&str> = charts(&found.globals).iter().map(|c| c.title.as_str()).take(2).collect();
    assert_eq!(titles, ["a[high]", "a[low]"]);
    let of_many = "\
data u[N] : index(U) = csv(\"d.csv\", \"u\")
data y[N] = csv(\"d.csv\", \"y\")
latent s ~ HalfNormal(1)
latent a[U] ~ Normal(0, 5)
observe y ~ Normal(a[u], s)
";
    let found = diagrams(folder.path(), of_many);
    assert_eq!(charts(&found.globals).len(), 1);
    assert!(found.globals[0].caption.ends_with("Left out: 20 further values, which are in the tables or in fit.json."));
    // What has only its group is set against what is predicted of it.
    titled(&found.fit, "y against its prediction");
}
