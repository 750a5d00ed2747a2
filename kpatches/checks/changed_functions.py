"""Which functions of the pristine vmlinux the series has changed, and by how much.

What an event costs more while the proxies are off is in these: besides the NOPs, code that
gcc inlines or keeps in registers no longer.  Run on the host.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

PADDING = re.compile(r"nop|int3|xchg +%ax,%ax|cs nop|data16")


def functions(vmlinux: Path) -> dict[str, list[str]]:
    """Mnemonics of each function, without the padding behind it."""
    command = ("objdump", "-d", "--no-show-raw-insn", vmlinux)
    found: dict[str, list[str]] = {}
    code: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if match := re.match(r"[0-9a-f]+ <(.+)>:$", line):
                # Static functions may share a name
                name, others = match[1], 1
                while name in found:
                    others += 1
                    name = f"{match[1]} ({others})"
                code = found[name] = []
            elif match := re.match(r"[0-9a-f]+:\t(\S.*?)\s*$", line):
                code.append(match[1])
    if process.returncode:
        raise RuntimeError(f"objdump {vmlinux}: exit code {process.returncode}")
    for code in found.values():
        while code and PADDING.match(code[-1]):
            code.pop()
    return {name: [text.split()[0] for text in code] for name, code in found.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pristine", type=Path)
    parser.add_argument("patched", type=Path)
    options = parser.parse_args()
    before, after = functions(options.pristine), functions(options.patched)
    for name in sorted(before.keys() & after.keys()):
        if before[name] != after[name]:
            was, now = len(before[name]), len(after[name])
            print(f"{name:44} {was:5} {now:5} {now - was:+5}")
    print(f"no more: {', '.join(sorted(before.keys() - after.keys())) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
