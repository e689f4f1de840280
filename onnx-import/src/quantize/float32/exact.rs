//! Emits the integer program, node by node.

use std::collections::BTreeMap;
use std::sync::Arc;

use circuits::graph::{ConvGeometry, Node, Op, Requantize, Table, TableId, TensorId, ViewElement};

use super::{thresholds, Seen, ABOVE, LEAST_ROOM, SCALE_BITS, SIGNIFICANT, VALUE_BITS};
use crate::float::float32::{Float32Graph, Float32Id, Float32Node, Float32Op, LARGEST};
use crate::float::graph::{Element, FloatGraph, Window};
use crate::quantize::calibrate::{Calibration, InputStatistics};
use crate::quantize::plan::element;

/// Largest magnitude of factors and constants of the integer program.
const MAX_FACTOR_BITS: u32 = 48;
/// Bits of the lower part of constants that are larger.
const LOWER_BITS: u32 = 30;
/// Bits of an exact product of a sum and its scale, which leave room for a bias and for the difference of two results.
const PRODUCT_BITS: u32 = VALUE_BITS - 2;
/// Most bits that integers are made larger by before they are divided or compared.
const MAX_LIFT: i32 = 15;
/// Bits of a quotient behind those of its float32 number: what is left of it, and one for ties.
const SPARE_BITS: u32 = 2;
/// Fewest bits of a tensor's largest number when it is quantized.
const LEAST_BITS: u32 = 30;
/// Bits of an input, without those by which it may exceed the samples.
const INPUT_BITS: i32 = 39;
/// Integers up to `2^24` are float32 numbers.
const EXACT_INTEGER: i128 = 1 << SIGNIFICANT;

/// What emission hands back.
pub(super) struct Emitted {
    pub nodes: Vec<Node>,
    pub tables: Vec<Table>,
    /// Tensor and exponent of each input of the model that is read.
    pub inputs: BTreeMap<usize, (TensorId, i32)>,
    /// By how many powers of two scales may be smaller than those of the samples without loss.
    pub room: f64,
}

pub(super) type Result<T> = std::result::Result<T, String>;

/// Numbers in units of `2^−exponent`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    pub tensor: TensorId,
    pub exponent: i32,
    pub lo: i128,
    pub hi: i128,
    /// Whether it is the positive part that is meant: a Relu that whoever reads it may not need.
    pub positive: bool,
}

impl Numbers {
    pub(super) fn magnitude(&self) -> i128 {
        self.hi.max(-self.lo)
    }
}

/// Scales times those of weights, in parts of one unit each.
#[derive(Clone, Debug)]
struct Scales {
    parts: Vec<Numbers>,
    /// Part and index of each element.
    map: Vec<ViewElement>,
    /// The smallest one that calibration saw.
    least_seen: f64,
}

/// Quantized integers, less their zero point where that is present.
#[derive(Clone, Debug)]
struct Integers {
    tensor: TensorId,
    zero: Option<TensorId>,
    present: Vec<bool>,
}

#[derive(Clone, Debug)]
enum Held {
    Numbers(Numbers),
    Scales(Scales),
    Integers(Integers),
    Constant(Arc<[f32]>),
    /// What is not held, or depends on such.
    Nothing,
}

/// What dynamic quantization of a tensor gives.
#[derive(Clone, Debug)]
struct Dynamic {
    scale: Numbers,
    least_seen: f64,
    integers: Integers,
}

/// Emits what can be held of all nodes, and says of the first ones that can't why not.
///
/// # Errors
/// No input can be held.
pub(super) fn emit<'a>(
    graph: &FloatGraph,
    float32: &'a Float32Graph,
    calibration: &Calibration,
    seen: &'a [Option<Seen>],
) -> Result<(Emitter<'a>, Vec<String>)> {
    let out = Emitted { nodes: vec![], tables: vec![], inputs: BTreeMap::new(), room: f64::INFINITY };
    let (held, dynamic) = (Vec::with_capacity(float32.nodes.len()), BTreeMap::new());
    let mut emitter = Emitter { float32, seen, label: String::new(), out, held, dynamic, unit: TensorId(0) };
    let mut reasons = Vec::new();
    for node in &float32.nodes {
        if let Float32Op::Input(number) = node.op {
            let port = &graph.inputs[number];
            emitter.label.clone_from(&port.name);
            let statistics = &calibration.inputs[number];
            let refused = match graph.node(port.value).element {
                Element::Real => emitter.input(number, node.elements, statistics, &samples_of(calibration, number)),
                _ => emitter.integer_input(number, node.elements, port.range, statistics),
            };
            let refused = refused.err();
            reasons.extend(refused);
        }
    }
    let Some(&(first, _)) = emitter.out.inputs.values().next() else {
        return Err(reasons.into_iter().next().unwrap_or_else(|| "no input is read".into()));
    };
    emitter.unit = emitter.view(first, vec![element(0)]);
    for (id, node) in float32.nodes.iter().enumerate() {
        emitter.label.clone_from(&node.label);
        let follows = node.op.operands().iter().all(|&operand| emitter.is_held(operand));
        let held = if follows { emitter.node(id, node) } else { Ok(Held::Nothing) };
        emitter.held.push(held.unwrap_or_else(|what| {
            reasons.push(format!("node {:?}: {what}", node.label));
            Held::Nothing
        }));
    }
    Ok((emitter, reasons))
}

/// The elements of an input in all samples.
fn samples_of(calibration: &Calibration, number: usize) -> Vec<f64> {
    calibration.samples.iter().flat_map(|inputs| inputs[number].data.iter().copied()).collect()
}

/// The program while it is emitted.
pub(super) struct Emitter<'a> {
    float32: &'a Float32Graph,
    seen: &'a [Option<Seen>],
    label: String,
    pub(super) out: Emitted,
    held: Vec<Held>,
    /// By the value that was quantized.
    dynamic: BTreeMap<Float32Id, Dynamic>,
    /// A tensor of one element, for constants to be made from.
    unit: TensorId,
}

/// Bits of a magnitude.
pub(super) fn bits(magnitude: i128) -> u32 {
    i128::BITS - magnitude.leading_zeros()
}

