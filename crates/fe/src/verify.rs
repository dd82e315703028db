//! `fe verify`: a finished fit held to long chains of NUTS.

use fe_pipeline::{Finished, Referee, verify as held_to_chains};
use fe_report::{Outcome, verification_terminal};

use crate::cli::VerifyArgs;
use crate::failure::{Failure, at};
use crate::{output, render};

/// Runs the command.
pub fn verify(args: &VerifyArgs) -> Result<(), Failure> {
    let run = Finished::read(&args.run)?;
    let mut referee = Referee { seed: args.seed, ..Referee::default() };
    let demands = &mut referee.demands;
    demands.effective = args.ess;
    demands.rhat = args.rhat;
    demands.most = args.draws;
    demands.lengths.draws = demands.lengths.draws.min(args.draws);
    let verification = held_to_chains(&run, referee).map_err(at(&run.text))?;
    if args.json {
        output::out(&fe_report::json(&verification))?;
    } else {
        let table = verification_terminal(&verification, output::width(), render::colour_on_stdout());
        output::out(&format!("{table}\nsaved in {}\n", args.run.display()))?;
    }
    match verification.outcome {
        Outcome::Differs | Outcome::NotSettled if args.strict => Err(Failure::Unconverged(verification.sentence())),
        _ => Ok(()),
    }
}
