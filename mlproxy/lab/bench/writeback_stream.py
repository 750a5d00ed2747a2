"""A writer that never stops, beside a log: how long sync takes, what the log waits for."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from mlproxy.lab.bench.report import Report, interval_text
from mlproxy.lab.bench.setup import Setup, verdicts
from mlproxy.lab.bench.writeback_place import (
    DEVICE,
    OTHER,
    PROFILE,
    Size,
    beside,
    both_arms,
    host_threshold_mb,
    stick_under,
    written_mb,
)
from mlproxy.lab.notes import writing
from mlproxy.lab.stats import Interval, paired_ratio
from mlproxy.lab.testbed import TestBed

MAX_DRAIN_S = 2.0
SLACK_S = 0.5
"""Of sync's time: what the file system itself has to write."""

LEAST_TIMES, FSYNC_TIMES, WRITTEN_FLOOR = 50.0, 4.0, 0.95
COMES_DOWN_S = 15.0
"""Until a stream fills the memory and its limit begins to come down ..."""

SLOWED = 1.6
"""... from three quarters of the threshold by half of what the device writes."""

DEFAULT_WARM_S = 15.0


@dataclass(frozen=True)
class Streamed:
    """One run: seconds that sync took after it, what the log's fsync took, MB/s that the
    stream got accepted and that the device wrote, the longest that one write of the stream took
    once it was measured, and before."""

    drain_s: float
    fsync_p50_s: float
    fsync_p99_s: float
    accepted_mb_s: float
    written_mb_s: float
    stall_s: float = 0.0
    stall_before_s: float = 0.0


def run_stream(bed: TestBed, warm_s: float, measured_s: float) -> Streamed:
    """A stream for both times, the log beside it in the second."""
    phases = {
        DEVICE: f"stream:{warm_s + measured_s:g}",
        OTHER: f"pause:{warm_s:g},log:{measured_s:g}",
    }
    with writing(bed.mount, bed.cgroup, phases) as writers:
        time.sleep(warm_s)
        since_ns, (before_mb, before_s) = time.monotonic_ns(), written_mb(bed)
        time.sleep(measured_s)
        after_mb, after_s = written_mb(bed)
        noted = writers.wait()
        subprocess.run(["sync", "-f", str(bed.mount)], check=True)
        synced_ns = time.monotonic_ns()
    stream, log = noted[DEVICE], noted[OTHER].between(since_ns)
    measured = stream.between(since_ns)
    return Streamed(
        # From when writing ends: an fsync that is still under way drains much by itself.
        drain_s=(synced_ns - stream.notes[-1].end_ns) / 1e9,
        fsync_p50_s=log.quantile_s(0.5),
        fsync_p99_s=log.quantile_s(0.99),
        accepted_mb_s=measured.megabytes / measured_s,
        written_mb_s=(after_mb - before_mb) / (after_s - before_s),
        stall_s=measured.longest_s,
        stall_before_s=stream.between(0, since_ns).longest_s,
    )


def warm_s(which: str, threshold_s: float) -> float:
    """Until what is measured has settled: without the agent nothing has to come down."""
    if which == "default":
        return DEFAULT_WARM_S
    return COMES_DOWN_S + SLOWED * threshold_s


def run(report: Report, setup: Setup, size: Size, threshold_s: float | None) -> None:
    """Pairs of runs; under the host's own threshold (None) one pair."""
    setup = replace(setup, options={**setup.options, "max_drain": f"{MAX_DRAIN_S:g}s"})
    own = threshold_s is None
    pairs: list[tuple[Streamed, Streamed]] = []
    for number, arms in both_arms(setup, f"stream {threshold_s}", 1 if own else size.stream_pairs):
        found = {}
        for which in arms:
            with stick_under(report, threshold_s) as bed, beside(setup, bed, which) as agent:
                full_s = threshold_s or host_threshold_mb() / PROFILE.bandwidth_mb_s
                began_ns = time.monotonic_ns()
                found[which] = run_stream(bed, warm_s(which, full_s), size.measured_s)
                said = verdicts(agent) if agent else []
            strict = agent.watcher.samples["strict_limit"] if agent else []
            turns = [f"{each.value} at {(each.taken_ns - began_ns) / 1e9:.1f} s" for each in strict]
            fields = {**asdict(found[which]), "strict_limit": turns, "verdicts": said}
            report.run("stream", pair=number, arm=which, **fields)
        pairs.append((found["default"], found["agent"]))
    judge(report, pairs)


def judge(report: Report, pairs: Sequence[tuple[Streamed, Streamed]]) -> None:
    """Time to drain, another's fsync, the device; what is asked in times of the default only
    where the default has so many."""
    drains = [agent.drain_s for _, agent in pairs]
    report.judge(
        f"stream: sync takes at most {MAX_DRAIN_S:g} s (and {SLACK_S:g} s of the file system's)",
        ", ".join(f"{each:.2f}" for each in drains) + " s",
        max(drains) <= MAX_DRAIN_S + SLACK_S,
    )
    reachable = min(default.drain_s for default, _ in pairs) >= LEAST_TIMES * MAX_DRAIN_S
    least = LEAST_TIMES if reachable else None
    for name, asked in (("drain_s", least), ("fsync_p99_s", FSYNC_TIMES), ("fsync_p50_s", None)):
        found = ratio([(getattr(d, name), getattr(a, name)) for d, a in pairs])
        met = None if asked is None else found.estimate >= asked
        text = f"stream: {name}, times shorter" + (f", at least {asked:g}" if asked else "")
        values = "; ".join(f"{getattr(d, name):.3g} to {getattr(a, name):.3g} s" for d, a in pairs)
        report.judge(text, f"{interval_text(found, '.3g')}: {values}", met)
    written = ratio([(agent.written_mb_s, default.written_mb_s) for default, agent in pairs])
    report.judge(
        f"stream: device writes >= {WRITTEN_FLOOR:.0%} of the default",
        interval_text(written, ".3g"),
        written.estimate >= WRITTEN_FLOOR,
    )
    accepted = ratio([(agent.accepted_mb_s, default.accepted_mb_s) for default, agent in pairs])
    report.judge("stream: accepted, of the default", interval_text(accepted, ".3g"), None)


def ratio(pairs: Sequence[tuple[float, float]]) -> Interval:
    """Of the first to the second; of one pair there is no interval."""
    if len(pairs) == 1:
        only = pairs[0][0] / pairs[0][1]
        return Interval(only, only, only)
    above, below = zip(*pairs, strict=True)
    return paired_ratio(above, below)
