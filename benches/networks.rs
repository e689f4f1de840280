//! Synthetic integer programs. Their weights are pseudo-random, so that no two blocks are stored as one.

use circuits::graph::{
    ConvGeometry, Node, Op, Port, PortKind, Program, Requantize, Table, TableId, TensorId, Visibility, Weights,
};

/// Elements of a row of the pictures of [`picture_of_rows`].
const PICTURE_WIDTH: usize = 64;
/// Channels of the pictures of [`picture_of_rows`].
const PICTURE_CHANNELS: usize = 4;
/// Rows that a pixel of [`picture_of_rows`] takes at four units, somewhat rounded up.
const ROWS_PER_PIXEL: f64 = 2.15;
/// Rows that do not depend on the pixels, rounded up.
const OTHER_ROWS: usize = 64;

/// Fixed pseudo-random weights of 12 bits: their values do not matter for the cost, but no two blocks of them should be equal.
pub fn weights(count: usize) -> Weights {
    weights_from(1, count)
}

fn weights_from(mut state: u32, count: usize) -> Weights {
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 20) as i32 - 2048
    };
    (0..count).map(next).collect()
}

/// A square kernel with the padding that keeps the size.
pub fn same(kernel: u32) -> ConvGeometry {
    ConvGeometry { kernel: [kernel; 2], padding: [kernel / 2; 4], ..ConvGeometry::POINTWISE }
}

/// One convolution with ReLU, from a private input of `[channels, height, width]` to a private output.
pub fn layer(shape: [usize; 3], outputs: usize, geometry: ConvGeometry) -> Program {
    let [channels, height, width] = shape;
    let mut program = input("layer", shape);
    let taps = (geometry.kernel[0] * geometry.kernel[1]) as usize;
    push_conv(&mut program, [outputs, height, width], geometry, weights(outputs * channels * taps), true);
    close(program, Visibility::Private)
}

/// Dense layers with ReLU between them; the last one's outputs are exact. Input and outputs are public.
///
/// # Panics
/// There are fewer than two sizes.
pub fn dense_network(name: &str, sizes: &[usize]) -> Program {
    let mut program = input(name, [sizes[0], 1, 1]);
    for (index, pair) in sizes.windows(2).enumerate() {
        let weights = weights_from(index as u32 + 1, pair[0] * pair[1]);
        let last = index + 2 == sizes.len();
        push_conv(&mut program, [pair[1], 1, 1], ConvGeometry::POINTWISE, weights, !last);
    }
    close(program, Visibility::Public)
}

/// A 3 × 3 convolution of 4 to 4 channels with ReLU, over a picture as large as a machine of `2^k` rows takes at four units:
/// the same shape for every `k` from 12 on, and growing rows.
pub fn picture_of_rows(k: u32) -> Program {
    let rows = (1usize << k).saturating_sub(OTHER_ROWS);
    let height = (rows as f64 / (ROWS_PER_PIXEL * PICTURE_WIDTH as f64)) as usize;
    let mut program = layer([PICTURE_CHANNELS, height.max(1), PICTURE_WIDTH], PICTURE_CHANNELS, same(3));
    program.name = format!("picture 2^{k}");
    program
}

/// Pseudo-random inputs of 8 bits.
pub fn inputs(program: &Program) -> Vec<Vec<i64>> {
    let elements = program.inputs.iter().map(|port| program.node(port.tensor).elements());
    elements.map(|count| (0..count as i64).map(|i| i * 31 % 255 - 127).collect()).collect()
}

fn input(name: &str, shape: [usize; 3]) -> Program {
    let relu = Table::new("relu", -512, (-512..512).map(|v: i32| v.clamp(0, 255)).collect()).expect("not empty");
    Program {
        name: name.into(),
        source_digest: [0; 32],
        options: Default::default(),
        private_weights: Default::default(),
        tables: vec![relu],
        nodes: vec![node("input", Op::Input { lo: -128, hi: 127 }, shape)],
        inputs: Vec::new(),
        outputs: Vec::new(),
    }
}

fn push_conv(program: &mut Program, shape: [usize; 3], geometry: ConvGeometry, weights: Weights, relu: bool) {
    let requantize = relu.then_some(Requantize { shift: 16, table: TableId(0) });
    let input = TensorId(program.nodes.len() as u32 - 1);
    let conv = Op::Conv { input, geometry, weights, bias: vec![0; shape[0]].into(), requantize };
    program.nodes.push(node(&format!("layer {}", program.nodes.len()), conv, shape));
}

/// Makes ports of the first and the last tensor.
fn close(mut program: Program, visibility: Visibility) -> Program {
    let port = |name: &str, index: usize| Port {
        name: name.into(),
        tensor: TensorId(index as u32),
        shape: program.nodes[index].shape.clone(),
        scale: 1.0,
        kind: PortKind::Real,
        visibility,
    };
    let (inputs, outputs) = (vec![port("input", 0)], vec![port("output", program.nodes.len() - 1)]);
    (program.inputs, program.outputs) = (inputs, outputs);
    program
}

fn node(name: &str, op: Op, shape: [usize; 3]) -> Node {
    Node { name: name.into(), op, shape: shape.to_vec(), scale: 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use circuits::layout::{compile, LayoutOptions};

    #[test]
    fn networks_are_valid() {
        let program = dense_network("small", &[20, 30, 10, 5]);
        program.validate().expect("valid");
        assert_eq!(inputs(&program)[0].len(), 20);
    }

    #[test]
    fn pictures_fill_their_machines() {
        for k in 12..15 {
            let program = picture_of_rows(k);
            let layout = compile(&program, &LayoutOptions { units: Some(4), ..Default::default() }).expect("fits");
            assert_eq!(layout.params().k, k);
            assert!(layout.statistics().used_rows * 4 > 3 << k, "k {k}: {}", layout.statistics().used_rows);
        }
    }
}
