"""The ledger: what the outcome log and the status file say."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from mlproxy import ledger
from mlproxy.ledger import Ledger
from mlproxy.status import KnobStatus, read_status
from tests.machine import NS
from tests.world import World


def row(world: World) -> KnobStatus:
    world.agent.close()
    status = read_status(world.state)
    assert status is not None
    return status.knobs[0]


def test_a_change_has_the_lines_that_do_and_undo_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(4)
    (change,) = world.records("change")
    path = "/sys/class/bdi/8:0/read_ahead_kb"
    assert (change["do"], change["undo"]) == (f"echo 4 > {path}", f"echo 128 > {path}")
    (decision,) = world.records("decision")
    assert change["recommendation"] == decision["id"]
    assert {each["value"] for each in decision["candidates"]} >= {4, 128, 8192}
    assert decision["features"]["read_kb_per_request"] > 0


def test_the_same_decision_is_logged_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.machine.workload = "sequential"
    world.run(60)
    rules = [each["rule"] for each in world.records("decision")]
    assert rules == ["gain", "no-change"]


def test_slots_are_no_changes(tmp_path: Path) -> None:
    world = World(tmp_path, start="learning", trust="measured", resolution_s=0.0)
    world.run(60)
    assert world.whys().count("slot") == 0
    assert len(world.values()) > 4


def test_measured_untested_and_lost_are_told_apart(tmp_path: Path) -> None:
    measured = World(tmp_path / "a", start="collaboration", trust="measured", resolution_s=0.0)
    untested = World(tmp_path / "b")
    lost = World(tmp_path / "c", start="collaboration", trust="measured", resolution_s=0.0)
    lost.model.score = lambda workload, value: -float(value != 2048)
    for world in (measured, untested, lost):
        world.run(60)
    found = row(measured)
    assert found.judged == "measured"
    assert found.measured_gain is not None
    assert found.measured_gain > 1
    assert found.measured_low is not None
    found = row(untested)
    assert (found.judged, found.measured_gain, found.verdict_in_s) == ("untested", None, None)
    assert found.share == 1.0
    found = row(lost)
    assert found.judged == "lost"
    assert found.measured_gain is not None
    assert found.measured_gain < 0


def test_what_was_never_tried_is_not_judged(tmp_path: Path) -> None:
    world = World(tmp_path, mode="emergency", start="emergency")
    world.run(10)
    found = row(world)
    assert (found.judged, found.share, found.changes) == ("", 0.0, 0)


def test_the_time_to_a_verdict_is_predicted(tmp_path: Path) -> None:
    world = World(
        tmp_path, start="learning", trust="measured", resolution_s=0.0, trial={"slot": "250ms"}
    )
    world.run(20)
    found = row(world)
    assert found.verdict_in_s is not None
    assert 0 < found.verdict_in_s < 60


def test_a_status_that_cannot_be_written_is_counted_and_not_fatal(tmp_path: Path) -> None:
    books = Ledger(tmp_path / "absent", tmp_path)
    books.publish([], "", final=True)
    assert books.outcomes.lost == 1


@pytest.mark.parametrize("start", ["learning", "collaboration", "recommendation"])
def test_the_status_is_never_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    monkeypatch.setattr(ledger, "PUBLISH_S", -1.0)
    monkeypatch.setattr(ledger, "HEARTBEAT_S", math.inf)
    world = World(tmp_path, start=start, trust="measured", resolution_s=0.0)
    world.machine.at(40, world.machine.becomes("sequential"))
    world.machine.at(60, lambda: setattr(world.model, "score", lambda workload, value: 0.0))
    world.machine.at(80, lambda: world.machine.admin("64"))
    seen = []
    for _ in range(100):
        world.run(1)
        status = read_status(world.state)
        assert status is not None
        assert list(status.knobs) == world.agent._ledger._rows(world.controller)
        seen.append((status.knobs[0].rule, status.knobs[0].effective, status.knobs[0].pairs))
    assert len(set(seen)) > 5


def test_how_little_was_read_is_not_written_every_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    world.machine.workload = "idle"
    world.machine.rates = lambda workload, value: {
        "disk.read_ios": world.machine.now_ns / NS % 7,
        "disk.read_sectors": 8.0,
    }
    monkeypatch.setattr(ledger.time, "time", lambda: world.machine.now_ns / NS)
    written, reasons = [], set()
    monkeypatch.setattr(ledger, "write_status", lambda state, status: written.append(status))
    for _ in range(95):
        world.run(1)
        reasons.add(world.controller.verdict.reason)
    assert len(reasons) > 3
    assert [status.ticks for status in written] == [1, 2, 32, 62, 92]


@pytest.mark.parametrize("what", ["stood_down", "looks", "changes", "tried"])
def test_what_changes_alone_is_said(tmp_path: Path, what: str) -> None:
    world = World(tmp_path)
    world.run(10)
    books, controller = world.agent._ledger, world.controller
    before = books._saying(controller)
    assert books._saying(controller) == before
    proxy = controller.seat.proxy.id
    if what == "stood_down":
        controller.stood_down = "contested"
    elif what == "looks":
        controller.looks += 1
    elif what == "changes":
        books._changes[proxy] += 1
    else:
        assert controller.ruling is not None
        books._tried[proxy] = (controller.ruling, "measured")
    assert books._saying(controller) != before
