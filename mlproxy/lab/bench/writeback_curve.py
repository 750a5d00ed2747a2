"""The trade-off: what a limit gives and takes, from none to less than a second of writing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

from mlproxy.lab.arm import KnobState, arm
from mlproxy.lab.bench.report import Report
from mlproxy.lab.bench.setup import Setup, verdicts
from mlproxy.lab.bench.writeback_place import PROFILE, Size, beside, stick_under
from mlproxy.lab.bench.writeback_stream import run_stream, warm_s
from mlproxy.lab.testbed import TestBed

FIXED = (2, 8, 16, 64)
"""Limits in parts of the threshold, one over so many."""

AIMS_S = (5.0, 2.0)
WHOLE = 1_000_000
FIXED_WARM_S = 8.0


def run(report: Report, setup: Setup, size: Size) -> None:
    """One run of each point."""
    with stick_under(report, size.curve_threshold_s) as bed:
        full_s = size.curve_threshold_s
        with beside(setup, bed, "default"):
            _point(report, bed, "default", full_s, warm_s("default", full_s), size)
        for part in FIXED:
            with beside(setup, bed, "default"):
                _fixed(report, bed, part, size)
        for aim_s in AIMS_S:
            rules = replace(setup, options={**setup.options, "max_drain": f"{aim_s:g}s"})
            with beside(rules, bed, "agent") as agent:
                warm = warm_s("agent", full_s)
                _point(report, bed, f"mlproxy {aim_s:g} s", aim_s, warm, size)
                assert agent is not None
                report.say(f"mlproxy {aim_s:g} s: {', '.join(verdicts(agent))}")
    report.judge("the trade-off curve was measured", f"{len(report.runs)} points", None)


def _fixed(report: Report, bed: TestBed, part: int, size: Size) -> None:
    limit = {_bdi("max_ratio_fine"): WHOLE // part, _bdi("strict_limit"): 1}
    chosen = arm(f"1/{part}", limit)
    knobs = KnobState([chosen], bed.disk, bed.devno)
    try:
        knobs.apply(chosen)
        seconds = size.curve_threshold_s / part
        _point(report, bed, f"fixed {seconds:.2g} s", seconds, FIXED_WARM_S, size)
    finally:
        knobs.restore()


def _bdi(name: str) -> str:
    return f"sys/class/bdi/{{devno}}/{name}"


def _point(
    report: Report, bed: TestBed, name: str, limit_s: float, warm: float, size: Size
) -> None:
    found: Mapping[str, float] = asdict(run_stream(bed, warm, size.measured_s))
    figures = {key: round(value, 4) for key, value in found.items()}
    bandwidth = PROFILE.bandwidth_mb_s
    report.run("curve", arm=name, limit_s=limit_s, device_mb_s=bandwidth, **figures)
