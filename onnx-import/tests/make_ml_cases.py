#!/usr/bin/env python3
"""Writes `ml_cases.zip`: trees and kernel machines of ai.onnx.ml whose expected outputs come from onnxruntime.

    python make_ml_cases.py [--sweep N] [--out FILE]

Features and bounds are multiples of a quarter, so that branches meet equal numbers. Needs onnx, onnxruntime and numpy;
`--sweep N` makes N random models of each family.
"""

import argparse
import pathlib
import tempfile

import numpy as np
from onnx import helper, numpy_helper

from make_runtime_cases import Writer
from select_cases import pack

MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]
FEATURES = 4


def quarters(w, *shape):
    return (w.random.randint(-6, 7, shape) / 4).astype(np.float32)


def grow(w, depth):
    """A random tree: a number is a leaf, a list a branch."""
    if depth == 0 or w.random.rand() < 0.15:
        return None
    return [w.pick(*MODES), int(w.random.randint(FEATURES)), float(quarters(w)), grow(w, depth - 1), grow(w, depth - 1)]


def nodes(trees):
    """The lists of nodes, and the leaves as pairs of tree and node."""
    lists = {f"nodes_{key}": [] for key in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids",
                                            "falsenodeids", "missing_value_tracks_true")}
    leaves = []
    for number, tree in enumerate(trees):
        queue, count = [tree], 1
        for identity, node in enumerate(queue):
            mode, feature, value, children = "LEAF", 0, 0.0, [0, 0]
            if node is None:
                leaves.append((number, identity))
            else:
                mode, feature, value, *rest = node
                children = [count, count + 1]
                queue += rest
                count += 2
            row = (number, identity, feature, value, mode, *children, 0)
            for key, entry in zip(lists, row):
                lists[key].append(entry)
    return lists, leaves


def weights(w, kind, leaves, targets, positive=False, every=True):
    lists = {f"{kind}_{key}": [] for key in ("treeids", "nodeids", "ids", "weights")}
    for tree, node in leaves:
        for target in targets if every else [targets[tree % len(targets)]]:
            weight = float(w.random.uniform(0 if positive else -1, 1))
            for key, entry in zip(lists, (tree, node, target, weight)):
                lists[key].append(entry)
    return lists


