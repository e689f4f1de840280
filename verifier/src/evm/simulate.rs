//! Proofs without a witness, for those who know `τ`.
//!
//! Under the development SRS everybody knows `τ`, and with it anybody can make a proof of anything: commitments and
//! evaluations at random, and an opening that fits them. That is what makes that SRS insecure, and it is the simulator of
//! the zero-knowledge argument. Here it tests verifiers: an accepted proof for any key at no price. With `W` and all other
//! points chosen, the verifier checks `T + u·W' = τ·W'` for a sum `T` that it computes, so `W' = T/(τ − u)`.

use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G1};
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
use halo2_proofs::halo2curves::group::Curve;
use halo2_proofs::plonk::{self, ConstraintSystem};
use halo2_proofs::transcript::{EncodedChallenge, Transcript, TranscriptWrite, TranscriptWriterBuffer};
use rand_core::RngCore;
use thiserror::Error;

use super::arithmetic::{permuted, query_index, Operand};
use super::memory::check;
use super::openings::{opening_sets, products_of, Evaluation, Evaluations, Opened};
use super::transcript::{Kind, TranscriptPlan};
use super::EvmError;
use crate::transcript::{Challenge, KeccakTranscript};

/// Why there is no simulated proof.
#[derive(Debug, Error)]
pub enum SimulationError {
    /// The constraint system has parts that the contract, and this, does not know.
    #[error(transparent)]
    Unsupported(#[from] EvmError),
    /// A point came out at infinity, or a challenge in the domain; other random numbers will do.
    #[error("the random numbers met an exception")]
    Exception,
}

/// A proof for `key` and `instances` that every verifier accepts whose SRS has the secret `tau`.
///
/// # Errors
/// The constraint system is not one of the contract's.
pub fn simulate_proof(
    key: &plonk::VerifyingKey<G1Affine>,
    instances: &[Fr],
    tau: Fr,
    random: &mut impl RngCore,
) -> Result<Vec<u8>, SimulationError> {
    check(key.cs())?;
    let plan = TranscriptPlan::of(key.cs())?;
    let mut transcript = <KeccakTranscript<Vec<u8>> as TranscriptWriterBuffer<_, _, Challenge>>::init(Vec::new());
    let absorbed = (|| {
        transcript.common_scalar(key.transcript_repr())?;
        instances.iter().try_for_each(|&instance| transcript.common_scalar(instance))
    })();
    absorbed.map_err(|_| SimulationError::Exception)?;
    let mut random_words = RandomWords { points: Vec::new(), evaluations: Vec::new(), challenges: Vec::new() };
    // The last part is W', which follows from all others.
    for part in &plan.parts[..plan.parts.len() - 1] {
        for _ in 0..part.words {
            let written = match part.kind {
                Kind::Points => {
                    let point = (G1Affine::generator() * Fr::random(&mut *random)).to_affine();
                    random_words.points.push(point);
                    transcript.write_point(point)
                }
                Kind::Scalars => {
                    let evaluation = Fr::random(&mut *random);
                    random_words.evaluations.push(evaluation);
                    transcript.write_scalar(evaluation)
                }
            };
            written.map_err(|_| SimulationError::Exception)?;
        }
        let squeezed = (0..part.challenges).map(|_| transcript.squeeze_challenge().get_scalar());
        random_words.challenges.extend(squeezed);
    }
    let course = Check { key, instances, plan: &plan, words: &random_words };
    let (sum, u) = course.sum()?;
    let inverse = Option::<Fr>::from((tau - u).invert()).ok_or(SimulationError::Exception)?;
    transcript.write_point((sum * inverse).to_affine()).map_err(|_| SimulationError::Exception)?;
    Ok(transcript.finalize())
}

/// The words of a proof less the last point, and its challenges.
struct RandomWords {
    points: Vec<G1Affine>,
    evaluations: Vec<Fr>,
    challenges: Vec<Fr>,
}

/// The verifier's computation up to the last point.
struct Check<'a> {
    key: &'a plonk::VerifyingKey<G1Affine>,
    instances: &'a [Fr],
    plan: &'a TranscriptPlan,
    words: &'a RandomWords,
}

