//! The verifying key: all that a verifier needs to know of a program.
//!
//! A key holds the widths of the machine, from which the constraint system is rebuilt; the commitments to the fixed
//! columns, which are the program; the interface, by which public values become instance words; the names of the
//! program and of the model it was made from; and what the SRS contributes.
//!
//! Whoever makes a key can switch constraints off in it. A key is to be trusted as far as one trusts its source, or
//! checked by compiling the model again and comparing digests.

use std::path::Path;

use circuits::graph::{Limits, PortKind};
use circuits::interface::{Direction, Interface, InterfacePort};
use circuits::machine::{MachineCircuit, MachineParams, ParamsError};
use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine};
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::plonk::{self, permutation, Circuit, ConstraintSystem};
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2_proofs::poly::EvaluationDomain;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::container::{self, Bytes, ContainerError, Kind};
use crate::encoding::{decode_point, decode_point2, encode_point, encode_point2, PointError, POINT_BYTES};
use crate::shape::ProofShape;
use crate::srs::{library_srs, SrsMark, SrsMarkError, SrsOrigin};
use crate::{refuse_degree_override, DegreeOverride, Digest};

/// A family of circuits of which [`MachineParams`] choose a member. [`MachineCircuit`] is the one that keys are made for;
/// others are for tests of what does not depend on the machine.
pub trait Family: Circuit<Fr, Params = MachineParams> {}

impl<C: Circuit<Fr, Params = MachineParams>> Family for C {}

/// What a key says about its program, commitments aside.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyDescription {
    /// The member of the machine's family.
    pub params: MachineParams,
    /// Name of the model.
    pub model: String,
    /// SHA-256 of the model's file, or zeros where there is none.
    pub source: Digest,
    /// Digest of the program's file.
    pub program: Digest,
    /// The ports.
    pub interface: Interface,
    /// The SRS.
    pub srs: SrsMark,
}

/// A verifying key that has passed every check that can be made without the program.
#[derive(Clone, Debug)]
pub struct VerifyingKey {
    description: KeyDescription,
    plonk: plonk::VerifyingKey<G1Affine>,
    shape: ProofShape,
    file: Vec<u8>,
    digest: Digest,
}

/// Why a key is not accepted.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file is not a whole and undamaged verifying key.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The environment would change the constraint system.
    #[error(transparent)]
    DegreeOverride(#[from] DegreeOverride),
    /// Widths that the machine does not admit.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// A port that can't be.
    #[error("port {port:?}: {fault}")]
    Port {
        /// The port.
        port: String,
        /// What is wrong with it.
        fault: PortFault,
    },
    /// More public values than the circuit has rows for.
    #[error("{words} instance words do not fit into {rows} rows")]
    Instances {
        /// Words of the interface.
        words: usize,
        /// Usable rows of the circuit.
        rows: usize,
    },
    /// Another number of columns for committed ports than the ports take.
    #[error("the committed ports take {expected} columns, and the machine has {found}")]
    PortColumns {
        /// Columns that the interface asks for.
        expected: usize,
        /// Columns of the machine.
        found: usize,
    },
    /// A constraint system that keys of this format can't describe; a fault of the circuit, not of a file.
    #[error("the constraint system has {found} {what}, and must have {expected}")]
    System {
        /// Which property.
        what: &'static str,
        /// What it must be.
        expected: usize,
        /// What it is.
        found: usize,
    },
    /// Another number of commitments than the constraint system has columns.
    #[error("the key has {found} bytes of commitments to {what} columns, and must have {expected}")]
    Commitments {
        /// Fixed or permutation.
        what: &'static str,
        /// Bytes that the constraint system asks for.
        expected: usize,
        /// Bytes that there are.
        found: usize,
    },
    /// A commitment that is no point; the point at infinity is a column of zeros, which no circuit may have.
    #[error("the commitment to {what} column {index}: {error}")]
    Commitment {
        /// Fixed or permutation.
        what: &'static str,
        /// Which column.
        index: usize,
        /// What is wrong with it.
        error: PointError,
    },
    /// An SRS that is not accepted.
    #[error(transparent)]
    Srs(#[from] SrsMarkError),
}

/// What can be wrong with a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PortFault {
    /// No elements, or more than a tensor may have.
    #[error("its shape has no elements or too many")]
    Shape,
    /// A range with its ends exchanged.
    #[error("its range is empty")]
    Range,
    /// A scale that is not a positive number, or not 1 for an index.
    #[error("its scale is out of place")]
    Scale,
    /// Missing values in an output, beside no number, or in what is committed.
    #[error("it can't have missing values")]
    Missing,
}

