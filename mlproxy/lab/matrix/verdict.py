"""Whether a matrix reached what it asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlproxy.lab.matrix.document import Asked
from mlproxy.lab.matrix.summary import Summary


@dataclass(frozen=True)
class Line:
    """What was asked, what was found, whether that is enough."""

    asked: str
    found: str
    met: bool


def judge(summary: Summary, asked: Asked) -> list[Line]:
    """A line for each number that is asked for; estimates are judged, their intervals shown."""
    return [*_captured(summary, asked), *_floor(summary, asked)]


def _captured(summary: Summary, asked: Asked) -> Iterator[Line]:
    if asked.captured is None:
        return
    total = summary.total
    text = f"headroom captured >= {asked.captured:g}"
    if total.share is None:
        yield Line(text, "no pair has headroom that counts", False)
    else:
        share = total.share
        found = (
            f"{share.estimate:.3f} ({share.lower:.3f} to {share.upper:.3f}), {total.pairs} pairs"
        )
        yield Line(text, found, share.estimate >= asked.captured)


def _floor(summary: Summary, asked: Asked) -> Iterator[Line]:
    if asked.floor is None:
        return
    worst = min(summary.judged, key=lambda each: each.headroom.ours.estimate)
    low = worst.headroom.ours.estimate
    below = sum(each.headroom.ours.estimate < asked.floor for each in summary.judged)
    found = f"{below} of {len(summary.judged)} below; worst {low:.3f}, {worst.headroom.pair.name}"
    yield Line(f"every pair: mlproxy / default >= {asked.floor:g}", found, not below)
