//! Builds the machine's cells for a program, operator by operator.

use std::collections::HashMap;
use std::sync::Arc;

use super::conv::Arrangement;
use super::fill::{Element, Fill, Finish, FinishRequantize};
use super::origin::{origins, Origin};
use super::rows::{Block, Lane, Place, RowForm, UnitRows};
use super::scalar::{Operand, Previous, ScalarRef, ScalarUnit};
use super::tables::{Saturation, TablePlan};
use super::weights::WeightBlocks;
use super::LayoutError;
use crate::analysis::{Interval, NodeRange};
use crate::graph::{Node, Op, Program, Requantize, TableId, TensorId};
use crate::interface::Interface;
use crate::machine::{AdviceColumn, Cell, FixedColumn};

/// Largest magnitude of an accumulator, so that witness arithmetic fits `i64`.
const ACCUMULATOR_BITS: u32 = 61;

/// Where the left side of an identity is found, and the scalar that it must equal.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdentityCheck {
    /// The tensor that the identity defines.
    pub(super) tensor: TensorId,
    /// Row of the identity reader's result.
    pub(super) row: u32,
    /// The right side.
    pub(super) right: ScalarRef,
    /// Whether the outer accumulator must still absorb the inner one there.
    pub(super) flat: bool,
}

impl IdentityCheck {
    /// What the audit needs to know of it.
    pub(super) fn laid(&self) -> super::audit::LaidIdentity {
        super::audit::LaidIdentity { tensor: self.tensor, left: self.row, right: self.right.row() }
    }
}

/// The machine of a program before its widths `k`, `W` and the number of tables are chosen.
pub(super) struct Builder<'a> {
    pub(super) program: &'a Program,
    pub(super) ranges: &'a [NodeRange],
    pub(super) tables: TablePlan,
    pub(super) rows: UnitRows,
    pub(super) scalar: ScalarUnit,
    pub(super) weights: WeightBlocks,
    pub(super) copies: Vec<(Cell, Cell)>,
    pub(super) fills: Vec<Fill>,
    pub(super) identities: Vec<IdentityCheck>,
    /// Scalars that are copied to instance rows, in order.
    pub(super) instances: Vec<ScalarRef>,
    pub(super) origins: Vec<Option<Arc<[Origin]>>>,
    pub(super) arrangements: HashMap<TensorId, Arrangement>,
    pub(super) pitches: HashMap<TensorId, usize>,
    pub(super) plane_reads: HashMap<u32, super::conv::PlaneRead>,
    pub(super) places: Vec<Vec<Place>>,
}

/// The rows of a node whose elements are finished accumulators.
pub(super) struct Accumulated {
    pub(super) form: RowForm,
    pub(super) lane: Lane,
    pub(super) overflow_tag: Option<i64>,
    pub(super) finish: Finish,
}

impl<'a> Builder<'a> {
    pub(super) fn new(program: &'a Program, ranges: &'a [NodeRange], units: u32, max_table: i128) -> Self {
        Self {
            program,
            ranges,
            tables: TablePlan::new(program, ranges, max_table),
            rows: UnitRows::new(units),
            scalar: ScalarUnit::new(),
            weights: WeightBlocks::default(),
            copies: Vec::new(),
            fills: Vec::new(),
            identities: Vec::new(),
            instances: Vec::new(),
            origins: origins(program),
            arrangements: HashMap::new(),
            pitches: HashMap::new(),
            plane_reads: HashMap::new(),
            places: vec![Vec::new(); program.nodes.len()],
        }
    }

    /// Builds all nodes, then the packing of public values.
    pub(super) fn build(&mut self, interface: &Interface) -> Result<(), LayoutError> {
        self.arrange()?;
        for index in 0..self.program.nodes.len() {
            self.node(TensorId(index as u32))?;
        }
        self.pack(interface);
        Ok(())
    }

