//! Matrix products and convolutions with constant weights, and products of two data matrices.

use circuits::graph::{ConvGeometry, ViewElement};

use super::{broadcast, elements, shared, Lowering};
use crate::float::graph::{Element, Tensor, ValueId, Window};
use crate::float::quantized::Requantization;
use crate::quantize::error::QuantizeError;
use crate::quantize::kernel::Kernel;
use crate::quantize::plan::{element, PlanId, PlanOp, Range};

/// A stack of matrices `[batch, rows, columns]` under NumPy's matmul rules.
struct Matrices {
    batch: Vec<usize>,
    rows: usize,
    columns: usize,
}

impl Matrices {
    fn left(shape: &[usize]) -> Self {
        match shape {
            [columns] => Self { batch: vec![], rows: 1, columns: *columns },
            [batch @ .., rows, columns] => Self { batch: batch.to_vec(), rows: *rows, columns: *columns },
            [] => unreachable!("matmul has no scalar operands"),
        }
    }

    fn right(shape: &[usize]) -> Self {
        match shape {
            [rows] => Self { batch: vec![], rows: *rows, columns: 1 },
            _ => Self::left(shape),
        }
    }

    fn count(&self) -> usize {
        self.batch.iter().product()
    }

    fn full(&self) -> Vec<usize> {
        [&self.batch[..], &[self.rows, self.columns]].concat()
    }
}

fn broadcast_batch(a: &[usize], b: &[usize]) -> Vec<usize> {
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    (0..rank).map(|axis| if at(a, axis) == 1 { at(b, axis) } else { at(a, axis) }).collect()
}

