//! The machine's constraint system taken apart: every gate on every row, blinded rows included, and every copy.
//!
//! The mock prover looks at usable rows only; [`System::violations`] looks at all of them, with whatever a prover may put
//! there. [`Equations`] are the same gates multiplied out, row by row, with the fixed cells and challenges put in: they say
//! exactly which cells a constraint reads, and they are what a prover solves who knows the challenges.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use circuits::digest::Salt;
use circuits::layout::{compile, Fold, Layout, LayoutOptions};
use circuits::machine::{
    to_field, AdviceColumn, Arrangement, Assignment, Cell, Challenges, FixedColumn, MachineConfig, MachineParams,
    Region, SecondPhase, Skeleton,
};
use circuits::reference::{run, Trace};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{AdviceQuery, ConstraintSystem, Expression};
use halo2_proofs::poly::Rotation;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::support::ProgramBuilder;

/// A random salt.
pub fn salt(rng: &mut ChaCha20Rng) -> Salt {
    let mut bytes = [0; Salt::BYTES];
    rng.fill_bytes(&mut bytes);
    Salt::from_bytes(bytes)
}

/// Random challenges.
pub fn challenges(seed: u64) -> Challenges {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut next = || Fr::random(&mut rng);
    Challenges { chi: next(), rho: next(), alpha: next(), beta: next() }
}

/// What is asked of a layout.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub units: u32,
    pub weights: Option<u32>,
    pub fold: Fold,
}

impl Shape {
    pub const fn parallel(units: u32, weights: Option<u32>) -> Self {
        Self { units, weights, fold: Fold::Parallel }
    }

    pub const fn folded(units: u32, weights: Option<u32>, rows: u32) -> Self {
        Self { units, weights, fold: Fold::Rows(rows) }
    }
}

/// Units per row of a parallel machine.
impl From<u32> for Shape {
    fn from(units: u32) -> Self {
        Self::parallel(units, None)
    }
}

/// A program with its layout and an honest run.
pub struct Case {
    pub name: String,
    pub builder: ProgramBuilder,
    pub inputs: Vec<Vec<i64>>,
    pub layout: Layout,
    pub trace: Trace,
    /// One for each hashed port.
    pub salts: Vec<Salt>,
    pub assignment: Assignment,
}

impl Case {
    pub fn new(name: &str, mut builder: ProgramBuilder, shape: impl Into<Shape>) -> Self {
        let inputs = builder.inputs();
        Self::with_inputs(name, builder, inputs, shape)
    }

    pub fn with_inputs(name: &str, builder: ProgramBuilder, inputs: Vec<Vec<i64>>, shape: impl Into<Shape>) -> Self {
        let Shape { units, weights, fold } = shape.into();
        let options = LayoutOptions { units: Some(units), weights, fold: Some(fold), ..LayoutOptions::default() };
        let layout = compile(&builder.program, &options).expect("the program has a layout");
        let trace = run(&builder.program, &inputs).expect("the inputs are admissible");
        let mut rng = ChaCha20Rng::seed_from_u64(0x5a17);
        let salts: Vec<Salt> = layout.interface().hashed().map(|_| salt(&mut rng)).collect();
        let assignment = layout.assign(&builder.program, &trace, &salts);
        let name = format!("{name}, {units} units, {fold:?}");
        Self { name, builder, inputs, layout, trace, salts, assignment }
    }

    /// The instance words of the honest run.
    pub fn words(&self) -> Vec<Fr> {
        let data = self.layout.public_data(&self.builder.program, &self.trace, &self.salts);
        self.layout.interface().pack(&data).expect("the values are in range")
    }

    pub fn system(&self, seed: u64) -> System {
        System::new(self.layout.skeleton(), challenges(seed))
    }
}

/// The advice and instance cells of all rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cells {
    /// By the index of the column in the constraint system.
    pub advice: Vec<Vec<Fr>>,
    /// Zero from the last word on.
    pub instance: Vec<Fr>,
}

