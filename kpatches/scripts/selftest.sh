#!/bin/sh
# The kselftests of the series in a booted lab kernel: selftest.sh [um|x86]
set -eu
. "$(dirname "$0")/common.sh"
arch=${1:-um}
select_arch "$arch"
tests=$linux/tools/testing/selftests/ml_proxy
sample=$out/samples/ml_proxy/ml_proxy_sample.ko
command="bash $tests/ml_proxy.sh"
# The small x86_64 configuration has no modules
[ ! -e "$sample" ] || command="$command && bash $tests/sample.sh $sample"
exec "$here/scripts/boot.sh" "$arch" "$command"
