//! Links: true ones are accepted, and each way to be wrong is refused.

use std::sync::LazyLock;

use circuits::graph::PortKind;
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G1};
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::halo2curves::group::{Curve, Group};
use prover::link::{blinding_bases, commit, commitments, link, LinkError, Opened, Opening, Openings};
use prover::srs::Srs;
use verifier::container::Bytes;
use verifier::encoding::{PointError, POINT_BYTES};
use verifier::link::{
    BlindingBases, CertificateChallenges, CommittedTensor, LinkProof, LinkTranscript, LinkedPort,
    COMMITMENT_BLINDED_ROWS,
};
use verifier::srs::SrsMark;
use verifier::{Commitment, Link, LinkRefusal};

const ROWS: usize = COMMITMENT_BLINDED_ROWS;

fn srs() -> &'static Srs {
    static SRS: LazyLock<Srs> = LazyLock::new(|| Srs::development(6).expect("a possible size"));
    &SRS
}

fn tensor() -> CommittedTensor {
    CommittedTensor { shape: vec![4, 25], scale: 0.25, kind: PortKind::Real }
}

/// As many values as two columns of 2^6 rows take.
fn values() -> Vec<i64> {
    (0..100).map(|i| i * i % 37 - 18).collect()
}

/// A commitment with its opening.
struct Committed {
    commitment: Commitment,
    opening: Opening,
}

impl Committed {
    fn new(values: &[i64]) -> Self {
        let (commitment, opening) = commit(srs(), tensor(), values).expect("they fit");
        Self { commitment, opening }
    }

    fn port(&self) -> LinkedPort {
        LinkedPort { artifact: self.commitment.digest(), port: 0 }
    }

    /// A link to another one, and its judgement.
    fn link(&self, to: &Self) -> Result<Link, LinkError> {
        let sides = [self.commitment.side(), to.commitment.side()];
        let from = Opened { port: self.port(), side: &sides[0], opening: &self.opening };
        link(srs(), from, Opened { port: to.port(), side: &sides[1], opening: &to.opening })
    }
}

fn verdict(link: &Link, from: &Commitment, to: &Commitment) -> Result<(), LinkRefusal> {
    link.verify(srs().mark(), &from.side(), &to.side())
}

/// The link that a prover makes who does as the protocol says with coordinates of the combined difference of its own choice.
fn with_coordinates(from: &Commitment, to: &Commitment, coordinates: impl Fn(Fr) -> Vec<Fr>) -> Link {
    let bases = blinding_bases(srs(), ROWS).expect("the SRS is as long");
    let transcript = LinkTranscript::new(&from.side(), &to.side(), bases.points());
    let coordinates = coordinates(transcript.gamma());
    let nonces: Vec<Fr> = (1..).map(|i| Fr::from(1000 + i)).take(ROWS).collect();
    let announcement = combination(bases.points(), &nonces).to_affine();
    let challenge = transcript.challenge(&announcement);
    let responses = nonces.iter().zip(coordinates).map(|(nonce, d)| nonce + challenge * d).collect();
    of_proof(&LinkProof { bases, announcement, responses }, from, to)
}

fn of_proof(proof: &LinkProof, from: &Commitment, to: &Commitment) -> Link {
    let port = |commitment: &Commitment| LinkedPort { artifact: commitment.digest(), port: 0 };
    Link { from: port(from), to: port(to), words: Bytes(proof.to_words().expect("no point is at infinity")) }
}

fn combination(points: &[G1Affine], scalars: &[Fr]) -> G1 {
    points.iter().zip(scalars).fold(G1::identity(), |sum, (point, scalar)| sum + *point * scalar)
}

/// `Σ γ^j·(to_j − from_j)` of the blinding.
fn differences(from: &Opening, to: &Opening, gamma: Fr) -> Vec<Fr> {
    let difference = |row: usize| {
        let columns = from.blinding.iter().zip(to.blinding.iter()).rev();
        columns.fold(Fr::ZERO, |sum, (from, to)| sum * gamma + to[row] - from[row])
    };
    (0..ROWS).map(difference).collect()
}

/// A commitment to whatever cells are given, so that it need not be to values in range.
fn of_cells(opening: &Opening) -> Commitment {
    let points = commitments(srs(), opening).expect("they fit");
    Commitment::new(srs().mark().digest(), 6, tensor(), &points).expect("as many columns as the tensor takes")
}

