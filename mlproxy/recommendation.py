"""A recommendation: what a model proposes for one knob of one proxy, and why."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import NamedTuple

from mlproxy.knob import Value


class Doubted(NamedTuple):
    """A candidate that would be better by its median and is not sure; gains as below."""

    value: Value
    gain_log: float
    lower_log: float


@dataclass(frozen=True)
class Recommendation:
    """One proposed change of one knob.

    Gains are natural logarithms of (performance at the value / performance at the
    baseline): 0.0 is no gain, log(2) is twice as good. `gain_log` and `lower_log` are of
    `proposed`, `current_gain_log` is of what the knob holds now.
    """

    id: str
    proxy: str
    device: str
    knob: str
    current: Value
    proposed: Value
    baseline: Value
    gain_log: float
    lower_log: float
    current_gain_log: float
    confidence: float
    why: str
    model: str
    distance: float
    """Joint distance to the training data over the model's threshold; above 1 is outside."""
    doubted: Doubted | None = None
    """What would be proposed instead of nothing if it were sure enough."""
    explored: bool = False
    """Drawn at random among what is safe, to learn from it."""
    propensity: float = 1.0
    """How likely just this was to be proposed of what was seen."""
    pairs: int = 0
    """Pairs of slots that measured `gain_log` and `lower_log`; 0: they are predicted."""
    current_pairs: int = 0
    """Pairs of slots that measured `current_gain_log`; 0: it is predicted."""

    @property
    def changes(self) -> bool:
        """False when the best candidate is what the knob already holds."""
        return self.current != self.proposed

    @property
    def direction(self) -> str:
        """ "up", "down", or the proposed name: what trust is earned on."""
        if isinstance(self.proposed, str) or isinstance(self.baseline, str):
            return str(self.proposed)
        return "up" if self.proposed > self.baseline else "down"

    @property
    def source(self) -> str:
        """Where the gain comes from: "measured" or "predicted"."""
        return "measured" if self.pairs else "predicted"

    @property
    def gain(self) -> float:
        """Gain over the baseline as a ratio minus one: 0.25 is 25 % better."""
        return math.expm1(self.gain_log)

    @property
    def lower(self) -> float:
        """Lower bound of the gain at `confidence`, as a ratio minus one."""
        return math.expm1(self.lower_log)


def recommendation_id(proxy: str, knob: str, proposed: Value, model: str, taken_ns: int) -> str:
    """Eight hex digits, stable for the same decision at the same moment (promise 9)."""
    text = f"{proxy}|{knob}|{proposed}|{model}|{taken_ns}"
    return hashlib.sha256(text.encode()).hexdigest()[:8]
