//! Columns cut into tasks, and what a task does.

use std::ops::Range;
use std::sync::Mutex;

use halo2_proofs::halo2curves::bn256::G1;
use halo2_proofs::halo2curves::group::Group;
use rayon::prelude::*;

use super::addition::{affine, signed, Arena, Point};
use super::buckets::{weigh, Pieces};
use super::scalars::{Scalars, Survey};
use super::windows::Windows;
use super::Bases;
use crate::field::Instructions;

/// Buckets of a task at most, for few places of a column and for many; the widest window has no more. 1 to 4 MiB.
const TASK_BUCKETS: [usize; 2] = [1 << 14, 1 << 16];
/// Digits that are sorted at once, in all windows of a task, for each bucket that it may have. At 8 bytes with their entries
/// that is as much memory as the buckets take.
const BLOCK_DIGITS: usize = 8;
/// Places of a column that are surveyed at once.
const SURVEY_PLACES: usize = 1 << 13;
/// Tasks for each thread, if the work is large enough.
const TASKS_PER_THREAD: usize = 2;
/// Additions that are worth a task.
const LEAST_TASK: f64 = 4096.0;

/// Some windows of some places of a column.
struct Task<'a> {
    column: usize,
    scalars: Scalars<'a>,
    places: Range<usize>,
    windows: Windows,
    range: Range<u32>,
    /// Digits that are sorted at once.
    digits: usize,
}

impl Task<'_> {
    /// Places whose digits are sorted at once.
    fn block(&self) -> usize {
        self.digits / self.range.len()
    }

    /// Buckets of all windows.
    fn buckets(&self) -> usize {
        self.range.clone().map(|window| self.windows.buckets(window)).sum()
    }
}

/// A point, and the power of two that it takes part with.
type Term = (u32, Point);

/// The sums of columns, whose scalars have been checked to fit.
pub(super) fn run(instructions: Instructions, bases: &Bases, columns: &[Scalars<'_>]) -> Vec<G1> {
    let surveys: Vec<Survey> = columns.par_iter().map(|column| survey(instructions, column)).collect();
    let tasks = plan(columns, &surveys, rayon::current_num_threads());
    // Rooms are handed on, for their pages cost a good part of a small task when they are touched for the first time. They are made
    // here, as large as any task asks for, and not by the threads: allocators keep what a thread frees for that thread.
    let rooms = rayon::current_num_threads().min(tasks.len());
    let rooms = Mutex::new((0..rooms).map(|_| Room::for_tasks(&tasks)).collect::<Vec<_>>());
    let terms: Vec<(usize, Vec<Term>)> = tasks
        .par_iter()
        .with_max_len(1)
        .map(|task| {
            let mut room = rooms.lock().expect("not held in a panic").pop().expect("there is one for each thread");
            let terms = room.sum(instructions, bases, task);
            rooms.lock().expect("not held in a panic").push(room);
            (task.column, terms)
        })
        .collect();
    let mut by_column = vec![Vec::new(); columns.len()];
    terms.into_iter().for_each(|(column, terms)| by_column[column].extend(terms));
    by_column.into_par_iter().map(combine).collect()
}

fn survey(instructions: Instructions, column: &Scalars<'_>) -> Survey {
    let places = column.len();
    (0..places.div_ceil(SURVEY_PLACES))
        .into_par_iter()
        .map(|block| {
            let start = block * SURVEY_PLACES;
            column.survey(instructions, start..places.min(start + SURVEY_PLACES))
        })
        .reduce(Survey::default, Survey::joined)
}

/// Cuts columns into tasks of about the same cost, the columns in order.
fn plan<'a>(columns: &[Scalars<'a>], surveys: &[Survey], threads: usize) -> Vec<Task<'a>> {
    let windows: Vec<Windows> = surveys.iter().map(|survey| Windows::cheapest(*survey)).collect();
    let cost = |i: usize| windows[i].cost(surveys[i].count);
    let total: f64 = (0..columns.len()).map(cost).sum();
    let share =
        if threads == 1 { f64::INFINITY } else { (total / (TASKS_PER_THREAD * threads) as f64).max(LEAST_TASK) };
    let mut tasks = Vec::new();
    for (column, scalars) in columns.iter().enumerate().filter(|(i, _)| surveys[*i].count > 0) {
        let parts = (cost(column) / share).ceil().max(1.0) as u32;
        let groups = groups(&windows[column], parts, task_buckets(scalars.len()));
        // Rows are cut only as far as sums over buckets stay the lesser part.
        let buckets: usize = (0..windows[column].count).map(|window| windows[column].buckets(window)).sum();
        let entries = surveys[column].count * windows[column].count as usize;
        let cuts = (parts as usize).div_ceil(groups.len()).min((entries / (4 * buckets)).max(1));
        let digits = BLOCK_DIGITS * task_buckets(scalars.len());
        for cut in 0..cuts {
            let places = scalars.len() * cut / cuts..scalars.len() * (cut + 1) / cuts;
            for range in groups.clone() {
                let (windows, places) = (windows[column].clone(), places.clone());
                tasks.push(Task { column, scalars: *scalars, places, windows, range, digits });
            }
        }
    }
    tasks
}

/// Buckets that a task may have: as many as its column has places, within bounds. More save a little, less is not worth it.
fn task_buckets(places: usize) -> usize {
    let [least, most] = TASK_BUCKETS;
    places.next_power_of_two().clamp(least, most)
}

