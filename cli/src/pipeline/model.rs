//! From a model to a program, and from a program to its layout.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::anyhow;
use circuits::analysis::Headroom;
use circuits::graph::{FamilyError, Port, PortKind, Program, ProgramError, Visibility};
use circuits::interface::{Direction, InterfacePort};
use circuits::layout::{self, Layout, LayoutError, LayoutOptions, Objective};
use onnx_import::accuracy::{Difference, Fidelity};
use onnx_import::float::graph::{FloatGraph, FloatPort};
use onnx_import::quantize::{
    self, Bits, CompileReport, Compiled as Compilation, DynamicScales, InputStep, NarrowerTable, QuantizeError,
    QuantizeOptions, SegmentedFunction,
};
use onnx_import::samples::{SampleError, Samples};
use onnx_import::{import_file, ImportError, ImportOptions, ModelSource, NodeError};
use prover::program::ProgramFile;
use prover::{Plan, SetupError};
use serde_json::{json, Value};

use crate::args::{InputLike, ModelOptions, VisibilityOptions, VisibilityRule, WeightsRule};
use crate::artifacts::{self, file_digest, is_artifact, Calibration, Folder, ProgramArtifact, Recipe};
use crate::exit::{Failure, Outcome};
use crate::pipeline::dimensions::{self, Dimensions};
use crate::pipeline::keys::read_key;
use crate::printer::Printer;

/// A program that has just been compiled.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// The program.
    pub(crate) artifact: ProgramArtifact,
    /// What the compiler chose and how well it does.
    pub(crate) report: CompileReport,
}

/// Reads a program, or compiles a model.
///
/// # Errors
/// The file is neither, or the model is refused.
pub(crate) fn load(
    path: &Path,
    options: &ModelOptions,
    visibility: &VisibilityOptions,
    printer: Printer,
) -> Outcome<ProgramArtifact> {
    if is_artifact(path)? {
        refuse_options(path, options, visibility)?;
        let artifact = ProgramArtifact::read(path)?;
        dimensions::print_recorded(printer, &artifact.recipe.dims)?;
        return Ok(artifact);
    }
    Ok(compile(path, options, visibility, 0, printer)?.artifact)
}

/// The options for a program that is made for an input: dynamic dimensions take its sizes, and its samples are in the place of
/// calibration samples that were not given, so that the scales fit at least this input. Scales are public, so only inputs that are public
/// too are taken; and those of other models stay as they are.
///
/// # Errors
/// A file can't be read.
pub(crate) fn made_for(
    input: &Path,
    path: &Path,
    options: &ModelOptions,
    visibility: &VisibilityOptions,
) -> Outcome<ModelOptions> {
    let audience = Audience::of(visibility);
    let public = audience.input == Visibility::Public
        && audience.inputs.iter().all(|name| audience.ports[name] == Visibility::Public)
        && !audience.private_weights;
    if is_artifact(path)? || is_artifact(input)? {
        return Ok(options.clone());
    }
    let made_for = ModelOptions { made_for: Some(input.to_path_buf()), ..options.clone() };
    match options.calibration.is_some() || options.like.is_some() || !public {
        true => Ok(made_for),
        false => Ok(ModelOptions { calibration: made_for.made_for.clone(), calibrated_on_input: true, ..made_for }),
    }
}

