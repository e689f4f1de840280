#!/usr/bin/env bash
# A diagnosis on private measurements: the laboratory proves what the model says without showing the measurements.
#
#   bash examples/medical/story.sh [FOLDER]
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
out="${1:-out/medical}"
zkinfer="${ZKINFER:-cargo run --release --quiet --package zkinfer --bin zkinfer --}"
mkdir -p "$out"

echo '== publisher of the model: compile with private inputs and make keys'
$zkinfer compile "$here/model.onnx" -o "$out/program.zki" --calibration "$here/calibration.npz" \
    --input private --output public
$zkinfer evaluate "$out/program.zki" --data "$here/test.npz"
$zkinfer setup "$out/program.zki" -o "$out"

echo '== laboratory: prove the result for a patient; the measurements stay here'
$zkinfer prove "$out/program.zki" --input "$here/patient.json" -o "$out"

echo '== insurer: check the proof; it shows the probability and nothing else about the patient'
$zkinfer verify --vk "$out/model.vk" --proof "$out/proof.zkp"
$zkinfer inspect "$out/proof.zkp"
