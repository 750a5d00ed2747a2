#!/bin/sh
# Build a lab kernel: build.sh um|x86 [FRAGMENT...]
# NAME=x gives it a build directory of its own, W=1 and C=1 go to make.
set -eu
. "$(dirname "$0")/common.sh"
[ $# -gt 0 ] || die "usage: build.sh um|x86 [FRAGMENT...]"
need gcc gcc make make ccache ccache flex flex bison bison bc bc
arch=$1
select_arch "$arch"
shift
[ "$arch" != x86 ] || [ -e /usr/include/gelf.h ] || die "missing: apt-get install libelf-dev"

[ -d "$linux" ] || die "no source: run scripts/get-source.sh"
mkdir -p "$out"
cat "$here/kconfig/$arch.config" "$@" > "$out/fragment"
kmake -s KCONFIG_ALLCONFIG="$out/fragment" allnoconfig >/dev/null
# What a dependency forbids is dropped silently: say it
grep -E '^CONFIG_[A-Z0-9_]+=[ym]' "$out/fragment" | sort -u | while read -r line; do
	grep -qx "$line" "$out/.config" || die "dropped by Kconfig: $line"
done
kmake -s -j"$JOBS" ${W:+W=$W} ${C:+C=$C} "${image##*/}"
ls -l "$kernel"
