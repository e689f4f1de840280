//! Reductions over axes.

use super::arithmetic::check_wrap;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, ReduceKind, UnaryFunction, ValueId};
use crate::lower::call::resolve_axes;
use crate::lower::emit::reduced_shape;
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("ReduceSum", &[since(1, 1, 1, 1), since(13, 1, 2, 1)], |call| plain(call, ReduceKind::Sum, 13)),
    onnx("ReduceMean", &[since(1, 1, 1, 1), since(18, 1, 2, 1)], |call| plain(call, ReduceKind::Mean, 18)),
    onnx("ReduceMax", &[since(1, 1, 1, 1), since(18, 1, 2, 1)], |call| plain(call, ReduceKind::Max, 18)),
    onnx("ReduceMin", &[since(1, 1, 1, 1), since(18, 1, 2, 1)], |call| plain(call, ReduceKind::Min, 18)),
    onnx("ReduceProd", &[since(1, 1, 1, 1), since(18, 1, 2, 1)], |call| plain(call, ReduceKind::Product, 18)),
    onnx("ReduceL1", &[since(1, 1, 1, 1), since(18, 1, 2, 1)], l1),
    onnx("ReduceL2", &[since(1, 1, 1, 1), since(18, 1, 2, 1)], l2),
    onnx("ReduceSumSquare", &[since(1, 1, 1, 1), since(18, 1, 2, 1)], sum_square),
    onnx("ReduceLogSum", &[since(1, 1, 1, 1), since(18, 1, 2, 1)], log_sum),
    onnx("ReduceLogSumExp", &[since(1, 1, 1, 1), since(18, 1, 2, 1)], log_sum_exp),
];

/// What is reduced and how.
struct Reduction {
    input: ValueId,
    axes: Vec<usize>,
    keep: bool,
}

impl Reduction {
    /// Axes are an attribute before operator set `operand_since`, then an operand; none means all, or with
    /// `noop_with_empty_axes` nothing.
    fn read(call: &Call, operand_since: i64) -> Result<Self> {
        let input = call.input(0)?;
        let keep = call.attributes.flag("keepdims", true)?;
        let rank = call.rank(input);
        let (axes, noop) = if call.version < operand_since {
            (call.attributes.ints("axes")?, false)
        } else {
            (call.integers(1, "axes")?, call.attributes.flag("noop_with_empty_axes", false)?)
        };
        let axes = match axes {
            Some(axes) if !axes.is_empty() => resolve_axes(&axes, rank)?,
            _ if noop => vec![],
            _ => (0..rank).collect(),
        };
        Ok(Self { input, axes, keep })
    }

    fn apply(&self, call: &mut Call, value: ValueId, kind: ReduceKind) -> Result<ValueId> {
        if kind != ReduceKind::Max && kind != ReduceKind::Min {
            check_wrap(call, &[value])?;
        }
        if kind == ReduceKind::Mean && !call.dtype(value).is_float() {
            return Err(NodeError::unsupported("the mean of integers truncates", "cast to a float type first"));
        }
        if kind == ReduceKind::Product && call.builder.tensor(value).is_none() {
            return self.product(call, value);
        }
        call.builder.reduce(value, kind, &self.axes, self.keep)
    }

    /// A product as a tree of products of two, whose ranges calibration can see.
    fn product(&self, call: &mut Call, value: ValueId) -> Result<ValueId> {
        let from = call.shape(value);
        let kept = (0..from.len()).filter(|axis| !self.axes.contains(axis));
        let order: Vec<usize> = kept.chain(self.axes.iter().copied()).collect();
        let mut count: usize = self.axes.iter().map(|&axis| from[axis]).product();
        let rows = from.iter().product::<usize>() / count.max(1);
        let builder = &mut *call.builder;
        let mut factors = builder.transpose(value, &order)?;
        factors = builder.reshape(factors, vec![rows, count])?;
        while count > 1 {
            let half = count / 2;
            let (first, second) =
                (builder.pick_axis(factors, 1, 0..half)?, builder.pick_axis(factors, 1, half..2 * half)?);
            let products = builder.binary(BinaryFunction::Mul, first, second)?;
            let rest = builder.pick_axis(factors, 1, 2 * half..count)?;
            factors = builder.concat(&[products, rest], 1)?;
            count -= half;
        }
        builder.reshape(factors, reduced_shape(&from, &self.axes, self.keep))
    }
}

fn plain(call: &mut Call, kind: ReduceKind, operand_since: i64) -> Result<Vec<ValueId>> {
    let reduction = Reduction::read(call, operand_since)?;
    let result = reduction.apply(call, reduction.input, kind)?;
    call.builder.note_whole_sum(result);
    Ok(vec![result])
}

fn l1(call: &mut Call) -> Result<Vec<ValueId>> {
    let reduction = Reduction::read(call, 18)?;
    let magnitude = call.builder.unary(UnaryFunction::Abs, reduction.input)?;
    Ok(vec![reduction.apply(call, magnitude, ReduceKind::Sum)?])
}

fn squares(call: &mut Call) -> Result<ValueId> {
    let reduction = Reduction::read(call, 18)?;
    check_wrap(call, &[reduction.input])?;
    let square = call.builder.binary(BinaryFunction::Mul, reduction.input, reduction.input)?;
    reduction.apply(call, square, ReduceKind::Sum)
}

fn sum_square(call: &mut Call) -> Result<Vec<ValueId>> {
    Ok(vec![squares(call)?])
}

fn l2(call: &mut Call) -> Result<Vec<ValueId>> {
    let sum = squares(call)?;
    real(call, sum)?;
    Ok(vec![call.builder.unary(UnaryFunction::Sqrt, sum)?])
}

fn log_sum(call: &mut Call) -> Result<Vec<ValueId>> {
    let reduction = Reduction::read(call, 18)?;
    real(call, reduction.input)?;
    let sum = reduction.apply(call, reduction.input, ReduceKind::Sum)?;
    Ok(vec![call.builder.unary(UnaryFunction::Log, sum)?])
}

/// The largest element is taken out first, so that no exponential is large.
fn log_sum_exp(call: &mut Call) -> Result<Vec<ValueId>> {
    let Reduction { input, axes, keep } = Reduction::read(call, 18)?;
    real(call, input)?;
    let shape = reduced_shape(&call.shape(input), &axes, keep);
    let builder = &mut *call.builder;
    let largest = builder.reduce(input, ReduceKind::Max, &axes, true)?;
    let shifted = builder.binary(BinaryFunction::Sub, input, largest)?;
    let exponential = builder.unary(UnaryFunction::Exp, shifted)?;
    let sum = builder.reduce(exponential, ReduceKind::Sum, &axes, true)?;
    let logarithm = builder.unary(UnaryFunction::Log, sum)?;
    let result = builder.binary(BinaryFunction::Add, logarithm, largest)?;
    Ok(vec![builder.reshape(result, shape)?])
}

fn real(call: &Call, value: ValueId) -> Result<()> {
    if call.dtype(value).is_float() {
        return Ok(());
    }
    Err(NodeError::unsupported("this reduction of integers is not supported", "cast to a float type first"))
}
