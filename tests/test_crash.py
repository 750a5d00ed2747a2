"""kill -9 at every step: before and after its effect, with and without losing the cache."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlproxy.actuator import Actuator
from mlproxy.errors import WriteRefused
from mlproxy.journal import Journal
from mlproxy.recover import recover
from mlproxy.restore import Outcome, Restored
from mlproxy_iosched.adapter import NR_REQUESTS, SCHEDULER, IoschedAdapter
from mlproxy_readahead.adapter import READ_AHEAD_KB, ReadaheadAdapter
from tests import faults
from tests.faults import IOSCHED, READAHEAD, FakeKernel, Loss, MortalDisk, survives, values

ADAPTERS = {"iosched": IoschedAdapter(), "readahead": ReadaheadAdapter()}
BASELINE = {
    "read_ahead_kb": 128,
    "scheduler": "none",
    "nr_requests": 64,
    "wbt_lat_usec": 2000,
    "depth": 64,
}
STEPS = 87
"""How many steps the scenario has; a change of this number is a change of what is tested."""

kills = 0


@dataclass(frozen=True)
class World:
    """A machine's files and the agent's state folder."""

    root: Path
    state: Path

    def live(self, disk: MortalDisk) -> None:
        """An agent's life: two proxies, slots, a refused value, keep, take over, restore."""
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
        actuator.keep(READAHEAD)
        actuator.set(READAHEAD, readahead, READ_AHEAD_KB, 512)
        actuator.restore(IOSCHED, "the end")
        actuator.set(IOSCHED, iosched, SCHEDULER, "bfq")
        for proxy in (READAHEAD, IOSCHED):
            actuator.restore(proxy, "the end")
            actuator.release(proxy)
        journal.shut()

    def crash(self, step: int, after: bool, loss: Loss = "none") -> None:
        """Live until killed at a step."""
        disk = MortalDisk(self.root, self.state, step, after, loss)
        assert not survives(lambda: self.live(disk))
        count_kill()

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


def count_kill() -> None:
    global kills
    kills += 1


def new_world(folder: Path) -> World:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    return World(faults.make_tree(folder / "root"), folder / "state")


def crashes(tmp_path: Path, loss: Loss = "none") -> Iterator[tuple[World, str]]:
    """The world after every possible kill, with what to call it in a failed assertion."""
    for step in range(STEPS):
        for after in (False, True):
            world = new_world(tmp_path / "world")
            world.crash(step, after, loss)
            yield world, f"{'after' if after else 'before'} step {step}, loss: {loss}"


def test_the_scenario_has_the_steps_that_are_killed(tmp_path: Path) -> None:
    world = new_world(tmp_path / "world")
    disk = MortalDisk(world.root, world.state)
    world.live(disk)
    assert len(disk.steps) == STEPS, disk.steps
    assert values(world.root) == BASELINE
    assert world.recover() == []


@pytest.mark.parametrize("loss", ["none", "unsynced", "torn"])
def test_every_baseline_returns(tmp_path: Path, loss: Loss) -> None:
    for world, where in crashes(tmp_path, loss):
        report = world.recover()
        assert values(world.root) == BASELINE, (where, report)
        assert {line.outcome for line in report} <= {Outcome.RESTORED}, where
        world.settled()


def test_without_the_adapter_what_sysfs_shows_returns(tmp_path: Path) -> None:
    for world, where in crashes(tmp_path):
        world.recover(bare=True)
        assert values(world.root) | {"depth": 64} == BASELINE, where
        world.settled()


@pytest.mark.parametrize(
    ("path", "text", "outcome"),
    [
        (faults.BOOT_ID, "boot-2", Outcome.OTHER_BOOT),
        ("sys/block/sda/diskseq", "10", Outcome.OTHER_DEVICE),
        ("sys/block/sda/dev", "8:16", Outcome.OTHER_DEVICE),
    ],
)
def test_another_boot_or_device_is_never_written(
    tmp_path: Path, path: str, text: str, outcome: Outcome
) -> None:
    for world, where in crashes(tmp_path):
        faults.put(world.root, path, text)
        before, disk = values(world.root), FakeKernel(world.root)
        report = world.recover(disk)
        assert disk.written == [], where
        assert values(world.root) == before
        assert {line.outcome for line in report} <= {outcome}, where
        world.settled()


def test_readahead_that_somebody_else_set_stays(tmp_path: Path) -> None:
    for world, where in crashes(tmp_path):
        FakeKernel(world.root).store(faults.READ_AHEAD_KB, "776")
        world.recover()
        assert values(world.root) == BASELINE | {"read_ahead_kb": 776}, where
        world.settled()


def test_a_scheduler_that_somebody_else_set_stays_with_all_that_it_reset(tmp_path: Path) -> None:
    for world, where in crashes(tmp_path):
        FakeKernel(world.root).store(faults.SCHEDULER, "mq-deadline")
        theirs, disk = values(world.root), FakeKernel(world.root)
        world.recover(disk)
        assert values(world.root) == theirs | {"read_ahead_kb": 128}, where
        assert all(path == faults.READ_AHEAD_KB for path, _ in disk.written), where
        world.settled()


def test_a_depth_that_somebody_else_set_stays_though_restoring_resets_it(tmp_path: Path) -> None:
    """Only where the journal cannot tell the kernel's reset from a change of theirs does
    the baseline return, and then the report says what was found."""
    unclear = 0
    for world, where in crashes(tmp_path):
        FakeKernel(world.root).store(faults.NR_REQUESTS, "99")
        reset = scheduler_cut_off(world)
        unclear += reset
        report = world.recover()
        assert values(world.root)["nr_requests"] == (64 if reset else 99), where
        assert values(world.root)["scheduler"] == "none", where
        if reset:
            assert (faults.NR_REQUESTS, 99) in [found(line) for line in report], where
        world.settled()
    assert unclear <= STEPS // 4


def test_a_crash_of_the_recovery_changes_nothing_of_its_result(tmp_path: Path) -> None:
    recoveries = 0
    for world, where in crashes(tmp_path):
        counting = MortalDisk(*locations(world.twin("counted")))
        world_after = World(counting.root, tmp_path / "counted/state")
        world_after.recover(counting)
        for step in range(len(counting.steps)):
            recoveries += killed_recovery(world, step, where)
    assert recoveries > STEPS


def killed_recovery(world: World, step: int, where: str) -> int:
    again = world.twin("again")
    disk = MortalDisk(again.root, again.state, step, after=bool(step % 2))
    assert not survives(lambda: again.recover(disk) and None)
    count_kill()
    again.recover()
    assert values(again.root) == BASELINE, (where, step)
    again.settled()
    return 1


def locations(world: World) -> tuple[Path, Path]:
    return world.root, world.state


def found(line: Restored) -> tuple[str, object]:
    return IOSCHED.knobs.get(line.knob, ""), line.found


def scheduler_cut_off(world: World) -> bool:
    records = [item for item in Journal(world.state).open_records() if item.proxy == IOSCHED.id]
    return any(record.knobs["scheduler"].pending for record in records)


def test_at_least_two_hundred_processes_were_killed() -> None:
    assert kills >= 200
    assert os.getpid() > 0
