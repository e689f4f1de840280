#!/usr/bin/env bash
# Fetches a CUDA compiler into a folder, from the wheels that NVIDIA publishes on PyPI: 100 MB, no device and no driver needed. Prints the
# compiler's path. The toolkit is under NVIDIA's licence (License.txt in each wheel); it is fetched, never kept in the repository.
#
# The version is pinned: PTX of a newer one is not taken by the drivers of CUDA 13.0.
set -euo pipefail
folder="$(mkdir -p "$1" && cd "$1" && pwd)"
toolkit="$folder/toolkit/nvidia/cu13"
if ! "$toolkit/bin/nvcc" --version >/dev/null 2>&1; then
    command -v python3 >/dev/null || {
        echo 'python3 is missing: the toolkit comes from PyPI' >&2
        exit 2
    }
    rm -rf "$folder/toolkit" "$folder/wheels"
    python3 -m venv "$folder/venv"
    "$folder/venv/bin/pip" download --quiet --no-deps --only-binary=:all: --dest "$folder/wheels" \
        nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88 \
        nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85
    "$folder/venv/bin/pip" install --quiet --no-deps --no-index --target "$folder/toolkit" "$folder"/wheels/*.whl
    chmod +x "$toolkit"/bin/* "$toolkit"/nvvm/bin/*
    # nvcc looks in lib64, the wheels have lib.
    ln -sfn lib "$toolkit/lib64"
    rm -rf "$folder/wheels"
fi
echo "$toolkit/bin/nvcc"
