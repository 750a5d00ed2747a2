"""A knob: one value of the kernel's that may be recommended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Value = int | str
Setting = Mapping[str, Value]
"""One value for each knob of a proxy, by knob name."""


class Effect(StrEnum):
    """When a changed value starts to matter."""

    AT_ONCE = "at once"
    NEW_OPENS = "files opened from now on"
    AFTER_FREEZE = "after a queue freeze"


class Unit(StrEnum):
    """What a treated and a baseline measurement of this knob are compared over."""

    SLOT = "slot"
    EPISODE = "episode"
    LEASE = "lease"
    """Nothing: what it does outlives any slot. It rules in full, and guards take it back."""


@dataclass(frozen=True)
class Knob:
    """A tunable value; `path` is relative to the object that holds it.

    Args:
        name: the kernel's name, as in Documentation/ABI.
        path: file under the object's sysfs directory (or under the root for a host knob).
        unit: what one step of an integer means, for people; "" for a name.
        grid: the candidates, in rising order for integers.
        minimum, maximum: the adapter's own range (the gate intersects it with the
            kernel's and the policy's); None for a knob with choices.
        choices: every legal word of a knob that holds a name.
        special: values with a meaning of their own, e.g. {0: "off"}.
        blind: values at which the features do not tell workloads apart.
        look: the value that a short look takes when the current one is blind.
        disturbs: other knobs of the proxy that the kernel changes when this is written.
        companions: values that other knobs of the proxy must hold for this one to have an
            effect, while it is away from its baseline. No model is asked about them.
    """

    name: str
    path: str
    unit: str
    what: str
    grid: tuple[Value, ...]
    effect: Effect
    cost: str
    settle_s: float
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()
    special: Mapping[Value, str] = field(default_factory=dict)
    blind: frozenset[Value] = frozenset()
    look: Value | None = None
    trial: Unit = Unit.SLOT
    disturbs: tuple[str, ...] = ()
    companions: Mapping[str, Value] = field(default_factory=dict)

    def code(self, value: Value) -> float:
        """The number a model sees: the value itself, or the place of a name in `choices`."""
        if isinstance(value, str):
            return float(self.choices.index(value)) if value in self.choices else float("nan")
        return float(value)

    def is_blind(self, value: Value) -> bool:
        """True where the features cannot tell workloads apart: at or below a blind integer."""
        integers = [item for item in self.blind if isinstance(item, int)]
        if isinstance(value, int) and integers:
            return 0 <= value <= max(integers)
        return value in self.blind
