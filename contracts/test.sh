#!/usr/bin/env bash
# Everything that the contracts have to pass: the tests of forge with fuzzing, gas as recorded, the shipped bytecode
# reproduced to the byte, and a whole life on a chain of its own. Needs Node.js 20 and npm; nothing after `npm ci` touches
# the network. About half a minute on two cores.
#
#   test.sh [EXPORT]...     folders that `zkinfer evm export` wrote, to be lived through besides the fabricated one
set -euo pipefail
exports=()
for folder in "$@"; do exports+=("$(realpath "$folder")"); done
cd "$(dirname "${BASH_SOURCE[0]}")"

command -v node >/dev/null && command -v npm >/dev/null || {
    echo 'node and npm are missing: install Node.js 20 or newer' >&2
    exit 2
}
npm ci --ignore-scripts --no-audit --no-fund

node_modules/.bin/forge build --sizes --deny warnings
FORGE_SNAPSHOT_CHECK=true node_modules/.bin/forge test
node build.mjs --check

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
node tools/fabricate.mjs vectors "$scratch/vectors"
diff <(cd "$scratch/vectors" && cat mock-*.json) <(cd test/vectors && cat mock-*.json)
node tools/fabricate.mjs export "$scratch/export"
# Without the floor price of calldata (Prague), which would hide what is done with a proof that costs nothing to verify.
node e2e.mjs "$scratch/export" --hardfork cancun
for folder in "${exports[@]}"; do
    node e2e.mjs "$folder" --enable-tx-gas-limit
done
