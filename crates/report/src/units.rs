//! The units of codes, one by one: `units.csv`.

use serde::{Deserialize, Serialize};

/// What the units of one latent do on average over rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Units {
    /// The latent.
    pub latent: String,
    /// Nats per row of each unit; none where rates are not known unit by unit.
    pub rates: Option<Vec<f64>>,
    /// Spikes per row of each unit, the mean of samples; none without counts.
    pub spikes: Option<Vec<f64>>,
}

/// A line of the file: one unit.
#[derive(Serialize, Deserialize)]
struct Line {
    latent: String,
    unit: usize,
    rate: Option<f64>,
    spikes: Option<f64>,
}

/// The text of `units.csv`: a line for each unit, an unknown figure as an empty cell.
///
/// # Errors
/// None that are known: it is written to memory.
pub fn units_csv(units: &[Units]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(vec![]);
    for latent in units {
        let length = |v: &Option<Vec<f64>>| v.as_ref().map_or(0, Vec::len);
        let figure = |v: &Option<Vec<f64>>, unit: usize| v.as_ref().and_then(|v| v.get(unit)).copied();
        for unit in 0..length(&latent.rates).max(length(&latent.spikes)) {
            let (rate, spikes) = (figure(&latent.rates, unit), figure(&latent.spikes, unit));
            writer.serialize(Line { latent: latent.latent.clone(), unit, rate, spikes })?;
        }
    }
    writer.into_inner().map_err(|e| e.into_error().into())
}

/// What [`units_csv`] wrote.
///
/// # Errors
/// Where the text is not of that form.
pub fn read_units(text: &[u8]) -> Result<Vec<Units>, csv::Error> {
    let mut all: Vec<Units> = vec![];
    for line in csv::Reader::from_reader(text).deserialize() {
        let Line { latent, rate, spikes, .. } = line?;
        if all.last().is_none_or(|last| last.latent != latent) {
            all.push(Units { latent, ..Units::default() });
        }
        let Some(last) = all.last_mut() else { continue };
        for (figure, list) in [(rate, &mut last.rates), (spikes, &mut last.spikes)] {
            if let Some(figure) = figure {
                list.get_or_insert_default().push(figure);
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let units = vec![
            Units { latent: "z".into(), rates: Some(vec![0.1, 2.5e-7]), spikes: Some(vec![3.0, 0.0]) },
            Units { latent: "h".into(), rates: None, spikes: Some(vec![1.0 / 3.0]) },
            Units { latent: "y".into(), rates: Some(vec![1.0]), spikes: None },
        ];
        let text = units_csv(&units).unwrap();
        assert_eq!(std::str::from_utf8(&text).unwrap().lines().nth(2), Some("z,1,2.5e-7,0.0"));
        assert_eq!(read_units(&text).unwrap(), units);
        for broken in ["latent,unit,rate,spikes\nz,0\n", "latent,unit,rate,spikes\nz,0,x,1\n"] {
            assert!(read_units(broken.as_bytes()).is_err());
        }
    }
}
