//! Columns of recipes.

use circuits::recipe::Rows;
use halo2_proofs::halo2curves::bn256::Fr;

use super::columns::RawColumn;
use super::rows::RawTerm;
use super::{Device, DeviceBuffer, DeviceDomain, DeviceError, RawContext};
use crate::DeviceColumn;

functions! {
    /// Recipes.
    Functions {
        fn zkinfer_sum_cells(
            context: *mut RawContext,
            k: u32,
            terms: *const RawCellTerm,
            forms: *const RawForm,
            count: u64,
            rows: u64,
            to: u64,
        ) -> i32;
        fn zkinfer_add_products(
            context: *mut RawContext,
            k: u32,
            products: *const RawProduct,
            count: u64,
            mode: u32,
            rows: u64,
            to: u64,
        ) -> i32;
        fn zkinfer_recurrence(context: *mut RawContext, steps: u64, reads: u64, count: u64) -> i32;
        fn zkinfer_place(context: *mut RawContext, to: u64, first: u64, stride: u64, from: u64, count: u64) -> i32;
        fn zkinfer_scalar_rows(context: *mut RawContext, domain: u64, k: u32, unit: *const RawScalarUnit) -> i32;
    }
}

/// Cells as the library takes them.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct RawCells {
    column: RawColumn,
    first: u64,
    stride: u64,
    count: u64,
}

#[repr(C)]
pub(super) struct RawCellTerm {
    cells: RawCells,
    factor: Fr,
}

#[repr(C)]
pub(super) struct RawForm {
    count: u64,
    constant: Fr,
}

#[repr(C)]
pub(super) struct RawGate {
    cells: RawCells,
    off: u32,
    reserved: u32,
}

#[repr(C)]
pub(super) struct RawProduct {
    factor: Fr,
    gates: *const RawGate,
    gate_count: u32,
    reserved: u32,
    operand: u64,
    first: u64,
    stride: u64,
    count: u64,
    shift: i64,
}

/// Rows that take results of earlier waves alone, but for that of the row before.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wave {
    /// The first entry of the order.
    pub(crate) first: u64,
    /// Entries.
    pub(crate) count: u64,
    /// 1: all threads of the device take part; 0: one block of them, with a thread for each run of rows.
    pub(crate) wide: u32,
    /// 0.
    pub(crate) reserved: u32,
}

#[repr(C)]
pub(super) struct RawScalarUnit {
    sources: *const RawColumn,
    source_count: u64,
    steps: *const RawTerm,
    step_count: u64,
    product: RawColumn,
    operand: RawColumn,
    constant: RawColumn,
    operands: u64,
    order: u64,
    waves: *const Wave,
    wave_count: u64,
    a: u64,
    b: u64,
    c: u64,
}

/// Cells of a column, which is of integers or of elements. Those behind the last one are zero.
#[derive(Clone, Copy)]
pub(crate) struct Cells<'a> {
    pub(crate) column: &'a DeviceColumn,
    pub(crate) rows: Rows,
}

/// An operand, or one, with a factor and gates: cells, or (`true`) one minus them.
pub(crate) struct Product<'a> {
    pub(crate) factor: Fr,
    pub(crate) gates: Vec<(Cells<'a>, bool)>,
    pub(crate) operand: Option<(&'a DeviceBuffer<Fr>, Rows)>,
    /// Rows further down in which the operand is read.
    pub(crate) shift: i64,
}

/// What of a scalar unit is the same in every proof.
#[derive(Debug)]
pub(crate) struct ScalarPlan {
    /// `[kind, row]` of both operands of each row.
    pub(crate) operands: DeviceBuffer<[u32; 2]>,
    /// Rows wave by wave.
    pub(crate) order: DeviceBuffer<u32>,
    pub(crate) waves: Vec<Wave>,
    pub(crate) steps: Vec<DeviceColumn>,
    pub(crate) product: DeviceColumn,
    pub(crate) operand: DeviceColumn,
    pub(crate) constant: DeviceColumn,
}

/// What a scalar unit reads and writes in a proof.
pub(crate) struct ScalarColumns<'a> {
    /// Sources of operands: columns of the circuit, and then derived ones.
    pub(crate) sources: Vec<&'a DeviceColumn>,
    pub(crate) derived: Vec<Option<&'a DeviceBuffer<Fr>>>,
    /// The factor of each step.
    pub(crate) factors: Vec<Fr>,
    pub(crate) outputs: &'a mut [DeviceBuffer<Fr>; 3],
}

