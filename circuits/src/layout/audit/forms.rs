//! Operators whose elements take rows of forms and range chains: what must stand in every row of an element.
//!
//! Inputs, quotients and roots, maxima and their indices, roundings to significant bits (M-ROUND), steps (M-STEPS), maxima of values far apart
//! (M-MAX-WIDE), and what [`super::pointwise`] has: affine combinations, products, sums and lookups. What
//! their rows must be follows from the program and the ranges of its values: forms, limbs, functions that are looked up, and copies among
//! the rows and from operands. It is spelled out here as docs/arithmetization.md has it, and compared cell by cell; that it leaves one
//! result is argued in docs/soundness.md, section 5.

use std::collections::HashSet;

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::super::builder::{range_rows, RANGE_LIMB};
use super::super::rows::{Place, RowForm};
use super::super::steps::largest_distances;
use super::super::tables::{OwnFunction, MAX_LIMB};
use super::functions::{Function, Functions};
use super::identities::Identities;
use super::pointwise::Finish;
use super::words::Run;
use super::AuditError;
use crate::analysis::{self, Interval, NodeRange};
use crate::graph::{Op, Program, Step, TensorId};
use crate::machine::{AdviceColumn, Cell, FixedColumn, Region};
use crate::significant::exponent;

/// Most bits of a range chain with which no equation of integers wraps around the field.
const MOST_BITS: u32 = 64;

/// A cell that is copied: of a row of the element, counted from its first one, or of the operand with a number.
#[derive(Clone, Copy)]
pub(super) enum Source {
    Value(u32),
    Pre(u32),
    Operand(usize),
}
use Source::{Operand, Pre, Value};

/// The rows of an element.
#[derive(Default)]
pub(super) struct Rows {
    forms: Vec<RowForm>,
    /// Rows of a running maximum.
    maxima: u32,
    /// Bits of the widest number of a range chain.
    widest: u32,
    /// What is looked up in a row.
    functions: Vec<(u32, Function)>,
    /// What is copied to a `value` or `pre` of these rows.
    pub(super) copies: Vec<(Source, Source)>,
}

/// A form that is zero.
pub(super) const ZERO: RowForm = RowForm {
    value: 0,
    pre: 0,
    low: 0,
    high: 0,
    constant: 0,
    next_value: 0,
    next_pre: 0,
    product: 0,
    pointwise: true,
    low_tag: 0,
    high_tag: 0,
    saturate: None,
};

impl Rows {
    pub(super) fn of(forms: &[RowForm], copies: &[(Source, Source)]) -> Self {
        Self { forms: forms.to_vec(), copies: copies.to_vec(), ..Self::default() }
    }

    /// The same with what is looked up in rows.
    pub(super) fn looking_up(self, functions: Vec<(u32, Function)>) -> Self {
        Self { functions, ..self }
    }

    fn len(&self) -> u32 {
        self.forms.len() as u32
    }

    pub(super) fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// Appends a range chain for numbers of so many bits, and tells its first row.
    pub(super) fn chain(&mut self, bits: u32) -> u32 {
        let (first, rows) = (self.len(), range_rows(bits));
        self.widest = self.widest.max(bits);
        let limbs = i64::from(RANGE_LIMB);
        let form = RowForm { pre: 1, low: -1, high: -(1 << RANGE_LIMB), low_tag: limbs, high_tag: limbs, ..ZERO };
        let next_pre = |row| if row + 1 < rows { -(1 << (2 * RANGE_LIMB)) } else { 0 };
        self.forms.extend((0..rows).map(|row| RowForm { next_pre: next_pre(row), ..form }));
        first
    }

    /// M-INPUT: `x − lo` and `hi − x` in range.
    fn input(lo: i64, hi: i64) -> Self {
        let mut rows = Self::default();
        for (sign, constant) in [(1, -lo), (-1, hi)] {
            let head = rows.len();
            rows.forms.push(RowForm { value: sign, low: 1, constant, next_pre: -1, ..ZERO });
            rows.chain(u64::BITS - hi.abs_diff(lo).leading_zeros());
            rows.copies.extend((head > 0).then_some((Value(0), Value(head))));
        }
        rows
    }

