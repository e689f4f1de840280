//! Tables of features whose ranges differ by orders of magnitude.
//!
//! An input has one step. One that is fine enough for the narrowest feature makes the widest take many bits, which dense layers
//! behind it would have to drop by one wide shift, with weights of as many bits. So each feature is brought to about as many levels as an
//! activation has before any layer reads it:
//!
//! ```text
//! y = ⌊(q − offset) / 2^t⌉        t so that the feature's range has between 2^bits and 2^(bits + 2) levels
//! ```
//!
//! The offset is the middle of the range, and goes into the bias of the layers; so do the steps, which differ from feature to feature,
//! into their weights. It takes a row for each feature (more where it saturates), and one table for all of them.

use std::collections::BTreeMap;

use circuits::graph::{ConvGeometry, Op, Requantize, Table, ViewElement};

use super::calibrate::Calibration;
use super::emit::Emitter;
use super::function::Function;
use super::plan::{element, Plan, PlanId, PlanNode, PlanOp, Range};
use crate::float::graph::Tensor;

/// Ratio of the largest magnitude to the median width of a feature from which on one step does not serve all of them.
const UNEVEN: f64 = 16.0;
/// Features that are narrower than the median one by more than this do not make the input's step finer.
const NARROWEST: f64 = 1.0 / 65_536.0;
/// Room beyond the calibrated range of a feature.
const HEADROOM: f64 = 1.25;
/// Most bits of a feature's levels: the table of all features has four entries for each level.
const MOST_BITS: u32 = 12;

/// One more than the largest integer of a narrowed feature, for activations of so many bits.
pub(super) fn limit(bits: u32) -> i64 {
    1 << (bits.min(MOST_BITS) + 1)
}

/// Bits that are dropped so that a step of `step` becomes one of at most `resolution`.
pub(super) fn dropped(step: f64, resolution: f64) -> u32 {
    // The tolerance is for resolutions that are powers of two of each other.
    ((resolution / step).log2() + 1e-9).floor().clamp(0.0, f64::from(circuits::graph::Limits::MAX_SHIFT)) as u32
}

/// Narrows the features of uneven inputs for all layers that read them one by one.
pub(super) fn narrow(plan: &mut Plan, calibration: &Calibration, bits: u32) {
    let order = plan.order();
    for &id in &order {
        let Some((port, fills)) = features_of(plan, id) else { continue };
        let statistics = &calibration.inputs[port];
        if plan.node(id).integer || statistics.given.is_some() || statistics.grid.is_some() {
            continue;
        }
        let layers: Vec<_> = order.iter().copied().filter(|&layer| reads_features(plan, layer, id)).collect();
        let maps: Vec<_> = order.iter().filter_map(|&map| Some((map, feature_of(plan, map, id)?))).collect();
        let samples: Vec<_> = calibration.samples.iter().map(|tensors| &tensors[port]).collect();
        if layers.is_empty() && maps.is_empty() {
            continue;
        }
        if let Some(features) = Features::of(&samples, fills.as_deref(), bits) {
            features.narrow(plan, id, &layers);
            maps.into_iter().for_each(|(map, feature)| features.narrow_argument(plan, id, map, feature));
        }
    }
}

/// The input that a node has the features of, and the numbers in the place of those that are missing.
fn features_of(plan: &Plan, id: PlanId) -> Option<(usize, Option<Vec<f64>>)> {
    match &plan.node(id).op {
        PlanOp::Input { port, quantizer: None, nullable: false } => Some((*port, None)),
        PlanOp::Impute { input, fills } => match plan.node(*input).op {
            PlanOp::Input { port, quantizer: None, .. } => Some((port, Some(fills.clone()))),
            _ => None,
        },
        _ => None,
    }
}

/// What a channel of a layer reads.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Channel {
    /// An element of the input.
    Feature(usize),
    /// An element of another node, such as the leaves of trees beside a linear model, or a zero.
    Other(ViewElement),
}

impl Channel {
    fn feature(&self) -> Option<usize> {
        match self {
            Self::Feature(feature) => Some(*feature),
            Self::Other(_) => None,
        }
    }
}

/// What each channel of a layer reads, where some read elements of `input`.
fn channels(plan: &Plan, layer: PlanId, input: PlanId) -> Option<Vec<Channel>> {
    let PlanOp::Linear { input: read, geometry, .. } = &plan.node(layer).op else { return None };
    let operand = plan.node(*read);
    let pointwise = ConvGeometry { groups: 1, ..*geometry } == ConvGeometry::POINTWISE;
    if !pointwise || operand.shape.first() != Some(&operand.elements()) {
        return None;
    }
    match &operand.op {
        _ if *read == input => Some((0..operand.elements()).map(Channel::Feature).collect()),
        PlanOp::View { sources, map } if sources.contains(&input) => {
            let entry = |entry: &ViewElement| match *entry {
                ViewElement::Element { source, index } if sources[source as usize] == input => {
                    Channel::Feature(index as usize)
                }
                entry => Channel::Other(entry),
            };
            Some(map.iter().map(entry).collect())
        }
        _ => None,
    }
}

