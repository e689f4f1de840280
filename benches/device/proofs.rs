//! Whole proofs by both engines: rounds, operations, transfers and memory.

use std::collections::BTreeMap;
use std::rc::Rc;

use anyhow::{ensure, Context, Result};
use circuits::graph::Program;
use circuits::layout::LayoutOptions;
use gpu::{Device, DeviceCounts, GpuEngine};
use prover::engine::{CpuEngine, CpuOptions};
use prover::srs::Srs;
use prover::{Entropy, Plan, ProveOptions, Proved, Prover, ProvingKey, Stage};
use serde_json::{json, Value};
use zkinfer_benches::networks;
use zkinfer_benches::table::{bytes, digits, markdown, ratio, shown, times};

use crate::operations::{taken, Measured, Operation, Operations};
use crate::Bench;

/// Units of the synthetic machines.
const UNITS: u32 = 4;
/// All proofs of a key are the same.
const SEEDED: ProveOptions = ProveOptions { entropy: Entropy::Seed([1; 32]), check: false, verify: true };

/// What is proved.
pub(crate) struct Workload {
    /// Its name.
    pub(crate) name: String,
    /// The program.
    pub(crate) program: Program,
    /// Values of its inputs.
    pub(crate) inputs: Vec<Vec<i64>>,
    /// How it is laid out.
    pub(crate) options: LayoutOptions,
}

impl Workload {
    /// The picture that fills a machine of `2^k` rows.
    pub(crate) fn picture(k: u32) -> Self {
        let program = networks::picture_of_rows(k);
        let inputs = networks::inputs(&program);
        let options = LayoutOptions { units: Some(UNITS), ..LayoutOptions::default() };
        Self { name: program.name.clone(), program, inputs, options }
    }
}

/// Development SRSs by their size, made when they are first asked for.
#[derive(Default)]
pub(crate) struct Srses(BTreeMap<u32, Rc<Srs>>);

impl Srses {
    fn get(&mut self, k: u32) -> Result<Rc<Srs>> {
        if let Some(srs) = self.0.get(&k) {
            return Ok(Rc::clone(srs));
        }
        // Only one is kept: the largest ones take half a gigabyte.
        self.0.clear();
        let srs = Rc::new(Srs::development(k)?);
        self.0.insert(k, Rc::clone(&srs));
        Ok(srs)
    }
}

/// Seconds of both engines, and the floor of the device's.
struct Pair {
    what: String,
    processor: f64,
    device: f64,
    floor: Option<f64>,
}

/// What an operation took on both engines.
struct Both {
    device: Operation,
    processor: Option<f64>,
}

/// What a proof took.
pub(crate) struct ProofFigures {
    name: String,
    k: u32,
    rounds: Vec<Pair>,
    operations: Vec<Both>,
    transfers: DeviceCounts,
    /// Bytes that the device holds between proofs, and at most.
    memory: [u64; 2],
}

impl Bench {
    /// Proofs by both engines, which are the same.
    pub(crate) fn proof(&self, workload: Workload, srses: &mut Srses) -> Result<ProofFigures> {
        let Workload { name, program, inputs, options } = workload;
        let plan = Plan::new(program, options)?;
        let srs = srses.get(plan.k())?;
        let (key, _) = plan.setup(&srs, &())?;
        let on =
            |device: Device, srs: &Srs| GpuEngine::new(device, srs.lagrange(), srs.powers()[1], CpuOptions::default());
        let on_device = |srs: &Srs| on(self.device.clone(), srs);
        let operations = Operations::default();
        let here = Prover::on_engine(
            &key,
            &*srs,
            |srs| {
                let engine = CpuEngine::new(srs.lagrange(), srs.powers()[1], CpuOptions::default());
                Ok(Measured::new(engine, None, &operations))
            },
            &(),
        )?;
        let (expected, processor_operations) = self.fastest(&here, &inputs, &operations)?;
        let processor_derived = here.derived().wall_seconds(Stage::Derive);
        drop(here);

        let there = Prover::on_engine(&key, &*srs, on_device, &())?;
        let (found, _) = self.fastest(&there, &inputs, &operations)?;
        ensure!(found.proof == expected.proof, "the proofs differ");
        let (used, peak) = self.device.memory()?;
        let device_derived = there.derived().wall_seconds(Stage::Derive);
        drop(there);

        let serial = Prover::on_engine(&key, &*srs, |srs| on(self.device.clone().serial(), srs), &())?;
        let (in_order, _) = self.fastest(&serial, &inputs, &operations)?;
        ensure!(in_order.proof == expected.proof, "the proofs differ where copies are in the order of the work");
        drop(serial);

        let device_operations = self.operations(&key, &srs, &inputs, &expected, &on_device)?;
        let mut rounds = self.rounds(&expected, &found);
        let [processor, device] = [&expected, &in_order].map(|proved| proved.report.wall_seconds(Stage::Prove));
        rounds.push(Pair { what: "proof, copies in the order of the work".into(), processor, device, floor: None });
        rounds.push(Pair {
            what: "key onto the engine, once".into(),
            processor: processor_derived,
            device: device_derived,
            floor: None,
        });
        let transfers = device_operations.iter().fold(DeviceCounts::default(), |sum, operation| sum + operation.counts);
        let of_processor = |name: &str| processor_operations.iter().find(|operation| operation.name == name);
        let operations = device_operations
            .into_iter()
            .map(|device| Both { processor: of_processor(device.name).map(|operation| operation.seconds), device })
            .collect();
        Ok(ProofFigures { name, k: key.plan().k(), rounds, operations, transfers, memory: [used, peak] })
    }

