"""How good a model is by family of workloads: what stands in its manifest and card."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mlproxy.columns import Array64, spread
from mlproxy.dataset import Dataset

JUDGED = 0.9
"""The confidence of the bound that is spoken of."""

UNNAMED = "unnamed"


def families_of(
    data: Dataset, gains: Array64, inside: NDArray[np.bool_], stretch: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """Errors, and how often the calibrated bound held, by family.

    Args:
        gains: shape (n, 2), low and median of every row by a model that never saw its group.
        inside: shape (n,), whether that model's domain let the row's window pass.
    """
    low, median = gains.T
    bound = median - max(stretch[str(JUDGED)], 0.0) * spread(median, low)
    names = np.array([data.families.get(group) or UNNAMED for group in data.group])
    changes = data.own != np.arange(len(names))
    found = {}
    for name in sorted(set(names.tolist())):
        own = (names == name) & changes
        if not own.any():
            continue
        error = np.abs(data.gain_log[own] - median[own])
        found[name] = {
            "median_absolute_error_log": round(float(np.median(error)), 4),
            "bound_holds": round(float((data.gain_log[own] >= bound[own]).mean()), 4),
            "share_inside_domain": round(float(inside[own].mean()), 4),
            "rows": float(own.sum()),
        }
    return found
