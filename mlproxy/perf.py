"""Kernel tracepoints through perf_event_open(2): bounded rings, nothing written to a file,
and gone with the process, whatever ends it.

Between two reads each CPU takes EVENTS events at most, then its tracepoint switches itself
off until the next read: the cost is bounded, in the kernel too, however busy the machine is.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlproxy.errors import MlproxyError
from mlproxy.perf_records import TIME, Layout, Records, layout_of, records_in

RING_PAGES = 16
EVENTS = 512
"""Per CPU and read; 88 bytes each for block_rq_issue, so that they fit into the ring."""

_SYSCALL = {"x86_64": 298, "aarch64": 241}
_TRACEPOINT, _CLOEXEC, _DISABLED = 2, 8, 1
_REFRESH = 0x2402
_PERIOD = 0x40082404
"""PERF_EVENT_IOC_REFRESH: on for so many events more; PERF_EVENT_IOC_PERIOD."""
_SAMPLE_TIME_RAW = 1 << 2 | 1 << 10
_ATTR_BYTES = 112
_HEAD_AT = 1024
"""Offset of data_head in struct perf_event_mmap_page; data_tail follows it."""

_TRACEFS = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))


class NoTrace(MlproxyError):
    """The tracepoint cannot be had here; the message says why and what would help."""


class Tracepoint:
    """All events of one tracepoint on all CPUs.

    Args:
        name: "<system>/<event>", e.g. "block/block_rq_issue".
        fields: the fields to read, each with its numpy type, e.g. {"sector": "<u8"}.

    Raises:
        NoTrace: no tracefs, no such tracepoint or field, or no permission.
    """

    def __init__(self, name: str, fields: Mapping[str, Any]) -> None:
        folder = _folder(name)
        self._fields = tuple(fields)
        self._layout = _layout(name, (folder / "format").read_text(), fields)
        number = int((folder / "id").read_text())
        self._rings: list[_Ring] = []
        try:
            for cpu in sorted(os.sched_getaffinity(0) | _online()):
                self._rings.append(_Ring(number, cpu))
        except OSError as error:
            self.close()
            raise NoTrace(f"perf_event_open {name}: {error.strerror}; run as root") from error

    def read(self) -> dict[str, NDArray[Any]]:
        """The events since the last call: a column for `time_ns` and each field, CPU after
        CPU, and in order of time for each of them; no columns where there was no event."""
        parts = [part for ring in self._rings if (part := ring.drain(self._layout)) is not None]
        names = (TIME, *self._fields) if parts else ()
        return {name: np.concatenate([part[name] for part in parts]) for name in names}

    def close(self) -> None:
        """Give the rings back."""
        while self._rings:
            self._rings.pop().close()


class _Ring:
    def __init__(self, tracepoint: int, cpu: int) -> None:
        attributes = struct.pack(
            "<IIQQQQQ", _TRACEPOINT, _ATTR_BYTES, tracepoint, 1, _SAMPLE_TIME_RAW, 0, _DISABLED
        )
        buffer = ctypes.create_string_buffer(attributes, _ATTR_BYTES)
        libc = ctypes.CDLL(None, use_errno=True)
        number = _SYSCALL.get(os.uname().machine)
        if number is None:
            raise OSError(0, f"not known on {os.uname().machine}")
        self._fd = libc.syscall(number, buffer, -1, cpu, -1, _CLOEXEC)
        if self._fd < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        self._page = mmap.PAGESIZE
        self._bytes = RING_PAGES * self._page
        self._map = mmap.mmap(self._fd, self._page + self._bytes)
        self._refresh(EVENTS)

    def drain(self, layout: Layout) -> Records | None:
        """The samples since the last call, oldest first; None where nothing was written."""
        head, tail = struct.unpack_from("<QQ", self._map, _HEAD_AT)
        if head == tail:
            return None
        records = records_in(self._unwrapped(tail, head), layout)
        struct.pack_into("<Q", self._map, _HEAD_AT + 8, head)
        self._refresh(len(records))
        return records

    def _refresh(self, events: int) -> None:
        """Let the kernel take as many more as were read.

        Since 6.16 an event that ran into its limit is stopped as well as disabled, and of a
        tracepoint's ways to start again only a new period clears that (kernel/events/core.c).
        """
        if events:
            fcntl.ioctl(self._fd, _REFRESH, events)
            fcntl.ioctl(self._fd, _PERIOD, struct.pack("<Q", 1))

    def _unwrapped(self, tail: int, head: int) -> bytes:
        first, last = tail % self._bytes, head % self._bytes
        if first < last:
            return self._map[self._page + first : self._page + last]
        end = self._page + self._bytes
        return self._map[self._page + first : end] + self._map[self._page : self._page + last]

    def close(self) -> None:
        self._map.close()
        os.close(self._fd)


def _layout(name: str, text: str, fields: Mapping[str, Any]) -> Layout:
    try:
        return layout_of(text, fields)
    except KeyError as error:
        raise NoTrace(f"the tracepoint {name} of this kernel has no field {error}") from None


def _folder(name: str) -> Path:
    for root in _TRACEFS:
        folder = root / "events" / name
        try:
            if (folder / "id").is_file():
                return folder
        except PermissionError:
            raise NoTrace(f"{root} cannot be read; run as root") from None
    raise NoTrace(f"no tracepoint {name}: mount -t tracefs tracefs {_TRACEFS[0]}")


def _online() -> set[int]:
    """Online CPUs, from the kernel's list "0-3,5"."""
    cpus: set[int] = set()
    for part in Path("/sys/devices/system/cpu/online").read_text().strip().split(","):
        low, _, high = part.partition("-")
        cpus.update(range(int(low), int(high or low) + 1))
    return cpus
