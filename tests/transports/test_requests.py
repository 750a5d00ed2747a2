"""Where a device is read: runs, and what lies before and behind them."""

from __future__ import annotations

import os
import random
from collections import deque
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mlproxy.perf import NoTrace
from mlproxy.transports.requests import NEAR_SECTORS, STREAMS, Places, Requests, open_requests
from mlproxy.tree import Tree


class Plain:
    """What the counters mean, one request after the other."""

    def __init__(self) -> None:
        self.runs = self.switches = self.forward = self.gap = self.backward = 0
        self.last = -1
        self.ends: deque[int] = deque(maxlen=32)
        self.starts: deque[int] = deque(maxlen=32)

    def add(self, sector: int, count: int) -> None:
        if sector in self.ends:
            self.switches += sector != self.last
            self.ends.remove(sector)
        else:
            self.runs += 1
            if sector + count in self.starts:
                self.backward += 1
            elif gaps := [sector - end for end in self.ends if 0 < sector - end < 512]:
                self.forward += 1
                self.gap += min(gaps)
            self.starts.append(sector)
        self.ends.append(sector + count)
        self.last = sector + count


@st.composite
def patterns(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Streams, strides either way and random places, interleaved; the gaps are those at which
    the meaning of a request changes."""
    at = draw(st.lists(st.integers(0, 3000), min_size=1, max_size=48))
    moves = draw(
        st.lists(
            st.tuples(
                st.integers(0, len(at) - 1),
                st.sampled_from([0, 0, 0, 8, 504, 511, 512, 513, -16, -8, 7, 100_000, 200_000]),
                st.sampled_from([8, 8, 8, 16, 1, 0]),
            ),
            max_size=300,
        )
    )
    found = []
    for stream, gap, count in moves:
        sector = max(at[stream] + gap, 0)
        found.append((sector, count))
        at[stream] = sector + count
    return found


def add(places: Places, requests: list[tuple[int, int]]) -> None:
    table = np.array(requests, np.int64).reshape(-1, 2)
    places.add(table[:, 0], table[:, 1])


def same(places: Places, plain: Plain) -> None:
    counted = (places.runs, places.switches, places.forward, places.gap_sectors, places.backward)
    assert counted == (plain.runs, plain.switches, plain.forward, plain.gap, plain.backward)
    assert (places._ends, places._starts) == (plain.ends, plain.starts)


@given(patterns(), st.lists(st.integers(0, 300), max_size=6))
def test_many_at_once_are_what_they_are_one_by_one(
    requests: list[tuple[int, int]], cuts: list[int]
) -> None:
    places, plain = Places(), Plain()
    for low, high in pairwise([0, *sorted(cuts), len(requests)]):
        add(places, requests[low:high])
        for request in requests[low:high]:
            plain.add(*request)
        same(places, plain)


@pytest.mark.parametrize("span", [3_000, 20_000, 2_000_000])
@pytest.mark.parametrize("again", [0, 5, 50])
def test_random_reads_with_some_that_go_on(span: int, again: int) -> None:
    rng = random.Random(span + again)
    places, plain, last = Places(), Plain(), deque([0], maxlen=40)
    for _ in range(8):
        requests = []
        for _ in range(500):
            goes_on = rng.randrange(100) < again
            sector = rng.choice(last) if goes_on else rng.randrange(span) * 8
            requests.append((sector, 8))
            last.append(sector + 8)
        add(places, requests)
        for request in requests:
            plain.add(*request)
        same(places, plain)


class FakeTrace:
    """Columns as a Tracepoint gives them: CPU after CPU."""

    def __init__(self, *batches: list[tuple[int, int, int, bytes]]) -> None:
        self.batches = list(batches)

    def read(self) -> dict[str, NDArray[Any]]:
        batch = self.batches.pop(0)
        if not batch:
            return {}
        times, numbers, sectors, words = zip(*batch, strict=True)
        return {
            "time_ns": np.array(times, np.uint64),
            "dev": np.array(numbers, np.uint32),
            "sector": np.array(sectors, np.int64),
            "nr_sector": np.full(len(batch), 8, np.uint32),
            "rwbs": np.array([list(word) for word in words], np.uint8),
        }


def requests_of(*batches: list[tuple[int, int, int, bytes]]) -> Requests:
    found = object.__new__(Requests)
    found._trace = FakeTrace(*batches)  # type: ignore[assignment]
    found._devices = {}
    return found


DISK, OTHER = 8 << 20 | 1, 254 << 20


def test_reads_are_taken_in_order_of_time_over_the_cpus() -> None:
    first = [(1, DISK, 0, b"R\0"), (3, DISK, 16, b"RA"), (5, DISK, 32, b"FR")]
    second = [(2, DISK, 8, b"R\0"), (4, DISK, 24, b"RM")]
    found = requests_of(first + second)
    found.counters("8:1")
    found.update()
    assert found.counters("8:1")["trace.reads"] == 5
    assert found.counters("8:1")["trace.runs"] == 1


def test_writes_and_devices_that_nobody_asked_for_do_not_count() -> None:
    batch = [(1, DISK, 0, b"WR"), (2, DISK, 8, b"W\0"), (3, OTHER, 16, b"R\0"), (4, DISK, 8, b"DS")]
    found = requests_of(batch[1:], [], batch[2:])
    found.counters("8:1")
    for _ in range(3):
        found.update()
    assert found.counters("8:1")["trace.reads"] == 0
    assert list(found._devices) == ["8:1"]


def test_devices_are_told_apart() -> None:
    found = requests_of([(n, (DISK, OTHER)[n % 2], n // 2 * 8, b"R\0") for n in range(10)])
    found.counters("8:1"), found.counters("254:0")
    found.update()
    for devno in ("8:1", "254:0"):
        assert found.counters(devno)["trace.reads"] == 5
        assert found.counters(devno)["trace.runs"] == 1


def counters(*requests: tuple[int, int]) -> dict[str, float]:
    places = Places()
    add(places, list(requests))
    return {name.removeprefix("trace."): value for name, value in places.counters().items()}


def test_a_stream_is_one_run() -> None:
    found = counters(*((n * 8, 8) for n in range(100)))
    nothing_else = dict.fromkeys(("switches", "forward", "gap_kb", "backward"), 0)
    assert found == {"reads": 100, "read_kb": 400, "runs": 1, **nothing_else}


def test_interleaved_streams_are_one_run_each() -> None:
    starts = [n * 10**6 for n in range(STREAMS - 1)]
    found = counters(*((start + step * 8, 8) for step in range(20) for start in starts))
    assert found["runs"] == STREAMS - 1
    assert found["switches"] == 19 * (STREAMS - 1)


def test_every_random_read_is_a_run() -> None:
    found = counters(*((n * 7919 % 10**6 * 1000, 8) for n in range(200)))
    assert found["runs"] == 200
    assert found["forward"] == found["backward"] == 0


def test_a_short_gap_is_forward_and_a_long_one_is_not() -> None:
    found = counters((0, 8), (8 + NEAR_SECTORS - 1, 8))
    assert (found["forward"], found["gap_kb"]) == (1, (NEAR_SECTORS - 1) / 2)
    found = counters((0, 8), (8 + NEAR_SECTORS, 8))
    assert (found["forward"], found["gap_kb"]) == (0, 0)


def test_reading_towards_the_start_is_backward() -> None:
    found = counters(*((1000 - n * 8, 8) for n in range(10)))
    assert found["backward"] == 9


def test_memory_is_bounded() -> None:
    places = Places()
    add(places, [(n * 10**6, 8) for n in range(10_000)])
    add(places, [(n * 8, 8) for n in range(10_000)])
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
