//! Making proofs.

use std::borrow::Borrow;
use std::path::PathBuf;

use circuits::digest::Salt;
use circuits::graph::Program;
use circuits::interface::PackError;
use circuits::machine::{Assignment, MachineCircuit, Placement};
use circuits::reference::{self, RunError, Trace};
use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine};
use halo2_proofs::plonk::{self, create_proof, keygen_pk, permutation};
use halo2_proofs::poly::kzg::commitment::{KZGCommitmentScheme, ParamsKZG};
use halo2_proofs::poly::kzg::multiopen::ProverSHPLONK;
use halo2_proofs::poly::EvaluationDomain;
use halo2_proofs::transcript::TranscriptWriterBuffer;
use rand_chacha::ChaCha20Rng;
use rand_core::{OsRng, RngCore, SeedableRng};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use verifier::container::{Bytes, ContainerError};
use verifier::link::{LinkedPort, Side};
use verifier::srs::SrsMark;
use verifier::transcript::KeccakTranscript;
use verifier::{refuse_degree_override, verify, DegreeOverride, Digest, Link, Proof, Refusal};

use crate::engine::{self, CpuEngine, CpuOptions, Disk, DiskError};
use crate::keys::ProvingKey;
use crate::link::{link_blinded, Blinded, LinkError, Opening};
use crate::memory::{MemoryError, MemoryPlan, Spill};
use crate::plonk::key::{CircuitError, CircuitKey};
use crate::plonk::machine::{self, MachineWitness, OwnRows};
use crate::plonk::permutation::PermutationError;
use crate::plonk::prove::{Job, PlonkError};
use crate::plonk::randomness::Randomness;
use crate::registration::{columns_digest, RegisteredWeights};
use crate::report::{Progress, Report, RoundReport, RoundTimes, Stage, StageReport, Stages};
use crate::secret::{Key, Tails};
use crate::srs::Srs;

/// What makes the proof.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Engine {
    /// Our own prover of the proof library's protocol.
    #[default]
    Native,
    /// The proof library's own prover: many times slower and larger, and the oracle of our tests.
    Stock,
}

impl std::fmt::Display for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Engine::Native => "native",
            Engine::Stock => "stock",
        })
    }
}

/// A name that no engine has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no engine {0:?}; there are \"native\" and \"stock\"")]
pub struct EngineError(String);

impl std::str::FromStr for Engine {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Self, EngineError> {
        match name {
            "native" => Ok(Engine::Native),
            "stock" => Ok(Engine::Stock),
            _ => Err(EngineError(name.into())),
        }
    }
}

/// Where the blinding is drawn from. `Debug` tells no seed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Entropy {
    /// The operating system, hedged with a hash of the witness: even where the system's randomness is bad, different
    /// witnesses are blinded differently.
    #[default]
    System,
    /// A seed, for tests. The proof is marked insecure. The native engine makes the same proof again, byte for byte. Under the
    /// stock engine the seed determines the commitments to the witness; what follows still differs from proof to proof, since
    /// the library draws a polynomial of its own.
    Seed([u8; 32]),
}

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Seed(_) => "Seed",
        })
    }
}

/// What makes proofs, and within what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineOptions {
    /// What makes them.
    pub engine: Engine,
    /// Bytes of memory that the native engine may take; without a limit it takes what is fastest.
    pub max_memory: Option<u64>,
    /// Where the native engine makes a temporary file if the memory does not suffice for its columns; by default where the
    /// system has such files.
    pub spill_folder: Option<PathBuf>,
}

/// How to make a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProveOptions {
    /// Where the blinding is drawn from.
    pub entropy: Entropy,
    /// Whether the native engine checks the witness constraint by constraint, to name the first one that is violated. The
    /// default in builds with debug assertions.
    pub check: bool,
    /// Whether the proof is verified before it is handed out.
    pub verify: bool,
}

impl Default for ProveOptions {
    fn default() -> Self {
        Self { entropy: Entropy::default(), check: cfg!(debug_assertions), verify: true }
    }
}

