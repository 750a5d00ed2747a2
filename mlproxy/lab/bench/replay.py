"""The grid played through on recorded rows: every training workload from every value.

The same agent and policy as in `grid`, in virtual time (lab/replay.py): seconds, and no device.
A cell's share is what the values held after 10 s gave when they were recorded, over the best
recorded one. Rows are short, so that the best of a workload is also the luckiest of its values:
how many workloads a choice by every other repeat would lose is told beside.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from mlproxy.adapter import Adapter
from mlproxy.errors import LabError
from mlproxy.lab.bench.grid import PROFILE, SHARE
from mlproxy.lab.bench.report import Report
from mlproxy.lab.bench.setup import Setup
from mlproxy.lab.replay import NS, Player, Rates, played_agent, rates_of
from mlproxy.lab.rows import metrics_of, read_rows, setting_of, windows_of
from mlproxy.lab.stats import geometric_mean
from mlproxy.lab.workload import TRAINING
from mlproxy.model import Model, load_model
from mlproxy.policy import Policy
from mlproxy.policy_file import parse_policies
from mlproxy.registry import load_registry

ADAPTER, KNOB = "readahead", "read_ahead_kb"
ROWS = Path("training/readahead.jsonl.gz")
WITHIN_S, COUNTED_S = 10, 30


@dataclass(frozen=True)
class Recorded:
    """One workload: by value its windows as rates, and log progress of each repeat."""

    rates: Mapping[int, Sequence[Rates]]
    progress_log: Mapping[int, Sequence[float]]

    def mean(self, value: int, repeats: slice = slice(None)) -> float:
        """Mean log progress over some repeats; those that were not run do not count."""
        return fmean(self.progress_log[value][repeats] or self.progress_log[value])

    def best(self, repeats: slice = slice(None)) -> int:
        """The value that was fastest in some repeats."""
        return max(self.progress_log, key=lambda value: self.mean(value, repeats))


def run(report: Report, setup: Setup) -> None:
    """Every cell, and what of it is noise. Raises: LabError without recorded rows."""
    if not ROWS.exists():
        raise LabError(f"no recorded rows at {ROWS}: run this from the repository")
    adapter = load_registry().get(ADAPTER)
    policy = setup.policies(ADAPTER)[ADAPTER]
    (rules,) = parse_policies(policy.encode(), ROWS)
    model = load_model(adapter, setup.models.get(ADAPTER, "builtin"))
    found = recorded(adapter, read_rows([ROWS]), setup.only or [each.name for each in TRAINING])
    shares = {}
    for name, workload in found.items():
        for start in workload.rates:
            share = play(adapter, model, rules, workload, start, f"{setup.seed}/{name}/{start}")
            shares[name, start] = share
        mine = {start: share for (other, start), share in shares.items() if other == name}
        report.run("workload", workload=name, best=workload.best(), shares=mine)
    judge(report, shares, found)


def recorded(
    adapter: Adapter,
    rows: Iterable[Mapping[str, Any]],
    names: Sequence[str],
    profile: str = PROFILE,
) -> dict[str, Recorded]:
    """The workloads of these names on one device. A row without a window is left out."""
    rates: dict[str, dict[int, list[Rates]]] = defaultdict(lambda: defaultdict(list))
    progress: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        windows = windows_of(row)
        if row["profile"] != profile or row["workload"] not in names or not windows:
            continue
        value = int(setting_of(adapter, row["effective"])[KNOB])
        rates[row["workload"]][value] += map(rates_of, windows)
        progress[row["workload"]][value].append(math.log(metrics_of(row["result"])["progress"]))
    return {name: Recorded(rates[name], progress[name]) for name in names if name in rates}


def play(
    adapter: Adapter, model: Model, policy: Policy, workload: Recorded, start: int, seed: str
) -> float:
    """Share of the best once WITHIN_S are over."""
    with (
        tempfile.TemporaryDirectory(prefix="mlproxy-replay-") as folder,
        played_agent(Path(folder), adapter, model, policy, workload.rates, start, seed) as (
            agent,
            player,
        ),
    ):
        agent.run(WITHIN_S + COUNTED_S)
    return _share(player, workload)


def _share(player: Player, workload: Recorded) -> float:
    best = workload.mean(workload.best())
    given = total = 0.0
    for start_ns, end_ns, value in player.spans:
        seconds = max(end_ns - max(start_ns, WITHIN_S * NS), 0)
        given += seconds * math.exp(workload.mean(value) - best)
        total += seconds
    return given / total


def judge(
    report: Report, shares: Mapping[tuple[str, int], float], found: Mapping[str, Recorded]
) -> None:
    """All cells, and which workloads have the losing ones."""
    short = Counter(name for (name, _), share in shares.items() if share < SHARE)
    report.judge(
        f"{len(shares)} cells at >= {SHARE} of the best recorded value",
        f"{short.total()} below, geometric mean {geometric_mean(list(shares.values())):.3f}",
        not short,
    )
    luck = [lucky(workload) for workload in found.values()]
    below = sum(share < SHARE for share in luck)
    report.judge(
        f"the best of every other repeat, judged by the others, at >= {SHARE}",
        f"{below} of {len(luck)} below, geometric mean {geometric_mean(luck):.3f}",
        None,
    )
    for name, count in short.most_common():
        report.say(f"LOSS {name}: {count} of {len(found[name].rates)} cells")


def lucky(workload: Recorded) -> float:
    """What a choice by the even repeats gives in the odd ones, over their best."""
    odd = slice(1, None, 2)
    chosen, best = workload.best(slice(0, None, 2)), workload.best(odd)
    return math.exp(workload.mean(chosen, odd) - workload.mean(best, odd))
