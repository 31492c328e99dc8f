#!/usr/bin/env bash
# The shared library exports the functions that include/ declares, all of them and nothing else, and needs only the
# libraries that are allowed. symbols.sh LIBRARY
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
library=$1
exported=$(nm -D --defined-only "$library" | awk '{ print $3 }' | sort)
declared=$(cat "$root"/include/vss/*.h | tr '\n' ' ' | grep -oE 'VSS_API [^;(]*\(' | grep -oE 'vss_[a-z0-9_]+\($' |
    tr -d '(' | sort -u)
if ! diff <(echo "$declared") <(echo "$exported"); then
    echo "symbols: what is declared (<) and exported (>) differ"
    exit 1
fi
needed=$(objdump -p "$library" | awk '/NEEDED/ { print $2 }')
for name in $needed; do
    case "$name" in
        libc.so.* | libm.so.* | libzstd.so.* | libxxhash.so.* | libjansson.so.* | ld-linux*) ;;
        *) echo "symbols: $library needs $name"; exit 1 ;;
    esac
done
echo "symbols: $(echo "$exported" | wc -l) exported, needs" $needed
