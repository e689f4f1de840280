//! Sums and averages in the order in which the runtime adds float32 numbers.
//!
//! Found in onnxruntime 1.32 on x86 by comparing with other orders on random numbers; none of them depends on the number of threads.
//!
//! | operator | order |
//! | --- | --- |
//! | pooling over all of a plane (stride 1, no padding; GlobalAveragePool) | four lanes, `(l₀ + l₂) + (l₁ + l₃)`, then what is left of the plane |
//! | other windows, columns at most 2 apart | down each column, then over the columns |
//! | other windows | row by row |
//! | ReduceMean, ReduceSum over the last axes | four lanes in two accumulators, from where addresses are multiples of 16 bytes; then what is before, then what is behind |
//! | the same over the first axes | row by row |
//!
//! An average is that sum over the number of its elements, rounded.

use std::collections::BTreeMap;
use std::sync::Arc;

use circuits::graph::ViewElement;

use super::{element, Formed, Former, Meaning};
use crate::float::evaluate::window_taps;
use crate::float::float32::{Float32Id, Float32Op};
use crate::float::graph::{ReduceKind, ValueId, Window};

/// Numbers of a register.
const LANES: usize = 4;
/// Most elements of a row that windows are summed by columns in: longer ones the runtime adds up otherwise.
const MAX_COLUMNS: usize = 2000;
/// Columns by which windows may be apart for sums by columns.
const MAX_STRIDE: usize = 2;

/// Lists of positions in an operand, one for each result.
type Positions = Vec<usize>;

