"""What the gate says of a recommendation, and all that it must know to say it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mlproxy.gate_range import UNSTATED, Range
from mlproxy.knob import Value
from mlproxy.mode import Mode
from mlproxy.trust import Regression

Action = Literal["apply", "hold", "refuse"]


@dataclass(frozen=True)
class Verdict:
    """What to do with a recommendation.

    Args:
        action: "apply" writes the proposed value; "hold" leaves what is in force and renews
            its lease; "refuse" applies nothing and renews nothing, so that a value of ours
            gives way to the baseline when its lease is over.
        rule: stable name of the deciding rule.
        reason: one sentence for a person, with the values in it.
    """

    action: Action
    rule: str
    reason: str


@dataclass(frozen=True)
class History:
    """All that the gate must know about one knob of one proxy, as plain values.

    Args:
        mode: the mode that has been earned (the policy's ceiling is applied here).
        paused: who or what paused the agent, e.g. the kill-switch file; "" when nobody.
        stood_down: what the administrator did to this knob; "" when nothing.
        overrides: times another writer changed the knob over our value in the last day.
        missing: required features that are missing, with the reason if there is one.
        window_age_s: age of the window that the features were computed from.
        kernel, adapter: legal values as the kernel and the adapter state them.
        grid: the knob's candidates, for a smaller step.
        trusted: max_step no longer binds for this direction of change.
        memory_pressure, io_pressure: PSI "some" over the window as a share of time;
            None where it cannot be read.
        regressions: measured regressions of this knob that are still remembered.
        early: why a value that no slots test may not rule yet; "" when it may.
        undecided: what slots have yet to measure of the value that rules; "" when nothing.
        since_change_s: time since the last change of this knob.
        phase_changed: the workload's phase changed after that change.
        onward: this change goes on in the direction of that change.
    """

    mode: Mode = Mode.LEARNING
    paused: str = ""
    stood_down: str = ""
    overrides: int = 0
    missing: tuple[str, ...] = ()
    window_age_s: float = 0.0
    kernel: Range = UNSTATED
    adapter: Range = UNSTATED
    grid: tuple[Value, ...] = ()
    trusted: bool = False
    memory_pressure: float | None = None
    io_pressure: float | None = None
    regressions: tuple[Regression, ...] = ()
    early: str = ""
    undecided: str = ""
    since_change_s: float = math.inf
    phase_changed: bool = False
    onward: bool = False
