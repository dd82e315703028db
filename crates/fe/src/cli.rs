//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use fe_pipeline::{Assignment, ExecutorKind, FitOptions, Precision, ReadOptions};

use crate::failure::Failure;

/// Compiles probabilistic programs to their free energy, fits them, and reports what their codes cost.
#[derive(Debug, Parser)]
#[command(name = "fe", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check, compile, fit and report.
    #[command(after_help = RUN_HELP)]
    Run(RunArgs),
    /// Many fits over values of a `const` or `dim`: a table, a certificate, pictures.
    #[command(after_help = SWEEP_HELP)]
    Sweep(SweepArgs),
    /// Two programs on the same data and seeds, or finished runs, side by side, with the errors of their differences.
    Compare(CompareArgs),
    /// Everything short of fitting: names, axes, supports, guides, data headers.
    Check(CheckArgs),
    /// The derived objective, term by term: formula, estimator, reason, bias.
    #[command(after_help = "`fe explain E0403` explains a message by its code, with an example.")]
    Explain(ExplainArgs),
    /// Draws from a program's priors, or new data from a finished run.
    Sample(SampleArgs),
    /// What a finished run's guide says of each row: codes, factor scores, responsibilities, smoothed states.
    #[command(after_help = CODES_HELP)]
    Codes(CodesArgs),
    /// What a finished run predicts at new rows: mean, standard deviation and interval of what it observed.
    Predict(PredictArgs),
    /// A finished run on new rows: free energy, distortion, rate and energy of each.
    Eval(EvalArgs),
    /// A finished run turned one line at a time: observations in, posteriors, F and actions out, its state carried.
    #[command(after_help = STREAM_HELP)]
    Stream(StreamArgs),
    /// A finished run held to long chains of NUTS: each number of its table, and a verdict.
    #[command(after_help = VERIFY_HELP)]
    Verify(VerifyArgs),
    /// Write the page of a finished run again.
    Report(ReportArgs),
    /// Print or rewrite a program in the canonical layout.
    Fmt(FmtArgs),
    /// The language server, for editors: it speaks the Language Server Protocol on standard input and output.
    Lsp,
    /// Print what completes commands and options in a shell.
    Completions(CompletionsArgs),
    /// Print the manual page of `fe`, or of one of its commands.
    Man(ManArgs),
}

/// `fe completions`
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// The shell.
    pub shell: clap_complete::Shell,
}

/// `fe man`
#[derive(Args, Debug)]
pub struct ManArgs {
    /// The command, such as `run`.
    pub command: Option<String>,
}

const RUN_HELP: &str = "\
A run directory holds fit.json, trace.csv, params.safetensors, posterior.nc, diagrams.json, report.html, model.fe and
run.json, and with --pictures a folder of them. While a fit goes on its state is kept beside it, in
NAME.part/checkpoint, from which --resume goes on.

Exit codes: 0 done, 1 the program is wrong, 2 the command line is wrong, 3 the data are wrong or missing, 4 the fit failed,
5 a fit not to be relied on (with --strict), 70 a fault of the compiler itself.";

const SWEEP_HELP: &str = "\
Values are numbers separated by commas, or ranges a..b:n of n points, evenly spaced in the logarithm where both ends are
positive; a unit stands behind them all:

  fe sweep model.fe --over beta=0.01..8:12 --over K=32,128,512
  fe sweep model.fe --over \"budget=2,5,10 spikes\"

The sweep's directory holds report.html, sweep.json, sweep.csv, pictures, model.fe, and a run directory
for each point.";

const CODES_HELP: &str = "\
For each latent NAME_mean and NAME_sd, over its axes; of one with finitely many values NAME_probability, these last. Of a `let`
too, its mean and standard deviation under the guide.";

const STREAM_HELP: &str = "\
A line is an object of JSON, {\"x\": [0.1, 0.2]}, or a row of a table whose first line is its header. For each there is one line
on standard output at once: line, free_energy, distortion, rate, spikes, what the guide says of each latent, and the action that
moves the states that are written ahead.

A program with a loop makes one turn of it for each line; one without takes each line for a row. With --plan, what lines
give replaces the program's data, and its parameters are fitted again from where they were, moved by one position.

