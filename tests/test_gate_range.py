"""Legal values and the size of one step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlproxy.gate_range import Range, clamp_step, step_factor
from mlproxy.knob import Value

GRID = (4, 16, 64, 128, 512, 2048, 8192)
LEGAL = Range(4, 8192)
NAMES = Range(choices=("none", "bfq"))


@pytest.mark.parametrize(
    ("allowed", "value", "problem"),
    [
        (LEGAL, 4, None),
        (LEGAL, 8192, None),
        (LEGAL, 3, "below the kernel's minimum, 4"),
        (LEGAL, 8193, "above the kernel's maximum, 8192"),
        (Range(minimum=4), 2**40, None),
        (Range(maximum=4), -1, None),
        (LEGAL, "none", None),
        (NAMES, "bfq", None),
        (NAMES, "kyber", "the kernel allows none, bfq"),
        (NAMES, 4, "the kernel allows none, bfq"),
    ],
)
def test_what_a_range_objects_to(allowed: Range, value: Value, problem: str | None) -> None:
    assert allowed.objects(value, "kernel") == problem


@pytest.mark.parametrize(
    ("allowed", "value", "speaks"),
    [
        (Range(minimum=0), 5, True),
        (Range(maximum=9), 5, True),
        (Range(), 5, False),
        (LEGAL, "none", False),
        (NAMES, "none", True),
        (NAMES, 5, False),
    ],
)
def test_who_says_anything_of_a_value(allowed: Range, value: Value, speaks: bool) -> None:
    assert allowed.speaks_of(value) is speaks


@pytest.mark.parametrize(
    ("current", "proposed", "factor"),
    [
        (128, 512, 4.0),
        (512, 128, 4.0),
        (128, 128, 1.0),
        (0, 128, 32.0),
        (0, 4, 1.0),
        ("a", "b", 1.0),
    ],
)
def test_a_step_is_a_ratio_and_off_counts_as_the_smallest_value(
    current: Value, proposed: Value, factor: float
) -> None:
    assert step_factor(current, proposed, (0, *GRID)) == factor


def test_without_a_grid_off_counts_as_one() -> None:
    assert step_factor(0, 128) == 128.0


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
