#!/bin/sh
# The series on top of the pristine tree, as branch ml_proxy.
set -eu
. "$(dirname "$0")/common.sh"
need git git

[ -d "$linux/.git" ] || die "no source: run scripts/get-source.sh"
cd "$linux"
series=$(cat "$patches"/000[1-9]-*.patch | git hash-object --stdin)
[ "$(git config mlproxy.series || :)" != "$series" ] || { echo "the series is applied"; exit 0; }
[ -z "$(git status --porcelain -uno)" ] || die "$linux has changes of its own"
tip=$(git rev-parse -q --verify ml_proxy || :)
[ "$tip" = "$(git config mlproxy.tip || :)" ] ||
	die "branch ml_proxy has commits of its own: run scripts/export.sh, or delete the branch"
# Only the files of the series get a new time, so that a build stays warm
git branch -f ml_proxy base 2>/dev/null || git checkout -q -B ml_proxy base
git checkout -q ml_proxy
git -c user.name=mlproxy -c user.email=mlproxy@example.org am -q "$patches"/000[1-9]-*.patch || {
	git am --abort
	die "the series does not apply"
}
git config mlproxy.series "$series"
git config mlproxy.tip "$(git rev-parse ml_proxy)"
git log --oneline base..
