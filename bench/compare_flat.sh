#!/bin/sh
# Exact search beside faiss-cpu's IndexFlat: usage bench/compare_flat.sh [--data DIR] [--sets ...] [--tables ...]
# [--rounds N] [--threads 1,2] [--batches 1,64]; bench/compare_flat.py says what they are. Needs make's release build
# (or the library that VSS_LIBRARY names). The first time faiss-cpu and numpy come from PyPI into build/venv, and
# missing data are made in DIR (build/data).
set -eu
cd "$(dirname "$0")/.."
[ -e build/release/libvss.so ] || { echo "compare_flat: there is no build/release/libvss.so: run make" >&2; exit 1; }
python=build/venv/bin/python
[ -x $python ] || python3 -m venv build/venv
$python -c 'import faiss' 2>/dev/null || $python -m pip install --quiet faiss-cpu numpy
# Some builds of OpenBLAS take new processors for very old ones.
grep -q avx512bw /proc/cpuinfo && export OPENBLAS_CORETYPE=${OPENBLAS_CORETYPE:-SkylakeX}
# Huge pages for faiss's rows too, as libvss asks for them.
export GLIBC_TUNABLES=glibc.malloc.hugetlb=1 PYTHONPATH=$PWD/bindings/python
export VSS_LIBRARY=${VSS_LIBRARY:-$PWD/build/release/libvss.so}
exec $python bench/compare_flat.py "$@"
