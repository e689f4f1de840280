//! Walks over the nodes that the outputs need, in order, and lowers each.

mod loops;

use super::attributes::Attributes;
use super::scope::Scope;
use super::{takes_texts, Builder, Call};
use crate::declared::{declared_shape, fed, DeclaredSize};
use crate::dtype::DType;
use crate::error::{ImportError, NodeError};
use crate::float::graph::{FloatGraph, FloatPort, Tensor, ValueId};
use crate::float::typed;
use crate::import::ImportOptions;
use crate::ops::takes_sequences;
use crate::parse::tensor::Literal;
use crate::parse::{canonical_domain, operator_sets, tensor, ExternalData, Model, OperatorSets};
use crate::proto::{AttributeProto, FunctionProto, GraphProto, NodeProto, TensorProto, ValueInfoProto};
use crate::registry;
use std::collections::{BTreeSet, HashSet};

/// Most nodes that may be lowered, those of inlined functions counted at each call.
const MAX_NODES: u64 = 1 << 20;
/// Deepest nesting of functions and branches.
const MAX_DEPTH: u32 = 32;

/// Lowers a model at the shapes that the options give.
pub(crate) fn lower(
    model: &Model,
    external: &ExternalData,
    options: &ImportOptions,
    elements_limit: u64,
) -> Result<FloatGraph, ImportError> {
    let mut walk = Walk { model, external, builder: Builder::new(elements_limit), nodes_left: MAX_NODES };
    let graph = &model.graph;
    let mut scope = Scope::new(&model.operator_sets, String::new(), 0);
    let inputs = walk.inputs(graph, options, &mut scope)?;
    let names: Vec<&str> = graph.output.iter().map(|output| output.name.as_str()).collect();
    if names.is_empty() {
        return Err(ImportError::Graph { reason: "the model has no outputs".into() });
    }
    walk.graph(graph, &names, &mut scope)?;
    let outputs = names
        .iter()
        .map(|name| match scope.find(name) {
            Some(Some(value)) if walk.builder.sequence(value).is_some() => Err(ImportError::Output {
                name: (*name).to_owned(),
                reason: "it is a sequence; give its elements as outputs of their own".into(),
            }),
            Some(Some(value)) => Ok(FloatPort { name: (*name).to_owned(), value, range: None, nullable: false }),
            _ => Err(ImportError::Output { name: (*name).to_owned(), reason: "no node defines it".into() }),
        })
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(node) = walk.builder.dynamic_left(&outputs) {
        let error = NodeError::unsupported(
            "scales that depend on the data are read other than by a product of integers and its scales",
            "quantize the model statically",
        );
        return Err(ImportError::Node { node: node.to_owned(), operator: "DynamicQuantizeLinear".into(), error });
    }
    Ok(FloatGraph {
        name: graph.name.clone(),
        source_digest: model.digest,
        remarks: walk.builder.remarks(&outputs),
        float32: walk.builder.float32(&inputs, &outputs),
        integers: walk.builder.typed_integers(&outputs),
        nodes: walk.builder.into_nodes(),
        inputs,
        outputs,
    })
}

struct Walk<'m> {
    model: &'m Model,
    external: &'m ExternalData,
    builder: Builder,
    nodes_left: u64,
}

