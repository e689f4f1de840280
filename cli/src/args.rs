//! The command line.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::anyhow;
use circuits::analysis::Headroom;
use circuits::graph::Visibility;
use circuits::layout::Objective;
use clap::{Args, Parser, Subcommand, ValueEnum};
use onnx_import::accuracy::Metric;
use onnx_import::quantize::{DynamicScales, Ranges};
use prover::{Engine, EngineOptions};

use crate::exit::{Failure, Outcome};
use crate::salts::SaltSource;
use crate::size::ByteSize;

/// The command line of `zkinfer`.
#[derive(Debug, Parser)]
#[command(
    name = "zkinfer",
    version,
    about = "Proves that the output of an ONNX model is what the model gives, and checks such proofs",
    after_help = "Examples:
  zkinfer prove model.onnx --input picture.json -o out/
  zkinfer verify --vk out/model.vk --proof out/proof.zkp

Exit status: 0 done or accepted, 1 refused or failed, 2 wrong usage or unreadable file, 130 interrupted. An interrupted \
command leaves whole files or none.",
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Who reads the result.
    #[command(flatten)]
    pub(crate) reader: ReaderOptions,
}

/// Who reads the result.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct ReaderOptions {
    /// Print one JSON object instead of text
    #[arg(long, global = true, conflicts_with = "quiet")]
    pub(crate) json: bool,
    /// Print warnings and errors only
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Prove one inference: compile, make keys, prove and verify, reusing what is there
    Prove(ProveArgs),
    /// Check a proof against a verifying key
    Verify(VerifyArgs),
    /// Compute the salted digests of hashed inputs and outputs
    Hash(HashArgs),
    /// Commit to the values of an input, outside of any proof
    Commit(CommitArgs),
    /// Show that two commitments, in proofs or outside of them, are to the same values
    Link(LinkArgs),
    /// Register private weights, and publish what is not private of a program
    #[command(subcommand)]
    Model(ModelCommand),
    /// Run the integer program on an input, without a proof
    Run(RunArgs),
    /// Score the integer program on labelled samples beside the float model
    Evaluate(EvaluateArgs),
    /// Turn an ONNX model into an integer program
    Compile(CompileArgs),
    /// Make the proving and verifying keys of a program
    Setup(SetupArgs),
    /// Make, import or describe structured reference strings (SRS)
    #[command(subcommand)]
    Srs(SrsCommand),
    /// Describe any file that zkinfer writes
    Inspect(InspectArgs),
    /// Rebuild a verifying key from its model and compare
    VerifyKey(VerifyKeyArgs),
    /// Tell the rows, columns, memory, time and proof size that a model will take
    Estimate(EstimateArgs),
    /// Tell what this machine has for proofs: instructions, memory, devices, and why no more
    Doctor(DoctorArgs),
    /// Make and try the contracts that verify proofs on an Ethereum chain
    #[command(subcommand)]
    Evm(EvmCommand),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
}

/// How a model becomes an integer program.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ModelOptions {
    /// Samples that the scales are fitted to (.npz, .npy, .json, .csv or .pb); without it the input's own samples where there
    /// are public ones, else random inputs
    #[arg(long, value_name = "FILE")]
    pub(crate) calibration: Option<PathBuf>,
    /// Whether the calibration samples are those of the input, as none were given.
    #[arg(skip)]
    pub(crate) calibrated_on_input: bool,
    /// The input that the program is made for, whose sizes its dynamic dimensions take.
    #[arg(skip)]
    pub(crate) made_for: Option<PathBuf>,
    /// Bits of an activation, 8 to 16; without it the fewest that agree with the float model on the calibration samples, whose labels
    /// have no say
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u32).range(8..=16))]
    pub(crate) bits: Option<u32>,
    /// Choose the fewest bits that keep this part of the float model's accuracy, such as 0.999: of the score where the samples
    /// are labelled, and of every output; where they are more than 8, table by table
    #[arg(long, value_name = "PART", value_parser = part, conflicts_with = "bits")]
    pub(crate) accuracy: Option<f64>,
    /// How the ranges of inner values follow from the samples: `extremes` (the default), `least-error`, or a percentile such
    /// as 99.9 at which both ends are cut
    #[arg(long, value_name = "RULE")]
    pub(crate) ranges: Option<Ranges>,
    /// How scales that depend on the data (DynamicQuantizeLinear) are computed; without it as the runtime does where that is possible
    /// and not too large
    #[arg(long, value_enum, value_name = "WAY")]
    pub(crate) dynamic: Option<DynamicChoice>,
    /// What the layout is chosen for
    #[arg(long, value_enum, value_name = "OBJECTIVE")]
    pub(crate) optimize: Option<ObjectiveChoice>,
    /// Size of a dynamic dimension of the model, by its name or as INPUT#AXIS where it has none; without it that of the input or of the
    /// calibration samples where they tell it, else 1; may be repeated
    #[arg(long = "dim", value_name = "NAME=SIZE")]
    pub(crate) dims: Vec<Dimension>,
    /// Prove so many samples at once, whose weights are read once: inputs and outputs have them as their first axis
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 16))]
    pub(crate) batch: Option<u32>,
    /// Lay the program out on 2^K rows instead of as many as are cheapest: committed values can only be compared on equal numbers
    /// of rows
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(6..=25))]
    pub(crate) rows: Option<u32>,
    /// Give an input the integers of an output of another program, by its verifying key, so that it can be linked to it; names may
    /// be left out where there is one; may be repeated
    #[arg(long, value_name = "[INPUT=]KEY[#OUTPUT]")]
    pub(crate) input_like: Vec<InputLike>,
    /// Give the program the scales of another model of the same form (.onnx), from which this one was trained further: with private
    /// weights it keeps that one's keys
    #[arg(long, value_name = "MODEL")]
    pub(crate) like: Option<PathBuf>,
    /// Declare private weights, biases and sums so many bits wider than those of this model, so that a model trained further (--like) keeps its
    /// keys although its weights have grown; without it sums have one bit more, and weights and biases what is left of their 16-bit limbs
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u32).range(0..=i64::from(Headroom::MAX)))]
    pub(crate) headroom: Option<u32>,
    /// Let values of this input be missing (NaN; `null` in JSON), also where no calibration sample lacks any; may be repeated
    #[arg(long, value_name = "INPUT")]
    pub(crate) missing: Vec<String>,
}

