//! Checks that a program is well formed. Everything behind this check may rely on it.

use std::collections::HashSet;

use thiserror::Error;

use super::{ConvGeometry, Node, Op, PortKind, Program, Requantize, Step, TableId, TensorId, ViewElement, Weights};

/// Bounds on programs, so that a hostile file can't make later stages overflow or exhaust memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits;

impl Limits {
    /// Largest shift of a requantization.
    pub const MAX_SHIFT: u32 = 40;
    /// An input takes fewer than `2^MAX_INPUT_BITS` values.
    pub const MAX_INPUT_BITS: u32 = 42;
    /// Most significant bits that a rounding keeps.
    pub const MAX_SIGNIFICANT_BITS: u32 = 31;
    /// Most bounds of [`Op::Steps`].
    pub const MAX_STEPS: usize = 1 << 12;
    /// Largest magnitude of their factors.
    pub const MAX_FACTOR: i64 = 1 << 60;
    /// Largest numerator of a reciprocal.
    pub const MAX_NUMERATOR: i64 = 1 << 60;
    /// Every value and accumulator stays below `2^MAX_VALUE_BITS` in magnitude.
    pub const MAX_VALUE_BITS: u32 = 100;
    /// Most elements of one tensor.
    pub const MAX_ELEMENTS: usize = 1 << 26;
    /// Most elements of all tensors together.
    pub const MAX_TOTAL_ELEMENTS: usize = 1 << 27;
    /// Most weights of one convolution.
    pub const MAX_WEIGHTS: usize = 1 << 30;
    /// Most weights of one output channel and group, of all convolutions together: stored weights may stand for many.
    pub const MAX_TOTAL_TAPS: usize = 1 << 27;
    /// Largest padding, stride and extent of a kernel on one axis.
    pub const MAX_REACH: u64 = 1 << 20;
    /// Most entries of one table.
    pub const MAX_TABLE: usize = 1 << 20;
    /// Most bits of an entry of a matrix whose rows are gathered.
    pub const ENTRY_BITS: u32 = 16;
    /// Most values in the ranges of such matrices' entries, of all of them together: each range is a table of its own.
    pub const MAX_GATHERED_RANGES: u64 = 1 << 25;
}

/// Why a program is not well formed. `node` is the node's name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProgramError {
    /// A reference to a tensor that is not defined before its use.
    #[error("node {node:?} uses tensor {tensor} before it is defined")]
    Undefined {
        /// The node.
        node: String,
        /// The tensor.
        tensor: u32,
    },
    /// A reference to a table that does not exist.
    #[error("node {node:?} uses table {table}, which does not exist")]
    NoSuchTable {
        /// The node.
        node: String,
        /// The table.
        table: u32,
    },
    /// A shape that does not follow from the operator and its operands.
    #[error("node {node:?}: {what} should have {expected} elements or channels, and has {found}")]
    Shape {
        /// The node.
        node: String,
        /// Which quantity.
        what: &'static str,
        /// What the operator asks for.
        expected: usize,
        /// What is there.
        found: usize,
    },
    /// A number outside what [`Limits`] or the operator allows.
    #[error("node {node:?}: {what} is out of bounds")]
    OutOfBounds {
        /// The node.
        node: String,
        /// Which quantity.
        what: &'static str,
    },
    /// Private weights that are not what is declared of them.
    #[error("node {node:?}: {what}")]
    Weights {
        /// The node.
        node: String,
        /// What is wrong.
        what: &'static str,
    },
    /// A scale that is not a positive finite number.
    #[error("node or port {node:?} has a scale that is not positive and finite")]
    Scale {
        /// The node.
        node: String,
    },
    /// A program without outputs proves nothing.
    #[error("the program has no outputs")]
    NoOutputs,
    /// An input port must name an input node, each exactly once.
    #[error("input port {port:?} does not name an input node of its own")]
    InputPort {
        /// The port.
        port: String,
    },
    /// Values can be missing in inputs alone, and there as [`PortKind::is_admitted`] says.
    #[error("port {port:?} can't have missing values: it is no input, admits no number, or is committed")]
    Nullable {
        /// The port.
        port: String,
    },
}

