//! Convolutions and dense layers as polynomial identities (`docs/arithmetization.md`, section "Linear layers").
//!
//! *Dense* (one output position): `Σ_o ρ^(O−1−o)·acc_o = Σ_i x_i · (Σ_o ρ^(O−1−o)·w_(o,i)) + Σ_o ρ^(O−1−o)·b_o`.
//!
//! *Planes*: each input channel is a polynomial in `χ` whose coefficient at `N − 1 − a` is the cell at address `a`; rows of a
//! picture follow one another at a common pitch, so a tap is a shift of addresses. A stride of `s` splits a channel into
//! `s²` planes (polyphase) that are read with stride 1. The product has a coefficient at every address; those that the layer
//! does not use are border cells.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use super::builder::{Accumulated, Builder, IdentityCheck};
use super::fill::{Fill, PlaneConv, PlaneTaps};
use super::rows::{Block, Lane, Place, RowForm};
use super::scalar::{Base, Operand, Previous, ScalarRef};
use super::weights::StripId;
use super::LayoutError;
use crate::analysis::Interval;
use crate::graph::{ConvGeometry, Op, Program, TensorId, Weights, LIMB_BITS};
use crate::machine::{AdviceColumn, Cell, FixedColumn, MachineParams};
use crate::origin::Origin;

/// Most cells that a layout with planes may have, whatever the width of the machine: several times what the largest models
/// that can be proved take.
const MOST_CELLS: usize = 1 << 26;

/// A convolution with stride 1 on planes.
struct Job {
    groups: Vec<Vec<Plane>>,
    height: usize,
    width: usize,
    /// Output channels per group.
    outputs: usize,
    out_height: usize,
    out_width: usize,
}

/// One input plane and how it is read: output `(y, x)` takes `Σ plane(y + t.0, x + t.1)·weights`.
struct Plane {
    /// `height × width`.
    origins: Vec<Origin>,
    taps: Vec<Tap>,
}

/// What a kernel's blocks have in common, and its taps with their distances in addresses from the least one.
pub(super) type KernelTaps = (BlockShape, Vec<(i64, StripId)>);

struct Tap {
    offset: [i64; 2],
    /// Which of the weights of an output channel.
    position: usize,
    /// The weights, one per output channel of the group.
    strip: StripId,
}

/// How a tensor is asked to be laid out: planes of equal size at a common pitch.
#[derive(Clone, Debug)]
pub(super) struct Arrangement {
    /// `planes × height × width` element numbers; `None` is zero.
    grid: Vec<Option<u32>>,
    height: usize,
    width: usize,
    pitch: usize,
    /// Whether a plane's elements are the last of its cells, or else the first.
    ends: bool,
    /// By elements, whether a plane holds them.
    placed: Vec<bool>,
}

impl Arrangement {
    fn new(planes: &Planes<'_>, pitch: usize, ends: bool) -> Self {
        let mut arrangement =
            Self { grid: Vec::new(), height: planes.height, width: planes.width, pitch, ends, placed: Vec::new() };
        arrangement.append(planes);
        arrangement
    }

    /// Whether further planes can follow: alike, and of other elements.
    fn admits(&self, planes: &Planes<'_>, pitch: usize, ends: bool) -> bool {
        let alike = (self.height, self.width, self.pitch, self.ends) == (planes.height, planes.width, pitch, ends);
        let placed = |element: u32| self.placed.get(element as usize).copied().unwrap_or(false);
        alike && !planes.elements().flatten().any(placed)
    }

    fn append(&mut self, planes: &Planes<'_>) {
        self.grid.extend(planes.elements());
        for element in planes.elements().flatten() {
            let index = element as usize;
            self.placed.resize(self.placed.len().max(index + 1), false);
            self.placed[index] = true;
        }
    }

    fn planes(&self) -> usize {
        self.grid.len() / (self.height * self.width)
    }

    /// The address of each of `elements` elements; those that no plane holds come after the planes.
    pub(super) fn addresses(&self, elements: usize, units: usize) -> Vec<usize> {
        let reach = (self.height - 1) * self.pitch + self.width;
        let cells = reach.div_ceil(units) * units;
        let base = if self.ends { cells - reach } else { 0 };
        let mut addresses = vec![usize::MAX; elements];
        for (slot, element) in self.grid.iter().enumerate() {
            if let Some(element) = element {
                let (plane, position) = (slot / (self.height * self.width), slot % (self.height * self.width));
                let (row, column) = (position / self.width, position % self.width);
                addresses[*element as usize] = plane * cells + base + row * self.pitch + column;
            }
        }
        let behind = self.planes() * cells;
        let unplaced = addresses.iter_mut().filter(|address| **address == usize::MAX);
        (behind..).zip(unplaced).for_each(|(next, address)| *address = next);
        addresses
    }
}

/// What the blocks of a convolution's kernels, or of its biases, have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct BlockShape {
    /// Weights of a tap.
    outputs: usize,
    /// Limbs of a weight.
    limbs: u32,
    /// Whether there are other groups of outputs.
    one_of_several: bool,
}

/// A range of rows that the plane reader reads as one plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PlaneRead {
    first_row: u32,
    last_row: u32,
    /// The challenge whose powers it is read with.
    base: Base,
}

