#!/bin/sh
# The pristine 6.12.y tree of Debian's linux-source-6.12 as a git repository with one
# commit, branch base.  Works as any user; nothing is installed.
set -eu
. "$(dirname "$0")/common.sh"
need git git xz xz-utils dpkg-deb dpkg apt-get apt

[ ! -d "$linux/.git" ] || { echo "$linux is there"; exit 0; }
[ ! -e "$linux" ] || die "$linux is there, but no git repository: remove it"
tmp=$(mktemp -d "$work/source.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
(cd "$tmp" && apt-get download linux-source-6.12)
echo "unpacking $(ls "$tmp")"
dpkg-deb --fsys-tarfile "$tmp"/*.deb |
	tar -x -O --wildcards './usr/src/*.tar.xz' | tar -xJ -C "$tmp"
cd "$tmp"/linux-source-*/
git init -q -b base .
# One pack instead of 86,000 loose objects
git -c core.compression=1 -c core.bigFileThreshold=1 add -A -f
git -c user.name=mlproxy -c user.email=mlproxy@example.org commit -q \
	-m "Linux $(make -s kernelversion) from linux-source-6.12"
mv "$PWD" "$linux"
echo "Linux $(make -s -C "$linux" kernelversion) in $linux"