Exit codes: 0 at the end of the input, or when nobody reads any more; 1 the program does not go line by line, 3 a line is wrong,
130 after Ctrl-C.";

const VERIFY_HELP: &str = "\
Four chains move in what elimination and enumeration leave of the posterior, conditioned by the fitted guide, until every
number has enough effective draws and a small enough R̂. verify.json and verify.nc are added to the run, and the table to its
page.

Exit codes: 0 done; with --strict, 5 where a number differs or the chains have not mixed.";

/// What says how a program is read.
#[derive(Args, Clone, Debug)]
pub struct ProgramArgs {
    /// The program; `-` reads standard input.
    pub model: String,
    /// Replace the file of the reader in a data declaration.
    #[arg(long = "data", value_name = "NAME=FILE")]
    pub data: Vec<String>,
    /// Set a `const` or `dim`.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
}

/// A seed.
fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("a seed is a whole number from 0 to {}", u64::MAX))
}

/// What says how a program is fitted.
#[derive(Args, Clone, Debug)]
pub struct FitArgs {
    /// Seed of starts, draws, batches and the hold-out split [default: the program's, else 0].
    #[arg(long, allow_negative_numbers = true, value_parser = seed)]
    pub seed: Option<u64>,
    /// Optimizer steps, in place of the program's; 0 reports the start.
    #[arg(long, conflicts_with = "epochs")]
    pub steps: Option<usize>,
    /// Passes over the data, in place of the program's.
    #[arg(long)]
    pub epochs: Option<usize>,
    /// Threads [default: all cores].
    #[arg(long)]
    pub threads: Option<usize>,
    /// Precision [default: f64 for small problems and L-BFGS, else f32].
    #[arg(long)]
    pub precision: Option<PrecisionArg>,
    /// What runs the graph [default: cpu on a CPU, candle elsewhere].
    #[arg(long)]
    pub executor: Option<ExecutorArg>,
    /// Where it runs: `cpu`, or `cuda:0` in a build with CUDA.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Memory that a fit may take: one that needs more is refused before it begins [default: what there is].
    #[arg(long, value_name = "SIZE", value_parser = fe_pipeline::bytes)]
    pub memory: Option<u64>,
}

/// `fe run`
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    #[command(flatten)]
    pub program: ProgramArgs,
    #[command(flatten)]
    pub fit: FitArgs,
    /// The run directory [default: runs/NAME, or NAME-2, -3, … where that holds a run].
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Replace the run that is there.
    #[arg(long, conflicts_with = "resume")]
    pub force: bool,
    /// Go on from where this very fit was killed or ended early: the same program, options and data.
    #[arg(long)]
    pub resume: bool,
    /// With --resume: no further steps, only the report of where the fit stands.
    #[arg(long, requires = "resume")]
    pub finish: bool,
    /// Write every picture of the page as a file too, for a paper: SVG, in DIR [default: pictures/ beside the page].
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    pub pictures: Option<Option<PathBuf>>,
    #[command(flatten)]
    pub keeping: KeepArgs,
    /// Print fit.json on standard output, and nothing else there.
    #[arg(long)]
    pub json: bool,
    /// No progress and no ledger.
    #[arg(long)]
    pub quiet: bool,
    /// Say on standard error how long each stage took, and its memory; run.json has it too.
    #[arg(long)]
    pub timings: bool,
    /// Exit with 5 when the fit is not to be relied on.
    #[arg(long)]
    pub strict: bool,
}

/// How often the state of a fit is kept.
#[derive(Args, Clone, Debug)]
pub struct KeepArgs {
    /// Seconds between checkpoints, from which --resume goes on [default: 60].
    #[arg(long, value_name = "SECONDS")]
    pub checkpoint: Option<u32>,
}

impl KeepArgs {
    /// The time between two checkpoints.
    pub fn every(&self) -> std::time::Duration {
        const SECONDS: u32 = 60;
        std::time::Duration::from_secs(u64::from(self.checkpoint.unwrap_or(SECONDS)))
    }
}