/// Like [`load`], and leaves the program in the folder. Tells whether the one there could be kept: without calibration samples of its own,
/// any that was made from the model with the same options otherwise.
///
/// # Errors
/// The file is neither, the model is refused, or the folder can't be written.
pub(crate) fn load_into(
    folder: &Folder,
    path: &Path,
    options: &ModelOptions,
    visibility: &VisibilityOptions,
    printer: Printer,
) -> Outcome<(ProgramArtifact, bool)> {
    let there = ProgramArtifact::read(&folder.program).ok();
    if is_artifact(path)? {
        let artifact = load(path, options, visibility, printer)?;
        if there.is_some_and(|there| there.digest == artifact.digest) {
            return Ok((artifact, true));
        }
        artifact.write(&folder.program)?;
        return Ok((artifact, false));
    }
    let dimensions = Dimensions::of(path, options)?;
    let mut recipe = Recipe::of(options, dimensions.sizes())?;
    if let Some(there) = there {
        if options.calibration.is_none() || options.calibrated_on_input {
            recipe.calibration = there.recipe.calibration;
        }
        if is_made_from(&there, path, &recipe, visibility)? {
            printer.field("reused", folder.program.display())?;
            dimensions.print(printer)?;
            return Ok((there, true));
        }
    }
    let compiled = compile_at(path, &dimensions, options, visibility, 0, printer)?;
    compiled.artifact.write(&folder.program)?;
    Ok((compiled.artifact, false))
}

/// Imports, calibrates and quantizes a model; so many of the worst nodes are found for the report.
///
/// # Errors
/// The model or the calibration samples can't be used.
pub(crate) fn compile(
    path: &Path,
    options: &ModelOptions,
    visibility: &VisibilityOptions,
    worst_nodes: usize,
    printer: Printer,
) -> Outcome<Compiled> {
    if is_artifact(path)? {
        let fault = anyhow!("{}: an ONNX model is expected, and this is a file of zkinfer", path.display());
        return Err(Failure::misuse(fault));
    }
    compile_at(path, &Dimensions::of(path, options)?, options, visibility, worst_nodes, printer)
}

/// [`compile`] of a model whose dimensions have these sizes.
fn compile_at(
    path: &Path,
    dimensions: &Dimensions,
    options: &ModelOptions,
    visibility: &VisibilityOptions,
    worst_nodes: usize,
    printer: Printer,
) -> Outcome<Compiled> {
    let recipe = Recipe::of(options, dimensions.sizes())?;
    dimensions.print(printer)?;
    if options.calibrated_on_input {
        printer.warn(
            "no calibration samples were given: ranges come from the samples of the input, which say little of other inputs where they are \
             few; give a sample file by --calibration",
        );
    }
    let sources = Sources { model: path, first: options.like.as_deref(), calibration: options.calibration.as_deref() };
    let warnings = dimensions.warnings().collect();
    compile_with(&sources, recipe, &Audience::of(visibility), worst_nodes, warnings, printer)
}

/// Imports a model as a float graph, its dynamic dimensions with these sizes.
///
/// # Errors
/// The model is refused.
pub(crate) fn import(path: &Path, dims: &BTreeMap<String, usize>, printer: Printer) -> Outcome<FloatGraph> {
    let options = ImportOptions { dims: dims.clone() };
    let graph = printer.stage("import", None, || import_file(path, &options));
    graph.map_err(|error| import_failure(error).context(path.display().to_string()))
}

/// Compiles a model with the options that a program records.
///
/// # Errors
/// The model can't be used, or the calibration samples are missing or others than the recorded ones.
pub(crate) fn compile_again(
    path: &Path,
    recorded: &ProgramArtifact,
    calibration: Option<&Path>,
    printer: Printer,
) -> Outcome<ProgramArtifact> {
    let recipe = recorded.recipe.clone();
    match (recipe.calibration, calibration) {
        (Calibration::Random, None) => {}
        (Calibration::Random, Some(_)) => {
            return Err(Failure::misuse(anyhow!(
                "the program was calibrated without samples; leave --calibration out"
            )));
        }
        (Calibration::Samples(digest), None) => {
            let fault = anyhow!("the program was calibrated on the samples {digest}");
            return Err(Failure::misuse(fault).remedy("give that file by --calibration"));
        }
        (Calibration::Samples(digest), Some(file)) if file_digest(file)? != digest => {
            let fault = anyhow!("{}: not the samples {digest} that the program was calibrated on", file.display());
            return Err(Failure::misuse(fault));
        }
        (Calibration::Samples(_), Some(_)) => {}
        (Calibration::Untold, _) => {
            let fault =
                anyhow!("the program does not tell what it was calibrated on, as it is what is public of another one");
            return Err(Failure::misuse(fault).remedy("give that one by --program, or this one in the model's place"));
        }
    }
    if recipe.like.is_some() {
        let fault = anyhow!("the program has the scales of another model, whose file is not among the arguments");
        return Err(Failure::misuse(fault).remedy("check the key by the first model, or by what `model family` writes"));
    }
    let audience = Audience::of_program(&recorded.program);
    let sources = Sources { model: path, first: None, calibration };
    Ok(compile_with(&sources, recipe, &audience, 0, Vec::new(), printer)?.artifact)
}

