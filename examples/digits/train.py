#!/usr/bin/env python3
"""Trains the digit classifier of this folder and writes every file that the example needs.

    pip install numpy==2.4.6 onnx==1.23.2 scikit-learn==1.9.1
    python examples/digits/train.py

The data are the 1797 handwritten digits that ship inside scikit-learn (8 x 8 pixels, 16 grey levels), enlarged to
28 x 28 by bilinear interpolation. The network is LeNet-5 with rectifiers and max pooling: 61 706 parameters. Training
is plain numpy: convolutions as matrix products over patches, Adam with a cosine schedule.
"""
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn import datasets
from sklearn.model_selection import train_test_split

FOLDER = Path(__file__).resolve().parent
SIZE = 28
EPOCHS = 10
BATCH = 64
RATE = 2e-3
CALIBRATION_SAMPLES = 100
TEST_SAMPLES = 200


def enlarge(images, size):
    """Bilinear resize of [N, 8, 8] to [N, size, size], pixel centres aligned."""
    position = np.clip((np.arange(size) + 0.5) * 8 / size - 0.5, 0, 7)
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, 7)
    weight = position - low
    rows = images[:, low] * (1 - weight)[None, :, None] + images[:, high] * weight[None, :, None]
    return rows[:, :, low] * (1 - weight) + rows[:, :, high] * weight


def data():
    pixels, labels = datasets.load_digits(return_X_y=True)
    images = enlarge(pixels.reshape(-1, 8, 8) / 16.0, SIZE)[:, None].astype(np.float32)
    return train_test_split(images, labels, test_size=TEST_SAMPLES, random_state=7, stratify=labels)


class Conv:
    """Convolution by a 5 x 5 kernel, stride 1."""

    def __init__(self, rng, inputs, outputs, padding):
        fan_in = inputs * 25
        self.padding = padding
        self.parameters = [
            (rng.standard_normal((outputs, inputs, 5, 5)) * np.sqrt(2 / fan_in)).astype(np.float32),
            np.zeros(outputs, np.float32),
        ]

    def forward(self, x):
        p = self.padding
        self.shape = x.shape
        padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), (2, 3))
        n, c, h, w = windows.shape[:4]
        self.patches = windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * h * w, c * 25)
        weights, bias = self.parameters
        y = self.patches @ weights.reshape(len(weights), -1).T + bias
        return y.reshape(n, h, w, -1).transpose(0, 3, 1, 2)

    def backward(self, dy):
        weights, _ = self.parameters
        n, o, h, w = dy.shape
        flat = dy.transpose(0, 2, 3, 1).reshape(-1, o)
        self.gradients = [(flat.T @ self.patches).reshape(weights.shape), flat.sum(0)]
        patches = (flat @ weights.reshape(o, -1)).reshape(n, h, w, weights.shape[1], 5, 5)
        p = self.padding
        _, c, height, width = self.shape
        dx = np.zeros((n, c, height + 2 * p, width + 2 * p), np.float32)
        for i in range(5):
            for j in range(5):
                dx[:, :, i : i + h, j : j + w] += patches[..., i, j].transpose(0, 3, 1, 2)
        return dx[:, :, p : p + height, p : p + width]


class Dense:
    """`x W^T + b`."""

    def __init__(self, rng, inputs, outputs):
        self.parameters = [
            (rng.standard_normal((outputs, inputs)) * np.sqrt(2 / inputs)).astype(np.float32),
            np.zeros(outputs, np.float32),
        ]

    def forward(self, x):
        self.x = x
        return x @ self.parameters[0].T + self.parameters[1]

    def backward(self, dy):
        self.gradients = [dy.T @ self.x, dy.sum(0)]
        return dy @ self.parameters[0]


class Relu:
    parameters = gradients = ()

    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask


class MaxPool:
    """2 x 2, stride 2."""

    parameters = gradients = ()

    def forward(self, x):
        n, c, h, w = x.shape
        blocks = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h // 2, w // 2, 4)
        self.shape, self.winner = x.shape, blocks.argmax(-1)
        return blocks.max(-1)

    def backward(self, dy):
        n, c, h, w = self.shape
        blocks = np.zeros((*dy.shape, 4), np.float32)
        np.put_along_axis(blocks, self.winner[..., None], dy[..., None], -1)
        return blocks.reshape(n, c, h // 2, w // 2, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h, w)


class Flatten:
    parameters = gradients = ()

    def forward(self, x):
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy):
        return dy.reshape(self.shape)


