//! Measures `halo2-axiom-gpu`, another prover of the same protocol on CUDA devices, on what `zkinfer-device-bench` measures: inverse
//! transforms, sums over points, and whole proofs of the same machines. Prints a line of JSON for each figure.
//!
//! Times are wall time, the least of some repetitions after one that does not count. Transforms and sums start and end on the device.
//! Transforms and sums are compared with the processor's, and proofs are verified.

use std::time::Instant;

use anyhow::{ensure, Context, Result};
use circuits::layout::{compile, LayoutOptions};
use circuits::reference;
use clap::Parser;
use halo2_axiom_gpu::cuda::funcs::multiexp_gpu_device_scalars_device_bases_chunked as sum_on_device;
use halo2_axiom_gpu::cuda::utils::HALO2_GPU_CTX;
use halo2_axiom_gpu::plonk::{create_proof, keygen_pk, keygen_vk, verify_proof};
use halo2_axiom_gpu::poly::commitment::ParamsProver;
use halo2_axiom_gpu::poly::kzg::commitment::{KZGCommitmentScheme, ParamsKZG};
use halo2_axiom_gpu::poly::kzg::multiopen::{ProverSHPLONK, VerifierSHPLONK};
use halo2_axiom_gpu::poly::kzg::strategy::SingleStrategy;
use halo2_axiom_gpu::poly::{Device, DevicePolyExt, EvaluationDomain, LagrangeCoeff, Polynomial};
use halo2_axiom_gpu::transcript::{
    Blake2bRead, Blake2bWrite, Challenge255, TranscriptReadBuffer, TranscriptWriterBuffer,
};
use halo2_proofs::arithmetic::best_multiexp;
use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine, G1};
use halo2_proofs::halo2curves::ff::Field;
use openvm_cuda_common::copy::MemCopyH2D;
use openvm_cuda_common::stream::device_synchronize;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;

// The networks and samples of the other benches; some of them are not measured here.
#[allow(dead_code)]
#[path = "../../networks.rs"]
mod networks;
#[path = "../../samples.rs"]
mod samples;

use samples::{elements, points};

/// Units of the synthetic machines, as `zkinfer-device-bench` has them.
const UNITS: u32 = 4;

/// Measures halo2-axiom-gpu and prints lines of JSON.
#[derive(Parser)]
#[command(name = "zkinfer-baseline-gpu", version)]
struct Options {
    /// The smallest primitives have 2^K rows
    #[arg(long, value_name = "K", default_value_t = 16, value_parser = clap::value_parser!(u32).range(14..=24))]
    from: u32,
    /// The largest primitives have 2^K rows; sizes go up in fours
    #[arg(long, value_name = "K", default_value_t = 22, value_parser = clap::value_parser!(u32).range(14..=24))]
    up_to: u32,
    /// Machines of 2^K rows that are proved; none leaves proofs out
    #[arg(long, value_name = "K", value_delimiter = ',', num_args = 0.., default_values_t = [16, 20],
          value_parser = clap::value_parser!(u32).range(14..=22))]
    proofs: Vec<u32>,
    /// Measurements of each
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    repetitions: u32,
    /// Measurements of each proof
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    proof_repetitions: u32,
}

fn main() -> Result<()> {
    let options = Options::parse();
    for k in (options.from..=options.up_to).step_by(2) {
        transform(k, options.repetitions)?;
        sums(k, options.repetitions)?;
    }
    options.proofs.iter().try_for_each(|k| proof(*k, options.proof_repetitions))
}

fn print(what: &str, k: u32, seconds: f64) {
    println!("{{\"what\":\"{what}\",\"log_rows\":{k},\"device_s\":{seconds:.6}}}");
}

/// The least seconds of some runs after the first, each of what `prepare` made beforehand.
fn seconds<T>(
    repetitions: u32,
    mut prepare: impl FnMut() -> Result<T>,
    mut work: impl FnMut(T) -> Result<()>,
) -> Result<f64> {
    let mut least = f64::INFINITY;
    for repetition in 0..=repetitions {
        let prepared = prepare()?;
        device_synchronize()?;
        let start = Instant::now();
        work(prepared)?;
        device_synchronize()?;
        if repetition > 0 {
            least = least.min(start.elapsed().as_secs_f64());
        }
    }
    Ok(least)
}

