//! Weights: what they are in the program, and what stands in the weight columns.
//!
//! A *tap* is one input channel at one position of a kernel. It has a weight for each output channel of its group; this
//! list, or that of the biases, is called a [`Strip`] here. Strips stay where they are, in the program; equal ones are found
//! once for all layouts that are tried, and bear the same number ([`StripId`]).
//!
//! A *block* is a chain of taps `τ_0 > τ_1 > …` one position apart, each with `n` weights. Its value is
//! `Σ_t χ^(T−1−t) · Σ_o ρ^(n−1−o) · w[t][o]`. Equal blocks are stored once.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};

use rayon::prelude::*;

use crate::graph::{Op, Program, TensorId, Weights};
use crate::machine::{FixedColumn, Integers};

/// The number of a list of weights: equal lists have equal numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct StripId(u32);

/// A list of weights, one for each output channel of a group.
#[derive(Clone, Copy, Debug)]
enum Strip<'a> {
    /// The weights `first`, `first + step`, … of a convolution.
    Tap { weights: &'a Weights, first: usize, step: usize, outputs: usize },
    /// The biases of a convolution.
    Bias(&'a [i64]),
}

impl Strip<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Tap { outputs, .. } => *outputs,
            Self::Bias(bias) => bias.len(),
        }
    }

    fn get(&self, output: usize) -> i64 {
        match self {
            Self::Tap { weights, first, step, .. } => weights.get(first + output * step).into(),
            Self::Bias(bias) => bias[output],
        }
    }

    fn iter(&self) -> impl Iterator<Item = i64> + '_ {
        (0..self.len()).map(|output| self.get(output))
    }
}

/// The strips of a convolution.
#[derive(Clone, Debug)]
struct ConvStrips {
    /// Weights of an output channel.
    per_output: usize,
    /// Group by group, one for each weight of an output channel.
    taps: Vec<StripId>,
    bias: StripId,
}

/// All strips of a program.
#[derive(Clone, Debug)]
pub(super) struct Strips<'a> {
    convs: HashMap<TensorId, ConvStrips>,
    /// One of the equal strips with each number, and whether it is zero.
    known: Vec<(Strip<'a>, bool)>,
}

/// Strips by their hashes.
struct Numbering<'a> {
    known: Vec<(Strip<'a>, bool)>,
    /// The first strip with a hash.
    heads: HashMap<u64, u32>,
    /// The next strip with the same hash.
    next: Vec<Option<u32>>,
    /// A secret start and factor: nobody can choose weights whose hashes are equal.
    key: [u64; 2],
}

impl<'a> Numbering<'a> {
    fn new() -> Self {
        let random = RandomState::new();
        let key = [random.hash_one(0), random.hash_one(1) | 1];
        Self { known: Vec::new(), heads: HashMap::new(), next: Vec::new(), key }
    }

    fn step(&self, hash: u64, weight: i64) -> u64 {
        ((hash ^ weight as u64).wrapping_mul(self.key[1])).rotate_left(29)
    }

    fn number(&mut self, hash: u64, strip: Strip<'a>) -> StripId {
        let mut candidate = self.heads.get(&hash).copied();
        while let Some(index) = candidate {
            let (known, _) = &self.known[index as usize];
            if known.len() == strip.len() && known.iter().eq(strip.iter()) {
                return StripId(index);
            }
            candidate = self.next[index as usize];
        }
        let new = self.known.len() as u32;
        self.next.push(self.heads.insert(hash, new));
        self.known.push((strip, strip.iter().all(|weight| weight == 0)));
        StripId(new)
    }

    fn conv(&mut self, weights: &'a Weights, bias: &'a [i64], groups: usize) -> ConvStrips {
        let (outputs, per_output) = (bias.len() / groups, weights.len() / bias.len());
        let mut hashes = vec![self.key[0]; groups * per_output];
        for (o, row) in weights.chunks(per_output).enumerate() {
            let hashes = &mut hashes[o / outputs * per_output..][..per_output];
            hashes.iter_mut().zip(row).for_each(|(hash, weight)| *hash = self.step(*hash, weight.into()));
        }
        let strip = |tap: usize| {
            let (group, position) = (tap / per_output, tap % per_output);
            Strip::Tap { weights, first: group * outputs * per_output + position, step: per_output, outputs }
        };
        let taps = hashes.into_iter().enumerate().map(|(tap, hash)| self.number(hash, strip(tap))).collect();
        let hash = bias.iter().fold(self.key[0], |hash, &b| self.step(hash, b));
        ConvStrips { per_output, taps, bias: self.number(hash, Strip::Bias(bias)) }
    }
}

