//! Sums of columns, and what else takes rows one by one.

use halo2_proofs::halo2curves::bn256::Fr;

use super::columns::RawColumn;
use super::{Device, DeviceBuffer, DeviceDomain, DeviceError, RawContext};
use crate::DeviceColumn;

functions! {
    /// Rows.
    Functions {
        fn zkinfer_combine(
            context: *mut RawContext,
            domain: u64,
            k: u32,
            terms: *const RawTerm,
            sums: *const RawSum,
            count: u64,
        ) -> i32;
        fn zkinfer_fractions(
            context: *mut RawContext,
            domain: u64,
            k: u32,
            above: *const [Fr; 2],
            below: *const [Fr; 2],
            to: u64,
        ) -> i32;
        fn zkinfer_add_quotients(
            context: *mut RawContext,
            domain: u64,
            k: u32,
            numerator: u64,
            inverse: u64,
            remainder: *const Fr,
            length: u64,
            mode: u32,
            to: u64,
        ) -> i32;
        fn zkinfer_multiply_columns(
            context: *mut RawContext,
            rows: u64,
            columns: *const u64,
            size: u32,
            matrix: *const Fr,
        ) -> i32;
        fn zkinfer_running_products(
            context: *mut RawContext,
            to: u64,
            from: u64,
            count: u64,
            start: *const Fr,
            last: *mut Fr,
        ) -> i32;
    }
}

/// A column and what it is multiplied with, as the library takes them.
#[repr(C)]
pub(crate) struct RawTerm {
    column: RawColumn,
    factor: Fr,
}

impl RawTerm {
    pub(super) fn new(column: RawColumn, factor: Fr) -> Self {
        Self { column, factor }
    }
}

/// A sum as the library takes it: of the next `count` terms.
#[repr(C)]
pub(crate) struct RawSum {
    to: u64,
    count: u64,
    identity: Fr,
    constant: Fr,
    mode: u32,
    reserved: u32,
}

/// `Σ factor·column + identity·X + constant` in every row, and what becomes of what was there.
#[derive(Clone, Debug)]
pub struct ColumnSum<'a> {
    /// Columns with their factors.
    pub terms: Vec<(&'a DeviceColumn, Fr)>,
    /// Coefficient of the point `ω^i` that row `i` stands for.
    pub identity: Fr,
    /// The constant.
    pub constant: Fr,
    /// What becomes of what was there.
    pub mode: Mode,
}

impl<'a> ColumnSum<'a> {
    /// The sum in place of what was there.
    pub fn of(terms: Vec<(&'a DeviceColumn, Fr)>, constant: Fr) -> Self {
        Self { terms, identity: Fr::zero(), constant, mode: Mode::Set }
    }
}

/// What becomes of what was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is overwritten.
    Set,
    /// It is added to.
    Add,
    /// It is multiplied.
    Multiply,
}

impl Mode {
    fn number(self) -> u32 {
        match self {
            Self::Set => 0,
            Self::Add => 1,
            Self::Multiply => 2,
        }
    }
}

