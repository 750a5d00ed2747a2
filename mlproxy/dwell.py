"""How long a value has been in force, and whether the workload is still the same."""

from __future__ import annotations

from mlproxy.controller import Controller
from mlproxy.recommendation import Recommendation
from mlproxy.ruling import NS


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
    return phase_ended(controller)


def phase_ended(controller: Controller) -> bool:
    """True when another phase began after the last change."""
    changed_ns = controller.changed_ns
    return changed_ns is not None and controller.watch.phase_ns > changed_ns
