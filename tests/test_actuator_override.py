"""Standing down for the administrator, and for what an earlier process left."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlproxy.errors import Overridden, WriteRefused
from mlproxy.restore import Outcome
from mlproxy_iosched.adapter import NR_REQUESTS, SCHEDULER, WBT_LAT_USEC
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


def test_what_somebody_else_set_is_theirs(world: World) -> None:
    world.readahead(8)
    put(world.root, faults.READ_AHEAD_KB, "256")
    for _ in range(2):
        with pytest.raises(Overridden, match="of sda holds 256, mlproxy left 8") as raised:
            world.readahead(16)
    assert raised.value.exit_code == 9
    assert world.journal.open_records() == []
    world.actuator.restore(READAHEAD, "exit")
    assert world.now("read_ahead_kb") == 256


def test_what_somebody_else_set_and_nobody_noticed_is_theirs_too(world: World) -> None:
    world.readahead(8)
    put(world.root, faults.READ_AHEAD_KB, "256")
    (line,) = world.actuator.restore(READAHEAD, "exit")
    assert (line.outcome, line.found, line.baseline) == (Outcome.STOOD_DOWN, 256, 128)
    assert "holds 256, which is not from us" in line.why
    assert world.now("read_ahead_kb") == 256


def test_what_somebody_sets_while_the_baseline_is_recorded_is_theirs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = world.kernel.fsync

    def slowly(descriptor: int, path: Path) -> None:
        fsync(descriptor, path)
        put(world.root, faults.READ_AHEAD_KB, "1024")

    monkeypatch.setattr(world.kernel, "fsync", slowly)
    with pytest.raises(Overridden, match="holds 1024, mlproxy left 128"):
        world.readahead(8)
    world.actuator.restore(READAHEAD, "exit")
    assert world.now("read_ahead_kb") == 1024


def test_standing_down_lasts_though_they_put_our_value_back(world: World) -> None:
    world.readahead(8)
    put(world.root, faults.READ_AHEAD_KB, "256")
    with pytest.raises(Overridden):
        world.readahead(16)
    put(world.root, faults.READ_AHEAD_KB, "8")
    with pytest.raises(Overridden):
        world.readahead(16)


def test_after_a_restore_their_value_is_the_new_baseline(world: World) -> None:
    world.readahead(8)
    put(world.root, faults.READ_AHEAD_KB, "256")
    world.actuator.restore(READAHEAD, "override")
    world.readahead(8)
    assert world.actuator.baselines(READAHEAD) == {"read_ahead_kb": 256}


def test_what_a_scheduler_resets_is_no_override_and_not_lost(world: World) -> None:
    world.iosched(NR_REQUESTS, 8)
    world.iosched(SCHEDULER, "kyber")
    assert world.now("nr_requests") == 256
    world.iosched(NR_REQUESTS, 16)
    world.iosched(WBT_LAT_USEC, 0)
    report = world.actuator.restore(IOSCHED, "exit")
    assert set(outcomes(report).values()) == {"restored"}
    found = values(world.root)
    assert (found["scheduler"], found["nr_requests"], found["depth"]) == ("none", 64, 64)
    assert found["wbt_lat_usec"] == 2000


def test_a_scheduler_that_would_reset_their_depth_is_not_written(world: World) -> None:
    world.iosched(WBT_LAT_USEC, 0)
    put(world.root, faults.NR_REQUESTS, "99")
    with pytest.raises(Overridden, match=r"nr_requests.*writing scheduler would reset it"):
        world.iosched(SCHEDULER, "kyber")
    assert world.now("scheduler") == "none"


def test_their_depth_outlasts_the_return_of_the_scheduler(world: World) -> None:
    world.iosched(SCHEDULER, "kyber")
    world.kernel.store(faults.NR_REQUESTS, "99")
    report = world.actuator.restore(IOSCHED, "exit")
    assert outcomes(report)["nr_requests"] == "stood-down"
    found = values(world.root)
    assert (found["scheduler"], found["nr_requests"], found["depth"]) == ("none", 99, 99)


def test_their_scheduler_stays_with_what_it_reset(world: World) -> None:
    world.iosched(SCHEDULER, "kyber")
    world.kernel.store(faults.SCHEDULER, "mq-deadline")
    report = world.actuator.restore(IOSCHED, "exit")
    assert set(outcomes(report).values()) == {"stood-down"}
    assert world.now("wbt_lat_usec") == 75000


def test_kept_values_stay_and_the_next_agent_goes_on_from_them(world: World) -> None:
    world.iosched(SCHEDULER, "kyber")
    world.actuator.keep(IOSCHED)
    world.stop()
    world.start()
    world.kernel.store(faults.NR_REQUESTS, "99")
    world.iosched(WBT_LAT_USEC, 0)
    expected = {"scheduler": "none", "nr_requests": 99, "wbt_lat_usec": 2000}
    assert world.actuator.baselines(IOSCHED) == expected
    assert not world.journal.open_records()[0].kept
    world.actuator.restore(IOSCHED, "exit")
    found = values(world.root)
    assert (found["scheduler"], found["nr_requests"], found["wbt_lat_usec"]) == ("none", 99, 2000)


def test_keeping_nothing_only_releases(world: World) -> None:
    world.actuator.hold(READAHEAD)
    world.actuator.keep(READAHEAD)
    assert world.journal.open_records() == []


def test_what_an_earlier_process_left_is_not_taken_for_a_baseline(world: World) -> None:
    world.readahead(8)
    world.stop()
    world.start()
    world.readahead(16)
    assert world.actuator.baselines(READAHEAD) == {"read_ahead_kb": 128}


def test_what_an_earlier_process_left_and_cannot_be_taken_back_stops_us(world: World) -> None:
    world.readahead(8)
    world.stop()
    world.start()
    world.kernel.refuse[faults.READ_AHEAD_KB] = errno.EIO
    with pytest.raises(WriteRefused, match=r"earlier change cannot be taken back.*EIO"):
        world.readahead(16)


def test_a_record_of_another_device_is_closed_and_a_new_one_begun(world: World) -> None:
    world.readahead(8)
    world.actuator.keep(READAHEAD)
    world.stop()
    put(world.root, "sys/block/sda/diskseq", "10")
    world.start()
    proxy = replace(READAHEAD, identity=DEVICE_2)
    world.actuator.set(proxy, ReadaheadAdapter(), READ_AHEAD_KB, 16)
    assert world.actuator.baselines(proxy) == {"read_ahead_kb": 8}
