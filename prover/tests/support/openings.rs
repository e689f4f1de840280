//! What a proof tells of its columns: their values at the point at which it opens them, and what follows from those of many proofs.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::transcript::{EncodedChallenge, Transcript, TranscriptRead, TranscriptReadBuffer};
use verifier::container::Bytes;
use verifier::encoding::{decode_scalar, POINT_BYTES, SCALAR_BYTES};
use verifier::transcript::KeccakTranscript;
use verifier::{verify, Proof, VerifyingKey};

/// The point at which a proof without public values opens its columns, and the value of an advice column there: everybody can tell.
pub fn told(key: &VerifyingKey, words: &[u8], column: usize) -> (Fr, Fr) {
    let proof = Proof {
        key: key.digest(),
        public: Default::default(),
        randomness: verifier::Randomness::Seeded,
        words: Bytes(words.to_vec()),
    };
    verify(key, &proof.public, &proof).expect("it is true");
    let query = key.plonk().cs().advice_queries().iter().position(|(c, at)| c.index() == column && at.0 == 0);
    let offset = key.proof_shape().commitments * POINT_BYTES + query.expect("it is read") * SCALAR_BYTES;
    let value = decode_scalar(words[offset..][..SCALAR_BYTES].try_into().expect("32 bytes")).expect("a scalar");
    (opened_at(key, words), value)
}

fn opened_at(key: &VerifyingKey, words: &[u8]) -> Fr {
    let (key, system) = (key.plonk(), key.plonk().cs());
    let mut transcript: KeccakTranscript<_> = TranscriptReadBuffer::init(words);
    transcript.common_scalar(key.transcript_repr()).expect("always possible");
    let mut step = |points: usize, challenges: usize| {
        (0..points).for_each(|_| {
            transcript.read_point().expect("the proof is whole");
        });
        (0..challenges).map(|_| transcript.squeeze_challenge().get_scalar()).last()
    };
    for phase in 0..2 {
        let of_phase = |phases: Vec<u8>| phases.into_iter().filter(|found| *found == phase).count();
        step(of_phase(system.advice_column_phase()), of_phase(system.challenge_phase()));
    }
    step(0, 3);
    step(system.permutation().get_columns().len().div_ceil(system.degree() - 2) + 1, 1);
    step(system.degree() - 1, 1).expect("a challenge was squeezed")
}

/// Solves a square system; `None` if it has no unique solution.
fn solve(mut rows: Vec<Vec<Fr>>) -> Option<Vec<Fr>> {
    let count = rows.len();
    for pivot in 0..count {
        let found = (pivot..count).find(|&row| rows[row][pivot] != Fr::ZERO)?;
        rows.swap(pivot, found);
        let inverse = Option::<Fr>::from(rows[pivot][pivot].invert())?;
        rows[pivot].iter_mut().for_each(|cell| *cell *= inverse);
        let from = rows[pivot].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(row, _)| *row != pivot) {
            let factor = row[pivot];
            row.iter_mut().zip(&from).for_each(|(cell, other)| *cell -= factor * other);
        }
    }
    Some(rows.into_iter().map(|row| row[count]).collect())
}

/// `ℓ_row(x)` on `2^k` rows.
fn lagrange(k: u32, row: u64, x: Fr) -> Fr {
    let point = prover::field::root_of_unity(k).pow_vartime([row]);
    let scale = (Fr::from(1 << k) * (x - point)).invert().expect("the point lies outside of the domain");
    point * (x.pow_vartime([1 << k]) - Fr::ONE) * scale
}

/// What somebody concludes about the value in a row, all others but the last being zero, who takes the last ones to be the same in all these
/// proofs.
pub fn concluded(k: u32, row: u64, blinded: usize, told: &[(Fr, Fr)]) -> Option<Fr> {
    let rows = std::iter::once(row).chain((1 << k) - blinded as u64..1 << k).collect::<Vec<_>>();
    let equation = |&(x, value): &(Fr, Fr)| rows.iter().map(|&row| lagrange(k, row, x)).chain([value]).collect();
    solve(told.iter().map(equation).collect()).map(|solution| solution[0])
}

/// Whether some blinding explains what is told, for a guess at the value in that row.
pub fn is_explained(k: u32, row: u64, blinded: usize, told: &[(Fr, Fr)], guess: Fr) -> bool {
    let equation = |&(x, value): &(Fr, Fr)| {
        let rows = ((1 << k) - blinded as u64..1 << k).map(|row| lagrange(k, row, x));
        rows.chain([value - guess * lagrange(k, row, x)]).collect()
    };
    solve(told.iter().map(equation).collect()).is_some()
}
