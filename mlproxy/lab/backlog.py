"""Measuring what a limit on dirty data does: time to drain, bytes accepted, bytes written.

The host's own threshold is larger than a short run fills, and data expires after half a minute.
So rows are recorded on a device and on one four times slower under thresholds that are a few
seconds and a few minutes of their writing, and data expires sooner; every value of the host's is
put back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlproxy.adapter import Adapter
from mlproxy.errors import LabError
from mlproxy.lab import fio
from mlproxy.lab.arm import Arm, arm
from mlproxy.lab.observer import Observer
from mlproxy.lab.profile import Profile
from mlproxy.lab.runner import Row, run_rows
from mlproxy.lab.testbed import TestBed
from mlproxy.lab.workload import Job, Workload
from mlproxy.lab.writers import Writers, is_burst, is_stream, writers
from mlproxy.snapshot import Sample, Window

METRIC = "drains_s"
SIZE_MB, MEMORY_MB = 9000, 12000
RAMP_S = 0.5
TAIL_S = 4.0
"""The end of a run, by which a stream has filled what it may."""

THRESHOLDS_S: Mapping[int, float] = {1: 20.0, 4: 240.0}
"""Dirty thresholds in seconds of the device's writing, of one so many times slower."""

LEAST_DRAIN_S = 0.2
"""Nobody notices a backlog that is written sooner."""

FAST_MB_S = 200.0
"""Accepted faster than this is memory, and how fast that is says nothing of the limit."""

LEAST_MB_S = 0.01

SHIFTS: Mapping[int, tuple[int, ...]] = {1: (1, 2, 4, 6), 4: (3, 6, 8)}
"""Limits to record at, halvings of the threshold, by how many times slower the device is."""

VM = "proc/sys/vm"
SOON = {f"{VM}/dirty_expire_centisecs": 500, f"{VM}/dirty_writeback_centisecs": 50}
"""Late enough for an overwriter to get on at memory's speed before, soon enough to see it after."""


@dataclass(frozen=True)
class Place:
    """A device under one dirty threshold; `vm` are the host's values while it is measured."""

    profile: Profile
    slower: int
    threshold_s: float
    vm: Mapping[str, int]

    @property
    def label(self) -> str:
        """The name that its rows have as their profile."""
        return f"{self.profile.name}-{self.threshold_s:.0f}s"


def places(profile: Profile) -> list[Place]:
    """What is recorded of a device. Raises: LabError for an endless bandwidth."""
    if not math.isfinite(profile.bandwidth_mb_s):
        raise LabError(f"profile {profile.name!r} has no bandwidth that a backlog could exceed")
    return [_place(profile, slower, seconds) for slower, seconds in THRESHOLDS_S.items()]


