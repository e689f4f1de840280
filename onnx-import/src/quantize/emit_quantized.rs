//! Emission of quantized operators: multipliers, offsets and shifts that reproduce every threshold.

use std::collections::BTreeMap;

use circuits::graph::{ConvGeometry, Limits, Op, Requantize, Table, TableId, TensorId, ViewElement, Weights};

use super::emit::{conv_size, Emitter};
use super::emit_normalize::RowSums;
use super::error::QuantizeError;
use super::plan::{element, PlanId, PlanNode, PlanOp};
use super::thresholds::{nearest, solve_sum, threshold_table, thresholds, BrokenLine, Lines, Nearest};
use crate::float::quantized::{IntegerRule, QuantizedSum, QuantizedTable, Requantization, Rounding};

/// Most steps of a requantization that are taken one by one.
const MAX_STEPS: usize = 16;

/// Most integers that a table has entries for beyond its own.
const MAX_MAP: usize = 1 << 12;

/// Shifts that are tried; the limbs of a remainder have half as many bits.
const SHIFTS: std::ops::RangeInclusive<u32> = 12..=Limits::MAX_SHIFT;

impl Emitter<'_> {
    pub(super) fn quantized(&mut self, id: PlanId) -> Result<(), QuantizeError> {
        match &self.plan.node(id).op {
            PlanOp::QuantizedConv { input, geometry, weights, bias, requantization } => {
                self.quantized_conv(id, *input, geometry, (weights, bias), requantization)
            }
            PlanOp::QuantizedAdd { operands, sum } => self.quantized_add(id, *operands, sum),
            PlanOp::QuantizedMul { operands, requantization } => self.quantized_mul(id, *operands, requantization),
            PlanOp::QuantizedMatMul { operands, requantization } => {
                self.quantized_matmul(id, *operands, requantization)
            }
            PlanOp::QuantizedMap { input, table } => self.quantized_map(id, *input, table),
            PlanOp::QuantizedPairs { operands, table } => {
                let tensors = operands.map(|operand| self.read(operand));
                self.table_of_pairs(id, tensors, ("quantized function", table.bounds()), |a, b| table.apply(a, b));
                Ok(())
            }
            PlanOp::Integers { operands, rule } => {
                self.exact_integers(id, operands, rule);
                Ok(())
            }
            PlanOp::QuantizedNormalize { input, normalization } => {
                if normalization.wide {
                    return self.wide_normalize(id, *input, normalization);
                }
                self.quantized_normalize(id, *input, normalization);
                Ok(())
            }
            PlanOp::QuantizedAverage { input, average } => {
                self.quantized_average(id, *input, average);
                Ok(())
            }
            PlanOp::QuantizedSoftmax { input, softmax } => {
                if softmax.wide {
                    self.wide_softmax(id, *input, softmax);
                    return Ok(());
                }
                self.quantized_softmax(id, *input, softmax);
                Ok(())
            }
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
        if rule.rounding == Rounding::Near {
            let size = conv_size(geometry, &self.plan.node(input).shape);
            return self.wide_conv(id, (operand, size), geometry, (weights, bias), rule);
        }
        let ranges = self.planned_ranges(id, rule, accumulator_ranges(self.bounds(operand), weights, bias))?;
        let channels = Channels::new(rule, ranges);
        if !channels.fit() {
            return Err(self.wraps_around(id));
        }
        let per_channel = weights.len() / bias.len();
        let own = |channel: usize| &weights[channel * per_channel..(channel + 1) * per_channel];
        let (private, of_type) = (self.private_weights, largest_of_type(weights));
        let largest = |channel: usize| match private {
            true => of_type,
            false => own(channel).iter().map(|w| w.unsigned_abs()).max().unwrap_or(0).max(1),
        };
        // The multiplier becomes part of the weights.
        let line = |channel: usize, shift: u32| {
            let found = channels.lines[channel].at(shift)?;
            (found.0.checked_mul(largest(channel).into())? <= i64::from(i32::MAX)).then_some(found)
        };
        let size = conv_size(geometry, &self.plan.node(input).shape);
        let (straight, bent) = match self.given.and_then(|given| given.channels.get(&id)) {
            Some(ChannelPlan { straight, bent, .. }) => (straight.clone(), bent.clone()),
            None => match by_shift(bias.len(), line) {
                // A group has to stay together.
                (straight, bent) if geometry.groups > 1 && (straight.len() > 1 || !bent.is_empty()) => {
                    (vec![], (0..bias.len()).collect())
                }
                chosen => chosen,
            },
        };
        let has_line = |(shift, list): &(u32, Vec<usize>)| list.iter().all(|&channel| line(channel, *shift).is_some());
        if !straight.iter().all(has_line) {
            return Err(self.too_large(
                id,
                "a multiplier",
                "its channels have other shifts in the first model; keep the scales of that",
            ));
        }
        let bounds = rule_bounds(rule);
        let mut kept = None;
        if private {
            kept = Some(ChannelPlan { range: channels.range_of(&[0]), straight: straight.clone(), bent: bent.clone() });
        }
        let mut parts = Vec::new();
        for (shift, list) in straight {
            let lines: Vec<_> = list.iter().map(|&c| line(c, shift).expect("they were chosen by it")).collect();
            let half = 1i64 << (shift - 1);
            let most = lines.iter().map(|line| line.0 * i64::from(of_type)).max().unwrap_or(0);
            let scaled = |(&channel, line): (&usize, &(i64, i64))| {
                let factor = line.0;
                own(channel).iter().map(move |&w| (i64::from(w) * factor) as i32).collect::<Vec<_>>()
            };
            let weights: Weights = list.iter().zip(&lines).flat_map(scaled).collect();
            let offset = |(&channel, line): (&usize, &(i64, i64))| bias[channel] * line.0 + line.1 - half;
            let bias = list.iter().zip(&lines).map(offset).collect();
            let requantize = Some(self.clamp(shift, bounds.0, bounds.1));
            let op = Op::Conv { input: operand, geometry: *geometry, weights, bias, requantize };
            let part = self.integers(id, op, vec![list.len(), size[0], size[1]], bounds);
            self.declare_weights(part, most);
            parts.push((part, list));
        }
        if !bent.is_empty() {
            let weights: Weights = bent.iter().flat_map(|&channel| own(channel).to_vec()).collect();
            let bias = bent.iter().map(|&channel| bias[channel]).collect();
            let op = Op::Conv { input: operand, geometry: *geometry, weights, bias, requantize: None };
            let exact = self.integers(id, op, vec![bent.len(), size[0], size[1]], (0, 0));
            self.declare_weights(exact, of_type.into());
            self.requantize_channels(id, (exact, size), &bent, &channels, &mut parts)?;
        }
        let result = self.channels_in_order(id, &parts, size);
        self.keep(id, result);
        self.out.channels.extend(kept.map(|plan| (id, plan)));
        Ok(())
    }

    /// The accumulators that the channels of a convolution are requantized for. Where weights are private they follow from no weight but by
    /// their bits, and those of the first model serve others.
    fn planned_ranges(
        &self,
        id: PlanId,
        rule: &Requantization,
        own: Vec<(i64, i64)>,
    ) -> Result<Vec<(i64, i64)>, QuantizeError> {
        let fits = rule.rounding != Rounding::Float32 || own.iter().all(|&range| fits_accumulator(range));
        if !self.private_weights || !fits {
            return Ok(own);
        }
        let all = own.iter().fold((0, 0), |all: (i64, i64), range| (all.0.min(range.0), all.1.max(range.1)));
        let range = match self.given.and_then(|given| given.channels.get(&id)) {
            Some(plan) => plan.range,
            None => with_room(all, rule),
        };
        match range.0 <= all.0 && all.1 <= range.1 {
            true => Ok(vec![range; own.len()]),
            false => Err(self.too_large(id, "an accumulator", "it may be larger than the first model is laid out for")),
        }
    }

    /// Private weights of a quantized convolution have the bits of the largest that its type admits.
    pub(super) fn declare_weights(&mut self, tensor: TensorId, largest: i64) {
        if self.private_weights {
            self.out.weight_bits.insert(tensor, u64::BITS - largest.unsigned_abs().leading_zeros() + 1);
        }
    }

    /// Requantizes exact accumulators, those of the channels `list`: by lines of a common shift where there are some; where
    /// the rounding follows no line, by the line nearest to it and what the accumulators beside that lack, or by steps.
    fn requantize_channels(
        &mut self,
        id: PlanId,
        (exact, size): (TensorId, [usize; 2]),
        list: &[usize],
        channels: &Channels,
        parts: &mut Vec<(TensorId, Vec<usize>)>,
    ) -> Result<(), QuantizeError> {
        let line = |position: usize, shift: u32| {
            let found = channels.lines[list[position]].at(shift)?;
            i32::try_from(found.0).is_ok().then_some(found)
        };
        let (straight, bent) = by_shift(list.len(), line);
        let numbers = |positions: &[usize]| positions.iter().map(|&position| list[position]).collect::<Vec<_>>();
        for (shift, positions) in straight {
            let own = self.channels_of(id, (exact, size), &positions, channels.range_of(list));
            let lines: Vec<_> = positions.iter().map(|&p| line(p, shift).expect("they were chosen by it")).collect();
            parts.push((self.by_lines(id, own, size, (shift, &lines), channels.rule), numbers(&positions)));
        }
        let (beside, rest) = beside_lines(channels, list, bent);
        let (broken, rest) = match channels.rule.rounding == Rounding::FixedPoint {
            // A comparison takes the place of all breaks.
            true => (vec![], rest),
            false => broken_lines(channels, list, rest),
        };
        for (shift, members) in broken {
            let positions: Vec<_> = members.iter().map(|member| member.0).collect();
            let own = self.channels_of(id, (exact, size), &positions, channels.range_of(list));
            let lines: Vec<_> = members.into_iter().map(|member| member.1).collect();
            parts.push((self.by_broken_lines(id, own, size, (shift, &lines), channels.rule), numbers(&positions)));
        }
        for position in rest {
            let channel = list[position];
            let own = self.channels_of(id, (exact, size), &[position], channels.ranges[channel]);
            parts.push((self.by_steps(id, own, size, channels, channel)?, vec![channel]));
        }
        for ((shift, signs), members) in beside {
            let positions: Vec<_> = members.iter().map(|member| member.0).collect();
            let own = self.channels_of(id, (exact, size), &positions, channels.range_of(list));
            let lines: Vec<_> = members.iter().map(|(_, near)| (near.factor, near.offset)).collect();
            let mut result = self.by_lines(id, own, size, (shift, &lines), channels.rule);
            let (lo, hi) = rule_bounds(channels.rule);
            for (number, &sign) in signs.iter().enumerate() {
                let at: Vec<_> = members.iter().map(|(_, near)| (1, -near.corrections[number].0)).collect();
                let is = self.store(Table::new("is zero".to_owned(), -1, vec![0, 1, 0]).expect("not empty"));
                let equal = self.pointwise(id, own, size, &at, Some(Requantize { shift: 0, table: is }), (0, 1));
                let clamp = Some(self.clamp(0, lo, hi));
                let op = Op::Affine { operands: [result, equal], factors: [1, sign], constant: 0, requantize: clamp };
                result = self.integers(id, op, vec![positions.len(), size[0], size[1]], (lo, hi));
            }
            parts.push((result, numbers(&positions)));
        }
        Ok(())
    }

    /// `clamp(⌊(factor·acc + offset) / 2^shift⌋)` with a factor and an offset for each channel.
    fn by_lines(
        &mut self,
        id: PlanId,
        own: TensorId,
        size: [usize; 2],
        (shift, lines): (u32, &[(i64, i64)]),
        rule: &Requantization,
    ) -> TensorId {
        let bounds = rule_bounds(rule);
        let half = 1i64 << (shift - 1);
        let lines: Vec<_> = lines.iter().map(|line| (line.0, line.1 - half)).collect();
        let clamp = self.clamp(shift, bounds.0, bounds.1);
        self.pointwise(id, own, size, &lines, Some(clamp), bounds)
    }

    /// Lines whose offset changes at some accumulators: what each change adds, where it is reached, joins the sum that is
    /// requantized.
    fn by_broken_lines(
        &mut self,
        id: PlanId,
        own: TensorId,
        size: [usize; 2],
        (shift, lines): (u32, &[BrokenLine]),
        rule: &Requantization,
    ) -> TensorId {
        let bounds = rule_bounds(rule);
        let half = 1i64 << (shift - 1);
        let shape = vec![lines.len(), size[0], size[1]];
        let first: Vec<_> = lines.iter().map(|line| (line.factor, line.pieces[0].1 - half)).collect();
        let mut sum = self.pointwise(id, own, size, &first, None, (0, 0));
        let breaks = lines.iter().map(|line| line.pieces.len()).max().unwrap_or(1) - 1;
        if breaks == 0 {
            let whole: Vec<_> = lines.iter().map(|line| (line.factor, line.pieces[0].1)).collect();
            return self.by_lines(id, own, size, (shift, &whole), rule);
        }
        let reached = self.is_reached();
        for number in 1..=breaks {
            // A line of fewer pieces changes by nothing.
            let of = |line: &BrokenLine| line.pieces.get(number).copied();
            let at: Vec<_> = lines.iter().map(|line| (1, of(line).map_or(0, |(start, _)| -start))).collect();
            let change = |line: &BrokenLine| of(line).map_or(0, |(_, offset)| offset - line.pieces[number - 1].1);
            let added: Vec<_> = lines.iter().map(|line| (change(line), 0)).collect();
            let requantize = Some(Requantize { shift: 0, table: reached });
            let is_reached = self.pointwise(id, own, size, &at, requantize, (0, 1));
            let added = self.pointwise(id, is_reached, size, &added, None, (0, 0));
            let last = (number == breaks).then(|| self.clamp(shift, bounds.0, bounds.1));
            let op = Op::Affine { operands: [sum, added], factors: [1, 1], constant: 0, requantize: last };
            sum = self.integers(id, op, shape.clone(), if last.is_some() { bounds } else { (0, 0) });
        }
        sum
    }

    /// A factor and an offset for each channel, requantized or exact.
    pub(super) fn pointwise(
        &mut self,
        id: PlanId,
        own: TensorId,
        [height, width]: [usize; 2],
        lines: &[(i64, i64)],
        requantize: Option<Requantize>,
        bounds: (i64, i64),
    ) -> TensorId {
        let op = match lines {
            &[(factor, constant)] => Op::Affine { operands: [own; 2], factors: [factor, 0], constant, requantize },
            _ => Op::Conv {
                input: own,
                geometry: ConvGeometry { groups: lines.len() as u32, ..ConvGeometry::POINTWISE },
                weights: lines.iter().map(|line| line.0 as i32).collect(),
                bias: lines.iter().map(|line| line.1).collect(),
                requantize,
            },
        };
        self.integers(id, op, vec![lines.len(), height, width], bounds)
    }

    /// One channel whose requantization has few steps, or few accumulators between the first and the last.
    fn by_steps(
        &mut self,
        id: PlanId,
        own: TensorId,
        [height, width]: [usize; 2],
        channels: &Channels,
        channel: usize,
    ) -> Result<TensorId, QuantizeError> {
        let (rule, range, shape) = (channels.rule, channels.ranges[channel], vec![1, height, width]);
        let bounds = rule_bounds(rule);
        let affine = |operands, factors, constant, requantize| Op::Affine { operands, factors, constant, requantize };
        let steps = thresholds(rule, channel, range.0, range.1);
        if let ([(first, _), ..], true) = (&steps[..], steps.len() <= MAX_STEPS) {
            let mut result = None;
            for &(_, threshold) in &steps {
                let lowest = if result.is_none() { *first as i32 - 1 } else { 0 };
                let values = vec![lowest, lowest + 1];
                let table = self.store(Table::new("is reached".to_owned(), -1, values).expect("not empty"));
                let requantize = Some(Requantize { shift: 0, table });
                let op = affine([own; 2], [1, 0], -threshold, requantize);
                let reached = self.integers(id, op, shape.clone(), (lowest.into(), i64::from(lowest) + 1));
                result = Some(match result {
                    None => reached,
                    Some(before) => {
                        let clamp = Some(self.clamp(0, bounds.0, bounds.1));
                        self.integers(id, affine([before, reached], [1, 1], 0, clamp), shape.clone(), bounds)
                    }
                });
            }
            return Ok(result.expect("there is a step"));
        }
        let Some((first, values)) = threshold_table(rule, channel, range) else {
            if rule.rounding == Rounding::FixedPoint {
                return self.by_comparison(id, own, shape, (rule, channel), range);
            }
            return Err(self.too_large(id, "a table of thresholds", "quantize the model again with other scales"));
        };
        let table = Table::new(format!("thresholds of channel {channel}"), first, values).expect("not empty");
        let table = self.store(table);
        let op = affine([own; 2], [1, 0], 0, Some(Requantize { shift: 0, table }));
        Ok(self.integers(id, op, shape, bounds))
    }

    /// One channel whose accumulators have more bits than a line takes: with `P = ⌊2^k / m⌉`, `q` from a line that gives the rounded result or
    /// one less, and `b = [2^(k+1)·(acc + offset / m) ≥ (2·q + 1)·P]`, whether it is one less.
    fn by_comparison(
        &mut self,
        id: PlanId,
        own: TensorId,
        shape: Vec<usize>,
        (rule, channel): (&Requantization, usize),
        (least, most): (i64, i64),
    ) -> Result<TensorId, QuantizeError> {
        /// Bits of what is compared.
        const BITS: f64 = 58.0;
        /// How far the line is kept below what is rounded, in units.
        const BIAS: f64 = 1.0 / 64.0;
        let (lo, hi) = rule_bounds(rule);
        let (multiplier, offset) = (rule.multipliers[channel], rule.offset(channel));
        let largest = least.unsigned_abs().max(most.unsigned_abs()) as f64 + (offset / multiplier).abs() + 1.0;
        // Beyond that many units the result is an end of its type however the line runs.
        let results = 2.0 * lo.unsigned_abs().max(hi.unsigned_abs()) as f64 + 4.0;
        let bits = (BITS - largest.max(results / multiplier).log2()).floor() - 1.0;
        let (shift, unit) = (Limits::MAX_SHIFT, f64::from(Limits::MAX_SHIFT).exp2());
        let factor = (multiplier * unit).round();
        // What the line is off by is less than what it is kept below the result by.
        let off = (factor / unit / multiplier - 1.0).abs() * results.min(largest * multiplier);
        if bits < 1.0 || off >= BIAS / 2.0 || i32::try_from(factor as i64).is_err() {
            return Err(self.too_large(id, "a table of thresholds", "quantize the model again with other scales"));
        }
        let affine = |operands, factors, constant, requantize| Op::Affine { operands, factors, constant, requantize };
        // `2·q + 1`, by a table of `q`.
        let values = (lo - 1..=hi).map(|q| (2 * q + 1) as i32).collect();
        let table = Table::new("twice and one".to_owned(), lo - 1, values).expect("ranges are not empty");
        let requantize = Some(Requantize { shift, table: self.store(table) });
        let constant = ((offset - BIAS) * unit) as i64;
        let image = (2 * lo - 1, 2 * hi + 1);
        let below = self.integers(id, affine([own; 2], [factor as i64, 0], constant, requantize), shape.clone(), image);
        let (scale, step) = ((bits + 1.0).exp2(), (bits.exp2() / multiplier).round() as i64);
        let requantize = Some(Requantize { shift: 0, table: self.is_reached() });
        let constant = (scale * offset / multiplier).round() as i64;
        let op = affine([own, below], [scale as i64, -step], constant, requantize);
        let more = self.integers(id, op, shape.clone(), (0, 1));
        let result = |key: i64| (key - 1).div_euclid(2).clamp(lo, hi) as i32;
        let values = (2 * lo - 1..=2 * hi + 3).map(result).collect();
        let table = Table::new("rounded sum".to_owned(), 2 * lo - 1, values).expect("ranges are not empty");
        let requantize = Some(Requantize { shift: 0, table: self.store(table) });
        Ok(self.integers(id, affine([below, more], [1, 2], 0, requantize), shape, (lo, hi)))
    }

    /// Some channels of a tensor of several.
    fn channels_of(
        &mut self,
        id: PlanId,
        (tensor, [height, width]): (TensorId, [usize; 2]),
        positions: &[usize],
        bounds: (i64, i64),
    ) -> TensorId {
        let (plane, shape) = (height * width, vec![positions.len(), height, width]);
        if positions.len() * plane == self.elements(tensor) {
            return tensor;
        }
        let map = positions.iter().flat_map(|&position| (position * plane..(position + 1) * plane).map(element));
        let op = Op::View { sources: vec![tensor], map: map.collect() };
        self.integers(id, op, shape, bounds)
    }

    /// The parts of a convolution, each with its channels, in the order of the channels.
    fn channels_in_order(
        &mut self,
        id: PlanId,
        parts: &[(TensorId, Vec<usize>)],
        [height, width]: [usize; 2],
    ) -> TensorId {
        if let [(only, _)] = parts {
            return *only;
        }
        let plane = height * width;
        let count = parts.iter().map(|part| part.1.len()).sum();
        let mut place = vec![(0, 0); count];
        for (number, (_, channels)) in parts.iter().enumerate() {
            channels.iter().enumerate().for_each(|(position, &channel)| place[channel] = (number, position));
        }
        let entry = |i: usize| {
            let (source, channel) = place[i / plane];
            ViewElement::Element { source: source as u32, index: (channel * plane + i % plane) as u32 }
        };
        let map = (0..count * plane).map(entry).collect();
        let bounds = self.bounds(parts[0].0);
        let op = Op::View { sources: parts.iter().map(|part| part.0).collect(), map };
        self.integers(id, op, vec![count, height, width], bounds)
    }

    fn quantized_mul(&mut self, id: PlanId, operands: [PlanId; 2], rule: &Requantization) -> Result<(), QuantizeError> {
        let operands = operands.map(|operand| self.read(operand));
        let range = product_range(self.bounds(operands[0]), self.bounds(operands[1]));
        self.requantize_whole(id, Op::Product { operands, requantize: None }, range, rule)
    }

    fn quantized_matmul(
        &mut self,
        id: PlanId,
        operands: [PlanId; 2],
        rule: &Requantization,
    ) -> Result<(), QuantizeError> {
        let count = self.plan.node(operands[0]).shape.last().map_or(1, |&count| count as i64);
        let operands = operands.map(|operand| self.shaped(operand));
        let (lo, hi) = product_range(self.bounds(operands[0]), self.bounds(operands[1]));
        let range = (lo.saturating_mul(count), hi.saturating_mul(count));
        self.requantize_whole(id, Op::MatMul { operands, requantize: None }, range, rule)
    }

    /// An operator whose exact results are requantized by one rule.
    fn requantize_whole(
        &mut self,
        id: PlanId,
        op: Op,
        range: (i64, i64),
        rule: &Requantization,
    ) -> Result<(), QuantizeError> {
        if rule.rounding == Rounding::Near {
            return self.wide_whole(id, op, range, rule);
        }
        let channels = Channels::new(rule, vec![range]);
        if !channels.fit() {
            return Err(self.wraps_around(id));
        }
        let shape = self.plan.node(id).shape.clone();
        let exact = self.integers(id, op, shape.clone(), range);
        let size = [self.elements(exact), 1];
        let mut parts = Vec::new();
        let own = self.reshape(exact, vec![1, size[0], size[1]]);
        self.requantize_channels(id, (own, size), &[0], &channels, &mut parts)?;
        let result = self.reshape(parts[0].0, shape);
        self.keep(id, result);
        Ok(())
    }

    /// A table, looked up; where the requantization of its operand is read by nothing else, as the table of that.
    fn quantized_map(&mut self, id: PlanId, input: PlanId, table: &QuantizedTable) -> Result<(), QuantizeError> {
        let operand = self.read(input);
        let (lo, hi) = self.bounds(operand);
        if self.wide_function(id, operand, table) {
            return Ok(());
        }
        if (hi - lo) as usize > MAX_MAP.max(table.values.len()) {
            self.wide_map(id, operand, table);
            return Ok(());
        }
        let values = (lo..=hi).map(|centered| table.apply(centered) as i32).collect();
        let lookup = Table::new("quantized function".to_owned(), lo, values).expect("ranges are not empty");
        let bounds = lookup.image(lo, hi);
        if self.is_read_once(input) && self.replace_clamp(operand, id, table) {
            self.bounds[operand.0 as usize] = bounds;
            self.keep(id, operand);
            return Ok(());
        }
        let table = self.store(lookup);
        let shape = self.plan.node(id).shape.clone();
        let operand = self.reshape(operand, shape.clone());
        self.emit_small(id, Op::Lookup { input: operand, table }, shape, bounds);
        Ok(())
    }

    /// A table of a few integers of an operand with many, whose ends stand for those beyond.
    fn wide_map(&mut self, id: PlanId, operand: TensorId, table: &QuantizedTable) {
        let shape = self.plan.node(id).shape.clone();
        let values = table.values.to_vec();
        let lookup = Table::new("function of many integers".to_owned(), table.first.into(), values).expect("not empty");
        let requantize = Some(Requantize { shift: 0, table: self.store(lookup) });
        let operand = self.reshape(operand, shape.clone());
        let op = Op::Affine { operands: [operand; 2], factors: [1, 0], constant: 0, requantize };
        self.emit_small(id, op, shape, table.bounds());
    }

    /// The table that tells whether a difference is at least 0.
    pub(super) fn is_reached(&mut self) -> TableId {
        self.store(Table::new("is reached".to_owned(), -1, vec![0, 1]).expect("not empty"))
    }

    fn wraps_around(&self, id: PlanId) -> QuantizeError {
        self.too_large(id, "a 32-bit accumulator", "the runtime would wrap around here too")
    }

    /// A tensor of integers that stand for themselves, or for what the node does.
    pub(super) fn integers(&mut self, id: PlanId, op: Op, shape: Vec<usize>, bounds: (i64, i64)) -> TensorId {
        let node = self.plan.node(id).clone();
        self.emit(&node, op, shape, 1.0, bounds)
    }

    fn quantized_add(&mut self, id: PlanId, operands: [PlanId; 2], sum: &QuantizedSum) -> Result<(), QuantizeError> {
        let tensors = operands.map(|operand| self.read(operand));
        if sum.wide {
            return self.wide_sum(id, tensors, sum);
        }
        let bounds = tensors.map(|tensor| self.bounds(tensor));
        let (lo, hi) = sum.bounds();
        let found = SHIFTS.step_by(2).find_map(|shift| solve_sum(sum, bounds, shift).map(|found| (shift, found)));
        let Some((shift, (factors, offset))) = found else {
            self.table_of_pairs(id, tensors, ("quantized sum", (lo, hi)), |a, b| sum.apply(a, b));
            return Ok(());
        };
        let (constant, requantize) = (offset - (1 << (shift - 1)), Some(self.clamp(shift, lo, hi)));
        let shape = self.plan.node(id).shape.clone();
        self.emit_small(id, Op::Affine { operands: tensors, factors, constant, requantize }, shape, (lo, hi));
        Ok(())
    }

    /// A function of two tensors of small integers, by a table of all pairs of them.
    fn table_of_pairs(
        &mut self,
        id: PlanId,
        operands: [TensorId; 2],
        (name, image): (&str, (i64, i64)),
        function: impl Fn(i64, i64) -> i64,
    ) {
        let [first, second] = operands.map(|operand| self.bounds(operand));
        let width = second.1 - second.0 + 1;
        let pairs = (first.0..=first.1).flat_map(|a| (second.0..=second.1).map(move |b| (a, b)));
        let values = pairs.map(|(a, b)| function(a, b) as i32).collect();
        let table = self.store(Table::new(name.to_owned(), 0, values).expect("ranges are not empty"));
        let (factors, constant) = ([width, 1], -(first.0 * width) - second.0);
        let op = Op::Affine { operands, factors, constant, requantize: Some(Requantize { shift: 0, table }) };
        let shape = self.plan.node(id).shape.clone();
        self.emit_small(id, op, shape, image);
    }

    /// Sums, combinations and products that nothing rounds.
    fn exact_integers(&mut self, id: PlanId, operands: &[PlanId], rule: &IntegerRule) {
        let node = PlanNode { origin: None, ..self.plan.node(id).clone() };
        let tensors: Vec<_> = operands.iter().map(|&operand| self.shaped(operand)).collect();
        let bounds: Vec<_> = tensors.iter().map(|&tensor| self.bounds(tensor)).collect();
        let scaled =
            |factor: i64, (lo, hi): (i64, i64)| (factor * lo).min(factor * hi)..=(factor * lo).max(factor * hi);
        let (tensor, range) = match rule {
            IntegerRule::Sum(_) => {
                let rows = self.plan.node(operands[0]).shape.clone();
                let (count, size) = (rows[0], rows[1]);
                let sums = RowSums { size, factor: 1, constant: 0, step: 1.0 };
                let sums = self.row_sums(&PlanNode { shape: rows, ..node }, tensors[0], &sums);
                let (lo, hi) = bounds[0];
                self.bounds[sums.0 as usize] = (lo * size as i64, hi * size as i64);
                (self.reshape(sums, vec![count]), (lo * size as i64, hi * size as i64))
            }
            &IntegerRule::Combination(factors) => {
                let [a, b] = [scaled(factors[0], bounds[0]), scaled(factors[1], bounds[1])];
                let range = (a.start() + b.start(), a.end() + b.end());
                let operands = [tensors[0], tensors[1]];
                let op = Op::Affine { operands, factors, constant: 0, requantize: None };
                (self.integers(id, op, node.shape.clone(), range), range)
            }
            IntegerRule::Product => {
                let (lo, hi) = product_range(bounds[0], bounds[1]);
                let range = (if tensors[0] == tensors[1] { lo.max(0) } else { lo }, hi);
                let operands = [tensors[0], tensors[1]];
                let op = Op::Product { operands, requantize: None };
                (self.integers(id, op, node.shape.clone(), range), range)
            }
        };
        self.bounds[tensor.0 as usize] = range;
        self.keep(id, tensor);
    }

    fn bounds(&self, tensor: TensorId) -> (i64, i64) {
        self.bounds[tensor.0 as usize]
    }

    pub(super) fn clamp(&mut self, shift: u32, lo: i64, hi: i64) -> Requantize {
        let values = (lo as i32..=hi as i32).collect();
        let table = self.store(Table::new("clamp".to_owned(), lo, values).expect("ranges are not empty"));
        Requantize { shift, table }
    }
}

