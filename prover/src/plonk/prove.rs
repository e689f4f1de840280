//! The rounds of the library's protocol, from the prover's side.
//!
//! | round | committed | then squeezed |
//! | --- | --- | --- |
//! | `Session::start` | the key's digest and the instances are absorbed | |
//! | `Session::witness` | the advice columns, phase by phase | the gates' challenges, after their phase |
//! | `Witnessed::permute_lookups` | the permuted columns of lookups | before: `θ` |
//! | `Permuted::products` | the product columns | before: `β`, `γ` |
//! | `Products::quotient` | the mask `R`, then the pieces of the quotient | between: `y`; after: `x` |
//! | `Quotient::evaluate` | evaluations | |
//! | `Evaluated::open` | `W`, `W'` | before: `y'`, `v`; between: `u` |
//!
//! Each round is a type that the next one consumes.
//!
//! **What hides.** Every column that is committed ends in `blinding_factors() + 1` random rows (products: `blinding_factors()`),
//! more than it is opened at points; a product column has one to spare, which makes the quotient's value at `τ` uniform. `R` is such
//! a column and zero elsewhere: over KZG nothing else has to be drawn for it. The argument is in `docs/soundness.md`, 9. The
//! pieces `h_i` of the quotient are masked by scalars `b_i` (with `b_(−1) = b_last = 0`): `h_i + b_i·X^n − b_(i−1)`. In `Σ x^(n·i)·h_i`, which is all that is opened, the masks cancel at
//! `x`: `Σ b_i·(x^(n·i)·x^n − x^(n·(i+1))) = 0`. A piece's commitment takes the power `[τ^n]₁`.

use std::collections::BTreeMap;

use circuits::recipe::Source;
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
use halo2_proofs::halo2curves::group::Curve;
use halo2_proofs::transcript::{EncodedChallenge, TranscriptWrite};
use thiserror::Error;

use super::check::{check, Violation};
use super::constraints::{any_column, last_rotation, permutation_chunk, Column as Name};
use super::key::{CircuitKey, DerivedPhase};
use super::opening::{Opening, Query};
use super::randomness::Randomness;
use super::scalar::{Challenges, ScalarValues};
use crate::engine::{Column, Engine, EngineError, Environment, Factor, GrandProduct, Ingredients, Values};

/// Why there is no proof.
#[derive(Debug, Error)]
pub enum PlonkError {
    /// The engine gives up.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Another number of instance columns than the system has.
    #[error("the constraint system has {expected} instance columns, and {found} are given")]
    InstanceColumns {
        /// Columns of the system.
        expected: usize,
        /// Columns given.
        found: usize,
    },
    /// An instance column that does not fit.
    #[error("instance column {column} has {found} values, and {limit} rows are usable")]
    InstanceLength {
        /// The column.
        column: usize,
        /// Usable rows.
        limit: usize,
        /// Values given.
        found: usize,
    },
    /// The witness does not have the columns of a phase.
    #[error(
        "phase {phase} of the witness has {found} columns of the {expected} that the system asks for, or other ones"
    )]
    WitnessColumns {
        /// The phase.
        phase: u8,
        /// Columns of the system.
        expected: usize,
        /// Columns of the witness.
        found: usize,
    },
    /// A column of the witness that does not fit.
    #[error("advice column {column} has {found} rows, and {limit} are usable")]
    WitnessLength {
        /// The column.
        column: usize,
        /// Usable rows.
        limit: usize,
        /// Rows of the column.
        found: usize,
    },
    /// A column of the witness in a form that leaves no rows to hide it.
    #[error("advice column {column} has a tail of another length than hides it, or speaks about the last rows")]
    WitnessForm {
        /// The column.
        column: usize,
    },
    /// The circuit can't make its witness.
    #[error("the witness of phase {phase}: {reason}")]
    Witness {
        /// The phase.
        phase: u8,
        /// What is wrong.
        reason: String,
    },
    /// The witness violates a constraint.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// The transcript takes no more, or a commitment is the point at infinity.
    #[error("the transcript: {0}")]
    Transcript(#[from] std::io::Error),
}