/// `fe sweep`
#[derive(Args, Clone, Debug)]
pub struct SweepArgs {
    #[command(flatten)]
    pub program: ProgramArgs,
    /// What is swept: a `const` or `dim`, once or twice. The first runs along a curve.
    #[arg(long, value_name = "NAME=VALUES", required = true)]
    pub over: Vec<String>,
    #[command(flatten)]
    pub fit: FitArgs,
    /// Make one share of the fits, as 2/8, in a folder where others make theirs: on other machines, or of a job array. What
    /// all have made, --resume collects.
    #[arg(long, value_name = "I/N", conflicts_with_all = ["certify", "strict"])]
    pub shard: Option<fe_pipeline::sweep::Shard>,
    /// Fits made at a time [default: as many as there are threads].
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Keep the points that are finished in the directory, and go on with those that were begun: the same program, options and
    /// data.
    #[arg(long)]
    pub resume: bool,
    #[command(flatten)]
    pub keeping: KeepArgs,
    /// Train points further that the certificate shows not to have converged, for at most so many rounds.
    #[arg(long, value_name = "ROUNDS", num_args = 0..=1, default_missing_value = "8")]
    pub certify: Option<usize>,
    /// The sweep's directory [default: runs/NAME-sweep].
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Print sweep.json on standard output, and nothing else there.
    #[arg(long)]
    pub json: bool,
    /// No progress and no table.
    #[arg(long)]
    pub quiet: bool,
    /// Exit with 5 when a fit has not converged, or the certificate does not hold.
    #[arg(long)]
    pub strict: bool,
}

/// `fe compare`
#[derive(Args, Clone, Debug)]
pub struct CompareArgs {
    /// Two programs, which are fitted (`-` reads standard input); or two or more directories of finished runs, which are
    /// compared by leave-one-out.
    #[arg(value_name = "A.fe B.fe | RUN RUN …", num_args = 2.., required = true)]
    pub of: Vec<String>,
    /// Replace the file of the reader in a data declaration, of the programs that have it.
    #[arg(long = "data", value_name = "NAME=FILE")]
    pub data: Vec<String>,
    /// Set a `const` or `dim`, of the programs that have it.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    #[command(flatten)]
    pub fit: FitArgs,
    /// Fit with this many seeds, one after another, and give the error over them.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seeds: u64,
    /// A directory for compare.json and compare.csv [default: none].
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Print compare.json on standard output, and nothing else there.
    #[arg(long)]
    pub json: bool,
    /// No progress and no table.
    #[arg(long)]
    pub quiet: bool,
    /// Exit with 5 when a fit has not converged.
    #[arg(long)]
    pub strict: bool,
}

/// `fe check`
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    #[command(flatten)]
    pub program: ProgramArgs,
    /// Diagnostics as JSON on standard output, for editors.
    #[arg(long)]
    pub json: bool,
}

/// `fe explain`
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    #[command(flatten)]
    pub program: ProgramArgs,
    /// The tensor graph of the objective too.
    #[arg(long)]
    pub graph: bool,
    /// The plan of a training step too: phases, fused loops, memory, cost.
    #[arg(long)]
    pub plan: bool,
}

/// `fe sample`
#[derive(Args, Clone, Debug)]
pub struct SampleArgs {
    /// A program, for its priors and the data they expect; or a run directory, for new data from the fit.
    #[arg(value_name = "RUN | MODEL.fe")]
    pub of: String,
    /// How many draws.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(usize))]
    pub count: usize,
    /// The file: .nc, .npz or .csv [default: RUN/predictive.nc, or NAME_prior.nc].
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Seed of the draws [default: the run's or the program's, else 0].
    #[arg(long, allow_negative_numbers = true, value_parser = seed)]
    pub seed: Option<u64>,
    /// Replace the file of the reader in a data declaration; of a program.
    #[arg(long = "data", value_name = "NAME=FILE")]
    pub data: Vec<String>,
    /// Set a `const` or `dim`; of a program.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
}

