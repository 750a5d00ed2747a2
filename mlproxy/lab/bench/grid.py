"""From every grid value: each training workload finds back to its best, and stays there.

fio runs again and again for about 1.5 s each, so that files are reopened. The best is
measured over the whole grid in the same run: chosen on one half of the repeats, measured on
the other, since the fastest of eight noisy values was lucky as well. Asked: within 10 s the
progress is at least 0.95 of the best (a cell below is run once more and judged by both runs),
and a steady minute after that has at most 2 changes; looks from a blind value are counted
apart, with their cost.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from mlproxy.lab import fio
from mlproxy.lab.arm import KnobState, readahead_arm
from mlproxy.lab.bench.report import Report, mb_s
from mlproxy.lab.bench.setup import Setup, after_s, agent_on, held, short_runs, verdicts
from mlproxy.lab.fio import lay_out
from mlproxy.lab.profile import PROFILES
from mlproxy.lab.rows import metrics_of
from mlproxy.lab.stats import geometric_mean
from mlproxy.lab.testbed import TestBed
from mlproxy.lab.timeline import KnobSample, shares
from mlproxy.lab.workload import TRAINING, Workload, by_name

GRID = (4, 16, 32, 64, 128, 512, 2048, 8192)
WITHIN_S = 10.0
SHARE = 0.95
MOST_CHANGES = 2
PROFILE = "ssd-dilated"


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


FULL = Size(tuple(each.name for each in TRAINING), GRID, GRID, 1.5, 2, 6.0, 60.0, (128,))
QUICK_WORKLOADS = ("mmap-random-4k", "mmap-sequential-64k")
QUICK = Size(QUICK_WORKLOADS, (4, 16, 128, 2048), (2048,), 1.0, 2, 5.0, 5.0, ())


@dataclass(frozen=True)
class Static:
    """Progress in bytes/s by static readahead, every repeat."""

    by_kb: dict[int, list[float]]

    @property
    def means(self) -> dict[int, float]:
        """Geometric mean of all repeats."""
        return {kb: geometric_mean(speeds) for kb, speeds in self.by_kb.items()}

    @property
    def best(self) -> float:
        """Chosen on one half of the repeats and measured on the other, both ways."""
        return geometric_mean([self._cross(0, 1), self._cross(1, 0)])

    def _cross(self, chosen: int, measured: int) -> float:
        kb = max(self.by_kb, key=lambda each: geometric_mean(self.by_kb[each][chosen::2]))
        return geometric_mean(self.by_kb[kb][measured::2])


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


def run(report: Report, setup: Setup) -> None:
    """Every workload: its static values, then every start value."""
    size = QUICK if setup.quick else FULL
    workloads = [by_name(TRAINING, name) for name in setup.only or size.workloads]
    cells: list[Cell] = []
    with TestBed(PROFILES[PROFILE]) as bed:
        lay_out(bed, workloads)
        for workload in workloads:
            static = _static(report, setup, size, bed, workload)
            for start_kb in size.starts:
                place = Place(report, setup, size, bed, workload, static, start_kb)
                cell = _cell(place)
                cells.append(cell if cell.share >= SHARE else again(cell, _cell(place)))
    judge(report, cells)


def judge(report: Report, cells: Sequence[Cell]) -> None:
    """All cells, and the worst by name."""
    short = [cell for cell in cells if cell.share < SHARE]
    report.judge(
        f"{len(cells)} cells at >= {SHARE} of the best within {WITHIN_S:.0f} s",
        f"{len(short)} below, geometric mean {geometric_mean([c.share for c in cells]):.3f}",
        not short,
    )
    for cell in sorted(short, key=lambda each: each.share):
        report.say(
            f"LOSS {cell.workload} from {cell.start_kb}: {cell.share:.3f} of the best "
            f"({cell.static_share:.3f} by its values' static runs)"
        )
    restless = [cell for cell in cells if per_minute(cell) > MOST_CHANGES]
    most = max(per_minute(cell) for cell in cells)
    report.judge(
        f"at most {MOST_CHANGES} changes in a steady minute",
        f"{len(restless)} cells with more, the most {most:.1f}",
        not restless,
    )
    steady_s = sum(cell.steady_s for cell in cells)
    look_s = sum(cell.look_s for cell in cells)
    looks = sum(cell.looks for cell in cells)
    report.judge("looks, apart", f"{looks}, {look_s / steady_s:.1%} of the steady time", None)


def per_minute(cell: Cell) -> float:
    """Changes per minute; a span shorter than a minute is not stretched to one."""
    return cell.changes * 60 / max(cell.steady_s, 60.0)


def _static(report: Report, setup: Setup, size: Size, bed: TestBed, workload: Workload) -> Static:
    arms = {kb: readahead_arm(kb) for kb in size.grid}
    rows = [(kb, number) for number in range(size.static_repeats) for kb in size.grid]
    random.Random(f"{setup.seed}/{workload.name}").shuffle(rows)
    found: dict[int, list[float]] = {kb: [] for kb in size.grid}
    knobs = KnobState(arms.values(), bed.disk, bed.devno)
    try:
        for kb, number in rows:
            knobs.apply(arms[kb])
            bed.drop_caches()
            result = fio.run(workload, bed, size.run_s, 0.0, seed=number)
            found[kb].append(metrics_of(result.as_json()).get("progress", 1.0))
            knobs.verify(arms[kb])
    finally:
        knobs.restore()
    static = Static(found)
    means = {kb: mb_s(speed) for kb, speed in static.means.items()}
    report.run("static", workload=workload.name, best_mb_s=mb_s(static.best), mb_s=means)
    return static


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


def _cell(place: Place) -> Cell:
    """The knob at a start value, an agent that takes it for the baseline, the workload."""
    size, bed, workload = place.size, place.bed, place.workload
    arm = readahead_arm(place.start_kb)
    knobs = KnobState([arm], bed.disk, bed.devno)
    steady_s = size.steady_s if place.start_kb in size.steady_starts else size.counted_s
    try:
        knobs.apply(arm)
        bed.drop_caches()
        with agent_on(bed, place.setup.policies("readahead")) as agent:
            settled_ns = agent.ready_ns + round(WITHIN_S * 1e9)
            _drive(size, bed, workload, settled_ns)
            looks, look_s = agent.looks_so_far()
            speeds = _speeds(size, bed, workload, steady_s)
            end_ns = time.monotonic_ns()
            outcomes, said = agent.outcomes(), verdicts(agent)
        knobs.verify(arm)
    finally:
        knobs.restore()
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
