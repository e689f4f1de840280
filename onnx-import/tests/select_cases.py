#!/usr/bin/env python3
"""Packs a selection of cases into `cases.zip`, for the test `node_suite`.

    python select_cases.py SUITE RUNTIME

SUITE is what `make_node_suite.py` made; RUNTIME is what `make_runtime_cases.py` made, of which all is taken. Of the suite the
smallest passing cases of each operator are, until the archive is full, and of each operator with a program one case that has
one. The result depends on the two and on `expectations.toml` alone.
"""

import io
import json
import pathlib
import sys
import zipfile

LIMIT = 320_000
PER_OPERATOR = 4
HERE = pathlib.Path(__file__).parent
FILES = ("model.onnx", "model_const.onnx", "io.npz")


def add(archive, name, data):
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, data, compresslevel=9)


def pack(folders):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for folder in sorted(folders, key=lambda folder: folder.name):
            for file in FILES:
                if (folder / file).exists():
                    add(archive, f"{folder.name}/{file}", (folder / file).read_bytes())
    return buffer.getvalue()


def names_in(folder):
    return json.loads((folder / "cases.json").read_text())["cases"]


def size_of(folder):
    return sum((folder / file).stat().st_size for file in FILES if (folder / file).exists())


def main():
    suite, runtime = map(pathlib.Path, sys.argv[1:3])
    lines = (HERE / "expectations.toml").read_text().splitlines()
    passing = {line.split(" = ")[0] for line in lines if ' = ["pass", ' in line}
    programs = {line.split(" = ")[0] for line in lines if ', "pass' in line}
    by_operator = {}
    for case in names_in(suite):
        name = case["name"]
        # The test compares the selection at one tolerance.
        narrow = any(output["dtype"] == "bfloat16" for output in case["outputs"])
        if name not in passing or case["expanded"] or case["kind"] != "node" or case["rtol"] < 1e-3 or narrow:
            continue
        by_operator.setdefault(case["op"], []).append((size_of(suite / name), name))
    ranked = []
    for cases in by_operator.values():
        ranked += [(rank, size, name) for rank, (size, name) in enumerate(sorted(cases)[:PER_OPERATOR])]
    chosen = [runtime / case["name"] for case in names_in(runtime)]
    packed = pack(chosen)
    for _, _, name in sorted(ranked):
        attempt = pack(chosen + [suite / name])
        if len(attempt) > LIMIT:
            continue
        chosen.append(suite / name)
        packed = attempt
    names = {folder.name for folder in chosen}
    with_program = {}
    for case in names_in(suite):
        if case["name"] in programs and "|" not in case["op"] and case["kind"] == "node":
            with_program.setdefault(case["op"], []).append((size_of(suite / case["name"]), case["name"]))
    for cases in with_program.values():
        if not any(name in names for _, name in cases):
            chosen.append(suite / min(cases)[1])
    packed = pack(chosen)
    (HERE / "cases.zip").write_bytes(packed)
    print(len(chosen), "cases of", len(by_operator), "operators,", len(packed), "bytes")


if __name__ == "__main__":
    main()
