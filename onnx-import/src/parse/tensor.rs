//! Stored tensors: every usual element type, in `raw_data`, typed fields or another file.

use super::ExternalData;
use crate::dtype::{bfloat_to_f64, half_to_f64, integer_to_f64, DType};
use crate::error::ImportError;
use crate::float::graph::Tensor;
use crate::float::reals::{Reals, LARGE};
use crate::float::stored::{FileRange, Stored};
use crate::proto::TensorProto;
use prost::bytes::Bytes;

/// Most elements of a stored tensor.
const MAX_ELEMENTS: u64 = 1 << 31;

/// A constant with its element type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Literal {
    pub(crate) dtype: DType,
    pub(crate) tensor: Tensor,
}

/// Decodes a stored tensor of numbers. Its data must have exactly the size of its shape.
pub(crate) fn decode(proto: &TensorProto, external: &ExternalData) -> Result<Literal, ImportError> {
    let literal = decode_with_missing(proto, external)?;
    let data = &literal.tensor.data;
    let missing = || data.values().position(f64::is_nan);
    match (!data.is_finite()).then(missing).flatten() {
        None => Ok(literal),
        Some(index) => {
            let reason = format!("element {index} is not a number (NaN)");
            Err(ImportError::Tensor { name: proto.name.clone(), reason })
        }
    }
}

/// A constant of texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Texts {
    pub(crate) shape: Vec<usize>,
    pub(crate) elements: Vec<String>,
}

/// A stored tensor of texts; `None` for one of numbers.
pub(crate) fn texts(proto: &TensorProto) -> Result<Option<Texts>, ImportError> {
    const STRING: i32 = 8;
    if proto.data_type != STRING {
        return Ok(None);
    }
    let refuse = |reason: String| ImportError::Tensor { name: proto.name.clone(), reason };
    let shape = shape(&proto.dims).map_err(refuse)?;
    let (found, needed) = (proto.string_data.len(), shape.iter().product::<usize>());
    if found != needed {
        return Err(refuse(format!("{found} texts, the shape needs {needed}")));
    }
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).map_err(|_| refuse("a text is not UTF-8".into()));
    let elements = proto.string_data.iter().map(text).collect::<Result<_, _>>()?;
    Ok(Some(Texts { shape, elements }))
}

/// [`decode`] of a tensor in which NaN has a meaning.
pub(crate) fn decode_with_missing(proto: &TensorProto, external: &ExternalData) -> Result<Literal, ImportError> {
    let refuse = |reason: String| ImportError::Tensor { name: proto.name.clone(), reason };
    let dtype = DType::from_onnx(proto.data_type)
        .map_err(|name| refuse(format!("element type {name} is not supported; {}", type_remedy(&name))))?;
    if proto.segment.is_some() {
        return Err(refuse("it is split into segments".into()));
    }
    let shape = shape(&proto.dims).map_err(refuse)?;
    let elements = shape.iter().product();
    let data = match proto.data_location {
        0 => match &proto.raw_data {
            Some(raw) => held(raw.clone(), dtype, elements, external.in_model(&proto.name, raw)),
            None => from_fields(proto, dtype, elements).map(Reals::constant),
        },
        1 => {
            let (bytes, range) = external.read(proto, dtype.bytes(elements))?;
            held(bytes, dtype, elements, Some(range))
        }
        other => Err(format!("data location {other} is unknown")),
    };
    let data = data.map_err(refuse)?;
    Ok(Literal { dtype, tensor: Tensor { shape, data } })
}

/// Few elements as reals; many as the bytes that they are, or where these lie.
fn held(raw: Bytes, dtype: DType, elements: usize, range: Option<FileRange>) -> Result<Reals, String> {
    if elements < LARGE || !Stored::holds(dtype) {
        return from_raw(&raw, dtype, elements).map(Reals::from);
    }
    check_length(&raw, dtype, elements)?;
    Ok(Reals::stored(Stored::new(dtype, elements, raw, range)))
}

fn check_length(raw: &Bytes, dtype: DType, elements: usize) -> Result<(), String> {
    match dtype.bytes(elements) {
        needed if needed == raw.len() => Ok(()),
        needed => Err(format!("{} bytes of data, the shape needs {needed}", raw.len())),
    }
}

fn type_remedy(name: &str) -> &'static str {
    if name == "string" {
        "export the model with integer labels"
    } else {
        "export the model in float32"
    }
}

