"""What a survey found, as the rows of a report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlproxy.cli.schema import Candidate, FoundChange
from mlproxy.recommendation import Recommendation
from mlproxy.shell import do_lines, undo_lines
from mlproxy.transports.base import Transport

if TYPE_CHECKING:
    from mlproxy.seat import Seat
    from mlproxy.survey import Finding

NO_RECOMMENDATION: dict[str, Any] = {
    "id": "",
    "knob": "",
    "current": None,
    "proposed": None,
    "baseline": None,
    "predicted_gain": None,
    "predicted_lower": None,
    "confidence": None,
    "distance": None,
    "model": "",
    "why": "",
    "features": {},
    "candidates": (),
}


def found_changes(findings: Sequence[Finding], transport: Transport) -> tuple[FoundChange, ...]:
    """One row per proxy, in order."""
    return tuple(found_change(finding, transport) for finding in findings)


def found_change(finding: Finding, transport: Transport) -> FoundChange:
    """One finding with the shell lines of its change."""
    seat, verdict = finding.seat, finding.verdict
    held = {knob.name: seat.baseline[knob.name] for knob in seat.knobs}
    rec = finding.recommendation
    do, undo = _lines(seat, rec, transport)
    return FoundChange(
        proxy=seat.proxy.id,
        device=seat.proxy.device,
        adapter=seat.adapter.name,
        setting=held,
        verdict=verdict.action if verdict else "none",
        rule=verdict.rule if verdict else "",
        reason=finding.reason,
        do=do,
        undo=undo,
        lacks=seat.proxy.lacks,
        transport=seat.proxy.transport,
        **(_recommended(finding, rec) if rec else NO_RECOMMENDATION),
    )


def finite(number: float) -> float | None:
    """A number for JSON; None for NaN and infinity."""
    return number if math.isfinite(number) else None


def _recommended(finding: Finding, rec: Recommendation) -> dict[str, Any]:
    answer = finding.answer
    assert answer is not None
    return {
        "id": rec.id,
        "knob": rec.knob,
        "current": rec.current,
        "proposed": rec.proposed,
        "baseline": rec.baseline,
        "predicted_gain": finite(rec.gain),
        "predicted_lower": finite(rec.lower),
        "confidence": rec.confidence,
        "distance": finite(rec.distance),
        "model": rec.model,
        "why": rec.why,
        "features": answer.features.model_dump(),
        "candidates": tuple(
            Candidate(
                knob=each.knob,
                value=each.value,
                gain=math.expm1(each.gain_log),
                lower=math.expm1(each.lower_log),
            )
            for each in answer.predictions
        ),
    }


def _lines(
    seat: Seat, rec: Recommendation | None, transport: Transport
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if rec is None or not rec.changes:
        return (), ()
    knob, files = seat.adapter.knob(rec.knob), transport.files(seat.proxy)
    do = do_lines(seat.adapter, files, seat.proxy, knob, rec.current, rec.proposed)
    return tuple(do), tuple(undo_lines(seat.adapter, seat.proxy, knob, seat.baseline))
