"""How much a training row weighs: what was measured surely weighs more than what was not.

The variance of a label is that of its two measurements and of what no model knows. Repeats
tell the former: pooled over the settings of a group, since two or three runs of one setting
tell next to nothing, and drawn to that of all groups where a group was repeated little.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlproxy.columns import LEAST_SPREAD

PRIOR_FREEDOM = 8.0
"""All groups together count as so many degrees of freedom in each."""


@dataclass(frozen=True)
class Noise:
    """Variance of the log performance of one run, by group and over all."""

    squares: Mapping[str, float]
    freedom: Mapping[str, int]
    common: float

    def of(self, group: str) -> float:
        """Variance of one run of a group; the common one where it was never repeated."""
        freedom = self.freedom.get(group, 0) + PRIOR_FREEDOM
        return (self.squares.get(group, 0.0) + PRIOR_FREEDOM * self.common) / freedom


def noise_of(runs: Mapping[str, Mapping[str, Sequence[float]]]) -> Noise:
    """From log performance of every run, by group and setting; runs that cannot be compared
    (not finite) say nothing."""
    squares, freedom = {}, {}
    for group, settings in runs.items():
        squares[group], freedom[group] = _within(settings.values())
    total = sum(freedom.values())
    common = sum(squares.values()) / total if total else LEAST_SPREAD**2
    return Noise(squares, freedom, common)


def row_variance(candidate: float, own: float) -> float:
    """Variance of a label: of both measurements, and of what the features cannot tell."""
    return LEAST_SPREAD**2 + candidate + own


def _within(settings: Iterable[Sequence[float]]) -> tuple[float, int]:
    """Sum of squares around the means of the settings, and its degrees of freedom."""
    squares, freedom = 0.0, 0
    for values in settings:
        known = [value for value in values if np.isfinite(value)]
        if len(known) > 1:
            squares += float(np.var(known)) * len(known)
            freedom += len(known) - 1
    return squares, freedom
