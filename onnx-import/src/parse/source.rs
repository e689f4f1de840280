//! What a model is made from: its file, and the files in which data of its tensors lie.

use super::external::resolve;
use super::{decode, folder_of, read, Model};
use crate::error::ImportError;
use crate::proto::{AttributeProto, GraphProto, TensorProto};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Opens the digest of a model that has data in other files.
const TAG: &[u8] = b"zkinfer source 1: a model and its external data";

/// A model's file with the other files that its tensors name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelSource {
    /// Names all that the model is made from. Where all tensors lie in the model's file it is the SHA-256 of that; else the SHA-256 of
    /// `zkinfer source 1: a model and its external data`, the SHA-256 of the model's file, and for each other file, by the order of their
    /// names, the name's length as eight bytes (the highest first), the name, and the SHA-256 of the file, or zeros where it is not there.
    pub digest: [u8; 32],
    /// The other files, as the model names them.
    pub files: Vec<String>,
}

impl ModelSource {
    /// That of a model's file. The other files are read piece by piece.
    ///
    /// # Errors
    /// The model can't be read or is none, or another file can't be read to its end.
    pub fn of(path: &Path) -> Result<Self, ImportError> {
        let (_, bytes) = read(path)?;
        Self::of_model(&decode(bytes)?, Some(folder_of(path)))
    }

    /// That of a model whose other files lie below `folder`; with `None` they are out of reach.
    pub(crate) fn of_model(model: &Model, folder: Option<&Path>) -> Result<Self, ImportError> {
        let files: Vec<_> = locations(model).into_iter().map(str::to_owned).collect();
        if files.is_empty() {
            return Ok(Self { digest: model.digest, files });
        }
        let mut hash = Sha256::new().chain_update(TAG).chain_update(model.digest);
        let mut known = BTreeMap::new();
        for location in &files {
            let path = folder.and_then(|folder| resolve(folder, location).ok());
            hash.update((location.len() as u64).to_be_bytes());
            hash.update(location);
            hash.update(path.map_or(Ok([0; 32]), |path| digest_once(&mut known, path, location))?);
        }
        Ok(Self { digest: hash.finalize().into(), files })
    }
}

/// The digest of a file, which is read once however many names the model has for it.
fn digest_once(
    known: &mut BTreeMap<PathBuf, [u8; 32]>,
    path: PathBuf,
    location: &str,
) -> Result<[u8; 32], ImportError> {
    if let Some(&digest) = known.get(&path) {
        return Ok(digest);
    }
    let digest = || {
        let mut hash = Sha256::new();
        std::io::copy(&mut File::open(&path)?, &mut hash)?;
        Ok(hash.finalize().into())
    };
    let digest = digest().map_err(|source| ImportError::File { path: location.to_owned(), source })?;
    known.insert(path, digest);
    Ok(digest)
}

/// The names of other files, of all tensors of the graph, the graphs in it, and the functions.
fn locations(model: &Model) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    let mut graphs = vec![&model.graph];
    for function in model.functions.values() {
        let of_nodes = function.node.iter().flat_map(|node| &node.attribute);
        of_attributes(function.attribute_proto.iter().chain(of_nodes), &mut found, &mut graphs);
    }
    while let Some(graph) = graphs.pop() {
        let sparse = graph.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref());
        found.extend(graph.initializer.iter().chain(sparse).filter_map(location));
        of_attributes(graph.node.iter().flat_map(|node| &node.attribute), &mut found, &mut graphs);
    }
    found
}

/// The names in attributes; graphs in them are left for later.
fn of_attributes<'m>(
    attributes: impl Iterator<Item = &'m AttributeProto>,
    found: &mut BTreeSet<&'m str>,
    graphs: &mut Vec<&'m GraphProto>,
) {
    for attribute in attributes {
        found.extend(attribute.t.as_ref().and_then(location));
        graphs.extend(&attribute.g);
    }
}

/// The file that a tensor's data lie in, where it is another one.
fn location(tensor: &TensorProto) -> Option<&str> {
    let entry = tensor.external_data.iter().find(|entry| entry.key == "location").filter(|_| tensor.data_location == 1);
    entry.map(|entry| entry.value.as_str())
}