/// Refuses what is too large for an exact program.
fn fits(magnitude: i128) -> Result<()> {
    match bits(magnitude) <= VALUE_BITS {
        true => Ok(()),
        false => Err("the exact numbers take too many bits: values reach too far, or have bits too far down".into()),
    }
}

/// An integer rounded to the significant bits of float32, ties to even.
fn significant(integer: i128) -> i128 {
    let shift = bits(integer.abs()).saturating_sub(SIGNIFICANT);
    let unit = 1i128 << shift;
    let (quotient, rest) = (integer.div_euclid(unit), integer.rem_euclid(unit));
    let up = 2 * rest > unit || (2 * rest == unit && quotient % 2 != 0);
    (quotient + i128::from(up)) * unit
}

/// A finite float32 number as `integer·2^−exponent` with an odd integer; zero for zero.
pub(super) fn decompose(number: f32) -> (i64, i32) {
    if number == 0.0 {
        return (0, 0);
    }
    let stored = number.to_bits();
    let (field, fraction) = ((stored >> 23 & 0xff) as i32, i64::from(stored & 0x7f_ffff));
    let (magnitude, exponent) = if field == 0 { (fraction, 149) } else { (fraction | 1 << 23, 150 - field) };
    let zeros = magnitude.trailing_zeros();
    let odd = magnitude >> zeros;
    (if number < 0.0 { -odd } else { odd }, exponent - zeros as i32)
}

/// Finite numbers as integers of at most `most_bits` bits in their coarsest common unit, `2^−exponent`.
///
/// # Errors
/// Numbers that lie too far apart.
pub(super) fn in_one_unit(values: &[f32], most_bits: u32) -> Result<(Vec<i64>, i32)> {
    let parts: Vec<(i64, i32)> = values.iter().map(|&value| decompose(value)).collect();
    let exponent = parts.iter().filter(|(odd, _)| *odd != 0).map(|(_, exponent)| *exponent).max().unwrap_or(0);
    let integer = |&(odd, own): &(i64, i32)| match u32::try_from(exponent - own) {
        _ if odd == 0 => Ok(0),
        Ok(shift) if bits(odd.unsigned_abs().into()) + shift <= most_bits => Ok(odd << shift),
        _ => Err("constants lie too far apart".to_owned()),
    };
    Ok((parts.iter().map(integer).collect::<Result<_>>()?, exponent))
}

impl Emitter<'_> {
    /// Refuses units that cut bits off scales of so many powers of two below those of the samples.
    fn check_room(&mut self, room: f64, refusal: &str) -> Result<()> {
        if room < LEAST_ROOM {
            return Err(refusal.to_owned());
        }
        self.out.room = self.out.room.min(room);
        Ok(())
    }

    fn is_held(&self, id: Float32Id) -> bool {
        !matches!(self.held[id], Held::Nothing)
    }

    /// Whether a node is held as numbers.
    pub(super) fn has_numbers(&self, id: Float32Id) -> bool {
        matches!(self.held[id], Held::Numbers(_) | Held::Constant(_))
    }

    /// The numbers of a node, as it is named.
    ///
    /// # Errors
    /// It has none, or constants that lie too far apart.
    pub(super) fn joint(&mut self, id: Float32Id) -> Result<Numbers> {
        self.label.clone_from(&self.float32.nodes[id].label);
        self.plain(id)
    }
}