impl Lowering<'_> {
    pub(super) fn matmul(&mut self, value: ValueId, a: ValueId, b: ValueId) -> Result<PlanId, QuantizeError> {
        let left = Matrices::left(&self.node(a).shape);
        let right = Matrices::right(&self.node(b).shape);
        let constants = (self.finite_constant(value, a, "a weight")?, self.finite_constant(value, b, "a weight")?);
        match constants {
            (_, Some(weights)) if right.count() == 1 => {
                let x = self.data(a)?;
                self.rows_by_matrix(value, x, left.count() * left.rows, &right, &weights)
            }
            (Some(weights), None) if left.count() == 1 => {
                let x = self.value(b);
                self.matrix_by_columns(value, x, &left, &weights, &right)
            }
            (_, Some(weights)) => {
                let x = self.data(a)?;
                self.stack_by_stack(value, x, &left, &right, &weights)
            }
            (Some(weights), None) => {
                let x = self.value(b);
                self.stack_on_the_left(value, x, &left, &weights, &right)
            }
            (None, None) => self.data_product(value, [self.value(a), self.value(b)], &left, &right),
        }
    }

    /// `X·W` for `tokens` rows: a pointwise convolution with the tokens as positions.
    fn rows_by_matrix(
        &mut self,
        value: ValueId,
        x: PlanId,
        tokens: usize,
        right: &Matrices,
        weights: &Tensor,
    ) -> Result<PlanId, QuantizeError> {
        let (k, n) = (right.rows, right.columns);
        let transposed = Kernel::from(weights.data.clone()).transposed(k, n);
        let x = self.transposed(value, x, tokens, k, vec![k, tokens, 1]);
        let y = self.pointwise(value, x, [n, tokens], 1, transposed);
        Ok(self.transposed(value, y, n, tokens, vec![tokens, n]))
    }

    /// `W·X` for each matrix of a stack: the columns of all of them are positions.
    fn matrix_by_columns(
        &mut self,
        value: ValueId,
        x: PlanId,
        left: &Matrices,
        weights: &Tensor,
        right: &Matrices,
    ) -> Result<PlanId, QuantizeError> {
        let (batch, k, n, m) = (right.count(), right.rows, right.columns, left.rows);
        let map = elements((0..k * batch * n).map(|i| (i / n % batch * k + i / (batch * n)) * n + i % n).collect());
        let x = if batch == 1 {
            self.plan.reshape(x, vec![k, n, 1])
        } else {
            self.view_of(value, x, vec![k, batch * n, 1], map)
        };
        let y = self.pointwise(value, x, [m, batch * n], 1, weights.data.clone().into());
        if batch == 1 {
            return Ok(y);
        }
        let back = (0..batch * m * n).map(|i| (i / n % m * batch + i / (m * n)) * n + i % n).collect();
        Ok(self.view_of(value, y, vec![batch, m, n], elements(back)))
    }

    /// A stack of data matrices by a stack of constant ones: one channel group per matrix.
    fn stack_by_stack(
        &mut self,
        value: ValueId,
        x: PlanId,
        left: &Matrices,
        right: &Matrices,
        weights: &Tensor,
    ) -> Result<PlanId, QuantizeError> {
        let (m, k, n) = (left.rows, right.rows, right.columns);
        let batch = broadcast_batch(&left.batch, &right.batch);
        let groups: usize = batch.iter().product();
        self.within_budget(value, &[groups, k, m.max(n)])?;
        let from = broadcast(&left.full(), &[&batch[..], &[m, k]].concat());
        let x_map = (0..groups * k * m).map(|i| from[(i / (k * m) * m + i % m) * k + i / m % k]).collect();
        let x = self.view_of(value, x, vec![groups * k, m, 1], elements(x_map));
        let stacked = broadcast(&right.full(), &[&batch[..], &[k, n]].concat());
        let weight = |i: usize| weights.data[stacked[(i / (n * k) * k + i % k) * n + i / k % n]];
        let y = self.pointwise(value, x, [groups * n, m], groups, (0..groups * n * k).map(weight).collect());
        let back = (0..groups * m * n).map(|i| (i / (m * n) * n + i % n) * m + i / n % m).collect();
        Ok(self.view_of(value, y, vec![groups, m, n], elements(back)))
    }

    /// A stack of constant matrices by one of data matrices, as the transposed product of the transposed matrices.
    fn stack_on_the_left(
        &mut self,
        value: ValueId,
        x: PlanId,
        left: &Matrices,
        weights: &Tensor,
        right: &Matrices,
    ) -> Result<PlanId, QuantizeError> {
        let at = |i: usize, rows: usize, columns: usize| {
            (i / (rows * columns) * rows + i % rows) * columns + i / rows % columns
        };
        let (count, k, n, m) = (right.count(), right.rows, right.columns, left.rows);
        self.within_budget(value, &[count, k, n])?;
        let x = self.view_of(value, x, vec![count, n, k], elements((0..count * k * n).map(|i| at(i, k, n)).collect()));
        let transposed = |matrices: &Matrices| Matrices {
            batch: matrices.batch.clone(),
            rows: matrices.columns,
            columns: matrices.rows,
        };
        let columns = transposed(left);
        let data = (0..weights.data.len()).map(|i| weights.data[at(i, left.rows, left.columns)]).collect();
        let y = self.stack_by_stack(value, x, &transposed(right), &columns, &Tensor::new(columns.full(), data))?;
        let groups = self.plan.node(y).elements() / (m * n);
        let back = (0..groups * m * n).map(|i| at(i, n, m)).collect();
        Ok(self.view_of(value, y, vec![groups, m, n], elements(back)))
    }

    /// Two stacks of data matrices.
    fn data_product(
        &mut self,
        value: ValueId,
        operands: [PlanId; 2],
        left: &Matrices,
        right: &Matrices,
    ) -> Result<PlanId, QuantizeError> {
        let (operands, shape) = self.stacks(value, operands, left, right)?;
        Ok(self.push(value, PlanOp::MatMul { operands, factor: 1.0 }, shape, self.range(value)))
    }

    /// Two stacks of matrices of integers.
    pub(super) fn quantized_matmul(
        &mut self,
        value: ValueId,
        operands: [ValueId; 2],
        requantization: &Requantization,
    ) -> Result<PlanId, QuantizeError> {
        let (left, right) =
            (Matrices::left(&self.node(operands[0]).shape), Matrices::right(&self.node(operands[1]).shape));
        let data = [self.data(operands[0])?, self.data(operands[1])?];
        let (operands, shape) = self.stacks(value, data, &left, &right)?;
        let op = PlanOp::QuantizedMatMul { operands, requantization: requantization.clone() };
        Ok(self.integers(value, op, shape))
    }

    /// Operands of a product of matrices as stacks of one size, and the shape of their product.
    fn stacks(
        &mut self,
        value: ValueId,
        operands: [PlanId; 2],
        left: &Matrices,
        right: &Matrices,
    ) -> Result<([PlanId; 2], Vec<usize>), QuantizeError> {
        let batch = broadcast_batch(&left.batch, &right.batch);
        let (stack, m, k, n) = (batch.iter().product::<usize>(), left.rows, left.columns, right.columns);
        [[stack, m, k], [stack, k, n], [stack, m, n]].iter().try_for_each(|sizes| self.within_budget(value, sizes))?;
        let a = self.stacked(value, operands[0], left, &batch);
        let b = self.stacked(value, operands[1], right, &batch);
        Ok(([a, b], vec![stack, m, n]))
    }

    /// Matrices broadcast to a batch, as one stack.
    fn stacked(&mut self, value: ValueId, x: PlanId, matrices: &Matrices, batch: &[usize]) -> PlanId {
        let (stack, rows, columns) = (batch.iter().product(), matrices.rows, matrices.columns);
        let shape = vec![stack, rows, columns];
        if matrices.count() == stack {
            return self.plan.reshape(x, shape);
        }
        let map = broadcast(&matrices.full(), &[batch, &[rows, columns]].concat());
        self.view_of(value, x, shape, elements(map))
    }

    /// `[rows, columns]` transposed, under `shape`; a mere reshape where one of them is 1.
    fn transposed(&mut self, value: ValueId, x: PlanId, rows: usize, columns: usize, shape: Vec<usize>) -> PlanId {
        if rows == 1 || columns == 1 {
            return self.plan.reshape(x, shape);
        }
        let map = (0..rows * columns).map(|i| element(i % rows * columns + i / rows)).collect();
        self.view_of(value, x, shape, map)
    }

    fn pointwise(&mut self, value: ValueId, input: PlanId, size: [usize; 2], groups: usize, weights: Kernel) -> PlanId {
        let geometry = ConvGeometry { groups: groups as u32, ..ConvGeometry::POINTWISE };
        let op = PlanOp::Linear { input, geometry, weights, bias: vec![0.0; size[0]] };
        self.push(value, op, vec![size[0], size[1], 1], self.range(value))
    }

    pub(super) fn conv(
        &mut self,
        value: ValueId,
        input: ValueId,
        weights: ValueId,
        bias: Option<ValueId>,
        window: &Window,
        groups: usize,
    ) -> Result<PlanId, QuantizeError> {
        let (weights, bias) = self.kernel(value, weights, bias, self.node(value).shape[1])?;
        let geometry = ConvGeometry {
            kernel: window.kernel.map(|v| v as u32),
            stride: window.stride.map(|v| v as u32),
            dilation: window.dilation.map(|v| v as u32),
            padding: window.padding.map(|v| v as u32),
            groups: groups as u32,
        };
        let output = self.node(value).shape[1..].to_vec();
        self.within_budget(value, &[self.node(value).shape[0], weights.data.len()])?;
        self.per_image(value, input, |lowering, image| {
            let op =
                PlanOp::Linear { input: image, geometry, weights: weights.data.clone().into(), bias: bias.clone() };
            Ok(lowering.push(value, op, output.clone(), lowering.range(value)))
        })
    }

    /// The constant weights and bias of a convolution; no bias is zeros.
    fn kernel(
        &self,
        value: ValueId,
        weights: ValueId,
        bias: Option<ValueId>,
        outputs: usize,
    ) -> Result<(Tensor, Vec<f64>), QuantizeError> {
        const REMEDY: &str = "export the model with its weights as constants";
        let Some(weights) = self.finite_constant(value, weights, "a weight")? else {
            return self.unsupported(value, "a convolution whose weights depend on an input", REMEDY);
        };
        let bias = match bias {
            None => vec![0.0; outputs],
            Some(bias) => match self.finite_constant(value, bias, "a bias")? {
                Some(bias) => bias.data.to_vec(),
                None => return self.unsupported(value, "a convolution whose bias depends on an input", REMEDY),
            },
        };
        Ok((weights, bias))
    }

    /// Applies `build` to each image `[C, H, W]` of a batch and stacks the results.
    pub(super) fn per_image(
        &mut self,
        value: ValueId,
        input: ValueId,
        mut build: impl FnMut(&mut Self, PlanId) -> Result<PlanId, QuantizeError>,
    ) -> Result<PlanId, QuantizeError> {
        let shape = self.node(input).shape.clone();
        let source = self.data(input)?;
        let image: usize = shape[1..].iter().product();
        if shape[0] == 1 {
            let source = self.plan.reshape(source, shape[1..].to_vec());
            return build(self, source);
        }
        let mut sources = Vec::with_capacity(shape[0]);
        for n in 0..shape[0] {
            let map = (n * image..(n + 1) * image).map(element).collect();
            let one = self.view_of(value, source, shape[1..].to_vec(), map);
            sources.push(build(self, one)?);
        }
        let output = self.node(value).elements() / shape[0];
        let entry = |i: usize| ViewElement::Element { source: (i / output) as u32, index: (i % output) as u32 };
        let map = shared((0..self.node(value).elements()).map(entry).collect());
        Ok(self.push(value, PlanOp::View { sources, map }, self.node(value).shape.clone(), self.range(value)))
    }

    /// Transposed convolution by output phases. With `y + pad = stride·q + r` and `tap·dilation = stride·t + r`, output `y`
    /// reads input `q − t`: each residue `r` is an ordinary convolution at low resolution. All phases become one
    /// convolution with a channel per phase, and a view interleaves them.
    pub(super) fn conv_transpose(
        &mut self,
        value: ValueId,
        input: ValueId,
        weights: ValueId,
        bias: Option<ValueId>,
        window: &Window,
        groups: usize,
    ) -> Result<PlanId, QuantizeError> {
        let (weights, bias) = self.kernel(value, weights, bias, self.node(value).shape[1])?;
        self.by_phases(value, input, &weights, window, groups, |phases| {
            let bias = phases.outputs.iter().map(|&output| bias[output]).collect();
            let weights = phases.kernel.to_vec().into();
            PlanOp::Linear { input: phases.image, geometry: phases.geometry, weights, bias }
        })
    }

    /// [`Lowering::conv_transpose`] of integers.
    pub(super) fn quantized_conv_transpose(
        &mut self,
        value: ValueId,
        input: ValueId,
        [weights, bias]: [ValueId; 2],
        window: &Window,
        groups: usize,
        requantization: &Requantization,
    ) -> Result<PlanId, QuantizeError> {
        let graph = self.graph;
        let [weights, bias] = [weights, bias].map(|id| graph.constant(id).expect("quantized weights are constants"));
        self.by_phases(value, input, weights, window, groups, |phases| {
            let multipliers = phases.outputs.iter().map(|&output| requantization.multipliers[output]).collect();
            let offsets = phases.outputs.iter().map(|&output| requantization.offset(output)).collect();
            PlanOp::QuantizedConv {
                input: phases.image,
                geometry: phases.geometry,
                weights: phases.kernel.iter().map(|&w| w as i32).collect(),
                bias: phases.outputs.iter().map(|&output| bias.data[output] as i64).collect(),
                requantization: Requantization { multipliers, offsets, ..requantization.clone() },
            }
        })
    }

    /// A transposed convolution as the one convolution that `build` makes of its phases.
    fn by_phases(
        &mut self,
        value: ValueId,
        input: ValueId,
        weights: &Tensor,
        window: &Window,
        groups: usize,
        build: impl Fn(&PhaseConvolution) -> PlanOp,
    ) -> Result<PlanId, QuantizeError> {
        let out = self.node(value).shape.clone();
        let in_shape = self.node(input).shape.clone();
        self.within_budget(value, &[in_shape[0], in_shape[1], out[1], window.stride[0], window.stride[1]])?;
        let axes = [0, 1].map(|axis| Phases::new(window, axis, in_shape[axis + 2], out[axis + 2]));
        let layout = PhaseLayout { channels: in_shape[1], outputs: out[1], groups, axes: &axes };
        let kernel = [window.stride[0], window.stride[1], axes[0].width(), axes[1].width()];
        self.within_budget(value, &[&[in_shape[0], in_shape[1] / groups, out[1]], &kernel[..]].concat())?;
        let geometry = ConvGeometry {
            kernel: [axes[0].width() as u32, axes[1].width() as u32],
            stride: [1, 1],
            dilation: [1, 1],
            padding: [axes[0].before(), axes[1].before(), axes[0].after(), axes[1].after()],
            groups: groups as u32,
        };
        let kernel = layout.weights(window, weights);
        let outputs: Vec<_> = (0..layout.phases() * out[1]).map(|channel| layout.output_of(channel)).collect();
        let integer = self.node(value).element != Element::Real;
        let shape = vec![layout.phases() * out[1], axes[0].count, axes[1].count];
        let interleave = layout.interleave(window, [out[2], out[3]]);
        self.per_image(value, input, |lowering, image| {
            let op = build(&PhaseConvolution { image, geometry, kernel: &kernel, outputs: &outputs });
            let phases = lowering.push(value, op, shape.clone(), lowering.range(value));
            lowering.plan.nodes[phases.0].integer = integer;
            Ok(lowering.view_of(value, phases, out[1..].to_vec(), elements(interleave.clone())))
        })
    }
}

