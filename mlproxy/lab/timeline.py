"""What happened when, as plain series: progress of a reader, values of a knob. All pure.

Times are CLOCK_MONOTONIC nanoseconds, rates bytes per second.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlproxy.lab.reader import Sample, read_log

NS = 1_000_000_000
STAYS, STAYS_S = 0.7, 5
RATE_STEP_NS = NS // 10


@dataclass(frozen=True)
class KnobSample:
    """The text of a knob's file at a moment."""

    taken_ns: int
    value: str


@dataclass(frozen=True)
class Span:
    """A phase of the workload: [start_ns, end_ns) of one pattern."""

    pattern: str
    start_ns: int
    end_ns: int

    def after(self, seconds: float) -> Span:
        """The rest of the span, without its first `seconds`."""
        return Span(
            self.pattern, min(self.start_ns + round(seconds * NS), self.end_ns), self.end_ns
        )

    @property
    def seconds(self) -> float:
        """Length."""
        return (self.end_ns - self.start_ns) / NS


def done_at(samples: Sequence[Sample], moment_ns: int) -> float:
    """Useful bytes at a moment, on a straight line between samples; flat beyond the ends."""
    index = bisect_left(samples, moment_ns, key=lambda sample: sample.taken_ns)
    if index == 0:
        return float(samples[0].useful_bytes) if samples else 0.0
    if index == len(samples):
        return float(samples[-1].useful_bytes)
    left, right = samples[index - 1], samples[index]
    part = (moment_ns - left.taken_ns) / (right.taken_ns - left.taken_ns)
    return left.useful_bytes + part * (right.useful_bytes - left.useful_bytes)


def rate(readers: Iterable[Sequence[Sample]], start_ns: int, end_ns: int) -> float:
    """Useful bytes per second of all readers together between two moments; 0 if there are none."""
    if end_ns <= start_ns:
        return 0.0
    done = sum(done_at(samples, end_ns) - done_at(samples, start_ns) for samples in readers)
    return done * NS / (end_ns - start_ns)


def rates(
    readers: Sequence[Sequence[Sample]], start_ns: int, end_ns: int, width_s: float
) -> list[float]:
    """Rates of consecutive intervals of `width_s`."""
    width_ns = round(width_s * NS)
    return [rate(readers, at, at + width_ns) for at in range(start_ns, end_ns, width_ns)]


def time_to(
    samples: Sequence[KnobSample], good: Iterable[str], start_ns: int, end_ns: int
) -> float | None:
    """Seconds until the knob holds a good value and stays at good ones; None if never.

    It stays when it spends `STAYS` of the next `STAYS_S` seconds there, so that a look of 2.5 s
    at a good value is no arrival.
    """
    wanted = set(good)
    moments = [start_ns, *(s.taken_ns for s in samples if start_ns < s.taken_ns < end_ns)]
    for moment_ns in moments:
        if value_at(samples, moment_ns) in wanted:
            found = shares(samples, moment_ns, min(moment_ns + STAYS_S * NS, end_ns))
            if sum(share for value, share in found.items() if value in wanted) >= STAYS:
                return (moment_ns - start_ns) / NS
    return None


def time_to_rate(samples: Sequence[Sample], asked: float, span: Span) -> float | None:
    """Seconds from a span's beginning until one second of it has the asked rate; None if none."""
    for moment_ns in range(span.start_ns, span.end_ns - NS + 1, RATE_STEP_NS):
        if rate([samples], moment_ns, moment_ns + NS) >= asked:
            return (moment_ns - span.start_ns) / NS
    return None


def value_at(samples: Sequence[KnobSample], moment_ns: int) -> str:
    """The value in force at a moment; "" before the first sample."""
    index = bisect_left(samples, moment_ns + 1, key=lambda sample: sample.taken_ns)
    return samples[index - 1].value if index else ""


def shares(samples: Sequence[KnobSample], start_ns: int, end_ns: int) -> dict[str, float]:
    """Share of the time between two moments at each value; they add up to 1."""
    edges = [start_ns, *(s.taken_ns for s in samples if start_ns < s.taken_ns < end_ns), end_ns]
    found: dict[str, float] = {}
    for left, right in itertools.pairwise(edges):
        value = value_at(samples, left)
        found[value] = found.get(value, 0.0) + (right - left) / (end_ns - start_ns)
    return found


def count_changes(samples: Sequence[KnobSample], start_ns: int, end_ns: int) -> int:
    """How often the value changed between two moments."""
    values = [value_at(samples, start_ns)]
    values += [s.value for s in samples if start_ns < s.taken_ns < end_ns]
    return sum(left != right for left, right in itertools.pairwise(values))


def merge(logs: Iterable[Path]) -> list[list[Sample]]:
    """The logs of several readers; one that wrote nothing yet counts as none."""
    found = [read_log(path) for path in logs if path.exists()]
    return [samples for samples in found if samples]


def spans(samples: Sequence[Sample], patterns: Sequence[str], start_ns: int) -> list[Span]:
    """The phases that a reader went through, from its log; the first begins at start_ns.

    A phase's last sample is taken at its end, so that is where the next one begins.
    """
    ends: dict[int, int] = {}
    for sample in samples:
        ends[sample.phase] = sample.taken_ns
    found, begun = [], start_ns
    for phase, end_ns in sorted(ends.items()):
        found.append(Span(patterns[phase], begun, end_ns))
        begun = end_ns
    return found
