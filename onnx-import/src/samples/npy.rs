//! The `.npy` container: a short header (a Python dictionary literal) and the raw elements.

use std::io::Read;

use super::{Array, ArrayError};
use crate::dtype::half_to_f64;

/// Most elements of one array, 2^28; a larger header is refused before anything is allocated.
const MAX_ELEMENTS: usize = 1 << 28;
/// Most bytes of a header; NumPy writes about a hundred.
const MAX_HEADER: usize = 1 << 16;
const MAGIC: &[u8; 6] = b"\x93NUMPY";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Half,
    Float,
    Signed,
    Unsigned,
    Bool,
}

struct Header {
    kind: Kind,
    size: usize,
    big_endian: bool,
    /// Whether the first axis varies fastest, as in the arrays that pandas hands out.
    column_major: bool,
    shape: Vec<usize>,
}

/// Reads one array; integers and booleans become exact reals.
///
/// # Errors
/// Anything that is not an array of a numeric type within the bounds of this module.
pub(super) fn read(mut source: impl Read) -> Result<Array, ArrayError> {
    let header = read_header(&mut source)?;
    let count = header.shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
    let count = count.filter(|&n| n <= MAX_ELEMENTS).ok_or(ArrayError::TooLarge { limit: MAX_ELEMENTS })?;
    let mut bytes = Vec::new();
    // The declared size bounds what is read, so a compressed stream can't grow beyond it.
    source.take((count * header.size) as u64).read_to_end(&mut bytes)?;
    if bytes.len() != count * header.size {
        return Err(ArrayError::Truncated { expected: count * header.size, found: bytes.len() });
    }
    let data = bytes.chunks_exact(header.size).map(|chunk| element(&header, chunk)).collect::<Result<Vec<_>, _>>()?;
    let data = if header.column_major { row_major(&data, &header.shape) } else { data };
    Ok(Array { shape: header.shape, data: data.into() })
}

/// The elements with the last axis fastest, of those with the first axis fastest.
fn row_major(data: &[f64], shape: &[usize]) -> Vec<f64> {
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1;
    for &size in shape {
        strides.push(stride);
        stride *= size;
    }
    let mut position = vec![0; shape.len()];
    let mut at = 0;
    let mut next = || {
        let value = data[at];
        for (axis, &size) in shape.iter().enumerate().rev() {
            position[axis] += 1;
            at += strides[axis];
            if position[axis] < size {
                break;
            }
            position[axis] = 0;
            at -= strides[axis] * size;
        }
        value
    };
    (0..data.len()).map(|_| next()).collect()
}

fn read_header(source: &mut impl Read) -> Result<Header, ArrayError> {
    let mut start = [0; 8];
    source.read_exact(&mut start)?;
    if &start[..6] != MAGIC {
        return Err(ArrayError::Header("it does not begin with the NumPy magic bytes".into()));
    }
    let length = match start[6] {
        1 => {
            let mut length = [0; 2];
            source.read_exact(&mut length)?;
            usize::from(u16::from_le_bytes(length))
        }
        2 | 3 => {
            let mut length = [0; 4];
            source.read_exact(&mut length)?;
            u32::from_le_bytes(length) as usize
        }
        version => return Err(ArrayError::Header(format!("format version {version} is unknown"))),
    };
    if length > MAX_HEADER {
        return Err(ArrayError::Header(format!("the header claims {length} bytes")));
    }
    let mut text = vec![0; length];
    source.read_exact(&mut text)?;
    parse_header(&String::from_utf8_lossy(&text))
}

fn parse_header(text: &str) -> Result<Header, ArrayError> {
    let missing = |key: &str| ArrayError::Header(format!("the header has no {key}"));
    let descr = value_of(text, "descr").and_then(quoted).ok_or_else(|| missing("descr"))?;
    let fortran = value_of(text, "fortran_order").ok_or_else(|| missing("fortran_order"))?;
    let shape = value_of(text, "shape").and_then(parenthesized).ok_or_else(|| missing("shape"))?;
    let shape = shape
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| part.parse::<usize>().map_err(|_| ArrayError::Header(format!("{part:?} is not a size"))))
        .collect::<Result<Vec<_>, _>>()?;
    let column_major = fortran.starts_with("True") && shape.len() > 1;
    let (kind, size, big_endian) = parse_descr(descr)?;
    Ok(Header { kind, size, big_endian, column_major, shape })
}

fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let quoted_key = [format!("'{key}'"), format!("\"{key}\"")];
    let at = quoted_key.iter().find_map(|key| text.find(key.as_str()).map(|at| at + key.len()))?;
    Some(text[at..].trim_start().strip_prefix(':')?.trim_start())
}

fn quoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let rest = &text[1..];
    Some(&rest[..rest.find(quote)?])
}

fn parenthesized(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('(')?;
    Some(&rest[..rest.find(')')?])
}

