//! Number-theoretic transforms over the scalar field: polynomials between coefficients and values at roots of unity.
//!
//! A transform of `n = R·C` elements, `R` and `C` powers of two of about equal size (Bailey, *FFTs in external or hierarchical
//! memory*, 1990), with `i = r·C + c` the place of a coefficient and `e + R·j` that of a value:
//!
//! ```text
//! Σ_i a_i·ω^(i·(e + R·j)) = Σ_c (ω^R)^(c·j) · [ ω^(c·e) · Σ_r (ω^C)^(r·e)·a_(r·C + c) ]
//! ```
//!
//! The first pass transforms the `C` columns, as many neighbouring ones at once as there are lanes; multiplies by the *twists*
//! `ω^(c·e)`; and leaves the results in scratch memory, in the order that the second pass wants them. That one transforms the
//! `R` rows, again with a row in each lane, and writes each vector to neighbouring places. So both passes run through memory
//! once, need no transposition, and do all their steps on vectors that the second cache holds. Inside, `butterflies` takes
//! one factor for all lanes in each step, and reduces lazily.
//!
//! For values at `shift·ω^i`, both passes are transforms over cosets: `a_(r·C + c)·shift^(r·C + c)` splits into
//! `(shift^C)^r` for the first one and `shift^c` for the second. Their factors take the shifts in, at no further product.
//!
//! The inverse is the transform by `ω^−1`. Each pass gives that in another order: value `−e` instead of `e`. The twists
//! `ω^(−c·e)` are those for `R − e`, but for a factor `ω^(c·R)`, which the second pass makes up for by a further place.
//!
//! Cost: `n/2·log n + n` products, those by one (some `1.9·n`) left out; 75 multiply-adds for eight products, see
//! [`Factor`]. Memory: the domain keeps the twists, `32·(n + C)` bytes, and `112·max(R, C)` bytes of factors; and scratch
//! memory of `32·n` bytes for each transform that runs at the same time.

mod butterflies;
#[cfg(test)]
mod tests;

use std::sync::Mutex;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use rayon::prelude::*;

use crate::field::{self, Factor, Halvings, Instructions, Kernel, Lanes};

/// Columns or rows that a task takes at once, at least: as many as the widest vectors have lanes.
const GROUP: usize = 8;
/// Sizes below `2^SPLIT` have too few columns for vectors.
const SPLIT: u32 = 6;
/// Transforms of fewer than `2^PARALLEL` elements are not worth dividing among threads.
const PARALLEL: u32 = 11;
/// Tasks for each thread, so that they end at about the same time.
const TASKS_PER_THREAD: usize = 4;

/// The powers of a root of unity of order `2^k`, and what transforms over them need.
pub struct Domain {
    k: u32,
    omega: Fr,
    omega_inv: Fr,
    /// Division by the size.
    halvings: Halvings<Fr>,
    /// By node, for `max(R, C)` leaves.
    factors: Vec<Factor<Fr>>,
    /// `ω^(c·e)` for `e` from 0 to `R`, by groups of columns: those of one group for `e = 0`, then for `e = 1`, …
    twists: Vec<Fr>,
    /// Memory to be used again.
    scratch: Mutex<Vec<Vec<Fr>>>,
}

/// What transforms over a coset `shift·ω^i` of a domain need: `112·(R + C)` bytes, some `2·(R + C)` products to make.
#[derive(Clone, Debug)]
pub struct Coset {
    k: u32,
    shift: Fr,
    column_factors: Vec<Factor<Fr>>,
    row_factors: Vec<Factor<Fr>>,
}

impl Coset {
    /// The shift.
    pub fn shift(&self) -> Fr {
        self.shift
    }
}

/// Which transform: the factors of both passes, whether they begin with ones, and the direction.
#[derive(Clone, Copy)]
struct Plan<'a> {
    domain: &'a Domain,
    column_factors: &'a [Factor<Fr>],
    row_factors: &'a [Factor<Fr>],
    plain: bool,
    inverse: bool,
}