    fn node(&mut self, tensor: TensorId) -> Result<(), LayoutError> {
        let node = self.program.node(tensor);
        let range = self.ranges[tensor.0 as usize];
        if let Some(accumulator) = range.accumulator {
            self.check_width(node, accumulator)?;
        }
        match &node.op {
            Op::Input { lo, hi } => self.input(tensor, *lo, *hi),
            Op::View { .. } => {}
            Op::Conv { .. } => self.conv(tensor)?,
            Op::Affine { operands, factors, constant, requantize } => {
                let mut rows = self.accumulated(node, requantize, &range)?;
                rows.form.constant -= constant;
                rows.finish.constant = rows.form.constant;
                (rows.form.next_value, rows.form.next_pre) = (-factors[0], -factors[1]);
                let operands = operands.map(|operand| self.elements(operand));
                let places = self.pointwise(tensor, rows, &operands);
                let (places, finish) = places;
                self.fills.push(Fill::Affine { operands, factors: *factors, constant: *constant, places, finish });
            }
            Op::Product { operands, requantize } => {
                let mut rows = self.accumulated(node, requantize, &range)?;
                rows.form.product = -1;
                let operands = operands.map(|operand| self.elements(operand));
                let (places, finish) = self.pointwise(tensor, rows, &operands);
                self.fills.push(Fill::Product { operands, places, finish });
            }
            Op::Sum { input, factor, requantize } => self.sum(tensor, *input, *factor, requantize)?,
            Op::Max { input } => self.maximum(tensor, *input)?,
            Op::ArgMax { input } => self.arg_maximum(tensor, *input)?,
            Op::Lookup { input, table } => self.lookup(tensor, *input, *table)?,
            Op::Reciprocal { input, numerator_bits } => self.reciprocal(tensor, *input, *numerator_bits)?,
        }
        Ok(())
    }

    fn check_width(&self, node: &Node, accumulator: Interval) -> Result<(), LayoutError> {
        let bits = 128 - accumulator.magnitude().leading_zeros();
        if bits > ACCUMULATOR_BITS {
            return Err(LayoutError::Accumulator { node: node.name.clone(), bits, limit: ACCUMULATOR_BITS });
        }
        Ok(())
    }

    /// Where element `index` of a tensor comes from.
    pub(super) fn origin(&self, tensor: TensorId, index: usize) -> Origin {
        match &self.origins[tensor.0 as usize] {
            Some(origins) => origins[index],
            None => Origin { tensor, index: index as u32 },
        }
    }

    /// The place of an element that is not zero.
    pub(super) fn place(&self, origin: Origin) -> Place {
        self.places[origin.tensor.0 as usize][origin.index as usize]
    }

    /// The elements of a tensor, views seen through.
    pub(super) fn elements(&self, tensor: TensorId) -> Vec<Element> {
        (0..self.program.node(tensor).elements())
            .map(|index| {
                let origin = self.origin(tensor, index);
                (!origin.is_zero()).then_some((origin.tensor, origin.index))
            })
            .collect()
    }

    /// The cell that holds an element.
    fn element_cell(&self, element: Element) -> Cell {
        match element {
            Some((tensor, index)) => self.place(Origin { tensor, index }).value(),
            None => ScalarRef::ZERO.cell(),
        }
    }

    /// Says where the elements of a tensor live.
    pub(super) fn settle(&mut self, tensor: TensorId, places: Vec<Place>) {
        for &place in &places {
            self.rows.take(place);
        }
        self.places[tensor.0 as usize] = places;
    }

    /// Rows for the elements of a tensor in the arrangement that its consumer asked for, or one after the other; returns
    /// the block, the places of the elements, and the other places of the block's first physical rows.
    fn allocate(&mut self, tensor: TensorId, stride: usize) -> (Block, Vec<Place>, Vec<Place>) {
        let elements = self.program.node(tensor).elements();
        let units = self.rows.units();
        let addresses = match self.arrangements.get(&tensor) {
            Some(arrangement) => arrangement.addresses(elements, units),
            None => (0..elements).collect(),
        };
        let logical = addresses.iter().max().map_or(0, |last| last / units + 1);
        let block = self.rows.block(logical, stride);
        let mut spare = vec![true; logical * units];
        for &address in &addresses {
            spare[address] = false;
        }
        let places: Vec<_> = addresses.iter().map(|&address| self.rows.place(block, address)).collect();
        let spare = (0..spare.len()).filter(|&a| spare[a]).map(|address| self.rows.place(block, address)).collect();
        self.settle(tensor, places.clone());
        (block, places, spare)
    }

