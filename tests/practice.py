"""An agent to practise with, on a kernel that is not real."""

from __future__ import annotations

from pathlib import Path

from mlproxy.actuator import Actuator
from mlproxy.gate_range import UNSTATED, Range
from mlproxy.journal import Journal
from mlproxy.knob import Knob, Value
from mlproxy.restore import Restored
from mlproxy_iosched.adapter import IoschedAdapter
from mlproxy_readahead.adapter import READ_AHEAD_KB, ReadaheadAdapter
from tests import faults
from tests.faults import IOSCHED, READAHEAD, FakeKernel, values


class World:
    """A fake kernel and an agent on it."""

    def __init__(self, folder: Path) -> None:
        self.root = faults.make_tree(folder / "root")
        self.state = folder / "state"
        self.kernel = FakeKernel(self.root)
        self.start()

    def start(self) -> None:
        """A new process of the agent."""
        self.journal = Journal(self.state, self.kernel)
        self.actuator = Actuator(self.root, self.journal, self.kernel)

    def stop(self) -> None:
        """The process ends and leaves everything as it is."""
        self.actuator.release(READAHEAD)
        self.actuator.release(IOSCHED)
        self.journal.shut()

    def readahead(self, value: Value, clamp: Range = UNSTATED) -> Value:
        adapter = ReadaheadAdapter()
        return self.actuator.set(READAHEAD, adapter, READ_AHEAD_KB, value, clamp)

    def iosched(self, knob: Knob, value: Value) -> Value:
        return self.actuator.set(IOSCHED, IoschedAdapter(), knob, value)

    def now(self, name: str) -> Value:
        return values(self.root)[name]


def outcomes(report: list[Restored]) -> dict[str, str]:
    return {line.knob: str(line.outcome) for line in report}