def lenet(rng):
    return [
        Conv(rng, 1, 6, 2), Relu(), MaxPool(),
        Conv(rng, 6, 16, 0), Relu(), MaxPool(), Flatten(),
        Dense(rng, 400, 120), Relu(),
        Dense(rng, 120, 84), Relu(),
        Dense(rng, 84, 10),
    ]  # fmt: skip


def forward(layers, x):
    for layer in layers:
        x = layer.forward(x)
    return x


def accuracy(layers, x, y):
    return float((forward(layers, x).argmax(1) == y).mean())


def train(layers, x, y, rng):
    moments = [[(np.zeros_like(p), np.zeros_like(p)) for p in layer.parameters] for layer in layers]
    steps, step = EPOCHS * -(-len(x) // BATCH), 0
    for epoch in range(EPOCHS):
        order = rng.permutation(len(x))
        for start in range(0, len(x), BATCH):
            batch = order[start : start + BATCH]
            logits = forward(layers, x[batch])
            probabilities = np.exp(logits - logits.max(1, keepdims=True))
            probabilities /= probabilities.sum(1, keepdims=True)
            probabilities[np.arange(len(batch)), y[batch]] -= 1
            gradient = (probabilities / len(batch)).astype(np.float32)
            for layer in reversed(layers):
                gradient = layer.backward(gradient)
            step += 1
            rate = RATE * 0.5 * (1 + np.cos(np.pi * step / steps))
            for layer, states in zip(layers, moments):
                for parameter, slope, (mean, square) in zip(layer.parameters, layer.gradients, states):
                    mean += 0.1 * (slope - mean)
                    square += 0.001 * (slope * slope - square)
                    scaled = (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
                    parameter -= (rate * (scaled + 1e-4 * parameter)).astype(np.float32)
        print(f"epoch {epoch + 1}: train accuracy {accuracy(layers, x, y):.4f}")


def export(layers):
    nodes, weights, value, counts = [], [], "image", {}
    for index, layer in enumerate(layers):
        kind = type(layer).__name__.lower()
        counts[kind] = counts.get(kind, 0) + 1
        name = f"{kind}{counts[kind]}"
        target = "logits" if index == len(layers) - 1 else name
        names = [value]
        for suffix, parameter in zip(("weight", "bias"), layer.parameters):
            weights.append(numpy_helper.from_array(parameter, f"{name}.{suffix}"))
            names.append(f"{name}.{suffix}")
        operator, attributes = {
            "conv": ("Conv", {"kernel_shape": [5, 5], "pads": [getattr(layer, "padding", 0)] * 4}),
            "relu": ("Relu", {}),
            "maxpool": ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
            "flatten": ("Flatten", {"axis": 1}),
            "dense": ("Gemm", {"transB": 1}),
        }[kind]
        nodes.append(helper.make_node(operator, names, [target], name=name, **attributes))
        value = target
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, SIZE, SIZE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 10])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="zkinfer-examples")
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, FOLDER / "model.onnx")


def write_png(path, pixels):
    """An 8-bit greyscale PNG of [H, W] values in [0, 1]."""
    rows = b"".join(b"\0" + row.tobytes() for row in np.rint(pixels * 255).astype(np.uint8))

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def write_sample(name, image):
    """The same picture as numbers (what the prover reads) and as a PNG (what a person looks at)."""
    write_png(FOLDER / f"{name}.png", image[0])
    rows = [[round(float(v), 4) for v in row] for row in image[0]]
    text = ",\n    ".join(json.dumps(row, separators=(",", ":")) for row in rows)
    (FOLDER / f"{name}.json").write_text(f'{{\n  "image": [[[\n    {text}\n  ]]]\n}}\n')


def main():
    rng = np.random.default_rng(28)
    train_x, test_x, train_y, test_y = data()
    layers = lenet(rng)
    train(layers, train_x, train_y, rng)
    print(f"test accuracy {accuracy(layers, test_x, test_y):.4f} on {len(test_y)} digits")
    export(layers)
    labels = train_y[:CALIBRATION_SAMPLES].astype(np.int64)
    np.savez_compressed(FOLDER / "calibration.npz", x0=train_x[:CALIBRATION_SAMPLES], y=labels)
    logits = forward(layers, test_x)
    np.savez_compressed(
        FOLDER / "test.npz", x0=test_x, y=test_y.astype(np.int64), ort0=logits.astype(np.float32)
    )
    right = logits.argmax(1) == test_y
    for digit, name in ((7, "seven"), (3, "three")):
        write_sample(name, test_x[np.flatnonzero((test_y == digit) & right)[0]])


if __name__ == "__main__":
    main()
