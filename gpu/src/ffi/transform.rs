//! Domains and transforms.

use std::sync::Arc;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::PrimeField;

use super::{Device, DeviceBuffer, DeviceError, RawContext};

functions! {
    /// Domains and transforms.
    Functions {
        fn zkinfer_powers_length(k: u32) -> u64;
        fn zkinfer_powers(context: *mut RawContext, k: u32, base: *const Fr, to: u64) -> i32;
        fn zkinfer_domain_length(k: u32) -> u64;
        fn zkinfer_domain(context: *mut RawContext, k: u32, to: u64) -> i32;
        fn zkinfer_transform(
            context: *mut RawContext,
            domain: u64,
            k: u32,
            inverse: u32,
            columns: *const RawTransformed,
            count: u64,
        ) -> i32;
    }
}

/// The tables of the domain of `2^k` powers of halo2's root of unity, in a device's memory: about `64·√n` bytes.
#[derive(Debug)]
pub struct DeviceDomain {
    k: u32,
    tables: Arc<DeviceBuffer<Fr>>,
    device: Device,
}

/// The powers of a coset's shift and of its inverse, in a device's memory.
#[derive(Debug)]
pub struct DeviceCoset {
    k: u32,
    powers: DeviceBuffer<Fr>,
    inverse_powers: DeviceBuffer<Fr>,
}

/// A column to be transformed, as the library takes it.
#[repr(C)]
pub(crate) struct RawTransformed {
    to: u64,
    from: u64,
    shift: u64,
}

/// A column to be transformed.
pub struct Transformed<'a> {
    /// The coset on which its values are; none for the domain itself.
    pub coset: Option<&'a DeviceCoset>,
    /// What is transformed, where that is not in the place itself.
    pub from: Option<&'a DeviceBuffer<Fr>>,
    /// Where the result goes.
    pub to: &'a mut DeviceBuffer<Fr>,
}

impl Device {
    /// The domain of `2^k` points.
    ///
    /// # Errors
    /// `k` is above 28, there is no memory, or the device fails.
    pub fn domain(&self, k: u32) -> Result<DeviceDomain, DeviceError> {
        if k > Fr::S {
            return Err(DeviceError::Invalid(format!("the field has no root of unity of order 2^{k}")));
        }
        // SAFETY: it computes a number.
        let length = unsafe { (self.context.tables.transform.zkinfer_domain_length)(k) };
        let tables = self.buffer::<Fr>(length as usize)?;
        let to = tables.address_on(self);
        // SAFETY: the buffer is as long as the library asks for.
        self.call(|functions, context| unsafe { (functions.transform.zkinfer_domain)(context, k, to) })?;
        Ok(DeviceDomain { k, tables: Arc::new(tables), device: self.clone() })
    }

    fn powers(&self, k: u32, base: Fr) -> Result<DeviceBuffer<Fr>, DeviceError> {
        // SAFETY: it computes a number.
        let length = unsafe { (self.context.tables.transform.zkinfer_powers_length)(k) };
        let table = self.buffer::<Fr>(length as usize)?;
        let to = table.address_on(self);
        // SAFETY: the buffer is as long as the library asks for.
        self.call(|functions, context| unsafe { (functions.transform.zkinfer_powers)(context, k, &base, to) })?;
        Ok(table)
    }
}

impl DeviceDomain {
    /// The logarithm of the size.
    pub fn k(&self) -> u32 {
        self.k
    }

    /// The number of points.
    pub fn size(&self) -> usize {
        1 << self.k
    }

