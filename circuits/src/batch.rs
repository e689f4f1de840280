//! Batches: the program that does for several samples what a program does for one.
//!
//! Its ports are those of the program with the samples as their first axis. What it computes of a sample is what the program
//! computes, integer by integer; no sample takes part in another one's. It shares the program's weights, tables and functions.
//!
//! Operators on elements, rows of elements and stacks of matrices take all samples at once. Convolutions stand there once for
//! each sample, or are *merged* into one, whose positions are those of all samples ([`Merging`]):
//!
//! | convolution | merged |
//! | --- | --- |
//! | dense: one output position | 1 × 1 with a channel for each weight of an output, and a position for each sample |
//! | 1 × 1 with several positions | the samples' pictures one below the other |
//! | other | the same, with as many rows of zeros between them as keep a window from reading two samples |
//!
//! A merged convolution is one identity: its operands are read once, its products made once, for all samples together. Its
//! positions lie side by side in planes, so operands that lie otherwise are copied, rows of zeros and the windows across them
//! take cells, and so do planes that do not fill their rows. What is cheaper is told by the cost model
//! ([`layout::batched`](crate::layout::batched)).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::graph::{
    conv_output, ConvGeometry, Limits, Node, Op, Port, Program, ProgramError, TensorId, ViewElement, WeightDeclaration,
    Weights,
};
use crate::origin::{origins, Origin};

/// Which convolutions of a batch are merged into one for all samples; each kind with those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Merging {
    /// None.
    Nothing,
    /// Those with one output position.
    Dense,
    /// Those that take positions one by one.
    Pointwise,
    /// All.
    Everything,
}

impl Merging {
    /// All kinds.
    pub const ALL: [Merging; 4] = [Self::Nothing, Self::Dense, Self::Pointwise, Self::Everything];

    /// The first kind that merges a convolution.
    fn least(geometry: &ConvGeometry, positions: usize) -> Self {
        let pointwise =
            ConvGeometry { groups: geometry.groups, dilation: geometry.dilation, ..ConvGeometry::POINTWISE };
        match (positions, *geometry == pointwise) {
            (1, _) => Self::Dense,
            (_, true) => Self::Pointwise,
            _ => Self::Everything,
        }
    }
}

impl Program {
    /// The program for so many samples at once, with these convolutions merged; one sample leaves it as it is.
    ///
    /// # Errors
    /// The program is not well formed, there are no samples, or so many that tensors exceed the [`Limits`].
    pub fn batched(&self, samples: usize, merging: Merging) -> Result<Program, ProgramError> {
        self.validate()?;
        let elements: usize = self.nodes.iter().map(Node::elements).sum();
        if samples == 0 || samples > Limits::MAX_TOTAL_ELEMENTS / elements {
            return Err(ProgramError::OutOfBounds { node: self.name.clone(), what: "the number of samples" });
        }
        if samples == 1 {
            return Ok(self.clone());
        }
        let program = Batch::new(self, samples, merging).build();
        program.validate()?;
        Ok(program)
    }
}

/// The shape of `samples` tensors of one shape: an axis of 1 at the front is the one that counts them, or a new one is.
fn port_shape(shape: &[usize], samples: usize) -> Vec<usize> {
    let rest = shape.strip_prefix(&[1]).unwrap_or(shape);
    [&[samples], rest].concat()
}

/// Where the elements of one of the program's tensors are in the batch.
#[derive(Clone, Debug)]
enum Home {
    /// In one tensor, sample after sample.
    Together(TensorId),
    /// In a tensor for each sample.
    Apart(Vec<TensorId>),
    /// In `[channels, rows, width]`, where a sample has `height` rows of each channel and the next one begins `step` rows below.
    Stacked { tensor: TensorId, rows: usize, width: usize, height: usize, step: usize },
}

/// An element of the batch, or zero.
type Element = Option<(TensorId, u32)>;

struct Batch<'a> {
    program: &'a Program,
    samples: usize,
    merging: Merging,
    origins: Vec<Option<Arc<[Origin]>>>,
    nodes: Vec<Node>,
    /// By the program's tensors; nothing for views.
    homes: Vec<Option<Home>>,
    /// Operands that hold all samples one after the other, by tensor and shape.
    together: HashMap<(TensorId, Vec<usize>), TensorId>,
}

