"""`mlproxy evaluate`: what a model is worth for workloads that it never saw."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from mlproxy.cli.console import emit, line, table
from mlproxy.cli.options import AdapterName, AsJson, Rows, Seed
from mlproxy.cli.schema_training import Estimate, EvaluateReport, FamilyScore
from mlproxy.registry import load_registry

if TYPE_CHECKING:
    from mlproxy.clustered import Clustered
    from mlproxy.scores import Score

LEAST_HELD = 0.85
FEWEST, FEWEST_GROUPS = 500, 40
"""Windows and groups below which too little was seen to call a bound honest."""

ModelFolder = Annotated[
    Path | None,
    typer.Option("--model", metavar="DIR", help="Judge this model by groups that it never saw."),
]


def evaluate(
    adapter: AdapterName,
    rows: Rows,
    model: ModelFolder = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Judge bound and choice on workloads left out as a whole, by family.

    Without --model a model is trained anew for each fold, as `train` would; minutes.

    Example: mlproxy evaluate readahead rows.jsonl
    """
    from mlproxy.evaluation import CONFIDENCE, evaluate_model
    from mlproxy.evaluation import evaluate as cross_evaluate
    from mlproxy.lab.rows import records_from
    from mlproxy.model import load_model

    found = load_registry().get(adapter)
    records = records_from(found, rows)
    if model is None:
        scores = cross_evaluate(found, records, seed)
    else:
        scores = evaluate_model(found, load_model(found, str(model)), records)
    families = tuple(map(_family, scores))
    report = EvaluateReport(
        adapter=adapter,
        model=str(model or ""),
        confidence=CONFIDENCE,
        records=len(records),
        honest=is_honest(families[0], CONFIDENCE),
        families=families,
    )
    emit(report, as_json, _show)


def is_honest(score: FamilyScore, confidence: float) -> bool:
    """True when the chosen candidate's bound held in 85 % or more, with an interval that has
    the confidence in it, on enough windows of enough groups."""
    held = score.chosen_bound_held
    if held.estimate is None or held.low is None or held.high is None:
        return False
    enough = held.n >= FEWEST and score.groups >= FEWEST_GROUPS
    return enough and held.estimate >= LEAST_HELD and held.low <= confidence <= held.high


def _family(score: Score) -> FamilyScore:
    regret = score.regret_log
    return FamilyScore(
        family=score.family,
        groups=score.groups,
        share_inside=round(score.share_inside, 4),
        bound_held=_estimate(score.every),
        chosen_bound_held=_estimate(score.chosen),
        regret=_estimate(regret, ratio=True),
        captured=_estimate(score.captured),
    )


def _estimate(found: Clustered, *, ratio: bool = False) -> Estimate:
    """NaN becomes null; logs become ratios minus one if asked."""
    numbers = (found.estimate, found.lower, found.upper)
    ends = (math.expm1(number) if ratio else number for number in numbers)
    estimate, low, high = (round(end, 4) if math.isfinite(end) else None for end in ends)
    return Estimate(estimate=estimate, low=low, high=high, n=found.n, workloads=found.clusters)


def _show(console: Console, report: EvaluateReport) -> None:
    least = f"{report.confidence:.0%} bound held"
    found = table("family", "groups", "windows", least, "of the chosen", "regret", "captured")
    for score in report.families:
        found.add_row(
            score.family,
            str(score.groups),
            str(score.regret.n),
            _share(score.bound_held),
            _share(score.chosen_bound_held),
            _share(score.regret),
            _share(score.captured),
        )
    console.print(found)
    whole = report.families[0]
    held = whole.chosen_bound_held
    said = "holds as often as it says" if report.honest else "is not shown to hold as often"
    size = f"{held.n} windows of {whole.groups} groups, whole workloads left out"
    line(console, f"{report.adapter}: the bound of what is chosen {said} ({size})")


def _share(found: Estimate) -> str:
    if found.estimate is None:
        return "-"
    if found.low is None or found.high is None:
        return f"{found.estimate:.1%}"
    return f"{found.estimate:.1%} ({found.low:.1%} to {found.high:.1%})"
