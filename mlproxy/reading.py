"""A reading: what the application got done in one slot, in the objective's metrics.

A pair is judged on the primary metric with the guards taken into account, by the same
objective that models are trained on: a reader's win that starves the writer is none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mlproxy.objective import Objective
from mlproxy.trial import Measure, Pair

Progress = Mapping[str, float]
"""Growing totals by metric: the objective's own metric, and its guards where known."""


@dataclass(frozen=True, slots=True)
class Reading(Measure):
    """`events` is the primary metric's growth, or the guards' where that stands still."""

    counts: Progress

    def rates(self) -> dict[str, float]:
        """Growth per second by metric."""
        return {name: value * 1e9 / self.elapsed_ns for name, value in self.counts.items()}


def reading(before: Progress, after: Progress, elapsed_ns: int) -> Reading:
    """What one slot got done; a total that went backwards counts as no growth."""
    counts = {name: max(after[name] - before[name], 0.0) for name in before if name in after}
    return Reading(round(max(counts.values(), default=0.0)), elapsed_ns, counts)


def weighed(pair: Pair, objective: Objective) -> Pair:
    """The pair as the objective sees it: the treated slot's events are the baseline's times
    the objective's gain. A pair that cannot be compared so is left as it is."""
    treated, baseline = pair.treated, pair.baseline
    if not isinstance(treated, Reading) or not isinstance(baseline, Reading):
        return pair
    gain_log = objective.gain_log(treated.rates(), baseline.rates())
    if math.isnan(gain_log):
        return pair
    share = treated.elapsed_ns / baseline.elapsed_ns
    events = round(baseline.events * share * math.exp(min(gain_log, 20.0)))
    return replace(pair, treated=Measure(events, treated.elapsed_ns))
