//! Many additions of points at once, in affine coordinates.
//!
//! With `λ = (y₂ − y₁)/(x₂ − x₁)` the sum of two points is `x₃ = λ² − x₁ − x₂`, `y₃ = λ·(x₁ − x₃) − y₁`: two products, a
//! square and a quotient. The quotients of a batch share one inversion (Montgomery's trick): forwards, the product of all
//! denominators so far is kept before each step; backwards, the inverse of the whole product gives one inverse after the
//! other. That is three products more, six in all, and every lane and each of [`CHAINS`] interleaved chains runs on its
//! own until their products are merged for the one inversion.
//!
//! A denominator is zero where the points are equal or opposite. Then the product of the batch is zero, which is the only
//! test that the usual case pays for; the batch is run again with a test for each lane, the denominators in question are
//! replaced by one, and those sums are computed apart. The point at infinity never enters a batch: [`Arena`] keeps flags.

use std::ops::Range;

use halo2_proofs::halo2curves::bn256::{Fq, G1Affine, G1};
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::halo2curves::group::Curve;

use crate::field::{run, Instructions, Kernel, Lanes, Pair};

/// A point's `x` and `y`.
pub(super) type Point = Pair<Fq>;

/// Chains of products that run side by side, so that the processor has something to do while a product is under way.
const CHAINS: usize = 2;
/// Additions that share an inversion. Their operands, denominators and partial products take 208 bytes an addition.
const BATCH: usize = 4096;

/// The same for operands that may have to come from afar: those of two batches are kept near.
const BATCH_FAR: usize = 2048;

/// How many copies ahead points are asked for.
const COPIES_AHEAD: usize = 32;

/// The coordinates of a point that is not at infinity.
pub(super) fn coordinates(point: &G1Affine) -> Point {
    Pair([point.x, point.y])
}

/// The curve library's form of a point.
pub(super) fn affine(point: &Point) -> G1Affine {
    G1Affine { x: point.0[0], y: point.0[1] }
}

/// Two points with different `x`, to fill batches up with.
pub(super) fn fillers() -> [Point; 2] {
    let generator = G1Affine::generator();
    [coordinates(&generator), coordinates(&(G1::from(generator) + generator).to_affine())]
}

/// Additions to be made: `out ← left + right`, as positions.
#[derive(Default)]
pub(super) struct Additions {
    left: Vec<u32>,
    right: Vec<u32>,
    out: Vec<u32>,
}

impl Additions {
    #[inline]
    fn push(&mut self, left: u32, right: u32, out: u32) {
        self.left.push(left);
        self.right.push(right);
        self.out.push(out);
    }

    /// Queues the additions of neighbours in a list of even length, to slots from `out` on. Gives the first slot after them.
    pub(super) fn push_neighbours(&mut self, operands: &[u32], out: u32) -> u32 {
        let pairs = operands.chunks_exact(2);
        let end = out + pairs.len() as u32;
        self.left.extend(pairs.clone().map(|pair| pair[0]));
        self.right.extend(pairs.map(|pair| pair[1]));
        self.out.extend(out..end);
        end
    }

    /// Whether none is queued.
    pub(super) fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    fn clear(&mut self) {
        self.left.clear();
        self.right.clear();
        self.out.clear();
    }
}

/// Copies to be made of signed points.
#[derive(Default)]
pub(super) struct Copies {
    codes: Vec<u32>,
    slots: Vec<u32>,
}

impl Copies {
    /// Queues a copy.
    #[inline]
    pub(super) fn push(&mut self, code: u32, slot: u32) {
        self.codes.push(code);
        self.slots.push(slot);
    }
}

/// Points to work on in place, with flags for those at infinity.
pub(super) struct Arena {
    /// The slots, and three more: what fillers are added into, and the two fillers.
    points: Vec<Point>,
    infinite: Vec<bool>,
    queue: Additions,
}