/// An input that takes what an output of another program gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InputLike {
    /// The input; the only one where `None`.
    pub(crate) input: Option<String>,
    /// The other program's verifying key.
    pub(crate) key: PathBuf,
    /// Its output; the only one where `None`.
    pub(crate) output: Option<String>,
}

impl FromStr for InputLike {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (input, rest) = match text.split_once('=') {
            Some((input, rest)) => (Some(input.to_owned()), rest),
            None => (None, text),
        };
        let (key, output) = match rest.rsplit_once('#') {
            Some((key, output)) => (key, Some(output.to_owned())),
            None => (rest, None),
        };
        match key.is_empty() || input.as_deref() == Some("") || output.as_deref() == Some("") {
            true => {
                Err("expected a verifying key, with INPUT= before it and #OUTPUT behind it where there are several"
                    .to_owned())
            }
            false => Ok(Self { input, key: key.into(), output }),
        }
    }
}

/// A part of a whole.
fn part(text: &str) -> Result<f64, String> {
    let part = text.parse().ok().filter(|part| *part > 0.0 && *part <= 1.0);
    part.ok_or_else(|| "expected a number above 0 and at most 1".to_owned())
}

/// The size of a dynamic dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dimension {
    /// Its name in the model.
    pub(crate) name: String,
    /// Its size.
    pub(crate) size: usize,
}

impl FromStr for Dimension {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || "expected NAME=SIZE with a size of at least 1".to_owned();
        let (name, size) = text.rsplit_once('=').ok_or_else(fault)?;
        let size = size.parse().ok().filter(|size| *size > 0).ok_or_else(fault)?;
        Ok(Self { name: name.to_owned(), size })
    }
}

/// How dynamic scales are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DynamicChoice {
    /// In float32 arithmetic: outputs are the runtime's to the bit
    Exact,
    /// In fixed point with scales fitted to the calibration samples
    Calibrated,
}

impl From<DynamicChoice> for DynamicScales {
    fn from(choice: DynamicChoice) -> Self {
        match choice {
            DynamicChoice::Exact => DynamicScales::Exact,
            DynamicChoice::Calibrated => DynamicScales::Calibrated,
        }
    }
}

/// What the layout is chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ObjectiveChoice {
    /// Least proving time
    Time,
    /// Least proving memory
    Memory,
    /// Cheapest to verify on a chain
    Gas,
}

impl From<ObjectiveChoice> for Objective {
    fn from(choice: ObjectiveChoice) -> Self {
        match choice {
            ObjectiveChoice::Time => Objective::Time,
            ObjectiveChoice::Memory => Objective::Memory,
            ObjectiveChoice::Gas => Objective::Gas,
        }
    }
}

impl From<MetricChoice> for Metric {
    fn from(choice: MetricChoice) -> Self {
        match choice {
            MetricChoice::Argmax => Metric::Argmax,
            MetricChoice::Tokens => Metric::Tokens,
            MetricChoice::Label => Metric::Label,
            MetricChoice::Sigmoid => Metric::Sigmoid,
            MetricChoice::Logit => Metric::Logit,
            MetricChoice::R2 => Metric::RSquared,
            MetricChoice::Mse => Metric::MeanSquaredError,
        }
    }
}

/// `public`, `private`, `hashed`, `committed`, or one of them for a tensor by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VisibilityRule {
    /// The tensor; all where `None`.
    pub(crate) name: Option<String>,
    /// Who sees it.
    pub(crate) visibility: Visibility,
}

impl FromStr for VisibilityRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, word) = match text.rsplit_once('=') {
            Some((name, word)) => (Some(name.to_owned()), word),
            None => (None, text),
        };
        let visibility = match word {
            "public" => Visibility::Public,
            "private" => Visibility::Private,
            "hashed" => Visibility::Hashed,
            "committed" => Visibility::Committed,
            _ => return Err("expected public, private, hashed or committed, for all or as NAME=hashed".to_owned()),
        };
        Ok(Self { name, visibility })
    }
}

