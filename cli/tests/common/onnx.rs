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

fn port(name: &str, size: usize) -> Vec<u8> {
    let dimension = |size| bytes(1, &number(1, size));
    let shape = [dimension(1), dimension(size)].concat();
    let tensor = [number(1, 1), bytes(2, &shape)].concat();
    [bytes(1, name.as_bytes()), bytes(2, &bytes(1, &tensor))].concat()
}

fn node(operator: &str, inputs: &[&str], output: &str) -> Vec<u8> {
    let inputs: Vec<u8> = inputs.iter().flat_map(|input| bytes(1, input.as_bytes())).collect();
    [inputs, bytes(2, output.as_bytes()), bytes(4, operator.as_bytes())].concat()
}

/// `output = max(0, input · weights)`, the weights `[rows, columns]`.
pub fn layer(input: &str, output: &str, [rows, columns]: [usize; 2], weights: &[f32]) -> Vec<u8> {
    let raw: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
    let tensor = [number(1, rows), number(1, columns), number(2, 1), bytes(8, b"w"), bytes(9, &raw)].concat();
    let graph = [
        bytes(1, &node("MatMul", &[input, "w"], "sum")),
        bytes(1, &node("Relu", &["sum"], output)),
        bytes(2, b"layer"),
        bytes(5, &tensor),
        bytes(11, &port(input, rows)),
        bytes(12, &port(output, columns)),
    ];
    [number(1, 8), bytes(7, &graph.concat()), bytes(8, &number(2, 13))].concat()
}

/// So many layers `x ← max(0, x · w)` of one size, each with weights of its own.
pub fn layers(count: usize, size: usize, weight: impl Fn(usize, usize) -> f32) -> Vec<u8> {
    let value = |layer: usize| format!("x{layer}");
    let mut graph = bytes(2, b"layers");
    for layer in 0..count {
        let (matrix, sum) = (format!("w{layer}"), format!("s{layer}"));
        let raw: Vec<u8> = (0..size * size).flat_map(|i| weight(layer, i).to_le_bytes()).collect();
        let shape = [number(1, size), number(1, size), number(2, 1)].concat();
        graph.extend(bytes(1, &node("MatMul", &[&value(layer), &matrix], &sum)));
        graph.extend(bytes(1, &node("Relu", &[&sum], &value(layer + 1))));
        graph.extend(bytes(5, &[shape, bytes(8, matrix.as_bytes()), bytes(9, &raw)].concat()));
    }
    graph.extend(bytes(11, &port(&value(0), size)));
    graph.extend(bytes(12, &port(&value(count), size)));
    [number(1, 8), bytes(7, &graph), bytes(8, &number(2, 13))].concat()
}
