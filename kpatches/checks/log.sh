# shellcheck shell=bash
# Sourced inside the guest: what the kernel log says.

# Data races are judged on the host, which has the line numbers
log_is_silent() {
	! dmesg | grep -v 'BUG: KCSAN' |
		grep -E 'WARNING|BUG|Oops|Call Trace|KASAN|possible recursive|locking correctness|INFO: task'
}

# The reports of KCSAN, for races.py
print_races() {
	echo "races: $(dmesg | grep -c 'BUG: KCSAN') reports"
	dmesg | sed 's/^\[[^]]*\] //' | sed -n '/^BUG: KCSAN/,/^=====/p'
	echo "races: end"
}
