"""The columns of a model's input: features, then three numbers per knob.

Shape of a matrix: (rows, features + 3 x knobs), float32, NaN where a feature is missing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mlproxy.knob import Knob, Setting, Value

Matrix = NDArray[np.float32]
Array32 = NDArray[np.float32]
Array64 = NDArray[np.float64]

MOST_TABLES = 1024

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
        now = code(knob, current)
        values, logs = _codes(knob, tuple(setting.get(knob.name) for setting in candidates))
        rows[:, start] = now
        rows[:, start + 1] = values
        rows[:, start + 2] = logs - math.log2(now + 1.0)
    return rows


LEAST_SPREAD = 0.1
"""No prediction is surer than two runs of one workload agree."""


def spread(median: Array64, low: Array64) -> Array64:
    """Distance of the two predicted quantiles in log units; never quite zero."""
    return np.asarray(np.maximum(median - low, LEAST_SPREAD), np.float64)


def code(knob: Knob, setting: Setting) -> float:
    """The number that stands for a knob's value; NaN where the setting lacks the knob."""
    return knob.code(setting[knob.name]) if knob.name in setting else math.nan


@cache
def _tables() -> dict[tuple[str, tuple[Value | None, ...]], tuple[Array32, Array32]]:
    return {}


def _codes(knob: Knob, values: tuple[Value | None, ...]) -> tuple[Array32, Array32]:
    """Codes of candidates and log2 of one more than each: the same for most proxies."""
    table, key = _tables(), (f"{knob.name}/{knob.choices}", values)
    if key not in table:
        if len(table) > MOST_TABLES:
            table.clear()
        numbers = [math.nan if value is None else knob.code(value) for value in values]
        codes = np.array(numbers, np.float32)
        table[key] = codes, np.log2(codes + 1.0)
    return table[key]
