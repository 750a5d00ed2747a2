#!/bin/sh
# The kselftest of the series in a booted lab kernel: selftest.sh [um|x86]
set -eu
. "$(dirname "$0")/common.sh"
exec "$here/scripts/boot.sh" "${1:-um}" "bash $linux/tools/testing/selftests/ml_proxy/ml_proxy.sh"