    /// The rows of accumulators of a node: their form, what their lanes are, and how a witness finishes them.
    pub(super) fn accumulated(
        &mut self,
        node: &Node,
        requantize: &Option<Requantize>,
        range: &NodeRange,
    ) -> Result<Accumulated, LayoutError> {
        let Some(Requantize { shift, table }) = *requantize else {
            let form = RowForm { value: 1, low: 1, ..RowForm::default() };
            let finish = Finish { requantize: None, constant: 0 };
            return Ok(Accumulated { form, lane: Lane::Pinned, overflow_tag: None, finish });
        };
        let argument = range.argument.expect("a requantized accumulator has an argument");
        let function = self.tables.function(&node.name, table, argument)?;
        let low_bits = shift.div_ceil(2);
        let constant = if shift == 0 { 0 } else { -(1i64 << (shift - 1)) };
        let saturation = function.saturation.map(|Saturation { lo, hi, .. }| (lo, hi));
        let form = RowForm {
            pre: 1 << shift,
            low: 1,
            high: 1 << low_bits,
            constant,
            low_tag: self.tables.limb(low_bits),
            high_tag: self.tables.limb(shift - low_bits),
            saturate: saturation,
            ..RowForm::default()
        };
        Ok(Accumulated {
            form,
            lane: Lane::Function(function.tag),
            overflow_tag: function.saturation.map(|saturation| i64::from(saturation.limb)),
            finish: Finish { requantize: Some(FinishRequantize { table, shift, low_bits, saturation }), constant },
        })
    }

    fn input(&mut self, tensor: TensorId, lo: i64, hi: i64) {
        let tag = self.tables.input_range(lo, hi);
        let (_, places, _) = self.allocate(tensor, 1);
        for &place in &places {
            self.rows.set_lane(place, Lane::Function(tag));
        }
        self.fills.push(Fill::Elements { tensor, places, input: true });
    }

    /// Rows in pairs: the element above, its two operands (copies) below, tied by the row's form.
    fn pointwise(&mut self, tensor: TensorId, rows: Accumulated, operands: &[Vec<Element>; 2]) -> (Vec<Place>, Finish) {
        let (block, places, spare) = self.allocate(tensor, 2);
        self.pointwise_rows(block, &rows, &places, &spare);
        for (index, place) in places.iter().enumerate() {
            let below = place.below(1);
            self.copies.push((self.element_cell(operands[0][index]), below.value()));
            self.copies.push((self.element_cell(operands[1][index]), below.pre()));
        }
        (places, rows.finish)
    }

    fn pointwise_rows(&mut self, block: Block, rows: &Accumulated, places: &[Place], spare: &[Place]) {
        let form = RowForm { pointwise: true, ..rows.form };
        for logical in 0..block.logical {
            let row = block.first + logical * block.stride;
            self.rows.set_form(row, &form);
            let tag = rows.overflow_tag.unwrap_or(0);
            self.rows.set_form(row + 1, &RowForm { low_tag: tag, high_tag: tag, ..RowForm::default() });
        }
        for &place in places {
            self.rows.set_lane(place, rows.lane);
            self.rows.set_lane(place.below(1), Lane::Pinned);
        }
        for &place in spare {
            self.rows.set_lane(place, Lane::Border);
        }
        self.fills.push(Fill::Borders { places: spare.to_vec(), constant: form.constant });
    }

    fn windows(&self, input: TensorId) -> Vec<Vec<Element>> {
        let last = *self.program.node(input).shape.last().expect("validated operands have an axis");
        self.elements(input).chunks(last).map(<[Element]>::to_vec).collect()
    }

