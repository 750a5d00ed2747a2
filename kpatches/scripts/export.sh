#!/bin/sh
# For who changes the series: write branch ml_proxy to patches/, and prove that git am
# of it gives the same tree.  The cover letter is kept by hand.
set -eu
. "$(dirname "$0")/common.sh"
need git git
cd "$linux"
branch=${BRANCH:-ml_proxy}
rm -f "$patches"/000[1-9]-*.patch
git format-patch -q --no-signature --zero-commit -o "$patches" "base..$branch"
tmp=$(mktemp -d "$work/am.XXXXXX")
trap 'cd "$linux"; rm -rf "$tmp"; git worktree prune' EXIT
# Without a checkout: the index alone is enough for git am
git worktree add -q --detach --no-checkout "$tmp/tree" base
cd "$tmp/tree"
git read-tree base
git apply --cached "$patches"/000[1-9]-*.patch
[ "$(git write-tree)" = "$(git rev-parse "$branch^{tree}")" ] || die "not the same tree"
git config mlproxy.series "$(cat "$patches"/000[1-9]-*.patch | git hash-object --stdin)"
git config mlproxy.tip "$(git rev-parse "$branch")"
echo "$(find "$patches" -name '000[1-9]-*' | wc -l) patches in $patches"
