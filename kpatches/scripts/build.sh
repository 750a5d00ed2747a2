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
[ "$arch" != x86 ] || need_file /usr/include/gelf.h libelf-dev

[ -d "$linux" ] || die "no source: run scripts/get-source.sh"
mkdir -p "$out"
cat "$here/kconfig/$arch.config" "$@" > "$out/fragment"
# The pristine tree, to compare with
[ -d "$linux/drivers/ml_proxy" ] || sed -i '/ML_PROXY/d; /SAMPLES/d' "$out/fragment"
kmake -s KCONFIG_ALLCONFIG="$out/fragment" allnoconfig >/dev/null
# What a dependency forbids is dropped silently: say it.  The last fragment has its way.
sed -n 's/^# \(CONFIG_[A-Z0-9_]*\) is not set$/\1=n/; /^CONFIG_/p' "$out/fragment" |
	awk -F= '{ value[$1] = $2 }
		END { for (name in value) if (value[name] ~ /^[ym]$/) print name "=" value[name] }' |
	sort | grep -vxFf "$out/.config" > "$out/dropped" || :
[ ! -s "$out/dropped" ] || die "dropped by Kconfig: $(tr '\n' ' ' < "$out/dropped")"
modules=
! grep -q '=m$' "$out/.config" || modules=modules
# shellcheck disable=SC2086
kmake -s -j"$JOBS" ${W:+W=$W} ${C:+C=$C} "${image##*/}" $modules
ls -l "$kernel"
