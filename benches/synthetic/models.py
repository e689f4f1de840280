#!/usr/bin/env python3
"""Writes models of the shape and size of well-known networks, with random weights, to see how the tool grows.

    pip install onnx numpy
    models.py resnet18 OUT/                        a CIFAR stem: 3 x 32 x 32, 11.2 million weights
    models.py mobilenetv2 OUT/                     3 x 224 x 224, 3.5 million weights
    models.py gpt2 OUT/ --tokens 16                12 layers, 768 wide, 50257 tokens, 124 million weights; the last position's logits

Each leaves OUT/model.onnx (weights beside it in weights.bin where they pass 2 GB of protobuf comfort), OUT/calibration.npz with
inputs of the distribution that the weights are scaled for, and OUT/input.npz, another one. The weights are drawn with the variances
that keep activations of unit size (He for rectifiers, GPT-2's own for its blocks); the seed is fixed, so a shape is one file.
"""

import argparse
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SEED = 2026
CALIBRATION_INPUTS = 4


class Graph:
    """Nodes and weights of a graph under construction; every method returns the name of its result."""

    def __init__(self, seed=SEED):
        self.random = np.random.default_rng(seed)
        self.nodes, self.weights, self.count = [], [], 0

    def constant(self, name, values):
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def normal(self, name, shape, deviation, mean=0.0):
        values = self.random.standard_normal(shape, dtype=np.float32) * np.float32(deviation) + np.float32(mean)
        return self.constant(name, values)

    def node(self, kind, inputs, name=None, outputs=1, **attributes):
        self.count += 1
        name = name or f"/{kind.lower()}_{self.count}"
        results = [f"{name}_{i}" for i in range(outputs)] if outputs > 1 else [f"{name}_out"]
        self.nodes.append(helper.make_node(kind, inputs, results, name=name, **attributes))
        return results if outputs > 1 else results[0]

    # Convolutional networks: a convolution with the batch normalisation that was trained with it.
    def convolution(self, x, name, cin, cout, kernel, stride=1, groups=1, gain=2.0):
        fan_in = cin // groups * kernel * kernel
        shape = (cout, cin // groups, kernel, kernel)
        weight = self.normal(f"{name}.weight", shape, np.sqrt(gain / fan_in))
        pad = kernel // 2
        y = self.node("Conv", [x, weight], f"/{name}/Conv", kernel_shape=[kernel, kernel], strides=[stride, stride],
                      pads=[pad] * 4, group=groups)
        parts = [
            self.normal(f"{name}.bn.weight", (cout,), 0.1, 1.0),
            self.normal(f"{name}.bn.bias", (cout,), 0.1),
            self.normal(f"{name}.bn.running_mean", (cout,), 0.1),
            self.constant(f"{name}.bn.running_var", self.random.uniform(0.8, 1.25, cout).astype(np.float32)),
        ]
        return self.node("BatchNormalization", [y, *parts], f"/{name}/bn", epsilon=1e-5)

    def dense(self, x, name, cin, cout, deviation):
        weight = self.normal(f"{name}.weight", (cin, cout), deviation)
        bias = self.normal(f"{name}.bias", (cout,), 0.02)
        y = self.node("MatMul", [x, weight], f"/{name}/MatMul")
        return self.node("Add", [y, bias], f"/{name}/Add")

    def save(self, folder, inputs, outputs, external):
        folder.mkdir(parents=True, exist_ok=True)
        graph = helper.make_graph(self.nodes, folder.name, inputs, outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
        options = {"save_as_external_data": True, "location": "weights.bin"} if external else {}
        for stale in ("model.onnx", "weights.bin"):
            (folder / stale).unlink(missing_ok=True)
        onnx.save(model, folder / "model.onnx", **options)


def image(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def save_inputs(folder, name, draw):
    np.savez(folder / "calibration.npz", **{name: np.concatenate([draw() for _ in range(CALIBRATION_INPUTS)])})
    np.savez(folder / "input.npz", **{name: draw()})


def resnet18(folder):
    """ResNet-18 (He and others, 2015) with the usual stem for 32 x 32 pictures: one 3 x 3 convolution, no pooling."""
    g = Graph()
    relu = lambda x: g.node("Relu", [x])
    x = relu(g.convolution("image", "conv1", 3, 64, 3))
    cin = 64
    for stage, cout in enumerate((64, 128, 256, 512)):
        for block in range(2):
            name, stride = f"layer{stage + 1}.{block}", 2 if stage and not block else 1
            y = relu(g.convolution(x, f"{name}.conv1", cin, cout, 3, stride))
            y = g.convolution(y, f"{name}.conv2", cout, cout, 3, gain=0.5)
            shortcut = g.convolution(x, f"{name}.downsample", cin, cout, 1, stride, gain=1.0) if cin != cout else x
            x, cin = relu(g.node("Add", [y, shortcut], f"/{name}/Add")), cout
    x = g.node("Flatten", [g.node("GlobalAveragePool", [x])])
    weight, bias = g.normal("fc.weight", (10, 512), 0.05), g.normal("fc.bias", (10,), 0.05)
    g.node("Gemm", [x, weight, bias], "/fc/Gemm", transB=1)
    g.save(folder, [image("image", [1, 3, 32, 32])], [image("/fc/Gemm_out", [1, 10])], external=False)
    save_inputs(folder, "image", lambda: g.random.standard_normal((1, 3, 32, 32), dtype=np.float32))


def mobilenetv2(folder):
    """MobileNetV2 (Sandler and others, 2018), width 1.0."""
    g = Graph()
    relu6 = lambda x: g.node("Clip", [x, low, high])
    low, high = g.constant("zero", np.float32(0)), g.constant("six", np.float32(6))
    x, cin = relu6(g.convolution("image", "features.0", 3, 32, 3, 2)), 32
    index = 1
    for expansion, cout, repeats, first in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for repeat in range(repeats):
            name, stride, hidden = f"features.{index}", first if not repeat else 1, cin * expansion
            y = x
            if expansion > 1:
                y = relu6(g.convolution(y, f"{name}.expand", cin, hidden, 1))
            y = relu6(g.convolution(y, f"{name}.depthwise", hidden, hidden, 3, stride, groups=hidden))
            y = g.convolution(y, f"{name}.project", hidden, cout, 1, gain=1.0)
            x = g.node("Add", [x, y], f"/{name}/Add") if stride == 1 and cin == cout else y
            cin, index = cout, index + 1
    x = relu6(g.convolution(x, f"features.{index}", 320, 1280, 1))
    x = g.node("Flatten", [g.node("GlobalAveragePool", [x])])
    weight, bias = g.normal("classifier.weight", (1000, 1280), 0.03), g.normal("classifier.bias", (1000,), 0.03)
    g.node("Gemm", [x, weight, bias], "/classifier/Gemm", transB=1)
    g.save(folder, [image("image", [1, 3, 224, 224])], [image("/classifier/Gemm_out", [1, 1000])], external=False)
    save_inputs(folder, "image", lambda: g.random.standard_normal((1, 3, 224, 224), dtype=np.float32))


def gpt2(folder, tokens, layers, width, heads, vocabulary):
    """GPT-2 (Radford and others, 2019): pre-norm blocks, causal attention, a head tied to the embedding; logits of the last position."""
    g = Graph()
    ints = lambda name, values: g.constant(name, np.array(values, dtype=np.int64))
    norm = lambda x, name: g.node(
        "LayerNormalization",
        [x, g.normal(f"{name}.weight", (width,), 0.05, 1.0), g.normal(f"{name}.bias", (width,), 0.05)],
        f"/{name}/LayerNormalization", axis=-1, epsilon=1e-5)
    per_head = width // heads
    split, joined = ints("split", [1, tokens, heads, per_head]), ints("joined", [1, tokens, width])
    scale = g.constant("scale", np.float32(1 / np.sqrt(per_head)))
    causal = np.triu(np.full((tokens, tokens), -np.inf, dtype=np.float32), 1)[None, None]
    mask = g.constant("causal", causal)
    embedding = g.normal("wte.weight", (vocabulary, width), 0.02)
    positions = g.normal("wpe.weight", (1, tokens, width), 0.01)
    x = g.node("Add", [g.node("Gather", [embedding, "input_ids"], "/wte/Gather", axis=0), positions], "/wpe/Add")
    residual = 0.02 / np.sqrt(2 * layers)
    for layer in range(layers):
        name = f"h.{layer}"
        qkv = g.dense(norm(x, f"{name}.ln_1"), f"{name}.attn.c_attn", width, 3 * width, 0.02)
        parts = g.node("Split", [qkv], f"/{name}/attn/Split", outputs=3, axis=-1, num_outputs=3)
        turn = lambda part, order: g.node("Transpose", [g.node("Reshape", [part, split])], perm=order)
        q, k, v = turn(parts[0], [0, 2, 1, 3]), turn(parts[1], [0, 2, 3, 1]), turn(parts[2], [0, 2, 1, 3])
        scores = g.node("Mul", [g.node("MatMul", [q, k], f"/{name}/attn/scores"), scale])
        weights = g.node("Softmax", [g.node("Add", [scores, mask])], f"/{name}/attn/Softmax", axis=-1)
        mixed = g.node("Transpose", [g.node("MatMul", [weights, v], f"/{name}/attn/mix")], perm=[0, 2, 1, 3])
        x = g.node("Add", [x, g.dense(g.node("Reshape", [mixed, joined]), f"{name}.attn.c_proj", width, width, residual)])
        hidden = g.dense(norm(x, f"{name}.ln_2"), f"{name}.mlp.c_fc", width, 4 * width, 0.02)
        hidden = g.node("Gelu", [hidden], f"/{name}/mlp/Gelu", approximate="tanh")
        x = g.node("Add", [x, g.dense(hidden, f"{name}.mlp.c_proj", 4 * width, width, residual)])
    x = norm(x, "ln_f")
    last = g.node("Slice", [x, ints("last", [-1]), ints("end", [np.iinfo(np.int64).max]), ints("axis", [1])])
    head = g.node("Transpose", [embedding], "/lm_head/Transpose", perm=[1, 0])
    g.node("MatMul", [last, head], "/lm_head/MatMul")
    given = helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, tokens])
    g.save(folder, [given], [image("/lm_head/MatMul_out", [1, 1, vocabulary])], external=True)
    save_inputs(folder, "input_ids", lambda: g.random.integers(0, vocabulary, (1, tokens)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=("resnet18", "mobilenetv2", "gpt2"))
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--tokens", type=int, default=16, help="sequence length of gpt2")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--vocabulary", type=int, default=50257)
    chosen = parser.parse_args()
    if chosen.model == "gpt2":
        gpt2(chosen.folder, chosen.tokens, chosen.layers, chosen.width, chosen.heads, chosen.vocabulary)
    else:
        {"resnet18": resnet18, "mobilenetv2": mobilenetv2}[chosen.model](chosen.folder)


if __name__ == "__main__":
    main()