/// The constraint system of a machine with its fixed cells and the challenges of one proof.
pub struct System {
    pub skeleton: Arc<Skeleton>,
    pub challenges: Challenges,
    pub config: MachineConfig,
    cs: ConstraintSystem<Fr>,
    fixed: Vec<Vec<Fr>>,
}

/// What is wrong with an assignment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations {
    /// The violated constraints as the mock prover names them, with their rows.
    pub gates: BTreeSet<(String, usize)>,
    pub copies: Vec<(Cell, Cell)>,
    /// The constraints' own names, and the kinds of the copies.
    pub names: BTreeSet<String>,
}

impl Violations {
    pub fn none(&self) -> bool {
        self.gates.is_empty() && self.copies.is_empty()
    }

    pub fn only(&self, name: &str) -> bool {
        self.names.len() == 1 && self.names.contains(name)
    }
}

impl System {
    pub fn new(skeleton: &Arc<Skeleton>, challenges: Challenges) -> Self {
        let params = skeleton.params;
        let mut cs = ConstraintSystem::default();
        let config = MachineConfig::configure(&mut cs, params);
        assert_eq!(cs.blinding_factors() + 1, params.blinded_rows());
        assert!(cs.lookups().is_empty() && cs.num_selectors() == 0, "gates and copies are all there is");
        assert_eq!(cs.degree(), MachineConfig::DEGREE);
        let fixed = config.placement().fixed_columns(skeleton).into_iter();
        let fixed = fixed.map(|cells| {
            let mut column = cells.into_elements();
            let folded = params.arrangement != Arrangement::Parallel;
            let zero = column.iter().all(|cell| *cell == Fr::ZERO);
            assert!(!(folded && zero), "the commitment to a column of zeros is no point");
            column.resize(params.rows(), Fr::ZERO);
            column
        });
        let fixed = fixed.collect();
        Self { skeleton: Arc::clone(skeleton), challenges, config, cs, fixed }
    }

    pub fn params(&self) -> MachineParams {
        self.skeleton.params
    }

    /// The physical column and row of a cell.
    pub fn place(&self, column: AdviceColumn, row: usize) -> (usize, usize) {
        self.config.placement().advice_cell(&self.skeleton.regions, column, row)
    }

    /// All logical advice columns.
    pub fn advice(&self) -> impl Iterator<Item = AdviceColumn> {
        let params = self.params();
        AdviceColumn::first_phase(&params).into_iter().chain(AdviceColumn::second_phase(&params))
    }

    /// All cells of a proof; the blinded rows of all advice columns are random.
    pub fn cells(&self, assignment: &Assignment, second: &SecondPhase, instance: &[Fr], seed: u64) -> Cells {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let rows = self.params().rows();
        let placement = self.config.placement();
        let first = placement.first_phase_columns(assignment);
        let mut advice: Vec<Vec<Fr>> = first.into_iter().map(|cells| cells.iter().map(to_field).collect()).collect();
        advice.extend(placement.second_phase_columns(&self.skeleton.regions, second.clone()));
        for column in &mut advice {
            // Nothing is said about the rows behind all regions either.
            assert!(column.len() <= self.params().usable_rows());
            column.resize_with(rows, || Fr::random(&mut rng));
        }
        let mut instance = instance.to_vec();
        instance.resize(rows, Fr::ZERO);
        Cells { advice, instance }
    }

    /// The cells of a prover who follows the machine from this first phase on and claims the public values that come out.
    pub fn derived(&self, assignment: &Assignment) -> Cells {
        let second = assignment.derive(&self.challenges);
        let instance = assignment.instance(&second);
        self.cells(assignment, &second, &instance, 0xb11d)
    }

