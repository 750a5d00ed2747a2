"""An agent on a machine in virtual time, with a model that knows the device."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mlproxy.actuator import Actuator
from mlproxy.adapter import Adapter
from mlproxy.columns import Matrix, column_names
from mlproxy.controller import Controller, Meter
from mlproxy.gate_range import Range
from mlproxy.journal import Journal
from mlproxy.judgement import Judgement
from mlproxy.knob import Setting, Value
from mlproxy.ledger import Ledger
from mlproxy.loop import Agent
from mlproxy.model import Model
from mlproxy.outcomes import Outcomes
from mlproxy.policy import Policy
from mlproxy.proxy import Proxy
from mlproxy.seat import Seat
from mlproxy.transports.base import Transport
from mlproxy.trust import TrustStore
from mlproxy_readahead import ReadaheadAdapter
from tests import faults
from tests.faults import READ_AHEAD_KB, READAHEAD
from tests.machine import NS, Clock, Machine, MachineTransport, reads

KNOBS: Mapping[str, Mapping[str, Any]] = {
    "readahead": {"read_ahead_kb": {"min": 4, "max": 8192}},
    "writeback": {"max_ratio_fine": {"min": 1000, "max": 1_000_000, "max_step": None}},
    "iosched": {"scheduler": {"allow": ["none", "mq-deadline"]}, "nr_requests": {"max": 1024}},
}


@dataclass
class Anywhere:
    """A domain in which nothing is strange but what a test says."""

    strange: float = 0.0

    def distance(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full(len(rows), self.strange)

    def shift(self, before: Sequence[float], after: Sequence[float]) -> float:
        pair = np.nan_to_num(np.array([before, after], float))
        return float(np.abs(np.diff(np.log1p(np.abs(pair)), axis=0)).max()) / 0.3


class Physicist:
    """A model that knows the device, but sees only what a model sees."""

    def __init__(self, margin: float = 0.02) -> None:
        self.domain = Anywhere()
        self.digest = "feedbeef0000"
        self.margin = margin
        self.batches: list[int] = []
        names = column_names(ReadaheadAdapter.schema.names(), ReadaheadAdapter.knobs)
        self._at = {name: place for place, name in enumerate(names)}
        self.score: Callable[[str, int], float] = self.truth

    @staticmethod
    def truth(workload: str, read_ahead_kb: int) -> float:
        """Log progress of a workload at a readahead."""
        return math.log(reads(workload, read_ahead_kb)["app.progress"])

    @staticmethod
    def knows(knob: str, value: Value) -> bool:
        """It has tried everything."""
        return True

    def predict(
        self, rows: Matrix, confidence: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        self.batches.append(len(rows))
        median = np.array([self._score(row) for row in rows])
        return median, median - self.margin

    def _score(self, row: NDArray[np.float32]) -> float:
        run_kb = float(row[self._at["run_kb"]])
        faults_per_read = float(row[self._at["major_faults_per_read"]])
        random = faults_per_read > 0.5 if math.isnan(run_kb) else run_kb < 1024
        workload = "random" if random else "sequential"
        kinds = ("candidate", "current")
        values = (int(row[self._at[f"{kind}.read_ahead_kb"]]) for kind in kinds)
        candidate, current = (self.score(workload, value) for value in values)
        return candidate - current


def make_policy(adapter: str = "readahead", **fields: Any) -> Policy:
    """A policy that trusts the model from the start, unless a field says otherwise."""
    base = {
        "apiVersion": "mlproxy/v1",
        "adapter": adapter,
        "start": "recommendation",
        "trust": "model",
        "knobs": KNOBS[adapter],
    }
    return Policy.model_validate({**base, **fields})


def make_seat(
    policy: Policy | None = None,
    model: object | None = None,
    baseline: Setting | None = None,
    adapter: Adapter | None = None,
    proxy: Proxy = READAHEAD,
    lacks: str = "",
) -> Seat:
    """One seat; readahead of sda unless told otherwise."""
    chosen, rules = adapter or ReadaheadAdapter(), policy or make_policy()
    held = dict(baseline or {"read_ahead_kb": 128})
    knobs = tuple(knob for knob in chosen.knobs if knob.name in rules.knobs and knob.name in held)
    kernel = {knob.name: Range(choices=faults.SCHEDULERS if knob.choices else ()) for knob in knobs}
    return Seat(proxy, chosen, rules, cast(Model, model), knobs, kernel, held, lacks)


class World:
    """A machine with an agent on it."""

    def __init__(
        self,
        folder: Path,
        *,
        seats: Sequence[Seat] | None = None,
        model: Physicist | None = None,
        resolution_s: float | None = None,
        baseline: int = 128,
        **policy: Any,
    ) -> None:
        self.machine = Machine(folder)
        self.machine.admin(str(baseline))
        self.kernel = self.machine.kernel
        self.model = model or Physicist()
        self.state = folder / "state"
        self.state.mkdir(exist_ok=True)
        self.resolution_s = resolution_s
        rules = make_policy(**policy)
        self.seats = seats or [make_seat(rules, self.model, {"read_ahead_kb": baseline})]
        self.start()

    def stop(self) -> None:
        """The agent's process ends in order."""
        self.agent.close()
        self.journal.shut()

    def start(self) -> None:
        """A new process of the agent."""
        self.tree = Clock(self.machine.root, self.machine)
        self.journal = Journal(self.state, self.kernel)
        self.actuator = Actuator(self.machine.root, self.journal, self.kernel)
        clock_s = lambda: self.machine.now_ns / NS  # noqa: E731
        self.trust = TrustStore.load(self.state / "trust.json", clock_s)
        names = [seat.proxy.id for seat in self.seats]
        resolution = {} if self.resolution_s is None else dict.fromkeys(names, self.resolution_s)
        judgement = Judgement(self.trust, resolution)
        now_ns = self.machine.now_ns
        controllers = [Controller(seat, self._meter(), now_ns) for seat in self.seats]
        self.agent = Agent(
            self.tree,
            cast(Transport, MachineTransport(self.machine)),
            controllers,
            judgement,
            self.actuator,
            Ledger(self.state, self.machine.root),
            self.state,
        )

    def _meter(self) -> Meter | None:
        if self.resolution_s is None:
            return None
        return lambda sample: {"progress": sample.values.get("app.progress", 0.0)}

    def run(self, seconds: float) -> None:
        """Let the agent run for so long."""
        self.agent.run(seconds)

    @property
    def controller(self) -> Controller:
        return self.agent.controllers[0]

    @property
    def value(self) -> int:
        """read_ahead_kb in force."""
        return self.machine.value()

    def values(self, path: str = READ_AHEAD_KB) -> list[int]:
        """What was written to a knob, in order."""
        return [int(text) for _, each, text in self.kernel.writes if each == path]

    def records(self, kind: str) -> list[dict[str, Any]]:
        """What the agent logged of one kind."""
        return [each for each in Outcomes(self.state).read() if each["kind"] == kind]

    def whys(self) -> list[str]:
        """Why the knob was changed, in order; slots apart."""
        return [str(each["why"]) for each in self.records("change")]


def elsewhere(proxy: Proxy, device: str, devno: str) -> Proxy:
    """The same proxy of another device, whose files are made beside it."""
    path = f"sys/class/bdi/{devno}/read_ahead_kb"
    return replace(
        proxy,
        id=f"{proxy.subsystem}.{devno}",
        device=device,
        object_path=f"sys/class/bdi/{devno}",
        identity=replace(proxy.identity, devno=devno, diskseq="10", serial="WD-2"),
        knobs={"read_ahead_kb": path},
    )
