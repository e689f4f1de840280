//! Blocks of weights: what stands in the weight columns.
//!
//! A block is a chain of taps `τ_0 > τ_1 > …` one position apart, each with `n` weights. Its value is
//! `Σ_t χ^(T−1−t) · Σ_o ρ^(n−1−o) · w[t][o]`. Equal blocks are stored once.

use std::collections::HashMap;

use crate::machine::FixedColumn;

/// `taps × outputs` weights, row-major.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct WeightBlock {
    pub(super) outputs: usize,
    pub(super) weights: Vec<i64>,
}

impl WeightBlock {
    fn taps(&self) -> usize {
        self.weights.len() / self.outputs
    }

    fn rows(&self, lanes: usize) -> usize {
        self.taps() * self.outputs.div_ceil(lanes)
    }
}

/// All blocks of a program.
#[derive(Clone, Debug, Default)]
pub(super) struct WeightBlocks {
    blocks: Vec<WeightBlock>,
    known: HashMap<WeightBlock, usize>,
}

impl WeightBlocks {
    /// The number of a block with these weights.
    pub(super) fn intern(&mut self, block: WeightBlock) -> usize {
        if let Some(&known) = self.known.get(&block) {
            return known;
        }
        self.known.insert(block.clone(), self.blocks.len());
        self.blocks.push(block);
        self.blocks.len() - 1
    }

    /// Rows that all blocks take with `lanes` weights per row.
    pub(super) fn rows(&self, lanes: usize) -> usize {
        self.blocks.iter().map(|block| block.rows(lanes)).sum()
    }

    /// Number of weights stored.
    pub(super) fn weights(&self) -> usize {
        self.blocks.iter().map(|block| block.weights.len()).sum()
    }

    /// The largest number of outputs of a block: more lanes than that are of no use.
    pub(super) fn widest(&self) -> usize {
        self.blocks.iter().map(|block| block.outputs).max().unwrap_or(1)
    }

    /// Writes the fixed cells of all blocks; returns the row of each block's value.
    pub(super) fn emit(&self, lanes: usize, mut set: impl FnMut(FixedColumn, usize, i64)) -> Vec<u32> {
        let mut row = 0;
        let mut results = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            for (tap, weights) in block.weights.chunks(block.outputs).enumerate() {
                let rows = block.outputs.div_ceil(lanes);
                let padding = rows * lanes - block.outputs;
                for (o, &weight) in weights.iter().enumerate() {
                    let slot = padding + o;
                    set(FixedColumn::Weight((slot % lanes) as u32), row + slot / lanes, weight);
                }
                for inner in 0..rows {
                    let last = inner + 1 == rows;
                    set(FixedColumn::WeightStep, row + inner, i64::from(inner > 0));
                    set(FixedColumn::WeightAbsorb, row + inner, i64::from(last));
                    set(FixedColumn::WeightOuterStep, row + inner, i64::from(last && tap > 0));
                    set(FixedColumn::WeightOuterKeep, row + inner, i64::from(!last && tap > 0));
                }
                row += rows;
            }
            results.push(row as u32 - 1);
        }
        results
    }
}