/// Planes that are read, no two of which have a row in common.
#[derive(Clone, Debug, Default)]
pub(super) struct PlaneReads(BTreeMap<u32, PlaneRead>);

impl PlaneReads {
    /// The last plane that begins in this row or before it.
    fn last_until(&self, row: u32) -> Option<&PlaneRead> {
        self.0.range(..=row).next_back().map(|(_, read)| read)
    }

    /// Whether the row is read.
    fn reads(&self, row: u32) -> bool {
        self.last_until(row).is_some_and(|read| row <= read.last_row)
    }

    /// Whether the plane is there, or has no row in common with those that are.
    fn admits(&self, read: PlaneRead) -> bool {
        self.last_until(read.last_row).is_none_or(|known| *known == read || known.last_row < read.first_row)
    }

    fn insert(&mut self, read: PlaneRead) {
        self.0.insert(read.first_row, read);
    }
}

/// Planes of equal size that one node reads.
pub(super) struct Planes<'a> {
    /// Each with its `height × width` elements.
    pub(super) origins: Vec<&'a [Origin]>,
    pub(super) height: usize,
    pub(super) width: usize,
    /// The least distance of two rows of a plane.
    pub(super) least_pitch: usize,
    /// The challenge whose powers they are read with.
    pub(super) base: Base,
}

/// Planes that lie in the rows already: a common pitch, offset and number of cells.
pub(super) struct PlacedPlanes {
    pitch: usize,
    /// Address of the first element relative to the first cell read.
    pub(super) base: usize,
    /// Cells read per plane.
    pub(super) cells: usize,
    /// Per plane: the block, and the address of the first cell read.
    pub(super) starts: Vec<(Block, usize)>,
}

impl Planes<'_> {
    /// Cells from the first element of a plane to the last one.
    fn reach(&self, pitch: usize) -> usize {
        (self.height - 1) * pitch + self.width
    }

    /// Cells of a plane in rows of its own.
    pub(super) fn cells(&self, pitch: usize, units: usize) -> usize {
        self.reach(pitch).div_ceil(units) * units
    }

    /// The numbers of the elements, plane by plane; `None` is zero.
    fn elements(&self) -> impl Iterator<Item = Option<u32>> + '_ {
        let origins = self.origins.iter().copied().flatten();
        origins.map(|origin| (!origin.is_zero()).then_some(origin.index))
    }

    /// The tensor whose elements the planes consist of, each at most once; `None` where there is no such tensor.
    fn only_tensor(&self) -> Option<TensorId> {
        let mut seen = Vec::new();
        let mut tensor = None;
        for origin in self.origins.iter().copied().flatten().filter(|origin| !origin.is_zero()) {
            let index = origin.index as usize;
            seen.resize(seen.len().max(index + 1), false);
            if *tensor.get_or_insert(origin.tensor) != origin.tensor || std::mem::replace(&mut seen[index], true) {
                return None;
            }
        }
        tensor
    }
}

fn conv_parts(program: &Program, tensor: TensorId) -> (TensorId, &ConvGeometry, &Weights, &[i64]) {
    match &program.node(tensor).op {
        Op::Conv { input, geometry, weights, bias, .. } => (*input, geometry, weights, bias),
        _ => unreachable!("the node is a convolution"),
    }
}

impl Job {
    fn new(builder: &Builder<'_>, tensor: TensorId) -> Self {
        let (input, geometry, _, bias) = conv_parts(builder.program, tensor);
        let shape = &builder.program.node(input).shape;
        let out = &builder.program.node(tensor).shape;
        let (channels, [height, width], [out_height, out_width]) = match builder.geometries.get(&tensor) {
            Some(&picture) => (shape[0], picture, picture),
            None => (shape[0], [shape[1], shape[2]], [out[1], out[2]]),
        };
        let stride = geometry.stride.map(|s| s as usize);
        let groups = geometry.groups as usize;
        let (per_group, outputs) = (channels / groups, bias.len() / groups);
        let [kernel_height, kernel_width] = geometry.kernel.map(|k| k as usize);
        let plane_height = height.div_ceil(stride[0]);
        let plane_width = width.div_ceil(stride[1]);
        // A tap at distance `q = t·dilation − padding` from the output's position reads phase `q mod stride`.
        let phase = |axis: usize, t: usize| {
            let q = (t * geometry.dilation[axis] as usize) as i64 - i64::from(geometry.padding[axis]);
            let s = stride[axis] as i64;
            (q.rem_euclid(s) as usize, q.div_euclid(s))
        };
        let plane = |channel: usize, a: [usize; 2]| {
            let at = |row: usize, column: usize| match row < height && column < width {
                true => builder.origin(input, (channel * height + row) * width + column),
                false => Origin::ZERO,
            };
            (0..plane_height * plane_width)
                .map(|i| at(i / plane_width * stride[0] + a[0], i % plane_width * stride[1] + a[1]))
                .collect()
        };
        let group = |g: usize| {
            let mut planes = Vec::new();
            for c in 0..per_group {
                // By where they first occur; a kernel can have as many as taps.
                let mut phases: Vec<([usize; 2], Vec<Tap>)> = Vec::new();
                let mut places = HashMap::new();
                for ky in 0..kernel_height {
                    for kx in 0..kernel_width {
                        let ((a_y, t_y), (a_x, t_x)) = (phase(0, ky), phase(1, kx));
                        let position = (c * kernel_height + ky) * kernel_width + kx;
                        let strip = builder.strips.tap(tensor, g, position);
                        let tap = Tap { offset: [t_y, t_x], position, strip };
                        let place = *places.entry([a_y, a_x]).or_insert(phases.len());
                        if place == phases.len() {
                            phases.push(([a_y, a_x], vec![]));
                        }
                        phases[place].1.push(tap);
                    }
                }
                let channel = g * per_group + c;
                planes.extend(phases.into_iter().map(|(a, taps)| Plane { origins: plane(channel, a), taps }));
            }
            planes
        };
        Self {
            groups: (0..groups).map(group).collect(),
            height: plane_height,
            width: plane_width,
            outputs,
            out_height,
            out_width,
        }
    }

