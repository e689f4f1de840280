#!/usr/bin/env python3
"""Makes cases whose expected outputs come from onnxruntime, in the layout of the ONNX backend suite.

    python make_runtime_cases.py OUT [--sweep N]

The backend suite holds each operator at its newest version only; these hold older operator sets (attributes that became
operands, softmax over several axes, first versions of Resize), window geometry at random, one-dimensional windows, and
the linear part of ai.onnx.ml. Needs onnx, onnxruntime and numpy. `--sweep N` makes N random ones of each family instead
of two.
"""

import argparse
import json
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

TYPES = {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32, "int64": TensorProto.INT64, "bool": TensorProto.BOOL, "uint8": TensorProto.UINT8}


class Writer:
    def __init__(self, folder, sweep):
        self.folder, self.sweep, self.cases, self.skipped = folder, sweep, [], 0
        self.random = np.random.RandomState(7)

    def floats(self, *shape):
        return self.random.uniform(-2, 2, shape).astype(np.float32)

    def pick(self, *choices):
        return choices[self.random.randint(len(choices))]

    def case(self, name, op, opset, inputs, constants=(), outputs=1, domain="", used=None, order=None, operands=(),
             version=1, **attributes):
        """Writes one case; what onnxruntime refuses is left out. With an order of inputs, gaps in it are `operands`."""
        constants = list(operands) if order else constants
        attributes = {key: value for key, value in attributes.items() if value is not None}
        names = [f"x{index}" for index in range(len(inputs))]
        stored = [f"c{index}" if value is not None else "" for index, value in enumerate(constants)]
        results = [f"y{index}" for index in range(outputs)]
        gaps = iter(stored)
        listed = [next(gaps) if index is None else names[index] for index in order] if order else names + stored
        node = helper.make_node(op, listed, results, domain=domain, **attributes)
        imports = [helper.make_opsetid("", opset)]
        if domain:
            imports.append(helper.make_opsetid(domain, version))
        shown = results if used is None else [results[i] for i in used]
        stored = {n: v for v, n in zip(constants, stored) if v is not None}
        self.model(name, op, imports, [node], dict(zip(names, inputs)), stored, shown)

    def model(self, name, op, imports, nodes, inputs, constants, results):
        """Writes a case of several nodes."""
        graph = helper.make_graph(
            nodes, name,
            [helper.make_tensor_value_info(n, TYPES[v.dtype.name], v.shape) for n, v in inputs.items()],
            [helper.make_empty_tensor_value_info(n) for n in results],
            [numpy_helper.from_array(v, n) for n, v in constants.items()])
        model = helper.make_model(graph, opset_imports=imports, ir_version=7)
        model = onnx.shape_inference.infer_shapes(model)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        try:
            session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
            values = session.run(None, inputs)
        except Exception:
            self.skipped += 1
            return
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        onnx.save(model, folder / "model.onnx")
        arrays = {f"in{i}": v for i, v in enumerate(inputs.values())} | {f"out{i}": v for i, v in enumerate(values)}
        np.savez_compressed(folder / "io.npz", **arrays)
        self.cases.append({"name": name, "op": op, "kind": "runtime", "class": "runtime", "expanded": False,
                           "rtol": 1e-3, "atol": 1e-5})

    def family(self, make):
        for index in range(self.sweep):
            make(f"ort_{make.__name__}_{index}")


