//! The files that commands hand to one another, and the folder that `prove` leaves them in.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use circuits::graph::{Port, Program, FILE_OPTIONS};
use circuits::layout::{LayoutOptions, Objective};
use onnx_import::quantize::{Bits, DynamicScales, InputStep, Ranges};
use prover::program::ProgramFile;
use verifier::container::{self, ContainerError, EncodedFile, Header, Kind, HEADER_BYTES};
use verifier::Digest;

use crate::exit::{Failure, OrFail, Outcome};
use crate::printer::Printer;
use crate::report::Report;

/// The names of the files in an output folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    /// The folder of the proof and what belongs to it.
    pub(crate) proofs: PathBuf,
    /// `program.zki`
    pub(crate) program: PathBuf,
    /// `model.pk`
    pub(crate) proving_key: PathBuf,
    /// `model.vk`
    pub(crate) verifying_key: PathBuf,
    /// `proof.zkp`
    pub(crate) proof: PathBuf,
    /// `proof.zkp.salt`
    pub(crate) salt: PathBuf,
    /// `proof.zkp.opening`
    pub(crate) opening: PathBuf,
    /// `proof.zkl`
    pub(crate) link: PathBuf,
    /// `result.json`
    pub(crate) result: PathBuf,
}

impl Folder {
    /// The files in `folder`, which is made where it does not exist. What an earlier run left unfinished there is removed.
    ///
    /// # Errors
    /// The system refuses to make it.
    pub(crate) fn create(folder: &Path) -> Outcome<Self> {
        fs::create_dir_all(folder).or_misuse(format!("{}: the folder can't be made", folder.display()))?;
        container::remove_abandoned(folder);
        Ok(Self {
            proofs: folder.to_path_buf(),
            program: folder.join("program.zki"),
            proving_key: folder.join("model.pk"),
            verifying_key: folder.join("model.vk"),
            proof: folder.join("proof.zkp"),
            salt: folder.join("proof.zkp.salt"),
            opening: opening_of(&folder.join("proof.zkp")),
            link: link_of(&folder.join("proof.zkp")),
            result: folder.join("result.json"),
        })
    }
}

impl Folder {
    /// Whether a file of that name, or one that a file system may take for it, belongs to what a command leaves in the folder.
    pub(crate) fn has_file_named(&self, name: &OsStr) -> bool {
        let Self { proofs: _, program, proving_key, verifying_key, proof, salt, opening, link, result } = self;
        let files = [program, proving_key, verifying_key, proof, salt, opening, link, result];
        files.iter().any(|file| file.file_name().is_some_and(|own| own.eq_ignore_ascii_case(name)))
    }

    /// The same keys and program, with a folder in this one for a proof and what belongs to it.
    ///
    /// # Errors
    /// The system refuses to make it.
    pub(crate) fn with_proofs_in(&self, name: &OsStr) -> Outcome<Self> {
        let Self { proofs, proof, salt, opening, link, result, .. } = Self::create(&self.proofs.join(name))?;
        Ok(Self { proofs, proof, salt, opening, link, result, ..self.clone() })
    }
}

/// Where what opens a proof or a commitment is left.
pub(crate) fn opening_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".opening");
    name.into()
}

/// Where the link from a proof to the registration of its weights is left.
pub(crate) fn link_of(proof: &Path) -> PathBuf {
    proof.with_extension("zkl")
}

/// What the scales of a program were fitted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Calibration {
    /// Random inputs from a fixed seed.
    Random,
    /// A file of samples, by its SHA-256.
    Samples(Digest),
    /// Left out of what is public of a program with private weights.
    Untold,
}

/// The options that a program was compiled with; with them the model compiles to the same bytes again. Who sees which
/// port is in the program itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recipe {
    /// Bits of an activation.
    pub(crate) bits: Bits,
    /// How the ranges of inner values are found.
    pub(crate) ranges: Ranges,
    /// How dynamic scales are computed.
    pub(crate) dynamic: DynamicScales,
    /// Sizes given to dynamic dimensions.
    pub(crate) dims: BTreeMap<String, usize>,
    /// How the program is laid out.
    pub(crate) layout: LayoutOptions,
    /// What the scales were fitted to.
    pub(crate) calibration: Calibration,
    /// The integers that inputs were given, by their names; under the empty name those of the only input.
    pub(crate) steps: BTreeMap<String, InputStep>,
    /// Samples that the program takes at once.
    pub(crate) batch: usize,
    /// The file of the model whose scales were taken.
    pub(crate) like: Option<Digest>,
    /// By how many bits private weights may be outgrown, where that was said.
    pub(crate) headroom: Option<u32>,
    /// The inputs that were said to have missing values.
    pub(crate) missing: BTreeSet<String>,
}

