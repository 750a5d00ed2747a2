"""An arm of a measurement: the knob values it asks for, and what is really in force.

nr_requests has hidden state: written under `none` it also narrows the hardware tags, and a
switch to a scheduler and back leaves them narrow while sysfs says otherwise. Only debugfs
(block/<disk>/hctx0/tags, "depth=") tells, and only two different writes under `none` repair it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlproxy.errors import LabError, WriteRefused

READ_AHEAD = "sys/class/bdi/{devno}/read_ahead_kb"
MAX_BYTES = "sys/class/bdi/{devno}/max_bytes"
STRICT_LIMIT = "sys/class/bdi/{devno}/strict_limit"
SCHEDULER = "sys/block/{disk}/queue/scheduler"
NR_REQUESTS = "sys/block/{disk}/queue/nr_requests"
WBT = "sys/block/{disk}/queue/wbt_lat_usec"
TAGS = "sys/kernel/debug/block/{disk}/hctx0/tags"

# Each of these changes what a later one holds: rotational, max_sectors_kb and iostats reset
# read_ahead_kb, a scheduler switch resets nr_requests and wbt.
_ORDER = ("rotational", "max_sectors_kb", "iostats", "scheduler", "nr_requests")
# A byte limit is kept as a share of the dirtyable memory, so it reads back rounded and drifts.
_DRIFTS = {"max_bytes": 0.05, "min_bytes": 0.05}
# Two views of one limit: a baseline byte value is put back through the share it came from.
_TWINS = {
    "max_bytes": "max_ratio_fine",
    "min_bytes": "min_ratio_fine",
    "dirty_bytes": "dirty_ratio",
    "dirty_background_bytes": "dirty_background_ratio",
}
_MIN_REQUESTS = 4  # BLKDEV_MIN_RQ; smaller values are rounded up to it


@dataclass(frozen=True)
class Arm:
    """A name and knob values; a path is relative to / and may hold {disk} and {devno}."""

    name: str
    knobs: tuple[tuple[str, str], ...]


def arm(name: str, knobs: Mapping[str, int | str]) -> Arm:
    """An arm from a mapping of knob path to value."""
    return Arm(name, tuple((path, str(value)) for path, value in knobs.items()))


def readahead_arm(read_ahead_kb: int) -> Arm:
    """The bdi's readahead in KiB."""
    return arm(f"ra={read_ahead_kb}", {READ_AHEAD: read_ahead_kb})


def iosched_arm(scheduler: str, nr_requests: int) -> Arm:
    """A scheduler with its queue depth."""
    return arm(f"{scheduler}:nr={nr_requests}", {SCHEDULER: scheduler, NR_REQUESTS: nr_requests})


def _rank(path: str) -> int:
    name = path.rsplit("/", 1)[1]
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


