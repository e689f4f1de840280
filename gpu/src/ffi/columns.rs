//! Columns in full.

use halo2_proofs::halo2curves::bn256::Fr;

use super::transform::DeviceDomain;
use super::{Device, DeviceBuffer, DeviceError, RawContext};
use crate::column::{DeviceColumn, DeviceIntegers, Form};

functions! {
    /// Columns.
    Functions {
        fn zkinfer_expand(
            context: *mut RawContext,
            domain: u64,
            k: u32,
            columns: *const RawColumn,
            places: *const u64,
            count: u64,
        ) -> i32;
    }
}

/// A column as the library takes it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawColumn {
    count: u64,
    cells: u64,
    rows: u64,
    tail: u64,
    tail_count: u32,
    form: u32,
    width: u32,
    column: u32,
    constant: Fr,
}

impl RawColumn {
    /// Zeros.
    pub(super) fn zero() -> Self {
        Self { count: 0, cells: 0, rows: 0, tail: 0, tail_count: 0, form: 1, width: 0, column: 0, constant: Fr::zero() }
    }

    /// Elements of `device`, for as long as they are there.
    pub(super) fn elements(device: &Device, elements: &DeviceBuffer<Fr>) -> Self {
        Self { count: elements.len() as u64, cells: elements.address_on(device), ..Self::zero() }
    }

    /// A column of `device`, for as long as it is there.
    pub(super) fn new(device: &Device, column: &DeviceColumn) -> Self {
        let raw = Self {
            count: 0,
            cells: 0,
            rows: 0,
            tail: column.tail.as_ref().map_or(0, |tail| tail.address_on(device)),
            tail_count: column.tail.as_ref().map_or(0, |tail| tail.len() as u32),
            form: 0,
            width: 0,
            column: 0,
            constant: Fr::zero(),
        };
        match &column.form {
            Form::Integers(integers) => {
                let cells = match integers {
                    DeviceIntegers::I8(cells) => cells.address_on(device),
                    DeviceIntegers::I16(cells) => cells.address_on(device),
                    DeviceIntegers::I32(cells) => cells.address_on(device),
                    DeviceIntegers::I64(cells) => cells.address_on(device),
                };
                Self { count: integers.len() as u64, cells, width: integers.width() as u32, ..raw }
            }
            Form::Elements(elements) => {
                Self { form: 1, count: elements.len() as u64, cells: elements.address_on(device), ..raw }
            }
            Form::Sparse { rows, values } => Self {
                form: 2,
                count: values.len() as u64,
                cells: values.address_on(device),
                rows: rows.address_on(device),
                ..raw
            },
            Form::Constant(constant) => Self { form: 3, constant: *constant, ..raw },
            Form::Sigma { column, rows, images } => Self {
                form: 4,
                count: rows.len() as u64,
                cells: images.address_on(device),
                rows: rows.address_on(device),
                column: *column,
                ..raw
            },
        }
    }
}

impl DeviceDomain {
    /// The column's values in all rows.
    ///
    /// # Errors
    /// There is no memory, the column is longer than the domain, or the device fails.
    ///
    /// # Panics
    /// The column is another device's.
    pub fn expand(&self, column: &DeviceColumn) -> Result<DeviceBuffer<Fr>, DeviceError> {
        let mut values = self.device().buffer(self.size())?;
        self.expand_each(&[column], &mut [&mut values])?;
        Ok(values)
    }

    /// The values of columns in all rows, each in its place.
    ///
    /// # Errors
    /// There is no memory, a column is longer than the domain, or the device fails.
    ///
    /// # Panics
    /// There are more or fewer places than columns, one has another length than a column, or one or a column is another device's.
    pub fn expand_each(
        &self,
        columns: &[&DeviceColumn],
        places: &mut [&mut DeviceBuffer<Fr>],
    ) -> Result<(), DeviceError> {
        assert_eq!(columns.len(), places.len(), "a place for each column");
        assert!(places.iter().all(|place| place.len() == self.size()), "columns of the domain");
        let device = self.device();
        let raw: Vec<RawColumn> = columns.iter().map(|column| RawColumn::new(device, column)).collect();
        let places: Vec<u64> = places.iter().map(|place| place.address_on(device)).collect();
        // SAFETY: the columns' buffers are there, as long as they say; the domain's tables are those of `k`, and so many rows are in each
        // place.
        device.call(|tables, context| unsafe {
            let (raw, places, count) = (raw.as_ptr(), places.as_ptr(), places.len() as u64);
            (tables.columns.zkinfer_expand)(context, self.address(), self.k(), raw, places, count)
        })
    }
}
