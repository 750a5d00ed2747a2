"""Tracepoints: what cannot be had is said, and a ring is read across its end."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from mlproxy import perf
from mlproxy.perf import NoTrace, Tracepoint, _Ring


def test_a_tracepoint_that_is_not_there_says_what_would_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perf, "_TRACEFS", (tmp_path,))
    with pytest.raises(NoTrace, match="mount -t tracefs"):
        Tracepoint("block/block_rq_issue")


def test_a_machine_without_the_system_call_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "events/block/block_rq_issue"
    folder.mkdir(parents=True)
    (folder / "id").write_text("7\n")
    (folder / "format").write_text("\tfield:dev_t dev;\toffset:8;\tsize:4;\tsigned:0;\n")
    monkeypatch.setattr(perf, "_TRACEFS", (tmp_path,))
    monkeypatch.setattr(perf, "_SYSCALL", {})
    with pytest.raises(NoTrace, match="perf_event_open"):
        Tracepoint("block/block_rq_issue")


class FakeRing(_Ring):
    """A ring of 64 bytes whose content a test wrote."""

    def __init__(self, data: bytes, tail: int, head: int) -> None:
        self.refreshed: list[int] = []
        self._page, self._bytes = 2048, 64
        self._map = bytearray(2048 + 64)  # type: ignore[assignment]
        struct.pack_into("<QQ", self._map, 1024, head, tail)
        for place, byte in enumerate(data):
            self._map[2048 + (tail + place) % 64] = byte

    def _refresh(self, events: int) -> None:
        self.refreshed.append(events)


def record(time_ns: int, raw: bytes, kind: int = 9) -> bytes:
    body = struct.pack("<QI", time_ns, len(raw)) + raw
    return struct.pack("<IHH", kind, 0, 8 + len(body)) + body


@pytest.mark.parametrize("tail", [0, 40, 64, 100])
def test_events_are_read_also_across_the_end(tail: int) -> None:
    data = record(5, b"abcd") + record(6, b"efgh")
    ring = FakeRing(data, tail, tail + len(data))
    assert list(ring.drain()) == [(5, b"abcd"), (6, b"efgh")]
    assert list(ring.drain()) == []
    assert ring.refreshed == [2, 0]


def test_a_full_ring_and_records_of_another_kind() -> None:
    data = record(1, b"12345678", kind=2) + record(2, b"abcdefgh") + b""
    padded = data + struct.pack("<IHH", 2, 0, 8)
    assert len(padded) == 64
    assert list(FakeRing(padded, 16, 80).drain()) == [(2, b"abcdefgh")]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="tracepoints need root")
def test_events_of_this_machine_come_in_order_of_time() -> None:
    try:
        trace = Tracepoint("sched/sched_switch")
    except NoTrace as error:
        pytest.skip(str(error))
    try:
        os.sched_yield()
        times = [when for when, _ in trace.read()]
        assert times == sorted(times)
        assert "prev_pid" in trace.fields
    finally:
        trace.close()