impl Domain {
    /// The domain of size `2^k`, by the root of unity that halo2 takes. Costs `n` products.
    ///
    /// # Panics
    /// `k` is above 28: the field has no such root.
    pub fn new(k: u32) -> Self {
        assert!(k <= Fr::S, "the field has no root of unity of order 2^{k}");
        let omega = field::root_of_unity(k);
        let omega_inv = (k..Fr::S).fold(Fr::ROOT_OF_UNITY_INV, |omega, _| omega.square());
        let (rows_k, columns) = (k.div_ceil(2), 1 << (k / 2));
        let instructions = Instructions::detected();
        let rows_omega = omega.pow_vartime([columns as u64]);
        let mut twists = vec![Fr::ONE; ((1 << rows_k) + 1) * columns];
        let width = columns.min(GROUP);
        twists.par_chunks_mut(((1 << rows_k) + 1) * width).enumerate().for_each(|(group, twists)| {
            let mut steps = [Fr::ONE; GROUP];
            field::powers(instructions, omega, omega.pow_vartime([(group * width) as u64]), &mut steps[..width]);
            for e in 1..=1 << rows_k {
                let (before, twists) = twists[(e - 1) * width..].split_at_mut(width);
                twists[..width].copy_from_slice(before);
                field::multiply(instructions, &mut twists[..width], &steps[..width]);
            }
        });
        Self {
            k,
            omega,
            omega_inv,
            halvings: Halvings::new(k),
            factors: butterflies::node_factors(rows_k, rows_omega, Fr::ONE),
            twists,
            scratch: Mutex::new(Vec::new()),
        }
    }

    /// The logarithm of the size.
    pub fn k(&self) -> u32 {
        self.k
    }

    /// The number of elements.
    pub fn size(&self) -> usize {
        1 << self.k
    }

    /// The root of unity.
    pub fn omega(&self) -> Fr {
        self.omega
    }

    /// Its inverse.
    pub fn omega_inv(&self) -> Fr {
        self.omega_inv
    }

    /// Prepares transforms over `shift·ω^i`.
    pub fn coset(&self, shift: Fr) -> Coset {
        let (rows_k, columns_k) = (self.rows_k(), self.columns_k());
        Coset {
            k: self.k,
            shift,
            column_factors: butterflies::node_factors(
                rows_k,
                self.omega.pow_vartime([1 << columns_k]),
                shift.pow_vartime([1 << columns_k]),
            ),
            row_factors: butterflies::node_factors(columns_k, self.omega.pow_vartime([1 << rows_k]), shift),
        }
    }

    /// Coefficients to values at `1, ω, ω², …`, in place, on all threads of the current pool.
    ///
    /// # Panics
    /// There are not as many values as the domain has.
    pub fn forward(&self, instructions: Instructions, values: &mut [Fr]) {
        self.in_place(instructions, self.forward_plan(), values, self.tasks(1));
    }

    /// Values at `1, ω, ω², …` to coefficients, in place, on all threads of the current pool.
    ///
    /// # Panics
    /// There are not as many values as the domain has.
    pub fn inverse(&self, instructions: Instructions, values: &mut [Fr]) {
        self.in_place(instructions, self.inverse_plan(), values, self.tasks(1));
    }

    /// Values at `shift·ω^i` of a polynomial with any number of coefficients, on all threads of the current pool.
    ///
    /// # Panics
    /// There are not as many values as the domain has, or the coset is one of another size.
    pub fn forward_coset(&self, instructions: Instructions, coset: &Coset, coefficients: &[Fr], values: &mut [Fr]) {
        self.over_coset(instructions, coset, coefficients, values, self.tasks(1));
    }

    /// Coefficients of the polynomial that has fewer of them than the domain has elements and takes `values` at `shift·ω^i`,
    /// in place, on all threads of the current pool.
    ///
    /// # Panics
    /// There are not as many values as the domain has, the coset is one of another size, or the shift is zero.
    pub fn inverse_coset(&self, instructions: Instructions, coset: &Coset, values: &mut [Fr]) {
        assert_eq!(coset.k, self.k, "a coset of another size");
        let step = coset.shift.invert().expect("a shift that is not zero");
        self.inverse(instructions, values);
        let part = values.len().div_ceil(self.tasks(1));
        values.par_chunks_mut(part).enumerate().for_each(|(index, values)| {
            let start = step.pow_vartime([(index * part) as u64]);
            field::multiply_by_powers(instructions, values, step, start);
        });
    }

    /// [`forward`](Self::forward) of several columns: threads divide the columns, and where these are few, each of them too.
    pub fn forward_batch(&self, instructions: Instructions, columns: &mut [Vec<Fr>]) {
        self.reserve_scratch(columns.len());
        let tasks = self.tasks(columns.len());
        columns.par_iter_mut().for_each(|column| self.in_place(instructions, self.forward_plan(), column, tasks));
    }

    /// [`inverse`](Self::inverse) of several columns, divided as in [`forward_batch`](Self::forward_batch).
    pub fn inverse_batch(&self, instructions: Instructions, columns: &mut [Vec<Fr>]) {
        self.reserve_scratch(columns.len());
        let tasks = self.tasks(columns.len());
        columns.par_iter_mut().for_each(|column| self.in_place(instructions, self.inverse_plan(), column, tasks));
    }

