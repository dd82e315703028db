//! Progress: a bar on a terminal, a plain line now and then elsewhere. Signals end the fit cleanly.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Once, OnceLock};
use std::time::{Duration, Instant};

use fe_pipeline::{Text, Watch};
use fe_syntax::Diagnostic;
use fe_train::Monitor;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::output;

/// How often a plain line is printed.
const EVERY: Duration = Duration::from_secs(10);

/// The number of the signal that asked for an end; 0 where none did.
static SIGNAL: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// Whether the user, or the system, wants an end.
fn stopped() -> bool {
    asked().is_some()
}

/// The signal that asked for an end.
pub fn asked() -> Option<u8> {
    u8::try_from(SIGNAL.load(Ordering::SeqCst)).ok().filter(|signal| *signal > 0)
}

/// Has Ctrl-C, and what Slurm and a closed terminal send, end what runs cleanly, and a second one at once.
fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let again = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let number = usize::try_from(signal).unwrap_or_default();
            // Without a handler a signal ends the program at once; that is no reason not to run.
            let _ = flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&again));
            let _ = flag::register(signal, Arc::clone(&again));
            let _ = flag::register_usize(signal, Arc::clone(&SIGNAL), number);
        }
    });
}

/// Has Ctrl-C and its like end the command where it stands: what was told is told, and there is nothing to keep.
pub fn end_at_once() {
    let now = Arc::new(AtomicBool::new(true));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        let _ = flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&now));
    }
}

/// Shows on standard error how work on several fits goes.
pub struct Shown {
    quiet: bool,
    /// How many of many fits are done, on a terminal.
    bar: OnceLock<ProgressBar>,
}

impl Shown {
    /// A display, and a handler of Ctrl-C.
    pub fn new(quiet: bool) -> Self {
        watch();
        Self { quiet, bar: OnceLock::new() }
    }

    /// Clears the bar.
    pub fn finish(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

impl Watch for Shown {
    fn warnings(&self, text: &Text, warnings: &[Diagnostic]) {
        if !self.quiet {
            output::diagnostics(text, warnings);
        }
    }

    fn note(&self, line: &str) {
        if !self.quiet {
            output::err(&format!("{line}\n"));
        }
    }

    fn warn(&self, line: &str) {
        output::err(&format!("warning: {line}\n"));
    }

    fn fit(&self) -> Box<dyn Monitor + '_> {
        Box::new(Progress::new(self.quiet))
    }

    fn fits(&self, total: usize) {
        if self.quiet || !std::io::stderr().is_terminal() {
            return;
        }
        self.bar.get_or_init(|| {
            let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
            if let Ok(style) =
                ProgressStyle::with_template("{bar:30.cyan/dim} {pos}/{len} fits  {elapsed} of about {duration}")
            {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_secs(1));
            bar
        });
    }

    fn done(&self, line: &str) {
        match self.bar.get() {
            Some(bar) => {
                bar.println(line);
                bar.inc(1);
            }
            None => self.note(line),
        }
    }

    fn stopped(&self) -> bool {
        stopped()
    }
}

/// Shows how a fit goes on standard error.
pub struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    last: Instant,
    average: Option<f64>,
}

impl Progress {
    /// A display, and a handler of Ctrl-C.
    pub fn new(quiet: bool) -> Self {
        watch();
        let terminal = !quiet && std::io::stderr().is_terminal();
        let bar = terminal.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(
                ProgressStyle::with_template("{spinner} step {pos}  {msg}  {elapsed}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar
        });
        Self { bar, quiet, last: Instant::now(), average: None }
    }
}

impl Drop for Progress {
    /// Clears the bar: the fit is over, whether it went well or not.
    fn drop(&mut self) {
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
        !stopped()
    }

    fn note(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None if !self.quiet => output::err(&format!("{text}\n")),
            None => {}
        }
    }
}
