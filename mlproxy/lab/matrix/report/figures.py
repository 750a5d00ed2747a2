"""The figures, as PNG bytes: Agg, no date, no version in them."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib.figure import Figure

from mlproxy.lab.matrix.contender import AGENT, DEFAULT
from mlproxy.lab.matrix.measure import AGENT_CPU, AGENT_MB
from mlproxy.lab.matrix.summary import Judged, Summary
from mlproxy.lab.stats import Interval

DPI = 110
MARKS = "osD^vPX*"
MOST_PAIRS = 60
"""More than this fit no page: those furthest from 1 are shown."""

Rows = Sequence[Mapping[str, Any]]


def figures(summary: Summary, rows: Rows) -> dict[str, bytes]:
    """PNG by name; only those for which there are rows."""
    found = {
        "ratios": _ratios(summary),
        "captured": _captured(summary),
        "phases": _phases(rows),
        "cost": _cost(rows),
    }
    return {name: _png(figure) for name, figure in found.items() if figure is not None}


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    # Without its own name and version in the file, the same picture is the same bytes.
    figure.savefig(stream, format="png", dpi=DPI, metadata={"Software": None})
    return stream.getvalue()


def _ratios(summary: Summary) -> Figure:
    """Ratio to the default per pair, with intervals, mlproxy and peers side by side."""
    shown = _furthest(summary.judged)
    names = list(dict.fromkeys(name for each in shown for name in each.others))
    figure = Figure(figsize=(10, 1.6 + 0.24 * len(shown) * max(1, len(names) / 2)))
    axes = figure.add_subplot()
    for place, name in enumerate(names):
        offset = (place - (len(names) - 1) / 2) * 0.8 / max(1, len(names))
        known = [(y, each.others[name]) for y, each in enumerate(shown) if name in each.others]
        axes.errorbar(
            [found.estimate for _, found in known],
            [y + offset for y, _ in known],
            xerr=_arms([found for _, found in known]),
            fmt=MARKS[place % len(MARKS)],
            markersize=4,
            linewidth=1,
            label=name,
        )
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yticks(range(len(shown)), [each.headroom.pair.name for each in shown], fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("ratio to the kernel's default (95 % interval); above 1 is faster")
    axes.legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    figure.tight_layout()
    return figure


def _furthest(judged: Sequence[Judged]) -> list[Judged]:
    if len(judged) <= MOST_PAIRS:
        return list(judged)
    order = sorted(judged, key=lambda each: -abs(math.log(each.headroom.ours.estimate)))
    kept = {each.headroom.pair.key for each in order[:MOST_PAIRS]}
    return [each for each in judged if each.headroom.pair.key in kept]


def _arms(found: Sequence[Interval]) -> list[list[float]]:
    """Lengths below and above; none where there is no bound."""
    low = [each.estimate - each.lower if each.lower > 0 else 0.0 for each in found]
    high = [each.upper - each.estimate if math.isfinite(each.upper) else 0.0 for each in found]
    return [[max(0.0, each) for each in low], [max(0.0, each) for each in high]]


def _captured(summary: Summary) -> Figure | None:
    known = [each for each in summary.shares if each.share is not None]
    if not known:
        return None
    figure = Figure(figsize=(8, 1.2 + 0.35 * len(known)))
    axes = figure.add_subplot()
    shares = [each.share for each in known if each.share is not None]
    axes.barh(range(len(known)), [share.estimate for share in shares], color="tab:blue", height=0.6)
    for place, share in enumerate(shares):
        if math.isfinite(share.lower):
            axes.plot([share.lower, share.upper], [place, place], color="black", linewidth=1.2)
    labels = [f"{each.who}, {each.part} ({each.pairs})" for each in known]
    axes.set_yticks(range(len(known)), labels, fontsize=8)
    axes.invert_yaxis()
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_xlabel("share of the headroom captured (95 %); 1 is the best static value of each")
    figure.tight_layout()
    return figure


def _phases(rows: Rows) -> Figure | None:
    """Speed and knob over time in the first agent's row of a load with phases."""
    curves = [row for row in rows if row["notes"].get("curve")]
    agents = [row for row in curves if row["notes"]["kind"] == AGENT]
    if not agents:
        return None
    chosen = min(agents, key=lambda row: str(row["id"]))
    same = [row for row in curves if row["workload"] == chosen["workload"]]
    same = [row for row in same if row["profile"] == chosen["profile"]]
    default = [row for row in same if row["notes"]["kind"] == DEFAULT]
    figure = Figure(figsize=(9, 5))
    speed, knob = figure.subplots(2, 1, sharex=True)
    for row, label in ((chosen, AGENT), *((each, DEFAULT) for each in default[:1])):
        points = row["notes"]["curve"]
        speed.plot([at for at, _ in points], [rate / 1e6 for _, rate in points], label=label)
    speed.set_ylabel("MB/s that the reader gets")
    speed.set_yscale("log")
    speed.set_title(f"{chosen['profile']}/{chosen['workload']}", fontsize=9)
    speed.legend(fontsize=8, loc="upper right")
    end_s = chosen["notes"]["curve"][-1][0]
    for name, steps in sorted(chosen["notes"].get("knobs", {}).items()):
        if all(value.isdigit() for _, value in steps):
            times = [at for at, _ in steps] + [end_s]
            values = [max(int(value), 1) for _, value in steps]
            knob.step(times, [*values, values[-1]], where="post", label=name)
    knob.set_yscale("log", base=2)
    knob.set_ylabel("knob")
    knob.set_xlabel("seconds")
    knob.legend(fontsize=8, loc="upper right")
    figure.tight_layout()
    return figure


def _cost(rows: Rows) -> Figure | None:
    metrics = [row["metrics"] for row in rows if AGENT_CPU in row["metrics"]]
    if not metrics:
        return None
    figure = Figure(figsize=(8, 3))
    cpu, memory = figure.subplots(1, 2)
    cpu.hist([100 * each[AGENT_CPU] for each in metrics], bins=20)
    cpu.set_xlabel("% of a core")
    cpu.set_ylabel("rows")
    memory.hist([each[AGENT_MB] for each in metrics], bins=20)
    memory.set_xlabel("resident, MB")
    figure.suptitle("What the agent cost beside the workloads", fontsize=9)
    figure.tight_layout()
    return figure
