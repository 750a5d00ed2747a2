#!/bin/sh
# Everything that can be asked of a booted kernel, on the UML build: KUnit, kselftest and
# the checks.  RUNS is how often each measurement is repeated.
set -eu
. "$(dirname "$0")/common.sh"
need fio fio python3 python3 mkfs.ext4 e2fsprogs
runs=${RUNS:-1}
failed=

ask() {
	echo "== $*"
	"$@" || failed="$failed${failed:+, }$*"
}

check() {
	name=$1
	shift
	ask "$here/scripts/boot.sh" um "python3 $here/checks/$name.py $*"
}

export MEM="${MEM:-2G}" TIMEOUT="${TIMEOUT:-3600}"
ask "$here/scripts/kunit.sh"
ask "$here/scripts/selftest.sh" um
check attributes "$linux"
check notices
check open_files
check dead_man --runs "$runs"
check trial_judges --runs "$runs"
check dirty_limit
check async_depth
[ -z "$failed" ] || die "failed: $failed"
