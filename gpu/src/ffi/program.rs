//! Straight-line programs.

use halo2_proofs::halo2curves::bn256::Fr;

use super::{DeviceBuffer, DeviceDomain, DeviceError, RawContext};
use crate::program::{Action, Source, Steps};

functions! {
    /// Straight-line programs.
    Functions {
        fn zkinfer_run_program(
            context: *mut RawContext,
            domain: u64,
            k: u32,
            program: *const RawProgram,
            shift: *const Fr,
            interpreted: u32,
            to: u64,
            printed: *mut u32,
        ) -> i32;
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
struct RawOperand {
    kind: u32,
    index: u32,
    rotation: i32,
}

#[repr(C)]
struct RawInstruction {
    operation: u32,
    to: u32,
    a: RawOperand,
    b: RawOperand,
}

/// A program as the library takes it.
#[repr(C)]
pub(crate) struct RawProgram {
    instructions: *const RawInstruction,
    length: u64,
    slots: *const u64,
    scalars: *const Fr,
    slot_count: u32,
    scalar_count: u32,
    registers: u32,
    result: u32,
}

impl From<Option<Source>> for RawOperand {
    fn from(source: Option<Source>) -> Self {
        let (kind, index, rotation) = match source {
            Some(Source::Register(index)) => (0, index, 0),
            Some(Source::Scalar(index)) => (1, index, 0),
            Some(Source::Cell(slot, rotation)) => (2, slot, rotation),
            Some(Source::Point) => (3, 0, 0),
            None => (0, 0, 0),
        };
        Self { kind, index, rotation }
    }
}

impl Action {
    fn number(self) -> u32 {
        match self {
            Self::Sum(..) => 0,
            Self::Difference(..) => 1,
            Self::Product(..) => 2,
            Self::Copy(_) => 3,
            Self::SumOfProduct(..) => 4,
        }
    }
}

/// What a program runs on.
pub struct ProgramInputs<'a> {
    /// A column in full for each of the program's slots.
    pub slots: &'a [&'a DeviceBuffer<Fr>],
    /// One for each of its scalars.
    pub scalars: &'a [Fr],
    /// A row stands for this times its point.
    pub shift: Fr,
}

impl DeviceDomain {
    /// Adds a program's result in every row to `to`; by the kernel that was printed for it, unless there is none or it is to be
    /// interpreted. Returns whether it was by a printed kernel.
    ///
    /// # Errors
    /// The program reads what is not there, there is no memory, or the device fails.
    ///
    /// # Panics
    /// There are fewer or more slots or scalars than the program has, or a buffer is of another length or device.
    pub fn run_program(
        &self,
        steps: &Steps,
        inputs: &ProgramInputs<'_>,
        interpreted: bool,
        to: &mut DeviceBuffer<Fr>,
    ) -> Result<bool, DeviceError> {
        let device = self.device();
        assert_eq!((inputs.slots.len(), inputs.scalars.len()), (steps.slots as usize, steps.scalars as usize));
        assert!(inputs.slots.iter().all(|slot| slot.len() == self.size()), "columns of the domain");
        assert_eq!(to.len(), self.size(), "a column of the domain");
        let slots: Vec<u64> = inputs.slots.iter().map(|slot| slot.address_on(device)).collect();
        let instruction = |step: &crate::program::Step| {
            let [a, b] = step.action.sources().map(RawOperand::from);
            RawInstruction { operation: step.action.number(), to: step.to, a, b }
        };
        let instructions: Vec<RawInstruction> = steps.list.iter().map(instruction).collect();
        let program = RawProgram {
            instructions: instructions.as_ptr(),
            length: instructions.len() as u64,
            slots: slots.as_ptr(),
            scalars: inputs.scalars.as_ptr(),
            slot_count: steps.slots,
            scalar_count: steps.scalars,
            registers: steps.registers,
            result: steps.result,
        };
        let mut printed = 0;
        let to = to.address_on(device);
        // SAFETY: there are as many instructions, slots and scalars as the program says, and all columns have the domain's length.
        device.call(|tables, context| unsafe {
            let function = tables.program.zkinfer_run_program;
            let interpreted = u32::from(interpreted);
            function(context, self.address(), self.k(), &program, &inputs.shift, interpreted, to, &mut printed)
        })?;
        Ok(printed != 0)
    }
}
