"""How long a value has been in force, and whether the workload is still the same."""

from __future__ import annotations

from mlproxy.controller import Controller
from mlproxy.recommendation import Recommendation
from mlproxy.ruling import NS
from mlproxy.tried import FEWEST_PAIRS

UNDECIDED_DWELLS = 2
"""Slots that measure nothing in so many dwells will not do so soon."""


def since_change_s(controller: Controller, now_ns: int) -> float:
    """Seconds since the last change that was not a look or a slot."""
    if controller.changed_ns is None:
        return float("inf")
    return (now_ns - controller.changed_ns) / NS


def undecided(controller: Controller, now_ns: int) -> str:
    """What slots have yet to measure of the value that rules; "" when that is enough, there are
    no slots, or they take too long. A value left before that has told nothing, and would be
    tried again."""
    ruling = controller.ruling
    if ruling is None or not ruling.in_slots or ruling.slot_s is None or not ruling.measurable:
        return ""
    pairs = ruling.gain.pairs if ruling.gain else 0
    limit_s = UNDECIDED_DWELLS * controller.seat.policy.gate.dwell_s
    if pairs >= FEWEST_PAIRS or since_change_s(controller, now_ns) >= limit_s:
        return ""
    return f"slots have measured {pairs} of {FEWEST_PAIRS} pairs of what rules"


def phase_changed(controller: Controller, recommendation: Recommendation) -> bool:
    """True when the workload changed since the last change: it ends the dwell.

    A look that finds another best value has itself seen the new phase.
    """
    if controller.look is not None and recommendation.changes:
        return True
    return phase_ended(controller)


def phase_ended(controller: Controller) -> bool:
    """True when another phase began after the last change."""
    changed_ns = controller.changed_ns
    return changed_ns is not None and controller.watch.phase_ns > changed_ns
