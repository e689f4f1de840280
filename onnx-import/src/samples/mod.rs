//! Sample files: inputs to run, calibrate or test a model on.
//!
//! | file | content |
//! | --- | --- |
//! | `.npz` | `x0`, `x1`, …: one array per input, axis 0 counts samples; with labels `y` and recorded outputs `ort0`, … |
//! | `.npz` | `in0_0`, `in0_1`, …: sample and input number; with recorded outputs `out0_0`, … |
//! | `.npz` | one array per input under the input's name |
//! | `.npy` | the model's only input |
//! | `.csv` | a table of numbers, one sample per row, below a line of names or without one: the model's only input, or one column per input by its name |
//! | `.pb` | the model's only input, as a `TensorProto` of ONNX |
//! | `.json` | an object of nested lists by input name, a list of inputs (also under the key `input_data`), or the nested list of the only input |
//!
//! Where the layout leaves it open, an array with as many elements as an input is one sample of it, and an array whose
//! first axis repeats the rest `n` times is `n` samples. Of an input whose first axis has several entries, as that of a batch has,
//! the samples may be such entries: those that follow one another make up an input, and what is left at the end is not used.

mod csv;
mod dimensions;
mod json;
mod npy;
mod proto;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use circuits::graph::{PortKind, Program};
use circuits::interface::{Interface, InterfacePort};
use serde_json::Value;
use thiserror::Error;

use crate::declared::{DeclaredInput, DeclaredSize};
use crate::float::graph::{Element, FloatGraph, Tensor};
use crate::float::reals::Reals;

/// Largest file of text or of a `TensorProto` in bytes.
const MAX_FILE: u64 = 1 << 28;
/// Most arrays in one `.npz`.
const MAX_ARRAYS: usize = 1 << 14;

/// A dense row-major array of a sample file.
#[derive(Clone, Debug, PartialEq)]
struct Array {
    shape: Vec<usize>,
    data: Reals,
}