/// The payload of the file.
#[derive(Serialize, Deserialize)]
struct KeyFile {
    params: MachineParams,
    model: String,
    source: Digest,
    program: Digest,
    interface: Interface,
    srs: SrsOrigin,
    tau_g2: Bytes,
    fixed: Bytes,
    permutation: Bytes,
}

impl VerifyingKey {
    /// Makes a key of the machine from its parts: the commitments to the fixed columns and to those of the permutation
    /// argument, in the order of the constraint system.
    ///
    /// # Errors
    /// The parts do not go together.
    pub fn assemble(
        description: KeyDescription,
        fixed: Vec<G1Affine>,
        permutation: Vec<G1Affine>,
    ) -> Result<Self, KeyError> {
        Self::assemble_for::<MachineCircuit>(description, fixed, permutation)
    }

    /// [`VerifyingKey::assemble`] for any family.
    ///
    /// # Errors
    /// The parts do not go together.
    pub fn assemble_for<C: Family>(
        description: KeyDescription,
        fixed: Vec<G1Affine>,
        permutation: Vec<G1Affine>,
    ) -> Result<Self, KeyError> {
        let file = container::encode(
            Kind::VerifyingKey,
            &KeyFile {
                params: description.params,
                model: description.model.clone(),
                source: description.source,
                program: description.program,
                interface: description.interface.clone(),
                srs: description.srs.origin(),
                tau_g2: Bytes(encode_point2(&description.srs.tau_g2()).map_err(SrsMarkError::Point)?.into()),
                fixed: encode_commitments("fixed", &fixed)?,
                permutation: encode_commitments("permutation", &permutation)?,
            },
        )?;
        Self::check::<C>(description, fixed, permutation, file)
    }

    /// Reads the bytes of a key's file.
    ///
    /// # Errors
    /// The bytes are no valid key.
    pub fn from_file(file: Vec<u8>) -> Result<Self, KeyError> {
        Self::from_file_for::<MachineCircuit>(file)
    }

    /// [`VerifyingKey::from_file`] for any family.
    ///
    /// # Errors
    /// The bytes are no valid key.
    pub fn from_file_for<C: Family>(file: Vec<u8>) -> Result<Self, KeyError> {
        let content: KeyFile = container::decode(Kind::VerifyingKey, &file)?;
        let tau_g2: [u8; 128] = content.tau_g2.0.try_into().map_err(|bytes: Vec<u8>| KeyError::Commitments {
            what: "SRS",
            expected: 128,
            found: bytes.len(),
        })?;
        let tau_g2 = decode_point2(&tau_g2).map_err(SrsMarkError::Point)?;
        let description = KeyDescription {
            params: content.params,
            model: content.model,
            source: content.source,
            program: content.program,
            interface: content.interface,
            srs: SrsMark::new(content.srs, tau_g2)?,
        };
        let fixed = decode_commitments("fixed", &content.fixed)?;
        let permutation = decode_commitments("permutation", &content.permutation)?;
        Self::check::<C>(description, fixed, permutation, file)
    }

    /// Reads a key's file.
    ///
    /// # Errors
    /// The file can't be read or is no valid key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        Self::from_file(container::read_file(Kind::VerifyingKey, path)?)
    }

    /// Writes the key's file.
    ///
    /// # Errors
    /// The system refuses.
    pub fn write(&self, path: &Path) -> Result<(), ContainerError> {
        container::write_atomic(path, &self.file)
    }

    fn check<C: Family>(
        description: KeyDescription,
        fixed: Vec<G1Affine>,
        permutation: Vec<G1Affine>,
        file: Vec<u8>,
    ) -> Result<Self, KeyError> {
        let system = constraint_system::<C>(description.params)?;
        check_interface(&description)?;
        check_count("fixed", system.num_fixed_columns(), fixed.len())?;
        check_count("permutation", system.permutation().get_columns().len(), permutation.len())?;
        let shape = ProofShape::of(&system);
        let plonk = plonk::VerifyingKey::from_parts(
            domain_without_tables(system.degree(), description.params.k),
            fixed,
            permutation::VerifyingKey::from_commitments(permutation),
            system,
            Vec::new(),
            false,
        );
        let digest = Digest::of(&file);
        Ok(Self { description, plonk, shape, file, digest })
    }

    /// What the key says about its program.
    pub fn description(&self) -> &KeyDescription {
        &self.description
    }

    /// The ports.
    pub fn interface(&self) -> &Interface {
        &self.description.interface
    }

    /// The key of the proof library. Its domain has no tables for transforms: it serves to verify, not to prove.
    pub fn plonk(&self) -> &plonk::VerifyingKey<G1Affine> {
        &self.plonk
    }

    /// The form of proofs under this key.
    pub fn proof_shape(&self) -> ProofShape {
        self.shape
    }

    /// SHA-256 of the key's file; proofs name the key by it.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The bytes of the key's file.
    pub fn file(&self) -> &[u8] {
        &self.file
    }

    /// What the proof library's verifier reads of the SRS: one power.
    pub(crate) fn srs(&self) -> ParamsKZG<Bn256> {
        srs_for_verifying(self.description.params.k, &self.description.srs)
    }
}

