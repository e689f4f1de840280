//! The constraint system: columns and gates. Identifiers such as `M-HELPER` lead to `docs/arithmetization.md`.
//!
//! A gate speaks about the logical rows of one region. In a parallel machine it is multiplied by `active`, or by switches that
//! are zero elsewhere; in a folded one by the selector of its region, since its cells hold something else on other rows.

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{
    Advice, Any, Challenge, Column, ConstraintSystem, Expression, FirstPhase, Fixed, Instance, SecondPhase,
    VirtualCells,
};
use halo2_proofs::poly::Rotation;

use super::assignment::Cell;
use super::columns::{AdviceColumn, FixedColumn, Region};
use super::placement::{Placement, Regions, Slot};
use super::{Arrangement, MachineParams};

/// The columns and challenges of a configured member.
#[derive(Clone, Debug)]
pub struct MachineConfig {
    placement: Placement,
    fixed: Vec<Column<Fixed>>,
    advice: Vec<Column<Advice>>,
    instance: Column<Instance>,
    challenges: [Challenge; 4],
}

impl MachineConfig {
    /// Degree of the constraint system: that of the lookup helpers.
    pub const DEGREE: usize = 5;

    /// Adds the columns and gates of a member to a constraint system.
    pub fn configure(cs: &mut ConstraintSystem<Fr>, params: MachineParams) -> Self {
        let placement = Placement::new(&params);
        let counts = placement.counts();
        let fixed = (0..counts.fixed).map(|_| cs.fixed_column()).collect();
        let mut advice: Vec<_> = (0..counts.first_phase).map(|_| cs.advice_column_in(FirstPhase)).collect();
        let challenges = std::array::from_fn(|_| cs.challenge_usable_after(FirstPhase));
        advice.extend((0..counts.second_phase).map(|_| cs.advice_column_in(SecondPhase)));
        let instance = cs.instance_column();
        for &column in placement.permuted() {
            cs.enable_equality(advice[column]);
        }
        cs.enable_equality(instance);
        let config = Self { placement, fixed, advice, instance, challenges };
        config.create_gates(cs);
        cs.set_minimum_degree(Self::DEGREE);
        config
    }

    /// Where the logical columns lie.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// The physical fixed columns.
    pub fn fixed(&self) -> &[Column<Fixed>] {
        &self.fixed
    }

    /// The physical advice columns, those of the first phase first.
    pub fn advice(&self) -> &[Column<Advice>] {
        &self.advice
    }

    /// The column of public values.
    pub fn instance(&self) -> Column<Instance> {
        self.instance
    }

    /// The column and row of a cell of the permutation argument.
    pub fn place(&self, regions: &Regions, cell: Cell) -> (Column<Any>, usize) {
        match cell {
            Cell::Advice(name, row) => {
                let (column, row) = self.placement.advice_cell(regions, name, row as usize);
                (self.advice[column].into(), row)
            }
            Cell::Instance(row) => (self.instance.into(), row as usize),
        }
    }

    /// `χ`, `ρ`, `α`, `β`.
    pub fn challenges(&self) -> [Challenge; 4] {
        self.challenges
    }

    fn create_gates(&self, cs: &mut ConstraintSystem<Fr>) {
        for gate in GATES {
            if (gate.present)(self.placement.params()) {
                cs.create_gate(gate.name, |cells| {
                    let mut builder = GateBuilder { config: self, cells };
                    (gate.build)(&mut builder)
                });
            }
        }
    }
}

