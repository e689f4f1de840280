#!/usr/bin/env python3
"""Packs a selection of the ONNX backend suite into `cases.zip`, for the test `node_suite`.

    python select_cases.py SUITE

SUITE holds `<case>/model.onnx`, `<case>/model_const.onnx` (perhaps), `<case>/io.npz` and `cases.json`. Taken are the
smallest passing cases of each operator, in the order of their sizes, until the archive is full. The result depends on
the suite and on `expectations.toml` alone.
"""

import io
import json
import pathlib
import sys
import zipfile

LIMIT = 280_000
PER_OPERATOR = 4
HERE = pathlib.Path(__file__).parent
FILES = ("model.onnx", "model_const.onnx", "io.npz")


def add(archive, name, data):
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, data, compresslevel=9)


def pack(suite, names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(names):
            for file in FILES:
                path = suite / name / file
                if path.exists():
                    add(archive, f"{name}/{file}", path.read_bytes())
    return buffer.getvalue()


def main():
    suite = pathlib.Path(sys.argv[1])
    lines = (HERE / "expectations.toml").read_text().splitlines()
    passing = {line.split(" = ")[0] for line in lines if line.endswith('"pass"')}
    by_operator = {}
    for case in json.loads((suite / "cases.json").read_text())["cases"]:
        name = case["name"]
        # The test compares the selection at one tolerance.
        if name not in passing or case["expanded"] or case["kind"] != "node" or case["rtol"] < 1e-3:
            continue
        size = sum((suite / name / file).stat().st_size for file in FILES if (suite / name / file).exists())
        by_operator.setdefault(case["op"], []).append((size, name))
    ranked = []
    for cases in by_operator.values():
        ranked += [(rank, size, name) for rank, (size, name) in enumerate(sorted(cases)[:PER_OPERATOR])]
    chosen, packed = [], b""
    for _, _, name in sorted(ranked):
        attempt = pack(suite, chosen + [name])
        if len(attempt) > LIMIT:
            break
        chosen.append(name)
        packed = attempt
    (HERE / "cases.zip").write_bytes(packed)
    print(len(chosen), "cases of", len(by_operator), "operators,", len(packed), "bytes")


main()
