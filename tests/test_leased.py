"""The agent on a patched kernel: it recommends, renews, reads along and takes back."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from mlproxy.mode import Mode
from tests.class_machine import FOLDER
from tests.class_world import ClassWorld
from tests.faults import READ_AHEAD_KB
from tests.machine import NS, Rates, reads


def _traced(workload: str, value: int) -> Rates:
    return reads(workload, value, traced=True)


def _slightly_worse(workload: str, value: int) -> Rates:
    grown = dict(reads(workload, 128))
    grown["app.progress"] = 4e6 if value == 128 else 3.6e6
    return grown


def test_a_good_value_is_promoted_by_the_kernel_and_no_knob_is_written(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path)
    world.run(120)
    events = [(each["event"], each["mode"]) for each in world.records("trial")]
    assert events[:2] == [("promoted", "collaboration"), ("promoted", "recommendation")]
    assert (world.device.mode, world.device.recommended) == (Mode.RECOMMENDATION, 4)
    assert not [path for path, _ in world.machine.kernel.written if path == READ_AHEAD_KB]
    allowed, committed, *_ = world.records("change")
    assert (allowed["knob"], allowed["before"], allowed["why"]) == (
        "mode_limit",
        "emergency",
        "allow",
    )
    assert allowed["undo"] == f"echo emergency > /{FOLDER}/mode_limit"
    assert committed["do"] == (
        f"echo 16 > /{FOLDER}/read_ahead_kb/recommended && "
        f"echo $(($(cat /{FOLDER}/sequence) + 1)) > /{FOLDER}/commit"
    )
    assert world.records("trial")[0]["transport"] == "kernel"


def test_status_and_log_hold_the_kernels_own_numbers(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path)
    world.run(120)
    row, trial = world.status(), world.device.trial
    assert (row.transport, row.judged, row.mode) == ("kernel", "measured", str(trial.mode))
    assert (row.wins, row.losses, row.pairs) == (trial.wins, trial.losses, trial.pairs)
    assert (row.treated_cost_ns, row.baseline_cost_ns) == (1000.0, 2000.0)
    assert row.measured_gain == pytest.approx(trial.gain.mean if trial.gain else None)
    event = world.records("trial")[0]
    assert (event["treated_cost_ns"], event["baseline_cost_ns"]) == (1000.0, 2000.0)


def test_a_lease_is_renewed_in_time_and_not_too_often(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path)
    world.run(90)
    world.device.commits.clear()
    world.run(60)
    values = {value for _, value in world.device.commits}
    assert values == {4}
    gaps = [later - sooner for (sooner, _), (later, _) in pairwise(world.device.commits)]
    assert max(gaps) < 10, "the lease never ended"
    assert min(gaps) >= 3, "a commit for every tick would be a waste"
    assert [each["why"] for each in world.records("change")][-1] == "gain", "renewals are silent"


def test_what_the_gate_refuses_is_not_renewed_and_ends_with_its_lease(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path)
    world.machine.rates = _traced
    world.run(60)
    assert world.device.recommended is not None
    world.model.domain.strange = 2.0
    world.run(2)
    world.device.commits.clear()
    ruling, wins = world.ruling, world.device.trial.wins
    assert ruling is not None
    until_ns = ruling.lease_until_ns
    world.run(7)
    assert world.device.trial.wins > wins
    assert ruling.lease_until_ns == until_ns, "winning does not renew it either"
    world.run(3)
    assert world.ruling is None
    assert (world.device.commits, world.machine.value()) == ([], 128)


def test_withdrawing_keeps_what_the_kernel_has_earned(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path)
    world.machine.rates = _traced
    world.run(120)
    world.model.domain.strange = 2.0
    world.run(30)
    assert world.device.recommended is None
    assert world.device.trials["down"].mode is Mode.RECOMMENDATION
    assert "emergency" not in world.written("mode_limit")


def test_a_dead_agent_changes_nothing_for_long(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path)
    world.run(60)
    world.crash()
    world.machine.advance(10.3)
    assert (world.device.recommended, world.machine.value()) == (None, 128)


def test_what_the_kernel_found_harmful_is_remembered_and_not_tried_again(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path)
    world.model.score = lambda workload, value: -float(value != 512)
    world.run(60)
    (event,) = world.records("trial")
    assert (event["event"], event["wins"]) == ("emergency", 0)
    assert event["remembered_s"] == 600
    assert world.controller.verdict.rule == "regression"
    assert (world.device.recommended, world.status().judged) == (None, "lost")


def test_a_value_without_gain_is_given_up(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path)
    world.model.score = lambda workload, value: -float(value != 512)
    world.machine.rates = _slightly_worse
    world.run(120)
    events = [event["event"] for event in world.records("trial")]
    assert events[0] == "no gain"


@pytest.mark.parametrize("ceiling", ["learning", "collaboration"])
def test_the_policys_ceiling_is_the_kernels(tmp_path: Path, ceiling: str) -> None:
    world = ClassWorld(tmp_path, mode=ceiling)
    world.run(120)
    assert (str(world.device.limit), str(world.device.mode)) == (ceiling, ceiling)


def test_while_another_process_has_staged_it_waits(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path)
    world.machine.at(1.5, lambda: world.device.stage_as(64, owner=1))
    world.run(8)
    assert world.device.commits == []
    assert "EBUSY" in world.controller.verdict.reason
    world.run(20)
    assert world.device.commits, "what was staged and never committed has expired"


def test_the_kernels_pause_is_heeded_without_a_stream_of_attempts(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path)
    world.device.paused_ns["down"] = world.machine.now_ns + 40 * NS
    attempts: list[float] = []
    write = world.device.write

    def counted(name: str, text: str) -> None:
        if name == "commit":
            attempts.append(world.machine.now_ns / NS)
        write(name, text)

    world.device.write = counted  # type: ignore[method-assign]
    world.run(30)
    assert world.device.commits == []
    assert attempts
    assert min(later - sooner for sooner, later in pairwise(attempts)) >= 5
    world.run(30)
    assert world.device.commits


def test_no_window_spans_two_values(tmp_path: Path) -> None:
    """Every window that the adapter is asked about was spent under one value."""
    world = ClassWorld(tmp_path)
    asked: list[tuple[float, float, int]] = []
    adapter = world.seat.adapter
    real = type(adapter).features

    def features(window, proxy, setting):  # type: ignore[no-untyped-def]
        taken = (window.before.taken_ns / NS, window.after.taken_ns / NS)
        asked.append((*taken, setting["read_ahead_kb"]))
        return real(adapter, window, proxy, setting)

    object.__setattr__(adapter, "features", features)
    world.run(90)
    spans = [*world.machine.spans, (1e18, 0)]
    for first, last, value in asked:
        held = {v for (t, v), (end, _) in pairwise(spans) if t < last - 1e-6 and end > first + 1e-6}
        assert held == {value}
    assert {value for _, _, value in asked} >= {128, 4}, "both arms were seen"


def test_ticks_that_come_late_make_no_window_of_two_values(tmp_path: Path) -> None:
    """Between them the value may have changed and changed back."""
    world = ClassWorld(tmp_path, lease="60s")
    world.run(60)
    taken: list[tuple[float, float]] = []
    real = type(world.seat.adapter).idle

    def idle(window):  # type: ignore[no-untyped-def]
        taken.append((window.before.taken_ns / NS, window.after.taken_ns / NS))
        return real(world.seat.adapter, window)

    object.__setattr__(world.seat.adapter, "idle", idle)
    for _ in range(40):
        world.machine.advance(0.9)
        world.agent.tick()
    assert world.ruling is not None
    assert taken == []


def test_it_reacts_to_the_other_phase_with_another_commit(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path)
    world.run(120)
    world.machine.workload = "sequential"
    world.run(120)
    assert world.device.recommended is not None
    assert world.device.recommended > 128


def test_without_debugfs_the_class_files_say_the_same(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path, debugfs=False)
    world.run(120)
    assert (world.device.mode, world.device.recommended) == (Mode.RECOMMENDATION, 4)


def test_a_withdrawal_is_a_commit_of_the_baseline(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path)
    world.machine.rates = _traced
    world.run(120)
    world.model.score = lambda workload, value: -float(value != 128)
    world.run(20)
    assert world.device.commits[-1][1] == 128
    assert world.records("change")[-1]["why"] == "withdraw"
    assert (world.device.recommended, world.machine.value()) == (None, 128)
    assert world.device.trials["down"].mode is Mode.RECOMMENDATION
    assert "emergency" not in world.written("mode_limit")
    seen_s = (world.machine.now_ns - world.controller.watch.seen_ns) / NS
    assert seen_s < 2, "it goes on watching while the baseline is what is recommended"


def test_a_baseline_that_cannot_be_recommended_returns_through_mode_limit(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path)
    world.machine.rates = _traced
    world.run(60)
    world.device.paused_ns["up"] = 1 << 62
    world.model.score = lambda workload, value: -float(value != 128)
    world.run(10)
    assert world.written("mode_limit")[-2:] == ["emergency", "recommendation"]
    assert (world.device.recommended, world.machine.value()) == (None, 128)
    assert world.controller.stood_down == ""


def test_a_value_that_was_good_until_the_phase_changed_is_no_regression(tmp_path: Path) -> None:
    """At 4 KiB nothing but the kernel's trial sees the phase change, and stops it."""
    world = ClassWorld(tmp_path)
    world.run(120)
    world.machine.workload = "sequential"
    world.run(40)
    stopped = world.records("trial")[-1]
    assert (stopped["event"], stopped["remembered_s"]) == ("emergency", None)
    world.machine.workload = "random"
    world.run(150)
    assert world.device.commits[-1][1] < 128


def test_a_lease_longer_than_the_kernels_longest_is_renewed_by_the_kernels(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path, lease="1h")
    world.run(30)
    assert world.device.lease_ms == 600_000
    world.machine.workload = "idle"
    world.run(700)
    assert world.device.recommended is None
    assert "no gain" not in {each["event"] for each in world.records("trial")}
