"""Exploration: now and then, while nothing is trusted yet, another safe candidate is tried.

A log of what a model chose for itself teaches only what it believed. So a small, stated share of
its proposals in learning mode is drawn evenly from all candidates against which the gate has
nothing but that no gain is sure; how likely each was is logged, so that training can make up for
it. A trial judges them like any other, at the share of learning mode.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from mlproxy.attempt import UNSURE
from mlproxy.controller import Controller
from mlproxy.decide import Answer, Prediction
from mlproxy.dwell import since_change_s
from mlproxy.gate import gate
from mlproxy.knob import Unit
from mlproxy.look import LOSS_LOG
from mlproxy.mode import Mode
from mlproxy.recommendation import Recommendation
from mlproxy.ruling import NS, Ruling
from mlproxy.units import format_gain
from mlproxy.verdict import History, Verdict

AGAIN_S = 60.0
"""A phase that goes on is drawn for so often."""

ENOUGH_PAIRS = 8
"""What was drawn is not given up for what the model prefers before so many pairs ..."""

LONGEST_S = 600.0
"""... or this time; nor kept longer if it gained nothing."""

Found = tuple[Recommendation, Verdict]
Recall = Callable[[Recommendation], History]
"""What the gate must know about a recommendation."""


class Explorer:
    """Draws for all proxies; each has a generator of its own, seeded by its policy's trial."""

    def __init__(self) -> None:
        self._chance: dict[str, random.Random] = {}
        self._drawn_ns: dict[str, int] = {}

    def consider(
        self, controller: Controller, answer: Answer, found: Found, recall: Recall, now_ns: int
    ) -> Found:
        """What to propose instead of `found`, or that again with its propensity.

        Only what a trial will measure is drawn for.
        """
        ruling = controller.ruling
        if ruling is not None and ruling.recommendation.explored:
            return _protected(ruling, found, since_change_s(controller, now_ns))
        share = controller.seat.policy.explore
        if not share or ruling is not None or not self._is_time(controller, found, recall, now_ns):
            return found
        proxy = controller.seat.proxy.id
        self._drawn_ns[proxy] = now_ns
        options = [
            (rec, verdict)
            for option in answer.predictions
            if (rec := _wanted(found[0], option)) is not None
            and _is_safe(option, verdict := gate(rec, controller.seat.policy, recall(rec)))
        ]
        return self._draw(controller, found, options, share)

    def _is_time(self, controller: Controller, found: Found, recall: Recall, now_ns: int) -> bool:
        rec, verdict = found
        if verdict.action != "apply" and verdict.rule not in UNSURE:
            return False
        if verdict.rule == "withdraw" or controller.look is not None:
            return False
        if controller.seat.proxy.lease or recall(rec).mode is not Mode.LEARNING:
            return False
        drawn_ns = self._drawn_ns.get(controller.seat.proxy.id)
        fresh = drawn_ns is None or controller.watch.phase_ns > drawn_ns
        return fresh or now_ns - (drawn_ns or 0) >= AGAIN_S * NS

    def _draw(
        self, controller: Controller, found: Found, options: Sequence[Found], share: float
    ) -> Found:
        own = found[0].proposed, found[0].knob
        safe = [each for each in options if _has_slots(controller, each[0])]
        if not safe:
            return found
        proxy, seed = controller.seat.proxy.id, controller.seat.policy.trial.seed
        chance = self._chance.setdefault(proxy, random.Random(f"explore/{seed}/{proxy}"))
        drawn = chance.random() < share
        rec, verdict = safe[chance.randrange(len(safe))] if drawn else found
        likely = share / len(safe) if (rec.proposed, rec.knob) in map(_choice, safe) else 0.0
        if (rec.proposed, rec.knob) == own:
            likely += 1.0 - share
        rec = replace(rec, explored=drawn, propensity=likely)
        return (rec, _why(rec)) if drawn else (rec, verdict)


def _choice(found: Found) -> tuple[object, str]:
    return found[0].proposed, found[0].knob


def _wanted(rec: Recommendation, option: Prediction) -> Recommendation | None:
    """The same of another candidate of the same knob, if it is a change."""
    if option.knob != rec.knob or option.value == rec.current:
        return None
    return replace(rec, proposed=option.value, gain_log=option.gain_log, lower_log=option.lower_log)


def _is_safe(option: Prediction, verdict: Verdict) -> bool:
    """Nothing against it but that no gain is sure, and no loss is likely."""
    allowed = verdict.rule in ("gain", *UNSURE)
    return allowed and option.gain_log >= -LOSS_LOG and option.upper_log >= 0.0


def _has_slots(controller: Controller, rec: Recommendation) -> bool:
    return controller.seat.adapter.knob(rec.knob).trial is not Unit.LEASE


def _why(rec: Recommendation) -> Verdict:
    reason = (
        f"{rec.knob} {rec.current} to {rec.proposed} is tried to learn from it: "
        f"{format_gain(rec.gain)} is likely, {format_gain(rec.lower)} is sure"
    )
    return Verdict("apply", "explore", reason)


def _protected(ruling: Ruling, found: Found, age_s: float) -> Found:
    """What was drawn is measured first; once that is done it stays only if it gains."""
    rec, verdict = found
    state, tried = ruling.state, ruling.recommendation
    over = state.pairs >= ENOUGH_PAIRS or age_s >= LONGEST_S
    what = f"{tried.knob} {tried.proposed}"
    if not over and verdict.rule in ("gain", "min-gain"):
        return rec, Verdict("hold", "explore", f"{what} is being tried to learn from it")
    if over and verdict.action == "hold" and state.mode is Mode.LEARNING and state.score <= 0:
        reason = f"{what} was tried in {state.pairs} pairs and gained nothing"
        return rec, Verdict("refuse", "explore", reason)
    return found
