"""A look: a short stay at an informative value, because the one in force hides the workload
or leaves too much in doubt."""

from __future__ import annotations

from dataclasses import dataclass

from mlproxy.decide import Answer
from mlproxy.features import FeatureSchema
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


def doubtful_knob(seat: Seat, setting: Setting, answer: Answer) -> Knob | None:
    """The knob whose best candidate promises much but not surely, where a look may tell."""
    held = answer.recommendation.current_gain_log
    best = max(answer.predictions, key=lambda option: option.gain_log)
    knob = seat.adapter.knob(best.knob)
    looks = knob.look is not None and knob.look != setting[knob.name]
    if best.gain_log - held < DOUBT_LOG or not looks or knob.look is None:
        return None
    return knob if seat.legal(knob, knob.look) else None


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
