//! Committed ports: proofs whose commitments can be linked, chains of them, and what a column that is blinded once gives away.

#[path = "support/openings.rs"]
mod openings;
#[path = "../../circuits/tests/support/mod.rs"]
mod support;
#[path = "../../circuits/tests/support/targets.rs"]
mod targets;

use circuits::graph::{ConvGeometry, Visibility};
use circuits::interface::port_rows;
use circuits::layout::{Fold, LayoutOptions, Objective};
use circuits::machine::Placement;
use circuits::reference;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::transcript::TranscriptWriterBuffer;
use openings::{concluded, is_explained, told};
use prover::engine::{CpuEngine, CpuOptions};
use prover::link::{commit, commitments, link, LinkError, Opened, Opening};
use prover::plonk::key::CircuitKey;
use prover::plonk::machine::{self, MachineWitness, OwnRows};
use prover::plonk::prove::{Job, PlonkError};
use prover::plonk::randomness::Randomness;
use prover::srs::Srs;
use prover::{Engine, EngineOptions, Plan, ProveError, ProveOptions, Proved, Prover, ProvingKey};
use support::ProgramBuilder;
use verifier::container::Bytes;
use verifier::encoding::POINT_BYTES;
use verifier::link::{
    verify_chain, Chain, ChainRefusal, CommittedTensor, Content, LinkedPort, LinkedSide, Member, Side,
};
use verifier::transcript::KeccakTranscript;
use verifier::{verify, Commitment, Digest, Link, LinkRefusal, Policy, Proof, Refusal, VerifyingKey};

/// dense 2 → 2, exact; committed in, public out. Takes what [`targets::committed`] gives.
fn second(weights: &[i32]) -> ProgramBuilder {
    let mut b = ProgramBuilder::new(17);
    let x = targets::input(&mut b, &[2, 1, 1], [-60, 60], Visibility::Committed);
    let y = targets::conv(&mut b, x, ConvGeometry::POINTWISE, weights, &[2, 1, 1], None);
    b.output(y, Visibility::Public);
    b
}

const INPUT: [i64; 3] = [3, -1, 2];

/// A program with its keys.
struct Model {
    key: ProvingKey,
    srs: Srs,
}

impl Model {
    fn new(builder: &ProgramBuilder, options: LayoutOptions) -> Self {
        let plan = Plan::new(builder.program.clone(), options).expect("the program has a layout");
        let srs = Srs::development(plan.k()).expect("a possible size");
        let (key, _) = plan.setup(&srs, &()).expect("the SRS fits");
        Self { key, srs }
    }

    fn prove(&self, input: &[i64]) -> Made<'_> {
        let prover = Prover::new(&self.key, &self.srs, &EngineOptions::default(), &()).expect("the SRS fits");
        let options = ProveOptions { check: true, ..ProveOptions::default() };
        let proved = prover.prove(&[input.to_vec()], &options, &()).expect("admissible");
        Made { model: self, file: proved.proof.to_file().expect("it is small"), proved }
    }

    fn verifying_key(&self) -> &VerifyingKey {
        self.key.verifying_key()
    }
}

/// A proof with its file.
struct Made<'a> {
    model: &'a Model,
    proved: Proved,
    file: Vec<u8>,
}

impl Made<'_> {
    fn member(&self) -> Member<'_> {
        Member { key: self.model.verifying_key(), file: &self.file }
    }

    fn side(&self, port: usize) -> Side {
        let side =
            Side::of_proof(self.model.verifying_key(), &self.proved.proof, port).expect("it is a proof of the key");
        side.expect("the port is committed")
    }

    fn opening(&self, port: u32) -> &Opening {
        &self.proved.openings.iter().find(|(index, _)| *index == port).expect("the port is committed").1
    }

    /// A link from a port to a port of another proof.
    fn link(&self, port: u32, to: &Made<'_>, to_port: u32) -> Result<Link, LinkError> {
        let sides = [self.side(port as usize), to.side(to_port as usize)];
        let from = Opened {
            port: LinkedPort { artifact: Digest::of(&self.file), port },
            side: &sides[0],
            opening: self.opening(port),
        };
        let to = Opened {
            port: LinkedPort { artifact: Digest::of(&to.file), port: to_port },
            side: &sides[1],
            opening: to.opening(to_port),
        };
        link(&self.model.srs, from, to)
    }
}

