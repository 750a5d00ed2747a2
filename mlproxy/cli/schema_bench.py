"""What `mlproxy bench --json` and `mlproxy bench report --json` print."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from mlproxy.cli.schema import Part

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlproxy.lab.matrix.summary import Judged, Summary
    from mlproxy.lab.matrix.verdict import Line
    from mlproxy.lab.stats import Interval


class BenchInterval(Part):
    """An estimate with its 95 % interval; bounds are null where there are none."""

    estimate: float
    lower: float | None
    upper: float | None


class BenchPair(Part):
    """One workload on one device; ratios are to the kernel's default, above 1 is faster."""

    adapter: str
    device: str
    workload: str
    split: str = Field(description="what training may have seen of it")
    headroom: bool = Field(description="whether there is enough to gain that it counts")
    no_harm: str = Field(description="passed, failed, unresolved, or more: not repeated enough")
    best_static: BenchInterval
    ratios: dict[str, BenchInterval] = Field(description="by contender or peer")


class BenchShare(Part):
    """Headroom captured by somebody over some pairs."""

    who: str
    over: str
    pairs: int
    captured: BenchInterval | None


class BenchAgainst(Part):
    """mlproxy / peer, geometric mean over all pairs that have both."""

    peer: str
    pairs: int
    ratio: BenchInterval


class BenchAsked(Part):
    """A number that the matrix asks for."""

    asked: str
    found: str
    met: bool


class BenchReport(Part):
    """`mlproxy bench --json` and `mlproxy bench report --json`."""

    format: Literal["mlproxy-bench/v1"] = "mlproxy-bench/v1"
    matrix: str
    rows: int
    captured: tuple[BenchShare, ...]
    against: tuple[BenchAgainst, ...]
    pairs: tuple[BenchPair, ...]
    asked: tuple[BenchAsked, ...]
    machine: dict[str, str]
    files: tuple[str, ...] = Field(description="what was written")


def bench_report(summary: Summary, lines: Iterable[Line], files: Iterable[object]) -> BenchReport:
    """A summary as the report prints it."""
    return BenchReport(
        matrix=str(summary.matrix.get("name", "")),
        rows=summary.rows,
        captured=tuple(
            BenchShare(
                who=each.who,
                over=each.part,
                pairs=each.pairs,
                captured=_interval(each.share) if each.share else None,
            )
            for each in summary.shares
        ),
        against=tuple(
            BenchAgainst(peer=each.peer, pairs=each.pairs, ratio=_interval(each.ratio))
            for each in summary.against
        ),
        pairs=tuple(map(_pair, summary.judged)),
        asked=tuple(BenchAsked(asked=x.asked, found=x.found, met=x.met) for x in lines),
        machine=dict(summary.machine),
        files=tuple(map(str, files)),
    )


def _pair(each: Judged) -> BenchPair:
    pair = each.headroom.pair
    return BenchPair(
        adapter=pair.adapter,
        device=pair.profile,
        workload=pair.workload,
        split=pair.split,
        headroom=each.headroom.counts,
        no_harm=each.harm.value,
        best_static=_interval(each.headroom.best),
        ratios={name: _interval(found) for name, found in each.others.items()},
    )


def _interval(found: Interval) -> BenchInterval:
    bounded = math.isfinite(found.lower) and math.isfinite(found.upper)
    return BenchInterval(
        estimate=found.estimate,
        lower=found.lower if bounded else None,
        upper=found.upper if bounded else None,
    )
