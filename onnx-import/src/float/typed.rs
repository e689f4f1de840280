//! Integers that must stay within their types.
//!
//! The float graph and the program hold integers as numbers without an end; those of a model wrap around at the ends of their type. The two
//! agree where no result of 32 or 64 bits leaves its type. Whether one may follows from what the inputs of the program are held to, by
//! interval arithmetic over the operators that the result is computed by, before any of them is merged with others. (Narrower types
//! wrap around as the model says, or are refused when they are imported.)
//!
//! Only results of operators that can leave a type are judged (`wraps`); those of all others are within theirs. Nothing is said of what
//! is computed from reals by functions that have no simple bound: a cast of a real that an integer type can't hold is not defined.

use super::graph::{BinaryFunction, FloatOp, ReduceKind, UnaryFunction};

/// Operators whose results can leave the type of their operands.
const WRAPPING: [&str; 18] = [
    "Abs",
    "Add",
    "BitShift",
    "Cast",
    "CastLike",
    "ConvInteger",
    "CumProd",
    "CumSum",
    "Div",
    "Einsum",
    "Gemm",
    "MatMul",
    "MatMulInteger",
    "Mul",
    "Neg",
    "Pow",
    "Sub",
    "Sum",
];
/// Reductions of which that is true.
const WRAPPING_REDUCTIONS: [&str; 4] = ["ReduceL1", "ReduceProd", "ReduceSum", "ReduceSumSquare"];
/// Most elements of a constant real that are looked at.
const MOST_LOOKED_AT: usize = 1 << 12;

/// Whether results of an ONNX operator on integers can leave their type.
pub(crate) fn wraps(operator: &str) -> bool {
    WRAPPING.contains(&operator) || WRAPPING_REDUCTIONS.contains(&operator)
}

/// Smallest and largest value; infinite where nothing is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) lo: f64,
    pub(crate) hi: f64,
}

/// Where an integer result may leave its type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Beyond {
    /// The node.
    pub(crate) node: String,
    /// Name of the type.
    pub(crate) data_type: &'static str,
    /// Smallest value that it may have.
    pub(crate) lo: f64,
    /// Largest value that it may have.
    pub(crate) hi: f64,
}

/// The integer results of a model that must stay within their types, and what bounds them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TypedIntegers {
    steps: Vec<Step>,
}

/// A value of the model, as far as its bounds go.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    /// What bounds it; operands are places of earlier steps.
    pub(crate) rule: Rule,
    /// What its type holds it to.
    pub(crate) held: Option<Bounds>,
    /// Its node, and the name and the ends of its type, where it must stay within them.
    pub(crate) judged: Option<(String, &'static str, Bounds)>,
}

/// What bounds a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Rule {
    /// The range of an input.
    Input(usize),
    /// These numbers, or nothing.
    Within(Bounds),
    /// Elements of operands, and perhaps another number.
    Among(Vec<usize>, Option<f64>),
    /// A function of one value.
    Unary(UnaryFunction, usize),
    /// A function of two values.
    Binary(BinaryFunction, [usize; 2]),
    /// A sum of so many elements at most.
    Sum(usize, usize),
    /// A sum of so many products at most, and perhaps of an element more.
    Products([usize; 2], usize, Option<usize>),
}

