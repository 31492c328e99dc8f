#!/usr/bin/env bash
# The test suite. run.sh quick: what every commit passes. run.sh full: the long programmes too.
# Each line "== name" is one stage; the first failing stage ends the run.
set -euo pipefail
cd "$(dirname "$0")/.."
tier=${1:-quick}
jobs=$(nproc)
python=/usr/bin/python3
export VSS_TIER=$tier
shorter=$([ "$tier" = full ] && echo quick || echo brief) # for sanitizers, which take several times as long, and levels

stage() { printf '\n== %s\n' "$*"; }
build() {
    [ -f "build/$1/build.ninja" ] || cmake --preset "$1" >/dev/null
    cmake --build "build/$1" -j "$jobs" | tail -n 3
}
# units PRESET [WHICH [LINES [BUT]]]
units() {
    ctest --test-dir "build/$1" --output-on-failure -j "$jobs" ${2:+-R "$2"} ${4:+-E "$4"} | tail -n "${3:-12}"
}

stage "layers, sizes, documented and tested functions, planted bugs"
$python tests/checks/layers.py
$python tests/checks/sizes.py
$python tests/checks/public.py
$python tests/planted/run.py --apply
stage "release build, gcc"
build release
stage "unit, conformance and hostile tests, release"
units release
stage "the README's first program"
$python tests/checks/readme.py build/release/examples/01_hello
stage "exported symbols"
tests/checks/symbols.sh build/release/libvss.so
stage "consumers"
tests/consumers/run.sh
stage "build, clang"
build clang
stage "unit tests at the scalar, AVX2 and VNNI levels"
# Programs that call kernels of the level in use; those that loop over levels, or run at each already, are left out.
for level in scalar avx2; do
    VSS_TIER=$shorter VSS_SIMD=$level units release "test_(topk|flat|flat_codes|hnsw|conformance)\$" 4
done
VSS_TIER=$shorter VSS_SIMD=avx512vnni units release "test_(topk|flat|flat_codes)\$" 4
stage "address and undefined behaviour sanitizers"
build asan
leveled="test_(digest_index|ivf_batch|kmeans|exact)_" # their other levels have the kernels of test_simd
VSS_TIER=$shorter ASAN_OPTIONS=detect_leaks=1 units asan . 12 "$leveled"
stage "thread sanitizer"
build tsan
threaded='threads|kmeans|pq|versions|parallel|storage|posix|hnsw_threads|device_graph|device_encode|index_copy'
threaded+='|grow|compact|compact_beside|background'
VSS_TIER=$shorter units tsan "test_($threaded)\$" 7
# Where the files of the tests below go: memory where it is offered, because every flush waits for the disk.
folder=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")")
trap 'rm -rf "$folder"' EXIT
stage "the tool"
VSS_TOOL=$PWD/build/release/vss $python -m pytest -q --basetemp="$folder/cli" tests/cli
stage "the FAISS plug-in"
faiss=$(cmake/faiss.sh 2>&1) && code=0 || code=$?
if [ "$code" = 3 ]; then
    echo "skipped: $faiss"
else
    echo "$faiss"
    make --no-print-directory faiss | tail -n 3
    VSS_TOOL=$PWD/build/release/vss VSS_LIBRARY=$PWD/build/release/libvss.so.0 \
        $python -m pytest -q -W ignore::DeprecationWarning --basetemp="$folder/faiss" tests/faiss
fi
stage "the GPU library"
VSS_TIER=$tier tests/gpu/run.sh
stage "Python"
VSS_LIBRARY=$PWD/build/release/libvss.so.0 $python -m pytest -q --basetemp="$folder/python" tests/python

if [ "$tier" = full ]; then
    stage "arm64, under qemu"
    tests/arm64.sh
    stage "planted bugs"
    $python tests/planted/run.py
    stage "fuzzing"
    build fuzz
    for fuzzer in build/fuzz/tests/fuzz_*; do
        [ -x "$fuzzer" ] || continue
        "$fuzzer" -max_len=1048576 -max_total_time="${VSS_FUZZ_SECONDS:-300}" -timeout=10 -rss_limit_mb=2048 2>&1 |
            tail -n 3
    done
fi
stage "all passed ($tier)"
