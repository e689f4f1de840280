//! The link verifier's contract in an in-process EVM, against the native one: the same verdict on every link, true or not.

#[path = "../../circuits/tests/support/mod.rs"]
mod support;
#[path = "../../circuits/tests/support/targets.rs"]
mod targets;
#[path = "support/words.rs"]
mod words;

use std::sync::LazyLock;

use circuits::graph::{ConvGeometry, PortKind, Visibility};
use circuits::layout::{Fold, LayoutOptions, Objective};
use evm::{Chain, Outcome};
use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1Affine, G2Affine, G1};
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::halo2curves::group::{Curve, Group};
use prover::link::{blinding_bases, commit, link, Opened, Opening};
use prover::registration::register;
use prover::srs::Srs;
use prover::{EngineOptions, Plan, ProveOptions, Proved, Prover, ProvingKey};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use support::ProgramBuilder;
use verifier::container::Bytes;
use verifier::encoding::{encode_point, encode_scalar, POINT_BYTES, SCALAR_BYTES};
use verifier::evm::link::{bases_of, certify_bases, verify_link};
use verifier::evm::{link_verifier_contract, EvmAddress, MAX_CODE_BYTES};
use verifier::link::{blinded_rows, CommittedTensor, LinkProof, LinkTranscript, LinkedPort, Side};
use verifier::srs::{SrsMark, SrsOrigin};
use verifier::{Commitment, Digest, Link, Registration};
use words::plus;

/// Rows of all sides.
const K: u32 = 10;
/// The blinded rows of commitments and of parallel machines.
const ROWS: usize = 6;

fn srs() -> &'static Srs {
    static SRS: LazyLock<Srs> = LazyLock::new(|| Srs::development(K).expect("a possible size"));
    &SRS
}

/// The link verifier on a chain of its own.
struct Judge {
    chain: Chain,
    contract: EvmAddress,
    deploy_gas: u64,
}

impl Judge {
    fn new() -> Self {
        let mut chain = Chain::new();
        let (contract, deploy_gas) = chain.deploy(&link_verifier_contract().creation_code).expect("it is deployed");
        Self { chain, contract, deploy_gas }
    }

    fn judge(&mut self, linked: &Linked) -> Outcome {
        let call = verify_link(srs().mark(), &linked.from, &linked.to, &linked.link).expect("no point is at infinity");
        self.chain.call(self.contract, &call)
    }

    /// Both verdicts, which are one.
    fn agreed(&mut self, linked: &Linked, what: &str) -> bool {
        let native = linked.link.verify(srs().mark(), &linked.from, &linked.to).is_ok();
        assert_eq!(self.judge(linked).boolean(), Some(native), "{what}");
        native
    }

    fn refuse(&mut self, linked: &Linked, what: &str) {
        assert!(!self.agreed(linked, what), "{what} is accepted");
    }

    /// Certifies the bases of a link.
    fn certify(&mut self, linked: &Linked) -> Outcome {
        let bases = bases_of(&linked.link, blinded_rows(&linked.from, &linked.to));
        let call = certify_bases(srs().mark(), linked.from.k(), bases).expect("the SRS has points");
        self.chain.send(self.contract, &call)
    }
}

/// A link with its sides.
#[derive(Clone)]
struct Linked {
    from: Side,
    to: Side,
    link: Link,
}

impl Linked {
    /// With other words.
    fn with(&self, words: Vec<u8>) -> Self {
        Self { link: Link { words: Bytes(words), ..self.link.clone() }, ..self.clone() }
    }

    fn words(&self) -> &[u8] {
        &self.link.words.0
    }

    /// Where the points of the link start, and where its scalars do.
    fn starts(&self) -> [Vec<usize>; 2] {
        let rows = blinded_rows(&self.from, &self.to);
        let scalars = (rows + 2) * POINT_BYTES;
        let starts = |first: usize, count: usize, size: usize| (0..count).map(|index| first + index * size).collect();
        [starts(0, rows + 2, POINT_BYTES), starts(scalars, rows, SCALAR_BYTES)]
    }
}

