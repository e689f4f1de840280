//! Gather with indices that depend on an input: rows of a constant table.

use super::Lowering;
use crate::float::graph::ValueId;
use crate::quantize::error::QuantizeError;
use crate::quantize::function::Function;
use crate::quantize::kernel::Kernel;
use crate::quantize::plan::{MapRules, PlanId, PlanOp, Range};
use circuits::graph::Limits;

impl Lowering<'_> {
    pub(super) fn gather(
        &mut self,
        value: ValueId,
        table: ValueId,
        indices: ValueId,
        axis: usize,
    ) -> Result<PlanId, QuantizeError> {
        let Some(values) = self.finite_constant(value, table, "an entry of the table")? else {
            return self.unsupported(value, "indexing data by data", "index a constant table, or index by a constant");
        };
        let rows = values.shape[axis];
        let before: usize = values.shape[..axis].iter().product();
        let after: usize = values.shape[axis + 1..].iter().product();
        let columns = before * after;
        let count = self.node(indices).elements();
        if rows > Limits::MAX_TABLE || rows.saturating_mul(count) > Limits::MAX_ELEMENTS {
            let what = format!("picking {count} of {rows} rows");
            return self.unsupported(value, what, "pick fewer rows, of a table of at most 2^20");
        }
        let index = self.index(value, indices, rows);
        // Row `r` of the plan's table holds everything that index `r` picks.
        let picked: Kernel = match before {
            1 => values.data.clone().into(),
            _ => {
                let entry = |i: usize| {
                    let (row, column) = (i / columns, i % columns);
                    values.data[(column / after * rows + row) * after + column % after]
                };
                (0..rows * columns).map(entry).collect()
            }
        };
        let loaded = picked.load();
        let first = Range { lo: loaded.get(0), hi: loaded.get(0) };
        let range = loaded.iter().fold(first, |r, v| r.union(Range { lo: v, hi: v }));
        let op = PlanOp::Pick { input: index, columns, values: picked };
        let integer = self.node(value).element != crate::float::graph::Element::Real;
        let id = self.push(value, op, vec![count, columns], range);
        self.plan.nodes[id.0].integer = integer;
        Ok(self.permuted(value, id, &[count, before, after], &[1, 0, 2], self.node(value).shape.clone()))
    }

    /// The index as an integer in `[0, rows)`.
    fn index(&mut self, value: ValueId, indices: ValueId, rows: usize) -> PlanId {
        let index = self.value(indices);
        if self.plan.node(index).integer {
            return index;
        }
        let range = Range { lo: 0.0, hi: (rows - 1) as f64 };
        let shape = self.plan.node(index).shape.clone();
        let op = PlanOp::Map {
            input: index,
            function: Function::unary(crate::float::graph::UnaryFunction::Round),
            rules: MapRules { step: Some(1.0), floor: None },
        };
        let id = self.push(value, op, shape, range);
        self.plan.nodes[id.0].integer = true;
        id
    }
}
