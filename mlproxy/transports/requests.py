"""How a device is read, from the places of its requests (tracepoint block_rq_issue).

Where requests lie says sequential or random at any readahead, also at a value so small
that diskstats shows the same for both. Counters, per device, that only grow:

    trace.reads       read requests seen (a sample: what a ring did not hold is lost)
    trace.read_kb     their size
    trace.runs        those that no recent request ends at: where a new run begins
    trace.forward     runs that begin less than NEAR_KB after the end of a recent one
    trace.backward    runs that end where a recent one began
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Mapping

from mlproxy.perf import NoTrace, Tracepoint
from mlproxy.tree import Tree

NAME = "block/block_rq_issue"
NEAR_SECTORS = 512
STREAMS = 32
"""Recent places remembered per device: streams that may be interleaved."""


class Requests:
    """Counters of all devices. Raises NoTrace where the tracepoint cannot be had."""

    def __init__(self) -> None:
        self._trace = Tracepoint(NAME)
        places = {name: self._trace.fields[name][0] for name in ("dev", "sector", "nr_sector")}
        self._dev, self._sector, self._count = places.values()
        self._words = self._trace.fields["rwbs"][0]
        self._devices: dict[str, Places] = {}

    def update(self) -> None:
        """Take in what was issued since the last call."""
        for _, raw in self._trace.read():
            if b"R" not in raw[self._words : self._words + 2]:
                continue
            (dev,) = struct.unpack_from("<I", raw, self._dev)
            (sector,) = struct.unpack_from("<Q", raw, self._sector)
            (count,) = struct.unpack_from("<I", raw, self._count)
            name = f"{dev >> 20}:{dev & 0xFFFFF}"
            self._devices.setdefault(name, Places()).add(sector, count)

    def counters(self, devno: str) -> Mapping[str, float]:
        """The counters of one device; zeros where it was not read yet."""
        return self._devices.setdefault(devno, Places()).counters()

    def close(self) -> None:
        """Stop tracing."""
        self._trace.close()


def open_requests(tree: Tree) -> tuple[Requests | None, str]:
    """The counters of the live machine, or None and why they cannot be had."""
    if not tree.live:
        return None, "a recorded tree has no tracepoints"
    try:
        return Requests(), ""
    except NoTrace as error:
        return None, str(error)


class Places:
    """Where one device was read lately, and what that amounted to."""

    def __init__(self) -> None:
        self.reads = self.sectors = self.runs = self.forward = self.backward = 0
        self._ends: deque[int] = deque(maxlen=STREAMS)
        self._starts: deque[int] = deque(maxlen=STREAMS)

    def add(self, sector: int, count: int) -> None:
        """One read request of `count` sectors at `sector`."""
        self.reads += 1
        self.sectors += count
        if sector in self._ends:
            self._ends.remove(sector)
        else:
            self.runs += 1
            self._classify(sector, sector + count)
            self._starts.append(sector)
        self._ends.append(sector + count)

    def counters(self) -> dict[str, float]:
        """The counters by attribute name."""
        return {
            "trace.reads": float(self.reads),
            "trace.read_kb": self.sectors / 2,
            "trace.runs": float(self.runs),
            "trace.forward": float(self.forward),
            "trace.backward": float(self.backward),
        }

    def _classify(self, start: int, end: int) -> None:
        if end in self._starts:
            self.backward += 1
        elif any(0 < start - past < NEAR_SECTORS for past in self._ends):
            self.forward += 1
