"""Judgement: what the gate is told, what follows from its verdict, what trials teach."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlproxy.controller import Controller
from mlproxy.decide import Answer, Prediction
from mlproxy.gain import LOG_UNIT
from mlproxy.judgement import Judgement
from mlproxy.knob import Unit
from mlproxy.mode import Mode
from mlproxy.recommendation import Recommendation
from mlproxy.trial import Event, Judged, Result, TrialState
from mlproxy.trust import Key, Trust, TrustStore, identity_key
from mlproxy.verdict import Verdict
from mlproxy_iosched import IoschedAdapter
from mlproxy_readahead.features import ReadaheadFeatures
from tests.faults import IOSCHED, READAHEAD
from tests.world import make_policy, make_seat

NOW = 10**12
APPLY = Verdict("apply", "gain", "")
REC = Recommendation(
    "id", READAHEAD.id, "sda", "read_ahead_kb", 128, 4, 128, 1.0, 0.9, 0.0, 0.9, "", "m", 0.1
)
FEATURES = ReadaheadFeatures(
    read_kb_per_request=128,
    window_share=1,
    read_wait_ms=3,
    read_depth=1,
    read_mb_s=36,
    utilisation=1,
    merged_share=0,
    write_share=0,
)
KEY = Key(identity_key(READAHEAD), "m", "read_ahead_kb", "down")


def court(folder: Path, resolution_s: float | None = 0.0) -> Judgement:
    known = {} if resolution_s is None else {READAHEAD.id: resolution_s, IOSCHED.id: resolution_s}
    return Judgement(TrustStore.load(folder / "trust.json"), known)


def controller(**policy: Any) -> Controller:
    return Controller(make_seat(make_policy(**policy)), None, NOW)


def answer(rec: Recommendation = REC, values: tuple[int, ...] = (4, 16, 128)) -> Answer:
    predictions = tuple(Prediction("read_ahead_kb", v, 0.5, 0.4) for v in values)
    return Answer(rec, predictions, FEATURES, {}, {})


def test_a_step_that_is_too_large_becomes_the_nearest_that_is_not(tmp_path: Path) -> None:
    judge, one = court(tmp_path), controller(trust="measured", start="learning")
    rec, verdict = judge.verdict(one, answer(), NOW, "")
    assert (rec.proposed, rec.gain_log, verdict.action) == (16, 0.5, "apply")


def test_where_no_candidate_is_near_enough_it_is_held(tmp_path: Path) -> None:
    judge, one = court(tmp_path), controller(trust="measured", start="learning")
    rec, verdict = judge.verdict(one, answer(values=(4, 128)), NOW, "")
    assert (rec, verdict.rule) == (REC, "max-step")


@pytest.mark.parametrize(
    ("policy", "resolution_s", "trusted"),
    [
        ({"trust": "model"}, None, True),
        ({"trust": "model", "start": "learning"}, None, True),
        ({"trust": "measured", "start": "recommendation"}, None, False),
        ({"trust": "measured", "start": "recommendation"}, 0.0, True),
        ({"trust": "measured", "start": "learning"}, 0.0, False),
    ],
)
def test_max_step_binds_until_the_direction_is_trusted(
    tmp_path: Path, policy: dict[str, str], resolution_s: float | None, trusted: bool
) -> None:
    rec, _ = court(tmp_path, resolution_s).verdict(controller(**policy), answer(), NOW, "")
    assert (rec.proposed == 4) is trusted


def test_trust_in_lowering_says_nothing_of_raising(tmp_path: Path) -> None:
    judge, one = court(tmp_path), controller(trust="measured", start="learning")
    judge._trust.put(KEY, Trust(Mode.RECOMMENDATION))
    assert judge.verdict(one, answer(), NOW, "")[0].proposed == 4
    raised = replace(REC, proposed=8192)
    values = (128, 512, 8192)
    assert judge.verdict(one, answer(raised, values), NOW, "")[0].proposed == 512


def test_the_gate_is_told_of_pause_pressure_age_and_dwell(tmp_path: Path) -> None:
    judge = court(tmp_path)
    assert judge.verdict(controller(), answer(), NOW, "by me")[1].rule == "paused"
    assert judge.verdict(controller(), answer(), NOW + 4 * 10**9, "")[1].rule == "stale"
    one = controller()
    one.changed_ns = NOW - 10**9
    one.watch.phase_ns = NOW - 2 * 10**9
    assert judge.verdict(one, answer(), NOW, "")[1].rule == "dwell"
    one.watch.phase_ns = NOW
    assert judge.verdict(one, answer(), NOW, "")[1].rule == "gain"
    limited = controller(gate={"max_memory_pressure": "10%"})
    assert judge.verdict(limited, answer(), NOW, "")[1].rule == "memory-pressure"


def test_only_an_applied_recommendation_rules(tmp_path: Path) -> None:
    judge, one = court(tmp_path), controller()
    judge.enforce(one, REC, Verdict("hold", "dwell", ""), NOW)
    assert one.ruling is None
    judge.enforce(one, REC, APPLY, NOW)
    assert one.ruling is not None
    assert one.ruling.treated == {"read_ahead_kb": 4}
    judge.enforce(one, replace(REC, current=4, proposed=128), APPLY, NOW)
    assert one.ruling is None


def test_a_second_knob_joins_the_first_and_the_slowest_sets_the_pace(tmp_path: Path) -> None:
    baseline = {"scheduler": "none", "nr_requests": 64, "wbt_lat_usec": 2000}
    rules = make_policy("iosched", trust="measured")
    seat = make_seat(rules, None, baseline, IoschedAdapter(), IOSCHED)
    one, judge = Controller(seat, None, NOW), court(tmp_path)
    first = replace(REC, proxy=IOSCHED.id, knob="scheduler", proposed="kyber", baseline="none")
    judge.enforce(one, first, APPLY, NOW)
    second = replace(first, knob="nr_requests", current=64, proposed=8, baseline=64)
    judge.enforce(one, second, APPLY, NOW)
    ruling = one.ruling
    assert ruling is not None
    assert ruling.treated == {"scheduler": "kyber", "nr_requests": 8}
    assert seat.adapter.knob("scheduler").trial is Unit.EPISODE
    assert ruling.plan is not None
    assert ruling.plan.slot_s >= 30


def test_each_ruling_draws_its_slots_anew_from_the_policys_seed(tmp_path: Path) -> None:
    judge, one = court(tmp_path), controller(trust="measured", trial={"seed": 7})
    seeds = []
    for _ in range(3):
        judge.enforce(one, REC, APPLY, NOW)
        assert one.ruling is not None
        assert one.ruling.plan is not None
        seeds.append(one.ruling.plan.seed)
    assert seeds == [7, 8, 9]


def judged(event: Event | None, mode: Mode = Mode.COLLABORATION, k: int = 0) -> Judged:
    state = TrialState(mode, k=k, wins=2, log_sum=2 * LOG_UNIT, log_squares=2 * LOG_UNIT**2)
    return Judged(state, Result.WIN, event)


def test_a_promotion_is_kept_for_the_next_start(tmp_path: Path) -> None:
    judge, one = court(tmp_path), controller(trust="measured", start="learning")
    judge.enforce(one, REC, APPLY, NOW)
    assert judge.learn(one, judged(None)) is None
    assert judge._trust.get(KEY) is None
    assert judge.learn(one, judged(Event.PROMOTED, k=1)) is None
    again = court(tmp_path)
    again.enforce(one, REC, APPLY, NOW)
    assert one.ruling is not None
    assert (one.ruling.state.mode, one.ruling.state.k) == (Mode.COLLABORATION, 1)
    kept = again._trust.get(KEY)
    assert kept is not None
    assert kept.gain == pytest.approx(1.0)


def test_trust_earned_never_exceeds_the_policys_ceiling(tmp_path: Path) -> None:
    judge = court(tmp_path)
    judge._trust.put(KEY, Trust(Mode.RECOMMENDATION))
    one = controller(trust="measured", start="learning", mode="collaboration")
    judge.enforce(one, REC, APPLY, NOW)
    assert one.ruling is not None
    assert one.ruling.state.mode is Mode.COLLABORATION


def test_trust_that_nothing_can_measure_any_more_does_not_count(tmp_path: Path) -> None:
    judge = court(tmp_path, None)
    judge._trust.put(KEY, Trust(Mode.RECOMMENDATION))
    one = controller(trust="measured", start="learning")
    judge.enforce(one, REC, APPLY, NOW)
    assert one.ruling is not None
    assert one.ruling.state.mode is Mode.LEARNING


@pytest.mark.parametrize("event", [Event.NO_GAIN, Event.EMERGENCY])
def test_a_regression_is_taken_back_remembered_and_refused(tmp_path: Path, event: Event) -> None:
    judge, one = court(tmp_path), controller()
    judge.enforce(one, REC, APPLY, NOW)
    left_s = judge.learn(one, judged(event))
    assert left_s == 600.0
    assert one.ruling is None
    rec, verdict = judge.verdict(one, answer(), NOW, "")
    assert (rec.proposed, verdict.rule) == (4, "regression")
    assert judge.learn(one, judged(event)) is None, "there is nothing left to take back"


BASELINE = {"scheduler": "none", "nr_requests": 64, "wbt_lat_usec": 2000}
SCHEDULER = replace(
    REC, proxy=IOSCHED.id, knob="scheduler", current="none", proposed="mq-deadline", baseline="none"
)
DEPTH = replace(REC, proxy=IOSCHED.id, knob="nr_requests", current=64, proposed=8, baseline=64)


def both_rule(judge: Judgement) -> Controller:
    """A queue of which two knobs are held away from their baselines."""
    rules = make_policy("iosched", trust="measured")
    one = Controller(make_seat(rules, None, BASELINE, IoschedAdapter(), IOSCHED), None, NOW)
    judge.enforce(one, DEPTH, APPLY, NOW)
    judge.enforce(one, SCHEDULER, APPLY, NOW)
    return one


def test_what_is_left_when_one_of_two_knobs_goes_back_is_on_trial_itself(tmp_path: Path) -> None:
    judge = court(tmp_path)
    one = both_rule(judge)
    back = replace(SCHEDULER, current="mq-deadline", proposed="none")
    judge.enforce(one, back, APPLY, NOW)
    assert one.ruling is not None
    assert one.ruling.treated == {"nr_requests": 8}
    judge.learn(one, judged(Event.EMERGENCY))
    proxy = identity_key(IOSCHED)
    (lost,) = judge._trust.regressions(proxy, "nr_requests")
    assert (lost.value, lost.direction) == (8, "down")
    assert judge._trust.regressions(proxy, "scheduler") == ()


def test_what_two_knobs_earn_together_is_credited_to_neither(tmp_path: Path) -> None:
    judge = court(tmp_path)
    one = both_rule(judge)
    judge.learn(one, judged(Event.PROMOTED))
    assert judge._trust._trust == {}
