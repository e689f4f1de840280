//! Columns of small integers, in as few bytes as they take.
//!
//! Fixed and first-phase cells are small: most weights take one byte, switches a bit. A column is therefore held at the
//! width of its largest integer; whoever works on whole columns can match on the width, everybody else reads `i64`. Clones
//! share their integers until one of them is written.

use std::sync::Arc;

/// A column of signed integers, as narrow as the widest of them asks for (or has asked for before it was overwritten).
///
/// Two columns are equal when their integers are, whatever their widths.
#[derive(Clone, Debug)]
pub enum Integers {
    /// One byte each.
    I8(Arc<Vec<i8>>),
    /// Two bytes each.
    I16(Arc<Vec<i16>>),
    /// Four bytes each.
    I32(Arc<Vec<i32>>),
    /// Eight bytes each.
    I64(Arc<Vec<i64>>),
}

/// Evaluates an expression with `$cells` bound to the vector of whatever width.
macro_rules! with_cells {
    ($integers:expr, $cells:ident => $body:expr) => {
        match $integers {
            Integers::I8($cells) => $body,
            Integers::I16($cells) => $body,
            Integers::I32($cells) => $body,
            Integers::I64($cells) => $body,
        }
    };
}

/// Bytes of the narrowest of the four widths that holds all integers between these two.
fn bytes_of_range(least: i64, most: i64) -> usize {
    let fits = |lo: i64, hi: i64| lo <= least && most <= hi;
    if fits(i8::MIN.into(), i8::MAX.into()) {
        1
    } else if fits(i16::MIN.into(), i16::MAX.into()) {
        2
    } else if fits(i32::MIN.into(), i32::MAX.into()) {
        4
    } else {
        8
    }
}

impl Integers {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        Self::I8(vec![0; len].into())
    }

    /// `len` times the same integer.
    pub fn repeat(value: i64, len: usize) -> Self {
        match bytes_of_range(value, value) {
            1 => Self::I8(vec![value as i8; len].into()),
            2 => Self::I16(vec![value as i16; len].into()),
            4 => Self::I32(vec![value as i32; len].into()),
            _ => Self::I64(vec![value; len].into()),
        }
    }

    /// Number of integers.
    pub fn len(&self) -> usize {
        with_cells!(self, cells => cells.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of an integer: 1, 2, 4 or 8.
    pub fn width(&self) -> usize {
        match self {
            Self::I8(_) => 1,
            Self::I16(_) => 2,
            Self::I32(_) => 4,
            Self::I64(_) => 8,
        }
    }

    /// Bytes of all integers.
    pub fn bytes(&self) -> usize {
        self.len() * self.width()
    }

    /// The integer in a row.
    ///
    /// # Panics
    /// There is no such row.
    pub fn get(&self, row: usize) -> i64 {
        match self {
            Self::I8(cells) => cells[row].into(),
            Self::I16(cells) => cells[row].into(),
            Self::I32(cells) => cells[row].into(),
            Self::I64(cells) => cells[row],
        }
    }

    /// Writes the integer of a row; the column widens when it does not fit.
    ///
    /// # Panics
    /// There is no such row.
    pub fn set(&mut self, row: usize, value: i64) {
        if bytes_of_range(value, value) > self.width() {
            *self = self.widened(bytes_of_range(value, value));
        }
        match self {
            Self::I8(cells) => Arc::make_mut(cells)[row] = value as i8,
            Self::I16(cells) => Arc::make_mut(cells)[row] = value as i16,
            Self::I32(cells) => Arc::make_mut(cells)[row] = value as i32,
            Self::I64(cells) => Arc::make_mut(cells)[row] = value,
        }
    }

    /// Writes the same integer to several rows; the column widens when it does not fit.
    ///
    /// # Panics
    /// A row is not there.
    pub fn set_all(&mut self, rows: impl Iterator<Item = usize>, value: i64) {
        if bytes_of_range(value, value) > self.width() {
            *self = self.widened(bytes_of_range(value, value));
        }
        with_cells!(self, cells => {
            let cells = Arc::make_mut(cells);
            rows.for_each(|row| cells[row] = value as _);
        });
    }

    /// Appends zeros, or drops integers at the end, until there are `len`.
    pub fn resize(&mut self, len: usize) {
        with_cells!(self, cells => Arc::make_mut(cells).resize(len, 0));
    }

    /// Appends an integer; the column widens when it does not fit.
    pub fn push(&mut self, value: i64) {
        if bytes_of_range(value, value) > self.width() {
            *self = self.widened(bytes_of_range(value, value));
        }
        match self {
            Self::I8(cells) => Arc::make_mut(cells).push(value as i8),
            Self::I16(cells) => Arc::make_mut(cells).push(value as i16),
            Self::I32(cells) => Arc::make_mut(cells).push(value as i32),
            Self::I64(cells) => Arc::make_mut(cells).push(value),
        }
    }

    /// Appends integers; the column widens when they do not fit.
    pub fn extend(&mut self, integers: &[i64]) {
        let (least, most) = integers.iter().fold((0, 0), |(least, most), &cell| (cell.min(least), cell.max(most)));
        if bytes_of_range(least, most) > self.width() {
            *self = self.widened(bytes_of_range(least, most));
        }
        let first = self.len();
        self.resize(first + integers.len());
        with_cells!(self, cells => {
            let cells = &mut Arc::make_mut(cells)[first..];
            cells.iter_mut().zip(integers).for_each(|(cell, &integer)| *cell = integer as _);
        });
    }

    /// Gives memory back that appending took in advance.
    pub fn shrink_to_fit(&mut self) {
        with_cells!(self, cells => Arc::make_mut(cells).shrink_to_fit());
    }

    /// The integers in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = i64> + '_ {
        (0..self.len()).map(|row| self.get(row))
    }

    /// Whether all integers are zero.
    pub fn is_zero(&self) -> bool {
        with_cells!(self, cells => cells.iter().all(|&cell| cell == 0))
    }

    /// The same integers at a width that holds them.
    fn widened(&self, width: usize) -> Self {
        match width {
            1 => Self::I8(Arc::new(self.iter().map(|cell| cell as i8).collect())),
            2 => Self::I16(Arc::new(self.iter().map(|cell| cell as i16).collect())),
            4 => Self::I32(Arc::new(self.iter().map(|cell| cell as i32).collect())),
            _ => Self::I64(Arc::new(self.iter().collect())),
        }
    }
}

