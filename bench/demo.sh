#!/bin/sh
# The main job on real data: every package of Debian's archive, made searchable by meaning. Needs no network and writes
# into a temporary directory only. VSS names the tool, build/release/vss by default.
set -eu
cd "$(dirname "$0")/.."
vss=${VSS:-build/release/vss}
data=examples/data
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT INT TERM

[ -x "$vss" ] || { echo "demo: there is no $vss: build it with make" >&2; exit 1; }
bold='' dim='' plain=''
if [ -t 1 ]; then
    bold=$(printf '\033[1m') dim=$(printf '\033[2m') plain=$(printf '\033[0m')
fi

title() { printf '\n%s== %s%s\n' "$bold" "$1" "$plain"; }
note() { printf '%s%s%s\n' "$dim" "$1" "$plain"; }
now() { date +%s%N; }

# Show a command as a person would type it, then run it.
run() {
    shown=
    for word in "$@"; do
        case $word in
        *[!A-Za-z0-9_./=,:+-]*) word="'$word'" ;;
        esac
        shown="$shown $word"
    done
    printf '\n%s$ vss%s%s\n' "$bold" "$(printf '%s' "$shown" | sed "s#$tmp/##g")" "$plain"
    "$vss" "$@" >"$tmp/shown"
    sed "s#$tmp/##g" "$tmp/shown"
}

printf '%slibvss%s: 63,666 Debian packages, their descriptions as vectors of 128 numbers.\n' "$bold" "$plain"
note "$("$vss" version), one collection in one directory, no server."

title "Make a collection and fill it"
run create "$tmp/debian/packages" --schema $data/packages.schema.json
run import "$tmp/debian/packages" --vectors $data/packages.npy --rows $data/packages.jsonl.zst
run index "$tmp/debian/packages" hnsw --set m=32
run inspect "$tmp/debian/packages"

title "Packages like nginx"
run search "$tmp/debian/packages" --like nginx -k 5 --fields section,installed_kb,description

title "The same, but only small ones that are web servers"
run search "$tmp/debian/packages" --like nginx -k 5 --filter 'section == "httpd" and installed_kb < 1000' \
    --fields section,installed_kb,description

title "Like two at once: a web server and a database"
run search "$tmp/debian/packages" --like nginx --like sqlite3 -k 5 --fields section,installed_kb,description

title "How good is the index? 1,000 packages as queries, against comparing all rows"
answers() {
    begin=$(now)
    "$vss" search "$tmp/debian/packages" --queries $data/packages.npy --first 1000 -k 10 --set "$1" --json >"$tmp/shown"
    end=$(now)
    milliseconds=$(((end - begin) / 1000000))
    sed -E 's/"rank": [0-9]+, |, "distance".*//g' "$tmp/shown" | LC_ALL=C sort >"$2"
}
answers exact=1 "$tmp/exact"
printf '\n  %-12s recall@10 %s   %6d ms for all queries\n' exact=1 1.0000 "$milliseconds"
for ef in 16 64 128; do
    answers ef=$ef "$tmp/found"
    recall=$(LC_ALL=C comm -12 "$tmp/exact" "$tmp/found" | wc -l | awk '{printf "%.4f", $1 / 10000}')
    printf '  %-12s recall@10 %s   %6d ms for all queries\n' "ef=$ef" "$recall" "$milliseconds"
done
note "  (the whole process each time: start, open, search, print)"

title "On disk, and back again"
megabytes=$(du -sb "$tmp/debian" | awk '{printf "%.1f", $1 / 1e6}')
printf '\n  %-34s %s MB\n' "the collection with its index" "$megabytes"
begin=$(now)
"$vss" inspect "$tmp/debian/packages" >/dev/null
end=$(now)
printf '  %-34s %d ms\n' "a new process opens it in" $(((end - begin) / 1000000))
begin=$(now)
"$vss" search "$tmp/debian/packages" --like sqlite3 -k 1 >/dev/null
end=$(now)
printf '  %-34s %d ms\n' "and has its first answer after" $(((end - begin) / 1000000))
run check "$tmp/debian/packages"