/// Why one array can't be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArrayError {
    /// The file ends early or can't be read.
    #[error("it can't be read: {0}")]
    Io(#[from] std::io::Error),
    /// The header is not one that NumPy writes.
    #[error("it is not a NumPy array: {0}")]
    Header(String),
    /// An element type that is neither a float, an integer, nor a boolean.
    #[error("element type {0:?} is not supported: save it as float16, float32, float64, an integer type or bool")]
    Dtype(String),
    /// Fewer bytes than the shape asks for.
    #[error("the shape asks for {expected} bytes of elements, {found} are there")]
    Truncated {
        /// Bytes that the shape asks for.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// More elements than any model takes.
    #[error("it has more than {limit} elements")]
    TooLarge {
        /// Most elements.
        limit: usize,
    },
    /// An integer beyond 2^53, which a real of 64 bits can't hold exactly.
    #[error("the integer {value} is beyond 2^53")]
    Inexact {
        /// The integer.
        value: String,
    },
    /// Nested lists of unequal length.
    #[error("its nested lists are not all of the same length")]
    Ragged,
    /// An entry of a list that is no number.
    #[error("{0} is not a number")]
    NotANumber(String),
    /// A cell of a table that is no number.
    #[error("line {line}, column {column}: {found:?} is not a number")]
    Cell {
        /// Number of the line, from 1.
        line: usize,
        /// Number of the column, from 1.
        column: usize,
        /// Its text, cut.
        found: String,
    },
    /// A line of a table with more or fewer cells than the first.
    #[error("line {line} has {found} cells, the first line has {expected}")]
    Cells {
        /// Number of the line, from 1.
        line: usize,
        /// Cells of the first line.
        expected: usize,
        /// Cells of this one.
        found: usize,
    },
    /// A table with more columns that have names than anybody reads by name.
    #[error("it has more than {limit} columns with names: leave the line of names out")]
    TooManyColumns {
        /// Most columns.
        limit: usize,
    },
    /// A table with a line of names alone, or nothing.
    #[error("it has no line of numbers")]
    Empty,
    /// Not a tensor of ONNX, or one that can't be decoded.
    #[error("it is not a tensor of ONNX (TensorProto): {0}")]
    Proto(String),
}

/// Why a sample file can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SampleError {
    /// The file can't be opened or is damaged.
    #[error("sample file {path:?} can't be read: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file name that says nothing about the format.
    #[error("sample file {path:?} should end in .npz, .npy, .json, .csv or .pb")]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// An array of the file is malformed.
    #[error("{}sample file {path:?}: {source}", if array.is_empty() { String::new() } else { format!("array {array:?} of ") })]
    Array {
        /// The file.
        path: PathBuf,
        /// Name of the array; empty where it has none.
        array: String,
        /// Why.
        source: ArrayError,
    },
    /// The file has nothing for an input.
    #[error("input {input:?} is missing: expected an array named {expected}, found {found}")]
    Missing {
        /// The input.
        input: String,
        /// Names looked for.
        expected: String,
        /// Names in the file.
        found: String,
    },
    /// A sample of the wrong shape.
    #[error("input {input:?} takes shape {expected:?}, the file has {found:?}")]
    Shape {
        /// The input.
        input: String,
        /// Shape of the input.
        expected: Vec<usize>,
        /// Shape in the file.
        found: Vec<usize>,
    },
    /// An infinity, or NaN in an input without missing values.
    #[error(
        "input {input:?}, sample {sample}: element {index} is {value}, and only finite numbers can be proved, or NaN where the \
         model was compiled for an input with missing values (calibration samples with NaN, or --missing {input:?})"
    )]
    NotFinite {
        /// The input.
        input: String,
        /// Number of the sample.
        sample: usize,
        /// Position of the value.
        index: usize,
        /// The value.
        value: f64,
    },
    /// A fraction where the model takes an integer.
    #[error("input {input:?}, sample {sample}: element {index} is {value}, and the input takes integers")]
    NotInteger {
        /// The input.
        input: String,
        /// Number of the sample.
        sample: usize,
        /// Position of the value.
        index: usize,
        /// The value.
        value: f64,
    },
    /// A sample number beyond the file.
    #[error("sample {sample} was asked for, and the file has {count}")]
    NoSuchSample {
        /// Number of the sample.
        sample: usize,
        /// Samples in the file.
        count: usize,
    },
    /// Fewer entries than make up an input.
    #[error("input {input:?} is made up of {expected} samples, the file has {found}")]
    Entries {
        /// The input.
        input: String,
        /// Samples of a batch.
        expected: usize,
        /// Samples in the file.
        found: usize,
    },
    /// Inputs with different numbers of samples.
    #[error("input {input:?} has {found} samples, the inputs before it have {expected}")]
    Count {
        /// The input.
        input: String,
        /// Samples of the first input.
        expected: usize,
        /// Samples of this one.
        found: usize,
    },
}

/// What a model asks of an input: its name, shape and element type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputSpec {
    /// Name in the model.
    pub name: String,
    /// Shape in the model, with its batch axis.
    pub shape: Vec<usize>,
    /// Whether only integers are admissible.
    pub integer: bool,
    /// Whether NaN is, for an element that is missing.
    pub nullable: bool,
}

impl InputSpec {
    /// An input of a model whose dynamic dimensions have these sizes, 1 where none is given; of any real numbers, NaN among them.
    pub fn of_declared(input: &DeclaredInput, sizes: &BTreeMap<String, usize>) -> Self {
        let size = |size: &DeclaredSize| match size {
            DeclaredSize::Fixed(size) => *size,
            DeclaredSize::Dynamic(name) => sizes.get(name).copied().unwrap_or(1),
        };
        Self { name: input.name.clone(), shape: input.shape.iter().map(size).collect(), integer: false, nullable: true }
    }

    /// The inputs of a float graph; elements of those that are reals may be missing.
    pub fn of_graph(graph: &FloatGraph) -> Vec<Self> {
        let spec = |port: &crate::float::graph::FloatPort| {
            let node = &graph.nodes[port.value.0];
            let integer = node.element != Element::Real;
            Self { name: port.name.clone(), shape: node.shape.clone(), integer, nullable: !integer }
        };
        graph.inputs.iter().map(spec).collect()
    }

