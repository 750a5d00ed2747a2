"""What `--json` prints, one model per command; docs/json.md is generated from these.

A format's version rises when a field is removed or changes its meaning; new fields may
come at any time.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mlproxy.knob import Value
from mlproxy.status import KnobStatus


class Part(BaseModel):
    """Base of all parts of a report."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)


class ProbedKnob(Part):
    """One knob of one proxy, as it stands."""

    knob: str
    what: str
    unit: str
    path: str = Field(description="relative to the root")
    value: Value | None
    minimum: int | None
    maximum: int | None
    choices: tuple[str, ...]
    special: dict[str, str]
    takes_effect: str
    cost: str


class ProbedProxy(Part):
    """One proxy, what it offers and what it lacks."""

    proxy: str
    device: str
    adapter: str
    transport: str
    names: tuple[str, ...]
    progress: str = Field(description="what a trial measures progress by; empty: nothing")
    lacks: tuple[str, ...]
    knobs: tuple[ProbedKnob, ...]


class ProbeReport(Part):
    """`mlproxy probe --json`."""

    format: Literal["mlproxy-probe/v1"] = "mlproxy-probe/v1"
    root: str
    proxies: tuple[ProbedProxy, ...]
    notes: dict[str, str] = Field(description="by adapter: what it says in every output")
    skipped: dict[str, str] = Field(description="by adapter: why it cannot be used")


class Candidate(Part):
    """What the model predicts for one value; gains are ratios minus one."""

    knob: str
    value: Value
    gain: float
    lower: float


class FoundChange(Part):
    """What was found for one proxy: a recommendation with its verdict, or why there is none."""

    proxy: str
    device: str
    adapter: str
    setting: dict[str, Value] = Field(description="what the policy's knobs hold")
    id: str = Field(description="of the recommendation; empty when there is none")
    knob: str
    current: Value | None
    proposed: Value | None
    baseline: Value | None
    predicted_gain: float | None = Field(description="ratio minus one: 0.25 is 25 % better")
    predicted_lower: float | None = Field(description="its lower bound at `confidence`")
    confidence: float | None
    distance: float | None = Field(description="to the training data; above 1 is outside")
    model: str
    verdict: Literal["apply", "hold", "refuse", "none"]
    rule: str
    reason: str
    why: str
    features: dict[str, float | None]
    candidates: tuple[Candidate, ...]
    do: tuple[str, ...] = Field(description="shell lines that make the change")
    undo: tuple[str, ...] = Field(description="shell lines that take it back")
    lacks: tuple[str, ...]
    applied: bool = False
    in_force: Value | None = Field(None, description="after applying; null when not applied")
    trouble: str = Field("", description="why an allowed change was not made")
    transport: str = Field("stock", description="how `mlproxy run` would reach it")


class RestoredKnob(Part):
    """What became of one knob of an earlier change."""

    proxy: str
    knob: str
    outcome: str
    found: Value | None
    baseline: Value | None
    why: str


class ApplyReport(Part):
    """`mlproxy apply --json`, with or without `--dry-run`."""

    format: Literal["mlproxy-apply/v1"] = "mlproxy-apply/v1"
    root: str
    dry_run: bool
    windows: int = Field(description="how many windows were looked at")
    recovered: tuple[RestoredKnob, ...] = Field(description="left by an earlier crash")
    findings: tuple[FoundChange, ...]
    notes: dict[str, str] = Field(description="by adapter: what it says in every output")
    skipped: dict[str, str] = Field(description="by adapter: why it cannot be used")
    summary: str


class HeldKnob(Part):
    """A knob that may hold a value of ours, by the journal."""

    proxy: str
    knob: str
    baseline: Value
    ours: tuple[Value, ...]
    kept: bool = Field(description="left in force on purpose until `mlproxy revert`")


class StatusReport(Part):
    """`mlproxy status --json`."""

    format: Literal["mlproxy-status/v1"] = "mlproxy-status/v1"
    state: str
    running: bool
    pid: int | None
    started_s: float | None = Field(description="seconds since 1970")
    updated_s: float | None = Field(description="seconds since 1970")
    paused: str = Field(description="who paused it and when; empty when nobody")
    ticks: int
    measured: tuple[KnobStatus, ...]
    untested: tuple[KnobStatus, ...]
    lost: tuple[KnobStatus, ...]
    others: tuple[KnobStatus, ...] = Field(description="nothing is recommended for them now")
    held: tuple[HeldKnob, ...] = Field(description="what `mlproxy revert` would put back")


class Happened(Part):
    """One line of the outcome log about a recommendation."""

    time_s: float
    kind: str
    what: str


class Contribution(Part):
    """What one column of the model's input did for a prediction."""

    column: str = Field(description="a feature, or what is asked of a knob")
    value: float | None = Field(description="null where the feature was missing")
    factor: float = Field(description="the predicted performance is multiplied by this")


class ExplainReport(Part):
    """`mlproxy explain ID --json`."""

    format: Literal["mlproxy-explain/v1"] = "mlproxy-explain/v1"
    id: str
    time_s: float
    proxy: str
    device: str
    adapter: str
    knob: str
    current: Value | None
    proposed: Value | None
    baseline: Value | None
    why: str
    features: dict[str, float | None]
    candidates: tuple[Candidate, ...]
    contributions: tuple[Contribution, ...] = Field(
        description="the strongest first, from the last window alone; empty without its model"
    )
    model: str
    predicted_gain: float | None
    predicted_lower: float | None
    verdict: str
    rule: str
    reason: str
    measured: str = Field(description="in words; `untested` where nothing could be measured")
    events: tuple[Happened, ...]
    do: tuple[str, ...]
    undo: tuple[str, ...]


class RevertReport(Part):
    """`mlproxy revert --json`."""

    format: Literal["mlproxy-revert/v1"] = "mlproxy-revert/v1"
    state: str
    knobs: tuple[RestoredKnob, ...]


class CheckedFile(Part):
    """One policy file."""

    file: str
    policies: int
    problems: tuple[str, ...]


class CheckReport(Part):
    """`mlproxy check --json`."""

    format: Literal["mlproxy-check/v1"] = "mlproxy-check/v1"
    ok: bool
    files: tuple[CheckedFile, ...]
    problems: tuple[str, ...] = Field(description="of the policies taken together")


class ModelFacts(Part):
    """What a model's manifest says."""

    rows: int
    groups: int
    sha256: str
    xgboost: str
    metrics: dict[str, float]


class ListedAdapter(Part):
    """One installed adapter."""

    name: str
    version: str
    package: str
    subject: str
    knobs: tuple[str, ...]
    features: tuple[str, ...]
    note: str
    model: ModelFacts | None
    model_lacks: str = Field(description="why there is no usable model; empty when there is")


class AdaptersReport(Part):
    """`mlproxy adapters --json`."""

    format: Literal["mlproxy-adapters/v1"] = "mlproxy-adapters/v1"
    adapters: tuple[ListedAdapter, ...]
    broken: dict[str, str]