/// Whose weights a program has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WeightsRule {
    /// Everybody's: they are in the key.
    Public,
    /// The prover's.
    Private,
    /// The prover's, and registered: the file opens the registration.
    Registered(PathBuf),
}

impl WeightsRule {
    /// Refuses registered weights where nothing is proved.
    ///
    /// # Errors
    /// A file is given.
    pub(crate) fn refuse_registered(rule: Option<&Self>) -> Outcome {
        match rule {
            Some(Self::Registered(path)) => {
                let fault = anyhow!("{}: --weights is public or private here", path.display());
                Err(Failure::misuse(fault).remedy("`zkinfer prove` takes what opens a registration"))
            }
            _ => Ok(()),
        }
    }
}

impl FromStr for WeightsRule {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "public" => Self::Public,
            "private" => Self::Private,
            file => Self::Registered(file.into()),
        })
    }
}

/// Who sees the inputs, outputs and weights, for commands whose `--input` is a file.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct VisibilityOptions {
    /// Who sees the inputs: public (default), private, hashed (a salted digest is public), or committed (the proof commits to them,
    /// for links), for all or as NAME=private; may be repeated
    #[arg(long, value_name = "RULE")]
    pub(crate) input_visibility: Vec<VisibilityRule>,
    /// Who sees the outputs: public (default), private, hashed (a salted digest is public), or committed (the proof commits to
    /// them, for links), for all or as NAME=private; may be repeated
    #[arg(long, value_name = "RULE")]
    pub(crate) output_visibility: Vec<VisibilityRule>,
    /// Who sees the weights: public (default: they are in the key), or private; `prove` also takes what opens a registration of
    /// them (.weights), and then shows that they are the registered ones
    #[arg(long, value_name = "RULE|FILE")]
    pub(crate) weights: Option<WeightsRule>,
}

/// Which values a model is run on.
#[derive(Args, Clone, Debug)]
pub(crate) struct InputOptions {
    /// The input values (.json, .npy, .npz, .csv or .pb), or what opens a commitment to them (.opening)
    #[arg(long, short, value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// Which sample of a file with several; with --batch N, which N of them that follow one another
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    pub(crate) sample: usize,
}

/// The prover's engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineChoice {
    /// Our own prover
    #[default]
    Native,
    /// The prover of the halo2 library: the same proofs, many times slower
    Stock,
}

impl From<EngineChoice> for Engine {
    fn from(choice: EngineChoice) -> Self {
        match choice {
            EngineChoice::Native => Engine::Native,
            EngineChoice::Stock => Engine::Stock,
        }
    }
}

/// Where proofs are computed.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DeviceChoice {
    /// A CUDA device where there is one, the processor otherwise
    #[default]
    Auto,
    /// The processor
    Cpu,
    /// A CUDA device
    Cuda,
}

/// What makes proofs, and within what.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct EngineArgs {
    /// What makes the proof
    #[arg(long, value_enum, value_name = "ENGINE", default_value_t)]
    pub(crate) engine: EngineChoice,
    /// Memory that the native engine may take (4GiB, 512MiB, 300MB, or bytes); without it what is fastest
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_memory: Option<ByteSize>,
    /// Where columns go that --max-memory leaves no room for: an encrypted temporary file without a name; by default in the
    /// system's folder for such files
    #[arg(long, value_name = "FOLDER", requires = "max_memory")]
    pub(crate) spill_folder: Option<PathBuf>,
    /// Where the native engine computes
    #[arg(long, value_enum, value_name = "DEVICE", default_value_t)]
    pub(crate) device: DeviceChoice,
    /// Memory of the device that the engine may take; a proof that does not fit is made on the processor
    #[arg(long, value_name = "SIZE", conflicts_with = "max_memory")]
    pub(crate) max_device_memory: Option<ByteSize>,
}

impl EngineArgs {
    /// The options of the engine.
    ///
    /// # Errors
    /// A limit is given for an engine that keeps none.
    pub(crate) fn options(&self) -> Outcome<EngineOptions> {
        match self {
            Self { engine: EngineChoice::Stock, max_memory: Some(_), .. } => {
                let fault = anyhow!("--max-memory is given, and the stock engine takes what it takes");
                Err(Failure::misuse(fault).remedy("leave --max-memory out, or use --engine native"))
            }
            Self { engine, max_memory, spill_folder, .. } => Ok(EngineOptions {
                engine: (*engine).into(),
                max_memory: max_memory.map(|size| size.0),
                spill_folder: spill_folder.clone(),
            }),
        }
    }
}

/// `zkinfer prove`
#[derive(Args, Debug)]
#[command(
    after_help = "Inputs and outputs are public unless said otherwise. Of hashed ones the proof tells a salted digest; the \
salts are left in proof.zkp.salt for you alone, and whoever gets them with the values can check the digest. To committed ones the \
proof commits; what opens that is left in proof.zkp.opening for you alone, and `zkinfer link` takes it. Without --srs a development SRS is used, \
which anyone can forge proofs under.

