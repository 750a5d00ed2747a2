"""The agent on a patched kernel: it recommends, renews, reads along and takes back."""

from __future__ import annotations

from itertools import pairwise
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
from tests.machine import NS, Rates, reads


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
    world.run(10)
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


def _traced(workload: str, value: int) -> Rates:
    return reads(workload, value, traced=True)


def _slightly_worse(workload: str, value: int) -> Rates:
    grown = dict(reads(workload, 128))
    grown["app.progress"] = 4e6 if value == 128 else 3.6e6
    return grown


@pytest.mark.parametrize("ceiling", ["learning", "collaboration"])
def test_the_policys_ceiling_is_the_kernels(tmp_path: Path, ceiling: str) -> None:
    world = ClassWorld(tmp_path, mode=ceiling)
    world.run(120)
    assert (str(world.device.limit), str(world.device.mode)) == (ceiling, ceiling)


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


def test_what_is_likely_but_not_sure_is_left_to_the_kernels_trial(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path)
    world.model.margin = 5.0
    world.run(60)
    first = next(each for each in world.records("decision") if each["action"] == "apply")
    assert (first["rule"], first["proposed"]) == ("try", 16)
    assert "the kernel tries it" in first["reason"]
    assert world.device.trials["down"].mode > Mode.LEARNING, "measured, so it stays"
    assert world.device.recommended is not None


def test_a_wrong_attempt_costs_three_slots_and_is_followed_by_few(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path)
    world.model.margin = 5.0
    world.model.score = lambda workload, value: float(value > 128)
    world.run(50)
    treated = [value for _, value in world.machine.spans if value > 128]
    attempts = {value for _, value in world.device.commits if value > 128}
    assert attempts == {512}, "the kernel's pause and the memory of it hold the others back"
    assert len(treated) <= 3 * 3, "each slot is seen in up to three pieces"
    assert world.records("trial")[0]["event"] == "emergency"


def test_a_stock_kernel_is_asked_for_no_attempt(tmp_path: Path) -> None:
    from tests.world import World

    world = World(tmp_path, start="learning", trust="measured", resolution_s=0.0)
    world.model.margin = 5.0
    world.run(60)
    assert "try" not in {each["rule"] for each in world.records("decision")}


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
