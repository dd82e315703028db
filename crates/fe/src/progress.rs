//! Progress: a bar on a terminal, a plain line now and then elsewhere. Ctrl-C ends the fit cleanly.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fe_train::Monitor;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output;

/// How often a plain line is printed.
const EVERY: Duration = Duration::from_secs(10);

/// Shows how a fit goes on standard error.
pub struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    stop: Arc<AtomicBool>,
    last: Instant,
    average: Option<f64>,
}

impl Progress {
    /// A display, and a handler of Ctrl-C.
    pub fn new(quiet: bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        // Without a handler, Ctrl-C ends the program at once; that is no reason not to run.
        let _ = ctrlc::set_handler(move || {
            if flag.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
        });
        let terminal = !quiet && std::io::stderr().is_terminal();
        let bar = terminal.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(
                ProgressStyle::with_template("{spinner} step {pos}  {msg}  {elapsed}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar
        });
        Self { bar, quiet, stop, last: Instant::now(), average: None }
    }

    /// Clears the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Monitor for Progress {
    fn step(&mut self, done: u64, total: Option<u64>, objective: f64) -> bool {
        let average = self.average.map_or(objective, |a| 0.95 * a + 0.05 * objective);
        self.average = Some(average);
        if let Some(bar) = &self.bar {
            if let (Some(total), None) = (total, bar.length()) {
                bar.set_length(total);
                if let Ok(style) = ProgressStyle::with_template(
                    "{bar:30.cyan/dim} {pos}/{len} steps  {msg}  {elapsed} of about {duration}",
                ) {
                    bar.set_style(style);
                }
            }
            bar.set_position(done);
            bar.set_message(format!("objective {average:.4}"));
        } else if !self.quiet && self.last.elapsed() >= EVERY {
            self.last = Instant::now();
            match total {
                Some(t) => output::err(&format!("step {done} of {t}, objective {average:.4}\n")),
                None => output::err(&format!("step {done}, objective {average:.4}\n")),
            }
        }
        !self.stop.load(Ordering::SeqCst)
    }

    fn note(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None if !self.quiet => output::err(&format!("{text}\n")),
            None => {}
        }
    }
}