/// Where advice columns come from.
pub trait Witness {
    /// Hands out the advice columns of a phase, usable rows only, with their index, in any order. `challenges` holds those that
    /// are known. A phase whose columns follow from those before it by the key's recipe is not asked for.
    ///
    /// A column may bring its own last rows, as many as hide it, where the witness needs to know them; then it answers for their being
    /// drawn anew for each proof.
    ///
    /// # Errors
    /// The witness can't be made ([`PlonkError::Witness`]; no private value is in the reason), or a column is not taken.
    fn columns(&mut self, phase: u8, challenges: &[Option<Fr>], take: &mut Take<'_>) -> Result<(), PlonkError>;
}

/// Takes an advice column over: its index and values.
pub type Take<'a> = dyn FnMut(usize, Column) -> Result<(), PlonkError> + 'a;

/// Is told what a proof is doing. `()` is told and does nothing.
pub trait Observer {
    /// A round begins.
    fn begin(&mut self, round: Round);
    /// A round has ended.
    fn end(&mut self, round: Round);
}

impl Observer for () {
    fn begin(&mut self, _: Round) {}
    fn end(&mut self, _: Round) {}
}

/// A part of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Round {
    /// Filling the columns of a phase.
    Fill(u8),
    /// Committing to the columns of a phase.
    Advice(u8),
    /// Sorting lookups.
    Lookups,
    /// The products of the permutation and lookup arguments.
    Products,
    /// Computing the quotient.
    Quotient,
    /// Committing to its pieces.
    Pieces,
    /// Evaluations.
    Evaluations,
    /// The opening.
    Opening,
}

impl std::fmt::Display for Round {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Round::Fill(phase) => write!(f, "fill phase {}", phase + 1),
            Round::Advice(phase) => write!(f, "commit phase {}", phase + 1),
            Round::Lookups => f.write_str("lookups"),
            Round::Products => f.write_str("products"),
            Round::Quotient => f.write_str("quotient"),
            Round::Pieces => f.write_str("commit quotient"),
            Round::Evaluations => f.write_str("evaluations"),
            Round::Opening => f.write_str("opening"),
        }
    }
}

/// What all rounds share.
struct Session<'a, E: Engine, C, T> {
    engine: &'a E,
    key: &'a CircuitKey<E>,
    /// `[τ^n]₁`, for the masks of the quotient.
    next_power: G1Affine,
    randomness: &'a mut Randomness,
    transcript: &'a mut T,
    observer: &'a mut dyn Observer,
    challenge: std::marker::PhantomData<C>,
}

/// Columns of a proof by their name.
type Columns<C> = BTreeMap<Name, C>;

/// The witness is committed.
struct Witnessed<'a, E: Engine, C, T> {
    session: Session<'a, E, C, T>,
    columns: Columns<E::Column>,
    gate_challenges: Vec<Fr>,
}

/// The lookups' permuted columns are committed.
struct Permuted<'a, E: Engine, C, T> {
    session: Session<'a, E, C, T>,
    columns: Columns<E::Column>,
    challenges: Challenges,
    /// The compressed input and table of each lookup.
    compressed: Vec<[E::Column; 2]>,
}

/// The product columns are committed.
struct Products<'a, E: Engine, C, T> {
    session: Session<'a, E, C, T>,
    columns: Columns<E::Column>,
    challenges: Challenges,
}

/// The quotient is committed.
struct Quotient<'a, E: Engine, C, T> {
    session: Session<'a, E, C, T>,
    columns: Columns<E::Column>,
    mask: E::Column,
    pieces: Vec<E::Column>,
    /// `b_i`
    piece_masks: Vec<Fr>,
    x: Fr,
}

