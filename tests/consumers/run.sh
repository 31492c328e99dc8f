#!/usr/bin/env bash
# Outside programs: install the build into a folder of its own, build and run programs against it in every way that is
# offered, look at what the libraries need, uninstall, and see that nothing is left.
#   tests/consumers/run.sh [BUILD]        a built CMake build folder; build/release by default
# With VSS_TIER=full also: a host that uses OpenBLAS keeps its thread setting (skipped, and said so, without OpenBLAS).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$(cd "${1:-$root/build/release}" && pwd)
cc=${CC:-cc}
warnings=(-Wall -Wextra -Werror)
work=$(mktemp -d)
prefix=$work/prefix
trap 'restore_manifest; rm -rf "$work"' EXIT

fail() { echo "consumers: $*" >&2; exit 1; }

# The manifest of what somebody installed from this build before stays as it was.
manifest=$build/install_manifest.txt
[ ! -f "$manifest" ] || cp -p "$manifest" "$work/manifest"
restore_manifest() {
    rm -f "$manifest"
    [ ! -f "$work/manifest" ] || cp -p "$work/manifest" "$manifest"
}

# run NAME PROGRAM [ARGUMENT...]: run it, and show its line.
run() {
    local name=$1
    shift
    printf '%-28s' "$name"
    env -u LD_LIBRARY_PATH "$@" || fail "$name failed"
}
folder() { mktemp -d "$work/db-XXXXXX"; }

# The libraries that a program or a library names, one a line.
# No grep -q behind a pipe: it would end the writer early, which pipefail takes for a failure.
needed() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }
needs_shared() { needed "$1" | grep -x 'libvss\.so\.0' >/dev/null || fail "${1#"$work"/} does not need libvss.so.0"; }

install_all() {
    cmake --install "$build" --prefix "$prefix" >/dev/null
    libraries=$(dirname "$(find "$prefix" -name libvss.so.0)")
    diff <(cd "$root/include" && find . -name '*.h' | sort) <(cd "$prefix/include" && find . -type f | sort) ||
        fail "the installed headers (>) are not those of include/ (<)"
}

look_at_library() {
    local library=$libraries/libvss.so.0 name
    readelf -d "$library" | grep 'SONAME.*\[libvss\.so\.0\]' >/dev/null || fail "SONAME is not libvss.so.0"
    for name in $(needed "$library"); do
        case "$name" in
            libc.so.* | libm.so.* | libzstd.so.* | libjansson.so.* | ld-linux*) ;;
            *) fail "libvss.so needs $name" ;;
        esac
    done
    if readelf -d "$library" | grep -E 'RPATH|RUNPATH|TEXTREL'; then fail "libvss.so has what is shown above"; fi
    if grep -rIl "$root\|$work" "$prefix" | grep .; then fail "an installed text names a folder of this machine"; fi
    echo "libvss.so.0 needs:          " $(needed "$library")
}

by_pkg_config() {
    export PKG_CONFIG_PATH=$libraries/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
    local source=$here/program/consumer.c
    # Flags are words: no quotes around $(pkg-config ...).
    $cc -std=c11 -pedantic "${warnings[@]}" $(pkg-config --cflags vss) "$source" -o "$work/shared" \
        $(pkg-config --libs vss) -Wl,-rpath,"$libraries"
    needs_shared "$work/shared"
    run "pkg-config, shared" "$work/shared" "$(folder)"
    VSS_SIMD=scalar "$work/shared" "$(folder)" | grep ', scalar$' >/dev/null ||
        fail "VSS_SIMD=scalar: another level is in use"
    $cc -std=c11 -pedantic "${warnings[@]}" $(pkg-config --static --cflags vss) "$source" -static -o "$work/static" \
        $(pkg-config --static --libs vss)
    [ -z "$(needed "$work/static")" ] || fail "pkg-config --static: the program needs $(needed "$work/static")"
    run "pkg-config --static" "$work/static" "$(folder)"
    cxx=${CXX:-$(command -v c++ || command -v g++ || command -v clang++)} || fail "no C++ compiler"
    $cxx -std=c++17 -pedantic "${warnings[@]}" $(pkg-config --cflags vss) "$here/cplusplus/consumer.cpp" \
        -o "$work/cplusplus" $(pkg-config --libs vss) -Wl,-rpath,"$libraries"
    run "C++17, pkg-config" "$work/cplusplus"
}

# by_cmake NAME SOURCE [OPTION...]: configure and build the project, and run its two programs.
by_cmake() {
    local name=$1 source=$2 log=$work/$1.log
    shift 2
    { cmake -S "$source" -B "$work/$name" -G Ninja -DCMAKE_C_COMPILER="$cc" "$@" &&
        cmake --build "$work/$name" -j 2; } >"$log" 2>&1 || { tail -n 20 "$log" >&2; fail "$name: the build failed"; }
    if grep -q 'warning:\|CMake Warning' "$log"; then tail -n 20 "$log" >&2; fail "$name: the build warns"; fi
    needs_shared "$work/$name/consumer-vss"
    if needed "$work/$name/consumer-vss_static" | grep libvss; then fail "$name: consumer-vss_static needs it"; fi
    run "$name, shared" "$work/$name/consumer-vss" "$(folder)"
    run "$name, static" "$work/$name/consumer-vss_static" "$(folder)"
}

uninstall_all() {
    cmake --build "$build" --target uninstall >"$work/uninstall.log" 2>&1 ||
        { tail -n 5 "$work/uninstall.log" >&2; fail "the target uninstall failed"; }
    if find "$prefix" ! -type d -o -name vss | grep .; then fail "left by uninstall: see above"; fi
    echo "uninstall                   nothing is left"
}

beside_openblas() {
    if ! pkg-config --exists openblas; then
        echo "SKIPPED: a host with OpenBLAS (install libopenblas-dev to run it)"
        return
    fi
    $cc -std=c11 "${warnings[@]}" $(pkg-config --cflags vss openblas) "$here/openblas/host.c" -o "$work/host" \
        $(pkg-config --libs vss openblas) -Wl,-rpath,"$libraries"
    run "OpenBLAS in the host" "$work/host"
}

install_all
look_at_library
by_pkg_config
[ "${VSS_TIER:-quick}" != full ] || beside_openblas
by_cmake find_package "$here/package" -DCMAKE_PREFIX_PATH="$prefix"
by_cmake add_subdirectory "$here/subdirectory" -DCMAKE_BUILD_TYPE=Debug
uninstall_all