impl Arena {
    /// Slots, all at infinity. Takes 65 bytes a slot.
    pub(super) fn new(slots: usize) -> Self {
        let mut points = Vec::with_capacity(slots + 1 + fillers().len());
        points.resize(slots + 1, Point::default());
        points.extend(fillers());
        Self { points, infinite: vec![true; slots + 1], queue: Additions::default() }
    }

    /// The point in a slot, unless it is at infinity.
    pub(super) fn get(&self, slot: u32) -> Option<&Point> {
        (!self.infinite[slot as usize]).then(|| &self.points[slot as usize])
    }

    /// Writes a slot.
    pub(super) fn set(&mut self, slot: u32, point: Option<Point>) {
        self.infinite[slot as usize] = point.is_none();
        if let Some(point) = point {
            self.points[slot as usize] = point;
        }
    }

    /// Says that slots are about to be written by [`Self::add_bases`].
    pub(super) fn reserve(&mut self, slots: Range<u32>) {
        self.infinite[slots.start as usize..slots.end as usize].fill(false);
    }

    /// Puts so many slots at infinity.
    pub(super) fn clear(&mut self, slots: usize) {
        self.infinite[..slots].fill(true);
    }

    /// Queues `left ← left + right`, or does it at once where one of them is at infinity. What waits in the queue must be
    /// about different slots.
    #[inline]
    pub(super) fn queue(&mut self, left: u32, right: u32) {
        if self.infinite[right as usize] {
            return;
        }
        if self.infinite[left as usize] {
            self.infinite[left as usize] = false;
            self.points[left as usize] = self.points[right as usize];
            return;
        }
        self.queue.push(left, right, left);
    }

    /// Queues `out ← left + right`. None of them may be at infinity, `out` must be no other operand that waits.
    pub(super) fn queue_into(&mut self, left: u32, right: u32, out: u32) {
        self.infinite[out as usize] = false;
        self.queue.push(left, right, out);
    }

    /// The slots, one more, and the fillers: as [`Self::add_bases`] takes them.
    pub(super) fn into_points(self) -> Vec<Point> {
        self.points
    }

    /// Makes the queued additions.
    pub(super) fn add_queued(&mut self, instructions: Instructions) {
        let mut queue = std::mem::take(&mut self.queue);
        let slots = self.infinite.len() as u32 - 1;
        self.add::<false>(instructions, &[], &mut queue, [slots + 1, slots + 2]);
        self.queue = queue;
    }

    /// Makes additions of signed points into slots, and empties the list. `left` and `right` are [`signed`] positions in
    /// `bases`, which ends in the [`fillers`] and has no point at infinity at those positions.
    pub(super) fn add_bases(&mut self, instructions: Instructions, bases: &[Point], additions: &mut Additions) {
        let count = bases.len() as u32;
        self.add::<true>(instructions, bases, additions, [signed(count - 2, false), signed(count - 1, false)]);
    }

    /// Copies signed points into slots, and empties the list, which has [`signed`] positions in `bases` and slots.
    pub(super) fn copy_bases(&mut self, instructions: Instructions, bases: &[Point], copies: &mut Copies) {
        let trash = self.infinite.len() as u32 - 1;
        run(instructions, Copy { bases, arena: &mut self.points, copies, trash });
        copies.codes.clear();
        copies.slots.clear();
    }

    fn add<const SIGNED: bool>(
        &mut self,
        instructions: Instructions,
        bases: &[Point],
        additions: &mut Additions,
        [left, right]: [u32; 2],
    ) {
        if additions.is_empty() {
            return;
        }
        let mut exceptions = Vec::new();
        let trash = self.infinite.len() as u32 - 1;
        let filler = [left, right, trash];
        let arena = self.points.as_mut_slice();
        run(instructions, Add::<SIGNED> { bases, arena, additions, filler, exceptions: &mut exceptions });
        exceptions.into_iter().for_each(|(slot, sum)| self.set(slot, sum));
        additions.clear();
    }
}

/// A position with a sign: minus if `negative`.
#[inline(always)]
pub(super) fn signed(position: u32, negative: bool) -> u32 {
    position << 1 | u32::from(negative)
}

