"""What a running agent says of itself: `<state>/status.json`, replaced as a whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from mlproxy.knob import Value

NAME = "status.json"


class KnobStatus(BaseModel):
    """One knob of one proxy. Gains are ratios minus one; None where nothing was measured."""

    model_config = ConfigDict(frozen=True)

    proxy: str
    device: str
    adapter: str
    knob: str
    baseline: Value
    effective: Value
    mode: str
    share: float
    """Share of time in which the recommendation rules now; 0 without one."""
    rule: str
    reason: str
    recommendation: str = ""
    predicted_gain: float | None = None
    predicted_lower: float | None = None
    judged: Literal["measured", "untested", "lost", ""] = ""
    measured_gain: float | None = None
    measured_low: float | None = None
    measured_high: float | None = None
    pairs: int = 0
    wins: int = 0
    losses: int = 0
    treated_cost_ns: float | None = None
    """Cost of one event while the value ruled, as a patched kernel measured it."""
    baseline_cost_ns: float | None = None
    counted: dict[str, int] = {}
    """Counters and gauges of a patched kernel beside it, those that the adapter names."""
    verdict_in_s: float | None = None
    changes: int = 0
    looks: int = 0
    transport: str = "stock"
    look_s: float = 0.0
    """Time spent at a look's value: what blind values cost."""


class Status(BaseModel):
    """The agent as a whole."""

    model_config = ConfigDict(frozen=True)

    format: int = 1
    pid: int
    started_s: float
    updated_s: float
    paused: str = ""
    ticks: int = 0
    knobs: tuple[KnobStatus, ...] = ()

    @property
    def alive(self) -> bool:
        """True while the process that wrote it still runs."""
        return Path(f"/proc/{self.pid}").exists()


def write_status(state: Path, status: Status) -> None:
    """Replace the file; a reader sees the old one or the new one. Not fsynced."""
    fresh = state / f"{NAME}.new"
    fresh.write_text(status.model_dump_json())
    os.replace(fresh, state / NAME)  # noqa: PTH105


def read_status(state: Path) -> Status | None:
    """The last status; None where no agent ever wrote one that can be read."""
    try:
        return Status.model_validate_json((state / NAME).read_bytes())
    except (OSError, ValidationError):
        return None