#[test]
fn equal_values_are_linked() {
    let [one, two] = [Committed::new(&values()), Committed::new(&values())];
    assert_ne!(one.commitment.side().points(), two.commitment.side().points(), "commitments hide");
    let link = one.link(&two).expect("the values are equal");
    verdict(&link, &one.commitment, &two.commitment).expect("it is true");
    assert_eq!(link.words.0.len(), 704);
    let file = link.to_file().expect("it is small");
    assert_eq!(Link::from_file(&file).expect("it was just written"), link);
    assert_ne!(one.link(&two).expect("the values are equal").words, link.words, "links are drawn anew");
    // By the protocol's own equations, made by hand.
    let by_hand =
        with_coordinates(&one.commitment, &two.commitment, |gamma| differences(&one.opening, &two.opening, gamma));
    verdict(&by_hand, &one.commitment, &two.commitment).expect("it is true");
}

#[test]
fn altered_columns_are_refused() {
    let one = Committed::new(&values());
    for index in [0, 1, 55, 56, 99] {
        let mut altered = Committed::new(&values());
        altered.opening.values[index] += 1;
        altered.commitment = of_cells(&altered.opening);
        assert!(matches!(one.link(&altered), Err(LinkError::Differ { index: found }) if found == index));
        let link = with_coordinates(&one.commitment, &altered.commitment, |gamma| {
            differences(&one.opening, &altered.opening, gamma)
        });
        let refused = verdict(&link, &one.commitment, &altered.commitment);
        assert!(matches!(refused, Err(LinkRefusal::Equation)), "element {index}: {refused:?}");
    }
    // A row behind the values is one in which columns must not differ either.
    let two = Committed::new(&values());
    let mut cells = two.opening.clone();
    cells.values.push(1);
    let behind = of_cells(&cells);
    let link = with_coordinates(&one.commitment, &behind, |gamma| differences(&one.opening, &two.opening, gamma));
    assert!(matches!(verdict(&link, &one.commitment, &behind), Err(LinkRefusal::Equation)));
    // The columns in another order.
    let points: Vec<G1Affine> = two.commitment.side().points().iter().rev().copied().collect();
    let swapped = Commitment::new(srs().mark().digest(), 6, tensor(), &points).expect("two columns");
    let mut opening = two.opening.clone();
    opening.blinding.reverse();
    let link = with_coordinates(&one.commitment, &swapped, |gamma| differences(&one.opening, &opening, gamma));
    assert!(matches!(verdict(&link, &one.commitment, &swapped), Err(LinkRefusal::Equation)));
}

#[test]
fn replays_are_refused() {
    let [one, two, three] = [0, 1, 2].map(|_| Committed::new(&values()));
    let link = one.link(&two).expect("the values are equal");
    for (from, to) in [(&one, &three), (&three, &two), (&two, &one)] {
        let refused = verdict(&link, &from.commitment, &to.commitment);
        assert!(matches!(refused, Err(LinkRefusal::Equation)), "{refused:?}");
    }
    // The same points in a file that says something else of them.
    let side = one.commitment.side();
    let other = CommittedTensor { shape: vec![100], ..tensor() };
    let renamed = Commitment::new(side.srs(), 6, other, side.points()).expect("as many columns");
    assert_eq!(renamed.side().points(), side.points());
    assert!(matches!(verdict(&link, &renamed, &two.commitment), Err(LinkRefusal::Equation)));
}

/// With the challenge known first, any difference passes the equation; so the announcement is hashed.
#[test]
fn the_challenge_comes_after_the_announcement() {
    let mut other = values();
    other[3] += 1;
    let [one, two] = [Committed::new(&values()), Committed::new(&other)];
    let sides = [one.commitment.side(), two.commitment.side()];
    let bases = blinding_bases(srs(), ROWS).expect("the SRS is as long");
    let transcript = || LinkTranscript::new(&sides[0], &sides[1], bases.points());
    let gamma = transcript().gamma();
    let difference =
        combination(sides[1].points(), &[Fr::ONE, gamma]) - combination(sides[0].points(), &[Fr::ONE, gamma]);
    let responses: Vec<Fr> = (0..ROWS as u64).map(|i| Fr::from(77 + i)).collect();
    let answered = combination(bases.points(), &responses);
    // A guess, or the challenge of another announcement.
    for guess in [Fr::from(5), transcript().challenge(&G1Affine::generator())] {
        let announcement = (answered - difference * guess).to_affine();
        assert_eq!(answered, difference * guess + announcement, "the equation holds with the guess");
        assert_ne!(transcript().challenge(&announcement), guess);
        let proof = LinkProof { bases: bases.clone(), announcement, responses: responses.clone() };
        let link = of_proof(&proof, &one.commitment, &two.commitment);
        assert!(matches!(verdict(&link, &one.commitment, &two.commitment), Err(LinkRefusal::Equation)));
    }
}

