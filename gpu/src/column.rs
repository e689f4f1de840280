//! Columns in a device's memory, as narrow as on the host.

use circuits::machine::Integers;
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use prover::engine::{Column, SigmaColumn, Values};

use crate::ffi::Made;
use crate::{Device, DeviceBuffer, DeviceError};

/// A column on a device.
#[derive(Debug)]
pub struct DeviceColumn {
    pub(crate) form: Form,
    /// The last rows.
    pub(crate) tail: Option<DeviceBuffer<Fr>>,
    /// What a commitment needs no sum for.
    pub(crate) known: Option<Box<KnownSum>>,
}

/// A commitment that is known but for the last rows; see [`KnownCommitment`](prover::engine::KnownCommitment).
#[derive(Debug)]
pub(crate) struct KnownSum {
    pub(crate) point: G1Affine,
    /// What the column's last rows have more than those of the one that `point` commits to; zero in all others.
    pub(crate) differences: DeviceColumn,
}

/// What the first rows are; see [`Values`].
#[derive(Debug)]
pub(crate) enum Form {
    Integers(DeviceIntegers),
    Elements(DeviceBuffer<Fr>),
    Sparse { rows: DeviceBuffer<u32>, values: DeviceBuffer<Fr> },
    Constant(Fr),
    Sigma { column: u32, rows: DeviceBuffer<u32>, images: DeviceBuffer<[u32; 2]> },
}

/// Signed integers of 1, 2, 4 or 8 bytes.
#[derive(Debug)]
pub(crate) enum DeviceIntegers {
    I8(DeviceBuffer<i8>),
    I16(DeviceBuffer<i16>),
    I32(DeviceBuffer<i32>),
    I64(DeviceBuffer<i64>),
}

impl DeviceIntegers {
    fn upload(device: &Device, integers: &Integers) -> Result<Self, DeviceError> {
        Ok(match integers {
            Integers::I8(cells) => Self::I8(device.upload(cells)?),
            Integers::I16(cells) => Self::I16(device.upload(cells)?),
            Integers::I32(cells) => Self::I32(device.upload(cells)?),
            Integers::I64(cells) => Self::I64(device.upload(cells)?),
        })
    }

    fn fetch(&self, device: &Device, made: Option<Made>) -> Result<Integers, DeviceError> {
        Ok(match self {
            Self::I8(cells) => Integers::I8(cells.fetch(device, made)?.into()),
            Self::I16(cells) => Integers::I16(cells.fetch(device, made)?.into()),
            Self::I32(cells) => Integers::I32(cells.fetch(device, made)?.into()),
            Self::I64(cells) => Integers::I64(cells.fetch(device, made)?.into()),
        })
    }

    fn is_sent_by(&self, device: &Device) -> bool {
        match self {
            Self::I8(cells) => cells.is_sent_by(device),
            Self::I16(cells) => cells.is_sent_by(device),
            Self::I32(cells) => cells.is_sent_by(device),
            Self::I64(cells) => cells.is_sent_by(device),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::I8(cells) => cells.len(),
            Self::I16(cells) => cells.len(),
            Self::I32(cells) => cells.len(),
            Self::I64(cells) => cells.len(),
        }
    }

    /// Bytes of an integer.
    pub(crate) fn width(&self) -> usize {
        match self {
            Self::I8(_) => 1,
            Self::I16(_) => 2,
            Self::I32(_) => 4,
            Self::I64(_) => 8,
        }
    }
}