    pub fn get(&self, cells: &Cells, cell: Cell) -> Fr {
        match cell {
            Cell::Advice(column, row) => {
                let (column, row) = self.place(column, row as usize);
                cells.advice[column][row]
            }
            Cell::Instance(row) => cells.instance[row as usize],
        }
    }

    pub fn set(&self, cells: &mut Cells, column: AdviceColumn, row: usize, value: Fr) {
        let (column, row) = self.place(column, row);
        cells.advice[column][row] = value;
    }

    fn at(&self, row: usize, rotation: Rotation) -> usize {
        (row as i64 + i64::from(rotation.0)).rem_euclid(self.params().rows() as i64) as usize
    }

    /// Names and polynomials of all constraints, lane by lane: the mock prover's label, the name, the polynomial.
    pub fn constraints(&self) -> impl Iterator<Item = (String, String, &Expression<Fr>)> {
        self.cs.gates().iter().enumerate().flat_map(|(g, gate)| {
            gate.polynomials().iter().enumerate().map(move |(i, polynomial)| {
                let name = gate.constraint_name(i);
                (format!("Constraint {i} ('{name}') in gate {g} ('{}')", gate.name()), name.to_string(), polynomial)
            })
        })
    }

    /// The value of a constraint on a row.
    fn evaluate<T>(
        &self,
        polynomial: &Expression<Fr>,
        row: usize,
        constant: impl Fn(Fr) -> T,
        advice: impl Fn(AdviceQuery, usize) -> T,
        arithmetic: [&dyn Fn(T, T) -> T; 2],
    ) -> T {
        let Challenges { chi, rho, alpha, beta } = self.challenges;
        let [sum, product] = arithmetic;
        polynomial.evaluate(
            &|value| constant(value),
            &|_| unreachable!("there are no selectors"),
            &|query| constant(self.fixed[query.column_index()][self.at(row, query.rotation())]),
            &|query| advice(query, self.at(row, query.rotation())),
            &|_| unreachable!("no gate reads the instance column"),
            &|challenge| constant([chi, rho, alpha, beta][challenge.index()]),
            &|value| product(value, constant(-Fr::ONE)),
            &|a, b| sum(a, b),
            &|a, b| product(a, b),
            &|value, factor| product(value, constant(factor)),
        )
    }

    /// Every constraint on every row of the circuit, and every copy.
    pub fn violations(&self, cells: &Cells) -> Violations {
        let mut violations = Violations::default();
        for (label, name, polynomial) in self.constraints() {
            for row in 0..self.params().rows() {
                let advice = |query: AdviceQuery, row: usize| cells.advice[query.column_index()][row];
                let value = self.evaluate(polynomial, row, |v| v, advice, [&|a, b| a + b, &|a, b| a * b]);
                if value != Fr::ZERO {
                    violations.gates.insert((label.clone(), row));
                    violations.names.insert(name.clone());
                }
            }
        }
        for &(source, destination) in &self.skeleton.copies {
            if self.get(cells, source) != self.get(cells, destination) {
                violations.copies.push((source, destination));
                violations.names.insert(copy_kind(source, destination).into());
            }
        }
        violations
    }

    /// All gates multiplied out.
    pub fn equations(&self) -> Equations {
        let rows = self.params().rows();
        let columns = self.cs.num_advice_columns();
        let mut names = vec![None; columns * rows];
        for name in self.advice() {
            for row in 0..self.skeleton.rows_of(name) {
                let (column, at) = self.place(name, row);
                names[column * rows + at] = Some((name, row));
            }
        }
        let mut equations = Vec::new();
        let mut lanes: BTreeMap<String, u32> = BTreeMap::new();
        for (_, name, polynomial) in self.constraints() {
            let lane = *lanes.entry(name.clone()).and_modify(|lane| *lane += 1).or_insert(0);
            for row in 0..rows {
                let advice =
                    |query: AdviceQuery, row: usize| Polynomial::cell((query.column_index() * rows + row) as u32);
                let arithmetic: [&dyn Fn(Polynomial, Polynomial) -> Polynomial; 2] =
                    [&|a, b| a.plus(b), &|a, b| a.times(&b)];
                let terms = self.evaluate(polynomial, row, Polynomial::constant, advice, arithmetic).0;
                if !terms.is_empty() {
                    let terms = terms.into_iter().map(|(cells, factor)| (factor, cells)).collect();
                    let row = self.logical_row(&name, row);
                    equations.push(Equation { name: name.clone(), lane, row, terms });
                }
            }
        }
        let mut touching = vec![Vec::new(); columns * rows];
        for (index, equation) in (0..).zip(&equations) {
            equation.cells().into_iter().for_each(|cell| touching[cell as usize].push(index));
        }
        Equations { rows, names, equations, touching }
    }