/// `fe eval`
#[derive(Args, Clone, Debug)]
pub struct EvalArgs {
    /// A run directory.
    pub run: PathBuf,
    /// New rows: the file for the reader in a data declaration [default: the rows held out, or else those of the fit].
    #[arg(long = "data", value_name = "NAME=FILE")]
    pub data: Vec<String>,
    /// Another value of a const: the steps of a descent.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// A table of every step of a descent, .csv.
    #[arg(long)]
    pub trace: Option<PathBuf>,
    /// A table of the rows, .csv: row, free energy, distortion, rate, energy.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Print the figures as JSON on standard output, and nothing else there.
    #[arg(long)]
    pub json: bool,
}

/// `fe codes`
#[derive(Args, Clone, Debug)]
pub struct CodesArgs {
    /// A run directory.
    pub run: PathBuf,
    /// New rows: the file for the reader in a data declaration [default: the rows of the fit].
    #[arg(long = "data", value_name = "NAME=FILE")]
    pub data: Vec<String>,
    /// A latent, or a `let` that follows from latents [default: every latent that has the row axis, or runs along a chain].
    #[arg(long = "latent", value_name = "NAME")]
    pub latents: Vec<String>,
    /// The file: .npz, .nc or .csv [default: RUN/codes.npz].
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// `fe predict`
#[derive(Args, Clone, Debug)]
pub struct PredictArgs {
    /// A run directory.
    pub run: PathBuf,
    /// What is known of new rows: the file for the reader in a data declaration; without a name, for the one table that the
    /// program reads its rows from.
    #[arg(long = "data", value_name = "[NAME=]FILE")]
    pub data: Vec<String>,
    /// The probability that an interval holds: quantiles at its ends.
    #[arg(long, default_value_t = 0.9)]
    pub interval: f64,
    /// Steps beyond the end of the program's chain, in place of new rows.
    #[arg(long, value_name = "STEPS")]
    pub ahead: Option<usize>,
    /// How many draws.
    #[arg(long, default_value_t = 4000, value_parser = clap::value_parser!(usize))]
    pub count: usize,
    /// Write the draws too; of a .npz or .nc file.
    #[arg(long)]
    pub draws: bool,
    /// Seed of the draws [default: the run's].
    #[arg(long, allow_negative_numbers = true, value_parser = seed)]
    pub seed: Option<u64>,
    /// The file: .csv, .npz or .nc [default: standard output, as csv].
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// `fe verify`
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// A run directory.
    pub run: PathBuf,
    /// Effective draws that every number must have, in the bulk and in the tails.
    #[arg(long, default_value_t = 400.0)]
    pub ess: f64,
    /// The split R̂ that no number may exceed.
    #[arg(long, default_value_t = 1.01)]
    pub rhat: f64,
    /// The most draws of each chain.
    #[arg(long, default_value_t = 16_000, value_parser = clap::value_parser!(usize))]
    pub draws: usize,
    /// Seed of the chains [default: the run's].
    #[arg(long, allow_negative_numbers = true, value_parser = seed)]
    pub seed: Option<u64>,
    /// Threads [default: all cores].
    #[arg(long)]
    pub threads: Option<usize>,
    /// Print verify.json on standard output, and nothing else there.
    #[arg(long)]
    pub json: bool,
    /// Exit with 5 where a number differs, or the chains have not mixed.
    #[arg(long)]
    pub strict: bool,
}

/// `fe stream`
#[derive(Args, Clone, Debug)]
pub struct StreamArgs {
    /// A run directory; or a program, with its parameters at their start.
    pub run: String,
    /// Replace the file of the reader in a data declaration, of a program.
    #[arg(long = "data", value_name = "NAME=FILE")]
    pub data: Vec<String>,
    /// Set a `const` or `dim`, of a program.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Latents and `let`s to tell of [default: every latent].
    #[arg(long = "latent", value_name = "NAME")]
    pub latents: Vec<String>,
    /// The form of lines, in and out [default: that of the first line].
    #[arg(long)]
    pub form: Option<FormArg>,
    /// Make the plan anew at each line.
    #[arg(long)]
    pub plan: bool,
    /// The most iterations of a plan at a line.
    #[arg(long, default_value_t = 50, requires = "plan", value_parser = clap::value_parser!(usize))]
    pub steps: usize,
    /// Starts of a plan that are compared at a line: the last plan, and others of the program's own.
    #[arg(long, default_value_t = 2, requires = "plan", value_parser = clap::value_parser!(usize))]
    pub starts: usize,
    /// Draws of what has no closed form.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(usize))]
    pub samples: usize,
    /// Seed of the draws [default: the run's].
    #[arg(long, allow_negative_numbers = true, value_parser = seed)]
    pub seed: Option<u64>,
    /// Threads [default: 1, as a turn is small].
    #[arg(long)]
    pub threads: Option<usize>,
}

/// The form of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormArg {
    /// An object a line.
    Json,
    /// A table with a header.
    Csv,
}