def thresholds(limit_mb: float) -> dict[str, int]:
    """The host's dirty thresholds, to be set like knobs."""
    limit = round(limit_mb) * 10**6
    return {f"{VM}/dirty_bytes": limit, f"{VM}/dirty_background_bytes": limit // 2}


def _place(profile: Profile, slower: int, threshold_s: float) -> Place:
    speed = profile.bandwidth_mb_s / slower
    limits = thresholds(speed * threshold_s)
    slow = replace(profile, bandwidth_mb_s=speed)
    return Place(slow, slower, threshold_s, {**SOON, **limits})


def sweep_backlog(
    adapter: Adapter, profiles: Sequence[Profile], path: Path, repeats: int, quick: bool = False
) -> int:
    """Record rows of writers at limits; as sweep.sweep."""
    done = 0
    for profile in profiles:
        for place in places(profile):
            with TestBed(place.profile, size_mb=SIZE_MB, memory_mb=MEMORY_MB) as bed:
                bed.set_profile(replace(place.profile, name=place.label))
                observer = Observer(bed, adapter)
                try:
                    done += _sweep_place(adapter, place, bed, observer, path, repeats, quick)
                finally:
                    observer.close()
    return done


def _sweep_place(
    adapter: Adapter,
    place: Place,
    bed: TestBed,
    observer: Observer,
    path: Path,
    repeats: int,
    quick: bool,
) -> int:
    chosen = writers(place.profile.bandwidth_mb_s, place.threshold_s)[:: 4 if quick else 1]
    rows = list(declare_rows(adapter, place, chosen, repeats))
    measure = measure_of(place.profile.bandwidth_mb_s)
    facts = observer.proxy.facts
    return run_rows(rows, bed, path, observe=observer.windows, facts=facts, measure=measure)


def declare_rows(
    adapter: Adapter, place: Place, chosen: Sequence[Writers], repeats: int
) -> Iterator[Row]:
    """Every workload without a limit, with which the others are compared, then at every one."""
    limits = (0, *SHIFTS[place.slower])
    for repeat in range(repeats):
        for each in chosen:
            for shift in limits:
                yield Row(
                    each.workload, limit_arm(adapter, place, shift), repeat, each.runtime_s, RAMP_S
                )


def limit_arm(adapter: Adapter, place: Place, shift: int) -> Arm:
    """A limit of a share of the threshold, strict; none for a shift of 0."""
    knob = adapter.asked[0]
    assert knob.maximum is not None
    values: dict[str, int | str] = {f"{_bdi(knob.path)}": knob.maximum >> shift}
    for name, value in knob.companions.items():
        values[_bdi(adapter.knob(name).path)] = value if shift else 0
    return arm(f"limit-{shift}" if shift else "none", {**place.vm, **values})


def _bdi(path: str) -> str:
    return f"sys/class/bdi/{{devno}}/{path}"


def measure_of(bandwidth_mb_s: float) -> Callable[..., fio.WorkloadResult]:
    """For the row runner: fio, then the metrics, then the files are gone again."""

    def measure(
        workload: Workload,
        bed: fio.Bed,
        runtime_s: float,
        ramp_s: float,
        *,
        seed: int,
        observe: fio.Observe | None,
    ) -> fio.WorkloadResult:
        try:
            result = fio.run(workload, bed, runtime_s, ramp_s, seed=seed, observe=observe)
        finally:
            forget_files(bed.mount, workload)
        return replace(result, metrics=backlog_metrics(result, workload, bandwidth_mb_s))

    return measure


def forget_files(mount: Path, workload: Workload) -> None:
    """Remove a workload's files; what of them is still dirty is never written."""
    for name in workload.files():
        with suppress(FileNotFoundError):
            (mount / name).unlink()


def backlog_metrics(
    result: fio.WorkloadResult, workload: Workload, bandwidth_mb_s: float
) -> dict[str, float]:
    """`drains_s`, `accepted` (bytes/s) and `written` (bytes/s) of a run; the backlog and what
    is written are those of its end, by which a stream has filled what it may."""
    windows = _tail([Window(Sample(**w["before"]), Sample(**w["after"])) for w in result.windows])
    length_s = sum(window.elapsed_s for window in windows)
    backlog_mb = sum(_backlog_mb(window.after) * window.elapsed_s for window in windows) / length_s
    written_mb = sum(window.delta("disk.write_sectors") or 0.0 for window in windows) * 512e-6
    return {
        METRIC: 1.0 / max(backlog_mb / bandwidth_mb_s, LEAST_DRAIN_S),
        "accepted": accepted_mb_s(result, workload, written_mb / length_s) * 1e6,
        "written": max(written_mb / length_s, LEAST_MB_S) * 1e6,
    }


def _tail(windows: Sequence[Window]) -> Sequence[Window]:
    if not windows:
        raise LabError("no windows were seen beside a writer")
    end_ns = windows[-1].after.taken_ns
    return [window for window in windows if end_ns - window.after.taken_ns < TAIL_S * 1e9]


def _backlog_mb(sample: Sample) -> float:
    values: Mapping[str, Any] = sample.values
    try:
        kb = values["bdi.writeback_kb"] + values["bdi.reclaimable_kb"]
    except KeyError as error:
        raise LabError("debugfs bdi/*/stats cannot be read: no backlog to measure") from error
    return float(kb) * 1.024e-3


def accepted_mb_s(result: fio.WorkloadResult, workload: Workload, written_mb_s: float) -> float:
    """Geometric mean of what the streams get together and each other job gets.

    What a stream gets accepted in the long run is what is written, and a short run is no
    measure of it: before, it borrows from memory, or pays back. What a burst gets while it
    lasts, or an overwriter, is theirs, up to FAST_MB_S.
    """
    done = list(zip(workload.jobs, result.of("writer"), strict=True))
    speeds = [min(_speed_mb_s(*pair), FAST_MB_S) for pair in done if not is_stream(pair[0])]
    if any(map(is_stream, workload.jobs)):
        speeds.append(written_mb_s)
    return math.exp(sum(math.log(max(speed, LEAST_MB_S)) for speed in speeds) / len(speeds))


def _speed_mb_s(job: Job, done: fio.JobResult) -> float:
    """MB/s of one job; of one that thinks, while it writes."""
    if not is_burst(job):
        return done.bytes_s / 1e6
    writing = done.iops * (done.clat_mean_us or 0.0) / 1e6
    return done.bytes_s / 1e6 / writing if writing > 0 else 0.0