#[test]
fn wrong_numbers_are_refused() {
    let [one, two] = [Committed::new(&values()), Committed::new(&values())];
    let link = one.link(&two).expect("the values are equal");
    let with =
        |words: Vec<u8>| verdict(&Link { words: Bytes(words), ..link.clone() }, &one.commitment, &two.commitment);
    let words = &link.words.0;
    for length in [0, words.len() - 32, words.len() + 32] {
        let mut words = words.clone();
        words.resize(length, 0);
        assert!(matches!(with(words), Err(LinkRefusal::Length { expected: 704, found }) if found == length));
    }
    for index in 0..ROWS + 2 {
        let mut words = words.clone();
        words[POINT_BYTES * index..][..POINT_BYTES].fill(0);
        let refused = with(words);
        assert!(
            matches!(refused, Err(LinkRefusal::Point { index: found, error: PointError::Identity }) if found == index)
        );
    }
    for index in 0..ROWS {
        let scalar = POINT_BYTES * (ROWS + 2) + 32 * index;
        let mut large = words.clone();
        large[scalar..][..32].fill(0xff);
        assert!(matches!(with(large), Err(LinkRefusal::Scalar { index: found }) if found == index));
        let mut other = words.clone();
        other[scalar + 31] ^= 1;
        assert!(matches!(with(other), Err(LinkRefusal::Equation)));
    }
    // One column less on both sides, in a link that was made for two.
    let fewer = CommittedTensor { shape: vec![50], ..tensor() };
    let first = |committed: &Committed| {
        let side = committed.commitment.side();
        Commitment::new(side.srs(), 6, fewer.clone(), &side.points()[..1]).expect("one column")
    };
    assert!(matches!(verdict(&link, &first(&one), &first(&two)), Err(LinkRefusal::Equation)));
    assert!(matches!(verdict(&link, &one.commitment, &first(&two)), Err(LinkRefusal::Elements { from: 100, to: 50 })));
}

#[test]
fn bases_are_certified() {
    let mark = srs().mark();
    let bases = blinding_bases(srs(), ROWS).expect("the SRS is as long");
    assert!(bases.are_certified(mark, 6));
    assert_eq!(bases.points(), &srs().lagrange()[64 - ROWS..]);
    assert!(!bases.are_certified(mark, 7) && !bases.are_certified(mark, 40));
    let other = SrsMark::new(verifier::srs::SrsOrigin::Imported, {
        use halo2_proofs::halo2curves::bn256::G2Affine;
        (G2Affine::generator() * Fr::from(11)).to_affine()
    });
    assert!(!bases.are_certified(&other.expect("another tau"), 6));
    let with = |change: &dyn Fn(&mut Vec<G1Affine>)| {
        let mut points = bases.points().to_vec();
        change(&mut points);
        points
    };
    let lagrange = srs().lagrange();
    let forged = [
        with(&|points| points[0] = lagrange[3]),
        with(&|points| points.swap(0, 1)),
        with(&|points| {
            points.pop();
        }),
        with(&|points| points[5] = (points[5] + lagrange[0]).to_affine()),
    ];
    for points in forged {
        assert!(!BlindingBases::new(points.clone(), *bases.certificate()).are_certified(mark, 6));
        // With the best certificate that there is: the opening of these points to the value that they have.
        let challenges = CertificateChallenges::new(mark.digest(), 6, &points);
        let expected = challenges.combined_value(6, points.len()).expect("the challenge is no root of unity");
        let certificate = (G1Affine::generator() * expected).to_affine();
        assert!(!BlindingBases::new(points, certificate).are_certified(mark, 6));
    }
    // A link over bases of rows that hold values.
    let [one, two] = [Committed::new(&values()), Committed::new(&values())];
    let honest = LinkProof::from_words(&one.link(&two).expect("equal").words.0, ROWS).expect("it was just made");
    let points = with(&|points| points[0] = lagrange[3]);
    let bases = BlindingBases::new(points, *bases.certificate());
    let link = of_proof(&LinkProof { bases, ..honest }, &one.commitment, &two.commitment);
    assert!(matches!(verdict(&link, &one.commitment, &two.commitment), Err(LinkRefusal::Bases)));
}

