//! Keys with random commitments, simulated proofs for them, and the two verifiers that judge.

// Each test file uses a part of this module.
#![allow(dead_code)]

use circuits::machine::{MachineCircuit, MachineParams};
use evm::{Chain, Outcome};
use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine, G2Affine};
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::halo2curves::group::Curve;
use halo2_proofs::plonk::{self, permutation, verify_proof};
use halo2_proofs::poly::kzg::commitment::{KZGCommitmentScheme, ParamsKZG};
use halo2_proofs::poly::kzg::multiopen::VerifierSHPLONK;
use halo2_proofs::poly::kzg::strategy::SingleStrategy;
use halo2_proofs::poly::EvaluationDomain;
use halo2_proofs::transcript::TranscriptReadBuffer;
use rand_core::RngCore;
use verifier::evm::{abi, simulate_proof, verifier_contract, EvmAddress, EvmModel};
use verifier::key::constraint_system;
use verifier::shape::ProofShape;
use verifier::srs::{development_tau, library_srs};
use verifier::transcript::{Challenge, KeccakTranscript};

/// A verifying key of the machine whose commitments are random, and public words for it.
pub(crate) struct Subject {
    pub(crate) key: plonk::VerifyingKey<G1Affine>,
    pub(crate) instances: Vec<Fr>,
    srs: ParamsKZG<Bn256>,
}

pub(crate) fn tau_g2() -> G2Affine {
    (G2Affine::generator() * development_tau()).to_affine()
}

impl Subject {
    pub(crate) fn random(params: MachineParams, words: usize, random: &mut impl RngCore) -> Self {
        let system = constraint_system::<MachineCircuit>(params).expect("a member of the family");
        let mut points = |count: usize| -> Vec<G1Affine> {
            (0..count).map(|_| (G1Affine::generator() * Fr::random(&mut *random)).to_affine()).collect()
        };
        let fixed = points(system.num_fixed_columns());
        let sigma = points(system.permutation().get_columns().len());
        let domain = EvaluationDomain::new(system.degree() as u32, params.k);
        let sigma = permutation::VerifyingKey::from_commitments(sigma);
        let key = plonk::VerifyingKey::from_parts(domain, fixed, sigma, system, Vec::new(), false);
        let instances = (0..words).map(|_| Fr::random(&mut *random)).collect();
        let srs = library_srs(params.k, vec![G1Affine::generator()], Some(Vec::new()), tau_g2());
        Self { key, instances, srs }
    }

    pub(crate) fn simulate(&self, random: &mut impl RngCore) -> Vec<u8> {
        simulate_proof(&self.key, &self.instances, development_tau(), random).expect("the system is one of ours")
    }

    /// The verdict of the proof library, on what has the form of a proof.
    pub(crate) fn accepts(&self, proof: &[u8], instances: &[Fr]) -> bool {
        if ProofShape::of(self.key.cs()).check(proof).is_err() || instances.len() != self.instances.len() {
            return false;
        }
        let mut transcript = <KeccakTranscript<_> as TranscriptReadBuffer<_, _, Challenge>>::init(proof);
        verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<Bn256>, _, _, _>(
            &self.srs,
            &self.key,
            SingleStrategy::new(&self.srs),
            &[&[instances]],
            &mut transcript,
        )
        .is_ok()
    }
}

/// The contracts of a subject on a chain.
pub(crate) struct OnChain {
    pub(crate) chain: Chain,
    pub(crate) verifier: EvmAddress,
    pub(crate) contract: EvmAddress,
    pub(crate) model: EvmModel,
    pub(crate) deploy_gas: [u64; 2],
}

impl OnChain {
    pub(crate) fn new(subject: &Subject) -> Self {
        let model = EvmModel::of(&subject.key, subject.instances.len(), &tau_g2()).expect("the system is one of ours");
        Self::with(model)
    }

    pub(crate) fn with(model: EvmModel) -> Self {
        let mut chain = Chain::new();
        let shipped = verifier_contract();
        let (verifier, verifier_gas) = chain.deploy(&shipped.creation_code).expect("the verifier is deployed");
        let creation = model.creation_code(&verifier, &shipped.code_hash());
        let (contract, model_gas) = chain.deploy(&creation).expect("the model is deployed");
        Self { chain, verifier, contract, model, deploy_gas: [verifier_gas, model_gas] }
    }

    pub(crate) fn verify(&mut self, proof: &[u8], instances: &[Fr]) -> Outcome {
        self.chain.call(self.contract, &abi::verify_proof(proof, instances))
    }
}
