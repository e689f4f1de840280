#!/usr/bin/env python3
"""Writes `quantized_cases.zip`: quantized models whose expected outputs come from onnxruntime.

    python make_quantized_cases.py [--seeds N] [--out FILE]

Cases `exact_…` are integer programs, whose outputs are those of the runtime to the bit. `wide_…` have tensors of 16 bits, for which the
runtime adds in float32: outputs are within a few units of their type, and most are equal. Of `close_…` the model is an approximation, of
at most some hundredths of the outputs' range. Needs onnx, onnxruntime and numpy; `--seeds N` makes N
random models of each family.
"""

import argparse
import pathlib
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from select_cases import pack

TYPES = {"u8": np.uint8, "s8": np.int8, "u16": np.uint16, "s16": np.int16}
CODES = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8, "int8": TensorProto.INT8}


class Model:
    """A graph under construction; a quantized tensor is a name with its scale, zero point and type."""

    def __init__(self, random, domain=""):
        """The domain is that of QuantizeLinear and DequantizeLinear: that of ONNX has types of 16 bits from operator set 21 on."""
        self.domain, self.random, self.nodes, self.stored, self.inputs = domain, random, [], [], []

    def constant(self, array, name=None):
        name = name or f"c{len(self.stored)}"
        self.stored.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, op, inputs, domain="", outputs=1, **attributes):
        names = [f"t{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def input(self, *shape):
        name = f"x{len(self.inputs)}"
        self.inputs.append((name, self.random.uniform(-2, 2, shape).astype(np.float32)))
        return name

    def integers(self, kind, *shape):
        name, info = f"x{len(self.inputs)}", np.iinfo(TYPES[kind])
        self.inputs.append((name, self.random.randint(info.min, info.max + 1, shape).astype(TYPES[kind])))
        return name

    def parameters(self, kind, spread=4.0, tie=False):
        """Scale and zero point as names, for values within `spread`; powers of two put results on ties."""
        dtype = TYPES[kind]
        info = np.iinfo(dtype)
        scale = np.float32(spread / (info.max - info.min) * self.random.uniform(0.8, 1.6))
        if tie:
            scale = np.float32(2.0 ** np.round(np.log2(scale)))
        middle = (info.max + info.min + 1) // 2
        zero = middle + self.random.randint(-3, 4) if kind == "u8" else 0 if kind in ("s8", "s16") else middle
        return self.constant(scale), self.constant(dtype(zero))

    def quantize(self, value, parameters):
        return self.node("QuantizeLinear", [value, *parameters], self.domain)

    def dequantize(self, value, parameters):
        return self.node("DequantizeLinear", [value, *parameters], self.domain)

    def activation(self, value, kind, **options):
        """The value, rounded to a quantized type."""
        parameters = self.parameters(kind, **options)
        return self.dequantize(self.quantize(value, parameters), parameters)

    def weights(self, *shape, axis=None, kind="s8"):
        dtype = TYPES[kind]
        info = np.iinfo(dtype)
        data = self.random.randint(info.min + 1, info.max + 1, shape).astype(dtype)
        count = shape[axis] if axis is not None else None
        unit = np.float32(256 if kind == "s16" else 1)
        scale = self.random.uniform(0.002, 0.02, count).astype(np.float32) / unit if count else np.float32(0.006) / unit
        zero = np.zeros(count, dtype) if count else dtype(131 if kind == "u8" else 0)
        attributes = {"axis": axis} if count else {}
        return self.node("DequantizeLinear", [self.constant(data), self.constant(scale), self.constant(zero)], self.domain,
                         **attributes)

    def write(self, folder, name, outputs, opset=17):
        imports = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
        graph = helper.make_graph(
            self.nodes, name,
            [helper.make_tensor_value_info(n, CODES[v.dtype.name], v.shape) for n, v in self.inputs],
            [helper.make_empty_tensor_value_info(n) for n in outputs], self.stored)
        model = helper.make_model(graph, opset_imports=imports, ir_version=10)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        # Otherwise products by weights of 8 bits round what they multiply to 8 bits.
        options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        values = session.run(None, dict(self.inputs))
        target = folder / name
        target.mkdir()
        onnx.save(model, target / "model.onnx")
        arrays = {f"in{i}": v for i, (_, v) in enumerate(self.inputs)} | {f"out{i}": v for i, v in enumerate(values)}
        np.savez(target / "io.npz", **arrays)
        return target


def functions(m, kind, tie):
    """Functions of one quantized tensor."""
    x = m.activation(m.input(1, 3, 6, 6), kind, tie=tie)
    ops = [("Relu", {}), ("LeakyRelu", {"alpha": 0.1}), ("Sigmoid", {}), ("Tanh", {}), ("HardSwish", {}), ("Abs", {}),
           ("Elu", {}), ("Softplus", {})]
    results = [m.activation(m.node(op, [x], **attributes), kind, tie=tie) for op, attributes in ops]
    bounds = [m.constant(np.float32(bound)) for bound in (-0.4, 1.1)]
    results.append(m.activation(m.node("Clip", [x, *bounds]), kind, tie=tie))
    gate = m.node("Mul", [x, m.node("Sigmoid", [x])])
    return results + [m.activation(gate, kind, tie=tie)]


def pairs(m, kind, tie):
    """Sums, differences and products."""
    a = m.activation(m.input(1, 4, 5), kind, tie=tie)
    b = m.activation(m.input(1, 4, 5), kind, tie=tie)
    row = m.activation(m.input(1, 1, 5), kind, tie=tie)
    fixed = m.weights(4, 5)
    number = m.dequantize(m.constant(TYPES[kind](40)), m.parameters(kind))
    return [m.activation(m.node(op, list(operands)), kind, tie=tie)
            for op, operands in [("Add", (a, b)), ("Mul", (a, b)), ("Add", (a, row)), ("Mul", (row, b)),
                                 ("Add", (a, fixed)), ("Mul", (a, number)), ("Sub", (a, b))]]


def moves(m, kind, tie):
    """What moves or compares elements, with other scales behind it."""
    x = m.activation(m.input(1, 4, 4, 6), kind, tie=tie)
    y = m.activation(m.input(1, 2, 4, 6), kind, tie=tie)
    ints = lambda *values: m.constant(np.array(values, np.int64))
    moved = [
        m.node("Concat", [x, y], axis=1),
        m.node("Slice", [x, ints(1), ints(3), ints(2)]),
        m.node("Pad", [x, ints(0, 0, 1, 1, 0, 0, 0, 2)]),
        m.node("Transpose", [x], perm=[0, 2, 3, 1]),
        m.node("Unsqueeze", [m.node("Squeeze", [x, ints(0)]), ints(1)]),
        m.node("MaxPool", [x], kernel_shape=[2, 2]),
        m.node("GlobalMaxPool", [x]),
        m.node("Resize", [x, "", m.constant(np.array([1, 1, 2, 2], np.float32))], mode="nearest"),
        *m.node("Split", [x], outputs=2, axis=1),
    ]
    return [m.activation(value, kind, tie=tie) for value in moved]


def averages(m, kind, tie):
    """Averages; scales whose results lie on no ties, which the order of float32 sums decides."""
    x = m.activation(m.input(1, 3, 6, 6), kind)
    pooled = m.node("AveragePool", [x], kernel_shape=[3, 3], strides=[2, 2])
    padded = m.node("AveragePool", [x], kernel_shape=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1)
    overall = m.node("GlobalAveragePool", [x])
    means = m.node("ReduceMean", [x], axes=[1], keepdims=0)
    return [m.activation(value, kind, spread=2.0) for value in (pooled, padded, overall, means)]


def products(m, kind, tie):
    """Convolutions over one axis, products of matrices and of stacks of them."""
    line = m.activation(m.input(1, 4, 9), kind)
    bias = lambda n: m.node("DequantizeLinear", [m.constant(m.random.randint(-900, 900, n).astype(np.int32)),
                                                 m.constant(np.float32(1e-4))])
    tokens, other = m.activation(m.input(1, 5, 8), kind), m.activation(m.input(1, 5, 8), kind)
    scores = m.node("MatMul", [tokens, m.node("Transpose", [other], perm=[0, 2, 1])])
    results = [
        m.node("Conv", [line, m.weights(6, 4, 3, axis=0)], pads=[1, 1]),
        m.node("Conv", [line, m.weights(4, 1, 3)], group=4, strides=[2]),
        m.node("MatMul", [tokens, m.weights(8, 7)]),
        scores,
        m.node("Gemm", [m.activation(m.input(2, 8), kind), m.weights(6, 8), bias(6)], transB=1),
    ]
    return [m.activation(value, kind, spread=12.0) for value in results]


def qlinear(m, kind, tie):
    """Operators on quantized tensors."""
    shape = (1, 4, 5, 5)
    parameters = [m.parameters(kind) for _ in range(4)]
    a, b = (m.quantize(m.input(*shape), p) for p in parameters[:2])
    to = parameters[2]
    microsoft = {"domain": "com.microsoft"}
    first, second = [a, *parameters[0]], [b, *parameters[1]]
    weights = [m.constant(m.random.randint(-100, 100, (5, 6)).astype(np.int8)), m.constant(np.float32(0.01)), m.constant(np.int8(0))]
    results = [
        m.node("QLinearAdd", [*first, *second, *to], **microsoft),
        m.node("QLinearMul", [*first, *second, *to], **microsoft),
        m.node("QLinearSigmoid", [*first, *to], **microsoft),
        m.node("QLinearLeakyRelu", [*first, *to], alpha=0.2, **microsoft),
        m.node("QLinearConcat", [*to, *first, *second], axis=1, **microsoft),
        m.node("QLinearAveragePool", [*first, *to], kernel_shape=[2, 2], strides=[1, 1], **microsoft),
        m.node("QLinearGlobalAveragePool", [*first, *to], **microsoft),
    ]
    if kind == "u8":
        results.append(m.node("QLinearMatMul", [*first, *weights, *to]))
    return [m.dequantize(value, to) for value in results]


def integers(m, kind, tie):
    """Integers as inputs and outputs, and products of them without scales."""
    x, to = m.integers(kind, 1, 3, 5, 5), m.parameters(kind, spread=20.0, tie=tie)
    sums = m.node("Conv", [m.dequantize(x, m.parameters(kind)), m.weights(4, 3, 3, 3)])
    a, zero = m.integers(kind, 3, 8), m.constant(TYPES[kind](5))
    weights = lambda *shape: m.constant(m.random.randint(-127, 128, shape).astype(np.int8))
    return [m.quantize(m.node("Relu", [sums]), to), m.node("MatMulInteger", [a, weights(8, 6), zero]),
            m.node("ConvInteger", [x, weights(2, 3, 3, 3), zero], pads=[1, 1, 1, 1])]


def trained(m, kind, tie):
    """Weights as training with quantization leaves them: floats that are quantized in the model, and a bias in floats."""
    x = m.activation(m.input(1, 3, 6, 6), kind, tie=tie)
    weights = m.constant(m.random.uniform(-0.5, 0.5, (4, 3, 3, 3)).astype(np.float32))
    scales = m.constant(m.random.uniform(0.003, 0.005, 4).astype(np.float32)), m.constant(np.zeros(4, np.int8))
    stored = m.node("DequantizeLinear", [m.node("QuantizeLinear", [weights, *scales], axis=0), *scales], axis=0)
    bias = m.constant(m.random.uniform(-0.5, 0.5, 4).astype(np.float32))
    sums = m.node("Conv", [x, stored, bias], pads=[1, 1, 1, 1])
    return [m.activation(m.node("Relu", [sums]), kind, spread=8.0, tie=tie)]


def dynamic(m, kind, tie):
    """Scales that depend on the data."""
    def quantized(value):
        return m.node("DynamicQuantizeLinear", [value], outputs=3)

    def product(op, value, shape, **attributes):
        q, scale, zero = quantized(value)
        weights = m.constant(m.random.randint(-127, 128, shape).astype(np.int8))
        sums = m.node("Cast", [m.node(op, [q, weights, zero, m.constant(np.int8(0))], **attributes)], to=1)
        return m.node("Mul", [sums, m.node("Mul", [scale, m.constant(np.float32(0.01))])])

    dense = product("MatMulInteger", m.input(1, 6, 16), (16, 8))
    picture = product("ConvInteger", m.input(1, 3, 7, 7), (4, 3, 3, 3), pads=[1, 1, 1, 1])
    (q, scale, zero), (r, other, middle) = quantized(dense), quantized(m.node("Transpose", [dense], perm=[0, 2, 1]))
    scores = m.node("Cast", [m.node("MatMulInteger", [q, r, zero, middle])], to=1)
    scores = m.node("Mul", [m.node("Mul", [scores, other]), scale])
    whole = m.node("DynamicQuantizeMatMul", [dense, m.constant(m.random.randint(0, 256, (8, 5)).astype(np.uint8)),
                                             m.constant(np.float32(0.01)), m.constant(np.uint8(128)),
                                             m.constant(m.random.uniform(-1, 1, 5).astype(np.float32))],
                   domain="com.microsoft")
    joined = m.node("MatMulIntegerToFloat", [q, m.constant(m.random.randint(-127, 128, (8, 5)).astype(np.int8)), scale,
                                             m.constant(np.float32(0.01)), zero], domain="com.microsoft")
    return [dense, picture, scores, whole, joined]


def lstm(m, kind, tie):
    """An LSTM with weights of 8 bits."""
    x, hidden = m.input(4, 1, 6), 5
    stored = [m.constant(m.random.randint(-127, 128, (1, rows, 4 * hidden)).astype(np.int8)) for rows in (6, hidden)]
    scales = [m.constant(np.array([0.008], np.float32)), m.constant(np.array([0], np.int8))]
    bias = m.constant(m.random.uniform(-1, 1, (1, 8 * hidden)).astype(np.float32))
    states = m.node("DynamicQuantizeLSTM", [x, *stored, bias, "", "", "", "", *scales, *scales], outputs=3,
                    hidden_size=hidden, domain="com.microsoft")
    return states


def network(m, kind, tie):
    """Layers with activations of 16 bits and weights of 16 or 8."""
    x = m.activation(m.input(1, 3, 6, 6), kind)
    own = "s8" if kind == "u16" else "s16"
    y = m.activation(m.node("Conv", [x, m.weights(4, 3, 3, 3, kind=own)]), kind, spread=20.0)
    y = m.activation(m.node("Relu", [y]), kind, spread=20.0)
    flat = m.node("Reshape", [y, m.constant(np.array([1, 64], np.int64))])
    bias = m.constant(m.random.uniform(-1, 1, 7).astype(np.float32))
    return [m.activation(m.node("Gemm", [flat, m.weights(64, 7, kind=own, axis=1), bias]), kind, spread=60.0)]


def mixed(m, kind, tie):
    """Tensors of 8 bits beside others of 16: each as operand and result of the other, and both as operands."""
    byte = "u8" if kind == "u16" else "s8"
    x, y = m.activation(m.input(1, 4, 5, 5), byte), m.activation(m.input(1, 4, 5, 5), kind)
    up, down = m.activation(x, kind), m.activation(y, byte)
    results = [(up, kind), (m.node("Conv", [x, m.weights(3, 4, 2, 2)]), kind), (m.node("Add", [x, y]), kind),
               (m.node("Mul", [x, y]), kind), (m.node("Sigmoid", [x]), kind), (m.node("MatMul", [x, y]), kind)]
    results += [(m.node("Conv", [y, m.weights(3, 4, 2, 2)]), byte), (m.node("Relu", [y]), byte), (down, byte)]
    return [m.activation(value, to, spread=12.0) for value, to in results]


def scores(m, kind, tie):
    """Softmax to 16 bits: all units of the type for 1, and half of them."""
    info, results = np.iinfo(TYPES[kind]), []
    for axis, units in ((-1, 65535), (1, 65535), (2, 32767)):
        x = m.activation(m.input(1, 3, 5, 17), kind, spread=16.0)
        parameters = m.constant(np.float32(1 / units)), m.constant(TYPES[kind](info.min))
        results.append(m.dequantize(m.quantize(m.node("Softmax", [x], axis=axis), parameters), parameters))
    return results


def between(m, kind, tie):
    """Functions that nothing quantizes before they are summed, multiplied or averaged."""
    x, y = m.activation(m.input(1, 4, 6, 6), kind), m.activation(m.input(1, 4, 6, 6), kind)
    tanh, gate = m.node("Tanh", [x]), m.node("Sigmoid", [y])
    results = [
        m.node("AveragePool", [tanh], kernel_shape=[2, 2], strides=[2, 2]),
        m.node("Mul", [x, gate]),
        m.node("Add", [tanh, gate]),
        m.node("Conv", [m.node("Transpose", [gate], perm=[0, 1, 3, 2]), m.weights(3, 4, 3, 3)]),
    ]
    return [m.activation(value, kind) for value in results]


def nibbles(m, kind, tie):
    """Weights of 4 bits, in blocks."""
    x = m.input(2, 16)
    results = []
    for code, lo, hi in ((TensorProto.INT4, -8, 8), (TensorProto.UINT4, 0, 16)):
        data = m.random.randint(lo, hi, (16, 6))
        name = f"w{code}"
        m.stored.append(helper.make_tensor(name, code, data.shape, data.flatten().tolist()))
        zero = f"z{code}"
        m.stored.append(helper.make_tensor(zero, code, (4, 6), [(lo + hi) // 2] * 24))
        scale = m.constant(m.random.uniform(0.02, 0.1, (4, 6)).astype(np.float32))
        weights = m.node("DequantizeLinear", [name, scale, zero], axis=0, block_size=4)
        results.append(m.node("MatMul", [x, weights]))
    return results


def packed(m, kind, tie):
    """MatMulNBits: weights of 4 and 8 bits in rows of blocks."""
    x, results = m.input(2, 24), []
    for bits, zeros in ((4, False), (4, True), (8, True)):
        blocks, size, rows = 2, 16, 5
        operands = [m.constant(m.random.randint(0, 256, (rows, blocks, size * bits // 8)).astype(np.uint8)),
                    m.constant(m.random.uniform(0.02, 0.1, rows * blocks).astype(np.float32))]
        if zeros:
            operands.append(m.constant(m.random.randint(0, 256, rows * ((blocks * bits + 7) // 8)).astype(np.uint8)))
        results.append(m.node("MatMulNBits", [x, *operands], K=24, N=rows, bits=bits, block_size=size, domain="com.microsoft"))
    return results


def shares(m, kind, tie):
    """Softmax, with a scale of which a whole number of units stands for 1, and with another one."""
    dtype = TYPES[kind]
    whole = m.constant(np.float32(1 / 256)), m.constant(dtype(np.iinfo(dtype).min))
    other = m.constant(np.float32(0.0043)), m.constant(dtype(np.iinfo(dtype).min))
    results = []
    for axis, parameters in ((-1, whole), (1, whole), (2, other)):
        x = m.activation(m.input(1, 3, 5, 17), kind, spread=8.0, tie=tie)
        results.append(m.dequantize(m.quantize(m.node("Softmax", [x], axis=axis), parameters), parameters))
    return results


def normalized(m, kind, tie):
    """Normalizations of a layer and of instances, with factors and offsets of the model."""
    def bias(n):
        stored = m.constant(m.random.randint(-900, 900, n).astype(np.int32))
        return m.node("DequantizeLinear", [stored, m.constant(np.float32(1e-3))])

    tokens, picture = m.activation(m.input(1, 7, 24), kind), m.activation(m.input(1, 4, 5, 6), kind)
    results = [
        m.node("LayerNormalization", [tokens, m.weights(24), bias(24)], axis=-1, epsilon=1e-5),
        m.node("LayerNormalization", [picture, m.weights(5, 6)], axis=2, epsilon=1e-3),
        m.node("InstanceNormalization", [picture, m.weights(4), bias(4)]),
    ]
    return [m.activation(value, kind, spread=3.0, tie=tie) for value in results]


def transposed(m, kind, tie):
    """Transposed convolutions, whose sums the runtime takes in float32."""
    x = m.activation(m.input(1, 4, 5, 6), kind, tie=tie)
    results = [
        m.node("ConvTranspose", [x, m.weights(4, 6, 3, 3), m.constant(m.random.uniform(-1, 1, 6).astype(np.float32))],
               strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]),
        m.node("ConvTranspose", [x, m.weights(4, 3, 2, 3)], strides=[2, 1], group=2),
        m.node("ConvTranspose", [x, m.weights(4, 6, 2, 2, axis=1)], strides=[1, 2], dilations=[2, 1]),
    ]
    return [m.activation(m.node("Relu", [value]), kind, spread=16.0, tie=tie) for value in results]


def resized(m, kind, tie):
    """Linear interpolation; scales that are powers of two, whose products and ties are exact in float32."""
    x = m.activation(m.input(1, 2, 5, 6), kind, tie=True)
    sizes = lambda *values: ["", m.constant(np.array(values, np.float32))]
    results = [
        m.node("Resize", [x, *sizes(1, 1, 2, 2)], mode="linear"),
        m.node("Resize", [x, *sizes(1, 1, 1, 4)], mode="linear", coordinate_transformation_mode="asymmetric"),
    ]
    y = m.integers(kind, 1, 2, 5, 6)
    whole = [m.node("Resize", [y, *sizes(1, 1, 2, 2)], mode="linear"),
             m.node("Resize", [y, *sizes(1, 1, 4, 1)], mode="linear", coordinate_transformation_mode="asymmetric")]
    return whole + [m.activation(value, kind, tie=True) for value in results]


def scaled(m, kind, tie):
    """Factors and offsets by channels, in floats."""
    x = m.activation(m.input(1, 4, 5, 6), kind, tie=tie)
    floats = lambda *shape, lo=-2.0, hi=2.0: m.constant(m.random.uniform(lo, hi, shape).astype(np.float32))
    results = [
        m.node("BatchNormalization", [x, floats(4), floats(4), floats(4), floats(4, lo=0.5)]),
        m.node("Add", [m.node("Mul", [x, floats(4, 1, 1)]), floats(4, 1, 1)]),
        m.node("Sub", [floats(6), m.node("Div", [x, floats(6, lo=0.5)])]),
    ]
    return [m.activation(value, kind, tie=tie) for value in results]


def gated(m, kind, tie):
    """A tensor over the root of another, and means of functions."""
    x = m.activation(m.input(1, 6, 8), kind, tie=tie)
    root = m.node("Sqrt", [m.dequantize(m.integers("u8", 1, 6, 1), (m.constant(np.float32(0.02)), m.constant(np.uint8(0))))])
    square = m.node("Pow", [x, m.constant(np.float32(2))])
    picture = m.activation(m.input(1, 2, 6, 6), kind)
    results = [
        m.node("Mul", [x, root]),
        m.node("ReduceMean", [square], axes=[2]),
        m.node("AveragePool", [m.node("Tanh", [picture])], kernel_shape=[2, 2], strides=[2, 2]),
    ]
    return [m.activation(value, kind, spread=6.0) for value in results]


def moved(m, kind, tie):
    """Inputs whose elements are moved before they are quantized."""
    picture = m.node("Transpose", [m.input(1, 5, 6, 3)], perm=[0, 3, 1, 2])
    row = m.node("Reshape", [m.input(1, 12), m.constant(np.array([1, 3, 4], np.int64))])
    x, y = m.activation(picture, kind, tie=tie), m.activation(row, kind, tie=tie)
    sums = m.node("Conv", [x, m.weights(4, 3, 3, 3)])
    return [m.activation(sums, kind, spread=12.0), m.activation(m.node("Mul", [y, y]), kind)]


def spelled_out(m, kind, tie):
    """A normalization as its parts, whose variance is quantized; sums and products of what nothing quantizes."""
    x = m.activation(m.input(1, 5, 16), kind, tie=tie)
    deviation = m.node("Sub", [x, m.node("ReduceMean", [x], axes=[-1])])
    y = m.activation(m.input(1, 5, 16), kind, tie=tie)
    other = m.node("Sub", [y, m.node("ReduceMean", [y], axes=[-1])])
    square = m.node("Pow", [deviation, m.constant(np.float32(2))])
    variance = m.activation(m.node("ReduceMean", [square], axes=[-1]), kind, spread=6.0)
    results = [
        m.node("Div", [deviation, m.node("Sqrt", [variance])]),
        m.node("Mul", [m.node("Reciprocal", [m.node("Sqrt", [variance])]), deviation]),
        m.node("ReduceSum", [x, m.constant(np.array([1], np.int64))]),
        m.node("ReduceMean", [m.node("Mul", [deviation, other])], axes=[-1]),
    ]
    return [m.activation(value, kind, spread=4.0) for value in results]


def masked(m, kind, tie):
    """Scores of which a causal mask leaves equal ones, whose shares are ties at times."""
    info, name = np.iinfo(TYPES[kind]), f"x{len(m.inputs)}"
    scores = np.where(np.tril(np.ones((1, 2, 8, 8))) > 0, -40.0 * m.random.randint(0, 1 + tie, (1, 2, 8, 8)), -1e4)
    m.inputs.append((name, scores.astype(np.float32)))
    parameters = m.constant(np.float32(39.2)), m.constant(TYPES[kind](info.max))
    x = m.dequantize(m.quantize(name, parameters), parameters)
    shares = m.constant(np.float32(1 / 255)), m.constant(TYPES[kind](info.min))
    return [m.dequantize(m.quantize(m.node("Softmax", [x]), shares), shares)]


def composed(m, kind, tie):
    """Functions of two tensors, choices by data, functions that differ by channels."""
    x, y = (m.activation(m.input(1, 4, 6, 6), kind, tie=tie) for _ in range(2))
    floats = lambda *values: m.constant(np.array(values, np.float32))
    chosen = m.activation(m.node("Mul", [x, floats(0.5)]), kind, tie=tie)
    slopes = m.constant(m.random.uniform(0.05, 0.4, (4, 1, 1)).astype(np.float32))
    results = [
        m.node("Abs", [m.node("Sub", [x, y])]),
        m.node("Div", [x, m.node("Add", [m.node("Abs", [y]), floats(0.3)])]),
        m.node("Where", [m.node("Greater", [x, floats(0.1)]), y, chosen]),
        m.node("MaxPool", [m.node("PRelu", [x, slopes])], kernel_shape=[2, 2]),
    ]
    return [m.activation(value, kind) for value in results]


def channels_last(m, kind, tie):
    """Operators with channels in the last axis, as onnxruntime saves models that it optimized for a processor."""
    info = np.iinfo(TYPES[kind])
    zero = m.constant(TYPES[kind](info.min if kind == "u8" else -3))
    scales = [np.float32(value) for value in ((0.0625, 0.25, 0.125) if tie else (0.0371, 0.2311, 0.0894))]
    s, y, wide = (m.constant(scale) for scale in scales)
    x = m.node("QuantizeLinear", [m.input(1, 6, 6, 4), s, zero])
    weights = m.constant(m.random.randint(-90, 91, (4, 2, 3, 3)).astype(np.int8))
    own = m.constant(m.random.uniform(0.004, 0.02, 4).astype(np.float32)), m.constant(np.zeros(4, np.int8))
    bias = m.constant(m.random.randint(-500, 500, 4).astype(np.int32))
    last = {"domain": "com.microsoft", "channels_last": 1}
    conv = m.node("QLinearConv", [x, s, zero, weights, *own, y, zero, bias], group=2, pads=[1, 1, 1, 1], **last)
    largest = m.node("NhwcMaxPool", [conv], domain="com.microsoft", kernel_shape=[2, 2], strides=[2, 2])
    mean = m.node("QLinearAveragePool", [conv, y, zero, wide, zero], kernel_shape=[3, 3], strides=[3, 3], **last)
    whole = m.node("QLinearGlobalAveragePool", [conv, y, zero, wide, zero], **last)
    return [m.dequantize(largest, (y, zero)), m.dequantize(mean, (wide, zero)), m.dequantize(whole, (wide, zero))]


def ties(m, kind, tie):
    """Averages at the scale of their operand, many of which are ties that float32 sums decide."""
    info = np.iinfo(TYPES[kind])
    scale = np.float32(2.0 ** -4 if tie else m.random.uniform(0.003, 0.3))
    results = []
    for zero in (info.min, info.min + 131):
        own = m.constant(scale), m.constant(TYPES[kind](zero))
        def activation(*shape):
            data = (m.random.randint(info.min, info.max + 1, shape) - zero) * scale
            name = f"x{len(m.inputs)}"
            m.inputs.append((name, data.astype(np.float32)))
            return m.dequantize(m.quantize(name, own), own)
        averages = [
            m.node("AveragePool", [activation(1, 4, 8, 8)], kernel_shape=[2, 2], strides=[2, 2]),
            m.node("AveragePool", [activation(1, 24, 2, 2)], kernel_shape=[2, 2]),
            m.node("AveragePool", [activation(1, 2, 6, 6)], kernel_shape=[2, 3], pads=[1, 1, 1, 1], count_include_pad=1),
            m.node("ReduceMean", [activation(1, 16, 24)], axes=[1], keepdims=0),
            m.node("ReduceMean", [activation(1, 24, 12)], axes=[2], keepdims=1),
            m.node("ReduceMean", [activation(1, 24, 4, 4)], axes=[2, 3], keepdims=0),
        ]
        results += [m.dequantize(m.quantize(value, own), own) for value in averages]
    return results


def unfolded(m, kind, tie):
    """Products whose channels are scaled and shifted before they are quantized, and tensors over their own norm."""
    floats = lambda *shape: m.constant(m.random.uniform(-1.5, 1.5, shape).astype(np.float32))
    variance = m.constant(m.random.uniform(0.4, 2, 4).astype(np.float32))
    conv = m.node("Conv", [m.activation(m.input(1, 3, 6, 6), kind, tie=tie), m.weights(4, 3, 3, 3, axis=0), floats(4)])
    norm = m.node("BatchNormalization", [conv, floats(4), floats(4), floats(4), variance])
    rows = m.activation(m.input(1, 5, 8), kind, tie=tie)
    dense = m.node("Add", [m.node("MatMul", [rows, m.weights(8, 6, axis=1)]), floats(6)])
    turned = m.node("Transpose", [m.weights(6, 8, axis=0)], perm=[1, 0])
    layer = m.node("Mul", [m.node("Add", [m.node("MatMul", [rows, turned]), floats(6)]), floats(1)])
    length = m.node("ReduceL2", [rows], axes=[2], keepdims=1)
    bound = m.constant(np.float32(1e-12))
    long = m.node("Expand", [m.node("Clip", [length, bound]), m.constant(np.array([1, 5, 8], np.int64))])
    results = [m.activation(m.node("Relu", [value]), kind, spread=6.0) for value in (norm, dense, layer)]
    return results + [m.activation(m.node("Div", [rows, long]), kind, spread=2.0)]


def unquantized(m, kind, tie):
    """Normalizations with nothing quantized inside, sums of three, averages of sums."""
    floats = lambda *shape: m.constant(m.random.uniform(0.3, 1.5, shape).astype(np.float32))
    x = m.activation(m.input(1, 5, 8), kind)
    eps = m.constant(np.float32(1e-5))
    own = m.node("Sub", [x, m.node("ReduceMean", [x], axes=[-1])])
    variance = m.node("ReduceMean", [m.node("Pow", [own, m.constant(np.float32(2))])], axes=[-1])
    layer = m.node("Div", [own, m.node("Sqrt", [m.node("Add", [variance, eps])])])
    layer = m.node("Add", [m.node("Mul", [layer, floats(8)]), floats(8)])
    mean = m.node("ReduceMean", [m.node("Mul", [x, x])], axes=[-1])
    rms = m.node("Mul", [x, m.node("Reciprocal", [m.node("Sqrt", [m.node("Add", [mean, eps])])])])
    a, b, c = (m.activation(m.input(1, 4, 4, 4), kind) for _ in range(3))
    three = m.node("Relu", [m.node("Add", [m.node("Add", [a, b]), c])])
    pooled = m.node("GlobalAveragePool", [m.node("Relu", [m.node("Add", [a, b])])])
    bounds = [m.constant(np.float32(bound)) for bound in (0, 1.1)]
    clipped = m.node("ReduceMean", [m.node("Clip", [m.node("Sub", [a, c]), *bounds])], axes=[2, 3], keepdims=0)
    return [m.activation(value, kind, spread=5.0) for value in (layer, rms, three, pooled, clipped)]


EXACT = [functions, pairs, moves, averages, products, qlinear, integers, trained, shares, normalized, transposed, resized,
         scaled, gated, moved, spelled_out, masked, composed, channels_last, ties, unfolded,
         unquantized]
WIDE = [network, mixed, functions, pairs, moves, averages, products, transposed, scores, normalized, scaled, between]
CLOSE = [(dynamic, 17), (lstm, 17), (nibbles, 21), (packed, 21)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).with_name("quantized_cases.zip"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder, written = pathlib.Path(folder), []
        for seed in range(options.seeds):
            for family in EXACT:
                for kind in ("u8", "s8"):
                    for tie in (False, True):
                        model = Model(np.random.RandomState(seed))
                        name = f"exact_{family.__name__}_{kind}{'_ties' if tie else ''}_{seed}"
                        written.append(model.write(folder, name, family(model, kind, tie)))
            for family in WIDE:
                for kind in ("u16", "s16"):
                    model = Model(np.random.RandomState(seed), "com.microsoft")
                    name, outputs = f"wide_{family.__name__}_{kind}_{seed}", family(model, kind, False)
                    written.append(model.write(folder, name, outputs))
            for family, opset in CLOSE:
                model = Model(np.random.RandomState(seed))
                written.append(model.write(folder, f"close_{family.__name__}_{seed}", family(model, "u8", False), opset))
        options.out.write_bytes(pack(written))
        print(len(written), "cases,", options.out.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