class KnobState:
    """The knobs that the arms touch on one disk: baselines, assignment, effective state.

    Baselines are read at construction. A knob that an arm leaves out holds its baseline.
    Raises LabError for a knob that is not there, WriteRefused when a value is not in force
    after it was written.
    """

    def __init__(self, arms: Iterable[Arm], disk: str, devno: str, root: Path = Path("/")) -> None:
        self._root = root
        self._names = {"disk": disk, "devno": devno}
        paths = {path for each in arms for path, _ in each.knobs}
        self._paths = sorted(paths, key=lambda path: (_rank(path), path))
        # Not asked for, but changed by the kernel together with the scheduler.
        self._follow = [NR_REQUESTS, WBT] if SCHEDULER in paths else []
        self._follow = [path for path in self._follow if path not in paths and self._has(path)]
        self._baseline = {path: self.read(path) for path in [*self._paths, *self._follow]}
        self._twins = {twin: self.read(twin) for twin in map(_twin, self._paths) if twin}

    def _file(self, path: str) -> Path:
        return self._root / path.format(**self._names)

    def _has(self, path: str) -> bool:
        try:
            self.read(path)
        except LabError:
            return False
        return True

    def read(self, path: str) -> str:
        """The value in force; of a list of words the one in brackets."""
        try:
            text = self._file(path).read_text().strip()
        except OSError as error:
            raise LabError(f"cannot read {self._file(path)}: {error.strerror}") from None
        return text.partition("[")[2].partition("]")[0] or text

    def _write(self, path: str, value: str) -> None:
        try:
            self._file(path).write_text(value)
        except OSError as error:
            raise WriteRefused(f"{self._file(path)} = {value}: {error.strerror}") from None

    def hardware_depth(self) -> tuple[int, int] | None:
        """(depth in force, tags there are) of the first hardware queue; None without debugfs."""
        try:
            lines = self._file(TAGS).read_text().splitlines()
        except OSError:
            return None
        fields = dict(line.split("=", 1) for line in lines if line.count("=") == 1)
        return int(fields["depth"]), int(fields["nr_tags"])

    def apply(self, wanted: Arm) -> dict[str, str]:
        """Put an arm in force, equal values untouched, and return the effective state."""
        goal = self._goal(dict(wanted.knobs))
        for path, value in goal:
            self._set(path, value)
        self._repair()
        return self.verify(wanted)

    def verify(self, wanted: Arm) -> dict[str, str]:
        """The effective state by file; WriteRefused where it is not what the arm asks for."""
        for path, value in self._goal(dict(wanted.knobs)):
            if not _same(path, self.read(path), value):
                raise WriteRefused(
                    f"{self._file(path)} is {self.read(path)}, not {value} as arm"
                    f" {wanted.name!r} asks"
                )
        return self._effective(wanted)

    def _effective(self, wanted: Arm) -> dict[str, str]:
        paths = [*self._paths, *self._follow]
        state = {path.format(**self._names): self.read(path) for path in paths}
        depth = self.hardware_depth() if self._has_queue() else None
        if depth is not None:
            if depth[0] != self._due_depth(depth[1]):
                raise WriteRefused(f"{self._file(TAGS)}: depth {depth[0]} in arm {wanted.name!r}")
            state["hardware_depth"] = str(depth[0])
        return state

    def _has_queue(self) -> bool:
        return NR_REQUESTS in self._baseline

    def _due_depth(self, tags: int) -> int:
        """What the hardware depth has to be: nr_requests under none, all tags elsewhere."""
        if self._has(SCHEDULER) and self.read(SCHEDULER) != "none":
            return tags
        return min(int(self.read(NR_REQUESTS)), tags)

    def _goal(self, wanted: Mapping[str, str]) -> list[tuple[str, str]]:
        """(path, value) of every knob, those that the arm leaves out at their baseline."""
        scheduler = wanted.get(SCHEDULER)
        if scheduler not in (None, self._baseline.get(SCHEDULER)):
            # Their baselines belong to the baseline's scheduler, each scheduler sets its own.
            for path in (NR_REQUESTS, WBT):
                if path in self._paths and path not in wanted:
                    name = path.rpartition("/")[2]
                    raise LabError(f"an arm with scheduler {scheduler} must name {name} as well")
        return [
            (path, wanted[path]) if path in wanted else self._base(path) for path in self._paths
        ]

    def _base(self, path: str) -> tuple[str, str]:
        twin = _twin(path)
        if twin is not None and self._twins[twin] != "0":
            return twin, self._twins[twin]
        return path, self._baseline[path]

    def _set(self, path: str, value: str) -> None:
        if not _same(path, self.read(path), value):
            self._write(path, value)

    def _repair(self) -> None:
        """Widen hardware tags that sysfs no longer speaks of."""
        depth = self.hardware_depth() if self._has_queue() else None
        if depth is None or depth[0] == self._due_depth(depth[1]):
            return
        scheduler = self.read(SCHEDULER)
        nr_requests = self.read(NR_REQUESTS)
        self._set(SCHEDULER, "none")
        self._rewrite(depth[1] if scheduler != "none" else int(nr_requests))
        self._set(SCHEDULER, scheduler)
        self._set(NR_REQUESTS, nr_requests)

    def _rewrite(self, depth: int) -> None:
        other = depth - 1 if depth > _MIN_REQUESTS else depth + 1
        self._write(NR_REQUESTS, str(other))
        self._write(NR_REQUESTS, str(depth))

    def restore(self) -> None:
        """Every knob back at its baseline; all are tried, then LabError names the failures."""
        failed: list[str] = []
        for path in sorted(self._baseline, key=lambda path: (_rank(path), path)):
            with _noted(failed):
                self._set(*self._base(path))
        with _noted(failed):
            self._repair()
        if failed:
            raise LabError(f"not restored: {'; '.join(failed)}")


@contextlib.contextmanager
def _noted(failed: list[str]) -> Iterator[None]:
    try:
        yield
    except (LabError, WriteRefused) as error:
        failed.append(str(error))


def _twin(path: str) -> str | None:
    directory, _, name = path.rpartition("/")
    return f"{directory}/{_TWINS[name]}" if name in _TWINS else None


def _same(path: str, found: str, wanted: str) -> bool:
    drift = _DRIFTS.get(path.rsplit("/", 1)[1])
    if drift is None or not (found.isdigit() and wanted.isdigit()):
        return found == wanted
    return abs(int(found) - int(wanted)) <= drift * int(wanted)