/// A requantization and the accumulators that each of its channels can have.
struct Channels<'a> {
    rule: &'a Requantization,
    ranges: Vec<(i64, i64)>,
    lines: Vec<Lines>,
}

impl<'a> Channels<'a> {
    fn new(rule: &'a Requantization, ranges: Vec<(i64, i64)>) -> Self {
        let fits = rule.rounding != Rounding::Float32 || ranges.iter().all(|&range| fits_accumulator(range));
        let line = |(channel, &range): (usize, &(i64, i64))| Lines::of(rule, channel, range);
        // What does not fit is refused, and has no lines.
        let lines = if fits { ranges.iter().enumerate().map(line).collect() } else { vec![] };
        Self { rule, ranges, lines }
    }

    fn fit(&self) -> bool {
        self.rule.rounding != Rounding::Float32 || self.ranges.iter().all(|&range| fits_accumulator(range))
    }

    fn nearest(&self, channel: usize, shift: u32) -> Option<Nearest> {
        nearest(self.rule, channel, self.ranges[channel], shift).filter(|near| i32::try_from(near.factor).is_ok())
    }

    /// The range of some channels together.
    fn range_of(&self, list: &[usize]) -> (i64, i64) {
        let ranges = list.iter().map(|&channel| self.ranges[channel]);
        ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((0, 0))
    }
}

