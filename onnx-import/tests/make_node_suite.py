#!/usr/bin/env python3
"""Exports the backend suite of the package `onnx` for the test `node_suite`.

    python -m venv VENV && VENV/bin/pip install onnx==1.23.2
    VENV/bin/python make_node_suite.py FOLDER
    ZKINFER_ONNX_SUITE=FOLDER cargo test --release -p zkinfer-onnx-import --test node_suite

Nothing is fetched: the package makes its node cases, and holds the others. FOLDER gets `<case>/model.onnx`, with all
operands as graph inputs as the suite has them; `<case>/model_const.onnx` where operands that models hold as constants can
be made initializers; `<case>/io.npz` with inputs `in0`, … and outputs `out0`, …; and `cases.json` with the cases and
that say of each its operator and tolerances. Floats narrower than 16 bits and integers narrower than 8 are written as
float32, which holds them; text and sequences, which `.npz` files have not, are left out of a case.
"""

import argparse
import json
import pathlib

import numpy as np
import onnx
from onnx import helper, numpy_helper

DATA = pathlib.Path(onnx.__file__).parent / "backend" / "test" / "data"
# Positions of the operands that models hold as constants.
CONSTANTS = {
    "AffineGrid": [1], "BatchNormalization": [1, 2, 3, 4], "BitShift": [1], "CenterCropPad": [1], "Clip": [1, 2],
    "ConstantOfShape": [0], "Conv": [1, 2], "ConvInteger": [1, 2, 3], "ConvTranspose": [1, 2], "CumSum": [1],
    "DequantizeLinear": [1, 2], "Dropout": [1, 2], "Expand": [1], "GRU": [1, 2, 3, 4], "GroupNormalization": [1, 2],
    "InstanceNormalization": [1, 2], "LSTM": [1, 2, 3, 4, 7], "LayerNormalization": [1, 2], "MatMulInteger": [2, 3],
    "MaxUnpool": [2], "OneHot": [1, 2], "PRelu": [1], "Pad": [1, 2, 3], "Pow": [1], "QLinearConv": [1, 2, 3, 4, 5, 6, 7, 8],
    "QLinearMatMul": [1, 2, 4, 5, 6, 7], "QuantizeLinear": [1, 2], "RMSNormalization": [1], "RNN": [1, 2, 3, 4],
    "Range": [0, 1, 2], "Reshape": [1], "Resize": [1, 2, 3], "ReverseSequence": [1], "RotaryEmbedding": [1, 2, 3],
    "Slice": [1, 2, 3, 4], "Split": [1], "Squeeze": [1], "Tile": [1], "TopK": [1], "Trilu": [1], "Unsqueeze": [1],
    "Upsample": [1],
}
REDUCTIONS = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")
CONSTANTS.update({f"Reduce{reduction}": [1] for reduction in REDUCTIONS})


def array_of(value):
    """The array of a value of a case; none of text, sequences and missing values."""
    if isinstance(value, onnx.TensorProto):
        value = numpy_helper.to_array(value)
    if value is None or isinstance(value, (list, tuple, dict)):
        return None
    value = np.asarray(value)
    if value.dtype.kind in "OSU":
        return None
    # Not `ascontiguousarray`, which gives scalars an axis.
    return np.array(value, dtype=None if value.dtype.isbuiltin == 1 else np.float32, order="C")


def inputs_of(model):
    stored = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in stored]


def type_of(value):
    """The element type of an output; none of sequences and optional values."""
    if value.type.WhichOneof("value") != "tensor_type":
        return None
    return onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()


def constants_of(model):
    """Names of the inputs that models hold as constants; the first input stays one if all of them are."""
    names = [value.name for value in inputs_of(model)]
    operands = [
        node.input[position]
        for node in model.graph.node for position in CONSTANTS.get(node.op_type, []) if position < len(node.input)
    ]
    chosen = [name for name in dict.fromkeys(operands) if name in names]
    return chosen if len(chosen) < len(names) else [name for name in chosen if name != names[0]]


