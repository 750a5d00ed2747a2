"""An agent on a patched kernel in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from mlproxy.actuator import Actuator
from mlproxy.journal import Journal
from mlproxy.judgement import Judgement
from mlproxy.kernel_ruling import KernelRuling
from mlproxy.leased import LeasedController
from mlproxy.ledger import Ledger
from mlproxy.loop import Agent
from mlproxy.outcomes import Outcomes
from mlproxy.status import KnobStatus, read_status
from mlproxy.transports.base import Transport
from mlproxy.trust import TrustStore
from tests.class_machine import FOLDER, LEASED, ClassMachine, ClassTransport, Device
from tests.machine import NS, Clock
from tests.world import Physicist, make_policy, make_seat


class ClassWorld:
    """One proxy of class ml_proxy with its agent."""

    def __init__(self, folder: Path, debugfs: bool = True, **policy: Any) -> None:
        self.machine = ClassMachine(folder, debugfs)
        self.model = Physicist()
        self.state = folder / "state"
        self.state.mkdir()
        rules = make_policy(**{"trust": "measured", "start": "learning", **policy})
        self.seat = make_seat(rules, self.model, {"read_ahead_kb": 128}, proxy=LEASED)
        self.start()

    def start(self) -> None:
        """A new process of the agent."""
        kernel = self.machine.kernel
        self.journal = Journal(self.state, kernel)
        self.actuator = Actuator(self.machine.root, self.journal, kernel)
        trust = TrustStore.load(self.state / "trust.json", lambda: self.machine.now_ns / NS)
        self.controller = LeasedController(self.seat, None, self.machine.now_ns)
        self.ledger = Ledger(self.state, self.machine.root)
        self.agent = Agent(
            Clock(self.machine.root, self.machine),
            cast(Transport, ClassTransport(self.machine)),
            [self.controller],
            Judgement(trust, {LEASED.id: 0.0}),
            self.actuator,
            self.ledger,
            self.state,
        )

    def run(self, seconds: float) -> None:
        """Let the agent run for so long."""
        self.agent.run(seconds)

    def stop(self) -> None:
        """The agent's process ends in order."""
        self.agent.close()
        self.journal.shut()

    def crash(self) -> None:
        """It ends without a word; its locks and descriptors go with it."""
        self.actuator.release(LEASED)
        self.journal.shut()

    @property
    def device(self) -> Device:
        return self.machine.device

    @property
    def ruling(self) -> KernelRuling | None:
        return cast(KernelRuling | None, self.controller.ruling)

    def records(self, kind: str) -> list[dict[str, Any]]:
        """What the agent logged of one kind."""
        return [each for each in Outcomes(self.state).read() if each["kind"] == kind]

    def written(self, name: str) -> list[str]:
        """What was written to a file of the device, in order."""
        path = f"{FOLDER}/{name}"
        return [text for _, each, text in self.machine.kernel.writes if each == path]

    def status(self) -> KnobStatus:
        """The row of the status file, as it would be written now."""
        self.ledger.publish([self.controller], "", final=True)
        found = read_status(self.state)
        assert found is not None
        return found.knobs[0]
