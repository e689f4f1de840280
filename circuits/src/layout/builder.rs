//! Builds the machine's cells for a program, operator by operator.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::audit::LaidGather;
use super::clamp::{ClampUse, LaidClamp};
use super::conv::Arrangement;
use super::fill::{Element, Fill, Finish, FinishRequantize};
use super::rows::{Block, Lane, Place, RowForm, UnitRows};
use super::scalar::{Operand, Previous, ScalarRef, ScalarUnit};
use super::tables::{FunctionUse, Saturation, TablePlan};
use super::weights::{Strips, WeightBlocks};
use super::{LayoutError, Subject};
use crate::analysis::{Interval, NodeRange};
use crate::graph::{Node, Op, Program, Requantize, TableId, TensorId, Visibility};
use crate::interface::{Interface, InterfacePort};
use crate::machine::{AdviceColumn, Cell, FixedColumn};
use crate::origin::Origin;

/// Largest magnitude of an accumulator, so that witness arithmetic fits `i64`.
pub const ACCUMULATOR_BITS: u32 = 61;

/// Bits of a limb of a range chain.
pub(super) const RANGE_LIMB: u32 = 8;

/// Where the left side of an identity is found, and the scalar that it must equal.
#[derive(Clone, Debug)]
pub(super) struct IdentityCheck {
    /// The tensor that the identity defines.
    pub(super) tensor: TensorId,
    /// Where its exact accumulators are, if they are requantized elsewhere.
    pub(super) accumulators: Option<Vec<Place>>,
    /// Row of the identity reader's result.
    pub(super) row: u32,
    /// The right side.
    pub(super) right: ScalarRef,
    /// Whether the outer accumulator must still absorb the inner one there.
    pub(super) flat: bool,
}

impl Wide {
    /// Rows before the range chains.
    pub(super) const HEAD: u32 = 5;

    /// The requantization of a function's use, if it may saturate by more than one limb.
    pub(super) fn new(table: TableId, shift: u32, function: FunctionUse) -> Option<Self> {
        let Saturation { lo, hi, bits, .. } = function.saturation.filter(|saturation| saturation.wide)?;
        Some(Self { table, tag: function.tag, shift, saturation: (lo, hi), overflow_bits: bits })
    }
}

/// Rows of a range chain for `bits` bits.
pub(super) fn range_rows(bits: u32) -> u32 {
    bits.div_ceil(2 * RANGE_LIMB).max(1)
}

impl IdentityCheck {
    /// The copy of the right side to the left side, once the columns are known.
    pub(super) fn copy(&self, column: AdviceColumn) -> (Cell, Cell) {
        (self.right.cell(), Cell::Advice(column, self.row))
    }