impl Rule {
    /// The rule of an operator whose operands have the given numbers of elements. `is_integer` says of what type its result is.
    pub(crate) fn of(op: &FloatOp, elements: usize, shape_of: impl Fn(usize) -> Vec<usize>, is_integer: bool) -> Self {
        let count = |value: usize| shape_of(value).iter().product::<usize>();
        match op {
            FloatOp::Input(number) => Self::Input(*number),
            FloatOp::Constant(tensor) if is_integer || tensor.data.len() <= MOST_LOOKED_AT => {
                Self::Within(Bounds::of(tensor.data.values()))
            }
            FloatOp::Reshape(input) | FloatOp::Transpose { input, .. } | FloatOp::MaxPool { input, .. } => {
                Self::Among(vec![input.0], None)
            }
            FloatOp::Gather { input, .. } => Self::Among(vec![input.0], None),
            FloatOp::Reindex { input, map, fill } => Self::Among(vec![input.0], map.contains(&None).then_some(*fill)),
            FloatOp::Concat { inputs, .. } => Self::Among(inputs.iter().map(|input| input.0).collect(), None),
            FloatOp::Select { then, otherwise, .. } => Self::Among(vec![then.0, otherwise.0], None),
            FloatOp::Unary { input, function } => Self::Unary(*function, input.0),
            FloatOp::Binary { function, operands } => Self::Binary(*function, operands.map(|operand| operand.0)),
            FloatOp::Reduce { input, kind: ReduceKind::Sum, .. } => {
                Self::Sum(input.0, count(input.0) / elements.max(1))
            }
            FloatOp::Reduce { input, kind: ReduceKind::Max | ReduceKind::Min | ReduceKind::Mean, .. } => {
                Self::Among(vec![input.0], None)
            }
            // Weights are not read where nothing is known of what they multiply.
            FloatOp::MatMul(a, b) if is_integer => {
                Self::Products([a.0, b.0], shape_of(a.0).last().copied().unwrap_or(1), None)
            }
            FloatOp::Conv { input, weights, bias, .. } if is_integer => {
                let of_weights = shape_of(weights.0);
                let taps = of_weights[1..].iter().product();
                Self::Products([input.0, weights.0], taps, bias.map(|bias| bias.0))
            }
            FloatOp::ArgExtremum { input, axis, .. } => Self::Within(Bounds::below(shape_of(input.0)[*axis])),
            FloatOp::TopIndices { input, .. } => {
                Self::Within(Bounds::below(shape_of(input.0).last().copied().unwrap_or(1)))
            }
            FloatOp::Softmax { .. } | FloatOp::MaskedSoftmax { .. } | FloatOp::GatedSoftmax { .. } => {
                Self::Within(Bounds { lo: 0.0, hi: 1.0 })
            }
            _ => Self::Within(Bounds::UNKNOWN),
        }
    }

    /// The operands, as they are named in it.
    pub(crate) fn operands_mut(&mut self) -> Vec<&mut usize> {
        match self {
            Self::Input(_) | Self::Within(_) => vec![],
            Self::Among(operands, _) => operands.iter_mut().collect(),
            Self::Unary(_, operand) | Self::Sum(operand, _) => vec![operand],
            Self::Binary(_, operands) => operands.iter_mut().collect(),
            Self::Products(operands, _, more) => operands.iter_mut().chain(more).collect(),
        }
    }

    fn bounds(&self, known: &[Bounds], input: &impl Fn(usize) -> Bounds) -> Bounds {
        match *self {
            Self::Input(number) => input(number),
            Self::Within(bounds) => bounds,
            Self::Among(ref operands, more) => {
                let more = more.map(|number| Bounds { lo: number, hi: number });
                operands
                    .iter()
                    .map(|&operand| known[operand])
                    .chain(more)
                    .reduce(Bounds::union)
                    .unwrap_or(Bounds::UNKNOWN)
            }
            Self::Unary(function, operand) => unary(function, known[operand]),
            Self::Binary(function, operands) => binary(function, operands.map(|operand| known[operand])),
            Self::Sum(operand, count) => known[operand].sum_of(count),
            Self::Products([a, b], count, more) => {
                // Padding adds fewer of them.
                let sum = known[a].times(known[b]).union(Bounds { lo: 0.0, hi: 0.0 }).sum_of(count);
                more.map_or(sum, |more| sum.plus(known[more]))
            }
        }
    }
}

impl TypedIntegers {
    /// The steps, each after its operands.
    pub(crate) fn new(steps: Vec<Step>) -> Self {
        Self { steps }
    }