// Tensors and operators.
impl Emitter<'_> {
    fn push(&mut self, op: Op, shape: Vec<usize>) -> TensorId {
        self.out.nodes.push(Node { name: self.label.clone(), op, shape, scale: 1.0 });
        TensorId((self.out.nodes.len() - 1) as u32)
    }

    pub(super) fn elements(&self, tensor: TensorId) -> usize {
        self.out.nodes[tensor.0 as usize].elements()
    }

    pub(super) fn view(&mut self, source: TensorId, map: Vec<ViewElement>) -> TensorId {
        let shape = vec![map.len()];
        self.view_as(&[source], map, shape)
    }

    pub(super) fn view_as(&mut self, sources: &[TensorId], map: Vec<ViewElement>, shape: Vec<usize>) -> TensorId {
        if let [only] = *sources {
            let own = &self.out.nodes[only.0 as usize];
            let same = own.elements() == map.len() && map.iter().enumerate().all(|(i, &e)| e == element(i));
            if same && own.shape == shape {
                return only;
            }
        }
        self.push(Op::View { sources: sources.to_vec(), map: map.into() }, shape)
    }

    /// The same elements in another shape.
    pub(super) fn reshaped(&mut self, tensor: TensorId, shape: Vec<usize>) -> TensorId {
        let map = (0..self.elements(tensor)).map(element).collect();
        self.view_as(&[tensor], map, shape)
    }

    /// A tensor of one element, repeated.
    fn repeated(&mut self, tensor: TensorId, count: usize) -> TensorId {
        self.view(tensor, vec![element(0); count])
    }

    pub(super) fn affine(&mut self, operands: [TensorId; 2], factors: [i64; 2], constant: i64) -> TensorId {
        let shape = vec![self.elements(operands[0])];
        self.push(Op::Affine { operands, factors, constant, requantize: None }, shape)
    }

    /// `factor·x + constant`.
    pub(super) fn line(&mut self, tensor: TensorId, factor: i64, constant: i64) -> TensorId {
        self.affine([tensor, tensor], [factor, 0], constant)
    }

    /// `2^shift·x`.
    pub(super) fn lifted(&mut self, tensor: TensorId, shift: i32) -> Result<TensorId> {
        const MOST: i32 = MAX_FACTOR_BITS as i32 - 1;
        match shift {
            0 => Ok(tensor),
            1..=MOST => Ok(self.line(tensor, 1 << shift, 0)),
            _ if (MOST..VALUE_BITS as i32).contains(&shift) => {
                let tensor = self.line(tensor, 1 << MOST, 0);
                self.lifted(tensor, shift - MOST)
            }
            _ => Err("its operands have units too far apart".into()),
        }
    }

    fn rounded(&mut self, tensor: TensorId) -> TensorId {
        let shape = vec![self.elements(tensor)];
        self.push(Op::RoundSignificant { input: tensor, bits: SIGNIFICANT }, shape)
    }

    pub(super) fn quotient(&mut self, a: TensorId, b: TensorId) -> TensorId {
        let shape = vec![self.elements(a)];
        self.push(Op::Quotient { operands: [a, b] }, shape)
    }

    /// Constant integers of at most [`VALUE_BITS`] bits.
    pub(super) fn integers(&mut self, values: &[i64]) -> TensorId {
        let mut distinct: Vec<i64> = values.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let tensor = self.distinct_integers(&distinct);
        let place = |value: &i64| element(distinct.binary_search(value).expect("it is one of them"));
        self.view(tensor, values.iter().map(place).collect())
    }

    fn distinct_integers(&mut self, values: &[i64]) -> TensorId {
        let is_small = |value: &i64| value.unsigned_abs() < 1 << MAX_FACTOR_BITS;
        if !values.iter().all(is_small) {
            let upper: Vec<i64> = values.iter().map(|value| value >> LOWER_BITS).collect();
            let lower: Vec<i64> = values.iter().map(|value| value & ((1 << LOWER_BITS) - 1)).collect();
            let parts = [self.integers(&upper), self.integers(&lower)];
            return self.affine(parts, [1 << LOWER_BITS, 1], 0);
        }
        if let [only] = *values {
            return self.line(self.unit, 0, only);
        }
        let count = values.len();
        let input = self.view_as(&[self.unit], vec![element(0)], vec![1, 1, 1]);
        let op = Op::Conv {
            input,
            geometry: ConvGeometry::POINTWISE,
            weights: vec![0; count].into(),
            bias: values.into(),
            requantize: None,
        };
        let tensor = self.push(op, vec![count, 1, 1]);
        self.view(tensor, (0..count).map(element).collect())
    }

    /// The larger of each element and that of another tensor.
    fn larger(&mut self, a: TensorId, b: TensorId) -> TensorId {
        let count = self.elements(a);
        let of = |source, index: usize| ViewElement::Element { source, index: index as u32 };
        let pairs = self.view_as(&[a, b], (0..count).flat_map(|i| [of(0, i), of(1, i)]).collect(), vec![count, 2]);
        self.push(Op::Max { input: pairs }, vec![count])
    }

    /// The product of each element and that of another tensor.
    pub(super) fn product_of(&mut self, operands: [TensorId; 2]) -> TensorId {
        let shape = vec![self.elements(operands[0])];
        self.push(Op::Product { operands, requantize: None }, shape)
    }

    /// The smaller of each element and an integer.
    pub(super) fn at_most(&mut self, tensor: TensorId, bound: i64) -> TensorId {
        self.at_most_each(tensor, &vec![bound; self.elements(tensor)])
    }

    /// The smaller of each element and its integer.
    pub(super) fn at_most_each(&mut self, tensor: TensorId, bounds: &[i64]) -> TensorId {
        let negative = self.line(tensor, -1, 0);
        let bounds: Vec<i64> = bounds.iter().map(|bound| -bound).collect();
        let bounds = self.integers(&bounds);
        let larger = self.larger(negative, bounds);
        self.line(larger, -1, 0)
    }

    /// The larger of each element and an integer.
    pub(super) fn at_least(&mut self, tensor: TensorId, bound: i64) -> TensorId {
        let bounds = self.integers(&vec![bound; self.elements(tensor)]);
        self.larger(tensor, bounds)
    }

    /// The largest element of a tensor, or zero.
    fn largest(&mut self, tensor: TensorId) -> TensorId {
        let count = self.elements(tensor);
        let map = (0..count).map(element).chain([ViewElement::Zero]).collect();
        let input = self.view_as(&[tensor], map, vec![1, count + 1]);
        self.push(Op::Max { input }, vec![1])
    }

    /// With a Relu that is still due.
    pub(super) fn settled(&mut self, numbers: Numbers) -> Numbers {
        if !numbers.positive {
            return numbers;
        }
        let count = self.elements(numbers.tensor);
        let map = (0..count).flat_map(|i| [element(i), ViewElement::Zero]).collect();
        let input = self.view_as(&[numbers.tensor], map, vec![count, 2]);
        let tensor = self.push(Op::Max { input }, vec![count]);
        Numbers { tensor, lo: 0, hi: numbers.hi.max(0), positive: false, ..numbers }
    }

    /// Numbers in a finer unit.
    pub(super) fn in_unit(&mut self, numbers: Numbers, exponent: i32) -> Result<Numbers> {
        let shift = exponent - numbers.exponent;
        fits(numbers.magnitude() << shift.clamp(0, VALUE_BITS as i32))?;
        let tensor = self.lifted(numbers.tensor, shift)?;
        Ok(Numbers { tensor, exponent, lo: numbers.lo << shift, hi: numbers.hi << shift, ..numbers })
    }
}

