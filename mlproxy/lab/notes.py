"""What writers noted: bytes, how long a write or an fsync took, how long a burst."""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mlproxy.errors import LabError
from mlproxy.lab.fio import Joinable

END_S = 10.0


class Note(NamedTuple):
    """Something that ended at `end_ns` (CLOCK_MONOTONIC) in a phase.

    kind: "write" (of some writes the bytes, and how long the longest took), "sync" (one write
    and its fsync), "burst" (all of one).
    """

    kind: str
    phase: int
    end_ns: int
    took_ns: int
    bytes: int


def write_notes(path: Path, notes: Iterable[Note]) -> None:
    """One line each."""
    text = "".join("{},{},{},{},{}\n".format(*note) for note in notes)
    path.write_text(text, encoding="ascii")


def read_notes(path: Path) -> list[Note]:
    """As written."""
    rows = (line.split(",") for line in path.read_text(encoding="ascii").splitlines())
    return [Note(kind, *map(int, numbers)) for kind, *numbers in rows]


@dataclass(frozen=True)
class Noted:
    """Notes of one writer, those of a time or of a phase."""

    notes: Sequence[Note]

    def of(self, kind: str, phase: int | None = None) -> Noted:
        """Those of a kind, in a phase."""
        return Noted([n for n in self.notes if n.kind == kind and phase in (None, n.phase)])

    def between(self, since_ns: float, until_ns: float = math.inf) -> Noted:
        """Those that ended within."""
        return Noted([note for note in self.notes if since_ns <= note.end_ns <= until_ns])

    @property
    def megabytes(self) -> float:
        """All bytes."""
        return sum(note.bytes for note in self.notes) / 1e6

    @property
    def longest_s(self) -> float:
        """The longest that anything took; 0 where nothing was noted."""
        return max((note.took_ns for note in self.notes), default=0) / 1e9

    @property
    def mb_s(self) -> float:
        """Bytes per second of the time that was spent on them, of bursts say."""
        return self.megabytes / max(sum(note.took_ns for note in self.notes) / 1e9, 1e-9)

    def quantile_s(self, share: float) -> float:
        """How long that share of them took at most; NaN where nothing was noted."""
        took = sorted(note.took_ns for note in self.notes)
        if not took:
            return math.nan
        return took[min(math.ceil(share * len(took)), len(took)) - 1] / 1e9


@dataclass(frozen=True)
class Writing:
    """Writers under way, by name of file."""

    processes: Mapping[str, subprocess.Popen[bytes]]
    folder: Path

    def wait(self) -> dict[str, Noted]:
        """Until all are done, what each noted. LabError when one failed."""
        for name, process in self.processes.items():
            if process.wait():
                raise LabError(f"the writer of {name} ended with {process.returncode}")
        return {name: Noted(read_notes(self.folder / name)) for name in self.processes}


@contextmanager
def writing(mount: Path, group: Joinable, phases: Mapping[str, str]) -> Iterator[Writing]:
    """Writers of files below `mount`, with phases as the writer takes them; the files are gone
    afterwards, and what of them is still dirty is never written."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mlproxy-notes-")))
        processes = {}
        for name, spec in phases.items():
            stack.callback((mount / name).unlink, missing_ok=True)
            command = [sys.executable, "-m", "mlproxy.lab.writer", str(mount / name)]
            command += ["--phases", spec, "--notes", str(folder / name)]
            processes[name] = subprocess.Popen(group.wrap(command))
            stack.callback(_end, processes[name])
        yield Writing(processes, folder)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
