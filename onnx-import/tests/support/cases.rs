//! Cases of the node suite: models, inputs and expected outputs.

use super::{read_npz_bytes, Tensor};
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::ops::Range;

/// Cases that fixed point does not give to within a few steps: the largest error as a part of the range, and why.
pub(crate) const INEXACT: &[(&str, f64, &str)] = &[
    ("ort_features_1", 0.73, "compares reals with a constant for equality"),
    ("ort_one_hot_of_reals_0", 1.0, "takes integer parts of reals that are whole numbers"),
    ("ort_one_hot_of_reals_1", 1.0, "takes integer parts of reals that are whole numbers"),
    ("test_softmax_large_number", 0.09, "differences of numbers that are ten thousand times as large"),
    ("test_reduce_prod_default_axes_keepdims_example", 0.04, "a product of twelve numbers, six samples"),
    ("test_reduce_prod_default_axes_keepdims_random", 0.09, "a product of twelve numbers, six samples"),
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

    /// The inputs of a model; none where one is no tensor.
    pub(crate) fn inputs_of(&self, model: &[u8]) -> Option<Vec<Tensor>> {
        self.input_positions(model).into_iter().map(|index| self.arrays.get(&format!("in{index}")).cloned()).collect()
    }

    /// The first model with its inputs of integers and booleans as initializers, where others remain: indices, axes and
    /// lengths are constants in most models.
    pub(crate) fn with_constant_integers(&self) -> Option<Vec<u8>> {
        // int32, int64 and bool.
        self.with_constants(|_, code| matches!(code, 6 | 7 | 9))
    }

    /// The first model with all of its inputs but the first as initializers: one operand is data, the others are weights.
    pub(crate) fn with_constant_operands(&self) -> Option<Vec<u8>> {
        self.with_constants(|position, _| position > 0)
    }

    /// The first model with the inputs that are chosen, by position and element type, as initializers, where others remain.
    fn with_constants(&self, chosen: impl Fn(usize, u64) -> bool) -> Option<Vec<u8>> {
        let model = &self.models[0];
        let graph = fields(model).into_iter().find(|(number, _)| *number == 7)?.1;
        let (mut stored, mut remain) = (vec![], false);
        for (position, name) in import_names(model).iter().enumerate() {
            let input = fields(graph).into_iter().filter(|(number, _)| *number == 11).map(|(_, input)| input);
            let input = input.into_iter().find(|input| text_of(input, 1) == *name)?;
            let code = element_type(input)?;
            let tensor = self.arrays.get(&format!("in{position}"))?;
            if chosen(position, code) {
                stored.extend(message(5, &initializer(name, code, tensor)?));
            } else {
                remain = true;
            }
        }
        // A second graph in the file is merged into the first.
        (remain && !stored.is_empty()).then(|| [model.clone(), message(7, &stored)].concat())
    }
}

/// A length-delimited field.
fn message(field: u64, body: &[u8]) -> Vec<u8> {
    [varint_bytes(field << 3 | 2), varint_bytes(body.len() as u64), body.to_vec()].concat()
}

