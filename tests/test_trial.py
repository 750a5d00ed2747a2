"""The trial's rules one by one; the walks they make are enumerated in test_trial_walks."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlproxy.mode import Mode
from mlproxy.trial import (
    Event,
    Measure,
    Pair,
    Result,
    TrialState,
    classify,
    drifted,
    is_bad,
    judge,
    predicted_time_to_verdict_s,
    slots_per_pair,
)

SECOND = 1_000_000_000


def pair(treated: int, baseline: int, before: int | None = None, after: int | None = None) -> Pair:
    around = [None if events is None else Measure(events, SECOND) for events in (before, after)]
    return Pair(Measure(treated, SECOND), Measure(baseline, SECOND), *around)


WIN, LOSS, TIE, BAD = pair(150, 100), pair(100, 150), pair(100, 100), pair(100, 200)
VOID = pair(3, 2)


def play(
    state: TrialState, pairs: list[Pair], ceiling: Mode = Mode.RECOMMENDATION
) -> tuple[TrialState, list[Event]]:
    events = []
    for each in pairs:
        state, _, event = judge(state, each, ceiling)
        events += [event] if event else []
    return state, events


@pytest.mark.parametrize(
    ("each", "result"),
    [
        (pair(133, 128), Result.WIN),
        (pair(132, 128), Result.TIE),
        (pair(128, 132), Result.TIE),
        (pair(124, 128), Result.TIE),
        (pair(127, 123), Result.WIN),
        (pair(128, 133), Result.LOSE),
        (pair(15, 15), Result.VOID),
        (pair(16, 0), Result.WIN),
        (pair(0, 16), Result.LOSE),
        (pair(-1, 100), Result.VOID),
        (Pair(Measure(100, 0), Measure(100, SECOND)), Result.VOID),
        (Pair(Measure(100, SECOND), Measure(100, 2 * SECOND)), Result.WIN),
        (pair(150, 100, before=100, after=200), Result.WIN),
        (pair(150, 100, before=100, after=201), Result.VOID),
        (pair(150, 100, before=201, after=100), Result.VOID),
        (pair(150, 100, before=None, after=201), Result.WIN),
        (pair(150, 100, before=0, after=0), Result.WIN),
    ],
)
def test_classify(each: Pair, result: Result) -> None:
    assert classify(each) is result


def test_how_many_events_are_too_few_is_the_callers() -> None:
    assert classify(pair(15, 10), min_events=15) is Result.WIN


counts, spans = st.integers(0, 2**63), st.integers(1, 2**63)
measures = st.builds(Measure, counts, spans)
SWAPPED = {
    Result.WIN: Result.LOSE,
    Result.LOSE: Result.WIN,
    Result.TIE: Result.TIE,
    Result.VOID: Result.VOID,
}


@given(measures, measures, st.none() | measures, st.none() | measures)
def test_swapping_the_arms_swaps_the_result(
    one: Measure, other: Measure, before: Measure | None, after: Measure | None
) -> None:
    """What makes the sign of a neutral value a fair coin, void pairs included."""
    result = classify(Pair(one, other, before, after))
    assert classify(Pair(other, one, before, after)) is SWAPPED[result]
    assert classify(Pair(one, other, after, before)) is result


def test_learning_promotes_at_twelve_and_one_more_for_each_failure() -> None:
    assert play(TrialState(), [WIN] * 11)[1] == []
    state, events = play(TrialState(), [WIN] * 12)
    assert (events, state.mode, state.score) == ([Event.PROMOTED], Mode.COLLABORATION, 0)
    assert play(TrialState(k=2), [WIN] * 13)[1] == []
    assert play(TrialState(k=2), [WIN] * 14)[1] == [Event.PROMOTED]


def test_a_loss_weighs_two_wins_and_the_score_is_not_clamped_at_zero() -> None:
    state, _ = play(TrialState(), [LOSS, LOSS, WIN])
    assert state.score == -3


def test_learning_ends_without_gain_at_minus_six() -> None:
    state, events = play(TrialState(), [LOSS, LOSS, LOSS])
    assert (events, state.mode, state.score, state.k) == ([Event.NO_GAIN], Mode.LEARNING, 0, 1)
    assert Event.NO_GAIN.takes_back


def test_ties_and_void_pairs_move_nothing() -> None:
    state, events = play(TrialState(score=5), [TIE, VOID, TIE])
    assert (state.score, state.ties, state.void, state.pairs, events) == (5, 2, 1, 2, [])
    kept, _ = play(TrialState(Mode.COLLABORATION, strain=3), [TIE])
    assert kept.strain == 3


def test_trusted_falls_one_mode_at_eight() -> None:
    start = TrialState(Mode.RECOMMENDATION, halvings=2)
    assert play(start, [LOSS] * 7)[1] == []
    state, events = play(start, [LOSS] * 8)
    assert events == [Event.DEMOTED]
    assert (state.mode, state.strain, state.score, state.halvings) == (Mode.COLLABORATION, 0, 0, 0)
    assert not Event.DEMOTED.takes_back
    assert play(replace(state), [LOSS] * 8)[0].mode is Mode.LEARNING


def test_trusted_a_win_takes_two_back_and_the_floor_is_zero() -> None:
    state, _ = play(TrialState(Mode.COLLABORATION), [WIN, WIN, LOSS])
    assert state.strain == 1
    state, _ = play(TrialState(Mode.COLLABORATION, strain=5), [WIN])
    assert state.strain == 3


def test_two_pairs_in_a_row_at_least_twice_as_bad_are_an_emergency() -> None:
    for mode in (Mode.LEARNING, Mode.COLLABORATION, Mode.RECOMMENDATION):
        state, events = play(TrialState(mode, halvings=1), [BAD, VOID, BAD])
        assert events == [Event.EMERGENCY]
        assert state == replace(
            state, mode=Mode.EMERGENCY, k=1, bad=0, score=0, strain=0, halvings=0
        )
        assert state.share == 0
        assert play(TrialState(mode), [BAD, TIE, BAD])[0].mode is not Mode.EMERGENCY
    assert Event.EMERGENCY.takes_back


def test_just_under_twice_as_bad_is_not() -> None:
    assert is_bad(pair(100, 200))
    assert not is_bad(pair(101, 200))
    assert not is_bad(pair(0, 0))
    assert is_bad(Pair(Measure(0, 1), Measure(1, 1)))
    assert play(TrialState(), [pair(101, 200)] * 2)[1] == []


def test_where_one_strike_is_enough_one_bad_pair_is_an_emergency() -> None:
    start = TrialState(Mode.RECOMMENDATION)
    state, result, event = judge(start, BAD, strikes=1)
    assert (state.mode, state.k, result, event) == (Mode.EMERGENCY, 1, Result.LOSE, Event.EMERGENCY)
    assert judge(start, LOSS, strikes=1).event is None
    assert judge(start, VOID, strikes=1).event is None


def test_an_emergency_judges_nothing() -> None:
    stopped = TrialState(Mode.EMERGENCY, k=1)
    assert judge(stopped, WIN) == (stopped, Result.UNTESTED, None)


def test_no_mode_rises_above_the_ceiling() -> None:
    state, events = play(TrialState(), [WIN] * 12, ceiling=Mode.LEARNING)
    assert (state.mode, state.score, events) == (Mode.LEARNING, 0, [])


def test_the_baseline_share_falls_by_halves_and_returns_to_one_half_on_drift() -> None:
    state = TrialState(Mode.RECOMMENDATION)
    baseline = [1 - state.share]
    for _ in range(4):
        state, events = play(state, [WIN] * 12)
        baseline += [1 - state.share]
    assert baseline == [Fraction(1, n) for n in (8, 16, 32, 64, 64)]
    assert events == []
    state = drifted(replace(state, score=5))
    assert (state.mode, state.share) == (Mode.RECOMMENDATION, Fraction(1, 2))
    assert state.score == 0
    state, events = play(state, [WIN] * 12)
    assert (events, state.share) == ([Event.PROVEN], Fraction(3, 4))


def test_drift_does_not_touch_the_lower_modes() -> None:
    assert drifted(TrialState(Mode.LEARNING, score=4)) == TrialState(Mode.LEARNING, score=4)


def test_the_share_is_the_modes() -> None:
    assert [TrialState(mode).share for mode in Mode] == [mode.share for mode in Mode]


def test_without_a_judged_pair_a_trial_is_untested() -> None:
    assert TrialState(void=9).result is Result.UNTESTED
    assert TrialState().gain is None


@pytest.mark.parametrize(("each", "result"), [(WIN, "win"), (LOSS, "lose"), (TIE, "tie")])
def test_the_result_of_a_trial(each: Pair, result: str) -> None:
    assert play(TrialState(Mode.COLLABORATION), [each] * 6)[0].result == result


def test_sums_follow_the_log_ratio() -> None:
    state, _ = play(TrialState(), [pair(200, 100), pair(400, 100), pair(100, 200)])
    assert (state.log_sum, state.log_squares) == (256 * 2, 256**2 * (1 + 4 + 1))
    state, _ = play(TrialState(), [pair(2**62, 0)])
    assert state.log_sum == 16 * 256


def test_slots_per_pair() -> None:
    shares = [Fraction(1, 8), Fraction(1, 2), Fraction(7, 8), Fraction(63, 64)]
    assert [slots_per_pair(share) for share in shares] == [8, 2, 8, 64]
    for share in (Fraction(0), Fraction(1)):
        with pytest.raises(ValueError, match="has no pairs"):
            slots_per_pair(share)


def test_predicted_time_to_verdict() -> None:
    assert predicted_time_to_verdict_s(Fraction(1, 8), 0.25, 0.0, TrialState()) == 18 * 8 * 0.25
    slow = predicted_time_to_verdict_s(Fraction(1, 2), 0.25, 1.5, TrialState(k=1, score=6))
    assert slow == 10 * 2 * 2.0
    assert predicted_time_to_verdict_s(Fraction(0), 0.25, 0.0, TrialState()) == math.inf
