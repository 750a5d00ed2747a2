"""How a device is read, from the places of its requests (tracepoint block_rq_issue).

Where requests lie says sequential or random at any readahead, also at a value so small
that diskstats shows the same for both. Counters, per device, that only grow:

    trace.reads       read requests seen (a sample: what a ring did not hold is lost)
    trace.read_kb     their size
    trace.runs        those that no recent request ends at: where a new run begins
    trace.switches    requests that go on with a run other than the last request's
    trace.forward     runs that begin less than NEAR_SECTORS after the end of a recent one
    trace.gap_kb      what those left out, from that end to their beginning
    trace.backward    runs that end where a recent one began
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mlproxy.perf import NoTrace, Tracepoint
from mlproxy.tree import Tree

NAME = "block/block_rq_issue"
FIELDS = {"dev": "<u4", "sector": "<i8", "nr_sector": "<u4", "rwbs": ("u1", (2,))}
NEAR_SECTORS = 512
STREAMS = 32
"""Recent places remembered per device: streams that may be interleaved."""

NOWHERE = -(2**40)
"""A place that no request is near."""

FEW = 16
"""Where fewer than one request in so many may join another, those between are taken at once."""

Sectors = NDArray[np.int64]


class Requests:
    """Counters of the devices that were asked for. Raises NoTrace where the tracepoint cannot
    be had."""

    def __init__(self) -> None:
        self._trace = Tracepoint(NAME, FIELDS)
        self._devices: dict[str, Places] = {}

    def update(self) -> None:
        """Take in what was issued since the last call."""
        seen = self._trace.read()
        if not seen:
            return
        numbers = seen["dev"]
        for number in set(numbers.tolist()):
            places = self._devices.get(f"{number >> 20}:{number & 0xFFFFF}")
            if places is not None:
                mine = np.flatnonzero(numbers == number)
                mine = mine[(seen["rwbs"][mine] == ord("R")).any(axis=1)]
                order = mine[np.argsort(seen["time_ns"][mine], kind="stable")]
                places.add(seen["sector"][order], seen["nr_sector"][order])

    def counters(self, devno: str) -> Mapping[str, float]:
        """The counters of one device; zeros the first time, from then on it is counted."""
        places = self._devices.get(devno)
        if places is None:
            places = self._devices[devno] = Places()
        return places.counters()

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
        self.reads = self.sectors = self.runs = self.switches = 0
        self.forward = self.gap_sectors = self.backward = 0
        self._last_end = NOWHERE
        self._ends: deque[int] = deque(maxlen=STREAMS)
        self._starts: deque[int] = deque(maxlen=STREAMS)

    def add(self, starts: Sectors, counts: Sectors) -> None:
        """Read requests in order of time: the first sector of each and how many it has."""
        if not len(starts):
            return
        self.reads += len(starts)
        self.sectors += int(counts.sum())
        ends = starts + counts
        joins = self._may_join(starts, ends)
        if np.count_nonzero(joins) * FEW > len(joins):
            self._follow(starts, ends)
            return
        edges = [0, *(np.flatnonzero(np.diff(joins)) + 1).tolist(), len(joins)]
        for low, high in pairwise(edges):
            take = self._follow if joins[low] else self._begin
            take(starts[low:high], ends[low:high])

    def counters(self) -> dict[str, float]:
        """The counters by attribute name."""
        return {
            "trace.reads": float(self.reads),
            "trace.read_kb": self.sectors / 2,
            "trace.runs": float(self.runs),
            "trace.switches": float(self.switches),
            "trace.forward": float(self.forward),
            "trace.gap_kb": self.gap_sectors / 2,
            "trace.backward": float(self.backward),
        }

    def _may_join(self, starts: Sectors, ends: Sectors) -> NDArray[np.bool_]:
        """True where a request begins at any end that is remembered or among these."""
        known = np.sort(np.concatenate([np.array(self._ends, np.int64), ends]))
        found: NDArray[np.bool_] = known[np.searchsorted(known[:-1], starts)] == starts
        return found

    def _begin(self, starts: Sectors, ends: Sectors) -> None:
        """Requests that join none: each is a run, and the places before it are remembered."""
        behind = (_before(self._starts, starts) == ends[:, None]).any(axis=1)
        gaps = starts[:, None] - _before(self._ends, ends)
        nearest = np.where(gaps > 0, gaps, NEAR_SECTORS).min(axis=1)
        forward = nearest[(nearest < NEAR_SECTORS) & ~behind]
        self.runs += len(starts)
        self.backward += int(np.count_nonzero(behind))
        self.forward += len(forward)
        self.gap_sectors += int(forward.sum())
        self._starts.extend(starts[-STREAMS:].tolist())
        self._ends.extend(ends[-STREAMS:].tolist())
        self._last_end = int(ends[-1])

    def _follow(self, starts: Sectors, ends: Sectors) -> None:
        """Any requests, one after the other."""
        recent, by_place = self._ends, sorted(self._ends)
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            at = bisect_left(by_place, start)
            if at < len(by_place) and by_place[at] == start:
                self.switches += start != self._last_end
                recent.remove(start)
                del by_place[at]
            else:
                self.runs += 1
                if end in self._starts:
                    self.backward += 1
                elif at and (gap := start - by_place[at - 1]) < NEAR_SECTORS:
                    self.forward += 1
                    self.gap_sectors += gap
                self._starts.append(start)
                if len(recent) == STREAMS:
                    del by_place[bisect_left(by_place, recent[0])]
            recent.append(end)
            insort(by_place, end)
            self._last_end = end


def _before(memory: deque[int], places: Sectors) -> Sectors:
    """Shape (places, STREAMS): the STREAMS places before each, those remembered first."""
    unknown = [NOWHERE] * (STREAMS - len(memory))
    past = np.concatenate([np.array([*unknown, *memory], np.int64), places[:-1]])
    return np.ndarray((len(places), STREAMS), np.int64, past, strides=(8, 8))