/// Lays a program out as its recipe says.
///
/// # Errors
/// The program fits no machine.
pub(crate) fn plan(artifact: &ProgramArtifact, printer: Printer) -> Outcome<Plan> {
    let &ProgramArtifact { ref program, digest, bytes, .. } = artifact;
    let file = ProgramFile { program: program.clone(), digest, bytes };
    let plan = printer.stage("layout", None, || Plan::of_file(file, artifact.recipe.layout));
    plan.map_err(|error| match error {
        SetupError::Layout(error) => layout_failure(error),
        other => Failure::refused(other),
    })
}

/// Lays a program out for another objective.
///
/// # Errors
/// The program fits no machine.
pub(crate) fn layout_for(artifact: &ProgramArtifact, objective: Objective, printer: Printer) -> Outcome<Layout> {
    let options = LayoutOptions { objective, ..artifact.recipe.layout };
    printer
        .stage("layout", None, || layout::compile_for(&artifact.program, &options, verifier::evm::gas_model))
        .map_err(layout_failure)
}

fn layout_failure(error: LayoutError) -> Failure {
    let remedy = match &error {
        LayoutError::TooLarge { .. } => Some("a smaller model or batch, or a model cut into parts, can be proved"),
        LayoutError::Program(ProgramError::OutOfBounds { .. }) => Some("try a smaller --batch"),
        LayoutError::Analysis(_) | LayoutError::Port { .. } => Some("try fewer --bits"),
        _ => None,
    };
    let failure = Failure::refused(error).context("the program can't be laid out");
    match remedy {
        Some(remedy) => failure.remedy(remedy),
        None => failure,
    }
}

impl Recipe {
    fn of(options: &ModelOptions, dims: BTreeMap<String, usize>) -> Outcome<Self> {
        let calibration = match &options.calibration {
            Some(path) => Calibration::Samples(file_digest(path)?),
            None => Calibration::Random,
        };
        let bits = match (options.bits, options.accuracy) {
            (Some(bits), _) => Bits::Fixed(bits),
            (None, Some(part)) => Bits::Keeping(part),
            (None, None) => Bits::Auto,
        };
        Ok(Self {
            bits,
            ranges: options.ranges.unwrap_or_default(),
            dynamic: options.dynamic.map_or_else(DynamicScales::default, DynamicScales::from),
            dims,
            layout: LayoutOptions {
                objective: options.optimize.map_or_else(Objective::default, Objective::from),
                k: options.rows,
                ..LayoutOptions::default()
            },
            calibration,
            steps: options.input_like.iter().map(step).collect::<Outcome<_>>()?,
            batch: options.batch.unwrap_or(1) as usize,
            like: options.like.as_deref().map(file_digest).transpose()?,
            headroom: options.headroom,
            missing: options.missing.iter().cloned().collect(),
        })
    }
}

