#!/bin/sh
# Is the series fit to be sent?  git am on the pristine tree, checkpatch --strict,
# kernel-doc, each patch builds alone, and no new warning of W=1 or sparse.
# series.sh [quick]: quick leaves the builds out.
set -eu
. "$(dirname "$0")/../scripts/common.sh"
need git git perl perl python3 python3
[ -d "$linux/.git" ] || die "no source: run scripts/get-source.sh"
[ -z "$(git -C "$linux" status --porcelain -uno)" ] || die "$linux has changes of its own"
log=$work/series-log
mkdir -p "$log"
tree=$work/series-tree
failed=0

fail() {
	echo "FAILED: $*"
	failed=$((failed + 1))
}

apply_to_pristine() {
	git -C "$linux" worktree prune
	[ -d "$tree" ] || git -C "$linux" worktree add -q --detach "$tree" base
	cd "$tree"
	git checkout -q --detach base
	git -c user.name=mlproxy -c user.email=mlproxy@example.org \
		am -q "$patches"/000[1-9]-*.patch || { git am --abort; die "git am failed"; }
	echo "git am: $(git rev-list --count base..) patches on a pristine tree"
}

style() {
	# The system's python3 has what checkpatch's SPDX test imports
	PATH=/usr/bin:$PATH scripts/checkpatch.pl --strict --ignore FILE_PATH_CHANGES \
		"$patches"/000[1-9]-*.patch > "$log/checkpatch" 2>&1 || :
	awk '/^total:/ { e += $2; w += $4; c += $6 }
		END { printf "checkpatch --strict: %d errors, %d warnings, %d checks\n", e, w, c }' \
		"$log/checkpatch"
	! grep -Eq '^total: ([1-9][0-9]* errors|0 errors, [1-9])' "$log/checkpatch" ||
		fail "see $log/checkpatch"
	! grep -q Traceback "$log/checkpatch" || fail "checkpatch's SPDX test: see $log/checkpatch"
	git diff --name-only base.. -- '*.c' '*.h' | while read -r file; do
		scripts/kernel-doc -none -Wall -Werror "$file" 2>&1 || echo "failed $file"
	done | grep -F "$(git diff --name-only --diff-filter=A base.. -- '*.c' '*.h')" \
		> "$log/kernel-doc" || :
	[ ! -s "$log/kernel-doc" ] || fail "kernel-doc: see $log/kernel-doc"
	echo "kernel-doc -Wall -Werror: $(wc -l < "$log/kernel-doc") messages on new files"
}

# The objects made of what the series touches, as far as UML builds them
objects() {
	git -C "$tree" diff --name-only base..HEAD -- '*.c' | sed 's/c$/o/' |
		grep -Ev '^fs/(f2fs|smb)/'
}

# warnings COMMIT: W=1 and sparse on the touched objects, lines without their numbers
warnings() {
	git -C "$linux" checkout -q --detach "$1"
	for object in $(objects); do
		[ -e "$linux/${object%o}c" ] || continue
		touch "$linux/${object%o}c"
		kmake -s W=1 C=1 "$object" 2>&1 || :
	done | sed -nE 's/:[0-9]+(:[0-9]+)?: /: /p' | sort -u
}

# without: the number of messages of what the series touches, switched off
without() (
	NAME=off
	select_arch um
	mkdir -p "$out"
	sed 's/^CONFIG_ML_PROXY.*=y//' "$here/kconfig/um.config" > "$out/fragment"
	kmake -s KCONFIG_ALLCONFIG="$out/fragment" allnoconfig > /dev/null 2>&1
	for object in $(objects | grep -Ev '/ml[_-]'); do
		kmake -s "$object" 2>&1 || echo failed
	done > "$log/without"
	wc -l < "$log/without"
)

build_each() {
	select_arch um
	head=$(git -C "$linux" symbolic-ref --short HEAD)
	trap 'git -C "$linux" checkout -q "$head"' EXIT
	"$here/scripts/build.sh" um >/dev/null
	warnings "$(git -C "$tree" rev-parse HEAD)" > "$log/warnings-series"
	for commit in $(git -C "$tree" rev-list --reverse base..HEAD); do
		git -C "$linux" checkout -q --detach "$commit"
		name=$(git -C "$tree" log -1 --format=%s "$commit")
		# Symbols that later patches bring are dropped
		kmake -s KCONFIG_ALLCONFIG="$here/kconfig/um.config" allnoconfig > /dev/null 2>&1
		if kmake -s -j"$JOBS" linux > "$log/build" 2>&1 &&
			! grep -v '^  LINK linux$' "$log/build"; then
			echo "builds without a message: $name"
		else
			cp "$log/build" "$log/build-$commit"
			fail "$name: see $log/build-$commit"
		fi
	done
	echo "CONFIG_ML_PROXY=n: $(without) messages"
	select_arch um
	warnings base > "$log/warnings-base"
	[ ! -s "$log/without" ] || fail "CONFIG_ML_PROXY=n: see $log/without"
	comm -23 "$log/warnings-series" "$log/warnings-base" > "$log/warnings-new"
	[ ! -s "$log/warnings-new" ] || fail "W=1 and sparse: see $log/warnings-new"
	echo "W=1 and sparse: $(wc -l < "$log/warnings-base") messages before," \
		"$(wc -l < "$log/warnings-new") new"
}

apply_to_pristine
style
if [ "${1:-}" != quick ]; then
	need sparse sparse
	build_each
fi
[ $failed = 0 ] || die "$failed failed"
echo "the series is fit"
