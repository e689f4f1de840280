//! From nodes as a file lists them to a forest: every branch and every leaf with one way in.

use super::Result;
use crate::error::NodeError;
use crate::float::trees::{Branch, Child, Test, Trees};

/// Most nodes of a forest.
pub(super) const MAX_NODES: usize = 1 << 20;

/// A node as a file lists it.
pub(super) enum Listed {
    /// A branch, with the positions of the nodes that it leads to.
    Branch { feature: u32, test: Test, children: [usize; 2], missing_passes: bool },
    /// A leaf, with the number of its scores.
    Leaf(usize),
}

/// A forest, and which scores belong to which leaf.
pub(super) struct Forest {
    /// The trees that have branches.
    pub(super) trees: Trees,
    /// For each leaf of them its tree and its scores.
    pub(super) leaves: Vec<(usize, usize)>,
    /// Tree and scores of the trees that are a leaf.
    pub(super) constants: Vec<(usize, usize)>,
    /// Number of trees.
    pub(super) count: usize,
}

impl Forest {
    /// Walks all trees from their roots. `single`: features are compared as float32.
    pub(super) fn new(listed: &[Listed], roots: &[usize], single: bool) -> Result<Self> {
        let trees = Trees { branches: Vec::new(), roots: Vec::new(), leaves: 0, single };
        let mut forest = Self { trees, leaves: Vec::new(), constants: Vec::new(), count: roots.len() };
        let mut met = vec![false; listed.len()];
        for (tree, &root) in roots.iter().enumerate() {
            match listed[root] {
                Listed::Leaf(scores) => forest.constants.push((tree, scores)),
                Listed::Branch { .. } => {
                    forest.trees.roots.push(forest.trees.branches.len() as u32);
                    forest.grow(listed, tree, root, &mut met)?;
                }
            }
        }
        forest.trees.leaves = forest.leaves.len();
        Ok(forest)
    }

    /// Appends a tree, parents before children.
    fn grow(&mut self, listed: &[Listed], tree: usize, root: usize, met: &mut [bool]) -> Result<()> {
        // The branch and side that lead to the node.
        let mut stack = vec![(root, None)];
        while let Some((at, way)) = stack.pop() {
            let child = match &listed[at] {
                Listed::Leaf(scores) => {
                    self.leaves.push((tree, *scores));
                    Child::Leaf(self.leaves.len() as u32 - 1)
                }
                Listed::Branch { feature, test, children, missing_passes } => {
                    if std::mem::replace(&mut met[at], true) {
                        return Err(NodeError::unsupported(
                            format!("node {at} of its trees has two ways in, or leads back to itself"),
                            "export every tree as a tree",
                        ));
                    }
                    let own = self.trees.branches.len();
                    let (feature, test, missing_passes) = (*feature, test.clone(), *missing_passes);
                    let unknown = [Child::Leaf(0); 2];
                    self.trees.branches.push(Branch { feature, test, children: unknown, missing_passes });
                    stack.push((children[1], Some((own, 1))));
                    stack.push((children[0], Some((own, 0))));
                    Child::Branch(own as u32)
                }
            };
            if let Some((parent, side)) = way {
                self.trees.branches[parent].children[side] = child;
            }
        }
        Ok(())
    }
}

/// The feature with that number, which the operand must have.
pub(super) fn feature(attribute: &str, number: i64, features: usize) -> Result<u32> {
    usize::try_from(number).ok().filter(|&number| number < features).map(|number| number as u32).ok_or_else(|| {
        NodeError::attribute(attribute, format!("feature {number}, and the operand has {features} features"))
    })
}

/// Refuses more nodes than a forest may have.
pub(super) fn check_count(nodes: usize) -> Result<()> {
    match nodes {
        0..=MAX_NODES => Ok(()),
        found => Err(NodeError::TooLarge { what: "nodes of trees", found: found as u64, limit: MAX_NODES as u64 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn branch(children: [usize; 2]) -> Listed {
        Listed::Branch { feature: 0, test: Test::AtMost(0.0), children, missing_passes: false }
    }

    #[test]
    fn trees_are_walked_from_their_roots() {
        let listed = [Listed::Leaf(5), branch([2, 0]), branch([3, 4]), Listed::Leaf(7), Listed::Leaf(8)];
        let forest = Forest::new(&listed, &[1, 0], true).unwrap();
        assert_eq!(forest.leaves, [(0, 7), (0, 8), (0, 5)]);
        assert_eq!((forest.constants, forest.count), (vec![(1, 5)], 2));
        assert_eq!(forest.trees.branches[0].children, [Child::Branch(1), Child::Leaf(2)]);
    }

    #[test]
    fn cycles_and_shared_branches_are_refused() {
        let cycle = [branch([1, 2]), branch([0, 2]), Listed::Leaf(0)];
        let shared = [branch([1, 1]), branch([2, 2]), Listed::Leaf(0)];
        for listed in [&cycle[..], &shared] {
            assert!(matches!(Forest::new(listed, &[0], true), Err(NodeError::Unsupported { .. })));
        }
    }

    #[test]
    fn a_deep_tree_takes_no_stack() {
        let depth = 200_000;
        let mut listed: Vec<Listed> = (0..depth).map(|i| branch([depth, i + 1])).collect();
        listed.push(Listed::Leaf(0));
        assert_eq!(Forest::new(&listed, &[0], true).unwrap().leaves.len(), depth + 1);
    }
}
