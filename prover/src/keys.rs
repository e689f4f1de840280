//! Setup, and the proving key.
//!
//! A proving key's file holds the program, the layout options, what was chosen by them ([`Widths`]) and the verifying key.
//! It is as small as those: the polynomials that the prover works with are derived when the key is used
//! ([`Prover`](crate::Prover)), by transforms and without a multi-exponentiation.
//!
//! A key that is read is laid out as the setup laid it out. Widths are not tried again, and the layout is not audited
//! again: the setup audited it, the layout is a function of the file, and the file has a checksum. Nobody but the prover
//! relies on it. A proof with another layout than the verifying key's does not verify, and the prover finds that out
//! ([`ProveOptions::verify`](crate::ProveOptions)).

use std::io::{Read, Seek};
use std::path::Path;

use circuits::graph::{FamilyError, Program};
use circuits::layout::{self, Layout, LayoutError, LayoutOptions, Widths};
use circuits::machine::MachineParams;
use halo2_proofs::plonk::{self, keygen_vk};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use verifier::container::{ContainerError, Decoded, EncodedFile, Encoding, Kind, Source};
use verifier::key::KeyDescription;
use verifier::{refuse_degree_override, DegreeOverride, Digest, KeyError, VerifyingKey};

use crate::engine::{CpuEngine, CpuOptions, EngineError};
use crate::plonk::machine;
use crate::plonk::permutation::PermutationError;
use crate::program::{self, ProgramFile, ProgramFileError};
use crate::prove::Engine;
use crate::report::{Progress, Report, Stage, Stages};
use crate::srs::Srs;

