"""What `mlproxy train --json` and `evaluate --json` print."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlproxy.cli.schema import ModelFacts, Part


class Relearned(Part):
    """What the outcome logs were worth."""

    tried: int = Field(description="proposals whose trial was learned from")
    skipped: dict[str, int] = Field(description="other decisions by why they taught nothing")
    validation_workloads: int = Field(description="recorded ones that neither model saw")
    regret_before: float = Field(description="on them without the outcomes; 0.1 is 10 % missed")
    regret_after: float


class TrainReport(Part):
    """`mlproxy train --json`."""

    format: Literal["mlproxy-train/v1"] = "mlproxy-train/v1"
    adapter: str
    folder: str
    records: int
    model: ModelFacts
    outcomes: Relearned | None = Field(None, description="with `--from-outcomes`")


class Estimate(Part):
    """An estimate with its 95 % interval over workloads; null where there is too little."""

    estimate: float | None
    low: float | None
    high: float | None
    n: int
    workloads: int = Field(description="drawn as a whole for the interval")


class FamilyScore(Part):
    """One family of workloads, judged by models that saw none of the workload."""

    family: str
    groups: int = Field(description="pairs of device and workload")
    share_inside: float = Field(description="windows that resemble what was trained on")
    bound_held: Estimate = Field(description="share of candidates that gained at least the bound")
    chosen_bound_held: Estimate = Field(description="the same over the candidate that is chosen")
    regret: Estimate = Field(description="0.1: the best would have been 10 % better on average")
    captured: Estimate = Field(description="share of the log gain that the best would have brought")


class EvaluateReport(Part):
    """`mlproxy evaluate --json`."""

    format: Literal["mlproxy-evaluate/v1"] = "mlproxy-evaluate/v1"
    adapter: str
    model: str = Field(description="its folder, or empty: trained anew for each fold")
    confidence: float
    records: int
    honest: bool = Field(description="the chosen bound holds as often as its confidence says")
    families: tuple[FamilyScore, ...] = Field(description="the first is over all")