/// Everything is evaluated.
struct Evaluated<'a, E: Engine, C, T> {
    session: Session<'a, E, C, T>,
    columns: Columns<E::Column>,
    mask: E::Column,
    /// `Σ x^(n·i)·h_i`
    quotient: E::Column,
    /// Columns, rotations and values in the order of the opening.
    queries: Vec<(Opened, i32, Fr)>,
    x: Fr,
}

/// What is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opened {
    Column(Name),
    Quotient,
    Mask,
}

/// A proof to be made.
pub struct Job<'a, E: Engine> {
    /// Where.
    pub engine: &'a E,
    /// The circuit.
    pub key: &'a CircuitKey<E>,
    /// `[τ^n]₁`, for the masks of the quotient.
    pub next_power: G1Affine,
    /// The values of each instance column.
    pub instances: &'a [&'a [Fr]],
    /// Whether gates and copies are checked before anything is derived from the witness. Takes longer than the proof.
    pub check: bool,
}

/// Makes a proof.
///
/// # Errors
/// The instances or the witness do not fit the circuit, or the engine fails. A witness that violates constraints is an error
/// where it is checked; otherwise it gives a proof that is not accepted.
pub fn prove<E: Engine, C: EncodedChallenge<G1Affine>, T: TranscriptWrite<G1Affine, C>>(
    job: &Job<'_, E>,
    witness: &mut dyn Witness,
    randomness: &mut Randomness,
    transcript: &mut T,
    observer: &mut dyn Observer,
) -> Result<(), PlonkError> {
    let challenge = std::marker::PhantomData::<C>;
    let Job { engine, key, next_power, .. } = *job;
    let session = Session { engine, key, next_power, randomness, transcript, observer, challenge };
    let (session, columns) = session.start(job.instances)?;
    let witnessed = session.witness(columns, witness)?;
    if job.check {
        witnessed.check()?;
    }
    witnessed.permute_lookups()?.products()?.quotient()?.evaluate()?.open()
}

/// A session whose transcript holds the key and the instances, and the instance columns.
type Started<'a, E, C, T> = (Session<'a, E, C, T>, Columns<<E as Engine>::Column>);

