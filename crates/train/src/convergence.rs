//! When a noisy fit has converged: a test of equivalence between two successive windows of the objective.
//!
//! The difference of the windows' means is known up to its standard error, which is taken from the means of blocks of
//! each window and so allows for the steps' being correlated. The trace is level when the difference, give or take one
//! standard error, is within the tolerance in both directions. Noise can therefore delay the verdict but not bring it
//! about: a trace too noisy to tell is undecided. A window is a fraction of the run, so that a slow fit is looked at
//! over a long stretch. The gain that is left when a fit is stopped, in simulation with noise of up to 3 % of the
//! objective a step: a tenth of the tolerance at most where the objective decays exponentially, twice the tolerance (at
//! most 4 times) where it decays as 1/t, 5 times (at most 9) where as 1/√t. No such test can see progress so slow that
//! half of the run shows none.

use std::fmt;

/// Tolerance, relative to max(1, |objective|).
pub const TOLERANCE: f64 = 1e-3;

/// Blocks of a window.
const BLOCKS: usize = 10;
/// Standard errors beyond which a change is real: the 97.5 % point of Student's t with 2·(BLOCKS − 1) degrees of
/// freedom.
const REAL: f64 = 2.1;
/// The shortest run that is judged.
const SHORTEST: usize = 400;

/// The trend of the last window against the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trend {
    /// The same within the tolerance.
    Level,
    /// Lower.
    Falling,
    /// Higher.
    Rising,
    /// Noise hides a change of the size of the tolerance.
    Undecided,
}

/// The figures of the test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assessment {
    /// Steps in each window.
    pub window: usize,
    /// Mean objective of the window before the last.
    pub earlier: f64,
    /// Mean objective of the last window.
    pub later: f64,
    /// Standard error of their difference.
    pub standard_error: f64,
    /// The largest difference that counts as none.
    pub tolerance: f64,
    /// The finding.
    pub trend: Trend,
}

impl fmt::Display for Assessment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { window, earlier, later, standard_error, tolerance, trend } = self;
        let finding = match trend {
            Trend::Level => "level within",
            Trend::Falling => "still falling, by more than",
            Trend::Rising => "rising, by more than",
            Trend::Undecided => "too noisy to tell a change of",
        };
        write!(
            f,
            "mean objective of the last {window} steps {later:.6} against {earlier:.6} of the {window} before, \
             difference {:.2e} ± {standard_error:.2e} (s.e.): {finding} {tolerance:.2e}",
            later - earlier
        )
    }
}

/// Compares the last `window` steps with as many before them; the tolerance is relative to max(1, |mean|). `None` where
/// the trace or the window is too short.
pub fn assess(trace: &[f64], window: usize, tolerance: f64) -> Option<Assessment> {
    let block = window / BLOCKS;
    if block == 0 {
        return None;
    }
    let window = block * BLOCKS;
    let (rest, last) = trace.split_at_checked(trace.len().checked_sub(window)?)?;
    let before = rest.get(rest.len().checked_sub(window)?..)?;
    let ((earlier, error_earlier), (later, error_later)) = (mean_and_error(before, block), mean_and_error(last, block));
    let standard_error = error_earlier.hypot(error_later);
    let tolerance = tolerance * later.abs().max(1.0);
    let change = later - earlier;
    let trend = if change.abs() + standard_error <= tolerance {
        Trend::Level
    } else if change < -tolerance.max(REAL * standard_error) {
        Trend::Falling
    } else if change > tolerance.max(REAL * standard_error) {
        Trend::Rising
    } else {
        Trend::Undecided
    };
    Some(Assessment { window, earlier, later, standard_error, tolerance, trend })
}

/// The mean of a window and its standard error by the means of its blocks.
fn mean_and_error(window: &[f64], block: usize) -> (f64, f64) {
    let means: Vec<f64> = window.chunks(block).map(|b| b.iter().sum::<f64>() / b.len() as f64).collect();
    let count = means.len() as f64;
    let mean = means.iter().sum::<f64>() / count;
    let variance = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, (variance / count).sqrt())
}

