//! The table of `fe run --timings`.

use std::fmt::Write;

use fe_pipeline::{Foreseen, Spent};
use fe_train::Part;

/// Seconds and share of each stage, and of all, with the most memory that the process had had by its end where that is known: at
/// most 80 columns.
pub fn table(stages: &[Spent]) -> String {
    let total: f64 = stages.iter().map(|s| s.seconds).sum();
    let most = stages.iter().filter_map(|s| s.peak).max();
    let memory = if most.is_some() { "    peak so far" } else { "" };
    let mut table = format!("{:<18}{:>10}{:>8}{memory}\n", "time", "seconds", "share");
    let mut line = |title: &str, seconds: f64, peak: Option<u64>| {
        let share = if total > 0.0 { 100.0 * seconds / total } else { 0.0 };
        let peak = peak.map(|bytes| format!("{:>11.1} MB", bytes as f64 / 1e6)).unwrap_or_default();
        // Writing to a string does not fail.
        let _ = writeln!(table, "  {title:<18}{seconds:>8.3}{share:>6.1} %{peak}");
    };
    stages.iter().for_each(|s| line(s.stage.title(), s.seconds, s.peak));
    line("all", total, most);
    table
}

/// The memory that was foreseen, of each part of a fit and its report beside what lasts, and at its peak.
pub fn memory(foreseen: &Foreseen) -> String {
    let mut table = format!("\n{:<18}{:>14}\n", "memory foreseen", "MB");
    let mut line = |title: &str, bytes: u64| {
        // Writing to a string does not fail.
        let _ = writeln!(table, "  {title:<18}{:>12.1}", bytes as f64 / 1e6);
    };
    line("any run", foreseen.process);
    line("data, parameters", foreseen.lasting);
    for &(part, bytes) in &foreseen.parts {
        line(title(part), bytes);
    }
    line("at the peak", foreseen.total());
    table
}

/// A part, as a reader has it.
fn title(part: Part) -> &'static str {
    match part {
        Part::Fit => "fit",
        Part::Figures => "figures",
        Part::Activity => "activity",
        Part::Table => "posterior, checks",
        Part::Draws => "posterior draws",
        Part::Chains => "chains",
        Part::LeaveOneOut => "leave-one-out",
        Part::Page => "page",
        Part::Files => "files",
    }
}

#[cfg(test)]
mod tests {
    use fe_pipeline::Stage;

    use super::*;

    #[test]
    fn shares_are_of_the_whole() {
        let spent =
            |stage, seconds, megabytes: Option<u64>| Spent { stage, seconds, peak: megabytes.map(|m| m * 1_000_000) };
        let stages =
            [spent(Stage::FirstStep, 0.25, None), spent(Stage::Fit, 0.7, None), spent(Stage::Other, 0.05, None)];
        let expected = "\
time                 seconds   share
  plans, first step    0.250  25.0 %
  fit                  0.700  70.0 %
  other                0.050   5.0 %
  all                  1.000 100.0 %
";
        assert_eq!(table(&stages), expected);
        let stages = [spent(Stage::FirstStep, 0.25, Some(20)), spent(Stage::Fit, 0.75, Some(41))];
        let expected = "\
time                 seconds   share    peak so far
  plans, first step    0.250  25.0 %       20.0 MB
  fit                  0.750  75.0 %       41.0 MB
  all                  1.000 100.0 %       41.0 MB
";
        assert_eq!(table(&stages), expected);
        assert!(table(&stages).lines().all(|l| l.chars().count() <= 80));
    }
}
