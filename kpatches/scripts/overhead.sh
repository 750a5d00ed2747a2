#!/bin/sh
# What the hooks cost on x86_64, in instructions: the pristine kernel beside the series,
# both built here, on an emulated CPU that counts instructions.  Fails when a path got
# dearer than checks/overhead_limits.tsv says; ACCEPT=y writes that.  SEEDS are boots,
# REPEATS those in one boot; FRAGMENTS for other builds, with NAME.
set -eu
. "$(dirname "$0")/common.sh"
need gcc gcc git git python3 python3 qemu-system-x86_64 qemu-system-x86 mkfs.ext2 e2fsprogs
need objdump binutils
select_arch x86
patched=$kernel
vmlinux=$out/vmlinux
pristine=$work/pristine
[ -e "$linux" ] || die "no source: run scripts/get-source.sh and scripts/apply.sh"
[ -e "$pristine/linux" ] || git -C "$linux" worktree add -q --detach "$pristine/linux" base

# shellcheck disable=SC2086
"$here/scripts/build.sh" x86 ${FRAGMENTS:-}
# A folder of its own with the same names below it, so that the compiler cache is shared
unpatched=$pristine/${kernel#"$work/"}
# shellcheck disable=SC2086
MLPROXY_KERNEL_DIR=$pristine "$here/scripts/build.sh" x86 ${FRAGMENTS:-}

mkdir -p "$work/run"
tmp=$(mktemp -d "$work/run/overhead.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
gcc -O2 -Wall -Wextra -Werror -static -o "$tmp/overhead" "$here/checks/overhead.c"

# run NAME KERNEL SEED
run() {
	KERNEL=$2 ICOUNT=off SMP=1 APPEND="kunit.enable=0" TIMEOUT="${TIMEOUT:-3600}" \
		"$here/scripts/boot.sh" x86 "python3 $here/checks/overhead.py $tmp/overhead" \
		"--repeats ${REPEATS:-1} --seed $3" > "$tmp/$1.$3" || {
		cat "$tmp/$1.$3"
		die "$1 kernel, seed $3: failed"
	}
	echo "$1 kernel, seed $3: $(grep -c '^cost' "$tmp/$1.$3") measurements"
}
for seed in ${SEEDS:-1 2 3}; do
	run unpatched "$unpatched" "$seed"
	run patched "$patched" "$seed"
done

failed=
python3 "$here/checks/overhead_table.py" ${ACCEPT:+--accept} "$tmp"/unpatched.* "$tmp"/patched.* ||
	failed=y
python3 "$here/checks/hook_sites.py" "$vmlinux" || failed=y
echo "functions that the series changes, and their instructions:"
python3 "$here/checks/changed_functions.py" "$pristine/${vmlinux#"$work/"}" "$vmlinux"
[ -z "$failed" ] || die "a path got dearer, or a hook is no NOP"
