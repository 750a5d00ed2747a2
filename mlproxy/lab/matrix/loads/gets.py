"""Look-ups in a mapped B+ tree, as an embedded store such as LMDB does them.

`python -m mlproxy.lab.matrix.loads.gets make|run ...` is the process in the bed's cgroup. A page
is 4 KiB. Level 0 is the root; each branch page holds FANOUT keys in order and the children of a
page lie side by side, so a child's number is computed; a leaf holds its records. A look-up
searches one page of each level, which costs a fault only where a page is not cached: the
branches soon are, the leaves are what the device reads.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import random
import struct
import sys
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlproxy.lab.matrix.loads.base import (
    OVERTIME_S,
    PROGRESS,
    Bed,
    Ran,
    at_full_speed,
    finished,
    module,
    said,
)

PAGE_BYTES = 4096
FANOUT = 256
LEAF_RECORDS = 16
LEAVES = 150_000
"""About 590 MiB: more than twice the memory of the cgroup."""

_KEYS = struct.Struct(f"<{FANOUT}q")
_RECORD_BYTES = PAGE_BYTES // LEAF_RECORDS
_KEY = struct.Struct("<q")
_NO_KEY = 2**62


@dataclass(frozen=True)
class GetsLoad:
    """Look-ups of uniformly drawn keys; `run_records` neighbours are read from each place."""

    run_records: int = 1
    leaves: int = LEAVES
    kind: str = "gets"
    family: str = "gets"
    continuous: bool = False
    disk_mb: int = 1000

    @property
    def name(self) -> str:
        return f"gets-mmap-{self.run_records}"

    def lacks(self) -> str:
        return ""

    def lay_out(self, bed: Bed) -> None:
        if not self._file(bed).exists():
            at_full_speed(bed, module("gets", "make", self._file(bed), self.leaves))

    def run(self, bed: Bed, seconds: float, seed: int) -> Ran:
        bed.drop_caches()
        argv = module("gets", "run", self._file(bed), self.leaves, self.run_records, seconds, seed)
        found = said(finished(bed.cgroup.wrap(argv), seconds + OVERTIME_S))
        return Ran({PROGRESS: found["done"] / found["seconds"]})

    def _file(self, bed: Bed) -> Path:
        return bed.mount / f"gets-{self.leaves}.tree"


def level_sizes(leaves: int) -> list[int]:
    """Pages of each level, the root first, the leaves last."""
    sizes = [leaves]
    while sizes[0] > 1:
        sizes.insert(0, -(-sizes[0] // FANOUT))
    return sizes


def make(file: Path, leaves: int) -> None:
    """The tree of the keys 0, 1, 2 ...; the file appears when it is whole."""
    part = file.with_suffix(".part")
    sizes = level_sizes(leaves)
    with part.open("wb") as out:
        for depth, pages in enumerate(sizes[:-1]):
            span = LEAF_RECORDS * FANOUT ** (len(sizes) - 2 - depth)
            for page in range(pages):
                first = page * FANOUT
                last = min(first + FANOUT, sizes[depth + 1])
                keys = [child * span for child in range(first, last)]
                packed = _KEYS.pack(*keys, *[_NO_KEY] * (FANOUT - len(keys)))
                out.write(packed.ljust(PAGE_BYTES, b"\0"))
        for leaf in range(leaves):
            records = range(leaf * LEAF_RECORDS, (leaf + 1) * LEAF_RECORDS)
            out.write(b"".join(_KEY.pack(key).ljust(_RECORD_BYTES, b"v") for key in records))
        out.flush()
        os.fsync(out.fileno())
    part.rename(file)


class Tree:
    """A mapped tree."""

    def __init__(self, memory: mmap.mmap | bytes, leaves: int) -> None:
        self._memory = memory
        self._sizes = level_sizes(leaves)
        self.records = leaves * LEAF_RECORDS

    def get(self, key: int) -> int:
        """The place of a key's record in the file; KeyError when it is not there."""
        page = start = 0
        for size in self._sizes[:-1]:
            keys = _KEYS.unpack_from(self._memory, (start + page) * PAGE_BYTES)
            page = page * FANOUT + bisect_right(keys, key) - 1
            start += size
        offset = (start + page) * PAGE_BYTES
        for place in range(offset, offset + PAGE_BYTES, _RECORD_BYTES):
            if _KEY.unpack_from(self._memory, place)[0] == key:
                return place
        raise KeyError(key)

    def read(self, key: int, count: int) -> int:
        """Touch `count` records from a key on; how many there were."""
        place = self.get(key)
        count = min(count, self.records - key)
        for number in range(count):
            found = _KEY.unpack_from(self._memory, place + number * _RECORD_BYTES)[0]
            assert found == key + number
        return count


def drive(file: Path, leaves: int, count: int, seconds: float, seed: int) -> tuple[int, float]:
    """(records read, seconds it took) on a fresh mapping."""
    rng = random.Random(seed)
    done = 0
    with (
        file.open("rb") as opened,
        mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ) as memory,
    ):
        tree = Tree(memory, leaves)
        begun_s = time.monotonic()
        while time.monotonic() - begun_s < seconds:
            done += tree.read(rng.randrange(tree.records), count)
        taken_s = time.monotonic() - begun_s
    return done, taken_s


def main(argv: Sequence[str] | None = None) -> int:
    """make FILE LEAVES, or run FILE LEAVES RECORDS SECONDS SEED."""
    parser = argparse.ArgumentParser(prog="mlproxy.lab.matrix.loads.gets")
    parser.add_argument("command", choices=("make", "run"))
    parser.add_argument("file", type=Path)
    parser.add_argument("leaves", type=int)
    parser.add_argument("records", type=int, nargs="?", default=1)
    parser.add_argument("seconds", type=float, nargs="?", default=1.0)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    asked = parser.parse_args(argv)
    try:
        if asked.command == "make":
            make(asked.file, asked.leaves)
        else:
            found = drive(asked.file, asked.leaves, asked.records, asked.seconds, asked.seed)
            print(json.dumps({"done": found[0], "seconds": found[1]}))
    except (OSError, KeyError, struct.error) as error:
        print(f"gets: {asked.file}: {error!r}", file=sys.stderr)
        return 8
    return 0


if __name__ == "__main__":
    sys.exit(main())
