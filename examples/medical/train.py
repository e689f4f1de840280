#!/usr/bin/env python3
"""Trains the tumour classifier of this folder and writes every file that the example needs.

    pip install numpy==2.4.6 onnx==1.23.2 scikit-learn==1.9.1
    python examples/medical/train.py

The data are the 569 biopsies of the Wisconsin breast cancer set that ships inside scikit-learn: 30 measurements of cell
nuclei each, and whether the tumour was benign. The network is 30-16-1 with a rectifier and a sigmoid: the probability
that the tumour is malignant. Measurements are standardised before they enter the network, as in any pipeline of this
kind; `features.json` holds the means and deviations.
"""
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn import datasets
from sklearn.model_selection import train_test_split

FOLDER = Path(__file__).resolve().parent
HIDDEN = 16
STEPS = 1500
RATE = 1e-2
DECAY = 2e-3
TEST_SAMPLES = 200


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def forward(parameters, x):
    w1, b1, w2, b2 = parameters
    hidden = np.maximum(x @ w1.T + b1, 0)
    return hidden, sigmoid(hidden @ w2.T + b2)


def gradients(parameters, x, y):
    hidden, probability = forward(parameters, x)
    slope = (probability - y[:, None]) / len(x)
    back = (slope @ parameters[2]) * (hidden > 0)
    return [back.T @ x, back.sum(0), slope.T @ hidden, slope.sum(0)]


def train(x, y, rng):
    parameters = [
        rng.standard_normal((HIDDEN, x.shape[1])) * np.sqrt(2 / x.shape[1]),
        np.zeros(HIDDEN),
        rng.standard_normal((1, HIDDEN)) * np.sqrt(2 / HIDDEN),
        np.zeros(1),
    ]
    means, squares = ([np.zeros_like(p) for p in parameters] for _ in range(2))
    for step in range(1, STEPS + 1):
        rate = RATE * 0.5 * (1 + np.cos(np.pi * step / STEPS))
        for parameter, slope, mean, square in zip(parameters, gradients(parameters, x, y), means, squares):
            mean += 0.1 * (slope - mean)
            square += 0.001 * (slope * slope - square)
            scaled = (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
            parameter -= rate * (scaled + DECAY * parameter)
    return [p.astype(np.float32) for p in parameters]


def export(parameters):
    names = ["hidden.weight", "hidden.bias", "score.weight", "score.bias"]
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["measurements", *names[:2]], ["hidden"], name="hidden", transB=1),
            helper.make_node("Relu", ["hidden"], ["active"], name="relu"),
            helper.make_node("Gemm", ["active", *names[2:]], ["score"], name="score", transB=1),
            helper.make_node("Sigmoid", ["score"], ["malignant"], name="sigmoid"),
        ],
        "tumour",
        [helper.make_tensor_value_info("measurements", TensorProto.FLOAT, [1, parameters[0].shape[1]])],
        [helper.make_tensor_value_info("malignant", TensorProto.FLOAT, [1, 1])],
        [numpy_helper.from_array(p, n) for n, p in zip(names, parameters)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="zkinfer-examples")
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, FOLDER / "model.onnx")


def write_patient(name, row):
    values = [round(float(v), 4) for v in row]
    (FOLDER / f"{name}.json").write_text(json.dumps({"measurements": [values]}) + "\n")


def main():
    rng = np.random.default_rng(30)
    loaded = datasets.load_breast_cancer()
    x, malignant = loaded.data, 1 - loaded.target
    train_x, test_x, train_y, test_y = train_test_split(
        x, malignant, test_size=TEST_SAMPLES, random_state=7, stratify=malignant
    )
    mean, deviation = train_x.mean(0), train_x.std(0)
    train_x, test_x = ((part - mean) / deviation for part in (train_x, test_x))
    parameters = train(train_x, train_y, rng)
    _, probability = forward(parameters, test_x.astype(np.float32))
    print(f"test accuracy {((probability[:, 0] > 0.5) == test_y).mean():.4f} on {len(test_y)} biopsies")
    export(parameters)
    features = [
        {"name": str(n), "mean": round(float(m), 6), "deviation": round(float(d), 6)}
        for n, m, d in zip(loaded.feature_names, mean, deviation)
    ]
    (FOLDER / "features.json").write_text(json.dumps(features, indent=1) + "\n")
    np.savez_compressed(FOLDER / "calibration.npz", x0=train_x.astype(np.float32), y=train_y.astype(np.int64))
    np.savez_compressed(
        FOLDER / "test.npz",
        x0=test_x.astype(np.float32),
        y=test_y.astype(np.int64),
        ort0=probability.astype(np.float32),
    )
    # Cases that are not clear-cut: their probability says more than 0 or 1.
    for label, name, low, high in ((1, "patient", 0.8, 0.97), (0, "healthy", 0.03, 0.2)):
        shown = (test_y == label) & (low < probability[:, 0]) & (probability[:, 0] < high)
        write_patient(name, test_x[np.flatnonzero(shown)[0]])


if __name__ == "__main__":
    main()