/// Why a setup fails.
#[derive(Debug, Error)]
pub enum SetupError {
    /// The environment would change the constraint system.
    #[error(transparent)]
    DegreeOverride(#[from] DegreeOverride),
    /// The program does not fit any machine.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The program is larger than a file may be.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The SRS has another size than the machine.
    #[error("the machine has 2^{needed} rows, and the SRS 2^{found} powers")]
    SrsSize {
        /// The `k` of the machine.
        needed: u32,
        /// The `k` of the SRS.
        found: u32,
    },
    /// The copies are too many.
    #[error(transparent)]
    Permutation(#[from] PermutationError),
    /// The engine gives up.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The proof library refuses the circuit.
    #[error("the fixed columns can't be filled: {0}")]
    Library(#[from] plonk::Error),
    /// The parts of the key do not go together.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A program laid out on a machine: what is known before an SRS is at hand.
#[derive(Clone, Debug)]
pub struct Plan {
    program: Program,
    digest: Digest,
    options: LayoutOptions,
    layout: Layout,
}

impl Plan {
    /// Lays `program` out.
    ///
    /// # Errors
    /// The program is not well formed or fits no machine.
    pub fn new(program: Program, options: LayoutOptions) -> Result<Self, SetupError> {
        let digest = program::digest(&program.family())?;
        Self::named(program, digest, options)
    }

    /// [`Self::new`] for a program whose file is known, so that it need not be made again for its digest.
    ///
    /// # Errors
    /// The program is not well formed or fits no machine.
    pub fn of_file(file: ProgramFile, options: LayoutOptions) -> Result<Self, SetupError> {
        let digest = program::key_digest(&file.program, file.digest)?;
        Self::named(file.program, digest, options)
    }

    fn named(program: Program, digest: Digest, options: LayoutOptions) -> Result<Self, SetupError> {
        refuse_degree_override()?;
        let layout = layout::compile_for(&program, &options, verifier::evm::gas_model)?;
        Ok(Self { program, digest, options, layout })
    }

    /// Lays a program out that was read from its file as it was laid out before.
    fn again(file: ProgramFile, options: LayoutOptions, widths: &Widths) -> Result<Self, ProvingKeyError> {
        refuse_degree_override().map_err(SetupError::from)?;
        let ProgramFile { program, digest, .. } = file;
        let layout = layout::lay_out(&program, &options, widths).map_err(SetupError::from)?;
        let digest = program::key_digest(&program, digest).map_err(SetupError::from)?;
        Ok(Self { program, digest, options, layout })
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Digest of the program, or of what it has in common with its family where its weights are private: keys name it.
    pub fn program_digest(&self) -> Digest {
        self.digest
    }

    /// The layout.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The setup takes an SRS of `2^k` powers.
    pub fn k(&self) -> u32 {
        self.layout.params().k
    }

    /// Makes the keys. They are a function of the program, the options and `τ`.
    ///
    /// # Errors
    /// The SRS has another size than the machine.
    pub fn setup(self, srs: &Srs, progress: &dyn Progress) -> Result<(ProvingKey, Report), SetupError> {
        self.setup_by(Engine::default(), srs, progress)
    }

    /// [`Self::setup`] by an engine of the caller's choice; all give the same keys.
    ///
    /// # Errors
    /// The SRS has another size than the machine.
    pub fn setup_by(
        self,
        engine: Engine,
        srs: &Srs,
        progress: &dyn Progress,
    ) -> Result<(ProvingKey, Report), SetupError> {
        refuse_degree_override()?;
        if srs.k() != self.k() {
            return Err(SetupError::SrsSize { needed: self.k(), found: srs.k() });
        }
        let mut stages = Stages::new(progress);
        let key = stages.run(Stage::Commit, || match engine {
            Engine::Native => self.verifying_key(srs),
            Engine::Stock => self.stock_verifying_key(srs),
        })?;
        Ok((ProvingKey { plan: self, key }, stages.report()))
    }

    fn verifying_key(&self, srs: &Srs) -> Result<VerifyingKey, SetupError> {
        let engine = CpuEngine::new(srs.lagrange(), srs.powers()[1], CpuOptions::default());
        let (_, preprocessed) = machine::preprocess(self.layout.skeleton())?;
        let commitments = preprocessed.commit(&engine)?;
        Ok(VerifyingKey::assemble(self.describe(srs), commitments.fixed, commitments.permutation)?)
    }

    fn stock_verifying_key(&self, srs: &Srs) -> Result<VerifyingKey, SetupError> {
        let plonk = keygen_vk(&srs.library(), &self.layout.circuit_without_witness())?;
        let (fixed, permutation) = (plonk.fixed_commitments().clone(), plonk.permutation().commitments().clone());
        Ok(VerifyingKey::assemble(self.describe(srs), fixed, permutation)?)
    }

    /// The digest of the file that the program was made from, unless its weights are private: it would tell who guesses them.
    fn source(&self) -> Digest {
        match self.program.has_private_weights() {
            true => Digest([0; 32]),
            false => Digest(self.program.source_digest),
        }
    }

    fn describe(&self, srs: &Srs) -> KeyDescription {
        KeyDescription {
            params: self.layout.params(),
            model: self.program.name.clone(),
            source: self.source(),
            program: self.digest,
            interface: self.layout.interface().clone(),
            srs: *srs.mark(),
        }
    }
}

/// Lays `program` out and makes its keys, on the SRS that `srs` gives for `k`.
///
/// # Errors
/// The program fits no machine, or `srs` fails.
pub fn setup<E: From<SetupError>>(
    program: Program,
    options: LayoutOptions,
    srs: impl FnOnce(u32) -> Result<Srs, E>,
) -> Result<ProvingKey, E> {
    let plan = Plan::new(program, options)?;
    let srs = srs(plan.k())?;
    Ok(plan.setup(&srs, &())?.0)
}

/// A program, its layout, and its verifying key.
#[derive(Clone, Debug)]
pub struct ProvingKey {
    plan: Plan,
    key: VerifyingKey,
}

/// Why a file is no proving key.
#[derive(Debug, Error)]
pub enum ProvingKeyError {
    /// The file is not a whole and undamaged proving key.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The program in it is none.
    #[error("the program in the proving key: {0}")]
    Program(#[from] ProgramFileError),
    /// The verifying key in it is none.
    #[error("the verifying key in the proving key: {0}")]
    Key(#[from] KeyError),
    /// The program in it fits no machine.
    #[error("the program in the proving key: {0}")]
    Setup(#[from] SetupError),
    /// Program and verifying key do not belong together.
    #[error("{0} of the program and of the verifying key in the proving key differ")]
    Mismatch(&'static str),
}

/// Why a program's weights can't be used under a key.
#[derive(Debug, Error)]
pub enum MemberError {
    /// The program is not of the key's family.
    #[error(transparent)]
    Family(#[from] FamilyError),
    /// The program does not fit the layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// What stands in the file before those of the program and of the verifying key.
#[derive(Serialize, Deserialize)]
struct KeyFile {
    options: LayoutOptions,
    widths: Widths,
}

impl ProvingKey {
    /// The program and its layout.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The verifying key.
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The same key with the private weights of another program, which may come from another model of the same form. Proofs are for the
    /// same verifying key.
    ///
    /// # Errors
    /// The other program differs in something that is public, or its weights are larger than the key's program declares.
    pub fn with_weights_of(&self, other: &Program) -> Result<Self, MemberError> {
        let program = self.plan.program.with_weights_of(other)?;
        let Plan { digest, options, ref layout, .. } = self.plan;
        let layout = layout::lay_out(&program, &options, &layout.widths())?;
        Ok(Self { plan: Plan { program, digest, options, layout }, key: self.key.clone() })
    }

    /// The bytes of the key's file.
    ///
    /// # Errors
    /// The program is larger than a file may be.
    pub fn to_file(&self) -> Result<Vec<u8>, ContainerError> {
        let mut file = Vec::new();
        self.encoded(|encoded| encoded.write_to(&mut file).map(|_| ()).expect("a vector takes all bytes"))?;
        Ok(file)
    }

    /// Has a use made of the key's file, which is never held.
    fn encoded<T>(&self, make: impl FnOnce(&dyn EncodedFile) -> T) -> Result<T, ContainerError> {
        let content = KeyFile { options: self.plan.options, widths: self.plan.layout.widths() };
        let program = program::encoding(&self.plan.program)?;
        Ok(make(&Encoding::with_files(Kind::ProvingKey, &content, vec![&program, &self.key.file()])?))
    }

    /// Reads the bytes of a key's file, and lays the program out as the setup did.
    ///
    /// # Errors
    /// The bytes are no valid key.
    pub fn from_file(file: &[u8]) -> Result<Self, ProvingKeyError> {
        Self::from_source(&mut Source::of(file))
    }

    fn from_source<R: Read + Seek>(source: &mut Source<R>) -> Result<Self, ProvingKeyError> {
        let whole = source.whole()?;
        let Decoded { value, files: [program, key], .. } =
            source.decode_with_files::<KeyFile, 2>(Kind::ProvingKey, &whole)?;
        let KeyFile { options, widths } = value;
        let key = VerifyingKey::from_file(source.bytes(&key)?)?;
        let described = key.description();
        let machine = MachineParams {
            optional: described.params.optional,
            weight_lanes: described.params.weight_lanes,
            port_columns: described.params.port_columns,
            ..widths.params()
        };
        if described.params != machine {
            return Err(ProvingKeyError::Mismatch("the machines"));
        }
        let plan = Plan::again(program::from_source(source, &program)?, options, &widths)?;
        let same = [
            ("the digests", described.program == plan.digest),
            ("the machines", described.params == plan.layout.params()),
            ("the interfaces", described.interface == *plan.layout.interface()),
            ("the names", described.model == plan.program.name),
            ("the sources", described.source == plan.source()),
        ];
        match same.into_iter().find(|(_, same)| !same) {
            Some((what, _)) => Err(ProvingKeyError::Mismatch(what)),
            None => Ok(Self { plan, key }),
        }
    }

    /// Reads a key's file piece by piece.
    ///
    /// # Errors
    /// The file can't be read or is no valid key.
    pub fn read(path: &Path) -> Result<Self, ProvingKeyError> {
        Self::from_source(&mut Source::open(path)?)
    }

    /// Writes the key's file, for its owner alone where the program in it has private weights.
    ///
    /// # Errors
    /// The program is too large, or the system refuses.
    pub fn write(&self, path: &Path) -> Result<(), ContainerError> {
        self.encoded(|encoded| program::write_file(&self.plan.program, path, encoded))?
    }
}
