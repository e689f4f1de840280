//! Proofs about registered weights, and the ways in which they are not.

#[path = "support/openings.rs"]
mod openings;
#[path = "../../circuits/tests/support/mod.rs"]
mod support;
#[path = "../../circuits/tests/support/targets.rs"]
mod targets;

use circuits::graph::{ConvGeometry, Op, Program, Visibility};
use circuits::layout::{Fold, LayoutOptions};
use circuits::machine::{Integers, Placement};
use circuits::reference;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::transcript::TranscriptWriterBuffer;
use openings::{concluded, is_explained, told};
use prover::engine::{CpuEngine, CpuOptions};
use prover::link::{link, LinkError, Opened, Opening};
use prover::plonk::key::CircuitKey;
use prover::plonk::machine::{self, MachineWitness, OwnRows};
use prover::plonk::prove::{Job, Round};
use prover::plonk::randomness::Randomness;
use prover::registration::{register, RegisteredWeights};
use prover::srs::Srs;
use prover::{Engine, EngineOptions, Plan, ProveError, ProveOptions, Proved, Prover, ProvingKey};
use support::ProgramBuilder;
use verifier::link::{
    verify_chain, verify_model, ChainRefusal, LinkedPort, LinkedSide, Member, Model as Registered, ModelRefusal, Side,
};
use verifier::registration::RegistrationTerms;
use verifier::statement::WeightsStatement;
use verifier::transcript::KeccakTranscript;
use verifier::{Digest, Link, LinkRefusal, Policy, Registration, RegistrationError, Statement};

/// A model with private weights: its key and SRS.
struct Model {
    key: ProvingKey,
    srs: Srs,
    inputs: Vec<Vec<i64>>,
}

impl Model {
    fn new(mut builder: ProgramBuilder, options: LayoutOptions) -> Self {
        let inputs = builder.inputs();
        Self::of(builder.program.with_private_weights().expect("no number is too large"), inputs, options)
    }

    fn of(program: Program, inputs: Vec<Vec<i64>>, options: LayoutOptions) -> Self {
        let plan = Plan::new(program, options).expect("the program has a layout");
        let srs = Srs::development(plan.k()).expect("a possible size");
        let (key, _) = plan.setup(&srs, &()).expect("the SRS fits");
        Self { key, srs, inputs }
    }

    /// The model trained further: every weight halved, under the same key.
    fn tuned(&self) -> Self {
        let mut other = self.key.plan().program().clone();
        for tensor in self.key.plan().program().private_weights.keys() {
            if let Op::Conv { weights, .. } = &mut other.nodes[tensor.0 as usize].op {
                *weights = weights.iter().map(|weight| weight / 2).collect();
            }
        }
        let key = self.key.with_weights_of(&other).expect("it is of the family");
        assert_eq!(key.verifying_key().file(), self.key.verifying_key().file());
        Self { key, srs: self.srs.clone(), inputs: self.inputs.clone() }
    }

    fn columns(&self) -> Vec<Integers> {
        self.key.plan().layout().weight_columns(self.key.plan().program())
    }

    fn register(&self, name: &str) -> RegisteredWeights {
        register(&self.srs, name, &self.columns(), &|_| ()).expect("they are in range")
    }

    fn prover(&self) -> Prover<'_> {
        Prover::new(&self.key, &self.srs, &EngineOptions::default(), &()).expect("the SRS fits")
    }

    fn prove(&self, weights: Option<&RegisteredWeights>) -> Made {
        let mut prover = self.prover();
        if let Some(weights) = weights {
            prover = prover.with_weights(weights.clone()).expect("they are of this model");
        }
        let options = ProveOptions { check: true, ..ProveOptions::default() };
        let proved = prover.prove(&self.inputs, &options, &()).expect("admissible");
        Made { file: proved.proof.to_file().expect("it is small"), proved }
    }

    fn verdict(&self, made: &Made, registration: &Registration, link: &Link) -> Result<Statement, ModelRefusal> {
        let model = Registered { registration, link };
        verify_model(Policy::AcceptMarked, self.key.verifying_key(), None, &made.file, model)
    }
}

