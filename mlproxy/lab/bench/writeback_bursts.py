"""Who needs no limit: bursts that drain by themselves, who overwrites, and on a fast device a log
and a copied tree."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from mlproxy.lab.bench.report import Report, interval_text
from mlproxy.lab.bench.setup import Setup, verdicts
from mlproxy.lab.bench.writeback_onset import ENOUGH_MB_S
from mlproxy.lab.bench.writeback_place import (
    DEVICE,
    PROFILE,
    Size,
    beside,
    both_arms,
    host_under,
    stick_under,
)
from mlproxy.lab.bench.writeback_stream import ratio
from mlproxy.lab.notes import writing
from mlproxy.lab.profile import PROFILES
from mlproxy.lab.testbed import TestBed

FLOOR = 0.97
"""Of the default, the lower end of the 95 % interval."""

BURSTS_S = (2.0, 4.0, 8.0, 12.0)
"""Sizes, in seconds of the device's writing ..."""

PAUSE = 1.25
"""... and how many times longer than that they pause."""

OVERWRITTEN_S = 8.0
FAST_SIZE_MB, FAST_THRESHOLD_MB = 3000, 2000.0
LOG_S = 6.0
TREE_FILES, TREE_KB, TREE_FOLDERS = 1600, 64, 40


def run(report: Report, setup: Setup, size: Size) -> None:
    """Each kind of burst in pairs, then who overwrites."""
    with stick_under(report, size.threshold_s) as bed:
        for name, spec in kinds(size.bursts_s).items():
            pairs = []
            for number, arms in both_arms(setup, name, size.pairs):
                found = {}
                for which in arms:
                    with beside(setup, bed, which) as agent:
                        found[which] = _accepted_mb_s(bed, spec)
                        said = verdicts(agent) if agent else []
                    fields = {"pair": number, "arm": which, "accepted_mb_s": found[which]}
                    report.run("burst", workload=name, **fields, verdicts=said)
                pairs.append((found["default"], found["agent"]))
            judge(report, f"{name}: accepted (up to {ENOUGH_MB_S:g} MB/s)", pairs)


def kinds(seconds: float) -> Mapping[str, str]:
    """Phases for the writer by name; each burst comes twice at least."""
    speed = PROFILE.bandwidth_mb_s
    found = {}
    for each in BURSTS_S:
        lasts = max(seconds, 2 * PAUSE * each)
        found[f"burst-{each:g}s"] = f"burst-{each * speed:g}-{PAUSE * each:g}:{lasts:g}"
    return found | {
        f"overwrite-{OVERWRITTEN_S:g}s": f"overwrite-{OVERWRITTEN_S * speed:g}:{seconds:g}"
    }


def judge(report: Report, what: str, pairs: Sequence[tuple[float, float]]) -> None:
    """One that must not lose: (default, agent) in pairs."""
    found = ratio([(agent, default) for default, agent in pairs])
    report.judge(
        f"{what} >= {FLOOR:.0%} of the default (95 % lower bound)",
        f"{interval_text(found, '.3f')}, {len(pairs)} pairs",
        found.lower >= FLOOR,
    )


def _accepted_mb_s(bed: TestBed, spec: str) -> float:
    with writing(bed.mount, bed.cgroup, {DEVICE: spec}) as writers:
        noted = writers.wait()[DEVICE]
    bursts = noted.of("burst")
    if bursts.notes:
        return min(bursts.mb_s, ENOUGH_MB_S)
    spent_s = float(spec.rpartition(":")[2])
    return min(noted.of("write").megabytes / spent_s, ENOUGH_MB_S)


def run_fast(report: Report, setup: Setup, size: Size) -> None:
    """A log and a copied tree on a device as fast as it goes."""
    found: dict[str, list[tuple[float, float]]] = {"log": [], "tree": []}
    with (
        TestBed(PROFILES["fast"], size_mb=FAST_SIZE_MB, memory_mb=FAST_SIZE_MB) as bed,
        host_under(bed, FAST_THRESHOLD_MB),
        tempfile.TemporaryDirectory(prefix="mlproxy-tree-") as folder,
    ):
        _plant(Path(folder))
        for number, arms in both_arms(setup, "fast", size.fast_pairs):
            speeds = {}
            for which in arms:
                with beside(setup, bed, which) as agent:
                    speeds[which] = {"log": _log(bed), "tree": _copy(bed, Path(folder))}
                    said = verdicts(agent) if agent else []
                report.run("fast", pair=number, arm=which, **speeds[which], verdicts=said)
            for name, pairs in found.items():
                pairs.append((speeds["default"][name], speeds["agent"][name]))
    judge(report, "fast device, a log's fsyncs per second", found["log"])
    judge(report, "fast device, a copied tree and its sync, MB/s", found["tree"])


def _log(bed: TestBed) -> float:
    with writing(bed.mount, bed.cgroup, {DEVICE: f"log:{LOG_S:g}"}) as writers:
        return len(writers.wait()[DEVICE].of("sync").notes) / LOG_S


def _plant(folder: Path) -> None:
    data = bytes(range(256)) * (TREE_KB * 4)
    for number in range(TREE_FILES):
        home = folder / f"{number % TREE_FOLDERS}"
        home.mkdir(exist_ok=True)
        (home / f"{number}").write_bytes(data)


def _copy(bed: TestBed, tree: Path) -> float:
    there = bed.mount / "tree"
    began_s = time.monotonic()
    try:
        subprocess.run(bed.cgroup.wrap(["cp", "-r", str(tree), str(there)]), check=True)
        subprocess.run(["sync", "-f", str(bed.mount)], check=True)
        took_s = time.monotonic() - began_s
    finally:
        with suppress(FileNotFoundError):
            shutil.rmtree(there)
    return TREE_FILES * TREE_KB * 1024e-6 / took_s
