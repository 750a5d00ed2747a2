"""Where the writeback benches run: a slow device under a dirty threshold, the agent or not."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlproxy.lab.agentrun import AgentRun
from mlproxy.lab.arm import KnobState, arm
from mlproxy.lab.backlog import MEMORY_MB, SIZE_MB, thresholds
from mlproxy.lab.bench.report import Report
from mlproxy.lab.bench.setup import Setup, agent_on, unchanged
from mlproxy.lab.profile import PROFILES
from mlproxy.lab.testbed import TestBed

ADAPTERS = ("writeback",)
PROFILE = PROFILES["stick"]
HOST_SIZE_MB, HOST_MEMORY_MB = 14000, 22000
"""Of a bed under the host's own threshold: it takes all that a writer may leave dirty."""

DEVICE, OTHER = "write.0", "write.1"
"""Names of files on a bed."""

PAGE_BYTES, SECTOR_BYTES = 4096, 512


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Args:
        threshold_s: the host's dirty threshold, in seconds of the device's writing.
        stream_threshold_s: that of the stream that has to drain.
        curve_threshold_s: that of the curve, each point of which is one run.
        pairs, stream_pairs, fast_pairs: runs with and without the agent.
        measured_s: of a stream, once it is under its limit.
        bursts_s: in which bursts come and go.
    """

    threshold_s: float = 20.0
    stream_threshold_s: float = 100.0
    curve_threshold_s: float = 40.0
    pairs: int = 5
    stream_pairs: int = 3
    fast_pairs: int = 10
    measured_s: float = 30.0
    bursts_s: float = 60.0


FULL = Size()
QUICK = Size(
    stream_threshold_s=20.0,
    curve_threshold_s=20.0,
    pairs=2,
    stream_pairs=1,
    fast_pairs=4,
    measured_s=10.0,
    bursts_s=22.0,
)


@contextmanager
def stick_under(report: Report, threshold_s: float | None) -> Iterator[TestBed]:
    """The slow device under a threshold of so many seconds of its writing, or the host's own."""
    own = threshold_s is None
    sizes = (HOST_SIZE_MB, HOST_MEMORY_MB) if own else (SIZE_MB, MEMORY_MB)
    with TestBed(PROFILE, size_mb=sizes[0], memory_mb=sizes[1]) as bed:
        if threshold_s is None:
            seconds = host_threshold_mb() / PROFILE.bandwidth_mb_s
            report.say(
                f"The host's own dirty threshold is {seconds:.0f} s of the device's writing."
            )
            yield bed
            return
        with host_under(bed, threshold_s * PROFILE.bandwidth_mb_s):
            report.say(f"The dirty threshold is {threshold_s:.0f} s of the device's writing.")
            yield bed


@contextmanager
def host_under(bed: TestBed, threshold_mb: float) -> Iterator[None]:
    """The host's dirty thresholds, put back afterwards."""
    place = arm("threshold", thresholds(threshold_mb))
    host = KnobState([place], bed.disk, bed.devno)
    try:
        host.apply(place)
        yield
    finally:
        host.restore()


def host_threshold_mb() -> float:
    """The host's dirty threshold as of now."""
    lines = Path("/proc/vmstat").read_text().splitlines()
    rows = dict(line.split() for line in lines)
    return int(rows["nr_dirty_threshold"]) * PAGE_BYTES / 1e6


@dataclass(frozen=True)
class Disks:
    """Some disks as the agent is told of them, with the folder of the first."""

    disk: str
    sysfs: Path


@contextmanager
def beside(
    setup: Setup, bed: TestBed, which: str, others: Sequence[TestBed] = ()
) -> Iterator[AgentRun | None]:
    """One run of "agent" or "default", its caches cold; LabError where it left knobs changed.
    The agent has the disks of the `others` as well."""
    with ExitStack() as stack:
        for each in (bed, *others):
            each.drop_caches()
            stack.enter_context(unchanged(each, ADAPTERS))
        if which == "default":
            yield None
            return
        disks = ",".join(each.disk for each in (bed, *others))
        yield stack.enter_context(agent_on(Disks(disks, bed.sysfs), setup.policies(*ADAPTERS)))


def both_arms(setup: Setup, part: str, pairs: int) -> Iterator[tuple[int, tuple[str, str]]]:
    """Numbers of pairs, each with its two arms in seeded order."""
    rng = random.Random(f"{setup.seed}/{part}")
    for number in range(pairs):
        first, second = rng.sample(("default", "agent"), 2)
        yield number, (first, second)


def written_mb(bed: TestBed) -> tuple[float, float]:
    """MB written to the disk so far, and when that was read, seconds."""
    sectors = int((bed.sysfs / "stat").read_text().split()[6])
    return sectors * SECTOR_BYTES / 1e6, time.monotonic()
