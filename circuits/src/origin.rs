//! Views seen through: every element of every tensor traced back to the operator that computes it.

use std::sync::Arc;

use crate::graph::{Op, Program, TensorId, ViewElement};

/// An element of a tensor that is no view, or zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) tensor: TensorId,
    pub(crate) index: u32,
}

impl Origin {
    /// The constant 0.
    pub(crate) const ZERO: Origin = Origin { tensor: TensorId(u32::MAX), index: 0 };

    /// Whether it is the constant 0.
    pub(crate) fn is_zero(self) -> bool {
        self.tensor.0 == u32::MAX
    }
}

/// The elements of a program's tensors by where they are defined: views are seen through.
pub(crate) fn origins(program: &Program) -> Vec<Option<Arc<[Origin]>>> {
    let mut resolved: Vec<Option<Arc<[Origin]>>> = Vec::with_capacity(program.nodes.len());
    for node in &program.nodes {
        let map = match &node.op {
            Op::View { sources, map } => Some(
                map.iter()
                    .map(|element| match *element {
                        ViewElement::Zero => Origin::ZERO,
                        ViewElement::Element { source, index } => {
                            let source = sources[source as usize];
                            match &resolved[source.0 as usize] {
                                Some(origins) => origins[index as usize],
                                None => Origin { tensor: source, index },
                            }
                        }
                    })
                    .collect(),
            ),
            _ => None,
        };
        resolved.push(map);
    }
    resolved
}
