#!/bin/sh
# The series on x86_64 with several CPUs, emulated: smp.sh [FRAGMENT...]
# Builds it if needed; a fragment goes with a NAME, e.g.
# NAME=debug scripts/smp.sh kconfig/x86-debug.config.  SMP, MEM, SECONDS_OF_WRITES.
set -eu
. "$(dirname "$0")/common.sh"
"$here/scripts/build.sh" x86 "$@"
# Counted instructions: a guest that does not see how busy the host is
export ICOUNT="${ICOUNT:-on}"
exec "$here/scripts/boot.sh" x86 "bash $here/checks/smp.sh $linux ${SECONDS_OF_WRITES:-20}"
