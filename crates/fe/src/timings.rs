//! The table of `fe run --timings`.

use std::fmt::Write;

use fe_pipeline::Spent;

/// Seconds and share of each stage, and of all: at most 80 columns.
pub fn table(stages: &[Spent]) -> String {
    let total: f64 = stages.iter().map(|s| s.seconds).sum();
    let mut table = format!("{:<18}{:>10}{:>8}\n", "time", "seconds", "share");
    let mut line = |title: &str, seconds: f64| {
        let share = if total > 0.0 { 100.0 * seconds / total } else { 0.0 };
        // Writing to a string does not fail.
        let _ = writeln!(table, "  {title:<18}{seconds:>8.3}{share:>6.1} %");
    };
    stages.iter().for_each(|s| line(s.stage.title(), s.seconds));
    line("all", total);
    table
}

#[cfg(test)]
mod tests {
    use fe_pipeline::Stage;

    use super::*;

    #[test]
    fn shares_are_of_the_whole() {
        let spent = |stage, seconds| Spent { stage, seconds };
        let stages = [spent(Stage::FirstStep, 0.25), spent(Stage::Fit, 0.7), spent(Stage::Other, 0.05)];
        let expected = "\
time                 seconds   share
  plans, first step    0.250  25.0 %
  fit                  0.700  70.0 %
  other                0.050   5.0 %
  all                  1.000 100.0 %
";
        assert_eq!(table(&stages), expected);
        assert!(table(&stages).lines().all(|l| l.chars().count() <= 80));
    }
}
