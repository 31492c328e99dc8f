#!/bin/sh
# simsimd.sh [ARGUMENTS] - build vss-bench-kernels with simsimd's kernels beside ours in build/simsimd, and run it.
# Fetches simsimd's source from PyPI the first time.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build/simsimd
mkdir -p "$build/source"
if [ ! -f "$build/source/include/simsimd/simsimd.h" ]; then
    python3 -m pip download --quiet --no-binary :all: --no-deps --dest "$build" simsimd
    tar -xzf "$(ls -t "$build"/simsimd-*.tar.gz | head -n 1)" -C "$build/source" --strip-components 1
fi
cmake --preset release -S "$root" -B "$build" "-DVSS_SIMSIMD_DIR=$build/source" >/dev/null
cmake --build "$build" --target vss_bench_kernels -j 2
exec "$build/vss-bench-kernels" "$@"