/// How the channels of a quantized convolution are requantized. Where weights are private it is public, and serves other weights too.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ChannelPlan {
    /// The accumulators that all channels are requantized for.
    range: (i64, i64),
    /// The channels whose multiplier becomes part of the weights, by their shift.
    straight: Vec<(u32, Vec<usize>)>,
    /// The others.
    bent: Vec<usize>,
}

/// The largest magnitude of integers of the type that some weights have: of int8, of the difference of two such, or of whole bits.
pub(super) fn largest_of_type(weights: &[i32]) -> u32 {
    match weights.iter().map(|weight| weight.unsigned_abs()).max().unwrap_or(0) {
        0..=128 => 128,
        129..=255 => 255,
        larger => larger.next_power_of_two(),
    }
}

/// Accumulators of twice as many bits of magnitude as a range has, as far as int32 goes where the model's are of that type.
fn with_room((lo, hi): (i64, i64), rule: &Requantization) -> (i64, i64) {
    let end = hi.max(-lo).max(1).unsigned_abs().next_power_of_two().min(1 << 60) as i64 * 2;
    match rule.rounding != Rounding::Float32 {
        true => (-end, end - 1),
        false => ((-end).max(i32::MIN.into()), (end - 1).min(i32::MAX.into())),
    }
}

fn fits_accumulator((lo, hi): (i64, i64)) -> bool {
    i32::try_from(lo).is_ok() && i32::try_from(hi).is_ok()
}