/// Why there is no proof. No message holds a private value.
#[derive(Debug, Error)]
pub enum ProveError {
    /// The environment would change the proof system.
    #[error(transparent)]
    DegreeOverride(#[from] DegreeOverride),
    /// The SRS has another size than the machine.
    #[error("the machine has 2^{needed} rows, and the SRS 2^{found} powers")]
    SrsSize {
        /// The `k` of the machine.
        needed: u32,
        /// The `k` of the SRS.
        found: u32,
    },
    /// The key was made on another SRS.
    #[error("the key was made on the SRS {expected}, and this is {found}")]
    SrsDigest {
        /// The SRS of the key.
        expected: Digest,
        /// The SRS at hand.
        found: Digest,
    },
    /// The program can't be run on the inputs.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The run has other tensors than the program.
    #[error("the run to be proved is none of the key's program")]
    OtherRun,
    /// Not as many salts as hashed ports.
    #[error("the program has {expected} hashed ports, and {found} salts are given")]
    Salts {
        /// Hashed ports.
        expected: usize,
        /// Salts.
        found: usize,
    },
    /// The stock engine draws the blinding by itself, and nobody could open its commitments.
    #[error("the program has committed ports, or its weights are registered, and the stock engine can't open its commitments: use the native engine")]
    StockCommitments,
    /// Weights are registered, and the key's are public.
    #[error("the weights of the program are public in its key, so that no registration is of use")]
    PublicWeights,
    /// The registration is of other weights, or of columns of another size, than those of the program.
    #[error("the registration {registration} is not one of the weights of this program under this key")]
    OtherWeights {
        /// SHA-256 of the registration's file.
        registration: Digest,
    },
    /// The proof's weights can't be linked to the registration.
    #[error("the link to the registration: {0}")]
    Link(#[from] LinkError),
    /// The public values can't be packed.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness: {0}")]
    Entropy(rand_core::Error),
    /// The memory that is allowed does not suffice.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The temporary file that the memory plan asks for can't be made.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The SRS ends with the power before the one that masks the quotient.
    #[error(
        "the SRS has 2^{k} powers, and the native engine takes one more: import a larger one, or use the stock engine"
    )]
    NextPower {
        /// The `k` of the SRS.
        k: u32,
    },
    /// The key's copies are too many.
    #[error(transparent)]
    Permutation(#[from] PermutationError),
    /// The circuit is not one that the native engine takes.
    #[error(transparent)]
    Circuit(#[from] CircuitError),
    /// The native engine fails.
    #[error(transparent)]
    Plonk(#[from] PlonkError),
    /// The proof library fails.
    #[error("the proof library fails: {0}")]
    Library(#[from] plonk::Error),
    /// The proof is larger than a file may be.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The proof that was made is not accepted. The proving key does not belong to its verifying key, or the SRS is
    /// inconsistent.
    #[error("the proof that was made is not accepted ({0}); the proving key or the SRS is damaged")]
    NotAccepted(Refusal),
}

impl ProveError {
    /// What is wrong with the temporary file, where that is why there is no proof.
    pub fn disk_error(&self) -> Option<&DiskError> {
        match self {
            Self::Disk(error)
            | Self::Circuit(CircuitError::Engine(crate::engine::EngineError::Disk(error)))
            | Self::Plonk(PlonkError::Engine(crate::engine::EngineError::Disk(error))) => Some(error),
            _ => None,
        }
    }
}

/// A proof and what belongs to it. `Debug` tells nothing of the trace, the salts and the openings.
#[derive(Clone)]
pub struct Proved {
    /// The proof.
    pub proof: Proof,
    /// All tensors of the run. Private: it holds the private values.
    pub trace: Trace,
    /// The salts of the hashed ports, in the order of the interface. Private: with them, guesses at the values can be
    /// confirmed. Whoever is to be shown the values takes them.
    pub salts: Vec<Salt>,
    /// What opens the commitments to committed ports, by the position in the interface. Private: it holds values, and takes part in
    /// links.
    pub openings: Vec<(u32, Opening)>,
    /// What shows that the weights are the registered ones, where they are.
    pub link: Option<Link>,
    /// What the stages cost.
    pub report: Report,
}

impl std::fmt::Debug for Proved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proved").field("proof", &self.proof).field("report", &self.report).finish_non_exhaustive()
    }
}

/// A run of a program, to be proved. `Debug` tells nothing of the values.
#[derive(Clone)]
pub struct Run {
    trace: Trace,
    report: StageReport,
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("report", &self.report).finish_non_exhaustive()
    }
}

impl Run {
    /// Runs a program on `inputs` (the values of its input ports in order, each row-major).
    ///
    /// # Errors
    /// The inputs are not admissible.
    pub fn new(program: &Program, inputs: &[Vec<i64>]) -> Result<Self, RunError> {
        let mut stages = Stages::new(&());
        let trace = stages.run(Stage::Witness, || reference::run(program, inputs))?;
        let report = stages.report().stages.pop().expect("the stage is done");
        Ok(Self { trace, report })
    }

