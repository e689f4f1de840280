//! Values that somebody shows for the ports of a program, with the salts of the hashed ones: what a digest is checked
//! against.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::anyhow;
use circuits::digest::{PortDigest, Salt};
use circuits::graph::Visibility;
use circuits::interface::{Direction, Interface, InterfacePort};
use onnx_import::quantize::quantize_for_interface;
use onnx_import::samples::{InputSpec, Samples};
use serde::Deserialize;
use verifier::PublicData;

use crate::exit::{Failure, OrFail, Outcome};
use crate::printer::Printer;
use crate::report::NamedTensor;

/// Most bytes of a file of outputs.
const MAX_RESULT: u64 = 1 << 28;

/// Values by port; `None` for those that nobody shows.
pub(crate) struct Shown {
    values: Vec<Option<Vec<i64>>>,
}

impl Shown {
    /// No values yet.
    pub(crate) fn nothing(interface: &Interface) -> Self {
        Self { values: vec![None; interface.ports.len()] }
    }

    /// Adds the inputs of a sample file.
    ///
    /// # Errors
    /// The file can't be read, or does not fit the inputs.
    pub(crate) fn inputs(self, interface: &Interface, path: &Path, sample: usize, printer: Printer) -> Outcome<Self> {
        let named = || path.display().to_string();
        let samples = Samples::read(path).map_err(Failure::misuse)?;
        let tensors = samples.inputs(&InputSpec::of_interface(interface), sample).or_misuse(named())?;
        let quantized = quantize_for_interface(interface, &tensors).or_misuse(named())?;
        if quantized.clamped > 0 {
            printer.warn(format_args!(
                "{} input values lie outside their range and were set to its nearest end",
                quantized.clamped
            ));
        }
        Ok(self.with(interface, Direction::Input, quantized.values))
    }

    /// Adds the outputs in the JSON of `zkinfer prove` or `zkinfer run`.
    ///
    /// # Errors
    /// The file can't be read, or does not have the outputs.
    pub(crate) fn outputs(self, interface: &Interface, path: &Path) -> Outcome<Self> {
        #[derive(Deserialize)]
        struct Outputs {
            outputs: Vec<NamedTensor>,
        }
        let named = || path.display().to_string();
        let mut text = String::new();
        File::open(path).or_misuse(named())?.take(MAX_RESULT).read_to_string(&mut text).or_misuse(named())?;
        let Outputs { outputs } = serde_json::from_str(&text).or_misuse(named())?;
        let expected: Vec<&str> = ports(interface, Direction::Output).map(|(_, port)| port.name.as_str()).collect();
        if !outputs.iter().map(|output| output.name.as_str()).eq(expected.iter().copied()) {
            let fault = anyhow!("the outputs {} are expected", expected.join(", "));
            return Err(Failure::misuse(fault).context(named()));
        }
        Ok(self.with(interface, Direction::Output, outputs.into_iter().map(|output| output.integers).collect()))
    }

    /// Adds the values of all ports of a direction.
    pub(crate) fn with(mut self, interface: &Interface, direction: Direction, values: Vec<Vec<i64>>) -> Self {
        for ((index, _), values) in ports(interface, direction).zip(values) {
            self.values[index] = Some(values);
        }
        self
    }

    /// The values that are shown for a direction.
    pub(crate) fn of(&self, interface: &Interface, direction: Direction) -> Vec<Vec<i64>> {
        ports(interface, direction).filter_map(|(index, _)| self.values[index].clone()).collect()
    }

    /// The ports whose values are shown and of which a proof tells nothing.
    pub(crate) fn unbound<'a>(&'a self, interface: &'a Interface) -> impl Iterator<Item = &'a InterfacePort> {
        let shown = interface.ports.iter().zip(&self.values).filter(|(_, values)| values.is_some());
        let unbound = [Visibility::Private, Visibility::Committed];
        shown.map(|(port, _)| port).filter(move |port| unbound.contains(&port.visibility))
    }

    /// The digests of the hashed ports whose values are shown.
    ///
    /// # Errors
    /// Values that the ports do not admit.
    pub(crate) fn digests<'a>(
        &self,
        interface: &'a Interface,
        salts: &[Salt],
    ) -> Outcome<Vec<(&'a InterfacePort, PortDigest)>> {
        let hashed = interface.ports.iter().zip(&self.values).filter(|(port, _)| port.visibility == Visibility::Hashed);
        let shown = hashed.zip(salts).filter_map(|((port, values), salt)| Some((port, values.as_ref()?, *salt)));
        shown.map(|(port, values, salt)| Ok((port, port.digest(values, salt).map_err(Failure::misuse)?))).collect()
    }

    /// What a proof tells that speaks of the values shown, and of what `told` says where none are shown.
    ///
    /// # Errors
    /// Hashed ports are shown without salts, values that the ports do not admit, or `told` has another form than the interface.
    pub(crate) fn asked(
        &self,
        interface: &Interface,
        salts: Option<&[Salt]>,
        told: &PublicData,
    ) -> Outcome<PublicData> {
        let mut asked = told.clone();
        let (mut tensor, mut digest) = (0, 0);
        for (port, values) in interface.ports.iter().zip(&self.values) {
            match (port.visibility, values) {
                (Visibility::Public, values) => {
                    if let (Some(values), Some(asked)) = (values, asked.values.get_mut(tensor)) {
                        asked.clone_from(values);
                    }
                    tensor += 1;
                }
                (Visibility::Hashed, values) => {
                    if let (Some(values), Some(asked)) = (values, asked.digests.get_mut(digest)) {
                        let salt = salts.and_then(|salts| salts.get(digest)).ok_or_else(|| no_salt(port))?;
                        *asked = port.digest(values, *salt).map_err(Failure::misuse)?;
                    }
                    digest += 1;
                }
                (Visibility::Private | Visibility::Committed, _) => {}
            }
        }
        Ok(asked)
    }
}

fn no_salt(port: &InterfacePort) -> Failure {
    let fault = anyhow!("the values of {:?} are bound by a salted digest, and no salt is given", port.name);
    Failure::misuse(fault).remedy("give the salts that the prover kept by --salt FILE")
}

fn ports(interface: &Interface, direction: Direction) -> impl Iterator<Item = (usize, &InterfacePort)> {
    interface.ports.iter().enumerate().filter(move |(_, port)| port.direction == direction)
}
