//! `zkinfer hash`: the salted digests of hashed ports, outside of any proof.

use std::path::Path;

use anyhow::anyhow;
use circuits::digest::Salt;
use circuits::graph::Program;
use circuits::interface::{Direction, Interface};
use circuits::layout;
use circuits::reference;
use prover::report::peak_rss_bytes;
use serde_json::json;
use verifier::container::Kind;

use crate::args::HashArgs;
use crate::artifacts::{self, ProgramArtifact};
use crate::exit::{Failure, OrFail, Outcome};
use crate::pipeline::keys;
use crate::pipeline::shown::Shown;
use crate::printer::Printer;
use crate::report::Report;
use crate::salts;

/// Computes and prints the digests of the values that are given.
///
/// # Errors
/// A file can't be used, nothing is hashed, or there is no salt.
pub(crate) fn run(args: &HashArgs, printer: Printer) -> Outcome {
    let subject = Subject::read(&args.file)?;
    let interface = &subject.interface;
    if interface.hashed().next().is_none() {
        let fault = anyhow!("{}: no port is hashed", args.file.display());
        return Err(Failure::misuse(fault).remedy("compile the model with --input hashed or --output hashed"));
    }
    let shown = subject.shown(args, printer)?;
    let digests = shown.digests(interface, &salts_of(args, interface)?)?;
    if digests.is_empty() {
        let fault = anyhow!("no values of a hashed port are given");
        return Err(
            Failure::misuse(fault).remedy("give --output with the result of `zkinfer prove` or `zkinfer run --json`")
        );
    }
    let mut objects = Vec::with_capacity(digests.len());
    for (port, digest) in digests {
        printer.field(port.direction.name(), format_args!("{:?} {:?}: {digest}", port.name, port.shape))?;
        objects.push(
            json!({ "direction": port.direction, "port": port.name, "words": port.packed_words(), "digest": digest }),
        );
    }
    let mut report = Report::new("hash");
    report.peak_rss_bytes = peak_rss_bytes();
    printer.report(&report.with("digests", objects))
}

/// What the ports are those of.
struct Subject {
    interface: Interface,
    /// Where the file is a program, which gives outputs too.
    program: Option<Program>,
}

impl Subject {
    fn read(path: &Path) -> Outcome<Self> {
        match artifacts::kind(path)? {
            Kind::Program => {
                let program = ProgramArtifact::read(path)?.program;
                let interface = layout::interface_of(&program).or_misuse(path.display().to_string())?;
                Ok(Self { interface, program: Some(program) })
            }
            _ => Ok(Self { interface: keys::read_key(path)?.interface().clone(), program: None }),
        }
    }

    fn shown(&self, args: &HashArgs, printer: Printer) -> Outcome<Shown> {
        let mut shown = Shown::nothing(&self.interface);
        if let Some(input) = &args.input {
            shown = shown.inputs(&self.interface, input, args.sample, printer)?;
            if let Some(program) = &self.program {
                let trace = reference::run(program, &shown.of(&self.interface, Direction::Input));
                let outputs = trace.or_refused("the program can't be run on this input")?.outputs(program);
                shown = shown.with(&self.interface, Direction::Output, outputs);
            }
        }
        match &args.output {
            Some(output) => shown.outputs(&self.interface, output),
            None => Ok(shown),
        }
    }
}

fn salts_of(args: &HashArgs, interface: &Interface) -> Outcome<Vec<Salt>> {
    match (&args.salt, &args.new_salt) {
        (Some(source), _) => salts::read(source, interface),
        (None, Some(path)) => {
            let drawn = salts::draw(interface)?;
            salts::write(path, interface, &drawn)?;
            Ok(drawn)
        }
        (None, None) => unreachable!("the command line asks for one of them"),
    }
}
