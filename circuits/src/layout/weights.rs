//! Weights: what they are in the program, and what stands in the weight columns.
//!
//! A *tap* is one input channel at one position of a kernel. It has a weight for each output channel of its group; this
//! list, or that of the biases, is called a [`Strip`] here. Strips stay where they are, in the program; equal ones are found
//! once for all layouts that are tried, and bear the same number ([`StripId`]).
//!
//! A *block* is a chain of taps `τ_0 > τ_1 > …` one position apart, each with `n` weights. Its value is
//! `Σ_t χ^(T−1−t) · Σ_o ρ^(n−1−o) · w[t][o]`. Equal blocks are stored once.
//!
//! Where weights are private, nothing depends on their values: strips bear the same number if they are declared to be shared, zeros are
//! weights like others, and what takes more than 16 bits is as many strips of limbs as is declared. The first row of such a strip may
//! have lanes to spare. What stands there is multiplied by powers of `ρ` beyond all outputs of the layer; where these are another
//! group's, the weights that fill no row take a row each, of which nothing but the last lane is read.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use rayon::prelude::*;

use crate::graph::{limb, Op, Program, TensorId, Weights};
use crate::machine::{FixedColumn, Integers, WeightLanes};

/// The number of a list of weights: equal lists have equal numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct StripId(u32);

/// A list of public weights, one for each output channel of a group.
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

/// The limbs with one number of a list of private weights, by where these stand in a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PrivateStrip {
    /// The convolution whose weights they are.
    pub(super) tensor: TensorId,
    pub(super) part: Part,
    /// Which limbs, the lowest are 0.
    pub(super) limb: u32,
}

/// A part of a convolution's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// The weights `first`, `first + step`, …
    Tap {
        /// The first weight.
        first: usize,
        /// From one to the next.
        step: usize,
    },
    /// The biases.
    Bias,
}

impl PrivateStrip {
    /// The number of one of its weights, or biases, among those of the convolution.
    pub(super) fn index(&self, output: usize) -> usize {
        match self.part {
            Part::Tap { first, step } => first + output * step,
            Part::Bias => output,
        }
    }

    /// The limbs of the first `outputs` weights.
    fn limbs<'p>(&'p self, program: &'p Program, outputs: usize) -> impl Iterator<Item = i64> + 'p {
        let Op::Conv { weights, bias, .. } = &program.node(self.tensor).op else {
            unreachable!("the node is a convolution")
        };
        let value = move |index: usize| match self.part {
            Part::Tap { .. } => weights.get(index).into(),
            Part::Bias => bias[index],
        };
        (0..outputs).map(move |output| limb(value(self.index(output)), self.limb))
    }
}

/// The strips of a convolution. Those of further limbs have the numbers that follow.
#[derive(Clone, Debug)]
struct ConvStrips {
    /// Weights of an output channel.
    per_output: usize,
    /// Group by group, one for each weight of an output channel.
    taps: Vec<StripId>,
    bias: StripId,
    /// Limbs of a weight and of a bias.
    limbs: [u32; 2],
}

/// What is known of a strip.
#[derive(Clone, Copy, Debug)]
enum Known<'a> {
    /// One of the equal strips with a number, and whether it is zero.
    Public(Strip<'a>, bool),
    Private(PrivateStrip),
}

/// All strips of a program.
#[derive(Clone, Debug)]
pub(super) struct Strips<'a> {
    convs: HashMap<TensorId, Arc<ConvStrips>>,
    known: Vec<Known<'a>>,
}

