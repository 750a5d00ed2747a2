"""How much there was to gain, and how much of it a contender got. All pure.

The best static candidate is chosen on one half of the repeats and measured on the other, both
ways, since the fastest of several noisy values was lucky as well. A pair counts when the lower
end of the 95 % interval of best / default is above 1.1.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mlproxy.errors import LabError
from mlproxy.lab.matrix.contender import AGENT
from mlproxy.lab.matrix.pairs import Pair
from mlproxy.lab.stats import Interval, bootstrap, share_captured

HEADROOM = 1.1

Logs = Mapping[int, float]
"""ln(something / default) by repeat."""


@dataclass(frozen=True)
class Headroom:
    """A pair with its ratios to the default: of the best static candidate, and of a contender."""

    pair: Pair
    best: Interval
    ours: Interval

    @property
    def counts(self) -> bool:
        """Whether there is true headroom."""
        return self.best.lower > HEADROOM


def halves(repeats: Iterable[int]) -> tuple[list[int], list[int]]:
    """Every second repeat, and the others."""
    order = sorted(repeats)
    return order[::2], order[1::2]


def choose(pair: Pair, repeats: Sequence[int]) -> str:
    """The candidate with the best mean on these repeats that keeps to the guards."""
    scores = {
        name: sum(logs[n] for n in repeats) / len(repeats)
        for name in pair.candidates
        if set(repeats) <= (logs := pair.logs(name)).keys() and pair.permitted(name, repeats)
    }
    return max(scores, key=lambda name: (scores[name], name))


def crossed(pair: Pair) -> dict[int, float]:
    """ln(best / default) of every repeat, with the best chosen on the other half.

    Raises: LabError when there are fewer than two repeats of every candidate.
    """
    shared = set.intersection(*(set(pair.logs(name)) for name in pair.candidates))
    first, second = halves(shared)
    if not second:
        raise LabError(f"{pair.name}: two repeats of every candidate are needed")
    found: dict[int, float] = {}
    for chosen, measured in ((first, second), (second, first)):
        logs = pair.logs(choose(pair, chosen))
        found |= {n: logs[n] for n in measured}
    return dict(sorted(found.items()))


def interval(logs: Logs, seed: int = 0) -> Interval:
    """Interval of a ratio from its logs by repeat; without width where there is one repeat."""
    values = [logs[n] for n in sorted(logs)]
    if len(values) == 1:
        return Interval(math.exp(values[0]), 0.0, math.inf)
    return bootstrap(values, seed=seed).exp()


def headroom_of(pair: Pair, logs: Logs | None = None) -> Headroom:
    """A pair with the ratios of a contender, mlproxy if none is given."""
    ours = pair.logs(AGENT) if logs is None else logs
    return Headroom(pair, interval(crossed(pair)), interval(ours))


def captured(found: Iterable[Headroom], seed: int = 0) -> Interval | None:
    """sum ln(ours / default) / sum ln(best / default) over the pairs that count; None without any.

    The bootstrap draws workloads, not pairs: one workload on several devices is no several
    witnesses. With one workload alone the interval has no bounds.
    """
    above: dict[str, float] = defaultdict(float)
    below: dict[str, float] = defaultdict(float)
    for each in found:
        if each.counts:
            above[each.pair.workload] += math.log(each.ours.estimate)
            below[each.pair.workload] += math.log(each.best.estimate)
    if not below:
        return None
    names = sorted(below)
    if len(names) == 1:
        return Interval(above[names[0]] / below[names[0]], -math.inf, math.inf)
    return share_captured([above[n] for n in names], [below[n] for n in names], seed=seed)


def clustered_mean(logs: Iterable[tuple[str, float]], seed: int = 0) -> Interval | None:
    """Geometric mean of ratios from (workload, ln ratio) per pair, workloads drawn; None without
    any."""
    sums: dict[str, float] = defaultdict(float)
    counts: dict[str, float] = defaultdict(float)
    for workload, value in logs:
        sums[workload] += value
        counts[workload] += 1
    if not counts:
        return None
    names = sorted(counts)
    if len(names) == 1:
        return Interval(math.exp(sums[names[0]] / counts[names[0]]), 0.0, math.inf)
    shares = share_captured([sums[n] for n in names], [counts[n] for n in names], seed=seed)
    return shares.exp()


def mean(logs: Logs) -> float:
    """Mean over the repeats; LabError without any."""
    if not logs:
        raise LabError("a mean needs at least one repeat")
    return sum(logs.values()) / len(logs)
