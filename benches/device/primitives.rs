//! Transfers, products, inverses, transforms and sums over points, each compared with the processor's.

use anyhow::{ensure, Result};
use circuits::machine::Integers;
use gpu::{DeviceDomain, ElementOperation, GpuEngine};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use prover::engine::{Column, CpuEngine, CpuOptions, Engine, Values};
use prover::field::{self, Instructions};
use prover::transform::Domain;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde_json::json;
use zkinfer_benches::samples::{elements, points};
use zkinfer_benches::table::{digits, markdown, ratio, shown, times};

use crate::Bench;

/// Products of an element's inverse: three, and its share of an inversion, some 380 by squaring for every 16.
const INVERSE_PRODUCTS: f64 = 3.0 + 380.0 / 16.0;
/// Bytes of an element.
const ELEMENT_BYTES: f64 = 32.0;
/// How often a transform reads and writes the column, from 2^16 to 2^24 rows.
const TRANSFORM_PASSES: f64 = 3.0;
/// Up to 2^K rows the processor's sums are measured as often as the device's; larger ones take seconds, and are measured once.
const OFTEN: u32 = 20;

/// What one primitive took.
pub(crate) struct Row {
    what: String,
    log_rows: u32,
    processor: Option<f64>,
    device: f64,
    /// Bytes that go over the bus or through memory, products, or points.
    amount: f64,
    floor: f64,
}

impl Row {
    /// The row as a record.
    pub(crate) fn json(&self) -> serde_json::Value {
        json!({
            "what": self.what,
            "log_rows": self.log_rows,
            "processor_s": self.processor,
            "device_s": self.device,
            "amount": self.amount,
            "floor_s": self.floor,
        })
    }
}

/// The rows as a table.
pub(crate) fn table(rows: &[Row]) -> String {
    let milliseconds = |seconds: f64| digits(seconds * 1e3);
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            vec![
                row.what.clone(),
                format!("2^{}", row.log_rows),
                shown(row.processor, |seconds| digits(seconds * 1e3)),
                milliseconds(row.device),
                shown(ratio(row.processor, Some(row.device)), times),
                format!("{:.3e}", row.amount / row.device),
                milliseconds(row.floor),
                times(row.device / row.floor),
            ]
        })
        .collect();
    let headings = [
        "primitive",
        "rows",
        "processor ms",
        "device ms",
        "ratio",
        "bytes, products or points / s",
        "floor ms",
        "device / floor",
    ];
    markdown(&headings, &rows)
}

/// Takes a row: its name, the processor's seconds, the device's, the amount and the floor.
type Put<'a> = dyn FnMut(&str, Option<f64>, f64, f64, f64) + 'a;

