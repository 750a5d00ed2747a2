"""A look: a short stay at an informative value, because the one in force hides the workload
or leaves too much in doubt."""

from __future__ import annotations

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
"""A gain that may be had (median, 20 %) but is not sure is worth one look."""

DOUBT_AGAIN_S = 60.0
"""In one phase doubt leads to a look no more often than this."""


def doubtful(seat: Seat, setting: Setting, answer: Answer) -> tuple[Knob, Value] | None:
    """What to look from where a candidate promises much, but not surely: that candidate
    itself, as far towards it as the policy's step allows; the knob's own look value where
    the candidate would hide the workload."""
    held = answer.recommendation.current_gain_log
    best = max(answer.predictions, key=lambda option: option.gain_log)
    knob = seat.adapter.knob(best.knob)
    if knob.look is None or best.gain_log - held < DOUBT_LOG:
        return None
    hides = seat.adapter.is_blind(answer.features, knob, best.value)
    value = knob.look if hides else _towards(seat, knob, setting, best.value)
    return (knob, value) if value != setting[knob.name] and seat.legal(knob, value) else None


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
