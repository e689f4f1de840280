//! Products of data matrices as polynomial identities (`docs/arithmetization.md`, section "Matrix products").
//!
//! One axis of a product is called its *channels* here and the other its *positions*; either may be the rows. With `x_k` the
//! operand that has the channels and `y_k` the one that has the positions,
//!
//! ```text
//! Σ_s ρ^(C·(S−1−s)) · Σ_c ρ^(C−1−c) Σ_p χ^(P−1−p)·acc[s, c, p]  =  Σ_s ρ^(C·(S−1−s)) · Σ_k x_k(ρ)·y_k(χ)
//! ```
//!
//! where `x_k(ρ)` and `y_k(χ)` are planes of `C` and of `P` elements. Planes that lie in the rows already are read there. Where
//! zeros follow a plane's elements, both sides have the power of the challenge that they make: on the side of the positions
//! by border cells, on that of the channels by steps of the outer accumulator that absorb nothing.
//!
//! In a stack of rows (`I = 1`) the matrices of the stack may be the positions, and the columns the channels:
//!
//! ```text
//! Σ_c ρ^(C−1−c) Σ_s χ^(S−1−s)·acc[s, c]  =  Σ_s χ^(S−1−s) · Σ_k a[s, k]·b_(s,k)(ρ)
//! ```
//!
//! A vector whose elements are all one element `e` is no plane but `e·(1 + ρ + … + ρ^(C−1))`, or the same in `χ`.

use std::collections::HashMap;

use super::builder::{Accumulated, Builder, IdentityCheck};
use super::conv::{PlacedPlanes, Planes};
use super::fill::Fill;
use super::rows::{Block, Lane, Place};
use super::scalar::{Base, Operand, Previous, ScalarRef};
use super::LayoutError;
use crate::graph::{Op, Requantize, TensorId};
use crate::machine::FixedColumn;
use crate::origin::Origin;

/// An operand, by the vectors along its outer axis: one for each matrix and each index that is summed over.
struct Factor {
    /// Vector after vector.
    origins: Vec<Origin>,
    /// Elements of a vector.
    width: usize,
    base: Base,
}

impl Factor {
    fn vectors(&self) -> impl Iterator<Item = &[Origin]> {
        self.origins.chunks(self.width)
    }

    /// The vectors as the plane reader takes them, but for repeated elements; `None` where they are single elements, which are
    /// operands themselves, or all are repeated.
    fn planes(&self) -> Option<Planes<'_>> {
        let origins: Vec<_> = self.vectors().filter(|vector| repeated(vector).is_none()).collect();
        let are_planes = self.width > 1 && !origins.is_empty();
        are_planes.then_some(Planes { origins, height: 1, width: self.width, least_pitch: self.width, base: self.base })
    }
}

/// The element that all elements of a vector are, unless it is zero.
fn repeated(vector: &[Origin]) -> Option<Origin> {
    let first = *vector.first()?;
    (!first.is_zero() && vector.iter().all(|&origin| origin == first)).then_some(first)
}

/// A stack of products of matrices.
struct Product {
    /// Sizes `S`, `I`, `K`, `J`.
    stack: usize,
    rows: usize,
    inner: usize,
    columns: usize,
    /// Whether the columns of the product are its channels, or else the rows.
    transposed: bool,
    /// Whether the matrices of the stack, of one row each, are the positions.
    stacked: bool,
    channels: Factor,
    positions: Factor,
}

impl Product {
    fn new(builder: &Builder<'_>, tensor: TensorId) -> Self {
        let Op::MatMul { operands: [a, b], .. } = builder.program.node(tensor).op else {
            unreachable!("the node is a product of matrices")
        };
        let (a_shape, b_shape) = (&builder.program.node(a).shape, &builder.program.node(b).shape);
        let (stack, rows, inner, columns) = (a_shape[0], a_shape[1], a_shape[2], b_shape[2]);
        let stacked = builder.stacked.contains(&tensor);
        let transposed = stacked || builder.transposed.contains(&tensor);
        let bases = if transposed { [Base::Chi, Base::Rho] } else { [Base::Rho, Base::Chi] };
        let column = |i: usize| (i / (inner * rows) * rows + i % rows) * inner + i / rows % inner;
        let left = (0..stack * inner * rows).map(|i| builder.origin(a, column(i))).collect();
        let right = (0..stack * inner * columns).map(|i| builder.origin(b, i)).collect();
        let left = Factor { origins: left, width: rows, base: bases[0] };
        let right = Factor { origins: right, width: columns, base: bases[1] };
        let (channels, positions) = if transposed { (right, left) } else { (left, right) };
        Self { stack, rows, inner, columns, transposed, stacked, channels, positions }
    }

