//! The harness: trials with names, in two tiers, timed.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use fe_pipeline::on_threads;
use libtest_mimic::{Arguments, Trial};

/// When a trial runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// With every `cargo test`.
    Everyday,
    /// Where `FE_FULL=1` or `CI` asks for everything.
    Slow,
}

impl Tier {
    /// The tier of what is slow or not.
    pub fn of(slow: bool) -> Self {
        if slow { Self::Slow } else { Self::Everyday }
    }
}

/// Whether everything runs.
pub fn full() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty() && v != "0" && v != "false");
    set("FE_FULL") || set("CI")
}

/// Seconds that each trial took, by name.
type Times = Arc<Mutex<Vec<(f64, String)>>>;

/// All trials, in the order in which they begin.
#[derive(Default)]
pub struct Trials {
    all: Vec<(Trial, Tier)>,
    times: Times,
}

impl Trials {
    /// A trial, which has one thread, and fails by a panic.
    pub fn add(&mut self, name: impl Into<String>, tier: Tier, check: impl FnOnce() + Send + 'static) {
        let name = name.into();
        let (times, told) = (Arc::clone(&self.times), name.clone());
        let timed = move || {
            let began = Instant::now();
            on_threads(Some(1), check).unwrap();
            let took = began.elapsed().as_secs_f64();
            times.lock().unwrap_or_else(PoisonError::into_inner).push((took, told));
            Ok(())
        };
        let kind = if tier == Tier::Slow { "slow" } else { "" };
        self.all.push((Trial::test(name, timed).with_kind(kind), tier));
    }

    /// Runs what the command line chooses, and says what was left out and what took longest.
    pub fn run(self) -> ExitCode {
        let arguments = Arguments::from_args();
        let full = full();
        let left_out = self.all.iter().filter(|(_, tier)| *tier == Tier::Slow).count();
        let trials = self.all.into_iter().map(|(trial, tier)| trial.with_ignored_flag(tier == Tier::Slow && !full));
        let conclusion = libtest_mimic::run(&arguments, trials.collect());
        if !arguments.list {
            let times = self.times.lock().unwrap_or_else(PoisonError::into_inner).clone();
            print!("{}", slowest(times));
            if !full && left_out > 0 {
                println!(
                    "{left_out} slow trials wait for the full run: FE_FULL=1 cargo test --workspace --test programs\n"
                );
            }
        }
        conclusion.exit_code()
    }
}

/// Adds functions of a module as trials of a tier, by their own names.
macro_rules! claims {
    ($trials:expr, $tier:expr, $($function:ident),+ $(,)?) => {{
        let module = module_path!().rsplit("::").next().unwrap_or_default();
        $($trials.add(format!("{module}::{}", stringify!($function)), $tier, $function);)+
    }};
}
pub(crate) use claims;

/// The ten trials that took longest; all of them are added to the file that `FE_TIMES` names, for a summary of many runs.
fn slowest(mut times: Vec<(f64, String)>) -> String {
    times.sort_by(|a, b| b.0.total_cmp(&a.0));
    if let Some(path) = std::env::var_os("FE_TIMES") {
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        times.iter().for_each(|(took, name)| writeln!(file, "{took:.2}\t{name}").unwrap());
    }
    let mut page = String::from("slowest:\n");
    for (took, name) in times.iter().take(10) {
        writeln!(page, "{took:8.2} s  {name}").unwrap();
    }
    page + "\n"
}
