"""Modes: the share of time in which a recommendation rules, in the order of trust."""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction


class Mode(StrEnum):
    """What a recommendation may do, from nothing to nearly everything.

    Compares by trust, not by the alphabet: `Mode.EMERGENCY < Mode.LEARNING`.
    """

    EMERGENCY = "emergency"
    LEARNING = "learning"
    COLLABORATION = "collaboration"
    RECOMMENDATION = "recommendation"

    @property
    def share(self) -> Fraction:
        """Share of time in which the recommended value is in force, before it is proven."""
        return _SHARES[self]

    @property
    def rank(self) -> int:
        """Place in the order of trust: 0 is emergency."""
        return _ORDER.index(self)

    def __lt__(self, other: str) -> bool:
        return self.rank < Mode(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank <= Mode(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank > Mode(other).rank

    def __ge__(self, other: str) -> bool:
        return self.rank >= Mode(other).rank

    def under(self, ceiling: Mode) -> Mode:
        """This mode, or the ceiling when that is lower."""
        return min(self, ceiling)

    def promoted(self, ceiling: Mode) -> Mode:
        """One step up, never above the ceiling."""
        return _ORDER[min(self.rank + 1, len(_ORDER) - 1)].under(ceiling)

    def demoted(self) -> Mode:
        """One step down; emergency stays emergency."""
        return _ORDER[max(self.rank - 1, 0)]


_ORDER = tuple(Mode)
_SHARES = {
    Mode.EMERGENCY: Fraction(0),
    Mode.LEARNING: Fraction(1, 8),
    Mode.COLLABORATION: Fraction(1, 2),
    Mode.RECOMMENDATION: Fraction(7, 8),
}