/// The point at a position as made by [`signed`].
fn signed_point(points: &[Point], code: u32) -> Point {
    let Pair([x, y]) = points[(code >> 1) as usize];
    Pair([x, if code & 1 == 1 { -y } else { y }])
}

/// A slot and what is to be written there; nothing stands for the point at infinity.
type Exception = (u32, Option<Point>);

/// Makes additions within an arena, or, if `SIGNED`, from signed bases into it.
struct Add<'a, const SIGNED: bool> {
    bases: &'a [Point],
    arena: &'a mut [Point],
    additions: &'a mut Additions,
    /// Operands and place of an addition that does nothing.
    filler: [u32; 3],
    exceptions: &'a mut Vec<Exception>,
}

/// Makes copies of signed bases in an arena.
struct Copy<'a> {
    bases: &'a [Point],
    arena: &'a mut [Point],
    copies: &'a mut Copies,
    trash: u32,
}

impl Kernel for Copy<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { bases, arena, copies, trash } = self;
        while copies.codes.len() % L::COUNT != 0 {
            copies.push(0, trash);
        }
        let mut at = 0;
        while at < copies.codes.len() {
            if at + COPIES_AHEAD < copies.codes.len() {
                lanes.prefetch_pairs(bases, &decode::<L, true>(&copies.codes[at + COPIES_AHEAD..]).0);
            }
            let (positions, signs) = decode::<L, true>(&copies.codes[at..]);
            let [x, y] = lanes.gather_pairs(bases, &positions);
            lanes.scatter_pairs([x, lanes.negate_loaded(lanes.mask(signs), y)], arena, &copies.slots[at..]);
            at += L::COUNT;
        }
    }
}

/// What the way forwards leaves for the way back.
#[derive(Clone, Copy)]
struct Step<V> {
    denominators: [V; CHAINS],
    products_before: [V; CHAINS],
}

impl<const SIGNED: bool> Kernel for Add<'_, SIGNED> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { bases, arena, additions, filler: [left, right, trash], exceptions } = self;
        while additions.out.len() % (CHAINS * L::COUNT) != 0 {
            additions.push(left, right, trash);
        }
        let mut steps = Vec::with_capacity(BATCH.min(additions.out.len()) / (CHAINS * L::COUNT));
        let size = if SIGNED { BATCH_FAR } else { BATCH };
        let mut start = 0;
        while start < additions.out.len() {
            let end = (start + size).min(additions.out.len());
            let source = if SIGNED { bases } else { &*arena };
            let batch = Batch {
                left: &additions.left[start..end],
                right: &additions.right[start..end],
                out: &additions.out[start..end],
            };
            let products = forwards::<L, SIGNED, false>(lanes, source, batch, &mut steps, exceptions);
            let inverses = match invert(lanes, products) {
                Some(inverses) => inverses,
                None => {
                    let products = forwards::<L, SIGNED, true>(lanes, source, batch, &mut steps, exceptions);
                    invert(lanes, products).expect("zeros have been replaced")
                }
            };
            let next =
                Batch { left: &additions.left[end..], right: &additions.right[end..], out: &additions.out[end..] };
            backwards::<L, SIGNED>(lanes, bases, arena, batch, &steps, inverses, next);
            start = end;
        }
    }
}

/// Additions of a batch.
#[derive(Clone, Copy)]
struct Batch<'a> {
    left: &'a [u32],
    right: &'a [u32],
    out: &'a [u32],
}

/// Positions and signs of a vector's operands.
#[inline(always)]
fn decode<L: Lanes, const SIGNED: bool>(codes: &[u32]) -> ([u32; 8], u8) {
    let codes = &codes[..L::COUNT];
    let (mut positions, mut signs) = ([0; 8], 0);
    let mut i = 0;
    while i < L::COUNT {
        positions[i] = if SIGNED { codes[i] >> 1 } else { codes[i] };
        signs |= if SIGNED { ((codes[i] & 1) as u8) << i } else { 0 };
        i += 1;
    }
    (positions, signs)
}

