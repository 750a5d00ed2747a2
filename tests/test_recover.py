"""After a crash: restore what is ours, close what is not about this boot and device."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from mlproxy.adapter import Adapter, ObjectFiles
from mlproxy.errors import Busy
from mlproxy.journal import Journal
from mlproxy.knob import Knob, Value
from mlproxy.proxy import Identity
from mlproxy.record import KnobRecord, Record
from mlproxy.recover import recover
from mlproxy.restore import Outcome, Restored
from mlproxy_iosched.adapter import NR_REQUESTS, SCHEDULER, WBT_LAT_USEC, IoschedAdapter
from tests import faults
from tests.faults import IOSCHED, READAHEAD, put, values
from tests.practice import World, outcomes

ADAPTERS: Mapping[str, Adapter] = {"iosched": IoschedAdapter()}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.stop()


def revert(world: World, **options: object) -> list[Restored]:
    """Recover in a new process."""
    world.stop()
    world.start()
    adapters = options.pop("adapters", ADAPTERS)
    return recover(world.root, world.journal, world.kernel, adapters, **options)  # type: ignore[arg-type]


def test_nothing_to_recover_makes_no_state(world: World) -> None:
    assert revert(world) == []
    assert not world.state.exists()


def test_the_baseline_returns_and_the_report_says_what_was_found(world: World) -> None:
    world.readahead(8)
    (line,) = revert(world)
    assert (line.outcome, line.found, line.baseline) == (Outcome.RESTORED, 8, 128)
    assert "ended without restoring" in line.why
    assert revert(world) == []


def test_only_the_proxies_that_were_named(world: World) -> None:
    world.readahead(8)
    world.iosched(NR_REQUESTS, 8)
    revert(world, only={IOSCHED.id})
    found = values(world.root)
    assert (found["read_ahead_kb"], found["nr_requests"]) == (8, 64)


def test_what_was_kept_stays_until_somebody_reverts(world: World) -> None:
    world.readahead(8)
    world.actuator.keep(READAHEAD)
    assert outcomes(revert(world)) == {"read_ahead_kb": "kept"}
    assert world.now("read_ahead_kb") == 8
    assert outcomes(revert(world, include_kept=True)) == {"read_ahead_kb": "restored"}
    assert world.now("read_ahead_kb") == 128


def test_what_was_kept_is_closed_after_a_boot(world: World) -> None:
    world.readahead(8)
    world.actuator.keep(READAHEAD)
    put(world.root, faults.BOOT_ID, "boot-2")
    assert outcomes(revert(world)) == {"read_ahead_kb": "other-boot"}
    assert revert(world) == []


def test_a_knob_that_a_living_agent_holds_is_left_to_it(world: World) -> None:
    world.readahead(8)
    world.stop()
    holder = World.__new__(World)
    holder.__dict__.update(world.__dict__)
    holder.start()
    holder.actuator.hold(READAHEAD)
    world.start()
    (line,) = recover(world.root, world.journal, world.kernel, {})
    assert line.outcome is Outcome.BUSY
    assert "held by process" in line.why
    holder.actuator.release(READAHEAD)
    assert outcomes(revert(world)) == {"read_ahead_kb": "restored"}


def test_a_journal_in_use_is_busy(world: World) -> None:
    world.readahead(8)
    world.actuator.release(READAHEAD)
    with pytest.raises(Busy, match="journal"):
        recover(world.root, Journal(world.state), world.kernel, {})
    assert world.now("read_ahead_kb") == 128, "the baseline returns all the same"


def test_without_permission_the_record_stays_open(world: World) -> None:
    world.readahead(8)
    world.kernel.refuse[faults.READ_AHEAD_KB] = errno.EACCES
    (line,) = revert(world)
    assert (line.outcome, line.found) == (Outcome.REFUSED, 8)
    assert "needs root" in line.why
    world.kernel.refuse.clear()
    assert outcomes(revert(world)) == {"read_ahead_kb": "restored"}


def test_an_object_that_is_gone_is_closed(world: World) -> None:
    world.readahead(8)
    (world.root / faults.READ_AHEAD_KB).unlink()
    (world.root / faults.BDI).rmdir()
    assert outcomes(revert(world)) == {"read_ahead_kb": "gone"}
    assert world.journal.open_records() == []


def test_one_knob_that_is_gone_does_not_keep_the_others(world: World) -> None:
    world.iosched(NR_REQUESTS, 8)
    world.iosched(WBT_LAT_USEC, 0)
    (world.root / faults.WBT_LAT_USEC).unlink()
    assert outcomes(revert(world)) == {"nr_requests": "restored", "wbt_lat_usec": "gone"}
    assert world.journal.open_records() == []


def test_a_serial_tells_devices_apart_where_diskseq_is_unknown(world: World) -> None:
    (world.root / "sys/block/sda/diskseq").unlink()
    world.readahead(8)
    assert outcomes(revert(world)) == {"read_ahead_kb": "restored"}
    world.readahead(8)
    put(world.root, "sys/block/sda/serial", "WD-2")
    (line,) = revert(world)
    assert line.outcome is Outcome.OTHER_DEVICE
    assert "serial 'WD-2', recorded was 'WD-1'" in line.why


def test_a_serial_that_only_changed_its_text_is_the_same_device(world: World) -> None:
    world.readahead(8)
    put(world.root, "sys/block/sda/serial", "WD-1 (deleted)")
    assert outcomes(revert(world)) == {"read_ahead_kb": "restored"}


def test_what_cannot_be_told_to_be_the_same_device_is_left_open(world: World) -> None:
    world.readahead(8)
    (world.root / "sys/dev/block/8:0").unlink()
    (line,) = revert(world)
    assert line.outcome is Outcome.REFUSED
    assert "cannot be told to be the same device" in line.why
    assert len(world.journal.open_records()) == 1


def test_a_host_knob_needs_no_device(world: World) -> None:
    put(world.root, "proc/sys/vm/dirty_ratio", "5")
    knobs = {"dirty_ratio": KnobRecord("proc/sys/vm/dirty_ratio", 20)}
    identity = Identity("boot-1", "host")
    world.journal.begin(Record("r", "writeback.host", "writeback", "", identity, knobs))
    world.journal.intend("r", "dirty_ratio", [5])
    assert outcomes(revert(world)) == {"dirty_ratio": "restored"}
    assert (world.root / "proc/sys/vm/dirty_ratio").read_text() == "20\n"


def test_an_anonymous_bdi_is_told_by_its_mount(world: World) -> None:
    put(world.root, "sys/class/bdi/0:53/read_ahead_kb", "8")
    mount = "36 25 0:53 / /home rw shared:1 - nfs server:/export rw"
    put(world.root, "proc/self/mountinfo", mount)
    knobs = {"read_ahead_kb": KnobRecord("sys/class/bdi/0:53/read_ahead_kb", 128)}
    identity = Identity("boot-1", "0:53", serial="server:/export")
    record = Record("r", "readahead.0:53", "readahead", "sys/class/bdi/0:53", identity, knobs)
    for id, serial, outcome in (
        ("r", "server:/export", "restored"),
        ("s", "server:/other", "other-device"),
    ):
        world.journal.begin(replace(record, id=id, identity=replace(identity, serial=serial)))
        world.journal.intend(id, "read_ahead_kb", [8])
        assert outcomes(revert(world)) == {"read_ahead_kb": outcome}
        put(world.root, "sys/class/bdi/0:53/read_ahead_kb", "8")


class Broken(IoschedAdapter):
    """Fails wherever it is asked."""

    def effective(self, files: ObjectFiles, knob: str) -> Value | None:
        raise RuntimeError("broken")

    def writes(
        self, files: ObjectFiles, knob: Knob, current: Value, proposed: Value
    ) -> Iterator[Value]:
        raise RuntimeError("broken")


def test_a_broken_adapter_does_not_keep_a_baseline_from_returning(world: World) -> None:
    world.iosched(SCHEDULER, "kyber")
    world.iosched(NR_REQUESTS, 8)
    report = revert(world, adapters={"iosched": Broken()})
    assert set(outcomes(report).values()) == {"restored"}
    assert values(world.root)["scheduler"] == "none"


def test_a_depth_that_stays_hidden_is_reported(world: World) -> None:
    world.iosched(NR_REQUESTS, 8)
    tags = world.root / faults.DEBUG / "tags"
    store = world.kernel.store

    def stuck(path: str, text: str) -> None:
        store(path, text)
        tags.write_text("bitmap_tags:\ndepth=8\n")

    world.kernel.store = stuck  # type: ignore[method-assign]
    report = revert(world)
    assert outcomes(report) == {"nr_requests": "refused"}
    assert "64 was written, 8 is in force" in report[0].why


def test_knobs_that_disturb_each_other_both_return(world: World) -> None:
    """As a bdi's max_ratio and max_bytes: the last write decides what both read."""
    knobs = {
        "a": KnobRecord("sys/a", 10, ("b",)),
        "b": KnobRecord("sys/b", 100, ("a",)),
    }
    record = Record("r", "p", "none", "", Identity("boot-1", "host"), knobs)
    put(world.root, "sys/a", "5")
    put(world.root, "sys/b", "50")

    def share(path: str, text: str) -> None:
        put(world.root, path, text)
        if path == "sys/a":
            put(world.root, "sys/b", str(int(text) * 10))

    world.kernel.store = share  # type: ignore[method-assign]
    world.journal.begin(record)
    world.journal.intend("r", "b", [50])
    world.journal.done("r", "b", {"a": 5})
    assert set(outcomes(revert(world)).values()) == {"restored"}
    assert (world.root / "sys/a").read_text() + (world.root / "sys/b").read_text() == "10\n100\n"


def test_a_damaged_line_is_in_the_report_and_the_file_is_kept(world: World) -> None:
    world.readahead(8)
    world.iosched(NR_REQUESTS, 8)
    world.stop()
    path = world.state / "journal.jsonl"
    first, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(first.replace(b"128", b"129") + b"\n" + rest)
    report = revert(world)
    damaged = [line for line in report if line.outcome is Outcome.DAMAGED]
    numbers = [line.why.split(":")[0] for line in damaged]
    assert numbers == ["journal line 1", "journal line 2", "journal line 3"]
    assert "kept as" in damaged[0].why
    found = values(world.root)
    assert (found["read_ahead_kb"], found["nr_requests"]) == (8, 64)
    assert len(world.journal.aside()) == 1
    assert revert(world) == []


def test_a_flipped_bit_never_restores_another_value(world: World) -> None:
    world.readahead(8)
    world.stop()
    path = world.state / "journal.jsonl"
    data = path.read_bytes()
    for place in range(len(data)):
        flipped = bytearray(data)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        put(world.root, faults.READ_AHEAD_KB, "8")
        world.kernel.written.clear()
        revert(world)
        assert world.kernel.written in ([], [(faults.READ_AHEAD_KB, "128")]), place
    assert len(data) > 500
