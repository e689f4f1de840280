//! What the entries of tables have to be: the functions of the program, the ranges of inputs, and what operators look up besides, which is
//! powers of two, and steps.

use std::collections::{BTreeMap, HashSet};

use super::super::tables::OwnFunction;
use super::{table_entries, AuditError};
use crate::graph::{Op, Program, TableId, TensorId};
use crate::machine::Skeleton;

/// A function that a tag stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Function {
    /// One of an operator.
    Own(OwnFunction),
    /// The identity on some integers, the first and the last of which these are.
    Range(i64, i64),
    /// A table of the program on some integers.
    Table(TableId, i64, i64),
}

impl Function {
    fn has_entry(self, program: &Program, key: i64, image: i64) -> bool {
        match self {
            Self::Own(function) => function.has_key(program, key) && function.image(program, key) == image,
            Self::Range(lo, hi) => (lo..=hi).contains(&key) && key == image,
            Self::Table(table, lo, hi) => (lo..=hi).contains(&key) && program.table(table).apply(key) == image,
        }
    }
}

/// The functions that are looked up, by their tags.
#[derive(Default)]
pub(super) struct Functions {
    by_tag: BTreeMap<i64, Function>,
    /// Functions that have been found to be those of tags.
    same: HashSet<(i64, Function)>,
}

impl Functions {
    /// Whether a tag stands for a function, as it does from the first time on that this is asked.
    pub(super) fn is(&mut self, program: &Program, function: Function, tag: i64) -> bool {
        if self.same.contains(&(tag, function)) {
            return true;
        }
        let known = *self.by_tag.entry(tag).or_insert(function);
        let same = is_same(program, known, function);
        if same {
            self.same.insert((tag, function));
        }
        same
    }

    /// Checks that the tables of all tags have the images of their functions, and no keys besides.
    ///
    /// # Errors
    /// The first table that is another.
    pub(super) fn audit(&self, program: &Program, skeleton: &Skeleton) -> Result<(), AuditError> {
        if self.by_tag.is_empty() {
            return Ok(());
        }
        for [key, image, tag] in table_entries(skeleton) {
            if self.by_tag.get(&tag).is_some_and(|function| !function.has_entry(program, key, image)) {
                return Err(AuditError::Table { tag });
            }
        }
        Ok(())
    }
}

/// Whether two functions are one: operators with equal steps have the same.
fn is_same(program: &Program, a: Function, b: Function) -> bool {
    use OwnFunction::{Factor, Strict};
    let steps = |tensor: TensorId| match &program.node(tensor).op {
        Op::Steps { first, steps, .. } => Some((first, steps)),
        _ => None,
    };
    match (a, b) {
        (Function::Own(Factor(a)), Function::Own(Factor(b))) | (Function::Own(Strict(a)), Function::Own(Strict(b))) => {
            a == b || steps(a).is_some() && steps(a) == steps(b)
        }
        _ => a == b,
    }
}
