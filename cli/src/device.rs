//! Where proofs are computed: on the processor, or on a CUDA device.

use anyhow::anyhow;
use circuits::layout::Layout;
use gpu::{Device, DeviceInfo, DevicePlan, Kernels, LibraryError};
use prover::Engine;

use crate::args::{DeviceChoice, EngineArgs};
use crate::exit::{Failure, Outcome};
use crate::printer::{bytes, Printer};

/// What computes.
#[derive(Clone, Debug)]
pub(crate) enum Hardware {
    /// The processor.
    Processor,
    /// A CUDA device.
    Device {
        /// The device.
        device: Device,
        /// Bytes of its memory that there are, or that may be taken; `None` where it has no memory of its own.
        memory: Option<u64>,
        /// How a proof fits into it, once one is planned.
        plan: Option<DevicePlan>,
    },
}

impl Hardware {
    /// What the arguments ask for; where they leave it open, a device if there is one. One line tells what it is and why.
    ///
    /// # Errors
    /// A device is asked for, and there is none, or it can't go with another argument; standard output is closed.
    pub(crate) fn choose(args: &EngineArgs, printer: Printer) -> Outcome<Self> {
        let engine: Engine = args.engine.into();
        let reason = match (args.device, engine, args.max_memory) {
            (DeviceChoice::Cpu, _, _) => return Ok(Self::Processor),
            (_, Engine::Stock, _) => "the stock engine runs there",
            (_, _, Some(_)) => "--max-memory is a limit of its engine; a device's is --max-device-memory",
            (_, Engine::Native, None) => return Self::find(args, printer),
        };
        if args.device == DeviceChoice::Cuda {
            let fault = anyhow!("--device cuda is given, and the proof can only be made on the processor: {reason}");
            return Err(Failure::misuse(fault));
        }
        Ok(Self::Processor)
    }

    fn find(args: &EngineArgs, printer: Printer) -> Outcome<Self> {
        let limit = args.max_device_memory.map(|size| size.0);
        match Kernels::find().and_then(|kernels| kernels.device(0, limit)) {
            Ok(device) => {
                let info = device.describe().map_err(Failure::refused)?;
                printer.field("device", summary(&info))?;
                let memory = limit.or((info.free_bytes > 0).then_some(info.free_bytes));
                Ok(Self::Device { device, memory, plan: None })
            }
            Err(reason) if args.device == DeviceChoice::Cuda => Err(none(reason)),
            // A program without kernels has nothing to tell.
            Err(LibraryError::Absent) => Ok(Self::Processor),
            Err(reason) => {
                printer.field("device", format_args!("the processor ({reason})"))?;
                Ok(Self::Processor)
            }
        }
    }

    /// The same with a plan for proofs of this layout, and a line where not all columns find room; or the processor, and a line, where
    /// proofs don't fit into the device's memory at all.
    ///
    /// # Errors
    /// Standard output is closed.
    pub(crate) fn fitted(self, layout: &Layout, printer: Printer) -> Outcome<Self> {
        let Self::Device { device, memory: Some(memory), .. } = self else { return Ok(self) };
        match DevicePlan::new(layout, memory) {
            Ok(plan) => {
                if plan.quotient_bytes.is_none() {
                    printer.field("device memory", format_args!("{}: columns take turns", bytes(memory)))?;
                }
                Ok(Self::Device { device, memory: Some(memory), plan: Some(plan) })
            }
            Err(error) => {
                let (needed, there) = (bytes(error.needed), bytes(error.budget));
                printer
                    .field("device", format_args!("the processor (a proof takes {needed} of a device, of {there})"))?;
                Ok(Self::Processor)
            }
        }
    }

    /// Its name in reports.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Processor => "cpu",
            Self::Device { device, .. } if device.kernels().is_host() => "host-twin",
            Self::Device { .. } => "cuda",
        }
    }
}

/// A device in a line.
pub(crate) fn summary(info: &DeviceInfo) -> String {
    if info.multiprocessors == 0 {
        return info.name.clone();
    }
    format!("{}, {} of {} free", info.name, bytes(info.free_bytes), bytes(info.memory_bytes))
}

fn none(reason: LibraryError) -> Failure {
    let failure = Failure::refused(reason).context("--device cuda is given, and there is none that can be used");
    failure.remedy("see `zkinfer doctor`, or use --device auto, which takes the processor where there is no device")
}
