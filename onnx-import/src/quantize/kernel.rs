//! The real weights of a layer: those of a constant of the model, and what lowering and rewriting made of them.
//!
//! They are not computed before they are rounded. Until then a kernel is the constant, shared with the float graph and as narrow
//! as it is there, under layers of what happened to it; so a plan takes no memory for weights, however many there are.

use std::sync::Arc;

use crate::float::reals::Reals;
use crate::float::stored::Loaded;

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
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = f64> + Clone + '_ {
        (0..self.len).map(|index| self.get(index))
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
        assert_eq!(kernel.load().iter().collect::<Vec<_>>(), [60.0, 5.0 * 0.1 * 3.0, 0.0, -(3.0 * 0.1)]);
    }
}
