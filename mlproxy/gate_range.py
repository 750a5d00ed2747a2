"""What values are legal, and how far one change may go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mlproxy.knob import Value


@dataclass(frozen=True)
class Range:
    """Legal values as one party states them: bounds for integers, words for names.

    An absent bound and an empty `choices` mean that this party says nothing about it.
    """

    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()

    def speaks_of(self, value: Value) -> bool:
        """True when the party says anything about values of this kind."""
        if isinstance(value, str):
            return bool(self.choices)
        return self.minimum is not None or self.maximum is not None

    def objects(self, value: Value, who: str) -> str | None:
        """Why `value` is illegal to `who` in one phrase, or None when it is not."""
        if isinstance(value, str) or self.choices:
            legal = not self.choices or value in self.choices
            return None if legal else f"the {who} allows {', '.join(self.choices)}"
        if self.minimum is not None and value < self.minimum:
            return f"below the {who}'s minimum, {self.minimum}"
        if self.maximum is not None and value > self.maximum:
            return f"above the {who}'s maximum, {self.maximum}"
        return None


UNSTATED = Range()
"""Of a party that says nothing."""


def step_factor(current: Value, proposed: Value, grid: Iterable[Value] = ()) -> float:
    """How many times larger or smaller the proposed integer is; 1.0 between names.

    Zero means "off" in the kernel's knobs and has no ratio: it counts as the smallest
    positive value of the grid.
    """
    if isinstance(current, str) or isinstance(proposed, str):
        return 1.0
    floor = min((item for item in _integers(grid) if item > 0), default=1)
    sizes = [value if value > 0 else floor for value in (current, proposed)]
    return max(sizes) / min(sizes)


def clamp_step(current: Value, proposed: Value, max_step: float, grid: Iterable[Value]) -> Value:
    """The value of the grid furthest on the way to `proposed` that is within `max_step`.

    Returns `proposed` when it is near enough and `current` when nothing on the way is.
    """
    integers = _integers(grid)
    if step_factor(current, proposed, integers) <= max_step:
        return proposed
    assert isinstance(current, int)
    assert isinstance(proposed, int)
    low, high = sorted((current, proposed))
    near = [
        item
        for item in integers
        if low < item < high and _within(current, item, max_step, integers)
    ]
    if not near:
        return current
    return max(near) if proposed > current else min(near)


def _within(current: int, item: int, max_step: float, grid: list[int]) -> bool:
    return step_factor(current, item, grid) <= max_step


def _integers(grid: Iterable[Value]) -> list[int]:
    return [item for item in grid if isinstance(item, int)]
