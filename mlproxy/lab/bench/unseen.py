"""Workloads that the model never saw, played through on recorded rows.

Every workload in ROWS, on every device, is played (lab/replay.py) from some values with a model
that was trained on the others: a workload is left out on all devices at once. The best value is
the best recorded one. Most rows were recorded once, so that it is the luckiest of eight as well.
"""

from __future__ import annotations

import math
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mlproxy.adapter import Adapter
from mlproxy.dataset import unit_of
from mlproxy.errors import LabError
from mlproxy.lab.bench.replay import ADAPTER, ROWS, Recorded, play, recorded
from mlproxy.lab.bench.report import Report
from mlproxy.lab.bench.setup import Setup
from mlproxy.lab.rows import read_rows, records_of
from mlproxy.lab.stats import geometric_mean, share_captured
from mlproxy.model import load_model
from mlproxy.policy import Policy
from mlproxy.policy_file import parse_policies
from mlproxy.registry import load_registry
from mlproxy.training import folds_of, train

STARTS = (4, 128, 2048)
DEFAULT = 128
ASKED = 0.95
FEWEST_VALUES = 4
"""A workload that was recorded at fewer values shows no headroom."""

Row = Mapping[str, Any]


class Cell(NamedTuple):
    """One workload on one device from one value; shares of the best recorded progress."""

    profile: str
    workload: str
    start: int
    share: float
    start_share: float


def run(report: Report, setup: Setup) -> None:
    """All folds. Raises: LabError without recorded rows."""
    if not ROWS.exists():
        raise LabError(f"no recorded rows at {ROWS}: run this from the repository")
    adapter = load_registry().get(ADAPTER)
    (policy,) = parse_policies(setup.policies(ADAPTER)[ADAPTER].encode(), ROWS)
    rows = [row for row in read_rows([ROWS]) if not setup.only or row["workload"] in setup.only]
    starts = (DEFAULT,) if setup.quick else STARTS
    cells: list[Cell] = []
    for cell in unseen(adapter, policy, rows, starts, setup.seed):
        report.run("cell", **cell._asdict())
        cells.append(cell)
    judge(report, cells)


def unseen(
    adapter: Adapter, policy: Policy, rows: Sequence[Row], starts: Sequence[int], seed: int
) -> Iterator[Cell]:
    """Cells of every workload, by models that were trained without it."""
    fold_of = folds_of((row["workload"] for row in rows), seed)
    profiles = sorted({row["profile"] for row in rows})
    for fold in sorted(set(fold_of.values())):
        out = sorted({row["workload"] for row in rows if fold_of[unit_of(row["workload"])] == fold})
        rest = records_of(adapter, (row for row in rows if row["workload"] not in out))
        with tempfile.TemporaryDirectory(prefix="mlproxy-unseen-") as folder:
            train(adapter, rest, Path(folder))
            model = load_model(adapter, folder)
        for profile in profiles:
            for name, workload in recorded(adapter, rows, out, profile).items():
                if len(workload.rates) < FEWEST_VALUES:
                    continue
                for start in sorted(workload.rates.keys() & set(starts)):
                    share = play(adapter, model, policy, workload, start, f"{seed}/{name}/{start}")
                    yield Cell(profile, name, start, share, _share_at(workload, start))


def _share_at(workload: Recorded, value: int) -> float:
    return math.exp(workload.mean(value) - workload.mean(workload.best()))


def judge(report: Report, cells: Sequence[Cell]) -> None:
    """What was captured from the kernel's default; the same by start, and what was lost."""
    found = share_captured(*_headroom(cell for cell in cells if cell.start == DEFAULT))
    report.judge(
        f"log gain captured from {DEFAULT} KiB >= {ASKED}",
        f"{found.estimate:.3f} ({found.lower:.3f} to {found.upper:.3f})",
        found.estimate >= ASKED,
    )
    for start in sorted({cell.start for cell in cells}):
        mine = [cell for cell in cells if cell.start == start]
        short = sum(cell.share < ASKED for cell in mine)
        mean = geometric_mean([cell.share for cell in mine])
        before = geometric_mean([cell.start_share for cell in mine])
        report.judge(
            f"from {start} KiB, {len(mine)} cells: share of the best recorded value",
            f"geometric mean {mean:.3f} of {before:.3f} without an agent; {short} below {ASKED}",
            None,
        )
    harmed = sorted((cell.share / cell.start_share, cell) for cell in cells)
    lost = [(ratio, cell) for ratio, cell in harmed if ratio < ASKED]
    report.judge(f"cells that end below {ASKED} of where they began", f"{len(lost)}", None)
    for ratio, cell in lost:
        report.say(f"LOSS {cell.profile}/{cell.workload} from {cell.start}: {ratio:.3f}")


def _headroom(cells: Iterator[Cell]) -> tuple[list[float], list[float]]:
    """ln(reached / start) and ln(best / start) by workload, all its cells together."""
    ours: dict[str, float] = defaultdict(float)
    best: dict[str, float] = defaultdict(float)
    for cell in cells:
        workload = unit_of(cell.workload)
        ours[workload] += math.log(cell.share / cell.start_share)
        best[workload] -= math.log(cell.start_share)
    return list(ours.values()), list(best.values())
