//! The course of a fit.

use std::fmt::Write;

use serde::Deserialize;

/// One line of `trace.csv`: estimates at a step, nats per row (spikes per row for `energy`). Unknown figures are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
pub struct TraceRow {
    /// Optimizer steps taken.
    pub step: u64,
    /// Wall-clock seconds since the fit began.
    pub seconds: f64,
    /// Distortion + rate.
    pub free_energy: Option<f64>,
    /// Distortion.
    pub distortion: Option<f64>,
    /// Rate.
    pub rate: Option<f64>,
    /// Spikes.
    pub energy: Option<f64>,
    /// Free energy of the held-out rows.
    pub heldout_free_energy: Option<f64>,
}

/// The text of `trace.csv`. Numbers are written in the fewest digits that read back the same, an unknown figure as
/// an empty cell; nothing in it needs quoting.
pub fn trace_csv(rows: &[TraceRow]) -> String {
    let mut text = String::from("step,seconds,free_energy,distortion,rate,energy,heldout_free_energy\n");
    for row in rows {
        // Writing to a string cannot fail.
        let _ = write!(text, "{},{:?}", row.step, row.seconds);
        for figure in [row.free_energy, row.distortion, row.rate, row.energy, row.heldout_free_energy] {
            text.push(',');
            if let Some(figure) = figure {
                let _ = write!(text, "{figure:?}");
            }
        }
        text.push('\n');
    }
    text
}

/// Rows read from the text of [`trace_csv`].
///
/// # Errors
/// A text that is not of that form.
pub fn read_trace(text: &str) -> Result<Vec<TraceRow>, csv::Error> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let rows = vec![
            TraceRow { step: 0, seconds: 0.25, free_energy: Some(-1.5), energy: Some(1e-9), ..TraceRow::default() },
            TraceRow { step: 10, seconds: 1.0 / 3.0, heldout_free_energy: Some(2.0), ..TraceRow::default() },
        ];
        assert_eq!(read_trace(&trace_csv(&rows)).unwrap(), rows);
        let head = trace_csv(&[]);
        for broken in ["step\n1\n", &format!("{head}1,2,3,4,5,6\n"), &format!("{head}1,2,x,,,,\n")] {
            assert!(read_trace(broken).is_err(), "{broken}");
        }
    }
}