/// The parts of a convolution.
#[derive(Clone, Copy)]
struct Conv<'a> {
    input: TensorId,
    geometry: &'a ConvGeometry,
    weights: &'a Weights,
    bias: &'a Arc<[i64]>,
}

impl<'a> Batch<'a> {
    fn new(program: &'a Program, samples: usize, merging: Merging) -> Self {
        Self {
            program,
            samples,
            merging,
            origins: origins(program),
            nodes: Vec::new(),
            homes: Vec::with_capacity(program.nodes.len()),
            together: HashMap::new(),
        }
    }

    fn build(mut self) -> Program {
        let program = self.program;
        for node in &program.nodes {
            let home = self.node(node);
            self.homes.push(home);
        }
        let inputs = program.inputs.iter().map(|port| self.port(port)).collect();
        let outputs = program.outputs.iter().map(|port| self.port(port)).collect();
        let private_weights = self.private_weights();
        Program {
            name: program.name.clone(),
            source_digest: program.source_digest,
            options: program.options.clone(),
            private_weights,
            tables: program.tables.clone(),
            nodes: self.nodes,
            inputs,
            outputs,
        }
    }

    /// What is declared of private weights: those of the first sample's convolution are the others' too.
    fn private_weights(&self) -> BTreeMap<TensorId, WeightDeclaration> {
        let tensors = |tensor: TensorId| match self.homes[tensor.0 as usize].as_ref().expect("weights are no view's") {
            Home::Together(tensor) | Home::Stacked { tensor, .. } => std::slice::from_ref(tensor),
            Home::Apart(tensors) => tensors.as_slice(),
        };
        let mut declarations = BTreeMap::new();
        for (&tensor, declared) in &self.program.private_weights {
            let owner = tensors(declared.shared_with.unwrap_or(tensor))[0];
            declarations.extend(tensors(tensor).iter().map(|&own| {
                let shared_with = (own != owner).then_some(owner);
                (own, WeightDeclaration { shared_with, ..*declared })
            }));
        }
        declarations
    }

    fn port(&mut self, port: &Port) -> Port {
        let node = self.program.node(port.tensor);
        let tensor = self.together(node, port.tensor, self.shape_of_all(&node.shape));
        Port { tensor, shape: port_shape(&port.shape, self.samples), ..port.clone() }
    }

    /// Adds what a node of the program becomes.
    fn node(&mut self, node: &'a Node) -> Option<Home> {
        let op = match &node.op {
            Op::View { .. } => return None,
            &Op::Conv { input, ref geometry, ref weights, ref bias, .. } => {
                return Some(self.conv(node, Conv { input, geometry, weights, bias }));
            }
            &Op::MatMul { operands, requantize } => {
                let operands = operands.map(|operand| self.stack(node, operand));
                let &[stack, rows, columns] = node.shape.as_slice() else { unreachable!("products have three axes") };
                let shape = vec![stack * self.samples, rows, columns];
                return Some(Home::Together(self.push(node, Op::MatMul { operands, requantize }, shape)));
            }
            &Op::Input { lo, hi } => Op::Input { lo, hi },
            &Op::Affine { operands, factors, constant, requantize } => {
                Op::Affine { operands: operands.map(|operand| self.all(node, operand)), factors, constant, requantize }
            }
            &Op::Product { operands, requantize } => {
                Op::Product { operands: operands.map(|operand| self.all(node, operand)), requantize }
            }
            &Op::Sum { input, factor, requantize } => Op::Sum { input: self.all(node, input), factor, requantize },
            &Op::Max { input } => Op::Max { input: self.all(node, input) },
            &Op::ArgMax { input } => Op::ArgMax { input: self.all(node, input) },
            &Op::Lookup { input, table } => Op::Lookup { input: self.all(node, input), table },
            &Op::Reciprocal { input, numerator } => Op::Reciprocal { input: self.all(node, input), numerator },
            &Op::SquareRoot { input } => Op::SquareRoot { input: self.all(node, input) },
            &Op::RoundSignificant { input, bits } => Op::RoundSignificant { input: self.all(node, input), bits },
            &Op::Steps { operands, first, shift, ref steps } => Op::Steps {
                operands: operands.map(|operand| self.all(node, operand)),
                first,
                shift,
                steps: steps.clone(),
            },
            &Op::Quotient { operands } => Op::Quotient { operands: operands.map(|operand| self.all(node, operand)) },
            &Op::Gather { input, ref entries } => Op::Gather { input: self.all(node, input), entries: entries.clone() },
        };
        let shape = self.shape_of_all(&node.shape);
        Some(Home::Together(self.push(node, op, shape)))
    }

