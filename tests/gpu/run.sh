#!/usr/bin/env bash
# Tests of libvss_gpu, beside a release build of libvss: its kernels on the host, plain and under sanitizers, and libvss
# through them; with a CUDA compiler libvss_gpu.so, and its kernels on the GPU where there is one.
# run.sh [ARCHITECTURES]: those the kernels are compiled for, 80 unless said otherwise.
set -euo pipefail
cd "$(dirname "$0")/../.."
architectures=${1:-80}
tier=${VSS_TIER:-quick}
python=/usr/bin/python3
jobs=${VSS_JOBS:-$(nproc)}

# build FOLDER OPTIONS...
build() {
    local folder=build/gpu/$1
    shift
    cmake -S gpu -B "$folder" -G Ninja "$@" >/dev/null
    cmake --build "$folder" -j "$jobs" | tail -n 1
}
units() { ctest --test-dir "build/gpu/$1" --output-on-failure -j "$jobs" ${2:+-R "$2"} | tail -n 5; }

build host -DVSS_GPU_CUDA=OFF
units host
sanitized=$([ "$tier" = full ] && echo quick || echo brief)
for sanitizer in address,undefined thread; do
    name=$([ "$sanitizer" = thread ] && echo tsan || echo asan)
    build "$name" -DVSS_GPU_CUDA=OFF -DVSS_SANITIZE="$sanitizer" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS=-O1 \
        -DCMAKE_C_FLAGS=-O1
    VSS_TIER=$sanitized units "$name" "$([ "$name" = tsan ] && echo "threads|words" || echo .)"
done
# Threads of a block side by side: what races on a card does so there, too.
build beside -DVSS_GPU_CUDA=OFF -DVSS_GPU_BESIDE=ON -DVSS_SANITIZE=thread -DCMAKE_BUILD_TYPE=Debug \
    -DCMAKE_CXX_FLAGS=-O1 -DCMAKE_C_FLAGS=-O1
units beside
if command -v clang++ >/dev/null; then
    build clang -DVSS_GPU_CUDA=OFF -DVSS_GPU_TESTS=OFF -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++
fi
plugin=
if command -v nvcc >/dev/null || [ -x /usr/local/cuda/bin/nvcc ]; then
    build cuda -DVSS_GPU_ARCHITECTURES="$architectures"
    plugin=build/gpu/cuda/libvss_gpu.so
    ctest --test-dir build/gpu/cuda -R _real -V | grep -E 'SKIPPED|FAILED|tests passed|^[0-9]+: .*(OK|GPU)' || true
    ctest --test-dir build/gpu/cuda -R _real --output-on-failure >/dev/null
else
    echo "skipped: no CUDA compiler, libvss_gpu.so is not built"
fi
folder=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")")
trap 'rm -rf "$folder"' EXIT
export VSS_TOOL=$PWD/build/release/vss VSS_LIBRARY=$PWD/build/release/libvss.so.0
${plugin:+env VSS_GPU_PLUGIN="$PWD/$plugin"} $python -m pytest -q --basetemp="$folder/gpu" tests/gpu
