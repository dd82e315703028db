//! The figures of two programs, their differences, and the errors of these.

use super::{Compared, Errors, PairOfFits};
use crate::account::Figure;
use crate::document::Document;
use crate::figures::bits;

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
