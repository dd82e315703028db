//! Two programs fitted to the same data, side by side.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::account::Figure;
use crate::document::Document;
use crate::figures::{bits, duration, fixed, plural, significant};
use crate::layout::{Align, NO_BREAK, Page, Span, Table, Tone, elide};
use crate::nested::number;
use crate::terminal::{LABEL, NAME, WIDTH, filled};

/// What `fe compare` finds: every figure of two programs, and their differences B − A.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The version of the compiler.
    pub fe_version: String,
    /// The first program.
    pub a: Side,
    /// The second.
    pub b: Side,
    /// The seeds that both were fitted with; figures are means over them.
    pub seeds: Vec<u64>,
    /// Rows that were compared one by one, of each seed.
    pub rows: u64,
    /// Of how many.
    pub of_rows: u64,
    /// Whether these were held out.
    pub heldout: bool,
    /// Whether both programs saw the same rows, so that errors are those of differences row by row.
    pub paired: bool,
    /// The figures.
    pub figures: Vec<Compared>,
    /// What else the reader must know.
    pub notes: Vec<String>,
}

/// One of two programs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// Its file.
    pub program: String,
    /// The model's name.
    pub model: String,
    /// What it minimises.
    pub objective: String,
    /// Its fits, one for each seed.
    pub fits: Vec<SideFit>,
}

/// One fit of a side.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SideFit {
    /// The seed.
    pub seed: u64,
    /// Steps taken.
    pub steps: u64,
    /// Seconds of the fit.
    #[serde(with = "number")]
    pub seconds: f64,
    /// Whether it converged.
    pub converged: bool,
}

/// A figure of both programs. It is none where a program has no such figure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// What it is of: `held out`, `training`, `code`, `fit`.
    pub of: String,
    /// Its name, as in `fit.json`; of a code with the name of the latent or meter: `z.zeros`, or `z|a.zeros` of two.
    pub name: String,
    /// Its unit, empty of fractions.
    pub unit: String,
    /// Of the first program.
    pub a: Option<f64>,
    /// Of the second.
    pub b: Option<f64>,
    /// B − A.
    pub difference: Option<f64>,
    /// Standard error of the difference, from `se_rows` and `se_draws`.
    pub se: Option<f64>,
    /// Its part from the rows, which are a sample of all that there might be.
    pub se_rows: Option<f64>,
    /// Its part from the Monte Carlo draws that figures are taken with.
    pub se_draws: Option<f64>,
    /// Standard error of the difference over seeds; none of a single seed.
    pub se_seeds: Option<f64>,
}

/// Standard errors of differences of one pair of fits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Errors {
    /// Over rows: of F, D, R and the energy.
    pub rows: [Option<f64>; 4],
    /// Over draws: of F, D and R.
    pub draws: [Option<f64>; 3],
}

/// Two fits with one seed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PairOfFits {
    /// Of the first program.
    pub a: Document,
    /// Of the second.
    pub b: Document,
    /// Of held-out figures, where there are any, else of those of training rows.
    pub errors: Errors,
}

/// A figure of a document that may be compared.
struct Entry {
    of: &'static str,
    name: String,
    unit: &'static str,
    value: Option<f64>,
    /// Of an account, which has errors.
    figure: Option<Figure>,
}

/// The code of a document: counts, then meters, then other latents with sparsities.
fn codes(document: &Document) -> Vec<(&str, [Option<f64>; 4])> {
    let latents = document.latents.iter().filter(|(_, l)| l.zeros.is_some()).map(|(name, l)| {
        (name.as_str(), [l.zeros, l.lifetime_sparsity, l.population_sparsity, l.active.map(|n| n as f64)])
    });
    let meters = document
        .meters
        .iter()
        .map(|(name, m)| (name.as_str(), [Some(m.zeros), m.lifetime_sparsity, m.population_sparsity, None]));
    latents.chain(meters).collect()
}

