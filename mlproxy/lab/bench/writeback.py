"""Dirty data on a slow device, with the agent and without: how long `sync` takes after a writer
that never stops, and what it costs those whose bursts drain by themselves or who overwrite.

Asked: the backlog drains within `max_drain`, the device writes at 95 % or more, bursts and
overwriters get 98 % accepted. The p99 of another process's fsync is asked to be 4 times lower.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mlproxy.lab import fio
from mlproxy.lab.arm import KnobState, arm
from mlproxy.lab.backlog import (
    MEMORY_MB,
    SIZE_MB,
    accepted_mb_s,
    forget_files,
    thresholds,
)
from mlproxy.lab.bench.arms import Arms
from mlproxy.lab.bench.report import Report, interval_text
from mlproxy.lab.bench.setup import Setup
from mlproxy.lab.profile import PROFILES
from mlproxy.lab.stats import Interval, paired_ratio
from mlproxy.lab.testbed import TestBed
from mlproxy.lab.workload import Workload
from mlproxy.lab.writers import LOG, stream, writers

ADAPTERS = ("writeback",)
PROFILE = PROFILES["stick"]
MAX_DRAIN_S = 2.0
FSYNC_FACTOR, WRITTEN_FLOOR, ACCEPTED_FLOOR = 4.0, 0.95, 0.98
ENOUGH_MB_S = 100.0
"""Five times the device. How much faster than that memory takes it is the processor's affair."""

SLACK_S = 1.5
"""Of sync's time: fio starts and ends, what is under way, the file system's own data."""

STREAM = Workload("stream-beside-log", "mixed", (stream(), LOG))


@dataclass(frozen=True)
class Size:
    """How much is measured, under a dirty threshold of so many seconds of the device's
    writing. The warm-up is the time that it takes to fill and to come down to a limit."""

    threshold_s: float
    pairs: int
    warm_s: float
    runtime_s: float
    bursts: tuple[str, ...]
    burst_s: float


FULL = Size(
    100.0,
    5,
    200.0,
    30.0,
    ("burst-2s", "burst-8s", "burst-30s", "overwrite-3s", "overwrite-8s", "overwrite-large"),
    60.0,
)
QUICK = Size(20.0, 2, 70.0, 10.0, ("burst-2s", "burst-8s", "overwrite-8s"), 20.0)


@dataclass(frozen=True)
class Streamed:
    """One run of a stream beside a log: seconds that sync took after it, p99 of the log's
    fsync, bytes/s written by the device."""

    drain_s: float
    fsync_p99_s: float
    fsync_mean_s: float
    written_mb_s: float


def run(report: Report, setup: Setup) -> None:
    """The stream, then each of those that need no limit."""
    size = QUICK if setup.quick else FULL
    setup = replace(setup, options={**setup.options, "max_drain": f"{MAX_DRAIN_S:g}s"})
    with TestBed(PROFILE, size_mb=SIZE_MB, memory_mb=MEMORY_MB) as bed:
        place = arm("threshold", thresholds(size.threshold_s * PROFILE.bandwidth_mb_s))
        host = KnobState([place], bed.disk, bed.devno)
        try:
            host.apply(place)
            seconds = size.threshold_s
            report.say(f"The host's dirty threshold is {seconds:.0f} s of the device's writing.")
            judge_stream(report, list(_streams(report, setup, size, bed)))
            listed = writers(PROFILE.bandwidth_mb_s, seconds)
            known = {each.workload.name: each.workload for each in listed}
            for name in size.bursts:
                pairs = list(_bursts(report, setup, size, bed, known[name]))
                judge_burst(report, name, pairs)
        finally:
            host.restore()


