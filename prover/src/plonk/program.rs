//! Straight-line programs: nodes of a [`Graph`] as instructions on a few registers.
//!
//! An engine runs a program over the rows of columns, many rows at a time. Registers are reused as soon as their value is
//! read for the last time, so that a block of rows of all registers stays in a fast memory.

use super::constraints::{Column, Graph, Node, NodeId};
use super::scalar::ScalarId;

/// Where an instruction reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// A register.
    Register(u32),
    /// One of the program's scalars, the same in all rows.
    Scalar(u32),
    /// `slots[slot]` of the program, in the row that lies `rotation` rows further on (around the end).
    Cell {
        /// Which of the program's columns.
        slot: u32,
        /// Rows further on.
        rotation: i32,
    },
    /// The point that the row stands for.
    Identity,
}

/// What an instruction does with its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `a + b`
    Add,
    /// `a − b`
    Subtract,
    /// `a·b`
    Multiply,
    /// `a`; `b` is not read.
    Copy,
    /// `register + a·b`: the running sum of constraints.
    MultiplyAdd,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// What is done.
    pub operation: Operation,
    /// First operand.
    pub a: Operand,
    /// Second operand.
    pub b: Operand,
    /// The register that takes the result.
    pub to: u32,
}

/// `Σ_i factor_i·node_i` for some nodes of a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The columns that are read, in increasing order.
    pub slots: Vec<Column>,
    /// The scalars that are read.
    pub scalars: Vec<ScalarId>,
    /// The steps.
    pub instructions: Vec<Instruction>,
    /// Registers in use.
    pub registers: u32,
    /// The register of the result.
    pub result: u32,
}

impl Program {
    /// The program of `Σ factor·node` over `terms`.
    pub fn new(graph: &Graph, terms: &[(NodeId, ScalarId)]) -> Self {
        let order = schedule(graph, terms);
        let mut slots: Vec<_> = order.iter().filter_map(|&node| column(graph, node)).collect();
        slots.sort_unstable();
        slots.dedup();
        let mut emitter = Emitter::new(graph, slots, &order, terms);
        emitter.run(&order, terms);
        emitter.finish()
    }

    /// Whether a column is read.
    pub fn reads(&self, column: Column) -> bool {
        self.slots.binary_search(&column).is_ok()
    }

    /// Products that a row takes.
    pub fn products(&self) -> usize {
        let is_product = |i: &&Instruction| matches!(i.operation, Operation::Multiply | Operation::MultiplyAdd);
        self.instructions.iter().filter(is_product).count()
    }

    /// The least and the largest rotation of a cell, at least 0 apart on each side.
    pub fn rotations(&self) -> (i32, i32) {
        let rotations = self.instructions.iter().flat_map(|i| [i.a, i.b]).filter_map(|operand| match operand {
            Operand::Cell { rotation, .. } => Some(rotation),
            _ => None,
        });
        rotations.fold((0, 0), |(least, most), rotation| (least.min(rotation), most.max(rotation)))
    }
}

fn column(graph: &Graph, node: NodeId) -> Option<Column> {
    match graph.nodes()[node.index()] {
        Node::Cell(column, _) => Some(column),
        _ => None,
    }
}

/// The columns that nodes are made of, in increasing order.
pub fn columns_of(graph: &Graph, nodes: impl IntoIterator<Item = NodeId>) -> Vec<Column> {
    let terms: Vec<_> = nodes.into_iter().map(|node| (node, super::scalar::Scalars::ONE)).collect();
    let mut columns: Vec<_> = schedule(graph, &terms).iter().filter_map(|&node| column(graph, node)).collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// The nodes behind `terms`, operands first, each term's nodes together.
fn schedule(graph: &Graph, terms: &[(NodeId, ScalarId)]) -> Vec<NodeId> {
    let mut seen = vec![false; graph.nodes().len()];
    let mut order = Vec::new();
    for &(root, _) in terms {
        let mut stack = vec![(root, false)];
        while let Some((node, ready)) = stack.pop() {
            if ready {
                order.push(node);
            } else if !std::mem::replace(&mut seen[node.index()], true) {
                stack.push((node, true));
                stack.extend(graph.nodes()[node.index()].operands().into_iter().flatten().map(|node| (node, false)));
            }
        }
    }
    order
}

struct Emitter<'a> {
    graph: &'a Graph,
    slots: Vec<Column>,
    scalars: Vec<ScalarId>,
    /// Reads of a node that are still to come.
    uses: Vec<u32>,
    /// Where a node's value is.
    places: Vec<Option<Operand>>,
    free: Vec<u32>,
    registers: u32,
    instructions: Vec<Instruction>,
}