    fn push(&mut self, node: &Node, op: Op, shape: Vec<usize>) -> TensorId {
        self.nodes.push(Node { name: node.name.clone(), op, shape, scale: node.scale });
        TensorId(self.nodes.len() as u32 - 1)
    }

    fn shape_of_all(&self, shape: &[usize]) -> Vec<usize> {
        [&[self.samples], shape].concat()
    }

    // --- elements ------------------------------------------------------------------------------------------------

    /// Where an element of a tensor of the program is for a sample.
    fn element(&self, tensor: TensorId, sample: usize, index: usize) -> Element {
        let origin = match &self.origins[tensor.0 as usize] {
            Some(origins) => origins[index],
            None => Origin { tensor, index: index as u32 },
        };
        if origin.is_zero() {
            return None;
        }
        let index = origin.index as usize;
        let home = self.homes[origin.tensor.0 as usize].as_ref().expect("the origin of an element is no view");
        let (tensor, index) = match home {
            Home::Together(tensor) => (*tensor, sample * self.program.node(origin.tensor).elements() + index),
            Home::Apart(tensors) => (tensors[sample], index),
            &Home::Stacked { tensor, rows, width, height, step } => {
                let (channel, row, column) = (index / width / height, index / width % height, index % width);
                (tensor, (channel * rows + sample * step + row) * width + column)
            }
        };
        Some((tensor, index as u32))
    }

    /// A tensor with these elements: the one that they are, or a view.
    fn view(&mut self, node: &Node, elements: Vec<Element>, shape: Vec<usize>) -> TensorId {
        if let Some(&Some((tensor, 0))) = elements.first() {
            let whole = (0..).zip(&elements).all(|(index, element)| *element == Some((tensor, index)));
            if whole && self.nodes[tensor.0 as usize].shape == shape {
                return tensor;
            }
        }
        let (mut sources, mut numbers) = (Vec::new(), HashMap::new());
        let mut entry = |element: Element| match element {
            None => ViewElement::Zero,
            Some((tensor, index)) => {
                let source = *numbers.entry(tensor).or_insert_with(|| {
                    sources.push(tensor);
                    sources.len() as u32 - 1
                });
                ViewElement::Element { source, index }
            }
        };
        let map = elements.into_iter().map(&mut entry).collect();
        self.push(node, Op::View { sources, map }, shape)
    }

    /// A tensor of the program for all samples, one after the other.
    fn together(&mut self, node: &Node, tensor: TensorId, shape: Vec<usize>) -> TensorId {
        if let Some(&known) = self.together.get(&(tensor, shape.clone())) {
            return known;
        }
        let elements = self.program.node(tensor).elements();
        let all = (0..self.samples * elements).map(|i| self.element(tensor, i / elements, i % elements)).collect();
        let view = self.view(node, all, shape.clone());
        self.together.insert((tensor, shape), view);
        view
    }

    fn all(&mut self, node: &Node, operand: TensorId) -> TensorId {
        let shape = self.shape_of_all(&self.program.node(operand).shape);
        self.together(node, operand, shape)
    }

    /// An operand of a product of matrices for all samples.
    fn stack(&mut self, node: &Node, operand: TensorId) -> TensorId {
        let &[stack, rows, columns] = self.program.node(operand).shape.as_slice() else {
            unreachable!("matrices have three axes")
        };
        self.together(node, operand, vec![stack * self.samples, rows, columns])
    }

    // --- convolutions --------------------------------------------------------------------------------------------

    fn conv(&mut self, node: &Node, conv: Conv<'_>) -> Home {
        match Merging::least(conv.geometry, node.shape[1] * node.shape[2]) {
            kind if kind > self.merging => self.apart(node, conv),
            Merging::Dense => self.dense(node, conv),
            _ => self.stacked(node, conv),
        }
    }

