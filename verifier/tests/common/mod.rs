//! A small circuit that stands in for the machine: two phases, a challenge, copies, one instance column. It shows
//! `y = 2·a + 3·b + 5·c` for public `a`, `b`, `y` and private `c`.

// Each test file uses a part of this module.
#![allow(dead_code)]

use circuits::graph::{PortKind, Visibility};
use circuits::interface::{Direction, Interface, InterfacePort};
use circuits::machine::MachineParams;
use halo2_proofs::circuit::{Layouter, SimpleFloorPlanner, Value};
use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine, G2Affine};
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::halo2curves::group::Curve;
use halo2_proofs::plonk::{
    create_proof, keygen_pk, keygen_vk, Advice, Challenge, Circuit, Column, ConstraintSystem, Error, FirstPhase, Fixed,
    Instance, ProvingKey, SecondPhase,
};
use halo2_proofs::poly::commitment::ParamsProver;
use halo2_proofs::poly::kzg::commitment::{KZGCommitmentScheme, ParamsKZG};
use halo2_proofs::poly::kzg::multiopen::ProverSHPLONK;
use halo2_proofs::poly::Rotation;
use halo2_proofs::transcript::TranscriptWriterBuffer;
use rand_core::SeedableRng;
use verifier::container::Bytes;
use verifier::key::KeyDescription;
use verifier::srs::{development_tau, SrsMark, SrsOrigin};
use verifier::transcript::KeccakTranscript;
use verifier::{Digest, Proof, PublicData, Randomness, VerifyingKey};

/// The smallest member of the machine's family: the stand-in reads `k` alone.
pub(crate) fn params() -> MachineParams {
    MachineParams { k: 5, units: 1, weights: 1, tables: 1, ..MachineParams::default() }
}

#[derive(Clone, Debug)]
pub(crate) struct Config {
    values: Column<Advice>,
    sums: Column<Advice>,
    folds: Column<Advice>,
    weights: Column<Fixed>,
    public: Column<Fixed>,
    start: Column<Fixed>,
    step: Column<Fixed>,
    instance: Column<Instance>,
    challenge: Challenge,
}

/// The weights in the order `a, b, y, c`.
pub(crate) type Weights = [u64; 4];
pub(crate) const WEIGHTS: Weights = [2, 3, 0, 5];

#[derive(Clone, Default)]
pub(crate) struct StandIn {
    pub(crate) weights: Weights,
    /// `a, b, c`.
    pub(crate) inputs: Option<[u64; 3]>,
}

impl Circuit<Fr> for StandIn {
    type Config = Config;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = MachineParams;

    fn params(&self) -> MachineParams {
        params()
    }

    fn without_witnesses(&self) -> Self {
        Self { inputs: None, ..self.clone() }
    }

    fn configure(system: &mut ConstraintSystem<Fr>) -> Config {
        let config = Config {
            values: system.advice_column_in(FirstPhase),
            sums: system.advice_column_in(FirstPhase),
            challenge: system.challenge_usable_after(FirstPhase),
            folds: system.advice_column_in(SecondPhase),
            weights: system.fixed_column(),
            public: system.fixed_column(),
            start: system.fixed_column(),
            step: system.fixed_column(),
            instance: system.instance_column(),
        };
        system.enable_equality(config.values);
        system.enable_equality(config.sums);
        let Config { values, sums, folds, weights, public, start, step, instance, challenge } = config;
        system.create_gate("public values", |cells| {
            let difference =
                cells.query_advice(values, Rotation::cur()) - cells.query_instance(instance, Rotation::cur());
            [cells.query_fixed(public, Rotation::cur()) * difference]
        });
        system.create_gate("weighted sum", |cells| {
            let term = cells.query_fixed(weights, Rotation::cur()) * cells.query_advice(values, Rotation::cur());
            let [now, next] = [Rotation::cur(), Rotation::next()].map(|at| cells.query_advice(sums, at));
            let start = cells.query_fixed(start, Rotation::cur());
            [start * now.clone(), cells.query_fixed(step, Rotation::cur()) * (next - now - term)]
        });
        system.create_gate("fold", |cells| {
            let value = cells.query_advice(values, Rotation::cur());
            let [now, next] = [Rotation::cur(), Rotation::next()].map(|at| cells.query_advice(folds, at));
            let start = cells.query_fixed(start, Rotation::cur());
            let folded = now.clone() * cells.query_challenge(challenge) + value;
            [start * now, cells.query_fixed(step, Rotation::cur()) * (next - folded)]
        });
        config
    }