/// The integers of the output that an input is to take, by the input's name.
fn step(like: &InputLike) -> Outcome<(String, InputStep)> {
    let key = read_key(&like.key)?;
    let outputs = || key.interface().ports.iter().filter(|port| port.direction == Direction::Output);
    let port = match &like.output {
        Some(name) => outputs().find(|port| port.name == *name),
        None => outputs().next().filter(|_| outputs().count() == 1),
    };
    let Some(InterfacePort { scale, lo, hi, .. }) = port else {
        let names: Vec<_> = outputs().map(|port| port.name.as_str()).collect();
        let fault = anyhow!("{}: the outputs are {}", like.key.display(), names.join(", "));
        return Err(Failure::misuse(fault).remedy("say by --input-like KEY#OUTPUT which of them is meant"));
    };
    Ok((like.input.clone().unwrap_or_default(), InputStep { scale: *scale, lo: *lo, hi: *hi }))
}

/// The same by the names of the model's inputs, where the name of the only one was left out.
fn named_steps(steps: &BTreeMap<String, InputStep>, graph: &FloatGraph) -> Outcome<BTreeMap<String, InputStep>> {
    let named = |(name, step): (&String, &InputStep)| match (name.is_empty(), &graph.inputs[..]) {
        (false, _) => Ok((name.clone(), *step)),
        (true, [only]) => Ok((only.name.clone(), *step)),
        (true, inputs) => {
            let names: Vec<_> = inputs.iter().map(|port| port.name.as_str()).collect();
            let fault = anyhow!("the model has the inputs {}", names.join(", "));
            Err(Failure::misuse(fault).remedy("say by --input-like INPUT=KEY which of them is meant"))
        }
    };
    steps.iter().map(named).collect()
}

/// The files that a program is made from.
#[derive(Clone, Copy, Debug)]
struct Sources<'a> {
    model: &'a Path,
    /// The model whose scales are taken.
    first: Option<&'a Path>,
    calibration: Option<&'a Path>,
}

fn compile_with(
    sources: &Sources<'_>,
    recipe: Recipe,
    audience: &Audience,
    worst_nodes: usize,
    warnings: Vec<String>,
    printer: Printer,
) -> Outcome<Compiled> {
    let named = || sources.model.display().to_string();
    let graph = import(sources.model, &recipe.dims, printer)?;
    let first = match sources.first {
        Some(first) => Some(import(first, &dimensions::known_to(first, &recipe.dims)?, printer)?),
        None => None,
    };
    let samples = match sources.calibration {
        Some(file) => Some(Samples::read(file).map_err(Failure::misuse)?),
        None => None,
    };
    audience.check(&graph)?;
    if recipe.headroom.is_some() && !audience.private_weights {
        let fault = anyhow!("--headroom is for private weights");
        return Err(Failure::misuse(fault).remedy("give --weights private, or leave it out"));
    }
    let options = QuantizeOptions {
        bits: recipe.bits,
        ranges: recipe.ranges,
        dynamic: recipe.dynamic,
        input: audience.input,
        output: audience.output,
        ports: audience.ports.clone(),
        steps: named_steps(&recipe.steps, &graph)?,
        missing: recipe.missing.clone(),
        private_weights: audience.private_weights,
        headroom: recipe.headroom.map_or_else(Headroom::default, Headroom::of_all),
        worst_nodes,
        ..QuantizeOptions::default()
    };
    let compiled = printer.stage("quantize", None, || match &first {
        Some(first) => quantize::compile_like(first, &graph, samples.as_ref(), &options),
        None => quantize::compile(&graph, samples.as_ref(), &options),
    });
    let at_fault = |error: &QuantizeError| match (error, sources.calibration) {
        (QuantizeError::Samples(_), Some(file)) => file.display().to_string(),
        _ => named(),
    };
    let compiled = compiled.map_err(|error| (at_fault(&error), error));
    let Compilation { mut program, mut report, .. } =
        compiled.map_err(|(file, error)| quantize_failure(error).context(file))?;
    // Nothing of the float models is read any more.
    drop((graph, first, samples));
    report.warnings.splice(..0, warnings);
    print_accuracy(printer, &report)?;
    program = batched(program, &recipe, printer)?;
    let artifact = ProgramArtifact::new(program, recipe, report.bits)?;
    Ok(Compiled { artifact, report })
}