    /// All tensors of the run. Private: it holds the private values.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }
}

/// A proving key on an engine, ready for any number of proofs.
pub struct Prover<'a> {
    key: &'a ProvingKey,
    backend: Backend,
    derived: Report,
    weights: Option<RegisteredWeights>,
}

enum Backend {
    Native(Box<dyn MachineProver>),
    Stock(Box<Stock>),
}

/// A key on an engine, whichever that is.
trait MachineProver: Send + Sync {
    fn prove(
        &self,
        assignment: Assignment,
        instances: &[Fr],
        seed: &[u8; 32],
        weights: Option<&RegisteredWeights>,
        check: bool,
        progress: &dyn Progress,
    ) -> Result<Made, ProveError>;

    fn link(&self, srs: &SrsMark, from: Blinded<'_>, to: Blinded<'_>) -> Result<Link, LinkError>;

    fn spilled_bytes(&self) -> u64;
}

/// A key of the proof library and its SRS.
struct Stock {
    key: plonk::ProvingKey<G1Affine>,
    srs: ParamsKZG<Bn256>,
}

/// A key on the native prover and its engine.
struct Native<E: engine::Engine> {
    engine: E,
    key: CircuitKey<E>,
    next_power: G1Affine,
}

/// A proof's words, what its rounds took, and the last rows of columns that are opened later.
struct Made {
    words: Vec<u8>,
    rounds: Vec<RoundReport>,
    /// Of the columns of committed ports.
    ports: Tails,
    /// Of the columns of registered weights.
    weights: Tails,
}

impl Stock {
    fn prove(&self, assignment: Assignment, instances: &[Fr], seed: &[u8; 32]) -> Result<Vec<u8>, ProveError> {
        let mut transcript = KeccakTranscript::init(Vec::new());
        create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<Bn256>, _, _, _, _>(
            &self.srs,
            &self.key,
            &[MachineCircuit::with_witness(assignment)],
            &[&[instances]],
            ChaCha20Rng::from_seed(*seed),
            &mut transcript,
        )?;
        Ok(transcript.finalize())
    }
}

/// The processor's engine for a key, within the limits.
fn cpu_engine(key: &ProvingKey, srs: &Srs, limits: &EngineOptions) -> Result<CpuEngine, ProveError> {
    let plan = limits.max_memory.map(|budget| MemoryPlan::new(key.plan().layout(), Some(budget))).transpose()?;
    let options = CpuOptions { quotient_bytes: plan.map(|plan| plan.quotient), ..CpuOptions::default() };
    let engine = CpuEngine::new(srs.lagrange(), srs.powers()[1], options);
    match plan.filter(|plan| plan.spill != Spill::Nothing) {
        Some(plan) => {
            let folder = limits.spill_folder.clone().unwrap_or_else(std::env::temp_dir);
            Ok(engine.spill(Disk::new(&folder, plan.disk)?, plan.spill == Spill::Quotient))
        }
        None => Ok(engine),
    }
}

impl<E: engine::Engine> Native<E> {
    fn new(key: &ProvingKey, srs: &Srs, engine: E) -> Result<Self, ProveError> {
        let next_power = srs.next_power().ok_or(ProveError::NextPower { k: srs.k() })?;
        let (_, preprocessed) = machine::preprocess(key.plan().layout().skeleton())?;
        let key = CircuitKey::new(&engine, key.verifying_key().plonk(), preprocessed)?;
        Ok(Self { engine, key, next_power })
    }
}