/// The feature that a [curve](Function::has_curve) is a function of.
fn feature_of(plan: &Plan, map: PlanId, input: PlanId) -> Option<usize> {
    let PlanOp::Map { input: view, function, .. } = &plan.node(map).op else { return None };
    match &plan.node(*view).op {
        PlanOp::View { sources, map } if sources[..] == [input] && function.has_curve() => match map[..] {
            [ViewElement::Element { index, .. }] => Some(index as usize),
            _ => None,
        },
        _ => None,
    }
}

fn reads_features(plan: &Plan, layer: PlanId, input: PlanId) -> bool {
    let PlanOp::Linear { input: operand, .. } = plan.node(layer).op else { return false };
    let reads = operand == input || plan.node(operand).op.operands().contains(&input);
    reads && channels(plan, layer, input).is_some()
}

/// What is known of the features of an uneven input.
struct Features {
    /// The calibrated range of each.
    ranges: Vec<Range>,
    /// The widest step that serves each.
    resolutions: Vec<f64>,
}

impl Features {
    /// `None` where one step serves all of them.
    fn of(samples: &[&Tensor], fills: Option<&[f64]>, bits: u32) -> Option<Self> {
        let mut ranges: Vec<_> = samples.first()?.data.iter().map(|&v| Range { lo: v, hi: v }).collect();
        // NaN, which is what is missing, leaves a range as it is.
        for values in samples.iter().map(|tensor| &tensor.data[..]).chain(fills) {
            ranges.iter_mut().zip(values).for_each(|(range, &v)| *range = range.union(Range { lo: v, hi: v }));
        }
        let mut widths: Vec<_> = ranges.iter().map(|range| range.width()).filter(|&width| width > 0.0).collect();
        widths.sort_by(f64::total_cmp);
        let median = *widths.get(widths.len() / 2)?;
        let largest = ranges.iter().map(|range| range.magnitude()).fold(0.0, f64::max);
        if largest < UNEVEN * median {
            return None;
        }
        let least = widths[0].max(NARROWEST * median);
        let finest = HEADROOM * least / f64::from(bits.min(MOST_BITS)).exp2();
        // Powers of two of the finest, so that features of like width share a node.
        let resolution = |range: &Range| (range.width().max(least) / least).log2().floor().exp2() * finest;
        let resolutions = ranges.iter().map(resolution).collect();
        Some(Self { ranges, resolutions })
    }

    /// The middle of a feature's range.
    fn offset(&self, feature: usize) -> f64 {
        0.5 * (self.ranges[feature].lo + self.ranges[feature].hi)
    }

    fn narrow(&self, plan: &mut Plan, input: PlanId, layers: &[PlanId]) {
        let read: Vec<_> =
            layers.iter().map(|&layer| channels(plan, layer, input).expect("layers were chosen so")).collect();
        let mut used = vec![false; self.ranges.len()];
        read.iter().flatten().filter_map(Channel::feature).for_each(|feature| used[feature] = true);
        let mut groups: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for feature in (0..used.len()).filter(|&feature| used[feature]) {
            // Positive numbers are ordered as their bits are.
            groups.entry(self.resolutions[feature].to_bits()).or_default().push(feature);
        }
        let mut sources = Vec::new();
        let mut places = vec![None; used.len()];
        for (resolution, features) in groups {
            for (index, &feature) in features.iter().enumerate() {
                places[feature] = Some(ViewElement::Element { source: sources.len() as u32, index: index as u32 });
            }
            sources.push(self.group(plan, input, &features, f64::from_bits(resolution)));
        }
        for (&layer, channels) in layers.iter().zip(&read) {
            self.redirect(plan, layer, channels, &sources, &places);
        }
    }

    /// Makes the function of one feature one of the narrowed feature, whose table has an entry for each of its levels.
    fn narrow_argument(&self, plan: &mut Plan, input: PlanId, map: PlanId, feature: usize) {
        let narrowed = self.group(plan, input, &[feature], self.resolutions[feature]);
        let PlanOp::Map { input: view, function, rules } = plan.node(map).op.clone() else {
            unreachable!("maps are maps")
        };
        let shape = plan.node(view).shape.clone();
        let function = function.after(&Function::affine(1.0, self.offset(feature)));
        plan.nodes[map.0].op = PlanOp::Map { input: plan.reshape(narrowed, shape), function, rules };
    }