impl Former<'_> {
    /// A sum, mean or extremum over axes.
    pub(super) fn reduced(&mut self, value: ValueId, input: ValueId, kind: ReduceKind, axes: &[usize]) -> Formed {
        let source = self.read_numbers(input)?;
        let shape = self.builder.shape(input).to_vec();
        let first = axes.first().copied().unwrap_or(0);
        let is_last = axes.iter().copied().eq(first..shape.len());
        let is_first =
            shape.iter().take(first).all(|&size| size == 1) && axes.iter().copied().eq(first..first + axes.len());
        let length: usize = axes.iter().map(|&axis| shape[axis]).product();
        let count = self.builder.elements(input) / length.max(1);
        if matches!(kind, ReduceKind::Max | ReduceKind::Min) && (is_last || is_first) {
            let (row, step) = if is_last { (length, 1) } else { (1, count) };
            let windows = (0..count).flat_map(|i| (0..length).map(move |k| (i * row + k * step) as u32)).collect();
            return self.extremum(value, source, windows, length, kind == ReduceKind::Min);
        }
        let is_plane = self.builder.is_plane_average(value) && is_last;
        if !(is_plane || self.builder.is_whole_sum(value)) {
            return Err("a sum that is a part of another operator".into());
        }
        let sum = match kind {
            ReduceKind::Sum | ReduceKind::Mean if is_plane => {
                let places = (0..count).map(|plane| (plane * length..(plane + 1) * length).collect());
                self.sum_by_lanes(value, source, places.collect())?
            }
            ReduceKind::Sum | ReduceKind::Mean if is_last => self.sum_by_rows(value, source, count, length)?,
            ReduceKind::Sum | ReduceKind::Mean if is_first => {
                let terms = (0..length).map(|row| (row * count..(row + 1) * count).collect());
                self.chain(value, source, terms)?
            }
            _ => return Err("a sum over axes whose order is not followed".into()),
        };
        match kind {
            ReduceKind::Mean => Ok(Meaning::Numbers(self.over(value, sum, length, count)?)),
            _ => Ok(Meaning::Numbers(sum)),
        }
    }

    /// The largest, or smallest, of each window.
    pub(super) fn extremum(
        &mut self,
        value: ValueId,
        source: Float32Id,
        windows: Arc<[u32]>,
        size: usize,
        smallest: bool,
    ) -> Formed {
        self.spend(windows.len())?;
        let elements = windows.len() / size.max(1);
        let largest = |input| Float32Op::Largest { input, windows, size };
        if !smallest {
            return self.numbers(value, largest(source), elements);
        }
        let of = self.graph.nodes[source].elements;
        let negated = self.push(value, Float32Op::Negated(source), of)?;
        let largest = self.push(value, largest(negated), elements)?;
        self.numbers(value, Float32Op::Negated(largest), elements)
    }

    /// Averages of windows over planes.
    pub(super) fn average_pool(
        &mut self,
        value: ValueId,
        input: ValueId,
        window: Window,
        count_padding: bool,
    ) -> Formed {
        if !self.builder.is_whole_sum(value) || window.dilation != [1, 1] {
            return Err("averages of windows that are dilated, or a part of another operator".into());
        }
        let source = self.read_numbers(input)?;
        let (from, to) = (self.builder.shape(input).to_vec(), self.builder.shape(value).to_vec());
        let whole = window.kernel == [from[2], from[3]] && window.stride == [1, 1] && window.padding == [0; 4];
        if window.stride[1] <= MAX_STRIDE && from[3] > MAX_COLUMNS {
            return Err("averages of windows over rows that are too long for the runtime's usual order".into());
        }
        // Windows of one size have sums of one form.
        let mut classes: BTreeMap<[usize; 2], Vec<(usize, Positions)>> = BTreeMap::new();
        self.spend(self.builder.elements(value).saturating_mul(window.kernel[0] * window.kernel[1]))?;
        let mut number = 0;
        for plane in 0..to[0] * to[1] {
            for y in 0..to[2] {
                for x in 0..to[3] {
                    let inside = [(0, y, from[2]), (1, x, from[3])].map(|(axis, at, size)| {
                        let place = |tap| at * window.stride[axis] + tap - window.padding[axis];
                        window_taps(&window, axis, at, size).map(place).collect::<Vec<usize>>()
                    });
                    let [rows, columns] = &inside;
                    let at = |y: usize, x: usize| (plane * from[2] + y) * from[3] + x;
                    let places = rows.iter().flat_map(|&y| columns.iter().map(move |&x| at(y, x))).collect();
                    classes.entry([rows.len(), columns.len()]).or_default().push((number, places));
                    number += 1;
                }
            }
        }
        let area = window.kernel[0] * window.kernel[1];
        let mut map = vec![ViewElement::Zero; number];
        let mut sources = Vec::with_capacity(classes.len());
        for ([rows, columns], windows) in classes {
            let (numbers, places): (Vec<usize>, Vec<Positions>) = windows.into_iter().unzip();
            let count = places.len();
            let term = |k: usize| places.iter().map(|window| window[k]).collect::<Positions>();
            let sum = if whole {
                self.sum_by_lanes(value, source, places)?
            } else if window.stride[1] <= MAX_STRIDE {
                let column = |x: usize| (0..rows).map(move |y| y * columns + x);
                let sums =
                    (0..columns).map(|x| self.chain(value, source, column(x).map(term))).collect::<Formed<Vec<_>>>()?;
                let mut sums = sums.into_iter();
                let first = sums.next().ok_or("a window in the padding alone")?;
                sums.try_fold(first, |sum, next| self.added(value, sum, next, count))?
            } else {
                self.chain(value, source, (0..rows * columns).map(term))?
            };
            let divisor = if count_padding { area } else { rows * columns };
            let average = self.over(value, sum, divisor, count)?;
            numbers.iter().enumerate().for_each(|(i, &number)| map[number] = element(sources.len(), i));
            sources.push(average);
        }
        self.numbers(value, Float32Op::View { sources, map: map.into() }, number)
    }

    /// Sums over the count of what is summed.
    fn over(&mut self, value: ValueId, sum: Float32Id, divisor: usize, count: usize) -> Formed<Float32Id> {
        let divisors = self.push(value, Float32Op::Constant(vec![divisor as f32; count].into()), count)?;
        self.push(value, Float32Op::Quotient([sum, divisors]), count)
    }

    fn added(&mut self, value: ValueId, a: Float32Id, b: Float32Id, count: usize) -> Formed<Float32Id> {
        self.push(value, Float32Op::Sum { operands: [a, b], subtracts: false }, count)
    }

    fn picked(&mut self, value: ValueId, source: Float32Id, places: Positions) -> Formed<Float32Id> {
        let map: Arc<[ViewElement]> = places.into_iter().map(|place| element(0, place)).collect();
        let count = map.len();
        self.push(value, Float32Op::View { sources: vec![source], map }, count)
    }

    /// Terms, one behind the other.
    fn chain(
        &mut self,
        value: ValueId,
        source: Float32Id,
        mut terms: impl Iterator<Item = Positions>,
    ) -> Formed<Float32Id> {
        let first = terms.next().ok_or("an empty sum")?;
        let first = self.picked(value, source, first)?;
        self.chained(value, first, source, terms)
    }

    /// A sum, and further terms.
    fn chained(
        &mut self,
        value: ValueId,
        mut sum: Float32Id,
        source: Float32Id,
        terms: impl Iterator<Item = Positions>,
    ) -> Formed<Float32Id> {
        for term in terms {
            let count = term.len();
            let term = self.picked(value, source, term)?;
            sum = self.added(value, sum, term, count)?;
        }
        Ok(sum)
    }

    /// `(l₀ + l₂) + (l₁ + l₃)` of lanes that lie side by side.
    fn across(&mut self, value: ValueId, lanes: Float32Id, count: usize) -> Formed<Float32Id> {
        let pairs = |first: usize| (0..count).flat_map(move |i| [i * LANES + first, i * LANES + first + 1]).collect();
        let (a, b) = (self.picked(value, lanes, pairs(0))?, self.picked(value, lanes, pairs(2))?);
        let halves = self.added(value, a, b, 2 * count)?;
        let part = |odd: usize| (0..count).map(move |i| 2 * i + odd).collect();
        let (a, b) = (self.picked(value, halves, part(0))?, self.picked(value, halves, part(1))?);
        self.added(value, a, b, count)
    }

    /// Sums of lists of one length, by four lanes and what is left.
    fn sum_by_lanes(&mut self, value: ValueId, source: Float32Id, lists: Vec<Positions>) -> Formed<Float32Id> {
        let (count, length) = (lists.len(), lists.first().map_or(0, Vec::len));
        let term = |k: usize| lists.iter().map(|list| list[k]).collect::<Positions>();
        if length < LANES {
            return self.chain(value, source, (0..length).map(term));
        }
        let packet = |k: usize| lists.iter().flat_map(|list| list[k * LANES..(k + 1) * LANES].to_vec()).collect();
        let lanes = self.chain(value, source, (0..length / LANES).map(packet))?;
        let sum = self.across(value, lanes, count)?;
        self.chained(value, sum, source, (length / LANES * LANES..length).map(term))
    }

    /// Sums of `count` rows of one length, each in the order that its address has.
    fn sum_by_rows(&mut self, value: ValueId, source: Float32Id, count: usize, length: usize) -> Formed<Float32Id> {
        let mut map = vec![ViewElement::Zero; count];
        let mut sources = Vec::new();
        for before in 0..LANES {
            let rows: Vec<usize> = (0..count).filter(|row| (row * length + before).is_multiple_of(LANES)).collect();
            if rows.is_empty() {
                continue;
            }
            rows.iter().enumerate().for_each(|(i, &row)| map[row] = element(sources.len(), i));
            let firsts: Vec<usize> = rows.iter().map(|row| row * length).collect();
            sources.push(self.sum_aligned(value, source, &firsts, length, before.min(length))?);
        }
        match sources[..] {
            [only] => Ok(only),
            _ => self.push(value, Float32Op::View { sources, map: map.into() }, count),
        }
    }

    /// Sums of rows that start at `firsts`, with so many elements before the first whole register.
    fn sum_aligned(
        &mut self,
        value: ValueId,
        source: Float32Id,
        firsts: &[usize],
        length: usize,
        before: usize,
    ) -> Formed<Float32Id> {
        let term = |k: usize| firsts.iter().map(|first| first + k).collect::<Positions>();
        let packets = (length - before) / LANES;
        if packets == 0 {
            return self.chain(value, source, (0..length).map(term));
        }
        let packet = |k: usize| {
            let start = before + k * LANES;
            firsts.iter().flat_map(|first| (0..LANES).map(move |lane| first + start + lane)).collect::<Positions>()
        };
        let pairs = packets / 2 * 2;
        let mut lanes = self.chain(value, source, (0..pairs.max(1)).step_by(2).map(packet))?;
        if pairs > 0 {
            let odd = self.chain(value, source, (1..pairs).step_by(2).map(packet))?;
            lanes = self.added(value, lanes, odd, firsts.len() * LANES)?;
            lanes = self.chained(value, lanes, source, (pairs..packets).map(packet))?;
        }
        let sum = self.across(value, lanes, firsts.len())?;
        let end = before + packets * LANES;
        self.chained(value, sum, source, (0..before).chain(end..length).map(term))
    }
}