impl Bench {
    /// All primitives on `2^k` rows.
    pub(crate) fn primitives(&self, k: u32) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        let mut put = |what: &str, processor, device, amount, floor| {
            rows.push(Row { what: what.into(), log_rows: k, processor, device, amount, floor });
        };
        let values = elements(1, 1 << k);
        self.transfers(&values, &mut put)?;
        self.elements(&values, &mut put)?;
        let domain = self.device.domain(k)?;
        self.transforms(k, &domain, &values, &mut put)?;
        self.sums(k, values, &mut put)?;
        Ok(rows)
    }

    fn transfers(&self, values: &[Fr], put: &mut Put<'_>) -> Result<()> {
        let bytes = size_of_val(values) as f64;
        let mut there = self.device.upload(values)?;
        let up = self.seconds(|| there.upload(0, values))?;
        put("to the device", None, up, bytes, self.floors.bus(bytes));
        let mut back = Vec::new();
        let down = self.seconds(|| there.download().map(|values| back = values))?;
        ensure!(back == values, "what came back differs");
        put("from the device", None, down, bytes, self.floors.bus(bytes));
        let copy = self.seconds(|| there.duplicate().map(drop))?;
        put("copy", None, copy, 2.0 * bytes, self.floors.device(0.0, 2.0 * bytes));
        Ok(())
    }

    fn elements(&self, values: &[Fr], put: &mut Put<'_>) -> Result<()> {
        let (instructions, n) = (Instructions::detected(), values.len() as f64);
        let factors = elements(2, values.len());
        let mut expected = values.to_vec();
        let mut found = self.device.upload(values)?;
        let other = self.device.upload(&factors)?;
        let processor = self.seconds(|| {
            field::multiply(instructions, &mut expected, &factors);
            anyhow::Ok(())
        })?;
        let device = self.seconds(|| self.device.elementwise(ElementOperation::Multiply, &mut found, &other))?;
        ensure!(found.download()? == expected, "products differ");
        let floor = self.floors.device(n, 3.0 * ELEMENT_BYTES * n);
        put("products of two columns (one thread)", Some(processor), device, n, floor);
        let processor = self.seconds(|| {
            field::batch_invert(instructions, &mut expected);
            anyhow::Ok(())
        })?;
        let device = self.seconds(|| self.device.invert(&mut found))?;
        ensure!(found.download()? == expected, "inverses differ");
        let products = n * INVERSE_PRODUCTS;
        let floor = self.floors.device(products, 2.0 * ELEMENT_BYTES * n);
        put("inverses (one thread)", Some(processor), device, products, floor);
        Ok(())
    }

    fn transforms(&self, k: u32, on_device: &DeviceDomain, values: &[Fr], put: &mut Put<'_>) -> Result<()> {
        let (instructions, n) = (Instructions::detected(), values.len() as f64);
        let products = n * (f64::from(k) / 2.0 + 1.0);
        let floor = self.floors.device(products, TRANSFORM_PASSES * 2.0 * ELEMENT_BYTES * n);
        let domain = Domain::new(k);
        let mut expected = values.to_vec();
        let mut found = self.device.upload(values)?;
        let processor = self.seconds(|| {
            domain.forward(instructions, &mut expected);
            anyhow::Ok(())
        })?;
        let device = self.seconds(|| on_device.forward(None, &mut found))?;
        ensure!(found.download()? == expected, "transforms differ");
        put("transform", Some(processor), device, products, floor);
        let processor = self.seconds(|| {
            domain.inverse(instructions, &mut expected);
            anyhow::Ok(())
        })?;
        let device = self.seconds(|| on_device.inverse(None, &mut found))?;
        ensure!(found.download()? == expected, "inverse transforms differ");
        put("inverse transform", Some(processor), device, products, floor);
        Ok(())
    }

    fn sums(&self, k: u32, values: Vec<Fr>, put: &mut Put<'_>) -> Result<()> {
        let points = points(1 << k);
        let cpu = CpuEngine::new(&points, points[0], CpuOptions::default());
        let gpu = GpuEngine::new(self.device.clone(), &points, points[0], CpuOptions::default())?;
        for Distribution { name, column, nonzero, bits } in distributions(values) {
            let here = cpu.column(column.clone())?;
            let there = gpu.column(column)?;
            let (mut expected, mut found) = (Vec::new(), Vec::new());
            let repetitions = if k > OFTEN { 0 } else { self.repetitions };
            let processor = self.seconds_of(repetitions, || cpu.commit(&[&here]).map(|points| expected = points))?;
            let device = self.seconds(|| gpu.commit(&[&there]).map(|points| found = points))?;
            ensure!(found == expected, "sums differ: {name}");
            let floor = self.floors.sum(nonzero, bits);
            put(&format!("sum over points, {name}"), Some(processor), device, (1u64 << k) as f64, floor);
        }
        Ok(())
    }
}

/// What sums are measured on.
struct Distribution {
    name: &'static str,
    column: Column,
    /// Scalars other than zero.
    nonzero: f64,
    /// Bits of their magnitudes.
    bits: u32,
}

fn distributions(full: Vec<Fr>) -> Vec<Distribution> {
    let n = full.len();
    let mut random = ChaCha20Rng::seed_from_u64(7);
    let mut integers = |bits: u32| -> Column {
        let cells: Vec<i64> = (0..n).map(|_| (random.next_u64() as i64) >> (64 - bits)).collect();
        Column::integers(Integers::from(cells))
    };
    let (words, bytes) = (integers(16), integers(8));
    let mostly_zero =
        full.iter().enumerate().map(|(row, element)| if row % 10 == 3 { *element } else { Fr::ZERO }).collect();
    let of = |name, column, bits| Distribution { name, column, nonzero: n as f64, bits };
    let sparse = of("90 % zeros", Column::new(Values::Field(mostly_zero)), Fr::NUM_BITS);
    vec![
        of("16 bits", words, 16),
        of("8 bits", bytes, 8),
        of("8 bits, one value", Column::integers(Integers::repeat(77, n)), 8),
        Distribution { nonzero: n as f64 / 10.0, ..sparse },
        of("one value", Column::new(Values::Field(vec![full[0]; n])), Fr::NUM_BITS),
        of("full width", Column::new(Values::Field(full)), Fr::NUM_BITS),
    ]
}