    /// `q·d + r = v`, the last of these a constant or an operand, and `room` what else is in range: `r` and `q` are.
    fn division(division: RowForm, room: RowForm, largest: i128) -> Self {
        let copies = [(Pre(0), Pre(3))];
        let mut rows = Self::of(&[division, RowForm::default(), room, RowForm::default()], &copies);
        for ranged in [Pre(2), Pre(0), Value(1)] {
            let chain = rows.chain(bits(largest));
            rows.copies.push((ranged, Pre(chain)));
        }
        rows
    }

    /// `q·d + r = N`, or `v`, with `d − 1 − r`, `r` and `q` in range.
    fn quotient(division: RowForm, divisor: usize, largest: i128) -> Self {
        let division = RowForm { pre: 1, low: 1, product: 1, ..division };
        let room = RowForm { pre: 1, low: 1, constant: 1, next_value: -1, next_pre: 1, ..ZERO };
        let mut rows = Self::division(division, room, largest);
        rows.copies.extend([(Operand(divisor), Pre(1)), (Operand(divisor), Value(3))]);
        rows
    }

    /// `s² + r = v` with `2·s − r`, `r` and `s` in range.
    fn square_root(largest: i128) -> Self {
        let square = RowForm { value: -1, pre: 1, low: 1, product: 1, ..ZERO };
        let room = RowForm { pre: 1, low: 1, next_value: -2, next_pre: 1, ..ZERO };
        let mut rows = Self::division(square, room, largest);
        rows.copies.extend([(Operand(0), Value(0)), (Value(1), Pre(1)), (Value(1), Value(3))]);
        rows
    }

    /// A running maximum of as many operands.
    fn maximum(operands: usize, limb: u32) -> Self {
        let (last, tag) = (operands - 1, i64::from(limb));
        let mut rows = Self { maxima: last as u32, ..Self::default() };
        rows.forms = vec![RowForm { low_tag: tag, high_tag: tag, ..RowForm::default() }; last];
        rows.forms.push(RowForm::default());
        let cell = |step: usize| if step == last { Value(step as u32) } else { Pre(step as u32) };
        rows.copies = (0..operands).map(|step| (Operand(step), cell(step))).collect();
        rows
    }

    /// M-MAX-WIDE, for one operand: `x − v` in range.
    fn difference(largest: i128) -> Self {
        let mut rows = Self::of(&[RowForm { value: 1, pre: -1, next_pre: -1, ..ZERO }], &[(Operand(0), Pre(0))]);
        rows.chain(bits(largest));
        rows
    }

    /// M-ROUND, of magnitudes up to `largest`.
    fn rounding(kept: u32, largest: u128) -> Self {
        let factor = RowForm { value: 1, pre: 1, product: -1, ..ZERO };
        let forms = [
            RowForm { pre: 1, next_pre: -1, ..ZERO },
            RowForm::default(),
            RowForm { pre: 0, ..factor },
            RowForm { value: 0, ..factor },
            RowForm { value: 1, low: -2, constant: 1, low_tag: 1, ..ZERO },
            factor,
            RowForm::default(),
            RowForm { value: 1, low: 1, next_value: -1, low_tag: 1, ..ZERO },
            RowForm { value: 1, pre: 1, next_value: -1, next_pre: 2, constant: -(1 << kept), ..ZERO },
        ];
        let copies = [
            (Pre(8), Value(3)),
            (Value(0), Pre(4)),
            (Value(1), Pre(5)),
            (Value(4), Value(6)),
            (Operand(0), Pre(6)),
            (Value(0), Value(8)),
            (Value(7), Value(9)),
        ];
        let mut rows = Self::of(&forms, &copies);
        let own = [OwnFunction::Power, OwnFunction::Binade { bits: kept }];
        rows.functions = (0..).zip(own.map(Function::Own)).collect();
        rows.chain(kept);
        for sign in [-1, 1] {
            let head = rows.len();
            rows.forms.push(RowForm { value: 2 * sign, pre: -2 * sign, next_value: 1, next_pre: -1, ..ZERO });
            let chain = rows.chain(exponent(largest, kept) + 2);
            rows.copies.extend([(Operand(0), Value(head)), (Value(2), Pre(head)), (Value(7), Value(chain))]);
        }
        let above = rows.chain(u128::BITS - largest.leading_zeros());
        rows.copies.push((Value(5), Pre(above)));
        rows
    }

