"""The columns of a model's input: features, then three numbers per knob, then its step.

Shape of a matrix: (rows, features + 4 x knobs), float32, NaN where a feature is missing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlproxy.knob import Knob, Setting

Matrix = NDArray[np.float32]
Array64 = NDArray[np.float64]


def column_names(features: Sequence[str], knobs: Sequence[Knob]) -> list[str]:
    """Names in order, as the manifest lists them."""
    kinds = ("current", "candidate", "baseline", "step")
    return [*features, *(f"{kind}.{knob.name}" for knob in knobs for kind in kinds)]


def fill_rows(
    vector: Sequence[float],
    knobs: Sequence[Knob],
    current: Setting,
    baseline: Setting,
    candidates: Sequence[Setting],
) -> Matrix:
    """One row per candidate of one proxy; `step` is log2(candidate / baseline)."""
    rows = np.empty((len(candidates), len(vector) + 4 * len(knobs)), np.float32)
    rows[:, : len(vector)] = vector
    for place, knob in enumerate(knobs):
        start = len(vector) + 4 * place
        now, base = _code(knob, current), _code(knob, baseline)
        values = np.array([_code(knob, setting) for setting in candidates], np.float32)
        rows[:, start] = now
        rows[:, start + 1] = values
        rows[:, start + 2] = base
        rows[:, start + 3] = np.log2((values + 1.0) / (base + 1.0))
    return rows


def _code(knob: Knob, setting: Setting) -> float:
    return knob.code(setting[knob.name]) if knob.name in setting else float("nan")
