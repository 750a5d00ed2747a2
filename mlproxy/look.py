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

HOPE_LOG = 0.7
"""... and so is one that may be had at best (twofold), from the knob's own look value ..."""

LOSS_LOG = 0.2
"""... unless a loss of that much is the likelier end."""

DOUBT_LOOKS = 3
"""A new phase may be looked at from so many values at once ..."""

DOUBT_AGAIN_S = 60.0
"""... and after that no more often than this."""


def doubtful(
    seat: Seat, setting: Setting, answer: Answer, seen: Collection[Value | None], again: bool
) -> tuple[Knob, Value] | None:
    """What to look from where a candidate promises much, but not surely: the knob's own look
    value where it lies on the way, unless the phase was `seen` from there; else that candidate
    itself, as far towards it as the policy's step allows, unless it would hide the workload.

    `again`: the last look is so long ago that what was seen may be looked at anew.
    """
    held = answer.recommendation.current_gain_log
    likely = max(answer.predictions, key=lambda option: option.gain_log)
    knob, hides = seat.adapter.knob(likely.knob), seat.adapter.is_blind
    now = setting[knob.name]
    if likely.gain_log - held >= DOUBT_LOG:
        value = _between(knob.look, now, likely.value)
        if value in (*seen, None) and not hides(answer.features, knob, likely.value):
            value = _towards(seat, knob, setting, likely.value)
    else:
        open_ones = [o for o in answer.predictions if o.gain_log - held >= -LOSS_LOG]
        best = max(open_ones, key=lambda option: option.upper_log)
        knob, again = seat.adapter.knob(best.knob), False
        now = setting[knob.name]
        hoped = best.upper_log - held >= HOPE_LOG
        value = _between(knob.look, now, best.value) if hoped else None
    if knob.look is None or value is None or value == now:
        return None
    return (knob, value) if (again or value not in seen) and seat.legal(knob, value) else None


def _between(look: Value | None, now: Value, candidate: Value) -> Value | None:
    """The look value, if it lies on the way: at 16 KiB a scan that might gain from 2048 would
    only lose."""
    if not (isinstance(look, int) and isinstance(now, int) and isinstance(candidate, int)):
        return look
    return look if min(now, candidate) <= look <= max(now, candidate) else None


def _towards(seat: Seat, knob: Knob, setting: Setting, value: Value) -> Value:
    limit = seat.policy.knobs[knob.name].max_step
    return value if limit is None else clamp_step(setting[knob.name], value, limit, knob.grid)


def blind_knob(seat: Seat, setting: Setting) -> tuple[Knob, Value] | None:
    """The knob whose value in `setting` is blind, and a legal value to look from."""
    for knob in seat.knobs:
        value = setting[knob.name]
        look = seat.adapter.look_from(knob, value) if knob.is_blind(value) else None
        if look is not None and seat.legal(knob, look):
            return knob, look
    return None


def is_blind(seat: Seat, setting: Setting, features: FeatureSchema | None) -> bool:
    """True when the features at `setting` do not tell workloads apart."""
    if features is None:
        return any(knob.is_blind(setting[knob.name]) for knob in seat.knobs)
    return any(seat.adapter.is_blind(features, k, setting[k.name]) for k in seat.knobs)
