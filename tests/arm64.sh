#!/usr/bin/env bash
# The library, the tool and the C tests for arm64, cross-compiled and run under qemu on another machine.
# Needs what cmake/setup.sh full installs. Everything lands in build/arm64; a second run builds only what changed.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=$(nproc)
python=/usr/bin/python3
qemu="qemu-aarch64 -L /usr/aarch64-linux-gnu"
release=build/arm64/release

# Minutes each under qemu: they damage or fail the same code once a byte or call, or compare with a slow truth.
slow="bytes faults mended conformance"

if [ "$(uname -m)" = aarch64 ]; then
    echo "arm64: this machine is one; its own builds and tests are the arm64 ones"
    exit 0
fi
for program in aarch64-linux-gnu-gcc qemu-aarch64; do
    command -v "$program" >/dev/null ||
        { echo "arm64: $program is missing; cmake/setup.sh full installs it" >&2; exit 1; }
done

# build PRESET TARGET...: in build/arm64/PRESET.
build() {
    local folder=build/arm64/$1
    [ -f "$folder/build.ninja" ] || cmake --preset "$1" -B "$folder" -DCMAKE_TOOLCHAIN_FILE=cmake/arm64.cmake >/dev/null
    shift
    cmake --build "$folder" -j "$jobs" --target "$@" >"$folder/build.log" 2>&1 ||
        { tail -n 30 "$folder/build.log"; exit 1; }
    if grep -n 'warning:' "$folder/build.log"; then
        echo "arm64: warnings in $folder" >&2
        exit 1
    fi
    echo "arm64: $folder built without a warning"
}

# units PRESET EXPRESSION: the tests of that name, and one line of counts.
units() {
    local folder=build/arm64/$1
    ctest --test-dir "$folder" -R "$2" -E "^header_|^test_(${slow// /|})\$" --output-on-failure -j "$jobs" \
        >"$folder/ctest.log" || { cat "$folder/ctest.log"; exit 1; }
    echo "arm64: $folder: $(grep 'tests passed' "$folder/ctest.log")"
}

# The tool: rows made here, imported and searched under qemu; the files are then read by the tool of this machine.
tool() {
    local folder=build/arm64/tool
    rm -rf "$folder"
    mkdir -p "$folder"
    $python -c "
import numpy
numpy.save('$folder/rows.npy', numpy.random.default_rng(1).standard_normal((3000, 24), dtype=numpy.float32))
numpy.save('$folder/queries.npy', numpy.random.default_rng(2).standard_normal((20, 24), dtype=numpy.float32))"
    $qemu $release/vss version
    $qemu $release/vss create "$folder/db/rows" --dim 24 --metric cosine >/dev/null
    $qemu $release/vss import "$folder/db/rows" --vectors "$folder/rows.npy" >/dev/null
    $qemu $release/vss index "$folder/db/rows" hnsw >/dev/null
    local search=(search "$folder/db/rows" --queries "$folder/queries.npy" -k 10 --json --set exact=1)
    $qemu $release/vss "${search[@]}" >"$folder/arm64.json"
    build/release/vss "${search[@]}" >"$folder/here.json"
    cmp "$folder/arm64.json" "$folder/here.json"
    [ "$(wc -l <"$folder/arm64.json")" = 200 ]
    build/release/vss check "$folder/db/rows" >/dev/null
    echo "arm64: the tool made a collection of 3,000 rows and an index; 200 hits are the same, read there and here"
}

cmake/arm64-sysroot.sh
if [ ! -x build/release/vss ]; then
    cmake --preset release >/dev/null
    cmake --build build/release -j "$jobs" --target vss_tool >/dev/null
fi
build release all
echo "arm64: too slow under qemu, not run: $slow"
units release '^test_'
for level in scalar neon; do VSS_SIMD=$level units release '^test_(digest|topk|flat)$'; done
build clang vss test_simd test_digest test_digest_index
units clang '^test_(simd|digest|digest_index)$'
build asan test_simd test_digest
ASAN_OPTIONS=detect_leaks=0 units asan '^test_(simd|digest)$' # leaks: not seen under qemu
tool
