//! Keys, witness and proofs for compiled integer programs.
//!
//! ```no_run
//! use circuits::layout::LayoutOptions;
//! use prover::{prove, Plan, ProveOptions};
//! use prover::srs::Srs;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let program = prover::program::read("program.zki".as_ref())?;
//! let plan = Plan::new(program, LayoutOptions::default())?;
//! let srs = Srs::development(plan.k())?;
//! let (key, _) = plan.setup(&srs, &())?;
//! let proved = prove(&key, &srs, &[vec![1, 2, 3]], &ProveOptions::default())?;
//! key.verifying_key().write("model.vk".as_ref())?;
//! proved.proof.write("proof.zkp".as_ref())?;
//! # Ok(())
//! # }
//! ```
//!
//! | module | content |
//! | --- | --- |
//! | [`engine`] | what the prover asks of the hardware; the processor as an engine |
//! | [`field`] | vectorised field arithmetic, chosen by the processor |
//! | [`keys`] | layout, setup, the proving key and its file |
//! | [`link`] | commitments to values outside of proofs, and links between commitments |
//! | [`plonk`] | the rounds of the proof library's protocol, for any constraint system |
//! | [`memory`] | what a proof takes in memory |
//! | [`msm`] | sums of points with scalars |
//! | [`program`] | the program's file |
//! | [`prove`](mod@prove) | making proofs |
//! | [`registration`] | registering weights, and what opens a registration |
//! | [`report`] | what stages cost, and progress |
//! | [`srs`] | the structured reference string |
//! | [`transform`] | number-theoretic transforms |
//!
//! Programs, keys and SRS files are functions of what they are made from; proofs are drawn at random.

pub mod engine;
pub mod field;
pub mod keys;
pub mod link;
pub mod memory;
pub mod msm;
pub mod plonk;
pub mod program;
pub mod prove;
pub mod registration;
pub mod report;
mod secret;
pub mod srs;
pub mod transform;

pub use keys::{setup, MemberError, Plan, ProvingKey, ProvingKeyError, SetupError};
pub use prove::{draw_salt, prove, Engine, EngineOptions, Entropy, ProveError, ProveOptions, Proved, Prover, Run};
pub use report::{Progress, Report, RoundReport, Stage, StageReport};
pub use secret::Tails;
