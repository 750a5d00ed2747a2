"""Windows: growth, rates and gauges; absent is not zero."""

from __future__ import annotations

import pytest

from mlproxy.snapshot import Sample, Window, ratio

WINDOW = Window(
    Sample(0, {"a": 10.0, "reset": 9.0, "psi.io.some_us": 0.0}),
    Sample(2_000_000_000, {"a": 14.0, "reset": 1.0, "psi.io.some_us": 5e5, "new": 3.0}),
)


def test_growth_and_rate() -> None:
    assert WINDOW.delta("a") == 4.0
    assert WINDOW.rate("a") == 2.0
    assert WINDOW.gauge("a") == 14.0


@pytest.mark.parametrize("name", ["reset", "new", "absent"])
def test_what_was_reset_or_is_missing_has_no_growth(name: str) -> None:
    assert WINDOW.delta(name) is None
    assert WINDOW.rate(name) is None


def test_a_window_of_no_length_divides_by_nothing() -> None:
    same = Window(WINDOW.after, WINDOW.after)
    assert same.elapsed_s > 0
    assert same.rate("a") == 0.0


@pytest.mark.parametrize(
    ("part", "whole", "expected"), [(1.0, 2.0, 0.5), (None, 2.0, None), (1.0, 0.0, None)]
)
def test_ratio(part: float | None, whole: float | None, expected: float | None) -> None:
    assert ratio(part, whole) == expected
    assert ratio(1.0, None) is None
