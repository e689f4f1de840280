//! The sizes of the dimensions that a model leaves open: those that were given, else those of samples, else 1.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::anyhow;
use onnx_import::samples::Samples;
use onnx_import::{declared_inputs, dynamic_dimensions, DeclaredInput, DynamicDimension};

use crate::args::ModelOptions;
use crate::artifacts::is_artifact;
use crate::exit::{Failure, Outcome};
use crate::pipeline::model::import_failure;
use crate::printer::Printer;

/// Where a size is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// The command line.
    Given,
    /// The input that the program is made for.
    Input,
    /// The calibration samples.
    Calibration,
    /// Nowhere: 1 was taken.
    Assumed,
}

impl Origin {
    /// In words, behind the size.
    fn words(self) -> &'static str {
        match self {
            Self::Given => "",
            Self::Input => " (as the input has it)",
            Self::Calibration => " (as the calibration samples have it)",
            Self::Assumed => " (not given)",
        }
    }
}

/// The dynamic dimensions of a model with their sizes, in the order in which the inputs have them.
#[derive(Clone, Debug)]
pub(crate) struct Dimensions {
    inputs: Vec<DeclaredInput>,
    sized: Vec<(DynamicDimension, usize, Origin)>,
}

impl Dimensions {
    /// Those of a model: given by the options, or as the input of which they tell has it, or else the calibration samples.
    ///
    /// # Errors
    /// The model can't be read, the options name a dimension that it does not have, or a file of samples can't be read.
    pub(crate) fn of(model: &Path, options: &ModelOptions) -> Outcome<Self> {
        let inputs = declared(model)?;
        let dimensions = dynamic_dimensions(&inputs);
        let given: BTreeMap<&str, usize> =
            options.dims.iter().map(|dimension| (dimension.name.as_str(), dimension.size)).collect();
        let is_known = |name: &str| dimensions.iter().any(|dimension| dimension.name == name);
        if let Some(name) = given.keys().find(|name| !is_known(name)) {
            let known: Vec<&str> = dimensions.iter().map(|dimension| dimension.name.as_str()).collect();
            let fault = match known.is_empty() {
                true => anyhow!("the model has no dynamic dimension `{name}`, nor any other"),
                false => anyhow!("the model has no dynamic dimension `{name}`; it has: {}", known.join(", ")),
            };
            return Err(Failure::misuse(fault).remedy("give --dim with a name that the model has"));
        }
        let is_open = dimensions.iter().any(|dimension| !given.contains_key(dimension.name.as_str()));
        let told = |file: Option<&Path>| match file.filter(|_| is_open) {
            Some(file) if !is_artifact(file)? => Ok(Samples::read(file).map_err(Failure::misuse)?.dimensions(&inputs)),
            _ => Ok(BTreeMap::new()),
        };
        let by_input = told(options.made_for.as_deref())?;
        let by_calibration = match options.calibrated_on_input {
            true => BTreeMap::new(),
            false => told(options.calibration.as_deref())?,
        };
        let size = |name: &str| {
            let sources = [
                (given.get(name), Origin::Given),
                (by_input.get(name), Origin::Input),
                (by_calibration.get(name), Origin::Calibration),
            ];
            let found = sources.into_iter().find_map(|(size, origin)| Some((*size?, origin)));
            found.unwrap_or((1, Origin::Assumed))
        };
        let sized = dimensions.into_iter().map(|dimension| {
            let (size, origin) = size(&dimension.name);
            (dimension, size, origin)
        });
        Ok(Self { sized: sized.collect(), inputs })
    }

    /// The sizes by name, as they are recorded in a program.
    pub(crate) fn sizes(&self) -> BTreeMap<String, usize> {
        self.sized.iter().map(|(dimension, size, _)| (dimension.name.clone(), *size)).collect()
    }

    /// Tells each of them, and where its size is from.
    ///
    /// # Errors
    /// Standard output is closed.
    pub(crate) fn print(&self, printer: Printer) -> Outcome {
        let told = |(dimension, size, origin): &(DynamicDimension, usize, Origin)| {
            format!("{} = {size}{}", dimension.name, origin.words())
        };
        match self.sized.is_empty() {
            true => Ok(()),
            false => printer.field("dimensions", self.sized.iter().map(told).collect::<Vec<_>>().join(", ")),
        }
    }

    /// One warning for each that was taken as 1 though it does not count samples.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = String> + '_ {
        let assumed =
            self.sized.iter().filter(|(dimension, _, origin)| *origin == Origin::Assumed && !dimension.counts_samples);
        assumed.map(|(dimension, ..)| {
            let places = dimension.places.iter().map(|&(input, axis)| {
                let name = &self.inputs[input].name;
                format!("axis {axis} of {name:?}")
            });
            format!(
                "the dimension `{0}` ({1}) is taken as 1, as nothing says how long it is, and proofs will be of inputs of that \
                 length alone: give --dim {0}=SIZE, or samples of the length that is meant",
                dimension.name,
                places.collect::<Vec<_>>().join(", ")
            )
        })
    }
}

fn declared(model: &Path) -> Outcome<Vec<DeclaredInput>> {
    declared_inputs(model).map_err(|error| import_failure(error).context(model.display().to_string()))
}

/// The sizes of those dimensions that a model has.
///
/// # Errors
/// It can't be read.
pub(crate) fn known_to(model: &Path, sizes: &BTreeMap<String, usize>) -> Outcome<BTreeMap<String, usize>> {
    let known = dynamic_dimensions(&declared(model)?);
    let sizes = sizes.iter().filter(|(name, _)| known.iter().any(|dimension| dimension.name == **name));
    Ok(sizes.map(|(name, size)| (name.clone(), *size)).collect())
}

/// Tells the sizes that a compiled program records.
///
/// # Errors
/// Standard output is closed.
pub(crate) fn print_recorded(printer: Printer, sizes: &BTreeMap<String, usize>) -> Outcome {
    match sizes.is_empty() {
        true => Ok(()),
        false => {
            let told: Vec<_> = sizes.iter().map(|(name, size)| format!("{name} = {size}")).collect();
            printer.field("dimensions", told.join(", "))
        }
    }
}