/// Every figure of a document, in an order that depends on nothing but what is there; `with` names codes together.
fn figures(document: &Document, heldout: bool, with: &[String]) -> Vec<Entry> {
    let mut list = vec![];
    let held = document.heldout.as_ref().map(|held| &held.account);
    let accounts = [("held out", held)].into_iter().filter(|_| heldout).chain([("training", Some(&document.account))]);
    for (of, account) in accounts {
        list.extend(Figure::COMPARED.map(|figure| Entry {
            of,
            name: figure.key().into(),
            unit: figure.unit(),
            value: account.and_then(|account| figure.of(account)),
            figure: Some(figure),
        }));
    }
    let mut put = |of, name: &str, unit, value| {
        list.push(Entry { of, name: name.into(), unit, value, figure: None });
    };
    let codes = codes(document);
    for (place, code) in with.iter().enumerate() {
        let values = codes.get(place).map_or([None; 4], |c| c.1);
        let names = ["zeros", "lifetime_sparsity", "population_sparsity", "active"];
        for ((name, unit), value) in names.into_iter().zip(["", "", "", "units"]).zip(values) {
            put("code", &format!("{code}.{name}"), unit, value);
        }
    }
    put("fit", "seconds", "s", Some(document.seconds));
    put("fit", "steps", "", Some(document.steps as f64));
    list
}

/// Names for the codes of two documents, which are set side by side in their order.
fn together(a: &Document, b: &Document) -> Vec<String> {
    let (a, b) = (codes(a), codes(b));
    let name = |k: usize| match (a.get(k), b.get(k)) {
        (Some((a, _)), Some((b, _))) if a != b => format!("{a}|{b}"),
        (Some((one, _)), _) | (None, Some((one, _))) => (*one).to_owned(),
        (None, None) => String::new(),
    };
    (0..a.len().max(b.len())).map(name).collect()
}

/// The figures of two programs, in the mean over seeds. What neither has is left out.
pub fn compared(pairs: &[PairOfFits]) -> Vec<Compared> {
    let Some(first) = pairs.first() else { return vec![] };
    let heldout = first.a.heldout.is_some() || first.b.heldout.is_some();
    let basis = if heldout { "held out" } else { "training" };
    let names = together(&first.a, &first.b);
    let all: Vec<[Vec<Entry>; 2]> = pairs.iter().map(|p| [&p.a, &p.b].map(|d| figures(d, heldout, &names))).collect();
    let mut list = vec![];
    let count = all.first().map_or(0, |[a, _]| a.len());
    for k in 0..count {
        let values = |side: usize| -> Option<Vec<f64>> {
            all.iter().map(|p| p.get(side).and_then(|f| f.get(k)).and_then(|f| f.value)).collect()
        };
        let (a, b) = (values(0), values(1));
        let Some(Entry { of, name, unit, figure, .. }) = all.first().and_then(|[a, _]| a.get(k)) else { continue };
        if a.is_none() && b.is_none() {
            continue;
        }
        let differences: Option<Vec<f64>> = match (&a, &b) {
            (Some(a), Some(b)) => Some(a.iter().zip(b).map(|(a, b)| b - a).collect()),
            _ => None,
        };
        let place = match figure {
            Some(Figure::FreeEnergy) => Some((0, 1.0)),
            Some(Figure::Distortion) => Some((1, 1.0)),
            Some(Figure::Rate) => Some((2, 1.0)),
            Some(Figure::RateBits) => Some((2, bits(1.0))),
            Some(Figure::Energy) => Some((3, 1.0)),
            _ => None,
        };
        // Errors of a mean over seeds, each known by itself.
        let pooled = |of_pair: &dyn Fn(&Errors, usize) -> Option<f64>| {
            let (place, scale) = place.filter(|_| *of == basis && differences.is_some())?;
            let errors: Option<Vec<f64>> = pairs.iter().map(|p| of_pair(&p.errors, place)).collect();
            let squares: f64 = errors?.iter().map(|e| e * e).sum();
            Some(scale * squares.sqrt() / pairs.len() as f64)
        };
        let se_rows = pooled(&|e, k| e.rows.get(k).copied().flatten());
        let se_draws = pooled(&|e, k| e.draws.get(k).copied().flatten());
        list.push(Compared {
            of: (*of).into(),
            name: name.clone(),
            unit: (*unit).into(),
            a: a.as_deref().map(mean),
            b: b.as_deref().map(mean),
            difference: differences.as_deref().map(mean),
            se: se_rows.or(se_draws).map(|_| se_rows.unwrap_or(0.0).hypot(se_draws.unwrap_or(0.0))),
            se_rows,
            se_draws,
            se_seeds: differences.as_deref().and_then(standard_error),
        });
    }
    list
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The standard error of a mean; none of fewer than two values.
pub fn standard_error(values: &[f64]) -> Option<f64> {
    let (n, centre) = (values.len() as f64, mean(values));
    let squares: f64 = values.iter().map(|v| (v - centre).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (n - 1.0) / n).sqrt())
}