impl DeviceDomain {
    /// Sums of columns, one after the other, into `to`.
    ///
    /// # Errors
    /// There is no memory, a column is longer than the domain, or the device fails.
    ///
    /// # Panics
    /// `to` has another length, or a column is another device's.
    pub fn combine(&self, sums: &[ColumnSum<'_>], to: &mut DeviceBuffer<Fr>) -> Result<(), DeviceError> {
        self.combine_each(&mut [(sums, to)])
    }

    /// Sums of columns into several places, in one launch.
    ///
    /// # Errors
    /// There is no memory, a column is longer than the domain, or the device fails.
    ///
    /// # Panics
    /// A place has another length, or it or a column is another device's.
    pub fn combine_each(&self, places: &mut [(&[ColumnSum<'_>], &mut DeviceBuffer<Fr>)]) -> Result<(), DeviceError> {
        let device = self.device();
        let (mut raw_terms, mut raw_sums) = (Vec::new(), Vec::new());
        for (sums, to) in places.iter() {
            assert_eq!(to.len(), self.size(), "a column of the domain");
            let to = to.address_on(device);
            for ColumnSum { terms, identity, constant, mode } in sums.iter() {
                let term = |&(column, factor)| RawTerm::new(RawColumn::new(device, column), factor);
                raw_terms.extend(terms.iter().map(term));
                raw_sums.push(RawSum {
                    to,
                    count: terms.len() as u64,
                    identity: *identity,
                    constant: *constant,
                    mode: mode.number(),
                    reserved: 0,
                });
            }
        }
        // SAFETY: the columns' buffers are there, as long as they say, and there are as many terms as sums ask for. Places have a
        // column's length; they are borrowed for writing, so that none is another's or a column.
        device.call(|tables, context| unsafe {
            let (terms, sums, count) = (raw_terms.as_ptr(), raw_sums.as_ptr(), raw_sums.len() as u64);
            (tables.rows.zkinfer_combine)(context, self.address(), self.k(), terms, sums, count)
        })
    }

    /// `(above₀·X + above₁)/(below₀·X + below₁)` in every row, zero where that is divided by zero.
    ///
    /// # Errors
    /// The device fails.
    ///
    /// # Panics
    /// `to` has another length, or is another device's.
    pub fn fractions(&self, above: [Fr; 2], below: [Fr; 2], to: &mut DeviceBuffer<Fr>) -> Result<(), DeviceError> {
        assert_eq!(to.len(), self.size(), "a column of the domain");
        let device = self.device();
        let to = to.address_on(device);
        // SAFETY: `to` has a column's length.
        device.call(|tables, context| unsafe {
            (tables.rows.zkinfer_fractions)(context, self.address(), self.k(), &above, &below, to)
        })
    }

    /// `(numerator − remainder)·inverse` in every row, into `to`, which is not multiplied. The remainder is a polynomial's value at
    /// the row's point, given by its coefficients.
    ///
    /// # Errors
    /// There is no memory, the mode is [`Mode::Multiply`], or the device fails.
    ///
    /// # Panics
    /// A buffer has another length, or is another device's.
    pub fn add_quotients(
        &self,
        numerator: &DeviceBuffer<Fr>,
        inverse: &DeviceBuffer<Fr>,
        remainder: &[Fr],
        mode: Mode,
        to: &mut DeviceBuffer<Fr>,
    ) -> Result<(), DeviceError> {
        let device = self.device();
        for buffer in [numerator, inverse, to] {
            assert_eq!(buffer.len(), self.size(), "a column of the domain");
        }
        let [numerator, inverse, to] = [numerator, inverse, to].map(|buffer| buffer.address_on(device));
        let (coefficients, length) = (remainder.as_ptr(), remainder.len() as u64);
        // SAFETY: the buffers have a column's length, and there are as many coefficients.
        device.call(|tables, context| unsafe {
            let function = tables.rows.zkinfer_add_quotients;
            let (domain, mode) = (self.address(), mode.number());
            function(context, domain, self.k(), numerator, inverse, coefficients, length, mode, to)
        })
    }
}

impl Device {
    /// Columns become the product of a matrix and them.
    ///
    /// # Errors
    /// There are more than 64, there is no memory, or the device fails.
    ///
    /// # Panics
    /// The matrix is not square, the columns are more or fewer than its rows, or of different lengths, or another device's.
    pub fn multiply_columns(&self, matrix: &[Vec<Fr>], columns: &mut [DeviceBuffer<Fr>]) -> Result<(), DeviceError> {
        let rows = columns.first().map_or(0, DeviceBuffer::len);
        assert!(columns.iter().all(|column| column.len() == rows), "columns of one length");
        assert!(matrix.len() == columns.len() && matrix.iter().all(|row| row.len() == matrix.len()), "a square matrix");
        let entries: Vec<Fr> = matrix.concat();
        let places: Vec<u64> = columns.iter().map(|column| column.address_on(self)).collect();
        // SAFETY: each column has so many rows; there are as many columns, and entries of the matrix.
        self.call(|tables, context| unsafe {
            let function = tables.rows.zkinfer_multiply_columns;
            function(context, rows as u64, places.as_ptr(), places.len() as u32, entries.as_ptr())
        })
    }

    /// The first `count` elements become running products, `start` and what it is after each of them but the last; returns the last
    /// one that is left.
    ///
    /// # Errors
    /// `count` is 0, there is no memory, or the device fails.
    ///
    /// # Panics
    /// There are fewer elements, or they are another device's.
    pub fn running_products(
        &self,
        elements: &mut DeviceBuffer<Fr>,
        count: usize,
        start: Fr,
    ) -> Result<Fr, DeviceError> {
        assert!(count <= elements.len(), "elements beyond the buffer");
        let place = elements.address_on(self);
        let mut last = Fr::zero();
        // SAFETY: the buffer has as many elements; `last` is written alone.
        self.call(|tables, context| unsafe {
            (tables.rows.zkinfer_running_products)(context, place, place, count as u64, &start, &mut last)
        })?;
        Ok(last)
    }
}
