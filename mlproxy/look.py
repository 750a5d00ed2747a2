"""A look: a short stay at an informative value, because the one in force hides the workload
or leaves too much in doubt."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from mlproxy.decide import Answer
from mlproxy.features import FeatureSchema
from mlproxy.gate_range import clamp_step
from mlproxy.knob import Knob, Setting, Value
from mlproxy.seat import Seat


@dataclass
class Look:
    """One look under way; `held` is what to go back to unless it shows something better."""

    knob: Knob
    value: Value
    held: Setting
    started_ns: int
    windows: int = 0


MOST_WINDOWS = 6
"""A look whose windows keep contradicting each other is given up after so many."""

IDLE_WINDOWS = 3
"""So is one that sees no I/O."""


DOUBT_LOG = 0.18
"""A gain that may be had (median, 20 %) but is not sure is worth a look ..."""

HOPE_LOG = 0.4
"""... and one that may be had at best (50 %) is worth one, from the knob's own look value."""

DOUBT_LOOKS = 3
"""A new phase may be looked at from so many values at once ..."""

DOUBT_AGAIN_S = 60.0
"""... and after that no more often than this."""


def doubtful(
    seat: Seat, setting: Setting, answer: Answer, seen: Collection[Value | None], again: bool
) -> tuple[Knob, Value] | None:
    """What to look from where a candidate promises much, but not surely: the knob's own look
    value, unless the phase was `seen` from there; then that candidate itself, as far towards
    it as the policy's step allows, unless it would hide the workload.

    `again`: the last look is so long ago that what was seen may be looked at anew.
    """
    held = answer.recommendation.current_gain_log
    likely = max(answer.predictions, key=lambda option: option.gain_log)
    knob, hides = seat.adapter.knob(likely.knob), seat.adapter.is_blind
    if likely.gain_log - held >= DOUBT_LOG:
        value = knob.look
        if value in seen and not hides(answer.features, knob, likely.value):
            value = _towards(seat, knob, setting, likely.value)
    else:
        best = max(answer.predictions, key=lambda option: option.upper_log)
        knob, again = seat.adapter.knob(best.knob), False
        value = knob.look if best.upper_log - held >= HOPE_LOG else None
    if knob.look is None or value is None or value == setting[knob.name]:
        return None
    return (knob, value) if (again or value not in seen) and seat.legal(knob, value) else None


def _towards(seat: Seat, knob: Knob, setting: Setting, value: Value) -> Value:
    limit = seat.policy.knobs[knob.name].max_step
    return value if limit is None else clamp_step(setting[knob.name], value, limit, knob.grid)


def blind_knob(seat: Seat, setting: Setting) -> Knob | None:
    """The knob whose value in `setting` is blind and whose look value is legal."""
    for knob in seat.knobs:
        blind = knob.is_blind(setting[knob.name])
        if blind and knob.look is not None and seat.legal(knob, knob.look):
            return knob
    return None


def is_blind(seat: Seat, setting: Setting, features: FeatureSchema | None) -> bool:
    """True when the features at `setting` do not tell workloads apart."""
    if features is None:
        return any(knob.is_blind(setting[knob.name]) for knob in seat.knobs)
    return any(seat.adapter.is_blind(features, k, setting[k.name]) for k in seat.knobs)