impl<'a, E: Engine, C: EncodedChallenge<G1Affine>, T: TranscriptWrite<G1Affine, C>> Session<'a, E, C, T> {
    fn start(self, instances: &[&[Fr]]) -> Result<Started<'a, E, C, T>, PlonkError> {
        let expected = self.key.system.num_instance_columns();
        if instances.len() != expected {
            return Err(PlonkError::InstanceColumns { expected, found: instances.len() });
        }
        let limit = self.key.usable_rows(self.engine);
        self.transcript.common_scalar(self.key.digest)?;
        let mut columns = Columns::new();
        for (index, values) in instances.iter().enumerate() {
            if values.len() > limit {
                return Err(PlonkError::InstanceLength { column: index, limit, found: values.len() });
            }
            values.iter().try_for_each(|value| self.transcript.common_scalar(*value))?;
            let column = self.engine.column(Column::narrowest(values.to_vec()))?;
            columns.insert(Name::Instance(index), column);
        }
        Ok((self, columns))
    }

    fn witness(
        mut self,
        mut columns: Columns<E::Column>,
        witness: &mut dyn Witness,
    ) -> Result<Witnessed<'a, E, C, T>, PlonkError> {
        let system = &self.key.system;
        let phases = system.advice_column_phase();
        let challenge_phases = system.challenge_phase();
        let last = phases.iter().chain(&challenge_phases).copied().max().unwrap_or(0);
        let mut challenges = vec![None; system.num_challenges()];
        for phase in 0..=last {
            self.observer.begin(Round::Fill(phase));
            let expected: Vec<usize> = (0..phases.len()).filter(|index| phases[*index] == phase).collect();
            let advice = match &self.key.derived {
                Some(derived) if derived.phase == phase => self.derive(derived, &expected, &challenges, &columns)?,
                _ => self.advice(phase, &expected, &challenges, witness)?,
            };
            columns.extend(advice);
            self.observer.end(Round::Fill(phase));
            self.observer.begin(Round::Advice(phase));
            let committed: Vec<_> = expected.iter().map(|index| &columns[&Name::Advice(*index)]).collect();
            for point in self.engine.commit(&committed)? {
                self.transcript.write_point(point)?;
            }
            for (challenge, _) in challenges.iter_mut().zip(&challenge_phases).filter(|(_, p)| **p == phase) {
                *challenge = Some(squeeze(self.transcript));
            }
            self.observer.end(Round::Advice(phase));
        }
        let gate_challenges = challenges.into_iter().map(|challenge| challenge.expect("all phases are over")).collect();
        Ok(Witnessed { session: self, columns, gate_challenges })
    }

    /// The columns of a phase that follow from those before it.
    fn derive(
        &mut self,
        derived: &DerivedPhase<E>,
        expected: &[usize],
        challenges: &[Option<Fr>],
        before: &Columns<E::Column>,
    ) -> Result<Columns<E::Column>, PlonkError> {
        let hidden = self.key.system.blinding_factors() + 1;
        // Drawn in the order of the columns, as for columns of a witness.
        let mut tails: BTreeMap<usize, Vec<Fr>> =
            expected.iter().map(|index| (*index, self.randomness.elements(hidden))).collect();
        let tails =
            derived.columns.iter().map(|index| tails.remove(index).expect("its columns are those of the phase"));
        let known: Vec<Fr> = challenges.iter().copied().flatten().collect();
        let column = |source| {
            let name = match source {
                Source::Fixed(index) => Name::Fixed(index),
                Source::Advice(index) => Name::Advice(index),
                Source::Instance(index) => Name::Instance(index),
            };
            find(self.key, before, name)
        };
        let ingredients = Ingredients { challenges: &known, columns: &column, tails: tails.collect() };
        let mut columns = Columns::new();
        let mut begun = Ok(());
        self.engine.derive(&derived.recipe, ingredients, &mut |number, column| {
            if begun.is_ok() {
                begun = self.engine.begin_commit(&column);
            }
            columns.insert(Name::Advice(derived.columns[number]), column);
        })?;
        begun?;
        Ok(columns)
    }

    /// Checks a phase's columns, appends the rows that hide them, and hands them to the engine, one by one as they come.
    fn advice(
        &mut self,
        phase: u8,
        expected: &[usize],
        challenges: &[Option<Fr>],
        witness: &mut dyn Witness,
    ) -> Result<Columns<E::Column>, PlonkError> {
        let limit = self.key.usable_rows(self.engine);
        let hidden = self.key.system.blinding_factors() + 1;
        // Drawn in the order of the columns, whatever the order in which they come.
        let mut tails: BTreeMap<usize, Vec<Fr>> =
            expected.iter().map(|index| (*index, self.randomness.elements(hidden))).collect();
        let mut columns = Columns::new();
        let other = |found| PlonkError::WitnessColumns { phase, expected: expected.len(), found };
        witness.columns(phase, challenges, &mut |index, column| {
            let tail = tails.remove(&index).ok_or_else(|| other(columns.len() + 1))?;
            let found = column.rows() - column.tail.len();
            if found > limit {
                return Err(PlonkError::WitnessLength { column: index, limit, found });
            }
            if matches!(column.values, Values::Constant(_) | Values::Sigma(_)) {
                return Err(PlonkError::WitnessForm { column: index });
            }
            let tail = match column.tail.len() {
                0 => tail,
                own if own == hidden => column.tail,
                _ => return Err(PlonkError::WitnessForm { column: index }),
            };
            let column = self.engine.column(Column { tail, ..column })?;
            self.engine.begin_commit(&column)?;
            columns.insert(Name::Advice(index), column);
            Ok(())
        })?;
        if !tails.is_empty() {
            return Err(other(columns.len()));
        }
        Ok(columns)
    }

    fn write_commitments(&mut self, columns: &[&E::Column]) -> Result<(), PlonkError> {
        for point in self.engine.commit(columns)? {
            self.transcript.write_point(point)?;
        }
        Ok(())
    }

    fn squeeze(&mut self) -> Fr {
        squeeze(self.transcript)
    }

    /// `ω^rotation·x`
    fn rotated(&self, x: Fr, rotation: i32) -> Fr {
        let omega = crate::field::root_of_unity(self.engine.k());
        let step = if rotation < 0 { omega.invert().expect("a root of unity is not zero") } else { omega };
        x * step.pow_vartime([u64::from(rotation.unsigned_abs())])
    }
}

