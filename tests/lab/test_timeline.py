"""Series of a reader's progress and a knob's values."""

from __future__ import annotations

import pytest

from mlproxy.lab.reader import Sample
from mlproxy.lab.timeline import (
    NS,
    KnobSample,
    Span,
    count_changes,
    done_at,
    rate,
    rates,
    shares,
    spans,
    time_to,
    time_to_rate,
    value_at,
)

READER = [Sample(10 * NS, 0, 0), Sample(11 * NS, 0, 100), Sample(13 * NS, 1, 500)]
KNOB = [
    KnobSample(0, "128"),
    KnobSample(2 * NS, "16"),
    KnobSample(4 * NS, "128"),
    KnobSample(6 * NS, "4"),
]


@pytest.mark.parametrize(("second", "done"), [(9, 0), (10.5, 50), (11, 100), (12, 300), (20, 500)])
def test_progress_runs_straight_between_samples_and_is_flat_outside(
    second: float, done: float
) -> None:
    assert done_at(READER, round(second * NS)) == done


def test_rates_add_over_readers() -> None:
    assert rate([READER, READER], 11 * NS, 13 * NS) == 400
    assert rate([READER], 13 * NS, 13 * NS) == 0
    assert rates([READER], 10 * NS, 12 * NS, 1.0) == [100, 200]


def test_no_samples_are_no_progress() -> None:
    assert rate([[]], 0, NS) == 0


def test_a_phase_ends_with_its_last_sample() -> None:
    found = spans(READER, ["random", "sequential"], 10 * NS)
    assert found == [Span("random", 10 * NS, 11 * NS), Span("sequential", 11 * NS, 13 * NS)]
    assert found[1].after(0.5) == Span("sequential", round(11.5 * NS), 13 * NS)
    assert found[1].after(9).seconds == 0


@pytest.mark.parametrize(
    ("good", "start_s", "end_s", "expected"),
    [
        pytest.param({"4"}, 1, 16, 5.0, id="arrives"),
        pytest.param({"4", "128"}, 3, 16, 1.0, id="what it holds may change"),
        pytest.param({"128"}, 3, 6, 1.0, id="the end cuts the stay short"),
        pytest.param({"16"}, 1, 16, None, id="a look is no arrival"),
        pytest.param({"128"}, 0, 2, 0.0, id="already there"),
        pytest.param({"8192"}, 0, 9, None, id="never"),
    ],
)
def test_time_to_a_value_that_stays(
    good: set[str], start_s: int, end_s: int, expected: float | None
) -> None:
    assert time_to(KNOB, good, start_s * NS, end_s * NS) == expected


@pytest.mark.parametrize(("asked", "expected"), [(100, 0.0), (150, 0.5), (200, 1.0), (201, None)])
def test_time_to_a_second_of_a_rate(asked: float, expected: float | None) -> None:
    assert time_to_rate(READER, asked, Span("random", 10 * NS, 13 * NS)) == expected


def test_value_shares_and_changes_of_an_interval() -> None:
    assert value_at(KNOB, -1) == ""
    assert value_at(KNOB, 2 * NS) == "16"
    assert shares(KNOB, NS, 5 * NS) == {"128": 0.5, "16": 0.5}
    assert count_changes(KNOB, NS, 5 * NS) == 2
    assert count_changes(KNOB, 6 * NS, 9 * NS) == 0
