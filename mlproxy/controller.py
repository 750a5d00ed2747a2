"""The controller of one seat: what is in force, what was seen, what should come next.

It holds no file and writes nothing: the loop gives it samples and answers, and asks it
which change is wanted.
"""

from __future__ import annotations

from collections.abc import Callable

from mlproxy.beat import next_beat_ns, window_s
from mlproxy.change import Change
from mlproxy.decide import Answer, Question
from mlproxy.knob import Knob, Setting, Value
from mlproxy.look import (
    DOUBT_AGAIN_S,
    DOUBT_LOOKS,
    IDLE_WINDOWS,
    MOST_WINDOWS,
    Look,
    blind_knob,
    doubtful,
    is_blind,
)
from mlproxy.reading import Progress
from mlproxy.ruling import NS, Ruling
from mlproxy.seat import Seat
from mlproxy.slots import Arm
from mlproxy.snapshot import Sample
from mlproxy.tenure import Tenure
from mlproxy.trial import Judged
from mlproxy.tried import Tried
from mlproxy.verdict import Verdict
from mlproxy.vigil import vigil_over
from mlproxy.watch import Sight, Watch

CONFIRM = 2
"""Windows of one phase before anything is decided: the first may straddle two phases. Where the
best value is in force already so many must come before the model is asked again."""

Meter = Callable[[Sample], Progress | None]
"""The application's progress at a sample, by metric of the objective: totals that grow."""