fn chain(members: &[&Made<'_>], commitments: &[Commitment], links: &[Link]) -> Result<Chain, ChainRefusal> {
    let members: Vec<_> = members.iter().map(|made| made.member()).collect();
    verify_chain(Policy::AcceptMarked, &members, commitments, &[], links)
}

fn on(k: u32) -> LayoutOptions {
    LayoutOptions { k: Some(k), ..LayoutOptions::default() }
}

/// Machines of all arrangements, on as many rows.
fn arrangements(k: u32) -> [LayoutOptions; 3] {
    let fold = |rows| LayoutOptions { units: Some(1), fold: Some(Fold::Rows(rows)), ..on(k) };
    [on(k), fold(4), LayoutOptions { objective: Objective::Gas, ..on(k) }]
}

#[test]
fn the_commitment_in_the_proof_is_to_the_port_in_its_fixed_place() {
    for options in arrangements(10) {
        let model = Model::new(&targets::committed(), options);
        let made = model.prove(&INPUT);
        let trace = reference::run(model.key.plan().program(), &[INPUT.to_vec()]).expect("admissible");
        let outputs = trace.outputs(model.key.plan().program());
        for (port, values) in [(0, &INPUT[..]), (1, &outputs[0])] {
            let opening = made.opening(port);
            assert_eq!(opening.values, values);
            assert_eq!(commitments(&model.srs, opening).expect("they fit"), made.side(port as usize).points());
        }
        let read = ProvingKey::from_file(&model.key.to_file().expect("it is small")).expect("it was just written");
        assert_eq!(read.verifying_key().file(), model.verifying_key().file());
        let statement = verify(model.verifying_key(), &made.proved.proof.public, &made.proved.proof).expect("true");
        assert!(statement.ports.iter().all(|port| port.commitment.is_some() && port.values.is_none()));
        assert_ne!(statement.ports[0].commitment, statement.ports[1].commitment);
        assert_eq!(
            statement.summary,
            "The prover knows \"input0\" (committed to in the proof, in range), such that the program, whose weights are \
             public in the key, gives \"output0\" (committed to in the proof)."
        );
        assert!(made.proved.proof.public.values.is_empty() && !format!("{:?}", made.proved).contains("values: [3"));
        assert!(Side::of_proof(model.verifying_key(), &made.proved.proof, 2).expect("a proof of the key").is_none());
    }
}

#[test]
fn ports_larger_than_a_column_take_several() {
    let elements = 2 * port_rows(6) + 3;
    let mut b = ProgramBuilder::new(18);
    let x = targets::input(&mut b, &[1, elements], [-4, 3], Visibility::Committed);
    let largest = b.node(circuits::graph::Op::Max { input: x }, &[1]);
    b.output(largest, Visibility::Public);
    let values: Vec<i64> = (0..elements as i64).map(|i| i * 5 % 8 - 4).collect();
    let model = Model::new(&b, LayoutOptions::default());
    let k = model.key.plan().k();
    let made = model.prove(&values);
    assert_eq!(made.side(0).points().len(), elements.div_ceil(port_rows(k)));
    let Content::Port { scale, kind, .. } = made.side(0).content() else { panic!("it is a port") };
    let tensor = CommittedTensor { shape: vec![elements], scale, kind };
    let (commitment, opening) = commit(&model.srs, tensor, &values).expect("they fit");
    let side = commitment.side();
    let from = Opened { port: LinkedPort { artifact: commitment.digest(), port: 0 }, side: &side, opening: &opening };
    let proof_side = made.side(0);
    let port = LinkedPort { artifact: Digest::of(&made.file), port: 0 };
    let to = Opened { port, side: &proof_side, opening: made.opening(0) };
    let linked = link(&model.srs, from, to).expect("the values are equal");
    let accepted = chain(&[&made], std::slice::from_ref(&commitment), std::slice::from_ref(&linked)).expect("true");
    assert_eq!(accepted.links[0][0], LinkedSide::Commitment(commitment.digest()));
    // Without the link nothing is said about the commitment.
    let refused = chain(&[&made], std::slice::from_ref(&commitment), &[]);
    assert!(matches!(refused, Err(ChainRefusal::UnusedCommitment { index: 0 })), "{refused:?}");
    // A commitment to other values is linked to no proof about these.
    let mut other = values;
    other[elements - 1] = -other[elements - 1].max(1);
    let another = model.prove(&other);
    let refused = chain(&[&another], &[commitment], &[linked]);
    assert!(matches!(refused, Err(ChainRefusal::UnknownSide { index: 0, .. })), "{refused:?}");
}

/// The output of one proof is the input of the next, whatever the machines.
#[test]
fn chains_are_verified() {
    let k = 10;
    let firsts = arrangements(k).map(|options| Model::new(&targets::committed(), options));
    let next = Model::new(&second(&[1, 2, 3, -1]), on(k));
    for model in &firsts {
        let first = model.prove(&INPUT);
        let second = next.prove(&first.opening(1).values);
        let link = first.link(1, &second, 0).expect("the values are equal");
        let accepted = chain(&[&first, &second], &[], std::slice::from_ref(&link)).expect("it is true");
        assert_eq!(accepted.links[0][0].to_string(), "output \"output0\" of proof 1");
        assert_eq!(accepted.links[0][1].to_string(), "input \"input0\" of proof 2");
        assert_eq!(accepted.statements.len(), 2);
        chain(&[&second, &first], &[], std::slice::from_ref(&link)).expect("in any order");

        // Another proof about the same values is not what the link speaks about.
        let again = next.prove(&first.opening(1).values);
        let refused = chain(&[&first, &again], &[], std::slice::from_ref(&link));
        assert!(matches!(refused, Err(ChainRefusal::UnknownSide { .. })), "{refused:?}");
        let renamed = Link { to: LinkedPort { artifact: Digest::of(&again.file), port: 0 }, ..link.clone() };
        let refused = chain(&[&first, &again], &[], &[renamed]);
        assert!(matches!(refused, Err(ChainRefusal::Link { refusal: LinkRefusal::Equation, .. })), "{refused:?}");
        // Nor is another port, or one that is not committed.
        let moved = Link { from: LinkedPort { port: 0, ..link.from }, ..link.clone() };
        let refused = chain(&[&first, &second], &[], &[moved]);
        assert!(
            matches!(refused, Err(ChainRefusal::Link { refusal: LinkRefusal::Elements { .. }, .. })),
            "{refused:?}"
        );
        for port in [1, 2, u32::MAX] {
            let moved = Link { to: LinkedPort { port, ..link.to }, ..link.clone() };
            let refused = chain(&[&first, &second], &[], &[moved]);
            assert!(matches!(refused, Err(ChainRefusal::NotCommitted { .. })), "{refused:?}");
        }
    }
    // The prover of the second program takes another input.
    let first = firsts[0].prove(&INPUT);
    let mut values = first.opening(1).values.clone();
    values[1] += 1;
    let other = next.prove(&values);
    assert!(matches!(first.link(1, &other, 0), Err(LinkError::Differ { index: 1 })));
    // The same proof under another key, and other public data.
    let second_ = next.prove(&first.opening(1).values);
    let link = first.link(1, &second_, 0).expect("the values are equal");
    let another = Model::new(&second(&[1, 2, 3, -2]), on(k));
    let members = [first.member(), Member { key: another.verifying_key(), file: &second_.file }];
    let refused = verify_chain(Policy::AcceptMarked, &members, &[], &[], std::slice::from_ref(&link));
    assert!(
        matches!(refused, Err(ChainRefusal::Proof { index: 1, refusal: Refusal::KeyDigest { .. } })),
        "{refused:?}"
    );
    let mut lying = second_.proved.proof.clone();
    lying.public.values[0][0] += 1;
    let file = lying.to_file().expect("it is small");
    let members = [first.member(), Member { key: next.verifying_key(), file: &file }];
    let renamed = Link { to: LinkedPort { artifact: Digest::of(&file), port: 0 }, ..link };
    let refused = verify_chain(Policy::AcceptMarked, &members, &[], &[], &[renamed]);
    assert!(matches!(refused, Err(ChainRefusal::Proof { index: 1, refusal: Refusal::Equation })), "{refused:?}");
    assert!(matches!(chain(&[], &[], &[]), Err(ChainRefusal::NoProof)));
}

/// What a link is bound to: the key, the public data, every word of the proof, and the port.
#[test]
fn contexts_hold_all_that_a_port_belongs_to() {
    let model = Model::new(&second(&[1, 2, 3, -1]), LayoutOptions::default());
    let made = model.prove(&[5, -7]);
    let context = *made.side(0).context();
    let with = |proof: Proof| {
        *Side::of_proof(model.verifying_key(), &proof, 0).expect("of its form").expect("there").context()
    };
    assert_eq!(with(made.proved.proof.clone()), context);
    let mut public = made.proved.proof.clone();
    public.public.values[0][1] += 1;
    assert_ne!(with(public), context);
    let mut words = made.proved.proof.words.0.clone();
    let last_scalar = words.len() - 2 * POINT_BYTES - 1;
    words[last_scalar] ^= 1;
    assert_ne!(with(Proof { words: Bytes(words), ..made.proved.proof.clone() }), context);
    let both = Model::new(&targets::committed(), LayoutOptions::default());
    let made = both.prove(&INPUT);
    assert_ne!(made.side(0).context(), made.side(1).context());
}

#[test]
fn machines_of_other_sizes_are_refused() {
    let [small, large] = [10, 11].map(|k| Model::new(&targets::committed(), on(k)));
    assert_eq!([small.key.plan().k(), large.key.plan().k()], [10, 11]);
    let [one, two] = [small.prove(&INPUT), large.prove(&INPUT)];
    let refused = one.link(0, &two, 0);
    assert!(matches!(refused, Err(LinkError::Refused(LinkRefusal::Domain { from: 10, to: 11 }))), "{refused:?}");
}

#[test]
fn the_stock_engine_opens_nothing() {
    let model = Model::new(&targets::committed(), LayoutOptions::default());
    let options = EngineOptions { engine: Engine::Stock, ..EngineOptions::default() };
    let refused = Prover::new(&model.key, &model.srs, &options, &());
    assert!(matches!(refused.err(), Some(ProveError::StockCommitments)));
}

// --- a column that is blinded once ----------------------------------------------------------------------------------

/// A program whose only secret is one value.
fn secretive() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(19);
    let x = targets::input(&mut b, &[1, 1, 1], [-128, 127], Visibility::Committed);
    let y = targets::conv(&mut b, x, ConvGeometry::POINTWISE, &[3], &[1, 1, 1], None);
    b.output(y, Visibility::Private);
    b
}