Examples:
  zkinfer prove model.onnx --input picture.json -o out/
  zkinfer prove model.onnx --input patient.json --input-visibility private -o out/
  zkinfer prove model.onnx --input picture.json --input-visibility hashed -o out/
  zkinfer prove model.onnx --input samples.npz --sample 3 --calibration train.npz --bits 10 -o out/
  zkinfer prove model.onnx --input samples.npz --batch 64 --calibration train.npz -o out/
  zkinfer prove out/program.zki --input picture.json -o out/ --srs ceremony.srs
  zkinfer prove out/program.zki --input monday.json --input tuesday.json -o out/
  zkinfer prove model.onnx --input picture.json -o out/ --max-memory 512MiB
  zkinfer prove model.onnx --input picture.json -o out/ --profile
  zkinfer prove model.onnx --input picture.json -o out/ --weights private
  zkinfer prove out/program.zki --input picture.json -o out/ --weights model.zkr.weights"
)]
pub(crate) struct ProveArgs {
    /// The model (.onnx), or a compiled program (.zki)
    pub(crate) model: PathBuf,
    /// The input values (.json, .npy, .npz, .csv or .pb), or what opens a commitment to them (.opening); may be repeated, and then
    /// the proof of each, made with the same keys, is left in a folder of its file's name in the output folder
    #[arg(long, short, value_name = "FILE", required = true)]
    pub(crate) input: Vec<PathBuf>,
    /// Which sample of a file with several; with --batch N, which N of them that follow one another
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    pub(crate) sample: usize,
    /// Folder for program.zki, model.pk, model.vk, proof.zkp and result.json; what is valid there is reused
    #[arg(long = "out", short, value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) options: ModelOptions,
    #[command(flatten)]
    pub(crate) visibility: VisibilityOptions,
    /// Salts of the hashed inputs and outputs: a file that `prove` or `hash` left, or 32 hexadecimal digits where one port is
    /// hashed (which others on this machine may see); drawn anew without it
    #[arg(long, value_name = "FILE|HEX")]
    pub(crate) salt: Option<SaltSource>,
    /// Structured reference string (SRS); a development one without it
    #[arg(long, value_name = "FILE")]
    pub(crate) srs: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
    /// Print what each stage and round of the proof took, beside the least that its work takes
    #[arg(long)]
    pub(crate) profile: bool,
}

/// `zkinfer verify`
#[derive(Args, Debug)]
#[command(
    after_help = "Exit status: 0 accepted, 1 refused (the reason is on standard error), 2 wrong usage or unreadable file.

Examples:
  zkinfer verify --vk out/model.vk --proof out/proof.zkp
  zkinfer verify --vk out/model.vk --proof out/proof.zkp --input picture.json --salt out/proof.zkp.salt
  zkinfer verify --vk out/model.vk --proof out/proof.zkp --model model.zkr
  zkinfer verify --vk one/model.vk --proof one/proof.zkp --vk two/model.vk --proof two/proof.zkp --link chain.zkl"
)]
pub(crate) struct VerifyArgs {
    /// The verifying key; of several proofs, one for each in their order
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) vk: Vec<PathBuf>,
    /// The proof; several of a chain may be given
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) proof: Vec<PathBuf>,
    /// A registration of private weights (.zkr): refuse a proof whose weights are not the registered ones; of several proofs, may be
    /// repeated, and each must be linked to one of them
    #[arg(long, value_name = "FILE")]
    pub(crate) model: Vec<PathBuf>,
    /// A link between two of the proofs, or a proof and a commitment or registration; may be repeated. With one proof and --model,
    /// proof.zkl beside the proof without it
    #[arg(long, value_name = "FILE")]
    pub(crate) link: Vec<PathBuf>,
    /// A commitment that a link speaks about; may be repeated
    #[arg(long, value_name = "FILE", requires = "link")]
    pub(crate) commitment: Vec<PathBuf>,
    /// Refuse proofs that are marked insecure: made on the development SRS or with a seed
    #[arg(long)]
    pub(crate) require_secure: bool,
    /// Refuse a proof that does not speak about these input values (.json, .npy, .npz, .csv or .pb)
    #[arg(long, short, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Which sample of a file with several
    #[arg(long, value_name = "INDEX", default_value_t = 0, requires = "input")]
    pub(crate) sample: usize,
    /// Refuse a proof that does not speak about these outputs: the result.json of `prove`, or what `run --json` prints
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The salts that go with hashed inputs and outputs, as the prover left them
    #[arg(long, value_name = "FILE|HEX")]
    pub(crate) salt: Option<SaltSource>,
}

/// `zkinfer hash`
#[derive(Args, Debug)]
#[command(
    group = clap::ArgGroup::new("salts").required(true).args(["salt", "new_salt"]),
    after_help = "The digest is a Poseidon hash over BN254 of the packed values, which contracts can compute too; \
docs/soundness.md defines it. With a program, the outputs are those of its run on the input.

