"""A ruling: a recommendation in force, its lease, and the slots that put it to the test."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction

from mlproxy.attempt import UNSURE
from mlproxy.gain import Gain
from mlproxy.knob import Knob, Unit, Value
from mlproxy.mode import Mode
from mlproxy.objective import Objective
from mlproxy.policy import Policy
from mlproxy.reading import Progress, reading, weighed
from mlproxy.recommendation import Recommendation
from mlproxy.slots import Arm, Pairing, Slot, SlotPlan, make_plan
from mlproxy.trial import (
    BAD_IN_A_ROW,
    Event,
    Judged,
    Measure,
    Pair,
    Result,
    TrialState,
    drifted,
    is_bad,
    judge,
)
from mlproxy.verdict import Verdict

NS = 1_000_000_000

EPISODE_S = 30.0
"""Shortest time that a value is kept whose effect outlives a slot, or whose change is dear."""

CHECK_SHARE = Fraction(1, 2)
"""Of a check: its two slots are a pair at once, in either order."""

NEIGHBOUR = Slot("baseline", None, measured=True)
"""Follows a check that looks lost, so that the next slot settles it."""


@dataclass
class Ruling:
    """What one recommendation may do now.

    Args:
        treated: the knobs that it holds away from their baselines, its own among them.
        state: mode and score; its share is the part of time in which it rules.
        plan: the slot schedule; None holds the value in full.
        measurable: a progress source judges the slots; otherwise they are untested.
        checking: the first pair of slots is under way, before the share that `state` has
            earned begins: a pair that is clearly lost takes the value back.
        passed: that pair was measured and did not look lost.
        objection: the guard that failed, in words; "" while none did.
        refused: the gate's last word was against it, so that nothing else renews it.
    """

    recommendation: Recommendation
    treated: dict[str, Value]
    policy: Policy
    objective: Objective
    state: TrialState
    plan: SlotPlan | None
    measurable: bool
    lease_until_ns: int
    started_ns: int
    checking: bool = False
    passed: bool = False
    objection: str = ""
    refused: bool = False
    pairing: Pairing = field(default_factory=Pairing)
    _index: int = 0
    _counted_from: tuple[int, Progress] | None = None

    @property
    def share(self) -> Fraction:
        """Share of time in which the value rules."""
        return self.plan.share if self.plan else Fraction(1)

    @property
    def in_slots(self) -> bool:
        """True while its values and the baseline take turns."""
        return self.plan is not None

    @property
    def slot_s(self) -> float | None:
        """Length of a slot; None in full hold."""
        return self.plan.slot_s if self.plan else None

    @property
    def gain(self) -> Gain | None:
        """What its trial measured so far; None without a pair."""
        return self.state.gain

    @property
    def slot(self) -> Slot | None:
        """The slot that is running; None in full hold."""
        if self.checking and self._is_suspect():
            return NEIGHBOUR
        return self.plan.at(self._index) if self.plan else None

    @property
    def arm(self) -> Arm:
        """Whose value is in force."""
        slot = self.slot
        return slot.arm if slot else "treated"

    @property
    def slot_end_ns(self) -> int | None:
        """When the running slot is over."""
        if self.plan is None:
            return None
        return self.started_ns + round((self._index + 1) * self.plan.slot_s * NS)

    @property
    def washout_end_ns(self) -> int | None:
        """From when on the running slot counts."""
        if self.plan is None:
            return None
        begun = self.started_ns + round(self._index * self.plan.slot_s * NS)
        return begun + round(self.plan.washout_s * NS)

    def moments_ns(self, now_ns: int) -> list[int]:
        """The ends of washout and slot that are still to come."""
        ends = (self.washout_end_ns, self.slot_end_ns)
        return [end for end in ends if end is not None and end > now_ns]

    def conclude(self, verdict: Verdict, now_ns: int) -> None:
        """The gate has spoken: a hold confirms the recommendation; a refusal is not overruled by
        what slots measure, unless only another value is not sure enough."""
        self.refused = verdict.action == "refuse" and verdict.rule not in UNSURE
        if verdict.action == "hold":
            self.renew(now_ns)

    def renew(self, now_ns: int) -> None:
        """The recommendation was confirmed: its lease starts anew."""
        self.lease_until_ns = now_ns + round(self.policy.lease_s * NS)

    def lapsed(self, now_ns: int) -> bool:
        """True when nothing confirmed it for a whole lease."""
        return now_ns >= self.lease_until_ns

    def drift(self, now_ns: int) -> None:
        """The workload changed: more baseline until it is clear. Nobody recommended the value
        for the new phase yet, so a pair that is lost there is no lost check."""
        share = self.share
        self.state = drifted(self.state)
        self.checking = self.passed = False
        if self.plan is not None and self.state.share != share:
            self._new_plan(now_ns)
            self._index = 0

    def fail(self, objection: str) -> Judged:
        """A guard failed where no slots judge: it has to give way."""
        self.objection = objection
        return Judged(self.state, Result.LOSE, Event.GUARD)

    def interrupt(self) -> None:
        """Something else is in force for a while: the running slot measures nothing."""
        self._counted_from = None

    def resume(self, now_ns: int) -> None:
        """Its own values are in force again: the slot that was interrupted starts anew."""
        if self.plan is not None:
            self.started_ns = now_ns - round(self._index * self.plan.slot_s * NS)

    def account(self, now_ns: int, progress: Progress | None) -> Judged | None:
        """Take the progress of now in; at a slot's end, what the trial says of its pair."""
        end_ns, washout_ns = self.slot_end_ns, self.washout_end_ns
        if end_ns is None or washout_ns is None or self.plan is None:
            return None
        if now_ns < end_ns:
            if now_ns >= washout_ns and self._counted_from is None and progress is not None:
                self._counted_from = (now_ns, progress)
            return None
        judged = self._close(now_ns, progress)
        late_s = (now_ns - self.started_ns) / NS
        self._index = max(self._index + 1, self.plan.index(late_s))
        self._counted_from = None
        return judged

    def _close(self, now_ns: int, progress: Progress | None) -> Judged | None:
        slot = self.slot
        if slot is None or not self.measurable:
            return None
        pair = self.pairing.add(slot, self._measure(now_ns, progress))
        if pair is None:
            self._heed(now_ns)
            return None
        strikes = 1 if self.checking and self._is_clear(pair) else BAD_IN_A_ROW
        seen = weighed(pair, self.objective)
        judged = judge(self.state, seen, self.policy.mode, strikes=strikes)
        self.state, self.checking = judged.state, False
        if judged.result is Result.WIN and not self.refused:
            self.renew(now_ns)
        self._follow(now_ns)
        return judged

    def _heed(self, now_ns: int) -> None:
        """A pair that looks bad waits for its neighbour: let that come soon. Any other pair
        ends a check."""
        if self._is_suspect():
            self.state = drifted(self.state)
        elif self.checking and self.pairing.waiting is not None:
            self.checking, self.passed = False, True
        self._follow(now_ns)

    def _is_suspect(self) -> bool:
        waiting = self.pairing.waiting
        return waiting is not None and is_bad(weighed(waiting, self.objective))

    def _is_clear(self, pair: Pair) -> bool:
        """True when the slot after a pair that looks bad says the same: one pair alone may
        have met an application that stopped."""
        if pair.after is None:
            return False
        return is_bad(weighed(replace(pair, baseline=pair.after), self.objective))

    def _follow(self, now_ns: int) -> None:
        """Once nothing is left to check, the slots have the share that the state has earned."""
        if not self.checking and self.state.share != self.share:
            self._new_plan(now_ns)

    def _measure(self, now_ns: int, progress: Progress | None) -> Measure | None:
        if self._counted_from is None or progress is None:
            return None
        since_ns, before = self._counted_from
        return reading(before, progress, now_ns - since_ns)

    def _new_plan(self, now_ns: int) -> None:
        assert self.plan is not None
        share = self.state.share
        self.plan = SlotPlan(share, self.plan.seed, self.plan.slot_s, self.plan.washout_s)
        self.pairing.new_plan()
        self.started_ns, self._index, self._counted_from = now_ns, -1, None