/// The products of all denominators, one in each lane of each chain. With `CHECKED`, zeros among the denominators are
/// replaced, and their sums listed.
#[inline(always)]
fn forwards<L: Lanes, const SIGNED: bool, const CHECKED: bool>(
    lanes: L,
    source: &[Point],
    batch: Batch<'_>,
    steps: &mut Vec<Step<L::Vector<Fq>>>,
    exceptions: &mut Vec<Exception>,
) -> [L::Vector<Fq>; CHAINS] {
    steps.clear();
    let one = lanes.splat(Fq::ONE);
    let mut products = [one; CHAINS];
    let mut i = 0;
    while i < batch.out.len() {
        let mut denominators = [one; CHAINS];
        let mut chain = 0;
        while chain < CHAINS {
            let at = i + chain * L::COUNT;
            let x_left = lanes.gather_first(source, &decode::<L, SIGNED>(&batch.left[at..]).0);
            let x_right = lanes.gather_first(source, &decode::<L, SIGNED>(&batch.right[at..]).0);
            let mut denominator = lanes.sub_loaded(x_right, x_left);
            if CHECKED {
                let zeros = lanes.is_zero(denominator);
                denominator = lanes.select(zeros, one, denominator);
                list_exceptions::<L, SIGNED>(source, batch, at, lanes.bits(zeros), exceptions);
            }
            denominators[chain] = denominator;
            chain += 1;
        }
        steps.push(Step { denominators, products_before: products });
        let mut chain = 0;
        while chain < CHAINS {
            products[chain] = lanes.mul(products[chain], denominators[chain]);
            chain += 1;
        }
        i += CHAINS * L::COUNT;
    }
    products
}

/// Lists the sums of the vector that starts at `at` whose bit is set: their operands are equal or opposite.
#[inline(always)]
fn list_exceptions<L: Lanes, const SIGNED: bool>(
    source: &[Point],
    batch: Batch<'_>,
    at: usize,
    bits: u8,
    exceptions: &mut Vec<Exception>,
) {
    let operand = |code: u32| if SIGNED { signed_point(source, code) } else { source[code as usize] };
    for k in (at..at + L::COUNT).filter(|k| bits >> (k - at) & 1 == 1) {
        let (left, right) = (operand(batch.left[k]), operand(batch.right[k]));
        exceptions.push((batch.out[k], (left == right).then(|| doubled(left))));
    }
}

/// Twice a point. The curve has no point of order two, so `y` is not zero.
fn doubled(point: Point) -> Point {
    let Pair([x, y]) = point;
    let square = x.square();
    let slope = (square.double() + square) * y.double().invert().expect("no point of order two");
    let sum_x = slope.square() - x.double();
    Pair([sum_x, slope * (x - sum_x) - y])
}

/// The inverses of vectors, lane by lane, with one inversion; nothing if there is a zero.
#[inline(always)]
fn invert<L: Lanes>(lanes: L, products: [L::Vector<Fq>; CHAINS]) -> Option<[L::Vector<Fq>; CHAINS]> {
    let mut elements = [Fq::ONE; 8];
    lanes.store(lanes.mul(products[0], products[1]), &mut elements);
    invert_elements(&mut elements[..L::COUNT])?;
    let inverse = lanes.load(&elements);
    Some([lanes.mul(inverse, products[1]), lanes.mul(inverse, products[0])])
}

/// Inverts up to eight elements, unless there is a zero.
fn invert_elements(elements: &mut [Fq]) -> Option<()> {
    let mut before = [Fq::ONE; 8];
    let mut product = Fq::ONE;
    for (element, before) in elements.iter().zip(&mut before) {
        *before = product;
        product *= element;
    }
    let mut inverse = Option::<Fq>::from(product.invert())?;
    for (element, before) in elements.iter_mut().zip(&before).rev() {
        (*element, inverse) = (inverse * before, inverse * *element);
    }
    Some(())
}