impl<'a> Strips<'a> {
    /// Finds the equal strips of a program.
    pub(super) fn new(program: &'a Program) -> Self {
        let mut numbering = Numbering::new();
        let mut convs = HashMap::new();
        for (tensor, node) in (0..).map(TensorId).zip(&program.nodes) {
            if let Op::Conv { geometry, weights, bias, .. } = &node.op {
                convs.insert(tensor, numbering.conv(weights, bias, geometry.groups as usize));
            }
        }
        Self { convs, known: numbering.known }
    }

    /// The strip of a tap: weight `position` of every output channel of a group.
    pub(super) fn tap(&self, tensor: TensorId, group: usize, position: usize) -> StripId {
        let conv = &self.convs[&tensor];
        conv.taps[group * conv.per_output + position]
    }

    /// The biases of a convolution.
    pub(super) fn bias(&self, tensor: TensorId) -> StripId {
        self.convs[&tensor].bias
    }

    /// Whether all weights of a strip are zero.
    pub(super) fn is_zero(&self, strip: StripId) -> bool {
        self.known[strip.0 as usize].1
    }

    fn get(&self, strip: StripId) -> &Strip<'a> {
        &self.known[strip.0 as usize].0
    }
}

/// A strip for each tap, each with `outputs` weights.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct WeightBlock {
    pub(super) outputs: usize,
    pub(super) taps: Box<[StripId]>,
}

impl WeightBlock {
    fn rows(&self, lanes: usize) -> usize {
        self.taps.len() * self.outputs.div_ceil(lanes)
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
        self.blocks.iter().map(|block| block.taps.len() * block.outputs).sum()
    }

    /// The largest number of outputs of a block: more lanes than that are of no use.
    pub(super) fn widest(&self) -> usize {
        self.blocks.iter().map(|block| block.outputs).max().unwrap_or(1)
    }

    /// The columns of weights, each with `rows` cells.
    pub(super) fn columns(&self, strips: &Strips<'_>, lanes: usize, rows: usize) -> Vec<Integers> {
        (0..lanes).into_par_iter().map(|lane| self.column(strips, lanes, lane, rows)).collect()
    }

    fn column(&self, strips: &Strips<'_>, lanes: usize, lane: usize, rows: usize) -> Integers {
        let mut column = Integers::zeros(rows);
        let mut row = 0;
        for block in &self.blocks {
            let inner = block.outputs.div_ceil(lanes);
            let padding = inner * lanes - block.outputs;
            for &tap in &block.taps {
                let strip = strips.get(tap);
                for (row, slot) in (row..row + inner).zip((lane..).step_by(lanes)) {
                    if slot >= padding {
                        column.set(row, strip.get(slot - padding));
                    }
                }
                row += inner;
            }
        }
        column
    }

    /// Writes the switches of the accumulators over the weights; returns the row of each block's value.
    pub(super) fn emit(&self, lanes: usize, mut set: impl FnMut(FixedColumn, usize, i64)) -> Vec<u32> {
        let mut row = 0;
        let mut results = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            row = emit_block(row, block.outputs.div_ceil(lanes), block.taps.len(), &mut set);
            results.push(row as u32 - 1);
        }
        results
    }

    /// The switches that are on somewhere. They depend on whether blocks have one row or more, and one tap or more.
    pub(super) fn switched_on(&self, lanes: usize) -> BTreeSet<FixedColumn> {
        let shape = |block: &WeightBlock| (block.outputs.div_ceil(lanes).min(2), block.taps.len().min(2));
        let mut columns = BTreeSet::new();
        for (rows, taps) in self.blocks.iter().map(shape).collect::<BTreeSet<_>>() {
            emit_block(0, rows, taps, &mut |column, _, value| {
                if value != 0 {
                    columns.insert(column);
                }
            });
        }
        columns
    }
}

/// Writes the switches of a block of `taps` strips of `rows` rows that starts in row `first`; returns the row behind it.
fn emit_block(first: usize, rows: usize, taps: usize, set: &mut impl FnMut(FixedColumn, usize, i64)) -> usize {
    let mut row = first;
    for tap in 0..taps {
        for inner in 0..rows {
            let last = inner + 1 == rows;
            set(FixedColumn::WeightStep, row + inner, i64::from(inner > 0));
            set(FixedColumn::WeightAbsorb, row + inner, i64::from(last));
            set(FixedColumn::WeightOuterStep, row + inner, i64::from(last && tap > 0));
            set(FixedColumn::WeightOuterKeep, row + inner, i64::from(!last && tap > 0));
        }
        row += rows;
    }
    row
}