impl Comparison {
    /// A table with a header line: `of,name,unit,a,b,difference,se,se_rows,se_draws,se_seeds`. Numbers are written in the
    /// fewest digits that read back the same; what is none is an empty cell.
    pub fn csv(&self) -> String {
        let mut text = String::from("of,name,unit,a,b,difference,se,se_rows,se_draws,se_seeds\n");
        for f in &self.figures {
            // Names are those of a program and of this page: letters, digits, points and bars. Writing to a string cannot fail.
            let _ = write!(text, "{},{},{}", f.of, f.name, f.unit);
            for value in [f.a, f.b, f.difference, f.se, f.se_rows, f.se_draws, f.se_seeds] {
                let _ = match value.filter(|v| v.is_finite()) {
                    Some(value) => write!(text, ",{value:?}"),
                    None => write!(text, ","),
                };
            }
            text.push('\n');
        }
        text
    }
}

/// The comparison within `width` columns (taken as 60 to 120), with ANSI colour if asked for.
pub fn comparison_terminal(comparison: &Comparison, width: usize, colour: bool) -> String {
    let mut page = Page::new(width.clamp(WIDTH.0, WIDTH.1), colour);
    for (letter, side) in [("A", &comparison.a), ("B", &comparison.b)] {
        let seconds: f64 = side.fits.iter().map(|f| f.seconds).sum();
        let unconverged = side.fits.iter().filter(|f| !f.converged).count();
        let mut spans = vec![
            Span::strong(&side.model),
            Span::plain(format!(" · {}", side.objective.trim())),
            Span::faint(format!(" · {} · {}", side.program, duration(seconds)).replace(' ', NO_BREAK)),
        ];
        if unconverged > 0 {
            spans.push(Span::plain(" ·"));
            let fits = side.fits.len();
            let said =
                if fits == 1 { "not converged".into() } else { format!("{unconverged} of {fits} not converged") };
            spans.push(Span::new(format!(" {said}"), Tone::Doubtful));
        }
        page.paragraph(Span::strong(letter), 3, &spans);
    }
    page.paragraph(Span::plain(""), 0, &[Span::faint(facts(comparison))]);
    let mut groups: Vec<&str> = comparison.figures.iter().map(|f| f.of.as_str()).collect();
    groups.dedup();
    for group in groups {
        let columns = ["A", "B", "B − A", "± se", "± seeds"].map(|name| (name, Align::Point));
        let mut table = Table::new(group, &columns);
        for figure in comparison.figures.iter().filter(|f| f.of == group) {
            table.row(&Span::plain(elide(&label(figure), NAME)), cells(figure));
        }
        page.blank();
        page.table(&table);
    }
    if !comparison.notes.is_empty() {
        page.blank();
    }
    for note in &comparison.notes {
        page.paragraph(Span::strong("note"), LABEL, &[Span::plain(note)]);
    }
    page.into_text()
}

/// On what the differences stand.
fn facts(c: &Comparison) -> String {
    let kind = if c.heldout { "held-out row" } else { "training row" };
    let rows = match (c.rows, c.rows == c.of_rows) {
        (0, _) => "without rows".to_owned(),
        (_, true) => plural(c.of_rows, kind),
        (rows, false) => format!("{} of {}", plural(rows, kind), c.of_rows),
    };
    let paired = match (c.rows, c.paired) {
        (0, _) => "",
        (_, true) => ", row by row",
        (_, false) => ", not the same rows",
    };
    let seeds: Vec<String> = c.seeds.iter().map(u64::to_string).collect();
    let word = if seeds.len() == 1 { "seed" } else { "seeds" };
    format!("errors over {rows}{paired} · {word} {}", seeds.join(", "))
}