/// For a fit of open length: why it may stop now, if it may. It may when the third and the fourth quarter of the run so
/// far are level, and those of the run a tenth shorter were: a fit is looked at many times, and chance favours one
/// look.
pub fn stopped(trace: &[f64]) -> Option<String> {
    let level = |steps: usize| {
        let assessment = assess(trace.get(..steps)?, steps / 4, TOLERANCE)?;
        (assessment.trend == Trend::Level).then_some(assessment)
    };
    let before = trace.len() - trace.len() / 10;
    if before < SHORTEST {
        return None;
    }
    level(before)?;
    level(trace.len()).map(|assessment| assessment.to_string())
}

/// For a finished fit of given length: whether it had converged, and by which figures. It had when the two halves of
/// its last quarter are level.
pub fn settled(trace: &[f64]) -> (bool, String) {
    let assessment = (trace.len() >= SHORTEST).then(|| assess(trace, trace.len() / 8, TOLERANCE)).flatten();
    match assessment {
        Some(assessment) => (assessment.trend == Trend::Level, assessment.to_string()),
        None => (false, format!("{} steps are too few to tell whether the objective is level", trace.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fe_graph::Site;
    use fe_graph::noise::{Element, NoiseKey, Stream};

    /// `course(t)` + AR(1) noise of standard deviation `sd` and correlation `memory`.
    fn noisy(steps: usize, course: impl Fn(f64) -> f64, sd: f64, memory: f64, seed: u64) -> Vec<f64> {
        let key = NoiseKey { seed, site: Site::named("trace"), step: 0 };
        let mut stream = Stream::new(key, Element { row: 0, rest: 0 });
        let mut noise = sd * stream.normal();
        (0..steps)
            .map(|t| {
                noise = memory * noise + sd * (1.0 - memory * memory).sqrt() * stream.normal();
                course(t as f64) + noise
            })
            .collect()
    }

    /// Where a fit would be stopped, looked at every 50 steps.
    fn stop(trace: &[f64]) -> Option<usize> {
        (50..=trace.len()).step_by(50).find(|&steps| stopped(&trace[..steps]).is_some())
    }

    fn share(of: u64, condition: impl Fn(u64) -> bool) -> f64 {
        (0..of).filter(|&seed| condition(seed)).count() as f64 / of as f64
    }

    /// At a level of 100 the tolerance is 0.1.
    #[test]
    fn a_stopped_fit_has_little_left_to_gain() {
        let check = |left: &dyn Fn(f64) -> f64, limit: f64, (sd, memory): (f64, f64)| {
            for seed in 0..5 {
                if let Some(stop) = stop(&noisy(30_000, |t| 100.0 + left(t), sd, memory, seed)) {
                    assert!(left(stop as f64) < limit, "{sd} {memory} {seed}: {stop} {}", left(stop as f64));
                }
            }
        };
        for noise in [(0.0, 0.0), (0.1, 0.0), (1.0, 0.0), (3.0, 0.0), (0.1, 0.9), (0.5, 0.9)] {
            for time in [100.0, 500.0, 2000.0] {
                check(&|t| 50.0 * (-t / time).exp(), 0.01, noise);
            }
            check(&|t| 50.0 / (1.0 + t / 20.0), 0.4, noise);
            check(&|t| 5.0 / (1.0 + t / 20.0).sqrt(), 0.9, noise);
        }
    }

    #[test]
    fn a_fit_stops_soon_after_it_is_level() {
        let median = |sd: f64, memory: f64| {
            let course = |t: f64| 100.0 + 50.0 * (-t / 100.0).exp();
            let mut stops: Vec<usize> =
                (0..11).map(|seed| stop(&noisy(30_000, course, sd, memory, seed)).unwrap_or(30_000)).collect();
            stops.sort_unstable();
            stops[5]
        };
        // Six time constants bring the objective within the tolerance.
        assert!(median(0.1, 0.0) <= 1200);
        assert!(median(1.0, 0.0) <= 2000);
        assert!(median(0.3, 0.9) <= 4000);
    }

    #[test]
    fn the_verdict_errs_at_known_rates() {
        // Windows of 1000 steps with white noise: the standard error of a difference is sd·√(2/1000).
        let rate = |change: f64, error: f64, memory: f64, trend: Trend| {
            let sd = error / (2.0f64 / 1000.0).sqrt() * ((1.0 - memory) / (1.0 + memory)).sqrt();
            share(400, |seed| {
                let trace = noisy(8000, |t| 100.0 + change * t / 1000.0, sd, memory, seed);
                assess(&trace, 1000, TOLERANCE).unwrap().trend == trend
            })
        };
        for memory in [0.0, 0.9] {
            // Level, and found so.
            assert!(rate(0.0, 0.033, memory, Trend::Level) > 0.9);
            // Falling by three tolerances, and called level.
            assert!(rate(-0.3, 0.05, memory, Trend::Level) < 0.01);
            assert!(rate(-0.3, 0.05, memory, Trend::Falling) > 0.95);
            assert!(rate(0.3, 0.05, memory, Trend::Rising) > 0.95);
            // Falling by the tolerance exactly: one standard error off, 16 %, whatever the noise.
            let border = rate(-0.1, 0.03, memory, Trend::Level);
            assert!((0.08..0.28).contains(&border), "{memory} {border}");
            // Level, but too noisy for that to be known.
            assert!(rate(0.0, 0.3, memory, Trend::Level) < 0.01);
            assert!(rate(0.0, 0.3, memory, Trend::Undecided) > 0.9);
        }
    }

    #[test]
    fn finished_fits() {
        let decay = |time: f64| move |t: f64| 100.0 + 50.0 * (-t / time).exp();
        for seed in 0..20 {
            assert!(settled(&noisy(4000, decay(300.0), 0.2, 0.0, seed)).0);
            let (converged, said) = settled(&noisy(4000, decay(3000.0), 0.2, 0.0, seed));
            assert!(!converged && said.contains("still falling"), "{said}");
            assert!(!settled(&noisy(4000, decay(300.0), 10.0, 0.0, seed)).0);
        }
    }

    #[test]
    fn what_is_said() {
        let trace: Vec<f64> = (0..800).map(|t| if t < 600 { 2.0 } else { 1.0 }).collect();
        let assessment = assess(&trace, 200, TOLERANCE).unwrap();
        assert_eq!((assessment.trend, assessment.earlier, assessment.later), (Trend::Falling, 2.0, 1.0));
        assert_eq!(
            assessment.to_string(),
            "mean objective of the last 200 steps 1.000000 against 2.000000 of the 200 before, difference -1.00e0 ± \
             0.00e0 (s.e.): still falling, by more than 1.00e-3"
        );
        assert_eq!(settled(&[1.0; 10]), (false, "10 steps are too few to tell whether the objective is level".into()));
    }

    #[test]
    fn odd_traces() {
        assert_eq!(assess(&[], 100, TOLERANCE), None);
        assert_eq!(assess(&[1.0; 100], 0, TOLERANCE), None);
        assert_eq!(assess(&[1.0; 100], 60, TOLERANCE), None);
        assert_eq!(assess(&[1.0; 100], usize::MAX, TOLERANCE), None);
        for bad in [f64::NAN, f64::INFINITY] {
            let mut trace = vec![1.0; 1000];
            trace[900] = bad;
            assert_eq!(assess(&trace, 250, TOLERANCE).unwrap().trend, Trend::Undecided);
            assert_eq!(stopped(&trace), None);
        }
        assert!(stopped(&vec![0.0; 450]).is_some());
        assert_eq!(stopped(&vec![0.0; 400]), None);
    }
}