class Controller(Tenure):
    """One seat under control.

    Args:
        meter: reads the progress source; None where there is none.
    """

    def __init__(self, seat: Seat, meter: Meter | None, now_ns: int) -> None:
        self.seat = seat
        self.meter = meter
        self.setting = dict(seat.baseline)
        self.ruling: Ruling | None = None
        self.look: Look | None = None
        self.verdict = Verdict("hold", "start", "nothing was seen yet")
        self.watch = Watch(seat, now_ns)
        self.stood_down = ""
        self.changed_ns: int | None = None
        self.due_ns = now_ns
        self.rulings = 0
        self.looks = 0
        self.look_ns = 0
        self._doubts = 0
        self._looked_ns: int | None = None
        self._informed_ns: int | None = None
        self._back: dict[str, Value] | None = None
        self.written: set[str] = set()
        self.overrides = lambda knob: 0
        self.tried = Tried()
        self._sample: Sample | None = None
        self.vigil = vigil_over(seat)

    @property
    def arm(self) -> Arm:
        """Whose value is in force now; a look counts as the baseline's."""
        return self.ruling.arm if self.ruling and self.look is None else "baseline"

    @property
    def blind(self) -> bool:
        """True when the features at the setting in force do not tell workloads apart."""
        return is_blind(self.seat, self.setting, self.watch.evidence(self.arm).features)

    def observe(self, sample: Sample, now_ns: int) -> Judged | None:
        """Take a sample in: windows, evidence, slots. Returns what a finished pair says."""
        self._sample = sample
        if now_ns < self.watch.settled_ns:
            return None
        length_s = window_s(self.seat.policy.interval_s, self._steady)
        sight = self.watch.take(sample, self.setting, self.arm, length_s, now_ns)
        if sight is not None:
            self._respond(sight, now_ns)
            if self.vigil is not None and (failed := self.vigil.judge(self, sight)):
                return failed
        if self.ruling is None or self.look is not None:
            return None
        judged = self.ruling.account(now_ns, self.meter(sample) if self.meter else None)
        at = self.ruling
        self.tried.take(at.recommendation.id, at.treated, at.passed, at.gain, now_ns)
        return judged

    def has_seen(self, treated: Setting) -> bool:
        """True when these values passed a check in the present phase."""
        return self.tried.has_passed(treated)

    def question(self, now_ns: int) -> Question | None:
        """What to ask the model now; None while there is not enough to go by."""
        if self.seat.model is None or self.seat.lacks:
            return None
        evidence = self.watch.unasked(CONFIRM, CONFIRM if self._content else 1)
        if evidence is None or evidence.features is None:
            return None
        if is_blind(self.seat, evidence.setting, evidence.features):
            return None
        held = self.seat.asked(self._held())
        return Question(
            proxy=self.seat.proxy,
            features=evidence.features,
            views=self.watch.views(evidence, now_ns),
            held=held,
            baseline=self.seat.asked(self.seat.baseline),
            options=self.seat.options(held, evidence.features),
            taken_ns=now_ns,
            measured=self.tried.recall(self.watch.phase_ns, now_ns),
        )

    def conclude(self, verdict: Verdict, now_ns: int) -> None:
        """The gate has spoken: renew what rules, or let it lapse; a look is over."""
        self.verdict = verdict
        if self.ruling is not None:
            self.ruling.conclude(verdict, now_ns)
        if self.look is not None:
            self._end_look(now_ns)

    def doubt(self, answer: Answer, verdict: Verdict, now_ns: int) -> None:
        """Where much may be gained but nothing is sure, look from where more shows."""
        if verdict.rule not in ("no-change", "min-gain"):
            return
        last_ns = self._looked_ns or 0
        again = not last_ns or now_ns - last_ns >= DOUBT_AGAIN_S * NS
        if again or last_ns <= self.watch.phase_ns:
            self._doubts = 0
        if self._doubts >= DOUBT_LOOKS:
            return
        knob = answer.recommendation.knob
        seen = self.watch.memory.values(knob)
        found = doubtful(self.seat, self.setting, answer, seen, again)
        if found is not None:
            self._doubts += 1
            self._begin_look(*found, now_ns)

    def rule(self, ruling: Ruling | None) -> None:
        """A recommendation rules from now on, or none does."""
        self.ruling = ruling
        if ruling is not None:
            self.changed_ns = ruling.started_ns
            self.rulings += 1
        self.watch.forget()

    def stand_down(self, reason: str) -> None:
        """The knobs are somebody else's: touch nothing any more."""
        self.stood_down, self.ruling, self.look = reason, None, None

    def wanted(self, now_ns: int, paused: bool) -> Change | None:
        """The next change that would bring the setting to where it should be."""
        if self.stood_down:
            return None
        goal, why = self._goal(now_ns, paused)
        if goal == self._back:
            why = "look"
        for knob in self.seat.adapter.knobs:
            value, now = goal.get(knob.name), self.setting.get(knob.name)
            if value is None or now == value:
                continue
            step = self.seat.step(knob, self._sample, now, value)
            if step != now:
                return Change(knob.name, step, why if step == value else "step")
        return None

    def changed(self, setting: dict[str, Value], change: Change, now_ns: int) -> None:
        """A change was made and `setting` is in force; what comes next must settle first."""
        self.setting = setting
        self.written.add(change.knob)
        settle_s = self.seat.adapter.knob(change.knob).settle_s
        slots = self.ruling.plan if self.ruling and change.why == "slot" else None
        if slots is not None:
            settle_s = min(settle_s, slots.washout_s)
        elif change.why != "look":
            self.changed_ns = now_ns
        if change.why != "step":  # a step follows what it limits: nothing leaps
            self.watch.settle(now_ns + round(settle_s * NS))
        self._back = None
        ruling = self.ruling
        if ruling is not None and not ruling.refused and change.why in ("gain", "step"):
            ruling.renew(max(now_ns, self.watch.settled_ns))

    def schedule(self, now_ns: int) -> None:
        """Set when to be asked next: a settling, window or slot that ends."""
        window_ns = round(window_s(self.seat.policy.interval_s, self._steady) * NS)
        moments = [next_beat_ns(now_ns, window_ns) if self._steady else now_ns + window_ns]
        if now_ns < self.watch.settled_ns:
            moments = [self.watch.settled_ns]
        if self.ruling is not None and self.look is None:
            moments += self.ruling.moments_ns(now_ns)
        self.due_ns = min(moments)

    def _goal(self, now_ns: int, paused: bool) -> tuple[dict[str, Value], str]:
        goal = dict(self.seat.baseline)
        if paused:
            self.ruling = self.look = None
            return goal, "paused"
        if self.look is not None:
            return {**self.look.held, self.look.knob.name: self.look.value}, "look"
        if self.ruling is None:
            return goal, "withdraw"
        if self.ruling.lapsed(now_ns):
            self.rule(None)
            return goal, "lease over"
        if self.ruling.arm == "treated":
            return {**goal, **self.ruling.treated}, "slot" if self.ruling.plan else "gain"
        return goal, "slot"

    def _held(self) -> dict[str, Value]:
        """The setting that a decision competes with: what rules, not the slot's other arm."""
        if self.look is not None:
            return dict(self.look.held)
        return dict(self.seat.baseline) | (self.ruling.treated if self.ruling else {})

    @property
    def _steady(self) -> bool:
        """True while nothing is tried out, neither by a look nor in slots."""
        return self.look is None and not (self.ruling is not None and self.ruling.in_slots)

    @property
    def _content(self) -> bool:
        """True while the last word was that what is in force is the best."""
        return self._steady and self.verdict.rule == "no-change"

    def _respond(self, sight: Sight, now_ns: int) -> None:
        """What follows from a window at once, before any model is asked."""
        idle = sight.features is None
        if idle and (self.ruling is None or self.verdict.action != "apply"):
            self.verdict = Verdict("hold", "idle", sight.nothing)
        if idle or sight.shifted:
            self.tried.clear()
        if sight.shifted and self.ruling is not None:
            self.ruling.drift(now_ns)
        if self.look is not None:
            self.look.windows += 1
            if self.look.windows > (IDLE_WINDOWS if idle else MOST_WINDOWS):
                self._end_look(now_ns)
        elif not idle and self.blind:
            self._consider_look(sight.shifted, now_ns)
        elif not idle:
            self._stay(sight.shifted, now_ns)

    def _stay(self, shifted: bool, now_ns: int) -> None:
        """At an informative value: the last word stands until the model is asked again."""
        self._informed_ns = now_ns
        if self.ruling is not None and self._content and not shifted:
            self.ruling.renew(now_ns)

    def _consider_look(self, shifted: bool, now_ns: int) -> None:
        """At a blind value: look at once if nothing is known or something moved, else when
        it is due; meanwhile what rules goes on."""
        if self.ruling is not None and not self.ruling.refused:
            self.ruling.renew(now_ns)
        every_ns = round(self.seat.policy.look.every_s * NS)
        wait_ns = every_ns // 3 if shifted else every_ns
        told = (self._looked_ns, self._informed_ns)
        last_ns = max((moment for moment in told if moment is not None), default=None)
        if self.ruling is not None and self.ruling.plan is not None:
            wait_ns = max(wait_ns, round(2 * self.ruling.plan.slot_s * NS))  # slots must end too
        early = last_ns is not None and now_ns - last_ns < wait_ns
        found = blind_knob(self.seat, self.setting)
        if found is not None and not early:
            self._begin_look(*found, now_ns)

    def _begin_look(self, knob: Knob, value: Value | None, now_ns: int) -> None:
        if value is None or self.look or not self.may_look(knob):
            return
        self.look = Look(knob, value, self._held(), now_ns)
        if self.ruling is not None:
            self.ruling.interrupt()
        self.watch.forget()

    def _end_look(self, now_ns: int) -> None:
        assert self.look is not None
        self.looks += 1
        self.look_ns += now_ns - self.look.started_ns
        self._looked_ns, self._back, self.look = now_ns, dict(self.look.held), None
        if self.ruling is not None:
            self.ruling.resume(now_ns)
        self.watch.forget()