def families(w):
    ml = dict(domain="ai.onnx.ml", used=None)

    def forest(least=1):
        return nodes([grow(w, 4) for _ in range(int(w.random.randint(least, 5)))])

    def tree_classifier_binary(name):
        lists, leaves = forest()
        positive = w.pick(True, False)
        w.case(name, "TreeEnsembleClassifier", 13, [quarters(w, 5, FEATURES)], outputs=2, **ml, **lists,
               **weights(w, "class", leaves, [0], positive), classlabels_int64s=w.pick([0, 1], [7, -3]),
               base_values=w.pick(None, [0.25]), post_transform=w.pick("NONE", "LOGISTIC", "SOFTMAX"))

    def tree_classifier_pair(name):
        lists, leaves = forest()
        w.case(name, "TreeEnsembleClassifier", 13, [quarters(w, 5, FEATURES)], outputs=2, **ml, **lists,
               **weights(w, "class", leaves, [0, 1], w.pick(True, False)), classlabels_int64s=[0, 1],
               post_transform=w.pick("NONE", "LOGISTIC", "SOFTMAX"))

    def tree_classifier(name):
        classes = w.pick(3, 4)
        every = w.pick(True, False)
        lists, leaves = forest(least=1 if every else classes)
        w.case(name, "TreeEnsembleClassifier", 13, [quarters(w, 5, FEATURES)], outputs=2, **ml, **lists,
               **weights(w, "class", leaves, list(range(classes)), every=every), classlabels_int64s=[9, 2, 4, 0][:classes],
               base_values=w.pick(None, w.floats(classes).tolist()), post_transform=w.pick("NONE", "LOGISTIC", "SOFTMAX"))

    def tree_regressor(name):
        targets = w.pick(1, 3)
        lists, leaves = forest()
        w.case(name, "TreeEnsembleRegressor", 13, [quarters(w, 5, FEATURES)], outputs=1, **ml, **lists,
               **weights(w, "target", leaves, list(range(targets))), n_targets=targets,
               aggregate_function=w.pick("SUM", "AVERAGE", "MIN", "MAX"),
               base_values=w.pick(None, w.floats(targets).tolist()), post_transform=w.pick("NONE", "LOGISTIC", "SOFTMAX"))

    def tree_ensemble(name):
        # Sets of members are left out: onnxruntime mistakes some of them for others.
        lists, leaves = forest()
        branch = {}
        leaf = {key: number for number, key in enumerate(leaves)}
        ids = list(zip(lists["nodes_treeids"], lists["nodes_nodeids"]))
        for key, mode in zip(ids, lists["nodes_modes"]):
            if mode != "LEAF":
                branch[key] = len(branch)
        if not branch:
            return
        keep = [position for position, key in enumerate(ids) if key in branch]
        column = lambda name: [lists["nodes_" + name][position] for position in keep]
        modes = [MODES.index(mode) for mode in column("modes")]
        ways = {}
        for way in ("true", "false"):
            to = list(zip(column("treeids"), column(way + "nodeids")))
            ways[f"nodes_{way}nodeids"] = [branch.get(key, leaf.get(key)) for key in to]
            ways[f"nodes_{way}leafs"] = [int(key in leaf) for key in to]
        tensor = lambda name, values, dtype: numpy_helper.from_array(np.array(values, dtype), name)
        # A tree that is a leaf would need a branch of its own.
        roots = [branch[(tree, 0)] for tree in sorted(set(lists["nodes_treeids"])) if (tree, 0) in branch]
        targets = w.pick(1, 2)
        w.case(name, "TreeEnsemble", 21, [quarters(w, 5, FEATURES)], outputs=1, **ml, **ways, version=5,
               nodes_splits=tensor("splits", column("values"), np.float32), nodes_featureids=column("featureids"),
               nodes_modes=tensor("modes", modes, np.uint8), tree_roots=roots, n_targets=targets,
               leaf_targetids=[int(w.random.randint(targets)) for _ in leaves],
               leaf_weights=tensor("weights", w.floats(len(leaves)), np.float32),
               aggregate_function=w.pick(0, 1), post_transform=w.pick(0, 1, 2))

    def label_encoder(name):
        keys = w.pick(dict(keys_int64s=[3, -1, 7]), dict(keys_floats=[0.5, -0.25, 1.0]))
        values = w.pick(dict(values_int64s=[5, 0, -9], default_int64=2), dict(values_floats=[0.5, 2.25, -1.0], default_float=9.0))
        data = w.pick(-1, 3, 4, 7) if "keys_int64s" in keys else w.pick(0.5, 0.25, 1.0)
        data = np.full((2, 3), data, np.int64 if "keys_int64s" in keys else np.float32)
        data[1, 1] = 7
        w.case(name, "LabelEncoder", 13, [data], **ml, **keys, **values, version=2)

    def kernel():
        return dict(kernel_type=w.pick("LINEAR", "POLY", "RBF", "SIGMOID"),
                    kernel_params=[w.pick(0.5, 0.75), w.pick(0.0, 0.5), w.pick(2.0, 3.0)])

    def svm_classifier(name):
        classes = w.pick(2, 2, 3, 4)
        counts = [int(w.random.randint(1, 4)) for _ in range(classes)]
        pairs = classes * (classes - 1) // 2
        probable = classes == 2 and w.pick(True, False)
        w.case(name, "SVMClassifier", 13, [w.floats(5, FEATURES)], outputs=2, **ml, **kernel(),
               support_vectors=w.floats(sum(counts) * FEATURES).tolist(), vectors_per_class=counts,
               coefficients=w.floats(sum(counts) * (classes - 1)).tolist(), rho=w.floats(pairs).tolist(),
               classlabels_ints=[9, 2, 4, 0][:classes], prob_a=[-1.25] if probable else None,
               prob_b=[0.5] if probable else None, post_transform=w.pick("NONE", "NONE", "LOGISTIC", "SOFTMAX"))

    def svm_regressor(name):
        count = w.pick(0, 3, 5)
        w.case(name, "SVMRegressor", 13, [w.floats(5, FEATURES)], **ml, **kernel(), n_supports=count,
               support_vectors=w.floats(count * FEATURES).tolist() or None, rho=w.floats(1).tolist(),
               coefficients=w.floats(count or FEATURES).tolist(), one_class=w.pick(0, 0, 1))

    return [value for value in locals().values() if callable(value) and value not in (forest, kernel)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sweep", type=int, default=4)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent / "ml_cases.zip")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        writer = Writer(pathlib.Path(folder), arguments.sweep)
        for make in families(writer):
            writer.family(make)
        arguments.out.write_bytes(pack([writer.folder / case["name"] for case in writer.cases]))
    print(len(writer.cases), "cases,", writer.skipped, "refused by onnxruntime")


main()