    /// The row, in the columns that it speaks about, of a constraint that says something on a row of the circuit.
    pub fn logical_row(&self, constraint: &str, row: usize) -> usize {
        let regions = match constraint {
            "M-TABLE" => &[Region::Tables][..],
            "M-SUM" | "M-SUM-END" => &[Region::Units, Region::Tables],
            "M-W-INNER" | "M-W-OUTER" => &[Region::Weights],
            "M-SCALAR" => &[Region::Scalars],
            _ => &[Region::Units],
        };
        let (placement, all) = (self.config.placement(), &self.skeleton.regions);
        for &region in regions {
            let stride = self.params().arrangement.stride(region) as usize;
            let within = row.checked_sub(placement.start(all, region)).map(|row| row / stride);
            if let Some(within) = within.filter(|&within| within < all.rows(region)) {
                return all.first_row(regions, region) + within;
            }
        }
        panic!("{constraint} says something on row {row}, which is none of its regions'");
    }

    /// Fills the second phase of a prover who breaks exactly the constraints that would determine `chosen`: every other
    /// cell follows from the gates and copies.
    pub fn solve(&self, equations: &Equations, cells: &mut Cells, chosen: &BTreeMap<(AdviceColumn, usize), Fr>) {
        for (&(column, row), &value) in chosen {
            self.set(cells, column, row, value);
        }
        let free = |column: AdviceColumn, row: usize| !chosen.contains_key(&(column, row));
        let order = |equation: &Equation| {
            let stages =
                ["M-HELPER", "M-TABLE", "M-SUM", "M-ID-INNER", "M-ID-OUTER", "M-PLANE", "M-W-INNER", "M-W-OUTER"];
            stages.iter().position(|&stage| stage == equation.name)
        };
        let mut staged: Vec<_> = equations.equations.iter().filter_map(|e| Some((order(e)?, e))).collect();
        staged.sort_by_key(|&(stage, equation)| (stage, equation.lane, equation.row));
        for (_, equation) in staged {
            let column = defined_by(equation);
            if free(column, equation.row) {
                let value = equation.solve_for(equations.id(self.place(column, equation.row)), cells);
                self.set(cells, column, equation.row, value);
            }
        }
        let mut sources: BTreeMap<(AdviceColumn, usize), Cell> = BTreeMap::new();
        for &(source, destination) in &self.skeleton.copies {
            if let Cell::Advice(column @ (AdviceColumn::ScalarA | AdviceColumn::ScalarB), row) = destination {
                sources.insert((column, row as usize), source);
            }
        }
        for equation in equations.equations.iter().filter(|equation| equation.name == "M-SCALAR") {
            let row = equation.row;
            for column in [AdviceColumn::ScalarA, AdviceColumn::ScalarB] {
                if free(column, row) {
                    let value = if row == 0 { Fr::ZERO } else { self.get(cells, sources[&(column, row)]) };
                    self.set(cells, column, row, value);
                }
            }
            if free(AdviceColumn::ScalarC, row) {
                let value = equation.solve_for(equations.id(self.place(AdviceColumn::ScalarC, row)), cells);
                self.set(cells, AdviceColumn::ScalarC, row, value);
            }
        }
    }