/// The convolution that the phases of a transposed one make together.
struct PhaseConvolution<'a> {
    image: PlanId,
    geometry: ConvGeometry,
    kernel: &'a [f64],
    /// For each channel the output that it is a phase of.
    outputs: &'a [usize],
}

/// The phases of a transposed convolution along one axis.
struct Phases {
    stride: usize,
    /// First `q` of each residue.
    first: Vec<i64>,
    /// Positions per phase, the most that any phase needs.
    count: usize,
    /// Input position read by position 0 through the first tap, at most 0.
    start: i64,
    /// Input position read by position 0 through the last tap.
    end: i64,
    input: usize,
}

impl Phases {
    fn new(window: &Window, axis: usize, input: usize, output: usize) -> Self {
        let (stride, pad) = (window.stride[axis] as i64, window.padding[axis] as i64);
        let first: Vec<_> = (0..stride).map(|r| (pad - r + stride - 1).div_euclid(stride)).collect();
        let last = |r: i64| (output as i64 - 1 + pad - r).div_euclid(stride);
        let count = (0..stride).map(|r| last(r) - first[r as usize] + 1).max().unwrap_or(1).max(1) as usize;
        let reads = (0..window.kernel[axis]).map(|tap| {
            let reach = (tap * window.dilation[axis]) as i64;
            first[(reach % stride) as usize] - reach / stride
        });
        let (start, end) = reads.fold((0, 0), |(start, end), read| (start.min(read), end.max(read)));
        // Taps of weight zero make the padding at the end at least 0.
        let end = end.max(input as i64 - count as i64);
        Self { stride: stride as usize, first, count, start, end, input }
    }

