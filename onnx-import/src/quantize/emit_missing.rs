//! Emission of missing values.
//!
//! An element of a nullable input that is missing is the integer `m` below all that stand for numbers, of which `l = m + 1` is the least:
//!
//! ```text
//! present   p = [q ≥ l]              one requantization through a table of two entries, as trees compare
//! missing   1 − p
//! imputed   q + (1 − p)·(f − m)      q itself, or the number f where p is 0
//! ```

use std::collections::BTreeMap;

use circuits::graph::{Op, Requantize, Table, TensorId, ViewElement};

use super::emit::Emitter;
use super::emit_trees::shift_for;
use super::plan::{element, PlanId, PlanNode};

impl Emitter<'_> {
    /// Which elements of a nullable tensor are there.
    fn present(&mut self, node: &PlanNode, operand: TensorId, least: i64) -> TensorId {
        if let Some(&known) = self.present.get(&operand) {
            return known;
        }
        let (lo, hi) = self.bounds[operand.0 as usize];
        let shift = shift_for(hi.abs_diff(lo).saturating_add(2));
        // Rounded down: the requantization rounds half up.
        let half = if shift == 0 { 0 } else { 1 << (shift - 1) };
        let table = self.store(Table::new("from zero".to_owned(), -1, vec![0, 1]).expect("not empty"));
        let op = Op::Affine {
            operands: [operand; 2],
            factors: [1, 0],
            constant: -least - half,
            requantize: Some(Requantize { shift, table }),
        };
        let present = self.emit(node, op, node.shape.clone(), 1.0, (0, 1));
        self.present.insert(operand, present);
        present
    }

    /// 1 where elements of the operand are missing, 0 elsewhere.
    pub(super) fn missing(&mut self, id: PlanId, input: PlanId) {
        let node = PlanNode { origin: None, ..self.plan.node(id).clone() };
        let operand = self.reshape(self.read(input), node.shape.clone());
        let present = self.present(&node, operand, self.class(input).lo);
        let op = Op::Affine { operands: [present; 2], factors: [-1, 0], constant: 1, requantize: None };
        self.emit_small(id, op, node.shape, (0, 1));
    }

    /// The operand with numbers where elements are missing.
    pub(super) fn impute(&mut self, id: PlanId, input: PlanId, fills: &[f64]) {
        let node = PlanNode { origin: None, ..self.plan.node(id).clone() };
        let class = self.class(input);
        let operand = self.reshape(self.read(input), node.shape.clone());
        let present = self.present(&node, operand, class.lo);
        let integer = |fill: f64| ((fill / class.step + 0.5).floor() as i64).clamp(class.lo, class.hi);
        let mut groups: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        fills.iter().enumerate().for_each(|(index, &fill)| groups.entry(integer(fill)).or_default().push(index));
        let bounds = (class.lo, class.hi);
        let imputed = |[operand, present]: [TensorId; 2], fill: i64| {
            let added = fill - (class.lo - 1);
            Op::Affine { operands: [operand, present], factors: [1, -added], constant: added, requantize: None }
        };
        if let Some((&fill, _)) = groups.first_key_value().filter(|_| groups.len() == 1) {
            return self.emit_small(id, imputed([operand, present], fill), node.shape, bounds);
        }
        let mut map = vec![ViewElement::Zero; fills.len()];
        let mut sources = Vec::with_capacity(groups.len());
        for (fill, places) in groups {
            for (index, &place) in places.iter().enumerate() {
                map[place] = ViewElement::Element { source: sources.len() as u32, index: index as u32 };
            }
            let shape = vec![places.len()];
            let parts = [operand, present].map(|tensor| {
                let picked =
                    Op::View { sources: vec![tensor], map: places.iter().map(|&place| element(place)).collect() };
                let bounds = self.bounds[tensor.0 as usize];
                self.emit(&node, picked, shape.clone(), class.step, bounds)
            });
            sources.push(self.emit(&node, imputed(parts, fill), shape, class.step, bounds));
        }
        self.emit_small(id, Op::View { sources, map: map.into() }, node.shape, bounds);
    }
}
