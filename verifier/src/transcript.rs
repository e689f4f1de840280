//! The Fiat-Shamir transcript: Keccak-256 over what an Ethereum contract has at hand, so that the proof that a client
//! checks is the one that a contract accepts.
//!
//! Absorbing appends the bytes of [`encoding`](crate::encoding): 64 for a point, 32 for a scalar. A challenge is
//! `Keccak-256(everything since the last challenge)`, read big-endian and reduced modulo `r`; the hash (not the reduced
//! number) then is the first 32 bytes of what follows. Where 32 bytes are all there is to hash (nothing was absorbed since
//! the last challenge), the byte 1 follows them, so that consecutive challenges differ. The rules are those of
//! snark-verifier's `EvmTranscript`.
//!
//! Reducing 256 bits modulo the 254-bit `r` makes some challenges 6/5 as likely as others: soundness loses a fraction
//! of a bit.
//!
//! Lengths are not absorbed. Whoever uses the transcript fixes the number of public values beforehand.

use std::io::{self, Read, Write};

use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use halo2_proofs::halo2curves::ff::FromUniformBytes;
use halo2_proofs::transcript::{
    EncodedChallenge, Transcript, TranscriptRead, TranscriptReadBuffer, TranscriptWrite, TranscriptWriterBuffer,
};
use sha3::{Digest, Keccak256};

use crate::encoding::{
    decode_point, decode_scalar, encode_point, encode_scalar, PointError, POINT_BYTES, SCALAR_BYTES,
};

/// A challenge: the hash reduced modulo `r`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge(Fr);

impl EncodedChallenge<G1Affine> for Challenge {
    type Input = [u8; 32];

    fn new(hash: &[u8; 32]) -> Self {
        let mut little_endian = [0; 64];
        for (to, from) in little_endian.iter_mut().zip(hash.iter().rev()) {
            *to = *from;
        }
        Self(Fr::from_uniform_bytes(&little_endian))
    }

    fn get_scalar(&self) -> Fr {
        self.0
    }
}

/// The transcript over a proof that is read (`S: Read`) or written (`S: Write`).
#[derive(Clone, Debug)]
pub struct KeccakTranscript<S> {
    hash: Keccak256,
    hashed_bytes: usize,
    proof: S,
}

impl<S> KeccakTranscript<S> {
    /// A transcript that nothing has been absorbed into.
    pub(crate) fn new(proof: S) -> Self {
        Self { hash: Keccak256::new(), hashed_bytes: 0, proof }
    }

    /// Appends bytes that are neither a point nor a scalar.
    pub(crate) fn absorb(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.hashed_bytes += bytes.len();
    }
}

impl KeccakTranscript<()> {
    /// A transcript that neither reads nor writes.
    pub(crate) fn of_nothing() -> Self {
        Self::new(())
    }
}

impl<S> Transcript<G1Affine, Challenge> for KeccakTranscript<S> {
    fn squeeze_challenge(&mut self) -> Challenge {
        if self.hashed_bytes == 32 {
            self.hash.update([1]);
        }
        let hash: [u8; 32] = self.hash.finalize_reset().into();
        self.hashed_bytes = 0;
        self.absorb(&hash);
        Challenge::new(&hash)
    }

    fn common_point(&mut self, point: G1Affine) -> io::Result<()> {
        self.absorb(&encode_point(&point).map_err(invalid_point)?);
        Ok(())
    }

    fn common_scalar(&mut self, scalar: Fr) -> io::Result<()> {
        self.absorb(&encode_scalar(&scalar));
        Ok(())
    }
}

impl<R: Read> TranscriptRead<G1Affine, Challenge> for KeccakTranscript<R> {
    fn read_point(&mut self) -> io::Result<G1Affine> {
        let mut bytes = [0; POINT_BYTES];
        self.proof.read_exact(&mut bytes)?;
        let point = decode_point(&bytes).map_err(invalid_point)?;
        self.absorb(&bytes);
        Ok(point)
    }

    fn read_scalar(&mut self) -> io::Result<Fr> {
        let mut bytes = [0; SCALAR_BYTES];
        self.proof.read_exact(&mut bytes)?;
        let scalar = decode_scalar(&bytes)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a scalar is not below the group order"))?;
        self.absorb(&bytes);
        Ok(scalar)
    }
}

impl<W: Write> TranscriptWrite<G1Affine, Challenge> for KeccakTranscript<W> {
    fn write_point(&mut self, point: G1Affine) -> io::Result<()> {
        let bytes = encode_point(&point).map_err(invalid_point)?;
        self.absorb(&bytes);
        self.proof.write_all(&bytes)
    }

