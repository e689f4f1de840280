//! The machine as a halo2 circuit.

use std::sync::Arc;

use ff::Field;
use halo2_proofs::circuit::{Cell as RegionCell, Layouter, Region, SimpleFloorPlanner, Value};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Advice, Circuit, Column, ConstraintSystem, Error};

use super::assignment::{to_field, Assignment, Challenges, SecondPhase, Skeleton};
use super::config::MachineConfig;
use super::MachineParams;

/// A machine with a program in its fixed columns and, for proving, a witness.
#[derive(Clone, Debug)]
pub struct MachineCircuit {
    skeleton: Arc<Skeleton>,
    witness: Option<Witness>,
}

#[derive(Clone, Debug)]
struct Witness {
    assignment: Assignment,
    second: fn(&Assignment, &Challenges) -> SecondPhase,
}

impl MachineCircuit {
    /// The circuit that keys are made from.
    pub fn without_witness(skeleton: Arc<Skeleton>) -> Self {
        Self { skeleton, witness: None }
    }

    /// The circuit that is proved.
    pub fn with_witness(assignment: Assignment) -> Self {
        Self::with_second_phase(assignment, Assignment::derive)
    }

    /// A circuit whose second phase is chosen by `second` once the challenges are known: what a malicious prover could do.
    /// For tests.
    pub fn with_second_phase(assignment: Assignment, second: fn(&Assignment, &Challenges) -> SecondPhase) -> Self {
        Self { skeleton: Arc::clone(&assignment.skeleton), witness: Some(Witness { assignment, second }) }
    }

    fn assign_fixed(&self, config: &MachineConfig, region: &mut Region<'_, Fr>) {
        for (&column, cells) in config.fixed().iter().zip(config.placement().fixed_columns(&self.skeleton)) {
            for (row, cell) in cells.into_elements().into_iter().enumerate().filter(|(_, cell)| *cell != Fr::ZERO) {
                region.assign_fixed(column, row, cell);
            }
        }
        for &(source, destination) in &self.skeleton.copies {
            let [source, destination] = [source, destination].map(|cell| config.place(&self.skeleton.regions, cell));
            let cell = |(column, row_offset)| RegionCell { row_offset, column };
            region.constrain_equal(cell(source), cell(destination));
        }
    }

    fn assign_second(&self, config: &MachineConfig, region: &mut Region<'_, Fr>, witness: &Witness) {
        let values = config.challenges().map(|challenge| region.get_challenge(challenge));
        let [chi, rho, alpha, beta] = values;
        let challenges = chi.zip(rho).zip(alpha.zip(beta));
        challenges.map(|((chi, rho), (alpha, beta))| {
            let second = (witness.second)(&witness.assignment, &Challenges { chi, rho, alpha, beta });
            let columns = config.placement().second_phase_columns(&self.skeleton.regions, second);
            for (&column, cells) in config.advice()[config.placement().counts().first_phase..].iter().zip(columns) {
                assign_column(column, region, cells.into_iter());
            }
        });
    }
}

fn assign_column(column: Column<Advice>, region: &mut Region<'_, Fr>, cells: impl Iterator<Item = Fr>) {
    for (row, cell) in cells.enumerate() {
        region.assign_advice(column, row, Value::known(cell));
    }
}

impl Circuit<Fr> for MachineCircuit {
    type Config = MachineConfig;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = MachineParams;

    fn params(&self) -> MachineParams {
        self.skeleton.params
    }

    fn without_witnesses(&self) -> Self {
        Self::without_witness(Arc::clone(&self.skeleton))
    }

    fn configure(_: &mut ConstraintSystem<Fr>) -> MachineConfig {
        unreachable!("the machine is configured with parameters")
    }

    fn configure_with_params(cs: &mut ConstraintSystem<Fr>, params: MachineParams) -> MachineConfig {
        MachineConfig::configure(cs, params)
    }

    fn synthesize(&self, config: MachineConfig, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        layouter.assign_region(
            || "machine",
            |mut region| {
                self.assign_fixed(&config, &mut region);
                if let Some(witness) = &self.witness {
                    let columns = config.placement().first_phase_columns(&witness.assignment);
                    for (&column, cells) in config.advice().iter().zip(columns) {
                        assign_column(column, &mut region, cells.iter().map(to_field));
                    }
                    region.next_phase();
                    self.assign_second(&config, &mut region, witness);
                }
                Ok(())
            },
        )
    }
}
