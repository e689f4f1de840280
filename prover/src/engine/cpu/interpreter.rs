//! Straight-line programs over rows.
//!
//! A program runs on a few vectors of rows at a time: all registers of these rows lie in the second cache, and one instruction is
//! decoded for all of them.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use rayon::prelude::*;

use super::super::{combination_terms, Column, EngineError, Environment, Values};
use super::column::CpuColumn;
use super::{CpuEngine, BLOCK};
use crate::field::{self, Instructions, Kernel, Lanes};
use crate::plonk::constraints::{self, NodeId};
use crate::plonk::program::{Operand, Operation, Program};
use crate::plonk::scalar::Scalars;

/// Vectors of rows that a program runs on at a time.
const VECTORS: usize = 4;

/// Rows that a program runs on at a time with the widest vectors.
const WIDEST_STEP: usize = VECTORS * 8;

/// A column's values in all rows, with those that rotations lead to from the first and last rows beside them.
pub(super) struct Padded {
    elements: Vec<Fr>,
    /// Place of row 0.
    origin: usize,
    rows: usize,
}

impl Padded {
    /// Room for a column that is read from `least` rows before each row to `most` rows behind it.
    pub(super) fn new(rows: usize, (least, most): (i32, i32)) -> Self {
        let (before, behind) = (least.unsigned_abs() as usize, most.unsigned_abs() as usize);
        Self { elements: vec![Fr::ZERO; before + rows + behind], origin: before, rows }
    }

    /// The rows, to be written; then [`Self::wrap`] is due.
    pub(super) fn rows_mut(&mut self) -> &mut [Fr] {
        &mut self.elements[self.origin..self.origin + self.rows]
    }

    /// Writes what lies beside the rows.
    pub(super) fn wrap(&mut self) {
        let (before, rows) = (self.origin, self.rows);
        for place in 0..before {
            self.elements[place] = self.elements[before + (rows - before % rows + place) % rows];
        }
        for place in 0..self.elements.len() - before - rows {
            self.elements[before + rows + place] = self.elements[before + place % rows];
        }
    }

    #[inline(always)]
    fn at(&self, row: usize, rotation: i32) -> &[Fr] {
        &self.elements[(self.origin + row).wrapping_add_signed(rotation as isize)..]
    }
}

/// What a program runs on.
pub(super) struct Inputs<'a> {
    pub(super) program: &'a Program,
    /// One for each of the program's scalars.
    pub(super) scalars: &'a [Fr],
    /// One for each of the program's slots.
    pub(super) slots: &'a [&'a Padded],
    /// The points of the domain; a row stands for its point times the shift.
    pub(super) points: &'a [Fr],
    /// The shift of the coset.
    pub(super) shift: Fr,
}

/// Adds a program's results in some rows to `sums`.
struct Run<'a> {
    inputs: &'a Inputs<'a>,
    first: usize,
    sums: &'a mut [Fr],
}

#[inline(always)]
fn read<L: Lanes>(
    lanes: L,
    inputs: &Inputs<'_>,
    registers: &[[L::Vector<Fr>; VECTORS]],
    scalars: &[L::Vector<Fr>],
    operand: Operand,
    row: usize,
) -> [L::Vector<Fr>; VECTORS] {
    match operand {
        Operand::Register(register) => registers[register as usize],
        Operand::Scalar(scalar) => [scalars[scalar as usize]; VECTORS],
        Operand::Cell { slot, rotation } => load(lanes, inputs.slots[slot as usize].at(row, rotation)),
        Operand::Identity => {
            let mut points = load(lanes, &inputs.points[row..]);
            let shift = lanes.splat(inputs.shift);
            let mut v = 0;
            while v < VECTORS {
                points[v] = lanes.mul(points[v], shift);
                v += 1;
            }
            points
        }
    }
}

#[inline(always)]
fn load<L: Lanes>(lanes: L, cells: &[Fr]) -> [L::Vector<Fr>; VECTORS] {
    let mut vectors = [lanes.splat(Fr::ZERO); VECTORS];
    let mut v = 0;
    while v < VECTORS {
        vectors[v] = lanes.load(&cells[v * L::COUNT..]);
        v += 1;
    }
    vectors
}

