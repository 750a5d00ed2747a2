"""Rows of a matrix that was never run, with numbers that a test chooses."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

AGENT, DEFAULT = "mlproxy", "default"
STATICS = ("read_ahead_kb=4", "read_ahead_kb=16", "read_ahead_kb=2048")
KINDS = {"tuned": "tuned", AGENT: AGENT, DEFAULT: DEFAULT}


def row(
    workload: str,
    arm: str,
    repeat: int,
    value: float,
    *,
    profile: str = "ssd-dilated",
    family: str = "random",
    split: str = "named",
    **more: Any,
) -> dict[str, Any]:
    """One row as the runner records it."""
    kb = arm.partition("=")[2] or ("4096" if arm == "tuned" else "128")
    metrics = {"progress": value}
    if arm == AGENT:
        metrics |= {"agent_cpu": 0.003, "agent_mb": 90.0}
    notes = {
        "adapter": "readahead",
        "kind": KINDS.get(arm, "static"),
        "split": split,
        "metric": "progress",
        "guards": {},
        "load": "fio",
        "loadavg": 1.5,
    }
    return {
        "id": f"{profile}/{workload}/{arm}/{repeat}/0",
        "profile": profile,
        "workload": workload,
        "family": family,
        "arm": arm,
        "knobs": {},
        "repeat": repeat,
        "runtime_s": 1.0,
        "effective": {"sys/class/bdi/7:0/read_ahead_kb": kb},
        "facts": {},
        "result": [],
        "metrics": metrics,
        "windows": [],
        "notes": {**notes, **more},
        "started_ns": 1,
        "late_us": 12.5,
        "versions": {"kernel": "6.18"},
    }


def rows(
    ratios: Mapping[str, float],
    workload: str = "mmap-random-4k",
    repeats: int = 4,
    noise: float = 0.0,
    **more: Any,
) -> list[dict[str, Any]]:
    """Rows of one pair: each contender at its ratio to the default, with lognormal noise."""
    rng = random.Random(f"{workload}/{noise}")
    return [
        row(workload, arm, n, 1e6 * ratio * rng.lognormvariate(0, noise), **more)
        for n in range(repeats)
        for arm, ratio in {DEFAULT: 1.0, **ratios}.items()
    ]


def two_workloads(repeats: int = 4) -> list[dict[str, Any]]:
    """One that gains from a small value, one that loses by any."""
    small, same = dict(zip(STATICS, (3.0, 2.5, 0.1), strict=True)), dict.fromkeys(STATICS, 0.9)
    gains = rows({**small, "tuned": 0.1, AGENT: 2.4}, repeats=repeats)
    other = {"workload": "psync-sequential-64k", "family": "sequential", "repeats": repeats}
    return gains + rows({**same, "tuned": 1.0, AGENT: 0.98}, **other)