/// The program for as many samples at once as the recipe says.
fn batched(program: Program, recipe: &Recipe, printer: Printer) -> Outcome<Program> {
    if recipe.batch == 1 {
        return Ok(program);
    }
    let gas = verifier::evm::gas_model;
    printer
        .stage("batch", None, || layout::batched(&program, recipe.batch, &recipe.layout, gas))
        .map_err(layout_failure)
}

/// What the quantization cost, for people.
fn print_accuracy(printer: Printer, report: &CompileReport) -> Outcome {
    report.warnings.iter().for_each(|warning| printer.warn(warning));
    for (bits, fidelity) in &report.tried {
        printer.field("accuracy", format_args!("{bits} bits: {fidelity}"))?;
    }
    for table in &report.narrower {
        printer.field("narrower", narrower(table))?;
    }
    for SegmentedFunction { function, segments, entries } in &report.segmented {
        printer.field("segments", format_args!("{function}: {segments} in the place of {entries} entries"))?;
    }
    Ok(())
}

/// A table that lost bits, for people: the last line of the accuracy is that of the program with it.
fn narrower(table: &NarrowerTable) -> String {
    const NAMED: usize = 3;
    let names: Vec<&str> = table.nodes.iter().take(NAMED).map(String::as_str).collect();
    let more = table.nodes.len() - names.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let (bits, names) = (table.fewer_bits, names.join(", "));
    format!("{}: {bits} bits fewer, {} entries ({names}{more})", table.function, table.entries)
}

/// How far each output and the worst nodes are off, for people.
///
/// # Errors
/// The output can't be written.
pub(crate) fn print_differences(printer: Printer, compiled: &Compiled) -> Outcome {
    let (program, report) = (&compiled.artifact.program, &compiled.report);
    let differences = report.tried.last().map_or(&[][..], |(_, fidelity)| &fidelity.differences);
    for (port, difference) in program.outputs.iter().zip(differences) {
        match port.kind {
            PortKind::Index => {
                let same = 100.0 * (1.0 - difference.wrong);
                printer.field("output", format_args!("{}: {same:.1} % are the same", port.name))?;
            }
            _ => printer.field("output", format_args!("{}: {difference}", port.name))?,
        }
    }
    for node in &report.worst {
        printer.field("worst node", format_args!("{}: {}", node.name, node.difference))?;
    }
    Ok(())
}

/// What the quantization cost, for programs.
pub(crate) fn accuracy(report: &CompileReport) -> Value {
    let fidelity = report.tried.last().map(|(_, fidelity)| fidelity);
    let score = fidelity.and_then(|fidelity| fidelity.scores);
    let differences = fidelity.iter().flat_map(|fidelity| &fidelity.differences);
    json!({
        "bits": report.bits,
        "narrower": report.narrower.iter().map(|table| json!({
            "function": table.function,
            "nodes": table.nodes,
            "fewer_bits": table.fewer_bits,
            "entries": table.entries,
        })).collect::<Vec<_>>(),
        "segmented": report.segmented.iter().map(|own| json!({
            "function": own.function,
            "segments": own.segments,
            "entries": own.entries,
        })).collect::<Vec<_>>(),
        "calibration_samples": report.calibration_samples,
        "metric": score.map(|(metric, ..)| metric.name()),
        "float_score": score.map(|(_, float, _)| float),
        "integer_score": score.map(|(_, _, integer)| integer),
        "kept": fidelity.map(Fidelity::kept),
        "largest_difference": differences.clone().map(|difference| difference.largest).fold(0.0, f64::max),
        "outputs": differences.map(difference_json).collect::<Vec<_>>(),
        "worst_nodes": report.worst.iter().map(|node| json!({
            "name": node.name,
            "difference": difference_json(&node.difference),
        })).collect::<Vec<_>>(),
        "warnings": report.warnings,
    })
}

