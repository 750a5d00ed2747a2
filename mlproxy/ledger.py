"""The ledger: writes what the agent saw, decided, changed and measured to the outcome log
and the status file."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mlproxy.controller import Change, Controller
from mlproxy.decide import Answer
from mlproxy.knob import Setting
from mlproxy.outcomes import Outcomes
from mlproxy.recommendation import Recommendation
from mlproxy.restore import Restored
from mlproxy.ruling import NS, Ruling
from mlproxy.shell import shell_line
from mlproxy.status import KnobStatus, Status, write_status
from mlproxy.trial import Judged, predicted_time_to_verdict_s
from mlproxy.verdict import Verdict

PUBLISH_S = 1.0
HEARTBEAT_S = 10.0
"""The status is written at most every PUBLISH_S, and unchanged every HEARTBEAT_S."""


class Ledger:
    """One agent's books."""

    def __init__(self, state: Path, root: Path) -> None:
        self.outcomes = Outcomes(state)
        self._state = state
        self._root = root
        self._started_s = time.time()
        self._published_s = 0.0
        self._said: tuple[tuple[KnobStatus, ...], str] = ((), "")
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
            features=answer.features.model_dump(),
            candidates=[
                {"knob": o.knob, "value": o.value, "gain": math.expm1(o.gain_log)}
                | {"lower": math.expm1(o.lower_log)}
                for o in answer.predictions
            ],
        )

    def changed(self, controller: Controller, change: Change, before: Setting) -> None:
        """Log a change with the shell lines that do and undo it; slots are only counted."""
        proxy = controller.seat.proxy
        if change.why != "slot":
            self._changes[proxy.id] = self._changes.get(proxy.id, 0) + (change.why != "look")
            path = proxy.knobs[change.knob]
            rec = controller.ruling.recommendation.id if controller.ruling else ""
            self.outcomes.write(
                "change",
                proxy=proxy.id,
                device=proxy.device,
                adapter=controller.seat.adapter.name,
                knob=change.knob,
                before=before.get(change.knob),
                after=change.value,
                why=change.why,
                recommendation=rec,
                do=shell_line(path, change.value),
                undo=shell_line(path, before.get(change.knob, "")),
            )

    def judged(
        self, controller: Controller, ruling: Ruling, judged: Judged, left_s: float | None
    ) -> None:
        """Log what a pair of slots brought about."""
        proxy, gain = controller.seat.proxy.id, judged.state.gain
        word = "lost" if judged.event and judged.event.takes_back else "measured"
        self._tried[proxy] = (ruling, word)
        if judged.event is None:
            return
        self.outcomes.write(
            "trial",
            recommendation=ruling.recommendation.id,
            proxy=proxy,
            knob=ruling.recommendation.knob,
            proposed=ruling.recommendation.proposed,
            event=str(judged.event),
            mode=str(judged.state.mode),
            wins=judged.state.wins,
            losses=judged.state.losses,
            ties=judged.state.ties,
            void=judged.state.void,
            gain=gain.mean if gain else None,
            low=gain.lower if gain else None,
            high=gain.upper if gain else None,
            remembered_s=left_s,
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
        rows = tuple(row for controller in controllers for row in self._rows(controller))
        said = (rows, paused)
        if not final and said == self._said and now_s - self._published_s < HEARTBEAT_S:
            return
        self._published_s, self._said = now_s, said
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
            verdict_in_s=_verdict_in_s(own),
            changes=self._changes.get(seat.proxy.id, 0),
            looks=controller.looks,
            look_s=controller.look_ns / NS,
        )


def _verdict_in_s(ruling: Ruling | None) -> float | None:
    """Seconds to the next promotion if the value is as good as it seems."""
    if ruling is None or ruling.plan is None or not ruling.measurable:
        return None
    plan = ruling.plan
    seconds = predicted_time_to_verdict_s(plan.share, plan.slot_s, 0.0, ruling.state)
    return seconds if math.isfinite(seconds) else None
