"""The controller of one seat: what is in force, what was seen, what should come next.

It holds no file and writes nothing: the loop gives it samples and answers, and asks it
which change is wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mlproxy.adapter import Missing
from mlproxy.decide import Answer, Question
from mlproxy.evidence import Evidence
from mlproxy.features import FeatureSchema
from mlproxy.knob import Knob, Value
from mlproxy.look import (
    DOUBT_AGAIN_S,
    IDLE_WINDOWS,
    MOST_WINDOWS,
    Look,
    blind_knob,
    doubtful_knob,
    is_blind,
)
from mlproxy.mode import Mode
from mlproxy.pressure import Pressure, pressure_of
from mlproxy.reading import Progress
from mlproxy.recommendation import Recommendation
from mlproxy.ruling import NS, Ruling
from mlproxy.seat import Seat
from mlproxy.snapshot import Sample, Window
from mlproxy.trial import Judged
from mlproxy.verdict import Verdict

CONFIRM = 2
"""Windows of one phase before anything is decided: the first may straddle two phases."""

SHORTEST_WINDOW_S = 0.4
"""A look and a slot may be shorter than the interval, a window not shorter than this."""

Meter = Callable[[Sample], Progress | None]
"""The application's progress at a sample, by metric of the objective: totals that grow."""


@dataclass(frozen=True)
class Change:
    """A knob that should hold another value than it does."""

    knob: str
    value: Value
    why: str


