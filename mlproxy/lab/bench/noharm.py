"""No harm where there is nothing to gain: the agent beside the default, in pairs.

Each run of a pair is a series of short fio runs, so that a changed readahead would reach
the files. Asked: the lower end of the 95 % interval of agent / default is at least 0.97.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from mlproxy.lab.bench.arms import Arms
from mlproxy.lab.bench.report import Report, interval_text, mb_s
from mlproxy.lab.bench.setup import Setup, after_s, short_runs
from mlproxy.lab.fio import lay_out
from mlproxy.lab.profile import PROFILES
from mlproxy.lab.stats import Repeat, RepeatRule, geometric_mean, ratio_interval
from mlproxy.lab.testbed import TestBed
from mlproxy.lab.workload import TRAINING, Workload, by_name

WORKLOADS = (
    "psync-random-4k",
    "psync-sequential-64k",
    "libaio-random-4k-qd32",
    "psync-sequential+mmap-random",
)
"""Two different workloads at once on one device: the last; the geometric mean of both."""

ADAPTERS = ("readahead", "iosched")
PROFILE = "ssd-dilated"


@dataclass(frozen=True)
class Size:
    """How much is measured; the rule says when there are pairs enough."""

    rule: RepeatRule
    warm_s: float
    counted_s: float
    run_s: float


FULL = Size(RepeatRule(), 6.0, 20.0, 4.0)
QUICK = Size(RepeatRule(at_least=2, at_most=2), 2.5, 3.0, 1.0)


def run(report: Report, setup: Setup) -> None:
    """Every workload until the rule is content."""
    size = QUICK if setup.quick else FULL
    workloads = [by_name(TRAINING, name) for name in setup.only or WORKLOADS]
    with TestBed(PROFILES[PROFILE]) as bed:
        lay_out(bed, workloads)
        for workload in workloads:
            ratios = _pairs(report, setup, size, bed, workload)
            judge(report, workload.name, ratios, size.rule)


def judge(report: Report, workload: str, ratios: Sequence[float], rule: RepeatRule) -> None:
    """One workload. A quick run is too short to prove the floor: it fails only on proven harm."""
    interval = ratio_interval(ratios)
    verdict = rule.judge(ratios)
    found = f"{interval_text(interval, '.3f')}, {len(ratios)} pairs, {verdict.value}"
    if report.quick:
        asked = f"{workload}: agent / default not proven below {rule.floor}"
        report.judge(asked, found, interval.upper >= rule.floor)
    else:
        asked = f"{workload}: agent / default >= {rule.floor} (95 % lower bound)"
        report.judge(asked, found, verdict is Repeat.PASSED)


def _pairs(
    report: Report, setup: Setup, size: Size, bed: TestBed, workload: Workload
) -> list[float]:
    rng = random.Random(f"{setup.seed}/{workload.name}")
    arms = Arms(
        report=report,
        setup=setup,
        bed=bed,
        adapters=ADAPTERS,
        about={"workload": workload.name},
        warm_s=size.warm_s,
        measure=lambda number: _measured(size, bed, workload, number),
        figures=lambda speed: {"progress_mb_s": mb_s(speed)},
    )
    ratios: list[float] = []
    while not ratios or size.rule.judge(ratios) is Repeat.MORE:
        default, agent = arms.pair(rng, len(ratios))
        ratios.append(agent / default)
    return ratios


def _measured(size: Size, bed: TestBed, workload: Workload, number: int) -> float:
    """Geometric mean of the short runs' progress, the warm-up's left out."""
    for _ in short_runs(workload, bed, after_s(size.warm_s), size.run_s, 2 * number):
        pass
    counted = short_runs(workload, bed, after_s(size.counted_s), size.run_s, 2 * number + 1)
    return geometric_mean([each.progress for each in counted])