/// A proof with its file.
struct Made {
    proved: Proved,
    file: Vec<u8>,
}

impl Made {
    fn link(&self) -> &Link {
        self.proved.link.as_ref().expect("the weights are registered")
    }
}

fn folded() -> LayoutOptions {
    LayoutOptions { units: Some(1), fold: Some(Fold::Rows(4)), ..LayoutOptions::default() }
}

/// Additions of points that the commitments of the first phase take.
fn additions(made: &Made) -> u64 {
    let rounds = made.proved.report.rounds.iter();
    rounds.filter(|report| report.round == Round::Advice(0)).map(|report| report.work.additions).sum()
}

#[test]
fn proofs_are_about_the_registered_weights() {
    for options in [LayoutOptions::default(), folded()] {
        let model = Model::new(support::cnn(2), options);
        let weights = model.register("digits");
        let registration = weights.registration();
        let made = model.prove(Some(&weights));
        let statement = model.verdict(&made, registration, made.link()).expect("it is true");
        let expected = WeightsStatement::Registered { name: "digits".into(), registration: registration.digest() };
        assert_eq!(statement.weights, expected);
        assert!(
            statement.summary.contains("the weights of the model registered as \"digits\""),
            "{}",
            statement.summary
        );
        let alone = verifier::verify_file(Policy::AcceptMarked, model.key.verifying_key(), &made.file);
        assert_eq!(alone.expect("it is true").weights, WeightsStatement::Private);
        // The other way round.
        let turned = Link { from: made.link().to, to: made.link().from, ..made.link().clone() };
        assert!(matches!(model.verdict(&made, registration, &turned), Err(ModelRefusal::Link(LinkRefusal::Equation))));

        // No sum over weights: a sum over integers of one or two bytes takes an addition for each byte.
        let unregistered = model.prove(None);
        assert!(unregistered.proved.link.is_none());
        let saved = additions(&unregistered) - additions(&made);
        let rows: usize = model.columns().iter().map(Integers::len).sum();
        assert!(saved >= rows as u64, "{saved} additions for {rows} rows");

        // The registration serves the model trained further as little as its link; its own does.
        let tuned = model.tuned();
        let refused = tuned.prover().with_weights(weights.clone()).map(|_| ());
        assert!(
            matches!(refused, Err(ProveError::OtherWeights { registration: found }) if found == registration.digest())
        );
        let own = tuned.register("digits, May");
        let made = tuned.prove(Some(&own));
        model.verdict(&made, own.registration(), made.link()).expect("the old key judges the new model");
    }
}

#[test]
fn other_proofs_registrations_and_links_are_refused() {
    let model = Model::new(support::mlp(1), LayoutOptions::default());
    let tuned = model.tuned();
    let [first, second] = [model.register("first"), tuned.register("second")];
    let [made, other] = [model.prove(Some(&first)), tuned.prove(Some(&second))];
    let again = model.prove(Some(&first));
    let renamed = |link: &Link, registration: &Registration, made: &Made| Link {
        from: LinkedPort::weights(registration.digest()),
        to: LinkedPort::weights(Digest::of(&made.file)),
        ..link.clone()
    };
    for (proof, registration, link) in [
        // The weights are other ones than those of the registration.
        (&other, first.registration(), other.link()),
        // The link of another proof of the same weights.
        (&again, first.registration(), made.link()),
        (&made, second.registration(), made.link()),
    ] {
        let refused = model.verdict(proof, registration, link);
        assert!(matches!(refused, Err(ModelRefusal::OtherLink)), "{refused:?}");
        let refused = model.verdict(proof, registration, &renamed(link, registration, proof));
        assert!(matches!(refused, Err(ModelRefusal::Link(LinkRefusal::Equation))), "{refused:?}");
    }
    // The same weights registered twice are two registrations.
    let twice = model.register("first");
    let refused = model.verdict(&made, twice.registration(), &renamed(made.link(), twice.registration(), &made));
    assert!(matches!(refused, Err(ModelRefusal::Link(LinkRefusal::Equation))), "{refused:?}");
    // A damaged link, and a registration of fewer columns.
    let mut words = made.link().words.clone();
    words.0[9] ^= 1;
    assert!(model.verdict(&made, first.registration(), &Link { words, ..made.link().clone() }).is_err());
    let columns = model.columns();
    let fewer = register(&model.srs, "fewer", &columns[1..], &|_| ()).expect("they are in range");
    let refused = model.verdict(&made, fewer.registration(), &renamed(made.link(), fewer.registration(), &made));
    assert!(matches!(refused, Err(ModelRefusal::Link(LinkRefusal::Columns { .. }))), "{refused:?}");
    // On other rows.
    let larger = Srs::development(model.srs.k() + 1).expect("a possible size");
    let elsewhere = register(&larger, "larger", &columns, &|_| ()).expect("they are in range");
    let refused =
        model.verdict(&made, elsewhere.registration(), &renamed(made.link(), elsewhere.registration(), &made));
    assert!(matches!(refused, Err(ModelRefusal::Link(LinkRefusal::Domain { .. }))), "{refused:?}");
    let refused = model.prover().with_weights(elsewhere).map(|_| ());
    assert!(matches!(refused, Err(ProveError::OtherWeights { .. })));
    // A registration whose proofs are another's.
    let forged = forged(first.registration());
    let refused = model.verdict(&made, &forged, &renamed(made.link(), &forged, &made));
    assert!(
        matches!(refused, Err(ModelRefusal::Registration(RegistrationError::Equation { index: 0 }))),
        "{refused:?}"
    );
}

