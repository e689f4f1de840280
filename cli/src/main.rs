//! The `zkinfer` command: a thin shell over the libraries.
//!
//! Each command is a file in [`commands`]; it returns an [`exit::Outcome`], and this file turns that into an exit status.

mod args;
mod artifacts;
mod commands;
mod device;
mod exit;
mod interrupt;
mod picture;
mod pipeline;
mod present;
mod printer;
mod profile;
mod report;
mod salts;
mod size;
mod usage;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command, ReaderOptions};
use exit::{ExitStatus, Outcome};
use printer::{Printer, Reader};

fn main() -> ExitCode {
    // Wrong usage makes clap exit with status 2, and requests for help with 0.
    let cli = Cli::parse();
    interrupt::watch();
    join_pool();
    let printer = Printer::new(reader(cli.reader));
    match dispatch(cli.command, printer) {
        Ok(()) => ExitStatus::Success.into(),
        Err(_) if interrupt::is_interrupted() => ExitStatus::Interrupted.into(),
        Err(failure) => {
            eprintln!("{failure}");
            failure.status.into()
        }
    }
}

/// Makes this thread one of those that share work. Otherwise it would wait for others to do all of it, and the system would change
/// between threads some thousand times a proof. Where that can't be, the pool is what it would be without this.
fn join_pool() {
    let _ = rayon::ThreadPoolBuilder::new().use_current_thread().build_global();
}

fn reader(options: ReaderOptions) -> Reader {
    match options {
        ReaderOptions { json: true, .. } => Reader::Program,
        ReaderOptions { quiet: true, .. } => Reader::Nobody,
        _ => Reader::People,
    }
}

fn dispatch(command: Command, printer: Printer) -> Outcome {
    match command {
        Command::Prove(args) => commands::prove::run(&args, printer),
        Command::Verify(args) => commands::verify::run(&args, printer),
        Command::Hash(args) => commands::hash::run(&args, printer),
        Command::Commit(args) => commands::commit::run(&args, printer),
        Command::Link(args) => commands::link::run(&args, printer),
        Command::Model(command) => commands::model::run(&command, printer),
        Command::Run(args) => commands::run::run(&args, printer),
        Command::Evaluate(args) => commands::evaluate::run(&args, printer),
        Command::Compile(args) => commands::compile::run(&args, printer),
        Command::Setup(args) => commands::setup::run(&args, printer),
        Command::Srs(command) => commands::srs::run(&command, printer),
        Command::Inspect(args) => commands::inspect::run(&args, printer),
        Command::VerifyKey(args) => commands::verify_key::run(&args, printer),
        Command::Estimate(args) => commands::estimate::run(&args, printer),
        Command::Doctor(_) => commands::doctor::run(printer),
        Command::Evm(command) => commands::evm::run(&command, printer),
        Command::Completions(args) => commands::completions::run(&args),
    }
}
