//! The `fe` command: check, explain, fit and report probabilistic programs.

mod cli;
mod codes;
mod commands;
mod compare;
mod eval;
mod failure;
mod input;
mod manual;
mod messages;
mod output;
mod predict;
mod progress;
mod render;
mod report;
mod run;
mod sample;
mod stream;
mod sweep;
mod timings;
mod verify;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use failure::Failure;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        output::err(&format!("fe: {}", fe_pipeline::fault(&info.to_string())));
    }));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let _ = e.print();
            return ExitCode::from(u8::try_from(e.exit_code()).unwrap_or(2));
        }
    };
    let work = || fe_pipeline::on_threads(cli.command.threads(), || dispatch(&cli.command));
    match std::panic::catch_unwind(work) {
        Ok(outcome) => finish(outcome.map_err(Failure::from).flatten()),
        Err(_) => ExitCode::from(70),
    }
}

fn dispatch(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Run(args) => run::run(args),
        Command::Sweep(args) => sweep::sweep(args),
        Command::Compare(args) => compare::compare(args),
        Command::Check(args) => commands::check(args),
        Command::Explain(args) => match messages::asked(&args.program.model) {
            Some(code) => messages::explain(&code),
            None => commands::explain(args),
        },
        Command::Codes(args) => codes::codes(args),
        Command::Predict(args) => predict::predict(args),
        Command::Sample(args) => sample::sample(args),
        Command::Eval(args) => eval::eval(args),
        Command::Stream(args) => stream::stream(args),
        Command::Verify(args) => verify::verify(args),
        Command::Report(args) => report::report(args),
        Command::Fmt(args) => commands::fmt(args),
        Command::Lsp => fe_lsp::serve_stdio().map_err(Failure::Io),
        Command::Completions(args) => manual::completions(args),
        Command::Man(args) => manual::page(args),
    }
}

fn finish(outcome: Result<(), Failure>) -> ExitCode {
    if let (Ok(()), Some(signal)) = (&outcome, progress::asked()) {
        output::err("fe: interrupted: what there was is kept\n");
        return ExitCode::from(128u8.saturating_add(signal));
    }
    let Err(failure) = outcome else { return ExitCode::SUCCESS };
    if let Some((text, diagnostics)) = failure.diagnostics() {
        output::diagnostics(text, diagnostics);
    }
    output::err(&failure.message());
    ExitCode::from(failure.code())
}
