"""The ledger: writes what the agent saw, decided, changed and measured to the outcome log
and the status file."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mlproxy.change import Change
from mlproxy.controller import Controller
from mlproxy.decide import Answer
from mlproxy.dwell import phase_ended
from mlproxy.kernel_ruling import KernelRuling
from mlproxy.knob import Setting, Unit, Value
from mlproxy.measured import is_due, measured
from mlproxy.outcomes import Outcomes
from mlproxy.recommendation import Recommendation
from mlproxy.restore import Restored
from mlproxy.ruling import NS, Ruling
from mlproxy.status import KnobStatus, Status, write_status
from mlproxy.trial import Judged, predicted_time_to_verdict_s
from mlproxy.verdict import Verdict

PUBLISH_S = 1.0
HEARTBEAT_S = 30.0
"""The status is written at most every PUBLISH_S, and unchanged every HEARTBEAT_S: a write costs
more than half of what an idle tick does."""


UNSAID = ("slot", "renew", "step")
"""Why of changes that are part of what was logged before."""


class Ledger:
    """One agent's books."""

    def __init__(self, state: Path, root: Path) -> None:
        self.outcomes = Outcomes(state)
        self._state = state
        self._root = root
        self._started_s = time.time()
        self._published_s = 0.0
        self._said: tuple[object, ...] = ()
        self._ticks = 0
        self._last: dict[str, tuple[object, ...]] = {}
        self._changes: dict[str, int] = {}
        self._tried: dict[str, tuple[Ruling, str]] = {}

    def decided(
        self, controller: Controller, answer: Answer, rec: Recommendation, verdict: Verdict
    ) -> None:
        """Log a decision when it differs from the last one of its proxy."""
        known = (rec.knob, rec.current, rec.proposed, verdict.rule, verdict.action)
        if self._last.get(rec.proxy) == known:
            return
        self._last[rec.proxy] = known
        self.outcomes.write(
            "decision",
            id=rec.id,
            proxy=rec.proxy,
            device=rec.device,
            adapter=controller.seat.adapter.name,
            knob=rec.knob,
            current=rec.current,
            proposed=rec.proposed,
            baseline=rec.baseline,
            predicted_gain=rec.gain,
            predicted_lower=rec.lower,
            action=verdict.action,
            rule=verdict.rule,
            reason=verdict.reason,
            why=rec.why,
            model=rec.model,
            distance=rec.distance,
            explored=rec.explored,
            propensity=rec.propensity,
            features=answer.features.model_dump(),
            setting=dict(answer.setting),
            baselines=dict(answer.baseline),
            candidates=[
                {"knob": o.knob, "value": o.value, "gain": math.expm1(o.gain_log)}
                | {"lower": math.expm1(o.lower_log)}
                for o in answer.predictions
            ],
        )

    def changed(self, controller: Controller, change: Change, before: Setting) -> None:
        """Log a change with the shell lines that do and undo it; slots are only counted."""
        proxy = controller.seat.proxy
        if change.why not in UNSAID:
            self._changes[proxy.id] = self._changes.get(proxy.id, 0) + (change.why != "look")
            held = _undone(controller, change, before)
            do, undo = change.lines(proxy, "" if held is None else held)
            rec = controller.ruling.recommendation.id if controller.ruling else ""
            self.outcomes.write(
                "change",
                proxy=proxy.id,
                device=proxy.device,
                adapter=controller.seat.adapter.name,
                knob=change.knob,
                before=held,
                after=change.value,
                why=change.why,
                recommendation=rec,
                do=do,
                undo=undo,
            )

    def judged(
        self, controller: Controller, ruling: Ruling, judged: Judged, left_s: float | None
    ) -> None:
        """Log what a pair of slots brought about."""
        proxy, gain = controller.seat.proxy.id, judged.state.gain
        word = "lost" if judged.event and judged.event.takes_back else "measured"
        self._tried[proxy] = (ruling, word)
        numbers = {
            **measured(judged.state),
            "treated": dict(ruling.treated),
            "same_phase": not phase_ended(controller),
        }
        if judged.event is None:
            if is_due(judged.state.pairs):
                rec = ruling.recommendation.id
                self.outcomes.write("measured", recommendation=rec, proxy=proxy, **numbers)
            return
        self.outcomes.write(
            "trial",
            recommendation=ruling.recommendation.id,
            proxy=proxy,
            knob=ruling.recommendation.knob,
            proposed=ruling.recommendation.proposed,
            event=str(judged.event),
            **numbers,
            objection=ruling.objection,
            mode=str(judged.state.mode),
            wins=judged.state.wins,
            losses=judged.state.losses,
            ties=judged.state.ties,
            void=judged.state.void,
            gain=gain.mean if gain else None,
            low=gain.lower if gain else None,
            high=gain.upper if gain else None,
            remembered_s=left_s,
            transport=controller.seat.proxy.transport,
            **_costs(ruling),
        )

    def stood_down(self, controller: Controller, reason: str) -> None:
        """Log that a proxy was left to somebody else."""
        self.outcomes.write("stand-down", proxy=controller.seat.proxy.id, reason=reason)

    def restored(self, restored: Sequence[Restored]) -> None:
        """Log what was put back."""
        for item in restored:
            self.outcomes.write("revert", **asdict(item))

    def publish(
        self, controllers: Sequence[Controller], paused: str, *, final: bool = False
    ) -> None:
        """Replace the status file, at most once a second."""
        self._ticks += 1
        now_s = time.time()
        if not final and now_s - self._published_s < PUBLISH_S:
            return
        said = (paused, *map(self._saying, controllers))
        if not final and said == self._said and now_s - self._published_s < HEARTBEAT_S:
            return
        self._published_s, self._said = now_s, said
        rows = tuple(row for controller in controllers for row in self._rows(controller))
        status = Status(
            pid=os.getpid(),
            started_s=self._started_s,
            updated_s=now_s,
            paused=paused,
            ticks=self._ticks,
            knobs=rows,
        )
        try:
            write_status(self._state, status)
        except OSError:
            self.outcomes.lost += 1

    def _saying(self, controller: Controller) -> tuple[object, ...]:
        """All that the rows of a controller are made of and that may change; while it idles
        not how little was read, which differs every second."""
        proxy, verdict = controller.seat.proxy.id, controller.verdict
        tried, word = self._tried.get(proxy, (None, ""))
        return (
            verdict.rule if verdict.rule == "idle" else verdict,
            controller.stood_down,
            dict(controller.setting),
            controller.looks,
            controller.look_ns,
            _standing(controller.ruling),
            _standing(tried),
            word,
            self._changes.get(proxy),
        )

    def _rows(self, controller: Controller) -> list[KnobStatus]:
        return [self._row(controller, knob.name) for knob in controller.seat.knobs]

    def _row(self, controller: Controller, knob: str) -> KnobStatus:
        seat, ruling = controller.seat, controller.ruling
        own = ruling if ruling and knob in ruling.treated else None
        rec = own.recommendation if own else None
        tried, word = self._tried.get(seat.proxy.id, (None, ""))
        known = own or (tried if tried and knob in tried.treated else None)
        state = known.state if known else None
        gain = state.gain if state else None
        if gain is None:
            word = "untested"
        return KnobStatus(
            proxy=seat.proxy.id,
            device=seat.proxy.device,
            adapter=seat.adapter.name,
            knob=knob,
            transport=seat.proxy.transport,
            baseline=seat.baseline[knob],
            effective=controller.setting.get(knob, seat.baseline[knob]),
            mode=str(own.state.mode if own else seat.policy.start),
            share=float(own.share) if own else 0.0,
            rule="stood-down" if controller.stood_down else controller.verdict.rule,
            reason=controller.stood_down or seat.lacks or controller.verdict.reason,
            recommendation=rec.id if rec else "",
            predicted_gain=rec.gain if rec else None,
            predicted_lower=rec.lower if rec else None,
            judged=word if state else "",  # type: ignore[arg-type]
            measured_gain=gain.mean if gain else None,
            measured_low=gain.lower if gain else None,
            measured_high=gain.upper if gain and math.isfinite(gain.upper) else None,
            pairs=state.pairs if state else 0,
            wins=state.wins if state else 0,
            losses=state.losses if state else 0,
            **_costs(known),
            counted=controller.counted,
            verdict_in_s=_verdict_in_s(own),
            changes=self._changes.get(seat.proxy.id, 0),
            looks=controller.looks,
            look_s=controller.look_ns / NS,
        )


