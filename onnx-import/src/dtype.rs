//! Element types of ONNX tensors and how a real is rounded to each.

use crate::float::graph::Element;

/// An element type of ONNX that is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DType {
    Bool,
    Int4,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint4,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Float16,
    Bfloat16,
    Float32,
    Float64,
    /// Texts, held as their numbers among the texts of the model (`lower::texts`).
    Text,
}

/// Integers up to this magnitude are exact as `f64`.
pub(crate) const EXACT: f64 = 9_007_199_254_740_992.0;
/// 2^63. Integers from 2^62 on stand for "as far as possible" (`Slice` ends) and are held as ±2^63.
pub(crate) const UNBOUNDED: f64 = 9_223_372_036_854_775_808.0;

impl DType {
    /// The type of that number in `TensorProto.DataType`, or the name of one that is not supported.
    pub(crate) fn from_onnx(code: i32) -> Result<Self, String> {
        Ok(match code {
            1 => Self::Float32,
            2 => Self::Uint8,
            3 => Self::Int8,
            4 => Self::Uint16,
            5 => Self::Int16,
            6 => Self::Int32,
            7 => Self::Int64,
            9 => Self::Bool,
            10 => Self::Float16,
            11 => Self::Float64,
            12 => Self::Uint32,
            13 => Self::Uint64,
            16 => Self::Bfloat16,
            8 => return Err("string".into()),
            14 | 15 => return Err("complex".into()),
            17..=20 | 24 => return Err("float8".into()),
            23 => return Err("float4".into()),
            27 | 28 => return Err("float6".into()),
            21 => Self::Uint4,
            22 => Self::Int4,
            25 | 26 => return Err("2-bit integer".into()),
            other => return Err(format!("number {other}")),
        })
    }

    /// Its name in ONNX.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int4 => "int4",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint4 => "uint4",
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Float16 => "float16",
            Self::Bfloat16 => "bfloat16",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Text => "string",
        }
    }

    /// What a float graph knows of it.
    pub(crate) fn element(self) -> Element {
        match self {
            Self::Bool => Element::Bool,
            Self::Text => Element::Integer,
            _ if self.is_integer() => Element::Integer,
            _ => Element::Real,
        }
    }

    /// Whether it is an integer type (not a boolean).
    pub(crate) fn is_integer(self) -> bool {
        self.integer_range().is_some()
    }

    /// Whether it is a floating-point type.
    pub(crate) fn is_float(self) -> bool {
        matches!(self, Self::Float16 | Self::Bfloat16 | Self::Float32 | Self::Float64)
    }

    /// Whether arithmetic on run-time data may leave the type in practice: everything but int32 and int64.
    pub(crate) fn may_wrap(self) -> bool {
        self.is_integer() && !matches!(self, Self::Int32 | Self::Int64)
    }

    /// Bytes that so many elements take in `raw_data`; 4-bit integers are packed in pairs.
    pub(crate) fn bytes(self, elements: usize) -> usize {
        match self {
            Self::Int4 | Self::Uint4 => elements.div_ceil(2),
            Self::Bool | Self::Int8 | Self::Uint8 => elements,
            Self::Int16 | Self::Uint16 | Self::Float16 | Self::Bfloat16 => 2 * elements,
            Self::Int32 | Self::Uint32 | Self::Float32 => 4 * elements,
            Self::Int64 | Self::Uint64 | Self::Float64 | Self::Text => 8 * elements,
        }
    }

    /// Smallest and largest value of an integer type; 64-bit ends are held as ±2^63.
    pub(crate) fn integer_range(self) -> Option<(f64, f64)> {
        Some(match self {
            Self::Int4 => (-8.0, 7.0),
            Self::Int8 => (-128.0, 127.0),
            Self::Int16 => (-32768.0, 32767.0),
            Self::Int32 => (-2_147_483_648.0, 2_147_483_647.0),
            Self::Int64 => (-UNBOUNDED, UNBOUNDED),
            Self::Uint4 => (0.0, 15.0),
            Self::Uint8 => (0.0, 255.0),
            Self::Uint16 => (0.0, 65535.0),
            Self::Uint32 => (0.0, 4_294_967_295.0),
            Self::Uint64 => (0.0, UNBOUNDED),
            _ => return None,
        })
    }

    /// `value` as this type holds it: floats rounded to nearest even, integers unchanged; `None` when the type cannot
    /// hold it, or an integer is too large to be exact.
    pub(crate) fn hold(self, value: f64) -> Option<f64> {
        if let Some((lo, hi)) = self.integer_range() {
            let fits = value.fract() == 0.0 && value >= lo && value <= hi;
            return (fits && (value.abs() <= EXACT || value.abs() == UNBOUNDED)).then_some(value);
        }
        match self {
            Self::Bool => (value == 0.0 || value == 1.0).then_some(value),
            Self::Float32 => Some(f64::from(value as f32)),
            Self::Float16 => Some(round_to(value, 11, -14, 65504.0)),
            Self::Bfloat16 => Some(round_to(value, 8, -126, 3.389_531_389_251_535_5e38)),
            _ => Some(value),
        }
    }
}