Examples:
  zkinfer hash out/model.vk --input picture.json --salt out/proof.zkp.salt
  zkinfer hash out/program.zki --input picture.json --new-salt picture.salt
  zkinfer hash out/model.vk --output out/result.json --salt out/proof.zkp.salt --json"
)]
pub(crate) struct HashArgs {
    /// A verifying key (.vk) or a compiled program (.zki), which says what is hashed
    pub(crate) file: PathBuf,
    /// The input values (.json, .npy, .npz, .csv or .pb)
    #[arg(long, short, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Which sample of a file with several
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    pub(crate) sample: usize,
    /// The outputs: the result.json of `prove`, or what `run --json` prints
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The salts: a file that `prove` or `hash` left, or 32 hexadecimal digits where one port is hashed (which others on this
    /// machine may see)
    #[arg(long, value_name = "FILE|HEX")]
    pub(crate) salt: Option<SaltSource>,
    /// Draw new salts, and leave them in this file for you alone
    #[arg(long, value_name = "FILE")]
    pub(crate) new_salt: Option<PathBuf>,
}

/// `zkinfer commit`
#[derive(Args, Debug)]
#[command(
    after_help = "What opens the commitment is left in FILE.opening for you alone: it holds the values. With it, `zkinfer link` shows \
that a proof is about the values that were committed to.

Example:
  zkinfer commit out/model.vk --input picture.json -o picture.zkc"
)]
pub(crate) struct CommitArgs {
    /// The verifying key whose input is committed to: it says the integers and the number of rows
    pub(crate) key: PathBuf,
    /// The input values (.json, .npy, .npz, .csv or .pb)
    #[arg(long, short, value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// Which sample of a file with several
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    pub(crate) sample: usize,
    /// The input; the only one without it
    #[arg(long, value_name = "NAME")]
    pub(crate) port: Option<String>,
    /// The commitment to write
    #[arg(long = "out", short, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// The SRS of the key; the development one without it
    #[arg(long, value_name = "FILE")]
    pub(crate) srs: Option<PathBuf>,
}

/// `zkinfer link`
#[derive(Args, Debug)]
#[command(
    after_help = "Both sides must be on one SRS and have equal numbers of rows (--rows), and their values the same scale \
(--input-like). The link tells nothing of the values; docs/linking.md says what it shows.

Examples:
  zkinfer link --from one/proof.zkp --to two/proof.zkp -o chain.zkl
  zkinfer link --from picture.zkc --to out/proof.zkp --to-port image -o picture.zkl"
)]
pub(crate) struct LinkArgs {
    /// A proof or a commitment
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Its committed port; the only output, or the only port, without it
    #[arg(long, value_name = "NAME")]
    from_port: Option<String>,
    /// The verifying key of the proof; model.vk beside it without it
    #[arg(long, value_name = "FILE")]
    from_vk: Option<PathBuf>,
    /// What opens it; the file's name and .opening without it
    #[arg(long, value_name = "FILE")]
    from_opening: Option<PathBuf>,
    /// Another proof or commitment
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Its committed port; the only input, or the only port, without it
    #[arg(long, value_name = "NAME")]
    to_port: Option<String>,
    /// The verifying key of the proof; model.vk beside it without it
    #[arg(long, value_name = "FILE")]
    to_vk: Option<PathBuf>,
    /// What opens it; the file's name and .opening without it
    #[arg(long, value_name = "FILE")]
    to_opening: Option<PathBuf>,
    /// The link to write
    #[arg(long = "out", short, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// The SRS of both; the development one without it
    #[arg(long, value_name = "FILE")]
    pub(crate) srs: Option<PathBuf>,
}

/// A side of a link on the command line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SideArgs<'a> {
    /// A proof or a commitment.
    pub(crate) file: &'a Path,
    /// The port's name.
    pub(crate) port: Option<&'a str>,
    /// The proof's key.
    pub(crate) key: Option<&'a Path>,
    /// What opens it.
    pub(crate) opening: Option<&'a Path>,
}

impl LinkArgs {
    /// One side.
    pub(crate) fn from(&self) -> SideArgs<'_> {
        SideArgs {
            file: &self.from,
            port: self.from_port.as_deref(),
            key: self.from_vk.as_deref(),
            opening: self.from_opening.as_deref(),
        }
    }

    /// The other.
    pub(crate) fn to(&self) -> SideArgs<'_> {
        SideArgs {
            file: &self.to,
            port: self.to_port.as_deref(),
            key: self.to_vk.as_deref(),
            opening: self.to_opening.as_deref(),
        }
    }
}

/// `zkinfer model …`
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Commit to the private weights of a program and prove that they are in range, so that proofs can show whose weights they are about
    #[command(
        after_help = "The registration is public and tells nothing of the weights. What opens it is left in FILE.weights for you alone: with it, \
`zkinfer prove --weights` makes proofs about the registered weights, and `zkinfer verify --model` accepts no others.

A model that was trained further keeps the keys of the first one: compile it with --like, and register it under --key.

Examples:
  zkinfer model register out/model.pk -o model.zkr
  zkinfer model register out/program.zki -o model.zkr --name 'digits, May'
  zkinfer model register tuned.zki --key out/model.pk -o tuned.zkr"
    )]
    Register(RegisterArgs),
    /// Write a program without its private weights: what clients need to check the verifying key
    #[command(after_help = "Example:
  zkinfer model family out/program.zki -o family.zki
  zkinfer verify-key family.zki --vk out/model.vk")]
    Family {
        /// The program (.zki)
        program: PathBuf,
        /// The program to write (.zki)
        #[arg(long = "out", short, value_name = "FILE")]
        out: PathBuf,
    },
}

