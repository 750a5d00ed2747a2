"""No harm: a pair passes when the lower end of the 95 % interval of mlproxy / default is at the
floor or above it. It is run again until the interval is narrow; still too wide at the limit is
`unresolved`, which is not passed."""

from __future__ import annotations

import math

from mlproxy.lab.matrix.contender import AGENT
from mlproxy.lab.matrix.document import NoHarm
from mlproxy.lab.matrix.headroom import interval
from mlproxy.lab.matrix.pairs import Pair
from mlproxy.lab.stats import Repeat, RepeatRule

AT_LEAST = 5
"""Repeats below which an interval is narrower than it claims (mlproxy/lab/stats.py)."""


def ratios(pair: Pair) -> list[float]:
    """mlproxy / default in the order of the repeats."""
    logs = pair.logs(AGENT)
    return [math.exp(logs[n]) for n in sorted(logs)]


def verdict(pair: Pair, asked: NoHarm) -> Repeat:
    """What is known of a pair so far.

    A pair that surely gains has passed, and one that surely loses has failed, however wide the
    interval: how much it gains is another question.
    """
    found = ratios(pair)
    if len(found) < AT_LEAST:
        return Repeat.MORE
    known = interval(pair.logs(AGENT))
    if known.lower >= max(1.0, asked.floor):
        return Repeat.PASSED
    if known.upper < asked.floor:
        return Repeat.FAILED
    at_most = max(asked.at_most, AT_LEAST)
    return RepeatRule(asked.floor, asked.half_width, AT_LEAST, at_most).judge(found)


def wants_more(pair: Pair, asked: NoHarm) -> bool:
    """Whether the two are to be run once more."""
    return bool(ratios(pair)) and verdict(pair, asked) is Repeat.MORE