/// The names of the options in a program; a dimension's name follows its prefix.
const BITS: &str = "bits";
const OBJECTIVE: &str = "objective";
const CALIBRATION: &str = FILE_OPTIONS[0];
const RANDOM: &str = "random";
const AUTOMATIC: &str = "auto";
const KEEPING: &str = "keeping ";
const RANGES: &str = "ranges";
const DYNAMIC: &str = "dynamic";
const CHOSEN_BITS: &str = "chosen bits";
const DIMENSION: &str = "dim ";
const ROWS: &str = "rows";
const STEP: &str = "step ";
const BATCH: &str = "batch";
const LIKE: &str = FILE_OPTIONS[1];
const HEADROOM: &str = "head-room";
const MISSING: &str = "missing ";
const NULLABLE: &str = "NaN";

/// Options in a program that this release does not write.
#[derive(Debug, thiserror::Error)]
#[error("the program's option {name:?} is {value:?}, which is not known to this release")]
struct UnknownOption {
    name: String,
    value: String,
}

impl Recipe {
    /// The form in which a program records it, with the bits that were chosen.
    fn to_options(&self, chosen_bits: u32) -> BTreeMap<String, String> {
        let calibration = match self.calibration {
            Calibration::Random => Some(RANDOM.to_owned()),
            Calibration::Samples(digest) => Some(digest.to_string()),
            Calibration::Untold => None,
        };
        let calibration = calibration.map(|calibration| (CALIBRATION.to_owned(), calibration));
        let bits = match self.bits {
            Bits::Auto => AUTOMATIC.to_owned(),
            Bits::Keeping(part) => format!("{KEEPING}{part}"),
            Bits::Fixed(bits) => bits.to_string(),
        };
        let fixed = [
            (BITS.to_owned(), bits),
            (CHOSEN_BITS.to_owned(), chosen_bits.to_string()),
            (OBJECTIVE.to_owned(), objective_name(self.layout.objective).to_owned()),
        ];
        let dims = self.dims.iter().map(|(name, size)| (format!("{DIMENSION}{name}"), size.to_string()));
        // Left out where it is the default, as programs had it before there was a choice.
        let ranges = (self.ranges != Ranges::default()).then(|| (RANGES.to_owned(), self.ranges.to_string()));
        let dynamic = match self.dynamic {
            DynamicScales::Auto => None,
            DynamicScales::Exact => Some("exact"),
            DynamicScales::Calibrated => Some("calibrated"),
        };
        let dynamic = dynamic.map(|way| (DYNAMIC.to_owned(), way.to_owned()));
        let rows = self.layout.k.map(|k| (ROWS.to_owned(), k.to_string()));
        let steps = self.steps.iter().map(|(name, step)| (format!("{STEP}{name}"), step_text(step)));
        let batch = (self.batch > 1).then(|| (BATCH.to_owned(), self.batch.to_string()));
        let like = self.like.map(|first| (LIKE.to_owned(), first.to_string()));
        let headroom = self.headroom.map(|bits| (HEADROOM.to_owned(), bits.to_string()));
        let missing = self.missing.iter().map(|name| (format!("{MISSING}{name}"), NULLABLE.to_owned()));
        fixed
            .into_iter()
            .chain(calibration)
            .chain(ranges)
            .chain(dynamic)
            .chain(dims)
            .chain(rows)
            .chain(steps)
            .chain(batch)
            .chain(like)
            .chain(headroom)
            .chain(missing)
            .collect()
    }