    fn push_conv(&mut self, node: &Node, conv: Conv<'_>, shape: Vec<usize>) -> TensorId {
        let Op::Conv { requantize, .. } = node.op else { unreachable!("the node is a convolution") };
        let Conv { input, geometry, weights, bias } = conv;
        let op = Op::Conv { input, geometry: *geometry, weights: weights.clone(), bias: bias.clone(), requantize };
        self.push(node, op, shape)
    }

    /// A convolution for each sample.
    fn apart(&mut self, node: &Node, conv: Conv<'_>) -> Home {
        let operand = self.program.node(conv.input);
        let samples = 0..self.samples;
        let one = |sample| {
            let elements = (0..operand.elements()).map(|index| self.element(conv.input, sample, index)).collect();
            let input = self.view(node, elements, operand.shape.clone());
            self.push_conv(node, Conv { input, ..conv }, node.shape.clone())
        };
        Home::Apart(samples.map(one).collect())
    }

    /// A layer with one output position, as one with a position for each sample: its taps are channels.
    fn dense(&mut self, node: &Node, conv: Conv<'_>) -> Home {
        let &[channels, height, width] = self.program.node(conv.input).shape.as_slice() else {
            unreachable!("operands of convolutions have three axes")
        };
        let [kernel_height, kernel_width] = conv.geometry.kernel.map(|size| size as usize);
        let at = |axis: usize, tap: usize, size: usize| {
            let position = tap * conv.geometry.dilation[axis] as usize;
            position.checked_sub(conv.geometry.padding[axis] as usize).filter(|&position| position < size)
        };
        let taps = channels * kernel_height * kernel_width;
        let mut elements = Vec::with_capacity(taps * self.samples);
        for tap in 0..taps {
            let (channel, position) = (tap / (kernel_height * kernel_width), tap % (kernel_height * kernel_width));
            let row = at(0, position / kernel_width, height);
            let index = row.zip(at(1, position % kernel_width, width));
            let index = index.map(|(row, column)| (channel * height + row) * width + column);
            elements.extend((0..self.samples).map(|sample| self.element(conv.input, sample, index?)));
        }
        let input = self.view(node, elements, vec![taps, self.samples, 1]);
        let geometry = ConvGeometry { groups: conv.geometry.groups, ..ConvGeometry::POINTWISE };
        let shape = vec![node.shape[0], self.samples, 1];
        let tensor = self.push_conv(node, Conv { input, geometry: &geometry, ..conv }, shape);
        Home::Stacked { tensor, rows: self.samples, width: 1, height: 1, step: 1 }
    }

    /// A convolution over the samples' pictures one below the other. With rows of zeros between them none of a sample's windows
    /// reads another sample.
    fn stacked(&mut self, node: &Node, conv: Conv<'_>) -> Home {
        let &[channels, height, width] = self.program.node(conv.input).shape.as_slice() else {
            unreachable!("operands of convolutions have three axes")
        };
        let &[outputs, out_height, out_width] = node.shape.as_slice() else {
            unreachable!("results of convolutions have three axes")
        };
        let vertical = |values: &[u32]| values[0] as usize;
        let (stride, above) = (vertical(&conv.geometry.stride), vertical(&conv.geometry.padding));
        let reach = (vertical(&conv.geometry.kernel) - 1) * vertical(&conv.geometry.dilation);
        let read = ((out_height - 1) * stride + reach + 1).saturating_sub(above);
        let step = read.max(height + above).next_multiple_of(stride);
        let rows = (self.samples - 1) * step + height;
        let mut elements = Vec::with_capacity(channels * rows * width);
        for channel in 0..channels {
            for row in 0..rows {
                let (sample, row) = (row / step, row % step);
                let first = (channel * height + row) * width;
                let inside = row < height;
                elements.extend(
                    (first..first + width).map(|index| self.element(conv.input, sample, inside.then_some(index)?)),
                );
            }
        }
        let input = self.view(node, elements, vec![channels, rows, width]);
        let [rows, _] = conv_output(conv.geometry, [rows, width]).expect("a longer picture holds the kernel");
        let step = step / stride;
        debug_assert_eq!(rows, (self.samples - 1) * step + out_height);
        let tensor = self.push_conv(node, Conv { input, ..conv }, vec![outputs, rows, out_width]);
        Home::Stacked { tensor, rows, width: out_width, height: out_height, step }
    }
}