    /// Writes to the instance column what is copied there.
    pub fn claim_what_comes_out(&self, cells: &mut Cells) {
        for &(source, destination) in &self.skeleton.copies {
            if let Cell::Instance(row) = destination {
                cells.instance[row as usize] = self.get(cells, source);
            }
        }
    }

    /// The cells of the second phase that are not determined by everything else: the null space of the gates and copies,
    /// linearised at an assignment that satisfies them. `kept` says which equations and copies take part.
    pub fn free_cells(
        &self,
        equations: &Equations,
        cells: &Cells,
        kept: impl Fn(&Equation) -> bool,
        kept_copy: impl Fn(&(Cell, Cell)) -> bool,
    ) -> Vec<(AdviceColumn, usize)> {
        let unknown = |cell: u32| equations.is_second_phase(cell);
        let mut matrix: Vec<BTreeMap<u32, Fr>> = Vec::new();
        for equation in equations.equations.iter().filter(|equation| kept(equation)) {
            let unknowns = equation.cells().into_iter().filter(|&cell| unknown(cell));
            let derivatives = unknowns.map(|cell| (cell, equation.derivative(cell, cells, equations)));
            matrix.push(derivatives.filter(|(_, factor)| *factor != Fr::ZERO).collect());
        }
        for copy in self.skeleton.copies.iter().filter(|copy| kept_copy(copy)) {
            let mut row = BTreeMap::new();
            for (cell, factor) in [(copy.0, Fr::ONE), (copy.1, -Fr::ONE)] {
                if let Cell::Advice(column, at) = cell {
                    let id = equations.id(self.place(column, at as usize));
                    if unknown(id) {
                        *row.entry(id).or_insert(Fr::ZERO) += factor;
                    }
                }
            }
            row.retain(|_, factor| *factor != Fr::ZERO);
            matrix.push(row);
        }
        let pivots = eliminate(matrix);
        (0..equations.touching.len() as u32)
            .filter(|&cell| unknown(cell) && !pivots.contains(&cell))
            .map(|cell| equations.names[cell as usize].expect("cells of the second phase have names"))
            .collect()
    }
}

/// What a copy is for.
pub fn copy_kind(source: Cell, destination: Cell) -> &'static str {
    use AdviceColumn as A;
    match (source, destination) {
        (_, Cell::Instance(_)) => "COPY-PUBLIC",
        (_, Cell::Advice(A::Port(_), _)) => "COPY-PORT",
        (_, Cell::Advice(A::ScalarA, _)) => "COPY-OPERAND-A",
        (_, Cell::Advice(A::ScalarB, _)) => "COPY-OPERAND-B",
        (_, Cell::Advice(A::IdentityInner | A::IdentityOuter, _)) => "COPY-IDENTITY",
        (Cell::Advice(A::ScalarC, _), Cell::Advice(A::Value(_) | A::Pre(_), _)) => "COPY-SCALAR",
        (Cell::Advice(A::Value(_) | A::Pre(_), _), Cell::Advice(A::Value(_) | A::Pre(_), _)) => "COPY-ELEMENT",
        _ => panic!("a copy of an unknown kind: {source:?} to {destination:?}"),
    }
}

/// The second-phase column that a constraint determines row by row.
fn defined_by(equation: &Equation) -> AdviceColumn {
    match equation.name.as_str() {
        "M-HELPER" => AdviceColumn::LookupHelper(equation.lane),
        "M-TABLE" => AdviceColumn::TableHelper(equation.lane),
        "M-SUM" => AdviceColumn::LookupSum,
        "M-ID-INNER" => AdviceColumn::IdentityInner,
        "M-ID-OUTER" => AdviceColumn::IdentityOuter,
        "M-PLANE" => AdviceColumn::Plane,
        "M-W-INNER" => AdviceColumn::WeightInner,
        "M-W-OUTER" => AdviceColumn::WeightOuter,
        "M-SCALAR" => AdviceColumn::ScalarC,
        name => panic!("{name} determines no cell"),
    }
}

