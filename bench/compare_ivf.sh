#!/bin/sh
# Inverted lists beside faiss-cpu's: usage bench/compare_ivf.sh curves|turned|codes|kmeans BASE QUERIES [NLIST [ROUNDS]]
# BASE and QUERIES are .u8bin or .fbin files, handed to both as float32 under l2. Needs make's release build and network
# the first time: faiss-cpu and numpy come from PyPI into build/venv. VSS_PYTHON=PROGRAM takes another Python.
set -eu
cd "$(dirname "$0")/.."
[ $# -ge 3 ] || {
    echo "usage: bench/compare_ivf.sh curves|turned|codes|kmeans BASE QUERIES [NLIST [ROUNDS]]" >&2
    exit 2
}
[ -e build/release/libvss.so ] || { echo "compare_ivf: there is no build/release/libvss.so: run make" >&2; exit 1; }
python=${VSS_PYTHON:-build/venv/bin/python}
[ -x "$python" ] || python3 -m venv build/venv
$python -c 'import faiss' 2>/dev/null || $python -m pip install --quiet faiss-cpu numpy
# Some builds of OpenBLAS take new processors for very old ones.
grep -q avx512bw /proc/cpuinfo && export OPENBLAS_CORETYPE=${OPENBLAS_CORETYPE:-SkylakeX}
export OMP_NUM_THREADS=1 VSS_LIBRARY=$PWD/build/release/libvss.so PYTHONPATH=$PWD/bindings/python
exec $python bench/compare_ivf.py "$@"