fn rule_bounds(rule: &Requantization) -> (i64, i64) {
    (rule.lo.into(), rule.hi.into())
}

/// Channels with lines at a common shift, the shift that serves most first, and those without a line at any.
fn by_shift(count: usize, line: impl Fn(usize, u32) -> Option<(i64, i64)>) -> (Vec<(u32, Vec<usize>)>, Vec<usize>) {
    let mut left: Vec<usize> = (0..count).collect();
    let mut groups = Vec::new();
    while !left.is_empty() {
        let served = |shift: u32| left.iter().copied().filter(|&c| line(c, shift).is_some()).collect::<Vec<_>>();
        let mut best = (SHIFTS.min().unwrap_or(0), Vec::new());
        for shift in SHIFTS.step_by(2) {
            let list = served(shift);
            if list.len() > best.1.len() {
                best = (shift, list);
            }
            if best.1.len() == left.len() {
                break;
            }
        }
        if best.1.is_empty() {
            break;
        }
        left.retain(|channel| !best.1.contains(channel));
        groups.push(best);
    }
    (groups, left)
}

/// Channels beside lines, by the shift of these and the signs of what they lack.
type Beside = BTreeMap<(u32, Vec<i64>), Vec<(usize, Nearest)>>;

/// For positions in a list of channels the nearest lines, with as few different shifts as may be, and the positions that
/// have none.
fn beside_lines(channels: &Channels, list: &[usize], positions: Vec<usize>) -> (Beside, Vec<usize>) {
    let at = |position: usize, shift: u32| channels.nearest(list[position], shift);
    let fewest = |&position: &usize| {
        let counts = SHIFTS.step_by(2).filter_map(|shift| at(position, shift).map(|near| near.corrections.len()));
        counts.min().unwrap_or(0)
    };
    let fewest: Vec<usize> = positions.iter().map(fewest).collect();
    let serves = |number: usize, shift: u32| {
        at(positions[number], shift).filter(|near| near.corrections.len() <= fewest[number] + 1).map(|_| (0, 0))
    };
    let (groups, rest) = by_shift(positions.len(), serves);
    let mut beside = Beside::new();
    for (shift, numbers) in groups {
        for position in numbers.into_iter().map(|number| positions[number]) {
            let mut near = at(position, shift).expect("they were chosen by it");
            near.corrections.sort_by_key(|correction| correction.1);
            let signs = near.corrections.iter().map(|correction| correction.1).collect();
            beside.entry((shift, signs)).or_default().push((position, near));
        }
    }
    (beside, rest.into_iter().map(|number| positions[number]).collect())
}

