//! Pooling: maxima over views of windows, averages as constant depthwise convolutions or sums.

use std::collections::BTreeMap;

use circuits::graph::{ConvGeometry, ViewElement};

use super::{elements, shared, Lowering};
use crate::float::graph::{ValueId, Window};
use crate::quantize::error::QuantizeError;
use crate::quantize::plan::{element, PlanId, PlanOp};

/// For each output position of a window over `[height, width]`, the positions inside the image that it reads.
fn windows(window: &Window, input: [usize; 2], output: [usize; 2]) -> Vec<Vec<usize>> {
    let inside = |axis: usize, o: usize, tap: usize| {
        (o * window.stride[axis] + tap * window.dilation[axis])
            .checked_sub(window.padding[axis])
            .filter(|&position| position < input[axis])
    };
    let mut list = Vec::with_capacity(output[0] * output[1]);
    for y in 0..output[0] {
        for x in 0..output[1] {
            let rows = (0..window.kernel[0]).filter_map(|tap| inside(0, y, tap));
            let reads = rows.flat_map(|row| {
                let columns = (0..window.kernel[1]).filter_map(move |tap| inside(1, x, tap));
                columns.map(move |column| row * input[1] + column)
            });
            list.push(reads.collect());
        }
    }
    list
}

impl Lowering<'_> {
    pub(super) fn max_pool(
        &mut self,
        value: ValueId,
        input: ValueId,
        window: &Window,
    ) -> Result<PlanId, QuantizeError> {
        let (from, to) = (self.node(input).shape.clone(), self.node(value).shape.clone());
        self.within_budget(value, &[from[0], from[1], to[2], to[3], window.kernel[0], window.kernel[1]])?;
        let windows = windows(window, [from[2], from[3]], [to[2], to[3]]);
        let size = windows.iter().map(Vec::len).max().unwrap_or(0);
        if windows.iter().any(Vec::is_empty) {
            return self.unsupported(value, "a maximum over padding alone", "reduce the padding of the pooling");
        }
        let image = from[2] * from[3];
        let mut map = Vec::with_capacity(from[0] * from[1] * windows.len() * size);
        for plane in 0..from[0] * from[1] {
            for reads in &windows {
                // A window at the border repeats its first element: padding never wins.
                map.extend((0..size).map(|i| element(plane * image + reads.get(i).unwrap_or(&reads[0]))));
            }
        }
        let source = self.data(input)?;
        let view = self.view_of(value, source, vec![from[0] * from[1], to[2], to[3], size], map);
        Ok(self.push(value, PlanOp::Max { input: view }, vec![from[0] * from[1], to[2], to[3]], self.range(value)))
    }

    pub(super) fn average_pool(
        &mut self,
        value: ValueId,
        input: ValueId,
        window: &Window,
        count_padding: bool,
    ) -> Result<PlanId, QuantizeError> {
        let (from, to) = (self.node(input).shape.clone(), self.node(value).shape.clone());
        self.within_budget(value, &[from[0], from[1], to[2], to[3], window.kernel[0], window.kernel[1]])?;
        let reads = windows(window, [from[2], from[3]], [to[2], to[3]]);
        let size = window.kernel[0] * window.kernel[1];
        let fits = (0..2).all(|axis| {
            let reach = (to[axis + 2] - 1) * window.stride[axis] + (window.kernel[axis] - 1) * window.dilation[axis];
            reach < from[axis + 2] + window.padding[axis] + window.padding[axis + 2]
        });
        if !fits || (!count_padding && reads.iter().any(|reads| reads.len() != size)) {
            let divisors: Vec<_> = reads.iter().map(|r| if count_padding { size } else { r.len().max(1) }).collect();
            return self.averages_by_size(value, input, &reads, &divisors);
        }
        let geometry = ConvGeometry {
            kernel: window.kernel.map(|v| v as u32),
            stride: window.stride.map(|v| v as u32),
            dilation: window.dilation.map(|v| v as u32),
            padding: window.padding.map(|v| v as u32),
            groups: from[1] as u32,
        };
        self.per_image(value, input, |lowering, image| {
            let weights = vec![1.0 / size as f64; from[1] * size].into();
            let op = PlanOp::Linear { input: image, geometry, weights, bias: vec![0.0; from[1]] };
            Ok(lowering.push(value, op, to[1..].to_vec(), lowering.range(value)))
        })
    }

    /// Averages over windows of different sizes: one sum for each pair of window size and divisor.
    fn averages_by_size(
        &mut self,
        value: ValueId,
        input: ValueId,
        reads: &[Vec<usize>],
        divisors: &[usize],
    ) -> Result<PlanId, QuantizeError> {
        let from = self.node(input).shape.clone();
        let (planes, image) = (from[0] * from[1], from[2] * from[3]);
        let mut groups: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        for (position, reads) in reads.iter().enumerate() {
            groups.entry((reads.len(), divisors[position])).or_default().push(position);
        }
        let source = self.data(input)?;
        let range = self.range(value);
        let mut sources = Vec::new();
        let mut map = vec![ViewElement::Zero; planes * reads.len()];
        for ((size, divisor), positions) in groups {
            if size == 0 {
                continue;
            }
            let gathered = (0..planes).flat_map(|plane| {
                positions.iter().flat_map(move |&p| reads[p].iter().map(move |&i| plane * image + i))
            });
            let view = self.view_of(value, source, vec![planes, positions.len(), size], elements(gathered.collect()));
            let sum = PlanOp::Sum { input: view, factor: 1.0 / divisor as f64, exact: false };
            for (i, &position) in positions.iter().enumerate() {
                for plane in 0..planes {
                    let index = (plane * positions.len() + i) as u32;
                    map[plane * reads.len() + position] = ViewElement::Element { source: sources.len() as u32, index };
                }
            }
            sources.push(self.push(value, sum, vec![planes, positions.len()], range));
        }
        let shape = self.node(value).shape.clone();
        Ok(self.push(value, PlanOp::View { sources, map: shared(map) }, shape, range))
    }
}
