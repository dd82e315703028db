//! The `fe` command: check, explain, fit and report probabilistic programs.

mod cli;
mod commands;
mod compare;

mod data;
mod directory;
mod document;
mod eval;
mod executor;
mod failure;
mod finished;
mod fitting;
mod messages;
mod output;
mod page;
mod pictures;
mod program;
mod progress;
mod render;
mod run;
mod sample;
mod sweep;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use failure::Failure;
use finished::Finished;
use program::Text;

/// The environment variable that sets the number of threads everywhere.
const THREADS: &str = "RAYON_NUM_THREADS";

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        output::err(&failure::fault(&info.to_string()));
    }));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let _ = e.print();
            return ExitCode::from(u8::try_from(e.exit_code()).unwrap_or(2));
        }
    };
    match std::panic::catch_unwind(|| dispatch(&cli)) {
        Ok(code) => code,
        Err(_) => ExitCode::from(70),
    }
}

fn dispatch(cli: &Cli) -> ExitCode {
    if let Command::Explain(args) = &cli.command
        && let Some(code) = messages::asked(&args.program.model)
    {
        return finish(messages::explain(&code), None);
    }
    let (model, wanted) = match &cli.command {
        Command::Fmt(args) => return finish(commands::fmt(args), None),
        Command::Sample(args) => return finish(sample::sample(args), None),
        Command::Report(args) => return finish(page::report(args), None),
        Command::Eval(args) => {
            return match Finished::read(&args.run) {
                Ok(run) => finish(eval::eval(&run, args), Some(&run.text)),
                Err(failure) => finish(Err(failure), None),
            };
        }
        Command::Compare(args) => {
            let ready = threads(args.fit.threads).map_err(|failure| Box::new((failure, None)));
            return match ready.and_then(|()| compare::compare(args)).map_err(|blamed| *blamed) {
                Ok(()) => ExitCode::SUCCESS,
                Err((failure, text)) => finish(Err(failure), text.as_ref()),
            };
        }
        Command::Run(args) => (&args.program.model, args.fit.threads),
        Command::Sweep(args) => (&args.program.model, args.fit.threads),
        Command::Check(args) => (&args.program.model, None),
        Command::Explain(args) => (&args.program.model, None),
    };
    // First of all: the process may be started again, and standard input can be read only once.
    let text = match threads(wanted).and_then(|()| Text::read(model)) {
        Ok(t) => t,
        Err(f) => return finish(Err(f), None),
    };
    let outcome = match &cli.command {
        Command::Run(args) => run::run(&text, args),
        Command::Sweep(args) => sweep::sweep(&text, args),
        Command::Check(args) => commands::check(&text, args),
        Command::Explain(args) => commands::explain(&text, args),
        Command::Fmt(_) | Command::Sample(_) | Command::Eval(_) | Command::Compare(_) | Command::Report(_) => Ok(()),
    };
    finish(outcome, Some(&text))
}

/// Sees to it that `--threads` holds for every part: the pools read one environment variable when the process starts, so
/// the process is started again with it.
fn threads(wanted: Option<usize>) -> Result<(), Failure> {
    let Some(n) = wanted else { return Ok(()) };
    if n == 0 {
        return Err(Failure::Usage("--threads takes a number from 1".into()));
    }
    if std::env::var(THREADS).ok().as_deref() == Some(n.to_string().as_str()) {
        return Ok(());
    }
    let failed = |e: std::io::Error| Failure::Io(format!("the process cannot be started again with {n} threads: {e}"));
    let me = std::env::current_exe().map_err(failed)?;
    let mut again = std::process::Command::new(me);
    again.args(std::env::args_os().skip(1)).env(THREADS, n.to_string());
    restart(again).map_err(failed)
}

#[cfg(unix)]
fn restart(mut command: std::process::Command) -> std::io::Result<()> {
    Err(std::os::unix::process::CommandExt::exec(&mut command))
}

#[cfg(not(unix))]
fn restart(mut command: std::process::Command) -> std::io::Result<()> {
    let status = command.status()?;
    std::process::exit(status.code().unwrap_or(70));
}

fn finish(outcome: Result<(), Failure>, text: Option<&Text>) -> ExitCode {
    let Err(failure) = outcome else { return ExitCode::SUCCESS };
    if let Some(text) = text {
        let diagnostics = failure.diagnostics();
        output::err(&render::text(&text.file, &text.source, diagnostics, render::colour_on_stderr()));
    }
    output::err(&failure.message());
    ExitCode::from(failure.code())
}