    /// The same tables for the work of another context.
    ///
    /// # Panics
    /// It is one of another device.
    #[must_use]
    pub fn on(&self, device: &Device) -> Self {
        // From here on its work comes after the tables were made.
        self.tables.address_on(device);
        Self { k: self.k, tables: self.tables.clone(), device: device.clone() }
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Where the tables are; for functions of the library.
    pub(super) fn address(&self) -> u64 {
        self.tables.own_address()
    }

    /// Prepares transforms over `shift·ω^i`.
    ///
    /// # Errors
    /// There is no memory, or the device fails.
    ///
    /// # Panics
    /// The shift is zero.
    pub fn coset(&self, shift: Fr) -> Result<DeviceCoset, DeviceError> {
        let inverse = shift.invert().expect("a shift that is not zero");
        let powers = |base| self.device().powers(self.k, base);
        Ok(DeviceCoset { k: self.k, powers: powers(shift)?, inverse_powers: powers(inverse)? })
    }

    /// Coefficients of one or more polynomials to their values on the domain, or on a coset, in place: columns of `2^k` elements
    /// one behind the other.
    ///
    /// # Errors
    /// There is no memory for a further column, or the device fails.
    ///
    /// # Panics
    /// The elements are no whole columns, or the coset or a buffer is another's.
    pub fn forward(&self, coset: Option<&DeviceCoset>, columns: &mut DeviceBuffer<Fr>) -> Result<(), DeviceError> {
        self.transform(false, vec![Transformed { coset, from: None, to: columns }])
    }

    /// Values on the domain, or on a coset, to coefficients, in place.
    ///
    /// # Errors
    /// There is no memory for a further column, or the device fails.
    ///
    /// # Panics
    /// The elements are no whole columns, or the coset or a buffer is another's.
    pub fn inverse(&self, coset: Option<&DeviceCoset>, columns: &mut DeviceBuffer<Fr>) -> Result<(), DeviceError> {
        self.transform(true, vec![Transformed { coset, from: None, to: columns }])
    }

    /// Coefficients to values, of several columns in the same launches.
    ///
    /// # Errors
    /// There is no memory for a further column, or the device fails.
    ///
    /// # Panics
    /// The elements are no whole columns, or not as many as there is room for, or a coset or a buffer is another's.
    pub fn forward_each(&self, columns: Vec<Transformed<'_>>) -> Result<(), DeviceError> {
        self.transform(false, columns)
    }

    /// Values to coefficients, of several columns in the same launches.
    ///
    /// # Errors
    /// There is no memory for a further column, or the device fails.
    ///
    /// # Panics
    /// The elements are no whole columns, or not as many as there is room for, or a coset or a buffer is another's.
    pub fn inverse_each(&self, columns: Vec<Transformed<'_>>) -> Result<(), DeviceError> {
        self.transform(true, columns)
    }

    fn transform(&self, inverse: bool, columns: Vec<Transformed<'_>>) -> Result<(), DeviceError> {
        let raw: Vec<RawTransformed> = columns.iter().flat_map(|column| self.whole_columns(inverse, column)).collect();
        // SAFETY: the tables are those of `k`. Each column is in both places, which are the same or apart, and no place is another one's,
        // since they are borrowed for writing.
        self.device().call(|functions, context| unsafe {
            let function = functions.transform.zkinfer_transform;
            function(context, self.address(), self.k, u32::from(inverse), raw.as_ptr(), raw.len() as u64)
        })
    }

    /// The columns that lie one behind the other in a buffer.
    fn whole_columns(&self, inverse: bool, columns: &Transformed<'_>) -> Vec<RawTransformed> {
        let (size, device) = (self.size(), self.device());
        assert_eq!(columns.to.len() % size, 0, "whole columns");
        let to = columns.to.address_on(device);
        let from = columns.from.map_or(to, |from| {
            assert_eq!(from.len(), columns.to.len(), "as many elements in both places");
            from.address_on(device)
        });
        let shift = columns.coset.map_or(0, |coset| {
            assert_eq!(coset.k, self.k, "a coset of another size");
            let powers = if inverse { &coset.inverse_powers } else { &coset.powers };
            powers.address_on(device)
        });
        let places = (0..columns.to.len() / size).map(|column| (column * size * size_of::<Fr>()) as u64);
        places.map(|place| RawTransformed { to: to + place, from: from + place, shift }).collect()
    }
}
