"""A block device's service time, in virtual time: no clock, no I/O, no randomness.

A request takes the channel that is free first, holds it for the fixed latency (and the seek),
then moves its bytes over the one shared bus, and frees the channel when the last byte is over.
Requests are served in the order in which they arrive, as by a device without reordering.
"""

from __future__ import annotations

import enum
import math
from heapq import heapreplace

from mlproxy.lab.profile import Profile

# Half of a full stroke is settling and rotation, which the shortest seek pays too; the rest
# grows with the square root of the distance (Ruemmler and Wilkes, "An introduction to disk drive
# modeling", 1994).
SETTLE_SHARE = 0.5


class Op(enum.Enum):
    READ = "read"
    WRITE = "write"
    FLUSH = "flush"


class Device:
    """The queue of one device with the given profile; `size_bytes` scales seek distances."""

    def __init__(self, profile: Profile, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self._latency_ns = round(profile.latency_us * 1e3)
        self._ns_per_byte = 1e3 / profile.bandwidth_mb_s
        self._seek_full_ns = profile.seek_ms * 1e6
        self._channel_free_ns = [0] * profile.channels
        self._bus_free_ns = 0
        self._head = 0

    def request(self, op: Op, offset: int, size: int, now_ns: int) -> int:
        """When a request that arrives at `now_ns` completes, in ns on the same clock.

        Offsets and sizes are bytes. Calls come in the order of arrival.
        """
        start_ns = max(now_ns, self._channel_free_ns[0])
        done_ns = start_ns + self._latency_ns
        if op is not Op.FLUSH:
            done_ns = self._transfer(size, done_ns + self._seek_ns(offset, size))
        heapreplace(self._channel_free_ns, done_ns)
        return done_ns

    def _transfer(self, size: int, ready_ns: int) -> int:
        done_ns = max(ready_ns, self._bus_free_ns) + round(size * self._ns_per_byte)
        self._bus_free_ns = done_ns
        return done_ns

    def _seek_ns(self, offset: int, size: int) -> int:
        distance = abs(offset - self._head)
        self._head = offset + size
        if not distance or not self._seek_full_ns:
            return 0
        share = SETTLE_SHARE + (1 - SETTLE_SHARE) * math.sqrt(distance / self._size_bytes)
        return round(self._seek_full_ns * share)
