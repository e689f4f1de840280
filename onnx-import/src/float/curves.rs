//! Functions of one real that have no short form.

use std::sync::Arc;

use super::graph::{BinaryFunction, UnaryFunction};

/// One step of a [`Curve`]. Step `i` has the result `i + 1`; result 0 is the argument.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A number.
    Constant(f64),
    /// A function of a result.
    Unary(UnaryFunction, usize),
    /// A function of two results.
    Binary(BinaryFunction, [usize; 2]),
    /// The second of three results where the first is not 0, else the third.
    Select([usize; 3]),
    /// The entry of a table that a result counts, from the end where it is negative.
    Entry(Arc<[f64]>, usize),
}

/// A function of one real as the steps that a model takes with it, in the arithmetic of IEEE 754: results on the way may be infinite or
/// not numbers, which a later step replaces. The last result is the value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    steps: Vec<Step>,
}

impl Curve {
    /// Appends a step, evaluated where all that it reads is known; gives the number of its result.
    pub(crate) fn push(&mut self, step: Step) -> usize {
        let known = |result: usize| match result.checked_sub(1).map(|step| &self.steps[step]) {
            Some(Step::Constant(value)) => Some(*value),
            _ => None,
        };
        let folded = match &step {
            Step::Constant(_) => None,
            Step::Unary(function, a) => known(*a).map(|a| function.evaluate(a)),
            Step::Binary(function, [a, b]) => known(*a).zip(known(*b)).map(|(a, b)| function.evaluate(a, b)),
            Step::Select([condition, then, otherwise]) => match known(*condition) {
                Some(condition) => return if condition != 0.0 { *then } else { *otherwise },
                None => None,
            },
            Step::Entry(table, index) => known(*index).map(|index| entry(table, index)),
        };
        self.steps.push(folded.map_or(step, Step::Constant));
        self.steps.len()
    }

    /// Number of steps.
    pub fn size(&self) -> usize {
        self.steps.len()
    }

    /// The curve whose value is a result of this one, with the steps that lead to it alone.
    pub(crate) fn ending_in(&self, result: usize) -> Self {
        let mut read = vec![false; self.steps.len() + 1];
        read[result] = true;
        for (index, step) in self.steps.iter().enumerate().rev() {
            if read[index + 1] {
                step.operands().into_iter().for_each(|operand| read[operand] = true);
            }
        }
        let mut renamed = vec![0; self.steps.len() + 1];
        let mut steps = Vec::new();
        for (index, step) in self.steps.iter().enumerate().filter(|(index, _)| read[index + 1]) {
            steps.push(step.renamed(&renamed));
            renamed[index + 1] = steps.len();
        }
        Self { steps }
    }

    /// The value at `v`.
    pub fn evaluate(&self, v: f64) -> f64 {
        let mut results = Vec::with_capacity(self.steps.len() + 1);
        results.push(v);
        for step in &self.steps {
            results.push(match step {
                Step::Constant(value) => *value,
                Step::Unary(function, a) => function.evaluate(results[*a]),
                Step::Binary(function, [a, b]) => function.evaluate(results[*a], results[*b]),
                Step::Select([condition, then, otherwise]) => match results[*condition] != 0.0 {
                    true => results[*then],
                    false => results[*otherwise],
                },
                Step::Entry(table, index) => entry(table, results[*index]),
            });
        }
        results[self.steps.len()]
    }
}

impl Step {
    fn operands(&self) -> Vec<usize> {
        match self {
            Self::Constant(_) => vec![],
            Self::Unary(_, a) | Self::Entry(_, a) => vec![*a],
            Self::Binary(_, operands) => operands.to_vec(),
            Self::Select(operands) => operands.to_vec(),
        }
    }

    fn renamed(&self, names: &[usize]) -> Self {
        match self {
            Self::Constant(value) => Self::Constant(*value),
            Self::Unary(function, a) => Self::Unary(*function, names[*a]),
            Self::Binary(function, operands) => Self::Binary(*function, operands.map(|operand| names[operand])),
            Self::Select(operands) => Self::Select(operands.map(|operand| names[operand])),
            Self::Entry(table, index) => Self::Entry(Arc::clone(table), names[*index]),
        }
    }
}

/// An entry of a table, no number where there is none.
fn entry(table: &[f64], index: f64) -> f64 {
    let place = if index < 0.0 { index + table.len() as f64 } else { index };
    match place >= 0.0 && place < table.len() as f64 {
        true => table[place as usize],
        false => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_taken_one_after_another() {
        let mut curve = Curve::default();
        // x/x is no number at 0, where the table's last entry stands for it.
        let one = curve.push(Step::Binary(BinaryFunction::Div, [0, 0]));
        let nothing = curve.push(Step::Unary(UnaryFunction::IsNan, one));
        let constant = curve.push(Step::Constant(-1.0));
        let last = curve.push(Step::Entry(Arc::from([3.0, 7.0]), constant));
        let unread = curve.push(Step::Unary(UnaryFunction::Exp, one));
        let value = curve.push(Step::Select([nothing, last, one]));
        let value = curve.push(Step::Binary(BinaryFunction::Add, [value, 0]));
        let curve = curve.ending_in(value);
        assert_eq!([0.0, 2.5, -1.0].map(|v| curve.evaluate(v)), [7.0, 3.5, 0.0]);
        assert_eq!((unread, curve.size()), (5, 5));
        assert!(
            !curve.steps.iter().any(|step| matches!(step, Step::Entry(..))),
            "an entry of a constant index is a number"
        );
    }

    #[test]
    fn entries_beyond_a_table_are_no_numbers() {
        let mut curve = Curve::default();
        curve.push(Step::Entry(Arc::from([3.0, 7.0]), 0));
        assert_eq!([0.0, 1.0, -2.0].map(|v| curve.evaluate(v)), [3.0, 7.0, 3.0]);
        assert!([2.0, -3.0, f64::NAN].iter().all(|&v| curve.evaluate(v).is_nan()));
    }
}
