"""A limit on dirty data under the agent: down as the backlog drains, up at once, together
with its companion, and taken back by guards, idleness and other people."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlproxy.recover import recover
from mlproxy.restore import Outcome
from mlproxy_writeback import WritebackAdapter
from tests.backlog_machine import (
    MEMORY_KB_S,
    SPEED_KB_S,
    THRESHOLD_KB,
    WHOLE,
    BacklogWorld,
)
from tests.faults import LIMIT, STRICT, WRITEBACK, put
from tests.machine import NS

FIVE_SECONDS = int(5 * SPEED_KB_S / THRESHOLD_KB * WHOLE)
LONG_S = 160.0


def streaming(tmp_path: Path, **policy: object) -> BacklogWorld:
    """A world in which a stream was brought under its limit."""
    world = BacklogWorld(tmp_path, **policy)
    world.machine.workload = "stream"
    world.run(LONG_S)
    return world


def test_a_stream_ends_at_the_largest_limit_that_drains_in_time(tmp_path: Path) -> None:
    world = streaming(tmp_path)
    assert FIVE_SECONDS / 2 < world.machine.value() <= FIVE_SECONDS
    assert world.machine.strict == 1
    assert world.machine.backlog_kb / SPEED_KB_S <= 5.0
    changes = world.records("change")
    assert [each["knob"] for each in changes].count("max_ratio_fine") == 1, "steps are not told"
    undo = {each["knob"]: each["undo"] for each in changes}
    assert undo["max_ratio_fine"] == f"echo {WHOLE} > /{LIMIT}"
    assert undo["strict_limit"] == f"echo 0 > /{STRICT}"


def test_the_limit_comes_down_as_the_backlog_drains_and_nobody_stands_for_long(
    tmp_path: Path,
) -> None:
    world = BacklogWorld(tmp_path)
    world.machine.workload = "stream"
    world.run(60.0)
    limits = world.limits
    assert len(limits) >= 5
    assert limits == sorted(limits, reverse=True)
    fell_kb = (limits[0] - limits[-1]) * THRESHOLD_KB / WHOLE
    assert 0.3 * SPEED_KB_S < fell_kb / 55.0 < 0.7 * SPEED_KB_S, "writers get the other half"
    assert world.machine.longest_stall_s <= 2.0


def test_an_overwriter_is_left_alone(tmp_path: Path) -> None:
    world = BacklogWorld(tmp_path)
    world.machine.workload = "overwrite"
    world.run(LONG_S)
    assert world.kernel.writes == []


def test_when_the_writer_stops_the_lease_brings_the_baseline_back_limit_first(
    tmp_path: Path,
) -> None:
    world = streaming(tmp_path)
    world.machine.workload = "idle"
    world.kernel.writes.clear()
    world.run(30.0)
    assert [(path, text) for _, path, text in world.kernel.writes] == [
        (LIMIT, str(WHOLE)),
        (STRICT, "0"),
    ]


def test_what_a_limit_hides_is_looked_for_at_twice_the_limit_and_no_more(tmp_path: Path) -> None:
    world = streaming(tmp_path, look={"every": "60s"})
    assert world.controller.ruling is not None
    held = int(world.controller.ruling.treated["max_ratio_fine"])
    world.kernel.writes.clear()
    world.run(180.0)
    assert 2 <= world.controller.looks <= 4
    assert max(world.limits) == 2 * held
    assert min(world.limits) == held
    assert world.machine.strict == 1
    assert world.machine.longest_stall_s <= 2.0


def test_an_overwriter_that_fits_twice_the_limit_gets_its_memory_back(tmp_path: Path) -> None:
    world = streaming(tmp_path, look={"every": "20s"})
    world.machine.workload, world.machine.overwritten_kb = "overwrite", 80_000
    world.run(60.0)
    assert (world.machine.value(), world.machine.strict) == (WHOLE, 0)


def test_a_companion_that_somebody_else_changed_is_theirs(tmp_path: Path) -> None:
    world = streaming(tmp_path)
    put(world.machine.root, STRICT, "0")
    world.run(5.0)
    assert "strict_limit is 0, we left 1" in world.controller.stood_down
    assert world.machine.value() == WHOLE, "the limit itself was ours"
    world.run(LONG_S)
    assert world.machine.value() == WHOLE


def test_a_guard_that_fails_takes_the_limit_back_and_remembers(tmp_path: Path) -> None:
    world = BacklogWorld(tmp_path)
    world.machine.workload, world.machine.starves = "stream", True
    world.run(2.5 * LONG_S)
    trials = world.records("trial")
    assert [each["event"] for each in trials] == ["guard"]
    assert "bytes accepted: 0." in trials[0]["objection"]
    assert (world.machine.value(), world.machine.strict) == (WHOLE, 0)


def test_the_end_of_the_agent_restores_both(tmp_path: Path) -> None:
    world = streaming(tmp_path)
    world.kernel.writes.clear()
    world.stop()
    assert [path for _, path, _ in world.kernel.writes] == [LIMIT, STRICT]
    assert (world.machine.value(), world.machine.strict) == (WHOLE, 0)


def test_what_a_crash_leaves_is_restored_by_the_next_start(tmp_path: Path) -> None:
    world = BacklogWorld(tmp_path)
    world.machine.workload = "stream"
    world.run(30.0)  # in the middle of the way down
    assert world.machine.strict == 1
    world.actuator.release(WRITEBACK)  # its locks go with the process, its values stay
    adapters = {"writeback": WritebackAdapter()}
    restored = recover(world.machine.root, world.journal, world.kernel, adapters)
    assert [(line.knob, line.outcome) for line in restored] == [
        ("max_ratio_fine", Outcome.RESTORED),
        ("strict_limit", Outcome.RESTORED),
    ]
    assert (world.machine.value(), world.machine.strict) == (WHOLE, 0)


def bursting(tmp_path: Path, burst_s: float, pause_s: float, memory: float = 1.0) -> BacklogWorld:
    """Bursts of so many seconds of the device's writing, for ten minutes."""
    world = BacklogWorld(tmp_path)
    machine = world.machine
    machine.workload, machine.pause_s = "burst", pause_s
    machine.burst_kb, machine.memory_kb_s = burst_s * SPEED_KB_S, memory * MEMORY_KB_S
    world.run(600.0)
    return world


