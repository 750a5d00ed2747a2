"""A plain reader that reopens its file and changes phases: `python -m mlproxy.lab.reader FILE`.

fio opens a file once per job, and read_ahead_kb reaches a file only at open(), so whatever
watches the agent at work on a stock kernel needs a reader that opens again and again.
"""

from __future__ import annotations

import argparse
import mmap
import os
import random
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mlproxy.errors import ConfigError, LabError

PAGE_BYTES = 4096
LOG_INTERVAL_NS = 100_000_000
BATCH_PAGES = 16  # one read of a sequential pattern: 64 KiB, short enough for the log interval
PATTERNS = "random, sequential, reverse, strided-N, runs-N"


class Sample(NamedTuple):
    """One line of the log: CLOCK_MONOTONIC, phase index, useful bytes since the start."""

    taken_ns: int
    phase: int
    useful_bytes: int


@dataclass(frozen=True)
class Phase:
    """A pattern and how long it rules."""

    pattern: str
    seconds: float


Batch = tuple[int, int]  # first page, pages
Touch = Callable[[int, int], None]


def parse_phases(spec: str) -> tuple[Phase, ...]:
    """ "random:5,runs-32:2.5" as phases; ConfigError names the part that is wrong."""
    return tuple(_parse_phase(part) for part in spec.split(","))


def _parse_phase(part: str) -> Phase:
    pattern, _, seconds = part.partition(":")
    if not re.fullmatch(r"random|sequential|reverse|(strided|runs)-[1-9]\d*", pattern):
        raise ConfigError(f"unknown pattern {pattern!r} in {part!r}; allowed: {PATTERNS}")
    if not re.fullmatch(r"\d+(\.\d+)?", seconds) or not float(seconds):
        raise ConfigError(f"phase {part!r} needs seconds above 0, as in 'random:5'")
    return Phase(pattern, float(seconds))


def batches(pattern: str, pages: int, rng: random.Random) -> Iterator[Batch]:
    """Endless page ranges of a pattern over a file of `pages` pages; they never cross its end."""
    kind, _, count = pattern.partition("-")
    if kind == "random":
        return _random(pages, rng)
    if kind == "runs":
        return _runs(pages, int(count), rng)
    if kind == "strided":
        return _strided(pages, int(count))
    return _sequential(pages) if kind == "sequential" else _reverse(pages)


def _random(pages: int, rng: random.Random) -> Iterator[Batch]:
    while True:
        yield rng.randrange(pages), 1


def _sequential(pages: int) -> Iterator[Batch]:
    while True:
        for first in range(0, pages, BATCH_PAGES):
            yield first, min(BATCH_PAGES, pages - first)


def _reverse(pages: int) -> Iterator[Batch]:
    while True:
        for page in range(pages - 1, -1, -1):
            yield page, 1


def _strided(pages: int, stride: int) -> Iterator[Batch]:
    while True:
        for page in range(0, pages, stride):
            yield page, 1


def _runs(pages: int, length: int, rng: random.Random) -> Iterator[Batch]:
    length = min(length, pages)
    while True:
        start = rng.randrange(pages - length + 1)
        for first in range(start, start + length, BATCH_PAGES):
            yield first, min(BATCH_PAGES, start + length - first)


