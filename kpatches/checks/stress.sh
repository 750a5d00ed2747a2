#!/bin/bash
# Inside the guest: stress.py, a silent log, and what KCSAN reported.  stress.sh SECONDS [SEED]
set -u
checks=$(cd "$(dirname "$0")" && pwd)
. "$checks/log.sh"
python3 "$checks/stress.py" "$1" --seed "${2:-1}"
code=$?
if log_is_silent; then echo "ok: kernel log"; else
	echo "NOT OK: kernel log"
	code=1
fi
print_races
exit $code