    fn write_scalar(&mut self, scalar: Fr) -> io::Result<()> {
        let bytes = encode_scalar(&scalar);
        self.absorb(&bytes);
        self.proof.write_all(&bytes)
    }
}

impl<R: Read> TranscriptReadBuffer<R, G1Affine, Challenge> for KeccakTranscript<R> {
    fn init(proof: R) -> Self {
        Self::new(proof)
    }
}

impl<W: Write> TranscriptWriterBuffer<W, G1Affine, Challenge> for KeccakTranscript<W> {
    fn init(proof: W) -> Self {
        Self::new(proof)
    }

    fn finalize(self) -> W {
        self.proof
    }
}

fn invalid_point(error: PointError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::halo2curves::ff::{Field, PrimeField};
    use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;

    fn keccak(parts: &[&[u8]]) -> [u8; 32] {
        parts.iter().fold(Keccak256::new(), |hash, part| hash.chain_update(part)).finalize().into()
    }

    /// The number that big-endian `bytes` stand for, modulo `r`, digit by digit.
    fn modulo_r(bytes: &[u8; 32]) -> Fr {
        bytes.iter().fold(Fr::ZERO, |number, &byte| number * Fr::from(256) + Fr::from(u64::from(byte)))
    }

    fn scalar_bytes(value: u8) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[31] = value;
        bytes
    }

    fn squeeze<S>(transcript: &mut KeccakTranscript<S>) -> Fr {
        transcript.squeeze_challenge().get_scalar()
    }

    #[test]
    fn keccak_is_the_one_of_ethereum() {
        let empty: String = keccak(&[]).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(empty, "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    }

    #[test]
    fn challenges_are_hashes_of_what_was_absorbed() {
        let mut transcript = KeccakTranscript::new(Vec::new());
        transcript.common_scalar(Fr::from(7)).expect("memory takes it");
        transcript.write_point(G1Affine::generator()).expect("memory takes it");
        let first = keccak(&[&scalar_bytes(7), &scalar_bytes(1), &scalar_bytes(2)]);
        assert_eq!(squeeze(&mut transcript), modulo_r(&first));

        let second = keccak(&[&first, &[1]]);
        assert_eq!(squeeze(&mut transcript), modulo_r(&second), "consecutive challenges");
        let third = keccak(&[&second, &[1]]);
        assert_eq!(squeeze(&mut transcript), modulo_r(&third), "consecutive challenges");

        transcript.write_scalar(Fr::from(9)).expect("memory takes it");
        let fourth = keccak(&[&third, &scalar_bytes(9)]);
        assert_eq!(squeeze(&mut transcript), modulo_r(&fourth));

        let proof = transcript.finalize();
        assert_eq!(proof, [&scalar_bytes(1)[..], &scalar_bytes(2), &scalar_bytes(9)].concat());
    }

    #[test]
    fn the_largest_hash_is_reduced() {
        let all_ones = [0xff; 32];
        assert_eq!(Challenge::new(&all_ones).get_scalar(), modulo_r(&all_ones));
    }

    #[test]
    fn reader_and_writer_agree() {
        let mut writer = KeccakTranscript::new(Vec::new());
        writer.common_scalar(-Fr::ONE).expect("memory takes it");
        writer.write_point(-G1Affine::generator()).expect("memory takes it");
        let first = squeeze(&mut writer);
        writer.write_scalar(Fr::from_u128(u128::MAX)).expect("memory takes it");
        let second = squeeze(&mut writer);
        let proof = writer.finalize();

        let mut reader = KeccakTranscript::new(proof.as_slice());
        reader.common_scalar(-Fr::ONE).expect("always possible");
        assert_eq!(reader.read_point().expect("a point"), -G1Affine::generator());
        assert_eq!(squeeze(&mut reader), first);
        assert_eq!(reader.read_scalar().expect("a scalar"), Fr::from_u128(u128::MAX));
        assert_eq!(squeeze(&mut reader), second);
        assert!(reader.read_scalar().is_err(), "the proof is at its end");
    }

    #[test]
    fn faulty_words_are_refused() {
        assert!(KeccakTranscript::new([0xff; 32].as_slice()).read_scalar().is_err());
        assert!(KeccakTranscript::new([0xff; 64].as_slice()).read_point().is_err());
        assert!(KeccakTranscript::new([0; 64].as_slice()).read_point().is_err());
        assert!(KeccakTranscript::new(Vec::new()).write_point(G1Affine::identity()).is_err());
        assert!(KeccakTranscript::new(()).common_point(G1Affine::identity()).is_err());
    }
}