fn squeeze<C: EncodedChallenge<G1Affine>, T: TranscriptWrite<G1Affine, C>>(transcript: &mut T) -> Fr {
    transcript.squeeze_challenge().get_scalar()
}

/// The challenges while those that come later are not known.
fn so_far(gates: Vec<Fr>, theta: Fr) -> Challenges {
    Challenges { gates, theta, beta: Fr::ZERO, gamma: Fr::ZERO, y: Fr::ZERO }
}

/// A column of the proof or of the key.
fn find<'c, E: Engine>(key: &'c CircuitKey<E>, columns: &'c Columns<E::Column>, name: Name) -> &'c E::Column {
    columns.get(&name).or_else(|| key.columns.get(&name)).expect("constraints speak about the columns of the system")
}

/// Calls `work` with the environment of constraints.
fn with_environment<E: Engine, R>(
    key: &CircuitKey<E>,
    columns: &Columns<E::Column>,
    scalars: &ScalarValues,
    work: impl FnOnce(&Environment<'_, E::Column>) -> R,
) -> R {
    let lookup = |name| find(key, columns, name);
    work(&Environment { graph: &key.constraints.graph, scalars, columns: &lookup })
}

impl<'a, E: Engine, C: EncodedChallenge<G1Affine>, T: TranscriptWrite<G1Affine, C>> Witnessed<'a, E, C, T> {
    fn check(&self) -> Result<(), PlonkError> {
        let challenges = so_far(self.gate_challenges.clone(), Fr::ZERO);
        let scalars = self.session.key.constraints.graph.scalars().values(&challenges);
        with_environment(self.session.key, &self.columns, &scalars, |environment| {
            check(self.session.engine, self.session.key, environment)
        })
    }

    fn permute_lookups(self) -> Result<Permuted<'a, E, C, T>, PlonkError> {
        let Self { mut session, mut columns, gate_challenges } = self;
        session.observer.begin(Round::Lookups);
        let challenges = so_far(gate_challenges, session.squeeze());
        let scalars = session.key.constraints.graph.scalars().values(&challenges);
        let hidden = session.key.system.blinding_factors() + 1;
        let mut compressed = Vec::new();
        for (index, lookup) in session.key.constraints.lookups.iter().enumerate() {
            let [input, table] = with_environment(session.key, &columns, &scalars, |environment| {
                let input = session.engine.pointwise(lookup.input, environment)?;
                Ok::<_, EngineError>([input, session.engine.pointwise(lookup.table, environment)?])
            })?;
            let tails = [session.randomness.elements(hidden), session.randomness.elements(hidden)];
            let [permuted_input, permuted_table] = session.engine.permute_pair(&input, &table, tails)?;
            session.write_commitments(&[&permuted_input, &permuted_table])?;
            columns.insert(Name::LookupInput(index), permuted_input);
            columns.insert(Name::LookupTable(index), permuted_table);
            compressed.push([input, table]);
        }
        session.observer.end(Round::Lookups);
        Ok(Permuted { session, columns, challenges, compressed })
    }
}

