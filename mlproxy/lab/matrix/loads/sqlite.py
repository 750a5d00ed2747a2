"""SQLite: look-ups by key, scans, and updates in WAL mode, from a mapped file or by read().

`python -m mlproxy.lab.matrix.loads.sqlite make|run ...` is the process in the bed's cgroup.
Progress counts what the application gets: look-ups, updates, or rows of a scan, per second.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
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

MODES = ("point", "scan", "wal")
ROWS, PAYLOAD_BYTES = 1_200_000, 400
"""About 520 MiB: twice the memory of the cgroup."""

MAP_BYTES = 2 << 30
CACHE_KB = 2048
"""SQLite's own cache, its default."""

SCAN_ROWS = 2000
"""Rows of a scan between two looks at the clock."""


@dataclass(frozen=True)
class SqliteLoad:
    """One mode on one table. Files are opened anew with each run."""

    mode: str
    mapped: bool
    page_bytes: int = 4096
    rows: int = ROWS
    kind: str = "sqlite"
    continuous: bool = False
    disk_mb: int = 1800

    @property
    def name(self) -> str:
        size = "" if self.page_bytes == 4096 else f"-{self.page_bytes >> 10}k"
        return f"sqlite-{self.mode}-{'mmap' if self.mapped else 'pread'}{size}"

    @property
    def family(self) -> str:
        return f"sqlite-{self.mode}"

    def lacks(self) -> str:
        return ""

    def lay_out(self, bed: Bed) -> None:
        file = self._file(bed)
        if not file.exists():
            at_full_speed(bed, module("sqlite", "make", file, self.rows, self.page_bytes))

    def run(self, bed: Bed, seconds: float, seed: int) -> Ran:
        bed.drop_caches()
        options = [self._file(bed), self.mode, int(self.mapped), seconds, seed]
        argv = bed.cgroup.wrap(module("sqlite", "run", *options))
        found = said(finished(argv, seconds + OVERTIME_S))
        return Ran({PROGRESS: found["done"] / found["seconds"]})

    def _file(self, bed: Bed) -> Path:
        return bed.mount / f"sqlite-{self.rows}-{self.page_bytes}.db"


def make(file: Path, rows: int, page_bytes: int) -> None:
    """A table of `rows` rows in the order of their keys; the file appears when it is whole."""
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    with sqlite3.connect(part) as database:
        database.executescript(
            f"PRAGMA page_size={page_bytes}; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
            "CREATE TABLE item (id INTEGER PRIMARY KEY, payload BLOB NOT NULL);"
        )
        content = random.Random(rows).randbytes(PAYLOAD_BYTES)
        database.executemany(
            "INSERT INTO item VALUES (?, ?)", ((number, content) for number in range(rows))
        )
    database.close()
    part.rename(file)


def drive(file: Path, mode: str, mapped: bool, seconds: float, seed: int) -> tuple[int, float]:
    """(what was done, seconds it took) on a fresh connection."""
    database = sqlite3.connect(file, isolation_level=None)
    database.execute(f"PRAGMA mmap_size={MAP_BYTES if mapped else 0}")
    database.execute(f"PRAGMA cache_size=-{CACHE_KB}")
    database.execute(f"PRAGMA journal_mode={'WAL' if mode == 'wal' else 'DELETE'}").fetchone()
    database.execute("PRAGMA synchronous=NORMAL")
    (rows,) = database.execute("SELECT max(id) + 1 FROM item").fetchone()
    rng = random.Random(seed)
    steps: dict[str, Callable[[], Iterator[int]]] = {
        "point": lambda: _points(database, rows, rng),
        "scan": lambda: _scans(database, rows, rng),
        "wal": lambda: _updates(database, rows, rng),
    }
    begun_s, done = time.monotonic(), 0
    for count in steps[mode]():
        done += count
        if time.monotonic() - begun_s >= seconds:
            break
    taken_s = time.monotonic() - begun_s
    database.close()
    return done, taken_s


def _points(database: sqlite3.Connection, rows: int, rng: random.Random) -> Iterator[int]:
    query = "SELECT length(payload) FROM item WHERE id = ?"
    while True:
        database.execute(query, (rng.randrange(rows),)).fetchone()
        yield 1


def _scans(database: sqlite3.Connection, rows: int, rng: random.Random) -> Iterator[int]:
    """From a random place to the end, then from the start."""
    first = rng.randrange(rows)
    while True:
        cursor = database.execute("SELECT substr(payload, 1, 1) FROM item WHERE id >= ?", (first,))
        while found := cursor.fetchmany(SCAN_ROWS):
            yield len(found)
        first = 0


def _updates(database: sqlite3.Connection, rows: int, rng: random.Random) -> Iterator[int]:
    """A transaction of one look-up and one update, as a shop does it."""
    while True:
        database.execute("BEGIN IMMEDIATE")
        database.execute(
            "SELECT length(payload) FROM item WHERE id = ?", (rng.randrange(rows),)
        ).fetchone()
        row = (rng.randbytes(PAYLOAD_BYTES), rng.randrange(rows))
        database.execute("UPDATE item SET payload = ? WHERE id = ?", row)
        database.execute("COMMIT")
        yield 1


def main(argv: Sequence[str] | None = None) -> int:
    """make FILE ROWS PAGE_BYTES, or run FILE MODE MAPPED SECONDS SEED."""
    parser = argparse.ArgumentParser(prog="mlproxy.lab.matrix.loads.sqlite")
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make")
    running = commands.add_parser("run")
    for each in (making, running):
        each.add_argument("file", type=Path)
    making.add_argument("rows", type=int)
    making.add_argument("page_bytes", type=int)
    running.add_argument("mode", choices=MODES)
    running.add_argument("mapped", type=int, choices=(0, 1))
    running.add_argument("seconds", type=float)
    running.add_argument("seed", type=int)
    options = parser.parse_args(argv)
    try:
        if options.command == "make":
            make(options.file, options.rows, options.page_bytes)
        else:
            asked = (options.file, options.mode, bool(options.mapped), options.seconds)
            done, seconds = drive(*asked, options.seed)
            print(json.dumps({"done": done, "seconds": seconds}))
    except (sqlite3.Error, OSError) as error:
        print(f"sqlite: {options.file}: {error}", file=sys.stderr)
        return 8
    return 0


if __name__ == "__main__":
    sys.exit(main())