fn tensor() -> CommittedTensor {
    CommittedTensor { shape: vec![10, 100], scale: 0.25, kind: PortKind::Real }
}

/// As many values as take two columns.
fn values() -> Vec<i64> {
    (0..1000).map(|i| i * i % 37 - 18).collect()
}

fn committed(tensor: CommittedTensor, values: &[i64]) -> (Commitment, Opening) {
    commit(srs(), tensor, values).expect("they fit")
}

/// Two commitments to the same values.
fn commitments() -> Linked {
    let [(one, first), (two, second)] = [(); 2].map(|()| committed(tensor(), &values()));
    let (from, to) = (one.side(), two.side());
    let port = |of: &Commitment| LinkedPort { artifact: of.digest(), port: 0 };
    let link = link(
        srs(),
        Opened { port: port(&one), side: &from, opening: &first },
        Opened { port: port(&two), side: &to, opening: &second },
    );
    Linked { from, to, link: link.expect("the values are equal") }
}

/// A key for proofs of a program on [`K`] rows.
fn key(builder: &ProgramBuilder, private_weights: bool, options: LayoutOptions) -> ProvingKey {
    let program = match private_weights {
        true => builder.program.clone().with_private_weights().expect("small numbers"),
        false => builder.program.clone(),
    };
    let plan = Plan::new(program, LayoutOptions { k: Some(K), ..options }).expect("the program has a layout");
    plan.setup(srs(), &()).expect("the SRS fits").0
}

fn folded() -> LayoutOptions {
    LayoutOptions { units: Some(1), fold: Some(Fold::Rows(4)), ..LayoutOptions::default() }
}

/// A proof with its file's digest.
struct Made<'a> {
    key: &'a ProvingKey,
    proved: Proved,
    artifact: Digest,
}

impl<'a> Made<'a> {
    fn new(key: &'a ProvingKey, prover: &Prover<'_>, inputs: &[Vec<i64>]) -> Self {
        let proved = prover.prove(inputs, &ProveOptions::default(), &()).expect("admissible");
        let artifact = Digest::of(&proved.proof.to_file().expect("it is small"));
        Self { key, proved, artifact }
    }

    fn of(key: &'a ProvingKey, inputs: &[Vec<i64>]) -> Self {
        let prover = Prover::new(key, srs(), &EngineOptions::default(), &()).expect("the SRS fits");
        Self::new(key, &prover, inputs)
    }

    fn port(&self, port: u32) -> (LinkedPort, Side, &Opening) {
        let side = Side::of_proof(self.key.verifying_key(), &self.proved.proof, port as usize);
        let opening = self.proved.openings.iter().find(|(index, _)| *index == port).expect("the port is committed");
        let side = side.expect("a proof of the key").expect("the port is committed");
        (LinkedPort { artifact: self.artifact, port }, side, &opening.1)
    }

    fn link(&self, port: u32, to: &Made<'_>, to_port: u32) -> Linked {
        let (from, from_side, from_opening) = self.port(port);
        let (to, to_side, to_opening) = to.port(to_port);
        let made = link(
            srs(),
            Opened { port: from, side: &from_side, opening: from_opening },
            Opened { port: to, side: &to_side, opening: to_opening },
        );
        Linked { from: from_side, to: to_side, link: made.expect("the values are equal") }
    }
}

/// A proof with registered weights, twice, and the registration.
struct Registered {
    registration: Registration,
    links: [Linked; 2],
}

impl Registered {
    fn new(options: LayoutOptions) -> Self {
        let (builder, inputs) = (targets::committed(), [vec![3, -1, 2]]);
        let key = key(&builder, true, options);
        let columns = key.plan().layout().weight_columns(key.plan().program());
        let weights = register(srs(), "model", &columns, &|_| ()).expect("they are in range");
        let registration = weights.registration().clone();
        let prover = Prover::new(&key, srs(), &EngineOptions::default(), &()).expect("the SRS fits");
        let prover = prover.with_weights(weights).expect("they are of this model");
        let links = [(); 2].map(|()| {
            let made = Made::new(&key, &prover, &inputs);
            let to = Side::of_weights(key.verifying_key(), &made.proved.proof).expect("a proof of the key");
            let link = made.proved.link.clone().expect("the weights are registered");
            Linked { from: Side::of_registration(&registration), to: to.expect("they are private"), link }
        });
        Self { registration, links }
    }
}

