//! `zkinfer srs`: structured reference strings (SRS).

use std::path::Path;

use prover::srs::ptau::Ptau;
use prover::srs::Srs;

use crate::args::SrsCommand;
use crate::artifacts;
use crate::exit::{OrFail, Outcome};
use crate::pipeline::keys;
use crate::printer::{bytes, Printer};
use crate::report::Report;

/// Makes, imports or describes an SRS.
///
/// # Errors
/// A file can't be read, is no SRS that can be used, or can't be written.
pub(crate) fn run(command: &SrsCommand, printer: Printer) -> Outcome {
    match command {
        SrsCommand::New { k, out } => {
            let srs = keys::development_srs(*k, printer)?;
            write(&srs, out, printer)
        }
        SrsCommand::Import { ptau, k, out } => {
            let ceremony = Ptau::open(ptau).or_misuse(ptau.display().to_string())?;
            let k = k.unwrap_or(ceremony.power());
            let srs = printer.stage("import", None, || ceremony.import(k));
            write(&srs.or_misuse(ptau.display().to_string())?, out, printer)
        }
        SrsCommand::Info { srs: path, check } => {
            let srs = keys::read_srs(path)?;
            if *check {
                printer.stage("check", None, || srs.check()).or_refused(path.display().to_string())?;
                printer.field("checked", "its points are the powers of one secret")?;
            }
            describe(&srs, path, "srs", printer)
        }
    }
}

fn write(srs: &Srs, path: &Path, printer: Printer) -> Outcome {
    srs.write(path).map_err(artifacts::write_failure)?;
    describe(srs, path, "srs", printer)
}

/// Prints what an SRS is.
///
/// # Errors
/// Standard output is closed.
pub(crate) fn describe(srs: &Srs, path: &Path, command: &str, printer: Printer) -> Outcome {
    let mark = srs.mark();
    let size = artifacts::file_bytes(path).unwrap_or_default();
    printer.field("file", format_args!("{}: an SRS, {}", path.display(), bytes(size)))?;
    printer.field("rows", format_args!("2^{}", srs.k()))?;
    printer.field("origin", if mark.is_insecure() { "development" } else { "imported" })?;
    printer.field("digest", mark.digest())?;
    if mark.is_insecure() {
        printer.warn(
            "INSECURE: tau of this SRS is public, so that anybody can forge proofs; use it for development alone",
        );
    }
    let mut report = Report::new(command);
    report.k = Some(srs.k());
    let report = report.with("insecure", mark.is_insecure()).with("digest", mark.digest().to_string());
    printer.report(&report.with("bytes", size))
}