impl From<Vec<i64>> for Integers {
    fn from(cells: Vec<i64>) -> Self {
        let (least, most) = cells.iter().fold((0, 0), |(least, most), &cell| (cell.min(least), cell.max(most)));
        match bytes_of_range(least, most) {
            1 => Self::I8(Arc::new(cells.into_iter().map(|cell| cell as i8).collect())),
            2 => Self::I16(Arc::new(cells.into_iter().map(|cell| cell as i16).collect())),
            4 => Self::I32(Arc::new(cells.into_iter().map(|cell| cell as i32).collect())),
            _ => Self::I64(cells.into()),
        }
    }
}

impl FromIterator<i64> for Integers {
    fn from_iter<I: IntoIterator<Item = i64>>(cells: I) -> Self {
        cells.into_iter().collect::<Vec<i64>>().into()
    }
}

impl PartialEq for Integers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Integers {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Integers;

    /// Integers around the ends of the four widths.
    fn integer() -> impl Strategy<Value = i64> {
        let ends = [0, 7, 8, 15, 16, 31, 32, 62].map(|bits| 1i64 << bits);
        let near = (prop::sample::select(ends.to_vec()), -2i64..3).prop_map(|(end, offset)| end + offset);
        prop_oneof![near.clone(), near.prop_map(|v| -v), Just(i64::MIN), Just(i64::MAX), -3i64..4]
    }

    proptest! {
        #[test]
        fn holds_what_it_was_made_of_at_the_least_width(cells in prop::collection::vec(integer(), 0..20)) {
            let column = Integers::from(cells.clone());
            prop_assert_eq!(column.iter().collect::<Vec<_>>(), cells.clone());
            let narrow = |width: u32| cells.iter().all(|&v| (v << (64 - 8 * width)) >> (64 - 8 * width) == v);
            let least = [1u32, 2, 4, 8].into_iter().find(|&width| narrow(width)).expect("eight bytes hold all");
            prop_assert_eq!(column.width(), least as usize);
            prop_assert_eq!(column.bytes(), cells.len() * least as usize);
            prop_assert_eq!(column.is_zero(), cells.iter().all(|&v| v == 0));
        }

        #[test]
        fn widens_as_it_is_written(writes in prop::collection::vec((0usize..8, integer()), 0..20), many in integer()) {
            let mut plain = vec![0; 8];
            let mut column = Integers::zeros(8);
            for (row, value) in writes {
                plain[row] = value;
                column.set(row, value);
                prop_assert_eq!(column.iter().collect::<Vec<_>>(), plain.clone());
            }
            plain[2..5].fill(many);
            column.set_all(2..5, many);
            prop_assert_eq!(column.iter().collect::<Vec<_>>(), plain.clone());
            prop_assert_eq!(column, Integers::from(plain));
        }
    }

    #[test]
    fn repeats_and_resizes() {
        for value in [0, -129, 40_000, 1 << 40] {
            assert_eq!(Integers::repeat(value, 3), Integers::from(vec![value; 3]));
        }
        let mut column = Integers::repeat(300, 2);
        column.resize(3);
        assert_eq!(column, Integers::from(vec![300, 300, 0]));
        let shared = column.clone();
        column.push(-(1 << 20));
        column.shrink_to_fit();
        assert_eq!((column.get(3), column.width(), column.len(), shared.len()), (-(1 << 20), 4, 4, 3));
        column.resize(1);
        assert_eq!(column, Integers::from(vec![300]));
        column.extend(&[-5, 1 << 40]);
        column.extend(&[]);
        assert_eq!(column, Integers::from(vec![300, -5, 1 << 40]));
        assert!(Integers::zeros(0).is_empty());
        assert_eq!(Integers::zeros(5).bytes(), 5);
    }
}
