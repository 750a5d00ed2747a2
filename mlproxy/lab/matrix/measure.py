"""One row: the load for its warm-up and its counted time, beside the agent or alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlproxy.adapter import Adapter
from mlproxy.lab import fio
from mlproxy.lab.agentrun import AgentRun
from mlproxy.lab.bench.cost import cpu_s, resident_mb
from mlproxy.lab.bench.setup import Setup, agent_on, held, verdicts
from mlproxy.lab.matrix.contender import AGENT, DEFAULT
from mlproxy.lab.matrix.loads.base import Ran
from mlproxy.lab.matrix.plan import Case
from mlproxy.lab.testbed import TestBed
from mlproxy.lab.timeline import KnobSample

AGENT_CPU, AGENT_MB = "agent_cpu", "agent_mb"
"""Metrics of an agent's row: share of a core, resident 10**6 bytes."""

Curve = list[tuple[float, float]]


@dataclass(frozen=True)
class Measured:
    """What the counted time of a row gave; times of the curve count from its beginning."""

    metrics: Mapping[str, float]
    curve: Curve
    windows: fio.Windows
    notes: Mapping[str, Any]


class RowMeasure:
    """What the row runner calls for each row of one bed.

    Args:
        setup: models and seed of the agent.
        done: called when a row is measured, for the progress bar.
    """

    def __init__(
        self, bed: TestBed, adapter: Adapter, setup: Setup, done: Callable[[], None]
    ) -> None:
        self._bed = bed
        self._adapter = adapter
        self._setup = setup
        self._done = done

    def __call__(
        self,
        workload: Case,
        bed: object,
        runtime_s: float,
        ramp_s: float,
        *,
        seed: int,
        observe: fio.Observe | None,
    ) -> fio.WorkloadResult:
        if workload.kind == AGENT:
            found = self._with_agent(workload, runtime_s, ramp_s, seed)
        else:
            watching = observe if workload.kind == DEFAULT else None
            found = self._alone(workload, runtime_s, ramp_s, seed, watching)
        self._done()
        return fio.WorkloadResult((), found.windows, found.metrics, self._notes(workload, found))

    def _alone(
        self, case: Case, runtime_s: float, ramp_s: float, seed: int, observe: fio.Observe | None
    ) -> Measured:
        self._series(case, ramp_s, 2 * seed)
        with observe() if observe else nullcontext([]) as windows:
            ran = self._series(case, runtime_s, 2 * seed + 1)
        return Measured(total([each for _, each in ran]), curve(ran), windows, {})

    def _with_agent(self, case: Case, runtime_s: float, ramp_s: float, seed: int) -> Measured:
        with agent_on(self._bed, self._setup.policies(self._adapter.name)) as agent:
            self._series(case, ramp_s, 2 * seed)
            begun_ns = time.monotonic_ns()
            with _cost(agent) as cost:
                ran = self._series(case, runtime_s, 2 * seed + 1)
            end_ns = time.monotonic_ns()
            said = verdicts(agent)
        samples = agent.watcher.samples
        notes: dict[str, Any] = {"verdicts": said}
        notes["held"] = {name: held(each, begun_ns, end_ns) for name, each in samples.items()}
        if case.load.continuous:
            notes["knobs"] = {name: steps(each, begun_ns) for name, each in samples.items()}
        return Measured({**total([each for _, each in ran]), **cost}, curve(ran), [], notes)

    def _series(self, case: Case, seconds: float, seed: int) -> list[tuple[float, Ran]]:
        """Runs until the time is over, each with the seconds since the series began."""
        if seconds <= 0:
            return []
        if case.load.continuous:
            return [(0.0, case.load.run(self._bed, seconds, seed))]
        begun_s = time.monotonic()
        found: list[tuple[float, Ran]] = []
        while (passed_s := time.monotonic() - begun_s) < seconds:
            number = seed * 1000 + len(found)
            found.append((passed_s, case.load.run(self._bed, case.run_s, number)))
        return found

    def _notes(self, case: Case, found: Measured) -> dict[str, Any]:
        objective = self._adapter.objective
        return {
            "adapter": case.adapter,
            "kind": case.kind,
            "split": case.split,
            "metric": objective.metric,
            "guards": {guard.metric: guard.floor for guard in objective.guards},
            "device": case.device,
            "load": case.load.kind,
            "loadavg": round(os.getloadavg()[0], 2),
            **({"curve": found.curve} if case.load.continuous else {}),
            **found.notes,
        }


def total(ran: Sequence[Ran]) -> dict[str, float]:
    """Means over runs of equal length: what was done over the time it took."""
    names = sorted({name for each in ran for name in each.metrics})
    return {name: sum(each.metrics.get(name, 0.0) for each in ran) / len(ran) for name in names}


def curve(ran: Sequence[tuple[float, Ran]]) -> Curve:
    """Speed over time of all runs."""
    return [
        (round(begun_s + at_s, 3), round(speed, 1))
        for begun_s, each in ran
        for at_s, speed in each.speed
    ]


def steps(samples: Sequence[KnobSample], begun_ns: int) -> list[tuple[float, str]]:
    """Seconds since a moment and the value from then on; the value before it stands at 0."""
    before = [each for each in samples if each.taken_ns <= begun_ns][-1:]
    after = [each for each in samples if each.taken_ns > begun_ns]
    found = [(0.0, each.value) for each in before]
    return found + [(round((each.taken_ns - begun_ns) / 1e9, 3), each.value) for each in after]


@contextmanager
def _cost(agent: AgentRun) -> Iterator[dict[str, float]]:
    """Filled when the block is left: the agent's share of a core meanwhile, its memory then."""
    found: dict[str, float] = {}
    used_s, begun_s = cpu_s(agent.pid), time.monotonic()
    yield found
    agent.check()
    found[AGENT_CPU] = (cpu_s(agent.pid) - used_s) / (time.monotonic() - begun_s)
    found[AGENT_MB] = resident_mb(Path(f"/proc/{agent.pid}/status").read_text())
