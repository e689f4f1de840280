//! The operators that can be imported, keyed on domain, name and operator set.

use crate::error::NodeError;
use crate::float::graph::ValueId;
use crate::lower::Call;
use crate::ops;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Rewrites an application of an operator into the float graph: one value per output that it can give.
pub(crate) type Lower = fn(&mut Call) -> Result<Vec<ValueId>, NodeError>;

/// An operator of ONNX.
pub(crate) struct Operator {
    /// Its domain.
    pub(crate) domain: &'static str,
    /// Its name.
    pub(crate) name: &'static str,
    /// The versions at which it appeared or its numbers of inputs and outputs changed, ascending.
    pub(crate) versions: &'static [Version],
    /// Its meaning.
    pub(crate) lower: Lower,
}

/// An operator from some operator set on.
pub(crate) struct Version {
    since: i64,
    inputs: (usize, usize),
    outputs: usize,
}

/// As many operands as one likes.
pub(crate) const VARIADIC: usize = usize::MAX;

/// From operator set `since` on: fewest and most inputs, most outputs.
pub(crate) const fn since(since: i64, least_inputs: usize, most_inputs: usize, outputs: usize) -> Version {
    Version { since, inputs: (least_inputs, most_inputs), outputs }
}

/// An operator of `ai.onnx`.
pub(crate) const fn onnx(name: &'static str, versions: &'static [Version], lower: Lower) -> Operator {
    Operator { domain: "ai.onnx", name, versions, lower }
}

/// An operator of `ai.onnx.ml`.
pub(crate) const fn ml(name: &'static str, versions: &'static [Version], lower: Lower) -> Operator {
    Operator { domain: "ai.onnx.ml", name, versions, lower }
}

/// An operator of `com.microsoft`.
pub(crate) const fn microsoft(name: &'static str, versions: &'static [Version], lower: Lower) -> Operator {
    Operator { domain: "com.microsoft", name, versions, lower }
}

static OPERATORS: LazyLock<HashMap<(&str, &str), &Operator>> = LazyLock::new(|| {
    ops::ALL
        .iter()
        .flat_map(|family| family.iter())
        .map(|operator| ((operator.domain, operator.name), operator))
        .collect()
});

/// Finds the meaning of an operator in that version of its domain, and checks how it is applied.
pub(crate) fn find(domain: &str, name: &str, version: i64, inputs: usize, outputs: usize) -> Result<Lower, NodeError> {
    let unknown = NodeError::UnknownOperator { version };
    let operator = OPERATORS.get(&(domain, name)).ok_or_else(|| unknown.clone())?;
    let current = operator.versions.iter().rev().find(|entry| entry.since <= version).ok_or(unknown)?;
    let (least, most) = current.inputs;
    if inputs < least || inputs > most {
        return Err(NodeError::Arity { what: "inputs", expected: range(least, most), found: inputs });
    }
    if outputs > current.outputs {
        return Err(NodeError::Arity { what: "outputs", expected: range(1, current.outputs), found: outputs });
    }
    Ok(operator.lower)
}

fn range(least: usize, most: usize) -> String {
    match most {
        VARIADIC => format!("at least {least}"),
        _ if least == most => least.to_string(),
        _ => format!("{least} to {most}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_operator_is_listed_twice_and_versions_ascend() {
        let count: usize = ops::ALL.iter().map(|family| family.len()).sum();
        assert_eq!(OPERATORS.len(), count);
        for operator in OPERATORS.values() {
            assert!(operator.versions.windows(2).all(|pair| pair[0].since < pair[1].since), "{}", operator.name);
        }
    }

    #[test]
    fn version_and_arity_are_checked() {
        assert!(find("ai.onnx", "Relu", 7, 1, 1).is_ok());
        assert_eq!(find("ai.onnx", "Mish", 17, 1, 1).unwrap_err(), NodeError::UnknownOperator { version: 17 });
        assert!(find("ai.onnx", "Mish", 18, 1, 1).is_ok());
        assert!(matches!(find("ai.onnx", "Clip", 10, 3, 1), Err(NodeError::Arity { .. })));
        assert!(find("ai.onnx", "Clip", 11, 3, 1).is_ok());
        assert!(matches!(find("ai.onnx", "Relu", 7, 1, 2), Err(NodeError::Arity { .. })));
        assert!(find("com.example", "Relu", 7, 1, 1).is_err());
    }
}