    /// Channels of all products.
    fn all_channels(&self) -> usize {
        match self.stacked {
            true => self.channels.width,
            false => self.stack * self.channels.width,
        }
    }

    /// Positions of a channel.
    fn all_positions(&self) -> usize {
        match self.stacked {
            true => self.stack,
            false => self.positions.width,
        }
    }

    /// The number of the result's element at a position of a channel.
    fn element(&self, channel: usize, position: usize) -> usize {
        if self.stacked {
            return position * self.columns + channel;
        }
        let (matrix, channel) = (channel / self.channels.width, channel % self.channels.width);
        let (row, column) = if self.transposed { (position, channel) } else { (channel, position) };
        (matrix * self.rows + row) * self.columns + column
    }
}

/// The cells of a product: runs of `cells`, the elements of each from `first` on.
struct Shape {
    /// One for each channel, or one for all.
    runs: usize,
    cells: usize,
    first: usize,
    /// Factors `ρ` that both sides have in common.
    tail: usize,
    /// Whether channels are single cells, which are read with powers of `ρ` one after the other.
    flat: bool,
}

impl Shape {
    /// `tails` are the zeros behind the elements of a plane of channels, and of positions.
    fn new(product: &Product, tails: [usize; 2], units: usize) -> Self {
        let channels = product.all_channels();
        let [tail, behind] = tails;
        if product.all_positions() == 1 {
            let cells = (channels + tail).div_ceil(units) * units;
            return Self { runs: 1, cells, first: cells - channels - tail, tail, flat: true };
        }
        let reach = product.all_positions() + behind;
        let cells = reach.div_ceil(units) * units;
        Self { runs: channels, cells, first: cells - reach, tail, flat: false }
    }

    /// Rows that the accumulators take.
    fn rows(&self, stride: usize, units: usize) -> usize {
        let steps = if self.flat { 0 } else { self.tail };
        self.runs * self.cells / units * stride + steps
    }

    /// The element at an address, as its channel and position.
    fn at(&self, product: &Product, address: usize) -> Option<(usize, usize)> {
        let (run, within) = (address / self.cells, (address % self.cells).checked_sub(self.first)?);
        match self.flat {
            true => (within < product.all_channels()).then_some((within, 0)),
            false => (within < product.all_positions()).then_some((run, within)),
        }
    }
}

