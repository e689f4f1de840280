//! Bounds what a protobuf will take in memory before it is decoded.
//!
//! An empty message costs two bytes in the file and some hundred bytes in memory, so a small file could fill the memory.
//! The scan walks the messages without building them, counts them and bounds their nesting; everything else in the
//! decoded structure is proportional to the file.

use crate::error::ImportError;

/// Most messages, strings and lists that a model may hold.
const MAX_MESSAGES: u64 = 1 << 21;
/// Deepest nesting of messages.
const MAX_DEPTH: u32 = 64;

/// The kinds of message that hold others.
#[derive(Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    SparseTensor,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    Function,
    Leaf,
}

/// What a length-delimited field holds: another message, counted bytes or strings, or uncounted bulk data.
fn field_kind(kind: Kind, field: u64) -> Option<Kind> {
    Some(match (kind, field) {
        (Kind::Model, 7) => Kind::Graph,
        (Kind::Model, 25) => Kind::Function,
        (Kind::Model, 8) => Kind::Leaf,
        (Kind::Graph, 1) | (Kind::Function, 7) => Kind::Node,
        (Kind::Graph, 5) => Kind::Tensor,
        (Kind::Graph, 11 | 12) => Kind::ValueInfo,
        (Kind::Graph, 15) => Kind::SparseTensor,
        (Kind::Function, 11) | (Kind::Node, 5) => Kind::Attribute,
        (Kind::Function, 4 | 5 | 6 | 9) | (Kind::Node, 1 | 2) | (Kind::Attribute, 9) => Kind::Leaf,
        (Kind::Attribute, 5) | (Kind::SparseTensor, 1) => Kind::Tensor,
        (Kind::Attribute, 6) => Kind::Graph,
        (Kind::Tensor, 13) => Kind::Leaf,
        (Kind::ValueInfo, 2) => Kind::Type,
        (Kind::Type, 1) => Kind::TensorType,
        (Kind::TensorType, 2) => Kind::Shape,
        (Kind::Shape, 1) => Kind::Leaf,
        _ => return None,
    })
}

/// Walks over the messages of a model file.
pub(super) fn check(bytes: &[u8]) -> Result<(), ImportError> {
    Scan { messages: 0 }.message(bytes, Kind::Model, 0)
}

struct Scan {
    messages: u64,
}

impl Scan {
    fn message(&mut self, mut bytes: &[u8], kind: Kind, depth: u32) -> Result<(), ImportError> {
        self.messages += 1;
        if self.messages > MAX_MESSAGES {
            return Err(too_large("messages in the model file", self.messages, MAX_MESSAGES));
        }
        if depth > MAX_DEPTH {
            return Err(too_large("nesting of messages in the model file", depth.into(), MAX_DEPTH.into()));
        }
        if matches!(kind, Kind::Leaf) {
            return Ok(());
        }
        while !bytes.is_empty() {
            let tag = varint(&mut bytes)?;
            match tag & 7 {
                0 => {
                    varint(&mut bytes)?;
                }
                1 => take(&mut bytes, 8).map(|_| ())?,
                2 => {
                    let length = varint(&mut bytes)?;
                    let body = take(&mut bytes, length)?;
                    if let Some(inner) = field_kind(kind, tag >> 3) {
                        self.message(body, inner, depth + 1)?;
                    }
                }
                5 => take(&mut bytes, 4).map(|_| ())?,
                other => return Err(broken(&format!("wire type {other}"))),
            }
        }
        Ok(())
    }
}

fn varint(bytes: &mut &[u8]) -> Result<u64, ImportError> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or_else(|| broken("it ends inside a number"))?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(broken("a number of more than ten bytes"))
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], ImportError> {
    let length = usize::try_from(length).ok().filter(|length| *length <= bytes.len());
    let (head, tail) = bytes.split_at(length.ok_or_else(|| broken("a field is longer than the file"))?);
    *bytes = tail;
    Ok(head)
}

fn broken(reason: &str) -> ImportError {
    ImportError::NotOnnx { reason: format!("not a protobuf: {reason}") }
}

fn too_large(what: &str, found: u64, limit: u64) -> ImportError {
    ImportError::TooLarge { what: what.to_owned(), found, limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2];
        let mut length = body.len();
        while length >= 0x80 {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn many_empty_messages_are_refused() {
        let nodes: Vec<u8> = field(1, &[]).repeat(MAX_MESSAGES as usize);
        assert!(matches!(check(&field(7, &nodes)), Err(ImportError::TooLarge { .. })));
        assert!(check(&field(7, &nodes[..1 << 20])).is_ok());
    }

    #[test]
    fn deep_nesting_is_refused() {
        let mut graph = vec![];
        for _ in 0..MAX_DEPTH {
            graph = field(1, &field(5, &field(6, &graph)));
        }
        assert!(matches!(check(&field(7, &graph)), Err(ImportError::TooLarge { .. })));
    }
}