/// `zkinfer model register`
#[derive(Args, Debug)]
pub(crate) struct RegisterArgs {
    /// A program with private weights (.zki), or a proving key of one (.pk)
    pub(crate) program: PathBuf,
    /// The proving key under which the program's weights will be used, where it was made for others
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// What the registration calls the model; the program's name without it
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The registration to write (.zkr)
    #[arg(long = "out", short, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Structured reference string (SRS); a development one without it
    #[arg(long, value_name = "FILE")]
    pub(crate) srs: Option<PathBuf>,
}

/// `zkinfer run`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  zkinfer run out/program.zki --input picture.json
  zkinfer run model.onnx --input samples.npz --sample 2 --calibration train.npz")]
pub(crate) struct RunArgs {
    /// A compiled program (.zki), or a model (.onnx)
    pub(crate) program: PathBuf,
    #[command(flatten)]
    pub(crate) input: InputOptions,
    #[command(flatten)]
    pub(crate) options: ModelOptions,
}

/// `zkinfer evaluate`
#[derive(Args, Debug)]
#[command(
    after_help = "The data hold x0, x1, … (one per input, first axis = sample), labels y, and float outputs ort0, ort1, …

Examples:
  zkinfer evaluate out/program.zki --data test.npz
  zkinfer evaluate model.onnx --data test.npz --calibration train.npz --bits 10 --limit 50 --prove 2
  zkinfer evaluate out/program.zki --data test.npz --prove 3 --max-memory 2GiB"
)]
pub(crate) struct EvaluateArgs {
    /// A compiled program (.zki), or a model (.onnx)
    pub(crate) program: PathBuf,
    /// Labelled samples (.npz)
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    /// Samples at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// Prove and verify the first N samples too; with --batch, the first N batches
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) prove: usize,
    /// What is scored; guessed from the outputs and labels without it
    #[arg(long, value_enum, value_name = "METRIC")]
    pub(crate) metric: Option<MetricChoice>,
    #[command(flatten)]
    pub(crate) options: ModelOptions,
    /// Structured reference string (SRS) for --prove; a development one without it
    #[arg(long, value_name = "FILE")]
    pub(crate) srs: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

/// What `evaluate` scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MetricChoice {
    /// Share of samples where the largest value of the first output is at the label
    #[value(alias = "argmax0")]
    Argmax,
    /// Share of positions where the largest value of the first output's last axis is at the position's label
    #[value(alias = "tokens0")]
    Tokens,
    /// Share of samples where the first output is the label
    #[value(alias = "label0")]
    Label,
    /// Share of samples where "first output above 0.5" is the label
    #[value(alias = "sigmoid0")]
    Sigmoid,
    /// Share of samples where "first output above 0" is the label
    #[value(alias = "logit0")]
    Logit,
    /// Coefficient of determination of the first output
    #[value(alias = "r2_0")]
    R2,
    /// Mean squared error of the first output
    #[value(alias = "mse0")]
    Mse,
}

/// `zkinfer compile`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  zkinfer compile model.onnx -o program.zki --calibration train.npz
  zkinfer compile model.onnx -o program.zki --calibration train.npz --bits 10 --input private
  zkinfer compile model.onnx -o program.zki --calibration train.npz --accuracy 0.999 --ranges least-error
  zkinfer compile model.onnx -o program.zki --input image=private --input key=public
  zkinfer compile model.onnx -o program.zki --input hashed
  zkinfer compile model.onnx -o program.zki --calibration train.npz --weights private")]
pub(crate) struct CompileArgs {
    /// The model (.onnx)
    pub(crate) model: PathBuf,
    /// The program to write (.zki)
    #[arg(long = "out", short, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) options: ModelOptions,
    /// Who sees the inputs: public (default), private, hashed (a salted digest is public), or committed (the proof commits to them,
    /// for links), for all or as NAME=private; may be repeated
    #[arg(long = "input", visible_alias = "input-visibility", value_name = "RULE")]
    pub(crate) input_visibility: Vec<VisibilityRule>,
    /// Who sees the outputs: public (default), private, hashed (a salted digest is public), or committed (the proof commits to
    /// them, for links), for all or as NAME=private; may be repeated
    #[arg(long = "output", visible_alias = "output-visibility", value_name = "RULE")]
    pub(crate) output_visibility: Vec<VisibilityRule>,
    /// Who sees the weights: public (default: they are in the key), or private
    #[arg(long, value_name = "RULE")]
    pub(crate) weights: Option<WeightsRule>,
}

/// `zkinfer setup`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  zkinfer setup program.zki -o keys/ --srs ceremony.srs
  zkinfer setup program.zki -o keys/")]
pub(crate) struct SetupArgs {
    /// A compiled program (.zki)
    pub(crate) program: PathBuf,
    /// Folder for model.pk and model.vk
    #[arg(long = "out", short, value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// Structured reference string (SRS); a development one without it
    #[arg(long, value_name = "FILE")]
    pub(crate) srs: Option<PathBuf>,
}

