"""Reads beside an asynchronous direct writer: latency with the agent and without.

Asked of the dilated SSD: mean read latency at least 5 times lower, the writer at 85 % or more;
at the small size, of which the first steps are a large part, 3 times and 80 %. A disk that
seeks is reported beside it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from mlproxy.lab import fio
from mlproxy.lab.bench.arms import Arms
from mlproxy.lab.bench.report import Report, interval_text, mb_s
from mlproxy.lab.bench.setup import Setup
from mlproxy.lab.fio import WorkloadResult, lay_out
from mlproxy.lab.profile import profiles_named
from mlproxy.lab.stats import paired_ratio
from mlproxy.lab.testbed import TestBed
from mlproxy.lab.workload import IOSCHED_TRAINING, Workload, by_name

WORKLOAD = "read-beside-writer-128k-qd32"
ADAPTERS = ("iosched",)


@dataclass(frozen=True)
class Size:
    """How much is measured. The warm-up lets the agent see and act, in both arms alike."""

    profiles: tuple[str, ...]
    pairs: int
    runtime_s: float
    warm_s: float
    latency_factor: float
    writer_floor: float


ASKED = "ssd-dilated"
FULL = Size((ASKED, "disk-seek"), 6, 20.0, 20.0, 5.0, 0.85)
QUICK = Size((ASKED,), 2, 6.0, 12.0, 3.0, 0.80)


@dataclass(frozen=True)
class Pair:
    """One default and one agent run side by side: mean read latency, writer's bytes/s."""

    default_us: float
    agent_us: float
    default_write: float
    agent_write: float


def run(report: Report, setup: Setup) -> None:
    """Every disk and its judgement."""
    size = QUICK if setup.quick else FULL
    workload = by_name(IOSCHED_TRAINING, WORKLOAD)
    for profile in profiles_named(setup.only or size.profiles):
        with TestBed(profile) as bed:
            lay_out(bed, [workload])
            pairs = list(_pairs(report, setup, size, bed, workload))
        judge(report, size, profile.name, pairs)


def judge(report: Report, size: Size, profile: str, pairs: list[Pair]) -> None:
    """Latency and writer of one profile; only of one is anything asked."""
    asked = profile == ASKED
    latency = paired_ratio([p.default_us for p in pairs], [p.agent_us for p in pairs])
    writer = paired_ratio([p.agent_write for p in pairs], [p.default_write for p in pairs])
    report.judge(
        f"{profile}: mean read latency >= {size.latency_factor:g}x lower",
        f"{interval_text(latency, '.2f')}x lower",
        latency.estimate >= size.latency_factor if asked else None,
    )
    report.judge(
        f"{profile}: writer >= {size.writer_floor:.0%} of the default",
        f"{interval_text(writer, '.2f')}x",
        writer.estimate >= size.writer_floor if asked else None,
    )


def _pairs(
    report: Report, setup: Setup, size: Size, bed: TestBed, workload: Workload
) -> Iterator[Pair]:
    rng = random.Random(setup.seed)
    arms = Arms(
        report=report,
        setup=setup,
        bed=bed,
        adapters=ADAPTERS,
        about={"profile": bed.profile.name},
        warm_s=size.warm_s,
        measure=lambda seed: fio.run(workload, bed, size.runtime_s, size.warm_s, seed=seed),
        figures=_figures,
    )
    for number in range(size.pairs):
        default, agent = arms.pair(rng, number)
        yield Pair(
            _latency_us(default),
            _latency_us(agent),
            default.bytes_s("writer"),
            agent.bytes_s("writer"),
        )


def _figures(result: WorkloadResult) -> dict[str, object]:
    return {"read_mean_us": _latency_us(result), "writer_mb_s": mb_s(result.bytes_s("writer"))}


def _latency_us(result: WorkloadResult) -> float:
    """Mean over the readers, weighted by their reads."""
    readers = [job for job in result.of("reader") if job.clat_mean_us is not None]
    reads = sum(job.iops for job in readers)
    return sum(job.iops * (job.clat_mean_us or 0.0) for job in readers) / reads
