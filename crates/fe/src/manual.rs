//! `fe completions` and `fe man`: what shells and `man` know of the command, made of its own description.

use clap::CommandFactory;

use crate::cli::{Cli, CompletionsArgs, ManArgs};
use crate::failure::Failure;
use crate::output;

/// The completions of a shell.
pub fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut text = vec![];
    clap_complete::generate(args.shell, &mut Cli::command(), "fe", &mut text);
    output::out(&String::from_utf8_lossy(&text))
}

/// A manual page.
pub fn page(args: &ManArgs) -> Result<(), Failure> {
    let mut whole = Cli::command();
    whole.build();
    let manual = match &args.command {
        None => clap_mangen::Man::new(whole),
        Some(name) => match whole.find_subcommand(name) {
            Some(found) => clap_mangen::Man::new(found.clone()).title(format!("fe-{name}")),
            None => return Err(Failure::Usage(format!("there is no command `{name}`; `fe --help` lists them"))),
        },
    };
    let mut text = vec![];
    manual.render(&mut text).map_err(|e| Failure::Io(e.to_string()))?;
    output::out(&String::from_utf8_lossy(&text))
}
