//! Models of a corpus, compiled as the command compiles them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use circuits::graph::Program;
use onnx_import::quantize::{self, QuantizeOptions};
use onnx_import::samples::{InputSpec, Samples};
use onnx_import::{import_file, ImportOptions};

/// Compiles the model of a folder as `zkinfer compile` does, on its samples, and takes the first one for the run: the program, and
/// values of its inputs.
///
/// # Errors
/// The model or its samples can't be read, or it can't be compiled.
pub fn model(folder: &Path) -> Result<(Program, Vec<Vec<i64>>)> {
    let graph = import_file(&folder.join("model.onnx"), &ImportOptions::default())?;
    let test = folder.join("test.npz");
    let calibration = folder.join("calibration.npz");
    let calibration = Samples::read(if calibration.exists() { &calibration } else { &test })?;
    let program = quantize::compile(&graph, Some(&calibration), &QuantizeOptions::default())?.program;
    let tensors = Samples::read(&test)?.inputs(&InputSpec::of_program(&program), 0)?;
    let inputs = quantize::quantize_inputs(&program, &tensors)?.values;
    Ok((program, inputs))
}

/// The folders of a corpus that hold a model and samples, by name.
///
/// # Errors
/// The corpus can't be read.
pub fn folders(corpus: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(corpus).with_context(|| corpus.display().to_string())?;
    let mut folders = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    folders.retain(|folder| folder.join("model.onnx").exists() && folder.join("test.npz").exists());
    folders.sort();
    Ok(folders)
}
