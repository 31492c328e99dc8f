#!/usr/bin/env bash
# Fill build/arm64/sysroot with the arm64 packages of the libraries that libvss and its tests link, of the release that
# this Debian or Ubuntu machine runs. A private apt configuration under build/arm64 downloads them and dpkg-deb unpacks
# them: the system's own packages, lists and architectures stay as they are. A complete sysroot is left alone.
set -euo pipefail
cd "$(dirname "$0")/.."
packages="libzstd1 libzstd-dev libxxhash0 libxxhash-dev libjansson4 libjansson-dev libcmocka0 libcmocka-dev"
top=$PWD/build/arm64

. /etc/os-release
suite=${VERSION_CODENAME:?the release of this system has no code name}
case "$ID" in
    debian)
        uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' | sed -n 1p)
        source="${uri:-http://deb.debian.org/debian} $suite main" ;;
    ubuntu) source="http://ports.ubuntu.com/ubuntu-ports $suite main universe" ;;
    *) echo "arm64: no package source known for $ID; put the libraries into $top/sysroot by hand" >&2; exit 1 ;;
esac
key=/usr/share/keyrings/$ID-archive-keyring.gpg
line="deb [arch=arm64 signed-by=$key] $source"
wanted="$line: $packages"
[ "$(cat "$top/sysroot/complete" 2>/dev/null)" = "$wanted" ] && exit 0

echo "arm64: downloading $packages from $source"
rm -rf "$top/sysroot" "$top/apt"
mkdir -p "$top/sysroot" "$top/apt/lists/partial" "$top/apt/cache/archives/partial" "$top/apt/debs" "$top/apt/empty"
: >"$top/apt/status"
echo "$line" >"$top/apt/sources.list"
private=(-qq -o "Dir::State=$top/apt" -o "Dir::State::lists=$top/apt/lists" -o "Dir::State::status=$top/apt/status"
    -o "Dir::Cache=$top/apt/cache" -o "Dir::Etc::sourcelist=$top/apt/sources.list"
    -o "Dir::Etc::sourceparts=$top/apt/empty" -o "Dir::Etc::preferencesparts=$top/apt/empty"
    -o APT::Architecture=arm64 -o APT::Architectures=arm64
    -o APT::Sandbox::User= -o Acquire::Languages=none)
apt-get "${private[@]}" update
(cd "$top/apt/debs" && apt-get "${private[@]}" download $packages)
for deb in "$top"/apt/debs/*.deb; do
    dpkg-deb -x "$deb" "$top/sysroot"
done
rm -rf "$top/apt"
echo "$wanted" >"$top/sysroot/complete"
