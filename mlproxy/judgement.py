"""Judgement: an answer of the model meets the gate, and what follows from the verdict."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from mlproxy.controller import Controller
from mlproxy.decide import Answer
from mlproxy.dwell import onward, phase_changed, since_change_s, undecided
from mlproxy.explore import Explorer
from mlproxy.kernel_ruling import open_kernel_ruling
from mlproxy.knob import Unit
from mlproxy.mode import Mode
from mlproxy.recommendation import Recommendation
from mlproxy.ruling import NS, open_ruling
from mlproxy.step import judge_answer
from mlproxy.trial import Event, Judged, Result, TrialState
from mlproxy.trust import Key, Trust, TrustStore, identity_key
from mlproxy.verdict import History, Verdict


class Judgement:
    """Gate, trust and rulings of all controllers.

    Args:
        resolution_s: age that a progress reading of a proxy may have, by proxy id.
    """

    def __init__(self, trust: TrustStore, resolution_s: dict[str, float]) -> None:
        self._trust = trust
        self._resolution_s = resolution_s
        self._explorer = Explorer()

    def verdict(
        self, controller: Controller, answer: Answer, now_ns: int, paused: str
    ) -> tuple[Recommendation, Verdict]:
        """The verdict on an answer; on a smaller step where the whole one is too large."""
        history = self._history(controller, answer.recommendation, now_ns, paused)
        found = judge_answer(answer, controller.seat.policy, history)
        tried = controller.attempt(answer, found[1], history, now_ns)
        if tried is not None or answer.recommendation.proxy not in self._resolution_s:
            return tried or found
        recall = partial(self._history, controller, now_ns=now_ns, paused=paused)
        return self._explorer.consider(controller, answer, found, recall, now_ns)

    def enforce(
        self, controller: Controller, rec: Recommendation, verdict: Verdict, now_ns: int
    ) -> None:
        """Let an applied recommendation rule; one that returns to the baseline ends a ruling."""
        if verdict.action != "apply":
            return
        baseline = controller.seat.baseline
        ruled = controller.ruling.treated if controller.ruling else {}
        treated = controller.seat.treated({**baseline, **ruled, rec.knob: rec.proposed})
        if not treated:
            controller.rule(None)
            return
        if rec.knob not in treated:  # that one goes back: what is left is on trial
            name, held = next(iter(treated.items()))
            rec = replace(rec, knob=name, current=held, proposed=held, baseline=baseline[name])
        state = self._state(controller, rec)
        resolution_s = self._resolution_s.get(rec.proxy)
        seat = controller.seat
        rules = (rec, treated, seat.policy, seat.objective, state)
        if seat.proxy.lease:
            controller.rule(open_kernel_ruling(*rules, resolution_s is not None, now_ns))
            return
        knobs = map(seat.adapter.knob, treated)
        slowest = max(knobs, key=lambda k: (list(Unit).index(k.trial), k.settle_s))
        number, seen = controller.rulings, controller.has_seen(treated)
        controller.rule(
            open_ruling(*rules, slowest, resolution_s, now_ns, number=number, seen=seen)
        )

    def overrides(self, controller: Controller, knob: str) -> int:
        """How often somebody else wrote a knob over our value in the last day."""
        return self._trust.overrides(identity_key(controller.seat.proxy), knob)

    def overridden(self, controller: Controller, knob: str) -> None:
        """Remember that somebody else wrote a knob over our value, if it ever held one."""
        if knob in controller.written:
            self._trust.overridden(identity_key(controller.seat.proxy), knob)

    def learn(self, controller: Controller, judged: Judged) -> float | None:
        """Keep what a pair taught; on a regress take the ruling back at once (promise 6).

        Returns for how many seconds the value is remembered as a regression, if it is.
        """
        ruling = controller.ruling
        if ruling is None or judged.event is None:
            return None
        rec = ruling.recommendation
        key, gain = self._key(controller, rec), judged.state.gain
        if judged.event.takes_back:
            controller.rule(None)
            if controller.seat.proxy.lease and judged.state.result is Result.WIN:
                # The workload changed, the value was good; the kernel itself pauses it.
                self._trust.put(key, Trust(k=judged.state.k))
                return None
            return self._trust.regress(key, rec.proposed, gain.mean if gain else 0.0)
        if judged.event is Event.PROMOTED and len(controller.seat.asked(ruling.treated)) > 1:
            return None  # nobody can tell which of the knobs has earned it
        earned = judged.state
        log = gain.mean if gain else 0.0
        self._trust.put(key, Trust(earned.mode, earned.k, earned.pairs, log))
        return None

    def _state(self, controller: Controller, rec: Recommendation) -> TrialState:
        """The trial starts in the mode that this direction has earned before; who only observes
        uses nothing of that."""
        policy = controller.seat.policy
        earned = self._trust.get(self._key(controller, rec))
        observes = policy.start is Mode.EMERGENCY
        mode = earned.mode if earned and not observes else policy.start
        measurable = rec.proxy in self._resolution_s
        if not measurable and policy.trust == "measured":
            mode = min(mode, Mode.LEARNING)
        return TrialState(mode=mode.under(policy.mode), k=earned.k if earned else 0)

    def _history(
        self, controller: Controller, rec: Recommendation, now_ns: int, paused: str
    ) -> History:
        seat, pressure = controller.seat, controller.watch.pressure
        knob = seat.adapter.knob(rec.knob)
        state = self._state(controller, rec)
        return History(
            mode=state.mode,
            paused=paused,
            stood_down=controller.stood_down,
            overrides=self.overrides(controller, rec.knob),
            window_age_s=max(now_ns - controller.watch.seen_ns, 0) / NS,
            kernel=seat.kernel[knob.name],
            adapter=seat.own_range(knob),
            grid=knob.grid,
            trusted=seat.policy.trust == "model" or state.mode > Mode.LEARNING,
            memory_pressure=pressure.memory,
            io_pressure=pressure.io,
            regressions=self._trust.regressions(identity_key(seat.proxy), rec.knob),
            early=controller.early,
            undecided=undecided(controller, now_ns),
            since_change_s=since_change_s(controller, now_ns),
            phase_changed=phase_changed(controller, rec),
            onward=onward(controller, rec),
        )

    def _key(self, controller: Controller, rec: Recommendation) -> Key:
        return Key(identity_key(controller.seat.proxy), rec.model, rec.knob, rec.direction)