impl Builder<'_> {
    /// Decides for each product of matrices which of its axes are the channels, and asks those who make its operands to lay
    /// them out as its planes.
    pub(super) fn arrange_products(&mut self, wishes: &HashMap<TensorId, bool>) {
        for tensor in self.products() {
            if self.takes_the_stack_as_positions(tensor, wishes) {
                self.stacked.insert(tensor);
            } else if self.takes_columns_as_channels(tensor, wishes) {
                self.transposed.insert(tensor);
            }
        }
        for tensor in self.products() {
            let product = Product::new(self, tensor);
            for (factor, ends) in [(&product.channels, true), (&product.positions, false)] {
                if let Some(planes) = factor.planes() {
                    self.arrange_source(&planes, planes.width, ends);
                }
            }
        }
    }

    fn products(&self) -> Vec<TensorId> {
        let nodes = (0..).map(TensorId).zip(&self.program.nodes);
        nodes.filter(|(_, node)| matches!(node.op, Op::MatMul { .. })).map(|(tensor, _)| tensor).collect()
    }

    /// What the products of matrices wish of each other: whether a product's planes, which another one reads, run along its
    /// columns.
    pub(super) fn wishes_of_products(&self, wishes: &mut HashMap<TensorId, bool>) {
        for tensor in self.products() {
            let product = Product::new(self, tensor);
            for planes in [&product.channels, &product.positions].into_iter().filter_map(Factor::planes) {
                self.note_wish(&planes, wishes);
            }
        }
    }

    /// Notes how the first reader of a product of matrices wishes it to lie: `true` if its planes run along the columns.
    pub(super) fn note_wish(&self, planes: &Planes<'_>, wishes: &mut HashMap<TensorId, bool>) {
        let Some(&[first, second, ..]) = planes.origins.first().copied() else { return };
        if first.is_zero() || first.tensor != second.tensor {
            return;
        }
        let source = self.program.node(first.tensor);
        if let (Op::MatMul { .. }, Some(step)) = (&source.op, second.index.checked_sub(first.index)) {
            let columns = source.shape[2];
            if step as usize == 1 || step as usize == columns {
                wishes.entry(first.tensor).or_insert(step as usize == columns);
            }
        }
    }

    /// Whether a stack of rows is read along the stack.
    fn takes_the_stack_as_positions(&self, tensor: TensorId, wishes: &HashMap<TensorId, bool>) -> bool {
        let &[stack, rows, columns] = self.program.node(tensor).shape.as_slice() else {
            unreachable!("products have three axes")
        };
        stack > 1 && rows == 1 && columns > 1 && wishes.get(&tensor) == Some(&true)
    }

    fn takes_columns_as_channels(&self, tensor: TensorId, wishes: &HashMap<TensorId, bool>) -> bool {
        let shape = &self.program.node(tensor).shape;
        let (rows, columns) = (shape[1], shape[2]);
        let run = |positions: usize| positions.div_ceil(self.rows.units());
        match (rows, columns, wishes.get(&tensor)) {
            // Channels of one position are read one after the other.
            (1, ..) => columns > 1,
            (_, 1, _) => false,
            (.., Some(&along_columns)) => along_columns,
            _ => columns * run(rows) < rows * run(columns),
        }
    }

    /// Whether the elements of a product of matrices are requantized in rows of their own.
    pub(super) fn is_wide_product(&self, tensor: TensorId) -> bool {
        let op = &self.program.node(tensor).op;
        matches!(op, Op::MatMul { .. }) && self.wide_rows(op, &self.ranges[tensor.0 as usize]).is_some()
    }

    /// Lays out a stack of products of matrices and its identity.
    pub(super) fn matmul(&mut self, tensor: TensorId, requantize: &Option<Requantize>) -> Result<(), LayoutError> {
        let rows = self.accumulated(requantize, &self.ranges[tensor.0 as usize]);
        let product = Product::new(self, tensor);
        let stride = rows.stride(false);
        let units = self.rows.units();
        self.check_room(Shape::new(&product, [0, 0], units).rows(stride, units).saturating_mul(units))?;
        let (channel_operands, tail) =
            self.factor(&product.channels, |tail| Shape::new(&product, [tail, 0], units).rows(stride, units))?;
        let (position_operands, behind) =
            self.factor(&product.positions, |behind| Shape::new(&product, [tail, behind], units).rows(stride, units))?;
        let shape = Shape::new(&product, [tail, behind], units);
        self.check_room(shape.rows(stride, units).saturating_mul(units))?;
        let (block, places, borders) = self.product_cells(&product, &shape, &rows);
        let row = match shape.flat {
            true => self.read_flat(block, &rows),
            false => self.read_stepped(block, &shape, &rows),
        };
        let right = self.sum_of_products(&product, &channel_operands, &position_operands);
        let accumulators = self.settle_accumulators(tensor, &rows, &places);
        self.identities.push(IdentityCheck { tensor, accumulators, row, right, flat: shape.flat });
        self.fills.push(Fill::Borders { places: borders, constant: rows.form.constant });
        self.fills.push(Fill::MatMul { tensor, places: places.clone(), finish: rows.finish });
        self.clamp_rows(tensor, block, &rows, &places);
        self.finish_wide(tensor, &rows, &places);
        Ok(())
    }

    /// The values of a factor's vectors, `None` where a vector is zero, and the zeros behind the elements of each. Planes are
    /// read where they are unless that takes more rows than copies; `rows` is what the accumulators take with some zeros behind.
    fn factor(
        &mut self,
        factor: &Factor,
        rows: impl Fn(usize) -> usize,
    ) -> Result<(Vec<Option<Operand>>, usize), LayoutError> {
        if factor.width == 1 {
            let cell = |origin: &Origin| (!origin.is_zero()).then(|| Operand::Cell(self.place(*origin).value()));
            return Ok((factor.origins.iter().map(cell).collect(), 0));
        }
        let placed = match factor.planes() {
            Some(planes) => Some(self.placed(&planes, rows)?),
            None => None,
        };
        let behind = placed.as_ref().map_or(0, |placed| placed.cells - placed.base - factor.width);
        let mut starts = placed.iter().flat_map(|placed| &placed.starts);
        let cells = placed.as_ref().map_or(0, |placed| placed.cells);
        let mut operands = Vec::with_capacity(factor.origins.len() / factor.width);
        let mut powers = None;
        for vector in factor.vectors() {
            if let Some(element) = repeated(vector) {
                let powers = match powers {
                    Some(known) => known,
                    None => *powers.insert(self.powers_of_a_vector(factor, behind)),
                };
                let element = Operand::Cell(self.place(element).value());
                let value = self.scalar.multiply(Previous::Drop, element, Operand::Scalar(powers));
                operands.push(Some(Operand::Scalar(value)));
                continue;
            }
            let &(block, start) = starts.next().expect("every plane is placed");
            let is_zero = vector.iter().all(|origin| origin.is_zero());
            operands.push((!is_zero).then(|| self.read_plane(block, start, cells, factor.base)));
        }
        Ok((operands, behind))
    }

    /// The planes where they are, unless that takes more rows than copies.
    fn placed(&mut self, planes: &Planes<'_>, rows: impl Fn(usize) -> usize) -> Result<PlacedPlanes, LayoutError> {
        let (units, pitch) = (self.rows.units(), planes.width);
        let copied = planes.origins.len().saturating_mul(planes.cells(pitch, units));
        let behind = |placed: &PlacedPlanes| placed.cells - placed.base - planes.width;
        match self.find_planes(planes) {
            Some(placed) if rows(behind(&placed)) <= rows(0) + copied / units => Ok(placed),
            _ => {
                self.check_room(copied)?;
                Ok(self.copy_planes(planes, pitch, true))
            }
        }
    }

    /// What a vector of ones is worth, with so many zeros behind.
    fn powers_of_a_vector(&mut self, factor: &Factor, behind: usize) -> ScalarRef {
        let powers = self.scalar.geometric_sum(factor.base, factor.width as u64);
        if behind == 0 {
            return powers;
        }
        let shift = self.scalar.power(factor.base, behind as u64);
        self.scalar.multiply(Previous::Drop, Operand::Scalar(powers), Operand::Scalar(shift))
    }

    /// Cells for a product; returns the block, the places of the elements in their order, and the other places.
    fn product_cells(
        &mut self,
        product: &Product,
        shape: &Shape,
        rows: &Accumulated,
    ) -> (Block, Vec<Place>, Vec<Place>) {
        let units = self.rows.units();
        let block = self.rows.block(shape.runs * shape.cells / units, rows.stride(false));
        let mut places = vec![Place { row: 0, lane: 0 }; product.all_channels() * product.all_positions()];
        let mut borders = Vec::new();
        for address in 0..shape.runs * shape.cells {
            let place = self.rows.place(block, address);
            match shape.at(product, address) {
                Some((channel, position)) => {
                    places[product.element(channel, position)] = place;
                    self.rows.set_lane(place, rows.lane);
                }
                None => {
                    borders.push(place);
                    self.rows.set_lane(place, Lane::Border);
                }
            }
        }
        (block, places, borders)
    }

    /// The identity reader over channels, and the steps by `ρ` that the planes of the other side make; returns the row of its
    /// result.
    fn read_stepped(&mut self, block: Block, shape: &Shape, rows: &Accumulated) -> u32 {
        let last = self.read_channels(block, shape.runs, rows);
        if shape.tail == 0 {
            return last;
        }
        self.rows.set_all(FixedColumn::IdentityOuterKeep, last + 1..block.row(block.logical, 0), 1);
        let steps = self.rows.block(shape.tail, 1);
        self.rows.set_all(FixedColumn::IdentityOuterStep, steps.rows(0), 1);
        steps.first + steps.logical - 1
    }

    /// The right side: a row of the scalar unit for each product of two vectors that are not zero.
    fn sum_of_products(
        &mut self,
        product: &Product,
        channels: &[Option<Operand>],
        positions: &[Option<Operand>],
    ) -> ScalarRef {
        let pairs: Vec<_> = channels.iter().zip(positions).map(|(&x, &y)| Some((x?, y?))).collect();
        let groups: Vec<Vec<_>> =
            pairs.chunks(product.inner).map(|pairs| pairs.iter().copied().flatten().collect()).collect();
        match product.stacked {
            true => self.grouped_products(&groups, Base::Chi, 1),
            false => self.grouped_products(&groups, Base::Rho, product.channels.width),
        }
    }
}
