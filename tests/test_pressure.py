"""Pressure over a window, as a share of its time."""

from __future__ import annotations

import pytest

from mlproxy.pressure import pressure_of
from mlproxy.snapshot import Sample, Window

WINDOW = Window(Sample(0, {"psi.io.some_us": 0.0}), Sample(2_000_000_000, {"psi.io.some_us": 5e5}))


def test_pressure_is_a_share_of_the_time_or_unknown() -> None:
    pressure = pressure_of(WINDOW)
    assert pressure.io == pytest.approx(0.25)
    assert pressure.memory is None
    late = Sample(2_000_000_000, {"psi.io.some_us": 9e9})
    assert pressure_of(Window(WINDOW.before, late)).io == 1.0