    /// The inputs of an integer program.
    pub fn of_program(program: &Program) -> Vec<Self> {
        let spec = |port: &circuits::graph::Port| Self {
            name: port.name.clone(),
            shape: port.shape.clone(),
            integer: port.kind == PortKind::Index,
            nullable: port.kind == PortKind::Nullable,
        };
        program.inputs.iter().map(spec).collect()
    }

    /// What the inputs of a program for so many samples at once are for one of them.
    pub fn of_sample(program: &Program, batch: usize) -> Vec<Self> {
        let specs = Self::of_program(program).into_iter();
        specs.map(|spec| Self { shape: sample_shape(&spec.shape, batch), ..spec }).collect()
    }

    /// The inputs that a verifying key describes.
    pub fn of_interface(interface: &Interface) -> Vec<Self> {
        let spec = |port: &InterfacePort| Self {
            name: port.name.clone(),
            shape: port.shape.clone(),
            integer: port.kind == PortKind::Index,
            nullable: port.kind == PortKind::Nullable,
        };
        interface.inputs().map(spec).collect()
    }

    fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// The entries of the first axis, where there are several.
    fn entries(&self) -> Option<usize> {
        self.shape.first().copied().filter(|&entries| entries > 1)
    }
}

/// The shape of one sample of a tensor that holds `batch` of them along its first axis.
pub(crate) fn sample_shape(shape: &[usize], batch: usize) -> Vec<usize> {
    match batch {
        1 => shape.to_vec(),
        _ => [&[1], shape.get(1..).unwrap_or_default()].concat(),
    }
}

/// How the arrays of a file are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// `x{input}`, axis 0 counts samples.
    Batched,
    /// `in{sample}_{input}`; so many samples.
    Numbered(usize),
    /// By the name of the input.
    Named,
    /// By position: keys `0`, `1`, ….
    Positional,
    /// One array without a name.
    Single,
    /// The same numbers as one array without a name, and by the names of its columns.
    Table,
}

/// The content of a sample file.
#[derive(Clone, Debug)]
pub struct Samples {
    layout: Layout,
    arrays: BTreeMap<String, Array>,
}

