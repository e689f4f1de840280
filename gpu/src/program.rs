//! Straight-line programs as kernels take them, and kernels that are printed for them.
//!
//! The prover's [`Program`] becomes [`Steps`] that know nothing of a circuit: columns and scalars are numbers. What multiplies by one or
//! adds to zero is left out. Circuits of one family give the same steps again and again; those that models in use have are listed
//! in `cuda/printed/programs.txt`, and [`print()`] makes `cuda/printed/kernels.hpp` of the list. The library finds a program's kernel
//! by comparing steps, and interprets what has none.

use std::fmt;
use std::str::FromStr;

use prover::plonk::constraints::Column;
use prover::plonk::program::{Instruction, Operand, Operation, Program};
use prover::plonk::scalar::{ScalarId, Scalars};
use thiserror::Error;

/// Where a step reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A register.
    Register(u32),
    /// A scalar.
    Scalar(u32),
    /// A column, in the row that lies so many rows further on.
    Cell(u32, i32),
    /// The point that the row stands for.
    Point,
}

/// What a step does; see [`Operation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// `a + b`
    Sum(Source, Source),
    /// `a − b`
    Difference(Source, Source),
    /// `a·b`
    Product(Source, Source),
    /// `a`
    Copy(Source),
    /// `register + a·b`
    SumOfProduct(Source, Source),
}

/// An action, and the register that takes its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// The register.
    pub to: u32,
}

/// A program apart from its columns and scalars.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Steps {
    /// Columns that are read.
    pub slots: u32,
    /// Scalars that are read.
    pub scalars: u32,
    /// Registers in use.
    pub registers: u32,
    /// The register of the result.
    pub result: u32,
    /// What is done.
    pub list: Vec<Step>,
}

/// A program with its columns and scalars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceProgram {
    /// What is done.
    pub steps: Steps,
    /// The columns, by number.
    pub slots: Vec<Column>,
    /// The scalars, by number.
    pub scalars: Vec<ScalarId>,
}

impl DeviceProgram {
    /// A program of the prover.
    pub fn new(program: &Program) -> Self {
        let mut lowering = Lowering { program, scalars: Vec::new(), list: Vec::new(), zero: false };
        program.instructions.iter().for_each(|instruction| lowering.lower(instruction));
        lowering.settle();
        let Lowering { scalars, list, .. } = lowering;
        let (registers, result) = (program.registers, program.result);
        let steps = Steps { slots: program.slots.len() as u32, scalars: scalars.len() as u32, registers, result, list };
        Self { steps, slots: program.slots.clone(), scalars }
    }
}

struct Lowering<'a> {
    program: &'a Program,
    scalars: Vec<ScalarId>,
    list: Vec<Step>,
    /// Whether the result's register is zero, and nothing has written that.
    zero: bool,
}

impl Lowering<'_> {
    fn lower(&mut self, instruction: &Instruction) {
        let Instruction { operation, a, b, to } = *instruction;
        let is_result = to == self.program.result;
        if self.is(a, Scalars::ZERO) && operation == Operation::Copy && is_result {
            self.zero = true;
            return;
        }
        let starts = self.zero && is_result && operation == Operation::MultiplyAdd;
        if starts {
            self.zero = false;
        } else if is_result || [a, b].contains(&Operand::Register(self.program.result)) {
            self.settle();
        }
        let sum = Source::Register(to);
        let action = match operation {
            Operation::Add => Action::Sum(self.source(a), self.source(b)),
            Operation::Subtract => Action::Difference(self.source(a), self.source(b)),
            Operation::Multiply => Action::Product(self.source(a), self.source(b)),
            Operation::Copy => Action::Copy(self.source(a)),
            Operation::MultiplyAdd => match (starts, self.is(b, Scalars::ONE)) {
                (true, true) => Action::Copy(self.source(a)),
                (true, false) => Action::Product(self.source(a), self.source(b)),
                (false, true) => Action::Sum(sum, self.source(a)),
                (false, false) => Action::SumOfProduct(self.source(a), self.source(b)),
            },
        };
        self.list.push(Step { action, to });
    }

    fn is(&self, operand: Operand, scalar: ScalarId) -> bool {
        matches!(operand, Operand::Scalar(index) if self.program.scalars[index as usize] == scalar)
    }

    /// Writes the zero that was left out.
    fn settle(&mut self) {
        if std::mem::take(&mut self.zero) {
            let zero = self.scalar(Scalars::ZERO);
            self.list.push(Step { action: Action::Copy(zero), to: self.program.result });
        }
    }

    fn source(&mut self, operand: Operand) -> Source {
        match operand {
            Operand::Register(register) => Source::Register(register),
            Operand::Scalar(index) => self.scalar(self.program.scalars[index as usize]),
            Operand::Cell { slot, rotation } => Source::Cell(slot, rotation),
            Operand::Identity => Source::Point,
        }
    }

    fn scalar(&mut self, scalar: ScalarId) -> Source {
        let place = self.scalars.iter().position(|other| *other == scalar).unwrap_or_else(|| {
            self.scalars.push(scalar);
            self.scalars.len() - 1
        });
        Source::Scalar(place as u32)
    }
}

