"""Ratios of sums with intervals that respect clusters: windows of one workload are no witnesses
of each other, so that whole workloads are drawn anew.

The percentiles are widened for few clusters (Hesterberg, The American Statistician 69:4, 2015).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from mlproxy.columns import Array64
from mlproxy.gain import t_quantile

RESAMPLES = 4000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Clustered:
    """An estimate with its 95 % interval; NaN where there is nothing to go by.

    Args:
        n: summands.
        clusters: groups of them that were drawn together.
    """

    estimate: float
    lower: float
    upper: float
    n: int
    clusters: int


def clustered_ratio(
    above: Array64, below: Array64, clusters: Sequence[str], seed: int = 0
) -> Clustered:
    """sum(above) / sum(below); all three of the same length, one entry per summand."""
    names, place = np.unique(np.asarray(clusters, str), return_inverse=True)
    count, size = len(above), len(names)
    tops = np.bincount(place, above, size) if count else np.zeros(0)
    bottoms = np.bincount(place, below, size) if count else np.zeros(0)
    if not bottoms.sum() > 0:
        return Clustered(math.nan, math.nan, math.nan, count, size)
    estimate = float(tops.sum() / bottoms.sum())
    if size < 2:
        return Clustered(estimate, math.nan, math.nan, count, size)
    drawn = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), RESAMPLES)
    sums = drawn @ bottoms
    ratios = (drawn @ tops)[sums > 0] / sums[sums > 0]
    widened = math.sqrt(size / (size - 1)) * t_quantile((1 + CONFIDENCE) / 2, size - 1)
    tail = NormalDist().cdf(-widened)
    lower, upper = np.quantile(ratios, [tail, 1 - tail]).tolist()
    return Clustered(estimate, lower, upper, count, size)


def clustered_share(hits: Sequence[bool] | Array64, clusters: Sequence[str]) -> Clustered:
    """The share of what is true."""
    values = np.asarray(hits, float)
    return clustered_ratio(values, np.ones(len(values)), clusters)
