//! The real weights of a layer: those of a constant of the model, and what lowering and rewriting made of them.
//!
//! They are not computed before they are rounded. Until then a kernel is the constant, shared with the float graph and as narrow
//! as it is there, under layers of what happened to it; so a plan takes no memory for weights, however many there are.

use std::sync::Arc;

use crate::float::reals::Reals;
use crate::float::stored::{Blocks, Loaded};

/// Weights of a convolution, `[outputs, inputs per group, height, width]`, or the entries of a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kernel {
    reals: Reals,
    /// The innermost first.
    layers: Vec<Layer>,
    len: usize,
}

/// What is made of the weights below.
#[derive(Clone, Debug, PartialEq)]
enum Layer {
    /// A matrix of so many rows and columns, transposed.
    Transposed { rows: usize, columns: usize },
    /// Some rows, in this order, of a matrix of rows of one length.
    Rows { rows: Arc<[usize]>, length: usize },
    /// Products with the factors of the channels.
    Scaled { channels: Channels, factors: Arc<[f64]> },
}

/// The channel that each weight belongs to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Channels {
    /// That of the result: so many weights each.
    Outputs {
        /// Weights of a channel.
        length: usize,
    },
    /// That of the operand.
    Inputs {
        /// Positions of the kernel.
        taps: usize,
        /// Channels of the operand in a group.
        inputs: usize,
        /// Channels of the result in a group.
        outputs: usize,
    },
}

impl Channels {
    /// The channel of a weight.
    pub(super) fn of(self, weight: usize) -> usize {
        match self {
            Self::Outputs { length } => weight / length,
            Self::Inputs { taps, inputs, outputs } => {
                weight / (inputs * taps * outputs) * inputs + weight / taps % inputs
            }
        }
    }

    /// Multiplies the weights from `start` on by the factors of their channels.
    fn scale(self, factors: &[f64], start: usize, weights: &mut [f64]) {
        match self {
            Self::Inputs { taps: 1, inputs, outputs } => {
                for (start, weights) in runs(start, inputs, weights) {
                    let factors = &factors[start / (inputs * outputs) * inputs + start % inputs..];
                    weights.iter_mut().zip(factors).for_each(|(weight, factor)| *weight *= factor);
                }
            }
            Self::Outputs { length: run } | Self::Inputs { taps: run, .. } => {
                for (start, weights) in runs(start, run, weights) {
                    let factor = factors[self.of(start)];
                    weights.iter_mut().for_each(|weight| *weight *= factor);
                }
            }
        }
    }
}

impl Kernel {
    /// Number of weights.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The matrix `[columns, rows]` of this one, which is `[rows, columns]`.
    pub(super) fn transposed(self, rows: usize, columns: usize) -> Self {
        self.under(Layer::Transposed { rows, columns })
    }

    /// These rows of a matrix of rows of so many weights.
    pub(super) fn rows(self, rows: &[usize], length: usize) -> Self {
        let len = rows.len() * length;
        Self { len, ..self.under(Layer::Rows { rows: rows.into(), length }) }
    }

    /// The weights times the factors of their channels.
    pub(super) fn scaled(self, channels: Channels, factors: Vec<f64>) -> Self {
        self.under(Layer::Scaled { channels, factors: factors.into() })
    }

    fn under(mut self, layer: Layer) -> Self {
        self.layers.push(layer);
        self
    }

    /// The weights, each computed when it is asked for.
    pub(super) fn load(&self) -> LoadedKernel<'_> {
        LoadedKernel { reals: self.reals.load(), layers: &self.layers, len: self.len }
    }
}

impl From<Reals> for Kernel {
    fn from(reals: Reals) -> Self {
        Self { len: reals.len(), reals, layers: Vec::new() }
    }
}

impl From<Vec<f64>> for Kernel {
    fn from(weights: Vec<f64>) -> Self {
        Reals::constant(weights).into()
    }
}

impl FromIterator<f64> for Kernel {
    fn from_iter<I: IntoIterator<Item = f64>>(weights: I) -> Self {
        weights.into_iter().collect::<Vec<_>>().into()
    }
}