impl<E: engine::Engine + Send> MachineProver for Native<E> {
    fn prove(
        &self,
        assignment: Assignment,
        instances: &[Fr],
        seed: &[u8; 32],
        weights: Option<&RegisteredWeights>,
        check: bool,
        progress: &dyn Progress,
    ) -> Result<Made, ProveError> {
        let mut transcript: KeccakTranscript<_> = TranscriptWriterBuffer::init(Vec::new());
        let mut randomness = Randomness::new(*seed);
        let params = assignment.skeleton.params;
        let placement = Placement::new(&params);
        let mut draw = || randomness.elements(params.blinded_rows());
        let ports: Vec<_> = (0..params.port_columns).map(|_| draw()).collect();
        let known: Vec<_> = weights.iter().flat_map(|weights| weights.known()).collect();
        let weights: Vec<_> = known.iter().map(|_| draw()).collect();
        let own_ports = (0..)
            .zip(&ports)
            .map(|(port, tail)| (placement.port_column(port), OwnRows { tail: tail.clone(), known: None }));
        let own_weights = placement
            .weight_columns()
            .zip(weights.iter().zip(known))
            .map(|(column, (tail, known))| (column, OwnRows { tail: tail.clone(), known: Some(known) }));
        let own = own_ports.chain(own_weights).collect();
        let mut witness = MachineWitness::new(assignment, own);
        let own = self.engine.for_proof().map_err(PlonkError::Engine)?;
        let engine = own.as_ref().unwrap_or(&self.engine);
        let work = || engine.work();
        let mut times = RoundTimes::new(progress, &work);
        let job = Job { engine, key: &self.key, next_power: self.next_power, instances: &[instances], check };
        crate::plonk::prove::prove(&job, &mut witness, &mut randomness, &mut transcript, &mut times)?;
        Ok(Made {
            words: transcript.finalize(),
            rounds: times.into_reports(),
            ports: ports.into(),
            weights: weights.into(),
        })
    }

    fn link(&self, srs: &SrsMark, from: Blinded<'_>, to: Blinded<'_>) -> Result<Link, LinkError> {
        link_blinded(&self.engine, srs, from, to)
    }

    fn spilled_bytes(&self) -> u64 {
        self.engine.spilled_bytes()
    }
}

impl<'a> Prover<'a> {
    /// Puts `key` onto an engine. The SRS is not used any more after that: handed over, it takes no memory.
    ///
    /// # Errors
    /// The SRS is not the one of the key, or has another size; the engine has not enough memory.
    pub fn new(
        key: &'a ProvingKey,
        srs: impl Borrow<Srs>,
        options: &EngineOptions,
        progress: &dyn Progress,
    ) -> Result<Self, ProveError> {
        let srs = srs.borrow();
        Self::derive(key, srs, progress, || match options.engine {
            Engine::Native => Ok(Backend::Native(Box::new(Native::new(key, srs, cpu_engine(key, srs, options)?)?))),
            Engine::Stock if key.verifying_key().description().params.port_columns > 0 => {
                Err(ProveError::StockCommitments)
            }
            Engine::Stock => {
                let circuit = key.plan().layout().circuit_without_witness();
                let key = keygen_pk(&srs.library(), transforming(key), &circuit)?;
                Ok(Backend::Stock(Box::new(Stock { key, srs: srs.library() })))
            }
        })
    }

