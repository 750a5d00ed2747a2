"""How soon a limit comes, what its writer waits for meanwhile, and how soon it is gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from mlproxy.lab.agentrun import AgentRun
from mlproxy.lab.bench.report import Report, interval_text
from mlproxy.lab.bench.setup import Setup, verdicts
from mlproxy.lab.bench.writeback_place import (
    DEVICE,
    PROFILE,
    Size,
    beside,
    both_arms,
    stick_under,
)
from mlproxy.lab.bench.writeback_stream import ratio
from mlproxy.lab.notes import Noted, writing
from mlproxy.lab.testbed import TestBed
from mlproxy.lab.timeline import KnobSample

ONSET_S, STALL_S, RELEASE_S, BURST_FLOOR = 10.0, 2.0, 30.0, 0.9
STREAM_S, PAUSE_S, BURSTS_S = 30.0, 20.0, 1.0
BURST_S = 8.0
"""Of the device's writing."""

ENOUGH_MB_S = 100.0
"""Five times the device. How much faster than that memory takes it is the processor's affair."""


@dataclass(frozen=True)
class Overload:
    """One run: when the limit was strict after the stream began and not any more after it ended
    (None: never), the longest write meanwhile and before, MB/s of the burst afterwards."""

    onset_s: float | None
    released_s: float | None
    stall_s: float
    stall_before_s: float
    burst_mb_s: float


def run(report: Report, setup: Setup, size: Size) -> None:
    """Pairs of: a stream, a pause, a burst."""
    pairs: list[tuple[Overload, Overload]] = []
    with stick_under(report, size.threshold_s) as bed:
        for number, arms in both_arms(setup, "onset", size.pairs):
            found = {}
            for which in arms:
                with beside(setup, bed, which) as agent:
                    found[which] = _overload(bed, agent)
                    said = verdicts(agent) if agent else []
                values = asdict(found[which])
                report.run("overload", pair=number, arm=which, **values, verdicts=said)
            pairs.append((found["default"], found["agent"]))
    judge(report, pairs)


def judge(report: Report, pairs: Sequence[tuple[Overload, Overload]]) -> None:
    """Onset, pauses, release."""
    agents = [agent for _, agent in pairs]
    _judge_at_most(report, "overload: seconds to the limit", [a.onset_s for a in agents], ONSET_S)
    stalls: list[float | None] = [agent.stall_s for agent in agents]
    _judge_at_most(report, "overload: longest write while it drains, s", stalls, STALL_S)
    released = [agent.released_s for agent in agents]
    _judge_at_most(report, "overload: seconds from its end to no limit", released, RELEASE_S)
    burst = ratio([(agent.burst_mb_s, default.burst_mb_s) for default, agent in pairs])
    report.judge(
        f"overload: {PAUSE_S:.0f} s later a burst gets >= {BURST_FLOOR:.0%} of the default "
        f"(up to {ENOUGH_MB_S:g} MB/s)",
        interval_text(burst, ".3g"),
        burst.estimate >= BURST_FLOOR,
    )


def _judge_at_most(report: Report, what: str, found: Sequence[float | None], most: float) -> None:
    text = ", ".join("never" if each is None else f"{each:.2f}" for each in found)
    met = all(each is not None and each <= most for each in found)
    report.judge(f"{what}, at most {most:g}", text, met)


def _overload(bed: TestBed, agent: AgentRun | None) -> Overload:
    megabytes = BURST_S * PROFILE.bandwidth_mb_s
    phases = f"stream:{STREAM_S:g},pause:{PAUSE_S:g},burst-{megabytes:g}-2:{BURSTS_S:g}"
    with writing(bed.mount, bed.cgroup, {DEVICE: phases}) as writers:
        noted = writers.wait()[DEVICE]
    strict = agent.watcher.samples["strict_limit"] if agent else []
    return overload_of(noted, strict)


def overload_of(noted: Noted, strict: Sequence[KnobSample]) -> Overload:
    """What notes and the knob's values say."""
    stream = noted.of("write", 0)
    began_ns = stream.notes[0].end_ns - stream.notes[0].took_ns
    ended_ns = stream.notes[-1].end_ns
    set_ns = next((s.taken_ns for s in strict if s.value == "1"), None)
    free = [s.taken_ns for s in strict if s.value == "0" and set_ns and s.taken_ns > set_ns]
    limited_ns = ended_ns if set_ns is None else set_ns
    return Overload(
        onset_s=None if set_ns is None else (set_ns - began_ns) / 1e9,
        released_s=max((free[-1] - ended_ns) / 1e9, 0.0) if free else None,
        stall_s=stream.between(limited_ns).longest_s,
        stall_before_s=stream.between(0, limited_ns).longest_s,
        burst_mb_s=min(Noted(noted.of("burst").notes[:1]).mb_s, ENOUGH_MB_S),
    )