    /// The recipe and the bits that were chosen.
    fn from_options(options: &BTreeMap<String, String>) -> Result<(Self, u32), UnknownOption> {
        let unknown = |name: &str, value: &str| UnknownOption { name: name.to_owned(), value: value.to_owned() };
        let text = |name: &str| options.get(name).map(String::as_str).ok_or_else(|| unknown(name, "missing"));
        let size = |name: &str, value: &str| value.parse::<usize>().map_err(|_| unknown(name, value));
        let bits = |name: &str, value: &str| value.parse::<u32>().map_err(|_| unknown(name, value));
        let chosen_bits = bits(CHOSEN_BITS, text(CHOSEN_BITS)?)?;
        let objectives = [Objective::Time, Objective::Memory, Objective::Gas];
        let objective = text(OBJECTIVE)?;
        let calibration = match options.get(CALIBRATION).map(String::as_str) {
            None => Calibration::Untold,
            Some(RANDOM) => Calibration::Random,
            Some(digest) => Calibration::Samples(digest.parse().map_err(|_| unknown(CALIBRATION, digest))?),
        };
        let recipe = Self {
            bits: match text(BITS)? {
                AUTOMATIC => Bits::Auto,
                value => match value.strip_prefix(KEEPING) {
                    Some(part) => Bits::Keeping(part.parse().map_err(|_| unknown(BITS, value))?),
                    None => Bits::Fixed(bits(BITS, value)?),
                },
            },
            ranges: match options.get(RANGES) {
                None => Ranges::default(),
                Some(rule) => rule.parse().map_err(|_| unknown(RANGES, rule))?,
            },
            dynamic: match options.get(DYNAMIC).map(String::as_str) {
                None => DynamicScales::Auto,
                Some("exact") => DynamicScales::Exact,
                Some("calibrated") => DynamicScales::Calibrated,
                Some(other) => return Err(unknown(DYNAMIC, other)),
            },
            dims: options
                .iter()
                .filter_map(|(name, value)| Some((name.strip_prefix(DIMENSION)?, value)))
                .map(|(name, value)| Ok((name.to_owned(), size(name, value)?)))
                .collect::<Result<_, UnknownOption>>()?,
            layout: LayoutOptions {
                objective: objectives
                    .into_iter()
                    .find(|known| objective_name(*known) == objective)
                    .ok_or_else(|| unknown(OBJECTIVE, objective))?,
                k: match options.get(ROWS) {
                    Some(value) => Some(bits(ROWS, value)?),
                    None => None,
                },
                ..LayoutOptions::default()
            },
            calibration,
            steps: options
                .iter()
                .filter_map(|(name, value)| Some((name.strip_prefix(STEP)?, value)))
                .map(|(name, value)| Ok((name.to_owned(), step_of(value).ok_or_else(|| unknown(STEP, value))?)))
                .collect::<Result<_, UnknownOption>>()?,
            batch: match options.get(BATCH) {
                None => 1,
                Some(value) => size(BATCH, value)?,
            },
            like: match options.get(LIKE) {
                Some(value) => Some(value.parse().map_err(|_| unknown(LIKE, value))?),
                None => None,
            },
            headroom: match options.get(HEADROOM) {
                Some(value) => Some(bits(HEADROOM, value)?),
                None => None,
            },
            missing: options.keys().filter_map(|name| name.strip_prefix(MISSING)).map(str::to_owned).collect(),
        };
        // Only one form of each option is written, and nothing else.
        let written = recipe.to_options(chosen_bits);
        match options.iter().find(|(name, value)| written.get(*name) != Some(value)) {
            Some((name, value)) => Err(unknown(name, value)),
            None => Ok((recipe, chosen_bits)),
        }
    }
}

/// The integers of an input as programs record them: scale, smallest and largest.
fn step_text(step: &InputStep) -> String {
    format!("{:e} {} {}", step.scale, step.lo, step.hi)
}

fn step_of(text: &str) -> Option<InputStep> {
    let mut parts = text.split(' ');
    let step = InputStep {
        scale: parts.next()?.parse().ok()?,
        lo: parts.next()?.parse().ok()?,
        hi: parts.next()?.parse().ok()?,
    };
    parts.next().is_none().then_some(step)
}

/// The name of an objective on the command line and in files.
pub(crate) fn objective_name(objective: Objective) -> &'static str {
    match objective {
        Objective::Time => "time",
        Objective::Memory => "memory",
        Objective::Gas => "gas",
    }
}

