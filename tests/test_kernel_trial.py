"""What the kernel says of its lease and trial, as readings, states and events."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from mlproxy.kernel_trial import (
    Costs,
    KernelReading,
    kernel_reading,
    pair_result,
    trial_event,
    trial_state,
)
from mlproxy.mode import Mode
from mlproxy.trial import Event, Result, TrialState

COUNTS = {"wins": 3, "losses": 1, "ties": 2, "void": 1, "log_sum": 512, "log_squares": 90_000}
VALUES = {
    "kernel.mode": 1.0,
    "kernel.mode_limit": 3.0,
    "kernel.sequence": 9.0,
    "kernel.lease_ms": 10_000.0,
    "kernel.knob.effective": 128.0,
    "kernel.knob.recommended": 16.0,
    "kernel.trial.slot_ms": 250.0,
    "kernel.trial.treated_cost_ns": 100.0,
    "kernel.trial.baseline_cost_ns": 0.0,
    **{f"kernel.trial.{name}": float(value) for name, value in COUNTS.items()},
}


def reading(**changes: object) -> KernelReading:
    found = kernel_reading(VALUES, ["knob"])
    assert found is not None
    return replace(found, **changes)  # type: ignore[arg-type]


def test_a_reading_holds_what_the_sample_says() -> None:
    assert reading() == KernelReading(
        mode=Mode.LEARNING,
        limit=Mode.RECOMMENDATION,
        sequence=9,
        leased=True,
        lease_ms=10_000,
        slot_s=0.25,
        effective={"knob": 128},
        recommended={"knob": 16},
        counts=COUNTS,
        costs=Costs(treated_ns=100.0),
    )
    assert reading().pairs == 6


@pytest.mark.parametrize("name", ["kernel.mode", "kernel.mode_limit", "kernel.sequence"])
def test_without_what_a_lease_needs_there_is_no_reading(name: str) -> None:
    assert kernel_reading({k: v for k, v in VALUES.items() if k != name}, ["knob"]) is None


def test_a_provider_without_a_trial_has_neither_slots_nor_counts() -> None:
    none = kernel_reading({**VALUES, "kernel.trial.slot_ms": 0.0}, ["knob"])
    assert none is not None
    assert (none.slot_s, none.counts) == (math.inf, {})


def test_the_state_of_a_trial_is_the_kernels_but_for_k() -> None:
    state = trial_state(TrialState(k=2), reading(mode=Mode.COLLABORATION))
    assert (state.mode, state.k, state.wins, state.pairs) == (Mode.COLLABORATION, 2, 3, 6)
    assert state.gain is not None
    assert state.gain.mean == pytest.approx(2 ** (512 / 256 / 6) - 1)


@pytest.mark.parametrize(
    ("changes", "due", "event"),
    [
        ({}, False, None),
        ({"mode": Mode.COLLABORATION}, False, Event.PROMOTED),
        ({"mode": Mode.EMERGENCY, "leased": False}, False, Event.EMERGENCY),
        ({"leased": False}, False, Event.NO_GAIN),
        ({"leased": False}, True, None),
        ({"leased": False, "counts": {}}, False, None),
        ({"mode": Mode.EMERGENCY, "limit": Mode.EMERGENCY, "leased": False}, True, None),
        ({"mode": Mode.EMERGENCY, "limit": Mode.EMERGENCY, "leased": False}, False, None),
    ],
)
def test_what_happened_between_two_readings(
    changes: dict[str, object], due: bool, event: Event | None
) -> None:
    assert trial_event(reading(), reading(**changes), due) is event


def test_a_fall_of_the_mode_is_a_demotion() -> None:
    before = reading(mode=Mode.RECOMMENDATION)
    assert trial_event(before, reading(mode=Mode.COLLABORATION), False) is Event.DEMOTED


@pytest.mark.parametrize(
    ("grown", "result"),
    [
        ({}, Result.UNTESTED),
        ({"void": 2}, Result.VOID),
        ({"ties": 3}, Result.TIE),
        ({"wins": 4, "ties": 3}, Result.WIN),
        ({"wins": 4, "losses": 2}, Result.LOSE),
    ],
)
def test_the_worst_of_the_new_pairs_counts(grown: dict[str, int], result: Result) -> None:
    assert pair_result(reading(), reading(counts={**COUNTS, **grown})) is result