fn registered() -> &'static Registered {
    static REGISTERED: LazyLock<Registered> = LazyLock::new(|| Registered::new(LayoutOptions::default()));
    &REGISTERED
}

/// dense 2 → 2, exact; committed in, public out. Takes what [`targets::committed`] gives.
fn second() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(17);
    let x = targets::input(&mut b, &[2, 1, 1], [-60, 60], Visibility::Committed);
    let y = targets::conv(&mut b, x, ConvGeometry::POINTWISE, &[1, 2, 3, -1], &[2, 1, 1], None);
    b.output(y, Visibility::Public);
    b
}

#[test]
fn links_of_commitments_weights_and_ports_are_accepted() {
    assert!(link_verifier_contract().runtime_code.len() <= MAX_CODE_BYTES / 2);
    let next = key(&second(), false, LayoutOptions::default());
    let gas = LayoutOptions { objective: Objective::Gas, ..LayoutOptions::default() };
    let firsts = [LayoutOptions::default(), folded(), gas].map(|options| key(&targets::committed(), false, options));
    let ports = firsts.each_ref().map(|first| {
        let made = Made::of(first, &[vec![3, -1, 2]]);
        let taken = Made::of(&next, &[made.port(1).2.values.clone()]);
        made.link(1, &taken, 0)
    });
    let weights = [registered().links[0].clone(), Registered::new(folded()).links[0].clone()];
    let all = [commitments()].into_iter().chain(weights).chain(ports);
    for (index, linked) in all.enumerate() {
        let rows = blinded_rows(&linked.from, &linked.to);
        let mut judge = Judge::new();
        assert!(judge.agreed(&linked, &format!("link {index}")), "link {index}");
        let before = judge.judge(&linked).gas;
        assert!(judge.certify(&linked).is_true(), "link {index}");
        let outcome = judge.judge(&linked);
        assert!(outcome.is_true(), "link {index}");
        println!(
            "{} columns, {rows} rows: {before} gas, {} over certified bases, {} to deploy",
            linked.from.points().len(),
            outcome.gas,
            judge.deploy_gas
        );
        // Two pairings less.
        assert!(before > outcome.gas + 113_000, "link {index}: {before}, {}", outcome.gas);
    }
}

/// The words of a call that say what the sides hold, each of one column.
const VALUES: [usize; 2] = [7, 16];

/// A call with another lowest bit in one word.
fn with_other_bit(call: &[u8], word: usize, bit: usize) -> Vec<u8> {
    let mut changed = call.to_vec();
    changed[4 + 32 * word + 31 - bit / 8] ^= 1 << (bit % 8);
    changed
}

/// Every word of the call but those that only say where others are, and whether weights are a proof's or registered: that decides
/// which rows may be left out, and nothing where both sides leave out the same.
#[test]
fn every_changed_word_is_refused() {
    for (linked, are_weights) in [(commitments(), false), (registered().links[0].clone(), true)] {
        let mut judge = Judge::new();
        let call = verify_link(srs().mark(), &linked.from, &linked.to, &linked.link).expect("it has an encoding");
        for certified in [false, true] {
            if certified {
                assert!(judge.certify(&linked).is_true());
            }
            for word in 0..(call.len() - 4) / 32 {
                for bit in [0, 255] {
                    let outcome = judge.chain.call(judge.contract, &with_other_bit(&call, word, bit));
                    let is_whose = are_weights && bit == 0 && VALUES.contains(&word);
                    assert_eq!(outcome.is_true(), is_whose, "bit {bit} of word {word}, certified: {certified}");
                }
            }
            assert!(judge.chain.call(judge.contract, &call).is_true());
        }
    }
}

