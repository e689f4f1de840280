//! Operations on the host: columns come from the device, and results go back.

use halo2_proofs::halo2curves::bn256::Fr;
use prover::engine::{permute_pair, Column, EngineError, Values};

use super::GpuEngine;
use crate::DeviceColumn;

impl GpuEngine {
    /// The permuted columns of a lookup, sorted on the host. Tensor machines have no such lookups.
    pub(super) fn host_permute_pair(
        &self,
        input: &DeviceColumn,
        table: &DeviceColumn,
        tails: [Vec<Fr>; 2],
    ) -> Result<[DeviceColumn; 2], EngineError> {
        let [input, table] = [self.domain.expand(input)?.download()?, self.domain.expand(table)?.download()?];
        let [input, table] = permute_pair(&input, &table, tails)?;
        let upload = |elements| DeviceColumn::upload(&self.device, &Column::new(Values::Field(elements)));
        Ok([upload(input)?, upload(table)?])
    }
}
