"""What the kernel says of a lease and of its own trial, read from one sample.

Attributes are those of transports/class_values.py. A trial of the kernel's becomes the
same TrialState and the same events as one of ours, so that trust, status and the outcome
log speak of both alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from mlproxy.mode import Mode
from mlproxy.trial import Event, Result, TrialState

MODES = tuple(Mode)
COUNTS = ("wins", "losses", "ties", "void", "log_sum", "log_squares")


@dataclass(frozen=True, slots=True)
class Costs:
    """Cost of one event in nanoseconds by arm, as the kernel measured it; `carried_ns` fell
    into a later slot than its beginning and is in neither. None where there is none yet."""

    treated_ns: float | None = None
    baseline_ns: float | None = None
    carried_ns: float | None = None


@dataclass(frozen=True, slots=True)
class KernelReading:
    """One proxy of the class at one moment.

    Args:
        mode, limit: the mode in force, and the highest that is allowed.
        sequence: number of the last commit.
        leased: a recommendation is in force, though its slot may be the baseline's.
        slot_s: length of the running slot; infinite where the kernel holds no trial, which
            slots of no length say too.
        effective: what each knob holds in this slot.
        recommended: what was committed, by knob; {} without a lease.
        counts: of the trial, by name in COUNTS; {} where there is no trial.
    """

    mode: Mode
    limit: Mode
    sequence: int
    leased: bool
    lease_ms: int
    slot_s: float
    effective: Mapping[str, int]
    recommended: Mapping[str, int]
    counts: Mapping[str, int]
    costs: Costs

    @property
    def pairs(self) -> int:
        """Pairs judged."""
        return sum(self.counts.get(name, 0) for name in ("wins", "losses", "ties"))


def kernel_reading(values: Mapping[str, float], knobs: Iterable[str]) -> KernelReading | None:
    """The reading in a sample's values; None where the sample has none."""

    def number(name: str) -> int | None:
        found = values.get(f"kernel.{name}")
        return None if found is None else int(found)

    def of_knobs(what: str) -> dict[str, int]:
        found = {knob: number(f"{knob}.{what}") for knob in names}
        return {knob: value for knob, value in found.items() if value is not None}

    names = tuple(knobs)
    mode, limit, sequence = number("mode"), number("mode_limit"), number("sequence")
    if mode is None or limit is None or sequence is None:
        return None
    recommended, slot_ms = of_knobs("recommended"), number("trial.slot_ms")
    counts = {name: number(f"trial.{name}") if slot_ms else None for name in COUNTS}
    costs = (number(f"trial.{name}_ns") for name in ("treated_cost", "baseline_cost", "carried"))
    return KernelReading(
        mode=MODES[mode],
        limit=MODES[limit],
        sequence=sequence,
        leased=bool(recommended),
        lease_ms=number("lease_ms") or 0,
        slot_s=slot_ms / 1e3 if slot_ms else math.inf,
        effective=of_knobs("effective"),
        recommended=recommended,
        counts={name: value for name, value in counts.items() if value is not None},
        costs=Costs(*(float(cost) if cost else None for cost in costs)),
    )


def trial_state(state: TrialState, reading: KernelReading) -> TrialState:
    """The state with the kernel's mode and counts; how often it failed before is ours."""
    return replace(state, mode=reading.mode, **reading.counts)


def pair_result(before: KernelReading, now: KernelReading) -> Result:
    """What the pairs since the last reading say; the worst of them where they differ."""
    grown = {name: now.counts.get(name, 0) - before.counts.get(name, 0) for name in COUNTS}
    for name, result in (("losses", Result.LOSE), ("wins", Result.WIN), ("ties", Result.TIE)):
        if grown[name] > 0:
            return result
    return Result.VOID if grown["void"] > 0 else Result.UNTESTED


def trial_event(before: KernelReading, now: KernelReading, due: bool) -> Event | None:
    """What happened between two readings of one lease.

    Args:
        due: the lease was over, by the clock. One that ended before was ended by the trial:
            two bad pairs show as mode emergency, the slow way down does not. Or somebody
            stopped it with mode_limit, which says nothing of the value.
    """
    if before.leased and not now.leased:
        if due or not now.counts or now.limit is Mode.EMERGENCY:
            return None
        return Event.EMERGENCY if now.mode is Mode.EMERGENCY else Event.NO_GAIN
    if now.mode > before.mode:
        return Event.PROMOTED
    return Event.DEMOTED if now.mode < before.mode else None