/// `Σ factor · Π cells`; cells are sorted, and none of the factors is zero.
#[derive(Clone, Debug)]
struct Polynomial(BTreeMap<Vec<u32>, Fr>);

impl Polynomial {
    fn constant(value: Fr) -> Self {
        match value == Fr::ZERO {
            true => Self(BTreeMap::new()),
            false => Self(BTreeMap::from([(Vec::new(), value)])),
        }
    }

    fn cell(cell: u32) -> Self {
        Self(BTreeMap::from([(vec![cell], Fr::ONE)]))
    }

    fn plus(mut self, other: Self) -> Self {
        for (cells, factor) in other.0 {
            *self.0.entry(cells).or_insert(Fr::ZERO) += factor;
        }
        self.0.retain(|_, factor| *factor != Fr::ZERO);
        self
    }

    fn times(&self, other: &Self) -> Self {
        let mut product = BTreeMap::new();
        for (a, x) in &self.0 {
            for (b, y) in &other.0 {
                let mut cells = [a.as_slice(), b.as_slice()].concat();
                cells.sort_unstable();
                *product.entry(cells).or_insert(Fr::ZERO) += x * y;
            }
        }
        product.retain(|_, factor| *factor != Fr::ZERO);
        Self(product)
    }
}

/// One constraint on one row: `Σ factor · Π cells = 0`.
pub struct Equation {
    pub name: String,
    /// Number of the constraint among those of its name.
    pub lane: u32,
    /// The logical row.
    pub row: usize,
    pub terms: Vec<(Fr, Vec<u32>)>,
}

impl Equation {
    /// The cells that the constraint reads on this row.
    pub fn cells(&self) -> BTreeSet<u32> {
        self.terms.iter().flat_map(|(_, cells)| cells.iter().copied()).collect()
    }

    pub fn value(&self, cells: &Cells) -> Fr {
        let rows = cells.instance.len();
        let at = |cell: &u32| cells.advice[*cell as usize / rows][*cell as usize % rows];
        self.terms.iter().map(|(factor, cells)| cells.iter().fold(*factor, |product, cell| product * at(cell))).sum()
    }

    /// The partial derivative in a second-phase cell. The equation is linear in each of them.
    pub fn derivative(&self, cell: u32, cells: &Cells, equations: &Equations) -> Fr {
        let rows = equations.rows;
        let at = |cell: &u32| cells.advice[*cell as usize / rows][*cell as usize % rows];
        let with = self.terms.iter().filter(|(_, cells)| cells.contains(&cell));
        with.map(|(factor, cells)| {
            assert_eq!(cells.iter().filter(|&&c| c == cell).count(), 1, "{} is multilinear", self.name);
            cells.iter().filter(|&&c| c != cell).fold(*factor, |product, cell| product * at(cell))
        })
        .sum()
    }

    fn solve_for(&self, cell: u32, cells: &Cells) -> Fr {
        let rows = cells.instance.len();
        let mut cells = cells.clone_row(self, rows);
        cells.insert(cell, Fr::ZERO);
        let at_zero = self.value_of(&cells);
        cells.insert(cell, Fr::ONE);
        let slope = self.value_of(&cells) - at_zero;
        -at_zero * slope.invert().expect("the constraint determines the cell")
    }

    fn value_of(&self, cells: &BTreeMap<u32, Fr>) -> Fr {
        self.terms.iter().map(|(factor, list)| list.iter().fold(*factor, |product, cell| product * cells[cell])).sum()
    }
}