impl Kernel for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { inputs, first, sums } = self;
        let program = inputs.program;
        let zero = lanes.splat(Fr::ZERO);
        let mut registers = vec![[zero; VECTORS]; program.registers as usize];
        let mut scalars = Vec::with_capacity(inputs.scalars.len());
        for scalar in inputs.scalars {
            scalars.push(lanes.splat(*scalar));
        }
        let step = VECTORS * L::COUNT;
        let mut offset = 0;
        while offset < sums.len() {
            let row = first + offset;
            for instruction in &program.instructions {
                let a = read(lanes, inputs, &registers, &scalars, instruction.a, row);
                let b = match instruction.operation {
                    Operation::Copy => a,
                    _ => read(lanes, inputs, &registers, &scalars, instruction.b, row),
                };
                let to = &mut registers[instruction.to as usize];
                let mut v = 0;
                match instruction.operation {
                    Operation::Copy => *to = a,
                    Operation::Add => {
                        while v < VECTORS {
                            to[v] = lanes.add(a[v], b[v]);
                            v += 1;
                        }
                    }
                    Operation::Subtract => {
                        while v < VECTORS {
                            to[v] = lanes.sub(a[v], b[v]);
                            v += 1;
                        }
                    }
                    Operation::Multiply => {
                        while v < VECTORS {
                            to[v] = lanes.mul(a[v], b[v]);
                            v += 1;
                        }
                    }
                    Operation::MultiplyAdd => {
                        while v < VECTORS {
                            to[v] = lanes.add(to[v], lanes.mul(a[v], b[v]));
                            v += 1;
                        }
                    }
                }
            }
            let mut v = 0;
            while v < VECTORS {
                let place = offset + v * L::COUNT;
                let sum = lanes.add(lanes.load(&sums[place..]), registers[program.result as usize][v]);
                lanes.store(sum, &mut sums[place..]);
                v += 1;
            }
            offset += step;
        }
    }
}

impl CpuEngine {
    /// Adds a program's results in all rows to `sums`.
    pub(super) fn run_program(&self, inputs: &Inputs<'_>, sums: &mut [Fr]) {
        self.counters.products(inputs.program.products() * sums.len());
        // A domain that does not fill the vectors of a step takes elements one by one.
        let instructions = if sums.len() < WIDEST_STEP { Instructions::Portable } else { self.instructions() };
        sums.par_chunks_mut(BLOCK).enumerate().for_each(|(block, sums)| {
            field::run(instructions, Run { inputs, first: block * BLOCK, sums });
        });
    }

    /// The values of a node in all rows.
    pub(super) fn node_values(
        &self,
        node: NodeId,
        environment: &Environment<'_, CpuColumn>,
    ) -> Result<CpuColumn, EngineError> {
        let program = Program::new(environment.graph, &[(node, Scalars::ONE)]);
        let rotations = program.rotations();
        let padded = program.slots.iter().map(|slot| {
            let mut padded = Padded::new(self.rows(), rotations);
            self.fill_named(*slot, environment, padded.rows_mut())?;
            padded.wrap();
            Ok::<_, EngineError>(padded)
        });
        let padded = padded.collect::<Result<Vec<_>, _>>()?;
        let slots: Vec<_> = padded.iter().collect();
        let scalars: Vec<Fr> = program.scalars.iter().map(|scalar| environment.scalars.get(*scalar)).collect();
        let mut values = vec![Fr::ZERO; self.rows()];
        let (points, shift) = (&self.points[..], Fr::ONE);
        self.run_program(&Inputs { program: &program, scalars: &scalars, slots: &slots, points, shift }, &mut values);
        self.hold(Column::new(Values::Field(values)))
    }

    /// Writes the values of a column of the constraints; combinations are taken here.
    pub(super) fn fill_named(
        &self,
        name: constraints::Column,
        environment: &Environment<'_, CpuColumn>,
        values: &mut [Fr],
    ) -> Result<(), EngineError> {
        let terms = match name {
            constraints::Column::Combination(index) => {
                combination_terms(environment, &environment.graph.combinations()[index])
            }
            name => vec![((environment.columns)(name), Fr::ONE)],
        };
        if terms.len() > 1 {
            self.counters.products(terms.len() * self.rows());
        }
        let blocks = values.par_chunks_mut(BLOCK).enumerate();
        let filled = blocks.map(|(block, values)| match terms[..] {
            [(column, factor)] if factor == Fr::ONE => self.fill(column, block * BLOCK, values),
            _ => {
                values.fill(Fr::ZERO);
                self.add_columns(block * BLOCK, values, &terms)
            }
        });
        filled.collect()
    }
}