impl Samples {
    /// Reads a file; see the [module](self) for what it may hold.
    ///
    /// # Errors
    /// A file that can't be read, is of no known format or holds a malformed array. Whether it fits a model shows in
    /// [`Samples::inputs`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self, SampleError> {
        let path = path.as_ref();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("npz") => Self::read_npz(path),
            Some("npy") => {
                let array = npy::read(open(path)?).map_err(|source| in_array(path, "", source))?;
                Ok(Self { layout: Layout::Single, arrays: [(String::new(), array)].into() })
            }
            Some("json") => Self::read_json(path),
            Some("csv") => {
                let arrays = csv::arrays(&read_text(path)?).map_err(|source| in_array(path, "", source))?;
                Ok(Self { layout: Layout::Table, arrays })
            }
            Some("pb") => {
                let array = proto::array(read_bytes(path)?).map_err(|source| in_array(path, "", source))?;
                Ok(Self { layout: Layout::Single, arrays: [(String::new(), array)].into() })
            }
            _ => Err(SampleError::Format { path: path.into() }),
        }
    }

    /// Samples held in memory: `batches[j]` holds all samples of input `j`, axis 0 counting them.
    ///
    /// # Panics
    /// When a shape does not have as many elements as its data.
    pub fn from_batches(batches: Vec<Tensor>) -> Self {
        let arrays = batches
            .into_iter()
            .enumerate()
            .map(|(j, batch)| {
                assert_eq!(batch.shape.iter().product::<usize>(), batch.data.len(), "the shape counts the elements");
                (format!("x{j}"), Array { shape: batch.shape, data: batch.data })
            })
            .collect();
        Self { layout: Layout::Batched, arrays }
    }

    fn read_npz(path: &Path) -> Result<Self, SampleError> {
        let unreadable = |error: zip::result::ZipError| unreadable(path, &error);
        let mut archive = zip::ZipArchive::new(open(path)?).map_err(unreadable)?;
        if archive.len() > MAX_ARRAYS {
            return Err(self::unreadable(path, &format!("it holds more than {MAX_ARRAYS} arrays")));
        }
        let mut arrays = BTreeMap::new();
        for index in 0..archive.len() {
            let file = archive.by_index(index).map_err(unreadable)?;
            let name = file.name().map_err(unreadable)?.into_owned();
            let name = name.strip_suffix(".npy").unwrap_or(&name).to_owned();
            let array = npy::read(file).map_err(|source| in_array(path, &name, source))?;
            arrays.insert(name, array);
        }
        let layout = if arrays.contains_key("x0") {
            Layout::Batched
        } else if arrays.contains_key("in0_0") {
            Layout::Numbered((0..).take_while(|i| arrays.contains_key(&format!("in{i}_0"))).count())
        } else {
            Layout::Named
        };
        Ok(Self { layout, arrays })
    }

    fn read_json(path: &Path) -> Result<Self, SampleError> {
        let value: Value = serde_json::from_str(&read_text(path)?).map_err(|error| unreadable(path, &error))?;
        Self::from_json(&value, path)
    }

    fn from_json(value: &Value, path: &Path) -> Result<Self, SampleError> {
        let array = |name: &str, value: &Value| {
            json::array(value).map(|array| (name.to_owned(), array)).map_err(|source| in_array(path, name, source))
        };
        let positional = |items: &[Value]| {
            items.iter().enumerate().map(|(i, item)| array(&i.to_string(), item)).collect::<Result<BTreeMap<_, _>, _>>()
        };
        match value {
            Value::Object(map) => match map.get("input_data") {
                Some(Value::Array(items)) => Ok(Self { layout: Layout::Positional, arrays: positional(items)? }),
                _ => {
                    let arrays = map.iter().map(|(name, value)| array(name, value)).collect::<Result<_, _>>()?;
                    Ok(Self { layout: Layout::Named, arrays })
                }
            },
            // A list is the only input, or a list of inputs; the first reading needs rectangular lists.
            Value::Array(items) => {
                let mut arrays = positional(items).unwrap_or_default();
                match json::array(value) {
                    Ok(whole) => drop(arrays.insert(String::new(), whole)),
                    Err(source) if arrays.is_empty() => return Err(in_array(path, "", source)),
                    Err(_) => {}
                }
                let layout = if arrays.contains_key("") { Layout::Single } else { Layout::Positional };
                Ok(Self { layout, arrays })
            }
            other => {
                Ok(Self { layout: Layout::Single, arrays: [array("", other)?].map(|(_, a)| (String::new(), a)).into() })
            }
        }
    }

    /// Number of samples for a model with these inputs.
    ///
    /// # Errors
    /// An input that the file lacks or that has another shape; inputs with different numbers of samples.
    pub fn count(&self, inputs: &[InputSpec]) -> Result<usize, SampleError> {
        if let Layout::Numbered(count) = self.layout {
            return match inputs.first() {
                Some(first) if count > 0 => Ok(count / self.numbered_entries(self.find(inputs, 0, 0)?, first)?),
                _ => Ok(count),
            };
        }
        let mut count = None;
        for (position, input) in inputs.iter().enumerate() {
            let array = self.find(inputs, position, 0)?;
            let found = self.samples_in(array, input)?;
            match count {
                Some(expected) if expected != found => {
                    return Err(SampleError::Count { input: input.name.clone(), expected, found });
                }
                _ => count = Some(found),
            }
        }
        Ok(count.unwrap_or(0))
    }

    /// The tensors of one sample, in the order of the inputs and in their shapes.
    ///
    /// # Errors
    /// See [`SampleError`]: a missing input, a wrong shape, NaN, a fraction for an integer, no such sample.
    pub fn inputs(&self, inputs: &[InputSpec], sample: usize) -> Result<Vec<Tensor>, SampleError> {
        let count = self.count(inputs)?;
        if sample >= count {
            return Err(SampleError::NoSuchSample { sample, count });
        }
        (0..inputs.len()).map(|position| self.input(inputs, position, sample)).collect()
    }

    fn input(&self, inputs: &[InputSpec], position: usize, sample: usize) -> Result<Tensor, SampleError> {
        let input = &inputs[position];
        let array = self.find(inputs, position, 0)?;
        let elements = input.elements();
        let data: Reals = if matches!(self.layout, Layout::Numbered(_)) {
            let entries = self.numbered_entries(array, input)?;
            let mut data = Vec::with_capacity(elements);
            for number in sample * entries..(sample + 1) * entries {
                let array = self.find(inputs, position, number)?;
                if array.data.len() * entries != elements {
                    return Err(shape_error(input, array));
                }
                data.extend_from_slice(&array.data);
            }
            data.into()
        } else {
            self.samples_in(array, input)?;
            array.data[sample * elements..(sample + 1) * elements].into()
        };
        if let Some(index) = data.iter().position(|v| !(v.is_finite() || (input.nullable && v.is_nan()))) {
            return Err(SampleError::NotFinite { input: input.name.clone(), sample, index, value: data[index] });
        }
        if let Some(index) = data.iter().position(|v| input.integer && v.fract() != 0.0) {
            return Err(SampleError::NotInteger { input: input.name.clone(), sample, index, value: data[index] });
        }
        Ok(Tensor { shape: input.shape.clone(), data })
    }

    fn find(&self, inputs: &[InputSpec], position: usize, sample: usize) -> Result<&Array, SampleError> {
        let input = &inputs[position];
        // A list with one entry per input is a list of inputs; for a model of one input the whole list is the input.
        let keys = match self.layout {
            Layout::Batched => vec![format!("x{position}")],
            Layout::Numbered(_) => vec![format!("in{sample}_{position}")],
            Layout::Named => vec![input.name.clone()],
            Layout::Positional => vec![position.to_string()],
            Layout::Table if inputs.len() > 1 || input.elements() == 1 && self.arrays.contains_key(&input.name) => {
                vec![input.name.clone()]
            }
            Layout::Table => vec![String::new()],
            Layout::Single if inputs.len() == 1 => vec![String::new()],
            Layout::Single => vec![position.to_string()],
        };
        keys.iter().find_map(|key| self.arrays.get(key)).ok_or_else(|| SampleError::Missing {
            input: input.name.clone(),
            expected: keys.join(" or "),
            found: self.found(),
        })
    }

    /// The names in the file, for people.
    fn found(&self) -> String {
        let names = self.arrays.keys().filter(|key| !key.is_empty());
        let names = names.map(|key| format!("{key:?}")).collect::<Vec<_>>().join(", ");
        if names.is_empty() {
            "one array without a name".into()
        } else {
            names
        }
    }

    /// How many samples of `input` an array holds.
    fn samples_in(&self, array: &Array, input: &InputSpec) -> Result<usize, SampleError> {
        let elements = input.elements();
        let squeezed = |shape: &[usize]| shape.iter().copied().filter(|&size| size != 1).collect::<Vec<_>>();
        let wanted = squeezed(&input.shape);
        if self.layout != Layout::Batched && array.data.len() == elements {
            return if squeezed(&array.shape) == wanted || array.shape.len() <= 1 {
                Ok(1)
            } else {
                Err(shape_error(input, array))
            };
        }
        let Some((&count, rest)) = array.shape.split_first() else { return Err(shape_error(input, array)) };
        let holds = |shape: &[usize], elements: usize| squeezed(rest) == shape || rest == [elements];
        match input.entries() {
            _ if holds(&wanted, elements) => Ok(count),
            Some(entries) if holds(&squeezed(&input.shape[1..]), elements / entries) => match count / entries {
                0 => Err(SampleError::Entries { input: input.name.clone(), expected: entries, found: count }),
                samples => Ok(samples),
            },
            _ => Err(shape_error(input, array)),
        }
    }

    /// How many numbered arrays make up an input.
    fn numbered_entries(&self, array: &Array, input: &InputSpec) -> Result<usize, SampleError> {
        let found = array.data.len();
        [Some(1), input.entries()]
            .into_iter()
            .flatten()
            .find(|entries| found * entries == input.elements())
            .ok_or_else(|| shape_error(input, array))
    }

    /// The labels `y` of a labelled file: one tensor per sample, empty when the file has none.
    pub fn labels(&self) -> Vec<Tensor> {
        self.arrays.get("y").map(rows).unwrap_or_default()
    }

    /// The recorded outputs of one sample (`ort{j}`, or `out{sample}_{j}`), in the order of the outputs; empty when the file
    /// has none.
    pub fn recorded_outputs(&self, sample: usize) -> Vec<Tensor> {
        let numbered = matches!(self.layout, Layout::Numbered(_));
        let one = |j: usize| {
            if numbered {
                let array = self.arrays.get(&format!("out{sample}_{j}"))?;
                return Some(Tensor { shape: array.shape.clone(), data: array.data.clone() });
            }
            rows(self.arrays.get(&format!("ort{j}"))?).into_iter().nth(sample)
        };
        (0..).map_while(one).collect()
    }
}