/// The same commitments under another name.
fn forged(registration: &Registration) -> Registration {
    use verifier::container::{frame, unframe, Kind};
    let payload = unframe(Kind::Registration, registration.file()).expect("it is whole");
    let RegistrationTerms { name, .. } = registration.terms();
    let at = payload.windows(name.len()).position(|window| window == name.as_bytes()).expect("the name is there");
    let mut payload = payload.to_vec();
    payload[at] = b'F';
    Registration::from_file(frame(Kind::Registration, &payload).expect("it is small")).expect("the form is the same")
}

#[test]
fn public_weights_and_the_stock_engine_are_refused() {
    let model = Model::new(support::mlp(1), LayoutOptions::default());
    let weights = model.register("first");
    let made = model.prove(Some(&weights));
    let mut builder = support::mlp(1);
    let inputs = builder.inputs();
    let public = Model::of(builder.program, inputs, LayoutOptions::default());
    assert!(matches!(public.prover().with_weights(weights.clone()).map(|_| ()), Err(ProveError::PublicWeights)));
    let plain = public.prove(None);
    let refused = public.verdict(&plain, weights.registration(), made.link());
    assert!(matches!(refused, Err(ModelRefusal::PublicWeights)), "{refused:?}");
    assert!(Side::of_weights(public.key.verifying_key(), &plain.proved.proof).expect("its form is right").is_none());
    let stock = EngineOptions { engine: Engine::Stock, ..EngineOptions::default() };
    let prover = Prover::new(&model.key, &model.srs, &stock, &()).expect("the SRS fits");
    assert!(matches!(prover.with_weights(weights).map(|_| ()), Err(ProveError::StockCommitments)));
}

#[test]
fn weights_take_part_in_chains() {
    let model = Model::new(support::mlp(1), LayoutOptions::default());
    let weights = model.register("first");
    let registration = weights.registration().clone();
    let made = model.prove(Some(&weights));
    let unregistered = model.prove(None);
    let key = model.key.verifying_key();
    let members = [&unregistered, &made].map(|made| Member { key, file: &made.file });
    let links = [made.link().clone()];
    let chain = verify_chain(Policy::AcceptMarked, &members, &[], std::slice::from_ref(&registration), &links);
    let chain = chain.expect("it is true");
    assert_eq!(chain.statements[0].weights, WeightsStatement::Private);
    assert!(matches!(&chain.statements[1].weights, WeightsStatement::Registered { name, .. } if name == "first"));
    let registered = LinkedSide::Registration { name: "first".into(), digest: registration.digest() };
    assert_eq!(chain.links, [[registered, LinkedSide::Weights { proof: 1 }]]);
    let refused = verify_chain(Policy::AcceptMarked, &members, &[], &[], &links);
    assert!(matches!(refused, Err(ChainRefusal::UnknownSide { index: 0, .. })), "{refused:?}");
    let refused = verify_chain(Policy::AcceptMarked, &members, &[], &[forged(&registration)], &links);
    assert!(matches!(refused, Err(ChainRefusal::Registration { index: 0, .. })), "{refused:?}");
    let port = Link { from: LinkedPort { port: 0, ..made.link().from }, ..made.link().clone() };
    let refused = verify_chain(Policy::AcceptMarked, &members, &[], &[registration], &[port]);
    assert!(matches!(refused, Err(ChainRefusal::NotCommitted { index: 0, port: 0, .. })), "{refused:?}");
}

