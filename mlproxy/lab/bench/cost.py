"""What the agent costs: CPU and memory at a true 1 Hz, and a batched decision.

Asked: idle at most 0.1 % of a core, active 0.5 %, 120 MB resident; 64 proxies x 8 candidates
x 2 quantiles with the shipped readahead model at most 21 us per proxy (median).
"""

from __future__ import annotations

import ctypes
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from mlproxy.adapter import Adapter
from mlproxy.columns import fill_rows
from mlproxy.decide import Question, recommend, settings_of
from mlproxy.features import FeatureSchema
from mlproxy.lab.bench.report import Report
from mlproxy.lab.bench.setup import Setup, agent_on
from mlproxy.lab.clients import Client, lay_out_file, started
from mlproxy.lab.profile import PROFILES
from mlproxy.lab.testbed import TestBed
from mlproxy.model import load_model
from mlproxy.policy import BUILTIN
from mlproxy.proxy import Identity, Proxy
from mlproxy.registry import load_registry
from mlproxy.view import View

CONFIDENCE = 0.9
IDLE_SHARE, ACTIVE_SHARE, RSS_MB, DECISION_US = 0.001, 0.005, 120.0, 21.0
ADAPTERS = ("readahead", "iosched")
PROXIES = 64
FULL_S, QUICK_S = 300.0, 30.0
FULL_DECISIONS, QUICK_DECISIONS = 2000, 300
WARM_S = 5.0
FILE_MB, DISK_MB = 1000, 1200
PATTERN = "random"
_NOBODY = Identity("", "")
_libc = ctypes.CDLL(None)


def run(report: Report, setup: Setup) -> None:
    """Idle, active, decision."""
    seconds = QUICK_S if setup.quick else FULL_S
    with TestBed(PROFILES["ssd-dilated"], size_mb=DISK_MB) as bed:
        file = lay_out_file(bed, FILE_MB)
        with agent_on(bed, setup.policies(*ADAPTERS)) as agent:
            time.sleep(WARM_S)
            idle, idle_wakes_s = _share(agent.pid, seconds)
            phases = f"{PATTERN}:{WARM_S + seconds + 5}"
            with started(bed, file, [Client(phases)], agent.state.parent / "logs"):
                time.sleep(WARM_S)
                active, active_wakes_s = _share(agent.pid, seconds)
                rss_mb = resident_mb(Path(f"/proc/{agent.pid}/status").read_text())
            rates = {"idle_wakes_s": idle_wakes_s, "active_wakes_s": active_wakes_s}
            report.run("agent", idle=idle, active=active, rss_mb=rss_mb, **rates)
    report.say(f"{len(ADAPTERS)} adapters on one disk, interval 1 s, {seconds:.0f} s each.")
    report.judge(f"idle <= {IDLE_SHARE:.1%} of a core", f"{idle:.3%}", idle <= IDLE_SHARE)
    report.judge(f"active <= {ACTIVE_SHARE:.1%} of a core", f"{active:.3%}", active <= ACTIVE_SHARE)
    report.judge(f"resident <= {RSS_MB:.0f} MB", f"{rss_mb:.0f} MB", rss_mb <= RSS_MB)
    _decisions(report, setup)


def cpu_s(pid: int) -> float:
    """CPU time of a process with all its threads, in nanoseconds where /proc/PID/stat counts
    ticks of 10 ms (clock_getcpuclockid(3)). OSError when there is no such process."""
    clock = ctypes.c_int()
    error = _libc.clock_getcpuclockid(pid, ctypes.byref(clock))
    if error:
        raise OSError(error, os.strerror(error))
    return time.clock_gettime(clock.value)


def resident_mb(status: str) -> float:
    """VmRSS of /proc/PID/status, in 10**6 bytes."""
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def wakes(status: str) -> int:
    """Times that a process slept, from /proc/PID/status."""
    for line in status.splitlines():
        if line.startswith("voluntary_ctxt_switches:"):
            return int(line.split()[1])
    return 0


def _share(pid: int, seconds: float) -> tuple[float, float]:
    """Share of one core that a process uses in the coming seconds, and its wake-ups per second."""
    status = Path(f"/proc/{pid}/status")
    before_s, slept, begun_s = cpu_s(pid), wakes(status.read_text()), time.monotonic()
    time.sleep(seconds)
    passed_s = time.monotonic() - begun_s
    return (cpu_s(pid) - before_s) / passed_s, (wakes(status.read_text()) - slept) / passed_s


def _decisions(report: Report, setup: Setup) -> None:
    """Median time of one batched decision: features to recommendations, hot, on one core."""
    adapter = load_registry().get("readahead")
    model = load_model(adapter, setup.models.get("readahead", BUILTIN))
    questions = list(_questions(adapter, PROXIES))
    count = QUICK_DECISIONS if setup.quick else FULL_DECISIONS
    rows = np.vstack(
        [fill_rows(q.views[0].vector, adapter.asked, q.held, settings_of(q)[1:]) for q in questions]
    )
    with _one_core():
        predicted = _times_us(lambda: model.predict(rows, CONFIDENCE), count)
        decided = _times_us(lambda: recommend(adapter, model, questions, CONFIDENCE, 0.05), count)
    size = f"{PROXIES} proxies x {len(questions[0].options)} candidates x 2 quantiles"
    for name, times_us in (("prediction", predicted), ("decision", decided)):
        worst = statistics.quantiles(times_us, n=100)[98]
        report.run(name, median_us=statistics.median(times_us), p99_us=worst)
    predicted_us = statistics.median(predicted)
    report.judge(
        f"{size}: prediction <= {DECISION_US:.0f} us per proxy (median)",
        f"{predicted_us:.1f} us",
        predicted_us <= DECISION_US,
    )
    asked = f"{size}: whole decision, from features to recommendation"
    report.judge(asked, f"{statistics.median(decided):.1f} us", None)


def _times_us(work: Callable[[], object], count: int) -> list[float]:
    """Time of each call over the number of proxies."""
    times_us = []
    for _ in range(count):
        begun_ns = time.perf_counter_ns()
        work()
        times_us.append((time.perf_counter_ns() - begun_ns) / 1e3 / PROXIES)
    return times_us


@contextmanager
def _one_core() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _questions(adapter: Adapter, count: int) -> Iterator[Question]:
    """Windows of `count` proxies on the way from random to sequential reads, all different."""
    knob = adapter.knob("read_ahead_kb")
    setting = {knob.name: 128}
    for number in range(count):
        features = _features(adapter, number / count)
        yield Question(
            proxy=Proxy(f"readahead.0:{number}", "readahead", "lab", "stock", "", _NOBODY, {}),
            features=features,
            views=(View(features.vector(), setting),),
            held=setting,
            baseline=setting,
            options=[(knob.name, value) for value in knob.grid],
            taken_ns=number,
        )


def _features(adapter: Adapter, part: float) -> FeatureSchema:
    """A window, `part` of the way from random to sequential."""
    schema = adapter.schema
    seen = {
        "read_kb_per_request": 16 + 110 * part,
        "read_wait_ms": 1 + 4 * part,
        "utilisation": 0.5 + 0.5 * part,
        "run_kb": 16 + 2000 * part,
    }
    values = dict.fromkeys(schema.names(), part)
    return schema(**{**values, **{name: seen[name] for name in seen if name in values}})