/// The entries of an array along axis 0.
fn rows(array: &Array) -> Vec<Tensor> {
    let Some((&count, rest)) = array.shape.split_first() else { return Vec::new() };
    let size = rest.iter().product::<usize>();
    let row = |i: usize| Tensor { shape: rest.to_vec(), data: array.data[i * size..(i + 1) * size].into() };
    (0..count).map(row).collect()
}

fn shape_error(input: &InputSpec, array: &Array) -> SampleError {
    SampleError::Shape { input: input.name.clone(), expected: input.shape.clone(), found: array.shape.clone() }
}

fn open(path: &Path) -> Result<BufReader<File>, SampleError> {
    File::open(path).map(BufReader::new).map_err(|error| unreadable(path, &error))
}

/// The bytes of a file that is not larger than [`MAX_FILE`].
fn read_bytes(path: &Path) -> Result<Vec<u8>, SampleError> {
    let mut bytes = Vec::new();
    open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(unreadable(path, &format!("it is larger than {MAX_FILE} bytes")));
    }
    Ok(bytes)
}

fn read_text(path: &Path) -> Result<String, SampleError> {
    String::from_utf8(read_bytes(path)?).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, reason: &dyn std::fmt::Display) -> SampleError {
    SampleError::Unreadable { path: path.into(), reason: reason.to_string() }
}

