"""The whole loop on a machine in virtual time: what is written, when, and why."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from mlproxy.status import read_status
from tests import faults
from tests.faults import READ_AHEAD_KB, READAHEAD
from tests.machine import NS, reads
from tests.world import Physicist, World, elsewhere, make_policy, make_seat


def test_a_change_of_the_workload_lowers_and_raises_readahead_within_ten_seconds(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    for workload, value in [("random", 4), ("sequential", 8192), ("random", 4)]:
        world.machine.workload = workload
        world.run(10)
        assert world.values()[-1] in (value, 16)
        ruling = world.controller.ruling
        assert ruling is not None
        assert ruling.treated == {"read_ahead_kb": value}


def test_a_blind_value_is_looked_at_from_the_informative_one_and_the_way_back_is_the_looks(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.run(20)
    assert world.values()[:3] == [4, 16, 4]
    assert world.whys() == ["gain"] + ["look"] * (len(world.values()) - 1)
    assert world.controller.looks == world.whys().count("look") // 2


def test_looks_are_no_changes_and_do_not_start_the_dwell(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(70)
    world.agent.close()
    status = read_status(world.state)
    assert status is not None
    assert status.knobs[0].changes == 1
    assert status.knobs[0].looks >= 5
    assert world.controller.changed_ns == 1002 * NS


def test_a_blind_baseline_is_looked_at_before_anything_is_decided(tmp_path: Path) -> None:
    world = World(tmp_path, baseline=4)
    world.machine.workload = "sequential"
    world.run(12)
    assert world.values()[0] == 16
    assert world.value >= 2048


def test_where_traced_features_tell_workloads_apart_nothing_is_looked_at(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.machine.rates = lambda workload, value: reads(workload, value, traced=True)
    world.run(30)
    world.machine.workload = "sequential"
    world.run(10)
    assert world.values() == [4, 8192]
    assert world.controller.looks == 0


def test_a_lease_that_nothing_renews_brings_the_baseline_back(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.machine.rates = lambda workload, value: reads(workload, value, traced=True)
    world.run(10)
    world.machine.workload = "idle"
    world.run(12)
    assert world.value == 128
    assert world.whys() == ["gain", "lease over"]


def test_a_refusal_is_no_renewal_at_a_blind_value(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(6)
    assert world.value == 4
    world.model.domain.strange = 9.0
    world.run(30)
    assert world.controller.verdict.rule == "out-of-range"
    assert "lease over" in world.whys()
    assert world.value == 128


def test_looks_renew_a_lease_that_is_longer_than_their_own_pace(tmp_path: Path) -> None:
    world = World(tmp_path, look={"every": "60s"})
    world.run(120)
    assert "lease over" not in world.whys()


def test_the_shortest_lease_allowed_is_long_enough_to_be_renewed(tmp_path: Path) -> None:
    world = World(tmp_path, interval="5s", lease="10s")
    world.machine.rates = lambda workload, value: reads(workload, value, traced=True)
    world.run(120)
    assert world.values() == [4]
    assert "lease over" not in world.whys()


def test_administrators_value_stands(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(10)
    world.machine.admin("64")
    written = len(world.values())
    world.run(20)
    world.agent.close()
    assert world.value == 64
    assert len(world.values()) == written
    (record,) = world.records("stand-down")
    assert "64" in record["reason"]


def test_an_override_between_two_ticks_is_found_by_the_write(tmp_path: Path) -> None:
    """The administrator writes after the agent looked and before it writes itself."""
    world = World(tmp_path)
    world.run(4)
    assert world.value == 4
    left = world.controller.setting["read_ahead_kb"]
    world.agent._transport.value = lambda proxy, knob: left  # type: ignore[method-assign]
    world.machine.admin("64")
    world.run(20)
    world.agent.close()
    assert world.value == 64
    assert "holds 64, mlproxy left 4" in world.controller.stood_down


def test_a_pause_returns_the_baseline_and_writes_nothing_more(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(10)
    (world.state / "pause").write_text("maintenance\n")
    world.run(1)
    assert world.value == 128
    written, looks = len(world.values()), world.controller.looks
    world.run(60)
    assert len(world.values()) == written
    assert world.controller.looks == looks
    assert world.controller.verdict.rule == "paused"
    (world.state / "pause").unlink()
    world.run(20)
    assert 4 in world.values()[written:]


def test_an_empty_pause_file_pauses_and_an_unreadable_one_too(tmp_path: Path) -> None:
    world = World(tmp_path)
    (world.state / "pause").mkdir()
    world.run(10)
    assert world.values() == []
    (world.state / "pause").rmdir()
    (world.state / "pause").touch()
    world.run(10)
    assert world.values() == []


def test_a_long_interval_does_not_delay_a_pause(tmp_path: Path) -> None:
    world = World(tmp_path, interval="60s", lease="2m", gate={"dwell": "0s"})
    world.run(200)
    assert world.value in (4, 16)
    (world.state / "pause").touch()
    world.run(2)
    assert world.value == 128


@pytest.mark.parametrize("baseline", [4, 128])
@pytest.mark.parametrize(
    "modes", [{"mode": "emergency", "start": "emergency"}, {"start": "emergency"}]
)
def test_an_observer_writes_nothing_not_even_a_look(
    tmp_path: Path, modes: dict[str, str], baseline: int
) -> None:
    world = World(tmp_path, baseline=baseline, **modes)
    world.run(60)
    world.agent.close()
    assert world.values() == []
    assert world.records("change") == []


def test_without_a_model_nothing_is_written_and_the_reason_is_said(tmp_path: Path) -> None:
    seat = make_seat(baseline={"read_ahead_kb": 4}, lacks="no model: /m does not exist")
    world = World(tmp_path, seats=[seat], baseline=4)
    world.run(60)
    world.agent.close()
    assert world.values() == []
    status = read_status(world.state)
    assert status is not None
    assert "no model" in status.knobs[0].reason


def test_an_object_that_is_gone_is_left_alone_and_said_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(10)
    world.machine.gone.add(READAHEAD.id)
    (world.machine.root / READ_AHEAD_KB).rename(tmp_path / "gone")
    world.machine.rates = lambda workload, value: {}
    world.machine.value = lambda: 0  # type: ignore[method-assign]
    world.run(10)
    world.agent.close()
    assert [each["reason"] for each in world.records("stand-down")] == ["its object is gone"]


def test_a_refused_write_stands_down_and_leaves_the_baseline(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.kernel.refuse[READ_AHEAD_KB] = errno.EINVAL
    world.run(30)
    assert world.value == 128
    assert len(world.records("stand-down")) == 1
    assert "cannot set read_ahead_kb" in world.controller.stood_down


def test_a_rounded_value_is_refused_and_taken_back(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.model.score = lambda workload, value: -abs(value - 6) / 100
    seat = world.seats[0]
    object.__setattr__(seat.adapter, "candidates", lambda knob, setting: (6, 128))
    world.run(10)
    assert world.value == 128
    assert "6 was written, the kernel made it 4" in world.controller.stood_down


def test_on_exit_keep_keeps_what_rules_and_not_what_a_look_tries(tmp_path: Path) -> None:
    world = World(tmp_path, on_exit="keep")
    while world.controller.look is None or world.value != 16:
        world.run(0.5)
    world.agent.close()
    assert world.value == 4


def test_on_exit_revert_returns_the_baseline(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(10)
    world.agent.close()
    assert world.value == 128
    status = read_status(world.state)
    assert status is not None
    assert status.paused == "not running"


def test_controllers_that_are_due_share_one_prediction(tmp_path: Path) -> None:
    model = Physicist()
    policy = make_policy()
    other = elsewhere(READAHEAD, "sdb", "8:16")
    seats = [
        make_seat(policy, model, {"read_ahead_kb": 128}, proxy=proxy)
        for proxy in (READAHEAD, other)
    ]
    world = World(tmp_path, seats=seats, model=model)
    root = world.machine.root
    faults.put(root, other.knobs["read_ahead_kb"], "128")
    for name, text in {"dev": "8:16", "diskseq": "10", "serial": "WD-2"}.items():
        faults.put(root, f"sys/block/sdb/{name}", text)
    (root / "sys/dev/block/8:16").symlink_to("../../block/sdb")
    world.run(2.5)
    assert len(model.batches) == 1
    assert model.batches[0] == 2 * (1 + 8)
    world.run(2)
    assert world.values(other.knobs["read_ahead_kb"]) == [4]


def test_stop_ends_after_the_tick_under_way(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.machine.at(5, world.agent.stop)
    world.run(1000)
    assert world.machine.now_ns <= 1007 * NS


def test_an_agent_with_nothing_to_control_waits_in_bounded_steps(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.agent.controllers.clear()
    world.machine.at(3, world.agent.stop)
    world.agent.run()
    assert world.machine.now_ns <= 1004 * NS
    assert world.machine.samples == 0


def test_a_baseline_outside_the_policys_range_is_left_and_returned_to(tmp_path: Path) -> None:
    world = World(tmp_path, baseline=16, knobs={"read_ahead_kb": {"min": 32, "max": 1024}})
    world.machine.workload = "sequential"
    world.model.score = lambda workload, value: -abs(value - 512) / 100
    world.machine.rates = lambda workload, value: reads(workload, value, traced=True)
    world.run(10)
    assert world.value == 512
    world.agent.close()
    assert world.value == 16
