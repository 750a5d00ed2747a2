#!/bin/bash
# Inside the guest: the series on several CPUs.  smp.sh SOURCE [SECONDS]
# The KUnit suites that ran at boot, the kselftest, and random reads and writes of every
# attribute under load; the kernel log has to be silent.
set -u
source=$1
seconds=${2:-20}
checks=$(cd "$(dirname "$0")" && pwd)
failed=0
. "$checks/log.sh"

# ask NAME COMMAND...
ask() {
	local name=$1
	shift
	if "$@"; then echo "ok: $name"; else
		echo "NOT OK: $name"
		failed=$((failed + 1))
	fi
}

kunit_passed() {
	local suites
	suites=$(dmesg | sed -n 's/.*\] \(not \)\{0,1\}ok [0-9]* \(ml_proxy[a-z_]*\)$/\1ok \2/p')
	echo "KUnit: ${suites//$'\n'/, }"
	[ -n "$suites" ] && ! grep -q '^not' <<< "$suites"
}

cpus_work() {
	local cpu
	for cpu in $(seq 0 $(($(nproc) - 1))); do
		taskset -c "$cpu" true || return
	done
	[ "$(nproc)" -gt 1 ]
}

ask "$(nproc) CPUs" cpus_work
ask "KUnit at boot" kunit_passed
ask kselftest bash "$source/tools/testing/selftests/ml_proxy/ml_proxy.sh"
ask attributes python3 "$checks/attributes.py" "$source" --seconds "$seconds"
ask "kernel log" log_is_silent
print_races
echo "$failed failed"
[ "$failed" = 0 ]
