//! Samples in JSON: nested lists of numbers.

use serde_json::Value;

use super::{Array, ArrayError};

/// An array from nested lists; every list of one level has the same length. A bare number is a scalar; `null` and `"NaN"` stand for
/// a number that is missing, NaN.
///
/// # Errors
/// Ragged lists, and anything that is neither a list, a number nor a boolean.
pub(super) fn array(value: &Value) -> Result<Array, ArrayError> {
    let mut shape = Vec::new();
    let mut level = value;
    while let Value::Array(items) = level {
        shape.push(items.len());
        match items.first() {
            Some(first) => level = first,
            None => break,
        }
    }
    let mut data = Vec::new();
    collect(value, &shape, &mut data)?;
    Ok(Array { shape, data: data.into() })
}

fn collect(value: &Value, shape: &[usize], data: &mut Vec<f64>) -> Result<(), ArrayError> {
    match (value, shape.split_first()) {
        (Value::Array(items), Some((&size, rest))) if items.len() == size => {
            items.iter().try_for_each(|item| collect(item, rest, data))
        }
        (Value::Array(_), _) | (_, Some(_)) => Err(ArrayError::Ragged),
        (Value::Number(number), None) => {
            data.push(number.as_f64().ok_or_else(|| ArrayError::NotANumber(number.to_string()))?);
            Ok(())
        }
        (Value::Bool(bit), None) => {
            data.push(f64::from(u8::from(*bit)));
            Ok(())
        }
        (Value::Null, None) => {
            data.push(f64::NAN);
            Ok(())
        }
        (Value::String(text), None) if text == "NaN" => {
            data.push(f64::NAN);
            Ok(())
        }
        (other, None) => Err(ArrayError::NotANumber(other.to_string().chars().take(40).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Array, ArrayError> {
        array(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn nested_lists_become_arrays() {
        let array = parse("[[1, 2.5, true], [3, 4, 5]]").unwrap();
        assert_eq!(array.shape, [2, 3]);
        assert_eq!(&array.data[..], [1.0, 2.5, 1.0, 3.0, 4.0, 5.0]);
        assert!(parse("7").unwrap().shape.is_empty());
        let missing = parse("[1, null, \"NaN\"]").unwrap();
        assert_eq!(missing.data.iter().map(|v| v.is_nan()).collect::<Vec<_>>(), [false, true, true]);
    }

    #[test]
    fn malformed_lists_are_refused() {
        assert!(matches!(parse("[[1, 2], [3]]"), Err(ArrayError::Ragged)));
        assert!(matches!(parse("[1, [2]]"), Err(ArrayError::Ragged)));
        assert!(matches!(parse("[1, \"a\"]"), Err(ArrayError::NotANumber(_))));
        assert!(matches!(parse("[1, \"nan\"]"), Err(ArrayError::NotANumber(_))));
        assert!(matches!(parse("[{}]"), Err(ArrayError::NotANumber(_))));
    }
}