fn parse_descr(descr: &str) -> Result<(Kind, usize, bool), ArrayError> {
    let unsupported = || ArrayError::Dtype(descr.into());
    let mut characters = descr.chars();
    let order = characters.next().filter(|c| matches!(c, '<' | '>' | '|' | '=')).ok_or_else(unsupported)?;
    let kind = characters.next().ok_or_else(unsupported)?;
    let size: usize = characters.as_str().parse().map_err(|_| unsupported())?;
    let kind = match (kind, size) {
        ('f', 2) => Kind::Half,
        ('f', 4 | 8) => Kind::Float,
        ('i', 1 | 2 | 4 | 8) => Kind::Signed,
        ('u', 1 | 2 | 4 | 8) => Kind::Unsigned,
        ('b', 1) => Kind::Bool,
        _ => return Err(unsupported()),
    };
    Ok((kind, size, order == '>'))
}

fn element(header: &Header, chunk: &[u8]) -> Result<f64, ArrayError> {
    let mut bytes = [0; 8];
    for (to, &from) in bytes.iter_mut().zip(chunk) {
        *to = from;
    }
    if header.big_endian {
        bytes[..header.size].reverse();
    }
    let word = u64::from_le_bytes(bytes);
    let unused = 64 - 8 * header.size as u32;
    let exact = |value: i128| {
        if value.unsigned_abs() <= 1 << 53 {
            Ok(value as f64)
        } else {
            Err(ArrayError::Inexact { value: value.to_string() })
        }
    };
    match header.kind {
        Kind::Half => Ok(half_to_f64(word as u16)),
        Kind::Float if header.size == 4 => Ok(f64::from(f32::from_bits(word as u32))),
        Kind::Float => Ok(f64::from_bits(word)),
        Kind::Signed => exact(i128::from((word << unused) as i64 >> unused)),
        Kind::Unsigned => exact(i128::from(word)),
        Kind::Bool => Ok(if word == 0 { 0.0 } else { 1.0 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(descr: &str, shape: &str, order: &str, payload: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn numbers_of_every_type_are_read() {
        let read =
            |descr: &str, payload: &[u8]| read(file(descr, "(1,)", "False", payload).as_slice()).unwrap().data[0];
        assert_eq!(read("<f4", &1.5f32.to_le_bytes()), 1.5);
        assert_eq!(read("<f2", &[0x00, 0xc1]), -2.5);
        assert_eq!(read(">f8", &(-2.25f64).to_be_bytes()), -2.25);
        assert_eq!(read("|i1", &[0xff]), -1.0);
        assert_eq!(read("<i8", &(-7i64).to_le_bytes()), -7.0);
        assert_eq!(read(">u2", &[1, 2]), 258.0);
        assert_eq!(read("|b1", &[1]), 1.0);
    }

    #[test]
    fn shapes_are_read() {
        assert_eq!(read(file("|u1", "(2, 3)", "False", &[0; 6]).as_slice()).unwrap().shape, [2, 3]);
        assert_eq!(read(file("|u1", "()", "False", &[9]).as_slice()).unwrap().shape, [0usize; 0]);
    }

    #[test]
    fn columns_become_rows() {
        let array = |shape: &str, bytes: &[u8]| read(file("|u1", shape, "True", bytes).as_slice()).unwrap();
        let matrix = array("(2, 3)", &[1, 4, 2, 5, 3, 6]);
        assert_eq!((&matrix.shape[..], &matrix.data[..]), (&[2, 3][..], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0][..]));
        // numpy.arange(8).reshape(2, 2, 2), as numpy.asfortranarray leaves it
        assert_eq!(&array("(2, 2, 2)", &[0, 4, 2, 6, 1, 5, 3, 7]).data[..], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        assert_eq!(array("(0, 3)", &[]).shape, [0, 3]);
    }

    #[test]
    fn bad_files_are_refused() {
        let refuse = |bytes: &[u8]| read(bytes).unwrap_err();
        assert!(matches!(refuse(b"not numpy at all"), ArrayError::Header(_)));
        assert!(matches!(refuse(&file("<c8", "(1,)", "False", &[0; 8])), ArrayError::Dtype(_)));
        assert!(matches!(refuse(&file("<f4", "(4,)", "False", &[0; 15])), ArrayError::Truncated { .. }));
        assert!(matches!(refuse(&file("<f4", "(99999999, 99999999)", "False", &[])), ArrayError::TooLarge { .. }));
        assert!(matches!(refuse(&file("<i8", "(1,)", "False", &i64::MAX.to_le_bytes())), ArrayError::Inexact { .. }));
        assert!(matches!(refuse(&file("<f4", "(-1,)", "False", &[])), ArrayError::Header(_)));
        assert!(matches!(refuse(MAGIC), ArrayError::Io(_)));
    }
}