    /// The fastest of some proofs, and its operations where they are measured.
    fn fastest(
        &self,
        prover: &Prover<'_>,
        inputs: &[Vec<i64>],
        operations: &Operations,
    ) -> Result<(Proved, Vec<Operation>)> {
        let seconds = |proved: &Proved| proved.report.wall_seconds(Stage::Prove);
        let mut best: Option<(Proved, Vec<Operation>)> = None;
        for _ in 0..self.proof_repetitions {
            taken(operations);
            let proved = prover.prove(inputs, &SEEDED, &())?;
            let operations = taken(operations);
            if best.as_ref().is_none_or(|(best, _)| seconds(&proved) < seconds(best)) {
                best = Some((proved, operations));
            }
        }
        best.context("at least one repetition")
    }

    /// The device's operations, each waited for.
    fn operations(
        &self,
        key: &ProvingKey,
        srs: &Srs,
        inputs: &[Vec<i64>],
        expected: &Proved,
        on_device: &dyn Fn(&Srs) -> Result<GpuEngine, prover::engine::EngineError>,
    ) -> Result<Vec<Operation>> {
        let operations = Operations::default();
        let device: Device = self.device.clone();
        let make = |srs: &Srs| Ok(Measured::new(on_device(srs)?, Some(device), &operations));
        let prover = Prover::on_engine(key, srs, make, &())?;
        let (found, measured) = self.fastest(&prover, inputs, &operations)?;
        ensure!(found.proof == expected.proof, "the proofs differ where operations are waited for");
        Ok(measured)
    }

    fn rounds(&self, expected: &Proved, found: &Proved) -> Vec<Pair> {
        let pairs = expected.report.rounds.iter().zip(&found.report.rounds);
        let floor = |seconds: f64| (seconds > 0.0).then_some(seconds);
        let mut rounds: Vec<_> = pairs
            .map(|(here, there)| Pair {
                what: here.round.to_string(),
                processor: here.wall_seconds,
                device: there.wall_seconds,
                floor: floor(self.floors.work(&here.work)),
            })
            .collect();
        let whole = rounds.iter().filter_map(|round| round.floor).sum();
        for (stage, what, floor) in [(Stage::Prove, "proof", floor(whole)), (Stage::Witness, "witness, before", None)] {
            let [processor, device] = [expected, found].map(|proved| proved.report.wall_seconds(stage));
            rounds.push(Pair { what: what.into(), processor, device, floor });
        }
        rounds
    }
}

impl ProofFigures {
    /// The figures as two tables.
    pub(crate) fn tables(&self) -> String {
        let milliseconds = |seconds: f64| digits(seconds * 1e3);
        let rounds: Vec<_> = self
            .rounds
            .iter()
            .map(|Pair { what, processor, device, floor }| {
                vec![
                    what.clone(),
                    milliseconds(*processor),
                    milliseconds(*device),
                    times(processor / device),
                    shown(*floor, |seconds| digits(seconds * 1e3)),
                    shown(ratio(Some(*device), *floor), times),
                ]
            })
            .collect();
        let operations: Vec<_> = self
            .operations
            .iter()
            .map(|Both { device, processor }| {
                vec![
                    device.name.to_owned(),
                    device.calls.to_string(),
                    shown(*processor, |seconds| digits(seconds * 1e3)),
                    milliseconds(device.seconds),
                    shown(ratio(*processor, Some(device.seconds)), times),
                    device.counts.launches.to_string(),
                    bytes(device.counts.uploaded_bytes as f64),
                    bytes(device.counts.downloaded_bytes as f64),
                ]
            })
            .collect();
        let [used, peak] = self.memory;
        format!(
            "{}: a proof of 2^{} rows. {} kernels, {} to the device and {} back. The device holds {} MiB between proofs, {} MiB at \
             most.\n\n{}\n{}",
            self.name,
            self.k,
            self.transfers.launches,
            bytes(self.transfers.uploaded_bytes as f64),
            bytes(self.transfers.downloaded_bytes as f64),
            used >> 20,
            peak >> 20,
            markdown(&["round", "processor ms", "device ms", "ratio", "floor ms", "device / floor"], &rounds),
            markdown(
                &["operation", "calls", "processor ms", "device ms", "ratio", "kernels", "to the device", "back"],
                &operations
            )
        )
    }

    /// The figures as a record.
    pub(crate) fn json(&self) -> Value {
        let rounds = self.rounds.iter().map(|Pair { what, processor, device, floor }| {
            json!({ "what": what, "processor_s": processor, "device_s": device, "floor_s": floor })
        });
        let operations = self.operations.iter().map(|Both { device, processor }| {
            let mut value = counts(&device.counts);
            value["what"] = device.name.into();
            value["calls"] = device.calls.into();
            value["processor_s"] = json!(processor);
            value["device_s"] = device.seconds.into();
            value
        });
        json!({
            "name": self.name,
            "log_rows": self.k,
            "rounds": rounds.collect::<Value>(),
            "operations": operations.collect::<Value>(),
            "transfers": counts(&self.transfers),
            "device_bytes_between_proofs": self.memory[0],
            "device_bytes_at_most": self.memory[1],
        })
    }
}

fn counts(counts: &DeviceCounts) -> Value {
    json!({
        "launches": counts.launches,
        "uploaded_bytes": counts.uploaded_bytes,
        "downloaded_bytes": counts.downloaded_bytes,
    })
}
