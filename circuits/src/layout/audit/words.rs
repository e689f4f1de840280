//! The instance words: the scalar unit run on random values.
//!
//! Elements stand as the residues that identities are compared with, as integers; salts are drawn like them. What the fixed
//! cells and copies then make of each instance cell must be what the interface says of these values. Packing is linear, so
//! a wrong factor is found unless it is multiplied by zero; a hash that gave the right word for random values and a wrong
//! one for others would have to be built so.

use std::collections::{BTreeMap, HashMap};

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::super::rows::Place;
use super::identities::Identities;
use super::AuditError;
use crate::digest::{PortDigest, Salt};
use crate::graph::{Op, Port, TensorId, Visibility};
use crate::interface::{port_rows, InterfacePort};
use crate::machine::{to_field, AdviceColumn, Cell, FixedColumn, Skeleton};

/// The columns whose cells may be any field elements.
const SCALAR_COLUMNS: [FixedColumn; 4] =
    [FixedColumn::ScalarPrevious, FixedColumn::ScalarProduct, FixedColumn::ScalarOperand, FixedColumn::ScalarConstant];
/// The kind of random residues that salts are made of.
const SALT_KIND: u32 = u32::MAX - 1;
/// The kind of random residues that stand for differences of maxima, and for bits of their indices.
const UNKNOWN_CELL_KIND: u32 = u32::MAX - 3;

/// Checks that cells which are no small integers are where they are read as such, and are no small integers too.
///
/// # Errors
/// The first other one.
pub(super) fn audit_elements(skeleton: &Skeleton) -> Result<(), AuditError> {
    for (column, cells) in &skeleton.elements {
        let misplaced = |row: &&usize| !SCALAR_COLUMNS.contains(column) || skeleton.fixed(*column, **row) != 0;
        if let Some(&row) = cells.keys().find(misplaced) {
            return Err(AuditError::Element { row });
        }
    }
    Ok(())
}

/// Compares all instance words, and tells their number.
///
/// # Errors
/// The first word that is another.
pub(super) fn audit(run: &Run<'_>) -> Result<usize, AuditError> {
    let identities = run.identities;
    let interface = identities.layout.interface();
    let program = identities.program;
    let mut found = run.words().into_iter();
    let mut salts = run.salts.iter();
    for (port, described) in program.inputs.iter().chain(&program.outputs).zip(&interface.ports) {
        let refuse = |what| Err(AuditError::Word { port: described.name.clone(), what });
        for expected in run.expected(port, described, &mut salts) {
            match found.next().flatten() {
                None => return refuse("an instance word depends on something other than its values and salt"),
                Some(word) if word != expected => return refuse("an instance word is not the one of its values"),
                Some(_) => {}
            }
        }
    }
    Ok(interface.words())
}

/// Checks that every element of a committed port has its cell in the port's columns, which is one copy of its home and no other's.
///
/// # Errors
/// The first port with a cell that is something else.
pub(super) fn audit_ports(run: &Run<'_>) -> Result<(), AuditError> {
    let identities = run.identities;
    let interface = identities.layout.interface();
    let program = identities.program;
    let (skeleton, k) = (identities.skeleton, identities.skeleton.params.k);
    if interface.committed_columns(k) != skeleton.params.port_columns as usize {
        return Err(AuditError::Frame { what: "the columns of committed ports are those of the interface" });
    }
    if skeleton.params.port_columns == 0 {
        return Ok(());
    }
    let mut cells: BTreeMap<(u32, u32), Vec<Option<Fr>>> = BTreeMap::new();
    for &(source, destination) in &skeleton.copies {
        if let Cell::Advice(AdviceColumn::Port(_), _) = source {
            return Err(AuditError::Frame { what: "nothing is copied from the columns of committed ports" });
        }
        if let Cell::Advice(AdviceColumn::Port(column), row) = destination {
            cells.entry((column, row)).or_default().push(run.cell(source));
        }
    }
    let ports: Vec<&Port> = program.inputs.iter().chain(&program.outputs).collect();
    for (port, described, columns) in interface.committed(k) {
        for index in 0..described.elements() {
            let (column, row) = (columns.start + index / port_rows(k), index % port_rows(k));
            let expected = Fr::from(identities.element(ports[port].tensor, index));
            let found = cells.remove(&(column as u32, row as u32)).unwrap_or_default();
            if found != [Some(expected)] {
                let what = "a cell of a committed port is not one copy of its element";
                return Err(AuditError::Word { port: described.name.clone(), what });
            }
        }
    }
    match cells.is_empty() {
        true => Ok(()),
        false => Err(AuditError::Frame { what: "the columns of committed ports hold their elements alone" }),
    }
}

/// A run of the scalar unit on random values.
pub(super) struct Run<'a> {
    pub(super) identities: &'a Identities<'a>,
    /// One for each hashed port.
    salts: Vec<Salt>,
    /// A number for each cell that is no element and that the scalar unit reads all the same.
    unknowns: HashMap<Cell, u32>,
    /// The results of the rows, as far as they follow from elements and salts.
    results: Vec<Option<Fr>>,
}