impl Action {
    /// What it reads, in order.
    pub fn sources(self) -> [Option<Source>; 2] {
        match self {
            Self::Copy(a) => [Some(a), None],
            Self::Sum(a, b) | Self::Difference(a, b) | Self::Product(a, b) | Self::SumOfProduct(a, b) => {
                [Some(a), Some(b)]
            }
        }
    }
}

impl Steps {
    /// Field products of a row.
    pub fn products(&self) -> usize {
        let is_product = |step: &&Step| matches!(step.action, Action::Product(..) | Action::SumOfProduct(..));
        self.list.iter().filter(is_product).count()
    }

    fn sources(&self) -> impl Iterator<Item = Source> + '_ {
        self.list.iter().flat_map(|step| step.action.sources()).flatten()
    }

    /// A name that programs hardly share: a hash of the text (FNV-1a).
    fn name(&self) -> String {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        format!("{:016x}", self.to_string().bytes().fold(0xcbf2_9ce4_8422_2325, step))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Register(index) => write!(f, "r{index}"),
            Self::Scalar(index) => write!(f, "s{index}"),
            Self::Cell(slot, rotation) => write!(f, "c{slot}@{rotation}"),
            Self::Point => f.write_str("x"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = self.to;
        match self.action {
            Action::Sum(a, b) => write!(f, "r{to} = {a} + {b}"),
            Action::Difference(a, b) => write!(f, "r{to} = {a} - {b}"),
            Action::Product(a, b) => write!(f, "r{to} = {a} * {b}"),
            Action::Copy(a) => write!(f, "r{to} = {a}"),
            Action::SumOfProduct(a, b) => write!(f, "r{to} += {a} * {b}"),
        }
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { slots, scalars, registers, result, list } = self;
        write!(f, "{slots} columns, {scalars} scalars, {registers} registers, r{result}")?;
        list.iter().try_for_each(|step| write!(f, "; {step}"))
    }
}

/// A text that is no program.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is not what stands in a list of programs")]
pub struct StepsError(String);

impl FromStr for Source {
    type Err = StepsError;

    fn from_str(text: &str) -> Result<Self, StepsError> {
        let error = || StepsError(text.into());
        let number = |digits: &str| digits.parse().map_err(|_| error());
        let (kind, rest) = text.split_at_checked(1).ok_or_else(error)?;
        match kind {
            "r" => Ok(Self::Register(number(rest)?)),
            "s" => Ok(Self::Scalar(number(rest)?)),
            "c" => {
                let (slot, rotation) = rest.split_once('@').ok_or_else(error)?;
                Ok(Self::Cell(number(slot)?, rotation.parse().map_err(|_| error())?))
            }
            "x" if rest.is_empty() => Ok(Self::Point),
            _ => Err(error()),
        }
    }
}

impl FromStr for Step {
    type Err = StepsError;

    fn from_str(text: &str) -> Result<Self, StepsError> {
        let error = || StepsError(text.into());
        let words: Vec<&str> = text.split(' ').collect();
        let Some(Source::Register(to)) = words.first().and_then(|word| word.parse().ok()) else { return Err(error()) };
        let action = match words[1..] {
            ["=", a, "+", b] => Action::Sum(a.parse()?, b.parse()?),
            ["=", a, "-", b] => Action::Difference(a.parse()?, b.parse()?),
            ["=", a, "*", b] => Action::Product(a.parse()?, b.parse()?),
            ["=", a] => Action::Copy(a.parse()?),
            ["+=", a, "*", b] => Action::SumOfProduct(a.parse()?, b.parse()?),
            _ => return Err(error()),
        };
        Ok(Self { action, to })
    }
}

impl FromStr for Steps {
    type Err = StepsError;

    fn from_str(text: &str) -> Result<Self, StepsError> {
        let error = || StepsError(text.into());
        let mut parts = text.split("; ");
        let head: Vec<&str> = parts.next().unwrap_or_default().split(", ").collect();
        let [slots, scalars, registers, result] = head[..] else { return Err(error()) };
        let number = |text: &str, what| {
            let digits = text.strip_suffix(what).and_then(|digits| digits.strip_suffix(' '));
            digits.and_then(|digits| digits.parse().ok()).ok_or_else(error)
        };
        let Ok(Source::Register(result)) = result.parse() else { return Err(error()) };
        Ok(Self {
            slots: number(slots, "columns")?,
            scalars: number(scalars, "scalars")?,
            registers: number(registers, "registers")?,
            result,
            list: parts.map(str::parse).collect::<Result<_, _>>()?,
        })
    }
}

/// The programs of a list: a line each, but for empty ones and those that begin with `#`.
///
/// # Errors
/// A line is something else.
pub fn parse_list(text: &str) -> Result<Vec<Steps>, StepsError> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::parse).collect()
}

