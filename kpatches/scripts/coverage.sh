#!/bin/sh
# What the KUnit suites reach of the files that decide, in a UML build of its own: every line,
# and every branch both ways.  Fails for a line that is never reached.
# UML is a program like any other, so that the C library's own gcov does it; GCOV_KERNEL, whose
# constructors the C library would call before there is a kernel, crashes there.
set -eu
. "$(dirname "$0")/common.sh"
need gcov gcc python3 python3
files="commit lease slots trial"
export NAME=coverage
select_arch um
# gcov's own mangle_path() is never called
flags='LD_FLAGS_CMDLINE=--coverage\ -Wl,-z,muldefs'
for name in $files; do
	flags="$flags CFLAGS_$name.o=--coverage"
done
rm -f "$out"/drivers/ml_proxy/*.gcda
# make hands what is set on its command line down to every directory
export MAKEFLAGS="$flags"
"$here/scripts/build.sh" um
# UML's linker script forgets the functions that write the counters
script=$out/arch/um/kernel/vmlinux.lds
if ! grep -qF '.fini_array.*' "$script"; then
	sed -i 's/\*(\.fini_array)/*(.fini_array .fini_array.*)/' "$script"
	"$here/scripts/build.sh" um
fi
MAKEFLAGS=
# The suites run when it boots; the counters are written when it ends
"$here/scripts/kunit.sh" | tail -n 3
python3 "$here/checks/coverage.py" "$out/drivers/ml_proxy" "$linux" $files