    fn is_dense(&self) -> bool {
        self.out_height * self.out_width == 1
    }

    /// The smallest pitch at which no tap of an output wraps onto an element of another row.
    fn least_pitch(&self) -> usize {
        let columns = self.groups.iter().flatten().flat_map(|plane| &plane.taps).map(|tap| tap.offset[1]);
        let (least, most) = columns.fold((0, 0), |(least, most), t| (t.min(least), t.max(most)));
        let beyond = (most + self.out_width as i64 - self.width as i64).max(0);
        self.width + beyond.max(-least) as usize
    }

    fn planes(&self) -> impl Iterator<Item = &Plane> {
        self.groups.iter().flatten()
    }

    /// The planes as the plane reader takes them.
    fn reading(&self) -> Planes<'_> {
        Planes {
            origins: self.planes().map(|plane| plane.origins.as_slice()).collect(),
            height: self.height,
            width: self.width,
            least_pitch: self.least_pitch(),
            base: Base::Chi,
        }
    }
}

impl Builder<'_> {
    /// Chooses pitches, and asks the producers that can lay out their elements freely to do so as the planes of their first
    /// convolution.
    pub(super) fn arrange(&mut self) {
        let nodes = (0..self.program.nodes.len() as u32).map(TensorId);
        let convs: Vec<_> = nodes.filter(|&tensor| self.is_conv(tensor)).collect();
        for &tensor in convs.iter().rev() {
            let job = Job::new(self, tensor);
            if job.is_dense() {
                continue;
            }
            let asked = self.pitches.get(&tensor).copied().unwrap_or(0);
            let pitch = job.least_pitch().max(asked);
            self.pitches.insert(tensor, pitch);
            self.ask_producer(&job, pitch);
        }
        let mut wishes = HashMap::new();
        for &tensor in &convs {
            let job = Job::new(self, tensor);
            if !job.is_dense() {
                self.arrange_source(&job.reading(), self.pitches[&tensor], false);
                self.note_wish(&job.reading(), &mut wishes);
            }
        }
        self.wishes_of_products(&mut wishes);
        self.arrange_products(&wishes);
    }

    fn is_conv(&self, tensor: TensorId) -> bool {
        matches!(self.program.node(tensor).op, Op::Conv { .. })
    }

    /// Where a convolution reads all of another's result, channel by channel: asks that one for its pitch, and if it takes
    /// positions one by one (1 × 1), for the shape of its pictures too.
    fn ask_producer(&mut self, job: &Job, pitch: usize) {
        let Some(source) = job.reading().only_tensor().filter(|&source| self.is_conv(source)) else { return };
        let in_order = |(index, origin): (usize, &Origin)| origin.tensor == source && origin.index as usize == index;
        if !job.planes().flat_map(|plane| &plane.origins).enumerate().all(in_order) {
            return;
        }
        let (_, geometry, _, bias) = conv_parts(self.program, source);
        let shape = &self.program.node(source).shape;
        let picture = [job.height, job.width];
        if job.planes().count() != bias.len() {
            return;
        }
        if *geometry == (ConvGeometry { groups: geometry.groups, ..ConvGeometry::POINTWISE }) {
            self.geometries.insert(source, picture);
        } else if picture != [shape[1], shape[2]] {
            return;
        }
        let known = self.pitches.entry(source).or_insert(0);
        *known = pitch.max(*known);
    }

    /// Asks the producer of planes, if it can lay out its elements freely, to do so as these planes; with `ends` each plane's
    /// elements are the last of its cells. Several readers may ask for planes that are alike, such as the samples of a batch.
    pub(super) fn arrange_source(&mut self, planes: &Planes<'_>, pitch: usize, ends: bool) {
        let Some(source) = planes.only_tensor() else { return };
        let free = match self.program.node(source).op {
            Op::Conv { .. }
            | Op::Reciprocal { .. }
            | Op::SquareRoot { .. }
            | Op::RoundSignificant { .. }
            | Op::Steps { .. }
            | Op::Quotient { .. } => false,
            Op::MatMul { .. } => self.is_wide_product(source),
            _ => true,
        };
        let there = self.arrangements.get(&source).map_or(0, Arrangement::planes);
        let cells = (there + planes.origins.len()).saturating_mul(planes.cells(pitch, self.rows.units()));
        if !free || self.check_room(cells).is_err() {
            return;
        }
        match self.arrangements.entry(source) {
            Entry::Vacant(entry) => drop(entry.insert(Arrangement::new(planes, pitch, ends))),
            Entry::Occupied(mut entry) if entry.get().admits(planes, pitch, ends) => entry.get_mut().append(planes),
            Entry::Occupied(_) => {}
        }
    }

    /// Lays out a convolution and its identity.
    pub(super) fn conv(&mut self, tensor: TensorId) -> Result<(), LayoutError> {
        let job = Job::new(self, tensor);
        let node = self.program.node(tensor);
        let Op::Conv { requantize, .. } = &node.op else { unreachable!("the node is a convolution") };
        let rows = self.accumulated(requantize, &self.ranges[tensor.0 as usize]);
        if job.is_dense() {
            self.dense(tensor, &job, rows);
        } else {
            self.check_width(node, self.border_range(tensor))?;
            self.plane_conv(tensor, &job, rows)?;
        }
        match self.weights.are_single() {
            true => Ok(()),
            false => Err(LayoutError::SharedWeights { node: node.name.clone() }),
        }
    }

    /// What the border cells of a convolution can hold: sums of some of an accumulator's terms, in which those that are left
    /// out may have been what kept it small.
    fn border_range(&self, tensor: TensorId) -> Interval {
        let (input, _, weights, bias) = conv_parts(self.program, tensor);
        let largest = self.ranges[input.0 as usize].value.magnitude();
        let sum = |weights: &[i32]| weights.iter().map(|&weight| i128::from(weight.unsigned_abs())).sum::<i128>();
        let per_output = weights.len() / bias.len();
        if let Some(declared) = self.program.private_weights.get(&tensor) {
            let [weight, bias] = [declared.weight_bits, declared.bias_bits].map(|bits| 1i128 << (bits - 1));
            let bound = weight * per_output as i128 * largest + bias;
            return Interval::new(-bound, bound);
        }
        let channels = weights.chunks(per_output).zip(bias);
        let bound = channels.map(|(weights, &bias)| sum(&weights) * largest + i128::from(bias.unsigned_abs())).max();
        Interval::new(-bound.unwrap_or(0), bound.unwrap_or(0))
    }

    /// The value of a block of weights, joined from those of its limbs where it has several.
    fn block_of_weights(&mut self, shape: BlockShape, taps: &[StripId]) -> Operand {
        let BlockShape { outputs, limbs, one_of_several } = shape;
        let mut joined = None;
        for limb in (0..limbs).rev() {
            let taps = taps.iter().map(|&strip| self.strips.limb(strip, limb)).collect();
            let block = Operand::Weights(self.weights.intern(self.strips, outputs, taps, one_of_several));
            let previous = match joined {
                None if limb == 0 => return block,
                None => Previous::Drop,
                Some(_) => Previous::Times(1 << LIMB_BITS),
            };
            joined = Some(self.scalar.add(previous, 1, block, 0));
        }
        Operand::Scalar(joined.expect("a weight has a limb"))
    }

    /// The blocks of a convolution's kernels.
    fn kernel_shape(&self, tensor: TensorId, job: &Job) -> BlockShape {
        let [limbs, _] = self.strips.limbs(tensor);
        BlockShape { outputs: job.outputs, limbs, one_of_several: job.groups.len() > 1 }
    }

    fn set_accumulated_rows(&mut self, block: Block, rows: &Accumulated) {
        self.rows.set_forms(block.rows(0), &rows.form);
        if let Some(tag) = rows.overflow_tag {
            self.rows.set_forms(block.rows(1), &RowForm { low_tag: tag, high_tag: tag, ..RowForm::default() });
        }
    }

    // --- dense ---------------------------------------------------------------------------------------------------

    fn dense(&mut self, tensor: TensorId, job: &Job, rows: Accumulated) {
        let (.., bias) = conv_parts(self.program, tensor);
        let outputs = bias.len();
        let units = self.rows.units();
        let logical = outputs.div_ceil(units);
        let block = self.rows.block(logical, rows.stride(false));
        let padding = logical * units - outputs;
        let places: Vec<_> = (0..outputs).map(|o| self.rows.place(block, padding + o)).collect();
        for &place in &places {
            self.rows.set_lane(place, rows.lane);
        }
        let borders: Vec<_> = (0..padding).map(|address| self.rows.place(block, address)).collect();
        for &place in &borders {
            self.rows.set_lane(place, Lane::Border);
        }
        let last = self.read_flat(block, &rows);
        let right = self.dense_right_side(tensor, job);
        let accumulators = self.settle_accumulators(tensor, &rows, &places);
        self.identities.push(IdentityCheck { tensor, accumulators, row: last, right, flat: true });
        self.fills.push(Fill::Borders { places: borders, constant: rows.form.constant });
        self.fills.push(Fill::Dense { tensor, places: places.clone(), finish: rows.finish });
        self.clamp_rows(tensor, block, &rows, &places);
        self.finish_wide(tensor, &rows, &places);
    }

    /// The places of a layer's accumulators are the homes of its elements, unless they are requantized elsewhere.
    pub(super) fn settle_accumulators(
        &mut self,
        tensor: TensorId,
        rows: &Accumulated,
        places: &[Place],
    ) -> Option<Vec<Place>> {
        if rows.wide.is_none() {
            self.settle(tensor, places.to_vec());
            return None;
        }
        places.iter().for_each(|&place| self.rows.take(place));
        Some(places.to_vec())
    }

    /// The identity reader over a block with powers of `ρ`; returns the row of its result.
    pub(super) fn read_flat(&mut self, block: Block, rows: &Accumulated) -> u32 {
        self.set_accumulated_rows(block, rows);
        self.rows.set_all(FixedColumn::IdentityLanesRho, block.rows(0), 1);
        self.rows.set_all(FixedColumn::IdentityStepRho, block.rows(0).skip(1), 1);
        self.keep_between(FixedColumn::IdentityKeep, block, |_| true);
        block.row(block.logical - 1, 0)
    }

    /// Keeps an accumulator on the physical rows between a logical row and the next, where it is to be kept behind a logical row.
    fn keep_between(&mut self, keep: FixedColumn, block: Block, kept: impl Fn(u32) -> bool) {
        let between = (0..block.logical - 1).filter(|&logical| kept(logical));
        self.rows.set_all(
            keep,
            between.flat_map(|logical| (1..block.stride).map(move |step| block.row(logical, step))),
            1,
        );
    }

    fn dense_right_side(&mut self, tensor: TensorId, job: &Job) -> ScalarRef {
        let shape = self.kernel_shape(tensor, job);
        let mut products = Vec::with_capacity(job.groups.len());
        for planes in &job.groups {
            let inputs = dense_inputs(job, planes);
            let used = inputs.into_iter().filter(|&(_, strip)| !self.strips.is_zero(strip));
            let used: Vec<_> = used.map(|(origin, strip)| (self.place(origin).value(), strip)).collect();
            let product = |(cell, strip)| (Operand::Cell(cell), self.block_of_weights(shape, &[strip]));
            products.push(used.into_iter().map(product).collect());
        }
        let sum = self.grouped_products(&products, Base::Rho, job.outputs);
        self.add_bias(sum, tensor, None)
    }

    /// `Σ_g base^(exponent·(G−1−g)) · Σ_i a_i·b_i`: one row a product, and a Horner step between groups.
    pub(super) fn grouped_products(
        &mut self,
        groups: &[Vec<(Operand, Operand)>],
        base: Base,
        exponent: usize,
    ) -> ScalarRef {
        let step = match exponent {
            1 => None,
            _ => Some(self.scalar.power(base, exponent as u64)),
        };
        let zero = Operand::Scalar(ScalarRef::ZERO);
        let mut sum = ScalarRef::ZERO;
        for (g, products) in groups.iter().enumerate() {
            let mut previous = Previous::Drop;
            if g > 0 {
                match step {
                    None => previous = Previous::Base(base),
                    Some(step) => {
                        sum = self.scalar.multiply(Previous::Drop, Operand::Scalar(sum), Operand::Scalar(step));
                        previous = Previous::Times(1);
                    }
                }
            }
            if products.is_empty() {
                sum = self.scalar.multiply(previous, zero, zero);
            }
            for &(a, b) in products {
                sum = self.scalar.multiply(previous, a, b);
                previous = Previous::Times(1);
            }
        }
        sum
    }

    /// Adds `(Σ_o ρ^(O−1−o)·b_o)·factor` to the last scalar.
    fn add_bias(&mut self, sum: ScalarRef, tensor: TensorId, factor: Option<ScalarRef>) -> ScalarRef {
        let (.., bias) = conv_parts(self.program, tensor);
        let strip = self.strips.bias(tensor);
        if self.strips.is_zero(strip) {
            return sum;
        }
        let [_, limbs] = self.strips.limbs(tensor);
        let shape = BlockShape { outputs: bias.len(), limbs, one_of_several: false };
        let block = self.block_of_weights(shape, &[strip]);
        let scaled = match factor {
            None => self.scalar.add(Previous::Drop, 1, block, 0),
            Some(factor) => self.scalar.multiply(Previous::Drop, block, Operand::Scalar(factor)),
        };
        debug_assert_ne!(scaled, sum);
        self.scalar.add(Previous::Times(1), 1, Operand::Scalar(sum), 0)
    }

    // --- planes --------------------------------------------------------------------------------------------------

    fn plane_conv(&mut self, tensor: TensorId, job: &Job, rows: Accumulated) -> Result<(), LayoutError> {
        let pitch = self.pitches[&tensor];
        let planes = job.reading();
        self.check_room(planes.origins.len().saturating_mul(planes.cells(pitch, self.rows.units())))?;
        let placed = match self.find_planes(&planes) {
            Some(placed) if self.is_worth_reading_in_place(job, &placed, pitch, rows.stride(false)) => placed,
            _ => self.copy_planes(&planes, pitch, false),
        };
        let shape = ProductShape::new(job, &placed, self.rows.units());
        self.check_room((job.groups.len() * job.outputs * rows.stride(false)).saturating_mul(shape.cells))?;
        let (block, homes) = self.output_block(job, &shape, &rows);
        let accumulators = self.settle_accumulators(tensor, &rows, &homes);
        let last = self.read_channels(block, job.groups.len() * job.outputs, &rows);
        let right = self.plane_right_side(tensor, job, &placed, &shape);
        self.identities.push(IdentityCheck { tensor, accumulators, row: last, right, flat: false });
        let conv = self.plane_fill(tensor, job, &placed, &shape, block);
        self.fills.push(Fill::Planes { conv, finish: rows.finish });
        self.clamp_rows(tensor, block, &rows, &homes);
        self.finish_wide(tensor, &rows, &homes);
        Ok(())
    }

    /// Whether so many more cells fit a machine: planes whose rows are far apart must not exhaust memory first.
    pub(super) fn check_room(&self, cells: usize) -> Result<(), LayoutError> {
        let rows = self.rows.len() + cells.div_ceil(self.rows.units());
        let limit = (1 << MachineParams::K.end()).min(MOST_CELLS / self.rows.units());
        match rows > limit {
            true => Err(LayoutError::TooLarge { rows, limit }),
            false => Ok(()),
        }
    }

    /// The planes where they are, if all lie in the rows at one pitch with nothing but zeros around.
    pub(super) fn find_planes(&self, planes: &Planes<'_>) -> Option<PlacedPlanes> {
        let units = self.rows.units();
        let mut found: Option<PlacedPlanes> = None;
        let mut used = PlaneReads::default();
        // The plane reader reads first physical rows: elements elsewhere (quotients of reciprocals) are copied.
        let elements = planes.origins.iter().copied().flatten().filter(|origin| !origin.is_zero());
        if !elements.map(|&origin| self.place(origin)).all(|place| self.rows.is_addressed(place)) {
            return None;
        }
        let &Planes { height, width, least_pitch, base, .. } = planes;
        for origins in &planes.origins {
            let address = |row: usize, column: usize| {
                let origin = origins[row * width + column];
                (!origin.is_zero()).then(|| self.rows.address(self.place(origin)))
            };
            // A plane of one row may begin with zeros, such as what a mask leaves out.
            let before = match height {
                1 => origins.iter().position(|origin| !origin.is_zero())?,
                _ => 0,
            };
            let (block, first) = address(0, before)?;
            let first = first.checked_sub(before)?;
            let pitch = match height {
                1 => found.as_ref().map_or(least_pitch, |found| found.pitch),
                _ => address(1, 0)?.1.checked_sub(first)?,
            };
            let start = first / units * units;
            let end = (first + planes.reach(pitch)).div_ceil(units) * units;
            if end > block.logical as usize * units {
                return None;
            }
            let regular = (0..height * width).all(|position| {
                let expected = first + position / width * pitch + position % width;
                match address(position / width, position % width) {
                    Some(found) => found == (block, expected),
                    None => !self.rows.is_taken(self.rows.place(block, expected)),
                }
            });
            let placed = found.get_or_insert_with(|| PlacedPlanes {
                pitch,
                base: first - start,
                cells: end - start,
                starts: Vec::new(),
            });
            let inside = |a: usize| a >= first && (a - first) % pitch < width && (a - first) / pitch < height;
            let zeros_around =
                || (start..end).filter(|&a| !inside(a)).all(|a| !self.rows.is_taken(self.rows.place(block, a)));
            let same = (pitch, first - start, end - start) == (placed.pitch, placed.base, placed.cells);
            if !(regular && same && pitch >= least_pitch && zeros_around()) {
                return None;
            }
            let read = self.plane_rows(block, start, end - start, base);
            if !(used.admits(read) && self.plane_reads.admits(read)) {
                return None;
            }
            used.insert(read);
            placed.starts.push((block, start));
        }
        found
    }

    fn plane_rows(&self, block: Block, start: usize, cells: usize, base: Base) -> PlaneRead {
        let first_row = self.rows.place(block, start).row;
        let last_row = self.rows.place(block, start + cells - 1).row;
        PlaneRead { first_row, last_row, base }
    }

    /// Whether planes that lie in the rows already take fewer cells than copies at a pitch of our own: planes that are spread
    /// wide make long products.
    fn is_worth_reading_in_place(&self, job: &Job, placed: &PlacedPlanes, pitch: usize, stride: usize) -> bool {
        let units = self.rows.units();
        let cells = job.reading().cells(pitch, units);
        let copied = PlacedPlanes { pitch, base: 0, cells, starts: Vec::new() };
        let product = |placed: &PlacedPlanes| {
            job.groups.len() * job.outputs * stride * ProductShape::new(job, placed, units).cells
        };
        product(placed) <= product(&copied) + job.planes().count() * copied.cells
    }

    /// Planes in rows of their own, element by element copied from their homes; with `ends` each plane's elements are the last
    /// of its cells.
    pub(super) fn copy_planes(&mut self, planes: &Planes<'_>, pitch: usize, ends: bool) -> PlacedPlanes {
        let units = self.rows.units();
        let cells = planes.cells(pitch, units);
        let base = if ends { cells - planes.reach(pitch) } else { 0 };
        let count = planes.origins.len();
        let block = self.rows.block(count * cells / units, 1);
        for (index, origins) in planes.origins.iter().enumerate() {
            for (position, &origin) in origins.iter().enumerate().filter(|(_, origin)| !origin.is_zero()) {
                let address = index * cells + base + position / planes.width * pitch + position % planes.width;
                let place = self.rows.place(block, address);
                self.rows.set_lane(place, Lane::Pinned);
                self.rows.take(place);
                self.copies.push((self.place(origin).value(), place.value()));
            }
        }
        let starts = (0..count).map(|index| (block, index * cells)).collect();
        PlacedPlanes { pitch, base, cells, starts }
    }

    /// The cells of the product, channel by channel; returns the block and the places of the elements.
    fn output_block(&mut self, job: &Job, shape: &ProductShape, rows: &Accumulated) -> (Block, Vec<Place>) {
        let units = self.rows.units();
        let channels = job.groups.len() * job.outputs;
        let block = self.rows.block(channels * shape.cells / units, rows.stride(false));
        let mut homes = Vec::with_capacity(channels * job.out_height * job.out_width);
        for address in 0..channels * shape.cells {
            let place = self.rows.place(block, address);
            let is_element = shape.window.is_element(address % shape.cells);
            self.rows.set_lane(place, if is_element { rows.lane } else { Lane::Border });
            if is_element {
                homes.push(place);
            }
        }
        (block, homes)
    }

    /// The identity reader over channels: `χ` within, `ρ` between them; returns the row of its result.
    pub(super) fn read_channels(&mut self, block: Block, channels: usize, rows: &Accumulated) -> u32 {
        let per_channel = block.logical / channels as u32;
        let begins = |logical: u32| logical.is_multiple_of(per_channel);
        let ends = |logical: u32| (logical + 1).is_multiple_of(per_channel);
        let first_channel = |logical: u32| logical < per_channel;
        self.set_accumulated_rows(block, rows);
        let mut set = |column, holds: &dyn Fn(u32) -> bool| {
            let logical = (0..block.logical).filter(|&logical| holds(logical));
            self.rows.set_all(column, logical.map(|logical| block.row(logical, 0)), 1);
        };
        set(FixedColumn::IdentityStepChi, &|logical| !begins(logical));
        set(FixedColumn::IdentityAbsorb, &ends);
        set(FixedColumn::IdentityOuterStep, &|logical| ends(logical) && !first_channel(logical));
        set(FixedColumn::IdentityOuterKeep, &|logical| !ends(logical) && !first_channel(logical));
        self.keep_between(FixedColumn::IdentityKeep, block, |logical| !ends(logical));
        self.keep_between(FixedColumn::IdentityOuterKeep, block, |logical| ends(logical) || !first_channel(logical));
        block.row(block.logical - 1, 0)
    }

    /// Reads a plane, once however many convolutions use it.
    pub(super) fn read_plane(&mut self, block: Block, start: usize, cells: usize, base: Base) -> Operand {
        let read = self.plane_rows(block, start, cells, base);
        let result = Operand::Cell(Cell::Advice(AdviceColumn::Plane, read.last_row));
        if self.plane_reads.reads(read.first_row) {
            return result;
        }
        let here = |row: &u32| (row - block.first).is_multiple_of(block.stride);
        let rows = read.first_row..=read.last_row;
        self.rows.set_all(FixedColumn::PlaneRead, rows.clone().filter(here), 1);
        self.rows.set_all(FixedColumn::PlaneStep, rows.clone().skip(1).filter(here), 1);
        self.rows.set_all(FixedColumn::PlaneKeep, rows.clone().filter(|row| !here(row)), 1);
        if base == Base::Rho {
            self.rows.set_all(FixedColumn::PlaneRho, rows.filter(here), 1);
        }
        self.plane_reads.insert(read);
        result
    }

    fn plane_right_side(
        &mut self,
        tensor: TensorId,
        job: &Job,
        placed: &PlacedPlanes,
        shape: &ProductShape,
    ) -> ScalarRef {
        let blocks = self.kernel_shape(tensor, job);
        let mut starts = placed.starts.iter();
        let mut products = Vec::with_capacity(job.groups.len());
        for planes in &job.groups {
            let mut group = Vec::with_capacity(planes.len());
            for plane in planes {
                let &(block, start) = starts.next().expect("every plane is placed");
                let evaluation = self.read_plane(block, start, placed.cells, Base::Chi);
                if let Some(kernel) = self.kernel(blocks, plane, placed.pitch, shape) {
                    group.push((evaluation, kernel));
                }
            }
            products.push(group);
        }
        let geometric = self.scalar.geometric_sum(Base::Chi, shape.cells as u64);
        let shift = self.scalar.power(Base::Chi, shape.common_shift as u64);
        let sum = self.grouped_products(&products, Base::Rho, job.outputs);
        let shifted = self.scalar.multiply(Previous::Drop, Operand::Scalar(sum), Operand::Scalar(shift));
        self.add_bias(shifted, tensor, Some(geometric))
    }

    /// `Σ_t χ^(τ_t − τ_min) · Σ_o ρ^(O−1−o)·w_(o,t)`: runs of neighbouring taps are blocks of weights, and a Horner scheme of
    /// the scalar unit joins them; once for all planes and convolutions that have it.
    fn kernel(&mut self, blocks: BlockShape, plane: &Plane, pitch: usize, shape: &ProductShape) -> Option<Operand> {
        let mut taps: Vec<_> = plane
            .taps
            .iter()
            .filter(|tap| !self.strips.is_zero(tap.strip))
            .map(|tap| (tap.flat(pitch), tap.strip))
            .collect();
        taps.sort_by_key(|&(offset, _)| std::cmp::Reverse(offset));
        taps.iter_mut().for_each(|(offset, _)| *offset -= shape.least_tap);
        if let Some(&known) = self.kernels.get(&(blocks, taps.clone())) {
            return Some(known);
        }
        let kernel = self.new_kernel(blocks, &taps)?;
        self.kernels.insert((blocks, taps), kernel);
        Some(kernel)
    }

    /// The kernel of taps in falling order.
    fn new_kernel(&mut self, blocks: BlockShape, taps: &[(i64, StripId)]) -> Option<Operand> {
        let mut joined: Option<(Operand, i64)> = None;
        for run in taps.chunk_by(|a, b| a.0 == b.0 + 1) {
            let last = run[run.len() - 1].0;
            let strips: Vec<_> = run.iter().map(|&(_, strip)| strip).collect();
            let block = self.block_of_weights(blocks, &strips);
            joined = Some(match joined {
                None => (block, last),
                Some((sum, at)) => {
                    let moved = self.multiply_by_power(sum, (at - last) as u64);
                    debug_assert!(matches!(moved, Operand::Scalar(_)));
                    (Operand::Scalar(self.scalar.add(Previous::Times(1), 1, block, 0)), last)
                }
            });
        }
        let (sum, last) = joined?;
        Some(match last {
            0 => sum,
            gap => self.multiply_by_power(sum, gap as u64),
        })
    }

    fn multiply_by_power(&mut self, operand: Operand, exponent: u64) -> Operand {
        let power = self.scalar.power(Base::Chi, exponent);
        Operand::Scalar(self.scalar.multiply(Previous::Drop, operand, Operand::Scalar(power)))
    }

    fn plane_fill(
        &self,
        tensor: TensorId,
        job: &Job,
        placed: &PlacedPlanes,
        shape: &ProductShape,
        block: Block,
    ) -> PlaneConv {
        let plane = |plane: &Plane| {
            let elements = plane.origins.iter().enumerate().filter(|(_, origin)| !origin.is_zero());
            let address = |position: usize| placed.base + position / job.width * placed.pitch + position % job.width;
            PlaneTaps {
                elements: elements
                    .map(|(position, origin)| (address(position) as u32, origin.tensor, origin.index))
                    .collect(),
                taps: plane
                    .taps
                    .iter()
                    .map(|tap| ((shape.shift - tap.flat(placed.pitch)) as usize, tap.position))
                    .collect(),
            }
        };
        PlaneConv {
            tensor,
            groups: job.groups.iter().map(|planes| planes.iter().map(plane).collect()).collect(),
            cells: placed.cells,
            outputs: job.outputs,
            output_cells: shape.cells,
            window: shape.window,
            block,
            units: self.rows.units(),
        }
    }
}