/// `zkinfer evm …`
#[derive(Debug, Subcommand)]
pub(crate) enum EvmCommand {
    /// Write the contracts of a verifying key, after trying them on a chain in the process
    #[command(after_help = "The folder holds:
  verifier.bin    creation code of the verifier, which serves every model and is deployed once per chain
  model.bin       creation code of the model's contract, to be deployed after the verifier
  abi.json        verifyProof(bytes proof, uint256[] instances) and its variant
  manifest.json   addresses, code hashes, digests, ports and gas
  proof.json, calldata.hex   with --proof: its bytes and instance words, and the call of verifyProof

Examples:
  zkinfer evm export --vk out/model.vk --proof out/proof.zkp -o chain/
  zkinfer evm export --vk out/model.vk -o chain/ --json
  zkinfer evm export --vk development.vk -o chain/ --force")]
    Export(EvmExportArgs),
    /// Write what a contract is told of a link: that the weights of a proof are registered ones, or that one proof takes in what another
    /// gives out; after trying it on a chain in the process
    #[command(
        after_help = "The proofs, commitments and registrations that the link speaks about are verified first. The folder holds:
  linkVerifier.bin      creation code of the judge of links, which serves all and is deployed once per chain
  link.json             both sides as contracts have them, the parts to pin, [tau]_2, the link's words, addresses and gas
  link.hex              the call of verifyLink
  bases.hex             the call of certifyBases, by which links on this SRS and number of rows cost less
  weightsRegistry.bin, registration.hex   with --model: the registry of weights, and the call that registers

Examples:
  zkinfer evm link --vk out/model.vk --proof out/proof.zkp --model model.zkr -o chain/
  zkinfer evm link --vk a/model.vk --proof a/proof.zkp --vk b/model.vk --proof b/proof.zkp --link ab.zkl -o chain/"
    )]
    Link(EvmLinkArgs),
}

/// `zkinfer evm export`
#[derive(Args, Debug)]
pub(crate) struct EvmExportArgs {
    /// The verifying key
    #[arg(long, value_name = "FILE")]
    pub(crate) vk: PathBuf,
    /// A proof under the key, which the contracts are tried on and whose calldata are written; a simulated one without it
    #[arg(long, value_name = "FILE")]
    pub(crate) proof: Option<PathBuf>,
    /// The folder to write to
    #[arg(long = "out", short, value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// Where the verifier is on the chain; without it where the common factory of CREATE2 puts it
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) verifier: Option<Address>,
    /// Allow a key that is made on the insecure development SRS, for tests; the output is marked
    #[arg(long)]
    pub(crate) force: bool,
}

/// `zkinfer evm link`
#[derive(Args, Debug)]
pub(crate) struct EvmLinkArgs {
    /// The verifying key; of two proofs, one for each in their order
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) vk: Vec<PathBuf>,
    /// The proof; two where the link is between proofs
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) proof: Vec<PathBuf>,
    /// The registration of private weights (.zkr) that the link speaks about
    #[arg(long, value_name = "FILE", conflicts_with = "commitment")]
    pub(crate) model: Option<PathBuf>,
    /// The commitment that the link speaks about
    #[arg(long, value_name = "FILE")]
    pub(crate) commitment: Option<PathBuf>,
    /// The link; proof.zkl beside the first proof without it
    #[arg(long, value_name = "FILE")]
    pub(crate) link: Option<PathBuf>,
    /// The folder to write to
    #[arg(long = "out", short, value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// Allow keys and proofs that are marked insecure, for tests; the output is marked
    #[arg(long)]
    pub(crate) force: bool,
}

/// The address of a contract, as 0x and 40 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address(pub(crate) [u8; 20]);

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || "expected 0x and 40 hexadecimal digits".to_owned();
        let mut address = [0; 20];
        hex::decode_to_slice(text.strip_prefix("0x").ok_or_else(fault)?, &mut address).map_err(|_| fault())?;
        Ok(Self(address))
    }
}

/// `zkinfer srs …`
#[derive(Debug, Subcommand)]
pub(crate) enum SrsCommand {
    /// Make an insecure SRS for development: whoever knows how it is made can forge proofs
    #[command(after_help = "Example:
  zkinfer srs new --k 16 -o dev-16.srs")]
    New {
        /// The SRS serves circuits of up to 2^K rows
        #[arg(long, value_parser = clap::value_parser!(u32).range(5..=25))]
        k: u32,
        /// The file to write
        #[arg(long = "out", short, value_name = "FILE")]
        out: PathBuf,
    },
    /// Import a .ptau file of a public ceremony and check it by pairings
    #[command(after_help = "Example:
  zkinfer srs import powersOfTau28_hez_final_18.ptau --k 16 -o ceremony-16.srs")]
    Import {
        /// The file of the ceremony (.ptau)
        ptau: PathBuf,
        /// Keep 2^K powers only
        #[arg(long, value_parser = clap::value_parser!(u32).range(5..=25))]
        k: Option<u32>,
        /// The file to write
        #[arg(long = "out", short, value_name = "FILE")]
        out: PathBuf,
    },
    /// Describe an SRS
    #[command(after_help = "Examples:
  zkinfer srs info ceremony-16.srs
  zkinfer srs info ceremony-16.srs --check")]
    Info {
        /// The SRS
        srs: PathBuf,
        /// Check by pairings that all points are powers of one secret, as a file made by others has to be
        #[arg(long)]
        check: bool,
    },
}

