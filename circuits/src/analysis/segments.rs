//! Bounds of functions by segments: of a line whose slope and offset are tables of the argument's own upper bits.
//!
//! With `h = ⌊(v + 2^(s−1)) / 2^s⌋` and tables `A` and `B`, a product `A(h)·v` and a line `f·A(h)·v + g·B(h) + c` are small where the lines
//! of neighbouring `h` meet. Interval arithmetic, which takes the steepest slope by the largest argument, does not see that. Here each `h` that `v` reaches
//! has its own arguments, from `2^s·h − 2^(s−1)` to `2^s·h + 2^(s−1) − 1`, and all beyond where a table saturates; a line takes its least and its
//! largest value at the ends of these.

use std::cell::Cell;

use super::{Budget, Interval};
use crate::graph::{Op, Program, Requantize, Table, TensorId};
use crate::reference::shift_half_up;

/// A tensor whose elements are a table of the upper bits of another one's.
#[derive(Clone, Copy)]
struct Step<'a> {
    of: TensorId,
    shift: u32,
    table: &'a Table,
}

impl<'a> Step<'a> {
    fn new(program: &'a Program, tensor: TensorId) -> Option<Self> {
        match program.node(tensor).op {
            Op::Affine {
                operands: [of, _],
                factors: [1, 0],
                constant: 0,
                requantize: Some(Requantize { shift, table }),
            } => Some(Self { of, shift, table: program.table(table) }),
            _ => None,
        }
    }
}

/// A bound of all products of two tensors' elements, if one of them is a table of the upper bits of the other, and as many segments may be looked at.
pub(super) fn product(
    program: &Program,
    operands: [TensorId; 2],
    left: &Cell<usize>,
    value: impl Fn(TensorId) -> Interval,
) -> Option<Interval> {
    let slope = slope(program, operands)?;
    bound(value(slope.of), slope, None, left, |v, slope, _| slope.saturating_mul(v))
}

/// A bound of `factors[0]·p + factors[1]·b + constant`, if `p` is such a product and `b` a table of the same bits, and as many segments may be looked at.
pub(super) fn line(
    program: &Program,
    operands: [TensorId; 2],
    factors: [i64; 2],
    constant: i64,
    left: &Cell<usize>,
    value: impl Fn(TensorId) -> Interval,
) -> Option<Interval> {
    let Op::Product { operands: factored, requantize: None } = program.node(operands[0]).op else { return None };
    let slope = slope(program, factored)?;
    let offset =
        Step::new(program, operands[1]).filter(|offset| (offset.of, offset.shift) == (slope.of, slope.shift))?;
    let [of_product, of_offset] = factors.map(i128::from);
    let at = |v: i128, slope: i128, offset: i128| {
        let product = slope.saturating_mul(v).saturating_mul(of_product);
        product.saturating_add(offset.saturating_mul(of_offset)).saturating_add(constant.into())
    };
    bound(value(slope.of), slope, Some(offset), left, at)
}

/// The operand that is a table of the upper bits of the other one.
fn slope(program: &Program, [a, b]: [TensorId; 2]) -> Option<Step<'_>> {
    let of = |slope, operand| Step::new(program, slope).filter(|step| step.of == operand);
    of(a, b).or_else(|| of(b, a))
}

/// The values of `line(v, slope, offset)`, which never turns within a segment, for all `v` of an interval. Nothing is said where segments are
/// more than the entries of both tables, as between tables that lie far apart, or than may be looked at.
fn bound(
    of: Interval,
    slope: Step<'_>,
    offset: Option<Step<'_>>,
    left: &Cell<usize>,
    line: impl Fn(i128, i128, i128) -> i128,
) -> Option<Interval> {
    let shift = slope.shift;
    let tables = || [Some(slope.table), offset.map(|offset| offset.table)].into_iter().flatten();
    let least = i128::from(tables().map(Table::lo).min().expect("there is a slope"));
    let most = i128::from(tables().map(Table::hi).max().expect("there is a slope"));
    let [first, last] = [of.lo, of.hi].map(|v| shift_half_up(v, shift).clamp(least, most));
    let segments = usize::try_from(last - first + 1).ok()?;
    if segments > tables().map(|table| table.values().len()).sum() {
        return None;
    }
    Budget::spend(left, segments)?;
    let half = (1i128 << shift) / 2;
    let at = |table: &Table, h: i128| i128::from(table.apply(h as i64));
    let segment = |h: i128| {
        // The first and the last segment go on for as long as there are arguments.
        let lo = if h == first { of.lo } else { (h << shift) - half };
        let hi = if h == last { of.hi } else { ((h + 1) << shift) - half - 1 };
        let offset = offset.map_or(0, |offset| at(offset.table, h));
        let [a, b] = [lo, hi].map(|v| line(v, at(slope.table, h), offset));
        Interval::new(a.min(b), a.max(b))
    };
    (first..=last).map(segment).reduce(Interval::union)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bound is that of all arguments, one by one, also where they lie beyond the tables.
    #[test]
    fn a_bound_is_the_least_and_the_largest_line() {
        let slopes = Table::new("slopes", -2, vec![0, 3, -5, 7, 0]).expect("it is not empty");
        let offsets = Table::new("offsets", -1, vec![-40, 10, 25, 90]).expect("it is not empty");
        for shift in [0, 1, 4] {
            for (lo, hi) in [(-200, 200), (-3, 5), (17, 17), (-500, -100), (100, 500)] {
                let [slope, offset] = [&slopes, &offsets].map(|table| Step { of: TensorId(0), shift, table });
                let line = |v: i128, slope: i128, offset: i128| 3 * slope * v + 2 * offset - 7;
                let values = (lo..=hi).map(|v: i64| {
                    let h = shift_half_up(v.into(), shift) as i64;
                    line(v.into(), slopes.apply(h).into(), offsets.apply(h).into())
                });
                let (least, most) = values.fold((i128::MAX, i128::MIN), |(least, most), v| (least.min(v), most.max(v)));
                let found = bound(Interval::new(lo, hi), slope, Some(offset), &Cell::new(Budget::SEGMENTS), line);
                assert_eq!(found, Some(Interval::new(least, most)), "shift {shift}, arguments {lo} to {hi}");
            }
        }
    }

    /// Neither tables that lie far apart nor many nodes take more than so many steps.
    #[test]
    fn work_is_bounded() {
        let [near, far] = [-(1i64 << 40), 1 << 40].map(|at| Table::new("far", at, vec![1]).expect("it is not empty"));
        let step = |table| Step { of: TensorId(0), shift: 0, table };
        let all = Interval::new(-(1i64 << 41), 1i64 << 41);
        let line = |v: i128, slope: i128, offset: i128| slope * v + offset;
        let left = Cell::new(Budget::SEGMENTS);
        assert_eq!(bound(all, step(&near), Some(step(&far)), &left, line), None);
        assert_eq!(left.get(), Budget::SEGMENTS);
        left.set(1);
        assert!(bound(all, step(&near), None, &left, line).is_some());
        assert_eq!(bound(all, step(&near), None, &left, line), None);
    }
}