class Controller:
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
        self.pressure = Pressure(None, None)
        self.stood_down = ""
        self.changed_ns: int | None = None
        self.phase_ns = now_ns
        self.due_ns = now_ns
        self.looks = 0
        self.look_ns = 0
        self._looked_ns: int | None = None
        self._evidence = {"treated": Evidence(), "baseline": Evidence()}
        self.seen_ns = now_ns
        self._start: Sample | None = None
        self._settled_ns = now_ns
        self._fresh = False

    @property
    def arm(self) -> str:
        """Whose value is in force now."""
        return self.ruling.arm if self.ruling else "baseline"

    @property
    def blind(self) -> bool:
        """True when the features at the setting in force do not tell workloads apart."""
        return is_blind(self.seat, self.setting, self._current.features)

    @property
    def _current(self) -> Evidence:
        """Evidence of the arm in force; a look has the baseline's, cleared, for itself."""
        return self._evidence[self.arm if self.look is None else "baseline"]

    def observe(self, sample: Sample, now_ns: int) -> Judged | None:
        """Take a sample in: windows, evidence, slots. Returns what a finished pair says."""
        if now_ns < self._settled_ns:
            return None
        if self._start is None:
            self._start = sample
        window = Window(self._start, sample)
        if window.elapsed_s >= 0.9 * self._window_s():
            self._start = sample
            self._see(window, now_ns)
        if self.ruling is None or self.look is not None:
            return None
        return self.ruling.account(now_ns, self.meter(sample) if self.meter else None)

    def question(self, now_ns: int) -> Question | None:
        """What to ask the model now; None while there is not enough to go by."""
        evidence = self._current
        features = evidence.features
        if not self._fresh or features is None or self.seat.model is None or self.blind:
            return None
        if len(evidence) < CONFIRM:
            return None
        self._fresh = False
        held = self._held()
        return Question(
            proxy=self.seat.proxy,
            features=features,
            vector=evidence.mean(),
            current=self.setting,
            held=held,
            baseline=self.seat.baseline,
            options=self.seat.options(held),
            taken_ns=now_ns,
        )

    def conclude(self, verdict: Verdict, now_ns: int) -> None:
        """The gate has spoken: renew what rules, or let it lapse; a look is over."""
        self.verdict = verdict
        if self.ruling is not None and verdict.action == "hold":
            self.ruling.renew(now_ns)
        if self.look is not None:
            self._end_look(now_ns)

    def doubt(self, answer: Answer, verdict: Verdict, now_ns: int) -> None:
        """Where much may be gained but nothing is sure, look once from where more shows."""
        sure = verdict.rule not in ("no-change", "min-gain") or verdict.action == "apply"
        last_ns = self._looked_ns
        known = last_ns is not None and last_ns > self.phase_ns
        soon = known and last_ns is not None and now_ns - last_ns < DOUBT_AGAIN_S * NS
        if sure or soon or self.look is not None or self._observes:
            return
        knob = doubtful_knob(self.seat, self.setting, answer)
        if knob is not None:
            self._begin_look(knob, now_ns)

    @property
    def _observes(self) -> bool:
        """True when nothing may be written, not even for a look."""
        return self.seat.policy.mode is Mode.EMERGENCY or bool(self.stood_down)

    def _begin_look(self, knob: Knob, now_ns: int) -> None:
        assert knob.look is not None
        self.look = Look(knob, knob.look, self._held(), now_ns)
        self.looks += 1
        self._forget()

    def rule(self, ruling: Ruling | None) -> None:
        """A recommendation rules from now on, or none does."""
        self.ruling = ruling
        self._forget()

    def stand_down(self, reason: str) -> None:
        """The knobs are somebody else's: touch nothing any more."""
        self.stood_down, self.ruling, self.look = reason, None, None

    def wanted(self, now_ns: int, paused: bool) -> Change | None:
        """The next change that would bring the setting to where it should be."""
        if self.stood_down:
            return None
        goal, why = self._goal(now_ns, paused)
        for knob in self.seat.adapter.knobs:
            value = goal.get(knob.name)
            if value is not None and self.setting.get(knob.name) != value:
                return Change(knob.name, value, why)
        return None

    def changed(self, setting: dict[str, Value], change: Change, now_ns: int) -> None:
        """A change was made and `setting` is in force; what comes next must settle first."""
        self.setting = setting
        settle_s = self.seat.adapter.knob(change.knob).settle_s
        slots = self.ruling.plan if self.ruling and change.why == "slot" else None
        if slots is not None:
            settle_s = min(settle_s, slots.washout_s)
        elif change.why != "look":
            self.changed_ns = now_ns
        self._settled_ns = now_ns + round(settle_s * NS)
        self._start = None

    def schedule(self, now_ns: int) -> None:
        """Set when to be asked next: a settling, window or slot that ends."""
        moments = [now_ns + round(self._window_s() * NS)]
        if now_ns < self._settled_ns:
            moments = [self._settled_ns]
        if self.ruling is not None and self.look is None:
            for moment in (self.ruling.washout_end_ns, self.ruling.slot_end_ns):
                if moment is not None and moment > now_ns:
                    moments.append(moment)
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
        held = dict(self.seat.baseline)
        if self.ruling is not None:
            held.update(self.ruling.treated)
        return held

    def _window_s(self) -> float:
        interval_s = self.seat.policy.interval_s
        short = self.look is not None or (self.ruling is not None and self.ruling.plan is not None)
        return max(interval_s / 2, min(interval_s, SHORTEST_WINDOW_S)) if short else interval_s

    def _see(self, window: Window, now_ns: int) -> None:
        self.pressure = pressure_of(window)
        idle = self.seat.adapter.idle(window)
        if idle is None:
            try:
                features = self.seat.adapter.features(window, self.seat.proxy, self.setting)
            except Missing as missing:
                idle = f"missing: {missing}"
            else:
                self._learn(features, now_ns)
        if idle is not None:
            self._rest(idle, now_ns)

    def _learn(self, features: FeatureSchema, now_ns: int) -> None:
        domain = self.seat.model.domain if self.seat.model else None
        shifted = self._current.add(features, self.setting, domain)
        self._fresh, self.seen_ns = True, now_ns
        if shifted:
            self.phase_ns = now_ns
            if self.ruling is not None and self.ruling.plan is not None:
                self.ruling.drift(now_ns)
        if self.look is not None:
            self._count_look_window(now_ns, MOST_WINDOWS)
        elif self.blind:
            self._consider_look(shifted, now_ns)

    def _consider_look(self, shifted: bool, now_ns: int) -> None:
        """At a blind value: look at once if nothing is known or something moved, else when
        it is due; meanwhile what rules goes on."""
        if self.ruling is not None:
            self.ruling.renew(now_ns)
        every_ns = round(self.seat.policy.look.every_s * NS)
        last_ns = self._looked_ns
        knob = blind_knob(self.seat, self.setting)
        wait_ns = every_ns // 3 if shifted else every_ns
        early = last_ns is not None and now_ns - last_ns < wait_ns
        if knob is not None and not early and not self._observes:
            self._begin_look(knob, now_ns)

    def _count_look_window(self, now_ns: int, most: int) -> None:
        assert self.look is not None
        self.look.windows += 1
        if self.look.windows > most:
            self._end_look(now_ns)

    def _end_look(self, now_ns: int) -> None:
        assert self.look is not None
        self.look_ns += now_ns - self.look.started_ns
        self._looked_ns, self.look = now_ns, None
        self._forget()

    def _rest(self, idle: str, now_ns: int) -> None:
        """Nothing to learn from: no evidence, no renewal, and no endless look."""
        if self.ruling is None or self.verdict.action != "apply":
            self.verdict = Verdict("hold", "idle", idle)
        for evidence in self._evidence.values():
            evidence.clear()
        if self.look is not None:
            self._count_look_window(now_ns, IDLE_WINDOWS)

    def _forget(self) -> None:
        for evidence in self._evidence.values():
            evidence.clear()
        self._fresh = False


def since_change_s(controller: Controller, now_ns: int) -> float:
    """Seconds since the last change that was not a look or a slot."""
    if controller.changed_ns is None:
        return float("inf")
    return (now_ns - controller.changed_ns) / NS


def phase_changed(controller: Controller, recommendation: Recommendation) -> bool:
    """True when the workload changed since the last change: it ends the dwell.

    A look that finds another best value has itself seen the new phase.
    """
    if controller.look is not None and recommendation.changes:
        return True
    return controller.changed_ns is not None and controller.phase_ns > controller.changed_ns