// Nodes.
impl Emitter<'_> {
    /// An input: as it is on a grid of powers of two that all samples lie on, or with as many bits behind the point as there is room for.
    fn input(&mut self, number: usize, elements: usize, statistics: &InputStatistics, samples: &[f64]) -> Result<()> {
        let (lo, hi) = (statistics.reach.lo.min(statistics.range.lo), statistics.reach.hi.max(statistics.range.hi));
        let most = lo.abs().max(hi.abs());
        if !(most.is_finite() && most > 0.0) || statistics.nullable {
            return Err(format!("input {:?} has no finite range, or missing values", self.label));
        }
        let finest = INPUT_BITS - 1 - most.log2().ceil() as i32;
        let multiples = |&exponent: &i32| samples.iter().all(|v| (v * f64::from(exponent).exp2()).fract() == 0.0);
        let grid = statistics.grid.filter(|grid| grid.log2().fract() == 0.0).map(|grid| -grid.log2() as i32);
        let exponent = grid.filter(|&grid| grid < finest).filter(multiples).unwrap_or(finest);
        if !(-100..=100).contains(&exponent) {
            return Err(format!("input {:?} has magnitudes beyond what is followed", self.label));
        }
        // As far beyond the samples as scales may be, with a sign if samples have one.
        let reach = (most * ABOVE * f64::from(exponent).exp2()).ceil() as i64;
        let op = Op::Input { lo: if lo < 0.0 { -reach } else { 0 }, hi: if hi > 0.0 { reach } else { 0 } };
        let tensor = self.push(op, vec![elements]);
        self.out.inputs.insert(number, (tensor, exponent));
        Ok(())
    }

    /// An input of integers, which float32 holds all of.
    fn integer_input(
        &mut self,
        number: usize,
        elements: usize,
        range: Option<(i64, i64)>,
        statistics: &InputStatistics,
    ) -> Result<()> {
        let presumed = statistics.integers();
        let (lo, hi) = range.unwrap_or((presumed.lo as i64, presumed.hi as i64));
        if i128::from(lo.unsigned_abs().max(hi.unsigned_abs())) > EXACT_INTEGER {
            return Err(format!("input {:?} has integers that float32 rounds", self.label));
        }
        let tensor = self.push(Op::Input { lo, hi }, vec![elements]);
        self.out.inputs.insert(number, (tensor, 0));
        Ok(())
    }

    /// The numbers of an input of the model that is read.
    pub(super) fn input_numbers(&self, number: usize) -> Option<Numbers> {
        let &(tensor, exponent) = self.out.inputs.get(&number)?;
        let Op::Input { lo, hi } = self.out.nodes[tensor.0 as usize].op else {
            unreachable!("ports of inputs name input nodes")
        };
        Some(Numbers { tensor, exponent, lo: lo.into(), hi: hi.into(), positive: false })
    }

    fn node(&mut self, id: Float32Id, node: &Float32Node) -> Result<Held> {
        Ok(match &node.op {
            &Float32Op::Input(number) => self.input_numbers(number).map_or(Held::Nothing, Held::Numbers),
            Float32Op::Constant(values) => Held::Constant(values.clone()),
            Float32Op::View { sources, map } => self.viewed(sources, map)?,
            &Float32Op::Centered(input) => Held::Integers(self.dynamic(input)?.integers),
            &Float32Op::Scale(input) => {
                let Dynamic { scale, least_seen, .. } = self.dynamic(input)?;
                Held::Scales(Scales { parts: vec![scale], map: vec![element(0)], least_seen })
            }
            Float32Op::Convolution { input, shape, weights, outputs, window, groups } => {
                let Held::Integers(integers) = self.held[*input].clone() else {
                    unreachable!("products read integers")
                };
                Held::Numbers(self.convolution(integers, *shape, weights, *outputs, window, *groups))
            }
            &Float32Op::Float(input) => {
                let sums = self.sums(input)?;
                if sums.magnitude() <= EXACT_INTEGER {
                    return Ok(Held::Numbers(sums));
                }
                fits(sums.magnitude() * 2)?;
                Held::Numbers(self.rounded_numbers(sums))
            }
            &Float32Op::Sum { operands, subtracts } => self.sum(operands, subtracts)?,
            &Float32Op::Product(operands) => self.product(id, operands)?,
            &Float32Op::Relu(input) => {
                let numbers = self.numbers(input)?;
                Held::Numbers(Numbers { positive: numbers.lo < 0, ..numbers })
            }
            &Float32Op::Clip { input, lo, hi } => Held::Numbers(self.clipped(input, lo, hi)?),
            &Float32Op::Quotient([a, b]) => {
                let (numbers, divisors) = (self.numbers(a)?, self.constants(b)?);
                Held::Numbers(self.over(numbers, &divisors)?)
            }
            &Float32Op::Leaky([a, b]) => {
                let (numbers, slopes) = (self.numbers(a)?, self.constants(b)?);
                Held::Numbers(self.leaky(numbers, &slopes)?)
            }
            &Float32Op::Negated(input) => {
                let numbers = self.plain(input)?;
                let tensor = self.line(numbers.tensor, -1, 0);
                Held::Numbers(Numbers { tensor, lo: -numbers.hi, hi: -numbers.lo, ..numbers })
            }
            &Float32Op::Magnitude(input) => {
                let numbers = self.plain(input)?;
                let negative = self.line(numbers.tensor, -1, 0);
                let tensor = self.larger(numbers.tensor, negative);
                Held::Numbers(Numbers { tensor, lo: 0, hi: numbers.magnitude(), ..numbers })
            }
            Float32Op::Largest { input, windows, size } => {
                let numbers = self.sums(*input)?;
                let map = windows.iter().map(|&index| element(index as usize)).collect();
                let count = windows.len() / size;
                let input = self.view_as(&[numbers.tensor], map, vec![count, *size]);
                let tensor = self.push(Op::Max { input }, vec![count]);
                Held::Numbers(Numbers { tensor, ..numbers })
            }
        })
    }

    /// The numbers of a node; constants become some.
    fn numbers(&mut self, id: Float32Id) -> Result<Numbers> {
        match self.held[id].clone() {
            Held::Numbers(numbers) => Ok(numbers),
            Held::Constant(values) => self.constant(&values),
            Held::Nothing => Err("it is not held".into()),
            Held::Scales(_) | Held::Integers(_) => {
                Err("a scale of dynamic quantization is read other than by a product".into())
            }
        }
    }

    /// The numbers of a node, those of quantized integers less their zero point.
    fn sums(&mut self, id: Float32Id) -> Result<Numbers> {
        match self.held[id].clone() {
            Held::Integers(integers) => Ok(self.centered_numbers(&integers)),
            _ => self.numbers(id),
        }
    }

    /// The numbers of a node, a Relu done.
    fn plain(&mut self, id: Float32Id) -> Result<Numbers> {
        let numbers = self.numbers(id)?;
        Ok(self.settled(numbers))
    }

    /// Constants in the coarsest unit that holds all of them.
    fn constant(&mut self, values: &[f32]) -> Result<Numbers> {
        let (integers, exponent) = in_one_unit(values, VALUE_BITS)?;
        self.constant_integers(&integers, exponent)
    }

    fn constant_integers(&mut self, integers: &[i64], exponent: i32) -> Result<Numbers> {
        let (lo, hi) = integers.iter().fold((0, 0), |(lo, hi), &v| (v.min(lo), v.max(hi)));
        let tensor = self.integers(integers);
        Ok(Numbers { tensor, exponent, lo: lo.into(), hi: hi.into(), positive: false })
    }

    pub(super) fn rounded_numbers(&mut self, numbers: Numbers) -> Numbers {
        let [lo, hi] = [numbers.lo, numbers.hi].map(significant);
        Numbers { tensor: self.rounded(numbers.tensor), lo, hi, ..numbers }
    }

    fn viewed(&mut self, sources: &[Float32Id], map: &[ViewElement]) -> Result<Held> {
        if let [source] = *sources {
            match self.held[source].clone() {
                Held::Constant(values) => {
                    let value = |e: &ViewElement| index_of(e).map_or(0.0, |index| values[index]);
                    return Ok(Held::Constant(map.iter().map(value).collect()));
                }
                Held::Scales(scales) => {
                    let place = |e: &ViewElement| index_of(e).map(|index| scales.map[index]);
                    let map = map.iter().map(place).collect::<Option<_>>().ok_or("padded scales")?;
                    return Ok(Held::Scales(Scales { map, ..scales }));
                }
                Held::Integers(integers) => {
                    let present = |e: &ViewElement| index_of(e).is_some_and(|index| integers.present[index]);
                    let present = map.iter().map(present).collect();
                    let tensor = self.view(integers.tensor, map.to_vec());
                    return Ok(Held::Integers(Integers { tensor, present, ..integers }));
                }
                Held::Nothing => return Ok(Held::Nothing),
                Held::Numbers(numbers) => {
                    let tensor = self.view(numbers.tensor, map.to_vec());
                    let (lo, hi) = (numbers.lo.min(0), numbers.hi.max(0));
                    let padded = map.contains(&ViewElement::Zero);
                    let (lo, hi) = if padded { (lo, hi) } else { (numbers.lo, numbers.hi) };
                    return Ok(Held::Numbers(Numbers { tensor, lo, hi, ..numbers }));
                }
            }
        }
        let parts = sources.iter().map(|&source| self.plain(source)).collect::<Result<Vec<_>>>()?;
        let parts = self.aligned(parts)?;
        let exponent = parts.first().ok_or("nothing to view")?.exponent;
        let (lo, hi) = parts.iter().fold((0, 0), |(lo, hi), part| (part.lo.min(lo), part.hi.max(hi)));
        let tensors: Vec<TensorId> = parts.iter().map(|part| part.tensor).collect();
        let tensor = self.view_as(&tensors, map.to_vec(), vec![map.len()]);
        Ok(Held::Numbers(Numbers { tensor, exponent, lo, hi, positive: false }))
    }

    fn clipped(&mut self, input: Float32Id, lo: f32, hi: f32) -> Result<Numbers> {
        let mut numbers = self.numbers(input)?;
        let integer = |bound: f32, exponent: i32| {
            let scaled = f64::from(bound) * f64::from(exponent).exp2();
            let whole = scaled.fract() == 0.0 && scaled.abs() < f64::from(VALUE_BITS).exp2();
            whole.then_some(scaled as i64).ok_or("a bound of a clip that is finer than its operand")
        };
        if lo == 0.0 {
            numbers.positive |= numbers.lo < 0;
        } else if lo > f32::MIN {
            numbers = self.settled(numbers);
            let bound = integer(lo, numbers.exponent)?;
            let tensor = self.at_least(numbers.tensor, bound);
            let bound = i128::from(bound);
            numbers = Numbers { tensor, lo: numbers.lo.max(bound), hi: numbers.hi.max(bound), ..numbers };
        }
        if hi < f32::MAX {
            // The smaller of both commutes with the positive part where the bound is not negative.
            if hi < 0.0 {
                numbers = self.settled(numbers);
            }
            let bound = integer(hi, numbers.exponent)?;
            let tensor = self.at_most(numbers.tensor, bound);
            let bound = i128::from(bound);
            numbers = Numbers { tensor, lo: numbers.lo.min(bound), hi: numbers.hi.min(bound), ..numbers };
        }
        Ok(numbers)
    }

    fn sum(&mut self, [a, b]: [Float32Id; 2], subtracts: bool) -> Result<Held> {
        let is_zero =
            |id: Float32Id| matches!(&self.held[id], Held::Constant(values) if values.iter().all(|v| *v == 0.0));
        if is_zero(b) {
            return Ok(self.held[a].clone());
        }
        if is_zero(a) && !subtracts {
            return Ok(self.held[b].clone());
        }
        let (a, b) = self.summands([a, b])?;
        let exponent = a.exponent.max(b.exponent);
        let is_far = |operand: Numbers| exponent - operand.exponent >= MAX_FACTOR_BITS as i32;
        let a = if is_far(a) { self.in_unit(a, exponent)? } else { a };
        let b = if is_far(b) { self.in_unit(b, exponent)? } else { b };
        let shifts = [a, b].map(|operand| exponent - operand.exponent);
        let sign = if subtracts { -1 } else { 1 };
        let tensor = self.affine([a.tensor, b.tensor], [1 << shifts[0], sign << shifts[1]], 0);
        let (b_lo, b_hi) = if subtracts { (-b.hi, -b.lo) } else { (b.lo, b.hi) };
        let lo = (a.lo << shifts[0]) + (b_lo << shifts[1]);
        let hi = (a.hi << shifts[0]) + (b_hi << shifts[1]);
        fits(hi.max(-lo))?;
        Ok(Held::Numbers(self.rounded_numbers(Numbers { tensor, exponent, lo, hi, positive: false })))
    }

    /// The operands of a sum, in units that lie near enough for it to have room; of constants what lies below is a last bit.
    fn summands(&mut self, operands: [Float32Id; 2]) -> Result<(Numbers, Numbers)> {
        let constants = operands.map(|id| match &self.held[id] {
            Held::Constant(values) => Some(values.clone()),
            _ => None,
        });
        match (constants, operands) {
            ([None, Some(values)], [a, _]) => {
                let a = self.plain(a)?;
                Ok((a, self.constant_beside(&values, a)?))
            }
            ([Some(values), None], [_, b]) => {
                let b = self.plain(b)?;
                Ok((self.constant_beside(&values, b)?, b))
            }
            _ => {
                let (a, b) = (self.plain(operands[0])?, self.plain(operands[1])?);
                let in_unit = |own: Numbers, other: Numbers| {
                    let lift = (other.exponent - own.exponent).clamp(0, VALUE_BITS as i32) as u32;
                    own.magnitude() << lift
                };
                if in_unit(a, b) + in_unit(b, a) < 1 << VALUE_BITS {
                    return Ok((a, b));
                }
                let aligned = self.aligned(vec![a, b])?;
                Ok((aligned[0], aligned[1]))
            }
        }
    }

    /// Constants that are added to numbers: in their own unit, or in one that leaves the numbers room, odd where that is not exact.
    fn constant_beside(&mut self, values: &[f32], numbers: Numbers) -> Result<Numbers> {
        let room = VALUE_BITS as i32 - 1 - bits(numbers.magnitude()) as i32;
        let with_room = numbers.exponent + room.max(1);
        let finest = values.iter().map(|&value| decompose(value).1).max().unwrap_or(0);
        let exponent = finest.max(numbers.exponent - (MAX_FACTOR_BITS as i32 - 1)).min(with_room);
        let odd = |&value: &f32| {
            let scaled = f64::from(value) * f64::from(exponent).exp2();
            let integer = if scaled.fract() == 0.0 { scaled } else { 2.0 * (scaled / 2.0).floor() + 1.0 };
            (integer.abs() < f64::from(VALUE_BITS - 1).exp2()).then_some(integer as i64)
        };
        let integers: Option<Vec<i64>> = values.iter().map(odd).collect();
        self.constant_integers(&integers.ok_or("constants lie too far apart")?, exponent)
    }

    fn product(&mut self, id: Float32Id, [a, b]: [Float32Id; 2]) -> Result<Held> {
        match (self.held[a].clone(), self.held[b].clone()) {
            (Held::Scales(scales), Held::Constant(factors)) | (Held::Constant(factors), Held::Scales(scales)) => {
                Ok(Held::Scales(self.weighed(id, &scales, &factors)?))
            }
            (Held::Scales(scales), _) => {
                let numbers = self.plain(b)?;
                Ok(Held::Numbers(self.scaled(numbers, &scales)?))
            }
            (_, Held::Scales(scales)) => {
                let numbers = self.plain(a)?;
                Ok(Held::Numbers(self.scaled(numbers, &scales)?))
            }
            (Held::Constant(factors), _) => {
                let numbers = self.numbers(b)?;
                Ok(Held::Numbers(self.times(numbers, &factors, None)?))
            }
            (_, Held::Constant(factors)) => {
                let numbers = self.numbers(a)?;
                Ok(Held::Numbers(self.times(numbers, &factors, None)?))
            }
            _ => {
                let (a, b) = (self.plain(a)?, self.plain(b)?);
                Ok(Held::Numbers(self.multiplied(a, b)?))
            }
        }
    }

    /// The constants that a node is.
    fn constants(&self, id: Float32Id) -> Result<Arc<[f32]>> {
        match &self.held[id] {
            Held::Constant(values) => Ok(values.clone()),
            _ => Err("a quotient or a slope of data".into()),
        }
    }

    fn multiplied(&mut self, a: Numbers, b: Numbers) -> Result<Numbers> {
        let products = [a.lo, a.hi].map(|x| [b.lo, b.hi].map(|y| x.checked_mul(y)));
        let products: Option<Vec<i128>> = products.into_iter().flatten().collect();
        let products = products.ok_or("a product that takes too many bits")?;
        let (lo, hi) = products.iter().fold((0, 0), |(lo, hi), &v| (v.min(lo), v.max(hi)));
        fits(hi.max(-lo))?;
        let shape = vec![self.elements(a.tensor)];
        let tensor = self.push(Op::Product { operands: [a.tensor, b.tensor], requantize: None }, shape);
        let exact = Numbers { tensor, exponent: a.exponent + b.exponent, lo, hi, positive: false };
        Ok(self.rounded_numbers(exact))
    }

    /// Scales times those of weights: a part for each power of two of these.
    fn weighed(&mut self, id: Float32Id, scales: &Scales, factors: &[f32]) -> Result<Scales> {
        let [scale] = scales.parts[..] else { return Err("scales are multiplied by constants twice".into()) };
        if factors.iter().any(|factor| *factor < f32::MIN_POSITIVE) {
            return Err("a scale of weights that is not positive, or too small".into());
        }
        // By power of two: bits of a float32 number but for its significand, and the significands that occur.
        let mut groups: BTreeMap<u32, Vec<i32>> = BTreeMap::new();
        let significand = |factor: f32| (factor.to_bits() & 0x7f_ffff | 1 << 23) as i32;
        for &factor in factors {
            groups.entry(factor.to_bits() >> 23).or_default().push(significand(factor));
        }
        let mut parts = Vec::with_capacity(groups.len());
        for (field, significands) in &mut groups {
            significands.sort_unstable();
            significands.dedup();
            let most = significands.last().copied().unwrap_or(0);
            let hi = scale.hi * i128::from(most);
            fits(hi)?;
            let count = significands.len();
            let input = self.view_as(&[scale.tensor], vec![element(0)], vec![1, 1, 1]);
            let op = Op::Conv {
                input,
                geometry: ConvGeometry::POINTWISE,
                weights: significands.clone().into(),
                bias: vec![0; count].into(),
                requantize: None,
            };
            let exact = self.push(op, vec![count, 1, 1]);
            let tensor = self.view(exact, (0..count).map(element).collect());
            let exponent = scale.exponent + 150 - *field as i32;
            parts.push(self.rounded_numbers(Numbers { tensor, exponent, lo: 0, hi, positive: false }));
        }
        let place = |&factor: &f32| {
            let field = factor.to_bits() >> 23;
            let index = groups[&field].binary_search(&significand(factor)).expect("it is one of them");
            ViewElement::Element { source: groups.range(..field).count() as u32, index: index as u32 }
        };
        let least_seen = self.seen[id].map_or(f64::INFINITY, |seen| seen.least);
        Ok(Scales { parts, map: factors.iter().map(place).collect(), least_seen })
    }

    /// Exact sums times their scales, which are brought to the finest unit that has room for the products.
    fn scaled(&mut self, numbers: Numbers, scales: &Scales) -> Result<Numbers> {
        let room = PRODUCT_BITS as i32 - bits(numbers.magnitude()) as i32;
        let finest = scales.parts.iter().map(|part| part.exponent - (bits(part.hi) as i32 - room).max(0)).min();
        let unit = finest.ok_or("no scales")?;
        let room = scales.least_seen.log2() - f64::from(SIGNIFICANT as i32 - unit);
        self.check_room(room, "scales differ too much, among the samples or the channels, for one unit")?;
        let mut tensors = Vec::with_capacity(scales.parts.len());
        let mut hi = 0;
        for part in &scales.parts {
            let shift = (part.exponent - unit) as u32;
            if shift >= MAX_FACTOR_BITS {
                return Err("scales differ too much among the channels for one unit".into());
            }
            hi = hi.max(part.hi >> shift);
            tensors.push(match shift {
                0 => part.tensor,
                _ => {
                    let divisors = self.integers(&vec![1 << shift; self.elements(part.tensor)]);
                    self.quotient(part.tensor, divisors)
                }
            });
        }
        let tensor = self.view_as(&tensors, scales.map.clone(), vec![scales.map.len()]);
        self.multiplied(numbers, Numbers { tensor, exponent: unit, lo: 0, hi, positive: false })
    }
}