    /// Puts `key` onto an engine of the caller's, which `make` makes once the SRS is known to be the key's. Proofs are those of
    /// the native engine.
    ///
    /// # Errors
    /// The SRS is not the one of the key, or has another size; the engine fails.
    pub fn on_engine<E: engine::Engine + Send + 'static>(
        key: &'a ProvingKey,
        srs: impl Borrow<Srs>,
        make: impl FnOnce(&Srs) -> Result<E, engine::EngineError>,
        progress: &dyn Progress,
    ) -> Result<Self, ProveError> {
        let srs = srs.borrow();
        Self::derive(key, srs, progress, || {
            let engine = make(srs).map_err(CircuitError::Engine)?;
            Ok(Backend::Native(Box::new(Native::new(key, srs, engine)?)))
        })
    }

    fn derive(
        key: &'a ProvingKey,
        srs: &Srs,
        progress: &dyn Progress,
        backend: impl FnOnce() -> Result<Backend, ProveError>,
    ) -> Result<Self, ProveError> {
        refuse_degree_override()?;
        let description = key.verifying_key().description();
        if srs.k() != description.params.k {
            return Err(ProveError::SrsSize { needed: description.params.k, found: srs.k() });
        }
        let (expected, found) = (description.srs.digest(), srs.mark().digest());
        if expected != found {
            return Err(ProveError::SrsDigest { expected, found });
        }
        let mut stages = Stages::new(progress);
        let backend = stages.run(Stage::Derive, backend)?;
        Ok(Self { key, backend, derived: stages.report(), weights: None })
    }

    /// Makes proofs from now on whose weights are the registered ones: their commitments take no sum over the weights, and each comes
    /// with a link to the registration.
    ///
    /// # Errors
    /// The key's weights are public, the registration is of other ones, or the engine is the stock one.
    pub fn with_weights(mut self, weights: RegisteredWeights) -> Result<Self, ProveError> {
        let (plan, description) = (self.key.plan(), self.key.verifying_key().description());
        let columns = plan.layout().weight_columns(plan.program());
        let terms = weights.registration().terms();
        match self.backend {
            _ if columns.is_empty() => Err(ProveError::PublicWeights),
            Backend::Stock(_) => Err(ProveError::StockCommitments),
            Backend::Native(_) => {
                let fits = terms.srs == description.srs.digest() && terms.k == description.params.k;
                if !fits || !weights.is_of(&columns) {
                    return Err(ProveError::OtherWeights { registration: weights.registration().digest() });
                }
                self.weights = Some(weights);
                Ok(self)
            }
        }
    }

    /// What putting the key onto the engine cost.
    pub fn derived(&self) -> &Report {
        &self.derived
    }

    /// What opens the registration whose weights the proofs have, where there is one.
    pub fn weights(&self) -> Option<&RegisteredWeights> {
        self.weights.as_ref()
    }

    /// Bytes of a temporary file that columns have taken so far, at most.
    pub fn spilled_bytes(&self) -> u64 {
        match &self.backend {
            Backend::Native(native) => native.spilled_bytes(),
            Backend::Stock(_) => 0,
        }
    }

    /// Runs the program on `inputs` (the values of its input ports in order, each row-major) and proves the run, with salts of
    /// the operating system for hashed ports.
    ///
    /// # Errors
    /// The inputs are not admissible, or no proof could be made.
    pub fn prove(
        &self,
        inputs: &[Vec<i64>],
        options: &ProveOptions,
        progress: &dyn Progress,
    ) -> Result<Proved, ProveError> {
        let hashed = self.key.verifying_key().interface().hashed();
        let salts = hashed.map(|_| draw_salt()).collect::<Result<Vec<_>, _>>()?;
        self.prove_salted(inputs, &salts, options, progress)
    }

    /// [`Self::prove`] with salts of the caller's choice, one for each hashed port in the order of the interface.
    ///
    /// # Errors
    /// The inputs are not admissible, there are more or fewer salts, or no proof could be made.
    pub fn prove_salted(
        &self,
        inputs: &[Vec<i64>],
        salts: &[Salt],
        options: &ProveOptions,
        progress: &dyn Progress,
    ) -> Result<Proved, ProveError> {
        self.prove_run(Run::new(self.key.plan().program(), inputs)?, salts, options, progress)
    }

    /// [`Self::prove_salted`] of a run of the key's program that was made before.
    ///
    /// # Errors
    /// There are more or fewer salts, the run is none of the key's program, or no proof could be made. A run of a program of the same
    /// shape gives a proof that is not accepted.
    pub fn prove_run(
        &self,
        run: Run,
        salts: &[Salt],
        options: &ProveOptions,
        progress: &dyn Progress,
    ) -> Result<Proved, ProveError> {
        refuse_degree_override()?;
        let plan = self.key.plan();
        let (expected, found) = (plan.layout().interface().hashed().count(), salts.len());
        if found != expected {
            return Err(ProveError::Salts { expected, found });
        }
        let Run { trace, report } = run;
        let mut stages = Stages::new(progress);
        if !trace.has_shape_of(plan.program()) {
            return Err(ProveError::OtherRun);
        }
        let assignment =
            stages.run(Stage::Witness, || Ok::<_, ProveError>(plan.layout().assign(plan.program(), &trace, salts)))?;
        stages.add_to_last(&report);
        let public = plan.layout().public_data(plan.program(), &trace, salts);
        let instances = plan.layout().interface().pack(&public)?;
        let inputs: Vec<&[i64]> = plan.program().inputs.iter().map(|port| trace.tensor(port.tensor)).collect();
        let seed = self.seed(&inputs, salts, options.entropy)?;
        let Made { words, rounds, ports, weights } = stages.run(Stage::Prove, || match &self.backend {
            Backend::Native(native) => {
                native.prove(assignment, &instances, &seed.0, self.weights.as_ref(), options.check, progress)
            }
            Backend::Stock(stock) => {
                let words = stock.prove(assignment, &instances, &seed.0)?;
                Ok(Made { words, rounds: Vec::new(), ports: Tails::default(), weights: Tails::default() })
            }
        })?;
        stages.add_rounds(rounds);
        let openings = self.openings(&trace, &ports);
        let proof = Proof {
            key: self.key.verifying_key().digest(),
            public,
            randomness: match options.entropy {
                Entropy::System => verifier::Randomness::System,
                Entropy::Seed(_) => verifier::Randomness::Seeded,
            },
            words: Bytes(words),
        };
        if options.verify {
            stages
                .run(Stage::Verify, || verify(self.key.verifying_key(), &proof.public, &proof))
                .map_err(ProveError::NotAccepted)?;
        }
        let link = match (&self.weights, &self.backend) {
            (Some(registered), Backend::Native(native)) => {
                Some(stages.run(Stage::Link, || self.link(native.as_ref(), registered, &proof, &weights))?)
            }
            _ => None,
        };
        Ok(Proved { proof, trace, salts: salts.to_vec(), openings, link, report: stages.report() })
    }

    /// Links the weights of a proof, by the last rows of their columns, to their registration.
    fn link(
        &self,
        native: &dyn MachineProver,
        registered: &RegisteredWeights,
        proof: &Proof,
        blinding: &[Vec<Fr>],
    ) -> Result<Link, ProveError> {
        let key = self.key.verifying_key();
        let side = Side::of_weights(key, proof).map_err(ProveError::NotAccepted)?.expect("its weights are private");
        let registration = registered.registration();
        let from = Blinded {
            port: LinkedPort::weights(registration.digest()),
            side: &Side::of_registration(registration),
            blinding: registered.blinding(),
        };
        let artifact = Digest::of(&proof.to_file()?);
        let to = Blinded { port: LinkedPort::weights(artifact), side: &side, blinding };
        Ok(native.link(&key.description().srs, from, to)?)
    }

    /// What opens the committed ports, by their position in the interface.
    fn openings(&self, trace: &Trace, tails: &Tails) -> Vec<(u32, Opening)> {
        let program = self.key.plan().program();
        let ports: Vec<_> = program.inputs.iter().chain(&program.outputs).map(|port| port.tensor).collect();
        let params = self.key.plan().layout().params();
        let committed = self.key.plan().layout().interface().committed(params.k);
        let opening = |(index, _, columns): (usize, _, std::ops::Range<usize>)| {
            let values = trace.tensor(ports[index]).to_vec();
            (index as u32, Opening { values, blinding: tails[columns].to_vec().into() })
        };
        committed.map(opening).collect()
    }

    fn engine(&self) -> Engine {
        match self.backend {
            Backend::Native(_) => Engine::Native,
            Backend::Stock(_) => Engine::Stock,
        }
    }

    fn seed(&self, inputs: &[&[i64]], salts: &[Salt], entropy: Entropy) -> Result<Key, ProveError> {
        match entropy {
            Entropy::Seed(seed) => Ok(Key(seed)),
            Entropy::System => {
                let mut system = Key([0; 32]);
                OsRng.try_fill_bytes(&mut system.0).map_err(ProveError::Entropy)?;
                let key = self.key.verifying_key().digest();
                Ok(Key(hedged(&system.0, self.engine(), key, self.weights_digest(), inputs, salts)))
            }
        }
    }

    /// The digest of the private weights, where there are any.
    fn weights_digest(&self) -> Option<Digest> {
        if let Some(registered) = &self.weights {
            return Some(registered.columns_digest());
        }
        let columns = self.key.plan().layout().weight_columns(self.key.plan().program());
        (!columns.is_empty()).then(|| columns_digest(&columns))
    }
}