/// `cuda/printed/kernels.hpp` for some programs.
///
/// # Panics
/// A program reads a register before it writes it.
pub fn print(programs: &[Steps]) -> String {
    let mut text = String::from(
        "// Printed from `programs.txt` by `cargo run --example print_programs`, and compared with it by a test. Do not edit.\n\
         #pragma once\n\nnamespace zkinfer {\nnamespace {\n",
    );
    for steps in programs {
        text += &print_program(steps);
    }
    text += "\nconst Printed PRINTED[] = {\n";
    for steps in programs {
        text += &format!("    printed<Program_{}>(),\n", steps.name());
    }
    text + "};\n\n} // namespace\n} // namespace zkinfer\n"
}

fn print_program(steps: &Steps) -> String {
    let Steps { slots, scalars, result, list, .. } = steps;
    let mut lines = vec![
        String::new(),
        format!("struct Program_{} {{", steps.name()),
        format!("    static constexpr uint32_t SLOTS = {slots}, SCALARS = {scalars}, RESULT = {result};"),
        "    static constexpr zkinfer_instruction INSTRUCTIONS[] = {".into(),
    ];
    lines.extend(list.iter().map(|step| format!("        {},", print_step(step))));
    lines.extend(["    };".into(), "    template <typename Row> static HD Fr sum(const Row &row) {".into()]);
    if steps.sources().any(|source| source == Source::Point) {
        lines.push("        const Fr point = row.point();".into());
    }
    // The variable that holds a register's value.
    let mut holders = vec![None; steps.registers as usize];
    for (index, step) in list.iter().enumerate() {
        let value = |source| match source {
            Source::Register(register) => {
                let holder: Option<usize> = holders[register as usize];
                format!("v{}", holder.expect("a register is written before it is read"))
            }
            Source::Scalar(scalar) => format!("row.scalar({scalar})"),
            Source::Cell(slot, rotation) => format!("row.cell({slot}, {rotation})"),
            Source::Point => "point".into(),
        };
        let expression = match step.action {
            Action::Sum(a, b) => format!("{} + {}", value(a), value(b)),
            Action::Difference(a, b) => format!("{} - {}", value(a), value(b)),
            Action::Product(a, b) => format!("{} * {}", value(a), value(b)),
            Action::Copy(a) => value(a),
            Action::SumOfProduct(a, b) => format!("{} + {} * {}", value(Source::Register(step.to)), value(a), value(b)),
        };
        lines.push(format!("        const Fr v{index} = {expression};"));
        holders[step.to as usize] = Some(index);
    }
    let last = holders[*result as usize].expect("the result is written");
    lines.extend([format!("        return v{last};"), "    }".into(), "};".into(), String::new()]);
    lines.join("\n")
}

/// A step as an initializer of `zkinfer_instruction`.
fn print_step(step: &Step) -> String {
    let operand = |source: Option<Source>| match source {
        Some(Source::Register(index)) => format!("{{ZKINFER_REGISTER, {index}, 0}}"),
        Some(Source::Scalar(index)) => format!("{{ZKINFER_SCALAR, {index}, 0}}"),
        Some(Source::Cell(slot, rotation)) => format!("{{ZKINFER_CELL, {slot}, {rotation}}}"),
        Some(Source::Point) => "{ZKINFER_POINT, 0, 0}".into(),
        None => "{0, 0, 0}".into(),
    };
    let operation = match step.action {
        Action::Sum(..) => "SUM",
        Action::Difference(..) => "DIFFERENCE",
        Action::Product(..) => "PRODUCT",
        Action::Copy(..) => "COPY",
        Action::SumOfProduct(..) => "SUM_OF_PRODUCT",
    };
    let [a, b] = step.action.sources().map(operand);
    format!("{{ZKINFER_{operation}, {}, {a}, {b}}}", step.to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_programs_are_read_as_they_are_written() {
        let text = "2 columns, 1 scalars, 3 registers, r0; r1 = c0@-3; r2 = r1 * c1@0; r0 = r2 - x; r0 += s0 * r1; r0 = r0 + r0";
        let steps: Steps = text.parse().expect("a program");
        assert_eq!(steps.to_string(), text);
        assert_eq!(steps.products(), 2);
        for wrong in [
            "",
            "2 columns",
            "2 columns, 1 scalars, 3 registers, s0",
            &text.replace("@-3", ""),
            &text.replace("+=", "-="),
        ] {
            assert!(wrong.parse::<Steps>().is_err(), "{wrong}");
        }
        assert_eq!(parse_list(&format!("# none\n\n{text}\n")), Ok(vec![steps.clone()]));
        let printed = print(&[steps]);
        assert!(printed.contains("const Fr v2 = v1 - point;"), "{printed}");
        assert!(printed.contains("const Fr v3 = v2 + row.scalar(0) * v0;"), "{printed}");
        assert!(printed.contains("{ZKINFER_COPY, 1, {ZKINFER_CELL, 0, -3}, {0, 0, 0}}"), "{printed}");
    }
}
