"""`mlproxy train`: rows in, a model out; here or on a cluster, with outcomes or without."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from mlproxy.cli.console import emit, line, table
from mlproxy.cli.options import AdapterName, AsJson, Seed
from mlproxy.cli.schema import ModelFacts
from mlproxy.cli.schema_training import Relearned, TrainReport
from mlproxy.errors import ConfigError
from mlproxy.registry import load_registry

if TYPE_CHECKING:
    from mlproxy.adapter import Adapter
    from mlproxy.manifest import Manifest

Folder = Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="The model's folder.")]
Logs = Annotated[
    list[Path] | None,
    typer.Option(
        "--from-outcomes",
        metavar="LOG",
        help="An agent's outcome log or state folder to learn from as well; may be repeated.",
    ),
]
Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="ROWS...",
        help="Files that `record` or `convert` made; with --engine dask Parquet folders or URLs.",
    ),
]


class Engine(StrEnum):
    """Where a model is trained."""

    LOCAL = "local"
    DASK = "dask"


Where = Annotated[Engine, typer.Option("--engine", help="Train here, or on a Dask cluster.")]
Scheduler = Annotated[
    str, typer.Option("--scheduler", metavar="ADDRESS", help="The cluster's, e.g. tcp://host:8786.")
]


def train(
    adapter: AdapterName,
    rows: Sources,
    output: Folder,
    logs: Logs = None,
    engine: Where = Engine.LOCAL,
    scheduler: Scheduler = "",
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Train an adapter's model on recorded rows and print how good it is.

    With --from-outcomes a model that does worse on recorded workloads that it never saw is not
    written (exit code 10).

    Example: mlproxy train readahead rows.jsonl -o model
    """
    found = load_registry().get(adapter)
    if (engine is Engine.DASK) != bool(scheduler):
        raise ConfigError("--engine dask and --scheduler ADDRESS go together")
    if engine is Engine.DASK and logs:
        raise ConfigError("--from-outcomes trains here: leave out --engine dask")
    if engine is Engine.DASK:
        report = _on_fleet(found, rows, output, scheduler, seed)
    else:
        report = _here(found, [Path(row) for row in rows], output, logs or [], seed)
    emit(report, as_json, _show)


def model_facts(manifest: Manifest) -> ModelFacts:
    """What a report says of a model."""
    from mlproxy.manifest import MODEL

    return ModelFacts(
        rows=manifest.rows,
        groups=len(manifest.groups),
        sha256=manifest.sha256[MODEL],
        xgboost=manifest.xgboost,
        metrics=dict(manifest.metrics),
    )


def metric_rows(facts: ModelFacts) -> Sequence[tuple[str, str]]:
    """Metrics for people."""
    return [(name, f"{value:.4g}") for name, value in sorted(facts.metrics.items())]


def _here(
    adapter: Adapter, rows: Sequence[Path], output: Path, logs: Sequence[Path], seed: int
) -> TrainReport:
    from mlproxy import training
    from mlproxy.experience import read_experience
    from mlproxy.lab.rows import records_from
    from mlproxy.relearn import relearn

    records = records_from(adapter, rows)
    if not logs:
        manifest = training.train(adapter, records, output, seed)
        return _report(adapter, output, len(records), manifest)
    known = read_experience(adapter, logs)
    manifest, found = relearn(adapter, records, known.records, output, seed)
    learned = Relearned(
        tried=known.tried,
        skipped=dict(known.skipped),
        validation_workloads=found.workloads,
        regret_before=round(math.expm1(found.before_log), 4),
        regret_after=round(math.expm1(found.after_log), 4),
    )
    return _report(adapter, output, len(records), manifest, learned)


def _on_fleet(
    adapter: Adapter, sources: Sequence[str], output: Path, scheduler: str, seed: int
) -> TrainReport:
    from mlproxy.fleet import train_on_fleet

    manifest, records = train_on_fleet(adapter, sources, output, scheduler, seed)
    return _report(adapter, output, records, manifest)


def _report(
    adapter: Adapter,
    output: Path,
    records: int,
    manifest: Manifest,
    learned: Relearned | None = None,
) -> TrainReport:
    return TrainReport(
        adapter=adapter.name,
        folder=str(output),
        records=records,
        model=model_facts(manifest),
        outcomes=learned,
    )


def _show(console: Console, report: TrainReport) -> None:
    found = table("metric (groups held out)", "value")
    for row in metric_rows(report.model):
        found.add_row(*row)
    console.print(found)
    size = f"{report.model.rows} rows of {report.records} records in {report.model.groups} groups"
    line(console, f"{report.adapter}: {size}; model {report.model.sha256[:12]} in {report.folder}")
    known = report.outcomes
    if known is None:
        return
    skipped = "".join(f", {count} {why}" for why, count in known.skipped.items())
    line(console, f"outcomes: {known.tried} trials learned from{skipped}")
    line(
        console,
        f"regret on {known.validation_workloads} validation workloads: "
        f"{known.regret_before:.2%} without the outcomes, {known.regret_after:.2%} with them",
    )
