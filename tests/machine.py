"""A machine in virtual time: counters of a workload that react to the knob in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlproxy.adapter import Adapter
from mlproxy.knob import Knob, Value
from mlproxy.proxy import Proxy
from mlproxy.snapshot import Sample
from mlproxy.tree import Tree
from tests import faults
from tests.faults import READ_AHEAD_KB, FakeKernel

NS = 1_000_000_000


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
        except (OSError, KeyError):
            return None
        return faults.parse_value(text)

    def kernel_range(self, proxy: Proxy, knob: Knob) -> tuple[int | None, int | None]:
        return (0, None)

    def kernel_choices(self, proxy: Proxy, knob: Knob) -> tuple[str, ...]:
        return faults.SCHEDULERS if knob.choices else ()

    def files(self, proxy: Proxy) -> Any:
        raise NotImplementedError
