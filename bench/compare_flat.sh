#!/bin/sh
# Exact search beside faiss-cpu's IndexFlat: usage bench/compare_flat.sh BASE QUERIES [ROUNDS]
# BASE and QUERIES are .u8bin or .fbin files, handed to both as float32 under l2. Needs make's release build and network
# the first time: faiss-cpu and numpy come from PyPI into build/venv.
set -eu
cd "$(dirname "$0")/.."
[ $# -ge 2 ] || { echo "usage: bench/compare_flat.sh BASE QUERIES [ROUNDS]" >&2; exit 2; }
[ -e build/release/libvss.so ] || { echo "compare_flat: there is no build/release/libvss.so: run make" >&2; exit 1; }
python=build/venv/bin/python
[ -x $python ] || python3 -m venv build/venv
$python -c 'import faiss' 2>/dev/null || $python -m pip install --quiet faiss-cpu numpy
# Some builds of OpenBLAS take new processors for very old ones.
grep -q avx512bw /proc/cpuinfo && export OPENBLAS_CORETYPE=${OPENBLAS_CORETYPE:-SkylakeX}
export OMP_NUM_THREADS=1 VSS_LIBRARY=$PWD/build/release/libvss.so PYTHONPATH=$PWD/bindings/python
exec $python bench/compare_flat.py "$@"
