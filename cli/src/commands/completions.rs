//! `zkinfer completions`: a completion script for a shell.

use clap::CommandFactory;

use crate::args::{Cli, CompletionsArgs};
use crate::exit::Outcome;
use crate::printer::write_out;

/// Prints the script.
///
/// # Errors
/// Standard output is closed.
pub(crate) fn run(args: &CompletionsArgs) -> Outcome {
    // The generator panics where its writer fails; a buffer does not.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "zkinfer", &mut script);
    write_out(&String::from_utf8_lossy(&script))
}