/// Derives the polynomials of `key` and makes one proof.
///
/// # Errors
/// The SRS is not that of the key, the inputs are not admissible, or no proof could be made.
pub fn prove(key: &ProvingKey, srs: &Srs, inputs: &[Vec<i64>], options: &ProveOptions) -> Result<Proved, ProveError> {
    Prover::new(key, srs, &EngineOptions::default(), &())?.prove(inputs, options, &())
}

/// A salt from the system's randomness.
///
/// # Errors
/// The operating system gives none.
pub fn draw_salt() -> Result<Salt, ProveError> {
    let mut bytes = [0; Salt::BYTES];
    OsRng.try_fill_bytes(&mut bytes).map_err(ProveError::Entropy)?;
    Ok(Salt::from_bytes(bytes))
}

/// A seed from the system's randomness, the key and the witness, which follows from the private weights (here by their digest),
/// the inputs and the salts.
///
/// The engine is part of it: should the system's randomness repeat, two engines would otherwise blind one witness alike and open it
/// at different points.
fn hedged(
    system: &[u8; 32],
    engine: Engine,
    key: Digest,
    weights: Option<Digest>,
    inputs: &[&[i64]],
    salts: &[Salt],
) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"zkinfer blinding");
    hash.update(system);
    hash.update(engine.to_string().as_bytes());
    hash.update(key.0);
    // The key says whether there is one.
    weights.iter().for_each(|digest| hash.update(digest.0));
    for tensor in inputs {
        hash.update((tensor.len() as u64).to_le_bytes());
        tensor.iter().for_each(|value| hash.update(value.to_le_bytes()));
    }
    salts.iter().for_each(|salt| hash.update(salt.to_bytes()));
    hash.finalize().into()
}

