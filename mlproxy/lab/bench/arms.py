"""A pair of runs: the same work with the agent and without, in random order."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from mlproxy.lab.bench.report import Report
from mlproxy.lab.bench.setup import Setup, after_s, agent_on, held, unchanged, verdicts
from mlproxy.lab.testbed import TestBed

Result = TypeVar("Result")


@dataclass(frozen=True)
class Arms(Generic[Result]):
    """What is run in both arms alike, and what the report says of it.

    Args:
        about: names what is run, {"workload": ...}.
        adapters: of the agent; their knobs must be as they were after each run.
        warm_s: beginning of a run that does not count.
        measure: one run of a pair's number, its beginning included.
        figures: of one run, for the report.
    """

    report: Report
    setup: Setup
    bed: TestBed
    adapters: tuple[str, ...]
    about: Mapping[str, object]
    warm_s: float
    measure: Callable[[int], Result]
    figures: Callable[[Result], Mapping[str, object]]

    def pair(self, rng: random.Random, number: int) -> tuple[Result, Result]:
        """The run without the agent and the run with it."""
        found = {arm: self._run(arm, number) for arm in rng.sample(("default", "agent"), 2)}
        return found["default"], found["agent"]

    def _run(self, arm: str, number: int) -> Result:
        self.bed.drop_caches()
        said: list[str] = []
        with unchanged(self.bed, self.adapters) as before:
            values: dict[str, object] = dict(before)
            if arm == "default":
                result = self.measure(number)
            else:
                with agent_on(self.bed, self.setup.policies(*self.adapters)) as agent:
                    start_ns = after_s(self.warm_s)
                    result = self.measure(number)
                    end_ns = time.monotonic_ns()
                    said = verdicts(agent)
                for name, samples in agent.watcher.samples.items():
                    values[name] = held(samples, start_ns, end_ns)
        told = {**self.about, "pair": number, "arm": arm, **self.figures(result)}
        self.report.run("run", **told, knobs=values, verdicts=said)
        return result