/// Strips by their hashes.
struct Numbering<'a> {
    known: Vec<Known<'a>>,
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
            if let Known::Public(known, _) = &self.known[index as usize] {
                if known.len() == strip.len() && known.iter().eq(strip.iter()) {
                    return StripId(index);
                }
            }
            candidate = self.next[index as usize];
        }
        let head = self.heads.insert(hash, self.known.len() as u32);
        self.push(Known::Public(strip, strip.iter().all(|weight| weight == 0)), head)
    }

    fn push(&mut self, known: Known<'a>, next: Option<u32>) -> StripId {
        self.next.push(next);
        self.known.push(known);
        StripId(self.known.len() as u32 - 1)
    }

    /// Numbers for the limbs of a list of private weights; returns the lowest ones'.
    fn limbs(&mut self, tensor: TensorId, part: Part, limbs: u32) -> StripId {
        let strip = |limb| Known::Private(PrivateStrip { tensor, part, limb });
        let first = self.push(strip(0), None);
        (1..limbs).for_each(|limb| _ = self.push(strip(limb), None));
        first
    }

    fn private(&mut self, tensor: TensorId, [weights, outputs, groups]: [usize; 3], limbs: [u32; 2]) -> ConvStrips {
        let (per_group, step) = (outputs / groups, weights / outputs);
        let tap = |tap: usize| Part::Tap { first: tap / step * per_group * step + tap % step, step };
        let taps = (0..groups * step).map(|index| self.limbs(tensor, tap(index), limbs[0])).collect();
        ConvStrips { per_output: step, taps, bias: self.limbs(tensor, Part::Bias, limbs[1]), limbs }
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
        ConvStrips { per_output, taps, bias: self.number(hash, Strip::Bias(bias)), limbs: [1, 1] }
    }
}

impl<'a> Strips<'a> {
    /// Finds the equal strips of a program.
    pub(super) fn new(program: &'a Program) -> Self {
        let mut numbering = Numbering::new();
        let mut convs: HashMap<TensorId, Arc<ConvStrips>> = HashMap::new();
        // Convolutions that share their weights have the same strips, which are looked at once.
        let mut met: HashMap<_, Arc<ConvStrips>> = HashMap::new();
        for (tensor, node) in (0..).map(TensorId).zip(&program.nodes) {
            let Op::Conv { geometry, weights, bias, .. } = &node.op else { continue };
            let groups = geometry.groups as usize;
            let strips = match program.private_weights_of(tensor) {
                None => {
                    let shared = (weights.address(), bias.as_ptr(), weights.len(), bias.len(), groups);
                    met.entry(shared).or_insert_with(|| numbering.conv(weights, bias, groups).into()).clone()
                }
                Some((_, owner)) if owner != tensor => convs[&owner].clone(),
                Some((declared, _)) => {
                    let limbs = [declared.weight_limbs(), declared.bias_limbs()];
                    numbering.private(tensor, [weights.len(), bias.len(), groups], limbs).into()
                }
            };
            convs.insert(tensor, strips);
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

    /// Limbs of the weights of a convolution, and of its biases.
    pub(super) fn limbs(&self, tensor: TensorId) -> [u32; 2] {
        self.convs[&tensor].limbs
    }

    /// The strip of higher limbs of the same weights.
    pub(super) fn limb(&self, strip: StripId, limb: u32) -> StripId {
        StripId(strip.0 + limb)
    }

    /// Whether all weights of a strip are zero, and known to be.
    pub(super) fn is_zero(&self, strip: StripId) -> bool {
        matches!(self.known[strip.0 as usize], Known::Public(_, true))
    }

    fn is_private(&self, strip: StripId) -> bool {
        matches!(self.known[strip.0 as usize], Known::Private(_))
    }

    fn public(&self, strip: StripId) -> &Strip<'a> {
        match &self.known[strip.0 as usize] {
            Known::Public(strip, _) => strip,
            Known::Private(_) => unreachable!("the block is public"),
        }
    }

    fn private(&self, strip: StripId) -> PrivateStrip {
        match self.known[strip.0 as usize] {
            Known::Private(strip) => strip,
            Known::Public(..) => unreachable!("the block is private"),
        }
    }
}

/// Whose weights a block holds, and what may stand in the lanes that it does not fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum BlockKind {
    /// Public ones, and zeros.
    Public,
    /// Private ones, and anything.
    Private,
    /// Private ones; no lanes are spare, for other groups' outputs follow.
    Apart,
}

/// A strip for each tap, each with `outputs` weights.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct WeightBlock {
    pub(super) outputs: usize,
    pub(super) taps: Box<[StripId]>,
    pub(super) kind: BlockKind,
}

/// The rows of a strip: some that hold one weight each, then rows of all lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct StripRows {
    single: usize,
    full: usize,
}

impl StripRows {
    fn new(outputs: usize, kind: BlockKind, lanes: usize) -> Self {
        match kind {
            BlockKind::Public | BlockKind::Private => Self { single: 0, full: outputs.div_ceil(lanes) },
            BlockKind::Apart => Self { single: outputs % lanes, full: outputs / lanes },
        }
    }

    fn count(self) -> usize {
        self.single + self.full
    }

