"""The slot schedule: which arm rules when, and which slots are compared.

Time is cut into blocks. Each block holds one pair, a treated and a baseline slot side by
side; the order within the pair and its place in the block come from a seeded generator, so
that under no effect the sign of a pair is a fair coin, whatever the drift.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from mlproxy.trial import Measure, Pair, slots_per_pair

Arm = Literal["treated", "baseline"]

SHORTEST_SLOT_S = 0.25
WASHOUT_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Slot:
    """One time slot: who rules, which pair it belongs to, whether its counts are used."""

    arm: Arm
    pair: int | None
    measured: bool


@dataclass(frozen=True)
class SlotPlan:
    """The schedule of one (proxy, knob) at one share.

    Args:
        share: share of time for the treated value: 0 is all baseline, 1 all treated.
        seed: of the policy's `trial`; equal seeds give equal schedules.
        slot_s, washout_s: length of a slot, and its uncounted beginning.
    """

    share: Fraction
    seed: int
    slot_s: float = SHORTEST_SLOT_S
    washout_s: float = SHORTEST_SLOT_S * WASHOUT_SHARE

    def at(self, index: int) -> Slot:
        """The slot number `index`, counted from 0 at the start of the plan."""
        if self.share in (0, 1):
            return Slot("treated" if self.share else "baseline", None, False)
        block, place = divmod(index, slots_per_pair(self.share))
        return _block(self.share, self.seed, block)[place]

    def index(self, elapsed_s: float) -> int:
        """Number of the slot that is running `elapsed_s` after the start of the plan."""
        return int(elapsed_s / self.slot_s)


def make_plan(
    share: Fraction, seed: int, slot_s: float | None, settle_s: float, resolution_s: float = 0.0
) -> SlotPlan:
    """A plan whose slots are long enough to measure in.

    The washout covers the knob's settling and the age that a progress reading may have, and
    at least a quarter of the slot. Without `slot_s` the settling decides: four thirds of it,
    at least 250 ms; a `slot_s` shorter than that is raised to it.
    """
    settling_s = settle_s + resolution_s
    shortest_s = max(SHORTEST_SLOT_S, settling_s * 4 / 3, 4 * resolution_s)
    length_s = max(slot_s or 0.0, shortest_s)
    return SlotPlan(share, seed, length_s, max(settling_s, length_s * WASHOUT_SHARE))


@lru_cache(maxsize=4096)
def _block(share: Fraction, seed: int, block: int) -> tuple[Slot, ...]:
    """Slots of one block; each has a generator of its own, so `at` needs no state."""
    chance = random.Random(f"{seed}/{share}/{block}")
    length = slots_per_pair(share)
    rest: Arm = "baseline" if share <= Fraction(1, 2) else "treated"
    order: list[Arm] = ["treated", "baseline"]
    chance.shuffle(order)
    place = chance.randrange(length - 1)
    slots = [Slot(rest, None, rest == "baseline")] * length
    slots[place : place + 2] = [Slot(arm, block, True) for arm in order]
    return tuple(slots)


@dataclass
class Pairing:
    """Puts measured slots together into pairs with the baseline slots around them.

    A pair is ready when the next baseline slot outside it has been measured. A slot that
    could not be measured is passed as None: its pair is given up.

    Args:
        waiting: the pair whose own two slots were measured.
    """

    waiting: Pair | None = None
    _before: Measure | None = None
    _half: dict[Arm, Measure] = field(default_factory=dict)
    _number: int | None = None

    def add(self, slot: Slot, measure: Measure | None) -> Pair | None:
        """Take one slot that is over; returns the pair whose surroundings it completed."""
        if not slot.measured:
            return None
        if slot.pair != self._number:
            self._half, self._number = {}, slot.pair
        if measure is None:
            self._half = {}
            return None
        ready = self._complete(measure) if slot.arm == "baseline" else None
        self._place(slot, measure)
        return ready

    def new_plan(self) -> None:
        """Forget a half pair: the plan was replaced and counts its pairs from 0 again."""
        self._half, self._number = {}, None

    def _complete(self, after: Measure) -> Pair | None:
        waiting, self.waiting = self.waiting, None
        return replace(waiting, after=after) if waiting else None

    def _place(self, slot: Slot, measure: Measure) -> None:
        if slot.pair is None:
            self._before = measure
            return
        self._half[slot.arm] = measure
        if len(self._half) == 2:
            treated, baseline = self._half["treated"], self._half["baseline"]
            self.waiting = Pair(treated, baseline, before=self._before)
            self._before = baseline