/// A program with its options and the digest that names it.
#[derive(Clone, Debug)]
pub(crate) struct ProgramArtifact {
    /// The program.
    pub(crate) program: Program,
    /// How it was made.
    pub(crate) recipe: Recipe,
    /// Bits of an activation.
    pub(crate) bits: u32,
    /// SHA-256 of its file.
    pub(crate) digest: Digest,
    /// Bytes of its file.
    pub(crate) bytes: u64,
}

impl ProgramArtifact {
    /// Reads and validates a program's file.
    ///
    /// # Errors
    /// The file can't be read or holds no valid program.
    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let named = || path.display().to_string();
        let ProgramFile { program, digest, bytes } = prover::program::open(path).or_misuse(named())?;
        let (recipe, bits) = Recipe::from_options(&program.options).or_misuse(named())?;
        let holds_batch = |port: &Port| recipe.batch == 1 || port.shape.first() == Some(&recipe.batch);
        if let Some(port) = program.inputs.iter().chain(&program.outputs).find(|port| !holds_batch(port)) {
            let fault = anyhow!("port {:?} has the shape {:?} in a batch of {}", port.name, port.shape, recipe.batch);
            return Err(Failure::misuse(fault).context(named()));
        }
        Ok(Self { program, recipe, bits, digest, bytes })
    }

    /// The digest by which keys name the program: that of its file, or of its family's where its weights are private.
    ///
    /// # Errors
    /// The program is larger than a file may be.
    pub(crate) fn key_digest(&self) -> Outcome<Digest> {
        prover::program::key_digest(&self.program, self.digest).or_refused("the program can't be written")
    }

    /// The artifact of a program that has just been compiled.
    ///
    /// # Errors
    /// The program is larger than a file may be.
    pub(crate) fn new(mut program: Program, recipe: Recipe, bits: u32) -> Outcome<Self> {
        program.options = recipe.to_options(bits);
        let file = prover::program::encoding(&program).or_refused("the program can't be written")?;
        let (digest, bytes) = (file.digest(), file.bytes());
        Ok(Self { program, recipe, bits, digest, bytes })
    }

    /// Writes the program's file, for its owner alone where the program has private weights.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn write(&self, path: &Path) -> Outcome {
        prover::program::write(&self.program, path).map_err(write_failure)
    }
}

/// Whether a file is one of ours rather than an ONNX model.
///
/// # Errors
/// The file can't be opened.
pub(crate) fn is_artifact(path: &Path) -> Outcome<bool> {
    let named = || path.display().to_string();
    let mut start = Vec::new();
    let file = fs::File::open(path).or_misuse(named())?;
    file.take(8).read_to_end(&mut start).or_misuse(named())?;
    Ok(start == *b"ZKINFER\0")
}

/// The kind of one of our files.
///
/// # Errors
/// The file can't be read or is none of ours.
pub(crate) fn kind(path: &Path) -> Outcome<Kind> {
    let named = || path.display().to_string();
    let mut start = Vec::new();
    let file = fs::File::open(path).or_misuse(named())?;
    file.take(HEADER_BYTES as u64).read_to_end(&mut start).or_misuse(named())?;
    Header::parse(&start).map(|header| header.kind).or_misuse(named())
}

/// SHA-256 of a file.
///
/// # Errors
/// The file can't be read.
pub(crate) fn file_digest(path: &Path) -> Outcome<Digest> {
    fs::File::open(path).and_then(Digest::of_reader).or_misuse(path.display().to_string())
}

/// Whether some bytes occur in a file, which is read piece by piece.
///
/// # Errors
/// The file can't be read.
pub(crate) fn contains(path: &Path, bytes: &[u8]) -> Outcome<bool> {
    const PIECE: u64 = 1 << 16;
    let mut file = fs::File::open(path).or_misuse(path.display().to_string())?;
    let mut window = Vec::new();
    loop {
        let read = (&mut file).take(PIECE).read_to_end(&mut window).or_misuse(path.display().to_string())?;
        if window.windows(bytes.len()).any(|candidate| candidate == bytes) {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
        // What may be the start of them.
        window.drain(..window.len().saturating_sub(bytes.len() - 1));
    }
}

/// Reads a file whole.
///
/// # Errors
/// The file can't be read.
pub(crate) fn read(path: &Path) -> Outcome<Vec<u8>> {
    fs::read(path).or_misuse(path.display().to_string())
}

/// Bytes of a file; nothing where it is not there.
pub(crate) fn file_bytes(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|metadata| metadata.len())
}

