"""A vigil: what guarded counters did before a value against what they do under it."""

from __future__ import annotations

import pytest

from mlproxy.objective import Guard
from mlproxy.snapshot import Sample, Window
from mlproxy.vigil import UNDER_S, Vigil

ACCEPTED = Guard("accepted", 0.98, "bytes accepted", "in", cap="out")
WRITTEN = Guard("written", 0.95, "bytes written", "out", ceiling=1.5)


def window(**rates: float) -> Window:
    names = {name.rstrip("_"): rate for name, rate in rates.items()}
    return Window(Sample(0, dict.fromkeys(names, 0.0)), Sample(10**9, names))


def after(before: Window, under: Window, *guards: Guard) -> str:
    vigil = Vigil(guards or (ACCEPTED, WRITTEN))
    for _ in range(3):
        assert vigil.take(before, False, False) == ""
    said = [vigil.take(under, True, False) for _ in range(round(UNDER_S))]
    assert said[:-1] == [""] * (len(said) - 1), "not before it was watched for a while"
    return said[-1]


def test_the_same_as_before_is_no_objection() -> None:
    assert after(window(in_=20.0, out=20.0), window(in_=20.0, out=20.0)) == ""


def test_memory_that_took_more_than_the_device_is_no_standard() -> None:
    assert after(window(in_=1000.0, out=20.0), window(in_=20.0, out=20.0)) == ""


@pytest.mark.parametrize(
    ("under", "why"),
    [
        ({"in_": 10.0, "out": 20.0}, "bytes accepted: 0.50 of what they were, 0.98"),
        ({"in_": 20.0, "out": 10.0}, "bytes written: 0.50 of what they were, 0.95"),
        ({"in_": 40.0, "out": 40.0}, "bytes written: 2.00 times the most before, 1.5"),
    ],
)
def test_less_accepted_less_written_or_much_more_written(under: dict[str, float], why: str) -> None:
    assert why in after(window(in_=20.0, out=20.0), window(**under))


def test_nothing_is_said_without_a_counter_or_a_before() -> None:
    assert after(window(in_=20.0), window(in_=20.0)) == ""
    vigil = Vigil([WRITTEN])
    assert [vigil.take(window(out=1.0), True, False) for _ in range(20)] == [""] * 20


def test_steps_on_the_way_do_not_count_and_another_phase_begins_anew() -> None:
    vigil = Vigil([WRITTEN])
    for _ in range(3):
        vigil.take(window(out=20.0), False, False)
    for _ in range(20):
        assert vigil.take(window(out=10.0), True, True) == ""
    vigil.take(None, True, False)
    assert [vigil.take(window(out=10.0), True, False) for _ in range(20)] == [""] * 20
