from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlproxy import units

Parser = Callable[[object], float]


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (units.parse_duration_s, "250us", 250e-6),
        (units.parse_duration_s, "250ms", 0.25),
        (units.parse_duration_s, "1.5s", 1.5),
        (units.parse_duration_s, "2m", 120.0),
        (units.parse_duration_s, "1h", 3600.0),
        (units.parse_percent, "5%", 0.05),
        (units.parse_percent, "0.5%", 0.005),
        (units.parse_factor, "8x", 8.0),
        (units.parse_factor, "1.5x", 1.5),
        (units.parse_size_bytes, "512B", 512),
        (units.parse_size_bytes, "0.5KiB", 512),
        (units.parse_size_bytes, "20MiB", 20 * 2**20),
    ],
)
def test_parses_a_quantity_with_its_unit(parse: Parser, text: str, value: float) -> None:
    assert parse(text) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("parse", "allowed"),
    [
        (units.parse_duration_s, "250ms, 10s, 2m or 1h"),
        (units.parse_percent, "5% or 0.5%"),
        (units.parse_factor, "8x or 1.5x"),
        (units.parse_size_bytes, "512B, 4KiB, 20MiB or 1GiB"),
    ],
)
@pytest.mark.parametrize(
    "text", ["", "5", 5, None, True, "-5s", "-5%", "-2x", "nan", "infs", "1e9s", "5 s", "5S", "٥s"]
)
def test_refuses_and_says_what_is_allowed(parse: Parser, allowed: str, text: object) -> None:
    with pytest.raises(ValueError, match=allowed):
        parse(text)


@pytest.mark.parametrize("text", ["5s\n", "9" * 400 + "s", "1.s", ".5s", "5d"])
def test_refuses_what_only_resembles_a_duration(text: str) -> None:
    with pytest.raises(ValueError, match="a duration with its unit"):
        units.parse_duration_s(text)


def test_refuses_half_a_byte() -> None:
    with pytest.raises(ValueError, match="whole bytes"):
        units.parse_size_bytes("0.5B")


@given(st.integers(1, 10**9))
def test_duration_round_trip_keeps_three_digits(microseconds: int) -> None:
    seconds = microseconds / 1e6
    again = units.parse_duration_s(units.format_duration(seconds))
    assert again == pytest.approx(seconds, rel=1e-3)


@given(st.floats(1e-5, 1e5))
def test_percent_and_factor_round_trip_keep_three_digits(number: float) -> None:
    percent = units.parse_percent(units.format_percent(number))
    factor = units.parse_factor(units.format_factor(number))
    assert percent == pytest.approx(number, rel=1e-3)
    assert factor == pytest.approx(number, rel=1e-3)


@given(st.integers(0, 1023), st.sampled_from([1, 2**10, 2**20, 2**30, 2**40]))
def test_size_round_trip_is_exact_for_whole_units(count: int, scale: int) -> None:
    size = count * scale
    assert units.parse_size_bytes(units.format_size(size)) == size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (0.00025, "250us"),
        (0.25, "250ms"),
        (10.0, "10s"),
        (90.0, "90s"),
        (120.0, "2m"),
        (7200.0, "2h"),
    ],
)
def test_durations_are_shown_in_the_unit_people_write(seconds: float, text: str) -> None:
    assert units.format_duration(seconds) == text


@pytest.mark.parametrize(
    ("gain", "text"),
    [(0.1234, "+12.3 %"), (-0.05, "-5.0 %"), (1.7, "2.7x"), (float("nan"), "-")],
)
def test_gains_are_shown_with_their_sign(gain: float, text: str) -> None:
    assert units.format_gain(gain) == text
