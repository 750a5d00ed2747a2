"""Rows as pairs: one load on one device under one adapter, every contender's repeats."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlproxy.errors import ConfigError
from mlproxy.lab.matrix.contender import AGENT, DEFAULT, STATIC

LEAST = 1e-3
"""Of a metric, per second: a load that got nowhere has no logarithm."""

Repeats = Mapping[int, float]
"""A number per repeat."""


@dataclass(frozen=True)
class Pair:
    """What was measured of one setting.

    Args:
        values: the primary metric (higher is better) by contender and repeat.
        kinds: kind by contender.
        guards: by guarded metric its floor and its values, as `values`.
    """

    adapter: str
    profile: str
    workload: str
    family: str
    split: str
    metric: str
    values: Mapping[str, Repeats]
    kinds: Mapping[str, str]
    guards: Mapping[str, tuple[float, Mapping[str, Repeats]]]

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.profile}/{self.workload}"

    @property
    def key(self) -> tuple[str, str, str]:
        """For programs."""
        return self.adapter, self.profile, self.workload

    @property
    def candidates(self) -> list[str]:
        """Among which the best static one is looked for: the default is one of them."""
        return [DEFAULT, *(name for name, kind in self.kinds.items() if kind == STATIC)]

    def logs(self, contender: str, over: str = DEFAULT) -> dict[int, float]:
        """ln(contender / over) of every repeat that both have."""
        above, below = self.values.get(contender, {}), self.values.get(over, {})
        return {n: math.log(above[n] / below[n]) for n in sorted(above.keys() & below.keys())}

    def permitted(self, contender: str, repeats: Iterable[int]) -> bool:
        """Whether it keeps every guarded metric at its floor times the default's, on average."""
        chosen = set(repeats)
        for floor, values in self.guards.values():
            ours, default = values.get(contender, {}), values.get(DEFAULT, {})
            both = chosen & ours.keys() & default.keys()
            if both and sum(math.log(ours[n] / default[n]) for n in both) < len(both) * math.log(
                floor
            ):
                return False
        return True

    def has(self, contender: str) -> bool:
        """Whether it ran beside the default."""
        return bool(self.logs(contender))


def pairs_of(rows: Iterable[Mapping[str, Any]]) -> list[Pair]:
    """Pairs in a fixed order, whatever the order of the rows. Raises: ConfigError for a row that
    no matrix made."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        try:
            key = (row["notes"]["adapter"], row["profile"], row["workload"])
            row["notes"]["kind"], row["arm"], row["repeat"], row["metrics"]
        except (KeyError, TypeError) as error:
            raise ConfigError(f"not a row of a matrix: no {error}") from None
        groups[key].append(row)
    return [_pair(key, groups[key]) for key in sorted(groups)]


def agents(pairs: Iterable[Pair]) -> list[Pair]:
    """Pairs in which mlproxy ran."""
    return [pair for pair in pairs if pair.has(AGENT)]


def _pair(key: tuple[str, str, str], rows: list[Mapping[str, Any]]) -> Pair:
    rows = sorted(rows, key=lambda row: (row["arm"], row["repeat"]))
    notes = rows[0]["notes"]
    guards: Mapping[str, float] = notes["guards"]
    metric = notes["metric"]
    if not any(metric in row["metrics"] for row in rows):
        # A load of writers alone: what is guarded elsewhere is what it has.
        metric = next((name for name in guards if name in rows[0]["metrics"]), metric)
    return Pair(
        *key,
        family=rows[0]["family"],
        split=notes["split"],
        metric=metric,
        values=_values(rows, metric),
        kinds={row["arm"]: row["notes"]["kind"] for row in rows},
        guards={
            name: (floor, _values(rows, name)) for name, floor in guards.items() if name != metric
        },
    )


def _values(rows: Iterable[Mapping[str, Any]], metric: str) -> dict[str, Repeats]:
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for row in rows:
        if metric in row["metrics"]:
            found[row["arm"]][row["repeat"]] = max(row["metrics"][metric], LEAST)
    return dict(found)
