//! Emission of quantized operators: multipliers, offsets and shifts that reproduce every threshold.

use circuits::graph::{ConvGeometry, Limits, Op, Requantize, Table, TensorId, ViewElement, Weights};

use super::emit::{conv_size, Emitter};
use super::error::QuantizeError;
use super::plan::{element, PlanId, PlanOp};
use super::thresholds::{nearest, solve_sum, threshold_table, Lines, Nearest};
use crate::float::quantized::{QuantizedSum, Requantization};

/// Shifts that are tried; the limbs of a remainder have half as many bits.
const SHIFTS: std::ops::RangeInclusive<u32> = 12..=Limits::MAX_SHIFT;

impl Emitter<'_> {
    pub(super) fn quantized(&mut self, id: PlanId) -> Result<(), QuantizeError> {
        match &self.plan.node(id).op {
            PlanOp::QuantizedConv { input, geometry, weights, bias, requantization } => {
                self.quantized_conv(id, *input, geometry, (weights, bias), requantization)
            }
            PlanOp::QuantizedAdd { operands, sum } => self.quantized_add(id, *operands, sum),
            _ => unreachable!("only quantized operators come here"),
        }
    }

    fn quantized_conv(
        &mut self,
        id: PlanId,
        input: PlanId,
        geometry: &ConvGeometry,
        (weights, bias): (&[i32], &[i64]),
        rule: &Requantization,
    ) -> Result<(), QuantizeError> {
        let operand = self.shaped(input);
        let ranges = accumulator_ranges(self.bounds(operand), weights, bias);
        let fits = |v: i64| i32::try_from(v).is_ok();
        if ranges.iter().any(|&(lo, hi)| !fits(lo) || !fits(hi)) {
            return Err(self.too_large(id, "a 32-bit accumulator", "the runtime would wrap around here too"));
        }
        let lines: Vec<_> =
            ranges.iter().enumerate().map(|(channel, &range)| Lines::of(rule, channel, range)).collect();
        let per_channel = weights.len() / bias.len();
        let own = |channel: usize| &weights[channel * per_channel..(channel + 1) * per_channel];
        let line = |channel: usize, shift: u32| {
            let found = lines[channel].at(shift)?;
            let largest = own(channel).iter().map(|w| i64::from(w.unsigned_abs())).max().unwrap_or(0);
            (found.0.checked_mul(largest.max(1))? <= i64::from(i32::MAX)).then_some(found)
        };
        let has_line = |&channel: &usize| SHIFTS.step_by(2).any(|shift| line(channel, shift).is_some());
        // A group has to stay together.
        let (mut straight, mut bent): (Vec<_>, Vec<_>) = (0..bias.len()).partition(has_line);
        if geometry.groups > 1 && !bent.is_empty() {
            (straight, bent) = (vec![], (0..bias.len()).collect());
        }
        let size = conv_size(geometry, &self.plan.node(input).shape);
        let mut parts = Vec::new();
        if !straight.is_empty() {
            let fits = |shift: u32| straight.iter().map(|&channel| line(channel, shift)).collect::<Option<Vec<_>>>();
            let Some((shift, list)) = SHIFTS.step_by(2).find_map(|shift| fits(shift).map(|list| (shift, list))) else {
                return Err(self.too_large(id, "a common shift of exact requantizations", "split the layer"));
            };
            let half = 1i64 << (shift - 1);
            let scaled = |(&channel, line): (&usize, &(i64, i64))| {
                let factor = line.0;
                own(channel).iter().map(move |&w| (i64::from(w) * factor) as i32).collect::<Vec<_>>()
            };
            let weights: Weights = straight.iter().zip(&list).flat_map(scaled).collect();
            let offset = |(&channel, line): (&usize, &(i64, i64))| bias[channel] * line.0 + line.1 - half;
            let bias = straight.iter().zip(&list).map(offset).collect();
            let requantize = Some(self.clamp(shift, i64::from(rule.lo), i64::from(rule.hi)));
            let op = Op::Conv { input: operand, geometry: *geometry, weights, bias, requantize };
            let shape = vec![straight.len(), size[0], size[1]];
            parts.push(self.integers(id, op, shape, (i64::from(rule.lo), i64::from(rule.hi))));
        }
        if !bent.is_empty() {
            let weights: Weights = bent.iter().flat_map(|&channel| own(channel).to_vec()).collect();
            let bias = bent.iter().map(|&channel| bias[channel]).collect();
            let op = Op::Conv { input: operand, geometry: *geometry, weights, bias, requantize: None };
            let exact = self.integers(id, op, vec![bent.len(), size[0], size[1]], (0, 0));
            for (position, &channel) in bent.iter().enumerate() {
                parts.push(self.bent_channel(id, (exact, position, size), rule, channel, ranges[channel])?);
            }
        }
        let order: Vec<_> = straight.iter().chain(&bent).copied().collect();
        let result = self.channels_in_order(id, &parts, &order, straight.len(), size);
        self.keep(id, result);
        Ok(())
    }

    /// A channel whose rounding follows no line: the line nearest to it, and what the accumulators beside it lack.
    fn bent_channel(
        &mut self,
        id: PlanId,
        (exact, position, [height, width]): (TensorId, usize, [usize; 2]),
        rule: &Requantization,
        channel: usize,
        range: (i64, i64),
    ) -> Result<TensorId, QuantizeError> {
        let plane = height * width;
        let shape = vec![plane];
        let bounds = (i64::from(rule.lo), i64::from(rule.hi));
        let map = (position * plane..(position + 1) * plane).map(element).collect();
        let own = self.integers(id, Op::View { sources: vec![exact], map }, shape.clone(), range);
        let near = SHIFTS.step_by(2).filter_map(|shift| nearest(rule, channel, range, shift));
        let affine = |operands, factors, constant, requantize| Op::Affine { operands, factors, constant, requantize };
        let Some(Nearest { shift, factor, offset, corrections }) = near.min_by_key(|near| near.corrections.len())
        else {
            let Some((first, values)) = threshold_table(rule, channel, range) else {
                let remedy = "quantize the model again with other scales";
                return Err(self.too_large(id, "a table of thresholds", remedy));
            };
            let table = Table::new(format!("thresholds of channel {channel}"), first, values).expect("not empty");
            let table = self.store(table);
            let op = affine([own; 2], [1, 0], 0, Some(Requantize { shift: 0, table }));
            return Ok(self.integers(id, op, shape, bounds));
        };
        let clamp = Some(self.clamp(shift, bounds.0, bounds.1));
        let op = affine([own; 2], [factor, 0], offset - (1 << (shift - 1)), clamp);
        let mut result = self.integers(id, op, shape.clone(), bounds);
        for (accumulator, correction) in corrections {
            let is = self.store(Table::new("is zero".to_owned(), -1, vec![0, 1, 0]).expect("not empty"));
            let equal = affine([own; 2], [1, 0], -accumulator, Some(Requantize { shift: 0, table: is }));
            let equal = self.integers(id, equal, shape.clone(), (0, 1));
            let clamp = Some(self.clamp(0, bounds.0, bounds.1));
            result = self.integers(id, affine([result, equal], [1, correction], 0, clamp), shape.clone(), bounds);
        }
        Ok(result)
    }

    /// The parts of a convolution, the first of several channels and the others of one, in the order of its channels.
    fn channels_in_order(
        &mut self,
        id: PlanId,
        parts: &[TensorId],
        order: &[usize],
        first: usize,
        [height, width]: [usize; 2],
    ) -> TensorId {
        if parts.len() == 1 && first > 0 {
            return parts[0];
        }
        let (plane, lead) = (height * width, usize::from(first > 0));
        let mut place = vec![(0, 0); order.len()];
        for (position, &channel) in order.iter().enumerate() {
            place[channel] = if position < first { (0, position) } else { (position - first + lead, 0) };
        }
        let entry = |i: usize| {
            let (source, channel) = place[i / plane];
            ViewElement::Element { source: source as u32, index: (channel * plane + i % plane) as u32 }
        };
        let map = (0..order.len() * plane).map(entry).collect();
        let bounds = self.bounds(parts[0]);
        let op = Op::View { sources: parts.to_vec(), map };
        self.integers(id, op, vec![order.len(), height, width], bounds)
    }

    /// A tensor of integers that stand for themselves, or for what the node does.
    fn integers(&mut self, id: PlanId, op: Op, shape: Vec<usize>, bounds: (i64, i64)) -> TensorId {
        let node = self.plan.node(id).clone();
        self.emit(&node, op, shape, 1.0, bounds)
    }

    fn quantized_add(&mut self, id: PlanId, operands: [PlanId; 2], sum: &QuantizedSum) -> Result<(), QuantizeError> {
        let tensors = operands.map(|operand| self.read(operand));
        let bounds = tensors.map(|tensor| self.bounds(tensor));
        let (lo, hi) = sum.bounds();
        let found = SHIFTS.step_by(2).find_map(|shift| solve_sum(sum, bounds, shift).map(|found| (shift, found)));
        let (factors, constant, requantize) = match found {
            Some((shift, (factors, offset))) => (factors, offset - (1 << (shift - 1)), self.clamp(shift, lo, hi)),
            None => {
                // A table of all pairs of bytes.
                let width = bounds[1].1 - bounds[1].0 + 1;
                let pairs = (bounds[0].0..=bounds[0].1).flat_map(|a| (bounds[1].0..=bounds[1].1).map(move |b| (a, b)));
                let values = pairs.map(|(a, b)| sum.apply(a, b) as i32).collect();
                let table = Table::new("quantized sum".to_owned(), 0, values).expect("ranges are not empty");
                let table = self.store(table);
                ([width, 1], -(bounds[0].0 * width) - bounds[1].0, Requantize { shift: 0, table })
            }
        };
        let op = Op::Affine { operands: tensors, factors, constant, requantize: Some(requantize) };
        let shape = self.plan.node(id).shape.clone();
        self.emit_small(id, op, shape, (lo, hi));
        Ok(())
    }

    fn bounds(&self, tensor: TensorId) -> (i64, i64) {
        self.bounds[tensor.0 as usize]
    }

    fn clamp(&mut self, shift: u32, lo: i64, hi: i64) -> Requantize {
        let values = (lo as i32..=hi as i32).collect();
        let table = self.store(Table::new("clamp".to_owned(), lo, values).expect("ranges are not empty"));
        Requantize { shift, table }
    }
}

/// The accumulators that operands in a range, which holds zero, can give in each channel.
fn accumulator_ranges((lo, hi): (i64, i64), weights: &[i32], bias: &[i64]) -> Vec<(i64, i64)> {
    let (lo, hi) = (lo.min(0), hi.max(0));
    let channels = weights.chunks(weights.len() / bias.len());
    let range = |(own, bias): (&[i32], &i64)| {
        own.iter().fold((*bias, *bias), |(least, most), &w| {
            let (a, b) = (i64::from(w) * lo, i64::from(w) * hi);
            (least + a.min(b), most + a.max(b))
        })
    };
    channels.zip(bias).map(range).collect()
}
