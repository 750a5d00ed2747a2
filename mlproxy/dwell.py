"""How long a value has been in force, and whether the workload is still the same."""

from __future__ import annotations

from mlproxy.controller import Controller
from mlproxy.recommendation import Recommendation
from mlproxy.ruling import NS
from mlproxy.trial import slots_per_pair
from mlproxy.tried import FEWEST_PAIRS

UNDECIDED_DWELLS = 4
"""How long slots may take to speak: if they need longer, nobody waits for them."""


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
    slot_s = ruling.slot_s if ruling and ruling.measurable else None
    if ruling is None or slot_s is None or not 0 < ruling.share < 1:
        return ""
    pairs = ruling.gain.pairs if ruling.gain else 0
    needed_s = FEWEST_PAIRS * slots_per_pair(ruling.share) * slot_s
    limit_s = UNDECIDED_DWELLS * controller.seat.policy.gate.dwell_s
    if pairs >= FEWEST_PAIRS or max(needed_s, since_change_s(controller, now_ns)) >= limit_s:
        return ""
    return f"slots have measured {pairs} of {FEWEST_PAIRS} pairs of what rules"


def phase_changed(controller: Controller, recommendation: Recommendation) -> bool:
    """True when the workload changed since the last change: it ends the dwell.

    A look that finds another best value has itself seen the new phase.
    """
    if controller.look is not None and recommendation.changes:
        return True
    return phase_ended(controller)


def onward(controller: Controller, recommendation: Recommendation) -> bool:
    """True when a number changes further in the direction of the last change that rules. Never
    where a vigil watches: what it guards is still on its way to the last value then."""
    ruling = controller.ruling if controller.vigil is None else None
    last = ruling.recommendation if ruling else None
    follows = last and (last.knob, last.proposed) == (recommendation.knob, recommendation.current)
    return bool(last and follows and _rises(last) == _rises(recommendation) is not None)


def _rises(recommendation: Recommendation) -> bool | None:
    """None where values have no order, or do not differ."""
    old, new = recommendation.current, recommendation.proposed
    if isinstance(old, str) or isinstance(new, str) or old == new:
        return None
    return new > old


def phase_ended(controller: Controller) -> bool:
    """True when another phase began after the last change."""
    changed_ns = controller.changed_ns
    return changed_ns is not None and controller.watch.phase_ns > changed_ns
