#!/usr/bin/env bash
# The digit classifier with the separate verbs, as those who ship a model use them:
# the owner compiles and makes keys once; the provider proves each picture; the client verifies.
#
#   bash examples/digits/story.sh [FOLDER]
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
out="${1:-out/digits}"
zkinfer="${ZKINFER:-cargo run --release --quiet --package zkinfer --bin zkinfer --}"
mkdir -p "$out"

echo '== owner: compile the model to an integer program, fitted to a few training pictures'
$zkinfer compile "$here/model.onnx" -o "$out/program.zki" --calibration "$here/calibration.npz"

echo '== owner: how good is the integer program on 200 test pictures?'
$zkinfer evaluate "$out/program.zki" --data "$here/test.npz"

echo '== owner: make the keys (a development SRS here; --srs FILE for that of a public ceremony)'
$zkinfer setup "$out/program.zki" -o "$out"

echo '== provider: prove two pictures with the same keys'
for digit in three seven; do
    $zkinfer prove "$out/program.zki" --input "$here/$digit.json" -o "$out"
    cp "$out/proof.zkp" "$out/$digit.zkp"
done

echo '== client: verify with the key and the proof alone'
for digit in three seven; do
    $zkinfer verify --vk "$out/model.vk" --proof "$out/$digit.zkp"
done

echo '== client: rebuild the key from the model, so that nobody has to be trusted for it'
$zkinfer verify-key "$here/model.onnx" --vk "$out/model.vk" --program "$out/program.zki" \
    --calibration "$here/calibration.npz"