impl<'a> Run<'a> {
    pub(super) fn new(identities: &'a Identities<'a>) -> Self {
        let draw = |index: u32| {
            let half = |part| identities.randomness.residue(SALT_KIND, 2 * index + part).to_be_bytes();
            Salt::from_bytes([half(0), half(1)].concat().try_into().expect("two halves"))
        };
        let salts = (0..identities.layout.salts.len() as u32).map(draw).collect();
        let mut run = Self { identities, salts, unknowns: unknowns(identities), results: Vec::new() };
        for row in 0..identities.layout.statistics().rows.scalars {
            let result = run.result(row);
            run.results.push(result);
        }
        run
    }

    /// The instance words, in the order of their rows.
    fn words(&self) -> Vec<Option<Fr>> {
        let mut words = vec![None; self.identities.layout.interface().words()];
        for &(source, destination) in &self.identities.skeleton.copies {
            if let Cell::Instance(row) = destination {
                if let Some(word) = words.get_mut(row as usize) {
                    *word = self.cell(source);
                }
            }
        }
        words
    }

    /// The instance words of a port, from the definition.
    fn expected<'s>(
        &self,
        port: &Port,
        described: &InterfacePort,
        salts: &mut impl Iterator<Item = &'s Salt>,
    ) -> Vec<Fr> {
        match described.visibility {
            Visibility::Public => self.packed(port.tensor, described),
            Visibility::Hashed => {
                let salt = *salts.next().expect("every hashed port has a salt");
                vec![PortDigest::of(&self.packed(port.tensor, described), salt).word()]
            }
            Visibility::Private | Visibility::Committed => Vec::new(),
        }
    }

    fn packed(&self, tensor: TensorId, described: &InterfacePort) -> Vec<Fr> {
        let values: Vec<i64> =
            (0..described.elements()).map(|index| self.identities.element(tensor, index) as i64).collect();
        values.chunks(described.values_per_word()).map(|values| described.pack_word(values)).collect()
    }

    fn result(&self, row: usize) -> Option<Fr> {
        let [previous, product, linear, constant] = SCALAR_COLUMNS.map(|column| self.coefficient(column, row));
        let challenges = [FixedColumn::ScalarChi, FixedColumn::ScalarRho];
        if challenges.into_iter().any(|column| self.identities.skeleton.fixed(column, row) != 0) {
            return None;
        }
        let operand = |which: usize| self.cell(self.identities.operands[row][which]?);
        let times = |factor: Fr, value: &dyn Fn() -> Option<Fr>| match bool::from(factor.is_zero()) {
            true => Some(Fr::ZERO),
            false => Some(factor * value()?),
        };
        Some(
            constant
                + times(previous, &|| *self.results.get(row.checked_sub(1)?)?)?
                + times(linear, &|| operand(0))?
                + times(product, &|| Some(operand(0)? * operand(1)?))?,
        )
    }

    fn coefficient(&self, column: FixedColumn, row: usize) -> Fr {
        let skeleton = self.identities.skeleton;
        let element = skeleton.elements.get(&column).and_then(|cells| cells.get(&row));
        element.copied().unwrap_or_else(|| to_field(skeleton.fixed(column, row)))
    }

    /// A cell's value, where it follows from elements and salts.
    pub(super) fn cell(&self, cell: Cell) -> Option<Fr> {
        match cell {
            Cell::Advice(AdviceColumn::ScalarC, row) => *self.results.get(row as usize)?,
            Cell::Advice(AdviceColumn::Value(lane), row) => match self.identities.known_value(row, lane) {
                Some(value) => Some(Fr::from(value)),
                None => self.unknown(cell),
            },
            Cell::Advice(AdviceColumn::Pre(lane), row) => self.limb(Place { row, lane }).or_else(|| self.unknown(cell)),
            _ => None,
        }
    }

    /// What stands for a cell that is no element: a difference of a wide maximum, or a bit of the index of one.
    pub(super) fn unknown(&self, cell: Cell) -> Option<Fr> {
        let index = *self.unknowns.get(&cell)?;
        Some(Fr::from(self.identities.randomness.residue(UNKNOWN_CELL_KIND, index)))
    }

    fn limb(&self, place: Place) -> Option<Fr> {
        let salts = self.salts.iter().zip(self.identities.layout.salts.iter());
        let mut limbs = salts.flat_map(|(salt, places)| places.iter().zip(salt.limbs()));
        limbs.find(|(known, _)| **known == place).map(|(_, limb)| to_field(limb))
    }
}

/// The cells of maxima and their indices that the scalar unit reads, which are no elements.
fn unknowns(identities: &Identities<'_>) -> HashMap<Cell, u32> {
    let mut cells = Vec::new();
    for (&tensor, heads) in identities.layout.maxima.iter() {
        match identities.program.node(tensor).op {
            Op::ArgMax { input } => {
                let window = identities.program.node(input).shape.last().map_or(0, |&window| window as u32);
                cells.extend(heads.iter().flat_map(|head| (1..=window).map(|step| head.below(step).value())));
            }
            _ => cells.extend(heads.iter().map(|head| head.below(1).pre())),
        }
    }
    cells.into_iter().zip(0..).collect()
}
