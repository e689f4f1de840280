//! The import of a model.

use crate::error::ImportError;
use crate::float::graph::FloatGraph;
use crate::parse::{self, ExternalData};
use crate::{lower, passes};
use std::collections::BTreeMap;
use std::path::Path;

/// How a model is imported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Sizes of dynamic dimensions by name; those not listed, and those without a name, are 1.
    pub dims: BTreeMap<String, usize>,
}

/// Elements of folded constants and index maps that any model may take.
const BASE_ELEMENTS: u64 = 1 << 26;
/// Such elements per byte of the file.
const ELEMENTS_PER_BYTE: u64 = 4;

/// Imports a model whose tensors lie in the file itself.
///
/// # Errors
///
/// When the bytes are no model, or the model uses something that is not supported; see [`ImportError`].
pub fn import(bytes: &[u8], options: &ImportOptions) -> Result<FloatGraph, ImportError> {
    import_with(bytes, options, &ExternalData::default())
}

/// Imports a model file; tensors may lie in other files of its folder and below.
///
/// # Errors
///
/// When the file cannot be read, is no model, or uses something that is not supported; see [`ImportError`].
pub fn import_file(path: &Path, options: &ImportOptions) -> Result<FloatGraph, ImportError> {
    let file = |source| ImportError::File { path: path.display().to_string(), source };
    let found = std::fs::metadata(path).map_err(file)?.len();
    if found > parse::MAX_FILE_BYTES {
        return Err(ImportError::TooLarge { what: "model file, bytes".into(), found, limit: parse::MAX_FILE_BYTES });
    }
    let bytes = std::fs::read(path).map_err(file)?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    import_with(&bytes, options, &ExternalData::below(Some(folder)))
}

fn import_with(bytes: &[u8], options: &ImportOptions, external: &ExternalData) -> Result<FloatGraph, ImportError> {
    let model = parse::decode(bytes)?;
    let limit = BASE_ELEMENTS + ELEMENTS_PER_BYTE * bytes.len() as u64;
    let graph = passes::simplify(lower::lower(&model, external, options, limit)?);
    passes::check_finite(&graph)?;
    Ok(graph)
}

#[cfg(test)]
mod tests;
