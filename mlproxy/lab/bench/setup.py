"""What every bench needs: its size, seed and models, and an agent on a bed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlproxy.errors import LabError
from mlproxy.lab import fio
from mlproxy.lab.agentrun import AgentRun, Bed, knob_files, knob_text, policy
from mlproxy.lab.rows import metrics_of
from mlproxy.lab.testbed import TestBed
from mlproxy.lab.timeline import KnobSample, shares
from mlproxy.lab.workload import Workload
from mlproxy.model import load_model
from mlproxy.registry import load_registry


@dataclass(frozen=True)
class Setup:
    """Size, seed, models by adapter name ("builtin" where absent), only these workloads, and
    further options of agentrun.policy."""

    quick: bool = False
    seed: int = 0
    only: tuple[str, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def policies(self, *adapters: str, **options: Any) -> dict[str, str]:
        """A policy per adapter; see agentrun.policy. ModelError when a model cannot be loaded,
        since an agent without one would measure as harmless."""
        found = {}
        for name in adapters:
            model = self.models.get(name, "builtin")
            load_model(load_registry().get(name), model)
            found[name] = policy(name, model=model, **{**self.options, **options})
        return found


@contextmanager
def agent_on(bed: Bed, policies: Mapping[str, str]) -> Iterator[AgentRun]:
    """A ready agent with a state folder of its own, which goes away with it."""
    with (
        tempfile.TemporaryDirectory(prefix="mlproxy-bench-") as folder,
        AgentRun(bed, policies, Path(folder)) as agent,
    ):
        agent.wait_ready()
        yield agent


def knobs_now(bed: TestBed, adapters: Sequence[str]) -> dict[str, str]:
    """The knobs in force."""
    return {name: knob_text(file) for name, file in knob_files(bed, adapters).items()}


@contextmanager
def unchanged(bed: TestBed, adapters: Sequence[str]) -> Iterator[dict[str, str]]:
    """The knobs before a run; LabError if they are others after it, agent or not."""
    before = knobs_now(bed, adapters)
    yield before
    after = knobs_now(bed, adapters)
    if after != before:
        raise LabError(f"knobs were left changed: {before} became {after}")


def held(samples: Sequence[KnobSample], start_ns: int, end_ns: int) -> dict[str, float]:
    """Share of the time at each value, the longest first, to a percent."""
    found = shares(samples, start_ns, end_ns)
    order = sorted(found, key=lambda value: -found[value])
    return {value: round(found[value], 2) for value in order if found[value] >= 0.005}


def verdicts(agent: AgentRun) -> list[str]:
    """The verdicts that the agent came to, each once, in order."""
    decisions = [each for each in agent.outcomes() if each["kind"] == "decision"]
    said = (f"{d['knob']} {d['current']} to {d['proposed']}: {d['rule']}" for d in decisions)
    return list(dict.fromkeys(said))


@dataclass(frozen=True)
class ShortRun:
    """One of several runs that open their files anew.

    `progress` is the geometric mean of its jobs' bytes per second.
    """

    started_ns: int
    ended_ns: int
    progress: float


def short_runs(
    workload: Workload, bed: TestBed, until_ns: int, run_s: float, seed: int
) -> Iterator[ShortRun]:
    """fio again and again until a moment: readahead reaches a file only when it is opened."""
    number = 0
    while time.monotonic_ns() < until_ns:
        started_ns = time.monotonic_ns()
        result = fio.run(workload, bed, run_s, 0.0, seed=seed * 1000 + number)
        progress = metrics_of(result.as_json()).get("progress", 1.0)
        yield ShortRun(started_ns, time.monotonic_ns(), progress)
        number += 1


def after_s(seconds: float) -> int:
    """The moment that lies so many seconds ahead."""
    return time.monotonic_ns() + round(seconds * 1e9)
