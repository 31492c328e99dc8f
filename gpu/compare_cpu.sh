#!/bin/sh
# Recall and speed of a device beside the CPU's, through libvss: usage gpu/compare_cpu.sh LIBRARY DEVICE BASE QUERIES
# LIBRARY is what vss --device-library takes; BASE and QUERIES are .u8bin or .fbin files, handed over as float32 under
# l2. Each index is built and searched by both, anew for every batch; the columns are those of vss bench. VSS_BATCHES:
# queries a call, "1 10 100 10000" unless said otherwise. Needs the release build of make.
set -eu
cd "$(dirname "$0")/.."
[ $# -eq 4 ] || { echo "usage: gpu/compare_cpu.sh LIBRARY DEVICE BASE QUERIES" >&2; exit 2; }
tool=${VSS_TOOL:-build/release/vss}
[ -x "$tool" ] || { echo "compare_cpu: there is no $tool: run make" >&2; exit 1; }
library=$1 device=$2 base=$3 queries=$4

# compare INDEX [OPTION...]
compare() {
    for batch in ${VSS_BATCHES:-1 10 100 10000}; do
        for by in cpu "$device"; do
            printf '\n%s, %s queries a call, %s\n' "$1" "$batch" "$by"
            "$tool" --device-library "$library" bench --base "$base" --queries "$queries" --metric l2 \
                --threads "$(nproc)" --batch "$batch" --device "$by" --index "$@"
        done
    done
}

compare flat
compare hnsw --sweep ef=16,32,64,128,256
compare ivf_flat --sweep nprobe=1,4,16,64
compare ivf_rabitq --sweep nprobe=1,4,16,64
