"""Augmentation: each training window is shown several times, blurred and with parts missing.

Two workloads that differ by less than the noise must not be told apart by the digits of their
few windows, and a feature that a machine lacks must have been missing in training too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlproxy.capacity import Capacity
from mlproxy.columns import Matrix
from mlproxy.features import FeatureSchema

COPIES = 3
DROP_SHARE = 0.1
"""Share of the rows that an optional feature is missing in."""

TIMES = ("s", "ms", "us", "ns")


@dataclass(frozen=True)
class Augmentation:
    """How the features of one schema vary: blurs and whether each may be missing."""

    blurs: Sequence[float]
    optional: Sequence[bool]

    def copies(self, rows: Matrix, seed: int) -> Matrix:
        """COPIES blurred copies of `rows` (n, columns), one below the other."""
        rng = np.random.default_rng(seed)
        return np.vstack([self._copy(rows, rng) for _ in range(COPIES)])

    def _copy(self, rows: Matrix, rng: np.random.Generator) -> Matrix:
        shown, width = rows.copy(), len(self.blurs)
        noise = rng.normal(0.0, self.blurs, (len(shown), width))
        blurred = np.expm1(np.log1p(shown[:, :width]) + noise)
        shown[:, :width] = np.maximum(blurred, 0.0)  # no feature is negative; NaN stays NaN
        for place, may_miss in enumerate(self.optional):
            if may_miss:
                shown[rng.random(len(shown)) < DROP_SHARE, place] = np.nan
        return shown


def augmentation_of(schema: type[FeatureSchema], capacity: Capacity) -> Augmentation:
    """Blurs by unit: a time or a rate varies more."""
    rows = schema.describe()
    return Augmentation(
        [capacity.speed_blur if _is_speed(str(row["unit"])) else capacity.blur for row in rows],
        [not row["required"] for row in rows],
    )


def _is_speed(unit: str) -> bool:
    return unit in TIMES or unit.endswith("/s")
