//! What is proven.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use circuits::graph::Program;
use circuits::layout::LayoutOptions;
use prover::srs::Srs;
use zkinfer_benches::{models, networks};

/// Units of the synthetic machines.
const UNITS: u32 = 4;
/// The model of the corpus that is measured.
const CORPUS_MODEL: &str = "lenet_28";
/// Sizes of the layers of the wide network.
const WIDE: [usize; 5] = [784, 1024, 1024, 512, 10];
/// Sizes of the synthetic machines that both engines are measured on.
const MACHINES: [u32; 2] = [16, 18];

/// A program and a run of it.
pub(crate) struct Workload {
    /// The program.
    pub(crate) program: Program,
    /// How it is laid out.
    pub(crate) options: LayoutOptions,
    /// Values of its inputs.
    pub(crate) inputs: Vec<Vec<i64>>,
}

/// How a workload is made; made late, for some are large.
pub(crate) enum Source {
    /// A model with samples.
    Model(PathBuf),
    /// Dense layers of these sizes.
    Dense(&'static [usize]),
    /// A picture that fills so many rows.
    Picture(u32),
}

impl Source {
    /// All workloads of the comparison. Without a corpus the model is the one of the examples.
    pub(crate) fn all(corpus: &Path) -> Vec<Self> {
        let model = corpus.join(CORPUS_MODEL);
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/digits");
        let model = if model.join("model.onnx").exists() { model } else { example };
        let mut sources = vec![Self::Model(model), Self::Dense(&WIDE)];
        sources.extend(MACHINES.map(Self::Picture));
        sources
    }

    /// The workload's name.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Model(folder) => folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            Self::Dense(sizes) => {
                let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
                format!("dense {}", sizes.join("-"))
            }
            Self::Picture(k) => format!("picture 2^{k}"),
        }
    }

    /// Makes the workload.
    ///
    /// # Errors
    /// The model or its samples can't be read.
    pub(crate) fn make(&self) -> Result<Workload> {
        let (program, options) = match self {
            Self::Model(folder) => {
                let (program, inputs) = models::model(folder)?;
                return Ok(Workload { program, options: LayoutOptions::default(), inputs });
            }
            Self::Dense(sizes) => (networks::dense_network(&self.name(), sizes), LayoutOptions::default()),
            Self::Picture(k) => {
                (networks::picture_of_rows(*k), LayoutOptions { units: Some(UNITS), ..LayoutOptions::default() })
            }
        };
        let inputs = networks::inputs(&program);
        Ok(Workload { program, options, inputs })
    }
}

/// Development SRS files, made when they are first asked for.
pub(crate) struct SrsFiles {
    folder: PathBuf,
    made: BTreeMap<u32, PathBuf>,
}

impl SrsFiles {
    /// Files in a folder.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), made: BTreeMap::new() }
    }

    /// The file of `2^k` powers.
    ///
    /// # Errors
    /// `k` is out of bounds, or the system refuses.
    pub(crate) fn get(&mut self, k: u32) -> Result<PathBuf> {
        if let Some(path) = self.made.get(&k) {
            return Ok(path.clone());
        }
        let path = self.folder.join(format!("{k}.srs"));
        Srs::development(k)?.write(&path).with_context(|| path.display().to_string())?;
        self.made.insert(k, path.clone());
        Ok(path)
    }
}
