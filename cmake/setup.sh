#!/usr/bin/env bash
# Install the Debian packages that the build, the demo or the tests need, saying which.
#   cmake/setup.sh demo | test | full
# With VSS_NO_INSTALL=1: only list what is missing, and fail if anything is.
set -euo pipefail

build="gcc g++ make cmake ninja-build pkg-config libzstd-dev libxxhash-dev libjansson-dev"
case "${1:-}" in
    demo) wanted="$build" ;;
    test) wanted="$build clang llvm libclang-rt-dev libcmocka-dev python3 python3-numpy python3-pytest zstd" ;;
    full) wanted="$build clang llvm libclang-rt-dev libcmocka-dev python3 python3-numpy python3-pytest python3-venv"
        wanted="$wanted zstd libopenblas-dev"
        [ "$(uname -m)" = aarch64 ] || wanted="$wanted gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user" ;;
    *) echo "usage: cmake/setup.sh demo|test|full" >&2; exit 2 ;;
esac

# Debian names clang's runtime after its version.
clang_runtime() {
    local version
    version=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\).*/\1/p' | head -n 1)
    [ -n "$version" ] && echo "libclang-rt-$version-dev"
}
is_installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

command -v dpkg-query >/dev/null || { echo "setup: not a Debian system; install by hand: $wanted" >&2; exit 0; }
missing() {
    local package
    for package in $wanted; do
        [ "$package" = libclang-rt-dev ] && package=$(clang_runtime || true)
        [ -z "$package" ] || is_installed "$package" || echo "$package"
    done
}
need=$(missing | tr '\n' ' ')
[ -z "${need// /}" ] && exit 0
if [ "${VSS_NO_INSTALL:-}" = 1 ]; then
    echo "setup: missing packages (VSS_NO_INSTALL=1, nothing is installed): $need" >&2
    exit 1
fi
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
echo "setup: installing $need"
$sudo apt-get update -qq
need=$(missing | tr '\n' ' ') # the runtime's name may be known only now
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $need >/dev/null