/// The kinds of operands.
pub(crate) mod kind {
    pub(crate) const NOTHING: u32 = 0;
    pub(crate) const FIRST_OPERAND: u32 = 1;
    pub(crate) const SECOND_OPERAND: u32 = 2;
    pub(crate) const RESULT: u32 = 3;
    /// And the number of the source.
    pub(crate) const SOURCE: u32 = 4;
}

impl DeviceDomain {
    fn raw_cells(&self, cells: &Cells<'_>) -> RawCells {
        assert!(cells.rows.end() <= self.size(), "cells beyond the domain");
        RawCells {
            column: RawColumn::new(self.device(), cells.column),
            first: cells.rows.first as u64,
            stride: cells.rows.stride as u64,
            count: cells.rows.count as u64,
        }
    }

    /// Sums `constant + Σ factor·cell`, each in `rows` rows, one behind the other.
    ///
    /// # Errors
    /// There is no memory, a column is of neither form, or the device fails.
    ///
    /// # Panics
    /// There is another number of elements, or a column is another device's.
    pub(crate) fn sum_cells(
        &self,
        forms: &[(Vec<(Cells<'_>, Fr)>, Fr)],
        rows: usize,
        to: &mut DeviceBuffer<Fr>,
    ) -> Result<(), DeviceError> {
        assert_eq!(forms.len() * rows, to.len(), "elements of forms");
        let term = |(cells, factor): &(Cells<'_>, Fr)| RawCellTerm { cells: self.raw_cells(cells), factor: *factor };
        let terms: Vec<RawCellTerm> = forms.iter().flat_map(|(terms, _)| terms.iter().map(term)).collect();
        let form = |(terms, constant): &(Vec<_>, Fr)| RawForm { count: terms.len() as u64, constant: *constant };
        let forms: Vec<RawForm> = forms.iter().map(form).collect();
        let (to, count) = (to.address_on(self.device()), forms.len() as u64);
        // SAFETY: the columns' buffers are there, as long as they say; there are as many terms as forms ask for, and `to` has as many
        // elements as all forms.
        self.device().call(|tables, context| unsafe {
            let function = tables.derive.zkinfer_sum_cells;
            function(context, self.k(), terms.as_ptr(), forms.as_ptr(), count, rows as u64, to)
        })
    }

    /// The sum of products in each of the first `rows` elements: added to what is there, or (`set`) in its place.
    ///
    /// # Errors
    /// There is no memory, a column is of neither form, or the device fails.
    ///
    /// # Panics
    /// There are not so many elements, an operand has fewer rows than it says, or something is another device's.
    pub(crate) fn add_products(
        &self,
        products: &[Product<'_>],
        set: bool,
        rows: usize,
        to: &mut DeviceBuffer<Fr>,
    ) -> Result<(), DeviceError> {
        assert!(rows <= to.len(), "rows beyond the buffer");
        let gates: Vec<Vec<RawGate>> = products
            .iter()
            .map(|product| {
                let gate = |(cells, off): &(Cells<'_>, bool)| RawGate {
                    cells: self.raw_cells(cells),
                    off: u32::from(*off),
                    reserved: 0,
                };
                product.gates.iter().map(gate).collect()
            })
            .collect();
        let raw = |(product, gates): (&Product<'_>, &Vec<RawGate>)| {
            let (operand, rows) = match product.operand {
                Some((buffer, rows)) => {
                    assert!(rows.end() <= buffer.len(), "rows beyond the operand");
                    (buffer.address_on(self.device()), rows)
                }
                None => (0, Rows::all(0)),
            };
            RawProduct {
                factor: product.factor,
                gates: gates.as_ptr(),
                gate_count: gates.len() as u32,
                reserved: 0,
                operand,
                first: rows.first as u64,
                stride: rows.stride as u64,
                count: rows.count as u64,
                shift: product.shift,
            }
        };
        let products: Vec<RawProduct> = products.iter().zip(&gates).map(raw).collect();
        let (to, mode, count) = (to.address_on(self.device()), u32::from(!set), products.len() as u64);
        // SAFETY: the columns' buffers are there, as long as they say, and each product's gates; `to` has so many elements.
        self.device().call(|tables, context| unsafe {
            let function = tables.derive.zkinfer_add_products;
            function(context, self.k(), products.as_ptr(), count, mode, rows as u64, to)
        })
    }

    /// The rows of a scalar unit: fills the first elements of its columns, as many as the plan has rows.
    ///
    /// # Errors
    /// There is no memory, or the device fails.
    ///
    /// # Panics
    /// Columns are fewer, or shorter, than the plan takes, or another device's.
    pub(crate) fn scalar_rows(&self, plan: &ScalarPlan, columns: ScalarColumns<'_>) -> Result<(), DeviceError> {
        let device = self.device();
        let ScalarColumns { sources, derived, factors, outputs } = columns;
        assert!(outputs.iter().all(|output| output.len() >= plan.order.len()), "columns shorter than the plan");
        assert!(2 * plan.order.len() == plan.operands.len() && factors.len() == plan.steps.len(), "a whole plan");
        let raw = |column| RawColumn::new(device, column);
        let sources = sources.into_iter().map(raw);
        let derived =
            derived.into_iter().map(|buffer| buffer.map_or(RawColumn::zero(), |b| RawColumn::elements(device, b)));
        let sources: Vec<RawColumn> = sources.chain(derived).collect();
        let steps = plan.steps.iter().zip(&factors).map(|(column, factor)| RawTerm::new(raw(column), *factor));
        let steps: Vec<RawTerm> = steps.collect();
        let [a, b, c] = outputs.each_ref().map(|output| output.address_on(device));
        let unit = RawScalarUnit {
            sources: sources.as_ptr(),
            source_count: sources.len() as u64,
            steps: steps.as_ptr(),
            step_count: steps.len() as u64,
            product: raw(&plan.product),
            operand: raw(&plan.operand),
            constant: raw(&plan.constant),
            operands: plan.operands.address_on(device),
            order: plan.order.address_on(device),
            waves: plan.waves.as_ptr(),
            wave_count: plan.waves.len() as u64,
            a,
            b,
            c,
        };
        // SAFETY: whoever made the plan has checked that operands are sources, rows of the domain and earlier rows, and waves parts of the
        // order; the columns' buffers are there, as long as they say.
        device.call(|tables, context| unsafe {
            (tables.derive.zkinfer_scalar_rows)(context, self.address(), self.k(), &unit)
        })
    }
}

impl Device {
    /// `reads[i] = reads[i − 1]·steps[i] + reads[i]` for the first `count` elements, from zero before the first.
    ///
    /// # Errors
    /// There is no memory, or the device fails.
    ///
    /// # Panics
    /// There are fewer elements, or they are another device's.
    pub(crate) fn recurrence(
        &self,
        steps: &DeviceBuffer<Fr>,
        reads: &mut DeviceBuffer<Fr>,
        count: usize,
    ) -> Result<(), DeviceError> {
        assert!(count <= steps.len() && count <= reads.len(), "elements beyond the buffers");
        let [steps, reads] = [steps.address_on(self), reads.address_on(self)];
        // SAFETY: both have as many elements.
        self.call(|tables, context| unsafe { (tables.derive.zkinfer_recurrence)(context, steps, reads, count as u64) })
    }

    /// Copies elements from `first` on into rows of a column.
    ///
    /// # Errors
    /// The device fails.
    ///
    /// # Panics
    /// There are fewer elements or rows, or they are another device's.
    pub(crate) fn place(
        &self,
        from: &DeviceBuffer<Fr>,
        first: usize,
        rows: Rows,
        to: &mut DeviceBuffer<Fr>,
    ) -> Result<(), DeviceError> {
        assert!(first + rows.count <= from.len() && rows.end() <= to.len(), "elements beyond the buffers");
        let from = from.address_on(self) + (first * size_of::<Fr>()) as u64;
        let to = to.address_on(self);
        // SAFETY: both have the elements.
        self.call(|tables, context| unsafe {
            let function = tables.derive.zkinfer_place;
            function(context, to, rows.first as u64, rows.stride as u64, from, rows.count as u64)
        })
    }
}
