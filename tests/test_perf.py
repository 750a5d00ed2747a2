"""Tracepoints: what cannot be had is said, and a ring is read across its end."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

import pytest

from mlproxy import perf
from mlproxy.perf import NoTrace, Tracepoint, _Ring
from mlproxy.perf_records import layout_of


def test_a_tracepoint_that_is_not_there_says_what_would_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perf, "_TRACEFS", (tmp_path,))
    with pytest.raises(NoTrace, match="mount -t tracefs"):
        Tracepoint("block/block_rq_issue", {})


def test_a_machine_without_the_system_call_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_tracepoint(tmp_path)
    monkeypatch.setattr(perf, "_TRACEFS", (tmp_path,))
    monkeypatch.setattr(perf, "_SYSCALL", {})
    with pytest.raises(NoTrace, match="perf_event_open"):
        Tracepoint("block/block_rq_issue", {"dev": "<u4"})


def test_a_field_that_the_kernel_lacks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_tracepoint(tmp_path)
    monkeypatch.setattr(perf, "_TRACEFS", (tmp_path,))
    with pytest.raises(NoTrace, match="block_rq_issue of this kernel has no field 'sector'"):
        Tracepoint("block/block_rq_issue", {"sector": "<u8"})


def put_tracepoint(root: Path) -> None:
    folder = root / "events/block/block_rq_issue"
    folder.mkdir(parents=True)
    (folder / "id").write_text("7\n")
    (folder / "format").write_text("\tfield:dev_t dev;\toffset:8;\tsize:4;\tsigned:0;\n")


LAYOUT = layout_of("\tfield:char word[4];\toffset:0;\tsize:4;\tsigned:0;\n", {"word": "S4"})


class FakeRing(_Ring):
    """A ring of 64 bytes whose content a test wrote."""

    def __init__(self, data: bytes, tail: int, head: int) -> None:
        self.refreshed: list[int] = []
        self._page, self._bytes = 2048, 64
        self._map = bytearray(2048 + 64)  # type: ignore[assignment]
        struct.pack_into("<QQ", self._map, 1024, head, tail)
        for place, byte in enumerate(data):
            self._map[2048 + (tail + place) % 64] = byte

    def events(self) -> list[tuple[int, bytes]]:
        found = self.drain(LAYOUT)
        return [] if found is None else [(each["time_ns"], each["word"]) for each in found]

    def _refresh(self, events: int) -> None:
        self.refreshed.append(events)


def record(time_ns: int, raw: bytes, kind: int = 9) -> bytes:
    body = struct.pack("<QI", time_ns, len(raw)) + raw
    return struct.pack("<IHH", kind, 0, 8 + len(body)) + body


@pytest.mark.parametrize("tail", [0, 40, 64, 100])
def test_events_are_read_also_across_the_end(tail: int) -> None:
    data = record(5, b"abcd") + record(6, b"efgh")
    ring = FakeRing(data, tail, tail + len(data))
    assert ring.events() == [(5, b"abcd"), (6, b"efgh")]
    assert ring.events() == []
    assert ring.refreshed == [2]


def test_a_full_ring_and_records_of_another_kind() -> None:
    data = record(1, b"12345678", kind=2) + record(2, b"abcdefgh") + b""
    padded = data + struct.pack("<IHH", 2, 0, 8)
    assert len(padded) == 64
    ring = FakeRing(padded, 16, 80)
    assert ring.events() == [(2, b"abcd")]
    assert ring.refreshed == [1]


def test_the_rings_of_all_cpus_are_one_batch() -> None:
    trace = object.__new__(Tracepoint)
    trace._fields, trace._layout = ("word",), LAYOUT
    quiet, busy = record(7, b"left"), record(5, b"abcd") + record(9, b"efgh")
    trace._rings = [FakeRing(quiet, 0, len(quiet)), FakeRing(busy, 40, 40 + len(busy))]
    found = trace.read()
    assert {name: column.tolist() for name, column in found.items()} == {
        "time_ns": [7, 5, 9],
        "word": [b"left", b"abcd", b"efgh"],
    }
    assert trace.read() == {}


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="tracepoints need root")
def test_events_of_this_machine_are_seen() -> None:
    try:
        trace = Tracepoint("sched/sched_switch", {"prev_pid": "<i4"})
    except NoTrace as error:
        pytest.skip(str(error))
    try:
        time.sleep(0.01)
        assert len(trace.read()["prev_pid"])
    finally:
        trace.close()
