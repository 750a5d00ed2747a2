"""The service-time model, in virtual time."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlproxy.errors import LabError
from mlproxy.lab.device import Device, Op
from mlproxy.lab.profile import PROFILES, Profile

MS = 10**6
GIB = 1 << 30
SSD = Profile("ssd", latency_us=1000, bandwidth_mb_s=50, channels=8)
DISK = Profile("disk", latency_us=100, bandwidth_mb_s=100, channels=1, seek_ms=10)

requests = st.lists(
    st.tuples(
        st.sampled_from(Op),
        st.integers(0, GIB - 1),
        st.integers(512, 1 << 20),
        st.integers(0, 5 * MS),
    ),
    max_size=60,
)


def test_one_request_costs_latency_and_its_transfer() -> None:
    assert Device(SSD, GIB).request(Op.READ, 0, 50_000, now_ns=7) == 7 + MS + MS


def test_channels_overlap_latency_and_the_next_request_waits() -> None:
    device = Device(SSD, GIB)
    done = [device.request(Op.READ, 0, 512, 0) for _ in range(9)]
    transfer = 512 * 20
    assert done[:8] == [MS + (i + 1) * transfer for i in range(8)]
    assert done[8] == done[0] + MS + transfer


def test_the_bus_is_shared() -> None:
    device = Device(SSD, GIB)
    assert [device.request(Op.WRITE, 0, 10**6, 0) for _ in range(3)] == [
        MS + 20 * MS,
        MS + 40 * MS,
        MS + 60 * MS,
    ]


def test_a_flush_pays_latency_only_and_moves_no_head() -> None:
    device = Device(DISK, GIB)
    assert device.request(Op.FLUSH, 0, 0, 0) == MS // 10
    assert device.request(Op.READ, 0, 10**6, MS) == MS + MS // 10 + 10 * MS


def test_contiguous_requests_do_not_seek() -> None:
    device = Device(DISK, GIB)
    first = device.request(Op.READ, 0, 10**6, 0)
    assert device.request(Op.READ, 10**6, 10**6, first) - first == MS // 10 + 10 * MS


def test_a_full_stroke_costs_the_whole_seek_and_a_short_one_at_least_half() -> None:
    assert Device(DISK, GIB).request(Op.READ, GIB, 0, 0) == MS // 10 + 10 * MS
    near = Device(DISK, GIB).request(Op.READ, 4096, 0, 0)
    assert MS // 10 + 5 * MS < near < MS // 10 + 6 * MS


def test_half_of_the_seek_grows_with_the_root_of_the_distance() -> None:
    quarter = Device(DISK, GIB).request(Op.READ, GIB // 4, 0, 0)
    assert quarter == MS // 10 + 5 * MS + 5 * MS // 2


def test_no_limit_means_no_time() -> None:
    assert Device(PROFILES["fast"], GIB).request(Op.READ, 0, 1 << 20, 5) == 5


@given(requests, st.sampled_from([SSD, DISK]))
def test_nothing_is_faster_than_the_profile(
    arrivals: list[tuple[Op, int, int, int]], profile: Profile
) -> None:
    device, now_ns, moved, done_ns = Device(profile, GIB), 0, 0, 0
    for op, offset, size, gap_ns in arrivals:
        now_ns += gap_ns
        finished_ns = device.request(op, offset, size, now_ns)
        assert finished_ns >= now_ns + profile.latency_us * 1000
        moved += 0 if op is Op.FLUSH else size
        done_ns = max(done_ns, finished_ns)
    assert done_ns * profile.bandwidth_mb_s / 1000 >= moved * 0.999


@given(requests)
def test_the_same_arrivals_complete_at_the_same_times(
    arrivals: list[tuple[Op, int, int, int]],
) -> None:
    def run() -> list[int]:
        device = Device(DISK, GIB)
        return [device.request(op, offset, size, at) for op, offset, size, at in arrivals]

    assert run() == run()


@pytest.mark.parametrize(
    ("latency_us", "bandwidth_mb_s", "channels", "seek_ms", "words"),
    [
        (-1, 50, 1, 0, "latency_us"),
        (1, 0, 1, 0, "bandwidth_mb_s"),
        (1, math.nan, 1, 0, "bandwidth_mb_s"),
        (1, 50, 0, 0, "must be 1 or more"),
        (1, 50, 2, 5, "exactly 1"),
    ],
)
def test_an_impossible_profile_is_refused(
    latency_us: float, bandwidth_mb_s: float, channels: int, seek_ms: float, words: str
) -> None:
    with pytest.raises(LabError, match=words):
        Profile("odd", latency_us, bandwidth_mb_s, channels, seek_ms)