    /// [`forward_coset`](Self::forward_coset) of several polynomials, divided as in [`forward_batch`](Self::forward_batch).
    ///
    /// # Panics
    /// As [`forward_coset`](Self::forward_coset), or there are not as many columns of values as polynomials.
    pub fn forward_coset_batch<P: AsRef<[Fr]> + Sync, C: AsMut<[Fr]> + Send>(
        &self,
        instructions: Instructions,
        coset: &Coset,
        polynomials: &[P],
        columns: &mut [C],
    ) {
        assert_eq!(polynomials.len(), columns.len());
        self.reserve_scratch(columns.len());
        let tasks = self.tasks(columns.len());
        polynomials.par_iter().zip(columns).for_each(|(polynomial, column)| {
            self.over_coset(instructions, coset, polynomial.as_ref(), column.as_mut(), tasks);
        });
    }

    fn rows_k(&self) -> u32 {
        self.k.div_ceil(2)
    }

    fn columns_k(&self) -> u32 {
        self.k / 2
    }

    fn forward_plan(&self) -> Plan<'_> {
        Plan { domain: self, column_factors: &self.factors, row_factors: &self.factors, plain: true, inverse: false }
    }

    fn inverse_plan(&self) -> Plan<'_> {
        Plan { inverse: true, ..self.forward_plan() }
    }

    /// Into how many tasks each of some columns' transforms is divided.
    fn tasks(&self, columns: usize) -> usize {
        let wanted = rayon::current_num_threads() * TASKS_PER_THREAD;
        if self.k < PARALLEL || rayon::current_num_threads() == 1 {
            1
        } else {
            wanted.div_ceil(columns.max(1)).min(1 << self.columns_k() >> 3).next_power_of_two()
        }
    }

    fn over_coset(
        &self,
        instructions: Instructions,
        coset: &Coset,
        coefficients: &[Fr],
        values: &mut [Fr],
        tasks: usize,
    ) {
        assert_eq!(coset.k, self.k, "a coset of another size");
        assert_eq!(values.len(), self.size());
        let plan = Plan {
            domain: self,
            column_factors: &coset.column_factors,
            row_factors: &coset.row_factors,
            plain: false,
            inverse: false,
        };
        if coefficients.len() == self.size() {
            let mut scratch = self.take_scratch();
            plan.columns(instructions, coefficients, &mut scratch, tasks);
            plan.rows(instructions, &scratch, values, tasks);
            self.give_scratch(scratch);
            return;
        }
        // Modulo X^n − shift^n.
        values.fill(Fr::ZERO);
        let (power, mut factor) = (coset.shift.pow_vartime([1 << self.k]), Fr::ONE);
        for part in coefficients.chunks(self.size()) {
            field::add_scaled(instructions, &mut values[..part.len()], part, factor);
            factor *= power;
        }
        self.in_place(instructions, plan, values, tasks);
    }

    fn in_place(&self, instructions: Instructions, plan: Plan<'_>, values: &mut [Fr], tasks: usize) {
        assert_eq!(values.len(), self.size());
        let mut scratch = self.take_scratch();
        plan.columns(instructions, values, &mut scratch, tasks);
        plan.rows(instructions, &scratch, values, tasks);
        self.give_scratch(scratch);
    }

    /// Makes scratch memory for so many transforms at a time: here, and not by threads, for which allocators keep what they free.
    fn reserve_scratch(&self, transforms: usize) {
        let mut kept = self.scratch.lock().expect("no panic while held");
        while kept.len() < transforms.min(rayon::current_num_threads()) {
            kept.push(vec![Fr::ZERO; self.size()]);
        }
    }

    /// Gives scratch memory back that is kept for further transforms.
    pub fn release_scratch(&self) {
        self.scratch.lock().expect("no panic while held").clear();
    }

    fn take_scratch(&self) -> Vec<Fr> {
        let kept = self.scratch.lock().expect("no panic while held").pop();
        kept.unwrap_or_else(|| vec![Fr::ZERO; self.size()])
    }

    fn give_scratch(&self, scratch: Vec<Fr>) {
        self.scratch.lock().expect("no panic while held").push(scratch);
    }
}