fn difference_json(difference: &Difference) -> Value {
    json!({ "largest": difference.largest, "rms": difference.rms, "range": difference.width })
}

/// Samples and options that do not fit are misuse; models that have no integer form are a failure of the work.
fn quantize_failure(error: QuantizeError) -> Failure {
    match error {
        QuantizeError::Samples(SampleError::Shape { .. }) => Failure::misuse(error)
            .remedy("sizes of dynamic dimensions, if the model has any, are given by --dim NAME=SIZE"),
        QuantizeError::Samples(_)
        | QuantizeError::Option { .. }
        | QuantizeError::NoSuchPort { .. }
        | QuantizeError::Missing { .. }
        | QuantizeError::InputStep { .. } => Failure::misuse(error),
        QuantizeError::Outgrown(_) | QuantizeError::Family(FamilyError::Program(_)) => Failure::refused(error).remedy(
            "compile the first model again with --headroom, which makes another key, and this one with the same, or this one without --like",
        ),
        QuantizeError::Family(_) | QuantizeError::Unlike { .. } => Failure::refused(error)
            .remedy("keep in training what the first model has there, or compile this one without --like: it needs a key of its own"),
        _ => Failure::refused(error),
    }
}

/// Files that are no models are misuse; models that are refused are a failure of the work.
pub(crate) fn import_failure(error: ImportError) -> Failure {
    let remedy = match &error {
        ImportError::Node { error: NodeError::UnknownDomain { domain }, .. } if domain == "com.microsoft.nchwc" => {
            Some("onnxruntime wrote the file for one kind of processor: take the original, or write it at ORT_ENABLE_EXTENDED")
        }
        ImportError::Node { error: NodeError::UnknownOperator { .. } | NodeError::UnknownDomain { .. }, .. } => {
            Some("docs/operators.md lists the operators that can be proved; rewrite or cut the model at this node")
        }
        ImportError::Node { error: NodeError::NotConstant { .. }, .. } => {
            Some("export the model with concrete shapes, or give sizes of dynamic dimensions by --dim NAME=SIZE")
        }
        ImportError::Node { error: NodeError::Shape(_), .. } => {
            Some("sizes of dynamic dimensions, if the model has any, are given by --dim NAME=SIZE, else those of the samples, else 1")
        }
        ImportError::OperatorSet { .. } => Some("export the model with another opset"),
        _ => None,
    };
    let failure = match &error {
        ImportError::File { .. } | ImportError::NotOnnx { .. } | ImportError::UnknownDimension { .. } => {
            Failure::misuse(error)
        }
        _ => Failure::refused(error),
    };
    match remedy {
        Some(remedy) => failure.remedy(remedy),
        None => failure,
    }
}

/// Whether a program was made from this model with this recipe and visibility.
fn is_made_from(
    there: &ProgramArtifact,
    path: &Path,
    recipe: &Recipe,
    visibility: &VisibilityOptions,
) -> Outcome<bool> {
    let program = &there.program;
    let same = there.recipe == *recipe && Audience::of(visibility).is_that_of(program);
    Ok(same && program.source_digest == source(path)?.digest)
}

/// What a model's file says that the model is made from. The file is decoded only where it may name others.
///
/// # Errors
/// A file can't be read, or is no model.
pub(crate) fn source(path: &Path) -> Outcome<ModelSource> {
    match artifacts::contains(path, b"location")? {
        true => ModelSource::of(path).map_err(|error| import_failure(error).context(path.display().to_string())),
        false => Ok(ModelSource { digest: file_digest(path)?.0, files: Vec::new() }),
    }
}

/// Who sees the inputs and outputs of a program.
#[derive(Clone, Debug)]
struct Audience {
    /// Who sees the inputs that are not named.
    input: Visibility,
    /// Who sees the outputs that are not named.
    output: Visibility,
    /// Names that must be inputs.
    inputs: Vec<String>,
    /// Names that must be outputs.
    outputs: Vec<String>,
    /// Who sees the ports that are named.
    ports: BTreeMap<String, Visibility>,
    /// Whether the prover alone sees the weights.
    private_weights: bool,
}

