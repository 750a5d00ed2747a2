"""Where the hooks are in a vmlinux, from its jump table, and how large what they call is.

Each hook has to be one NOP while its key is off: 1 if one is not.  Run on the host.
"""

from __future__ import annotations

import argparse
import bisect
import re
import struct
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

KEYS = ("ml_readahead_key", "ml_writeback_key", "ml_iosched_key")
CALLED = re.compile(r"__ml_(ra|wb|io)_\w+$|ml_ra_progress$|inode_to_bdi$|ktime_get$")
"""What a hook calls while its key is on, and what that calls."""
NOPS = (b"\x66\x90", b"\x0f\x1f\x44\x00\x00")
"""Of two and of five bytes, as large as the jump that replaces them."""
PROGBITS = 1
ENTRY = struct.Struct("<iiq")
"""A jump_entry: code, target, key, each relative to its own field."""


@dataclass(frozen=True)
class Section:
    address: int
    data: bytes


def sections(path: Path) -> list[Section]:
    """The sections of a little-endian ELF64 file that are loaded with contents."""
    elf = path.read_bytes()
    if elf[:6] != b"\x7fELF\x02\x01":
        raise ValueError(f"{path} is no little-endian ELF64 file")
    (start,) = struct.unpack_from("<Q", elf, 40)
    size, count = struct.unpack_from("<HH", elf, 58)
    headers = [struct.unpack_from("<IIQQQQ", elf, start + i * size) for i in range(count)]
    return [
        Section(address, elf[offset : offset + length])
        for _, kind, _, address, offset, length in headers
        if kind == PROGBITS and address
    ]


def contents(of: list[Section], address: int, size: int) -> bytes:
    """What is at the address; ValueError outside of all sections."""
    for section in of:
        at = address - section.address
        if 0 <= at < len(section.data):
            return section.data[at : at + size]
    raise ValueError(f"nothing is loaded at {address:#x}")


class Symbols:
    """Names of addresses, and addresses of names."""

    def __init__(self, vmlinux: Path) -> None:
        out = subprocess.run(["nm", "-n", vmlinux], check=True, capture_output=True, text=True)
        lines = [line.split() for line in out.stdout.splitlines()]
        self.named = [(int(a, 16), name) for a, kind, name in lines if kind in "tTwWdDbBrR"]
        self.addresses = [address for address, _ in self.named]
        self.by_name = {name: address for address, name in self.named}

    def at(self, address: int) -> str:
        return self.named[bisect.bisect_right(self.addresses, address) - 1][1]


def sites(vmlinux: Path, symbols: Symbols) -> list[tuple[str, str, bytes]]:
    """Key, function and bytes of each hook; the bytes of a NOP or what is there instead."""
    found = sections(vmlinux)
    keys = {symbols.by_name[key]: key for key in KEYS}
    start, stop = (symbols.by_name[f"__{end}___jump_table"] for end in ("start", "stop"))
    hooks = []
    for entry in range(start, stop, ENTRY.size):
        site, _, key = ENTRY.unpack(contents(found, entry, ENTRY.size))
        # The lowest bits say which way the branch is likely, and who wrote the NOP
        name = keys.get((entry + 8 + key) & ~3)
        if name is not None:
            code = contents(found, entry + site, 5)
            length = 5 if code in NOPS else 2
            hooks.append((name, symbols.at(entry + site), code[:length]))
    return hooks


def body(vmlinux: Path, name: str) -> tuple[int, list[str]]:
    """Number of instructions of the function without its padding, and what it calls."""
    command = ("objdump", "-d", "--no-show-raw-insn", f"--disassemble={name}", vmlinux)
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.findall(r"^[0-9a-f]+:\t(.+?)\s*$", out, re.MULTILINE)
    while found and re.match(r"nop|int3|xchg +%ax,%ax|cs nop|data16", found[-1]):
        found.pop()
    # Calls, and jumps to other functions at the end
    calls = [m[1] for text in found if (m := re.match(r"(?:call|jmp) +[0-9a-f]+ <([^>+]+)>", text))]
    return len(found), calls


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("vmlinux", type=Path)
    vmlinux = parser.parse_args().vmlinux
    symbols = Symbols(vmlinux)
    wrong = 0
    for (key, function, code), count in sorted(Counter(sites(vmlinux, symbols)).items()):
        is_nop = code in NOPS
        wrong += not is_nop
        what = f"NOP of {len(code)}" if is_nop else f"NOT A NOP: {code.hex()}"
        print(f"{key:18} {function:40} {count} x {what}")
    for name in sorted(filter(CALLED.match, symbols.by_name)):
        count, calls = body(vmlinux, name)
        print(f"{name:28} {count:4} instructions; calls {', '.join(calls) or 'nothing'}")
    print(f"{wrong} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