    /// Row and lane of each of a strip's weights, with `lanes` lanes, the strip's first row being 0.
    fn places(self, outputs: usize, lanes: usize) -> impl Iterator<Item = (usize, usize)> {
        let padding = self.single * lanes + self.full * lanes - outputs - self.single * (lanes - 1);
        let in_full = move |slot: usize| (self.single + slot / lanes, slot % lanes);
        (0..self.single).map(move |row| (row, lanes - 1)).chain((padding..self.full * lanes).map(in_full))
    }
}

impl WeightBlock {
    fn strip_rows(&self, lanes: usize) -> StripRows {
        StripRows::new(self.outputs, self.kind, lanes)
    }

    fn rows(&self, lanes: usize) -> usize {
        self.taps.len() * self.strip_rows(lanes).count()
    }
}

/// Which private weights stand in which cells.
#[derive(Clone, Debug, Default)]
pub(super) struct PrivateWeights {
    lanes: usize,
    strips: Vec<PlacedStrip>,
}

/// A strip of private weights on the machine.
#[derive(Clone, Copy, Debug)]
struct PlacedStrip {
    strip: PrivateStrip,
    outputs: usize,
    /// The first of its rows.
    first: usize,
    rows: StripRows,
}

impl PrivateWeights {
    /// The columns of a program's weights, each with `rows` cells.
    pub(super) fn columns(&self, program: &Program, rows: usize) -> Vec<Integers> {
        let mut columns = vec![Integers::zeros(rows); self.lanes];
        for &PlacedStrip { strip, outputs, first, rows } in &self.strips {
            for (limb, (row, lane)) in strip.limbs(program, outputs).zip(rows.places(outputs, self.lanes)) {
                columns[lane].set(first + row, limb);
            }
        }
        columns
    }

    /// Every cell with a private weight: its row and lane, and the weight's strip and number.
    pub(super) fn cells(&self) -> impl Iterator<Item = ((usize, usize), PrivateStrip, usize)> + '_ {
        self.strips.iter().flat_map(move |&PlacedStrip { strip, outputs, first, rows }| {
            let places = rows.places(outputs, self.lanes).enumerate();
            places.map(move |(output, (row, lane))| ((first + row, lane), strip, strip.index(output)))
        })
    }
}

#[cfg(test)]
impl PrivateWeights {
    /// Number of strips.
    pub(super) fn len(&self) -> usize {
        self.strips.len()
    }

    /// Says of the weights of two strips that they stand in each other's place.
    pub(super) fn exchange(&mut self, a: usize, b: usize) {
        let (first, second) = (self.strips[a].strip, self.strips[b].strip);
        (self.strips[a].strip, self.strips[b].strip) = (second, first);
    }

    /// Says of the weights of one strip that they stand in the place of another's, too.
    pub(super) fn repeat(&mut self, of: usize, at: usize) {
        self.strips[at].strip = self.strips[of].strip;
    }
}

/// All blocks of a program.
#[derive(Clone, Debug, Default)]
pub(super) struct WeightBlocks {
    blocks: Vec<WeightBlock>,
    known: HashMap<WeightBlock, usize>,
    /// Whether there are public blocks, and private ones.
    kinds: [bool; 2],
    /// The strips of the private blocks.
    placed: HashSet<StripId>,
    /// Whether a strip stands in two blocks, so that nothing says that they hold the same.
    doubled: bool,
}

