//! Finished accumulators: affine combinations, products, sums and lookups, what requantizes them, and requantizations that leave the ends of
//! a table by more than a limb (M-WIDE), those of identities too.

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::super::builder::{range_rows, Wide};
use super::super::rows::{Place, RowForm};
use super::forms::Source::{self, Operand, Pre, Value};
use super::forms::{bits, Forms, Rows, COPY, FORM, ZERO};
use super::functions::Function;
use crate::analysis::NodeRange;
use crate::graph::{Op, Requantize, TensorId};
use crate::machine::{AdviceColumn, Cell, FixedColumn};

/// How an accumulator becomes an element.
#[derive(Clone, Copy)]
pub(super) enum Finish {
    /// It is the element.
    Exact,
    /// By a table in its row, at whose ends, if there are any, it saturates with overflows of so many bits.
    Table { shift: u32, function: Function, saturation: Option<((i64, i64), u32)> },
    /// By a clamp without a table, the rows of which are for [`super::clamps`] to look at.
    Clamp { shift: u32, ends: Option<(i64, i64)> },
    /// In rows of their own, with overflows of so many bits.
    Wide { shift: u32, function: Function, ends: (i64, i64), bits: u32 },
}

impl Finish {
    /// As many rows as are below an element, or more.
    pub(super) fn most_rows(self) -> u32 {
        match self {
            Self::Wide { bits, .. } => Wide::HEAD + 2 * range_rows(bits),
            _ => 2,
        }
    }

    /// The form of an accumulator's row without what it is made of.
    fn form(self) -> RowForm {
        match self {
            Self::Exact | Self::Wide { .. } => RowForm { value: 1, low: 1, ..ZERO },
            Self::Table { shift, saturation, .. } => {
                RowForm { saturate: saturation.map(|(ends, _)| ends), ..shifted(shift) }
            }
            Self::Clamp { shift, ends } => RowForm { saturate: ends, ..shifted(shift) },
        }
    }

    /// The row of an accumulator with this form, and that of its operands.
    fn rows(self, form: RowForm, copies: &[(Source, Source)]) -> Rows {
        let limb = match self {
            Self::Table { saturation: Some((_, bits)), .. } => i64::from(bits),
            _ => 0,
        };
        let operands = RowForm { low_tag: limb, high_tag: limb, ..RowForm::default() };
        let forms = match self {
            Self::Clamp { .. } => vec![form],
            _ => vec![form, operands],
        };
        let functions = match self {
            Self::Table { function, .. } => vec![(0, function)],
            _ => Vec::new(),
        };
        Rows::of(&forms, copies).looking_up(functions)
    }
}

/// `2^s·pre + r − 2^(s−1)`, with the limbs of `r`.
fn shifted(shift: u32) -> RowForm {
    let (step, low_bits) = (1i64 << shift, shift.div_ceil(2));
    RowForm {
        pre: step,
        low: 1,
        high: 1 << low_bits,
        constant: -(step / 2),
        low_tag: low_bits.into(),
        high_tag: (shift - low_bits).into(),
        ..ZERO
    }
}

/// M-WIDE: the rows of an element whose accumulator is the operand.
fn wide(shift: u32, function: Function, (lo, hi): (i64, i64), bits: u32) -> Rows {
    let product = |end: i64| RowForm { product: 1, next_value: -end, ..ZERO };
    let forms = [
        RowForm { next_value: -1, next_pre: 1 << shift, ..shifted(shift) },
        RowForm { pre: 1, next_value: -1, next_pre: 1, ..ZERO },
        product(hi),
        product(lo),
        RowForm::default(),
    ];
    let copies = [(Operand(0), Value(1)), (Pre(0), Pre(3)), (Pre(0), Pre(4))];
    let mut rows = Rows::of(&forms, &copies).looking_up(vec![(0, function)]);
    let [over, under] = [rows.chain(bits), rows.chain(bits)];
    rows.copies.extend([(Pre(over), Value(2)), (Pre(under), Pre(2)), (Pre(over), Value(3)), (Pre(under), Value(4))]);
    rows
}

