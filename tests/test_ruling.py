"""A ruling: slots, washout, lease, and what a late wake-up does to them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlproxy.knob import Unit
from mlproxy.mode import Mode
from mlproxy.recommendation import Recommendation
from mlproxy.ruling import EPISODE_S, NS, Ruling, open_ruling
from mlproxy.trial import Event, Judged, TrialState
from mlproxy_readahead import ReadaheadAdapter
from mlproxy_readahead.adapter import READ_AHEAD_KB
from tests.world import make_policy

REC = Recommendation(
    "id", "readahead.8:0", "sda", "read_ahead_kb", 128, 4, 128, 1.0, 0.9, 0.0, 0.9, "", "m", 0.1
)
START = 50 * NS


def ruling(
    mode: Mode = Mode.COLLABORATION,
    resolution_s: float | None = 0.0,
    settle_s: float = 1.5,
    unit: Unit = Unit.SLOT,
    seen: bool = True,
    number: int = 0,
    **policy: Any,
) -> Ruling:
    rules = make_policy(**{"trust": "measured", **policy})
    return open_ruling(
        REC,
        {"read_ahead_kb": 4},
        rules,
        ReadaheadAdapter.objective,
        TrialState(mode=mode),
        replace(READ_AHEAD_KB, settle_s=settle_s, trial=unit),
        resolution_s,
        START,
        seen=seen,
        number=number,
    )


def play(rule: Ruling, rates: dict[str, float], slots: int, step_s: float = 0.05) -> list[Judged]:
    """Slots under a progress that grows by the arm in force."""
    assert rule.plan is not None
    now_ns, done, judged = rule.started_ns, 0.0, []
    for _ in range(round(slots * rule.plan.slot_s / step_s)):
        done += rates[rule.arm] * step_s
        now_ns += round(step_s * NS)
        found = rule.account(now_ns, {"progress": done})
        if found is not None:
            judged.append(found)
    return judged


def test_with_a_model_that_is_trusted_and_nothing_to_measure_it_rules_in_full() -> None:
    full = ruling(Mode.RECOMMENDATION, None, trust="model")
    assert full.plan is None
    assert (full.share, full.arm, full.slot) == (Fraction(1), "treated", None)
    assert full.slot_end_ns is None
    assert full.washout_end_ns is None
    assert full.account(START + NS, {"progress": 1.0}) is None
    full.resume(START)
    full.drift(START)
    assert full.plan is None


@pytest.mark.parametrize("mode", [Mode.LEARNING, Mode.COLLABORATION])
def test_what_is_only_measured_or_only_learning_gets_slots(mode: Mode) -> None:
    assert ruling(mode, 0.0).plan is not None
    assert ruling(Mode.LEARNING, None, trust="model").plan is not None


def test_the_knobs_settling_makes_the_slot_unless_the_policy_says_one() -> None:
    plan = ruling(settle_s=1.5).plan
    assert plan is not None
    assert (plan.slot_s, plan.washout_s) == (2.0, 1.5)
    plan = ruling(settle_s=1.5, trial={"slot": "250ms"}).plan
    assert plan is not None
    assert (plan.slot_s, plan.washout_s) == (0.25, 0.0625)


def test_an_effect_that_outlives_a_slot_is_judged_over_episodes() -> None:
    plan = ruling(unit=Unit.EPISODE).plan
    assert plan is not None
    assert plan.slot_s >= EPISODE_S


def test_only_what_is_past_the_washout_counts() -> None:
    rule = ruling()
    assert rule.washout_end_ns == START + round(1.5 * NS)
    assert rule.slot_end_ns == START + 2 * NS
    rule.account(START + NS, {"progress": 1e9})
    assert rule._counted_from is None
    rule.account(START + round(1.5 * NS), {"progress": 2e9})
    assert rule._counted_from is not None


def test_a_better_value_wins_and_is_promoted_after_twelve() -> None:
    rule = ruling(Mode.LEARNING)
    judged = play(rule, {"treated": 3000.0, "baseline": 1000.0}, 200)
    events = [each.event for each in judged if each.event]
    assert events[0] is Event.PROMOTED
    assert rule.state.losses == 0
    gain = rule.state.gain
    assert gain is not None
    assert gain.mean == pytest.approx(2.0, abs=0.02)
    assert rule.share > Fraction(1, 8)


def test_a_value_at_least_twice_as_bad_is_an_emergency_after_two_pairs() -> None:
    judged = play(ruling(), {"treated": 100.0, "baseline": 1000.0}, 40)
    found = next(each for each in judged if each.event)
    assert found.event is Event.EMERGENCY
    assert found.state.losses == 2


def test_a_win_renews_the_lease_and_a_loss_does_not() -> None:
    for treated, renewed in ((900.0, False), (3000.0, True)):
        rule = ruling(trial={"slot": "250ms"}, lease="2s")
        before = rule.lease_until_ns
        play(rule, {"treated": treated, "baseline": 1000.0}, 12)
        assert rule.state.pairs > 2
        assert (rule.lease_until_ns > before) is renewed


def test_a_lease_lapses_and_renews() -> None:
    rule = ruling(lease="10s")
    assert not rule.lapsed(START + 10 * NS - 1)
    assert rule.lapsed(START + 10 * NS)
    rule.renew(START + 5 * NS)
    assert not rule.lapsed(START + 15 * NS - 1)


def test_without_progress_nothing_is_judged() -> None:
    rule = ruling(resolution_s=None)
    assert rule.plan is not None
    assert not rule.measurable
    assert play(rule, {"treated": 9.0, "baseline": 1.0}, 100) == []


def test_progress_that_cannot_be_read_judges_nothing() -> None:
    rule = ruling()
    for step in range(1, 400):
        assert rule.account(START + step * NS // 4, None) is None
    assert rule.state.pairs == 0


def test_an_interrupted_slot_counts_for_nothing_and_starts_anew() -> None:
    rule = ruling()
    rule.account(START + round(1.6 * NS), {"progress": 0.0})
    assert rule._counted_from is not None
    rule.interrupt()
    later = START + 5 * NS
    rule.resume(later)
    assert rule._counted_from is None
    assert rule.washout_end_ns == later + round(1.5 * NS)
    assert rule.slot_end_ns == later + 2 * NS


@given(
    st.floats(0.001, 50.0),
    st.sampled_from([0.25, 0.3, 0.7, 1.1, 2.0]),
    st.lists(st.floats(0.001, 9.0), max_size=30),
)
def test_after_any_wake_up_the_running_slot_is_not_over(
    first_s: float, slot_s: float, steps: list[float]
) -> None:
    rule = ruling(trial={"slot": f"{round(slot_s * 1000)}ms"})
    now_ns, last = START, -1
    for step_s in [first_s, *steps]:
        now_ns += round(step_s * NS)
        rule.account(now_ns, {"progress": 0.0})
        end_ns = rule.slot_end_ns
        assert end_ns is not None
        assert now_ns < end_ns <= now_ns + round(slot_s * NS) + 1
        assert rule._index >= last
        last = rule._index


def test_a_slot_that_ends_on_the_nanosecond_is_over_once() -> None:
    rule = ruling(trial={"slot": "300ms"})
    for number in range(1, 1000):
        end_ns = rule.slot_end_ns
        assert end_ns is not None
        rule.account(end_ns, {"progress": 0.0})
        assert rule._index == number


def test_drift_gives_the_baseline_half_of_the_time_again() -> None:
    rule = ruling(Mode.RECOMMENDATION)
    assert rule.share == Fraction(7, 8)
    rule.drift(START + 7 * NS)
    assert rule.share == Fraction(1, 2)
    assert rule.slot_end_ns == START + 9 * NS
    rule.drift(START + 8 * NS)
    assert rule.slot_end_ns == START + 9 * NS, "the plan is not begun anew without need"