/// What the proof library's verifier reads of an SRS of `2^k` rows: one power.
pub(crate) fn srs_for_verifying(k: u32, srs: &SrsMark) -> ParamsKZG<Bn256> {
    library_srs(k, vec![G1Affine::generator()], Some(Vec::new()), srs.tau_g2())
}

/// The constraint system that `params` choose, selectors replaced, as the proof library derives it.
///
/// # Errors
/// The widths are not admitted, the environment would change the system, or the circuit is not one that keys can
/// describe.
pub fn constraint_system<C: Family>(params: MachineParams) -> Result<ConstraintSystem<Fr>, KeyError> {
    refuse_degree_override()?;
    params.validate()?;
    let mut system = ConstraintSystem::default();
    C::configure_with_params(&mut system, params);
    let selectors = vec![vec![false]; system.num_selectors()];
    let (system, _) = system.directly_convert_selectors_to_fixed(selectors);
    check_system(&system, &params)?;
    Ok(system)
}

fn check_system(system: &ConstraintSystem<Fr>, params: &MachineParams) -> Result<(), KeyError> {
    let polynomials = system.gates().iter().flat_map(|gate| gate.polynomials());
    let gate_degree = polynomials.map(|polynomial| polynomial.degree()).max().unwrap_or(0);
    let properties = [
        ("instance columns", 1, system.num_instance_columns()),
        ("as the degree of its quotient", system.degree().max(gate_degree), system.degree()),
        ("blinded rows", params.blinded_rows(), system.blinding_factors() + 1),
    ];
    match properties.into_iter().find(|(_, expected, found)| expected != found) {
        Some((what, expected, found)) => Err(KeyError::System { what, expected, found }),
        None => Ok(()),
    }
}

fn check_interface(description: &KeyDescription) -> Result<(), KeyError> {
    for port in &description.interface.ports {
        check_port(port).map_err(|fault| KeyError::Port { port: port.name.clone(), fault })?;
    }
    let (words, rows) = (description.interface.words(), description.params.usable_rows());
    if words > rows {
        return Err(KeyError::Instances { words, rows });
    }
    let MachineParams { k, port_columns, .. } = description.params;
    let (expected, found) = (description.interface.committed_columns(k), port_columns as usize);
    if expected != found {
        return Err(KeyError::PortColumns { expected, found });
    }
    Ok(())
}

fn check_port(port: &InterfacePort) -> Result<(), PortFault> {
    let elements = port.shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    if !elements.is_some_and(|elements| (1..=Limits::MAX_ELEMENTS).contains(&elements)) {
        return Err(PortFault::Shape);
    }
    if port.lo > port.hi {
        return Err(PortFault::Range);
    }
    if !(port.scale.is_finite() && port.scale > 0.0) || (port.kind == PortKind::Index && port.scale != 1.0) {
        return Err(PortFault::Scale);
    }
    let is_output = port.kind == PortKind::Nullable && port.direction == Direction::Output;
    if is_output || !port.kind.is_admitted((port.lo, port.hi), port.visibility) {
        return Err(PortFault::Missing);
    }
    Ok(())
}

fn check_count(what: &'static str, columns: usize, commitments: usize) -> Result<(), KeyError> {
    if columns == commitments {
        Ok(())
    } else {
        Err(KeyError::Commitments { what, expected: columns * POINT_BYTES, found: commitments * POINT_BYTES })
    }
}

fn encode_commitments(what: &'static str, points: &[G1Affine]) -> Result<Bytes, KeyError> {
    let mut bytes = Vec::with_capacity(points.len() * POINT_BYTES);
    for (index, point) in points.iter().enumerate() {
        bytes.extend(encode_point(point).map_err(|error| KeyError::Commitment { what, index, error })?);
    }
    Ok(Bytes(bytes))
}