def with_constants(model, arrays, chosen):
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    kept = [value for value in changed.graph.input if value.name not in chosen]
    del changed.graph.input[:]
    changed.graph.input.extend(kept)
    for value, array in zip(inputs_of(model), arrays):
        if value.name in chosen and array is not None:
            changed.graph.initializer.append(numpy_helper.from_array(array, value.name))
    return changed


class Suite:
    """What has been written to a folder."""

    def __init__(self, folder):
        self.folder, self.cases = folder, []

    def add(self, name, kind, operator, model, inputs, outputs, rtol=1e-3, atol=1e-7):
        inputs, outputs = ([array_of(value) for value in values] for values in (inputs, outputs))
        described = inputs_of(model)
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        onnx.save(model, folder / "model.onnx")
        constants = constants_of(model) if kind == "node" else []
        if constants and len(inputs) == len(described):
            onnx.save(with_constants(model, inputs, constants), folder / "model_const.onnx")
        arrays = {f"in{index}": array for index, array in enumerate(inputs) if array is not None}
        arrays.update({f"out{index}": array for index, array in enumerate(outputs) if array is not None})
        np.savez_compressed(folder / "io.npz", **arrays)
        self.cases.append({
            "name": name, "kind": kind, "op": operator, "expanded": "_expanded" in name, "rtol": rtol, "atol": atol,
            "outputs": [{"name": value.name, "dtype": type_of(value)} for value in model.graph.output],
        })

    def close(self):
        index = {"onnx": onnx.__version__, "cases": self.cases}
        (self.folder / "cases.json").write_text(json.dumps(index, indent=0))
        print(len(self.cases), "cases")


def operators_of(model):
    return "|".join(sorted({node.op_type for node in model.graph.node}))


def add_nodes(suite):
    """Cases of single operators; functions that are spelled out stand under their operator."""
    from onnx.backend.test.case.node import collect_testcases

    np.random.seed(0)
    cases = collect_testcases(None)
    whole = {case.name: operators_of(case.model) for case in cases if "_expanded" not in case.name}
    for case in cases:
        operator = whole.get(case.name.split("_expanded")[0], "?")
        inputs, outputs = case.data_sets[0]
        suite.add(case.name, "node", operator, case.model, inputs, outputs, case.rtol, case.atol)


def read_tensor(path):
    tensor = onnx.TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return tensor


def add_stored(suite, kind):
    """Small graphs that the package holds with their values."""
    def values(folder, prefix, described):
        paths = [folder / f"{prefix}_{index}.pb" for index in range(len(described))]
        of_tensor = [value.type.WhichOneof("value") == "tensor_type" for value in described]
        return [read_tensor(path) if plain else None for path, plain in zip(paths, of_tensor) if path.exists()]

    for path in sorted((DATA / kind).glob("*/model.onnx")):
        model, folder = onnx.load(path), path.parent / "test_data_set_0"
        inputs, outputs = values(folder, "input", inputs_of(model)), values(folder, "output", model.graph.output)
        suite.add(path.parent.name, kind, operators_of(model), model, inputs, outputs)


def add_light(suite):
    """Networks whose weights are all one number; their inputs are those of the package's own runner."""
    for path in sorted((DATA / "light").glob("*.onnx")):
        model, inputs = onnx.load(path), []
        for value in inputs_of(model):
            shape = [size.dim_value or 1 for size in value.type.tensor_type.shape.dim]
            count = int(np.prod(shape))
            dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
            inputs.append((np.arange(count).reshape(shape) / count).astype(dtype))
        output = read_tensor(path.with_name(f"{path.stem}_output_0.pb"))
        suite.add(path.stem, "light", path.stem, model, inputs, [output])


def main():
    parser = argparse.ArgumentParser(description="Exports the ONNX backend suite.")
    parser.add_argument("folder", type=pathlib.Path)
    suite = Suite(parser.parse_args().folder)
    add_nodes(suite)
    for kind in ("pytorch-operator", "pytorch-converted", "simple"):
        add_stored(suite, kind)
    add_light(suite)
    suite.close()


if __name__ == "__main__":
    main()
