"""What was read in one tick, and the window between two ticks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """Counters and gauges of one proxy at one moment, by attribute name.

    Names are the same whatever the transport: `disk.read_ios`, `vm.pgmajfault`,
    `psi.io.some_us`; a transport that cannot read one leaves it out.
    """

    taken_ns: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Window:
    """The time between two samples of the same proxy."""

    before: Sample
    after: Sample

    @property
    def elapsed_s(self) -> float:
        """Length of the window in seconds, always positive."""
        return max(self.after.taken_ns - self.before.taken_ns, 1) / 1e9

    def delta(self, name: str) -> float | None:
        """Growth of a counter; None when it is missing or went backwards (a reset)."""
        first, last = self.before.values.get(name), self.after.values.get(name)
        if first is None or last is None or last < first:
            return None
        return last - first

    def rate(self, name: str) -> float | None:
        """Growth of a counter per second."""
        grown = self.delta(name)
        return None if grown is None else grown / self.elapsed_s

    def gauge(self, name: str) -> float | None:
        """A value as it stood at the window's end."""
        return self.after.values.get(name)


def ratio(part: float | None, whole: float | None) -> float | None:
    """part / whole; None when either is missing or whole is zero (absent is not zero)."""
    if part is None or not whole:
        return None
    return part / whole