    /// What the audit needs to know of it.
    pub(super) fn laid(&self) -> super::audit::LaidIdentity {
        super::audit::LaidIdentity {
            tensor: self.tensor,
            accumulators: self.accumulators.clone(),
            left: self.row,
            right: self.right.row(),
        }
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
    pub(super) strips: &'a Strips<'a>,
    pub(super) copies: Vec<(Cell, Cell)>,
    pub(super) fills: Vec<Fill>,
    pub(super) identities: Vec<IdentityCheck>,
    /// Where the groups of gathered rows are looked up.
    pub(super) gathers: Vec<LaidGather>,
    /// Where the differences of wide maxima begin, for each element one after the other, and the operands of indices of maxima.
    pub(super) maxima: BTreeMap<TensorId, Vec<Place>>,
    /// Where the results of clamps without tables are shown to be in range.
    pub(super) clamps: BTreeMap<TensorId, LaidClamp>,
    /// Scalars that are copied to instance rows, in order.
    pub(super) instances: Vec<ScalarRef>,
    /// Where the limbs of each hashed port's salt are.
    pub(super) salts: Vec<Vec<Place>>,
    pub(super) origins: &'a [Option<Arc<[Origin]>>],
    pub(super) arrangements: HashMap<TensorId, Arrangement>,
    pub(super) pitches: HashMap<TensorId, usize>,
    /// Pictures `[height, width]` that 1 × 1 convolutions take their positions as, where their consumer sees them so.
    pub(super) geometries: HashMap<TensorId, [usize; 2]>,
    pub(super) plane_reads: super::conv::PlaneReads,
    /// Kernels that the scalar unit has made, by their output channels and taps.
    pub(super) kernels: HashMap<super::conv::KernelTaps, Operand>,
    /// Products of matrices whose columns are their channels.
    pub(super) transposed: HashSet<TensorId>,
    /// Products of matrices of one row each, which are their positions.
    pub(super) stacked: HashSet<TensorId>,
    pub(super) places: Vec<Vec<Place>>,
}

/// The rows of a node whose elements are finished accumulators.
pub(super) struct Accumulated {
    pub(super) form: RowForm,
    pub(super) lane: Lane,
    pub(super) overflow_tag: Option<i64>,
    pub(super) finish: Finish,
    /// The elements are still to be requantized by [`Builder::finish_wide`]; these rows hold exact accumulators.
    pub(super) wide: Option<Wide>,
    /// The function is a clamp without a table; the rows below show it, see [`Builder::clamp_rows`].
    pub(super) clamp: Option<ClampUse>,
}

impl Accumulated {
    /// Rows for exact accumulators.
    fn exact() -> Self {
        let form = RowForm { value: 1, low: 1, ..RowForm::default() };
        let finish = Finish { requantize: None, constant: 0 };
        Self { form, lane: Lane::Pinned, overflow_tag: None, finish, wide: None, clamp: None }
    }

    /// Physical rows of a logical row, where operands stand in the row below or not.
    pub(super) fn stride(&self, operands: bool) -> usize {
        let overflows = self.overflow_tag.is_some() || self.clamp.is_some_and(|clamp| clamp.saturates);
        let chain = self.clamp.map_or(0, |clamp| clamp.chain() as usize);
        1 + usize::from(operands || overflows) + chain
    }
}

/// A requantization that may saturate by more than one limb.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wide {
    table: TableId,
    tag: i64,
    shift: u32,
    saturation: (i64, i64),
    overflow_bits: u32,
}

impl<'a> Builder<'a> {
    pub(super) fn new(subject: &'a Subject<'a>, units: u32, tables: TablePlan) -> Self {
        let program = subject.program;
        Self {
            program,
            ranges: &subject.ranges,
            tables,
            rows: UnitRows::new(units),
            scalar: ScalarUnit::new(),
            weights: WeightBlocks::default(),
            strips: &subject.strips,
            copies: Vec::new(),
            fills: Vec::new(),
            identities: Vec::new(),
            gathers: Vec::new(),
            maxima: BTreeMap::new(),
            clamps: BTreeMap::new(),
            instances: Vec::new(),
            salts: Vec::new(),
            origins: &subject.origins,
            arrangements: HashMap::new(),
            pitches: HashMap::new(),
            geometries: HashMap::new(),
            plane_reads: super::conv::PlaneReads::default(),
            kernels: HashMap::new(),
            transposed: HashSet::new(),
            stacked: HashSet::new(),
            places: vec![Vec::new(); program.nodes.len()],
        }
    }

    /// Builds all nodes, then the instance words, unless there are more rows of units than so many; tells whether it did.
    pub(super) fn build(&mut self, interface: &Interface, most: usize) -> Result<bool, LayoutError> {
        self.arrange();
        for index in 0..self.program.nodes.len() {
            self.node(TensorId(index as u32))?;
            if self.rows.len() > most {
                return Ok(false);
            }
        }
        self.clamp_fills();
        self.pack(interface)?;
        Ok(true)
    }

