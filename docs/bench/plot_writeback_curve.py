"""The trade-off of a dirty limit as a picture: `python plot_writeback_curve.py JSON PNG`.

JSON is what `python -m mlproxy.lab.bench writeback --only curve --out DIR` wrote; needs matplotlib.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

PANELS = (
    ("time to drain (sync), s", (("drain_s", "sync"),), "log"),
    ("fsync of another file, s", (("fsync_p99_s", "p99"), ("fsync_p50_s", "p50")), "log"),
    ("MB/s", (("written_mb_s", "device"), ("accepted_mb_s", "accepted")), "linear"),
)
MARKERS = ("o", "s")
AGENT = "mlproxy"


def main(source: Path, target: Path) -> None:
    """One panel per quantity, the limit in seconds of the device's writing along each."""
    runs = [run for run in json.loads(source.read_text())["runs"] if run["kind"] == "curve"]
    figure, axes = pyplot.subplots(1, len(PANELS), figsize=(13, 4), layout="constrained")
    for axis, (label, series, scale) in zip(axes, PANELS, strict=True):
        for (key, name), marker in zip(series, MARKERS, strict=False):
            draw(axis, runs, key, name, marker)
        axis.set(xscale="log", yscale=scale, xlabel="limit, s of the device's writing")
        axis.set_title(label)
        if scale == "linear":
            axis.set_ylim(bottom=0)
        axis.grid(visible=True, which="both", alpha=0.25)
        axis.legend()
    figure.savefig(target, dpi=110)


def draw(axis: Any, runs: list[dict[str, Any]], key: str, name: str, marker: str) -> None:
    """Default and fixed limits as a line, the agent's runs as hollow marks beside it."""
    fixed = sorted((r for r in runs if not r["arm"].startswith(AGENT)), key=lambda r: r["limit_s"])
    agent = [run for run in runs if run["arm"].startswith(AGENT)]
    (drawn,) = axis.plot(
        [run["limit_s"] for run in fixed],
        [run[key] for run in fixed],
        marker=marker,
        label=f"{name}: default (right) and fixed",
    )
    axis.plot(
        [run["limit_s"] for run in agent],
        [run[key] for run in agent],
        linestyle="none",
        marker="*",
        markersize=14,
        markerfacecolor="none",
        color=drawn.get_color(),
        label=f"{name}: mlproxy, by max_drain",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
