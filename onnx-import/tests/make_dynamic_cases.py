#!/usr/bin/env python3
"""Writes `dynamic_cases.zip`: models with dynamic scales, and onnxruntime's outputs on samples.

    python make_dynamic_cases.py [--out FILE]

`in0` and `out0` have a row for each sample; the first half is for calibration. Among the others are rows of zeros, of one sign, and of a
small range. Needs numpy, onnx and onnxruntime.
"""

import argparse
import pathlib
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from select_cases import pack

ROWS = 12
LARGEST = 3.0


class Network:
    """Layers in a row, with random weights."""

    def __init__(self, seed):
        self.random, self.nodes, self.stored, self.value = np.random.RandomState(seed), [], [], "x"

    def weights(self, *shape, spread=1.0):
        name = f"w{len(self.stored)}"
        scale = spread / np.sqrt(max(1, np.prod(shape[1:] if len(shape) > 2 else shape[:1])))
        self.stored.append(numpy_helper.from_array((self.random.randn(*shape) * scale).astype(np.float32), name))
        return name

    def constant(self, array):
        name = f"w{len(self.stored)}"
        self.stored.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, op, *more, inputs=None, domain="", **attributes):
        name = f"t{len(self.nodes)}"
        inputs = [self.value, *more] if inputs is None else inputs
        self.nodes.append(helper.make_node(op, inputs, [name], name=f"{op}_{name}", domain=domain, **attributes))
        self.value = name
        return self

    def dense(self, inputs, outputs):
        return self.node("Gemm", self.weights(inputs, outputs, spread=1.5), self.weights(outputs, spread=0.3))

    def conv(self, inputs, outputs, *kernel, groups=1, **attributes):
        weights = self.weights(outputs, inputs // groups, *kernel, spread=1.5)
        return self.node("Conv", weights, self.weights(outputs, spread=0.3), group=groups, **attributes)

    def model(self, shape):
        graph = helper.make_graph(
            self.nodes, "dynamic", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(self.value, TensorProto.FLOAT, None)], self.stored)
        imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=imports, ir_version=10)


def mlp(seed, relu=True):
    network = Network(seed).dense(20, 16)
    network = network.node("Relu") if relu else network
    network = network.dense(16, 12)
    network = network.node("Relu") if relu else network
    return network.dense(12, 5), [1, 20]


def tokens(seed):
    network = Network(seed)
    network.node("MatMul", network.weights(12, 10, spread=1.5)).node("Add", network.weights(10)).node("Relu")
    return network.node("MatMul", network.weights(10, 6, spread=1.5)).node("Add", network.weights(6)), [1, 4, 12]


def picture(seed, relu=True):
    network = Network(seed).conv(1, 4, 3, 3, pads=[1, 1, 1, 1])
    network = network.node("Relu") if relu else network
    network.node("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    network.conv(4, 6, 3, 3, groups=2, strides=[2, 2], pads=[0, 1, 1, 0])
    bounds = [network.constant(np.float32(0)), network.constant(np.float32(1.5))]
    network.node("Clip", *bounds).node("Flatten")
    return network.dense(24, 5), [1, 1, 8, 8]


def moved(seed):
    network = Network(seed).dense(18, 12).node("Relu")
    x = network.value
    ends = [network.constant(np.array(v, np.int64)) for v in ([0], [6], [1])]
    network.node("Slice", *ends)
    padded = network.node("Pad", network.constant(np.array([0, 1, 0, 1], np.int64))).value
    network.node("Concat", inputs=[x, padded], axis=1)
    network.node("Reshape", network.constant(np.array([1, 4, 5], np.int64))).node("Transpose", perm=[0, 2, 1])
    network.node("Flatten")
    return network.dense(20, 4), [1, 18]


def rows(random, shape):
    """Samples; the first two reach the ends."""
    x = random.randn(2 * ROWS, *shape).astype(np.float32).clip(-LARGEST, LARGEST)
    x[0].flat[0], x[0].flat[1] = LARGEST, -LARGEST
    x[ROWS] = 0
    x[ROWS + 1] = np.abs(x[ROWS + 1])
    x[ROWS + 2] = -np.abs(x[ROWS + 2])
    x[ROWS + 3] *= np.float32(0.03)
    x[ROWS + 4] *= np.float32(0.3)
    return x


def write(folder, name, model, shape, level=None):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    target = folder / name
    target.mkdir()
    if level is not None:
        # The form that the runtime makes of it, with its own operators.
        options.graph_optimization_level = level
        options.optimized_model_filepath = str(target / "optimized.onnx")
        onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        model = onnx.load(target / "optimized.onnx")
        (target / "optimized.onnx").unlink()
        options = onnxruntime.SessionOptions()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    x = rows(np.random.RandomState(7), shape)
    outputs = np.stack([session.run(None, {"x": row})[0] for row in x])
    onnx.save(model, target / "model.onnx")
    np.savez(target / "io.npz", in0=x, out0=outputs)
    return target


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).with_name("dynamic_cases.zip"))
    options = parser.parse_args()
    int8, uint8 = dict(weight_type=QuantType.QInt8), dict(weight_type=QuantType.QUInt8)
    channels = dict(per_channel=True)
    extended = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    cases = [
        ("mlp_s8", mlp(1), int8, None),
        ("mlp_s8_channels", mlp(2), int8 | channels, None),
        ("mlp_u8_signed", mlp(3, relu=False), uint8, None),
        ("mlp_s8_fused", mlp(4), int8 | channels, extended),
        ("tokens_s8_reduced", tokens(5), int8 | channels | dict(reduce_range=True), None),
        ("tokens_u8_fused", tokens(6), uint8, extended),
        ("picture_u8", picture(7), uint8, None),
        ("picture_s8_signed", picture(8, relu=False), int8, None),
        ("moved_s8", moved(9), int8, None),
    ]
    with tempfile.TemporaryDirectory() as folder:
        folder, written = pathlib.Path(folder), []
        for name, (network, shape), quantization, level in cases:
            onnx.save(network.model(shape), folder / "float.onnx")
            quantize_dynamic(folder / "float.onnx", folder / "dynamic.onnx", **quantization)
            written.append(write(folder, name, onnx.load(folder / "dynamic.onnx"), shape, level))
        options.out.write_bytes(pack(written))
        print(len(written), "cases,", options.out.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
