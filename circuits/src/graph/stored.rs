//! The form in which a program is stored: each list of weights and of biases stands there once, and a convolution names its
//! own by their numbers, in the order of their first use. The steps of an unrolled recurrence and the samples of a batch
//! share them, and after reading they share them in memory.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::private::{stored_options, take_declarations};
use super::{ConvGeometry, Node, Op, Port, Program, Requantize, Table, TensorId, Weights};

/// [`Program`] as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    name: Cow<'a, str>,
    source_digest: [u8; 32],
    options: Cow<'a, BTreeMap<String, String>>,
    tables: Cow<'a, [Table]>,
    weights: Vec<Weights>,
    biases: Vec<Arc<[i64]>>,
    nodes: Vec<StoredNode<'a>>,
    inputs: Cow<'a, [Port]>,
    outputs: Cow<'a, [Port]>,
}

/// [`Node`] as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredNode<'a> {
    name: Cow<'a, str>,
    op: StoredOp<'a>,
    shape: Cow<'a, [usize]>,
    scale: f64,
}

/// [`Op`] as it is stored.
#[derive(Serialize, Deserialize)]
enum StoredOp<'a> {
    /// [`Op::Conv`], with the numbers of its weights and biases.
    Conv { input: TensorId, geometry: ConvGeometry, weights: u32, bias: u32, requantize: Option<Requantize> },
    /// Another operator.
    Other(Cow<'a, Op>),
}

/// Lists by their numbers; equal ones have one.
struct Pool<T> {
    lists: Vec<T>,
    numbers: HashMap<T, u32>,
    /// By the addresses of their elements, which clones share: a list that was met already is not looked at again.
    met: HashMap<usize, u32>,
}

impl<T: Clone + Eq + Hash> Pool<T> {
    fn new() -> Self {
        Self { lists: Vec::new(), numbers: HashMap::new(), met: HashMap::new() }
    }

    fn number(&mut self, list: &T, address: usize) -> u32 {
        let Self { lists, numbers, met } = self;
        *met.entry(address).or_insert_with(|| {
            *numbers.entry(list.clone()).or_insert_with(|| {
                lists.push(list.clone());
                lists.len() as u32 - 1
            })
        })
    }
}

impl Serialize for Program {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (mut weights, mut biases) = (Pool::new(), Pool::new());
        let mut stored = |op| match op {
            &Op::Conv { input, geometry, weights: ref own, ref bias, requantize } => StoredOp::Conv {
                input,
                geometry,
                weights: weights.number(own, own.address()),
                bias: biases.number(bias, bias.as_ptr() as usize),
                requantize,
            },
            other => StoredOp::Other(Cow::Borrowed(other)),
        };
        let nodes = self.nodes.iter().map(|node| StoredNode {
            name: Cow::Borrowed(&node.name),
            op: stored(&node.op),
            shape: Cow::Borrowed(&node.shape),
            scale: node.scale,
        });
        let nodes = nodes.collect();
        let stored = Stored {
            name: Cow::Borrowed(&self.name),
            source_digest: self.source_digest,
            options: stored_options(self),
            tables: Cow::Borrowed(&self.tables),
            weights: weights.lists,
            biases: biases.lists,
            nodes,
            inputs: Cow::Borrowed(&self.inputs),
            outputs: Cow::Borrowed(&self.outputs),
        };
        stored.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Program {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        let (weights, biases) = (&stored.weights, &stored.biases);
        let op = |op: StoredOp<'_>| match op {
            StoredOp::Conv { input, geometry, weights: own, bias, requantize } => {
                let own = weights.get(own as usize).ok_or_else(|| D::Error::custom("there are no such weights"))?;
                let bias = biases.get(bias as usize).ok_or_else(|| D::Error::custom("there are no such biases"))?;
                Ok(Op::Conv { input, geometry, weights: own.clone(), bias: bias.clone(), requantize })
            }
            StoredOp::Other(op) => match op.into_owned() {
                Op::Conv { .. } => Err(D::Error::custom("weights stand beside the nodes")),
                other => Ok(other),
            },
        };
        let node = |node: StoredNode<'_>| {
            Ok(Node {
                name: node.name.into_owned(),
                op: op(node.op)?,
                shape: node.shape.into_owned(),
                scale: node.scale,
            })
        };
        let mut options = stored.options.into_owned();
        let private_weights = take_declarations(&mut options).map_err(D::Error::custom)?;
        Ok(Self {
            name: stored.name.into_owned(),
            source_digest: stored.source_digest,
            options,
            private_weights,
            tables: stored.tables.into_owned(),
            nodes: stored.nodes.into_iter().map(node).collect::<Result<_, _>>()?,
            inputs: stored.inputs.into_owned(),
            outputs: stored.outputs.into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{PortKind, Visibility};

    /// So many layers of one input, whose weights are equal and lie apart.
    fn program(layers: u32) -> Program {
        let node = |op| Node { name: "n".into(), op, shape: vec![2, 1, 1], scale: 1.0 };
        let layer = |_| {
            let (weights, bias) = (vec![1, -300, 5, 7].into(), vec![1, 2].into());
            let geometry = ConvGeometry::POINTWISE;
            node(Op::Conv { input: TensorId(0), geometry, weights, bias, requantize: None })
        };
        let port = |tensor| Port {
            name: "p".into(),
            tensor: TensorId(tensor),
            shape: vec![2],
            scale: 1.0,
            kind: PortKind::Real,
            visibility: Visibility::Public,
        };
        Program {
            name: "test".into(),
            source_digest: [0; 32],
            options: BTreeMap::new(),
            private_weights: BTreeMap::new(),
            tables: Vec::new(),
            nodes: std::iter::once(node(Op::Input { lo: 0, hi: 1 })).chain((0..layers).map(layer)).collect(),
            inputs: vec![port(0)],
            outputs: vec![port(layers)],
        }
    }

    fn address(node: &Node) -> usize {
        match &node.op {
            Op::Conv { weights, .. } => weights.address(),
            _ => unreachable!("the node is a convolution"),
        }
    }

    #[test]
    fn equal_weights_are_stored_once_and_shared_when_read() {
        let program = program(3);
        let stored = serde_json::to_value(&program).expect("a program has a form");
        assert_eq!(stored["weights"].as_array().map(Vec::len), Some(1));
        assert_eq!(stored["biases"].as_array().map(Vec::len), Some(1));
        let read: Program = serde_json::from_value(stored).expect("it was just written");
        assert_eq!(read, program);
        assert_ne!(address(&program.nodes[1]), address(&program.nodes[2]));
        assert_eq!(address(&read.nodes[1]), address(&read.nodes[2]));
        assert_eq!(address(&read.nodes[1]), address(&read.nodes[3]));
    }

    #[test]
    fn weights_that_are_not_there_are_refused() {
        let stored = serde_json::to_value(program(2)).expect("a program has a form");
        for (list, message) in [("weights", "no such weights"), ("biases", "no such biases")] {
            let mut changed = stored.clone();
            changed[list] = serde_json::json!([]);
            let error = serde_json::from_value::<Program>(changed).expect_err("the list is empty");
            assert!(error.to_string().contains(message), "{error}");
        }
        let mut changed = stored;
        let own = serde_json::to_value(&program(1).nodes[1].op).expect("an operator has a form");
        changed["nodes"][1]["op"] = serde_json::json!({ "Other": own });
        let error = serde_json::from_value::<Program>(changed).expect_err("weights belong into the list");
        assert!(error.to_string().contains("beside the nodes"), "{error}");
    }
}
