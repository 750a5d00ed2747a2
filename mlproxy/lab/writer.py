"""A writer that notes what it waits for: `python -m mlproxy.lab.writer FILE --phases ...`.

fio tells of a whole run; what one write waited for, and when, only its caller can say. What is
noted stays in memory until the end, so that noting writes nothing itself.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlproxy.errors import ConfigError, LabError
from mlproxy.lab.notes import Note, write_notes

BLOCK = bytes(64 << 10)
LOG_BLOCK = BLOCK[:4096]
LOG_BYTES = 64 << 20
BIN_NS = 100_000_000
"""Writes of so long are one note."""

PHASES = "stream:S, pause:S, burst-MB-PAUSE_S:S, overwrite-MB:S, log:S"


@dataclass(frozen=True)
class Phase:
    """What is written and for how long; `numbers` are those of its kind."""

    kind: str
    numbers: tuple[float, ...]
    seconds: float


def parse_phases(spec: str) -> tuple[Phase, ...]:
    """ "stream:40,pause:20,burst-160-10:30"; ConfigError names the part that is wrong."""
    return tuple(map(_parse_phase, spec.split(",")))


def _parse_phase(part: str) -> Phase:
    name, _, seconds = part.partition(":")
    kind, *numbers = name.split("-")
    counts = {"stream": 0, "pause": 0, "burst": 2, "overwrite": 1, "log": 0}
    known = [number for number in (*numbers, seconds) if re.fullmatch(r"\d+(\.\d+)?", number)]
    if counts.get(kind) != len(numbers) or len(known) != len(numbers) + 1:
        raise ConfigError(f"unknown phase {part!r}; allowed: {PHASES}")
    return Phase(kind, tuple(map(float, numbers)), float(seconds))


@dataclass
class Writer:
    """One file, phase after phase."""

    path: Path
    notes: list[Note] = field(default_factory=list)

    def run(self, phases: Sequence[Phase]) -> None:
        """All phases, one after the other, on one descriptor."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            for number, phase in enumerate(phases):
                end_ns = time.monotonic_ns() + round(phase.seconds * 1e9)
                for _ in getattr(self, f"_{phase.kind}")(descriptor, number, phase, end_ns):
                    pass
        finally:
            os.close(descriptor)

    def _pause(self, fd: int, number: int, phase: Phase, end_ns: int) -> Iterator[None]:
        time.sleep(max(end_ns - time.monotonic_ns(), 0) / 1e9)
        yield

    def _stream(self, fd: int, number: int, phase: Phase, end_ns: int) -> Iterator[None]:
        while time.monotonic_ns() < end_ns:
            self._write_for(fd, number, min(end_ns, time.monotonic_ns() + BIN_NS))
            yield

    def _burst(self, fd: int, number: int, phase: Phase, end_ns: int) -> Iterator[None]:
        size, pause_s = round(phase.numbers[0] * 1e6), phase.numbers[1]
        while time.monotonic_ns() < end_ns:
            began_ns, left = time.monotonic_ns(), size
            while left > 0:
                left -= self._write_for(fd, number, time.monotonic_ns() + BIN_NS, left)
            ended_ns = time.monotonic_ns()
            self.notes.append(Note("burst", number, ended_ns, ended_ns - began_ns, size))
            time.sleep(pause_s)
            yield

    def _overwrite(self, fd: int, number: int, phase: Phase, end_ns: int) -> Iterator[None]:
        size = round(phase.numbers[0] * 1e6)
        while time.monotonic_ns() < end_ns:
            os.lseek(fd, 0, os.SEEK_SET)
            left = size
            while left > 0 and time.monotonic_ns() < end_ns:
                left -= self._write_for(fd, number, time.monotonic_ns() + BIN_NS, left)
            yield

    def _log(self, fd: int, number: int, phase: Phase, end_ns: int) -> Iterator[None]:
        at = 0
        while (began_ns := time.monotonic_ns()) < end_ns:
            os.pwrite(fd, LOG_BLOCK, at)
            os.fsync(fd)
            at = (at + len(LOG_BLOCK)) % LOG_BYTES
            now_ns = time.monotonic_ns()
            self.notes.append(Note("sync", number, now_ns, now_ns - began_ns, len(LOG_BLOCK)))
            yield

    def _write_for(self, fd: int, number: int, until_ns: int, most: int = 1 << 62) -> int:
        """Bytes written until then; one note with the longest single write."""
        done = longest_ns = 0
        now_ns = time.monotonic_ns()
        while now_ns < until_ns and done < most:
            began_ns = now_ns
            done += os.write(fd, BLOCK)
            now_ns = time.monotonic_ns()
            longest_ns = max(longest_ns, now_ns - began_ns)
        self.notes.append(Note("write", number, now_ns, longest_ns, done))
        return done


def main(argv: Sequence[str] | None = None) -> int:
    """Run the writer; an error is one line on stderr and its exit code."""
    parser = argparse.ArgumentParser(prog="mlproxy.lab.writer", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--phases", required=True, help=PHASES)
    parser.add_argument("--notes", type=Path, required=True)
    options = parser.parse_args(argv)
    try:
        writer = Writer(options.file)
        phases = parse_phases(options.phases)
        try:
            writer.run(phases)
        finally:
            write_notes(options.notes, writer.notes)
    except (ConfigError, LabError) as error:
        print(f"writer: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"writer: {options.file}: {error.strerror}", file=sys.stderr)
        return LabError.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
