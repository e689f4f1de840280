//! The second phase: what each of its columns is made of, once the challenges are known.
//!
//! Every second-phase cell is a function of the first phase, the fixed cells and the challenges, so nothing here is particular to a program.
//! The columns follow by one [`Recipe`]:
//!
//! * What a row *reads* (brackets of weights, linear forms, planes) is a sum of columns of small integers times powers of a challenge.
//! * An *accumulator* steps by a power of a challenge, by 1 or by 0.
//! * A *helper* is a sum of inverses, and the lookup sum accumulates helpers.
//!
//! `docs/arithmetization.md` has the gates that these columns satisfy.

use std::collections::{BTreeMap, HashMap};

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::assignment::{table_columns, Cell, Skeleton};
use super::columns::{AdviceColumn, FixedColumn, Region};
use super::placement::Placement;
use crate::recipe::{
    Coefficient, Derived, Form, Input, Operand, Output, Place, Recipe, ScalarCells, ScalarOperand, ScalarUnit, Source,
    Switch, Target, Term,
};

/// The places of the challenges among those of the machine.
const CHI: usize = 0;
const RHO: usize = 1;
const ALPHA: usize = 2;
const BETA: usize = 3;

/// How a machine's second phase follows from its first.
#[derive(Clone, Debug)]
pub struct SecondPhaseRecipe {
    /// What is computed.
    pub recipe: Recipe,
    /// The names of the derived columns, those of the scalar unit behind the others.
    pub names: Vec<AdviceColumn>,
}

impl Skeleton {
    /// How the second phase follows from a first phase.
    pub fn second_phase(&self) -> SecondPhaseRecipe {
        let placement = Placement::new(&self.params);
        let mut builder = Builder {
            skeleton: self,
            placement: &placement,
            inputs: Vec::new(),
            known: HashMap::new(),
            derived: Vec::new(),
            names: Vec::new(),
        };
        builder.weights();
        builder.identities();
        builder.lookups();
        let scalars = builder.scalars();
        let Builder { inputs, derived, names, .. } = builder;
        let first = placement.counts().first_phase;
        let target = |column: usize| Target { advice: first + column, rows: placement.used_rows(&self.regions) };
        let columns = (0..placement.counts().second_phase).map(target).collect();
        SecondPhaseRecipe { recipe: Recipe { columns, inputs, derived, scalars: Some(scalars) }, names }
    }
}

/// An input by its name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Name {
    Fixed(FixedColumn),
    Advice(AdviceColumn),
}

struct Builder<'a> {
    skeleton: &'a Skeleton,
    placement: &'a Placement,
    inputs: Vec<Input>,
    /// Inputs that are there; none for fixed columns of zeros.
    known: HashMap<Name, Option<usize>>,
    derived: Vec<Derived>,
    names: Vec<AdviceColumn>,
}

/// `base^(count−1), …, base, 1`
fn falling_powers(base: usize, count: u32) -> impl Iterator<Item = Coefficient> {
    (0..count).rev().map(move |exponent| Coefficient::power(base, exponent))
}

/// A term of an operand as it is.
fn plain(switches: Vec<Switch>, operand: Operand) -> Term {
    Term::new(Coefficient::one(), switches, operand)
}