    /// M-STEPS, of operands in some intervals.
    fn steps(tensor: TensorId, [a, b]: [Interval; 2], first: i64, shift: u32, steps: &[Step]) -> Self {
        let neighbour = RowForm { pre: 1, next_pre: -1, constant: 1, ..ZERO };
        let overflow = |end: i64| RowForm { product: 1, next_pre: -end, ..ZERO };
        let forms = [
            neighbour,
            overflow(first),
            overflow(first + steps.len() as i64),
            RowForm::default(),
            neighbour,
            RowForm::default(),
        ];
        let mut rows = Self::of(&forms, &[(Pre(0), Value(2)), (Pre(0), Value(3)), (Pre(0), Pre(4))]);
        let [factor, strict] = [OwnFunction::Factor(tensor), OwnFunction::Strict(tensor)].map(Function::Own);
        rows.functions = vec![(0, factor), (1, factor), (4, strict), (5, strict)];
        // A step that is reached leaves something, and one that isn't lacks something.
        for ((side, sign), largest) in [(0, -1), (1, 1)].into_iter().zip(largest_distances([a, b], shift, steps)) {
            let at = rows.len();
            rows.forms.extend([
                RowForm { value: 1 << shift, pre: -1, product: -1, ..ZERO },
                RowForm::default(),
                RowForm { value: 1, pre: -1, next_pre: sign, constant: side, ..ZERO },
            ]);
            rows.chain(shift);
            let distance = rows.len();
            rows.forms.push(RowForm { value: 1, pre: sign, next_value: -sign, next_pre: -1, ..ZERO });
            let chain = rows.chain(bits(largest));
            let side = side as u32;
            rows.copies.extend([
                (Value(side), Value(at + 1)),
                (Operand(1), Pre(at + 1)),
                (Pre(at), Value(at + 2)),
                (Value(4 + side), Pre(at + 2)),
                (Value(at), Pre(distance)),
                (Value(distance), Pre(2 + side)),
                (Operand(0), Value(chain)),
            ]);
        }
        rows
    }
}

/// Bits of a number that is not negative.
pub(super) fn bits(number: i128) -> u32 {
    i128::BITS - number.leading_zeros()
}

/// What the rows of an operator's elements must be, and which operands these have.
struct Asked {
    rows: Rows,
    /// The row of an element that is its home.
    home: u32,
    operands: Vec<TensorId>,
    /// Operands of an element that are elements of one tensor, one after the other.
    window: Option<usize>,
}

impl Asked {
    fn new(rows: Rows, home: u32, operands: &[TensorId]) -> Self {
        Self { rows, home, operands: operands.to_vec(), window: None }
    }

