"""Legal values and the size of one step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlproxy.gate_range import clamp_step, step_factor
from mlproxy.knob import Value

GRID = (4, 16, 64, 128, 512, 2048, 8192)
integers = st.integers(0, 2**40)


@given(integers, integers, st.floats(1.01, 1e6), st.lists(integers, max_size=8))
def test_a_clamped_step_is_on_the_way_and_within_the_step(
    current: int, proposed: int, limit: float, grid: list[int]
) -> None:
    step = clamp_step(current, proposed, limit, grid)
    assert isinstance(step, int)
    assert min(current, proposed) <= step <= max(current, proposed)
    assert step_factor(current, step, grid) <= limit
    assert step in (current, proposed, *grid)


@pytest.mark.parametrize(
    ("current", "proposed", "limit", "expected"),
    [
        (128, 8192, 8, 512),
        (8192, 4, 8, 2048),
        (128, 0, 8, 16),
        (16, 0, 8, 0),
        (0, 8192, 8, 16),
        (128, 8192, 2, 128),
        ("none", "kyber", 8, "kyber"),
    ],
)
def test_clamp_step(current: Value, proposed: Value, limit: float, expected: Value) -> None:
    assert clamp_step(current, proposed, limit, GRID) == expected
