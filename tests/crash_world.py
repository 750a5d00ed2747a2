"""A machine's files and an agent's state folder, a life that is cut off anywhere, and recovery."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlproxy.actuator import Actuator
from mlproxy.errors import WriteRefused
from mlproxy.journal import Journal
from mlproxy.recover import recover
from mlproxy.restore import Restored
from mlproxy_iosched.adapter import NR_REQUESTS, SCHEDULER, IoschedAdapter
from mlproxy_readahead.adapter import READ_AHEAD_KB, ReadaheadAdapter
from mlproxy_writeback.adapter import MAX_RATIO_FINE, STRICT_LIMIT, WritebackAdapter
from tests import faults
from tests.faults import (
    IOSCHED,
    READAHEAD,
    WRITEBACK,
    FakeKernel,
    Loss,
    MortalDisk,
    survives,
    values,
)

ADAPTERS = {
    "iosched": IoschedAdapter(),
    "readahead": ReadaheadAdapter(),
    "writeback": WritebackAdapter(),
}
BASELINE = {
    "read_ahead_kb": 128,
    "scheduler": "none",
    "nr_requests": 64,
    "wbt_lat_usec": 2000,
    "depth": 64,
    "max_ratio_fine": 1_000_000,
    "strict_limit": 0,
}
LIMITS = {"max_ratio_fine": 1_000_000, "strict_limit": 0}


@dataclass(frozen=True)
class World:
    """A machine's files and the agent's state folder."""

    root: Path
    state: Path

    def live(self, disk: MortalDisk) -> None:
        """An agent's life: three proxies, slots, a limit that comes down, a refused value, keep,
        take over, restore."""
        journal = Journal(self.state, disk)
        actuator = Actuator(self.root, journal, disk)
        readahead, iosched = ADAPTERS["readahead"], ADAPTERS["iosched"]
        actuator.hold(READAHEAD)
        actuator.set(READAHEAD, readahead, READ_AHEAD_KB, 8)
        actuator.set(IOSCHED, iosched, NR_REQUESTS, 8)
        actuator.set(IOSCHED, iosched, SCHEDULER, "kyber")
        actuator.set(IOSCHED, iosched, NR_REQUESTS, 16)
        for value in (128, 8, 128, 8):
            actuator.set(READAHEAD, readahead, READ_AHEAD_KB, value)
        with suppress(WriteRefused):
            actuator.set(READAHEAD, readahead, READ_AHEAD_KB, 33)
        writeback = ADAPTERS["writeback"]
        actuator.set(WRITEBACK, writeback, MAX_RATIO_FINE, 750_000)
        actuator.set(WRITEBACK, writeback, STRICT_LIMIT, 1)
        actuator.set(WRITEBACK, writeback, MAX_RATIO_FINE, 62_500)
        actuator.keep(READAHEAD)
        actuator.set(READAHEAD, readahead, READ_AHEAD_KB, 512)
        actuator.restore(IOSCHED, "the end")
        actuator.set(IOSCHED, iosched, SCHEDULER, "bfq")
        for proxy in (WRITEBACK, READAHEAD, IOSCHED):
            actuator.restore(proxy, "the end")
            actuator.release(proxy)
        journal.shut()

    def crash(self, step: int, after: bool, loss: Loss = "none") -> None:
        """Live until killed at a step."""
        disk = MortalDisk(self.root, self.state, step, after, loss)
        assert not survives(lambda: self.live(disk))

    def recover(self, disk: FakeKernel | None = None, bare: bool = False) -> list[Restored]:
        """What `mlproxy revert` does, with the adapters installed or without."""
        disk = disk or FakeKernel(self.root)
        journal = Journal(self.state, disk)
        try:
            return recover(self.root, journal, disk, {} if bare else ADAPTERS, include_kept=True)
        finally:
            journal.shut()

    def settled(self) -> None:
        """Nothing is open, and to recover once more neither writes nor says anything."""
        disk = FakeKernel(self.root)
        before = values(self.root)
        assert self.recover(disk) == []
        assert disk.written == []
        assert values(self.root) == before
        assert Journal(self.state).open_records() == []

    def twin(self, name: str) -> World:
        """A copy to go on with, so that one crash serves many recoveries."""
        there = self.root.parent.parent / name
        shutil.rmtree(there, ignore_errors=True)
        shutil.copytree(self.root.parent, there, symlinks=True)
        return World(there / "root", there / "state")


def new_world(folder: Path) -> World:
    folder.mkdir(parents=True, mode=0o700)
    root = faults.make_tree(folder / "root")
    faults.put(root, faults.LIMIT, "1000000")
    faults.put(root, faults.STRICT, "0")
    return World(root, folder / "state")