impl Program {
    /// Checks every invariant of the types that the type system does not carry.
    ///
    /// # Errors
    /// The first violation found, with the node that it lies in.
    pub fn validate(&self) -> Result<(), ProgramError> {
        for table in &self.tables {
            let sizes = 1..=Limits::MAX_TABLE;
            if !sizes.contains(&table.values().len()) || table.lo().unsigned_abs() > 1 << 40 {
                return Err(ProgramError::OutOfBounds { node: table.name().into(), what: "the table's domain" });
            }
        }
        let (mut elements, mut taps) = (0, 0);
        let mut gathered = Gathered::default();
        for (index, node) in self.nodes.iter().enumerate() {
            let check = NodeCheck { program: self, index, node };
            check.run()?;
            if let Op::Gather { entries, .. } = &node.op {
                gathered.add(entries).map_err(|what| check.bounds(what))?;
            }
            elements += node.elements();
            taps += node.op.taps();
            for (what, found, limit) in [
                ("the number of elements up to here", elements, Limits::MAX_TOTAL_ELEMENTS),
                ("the number of taps up to here", taps, Limits::MAX_TOTAL_TAPS),
            ] {
                if found > limit {
                    return Err(ProgramError::OutOfBounds { node: node.name.clone(), what });
                }
            }
        }
        self.validate_private_weights()?;
        self.validate_ports()
    }

    fn validate_ports(&self) -> Result<(), ProgramError> {
        if self.outputs.is_empty() {
            return Err(ProgramError::NoOutputs);
        }
        for port in self.inputs.iter().chain(&self.outputs) {
            let Some(node) = self.nodes.get(port.tensor.0 as usize) else {
                return Err(ProgramError::Undefined { node: port.name.clone(), tensor: port.tensor.0 });
            };
            let elements = checked_elements(&port.shape);
            if elements != Some(node.elements()) {
                return Err(ProgramError::Shape {
                    node: port.name.clone(),
                    what: "the port",
                    expected: node.elements(),
                    found: elements.unwrap_or(usize::MAX),
                });
            }
            if !(port.scale.is_finite() && port.scale > 0.0) || (port.kind == PortKind::Index && port.scale != 1.0) {
                return Err(ProgramError::Scale { node: port.name.clone() });
            }
        }
        let mut tensors: Vec<_> = self.inputs.iter().map(|port| port.tensor).collect();
        tensors.sort();
        let mut expected = self.nodes.iter().enumerate().filter(|(_, node)| matches!(node.op, Op::Input { .. }));
        for port in &self.inputs {
            let Op::Input { lo, hi } = self.node(port.tensor).op else {
                return Err(ProgramError::InputPort { port: port.name.clone() });
            };
            if !port.kind.is_admitted((lo, hi), port.visibility) {
                return Err(ProgramError::Nullable { port: port.name.clone() });
            }
        }
        if let Some(port) = self.outputs.iter().find(|port| port.kind == PortKind::Nullable) {
            return Err(ProgramError::Nullable { port: port.name.clone() });
        }
        for tensor in tensors {
            if expected.next().map(|(index, _)| TensorId(index as u32)) != Some(tensor) {
                return Err(ProgramError::InputPort { port: self.node(tensor).name.clone() });
            }
        }
        match expected.next() {
            Some((_, node)) => Err(ProgramError::InputPort { port: node.name.clone() }),
            None => Ok(()),
        }
    }
}

fn checked_elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size))
}

/// The output height and width of a convolution, or `None` where the kernel does not fit.
pub(crate) fn conv_output(geometry: &ConvGeometry, input: [usize; 2]) -> Option<[usize; 2]> {
    let mut output = [0; 2];
    for axis in 0..2 {
        let padded = input[axis]
            .checked_add(geometry.padding[axis] as usize)?
            .checked_add(geometry.padding[axis + 2] as usize)?;
        let reach = (geometry.dilation[axis] as usize).checked_mul((geometry.kernel[axis] as usize).checked_sub(1)?)?;
        output[axis] = padded.checked_sub(reach.checked_add(1)?)? / (geometry.stride[axis] as usize) + 1;
    }
    Some(output)
}

/// The matrices whose rows are gathered. Nodes may share them; each is looked at once.
#[derive(Default)]
struct Gathered {
    lying: HashSet<usize>,
    ranges: HashSet<(i64, i64)>,
    values: u64,
}

