//! What a layer costs in cells: its activations, not its multiplications.

mod support;

use circuits::graph::{ConvGeometry, Op, Requantize, TensorId, Visibility};
use circuits::layout::{compile, cost, Fold, LayoutOptions, Objective, Statistics};
use support::{geometry, ProgramBuilder};

fn statistics(builder: &ProgramBuilder, units: u32) -> Statistics {
    let options = LayoutOptions { units: Some(units), ..LayoutOptions::default() };
    compile(&builder.program, &options).expect("the program has a layout").statistics()
}

/// `width → width → width`, the first layer requantized.
fn dense(width: usize) -> ProgramBuilder {
    let mut b = ProgramBuilder::new(1);
    let relu = b.relu(-64, 63);
    let x = b.input(&[width, 1, 1], Visibility::Public);
    let hidden = b.conv(x, width, ConvGeometry::POINTWISE, Some(Requantize { shift: 9, table: relu }));
    let y = b.conv(hidden, width, ConvGeometry::POINTWISE, None);
    b.output(y, Visibility::Private);
    b
}

/// Activations of a program: the elements of all its tensors but the views.
fn activations(builder: &ProgramBuilder) -> usize {
    builder.program.nodes.iter().filter(|node| !matches!(node.op, Op::View { .. })).map(|node| node.elements()).sum()
}

#[test]
fn dense_layers_cost_their_activations() {
    for units in [1, 3, 4] {
        let mut before: Option<Statistics> = None;
        for width in [24, 48, 96] {
            let builder = dense(width);
            let found = statistics(&builder, units);
            assert_eq!(found.elements, activations(&builder), "no cell but the activations");
            assert_eq!(found.rows.units, 3 * width.div_ceil(units as usize));
            assert_eq!(found.weights, 2 * (width * width) + 2 * width, "each weight once, and the biases");
            // One scalar row per input of each layer, and a bounded number besides.
            assert!(found.rows.scalars <= 2 * width + width + 40, "{}", found.rows.scalars);
            if let Some(before) = before {
                let least = before.rows.units * 2;
                assert!((least..=least + 3).contains(&found.rows.units), "twice the width is twice the rows");
                assert!(found.rows.scalars <= 2 * before.rows.scalars);
            }
            before = Some(found);
        }
    }
}

fn convolution(b: &mut ProgramBuilder, x: TensorId, outputs: usize, kernel: u32) -> TensorId {
    b.conv(x, outputs, geometry(kernel, 1, kernel / 2), None)
}

#[test]
fn convolutions_cost_their_activations_and_borders() {
    for units in [1, 4] {
        let rows = |channels: usize, outputs: usize, kernel: u32| {
            let mut b = ProgramBuilder::new(2);
            let x = b.input(&[channels, 9, 9], Visibility::Private);
            let y = convolution(&mut b, x, outputs, kernel);
            b.output(y, Visibility::Private);
            let found = statistics(&b, units);
            assert_eq!(found.elements, activations(&b), "{channels} → {outputs}, kernel {kernel}");
            found.rows.units * units as usize
        };
        // A channel of 9 × 9 at a pitch of 9 + ⌊k/2⌋, and a product of as many cells and those of a kernel's reach.
        for kernel in [1usize, 3, 5] {
            let pitch = 9 + kernel / 2;
            let plane = 8 * pitch + 9;
            let product = plane + (kernel - 1) * pitch + kernel - 1;
            for (channels, outputs) in [(1, 1), (4, 2), (4, 8), (8, 8)] {
                let cells = rows(channels, outputs, kernel as u32);
                // Both are rounded up to whole rows.
                let spare = units as usize - 1;
                let bound = channels * (plane + spare) + outputs * (product + 2 * spare);
                assert!(cells <= bound, "{channels} → {outputs}, kernel {kernel}: {cells} cells, at most {bound}");
            }
        }
    }
}

/// Queries, keys and values of `[heads, tokens, size]`, all inputs; scores, and the values weighed by them.
fn weighed(heads: usize, tokens: usize, size: usize) -> ProgramBuilder {
    let mut b = ProgramBuilder::new(4);
    let clamp = b.table(circuits::graph::Table::identity(-16, 15));
    let [queries, keys, values] = [(); 3].map(|()| b.input(&[heads, tokens, size], Visibility::Private));
    let keys = b.transposed(keys, [heads, tokens, size]);
    let scores = b.matmul(queries, keys, Some(Requantize { shift: 9, table: clamp }));
    let y = b.matmul(scores, values, None);
    b.output(y, Visibility::Private);
    b
}

/// A product of matrices costs its operands, its result and a scalar row for each index that is summed over: nothing for a
/// multiplication.
#[test]
fn products_of_matrices_cost_their_elements() {
    for units in [1, 4] {
        for (heads, tokens, size) in [(1, 8, 8), (2, 8, 8), (2, 16, 8), (2, 16, 32), (3, 32, 16)] {
            let builder = weighed(heads, tokens, size);
            let found = statistics(&builder, units);
            // All operands lie in the rows as the planes of their product, the scores too.
            assert_eq!(found.elements, activations(&builder), "{heads} × {tokens} × {size}");
            assert_eq!(found.rows.units, found.elements / units as usize);
            assert!(found.rows.scalars <= heads * (size + tokens) + 2 * heads + 40, "{}", found.rows.scalars);
        }
    }
}

/// Projections of tokens are read where they are, and so is the product by the layer behind it: the values alone are copied,
/// which are wanted the other way round.
#[test]
fn attention_copies_its_values_alone() {
    let (tokens, channels) = (8, 12);
    let builder = support::attention(5, [tokens, channels, 3]);
    let found = statistics(&builder, 4);
    assert_eq!(found.elements, activations(&builder) + channels * tokens);
}

/// A plane that is needed in an order in which it does not lie is copied, once per convolution: a cell per element.
#[test]
fn copies_of_planes_are_counted() {
    let mut b = ProgramBuilder::new(3);
    let x = b.input(&[2, 6, 6], Visibility::Private);
    let first = convolution(&mut b, x, 2, 3);
    let second = b.conv(first, 3, geometry(3, 2, 1), None);
    b.output(second, Visibility::Private);
    // A stride of 2 splits each of the two channels into four planes: all of the 72 elements are copied.
    assert_eq!(statistics(&b, 1).elements, activations(&b) + 72);
}

/// What a verifier contract pays for: columns. Folding makes few of many, and rows of columns.
#[test]
fn folded_machines_have_few_columns() {
    for builder in [support::mlp(1), support::cnn(2), support::zoo(3)] {
        let chosen = |fold| {
            let options = LayoutOptions { objective: Objective::Gas, fold, ..LayoutOptions::default() };
            compile(&builder.program, &options).expect("the program has a layout").statistics()
        };
        let gas = |found: &Statistics| cost::least_gas(&found.params, found.instances);
        let parallel = chosen(Some(Fold::Parallel));
        let folded = [1, 4, 8].map(|rows| chosen(Some(Fold::Rows(rows))));
        assert!(folded.windows(2).all(|pair| pair[1].commitments < pair[0].commitments));
        assert!(folded[0].commitments < parallel.commitments);
        let free = chosen(None);
        assert!(folded.iter().chain([&parallel]).all(|other| gas(&free) <= gas(other) * 101 / 100));
        assert!(free.commitments <= 20, "{}", free.commitments);
        assert_eq!(free.permutation_columns, 3, "one column of each phase, and the instance");
        assert!(free.used_rows < free.params.usable_rows());
    }
}
