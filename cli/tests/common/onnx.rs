//! Messages of ONNX, field by field.

/// A field with bytes.
pub fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
    [&[field << 3 | 2][..], &length(content.len()), content].concat()
}

/// A field with a small number.
pub fn number(field: u8, value: usize) -> Vec<u8> {
    [&[field << 3][..], &length(value)].concat()
}

fn length(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn port(name: &str, sizes: &[usize]) -> Vec<u8> {
    let axes: Vec<Vec<u8>> = sizes.iter().map(|&size| number(1, size)).collect();
    port_of(name, &axes)
}

/// A port some of whose axes have a name in the place of a size, or nothing at all where it is empty.
fn open_port(name: &str, axes: &[&str]) -> Vec<u8> {
    let axis = |axis: &&str| match axis.parse() {
        Ok(size) => number(1, size),
        Err(_) if axis.is_empty() => Vec::new(),
        Err(_) => bytes(2, axis.as_bytes()),
    };
    port_of(name, &axes.iter().map(axis).collect::<Vec<_>>())
}

fn port_of(name: &str, axes: &[Vec<u8>]) -> Vec<u8> {
    let shape: Vec<u8> = axes.iter().flat_map(|axis| bytes(1, axis)).collect();
    let tensor = [number(1, 1), bytes(2, &shape)].concat();
    [bytes(1, name.as_bytes()), bytes(2, &bytes(1, &tensor))].concat()
}

fn node(operator: &str, inputs: &[&str], output: &str) -> Vec<u8> {
    let inputs: Vec<u8> = inputs.iter().flat_map(|input| bytes(1, input.as_bytes())).collect();
    [inputs, bytes(2, output.as_bytes()), bytes(4, operator.as_bytes())].concat()
}

/// An attribute of integers.
fn integers(name: &str, values: &[usize]) -> Vec<u8> {
    let values: Vec<u8> = values.iter().flat_map(|&value| number(8, value)).collect();
    // The type is field 20, whose tag takes two bytes: integers.
    bytes(5, &[bytes(1, name.as_bytes()), values, vec![0xa0, 0x01, 7]].concat())
}

/// A constant of float32.
fn floats(name: &str, sizes: &[usize], values: &[f32]) -> Vec<u8> {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let sizes: Vec<u8> = sizes.iter().flat_map(|&size| number(1, size)).collect();
    [sizes, number(2, 1), bytes(8, name.as_bytes()), bytes(9, &raw)].concat()
}

/// A model of operator set 13.
fn model(graph: &[Vec<u8>]) -> Vec<u8> {
    [number(1, 8), bytes(7, &graph.concat()), bytes(8, &number(2, 13))].concat()
}

/// Volumes `[1, 1, 4, 4, 4]`: the largest of each `2 × 2 × 2` of `max(0, conv)`, the convolution with two kernels of `2 × 2 × 2` and a
/// border of zeros in front and behind.
pub fn volumes(weights: &[f32]) -> Vec<u8> {
    let convolution = [integers("kernel_shape", &[2; 3]), integers("pads", &[1; 6])].concat();
    let pooling = [integers("kernel_shape", &[2; 3]), integers("strides", &[2; 3])].concat();
    model(&[
        bytes(1, &[node("Conv", &["x", "w"], "conv"), convolution].concat()),
        bytes(1, &node("Relu", &["conv"], "relu")),
        bytes(1, &[node("MaxPool", &["relu"], "y"), pooling].concat()),
        bytes(2, b"volumes"),
        bytes(5, &floats("w", &[2, 1, 2, 2, 2], weights)),
        bytes(11, &port("x", &[1, 1, 4, 4, 4])),
        bytes(12, &port("y", &[1, 2, 2, 2, 2])),
    ])
}

/// `output = max(0, input · weights)`, the weights `[rows, columns]`.
pub fn layer(input: &str, output: &str, [rows, columns]: [usize; 2], weights: &[f32]) -> Vec<u8> {
    model(&[
        bytes(1, &node("MatMul", &[input, "w"], "sum")),
        bytes(1, &node("Relu", &["sum"], output)),
        bytes(2, b"layer"),
        bytes(5, &floats("w", &[rows, columns], weights)),
        bytes(11, &port(input, &[1, rows])),
        bytes(12, &port(output, &[1, columns])),
    ])
}

/// `y = silu((x · w0)³ · w1) · w2` with square weights: functions of it need more arguments than sums need levels.
pub fn powers(size: usize, weights: &[Vec<f32>; 3]) -> Vec<u8> {
    let matrix = |index: usize| bytes(5, &floats(&format!("w{index}"), &[size, size], &weights[index]));
    model(&[
        bytes(1, &node("MatMul", &["x", "w0"], "first")),
        bytes(1, &node("Pow", &["first", "three"], "cubes")),
        bytes(1, &node("MatMul", &["cubes", "w1"], "second")),
        bytes(1, &node("Sigmoid", &["second"], "gate")),
        bytes(1, &node("Mul", &["second", "gate"], "gated")),
        bytes(1, &node("MatMul", &["gated", "w2"], "y")),
        bytes(2, b"powers"),
        (0..3).flat_map(matrix).collect(),
        bytes(5, &floats("three", &[], &[3.0])),
        bytes(11, &port("x", &[1, size])),
        bytes(12, &port("y", &[1, size])),
    ])
}

/// `y = max(0, x · weights)` for `x` with axes of which some are left open; the weights `[rows, columns]`.
pub fn open_layer(axes: &[&str], [rows, columns]: [usize; 2], weights: &[f32]) -> Vec<u8> {
    model(&[
        bytes(1, &node("MatMul", &["x", "w"], "sum")),
        bytes(1, &node("Relu", &["sum"], "y")),
        bytes(2, b"open"),
        bytes(5, &floats("w", &[rows, columns], weights)),
        bytes(11, &open_port("x", axes)),
        bytes(12, &open_port("y", &vec![""; axes.len()])),
    ])
}

/// `y = there · weights`, where `there` is the input `x` with the numbers `fill` in the place of what is NaN.
pub fn imputed(fill: &[f32], [rows, columns]: [usize; 2], weights: &[f32]) -> Vec<u8> {
    model(&[
        bytes(1, &node("IsNaN", &["x"], "missing")),
        bytes(1, &node("Where", &["missing", "fill", "x"], "there")),
        bytes(1, &node("MatMul", &["there", "w"], "y")),
        bytes(2, b"imputed"),
        bytes(5, &floats("fill", &[1, rows], fill)),
        bytes(5, &floats("w", &[rows, columns], weights)),
        bytes(11, &port("x", &[1, rows])),
        bytes(12, &port("y", &[1, columns])),
    ])
}

/// So many layers `x ← max(0, x · w)` of one size, each with weights of its own.
pub fn layers(count: usize, size: usize, weight: impl Fn(usize, usize) -> f32) -> Vec<u8> {
    let value = |layer: usize| format!("x{layer}");
    let mut graph = bytes(2, b"layers");
    for layer in 0..count {
        let (matrix, sum) = (format!("w{layer}"), format!("s{layer}"));
        let weights: Vec<f32> = (0..size * size).map(|i| weight(layer, i)).collect();
        graph.extend(bytes(1, &node("MatMul", &[&value(layer), &matrix], &sum)));
        graph.extend(bytes(1, &node("Relu", &[&sum], &value(layer + 1))));
        graph.extend(bytes(5, &floats(&matrix, &[size, size], &weights)));
    }
    graph.extend(bytes(11, &port(&value(0), &[1, size])));
    graph.extend(bytes(12, &port(&value(count), &[1, size])));
    model(&[graph])
}

/// A layer of weights of 8 bits, whose input is quantized dynamically: name, sizes, integers, scale and bias.
pub struct DynamicLayer<'a> {
    pub sizes: [usize; 2],
    pub weights: &'a [i8],
    pub scale: f32,
    pub bias: &'a [f32],
}