/// A declared shape, bounded.
pub(crate) fn shape(dims: &[i64]) -> Result<Vec<usize>, String> {
    let mut elements = 1u64;
    for &size in dims {
        let size = u64::try_from(size).map_err(|_| format!("shape {dims:?} has a negative size"))?;
        elements = elements.checked_mul(size).filter(|count| *count <= MAX_ELEMENTS).unwrap_or(u64::MAX);
    }
    if elements == u64::MAX || dims.iter().any(|&size| size as u64 > MAX_ELEMENTS) {
        return Err(format!("shape {dims:?} has more than {MAX_ELEMENTS} elements"));
    }
    Ok(dims.iter().map(|&size| size as usize).collect())
}

fn from_raw(raw: &Bytes, dtype: DType, elements: usize) -> Result<Vec<f64>, String> {
    check_length(raw, dtype, elements)?;
    macro_rules! each {
        ($type:ty, $convert:expr) => {
            raw.chunks_exact(size_of::<$type>())
                .map(|chunk| $convert(<$type>::from_le_bytes(chunk.try_into().expect("chunks have this size"))))
                .collect()
        };
    }
    match dtype {
        DType::Bool => each!(u8, |v| boolean(i64::from(v))),
        DType::Int4 | DType::Uint4 => Ok(nibbles(raw.iter().copied(), dtype, elements)),
        DType::Int8 => each!(i8, |v| Ok(f64::from(v))),
        DType::Int16 => each!(i16, |v| Ok(f64::from(v))),
        DType::Int32 => each!(i32, |v| Ok(f64::from(v))),
        DType::Int64 => each!(i64, |v| integer(i128::from(v))),
        DType::Uint8 => each!(u8, |v| Ok(f64::from(v))),
        DType::Uint16 => each!(u16, |v| Ok(f64::from(v))),
        DType::Uint32 => each!(u32, |v| Ok(f64::from(v))),
        DType::Uint64 => each!(u64, |v| integer(i128::from(v))),
        DType::Float16 => each!(u16, |v| Ok(half_to_f64(v))),
        DType::Bfloat16 => each!(u16, |v| Ok(bfloat_to_f64(v))),
        DType::Float32 => each!(f32, |v| Ok(f64::from(v))),
        DType::Float64 => each!(f64, Ok),
        DType::Text => Err("texts have no bytes of numbers".into()),
    }
}

/// Small types share the field of 32-bit integers; halves are stored there as bits.
fn from_fields(proto: &TensorProto, dtype: DType, elements: usize) -> Result<Vec<f64>, String> {
    fn all<T: Copy>(list: &[T], elements: usize, f: impl Fn(T) -> Result<f64, String>) -> Result<Vec<f64>, String> {
        if list.len() != elements {
            return Err(format!("{} elements of data, the shape needs {elements}", list.len()));
        }
        list.iter().map(|&value| f(value)).collect()
    }
    let bits = |v: i32| u16::try_from(v).map_err(|_| format!("{v} is no 16-bit pattern"));
    match dtype {
        DType::Float32 => all(&proto.float_data, elements, |v| Ok(f64::from(v))),
        DType::Float64 => all(&proto.double_data, elements, Ok),
        DType::Text => Err("texts have no numbers".into()),
        DType::Int64 => all(&proto.int64_data, elements, |v| integer(i128::from(v))),
        DType::Uint32 | DType::Uint64 => all(&proto.uint64_data, elements, |v| in_range(dtype, i128::from(v))),
        DType::Float16 => all(&proto.int32_data, elements, |v| bits(v).map(half_to_f64)),
        DType::Bfloat16 => all(&proto.int32_data, elements, |v| bits(v).map(bfloat_to_f64)),
        DType::Bool => all(&proto.int32_data, elements, |v| boolean(i64::from(v))),
        DType::Int4 | DType::Uint4 => {
            let byte = |v: i32| Ok(f64::from(v as u8));
            let bytes = all(&proto.int32_data, dtype.bytes(elements), byte)?;
            Ok(nibbles(bytes.into_iter().map(|v| v as u8), dtype, elements))
        }
        _ => all(&proto.int32_data, elements, |v| in_range(dtype, i128::from(v))),
    }
}

/// 4-bit integers, the lower half of each byte first.
fn nibbles(bytes: impl Iterator<Item = u8>, dtype: DType, elements: usize) -> Vec<f64> {
    let signed = |nibble: u8| match dtype {
        DType::Int4 if nibble > 7 => f64::from(nibble) - 16.0,
        _ => f64::from(nibble),
    };
    bytes.flat_map(|byte| [byte & 15, byte >> 4]).map(signed).take(elements).collect()
}

