//! Operations on lists of field elements.

use halo2_proofs::halo2curves::bn256::{Fq, Fr};

use super::{Device, DeviceBuffer, DeviceError, Plain, RawContext};

functions! {
    /// Element-wise operations.
    Functions {
        fn zkinfer_elementwise(
            context: *mut RawContext,
            field: u32,
            operation: u32,
            to: u64,
            a: u64,
            b: u64,
            scalar: *const u64,
            count: u64,
        ) -> i32;
        fn zkinfer_invert(context: *mut RawContext, field: u32, to: u64, from: u64, count: u64) -> i32;
    }
}

/// The fields that the library computes in.
pub trait DeviceField: Plain {
    /// The library's number for it.
    const FIELD: u32;
}

impl DeviceField for Fr {
    const FIELD: u32 = 0;
}

impl DeviceField for Fq {
    const FIELD: u32 = 1;
}

/// What is done with each pair of elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementOperation<F> {
    /// `a + b`
    Add,
    /// `a − b`
    Subtract,
    /// `a·b`
    Multiply,
    /// `a + scalar·b`
    AddScaled(F),
    /// `scalar·a`; `b` is not read.
    Scale(F),
}

impl<F: Copy> ElementOperation<F> {
    fn number(self) -> u32 {
        match self {
            Self::Add => 0,
            Self::Subtract => 1,
            Self::Multiply => 2,
            Self::AddScaled(_) => 3,
            Self::Scale(_) => 4,
        }
    }
}

impl Device {
    /// `a[i] = operation(a[i], b[i])`
    ///
    /// # Errors
    /// The device fails.
    ///
    /// # Panics
    /// There are more elements in `a` than in `b`, or a buffer is another device's.
    pub fn elementwise<F: DeviceField>(
        &self,
        operation: ElementOperation<F>,
        a: &mut DeviceBuffer<F>,
        b: &DeviceBuffer<F>,
    ) -> Result<(), DeviceError> {
        assert!(a.len() <= b.len(), "operands of different lengths");
        let (to, from) = (a.address_on(self), b.address_on(self));
        let scalar = match &operation {
            ElementOperation::AddScaled(scalar) | ElementOperation::Scale(scalar) => std::ptr::from_ref(scalar).cast(),
            _ => std::ptr::null(),
        };
        // SAFETY: both buffers have as many elements; a scalar is four words, and is there while the function runs.
        self.call(|tables, context| unsafe {
            let function = tables.elements.zkinfer_elementwise;
            function(context, F::FIELD, operation.number(), to, to, from, scalar, a.len() as u64)
        })
    }

    /// The inverses of elements in their place; that of zero is zero.
    ///
    /// # Errors
    /// The device fails.
    ///
    /// # Panics
    /// The buffer is another device's.
    pub fn invert<F: DeviceField>(&self, elements: &mut DeviceBuffer<F>) -> Result<(), DeviceError> {
        let address = elements.address_on(self);
        let count = elements.len() as u64;
        // SAFETY: the buffer has as many elements.
        self.call(|tables, context| unsafe {
            (tables.elements.zkinfer_invert)(context, F::FIELD, address, address, count)
        })
    }
}