impl Gathered {
    /// Takes in a matrix; says what of it is out of bounds.
    fn add(&mut self, entries: &Weights) -> Result<(), &'static str> {
        if !self.lying.insert(entries.address()) {
            return Ok(());
        }
        let (lo, hi) = entries.bounds();
        let end = 1 << (Limits::ENTRY_BITS - 1);
        if lo < -end || hi >= end {
            return Err("an entry");
        }
        if self.ranges.insert((lo, hi)) {
            self.values += hi.abs_diff(lo) + 1;
        }
        match self.values > Limits::MAX_GATHERED_RANGES {
            true => Err("the number of values in the ranges of entries up to here"),
            false => Ok(()),
        }
    }
}

struct NodeCheck<'a> {
    program: &'a Program,
    index: usize,
    node: &'a Node,
}

impl NodeCheck<'_> {
    fn run(&self) -> Result<(), ProgramError> {
        let elements = checked_elements(&self.node.shape).filter(|n| (1..=Limits::MAX_ELEMENTS).contains(n));
        let elements = elements.ok_or_else(|| self.bounds("the number of elements"))?;
        if !(self.node.scale.is_finite() && self.node.scale > 0.0) {
            return Err(ProgramError::Scale { node: self.node.name.clone() });
        }
        match &self.node.op {
            Op::Input { lo, hi } => {
                let width = hi.checked_sub(*lo).filter(|&w| (0..1 << Limits::MAX_INPUT_BITS).contains(&w));
                width.map(|_| ()).ok_or_else(|| self.bounds("the range of the input"))
            }
            Op::View { sources, map } => self.view(sources, map, elements),
            Op::Conv { input, geometry, weights, bias, requantize } => {
                self.requantize(requantize)?;
                self.conv(*input, geometry, weights.len(), bias)
            }
            Op::Affine { operands, factors, constant, requantize } => {
                self.requantize(requantize)?;
                self.small(factors[0], "a factor")?;
                self.small(factors[1], "a factor")?;
                self.small(*constant, "the constant")?;
                self.pointwise(operands, elements)
            }
            Op::Product { operands, requantize } => {
                self.requantize(requantize)?;
                self.pointwise(operands, elements)
            }
            Op::MatMul { operands, requantize } => {
                self.requantize(requantize)?;
                self.matmul(*operands)
            }
            Op::Sum { input, factor, requantize } => {
                self.requantize(requantize)?;
                self.small(*factor, "the factor")?;
                if *factor == 0 {
                    return Err(self.bounds("the factor"));
                }
                self.reduction(*input, elements)
            }
            Op::Max { input } | Op::ArgMax { input } => self.reduction(*input, elements),
            Op::Lookup { input, table } => {
                self.table(*table)?;
                self.pointwise(&[*input], elements)
            }
            Op::Reciprocal { input, numerator } => {
                if !(1..=Limits::MAX_NUMERATOR).contains(numerator) {
                    return Err(self.bounds("the numerator"));
                }
                self.pointwise(&[*input], elements)
            }
            Op::SquareRoot { input } => self.pointwise(&[*input], elements),
            Op::Gather { input, entries } => self.gather(*input, entries, elements),
            Op::RoundSignificant { input, bits } => {
                if !(1..=Limits::MAX_SIGNIFICANT_BITS).contains(bits) {
                    return Err(self.bounds("the number of significant bits"));
                }
                self.pointwise(&[*input], elements)
            }
            Op::Steps { operands, first, shift, steps } => {
                self.steps(*first, *shift, steps)?;
                self.pointwise(operands, elements)
            }
            Op::Quotient { operands } => self.pointwise(operands, elements),
        }
    }

    fn bounds(&self, what: &'static str) -> ProgramError {
        ProgramError::OutOfBounds { node: self.node.name.clone(), what }
    }

    fn small(&self, value: i64, what: &'static str) -> Result<(), ProgramError> {
        if value.unsigned_abs() <= 1 << 48 {
            Ok(())
        } else {
            Err(self.bounds(what))
        }
    }

    fn operand(&self, tensor: TensorId) -> Result<&Node, ProgramError> {
        if (tensor.0 as usize) < self.index {
            Ok(self.program.node(tensor))
        } else {
            Err(ProgramError::Undefined { node: self.node.name.clone(), tensor: tensor.0 })
        }
    }

    fn table(&self, table: TableId) -> Result<(), ProgramError> {
        if (table.0 as usize) < self.program.tables.len() {
            Ok(())
        } else {
            Err(ProgramError::NoSuchTable { node: self.node.name.clone(), table: table.0 })
        }
    }

    fn requantize(&self, requantize: &Option<Requantize>) -> Result<(), ProgramError> {
        let Some(requantize) = requantize else { return Ok(()) };
        if requantize.shift > Limits::MAX_SHIFT {
            return Err(self.bounds("the shift"));
        }
        self.table(requantize.table)
    }

    fn expect(&self, what: &'static str, expected: usize, found: usize) -> Result<(), ProgramError> {
        if expected == found {
            Ok(())
        } else {
            Err(ProgramError::Shape { node: self.node.name.clone(), what, expected, found })
        }
    }

    fn pointwise(&self, operands: &[TensorId], elements: usize) -> Result<(), ProgramError> {
        operands.iter().try_for_each(|&operand| self.expect("an operand", elements, self.operand(operand)?.elements()))
    }

    fn reduction(&self, input: TensorId, elements: usize) -> Result<(), ProgramError> {
        let input = self.operand(input)?;
        let last = *input.shape.last().ok_or_else(|| self.bounds("the rank of the operand"))?;
        self.expect("the operand", elements * last, input.elements())
    }

    fn matmul(&self, operands: [TensorId; 2]) -> Result<(), ProgramError> {
        let [a, b] = [self.operand(operands[0])?, self.operand(operands[1])?];
        let (&[stack, rows, inner], &[b_stack, b_inner, columns], &[out_stack, out_rows, out_columns]) =
            (a.shape.as_slice(), b.shape.as_slice(), self.node.shape.as_slice())
        else {
            return Err(self.bounds("the rank"));
        };
        self.expect("the second operand's stack", stack, b_stack)?;
        self.expect("the second operand's rows", inner, b_inner)?;
        self.expect("the stack of the result", stack, out_stack)?;
        self.expect("the rows of the result", rows, out_rows)?;
        self.expect("the columns of the result", columns, out_columns)
    }

    fn gather(&self, input: TensorId, entries: &Weights, elements: usize) -> Result<(), ProgramError> {
        let columns = *self.node.shape.last().ok_or_else(|| self.bounds("the rank"))?;
        self.expect("the indices", elements / columns, self.operand(input)?.elements())?;
        match entries.is_empty() || entries.len() > Limits::MAX_WEIGHTS || !entries.len().is_multiple_of(columns) {
            true => Err(self.bounds("the number of entries")),
            false => Ok(()),
        }
    }

    fn steps(&self, first: i64, shift: u32, steps: &[Step]) -> Result<(), ProgramError> {
        let factors = steps.iter().map(|step| step.factor);
        for (what, holds) in [
            ("the first value", first.unsigned_abs() <= 1 << 40),
            ("the shift", shift <= Limits::MAX_SHIFT),
            ("the number of steps", (1..=Limits::MAX_STEPS).contains(&steps.len())),
            ("a factor", factors.clone().all(|factor| factor.unsigned_abs() <= Limits::MAX_FACTOR.unsigned_abs())),
            ("the order of the factors", factors.clone().zip(factors.skip(1)).all(|(factor, next)| factor < next)),
        ] {
            if !holds {
                return Err(self.bounds(what));
            }
        }
        Ok(())
    }

    fn view(&self, sources: &[TensorId], map: &[ViewElement], elements: usize) -> Result<(), ProgramError> {
        self.expect("the map", elements, map.len())?;
        let sizes = sources
            .iter()
            .map(|&source| Ok(self.operand(source)?.elements()))
            .collect::<Result<Vec<_>, ProgramError>>()?;
        let inside = |element: &ViewElement| match *element {
            ViewElement::Zero => true,
            ViewElement::Element { source, index } => {
                sizes.get(source as usize).is_some_and(|&size| (index as usize) < size)
            }
        };
        if map.iter().all(inside) {
            Ok(())
        } else {
            Err(self.bounds("an entry of the map"))
        }
    }

    fn conv(&self, input: TensorId, geometry: &ConvGeometry, weights: usize, bias: &[i64]) -> Result<(), ProgramError> {
        let input = self.operand(input)?;
        let (&[channels, height, width], &[outputs, out_height, out_width]) =
            (input.shape.as_slice(), self.node.shape.as_slice())
        else {
            return Err(self.bounds("the rank"));
        };
        let positive = geometry.kernel.iter().chain(&geometry.stride).chain(&geometry.dilation).all(|&v| v >= 1);
        let groups = geometry.groups as usize;
        if !positive || groups == 0 || channels % groups != 0 || outputs % groups != 0 || weights > Limits::MAX_WEIGHTS
        {
            return Err(self.bounds("the geometry"));
        }
        let extent = |axis: usize| u64::from(geometry.kernel[axis] - 1) * u64::from(geometry.dilation[axis]);
        let steps = geometry.padding.iter().chain(&geometry.stride).map(|&v| u64::from(v));
        if steps.chain([extent(0), extent(1)]).any(|reach| reach > Limits::MAX_REACH) {
            return Err(self.bounds("the reach of the geometry"));
        }
        let output = conv_output(geometry, [height, width]).ok_or_else(|| self.bounds("the kernel"))?;
        self.expect("the output height", output[0], out_height)?;
        self.expect("the output width", output[1], out_width)?;
        let per_output = (channels / groups)
            .checked_mul(geometry.kernel[0] as usize)
            .and_then(|n| n.checked_mul(geometry.kernel[1] as usize))
            .and_then(|n| n.checked_mul(outputs))
            .ok_or_else(|| self.bounds("the number of weights"))?;
        self.expect("the weights", per_output, weights)?;
        self.expect("the bias", outputs, bias.len())?;
        bias.iter().try_for_each(|&b| self.small(b, "a bias"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Port, Visibility};
    use super::*;

    fn port(tensor: u32, kind: PortKind, visibility: Visibility) -> Port {
        Port { name: "p".into(), tensor: TensorId(tensor), shape: vec![1], scale: 1.0, kind, visibility }
    }

    /// A program of nodes with shapes, whose first one is the input and whose second one is the output.
    fn program(ops: impl Iterator<Item = (Op, Vec<usize>)>, input: Port, output: Port) -> Program {
        Program {
            name: "test".into(),
            source_digest: [0; 32],
            options: Default::default(),
            private_weights: Default::default(),
            tables: vec![],
            nodes: ops.map(|(op, shape)| Node { name: "n".into(), op, shape, scale: 1.0 }).collect(),
            inputs: vec![input],
            outputs: vec![output],
        }
    }

    #[test]
    fn missing_values_have_no_commitment() {
        let validate = |visibility| {
            let affine = Op::Affine { operands: [TensorId(0); 2], factors: [1, 0], constant: 0, requantize: None };
            let ops = [Op::Input { lo: 0, hi: 9 }, affine].map(|op| (op, vec![1]));
            let output = port(1, PortKind::Real, Visibility::Public);
            program(ops.into_iter(), port(0, PortKind::Nullable, visibility), output).validate()
        };
        for visibility in [Visibility::Public, Visibility::Private, Visibility::Hashed] {
            assert_eq!(validate(visibility), Ok(()));
        }
        assert!(matches!(validate(Visibility::Committed), Err(ProgramError::Nullable { .. })));
    }

    /// Many small matrices whose entries lie far apart, each from another range, would have a long table each.
    #[test]
    fn ranges_of_gathered_entries_are_bounded_together() {
        let gather = |number: i64| Op::Gather {
            input: TensorId(0),
            entries: vec![(1 << 15) - 1, (number - (1 << 15)) as i32].into(),
        };
        let program = |gathers: &[i64]| {
            let input = (Op::Input { lo: 0, hi: 1 }, vec![1]);
            let ops = std::iter::once(input).chain(gathers.iter().map(|&number| (gather(number), vec![1, 1])));
            let port = |tensor| port(tensor, PortKind::Index, Visibility::Public);
            program(ops, port(0), port(1))
        };
        let most = Limits::MAX_GATHERED_RANGES >> Limits::ENTRY_BITS;
        // The first range has all values of 16 bits, each further one a value less.
        let more: Vec<i64> = (0..most as i64 + 5).collect();
        assert_eq!(program(&more[..most as usize]).validate(), Ok(()));
        assert!(matches!(
            program(&more).validate(),
            Err(ProgramError::OutOfBounds { what, .. }) if what.contains("ranges of entries")
        ));
        // One range is counted once.
        assert_eq!(program(&vec![0; 4 * most as usize]).validate(), Ok(()));
    }
}