    /// The node of features with one resolution.
    fn group(&self, plan: &mut Plan, input: PlanId, features: &[usize], resolution: f64) -> PlanId {
        let shape = vec![features.len(), 1, 1];
        let picked = plan.view(input, shape.clone(), features.iter().map(|&feature| element(feature)).collect());
        let offsets: Vec<_> = features.iter().map(|&feature| self.offset(feature)).collect();
        let half = features.iter().map(|&feature| 0.5 * self.ranges[feature].width()).fold(0.0, f64::max);
        let op = PlanOp::Narrow { input: picked, offsets, resolution };
        let range = Range { lo: -half, hi: half };
        plan.push(PlanNode { op, shape, range, integer: false, origin: None, names: plan.node(input).names.clone() })
    }

    /// Makes a layer read narrowed features: what is off by the offsets goes into its bias.
    fn redirect(
        &self,
        plan: &mut Plan,
        layer: PlanId,
        channels: &[Channel],
        sources: &[PlanId],
        places: &[Option<ViewElement>],
    ) {
        let PlanOp::Linear { input: operand, geometry, weights, bias } = &plan.node(layer).op else {
            unreachable!("only layers are redirected")
        };
        let groups = geometry.groups as usize;
        let (inputs, outputs) = (channels.len() / groups, bias.len() / groups);
        let offset = |channel: usize| channels[channel].feature().map_or(0.0, |feature| self.offset(feature));
        let bias = {
            let weights = weights.load();
            let moved = |(output, bias): (usize, &f64)| {
                let first = output / outputs * inputs;
                bias + (0..inputs).map(|i| weights.get(output * inputs + i) * offset(first + i)).sum::<f64>()
            };
            bias.iter().enumerate().map(moved).collect()
        };
        let of = plan.node(*operand).clone();
        // A view has the sources that it reads.
        let mut kept: Vec<PlanId> = Vec::new();
        let mut entry = |entry: ViewElement, sources: &[PlanId]| match entry {
            ViewElement::Zero => entry,
            ViewElement::Element { source, index } => {
                let id = sources[source as usize];
                let source = kept.iter().position(|&known| known == id).unwrap_or_else(|| {
                    kept.push(id);
                    kept.len() - 1
                });
                ViewElement::Element { source: source as u32, index }
            }
        };
        let place = |channel: &Channel| match *channel {
            Channel::Feature(feature) => entry(places[feature].unwrap_or(ViewElement::Zero), sources),
            Channel::Other(other) => entry(other, &of.op.operands()),
        };
        let map = channels.iter().map(place).collect();
        let (geometry, weights) = (*geometry, weights.clone());
        if kept.is_empty() {
            return;
        }
        let range = kept.iter().map(|&source| plan.node(source).range).reduce(Range::union).unwrap_or(of.range);
        let op = PlanOp::View { sources: kept, map };
        let input = plan.push(PlanNode { op, range, integer: false, origin: None, ..of });
        plan.nodes[layer.0].op = PlanOp::Linear { input, geometry, weights, bias };
    }
}

impl Emitter<'_> {
    /// `⌊(q − offset) / 2^t⌉` of each feature, by a depthwise layer.
    pub(super) fn narrowed(&mut self, id: PlanId, input: PlanId, offsets: &[f64]) {
        let (step, class) = (self.class(input).step, self.class(id));
        let operand = self.shaped(input);
        let values = (class.lo..=class.hi).map(|value| value as i32).collect();
        let table = self.store(Table::new("clamp".to_owned(), class.lo, values).expect("not empty"));
        let op = Op::Conv {
            input: operand,
            geometry: ConvGeometry { groups: offsets.len() as u32, ..ConvGeometry::POINTWISE },
            weights: vec![1; offsets.len()].into(),
            bias: offsets.iter().map(|offset| -(offset / step).round() as i64).collect(),
            requantize: Some(Requantize { shift: (class.step / step).log2().round() as u32, table }),
        };
        self.emit_small(id, op, vec![offsets.len(), 1, 1], (class.lo, class.hi));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(rows: &[&[f64]]) -> Vec<Tensor> {
        rows.iter().map(|row| Tensor::new(vec![row.len()], row.to_vec())).collect()
    }

    #[test]
    fn only_uneven_features_are_narrowed() {
        let even = samples(&[&[1.0, -2.0, 0.5], &[0.0, 3.0, 0.0]]);
        assert!(Features::of(&even.iter().collect::<Vec<_>>(), None, 8).is_none());
        let uneven = samples(&[&[1000.0, 0.25, 0.5], &[200.0, 0.5, 1.5]]);
        let found = Features::of(&uneven.iter().collect::<Vec<_>>(), None, 8).unwrap();
        assert_eq!(found.offset(0), 600.0);
        let levels = |feature: usize| HEADROOM * found.ranges[feature].width() / found.resolutions[feature];
        assert!((0..3).all(|feature| (256.0..512.0).contains(&levels(feature))), "{:?}", found.resolutions);
    }

    #[test]
    fn bits_are_dropped_as_far_as_the_resolution_admits() {
        assert_eq!([dropped(1.0, 8.0), dropped(1.0, 15.9), dropped(2.0, 1.0)], [3, 3, 0]);
    }
}