impl Tap {
    /// The tap as a difference of addresses.
    fn flat(&self, pitch: usize) -> i64 {
        self.offset[0] * pitch as i64 + self.offset[1]
    }
}

/// Inputs of a group of a dense layer with their weights.
fn dense_inputs(job: &Job, planes: &[Plane]) -> Vec<(Origin, StripId)> {
    let mut inputs = Vec::new();
    for plane in planes {
        for tap in &plane.taps {
            let [row, column] = tap.offset;
            let inside = (0..job.height as i64).contains(&row) && (0..job.width as i64).contains(&column);
            if inside {
                let origin = plane.origins[row as usize * job.width + column as usize];
                if !origin.is_zero() {
                    inputs.push((origin, tap.strip));
                }
            }
        }
    }
    inputs
}

/// Which cells of an output channel are elements: `height` rows of `width`, one pitch apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    first: usize,
    pitch: usize,
    height: usize,
    width: usize,
}

impl Window {
    /// Whether the cell at an address of the channel is an element.
    pub(super) fn is_element(&self, address: usize) -> bool {
        let within = |from_first: usize| from_first / self.pitch < self.height && from_first % self.pitch < self.width;
        address.checked_sub(self.first).is_some_and(within)
    }
}

/// The address arithmetic of a product of planes by kernels: tap `τ` takes the cell at `a` to `a + shift − τ`.
struct ProductShape {
    shift: i64,
    least_tap: i64,
    /// Cells of an output channel, a multiple of the units per row.
    cells: usize,
    /// Exponent of `χ` that all kernels have in common.
    common_shift: usize,
    window: Window,
}

impl ProductShape {
    fn new(job: &Job, placed: &PlacedPlanes, units: usize) -> Self {
        let taps = || job.planes().flat_map(|plane| &plane.taps).map(|tap| tap.flat(placed.pitch));
        let least_tap = taps().min().expect("a kernel has taps");
        let most_tap = taps().max().expect("a kernel has taps");
        // Outputs must not fall below address 0, even where all they read is padding.
        let shift = most_tap.max(-(placed.base as i64));
        let product = placed.cells as i64 + shift - least_tap;
        let last = placed.base + (job.out_height - 1) * placed.pitch + job.out_width - 1;
        let cells = product.max(last as i64 + shift + 1) as usize;
        let cells = cells.div_ceil(units) * units;
        let common_shift = cells - placed.cells - (shift - least_tap) as usize;
        let window = Window {
            first: (placed.base as i64 + shift) as usize,
            pitch: placed.pitch,
            height: job.out_height,
            width: job.out_width,
        };
        Self { shift, least_tap, cells, common_shift, window }
    }
}
