//! Keys on a development SRS, and provers of them on a device.

use circuits::graph::Program;
use circuits::layout::LayoutOptions;
use gpu::{Device, GpuEngine};
use prover::engine::CpuOptions;
use prover::srs::Srs;
use prover::{Plan, Prover, ProvingKey};

/// The SRS and the key of a program.
pub(crate) fn set_up(program: Program, options: LayoutOptions) -> (Srs, ProvingKey) {
    let plan = Plan::new(program, options).expect("the program has a layout");
    let srs = Srs::development(plan.k()).expect("a possible size");
    let (key, _) = plan.setup(&srs, &()).expect("the SRS fits");
    (srs, key)
}

/// A prover on the device.
pub(crate) fn prover_on<'a>(device: &Device, key: &'a ProvingKey, srs: &Srs, options: CpuOptions) -> Prover<'a> {
    let make = |srs: &Srs| GpuEngine::new(device.clone(), srs.lagrange(), srs.powers()[1], options);
    Prover::on_engine(key, srs, make, &()).expect("the SRS fits")
}