@pytest.mark.parametrize("burst_s", [8.0, 12.0, 30.0, 36.0])
def test_a_burst_that_the_memory_takes_is_never_limited_though_the_model_is_sure(
    tmp_path: Path, burst_s: float
) -> None:
    """The host holds writers back from 37.5 s of writing on."""
    world = bursting(tmp_path, burst_s, 1.05 * burst_s, memory=0.1)
    assert world.kernel.writes == []
    asked = {each["rule"] for each in world.records("decision")}
    assert asked == {"early"}, "the model alone would limit every one of them"


def test_a_burst_that_overflows_is_mistaken_once_at_most(tmp_path: Path) -> None:
    """50 s of writing: 12 s of it the host holds them back; a limit would take 25."""
    world = bursting(tmp_path, 50.0, 60.0)
    assert [each["why"] for each in world.records("change")].count("gain") <= 2
    last_s = max(moment for moment, _, _ in world.kernel.writes)
    assert last_s < world.machine.now_ns / NS - 400, "only the first burst met a limit"


def test_a_limit_comes_within_ten_seconds_of_sustained_overload(tmp_path: Path) -> None:
    world = BacklogWorld(tmp_path)
    began_s = world.machine.now_ns / NS
    world.machine.workload = "stream"
    world.run(10.0)
    strict = [moment for moment, path, _ in world.kernel.writes if path == STRICT]
    assert strict
    assert WritebackAdapter.wait_s <= strict[0] - began_s <= 10.0


@pytest.mark.parametrize("descends", [True, False])
def test_a_burst_after_the_stream_has_the_memory_again(tmp_path: Path, descends: bool) -> None:
    world = BacklogWorld(tmp_path)
    machine = world.machine
    machine.workload = "stream"
    world.run(30.0 if descends else LONG_S)
    assert machine.strict == 1
    machine.workload, machine.burst_kb = "burst", 50_000.0
    machine.pause_s = 12.0 if descends else 5.0
    world.run(30.0)
    assert (machine.value(), machine.strict) == (WHOLE, 0)
    machine.bursting_s = machine.burst_kb_done = 0.0
    world.run(60.0)
    assert machine.burst_kb_done / machine.bursting_s >= 0.9 * MEMORY_KB_S


def test_whoever_gets_the_loop_device_next_inherits_no_limit(tmp_path: Path) -> None:
    """A loop device's bdi outlives the file that is detached from it, limits and all."""
    world = streaming(tmp_path)
    world.machine.workload, world.machine.backlog_kb = "idle", 0.0
    put(world.machine.root, "sys/block/sda/diskseq", "11")
    world.run(10.0)
    assert (world.machine.value(), world.machine.strict) == (WHOLE, 0)


@pytest.mark.parametrize(("workload", "rules"), [("stream", {"try"}), ("overwrite", set())])
def test_what_is_likely_is_tried_once_the_demand_has_lasted(
    tmp_path: Path, workload: str, rules: set[str]
) -> None:
    world = BacklogWorld(tmp_path)
    world.judge.doubt, world.machine.workload = 10.0, workload
    world.run(20.0)
    applied = [each for each in world.records("decision") if each["action"] == "apply"]
    assert {each["rule"] for each in applied} == rules
    assert all("the demand has lasted, guards watch" in each["reason"] for each in applied)