impl Cells {
    fn clone_row(&self, equation: &Equation, rows: usize) -> BTreeMap<u32, Fr> {
        equation
            .cells()
            .into_iter()
            .map(|cell| (cell, self.advice[cell as usize / rows][cell as usize % rows]))
            .collect()
    }
}

/// All constraints on all rows on which they say anything.
pub struct Equations {
    pub rows: usize,
    /// The logical column and row of each cell that has one.
    pub names: Vec<Option<(AdviceColumn, usize)>>,
    pub equations: Vec<Equation>,
    /// The equations that read each cell.
    pub touching: Vec<Vec<u32>>,
}

impl Equations {
    pub fn id(&self, (column, row): (usize, usize)) -> u32 {
        (column * self.rows + row) as u32
    }

    pub fn row(&self, cell: u32) -> usize {
        cell as usize % self.rows
    }

    /// Whether what is said is said about cells of the regions: about no blinded row, and in a folded machine neither about
    /// rows behind the regions, nor about places between the logical columns.
    pub fn speak_of_regions_only(&self) -> bool {
        let named = |cell: u32| self.names[cell as usize].is_some();
        self.equations.iter().all(|equation| equation.cells().into_iter().all(named))
    }

    pub fn is_second_phase(&self, cell: u32) -> bool {
        let first = |name| {
            matches!(
                name,
                AdviceColumn::Value(_)
                    | AdviceColumn::Pre(_)
                    | AdviceColumn::Low(_)
                    | AdviceColumn::High(_)
                    | AdviceColumn::Multiplicity(_)
                    | AdviceColumn::Weight(_)
                    | AdviceColumn::Port(_)
            )
        };
        self.names[cell as usize].is_some_and(|(name, _)| !first(name))
    }

    /// Whether some equation that reads a cell in which the two assignments differ is violated by the second. Where the
    /// first satisfies everything, this says whether the second does.
    pub fn breaks(&self, honest: &Cells, cells: &Cells) -> Option<&Equation> {
        let mut seen = BTreeSet::new();
        for (column, (old, new)) in honest.advice.iter().zip(&cells.advice).enumerate() {
            for row in (0..self.rows).filter(|&row| old[row] != new[row]) {
                for &equation in &self.touching[self.id((column, row)) as usize] {
                    let equation_ref = &self.equations[equation as usize];
                    if seen.insert(equation) && equation_ref.value(cells) != Fr::ZERO {
                        return Some(equation_ref);
                    }
                }
            }
        }
        None
    }

    /// The lookups that a machine makes: a first-phase cell that no other equation and no copy touches is read by the
    /// lookup helper of its lane, and only where its switch is on.
    pub fn unread(&self, system: &System) -> BTreeSet<(AdviceColumn, usize)> {
        let skeleton = &system.skeleton;
        let mut copied = BTreeSet::new();
        for &(source, destination) in &skeleton.copies {
            for cell in [source, destination] {
                if let Cell::Advice(column, row) = cell {
                    copied.insert((column, row as usize));
                }
            }
        }
        let mut unread = BTreeSet::new();
        for column in AdviceColumn::first_phase(&skeleton.params) {
            for row in 0..skeleton.rows_of(column) {
                let on = |switch| skeleton.fixed(switch, row) != 0;
                let looked_up = match column {
                    AdviceColumn::Value(lane) | AdviceColumn::Pre(lane) => on(FixedColumn::ValueSwitch(lane)),
                    AdviceColumn::Low(lane) | AdviceColumn::High(lane) => on(FixedColumn::LimbSwitch(lane)),
                    // Read by copies or brackets alone: nothing is said of the rows behind the elements, or between the blocks.
                    AdviceColumn::Port(_) | AdviceColumn::Weight(_) => false,
                    _ => true,
                };
                let touching = &self.touching[self.id(system.place(column, row)) as usize];
                let read = touching.iter().any(|&e| self.equations[e as usize].name != "M-HELPER");
                if !looked_up && !read && !copied.contains(&(column, row)) {
                    unread.insert((column, row));
                }
            }
        }
        unread
    }
}