#[test]
fn sides_that_can_not_be_compared_are_refused() {
    let one = Committed::new(&values());
    let side = one.commitment.side();
    let larger = Srs::development(7).expect("a possible size");
    let (on_more_rows, _) = commit(&larger, tensor(), &values()).expect("they fit");
    let two = Committed::new(&values());
    let link = one.link(&two).expect("the values are equal");
    let refusal = |to: &Commitment| verdict(&link, &one.commitment, to).expect_err("it can't be compared");
    let refused = refusal(&on_more_rows);
    assert!(matches!(refused, LinkRefusal::Domain { from: 6, to: 7 }), "{refused}");
    assert!(refused.to_string().contains("--rows 7"), "{refused}");
    let with = |srs, tensor| Commitment::new(srs, 6, tensor, two.commitment.side().points()).expect("two columns");
    let other_srs = with(verifier::Digest([7; 32]), tensor());
    assert!(matches!(refusal(&other_srs), LinkRefusal::Srs { .. }));
    let other_scale = with(side.srs(), CommittedTensor { scale: 0.5, ..tensor() });
    assert!(matches!(refusal(&other_scale), LinkRefusal::Scale { .. }));
    let index = with(side.srs(), CommittedTensor { kind: PortKind::Index, ..tensor() });
    assert!(matches!(refusal(&index), LinkRefusal::NumberKind));
    let fewer = with(side.srs(), CommittedTensor { shape: vec![99], ..tensor() });
    assert!(matches!(refusal(&fewer), LinkRefusal::Elements { .. }));
}

#[test]
fn what_does_not_fit_is_not_committed_to_or_linked() {
    let short = commit(srs(), tensor(), &values()[..99]);
    assert!(matches!(short, Err(LinkError::Values { expected: 100, found: 99 })));
    let tiny = Srs::development(5).expect("a possible size");
    assert!(matches!(commit(&tiny, tensor(), &values()), Err(LinkError::Commitment(_))));
    let [one, mut two] = [Committed::new(&values()), Committed::new(&values())];
    two.opening.blinding[1][2] += Fr::ONE;
    assert!(matches!(one.link(&two), Err(LinkError::Refused(LinkRefusal::Equation))), "another's opening");
    two.opening.blinding.pop();
    assert!(matches!(one.link(&two), Err(LinkError::Opening)));
}

#[test]
fn openings_are_read_back_by_their_owner() {
    let one = Committed::new(&values());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("values.opening");
    let openings = Openings { artifact: one.commitment.digest(), ports: vec![(0, one.opening.clone())] };
    openings.write(&path).expect("writable");
    let read = Openings::read(&path).expect("it was just written");
    assert!(read == openings && read.of(0) == Some(&one.opening) && read.of(1).is_none());
    assert_eq!(format!("{:?}", one.opening), "Opening { .. }");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "nobody else reads it");
    }
    let file = folder.path().join("values.zkc");
    one.commitment.write(&file).expect("writable");
    assert_eq!(Commitment::read(&file).expect("it was just written"), one.commitment);
}

/// Whatever bytes a file has, it is read or refused, and what is read of a changed one is not what was there.
#[test]
fn changed_files_are_refused_or_say_something_else() {
    use verifier::container::{frame, unframe, Kind};
    let [one, two] = [Committed::new(&values()), Committed::new(&values())];
    let link = one.link(&two).expect("the values are equal");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    let openings = Openings { artifact: one.commitment.digest(), ports: vec![(0, one.opening.clone())] };
    openings.write(&path).expect("writable");
    let opening_file = std::fs::read(&path).expect("readable");
    one.commitment.write(&path).expect("writable");
    let commitment_file = std::fs::read(&path).expect("readable");
    let link_file = link.to_file().expect("it is small");
    for (kind, file) in [(Kind::Opening, opening_file), (Kind::Commitment, commitment_file), (Kind::Link, link_file)] {
        let payload = unframe(kind, &file).expect("it is whole");
        for index in (0..payload.len()).step_by(if payload.len() > 400 { 7 } else { 1 }) {
            let mut changed = payload.to_vec();
            changed[index] ^= 0x41;
            for changed in [frame(kind, &changed), frame(kind, &payload[..index])] {
                let changed = changed.expect("it is small");
                match kind {
                    Kind::Opening => {
                        std::fs::write(&path, &changed).expect("writable");
                        assert!(Openings::read(&path).map_or(true, |read| read != openings));
                    }
                    Kind::Commitment => {
                        let read = Commitment::from_file(changed);
                        assert!(read.map_or(true, |read| verdict(&link, &read, &two.commitment).is_err()));
                    }
                    _ => assert!(Link::from_file(&changed).map_or(true, |read| read != link)),
                }
            }
        }
    }
}
