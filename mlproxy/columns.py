"""The columns of a model's input: features, then three numbers per knob.

Shape of a matrix: (rows, features + 3 x knobs), float32, NaN where a feature is missing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlproxy.knob import Knob, Setting

Matrix = NDArray[np.float32]
Array64 = NDArray[np.float64]

KINDS = ("current", "candidate", "step")


def column_names(features: Sequence[str], knobs: Sequence[Knob]) -> list[str]:
    """Names in order, as the manifest lists them."""
    return [*features, *(f"{kind}.{knob.name}" for knob in knobs for kind in KINDS)]


def fill_rows(
    vector: Sequence[float],
    knobs: Sequence[Knob],
    current: Setting,
    candidates: Sequence[Setting],
) -> Matrix:
    """One row per candidate of one proxy; `step` is log2(candidate / current)."""
    rows = np.empty((len(candidates), len(vector) + len(KINDS) * len(knobs)), np.float32)
    rows[:, : len(vector)] = vector
    for place, knob in enumerate(knobs):
        start = len(vector) + len(KINDS) * place
        now = _code(knob, current)
        values = np.array([_code(knob, setting) for setting in candidates], np.float32)
        rows[:, start] = now
        rows[:, start + 1] = values
        rows[:, start + 2] = np.log2((values + 1.0) / (now + 1.0))
    return rows


LEAST_SPREAD = 0.1
"""No prediction is surer than two runs of one workload agree."""


def spread(median: Array64, low: Array64) -> Array64:
    """Distance of the two predicted quantiles in log units; never quite zero."""
    return np.asarray(np.maximum(median - low, LEAST_SPREAD), np.float64)


def _code(knob: Knob, setting: Setting) -> float:
    return knob.code(setting[knob.name]) if knob.name in setting else float("nan")
