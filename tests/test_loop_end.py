"""The end of the loop: every proxy returns to its baseline, whatever happens to another."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from mlproxy.errors import JournalError, WriteRefused
from mlproxy.restore import Outcome
from tests import faults
from tests.faults import READ_AHEAD_KB, READAHEAD
from tests.world import Physicist, World, elsewhere, make_policy, make_seat

SECOND = elsewhere(READAHEAD, "sdb", "8:16")
OTHER = SECOND.knobs["read_ahead_kb"]


def two(folder: Path, **first: str) -> World:
    """A world in which two disks are at a value of ours; `first`: the policy of the first."""
    model = Physicist()
    seats = [make_seat(make_policy(**first), model), make_seat(model=model, proxy=SECOND)]
    world = World(folder, seats=seats, model=model)
    root = world.machine.root
    for name, text in {"dev": "8:16", "diskseq": "10", "serial": "WD-2"}.items():
        faults.put(root, f"sys/block/sdb/{name}", text)
    (root / "sys/dev/block/8:16").symlink_to("../../block/sdb")
    faults.put(root, OTHER, "128")
    world.run(20)
    assert set(held(world)) <= {4, 16}
    return world


def held(world: World) -> list[int]:
    return [int((world.machine.root / path).read_text()) for path in (READ_AHEAD_KB, OTHER)]


def fails(error: BaseException) -> Callable[..., None]:
    def fail(*args: object, **fields: object) -> None:
        raise error

    return fail


def test_who_cannot_be_told_of_one_end_keeps_no_other_from_it(tmp_path: Path) -> None:
    """Standard output has lost its reader (`mlproxy run | head`)."""
    world = two(tmp_path)
    world.agent._ledger.outcomes.write = fails(SystemExit(1))  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        world.agent.close()
    assert held(world) == [128, 128]


def test_values_that_cannot_be_kept_keep_no_other_from_its_baseline(tmp_path: Path) -> None:
    world = two(tmp_path, on_exit="keep")
    world.journal.keep = fails(JournalError("no space"))  # type: ignore[method-assign]
    with pytest.raises(JournalError):
        world.agent.close()
    assert held(world)[1] == 128


def test_a_pause_file_of_any_bytes_pauses(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(10)
    (world.state / "pause").write_bytes(b"caf\xe9\n")
    world.run(2)
    assert world.value == 128


def test_what_was_refused_once_is_restored_at_the_end(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(10)
    world.kernel.refuse[READ_AHEAD_KB] = errno.EBUSY
    world.machine.workload = "sequential"
    world.run(10)
    assert "cannot set read_ahead_kb" in world.controller.stood_down
    world.kernel.refuse.clear()
    world.agent.close()
    assert (world.value, world.agent.unrestored) == (128, [])
    assert world.journal.open_records() == []


def test_what_is_refused_to_the_last_is_said(tmp_path: Path) -> None:
    from mlproxy.cli.run import _require_restored

    world = World(tmp_path)
    world.run(10)
    world.kernel.refuse[READ_AHEAD_KB] = errno.EBUSY
    world.agent.close()
    (line,) = world.agent.unrestored
    assert (line.outcome, line.knob) == (Outcome.REFUSED, "read_ahead_kb")
    with pytest.raises(WriteRefused, match=r"readahead.8:0 read_ahead_kb: .*`mlproxy revert`"):
        _require_restored(world.agent.unrestored)
    assert len(world.journal.open_records()) == 1