/// `y = layer₂(max(0, layer₁(x)))`, each a DynamicQuantizeMatMul; with `shares` a second output `p = softmax(y)`.
pub fn dynamic(layers: &[DynamicLayer; 2], shares: bool) -> Vec<u8> {
    let product = |inputs: &[&str], output: &str| {
        [node("DynamicQuantizeMatMul", inputs, output), bytes(7, b"com.microsoft")].concat()
    };
    let integers = |name: &str, sizes: [usize; 2], values: &[i8]| {
        let sizes: Vec<u8> = sizes.iter().flat_map(|&size| number(1, size)).collect();
        let raw: Vec<u8> = values.iter().map(|&value| value as u8).collect();
        [sizes, number(2, 3), bytes(8, name.as_bytes()), bytes(9, &raw)].concat()
    };
    let [first, second] = layers;
    let graph = [
        bytes(1, &product(&["x", "w1", "s1", "", "b1"], "a")),
        bytes(1, &node("Relu", &["a"], "r")),
        bytes(1, &product(&["r", "w2", "s2", "", "b2"], "y")),
        bytes(2, b"dynamic"),
        bytes(5, &integers("w1", first.sizes, first.weights)),
        bytes(5, &integers("w2", second.sizes, second.weights)),
        bytes(5, &floats("s1", &[1], &[first.scale])),
        bytes(5, &floats("s2", &[1], &[second.scale])),
        bytes(5, &floats("b1", &[first.sizes[1]], first.bias)),
        bytes(5, &floats("b2", &[second.sizes[1]], second.bias)),
        bytes(11, &port("x", &[1, first.sizes[0]])),
        bytes(12, &port("y", &[1, second.sizes[1]])),
    ];
    let softmax = [bytes(1, &node("Softmax", &["y"], "p")), bytes(12, &port("p", &[1, second.sizes[1]]))];
    let graph: Vec<Vec<u8>> = graph.into_iter().chain(softmax.into_iter().filter(|_| shares)).collect();
    let microsoft = [bytes(1, b"com.microsoft"), number(2, 1)].concat();
    [model(&graph), bytes(8, &microsoft)].concat()
}