fn decode_commitments(what: &'static str, bytes: &Bytes) -> Result<Vec<G1Affine>, KeyError> {
    let points = bytes.0.chunks(POINT_BYTES).enumerate().map(|(index, point)| {
        let point: &[u8; POINT_BYTES] = point.try_into().map_err(|_| KeyError::Commitments {
            what,
            expected: bytes.0.len().next_multiple_of(POINT_BYTES),
            found: bytes.0.len(),
        })?;
        decode_point(point).map_err(|error| KeyError::Commitment { what, index, error })
    });
    points.collect()
}

/// The evaluation domain of the proof library less its tables for transforms: those take time and memory in proportion
/// to the number of rows, and a verifier transforms nothing.
pub(crate) fn domain_without_tables(degree: usize, k: u32) -> EvaluationDomain<Fr> {
    // The domain of the smallest circuit has the fields that do not depend on k.
    let smallest: EvaluationDomain<Fr> = EvaluationDomain::new(degree as u32, 1);
    let extended_k = smallest.extended_k - smallest.k + k;
    let root = |log: u32| (log..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square());
    let inverse = |value: Fr| value.invert().expect("roots of unity and powers of two are not zero");
    let power_of_two = |log: u32| Fr::from(2).pow([u64::from(log)]);
    let n = 1u64 << k;
    let step = root(extended_k).pow([n]);
    let vanishing = |index: u64| smallest.g_coset.pow([n]) * step.pow([index]) - Fr::ONE;
    EvaluationDomain {
        n,
        k,
        extended_k,
        omega: root(k),
        omega_inv: inverse(root(k)),
        extended_omega: root(extended_k),
        extended_omega_inv: inverse(root(extended_k)),
        ifft_divisor: inverse(power_of_two(k)),
        extended_ifft_divisor: inverse(power_of_two(extended_k)),
        t_evaluations: (0..1 << (extended_k - k)).map(|index| inverse(vanishing(index))).collect(),
        barycentric_weight: inverse(power_of_two(k)),
        fft_data: Default::default(),
        ..smallest
    }
}

#[cfg(test)]
mod tests {
    use circuits::machine::{Arrangement, Strides};

    use super::*;

    #[test]
    fn the_members_of_the_machine_are_systems_that_keys_describe() {
        let smallest = MachineParams { k: 5, units: 1, weights: 1, tables: 1, ..MachineParams::default() };
        let largest = MachineParams {
            k: 25,
            units: MachineParams::MAX_UNITS,
            weights: MachineParams::MAX_WEIGHTS,
            tables: MachineParams::MAX_TABLES,
            ..smallest
        };
        let folded = Arrangement::Folded(Strides([8, 8, 7, 3]));
        let narrowest = MachineParams { k: 6, arrangement: folded, ..smallest };
        let widest = MachineParams { arrangement: Arrangement::Folded(Strides([Strides::MAX; 4])), ..largest };
        for params in [smallest, largest, narrowest, widest] {
            let system = constraint_system::<MachineCircuit>(params).expect("a member of the family");
            assert_eq!(system.degree(), 5);
        }
    }

    #[test]
    fn the_light_domain_is_the_librarys() {
        for (degree, k) in [(3, 5), (4, 6), (5, 9), (6, 7), (9, 5)] {
            let (light, full) = (domain_without_tables(degree, k), EvaluationDomain::new(degree as u32, k));
            assert_eq!(light.n, full.n);
            assert_eq!(light.k, full.k);
            assert_eq!(light.extended_k, full.extended_k);
            assert_eq!(light.omega, full.omega);
            assert_eq!(light.omega_inv, full.omega_inv);
            assert_eq!(light.extended_omega, full.extended_omega);
            assert_eq!(light.extended_omega_inv, full.extended_omega_inv);
            assert_eq!(light.g_coset, full.g_coset);
            assert_eq!(light.g_coset_inv, full.g_coset_inv);
            assert_eq!(light.quotient_poly_degree, full.quotient_poly_degree);
            assert_eq!(light.ifft_divisor, full.ifft_divisor);
            assert_eq!(light.extended_ifft_divisor, full.extended_ifft_divisor);
            assert_eq!(light.t_evaluations, full.t_evaluations);
            assert_eq!(light.barycentric_weight, full.barycentric_weight);
        }
    }
}