/// Writes the sums, the last ones first.
#[inline(always)]
fn backwards<L: Lanes, const SIGNED: bool>(
    lanes: L,
    bases: &[Point],
    arena: &mut [Point],
    batch: Batch<'_>,
    steps: &[Step<L::Vector<Fq>>],
    mut inverses: [L::Vector<Fq>; CHAINS],
    next: Batch<'_>,
) {
    let mut step = steps.len();
    let mut ahead = 0;
    while step > 0 {
        step -= 1;
        if SIGNED && ahead < next.out.len() {
            prefetch::<L, SIGNED>(lanes, bases, next, ahead);
            ahead += CHAINS * L::COUNT;
        }
        let Step { denominators, products_before } = steps[step];
        let quotients = multiply::<L>(lanes, inverses, products_before);
        inverses = multiply::<L>(lanes, inverses, denominators);
        let at = [step * CHAINS * L::COUNT, (step * CHAINS + 1) * L::COUNT];
        let source = if SIGNED { bases } else { &*arena };
        let operands =
            [operands::<L, SIGNED>(lanes, source, batch, at[0]), operands::<L, SIGNED>(lanes, source, batch, at[1])];
        let [a, b] = &operands;
        let rises = [lanes.sub_loaded(a.y_right, a.y_left), lanes.sub_loaded(b.y_right, b.y_left)];
        let slopes = multiply::<L>(lanes, rises, quotients);
        let squares = [lanes.square(slopes[0]), lanes.square(slopes[1])];
        let x = [lanes.sub_both(squares[0], a.x_left, a.x_right), lanes.sub_both(squares[1], b.x_left, b.x_right)];
        let falls = [lanes.sub(a.x_left, x[0]), lanes.sub(b.x_left, x[1])];
        let heights = multiply::<L>(lanes, slopes, falls);
        let y = [lanes.sub(heights[0], a.y_left), lanes.sub(heights[1], b.y_left)];
        lanes.scatter_pairs([x[0], y[0]], arena, &batch.out[at[0]..]);
        lanes.scatter_pairs([x[1], y[1]], arena, &batch.out[at[1]..]);
    }
}

/// Asks for the operands of a step.
#[inline(always)]
fn prefetch<L: Lanes, const SIGNED: bool>(lanes: L, source: &[Point], batch: Batch<'_>, at: usize) {
    let mut chain = 0;
    while chain < CHAINS {
        let at = at + chain * L::COUNT;
        lanes.prefetch_pairs(source, &decode::<L, SIGNED>(&batch.left[at..]).0);
        lanes.prefetch_pairs(source, &decode::<L, SIGNED>(&batch.right[at..]).0);
        chain += 1;
    }
}

/// Coordinates of a vector of operands.
struct Operands<V> {
    x_left: V,
    y_left: V,
    x_right: V,
    y_right: V,
}

#[inline(always)]
fn operands<L: Lanes, const SIGNED: bool>(
    lanes: L,
    source: &[Point],
    batch: Batch<'_>,
    at: usize,
) -> Operands<L::Vector<Fq>> {
    let (left, left_signs) = decode::<L, SIGNED>(&batch.left[at..]);
    let (right, right_signs) = decode::<L, SIGNED>(&batch.right[at..]);
    let [x_left, mut y_left] = lanes.gather_pairs(source, &left);
    let [x_right, mut y_right] = lanes.gather_pairs(source, &right);
    if SIGNED {
        y_left = lanes.negate_loaded(lanes.mask(left_signs), y_left);
        y_right = lanes.negate_loaded(lanes.mask(right_signs), y_right);
    }
    Operands { x_left, y_left, x_right, y_right }
}

#[inline(always)]
fn multiply<L: Lanes>(lanes: L, a: [L::Vector<Fq>; CHAINS], b: [L::Vector<Fq>; CHAINS]) -> [L::Vector<Fq>; CHAINS] {
    [lanes.mul(a[0], b[0]), lanes.mul(a[1], b[1])]
}
