//! The figures of two programs, their differences, and the errors of these.

use super::{Compared, Errors, PairOfFits, PartErrors};
use crate::account::Figure;
use crate::document::{Document, Keyed, SPARSITY};
use crate::figures::bits;

/// A figure of a document that may be compared.
struct Entry {
    of: &'static str,
    name: String,
    unit: &'static str,
    value: Option<f64>,
    /// The figure of an account that it is, which has errors.
    figure: Option<Figure>,
}

/// The code of a document: counts, then meters, each with its figures.
fn codes(document: &Document) -> Vec<(&str, Vec<Keyed>)> {
    let counts = document.latents.iter().filter(|(_, latent)| latent.zeros.is_some());
    let latents = counts.map(|(name, latent)| (name.as_str(), latent.figures()));
    let meters = document.meters.iter().map(|(name, meter)| (name.as_str(), meter.figures()));
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
        let figures = codes.get(place).map_or(&[][..], |code| &code.1);
        for (name, unit) in SPARSITY {
            let value = figures.iter().find(|(key, _)| *key == name).and_then(|(_, value)| *value);
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
    let names = together(&first.a, &first.b);
    let side = |of: fn(&PairOfFits) -> &Document| -> Vec<Vec<Entry>> {
        pairs.iter().map(|pair| figures(of(pair), heldout, &names)).collect()
    };
    let (a, b) = (side(|pair| &pair.a), side(|pair| &pair.b));
    let entries = a.first().into_iter().flatten().enumerate();
    entries.filter_map(|(k, entry)| line(entry, [values(&a, k), values(&b, k)], pairs, heldout)).collect()
}

/// The values of one figure by seed; none where a fit lacks it.
fn values(fits: &[Vec<Entry>], k: usize) -> Option<Vec<f64>> {
    fits.iter().map(|entries| entries.get(k).and_then(|entry| entry.value)).collect()
}

/// A figure of both programs; none where neither has it.
fn line(entry: &Entry, [a, b]: [Option<Vec<f64>>; 2], pairs: &[PairOfFits], heldout: bool) -> Option<Compared> {
    if a.is_none() && b.is_none() {
        return None;
    }
    let differences: Option<Vec<f64>> =
        a.as_ref().zip(b.as_ref()).map(|(a, b)| a.iter().zip(b).map(|(a, b)| b - a).collect());
    let basis = if heldout { "held out" } else { "training" };
    // Errors are those of the rows that are compared. Each seed's is known by itself: this is that of their mean.
    let pooled = |of_pair: fn(&Errors) -> &PartErrors| {
        let figure = entry.figure.filter(|_| entry.of == basis && differences.is_some())?;
        let errors: Option<Vec<f64>> = pairs.iter().map(|pair| of_pair(&pair.errors).of(figure)).collect();
        let squares: f64 = errors?.iter().map(|e| e * e).sum();
        let scale = if figure == Figure::RateBits { bits(1.0) } else { 1.0 };
        Some(scale * squares.sqrt() / pairs.len() as f64)
    };
    let (se_rows, se_draws) = (pooled(|errors| &errors.rows), pooled(|errors| &errors.draws));
    Some(Compared {
        of: entry.of.into(),
        name: entry.name.clone(),
        unit: entry.unit.into(),
        a: a.as_deref().map(mean),
        b: b.as_deref().map(mean),
        difference: differences.as_deref().map(mean),
        se: se_rows.or(se_draws).map(|_| se_rows.unwrap_or(0.0).hypot(se_draws.unwrap_or(0.0))),
        se_rows,
        se_draws,
        se_seeds: differences.as_deref().and_then(standard_error),
    })
}

impl PartErrors {
    /// The error of a figure, in nats of one in bits.
    fn of(&self, figure: Figure) -> Option<f64> {
        match figure {
            Figure::FreeEnergy => self.free_energy,
            Figure::Distortion => self.distortion,
            Figure::Rate | Figure::RateBits => self.rate,
            Figure::Energy => self.energy,
            _ => None,
        }
    }
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
        let errors = Errors {
            rows: PartErrors { free_energy: Some(0.3), rate: Some(0.1), energy: Some(0.2), ..PartErrors::default() },
            draws: PartErrors { free_energy: Some(0.4), ..PartErrors::default() },
        };
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
