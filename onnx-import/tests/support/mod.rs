//! What the tests of the import share: arrays of `.npz` files, and comparison with recorded outputs.

#![allow(dead_code, reason = "each test binary uses a part")]

pub(crate) mod cases;
pub(crate) mod expectations;
pub(crate) mod programs;

use onnx_import::float::graph::Tensor;
use onnx_import::ImportOptions;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

/// The folder of the model corpus, if there is one.
pub(crate) fn corpus() -> Option<PathBuf> {
    let given = std::env::var_os("ZKINFER_CORPUS").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/models").into());
    folder.is_dir().then_some(folder)
}

/// What `meta.json` of a model says.
pub(crate) fn meta(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("meta.json")).expect("the model has meta.json"))
        .expect("it is JSON")
}

/// Options with the sizes of the samples for inputs whose sizes are names.
pub(crate) fn options_of(meta: &Value) -> ImportOptions {
    let mut options = ImportOptions::default();
    for input in meta["inputs"].as_array().expect("a list of inputs") {
        let sizes = input["sample"].as_array().expect("a sample's shape");
        for (name, size) in input["shape"].as_array().expect("a shape").iter().zip(sizes) {
            if let (Some(name), Some(size)) = (name.as_str(), size.as_u64()) {
                options.dims.insert(name.to_owned(), size as usize);
            }
        }
    }
    options
}

/// The models of the corpus that compile, as the benches and the tests of the command have them.
pub(crate) fn corpus_models() -> Vec<&'static str> {
    let definition = include_str!("../../../benches/definitions/corpus.txt");
    let lines = definition.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_whitespace().next()).collect()
}

/// All arrays of an `.npz` file by name.
pub(crate) fn read_npz(path: &Path) -> BTreeMap<String, Tensor> {
    read_npz_bytes(std::fs::read(path).expect("the file is readable"))
}

/// All arrays of an `.npz` archive by name; those of element types that no model may have are left out.
pub(crate) fn read_npz_bytes(bytes: Vec<u8>) -> BTreeMap<String, Tensor> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).expect("an npz file is a zip archive");
    (0..archive.len())
        .filter_map(|index| {
            let mut entry = archive.by_index(index).expect("the entry exists");
            let name = entry.name().expect("the name is UTF-8").trim_end_matches(".npy").to_owned();
            let mut bytes = vec![];
            entry.read_to_end(&mut bytes).expect("the entry is readable");
            Some((name, read_npy(&bytes)?))
        })
        .collect()
}

fn read_npy(bytes: &[u8]) -> Option<Tensor> {
    let long = bytes[6] > 1;
    let length = if long {
        u32::from_le_bytes(bytes[8..12].try_into().expect("four bytes")) as usize
    } else {
        usize::from(u16::from_le_bytes([bytes[8], bytes[9]]))
    };
    let start = if long { 12 } else { 10 };
    let header = std::str::from_utf8(&bytes[start..start + length]).expect("the header is ASCII");
    let data = &bytes[start + length..];
    let after = |key: &str| header.split_once(key).expect("the header has the key").1;
    let shape: Vec<usize> = after("'shape': (")
        .split_once(')')
        .expect("the shape is a tuple")
        .0
        .split(',')
        .filter(|size| !size.trim().is_empty())
        .map(|size| size.trim().parse().expect("sizes are numbers"))
        .collect();
    assert!(after("'fortran_order': ").starts_with("False"));
    let descr = after("'descr': '").split_once('\'').expect("the type is text").0;
    macro_rules! each {
        ($type:ty) => {
            data.chunks_exact(size_of::<$type>())
                .map(|chunk| <$type>::from_le_bytes(chunk.try_into().expect("chunks have this size")) as f64)
                .collect()
        };
    }
    let values: Vec<f64> = match &descr[1..] {
        "f2" => data.chunks_exact(2).map(|pair| half(u16::from_le_bytes([pair[0], pair[1]]))).collect(),
        "f4" => each!(f32),
        "f8" => each!(f64),
        "i1" => each!(i8),
        "i2" => each!(i16),
        "i4" => each!(i32),
        "i8" => each!(i64),
        "u1" | "b1" => each!(u8),
        "u2" => each!(u16),
        "u4" => each!(u32),
        "u8" => each!(u64),
        _ => return None,
    };
    Some(Tensor::new(shape, values))
}

fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023) / 1024.0);
    sign * match exponent {
        0 => fraction * 2f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
    }
}

/// How two tensors differ beyond the tolerances, if they do.
pub(crate) fn difference(found: &Tensor, expected: &Tensor, rtol: f64, atol: f64) -> Option<String> {
    if found.shape != expected.shape {
        return Some(format!("shape {:?}, expected {:?}", found.shape, expected.shape));
    }
    let close = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= atol + rtol * b.abs();
    let worst = found.data.iter().zip(expected.data.iter()).position(|(&a, &b)| !close(a, b))?;
    Some(format!("element {worst} is {}, expected {}", found.data[worst], expected.data[worst]))
}