/// What a link between the weights of two proofs would leave out of the one, the other may have changed (`LinkRefusal::BlindedRows`).
#[test]
fn weights_of_proofs_with_other_blinded_rows_are_not_compared() {
    let linked = Registered::new(folded()).links[0].clone();
    assert!(linked.from.blinded_rows() < linked.to.blinded_rows());
    let mut judge = Judge::new();
    let call = verify_link(srs().mark(), &linked.from, &linked.to, &linked.link).expect("it has an encoding");
    assert!(judge.chain.call(judge.contract, &call).is_true());
    let [from, to] = VALUES.map(|word| with_other_bit(&call, word, 0));
    assert_eq!(judge.chain.call(judge.contract, &from).boolean(), Some(false), "two proofs");
    assert!(judge.chain.call(judge.contract, &to).is_true(), "no proof, hence no weights that are left out");
}

#[test]
fn links_of_other_proofs_and_registrations_are_refused() {
    let mut judge = Judge::new();
    let [one, two] = &registered().links;
    let twice = Registered::new(LayoutOptions::default());
    assert_ne!(twice.registration.digest(), registered().registration.digest());
    judge.refuse(&Linked { link: two.link.clone(), ..one.clone() }, "the link of another proof of the same weights");
    judge.refuse(
        &Linked { from: twice.links[0].from.clone(), ..one.clone() },
        "another registration of the same weights",
    );
    judge.refuse(&Linked { from: one.to.clone(), to: one.from.clone(), ..one.clone() }, "sides exchanged");
    judge.refuse(&Linked { from: two.to.clone(), ..one.clone() }, "another proof in the place of the registration");
    let pair = commitments();
    let elsewhere = |srs, k, shape| {
        let tensor = CommittedTensor { shape, ..tensor() };
        Commitment::new(srs, k, tensor, pair.to.points()).expect("as many columns")
    };
    let [(other, _), (fewer, _), (scaled, _), (index, _)] = [
        (tensor(), values()),
        (CommittedTensor { shape: vec![999], ..tensor() }, values()[..999].to_vec()),
        (CommittedTensor { scale: 0.5, ..tensor() }, values()),
        (CommittedTensor { kind: PortKind::Index, ..tensor() }, values()),
    ]
    .map(|(tensor, values)| committed(tensor, &values));
    for (side, what) in [
        (other.side(), "another commitment to the same values"),
        (fewer.side(), "a commitment to fewer values"),
        (scaled.side(), "a commitment at another scale"),
        (index.side(), "a commitment to indices"),
        (one.to.clone(), "weights in the place of a port"),
        (elsewhere(srs().mark().digest(), K + 1, vec![20, 100]).side(), "the same points on more rows"),
        (elsewhere(Digest([7; 32]), K, tensor().shape).side(), "the same points on another SRS"),
    ] {
        judge.refuse(&Linked { to: side, ..pair.clone() }, what);
    }
}

/// The link that a prover makes who follows the protocol with coordinates of its own choice.
fn with_coordinates(linked: &Linked, coordinates: [Fr; ROWS]) -> Linked {
    let bases = blinding_bases(srs(), ROWS).expect("the SRS is as long");
    let nonces: Vec<Fr> = (1..).map(|i| Fr::from(1000 + i)).take(ROWS).collect();
    let sum = bases.points().iter().zip(&nonces).fold(G1::identity(), |sum, (base, nonce)| sum + *base * nonce);
    let announcement = sum.to_affine();
    let challenge = LinkTranscript::new(&linked.from, &linked.to, bases.points()).challenge(&announcement);
    let responses = nonces.iter().zip(coordinates).map(|(nonce, d)| nonce + challenge * d).collect();
    let proof = LinkProof { bases, announcement, responses };
    linked.with(proof.to_words().expect("no point is at infinity"))
}

