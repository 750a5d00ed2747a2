"""What is changed for good on a patched kernel, whose it is, and how it goes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlproxy.actuator import Actuator
from mlproxy.disk import Disk
from mlproxy.errors import Busy
from mlproxy.journal import Journal
from mlproxy.mode import Mode
from mlproxy.recover import recover
from mlproxy.restore import Outcome
from tests import faults
from tests.class_machine import FOLDER, LEASED
from tests.class_world import ClassWorld
from tests.faults import READ_AHEAD_KB


def test_an_observer_writes_nothing(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path, mode="emergency", start="emergency")
    world.run(30)
    world.stop()
    assert world.machine.kernel.writes == []


@pytest.mark.parametrize("on_exit", ["revert", "keep"])
def test_the_end_puts_back_what_was_changed_for_good(tmp_path: Path, on_exit: str) -> None:
    world = ClassWorld(tmp_path, lease="6s", on_exit=on_exit)
    world.run(30)
    assert (world.device.limit, world.device.lease_ms) == (Mode.RECOMMENDATION, 6000)
    world.stop()
    assert (world.device.limit, world.device.lease_ms) == (Mode.EMERGENCY, 10_000)
    assert world.device.recommended is None
    assert {each["knob"] for each in world.records("revert")} == {"mode_limit", "lease_ms"}
    assert Journal(world.state).open_records() == []


def test_a_limit_that_was_raised_before_us_is_kept_and_the_lease_ends(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path)
    world.device.write("mode_limit", "collaboration")
    world.machine.publish()
    world.run(30)
    assert world.written("mode_limit") == ["learning", "recommendation"], "no other model's trust"
    world.stop()
    assert (world.device.limit, world.device.recommended) == (Mode.COLLABORATION, None)


def test_after_a_crash_the_next_start_puts_it_back(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path, lease="6s")
    world.run(30)
    world.crash()
    disk = world.machine.kernel
    journal = Journal(world.state, disk)
    report = recover(world.machine.root, journal, disk, {})
    journal.shut()
    assert {(line.knob, line.outcome) for line in report} == {
        ("lease_ms", Outcome.RESTORED),
        ("mode_limit", Outcome.RESTORED),
    }
    assert (world.device.limit, world.device.lease_ms) == (Mode.EMERGENCY, 10_000)


def test_a_record_of_another_proxy_of_the_same_name_is_closed(tmp_path: Path) -> None:
    """M:m may be used again within a boot; the class's own number is not."""
    world = ClassWorld(tmp_path)
    world.run(30)
    world.crash()
    world.device.number += 1
    world.machine.publish()
    journal = Journal(world.state, world.machine.kernel)
    (line,) = recover(world.machine.root, journal, world.machine.kernel, {})
    journal.shut()
    assert line.outcome is Outcome.OTHER_DEVICE
    assert world.device.limit is Mode.RECOMMENDATION


def test_nothing_is_written_before_its_baseline_is_in_the_journal(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path, lease="6s")
    seen: list[tuple[str, str]] = []
    store = world.machine.kernel.store

    def noted(path: str, text: str) -> None:
        open_now = Journal(world.state, Disk()).open_records()
        known = {name: knob.baseline for r in open_now for name, knob in r.knobs.items()}
        seen.append((path.rpartition("/")[2], str(known)))
        store(path, text)

    world.machine.kernel.store = noted  # type: ignore[method-assign]
    world.run(3)
    expected = str({"lease_ms": 10_000, "mode_limit": "emergency"})
    assert [name for name, _ in seen[:2]] == ["lease_ms", "mode_limit"]
    assert {known for _, known in seen} == {expected}


def test_a_changed_baseline_is_the_administrators(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path)
    world.run(60)
    world.machine.admin("256")
    world.run(3)
    assert "read_ahead_kb is 256" in world.controller.stood_down
    assert (world.machine.value(), world.device.limit) == (256, Mode.EMERGENCY)
    world.stop()
    assert int((world.machine.root / READ_AHEAD_KB).read_text()) == 256


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("mode_limit", "emergency", "mode_limit is emergency, we left recommendation"),
        ("mode_limit", "learning", "mode_limit is learning, we left recommendation"),
        ("lease_ms", "500", "lease_ms is 500, we left 10000"),
    ],
)
def test_what_somebody_else_wrote_to_the_device_is_theirs(
    tmp_path: Path, name: str, text: str, says: str
) -> None:
    world = ClassWorld(tmp_path)
    world.run(30)
    world.device.write(name, text)
    world.machine.publish()
    world.run(3)
    assert world.controller.stood_down == says
    world.stop()
    assert (world.machine.root / FOLDER / name).read_text().strip() == text


def test_somebody_elses_commit_is_theirs(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path)
    world.run(30)
    world.device.write("read_ahead_kb/recommended", "2048")
    world.device.write("commit", str(world.device.sequence + 1))
    world.machine.publish()
    world.run(3)
    assert "somebody else's" in world.controller.stood_down


def test_pause_ends_it_at_once_and_resume_allows_it_again(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path)
    world.run(60)
    (world.state / "pause").write_text("by a test\n")
    world.run(2)
    assert (world.device.limit, world.machine.value()) == (Mode.EMERGENCY, 128)
    (world.state / "pause").unlink()
    world.run(30)
    assert world.device.limit is Mode.RECOMMENDATION
    assert world.device.recommended is not None
    assert world.controller.stood_down == ""


def test_a_device_that_is_gone_is_left_alone(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path)
    world.run(30)
    world.device.number += 1
    world.machine.publish()
    written = len(world.machine.kernel.writes)
    world.run(5)
    assert world.controller.stood_down == "its object is gone"
    after = world.machine.kernel.writes[written:]
    assert not [path for _, path, _ in after if "commit" in path or "recommended" in path]


def test_a_second_agent_is_refused(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path)
    world.run(3)
    other = Actuator(world.machine.root, Journal(tmp_path / "other"), world.machine.kernel)
    with pytest.raises(Busy):
        other.open_lease(LEASED, Mode.LEARNING, 10.0)


def test_a_stranger_at_the_same_place_is_refused(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path)
    faults.put(world.machine.root, "sys/block/sda/diskseq", "10")
    world.run(3)
    assert "another device by now" in world.controller.stood_down
    assert world.machine.kernel.writes == []