    /// What an operator asks for whose results need no rows besides.
    fn of(program: &Program, tensor: TensorId, ranges: &[NodeRange]) -> Option<Self> {
        let value = |tensor: TensorId| ranges[tensor.0 as usize].value;
        let largest = |divisor: TensorId| value(divisor).hi.max(value(tensor).hi);
        let asked = match &program.node(tensor).op {
            Op::Input { lo, hi } => Self::new(Rows::input(*lo, *hi), 0, &[]),
            Op::Reciprocal { input, numerator } => {
                let division = RowForm { constant: -numerator, ..ZERO };
                Self::new(Rows::quotient(division, 0, largest(*input)), 1, &[*input])
            }
            Op::Quotient { operands } => {
                let mut rows = Rows::quotient(RowForm { value: -1, ..ZERO }, 1, largest(operands[1]));
                rows.copies.push((Operand(0), Value(0)));
                Self::new(rows, 1, operands)
            }
            Op::SquareRoot { input } => Self::new(Rows::square_root(2 * value(tensor).hi), 1, &[*input]),
            Op::RoundSignificant { input, bits } => {
                let magnitude = value(*input).magnitude().unsigned_abs();
                Self::new(Rows::rounding(*bits, magnitude), 2, &[*input])
            }
            Op::Steps { operands, first, shift, steps } => {
                Self::new(Rows::steps(tensor, operands.map(value), *first, *shift, steps), 2, operands)
            }
            Op::Max { input } => {
                let window = *program.node(*input).shape.last()?;
                let limb = bits(value(*input).width()).max(1);
                let rows = (limb <= MAX_LIMB).then(|| Rows::maximum(window, limb))?;
                Self { window: Some(window), ..Self::new(rows, 0, &[*input]) }
            }
            _ => return None,
        };
        Some(asked)
    }

    /// An operand of an element.
    fn operand(&self, element: usize, which: usize) -> (TensorId, usize) {
        match self.window {
            Some(window) => (self.operands[0], element * window + which),
            None => (self.operands[which], element),
        }
    }
}

/// Checks the rows of all operators that have such, and the tables of the functions that these look up.
///
/// # Errors
/// The first operator whose rows are others, or the first table that is not its function.
pub(super) fn audit(run: &Run<'_>) -> Result<(), AuditError> {
    let identities = run.identities;
    let program = identities.program;
    let ranges = analysis::ranges(program).map_err(|_| AuditError::Frame { what: "the ranges are known" })?;
    let mut forms = Forms { run, copies: Vec::new(), functions: Functions::default() };
    for (&table, &(tag, lo, hi)) in &identities.layout.function_tags {
        if !forms.functions.is(program, Function::Table(table, lo, hi), tag) {
            return Err(AuditError::Table { tag });
        }
    }
    let tensors = (0..program.nodes.len() as u32).map(TensorId);
    let asked = |tensor: TensorId| Asked::of(program, tensor, &ranges).map(|asked| (tensor, asked));
    let asked: Vec<_> = tensors.clone().filter_map(asked).filter(|(tensor, _)| !forms.is_looked_up(*tensor)).collect();
    let refuse = |tensor: TensorId| move |what| AuditError::Rows { node: program.node(tensor).name.clone(), what };
    let finished = tensors.clone().filter(|&tensor| forms.has_accumulators(tensor));
    let finish = |tensor: TensorId| {
        let finish = forms.finish(tensor, &ranges[tensor.0 as usize]);
        let finish = finish.ok_or("its table ends where its function does not").map_err(refuse(tensor));
        finish.map(|finish| (tensor, finish))
    };
    let finished = finished.map(finish).collect::<Result<Vec<_>, _>>()?;
    forms.copies = copies_within(identities, &asked, &finished);
    for (tensor, asked) in &asked {
        forms.elements(*tensor, asked).map_err(refuse(*tensor))?;
    }
    for &(tensor, finish) in &finished {
        forms.accumulators(tensor, finish).map_err(refuse(tensor))?;
    }
    for tensor in tensors.filter(|&tensor| asked.binary_search_by_key(&tensor, |(known, _)| *known).is_err()) {
        let value = |input: TensorId| ranges[input.0 as usize].value;
        match program.node(tensor).op {
            Op::Max { input } => forms.wide_maximum(tensor, input, value(input)),
            Op::ArgMax { input } => forms.arg_maximum(tensor, input, bits(value(input).width()).max(1)),
            _ => Ok(()),
        }
        .map_err(refuse(tensor))?;
    }
    forms.functions.audit(program, identities.skeleton)
}