/// Cuts windows into at least so many groups, if there are as many, each of at most so many buckets.
fn groups(windows: &Windows, parts: u32, most: usize) -> Vec<Range<u32>> {
    let longest = windows.count.div_ceil(parts);
    let mut groups = Vec::new();
    let (mut start, mut buckets) = (0, 0);
    for window in 0..windows.count {
        let more = windows.buckets(window);
        if window > start && (window - start == longest || buckets + more > most) {
            groups.push(start..window);
            (start, buckets) = (window, 0);
        }
        buckets += more;
    }
    groups.push(start..windows.count);
    groups
}

/// The sum of terms by Horner's rule over the powers of two.
fn combine(mut terms: Vec<Term>) -> G1 {
    terms.sort_unstable_by_key(|(power, _)| *power);
    let mut sum = G1::identity();
    let mut power = terms.last().map_or(0, |(power, _)| *power);
    for (next, point) in terms.iter().rev() {
        while power > *next {
            sum = sum.double();
            power -= 1;
        }
        sum += affine(point);
    }
    (0..power).for_each(|_| sum = sum.double());
    sum
}

/// What a thread works in, kept from task to task.
struct Room {
    pieces: Pieces,
    buckets: Arena,
    /// Rows of a block with the signs of their scalars.
    rows: Vec<u32>,
    /// Digits by window and row.
    digits: Vec<i32>,
    /// The end of each bucket's entries; while these are placed, where the next one goes.
    ends: Vec<u32>,
    entries: Vec<u32>,
}

impl Room {
    /// Room for any of some tasks.
    fn for_tasks(tasks: &[Task<'_>]) -> Self {
        let most = |size: fn(&Task<'_>) -> usize| tasks.iter().map(size).max().unwrap_or(0);
        let digits = most(|task| task.block().min(task.places.len()) * task.range.len());
        Self {
            pieces: Pieces::new(),
            buckets: Arena::new(most(|task| task.buckets())),
            rows: Vec::with_capacity(most(|task| task.block().min(task.places.len()))),
            digits: vec![0; digits],
            ends: Vec::with_capacity(most(|task| task.buckets())),
            entries: vec![0; digits],
        }
    }

    /// The terms of a task.
    fn sum(&mut self, instructions: Instructions, bases: &Bases, task: &Task<'_>) -> Vec<Term> {
        let mut starts = vec![0];
        for window in task.range.clone() {
            starts.push(starts[starts.len() - 1] + task.windows.buckets(window) as u32);
        }
        self.buckets.clear(task.buckets());
        let block = task.block();
        let mut place = task.places.start;
        while place < task.places.end {
            let end = task.places.end.min(place + block);
            self.cut(instructions, bases, task, place..end);
            self.sort(end - place, &starts);
            self.pieces.add(instructions, bases.points(), &self.entries, &self.ends, &mut self.buckets);
            place = end;
        }
        weigh(instructions, &mut self.buckets, &starts);
        terms(task, &self.buckets, &starts)
    }

    /// Writes the digits of a block, and in `ends` how many entries each bucket has.
    fn cut(&mut self, instructions: Instructions, bases: &Bases, task: &Task<'_>, places: Range<usize>) {
        let stride = places.len();
        self.rows.clear();
        let Self { rows, digits, .. } = self;
        task.scalars.for_each(instructions, places, |row, negative, magnitude| {
            if bases.is_infinite(row) {
                return;
            }
            let biased = task.windows.biased(magnitude);
            let mut at = rows.len();
            for window in task.range.clone() {
                let digit = task.windows.digit(&biased, window);
                digits[at] = digit;
                at += stride;
            }
            rows.push(signed(row, negative));
        });
    }

    /// Lists the entries of a block by bucket, rows in order.
    fn sort(&mut self, stride: usize, starts: &[u32]) {
        let Self { rows, digits, ends, entries, .. } = self;
        ends.clear();
        ends.resize(starts[starts.len() - 1] as usize, 0);
        let mut sum = 0;
        for (window, bounds) in starts.windows(2).enumerate() {
            let ends = &mut ends[bounds[0] as usize..bounds[1] as usize];
            let digits = &digits[window * stride..][..rows.len()];
            for digit in digits.iter().filter(|digit| **digit != 0) {
                ends[digit.unsigned_abs() as usize - 1] += 1;
            }
            for end in ends.iter_mut() {
                (*end, sum) = (sum, sum + *end);
            }
            for (row, digit) in rows.iter().zip(digits).filter(|(_, digit)| **digit != 0) {
                let end = &mut ends[digit.unsigned_abs() as usize - 1];
                entries[*end as usize] = row ^ u32::from(*digit < 0);
                *end += 1;
            }
        }
    }
}

/// The sums of weighed windows as terms.
fn terms(task: &Task<'_>, buckets: &Arena, starts: &[u32]) -> Vec<Term> {
    let mut terms = Vec::new();
    for (index, window) in task.range.clone().enumerate() {
        let power = task.windows.width * window;
        let mut push = |power, slot| terms.extend(buckets.get(slot).map(|point| (power, *point)));
        push(power, starts[index]);
        for level in 0..(starts[index + 1] - starts[index]).trailing_zeros() {
            push(power + level, starts[index] + (1 << level));
        }
    }
    terms
}