@contextmanager
def opened(path: Path, engine: str) -> Iterator[Touch]:
    """A fresh open() of the file, and what touches a range of its pages."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if engine == "pread":
            yield lambda first, pages: _pread(descriptor, first, pages)
            return
        with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as mapping:
            # An extended slice reads one byte of each page, in C.
            yield lambda first, pages: _touch(mapping, first, pages)
    finally:
        os.close(descriptor)


def _pread(descriptor: int, first: int, pages: int) -> None:
    os.pread(descriptor, pages * PAGE_BYTES, first * PAGE_BYTES)


def _touch(mapping: mmap.mmap, first: int, pages: int) -> None:
    _ = mapping[first * PAGE_BYTES : (first + pages) * PAGE_BYTES : PAGE_BYTES]


class Recorder:
    """Appends a sample to the log every 100 ms and keeps the progress file up to date.

    A trial with short slots needs its progress at shorter intervals.

    The progress file holds one growing number, the useful bytes, and is replaced whole, so
    that whoever reads it never sees half a number.
    """

    def __init__(
        self, log: Path, progress: Path | None, interval_ns: int = LOG_INTERVAL_NS
    ) -> None:
        self._log = log.open("a", buffering=1, encoding="ascii")
        self._progress = progress
        self._interval_ns = interval_ns
        self._next_ns = 0

    def due(self, now_ns: int) -> bool:
        return now_ns >= self._next_ns

    def record(self, sample: Sample) -> None:
        self._next_ns = sample.taken_ns + self._interval_ns
        self._log.write("{},{},{}\n".format(*sample))
        if self._progress is not None:
            fresh = self._progress.with_name(f".{self._progress.name}.{os.getpid()}")
            fresh.write_text(f"{sample.useful_bytes}\n", encoding="ascii")
            fresh.replace(self._progress)

    def close(self) -> None:
        self._log.close()


def read_log(path: Path) -> list[Sample]:
    """The samples of a reader's log, a half-written last line left out."""
    lines = path.read_text(encoding="ascii").splitlines(keepends=True)
    return [Sample(*map(int, line.split(","))) for line in lines if line.endswith("\n")]


class Reader:
    """Reads a file phase after phase; a pattern's place outlives the reopening of the file."""

    def __init__(self, path: Path, engine: str, reopen_s: float, recorder: Recorder) -> None:
        self._path, self._engine = path, engine
        self._reopen_ns = int(reopen_s * 1e9)
        self._recorder = recorder
        self._pages = path.stat().st_size // PAGE_BYTES
        if not self._pages:
            raise LabError(f"{path} holds less than one page of {PAGE_BYTES} bytes")
        self.useful_bytes = 0

    def run(self, phases: Sequence[Phase], seed: int) -> None:
        """All phases, one after the other; logs a sample at each end."""
        rng = random.Random(seed)
        for index, phase in enumerate(phases):
            source = batches(phase.pattern, self._pages, rng)
            end_ns = time.monotonic_ns() + int(phase.seconds * 1e9)
            while time.monotonic_ns() < end_ns:
                with opened(self._path, self._engine) as touch:
                    self._read(touch, source, index, end_ns)
            self._sample(time.monotonic_ns(), index)

    def _read(self, touch: Touch, source: Iterator[Batch], index: int, end_ns: int) -> None:
        now_ns = time.monotonic_ns()
        stop_ns = min(end_ns, now_ns + self._reopen_ns)
        while now_ns < stop_ns:
            first, pages = next(source)
            touch(first, pages)
            self.useful_bytes += pages * PAGE_BYTES
            now_ns = time.monotonic_ns()
            if self._recorder.due(now_ns):
                self._sample(now_ns, index)

    def _sample(self, now_ns: int, index: int) -> None:
        self._recorder.record(Sample(now_ns, index, self.useful_bytes))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mlproxy.lab.reader", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--pattern", default="random", help=PATTERNS)
    parser.add_argument("--engine", choices=("mmap", "pread"), default="mmap")
    parser.add_argument("--reopen-s", type=float, default=1.5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--phases", help="e.g. random:20,sequential:20; instead of --pattern")
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--progress", type=Path)
    parser.add_argument("--interval-s", type=float, default=LOG_INTERVAL_NS / 1e9)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the reader; an error is one line on stderr and its exit code."""
    options = _arguments(argv)
    try:
        phases = parse_phases(options.phases or f"{options.pattern}:{options.seconds}")
        interval_ns = round(options.interval_s * 1e9)
        recorder = Recorder(options.log, options.progress, interval_ns)
        Reader(options.file, options.engine, options.reopen_s, recorder).run(phases, options.seed)
        recorder.close()
    except (ConfigError, LabError) as error:
        print(f"reader: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"reader: {error.filename}: {error.strerror}", file=sys.stderr)
        return LabError.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
