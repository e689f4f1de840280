//! `zkinfer commit`: commits to the values of an input before, and outside of, any proof.

use anyhow::anyhow;
use circuits::interface::{Direction, Interface};
use prover::link::Openings;
use prover::report::peak_rss_bytes;
use verifier::link::CommittedTensor;

use crate::args::CommitArgs;
use crate::artifacts::{opening_of, write_failure};
use crate::exit::{Failure, OrFail, Outcome};
use crate::pipeline::keys;
use crate::pipeline::shown::Shown;
use crate::printer::Printer;
use crate::report::Report;

/// Commits, and leaves the commitment and what opens it.
///
/// # Errors
/// A file can't be used, or the key has no such input.
pub(crate) fn run(args: &CommitArgs, printer: Printer) -> Outcome {
    let key = keys::read_key(&args.key)?;
    let interface = key.interface();
    let port = input(interface, args.port.as_deref())?;
    let shown = Shown::nothing(interface).inputs(interface, &args.input, args.sample, printer)?;
    let values = &shown.of(interface, Direction::Input)[port];
    let described = interface.inputs().nth(port).expect("the input has been found");
    let tensor = CommittedTensor { shape: described.shape.clone(), scale: described.scale, kind: described.kind };
    let srs = keys::srs_of_key(args.srs.as_deref(), &key, printer)?;
    let made = printer.stage("commit", None, || prover::link::commit(&srs, tensor, values));
    let (commitment, opening) = made.or_refused("the values can't be committed to")?;
    let path = opening_of(&args.out);
    let openings = Openings { artifact: commitment.digest(), ports: vec![(0, opening)] };
    openings.write(&path).map_err(write_failure)?;
    commitment.write(&args.out).map_err(write_failure)?;
    printer.field("committed", format_args!("{:?} {:?}: {}", described.name, described.shape, commitment.digest()))?;
    printer.field("written", args.out.display())?;
    printer.field("opening", format_args!("{}: keep it to yourself, it holds the values", path.display()))?;
    let mut report = Report::new("commit");
    report.k = Some(commitment.k());
    report.peak_rss_bytes = peak_rss_bytes();
    printer.report(&report.with("commitment", commitment.digest().to_string()).with("port", described.name.clone()))
}

/// The place among the inputs of the one that is meant.
fn input(interface: &Interface, name: Option<&str>) -> Outcome<usize> {
    let names: Vec<&str> = interface.inputs().map(|port| port.name.as_str()).collect();
    let found = match name {
        Some(name) => names.iter().position(|known| *known == name),
        None => (names.len() == 1).then_some(0),
    };
    found.ok_or_else(|| {
        let fault = anyhow!("the key has the inputs {}", names.join(", "));
        Failure::misuse(fault).remedy("say by --port which of them is committed to")
    })
}