    fn synthesize(&self, config: Config, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        let inputs = self.inputs.map(|inputs| inputs.map(Fr::from));
        let weights = self.weights.map(Fr::from);
        let values = inputs.map(|[a, b, c]| [a, b, a * weights[0] + b * weights[1] + c * weights[3], c]);
        layouter.assign_region(
            || "values and sums",
            |mut region| {
                for row in 0..3 {
                    region.assign_fixed(config.public, row, Fr::ONE);
                }
                region.assign_fixed(config.start, 0, Fr::ONE);
                let mut sum = values.map(|_| Fr::ZERO);
                region.assign_advice(config.sums, 0, value(sum));
                let (mut result, mut total) = (None, None);
                for row in 0..4 {
                    region.assign_fixed(config.step, row, Fr::ONE);
                    region.assign_fixed(config.weights, row, weights[row]);
                    let cell = region.assign_advice(config.values, row, value(values.map(|v| v[row])));
                    sum = sum.zip(values).map(|(sum, v)| sum + weights[row] * v[row]);
                    let next = region.assign_advice(config.sums, row + 1, value(sum));
                    result = if row == 2 { Some(cell.cell()) } else { result };
                    total = Some(next.cell());
                }
                region.constrain_equal(result.expect("row 2 was assigned"), total.expect("the last row was assigned"));
                Ok(())
            },
        )?;
        layouter.next_phase();
        let challenge = layouter.get_challenge(config.challenge);
        layouter.assign_region(
            || "folds",
            |mut region| {
                let mut fold = Value::known(Fr::ZERO);
                region.assign_advice(config.folds, 0, fold);
                for row in 0..4 {
                    fold = fold * challenge + value(values.map(|v| v[row]));
                    region.assign_advice(config.folds, row + 1, fold);
                }
                Ok(())
            },
        )
    }
}

fn value(value: Option<Fr>) -> Value<Fr> {
    value.map_or(Value::unknown(), Value::known)
}

pub(crate) fn port(name: &str, direction: Direction, visibility: Visibility, hi: i64) -> InterfacePort {
    InterfacePort {
        name: name.into(),
        direction,
        shape: vec![1],
        scale: 0.5,
        kind: PortKind::Real,
        visibility,
        lo: 0,
        hi,
    }
}

pub(crate) fn interface() -> Interface {
    use {Direction::*, Visibility::*};
    Interface {
        ports: vec![
            port("a", Input, Public, 100),
            port("b", Input, Public, 100),
            port("c", Input, Private, 100),
            port("y", Output, Public, 1000),
        ],
    }
}

/// The public values that go with `inputs`.
pub(crate) fn public([a, b, c]: [u64; 3]) -> PublicData {
    PublicData { values: [a, b, 2 * a + 3 * b + 5 * c].map(|value| vec![value as i64]).to_vec(), digests: vec![] }
}

/// An SRS of `2^k` powers whose `τ` is known.
pub(crate) fn srs(k: u32, tau: Fr) -> ParamsKZG<Bn256> {
    let powers = std::iter::successors(Some(Fr::ONE), |power| Some(power * tau));
    let g: Vec<_> = powers.take(1 << k).map(|power| (G1Affine::generator() * power).to_affine()).collect();
    let tau_g2 = (G2Affine::generator() * tau).to_affine();
    ParamsKZG::new(0).from_parts(k, g, None, G2Affine::generator(), tau_g2)
}

/// Keys and proofs of the stand-in.
pub(crate) struct Fixture {
    pub(crate) srs: ParamsKZG<Bn256>,
    pub(crate) plonk: ProvingKey<G1Affine>,
    pub(crate) key: VerifyingKey,
    pub(crate) weights: Weights,
}

impl Fixture {
    pub(crate) fn new(weights: Weights, origin: SrsOrigin) -> Self {
        let tau = match origin {
            SrsOrigin::Development => development_tau(),
            SrsOrigin::Imported => Fr::from(0x5eed),
        };
        let srs = srs(params().k, tau);
        let circuit = StandIn { weights, inputs: None };
        let vk = keygen_vk(&srs, &circuit).expect("the circuit fits");
        let description = KeyDescription {
            params: params(),
            model: "stand-in".into(),
            source: Digest::of(b"model"),
            program: Digest::of(b"program"),
            interface: interface(),
            srs: SrsMark::new(origin, srs.s_g2()).expect("the origin is right"),
        };
        let key = VerifyingKey::assemble_for::<StandIn>(
            description,
            vk.fixed_commitments().clone(),
            vk.permutation().commitments().clone(),
        )
        .expect("the parts go together");
        let plonk = keygen_pk(&srs, vk, &circuit).expect("the circuit fits");
        Self { srs, plonk, key, weights }
    }

    /// A proof for `inputs` that claims `public`.
    pub(crate) fn prove_claiming(&self, inputs: [u64; 3], public: PublicData) -> Proof {
        let circuit = StandIn { weights: self.weights, inputs: Some(inputs) };
        let instances = self.key.interface().pack(&public).expect("in range");
        let mut transcript = KeccakTranscript::init(Vec::new());
        create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<Bn256>, _, _, _, _>(
            &self.srs,
            &self.plonk,
            &[circuit],
            &[&[&instances]],
            rand_chacha::ChaCha20Rng::from_seed([7; 32]),
            &mut transcript,
        )
        .expect("the witness is complete");
        Proof { key: self.key.digest(), public, randomness: Randomness::Seeded, words: Bytes(transcript.finalize()) }
    }

    /// A true proof.
    pub(crate) fn prove(&self, inputs: [u64; 3]) -> Proof {
        self.prove_claiming(inputs, public(inputs))
    }
}