/// The copies to cells of units in rows of operators, these first, in order.
fn copies_within(
    identities: &Identities<'_>,
    asked: &[(TensorId, Asked)],
    finished: &[(TensorId, Finish)],
) -> Vec<(Cell, Cell)> {
    let (layout, skeleton) = (identities.layout, identities.skeleton);
    let mut within = vec![false; skeleton.regions.rows(Region::Units)];
    let mut mark = |first: u32, rows: u32| {
        let end = within.len().min((first + rows) as usize);
        within[..end].iter_mut().skip(first as usize).for_each(|row| *row = true);
    };
    let homes = |tensor: TensorId| layout.homes[tensor.0 as usize].iter();
    for (tensor, asked) in asked {
        homes(*tensor).for_each(|home| mark(home.row.saturating_sub(asked.home), asked.rows.len()));
    }
    let mut accumulators = HashSet::new();
    for &(tensor, finish) in finished {
        let rows = finish.most_rows();
        homes(tensor).for_each(|home| mark(home.row, rows));
        if matches!(finish, Finish::Wide { .. }) {
            accumulators.extend(homes(tensor).map(|home| home.below(1).value()));
        }
    }
    for (&tensor, heads) in layout.maxima.iter() {
        // Below its head a difference has limbs alone, and an index of a maximum its operands.
        let rows = match identities.program.node(tensor).op {
            Op::ArgMax { input } => 1 + identities.program.node(input).shape.last().map_or(0, |&window| window as u32),
            _ => 1,
        };
        homes(tensor).for_each(|home| mark(home.row, 1));
        heads.iter().for_each(|head| mark(head.row, rows));
    }
    // Exact accumulators that are finished elsewhere, with their operands.
    for (from, _) in skeleton.copies.iter().filter(|(_, to)| accumulators.contains(to)) {
        if let Cell::Advice(AdviceColumn::Value(_), row) = from {
            mark(*row, 2);
        }
    }
    let is_within = |to: Cell| match to {
        Cell::Advice(AdviceColumn::Value(_) | AdviceColumn::Pre(_), row) => within[row as usize],
        _ => false,
    };
    let copies = skeleton.copies.iter().filter(|(_, to)| is_within(*to));
    let mut copies: Vec<_> = copies.map(|&(from, to)| (to, from)).collect();
    copies.sort_unstable();
    copies
}

const CHAINS: &str = "a range chain of its rows is too long";
pub(super) const FORM: &str = "a row does not have its form, limbs and lookups";
pub(super) const COPY: &str = "a cell of its rows is no copy of what it stands for";

/// The audit of forms.
pub(super) struct Forms<'a> {
    pub(super) run: &'a Run<'a>,
    /// To and from, in order.
    copies: Vec<(Cell, Cell)>,
    functions: Functions,
}