def families(w):
    def softmax_flattens(name):
        w.case(name, w.pick("Softmax", "LogSoftmax", "Hardmax"), w.pick(7, 11, 12), [w.floats(2, 3, 2, 2)],
               axis=w.pick(None, 0, 1, 2, 3))

    def pad_by_attributes(name):
        mode = w.pick("constant", "reflect", "edge")
        w.case(name, "Pad", w.pick(7, 10), [w.floats(1, 2, 4, 3)], mode=mode, value=1.5 if mode == "constant" else None,
               pads=[0, 0, w.pick(0, 1, 2), w.pick(-1, 0, 2), 0, w.pick(0, 0, -1), w.pick(0, 1), w.pick(0, 2)])

    def clip_by_attributes(name):
        w.case(name, "Clip", w.pick(7, 10), [w.floats(3, 4)], min=w.pick(None, -0.5), max=w.pick(None, 0.75))

    def slice_by_attributes(name):
        w.case(name, "Slice", w.pick(7, 9), [w.floats(5, 6, 2)], starts=[w.pick(0, 1, -3), w.pick(0, 2)],
               ends=[w.pick(4, -1, 2**31 - 1), w.pick(5, 9)], axes=w.pick(None, [0, 1], [1, 0]))

    def slice_by_operands(name):
        axes = w.pick(None, np.array([0, 1], np.int64), np.array([-1, 0], np.int64))
        steps = w.pick(None, np.array([1, 2], np.int64), np.array([-1, -2], np.int64))
        starts, ends = w.pick(([0, 1], [4, 6]), ([-1, 5], [-9, 0]), ([3, 2], [-2**63, 2**63 - 1]))
        w.case(name, "Slice", w.pick(10, 11, 13), [w.floats(5, 6, 7)],
               [np.array(starts, np.int64), np.array(ends, np.int64), axes, steps])

    def squeeze_by_attributes(name):
        op = w.pick("Squeeze", "Unsqueeze")
        axes = w.pick([0, 2], [0]) if op == "Squeeze" else w.pick([0], [1, 4])
        w.case(name, op, w.pick(7, 11), [w.floats(1, 3, 1, 2)], axes=axes)

    def split_by_attributes(name):
        w.case(name, "Split", w.pick(7, 11), [w.floats(4, 6)], outputs=2, axis=w.pick(None, 0, 1, -1))

    def split_uneven(name):
        opset = w.pick(11, 13, 18)
        if opset == 11:
            w.case(name, "Split", opset, [w.floats(4, 6)], outputs=3, axis=1, split=[1, 2, 3])
        elif opset == 13:
            w.case(name, "Split", opset, [w.floats(4, 6)], [np.array([1, 2, 3], np.int64)], outputs=3, axis=1)
        else:
            w.case(name, "Split", opset, [w.floats(4, 7)], outputs=3, axis=1, num_outputs=3)

    def dropout(name):
        w.case(name, "Dropout", w.pick(7, 10, 12, 13), [w.floats(2, 3)], outputs=w.pick(1, 2))

    def batch_normalization(name):
        opset = w.pick(7, 9, 14, 15)
        rank = w.pick(2, 3, 4)
        stats = [w.floats(3), w.floats(3), w.floats(3), np.abs(w.floats(3)) + 0.1]
        w.case(name, "BatchNormalization", opset, [w.floats(2, 3, 4, 2)[(slice(None),) * 2 + (0,) * (4 - rank)]], stats,
               epsilon=w.pick(None, 1e-3), spatial=w.pick(None, 1) if opset == 7 else None)

    def reduce_by_attributes(name):
        op = w.pick("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSumExp", "SumSquare")
        w.case(name, "Reduce" + op, w.pick(7, 11, 12), [w.floats(2, 3, 4)],
               axes=w.pick(None, [1], [0, 2], [2]), keepdims=w.pick(None, 0, 1))

    def arg(name):
        opset = w.pick(7, 11, 12, 13)
        data = w.random.randint(0, 3, (3, 4, 2)).astype(np.float32)
        w.case(name, w.pick("ArgMax", "ArgMin"), opset, [data], axis=w.pick(None, 1, 2), keepdims=w.pick(None, 0),
               select_last_index=w.pick(None, 1) if opset >= 12 else None)

    def gemm(name):
        trans = w.pick(None, 0, 1), w.pick(None, 0, 1)
        a, b = w.floats(3, 2) if trans[0] else w.floats(2, 3), w.floats(4, 3) if trans[1] else w.floats(3, 4)
        c = w.pick(w.floats(4), w.floats(2, 4), w.floats(2, 1), w.floats(1))
        w.case(name, "Gemm", w.pick(7, 9, 11, 13), [a], [b, c], transA=trans[0], transB=trans[1],
               alpha=w.pick(None, 0.5), beta=w.pick(None, 2.0))

    def matmul(name):
        a, b = w.pick(((3,), (3, 2)), ((2, 3), (3,)), ((3,), (3,)), ((2, 2, 3), (3, 4)), ((2, 1, 2, 3), (4, 3, 2)),
                      ((4,), (2, 4, 3)))
        w.case(name, "MatMul", w.pick(7, 9, 13), [w.floats(*a)], [w.floats(*b)])

    def window(axes, auto, ceil, dilated):
        kernel = [int(w.random.randint(1, 4)) for _ in range(axes)]
        given = dict(kernel_shape=kernel, strides=[int(w.random.randint(1, 4)) for _ in range(axes)])
        if dilated:
            given["dilations"] = [w.pick(1, 1, 2) for _ in range(axes)]
        if auto and w.random.rand() < 0.4:
            given["auto_pad"] = w.pick("SAME_UPPER", "SAME_LOWER", "VALID")
        else:
            given["pads"] = [int(w.random.randint(0, kernel[i % axes])) for i in range(2 * axes)]
            if ceil:
                given["ceil_mode"] = w.pick(0, 1)
        return given

    def conv(name):
        axes, groups = w.pick(1, 2), w.pick(1, 2, 4)
        given = window(axes, True, False, True)
        if given.get("auto_pad", "VALID") != "VALID":
            given["dilations"] = [1] * axes
        size = [int(w.random.randint(6, 10)) for _ in range(axes)]
        weights = w.floats(4, 4 // groups, *given["kernel_shape"])
        w.case(name, "Conv", w.pick(7, 11, 22), [w.floats(w.pick(1, 2), 4, *size)],
               [weights, w.floats(4)][:w.pick(1, 2)], group=groups, **given)

    def conv_transpose(name):
        axes, groups = w.pick(1, 2), w.pick(1, 2)
        given = window(axes, False, False, True)
        stride = given["strides"]
        if w.random.rand() < 0.5:
            given["output_padding"] = [w.pick(0, s - 1) for s in stride]
        elif w.random.rand() < 0.5:
            given.pop("pads")
            given["dilations"] = [1] * axes
            given["auto_pad"] = w.pick("SAME_UPPER", "SAME_LOWER", "VALID")
        size = [int(w.random.randint(3, 6)) for _ in range(axes)]
        weights = w.floats(4, 3, *given["kernel_shape"])
        w.case(name, "ConvTranspose", w.pick(7, 11), [w.floats(1, 4, *size)],
               [weights, w.floats(3 * groups)][:w.pick(1, 2)], group=groups, **given)

    def conv_transpose_shape(name):
        stride = [w.pick(1, 2, 3), w.pick(1, 2, 3)]
        kernel = [w.pick(2, 3), w.pick(2, 3)]
        full = [stride[i] * 3 + kernel[i] for i in range(2)]
        w.case(name, "ConvTranspose", 11, [w.floats(1, 2, 4, 4)], [w.floats(2, 2, *kernel)], strides=stride,
               output_shape=[full[0] - w.pick(0, 1, 2), full[1] - w.pick(0, 1)], auto_pad=w.pick(None, "SAME_UPPER"))

    def max_pool(name):
        axes, opset = w.pick(1, 2), w.pick(8, 10, 12, 22)
        given = window(axes, True, opset >= 10, opset >= 10)
        if "auto_pad" in given:
            given.pop("dilations", None)
        w.case(name, "MaxPool", opset, [w.floats(1, 2, *[int(w.random.randint(5, 9)) for _ in range(axes)])], **given)

    def average_pool(name):
        axes, opset = w.pick(1, 2), w.pick(7, 10, 11, 19, 22)
        given = window(axes, True, opset >= 10, opset >= 19)
        if "auto_pad" in given:
            given.pop("dilations", None)
        w.case(name, "AveragePool", opset, [w.floats(1, 2, *[int(w.random.randint(5, 9)) for _ in range(axes)])],
               count_include_pad=w.pick(0, 1), **given)

    def global_pool(name):
        w.case(name, w.pick("GlobalAveragePool", "GlobalMaxPool"), 7, [w.floats(2, 3, *[4, 5][:w.pick(1, 2)])])

    def upsample(name):
        scales = [1.0, 1.0, w.pick(1.0, 2.0, 1.5), w.pick(2.0, 3.0, 1.3)]
        if w.random.rand() < 0.5:
            w.case(name, "Upsample", 7, [w.floats(1, 2, 3, 4)], mode=w.pick("nearest", "linear"), scales=scales)
        else:
            w.case(name, w.pick("Upsample", "Resize"), w.pick(9, 10), [w.floats(1, 2, 3, 4)],
                   [np.array(scales, np.float32)], mode=w.pick("nearest", "linear"))

    def resize(name):
        opset = w.pick(11, 13, 18, 19)
        mode = w.pick("nearest", "linear", "cubic")
        coordinates = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"]
        if opset >= 19:
            coordinates.append("half_pixel_symmetric")
        chosen = w.pick(*coordinates)
        size = int(w.random.randint(3, 8)), int(w.random.randint(3, 8))
        roi = np.array([0, 0, 0.1, 0.2, 1, 1, 0.8, 1.3], np.float32) if chosen == "tf_crop_and_resize" else None
        if w.random.rand() < 0.5:
            scales = np.array([1, 1, w.pick(0.5, 0.6, 1.4, 2.0, 2.6), w.pick(0.4, 0.75, 1.2, 3.0)], np.float32)
            constants = [np.zeros(0, np.float32) if roi is None and opset == 11 else roi, scales]
        else:
            sizes = np.array([1, w.pick(2, 2, 3), w.random.randint(1, 12), w.random.randint(2, 12)], np.int64)
            constants = [np.zeros(0, np.float32) if roi is None and opset == 11 else roi,
                         np.zeros(0, np.float32) if opset == 11 else None, sizes]
        w.case(name, "Resize", opset, [w.floats(1, 2, *size)], constants, mode=mode,
               coordinate_transformation_mode=chosen,
               nearest_mode=w.pick("round_prefer_floor", "round_prefer_ceil", "floor", "ceil") if mode == "nearest" else None,
               antialias=w.pick(None, 1) if opset >= 18 and mode != "nearest" else None,
               exclude_outside=w.pick(None, 1) if mode == "cubic" else None,
               cubic_coeff_a=w.pick(None, -0.5) if mode == "cubic" else None,
               extrapolation_value=w.pick(None, 3.0))

    def depth(name):
        op = w.pick("DepthToSpace", "SpaceToDepth")
        opset = w.pick(7, 11, 13)
        mode = w.pick(None, "CRD", "DCR") if op == "DepthToSpace" and opset >= 11 else None
        w.case(name, op, opset, [w.floats(1, 8, 4, 4)], blocksize=2, mode=mode)

    def gather(name):
        indices = np.array(w.pick([0, -1, 2], [[1], [2]], 1), np.int64)
        w.case(name, "Gather", w.pick(7, 11, 13), [w.floats(3, 4, 3)], [indices], axis=w.pick(None, 0, 2))

    def gather_data(name):
        indices = w.random.randint(0, 5, (2, 3)).astype(np.int64)
        w.case(name, "Gather", 13, [w.floats(5, 2), indices], axis=w.pick(None, 0))

    def gather_constant_indices(name):
        data = w.floats(3, 4, 2)
        op, indices, attributes = w.pick(
            ("GatherElements", w.random.randint(-3, 3, (2, 4, 2)), dict(axis=0)),
            ("GatherElements", w.random.randint(-4, 4, (3, 5, 2)), dict(axis=1)),
            ("GatherND", w.random.randint(0, 2, (4, 3)), {}), ("GatherND", w.random.randint(-3, 3, (2, 2, 1)), {}),
            ("GatherND", w.random.randint(0, 2, (3, 2, 2)), dict(batch_dims=1)))
        w.case(name, op, 13, [data], [indices.astype(np.int64)], **attributes)

    def without_inputs(name):
        op, constants = w.pick(
            ("Range", [np.array(v, np.int64) for v in (10, 3, -2)]), ("Range", [np.array(v, np.float32) for v in (0, 2, 0.3)]),
            ("ConstantOfShape", [np.array([2, 3], np.int64)]), ("Not", [np.array([True, False])]),
            ("NonZero", [np.array([[1, 0, 2], [0, 0, 3]], np.float32)]), ("Div", [np.array([7, -7, 9]), np.array([2, 2, -4])]),
            ("Mod", [np.array([7, -7, 9]), np.array([3, 3, -4])]))
        w.case(name, op, 13, [], constants)

    def activation(name):
        op, attributes, opset = w.pick(
            ("LeakyRelu", dict(alpha=0.3), 7), ("Elu", dict(alpha=0.7), 7), ("Selu", dict(alpha=1.2, gamma=0.9), 7),
            ("HardSigmoid", dict(alpha=0.3, beta=0.4), 7), ("ThresholdedRelu", dict(alpha=0.5), 10),
            ("Celu", dict(alpha=0.6), 12), ("Shrink", dict(bias=0.2, lambd=0.4), 9), ("Gelu", dict(approximate="tanh"), 20),
            ("Softplus", {}, 7), ("Softsign", {}, 7), ("Erf", {}, 9), ("Mish", {}, 18), ("HardSwish", {}, 14))
        w.case(name, op, opset, [w.floats(3, 5)], **attributes)

    def prelu(name):
        w.case(name, "PRelu", w.pick(7, 9, 16), [w.floats(2, 3, 4, 4)], [w.pick(w.floats(3, 1, 1), w.floats(1), w.floats(4))])

    def power(name):
        w.case(name, "Pow", w.pick(7, 12, 15), [np.abs(w.floats(3, 4)) + 0.1],
               [np.array(w.pick(2, 3, 0.5, -1, 1.7, 1), np.float32)])

    def linear_classifier(name):
        classes = w.pick(1, 2, 3)
        w.case(name, "LinearClassifier", 13, [w.floats(w.pick(1, 3), 4)], outputs=2, domain="ai.onnx.ml",
               coefficients=w.floats(4 * classes).tolist(), intercepts=w.floats(classes).tolist(),
               classlabels_ints=w.pick([0, 1, 2], [5, -3, 9])[:max(classes, 2)], multi_class=w.pick(0, 1),
               post_transform=w.pick("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"))

    def linear_regressor(name):
        targets = w.pick(1, 2)
        w.case(name, "LinearRegressor", 13, [w.floats(w.pick(1, 3), 4)], domain="ai.onnx.ml",
               coefficients=w.floats(4 * targets).tolist(), intercepts=w.pick(None, w.floats(targets).tolist()),
               targets=targets, post_transform=w.pick(None, "NONE", "LOGISTIC"))

    def features(name):
        data = w.random.randint(-2, 3, (3, 4)).astype(np.float32)
        op, attributes = w.pick(
            ("Scaler", dict(offset=[0.5], scale=[2.0])), ("Scaler", dict(offset=[1.0, 2, 3, 4], scale=[1.0, 2, 3, 4])),
            ("Normalizer", dict(norm="L1")), ("Normalizer", dict(norm="L2")), ("Normalizer", dict(norm="MAX")),
            ("Binarizer", dict(threshold=0.5)), ("Imputer", dict(imputed_value_floats=[9.0, 8, 7, 6], replaced_value_float=1.0)),
            ("Imputer", dict(imputed_value_floats=[9.0], replaced_value_float=float("nan"))))
        if op == "Normalizer":
            data[1] = 0
        w.case(name, op, 13, [data], domain="ai.onnx.ml", **attributes)

    def columns(name):
        indices = np.array(w.pick([1], [[0], [2]], [[3, 0]]), np.int64)
        w.case(name, "ArrayFeatureExtractor", 13, [w.pick(w.floats(3, 4), w.floats(4))], [indices], domain="ai.onnx.ml")

    def recurrence(name, op, gates, functions, states):
        steps, batch, inputs, hidden = int(w.random.randint(1, 5)), w.pick(1, 1, 3), int(w.random.randint(1, 4)), 3
        direction = w.pick(None, "forward", "reverse", "bidirectional")
        d = 2 if direction == "bidirectional" else 1
        given = dict(hidden_size=hidden, direction=direction, clip=w.pick(None, None, 0.4))
        if w.random.rand() < 0.5:
            names = ["Relu", "Tanh", "Sigmoid", "Softsign", "LeakyRelu", "Elu", "HardSigmoid", "Affine",
                     "ScaledTanh", "ThresholdedRelu"]
            chosen = [names[w.random.randint(len(names))] for _ in range(functions * d)]
            given["activations"] = chosen
            taking = [n for n in chosen if n in names[4:]]
            given["activation_alpha"] = [round(float(w.random.uniform(0.2, 0.9)), 3) for _ in taking] or None
            given["activation_beta"] = [round(float(w.random.uniform(0.2, 0.9)), 3) for n in taking
                                        if n in ("HardSigmoid", "Affine", "ScaledTanh")] or None
        lengths = w.random.randint(1, steps + 1, batch).astype(np.int32) if w.random.rand() < 0.4 else None
        constants = [w.floats(d, gates * hidden, inputs), w.floats(d, gates * hidden, hidden),
                     w.pick(None, w.floats(d, 2 * gates * hidden)), lengths]
        constants += [w.pick(None, w.floats(d, batch, hidden)) for _ in range(states)]
        if op == "LSTM":
            constants.append(w.pick(None, w.floats(d, 3 * hidden)))
            given["input_forget"] = w.pick(None, None, 1)
        if op == "GRU":
            given["linear_before_reset"] = w.pick(None, 0, 1)
        w.case(name, op, w.pick(7, 14, 22), [w.floats(steps, batch, inputs)], constants, outputs=1 + states, **given)

    def rnn(name):
        recurrence(name, "RNN", 1, 1, 1)

    def gru(name):
        recurrence(name, "GRU", 3, 2, 1)

    def lstm(name):
        recurrence(name, "LSTM", 4, 3, 2)

    def scatter(name):
        data = w.floats(3, 4, 2)
        reduction = w.pick(None, "add", "mul", "max", "min")
        if w.random.rand() < 0.5:
            axis = w.pick(0, 1, 2)
            shape = [w.pick(2, data.shape[i]) if i != axis else w.pick(1, 2) for i in range(3)]
            indices = np.argsort(w.random.rand(*shape[:axis], data.shape[axis], *shape[axis + 1:]), axis=axis)
            indices = np.take(indices, range(min(shape[axis], data.shape[axis])), axis=axis)
            indices = indices - data.shape[axis] * w.pick(0, 1)
            if reduction:
                indices = w.random.randint(0, data.shape[axis], shape)
            w.case(name, "ScatterElements", w.pick(18, 18, 16, 13) if reduction is None else 18, [data, w.floats(*indices.shape)],
                   axis=axis, reduction=reduction, order=(0, None, 1), operands=[indices.astype(np.int64)])
        else:
            indices = np.array(w.pick([[0], [2]], [[0, 1], [2, 3], [1, -1]], [[[0, 0, 1]], [[2, 3, 0]]]), np.int64)
            if reduction:
                indices = np.concatenate([indices, indices])
            shape = indices.shape[:-1] + data.shape[indices.shape[-1]:]
            w.case(name, "ScatterND", w.pick(16, 18) if reduction in (None, "add", "mul") else 18, [data, w.floats(*shape)],
                   reduction=reduction, order=(0, None, 1), operands=[indices])

    def cumulative_sum(name):
        axis = w.pick(0, 1, -1)
        w.case(name, "CumSum", w.pick(11, 14), [w.floats(2, 3, 4)], [np.array(axis, np.int64)],
               exclusive=w.pick(None, 0, 1), reverse=w.pick(None, 0, 1))

    def top_k(name):
        axis, count = w.pick(None, 0, 1, 2), w.pick(1, 2, 3)
        data = w.pick(w.floats(3, 4, 5), w.random.randint(0, 3, (3, 4, 5)).astype(np.float32))
        opset = w.pick(7, 10, 11)
        more = dict(largest=w.pick(None, 0, 1)) if opset >= 11 else dict(k=count) if opset < 10 else {}
        w.case(name, "TopK", opset, [data], [np.array([count], np.int64)] if opset >= 10 else [], outputs=2, axis=axis, **more)

    def one_hot(name):
        indices = w.random.randint(-5, 7, (2, 3)).astype(np.int64)
        values = w.pick(w.floats(2), np.array([2, 7], np.int64))
        w.case(name, "OneHot", w.pick(9, 11), [indices], [np.array(5, np.int64), values], axis=w.pick(None, 0, 1))

    def gather_elements_data(name):
        axis = w.pick(0, 1, 2)
        shape = [w.pick(2, size) if at != axis else w.pick(1, 4) for at, size in enumerate((3, 4, 2))]
        indices = w.random.randint(-(3, 4, 2)[axis], (3, 4, 2)[axis], shape).astype(np.int64)
        w.case(name, "GatherElements", 13, [w.floats(3, 4, 2), indices], axis=axis)

    def einsum(name):
        equation, *shapes = w.pick(
            ("ij,jk->ik", (3, 4), (4, 2)), ("bhid,bhjd->bhij", (2, 2, 3, 4), (2, 2, 3, 4)), ("ij->ji", (3, 4)), ("ij->", (3, 4)),
            ("ii->i", (4, 4)), ("ii", (3, 3)), ("i,j->ij", (3,), (4,)), ("i,i", (4,), (4,)), ("...ij,...jk->...ik", (2, 3, 4), (2, 4, 2)),
            ("...i,i->...", (2, 3, 4), (4,)), ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)), ("bij,bj->bi", (2, 3, 4), (2, 4)),
            ("ab,cb,ad->cd", (2, 3), (4, 3), (2, 5)), ("ij,ij->ij", (2, 3), (2, 3)), ("b...,b...->b...", (2, 3), (2, 3)),
            ("ijk,lk", (2, 3, 4), (5, 4)), (" i j , j k -> k i", (3, 4), (4, 2)))
        operands = [w.floats(*shape) for shape in shapes]
        split = w.pick(1, len(operands))
        w.case(name, "Einsum", 12, operands[:split], operands[split:], equation=equation)

    def lp_pool(name):
        axes, opset = w.pick(1, 2), w.pick(11, 18)
        given = window(axes, True, False, opset >= 18)
        if "auto_pad" in given:
            given.pop("dilations", None)
        w.case(name, "LpPool", opset, [w.floats(1, 2, *[int(w.random.randint(5, 9)) for _ in range(axes)])], p=w.pick(None, 1, 2, 3),
               **given)

    def local_response(name):
        w.case(name, "LRN", w.pick(7, 13), [w.floats(2, 5, 3, 2)], size=w.pick(1, 2, 3, 5), alpha=w.pick(None, 0.5),
               beta=w.pick(None, 0.5), bias=w.pick(None, 2.0))

    def remainder(name):
        op, a, b, fmod = w.pick(
            ("Mod", w.random.randint(-20, 20, (3, 4)).astype(np.int64), np.array(w.pick(3, -4), np.int64), w.pick(None, 1)),
            ("Mod", 3 * w.floats(3, 4), np.array(w.pick(0.7, -1.5), np.float32), 1),
            ("Div", w.random.randint(-20, 20, (3, 4)).astype(np.int64), np.array(w.pick(3, -4), np.int64), None))
        w.case(name, op, 13, [a], [b], fmod=fmod)

    def trigonometry(name):
        op = w.pick("Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh")
        data = w.floats(3, 4) / 2.1
        w.case(name, op, 9, [np.abs(data) + 1.1 if op == "Acosh" else data])

    def reverse_sequence(name):
        time = w.pick(0, 1)
        shape = (4, 3, 2) if time == 0 else (3, 4, 2)
        w.case(name, "ReverseSequence", 10, [w.floats(*shape)], [w.random.randint(1, 5, 3).astype(np.int64)], time_axis=time,
               batch_axis=1 - time)

    def compress(name):
        axis = w.pick(None, 0, 1)
        w.case(name, "Compress", w.pick(9, 11), [w.floats(3, 4)], [np.array([True, False, True])], axis=axis)

    def layer_normalization(name):
        axis = w.pick(None, -1, 1, 2)
        shape = {None: (4,), -1: (4,), 1: (3, 4), 2: (4,)}[axis]
        w.case(name, "LayerNormalization", 17, [w.floats(2, 3, 4)], [w.floats(*shape), w.floats(*shape)][:w.pick(1, 2)],
               axis=axis, epsilon=w.pick(None, 1e-2), outputs=w.pick(1, 3))

    def group_normalization(name):
        opset = w.pick(18, 21)
        count = 2 if opset == 18 else 4
        w.case(name, "GroupNormalization", opset, [w.floats(2, 4, 3, 2)], [w.floats(count), w.floats(count)], num_groups=2,
               epsilon=w.pick(None, 1e-2))

    def instance_normalization(name):
        w.case(name, "InstanceNormalization", w.pick(7, 22), [w.pick(w.floats(2, 3, 4, 2), w.floats(1, 3, 5))],
               [w.floats(3), w.floats(3)], epsilon=w.pick(None, 1e-2))

    def norm_of_a_vector(name):
        op, attributes = w.pick(("LpNormalization", dict(p=w.pick(None, 1, 2), axis=w.pick(None, 0, 1))),
                                ("MeanVarianceNormalization", dict(axes=w.pick(None, [0, 1], [2, 3]))))
        w.case(name, op, 13, [w.floats(2, 3, 4, 2)], **attributes)

    def simplified_layer_normalization(name):
        op, opset, domain = w.pick(("SimplifiedLayerNormalization", 17, ""), ("RMSNormalization", 23, ""))
        w.case(name, op, opset, [w.floats(2, 3, 4)], [w.floats(4)], domain=domain, epsilon=w.pick(None, 1e-2))

    def skip_layer_normalization(name):
        x, skip = w.floats(2, 3, 4), w.floats(2, 3, 4)
        if w.random.rand() < 0.5:
            w.case(name, "SkipLayerNormalization", 17, [x, skip], [w.floats(4), w.floats(4), w.floats(4)][:w.pick(2, 3)],
                   domain="com.microsoft", epsilon=1e-5)
        else:
            w.case(name, "SkipSimplifiedLayerNormalization", 17, [x, skip], [w.floats(4)], domain="com.microsoft",
                   epsilon=1e-5)

    def grid_sample(name):
        opset = w.pick(16, 20)
        linear, cubic = ("bilinear", "bicubic") if opset == 16 else ("linear", "cubic")
        w.case(name, "GridSample", opset, [w.floats(2, 2, 4, 3), w.random.uniform(-1.3, 1.3, (2, 3, 2, 2)).astype(np.float32)],
               mode=w.pick(linear, linear, cubic, "nearest"), padding_mode=w.pick("zeros", "border", "reflection"),
               align_corners=w.pick(0, 1))

    def affine_grid(name):
        size = w.pick([2, 1, 3, 4], [2, 1, 2, 3, 2])
        axes = len(size) - 2
        w.case(name, "AffineGrid", 20, [w.floats(2, axes, axes + 1)], [np.array(size, np.int64)], align_corners=w.pick(0, 1))

    def col2im(name):
        stride, pad = w.pick(1, 2), w.pick(0, 1)
        count = (5 + 2 * pad - 2) // stride + 1
        w.case(name, "Col2Im", 18, [w.floats(2, 3 * 4, count * count)], [np.array([5, 5], np.int64), np.array([2, 2], np.int64)],
               strides=[stride, stride], pads=[pad] * 4)

    def one_hot_of_reals(name):
        indices = w.random.randint(-5, 7, (2, 3)).astype(np.float32)
        w.case(name, "OneHot", 11, [indices], [np.array(5, np.float32), w.floats(2)], axis=w.pick(None, 0))

    def mel(name):
        constants = [np.array(v, np.int64) for v in (8, 16, 8192)] + [np.array(v, np.float32) for v in (0.0, 4096.0)]
        w.case(name, "MelWeightMatrix", 17, [], constants)

    def is_not_finite(name):
        data = w.floats(3, 4)
        data[0, 1], data[1, 2], data[2, 0] = np.nan, np.inf, -np.inf
        if w.random.rand() < 0.3:
            w.case(name, "IsNaN", 13, [data])
        else:
            w.case(name, "IsInf", 10, [data], detect_negative=w.pick(None, 0), detect_positive=w.pick(None, 0))

    def masked_attention(name):
        scores, least = w.floats(2, 2, 3, 4), w.pick(-np.inf, np.finfo(np.float32).min, -1e4)
        mask = w.random.rand(2, 4) < 0.6
        mask[:, 1] = True
        causal = np.tril(np.ones((3, 4), bool), 1)
        constants = dict(zero=np.array(0, np.float32), one=np.array(1, np.float32), least=np.array(least, np.float32),
                         axes=np.array([1, 2], np.int64), causal=np.where(causal, 0, least).astype(np.float32), allowed=causal)
        node = helper.make_node
        kind = w.random.randint(4)
        if kind == 0:
            nodes = [node("Cast", ["m"], ["f"], to=TensorProto.FLOAT), node("Sub", ["one", "f"], ["g"]),
                     node("Mul", ["g", "finite"], ["h"]), node("Unsqueeze", ["h", "axes"], ["wide"]),
                     node("Add", ["s", "wide"], ["masked"]), node("Softmax", ["masked"], ["y"], axis=-1)]
            constants["finite"] = np.array(max(least, -1e9), np.float32)
            mask = mask.astype(np.int64)
        elif kind == 1:
            nodes = [node("Unsqueeze", ["m", "axes"], ["wide"]), node("And", ["wide", "allowed"], ["kept"]),
                     node("Where", ["kept", "zero", "least"], ["added"]), node("Add", ["s", "added"], ["masked"]),
                     node("Softmax", ["masked"], ["p"], axis=-1), node("IsNaN", ["p"], ["n"]),
                     node("Where", ["n", "zero", "p"], ["y"])]
            if least == -np.inf and w.random.rand() < 0.5:
                mask[0] = False
        elif kind == 2:
            nodes = [node("Not", ["m"], ["hidden"]), node("Unsqueeze", ["hidden", "axes"], ["wide"]),
                     node("Where", ["wide", "least", "s"], ["masked"]), node("Add", ["masked", "causal"], ["both"]),
                     node("Softmax", ["both"], ["y"], axis=-1)]
        else:
            nodes = [node("Where", ["m", "zero", "least"], ["added"]), node("Unsqueeze", ["added", "axes"], ["wide"]),
                     node("Add", ["wide", "causal"], ["mask"]), node("Add", ["mask", "s"], ["masked"]),
                     node("Softmax", ["masked"], ["y"], axis=-1)]
            mask[:, 0] = True
        used = {name for part in nodes for name in part.input}
        constants = {key: value for key, value in constants.items() if key in used}
        w.model(name, "Softmax", [helper.make_opsetid("", 14)], nodes, dict(s=scores, m=mask), constants, ["y"])

    def branch_by_data(name):
        node, value = helper.make_node, helper.make_tensor_value_info
        then = helper.make_graph([node("Relu", ["x"], ["a"])], "then", [], [value("a", TensorProto.FLOAT, None)])
        other = helper.make_graph([node("Neg", ["x"], ["b"])], "else", [], [value("b", TensorProto.FLOAT, None)])
        nodes = [node("If", ["c"], ["y"], then_branch=then, else_branch=other)]
        w.model(name, "If", [helper.make_opsetid("", 13)], nodes, dict(x=w.floats(2, 3), c=np.array(w.pick(True, False))), {}, ["y"])

    def loop_by_data(name):
        node, value = helper.make_node, helper.make_tensor_value_info
        body = helper.make_graph(
            [node("Add", ["v", "v"], ["next"]), node("Less", ["next", "bound"], ["go"])], "body",
            [value("i", TensorProto.INT64, []), value("going", TensorProto.BOOL, []), value("v", TensorProto.FLOAT, [1])],
            [value("go", TensorProto.BOOL, None), value("next", TensorProto.FLOAT, [1])])
        nodes = [node("Loop", ["trips", "begin", "x"], ["y"], body=body)]
        constants = dict(trips=np.array(6, np.int64), bound=np.array([4], np.float32))
        inputs = dict(x=np.abs(w.floats(1)) + 0.1, begin=np.array(w.pick(True, True, False)))
        w.model(name, "Loop", [helper.make_opsetid("", 13)], nodes, inputs, constants, ["y"])

    def integers_by_data(name):
        op = w.pick("Div", "Mod", "Mod")
        dividend, sign = w.random.randint(-30, 30, (3, 4)), w.pick(1, -1)
        divisor = sign * w.random.randint(1, 8, (3, 1))
        kind = w.pick(np.int32, np.int64)
        w.case(name, op, 13, [dividend.astype(kind), divisor.astype(kind)], fmod=w.pick(None, 1) if op == "Mod" else None)

    def float_remainder_by_data(name):
        w.case(name, "Mod", 13, [3 * w.floats(3, 4), np.abs(w.floats(3, 1)) + 0.6], fmod=1)

    def top_k_of_long_rows(name):
        data = w.random.permutation(300).reshape(2, 150).astype(np.float32)
        w.case(name, "TopK", 11, [data], [np.array([w.pick(1, 3)], np.int64)], outputs=2, largest=w.pick(None, 0))

    def scatter_by_data(name):
        data = w.floats(4, 3, 2)
        if w.random.rand() < 0.5:
            axis = w.pick(0, 1)
            shape = list(data.shape)
            shape[axis] = 2
            indices = np.argsort(w.random.rand(*data.shape), axis=axis).take(range(2), axis=axis).astype(np.int64)
            w.case(name, "ScatterElements", 18, [data, indices - data.shape[axis] * w.pick(0, 1), w.floats(*shape)], axis=axis,
                   reduction=w.pick(None, "add"))
        else:
            indices = np.array(w.pick([[0], [3]], [[0, 1], [2, -1], [1, 0]]), np.int64)
            w.case(name, "ScatterND", 18, [data, indices, w.floats(*indices.shape[:-1], *data.shape[indices.shape[-1]:])],
                   reduction=w.pick(None, "add"))

    def gather_nd_by_data(name):
        indices = w.random.randint(-3, 3, w.pick((4, 1), (2, 2, 2), (3, 3)))
        w.case(name, "GatherND", 13, [w.floats(3, 4, 5), indices.astype(np.int64)])

    def cast_truncates(name):
        w.case(name, "Cast", 13, [5 * w.floats(3, 4)], to=w.pick(TensorProto.INT64, TensorProto.INT32))

    helpers = (window, recurrence)
    return [value for value in locals().values() if callable(value) and value not in helpers]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--sweep", type=int, default=2)
    arguments = parser.parse_args()
    writer = Writer(arguments.out, arguments.sweep)
    for make in families(writer):
        writer.family(make)
    (arguments.out / "cases.json").write_text(json.dumps({"cases": writer.cases}, indent=0))
    print(len(writer.cases), "cases,", writer.skipped, "refused by onnxruntime")


if __name__ == "__main__":
    main()
