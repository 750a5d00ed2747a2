"""Views: what the present phase looked like from each setting that it was seen at.

A workload shows itself better at one setting than at another. What was seen at the former is
kept while the phase lasts, so that a value is not given up for a doubt that was settled before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mlproxy.columns import Array64
from mlproxy.domain import Domain
from mlproxy.knob import Setting, Value

MOST = 4
"""Views remembered beside the present one: each costs a row per candidate."""

FADE_S = 60.0
"""After so long a view is half as sure: a change of phase may have gone unnoticed."""

CONTRADICTS = 3.0
"""An older view farther from the present one than so many joint doubts is of another phase."""

LEAST_DOUBT = 1e-6


@dataclass(frozen=True)
class View:
    """Mean features of some windows of one phase, NaN where missing, at one setting."""

    vector: Sequence[float]
    setting: Setting
    age_s: float = 0.0


class Views:
    """The views of the present phase, the oldest first."""

    def __init__(self) -> None:
        self._taken: dict[tuple[object, ...], tuple[View, float]] = {}
        self._first: dict[tuple[object, ...], Sequence[float]] = {}

    def add(self, view: View, now_s: float, domain: Domain | None) -> bool:
        """Remember a view; True when it is of another phase than the first one seen at the
        same setting, which then is forgotten with all others.

        Of the first, not of the last: the mean of some windows follows a change by steps that
        are each too small to show.
        """
        key = tuple(sorted(view.setting.items()))
        first = self._first.get(key)
        shifted = first is not None and domain is not None and _leaps(domain, first, view)
        if shifted:
            self.clear()
        self._taken.pop(key, None)
        self._taken[key] = view, now_s
        self._first.setdefault(key, view.vector)
        while len(self._taken) > 1 + MOST:
            self._taken.pop(next(iter(self._taken)))
        return shifted

    def recall(self, now_s: float) -> tuple[View, ...]:
        """All views with their age; the present one last."""
        return tuple(replace(view, age_s=now_s - taken_s) for view, taken_s in self._taken.values())

    def values(self, knob: str) -> set[Value | None]:
        """From which values of a knob the phase was seen."""
        return {view.setting.get(knob) for view, _ in self._taken.values()}

    def clear(self) -> None:
        """Another phase began."""
        self._taken.clear()
        self._first.clear()


def _leaps(domain: Domain, first: Sequence[float], view: View) -> bool:
    return domain.shift(first, view.vector) > 1.0


def pool(
    gains: NDArray[np.float64], doubts: NDArray[np.float64], ages_s: Sequence[float]
) -> tuple[Array64, Array64]:
    """Gains of several views as one: shape (views, options) in, (gain, doubt) per option out.

    The mean weighted by the inverse squares of the doubts, its doubt widened by Birge's ratio
    (Phys. Rev. 40, 207, 1932) where the views contradict each other by more than they doubt.
    The present view is the last; one that flatly contradicts it does not count.
    """
    faded = np.maximum(doubts, LEAST_DOUBT) * (1.0 + np.asarray(ages_s) / FADE_S)[:, None]
    gaps = np.abs(gains - gains[-1]) / np.hypot(faded, faded[-1])
    same = ~(gaps > CONTRADICTS).any(axis=1)
    gains, faded = gains[same], faded[same]
    weights = faded**-2.0
    total = weights.sum(axis=0)
    gain = (weights * gains).sum(axis=0) / total
    apart = (weights * (gains - gain) ** 2).sum(axis=0) / max(len(gains) - 1, 1)
    return gain, np.sqrt(np.maximum(apart, 1.0) / total)
