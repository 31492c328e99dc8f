#!/usr/bin/env bash
# FAISS with its C API, for the plug-in libvss_faiss.so, of the release that this Debian or Ubuntu machine runs: the
# packages of FAISS and of the BLAS it needs, unpacked into build/faiss/root, and of FAISS' source package the C API
# alone, compiled position-independent into build/faiss/root/usr/lib/libfaiss_c.a. Debian packages FAISS without it.
# A private apt configuration under build/faiss downloads; the system's packages and lists stay as they are. What is
# complete is left alone. Exit code 3: the packages are not to be had, and the line says why.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD/build/faiss
root=$top/root
# OpenBLAS in its OpenMP form: FAISS' number of threads, one a call unless asked, is then the number BLAS uses too.
packages="libfaiss-dev python3-faiss libopenblas0-openmp libopenblas-openmp-dev libgfortran5"
[ "$(dpkg --print-architecture 2>/dev/null)" != amd64 ] || packages="$packages libquadmath0"
# Of the C API, what the plug-in calls and what that needs.
sources="error_impl Index_c index_factory_c"

refuse() { echo "faiss: $*" >&2; exit 3; }

for program in apt-get dpkg-deb dpkg tar g++; do
    command -v "$program" >/dev/null || refuse "$program is missing"
done
. /etc/os-release
suite=${VERSION_CODENAME:-}
[ -n "$suite" ] || refuse "the release of this system has no code name"
case "$ID" in
    debian) origin=Debian components=main default=http://deb.debian.org/debian ;;
    ubuntu) origin=Ubuntu components="main universe" default=http://archive.ubuntu.com/ubuntu ;;
    *) refuse "no package source known for $ID; install FAISS with its C API by hand" ;;
esac
uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Origin: $origin" | sed -n 1p)
from="[signed-by=/usr/share/keyrings/$ID-archive-keyring.gpg] ${uri:-$default} $suite $components"
wanted="$from: $(g++ -dumpfullversion): script $(cksum <cmake/faiss.sh)"
[ "$(cat "$root/complete" 2>/dev/null)" = "$wanted" ] && exit 0
[ "${VSS_NO_INSTALL:-}" != 1 ] || refuse "VSS_NO_INSTALL=1, nothing is downloaded"

echo "faiss: downloading $packages and FAISS' source from ${uri:-$default} $suite"
rm -rf "$top"
mkdir -p "$root" "$top/apt/lists/partial" "$top/apt/cache/archives/partial" "$top/apt/debs" "$top/apt/empty"
: >"$top/apt/status"
printf 'deb %s\ndeb-src %s\n' "$from" "$from" >"$top/apt/sources.list"
private=(-qq -o "Dir::State=$top/apt" -o "Dir::State::lists=$top/apt/lists" -o "Dir::State::status=$top/apt/status"
    -o "Dir::Cache=$top/apt/cache" -o "Dir::Etc::sourcelist=$top/apt/sources.list"
    -o "Dir::Etc::sourceparts=$top/apt/empty" -o "Dir::Etc::preferencesparts=$top/apt/empty"
    -o APT::Sandbox::User= -o Acquire::Languages=none -o APT::Get::List-Cleanup=0)
apt-get "${private[@]}" update 2>"$top/apt/log" || refuse "apt-get update: $(tail -n 1 "$top/apt/log")"
cd "$top/apt/debs"
apt-get "${private[@]}" download $packages 2>"$top/apt/log" ||
    refuse "apt-get download: $(tail -n 1 "$top/apt/log")"
apt-get "${private[@]}" source --download-only faiss >"$top/apt/log" 2>&1 ||
    refuse "apt-get source: $(tail -n 1 "$top/apt/log")"
for deb in ./*.deb; do
    dpkg-deb -x "$deb" "$root"
done
mkdir "$top/source"
tar -xf faiss_*.orig.tar.* -C "$top/source" --strip-components=1

# What the packages' alternatives would link: plain names for BLAS and LAPACK.
library=$root/usr/lib/$(gcc -print-multiarch)
ln -sf "$library"/openblas-openmp/libopenblas*.so.0 "$library/libopenblas.so.0"

cd "$top/source/c_api"
mkdir -p "$root/usr/include/faiss/c_api" "$top/objects"
cp --parents ./*.h impl/*.h "$root/usr/include/faiss/c_api"
for name in $sources; do
    g++ -std=c++11 -O2 -DNDEBUG -fPIC -fvisibility=hidden -w -I"$root/usr/include" -c "$name.cpp" \
        -o "$top/objects/$name.o"
done
ar rcs "$root/usr/lib/libfaiss_c.a" "$top"/objects/*.o
rm -rf "$top/apt" "$top/objects" "$top/source"
echo "$wanted" >"$root/complete"
echo "faiss: the C API is in build/faiss/root"
