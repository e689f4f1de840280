//! Sums of the points of each bucket, and of the buckets with their weights.
//!
//! **Within buckets.** Entries come sorted by bucket. A *piece* of them, as many as fill an arena that lies in the second-level
//! cache, is summed up by a tree in each bucket: neighbours are added in pairs, from the bases into the arena; then sums
//! with their neighbours, in place, at distances 1, 2, 4, … All pairs of all buckets in a round are independent, so they go
//! through one list of additions; how the entries spread over the buckets does not matter. What a bucket held before
//! takes part as one more summand, so a bucket may be as large as it likes.
//!
//! **Across buckets.** Slot `s` of a window's `m = 2^k` buckets has the weight `s + 1`. Halving,
//! `Σ_s s·B_s = 2·Σ_i i·(B_2i + B_2i+1) + Σ_i B_2i+1`, so with `O_l` the sum of the nodes at odd places of level `l` of the
//! tree of sums and `T` its root, `Σ_s (s + 1)·B_s = T + Σ_l 2^l·O_l`. Nodes stay in place: level `l` has the slots that are
//! multiples of `2^l`, and the odd ones are final. The tree that sums these up to `O_l`, in slot `2^l`, starts one round
//! later; in the round with distance `d = 2^t` the pairs `(i, i + d)` are those with `i` zero or a power of two below `d`, modulo
//! `2d`. Two additions a bucket, in `k` rounds, for all windows side by side.

use super::addition::{Additions, Arena, Copies, Point};
use crate::field::Instructions;

/// Slots of the arena of a piece: 520 KiB, half of a usual second-level cache.
const PIECE_SLOTS: usize = 8192;

/// Room for sums within buckets: below 1 MiB with the lists of additions.
pub(super) struct Pieces {
    arena: Arena,
    slots: usize,
    /// The piece that is being collected: its parts, how many slots these have, and how they come from the bases.
    parts: Vec<Part>,
    used: u32,
    pairs: Additions,
    singles: Copies,
}

/// A bucket's part of a piece: so many summands from slot `first` on.
struct Part {
    bucket: u32,
    first: u32,
    count: u32,
}

impl Pieces {
    /// Room for any number of entries.
    pub(super) fn new() -> Self {
        Self::with_slots(PIECE_SLOTS)
    }

    /// Room for so many entries in so many buckets, no larger than need be.
    pub(super) fn for_entries(entries: usize, buckets: usize) -> Self {
        Self::with_slots((entries / 2 + 2 * buckets + 3).min(PIECE_SLOTS))
    }

    fn with_slots(slots: usize) -> Self {
        Self {
            arena: Arena::new(slots),
            slots,
            parts: Vec::new(),
            used: 0,
            pairs: Additions::default(),
            singles: Copies::default(),
        }
    }

    /// Adds to each bucket its entries: signed positions of bases. Those of bucket `b` are `entries[ends[b − 1]..ends[b]]`.
    pub(super) fn add(
        &mut self,
        instructions: Instructions,
        bases: &[Point],
        entries: &[u32],
        ends: &[u32],
        buckets: &mut Arena,
    ) {
        let mut start = 0;
        for (bucket, &end) in ends.iter().enumerate() {
            let mut left = &entries[start as usize..end as usize];
            start = end;
            while !left.is_empty() {
                // What it held before, a pair or an odd entry, and a pair more.
                if self.used as usize + 3 > self.slots {
                    self.finish(instructions, bases, buckets);
                }
                let most = 2 * (self.slots - self.used as usize - 2);
                let (now, later) = left.split_at(left.len().min(most));
                self.take(now, bucket as u32, buckets);
                left = later;
                if !left.is_empty() {
                    self.finish(instructions, bases, buckets);
                }
            }
        }
        self.finish(instructions, bases, buckets);
    }

    /// Makes entries part of the piece, for which there is room.
    fn take(&mut self, entries: &[u32], bucket: u32, buckets: &Arena) {
        let first = self.used;
        let (pairs, single) = entries.split_at(entries.len() & !1);
        self.used = self.pairs.push_neighbours(pairs, first);
        if let [single] = single {
            self.singles.push(*single, self.used);
            self.used += 1;
        }
        self.arena.reserve(first..self.used);
        if let Some(held) = buckets.get(bucket) {
            self.arena.set(self.used, Some(*held));
            self.used += 1;
        }
        self.parts.push(Part { bucket, first, count: self.used - first });
    }

    /// Sums the parts up and writes the buckets.
    fn finish(&mut self, instructions: Instructions, bases: &[Point], buckets: &mut Arena) {
        self.arena.copy_bases(instructions, bases, &mut self.singles);
        self.arena.add_bases(instructions, bases, &mut self.pairs);
        let largest = self.parts.iter().map(|part| part.count).max().unwrap_or(0);
        let mut distance = 1;
        while distance < largest {
            for part in self.parts.iter().filter(|part| part.count > distance) {
                for left in (part.first..part.first + part.count - distance).step_by(2 * distance as usize) {
                    self.arena.queue(left, left + distance);
                }
            }
            self.arena.add_queued(instructions);
            distance *= 2;
        }
        for part in self.parts.drain(..) {
            buckets.set(part.bucket, self.arena.get(part.first).copied());
        }
        self.used = 0;
    }
}

/// Sums up the buckets of windows, in place. Window `w` has the slots from `starts[w]` to `starts[w + 1]`, a power of two
/// of them. After it, the window's sum is the root, in its first slot, plus `2^l` times slot `2^l` for each `l`.
pub(super) fn weigh(instructions: Instructions, buckets: &mut Arena, starts: &[u32]) {
    let largest = starts.windows(2).map(|window| window[1] - window[0]).max().unwrap_or(0);
    let mut distance = 1;
    while distance < largest {
        for window in starts.windows(2) {
            queue_round(buckets, window[0], window[1], distance);
        }
        buckets.add_queued(instructions);
        distance *= 2;
    }
}

fn queue_round(buckets: &mut Arena, start: u32, end: u32, distance: u32) {
    let mut offset = 0;
    while offset < distance {
        for left in (start + offset..end.saturating_sub(distance).max(start)).step_by(2 * distance as usize) {
            buckets.queue(left, left + distance);
        }
        offset = if offset == 0 { 1 } else { 2 * offset };
    }
}