impl Builder<'_> {
    fn input(&mut self, name: Name) -> Option<usize> {
        if let Some(&known) = self.known.get(&name) {
            return known;
        }
        let regions = &self.skeleton.regions;
        let input = match name {
            Name::Fixed(column) => {
                let cells = self.skeleton.fixed.get(&column).filter(|cells| !cells.is_zero());
                cells.zip(self.placement.fixed_rows(regions, column)).map(|(cells, (index, rows))| Input {
                    source: Source::Fixed(index),
                    rows,
                    integers: Some(cells.clone()),
                })
            }
            Name::Advice(column) => {
                let (index, rows) = self.placement.advice_rows(regions, column)[0];
                Some(Input { source: Source::Advice(index), rows, integers: None })
            }
        };
        let number = input.map(|input| {
            self.inputs.push(input);
            self.inputs.len() - 1
        });
        self.known.insert(name, number);
        number
    }

    /// The input of a fixed column that is not zero everywhere.
    fn fixed(&mut self, column: FixedColumn) -> Option<usize> {
        self.input(Name::Fixed(column))
    }

    /// The input of a first-phase column.
    fn first(&mut self, column: AdviceColumn) -> usize {
        self.input(Name::Advice(column)).expect("columns of the first phase are there")
    }

    /// Switches, where none of them is zero everywhere.
    fn switches<const N: usize>(&mut self, columns: [FixedColumn; N]) -> Option<Vec<Switch>> {
        columns.into_iter().map(|column| self.fixed(column).map(Switch::On)).collect()
    }

    fn output(&self, column: AdviceColumn) -> Output {
        let first = self.placement.counts().first_phase;
        let places = self.placement.advice_rows(&self.skeleton.regions, column).into_iter();
        let places = places.map(|(index, rows)| Place { column: index - first, rows }).collect();
        Output { rows: self.skeleton.rows_of(column), places }
    }

    /// Appends a column; returns its number.
    fn push(&mut self, column: AdviceColumn, forms: Vec<Form>, reads: Vec<Term>, steps: Option<Vec<Term>>) -> usize {
        let output = self.output(column);
        self.derived.push(Derived { output, forms, reads, steps });
        self.names.push(column);
        self.derived.len() - 1
    }

    /// The steps of an accumulator: switches with their factors.
    fn steps<const N: usize>(&mut self, steps: [(FixedColumn, Coefficient); N]) -> Option<Vec<Term>> {
        let steps = steps.into_iter().filter_map(|(column, factor)| {
            let switch = Switch::On(self.fixed(column)?);
            Some(Term::new(factor, [switch], Operand::One))
        });
        Some(steps.collect())
    }

    /// `Σ_l base^(n−1−l)·column(l)`
    fn lanes(&mut self, base: usize, count: u32, column: fn(u32) -> AdviceColumn) -> Form {
        let lanes = (0..count).map(|lane| self.first(column(lane))).zip(falling_powers(base, count));
        Form { terms: lanes.collect(), constant: Coefficient::default(), inverted: false }
    }

    // --- readers and weights -------------------------------------------------------------------------------------

    fn weights(&mut self) {
        let params = self.skeleton.params;
        let lanes = params.weights;
        let public = (0..lanes).filter_map(|lane| self.fixed(FixedColumn::Weight(lane)).map(|input| (lane, input)));
        let terms = public.map(|(lane, input)| (input, Coefficient::power(RHO, lanes - 1 - lane))).collect();
        let mut forms = vec![Form { terms, constant: Coefficient::default(), inverted: false }];
        let mut reads = vec![plain(vec![], Operand::Form(0))];
        if params.weight_lanes.has_private() {
            if let Some(switches) = self.switches([FixedColumn::WeightPrivate]) {
                forms.push(self.lanes(RHO, lanes, AdviceColumn::Weight));
                reads.push(plain(switches, Operand::Form(1)));
            }
            if let Some(mut switches) = self.switches([FixedColumn::WeightSingle]) {
                switches.push(Switch::On(self.first(AdviceColumn::Weight(lanes - 1))));
                reads.push(plain(switches, Operand::One));
            }
        }
        let steps = [
            (FixedColumn::WeightStep, Coefficient::power(RHO, lanes)),
            (FixedColumn::WeightSingleStep, Coefficient::power(RHO, 1)),
        ];
        let steps = self.steps(steps);
        let inner = self.push(AdviceColumn::WeightInner, forms, reads, steps);
        if params.reads_planes() {
            let steps = [
                (FixedColumn::WeightOuterKeep, Coefficient::one()),
                (FixedColumn::WeightOuterStep, Coefficient::power(CHI, 1)),
            ];
            self.absorbing(AdviceColumn::WeightOuter, FixedColumn::WeightAbsorb, inner, steps);
        }
    }

    /// An outer accumulator, which takes an inner one up where a switch says so.
    fn absorbing(
        &mut self,
        column: AdviceColumn,
        absorb: FixedColumn,
        inner: usize,
        steps: [(FixedColumn, Coefficient); 2],
    ) {
        let switches = self.switches([absorb]);
        let reads = switches.map(|switches| plain(switches, Operand::Column(inner))).into_iter().collect();
        let steps = self.steps(steps);
        self.push(column, Vec::new(), reads, steps);
    }

    /// The identity reader and, where there are planes, the plane reader.
    fn identities(&mut self) {
        let params = self.skeleton.params;
        let (mut forms, mut reads) = (Vec::new(), Vec::new());
        for (base, gate) in self.bases() {
            self.linear_form(base, gate, &mut forms, &mut reads);
        }
        let steps = [
            (FixedColumn::IdentityStepChi, Coefficient::power(CHI, params.units)),
            (FixedColumn::IdentityStepRho, Coefficient::power(RHO, params.units)),
            (FixedColumn::IdentityKeep, Coefficient::one()),
        ];
        let steps = self.steps(steps);
        let inner = self.push(AdviceColumn::IdentityInner, forms, reads, steps);
        if params.reads_planes() {
            let steps = [
                (FixedColumn::IdentityOuterKeep, Coefficient::one()),
                (FixedColumn::IdentityOuterStep, Coefficient::power(RHO, 1)),
            ];
            self.absorbing(AdviceColumn::IdentityOuter, FixedColumn::IdentityAbsorb, inner, steps);
            self.planes();
        }
    }

    /// The bases of the powers that some row reads its lanes with, each with the switch of its rows.
    fn bases(&mut self) -> Vec<(usize, Option<Switch>)> {
        let lanes_rho = self.fixed(FixedColumn::IdentityLanesRho);
        let [chi, rho] = [false, true].map(|rho| self.lanes_are_read(rho));
        let switched = |base, switch: fn(usize) -> Switch| (base, lanes_rho.map(switch));
        match (chi, rho) {
            (true, true) => vec![switched(CHI, Switch::Off), switched(RHO, Switch::On)],
            (true, false) => vec![(CHI, None)],
            (false, true) => vec![(RHO, None)],
            (false, false) => vec![],
        }
    }

    /// Whether some row reads its lanes with powers of `ρ` (or, else, of `χ`).
    fn lanes_are_read(&self, rho: bool) -> bool {
        let forms = [
            FixedColumn::ValueCoefficient,
            FixedColumn::PreCoefficient,
            FixedColumn::LowCoefficient,
            FixedColumn::HighCoefficient,
            FixedColumn::Constant,
            FixedColumn::NextValueCoefficient,
            FixedColumn::NextPreCoefficient,
        ];
        let reads = |row: usize| forms.iter().any(|&column| self.skeleton.fixed(column, row) != 0);
        let with_rho = |row: usize| self.skeleton.fixed(FixedColumn::IdentityLanesRho, row) != 0;
        (0..self.skeleton.regions.rows(Region::Units)).any(|row| with_rho(row) == rho && reads(row))
    }

    /// The lanes' linear forms with powers of a base, where the switch is on.
    fn linear_form(&mut self, base: usize, gate: Option<Switch>, forms: &mut Vec<Form>, reads: &mut Vec<Term>) {
        use AdviceColumn::{High, Low, Pre, Value};
        use FixedColumn as F;
        let units = self.skeleton.params.units;
        let minus = || Coefficient::constant(-Fr::ONE);
        type Read<'a> = (&'a [FixedColumn], fn(u32) -> AdviceColumn, isize, Coefficient);
        let read: [Read<'_>; 8] = [
            (&[F::ValueCoefficient], Value, 0, Coefficient::one()),
            (&[F::NextValueCoefficient], Value, 1, Coefficient::one()),
            (&[F::PreCoefficient], Pre, 0, Coefficient::one()),
            (&[F::NextPreCoefficient], Pre, 1, Coefficient::one()),
            (&[F::LowCoefficient], Low, 0, Coefficient::one()),
            (&[F::Saturate, F::PreCoefficient], Low, 1, Coefficient::one()),
            (&[F::HighCoefficient], High, 0, Coefficient::one()),
            (&[F::Saturate, F::PreCoefficient], High, 1, minus()),
        ];
        let mut made: BTreeMap<AdviceColumn, usize> = BTreeMap::new();
        for (columns, lanes, shift, factor) in read {
            let switches = columns.iter().map(|column| self.fixed(*column).map(Switch::On));
            let Some(switches) = switches.chain(gate.map(Some)).collect::<Option<Vec<_>>>() else { continue };
            let form = *made.entry(lanes(0)).or_insert_with(|| {
                forms.push(self.lanes(base, units, lanes));
                forms.len() - 1
            });
            reads.push(Term { shift, ..Term::new(factor, switches, Operand::Form(form)) });
        }
        if let Some(switches) = self.switches([F::Constant]) {
            let switches = switches.into_iter().chain(gate).collect::<Vec<_>>();
            reads.push(Term::new(Coefficient::sum(falling_powers(base, units)), switches, Operand::One));
        }
    }

    fn planes(&mut self) {
        let units = self.skeleton.params.units;
        let with_rho = self.fixed(FixedColumn::PlaneRho);
        let mut bases = vec![(CHI, with_rho.map(Switch::Off))];
        bases.extend(with_rho.map(|with_rho| (RHO, Some(Switch::On(with_rho)))));
        let (mut forms, mut reads) = (Vec::new(), Vec::new());
        let mut steps = self.steps([(FixedColumn::PlaneKeep, Coefficient::one())]).unwrap_or_default();
        for (base, gate) in bases {
            if let Some(read) = self.switches([FixedColumn::PlaneRead]) {
                forms.push(self.lanes(base, units, AdviceColumn::Value));
                let switches = read.into_iter().chain(gate).collect();
                reads.push(plain(switches, Operand::Form(forms.len() - 1)));
            }
            if let Some(step) = self.switches([FixedColumn::PlaneStep]) {
                let switches = step.into_iter().chain(gate).collect::<Vec<_>>();
                steps.push(Term::new(Coefficient::power(base, units), switches, Operand::One));
            }
        }
        self.push(AdviceColumn::Plane, forms, reads, Some(steps));
    }

    // --- lookups -------------------------------------------------------------------------------------------------

    /// Helpers, and the sum of their fractions.
    fn lookups(&mut self) {
        let params = self.skeleton.params;
        let mut sum = Vec::new();
        for lane in 0..params.units {
            let helper = self.lookup_helper(lane);
            sum.push(plain(vec![], Operand::Column(helper)));
        }
        let regions = AdviceColumn::LookupSum.regions();
        let tables = self.skeleton.regions.first_row(regions, Region::Tables) as isize;
        for table in 0..params.tables {
            let helper = self.table_helper(table);
            let minus = Coefficient::constant(-Fr::ONE);
            sum.push(Term { shift: -tables, ..Term::new(minus, [], Operand::Column(helper)) });
        }
        let steps = Some(vec![plain(vec![], Operand::One)]);
        self.push(AdviceColumn::LookupSum, Vec::new(), sum, steps);
    }

    /// `1/(α + entry)` for an entry of some inputs with powers of `β`.
    fn fraction(entry: impl IntoIterator<Item = (Option<usize>, u32)>) -> Form {
        let terms = entry.into_iter().filter_map(|(input, power)| Some((input?, Coefficient::power(BETA, power))));
        Form { terms: terms.collect(), constant: Coefficient::power(ALPHA, 1), inverted: true }
    }

    fn lookup_helper(&mut self, lane: u32) -> usize {
        let (mut forms, mut reads) = (Vec::new(), Vec::new());
        if let Some(switches) = self.switches([FixedColumn::ValueSwitch(lane)]) {
            let [pre, value] = [AdviceColumn::Pre(lane), AdviceColumn::Value(lane)].map(|column| self.first(column));
            let tag = self.fixed(FixedColumn::ValueTag(lane));
            forms.push(Self::fraction([(Some(pre), 0), (Some(value), 1), (tag, 2)]));
            reads.push(plain(switches, Operand::Form(0)));
        }
        if let Some(switches) = self.switches([FixedColumn::LimbSwitch(lane)]) {
            let limbs =
                [(AdviceColumn::Low(lane), FixedColumn::LowTag), (AdviceColumn::High(lane), FixedColumn::HighTag)];
            for (limb, tag) in limbs {
                let (limb, tag) = (self.first(limb), self.fixed(tag));
                forms.push(Self::fraction([(Some(limb), 0), (tag, 2)]));
                reads.push(plain(switches.clone(), Operand::Form(forms.len() - 1)));
            }
        }
        self.push(AdviceColumn::LookupHelper(lane), forms, reads, None)
    }

    fn table_helper(&mut self, table: u32) -> usize {
        let [key, image, tag] = table_columns(table).map(|column| self.fixed(column));
        let form = Self::fraction([(key, 0), (image, 1), (tag, 2)]);
        let counts = self.first(AdviceColumn::Multiplicity(table));
        let read = plain(vec![Switch::On(counts)], Operand::Form(0));
        self.push(AdviceColumn::TableHelper(table), vec![form], vec![read], None)
    }

    // --- the scalar unit -----------------------------------------------------------------------------------------

    fn scalars(&mut self) -> ScalarUnit {
        let outputs = [AdviceColumn::ScalarA, AdviceColumn::ScalarB, AdviceColumn::ScalarC];
        let cells = |column: FixedColumn| {
            let integers = self.skeleton.fixed.get(&column)?.clone();
            let elements = self.skeleton.elements.get(&column).cloned().unwrap_or_default();
            (!integers.is_zero() || !elements.is_empty()).then_some(ScalarCells { integers, elements })
        };
        let steps = [
            (FixedColumn::ScalarPrevious, Coefficient::one()),
            (FixedColumn::ScalarRho, Coefficient::power(RHO, 1)),
            (FixedColumn::ScalarChi, Coefficient::power(CHI, 1)),
        ];
        let steps: Vec<_> = steps.into_iter().filter_map(|(column, factor)| Some((cells(column)?, factor))).collect();
        let [product, operand, constant] =
            [FixedColumn::ScalarProduct, FixedColumn::ScalarOperand, FixedColumn::ScalarConstant].map(cells);
        let coefficients: Vec<&ScalarCells> =
            steps.iter().map(|(cells, _)| cells).chain([&product, &operand, &constant].into_iter().flatten()).collect();
        let is_set = |row: usize| coefficients.iter().any(|cells| cells.is_set(row));
        let (sources, mut operands) = self.operands(is_set(0));
        let is_used = |(row, operands): &(usize, &[ScalarOperand; 2])| {
            operands.iter().any(|operand| *operand != ScalarOperand::Zero) || is_set(*row)
        };
        let used = operands.iter().enumerate().rev().find(is_used).map_or(0, |(row, _)| row + 1);
        operands.truncate(used);
        operands.shrink_to_fit();
        self.names.extend(outputs);
        ScalarUnit {
            outputs: outputs.map(|column| self.output(column)),
            sources,
            operands,
            steps,
            product,
            operand,
            constant,
        }
    }

    /// What the operands of each row are copied from. Unused ones are copies of the result in row 0, which is zero unless the row has
    /// coefficients.
    fn operands(&self, first_is_set: bool) -> (Vec<Source>, Vec<[ScalarOperand; 2]>) {
        let numbers: HashMap<AdviceColumn, u32> = self.names.iter().copied().zip(0..).collect();
        let mut sources = Vec::new();
        let mut places: HashMap<usize, u32> = HashMap::new();
        let mut operand = |column: AdviceColumn, row: u32| match column {
            AdviceColumn::ScalarA => ScalarOperand::A(row),
            AdviceColumn::ScalarB => ScalarOperand::B(row),
            AdviceColumn::ScalarC if row == 0 && !first_is_set => ScalarOperand::Zero,
            AdviceColumn::ScalarC => ScalarOperand::C(row),
            _ => match numbers.get(&column) {
                Some(&number) => ScalarOperand::Derived(number, row),
                None => {
                    let (index, row) = self.placement.advice_cell(&self.skeleton.regions, column, row as usize);
                    let place = *places.entry(index).or_insert_with(|| {
                        sources.push(Source::Advice(index));
                        sources.len() as u32 - 1
                    });
                    ScalarOperand::Source(place, row as u32)
                }
            },
        };
        let mut operands = vec![[ScalarOperand::Zero; 2]; self.skeleton.regions.rows(Region::Scalars)];
        for &(source, destination) in &self.skeleton.copies {
            let Cell::Advice(source, from) = source else { continue };
            match destination {
                Cell::Advice(AdviceColumn::ScalarA, row) => operands[row as usize][0] = operand(source, from),
                Cell::Advice(AdviceColumn::ScalarB, row) => operands[row as usize][1] = operand(source, from),
                _ => {}
            }
        }
        (sources, operands)
    }
}