/// The proof library's verifying key with a domain that can transform.
fn transforming(key: &ProvingKey) -> plonk::VerifyingKey<G1Affine> {
    let light = key.verifying_key().plonk();
    let system = light.cs().clone();
    plonk::VerifyingKey::from_parts(
        EvaluationDomain::new(system.degree() as u32, key.verifying_key().description().params.k),
        light.fixed_commitments().clone(),
        permutation::VerifyingKey::from_commitments(light.permutation().commitments().clone()),
        system,
        Vec::new(),
        false,
    )
}

#[cfg(test)]
mod tests {
    use circuits::machine::Integers;

    use super::*;

    #[test]
    fn blinding_depends_on_everything() {
        let seed =
            |byte, key, inputs: &[&[i64]]| hedged(&[byte; 32], Engine::Native, Digest([key; 32]), None, inputs, &[]);
        let salted = |byte| {
            let salt = [Salt::from_bytes([byte; Salt::BYTES])];
            hedged(&[1; 32], Engine::Native, Digest([2; 32]), None, &[&[3, 4]], &salt)
        };
        let weighted = |weights: [i64; 2]| {
            let columns = [Integers::from(weights.to_vec())];
            hedged(&[1; 32], Engine::Native, Digest([2; 32]), Some(columns_digest(&columns)), &[&[3, 4]], &[])
        };
        let first = seed(1, 2, &[&[3, 4]]);
        assert_eq!(first, seed(1, 2, &[&[3, 4]]));
        let others =
            [seed(0, 2, &[&[3, 4]]), seed(1, 0, &[&[3, 4]]), seed(1, 2, &[&[3, 5]]), seed(1, 2, &[&[3], &[4]])];
        assert!(others.iter().all(|other| *other != first));
        assert!(salted(5) != first && salted(5) != salted(6));
        assert!(weighted([5, 6]) != first && weighted([5, 6]) != weighted([5, 7]));
        assert_ne!(hedged(&[1; 32], Engine::Stock, Digest([2; 32]), None, &[&[3, 4]], &[]), first);
        assert_eq!(format!("{:?}", Entropy::Seed([7; 32])), "Seed");
    }

    #[test]
    fn engines_have_names() {
        for engine in [Engine::Native, Engine::Stock] {
            assert_eq!(engine.to_string().parse(), Ok(engine));
        }
        assert_eq!("other".parse::<Engine>(), Err(EngineError("other".into())));
    }
}
