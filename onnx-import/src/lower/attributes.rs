//! Attributes of a node, each of which must be read by the operator that has it.

use crate::error::{ImportError, NodeError};
use crate::parse::tensor::{decode, decode_with_missing, Literal};
use crate::parse::ExternalData;
use crate::proto::{attribute_kind as kind, AttributeProto, GraphProto, TensorProto};
use prost::bytes::Bytes;
use std::cell::RefCell;
use std::collections::BTreeSet;

/// The attributes of a node. An attribute that nothing has read is unknown to the operator in that operator set, and
/// the node is refused.
pub(crate) struct Attributes<'a> {
    list: &'a [AttributeProto],
    read: RefCell<BTreeSet<&'a str>>,
    external: &'a ExternalData,
}

impl<'a> Attributes<'a> {
    /// The attributes in `list`; none may be given twice.
    pub(crate) fn new(list: &'a [AttributeProto], external: &'a ExternalData) -> Result<Self, NodeError> {
        let mut names = BTreeSet::new();
        for attribute in list {
            if !names.insert(attribute.name.as_str()) {
                return Err(NodeError::attribute(&attribute.name, "it is given twice"));
            }
        }
        Ok(Self { list, read: RefCell::default(), external })
    }

    /// The first attribute that was not read.
    pub(crate) fn unread(&self) -> Option<&'a str> {
        let read = self.read.borrow();
        self.list.iter().map(|attribute| attribute.name.as_str()).find(|name| !read.contains(name))
    }

    fn find(&self, name: &str, expected: i32, expected_name: &str) -> Result<Option<&'a AttributeProto>, NodeError> {
        let Some(attribute) = self.list.iter().find(|attribute| attribute.name == name) else { return Ok(None) };
        self.read.borrow_mut().insert(&attribute.name);
        if kind_of(attribute) == expected {
            Ok(Some(attribute))
        } else {
            Err(NodeError::attribute(name, format!("it must be of type {expected_name}")))
        }
    }

    /// An integer.
    pub(crate) fn int(&self, name: &str) -> Result<Option<i64>, NodeError> {
        Ok(self.find(name, kind::INT, "int")?.map(|attribute| attribute.i.unwrap_or(0)))
    }

    /// An integer with a default.
    pub(crate) fn int_or(&self, name: &str, default: i64) -> Result<i64, NodeError> {
        Ok(self.int(name)?.unwrap_or(default))
    }

    /// An integer that is 0 or 1.
    pub(crate) fn flag(&self, name: &str, default: bool) -> Result<bool, NodeError> {
        match self.int(name)? {
            None => Ok(default),
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            Some(other) => Err(NodeError::attribute(name, format!("{other} is neither 0 nor 1"))),
        }
    }

    /// A finite number.
    pub(crate) fn float(&self, name: &str) -> Result<Option<f64>, NodeError> {
        let value = self.find(name, kind::FLOAT, "float")?.map(|attribute| f64::from(attribute.f.unwrap_or(0.0)));
        match value {
            Some(value) if value.is_nan() => Err(NodeError::attribute(name, "it is not a number (NaN)")),
            value => Ok(value),
        }
    }

    /// A number with a default.
    pub(crate) fn float_or(&self, name: &str, default: f64) -> Result<f64, NodeError> {
        Ok(self.float(name)?.unwrap_or(default))
    }

    /// A list of integers.
    pub(crate) fn ints(&self, name: &str) -> Result<Option<Vec<i64>>, NodeError> {
        Ok(self.find(name, kind::INTS, "ints")?.map(|attribute| attribute.ints.clone()))
    }

    /// A list of numbers.
    pub(crate) fn floats(&self, name: &str) -> Result<Option<Vec<f64>>, NodeError> {
        let Some(attribute) = self.find(name, kind::FLOATS, "floats")? else { return Ok(None) };
        let values: Vec<f64> = attribute.floats.iter().map(|&value| f64::from(value)).collect();
        match values.iter().position(|value| value.is_nan()) {
            Some(index) => Err(NodeError::attribute(name, format!("element {index} is not a number (NaN)"))),
            None => Ok(Some(values)),
        }
    }

    /// A list of numbers, any of which may be NaN.
    pub(crate) fn float_may_be_nan(&self, name: &str) -> Result<Option<f64>, NodeError> {
        Ok(self.find(name, kind::FLOAT, "float")?.map(|attribute| f64::from(attribute.f.unwrap_or(0.0))))
    }

    /// Text.
    pub(crate) fn string(&self, name: &str) -> Result<Option<String>, NodeError> {
        self.find(name, kind::STRING, "string")?
            .map(|attribute| {
                let bytes = attribute.s.clone().unwrap_or_default();
                String::from_utf8(bytes.to_vec()).map_err(|_| NodeError::attribute(name, "it is not UTF-8"))
            })
            .transpose()
    }

    /// Text with a default.
    pub(crate) fn string_or(&self, name: &str, default: &str) -> Result<String, NodeError> {
        Ok(self.string(name)?.unwrap_or_else(|| default.to_owned()))
    }

    /// A list of texts.
    pub(crate) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, NodeError> {
        let Some(attribute) = self.find(name, kind::STRINGS, "strings")? else { return Ok(None) };
        let text = |bytes: &Bytes| {
            String::from_utf8(bytes.to_vec()).map_err(|_| NodeError::attribute(name, "one of them is not UTF-8"))
        };
        attribute.strings.iter().map(text).collect::<Result<Vec<_>, _>>().map(Some)
    }

    /// How many texts a list has, where their contents are not needed.
    pub(crate) fn strings(&self, name: &str) -> Result<Option<usize>, NodeError> {
        Ok(self.find(name, kind::STRINGS, "strings")?.map(|attribute| attribute.strings.len()))
    }

    /// A tensor, any number of which may be NaN.
    pub(crate) fn tensor_with_missing(&self, name: &str) -> Result<Option<Literal>, NodeError> {
        self.decoded(name, decode_with_missing)
    }

    /// A tensor.
    pub(crate) fn tensor(&self, name: &str) -> Result<Option<Literal>, NodeError> {
        self.decoded(name, decode)
    }

    fn decoded(
        &self,
        name: &str,
        decode: fn(&TensorProto, &ExternalData) -> Result<Literal, ImportError>,
    ) -> Result<Option<Literal>, NodeError> {
        let Some(attribute) = self.find(name, kind::TENSOR, "tensor")? else { return Ok(None) };
        let tensor = attribute.t.as_ref().ok_or_else(|| NodeError::attribute(name, "it holds no tensor"))?;
        decode(tensor, self.external).map(Some).map_err(|error| match error {
            ImportError::Tensor { reason, .. } => NodeError::Tensor { name: name.to_owned(), reason },
            other => NodeError::Tensor { name: name.to_owned(), reason: other.to_string() },
        })
    }

    /// A graph.
    pub(crate) fn graph(&self, name: &str) -> Result<Option<&'a GraphProto>, NodeError> {
        let Some(attribute) = self.find(name, kind::GRAPH, "graph")? else { return Ok(None) };
        attribute.g.as_ref().map(Some).ok_or_else(|| NodeError::attribute(name, "it holds no graph"))
    }
}

/// The declared type, or what old files imply by the field that is set.
fn kind_of(attribute: &AttributeProto) -> i32 {
    if attribute.kind != kind::UNDEFINED {
        return attribute.kind;
    }
    let present = [
        (attribute.f.is_some(), kind::FLOAT),
        (attribute.i.is_some(), kind::INT),
        (attribute.s.is_some(), kind::STRING),
        (attribute.t.is_some(), kind::TENSOR),
        (attribute.g.is_some(), kind::GRAPH),
        (!attribute.floats.is_empty(), kind::FLOATS),
        (!attribute.ints.is_empty(), kind::INTS),
        (!attribute.strings.is_empty(), kind::STRINGS),
    ];
    present.iter().find(|(is_set, _)| *is_set).map_or(kind::UNDEFINED, |(_, kind)| *kind)
}