    fn node(&mut self, tensor: TensorId) -> Result<(), LayoutError> {
        let node = self.program.node(tensor);
        let range = self.ranges[tensor.0 as usize];
        if let Some(accumulator) = range.accumulator {
            self.check_width(node, accumulator)?;
        }
        if let Some(rows) = self.wide_rows(&node.op, &range) {
            self.check_room(node.elements().next_multiple_of(self.rows.units()).saturating_mul(rows))?;
        }
        match &node.op {
            Op::Input { lo, hi } => self.input(tensor, *lo, *hi),
            Op::View { .. } => {}
            Op::Conv { .. } => self.conv(tensor)?,
            Op::Affine { operands, factors, constant, requantize } => {
                let mut rows = self.accumulated(requantize, &range);
                rows.form.constant -= constant;
                rows.finish.constant = rows.form.constant;
                (rows.form.next_value, rows.form.next_pre) = (-factors[0], -factors[1]);
                let operands = operands.map(|operand| self.elements(operand));
                let places = self.pointwise(tensor, &rows, &operands);
                let accumulators = places.clone();
                let finish = rows.finish;
                self.fills.push(Fill::Affine { operands, factors: *factors, constant: *constant, places, finish });
                self.finish_wide(tensor, &rows, &accumulators);
            }
            Op::Product { operands, requantize } => {
                let mut rows = self.accumulated(requantize, &range);
                rows.form.product = -1;
                let operands = operands.map(|operand| self.elements(operand));
                let places = self.pointwise(tensor, &rows, &operands);
                let accumulators = places.clone();
                self.fills.push(Fill::Product { operands, places, finish: rows.finish });
                self.finish_wide(tensor, &rows, &accumulators);
            }
            Op::Sum { input, factor, requantize } => self.sum(tensor, *input, *factor, requantize),
            Op::MatMul { requantize, .. } => self.matmul(tensor, requantize)?,
            Op::Max { input } => self.maximum(tensor, *input)?,
            Op::ArgMax { input } => self.arg_maximum(tensor, *input)?,
            Op::Lookup { input, table } => self.lookup(tensor, *input, *table),
            Op::Reciprocal { input, numerator } => self.reciprocal(tensor, *input, *numerator)?,
            Op::SquareRoot { input } => self.square_root(tensor, *input)?,
            Op::Gather { input, .. } => self.gather(tensor, *input),
            Op::RoundSignificant { input, bits } => self.round_significant(tensor, *input, *bits)?,
            Op::Steps { .. } => self.steps(tensor)?,
            Op::Quotient { operands } => self.quotient(tensor, *operands)?,
        }
        Ok(())
    }

