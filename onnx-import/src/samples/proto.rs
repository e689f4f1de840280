//! Samples as tensors of ONNX, such as the `input_0.pb` that tests of models come with.

use prost::Message;

use super::{Array, ArrayError};
use crate::parse::tensor::decode_with_missing;
use crate::parse::ExternalData;
use crate::proto::TensorProto;

/// The tensor of a serialized `TensorProto`, whose data must lie in it.
///
/// # Errors
/// Other bytes, element types that are no numbers, and data that do not have the size of the shape or lie in other files.
pub(super) fn array(bytes: Vec<u8>) -> Result<Array, ArrayError> {
    let proto = TensorProto::decode(bytes.as_slice()).map_err(|error| ArrayError::Proto(error.to_string()))?;
    let literal = decode_with_missing(&proto, &ExternalData::below(None));
    let tensor = literal.map_err(|error| ArrayError::Proto(error.to_string()))?.tensor;
    Ok(Array { shape: tensor.shape, data: tensor.data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_are_read() {
        let proto =
            TensorProto { dims: vec![1, 2], data_type: 1, float_data: vec![1.5, -2.0], ..TensorProto::default() };
        let read = array(proto.encode_to_vec()).unwrap();
        assert_eq!((&read.shape[..], &read.data[..]), (&[1, 2][..], &[1.5, -2.0][..]));
        let short = TensorProto { dims: vec![3], ..proto };
        assert!(matches!(array(short.encode_to_vec()), Err(ArrayError::Proto(_))));
        assert!(matches!(array(b"1, 2".to_vec()), Err(ArrayError::Proto(_))));
    }
}