#[test]
fn other_values_are_refused() {
    let mut judge = Judge::new();
    let mut other = values();
    other[3] += 1;
    let [(one, from), (two, to)] = [values(), other].map(|values| committed(tensor(), &values));
    let linked = Linked { from: one.side(), to: two.side(), ..commitments() };
    let gamma = LinkTranscript::new(&linked.from, &linked.to, &srs().lagrange()[(1 << K) - ROWS..]).gamma();
    let differences = std::array::from_fn(|row| {
        let difference = |column: usize| to.blinding[column][row] - from.blinding[column][row];
        difference(0) + gamma * difference(1)
    });
    judge.refuse(&with_coordinates(&linked, differences), "another value, by the protocol's equations");
    judge.refuse(&with_coordinates(&linked, [Fr::ZERO; ROWS]), "no difference");
}

#[test]
fn words_have_one_form() {
    for linked in [commitments(), registered().links[0].clone()] {
        let mut judge = Judge::new();
        let [points, scalars] = linked.starts();
        for certified in [false, true] {
            if certified {
                assert!(judge.certify(&linked).is_true());
            }
            let mut refuse = |change: &dyn Fn(&mut Vec<u8>), what: String| {
                let mut words = linked.words().to_vec();
                change(&mut words);
                judge.refuse(&linked.with(words), &what);
            };
            for &at in &scalars {
                refuse(&|words| plus::<Fr>(&mut words[at..][..32]), format!("scalar at {at} plus the order"));
                refuse(&|words| words[at..][..32].fill(0xff), format!("scalar at {at} of all ones"));
            }
            for &at in &points {
                refuse(&|words| words[at..][..64].fill(0), format!("point at {at} at infinity"));
                refuse(&|words| words[at + 63] ^= 1, format!("point at {at} off the curve"));
                for coordinate in [at, at + 32] {
                    refuse(&|words| plus::<Fq>(&mut words[coordinate..][..32]), format!("coordinate at {coordinate}"));
                }
                let negated = |words: &mut Vec<u8>| {
                    let bytes: [u8; 64] = words[at..][..64].try_into().expect("64 bytes");
                    let point = verifier::encoding::decode_point(&bytes).expect("it is a point");
                    words[at..][..64].copy_from_slice(&encode_point(&-point).expect("not at infinity"));
                };
                refuse(&negated, format!("point at {at} mirrored"));
            }
            for length in [0, 32, linked.words().len() - 32, linked.words().len() + 32, linked.words().len() + 1] {
                refuse(&|words| words.resize(length, 0), format!("{length} bytes"));
            }
        }
    }
}

#[test]
fn bases_are_certified_or_refused() {
    let linked = commitments();
    let mut judge = Judge::new();
    let certify = |judge: &mut Judge, mark: &SrsMark, k: u32, bases: &[u8]| {
        let call = certify_bases(mark, k, bases).expect("the SRS has points");
        judge.chain.send(judge.contract, &call).boolean()
    };
    let bases = bases_of(&linked.link, ROWS).to_vec();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bases = bases.clone();
        change(&mut bases);
        bases
    };
    let stranger = encode_point(&srs().lagrange()[3]).expect("not at infinity");
    let forged = [
        with(&|bases| bases[..64].copy_from_slice(&stranger)),
        with(&|bases| bases[ROWS * 64..].copy_from_slice(&stranger)),
        with(&|bases| bases[..128].rotate_left(64)),
        with(&|bases| drop(bases.drain(..64))),
        with(&|bases| bases.truncate(64)),
        with(&|bases| bases.push(0)),
        with(&|bases| bases[..64].fill(0)),
        Vec::new(),
    ];
    let mark = srs().mark();
    for (index, forged) in forged.iter().enumerate() {
        assert_eq!(certify(&mut judge, mark, K, forged), Some(false), "forged bases {index}");
    }
    for k in [K - 1, K + 1, 2, 29, 255] {
        assert_eq!(certify(&mut judge, mark, k, &bases), Some(false), "on 2^{k} rows");
    }
    let other = (G2Affine::generator() * Fr::from(11)).to_affine();
    let other = SrsMark::new(SrsOrigin::Imported, other).expect("another tau");
    assert_eq!(certify(&mut judge, &other, K, &bases), Some(false), "another SRS");
    // The name of one SRS with the point of another.
    let mut call = certify_bases(mark, K, &bases).expect("the SRS has points");
    call[4..36].copy_from_slice(&other.digest().0);
    assert_eq!(judge.chain.send(judge.contract, &call).boolean(), Some(false), "another SRS's name");
    // A link over bases that were refused, with the bases of others certified.
    assert_eq!(certify(&mut judge, mark, K, &bases), Some(true));
    let honest = LinkProof::from_words(linked.words(), ROWS).expect("it was just made");
    let mut points = honest.bases.points().to_vec();
    points[0] = srs().lagrange()[3];
    let bases = verifier::link::BlindingBases::new(points, *honest.bases.certificate());
    let words = LinkProof { bases, ..honest }.to_words().expect("no point is at infinity");
    judge.refuse(&linked.with(words), "bases of a row that holds a value");
}

