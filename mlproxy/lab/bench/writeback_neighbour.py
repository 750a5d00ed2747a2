"""Two devices: what a fast one keeps beside a slow one that is overloaded."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

from mlproxy.lab.bench.report import Report, interval_text
from mlproxy.lab.bench.setup import Setup, verdicts
from mlproxy.lab.bench.writeback_place import DEVICE, Size, beside, stick_under, written_mb
from mlproxy.lab.bench.writeback_stream import COMES_DOWN_S, SLOWED, ratio
from mlproxy.lab.notes import writing
from mlproxy.lab.profile import PROFILES
from mlproxy.lab.testbed import TestBed

FAST = PROFILES["ssd-5ms"]
FAST_SIZE_MB, FAST_MEMORY_MB = 6000, 8000
FLOOR = 0.95
BEGINS_S = 5.0
"""Of the fast device's writer, which fills what memory it gets."""


def run(report: Report, setup: Setup, size: Size) -> None:
    """The fast one alone, beside the slow one, and beside the slow one under the agent."""
    found: dict[str, list[float]] = {"alone": [], "default": [], "agent": []}
    rng = random.Random(f"{setup.seed}/neighbour")
    with (
        TestBed(FAST, size_mb=FAST_SIZE_MB, memory_mb=FAST_MEMORY_MB) as fast,
        stick_under(report, size.threshold_s) as slow,
    ):
        for number in range(max(size.pairs // 2, 1)):
            for which in rng.sample(tuple(found), 3):
                arm = "agent" if which == "agent" else "default"
                with beside(setup, slow, arm, [fast]) as agent:
                    with _overloaded(slow, which, size):
                        speeds = _speeds(fast, size)
                    said = verdicts(agent) if agent else []
                # What is accepted in some seconds is partly borrowed from memory.
                found[which].append(speeds["written_mb_s"])
                report.run("neighbour", round=number, arm=which, **speeds, verdicts=said)
    judge(report, found)


def judge(report: Report, found: dict[str, list[float]]) -> None:
    """MB/s that the fast device writes, by arm."""
    alone = found["alone"]
    for which, asked in (("default", None), ("agent", FLOOR)):
        share = ratio(list(zip(found[which], alone, strict=True)))
        text = "by default" if asked is None else f"under the agent >= {asked:.0%}"
        report.judge(
            f"fast device beside an overloaded slow one, of its speed alone: {text}",
            interval_text(share, ".3g"),
            None if asked is None else share.estimate >= asked,
        )


@contextmanager
def _overloaded(slow: TestBed, which: str, size: Size) -> Iterator[None]:
    """A stream on the slow device, its limit in force where there is an agent."""
    if which == "alone":
        yield
        return
    warm_s = COMES_DOWN_S + SLOWED * size.threshold_s
    lasts_s = warm_s + BEGINS_S + size.measured_s + 5.0
    with writing(slow.mount, slow.cgroup, {DEVICE: f"stream:{lasts_s:g}"}):
        time.sleep(warm_s)
        yield


def _speeds(fast: TestBed, size: Size) -> dict[str, float]:
    """MB/s accepted and written, once the beginning is over."""
    spec = f"stream:{BEGINS_S + size.measured_s:g}"
    with writing(fast.mount, fast.cgroup, {DEVICE: spec}) as writers:
        time.sleep(BEGINS_S)
        since_ns, (before_mb, before_s) = time.monotonic_ns(), written_mb(fast)
        time.sleep(size.measured_s)
        after_mb, after_s = written_mb(fast)
        noted = writers.wait()[DEVICE].between(since_ns)
    return {
        "accepted_mb_s": noted.megabytes / size.measured_s,
        "written_mb_s": (after_mb - before_mb) / (after_s - before_s),
    }