impl<'m> Walk<'m> {
    /// Defines the inputs of the model. Initializers may be listed among them; those stay constants.
    fn inputs(
        &mut self,
        graph: &GraphProto,
        options: &ImportOptions,
        scope: &mut Scope,
    ) -> Result<Vec<FloatPort>, ImportError> {
        let mut ports: Vec<FloatPort> = vec![];
        let mut dimensions = BTreeSet::new();
        for input in fed(graph) {
            let refuse = |reason: String| ImportError::Input { name: input.name.clone(), reason };
            if ports.iter().any(|port| port.name == input.name) {
                return Err(refuse("it is listed twice".into()));
            }
            let (dtype, shape) = input_type(input, options, &mut dimensions).map_err(refuse)?;
            self.builder.set_label(&input.name);
            let value = self.builder.input(ports.len(), shape, dtype).map_err(|error| refuse(error.to_string()))?;
            scope.define(&input.name, Some(value));
            let range = dtype.integer_range().filter(|_| dtype.bytes(1) <= 2);
            let range = range.map(|(lo, hi)| (lo as i64, hi as i64));
            ports.push(FloatPort { name: input.name.clone(), value, range, nullable: false });
        }
        match options.dims.keys().find(|name| !dimensions.contains(name.as_str())) {
            None => Ok(ports),
            Some(name) => Err(ImportError::UnknownDimension {
                name: name.clone(),
                known: dimensions.into_iter().collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// Defines the stored tensors and the results of the nodes of a graph that `outputs` need.
    fn graph(&mut self, graph: &GraphProto, outputs: &[&str], scope: &mut Scope) -> Result<(), ImportError> {
        if !graph.sparse_initializer.is_empty() {
            return Err(ImportError::Graph { reason: "sparse initializers are not supported".into() });
        }
        check_single_assignment(&graph.node, &graph.initializer, scope)?;
        let needed = needed(&graph.node, outputs);
        self.stored(graph, &needed, scope)?;
        self.nodes(&graph.node, &needed, scope)
    }

    /// Defines the stored tensors of a graph that are needed.
    fn stored(&mut self, graph: &GraphProto, needed: &Needed, scope: &mut Scope) -> Result<(), ImportError> {
        for stored in graph.initializer.iter().filter(|stored| needed.names.contains(stored.name.as_str())) {
            let literal = match tensor::texts(stored)? {
                Some(texts) => {
                    let data = self.builder.text_numbers(texts.elements.iter().map(String::as_str)).into();
                    Literal { dtype: DType::Text, tensor: Tensor { shape: texts.shape, data } }
                }
                None => tensor::decode(stored, self.external)?,
            };
            self.builder.set_label(&stored.name);
            if scope.depth > 0 {
                // A body may be entered many times; what it stores is no longer bounded by the file.
                self.builder
                    .materialize(literal.tensor.data.len() as u64)
                    .map_err(|error| ImportError::Tensor { name: stored.name.clone(), reason: error.to_string() })?;
            }
            let value = self.builder.literal(literal);
            scope.define(&stored.name, Some(value));
        }
        Ok(())
    }

    fn nodes(&mut self, nodes: &[NodeProto], needed: &Needed, scope: &mut Scope) -> Result<(), ImportError> {
        for (node, _) in nodes.iter().zip(&needed.nodes).filter(|(_, needed)| **needed) {
            let label = format!("{}{}", scope.prefix, label(node));
            let at = |error: NodeError| ImportError::Node { node: label.clone(), operator: operator_name(node), error };
            self.spend_node().map_err(at)?;
            let inputs = node
                .input
                .iter()
                .map(|name| match name.as_str() {
                    "" => Ok(None),
                    name => scope.find(name).ok_or_else(|| at(NodeError::Undefined { value: name.to_owned() })),
                })
                .collect::<Result<Vec<_>, _>>()?;
            let used: Vec<bool> = node.output.iter().map(|name| needed.names.contains(name.as_str())).collect();
            let results = self.node(node, inputs, used.clone(), &label, scope)?;
            for (index, name) in node.output.iter().enumerate().filter(|(index, _)| used[*index]) {
                match results.get(index) {
                    Some(value) => scope.define(name, *value),
                    None => {
                        return Err(at(NodeError::unsupported(
                            format!("its output {index} (`{name}`) is not supported"),
                            "remove what reads it",
                        )))
                    }
                }
            }
        }
        Ok(())
    }

    /// Counts a node.
    fn spend_node(&mut self) -> Result<(), NodeError> {
        let too_many = NodeError::TooLarge { what: "nodes after inlining", found: MAX_NODES + 1, limit: MAX_NODES };
        self.nodes_left = self.nodes_left.checked_sub(1).ok_or(too_many)?;
        Ok(())
    }

    /// Lowers one node: a call of a function, a branch, a loop, or an operator.
    fn node(
        &mut self,
        node: &NodeProto,
        inputs: Vec<Option<ValueId>>,
        used_outputs: Vec<bool>,
        label: &str,
        scope: &Scope,
    ) -> Result<Vec<Option<ValueId>>, ImportError> {
        let at = |error: NodeError| ImportError::Node { node: label.to_owned(), operator: operator_name(node), error };
        if let Some(attribute) = node.attribute.iter().find(|attribute| !attribute.ref_attr_name.is_empty()) {
            return Err(at(NodeError::attribute(&attribute.name, "it refers to a function's attribute outside one")));
        }
        let domain = canonical_domain(&node.domain);
        let key = (domain.to_owned(), node.op_type.clone(), node.overload.clone());
        if let Some(function) = self.model.functions.get(&key) {
            return self.call(function, node, &inputs, label, scope);
        }
        let unknown = NodeError::UnknownDomain { domain: domain.to_owned() };
        let version = *scope
            .operator_sets
            .get(domain)
            .or_else(|| self.model.operator_sets.get(domain))
            .ok_or_else(|| at(unknown.clone()))?;
        if !matches!(domain, "ai.onnx" | "ai.onnx.ml" | "com.microsoft") {
            return Err(at(unknown));
        }
        if domain == "ai.onnx" {
            let at = loops::Application { node, inputs: &inputs, used_outputs: &used_outputs, label, version };
            match node.op_type.as_str() {
                "If" => return self.branch(node, &inputs, label, scope),
                "Loop" => return self.repeat(&at, scope),
                "Scan" => return self.scan(&at, scope),
                _ => {}
            }
        }
        let operator =
            registry::find(domain, &node.op_type, version, node.input.len(), node.output.len()).map_err(at)?;
        if inputs.iter().flatten().any(|&input| self.builder.sequence(input).is_some())
            && !takes_sequences(&node.op_type)
        {
            return Err(at(NodeError::data_type("an operand is a sequence, not a tensor")));
        }
        let is_text = |&input: &ValueId| self.builder.dtype(input) == DType::Text;
        if inputs.iter().flatten().any(is_text) && !takes_texts(&node.op_type) {
            return Err(at(NodeError::unsupported(
                "an operand holds texts",
                "encode them as integers around the model",
            )));
        }
        self.builder.set_label(label);
        let attributes = Attributes::new(&node.attribute, self.external).map_err(at)?;
        let mut call = Call { builder: &mut self.builder, attributes, inputs, used_outputs, version };
        let results = operator(&mut call).map_err(at)?;
        results.iter().for_each(|&result| call.builder.note_integers(result, typed::wraps(&node.op_type)));
        match call.attributes.unread() {
            Some(attribute) => Err(at(NodeError::UnknownAttribute { attribute: attribute.to_owned(), version })),
            None => Ok(results.into_iter().map(Some).collect()),
        }
    }

    /// Inlines a function of the model.
    fn call(
        &mut self,
        function: &FunctionProto,
        node: &NodeProto,
        arguments: &[Option<ValueId>],
        label: &str,
        scope: &Scope,
    ) -> Result<Vec<Option<ValueId>>, ImportError> {
        let at = |error: NodeError| ImportError::Node { node: label.to_owned(), operator: operator_name(node), error };
        check_depth(scope).map_err(at)?;
        if arguments.len() > function.input.len() {
            let expected = format!("at most {}", function.input.len());
            return Err(at(NodeError::Arity { what: "inputs", expected, found: arguments.len() }));
        }
        let bound = bind_attributes(function, node).map_err(at)?;
        let sets: OperatorSets = operator_sets(&function.opset_import)?;
        let mut inner = Scope::new(&sets, format!("{label}/"), scope.depth + 1);
        for (index, name) in function.input.iter().enumerate() {
            inner.define(name, arguments.get(index).copied().flatten());
        }
        let body = function.node.iter().map(|node| substitute(node, &bound)).collect::<Vec<_>>();
        check_single_assignment(&body, &[], &inner)?;
        let outputs: Vec<&str> = function.output.iter().map(String::as_str).collect();
        self.nodes(&body, &needed(&body, &outputs), &mut inner)?;
        outputs.iter().map(|name| result(&inner, name).map_err(at)).collect()
    }

    /// Takes the branch that a constant condition chooses; where it depends on the inputs, each output is chosen among those
    /// of both.
    fn branch(
        &mut self,
        node: &NodeProto,
        inputs: &[Option<ValueId>],
        label: &str,
        scope: &Scope,
    ) -> Result<Vec<Option<ValueId>>, ImportError> {
        let at = |error: NodeError| ImportError::Node { node: label.to_owned(), operator: operator_name(node), error };
        check_depth(scope).map_err(at)?;
        let [Some(condition)] = inputs[..] else {
            return Err(at(NodeError::Arity { what: "inputs", expected: "1".into(), found: inputs.len() }));
        };
        let attributes = Attributes::new(&node.attribute, self.external).map_err(at)?;
        let branches = ["else_branch", "then_branch"]
            .map(|name| attributes.graph(name)?.ok_or_else(|| NodeError::attribute(name, "it is missing")));
        let [otherwise, then] = branches;
        let (otherwise, then) = (otherwise.map_err(at)?, then.map_err(at)?);
        if self.builder.elements(condition) != 1 || self.builder.dtype(condition) != DType::Bool {
            return Err(at(NodeError::shape("its condition is not one boolean")));
        }
        let known = self.builder.tensor(condition).map(|tensor| tensor.data[0] != 0.0);
        let mut results = |taken: &'_ GraphProto| {
            let mut inner = Scope::inside(scope, format!("{label}/"));
            let outputs: Vec<&str> = taken.output.iter().map(|output| output.name.as_str()).collect();
            self.graph(taken, &outputs, &mut inner)?;
            outputs.iter().map(|name| result(&inner, name).map_err(at)).collect::<Result<Vec<_>, _>>()
        };
        match known {
            Some(true) => results(then),
            Some(false) => results(otherwise),
            None => {
                let (then, otherwise) = (results(then)?, results(otherwise)?);
                self.builder.set_label(label);
                self.chosen(condition, &then, &otherwise).map_err(at)
            }
        }
    }

    /// For each pair of values the one that a condition of one element chooses.
    fn chosen(
        &mut self,
        condition: ValueId,
        then: &[Option<ValueId>],
        otherwise: &[Option<ValueId>],
    ) -> Result<Vec<Option<ValueId>>, NodeError> {
        let condition = self.builder.reshape(condition, vec![])?;
        if then.len() != otherwise.len() {
            let expected = format!("{} of both branches", then.len());
            return Err(NodeError::Arity { what: "outputs", expected, found: otherwise.len() });
        }
        let choose = |(then, otherwise): (&Option<ValueId>, &Option<ValueId>)| match (*then, *otherwise) {
            (Some(then), Some(otherwise)) if then == otherwise => Ok(Some(then)),
            (Some(then), Some(otherwise)) => {
                let shapes = [then, otherwise].map(|value| self.builder.shape(value).to_vec());
                if shapes[0] != shapes[1] {
                    return Err(NodeError::unsupported(
                        format!("a choice by data between shapes {:?} and {:?}", shapes[0], shapes[1]),
                        "give both branches results of one shape",
                    ));
                }
                self.builder.select(condition, then, otherwise).map(Some)
            }
            _ => Err(NodeError::unsupported("a choice by data between something and nothing", "give both")),
        };
        then.iter().zip(otherwise).map(choose).collect()
    }
}

fn result(scope: &Scope, name: &str) -> Result<Option<ValueId>, NodeError> {
    scope.find(name).ok_or_else(|| NodeError::Undefined { value: name.to_owned() })
}

fn check_depth(scope: &Scope) -> Result<(), NodeError> {
    if scope.depth < MAX_DEPTH {
        return Ok(());
    }
    let found = u64::from(scope.depth) + 1;
    Err(NodeError::TooLarge { what: "nesting of functions and branches", found, limit: MAX_DEPTH.into() })
}

/// The name of a node, or of its first output.
fn label(node: &NodeProto) -> &str {
    [&node.name].into_iter().chain(&node.output).find(|name| !name.is_empty()).map_or(&node.op_type, String::as_str)
}

fn operator_name(node: &NodeProto) -> String {
    match canonical_domain(&node.domain) {
        "ai.onnx" => node.op_type.clone(),
        domain => format!("{domain}.{}", node.op_type),
    }
}

/// Element type and shape of an input; dynamic sizes by name from the options, else 1.
fn input_type(
    input: &ValueInfoProto,
    options: &ImportOptions,
    dimensions: &mut BTreeSet<String>,
) -> Result<(DType, Vec<usize>), String> {
    let tensor = input.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()).ok_or("it is no tensor")?;
    let dtype = DType::from_onnx(tensor.elem_type).map_err(|name| {
        let remedy = if name == "string" { "; encode it as integers before the model" } else { "" };
        format!("element type {name} is not supported{remedy}")
    })?;
    let mut sizes = vec![];
    for declared in declared_shape(input)? {
        let size = match declared {
            DeclaredSize::Fixed(size) => size,
            DeclaredSize::Dynamic(name) => {
                let size = options.dims.get(&name).copied().unwrap_or(1);
                dimensions.insert(name);
                size
            }
        };
        if size == 0 {
            return Err("it has no elements".into());
        }
        sizes.push(size);
    }
    Ok((dtype, sizes))
}

/// Refuses a graph that defines a name twice.
fn check_single_assignment(nodes: &[NodeProto], stored: &[TensorProto], scope: &Scope) -> Result<(), ImportError> {
    let mut seen = HashSet::new();
    let results = nodes.iter().flat_map(|node| &node.output).filter(|name| !name.is_empty());
    for name in results.chain(stored.iter().map(|tensor| &tensor.name)) {
        let own_input = scope.outer.is_none() && scope.find(name).is_some();
        if !seen.insert(name) || own_input {
            return Err(ImportError::Graph { reason: format!("`{name}` is defined twice") });
        }
    }
    Ok(())
}

/// What the outputs of a graph depend on.
struct Needed {
    /// For each node whether it is needed.
    nodes: Vec<bool>,
    /// The names that are read.
    names: HashSet<String>,
}

/// Goes backwards from the outputs.
fn needed(nodes: &[NodeProto], outputs: &[&str]) -> Needed {
    let mut names: HashSet<String> = outputs.iter().map(|name| (*name).to_owned()).collect();
    let mut flags = vec![false; nodes.len()];
    for (index, node) in nodes.iter().enumerate().rev() {
        if node.output.iter().any(|name| !name.is_empty() && names.contains(name)) {
            flags[index] = true;
            collect_reads(node, &mut names);
        }
    }
    Needed { nodes: flags, names }
}

/// Names that a node reads, those of its subgraphs included.
fn collect_reads(node: &NodeProto, names: &mut HashSet<String>) {
    names.extend(node.input.iter().filter(|name| !name.is_empty()).cloned());
    for graph in node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()) {
        graph.node.iter().for_each(|inner| collect_reads(inner, names));
        names.extend(graph.output.iter().map(|output| output.name.clone()));
    }
}

/// The attributes of a call by name, defaults of the function included.
fn bind_attributes(function: &FunctionProto, node: &NodeProto) -> Result<Vec<AttributeProto>, NodeError> {
    let declared = |name: &str| {
        function.attribute.iter().any(|known| known == name)
            || function.attribute_proto.iter().any(|known| known.name == name)
    };
    if let Some(attribute) = node.attribute.iter().find(|attribute| !declared(&attribute.name)) {
        return Err(NodeError::attribute(&attribute.name, "the function has no such attribute"));
    }
    let given = |name: &str| node.attribute.iter().any(|attribute| attribute.name == name);
    let defaults = function.attribute_proto.iter().filter(|default| !given(&default.name));
    Ok(node.attribute.iter().chain(defaults).cloned().collect())
}

/// A node of a function body with references to the function's attributes replaced; an attribute that refers to one
/// that was left out is left out too.
fn substitute(node: &NodeProto, bound: &[AttributeProto]) -> NodeProto {
    let resolve = |attribute: &AttributeProto| {
        let mut resolved = if attribute.ref_attr_name.is_empty() {
            attribute.clone()
        } else {
            let source = bound.iter().find(|source| source.name == attribute.ref_attr_name)?;
            AttributeProto { name: attribute.name.clone(), ..source.clone() }
        };
        if let Some(graph) = &mut resolved.g {
            graph.node = graph.node.iter().map(|inner| substitute(inner, bound)).collect();
        }
        Some(resolved)
    };
    NodeProto { attribute: node.attribute.iter().filter_map(resolve).collect(), ..node.clone() }
}