impl<'a, E: Engine, C: EncodedChallenge<G1Affine>, T: TranscriptWrite<G1Affine, C>> Permuted<'a, E, C, T> {
    fn products(self) -> Result<Products<'a, E, C, T>, PlonkError> {
        let Self { mut session, mut columns, mut challenges, compressed } = self;
        session.observer.begin(Round::Products);
        challenges.beta = session.squeeze();
        challenges.gamma = session.squeeze();
        for (set, column) in session.permutation_products(&columns, &challenges)?.into_iter().enumerate() {
            columns.insert(Name::Product(set), column);
        }
        for (index, [input, table]) in compressed.iter().enumerate() {
            let column = session.lookup_product(&columns, &challenges, index, input, table)?;
            columns.insert(Name::LookupProduct(index), column);
        }
        let names: Vec<_> = columns.keys().copied().collect();
        let of = |kind: fn(&Name) -> bool| names.iter().filter(move |name| kind(name)).map(|name| &columns[name]);
        let products = of(|name| matches!(name, Name::Product(_)));
        let all: Vec<_> = products.chain(of(|name| matches!(name, Name::LookupProduct(_)))).collect();
        session.write_commitments(&all)?;
        session.observer.end(Round::Products);
        Ok(Products { session, columns, challenges })
    }
}

impl<E: Engine, C: EncodedChallenge<G1Affine>, T: TranscriptWrite<G1Affine, C>> Session<'_, E, C, T> {
    /// The product columns of the permutation argument: each starts where the one before it ends.
    fn permutation_products(
        &mut self,
        columns: &Columns<E::Column>,
        challenges: &Challenges,
    ) -> Result<Vec<E::Column>, PlonkError> {
        let key = self.key;
        let members = key.system.permutation().get_columns();
        if members.is_empty() {
            return Ok(Vec::new());
        }
        let chunk = permutation_chunk(&key.system);
        let mut products = Vec::new();
        let mut start = Fr::ONE;
        for (set, members) in members.chunks(chunk).enumerate() {
            let members = || (set * chunk..).zip(members);
            let value = |member| (find(key, columns, any_column(member)), Fr::ONE);
            let numerators = members().map(|(index, member)| Factor {
                terms: vec![value(member)],
                identity: challenges.beta * Fr::DELTA.pow_vartime([index as u64]),
                constant: challenges.gamma,
            });
            let denominators = members().map(|(index, member)| Factor {
                terms: vec![value(member), (find(key, columns, Name::Sigma(index)), challenges.beta)],
                identity: Fr::ZERO,
                constant: challenges.gamma,
            });
            let tail = self.randomness.elements(key.system.blinding_factors());
            let product =
                GrandProduct { numerators: numerators.collect(), denominators: denominators.collect(), start, tail };
            let (column, last) = self.engine.grand_product(product)?;
            products.push(column);
            start = last;
        }
        Ok(products)
    }

    fn lookup_product(
        &mut self,
        columns: &Columns<E::Column>,
        challenges: &Challenges,
        index: usize,
        input: &E::Column,
        table: &E::Column,
    ) -> Result<E::Column, PlonkError> {
        let shifted = |column, constant| Factor { terms: vec![(column, Fr::ONE)], identity: Fr::ZERO, constant };
        let permuted = |name| find(self.key, columns, name);
        let product = GrandProduct {
            numerators: vec![shifted(input, challenges.beta), shifted(table, challenges.gamma)],
            denominators: vec![
                shifted(permuted(Name::LookupInput(index)), challenges.beta),
                shifted(permuted(Name::LookupTable(index)), challenges.gamma),
            ],
            start: Fr::ONE,
            tail: self.randomness.elements(self.key.system.blinding_factors()),
        };
        Ok(self.engine.grand_product(product)?.0)
    }
}

