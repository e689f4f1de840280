//! Cases of the node suite: models, inputs and expected outputs.

use super::{read_npz_bytes, Tensor};
use std::collections::BTreeMap;
use std::io::{Cursor, Read};

/// Cases that fixed point does not give to within a few steps: the largest error as a part of the range, and why.
pub(crate) const INEXACT: &[(&str, f64, &str)] = &[
    ("ort_features_1", 0.73, "compares reals with a constant for equality"),
    ("test_softmax_large_number", 0.09, "differences of numbers that are ten thousand times as large"),
    ("test_round", 0.17, "jumps at values of the case"),
];

/// A case of the suite.
pub(crate) struct Case {
    /// The model, and perhaps the same with operands turned into initializers.
    pub(crate) models: Vec<Vec<u8>>,
    /// Inputs `in0`, …, and expected outputs `out0`, ….
    pub(crate) arrays: BTreeMap<String, Tensor>,
    /// Relative tolerance.
    pub(crate) rtol: f64,
    /// Absolute tolerance.
    pub(crate) atol: f64,
}

impl Case {
    /// The arrays that feed the inputs of a model: `model_const.onnx` has fewer than the first model.
    pub(crate) fn input_positions(&self, model: &[u8]) -> Vec<usize> {
        let all = import_names(&self.models[0]);
        let position = |name: &String| all.iter().position(|other| other == name).expect("a known input");
        import_names(model).iter().map(position).collect()
    }
}

/// The cases of `cases.zip` by name.
pub(crate) fn selected_cases() -> BTreeMap<String, Case> {
    let bytes = include_bytes!("../cases.zip");
    let mut archive = zip::ZipArchive::new(Cursor::new(&bytes[..])).expect("the selection is a zip archive");
    let mut files: BTreeMap<String, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).expect("the entry exists");
        let path = entry.name().expect("the name is UTF-8").into_owned();
        let (case, file) = path.split_once('/').expect("files lie in the folder of their case");
        let mut content = vec![];
        entry.read_to_end(&mut content).expect("the entry is readable");
        files.entry(case.to_owned()).or_default().insert(file.to_owned(), content);
    }
    let case = |(name, mut files): (String, BTreeMap<String, Vec<u8>>)| {
        let arrays = read_npz_bytes(files.remove("io.npz").expect("each case has arrays"));
        let models = ["model.onnx", "model_const.onnx"].iter().filter_map(|file| files.remove(*file)).collect();
        (name, Case { models, arrays, rtol: 1e-3, atol: 1e-6 })
    };
    files.into_iter().map(case).collect()
}

/// Names of the graph inputs that are no initializers, read from the protobuf itself.
fn import_names(bytes: &[u8]) -> Vec<String> {
    let graph = fields(bytes).into_iter().find(|(number, _)| *number == 7).expect("a graph").1;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("names are UTF-8");
    let name_of = |message: &[u8], number: u64| {
        fields(message).into_iter().find(|(field, _)| *field == number).map(|(_, name)| text(name)).unwrap_or_default()
    };
    let of = |field: u64, name: u64| {
        let list = fields(graph).into_iter().filter(move |(number, _)| *number == field);
        list.map(|(_, message)| name_of(message, name)).collect::<Vec<_>>()
    };
    let stored = of(5, 8);
    of(11, 1).into_iter().filter(|name| !stored.contains(name)).collect()
}

/// The length-delimited fields of a message.
fn fields(mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let (&byte, rest) = bytes.split_first().expect("a complete number");
            *bytes = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }
    let mut list = vec![];
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let length = match tag & 7 {
            0 => {
                varint(&mut bytes);
                continue;
            }
            1 => 8,
            2 => varint(&mut bytes) as usize,
            _ => 4,
        };
        let (body, rest) = bytes.split_at(length);
        if tag & 7 == 2 {
            list.push((tag >> 3, body));
        }
        bytes = rest;
    }
    list
}