/// Proofs of one input, each with the blinding that is given for the column of the port.
struct Repeated {
    model: Model,
    secret: i64,
}

impl Repeated {
    fn prove(&self, seed: u8, tail: Vec<Fr>) -> Result<Vec<u8>, PlonkError> {
        let plan = self.model.key.plan();
        let engine = CpuEngine::new(self.model.srs.lagrange(), self.model.srs.powers()[1], CpuOptions::default());
        let (_, preprocessed) = machine::preprocess(plan.layout().skeleton()).expect("it is small");
        let key = CircuitKey::new(&engine, self.model.verifying_key().plonk(), preprocessed).expect("it fits");
        let trace = reference::run(plan.program(), &[vec![self.secret]]).expect("admissible");
        let assignment = plan.layout().assign(plan.program(), &trace, &[]);
        let column = Placement::new(&plan.layout().params()).port_column(0);
        let own = [(column, OwnRows { tail, known: None })].into();
        let mut witness = MachineWitness::new(assignment, own);
        let mut transcript: KeccakTranscript<_> = TranscriptWriterBuffer::init(Vec::new());
        let next_power = self.model.srs.next_power().expect("it has it");
        let job = Job { engine: &engine, key: &key, next_power, instances: &[&[]], check: true };
        let mut randomness = Randomness::new([seed; 32]);
        prover::plonk::prove::prove(&job, &mut witness, &mut randomness, &mut transcript, &mut ())?;
        Ok(transcript.finalize())
    }