fn in_array(path: &Path, array: &str, source: ArrayError) -> SampleError {
    SampleError::Array { path: path.into(), array: array.into(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, shape: &[usize], integer: bool) -> InputSpec {
        InputSpec { name: name.into(), shape: shape.to_vec(), integer, nullable: false }
    }

    fn json(text: &str) -> Result<Samples, SampleError> {
        Samples::from_json(&serde_json::from_str(text).unwrap(), Path::new("test.json"))
    }

    #[test]
    fn a_list_is_the_only_input_or_a_list_of_inputs() {
        let samples = json("[[1, 2], [3, 4]]").unwrap();
        let one = [spec("a", &[1, 2], false)];
        assert_eq!(samples.count(&one).unwrap(), 2);
        assert_eq!(&samples.inputs(&one, 1).unwrap()[0].data[..], [3.0, 4.0]);
        let two = [spec("a", &[1, 2], false), spec("b", &[2], true)];
        assert_eq!(samples.count(&two).unwrap(), 1);
        assert_eq!(&samples.inputs(&two, 0).unwrap()[1].data[..], [3.0, 4.0]);
        let ragged = json("[[1, 2], [3]]").unwrap();
        assert_eq!(ragged.inputs(&[spec("a", &[2], false), spec("b", &[1], false)], 0).unwrap()[1].data[0], 3.0);
    }

    #[test]
    fn objects_go_by_name() {
        let samples = json(r#"{"b": [[5]], "a": [[1, 2]]}"#).unwrap();
        let inputs = [spec("a", &[1, 2], false), spec("b", &[1, 1], false)];
        assert_eq!(samples.inputs(&inputs, 0).unwrap()[1].data[0], 5.0);
        let list = json(r#"{"input_data": [[1, 2], [5]]}"#).unwrap();
        assert_eq!(list.inputs(&inputs, 0).unwrap()[1].data[0], 5.0);
    }

    #[test]
    fn entries_that_follow_one_another_make_up_a_batch() {
        let batch = [spec("a", &[2, 3], false), spec("b", &[2], true)];
        let rows = |count: usize| Tensor::new(vec![count, 1, 3], (0..3 * count).map(|v| v as f64).collect());
        let labels = |count: usize| Tensor::new(vec![count, 1], (0..count).map(|v| v as f64).collect());
        let samples = Samples::from_batches(vec![rows(5), labels(5)]);
        assert_eq!(samples.count(&batch).unwrap(), 2);
        let [a, b] = samples.inputs(&batch, 1).unwrap().try_into().unwrap();
        assert_eq!((&a.shape[..], &a.data[..]), (&[2, 3][..], &[6.0, 7.0, 8.0, 9.0, 10.0, 11.0][..]));
        assert_eq!(&b.data[..], [2.0, 3.0]);
        assert!(matches!(samples.inputs(&batch, 2), Err(SampleError::NoSuchSample { sample: 2, count: 2 })));
        let few = Samples::from_batches(vec![rows(1), labels(1)]);
        assert!(matches!(few.inputs(&batch, 0), Err(SampleError::Entries { expected: 2, found: 1, .. })));
        // Whole batches are samples as they are.
        let whole = Samples::from_batches(vec![Tensor::new(vec![2, 2, 3], vec![1.0; 12])]);
        assert_eq!(whole.count(&batch[..1]).unwrap(), 2);

        let array = |from: usize| Array { shape: vec![1, 3], data: (from..from + 3).map(|v| v as f64).collect() };
        let arrays = (0..3).map(|i| (format!("in{i}_0"), array(3 * i))).collect();
        let numbered = Samples { layout: Layout::Numbered(3), arrays };
        assert_eq!(numbered.count(&batch[..1]).unwrap(), 1);
        assert_eq!(&numbered.inputs(&batch[..1], 0).unwrap()[0].data[..], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert!(matches!(numbered.inputs(&[spec("a", &[2, 2], false)], 0), Err(SampleError::Shape { .. })));
    }

    #[test]
    fn errors_name_the_input() {
        let samples = json(r#"{"a": [[1, 2, 3]]}"#).unwrap();
        assert!(
            matches!(samples.inputs(&[spec("b", &[3], false)], 0), Err(SampleError::Missing { input, .. }) if input == "b")
        );
        assert!(matches!(samples.inputs(&[spec("a", &[4], false)], 0), Err(SampleError::Shape { .. })));
        assert!(matches!(
            samples.inputs(&[spec("a", &[3], false)], 1),
            Err(SampleError::NoSuchSample { count: 1, .. })
        ));
        let fraction = json(r#"{"a": [0.5]}"#).unwrap();
        assert!(matches!(fraction.inputs(&[spec("a", &[1], true)], 0), Err(SampleError::NotInteger { .. })));
        let nan = Samples::from_batches(vec![Tensor { shape: vec![1, 1], data: [f64::NAN].into() }]);
        assert!(matches!(nan.inputs(&[spec("a", &[1], false)], 0), Err(SampleError::NotFinite { .. })));
    }

    #[test]
    fn transposed_shapes_are_refused() {
        let samples = json(r#"{"a": [[1, 2], [3, 4], [5, 6]]}"#).unwrap();
        assert!(matches!(samples.inputs(&[spec("a", &[1, 2, 3], false)], 0), Err(SampleError::Shape { .. })));
    }
}
