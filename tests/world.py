"""A machine in virtual time: counters of a workload that react to the knob in force."""

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
from mlproxy.knob import Knob, Setting, Value
from mlproxy.ledger import Ledger
from mlproxy.loop import Agent
from mlproxy.model import Model
from mlproxy.outcomes import Outcomes
from mlproxy.policy import Policy
from mlproxy.proxy import Proxy
from mlproxy.seat import Seat
from mlproxy.snapshot import Sample
from mlproxy.transports.base import Transport
from mlproxy.tree import Tree
from mlproxy.trust import TrustStore
from mlproxy_readahead import ReadaheadAdapter
from tests import faults
from tests.faults import READ_AHEAD_KB, READAHEAD, FakeKernel

NS = 1_000_000_000
KNOBS: Mapping[str, Mapping[str, Any]] = {
    "readahead": {"read_ahead_kb": {"min": 4, "max": 8192}},
    "iosched": {"scheduler": {"allow": ["none", "mq-deadline"]}, "nr_requests": {"max": 1024}},
}


class Clock(Tree):
    """A tree whose time passes only while somebody waits."""

    def __init__(self, root: Path, machine: Machine) -> None:
        super().__init__(root)
        self._machine = machine

    def now_ns(self) -> int:
        return self._machine.now_ns

    def wait(self, seconds: float) -> bool:
        self._machine.advance(max(seconds, 1e-6))
        return True


class TimedKernel(FakeKernel):
    """Notes when each knob was written."""

    def __init__(self, root: Path, machine: Machine) -> None:
        super().__init__(root)
        self._machine = machine
        self.writes: list[tuple[float, str, str]] = []

    def store(self, path: str, text: str) -> None:
        super().store(path, text)
        self.writes.append((self._machine.now_ns / NS, path, text))


Rates = Mapping[str, float]
"""Growth of each counter per second."""


def reads(workload: str, read_ahead_kb: int, traced: bool = False) -> Rates:
    """What a reader of a 1 ms, 50 MB/s device makes the counters do at this readahead.

    At 8 KiB and below random and sequential look the same, as measured on real kernels.
    """
    if workload == "idle":
        return {"disk.read_ios": 1.0, "disk.read_sectors": 8.0}
    kb = max(read_ahead_kb, 4)
    wait_s = 1e-3 + kb / 50_000
    windows = 1 / wait_s
    ios = windows * max(kb / 1280, 1.0)  # a request is at most max_sectors_kb
    blind = kb <= 8
    faults_per_read = 1.0 if workload == "random" or blind else 0.02
    rates = {
        "disk.read_ios": ios,
        "disk.read_sectors": windows * kb * 2,
        "disk.read_ticks_ms": 1000.0,
        "disk.io_ticks_ms": 1000.0,
        "disk.read_merges": 0.0,
        "disk.write_sectors": 0.0,
        "vm.pgmajfault": ios * faults_per_read,
        "host.read_ios": ios,
        "psi.io.some_us": 5e5,
        "psi.memory.some_us": 0.0,
        "app.progress": windows * (4.0 if workload == "random" else kb) * 1024,
    }
    runs = ios if workload == "random" else windows * kb / 65536
    return rates | ({"trace.runs": runs, "trace.read_kb": windows * kb} if traced else {})


class Machine:
    """Time, knobs and counters. `workload` may be changed between two runs of the agent."""

    def __init__(self, folder: Path) -> None:
        self.root = faults.make_tree(folder / "root")
        self.now_ns = 1000 * NS
        self.kernel = TimedKernel(self.root, self)
        self.workload = "random"
        self.rates: Callable[[str, int], Rates] = reads
        self.counters: dict[str, float] = {}
        self.gone: set[str] = set()
        self.events: list[tuple[float, Callable[[], None]]] = []
        self.samples = 0
        self._grow(self.now_ns)

    def at(self, after_s: float, event: Callable[[], None]) -> None:
        """Something happens after so many seconds from now."""
        self.events.append((self.now_ns / NS + after_s, event))
        self.events.sort(key=lambda pair: pair[0])

    def becomes(self, workload: str) -> Callable[[], None]:
        """An event that changes the workload."""
        return lambda: setattr(self, "workload", workload)

    def value(self) -> int:
        """read_ahead_kb in force."""
        return int((self.root / READ_AHEAD_KB).read_text())

    def admin(self, text: str, path: str = READ_AHEAD_KB) -> None:
        """Somebody else writes a knob."""
        faults.put(self.root, path, text)

    def advance(self, seconds: float) -> None:
        """Let time pass, stopping at each event."""
        end_ns = self.now_ns + round(seconds * NS)
        while self.events and self.events[0][0] * NS <= end_ns:
            moment_s, event = self.events.pop(0)
            self._grow(round(moment_s * NS))
            event()
        self._grow(end_ns)

    def _grow(self, end_ns: int) -> None:
        passed_s = max(end_ns - self.now_ns, 0) / NS
        for name, rate in self.rates(self.workload, self.value()).items():
            self.counters[name] = self.counters.get(name, 0.0) + rate * passed_s
        self.now_ns = max(end_ns, self.now_ns)


class MachineTransport:
    """A transport over a Machine; all proxies see the same counters."""

    name = "stock"

    def __init__(self, machine: Machine, proxies: Sequence[Proxy] = ()) -> None:
        self._machine = machine
        self._proxies = list(proxies)

    def discover(self, adapter: Adapter) -> list[Proxy]:
        return [proxy for proxy in self._proxies if proxy.subsystem == adapter.name]

    def sample(self, proxies: Sequence[Proxy]) -> Mapping[str, Sample]:
        self._machine.samples += 1
        sample = Sample(self._machine.now_ns, dict(self._machine.counters))
        return {proxy.id: sample for proxy in proxies if proxy.id not in self._machine.gone}

    def value(self, proxy: Proxy, knob: Knob) -> Value | None:
        try:
            text = (self._machine.root / proxy.knobs[knob.name]).read_text()
        except OSError:
            return None
        return faults.parse_value(text)

    def kernel_range(self, proxy: Proxy, knob: Knob) -> tuple[int | None, int | None]:
        return (0, None)

    def kernel_choices(self, proxy: Proxy, knob: Knob) -> tuple[str, ...]:
        return faults.SCHEDULERS if knob.choices else ()

    def files(self, proxy: Proxy) -> Any:
        raise NotImplementedError


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
        value = int(row[self._at["candidate.read_ahead_kb"]])
        return self.score("random" if random else "sequential", value)


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