/// Constraints with their identifiers.
type Constraints = Vec<(&'static str, Expression<Fr>)>;

/// A family of constraints with a name.
struct Gate {
    name: &'static str,
    present: fn(&MachineParams) -> bool,
    build: fn(&mut GateBuilder<'_, '_>) -> Constraints,
}

const GATES: [Gate; 11] = [
    Gate { name: "lookup helper", present: |_| true, build: |b| b.lookup_helpers() },
    Gate { name: "lookup table", present: |_| true, build: |b| b.lookup_tables() },
    Gate { name: "lookup sum", present: |_| true, build: |b| b.lookup_sum() },
    Gate { name: "pointwise", present: |p| p.has(FixedColumn::Pointwise), build: |b| b.pointwise() },
    Gate { name: "maximum", present: |p| p.has(FixedColumn::Maximum), build: |b| b.maximum() },
    Gate { name: "arg max", present: |p| p.has(FixedColumn::ArgMaximum), build: |b| b.arg_maximum() },
    Gate { name: "saturation", present: |p| p.has(FixedColumn::Saturate), build: |b| b.saturation() },
    Gate { name: "identity reader", present: |_| true, build: |b| b.identity_reader() },
    Gate { name: "plane reader", present: MachineParams::reads_planes, build: |b| b.plane_reader() },
    Gate { name: "weights", present: |_| true, build: |b| b.weights() },
    Gate { name: "scalar unit", present: |_| true, build: |b| b.scalar_unit() },
];

/// A polynomial that may be absent because a fixed column in it is.
type Term = Option<Expression<Fr>>;

fn zero() -> Expression<Fr> {
    Expression::Constant(Fr::ZERO)
}

fn sum(terms: impl IntoIterator<Item = Term>) -> Term {
    terms.into_iter().flatten().reduce(|a, b| a + b)
}

fn times(factor: Term, other: Expression<Fr>) -> Term {
    factor.map(|factor| factor * other)
}

/// `1, base, base², …`
fn powers(base: &Expression<Fr>, count: usize) -> Vec<Expression<Fr>> {
    let mut powers = vec![Expression::Constant(Fr::ONE)];
    while powers.len() < count {
        let next = powers[powers.len() - 1].clone() * base.clone();
        powers.push(next);
    }
    powers
}

/// `Σ_l base^(n−1−l) · terms[l]`: the first lane has the highest power, as in a Horner scheme.
fn horner(base: &Expression<Fr>, terms: Vec<Expression<Fr>>) -> Expression<Fr> {
    terms.into_iter().reduce(|sum, term| sum * base.clone() + term).unwrap_or_else(zero)
}

struct GateBuilder<'a, 'b> {
    config: &'a MachineConfig,
    cells: &'a mut VirtualCells<'b, Fr>,
}

impl GateBuilder<'_, '_> {
    fn params(&self) -> &MachineParams {
        self.config.placement.params()
    }

    fn is_folded(&self) -> bool {
        self.params().arrangement != Arrangement::Parallel
    }

    fn query(&mut self, slot: Slot, region: Region, shift: i32) -> Expression<Fr> {
        let rotation = Rotation(self.config.placement.rotation(slot, region, shift));
        self.cells.query_advice(self.config.advice[slot.column], rotation)
    }

    fn fixed_at(&mut self, column: FixedColumn, shift: i32) -> Term {
        let region = column.regions()[0];
        let slot = self.config.placement.fixed(column, region)?;
        let rotation = Rotation(self.config.placement.rotation(slot, region, shift));
        Some(self.cells.query_fixed(self.config.fixed[slot.column], rotation))
    }

    fn fixed(&mut self, column: FixedColumn) -> Term {
        self.fixed_at(column, 0)
    }

    fn always(&mut self, column: FixedColumn) -> Expression<Fr> {
        self.fixed(column).expect("every member has this column")
    }

    /// The cell of a column that has one region.
    fn shifted(&mut self, column: AdviceColumn, shift: i32) -> Expression<Fr> {
        let region = column.regions()[0];
        self.query(self.config.placement.advice(column, region), region, shift)
    }

    fn advice(&mut self, column: AdviceColumn) -> Expression<Fr> {
        self.shifted(column, 0)
    }

    fn next(&mut self, column: AdviceColumn) -> Expression<Fr> {
        self.shifted(column, 1)
    }

    fn previous(&mut self, column: AdviceColumn) -> Expression<Fr> {
        self.shifted(column, -1)
    }

    /// 1 on the rows of a region, and in a folded machine on no other: of degree 1 for units and 2 for the others.
    fn selector(&mut self, region: Region) -> Expression<Fr> {
        match (self.is_folded(), region) {
            (false, _) => self.always(FixedColumn::Active),
            (true, Region::Units) => self.always(FixedColumn::UnitSelector),
            (true, Region::Tables) => self.always(FixedColumn::OtherSelector) * self.always(FixedColumn::IsTable),
            (true, Region::Weights) => self.always(FixedColumn::OtherSelector) * self.always(FixedColumn::IsWeight),
            (true, Region::Scalars) => {
                let one = Expression::Constant(Fr::ONE);
                self.always(FixedColumn::OtherSelector)
                    * (one - self.always(FixedColumn::IsTable) - self.always(FixedColumn::IsWeight))
            }
        }
    }

    /// `selector·Π factors = Σ terms` on the rows of a region. The terms of a parallel machine vanish elsewhere by themselves.
    fn defines(
        &self,
        selector: &Expression<Fr>,
        factors: impl IntoIterator<Item = Expression<Fr>>,
        terms: impl IntoIterator<Item = Expression<Fr>>,
    ) -> Expression<Fr> {
        let inner = (!self.is_folded()).then(|| selector.clone());
        let left = inner.into_iter().chain(factors).reduce(|a, b| a * b).unwrap_or_else(zero);
        let difference = terms.into_iter().fold(left, |difference, term| difference - term);
        match self.is_folded() {
            true => selector.clone() * difference,
            false => difference,
        }
    }

    /// Constraints whose switches are zero elsewhere in a parallel machine.
    fn switched(&mut self, region: Region, constraints: Constraints) -> Constraints {
        if !self.is_folded() {
            return constraints;
        }
        let selector = self.selector(region);
        constraints.into_iter().map(|(name, constraint)| (name, selector.clone() * constraint)).collect()
    }

    /// `[χ, ρ, α, β]`
    fn challenges(&mut self) -> [Expression<Fr>; 4] {
        self.config.challenges.map(|challenge| self.cells.query_challenge(challenge))
    }

    fn lanes(&self) -> std::ops::Range<u32> {
        0..self.params().units
    }

    /// M-HELPER: `active·h·f0·f1·f2 = s0·f1·f2 + s1·(f0·f2 + f0·f1)`, degree 5.
    fn lookup_helpers(&mut self) -> Constraints {
        let [_, _, alpha, beta] = self.challenges();
        let beta_squared = beta.clone() * beta.clone();
        let active = self.selector(Region::Units);
        let limb_tags = [FixedColumn::LowTag, FixedColumn::HighTag].map(|tag| self.fixed(tag));
        self.lanes()
            .map(|lane| {
                let tag = self.always(FixedColumn::ValueTag(lane));
                let [value, pre] = [AdviceColumn::Value(lane), AdviceColumn::Pre(lane)].map(|c| self.advice(c));
                let f0 = alpha.clone() + pre + beta.clone() * value + beta_squared.clone() * tag;
                let limbs = [AdviceColumn::Low(lane), AdviceColumn::High(lane)].map(|c| self.advice(c));
                let limb = |i: usize| {
                    let tag = limb_tags[i].clone().map_or_else(zero, |tag| beta_squared.clone() * tag);
                    alpha.clone() + limbs[i].clone() + tag
                };
                let (f1, f2) = (limb(0), limb(1));
                let switch = self.always(FixedColumn::ValueSwitch(lane));
                let limb_switch = self.always(FixedColumn::LimbSwitch(lane));
                let helper = self.advice(AdviceColumn::LookupHelper(lane));
                let right = switch * f1.clone() * f2.clone() + limb_switch * f0.clone() * (f1.clone() + f2.clone());
                ("M-HELPER", self.defines(&active, [helper, f0, f1, f2], [right]))
            })
            .collect()
    }

    /// M-TABLE: `active·(t·(α + key + β·image + β²·tag) − multiplicity) = 0`, degree 3.
    fn lookup_tables(&mut self) -> Constraints {
        let [_, _, alpha, beta] = self.challenges();
        let active = self.selector(Region::Tables);
        (0..self.params().tables)
            .map(|table| {
                let key = self.always(FixedColumn::TableKey(table));
                let image = self.always(FixedColumn::TableImage(table));
                let tag = self.always(FixedColumn::TableTag(table));
                let entry = alpha.clone() + key + beta.clone() * (image + beta.clone() * tag);
                let helper = self.advice(AdviceColumn::TableHelper(table));
                let multiplicity = self.advice(AdviceColumn::Multiplicity(table));
                ("M-TABLE", active.clone() * (helper * entry - multiplicity))
            })
            .collect()
    }

    /// M-SUM: `active·(s − active₋₁·s₋₁ − Σ h + Σ t) = 0`, degree 3, and M-SUM-END: `active·(1 − active₊₁)·s = 0`.
    ///
    /// Before row 0 lies the last blinded row, where `active` is zero: the sum starts at its first term.
    fn lookup_sum(&mut self) -> Constraints {
        if self.is_folded() {
            return self.folded_lookup_sum();
        }
        let active = self.always(FixedColumn::Active);
        let [before, after] =
            [-1, 1].map(|shift| self.fixed_at(FixedColumn::Active, shift).expect("every member has this column"));
        let sum = self.advice(AdviceColumn::LookupSum);
        let previous = self.previous(AdviceColumn::LookupSum);
        let fractions = self.fractions();
        let entries = self.entries();
        let step = active.clone() * (sum.clone() - before * previous - fractions + entries);
        let end = active * (Expression::Constant(Fr::ONE) - after) * sum;
        vec![("M-SUM", step), ("M-SUM-END", end)]
    }

    /// The sum of a folded machine runs through the units and then through the tables: on units
    /// `s − step·s₋₁ − Σ h = 0`, degree 3; on tables `s − s₋₁ + Σ t = 0`, degree 3, and M-SUM-END: `end·s = 0`, degree 4.
    fn folded_lookup_sum(&mut self) -> Constraints {
        let mut cells = |region, shift| {
            let slot = self.config.placement.advice(AdviceColumn::LookupSum, region);
            self.query(slot, region, shift)
        };
        let [units, before_units] = [0, -1].map(|shift| cells(Region::Units, shift));
        let [tables, before_tables] = [0, -1].map(|shift| cells(Region::Tables, shift));
        let (step, end) = (self.always(FixedColumn::SumStep), self.always(FixedColumn::SumEnd));
        let (fractions, entries) = (self.fractions(), self.entries());
        let (on_units, on_tables) = (self.selector(Region::Units), self.selector(Region::Tables));
        vec![
            ("M-SUM", on_units * (units - step * before_units - fractions)),
            ("M-SUM", on_tables.clone() * (tables.clone() - before_tables + entries)),
            ("M-SUM-END", on_tables * end * tables),
        ]
    }

    /// `Σ h` over the lanes.
    fn fractions(&mut self) -> Expression<Fr> {
        self.lanes().fold(zero(), |sum, lane| sum + self.advice(AdviceColumn::LookupHelper(lane)))
    }

    /// `Σ t` over the tables.
    fn entries(&mut self) -> Expression<Fr> {
        (0..self.params().tables).fold(zero(), |sum, table| sum + self.advice(AdviceColumn::TableHelper(table)))
    }

    /// The linear form of a lane, degree 2 (3 with the saturation gadget):
    /// `c_v·value + c_p·pre + c_l·low + c_h·high + c + n_v·value₊₁ + n_p·pre₊₁ + saturate·c_p·(low₊₁ − high₊₁)`.
    fn linear_form(&mut self, lane: u32) -> Term {
        let mut terms = vec![self.fixed(FixedColumn::Constant)];
        let here = [
            (FixedColumn::ValueCoefficient, AdviceColumn::Value(lane)),
            (FixedColumn::PreCoefficient, AdviceColumn::Pre(lane)),
            (FixedColumn::LowCoefficient, AdviceColumn::Low(lane)),
            (FixedColumn::HighCoefficient, AdviceColumn::High(lane)),
        ];
        for (coefficient, cell) in here {
            if let Some(coefficient) = self.fixed(coefficient) {
                terms.push(Some(coefficient * self.advice(cell)));
            }
        }
        let below = [
            (FixedColumn::NextValueCoefficient, AdviceColumn::Value(lane)),
            (FixedColumn::NextPreCoefficient, AdviceColumn::Pre(lane)),
        ];
        for (coefficient, cell) in below {
            if let Some(coefficient) = self.fixed(coefficient) {
                terms.push(Some(coefficient * self.next(cell)));
            }
        }
        if let (Some(saturate), Some(step)) =
            (self.fixed(FixedColumn::Saturate), self.fixed(FixedColumn::PreCoefficient))
        {
            let overflow = self.next(AdviceColumn::Low(lane)) - self.next(AdviceColumn::High(lane));
            terms.push(Some(saturate * step * overflow));
        }
        sum(terms)
    }

    /// M-POINT: `pointwise·L + product·value₊₁·pre₊₁ = 0`, degree 5 at most.
    fn pointwise(&mut self) -> Constraints {
        let switch = self.fixed(FixedColumn::Pointwise);
        let product = self.fixed(FixedColumn::Product);
        let constraints = self
            .lanes()
            .map(|lane| {
                let linear = self.linear_form(lane).unwrap_or_else(zero);
                let operands = self.next(AdviceColumn::Value(lane)) * self.next(AdviceColumn::Pre(lane));
                let constraint = sum([times(switch.clone(), linear), times(product.clone(), operands)]);
                ("M-POINT", constraint.unwrap_or_else(zero))
            })
            .collect();
        self.switched(Region::Units, constraints)
    }

    /// M-MAX: `low = value − pre`, `high = value − value₊₁`, `low·high = 0`: with both limbs ranged, `value` is the larger
    /// of `pre` and the running maximum in the row below. Degree 3.
    fn maximum(&mut self) -> Constraints {
        let switch = self.fixed(FixedColumn::Maximum).expect("the gate is present");
        let mut constraints = Vec::new();
        for lane in self.lanes() {
            let value = self.advice(AdviceColumn::Value(lane));
            let pre = self.advice(AdviceColumn::Pre(lane));
            let low = self.advice(AdviceColumn::Low(lane));
            let high = self.advice(AdviceColumn::High(lane));
            let below = self.next(AdviceColumn::Value(lane));
            constraints.extend([
                ("M-MAX-OPERAND", switch.clone() * (low.clone() - value.clone() + pre)),
                ("M-MAX-RUNNING", switch.clone() * (high.clone() - value + below)),
                ("M-MAX-ATTAINED", switch.clone() * low * high),
            ]);
        }
        self.switched(Region::Units, constraints)
    }

    /// M-ARG: the row holds index `i − 1`, the row below index `i`; `value` is 0 before the first maximum and 1 from it on,
    /// `low = max − pre − 1 + value` is ranged. Degree 3.
    fn arg_maximum(&mut self) -> Constraints {
        let switch = self.fixed(FixedColumn::ArgMaximum).expect("the gate is present");
        let mut constraints = Vec::new();
        for lane in self.lanes() {
            let value = self.advice(AdviceColumn::Value(lane));
            let pre = self.advice(AdviceColumn::Pre(lane));
            let low = self.advice(AdviceColumn::Low(lane));
            let [next_value, next_pre, next_low] =
                [AdviceColumn::Value(lane), AdviceColumn::Pre(lane), AdviceColumn::Low(lane)].map(|c| self.next(c));
            let one = Expression::Constant(Fr::ONE);
            let maximum = low + pre - value.clone();
            let next_maximum = next_low.clone() + next_pre - next_value.clone();
            constraints.extend([
                ("M-ARG-BIT", switch.clone() * next_value.clone() * (one.clone() - next_value.clone())),
                ("M-ARG-SAME", switch.clone() * (maximum - next_maximum)),
                ("M-ARG-MONOTONE", switch.clone() * value.clone() * (one - next_value.clone())),
                ("M-ARG-ATTAINED", switch.clone() * (next_value - value) * next_low),
            ]);
        }
        self.switched(Region::Units, constraints)
    }

    /// M-SAT: `low₊₁·(saturate·pre − high_end) = 0`, `high₊₁·(saturate·pre − low_end) = 0`: an overflow is zero unless
    /// `pre` lies at that end of its table. Degree 3.
    fn saturation(&mut self) -> Constraints {
        let switch = self.fixed(FixedColumn::Saturate).expect("the gate is present");
        let ends = [FixedColumn::SaturateHigh, FixedColumn::SaturateLow].map(|end| self.fixed(end));
        let mut constraints = Vec::new();
        for lane in self.lanes() {
            let pre = self.advice(AdviceColumn::Pre(lane));
            let overflows = [AdviceColumn::Low(lane), AdviceColumn::High(lane)].map(|c| self.next(c));
            for (name, (overflow, end)) in ["M-SAT-HIGH", "M-SAT-LOW"].into_iter().zip(overflows.into_iter().zip(&ends))
            {
                let distance = switch.clone() * pre.clone() - end.clone().unwrap_or_else(zero);
                constraints.push((name, overflow * distance));
            }
        }
        self.switched(Region::Units, constraints)
    }

    /// M-ID-INNER: `active·e − e₋₁·(k_χ·χ^U + k_ρ·ρ^U + keep) − R = 0` with
    /// `R = Σ_l χ^(U−1−l)·L_l + lanes_ρ·Σ_l (ρ^(U−1−l) − χ^(U−1−l))·L_l`, degree 5 at most;
    /// M-ID-OUTER: `active·e' − e'₋₁·(keep' + step'·ρ) − absorb·e = 0`, degree 2.
    fn identity_reader(&mut self) -> Constraints {
        let [chi, rho, ..] = self.challenges();
        let units = self.params().units as usize;
        let active = self.selector(Region::Units);
        let inner = self.advice(AdviceColumn::IdentityInner);
        let previous = self.previous(AdviceColumn::IdentityInner);
        let step = sum([
            times(self.fixed(FixedColumn::IdentityStepChi), powers(&chi, units + 1)[units].clone()),
            times(self.fixed(FixedColumn::IdentityStepRho), powers(&rho, units + 1)[units].clone()),
            self.fixed(FixedColumn::IdentityKeep),
        ]);
        let forms: Vec<_> = self.lanes().map(|lane| self.linear_form(lane).unwrap_or_else(zero)).collect();
        let by_chi = horner(&chi, forms.clone());
        let by_rho = horner(&rho, forms);
        let read = match self.fixed(FixedColumn::IdentityLanesRho) {
            Some(lanes_rho) => by_chi.clone() + lanes_rho * (by_rho - by_chi),
            None => by_chi,
        };
        let stepped = times(step, previous).unwrap_or_else(zero);
        let mut constraints = vec![("M-ID-INNER", self.defines(&active, [inner.clone()], [stepped, read]))];
        if self.params().reads_planes() {
            let outer = self.advice(AdviceColumn::IdentityOuter);
            let previous = self.previous(AdviceColumn::IdentityOuter);
            let step = sum([
                self.fixed(FixedColumn::IdentityOuterKeep),
                times(self.fixed(FixedColumn::IdentityOuterStep), rho),
            ]);
            let stepped = times(step, previous).unwrap_or_else(zero);
            let absorbed = times(self.fixed(FixedColumn::IdentityAbsorb), inner).unwrap_or_else(zero);
            constraints.push(("M-ID-OUTER", self.defines(&active, [outer], [stepped, absorbed])));
        }
        constraints
    }

    /// M-PLANE: `active·a − a₋₁·(step·b^U + keep) − read·Σ_l b^(U−1−l)·value_l = 0`, degree 2, where `b` is `χ`; in a member
    /// whose planes are read by `ρ` too, `b^i = χ^i + plane_ρ·(ρ^i − χ^i)`, degree 3.
    fn plane_reader(&mut self) -> Constraints {
        let [chi, rho, ..] = self.challenges();
        let units = self.params().units as usize;
        let active = self.selector(Region::Units);
        let accumulator = self.advice(AdviceColumn::Plane);
        let previous = self.previous(AdviceColumn::Plane);
        let by_rho = self.fixed(FixedColumn::PlaneRho);
        let choose = |by_chi: Expression<Fr>, with_rho: Expression<Fr>| match by_rho.clone() {
            Some(by_rho) => by_chi.clone() + by_rho * (with_rho - by_chi),
            None => by_chi,
        };
        let power = |base| powers(base, units + 1)[units].clone();
        let step = sum([
            times(self.fixed(FixedColumn::PlaneStep), choose(power(&chi), power(&rho))),
            self.fixed(FixedColumn::PlaneKeep),
        ]);
        let values: Vec<_> = self.lanes().map(|lane| self.advice(AdviceColumn::Value(lane))).collect();
        let lanes = choose(horner(&chi, values.clone()), horner(&rho, values));
        let read = times(self.fixed(FixedColumn::PlaneRead), lanes).unwrap_or_else(zero);
        let stepped = times(step, previous).unwrap_or_else(zero);
        vec![("M-PLANE", self.defines(&active, [accumulator], [stepped, read]))]
    }

    /// M-W-INNER: `active·v − v₋₁·(step·ρ^W + step₁·ρ) − Σ_l ρ^(W−1−l)·f_l − private·Σ_l ρ^(W−1−l)·w_l − single·w_(W−1) = 0` with
    /// fixed weights `f` and private ones `w`, degree 2;
    /// M-W-OUTER: `active·v' − v'₋₁·(keep + step'·χ) − absorb·v = 0`, degree 2.
    fn weights(&mut self) -> Constraints {
        let [chi, rho, ..] = self.challenges();
        let MachineParams { weights: lanes, weight_lanes, .. } = *self.params();
        let active = self.selector(Region::Weights);
        let inner = self.advice(AdviceColumn::WeightInner);
        let previous = self.previous(AdviceColumn::WeightInner);
        // Before the step, and with a term for that even where there is none: keys of public weights absorb the system's text.
        let public = match weight_lanes.has_public() {
            true => Some(horner(&rho, (0..lanes).map(|lane| self.always(FixedColumn::Weight(lane))).collect())),
            false => None,
        };
        let step = sum([
            times(self.fixed(FixedColumn::WeightStep), powers(&rho, lanes as usize + 1)[lanes as usize].clone()),
            times(self.fixed(FixedColumn::WeightSingleStep), rho.clone()),
        ]);
        let mut terms = vec![Some(times(step, previous).unwrap_or_else(zero)), public];
        if weight_lanes.has_private() {
            let weights: Vec<_> = (0..lanes).map(|lane| self.advice(AdviceColumn::Weight(lane))).collect();
            let last = weights[weights.len() - 1].clone();
            terms.push(times(self.fixed(FixedColumn::WeightPrivate), horner(&rho, weights)));
            terms.push(times(self.fixed(FixedColumn::WeightSingle), last));
        }
        let terms = terms.into_iter().flatten();
        let mut constraints = vec![("M-W-INNER", self.defines(&active, [inner.clone()], terms))];
        if self.params().reads_planes() {
            let outer = self.advice(AdviceColumn::WeightOuter);
            let previous = self.previous(AdviceColumn::WeightOuter);
            let step =
                sum([self.fixed(FixedColumn::WeightOuterKeep), times(self.fixed(FixedColumn::WeightOuterStep), chi)]);
            let stepped = times(step, previous).unwrap_or_else(zero);
            let absorbed = times(self.fixed(FixedColumn::WeightAbsorb), inner).unwrap_or_else(zero);
            constraints.push(("M-W-OUTER", self.defines(&active, [outer], [stepped, absorbed])));
        }
        constraints
    }

    /// M-SCALAR: `active·c − c₋₁·(q_c + q_ρ·ρ + q_χ·χ) − q_m·a·b − q_a·a − q_k = 0`, degree 3.
    fn scalar_unit(&mut self) -> Constraints {
        let [chi, rho, ..] = self.challenges();
        let active = self.selector(Region::Scalars);
        let [a, b, c] =
            [AdviceColumn::ScalarA, AdviceColumn::ScalarB, AdviceColumn::ScalarC].map(|column| self.advice(column));
        let previous = self.previous(AdviceColumn::ScalarC);
        let step = sum([
            self.fixed(FixedColumn::ScalarPrevious),
            times(self.fixed(FixedColumn::ScalarRho), rho),
            times(self.fixed(FixedColumn::ScalarChi), chi),
        ]);
        let right = sum([
            times(step, previous),
            times(self.fixed(FixedColumn::ScalarProduct), a.clone() * b),
            times(self.fixed(FixedColumn::ScalarOperand), a),
            self.fixed(FixedColumn::ScalarConstant),
        ]);
        vec![("M-SCALAR", self.defines(&active, [c], [right.unwrap_or_else(zero)]))]
    }
}
