"""The check of a value that trust lets rule: one pair of slots, then its share or the baseline."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from mlproxy.knob import Unit
from mlproxy.mode import Mode
from mlproxy.objective import Guard, Objective
from mlproxy.ruling import NS, Ruling
from mlproxy.trial import Event, Judged
from tests.test_ruling import START, ruling


def checked(**changed: Any) -> Ruling:
    """A ruling that trust would let rule 7/8 of the time, of a value new to its phase."""
    return ruling(**{"mode": Mode.RECOMMENDATION, "seen": False, **changed})


def go(rule: Ruling, rates: dict[str, float], now_ns: int, seconds: float) -> list[Judged]:
    """Time passes under a progress that grows by the arm in force."""
    done, judged = 1e6, []
    for _ in range(round(seconds / 0.05)):
        done += rates[rule.arm] * 0.05
        now_ns += NS // 20
        found = rule.account(now_ns, {"progress": done})
        judged += [found] if found else []
    return judged


@pytest.mark.parametrize(
    ("changed", "checking"),
    [
        ({}, True),
        ({"seen": True}, False),
        ({"resolution_s": None}, False),
        ({"resolution_s": None, "trust": "model"}, False),
        ({"mode": Mode.COLLABORATION}, False),
        ({"mode": Mode.LEARNING}, False),
        ({"unit": Unit.EPISODE}, False),
    ],
)
def test_only_what_would_rule_most_of_the_time_and_can_be_measured_is_checked(
    changed: dict[str, Any], checking: bool
) -> None:
    rule = checked(**changed)
    assert rule.checking is checking
    assert not checking or rule.share == Fraction(1, 2)


def test_a_check_is_one_pair_and_its_slots_cover_the_settling() -> None:
    rule = checked()
    assert rule.plan is not None
    assert (rule.plan.slot_s, rule.plan.washout_s) == (2.0, 1.5)
    assert {rule.plan.at(0).arm, rule.plan.at(1).arm} == {"treated", "baseline"}
    go(rule, {"treated": 1000.0, "baseline": 1000.0}, START, 2.0)
    assert rule.checking
    go(rule, {"treated": 1000.0, "baseline": 1000.0}, START + 2 * NS, 2.1)
    assert (rule.checking, rule.passed, rule.share) == (False, True, Fraction(7, 8))


def test_either_arm_may_come_first_in_a_check() -> None:
    arms = [checked(number=number).arm for number in range(64)]
    assert 16 < arms.count("treated") < 48
    assert arms == [checked(number=number).arm for number in range(64)]


@pytest.mark.parametrize("number", range(4))
def test_a_check_that_is_clearly_lost_takes_the_value_back_after_one_pair(number: int) -> None:
    rule = checked(number=number)
    arms, judged = [], []
    for slot in range(3):
        arms.append(rule.arm)
        rates = {"treated": 400.0, "baseline": 1000.0}
        judged += go(rule, rates, START + 2 * slot * NS, 2.0)
    assert arms.count("treated") == 1
    assert arms[2] == "baseline", "what looks lost does not rule until it is known"
    assert [(each.event, each.state.losses) for each in judged] == [(Event.EMERGENCY, 1)]
    assert not rule.passed


@pytest.mark.parametrize("treated", [600.0, 1000.0, 9000.0])
def test_a_check_that_is_not_clearly_lost_is_over_at_once(treated: float) -> None:
    rule = checked()
    assert go(rule, {"treated": treated, "baseline": 1000.0}, START, 4.0) == []
    assert (rule.passed, rule.share, rule.state.mode) == (
        True,
        Fraction(7, 8),
        Mode.RECOMMENDATION,
    )


def test_an_application_that_stops_during_the_check_proves_nothing() -> None:
    number = next(n for n in range(64) if checked(number=n).arm == "baseline")
    rule = checked(number=number)
    go(rule, {"treated": 1000.0, "baseline": 1000.0}, START, 2.0)
    judged = go(rule, {"treated": 1.0, "baseline": 1.0}, START + 2 * NS, 4.0)
    assert [each.event for each in judged] == [None]
    assert (rule.checking, rule.passed) == (False, False)
    assert rule.share == Fraction(1, 2), "it goes on under the rules of a pair that looks bad"


def test_a_check_waits_until_a_pair_was_measured() -> None:
    rule = checked()
    for step in range(1, 100):
        rule.account(START + step * NS // 4, None)
    assert (rule.checking, rule.share) == (True, Fraction(1, 2))


def test_a_guard_that_is_hurt_loses_the_check() -> None:
    guard = Guard("write", 0.8, "the writer")
    rule = replace(checked(), objective=Objective("read", "reads", "reads", (guard,)))
    read, write, events = 0, 0, []
    for step in range(1, 121):
        read, write = read + 1000, write + (1 if rule.arm == "treated" else 500)
        judged = rule.account(START + step * NS // 20, {"read": read, "write": write})
        events += [judged.event] if judged else []
    assert events == [Event.EMERGENCY]


def test_a_shift_of_the_workload_ends_a_check_without_a_verdict() -> None:
    rule = checked()
    rule.drift(START + NS)
    assert (rule.checking, rule.passed, rule.share) == (False, False, Fraction(1, 2))
    judged = go(rule, {"treated": 400.0, "baseline": 1000.0}, START + NS, 7.0)
    assert judged[0].event is None, "one pair is no longer enough"
