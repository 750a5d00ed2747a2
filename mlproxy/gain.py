"""The measured gain of a trial: the mean log ratio of its pairs, with an interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

LOG_UNIT = 256
"""Sums of log2 ratios are kept in 1/256, as in the kernel: 0.27 % of a ratio."""


@dataclass(frozen=True, slots=True)
class Gain:
    """Gain of the treated value over the baseline as ratio - 1, with a two-sided interval.

    With one pair the interval is everything: -1 to infinity.
    """

    pairs: int
    mean: float
    lower: float
    upper: float


def log2_units(number: int) -> int:
    """log2 of a positive integer in 1/256, rounded down, in integer arithmetic alone."""
    whole = number.bit_length() - 1
    mantissa, fraction = (number << 32) >> whole, 0
    for _ in range(8):
        mantissa = mantissa * mantissa >> 32
        carry = mantissa >> 33
        mantissa >>= carry
        fraction = fraction << 1 | carry
    return whole * LOG_UNIT + fraction


def measured_gain(
    pairs: int, log_sum: int, log_squares: int, confidence: float = 0.95
) -> Gain | None:
    """Mean and t interval of `pairs` log2 ratios from their sums; None without pairs."""
    if pairs < 1:
        return None
    mean = log_sum / pairs
    if pairs < 2:
        return Gain(pairs, _ratio(mean), -1.0, math.inf)
    spread = pairs * log_squares - log_sum * log_sum
    error = math.sqrt(spread / (pairs - 1)) / pairs
    half = error * t_quantile((1 + confidence) / 2, pairs - 1)
    return Gain(pairs, _ratio(mean), _ratio(mean - half), _ratio(mean + half))


def t_quantile(probability: float, freedom: int) -> float:
    """Quantile of Student's t: exact for 1 and 2 degrees of freedom, within 0.2 % above.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    if freedom == 1:
        return math.tan(math.pi * (probability - 0.5))
    if freedom == 2:
        odds = 2 * probability - 1
        return odds * math.sqrt(2 / (1 - odds * odds))
    z = NormalDist().inv_cdf(probability)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term * math.pow(freedom, -power) for power, term in enumerate(terms, 1))


def _ratio(log_units: float) -> float:
    """ratio - 1 of a log2 ratio in 1/256; infinite where a float cannot hold it."""
    doublings = log_units / LOG_UNIT
    return math.expm1(doublings * math.log(2)) if doublings < 1000 else math.inf
