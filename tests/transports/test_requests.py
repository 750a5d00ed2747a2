"""Where a device is read: runs, and what lies before and behind them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlproxy.perf import NoTrace
from mlproxy.transports.requests import NEAR_SECTORS, STREAMS, Places, open_requests
from mlproxy.tree import Tree


def counters(*requests: tuple[int, int]) -> dict[str, float]:
    places = Places()
    for sector, count in requests:
        places.add(sector, count)
    return {name.removeprefix("trace."): value for name, value in places.counters().items()}


def test_a_stream_is_one_run() -> None:
    found = counters(*((n * 8, 8) for n in range(100)))
    assert found == {"reads": 100, "read_kb": 400, "runs": 1, "forward": 0, "backward": 0}


def test_interleaved_streams_are_one_run_each() -> None:
    starts = [n * 10**6 for n in range(STREAMS - 1)]
    found = counters(*((start + step * 8, 8) for step in range(20) for start in starts))
    assert found["runs"] == STREAMS - 1


def test_every_random_read_is_a_run() -> None:
    found = counters(*((n * 7919 % 10**6 * 1000, 8) for n in range(200)))
    assert found["runs"] == 200
    assert found["forward"] == found["backward"] == 0


def test_a_short_gap_is_forward_and_a_long_one_is_not() -> None:
    assert counters((0, 8), (8 + NEAR_SECTORS - 1, 8))["forward"] == 1
    assert counters((0, 8), (8 + NEAR_SECTORS, 8))["forward"] == 0


def test_reading_towards_the_start_is_backward() -> None:
    found = counters(*((1000 - n * 8, 8) for n in range(10)))
    assert found["backward"] == 9


def test_memory_is_bounded() -> None:
    places = Places()
    for n in range(10_000):
        places.add(n * 10**6, 8)
    assert len(places._ends) == len(places._starts) == STREAMS


def test_a_recorded_tree_has_no_tracepoints(tmp_path: Path) -> None:
    found, why = open_requests(Tree(tmp_path))
    assert found is None
    assert "recorded" in why


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="tracepoints need root")
def test_the_live_machine_counts_or_says_why_not() -> None:
    found, why = open_requests(Tree())
    if found is None:
        pytest.skip(why)
    try:
        found.update()
        assert set(found.counters("0:0").values()) == {0.0}
    finally:
        found.close()


def test_no_trace_is_an_error_for_people() -> None:
    assert NoTrace("x").exit_code == 1