#[test]
fn too_little_gas_is_no_verdict() {
    let linked = commitments();
    let mut judge = Judge::new();
    let call = verify_link(srs().mark(), &linked.from, &linked.to, &linked.link).expect("it has an encoding");
    let full = judge.chain.call(judge.contract, &call).gas;
    for part in 1..40 {
        let outcome = judge.chain.call_with_gas(judge.contract, &call, full * part / 40);
        assert_eq!(outcome.output, None, "{part} fortieths of the gas");
    }
}

/// A link that is changed at random, mostly so that every word stays valid and the equations themselves decide; or that is not
/// changed.
fn mutate(links: &[Linked], random: &mut ChaCha20Rng) -> Linked {
    let mut pick = |count: usize| random.next_u64() as usize % count;
    let mut linked = links[pick(links.len())].clone();
    let [points, scalars] = linked.starts();
    let mut words = linked.words().to_vec();
    match pick(10) {
        0 => {
            let at = pick(words.len());
            words[at] ^= 1 << pick(8);
        }
        1 => {
            let (from, to) = (points[pick(points.len())], points[pick(points.len())]);
            words.copy_within(from..from + POINT_BYTES, to);
        }
        2 => {
            let (from, to) = (scalars[pick(scalars.len())], scalars[pick(scalars.len())]);
            words.copy_within(from..from + SCALAR_BYTES, to);
        }
        3 => {
            let at = scalars[pick(scalars.len())];
            words[at..][..SCALAR_BYTES].copy_from_slice(&encode_scalar(&Fr::random(&mut *random)));
        }
        4 => {
            let at = points[pick(points.len())];
            let point: G1Affine = (G1Affine::generator() * Fr::random(&mut *random)).to_affine();
            words[at..][..POINT_BYTES].copy_from_slice(&encode_point(&point).expect("not at infinity"));
        }
        5 => {
            let length = pick(words.len() + 96);
            words.resize(length, 0);
        }
        6 => linked.from = links[pick(links.len())].from.clone(),
        7 => linked.to = links[pick(links.len())].to.clone(),
        8 => std::mem::swap(&mut linked.from, &mut linked.to),
        _ => {}
    }
    linked.with(words)
}

const CASES: u64 = 3000;

#[test]
fn both_verifiers_give_the_same_verdict() {
    let links: Vec<_> = registered().links.iter().cloned().chain([(); 2].map(|()| commitments())).collect();
    let mut random = ChaCha20Rng::seed_from_u64(1);
    let mut judge = Judge::new();
    let mut accepting = 0;
    for case in 0..CASES {
        if case == CASES / 2 {
            links.iter().for_each(|linked| assert!(judge.certify(linked).is_true()));
        }
        let linked = mutate(&links, &mut random);
        accepting += u64::from(judge.agreed(&linked, &format!("case {case}")));
    }
    assert!((CASES / 20..CASES / 3).contains(&accepting), "{accepting} of {CASES} cases are accepted");
}