/// `zkinfer inspect`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  zkinfer inspect out/program.zki
  zkinfer inspect out/proof.zkp --json")]
pub(crate) struct InspectArgs {
    /// A program, proving key, verifying key, proof or SRS
    pub(crate) file: PathBuf,
}

/// `zkinfer verify-key`
#[derive(Args, Debug)]
#[command(
    after_help = "Whoever makes a verifying key could leave constraints out. This command compiles the model again with the \
options recorded in the program file, rebuilds the key and compares both to the byte. The calibration samples are needed \
where the program was made with some, and the SRS where it was not the development one.

Examples:
  zkinfer verify-key model.onnx --vk out/model.vk --program out/program.zki --calibration train.npz
  zkinfer verify-key out/program.zki --vk out/model.vk --srs ceremony.srs"
)]
pub(crate) struct VerifyKeyArgs {
    /// The model (.onnx); or a program (.zki) that is trusted as it is
    pub(crate) model: PathBuf,
    /// The verifying key to check
    #[arg(long, value_name = "FILE")]
    pub(crate) vk: PathBuf,
    /// The program whose recorded options are used and whose bytes are compared
    #[arg(long, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) options: ModelOptions,
    #[command(flatten)]
    pub(crate) visibility: VisibilityOptions,
    /// The SRS of the key; the development one without it
    #[arg(long, value_name = "FILE")]
    pub(crate) srs: Option<PathBuf>,
}

/// `zkinfer doctor`
#[derive(Args, Debug)]
#[command(
    after_help = "Without a device that can be used it tells why. ZKINFER_CUDA_LIB=FILE takes kernels from a file instead of those that are \
built in.

Examples:
  zkinfer doctor
  zkinfer doctor --json"
)]
pub(crate) struct DoctorArgs {}

/// `zkinfer estimate`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  zkinfer estimate model.onnx
  zkinfer estimate model.onnx --max-memory 512MiB
  zkinfer estimate program.zki --json")]
pub(crate) struct EstimateArgs {
    /// The model (.onnx), or a compiled program (.zki)
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) options: ModelOptions,
    #[command(flatten)]
    pub(crate) visibility: VisibilityOptions,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

/// `zkinfer completions`
#[derive(Args, Debug)]
#[command(after_help = "Example:
  zkinfer completions bash > ~/.local/share/bash-completion/completions/zkinfer")]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn only_the_native_engine_keeps_a_limit() {
        let spill_folder = Some(PathBuf::from("spill"));
        let limited = |engine| {
            let (max_memory, spill_folder) = (Some(ByteSize(7)), spill_folder.clone());
            EngineArgs { engine, max_memory, spill_folder, ..EngineArgs::default() }.options()
        };
        let native = limited(EngineChoice::Native).expect("it keeps one");
        assert_eq!(
            native,
            EngineOptions { engine: Engine::Native, max_memory: Some(7), spill_folder: spill_folder.clone() }
        );
        assert!(limited(EngineChoice::Stock).is_err());
        assert_eq!(EngineArgs::default().options().expect("nothing is given"), EngineOptions::default());
    }

    #[test]
    fn visibility_is_for_all_or_for_a_name() {
        let rule = |text: &str| text.parse::<VisibilityRule>();
        assert_eq!(rule("private"), Ok(VisibilityRule { name: None, visibility: Visibility::Private }));
        let named = VisibilityRule { name: Some("a=b".into()), visibility: Visibility::Public };
        assert_eq!(rule("a=b=public"), Ok(named));
        assert_eq!(rule("hashed"), Ok(VisibilityRule { name: None, visibility: Visibility::Hashed }));
        assert_eq!(rule("committed"), Ok(VisibilityRule { name: None, visibility: Visibility::Committed }));
        assert!(rule("secret").is_err() && rule("a=").is_err());
    }

    #[test]
    fn weights_are_public_private_or_registered() {
        let rule = |text: &str| text.parse::<WeightsRule>().expect("any text is one");
        assert_eq!((rule("public"), rule("private")), (WeightsRule::Public, WeightsRule::Private));
        assert_eq!(rule("model.zkr.weights"), WeightsRule::Registered("model.zkr.weights".into()));
    }

    #[test]
    fn an_input_is_like_an_output_of_a_key() {
        let like = |text: &str| text.parse::<InputLike>();
        let whole = InputLike { input: Some("x".into()), key: "one/model.vk".into(), output: Some("y".into()) };
        assert_eq!(like("x=one/model.vk#y"), Ok(whole));
        assert_eq!(like("model.vk"), Ok(InputLike { input: None, key: "model.vk".into(), output: None }));
        assert!(like("").is_err() && like("x=").is_err() && like("model.vk#").is_err() && like("=model.vk").is_err());
    }
}