fn varint_bytes(mut value: u64) -> Vec<u8> {
    let mut bytes = vec![];
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A tensor of that type with its elements as raw data; none of types that are rarely constants.
fn initializer(name: &str, code: u64, tensor: &Tensor) -> Option<Vec<u8>> {
    let element: fn(f64) -> Vec<u8> = match code {
        1 => |value| (value as f32).to_le_bytes().to_vec(),
        2 | 9 => |value| vec![value as u8],
        3 => |value| vec![value as i8 as u8],
        6 => |value| (value as i32).to_le_bytes().to_vec(),
        7 => |value| (value as i64).to_le_bytes().to_vec(),
        11 => |value| value.to_le_bytes().to_vec(),
        _ => return None,
    };
    let raw: Vec<u8> = tensor.data.iter().flat_map(|&value| element(value)).collect();
    let sizes = tensor.shape.iter().flat_map(|&size| [varint_bytes(1 << 3), varint_bytes(size as u64)].concat());
    let parts = [
        sizes.collect(),
        [varint_bytes(2 << 3), varint_bytes(code)].concat(),
        message(8, name.as_bytes()),
        message(9, &raw),
    ];
    Some(parts.concat())
}

/// The text of a field of a message.
fn text_of(body: &[u8], number: u64) -> String {
    let found = fields(body).into_iter().find(|(field, _)| *field == number);
    found.map(|(_, text)| String::from_utf8(text.to_vec()).expect("names are UTF-8")).unwrap_or_default()
}

/// The element type of an input.
fn element_type(input: &[u8]) -> Option<u64> {
    let inner = |body: &[u8], number: u64| {
        fields(body).into_iter().find(|(field, _)| *field == number).map(|(_, body)| body.to_vec())
    };
    let tensor = inner(&inner(input, 2)?, 1)?;
    // The type is the first field, a small number.
    (tensor.first() == Some(&(1 << 3))).then(|| u64::from(tensor[1]))
}

/// The cases of `cases.zip` by name.
pub(crate) fn selected_cases() -> BTreeMap<String, Case> {
    cases_of(include_bytes!("../cases.zip"))
}

/// The cases of `ml_cases.zip` by name.
pub(crate) fn ml_cases() -> BTreeMap<String, Case> {
    cases_of(include_bytes!("../ml_cases.zip"))
}

/// The cases of `quantized_cases.zip` by name.
pub(crate) fn quantized_cases() -> BTreeMap<String, Case> {
    cases_of(include_bytes!("../quantized_cases.zip"))
}

/// The cases of `dynamic_cases.zip` by name.
pub(crate) fn dynamic_cases() -> BTreeMap<String, Case> {
    cases_of(include_bytes!("../dynamic_cases.zip"))
}

fn cases_of(bytes: &[u8]) -> BTreeMap<String, Case> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).expect("the selection is a zip archive");
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
    // A graph may come in several parts.
    let graphs: Vec<&[u8]> =
        fields(bytes).into_iter().filter(|(number, _)| *number == 7).map(|(_, graph)| graph).collect();
    let of = |field: u64, name: u64| {
        let parts = graphs.iter().flat_map(|graph| fields(graph));
        parts.filter(|(number, _)| *number == field).map(|(_, body)| text_of(body, name)).collect::<Vec<_>>()
    };
    let stored = of(5, 8);
    of(11, 1).into_iter().filter(|name| !stored.contains(name)).collect()
}

/// Where the constants of a model with several elements lie in its bytes, initializers and those of nodes, and their element types: float32 (1),
/// uint8 (2), int8 (3), and int32 (6).
pub(crate) fn weights_of(model: &[u8]) -> Vec<(u64, Range<usize>)> {
    fn of(body: &[u8], number: u64) -> Vec<&[u8]> {
        fields(body).into_iter().filter(|(field, _)| *field == number).map(|(_, body)| body).collect()
    }
    let mut tensors = Vec::new();
    for graph in of(model, 7) {
        tensors.extend(of(graph, 5));
        for attribute in of(graph, 1).into_iter().flat_map(|node| of(node, 5)) {
            tensors.extend(of(attribute, 5));
        }
    }
    let place = |data: &[u8]| {
        let start = data.as_ptr() as usize - model.as_ptr() as usize;
        start..start + data.len()
    };
    let data = |tensor: &[u8]| -> Vec<(u64, Range<usize>)> {
        let found = numbers(tensor).into_iter().find(|(field, _)| *field == 2);
        let Some((_, element)) = found.filter(|(_, element)| [1, 2, 3, 6].contains(element)) else { return vec![] };
        // Packed floats and raw data are equal, byte for byte.
        let packed = if element == 1 { of(tensor, 4) } else { vec![] };
        packed.into_iter().chain(of(tensor, 9)).map(|data| (element, place(data))).collect()
    };
    tensors.into_iter().flat_map(data).filter(|(_, place)| place.len() >= 8).collect()
}

/// The length-delimited fields of a message.
fn fields(bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let whole = |(number, field)| match field {
        Field::Bytes(body) => Some((number, body)),
        Field::Number(_) => None,
    };
    all_fields(bytes).into_iter().filter_map(whole).collect()
}

/// The fields of a message that are numbers of varying length.
fn numbers(bytes: &[u8]) -> Vec<(u64, u64)> {
    let number = |(number, field)| match field {
        Field::Number(value) => Some((number, value)),
        Field::Bytes(_) => None,
    };
    all_fields(bytes).into_iter().filter_map(number).collect()
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message but those of fixed length.
fn all_fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
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
                list.push((tag >> 3, Field::Number(varint(&mut bytes))));
                continue;
            }
            1 => 8,
            2 => varint(&mut bytes) as usize,
            _ => 4,
        };
        let (body, rest) = bytes.split_at(length);
        if tag & 7 == 2 {
            list.push((tag >> 3, Field::Bytes(body)));
        }
        bytes = rest;
    }
    list
}