/// Channels with broken lines, by the shift of these.
type Broken = Vec<(u32, Vec<(usize, BrokenLine)>)>;

/// For positions in a list of channels lines of few pieces, and the positions that have none.
fn broken_lines(channels: &Channels, list: &[usize], positions: Vec<usize>) -> (Broken, Vec<usize>) {
    let at = |position: usize, shift: u32| {
        let channel = list[position];
        BrokenLine::of(channels.rule, channel, channels.ranges[channel], shift)
    };
    let fewest = |&position: &usize| {
        let counts = SHIFTS.step_by(2).filter_map(|shift| at(position, shift).map(|line| line.pieces.len()));
        counts.min().unwrap_or(0)
    };
    let fewest: Vec<usize> = positions.iter().map(fewest).collect();
    let serves = |number: usize, shift: u32| {
        at(positions[number], shift).filter(|line| line.pieces.len() <= fewest[number] + 1).map(|_| (0, 0))
    };
    let (groups, rest) = by_shift(positions.len(), serves);
    let line = |position: usize, shift: u32| (position, at(position, shift).expect("they were chosen by it"));
    let lines = |(shift, numbers): (u32, Vec<usize>)| {
        (shift, numbers.into_iter().map(|number| line(positions[number], shift)).collect())
    };
    (groups.into_iter().map(lines).collect(), rest.into_iter().map(|number| positions[number]).collect())
}

/// The products of values in two ranges.
fn product_range(a: (i64, i64), b: (i64, i64)) -> (i64, i64) {
    let corners = [a.0 * b.0, a.0 * b.1, a.1 * b.0, a.1 * b.1];
    corners.iter().fold((i64::MAX, i64::MIN), |(lo, hi), &corner| (lo.min(corner), hi.max(corner)))
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