/// A registration says something about a chain where a link ties it to the weights of a proof, and not by being at hand.
#[test]
fn registrations_that_no_link_ties_to_a_proof_are_refused() {
    let b = targets::committed();
    let inputs = vec![vec![3, -1, 2]];
    let model = Model::of(b.program.with_private_weights().expect("small numbers"), inputs, LayoutOptions::default());
    let [used, other] = ["used", "other"].map(|name| model.register(name));
    let [made, again] = [model.prove(Some(&used)), model.prove(None)];
    let [used, other] = [used.registration().clone(), other.registration().clone()];
    let key = model.key.verifying_key();
    let judge = |proofs: &[&Made], registrations: &[&Registration], links: &[&Link]| {
        let members: Vec<_> = proofs.iter().map(|made| Member { key, file: &made.file }).collect();
        let registrations: Vec<_> = registrations.iter().copied().cloned().collect();
        let links: Vec<_> = links.iter().copied().cloned().collect();
        verify_chain(Policy::AcceptMarked, &members, &[], &registrations, &links)
    };
    let unused = |verdict| match verdict {
        Err(ChainRefusal::UnusedRegistration { index }) => index,
        other => panic!("{other:?}"),
    };
    // One proof and two models, two proofs and a model, and no link at all.
    assert_eq!(unused(judge(&[&made], &[&used, &other], &[])), 0);
    assert_eq!(unused(judge(&[&made, &again], &[&used], &[])), 0);
    // A link to another registration, and one that is between ports.
    assert_eq!(unused(judge(&[&made], &[&used, &other], &[made.link()])), 1);
    let [first, second] = [&made, &again].map(|made| {
        let side = Side::of_proof(key, &made.proved.proof, 0).expect("its form is right").expect("it is committed");
        (LinkedPort { artifact: Digest::of(&made.file), port: 0 }, side, &made.proved.openings[0].1)
    });
    let [from, to] = [&first, &second].map(|(port, side, opening)| Opened { port: *port, side, opening });
    let ports = link(&model.srs, from, to).expect("the inputs are the same");
    assert_eq!(unused(judge(&[&made, &again], &[&used], &[&ports])), 0);

    // The second proof may have any weights, which the one who asks for registered ones refuses.
    let mixed = judge(&[&made, &again], &[&used], &[&ports, made.link()]).expect("it is true");
    let refused = mixed.require_registered();
    assert!(matches!(refused, Err(ChainRefusal::UnregisteredWeights { index: 1 })), "{refused:?}");
    judge(&[&made], &[&used], &[made.link()]).expect("it is true").require_registered().expect("all are");
    judge(&[&made, &again], &[], &[&ports]).expect("no model is named");
}

/// Weights are compared with weights.
#[test]
fn ports_are_not_weights() {
    let b = targets::committed();
    let inputs = vec![vec![3, -1, 2]];
    let model = Model::of(b.program.with_private_weights().expect("small numbers"), inputs, LayoutOptions::default());
    let weights = model.register("first");
    let made = model.prove(Some(&weights));
    let port = Side::of_proof(model.key.verifying_key(), &made.proved.proof, 0).expect("its form is right");
    let (port, registered) = (port.expect("it is committed"), Side::of_registration(weights.registration()));
    let refused = made.link().verify(model.srs.mark(), &registered, &port);
    assert!(matches!(refused, Err(LinkRefusal::Content)), "{refused:?}");
    let opening = Opening { values: Vec::new(), blinding: weights.blinding().to_vec().into() };
    let name = LinkedPort::weights(weights.registration().digest());
    let opened = Opened { port: name, side: &registered, opening: &opening };
    assert!(matches!(link(&model.srs, opened, opened), Err(LinkError::Opening)));
}