    /// The first result that may leave its type where each input of the model is within these bounds.
    pub(crate) fn beyond(&self, input: impl Fn(usize) -> Bounds) -> Option<Beyond> {
        let mut known: Vec<Bounds> = Vec::with_capacity(self.steps.len());
        for Step { rule, held, judged } in &self.steps {
            let mut bounds = rule.bounds(&known, &input);
            if let Some((node, data_type, ends)) = judged {
                if bounds.is_known() && !bounds.lies_in(*ends) {
                    return Some(Beyond { node: node.clone(), data_type, lo: bounds.lo, hi: bounds.hi });
                }
            }
            if let Some(ends) = held {
                bounds = bounds.held_to(*ends);
            }
            known.push(bounds);
        }
        None
    }
}

impl Bounds {
    const UNKNOWN: Self = Self { lo: f64::NEG_INFINITY, hi: f64::INFINITY };

    /// Of numbers; unknown where one is none.
    fn of(numbers: impl Iterator<Item = f64>) -> Self {
        let ends = |found: Option<Self>, number: f64| {
            let own = Self::new(number, number);
            Some(found.map_or(own, |found| found.union(own)))
        };
        numbers.fold(None, ends).unwrap_or(Self::UNKNOWN)
    }

    /// Of positions among so many.
    fn below(count: usize) -> Self {
        Self { lo: 0.0, hi: count.saturating_sub(1) as f64 }
    }

    fn new(lo: f64, hi: f64) -> Self {
        match lo <= hi {
            true => Self { lo, hi },
            // What is not a number bounds nothing.
            false => Self::UNKNOWN,
        }
    }

    fn is_known(self) -> bool {
        self.lo.is_finite() && self.hi.is_finite()
    }

    fn lies_in(self, ends: Self) -> bool {
        // The ends of 64 bits are held as ±2^63, of which one is none.
        ends.lo <= self.lo && self.hi <= ends.hi && self.hi < crate::dtype::UNBOUNDED
    }

    /// What is left within the ends of a type that the values are known to have.
    fn held_to(self, ends: Self) -> Self {
        let (lo, hi) = (self.lo.max(ends.lo), self.hi.min(ends.hi));
        if lo <= hi {
            Self { lo, hi }
        } else {
            ends
        }
    }

