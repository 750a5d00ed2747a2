"""Runs declared rows (workload, arm, repeat) interleaved, and records each one for good.

rows = declare(TRAINING, [readahead_arm(kb) for kb in (4, 128, 2048)], 5, runtime_s=20)
with TestBed(PROFILES["ssd-dilated"]) as bed:
    lay_out(bed, TRAINING)
    run_rows(rows, bed, Path("readahead.jsonl"))
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from mlproxy.errors import LabError
from mlproxy.lab import fio
from mlproxy.lab.arm import Arm, KnobState
from mlproxy.lab.lock import LOCK_PATH, lab_lock


class Bed(fio.Bed, Protocol):
    """The part of a TestBed that the runner needs."""

    @property
    def disk(self) -> str: ...
    @property
    def devno(self) -> str: ...
    def drop_caches(self) -> None: ...
    def stats(self) -> dict[str, Any]: ...


class Subject(Protocol):
    """What a row runs: a dataclass, since its definition is a part of the row's id."""

    @property
    def name(self) -> str: ...
    @property
    def family(self) -> str: ...


class Measure(Protocol):
    """Runs a row's workload once; fio.run is the one for a Workload."""

    def __call__(
        self,
        workload: Any,
        bed: Bed,
        runtime_s: float,
        ramp_s: float,
        *,
        seed: int,
        observe: fio.Observe | None,
    ) -> fio.WorkloadResult: ...


@dataclass(frozen=True)
class Row:
    """One run to be made. The repeat is also the workload's seed, the same for every arm."""

    workload: Subject
    arm: Arm
    repeat: int
    runtime_s: float
    ramp_s: float

    def id(self, profile: str) -> str:
        """Readable, and another one as soon as anything that is measured differs."""
        definition = json.dumps([asdict(self), profile], sort_keys=True).encode()
        digest = hashlib.sha256(definition).hexdigest()[:8]
        return f"{profile}/{self.workload.name}/{self.arm.name}/{self.repeat}/{digest}"


def declare(
    workloads: Sequence[Subject],
    arms: Sequence[Arm],
    repeats: int | range,
    *,
    runtime_s: float = 20.0,
    ramp_s: float = 3.0,
    seed: int = 0,
) -> list[Row]:
    """Every workload under every arm, repeat after repeat, in randomised blocks: workloads in
    shuffled order, the arms of one side by side in an order of their own, so that a machine
    that grows slower by the minute is as slow for all that are compared."""
    rows = []
    for repeat in range(repeats) if isinstance(repeats, int) else repeats:
        order = random.Random(f"{seed}/{repeat}")
        for workload in order.sample(workloads, len(workloads)):
            block = order.sample(arms, len(arms))
            rows += [Row(workload, arm, repeat, runtime_s, ramp_s) for arm in block]
    return rows


class Results:
    """A JSONL file of rows: each is appended and fsynced, a torn last line is cut off."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> list[dict[str, Any]]:
        """The rows there are; none when there is no file. LabError for a line that is no row."""
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        return [self._row(number, line) for number, line in enumerate(whole, 1)]

    def _row(self, number: int, line: str) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict) or "id" not in row:
            raise LabError(f"{self.path}:{number} is not a result row")
        return row

    def cut_torn_line(self) -> None:
        """Remove what a crash left of a half-written last row."""
        if not self.path.exists():
            return
        data = self.path.read_bytes()
        os.truncate(self.path, data.rfind(b"\n") + 1)

    def append(self, row: dict[str, Any]) -> None:
        """One row, on the disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())


def versions() -> dict[str, str]:
    """What the numbers depend on: kernel, fio, python, mlproxy."""
    try:
        package = version("mlproxy")
    except PackageNotFoundError:
        package = "not installed"
    done = subprocess.run(["fio", "--version"], capture_output=True, text=True, check=False)
    return {
        "kernel": platform.release(),
        "python": platform.python_version(),
        "fio": done.stdout.strip(),
        "mlproxy": package,
    }


def _unwind(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


@contextmanager
def sigterm_unwinds() -> Iterator[None]:
    """SIGTERM becomes SystemExit in the main thread, so that every knob is put back."""
    previous = signal.signal(signal.SIGTERM, _unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _bar(quiet: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeRemainingColumn(), disable=quiet)


@dataclass(frozen=True)
class Campaign:
    """Where rows run and where they are recorded."""

    bed: Bed
    knobs: KnobState
    results: Results
    measure: Measure
    observe: fio.Observe | None
    facts: Mapping[str, float]
    versions: dict[str, str]

    def run(self, row: Row) -> None:
        """One row: knobs, cold cache, workload, knobs still the same, recorded."""
        effective = self.knobs.apply(row.arm)
        self.bed.drop_caches()
        self.bed.stats()
        started_ns = time.time_ns()
        result = self.measure(
            row.workload,
            self.bed,
            row.runtime_s,
            row.ramp_s,
            seed=row.repeat,
            observe=self.observe,
        )
        self.knobs.verify(row.arm)
        self.results.append(self._record(row, effective, result, started_ns))

    def _record(
        self, row: Row, effective: dict[str, str], result: fio.WorkloadResult, started_ns: int
    ) -> dict[str, Any]:
        return {
            "id": row.id(self.bed.profile.name),
            "profile": self.bed.profile.name,
            "workload": row.workload.name,
            "family": row.workload.family,
            "arm": row.arm.name,
            "knobs": dict(row.arm.knobs),
            "repeat": row.repeat,
            "runtime_s": row.runtime_s,
            "effective": effective,
            "facts": dict(self.facts),
            "late_us": self.bed.stats()["late_us"],
            "result": result.as_json(),
            "metrics": dict(result.metrics),
            **({"notes": dict(result.notes)} if result.notes else {}),
            "windows": result.windows,
            "started_ns": started_ns,
            "versions": self.versions,
        }


def run_rows(
    rows: Sequence[Row],
    bed: Bed,
    path: Path,
    *,
    observe: fio.Observe | None = None,
    facts: Mapping[str, float] | None = None,
    measure: Measure = fio.run,
    root: Path = Path("/"),
    lock: Path = LOCK_PATH,
    quiet: bool = False,
) -> int:
    """Run the rows that `path` does not hold yet, in order; returns how many were run.

    `facts` of the device are written into each row. Every row is shielded from its
    neighbours: knobs assigned and read back, caches dropped.
    All knobs are back at their baseline when this returns or raises, SIGTERM included.
    Busy when another lab is at work; LabError or WriteRefused end the run, and the next call
    goes on where this one stopped.
    """
    results = Results(path)
    with lab_lock(f"{len(rows)} rows for {path}", path=lock), sigterm_unwinds():
        results.cut_torn_line()
        done = {row["id"] for row in results.load()}
        due = [row for row in rows if row.id(bed.profile.name) not in done]
        knobs = KnobState({row.arm for row in rows}, bed.disk, bed.devno, root)
        campaign = Campaign(bed, knobs, results, measure, observe, facts or {}, versions())
        try:
            _run_due(due, campaign, quiet)
        finally:
            knobs.restore()
    return len(due)


def _run_due(due: Sequence[Row], campaign: Campaign, quiet: bool) -> None:
    with _bar(quiet) as bar:
        task = bar.add_task("rows", total=len(due))
        for row in due:
            bar.update(task, description=f"{row.workload.name} {row.arm.name} #{row.repeat}")
            campaign.run(row)
            bar.advance(task)