// Dynamic quantization.
impl Emitter<'_> {
    fn dynamic(&mut self, input: Float32Id) -> Result<Dynamic> {
        if let Some(known) = self.dynamic.get(&input) {
            return Ok(known.clone());
        }
        let numbers = self.numbers(input)?;
        // Where units are coarse, scales need finer ones than their quotients could be compared by.
        let coarse = LEAST_BITS.saturating_sub(bits(numbers.magnitude())) as i32;
        let numbers = self.in_unit(numbers, numbers.exponent + coarse)?;
        // The width of what reaches far on both sides takes a bit more.
        let numbers = match !numbers.positive && bits(numbers.hi.max(0) - numbers.lo) > VALUE_BITS {
            true => self.coarser(numbers, 3),
            false => numbers,
        };
        let seen = (0..self.float32.nodes.len()).find(|&id| self.float32.nodes[id].op == Float32Op::Scale(input));
        let seen = seen.and_then(|id| self.seen[id]);
        let most = self.largest(numbers.tensor);
        let signed = numbers.lo < 0 && !numbers.positive;
        let least = signed.then(|| {
            let negative = self.line(numbers.tensor, -1, 0);
            self.largest(negative)
        });
        let hi = numbers.hi.max(0);
        let width = Numbers { tensor: most, lo: 0, hi, ..numbers };
        let width = match least {
            None => width,
            Some(least) => {
                let tensor = self.affine([most, least], [1, 1], 0);
                fits(hi - numbers.lo)?;
                self.rounded_numbers(Numbers { tensor, lo: 0, hi: hi - numbers.lo, ..numbers })
            }
        };
        let scale = self.scale(width, seen)?;
        let least_seen = seen.map_or(f64::INFINITY, |seen| seen.least);
        let room = least_seen.log2() - f64::from(SIGNIFICANT as i32 - scale.exponent);
        self.check_room(room, "the ranges of the samples differ too much for one unit")?;
        let first = if signed { -(LARGEST as i64) } else { 0 };
        let quotients = self.steps(numbers.tensor, numbers.exponent, scale, first)?;
        let (tensor, zero) = match least {
            None => (quotients, None),
            Some(least) => {
                let zero = self.steps(least, numbers.exponent, scale, 0)?;
                (self.shifted(quotients, zero), Some(zero))
            }
        };
        let present = vec![true; self.elements(tensor)];
        let dynamic = Dynamic { scale, least_seen, integers: Integers { tensor, zero, present } };
        self.dynamic.insert(input, dynamic.clone());
        Ok(dynamic)
    }

    /// The scale that a width gives, at least one unit.
    fn scale(&mut self, width: Numbers, seen: Option<Seen>) -> Result<Numbers> {
        let cap = seen.map_or(f64::INFINITY, |seen| seen.most * f64::from(LARGEST) * ABOVE);
        let cap = (cap * f64::from(width.exponent).exp2()).ceil();
        let mut width = width;
        if cap < width.hi as f64 {
            let tensor = self.at_most(width.tensor, cap as i64);
            width = Numbers { tensor, hi: cap as i128, ..width };
        }
        let divisor = i128::from(LARGEST as i64);
        // Twice the quotient is within the bits of scales and the spare ones.
        let fits = |lift: i32| match lift {
            0.. => (width.hi << lift) / divisor < 1 << (SCALE_BITS + SPARE_BITS - 1),
            _ => (width.hi >> -lift) / divisor < 1 << (SCALE_BITS + SPARE_BITS - 1),
        };
        let lift = (-(MAX_FACTOR_BITS as i32 - 9)..=MAX_LIFT).rev().find(|&lift| fits(lift));
        let lift = lift.ok_or("its range takes too many bits")?;
        let numerator = self.lifted(width.tensor, lift.max(0))?;
        let divisor = (divisor as i64) << (-lift).max(0);
        let above = self.line(numerator, 1, divisor - 1);
        let doubled = self.floor_and_ceiling(numerator, above, &[divisor]);
        let rounded = self.rounded(doubled);
        // The bit that tells what is left, and the last one that decides about ties, are zero by now.
        let divisors = self.integers(&[1 << SPARE_BITS]);
        let scale = self.quotient(rounded, divisors);
        let tensor = self.at_least(scale, 1);
        let exponent = width.exponent + lift + 1 - SPARE_BITS as i32;
        Ok(Numbers { tensor, exponent, lo: 1, hi: 1 << SCALE_BITS, positive: false })
    }

    /// Numbers over a scale, rounded, as float32 has it, and cut to `first ..= 255`.
    fn steps(&mut self, tensor: TensorId, exponent: i32, scale: Numbers, first: i64) -> Result<TensorId> {
        let shift = thresholds::FRACTION as i32 + scale.exponent - exponent;
        let more = (-shift).max(0) as u32;
        if more > 24 {
            return Err("its numbers are much finer than their scale".into());
        }
        let steps = thresholds::of_quotient(first, LARGEST as i64, more).into();
        let count = self.elements(tensor);
        let scales = self.repeated(scale.tensor, count);
        let op = Op::Steps { operands: [tensor, scales], first, shift: shift.max(0) as u32, steps };
        Ok(self.push(op, vec![count]))
    }

    /// Rounded quotients with a zero point, cut to uint8.
    fn shifted(&mut self, quotients: TensorId, zero: TensorId) -> TensorId {
        if self.out.tables.is_empty() {
            self.out.tables.push(Table::identity(0, LARGEST as i32));
        }
        let count = self.elements(quotients);
        let zeros = self.repeated(zero, count);
        let requantize = Some(Requantize { shift: 0, table: TableId(0) });
        self.push(Op::Affine { operands: [quotients, zeros], factors: [1, 1], constant: 0, requantize }, vec![count])
    }

    /// The exact sums of a convolution. Where there is a zero point, it is one channel more of each group.
    fn convolution(
        &mut self,
        integers: Integers,
        [channels, height, width]: [usize; 3],
        weights: &[i32],
        outputs: [usize; 3],
        window: &Window,
        groups: usize,
    ) -> Numbers {
        let area = height * width;
        let per_group = channels / groups;
        let taps = weights.len() / outputs[0];
        let kernel = window.kernel[0] * window.kernel[1];
        let alike = |group: usize, at: usize| {
            let mut of_channels = (0..per_group).map(|c| integers.present[(group * per_group + c) * area + at]);
            let first = of_channels.next();
            of_channels.all(|present| Some(present) == first)
        };
        let by_channel = (0..groups).all(|group| (0..area).all(|at| alike(group, at)));
        let (tensor, zero) = match integers.zero {
            Some(zero) if !by_channel => (self.centered(&integers, zero), None),
            zero => (integers.tensor, zero),
        };
        let source = |source: u32, index: usize| ViewElement::Element { source, index: index as u32 };
        let mut map = Vec::with_capacity((channels + groups) * area);
        let mut all = Vec::with_capacity(weights.len() + outputs[0] * kernel);
        for group in 0..groups {
            let own = group * per_group * area..(group + 1) * per_group * area;
            map.extend(own.clone().map(|index| source(0, index)));
            if zero.is_some() {
                let present = integers.present[own.start..own.start + area].iter();
                map.extend(present.map(|&present| if present { source(1, 0) } else { ViewElement::Zero }));
            }
        }
        for own in weights.chunks_exact(taps) {
            all.extend_from_slice(own);
            if zero.is_some() {
                all.extend((0..kernel).map(|tap| -own.iter().skip(tap).step_by(kernel).sum::<i32>()));
            }
        }
        let largest = i128::from(LARGEST as i64);
        let least = if integers.zero.is_some() && zero.is_none() { -largest } else { 0 };
        let taps = all.len() / outputs[0];
        let (mut lo, mut hi) = (0, 0);
        for own in all.chunks_exact(taps) {
            let ends = own.iter().map(|&weight| [least, largest].map(|end| end * i128::from(weight)));
            let (low, high) = ends.fold((0, 0), |(lo, hi), [a, b]| (lo + a.min(b), hi + a.max(b)));
            (lo, hi) = (lo.min(low), hi.max(high));
        }
        let sources: Vec<TensorId> = [Some(tensor), zero].into_iter().flatten().collect();
        let input_channels = map.len() / area;
        let input = self.view_as(&sources, map, vec![input_channels, height, width]);
        let small = |values: [usize; 2]| values.map(|value| value as u32);
        let geometry = ConvGeometry {
            kernel: small(window.kernel),
            stride: small(window.stride),
            dilation: small(window.dilation),
            padding: window.padding.map(|value| value as u32),
            groups: groups as u32,
        };
        let bias = vec![0; outputs[0]].into();
        let op = Op::Conv { input, geometry, weights: all.into(), bias, requantize: None };
        let sums = self.push(op, outputs.to_vec());
        let tensor = self.view(sums, (0..outputs.iter().product()).map(element).collect());
        Numbers { tensor, exponent: 0, lo, hi, positive: false }
    }

    /// Quantized integers less their zero point, as numbers.
    fn centered_numbers(&mut self, integers: &Integers) -> Numbers {
        let hi = i128::from(LARGEST as i64);
        match integers.zero {
            None => Numbers { tensor: integers.tensor, exponent: 0, lo: 0, hi, positive: false },
            Some(zero) => Numbers { tensor: self.centered(integers, zero), exponent: 0, lo: -hi, hi, positive: false },
        }
    }

    /// The integers less their zero point, element by element.
    fn centered(&mut self, integers: &Integers, zero: TensorId) -> TensorId {
        let present = integers.present.iter();
        let zeros = present.map(|&present| if present { element(0) } else { ViewElement::Zero }).collect();
        let zeros = self.view(zero, zeros);
        self.affine([integers.tensor, zeros], [1, -1], 0)
    }
}

/// The index that an element of a view of one source has there.
fn index_of(element: &ViewElement) -> Option<usize> {
    match *element {
        ViewElement::Zero => None,
        ViewElement::Element { index, .. } => Some(index as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_rounded_as_float32_rounds_them() {
        for integer in [0i64, 5, -7, (1 << 24) + 1, (1 << 24) + 3, -(1 << 25) - 2, (1 << 40) - 1, -0x1234_5678_9abc] {
            assert_eq!(significant(integer.into()), integer as f32 as i128, "{integer}");
        }
    }

    #[test]
    fn numbers_are_odd_integers_times_powers_of_two() {
        for number in [1.0f32, -0.1, 6.0, f32::MIN_POSITIVE, f32::MIN_POSITIVE / 8.0, -3.5e10, 0.0] {
            let (odd, exponent) = decompose(number);
            assert_eq!(odd as f64 * f64::from(-exponent).exp2(), f64::from(number), "{number}");
            assert!(odd == 0 || odd % 2 != 0);
        }
    }
}
