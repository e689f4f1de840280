//! `zkinfer link`: shows that two commitments are to the same values.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use circuits::interface::Direction;
use prover::link::{Opened, Opening, Openings};
use prover::report::peak_rss_bytes;
use verifier::container::Kind;
use verifier::link::{LinkedPort, Side};
use verifier::{Commitment, Digest, Proof, VerifyingKey};

use crate::args::{LinkArgs, SideArgs};
use crate::artifacts::{self, opening_of, write_failure};
use crate::commands::verify::refused;
use crate::exit::{Failure, OrFail, Outcome};
use crate::pipeline::keys;
use crate::printer::{bytes, Printer};
use crate::report::Report;

/// Links and leaves the link.
///
/// # Errors
/// A file can't be used, the sides can't be compared, or they hold different values.
pub(crate) fn run(args: &LinkArgs, printer: Printer) -> Outcome {
    let from = Source::read(&args.from(), Direction::Output)?;
    let to = Source::read(&args.to(), Direction::Input)?;
    let srs = match [&from, &to].into_iter().find_map(|side| side.key.as_ref()) {
        Some(key) => keys::srs_of_key(args.srs.as_deref(), key, printer)?,
        None => keys::srs(args.srs.as_deref(), from.side.k(), printer)?,
    };
    let made = printer.stage("link", None, || prover::link::link(&srs, from.opened(), to.opened()));
    let link = made.or_refused("the link can't be made")?;
    link.write(&args.out).map_err(write_failure)?;
    printer.field(
        "linked",
        format_args!("{} and {}: the same {} values", from.name, to.name, from.opening.values.len()),
    )?;
    printer.field("written", format_args!("{} ({})", args.out.display(), bytes(link.words.0.len() as u64)))?;
    let mut report = Report::new("link");
    report.k = Some(from.side.k());
    report.peak_rss_bytes = peak_rss_bytes();
    printer.report(&report.with("from", from.name).with("to", to.name).with("link_bytes", link.words.0.len()))
}

/// A side with what opens it.
struct Source {
    /// For people.
    name: String,
    port: LinkedPort,
    side: Side,
    opening: Opening,
    /// Of a proof.
    key: Option<VerifyingKey>,
}

impl Source {
    /// Reads a proof or a commitment, and the port of `direction` in it that is meant.
    fn read(args: &SideArgs<'_>, direction: Direction) -> Outcome<Self> {
        let named = || args.file.display().to_string();
        let path = args.opening.map_or_else(|| opening_of(args.file), Path::to_owned);
        let openings = Openings::read(&path).or_misuse(path.display().to_string())?;
        let mut source = match artifacts::kind(args.file)? {
            Kind::Commitment => Self::commitment(args.file, &openings)?,
            Kind::Proof => Self::proof(args, direction, &openings)?,
            other => {
                let fault = anyhow!("a proof or a commitment is expected, and this is {other}");
                return Err(Failure::misuse(fault).context(named()));
            }
        };
        if openings.artifact != source.port.artifact {
            let fault = anyhow!("{}: not what opens {}", path.display(), named());
            return Err(Failure::misuse(fault).remedy("each proof and commitment has an opening of its own"));
        }
        source.name = format!("{} of {}", source.name, named());
        Ok(source)
    }

    fn commitment(path: &Path, openings: &Openings) -> Outcome<Self> {
        let commitment = Commitment::read(path).or_misuse(path.display().to_string())?;
        let port = LinkedPort { artifact: commitment.digest(), port: 0 };
        let (side, opening) = (commitment.side(), opening(openings, 0)?);
        Ok(Self { name: "the values".to_owned(), port, side, opening, key: None })
    }

    fn proof(args: &SideArgs<'_>, direction: Direction, openings: &Openings) -> Outcome<Self> {
        let beside = || args.file.with_file_name("model.vk");
        let key = keys::read_key(&args.key.map_or_else(beside, PathBuf::from))?;
        let file = artifacts::read(args.file)?;
        let proof = Proof::from_file(&file).or_misuse(args.file.display().to_string())?;
        let index = port(&key, args.port, direction)?;
        let side = Side::of_proof(&key, &proof, index).map_err(refused)?.expect("the port is committed");
        let port = LinkedPort { artifact: Digest::of(&file), port: index as u32 };
        let described = &key.interface().ports[index];
        let name = format!("{} {:?}", described.direction.name(), described.name);
        Ok(Self { name, port, side, opening: opening(openings, index as u32)?, key: Some(key) })
    }

    fn opened(&self) -> Opened<'_> {
        Opened { port: self.port, side: &self.side, opening: &self.opening }
    }
}

fn opening(openings: &Openings, port: u32) -> Outcome<Opening> {
    openings.of(port).cloned().ok_or_else(|| Failure::misuse(anyhow!("the opening has no port {port}")))
}

/// The committed port of a name, or the only one of the direction, or the only one.
fn port(key: &VerifyingKey, name: Option<&str>, direction: Direction) -> Outcome<usize> {
    let committed: Vec<_> = key.interface().committed(key.description().params.k).collect();
    let only = |filter: &dyn Fn(Direction, &str) -> bool| {
        let mut matching = committed.iter().filter(|(_, port, _)| filter(port.direction, &port.name));
        matching.next().filter(|_| matching.next().is_none()).map(|(index, ..)| *index)
    };
    let found = match name {
        Some(name) => {
            only(&|found, known| known == name && found == direction).or_else(|| only(&|_, known| known == name))
        }
        None => only(&|found, _| found == direction).or_else(|| only(&|_, _| true)),
    };
    found.ok_or_else(|| {
        let names: Vec<_> = committed.iter().map(|(_, port, _)| port.name.as_str()).collect();
        match names.is_empty() {
            true => Failure::misuse(anyhow!("no port of {} is committed", key.description().model))
                .remedy("compile the model with --input committed or --output committed"),
            false => Failure::misuse(anyhow!("the committed ports are {}", names.join(", ")))
                .remedy("say by --from-port or --to-port which of them is meant"),
        }
    })
}