    fn union(self, other: Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    fn plus(self, other: Self) -> Self {
        Self::new(self.lo + other.lo, self.hi + other.hi)
    }

    fn times(self, other: Self) -> Self {
        let [a, b] = [self, other].map(|bounds| [bounds.lo, bounds.hi]);
        let products = a.into_iter().flat_map(|a| b.map(|b| a * b));
        Self::of(products)
    }

    fn sum_of(self, count: usize) -> Self {
        Self::new(self.lo * count as f64, self.hi * count as f64)
    }

    fn magnitude(self) -> f64 {
        self.lo.abs().max(self.hi.abs())
    }
}

fn unary(function: UnaryFunction, of: Bounds) -> Bounds {
    use UnaryFunction as F;
    match function {
        F::Sin | F::Cos => Bounds { lo: -1.0, hi: 1.0 },
        F::IsNan | F::IsInfinite { .. } => Bounds { lo: 0.0, hi: 1.0 },
        F::Abs if of.lo < 0.0 && of.hi > 0.0 => Bounds { lo: 0.0, hi: of.magnitude() },
        F::Remainder { divisor, truncated } => remainder(of, divisor.abs(), !truncated && divisor < 0.0, truncated),
        // Monotone in what they are asked about.
        F::Relu
        | F::Abs
        | F::Neg
        | F::Floor
        | F::Ceil
        | F::Round
        | F::Sign
        | F::Clip { .. }
        | F::Affine { .. }
        | F::Quotient(_)
        | F::Sigmoid
        | F::Tanh
        | F::Erf
        | F::Exp
        | F::Sqrt
        | F::HardSigmoid { .. } => {
            let [a, b] = [of.lo, of.hi].map(|end| function.evaluate(end));
            if a.is_nan() || b.is_nan() {
                return Bounds::UNKNOWN;
            }
            Bounds { lo: a.min(b), hi: a.max(b) }
        }
        _ => Bounds::UNKNOWN,
    }
}

/// What division leaves: below a magnitude, with the sign of the dividend or with one that is known.
fn remainder(dividend: Bounds, most: f64, negative: bool, truncated: bool) -> Bounds {
    match truncated {
        true => Bounds {
            lo: if dividend.lo < 0.0 { dividend.lo.max(-most) } else { 0.0 },
            hi: if dividend.hi > 0.0 { dividend.hi.min(most) } else { 0.0 },
        },
        false if negative => Bounds { lo: -most, hi: 0.0 },
        false => Bounds { lo: 0.0, hi: most },
    }
}

fn binary(function: BinaryFunction, [a, b]: [Bounds; 2]) -> Bounds {
    use BinaryFunction as F;
    match function {
        F::Add => a.plus(b),
        F::Sub => a.plus(Bounds { lo: -b.hi, hi: -b.lo }),
        F::Mul => a.times(b),
        F::Max => Bounds { lo: a.lo.max(b.lo), hi: a.hi.max(b.hi) },
        F::Min => Bounds { lo: a.lo.min(b.lo), hi: a.hi.min(b.hi) },
        // A divisor is 1 at least in magnitude.
        F::Quotient if a.lo >= 0.0 && b.lo >= 0.0 => Bounds { lo: 0.0, hi: a.hi },
        F::Quotient if b.lo >= 0.0 => Bounds { lo: a.lo.min(0.0), hi: a.hi.max(0.0) },
        F::Quotient => Bounds { lo: -a.magnitude(), hi: a.magnitude() },
        F::Remainder => remainder(a, b.magnitude(), false, true),
        F::Equal | F::Less | F::LessOrEqual => Bounds { lo: 0.0, hi: 1.0 },
        F::BitAnd if a.lo >= 0.0 && b.lo >= 0.0 => Bounds { lo: 0.0, hi: a.hi.min(b.hi) },
        F::BitAnd if a.lo >= 0.0 || b.lo >= 0.0 => Bounds { lo: 0.0, hi: if a.lo >= 0.0 { a.hi } else { b.hi } },
        F::Pow if a.lo >= 1.0 && b.lo >= 0.0 => Bounds::new(a.lo.powf(b.lo), a.hi.powf(b.hi)),
        _ => Bounds::UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(rule: Rule) -> Step {
        let ends = Bounds { lo: -2_147_483_648.0, hi: 2_147_483_647.0 };
        Step { rule, held: None, judged: Some(("n".into(), "int32", ends)) }
    }

    fn plain(rule: Rule) -> Step {
        Step { rule, held: None, judged: None }
    }

    fn constant(number: f64) -> Step {
        plain(Rule::Within(Bounds { lo: number, hi: number }))
    }

    /// Whether a function of an input in `[lo, hi]` and of a constant may leave int32.
    fn leaves(function: BinaryFunction, [lo, hi]: [f64; 2], number: f64) -> bool {
        let steps = vec![plain(Rule::Input(0)), constant(number), judged(Rule::Binary(function, [0, 1]))];
        TypedIntegers::new(steps).beyond(|_| Bounds { lo, hi }).is_some()
    }

    #[test]
    fn an_operator_is_judged_at_the_very_ends() {
        const MOST: f64 = 2_147_483_647.0;
        for (function, range, number, expected) in [
            (BinaryFunction::Add, [0.0, MOST - 1.0], 1.0, false),
            (BinaryFunction::Add, [0.0, MOST], 1.0, true),
            (BinaryFunction::Sub, [-MOST, 0.0], 1.0, false),
            (BinaryFunction::Sub, [-MOST - 1.0, 0.0], 1.0, true),
            (BinaryFunction::Mul, [-46_340.0, 46_340.0], 46_341.0, false),
            (BinaryFunction::Mul, [-46_341.0, 46_341.0], 46_341.0, true),
            (BinaryFunction::Quotient, [-MOST - 1.0, 0.0], 1.0, false),
            (BinaryFunction::Quotient, [-MOST - 1.0, 0.0], -1.0, true),
            (BinaryFunction::Remainder, [-MOST - 1.0, MOST], 7.0, false),
            (BinaryFunction::Max, [0.0, MOST], 7.0, false),
            (BinaryFunction::BitAnd, [-MOST - 1.0, MOST], 7.0, false),
        ] {
            assert_eq!(leaves(function, range, number), expected, "{function:?} {range:?} {number}");
        }
    }

    #[test]
    fn sums_count_and_what_is_held_to_a_type_is_within_it() {
        let sum = |count| TypedIntegers::new(vec![plain(Rule::Input(0)), judged(Rule::Sum(0, count))]);
        let bytes = |_| Bounds { lo: 0.0, hi: 255.0 };
        assert_eq!(sum(8_421_504).beyond(bytes), None);
        assert!(sum(8_421_505).beyond(bytes).is_some_and(|beyond| beyond.hi == 2_147_483_775.0));
        let products = |count| {
            let weights = plain(Rule::Within(Bounds { lo: -128.0, hi: 127.0 }));
            TypedIntegers::new(vec![plain(Rule::Input(0)), weights, judged(Rule::Products([0, 1], count, None))])
        };
        assert_eq!((products(65_793).beyond(bytes), products(65_794).beyond(bytes).is_some()), (None, true));
        // What nothing is known of is not judged, and known again where a type holds it.
        let held = Bounds { lo: -128.0, hi: 127.0 };
        let steps = |factor: f64| {
            let unknown = plain(Rule::Within(Bounds::UNKNOWN));
            let byte = Step { held: Some(held), ..unknown.clone() };
            let product = |of| judged(Rule::Binary(BinaryFunction::Mul, [of, 2]));
            TypedIntegers::new(vec![unknown, byte, constant(factor), product(0), product(1)])
        };
        assert_eq!((steps(1e6).beyond(bytes), steps(1e8).beyond(bytes).is_some()), (None, true));
    }

    #[test]
    fn functions_of_one_value_are_bounded() {
        let of = Bounds { lo: -5.0, hi: 3.0 };
        for (function, [lo, hi]) in [
            (UnaryFunction::Relu, [0.0, 3.0]),
            (UnaryFunction::Abs, [0.0, 5.0]),
            (UnaryFunction::Neg, [-3.0, 5.0]),
            (UnaryFunction::Quotient(-2.0), [-1.0, 2.0]),
            (UnaryFunction::Affine { factor: -2.0, offset: 1.0 }, [-5.0, 11.0]),
            (UnaryFunction::Clip { lo: -1.0, hi: 1.0 }, [-1.0, 1.0]),
            (UnaryFunction::Remainder { divisor: 4.0, truncated: true }, [-4.0, 3.0]),
            (UnaryFunction::Remainder { divisor: 4.0, truncated: false }, [0.0, 4.0]),
            (UnaryFunction::Remainder { divisor: -4.0, truncated: false }, [-4.0, 0.0]),
        ] {
            assert_eq!(unary(function, of), Bounds { lo, hi }, "{function:?}");
        }
        assert_eq!(unary(UnaryFunction::Clip { lo: 0.0, hi: 9.0 }, Bounds::UNKNOWN), Bounds { lo: 0.0, hi: 9.0 });
        assert_eq!(unary(UnaryFunction::Sqrt, of), Bounds::UNKNOWN);
        assert_eq!(unary(UnaryFunction::Log, of), Bounds::UNKNOWN);
    }
}
