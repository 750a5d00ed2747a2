"""What a trial measured so far, in numbers that a model can be trained on.

The paired log ratio of the two arms, its count and its variance: all that is left of both arms
once the drift that they share is taken off.
"""

from __future__ import annotations

import math

from mlproxy.gain import LOG_UNIT
from mlproxy.trial import TrialState

NATURAL = math.log(2) / LOG_UNIT
"""One unit of the sums of a trial in natural logarithms."""

OFTEN = 64


def is_due(pairs: int) -> bool:
    """True at 2, 4, 8 ... 64 pairs and every 64 after that: what was measured must not be lost
    when a trial ends without a verdict, nor fill the log."""
    return pairs % OFTEN == 0 if pairs > OFTEN else pairs > 1 and pairs & (pairs - 1) == 0


def measured(state: TrialState) -> dict[str, float | int | None]:
    """`pairs`, mean log ratio of treated over baseline, and variance of the log of one pair
    (null below two pairs)."""
    pairs = state.pairs
    if pairs < 1:
        return {"pairs": 0, "mean_log": None, "variance_log": None}
    mean = state.log_sum / pairs
    squares = max(state.log_squares - pairs * mean * mean, 0.0)
    variance = squares / (pairs - 1) * NATURAL**2 if pairs > 1 else None
    return {"pairs": pairs, "mean_log": mean * NATURAL, "variance_log": variance}