impl WeightBlocks {
    /// The number of a block with these weights, which all are public or all private; those of one of several groups must not
    /// spill over.
    pub(super) fn intern(
        &mut self,
        strips: &Strips<'_>,
        outputs: usize,
        taps: Box<[StripId]>,
        one_of_several: bool,
    ) -> usize {
        let kind = match (taps.first().is_some_and(|&tap| strips.is_private(tap)), one_of_several) {
            (false, _) => BlockKind::Public,
            (true, false) => BlockKind::Private,
            (true, true) => BlockKind::Apart,
        };
        let block = WeightBlock { outputs, taps, kind };
        if let Some(&known) = self.known.get(&block) {
            return known;
        }
        self.kinds[usize::from(kind != BlockKind::Public)] = true;
        if kind != BlockKind::Public {
            self.doubled |= !block.taps.iter().all(|&tap| self.placed.insert(tap));
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

    /// Whether every private weight stands in one cell. Convolutions that share theirs and read planes of different pitch would have
    /// them in different blocks.
    pub(super) fn are_single(&self) -> bool {
        !self.doubled
    }

    /// Where the weights stand.
    pub(super) fn lanes(&self) -> WeightLanes {
        match self.kinds {
            [_, false] => WeightLanes::Public,
            [false, true] => WeightLanes::Private,
            [true, true] => WeightLanes::Both,
        }
    }

    /// The columns of public weights, each with `rows` cells.
    pub(super) fn columns(&self, strips: &Strips<'_>, lanes: usize, rows: usize) -> Vec<Integers> {
        match self.lanes().has_public() {
            true => (0..lanes).into_par_iter().map(|lane| self.column(strips, lanes, lane, rows)).collect(),
            false => Vec::new(),
        }
    }

    fn column(&self, strips: &Strips<'_>, lanes: usize, lane: usize, rows: usize) -> Integers {
        let mut column = vec![0; rows];
        let mut row = 0;
        for block in &self.blocks {
            if block.kind != BlockKind::Public {
                row += block.rows(lanes);
                continue;
            }
            let inner = block.outputs.div_ceil(lanes);
            let padding = inner * lanes - block.outputs;
            for &tap in &block.taps {
                let strip = strips.public(tap);
                for (row, slot) in (row..row + inner).zip((lane..).step_by(lanes)) {
                    if slot >= padding {
                        column[row] = strip.get(slot - padding);
                    }
                }
                row += inner;
            }
        }
        column.into()
    }

    /// Which private weights stand in which cells.
    pub(super) fn private(&self, strips: &Strips<'_>, lanes: usize) -> PrivateWeights {
        let mut placed = Vec::new();
        let mut first = 0;
        for block in &self.blocks {
            let rows = block.strip_rows(lanes);
            for &tap in &block.taps {
                if block.kind != BlockKind::Public {
                    placed.push(PlacedStrip { strip: strips.private(tap), outputs: block.outputs, first, rows });
                }
                first += rows.count();
            }
        }
        let lanes = if placed.is_empty() { 0 } else { lanes };
        PrivateWeights { lanes, strips: placed }
    }

    /// Writes the switches of the accumulators over the weights; returns the row of each block's value.
    pub(super) fn emit(&self, lanes: usize, mut set: impl FnMut(FixedColumn, usize, i64)) -> Vec<u32> {
        let mut row = 0;
        let mut results = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            row = emit_block(row, block.strip_rows(lanes), block.taps.len(), block.kind, &mut set);
            results.push(row as u32 - 1);
        }
        results
    }

    /// The switches that are on somewhere. They depend on whether strips have one row of a kind or more, and blocks one tap or more.
    pub(super) fn switched_on(&self, lanes: usize) -> BTreeSet<FixedColumn> {
        let shape = |block: &WeightBlock| {
            let StripRows { single, full } = block.strip_rows(lanes);
            (StripRows { single: single.min(2), full: full.min(2) }, block.taps.len().min(2), block.kind)
        };
        let mut columns = BTreeSet::new();
        for (rows, taps, kind) in self.blocks.iter().map(shape).collect::<HashSet<_>>() {
            emit_block(0, rows, taps, kind, &mut |column, _, value| {
                if value != 0 {
                    columns.insert(column);
                }
            });
        }
        columns
    }
}

/// Writes the switches of a block of `taps` strips that starts in row `first`; returns the row behind it.
fn emit_block(
    first: usize,
    rows: StripRows,
    taps: usize,
    kind: BlockKind,
    set: &mut impl FnMut(FixedColumn, usize, i64),
) -> usize {
    let mut row = first;
    for tap in 0..taps {
        for inner in 0..rows.count() {
            let (last, single) = (inner + 1 == rows.count(), inner < rows.single);
            set(FixedColumn::WeightStep, row + inner, i64::from(inner > 0 && !single));
            set(FixedColumn::WeightSingleStep, row + inner, i64::from(inner > 0 && single));
            set(FixedColumn::WeightPrivate, row + inner, i64::from(kind != BlockKind::Public && !single));
            set(FixedColumn::WeightSingle, row + inner, i64::from(single));
            set(FixedColumn::WeightAbsorb, row + inner, i64::from(last));
            set(FixedColumn::WeightOuterStep, row + inner, i64::from(last && tap > 0));
            set(FixedColumn::WeightOuterKeep, row + inner, i64::from(!last && tap > 0));
        }
        row += rows.count();
    }
    row
}
