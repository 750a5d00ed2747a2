"""Whatever an agent, an administrator and crashes do in whatever order, the promises hold.

The model knows for each knob what its owner (the boot or the administrator) set last; that
is what the knob must hold after a recovery.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from mlproxy.errors import Overridden
from mlproxy.recover import recover
from mlproxy_iosched.adapter import NR_REQUESTS, SCHEDULER, IoschedAdapter
from mlproxy_readahead.adapter import ReadaheadAdapter
from tests import faults
from tests.faults import IOSCHED, READAHEAD, FakeKernel, values
from tests.practice import World

OURS = st.sampled_from([4, 8, 16, 32, 48])
THEIRS = st.sampled_from([100, 200, 300, 1000])
"""Never a value of ours: one that we may have left ourselves cannot be told from ours."""

ADAPTERS = {"readahead": ReadaheadAdapter(), "iosched": IoschedAdapter()}


class AnyOrder(RuleBasedStateMachine):
    """Two proxies, one agent at a time, one administrator."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.world = World(self.folder)
        self.owners: dict[str, int | str] = {}
        self.inherited = False

    @initialize()
    def boot(self) -> None:
        self.owners = values(self.world.root)

    @rule(value=OURS)
    def agent_sets_readahead(self, value: int) -> None:
        with suppress(Overridden):
            self.world.readahead(value)

    @rule(value=OURS)
    def agent_sets_depth(self, value: int) -> None:
        with suppress(Overridden):
            self.world.iosched(NR_REQUESTS, value)

    @rule(value=st.sampled_from(["none", "kyber", "mq-deadline"]))
    def agent_sets_scheduler(self, value: str) -> None:
        with suppress(Overridden):
            self.world.iosched(SCHEDULER, value)

    @rule(value=THEIRS)
    def administrator_sets_readahead(self, value: int) -> None:
        FakeKernel(self.world.root).store(faults.READ_AHEAD_KB, str(value))
        self.owners["read_ahead_kb"] = value

    @rule(value=THEIRS)
    def administrator_sets_depth(self, value: int) -> None:
        FakeKernel(self.world.root).store(faults.NR_REQUESTS, str(value))
        self.owners["nr_requests"] = value

    @rule()
    def administrator_sets_scheduler(self) -> None:
        """What the kernel resets with it is theirs as well."""
        before = values(self.world.root)
        FakeKernel(self.world.root).store(faults.SCHEDULER, "bfq")
        after = values(self.world.root)
        if after != before:
            self.owners |= {name: after[name] for name in IOSCHED.knobs}

    @rule()
    def agent_restores(self) -> None:
        for proxy in (READAHEAD, IOSCHED):
            self.world.actuator.restore(proxy, "test")
        if not self.inherited:
            self._owners_rule()

    @rule()
    def agent_dies_and_the_next_recovers(self) -> None:
        self._die()
        self._recover()
        self._owners_rule()

    @rule()
    def agent_dies_and_the_next_goes_on(self) -> None:
        self._die()
        self.inherited = True

    @rule()
    def agent_keeps_and_the_next_goes_on(self) -> None:
        for proxy in (READAHEAD, IOSCHED):
            self.world.actuator.keep(proxy)
        self._die()
        self.inherited = True

    def teardown(self) -> None:
        self._die()
        self._recover()
        self._owners_rule()
        self.world.stop()
        shutil.rmtree(self.folder)

    def _die(self) -> None:
        """All that a kill leaves: no session, no lock, the journal as it is."""
        self.world.stop()
        self.world.start()

    def _recover(self) -> None:
        world = self.world
        recover(world.root, world.journal, world.kernel, ADAPTERS, include_kept=True)
        assert recover(world.root, world.journal, world.kernel, ADAPTERS) == []
        self.inherited = False

    def _owners_rule(self) -> None:
        expected = self.owners | {"depth": self.owners["nr_requests"]}
        assert values(self.world.root) == expected


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=80,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