    fn width(&self) -> usize {
        (self.end - self.start + 1) as usize
    }

    fn before(&self) -> u32 {
        (-self.start) as u32
    }

    fn after(&self) -> u32 {
        (self.count as i64 - 1 + self.end - (self.input as i64 - 1)) as u32
    }

    /// The phase of a kernel tap and its position in the common kernel.
    fn tap(&self, reach: usize) -> (usize, usize) {
        let phase = reach % self.stride;
        (phase, (self.first[phase] - (reach / self.stride) as i64 - self.start) as usize)
    }
}

/// Channels of the phase convolution are ordered by group, then phase, then output within the group.
struct PhaseLayout<'a> {
    channels: usize,
    outputs: usize,
    groups: usize,
    axes: &'a [Phases; 2],
}

impl PhaseLayout<'_> {
    fn phases(&self) -> usize {
        self.axes[0].stride * self.axes[1].stride
    }

    fn channel(&self, phase: [usize; 2], output: usize) -> usize {
        let per_group = self.outputs / self.groups;
        let (group, within) = (output / per_group, output % per_group);
        let phase = phase[0] * self.axes[1].stride + phase[1];
        (group * self.phases() + phase) * per_group + within
    }

    fn output_of(&self, channel: usize) -> usize {
        let per_group = self.outputs / self.groups;
        channel / (per_group * self.phases()) * per_group + channel % per_group
    }

    fn weights(&self, window: &Window, weights: &Tensor) -> Vec<f64> {
        let (in_per_group, out_per_group) = (self.channels / self.groups, self.outputs / self.groups);
        let [width_y, width_x] = [self.axes[0].width(), self.axes[1].width()];
        let mut kernel = vec![0.0; self.phases() * self.outputs * in_per_group * width_y * width_x];
        for c in 0..self.channels {
            for within in 0..out_per_group {
                for ky in 0..window.kernel[0] {
                    for kx in 0..window.kernel[1] {
                        let (phase_y, at_y) = self.axes[0].tap(ky * window.dilation[0]);
                        let (phase_x, at_x) = self.axes[1].tap(kx * window.dilation[1]);
                        let output = c / in_per_group * out_per_group + within;
                        let channel = self.channel([phase_y, phase_x], output);
                        let to = ((channel * in_per_group + c % in_per_group) * width_y + at_y) * width_x + at_x;
                        let from = ((c * out_per_group + within) * window.kernel[0] + ky) * window.kernel[1] + kx;
                        kernel[to] += weights.data[from];
                    }
                }
            }
        }
        kernel
    }

    /// For each output element, the element of the phase convolution.
    fn interleave(&self, window: &Window, out: [usize; 2]) -> Vec<usize> {
        let locate = |axis: usize, y: usize| {
            let phases = &self.axes[axis];
            let shifted = y + window.padding[axis];
            let phase = shifted % phases.stride;
            (phase, ((shifted / phases.stride) as i64 - phases.first[phase]) as usize)
        };
        let mut map = Vec::with_capacity(self.outputs * out[0] * out[1]);
        for output in 0..self.outputs {
            for y in 0..out[0] {
                for x in 0..out[1] {
                    let ((phase_y, row), (phase_x, column)) = (locate(0, y), locate(1, x));
                    let channel = self.channel([phase_y, phase_x], output);
                    map.push((channel * self.axes[0].count + row) * self.axes[1].count + column);
                }
            }
        }
        map
    }
}

/// The range of a product of two independent values.
pub(super) fn product_range(a: Range, b: Range) -> Range {
    let corners = [a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi];
    Range {
        lo: corners.iter().copied().fold(f64::INFINITY, f64::min),
        hi: corners.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    }
}