fn boolean(value: i64) -> Result<f64, String> {
    match value {
        0 | 1 => Ok(value as f64),
        other => Err(format!("{other} is no boolean")),
    }
}

fn integer(value: i128) -> Result<f64, String> {
    integer_to_f64(value).ok_or_else(|| format!("integer {value} exceeds 2^53"))
}

fn in_range(dtype: DType, value: i128) -> Result<f64, String> {
    let real = integer(value)?;
    dtype.hold(real).ok_or_else(|| format!("{value} is out of range for {}", dtype.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(data_type: i32, dims: &[i64], bytes: &[u8]) -> TensorProto {
        TensorProto {
            name: "w".into(),
            data_type,
            dims: dims.to_vec(),
            raw_data: Some(Bytes::copy_from_slice(bytes)),
            ..TensorProto::default()
        }
    }

    fn values(proto: &TensorProto) -> Vec<f64> {
        decode(proto, &ExternalData::default()).unwrap().tensor.data.to_vec()
    }

    fn refusal(proto: &TensorProto) -> String {
        decode(proto, &ExternalData::default()).unwrap_err().to_string()
    }

    #[test]
    fn every_type_is_decoded_from_raw_bytes() {
        assert_eq!(values(&raw(1, &[2], &[0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0])), [1.0, -2.0]);
        assert_eq!(values(&raw(2, &[1], &[255])), [255.0]);
        assert_eq!(values(&raw(3, &[1], &[255])), [-1.0]);
        assert_eq!(values(&raw(4, &[1], &[0, 1])), [256.0]);
        assert_eq!(values(&raw(5, &[1], &[254, 255])), [-2.0]);
        assert_eq!(values(&raw(6, &[1], &[1, 0, 0, 128])), [-2_147_483_647.0]);
        assert_eq!(values(&raw(7, &[1], &i64::MAX.to_le_bytes())), [crate::dtype::UNBOUNDED]);
        assert_eq!(values(&raw(9, &[2], &[0, 1])), [0.0, 1.0]);
        assert_eq!(values(&raw(10, &[1], &[0, 0x3c])), [1.0]);
        assert_eq!(values(&raw(11, &[1], &0.1f64.to_le_bytes())), [0.1]);
        assert_eq!(values(&raw(12, &[1], &[255; 4])), [4_294_967_295.0]);
        assert_eq!(values(&raw(13, &[1], &7u64.to_le_bytes())), [7.0]);
        assert_eq!(values(&raw(16, &[1], &[0x80, 0x3f])), [1.0]);
    }

    #[test]
    fn typed_fields_are_read() {
        let base = TensorProto { dims: vec![2], ..TensorProto::default() };
        assert_eq!(values(&TensorProto { data_type: 1, float_data: vec![0.5, 1.5], ..base.clone() }), [0.5, 1.5]);
        assert_eq!(values(&TensorProto { data_type: 10, int32_data: vec![0x3c00, 0], ..base.clone() }), [1.0, 0.0]);
        assert_eq!(values(&TensorProto { data_type: 3, int32_data: vec![-128, 127], ..base.clone() }), [-128.0, 127.0]);
        assert!(refusal(&TensorProto { data_type: 3, int32_data: vec![-129, 0], ..base.clone() }).contains("range"));
        assert!(refusal(&TensorProto { data_type: 7, int64_data: vec![1], ..base }).contains("1 elements"));
    }

    #[test]
    fn absurd_tensors_are_refused_by_name() {
        assert!(refusal(&raw(1, &[i64::MAX, i64::MAX], &[])).contains("`w`"));
        assert!(refusal(&raw(1, &[0, i64::MAX], &[])).contains("more than"));
        assert!(refusal(&raw(1, &[-1], &[])).contains("negative"));
        assert!(refusal(&raw(1, &[2], &[0; 7])).contains("7 bytes"));
        assert!(refusal(&raw(1, &[1], &f32::NAN.to_le_bytes())).contains("NaN"));
        assert!(refusal(&raw(9, &[1], &[2])).contains("boolean"));
        assert!(refusal(&raw(8, &[1], &[])).contains("integer labels"));
        assert!(refusal(&raw(99, &[1], &[])).contains("number 99"));
        assert!(refusal(&raw(7, &[1], &((1i64 << 53) + 1).to_le_bytes())).contains("2^53"));
    }
}
