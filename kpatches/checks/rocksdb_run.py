"""One run of db_bench on a database that stays open, and how fast it got on over time."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from mlproxy.errors import LabError
from mlproxy.lab.matrix.loads.base import at_full_speed
from mlproxy.lab.matrix.loads.rocksdb import SCANS, RocksdbLoad, fresh_copy
from mlproxy.lab.testbed import TestBed

TABLE_BYTES = 1 << 20
"""Of a table where few may be open."""

EACH_OPS = {True: 5_000, False: 50}
"""Operations after which db_bench says how far it got: a scan's, another's."""

AGAIN = 10_000
"""Passes of a scan, which knows no duration: more than there is time for."""

WIDTH_S = 2.0
END_S = 10.0
_BEAT = re.compile(r"thread \d+: \((\d+),\d+\) ops .* in \(([\d.]+),")

# A part of the cache that any state in the long run has as well, read at full speed.
_FILL = 'cat "$@" >/dev/null'


class SmallTables(RocksdbLoad):
    """Of a database with far more tables than may be open."""

    def _common(self, folder: Path) -> list[str]:
        return [*super()._common(folder), f"--target_file_size_base={TABLE_BYTES}"]


@dataclass(frozen=True)
class Beat:
    """Operations done in the seconds before a moment, which counts from the run's beginning."""

    at_s: float
    ops: int
    took_s: float


@dataclass
class Run:
    """What db_bench said while it ran."""

    begun_ns: int
    ended_ns: int = 0
    beats: list[Beat] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def listen(self, stream: IO[str]) -> None:
        """Until the program ends."""
        for line in stream:
            if found := _BEAT.search(line):
                at_s = (time.monotonic_ns() - self.begun_ns) / 1e9
                self.beats.append(Beat(at_s, int(found[1]), float(found[2])))
            else:
                self.said = [*self.said[-20:], line.strip()]

    def curve(self) -> list[tuple[float, float]]:
        """(second, operations per second) every WIDTH_S."""
        found: list[tuple[float, float]] = []
        ops, took_s = 0, 0.0
        for beat in self.beats:
            ops, took_s = ops + beat.ops, took_s + beat.took_s
            if took_s >= WIDTH_S:
                found.append((round(beat.at_s, 1), round(ops / took_s, 1)))
                ops, took_s = 0, 0.0
        return found


def rate(beats: Sequence[Beat], from_s: float) -> float:
    """Operations per second of what began after a moment, or of what was under way then; 0 where
    db_bench did not get as far as to say anything."""
    later = [beat for beat in beats if beat.at_s > from_s]
    counted = [beat for beat in later if beat.at_s - beat.took_s >= from_s] or later
    took_s = sum(beat.took_s for beat in counted)
    return sum(beat.ops for beat in counted) / took_s if took_s else 0.0


@dataclass(frozen=True)
class Database:
    """The database of a benchmark on a bed; files: how many it may keep open, 0 for all."""

    bed: TestBed
    benchmark: str
    mapped: bool
    keys: int
    files: int = 0

    @property
    def load(self) -> RocksdbLoad:
        kind = SmallTables if self.files else RocksdbLoad
        return kind(self.benchmark, self.mapped, keys=self.keys)

    @property
    def name(self) -> str:
        return self.load.name + (f"-files-{self.files}" if self.files else "")

    def lay_out(self) -> None:
        self.load.lay_out(self.bed)

    def command(self, folder: str | Path, seed: int) -> list[str]:
        """db_bench for as long as it is let."""
        argv = self.load.command(Path(folder), 100_000, seed)
        is_scan = self.benchmark in SCANS
        if is_scan:
            argv += [f"--benchmarks={self.benchmark}[X{AGAIN}]", "--reads=-1"]
        argv.append(f"--stats_interval={EACH_OPS[is_scan]}")
        return argv + ([f"--open_files={self.files}"] if self.files else [])

    def run(self, seconds: float, seed: int) -> Run:
        """One run on a copy of the database, with the cache as full as it may be."""
        copy = self.bed.mount / "rocksdb-run"
        fresh_copy(self.bed.mount / f"rocksdb-{self.keys}", copy)
        self.bed.drop_caches()
        tables = [str(file) for file in sorted(copy.glob("*.sst"))]
        at_full_speed(self.bed, self.bed.cgroup.wrap(["sh", "-c", _FILL, "sh", *tables]))
        self.bed.stats()
        try:
            return self._run(self.bed.cgroup.wrap(self.command(copy, seed)), seconds)
        finally:
            shutil.rmtree(copy)

    def _run(self, argv: Sequence[str], seconds: float) -> Run:
        run = Run(time.monotonic_ns())
        with subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            listener = threading.Thread(target=run.listen, args=(process.stdout,))
            listener.start()
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                run.ended_ns = time.monotonic_ns()
            process.kill()
            listener.join(END_S)
        if not run.ended_ns:
            raise LabError(f"db_bench ended early: {' | '.join(run.said[-3:])}")
        return run