    fn sum(
        &mut self,
        tensor: TensorId,
        input: TensorId,
        factor: i64,
        requantize: &Option<Requantize>,
    ) -> Result<(), LayoutError> {
        let node = self.program.node(tensor);
        let mut rows = self.accumulated(node, requantize, &self.ranges[tensor.0 as usize])?;
        rows.form.next_value = -factor;
        let windows = self.windows(input);
        let sums: Vec<Cell> = windows.iter().map(|window| self.scalar_sum(window).cell()).collect();
        let (block, places, spare) = self.allocate(tensor, 2);
        self.pointwise_rows(block, &rows, &places, &spare);
        for (place, &sum) in places.iter().zip(&sums) {
            // The operand below is first-phase: it equals a sum of first-phase cells in which no challenge occurs.
            self.copies.push((sum, place.below(1).value()));
            self.copies.push((ScalarRef::ZERO.cell(), place.below(1).pre()));
        }
        self.fills.push(Fill::Sum { windows, factor, places, finish: rows.finish });
        Ok(())
    }

    /// A chain of scalar rows that adds up a window.
    fn scalar_sum(&mut self, window: &[Element]) -> ScalarRef {
        let mut sum = ScalarRef::ZERO;
        let mut previous = Previous::Drop;
        for &element in window.iter().filter(|element| element.is_some()) {
            let cell = self.element_cell(element);
            sum = self.scalar.add(previous, 1, Operand::Cell(cell), 0);
            previous = Previous::Times(1);
        }
        sum
    }

    /// Bits of a limb that holds all differences of two values of an interval.
    fn difference_bits(&self, node: &Node, interval: Interval) -> Result<u32, LayoutError> {
        let bits = (128 - interval.width().leading_zeros()).max(1);
        if bits > super::tables::MAX_LIMB {
            return Err(LayoutError::Comparison { node: node.name.clone(), bits, limit: super::tables::MAX_LIMB });
        }
        Ok(bits)
    }

    fn maximum(&mut self, tensor: TensorId, input: TensorId) -> Result<(), LayoutError> {
        let node = self.program.node(tensor);
        let windows = self.windows(input);
        let length = windows[0].len();
        let bits = self.difference_bits(node, self.ranges[input.0 as usize].value)?;
        let tag = self.tables.limb(bits);
        let (block, places, _) = self.allocate(tensor, length);
        for logical in 0..block.logical {
            for step in 0..length as u32 - 1 {
                let row = block.first + logical * block.stride + step;
                self.rows.set(FixedColumn::Maximum, row, 1);
                self.rows.set_form(row, &RowForm { low_tag: tag, high_tag: tag, ..RowForm::default() });
            }
        }
        let last = length as u32 - 1;
        for (window, place) in windows.iter().zip(&places) {
            for (step, &element) in (0..).zip(window) {
                let here = place.below(step);
                self.rows.set_lane(here, Lane::Pinned);
                let operand = if step == last { here.value() } else { here.pre() };
                self.copies.push((self.element_cell(element), operand));
            }
        }
        self.fills.push(Fill::Maximum { windows, places });
        Ok(())
    }

