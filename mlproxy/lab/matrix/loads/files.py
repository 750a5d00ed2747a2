"""A tree of small and large files that is scanned, as grep does, or copied, as a backup does.

`python -m mlproxy.lab.matrix.loads.files make|scan|copy ...` is the process in the bed's cgroup.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
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

TOTAL_MB, FOLDERS = 520, 40
MEDIAN_KB, SIGMA, LARGEST_KB = 64.0, 1.6, 16384
"""Sizes are lognormal: most files are small, most bytes are in large ones."""

CHUNK_BYTES = 64 << 10
MODES = ("scan", "copy")


@dataclass(frozen=True)
class FilesLoad:
    """A scan or a copy of the tree, in an order drawn anew for each run."""

    mode: str
    total_mb: int = TOTAL_MB
    kind: str = "files"
    continuous: bool = False
    disk_mb: int = 1600

    @property
    def name(self) -> str:
        return f"tree-{self.mode}"

    @property
    def family(self) -> str:
        return f"tree-{self.mode}"

    def lacks(self) -> str:
        return ""

    def lay_out(self, bed: Bed) -> None:
        if not self._folder(bed).exists():
            at_full_speed(bed, module("files", "make", self._folder(bed), self.total_mb, 0))

    def run(self, bed: Bed, seconds: float, seed: int) -> Ran:
        bed.drop_caches()
        argv = bed.cgroup.wrap(module("files", self.mode, self._folder(bed), seconds, seed))
        found = said(finished(argv, seconds + OVERTIME_S))
        return Ran({PROGRESS: found["done"] / found["seconds"]})

    def _folder(self, bed: Bed) -> Path:
        return bed.mount / f"tree-{self.total_mb}"


def sizes_kb(total_mb: int) -> Iterator[int]:
    """Sizes of the files, the same each time, until the total is reached."""
    rng, left_kb = random.Random(total_mb), total_mb << 10
    while left_kb > 0:
        size = min(round(rng.lognormvariate(0, SIGMA) * MEDIAN_KB) + 1, LARGEST_KB, left_kb)
        left_kb -= size
        yield size


def make(folder: Path, total_mb: int) -> None:
    """The tree, which appears when it is whole."""
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    block = random.Random(0).randbytes(1024)
    for number, size in enumerate(sizes_kb(total_mb)):
        place = part / f"{number % FOLDERS:02}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:05}").write_bytes(block * size)
    os.sync()
    part.rename(folder)


def drive(folder: Path, mode: str, seconds: float, seed: int) -> tuple[int, float]:
    """(bytes read, seconds it took); a copy goes to a folder of its own, removed afterwards."""
    rng, begun_s, done = random.Random(seed), time.monotonic(), 0
    files = sorted(folder.glob("*/*"))
    rng.shuffle(files)
    target = folder.with_suffix(".copy")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    try:
        for file in _endless(files):
            done += _file(file, target / file.name if mode == "copy" else None)
            if time.monotonic() - begun_s >= seconds:
                break
        return done, time.monotonic() - begun_s
    finally:
        shutil.rmtree(target, ignore_errors=True)


def _endless(files: Sequence[Path]) -> Iterator[Path]:
    while True:
        yield from files


def _file(source: Path, target: Path | None) -> int:
    """Read one file from start to end, and write it where there is a target."""
    done = 0
    with source.open("rb", buffering=0) as reading:
        writing = target.open("wb", buffering=0) if target else None
        try:
            while chunk := reading.read(CHUNK_BYTES):
                done += len(chunk)
                if writing:
                    writing.write(chunk)
        finally:
            if writing:
                writing.close()
    return done


def main(argv: Sequence[str] | None = None) -> int:
    """make FOLDER MB 0, or scan|copy FOLDER SECONDS SEED."""
    parser = argparse.ArgumentParser(prog="mlproxy.lab.matrix.loads.files")
    parser.add_argument("command", choices=("make", *MODES))
    parser.add_argument("folder", type=Path)
    parser.add_argument("amount", type=float)
    parser.add_argument("seed", type=int)
    asked = parser.parse_args(argv)
    try:
        if asked.command == "make":
            make(asked.folder, round(asked.amount))
        else:
            done, seconds = drive(asked.folder, asked.command, asked.amount, asked.seed)
            print(json.dumps({"done": done, "seconds": seconds}))
    except OSError as error:
        print(f"files: {error}", file=sys.stderr)
        return 8
    return 0


if __name__ == "__main__":
    sys.exit(main())