impl<'a, E: Engine, C: EncodedChallenge<G1Affine>, T: TranscriptWrite<G1Affine, C>> Products<'a, E, C, T> {
    fn quotient(self) -> Result<Quotient<'a, E, C, T>, PlonkError> {
        let Self { mut session, columns, mut challenges } = self;
        session.observer.begin(Round::Quotient);
        let tail = session.randomness.elements(session.key.system.blinding_factors() + 1);
        let mask = session.engine.column(Column { tail, ..Column::new(Values::ZERO) })?;
        session.write_commitments(&[&mask])?;
        challenges.y = session.squeeze();
        let scalars = session.key.constraints.graph.scalars().values(&challenges);
        let pieces = with_environment(session.key, &columns, &scalars, |environment| {
            session.engine.quotient(&session.key.plan, environment)
        })?;
        session.observer.end(Round::Quotient);
        session.observer.begin(Round::Pieces);
        let mut piece_masks = session.randomness.elements(pieces.len() - 1);
        piece_masks.push(Fr::ZERO);
        session.write_pieces(&pieces, &piece_masks)?;
        session.observer.end(Round::Pieces);
        let x = session.squeeze();
        Ok(Quotient { session, columns, mask, pieces, piece_masks, x })
    }
}

impl<E: Engine, C: EncodedChallenge<G1Affine>, T: TranscriptWrite<G1Affine, C>> Session<'_, E, C, T> {
    /// Commits to `h_i + b_i·X^n − b_(i−1)`.
    fn write_pieces(&mut self, pieces: &[E::Column], masks: &[Fr]) -> Result<(), PlonkError> {
        let commitments = self.engine.commit(&pieces.iter().collect::<Vec<_>>())?;
        let before = std::iter::once(Fr::ZERO).chain(masks.iter().copied());
        for ((commitment, mask), before) in commitments.into_iter().zip(masks).zip(before) {
            let masked = commitment.to_curve() + self.next_power * mask - G1Affine::generator() * before;
            self.transcript.write_point(masked.to_affine())?;
        }
        Ok(())
    }
}

impl<'a, E: Engine, C: EncodedChallenge<G1Affine>, T: TranscriptWrite<G1Affine, C>> Quotient<'a, E, C, T> {
    fn evaluate(self) -> Result<Evaluated<'a, E, C, T>, PlonkError> {
        let Self { session, columns, mask, pieces, piece_masks, x } = self;
        session.observer.begin(Round::Evaluations);
        let (quotient, masking) = combine_pieces(session.engine, &pieces, &piece_masks, x)?;
        drop(pieces);
        let order = EvaluationOrder::new(&session.key.system);
        let column = |opened: Opened| match opened {
            Opened::Column(name) => find(session.key, &columns, name),
            Opened::Quotient => &quotient,
            Opened::Mask => &mask,
        };
        let asked: Vec<_> = order.opened.iter().map(|&(opened, rotation)| (column(opened), rotation)).collect();
        let values = session.engine.evaluate(x, &asked)?;
        let queries: Vec<_> = order
            .opened
            .iter()
            .zip(values)
            .map(|(&(opened, rotation), value)| match opened {
                // The masks cancel at x, where X^n is not the 1 that it is on the domain.
                Opened::Quotient => (opened, rotation, value - masking),
                _ => (opened, rotation, value),
            })
            .collect();
        for (opened, rotation) in order.written {
            let (_, _, value) = queries
                .iter()
                .find(|query| (query.0, query.1) == (opened, rotation))
                .expect("what is written is opened");
            session.transcript.write_scalar(*value)?;
        }
        session.observer.end(Round::Evaluations);
        Ok(Evaluated { session, columns, mask, quotient, queries, x })
    }
}