impl Plan<'_> {
    /// The instructions for this size.
    fn instructions(&self, instructions: Instructions) -> Instructions {
        if self.domain.k < SPLIT {
            Instructions::Portable
        } else {
            instructions
        }
    }

    /// The first pass, from places to scratch memory.
    fn columns(self, instructions: Instructions, source: &[Fr], scratch: &mut [Fr], tasks: usize) {
        let instructions = self.instructions(instructions);
        if tasks == 1 {
            field::run(instructions, Columns { plan: self, source, scratch, first: 0 });
            return;
        }
        let width = (1 << self.domain.columns_k()) / tasks;
        scratch.par_chunks_mut(width << self.domain.rows_k()).enumerate().for_each(|(task, scratch)| {
            field::run(instructions, Columns { plan: self, source, scratch, first: task * width });
        });
    }

    /// The second pass, from scratch memory to places.
    fn rows(self, instructions: Instructions, scratch: &[Fr], values: &mut [Fr], tasks: usize) {
        let instructions = self.instructions(instructions);
        let rows = 1usize << self.domain.rows_k();
        let width = rows / tasks;
        let mut parts: Vec<Vec<&mut [Fr]>> =
            (0..tasks).map(|_| Vec::with_capacity(1 << self.domain.columns_k())).collect();
        for row in values.chunks_mut(rows) {
            parts.iter_mut().zip(row.chunks_mut(width)).for_each(|(part, piece)| part.push(piece));
        }
        let run_part = |(task, values): (usize, Vec<&mut [Fr]>)| {
            field::run(instructions, Rows { plan: self, scratch, values, first: task * width });
        };
        if tasks == 1 {
            parts.into_iter().enumerate().for_each(run_part);
        } else {
            parts.into_par_iter().enumerate().for_each(run_part);
        }
    }
}

/// The first pass on neighbouring columns, from column `first` on. In scratch memory each group of lanes has `R` vectors, one
/// for each `e`.
struct Columns<'a> {
    plan: Plan<'a>,
    source: &'a [Fr],
    scratch: &'a mut [Fr],
    first: usize,
}

impl Kernel for Columns<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { plan, source, scratch, first } = self;
        let (rows_k, columns) = (plan.domain.rows_k(), 1usize << plan.domain.columns_k());
        let (rows, width) = (1usize << rows_k, columns.min(GROUP));
        let mut data = vec![lanes.loosen(lanes.splat(Fr::ZERO)); rows];
        for (group, scratch) in scratch.chunks_exact_mut(rows * L::COUNT).enumerate() {
            let column = first + group * L::COUNT;
            for (vector, row) in data.iter_mut().zip(source.chunks_exact(columns)) {
                *vector = lanes.loosen(lanes.load(&row[column..]));
            }
            butterflies::transform(lanes, &mut data, plan.column_factors, plan.plain);
            let twists = &plan.domain.twists[column / width * width * (rows + 1) + column % width..];
            for (e, places) in scratch.chunks_exact_mut(L::COUNT).enumerate() {
                let (value, twist) = match (plan.inverse, e) {
                    (false, e) => (e, e),
                    (true, 0) => (0, rows),
                    (true, e) => (rows - e, rows - e),
                };
                let value = lanes.tighten(data[reversed(value, rows_k)]);
                lanes.store(lanes.mul(value, lanes.load(&twists[twist * width..])), places);
            }
        }
    }
}

/// The second pass on neighbouring rows, from row `first` on: `values[j]` are the places of the values `j` of each row.
struct Rows<'a> {
    plan: Plan<'a>,
    scratch: &'a [Fr],
    values: Vec<&'a mut [Fr]>,
    first: usize,
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { plan, scratch, mut values, first } = self;
        let (rows, columns_k) = (1usize << plan.domain.rows_k(), plan.domain.columns_k());
        let width = values[0].len();
        let mut data = vec![lanes.loosen(lanes.splat(Fr::ZERO)); 1 << columns_k];
        for row in (0..width).step_by(L::COUNT) {
            let groups = scratch.chunks_exact(rows * L::COUNT);
            for (data, group) in data.chunks_exact_mut(L::COUNT).zip(groups) {
                // A square: of a vector for each of the rows, one element for each of the columns.
                let square = &group[(first + row) * L::COUNT..][..L::COUNT * L::COUNT];
                for (column, vector) in data.iter_mut().enumerate() {
                    let mut positions = [0; GROUP];
                    for (lane, position) in positions[..L::COUNT].iter_mut().enumerate() {
                        *position = (lane * L::COUNT + column) as u32;
                    }
                    *vector = lanes.loosen(lanes.gather(square, &positions));
                }
            }
            butterflies::transform(lanes, &mut data, plan.row_factors, plan.plain);
            for (place, vector) in data.iter().enumerate() {
                let j = reversed(place, columns_k);
                if plan.inverse {
                    let j = values.len() - 1 - j;
                    lanes.store(lanes.halve(*vector, &plan.domain.halvings), &mut values[j][row..]);
                } else {
                    lanes.store(lanes.tighten(*vector), &mut values[j][row..]);
                }
            }
        }
    }
}

/// The `bits` lowest bits in reverse order.
#[inline(always)]
fn reversed(index: usize, bits: u32) -> usize {
    if bits == 0 {
        0
    } else {
        index.reverse_bits() >> (usize::BITS - bits)
    }
}
