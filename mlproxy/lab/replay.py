"""The agent in virtual time, on a device whose counters grow as recorded windows say.

Nothing is modelled: what a workload looks like at a value is drawn from the windows that were
recorded there, and how well it does is what was measured there. So a model, a rule or a policy
can be judged on every workload from every value in seconds, before hours of real I/O.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mlproxy.actuator import Actuator
from mlproxy.adapter import Adapter, ObjectFiles
from mlproxy.controller import Controller
from mlproxy.gate_range import UNSTATED
from mlproxy.journal import Journal
from mlproxy.judgement import Judgement
from mlproxy.knob import Knob, Value
from mlproxy.knobfile import parse_value
from mlproxy.ledger import Ledger
from mlproxy.loop import Agent
from mlproxy.model import Model
from mlproxy.policy import Policy
from mlproxy.proxy import Identity, Proxy
from mlproxy.seat import Seat
from mlproxy.snapshot import Sample, Window
from mlproxy.tree import Tree
from mlproxy.trust import TrustStore

NS = 1_000_000_000
WINDOW_NS = NS
"""How long one recorded window is played before another is drawn."""

REOPEN_NS = 3 * NS // 2
"""A workload opens its files anew so often: before that a new value does not reach it."""

BDI = "sys/class/bdi/7:0"
FILES = {"proc/sys/kernel/random/boot_id": "played", "sys/block/loop0/dev": "7:0"}

Rates = Mapping[str, float]
"""Growth of each counter per second."""


def rates_of(window: Window) -> Rates:
    """Those of a recorded window. A gauge that rose becomes a counter; no rule asks for one."""
    deltas = {name: window.delta(name) for name in window.after.values}
    known = {name: delta for name, delta in deltas.items() if delta is not None}
    return {name: delta / window.elapsed_s for name, delta in known.items()}


@dataclass
class Player(Tree):
    """A tree with one knob whose time passes only while somebody waits.

    Args:
        rates: those of every recorded window, by the value of the knob it was recorded at.
    """

    root: Path
    knob: Knob
    rates: Mapping[int, Sequence[Rates]]
    seed: str
    counters: dict[str, float] = field(default_factory=dict)
    spans: list[tuple[int, int, int]] = field(default_factory=list)
    """(start_ns, end_ns, value) for as long as the workload ran under one value."""

    def __post_init__(self) -> None:
        super().__init__(self.root)
        self._random = random.Random(self.seed)
        self._now_ns = 0
        self._open_ns = self._random.randrange(REOPEN_NS)
        self._reopen()

    @property
    def path(self) -> str:
        """The knob's file, relative to the root."""
        return f"{BDI}/{self.knob.path}"

    def now_ns(self) -> int:
        """The virtual moment."""
        return self._now_ns

    def wait(self, seconds: float) -> bool:
        """Let the workload run for so long."""
        end_ns = self._now_ns + max(round(seconds * NS), 1)
        while self._now_ns < end_ns:
            self._play(min(end_ns, self._open_ns, self._window_ns))
            if self._now_ns >= self._open_ns:
                self._open_ns += REOPEN_NS
                self._reopen()
            elif self._now_ns >= self._window_ns:
                self._draw()
        return True

    def _reopen(self) -> None:
        """Files are opened: the value in force reaches the workload, or the nearest one at
        which it was recorded."""
        now = int(parse_value((self.root / self.path).read_text()))
        self._value = min(self.rates, key=lambda kb: abs(math.log(max(kb, 1) / max(now, 1))))
        self._draw()

    def _draw(self) -> None:
        self._now_rates = self._random.choice(self.rates[self._value])
        self._window_ns = self._now_ns + WINDOW_NS

    def _play(self, end_ns: int) -> None:
        seconds = (end_ns - self._now_ns) / NS
        for name, rate in self._now_rates.items():
            self.counters[name] = self.counters.get(name, 0.0) + rate * seconds
        self.spans.append((self._now_ns, end_ns, self._value))
        self._now_ns = end_ns


@dataclass
class PlayedTransport:
    """One proxy, whose counters a player makes."""

    player: Player
    name: str = "stock"

    def discover(self, adapter: Adapter) -> list[Proxy]:
        """The one proxy."""
        knobs = {self.player.knob.name: self.player.path}
        identity = Identity("played", "7:0")
        return [Proxy(f"{adapter.name}.7:0", adapter.name, "loop0", "stock", BDI, identity, knobs)]

    def sample(self, proxies: Sequence[Proxy]) -> Mapping[str, Sample]:
        """The counters as they stand."""
        now = Sample(self.player.now_ns(), dict(self.player.counters))
        return {proxy.id: now for proxy in proxies}

    def value(self, proxy: Proxy, knob: Knob) -> Value | None:
        """What the knob's file holds."""
        return parse_value((self.player.root / proxy.knobs[knob.name]).read_text())

    def kernel_range(self, proxy: Proxy, knob: Knob) -> tuple[int | None, int | None]:
        """Nothing was recorded of it."""
        return (None, None)

    def kernel_choices(self, proxy: Proxy, knob: Knob) -> tuple[str, ...]:
        """None: the one knob is a number."""
        return ()

    def files(self, proxy: Proxy) -> ObjectFiles:
        """Of the folder that stands for the machine."""
        raise NotImplementedError


@contextmanager
def played_agent(
    folder: Path,
    adapter: Adapter,
    model: Model,
    policy: Policy,
    rates: Mapping[int, Sequence[Rates]],
    start: int,
    seed: str,
) -> Iterator[tuple[Agent, Player]]:
    """An agent whose device is played from `rates`, the adapter's one knob at `start`.

    Args:
        folder: empty; becomes the machine and the agent's state folder.
    """
    (knob,) = adapter.asked
    for path, text in {**FILES, f"{BDI}/{knob.path}": str(start)}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(f"{text}\n")
    (folder / "sys/dev/block").mkdir(parents=True)
    (folder / "sys/dev/block/7:0").symlink_to("../../block/loop0")
    player = Player(folder, knob, rates, seed)
    transport = PlayedTransport(player)
    (proxy,) = transport.discover(adapter)
    kernel = {knob.name: UNSTATED}
    seat = Seat(proxy, adapter, policy, model, (knob,), kernel, {knob.name: start})
    state = folder / "state"
    state.mkdir()
    journal = Journal(state)
    actuator = Actuator(folder, journal)
    actuator.hold(proxy)
    trust = TrustStore.load(state / "trust.json")
    agent = Agent(
        player,
        transport,
        [Controller(seat, None, 0)],
        Judgement(trust, {}),
        actuator,
        Ledger(state, folder),
        state,
    )
    try:
        yield agent, player
    finally:
        agent.close()
        actuator.release(proxy)
        journal.shut()