impl DeviceColumn {
    /// Takes a column over to a device.
    ///
    /// # Errors
    /// There is no memory, or the device fails.
    pub fn upload(device: &Device, column: &Column) -> Result<Self, DeviceError> {
        let form = match &column.values {
            Values::Integers(integers) => Form::Integers(DeviceIntegers::upload(device, integers)?),
            Values::Field(elements) => Form::Elements(device.upload(elements)?),
            Values::Sparse { rows, values } => {
                Form::Sparse { rows: device.upload(rows)?, values: device.upload(values)? }
            }
            Values::Constant(element) => Form::Constant(*element),
            Values::Sigma(sigma) => {
                let images: Vec<[u32; 2]> = sigma.images.iter().map(|&(column, row)| [column, row]).collect();
                Form::Sigma { column: sigma.column, rows: device.upload(&sigma.rows)?, images: device.upload(&images)? }
            }
        };
        let tail = (!column.tail.is_empty()).then(|| device.upload(&column.tail)).transpose()?;
        let known = column.known.as_ref().map(|known| {
            let tail = known.differences(&column.tail);
            let differences = Self::upload(device, &Column { tail, ..Column::new(Values::ZERO) })?;
            Ok(Box::new(KnownSum { point: known.point, differences }))
        });
        Ok(Self { form, tail, known: known.transpose()? })
    }

    /// A column of elements that lie on the device, without a tail.
    pub fn elements(elements: DeviceBuffer<Fr>) -> Self {
        Self { form: Form::Elements(elements), tail: None, known: None }
    }

    /// The same element in all rows.
    pub fn constant(element: Fr) -> Self {
        Self { form: Form::Constant(element), tail: None, known: None }
    }

    /// The column whose sum over points, with the known one, is the commitment.
    pub(crate) fn summed(&self) -> &Self {
        self.known.as_ref().map_or(self, |known| &known.differences)
    }

    /// The column on the host, in the same form, copied beside the work of `device`, which is that of the column or shares its memory;
    /// `made` tells when its values were made, if they were not sent.
    ///
    /// # Errors
    /// The device fails.
    pub(crate) fn fetch(&self, device: &Device, made: Option<Made>) -> Result<Column, DeviceError> {
        let values = match &self.form {
            Form::Integers(integers) => Values::Integers(integers.fetch(device, made)?.into()),
            Form::Elements(elements) => Values::Field(elements.fetch(device, made)?),
            Form::Sparse { rows, values } => {
                Values::Sparse { rows: rows.fetch(device, made)?, values: values.fetch(device, made)? }
            }
            Form::Constant(element) => Values::Constant(*element),
            Form::Sigma { column, rows, images } => {
                let images = images.fetch(device, made)?.into_iter().map(|[column, row]| (column, row));
                let images = images.collect::<Vec<_>>().into();
                Values::Sigma(SigmaColumn { column: *column, rows: rows.fetch(device, made)?.into(), images })
            }
        };
        let tail = self.tail.as_ref().map_or(Ok(Vec::new()), |tail| tail.fetch(device, made))?;
        Ok(Column { tail, ..Column::new(values) })
    }

    /// Whether all that a commitment sums was sent by `device`, so that it may be on its way.
    pub(crate) fn is_sent_by(&self, device: &Device) -> bool {
        let column = self.summed();
        let cells = match &column.form {
            Form::Integers(integers) => integers.is_sent_by(device),
            Form::Elements(elements) => elements.is_sent_by(device),
            Form::Sparse { rows, values } => rows.is_sent_by(device) && values.is_sent_by(device),
            Form::Constant(_) | Form::Sigma { .. } => false,
        };
        cells && column.tail.as_ref().is_none_or(|tail| tail.is_sent_by(device))
    }

    /// Bytes of the device's memory.
    pub fn bytes(&self) -> usize {
        self.own_bytes() + self.known.as_ref().map_or(0, |known| known.differences.bytes())
    }

    /// Those of the column itself, without what a commitment needs no sum for.
    pub(crate) fn own_bytes(&self) -> usize {
        let cells = match &self.form {
            Form::Integers(integers) => integers.len() * integers.width(),
            Form::Elements(elements) => elements.bytes(),
            Form::Sparse { rows, values } => rows.bytes() + values.bytes(),
            Form::Constant(_) => 0,
            Form::Sigma { rows, images, .. } => rows.bytes() + images.bytes(),
        };
        cells + self.tail.as_ref().map_or(0, DeviceBuffer::bytes)
    }
}
