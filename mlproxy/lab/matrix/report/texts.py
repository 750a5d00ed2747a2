"""Numbers and tables as text, shared by the page and the Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlproxy.lab.matrix.contender import AGENT
from mlproxy.lab.matrix.noharm import AT_LEAST, ratios
from mlproxy.lab.matrix.summary import Judged, Share, Summary
from mlproxy.lab.stats import Interval, Repeat

HARM = {
    Repeat.PASSED: "no harm",
    Repeat.FAILED: "HARM",
    Repeat.UNRESOLVED: "unresolved",
    Repeat.MORE: "not repeated enough",
}


@dataclass(frozen=True)
class Table:
    """A table with its caption."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def interval_text(found: Interval | None) -> str:
    """ "1.87 (1.85 to 1.90)"; the estimate alone where there are no bounds."""
    if found is None:
        return "none"
    if not (math.isfinite(found.lower) and math.isfinite(found.upper)):
        return f"{found.estimate:.3f} (one workload: no interval)"
    return f"{found.estimate:.3f} ({found.lower:.3f} to {found.upper:.3f})"


def losses(summary: Summary) -> list[Judged]:
    """Pairs in which mlproxy was slower than the default, the worst first."""
    found = [each for each in summary.judged if each.headroom.ours.estimate < 1]
    return sorted(found, key=lambda each: each.headroom.ours.estimate)


def tables(summary: Summary) -> list[Table]:
    """All tables, in order."""
    return [
        _shares(summary),
        _against(summary),
        _pairs(summary),
        _losses(summary),
        _cost(summary),
        _machine(summary),
    ]


def sentences(summary: Summary) -> list[str]:
    """What the tables come to, gains and losses alike."""
    total, (flat, mean) = summary.total, summary.no_headroom
    worse, harmed = losses(summary), _harmed(summary)
    found = [
        f"{summary.rows} rows, {len(summary.judged)} pairs of a workload and a device.",
        _headroom_sentence(total),
        f"Pairs without headroom: {flat}; mlproxy / default over them {interval_text(mean)}.",
        f"mlproxy was slower than the default in {len(worse)} pairs, in {len(harmed)} of them "
        "with the whole interval.",
    ]
    if _fewest(summary) < AT_LEAST:
        found.append(
            f"Fewer than {AT_LEAST} repeats: the intervals are narrower than they claim, and no "
            "pair has passed the no-harm rule."
        )
    if summary.load:
        found.append(f"The highest load average beside a row, itself included: {summary.load:.1f}.")
    if summary.late_us is not None:
        middle, most = summary.late_us
        found.append(
            f"The modelled device was late by {middle:.0f} us in the median row, "
            f"{most:.0f} us at most."
        )
    return found


def _fewest(summary: Summary) -> int:
    return min(len(ratios(each.headroom.pair)) for each in summary.judged)


def _harmed(summary: Summary) -> list[Judged]:
    return [each for each in summary.judged if each.headroom.ours.upper < 1]


def _headroom_sentence(total: Share) -> str:
    if total.share is None:
        return "No pair has headroom that counts."
    return f"Headroom captured over {total.pairs} pairs: {interval_text(total.share)}."


def _shares(summary: Summary) -> Table:
    rows = [[s.who, s.part, str(s.pairs), interval_text(s.share)] for s in summary.shares]
    caption = "Headroom captured: sum ln(who / default) / sum ln(best / default)"
    return Table(caption, ("who", "over", "pairs", "captured (95 %)"), rows)


def _against(summary: Summary) -> Table:
    rows = [[a.peer, str(a.pairs), interval_text(a.ratio)] for a in summary.against]
    caption = "mlproxy / peer, geometric mean over all pairs that have both"
    return Table(caption, ("peer", "pairs", "mlproxy / peer (95 %)"), rows)


def _pairs(summary: Summary) -> Table:
    peers = [name for name in _peers(summary) if name != AGENT]
    rows = []
    for each in summary.judged:
        head = each.headroom
        cells = [head.pair.profile, head.pair.workload, head.pair.split]
        cells += [interval_text(head.ours), interval_text(head.best)]
        cells += ["yes" if head.counts else "no", HARM[each.harm]]
        cells += [interval_text(each.others.get(name)) for name in peers]
        rows.append(cells)
    columns = ("device", "workload", "split", AGENT, "best static", "headroom", "no harm", *peers)
    return Table("Each pair, as ratios to the kernel's default (95 %)", columns, rows)


def _peers(summary: Summary) -> list[str]:
    return list(dict.fromkeys(name for each in summary.judged for name in each.others))


def _losses(summary: Summary) -> Table:
    rows = [
        [
            each.headroom.pair.name,
            interval_text(each.headroom.ours),
            "whole" if each.headroom.ours.upper < 1 else "reaches 1",
            HARM[each.harm],
        ]
        for each in losses(summary)
    ]
    caption = "Where mlproxy was slower than the default"
    return Table(caption, ("pair", "mlproxy / default (95 %)", "interval", "no harm"), rows)


def _cost(summary: Summary) -> Table:
    cost = summary.cost
    rows = []
    if cost is not None:
        rows = [
            ["share of a core, median", f"{cost.cpu:.3%}"],
            ["share of a core, most", f"{cost.cpu_most:.3%}"],
            ["resident, most", f"{cost.resident_mb:.0f} MB"],
            ["rows", str(cost.rows)],
        ]
    return Table("What the agent cost beside the workloads", ("what", "measured"), rows)


def _machine(summary: Summary) -> Table:
    rows = [[name, value] for name, value in sorted(summary.machine.items())]
    return Table("Machine", ("what", "value"), rows)
