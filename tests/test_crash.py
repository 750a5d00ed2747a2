"""kill -9 at every step: before and after its effect, with and without losing the cache."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from mlproxy.journal import Journal
from mlproxy.restore import Outcome, Restored
from tests import faults
from tests.crash_world import BASELINE, LIMITS, World, new_world
from tests.faults import IOSCHED, FakeKernel, Loss, MortalDisk, survives, values

STEPS = 113
"""How many steps the scenario has; a change of this number is a change of what is tested."""

Crashes = Iterator[tuple[World, str]]
Killed = dict[Loss, list[tuple[World, str]]]


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """A folder in memory where there is one: thousands of small files come and go."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def killed(scratch: Path) -> Killed:
    """The world after every possible kill, with what to call it in a failed assertion."""
    losses: tuple[Loss, ...] = ("none", "unsynced", "torn")
    return {loss: list(kill_everywhere(scratch / loss, loss)) for loss in losses}


def kill_everywhere(folder: Path, loss: Loss) -> Crashes:
    for step in range(STEPS):
        for after in (False, True):
            world = new_world(folder / f"{step}-{after}" / "world")
            world.crash(step, after, loss)
            yield world, f"{'after' if after else 'before'} step {step}, loss: {loss}"


@pytest.fixture
def crashes(killed: Killed) -> Crashes:
    """A copy of each world in which only the process was lost."""
    return ((world.twin("copy"), where) for world, where in killed["none"])


def test_the_scenario_has_the_steps_that_are_killed(tmp_path: Path) -> None:
    world = new_world(tmp_path / "world")
    disk = MortalDisk(world.root, world.state)
    world.live(disk)
    assert len(disk.steps) == STEPS, disk.steps
    assert values(world.root) == BASELINE
    assert world.recover() == []


@pytest.mark.parametrize("loss", ["none", "unsynced", "torn"])
def test_every_baseline_returns(killed: Killed, loss: Loss) -> None:
    for world, where in killed[loss]:
        world = world.twin("copy")
        report = world.recover()
        assert values(world.root) == BASELINE, (where, report)
        assert {line.outcome for line in report} <= {Outcome.RESTORED}, where
        world.settled()


def test_without_the_adapter_what_sysfs_shows_returns(crashes: Crashes) -> None:
    for world, where in crashes:
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
    crashes: Crashes, path: str, text: str, outcome: Outcome
) -> None:
    for world, where in crashes:
        faults.put(world.root, path, text)
        before, disk = values(world.root), FakeKernel(world.root)
        report = world.recover(disk)
        assert disk.written == [], where
        assert values(world.root) == before
        assert {line.outcome for line in report} <= {outcome}, where
        world.settled()


def test_readahead_that_somebody_else_set_stays(crashes: Crashes) -> None:
    for world, where in crashes:
        FakeKernel(world.root).store(faults.READ_AHEAD_KB, "776")
        world.recover()
        assert values(world.root) == BASELINE | {"read_ahead_kb": 776}, where
        world.settled()


def test_a_scheduler_that_somebody_else_set_stays_with_all_that_it_reset(crashes: Crashes) -> None:
    for world, where in crashes:
        FakeKernel(world.root).store(faults.SCHEDULER, "mq-deadline")
        theirs, disk = values(world.root), FakeKernel(world.root)
        world.recover(disk)
        assert values(world.root) == theirs | LIMITS | {"read_ahead_kb": 128}, where
        ours = {faults.READ_AHEAD_KB, faults.LIMIT, faults.STRICT}
        assert {path for path, _ in disk.written} <= ours, where
        world.settled()


def test_a_limit_is_widened_before_it_stops_to_be_strict(crashes: Crashes) -> None:
    """The other way round the backlog that a strict limit kept small would count against the
    device's share of a full host's threshold."""
    both = 0
    for world, where in crashes:
        disk = FakeKernel(world.root)
        world.recover(disk)
        order = [path for path, _ in disk.written if path in (faults.LIMIT, faults.STRICT)]
        assert order == sorted(order), where
        both += len(order) == 2
    assert both > 10


def test_a_limit_that_somebody_else_set_stays(crashes: Crashes) -> None:
    for world, where in crashes:
        FakeKernel(world.root).store(faults.LIMIT, "500000")
        world.recover()
        assert values(world.root) == BASELINE | {"max_ratio_fine": 500_000}, where
        world.settled()


def test_a_depth_that_somebody_else_set_stays_though_restoring_resets_it(crashes: Crashes) -> None:
    """Only where the journal cannot tell the kernel's reset from a change of theirs does
    the baseline return, and then the report says what was found."""
    unclear = 0
    for world, where in crashes:
        FakeKernel(world.root).store(faults.NR_REQUESTS, "99")
        reset = scheduler_cut_off(world)
        unclear += reset
        report = world.recover()
        assert values(world.root)["nr_requests"] == (64 if reset else 99), where
        assert values(world.root)["scheduler"] == "none", where
        if reset:
            assert (faults.NR_REQUESTS, 99) in [found(line) for line in report], where
        world.settled()
    assert unclear == 8


@pytest.mark.parametrize("theirs", [None, 99])
def test_a_crash_of_the_recovery_changes_nothing_of_its_result(
    crashes: Crashes, theirs: int | None
) -> None:
    recoveries = 0
    for world, where in distinct(crashes):
        expected = BASELINE
        if theirs and not scheduler_cut_off(world):
            FakeKernel(world.root).store(faults.NR_REQUESTS, str(theirs))
            expected = BASELINE | {"nr_requests": theirs, "depth": theirs}
        recoveries += kill_recovery_at_every_step(world, expected, where)
    assert recoveries >= 200


def kill_recovery_at_every_step(world: World, expected: dict[str, object], where: str) -> int:
    """How many times a recovery was killed; each time the next one must succeed."""
    counted = world.twin("twin")
    disk = MortalDisk(counted.root, counted.state)
    counted.recover(disk)
    for step, what in enumerate(disk.steps):
        twin = world.twin("twin")
        killed = MortalDisk(twin.root, twin.state, step, after=True)
        assert not survives(partial(twin.recover, killed))
        twin.recover()
        assert values(twin.root) == expected, (where, step, what)
        twin.settled()
    return len(disk.steps)


def distinct(worlds: Crashes) -> Crashes:
    """Only the first of worlds that hold the same values and an equal journal."""
    seen = set()
    for world, where in worlds:
        path = world.state / "journal.jsonl"
        text = path.read_text() if path.exists() else ""
        state = (re.sub(r'"(record|sum)":"[0-9a-f]+"', "", text), str(values(world.root)))
        if state not in seen:
            seen.add(state)
            yield world, where


def found(line: Restored) -> tuple[str, object]:
    return IOSCHED.knobs.get(line.knob, ""), line.found


def scheduler_cut_off(world: World) -> bool:
    records = [item for item in Journal(world.state).open_records() if item.proxy == IOSCHED.id]
    now = values(world.root)["scheduler"]
    return any(now in record.knobs["scheduler"].pending for record in records)


def test_hundreds_of_processes_were_killed(killed: Killed) -> None:
    assert sum(len(worlds) for worlds in killed.values()) == 3 * 2 * STEPS >= 200