def judge_stream(report: Report, pairs: list[tuple[Streamed, Streamed]]) -> None:
    """Time to drain, another's fsync, the device."""
    drains = [agent.drain_s for _, agent in pairs]
    report.judge(
        f"stream: sync takes at most {MAX_DRAIN_S:g} s",
        ", ".join(f"{each:.1f}" for each in drains) + " s",
        max(drains) <= MAX_DRAIN_S + SLACK_S,
    )
    for name, asked in (("drain_s", None), ("fsync_p99_s", FSYNC_FACTOR), ("fsync_mean_s", None)):
        found = _ratio([(getattr(d, name), getattr(a, name)) for d, a in pairs])
        met = None if asked is None else found.estimate >= asked
        text = f"stream: {name}, times shorter" + (f", at least {asked:g}" if asked else "")
        report.judge(text, interval_text(found, ".3g"), met)
    written = _ratio([(agent.written_mb_s, default.written_mb_s) for default, agent in pairs])
    report.judge(
        f"stream: device writes >= {WRITTEN_FLOOR:.0%} of the default",
        interval_text(written, ".3g"),
        written.estimate >= WRITTEN_FLOOR,
    )


def judge_burst(report: Report, name: str, pairs: list[tuple[float, float]]) -> None:
    """Bytes accepted by one that needs no limit."""
    accepted = _ratio([(agent, default) for default, agent in pairs])
    report.judge(
        f"{name}: accepted >= {ACCEPTED_FLOOR:.0%} of the default (up to {ENOUGH_MB_S:g} MB/s)",
        interval_text(accepted, ".3g"),
        accepted.estimate >= ACCEPTED_FLOOR,
    )


def _ratio(pairs: list[tuple[float, float]]) -> Interval:
    above, below = zip(*pairs, strict=True)
    return paired_ratio(above, below)


def _streams(
    report: Report, setup: Setup, size: Size, bed: TestBed
) -> Iterator[tuple[Streamed, Streamed]]:
    arms = Arms(
        report=report,
        setup=setup,
        bed=bed,
        adapters=ADAPTERS,
        about={"workload": STREAM.name},
        warm_s=size.warm_s,
        measure=lambda seed: _stream(bed, size, seed),
        figures=lambda done: {name: round(value, 3) for name, value in vars(done).items()},
    )
    rng = random.Random(setup.seed)
    yield from (arms.pair(rng, number) for number in range(size.pairs))


def _stream(bed: TestBed, size: Size, seed: int) -> Streamed:
    before = after = (0, 0)

    class Written:
        """Sectors written in the measured time."""

        def __enter__(self) -> list[dict[str, object]]:
            nonlocal before
            before = _sectors(bed)
            return []

        def __exit__(self, *_: object) -> None:
            nonlocal after
            after = _sectors(bed)

    # From when writing ends, not from when fio does: an fsync under way drains much by itself.
    ends_s = time.monotonic() + size.warm_s + size.runtime_s
    try:
        done = fio.run(STREAM, bed, size.runtime_s, size.warm_s, seed=seed, observe=Written)
        subprocess.run(["sync", "-f", str(bed.mount)], check=True)
        drain_s = time.monotonic() - ends_s
    finally:
        forget_files(bed.mount, STREAM)
    log = done.jobs[1]
    written = (after[0] - before[0]) * 512e-6 / ((after[1] - before[1]) / 1e9)
    return Streamed(drain_s, (log.sync_p99_us or 0) / 1e6, (log.sync_mean_us or 0) / 1e6, written)


def _sectors(bed: TestBed) -> tuple[int, int]:
    """Sectors written so far, and when that was read."""
    return int((bed.sysfs / "stat").read_text().split()[6]), time.monotonic_ns()


def _bursts(
    report: Report, setup: Setup, size: Size, bed: TestBed, workload: Workload
) -> Iterator[tuple[float, float]]:
    arms = Arms(
        report=report,
        setup=setup,
        bed=bed,
        adapters=ADAPTERS,
        about={"workload": workload.name},
        warm_s=0.0,
        measure=lambda seed: _accepted(bed, size, workload, seed),
        figures=lambda mb_s: {"accepted_mb_s": round(mb_s, 1)},
    )
    rng = random.Random(f"{setup.seed}/{workload.name}")
    yield from (arms.pair(rng, number) for number in range(size.pairs))


def _accepted(bed: TestBed, size: Size, workload: Workload, seed: int) -> float:
    try:
        done = fio.run(workload, bed, size.burst_s, 0.0, seed=seed)
    finally:
        forget_files(bed.mount, workload)
    return min(accepted_mb_s(done, workload, PROFILE.bandwidth_mb_s), ENOUGH_MB_S)
