#!/usr/bin/env bash
# Lints and tests this package on a machine without CUDA. What icicle-cuda-runtime asks for is fetched into a folder: CUDA's
# headers and runtime (gpu/fetch-toolkit.sh) and libclang, both from PyPI. It takes the headers from /usr/local/cuda and no other
# place; where nothing is there, the fetched ones are shown there in a mount namespace of this script's own, and nothing of the
# machine changes. Where such a namespace is not allowed either, it says so, and ends with 3.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
folder="$(mkdir -p "$1" && cd "$1" && pwd)"

headers=/usr/local/cuda/include/cuda_runtime_api.h
namespace=(unshare --mount)
[[ "$(id -u)" == 0 ]] || namespace=(unshare --map-root-user --mount)
# Some systems allow the namespace and no mount in it.
if [[ ! -e "$headers" ]] && ! "${namespace[@]}" mount -t tmpfs none /usr/local 2>/dev/null; then
    echo "left out: there is no $headers, and no leave to show one there in a mount namespace" >&2
    exit 3
fi

toolkit="$(dirname "$(dirname "$("$here/../fetch-toolkit.sh" "$folder")")")"

if [[ ! -e "$folder/clang/clang/native/libclang.so" ]]; then
    python3 -m venv "$folder/venv"
    "$folder/venv/bin/pip" install --quiet --no-deps --only-binary=:all: --target "$folder/clang" libclang==16.0.6
fi
# The static runtime by the name that the crate links, so that programs start where there is no CUDA.
mkdir -p "$folder/cudart"
ln -sfn "$toolkit/lib/libcudart_static.a" "$folder/cudart/libcudart.a"

export LIBCLANG_PATH="$folder/clang/clang/native"
BINDGEN_EXTRA_CLANG_ARGS="-I$(cc -print-file-name=include)"
export BINDGEN_EXTRA_CLANG_ARGS
export ZKINFER_CUDART="$folder/cudart"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$folder/build}"
export here toolkit folder

check() {
    cd "$here"
    cargo fmt --check
    cargo clippy --locked --release --all-targets -- -D warnings
    cargo test --locked --release
}
export -f check

if [[ -e "$headers" ]]; then
    check
    exit
fi
# /usr/local as it is, and one entry more.
"${namespace[@]}" bash -euo pipefail -c '
    mkdir -p "$folder/local"
    mount --rbind /usr/local "$folder/local"
    mount -t tmpfs -o mode=755 none /usr/local
    for entry in "$folder"/local/*; do ln -s "$entry" "/usr/local/${entry##*/}"; done
    rm -f /usr/local/cuda
    ln -s "$toolkit" /usr/local/cuda
    check
'