impl<'a> Emitter<'a> {
    fn new(graph: &'a Graph, slots: Vec<Column>, order: &[NodeId], terms: &[(NodeId, ScalarId)]) -> Self {
        let mut uses = vec![0; graph.nodes().len()];
        let reads = order.iter().flat_map(|&node| graph.nodes()[node.index()].operands()).flatten();
        reads.chain(terms.iter().map(|&(node, _)| node)).for_each(|node| uses[node.index()] += 1);
        Self {
            graph,
            slots,
            scalars: Vec::new(),
            uses,
            places: vec![None; graph.nodes().len()],
            free: Vec::new(),
            registers: 1,
            instructions: Vec::new(),
        }
    }

    /// Register 0 is the running sum.
    const RESULT: u32 = 0;

    fn run(&mut self, order: &[NodeId], terms: &[(NodeId, ScalarId)]) {
        let zero = self.scalar(super::scalar::Scalars::ZERO);
        self.push(Operation::Copy, zero, zero, Self::RESULT);
        let mut terms = terms.iter().peekable();
        for &node in order {
            self.emit(node);
            // A term's root is the last of its nodes, or was complete before.
            while let Some(&(root, factor)) = terms.next_if(|(root, _)| self.places[root.index()].is_some()) {
                let value = self.read(root);
                let factor = self.scalar(factor);
                self.push(Operation::MultiplyAdd, value, factor, Self::RESULT);
            }
        }
    }

    fn push(&mut self, operation: Operation, a: Operand, b: Operand, to: u32) {
        self.instructions.push(Instruction { operation, a, b, to });
    }

    fn scalar(&mut self, scalar: ScalarId) -> Operand {
        let place = self.scalars.iter().position(|other| *other == scalar).unwrap_or_else(|| {
            self.scalars.push(scalar);
            self.scalars.len() - 1
        });
        Operand::Scalar(place as u32)
    }

    fn emit(&mut self, node: NodeId) {
        let place = match self.graph.nodes()[node.index()] {
            Node::Scalar(scalar) => self.scalar(scalar),
            Node::Identity => Operand::Identity,
            Node::Cell(column, rotation) => {
                let slot = self.slots.binary_search(&column).expect("slots hold all columns") as u32;
                let cell = Operand::Cell { slot, rotation };
                match self.uses[node.index()] {
                    0 | 1 => cell,
                    // Read once from memory, then from a register.
                    _ => self.result(Operation::Copy, cell, cell),
                }
            }
            Node::Add(a, b) => self.binary(Operation::Add, a, b),
            Node::Subtract(a, b) => self.binary(Operation::Subtract, a, b),
            Node::Multiply(a, b) => self.binary(Operation::Multiply, a, b),
        };
        self.places[node.index()] = Some(place);
    }

    fn binary(&mut self, operation: Operation, a: NodeId, b: NodeId) -> Operand {
        // Both are read before the result's register is taken, which may be one of theirs.
        let (a, b) = (self.read(a), self.read(b));
        self.result(operation, a, b)
    }

    fn result(&mut self, operation: Operation, a: Operand, b: Operand) -> Operand {
        let to = self.free.pop().unwrap_or_else(|| {
            self.registers += 1;
            self.registers - 1
        });
        self.push(operation, a, b, to);
        Operand::Register(to)
    }

    /// Where the value is; its register is free after the last read.
    fn read(&mut self, node: NodeId) -> Operand {
        let place = self.places[node.index()].expect("operands come first");
        self.uses[node.index()] -= 1;
        if let (0, Operand::Register(register)) = (self.uses[node.index()], place) {
            self.free.push(register);
        }
        place
    }

    fn finish(self) -> Program {
        let Self { slots, scalars, instructions, registers, .. } = self;
        Program { slots, scalars, instructions, registers, result: Self::RESULT }
    }
}
