//! Small programs for tests, with random weights.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

use std::sync::Arc;

use circuits::graph::{
    ConvGeometry, Node, Op, Port, PortKind, Program, Requantize, Table, TableId, TensorId, ViewElement, Visibility,
    Weights,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

/// Builds a program node by node.
pub struct ProgramBuilder {
    pub program: Program,
    rng: ChaCha20Rng,
}

impl ProgramBuilder {
    pub fn new(seed: u64) -> Self {
        let program = Program {
            name: "test".into(),
            source_digest: [0; 32],
            options: Default::default(),
            private_weights: Default::default(),
            tables: Vec::new(),
            nodes: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        };
        Self { program, rng: ChaCha20Rng::seed_from_u64(seed) }
    }

    pub fn random(&mut self, lo: i64, hi: i64) -> i64 {
        lo + (self.rng.next_u64() % (hi - lo + 1) as u64) as i64
    }

    pub fn node(&mut self, op: Op, shape: &[usize]) -> TensorId {
        let id = TensorId(self.program.nodes.len() as u32);
        let name = format!("node{}", id.0);
        self.program.nodes.push(Node { name, op, shape: shape.to_vec(), scale: 1.0 });
        id
    }

    pub fn table(&mut self, table: Table) -> TableId {
        self.program.tables.push(table);
        TableId(self.program.tables.len() as u32 - 1)
    }

    pub fn relu(&mut self, lo: i64, hi: i64) -> TableId {
        self.table(Table::new("relu", lo, (lo..=hi).map(|v| v.max(0) as i32).collect()).expect("not empty"))
    }

    pub fn input(&mut self, shape: &[usize], visibility: Visibility) -> TensorId {
        let id = self.node(Op::Input { lo: -8, hi: 7 }, shape);
        let name = format!("input{}", self.program.inputs.len());
        self.program.inputs.push(port(name, id, shape, visibility));
        id
    }

    pub fn wide_input(&mut self, shape: &[usize], lo: i64, hi: i64) -> TensorId {
        let id = self.node(Op::Input { lo, hi }, shape);
        let name = format!("input{}", self.program.inputs.len());
        self.program.inputs.push(port(name, id, shape, Visibility::Public));
        id
    }

    pub fn output(&mut self, tensor: TensorId, visibility: Visibility) {
        let shape = self.program.node(tensor).shape.clone();
        let name = format!("output{}", self.program.outputs.len());
        self.program.outputs.push(port(name, tensor, &shape, visibility));
    }

    pub fn conv(
        &mut self,
        input: TensorId,
        outputs: usize,
        geometry: ConvGeometry,
        requantize: Option<Requantize>,
    ) -> TensorId {
        let shape = self.program.node(input).shape.clone();
        let [kh, kw] = geometry.kernel.map(|k| k as usize);
        let count = outputs * shape[0] / geometry.groups as usize * kh * kw;
        let weights: Weights = (0..count).map(|_| self.random(-20, 20) as i32).collect();
        let bias: Arc<[i64]> = (0..outputs).map(|_| self.random(-100, 100)).collect();
        let size = |axis: usize| {
            let padded = shape[axis + 1] + (geometry.padding[axis] + geometry.padding[axis + 2]) as usize;
            let reach = (geometry.dilation[axis] * (geometry.kernel[axis] - 1)) as usize + 1;
            (padded - reach) / geometry.stride[axis] as usize + 1
        };
        let shape = [outputs, size(0), size(1)];
        self.node(Op::Conv { input, geometry, weights, bias, requantize }, &shape)
    }

    pub fn view(&mut self, sources: &[TensorId], map: Vec<ViewElement>, shape: &[usize]) -> TensorId {
        self.node(Op::View { sources: sources.to_vec(), map: map.into() }, shape)
    }

    pub fn reshape(&mut self, input: TensorId, shape: &[usize]) -> TensorId {
        let map = (0..shape.iter().product::<usize>() as u32).map(|index| ViewElement::Element { source: 0, index });
        self.view(&[input], map.collect(), shape)
    }

    /// The last two axes of a tensor `[stack, rows, columns]` swapped, under the shape that has them so.
    pub fn transposed(&mut self, input: TensorId, [stack, rows, columns]: [usize; 3]) -> TensorId {
        let at = |i: usize| (i / (rows * columns) * rows + i % rows) * columns + i / rows % columns;
        let map = (0..stack * rows * columns).map(|i| ViewElement::Element { source: 0, index: at(i) as u32 });
        self.view(&[input], map.collect(), &[stack, columns, rows])
    }

    pub fn matmul(&mut self, a: TensorId, b: TensorId, requantize: Option<Requantize>) -> TensorId {
        let [a_shape, b_shape] = [a, b].map(|operand| self.program.node(operand).shape.clone());
        self.node(Op::MatMul { operands: [a, b], requantize }, &[a_shape[0], a_shape[1], b_shape[2]])
    }

    /// Non-overlapping `size × size` windows of a `[C, H, W]` tensor: `[C, H/size, W/size, size²]`.
    pub fn windows(&mut self, input: TensorId, size: usize) -> TensorId {
        let shape = self.program.node(input).shape.clone();
        let (height, width) = (shape[1] / size, shape[2] / size);
        let mut map = Vec::new();
        for c in 0..shape[0] {
            for y in 0..height {
                for x in 0..width {
                    for i in 0..size * size {
                        let (row, column) = (y * size + i / size, x * size + i % size);
                        let index = ((c * shape[1] + row) * shape[2] + column) as u32;
                        map.push(ViewElement::Element { source: 0, index });
                    }
                }
            }
        }
        self.view(&[input], map, &[shape[0], height, width, size * size])
    }

    pub fn inputs(&mut self) -> Vec<Vec<i64>> {
        let ports = self.program.inputs.clone();
        ports.iter().map(|port| (0..port.shape.iter().product()).map(|_| self.random(-8, 7)).collect()).collect()
    }
}

fn port(name: String, tensor: TensorId, shape: &[usize], visibility: Visibility) -> Port {
    Port { name, tensor, shape: shape.to_vec(), scale: 1.0, kind: PortKind::Real, visibility }
}

pub fn geometry(kernel: u32, stride: u32, padding: u32) -> ConvGeometry {
    ConvGeometry { kernel: [kernel; 2], stride: [stride; 2], dilation: [1, 1], padding: [padding; 4], groups: 1 }
}

/// input 12 → dense 10 with relu → dense 5 exact; all public.
pub fn mlp(seed: u64) -> ProgramBuilder {
    let mut b = ProgramBuilder::new(seed);
    let relu = b.relu(-64, 63);
    let x = b.input(&[12, 1, 1], Visibility::Public);
    let hidden = b.conv(x, 10, ConvGeometry::POINTWISE, Some(Requantize { shift: 5, table: relu }));
    let y = b.conv(hidden, 5, ConvGeometry::POINTWISE, None);
    b.output(y, Visibility::Public);
    b
}

/// conv 3×3 pad 1 relu → max pool 2 → conv 3×3 stride 2 → dense → arg max; private input.
pub fn cnn(seed: u64) -> ProgramBuilder {
    let mut b = ProgramBuilder::new(seed);
    let relu = b.relu(-128, 127);
    let clamp = b.table(Table::identity(-128, 127));
    let small = Some(Requantize { shift: 4, table: relu });
    let x = b.input(&[1, 8, 8], Visibility::Private);
    let c1 = b.conv(x, 3, geometry(3, 1, 1), small);
    let windows = b.windows(c1, 2);
    let pooled = b.node(Op::Max { input: windows }, &[3, 4, 4]);
    let c2 = b.conv(pooled, 4, geometry(3, 2, 1), Some(Requantize { shift: 6, table: relu }));
    let flat = b.reshape(c2, &[16, 1, 1]);
    let scores = b.conv(flat, 6, ConvGeometry::POINTWISE, Some(Requantize { shift: 8, table: clamp }));
    let row = b.reshape(scores, &[6]);
    let class = b.node(Op::ArgMax { input: row }, &[1]);
    b.output(scores, Visibility::Public);
    b.output(class, Visibility::Public);
    b
}

/// Everything else: two convolutions in place, groups, dilation, affine, product, sum, lookup, reciprocal, square root, views.
pub fn zoo(seed: u64) -> ProgramBuilder {
    let mut b = ProgramBuilder::new(seed);
    let relu = b.relu(-64, 63);
    let clamp = b.table(Table::identity(-32, 31));
    let square =
        b.table(Table::new("square", -16, (-16..=15).map(|v: i32| v * v / 4 + 1).collect()).expect("not empty"));
    let x = b.input(&[2, 6, 5], Visibility::Private);
    let c1 = b.conv(x, 4, ConvGeometry { groups: 2, ..geometry(3, 1, 1) }, Some(Requantize { shift: 5, table: relu }));
    let c2 =
        b.conv(c1, 4, ConvGeometry { groups: 4, ..geometry(2, 1, 0) }, Some(Requantize { shift: 7, table: clamp }));
    let dilated = ConvGeometry { dilation: [2, 1], padding: [2, 0, 1, 1], ..geometry(2, 1, 0) };
    let c3 = b.conv(c2, 3, dilated, Some(Requantize { shift: 6, table: clamp }));
    let shape = b.program.node(c3).shape.clone();
    let looked_up = b.node(Op::Lookup { input: c3, table: square }, &shape);
    let mixed = b.node(
        Op::Affine {
            operands: [c3, looked_up],
            factors: [3, -5],
            constant: 7,
            requantize: Some(Requantize { shift: 3, table: clamp }),
        },
        &shape,
    );
    let product =
        b.node(Op::Product { operands: [mixed, c3], requantize: Some(Requantize { shift: 5, table: clamp }) }, &shape);
    let elements: usize = shape.iter().product();
    let rows = b.reshape(looked_up, &[shape[0], elements / shape[0]]);
    let sums = b.node(Op::Sum { input: rows, factor: 1, requantize: None }, &[shape[0]]);
    let inverse = b.node(Op::Reciprocal { input: sums, numerator: 5000 }, &[shape[0]]);
    let root = b.node(Op::SquareRoot { input: sums }, &[shape[0]]);
    let both = b.view(
        &[inverse, product, root],
        (0..3)
            .map(|index| ViewElement::Element { source: 0, index })
            .chain((0..5).map(|index| ViewElement::Element { source: 1, index: index * 2 }))
            .chain([ViewElement::Zero, ViewElement::Element { source: 2, index: 1 }])
            .collect(),
        &[10],
    );
    let mean = b
        .node(Op::Sum { input: rows, factor: 3, requantize: Some(Requantize { shift: 4, table: clamp }) }, &[shape[0]]);
    b.output(both, Visibility::Public);
    b.output(mean, Visibility::Public);
    b
}

/// What takes several limbs: an input of a wide range, and saturation far beyond a table by every accumulating operator.
pub fn wide(seed: u64) -> ProgramBuilder {
    let mut b = ProgramBuilder::new(seed);
    let clamp = b.table(Table::identity(-16, 15));
    let tight = |shift| Some(Requantize { shift, table: clamp });
    let x = b.wide_input(&[2, 3, 3], -300, 70_000);
    let c = b.conv(x, 3, geometry(2, 1, 0), tight(4));
    let exact = b.conv(x, 3, geometry(2, 1, 1), None);
    let window = b.view(
        &[exact],
        (0..12).map(|index| ViewElement::Element { source: 0, index: index * 3 }).collect(),
        &[3, 2, 2],
    );
    let looked_up = b.node(Op::Lookup { input: window, table: clamp }, &[3, 2, 2]);
    let mixed = Op::Affine { operands: [c, window], factors: [1, 2], constant: -9, requantize: tight(2) };
    let mixed = b.node(mixed, &[3, 2, 2]);
    let product = b.node(Op::Product { operands: [window, c], requantize: tight(0) }, &[3, 2, 2]);
    let rows = b.reshape(window, &[3, 4]);
    let sums = b.node(Op::Sum { input: rows, factor: -2, requantize: tight(3) }, &[3]);
    let flat = b.reshape(x, &[18, 1, 1]);
    let scores = b.conv(flat, 4, ConvGeometry::POINTWISE, tight(6));
    for tensor in [looked_up, mixed, product, sums, scores] {
        b.output(tensor, Visibility::Public);
    }
    b
}

/// Self-attention without softmax: tokens `[channels, tokens, 1]` are projected to queries, keys and values of `heads` heads;
/// scores go through a table, weigh the values and are projected back.
pub fn attention(seed: u64, [tokens, channels, heads]: [usize; 3]) -> ProgramBuilder {
    let mut b = ProgramBuilder::new(seed);
    let clamp = b.table(Table::identity(-32, 31));
    let positive = b.relu(-32, 31);
    let x = b.input(&[channels, tokens, 1], Visibility::Private);
    let size = channels / heads;
    let projected = |b: &mut ProgramBuilder| {
        let y = b.conv(x, channels, ConvGeometry::POINTWISE, Some(Requantize { shift: 5, table: clamp }));
        b.reshape(y, &[heads, size, tokens])
    };
    let [queries, keys, values] = [projected(&mut b), projected(&mut b), projected(&mut b)];
    let queries = b.transposed(queries, [heads, size, tokens]);
    let values = b.transposed(values, [heads, size, tokens]);
    let scores = b.matmul(queries, keys, Some(Requantize { shift: 4, table: clamp }));
    let weights = b.node(Op::Lookup { input: scores, table: positive }, &[heads, tokens, tokens]);
    let mixed = b.matmul(weights, values, Some(Requantize { shift: 4, table: clamp }));
    let mixed = b.transposed(mixed, [heads, tokens, size]);
    let flat = b.reshape(mixed, &[channels, tokens, 1]);
    let y = b.conv(flat, channels, ConvGeometry::POINTWISE, None);
    b.output(y, Visibility::Public);
    b
}
