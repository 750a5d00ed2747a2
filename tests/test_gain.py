"""The measured gain: integer logarithms, and an interval that covers what it promises."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlproxy.gain import LOG_UNIT, log2_units, measured_gain, t_quantile


@given(st.integers(1, 2**130))
def test_log2_is_right_to_one_unit(number: int) -> None:
    exact = math.log2(number) * LOG_UNIT
    assert exact - 1.01 <= log2_units(number) <= exact + 1e-6


@given(st.integers(0, 120))
def test_log2_of_a_power_of_two_is_exact(power: int) -> None:
    assert log2_units(2**power) == power * LOG_UNIT


@pytest.mark.parametrize(
    ("freedom", "expected"),
    [(1, 12.7062), (2, 4.30265), (3, 3.18245), (4, 2.77645), (10, 2.22814), (100, 1.98397)],
)
def test_t_quantile_matches_the_table(freedom: int, expected: float) -> None:
    assert t_quantile(0.975, freedom) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize(
    ("probability", "freedom", "expected"),
    [
        (0.975, 10, 2.2281389),
        (0.975, 20, 2.0859634),
        (0.995, 20, 2.8453397),
        (0.95, 10, 1.8124611),
        (0.5, 10, 0.0),
    ],
)
def test_t_quantile_is_close_from_ten_pairs_on(
    probability: float, freedom: int, expected: float
) -> None:
    assert t_quantile(probability, freedom) == pytest.approx(expected, rel=1e-5, abs=1e-9)


def sums(logs: list[int]) -> tuple[int, int, int]:
    return len(logs), sum(logs), sum(log * log for log in logs)


def test_the_gain_is_the_geometric_mean() -> None:
    gain = measured_gain(*sums([256, 256, 256]))
    assert gain is not None
    assert [gain.mean, gain.lower, gain.upper] == pytest.approx([1.0, 1.0, 1.0])


def test_without_a_pair_there_is_none_and_one_pair_says_little() -> None:
    assert measured_gain(0, 0, 0) is None
    gain = measured_gain(*sums([-256]))
    assert gain is not None
    assert (gain.pairs, gain.mean, gain.lower, gain.upper) == (1, -0.5, -1.0, math.inf)


def test_an_interval_too_wide_for_a_float_is_infinite() -> None:
    gain = measured_gain(*sums([16 * 256, -16 * 256]), confidence=0.99999)
    assert gain is not None
    assert gain.upper == math.inf
    assert gain.lower == pytest.approx(-1.0)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    chance, covered, runs = random.Random(1), 0, 2000
    for _ in range(runs):
        logs = [round(chance.gauss(64, 200)) for _ in range(6)]
        gain = measured_gain(*sums(logs), confidence=0.9)
        assert gain is not None
        covered += gain.lower <= 2 ** (64 / 256) - 1 <= gain.upper
    assert covered / runs == pytest.approx(0.9, abs=0.03)