def open_ruling(
    recommendation: Recommendation,
    treated: dict[str, Value],
    policy: Policy,
    objective: Objective,
    state: TrialState,
    knob: Knob,
    resolution_s: float | None,
    now_ns: int,
    *,
    number: int = 0,
    seen: bool = True,
) -> Ruling:
    """A ruling at the mode that `state` has earned.

    A value not yet `seen` in this phase that would rule for more than half of the time is
    checked first. An episode is no slot: nothing short tells what such a value does. Where
    slots would only mix what the values do (Unit.LEASE) there are none in any mode.

    Args:
        resolution_s: age that a progress reading may have; None: no progress source. Then
            only `trust: model` lifts it above learning, and it rules in full, since
            baseline slots that nobody measures are a cost without a use.
        knob: its settling time is the slots' washout, unless the policy names a slot: then
            the operator vouches that the change takes effect that soon.
        number: rulings before this one; each draws the order of its slots anew, else the
            first pair would have the same order every time.
    """
    untested = resolution_s is None and policy.trust == "model" and state.mode > Mode.LEARNING
    full = untested or knob.trial is Unit.LEASE
    measurable = resolution_s is not None
    earned = state.share
    checking = measurable and not seen and knob.trial is Unit.SLOT and earned > CHECK_SHARE
    plan = None
    if not full:
        fixed = policy.trial.slot_s
        settling_s = 0.0 if fixed is not None else knob.settle_s
        if knob.trial is Unit.EPISODE:
            fixed = max(fixed or 0.0, EPISODE_S)
        share, seed = CHECK_SHARE if checking else earned, policy.trial.seed + number
        plan = make_plan(share, seed, fixed, settling_s, resolution_s or 0.0)
    return Ruling(
        recommendation=recommendation,
        treated=treated,
        policy=policy,
        objective=objective,
        state=state,
        plan=plan,
        measurable=measurable,
        lease_until_ns=now_ns + round(policy.lease_s * NS),
        started_ns=now_ns,
        checking=checking,
    )