impl Check<'_> {
    fn system(&self) -> &ConstraintSystem<Fr> {
        self.key.cs()
    }

    /// `[β, γ, y, x, y', v, u]`
    fn challenges(&self) -> [Fr; 7] {
        let after_theta = self.plan.challenges.len() + 1;
        self.words.challenges[after_theta..].try_into().expect("the plan has all challenges")
    }

    /// A challenge of the constraint system.
    fn challenge(&self, index: usize) -> Fr {
        let place = self.plan.challenges.iter().position(|&challenge| challenge == index);
        self.words.challenges[place.expect("every challenge is squeezed")]
    }

    /// `l_i(x)` for `i` from `first` on.
    fn lagrange(&self, first: i32, count: usize) -> Result<Vec<Fr>, SimulationError> {
        let (domain, x) = (self.key.get_domain(), self.challenges()[3]);
        let factor = (x.pow([1u64 << domain.k()]) - Fr::ONE) * (0..domain.k()).fold(Fr::ONE, |v, _| v * Fr::TWO_INV);
        let value = |i: i32| {
            let root = rotate(domain.get_omega(), domain.get_omega_inv(), i);
            let inverse = Option::<Fr>::from((x - root).invert()).ok_or(SimulationError::Exception)?;
            Ok(factor * root * inverse)
        };
        (first..).take(count).map(value).collect()
    }

    fn instance(&self) -> Result<Fr, SimulationError> {
        let lagrange = self.lagrange(0, self.instances.len())?;
        Ok(lagrange.iter().zip(self.instances).map(|(l, value)| *l * value).sum())
    }

    /// What the quotient's value at `x` has to be.
    fn quotient(&self) -> Result<Fr, SimulationError> {
        let system = self.system();
        let first = Evaluations::of(system);
        let evaluations = &self.words.evaluations;
        let instance = self.instance()?;
        let gates = system.gates().iter().flat_map(|gate| gate.polynomials()).map(|polynomial| {
            polynomial.evaluate(
                &|constant| constant,
                &|_| unreachable!("selectors have been replaced"),
                &|query| {
                    let place = query_index(system.fixed_queries(), query.column_index(), query.rotation());
                    evaluations[first.fixed + place]
                },
                &|query| {
                    let place = query_index(system.advice_queries(), query.column_index(), query.rotation());
                    evaluations[first.advice + place]
                },
                &|_| instance,
                &|challenge| self.challenge(challenge.index()),
                &|a| -a,
                &|a, b| a + b,
                &|a, b| a * b,
                &|a, factor| a * factor,
            )
        });
        let constraints: Vec<Fr> = gates.chain(self.permutation(instance)?).collect();
        let [_, _, y, x, ..] = self.challenges();
        let sum = constraints.into_iter().fold(Fr::ZERO, |sum, constraint| sum * y + constraint);
        let vanishing = x.pow([1u64 << self.key.get_domain().k()]) - Fr::ONE;
        Ok(sum * Option::<Fr>::from(vanishing.invert()).ok_or(SimulationError::Exception)?)
    }

    fn permutation(&self, instance: Fr) -> Result<Vec<Fr>, SimulationError> {
        let system = self.system();
        let first = Evaluations::of(system);
        let evaluations = &self.words.evaluations;
        let blinded = system.blinding_factors() + 1;
        let lagrange = self.lagrange(-(blinded as i32), blinded + 1)?;
        let (last, zeroth) = (lagrange[0], lagrange[blinded]);
        let active = Fr::ONE - lagrange[..blinded].iter().sum::<Fr>();
        let [beta, gamma, _, x, ..] = self.challenges();
        let product = |index: usize, place: usize| evaluations[first.products + 3 * index + place];
        let products = products_of(system);
        let end = product(products - 1, 0);
        let mut constraints = vec![zeroth * (Fr::ONE - product(0, 0)), last * (end.square() - end)];
        constraints.extend((1..products).map(|index| zeroth * (product(index, 0) - product(index - 1, 2))));
        let mut identity = beta * x;
        for (index, chunk) in permuted(system).chunks(system.degree() - 2).enumerate() {
            let (mut left, mut right) = (product(index, 1), product(index, 0));
            for (place, operand) in chunk.iter().enumerate() {
                let value = match operand {
                    Operand::Instance => instance,
                    Operand::Advice(query) => evaluations[first.advice + query],
                    Operand::Fixed(query) => evaluations[first.fixed + query],
                    other => unreachable!("{other:?} is no column"),
                };
                left *= value + beta * evaluations[first.sigma + index * (system.degree() - 2) + place] + gamma;
                right *= value + identity + gamma;
                identity *= Fr::DELTA;
            }
            constraints.push(active * (left - right));
        }
        Ok(constraints)
    }

    /// The sum `T` of the opening, and `u`.
    fn sum(&self) -> Result<(G1, Fr), SimulationError> {
        let [_, _, _, x, y, v, u] = self.challenges();
        let domain = self.key.get_domain();
        let quotient = self.quotient()?;
        let mut first_vanishing = None;
        let (mut sum, mut value, mut power) = (G1::default(), Fr::ZERO, Fr::ONE);
        for set in opening_sets(self.system()) {
            let rotate = |&rotation: &i32| x * rotate(domain.get_omega(), domain.get_omega_inv(), rotation);
            let points: Vec<Fr> = set.rotations.iter().map(rotate).collect();
            let vanishing: Fr = points.iter().map(|point| u - point).product();
            let first = *first_vanishing.get_or_insert(vanishing);
            let inverse = Option::<Fr>::from(vanishing.invert()).ok_or(SimulationError::Exception)?;
            let mut factor = power * first * inverse;
            for (opened, evaluations) in &set.polynomials {
                let evaluations: Vec<Fr> = evaluations
                    .iter()
                    .map(|evaluation| match evaluation {
                        Evaluation::InProof(index) => self.words.evaluations[*index],
                        Evaluation::Quotient => quotient,
                    })
                    .collect();
                sum += self.commitment(*opened) * factor;
                value += factor * interpolate(&points, &evaluations, u)?;
                factor *= y;
            }
            power *= v;
        }
        let first = first_vanishing.expect("something is opened");
        let opening = *self.words.points.last().expect("a proof has points");
        Ok((sum - G1Affine::generator() * value - opening * first, u))
    }

    fn commitment(&self, opened: Opened) -> G1 {
        let points = &self.words.points;
        let advice = self.plan.advice.len();
        let products = products_of(self.system());
        match opened {
            Opened::Advice(column) => {
                let place = self.plan.advice.iter().position(|&c| c == column).expect("every column is committed to");
                points[place].to_curve()
            }
            Opened::Product(index) => points[advice + index].to_curve(),
            Opened::Random => points[advice + products].to_curve(),
            Opened::Fixed(column) => self.key.fixed_commitments()[column].to_curve(),
            Opened::Sigma(index) => self.key.permutation().commitments()[index].to_curve(),
            Opened::Quotient => {
                let power = self.challenges()[3].pow([1u64 << self.key.get_domain().k()]);
                let pieces = points[advice + products + 1..][..self.system().degree() - 1].iter();
                pieces.rev().fold(G1::default(), |sum, piece| sum * power + piece)
            }
        }
    }
}

/// `ω^rotation`
fn rotate(omega: Fr, inverse: Fr, rotation: i32) -> Fr {
    match rotation {
        0.. => omega.pow([rotation.unsigned_abs().into()]),
        _ => inverse.pow([rotation.unsigned_abs().into()]),
    }
}

/// The value at `u` of the polynomial with `values` at `points`.
fn interpolate(points: &[Fr], values: &[Fr], u: Fr) -> Result<Fr, SimulationError> {
    let mut sum = Fr::ZERO;
    for (i, (point, value)) in points.iter().zip(values).enumerate() {
        let others = points.iter().enumerate().filter(|&(j, _)| j != i).map(|(_, other)| other);
        let (top, bottom) =
            others.fold((Fr::ONE, Fr::ONE), |(top, bottom), other| (top * (u - other), bottom * (point - other)));
        sum += *value * top * Option::<Fr>::from(bottom.invert()).ok_or(SimulationError::Exception)?;
    }
    Ok(sum)
}
