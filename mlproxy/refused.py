"""Signals that look like progress and are none: they choose the wrong arm."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from mlproxy.objective import Objective
from mlproxy.policy_objective import ObjectiveSource


@dataclass(frozen=True)
class Signal:
    """A kind of signal that looks like progress: where it is found, and why it is none."""

    why: str
    files: re.Pattern[str]
    metrics: re.Pattern[str]
    attributes: str


SIGNALS = {
    "device": Signal(
        "device throughput counts what was read ahead in vain as well: on random mmap reads it "
        "chooses the wrong arm every time (measured)",
        re.compile(r"^/proc/(diskstats|vmstat)$|^/sys/.*/stat$|/io\.stat$|/blkio\.[^/]*$"),
        re.compile(r"^node_(disk|vmstat)_|^container_(fs|blkio)_"),
        "disk.",
    ),
    "psi": Signal(
        "pressure (PSI) tells how long tasks waited, not what they got done: for readahead its "
        "sign is right in 36 to 53 % of the arms (measured)",
        re.compile(r"^/proc/pressure/|/(io|memory|cpu)\.pressure$"),
        re.compile(r"^(node|container)_pressure_"),
        "psi.",
    ),
}


def refusal(source: ObjectiveSource, objective: Objective) -> str:
    """Why a signal is no progress for this objective; "" when nothing is known against it."""
    path = posixpath.normpath(source.file or "/")
    metric = source.prometheus.metric if source.prometheus else ""
    for kind in objective.refused:
        signal = SIGNALS.get(kind)
        if signal and (signal.files.search(path) or signal.metrics.search(metric)):
            named = f"prometheus {metric}" if metric else f"file {path}"
            return f"{named} is refused: {signal.why}"
    return ""
