#!/bin/sh
# What the KUnit suites reach of the files that decide, in a UML build of its own: every line,
# and every branch both ways.  Fails for a line that is never reached.
set -eu
. "$(dirname "$0")/common.sh"
need gcov gcc python3 python3
files="commit lease slots trial"
NAME=coverage
export NAME
profiled=
for name in $files; do
	profiled="$profiled GCOV_PROFILE_$name.o=y"
done
# make hands what is set on its command line down to every directory
MAKEFLAGS=$profiled "$here/scripts/build.sh" um "$here/kconfig/um-coverage.config"

select_arch um
tmp=$(mktemp -d "$work/coverage.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
# The suites run when it boots; a counter file leaves the guest as text
KERNEL=$kernel "$here/scripts/boot.sh" um '
	find /sys/kernel/debug/gcov -path "*/ml_proxy/*.gcda" | while read -r file; do
		echo "gcda $(basename "$file") $(base64 -w 0 <"$file")"
	done' > "$tmp/log"
python3 "$here/checks/coverage.py" "$tmp/log" "$out/drivers/ml_proxy" "$linux"