/// A program whose only secret is one weight.
fn secretive(weight: i32) -> ProgramBuilder {
    let mut b = ProgramBuilder::new(19);
    let x = targets::input(&mut b, &[1, 1, 1], [-128, 127], Visibility::Private);
    let y = targets::conv(&mut b, x, ConvGeometry::POINTWISE, &[weight], &[1, 1, 1], None);
    b.output(y, Visibility::Private);
    b
}

#[test]
fn a_weight_column_blinded_once_gives_its_weights_away() {
    let secret = -77;
    let model = Model::new(secretive(secret), LayoutOptions::default());
    let params = model.key.verifying_key().description().params;
    let (k, blinded) = (params.k, params.blinded_rows());
    let (place, row) = {
        let columns = model.columns();
        let filled: Vec<_> = columns
            .iter()
            .enumerate()
            .flat_map(|(place, cells)| cells.iter().enumerate().map(move |(row, weight)| (place, row, weight)))
            .filter(|(.., weight)| *weight != 0)
            .collect();
        let &[(place, row, weight)] = &filled[..] else { panic!("there is one weight") };
        assert_eq!(weight, i64::from(secret));
        (place, row as u64)
    };
    let column = Placement::new(&params).weight_columns().start + place;
    let weights = model.register("secret");
    let prove = |seed: u8, tail: Vec<Fr>| {
        let plan = model.key.plan();
        let engine = CpuEngine::new(model.srs.lagrange(), model.srs.powers()[1], CpuOptions::default());
        let (_, preprocessed) = machine::preprocess(plan.layout().skeleton()).expect("it is small");
        let key = CircuitKey::new(&engine, model.key.verifying_key().plonk(), preprocessed).expect("it fits");
        let trace = reference::run(plan.program(), &model.inputs).expect("admissible");
        let assignment = plan.layout().assign(plan.program(), &trace, &[]);
        let known = weights.known().nth(place);
        let own = [(column, OwnRows { tail, known })].into();
        let mut witness = MachineWitness::new(assignment, own);
        let mut transcript: KeccakTranscript<_> = TranscriptWriterBuffer::init(Vec::new());
        let next_power = model.srs.next_power().expect("it has it");
        let job = Job { engine: &engine, key: &key, next_power, instances: &[&[]], check: true };
        let mut randomness = Randomness::new([seed; 32]);
        prover::plonk::prove::prove(&job, &mut witness, &mut randomness, &mut transcript, &mut ()).expect("true");
        told(model.key.verifying_key(), &transcript.finalize(), column)
    };
    let expected = -Fr::from(77);
    let fixed = weights.blinding()[place].clone();
    let proofs = blinded as u8 + 1;
    // The registered commitment itself, used in every proof.
    let naive: Vec<_> = (0..proofs).map(|seed| prove(seed, fixed.clone())).collect();
    assert_eq!(concluded(k, row, blinded, &naive), Some(expected), "seven proofs give the weight");
    for guess in [expected, Fr::from(5)] {
        assert!(is_explained(k, row, blinded, &naive[..blinded], guess), "six do not");
    }
    let fresh: Vec<_> =
        (0..proofs).map(|seed| prove(seed, Randomness::new([100 + seed; 32]).elements(blinded))).collect();
    assert_ne!(concluded(k, row, blinded, &fresh), Some(expected));
    // And that is how the prover does it: no two proofs share a commitment.
    let [one, two] = [0, 1].map(|_| model.prove(Some(&weights)));
    let points = |made: &Made| {
        let side = Side::of_weights(model.key.verifying_key(), &made.proved.proof).expect("its form is right");
        side.expect("its weights are private").points().to_vec()
    };
    let registered = weights.registration().points();
    for (one, (two, registered)) in points(&one).iter().zip(points(&two).iter().zip(registered)) {
        assert!(one != two && one != registered && two != registered);
    }
    assert_ne!(fixed[0], Fr::ZERO);
}
