#!/usr/bin/env python3
"""Proves the same small networks by zkinfer and by EZKL, in turn and in one run, and records both.

    pip install -r requirements.txt
    compare.py --zkinfer ../../target/release/zkinfer --out ../records/MACHINE/DATE-ezkl.csv
    compare.py --only lstm --repetitions 3

Each step of each tool is a process of its own; what is recorded of it is its processor time (user and system, all threads) and its
largest resident memory, as Linux counts them, the minimum over the repetitions. Both read the same model and the same input,
and the SRS from a file that they made before. Inputs and outputs are public. EZKL runs as its guide has it: `calibrate` for least
resources, two inner columns, fixed weights. zkinfer runs with its default options, and then at the fewest bits of an activation at which
its outputs are as near to onnxruntime's as EZKL's (`zkinfer_fine_...`).
"""

import argparse
import csv
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

SEED = 2026
OPSET = 17
CALIBRATION_SAMPLES = 16


class Graph:
    """Nodes and weights of a network under construction; every method returns the name of its result."""

    def __init__(self):
        self.random = np.random.default_rng(SEED)
        self.nodes, self.weights = [], []

    def constant(self, values):
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def normal(self, *shape, fan_in):
        return self.constant((self.random.standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32))

    def node(self, kind, *inputs, outputs=1, **attributes):
        results = [f"{kind.lower()}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), results, **attributes))
        return results if outputs > 1 else results[0]

    def shaped(self, x, *shape):
        return self.node("Reshape", x, self.constant(np.array(shape, np.int64)))

    def dense(self, x, inputs, outputs):
        product = self.node("MatMul", x, self.normal(inputs, outputs, fan_in=inputs))
        return self.node("Add", product, self.normal(outputs, fan_in=100))

    def convolution(self, x, inputs, outputs, kernel):
        fan_in = inputs * kernel * kernel
        parts = self.normal(outputs, inputs, kernel, kernel, fan_in=fan_in), self.normal(outputs, fan_in=100)
        return self.node("Conv", x, *parts, kernel_shape=[kernel, kernel])

    def pool(self, x):
        return self.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])

    def layer_norm(self, x, width):
        scale, shift = self.constant(np.ones(width, np.float32)), self.constant(np.zeros(width, np.float32))
        centred = self.node("Sub", x, self.node("ReduceMean", x, axes=[-1], keepdims=1))
        square = self.node("Mul", centred, centred)
        variance = self.node("ReduceMean", square, axes=[-1], keepdims=1)
        deviation = self.node("Sqrt", self.node("Add", variance, self.constant(np.float32(1e-5))))
        return self.node("Add", self.node("Mul", self.node("Div", centred, deviation), scale), shift)

    def attention(self, x, tokens, width, heads, causal):
        def split(name):
            rows = self.shaped(self.dense(name, width, width), tokens, heads, width // heads)
            return self.node("Transpose", rows, perm=[1, 0, 2])

        queries, keys, values = split(x), split(x), split(x)
        scores = self.node("MatMul", queries, self.node("Transpose", keys, perm=[0, 2, 1]))
        scores = self.node("Mul", scores, self.constant(np.float32((width // heads) ** -0.5)))
        if causal:
            scores = self.node("Add", scores, self.constant(np.triu(np.full((tokens, tokens), -10, np.float32), 1)))
        mixed = self.node("MatMul", self.node("Softmax", scores, axis=-1), values)
        merged = self.shaped(self.node("Transpose", mixed, perm=[1, 0, 2]), tokens, width)
        return self.dense(merged, width, width)

    def recurrent(self, kind, x, steps, inputs, hidden, gates):
        weights = self.normal(1, gates * hidden, inputs, fan_in=inputs), self.normal(1, gates * hidden, hidden, fan_in=hidden)
        bias = self.normal(1, 2 * gates * hidden, fan_in=100)
        outputs = 3 if kind == "LSTM" else 2
        results = self.node(kind, self.shaped(x, steps, 1, inputs), *weights, bias, outputs=outputs, hidden_size=hidden)
        return self.shaped(results[1], 1, hidden)


def perceptron(g):
    hidden = g.node("Relu", g.dense("x", 784, 128))
    return (1, 784), g.dense(hidden, 128, 10)


def lenet(g):
    x = g.pool(g.node("Relu", g.convolution("x", 1, 6, 5)))
    x = g.pool(g.node("Relu", g.convolution(x, 6, 16, 5)))
    x = g.node("Relu", g.dense(g.shaped(x, 1, 256), 256, 120))
    return (1, 1, 28, 28), g.dense(g.node("Relu", g.dense(x, 120, 84)), 84, 10)


def autoencoder(g):
    x = g.node("Relu", g.dense("x", 784, 64))
    return (1, 784), g.node("Sigmoid", g.dense(x, 64, 784))


def recurrent(kind, gates):
    def build(g):
        state = g.recurrent(kind, "x", 8, 8, 16, gates)
        return (8, 8), g.dense(state, 16, 4)

    return build


def attention(g):
    return (16, 32), g.attention("x", 16, 32, 1, causal=False)


def gpt_block(g):
    x = g.node("Add", "x", g.attention(g.layer_norm("x", 32), 8, 32, 2, causal=True))
    hidden = g.dense(g.layer_norm(x, 32), 32, 128)
    half = g.node("Mul", hidden, g.constant(np.float32(0.5)))
    erf = g.node("Erf", g.node("Mul", hidden, g.constant(np.float32(0.5**0.5))))
    gelu = g.node("Mul", half, g.node("Add", erf, g.constant(np.float32(1))))
    x = g.node("Add", x, g.dense(gelu, 128, 32))
    return (8, 32), g.dense(g.layer_norm(x, 32), 32, 96)


NETWORKS = {
    "perceptron 784-128-10": perceptron,
    "autoencoder 784-64-784": autoencoder,
    "lstm 8 steps x 16": recurrent("LSTM", 4),
    "gru 8 steps x 16": recurrent("GRU", 3),
    "attention 16 x 32": attention,
    "gpt block 8 x 32": gpt_block,
    "lenet-5": lenet,
}


def write_network(build, folder):
    """Writes model.onnx, calibration.npz, input.npz and EZKL's input.json; returns onnxruntime's output."""
    graph = Graph()
    shape, result = build(graph)
    ports = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)], [
        helper.make_tensor_value_info(result, TensorProto.FLOAT, None)
    ]
    body = helper.make_graph(graph.nodes, "network", *ports, graph.weights)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    onnx.save(model, folder / "model.onnx")

    samples = np.random.default_rng(SEED + 1).uniform(-1, 1, (CALIBRATION_SAMPLES, *shape)).astype(np.float32)
    np.savez(folder / "calibration.npz", **{f"in{i}_0": sample for i, sample in enumerate(samples)})
    np.savez(folder / "input.npz", in0_0=samples[0])
    (folder / "input.json").write_text(json.dumps({"input_data": [samples[0].ravel().tolist()]}))
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    return session.run(None, {"x": samples[0]})[0].ravel()


def measured(arguments, output):
    """Runs a process to its end; its CPU seconds, and its largest resident memory in MiB, which it tells itself.

    What the kernel hands to the parent as a child's peak is no less than the parent's own.
    """
    with open(output, "w") as file:
        process = subprocess.Popen([str(word) for word in arguments], stdout=file)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{arguments}: ended with status {process.returncode}")
    peak = json.loads(output.read_text().splitlines()[-1]).get("peak_rss_bytes") or 0
    return usage.ru_utime + usage.ru_stime, peak / 2**20


def ezkl_step(folder, step):
    """One step of EZKL in a fresh interpreter, so that its memory is its own."""
    return measured([sys.executable, __file__, "--ezkl-step", step, "--folder", folder], folder / "ezkl.log")


def tell_peak():
    """Prints the largest resident memory of this process, as `zkinfer --json` has it."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    print(json.dumps({"peak_rss_bytes": peak}))


def run_ezkl_step(folder, step):
    import ezkl

    os.chdir(folder)
    if step == "prepare":
        arguments = ezkl.PyRunArgs()
        arguments.num_inner_cols = 2
        ezkl.gen_settings("model.onnx", "settings.json", py_run_args=arguments)
        ezkl.calibrate_settings("input.json", "model.onnx", "settings.json", target="resources")
        ezkl.compile_circuit("model.onnx", "model.compiled", "settings.json")
    elif step == "srs":
        ezkl.gen_srs("ezkl.srs", json.loads(pathlib.Path("settings.json").read_text())["run_args"]["logrows"])
    elif step == "setup":
        ezkl.setup("model.compiled", "ezkl.vk", "ezkl.pk", srs_path="ezkl.srs")
    elif step == "prove":
        ezkl.gen_witness("input.json", "model.compiled", "witness.json")
        ezkl.prove("witness.json", "model.compiled", "ezkl.pk", "ezkl.proof", srs_path="ezkl.srs")
    elif step == "verify":
        if not ezkl.verify("ezkl.proof", "settings.json", "ezkl.vk", srs_path="ezkl.srs"):
            raise RuntimeError("EZKL refused its proof")
    tell_peak()


def ezkl(folder, expected, repetitions):
    steps = {"prepare": ezkl_step(folder, "prepare")}
    ezkl_step(folder, "srs")
    steps["setup"] = ezkl_step(folder, "setup")
    steps["prove"] = best(repetitions, lambda: ezkl_step(folder, "prove"))
    steps["verify"] = best(repetitions, lambda: ezkl_step(folder, "verify"))
    proof = json.loads((folder / "ezkl.proof").read_text())
    outputs = np.array(proof["pretty_public_inputs"]["rescaled_outputs"], dtype=float).ravel()
    return {
        "rows": json.loads((folder / "settings.json").read_text())["run_args"]["logrows"],
        "key": (folder / "ezkl.pk").stat().st_size,
        "proof": len(proof["hex_proof"]) // 2 - 1,
        "error": np.abs(outputs - expected).max(),
        "steps": steps,
    }


def zkinfer(program, folder, expected, repetitions, bits=None):
    """The steps of zkinfer: at the bits of an activation that it chooses by itself, or at so many."""
    out = folder / f"zkinfer-{bits}"
    out.mkdir()
    report = folder / "zkinfer.json"

    def step(*arguments):
        return measured([program, *arguments, "--json"], report)

    artifact, srs, keys = out / "program.zki", folder / "zkinfer.srs", ["-o", out, "--srs", folder / "zkinfer.srs"]
    width = ["--bits", str(bits)] if bits else []
    calibration = ["--calibration", folder / "calibration.npz"]
    steps = {"prepare": step("compile", folder / "model.onnx", *calibration, *width, "-o", artifact)}
    rows = json.loads(report.read_text())["k"]
    step("srs", "new", "--k", str(rows), "-o", srs)
    steps["setup"] = step("setup", artifact, *keys)
    steps["prove"] = best(repetitions, lambda: step("prove", artifact, "--input", folder / "input.npz", *keys))
    steps["verify"] = best(repetitions, lambda: step("verify", "--vk", out / "model.vk", "--proof", out / "proof.zkp"))
    result = json.loads((out / "result.json").read_text())
    outputs = np.array(result["outputs"][0]["values"], dtype=float).ravel()
    return {
        "rows": rows,
        "key": (out / "model.pk").stat().st_size,
        "proof": result["proof_bytes"],
        "error": np.abs(outputs - expected).max(),
        "steps": steps,
    }


def zkinfer_fine(program, folder, expected, repetitions, error):
    """The steps of zkinfer at the fewest bits of an activation at which its outputs differ by no more than `error`, or at the most
    that there are.
    """
    for bits in BITS:
        result = zkinfer(program, folder, expected, repetitions, bits)
        if result["error"] <= error:
            break
    return {**result, "bits": bits}


def best(repetitions, run):
    """The least CPU seconds and the least peak of several runs, each by itself."""
    runs = [run() for _ in range(repetitions)]
    return min(cpu for cpu, _ in runs), min(peak for _, peak in runs)


TOOLS = ("ezkl", "zkinfer")
FINE = "bits", "k", "setup_cpu_s", "prove_cpu_s", "prove_peak_mib", "proof_bytes", "largest_difference", "prove_cpu_ratio"
BITS = range(9, 17)
STEPS = ("prepare", "setup", "prove", "verify")


def columns():
    names = ["network", "weights", "repetitions"]
    for tool in TOOLS:
        names += [f"{tool}_k"]
        names += [f"{tool}_{step}_{figure}" for step in STEPS for figure in ("cpu_s", "peak_mib")]
        names += [f"{tool}_key_bytes", f"{tool}_proof_bytes", f"{tool}_largest_difference"]
    names += ["prove_cpu_ratio", "prove_peak_ratio", "ezkl_version", "commit", "processor", "date"]
    return names + [f"zkinfer_fine_{figure}" for figure in FINE]


def row(name, folder, results, repetitions):
    cells = [name, count_weights(folder), repetitions]
    for tool in TOOLS:
        result = results[tool]
        cells.append(result["rows"])
        for step in STEPS:
            cpu, peak = result["steps"][step]
            cells += [f"{cpu:.3f}", f"{peak:.1f}"]
        cells += [result["key"], result["proof"], f"{result['error']:.6f}"]
    (slow, large), (fast, small) = (results[tool]["steps"]["prove"] for tool in TOOLS)
    cells += [f"{slow / fast:.1f}", f"{large / small:.1f}", *environment()]
    fine = results["fine"]
    (setup, _), (cpu, peak) = (fine["steps"][step] for step in ("setup", "prove"))
    cells += [fine["bits"], fine["rows"], f"{setup:.3f}", f"{cpu:.3f}", f"{peak:.1f}"]
    return cells + [fine["proof"], f"{fine['error']:.6f}", f"{slow / cpu:.1f}"]


def count_weights(folder):
    tensors = onnx.load(folder / "model.onnx").graph.initializer
    return sum(int(np.prod(tensor.dims)) for tensor in tensors if tensor.data_type == TensorProto.FLOAT)


def environment():
    here = pathlib.Path(__file__).parent
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=here, capture_output=True, text=True)
    return importlib.metadata.version("ezkl"), commit.stdout.strip(), processor(), datetime.date.today().isoformat()


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()


def record(path, cells):
    """Adds a row to the record, or replaces that of the same network, by a file that is renamed when whole."""
    rows = []
    if path.exists():
        with open(path, newline="") as file:
            known = [r for r in csv.reader(file) if r and r[0] not in ("network", cells[0])]
        # Rows of a time before the last columns were there end early.
        rows = [r + [""] * (len(cells) - len(r)) for r in known]
    unfinished = path.with_suffix(".part")
    with open(unfinished, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns(), *rows, cells])
    unfinished.rename(path)


def compare(arguments):
    program = arguments.zkinfer.resolve()
    for name, build in NETWORKS.items():
        if arguments.only and arguments.only not in name:
            continue
        with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
            folder = pathlib.Path(scratch)
            expected = write_network(build, folder)
            results = {
                "zkinfer": zkinfer(program, folder, expected, arguments.repetitions),
                "ezkl": ezkl(folder, expected, arguments.repetitions),
            }
            error = results["ezkl"]["error"]
            results["fine"] = zkinfer_fine(program, folder, expected, arguments.repetitions, error)
            cells = row(name, folder, results, arguments.repetitions)
        print(json.dumps(dict(zip(columns(), cells))), flush=True)
        if arguments.out:
            record(arguments.out, cells)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zkinfer", type=pathlib.Path, default=pathlib.Path("target/release/zkinfer"), help="the command")
    parser.add_argument("--out", type=pathlib.Path, help="the record to add to (.csv)")
    parser.add_argument("--only", help="networks whose name contains this")
    parser.add_argument("--repetitions", type=int, default=1, help="proofs and verifications of each")
    parser.add_argument("--scratch", help="folder for keys, which take up to 5 GB")
    parser.add_argument("--ezkl-step", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=pathlib.Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ezkl_step:
        run_ezkl_step(arguments.folder, arguments.ezkl_step)
    else:
        compare(arguments)


if __name__ == "__main__":
    main()