impl Forms<'_> {
    /// Whether a tensor is an input whose elements are looked up in its range.
    fn is_looked_up(&mut self, tensor: TensorId) -> bool {
        let identities = self.run.identities;
        let Op::Input { lo, hi } = identities.program.node(tensor).op else { return false };
        let columns = identities.columns;
        let mut homes = identities.layout.homes[tensor.0 as usize].iter();
        homes.all(|&Place { row, lane }| {
            let tag = columns.value_tag(lane, row);
            let range = Function::Range(lo, hi);
            columns.value_switch(lane, row) == 1 && self.functions.is(identities.program, range, tag)
        })
    }

    /// Checks the rows of all elements of an operator.
    fn elements(&mut self, tensor: TensorId, asked: &Asked) -> Result<(), &'static str> {
        let homes = &self.run.identities.layout.homes[tensor.0 as usize];
        for (element, home) in homes.iter().enumerate() {
            let row = home.row.checked_sub(asked.home).ok_or(FORM)?;
            let operand = |which| {
                let (tensor, index) = asked.operand(element, which);
                self.run.identities.home(tensor, index)
            };
            self.rows(Place { row, lane: home.lane }, &asked.rows, &operand)?;
        }
        Ok(())
    }

    /// M-MAX-WIDE: no operand is above an element, and the product of its differences is zero.
    fn wide_maximum(&mut self, tensor: TensorId, input: TensorId, operands: Interval) -> Result<(), &'static str> {
        let identities = self.run.identities;
        let layout = identities.layout;
        let window = *identities.program.node(input).shape.last().ok_or(FORM)?;
        let homes = &layout.homes[tensor.0 as usize];
        let laid = layout.maxima.get(&tensor).ok_or("nothing is said of its differences")?;
        if laid.len() != homes.len() * window {
            return Err("an operand has no difference");
        }
        let rows = Rows::difference(operands.width());
        let zero = RowForm { pre: 1, ..ZERO };
        for ((element, &home), heads) in homes.iter().enumerate().zip(laid.chunks(window)) {
            for (which, &head) in heads.iter().enumerate() {
                self.rows(head, &rows, &|_| identities.home(input, element * window + which))?;
            }
            self.rows(home, &Rows::of(&[zero], &[]), &|_| home.pre())?;
            let results = heads[1..].iter().chain([&home]);
            if !results.into_iter().all(|copy| self.is_copy(heads[0].value(), copy.value())) {
                return Err(COPY);
            }
            let expected = heads.iter().map(|head| self.run.unknown(head.below(1).pre())).product::<Option<Fr>>();
            let product = self.sources(home.pre()).map(|source| self.run.cell(source));
            if !product.eq([expected.filter(|product| *product != Fr::ZERO)]) {
                return Err("its form is not the product of its differences");
            }
        }
        Ok(())
    }

    /// Checks the rows of one element.
    pub(super) fn rows(
        &mut self,
        head: Place,
        rows: &Rows,
        operand: &dyn Fn(usize) -> Cell,
    ) -> Result<(), &'static str> {
        let identities = self.run.identities;
        if rows.widest > MOST_BITS {
            return Err(CHAINS);
        }
        for (step, form) in (0..).zip(&rows.forms) {
            let Place { row, lane } = head.below(step);
            let columns = identities.columns;
            let function = rows.functions.iter().find(|(at, _)| *at == step);
            let looked_up = match function {
                None => columns.value_switch(lane, row) == 0,
                Some(&(_, function)) => {
                    let tag = columns.value_tag(lane, row);
                    columns.value_switch(lane, row) == 1 && self.functions.is(identities.program, function, tag)
                }
            };
            let gate = (step < rows.maxima).then_some(FixedColumn::Maximum);
            let own = self.is_row(head.below(step), *form, gate);
            if !(looked_up && own && columns.limb_switch(lane, row) == 1) {
                return Err(FORM);
            }
        }
        let cell = |source: &Source| match *source {
            Value(step) => head.below(step).value(),
            Pre(step) => head.below(step).pre(),
            Operand(which) => operand(which),
        };
        match rows.copies.iter().all(|(from, to)| self.is_copy(cell(from), cell(to))) {
            true => Ok(()),
            false => Err(COPY),
        }
    }

    /// Whether a row has a form, and no gate of maxima but this.
    pub(super) fn is_row(&self, Place { row, .. }: Place, form: RowForm, gate: Option<FixedColumn>) -> bool {
        let columns = self.run.identities.columns;
        let is_as_asked = |column| columns.shared(column, row) == i64::from(gate == Some(column));
        columns.form(row) == form && is_as_asked(FixedColumn::Maximum) && is_as_asked(FixedColumn::ArgMaximum)
    }

    pub(super) fn is_copy(&self, from: Cell, to: Cell) -> bool {
        self.copies.binary_search(&(to, from)).is_ok()
    }

    /// What is copied to a cell.
    pub(super) fn sources(&self, to: Cell) -> impl Iterator<Item = Cell> + '_ {
        let first = self.copies.partition_point(|&(known, _)| known < to);
        self.copies[first..].iter().take_while(move |(known, _)| *known == to).map(|&(_, from)| from)
    }
}