    fn arg_maximum(&mut self, tensor: TensorId, input: TensorId) -> Result<(), LayoutError> {
        let node = self.program.node(tensor);
        let windows = self.windows(input);
        let length = windows[0].len() as u32;
        let bits = self.difference_bits(node, self.ranges[input.0 as usize].value)?;
        let tag = self.tables.limb(bits);
        let chains = self.chains(windows.len(), length as usize + 1);
        for step in 0..=length {
            for row in chains.rows().map(|row| row + step) {
                self.rows.set(FixedColumn::ArgMaximum, row, i64::from(step < length));
                let low_tag = if step > 0 { tag } else { 0 };
                self.rows.set_form(row, &RowForm { low_tag, ..RowForm::default() });
            }
        }
        let one = self.scalar.constant(1).cell();
        let zero = ScalarRef::ZERO.cell();
        let mut indices = Vec::with_capacity(windows.len());
        for slot in 0..chains.slots() {
            let place = chains.place(slot);
            let window = windows.get(slot);
            // The cell above the first operand: its `low` is free and pinned by the next row's maximum.
            self.rows.set_lane(place, Lane::Border);
            self.copies.push((one, place.below(length).value()));
            for step in 1..=length {
                let here = place.below(step);
                self.rows.set_lane(here, Lane::Pinned);
                let operand = window.map_or(zero, |window| self.element_cell(window[step as usize - 1]));
                self.copies.push((operand, here.pre()));
            }
            if window.is_some() {
                indices.push(self.scalar_index(place, length).cell());
            }
        }
        self.exact_copies(tensor, &indices);
        let zeros = vec![None; length as usize];
        let windows = (0..chains.slots()).map(|slot| windows.get(slot).unwrap_or(&zeros).clone()).collect();
        let places = (0..chains.slots()).map(|slot| chains.place(slot)).collect();
        self.fills.push(Fill::ArgMaximum { windows, places });
        Ok(())
    }

    /// `length − Σ value`: the number of operands before the first largest one.
    fn scalar_index(&mut self, place: Place, length: u32) -> ScalarRef {
        let mut previous = Previous::Drop;
        let mut constant = i64::from(length);
        let mut index = ScalarRef::ZERO;
        for step in 1..=length {
            index = self.scalar.add(previous, -1, Operand::Cell(place.below(step).value()), constant);
            (previous, constant) = (Previous::Times(1), 0);
        }
        index
    }

    /// Gives the elements of a tensor homes that are copies of scalars without challenges.
    fn exact_copies(&mut self, tensor: TensorId, scalars: &[Cell]) {
        let (_, places, _) = self.allocate(tensor, 1);
        for (&place, &scalar) in places.iter().zip(scalars) {
            self.rows.set_lane(place, Lane::Pinned);
            self.copies.push((scalar, place.value()));
        }
        self.fills.push(Fill::Elements { tensor, places, input: false });
    }

    fn lookup(&mut self, tensor: TensorId, input: TensorId, table: TableId) -> Result<(), LayoutError> {
        let node = self.program.node(tensor);
        let argument = self.ranges[tensor.0 as usize].argument.expect("a lookup has an argument");
        let function = self.tables.function(&node.name, table, argument)?;
        let operands = self.elements(input);
        let places = match function.saturation {
            None => {
                let (_, places, _) = self.allocate(tensor, 1);
                for (place, &operand) in places.iter().zip(&operands) {
                    self.rows.set_lane(*place, Lane::Function(function.tag));
                    self.copies.push((self.element_cell(operand), place.pre()));
                }
                places
            }
            Some(Saturation { lo, hi, limb }) => {
                let rows = Accumulated {
                    form: RowForm { pre: 1, low: 1, next_value: -1, saturate: Some((lo, hi)), ..RowForm::default() },
                    lane: Lane::Function(function.tag),
                    overflow_tag: Some(i64::from(limb)),
                    finish: Finish { requantize: None, constant: 0 },
                };
                let zeros = vec![None; operands.len()];
                self.pointwise(tensor, rows, &[operands.clone(), zeros]).0
            }
        };
        let saturation = function.saturation.map(|Saturation { lo, hi, .. }| (lo, hi));
        self.fills.push(Fill::Lookup { tensor, operands, places, saturation });
        Ok(())
    }

