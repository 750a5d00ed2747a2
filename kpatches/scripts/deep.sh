#!/bin/sh
# What takes long: the kselftest and checks/stress.sh on User Mode Linux with KASAN and lockdep
# (kconfig/um-debug.config); checks/smp.sh and stress.sh on x86_64 kernels that look for bad memory,
# wrong locking (kconfig/x86-debug.config) and data races (kconfig/x86-kcsan.config).
# deep.sh [um|debug|kcsan]...  STRESS is how many seconds of stress each gets, in boots of PIECE
# seconds, each with a seed of its own.  The races of a kernel without the series, under the
# same stress, tell which are not of the series.  APPEND=kcsan.skip_watch=1000 looks more often;
# on a busy host, where a boot in real time may fail, ICOUNT=on counts instructions instead.
set -eu
. "$(dirname "$0")/common.sh"
need git git python3 python3 qemu-system-x86_64 qemu-system-x86 mkfs.ext2 e2fsprogs
need addr2line binutils
export MEM="${MEM:-2G}" TIMEOUT="${TIMEOUT:-7200}"
piece=${PIECE:-600}
boots=$(((${STRESS:-600} + piece - 1) / piece))
pristine=$work/pristine
log=$work/deep
mkdir -p "$log"
failed=

# boot LOG ICOUNT COMMAND: the kernel of select_arch and NAME
boot() {
	echo "== $1: $3"
	ICOUNT=$2 "$here/scripts/boot.sh" "$arch" "$3" > "$log/$1" || failed="$failed${failed:+, }$1"
	grep -E '^(not ok|NOT OK|ok: |KUnit|races: [0-9]|# Totals|[0-9]+ failed)' "$log/$1" || :
}

# stress KIND
stress() {
	seed=0
	while [ $seed -lt $boots ]; do
		seed=$((seed + 1))
		# In the time of the host, if it is not too busy: there is more of it
		boot "$1.$seed" "${ICOUNT:-}" "bash $here/checks/stress.sh $piece $seed"
	done
}

look_um() {
	arch=um
	export NAME=debug
	"$here/scripts/build.sh" um "$here/kconfig/um-debug.config"
	rm -f "$log"/um.*
	boot um.selftest "" "bash $linux/tools/testing/selftests/ml_proxy/ml_proxy.sh"
	stress um
}

look() {
	arch=x86
	select_arch x86
	export NAME="$1"
	"$here/scripts/build.sh" x86 "$here/kconfig/x86-$1.config"
	rm -f "$log/$1".*
	boot "$1.smp" "${ICOUNT:-on}" "bash $here/checks/smp.sh $linux ${SECONDS_OF_WRITES:-60}"
	stress "$1"
}

compare_races() {
	[ -e "$pristine/linux" ] ||
		git -C "$linux" worktree add -q --detach "$pristine/linux" base
	MLPROXY_KERNEL_DIR=$pristine "$here/scripts/build.sh" x86 "$here/kconfig/x86-kcsan.config"
	rm -f "$log"/pristine.*
	export KERNEL="$pristine/build-x86-kcsan/$image"
	stress pristine
	unset KERNEL
	python3 "$here/checks/races.py" "$work/build-x86-kcsan/vmlinux" "$linux" "$log"/kcsan.* \
		--pristine "$log"/pristine.* || failed="$failed${failed:+, }races"
}

[ $# -gt 0 ] || set -- um debug kcsan
for kind in "$@"; do
	case $kind in
	um) look_um ;;
	*) look "$kind" ;;
	esac
	[ "$kind" != kcsan ] || compare_races
done
[ -z "$failed" ] || die "failed: $failed"