/// A figure's name and unit for a reader.
fn label(figure: &Compared) -> String {
    let word = match figure.name.as_str() {
        "free_energy" => "F",
        "distortion" => "D",
        "rate" | "rate_bits" => "R",
        "energy" => "",
        "prior_energy" => "prior",
        "r2" => "R²",
        // Its unit is said by its name.
        "seconds" => return figure.name.clone(),
        other => other,
    };
    let word = word.replace("_sparsity", "");
    [word.as_str(), figure.unit.as_str()].join(" ").trim().to_owned()
}

/// The cells of a figure: as many decimals as its kind is read with.
fn cells(figure: &Compared) -> [Span; 5] {
    let write = |value: f64| match figure.unit.as_str() {
        "nats" | "bits" => fixed(value, 4),
        "units" => fixed(value, 1),
        "s" => fixed(value, 2),
        "" if figure.name == "steps" => fixed(value, 0),
        "" => fixed(value, 4),
        _ => significant(value, 4),
    };
    let error = |value: f64| significant(value, 2);
    let signed = |value: f64| if value > 0.0 { format!("+{}", write(value)) } else { write(value) };
    [
        filled(figure.a, write),
        filled(figure.b, write),
        filled(figure.difference, signed),
        filled(figure.se, error),
        filled(figure.se_seeds, error),
    ]
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::account::Account;
    use crate::document::{HeldOut, Latent, Meter};

    fn pair(seed: f64) -> PairOfFits {
        let held = |free_energy: f64, energy| {
            let account = Account { free_energy, rate: 2.0, energy, ..Account::default() };
            Some(HeldOut { account, ..HeldOut::default() })
        };
        let z = Latent { zeros: Some(0.5), active: Some(7), ..Latent::default() };
        let a = Document {
            heldout: held(10.0, Some(3.0)),
            latents: [("z".to_owned(), z)].into_iter().collect(),
            ..Document::default()
        };
        let meter = Meter { zeros: 0.25, ..Meter::default() };
        let meters = [("a".to_owned(), meter)].into_iter().collect();
        let b = Document { heldout: held(11.0 + seed, None), meters, ..Document::default() };
        let errors = Errors { rows: [Some(0.3), None, Some(0.1), Some(0.2)], draws: [Some(0.4), None, None] };
        PairOfFits { a, b, errors }
    }

    fn find(figures: &[Compared], of: &str, name: &str) -> Option<Compared> {
        figures.iter().find(|f| f.of == of && f.name == name).cloned()
    }

    #[test]
    fn differences_have_the_errors_of_their_rows_and_draws() {
        let figures = compared(&[pair(0.0)]);
        let f = find(&figures, "held out", "free_energy").unwrap();
        assert_eq!((f.a, f.b, f.difference), (Some(10.0), Some(11.0), Some(1.0)));
        assert_eq!((f.se_rows, f.se_draws, f.se_seeds), (Some(0.3), Some(0.4), None));
        assert!((f.se.unwrap() - 0.5).abs() < 1e-12);
        let bits = find(&figures, "held out", "rate_bits").unwrap();
        assert!((bits.se.unwrap() - 0.1 / std::f64::consts::LN_2).abs() < 1e-12);
        // B counts no spikes: there is no difference, and no error of one.
        let energy = find(&figures, "held out", "energy").unwrap();
        assert_eq!((energy.a, energy.b, energy.difference, energy.se), (Some(3.0), None, None, None));
        // The errors are those of held-out rows.
        assert_eq!(find(&figures, "training", "free_energy").unwrap().se, None);
        let zeros = find(&figures, "code", "z|a.zeros").unwrap();
        assert_eq!((zeros.a, zeros.b, zeros.difference), (Some(0.5), Some(0.25), Some(-0.25)));
        assert_eq!(find(&figures, "code", "z|a.lifetime_sparsity"), None);
    }

    #[test]
    fn seeds_give_a_spread() {
        // Differences 1, 2 and 6: mean 3, standard deviation √7.
        let figures = compared(&[pair(0.0), pair(1.0), pair(5.0)]);
        let f = find(&figures, "held out", "free_energy").unwrap();
        assert!((f.difference.unwrap() - 3.0).abs() < 1e-12);
        assert!((f.se_seeds.unwrap() - (7.0_f64 / 3.0).sqrt()).abs() < 1e-12);
        assert!((f.se_rows.unwrap() - 0.3 / 3.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!(standard_error(&[1.0]), None);
    }
}