/// Writes a file whole or not at all.
///
/// # Errors
/// The system refuses.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Outcome {
    container::write_atomic(path, bytes).map_err(write_failure)
}

/// Writes what `prove` computed, for its owner alone where outputs in it are secret.
///
/// # Errors
/// The system refuses.
pub(crate) fn write_result(path: &Path, report: &Report, secret: bool) -> Outcome {
    let text = report.to_json_file();
    let written = match secret {
        true => container::write_private(path, text.as_bytes()),
        false => container::write_atomic(path, text.as_bytes()),
    };
    written.map_err(write_failure)
}

/// Tells of files that hold this program that they are secrets, where the program has private weights.
///
/// # Errors
/// Standard output is closed.
pub(crate) fn print_secrets(printer: Printer, program: &Program, files: &[&Path]) -> Outcome {
    if !program.has_private_weights() {
        return Ok(());
    }
    files.iter().try_for_each(|path| {
        printer.field("secret", format_args!("{}: keep it to yourself, it holds the private weights", path.display()))
    })
}

/// The failure of a file that can't be written.
pub(crate) fn write_failure(error: ContainerError) -> Failure {
    let full = match &error {
        ContainerError::Io { source, .. } => {
            matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
        }
        _ => false,
    };
    let failure = Failure::refused(error).context("the file can't be written");
    match full {
        true => failure.remedy("make room there, or give another folder; what was there before is unharmed"),
        false => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_are_read_back_and_others_refused() {
        let recipe = Recipe {
            bits: Bits::Keeping(0.999),
            ranges: Ranges::Percentile(99.9),
            dynamic: DynamicScales::Exact,
            dims: [("batch size".to_owned(), 3)].into(),
            layout: LayoutOptions { objective: Objective::Gas, k: Some(12), ..LayoutOptions::default() },
            calibration: Calibration::Samples(Digest::of(b"samples")),
            steps: [("x".to_owned(), InputStep { scale: 0.1, lo: -128, hi: 127 })].into(),
            batch: 8,
            like: Some(Digest::of(b"first")),
            headroom: Some(2),
            missing: ["x".to_owned()].into(),
        };
        assert_eq!(Recipe::from_options(&recipe.to_options(10)).expect("it was just written"), (recipe.clone(), 10));
        for (name, value) in [
            ("bits", "09"),
            ("bits", "keeping 0.9990"),
            ("ranges", "all"),
            ("dynamic", "auto"),
            ("objective", "fame"),
            ("calibration", "ff"),
            ("dim n", "x"),
            ("z", "1"),
            ("rows", "012"),
            ("step x", "0.1 0 1"),
            ("batch", "1"),
            ("batch", "08"),
            ("like", "model.onnx"),
            ("head-room", "02"),
            ("missing x", "1"),
        ] {
            let mut options = recipe.to_options(10);
            options.insert(name.into(), value.into());
            assert!(Recipe::from_options(&options).is_err(), "{name} {value}");
        }
        assert!(Recipe::from_options(&BTreeMap::new()).is_err());
        // What is public of a program with private weights names no files.
        let mut public = recipe.to_options(10);
        public.retain(|name, _| !FILE_OPTIONS.contains(&name.as_str()));
        let untold = Recipe { calibration: Calibration::Untold, like: None, ..recipe };
        assert_eq!(Recipe::from_options(&public).expect("it is a recipe"), (untold, 10));
    }

    #[test]
    fn bytes_are_found_across_pieces() {
        let folder = tempfile::tempdir().expect("a folder for it");
        let path = folder.path().join("file");
        for at in [0, 65_530, 65_536, 99_992] {
            let mut bytes = vec![b'l'; 100_000];
            bytes[at..at + 8].copy_from_slice(b"location");
            fs::write(&path, &bytes).expect("writable");
            assert!(contains(&path, b"location").expect("readable"), "at {at}");
            assert_eq!(file_digest(&path).expect("readable"), Digest::of(&bytes));
            bytes[at + 3] = b'x';
            fs::write(&path, &bytes).expect("writable");
            assert!(!contains(&path, b"location").expect("readable"));
        }
    }
}