/// The weights from `start` on cut where their number is a multiple of `run`, with the number of the first of each part.
fn runs(mut start: usize, run: usize, mut weights: &mut [f64]) -> impl Iterator<Item = (usize, &mut [f64])> {
    std::iter::from_fn(move || {
        let length = (run - start % run).min(weights.len());
        let (part, rest) = std::mem::take(&mut weights).split_at_mut(length);
        let first = start;
        (start, weights) = (start + length, rest);
        (length > 0).then_some((first, part))
    })
}

/// A kernel whose constant is in memory.
pub(super) struct LoadedKernel<'a> {
    reals: Loaded,
    layers: &'a [Layer],
    len: usize,
}

impl LoadedKernel<'_> {
    /// A weight.
    pub(super) fn get(&self, index: usize) -> f64 {
        self.under(self.layers, index)
    }

    /// A weight under some of the layers.
    fn under(&self, layers: &[Layer], index: usize) -> f64 {
        match layers.split_last() {
            None => self.reals.get(index),
            Some((Layer::Transposed { rows, columns }, rest)) => {
                self.under(rest, index % rows * columns + index / rows)
            }
            Some((Layer::Rows { rows, length }, rest)) => {
                self.under(rest, rows[index / length] * length + index % length)
            }
            Some((Layer::Scaled { channels, factors }, rest)) => self.under(rest, index) * factors[channels.of(index)],
        }
    }

    /// All weights in order.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = f64> + '_ {
        Blocks::new(self.len, |start, block| self.fill(self.layers, start, block))
    }

    /// Weights from `start` on under some of the layers.
    fn fill(&self, layers: &[Layer], start: usize, block: &mut [f64]) {
        let Some((last, rest)) = layers.split_last() else { return self.reals.fill(start, block) };
        match last {
            Layer::Transposed { rows, columns } => {
                let (mut column, mut row) = (start / rows, start % rows);
                for weight in block {
                    *weight = self.under(rest, row * columns + column);
                    row += 1;
                    if row == *rows {
                        (column, row) = (column + 1, 0);
                    }
                }
            }
            Layer::Rows { rows, length } => {
                for (start, block) in runs(start, *length, block) {
                    self.fill(rest, rows[start / length] * length + start % length, block);
                }
            }
            Layer::Scaled { channels, factors } => {
                self.fill(rest, start, block);
                channels.scale(factors, start, block);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_act_in_their_order() {
        let stored: Vec<f64> = (0..6).map(f64::from).collect();
        let kernel = Kernel::from(stored).transposed(2, 3);
        assert_eq!(kernel.load().iter().collect::<Vec<_>>(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        let inputs = Channels::Inputs { taps: 1, inputs: 2, outputs: 3 };
        let kernel = kernel.scaled(inputs, vec![10.0, 0.1]).rows(&[2, 0], 2);
        assert_eq!(kernel.len(), 4);
        assert_eq!(kernel.load().iter().collect::<Vec<_>>(), [20.0, 5.0 * 0.1, 0.0, 3.0 * 0.1]);
        let kernel = kernel.scaled(Channels::Outputs { length: 2 }, vec![3.0, -1.0]);
        assert!((0..4).map(|index| kernel.load().get(index)).eq(kernel.load().iter()));
        assert_eq!(kernel.load().iter().collect::<Vec<_>>(), [60.0, 5.0 * 0.1 * 3.0, 0.0, -(3.0 * 0.1)]);
    }

    #[test]
    fn weights_are_the_same_one_by_one_and_in_blocks() {
        let count = 6 * 10 * 7 * 9;
        let factors = |count: usize| (0..count).map(|i| i as f64 / 3.0 - 1.0).collect::<Vec<_>>();
        for (taps, groups) in [(1, 1), (1, 3), (9, 1), (9, 2)] {
            let (inputs, outputs) = (10, count / (10 * taps * groups));
            let kernel = Kernel::from(factors(count)).transposed(6, count / 6);
            let kernel = kernel.scaled(Channels::Inputs { taps, inputs, outputs }, factors(inputs * groups));
            let rows: Vec<usize> = (0..count / 70).rev().collect();
            let kernel = kernel.rows(&rows, 70).scaled(Channels::Outputs { length: 35 }, factors(count / 35));
            let loaded = kernel.load();
            assert!(loaded.iter().eq((0..count).map(|index| loaded.get(index))), "{taps} {groups}");
            assert_eq!(loaded.iter().len(), count);
        }
    }
}