/// A 64-bit integer as the importer holds it; `None` when it is neither exact nor close to an end of its type.
pub(crate) fn integer_to_f64(value: i128) -> Option<f64> {
    if value.unsigned_abs() <= EXACT as u128 {
        Some(value as f64)
    } else if value.unsigned_abs() >= 1 << 62 {
        Some(if value < 0 { -UNBOUNDED } else { UNBOUNDED })
    } else {
        None
    }
}

/// Rounds to a binary format with `digits` significant bits, smallest normal exponent `min_exponent` and largest
/// finite value `max`; ties to even, subnormals included.
fn round_to(value: f64, digits: i32, min_exponent: i32, max: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let exponent = exponent_of(value).max(min_exponent);
    let unit = 2f64.powi(exponent + 1 - digits);
    let rounded = (value / unit).round_ties_even() * unit;
    if rounded.abs() > max {
        f64::INFINITY.copysign(value)
    } else {
        rounded
    }
}

/// `floor(log2 |value|)` of a normal number; subnormals of `f64` give −1023, below every format used here.
fn exponent_of(value: f64) -> i32 {
    ((value.to_bits() >> 52) & 0x7ff) as i32 - 1023
}

/// Decodes an IEEE half.
pub(crate) fn half_to_f64(bits: u16) -> f64 {
    minifloat_to_f64(bits, 10, 15)
}

/// Decodes a bfloat16: the upper half of a single.
pub(crate) fn bfloat_to_f64(bits: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(bits) << 16))
}

fn minifloat_to_f64(bits: u16, fraction_bits: i32, bias: i32) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from((bits >> fraction_bits) & 0x1f);
    let fraction = f64::from(bits & ((1 << fraction_bits) - 1)) / 2f64.powi(fraction_bits);
    sign * match exponent {
        0 => fraction * 2f64.powi(1 - bias),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction) * 2f64.powi(exponent - bias),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_is_held_exactly() {
        for bits in 0..=u16::MAX {
            let value = half_to_f64(bits);
            if value.is_finite() {
                assert_eq!(DType::Float16.hold(value), Some(value), "half {bits:#x}");
            }
            let value = bfloat_to_f64(bits);
            if value.is_finite() {
                assert_eq!(DType::Bfloat16.hold(value), Some(value), "bfloat16 {bits:#x}");
            }
        }
    }

    #[test]
    fn halves_round_to_even_and_overflow() {
        assert_eq!(half_to_f64(0x3c00), 1.0);
        assert_eq!(half_to_f64(0xc000), -2.0);
        assert_eq!(half_to_f64(1), 2f64.powi(-24));
        assert_eq!(DType::Float16.hold(1.0 + 2f64.powi(-11)), Some(1.0));
        assert_eq!(DType::Float16.hold(1.0 + 3.0 * 2f64.powi(-11)), Some(1.0 + 2f64.powi(-9)));
        assert_eq!(DType::Float16.hold(65519.0), Some(65504.0));
        assert_eq!(DType::Float16.hold(65520.0), Some(f64::INFINITY));
    }

    #[test]
    fn integers_are_exact_or_unbounded() {
        assert_eq!(integer_to_f64(i128::from(i64::MAX)), Some(UNBOUNDED));
        assert_eq!(integer_to_f64((1 << 53) + 1), None);
        assert_eq!(DType::Int8.hold(128.0), None);
        assert_eq!(DType::Int64.hold(0.5), None);
        assert_eq!(DType::Int64.hold(-UNBOUNDED), Some(-UNBOUNDED));
    }
}
