"""One cell of the grid: a start value under a workload, with an agent or with a perfect choice."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from mlproxy.lab.arm import KnobState, readahead_arm
from mlproxy.lab.bench.report import Report
from mlproxy.lab.bench.setup import Setup, after_s, agent_on, held, short_runs, verdicts
from mlproxy.lab.bench.static import Static
from mlproxy.lab.stats import geometric_mean
from mlproxy.lab.testbed import TestBed
from mlproxy.lab.timeline import KnobSample, shares
from mlproxy.lab.workload import Workload

WITHIN_S = 10.0


@dataclass(frozen=True)
class Size:
    """How much is measured. Only some cells get the steady minute."""

    workloads: tuple[str, ...]
    grid: tuple[int, ...]
    starts: tuple[int, ...]
    run_s: float
    static_repeats: int
    counted_s: float
    steady_s: float
    steady_starts: tuple[int, ...]


@dataclass(frozen=True)
class Cell:
    """One start value under one workload.

    `share` is progress over the best static progress, once WITHIN_S are over; `static_share`
    is what the values held then would give by the static runs, which noise touches less;
    `changes` counts the agent's changes but for looks after that, `steady_s` for how long.
    """

    workload: str
    start_kb: int
    share: float
    static_share: float
    changes: int
    looks: int
    look_s: float
    steady_s: float


@dataclass(frozen=True)
class Place:
    """What one cell is measured with."""

    report: Report
    setup: Setup
    size: Size
    bed: TestBed
    workload: Workload
    static: Static
    start_kb: int


def again(first: Cell, second: Cell) -> Cell:
    """Two runs of one cell as one."""
    return replace(
        second,
        share=geometric_mean([first.share, second.share]),
        static_share=geometric_mean([first.static_share, second.static_share]),
        changes=max(first.changes, second.changes),
    )


def with_agent(place: Place) -> Cell:
    """The knob at a start value, an agent that takes it for the baseline, the workload."""
    size, bed, workload = place.size, place.bed, place.workload
    steady_s = size.steady_s if place.start_kb in size.steady_starts else size.counted_s
    with (
        _holding(bed, place.start_kb),
        agent_on(bed, place.setup.policies("readahead")) as agent,
    ):
        settled_ns = agent.ready_ns + round(WITHIN_S * 1e9)
        _drive(size, bed, workload, settled_ns)
        looks, look_s = agent.looks_so_far()
        speeds = _speeds(size, bed, workload, steady_s)
        end_ns = time.monotonic_ns()
        outcomes, said = agent.outcomes(), verdicts(agent)
    knob = agent.watcher.samples["read_ahead_kb"]
    began_s = time.time() - (time.monotonic_ns() - settled_ns) / 1e9
    cell = Cell(
        workload.name,
        place.start_kb,
        geometric_mean(speeds) / place.static.best,
        static_share(knob, settled_ns, end_ns, place.static.means),
        real_changes(outcomes, began_s),
        agent.looks - looks,
        agent.look_s - look_s,
        steady_s,
    )
    place.report.run("cell", **asdict(cell), held=held(knob, settled_ns, end_ns), verdicts=said)
    return cell


def with_the_best(place: Place) -> float:
    """Share of the best by who knows it: its value held from the start, no agent, the same
    runs and the same judgement. What is below 1 here is noise of the measurement."""
    size, bed, best_kb = place.size, place.bed, place.static.best_kb
    with _holding(bed, best_kb):
        _drive(size, bed, place.workload, time.monotonic_ns() + round(WITHIN_S * 1e9))
        speeds = _speeds(size, bed, place.workload, size.counted_s)
    share = geometric_mean(speeds) / place.static.best
    place.report.run("best held", workload=place.workload.name, held=best_kb, share=share)
    return share


@contextmanager
def _holding(bed: TestBed, kb: int) -> Iterator[None]:
    arm = readahead_arm(kb)
    knobs = KnobState([arm], bed.disk, bed.devno)
    try:
        knobs.apply(arm)
        bed.drop_caches()
        yield
        knobs.verify(arm)
    finally:
        knobs.restore()


def _drive(size: Size, bed: TestBed, workload: Workload, settled_ns: int) -> None:
    """The workload until the agent should have settled."""
    for _ in short_runs(workload, bed, settled_ns, size.run_s, 1):
        pass


def _speeds(size: Size, bed: TestBed, workload: Workload, steady_s: float) -> list[float]:
    """Progress of the runs after that."""
    counted = short_runs(workload, bed, after_s(steady_s), size.run_s, 2)
    return [each.progress for each in counted]


def static_share(
    knob: Sequence[KnobSample], start_ns: int, end_ns: int, best: Mapping[int, float]
) -> float:
    """What the values held between two moments give over the best, by the static runs.

    A value that was not measured counts as the nearest below that was.
    """
    total = 0.0
    for value, share in shares(knob, start_ns, end_ns).items():
        nearest = max((kb for kb in best if kb <= int(value or 0)), default=min(best))
        total += share * best[nearest]
    return total / max(best.values())


def real_changes(outcomes: Sequence[Mapping[str, Any]], began_s: float) -> int:
    """Changes after a moment of the wall clock, without looks and the ways back from them."""
    count, looking, before_look = 0, False, None
    for each in outcomes:
        if each["kind"] != "change":
            continue
        is_look = each["why"] == "look" and not looking
        way_back = looking and each["after"] == before_look
        if is_look:
            before_look = each["before"]
        elif not way_back and each["time_s"] >= began_s:
            count += 1
        looking = is_look
    return count