/// `Σ x^(n·i)·(h_i + b_i·X^n − b_(i−1))` by its values on the domain, where `X^n = 1`, and what the masks add there.
fn combine_pieces<E: Engine>(
    engine: &E,
    pieces: &[E::Column],
    masks: &[Fr],
    x: Fr,
) -> Result<(E::Column, Fr), EngineError> {
    let xn = x.pow_vartime([1 << engine.k()]);
    let terms: Vec<_> = pieces.iter().zip(crate::field::powers_of(xn)).collect();
    let before = std::iter::once(Fr::ZERO).chain(masks.iter().copied());
    let masking = terms.iter().zip(masks).zip(before).map(|(((_, power), mask), before)| (mask - before) * power).sum();
    Ok((engine.combine(&terms, masking)?, masking))
}

/// The orders in which the verifier reads evaluations and opens them.
struct EvaluationOrder {
    written: Vec<(Opened, i32)>,
    opened: Vec<(Opened, i32)>,
}

impl EvaluationOrder {
    fn new(system: &halo2_proofs::plonk::ConstraintSystem<Fr>) -> Self {
        let column = |name, rotation| (Opened::Column(name), rotation);
        let advice: Vec<_> =
            system.advice_queries().iter().map(|(c, at)| column(Name::Advice(c.index()), at.0)).collect();
        let fixed: Vec<_> = system.fixed_queries().iter().map(|(c, at)| column(Name::Fixed(c.index()), at.0)).collect();
        let members = system.permutation().get_columns().len();
        let sigma: Vec<_> = (0..members).map(|index| column(Name::Sigma(index), 0)).collect();
        let sets = if members == 0 { 0 } else { members.div_ceil(permutation_chunk(system)) };
        let last = last_rotation(system);
        let lookups = system.lookups().len();

        let mut written: Vec<_> = [&advice[..], &fixed, &[(Opened::Mask, 0)], &sigma].concat();
        for set in 0..sets {
            written.extend([column(Name::Product(set), 0), column(Name::Product(set), 1)]);
            if set + 1 < sets {
                written.push(column(Name::Product(set), last));
            }
        }
        for index in 0..lookups {
            written.extend([
                column(Name::LookupProduct(index), 0),
                column(Name::LookupProduct(index), 1),
                column(Name::LookupInput(index), 0),
                column(Name::LookupInput(index), -1),
                column(Name::LookupTable(index), 0),
            ]);
        }

        let mut opened = advice;
        for set in 0..sets {
            opened.extend([column(Name::Product(set), 0), column(Name::Product(set), 1)]);
        }
        opened.extend((0..sets.saturating_sub(1)).rev().map(|set| column(Name::Product(set), last)));
        for index in 0..lookups {
            opened.extend([
                column(Name::LookupProduct(index), 0),
                column(Name::LookupInput(index), 0),
                column(Name::LookupTable(index), 0),
                column(Name::LookupInput(index), -1),
                column(Name::LookupProduct(index), 1),
            ]);
        }
        opened.extend(fixed);
        opened.extend(sigma);
        opened.extend([(Opened::Quotient, 0), (Opened::Mask, 0)]);
        Self { written, opened }
    }
}

impl<E: Engine, C: EncodedChallenge<G1Affine>, T: TranscriptWrite<G1Affine, C>> Evaluated<'_, E, C, T> {
    fn open(self) -> Result<(), PlonkError> {
        let Self { mut session, columns, mask, quotient, queries, x } = self;
        session.observer.begin(Round::Opening);
        let y = session.squeeze();
        let v = session.squeeze();
        let queries = queries
            .into_iter()
            .map(|(opened, rotation, value)| {
                let column = match opened {
                    Opened::Column(name) => find(session.key, &columns, name),
                    Opened::Quotient => &quotient,
                    Opened::Mask => &mask,
                };
                Query { column, point: session.rotated(x, rotation), value }
            })
            .collect();
        let opening = Opening::new(session.engine, queries, y, v)?;
        session.transcript.write_point(opening.commitment)?;
        let u = session.squeeze();
        let last = opening.finish(session.engine, u)?;
        session.transcript.write_point(last)?;
        session.observer.end(Round::Opening);
        Ok(())
    }
}