    pub(super) fn check_width(&self, node: &Node, accumulator: Interval) -> Result<(), LayoutError> {
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
    pub(super) fn element_cell(&self, element: Element) -> Cell {
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
    pub(super) fn allocate(&mut self, tensor: TensorId, stride: usize) -> (Block, Vec<Place>, Vec<Place>) {
        let elements = self.program.node(tensor).elements();
        let units = self.rows.units();
        let addresses = match self.arrangements.get(&tensor) {
            Some(arrangement) => arrangement.addresses(elements, units),
            None => (0..elements).collect(),
        };
        let (block, places, spare) = self.allocate_at(addresses, stride);
        self.settle(tensor, places.clone());
        (block, places, spare)
    }

    /// Rows with cells at some addresses; returns the block, their places, and the other places.
    fn allocate_at(&mut self, addresses: Vec<usize>, stride: usize) -> (Block, Vec<Place>, Vec<Place>) {
        let units = self.rows.units();
        let logical = addresses.iter().max().map_or(0, |last| last / units + 1);
        let block = self.rows.block(logical, stride);
        let places: Vec<_> = addresses.iter().map(|&address| self.rows.place(block, address)).collect();
        let spare = self.spare(block, &places);
        places.iter().for_each(|&place| self.rows.take(place));
        (block, places, spare)
    }

    /// The rows of accumulators of a node: their form, what their lanes are, and how a witness finishes them.
    pub(super) fn accumulated(&mut self, requantize: &Option<Requantize>, range: &NodeRange) -> Accumulated {
        let Some(Requantize { shift, table }) = *requantize else { return Accumulated::exact() };
        let argument = range.argument.expect("a requantized accumulator has an argument");
        if let Some(clamp) = self.tables.clamp(table, shift, argument) {
            let form = RowForm { saturate: clamp.saturation(), ..self.shifted(shift) };
            return self.requantized(table, shift, form, Lane::Pinned, Some(clamp));
        }
        let function = self.tables.function(table, argument);
        if let Some(wide) = Wide::new(table, shift, function) {
            return Accumulated { wide: Some(wide), ..Accumulated::exact() };
        }
        let saturation = function.saturation.map(|Saturation { lo, hi, .. }| (lo, hi));
        let form = RowForm { saturate: saturation, ..self.shifted(shift) };
        let overflow_tag = function.saturation.map(|saturation| self.tables.limb(saturation.bits));
        let rows = self.requantized(table, shift, form, Lane::Function(function.tag), None);
        Accumulated { overflow_tag, ..rows }
    }

    /// The form of a shifted accumulator, `2^s·pre + r − 2^(s−1)` with the limbs of `r`.
    fn shifted(&mut self, shift: u32) -> RowForm {
        let low_bits = shift.div_ceil(2);
        RowForm {
            pre: 1 << shift,
            low: 1,
            high: 1 << low_bits,
            constant: if shift == 0 { 0 } else { -(1i64 << (shift - 1)) },
            low_tag: self.tables.limb(low_bits),
            high_tag: self.tables.limb(shift - low_bits),
            ..RowForm::default()
        }
    }

    fn requantized(
        &self,
        table: TableId,
        shift: u32,
        form: RowForm,
        lane: Lane,
        clamp: Option<ClampUse>,
    ) -> Accumulated {
        let requantize = FinishRequantize { table, shift, low_bits: shift.div_ceil(2), saturation: form.saturate };
        let finish = Finish { requantize: Some(requantize), constant: form.constant };
        Accumulated { form, lane, overflow_tag: None, finish, wide: None, clamp }
    }

    fn input(&mut self, tensor: TensorId, lo: i64, hi: i64) {
        let Some(tag) = self.tables.input_range(lo, hi) else {
            self.wide_input(tensor, lo, hi);
            return;
        };
        let (_, places, _) = self.allocate(tensor, 1);
        for &place in &places {
            self.rows.set_lane(place, Lane::Function(tag));
        }
        self.fills.push(Fill::Elements { tensor, places, input: true });
    }

    /// M-INPUT: an input whose range would make a long table: `x − lo` and `hi − x` are range chains.
    ///
    /// | row | `value`, `pre` | form |
    /// | --- | --- | --- |
    /// | 0 | `x`, – | `x − lo = pre₊` |
    /// | 1 … | limbs of `x − lo` | see [`Builder::range_chains`] |
    /// | then | `x`, – | `hi − x = pre₊` |
    /// | then … | limbs of `hi − x` | |
    fn wide_input(&mut self, tensor: TensorId, lo: i64, hi: i64) {
        let chain = range_rows(64 - hi.abs_diff(lo).leading_zeros());
        let (block, places, spare) = self.allocate(tensor, 2 + 2 * chain as usize);
        let difference = RowForm { low: 1, next_pre: -1, pointwise: true, ..RowForm::default() };
        let forms = [
            (0, RowForm { value: 1, constant: -lo, ..difference }),
            (1 + chain, RowForm { value: -1, constant: hi, ..difference }),
        ];
        for (step, form) in &forms {
            self.rows.set_forms(block.rows(*step), form);
            self.range_chains(block, step + 1, chain);
        }
        for &place in &places {
            (0..block.stride).for_each(|step| self.rows.set_lane(place.below(step), Lane::Pinned));
            self.copies.push((place.value(), place.below(1 + chain).value()));
        }
        for (step, form) in &forms {
            let borders: Vec<_> = spare.iter().map(|place| place.below(*step)).collect();
            borders.iter().for_each(|&place| self.rows.set_lane(place, Lane::Border));
            self.fills.push(Fill::Borders { places: borders, constant: form.constant });
        }
        self.fills.push(Fill::WideInput { tensor, places, range: (lo, hi), chain });
    }

    /// Rows in pairs: the element above, its two operands (copies) below, tied by the row's form.
    fn pointwise(&mut self, tensor: TensorId, rows: &Accumulated, operands: &[Vec<Element>; 2]) -> Vec<Place> {
        let (block, places, spare) = self.allocate_accumulators(tensor, rows);
        self.pointwise_rows(tensor, block, rows, &places, &spare);
        for (index, place) in places.iter().enumerate() {
            let below = place.below(1);
            self.copies.push((self.element_cell(operands[0][index]), below.value()));
            self.copies.push((self.element_cell(operands[1][index]), below.pre()));
        }
        places
    }

    /// Rows for the elements of a tensor, or for exact accumulators that are still to be requantized.
    fn allocate_accumulators(&mut self, tensor: TensorId, rows: &Accumulated) -> (Block, Vec<Place>, Vec<Place>) {
        let stride = rows.stride(true);
        match rows.wide {
            None => self.allocate(tensor, stride),
            Some(_) => self.allocate_at((0..self.program.node(tensor).elements()).collect(), stride),
        }
    }

    fn pointwise_rows(
        &mut self,
        tensor: TensorId,
        block: Block,
        rows: &Accumulated,
        places: &[Place],
        spare: &[Place],
    ) {
        let form = RowForm { pointwise: true, ..rows.form };
        self.rows.set_forms(block.rows(0), &form);
        let tag = rows.overflow_tag.unwrap_or(0);
        self.rows.set_forms(block.rows(1), &RowForm { low_tag: tag, high_tag: tag, ..RowForm::default() });
        for &place in places {
            self.rows.set_lane(place, rows.lane);
            self.rows.set_lane(place.below(1), Lane::Pinned);
        }
        for &place in spare {
            self.rows.set_lane(place, Lane::Border);
        }
        self.fills.push(Fill::Borders { places: spare.to_vec(), constant: form.constant });
        self.clamp_rows(tensor, block, rows, places);
    }

    fn windows(&self, input: TensorId) -> Vec<Vec<Element>> {
        let last = *self.program.node(input).shape.last().expect("validated operands have an axis");
        self.elements(input).chunks(last).map(<[Element]>::to_vec).collect()
    }

    fn sum(&mut self, tensor: TensorId, input: TensorId, factor: i64, requantize: &Option<Requantize>) {
        let mut rows = self.accumulated(requantize, &self.ranges[tensor.0 as usize]);
        rows.form.next_value = -factor;
        let windows = self.windows(input);
        let sums: Vec<Cell> = windows.iter().map(|window| self.scalar_sum(window).cell()).collect();
        let (block, places, spare) = self.allocate_accumulators(tensor, &rows);
        self.pointwise_rows(tensor, block, &rows, &places, &spare);
        for (place, &sum) in places.iter().zip(&sums) {
            // The operand below is first-phase: it equals a sum of first-phase cells in which no challenge occurs.
            self.copies.push((sum, place.below(1).value()));
            self.copies.push((ScalarRef::ZERO.cell(), place.below(1).pre()));
        }
        let accumulators = places.clone();
        self.fills.push(Fill::Sum { windows, factor, places, finish: rows.finish });
        self.finish_wide(tensor, &rows, &accumulators);
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
        let interval = self.ranges[input.0 as usize].value;
        let Ok(bits) = self.difference_bits(node, interval) else {
            return self.wide_maximum(tensor, windows, 128 - interval.width().leading_zeros());
        };
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
        let chains = self.chains(windows.len(), length as usize + 1)?;
        for step in 0..=length {
            for row in chains.block().rows(step) {
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
        let places: Vec<_> = (0..chains.slots()).map(|slot| chains.place(slot)).collect();
        self.maxima.insert(tensor, places[..indices.len()].to_vec());
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

    /// M-GATHER: rows of a matrix. Each element is looked up in the range of the entries, and each group of a row as
    /// `(groups·index + group, Σ 2^(bits·i)·(element_i − lo))`, whose two sides are copies of scalars without challenges.
    fn gather(&mut self, tensor: TensorId, input: TensorId) {
        let plan = self.tables.gather(tensor);
        let range = self.tables.input_range(plan.lo, plan.hi).expect("the range of the entries is planned");
        let (_, places, _) = self.allocate(tensor, 1);
        places.iter().for_each(|&place| self.rows.set_lane(place, Lane::Function(range)));
        let indices = self.elements(input);
        let (_, keys, _) = self.allocate_at((0..indices.len() * plan.groups).collect(), 1);
        for (slot, &key) in keys.iter().enumerate() {
            let (row, group) = (slot / plan.groups, slot % plan.groups);
            let index = Operand::Cell(self.element_cell(indices[row]));
            let address = self.scalar.add(Previous::Drop, plan.groups as i64, index, group as i64);
            let own: Vec<_> =
                places[row * plan.columns..][plan.group(group)].iter().map(|place| place.value()).collect();
            let image = self.packed(&own, plan.lo, plan.bits);
            self.rows.set_lane(key, Lane::Function(plan.tag));
            self.copies.extend([(address.cell(), key.pre()), (image.cell(), key.value())]);
        }
        self.fills.push(Fill::Elements { tensor, places, input: true });
        self.fills.push(Fill::Gather { tensor, indices, keys: keys.clone(), plan });
        self.gathers.push(LaidGather { tensor, keys, plan });
    }

    fn lookup(&mut self, tensor: TensorId, input: TensorId, table: TableId) {
        let argument = self.ranges[tensor.0 as usize].argument.expect("a lookup has an argument");
        let operands = self.elements(input);
        if self.tables.clamp(table, 0, argument).is_some() {
            let mut rows = self.accumulated(&Some(Requantize { shift: 0, table }), &self.ranges[tensor.0 as usize]);
            rows.form.next_value = -1;
            let operands = [operands.clone(), vec![None; operands.len()]];
            let places = self.pointwise(tensor, &rows, &operands);
            let finish = rows.finish;
            self.fills.push(Fill::Affine { operands, factors: [1, 0], constant: 0, places, finish });
            return;
        }
        let function = self.tables.function(table, argument);
        if let Some(wide) = Wide::new(table, 0, function) {
            let sources: Vec<_> = operands.iter().map(|&operand| self.element_cell(operand)).collect();
            self.requantize_wide(tensor, &wide, &sources);
            return;
        }
        let places = match function.saturation {
            None => {
                let (_, places, _) = self.allocate(tensor, 1);
                for (place, &operand) in places.iter().zip(&operands) {
                    self.rows.set_lane(*place, Lane::Function(function.tag));
                    self.copies.push((self.element_cell(operand), place.pre()));
                }
                places
            }
            Some(Saturation { lo, hi, bits, .. }) => {
                let form = RowForm { pre: 1, low: 1, next_value: -1, saturate: Some((lo, hi)), ..RowForm::default() };
                let rows = Accumulated {
                    form,
                    lane: Lane::Function(function.tag),
                    overflow_tag: Some(self.tables.limb(bits)),
                    finish: Finish { requantize: None, constant: 0 },
                    wide: None,
                    clamp: None,
                };
                let zeros = vec![None; operands.len()];
                self.pointwise(tensor, &rows, &[operands.clone(), zeros])
            }
        };
        let saturation = function.saturation.map(|Saturation { lo, hi, .. }| (lo, hi));
        self.fills.push(Fill::Lookup { tensor, operands, places, saturation });
    }

    /// Requantizes exact accumulators where their rows did not.
    pub(super) fn finish_wide(&mut self, tensor: TensorId, rows: &Accumulated, accumulators: &[Place]) {
        if let Some(wide) = rows.wide {
            let sources: Vec<_> = accumulators.iter().map(|place| place.value()).collect();
            self.requantize_wide(tensor, &wide, &sources);
        }
    }

    /// M-WIDE: requantization with overflows of several limbs, by rows of the forms that there are already.
    ///
    /// | row | `value`, `pre` | form |
    /// | --- | --- | --- |
    /// | 0 | `x`, `y` | `2^s·y + r − 2^(s−1) = acc − 2^s·o` |
    /// | 1 | `acc`, `o` | `o = o⁺ − o⁻` |
    /// | 2 | `o⁺`, `o⁻` | `o⁺·y = hi·o⁺` |
    /// | 3 | `o⁺`, `y` | `o⁻·y = lo·o⁻` |
    /// | 4 | `o⁻`, `y` | |
    /// | 5 … | limbs of `o⁺`, then of `o⁻` | see [`Builder::range_chains`] |
    fn requantize_wide(&mut self, tensor: TensorId, wide: &Wide, sources: &[Cell]) {
        let chain = range_rows(wide.overflow_bits);
        let (block, places, spare) = self.allocate(tensor, (Wide::HEAD + 2 * chain) as usize);
        let low_bits = wide.shift.div_ceil(2);
        let step = 1i64 << wide.shift;
        let half = step / 2;
        let (lo, hi) = wide.saturation;
        let product = RowForm { product: 1, pointwise: true, ..RowForm::default() };
        let forms = [
            RowForm {
                pre: step,
                low: 1,
                high: 1 << low_bits,
                constant: -half,
                next_value: -1,
                next_pre: step,
                pointwise: true,
                low_tag: self.tables.limb(low_bits),
                high_tag: self.tables.limb(wide.shift - low_bits),
                ..RowForm::default()
            },
            RowForm { pre: 1, next_value: -1, next_pre: 1, pointwise: true, ..RowForm::default() },
            RowForm { next_value: -hi, ..product },
            RowForm { next_value: -lo, ..product },
        ];
        (0..).zip(&forms).for_each(|(step, form)| self.rows.set_forms(block.rows(step), form));
        self.range_chains(block, Wide::HEAD, chain);
        self.range_chains(block, Wide::HEAD + chain, chain);
        for (&place, &source) in places.iter().zip(sources) {
            self.rows.set_lane(place, Lane::Function(wide.tag));
            (1..block.stride).for_each(|step| self.rows.set_lane(place.below(step), Lane::Pinned));
            let (over, under) = (place.below(Wide::HEAD).pre(), place.below(Wide::HEAD + chain).pre());
            self.copies.extend([
                (source, place.below(1).value()),
                (over, place.below(2).value()),
                (under, place.below(2).pre()),
                (over, place.below(3).value()),
                (place.pre(), place.below(3).pre()),
                (under, place.below(4).value()),
                (place.pre(), place.below(4).pre()),
            ]);
        }
        spare.iter().for_each(|&place| self.rows.set_lane(place, Lane::Border));
        self.fills.push(Fill::Borders { places: spare, constant: -half });
        let requantize =
            FinishRequantize { table: wide.table, shift: wide.shift, low_bits, saturation: Some((lo, hi)) };
        self.fills.push(Fill::Wide { sources: sources.to_vec(), places, requantize, chain });
    }

    /// In each logical row of a block, from a physical row on, rows whose first `pre` is in `[0, 2^(16·rows))`:
    /// `pre = low + 2^8·high + 2^16·pre₊`.
    pub(super) fn range_chains(&mut self, block: Block, first: u32, rows: u32) {
        let tag = self.tables.limb(RANGE_LIMB);
        for step in 0..rows {
            let next_pre = if step + 1 < rows { -(1 << (2 * RANGE_LIMB)) } else { 0 };
            let form = RowForm {
                pre: 1,
                low: -1,
                high: -(1 << RANGE_LIMB),
                next_pre,
                pointwise: true,
                low_tag: tag,
                high_tag: tag,
                ..RowForm::default()
            };
            self.rows.set_forms(block.rows(first + step), &form);
        }
    }

    /// `count` chains of `length` rows, side by side in the lanes.
    ///
    /// # Errors
    /// There is no room for so many rows.
    pub(super) fn chains(&mut self, count: usize, length: usize) -> Result<Chains, LayoutError> {
        let units = self.rows.units();
        self.check_room(count.next_multiple_of(units).saturating_mul(length))?;
        let block = self.rows.block(count.div_ceil(units), length);
        Ok(Chains { block, units })
    }

    /// Rows that an element of a node takes where its requantization is still to be shown by [`Self::requantize_wide`].
    pub(super) fn wide_rows(&self, op: &Op, range: &NodeRange) -> Option<usize> {
        let (Requantize { shift, table }, argument) = (op.applies()?, range.argument?);
        if self.tables.clamp(table, shift, argument).is_some() {
            return None;
        }
        let wide = Wide::new(table, shift, self.tables.function(table, argument))?;
        Some(Wide::HEAD as usize + 2 * range_rows(wide.overflow_bits) as usize)
    }

    /// The instance words of all ports that have any.
    fn pack(&mut self, interface: &Interface) -> Result<(), LayoutError> {
        let ports: Vec<TensorId> =
            self.program.inputs.iter().chain(&self.program.outputs).map(|port| port.tensor).collect();
        for (port, &tensor) in interface.ports.iter().zip(&ports) {
            let words = match port.visibility {
                Visibility::Public => self.words(port, tensor),
                Visibility::Hashed => vec![self.digest(port, tensor)?],
                Visibility::Private | Visibility::Committed => Vec::new(),
            };
            self.instances.extend(words);
        }
        Ok(())
    }

    /// The words that the values of a port are packed into.
    pub(super) fn words(&mut self, port: &InterfacePort, tensor: TensorId) -> Vec<ScalarRef> {
        let elements = self.elements(tensor);
        let mut words = Vec::with_capacity(port.packed_words());
        for word in elements.chunks(port.values_per_word()) {
            let cells: Vec<_> = word.iter().map(|&element| self.element_cell(element)).collect();
            words.push(self.packed(&cells, port.lo, port.bits()));
        }
        words
    }

    /// `Σ 2^(bits·i)·(cell_i − lo)`.
    fn packed(&mut self, cells: &[Cell], lo: i64, bits: u32) -> ScalarRef {
        let mut packed = ScalarRef::ZERO;
        let mut previous = Previous::Drop;
        for &cell in cells.iter().rev() {
            packed = self.scalar.add(previous, 1, Operand::Cell(cell), -lo);
            previous = Previous::Times(1 << bits);
        }
        packed
    }
}

/// Chains of rows, side by side in the lanes.
pub(super) struct Chains {
    block: Block,
    units: usize,
}

impl Chains {
    pub(super) fn slots(&self) -> usize {
        self.block.logical as usize * self.units
    }

    pub(super) fn place(&self, slot: usize) -> Place {
        Place {
            row: self.block.first + (slot / self.units) as u32 * self.block.stride,
            lane: (slot % self.units) as u32,
        }
    }

    pub(super) fn block(&self) -> Block {
        self.block
    }
}

#[cfg(test)]
mod tests {
    use super::super::tables::TableSizes;
    use super::*;
    use crate::graph::{Port, PortKind, Table};

    /// An operator of so many elements on positive numbers.
    fn program(elements: usize, op: Op) -> Program {
        let input = Op::Input { lo: 1, hi: 9 };
        let shape = vec![elements];
        let node = |op| Node { name: "node".into(), op, shape: shape.clone(), scale: 1.0 };
        let port = |tensor| Port {
            name: "port".into(),
            tensor: TensorId(tensor),
            shape: shape.clone(),
            scale: 1.0,
            kind: PortKind::Real,
            visibility: Visibility::Private,
        };
        Program {
            name: "program".into(),
            source_digest: [0; 32],
            options: Default::default(),
            private_weights: Default::default(),
            tables: vec![Table::identity(-3, 3)],
            nodes: vec![node(input), node(op)],
            inputs: vec![port(0)],
            outputs: vec![port(1)],
        }
    }

    /// Operators of many rows are refused before these take memory.
    #[test]
    fn rows_without_room_are_not_made() {
        let x = TensorId(0);
        let requantize = Some(Requantize { shift: 0, table: TableId(0) });
        let ops = [
            Op::Reciprocal { input: x, numerator: 1 << 20 },
            Op::RoundSignificant { input: x, bits: 3 },
            Op::Affine { operands: [x; 2], factors: [1 << 40, 0], constant: 0, requantize },
        ];
        let elements = 5 << 20;
        for op in ops {
            let program = program(elements, op);
            let subject = Subject::new(&program).expect("the program is well formed");
            let tables = subject.tables(TableSizes { max_table: 1 << 10, max_clamp: None });
            let mut builder = Builder::new(&subject, 1, tables);
            let built = builder.build(&subject.interface, usize::MAX);
            assert!(matches!(built, Err(LayoutError::TooLarge { .. })), "{built:?}");
            assert!(builder.rows.len() <= 2 * elements, "{}", builder.rows.len());
        }
    }
}