/// `fe report`
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// The directory of a run, or of a sweep.
    pub run: PathBuf,
    /// Write every picture of the page as a file too, for a paper: SVG, in DIR [default: pictures/ beside the page].
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    pub pictures: Option<Option<PathBuf>>,
    /// Open the page in a browser.
    #[arg(long)]
    pub open: bool,
}

/// `fe fmt`
#[derive(Args, Clone, Debug)]
pub struct FmtArgs {
    /// The programs; `-` reads standard input and writes standard output.
    #[arg(required = true)]
    pub models: Vec<String>,
    /// Change nothing; exit with 1 where a program is not in the canonical layout.
    #[arg(long)]
    pub check: bool,
}

/// The assignments of an option that is given as `NAME=VALUE`.
fn assignments(given: &[String], option: &str, form: &str) -> Result<Vec<Assignment>, Failure> {
    let wrong = |text: &String| Failure::usage(format!("--{option} takes NAME={form}, not `{text}`"));
    given.iter().map(|text| Assignment::parse(text).ok_or_else(|| wrong(text))).collect()
}

/// How a program is read, from `--data` and `--set`, with the user's cache of decoded data.
pub fn reading(data: &[String], set: &[String]) -> Result<ReadOptions, Failure> {
    let set = assignments(set, "set", "VALUE")?;
    let data = assignments(data, "data", "FILE")?;
    Ok(ReadOptions { data, set, cache: cache(), ..ReadOptions::default() })
}

/// Where decoded data are kept: `FE_CACHE`, which may be empty for nowhere, or `fe` in the user's folder of caches.
fn cache() -> Option<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if std::env::var_os("FE_CACHE").is_some() {
        return named("FE_CACHE");
    }
    let folder = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")))?;
    Some(folder.join("fe"))
}

impl ProgramArgs {
    /// How the program is read.
    pub fn reading(&self) -> Result<ReadOptions, Failure> {
        reading(&self.data, &self.set)
    }
}

impl FitArgs {
    /// How a program is fitted, threads apart.
    pub fn options(&self) -> FitOptions {
        FitOptions {
            seed: self.seed,
            steps: self.steps,
            epochs: self.epochs,
            precision: self.precision.map(|p| match p {
                PrecisionArg::F32 => Precision::F32,
                PrecisionArg::F64 => Precision::F64,
            }),
            executor: self.executor.map(|e| match e {
                ExecutorArg::Cpu => ExecutorKind::Cpu,
                ExecutorArg::Candle => ExecutorKind::Candle,
            }),
            device: self.device.clone(),
            memory: self.memory,
        }
    }
}

impl Command {
    /// The threads that are asked for.
    pub fn threads(&self) -> Option<usize> {
        match self {
            Self::Run(args) => args.fit.threads,
            Self::Sweep(args) => args.fit.threads,
            Self::Compare(args) => args.fit.threads,
            Self::Verify(args) => args.threads,
            Self::Stream(args) => args.threads.or(Some(1)),
            Self::Check(_)
            | Self::Explain(_)
            | Self::Sample(_)
            | Self::Codes(_)
            | Self::Predict(_)
            | Self::Eval(_)
            | Self::Report(_)
            | Self::Fmt(_)
            | Self::Lsp
            | Self::Completions(_)
            | Self::Man(_) => None,
        }
    }
}

/// Floating-point precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PrecisionArg {
    /// Single.
    F32,
    /// Double.
    F64,
}

/// Executors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExecutorArg {
    /// A plan for this machine's cores.
    Cpu,
    /// candle tensors: portable, the reference.
    Candle,
}
