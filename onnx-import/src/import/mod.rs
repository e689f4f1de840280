//! The import of a model.

use crate::error::ImportError;
use crate::float::graph::FloatGraph;
use crate::parse::{self, ExternalData, ModelSource};
use crate::{lower, passes};
use prost::bytes::Bytes;
use std::collections::BTreeMap;
use std::path::Path;

/// How a model is imported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Sizes of dynamic dimensions by name, or as `INPUT#AXIS` where they have none; those not listed are 1.
    pub dims: BTreeMap<String, usize>,
}

/// Elements of folded constants and index maps that any model may take.
const BASE_ELEMENTS: u64 = 1 << 26;
/// Such elements per byte of the file.
const ELEMENTS_PER_BYTE: u64 = 4;

/// Elements of large constants whose reals are at hand at any time; others are converted whenever they are read.
const KEPT_REALS: usize = 1 << 24;

/// Imports a model whose tensors lie in the file itself.
///
/// # Errors
///
/// When the bytes are no model, or the model uses something that is not supported; see [`ImportError`].
pub fn import(bytes: &[u8], options: &ImportOptions) -> Result<FloatGraph, ImportError> {
    import_with(Bytes::copy_from_slice(bytes), options, ExternalData::default(), KEPT_REALS)
}

/// Imports a model file; tensors may lie in other files of its folder and below.
///
/// # Errors
///
/// When the file cannot be read, is no model, or uses something that is not supported; see [`ImportError`].
pub fn import_file(path: &Path, options: &ImportOptions) -> Result<FloatGraph, ImportError> {
    import_file_keeping(KEPT_REALS, path, options)
}

/// [`import_file`] that keeps so many elements of large constants as reals.
fn import_file_keeping(kept: usize, path: &Path, options: &ImportOptions) -> Result<FloatGraph, ImportError> {
    let (opened, bytes) = parse::read(path)?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let external = ExternalData::below(Some(parse::folder_of(path))).with_model(&name, opened, bytes.clone());
    import_with(bytes, options, external, kept)
}

fn import_with(
    bytes: Bytes,
    options: &ImportOptions,
    mut external: ExternalData,
    kept: usize,
) -> Result<FloatGraph, ImportError> {
    let limit = BASE_ELEMENTS + ELEMENTS_PER_BYTE * bytes.len() as u64;
    let model = parse::decode(bytes)?;
    let source = ModelSource::of_model(&model, external.folder())?;
    let graph = lower::lower(&model, &external, options, limit);
    // Of the model's bytes those that are still needed are read again.
    drop(model);
    external.forget_model();
    let graph = graph.map(passes::simplify);
    // Whatever else is wrong, it may come of that.
    external.check()?;
    let mut graph = graph?;
    graph.source_digest = source.digest;
    passes::check_finite(&graph)?;
    graph.keep_reals(kept);
    external.check()?;
    Ok(graph)
}

#[cfg(test)]
mod tests;
