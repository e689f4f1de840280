//! `zkinfer doctor`: what this machine has for proofs, and why not more.

use gpu::{DeviceInfo, Kernels, LibraryError, LIBRARY_VARIABLE};
use prover::field::Instructions;
use serde_json::{json, Value};

use crate::device::summary;
use crate::exit::Outcome;
use crate::printer::{bytes, Printer};
use crate::report::Report;
use crate::usage;

/// Prints what the processor and the devices can do.
///
/// # Errors
/// Standard output is closed.
pub(crate) fn run(printer: Printer) -> Outcome {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (used, known) = (Instructions::detected(), Instructions::available());
    let memory = usage::available_memory_bytes();
    let devices = devices();

    let names: Vec<String> = known.iter().map(ToString::to_string).collect();
    let kept = if known.last() == Some(&used) { "" } else { " (ZKINFER_PORTABLE keeps to it)" };
    printer.field("processor", format_args!("{}, {threads} threads", std::env::consts::ARCH))?;
    printer.field("instructions", format_args!("{used}{kept}; there are {}", names.join(", ")))?;
    printer.field("memory", memory.map_or_else(|| "not told".into(), |free| format!("{} free", bytes(free))))?;
    match &devices {
        Ok(found) => found.iter().try_for_each(|info| {
            printer.field("device", summary(info))?;
            printer.field("", details(info))
        })?,
        Err(reason) => printer.field("device", format_args!("none: {reason}"))?,
    }
    let (found, reason) = match devices {
        Ok(found) => (found, None),
        Err(reason) => (Vec::new(), Some(reason.to_string())),
    };
    let report = Report::new("doctor").with("architecture", std::env::consts::ARCH).with("threads", threads);
    let report = report.with("instructions", used.to_string()).with("known_instructions", names);
    let report = report.with("available_memory_bytes", memory);
    let report = report.with("devices", found.iter().map(to_json).collect::<Vec<_>>());
    printer.report(&report.with("no_device", reason))
}

/// The devices, or why there are none.
fn devices() -> Result<Vec<DeviceInfo>, LibraryError> {
    let kernels = Kernels::find()?;
    (0..kernels.device_count()?).map(|index| kernels.describe(index)).collect()
}

fn details(info: &DeviceInfo) -> String {
    if info.multiprocessors == 0 {
        return format!("the kernels on the processor, for tests; {LIBRARY_VARIABLE} names them");
    }
    let version = |number: u32| format!("{}.{}", number / 1000, number % 1000 / 10);
    format!(
        "compute capability {}.{}, {} multiprocessors, driver for CUDA {}, kernels by CUDA {}",
        info.architecture / 10,
        info.architecture % 10,
        info.multiprocessors,
        version(info.driver_version),
        version(info.toolkit_version)
    )
}

fn to_json(info: &DeviceInfo) -> Value {
    json!({
        "name": info.name,
        "memory_bytes": info.memory_bytes,
        "free_bytes": info.free_bytes,
        "multiprocessors": info.multiprocessors,
        "architecture": info.architecture,
        "driver_version": info.driver_version,
        "toolkit_version": info.toolkit_version,
    })
}
