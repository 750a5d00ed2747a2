"""A patched kernel in virtual time: one device of class ml_proxy on the machine of tests.machine.

What the real one does is asked of the real one (tests/kernel). This one obeys the same
document, so that the agent's side can be led through everything that may happen.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mlproxy.mode import Mode
from mlproxy.proxy import Proxy
from mlproxy.slots import Pairing, Slot, SlotPlan
from mlproxy.snapshot import Sample
from mlproxy.transports.class_values import SNAPSHOT, ClassReader
from mlproxy.transports.ml_class import CLASS, scan_class
from mlproxy.tree import Tree
from mlproxy.trial import Event, Measure, TrialState, judge
from tests import faults
from tests.faults import READ_AHEAD_KB, READAHEAD
from tests.machine import NS, Machine, MachineTransport, TimedKernel

NAME = "readahead.8:0"
FOLDER = f"{CLASS}/{NAME}"
LEASED: Proxy = replace(READAHEAD, transport="kernel", lease=FOLDER)
SLOT_NS = NS // 4
PAUSE_NS = 60 * NS
LEAST_KB, MOST_KB = 4, 16384
RESULTS = ("wins", "losses", "ties", "void", "log_sum", "log_squares")


class Device:
    """The state of one proxy, as Documentation/ABI/testing/sysfs-class-ml_proxy has it."""

    def __init__(self, machine: ClassMachine, number: int = 7) -> None:
        self.number = number
        self.limit, self.lease_ms, self.sequence = Mode.EMERGENCY, 10_000, 0
        self.recommended: int | None = None
        self.baseline = 128
        self.lease_end_ns = 0
        self.trials = {"down": TrialState(), "up": TrialState()}
        self.paused_ns = {"down": 0, "up": 0}
        self.direction = "down"
        self.commits: list[tuple[float, int]] = []
        self.owner = os.getpid()
        self._machine = machine
        self._staged: tuple[int, int, int] | None = None
        self._index, self._slot_end_ns, self._begun = 0, 0, 0.0
        self._pairing = Pairing()

    @property
    def trial(self) -> TrialState:
        return self.trials[self.direction]

    @property
    def mode(self) -> Mode:
        return self.trial.mode.under(self.limit)

    @property
    def slot(self) -> Slot:
        return SlotPlan(self.trial.share, 3).at(self._index)

    @property
    def effective(self) -> int:
        treated = self.recommended is not None and self.slot.arm == "treated"
        return self.recommended if treated and self.recommended is not None else self.admin()

    def admin(self) -> int:
        return int((self._machine.root / READ_AHEAD_KB).read_text())

    def next_ns(self) -> int:
        """When something happens by itself."""
        if self.recommended is None:
            return 1 << 62
        return min(self._slot_end_ns, self.lease_end_ns)

    def tick(self) -> None:
        """What the timer does."""
        now_ns = self._machine.now_ns
        if self.recommended is None:
            return
        if now_ns >= self.lease_end_ns or self.admin() != self.baseline:
            self.withdraw()
        elif now_ns >= self._slot_end_ns:
            self._end_slot()

    def withdraw(self) -> None:
        self.recommended = None

    def write(self, name: str, text: str) -> None:
        """One store. Raises: OSError as the kernel does."""
        if name == "mode_limit":
            if text not in tuple(Mode):
                raise OSError(errno.EINVAL, "no mode")
            self._allow(Mode(text))
        elif name == "lease_ms":
            if not 100 <= int(text) <= 600_000:
                raise OSError(errno.ERANGE, "lease")
            self.lease_ms = int(text)
        elif name == "read_ahead_kb/recommended":
            self._stage(int(text), self.owner)
        elif name == "commit":
            self._commit(int(text), self.owner)
        else:
            raise OSError(errno.EACCES, "read only")

    def stage_as(self, value: int, owner: int) -> None:
        """Another process stages."""
        self._stage(value, owner)

    def _allow(self, limit: Mode) -> None:
        self.limit = limit
        floor = max(limit, Mode.LEARNING)
        for key, trial in self.trials.items():
            self.trials[key] = replace(trial, mode=trial.mode.under(floor))
        if limit is Mode.EMERGENCY:
            self.withdraw()

    def _foreign(self, owner: int) -> bool:
        staged = self._staged
        return staged is not None and staged[1] != owner and self._machine.now_ns < staged[2]

    def _stage(self, value: int, owner: int) -> None:
        if self._foreign(owner):
            raise OSError(errno.EBUSY, "staged")
        if not LEAST_KB <= value <= MOST_KB:
            raise OSError(errno.ERANGE, "range")
        if value % 4:
            raise OSError(errno.EINVAL, "step")
        self._staged = (value, owner, self._machine.now_ns + self.lease_ms * 1_000_000)

    def _commit(self, number: int, owner: int) -> None:
        now_ns = self._machine.now_ns
        if self.limit is Mode.EMERGENCY:
            raise OSError(errno.EPERM, "emergency")
        value = self._staged[0] if self._staged else self.admin()
        direction = "up" if value >= self.admin() else "down"
        if now_ns < self.paused_ns[direction]:
            raise OSError(errno.EAGAIN, "paused")
        if number != self.sequence + 1:
            raise OSError(errno.ESTALE, "sequence")
        if self._foreign(owner):
            raise OSError(errno.EBUSY, "staged")
        if self._staged is None or now_ns >= self._staged[2]:
            raise OSError(errno.EINVAL, "nothing staged")
        is_new = self.recommended != value
        self._staged, self.sequence, self.baseline = None, number, self.admin()
        self.commits.append((now_ns / NS, value))
        self.recommended, self.direction = value, direction
        self.lease_end_ns = now_ns + self.lease_ms * 1_000_000
        if is_new:
            mode = Mode.LEARNING if self.trial.mode is Mode.EMERGENCY else self.trial.mode
            self.trials[direction] = TrialState(mode=mode.under(self.limit), k=self.trial.k)
            self._pairing, self._index = Pairing(), -1
            self._begin_slot()

    def _begin_slot(self) -> None:
        self._index += 1
        self._slot_end_ns = self._machine.now_ns + SLOT_NS
        self._begun = self._machine.counters.get("app.progress", 0.0)

    def _end_slot(self) -> None:
        grown = self._machine.counters["app.progress"] - self._begun
        pair = self._pairing.add(self.slot, Measure(round(grown / 4096), SLOT_NS))
        if pair is not None:
            share = self.trial.share
            judged = judge(self.trial, pair, self.limit)
            self.trials[self.direction] = judged.state
            if judged.event in (Event.NO_GAIN, Event.EMERGENCY):
                self.paused_ns[self.direction] = self._machine.now_ns + PAUSE_NS
                self.withdraw()
                return
            if judged.state.share != share:
                self._pairing.new_plan()
                self._index = -1
        self._begin_slot()

    def files(self) -> dict[str, str]:
        """Every readable file, by path relative to the folder."""
        leased = self.recommended is not None
        left_ms = (self.lease_end_ns - self._machine.now_ns) // 1_000_000 if leased else 0
        counters = self._machine.counters
        trial = {name: str(getattr(self.trial, name)) for name in RESULTS}
        costs = {"treated_cost_ns": "1000", "baseline_cost_ns": "2000", "carried_ns": "0"}
        return {
            "abi": "1",
            "provider": "readahead",
            "id": str(self.number),
            "mode": str(self.mode),
            "mode_limit": str(self.limit),
            "lease_ms": str(self.lease_ms),
            "lease_remaining_ms": str(left_ms),
            "sequence": str(self.sequence),
            "features/progress_bytes": str(round(counters.get("app.progress", 0.0))),
            "features/stall_ns": "0",
            "read_ahead_kb/baseline": str(self.admin()),
            "read_ahead_kb/recommended": str(self.recommended) if leased else "",
            "read_ahead_kb/effective": str(self.effective),
            "read_ahead_kb/min": str(LEAST_KB),
            "read_ahead_kb/max": str(MOST_KB),
            "trial/slot_ms": str(SLOT_NS // 1_000_000) if self.sequence else "0",
            "trial/pairs": str(self.trial.pairs),
            **{f"trial/{name}": text for name, text in (trial | costs).items()},
        }


class ClassDisk(TimedKernel):
    """Hands what is written to the class to its device."""

    def _put(self, descriptor: int, path: Path, data: bytes) -> None:
        self._write(path, data)

    def store(self, path: str, text: str) -> None:
        machine = self._machine
        assert isinstance(machine, ClassMachine)
        if not path.startswith(FOLDER):
            super().store(path, text)
            return
        if path in self.refuse:
            raise OSError(self.refuse[path], os.strerror(self.refuse[path]))
        machine.device.write(path.removeprefix(f"{FOLDER}/"), text)
        self.writes.append((machine.now_ns / NS, path, text))
        machine.publish()


class ClassMachine(Machine):
    """A machine whose readahead has a proxy in the class. `debugfs`: the snapshot is there."""

    def __init__(self, folder: Path, debugfs: bool = True) -> None:
        self.debugfs = debugfs
        self.device: Device | None = None  # type: ignore[assignment]
        super().__init__(folder)
        self.kernel: ClassDisk = ClassDisk(self.root, self)
        self.device: Device = Device(self)
        self._published: dict[str, str] = {}
        self.spans: list[tuple[float, int]] = []
        parent = self.root / faults.BDI
        (self.root / FOLDER).mkdir(parents=True)
        (self.root / FOLDER / "device").symlink_to(os.path.relpath(parent, self.root / FOLDER))
        (self.root / FOLDER / "commit").write_text("")
        self.publish()

    def value(self) -> int:
        return self.device.effective if self.device else super().value()

    def publish(self) -> None:
        """Let the files say what is."""
        files = self.device.files()
        for name, text in files.items():
            if self._published.get(name) != text:
                faults.put(self.root, f"{FOLDER}/{name}", text)
        self._published = files
        if self.debugfs:
            lines = [f"{NAME} {name} {text}" for name, text in files.items()]
            faults.put(self.root, SNAPSHOT, "\n".join(lines))

    def _grow(self, end_ns: int) -> None:
        if self.device is None:
            super()._grow(end_ns)
            return
        while self.now_ns < end_ns:
            step_ns = min(end_ns, max(self.device.next_ns(), self.now_ns + 1))
            self.spans.append((self.now_ns / NS, self.device.effective))
            super()._grow(step_ns)
            self.device.tick()
        self.publish()


class ClassTransport(MachineTransport):
    """The counters of the machine, and the class read by the real reader."""

    name = "kernel"

    def __init__(self, machine: ClassMachine, proxies: Sequence[Proxy] = ()) -> None:
        super().__init__(machine, proxies)
        self._tree = Tree(machine.root)
        self._reader = ClassReader(self._tree)
        self._devices = {device.name: device for device in scan_class(self._tree)}

    def sample(self, proxies: Sequence[Proxy]) -> Mapping[str, Sample]:
        self._reader.update(list(self._devices.values()))
        found = {}
        for name, sample in super().sample(proxies).items():
            own = self._reader.numbers(self._devices[name])
            if own is not None:
                found[name] = Sample(sample.taken_ns, {**sample.values, **own})
        return found
