"""An objective: what an adapter tries to raise, and what it must not hurt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

PENALTY = 4.0
"""What one log unit below a guard's floor costs, in log units of the primary metric."""


@dataclass(frozen=True)
class Guard:
    """A metric that a change may not push below `floor` times its baseline."""

    metric: str
    floor: float
    what: str
    counter: str = ""
    """Attribute of a sample that counts it on a stock kernel, "" where none does."""
    ceiling: float | None = None
    """Of a value that rules without slots: not above this times its baseline either."""
    cap: str = ""
    """Another counter: the baseline counts as no more than that one was."""
    penalty: float = PENALTY


@dataclass(frozen=True)
class Objective:
    """The primary metric (higher is better) with its guards, named before a run.

    `stock_progress` is an attribute of a sample that is true application progress on a
    stock kernel (for the I/O scheduler: completed reads), or "" where none is: then a
    trial without a progress source judges nothing. `refused` names signals that look
    like progress and choose the wrong arm.
    """

    metric: str
    unit: str
    what: str
    guards: tuple[Guard, ...] = ()
    stock_progress: str = ""
    refused: tuple[str, ...] = ()

    def totals(self, primary: float, values: Mapping[str, float]) -> dict[str, float]:
        """Progress by metric at a sample with `values`, given the primary metric's total."""
        known = {guard.metric: values.get(guard.counter) for guard in self.guards}
        return {self.metric: primary} | {k: v for k, v in known.items() if v is not None}

    def gain_log(self, metrics: Mapping[str, float], baseline: Mapping[str, float]) -> float:
        """Log gain of one measurement over another, guards included; NaN if incomparable,
        infinite where only one of them has any of the primary metric.

        Without the primary metric in the baseline (no readers, say) the guarded metrics
        are the objective, so that a change that only hurts is seen as a loss.
        """
        guarded = [_log_ratio(guard.metric, metrics, baseline) for guard in self.guards]
        present = [value for value in guarded if value is not None]
        gain = _log_ratio(self.metric, metrics, baseline)
        if gain is None:
            return self._without_primary(metrics, baseline, present)
        for guard, value in zip(self.guards, guarded, strict=True):
            if value is not None:
                gain += guard.penalty * min(0.0, value - math.log(guard.floor))
            elif guard.metric in baseline and guard.metric not in metrics:
                return math.nan
        return gain

    def _without_primary(
        self, metrics: Mapping[str, float], baseline: Mapping[str, float], guards: list[float]
    ) -> float:
        """Starving the primary metric is the worst there is, whatever the guards gained."""
        had, has = (each.get(self.metric, 0.0) > 0 for each in (baseline, metrics))
        if had != has:
            return -math.inf if had else math.inf
        return min(guards, default=math.nan)


def _log_ratio(
    name: str, metrics: Mapping[str, float], baseline: Mapping[str, float]
) -> float | None:
    value, before = metrics.get(name, 0.0), baseline.get(name, 0.0)
    return math.log(value / before) if value > 0 and before > 0 else None
