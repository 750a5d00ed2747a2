"""From every grid value: each training workload finds back to its best, and stays there.

fio runs again and again for about 1.5 s each, so that files are reopened. The best is
measured over the whole grid in the same run: chosen on one half of the repeats, measured on
the other, since the fastest of eight noisy values was lucky as well. Asked: within 10 s the
progress is at least 0.95 of the best (a cell below is run once more and judged by both runs),
and a steady minute after that has at most 2 changes; looks from a blind value are counted
apart, with their cost. Once per workload the best value itself is held, without an agent, and
judged as a cell is: how many of those fall short is what the measurement can tell at all.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlproxy.lab.bench.cell import WITHIN_S, Cell, Place, Size, again, with_agent, with_the_best
from mlproxy.lab.bench.report import Report, mb_s
from mlproxy.lab.bench.setup import Setup
from mlproxy.lab.bench.static import measure
from mlproxy.lab.fio import lay_out
from mlproxy.lab.profile import PROFILES
from mlproxy.lab.stats import geometric_mean
from mlproxy.lab.testbed import TestBed
from mlproxy.lab.workload import TRAINING, by_name

GRID = (4, 16, 32, 64, 128, 512, 2048, 8192)
SHARE = 0.95
MOST_CHANGES = 2
PROFILE = "ssd-dilated"

FULL = Size(tuple(each.name for each in TRAINING), GRID, GRID, 1.5, 2, 6.0, 60.0, (128,))
QUICK_WORKLOADS = ("mmap-random-4k", "mmap-sequential-64k")
QUICK = Size(QUICK_WORKLOADS, (4, 16, 128, 2048), (2048,), 1.0, 2, 5.0, 5.0, ())


def run(report: Report, setup: Setup) -> None:
    """Every workload: its static values, the best held, then every start value."""
    size = QUICK if setup.quick else FULL
    workloads = [by_name(TRAINING, name) for name in setup.only or size.workloads]
    cells: list[Cell] = []
    perfect: list[float] = []
    with TestBed(PROFILES[PROFILE]) as bed:
        lay_out(bed, workloads)
        for workload in workloads:
            static = measure(bed, workload, size.grid, size.static_repeats, size.run_s, setup.seed)
            means = {kb: mb_s(speed) for kb, speed in static.means.items()}
            report.run("static", workload=workload.name, best_mb_s=mb_s(static.best), mb_s=means)
            places = [Place(report, setup, size, bed, workload, static, kb) for kb in size.starts]
            perfect.append(with_the_best(places[0]))
            for place in places:
                cell = with_agent(place)
                cells.append(cell if cell.share >= SHARE else again(cell, with_agent(place)))
    judge(report, cells, perfect)


def judge(report: Report, cells: Sequence[Cell], perfect: Sequence[float]) -> None:
    """All cells, and the worst by name; beside them what a perfect choice shows."""
    short = [cell for cell in cells if cell.share < SHARE]
    report.judge(
        f"{len(cells)} cells at >= {SHARE} of the best within {WITHIN_S:.0f} s",
        f"{len(short)} below, geometric mean {geometric_mean([c.share for c in cells]):.3f}",
        not short,
    )
    well = [cell.static_share for cell in cells]
    report.judge(
        "the same by the static runs of the values held, which noise touches less",
        f"{sum(share < SHARE for share in well)} below, geometric mean {geometric_mean(well):.3f}",
        None,
    )
    lucky = sum(share >= SHARE for share in perfect)
    report.judge(
        f"the best value itself, held without an agent, at >= {SHARE}",
        f"{lucky} of {len(perfect)}, geometric mean {geometric_mean(list(perfect)):.3f}",
        None,
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