impl Audience {
    /// Everybody, unless a rule says otherwise; later rules of a kind win, and a name wins over all.
    fn of(options: &VisibilityOptions) -> Self {
        let for_all = |rules: &[VisibilityRule]| {
            let last = rules.iter().rev().find(|rule| rule.name.is_none());
            last.map_or(Visibility::Public, |rule| rule.visibility)
        };
        let names = |rules: &[VisibilityRule]| rules.iter().filter_map(|rule| rule.name.clone()).collect();
        let rules = options.input_visibility.iter().chain(&options.output_visibility);
        Self {
            input: for_all(&options.input_visibility),
            output: for_all(&options.output_visibility),
            inputs: names(&options.input_visibility),
            outputs: names(&options.output_visibility),
            ports: rules.filter_map(|rule| Some((rule.name.clone()?, rule.visibility))).collect(),
            private_weights: !matches!(options.weights, None | Some(WeightsRule::Public)),
        }
    }

    /// That of a program.
    fn of_program(program: &Program) -> Self {
        let ports = program.inputs.iter().chain(&program.outputs);
        Self {
            input: Visibility::Public,
            output: Visibility::Public,
            inputs: Vec::new(),
            outputs: Vec::new(),
            ports: ports.map(|port| (port.name.clone(), port.visibility)).collect(),
            private_weights: program.has_private_weights(),
        }
    }

    fn is_that_of(&self, program: &Program) -> bool {
        let same = |port: &Port, all: Visibility| *self.ports.get(&port.name).unwrap_or(&all) == port.visibility;
        program.has_private_weights() == self.private_weights
            && program.inputs.iter().all(|port| same(port, self.input))
            && program.outputs.iter().all(|port| same(port, self.output))
    }

    /// Refuses names that the model does not have on that side.
    fn check(&self, graph: &FloatGraph) -> Outcome {
        check_names(&self.inputs, &graph.inputs, "input")?;
        check_names(&self.outputs, &graph.outputs, "output")
    }
}

fn check_names(names: &[String], ports: &[FloatPort], direction: &str) -> Outcome {
    match names.iter().find(|name| ports.iter().all(|port| port.name != **name)) {
        Some(name) => {
            let known: Vec<&str> = ports.iter().map(|port| port.name.as_str()).collect();
            let fault = anyhow!("the model has no {direction} named {name:?}; it has: {}", known.join(", "));
            Err(Failure::misuse(fault))
        }
        None => Ok(()),
    }
}

/// A compiled program has its options already.
fn refuse_options(path: &Path, options: &ModelOptions, visibility: &VisibilityOptions) -> Outcome {
    let given = [
        ("--calibration", options.calibration.is_some()),
        ("--bits", options.bits.is_some()),
        ("--accuracy", options.accuracy.is_some()),
        ("--ranges", options.ranges.is_some()),
        ("--dynamic", options.dynamic.is_some()),
        ("--optimize", options.optimize.is_some()),
        ("--dim", !options.dims.is_empty()),
        ("--rows", options.rows.is_some()),
        ("--batch", options.batch.is_some()),
        ("--input-like", !options.input_like.is_empty()),
        ("--like", options.like.is_some()),
        ("--headroom", options.headroom.is_some()),
        ("--missing", !options.missing.is_empty()),
        ("--input-visibility", !visibility.input_visibility.is_empty()),
        ("--output-visibility", !visibility.output_visibility.is_empty()),
        ("--weights", matches!(visibility.weights, Some(WeightsRule::Public | WeightsRule::Private))),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((flag, _)) => {
            let fault = anyhow!("{}: the program is compiled already, so {flag} can't change it", path.display());
            Err(Failure::misuse(fault).remedy("give the ONNX model, or leave the option out"))
        }
        None => Ok(()),
    }
}