def _undone(controller: Controller, change: Change, before: Setting) -> Value | None:
    """What undoes a change: what was in force, or the baseline where steps led to it."""
    stepped = any(
        knob.name == change.knob and knob.trial is Unit.LEASE
        for knob in controller.seat.adapter.knobs
    )
    if stepped and change.why == "gain":
        return controller.seat.baseline.get(change.knob)
    return before.get(change.knob, change.before)


def _standing(ruling: Ruling | None) -> tuple[object, ...] | None:
    """What a ruling rules and how its trial stands."""
    if ruling is None:
        return None
    rules = ruling.recommendation.id, dict(ruling.treated), ruling.share
    return *rules, ruling.state, ruling.slot_s, _costs(ruling)


def _verdict_in_s(ruling: Ruling | None) -> float | None:
    """Seconds to the next promotion if the value is as good as it seems."""
    slot_s = ruling.slot_s if ruling else None
    if ruling is None or slot_s is None or not ruling.measurable:
        return None
    seconds = predicted_time_to_verdict_s(ruling.share, slot_s, 0.0, ruling.state)
    return seconds if math.isfinite(seconds) else None


def _costs(ruling: Ruling | None) -> dict[str, float | None]:
    """What the kernel measured an event to cost in each arm; {} where it measures nothing."""
    if not isinstance(ruling, KernelRuling) or ruling.reading is None:
        return {}
    costs = ruling.reading.costs
    return {"treated_cost_ns": costs.treated_ns, "baseline_cost_ns": costs.baseline_ns}
