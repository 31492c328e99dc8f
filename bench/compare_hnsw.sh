#!/bin/sh
# Graph search beside hnswlib, FAISS and usearch: usage bench/compare_hnsw.sh [compare_hnsw.py's options]
# Without --set: the vectors under $VSS_BENCH_DATA (build/data), NAME-base, NAME-query and NAME-gt of sift (.u8bin) and
# hog (.fbin), made there by bench/data/photos.py if missing. Graphs and results stay in $VSS_BENCH_WORK
# (build/compare_hnsw): the first run builds them, which takes hnswlib some 20 minutes a set and value of
# ef_construction. Needs make's release build and network the first time: hnswlib's source, faiss-cpu, usearch and
# matplotlib come from PyPI.
set -eu
cd "$(dirname "$0")/.."
data=${VSS_BENCH_DATA:-build/data} work=${VSS_BENCH_WORK:-build/compare_hnsw} python=build/venv/bin/python
[ -e build/release/libvss.so ] || { echo "compare_hnsw: there is no build/release/libvss.so: run make" >&2; exit 1; }
mkdir -p "$work"
[ -x $python ] || python3 -m venv build/venv
$python -c 'import faiss, usearch, matplotlib' 2>/dev/null ||
    $python -m pip install --quiet faiss-cpu numpy usearch matplotlib
if [ ! -d "$work/source" ]; then
    $python -m pip download --quiet --no-binary hnswlib --no-deps --dest "$work" hnswlib
    mkdir "$work/source"
    tar -xzf "$(ls -t "$work"/hnswlib-*.tar.gz | head -n 1)" -C "$work/source" --strip-components 1
fi
c++ -std=c++17 -O3 -march=native -Wall -Wextra -isystem "$work/source" bench/compare_hnsw_hnswlib.cpp \
    -o "$work/hnswlib" -pthread
cc -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Iinclude bench/compare_hnsw_vss.c -o "$work/vss" -Lbuild/release -lvss \
    -Wl,-rpath,"$PWD/build/release" -pthread
case " $* " in
*" --set "*) ;;
*)
    mkdir -p "$data"
    for file in sift:u8bin:800000 hog:fbin:100000; do
        name=${file%%:*} rows=${file##*:} kind=${file#*:} kind=${kind%:*}
        [ -e "$data/$name-base.$kind" ] || /usr/bin/python3 bench/data/photos.py "$name" "$data" "$rows" 1000
        [ -e "$data/$name-gt.ibin" ] || build/release/vss gt --base "$data/$name-base.$kind" \
            --queries "$data/$name-query.$kind" --metric l2 -k 100 --out "$data/$name-gt.ibin"
    done
    set -- --set "sift,$data/sift-base.u8bin,$data/sift-query.u8bin,$data/sift-gt.ibin" \
        --set "hog,$data/hog-base.fbin,$data/hog-query.fbin,$data/hog-gt.ibin" "$@"
    ;;
esac
exec $python bench/compare_hnsw.py --work "$work" "$@"
