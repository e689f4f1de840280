//! What operators look up besides the tables of the program: powers of two, and steps.

use std::collections::{BTreeMap, HashSet};

use super::super::tables::OwnFunction;
use super::super::Layout;
use super::columns::Columns;
use super::{table_entries, AuditError, LaidFunction};
use crate::graph::{Node, Op, Program, TensorId};

/// Checks that every operator looks up the functions that it asks for, under tags whose tables have their images and no keys besides.
///
/// # Errors
/// The first that is otherwise.
pub(super) fn audit(program: &Program, layout: &Layout, columns: &Columns<'_>) -> Result<(), AuditError> {
    let mut tags: BTreeMap<i64, OwnFunction> = BTreeMap::new();
    let mut asked = HashSet::new();
    for LaidFunction { tensor, function, places } in layout.functions.iter() {
        for place in places {
            let tag = columns.value_tag(place.lane, place.row);
            let looked_up = columns.value_switch(place.lane, place.row) == 1;
            if !looked_up || *tags.entry(tag).or_insert(*function) != *function {
                return Err(AuditError::Table { tag });
            }
        }
        if !asks_for(program, *tensor, *function) || places.len() < program.node(*tensor).elements() {
            return Err(AuditError::Frame { what: "operators look up the functions that they ask for" });
        }
        asked.insert((*tensor, std::mem::discriminant(function)));
    }
    let asking = |node: &&Node| matches!(node.op, Op::RoundSignificant { .. } | Op::Steps { .. });
    if asked.len() != 2 * program.nodes.iter().filter(asking).count() {
        return Err(AuditError::Frame { what: "operators look up all functions that they ask for" });
    }
    match tags.is_empty() {
        true => Ok(()),
        false => audit_tables(program, layout, &tags),
    }
}

/// Whether the operator of a tensor asks for a function.
fn asks_for(program: &Program, tensor: TensorId, function: OwnFunction) -> bool {
    match (&program.node(tensor).op, function) {
        (Op::RoundSignificant { .. }, OwnFunction::Power) => true,
        (Op::RoundSignificant { bits, .. }, OwnFunction::Binade { bits: own }) => *bits == own,
        (Op::Steps { first, steps, .. }, OwnFunction::Factor(same) | OwnFunction::Strict(same)) => {
            matches!(&program.node(same).op, Op::Steps { first: f, steps: s, .. } if (f, s) == (first, steps))
        }
        _ => false,
    }
}

fn audit_tables(program: &Program, layout: &Layout, tags: &BTreeMap<i64, OwnFunction>) -> Result<(), AuditError> {
    for [key, image, tag] in table_entries(layout.skeleton()) {
        let Some(function) = tags.get(&tag) else { continue };
        if !function.has_key(program, key) || function.image(program, key) != image {
            return Err(AuditError::Table { tag });
        }
    }
    Ok(())
}
