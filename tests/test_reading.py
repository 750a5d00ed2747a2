"""Readings of slots, and pairs as the objective sees them."""

from __future__ import annotations

import math

import pytest

from mlproxy.objective import Guard, Objective
from mlproxy.reading import reading, weighed
from mlproxy.trial import Measure, Pair, Result, classify

BOTH = Objective("reads_s", "1/s", "reads", (Guard("writes_s", 0.8, "writes", "disk.write_ios"),))


def pair(treated: dict[str, float], baseline: dict[str, float]) -> Pair:
    start = dict.fromkeys(("reads_s", "writes_s"), 0.0)
    return Pair(reading(start, treated, 10**9), reading(start, baseline, 10**9))


@pytest.mark.parametrize(
    ("treated", "result"),
    [
        ({"reads_s": 200.0, "writes_s": 90.0}, Result.WIN),
        ({"reads_s": 200.0, "writes_s": 30.0}, Result.LOSE),
        ({"reads_s": 0.0, "writes_s": 900.0}, Result.LOSE),
        ({"reads_s": 100.0, "writes_s": 100.0}, Result.TIE),
    ],
)
def test_a_pair_is_judged_with_its_guards(treated: dict[str, float], result: Result) -> None:
    found = weighed(pair(treated, {"reads_s": 100.0, "writes_s": 100.0}), BOTH)
    assert classify(found) is result


def test_slots_of_different_length_compare_by_rate() -> None:
    start = {"reads_s": 0.0}
    long = reading(start, {"reads_s": 200.0}, 2 * 10**9)
    short = reading(start, {"reads_s": 100.0}, 10**9)
    assert classify(weighed(Pair(long, short), BOTH)) is Result.TIE


def test_what_cannot_be_compared_is_left_as_it_is() -> None:
    plain = Pair(Measure(5, 1), Measure(6, 1))
    assert weighed(plain, BOTH) is plain
    nothing = pair({"reads_s": 0.0, "writes_s": 0.0}, {"reads_s": 0.0, "writes_s": 0.0})
    assert weighed(nothing, BOTH) is nothing
    assert classify(nothing) is Result.VOID


def test_a_total_that_went_backwards_is_no_progress() -> None:
    found = reading({"reads_s": 9.0, "gone": 1.0}, {"reads_s": 3.0}, 10**9)
    assert found.counts == {"reads_s": 0.0}
    assert found.events == 0
    assert math.isfinite(found.rates()["reads_s"])
