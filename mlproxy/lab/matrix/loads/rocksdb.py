"""RocksDB's db_bench: the six benchmarks that KML reports, with mapped or plain reads.

Every run works on a copy of one database, so that what a run writes is not there in the next:
tables never change and are linked, the few small files beside them are copied.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from mlproxy.errors import LabError
from mlproxy.lab.matrix.loads.base import (
    OVERTIME_S,
    PROGRESS,
    Bed,
    Ran,
    at_full_speed,
    finished,
    lacks_program,
)

PROGRAM = "db_bench"
SIX = ("readseq", "readrandom", "readreverse", "readrandomwriterandom", "updaterandom", "mixgraph")
SCANS = ("readseq", "readreverse")
KEYS, VALUE_BYTES = 1_200_000, 400
"""About 500 MB without compression: twice the memory of the cgroup."""

SCAN_KEYS = 150_000
"""Keys of one run of a scan, which knows no duration: about 60 MB."""

CACHE_BYTES = 8 << 20
_SPEED = re.compile(r"^(\w+)\s*:.*?([0-9]+) ops/sec", re.MULTILINE)

# ZippyDB's mix, "All_dist", of the wiki page "RocksDB Trace, Replay, Analyzer, and Workload
# Generation", without its sine-shaped pace, which would be what is measured.
_MIXGRAPH = (
    "--key_dist_a=0.002312",
    "--key_dist_b=0.3467",
    "--keyrange_num=1",
    "--value_k=0.2615",
    "--value_sigma=25.45",
    "--iter_k=2.517",
    "--iter_sigma=14.236",
    "--mix_get_ratio=0.83",
    "--mix_put_ratio=0.14",
    "--mix_seek_ratio=0.03",
)


@dataclass(frozen=True)
class RocksdbLoad:
    """One of the six."""

    benchmark: str
    mapped: bool
    threads: int = 1
    keys: int = KEYS
    kind: str = "rocksdb"
    continuous: bool = False
    disk_mb: int = 2500

    @property
    def name(self) -> str:
        several = f"-x{self.threads}" if self.threads > 1 else ""
        return f"rocksdb-{self.benchmark}-{'mmap' if self.mapped else 'pread'}{several}"

    @property
    def family(self) -> str:
        return f"rocksdb-{self.benchmark}"

    def lacks(self) -> str:
        return lacks_program(PROGRAM)

    def lay_out(self, bed: Bed) -> None:
        folder = self._whole(bed)
        if not folder.exists():
            part = folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            at_full_speed(bed, [*self._common(part), "--benchmarks=fillseq,compact"])
            part.rename(folder)

    def run(self, bed: Bed, seconds: float, seed: int) -> Ran:
        copy = bed.mount / "rocksdb-run"
        fresh_copy(self._whole(bed), copy)
        bed.drop_caches()
        argv = bed.cgroup.wrap(self.command(copy, seconds, seed))
        try:
            return Ran({PROGRESS: parse(finished(argv, seconds + OVERTIME_S), self.benchmark)})
        finally:
            shutil.rmtree(copy, ignore_errors=True)

    def command(self, folder: Path, seconds: float, seed: int) -> list[str]:
        """db_bench on an existing database."""
        argv = self._common(folder)
        argv += [f"--benchmarks={self.benchmark}", "--use_existing_db=1", f"--seed={seed + 1}"]
        argv += [f"--threads={self.threads}", f"--mmap_read={int(self.mapped)}"]
        if self.mapped:
            # Else each table is advised MADV_RANDOM as it is mapped: no readahead reaches it then.
            argv.append("--advise_random_on_open=0")
        if self.benchmark in SCANS:
            return [*argv, f"--reads={min(SCAN_KEYS, self.keys)}"]
        # db_bench counts whole seconds.
        argv.append(f"--duration={max(1, round(seconds))}")
        return [*argv, *_MIXGRAPH] if self.benchmark == "mixgraph" else argv

    def _common(self, folder: Path) -> list[str]:
        return [
            PROGRAM,
            f"--db={folder}",
            f"--num={self.keys}",
            f"--value_size={VALUE_BYTES}",
            f"--cache_size={CACHE_BYTES}",
            "--compression_type=none",
            "--disable_auto_compactions=1",
        ]

    def _whole(self, bed: Bed) -> Path:
        return bed.mount / f"rocksdb-{self.keys}"


def fresh_copy(source: Path, target: Path) -> None:
    """A copy of a database: its tables linked, the rest copied."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for file in sorted(source.iterdir()):
        if file.suffix == ".sst":
            (target / file.name).hardlink_to(file)
        elif file.is_file() and file.name != "LOCK":
            shutil.copyfile(file, target / file.name)


def parse(text: str, benchmark: str) -> float:
    """Operations per second that db_bench reports. Raises: LabError."""
    for name, speed in _SPEED.findall(text):
        if name == benchmark:
            return float(speed)
    words = text.strip().splitlines() or ["nothing"]
    raise LabError(f"db_bench reports no {benchmark}; it said {words[-1][:200]!r}")
