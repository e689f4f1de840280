//! Decision trees: which leaf of each tree an input reaches.
//!
//! A forest is kept whole in the float graph, so that its comparisons can be moved to the integer grid of its operand. Its
//! value is an indicator of leaves: 1 at the leaf that each tree reaches, 0 elsewhere. What a leaf is worth is a matrix
//! product behind it.

use std::sync::Arc;

/// What a branch asks of its feature.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// `x ≤ bound`
    AtMost(f64),
    /// `x < bound`
    Below(f64),
    /// `x ≥ bound`
    AtLeast(f64),
    /// `x > bound`
    Above(f64),
    /// `x = bound`
    Equal(f64),
    /// `x ≠ bound`
    Unequal(f64),
    /// `x` is one of these, which are distinct.
    Member(Arc<[f64]>),
}

impl Test {
    /// Whether a number passes.
    pub fn holds(&self, x: f64) -> bool {
        match self {
            Self::AtMost(bound) => x <= *bound,
            Self::Below(bound) => x < *bound,
            Self::AtLeast(bound) => x >= *bound,
            Self::Above(bound) => x > *bound,
            Self::Equal(bound) => x == *bound,
            Self::Unequal(bound) => x != *bound,
            Self::Member(members) => members.contains(&x),
        }
    }

    /// The test of an argument of a function that never decreases, given the inverse of the function.
    pub fn moved(&self, inverse: impl Fn(f64) -> f64) -> Self {
        match self {
            Self::AtMost(bound) => Self::AtMost(inverse(*bound)),
            Self::Below(bound) => Self::Below(inverse(*bound)),
            Self::AtLeast(bound) => Self::AtLeast(inverse(*bound)),
            Self::Above(bound) => Self::Above(inverse(*bound)),
            Self::Equal(bound) => Self::Equal(inverse(*bound)),
            Self::Unequal(bound) => Self::Unequal(inverse(*bound)),
            Self::Member(members) => Self::Member(members.iter().map(|&member| inverse(member)).collect()),
        }
    }

    /// The numbers that it compares with.
    pub fn bounds(&self) -> &[f64] {
        match self {
            Self::AtMost(bound)
            | Self::Below(bound)
            | Self::AtLeast(bound)
            | Self::Above(bound)
            | Self::Equal(bound)
            | Self::Unequal(bound) => std::slice::from_ref(bound),
            Self::Member(members) => members,
        }
    }
}

/// Where a branch leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Child {
    /// To the branch with this number.
    Branch(u32),
    /// To the leaf with this number.
    Leaf(u32),
}

/// An inner node of a tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Branch {
    /// The feature that is tested.
    pub feature: u32,
    /// The test.
    pub test: Test,
    /// Where an input that passes goes, and where one that does not.
    pub children: [Child; 2],
    /// Whether a missing value (NaN) passes.
    pub missing_passes: bool,
}

/// A forest in which every tree has a branch at its root.
///
/// Each branch and each leaf has one way in, and a branch has a higher number than the one that leads to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Trees {
    /// All branches.
    pub branches: Vec<Branch>,
    /// The first branch of each tree.
    pub roots: Vec<u32>,
    /// Number of leaves.
    pub leaves: usize,
    /// Whether features are rounded to float32 before they are compared.
    pub single: bool,
}

impl Trees {
    /// The number of the tree that each leaf belongs to.
    pub fn tree_of_leaves(&self) -> Vec<usize> {
        let mut of_branches = vec![0; self.branches.len()];
        let mut of_leaves = vec![0; self.leaves];
        self.roots.iter().enumerate().for_each(|(tree, &root)| of_branches[root as usize] = tree);
        for (index, branch) in self.branches.iter().enumerate() {
            for child in branch.children {
                match child {
                    Child::Branch(next) => of_branches[next as usize] = of_branches[index],
                    Child::Leaf(leaf) => of_leaves[leaf as usize] = of_branches[index],
                }
            }
        }
        of_leaves
    }

    /// The leaf that each tree reaches from these features.
    ///
    /// # Panics
    /// There are not as many features as a branch asks for.
    pub fn reached<'a>(&'a self, features: &'a [f64]) -> impl Iterator<Item = usize> + 'a {
        self.roots.iter().map(move |&root| {
            let mut at = root;
            loop {
                let branch = &self.branches[at as usize];
                let x = features[branch.feature as usize];
                let x = if self.single { f64::from(x as f32) } else { x };
                let passes = branch.test.holds(x) || (x.is_nan() && branch.missing_passes);
                match branch.children[usize::from(!passes)] {
                    Child::Branch(next) => at = next,
                    Child::Leaf(leaf) => return leaf as usize,
                }
            }
        })
    }

    /// One indicator of leaves for each row of `features` numbers.
    pub(crate) fn indicators(&self, data: &[f64], features: usize) -> Vec<f64> {
        let mut result = vec![0.0; data.len() / features * self.leaves];
        for (row, indicators) in data.chunks(features).zip(result.chunks_mut(self.leaves)) {
            self.reached(row).for_each(|leaf| indicators[leaf] = 1.0);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stump(test: Test, missing_passes: bool) -> Trees {
        let branch = Branch { feature: 0, test, children: [Child::Leaf(0), Child::Leaf(1)], missing_passes };
        Trees { branches: vec![branch], roots: vec![0], leaves: 2, single: true }
    }

    #[test]
    fn tests_hold_as_their_names_say() {
        let cases: [(Test, [bool; 3]); 7] = [
            (Test::AtMost(1.0), [true, true, false]),
            (Test::Below(1.0), [true, false, false]),
            (Test::AtLeast(1.0), [false, true, true]),
            (Test::Above(1.0), [false, false, true]),
            (Test::Equal(1.0), [false, true, false]),
            (Test::Unequal(1.0), [true, false, true]),
            (Test::Member([0.5, 2.0].into()), [true, false, true]),
        ];
        for (test, expected) in cases {
            assert_eq!([0.5, 1.0, 2.0].map(|x| test.holds(x)), expected, "{test:?}");
        }
    }

    #[test]
    fn comparisons_are_those_of_float32() {
        let bound = f64::from(0.1f32);
        assert_eq!(stump(Test::Below(bound), false).reached(&[0.1]).collect::<Vec<_>>(), [1]);
        assert_eq!(Trees { single: false, ..stump(Test::Below(bound), false) }.reached(&[0.1]).next(), Some(0));
    }

    #[test]
    fn missing_values_go_where_the_branch_says() {
        assert_eq!(stump(Test::AtMost(0.0), false).reached(&[f64::NAN]).next(), Some(1));
        assert_eq!(stump(Test::AtMost(0.0), true).reached(&[f64::NAN]).next(), Some(0));
        // NaN differs from every number.
        assert_eq!(stump(Test::Unequal(0.0), false).reached(&[f64::NAN]).next(), Some(0));
    }
}
