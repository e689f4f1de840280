//! Evaluations.

use halo2_proofs::halo2curves::bn256::Fr;

use super::columns::RawColumn;
use super::{DeviceBuffer, DeviceDomain, DeviceError, RawContext};
use crate::DeviceColumn;

functions! {
    /// Evaluations.
    Functions {
        fn zkinfer_evaluate(
            context: *mut RawContext,
            domain: u64,
            k: u32,
            weights: u64,
            x: *const Fr,
            queries: *const RawQuery,
            count: u32,
            values: *mut Fr,
        ) -> i32;
    }
}

/// A column and a rotation, as the library takes them.
#[repr(C)]
pub(crate) struct RawQuery {
    column: RawColumn,
    rotation: i32,
    reserved: u32,
}

impl DeviceDomain {
    /// The polynomials of columns at `ω^rotation·x`, from the values of the Lagrange polynomials at `x`.
    ///
    /// # Errors
    /// There is no memory, a column is longer than the domain, or the device fails.
    ///
    /// # Panics
    /// There are not as many weights as rows, or a column is another device's.
    pub fn evaluate(
        &self,
        weights: &DeviceBuffer<Fr>,
        x: Fr,
        queries: &[(&DeviceColumn, i32)],
    ) -> Result<Vec<Fr>, DeviceError> {
        assert_eq!(weights.len(), self.size(), "a weight for each row");
        let device = self.device();
        let query = |&(column, rotation): &(&DeviceColumn, i32)| RawQuery {
            column: RawColumn::new(device, column),
            rotation,
            reserved: 0,
        };
        let queries: Vec<RawQuery> = queries.iter().map(query).collect();
        let mut values = vec![Fr::zero(); queries.len()];
        let (weights, count) = (weights.address_on(device), queries.len() as u32);
        // SAFETY: the columns' buffers are there, as long as they say; there are as many weights as rows, and values as queries.
        device.call(|tables, context| unsafe {
            let function = tables.evaluate.zkinfer_evaluate;
            let (domain, queries) = (self.address(), queries.as_ptr());
            function(context, domain, self.k(), weights, &x, queries, count, values.as_mut_ptr())
        })?;
        Ok(values)
    }
}