/// Sparse Gaussian elimination, the shortest rows first; returns the columns that have a pivot.
fn eliminate(mut matrix: Vec<BTreeMap<u32, Fr>>) -> BTreeSet<u32> {
    let mut rows_of: BTreeMap<u32, BTreeSet<usize>> = BTreeMap::new();
    let mut queue = BTreeSet::new();
    for (index, row) in matrix.iter().enumerate() {
        row.keys().for_each(|&column| {
            rows_of.entry(column).or_default().insert(index);
        });
        queue.insert((row.len(), index));
    }
    let mut pivots = BTreeSet::new();
    while let Some((length, index)) = queue.pop_first() {
        if length == 0 {
            continue;
        }
        let row = std::mem::take(&mut matrix[index]);
        let (&pivot, &factor) = row.iter().min_by_key(|(column, _)| rows_of[column].len()).expect("not empty");
        row.keys().for_each(|column| {
            rows_of.get_mut(column).expect("known").remove(&index);
        });
        let inverse = factor.invert().expect("factors are not zero");
        for other in std::mem::take(rows_of.get_mut(&pivot).expect("known")) {
            queue.remove(&(matrix[other].len(), other));
            let multiple = matrix[other].remove(&pivot).expect("the column occurs") * inverse;
            for (&column, &factor) in row.iter().filter(|(&column, _)| column != pivot) {
                let entry = matrix[other].entry(column).or_insert(Fr::ZERO);
                *entry -= multiple * factor;
                match *entry == Fr::ZERO {
                    true => {
                        matrix[other].remove(&column);
                        rows_of.get_mut(&column).expect("known").remove(&other);
                    }
                    false => {
                        rows_of.get_mut(&column).expect("known").insert(other);
                    }
                }
            }
            queue.insert((matrix[other].len(), other));
        }
        pivots.insert(pivot);
    }
    pivots
}

/// A random number of the magnitude of one that a cell may hold.
pub fn small(rng: &mut ChaCha20Rng) -> i64 {
    (rng.next_u64() % 64) as i64 - 32
}

/// A copy whose two cells differ.
pub fn broken_copy(system: &System, cells: &Cells) -> Option<(Cell, Cell)> {
    let copies = system.skeleton.copies.iter().copied();
    copies.into_iter().find(|&(source, destination)| system.get(cells, source) != system.get(cells, destination))
}

/// Changes some cells one at a time, each by a prover who follows the machine from there on.
pub fn refuses_changes(case: &Case, changes: usize, seed: u64) {
    let system = case.system(seed);
    let honest = system.derived(&case.assignment);
    let violations = system.violations(&honest);
    assert!(violations.none(), "an honest run is refused: {violations:?}");
    assert_eq!(&honest.instance[..case.words().len()], case.words(), "the interpreter's result comes out");
    let equations = system.equations();
    assert!(equations.speak_of_regions_only());
    let unread = equations.unread(&system);
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let params = system.params();
    let used = case.layout.statistics().rows.units;
    for _ in 0..changes {
        let columns = [AdviceColumn::Value, AdviceColumn::Pre, AdviceColumn::Low, AdviceColumn::High];
        let column = columns[rng.next_u32() as usize % 4](rng.next_u32() % params.units);
        let row = rng.next_u32() as usize % used;
        let mut assignment = case.assignment.clone();
        let change = match small(&mut rng) {
            0 => 1,
            other => other,
        };
        assignment.set(column, row, assignment.get(column, row) + change);
        assignment.count_lookups();
        let cells = system.derived(&assignment);
        let refused = broken_copy(&system, &cells).is_some() || equations.breaks(&honest, &cells).is_some();
        assert_eq!(refused, !unread.contains(&(column, row)), "{column:?} on row {row} by {change}");
        assert!(refused || cells.instance == honest.instance);
    }
}