    /// M-RECIPROCAL: four rows, `quotient·divisor + remainder = 2^n` and the ranges of remainder and quotient.
    fn reciprocal(&mut self, tensor: TensorId, input: TensorId, numerator_bits: u32) -> Result<(), LayoutError> {
        let node = self.program.node(tensor);
        let operands = self.elements(input);
        let largest = self.ranges[input.0 as usize].value.hi.max(self.ranges[tensor.0 as usize].value.hi);
        let limb = (128 - largest.leading_zeros()).div_ceil(2).max(1);
        if limb > super::tables::MAX_LIMB {
            return Err(LayoutError::Comparison {
                node: node.name.clone(),
                bits: 2 * limb,
                limit: 2 * super::tables::MAX_LIMB,
            });
        }
        let tag = self.tables.limb(limb);
        let chains = self.chains(operands.len(), 4);
        let numerator = 1i64 << numerator_bits;
        let ranged =
            RowForm { low: -1, high: -(1 << limb), low_tag: tag, high_tag: tag, pointwise: true, ..RowForm::default() };
        let forms = [
            // pre = 2^n − value₊₁·pre₊₁
            RowForm { pre: 1, constant: -numerator, product: 1, low: 1, pointwise: true, ..RowForm::default() },
            // pre − 1 − pre₊₁ is two limbs: the remainder is below the divisor
            RowForm { pre: 1, constant: -1, next_pre: -1, ..ranged },
            // so are the remainder and the quotient
            RowForm { pre: 1, ..ranged },
            RowForm { pre: 1, ..ranged },
        ];
        for (step, form) in (0..).zip(&forms) {
            for row in chains.rows() {
                self.rows.set_form(row + step, form);
            }
        }
        let mut places = Vec::with_capacity(operands.len());
        for slot in 0..chains.slots() {
            let place = chains.place(slot);
            if let Some(&operand) = operands.get(slot) {
                for step in 0..4 {
                    self.rows.set_lane(place.below(step), Lane::Pinned);
                }
                self.copies.push((self.element_cell(operand), place.below(1).pre()));
                self.copies.push((place.pre(), place.below(2).pre()));
                self.copies.push((place.below(1).value(), place.below(3).pre()));
                places.push(place);
            } else {
                // No operand: `value = pre = 0` throughout, and the free `low` makes up for the constants.
                for (step, form) in (0..).zip(&forms) {
                    self.rows.set_lane(place.below(step), Lane::Border);
                    let constant = form.constant * form.low;
                    self.fills.push(Fill::Borders { places: vec![place.below(step)], constant });
                }
            }
        }
        self.settle(tensor, places.iter().map(|place| place.below(1)).collect());
        self.fills.push(Fill::Reciprocal { operands, numerator_bits, limb, places });
        Ok(())
    }

    /// `count` chains of `length` rows, side by side in the lanes.
    fn chains(&mut self, count: usize, length: usize) -> Chains {
        let units = self.rows.units();
        let block = self.rows.block(count.div_ceil(units), length);
        Chains { block, units }
    }

    fn pack(&mut self, interface: &Interface) {
        let ports: Vec<TensorId> =
            self.program.inputs.iter().chain(&self.program.outputs).map(|port| port.tensor).collect();
        for (port, &tensor) in interface.ports.iter().zip(&ports) {
            if port.words() == 0 {
                continue;
            }
            let elements = self.elements(tensor);
            for word in elements.chunks(port.values_per_word()) {
                let mut packed = ScalarRef::ZERO;
                let mut previous = Previous::Drop;
                for &element in word.iter().rev() {
                    let cell = self.element_cell(element);
                    packed = self.scalar.add(previous, 1, Operand::Cell(cell), -port.lo);
                    previous = Previous::Times(1 << port.bits());
                }
                self.instances.push(packed);
            }
        }
    }

    /// The copy of an identity's right side to its left side, once the columns are known.
    pub(super) fn identity_copies(&self, column: AdviceColumn) -> impl Iterator<Item = (Cell, Cell)> + '_ {
        self.identities.iter().map(move |check| (check.right.cell(), Cell::Advice(column, check.row)))
    }
}

/// Chains of rows, side by side in the lanes.
struct Chains {
    block: Block,
    units: usize,
}

impl Chains {
    fn slots(&self) -> usize {
        self.block.logical as usize * self.units
    }

    fn place(&self, slot: usize) -> Place {
        Place {
            row: self.block.first + (slot / self.units) as u32 * self.block.stride,
            lane: (slot % self.units) as u32,
        }
    }

    fn rows(&self) -> impl Iterator<Item = u32> {
        let Block { first, logical, stride } = self.block;
        (0..logical).map(move |index| first + index * stride)
    }
}
