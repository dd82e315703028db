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

/// When the work saw that an end is asked for.
static SEEN: OnceLock<Instant> = OnceLock::new();

/// Whether steps of a fit are being made, each of which is finished first.
static STEPPING: AtomicBool = AtomicBool::new(false);

/// The time that is left for what has to be written when an end is asked for.
const GRACE: Duration = Duration::from_secs(2);

/// Whether the user, or the system, wants an end.
fn stopped() -> bool {
    let stopped = asked().is_some();
    if stopped {
        SEEN.get_or_init(Instant::now);
    }
    stopped
}

/// Ends the process where an end was asked for and does not come: what has been kept by then is whole.
fn see_to_the_end() {
    let mut since = None;
    loop {
        std::thread::sleep(GRACE / 40);
        let Some(signal) = asked() else { continue };
        let since = *since.get_or_insert_with(Instant::now);
        let from = match SEEN.get() {
            Some(seen) => *seen,
            None if STEPPING.load(Ordering::SeqCst) => continue,
            None => since,
        };
        if from.elapsed() >= GRACE {
            output::err(
                "fe: interrupted, before all that was found could be written: `--resume` goes on with what was kept of a \
                 fit, and with `--finish` only reports it\n",
            );
            std::process::exit(128 + i32::from(signal));
        }
    }
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
        let _ = std::thread::Builder::new().name("end".into()).spawn(see_to_the_end);
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
    /// Whether no step is to be made.
    over: bool,
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
        Self { bar, quiet, last: Instant::now(), average: None, over: false }
    }

    /// A display of a fit that makes no further step.
    pub fn at_its_end(quiet: bool) -> Self {
        let mut progress = Self::new(quiet);
        progress.over = true;
        progress
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
        let going = !stopped() && !self.over;
        STEPPING.store(going, Ordering::SeqCst);
        going
    }

    fn draw(&mut self, done: u64, total: u64) -> bool {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("draw {done} of {total} of its chains"));
        } else if !self.quiet && self.last.elapsed() >= EVERY {
            self.last = Instant::now();
            output::err(&format!("draw {done} of {total} of its chains\n"));
        }
        let going = !stopped() && !self.over;
        STEPPING.store(going, Ordering::SeqCst);
        going
    }

    fn ended(&mut self) {
        STEPPING.store(false, Ordering::SeqCst);
    }

    fn note(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None if !self.quiet => output::err(&format!("{text}\n")),
            None => {}
        }
    }
}
