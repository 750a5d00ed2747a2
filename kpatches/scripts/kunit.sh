#!/bin/sh
# The KUnit suites of the series, on the UML build.
set -eu
. "$(dirname "$0")/common.sh"
need python3 python3
select_arch um
[ -e "$kernel" ] || die "no kernel: run scripts/build.sh um"
cd "$linux"
exec tools/testing/kunit/kunit.py exec --arch=um --build_dir="$out" --timeout=120 'ml_proxy*'
