"""Patience: how long a demand must have lasted, and when what rules is of no use any more."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mlproxy.knob import Setting
from mlproxy.patience import MEMORY_S, MOST, Patience
from mlproxy.snapshot import Sample, Window


class Wanting:
    """Its demand has lasted for as long as "wants" stood in the windows."""

    wait_s = 5.0

    def demand_s(self, windows: Sequence[Window]) -> float:
        lasted_s = 0.0
        for window in reversed(windows):
            if not window.after.values["wants"]:
                break
            lasted_s += window.elapsed_s
        return lasted_s

    def left(self, windows: Sequence[Window], setting: Setting) -> str:
        return "" if windows[-1].after.values["wants"] else f"left at {setting['limit']}"


class Time:
    """Windows of a second, one after the other."""

    def __init__(self) -> None:
        self.patience = Patience(Wanting())
        self.now_s = 0

    def go(self, seconds: int, wants: bool, ruled: bool = False) -> str:
        for _ in range(seconds):
            ends = (
                Sample(s * 10**9, {"wants": float(wants)}) for s in (self.now_s, self.now_s + 1)
            )
            self.now_s += 1
            self.patience.take(Window(*ends), ruled)
        return self.patience.early()


def test_a_demand_has_to_last() -> None:
    time = Time()
    assert "lasted 4 s; 5 s are asked for" in time.go(4, wants=True)
    assert time.go(1, wants=True) == ""
    assert "lasted 0 s" in time.go(1, wants=False)


def test_who_asks_for_no_wait_never_waits() -> None:
    class Prompt(Wanting):
        wait_s = 0.0

    time = Time()
    time.patience = Patience(Prompt())
    assert time.go(1, wants=False) == ""


@pytest.mark.parametrize(("lasts", "then"), [(2, 5.0), (4, 8.0), (12, 24.0), (20, 30.0)])
def test_after_a_burst_the_next_demand_must_last_twice_as_long(lasts: int, then: float) -> None:
    time = Time()
    time.go(lasts, wants=True)
    time.go(4, wants=False)
    assert time.patience.wait_s == 5.0, "it may go on yet"
    time.go(1, wants=False)
    assert time.patience.wait_s == then


def test_what_lasts_long_is_no_burst_and_bursts_are_forgotten() -> None:
    time = Time()
    time.go(round(MOST * Wanting.wait_s) + 1, wants=True)
    time.go(5, wants=False)
    assert time.patience.wait_s == Wanting.wait_s
    time.go(8, wants=True)
    time.go(5, wants=False)
    assert time.patience.wait_s == 16.0
    time.go(round(MEMORY_S) + 1, wants=False)
    assert time.patience.wait_s == Wanting.wait_s


def test_a_demand_goes_on_while_it_is_met_and_what_it_left_is_said() -> None:
    time = Time()
    time.go(6, wants=True)
    time.go(4, wants=True, ruled=True)
    assert time.patience.left({"limit": 7}) == ""
    time.go(1, wants=False, ruled=True)
    assert time.patience.left({"limit": 7}) == "left at 7"
    time.go(5, wants=False)
    assert time.patience.left({"limit": 7}) == "", "nothing rules"
    assert time.patience.wait_s == 22.0, "met or not, it lasted for 11 s"
