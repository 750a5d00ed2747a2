"""The one door to the kernel: remember, write, read back, restore."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlproxy.actuator import Actuator
from mlproxy.adapter import ObjectFiles
from mlproxy.errors import Busy, JournalError, NotPermitted, WriteRefused
from mlproxy.gate_range import Range
from mlproxy.journal import Journal
from mlproxy.knob import Value
from mlproxy.restore import Outcome, Restored
from mlproxy_iosched.adapter import NR_REQUESTS, SCHEDULER, IoschedAdapter
from mlproxy_readahead.adapter import READ_AHEAD_KB, ReadaheadAdapter
from tests import faults
from tests.faults import IOSCHED, READAHEAD, put, values
from tests.practice import World, outcomes

DEVICE_2 = replace(faults.IDENTITY, diskseq="10")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.stop()


def test_a_value_is_set_and_the_baseline_returns(world: World) -> None:
    assert world.readahead(8) == 8
    assert world.now("read_ahead_kb") == 8
    assert world.actuator.baselines(READAHEAD) == {"read_ahead_kb": 128}
    (line,) = world.actuator.restore(READAHEAD, "lease over")
    assert line == Restored(
        "readahead.8:0", "read_ahead_kb", Outcome.RESTORED, 8, 128, "lease over"
    )
    assert world.now("read_ahead_kb") == 128
    assert world.actuator.baselines(READAHEAD) == {}


def test_nothing_is_written_before_its_baseline_is_in_the_journal(tmp_path: Path) -> None:
    world = World(tmp_path)
    mortal = faults.MortalDisk(world.root, world.state)
    actuator = Actuator(world.root, Journal(world.state, mortal), mortal)
    actuator.set(READAHEAD, ReadaheadAdapter(), READ_AHEAD_KB, 8)
    first = mortal.steps.index("write read_ahead_kb")
    assert mortal.steps[:first].count("fsync journal.jsonl") == 2
    assert "fsync_folder state" in mortal.steps[:first]


def test_all_baselines_are_recorded_before_the_first_knob_changes(world: World) -> None:
    world.iosched(NR_REQUESTS, 8)
    expected = {"scheduler": "none", "nr_requests": 64, "wbt_lat_usec": 2000}
    assert world.actuator.baselines(IOSCHED) == expected


def test_an_equal_value_is_never_written(world: World) -> None:
    assert world.iosched(SCHEDULER, "none") == "none"
    world.iosched(SCHEDULER, "kyber")
    world.iosched(SCHEDULER, "kyber")
    assert world.kernel.written == [(faults.SCHEDULER, "kyber")]


def test_restoring_what_was_never_set_does_nothing(world: World) -> None:
    assert world.actuator.restore(READAHEAD, "exit") == []
    world.readahead(128)
    assert world.actuator.restore(READAHEAD, "exit") == []
    assert world.kernel.written == []


def test_out_of_the_allowed_range_is_not_written(world: World) -> None:
    with pytest.raises(WriteRefused, match=r"read_ahead_kb = 4096 of sda.*maximum, 1024"):
        world.readahead(4096, Range(4, 1024))
    assert world.kernel.written == []
    world.readahead(8, Range(4, 64))
    assert world.readahead(128, Range(4, 64)) == 128, "the baseline is always allowed"


def test_a_value_on_the_way_must_be_in_range_too(world: World) -> None:
    put(world.root, f"{faults.DEBUG}/tags", "bitmap_tags:\ndepth=32")
    adapter, only_64 = IoschedAdapter(), Range(64, 64)
    with pytest.raises(WriteRefused, match="nr_requests = 63"):
        world.actuator.set(IOSCHED, adapter, NR_REQUESTS, 64, only_64)


def test_a_refused_value_leaves_the_old_one(world: World) -> None:
    with pytest.raises(WriteRefused, match=r"nr_requests: EINVAL \(Invalid argument\)$"):
        world.iosched(NR_REQUESTS, 5000)
    assert world.now("nr_requests") == 64


def test_a_rounded_value_is_refused_and_the_old_one_returns(world: World) -> None:
    world.readahead(16)
    with pytest.raises(WriteRefused, match=r"33 was written, the kernel made it 32$"):
        world.readahead(33)
    assert world.now("read_ahead_kb") == 16
    assert world.readahead(8) == 8


def test_an_old_value_that_cannot_return_is_said_and_still_restored(world: World) -> None:
    world.readahead(16)
    store = world.kernel.store

    def once(path: str, text: str) -> None:
        store(path, text)
        world.kernel.refuse[path] = errno.EIO

    world.kernel.store = once  # type: ignore[method-assign]
    with pytest.raises(WriteRefused, match=r"made it 32; 16 could not be put back.*EIO"):
        world.readahead(33)
    world.kernel.store = store  # type: ignore[method-assign]
    world.kernel.refuse.clear()
    world.actuator.restore(READAHEAD, "exit")
    assert world.now("read_ahead_kb") == 128


def test_an_old_value_that_the_kernel_rounds_now_is_said(world: World) -> None:
    put(world.root, faults.READ_AHEAD_KB, "130")
    with pytest.raises(WriteRefused, match="130 could not be put back, it is 128 now"):
        world.readahead(33)
    assert world.readahead(8) == 8
    (line,) = world.actuator.restore(READAHEAD, "exit")
    assert (line.outcome, line.baseline) == (Outcome.REFUSED, 130)
    assert "130 was written, 128 is in force" in line.why


def test_without_permission_nothing_changes(world: World) -> None:
    world.kernel.refuse[faults.READ_AHEAD_KB] = errno.EACCES
    with pytest.raises(NotPermitted, match="this needs root"):
        world.readahead(8)
    assert world.now("read_ahead_kb") == 128


def test_a_hidden_depth_is_repaired(world: World) -> None:
    put(world.root, f"{faults.DEBUG}/tags", "bitmap_tags:\ndepth=8")
    assert world.iosched(NR_REQUESTS, 64) == 64
    assert world.now("depth") == 64
    assert [text for _, text in world.kernel.written] == ["63", "64"]


class Lying(ReadaheadAdapter):
    """Says that another value is in force than the file shows."""

    def effective(self, files: ObjectFiles, knob: str) -> Value | None:
        return 4 if files.read("read_ahead_kb") == "64" else None


def test_a_value_that_is_not_in_force_is_refused(world: World) -> None:
    with pytest.raises(WriteRefused, match="says 64, but 4 is in force"):
        world.actuator.set(READAHEAD, Lying(), READ_AHEAD_KB, 64)
    assert world.now("read_ahead_kb") == 128


def test_a_knob_that_the_object_lacks_is_named(world: World) -> None:
    proxy = replace(IOSCHED, knobs={"scheduler": faults.SCHEDULER})
    with pytest.raises(WriteRefused, match="has no nr_requests to set; it has: scheduler"):
        world.actuator.set(proxy, IoschedAdapter(), NR_REQUESTS, 8)


def test_a_knob_that_goes_away_is_refused_and_then_reported(world: World) -> None:
    world.readahead(8)
    (world.root / faults.READ_AHEAD_KB).unlink()
    with pytest.raises(WriteRefused, match=r"cannot read .*ENOENT"):
        world.readahead(16)
    assert outcomes(world.actuator.restore(READAHEAD, "exit")) == {"read_ahead_kb": "gone"}
    assert world.journal.open_records() == []


def test_another_device_of_that_name_is_refused(world: World) -> None:
    proxy = replace(READAHEAD, identity=DEVICE_2)
    with pytest.raises(WriteRefused, match="another device by now: diskseq 9, recorded was 10"):
        world.actuator.set(proxy, ReadaheadAdapter(), READ_AHEAD_KB, 8)


def test_a_held_knob_is_busy_for_others_and_the_holder_is_named(world: World) -> None:
    world.actuator.hold(READAHEAD)
    world.actuator.hold(READAHEAD)
    other = Actuator(world.root, Journal(world.root / "other"), world.kernel)
    with pytest.raises(Busy, match=r"read_ahead_kb is held by process \d+ \(.*python"):
        other.hold(READAHEAD)
    world.actuator.release(READAHEAD)
    other.hold(READAHEAD)
    other.release(READAHEAD)


def test_a_journal_that_cannot_be_written_stops_changes_but_not_the_restore(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.iosched(SCHEDULER, "kyber")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(world.kernel, "append", full)
        with pytest.raises(JournalError, match="ENOSPC"):
            world.iosched(NR_REQUESTS, 8)
        assert world.now("nr_requests") == 256
        world.actuator.restore(IOSCHED, "exit")
    found = values(world.root)
    assert (found["scheduler"], found["nr_requests"]) == ("none", 64)


def test_a_device_that_took_the_name_in_between_is_not_written(world: World) -> None:
    world.readahead(8)
    world.readahead(128)
    put(world.root, "sys/block/sda/diskseq", "10")
    with pytest.raises(WriteRefused, match="another device by now: diskseq 10"):
        world.readahead(16)
    assert world.now("read_ahead_kb") == 128


def test_a_restore_that_was_refused_can_be_tried_again(world: World) -> None:
    world.readahead(8)
    world.kernel.refuse[faults.READ_AHEAD_KB] = errno.EBUSY
    assert outcomes(world.actuator.restore(READAHEAD, "exit")) == {"read_ahead_kb": "refused"}
    assert world.now("read_ahead_kb") == 8
    world.kernel.refuse.clear()
    assert outcomes(world.actuator.restore(READAHEAD, "exit")) == {"read_ahead_kb": "restored"}
    assert world.now("read_ahead_kb") == 128
    assert world.journal.open_records() == []


def test_what_a_refused_restore_left_is_still_ours(world: World) -> None:
    world.readahead(8)
    rounds = world.kernel._read_ahead
    world.kernel._read_ahead = lambda text: rounds("100")  # type: ignore[method-assign]
    assert outcomes(world.actuator.restore(READAHEAD, "exit")) == {"read_ahead_kb": "refused"}
    world.kernel._read_ahead = rounds  # type: ignore[method-assign]
    assert outcomes(world.actuator.restore(READAHEAD, "exit")) == {"read_ahead_kb": "restored"}
    assert world.now("read_ahead_kb") == 128


def test_a_write_that_was_interrupted_is_restored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C comes after the write and before it is noted what it left."""
    find = world.actuator._files.find

    def interrupted(path: str) -> Value | None:
        if world.kernel.written:
            raise KeyboardInterrupt
        return find(path)

    monkeypatch.setattr(world.actuator._files, "find", interrupted)
    with pytest.raises(KeyboardInterrupt):
        world.readahead(8)
    assert world.now("read_ahead_kb") == 8
    monkeypatch.setattr(world.actuator._files, "find", find)
    assert outcomes(world.actuator.restore(READAHEAD, "exit")) == {"read_ahead_kb": "restored"}
    assert world.now("read_ahead_kb") == 128