impl Forms<'_> {
    /// Whether the accumulators of a tensor, or what finishes them, are looked at here.
    pub(super) fn has_accumulators(&self, tensor: TensorId) -> bool {
        use Op::{Affine, Conv, Lookup, MatMul, Product, Sum};
        let op = &self.run.identities.program.node(tensor).op;
        match op {
            Conv { .. } | MatMul { .. } => self.run.identities.accumulators(tensor).is_some(),
            _ => matches!(op, Affine { .. } | Product { .. } | Sum { .. } | Lookup { .. }),
        }
    }

    /// How the accumulators of a tensor become its elements.
    pub(super) fn finish(&self, tensor: TensorId, range: &NodeRange) -> Option<Finish> {
        let identities = self.run.identities;
        let (program, layout) = (identities.program, identities.layout);
        let Some(Requantize { shift, table: id }) = program.node(tensor).op.applies() else {
            return Some(Finish::Exact);
        };
        if let Some(laid) = layout.clamps.get(&tensor) {
            return Some(Finish::Clamp { shift, ends: laid.clamp.saturation() });
        }
        let &(_, lo, hi) = layout.function_tags.get(&id)?;
        let function = Function::Table(id, lo, hi);
        let argument = range.argument?;
        let overflow = (argument.hi - i128::from(hi)).max(i128::from(lo) - argument.lo);
        if overflow <= 0 {
            return Some(Finish::Table { shift, function, saturation: None });
        }
        let (table, bits) = (program.table(id), bits(overflow));
        // Beyond the function's own domain all arguments have one image.
        if table.lo() < lo || hi < table.hi() {
            return None;
        }
        let home = layout.homes[tensor.0 as usize].first()?;
        Some(match identities.columns.form(home.row).saturate {
            Some(_) => Finish::Table { shift, function, saturation: Some(((lo, hi), bits)) },
            None => Finish::Wide { shift, function, ends: (lo, hi), bits },
        })
    }

    /// Checks the rows of finished accumulators, and of what finishes those of identities.
    pub(super) fn accumulators(&mut self, tensor: TensorId, finish: Finish) -> Result<(), &'static str> {
        let identities = self.run.identities;
        let node = identities.program.node(tensor);
        let form = finish.form();
        let by_operands = [(Operand(0), Value(1)), (Operand(1), Pre(1))];
        let (rows, operands) = match &node.op {
            Op::Affine { operands, factors: [a, b], constant, .. } => {
                let constant = form.constant - constant;
                let form = RowForm { constant, next_value: -a, next_pre: -b, ..form };
                (finish.rows(form, &by_operands), operands.to_vec())
            }
            Op::Product { operands, .. } => {
                (finish.rows(RowForm { product: -1, ..form }, &by_operands), operands.to_vec())
            }
            Op::Sum { factor, .. } => (finish.rows(RowForm { next_value: -factor, ..form }, &[]), Vec::new()),
            Op::Lookup { input, .. } => (lookup(finish), vec![*input]),
            // Of an identity, whose accumulators are finished elsewhere.
            _ if matches!(finish, Finish::Wide { .. }) => (Rows::default(), Vec::new()),
            _ => return Err(FORM),
        };
        let homes = &identities.layout.homes[tensor.0 as usize];
        for (element, &home) in homes.iter().enumerate() {
            let mut place = home;
            if let Finish::Wide { shift, function, ends, bits } = finish {
                let accumulator = self.accumulator(tensor, element, home).ok_or(COPY)?;
                self.rows(home, &wide(shift, function, ends, bits), &|_| accumulator)?;
                if rows.is_empty() {
                    continue;
                }
                let Cell::Advice(AdviceColumn::Value(lane), row) = accumulator else { return Err(COPY) };
                place = Place { row, lane };
            }
            self.rows(place, &rows, &|which| identities.home(operands[which], element))?;
            if let Op::Sum { input, .. } = node.op {
                let window = *identities.program.node(input).shape.last().ok_or(FORM)?;
                let of_window = element * window..(element + 1) * window;
                let sum = of_window.map(|index| Fr::from(identities.element(input, index))).sum::<Fr>();
                if !self.is_scalar(place.below(1).value(), sum) {
                    return Err("an element is not made of the sum of its operands");
                }
            }
        }
        Ok(())
    }

    /// The cell of the accumulator that rows of its own finish.
    fn accumulator(&self, tensor: TensorId, element: usize, home: Place) -> Option<Cell> {
        let identities = self.run.identities;
        match identities.program.node(tensor).op {
            Op::Conv { .. } | Op::MatMul { .. } => Some(identities.accumulators(tensor)?.get(element)?.value()),
            Op::Lookup { input, .. } => Some(identities.home(input, element)),
            _ => self.sources(home.below(1).value()).next(),
        }
    }

    /// Whether a cell is a copy of a scalar with this value.
    pub(super) fn is_scalar(&self, to: Cell, value: Fr) -> bool {
        self.sources(to).any(|source| self.run.cell(source) == Some(value))
    }

    /// The first of several operands that are the largest, by bits that rise there (M-ARG): see `Builder::arg_maximum`.
    pub(super) fn arg_maximum(&mut self, tensor: TensorId, input: TensorId, limb: u32) -> Result<(), &'static str> {
        let identities = self.run.identities;
        let layout = identities.layout;
        let window = *identities.program.node(input).shape.last().ok_or(FORM)?;
        let homes = &layout.homes[tensor.0 as usize];
        let laid = layout.maxima.get(&tensor).filter(|laid| laid.len() == homes.len());
        let laid = laid.ok_or("nothing is said of its operands")?;
        let operand = RowForm { low_tag: limb.into(), ..RowForm::default() };
        for ((element, &home), &head) in homes.iter().enumerate().zip(laid) {
            let free = identities.columns.is_zero(head.lane, head.row)
                && identities.columns.limb_switch(head.lane, head.row) == 0;
            if !free || !self.is_row(head, RowForm::default(), Some(FixedColumn::ArgMaximum)) {
                return Err(FORM);
            }
            let mut index = Fr::from(window as u64);
            for step in 1..=window as u32 {
                let place = head.below(step);
                let pinned = identities.columns.value_switch(place.lane, place.row) == 0
                    && identities.columns.limb_switch(place.lane, place.row) == 1;
                let gate = (step < window as u32).then_some(FixedColumn::ArgMaximum);
                if !(pinned && self.is_row(place, operand, gate)) {
                    return Err(FORM);
                }
                let which = element * window + step as usize - 1;
                if !self.is_copy(identities.home(input, which), place.pre()) {
                    return Err(COPY);
                }
                index -= self.run.unknown(place.value()).ok_or(COPY)?;
            }
            if !self.is_scalar(head.below(window as u32).value(), Fr::ONE) {
                return Err("its last bit is not one");
            }
            self.rows(home, &Rows::of(&[RowForm::default()], &[]), &|_| home.value())?;
            if !self.is_scalar(home.value(), index) {
                return Err("its index is not the number of bits that are zero");
            }
        }
        Ok(())
    }
}

/// The rows of a lookup: where nothing saturates, its operand is the argument.
fn lookup(finish: Finish) -> Rows {
    match finish {
        Finish::Table { function, saturation: None, .. } => {
            Rows::of(&[RowForm::default()], &[(Operand(0), Pre(0))]).looking_up(vec![(0, function)])
        }
        Finish::Wide { .. } | Finish::Exact => Rows::default(),
        Finish::Table { .. } => {
            finish.rows(RowForm { high: 0, next_value: -1, ..finish.form() }, &[(Operand(0), Value(1))])
        }
        Finish::Clamp { .. } => finish.rows(RowForm { next_value: -1, ..finish.form() }, &[(Operand(0), Value(1))]),
    }
}