    /// What a proof tells of the port's column.
    fn told(&self, words: &[u8]) -> (Fr, Fr) {
        let column = Placement::new(&self.model.verifying_key().description().params).port_column(0);
        told(self.model.verifying_key(), words, column)
    }
}

#[test]
fn a_column_blinded_once_gives_its_value_away_and_ours_does_not() {
    let model = Model::new(&secretive(), LayoutOptions::default());
    let params = model.verifying_key().description().params;
    let (k, blinded) = (params.k, params.blinded_rows());
    assert_eq!(blinded, 6);
    let repeated = Repeated { secret: -77, model };
    let expected = -Fr::from(77);
    let fixed = Randomness::new([99; 32]).elements(blinded);
    let proofs = blinded as u8 + 1;
    let naive: Vec<_> =
        (0..proofs).map(|seed| repeated.told(&repeated.prove(seed, fixed.clone()).expect("true"))).collect();
    assert_eq!(concluded(k, 0, blinded, &naive), Some(expected), "seven proofs give the value");
    for guess in [expected, Fr::from(5)] {
        assert!(is_explained(k, 0, blinded, &naive[..blinded], guess), "six do not");
    }

    let fresh: Vec<_> = (0..proofs)
        .map(|seed| {
            let tail = Randomness::new([100 + seed; 32]).elements(blinded);
            repeated.told(&repeated.prove(seed, tail).expect("true"))
        })
        .collect();
    assert_ne!(concluded(k, 0, blinded, &fresh), Some(expected));

    // And that is how the prover does it: no two proofs share a blinding.
    let [one, two] = [0, 1].map(|_| repeated.model.prove(&[-77]));
    let [one, two] = [&one, &two].map(|made| &made.opening(0).blinding[0]);
    assert!(one.len() == blinded && one.iter().all(|element| !two.contains(element)));
    // A blinding that is too short is none.
    let short = repeated.prove(1, fixed[1..].to_vec());
    assert!(matches!(short, Err(PlonkError::WitnessForm { .. })), "{short:?}");
}
