#!/bin/sh
# Build User Mode Linux with the series and perf's tracepoints, in $work/perf: the models want to
# see where requests lie.  The patch for that, lab/, is the lab's own and no part of the series.
set -eu
. "$(dirname "$0")/common.sh"
need git git
tree=$work/perf/linux
[ -d "$linux/.git" ] || die "no source: run scripts/get-source.sh and scripts/apply.sh"
[ -e "$tree" ] || git -C "$linux" worktree add -q --detach "$tree" ml_proxy
cd "$tree"
series=$(git rev-parse ml_proxy)
if [ "$(git rev-parse HEAD^)" != "$series" ]; then
	git checkout -q --detach "$series"
	git -c user.name=mlproxy -c user.email=mlproxy@example.org am -q "$here"/lab/*.patch || {
		git am --abort
		die "the lab's patch does not apply"
	}
fi
MLPROXY_KERNEL_DIR=$work/perf exec "$here/scripts/build.sh" um "$here/kconfig/um-perf.config"
