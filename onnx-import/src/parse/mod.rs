//! Bytes to a model whose structure has been checked.
//!
//! [`decode`] bounds the memory that the protobuf can take before it is decoded, and checks what concerns the model as a
//! whole. Tensors are decoded by [`tensor::decode`] when the graph that holds them is entered.

mod budget;
mod external;
mod order;
mod source;
pub(crate) mod tensor;

use crate::error::ImportError;
use crate::proto::{FunctionProto, GraphProto, ModelProto, OperatorSetIdProto};
use prost::bytes::Bytes;
use prost::Message;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

pub(crate) use external::ExternalData;
pub use source::ModelSource;

/// Largest file that is read: what protobuf itself can hold.
const MAX_FILE_BYTES: u64 = 1 << 31;

/// Operator sets of the default domain that are supported.
const ONNX_VERSIONS: (i64, i64) = (1, 28);
/// Operator sets of `ai.onnx.ml` that are supported.
const ML_VERSIONS: (i64, i64) = (1, 5);

/// A model that has been decoded.
pub(crate) struct Model {
    /// SHA-256 of the file, without those in which data of its tensors lie.
    pub(crate) digest: [u8; 32],
    /// The main graph.
    pub(crate) graph: GraphProto,
    /// Operator sets by domain.
    pub(crate) operator_sets: OperatorSets,
    /// Functions by domain, name and overload.
    pub(crate) functions: BTreeMap<FunctionKey, FunctionProto>,
}

/// Names a function: domain, name, overload.
pub(crate) type FunctionKey = (String, String, String);

/// Versions by domain; the default domain is `ai.onnx`.
pub(crate) type OperatorSets = BTreeMap<String, i64>;

/// The default domain goes by two names.
pub(crate) fn canonical_domain(domain: &str) -> &str {
    if domain.is_empty() {
        "ai.onnx"
    } else {
        domain
    }
}

/// A model's file, open, and its bytes.
pub(crate) fn read(path: &Path) -> Result<(File, Bytes), ImportError> {
    let file = |source| ImportError::File { path: path.display().to_string(), source };
    let found = std::fs::metadata(path).map_err(file)?.len();
    if found > MAX_FILE_BYTES {
        return Err(ImportError::TooLarge { what: "model file, bytes".into(), found, limit: MAX_FILE_BYTES });
    }
    let mut opened = File::open(path).map_err(file)?;
    let mut bytes = Vec::new();
    opened.read_to_end(&mut bytes).map_err(file)?;
    Ok((opened, bytes.into()))
}

/// The folder that a file lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Decodes a model file.
pub(crate) fn decode(bytes: Bytes) -> Result<Model, ImportError> {
    let not_onnx = |reason: String| ImportError::NotOnnx { reason };
    if bytes.is_empty() {
        return Err(not_onnx("the file is empty".into()));
    }
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(ImportError::TooLarge {
            what: "model file, bytes".into(),
            found: bytes.len() as u64,
            limit: MAX_FILE_BYTES,
        });
    }
    budget::check(&bytes)?;
    let digest = Sha256::digest(&bytes).into();
    // What the model holds of raw data are parts of these bytes.
    let model = ModelProto::decode(bytes).map_err(|error| not_onnx(error.to_string()))?;
    let mut graph = model.graph.ok_or_else(|| not_onnx("it holds no graph".into()))?;
    order::sort(&mut graph);
    if model.ir_version < 1 {
        return Err(not_onnx("it has no IR version".into()));
    }
    let operator_sets = operator_sets(&model.opset_import)?;
    if operator_sets.is_empty() {
        return Err(not_onnx("it imports no operator set".into()));
    }
    Ok(Model { digest, graph, operator_sets, functions: functions(model.functions)? })
}

/// Checks and collects imports of operator sets. Domains that are not known may be imported: it matters only when a node
/// uses one.
pub(crate) fn operator_sets(imports: &[OperatorSetIdProto]) -> Result<OperatorSets, ImportError> {
    let mut sets = OperatorSets::new();
    for import in imports {
        let domain = canonical_domain(&import.domain);
        let bounds = match domain {
            "ai.onnx" => Some(ONNX_VERSIONS),
            "ai.onnx.ml" => Some(ML_VERSIONS),
            _ => None,
        };
        if let Some((oldest, newest)) = bounds.filter(|(oldest, newest)| !(*oldest..=*newest).contains(&import.version))
        {
            return Err(ImportError::OperatorSet { domain: domain.into(), version: import.version, oldest, newest });
        }
        if sets.insert(domain.to_owned(), import.version).is_some_and(|other| other != import.version) {
            return Err(ImportError::Graph { reason: format!("domain `{domain}` is imported in two versions") });
        }
    }
    Ok(sets)
}

fn functions(list: Vec<FunctionProto>) -> Result<BTreeMap<FunctionKey, FunctionProto>, ImportError> {
    let mut functions = BTreeMap::new();
    for function in list {
        let key = (canonical_domain(&function.domain).to_owned(), function.name.clone(), function.overload.clone());
        let name = format!("{}.{}", key.0, key.1);
        if functions.insert(key, function).is_some() {
            return Err(ImportError::Graph { reason: format!("function `{name}` is defined twice") });
        }
    }
    Ok(functions)
}
