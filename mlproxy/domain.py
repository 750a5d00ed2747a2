"""Is a window like anything that the model was trained on?

Judged on the joint distribution: the distance to the nearest training point in
standardised feature space, over the threshold that validation gave. Feature by feature
every value may be in range while the combination was never seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mlproxy.dataset import unit_of

Array = NDArray[np.float64]

POINTS = 512
QUANTILE = 0.995
FEW = 4
LEAST_SCALE = 0.2
"""A feature that hardly moved in training must not make every other value look strange."""

STEP_QUANTILE, STEP_SLACK = 0.95, 1.2
"""Some workloads are unsteady by themselves: their leaps must not hide a change of phase. One
taken for a change costs two windows, one overlooked leaves the views of another phase standing."""

UNSEEN_SCALE = 1e9
"""A feature that training never had cannot be used by the model, nor make a window strange."""

SLACK = 1.5
"""A live window may be this much farther away than the farthest held-out one."""


@dataclass(frozen=True)
class Domain:
    """Training points after scaling; `threshold` is a distance between neighbours,
    `step` one between successive windows of the same workload."""

    centre: Array
    scale: Array
    points: Array
    threshold: float
    step: float

    def shift(self, before: Sequence[float], after: Sequence[float]) -> float:
        """Distance between two windows over `step`; above 1 is another phase."""
        gaps = (
            (_squeezed(b) - _squeezed(a)) / scale
            for a, b, scale in zip(before, after, self._scales, strict=True)
            if math.isfinite(a) and math.isfinite(b)
        )
        return math.sqrt(sum(gap * gap for gap in gaps)) / self.step

    @cached_property
    def _scales(self) -> list[float]:
        scales: list[float] = self.scale.tolist()
        return scales

    def distance(self, rows: Array) -> Array:
        """Shape (n,) distances over the threshold of `rows` (n, features); above 1 is outside.

        A missing value has no distance: absence alone is not strangeness.
        """
        known = np.isfinite(rows).astype(float)
        scaled = self._scaled(rows) * known
        squares = (scaled**2).sum(1)[:, None] + known @ (self.points**2).T
        nearest = (squares - 2.0 * scaled @ self.points.T).min(axis=1)
        return cast(Array, np.sqrt(np.maximum(nearest, 0.0)) / self.threshold)

    def _scaled(self, rows: Array) -> Array:
        scaled = (_compress(rows) - self.centre) / self.scale
        return np.nan_to_num(scaled, nan=0.0, posinf=1e6, neginf=-1e6)

    def as_dict(self) -> dict[str, Any]:
        """Plain lists, for JSON."""
        return {
            "centre": self.centre.tolist(),
            "scale": self.scale.tolist(),
            "points": np.round(self.points, 4).tolist(),
            "threshold": self.threshold,
            "step": self.step,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Domain:
        """Back from `as_dict`. Raises: KeyError, ValueError on anything else."""
        return cls(
            np.asarray(data["centre"], float),
            np.asarray(data["scale"], float),
            np.asarray(data["points"], float),
            float(data["threshold"]),
            float(data["step"]),
        )


def fit_domain(rows: Array, groups: list[str], seed: int) -> Domain:
    """Domain of training `rows` (n, features); the threshold is the distance of held-out
    windows of the same workloads to the rest, at QUANTILE, and half as much again."""
    compressed = _compress(rows)
    unseen = np.isnan(compressed).all(axis=0)
    known = np.where(unseen, 0.0, compressed)
    centre = np.nanmedian(known, axis=0)
    spread = np.nanstd(known, axis=0)
    scale = np.where(unseen, UNSEEN_SCALE, np.maximum(spread, LEAST_SCALE))
    known_scaled = (compressed - centre) / scale
    scaled = np.nan_to_num(known_scaled, nan=0.0)
    chosen = _spread_out(groups, np.random.default_rng(seed).permutation(len(scaled)))
    points = scaled[chosen]
    others = np.delete(scaled, chosen, axis=0)
    few = FEW * len(others) < len(points)  # then they say less than the points themselves
    gaps = _nearest(points if few else others, points, exclude_self=few)
    threshold = SLACK * max(float(np.quantile(gaps, QUANTILE)), 0.05)
    return Domain(
        centre, scale, points, threshold, STEP_SLACK * max(_step(known_scaled, groups), 0.05)
    )


def _step(scaled: Array, groups: list[str]) -> float:
    """Distance between neighbouring windows of one group, at STEP_QUANTILE."""
    same = [a == b for a, b in pairwise(groups)]
    gaps = np.nan_to_num(np.diff(scaled, axis=0), nan=0.0)  # as in Domain.shift
    steps = np.linalg.norm(gaps, axis=1)[same]
    return float(np.quantile(steps, STEP_QUANTILE)) if len(steps) else 1.0


def _spread_out(groups: list[str], order: NDArray[np.int64]) -> list[int]:
    """Up to POINTS indices, the same number from every group."""
    groups = [unit_of(group) for group in groups]
    share = max(1, POINTS // max(len(set(groups)), 1))
    taken: dict[str, int] = {}
    chosen = []
    for index in order.tolist():
        group = groups[index]
        if taken.get(group, 0) < share:
            taken[group] = taken.get(group, 0) + 1
            chosen.append(index)
    return chosen[:POINTS]


def _nearest(rows: Array, points: Array, *, exclude_self: bool) -> Array:
    gaps = np.sqrt(((rows[:, None, :] - points[None, :, :]) ** 2).sum(2))
    if exclude_self:
        np.fill_diagonal(gaps, np.inf)
    return cast(Array, gaps.min(axis=1))


def _squeezed(value: float) -> float:
    return math.copysign(math.log1p(abs(value)), value)


def _compress(rows: Array) -> Array:
    """Signed log, so that counts and rates of every size weigh alike."""
    return np.sign(rows) * np.log1p(np.abs(rows))