fn transform(k: u32, repetitions: u32) -> Result<()> {
    let values = elements(1, 1 << k);
    let host = halo2_proofs::poly::EvaluationDomain::<Fr>::new(1, k);
    let domain = EvaluationDomain::from_host_domain(&host);
    let expected = host.lagrange_to_coeff(host.lagrange_from_vec(values.clone()));
    let upload = || Ok(Polynomial::<Fr, LagrangeCoeff, Device>::from_device(values.to_device_on(&HALO2_GPU_CTX)?));
    let mut found = None;
    let least = seconds(repetitions, upload, |values| {
        found = Some(domain.lagrange_to_coeff_device_input(values).map_err(failure)?);
        Ok(())
    })?;
    let found = found.context("at least one repetition")?.to_host();
    ensure!(found.values().iter().eq(expected.values()), "the transforms differ");
    print("inverse transform", k, least);
    Ok(())
}

fn sums(k: u32, repetitions: u32) -> Result<()> {
    let n = 1 << k;
    let points = points(n);
    let bases = points.to_device_on(&HALO2_GPU_CTX)?;
    for (what, scalars) in distributions(n) {
        let expected = best_multiexp(&scalars, &points);
        let scalars = scalars.to_device_on(&HALO2_GPU_CTX)?;
        let mut found = G1::default();
        let least = seconds(
            repetitions,
            || Ok(()),
            |()| {
                found = sum_on_device::<G1Affine>(&scalars, &bases, n).map_err(failure)?;
                Ok(())
            },
        )?;
        ensure!(found == expected, "the sums differ: {what}");
        print(&format!("sum over points, {what}"), k, least);
    }
    Ok(())
}

/// Scalars of the kinds that `zkinfer-device-bench` has; this library takes all of them in full width.
fn distributions(n: usize) -> Vec<(&'static str, Vec<Fr>)> {
    let mut random = ChaCha20Rng::seed_from_u64(7);
    let mut integers =
        |bits: u32| -> Vec<Fr> { (0..n).map(|_| signed((random.next_u64() as i64) >> (64 - bits))).collect() };
    let (words, bytes) = (integers(16), integers(8));
    let full = elements(1, n);
    let mostly_zero = full.iter().enumerate().map(|(row, value)| if row % 10 == 3 { *value } else { Fr::ZERO });
    vec![
        ("16 bits", words),
        ("8 bits", bytes),
        ("8 bits, one value", vec![Fr::from(77); n]),
        ("90 % zeros", mostly_zero.collect()),
        ("one value", vec![full[0]; n]),
        ("full width", full),
    ]
}

fn signed(value: i64) -> Fr {
    let magnitude = Fr::from(value.unsigned_abs());
    if value < 0 {
        -magnitude
    } else {
        magnitude
    }
}

/// A proof of the machine that a picture fills. The witness of the first phase is made beforehand, as this library knows no recipe for
/// the second one, which the processor derives while the proof is made.
fn proof(k: u32, repetitions: u32) -> Result<()> {
    let program = networks::picture_of_rows(k);
    let layout = compile(&program, &LayoutOptions { units: Some(UNITS), ..LayoutOptions::default() })?;
    let trace = reference::run(&program, &networks::inputs(&program))?;
    let instances = layout.interface().pack(&layout.public_data(&program, &trace, &[]))?;
    let instances: &[&[&[Fr]]] = &[&[&instances]];
    let k = layout.params().k;
    let params = ParamsKZG::<Bn256>::setup(k, ChaCha20Rng::seed_from_u64(3));
    let circuit = layout.circuit_without_witness();
    let key = keygen_vk(&params, &circuit).map_err(failure)?;
    let key = keygen_pk(&params, key, &circuit).map_err(failure)?;
    let assignment = layout.assign(&program, &trace, &[]);
    let mut made = Vec::new();
    let least = seconds(
        repetitions,
        || Ok([circuits::machine::MachineCircuit::with_witness(assignment.clone())]),
        |circuits| {
            let mut transcript = Blake2bWrite::<_, _, Challenge255<_>>::init(Vec::new());
            create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<_>, _, _, _, _>(
                &params,
                &key,
                &circuits,
                instances,
                ChaCha20Rng::seed_from_u64(4),
                &mut transcript,
            )
            .map_err(failure)?;
            made = transcript.finalize();
            Ok(())
        },
    )?;
    let mut transcript = Blake2bRead::<_, _, Challenge255<_>>::init(&made[..]);
    verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<_>, _, _, _>(
        params.verifier_params(),
        key.get_vk(),
        SingleStrategy::new(&params),
        instances,
        &mut transcript,
    )
    .map_err(failure)?;
    print("proof", k, least);
    Ok(())
}

/// An error of the library, which has no common trait.
fn failure(error: impl std::fmt::Debug) -> anyhow::Error {
    anyhow::anyhow!("{error:?}")
}
