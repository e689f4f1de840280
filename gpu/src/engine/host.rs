//! Operations on the host: columns come from the device, and results go back.

use halo2_proofs::halo2curves::bn256::Fr;
use prover::engine::{permute_pair, Column, EngineError, Values};

use super::{GpuColumn, GpuEngine};

impl GpuEngine {
    /// The permuted columns of a lookup, sorted on the host. Tensor machines have no such lookups.
    pub(super) fn host_permute_pair(
        &self,
        input: &GpuColumn,
        table: &GpuColumn,
        tails: [Vec<Fr>; 2],
    ) -> Result<[GpuColumn; 2], EngineError> {
        let [input, table] = [self.full_values(input)?.download()?, self.full_values(table)?.download()?];
        let [input, table] = permute_pair(&input, &table, tails)?;
        let upload = |elements| self.upload(&Column::new(Values::Field(elements)));
        Ok([upload(input)?, upload(table)?])
    }
}
